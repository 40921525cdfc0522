"""What other test examples would have given: draws of the mean scores of rows that share them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from harness.analysis.stats import Array, ByExamples, t_quantile


@dataclass(frozen=True)
class Behind:
    """What stands behind a row's scores where these are fewer than the test examples (folds, parts of a
    jackknife).

    Args:
        units: independent examples, or groups of them; 0 where the scores are the examples' own.
        variance: of the mean, due to which examples were drawn; 0 where nothing tells. Folds that happen to
            agree say nothing of it.
        fewest: answers that a share is worth at least, however near to its end it lies.
    """

    units: int = 0
    variance: float = 0.0
    fewest: float = 0.0


def example_draws(
    scores: Sequence[Array],
    groups: Array,
    rng: np.random.Generator,
    draws: int,
    share: bool = True,
    behind: Sequence[Behind] = (),
) -> Array:
    """Normal, t where there are few (folds, parts of a jackknife), and of a share what an exact interval
    leaves open (`_share_draws`); (draws, rows) around zero.

    Args:
        scores, groups, share: as for `quality_draws`. behind: of each row; empty: nothing but the scores.
    """
    num_examples = scores[0].shape[1]
    behind = behind or [Behind()] * len(scores)
    if num_examples < 2:
        return _of_one(scores, groups, rng, draws, share, behind)
    per_example = np.stack([s.mean(0) for s in scores])
    means = per_example.mean(1)
    deviation = per_example - means[:, None]
    covariance = np.asarray(deviation @ deviation.T / (num_examples * (num_examples - 1)))
    df = num_examples - 1
    scale = np.sqrt(df / rng.chisquare(df, (draws, 1)))
    # Row by row, so that a row's draws do not depend on those that come after it.
    noise = rng.standard_normal((len(scores), draws)).T @ _root(covariance).T
    variances, is_raised = _raised(noise, covariance.diagonal().copy(), behind, df, groups, rng)
    spread = noise * np.where(is_raised, 1.0, scale)
    if not share:
        return centred(spread)
    flawless = _all_are(per_example, 1.0) | _all_are(per_example, 0.0)
    for group in np.unique(groups[flawless]):
        noise[:, flawless & (groups == group)] = rng.standard_normal((draws, 1))
    share_like = (noise.std(0) > 0) & (means > -1e-9) & (means < 1 + 1e-9)
    # Neither their mean nor their width is left to luck, so that no choice is made by it.
    standard = centred(noise) / np.where(share_like, noise.std(0), 1.0)
    noise = centred(spread)
    for k in np.flatnonzero(share_like).tolist():
        count, exact = _independent(scores[k], means[k], variances[k], behind[k].units)
        count = max(count, behind[k].fewest)
        # Of right and wrong answers the variance is known with the share.
        drawn = standard[:, k] if exact or is_raised[k] else standard[:, k] * scale[:, 0]
        noise[:, k] = _share_draws(drawn, min(max(means[k], 0.0), 1.0), count) - means[k]
    return noise


def _of_one(
    scores: Sequence[Array],
    groups: Array,
    rng: np.random.Generator,
    draws: int,
    share: bool,
    behind: Sequence[Behind],
) -> Array:
    """A share of a single example, or group of them, is worth one answer, another figure is off by as much as
    it is; neither tells of a difference: each candidate's is drawn alone. Zeros for the figure of a seed."""
    noise = np.zeros((draws, len(scores)))
    luck = {group: rng.standard_normal(draws) for group in dict.fromkeys(groups.tolist())}
    for k in range(len(scores)):
        mean = float(scores[k].mean())
        if behind[k].units == 1:
            noise[:, k] = abs(mean) * luck[groups[k]]
            if share and -1e-9 < mean < 1 + 1e-9:
                noise[:, k] = _share_draws(luck[groups[k]], min(max(mean, 0.0), 1.0), 1) - mean
    return noise


def centred(noise: Array) -> Array:
    """Without its own mean, which is the luck of the draws."""
    return np.asarray(noise - noise.mean(0))


def _all_are(per_example: Array, value: float) -> Array:
    return np.asarray((np.abs(per_example - value) < 1e-9).all(1))


