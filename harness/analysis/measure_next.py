"""What to measure next: the expected value of one more seed or round, per dollar.

The value of a measurement is how much better the choice becomes on average once its result is known,
E[max E[U | result]] − max E[U], in units of the objective. It is computed from the joint draws: a result
is a noisy view of the true value, and the utilities regressed on it show what would then be chosen.

Spending seeds where this is largest was worth twice as many spread evenly. It also peeks: intervals of a
run that went on until it was decided are narrower than their data warrant (stopping at the first
significant seed, 3 to 10, raises false alarms from .05 to .16), so such a run says that it did.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Literal

import numpy as np

from harness.analysis import cost
from harness.analysis.criteria import VALUE, worth_of
from harness.analysis.information import (
    middle_variance,
    resolved_share,
    signal_of,
    value_of_information,
)
from harness.analysis.rule import POSSIBLE, Choice
from harness.analysis.sensitivity import Question
from harness.analysis.stats import Array
from harness.codec import JsonObject
from harness.costs import Price
from harness.metrics import CAPACITY, metric, metrics_of, stem
from harness.record import Record, Variant
from harness.streams import generator
from harness.suite.variants import scored_as

PEEKED = (
    "measuring went on until the question was decided: intervals are somewhat too narrow (false alarms of"
    " .05 become up to .16), and candidates given up early have few seeds"
)
"""What a report says of a run with `--until-decided`."""

STEPS = (1, 2, 4, 8)
"""How many further units are considered at once: often one more seed cannot change the choice and four can
(looking one step ahead would stop there)."""

SEPARATED = 1.96
"""Standard errors from which a lead's 95 % interval leaves zero out."""

WORTHLESS = 1e-4
"""Share of the spread between candidates below which another measurement is not worth naming."""


@dataclass(frozen=True)
class NextMeasurement:
    """Further units of statistics.

    Args:
        kind: `seed` trains and scores the candidate again on all its runtimes; `round` serves one
            variant again; `data` trains the candidate on more (`more_data`).
        runtime: of a round. units: how many, the number with most value per unit.
        value: expected gain in units of the objective, of all units. seconds: they are expected to take.
        usd: at the suite's price, None without one. value_per_usd: per second without a price.
    """

    what: str
    kind: Literal["seed", "round", "data"]
    candidate: str
    runtime: str | None
    units: int
    value: float
    seconds: float
    usd: float | None
    value_per_usd: float

    @property
    def name(self) -> str:
        """The candidate of seeds, the variant of rounds."""
        return self.candidate if self.runtime is None else f"{self.candidate}/{self.runtime}"

    def of(self, units: int) -> NextMeasurement:
        """Fewer or more units of the same; what they are worth is not asked anew."""
        share = units / self.units
        usd = None if self.usd is None else self.usd * share
        what = what_of(self.kind, self.name, units)
        return replace(self, what=what, units=units, seconds=self.seconds * share, usd=usd)

    def to_json(self) -> JsonObject:
        return asdict(self)


def what_of(kind: str, name: str, units: int) -> str:
    """`2 more serving rounds of resnet/onnx`."""
    noun = ("seed" if kind == "seed" else "serving round") + ("s" if units > 1 else "")
    return f"{'one' if units == 1 else units} more {noun} of {name}"


def next_measurements(
    question: Question, records: Sequence[Record], start_s: float = 0.0
) -> tuple[NextMeasurement, ...]:
    """Further seeds and rounds, best value per dollar first; worthless ones are left out.

    Args:
        question: a complete table with its limits and objective.
        records: of the run: how many units there are, how they vary and how long they took.
        start_s: what measuring anything takes beside its units: the more it is, the more units are worth it
            at once.
    """
    choice = question.choice
    if not len(choice.contenders):
        return ()
    outcome = _outcome(choice)
    worths = choice.expected[choice.able if choice.able.any() else choice.contenders]
    scale = float(np.ptp(worths)) or float(outcome.std())
    units = _Units(records, question.table.train_size, question.suite.serving.threads)
    quality, served = _deciding_metrics(question)
    rng = generator(question.suite.seed, "measure next")
    price = cost.price_of(question.suite.machine)
    found = []
    for candidate in dict.fromkeys(row.candidate for row in question.table.rows):
        taken = Seconds(units.seconds_of_seed(candidate), start_s)
        gains = [g for n in quality if (g := _seed_gain(question, units, outcome, candidate, n, rng, taken))]
        found.append(_entry("seed", candidate, None, gains, taken, price))
    for k, row in enumerate(question.table.rows):
        taken = Seconds(units.seconds_of_round(Variant(row.candidate, row.runtime)), start_s)
        gains = [g for n in served if (g := _round_gain(question, units, outcome, k, n, rng, taken))]
        found.append(_entry("round", row.candidate, row.runtime, gains, taken, price))
    # Equal candidates differ by rounding: a gain of 1e-16 is none.
    least = max(WORTHLESS * scale, 1e-6 * abs(float(outcome.mean(0).max())))
    worthy = [f for f in found if f.value > least]
    return tuple(sorted(worthy, key=lambda f: -f.value_per_usd))


