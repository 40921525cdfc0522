"""What the host of a virtual machine took away while loads were measured: it decides a p99, and so a cost."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from harness import facts
from harness.record import Record

MUCH = 0.02
"""Share of the time. Two runs of one suite on one machine: .001 taken, and a network carried 4,080 requests/s
within its limit; .073 taken an hour later, and it carried 1,930."""


def disturbed(served: Iterable[Record]) -> tuple[str, ...]:
    """A sentence where the host took much of the time in the runs at a load; nothing where it did not."""
    taken = [
        point.noise.stolen
        for record in served
        if record.status == "finished" and record.trial.scenario == "server"
        for point in record.facts_as(facts.ServerFacts).load_curve or ()
        if point.noise is not None
    ]
    if not taken or np.mean(taken) < MUCH:
        return ()
    share, most = (f"{100 * x:.0f}\u202f%" for x in (np.mean(taken), max(taken)))
    return (
        f"the host of this virtual machine took {share} of the time while loads were measured, up to {most} "
        "of a run: capacities and costs are those of such an hour, and may be better by far in another "
        "(run … --again measures one more)",
    )
