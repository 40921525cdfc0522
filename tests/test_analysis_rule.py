"""The rule on draws written by hand, and what shrinking does to them."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from harness.analysis.criteria import goal_of
from harness.analysis.explain import _lead_sentence
from harness.analysis.parts import scatters_by_share
from harness.analysis.rule import Choice, Terms, TieBreaker
from harness.analysis.shrink import Shrinking, shrink_draws
from harness.analysis.winners import best_probability
from harness.analysis.worths import Worths
from tests.report_samples import WORLD, make_suite

DRAWS = 4000
PLAIN = Terms()


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def choose(utility: np.ndarray, kept: list[float] | None = None, terms: Terms = PLAIN) -> Choice:
    """A choice under one limit that the rows keep with these probabilities, independently."""
    held = np.ones_like(utility, dtype=bool)
    if kept is not None:
        held = np.linspace(0, 1, len(utility), endpoint=False)[
            rng().permuted(np.tile(np.arange(len(utility))[:, None], (1, len(kept))), axis=0)
        ] < np.array(kept)
    return Choice(utility, held[None], np.array([np.nan]), terms)


def test_equal_candidates_share_the_probability_of_being_best() -> None:
    utility = np.repeat(rng().normal(size=(100, 1)), 2, axis=1) + np.array([0.0, 1e-17])
    assert best_probability(utility, np.ones((100, 2), bool)).tolist() == [0.5, 0.5]
    assert best_probability(utility, np.zeros((100, 2), bool)).tolist() == [0, 0]


def test_among_those_that_keep_the_limits_surely_enough_the_objective_alone_decides() -> None:
    utility = np.tile([0.80, 0.90, 0.99], (DRAWS, 1))
    found = choose(utility, [1.0, 0.91, 0.89])
    assert found.named == 1 and found.able.tolist() == [True, True, False] and found.open.tolist()[2]
    assert found.best == pytest.approx([0.01, 0.10, 0.89], abs=0.01)
    assert found.regret == 0 and 1 - found.kept[1] == pytest.approx(0.09)


def test_a_limit_that_is_surely_broken_takes_a_row_out_of_the_odds() -> None:
    found = choose(np.tile([0.8, 0.9], (DRAWS, 1)), [1.0, 0.04])
    assert found.best.tolist() == [1.0, 0.0] and not found.open.any()


def test_a_priced_risk_is_weighed_and_a_limit_more_likely_broken_than_kept_is_not_bought_off() -> None:
    utility = np.tile([10.0, 14.0, 100.0], (DRAWS, 1))
    kept = [1.0, 0.6, 0.4]
    assert choose(utility, kept, Terms(broken_limit=9.0)).named == 1  # 14 − .4 · 9 = 10.4
    assert choose(utility, kept, Terms(broken_limit=11.0)).named == 0  # 14 − .4 · 11 = 9.6
    assert choose(utility, kept, Terms(confidence=0.5)).named == 1


def test_nobody_is_named_where_no_limit_is_kept_surely_enough() -> None:
    found = choose(np.tile([0.8, 0.9], (DRAWS, 1)), [0.8, 0.5])
    assert found.named is None and found.tied == () and found.regret == 0


def test_who_is_hardly_ever_the_best_is_in_no_tie_and_microseconds_settle_nothing() -> None:
    random = rng()
    accuracy = np.array([0.85, 0.849, 0.65]) + np.array([0.01, 0.01, 0.06]) * random.normal(size=(DRAWS, 3))
    latency = [1.0004, 1.0008, 1.0]
    figures = (TieBreaker("latency_p50_ms", latency.__getitem__, 0.1),)
    found = Choice(accuracy, np.ones((0, DRAWS, 3), bool), np.zeros(0), figures=figures)
    assert found.tied == (0, 1) and found.named == 0
    latency[1] = 0.5
    found = Choice(accuracy, np.ones((0, DRAWS, 3), bool), np.zeros(0), figures=figures)
    assert found.named == 1 and found.steps[1].by == "latency_p50_ms"


def test_a_model_on_many_runtimes_is_in_a_tie_as_it_is_on_one() -> None:
    """Its answers differ in a row or two from runtime to runtime, so that each has a part of its odds."""
    leader, model = rng().normal(0.90, 0.01, DRAWS), np.random.default_rng(1).normal(0.88, 0.01, DRAWS)
    hardly = np.random.default_rng(2).normal(0, 1e-4, (DRAWS, 6))
    for runtimes in (1, 6):
        utility = np.column_stack([leader, model[:, None] + hardly[:, :runtimes]])
        worths = Worths(utility, partial(np.take, utility, axis=1), ["leader", *["model"] * runtimes])
        found = Choice(worths, np.ones((0, DRAWS, 1 + runtimes), bool), np.zeros(0))
        assert found.tied == tuple(range(1 + runtimes))
        assert found.likely[1] == pytest.approx(0.08, abs=0.025)
    assert found.best[1:].max() < 0.05


def test_who_surely_loses_to_its_own_twin_has_no_part_in_what_the_twin_is_likely_to_be() -> None:
    """The slower runtime costs a dollar more, which is within the tolerance, in every draw."""
    worth = rng().normal(700, 15, DRAWS)
    worths = Worths(np.column_stack([worth, worth - 1]), models=["model", "model"])
    found = Choice(worths, np.ones((0, DRAWS, 2), bool), np.zeros(0), weighs_lightness=True)
    assert found.tied == (0,) and found.likely.tolist() == [1.0, 0.0]
    assert found.tolerance > 1


@pytest.mark.parametrize("others", [1, 40])
@pytest.mark.parametrize("scale", [1.0, 1e-3])
def test_who_surely_loses_to_its_own_twin_is_never_the_best(others: int, scale: float) -> None:
    """The same model on another runtime costs $65 more: far below the leader, so it was not pulled with it,
    and was above it in half of the draws."""
    leader = rng().normal(19_000, 300, DRAWS)
    rivals = np.random.default_rng(1).normal(18_700, 300, (DRAWS, others))
    utility = np.exp(scale * np.column_stack([leader, leader - 65, rivals]) / 19_000) if scale < 1 else (
        np.column_stack([leader, leader - 65, rivals])
    )  # fmt: skip
    models = ["model", "model", *map(str, range(others))]
    found = Choice(
        Worths(utility, models=models, by_share=scale < 1), np.ones((0, DRAWS, 2 + others), bool), np.zeros(0)
    )
    assert found.shrunk[:, 0].mean() < found.utility[:, 0].mean(), "the leader is pulled"
    assert found.best[1] == 0 and found.best[0] > 0.2 / others and found.best.sum() == pytest.approx(1)
    assert found.shrunk[:, 0] - found.shrunk[:, 1] == pytest.approx(utility[:, 0] - utility[:, 1], rel=0.05)


def test_a_wide_interval_lets_nobody_be_named_who_is_the_best_far_less_often_than_the_leader() -> None:
    """Test rows that all share make the interval wide, and the default tolerance; the lead is known well."""
    shared, own = rng().normal(0, 0.1, DRAWS), rng().normal(0, 0.01, DRAWS)
    utility = np.column_stack([0.60 + shared, 0.575 + shared + 1.5 * own])
    lighter = (TieBreaker("latency_p50_ms", [10.0, 0.4].__getitem__),)
    holds, asked = np.ones((1, DRAWS, 2), bool), np.array([np.nan])
    found = Choice(utility, holds, asked, PLAIN, lighter)
    assert found.tied == (0, 1) and found.expected[0] - found.expected[1] < found.tolerance
    assert found.best[1] < 0.5 * found.best[0]
    assert found.named == 0
    own_tolerance = Terms(tolerance=0.03)  # whoever says that so much does not matter gets the lighter one
    assert Choice(utility, holds, asked, own_tolerance, lighter).named == 1


def test_who_needs_one_machine_or_two_is_the_best_as_often_as_one_is_enough() -> None:
    """1,010 in six draws of ten, 945 in four, beside 996 ± 6: drawn together, 24 % was said of the sixty."""
    machines = 1 + (rng().uniform(size=DRAWS) > 0.6)
    noise = np.random.default_rng(1).normal(0, 4, (DRAWS, 2))
    utility = np.column_stack([np.full(DRAWS, 996.0), 1075.15 - 65.15 * machines]) + noise
    holds, asked = np.ones((1, DRAWS, 2), bool), np.array([np.nan])
    as_drawn = Worths(utility, lambda rows: utility[:, rows])
    found = Choice(as_drawn, holds, asked, PLAIN, weighs_lightness=True)
    often = float((utility[:, 1] > utility[:, 0]).mean())
    assert often == pytest.approx(0.6, abs=0.03) and found.best[1] == often
    # The mean decides who is named, and the report says that another is the best more often.
    assert found.named == 0
    assert found.regret == pytest.approx(float((utility.max(1) - utility[:, 0]).mean()))


def test_a_lead_that_one_machine_more_takes_away_in_a_few_draws_is_told_as_it_usually_is() -> None:
    """Nine in nine of ten draws, and 72 behind in the tenth: ".9 on average" is what nobody ever sees."""
    one_more = rng().random(4000) < 0.1
    utility = np.stack([np.where(one_more, -72.0, 9.0), np.zeros(4000)], axis=1)
    lead = choose(utility).lead_of(0)
    assert lead.is_lopsided(1)
    said = _lead_sentence(lead, 1, "small/onnx", "value")
    assert said.startswith("It leads small/onnx with 90 %: by 9 at the median (-72 to 9), by 0.")
    plain = choose(utility + rng().normal(0, 1, (4000, 2)) + [[20.0, 0.0]]).lead_of(0)
    assert not plain.is_lopsided(1), "what it leads by on average is about what it leads by"
    many = np.where(rng().random(4000) < 0.01, -65_000.0, 0.0)  # machines of a rival that was served once
    rival = choose(np.stack([np.full(4000, 64.0), many + rng().normal(0, 1, 4000)], axis=1)).lead_of(0)
    assert rival.is_lopsided(1), "707 on average beside 62 to 66: nobody ever sees it"
    coin = choose(np.stack([np.where(rng().random(4000) < 0.45, -8.1, 7.0), np.zeros(4000)], axis=1))
    assert not coin.lead_of(0).is_lopsided(1), "ahead in little more than half of the draws is no lead"


def test_costs_that_the_objective_holds_are_not_counted_again() -> None:
    worth = np.array([100.0, 99.9]) + rng().normal(size=(DRAWS, 2))
    cheap = (TieBreaker("cost_per_month_usd", [80.0, 10.0].__getitem__),)
    nothing = (np.ones((0, DRAWS, 2), bool), np.zeros(0))
    assert Choice(worth, *nothing, figures=cheap).named == 1
    assert Choice(worth, *nothing, figures=cheap, weighs_lightness=True).named == 0


def test_a_cent_of_cost_does_not_name_the_slower_twin() -> None:
    """Two runtimes of one model: the faster needs a second machine once in some thousand draws."""
    noise = rng().normal(0, 15, DRAWS)
    worth = np.column_stack([719.23 + noise, 719.23 + noise])
    worth[:2, 1] -= 65.15
    faster = (TieBreaker("latency_p50_ms", [1.02, 0.265].__getitem__),)
    nothing = (np.ones((0, DRAWS, 2), bool), np.zeros(0))
    found = Choice(worth, *nothing, figures=faster, weighs_lightness=True)
    assert found.leader == 0 and found.named == 1
    worth[:200, 1] -= 65.15
    assert Choice(worth, *nothing, figures=faster, weighs_lightness=True).named == 0


def test_a_lead_that_is_known_exactly_has_no_interval() -> None:
    choice = choose(np.tile([0.5281, 0.1474], (DRAWS, 1)))
    assert _lead_sentence(choice.lead_of(0), 1, "b", "size") == "It leads b by 0.3807 in size."


def test_draws_of_clearly_different_candidates_are_not_shrunk() -> None:
    draws = np.array([0.0, 10, 20, 30, 40]) + rng().normal(size=(2000, 5))
    assert shrink_draws(draws).mean(0) == pytest.approx(draws.mean(0), abs=0.2)


def test_figures_that_differ_by_less_than_their_noise_are_drawn_together() -> None:
    """Five equal ones: the spread of the means is a tenth of the noise, hardly any of it is left."""
    equal = np.array([0.0, 0.1, 0.2, 0.1, 0.0]) + rng().normal(size=(DRAWS, 5))
    shrunk = shrink_draws(equal)
    assert np.ptp(shrunk.mean(0)) < 0.5 * np.ptp(equal.mean(0))
    assert best_probability(shrunk, np.ones_like(shrunk, bool)) == pytest.approx([0.2] * 5, abs=0.04)


def test_a_hopeless_noisy_row_does_not_keep_the_others_apart() -> None:
    near = np.array([0.0, 0.1, 0.2, 0.1, 0.0]) + rng().normal(size=(DRAWS, 5))
    wild = -1000 + 100 * rng().normal(size=(DRAWS, 1))
    assert (shrink_draws(np.hstack([near, wild]))[:, :5] == shrink_draws(near)).all()


def test_a_ratio_whose_noise_grows_with_it_is_not_pulled_down_to_its_rivals() -> None:
    """Accuracy a millisecond over two launches: the leader's noise is hundreds of times that of slow ones."""
    accuracy, took_ms = np.array([0.97, 0.98, 0.98, 0.97]), np.array([0.0084, 0.034, 0.36, 0.40])
    launches = np.clip(0.06 * rng().standard_t(1, size=(DRAWS, 4)), -3, 3)
    shrunk = shrink_draws(accuracy / (took_ms * np.exp(launches)))
    assert np.median(shrunk[:, 0]) == pytest.approx(0.97 / 0.0084, rel=0.2)
    assert best_probability(shrunk, np.ones_like(shrunk, bool))[0] > 0.95


