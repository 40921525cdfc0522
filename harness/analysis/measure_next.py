"""What to measure next: the expected value of one more seed or round, per dollar.

The value of a measurement is how much better the choice becomes on average once its result is known,
E[max E[U | result]] − max E[U], in units of the objective. It is computed from the joint draws: a result
is a noisy view of the true value, and the draws sorted by it show what would then be chosen.

Spending seeds where this is largest was worth twice as many spread evenly. It also peeks: intervals of a
run that went on until it was decided are narrower than their data warrant (stopping at the first
significant seed, 3 to 10, raises false alarms from .05 to .16), so such a run says that it did.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from harness.analysis import cost
from harness.analysis.choice import Standing, assess
from harness.analysis.criteria import VALUE, parse_objective, stem
from harness.analysis.sensitivity import Question
from harness.analysis.stats import Array
from harness.record import Record, Variant
from harness.streams import generator

PEEKED = (
    "measuring went on until the question was decided: intervals are somewhat too narrow (false alarms of"
    " .05 become up to .16), and candidates given up early have few seeds"
)
"""What a report says of a run with `--until-decided`."""

BINS = 16
WORTHLESS = 1e-4
"""Share of the spread between candidates below which another measurement is not worth naming."""


@dataclass(frozen=True)
class NextMeasurement:
    """One more unit of statistics.

    Args:
        kind: `seed` trains and scores the candidate once more on all its runtimes; `round` serves one
            variant once more. runtime: None for a seed.
        value: expected gain in units of the objective. seconds: it is expected to take.
        usd: at the suite's price, None without one. value_per_usd: per second without a price.
    """

    what: str
    kind: Literal["seed", "round"]
    candidate: str
    runtime: str | None
    value: float
    seconds: float
    usd: float | None
    value_per_usd: float

    def to_json(self) -> Mapping[str, Any]:
        return asdict(self)


def value_of_information(outcome: Array, signal: Array, rng: np.random.Generator) -> float:
    """E[max_k E[U_k | signal]] − max_k E[U_k].

    Args:
        outcome: (num_draws, K) utilities, the fallback where a limit is broken.
        signal: (num_draws,) the hypothetical result under each draw.
    Returns:
        at least 0; what a signal without information gives by chance is taken off.
    """

    def gain(order: Array) -> float:
        edges = np.linspace(0, len(order), BINS + 1).astype(int)[:-1]
        sums = np.add.reduceat(outcome[order], edges, axis=0)
        counts = np.diff([*edges, len(order)])[:, None]
        return float((sums.max(1).sum() - sums.sum(0).max()) / counts.sum())

    chance = sum(gain(rng.permutation(len(signal))) for _ in range(3)) / 3
    return max(gain(np.argsort(signal, kind="stable")) - chance, 0.0)


def signal_of(draws: Array, resolved: float, rng: np.random.Generator) -> Array:
    """A hypothetical result that explains the share `resolved` of the draws' variance; (num_draws,)."""
    spread = draws.std()
    standard = (draws - draws.mean()) / spread if spread > 0 else np.zeros(len(draws))
    share = float(np.clip(resolved, 0.0, 1.0))
    return np.asarray(np.sqrt(share) * standard + np.sqrt(1 - share) * rng.standard_normal(len(draws)))


def resolved_share(units: int, unit_variance: float, total_variance: float) -> float:
    """Share of a mean's posterior variance that one more unit takes away: (v/n − v/(n+1)) / V."""
    if units < 1 or total_variance <= 0:
        return 0.0
    return min((unit_variance / units - unit_variance / (units + 1)) / total_variance, 1.0)


def next_measurements(question: Question, records: Sequence[Record]) -> tuple[NextMeasurement, ...]:
    """Further seeds and rounds, best value per dollar first; worthless ones are left out.

    Args:
        question: a complete table with its limits and objective.
        records: of the run: how many units there are, how they vary and how long they took.
    """
    standing = assess(question.table, question.limits, question.goal, question.suite)
    if standing.choice is None or not question.table.rows:
        return ()
    outcome = _outcome(standing)
    scale = float(np.ptp([standing.expected[k] for k in standing.eligible])) or float(outcome.std())
    units = _Units(records, question.table.train_size)
    quality, served = _deciding_metrics(question)
    rng = generator(question.suite.seed, "measure next")
    price = cost.price_of(question.suite.machine)
    found = []
    for candidate in dict.fromkeys(row.candidate for row in question.table.rows):
        value = max((_seed_value(question, units, outcome, candidate, n, rng) for n in quality), default=0.0)
        seconds = units.seconds_of_seed(candidate)
        found.append(_entry(f"one more seed of {candidate}", "seed", candidate, None, value, seconds, price))
    for k, row in enumerate(question.table.rows):
        value = max((_round_value(question, units, outcome, k, n, rng) for n in served), default=0.0)
        seconds = units.seconds_of_round(Variant(row.candidate, row.runtime))
        what = f"one more serving round of {row.variant}"
        found.append(_entry(what, "round", row.candidate, row.runtime, value, seconds, price))
    worthy = [f for f in found if f.value > WORTHLESS * scale]
    return tuple(sorted(worthy, key=lambda f: -f.value_per_usd))


def is_decided(question: Question) -> bool:
    """Whether measuring may stop: the expected regret is within the tolerance, or P(best) is .95.

    Candidates with the same answers (one model on two runtimes) count as one.
    """
    standing = assess(question.table, question.limits, question.goal, question.suite)
    if standing.choice is None or standing.regret is None:
        return False
    if standing.regret <= question.suite.decision.tolerance:
        return True
    candidates = [row.candidate for row in question.table.rows]
    together = sum(
        standing.best[k] for k in standing.eligible if candidates[k] == candidates[standing.choice]
    )
    return bool(together >= 0.95)


