"""What more training data may be worth: learning curves carried on beyond what was measured.

Everything here is an extrapolation (a power law of the error, `extrapolate`), and is said to
be one wherever it is shown. It needs at least two training-set sizes in the suite.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from harness.analysis import cost
from harness.analysis.draws import overlaid
from harness.analysis.measure_next import WORTHLESS, NextMeasurement
from harness.analysis.sensitivity import Question
from harness.metrics import metrics_of
from harness.record import Record
from harness.results import Flip
from harness.runtimes.offered import reference_of

FACTORS = (2.0, 5.0, 10.0)
"""Times the largest measured size at which the choice is asked again."""

Curves = Mapping[str, Mapping[float, float]]
"""Candidate → factor of the training-set size → expected change of its quality."""


@dataclass(frozen=True)
class Extrapolation:
    """A learning curve a·n^(−b) + c of the error, and what it says of more data.

    Args:
        sizes, values: measured. at: size → extrapolated value. marked: always, an extrapolation is a
            guess; `note` says on how many sizes it rests.
    """

    sizes: tuple[int, ...]
    values: tuple[float, ...]
    at: Mapping[int, float]
    note: str


def extrapolate(sizes: Sequence[int], values: Sequence[float], to: Sequence[int]) -> Extrapolation | None:
    """Extrapolate a quality that is a fraction (higher is better) to larger training sets.

    The error is taken as a power law a·n^(−b), the floor c = 0: optimistic for large n, so nothing beyond
    ten times the largest measured size is answered.

    Returns:
        None with fewer than two sizes, or where quality falls with more data.
    """
    order = np.argsort(sizes)
    n, quality = np.asarray(sizes, dtype=float)[order], np.asarray(values, dtype=float)[order]
    error = 1 - quality
    if len(n) < 2 or (error <= 0).any():
        return None
    slope, intercept = np.polyfit(np.log(n), np.log(error), 1)
    if slope >= 0:
        return None
    reach = [int(t) for t in to if t <= 10 * n[-1]]
    at = {t: float(1 - np.exp(intercept + slope * np.log(t))) for t in reach}
    note = f"extrapolated: a power law through {len(n)} sizes, not a measurement"
    return Extrapolation(tuple(int(x) for x in n), tuple(float(q) for q in quality), at, note)


def quality_curves(question: Question, records: Iterable[Record]) -> Curves:
    """How much each candidate is expected to gain from more data, in the objective's quality metric.

    Of each candidate one runtime tells it, the reference: smaller sizes are scored on that alone, and the
    mean with one in eight bits at the largest size was taken for a curve that flattens, or falls.

    Returns:
        nothing where the objective names no share of right answers, or there is one size only.
    """
    name, largest = _quality_of(question), question.table.train_size
    if name is None or largest is None:
        return {}
    scored: dict[str, list[Record]] = {}
    for r in records:
        if r.trial.kind == "score" and r.status == "finished" and r.trial.train_size is not None:
            scored.setdefault(r.trial.candidate, []).append(r)
    points: dict[str, dict[int, list[float]]] = {}
    for candidate, group in scored.items():
        told_by = reference_of([r.trial.runtime for r in group])
        for r in group:
            if r.trial.runtime == told_by and (value := r.value(name)) is not None:
                points.setdefault(candidate, {}).setdefault(r.trial.train_size or 0, []).append(value)
    curves = {}
    for candidate, by_size in points.items():
        means = [float(np.mean(v)) for v in by_size.values()]
        sizes = [largest, *(int(f * largest) for f in FACTORS)]
        found = extrapolate(list(by_size), means, sizes)
        if found is not None and largest in by_size:
            curves[candidate] = {f: found.at[int(f * largest)] - found.at[largest] for f in FACTORS}
    return curves


def _quality_of(question: Question) -> str | None:
    """The objective's first metric that is a share, higher is better, and measured."""
    for name in question.goal.metrics:
        entry = metrics_of(question.suite)[name]
        if entry.unit == "fraction" and entry.better == "higher" and name in question.table.draws:
            return name
    return None


def with_more_data(question: Question, curves: Curves, factor: float, only: str | None = None) -> Question:
    """The question after all candidates (or one) were trained on `factor` times the data."""
    name = _quality_of(question)
    assert name is not None
    rows = question.table.rows
    gains = [
        curves.get(r.candidate, {}).get(factor, 0.0) if only in (None, r.candidate) else 0.0 for r in rows
    ]
    entry = metrics_of(question.suite)[name]
    draws = np.clip(question.table.draws[name] + np.array(gains), entry.low, entry.high)
    return replace(
        question, table=replace(question.table, draws=overlaid({name: draws}, question.table.draws))
    )


def size_flips(question: Question, curves: Curves) -> tuple[Flip, ...]:
    """The training-set size from which another variant is expected to win, if every one gets more data.

    Returns:
        {what, at, unit, then, factor, extrapolated}, at most one. Nothing unless all candidates that are in
        the running have a curve: one that has none would be left behind for lack of sizes.
    """
    largest = question.table.train_size
    if not curves or largest is None or any(r.candidate not in curves for r in question.table.rows):
        return ()
    now = question.winner
    for factor in FACTORS:
        then = with_more_data(question, curves, factor).winner
        if then != now:
            at = factor * largest
            return (
                {
                    "what": "training-set size", "at": at, "unit": "examples", "then": then,
                    "factor": factor, "extrapolated": True,
                },
            )  # fmt: skip
    return ()


def data_measurements(
    question: Question, records: Sequence[Record], curves: Curves
) -> tuple[NextMeasurement, ...]:
    """Training one candidate on twice the data: what the choice is expected to gain, for what it takes.

    Unlike a further seed, which only tells more, more data makes a candidate better: `value` is
    max E[U] afterwards less max E[U] now. Collecting the data is not in the price.
    """
    now = question.choice
    if now.leader is None or question.table.train_size is None:
        return ()
    price = cost.price_of(question.suite.machine)
    scale = float(np.ptp(now.expected[now.able])) or 1.0
    found = []
    for candidate in curves:
        then = with_more_data(question, curves, FACTORS[0], candidate).choice
        gain = -np.inf if then.leader is None else then.expected[then.leader] - now.expected[now.leader]
        taken = [
            r.seconds
            for r in records
            if r.trial.kind == "train" and r.trial.candidate == candidate and r.status == "finished"
            and r.trial.tuning is None and r.trial.train_size == question.table.train_size
        ]  # fmt: skip
        if gain <= WORTHLESS * scale or not taken:
            continue
        seconds = FACTORS[0] * float(np.mean(taken))
        usd = None if price is None else seconds * price.usd_per_hour / 3600
        spent = max(seconds, 0.1) if usd is None else max(usd, 1e-9)
        size = int(FACTORS[0] * question.table.train_size)
        what = f"{candidate} trained on {size:,} examples (extrapolated)"
        found.append(
            NextMeasurement(what, "data", candidate, None, 1, float(gain), seconds, usd, float(gain) / spent)
        )
    return tuple(sorted(found, key=lambda f: -f.value_per_usd))