@pytest.mark.parametrize("power, as_they_are", [(1, 0.8), (2, 0.4)])
def test_a_leader_in_a_ratio_is_not_taken_for_the_noise_of_slow_rivals(
    power: int, as_they_are: float
) -> None:
    """Twice as fast as the next, 2.8 standard errors ahead, .95 by itself: what accuracy is per millisecond
    or per millisecond squared asks the same question."""
    logs = np.log([1.0, 2.0, 3.0, 4.0, 5.0]) + 0.25 * rng().normal(size=(DRAWS, 5))
    held = np.ones((DRAWS, 5), bool)

    def odds(by_share: bool, sign: int = 1) -> float:
        worths = Worths(sign * 0.9 * np.exp(-sign * power * logs), models=tuple("abcde"), by_share=by_share)
        return float(best_probability(worths.shrunk(np.arange(5)), held)[0])

    assert odds(by_share=True) == pytest.approx(0.95, abs=0.02)
    assert odds(by_share=True, sign=-1) == pytest.approx(odds(by_share=True), abs=1e-9)
    assert odds(by_share=False) < as_they_are, "this world does not tell the scales apart"


def test_objectives_that_scatter_by_shares_are_products_that_hold_more_than_quality() -> None:
    def is_one(objective: str, value: str | None = None) -> bool:
        decision = {"objective": objective, **({"value": value} if value else {})}
        suite = make_suite(WORLD[:2], decision=decision)
        return scatters_by_share(goal_of(suite), suite)

    assert is_one("minimize latency_p50_ms") and is_one("maximize value", "sqrt(accuracy)/latency_p50_ms**2")
    assert is_one("maximize value", "100 * accuracy / cost_per_month_usd")
    assert not is_one("maximize accuracy") and not is_one("maximize value", "2*accuracy")
    assert not is_one("maximize value", "1000*accuracy - cost_per_month_usd")
    assert not is_one("maximize value", "accuracy / (1 + latency_p50_ms)")


