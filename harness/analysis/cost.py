"""What a variant costs: the price of a machine, replicas, serving and training money.

Money is derived from stored measurements and a price, never stored as a measurement: a new price
decides again without running anything again.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from harness.costs import Price, find_price
from harness.record import Record
from harness.suite.schema import Machine, Traffic

HOURS_PER_MONTH = 730.0
SECONDS_PER_MONTH = HOURS_PER_MONTH * 3600.0
FEW = 200
"""Machines that are counted one by one rather than hour by hour."""
MOST_COUNTED, GRID = 2_000_000, 500


def price_of(machine: Machine, prices: Iterable[Price] | None = None) -> Price | None:
    """The price of the suite's machine; its own `usd_per_hour` goes before the catalogue's.

    Returns:
        None where the suite names no price.
    Raises:
        SuiteError: the named row is not in the catalogue.
    """
    row = find_price(machine.price, prices) if machine.price else None
    if machine.usd_per_hour is None:
        if row is None or not machine.discount:
            return row
        usd, term = row.usd_per_hour * (1 - machine.discount), f"{row.term} less {100 * machine.discount:g} %"
        return replace(row, usd_per_hour=usd, term=term)
    if row is None:
        return Price("own", "", "", machine.usd_per_hour, term="own", source="the suite")
    return replace(row, usd_per_hour=machine.usd_per_hour, as_of=None, source="the suite")


def to_cents(usd: float) -> float:
    """Halves up, as bills are: two machines at 65.1525 must not cost 130.30 here and 130.31 there."""
    return math.copysign(math.floor(round(abs(usd) * 100, 6) + 0.5) / 100, usd)


def replicas(throughput: np.ndarray | float, traffic: Traffic) -> np.ndarray:
    """How many machines the peak needs: ceil(peak / (throughput · headroom)) + spare.

    Args:
        throughput: requests per second that one machine serves within the limit; any shape. A
            throughput measured under a latency limit contains its headroom already: leave
            `traffic.headroom` at 1 then.
    """
    return needed(traffic.peak, throughput, traffic) + traffic.spare


def needed(qps: float, throughput: np.ndarray | float, traffic: Traffic) -> np.ndarray:
    """Machines that a load needs, without spare ones; one at least."""
    need = qps / (np.asarray(throughput, dtype=float) * traffic.headroom)
    # 600 / 200.00000001 must not ask for a fourth machine: rounding before the ceiling.
    return np.maximum(np.ceil(np.round(need, 9)), 1.0)


def machines(throughput: np.ndarray | float, traffic: Traffic) -> np.ndarray:
    """How many machines are paid for in the mean over the hours of a month, spare ones included.

    Under autoscaling a machine is paid from its start, `traffic.autoscale` seconds before the hour that needs
    it, and through the last hour that does; the hours repeat, so that the last comes before the first.
    """
    if not traffic.curve or traffic.autoscale is None:
        return replicas(throughput, traffic)
    whole, part = divmod(traffic.autoscale / 3600.0, 1.0)
    # At any time as many run as are needed at some time until a machine that starts now would serve.
    now, soon = (_highest(np.array(traffic.hours), int(whole) + more) for more in (0, 1))
    paid = (1 - part) * _mean_needed(now, throughput, traffic)
    if part:
        paid = paid + part * _mean_needed(soon, throughput, traffic)
    return np.asarray(paid + traffic.spare)


def _highest(loads: np.ndarray, ahead: int) -> np.ndarray:
    """(hours,) the highest load of an hour and the next so many; the hours repeat."""
    return np.asarray(np.maximum.reduce([np.roll(loads, -k) for k in range(min(ahead, len(loads)) + 1)]))


def _mean_needed(loads: np.ndarray, throughput: np.ndarray | float, traffic: Traffic) -> np.ndarray:
    """`needed` in the mean over loads, counted machine by machine: of a year's 8,736 hours, each of 4,000
    draws and 20 variants, the needs one by one fill 5 GB."""
    each = np.asarray(throughput, dtype=float)
    most = np.asarray(needed(float(loads.max()), each, traffic))
    result = np.full(each.shape, np.nan)
    few = most <= FEW
    carries, loads = each[few] * traffic.headroom, np.sort(loads)
    counted = np.ones(carries.shape)
    for k in range(1, int(most[few].max(initial=1.0))):
        # One more than k run in hours whose load is above what k carry, to the ninth digit as in `needed`.
        counted += 1 - np.searchsorted(loads, (k + 5e-10) * carries, side="right") / len(loads)
    result[few] = counted
    many = most > FEW
    if many.any():
        result[many] = _by_hour(each[many], loads, traffic)
    return result


def _by_hour(throughput: np.ndarray, loads: np.ndarray, traffic: Traffic) -> np.ndarray:
    """The same hour by hour; of many loads and draws between `GRID` throughputs, which so many machines pass
    from one to the next in steps that no hour shows."""
    asked = throughput
    if throughput.size * len(loads) > MOST_COUNTED:
        asked = np.geomspace(throughput.min(), throughput.max(), GRID)
    found = np.asarray(sum(needed(float(load), asked, traffic) for load in loads) / len(loads))
    if asked is throughput:
        return found
    return np.asarray(np.exp(np.interp(np.log(throughput), np.log(asked), np.log(found))))


def cost_per_month(throughput: np.ndarray | float, traffic: Traffic, usd_per_hour: float) -> np.ndarray:
    """USD per month of 730 hours for all machines."""
    return machines(throughput, traffic) * usd_per_hour * HOURS_PER_MONTH


def cost_per_million(throughput: np.ndarray | float, traffic: Traffic, usd_per_hour: float) -> np.ndarray:
    """USD per million requests at the suite's mean traffic."""
    return per_million(cost_per_month(throughput, traffic, usd_per_hour), traffic)


