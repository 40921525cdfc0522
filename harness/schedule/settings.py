"""How trials are scheduled: what a run says to the scheduler."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from harness.record import Trial
from harness.trial.waits import waited_s

Wanted = Callable[[Trial], bool | None]
"""Asked of a trial when all that it needs has ended: whether it is still to be run; None: not yet. What is
not run yet when nothing else runs any more is left."""


@dataclass(frozen=True)
class SchedulerSettings:
    """How trials are scheduled.

    Args:
        address: of a running cluster (`auto`, `HOST:PORT`); None starts Ray on this machine.
        budget_s: no trial starts later than this after `started` (time.time()), waits left out.
        paths: folders of the user's modules, put on the workers' sys.path.
        machine_class: the class that serve trials must run on; None takes the commonest.
        suite_path: the suite file; the code beside it travels to the nodes of a joined cluster.
        session: names this session in the records it writes.
        search_limits: candidate → seconds after which its search for settings tries no more.
        account: names the run under which this host notes waits for other runs, which the budget does not
            count; empty: they are counted.
        patience_s: how long a phase waits for a node that fits, where those that did are lost.
    """

    address: str | None = None
    budget_s: float | None = None
    started: float = 0.0
    paths: tuple[str, ...] = ()
    machine_class: str | None = None
    suite_path: str = ""
    session: str = ""
    account: str = ""
    search_limits: Mapping[str, float | None] = field(default_factory=dict)
    patience_s: float = 300.0

    @property
    def deadline(self) -> float | None:
        """The time.time() at which the budget ends for a run that waits for no other; None without one."""
        return None if self.budget_s is None else self.started + self.budget_s

    @property
    def left_s(self) -> float:
        """Seconds of the budget that are left, infinite without one; waits for other runs are not counted."""
        return left_s(self.deadline, self.account)

    @property
    def budget_reason(self) -> str:
        return f"not run: budget of {_duration(self.budget_s or 0)} spent"


def left_s(deadline: float | None, account: str) -> float:
    """Seconds until a deadline that each wait of the account puts off; infinite without one."""
    return math.inf if deadline is None else deadline + waited_s(account) - time.time()


def _duration(seconds: float) -> str:
    return f"{seconds / 60:.3g} min" if seconds >= 60 else f"{seconds:.3g} s"
