"""Launches that an earlier run finished stay what is asked for, where the suite asks for less of each now.

How many calls a launch makes follows from the rounds and the limit, where a p99 decides: 221 of 3 rounds, 133
of 5. Finished rounds made more than are asked for now, so all make as many, and none is served anew.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping

from harness.planning.tails import min_calls, with_calls
from harness.record import Record, Trial
from harness.store.runs import RunFolder
from harness.suite.schema import Suite

Planned = tuple[tuple[Trial, ...], Mapping[str, RunFolder]]
"""The trials of a suite, and the run that each finished one is in."""


def as_launched(
    suite: Suite, planned: Planned, history: Iterable[Record], plan: Callable[[Suite], Planned]
) -> tuple[Suite, Planned, str]:
    """The suite whose launches make as many calls as finished ones did, its plan, and what to say of it; as
    it was where nothing more would be finished.

    Args:
        planned: of the suite as it is. history: records of its newest run. plan: of a suite.
    """
    stream = suite.serving.scenarios.single_stream
    if stream is None or stream.min_calls is not None:
        return suite, planned, ""
    asked = min_calls(suite)
    made = Counter(calls for record in history if (calls := _calls_of(record)) > asked)
    for calls, _ in made.most_common(1):
        longer = with_calls(suite, calls)
        found = plan(longer)
        if _served(found) > _served(planned):
            said = (
                f"finished rounds made at least {calls} calls of each variant, and {asked} would be enough "
                "now: further ones make as many, so that none is served again (min_calls says otherwise)"
            )
            return longer, found, said
    return suite, planned, ""


def _calls_of(record: Record) -> int:
    """How many calls a finished launch was asked for; 0 of other trials."""
    scenario = record.trial.spec.get("scenario")
    if record.status != "finished" or scenario is None or record.trial.scenario != "single_stream":
        return 0
    return int(scenario.get("min_calls", 0))


def _served(planned: Planned) -> int:
    trials, cached = planned
    return sum(trial.kind == "serve" and trial.id in cached for trial in trials)
