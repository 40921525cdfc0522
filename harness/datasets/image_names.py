"""What files of images are called by that belong together: one patient's, one photograph's copies."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from harness.record import DataError

LEAST_GROUPS = 10
"""So many groups of several files each, or nothing is to be seen in their names."""
SHARE, COPIED = 0.5, 0.05
"""The share of the files that are in such groups; of photographs some may be copied and others not."""
ROBOFLOW = r"^(.+)\.rf\.[0-9a-zA-Z]{8,}\.\w+$"
_CHANGED = re.compile(
    r"(?i)[_ -]\(?(aug|h?v?flip|mirror|rot|crop|nois|blur|bright|dark|contrast|shift|zoom|shear|gamma|scale|"
    r"jitter|copy)[^/]*$"
)
"""What stands behind the name of a photograph in that of a copy."""
_OF_ONE = {
    "one person": (
        "patient",
        "person",
        "subject",
        "subj",
        "participant",
        "volunteer",
        "donor",
        "case",
        "pat",
    ),
    "one recording": (
        "video",
        "vid",
        "clip",
        "movie",
        "scene",
        "sequence",
        "seq",
        "recording",
        "slide",
        "scan",
    ),
}
"""What files of one number are → the words before it."""


@dataclass(frozen=True)
class Belonging:
    """Files whose names say that they belong together.

    Args:
        what: they are. pattern: what says so, as `group` takes it. groups: of the files that it names.
    """

    what: str
    pattern: str
    groups: int
    files: int


def belonging(names: Sequence[str]) -> Belonging | None:
    """By what files belong together, None where their names do not say so.

    Args:
        names: paths below the folder, with `/` between.
    """
    copies = "copies of one photograph"
    tried = [(ROBOFLOW, copies), (_of_copies(names), copies)]
    tried += [
        (rf"(?i)(?:^|[/_ -])({word}[_ -]?\d+)", what) for what, words in _OF_ONE.items() for word in words
    ]
    for pattern, what in tried:
        # By folder: numbers that begin again in each class are of nobody.
        found = [
            (name.rpartition("/")[0], match[1])
            for name in names
            if pattern and (match := re.search(pattern, name))
        ]
        if len({key for _, key in found}) <= len({folder for folder, _ in found}):
            continue  # each class is one's
        several = [count for count in Counter(found).values() if count > 1]
        least = COPIED if what == copies else SHARE
        if len(several) >= LEAST_GROUPS and sum(several) >= least * len(names):
            return Belonging(what, pattern, len(several), sum(several))
    return None


def _of_copies(names: Sequence[str]) -> str:
    """What a photograph and its copies have in common, where both are there: `1.jpg`, `1_flip.jpg`."""
    whole = {name.rpartition(".")[0] for name in names}
    found = [match for name in names if (match := _CHANGED.search(name)) and name[: match.start()] in whole]
    words = "|".join(sorted({match[1].casefold() for match in found}))
    return rf"(?i)^(.+?)(?:[_ -]\(?(?:{words})[^/]*)?\.\w+$" if words else ""


def keys_of(names: Sequence[str], pattern: str) -> list[str]:
    """What each file belongs to: the first group of the pattern in its name, or all that it matches; where it
    matches nothing the file is alone.

    Raises:
        DataError: it is no regular expression, or matches no name.
    """
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise DataError(f"image_folder: group {pattern!r} is no regular expression: {error}") from error
    found = [compiled.search(name) for name in names]
    if not any(found):
        shown = names[0] if names else ""
        raise DataError(
            f"image_folder: group {pattern!r} is in no file's name, for instance {shown!r}: write what is "
            r"the same in names that belong together, such as 'patient\d+'"
        )
    return [name if m is None else (m[1] or m[0]) if m.re.groups else m[0]
            for name, m in zip(names, found, strict=True)]  # fmt: skip
