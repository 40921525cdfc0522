"""A variant that is picked among several in doubt keeps its limits as surely as is said."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from scipy.special import ndtr

from harness.analysis.rule import Choice, Terms
from harness.analysis.selection import after_selection, standings
from harness.analysis.tradeoff import picked

DRAWS = 2000
PLAIN = Terms()


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def decide(slack: np.ndarray, asked: float = np.nan, terms: Terms = PLAIN) -> Choice:
    """A choice between equals under one limit, kept where the slack is positive."""
    worth = rng(1).normal(size=slack.shape)
    return Choice(worth, (slack >= 0)[None], np.array([asked]), terms, slack=lambda _, rows: slack[:, rows])


def test_a_single_variant_in_doubt_keeps_its_own_probability() -> None:
    slack = 1.4 + rng().normal(size=(DRAWS, 1))
    assert after_selection((slack >= 0).mean(0), standings(slack)) == pytest.approx(
        (slack >= 0).mean(0), abs=1e-9
    )


def test_of_independent_variants_the_luckiest_counts() -> None:
    """Three at 93 % each: that none of three at the limit looks so good has .93 cubed."""
    slack = 1.4758 + rng().normal(size=(20_000, 3))
    found = after_selection((slack >= 0).mean(0), standings(slack))
    assert found == pytest.approx([0.93**3, 0.93**3, 0.93**3], abs=0.02)


def test_variants_that_err_together_are_no_more_than_one() -> None:
    slack = np.repeat(1.4758 + rng().normal(size=(DRAWS, 1)), 4, axis=1)
    assert after_selection((slack >= 0).mean(0), standings(slack)) == pytest.approx([0.93] * 4, abs=0.02)


def test_who_is_sure_is_no_rival_of_those_in_doubt() -> None:
    """The surest is held against all, the next against the rest alone (step-down)."""
    slack = np.array([6.0, 1.4758]) + rng().normal(size=(20_000, 2))
    assert after_selection((slack >= 0).mean(0), standings(slack)) == pytest.approx([1, 0.93], abs=0.01)


@pytest.mark.parametrize("seed", range(20))
def test_correcting_never_makes_surer_and_keeps_the_order(seed: int) -> None:
    random = rng(seed)
    slack = random.normal(0.5, 1, 6) + random.normal(size=(DRAWS, 6)) @ random.normal(size=(6, 6))
    slack[random.random(slack.shape) < 0.01] = np.nan
    kept = (slack >= 0).mean(0)
    found = after_selection(kept, standings(slack))
    assert (found <= kept + 1e-12).all()
    assert (np.diff(found[np.argsort(-kept)]) <= 1e-12).all()


def test_draws_that_are_equal_share_their_place_and_undefined_ones_are_last() -> None:
    found = standings(np.array([[1.0], [1.0], [np.nan], [2.0]]))
    assert found[:, 0].tolist() == [0.5, 0.5, 0.125, 0.875]


@pytest.mark.parametrize("count", [1, 3, 10])
@pytest.mark.parametrize("asked", [np.nan, 0.9])
def test_truths_at_the_limit_are_named_in_a_tenth_of_the_worlds_however_many_they_are(
    count: int, asked: float
) -> None:
    """400 worlds: the share is within .03 of .10 or below it, but for one run in 40."""
    named, alone = 0, 0
    for world in range(400):
        random = rng(world)
        common = 0.5 * random.normal()
        measured = common + random.normal(size=count)
        slack = measured + 0.5 * random.normal(size=(600, 1)) + random.normal(size=(600, count))
        # Only what is sure by far more than luck may be named: the truth of all is zero.
        named += decide(slack, asked).named is not None
        alone += bool((ndtr(measured / np.sqrt(1.25)) >= 0.9).any())
    assert named / 400 <= 0.13
    assert count < 3 or alone / 400 > 0.15, "without the correction it is more"


def test_rows_that_are_out_do_not_make_others_less_sure() -> None:
    slack = np.array([1.4758, 1.4758]) + rng().normal(size=(DRAWS, 2))
    hopeless = -20 + rng(3).normal(size=(DRAWS, 8))
    assert (decide(np.hstack([slack, hopeless])).sure[:2] == decide(slack).sure).all()


def test_a_row_that_is_sure_enough_alone_and_not_as_the_pick_is_open() -> None:
    found = decide(1.4 + rng().normal(size=(DRAWS, 3)))
    assert found.named is None and found.only_alone.all() and found.open.all()


def test_a_priced_limit_is_weighed_as_it_is() -> None:
    found = decide(1.4 + rng().normal(size=(DRAWS, 3)), terms=Terms(broken_limit=1.0))
    assert found.able.all() and not found.only_alone.any()


def test_a_sureness_that_rounds_to_what_is_asked_is_said_to_a_tenth() -> None:
    found = SimpleNamespace(
        only_alone=[True], sure=[0.8962], kept=[0.93], limits_hold=[0.93], terms=Terms(confidence=0.9)
    )
    assert "93 % taken alone, but with 89.6 % as the pick" in picked(found, 0)[0]  # type: ignore[arg-type]
    found.sure = [0.85]
    assert "but with 85 % as the pick" in picked(found, 0)[0]  # type: ignore[arg-type]
