"""`decision` of a suite: what is required, what is best, and the traffic and costs behind it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from harness.suite.fields import Confidence, Model, NotNegative, Positive, Share


class Traffic(Model):
    """The load that the service must carry: what turns throughput into money."""

    qps: Positive = 10.0
    """Requests per second in the mean: what the price of a million answers is divided by."""
    peak_qps: Positive | None = None
    """What the machines must carry; none: `qps`."""
    curve: tuple[NotNegative, ...] | None = None
    """Requests per second in each hour of a day (24 values) or of a week (168), instead of `qps` and
    `peak_qps`: the mean and the highest hour take their place."""
    peaks: tuple[NotNegative, ...] | None = None
    """With a `curve`: what the machines must carry in each of its hours, requests per second in the busiest
    minute; a `trace` says it. Left out: the hour's mean."""
    trace: str | None = None
    """A CSV file with the time of every request (a column `timestamp`, dates or seconds; a day at least): its
    hours become the `curve` (of the last whole weeks, or days where it holds no week, so that no hour of
    the day counts more often than another), their busiest minutes the `peaks`, and `burstiness` is what its
    requests show, unless it is given. Beside a `curve` it only says where that came from."""
    autoscale: Positive | None = None
    """With a curve: machines come and go by the hour, and are started so many seconds before they are needed;
    in a suite file also `2 minutes`. Left out: all machines that the highest hour needs run all the time."""
    burstiness: Annotated[float, Field(gt=0, le=10)] = 1.0
    """Coefficient of variation of the gaps between requests: 1 is Poisson, where nobody knows of the others;
    above, requests come in bursts, and a machine carries less in time. It is measured under such arrivals."""
    headroom: Annotated[float, Field(gt=0, le=1)] = 1.0
    """The share of a machine's throughput that may be used: 0.8 leaves a fifth of it free."""
    spare: Annotated[int, Field(ge=0)] = 0
    """Machines beyond those that the traffic needs, running all the time."""

    @property
    def mean(self) -> float:
        """Requests per second in the mean."""
        return sum(self.curve) / len(self.curve) if self.curve else self.qps

    @property
    def peak(self) -> float:
        """Requests per second that the machines must carry."""
        if self.hours:
            return max(self.hours)
        return self.qps if self.peak_qps is None else self.peak_qps

    @property
    def hours(self) -> tuple[float, ...]:
        """Requests per second that the machines must carry in each hour of the curve; empty without one."""
        return self.peaks or self.curve or ()

    def scaled(self, factor: float) -> Traffic:
        """So many times the traffic."""
        peak = None if self.peak_qps is None else self.peak_qps * factor
        curve, peaks = (
            tuple(qps * factor for qps in hours) if hours else None for hours in (self.curve, self.peaks)
        )
        update = {"qps": self.qps * factor, "peak_qps": peak, "curve": curve, "peaks": peaks}
        return self.model_copy(update=update)


class CostItem(Model):
    """What a candidate costs beyond machines."""

    once_usd: NotNegative = 0.0
    """Once: labelling, integration, a licence."""
    monthly_usd: NotNegative = 0.0
    """Every month: people on call, a licence, monitoring; what a service (`endpoint:`) is rented for."""
    usd_per_request: NotNegative = 0.0
    """Every request: what a service's owner asks for an answer, a licence by use."""
    what: str = ""
    """In words, for the table of assumptions."""


class Costs(Model):
    """What else counts into the monthly cost: with it, `cost_per_month_usd` is the whole bill and not the
    machines alone."""

    months: Positive = 12.0
    """Over so many months training and one-off items are spread."""
    trainings: NotNegative = 1.0
    """How often a model is trained in these months: one training each time, with its search and the share of
    what failed. Other seeds, folds and training-set sizes measure, and are not in it."""
    storage_usd_per_gb_month: NotNegative = 0.0
    """Price of keeping the fitted model, a GB of 10^9 bytes for a month."""
    items: dict[str, CostItem] = Field(default_factory=dict)
    """Candidate → what it costs beyond machines."""


class Threshold(Model):
    """Two classes: from which probability the answer is the positive one. Chosen on validation answers."""

    goal: Literal["f1", "cost", "recall_at_precision"] = "f1"
    """The highest F1, the lowest cost of errors, or the most of the positive class found at a precision."""
    precision: Share = 0.9
    """For `recall_at_precision`: the least that must be right of what is called the positive class."""
    false_alarm: NotNegative = 1.0
    """For `cost`: what calling the other class the positive one costs, in any unit."""
    miss: NotNegative = 1.0
    """For `cost`: what calling the positive class the other one costs, in the same unit."""


class Decision(Model):
    """What is required, and what is best among what meets the requirements."""

    constraints: tuple[str, ...] = ()
    """`METRIC >= NUMBER` or `METRIC <= NUMBER`, each optionally `with 0.95`: the probability that it must
    hold with; all limits without one of their own must hold together with `confidence`. Quality can be
    limited on a slice, a part of the test examples: a class by its name (by its number where no class is
    named by one), `accuracy[class=fraud] >= 0.7`, or a value of a column that the data keep (`columns` of
    `tabular_csv` and `text_csv`), `accuracy[region=north] >= 0.8`."""
    confidence: Confidence = 0.9
    """The probability with which the limits must hold: variants that keep all of them with it may be chosen,
    and among those the objective alone decides."""
    broken_limit: NotNegative | None = None
    """What a broken limit costs, in units of the objective; with it the limits need to hold more likely than
    not, and the risk that is left is weighed at this price instead of being limited by `confidence`."""
    objective: str = "maximize accuracy"
    """`maximize METRIC`, `minimize METRIC`, or `maximize value`."""
    value: str | None = None
    """An expression over metrics, for instance `120*accuracy - cost_per_month_usd`: numbers, `+ - * / **`,
    brackets, `abs exp log max min sqrt`. Besides metrics it may name `qps`, `peak_qps` and `usd_per_hour`."""
    positive: str | None = None
    """Of two classes the one that average precision, thresholds and curves are about, by its name; none: the
    usual one of `no` and `yes`, `0` and `1` and the like. Needed where another pair of names decides."""
    traffic: Traffic = Traffic()
    """The load that the service must carry."""
    costs: Costs | None = None
    """Training, storage and other costs; left out: the monthly cost is that of the machines."""
    threshold: Threshold = Threshold()
    """What the report chooses a threshold for; metrics of the table are those of the likeliest class."""
    tolerance: NotNegative | None = None
    """A loss that does not matter, in units of the objective: variants that lose no more are as good as the
    best. None: a tenth of the leader's 95 % interval."""
