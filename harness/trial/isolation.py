"""No trial of any run on this host trains while another one is timed.

Ray keeps the trials of one cluster apart. Two runs on one host are two clusters that know nothing of
each other, so every trial also holds a lock of the host: training and scoring share it, a serve trial
holds it alone. The kernel frees a lock when its holder dies, whatever the way.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from harness.record import Kind
from harness.store.disk import locked


@contextlib.contextmanager
def host_to_itself(
    kind: Kind,
    waiting: Callable[[], object] = lambda: None,
    waited: Callable[[float, float], object] = lambda began, ended: None,
) -> Iterator[None]:
    """Hold the host's lock while a trial runs: shared for `train` and `score`, alone for `serve`.

    Whoever waits to serve also holds the gate, so that a stream of training trials cannot starve it.

    Args:
        waiting: called once when the lock is not free.
        waited: called with when such a wait began and ended, as time.time().
    """
    folder = locks_folder()
    with contextlib.ExitStack() as held:
        with contextlib.ExitStack() as gate:
            _enter(gate, folder / "gate.lock", False, waiting, waited)
            _enter(held, folder / "host.lock", kind != "serve", waiting, waited)
        yield


def _enter(
    stack: contextlib.ExitStack,
    path: Path,
    shared: bool,
    waiting: Callable[[], object],
    waited: Callable[[float, float], object],
) -> None:
    for _ in range(20):  # the gate is held for an instant by everyone who passes
        try:
            stack.enter_context(locked(path, shared=shared, wait=False))
            return
        except BlockingIOError:
            time.sleep(0.02)
    began = time.time()
    waiting()
    stack.enter_context(locked(path, shared=shared))
    waited(began, time.time())


def locks_folder() -> Path:
    """Per user: another user's lock files could not be opened. `HARNESS_LOCKS` names another place."""
    return Path(
        os.environ.get("HARNESS_LOCKS") or Path(tempfile.gettempdir()) / f"harness-locks-{os.getuid()}"
    )
