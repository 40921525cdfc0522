"""What a report is written from: a run folder's records, its suite, and what was decided from them."""

from __future__ import annotations

import csv
import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from harness.analysis.choice import asked_of, terms_of
from harness.analysis.criteria import goal_of, merge_constraints
from harness.analysis.duels import Verdict
from harness.analysis.measure_next import NextMeasurement, next_measurements
from harness.analysis.more_data import Curves, data_measurements, quality_curves
from harness.analysis.predictions import Predictions, predictions_of
from harness.analysis.rule import POSSIBLE
from harness.analysis.sensitivity import Question
from harness.facts.surroundings import Surroundings
from harness.metrics import MetricTable, metrics_of
from harness.record import HarnessError, Kind, Measurement, Record
from harness.report import numbers as n
from harness.report.palette import Palette, palette
from harness.results import Recommendation, Row, Tradeoff
from harness.runtimes.offered import reference_of
from harness.store.runs import RunFolder
from harness.suite.expression import Constraint
from harness.suite.schema import Suite
from harness.suite.variants import scored_as

log = logging.getLogger("harness")

MONEY_UNITS = (
    ("cost_per_month_usd", "USD a month"),
    ("cost_per_million_usd", "USD a million requests"),
    ("train_cost_usd", "USD"),
)
MOST_ASKED = 16
MOST_DETAILED = 40


