"""The monthly bill, by hand: what a finance reader can check with a pocket calculator."""

from __future__ import annotations

import time

import numpy as np
import pytest

from harness.analysis.bill import bill
from harness.analysis.cost import TrainCost, machines, replicas
from harness.analysis.criteria import goal_of
from harness.analysis.money import with_costs
from harness.analysis.sensitivity import Question
from harness.results import Estimate, Row, Tradeoff
from harness.suite.schema import Machine, Suite, Traffic
from tests.analysis_world import make_suite

PRICE = 0.10
"""USD per machine and hour; a month has 730 hours, so a machine costs 73.00 USD a month."""

COSTS = {
    "months": 12.0,
    "trainings": 4.0,  # trained again every quarter
    "storage_usd_per_gb_month": 0.02,
    "items": {"encoder": {"once_usd": 2400.0, "monthly_usd": 50.0, "what": "labels; on call"}},
}


def asked() -> Suite:
    """At most 900 requests per second; machines are used to 90 % of what they carry; one is spare."""
    traffic = {"qps": 300.0, "peak_qps": 900.0, "headroom": 0.9, "spare": 1}
    suite = make_suite(["tree", "encoder"], traffic=traffic, costs=COSTS)
    return suite.model_copy(update={"machine": Machine(usd_per_hour=PRICE)})


# Variant: requests/s that one machine carries, seconds of training one model with its search, size in MB.
VARIANTS = {
    "tree/onnx@1x1": (500.0, 360.0, 5.0),
    "encoder/onnx@1x1": (60.0, 36_000.0, 500.0),
    "encoder/onnx@1x2": (110.0, 36_000.0, 500.0),  # two workers on the same machine
}

BY_HAND = {
    # 900 / (500 · 0.9) = 2 machines and one spare. Training: 4 · 0.1 h · 0.10 USD / 12.
    # Storage: 0.005 GB · 0.02.
    "tree/onnx@1x1": {
        "machines": 146.00, "spare": 73.00, "training": 0.00333, "storage": 0.0001, "once": 0, "monthly": 0
    },
    # 900 / (60 · 0.9) = 16.7 → 17 machines. Training: 4 · 10 h · 0.10 USD / 12. Storage: 0.5 GB · 0.02.
    "encoder/onnx@1x1": {
        "machines": 1241.00, "spare": 73.00, "training": 0.33333, "storage": 0.01, "once": 200, "monthly": 50
    },
    # 900 / (110 · 0.9) = 9.1 → 10 machines: the second worker saves seven machines, 511 USD a month.
    "encoder/onnx@1x2": {
        "machines": 730.00, "spare": 73.00, "training": 0.33333, "storage": 0.01, "once": 200, "monthly": 50
    },
}  # fmt: skip

TOTAL = {"tree/onnx@1x1": 219.00, "encoder/onnx@1x1": 1564.34, "encoder/onnx@1x2": 1053.34}


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_monthly_bill_is_the_sum_that_one_does_by_hand(variant: str) -> None:
    carries, trained, size = VARIANTS[variant]
    found = bill(carries, asked(), PRICE, variant.partition("/")[0], trained, size)
    for part, usd in BY_HAND[variant].items():
        assert found.parts[part] == pytest.approx(usd, abs=0.005), part
    assert found.total == pytest.approx(TOTAL[variant], abs=0.01)


def test_the_table_shows_the_same_bills_per_month_and_per_million() -> None:
    rows = tuple(
        Row(name, *name.split("/"), estimates={"model_size_mb": Estimate(size)})
        for name, (_, _, size) in VARIANTS.items()
    )
    carried = np.array([[carries for carries, _, _ in VARIANTS.values()]])
    table = Tradeoff(rows, ("throughput_at_slo_qps",), {"throughput_at_slo_qps": carried})
    seconds = {"tree": TrainCost(90.0, 360.0, 900.0), "encoder": TrainCost(3600.0, 36_000.0, 50_000.0)}
    priced = with_costs(table, asked(), seconds)
    for row in priced.rows:
        month, million = (row.estimates[f"cost_per_{of}_usd"].value for of in ("month", "million"))
        assert month == pytest.approx(TOTAL[row.variant], abs=0.01)
        # 300 requests/s for 730 hours are 788.4 million.
        assert million == pytest.approx(TOTAL[row.variant] / 788.4, abs=1e-4)


