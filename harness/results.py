"""What is decided from records: estimates with their intervals, the trade-off table, the recommendation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, NotRequired, TypedDict

from harness.reasons import SAID_ONCE, Noted, Reason
from harness.spread import Spread

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Estimate(Noted):
    """A metric of a variant, with its truth.

    Args:
        value: None when not a number; `note` then says why: `failed: …`, `not measured`,
            `not estimable (…)`, `unsteady`, `too noisy`.
        low, high: 95 % interval, None when not estimable (`note` says why).
        se, df: standard error and degrees of freedom of the t interval, on the log scale where
            `log` is true.
        n: how many units of statistics (seeds, launches).
        floor: the true figure may be higher: an upper limit is never met by it.
        machines: of a cost, how many it pays for. step: what one machine more or less changes; None where
            machines come and go by the hour, and of what is no cost of machines.
        total: of a training's cost, that of all trainings of the run.
        by_figures: of an expression, what the row's own figures give, where `value` is another.
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    se: float | None = None
    df: float | None = None
    n: int = 0
    log: bool = False
    note: str = ""
    floor: bool = False
    machines: float | None = None
    step: float | None = None
    total: float | None = None
    by_figures: float | None = None


@dataclass(frozen=True)
class ServiceTimes:
    """How long a variant's calls take.

    Args:
        by_size: (batch size, mean ms of a call), ascending. varies: quantiles of a call's time over its mean.
        workers: how many answer at the same time.
    """

    by_size: tuple[tuple[int, float], ...]
    varies: tuple[float, ...] = (1.0,)
    workers: int = 1

    @property
    def peak(self) -> float:
        """Requests per second where everything is there at once, by the best batch size."""
        return max(self.workers * size / ms * 1e3 for size, ms in self.by_size)


@dataclass(frozen=True)
class InstanceCost:
    """What a variant costs on one of the suite's instances.

    Args:
        machine: the instance's name in the suite. per_second: requests that one of them carries.
        count: machines that the traffic needs, spare ones included.
        usd_per_month: of these machines, the middle of the draws.
        note: why there is no figure, or what the figure does not show.
    """

    machine: str
    per_second: float | None = None
    count: float | None = None
    usd_per_month: float | None = None
    note: str = ""


@dataclass(frozen=True)
class Besides:
    """What a variant costs beyond its machines.

    Args:
        by_price: USD per month that follows the machine's price. fixed: USD per month that does not.
        per_request: USD.
    """

    by_price: float = 0.0
    fixed: float = 0.0
    per_request: float = 0.0

    def at(self, factor: float) -> Besides:
        """The same at so many times the machine's price."""
        return Besides(self.by_price * factor, self.fixed, self.per_request)

    def monthly(self, requests: float) -> float:
        """USD per month of so many requests."""
        return self.by_price + self.fixed + self.per_request * requests


@dataclass(frozen=True)
class Row:
    """One variant of the trade-off table.

    Args:
        failures: of trials that it depends on, in words. training_failure: why a training of it failed; empty
            where none did.
        machine: the cheapest of the suite's instances for it; empty where the suite has one machine.
        offers: what it costs on each.
        besides: what it costs beyond its machines.
        service: what costs are simulated with where no load under a limit was measured.
        counted_share: of the load found under a limit, what costs count on.
    """

    variant: str
    candidate: str
    runtime: str
    estimates: Mapping[str, Estimate]
    pareto: bool = False
    pareto_probability: float | None = None
    feasible_probability: float | None = None
    best_probability: float | None = None
    rejected_by: tuple[str, ...] = ()
    failures: tuple[str, ...] = ()
    training_failure: str = ""
    besides: Besides = Besides()
    service: ServiceTimes | None = None
    counted_share: float = 1.0
    machine: str = ""
    offers: tuple[InstanceCost, ...] = ()

    @property
    def is_inherited(self) -> bool:
        """Whether its quality is that of its candidate's reference, as it answers as that does."""
        return any(Reason.INHERITED in cell.reasons for cell in self.estimates.values())

    @property
    def stopped(self) -> str:
        """Why it was measured no further, `ruled out after …`; empty where nothing stopped it."""
        return next((cell.note for cell in self.estimates.values() if cell.reason in SAID_ONCE), "")

    @property
    def deployed(self) -> str:
        """The variant, and on which of several instances: `resnet/onnx on big`."""
        return f"{self.variant} on {self.machine}" if self.machine else self.variant


