"""The mock shop: deterministic, its propensities right, its truth in closed form and hidden."""

from __future__ import annotations

import numpy as np
import pytest

from harness.datasets import mock_shop
from harness.datasets.shop.log import policy_after, run_shop
from harness.datasets.shop.outcomes import Contexts, Funnel, examination, funnel, ideal_slates
from harness.datasets.shop.policy import PAGE, DayPolicy
from harness.datasets.shop.truth import LIFETIME_DAYS, Shop, Truth, build_truth, tables
from harness.record import DataError
from harness.tasks.recommendation.audit import audit_log

SMALL = Shop(items=600, users=200, impressions=20_000, days=14, departments=4, categories=12)


@pytest.fixture(scope="module")
def truth() -> Truth:
    return build_truth(SMALL)


def test_the_same_seed_gives_the_same_log_and_another_seed_another(truth: Truth) -> None:
    log, again = run_shop(truth)[0], run_shop(build_truth(SMALL))[0]
    for name, column in vars(log).items():
        np.testing.assert_array_equal(column, getattr(again, name), err_msg=name)
    other = run_shop(build_truth(Shop(**{**vars(SMALL), "seed": 1})))[0]
    assert (log.item != other.item).mean() > 0.5


def test_the_log_is_in_order_of_time_and_made_of_whole_pages_of_distinct_items(truth: Truth) -> None:
    log, sessions = run_shop(truth)
    assert len(log) == SMALL.impressions
    assert (np.diff(log.time) >= 0).all()
    pages = log.item.reshape(-1, PAGE)
    assert (np.diff(np.sort(pages, axis=1), axis=1) > 0).all()
    np.testing.assert_array_equal(log.position.reshape(-1, PAGE), np.tile(np.arange(PAGE), (len(pages), 1)))
    np.testing.assert_array_equal(log.user, sessions.user[log.session])
    assert log.bought[~log.clicked].sum() == 0 and log.carted[~log.clicked].sum() == 0


def test_nothing_is_shown_before_its_launch_or_after_it_retires_and_no_user_comes_early(truth: Truth) -> None:
    log, _ = run_shop(truth)
    day = np.floor(log.time)
    assert (truth.launch[log.item] < day + 1).all() and (truth.retire[log.item] > day).all()
    assert (truth.first_day[log.user] <= day).all()


def test_one_percent_of_the_items_launch_each_day() -> None:
    truth = build_truth(Shop(items=50_000, users=10, impressions=1000))
    on_sale = ((truth.launch <= 10) & (truth.retire > 10)).sum()
    launched = ((truth.launch > 10) & (truth.launch <= 11)).sum()
    assert launched / on_sale == pytest.approx(1 / LIFETIME_DAYS, rel=0.2)


def test_the_truth_is_not_in_the_tables(truth: Truth) -> None:
    catalogue, users = tables(truth)
    for name in ("vectors", "appeal", "quality", "centres", "log_budget"):
        assert not hasattr(catalogue, name) and not hasattr(users, name)
    seen = ~np.isnan(catalogue.rating)
    assert 0.5 < np.corrcoef(catalogue.rating[seen], truth.quality[seen])[0, 1] < 0.95


def test_inverse_propensities_estimate_any_sum_over_items_without_bias(truth: Truth) -> None:
    """Σ f(i) over all items on sale, estimated from pages drawn by the policy: 4 standard errors."""
    policy = policy_after(truth, run_shop(truth)[0], 10)
    users, last = np.full(20_000, 3), np.full(20_000, 5)
    slates, propensity = policy.pages(users, last, np.random.default_rng(0))
    value = np.cos(np.arange(SMALL.items)) + 1.0
    shares = policy.category_probabilities(users[:1], last[:1])
    likely = (
        policy.probability(shares, np.zeros(1, int), np.arange(SMALL.items)) > 1e-3
    )  # rare ones: huge variance
    value = value * likely * (policy.weight > 0)
    estimates = (value[slates] / propensity).sum(1)
    assert estimates.mean() == pytest.approx(value.sum(), abs=4 * estimates.std() / len(estimates) ** 0.5)


