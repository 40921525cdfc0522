"""What follows from content alone and takes long to find out, kept between processes."""

from __future__ import annotations

import atexit
import contextlib
import json
import os
from functools import cache

from harness.codec import Json
from harness.store.disk import cache_root


@cache
def remembered(name: str, most: int = 100_000) -> dict[str, Json]:
    """The memory of a name: key → what was found. What is added is written when the process ends.

    A key must hold all that its value follows from. The file may be deleted at any time.

    Args:
        most: with more entries than these, it begins anew.
    """
    path = cache_root() / "code" / f"{name}.json"
    known: dict[str, Json] = {}
    with contextlib.suppress(OSError, ValueError):
        known = json.loads(path.read_text(encoding="utf-8"))
    before = len(known)
    if before > most:
        known, before = {}, 0

    def keep() -> None:
        if len(known) > before:
            draft = path.with_suffix(f".{os.getpid()}")
            with contextlib.suppress(OSError):  # it is only a memory
                path.parent.mkdir(parents=True, exist_ok=True)
                draft.write_text(json.dumps(known), encoding="utf-8")
                draft.replace(path)

    atexit.register(keep)
    return known
