"""What a command does, while it does it: on a terminal one line, drawn anew; in a log a line a step."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Callable
from typing import TextIO

from harness.figures import duration_text

DRAWN_EVERY_S, LOGGED_EVERY_S = 0.5, 30.0
"""Between two looks at a step that lasts, on a terminal and in a log."""
SOON_S = 2.0
"""From when it is told how long a step lasts that nobody could foresee."""
ERASE = "\r\x1b[2K"


class Steps:
    """Tells of steps on a stream, and of nothing where it is quiet; use as a context manager.

    Args:
        is_quiet: neither steps nor what is said. shows_steps: whether steps are told at all.
    """

    def __init__(
        self,
        stream: TextIO,
        *,
        shows_steps: bool = True,
        is_quiet: bool | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stream, self._now = stream, now
        self._is_quiet = os.environ.get("HARNESS_OUTPUT") == "quiet" if is_quiet is None else is_quiet
        self._shows_steps = shows_steps and not self._is_quiet
        self._is_drawn = stream.isatty() and os.environ.get("TERM", "dumb") != "dumb"
        self._lock, self._over = threading.Lock(), threading.Event()
        self._thread = threading.Thread(target=self._tell_again, daemon=True)
        self._text, self._began = "", 0.0
        self._left_s: float | None = None

    def __enter__(self) -> Steps:
        if self._shows_steps:
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        if self._thread.is_alive():
            self._thread.join()  # no thread writes while the interpreter ends
        self.rest()

    def step(self, text: str, left_s: float | None = None) -> None:
        """Begin with something; about so many seconds are left to the end, None where nobody knows."""
        if not self._shows_steps:
            return
        with self._lock:
            self._text, self._left_s, self._began = text, left_s, self._now()
            self._tell()

    def say(self, text: str) -> None:
        """A line that stays."""
        if self._is_quiet:
            return
        with self._lock:
            self._erase()
            print(text, file=self._stream, flush=True)
            if self._is_drawn and self._text:
                self._tell()

    def rest(self) -> None:
        """No step goes on: the user is asked, or all is done."""
        with self._lock:
            self._erase()
            self._text = ""

    def line(self) -> str:
        """The step as it stands: `timing vit at 96×96 (2 of 3), about 4 s left`."""
        took = self._now() - self._began
        if self._left_s is not None and took < self._left_s:
            return f"{self._text}, about {duration_text(max(1.0, self._left_s - took))} left"
        if self._left_s is not None:
            return f"{self._text}, longer than expected: {duration_text(took)} so far"
        return f"{self._text}, {duration_text(took)} so far" if took >= SOON_S else self._text

    def _tell_again(self) -> None:
        while not self._over.wait(DRAWN_EVERY_S if self._is_drawn else LOGGED_EVERY_S):
            with self._lock:
                if self._text and self._now() - self._began >= DRAWN_EVERY_S:
                    self._tell()

    def _tell(self) -> None:
        if self._is_drawn:
            self._stream.write(ERASE + self.line()[: shutil.get_terminal_size().columns - 1])
        else:
            self._stream.write(f"{self.line()} …\n")
        self._stream.flush()

    def _erase(self) -> None:
        if self._is_drawn and self._text:
            self._stream.write(ERASE)
            self._stream.flush()
