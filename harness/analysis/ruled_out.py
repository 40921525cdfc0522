"""Who surely breaks a limit by what is known so far, and need not be measured any further."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np

from harness import facts
from harness.analysis.criteria import BELOW, limits_of
from harness.analysis.money import NO_NUMBER
from harness.analysis.rule import POSSIBLE
from harness.analysis.values import metric_draws
from harness.figures import as_written, short, short_bound
from harness.kinds import kind_of
from harness.metrics import metrics_of
from harness.reasons import clearly_beyond, number_in
from harness.record import Record
from harness.results import Estimate, Tradeoff
from harness.suite.expression import Constraint
from harness.suite.schema import Suite

POSSIBLE_STILL = 0.002
"""Probability of keeping a limit below which it is surely broken: three standard errors, by draws that assume
a wide spread where one seed or launch tells none."""

RULED_OUT = "ruled out"
"""How the reason of a cell begins whose variant was measured no further."""

ERRORS = 3.0
"""The same in standard errors, where there are no draws."""


SEED_LUCK = 0.025
"""Spread between seeds that is reckoned with on validation rows, as a part of √(p(1 − p)). Of the 15
networks of published reports on their largest training sets it was .001 to .043, in the mean square .016.
With .025 one whose accuracy is the very limit is ruled out by 3,000 rows with probability .002; with .05, as
was assumed before, never, and nor was one five points below it. Test rows are asked about one checkpoint,
without the luck of its seed."""


def surely_broken(table: Tradeoff, suite: Suite, of_model: bool = False) -> dict[str, str]:
    """Variant → the first limit that it surely breaks, with its figure, of those that have one.

    Args:
        of_model: by its quality or its training alone, which its candidate's other runtimes in single
            precision share.
    """
    found: dict[str, str] = {}
    known = metrics_of(suite)
    for limit in limits_of(suite):
        if of_model and not (limit.metric in known and known[limit.metric].about in ("quality", "training")):
            continue
        for name in (limit.metric, *(BELOW.get(limit.metric, ()) if limit.is_upper else ())):
            if name not in table.draws:
                continue
            # Of a floor itself: what is not known to keep an upper limit does not surely break it.
            drawn = metric_draws(table, name)
            held = limit.holds(drawn).mean(0)
            for k, (row, share) in enumerate(zip(table.rows, held, strict=True)):
                cell = row.estimates.get(name, Estimate(None))
                if share < POSSIBLE_STILL and (cell.value is not None or cell.note == NO_NUMBER):
                    figure = cell.note if cell.value is None else _figure(cell.value, limit)
                    whose = "" if name == limit.metric else f"{name} "
                    end = float(
                        np.quantile(
                            drawn[:, k], POSSIBLE if limit.is_upper else 1 - POSSIBLE, method="nearest"
                        )
                    )
                    found.setdefault(row.variant, _surely(limit, f"{whose}{figure}", end))
    return found


def keeps_by_itself(scored: Record, suite: Suite) -> bool:
    """Whether the figures of one score trial keep all limits on quality and training: it breaks none surely,
    which need not be asked of a table then."""
    known = metrics_of(suite)
    limits = [
        c for c in limits_of(suite) if c.metric in known and known[c.metric].about in ("quality", "training")
    ]
    figures = [(c, scored.value(c.metric)) for c in limits]
    return all(value is not None and bool(c.holds(np.asarray(value))) for c, value in figures)


def broken_on_validation(records: Iterable[Record], suite: Suite, errors: float = ERRORS) -> dict[str, str]:
    """Candidate → the limit that it surely breaks by its answers to validation rows, before any test row.

    Only for metrics that are means over examples, of which the validation part is a fair sample. The best
    epoch was chosen by these rows, which flatters the figure: who is beyond a limit all the same is so all
    the more.

    Args:
        errors: standard errors beyond the limit; 0 finds whose figure lies beyond it at all.
    """
    if kind_of(suite.task).pipeline != "supervised" or suite.data.split is not None:
        return {}
    known = metrics_of(suite)
    limits = [c for c in limits_of(suite) if c.metric in known and _is_share(c.metric, suite)]
    figures: dict[tuple[str, str], list[tuple[float, int]]] = {}
    largest = max(suite.data.train_sizes, default=None)
    for record in records:
        trial = record.trial
        if trial.kind != "train" or record.status != "finished" or trial.tuning is not None:
            continue
        if trial.train_size != largest:
            continue
        told = record.facts_as(facts.TrainFacts)
        rows = told.data.sizes.get("validation", 0) if told.data else 0
        for limit in limits:
            value = (told.validation or {}).get(limit.metric)
            if value is not None and rows:
                figures.setdefault((trial.candidate, limit.metric), []).append((float(value), rows))
    found: dict[str, str] = {}
    for limit in limits:
        for candidate in suite.candidates:
            seen = figures.get((candidate, limit.metric), [])
            if not seen:
                continue
            mean, error = _on_validation(seen)
            end = mean + (-errors if limit.is_upper else errors) * error
            if end > limit.limit if limit.is_upper else end < limit.limit:
                found.setdefault(candidate, _surely(limit, f"{_figure(mean, limit)} on validation", end))
    return found


def _is_share(name: str, suite: Suite) -> bool:
    metric = metrics_of(suite)[name]
    return (
        metric.about == "quality" and metric.per_example is not None and (metric.low, metric.high) == (0, 1)
    )


def _on_validation(seen: list[tuple[float, int]]) -> tuple[float, float]:
    """Mean and standard error, by seeds and rows."""
    values = np.array([value for value, _ in seen])
    mean = float(values.mean())
    binomial = math.sqrt(max(mean * (1 - mean), 0.0))
    spread = max(float(values.std(ddof=1)) if len(values) > 1 else 0.0, SEED_LUCK * binomial)
    return mean, math.hypot(spread / math.sqrt(len(values)), binomial / math.sqrt(seen[0][1]))


def _figure(value: float, limit: Constraint) -> str:
    """With as many digits as it takes to stand beyond the limit, four at least."""
    for digits in range(5, 18):
        if not limit.holds(np.asarray(number_in(short(value)))):
            break
        if not limit.holds(np.asarray(rounded := float(f"{value:.{digits}g}"))):
            return as_written(rounded)
    return short(value)


def _surely(limit: Constraint, figure: str, end: float) -> str:
    """That a limit is broken, and every other up to `end`, written short of it and never inside the limit."""
    asked, at = as_written(limit.limit), short_bound(end, limit.is_upper)
    inside = not math.isfinite(end) or (
        number_in(at) < limit.limit if limit.is_upper else number_in(at) > limit.limit
    )
    return clearly_beyond(limit.metric, limit.is_upper, asked, figure, asked if inside else at)


def with_reasons(table: Tradeoff, reasons: Mapping[str, str]) -> Tradeoff:
    """The table whose cells that were not measured say why their variant was ruled out."""

    def told(cell: Estimate, reason: str) -> Estimate:
        is_bare = cell.value is None and cell.note in ("", "not measured")
        return replace(cell, note=reason) if is_bare else cell

    rows = [
        replace(row, estimates={n: told(e, reasons[row.variant]) for n, e in row.estimates.items()})
        if row.variant in reasons
        else row
        for row in table.rows
    ]
    return replace(table, rows=tuple(rows))
