"""What parts of data are called, by rule rather than by one spelling."""

from __future__ import annotations

TRAIN = frozenset({"train", "training", "trn"})
TEST = frozenset({"test", "testing", "tst"})
VALIDATION = frozenset({"val", "valid", "validation", "dev", "validate"})
"""In any case, also with `_set`, `_images`, `_data` or `_split` behind."""


def part_called(name: str) -> str:
    """`train`, `test`, `validation`, or empty for any other name."""
    plain = name.casefold()
    for end in ("set", "images", "data", "split"):
        shorter = plain.removesuffix(end).rstrip("_- ")
        plain = shorter if shorter in TRAIN | TEST | VALIDATION else plain
    for part, names in (("train", TRAIN), ("test", TEST), ("validation", VALIDATION)):
        if plain in names:
            return part
    return ""
