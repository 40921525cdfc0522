"""What a cluster may lose while a run goes on: its head, or every node that a trial waits for."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Collection, Iterator

from rich.console import Console

LOOK_S = 5.0

SILENT_S = 45.0
"""How long the head may be away: after 60 s Ray itself ends the process, with a log of its own."""


class NodesLostError(Exception):
    """No living node fits any trial that waits, and none is running: the sweep would wait for ever."""


class Waiting:
    """Looks, every few seconds of a sweep, whether what waits can still be placed.

    Args:
        can_run: whether a living node fits a trial, by its id.
    """

    def __init__(self, can_run: Callable[[Collection[str]], bool]) -> None:
        self.can_run = can_run
        self._looked = time.monotonic()
        self._is_stuck = False

    def look(self, waiting: Collection[str], is_running: bool) -> None:
        """Raises: NodesLostError, at the second look in a row that finds nothing."""
        if time.monotonic() - self._looked < LOOK_S:
            return
        stuck = bool(waiting) and not is_running and not self.can_run(waiting)
        if stuck and self._is_stuck:
            raise NodesLostError
        self._is_stuck, self._looked = stuck, time.monotonic()


def _end(address: str) -> None:
    """End the process: the main thread waits inside Ray, which answers nobody any more."""
    Console(stderr=True).show_cursor(True)
    sys.stderr.write(
        f"\nthe head of the cluster ({address}) does not answer: "
        "what is finished is kept, the same command continues\n"
    )
    sys.stderr.flush()
    os._exit(1)


@contextlib.contextmanager
def head_watched(
    address: str, silent_s: float = SILENT_S, every_s: float = LOOK_S, end: Callable[[str], None] = _end
) -> Iterator[None]:
    """End the run with a sentence where the head of the cluster is gone.

    Args:
        address: host:port of the head's store (GCS).
    """
    over = threading.Event()
    host, _, port = address.rpartition(":")
    place = (host.strip("[]"), int(port))

    def watch() -> None:
        answered = time.monotonic()
        while not over.wait(every_s):
            try:
                socket.create_connection(place, timeout=every_s).close()
                answered = time.monotonic()
            except OSError:
                if time.monotonic() - answered >= silent_s and not over.is_set():
                    end(address)
                    return

    threading.Thread(target=watch, name="head", daemon=True).start()
    try:
        yield
    finally:
        over.set()
