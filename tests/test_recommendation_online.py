"""A/B tests cover the truth, find nothing where there is nothing, and refuse a broken split."""

from __future__ import annotations

import numpy as np
import pytest

from harness.datasets.shop.outcomes import Funnel, examination
from harness.tasks.recommendation import off_policy, online


def _population(rng: np.random.Generator, users: int = 400) -> online.Population:
    user = np.repeat(np.arange(users), rng.integers(1, 6, users))
    return online.Population(user, rng.poisson(3, users)[user].astype(float))


def _funnel(population: online.Population, rng: np.random.Generator, better: float = 1.0) -> Funnel:
    """Sessions of unlike users, who click in proportion to their past."""
    n = len(population.user)
    like = 0.02 + 0.02 * population.past[:, None] * rng.uniform(0.5, 1.5, (n, 10))
    click = (like * examination(10) * better).astype(np.float32)
    price = rng.lognormal(3, 0.5, (n, 10)).astype(np.float32)
    return Funnel(click, click * 0.5, click * 0.3, price, price * 0.3)


def _repeat(treatment_better: float, repetitions: int = 200) -> list[online.Experiment]:
    rng = np.random.default_rng(7)
    population = _population(rng)
    control = _funnel(population, np.random.default_rng(1))
    treatment = _funnel(
        population, np.random.default_rng(1 if treatment_better == 1 else 2), treatment_better
    )
    return [
        online.run_test(population, control, treatment, 1200, rng, salt=str(i)) for i in range(repetitions)
    ]


def test_intervals_cover_the_closed_form_lift_in_92_to_98_percent_of_200_tests() -> None:
    """At a true coverage of 95 %, 200 repetitions leave 92…98 % with probability .04, per metric."""
    tests = [t for t in _repeat(1.05) if t.lifts]
    assert len(tests) >= 198  # one in a thousand is stopped by the sample-ratio check
    for k, name in enumerate(online.METRICS):
        covered = np.mean([t.lifts[k].low <= (t.lifts[k].truth or 0) <= t.lifts[k].high for t in tests])
        assert 0.92 <= covered <= 0.98, (name, covered)


def test_an_a_a_test_is_significant_in_about_five_percent() -> None:
    tests = [t for t in _repeat(1.0, 600) if t.lifts]
    for k, name in enumerate(online.METRICS):
        share = np.mean([t.lifts[k].verdict != "inconclusive" for t in tests])
        assert 0.03 <= share <= 0.07, (name, share)
        assert tests[0].lifts[k].truth == 0


def test_a_broken_assignment_is_caught_and_not_analysed() -> None:
    rng = np.random.default_rng(3)
    population = _population(rng)
    flow = _funnel(population, rng)
    broken = [online.run_test(population, flow, flow, 20_000, rng, lost_treated=0.1) for _ in range(20)]
    assert all("sample ratio mismatch" in t.problem and not t.lifts for t in broken)


def test_a_large_difference_is_found_and_a_tiny_one_is_inconclusive() -> None:
    assert {lift.verdict for lift in _repeat(2.0, 1)[0].lifts} == {"better"}
    assert _repeat(1.001, 1)[0].lifts[2].verdict == "inconclusive"


def test_the_past_sharpens_the_interval() -> None:
    rng = np.random.default_rng(5)
    population = _population(rng)
    blind = online.Population(population.user, np.zeros_like(population.past))
    flow = _funnel(population, rng)
    widths = []
    for known in (population, blind):
        lift = online.run_test(known, flow, flow, 5000, np.random.default_rng(9)).lifts[0]
        widths.append(lift.high - lift.low)
    assert widths[0] < 0.97 * widths[1]


def test_a_user_always_gets_the_same_arm_and_another_salt_mixes_anew() -> None:
    users = np.arange(10_000)
    arm = online.assign(users, "a")
    np.testing.assert_array_equal(arm, online.assign(users, "a"))
    assert 0.48 < arm.mean() < 0.52
    assert 0.47 < (arm == online.assign(users, "b")).mean() < 0.53


def test_required_sessions_give_the_power_they_promise() -> None:
    rng = np.random.default_rng(11)
    population = online.Population(np.arange(3000), np.zeros(3000))
    control = _funnel(population, np.random.default_rng(1))
    treatment = Funnel(**{**vars(control), "click": control.click * 1.1, "order": control.order * 1.1})
    n = online.required_sessions(control, 0.1, "ctr")
    tests = [online.run_test(population, control, treatment, 2 * n, rng, salt=str(i)) for i in range(30)]
    found = np.mean([t.lifts[0].verdict == "better" for t in tests if t.lifts])
    assert 0.58 < found < 0.98  # .8 ± 3 standard errors of 30 tests
    assert online.required_sessions(control, 0.05, "ctr") == pytest.approx(4 * n, rel=0.01)
    assert online.required_sessions(control, 0.1, "revenue_per_session_usd") > n


def test_nothing_sold_is_inconclusive_and_not_a_division_by_zero() -> None:
    zero = Funnel(*(np.zeros((50, 10)) for _ in range(5)))
    population = online.Population(np.arange(50), np.zeros(50))
    experiment = online.run_test(population, zero, zero, 100, np.random.default_rng(0))
    assert {lift.verdict for lift in experiment.lifts} == {"inconclusive"}


def test_off_policy_estimates_find_the_truth_of_a_policy_that_never_ran() -> None:
    """60 items, pages of 5 drawn item by item with known odds: within 4 standard errors."""
    rng = np.random.default_rng(0)
    n, items, k = 30_000, 60, 5
    rates = rng.uniform(0.02, 0.3, items)
    on_page = rng.random((n, items)).argsort(1)[:, :k]  # uniform pages: every item with probability k / items
    e = examination(k)
    clicked = rng.random((n, k)) < rates[on_page] * e
    slates = np.tile(np.argsort(-rates)[:k], (n, 1))
    truth = float((rates[slates[0]] * e).mean())
    model = np.full(items, rates.mean())
    found = off_policy.estimate_ctr(
        slates, on_page, clicked, np.full((n, k), k / items), e, model[slates], model[on_page]
    )
    for name, estimate in found.items():
        assert estimate.value == pytest.approx(truth, abs=2 * (estimate.high - estimate.low)), name
        assert estimate.low < estimate.high
    robust, ips = found["doubly_robust"], found["ips"]
    assert robust.high - robust.low < ips.high - ips.low
    assert 0 < ips.effective <= n * k


def test_rank_agreement_has_an_interval_and_needs_four_systems() -> None:
    rng = np.random.default_rng(0)
    value, low, high = online.agreement(np.arange(8.0), np.arange(8.0) ** 2, rng)
    assert [value, low, high] == pytest.approx([1.0] * 3)
    assert np.isnan(online.agreement(np.arange(3.0), np.arange(3.0), rng)[0])
