"""Ends a trial that hangs or eats the node's memory, and leaves its record behind.

A trial runs user code in a reused worker process: it cannot be interrupted from outside without
losing why it was ended. So a thread of the same process watches the clock and the memory, writes
the failed record itself, and ends the process. When the trial holds the interpreter's lock (an
endless loop in C), the thread cannot run; faulthandler's C timer then ends the process a little
later, and the driver writes the record (`harness.schedule`).
"""

from __future__ import annotations

import faulthandler
import os
import re
import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import IO

import psutil

GRACE_S = 20.0
"""How long after the limit the C timer waits for the thread to end the process."""

HOST_LIMIT = 0.92
"""Share of the node's memory above which its largest trial is ended: below Ray's own limit (0.95),
whose kill ends the whole sweep, and below the kernel's, whose kill leaves no reason."""

CHECK_S = 0.2
EXIT_CODE = 137

End = Callable[[str, str], None]
"""(reason, traceback text) → writes the record."""


class Watchdog:
    """Context manager around a trial: `with Watchdog(limit_s, memory_mb, end, log): …`.

    Args:
        limit_s: wall time the body may take.
        memory_mb: memory the process may gain during the body; 0 = up to the node's limit.
        end: called once, from the watching thread, before the process ends.
        log: file that the stacks of all threads are written to.
        check_s: how often to look.
        exit_process: how to end the process (tests pass their own).
    """

    def __init__(
        self,
        limit_s: float,
        memory_mb: int,
        end: End,
        log: Path,
        check_s: float = CHECK_S,
        exit_process: Callable[[int], object] = os._exit,
    ) -> None:
        self._limit_s, self._memory_mb, self._end, self._log_path = limit_s, memory_mb, end, log
        self._exit, self._check_s = exit_process, check_s
        self._done = threading.Event()
        self._settled = threading.Lock()
        self._process = psutil.Process()
        self._base = self._process.memory_info().rss
        self._log: IO[bytes] | None = None

    def __enter__(self) -> Watchdog:
        self._log = self._log_path.open("ab")
        faulthandler.enable(self._log)  # a segmentation fault leaves its stack there (`last_words`)
        faulthandler.dump_traceback_later(self._limit_s + GRACE_S, exit=True, file=self._log)
        self._thread = threading.Thread(target=self._watch, daemon=True, name="harness-watchdog")
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with self._settled:  # the thread may be ending the process just now: then wait for that
            self._done.set()
        faulthandler.cancel_dump_traceback_later()
        faulthandler.disable()
        if sys.__stderr__ is not None:
            faulthandler.enable(sys.__stderr__)
        self._thread.join()
        assert self._log is not None
        self._log.close()

    def _watch(self) -> None:
        start = time.monotonic()
        while not self._done.wait(min(self._check_s, max(0.01, start + self._limit_s - time.monotonic()))):
            reason = self._objection(time.monotonic() - start)
            if reason is None:
                continue
            with self._settled:
                if self._done.is_set():
                    return
                try:
                    self._end(reason, self._stacks())
                finally:
                    self._exit(EXIT_CODE)
                    self._done.set()
            return

    def _objection(self, seconds: float) -> str | None:
        if seconds >= self._limit_s:
            return f"timed out after {self._limit_s:g} s"
        try:
            used = self._process.memory_info().rss
        except psutil.Error:
            return None
        gained = (used - self._base) / 2**20
        if self._memory_mb and gained > self._memory_mb:
            return f"out of memory: {gained:.0f} MB used, {self._memory_mb} MB claimed (resources.memory_mb)"
        share, total = host_memory()
        if share > HOST_LIMIT and used >= 0.2 * total:
            return f"out of memory: the node is {share:.0%} full, this trial holds {used / 2**20:.0f} MB"
        return None

    def _stacks(self) -> str:
        """Where every thread stands, for the record."""
        frames = sys._current_frames()
        parts = []
        for thread in threading.enumerate():
            frame = frames.get(thread.ident or 0)
            if frame is not None and thread is not threading.current_thread():
                parts.append(f"Thread {thread.name}:\n" + "".join(traceback.format_stack(frame)))
        return "\n".join(parts)


def last_words(log: Path, limit_s: float) -> tuple[str, str]:
    """Why a process died, from what its faulthandler wrote: (reason, stacks); empty when it wrote nothing.

    A process that the kernel or a person kills (SIGKILL) says nothing.
    """
    try:
        text = log.read_text(errors="replace")
    except OSError:
        return "", ""
    if "Timeout (" in text:
        return f"timed out after {limit_s:g} s", text
    fatal = re.search(r"Fatal Python error: (.+)", text)
    return (f"worker died ({fatal.group(1).strip().lower()})", text) if fatal else ("", text)


def host_memory() -> tuple[float, int]:
    """(share of the node's memory in use, its size in bytes), of the container where there is one."""
    whole = psutil.virtual_memory()
    share, total = 1 - whole.available / whole.total, int(whole.total)
    try:
        limit = int(Path("/sys/fs/cgroup/memory.max").read_text())
        current = int(Path("/sys/fs/cgroup/memory.current").read_text())
        stat = dict(line.split() for line in Path("/sys/fs/cgroup/memory.stat").read_text().splitlines())
    except (OSError, ValueError):
        return share, total
    if limit < total:
        return (current - int(stat.get("inactive_file", 0))) / limit, limit
    return share, total
