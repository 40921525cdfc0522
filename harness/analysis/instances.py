"""Several instances in one question: which of them every variant is cheapest on, and where nothing is known.

What one machine measured holds for another of its class: the bill then differs by price alone. Between
classes a load is carried over by a measured factor (`harness calibrate`), a latency never. Of any other
machine nothing is made up: it is named, without a figure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from harness.analysis import cost
from harness.analysis.bill import asked_for
from harness.analysis.criteria import goal_of, limits_of, merge_constraints
from harness.analysis.factors import Factor, carried, factor
from harness.analysis.order import nearest_quantiles
from harness.analysis.stats import Array
from harness.costs import Price
from harness.costs.calibrations import Calibration, kept
from harness.metrics import CAPACITY, metrics_of
from harness.results import InstanceCost, Row, Tradeoff
from harness.suite.expression import Constraint
from harness.suite.schema import Machine, Suite
from harness.suite.variants import (
    cores_used,
    is_elsewhere,
    is_over_http,
    one_worker,
    split_runtime,
    workers_of,
)

SPEEDS = (CAPACITY, "throughput_offline_per_s", "latency_p50_ms")
"""Any of which tells what load a row carries."""

HERE_ALONE = ("speed", "start", "memory", "energy")
"""What metrics are about that hold for the machine that measured them alone."""


@dataclass(frozen=True)
class Instance:
    """One of the suite's machines.

    Args:
        name: in the suite; empty where there is one machine only.
        cores: for workers; 0 where nobody said. paid_cores: that its price is for.
        unknown: why nothing that was measured holds for it; empty where it does.
        calibrations: of the class that measured and of its own, where loads are carried over by a factor.
    """

    name: str
    price: Price
    cores: int = 0
    paid_cores: int = 0
    unknown: str = ""
    calibrations: tuple[Calibration, Calibration] | None = None


def instances(suite: Suite, machine_class: str = "") -> tuple[Instance, ...]:
    """The suite's machines, in its order, the one that measured first; none without a price.

    Args:
        machine_class: of the machine that speeds were measured on.
    """
    measured = cost.price_of(suite.machine)
    if not suite.machines:
        return () if measured is None else (Instance("", measured, *_cores(suite.machine, measured)),)
    found = []
    for place, (name, machine) in enumerate(suite.machines.items()):
        price = cost.price_of(machine)
        if price is None:
            continue
        named, (cores, paid) = machine.machine_class, _cores(machine, price)
        if not place or named == machine_class:
            found.append(Instance(name, price, cores, paid))
        elif named:
            both = kept(machine_class), kept(named)
            missing = [c for c, own in zip((machine_class, named), both, strict=True) if own is None]
            pair = None if both[0] is None or both[1] is None else (both[0], both[1])
            said = f"not extrapolated: run `harness calibrate` on class {' and '.join(missing)}"
            cores = cores or (pair[1].cores if pair else 0)
            found.append(Instance(name, price, cores, paid or cores, said if missing else "", pair))
        else:
            found.append(Instance(name, price, cores, paid, _other_family(price, measured)))
    return tuple(found)


def _cores(machine: Machine, price: Price) -> tuple[int, int]:
    """Of a machine those for workers, and those that are paid; 0 where nobody said.

    A suite's `cores` are those that its workers had: of the 16 of a priced machine two, where this computer
    has no more. The others are paid all the same.
    """
    known = [cores for cores in (machine.cores, price.vcpus) if cores]
    return min(known, default=0), max(known, default=0)


def _other_family(price: Price, measured: Price | None) -> str:
    """Why a machine is not known to be as fast as the measured one; empty where it is."""
    if measured is None or not (measured.instance and price.instance):
        return "not extrapolated: an own price without a class says nothing of the machine"
    if (price.family, price.provider) == (measured.family, measured.provider):
        return ""
    return f"not extrapolated: measured on {measured.name}, not of its family"


@dataclass(frozen=True)
class Fleet:
    """Where every row runs: on the cheapest of the instances at the stated traffic.

    Args:
        throughput: (draws, rows) requests per second of one of its machines.
        usd_per_hour: (rows,) of its machine.
        idle: of each row, how many of its machine's cores serve, where some do not.
        machine: their names. offers: of each row, its cost on each instance; empty with one machine.
        lacks: of each row, the memory or the cores that it needs and none of the machines has.
    """

    throughput: Array
    usd_per_hour: Array
    idle: tuple[str, ...]
    machine: tuple[str, ...]
    offers: tuple[tuple[InstanceCost, ...], ...]
    lacks: tuple[str, ...]

    def bill(self, throughput: Array, suite: Suite) -> Array:
        """USD per month for the machines; `throughput` is (…, rows)."""
        return np.asarray(cost.cost_per_month(throughput, suite.decision.traffic, 1.0) * self.usd_per_hour)

    def on(self, rows: Sequence[Row]) -> tuple[Row, ...]:
        """The rows with their machines."""
        return tuple(
            # Other traffic leaves most rows as they are: a map of winners asks 144 times.
            row if (row.machine, row.offers) == (name, offers) else replace(row, machine=name, offers=offers)
            for row, name, offers in zip(rows, self.machine, self.offers, strict=True)
        )


@dataclass(frozen=True)
class _Served:
    """One row on one instance. `carries`: (draws,), or None with the reason; `lacks`: the memory or
    the cores that it needs and the instance has not."""

    instance: Instance
    carries: Array | None
    note: str = ""
    idle: str = ""
    may_be_chosen: bool = True
    lacks: str = ""


def fleet(table: Tradeoff, throughput: Array, suite: Suite) -> Fleet:
    """The cheapest instance of every row.

    Args:
        throughput: (draws, rows) requests per second of one measured machine; NaN where none keeps the limit.
    Raises:
        SuiteError: a price is not in the catalogue, or a calibration cannot be read.
    """
    found = instances(suite, table.machine_class)
    only_here = _measured_here_alone(suite) if any(i.calibrations for i in found) else ""
    chosen: list[_Served] = []
    offers: list[tuple[InstanceCost, ...]] = []
    for k, row in enumerate(table.rows):
        if is_elsewhere(row.runtime):
            chosen.append(_elsewhere(row, found[0], len(throughput), suite))
            offers.append(())
            continue
        served = [_served(row, throughput[:, k], instance, suite, only_here) for instance in found]
        able = [s for s in served if s.carries is not None and s.may_be_chosen]
        # The first measured it: where that one is too small, no other tells what the variant does elsewhere.
        # Of one that is able no bill need be known.
        chosen.append(min(able, key=lambda s: _mean_bill(s, suite)) if able[1:] else (*able, served[0])[0])
        offers.append(tuple(_offer(s, suite, row) for s in served) if suite.machines else ())
    nothing = np.full(len(throughput), np.nan)
    columns = [nothing if s.carries is None else s.carries for s in chosen]
    return Fleet(
        np.stack(columns, axis=1) if columns else throughput,
        np.array([s.instance.price.usd_per_hour for s in chosen]),
        tuple(s.idle for s in chosen),
        tuple("" if s.lacks else s.instance.name for s in chosen),
        tuple(offers),
        tuple(s.lacks for s in chosen),
    )


def _elsewhere(row: Row, first: Instance, draws: int, suite: Suite) -> _Served:
    """A service needs no machine: its owner's price, where the suite says it, is all that it costs."""
    nothing = Instance("", replace(first.price, usd_per_hour=0.0))
    known = asked_for(suite, row.candidate) is not None
    return _Served(nothing, np.full(draws, np.inf if known else np.nan))


