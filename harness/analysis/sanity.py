"""What a decision is held against before it is printed: common sense.

Worse than the constant answer in all that decides, the same figure for all, labels that training never saw:
then data or metric are wrong more often than the models are good.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from harness import facts
from harness.analysis.criteria import VALUE, DecisionObjective
from harness.analysis.popular import most_popular, worse_than_popular
from harness.figures import short
from harness.kinds.classification import IMAGES as CLASSES
from harness.metrics import METRICS, metric, stem
from harness.protocols import ONE_SIDED
from harness.record import Record
from harness.results import Baseline, Row, Tradeoff
from harness.suite.expression import Constraint

if TYPE_CHECKING:
    from harness.analysis.index import (
        RecordIndex,  # with all that reads records, which deciding again does not
    )

MOST_ROWS = 20_000
"""Test rows that the constant answer is measured on at most; their class shares are what counts."""

MOST_UNSEEN = 0.5
"""Share of test rows with labels that training never saw above which nothing is decided."""


def baseline_of(index: RecordIndex) -> Baseline:
    """What the records of a table tell that common sense can be held against."""
    counts = next((c for group in index.train.values() for r in group if (c := _class_counts(r))), {})
    train, test = ({k: int(v) for k, v in counts.get(part, {}).items()} for part in ("train", "test"))
    total = sum(test.values())
    named = [
        p for group in index.score.values() for r in group if (p := r.facts_as(facts.ScoreFacts).positive)
    ]
    positive = list(test).index(named[0]) if named and named[0] in test else 1
    unseen = tuple(name for name, count in test.items() if count and not train.get(name))
    scored = [r.facts_as(facts.ScoreFacts).constant for group in index.score.values() for r in group]
    told: Mapping[str, float | None] = next((c for c in scored if c), {})
    return Baseline(
        {n: v for n, v in told.items() if v is not None} if told else _constant(train, test, positive),
        _same_for_all(index),
        sum(test[name] for name in unseen) / total if total else 0.0,
        unseen,
        most_popular(index),
    )


def _class_counts(record: Record) -> Mapping[str, Mapping[str, int]]:
    data = record.facts_as(facts.TrainFacts).data
    return (data.class_counts if data else None) or {}


def _constant(train: Mapping[str, int], test: Mapping[str, int], positive: int = 1) -> dict[str, float]:
    """Every quality metric of always answering with the training part's class shares.

    Args:
        positive: of two classes the one that average precision is of.
    """
    seen, total = sum(train.values()), sum(test.values())
    if not seen or not total or len(test) < 2:
        return {}
    shrink = min(1.0, MOST_ROWS / total)
    targets = np.repeat(np.arange(len(test)), [max(round(c * shrink), min(c, 1)) for c in test.values()])
    shares = np.array([train.get(name, 0) / seen for name in test], dtype=np.float32)
    answers = np.tile(shares, (len(targets), 1))
    found = {
        name: m.measure(answers, targets)
        for name, m in METRICS.items()
        if m.measure and name in CLASSES.metrics
    }
    if len(test) == 2 and positive == 0:  # of two classes metrics are about the second
        turned = {name: METRICS[name].measure for name in ONE_SIDED}
        found |= {name: m(answers[:, ::-1], 1 - targets) for name, m in turned.items() if m}
    return {name: float(value) for name, value in found.items() if np.isfinite(value)}


def _same_for_all(index: RecordIndex) -> tuple[str, ...]:
    """Quality metrics whose value is one and the same in all seeds of two candidates or more."""
    values: dict[str, dict[str, set[float]]] = {}
    for (row, size), records in index.score.items():
        if size != index.train_size:
            continue
        for m in (m for r in records if r.status == "finished" for m in r.measurements if not m.at):
            if m.value is not None and m.metric in METRICS and METRICS[m.metric].measure is not None:
                values.setdefault(m.metric, {}).setdefault(row.candidate, set()).add(m.value)
    return tuple(n for n, by in values.items() if len(by) > 1 and len(set.union(*by.values())) == 1)


def senseless(table: Tradeoff, limits: Sequence[Constraint], goal: DecisionObjective) -> Mapping[int, str]:
    """Rows that must not be chosen, and why: in all quality that decides they are no better than the constant
    answer, and in some of it worse.

    Who finds rare cases is right less often than who always says no: in recall it is better, and where recall
    decides too it may be chosen. In what nobody measured of the constant answer (own metrics, slices) it may
    be better.
    """
    deciding = [
        n for n in dict.fromkeys((*goal.metrics, *(c.metric for c in limits))) if _is_quality(table, n)
    ]
    found = {}
    for k, row in enumerate(table.rows):
        if said := worse_than_popular(table, k, deciding):
            found[k] = said
        ahead = {n: _ahead(row, n, table.baseline.constant) for n in deciding}
        if any(by is None or by > 0 for by in ahead.values()):
            continue
        if name := next((n for n, by in ahead.items() if by is not None and by < 0), None):
            value, constant = row.estimates[name].value or 0.0, table.baseline.constant[name]
            found[k] = f"{name} {short(value)} is worse than the constant answer's {short(constant)}"
    return found


def _is_quality(table: Tradeoff, name: str) -> bool:
    if name in table.baseline.constant:
        return True
    known = METRICS.get(stem(name))
    return name != VALUE and (known is None or known.about == "quality")


def _ahead(row: Row, name: str, constants: Mapping[str, float]) -> float | None:
    """How far a row is ahead of the constant answer, 0 where it is as good; None where that is not known.

    A row without the figure is not ahead: a limit on it is broken.
    """
    cell, constant = row.estimates.get(name), constants.get(name)
    if cell is None or cell.value is None:
        return 0.0
    if constant is None:
        return None
    by = (cell.value - constant) * (1 if metric(name).better == "higher" else -1)
    return by if abs(by) > 1e-6 * abs(constant) else 0.0


def nonsense(table: Tradeoff, goal: DecisionObjective) -> tuple[str, ...]:
    """Why the figures allow no verdict at all; empty where they do."""
    found = []
    if goal.is_metric and goal.subject in table.baseline.same_for_all:
        value = next(
            c.value for r in table.rows if (c := r.estimates.get(goal.subject)) and c.value is not None
        )
        if not _by_chance(table, goal.subject, value):
            found.append(
                f"{goal.subject} is {short(value)} for every candidate and seed, so it tells nothing of them:"
                " look at the data, or decide by another metric."
            )
    if table.baseline.unseen >= MOST_UNSEEN:
        share, names = 100 * table.baseline.unseen, ", ".join(table.baseline.unseen_labels[:5])
        found.append(
            f"{share:.0f} % of the test examples have labels that training never saw ({names}):"
            " split the data so that both parts have all of them."
        )
    return tuple(found)


def _by_chance(table: Tradeoff, name: str, value: float) -> bool:
    """Whether candidates that answer differently happen to have the same figure, as two that are right on 109
    of 114 rows: a tie. None and all right, or as many as the constant answer has, is no chance."""
    others = {n for row in table.rows for n in row.estimates if (m := METRICS.get(n)) and m.measure}
    constant = table.baseline.constant.get(name)
    if constant is None or not others - {*table.baseline.same_for_all}:
        return False
    return 0 < value < 1 and abs(value - constant) > 1e-6


def doubts(baseline: Baseline) -> tuple[str, ...]:
    """What a reader is warned of, where it does not forbid a verdict."""
    if not 0 < baseline.unseen < MOST_UNSEEN:
        return ()
    names = ", ".join(baseline.unseen_labels[:5])
    return (f"training never saw the labels of {100 * baseline.unseen:.2g} % of the test examples ({names})",)