def test_without_other_costs_the_bill_is_that_of_the_machines() -> None:
    suite = make_suite(["tree"], traffic={"qps": 300.0, "peak_qps": 900.0})
    assert bill(500.0, suite, PRICE, "tree", 360.0, 5.0).total == pytest.approx(2 * 73.0)


def services(items: dict[str, dict[str, float]]) -> tuple[Tradeoff, Suite]:
    """Two services elsewhere beside a tree on machines of one's own, at 300 requests per second."""
    names = ["tree/onnx", "theirs/endpoint", "rented/endpoint"]
    rows = tuple(
        Row(name, *name.split("/"), estimates={"throughput_at_slo_qps": Estimate(carries)})
        for name, carries in zip(names, (500.0, 9.0, 2000.0), strict=True)
    )
    suite = make_suite(
        ["tree", "theirs", "rented"],
        traffic={"qps": 300.0, "peak_qps": 900.0},
        costs={"trainings": 0.0, "items": items},
    )
    suite = suite.model_copy(update={"machine": Machine(usd_per_hour=PRICE)})
    draws = {"throughput_at_slo_qps": np.array([[500.0, 9.0, 2000.0]])}
    return with_costs(Tradeoff(rows, ("throughput_at_slo_qps",), draws), suite, {}), suite


def test_a_service_costs_what_its_owner_asks_and_no_machine() -> None:
    table, suite = services({"theirs": {"usd_per_request": 2e-6}, "rented": {"monthly_usd": 600.0}})
    month = [row.estimates["cost_per_month_usd"] for row in table.rows]
    # 900 / 500 → 2 machines. 300 requests/s for 730 hours are 788.4 million, at 2 USD a million.
    assert [cell.value for cell in month] == pytest.approx([146.00, 1576.80, 600.00], abs=0.01)
    assert [cell.machines for cell in month] == [2, 0, 0]
    assert month[1].note == (
        "the owner's price: 2 USD a million requests; measured to carry 9 of 900 requests per second"
    )
    assert month[2].note == "the owner's price: 600 USD a month"
    million = [row.estimates["cost_per_million_usd"].value for row in table.rows]
    assert million == pytest.approx([146.00 / 788.4, 2.00, 600.00 / 788.4])
    # Twice the traffic on machines at half the price: four of them; the owner asks for each request.
    question = Question(table, suite, (), goal_of(suite)).with_prices(qps_factor=2.0, price_factor=0.5)
    assert question.table.draws["cost_per_month_usd"][0] == pytest.approx([146.00, 3153.60, 600.00], abs=0.01)


def test_a_service_without_a_price_has_no_cost_and_its_cell_says_where_to_put_it() -> None:
    table, _ = services({"theirs": {"once_usd": 100.0}})
    for row in table.rows[1:]:
        cell = row.estimates["cost_per_month_usd"]
        assert cell.value is None and cell.note.endswith("its owner asks: say it in decision.costs.items")


DAY = tuple(80.0 + 900.0 * np.exp(-(((hour - 14) / 4.5) ** 2)) for hour in range(24))