def _measured_here_alone(suite: Suite) -> str:
    """A metric that decides and holds for the measuring machine alone; empty where none does."""
    goal, known = goal_of(suite), metrics_of(suite)
    names = [*(c.metric for c in limits_of(suite)), *goal.metrics]
    return next((n for n in names if n in known and known[n].about in HERE_ALONE), "")


def too_large(rows: Sequence[Row], suite: Suite) -> tuple[str, ...]:
    """Warnings of variants that took more memory or cores where they were measured than any priced machine
    has."""
    machines = list(suite.machines.values()) or [suite.machine]
    priced = [(p, p.vcpus or m.cores or 0) for m in machines if (p := cost.price_of(m)) is not None]
    # Of several it is said what the largest lacks.
    priced.sort(key=lambda one: (one[0].memory or np.inf, one[1] or np.inf))
    lacking = [(row.variant, [_lacks(row, *one, suite.serving.threads) for one in priced]) for row in rows]
    return tuple(
        f"{name} {why[-1]}: it does not run there as it was measured"
        for name, why in lacking
        if why and all(why)
    )


def _lacks(row: Row, price: Price, cores: int, threads: int, times: float = 1.0) -> str:
    """`needs 6.1 GB of memory, aws/c7i.large has 4.29 GB`; empty where it fits, or nobody knows.

    Args:
        times: as many workers as were measured, whose memory is at most so many times as much.
    """
    if is_elsewhere(row.runtime):
        return ""
    used = cores_used(row.runtime, threads)
    if cores and used > cores:
        return f"needs {used} cores, {price.name if price.instance else 'the machine'} has {cores}"
    peak = row.estimates.get("peak_memory_mb")
    if not price.memory or peak is None or peak.value is None:
        return ""
    has_mb, most_mb = price.memory * 2**30 / 1e6, peak.value * times
    if most_mb <= has_mb:
        return ""
    up_to = f"up to {most_mb / 1e3:.3g}" if times > 1 else f"{most_mb / 1e3:.3g}"
    return f"needs {up_to} GB of memory, {price.name} has {has_mb / 1e3:.3g} GB"


