"""Ctrl-C that Python drops comes once more."""

from __future__ import annotations

import _thread
import contextlib
import sys
from collections.abc import Iterator
from threading import Timer

SOON_S = 0.05
"""Long enough for the finalizer to be over."""


@contextlib.contextmanager
def coming_again() -> Iterator[list[bool]]:
    """Python drops what is raised while it calls a finalizer or a callback: inside, an interruption that came
    then comes once more, where a run went on to its end.

    Yields:
        what holds a value while one is on its way that was pressed before.
    """
    hook, dropped = sys.unraisablehook, list[bool]()

    def ignored(told: sys.UnraisableHookArgs) -> None:
        if not isinstance(told.exc_value, KeyboardInterrupt):
            hook(told)
            return
        dropped.append(True)
        Timer(SOON_S, _thread.interrupt_main).start()

    sys.unraisablehook = ignored
    try:
        yield dropped
    finally:
        sys.unraisablehook = hook
