"""A variant's monthly bill by what is paid for: machines, spare ones, training, storage, other items."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

from harness.analysis import cost
from harness.results import Besides, Row
from harness.suite.schema import CostItem, Suite


@dataclass(frozen=True)
class Bill:
    """USD per month, each part.

    Args:
        machines: those that the traffic needs. spare: those that run beside them.
        training: of the model that is shipped, with its search and what failed, spread over the months.
        storage: of the fitted model. once: one-off items, spread over the months. monthly: the others.
        requests: items that are paid for each.
    """

    machines: float
    spare: float
    training: float = 0.0
    storage: float = 0.0
    once: float = 0.0
    monthly: float = 0.0
    requests: float = 0.0

    @property
    def total(self) -> float:
        return float(sum(self.parts.values()))

    @property
    def parts(self) -> Mapping[str, float]:
        return {field.name: float(getattr(self, field.name)) for field in fields(self)}


def bill(
    throughput: float,
    suite: Suite,
    usd_per_hour: float,
    candidate: str,
    train_seconds: float = 0.0,
    size_mb: float = 0.0,
    serving_usd_per_hour: float | None = None,
) -> Bill:
    """The bill of a variant that serves so many requests per second on a machine.

    Args:
        usd_per_hour: of the machine that trains, and serves where no other price is given.
        train_seconds: of one model with its search and failures (`TrainCost.to_ship`).
        size_mb: of 10^6 bytes.
    """
    traffic = suite.decision.traffic
    hourly = usd_per_hour if serving_usd_per_hour is None else serving_usd_per_hour
    month = hourly * cost.HOURS_PER_MONTH
    running = float(cost.machines(throughput, traffic)) - traffic.spare
    *other, by_request = beside(suite, usd_per_hour, candidate, train_seconds, size_mb)
    other.append(by_request * traffic.mean * cost.SECONDS_PER_MONTH)
    return Bill(running * month, traffic.spare * month, *other)


def beside(
    suite: Suite, usd_per_hour: float, candidate: str, train_seconds: float, size_mb: float
) -> tuple[float, float, float, float, float]:
    """Training, storage, one-off and monthly items, in USD per month, and items in USD per request; zeros
    without `decision.costs`."""
    costs = suite.decision.costs
    if costs is None:
        return 0.0, 0.0, 0.0, 0.0, 0.0
    item = costs.items.get(candidate, CostItem())
    training = costs.trainings * train_seconds / 3600 * usd_per_hour / costs.months
    storage = size_mb / 1000 * costs.storage_usd_per_gb_month
    return training, storage, item.once_usd / costs.months, item.monthly_usd, item.usd_per_request


def besides(
    rows: Sequence[Row], suite: Suite, usd_per_hour: float, trained: Mapping[str, float]
) -> list[Besides]:
    """Of each row, what it costs beyond the machines.

    Args:
        trained: candidate → seconds that it takes to have one model.
    """
    found = []
    for row in rows:
        training, *others, by_request = beside(
            suite, usd_per_hour, row.candidate, trained.get(row.candidate, 0.0), size_mb(row)
        )
        found.append(Besides(training, sum(others), by_request))
    return found


def asked_for(suite: Suite, candidate: str) -> CostItem | None:
    """What a service's owner asks, where the suite says it; None where it says nothing."""
    item = suite.decision.costs.items.get(candidate) if suite.decision.costs else None
    return item if item is not None and (item.usd_per_request or item.monthly_usd) else None


def size_mb(row: Row) -> float:
    """Of the fitted model; 0 where nobody measured it."""
    size = row.estimates.get("model_size_mb")
    return 0.0 if size is None or size.value is None else size.value