def test_what_all_rows_have_in_common_is_not_shrunk() -> None:
    common = 10 * rng().normal(size=(DRAWS, 1))
    own = np.random.default_rng(1).normal(size=(DRAWS, 4)) + np.array([0, 0.1, 0.2, 0.3])
    shrunk = shrink_draws(common + own)
    assert shrunk.std(0) == pytest.approx(10, abs=0.5)
    assert np.corrcoef(shrunk.mean(1), common[:, 0])[0, 1] > 0.99


def test_a_model_served_twice_is_one_opinion_of_how_far_candidates_differ() -> None:
    """Counted as two that agree, it would say that nobody differs, and so raise the odds of who is behind."""
    generator = rng()
    known, behind = np.full((DRAWS, 1), 1.0), 0.72 + 0.08 * generator.normal(size=(DRAWS, 1))
    close = 0.96 + 0.04 * generator.normal(size=(DRAWS, 1))
    once = shrink_draws(np.hstack([known, close, behind]))
    twice = shrink_draws(np.hstack([known, known, close, close, behind, behind]))
    assert (twice[:, ::2] == twice[:, 1::2]).all()
    odds = best_probability(twice, np.ones_like(twice, bool)).reshape(3, 2).sum(1)
    assert odds == pytest.approx(best_probability(once, np.ones_like(once, bool)), abs=0.01)
    assert odds[2] < 0.02


def test_runtimes_of_one_model_that_answer_nearly_alike_pull_as_one() -> None:
    """Five of them agree by being the same model: the others are no nearer to it for that."""
    rng_ = np.random.default_rng(4)
    model, other = (rng_.normal(mean, 0.01, (DRAWS, 1)) for mean in (0.90, 0.88))
    hardly = rng_.normal(0, 5e-4, (DRAWS, 5)) + np.array([0.0, -0.001, 0.0005, -0.0005, 0.0])
    alone = Shrinking(np.hstack([model, other])).of(np.arange(2))
    names = ["a"] * 5 + ["b"]
    several = Shrinking(np.hstack([model + hardly, other]), names).of(np.arange(6))
    assert several[5].mean() == pytest.approx(alone[1].mean(), abs=5e-4)
    assert several[0].mean() == pytest.approx(alone[0].mean(), abs=5e-4)
    assert several[:5].mean(1) - several[0].mean() == pytest.approx(hardly.mean(0) - hardly[:, 0].mean())
    apart = Shrinking(np.hstack([model + 20 * hardly, other]), names).of(np.arange(6))
    assert apart[5].mean() > several[5].mean() + 1e-3, (
        "runtimes that are told apart are opinions of their own"
    )