def minute_by_minute(traffic: Traffic, carries: float) -> float:
    """Mean number of machines of a day in which each is started so long before it serves.

    Written apart from the formula: one machine after the other, with its own switch, over minutes.
    """
    assert traffic.curve is not None and traffic.autoscale is not None
    minutes = len(traffic.curve) * 60
    lead, paid = round(traffic.autoscale / 60), 0
    most = max(traffic.curve) / (carries * traffic.headroom)
    for number in range(int(most) + 1):  # the number-th machine serves while more than number others are full
        serves = [
            number == 0 or traffic.curve[m // 60] > number * carries * traffic.headroom
            for m in range(minutes)
        ]
        paid += sum(any(serves[(m + k) % minutes] for k in range(lead + 1)) for m in range(minutes))
    return paid / minutes + traffic.spare


@pytest.mark.parametrize(("startup_s", "carries"), [(120.0, 55.0), (900.0, 130.0), (5400.0, 90.0)])
def test_machines_that_come_and_go_are_paid_as_a_simulated_day_says(startup_s: float, carries: float) -> None:
    traffic = Traffic(curve=DAY, autoscale=startup_s, headroom=0.8, spare=1)
    assert float(machines(carries, traffic)) == pytest.approx(minute_by_minute(traffic, carries), rel=0.02)
    always = float(replicas(carries, traffic))
    assert float(machines(carries, traffic.model_copy(update={"autoscale": None}))) == always
    assert float(machines(carries, traffic)) < always


def test_a_years_hours_are_paid_as_they_are_one_after_the_other() -> None:
    """Of 52 weeks, 300 draws and a start-up of 2.5 hours; some draws need hundreds of machines."""
    random = np.random.default_rng(3)
    hours = np.resize(DAY, 52 * 168) * random.uniform(0.5, 1.5, 52 * 168)
    carries = np.concatenate([random.lognormal(4.6, 0.3, 297), [2.0, np.nan, np.inf]])
    traffic = Traffic(curve=tuple(hours), autoscale=2.5 * 3600, headroom=0.8, spare=2)
    found = machines(carries, traffic)
    for carried, mean in zip(carries, found, strict=True):
        need = np.maximum(np.ceil(hours / (carried * 0.8)), 1)
        within = [np.maximum.reduce([np.roll(need, -k) for k in range(ahead + 1)]) for ahead in (2, 3)]
        assert mean == pytest.approx(np.mean(within) + 2, nan_ok=True)


def test_a_years_hours_of_very_many_machines_are_paid_within_a_thousandth_and_in_a_moment() -> None:
    random = np.random.default_rng(4)
    hours = np.resize(DAY, 52 * 168) * random.uniform(0.5, 1.5, 52 * 168)
    carries = random.lognormal(-0.5, 0.3, 4000)  # some 400 machines at the peak
    traffic = Traffic(curve=tuple(hours), autoscale=3600)
    began = time.process_time()
    found = machines(carries, traffic)
    assert time.process_time() - began < 2
    for k in range(0, 4000, 500):
        need = np.maximum(np.ceil(hours / carries[k]), 1)
        assert found[k] == pytest.approx(np.maximum(need, np.roll(need, -1)).mean(), rel=1e-3)


def test_machines_are_those_of_an_hours_busiest_minute_and_requests_those_of_its_mean() -> None:
    """Ten hours of ten machines and 14 of one, 20 requests per second or so in the mean: by hand."""
    curve, peaks = (40.0,) * 10 + (5.0,) * 14, (100.0,) * 10 + (5.0,) * 14
    always = Traffic(curve=curve, peaks=peaks)
    assert (always.peak, always.mean) == (100.0, pytest.approx(470 / 24))
    assert float(machines(10.0, always)) == 10
    by_hour = always.model_copy(update={"autoscale": 1e-9})
    assert float(machines(10.0, by_hour)) == pytest.approx((10 * 10 + 14) / 24)
    assert always.scaled(2.0).hours == (200.0,) * 10 + (10.0,) * 14


def test_a_flat_day_costs_the_same_with_and_without_autoscaling() -> None:
    traffic = Traffic(curve=(200.0,) * 24, autoscale=300.0)
    assert float(machines(60.0, traffic)) == float(replicas(60.0, traffic)) == 4


def test_the_curves_mean_is_what_a_million_is_divided_by() -> None:
    traffic = Traffic(curve=DAY)
    assert traffic.mean == pytest.approx(sum(DAY) / 24)
    assert traffic.peak == max(DAY)
    assert traffic.scaled(2.0).mean == pytest.approx(2 * traffic.mean)
