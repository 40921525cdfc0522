"""What `init` is doing at the moment, and how long the rest of it will take."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from harness.datasets.image_files import SUFFIXES
from harness.init.find import Found
from harness.record import DataError

Step = Callable[[str, float | None], None]
"""Told what is being done now, and how many seconds all that is left will take where that is known."""
DECODED = 6
"""Images that are decoded to see how long all of them take."""
LOADING_S, TIMED_S = 4.0, 0.8
"""What it takes to load torch, and to build a network and time it, on an idle core."""
NETWORKS = 3
"""Of images that are timed after they were read."""


def reading(found: Found) -> tuple[str, float | None]:
    """What is read, and how long that and what follows will take."""
    if found.path is None:
        return "reading the digits that come with scikit-learn", None
    if found.kind != "images":
        size = sum(path.stat().st_size for path in (found.path, found.test_path) if path)
        more = f" ({size / 1e6:,.0f} MB)" if size >= 1e6 else ""
        return f"reading {found.path.name}{more}", None
    files = [file for file in found.path.rglob("*") if file.suffix.lower() in SUFFIXES]
    return f"reading {len(files):,} images", _decoding_s(files) + LOADING_S + NETWORKS * TIMED_S


def timing(index: int, names: Sequence[str], side: int) -> tuple[str, float]:
    """Which of several networks is timed, and how long the rest of them will take."""
    at, which = (
        f" at {side}×{side}" if side else "",
        f" ({index + 1} of {len(names)})" if len(names) > 1 else "",
    )
    loading_s = 0.0 if "torch" in sys.modules else LOADING_S
    return f"timing {names[index]}{at}{which}", loading_s + (len(names) - index) * TIMED_S


def _decoding_s(files: Sequence[Path]) -> float:
    """How long it takes to decode all files, by a few of them: those from a cache take less."""
    from harness.datasets.image_folder import LARGEST, decode

    some, started = files[:: max(1, len(files) // DECODED)][:DECODED], time.perf_counter()
    for file in some:
        try:
            decode(file, (3, LARGEST, LARGEST), (255, 255, 255))
        except DataError:
            continue  # the data set names all that cannot be read
    cores = len(os.sched_getaffinity(0))  # on which they are decoded
    return (time.perf_counter() - started) / max(1, len(some)) * len(files) / cores
