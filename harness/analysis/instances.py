"""Several instances in one question: which of them every variant is cheapest on, and where nothing is known.

What one machine measured holds for another of its class: the bill then differs by price alone. Of any other
machine nothing is made up: it is named, without a figure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from harness.analysis import cost
from harness.analysis.stats import Array
from harness.costs import Price
from harness.results import Offer, Row, Tradeoff
from harness.suite.schema import Suite
from harness.suite.variants import cores_used


@dataclass(frozen=True)
class Instance:
    """One of the suite's machines.

    Args:
        name: in the suite; empty where there is one machine only.
        cores: for workers; 0 where nobody said.
        unknown: why nothing that was measured holds for it; empty where it does.
    """

    name: str
    price: Price
    cores: int = 0
    unknown: str = ""


def instances(suite: Suite, machine_class: str = "") -> tuple[Instance, ...]:
    """The suite's machines, in its order; none without a price.

    Args:
        machine_class: of the machine that speeds were measured on.
    """
    measured = cost.price_of(suite.machine)
    if not suite.machines:
        cores = suite.machine.cores or (measured.vcpus if measured else 0)
        return () if measured is None else (Instance("", measured, cores),)
    found = []
    for place, (name, machine) in enumerate(suite.machines.items()):
        price = cost.price_of(machine)
        if price is not None:
            cores = machine.cores or price.vcpus
            # The first is the one that measured.
            unknown = _unknown(machine.machine_class, price, machine_class, measured) if place else ""
            found.append(Instance(name, price, cores, unknown))
    return tuple(found)


def _unknown(named: str | None, price: Price, machine_class: str, measured: Price | None) -> str:
    """Why a machine is not known to be as fast as the measured one; empty where it is."""
    if named:
        return "" if named == machine_class else f"not extrapolated: measured on class {machine_class or '?'}"
    if measured is None or not (measured.instance and price.instance):
        return "not extrapolated: an own price without a class says nothing of the machine"
    if (price.family, price.provider) == (measured.family, measured.provider):
        return ""
    return f"not extrapolated: measured on {measured.name}, not of its family"


@dataclass(frozen=True)
class Fleet:
    """Where every row runs: on the cheapest of the instances at the stated traffic.

    Args:
        usd_per_hour: (rows,) of its machine. cores: (rows,). machine: their names.
        offers: of each row, its cost on each instance; empty where there is one machine.
    """

    usd_per_hour: Array
    cores: tuple[int, ...]
    gpu: tuple[bool, ...]
    machine: tuple[str, ...]
    offers: tuple[tuple[Offer, ...], ...]

    def bill(self, throughput: Array, suite: Suite) -> Array:
        """USD per month for the machines; `throughput` is (…, rows)."""
        return np.asarray(cost.cost_per_month(throughput, suite.decision.traffic, 1.0) * self.usd_per_hour)

    def on(self, rows: Sequence[Row]) -> tuple[Row, ...]:
        """The rows with their machines."""
        return tuple(
            replace(row, machine=name, offers=offers)
            for row, name, offers in zip(rows, self.machine, self.offers, strict=True)
        )


def fleet(table: Tradeoff, throughput: Array, suite: Suite) -> Fleet:
    """The cheapest instance of every row.

    Args:
        throughput: (draws, rows) requests per second of one measured machine; NaN where none keeps the limit.
    Raises:
        SuiteError: a price is not in the catalogue.
    """
    found = instances(suite, table.machine_class)
    # Per machine-hour of 1 USD: the number of machines is the same on all that are as fast.
    bills = cost.cost_per_month(throughput, suite.decision.traffic, 1.0).mean(0)
    middle = np.quantile(np.nan_to_num(throughput), 0.5, axis=0, method="nearest")
    chosen, offers = [], []
    for k, row in enumerate(table.rows):
        used = cores_used(row.runtime, suite.serving.threads)
        able = [i for i, instance in enumerate(found) if not _why_not(instance, used)]
        paid = [float(np.nan_to_num(bills[k]) * found[i].price.usd_per_hour) for i in able]
        chosen.append(able[int(np.argmin(paid))] if able else 0)
        offers.append(tuple(_offer(i, used, float(middle[k]), suite) for i in found))
    named = [found[i] for i in chosen]
    return Fleet(
        np.array([i.price.usd_per_hour for i in named]),
        tuple(i.cores for i in named),
        tuple(bool(i.price.gpu) for i in named),
        tuple(i.name for i in named),
        tuple(offers) if suite.machines else ((),) * len(named),
    )


def _why_not(instance: Instance, used: int) -> str:
    """Why a variant that uses so many cores has no figure on an instance."""
    if instance.unknown:
        return instance.unknown
    if instance.cores and used > instance.cores:
        return f"needs {used} cores, it has {instance.cores}"
    return ""


def _offer(instance: Instance, used: int, carries: float, suite: Suite) -> Offer:
    why = _why_not(instance, used)
    if why or carries <= 0:
        return Offer(instance.name, note=why or "no load keeps the limit")
    traffic = suite.decision.traffic
    count = float(cost.machines(carries, traffic))
    note = f"{used} of {instance.cores} cores serve" if used < instance.cores else ""
    month = count * instance.price.usd_per_hour * cost.HOURS_PER_MONTH
    return Offer(instance.name, carries, count, month, note)
