"""How many calls a launch makes where a p99 decides: without enough of them there is none to decide by.

A p99 needs 662 calls over all rounds. The seconds of `single_stream` bring so many of a fast variant; of a
slow one they are asked for, where the suite does not say itself how many it wants.
"""

from __future__ import annotations

from math import ceil, inf

from harness.analysis.criteria import NEEDED_CALLS, decides, limits_of
from harness.suite.schema import Suite
from harness.suite.serving import SingleStream

P99 = "latency_p99_ms"
USUAL = 100
"""Calls that a launch makes at least."""
TAIL = 1.2
"""A variant whose median is within this factor of the limit does not keep it with its p99."""
LONGEST = 0.5
"""Share of a serve trial's time limit that the calls of a variant as slow as the limit may take: noisy
windows are measured again."""
WORTH_SAYING_S = 10.0
"""What a launch must take, at the limit, to be told of."""


def min_calls(suite: Suite) -> int:
    """Calls of a launch of `single_stream`, at least: the suite's own number, more where a p99 decides."""
    stream = suite.serving.scenarios.single_stream or SingleStream()
    if stream.min_calls is not None:
        return stream.min_calls
    usual = min(USUAL, stream.max_calls)
    if _is_reached(suite) or not _has_time(suite):
        return usual
    return max(usual, min(_enough(suite), stream.max_calls))


def with_calls(suite: Suite, calls: int) -> Suite:
    """The suite whose launches of `single_stream`, where it has some, make so many calls at least."""
    scenarios = suite.serving.scenarios
    if scenarios.single_stream is None:
        return suite
    pinned = scenarios.single_stream.model_copy(update={"min_calls": calls})
    scenarios = scenarios.model_copy(update={"single_stream": pinned})
    return suite.model_copy(update={"serving": suite.serving.model_copy(update={"scenarios": scenarios})})


def with_rounds(suite: Suite, rounds: int) -> Suite:
    """The suite with more rounds, or fewer of them for now, of which each is as it was: launches that are
    finished stay what is asked for, however many are to come."""
    pinned = with_calls(suite, min_calls(suite))
    return pinned.model_copy(update={"serving": pinned.serving.model_copy(update={"rounds": rounds})})


def tail_note(suite: Suite) -> str:
    """What a p99 that decides costs in time, or why slow variants will have none; else empty."""
    stream = suite.serving.scenarios.single_stream
    if stream is None or not decides(suite, P99):
        return ""
    enough, limit = _enough(suite), _limit_ms(suite)
    needs = f"it needs {NEEDED_CALLS[P99]} calls over the rounds, {enough} in each"
    if stream.max_calls < enough:
        return f"no variant will have the p99 that decides: {needs}; set max_calls to {enough} or more"
    if _is_reached(suite) or (stream.min_calls or 0) >= enough:
        return ""
    slow = f"a variant slower than {_reach_ms(suite):.3g} ms a call"
    none = f"{slow} will have no p99, which decides here: {needs}"
    if stream.min_calls is not None:
        return f"{none}; set min_calls to {enough}, or leave it out"
    takes_s = _made(suite) * limit / 1e3
    if not _has_time(suite):
        minutes = ceil(takes_s / LONGEST / 60)
        return f"{none}, at {limit:g} ms each {takes_s:,.0f} s; set serving.time_limit to {minutes}m or more"
    if takes_s < WORTH_SAYING_S:
        return ""
    longest = "" if limit == inf else f", up to {takes_s:.0f} s a round at {limit:g} ms each"
    return (
        f"a p99 decides, and {needs}: {slow} is called so often{longest}; min_calls says otherwise if given"
    )


def _enough(suite: Suite) -> int:
    """Calls of each launch that are together enough for a p99."""
    return ceil(NEEDED_CALLS[P99] / suite.serving.rounds)


def _made(suite: Suite) -> int:
    """Calls of a launch that is asked for enough: one that makes half of what a p99 needs makes all of it."""
    needed = NEEDED_CALLS[P99]
    return needed if _enough(suite) >= needed / 2 else _enough(suite)


def _reach_ms(suite: Suite) -> float:
    """The slowest call of which the seconds bring enough."""
    stream = suite.serving.scenarios.single_stream or SingleStream()
    return 1e3 * stream.seconds / _enough(suite)


def _limit_ms(suite: Suite) -> float:
    """The limit on the p99: what is slower breaks it by its p50 already. Infinite without one."""
    return min((c.limit for c in limits_of(suite) if c.metric == P99 and c.is_upper), default=inf)


def _is_reached(suite: Suite) -> bool:
    """Whether all variants that could keep the limit have a p99 by the seconds alone."""
    return not decides(suite, P99) or _limit_ms(suite) <= TAIL * _reach_ms(suite)


def _has_time(suite: Suite) -> bool:
    """Whether a variant as slow as the limit makes its calls well within a trial's time."""
    limit = _limit_ms(suite)
    return limit == inf or _made(suite) * limit / 1e3 <= LONGEST * suite.serving.time_limit
