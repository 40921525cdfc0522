"""How long a run stood still for other runs on this host: that time is not counted against its budget.

Each wait is a line `began ended` in a file beside the host's locks, which all processes of a run share.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from harness.store.disk import writing
from harness.trial.isolation import locks_folder


def note_wait(account: str, began: float, ended: float) -> None:
    """Write a wait down.

    Args:
        account: names the run; empty: nobody counts.
        began, ended: time.time().
    """
    if not account:
        return
    with writing(str(_file(account))), _file(account).open("a", encoding="ascii") as file:
        file.write(f"{began:.3f} {ended:.3f}\n")  # one write of a short line: no other cuts into it


def waited_s(account: str) -> float:
    """Seconds of a run in which trials waited; those that waited at the same time count once."""
    try:
        lines = _file(account).read_text(encoding="ascii").splitlines() if account else []
    except FileNotFoundError:
        return 0.0
    return covered_s((float(began), float(ended)) for began, ended in (line.split() for line in lines))


def covered_s(spans: Iterable[tuple[float, float]]) -> float:
    """Seconds that spans cover together, where they overlap once."""
    total, reached = 0.0, float("-inf")
    for began, ended in sorted(spans):
        total += max(0.0, ended - max(began, reached))
        reached = max(reached, ended)
    return total


@contextlib.contextmanager
def counting_waits(account: str) -> Iterator[None]:
    """Count a run's waits from nothing, and leave no file behind."""
    _file(account).unlink(missing_ok=True)
    try:
        yield
    finally:
        _file(account).unlink(missing_ok=True)


def _file(account: str) -> Path:
    return locks_folder() / f"waits-{hashlib.sha256(account.encode()).hexdigest()[:16]}.txt"
