"""Misspelt names: the nearest known one, and how messages ask for it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

VERY_LIKE = 0.8
"""From here on a name is only misspelt, and not another name for the same."""


def nearest(name: str, known: Iterable[str], cutoff: float = 0.6) -> str | None:
    """The known name most like a misspelt one, None where none is near; case and hyphens do not count.

    Args:
        cutoff: how like it must be, from 0 to 1 (`difflib.get_close_matches`).
    """
    folded: dict[str, str] = {}
    for item in known:
        folded.setdefault(_folded(item), item)
    meant = _folded(str(name))
    found = difflib.get_close_matches(meant, folded, n=1, cutoff=max(cutoff, VERY_LIKE))
    # `onnxruntime` is more like `onnx-int8` than like `onnx`, letter by letter.
    found = found or sorted((k for k in folded if len(k) > 2 and meant.startswith(k)), key=len)[-1:]
    found = found or difflib.get_close_matches(meant, folded, n=1, cutoff=cutoff)
    return folded[found[0]] if found else None


def _folded(name: str) -> str:
    return name.lower().replace("-", "_")


def hint(name: str, known: Iterable[str], otherwise: str = "", most: int = 12) -> str:
    """The cure for an unknown name: the nearest one, else `otherwise`, else the names that there are."""
    known = list(known)
    if near := nearest(name, known):
        return f"did you mean `{near}`?"
    if longer := [item for item in known if _folded(str(name)) in _folded(item).split("_")][:3]:
        return f"did you mean {' or '.join(f'`{item}`' for item in longer)}?"
    if otherwise:
        return otherwise
    if not known:
        return "there is none to choose from"
    return "there is " + ", ".join(known[:most]) + (", …" if len(known) > most else "")
