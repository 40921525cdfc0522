"""Names cut to the room there is, so that no two of them look alike."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def shortened(name: str, length: int = 30) -> str:
    """A name that fits beside a plot: cut in the middle, as the ends (`…/onnx`) tell twins apart."""
    if len(name) <= length:
        return name
    head = (length - 1) // 2
    return f"{name[:head]}…{name[len(name) - (length - 1 - head) :]}"


def short_names(names: Iterable[str], length: int = 30) -> dict[str, str]:
    """Name → what stands for it; names that a cut in the middle would make equal are cut elsewhere."""
    full = list(dict.fromkeys(names))
    found = {name: shortened(name, length) for name in full}
    for name in full:
        twins = [other for other in full if found[other] == found[name]]
        if len(twins) > 1:
            found.update({twin: _around(twin, twins, length) for twin in twins})
    return found


def _around(name: str, twins: Sequence[str], length: int) -> str:
    """A name cut before and after the first place where it differs from its twins."""
    least = min(map(len, twins))
    place = next((i for i in range(least) if len({twin[i] for twin in twins}) > 1), least)
    start = max(0, min(place - length // 3, len(name) - length + 1))
    piece = name[start : start + length - 2]
    return f"{'…' if start else ''}{piece}{'…' if start + len(piece) < len(name) else ''}"
