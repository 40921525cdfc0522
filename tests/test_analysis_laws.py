"""Laws that the rule and its parts obey whatever was measured: order, twins, hopeless rows, units."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.analysis.rule import Choice, Terms, TieBreaker
from harness.analysis.selection import Standings, standings
from harness.analysis.shrink import Shrinking, shrink_draws
from harness.analysis.stats import Array, row_quantiles
from harness.analysis.winners import best_probability

DRAWS = 400
seeds = st.integers(0, 2**32 - 1)
few = settings(max_examples=60, deadline=None)


@dataclass(frozen=True)
class World:
    """Draws of a worth and of a limited metric, and figures that may settle a tie."""

    utility: Array
    slack: Array
    cost: Array
    terms: Terms
    weighs_lightness: bool

    def choice(self, rows: Array | None = None) -> Choice:
        """The rule on some rows, in the order given."""
        at = np.arange(self.utility.shape[1]) if rows is None else rows
        slack, cost = self.slack[:, at], self.cost[at]
        return Choice(
            self.utility[:, at],
            (slack >= 0)[None],
            np.array([np.nan]),
            self.terms,
            (TieBreaker("cost", lambda k: float(cost[k])),),
            weighs_lightness=self.weighs_lightness,
            slack=lambda _, some: slack[:, some],
        )


def world_of(seed: int) -> World:
    """Two to seven rows, near each other or far apart, in worth and within their limit."""
    random = np.random.default_rng(seed)
    count = int(random.integers(2, 8))
    spread, own, shared = np.exp(random.uniform(-3, 1, 3))
    utility = 0.8 + 0.05 * (
        spread * random.normal(size=count)
        + own * np.exp(random.normal(0, 0.5, count)) * random.normal(size=(DRAWS, count))
        + shared * random.normal(size=(DRAWS, 1))
    )
    slack = random.normal(1.5, 1.5, count) + random.normal(size=(DRAWS, count))
    terms = Terms(
        broken_limit=0.1 if random.random() < 0.2 else None,
        tolerance=0.02 if random.random() < 0.3 else None,
    )
    return World(utility, slack, random.uniform(1, 10, count), terms, bool(random.random() < 0.2))


@few
@given(seeds)
def test_the_order_of_the_rows_changes_nothing(seed: int) -> None:
    world = world_of(seed)
    rows = np.random.default_rng(seed).permutation(world.utility.shape[1])
    found, again = world.choice(), world.choice(rows)
    assert again.named is None if found.named is None else rows[again.named] == found.named
    assert again.best == pytest.approx(found.best[rows], abs=1 / DRAWS)
    assert again.regret == pytest.approx(found.regret, rel=1e-6, abs=1e-12)
    assert sorted(rows[list(again.tied)]) == sorted(found.tied)


@few
@given(seeds)
def test_hopeless_rows_change_nothing_that_is_said_of_the_others(seed: int) -> None:
    world, random = world_of(seed), np.random.default_rng(seed)
    more = int(random.integers(1, 6))
    wild = random.normal(0.8, 1, more) + np.exp(random.normal(0, 2, more)) * random.normal(size=(DRAWS, more))
    widened = replace(
        world,
        utility=np.hstack([world.utility, wild]),
        slack=np.hstack([world.slack, np.full((DRAWS, more), -1.0)]),
        cost=np.append(world.cost, np.zeros(more)),
    )
    found, again = world.choice(), widened.choice()
    count = world.utility.shape[1]
    assert again.named == found.named and again.tied == found.tied and again.steps == found.steps
    assert again.best.tolist() == [*found.best.tolist(), *[0.0] * more]
    assert again.regret == found.regret and (again.sure[:count] == found.sure).all()


@few
@given(seeds)
def test_p_best_sums_to_how_surely_somebody_keeps_the_limits(seed: int) -> None:
    found = world_of(seed).choice()
    somebody = found.keeps[:, found.contenders].any(1).mean() if len(found.contenders) else 0.0
    assert found.best.sum() == pytest.approx(somebody, abs=1e-9)
    assert (found.best >= 0).all()


@few
@given(seeds)
def test_a_row_that_is_there_twice_shares_its_probability_and_takes_none_of_the_others(seed: int) -> None:
    world = world_of(seed)
    count = world.utility.shape[1]
    twin = int(np.random.default_rng(seed).integers(count))
    found, again = world.choice(), world.choice(np.append(np.arange(count), twin))
    assert again.best[twin] == again.best[count]
    shared = again.best[:count].copy()
    shared[twin] *= 2
    # Draws in which all are pulled into one are shared by rows: a twin takes a share more of them.
    assert shared == pytest.approx(found.best, abs=0.02)
    assert again.likely[:count] == pytest.approx(found.likely, abs=0.02)


def test_one_more_runtime_of_the_leader_does_not_let_another_model_be_named() -> None:
    """It takes half of the leader's P(best): what the other, cheaper model has is more than half of that."""
    random = np.random.default_rng(0)
    utility = np.array([0.80, 0.7945]) + 0.004 * random.normal(size=(4000, 2)) + random.normal(size=(4000, 1))
    cheaper = (TieBreaker("cost", [7.0, 3.0, 7.0].__getitem__),)

    def named(rows: list[int]) -> tuple[int | None, float]:
        nothing = np.ones((0, 4000, len(rows)), bool), np.zeros(0)
        choice = Choice(utility[:, rows], *nothing, figures=cheaper)
        return choice.named, float(choice.best[1] / choice.best[0])

    (alone, share), (served_twice, more) = named([0, 1]), named([0, 1, 0])
    assert share < 0.5 < more and alone == served_twice == 0