def test_a_page_of_a_tiny_peaked_catalogue_is_still_whole() -> None:
    truth = build_truth(Shop(items=100, users=10, impressions=1000, departments=1, categories=2))
    weight = np.where(np.arange(100) < 3, 1e6, 1.0)
    slates, propensity = DayPolicy(truth, 0, weight).pages(
        np.zeros(50, int), np.full(50, -1), np.random.default_rng(0)
    )
    assert (np.diff(np.sort(slates, axis=1), axis=1) > 0).all()
    assert (propensity > 0).all() and (propensity <= 1).all()


def test_expected_outcomes_are_what_draws_average_to(truth: Truth) -> None:
    contexts = Contexts(np.arange(100), np.full(100, 12), np.arange(100) % 12)
    flow = funnel(truth, contexts, ideal_slates(truth, contexts, 10, by="revenue"))
    expected = {name: float(values.mean()) for name, values in flow.expected().items()}
    rng = np.random.default_rng(1)
    drawn = [{name: values.mean() for name, values in flow.draw(rng).items()} for _ in range(1500)]
    for name, value in expected.items():
        sample = np.array([d[name] for d in drawn], np.float64)
        assert value == pytest.approx(sample.mean(), abs=4 * float(sample.std()) / len(sample) ** 0.5), name


def test_a_later_slot_gets_the_share_of_clicks_that_examination_says(truth: Truth) -> None:
    contexts = Contexts(np.array([1]), np.array([3]), np.array([2]))
    on_sale = np.flatnonzero((truth.launch < 3) & (truth.retire > 4))[:10]
    flow = funnel(truth, contexts, np.roll(on_sale, 1)[None])
    moved = funnel(truth, contexts, on_sale[None])
    np.testing.assert_allclose(
        flow.click[0, 1:], moved.click[0, :-1] * (examination(10)[1:] / examination(10)[:-1]), rtol=1e-5
    )


def test_empty_slots_and_retired_items_earn_nothing(truth: Truth) -> None:
    gone = int(np.argmin(truth.retire))
    flow = funnel(truth, Contexts(np.array([0]), np.array([13]), np.array([0])), np.array([[-1, gone]]))
    assert flow.click.sum() == 0 and flow.order.sum() == 0


@pytest.fixture(scope="module")
def pages(truth: Truth) -> tuple[Contexts, dict[str, np.ndarray]]:
    """Visits, and the pages of two policies: by clicks alone, and tilted to what is dear."""
    rng = np.random.default_rng(0)
    contexts = Contexts(rng.integers(0, 200, 80), np.full(80, 5), rng.integers(0, 12, 80))
    everything = np.tile(np.arange(600), (80, 1))
    flow = funnel(truth, contexts, everything)
    clicks = flow.click / examination(600)
    worth = clicks * np.maximum(flow.price, 1) ** 1.5 * (flow.margin > 0)
    return contexts, {
        name: np.argsort(-by, axis=1)[:, :PAGE] for name, by in (("clicks", clicks), ("dear", worth))
    }


def _lives(
    truth: Truth, contexts: Contexts, pages: np.ndarray, strength: float, customers: int
) -> np.ndarray:
    """(n,) margin per visit of a content customer, by living through the customers' visits one by one.

    Written with loops and coins, and nothing of the shop's own funnel but the forgiving one.
    """
    rng = np.random.default_rng(1)
    flow = funnel(truth, contexts, pages, 0.0)
    look = np.array([k**-0.8 for k in range(1, PAGE + 1)])
    earned = np.zeros(len(contexts))
    for n, (user, day) in enumerate(zip(contexts.user, contexts.day, strict=True)):
        paid = np.exp(truth.log_price[pages[n]]) * (1 - truth.discount(pages[n], np.array(day)))
        over = np.maximum(np.log(paid) - truth.log_budget[user], 0) * truth.price_sensitivity[user]
        on_sale = (truth.launch[pages[n]] < day + 1) & (truth.retire[pages[n]] > day)
        dearness = float((over * on_sale * look).sum() / look.sum())
        here = np.arange(customers)
        while len(here):
            stays = here[rng.random(len(here)) < np.exp(-strength * dearness)]
            orders = rng.random((len(stays), PAGE)) < flow.order[n]
            complains = orders & (rng.random(orders.shape) < 1 - np.exp(-strength * over))
            earned[n] += (orders * flow.margin[n]).sum() - 6.0 * complains.sum()
            here = here[rng.random(len(here)) < 0.8 * np.exp(-strength * dearness)]
    return earned / (customers * 5)  # a content customer makes five visits