@dataclass(frozen=True)
class Baseline:
    """What common sense holds the figures against.

    Args:
        constant: quality metric → what always answering with the training part's class shares reaches.
        same_for_all: quality metrics that are exactly the same for several candidates, all seeds.
        unseen: what share of the test examples has a label that training never saw, and which labels.
        popular: of recommenders: quality metric → what the most popular items, shown to everybody, reach.
    """

    constant: Mapping[str, float] = field(default_factory=dict)
    same_for_all: tuple[str, ...] = ()
    unseen: float = 0.0
    unseen_labels: tuple[str, ...] = ()
    popular: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Tradeoff:
    """The trade-off table.

    Args:
        metrics: columns in order of display.
        draws: metric → (num_draws, num_rows), joint over rows where they share examples; NaN where
            a row has no number.
        train_size: the size that the rows were trained on.
        spreads: metric → how far its figures scatter, for the plan of the next run.
        machine_class: of the machine that speeds were measured on; empty where it is not known.
        sessions: when speeds were measured, as `28 Nov 20:28–20:41 UTC`; of several each is one unit.
    """

    rows: tuple[Row, ...]
    metrics: tuple[str, ...]
    draws: Mapping[str, np.ndarray]
    train_size: int | None = None
    warnings: tuple[str, ...] = ()
    baseline: Baseline = Baseline()
    spreads: Mapping[str, Spread] = field(default_factory=dict)
    machine_class: str = ""
    sessions: tuple[str, ...] = ()


Verdict = Literal["recommend", "tie", "none_feasible", "not_enough_evidence"]


class Expected(TypedDict):
    """The objective's figure of the choice without what selecting the best of several adds to it; `measured`:
    with it."""

    metric: str
    value: float
    low: float
    high: float
    measured: float


class StillOpen(TypedDict):
    """A variant that cannot be chosen now and may prove the best; probabilities."""

    variant: str
    keeps_all: float
    probability_best: float


class NotCompared(TypedDict):
    """A variant that was not run to the end and may be the better choice.

    `stage`: what it was not: trained, scored or served. `why`: `budget of 3 min spent`. `lacks`: metrics that
    decide and have no number. `probability_better`: than who is ahead of those that were compared, were it to
    keep the limits that nothing is known of; with its lead in the objective (higher is better). None where
    nothing is known of the objective.
    """

    variant: str
    stage: str
    why: str
    lacks: tuple[str, ...]
    probability_better: float | None
    lead: float | None
    lead_low: float | None
    lead_high: float | None


class SoFar(TypedDict):
    """Who would be chosen of the variants that were compared; `tied_with`: who else of these."""

    variant: str
    probability_best: float
    tied_with: tuple[str, ...]
    compared: int


class NearestMiss(TypedDict):
    """Who comes nearest where none may be chosen: the probability that it keeps all limits, and each."""

    variant: str
    keeps_all: float
    keeps: dict[str, float]


class RunnerUp(TypedDict):
    """A row that was not chosen; `difference`: the choice's lead in the objective, higher is better.

    `ahead`: the share of draws in which it leads. `difference_median` stands where the mean hides it.
    """

    variant: str
    probability_best: float
    metric: str
    difference: float | None
    difference_low: float | None
    difference_high: float | None
    difference_median: NotRequired[float]
    ahead: NotRequired[float]
    why: str


class Flip(TypedDict, total=False):
    """What would change the answer: once `what` passes `at`, `then` is named; `factor`: `at` over today's."""

    what: str
    at: float
    unit: str
    then: str
    factor: float
    extrapolated: bool


@dataclass(frozen=True)
class Recommendation:
    """`recommendation.json`.

    Args:
        choice: a variant's name; None where none may be chosen.
        machine: which of the suite's instances it is to run on; empty where the suite has one machine.
        probability_best: of `choice`: that it is the best of those that keep the limits.
        expected_regret: what `choice` is expected to lose to the best of those that may be chosen, in units
            of the objective. limit_risk: the probability that it breaks a limit.
        confidence, broken_limit, tolerance: the terms (`decision.confidence`, …); the tolerance as it came to
            be, in units of the objective.
        expected: the objective's figure of `choice` without what selecting the best of several adds to it.
        why_not_likeliest: one sentence where another variant is more likely the best, else empty.
        may_keep_limits: who cannot be chosen now and may prove the best. nearest: where none may be chosen.
        not_compared: who was not run to the end and may be the better choice. so_far: who would be chosen of
            the others, where the answer waits for them.
        settled_by: in a tie, why `choice` is named: the metric that it is cheapest in, `limits` (it is
            more likely to keep them), `duel`, `objective` (the highest expected worth), empty where nothing
            tells.
        named_because: in a tie, the sentence that says so; empty otherwise.
        reasons: sentences, most important first. flips: what would change the answer.
    """

    verdict: Verdict
    choice: str | None
    probability_best: float | None
    machine: str = ""
    expected_regret: float | None = None
    limit_risk: float | None = None
    objective: str = ""
    constraints: tuple[str, ...] = ()
    confidence: float = 0.9
    broken_limit: float | None = None
    tolerance: float | None = None
    expected: Expected | None = None
    why_not_likeliest: str = ""
    tied_with: tuple[str, ...] = ()
    settled_by: str = ""
    named_because: str = ""
    may_keep_limits: tuple[StillOpen, ...] = ()
    nearest: NearestMiss | None = None
    not_compared: tuple[NotCompared, ...] = ()
    so_far: SoFar | None = None
    runners_up: tuple[RunnerUp, ...] = ()
    reasons: tuple[str, ...] = ()
    flips: tuple[Flip, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def where(self) -> str:
        """` on big` where the suite has several instances, else empty."""
        return f" on {self.machine}" if self.choice and self.machine else ""