def is_decided(question: Question) -> bool:
    """Whether measuring may stop: nobody else could still be the choice, or the loss that is left does not
    matter.

    What is left is held against `decision.tolerance` where the suite names one, around the measured means:
    the shrunk ones call a loss nothing where least is known. Candidates with the same answers (one model on
    two runtimes) count as one.
    """
    choice = question.choice
    if choice.named is None or choice.best[choice.open].sum() >= POSSIBLE:
        return False
    given = question.suite.decision.tolerance
    if given and choice.raw_regret <= given:
        return True
    candidates = [row.candidate for row in question.table.rows]
    return {candidates[k] for k in choice.tied} == {candidates[choice.named]}


def is_beyond_reach(question: Question, times: float) -> bool:
    """Whether even so many times the units would most likely leave a tie of candidates.

    The lead is taken one standard error larger than it was measured: that much may be luck.
    """
    choice = question.choice
    if choice.leader is None or is_decided(question):
        return False
    candidates = [row.candidate for row in question.table.rows]
    rivals = [k for k in choice.tied if candidates[k] != candidates[choice.leader]]
    leads = [choice.worth(choice.leader) - choice.worth(k) for k in rivals]
    errors = [lead.mean() / spread if (spread := lead.std()) > 0 else 0.0 for lead in leads]
    return bool(rivals) and (min(errors) + 1) * times**0.5 < SEPARATED


def served_metrics(question: Question) -> list[str]:
    """Metrics of objective and limits that more rounds would tell better."""
    return _deciding_metrics(question)[1]


def _outcome(choice: Choice) -> Array:
    """(draws, contenders) worth; a broken limit costs its price, or what makes keeping it just surely enough
    worth no more than the least of the contenders.

    Where nobody may be chosen, a last column is the worth of shipping none: what a variant that keeps the
    limits just surely enough would be worth. So it tells to measure what may yet prove to keep them.
    """
    utility, keeps = choice.utility[:, choice.contenders], choice.keeps.T[choice.contenders].T
    risk = 1 - choice.terms.confidence
    price = choice.terms.broken_limit
    if price is None:
        spread = float(np.ptp(utility.mean(0))) or abs(float(utility.mean())) or 1.0
        price = spread / risk
    outcome = np.asarray(utility - price * ~keeps)
    if choice.leader is not None:
        return outcome
    none = float(utility.mean(0).max()) - price * risk
    return np.column_stack([outcome, np.full(len(outcome), none)])


def _deciding_metrics(question: Question) -> tuple[list[str], list[str]]:
    """Metrics of objective and limits that more seeds, and that more rounds, would tell better."""
    names = dict.fromkeys((*question.goal.metrics, *(c.metric for c in question.limits)))
    if VALUE in names and question.suite.decision.value:
        names |= dict.fromkeys(worth_of(question.suite).metrics)
    known = {n: metrics_of(question.suite)[n] for n in names if n != VALUE}
    if any(m.about == "money" and m.rests_on_speed for m in known.values()):
        further = (CAPACITY, "throughput_offline_per_s", "latency_p50_ms")
        known |= {name: metric(name) for name in further}
    measured = {n: m for n, m in known.items() if n in question.table.draws}
    seeded = [n for n, m in measured.items() if m.about in ("quality", "training")]
    return seeded, [n for n, m in measured.items() if m.is_served]