@dataclass(frozen=True)
class Evidence:
    """All that the sections of a report may look at.

    Args:
        planned: labels of the planned trials by id; empty where no plan was stored.
        environment: of the driver, `environment.json`. duels: what they said, which may settle a tie.
    """

    run: RunFolder
    suite: Suite
    records: tuple[Record, ...]
    tradeoff: Tradeoff
    recommendation: Recommendation
    planned: Mapping[str, str] = field(default_factory=dict)
    environment: Surroundings = field(default_factory=Surroundings)
    duels: tuple[Verdict, ...] = ()

    @cached_property
    def rows(self) -> tuple[Row, ...]:
        """The variants: the choice, the tied, then by how likely each is the best, then by the objective."""
        front = [v for v in (self.recommendation.choice, *self.recommendation.tied_with) if v]
        runners = [str(r.get("variant")) for r in self.recommendation.runners_up]
        places = {name: i for i, name in reversed(list(enumerate([*front, *runners])))}
        return tuple(
            sorted(self.tradeoff.rows, key=lambda row: _rank(row, places, self.objective_metric, self.known))
        )

    @property
    def asked_as(self) -> str:
        """The run as commands find it: by name in results/, elsewhere by its place."""
        home = self.run.url.rstrip("/").rsplit("/", 2)[0]
        is_usual = self.run.is_local and home.rpartition("/")[2] == "results"
        return f"{self.run.suite_name}/{self.run.id}" if is_usual else self.run.url

    @property
    def known(self) -> MetricTable:
        """The metrics there are, those that the suite declares among them."""
        return metrics_of(self.suite)

    @property
    def detailed(self) -> tuple[Row, ...]:
        """The leading variants, for tables of detail."""
        return self.rows[:MOST_DETAILED]

    @cached_property
    def chosen(self) -> Row | None:
        return next((r for r in self.tradeoff.rows if r.variant == self.recommendation.choice), None)

    @cached_property
    def candidates(self) -> tuple[str, ...]:
        """In the suite's order, then those that only records know."""
        known = [*self.suite.candidates, *(r.trial.candidate for r in self.records)]
        return tuple(dict.fromkeys(known))

    @cached_property
    def leading(self) -> tuple[str, ...]:
        """Candidates, best first: whoever has to be shown when there is no room for all."""
        return tuple(dict.fromkeys([*(row.candidate for row in self.rows), *self.candidates]))

    @cached_property
    def palette(self) -> Palette:
        return palette(self.candidates, self.leading, [row.runtime for row in self.tradeoff.rows])

    @property
    def subject(self) -> str:
        """What is maximised or minimised, in one word: a metric, or `value` for an expression."""
        said = self.recommendation.objective or self.suite.decision.objective
        _, _, what = said.partition(" (")[0].partition(" ")
        return what if what in self.known else "value"

    @cached_property
    def value_unit(self) -> str:
        """What a value is in: `USD a month` where its expression holds a cost of that; empty where it holds
        none."""
        text = self.suite.decision.value or self.suite.decision.objective
        found = [unit for name, unit in MONEY_UNITS if name in text]
        return found[0] if len(set(found)) == 1 else ""

    def in_value_unit(self, figure: str) -> str:
        """`940` → `$940 a month`."""
        per = self.value_unit.removeprefix("USD")
        if not self.value_unit:
            return figure
        figure = n.cents(figure)
        return f"{n.MINUS}${figure[1:]}{per}" if figure.startswith(n.MINUS) else f"${figure}{per}"

    @cached_property
    def objective_metric(self) -> str:
        """The metric that is maximised or minimised, `value` for an expression."""
        if self.subject in self.known_metrics:
            return self.subject
        shown = [m for m in self.tradeoff.metrics if self._is_quality(m)]
        return shown[0] if shown else next(iter(self.tradeoff.metrics), "accuracy")

    @cached_property
    def known_metrics(self) -> tuple[str, ...]:
        """The columns of the table, and what only the decision reads (`value`, slices)."""
        further = (name for row in self.tradeoff.rows for name in row.estimates)
        return tuple(dict.fromkeys([*self.tradeoff.metrics, *further]))

    @cached_property
    def quality_metric(self) -> str:
        """The metric of quality that plots show: the objective's, a limit's, or the first."""
        wanted = [self.objective_metric, *(item.metric for item in self.limits), *self.tradeoff.metrics]
        return next((m for m in wanted if self._is_quality(m)), self.objective_metric)

    def _is_quality(self, name: str) -> bool:
        return name in self.known and self.known[name].about == "quality"

    @cached_property
    def limits(self) -> tuple[Constraint, ...]:
        """What was decided under, which `recommend --where` may have changed from the suite's."""
        said = self.recommendation.constraints or self.suite.decision.constraints
        return merge_constraints((), said, self.known)

    @cached_property
    def question(self) -> Question:
        """The decision, ready to be asked again at other prices and traffic."""
        return Question(self.tradeoff, self.suite, self.limits, goal_of(self.suite), self.duels)

    @cached_property
    def next_steps(self) -> tuple[NextMeasurement, ...]:
        """What to measure next, best first; asked of the leading variants only, as it takes a regression
        for each variant and number of units over all of them."""
        leading = {row.candidate for row in self.rows[:MOST_ASKED]}
        records = [r for r in self.records if r.trial.candidate in leading]
        question = replace(self.question, table=self._leading_table())
        known = {name: curve for name, curve in self.curves.items() if name in leading}
        steps = [*next_measurements(question, records), *data_measurements(question, records, known)]
        return tuple(sorted(steps, key=lambda step: -step.value_per_usd))

    @cached_property
    def curves(self) -> Curves:
        """What each candidate is expected to gain from more training data."""
        return quality_curves(self.question, self.of("score"))

    def _leading_table(self) -> Tradeoff:
        rows = self.rows[:MOST_ASKED]
        columns = [self.tradeoff.rows.index(row) for row in rows]
        draws = {name: drawn[:, columns] for name, drawn in self.tradeoff.draws.items()}
        return replace(self.tradeoff, rows=rows, draws=draws)

    def asked(self, limit: Constraint) -> float:
        """How surely a limit must be kept."""
        return asked_of(limit, terms_of(self.suite.decision))

    def limit_on(self, metric: str) -> Constraint | None:
        return next((item for item in self.limits if item.metric == metric), None)

    @cached_property
    def _places(self) -> Mapping[str, int]:
        return {row.variant: k for k, row in enumerate(self.tradeoff.rows)}

    def draws(self, metric: str, variant: str) -> np.ndarray | None:
        """(num_draws,) of what a variant's metric may truly be; None where there is no number."""
        drawn, index = self.tradeoff.draws.get(metric), self._places.get(variant)
        if drawn is None or index is None or not np.isfinite(drawn[:, index]).any():
            return None
        column: np.ndarray = drawn[:, index]
        return column

    def meets(self, variant: str, which: Constraint) -> float | None:
        """The probability that a variant meets a limit; None where it has no such figure, or a floor alone,
        which is not known to meet an upper one."""
        place, drawn = self._places.get(variant), self.draws(which.metric, variant)
        cell = None if place is None else self.tradeoff.rows[place].estimates.get(which.metric)
        if drawn is None:
            if cell is None or cell.value is None:
                return None
            drawn = np.array(cell.value)
        found = float(which.holds(drawn).mean())  # False where undefined
        is_floor = cell is not None and cell.floor and which.is_upper
        return None if is_floor and found >= POSSIBLE else found  # a floor above the limit breaks it

    @property
    def in_progress(self) -> bool:
        return bool(self.missing)

    @cached_property
    def missing(self) -> tuple[str, ...]:
        """Planned trials without a record, by id."""
        have = {r.trial.id for r in self.records}
        return tuple(i for i in self.planned if i not in have)

    @cached_property
    def failed(self) -> tuple[Record, ...]:
        return tuple(r for r in self.records if r.status == "failed")

    @cached_property
    def headline_size(self) -> int | None:
        if self.tradeoff.train_size is not None:
            return self.tradeoff.train_size
        sizes = [r.trial.train_size for r in self.records if r.trial.train_size is not None]
        return max(sizes, default=None)

    def of(self, kind: Kind, candidate: str | None = None, **where: str | int | None) -> list[Record]:
        """Finished records of a kind, in a stable order; `where` are fields of the trial."""
        found = self._by_kind.get((kind, candidate), ())
        if kind == "score" and where.get("runtime"):
            where["runtime"] = scored_as(str(where["runtime"]), self.suite.serving.threads)
        return [r for r in found if all(getattr(r.trial, k) == v for k, v in where.items())]

    @cached_property
    def _by_kind(self) -> dict[tuple[Kind, str | None], list[Record]]:
        sorted_records = sorted(
            (
                r
                for r in self.records
                if r.status == "finished" and r.trial.tuning is None and not r.trial.is_aside
            ),
            key=lambda r: (r.trial.train_size or 0, r.trial.seed or 0, r.trial.round or 0, r.trial.id),
        )
        groups: dict[tuple[Kind, str | None], list[Record]] = {}
        for r in sorted_records:
            groups.setdefault((r.trial.kind, r.trial.candidate), []).append(r)
            groups.setdefault((r.trial.kind, None), []).append(r)
        return groups

    def scored(self, candidate: str, runtime: str | None = None, every_part: bool = False) -> list[Record]:
        """Score records of the headline size on one runtime, the given one or the reference; of several folds
        or repeats those of the first, which share their test examples, unless every part is wanted."""
        found = self.of("score", candidate, train_size=self.headline_size)
        runtimes = [r.trial.runtime for r in found]
        if runtime is not None:
            runtime = scored_as(runtime, self.suite.serving.threads)
        wanted = runtime or reference_of(runtimes)
        return [r for r in found if r.trial.runtime == wanted and (every_part or not r.trial.part)]

    @property
    def of_first_seed(self) -> str:
        """What is said beside figures of one model of each candidate; empty where there is one seed only."""
        several = any(len(self.scored(candidate)) > 1 for candidate in self.candidates)
        return " What the trade-off table does not hold is of the first seed's models." if several else ""

    def scored_row(self, candidate: str) -> Row | None:
        """The row whose answers `scored` has: what a page says of them is what the table says."""
        threads = self.suite.serving.threads
        runtimes = {r.trial.runtime for r in self.scored(candidate)}
        own = (r for r in self.tradeoff.rows if r.candidate == candidate)
        return next((r for r in own if scored_as(r.runtime, threads) in runtimes), None)

    def predictions(self, record: Record) -> Predictions | None:
        """A score trial's answers; None where there are none, or they cannot be read (which is logged)."""
        try:
            found = predictions_of(self.run)(record.trial.id)
            return found if isinstance(found, Predictions) else Predictions(*found)
        except FileNotFoundError:
            return None
        except (OSError, KeyError, ValueError, HarnessError) as error:
            log.warning("predictions of %s: %s", record.trial.label, error)
            return None

    def history(self, record: Record, every_stage: bool = False) -> dict[str, np.ndarray]:
        """A training's `history.csv` by column; empty where there is none. Empty fields are NaN.

        Args:
            every_stage: of a pipeline all its networks, told apart by `stage`, not the first alone.
        """
        path = self._file(record, "history.csv")
        if path is None:
            return {}
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        names = [name for name in rows[0] if name and name != "stage"] if rows else []
        stages = [row.get("stage") for row in rows]
        if not every_stage:  # the next one's score is another figure
            rows = [row for row, stage in zip(rows, stages, strict=True) if stage == stages[0]]
        told = {"stage": np.array(stages)} if every_stage and any(stages) else {}
        return {**told, **{name: np.array([_number(row[name]) for row in rows]) for name in names}}

    def _file(self, record: Record, name: str) -> Path | None:
        try:
            path = self.run.trial_folder(record.trial.id) / name
        except (OSError, HarnessError) as error:
            log.warning("%s: %s", record.trial.id, error)
            return None
        return path if path.exists() else None