def _outcome(standing: Standing) -> Array:
    """Utility, or the fallback where a limit is broken; never −inf."""
    utility = np.where(np.isfinite(standing.utility), standing.utility, standing.fallback)
    return np.where(standing.feasible, utility, np.minimum(standing.fallback, utility))


def _deciding_metrics(question: Question) -> tuple[list[str], list[str]]:
    """Metrics of objective and limits that more seeds, and that more rounds, would tell better."""
    names = dict.fromkeys((*question.goal.metrics, *(c.metric for c in question.limits)))
    value = question.suite.decision.value
    if VALUE in names and value:
        names |= dict.fromkeys(parse_objective(f"maximize {VALUE}", value).metrics)
    if any(n.startswith("cost_per_") for n in names):
        names |= dict.fromkeys(("throughput_at_slo_qps", "throughput_offline_per_s", "latency_p50_ms"))
    known = [n for n in names if n in question.table.draws]
    served = [n for n in known if n.startswith(("latency_", "throughput_", "peak_memory", "energy_"))]
    derived = ("cost_per_", "train_cost", VALUE, "parameters", "flops", "model_size")
    return [n for n in known if n not in served and not n.startswith(derived)], served


class _Units:
    """Seeds and launches there are: their number, spread and duration."""

    def __init__(self, records: Sequence[Record], train_size: int | None) -> None:
        self._scored: dict[Variant, list[Record]] = {}
        self._served: dict[Variant, list[Record]] = {}
        self._train_seconds: dict[str, list[float]] = {}
        for record in records:
            trial = record.trial
            if record.status != "finished":
                continue
            if trial.kind == "train" and trial.train_size == train_size:
                self._train_seconds.setdefault(trial.candidate, []).append(record.seconds)
            elif trial.kind == "score" and trial.variant and trial.train_size == train_size:
                self._scored.setdefault(trial.variant, []).append(record)
            elif trial.kind == "serve" and trial.variant:
                self._served.setdefault(trial.variant, []).append(record)

    def seeds(self, variant: Variant, metric: str) -> Array:
        return _values(self._scored.get(variant, []), metric)

    def launches(self, variant: Variant, metric: str) -> Array:
        return np.asarray(np.log(np.maximum(_values(self._served.get(variant, []), metric), 1e-300)))

    def pooled_variance(self, metric: str, served: bool) -> float:
        """Within-variant variance over all variants; 0 where nobody has two units."""
        groups = self._served if served else self._scored
        samples = [self.launches(v, metric) if served else self.seeds(v, metric) for v in groups]
        parts = [(x.var(ddof=1) * (len(x) - 1), len(x) - 1) for x in samples if len(x) > 1]
        return float(sum(p for p, _ in parts) / sum(n for _, n in parts)) if parts else 0.0

    def seconds_of_seed(self, candidate: str) -> float:
        train = self._train_seconds.get(candidate, [])
        scoring = [
            r.seconds for v, group in self._scored.items() if v.candidate == candidate for r in group[:1]
        ]
        return (float(np.mean(train)) if train else 0.0) + sum(scoring)

    def seconds_of_round(self, variant: Variant) -> float:
        by_scenario = {r.trial.scenario: r.seconds for r in self._served.get(variant, [])}
        return sum(by_scenario.values())


def _values(records: Sequence[Record], metric: str) -> Array:
    found = [r.value(stem(metric)) for r in records]
    return np.array([v for v in found if v is not None], dtype=float)


def _seed_value(
    question: Question, units: _Units, outcome: Array, candidate: str, metric: str, rng: np.random.Generator
) -> float:
    """The best of the candidate's runtimes stands for all: they are the same fitted models."""
    rows = [k for k, row in enumerate(question.table.rows) if row.candidate == candidate]
    values = []
    for k in rows:
        row = question.table.rows[k]
        draws = question.table.draws[metric][:, k]
        seeds = units.seeds(Variant(row.candidate, row.runtime), metric)
        if np.isnan(draws).any() or not len(seeds):
            continue
        variance = float(seeds.var(ddof=1)) if len(seeds) > 2 else units.pooled_variance(metric, False)
        total = float(draws.var())
        share = resolved_share(len(seeds), variance, total) if variance else 0.25
        values.append(value_of_information(outcome, signal_of(draws, share, rng), rng))
    return max(values, default=0.0)


def _round_value(
    question: Question, units: _Units, outcome: Array, k: int, metric: str, rng: np.random.Generator
) -> float:
    row = question.table.rows[k]
    draws = question.table.draws[metric][:, k]
    launches = units.launches(Variant(row.candidate, row.runtime), metric)
    if np.isnan(draws).any() or (draws <= 0).any() or not len(launches):
        return 0.0
    own = float(launches.var(ddof=1)) if len(launches) > 2 else units.pooled_variance(metric, True)
    logs = np.log(draws)
    share = resolved_share(len(launches), own, float(logs.var())) if own else 0.5
    return value_of_information(outcome, signal_of(logs, share, rng), rng)


def _entry(
    what: str,
    kind: Literal["seed", "round"],
    candidate: str,
    runtime: str | None,
    value: float,
    seconds: float,
    price: cost.Price | None,
) -> NextMeasurement:
    usd = None if price is None else seconds * price.usd_per_hour / 3600
    spent = max(seconds, 0.1) if usd is None else max(usd, 1e-9)
    return NextMeasurement(what, kind, candidate, runtime, value, seconds, usd, value / spent)