class _Units:
    """Seeds and launches there are: their number, spread and duration."""

    def __init__(self, records: Sequence[Record], train_size: int | None, threads: int = 1) -> None:
        self._threads = threads
        self._scored: dict[Variant, list[Record]] = {}
        self._served: dict[Variant, list[Record]] = {}
        self._train_seconds: dict[str, list[float]] = {}
        for record in records:
            trial = record.trial
            if record.status != "finished" or trial.tuning is not None or trial.is_aside:
                continue
            if trial.kind == "train" and trial.train_size == train_size:
                self._train_seconds.setdefault(trial.candidate, []).append(record.seconds)
            elif trial.kind == "score" and trial.variant and trial.train_size == train_size:
                self._scored.setdefault(trial.variant, []).append(record)
            elif trial.kind == "serve" and trial.variant:
                self._served.setdefault(trial.variant, []).append(record)

    def seeds(self, variant: Variant, metric: str) -> Array:
        """Of a slice the whole metric's: records have no figures on slices. Their number is the same."""
        scored = Variant(variant.candidate, scored_as(variant.runtime, self._threads))
        return _values(self._scored.get(scored, []), metric)

    def seeds_agree(self, variant: Variant) -> bool:
        """Whether several seeds scored the same in everything: no luck of training is in such a model. One
        figure alone may agree by chance."""
        scored = self._scored.get(Variant(variant.candidate, scored_as(variant.runtime, self._threads)), [])
        told = {tuple((m.metric, m.value) for m in record.measurements) for record in scored}
        return len(scored) > 1 and len(told) == 1

    def launches(self, variant: Variant, metric: str) -> Array:
        return np.asarray(np.log(np.maximum(_values(self._served.get(variant, []), metric), 1e-300)))

    def pooled_variance(self, metric: str, served: bool) -> float:
        """Within-variant variance over all variants; 0 where nobody has two units."""
        if "[" in metric:
            return 0.0  # a slice has fewer examples and another spread than the whole
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


Gain = tuple[float, int]
"""Value of some more units, and how many."""


@dataclass(frozen=True)
class Seconds:
    """What a unit takes, and what any number of them takes beside that."""

    each: float
    start: float = 0.0

    def rate(self, gain: Gain) -> float:
        """Value per second of both."""
        value, units = gain
        return value / (units * max(self.each, 1e-9) + self.start)


def _best_gain(
    outcome: Array, draws: Array, shares: Sequence[float], rng: np.random.Generator, seconds: Seconds
) -> Gain:
    """The number of units with most value for what they take."""
    gains = [
        (value_of_information(outcome, signal_of(draws, share, rng)), step)
        for step, share in zip(STEPS, shares, strict=True)
    ]
    return max(gains, key=seconds.rate)


def _seed_gain(
    question: Question,
    units: _Units,
    outcome: Array,
    candidate: str,
    metric: str,
    rng: np.random.Generator,
    seconds: Seconds,
) -> Gain | None:
    """The best of the candidate's runtimes stands for all: they are the same fitted models."""
    gains = []
    for k, row in enumerate(question.table.rows):
        draws = question.table.draws[metric][:, k]
        seeds = units.seeds(Variant(row.candidate, row.runtime), metric)
        if row.candidate != candidate or np.isnan(draws).any() or not len(seeds):
            continue
        if units.seeds_agree(Variant(row.candidate, row.runtime)):
            continue  # a further one says the same
        pooled = units.pooled_variance(metric, False)
        own = len(seeds) > 2 and "[" not in metric
        variance = max(float(seeds.var(ddof=1)), pooled / 2) if own else pooled
        total = middle_variance(draws)
        # Nothing is known of the spread over seeds: a quarter, as with three seeds that are all there is.
        shares = [resolved_share(len(seeds), variance, total, m) if variance else 0.25 for m in STEPS]
        gains.append(_best_gain(outcome, draws, shares, rng, seconds))
    return max(gains, default=None)


def _round_gain(
    question: Question,
    units: _Units,
    outcome: Array,
    k: int,
    metric: str,
    rng: np.random.Generator,
    seconds: Seconds,
) -> Gain | None:
    row = question.table.rows[k]
    draws = question.table.draws[metric][:, k]
    launches = units.launches(Variant(row.candidate, row.runtime), metric)
    if np.isnan(draws).any() or (draws <= 0).any() or not len(launches):
        return None
    pooled = units.pooled_variance(metric, True)
    variance = max(float(launches.var(ddof=1)), pooled / 2) if len(launches) > 2 else pooled
    logs = np.log(draws)
    total = middle_variance(logs)
    shares = [resolved_share(len(launches), variance, total, m) if variance else m / (m + 1) for m in STEPS]
    return _best_gain(outcome, logs, shares, rng, seconds)


def _entry(
    kind: Literal["seed", "round"],
    candidate: str,
    runtime: str | None,
    gains: Sequence[Gain],
    seconds: Seconds,
    price: Price | None,
) -> NextMeasurement:
    value, units = max(gains, key=seconds.rate, default=(0.0, 1))
    name = candidate if runtime is None else f"{candidate}/{runtime}"
    taken, rate = units * seconds.each, None if price is None else price.usd_per_hour / 3600
    whole = taken + seconds.start
    spent = max(whole, 0.1) if rate is None else max(whole * rate, 1e-9)
    return NextMeasurement(
        what_of(kind, name, units),
        kind,
        candidate,
        runtime,
        units,
        value,
        taken,
        None if rate is None else taken * rate,
        value / spent,
    )
