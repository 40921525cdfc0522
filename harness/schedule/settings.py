"""How trials are scheduled: what a run says to the scheduler."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class SchedulerSettings:
    """How trials are scheduled.

    Args:
        address: of a running cluster (`auto`, `HOST:PORT`); None starts Ray on this machine.
        budget_s: no trial starts later than this after `started` (time.time()).
        paths: folders of the user's modules, put on the workers' sys.path.
        machine_class: the class that serve trials must run on; None takes the commonest.
        suite_path: the suite file; the code beside it travels to the nodes of a joined cluster.
        session: names this session in the records it writes.
        search_limits: candidate → seconds after which its search for settings tries no more.
        patience_s: how long a phase waits for a node that fits, where those that did are lost.
    """

    address: str | None = None
    budget_s: float | None = None
    started: float = 0.0
    paths: tuple[str, ...] = ()
    machine_class: str | None = None
    suite_path: str = ""
    session: str = ""
    search_limits: Mapping[str, float | None] = field(default_factory=dict)
    patience_s: float = 300.0

    @property
    def deadline(self) -> float | None:
        return None if self.budget_s is None else self.started + self.budget_s

    @property
    def budget_reason(self) -> str:
        return f"not run: budget of {_duration(self.budget_s or 0)} spent"


def _duration(seconds: float) -> str:
    return f"{seconds / 60:.3g} min" if seconds >= 60 else f"{seconds:g} s"
