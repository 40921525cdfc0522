"""Several runs of one suite, oldest first: what each variant's figures did, who was named, and which run was
the first to be worse.

Each run is judged against the first one by the gate of `compare`, so that many small steps in one direction
are found; the error rate holds for all runs together. Whom each run names is decided by the rule, from its
records and its own suite.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from harness.analysis.changes import ERROR_RATE, Change, Comparison
from harness.analysis.compare import compare_runs
from harness.analysis.criteria import goal_of, limits_of
from harness.analysis.index import index_records
from harness.analysis.outputs import stored_suite
from harness.analysis.recommend import decide_again
from harness.codec import Json
from harness.metrics import CAPACITY
from harness.record import RecordError
from harness.results import Estimate, Recommendation
from harness.store.run_folder import RunFolder

SHOWN = ("accuracy", "r2", "ndcg@10", "latency_p50_ms", "latency_p99_ms", CAPACITY)
"""What a history shows beside the metrics that decide."""


@dataclass(frozen=True)
class RunFigure:
    """One run's figure of a variant; `value` is None where there is none, or none that may be compared."""

    value: float | None
    low: float | None = None
    high: float | None = None
    note: str = ""


@dataclass(frozen=True)
class Past:
    """A run: who it names, who may as well be it, and on which class of machine it was served."""

    run: str
    choice: str | None
    verdict: str
    probability: float | None
    machine_class: str
    tied_with: tuple[str, ...] = ()


@dataclass(frozen=True)
class Regression:
    """The first run in which a figure is worse than in the first run, beyond the margin."""

    run: str
    change: Change


@dataclass(frozen=True)
class RunHistory:
    """What several runs say.

    Args:
        figures: variant → metric → one point per run.
        regressions: the first of each variant and metric, in the order of the runs.
        latest: the last run against the first.
    """

    runs: tuple[Past, ...]
    figures: Mapping[str, Mapping[str, tuple[RunFigure, ...]]]
    regressions: tuple[Regression, ...]
    latest: Comparison
    notes: tuple[str, ...] = ()

    @property
    def first_regressed(self) -> str | None:
        """The first run that is worse in anything; None where none is."""
        return self.regressions[0].run if self.regressions else None

    @property
    def flips(self) -> bool:
        """Whether the last run names another variant than the first, and the two are not tied in both."""
        return self.runs[0].choice != self.runs[-1].choice and not self.moves_in_a_tie

    @property
    def moves_in_a_tie(self) -> bool:
        """Whether the runs name two variants that neither of them tells apart: of two equal ones the named
        changes from run to run by chance."""
        first, last = self.runs[0], self.runs[-1]
        return last.choice in first.tied_with and first.choice in last.tied_with

    def to_json(self) -> dict[str, Json]:
        told = {
            "first_regressed": self.first_regressed, "flips": self.flips,
            "moves_in_a_tie": self.moves_in_a_tie,
        }  # fmt: skip
        return {**told, **asdict(self), "latest": self.latest.to_json()}


def history_of(runs: Sequence[RunFolder], margin: float = 0.0) -> RunHistory:
    """Judge runs against the first of them.

    Args:
        runs: two or more, oldest first. margin: as for `compare_runs`.
    Raises:
        RecordError: fewer than two runs, or a run shares nothing with the first.
    """
    if len(runs) < 2:
        raise RecordError("a comparison needs two runs or more")
    tables = [decide_again(run) for run in runs]
    classes = [_machine_class(run) for run in runs]
    compared = [compare_runs(runs[0], run, margin) for run in runs[1:]]
    names = list(dict.fromkeys(n for run in runs for n in _metrics(run)))
    variants = list(dict.fromkeys(r.variant for table, _ in tables for r in table.rows))
    rows = [{r.variant: r.estimates for r in table.rows} for table, _ in tables]
    figures = {
        v: {
            n: tuple(_point(rows[k].get(v, {}).get(n), n, classes[k], classes[-1]) for k in range(len(runs)))
            for n in names
        }
        for v in variants
    }
    kept = {
        v: {n: points for n, points in by.items() if any(p.value is not None for p in points)}
        for v, by in figures.items()
    }
    past = [_past(run, found, c) for run, (_, found), c in zip(runs, tables, classes, strict=True)]
    notes = dict.fromkeys(note for c in compared for note in c.notes)
    return RunHistory(tuple(past), kept, _first_regressions(compared), compared[-1], tuple(notes))


def _past(run: RunFolder, found: Recommendation, machine_class: str) -> Past:
    tied = tuple(found.tied_with)
    return Past(run.id, found.choice, found.verdict, found.probability_best, machine_class, tied)


def _machine_class(run: RunFolder) -> str:
    return index_records(run.records(), stored_suite(run)).machine_class


def _metrics(run: RunFolder) -> list[str]:
    """What decides, and what is of interest anyway."""
    suite = stored_suite(run)
    deciding = [*goal_of(suite).metrics, *(c.metric for c in limits_of(suite))]
    return list(dict.fromkeys((*deciding, *SHOWN)))


def _point(cell: Estimate | None, name: str, here: str, last: str) -> RunFigure:
    if cell is None or cell.value is None:
        return RunFigure(None, note="" if cell is None else cell.note)
    if here != last and _rests_on_speed(name):
        return RunFigure(None, note=f"served on machine class {here or 'unknown'}")
    return RunFigure(cell.value, cell.low, cell.high, cell.note)


def _rests_on_speed(name: str) -> bool:
    from harness.metrics import METRICS, stem

    entry = METRICS.get(stem(name))
    # A value of the suite's own may hold a speed or a cost.
    return name == "value" or (entry is not None and (entry.is_served or entry.rests_on_speed))


def _first_regressions(compared: Sequence[Comparison]) -> tuple[Regression, ...]:
    """Of each variant and metric the first run that is worse; p values count for all runs together."""
    found: dict[tuple[str, str], Regression] = {}
    for one in compared:
        for change in one.regressions:
            sure = change.p is None or change.p * len(compared) <= ERROR_RATE
            if sure and (change.variant, change.metric) not in found:
                found[change.variant, change.metric] = Regression(one.run_b, change)
    return tuple(found.values())