def _raised(
    noise: Array,
    variances: Array,
    behind: Sequence[Behind],
    df: float,
    groups: Array,
    rng: np.random.Generator,
) -> tuple[Array, Array]:
    """Widen, in place, what is narrower than its test examples allow: the variances, and which are raised.

    A t interval over folds is at least as wide as the normal one over all the examples behind them.
    """
    least = np.array([b.variance for b in behind])
    low = _too_narrow(variances, least, df)
    for k in np.flatnonzero(low & (variances > 1e-24)).tolist():
        noise[:, k] *= np.sqrt(least[k] / variances[k])
    constant = low & (variances <= 1e-24)
    for group in np.unique(groups[constant]):
        alike = constant & (groups == group)
        noise[:, alike] = rng.standard_normal((len(noise), 1)) * np.sqrt(least[alike])
    return np.where(low, least, variances), low


def _too_narrow(variances: Array, least: Array, df: float) -> Array:
    """(rows,) bool, whose t interval is narrower than the normal one of what the examples allow at least."""
    wider = (t_quantile(0.975, df) / t_quantile(0.975, np.inf)) ** 2
    return np.asarray(variances * wider < least)


def paired_examples(a: Array, b: Array, behind: tuple[Behind, Behind]) -> ByExamples:
    """What the test examples leave open of the difference of two rows' means, each as wide as its own draws
    are (`example_draws`): a jackknife of few positives, or of small classes, knows less than its parts show.

    Args:
        a, b: (S, N) scores of the same examples, or parts of them. behind: of each.
    """
    df = a.shape[1] - 1
    if df < 1:
        return ByExamples(0.0, df)
    spread = np.stack([s.mean(0) - s.mean() for s in (a, b)])
    variances = (spread**2).sum(1) / (a.shape[1] * df)
    least = np.array([one.variance for one in behind])
    low, constant = _too_narrow(variances, least, df), variances <= 1e-24
    spread *= np.sqrt(np.where(low & ~constant, least / np.maximum(variances, 1e-24), 1.0))[:, None]
    apart = spread[0] - spread[1]
    # All right, or all wrong, in both is one luck; two constants that differ tell nothing of each other.
    same = bool(constant.all()) and bool(np.isclose(a.mean(), b.mean()))
    alone = 0.0 if same else float(least[low & constant].sum())
    variance = float(apart @ apart) / (a.shape[1] * df) + alone
    return ByExamples(variance, np.inf if low.all() else df)


def _independent(scores: Array, mean: float, variance: float, units: int) -> tuple[float, bool]:
    """How many independent answers are worth what these (S, N) are, and whether each is right or wrong.

    Seeds that err on other examples are worth more than one. Of right and wrong answers one more error is
    counted in, on which all seeds agree: of few errors hardly anything is known of how far seeds agree.
    """
    examples = scores.shape[1]
    spread = mean * (1 - mean)
    if spread <= 1e-12 and units:
        return float(units), True
    together = examples * variance / spread if spread > 1e-12 else 1.0
    exact = bool((np.abs(scores * (1 - scores)) < 1e-9).all())
    if exact:
        fewer = examples * min(mean, 1 - mean)
        together = (fewer * together + 1) / (fewer + 1)
    return max(examples / together, 1.0), exact


_PLACES = np.linspace(-8.0, 8.0, 321)


def _share_draws(noise: Array, share: float, count: float) -> Array:
    """Draws of a true share of which so many independent answers gave this one.

    Their ends are the limits of Clopper and Pearson's exact interval, at every level; their middle is that of
    Jeffreys' prior.

    Args:
        noise: (draws,) standard normal.
    """
    from scipy.special import betaincinv, ndtr

    below, above = ndtr(_PLACES), ndtr(-_PLACES)
    right, wrong = count * share, count * (1 - share)
    # From the nearer end, where rounding takes nothing.
    limits = np.where(
        _PLACES < 0,
        betaincinv(right + below, wrong + above, below),
        1 - betaincinv(wrong + above, right + below, above),
    )
    return np.asarray(np.interp(noise, _PLACES, limits))


def _root(covariance: Array) -> Array:
    """The lower triangle L with L Lᵀ = covariance, which may be singular (equal rows)."""
    size = len(covariance)
    root = np.zeros((size, size))
    for k in range(size):
        column = covariance[k:, k] - root[k:, :k] @ root[k, :k]
        # Rounding leaves 1e-17 of a row that depends on those before it; equal rows must draw equal values.
        if column[0] > 1e-10 * covariance[k, k]:
            root[k:, k] = column / np.sqrt(column[0])
    return root