def per_million(cost_per_month_usd: np.ndarray, traffic: Traffic) -> np.ndarray:
    """A month's bill over the month's requests, in USD per million."""
    return 1e6 * cost_per_month_usd / (traffic.mean * SECONDS_PER_MONTH)


def cost_per_million_floor(throughput: np.ndarray | float, usd_per_hour: np.ndarray | float) -> np.ndarray:
    """USD per million requests were every replica busy all the time: what no traffic can go below."""
    return np.asarray(1e6 * usd_per_hour / (3600.0 * np.asarray(throughput, dtype=float)))


@dataclass(frozen=True)
class TrainCost:
    """What training a candidate costs.

    Args:
        final_recipe: one training with the final settings.
        to_ship: what it takes to have one model: that, the search for its settings, and what failed.
        in_all: every training of the run, those of other seeds, folds and training-set sizes too, which
            measure and ship nothing.
    """

    final_recipe: float
    to_ship: float
    in_all: float


def train_cost_usd(
    records: Iterable[Record], candidate: str, train_size: int | None, usd_per_hour: float
) -> TrainCost | None:
    """What training a candidate cost: the final recipe is the mean of the trainings at `train_size`.

    Returns:
        None when no training of that size finished. Of failed ones each that finished bears its share.
    """
    final: list[float] = []
    total = search = failed = 0.0
    for record in records:
        if record.trial.kind != "train" or record.trial.candidate != candidate:
            continue
        measured = record.value("train_seconds")
        seconds = record.seconds if measured is None else measured
        total += seconds
        if record.trial.tuning is not None:
            search += seconds
        elif record.trial.train_size == train_size:
            if record.status == "finished":
                final.append(seconds)
            else:
                failed += seconds
    if not final:
        return None
    once, hourly = sum(final) / len(final), usd_per_hour / 3600
    return TrainCost(hourly * once, hourly * (once + search + failed / len(final)), hourly * total)


def amortisation_requests(
    train_cost_a: float, train_cost_b: float, cost_per_million_a: float, cost_per_million_b: float
) -> float | None:
    """After how many requests A's dearer training is paid back by its cheaper serving.

    Returns:
        None when it never is (A is not cheaper to serve), 0 when A is not dearer to train.
    """
    if train_cost_a <= train_cost_b:
        return 0.0 if cost_per_million_a <= cost_per_million_b else None
    saved = (cost_per_million_b - cost_per_million_a) / 1e6
    return (train_cost_a - train_cost_b) / saved if saved > 0 else None