@few
@given(seeds, st.sampled_from([0.25, 2.0, 1024.0]))
def test_the_unit_of_the_objective_changes_nothing_but_the_regrets_unit(seed: int, factor: float) -> None:
    world = world_of(seed)
    terms = Terms(
        broken_limit=None if world.terms.broken_limit is None else factor * world.terms.broken_limit,
        tolerance=None if world.terms.tolerance is None else factor * world.terms.tolerance,
    )
    found, again = world.choice(), replace(world, utility=factor * world.utility, terms=terms).choice()
    assert again.named == found.named and again.tied == found.tied
    assert again.best == pytest.approx(found.best, abs=1 / DRAWS)
    assert again.regret == pytest.approx(factor * found.regret, rel=1e-6)


@settings(max_examples=300, deadline=None)
@given(seeds)
def test_the_named_row_is_the_last_of_the_steps_that_are_told(seed: int) -> None:
    """Where nobody can be named in the leader's place no step is asked; it must come out the same."""
    found = world_of(seed).choice()
    if found.leader is None:
        assert found.named is None and found.steps == ()
        return
    assert found.steps[-1].left == (found.named,)
    assert found.named in found.tied and found.able[found.named]
    left = {*found.steps[0].left, *found.steps[0].out}
    for step in found.steps[:-1]:
        assert {*step.left, *step.out} == left and not {*step.left} & {*step.out}
        left = {*step.left}


@few
@given(seeds)
def test_pulling_some_rows_together_is_as_if_there_were_no_others(seed: int) -> None:
    """Many subsets are asked of one `Shrinking`: what it keeps of one must not show in the next."""
    draws, random = world_of(seed).utility, np.random.default_rng(seed)
    shrinking = Shrinking(draws)
    for _ in range(4):
        rows = np.flatnonzero(random.random(draws.shape[1]) < 0.7)
        if len(rows):
            again = shrink_draws(draws[:, rows])
            assert pytest.approx(again, rel=1e-9) == shrinking.of(rows).T


@few
@given(seeds)
def test_pulling_together_keeps_the_order_of_rows_that_are_known_as_well_as_each_other(seed: int) -> None:
    random = np.random.default_rng(seed)
    noise = random.normal(size=(DRAWS, 5))
    noise = (noise - noise.mean(0)) / noise.std(0)
    means = random.normal(0, np.exp(random.uniform(-2, 1)), 5)
    shrunk = shrink_draws(means + noise).mean(0)
    assert np.ptp(shrunk) <= np.ptp(means) + 0.05
    apart = np.subtract.outer(means, means)
    assert (np.subtract.outer(shrunk, shrunk)[apart > 0.3] > 0).all()


@few
@given(seeds)
def test_where_a_draw_stands_is_its_rank_whatever_the_unit_and_whoever_is_asked_first(seed: int) -> None:
    world, random = world_of(seed), np.random.default_rng(seed)
    whole = standings(world.slack)
    assert whole.mean(0) == pytest.approx(np.full(whole.shape[1], 0.5))
    assert (standings(np.exp(world.slack)) == whole).all()
    assert (whole.argsort(0) == world.slack.argsort(0)).all()
    kept = Standings(world.slack)
    for _ in range(4):
        rows = random.permutation(whole.shape[1])[: int(random.integers(1, whole.shape[1] + 1))]
        assert (kept.of(rows) / (2 * len(whole)) == whole[:, rows]).all()


@few
@given(seeds, st.lists(st.floats(0, 1), min_size=1, max_size=5))
def test_quantiles_by_row_are_numpys_and_know_nothing_of_the_order_of_draws(
    seed: int, probabilities: list[float]
) -> None:
    random = np.random.default_rng(seed)
    rows = random.normal(size=(int(random.integers(1, 5)), int(random.integers(1, 40))))
    rows[random.random(rows.shape) < 0.01] = np.nan
    found = row_quantiles(rows, probabilities)
    assert found == pytest.approx(np.quantile(rows, probabilities, axis=1), rel=1e-12, abs=1e-12, nan_ok=True)
    assert np.array_equal(found, row_quantiles(random.permuted(rows, axis=1), probabilities), equal_nan=True)


@few
@given(seeds)
def test_equal_rows_have_equal_probabilities_of_being_the_best(seed: int) -> None:
    draws = world_of(seed).utility
    twice = np.repeat(draws, 3, axis=1)
    best = best_probability(twice, np.ones_like(twice, bool)).reshape(-1, 3)
    assert (best == best[:, :1]).all() and best.sum() == pytest.approx(1)


def test_only_runtimes_of_one_model_are_held_against_each_other() -> None:
    """Of 490 models near the leader all pairs were looked at for each set of rows: 1.5 million, a second."""
    random, looked = np.random.default_rng(0), []
    models = np.repeat([f"m{k}" for k in range(60)], 2)
    draws = random.normal(0, 1, (300, 60)).repeat(2, axis=1) + random.normal(0, 0.1, (300, 120))

    class Counting(Shrinking):
        def _are_kin(self, one: int, other: int) -> bool:
            looked.append((one, other))
            return super()._are_kin(one, other)

    together = Counting(draws, models).of(np.arange(120))
    assert sorted(looked) == [(k, k + 1) for k in range(0, 120, 2)]
    alone = Shrinking(draws[:, ::2], models[::2]).of(np.arange(60))
    assert np.allclose(together[::2], alone), "a second runtime is no second opinion"