def measured(record: Record, metric: str, **at: float | int | str) -> Measurement | None:
    """A record's measurement of a metric at a setting (none: the headline)."""
    return next((m for m in record.measurements if m.metric == metric and dict(m.at) == at), None)


def mean_and_spread(values: Sequence[float]) -> tuple[float, float, float]:
    """Mean and 95 % t interval over a few repetitions; the interval is the mean where there is one."""
    kept = np.asarray([v for v in values if math.isfinite(v)], float)
    if len(kept) == 0:
        return math.nan, math.nan, math.nan
    mean = float(kept.mean())
    if len(kept) == 1:
        return mean, mean, mean
    from harness.analysis.stats import t_quantile

    half = t_quantile(0.975, len(kept) - 1) * float(kept.std(ddof=1)) / math.sqrt(len(kept))
    return mean, mean - half, mean + half


def _number(text: str | None) -> float:
    try:
        return float(text) if text else math.nan
    except ValueError:
        return math.nan


def _rank(row: Row, places: Mapping[str, int], objective: str, known: MetricTable) -> tuple[float, ...]:
    estimate = row.estimates.get(objective)
    value = estimate.value if estimate and estimate.value is not None else -math.inf
    sign = 1.0 if objective in known and known[objective].better == "lower" else -1.0
    return (
        places.get(row.variant, len(places)),
        -(row.best_probability or 0.0),
        -(row.feasible_probability or 0.0),
        sign * value if math.isfinite(value) else math.inf,
    )