def _served(row: Row, throughput: Array, instance: Instance, suite: Suite, only_here: str) -> _Served:
    used = cores_used(row.runtime, suite.serving.threads)
    if instance.unknown:
        return _Served(instance, None, instance.unknown)
    here, cores = workers_of(row.runtime), instance.price.vcpus or instance.cores
    there = here
    if instance.calibrations is not None:  # as many workers serve as it has cores
        there, cores = (cores if used == instance.calibrations[0].cores else here), 0
    if lacking := _lacks(row, instance.price, cores, suite.serving.threads, there / here):
        return _Served(instance, None, lacking, lacks=lacking)
    if instance.calibrations is None:
        return _Served(instance, throughput, idle=_idle(used, instance))
    found = _factor(row, instance.calibrations, here, there, suite)
    if found is None:
        why = "not extrapolated: the calibrations share too few networks of its runtime and workers"
        return _Served(instance, None, why)
    limits = _limits(row, suite)
    if limits and row.service is None:
        why = "not extrapolated: a load within a limit needs service times (add serving.scenarios.offline)"
        return _Served(instance, None, why)
    bursts = suite.decision.traffic.burstiness
    draws = found.draws(len(throughput), row.candidate)
    ratio = carried(found, draws, limits, bursts, row.service, there)
    note = f"by a measured factor of throughput, {found.words}"
    if there != here:
        note += f", with {there} workers"
    if only_here:
        note += f"; not chosen: {only_here} decides and was not measured there"
    return _Served(instance, throughput * ratio, note, _idle(there, instance), not only_here)


def _factor(
    row: Row, both: tuple[Calibration, Calibration], here: int, there: int, suite: Suite
) -> Factor | None:
    """The factor of a deployment; calibrated are workers of one thread that are called in their process."""
    if is_over_http(row.runtime):
        return None
    runtime, threads = split_runtime(one_worker(row.runtime))
    if (threads or suite.serving.threads) != 1:
        return None
    return factor(*both, runtime, here, there)


def _limits(row: Row, suite: Suite) -> tuple[Constraint, ...]:
    """The limits on latency that the row's load keeps: the server's too where it was measured under one."""
    cell, server = row.estimates.get(CAPACITY), suite.serving.scenarios.server
    known, upper = metrics_of(suite), (c for c in limits_of(suite) if c.is_upper)
    asked = tuple(c for c in upper if c.metric in known and known[c.metric].is_latency)
    if cell is not None and cell.value is not None and server is not None:
        return (*merge_constraints((), (f"latency_p99_ms <= {server.latency_p99_ms}",)), *asked)
    return asked


def _idle(used: int, instance: Instance) -> str:
    if used >= instance.paid_cores or instance.price.gpu:
        return ""
    return f"{used} of {instance.paid_cores} cores {'serves' if used == 1 else 'serve'}"


def _mean_bill(served: _Served, suite: Suite) -> float:
    assert served.carries is not None
    count = cost.machines(served.carries, suite.decision.traffic)
    # Where no load keeps the limit no number of machines does.
    return float(np.where(np.isnan(count), 1e9, count).mean()) * served.instance.price.usd_per_hour


def _offer(served: _Served, suite: Suite, row: Row) -> InstanceCost:
    name = served.instance.name
    carries = None if served.carries is None else _middle(served.carries)
    if not carries:
        cells = [row.estimates.get(metric) for metric in SPEEDS]
        measured = any(cell is not None and cell.value is not None for cell in cells)
        nothing = "no load keeps the limit" if measured else row.stopped or "not measured"
        return InstanceCost(name, note=served.note or nothing)
    count = float(cost.machines(carries, suite.decision.traffic))
    month = count * served.instance.price.usd_per_hour * cost.HOURS_PER_MONTH
    return InstanceCost(name, carries, count, month, "; ".join(x for x in (served.note, served.idle) if x))


def _middle(carries: Array) -> float:
    return float(nearest_quantiles(np.nan_to_num(carries), [0.5])[0])
