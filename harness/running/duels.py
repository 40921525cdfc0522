"""Serve trials beyond the suite's scenarios: duels where quiet windows could not say, and certification.

A duel tells which of two variants is faster, not how fast either is; LoadGen's figures stand beside ours. So
neither counts among the launches of a variant (`harness.record.ASIDE`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from math import exp

from harness.analysis.joint import LAUNCH_SD
from harness.analysis.rule import POSSIBLE
from harness.analysis.sensitivity import Question
from harness.metrics import CAPACITY
from harness.names import hint
from harness.record import Record, Resources, SuiteError, Trial
from harness.results import Recommendation, Row, Tradeoff
from harness.specification import ScenarioSpec, Spec
from harness.suite.schema import Suite
from harness.suite.variants import is_over_http, one_worker

SECONDS, CALLS = 5.0, 2000
"""A duel's length: whichever is reached first."""

SPEED = "latency_p50_ms"
"""What is duelled about: one request at a time, as the duel itself calls."""

HEADROOM = 0.8
"""Share of the load within the limit at which LoadGen's Server is run: at the limit p99 is a coin toss."""
UNBATCHED = 0.5
"""LoadGen's server answers one request at a time: of that capacity, 1 / p50, so much is asked at most."""


def may_be_named(question: Question, decision: Recommendation) -> list[str]:
    """Who is named, and who may as well be: of all others it settles nothing which is the faster."""
    tied = {decision.choice, *decision.tied_with}
    rows, likely = question.table.rows, question.choice.likely
    return [
        row.variant
        for k, row in enumerate(rows)
        if not row.failures and (row.variant in tied or likely[k] >= POSSIBLE)
    ]


def contenders(
    table: Tradeoff, eligible: Iterable[str], most: int, tied: Sequence[str] = ()
) -> list[tuple[str, str]]:
    """Neighbours in speed whose intervals overlap: those tied in the decision first, then the fastest.

    Args:
        eligible: variants that may still be chosen. most: pairs. tied: the choice and what it is tied with.
    """
    rows = [r for r in table.rows if r.variant in set(eligible) and _interval(r) is not None]
    rows = [row for row in rows if not is_over_http(row.runtime)]
    # A duel loads one process of each: of a model with 1 and 2 workers only the first is worth a duel.
    rows = list({(r.candidate, one_worker(r.runtime)): r for r in reversed(rows)}.values())[::-1]
    rows.sort(key=lambda r: r.estimates[SPEED].value or 0.0)
    pairs = []
    for first, second in pairwise(rows):
        ours, theirs = _interval(first), _interval(second)
        assert ours is not None and theirs is not None
        if ours[1] >= theirs[0]:
            pairs.append((first.variant, second.variant))
    pairs.sort(key=lambda pair: not set(pair) <= set(tied))  # stable: within each, the fastest first
    return pairs[:most]


def _interval(row: Row) -> tuple[float, float] | None:
    """Where its speed may lie; one launch has no interval, so what launches differ by stands in."""
    cell = row.estimates.get(SPEED)
    if cell is None or cell.value is None:
        return None
    if cell.low is None or cell.high is None:
        spread = exp(1.96 * LAUNCH_SD)
        return cell.value / spread, cell.value * spread
    return cell.low, cell.high


def duel_trials(pairs: Sequence[tuple[str, str]], records: Sequence[Record]) -> tuple[Trial, ...]:
    """A serve trial for each pair, of the same artifacts that the rounds served.

    Variants with different numbers of threads cannot share a process: torch has one number for all.
    """
    served = _served(records)
    trials = []
    for first, second in pairs:
        if first in served and second in served and _threads(served[first]) == _threads(served[second]):
            scenario: ScenarioSpec = {
                "name": "duel",
                "opponent": _subject(served[second]),
                "seconds": SECONDS,
                "calls": CALLS,
            }
            trials.append(_aside(served[first], scenario, [served[second]]))
    return tuple(trials)


def certify_trials(
    suite: Suite, wanted: str, records: Sequence[Record], table: Tradeoff
) -> tuple[Trial, ...]:
    """Trials through MLPerf LoadGen: SingleStream, and Server where a load within the limit was measured.

    Args:
        wanted: a variant, or `all`.
    Raises:
        SuiteError: there is no such variant, or nothing of it was served.
    """
    served = _served(records)
    names = list(served) if wanted == "all" else [wanted]
    if wanted != "all" and wanted not in served:
        raise SuiteError(
            f"--certify {wanted}: no such variant was served: {hint(wanted, served)} Or write all"
        )
    scenarios = suite.serving.scenarios
    seconds = scenarios.single_stream.seconds if scenarios.single_stream else 3.0
    rows = {row.variant: row for row in table.rows}
    trials = []
    for name in names:
        trials.append(_aside(served[name], {"name": "certify", "mode": "SingleStream", "seconds": seconds}))
        load = rows[name].estimates.get(CAPACITY) if name in rows else None
        if scenarios.server and load is not None and load.value:
            limit = scenarios.server.latency_p99_ms
            alone = rows[name].estimates.get(SPEED)
            most = UNBATCHED * 1e3 / alone.value if alone is not None and alone.value else float("inf")
            qps = round(min(HEADROOM * load.value, most), 1)
            server: ScenarioSpec = {"name": "certify", "mode": "Server", "qps": qps, "latency_p99_ms": limit}
            trials.append(_aside(served[name], {**server, "seconds": scenarios.server.seconds}))
    return tuple(trials)


def _served(records: Sequence[Record]) -> dict[str, Trial]:
    """Variant → one of its finished serve trials, which says what is served and how; a process calls it."""
    found: dict[str, Trial] = {}
    for record in sorted(records, key=lambda r: (r.trial.candidate, r.trial.runtime or "", r.trial.id)):
        trial = record.trial
        served = trial.kind == "serve" and record.status == "finished" and "over" not in trial.spec
        if served and trial.variant and not trial.is_aside:
            found.setdefault(trial.variant.name, trial)
    return found


def _threads(trial: Trial) -> int:
    return int(trial.spec.get("threads", 1))


def _subject(trial: Trial) -> Spec:
    """What is served, and its name: the runtime alone does not tell the threads (`onnx@2`)."""
    assert trial.variant is not None
    own: Spec = {**trial.spec, "variant": trial.variant.name}
    own.pop("scenario", None)
    own.pop("round", None)
    return own


def _aside(trial: Trial, scenario: ScenarioSpec, others: Sequence[Trial] = ()) -> Trial:
    needs = (*trial.needs, *(n for other in others for n in other.needs))
    claim = trial.resources
    return Trial(
        "serve",
        trial.candidate,
        {**_subject(trial), "scenario": scenario, "round": 0},
        runtime=trial.runtime,
        seed=trial.seed,
        train_size=trial.train_size,
        scenario=str(scenario["name"]),
        round=0,
        needs=needs,
        resources=Resources(claim.cpus, claim.gpus, claim.memory_mb),
        time_limit_s=trial.time_limit_s,
    )