@pytest.mark.parametrize("strength", [0.0, 1.0])
def test_what_customers_who_punish_are_worth_is_what_living_through_their_visits_gives(
    strength: float, truth: Truth, pages: tuple[Contexts, dict[str, np.ndarray]]
) -> None:
    contexts, slates = pages
    for name, shown in slates.items():
        expected = funnel(truth, contexts, shown, strength).expected()["margin_per_session_usd"].mean()
        lived = _lives(truth, contexts, shown, strength, 2000).mean()
        assert lived == pytest.approx(expected, rel=0.06), name  # some 10,000 orders: ±1 % by chance


def test_a_policy_that_shows_the_dear_wins_where_customers_forgive_and_loses_where_they_punish(
    truth: Truth, pages: tuple[Contexts, dict[str, np.ndarray]]
) -> None:
    contexts, slates = pages
    margin = {
        (name, strength): float(
            funnel(truth, contexts, shown, strength).expected()["margin_per_session_usd"].mean()
        )
        for name, shown in slates.items()
        for strength in (0.0, 1.0)
    }
    assert margin["dear", 0.0] > 1.1 * margin["clicks", 0.0]
    assert margin["dear", 1.0] < 0.9 * margin["clicks", 1.0]
    assert margin["dear", 1.0] < margin["dear", 0.0] and margin["clicks", 1.0] < margin["clicks", 0.0]


def test_a_shop_that_punishes_has_the_same_items_and_customers_and_fewer_clicks(truth: Truth) -> None:
    forgiving, punishing = (
        mock_shop.load(items=600, users=200, impressions=20_000, days=14, punishing=s) for s in (0.0, 2.0)
    )
    np.testing.assert_array_equal(forgiving.catalogue.price, punishing.catalogue.price)
    assert forgiving.impressions and punishing.impressions
    assert punishing.impressions.clicked.sum() < 0.95 * forgiving.impressions.clicked.sum()


def test_an_order_can_lose_money_only_where_its_margin_says_so() -> None:
    flow = Funnel(*(np.array([[x]]) for x in (1.0, 1.0, 1.0, 8.0, -1.0)))
    assert flow.expected()["margin_per_session_usd"] == [-1.0]


def test_the_log_looks_like_a_shop() -> None:
    figures = audit_log(mock_shop.load(items=2000, users=800, impressions=100_000, seed=4))
    assert 0.01 < figures["ctr"] < 0.06
    assert 0.02 < figures["orders_per_click"] < 0.15
    assert 0.5 < figures["gini_clicks"] < 0.95
    assert 1.5 < figures["pages_per_session"] < 2.5
    assert 0.1 < figures["ctr_last_slot_to_first"] < 0.3


@pytest.mark.parametrize(
    ("wrong", "message"), [({"items": 5}, "items of at least 100"), ({"categories": 3}, "as many")]
)
def test_a_shop_that_cannot_be_says_what_it_needs(wrong: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Shop(**wrong)


def test_a_shop_cut_by_user_is_refused_because_nobody_would_judge_it() -> None:
    with pytest.raises(DataError, match="global_time, or leave it out"):
        mock_shop.load(items=300, users=150, impressions=30_000, days=14, split="leave_one_out")
