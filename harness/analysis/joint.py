"""Joint draws of what the candidates' true values may be, given what was measured.

Every probability of the harness (Pareto, feasible, best) and every interval of the table is a mean or
a quantile of these draws. Quality: variance over shared test examples (covariance between all rows) and
over seeds (shared by the runtimes of one candidate). Serving: launches in rounds shared by all rows.

Two or three seeds say little about one candidate's variance, and pooling all candidates is wrong where
one is noisier than the others. So variances follow a common distribution (scale s0², d0 degrees of
freedom) whose parameters are integrated over on a grid: d0 → ∞ is the pooled t with K(S−1) degrees of
freedom, d0 → 0 each candidate on its own. (The idea is limma's moderated variance, Smyth 2004.)
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from harness.analysis.example_draws import Behind, centred, example_draws
from harness.analysis.seed_noise import PRIOR_DF
from harness.analysis.stats import DRAWS, Array

_CORRELATIONS = np.array([0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995])

LAUNCH_SD = 0.15
"""Assumed standard deviation of log-latency between launches where every row has a single launch;
measured on a loaded two-core virtual machine: 0.05–0.2. The result says that it was assumed."""

LAUNCH_REACH = 8.0
"""Two or three launches of one variant may lie close together by chance. If its variance were at most e⁴
times the sample's, a variant at its limit would look 90 % sure to keep it in 11 % of measurements; with e⁸ in
10 %."""

MOST_SD = 1.0
"""Largest standard deviation of log-speed between launches, or sessions, of one machine that is believed
unless more was seen. Two of them have one degree of freedom between them: without a bound a capacity that was
once 4,080 and once 1,930 requests a second would lie anywhere from 9 to 240,000, and the mean of a bill over
such draws is that of the few in which the machine all but stands still."""

FEW_DFS = 4
"""With so many degrees of freedom, rows that drift together counted once, the sample tells its scale."""

ODD = 0.01
"""Probability with which one row's variance, named before, would be taken for odd among equal ones. It is the
largest that is asked of: one of 6 equal rows is odd in 5 %, of 10 in 12 %, of 30 in 35 % of worlds."""

SEED_SPREAD = 0.05
"""Assumed spread between seeds where nothing tells any (`is_spread_unknown`): this share of the value, of a
share p this part of √(p(1 − p)), .015 at .9. Accuracies of small networks differ by .004–.01: assuming
more than that is better than certainty. The result says that it was assumed."""


def variance_draws(
    variances: Array,
    dfs: Array,
    rng: np.random.Generator,
    draws: int = DRAWS,
    weight: float = 1.0,
    reach: float = 4.0,
    most: float = math.inf,
) -> Array:
    """Draws of the true variances of rows of which each has a sample variance.

    Args:
        variances: (K,) sample variances, positive where `dfs` is; dfs: (K,) ≥ 0, their degrees of
            freedom; 0 means unknown: such a row draws from what the others have in common.
        weight: share of the rows that counts in what they have in common, below 1 where their sample
            variances are correlated.
        reach: how far from the sample variances the common scale may lie, on the log scale.
        most: the largest that is believed where no sample variance is larger.
    Returns:
        (draws, K). All zeros where no row has a degree of freedom.
    """
    variances, dfs = np.asarray(variances, dtype=float), np.asarray(dfs, dtype=float)
    known = (dfs > 0) & (variances > 0)
    if not known.any():
        return np.zeros((draws, len(variances)))
    s2, d = variances[known], dfs[known]
    top = min(np.log(s2.max()) + reach, max(np.log(most), np.log(s2.max())))
    log_scale = np.arange(np.log(s2.min()) - reach, top + 0.01, 0.2)
    prior_df = np.array(PRIOR_DF)
    log_posterior = weight * _log_likelihood(s2, d, log_scale, prior_df)
    weights = np.exp(log_posterior - log_posterior.max()).ravel()
    cell = rng.choice(weights.size, size=draws, p=weights / weights.sum())
    i, j = np.unravel_index(cell, log_posterior.shape)
    scale = np.exp(log_scale[i] + rng.uniform(-0.1, 0.1, draws))[:, None]
    d0 = prior_df[j][:, None]
    own = np.where(known, dfs * variances, 0.0)
    df = d0 + np.where(known, dfs, 0.0)
    # A row's own draws too: of two launches one in a hundred would be of a spread that no machine has.
    return np.minimum((d0 * scale + own) / rng.chisquare(df), max(most, s2.max()))


def moderated_draws(
    variances: Array,
    dfs: Array,
    rng: np.random.Generator,
    draws: int,
    weight: float = 1.0,
    seedless: Array | None = None,
) -> Array:
    """`variance_draws`, where a row that varies by far more than the others do (`odd_rows`) teaches these
    nothing. It learns from all itself, and so does one of which nothing is known.

    Args:
        seedless: (K,) bool, rows of which seeds move the order of ties alone: they and the others teach each
            other nothing. Networks beside recommenders that count were drawn to the stillness of these: two
            seeds each, intervals of two networks beside three such held the truth in .70 of worlds, of six
            beside two in .85; apart in .96 and .94.
    """
    if seedless is not None and all(((dfs > 0) & of).any() for of in (seedless, ~seedless)):
        result = np.empty((draws, len(variances)))
        for of, stream in zip((seedless, ~seedless), rng.spawn(2), strict=True):
            result[:, of] = moderated_draws(variances[of], dfs[of], stream, draws, weight)
        return result
    odd = odd_rows(variances, dfs)
    if not odd.any():
        return variance_draws(variances, dfs, rng, draws, weight)
    quiet = (dfs > 0) & (variances > 0) & ~odd
    all_rows, quiet_rows = rng.spawn(2)
    result = variance_draws(variances, dfs, all_rows, draws, weight)
    result[:, quiet] = variance_draws(variances[quiet], dfs[quiet], quiet_rows, draws, weight)
    return result


def odd_rows(variances: Array, dfs: Array) -> Array:
    """(K,) bool: a third of the rows at most, whose sample variances are larger than one given row as quiet
    as the others would show in one of a hundred (see `ODD`).

    That variances differ and that one row is odd explain a few rows about as well. Where the odd one had its
    say, the others were drawn as if each might vary so much: of five quiet rows beside one eight times as
    noisy the predicted regret was 1.45 times the realised, and is 1.18; where all variances differ (by e^.7
    in the standard deviation) it was .93 to 1.12 of it, and is .89 to 1.09. (The idea is limma's too:
    B. Phipson et al., Robust hyperparameter estimation, Annals of Applied Statistics 2016.)
    """
    from scipy.special import fdtrc

    odd = np.zeros(len(variances), dtype=bool)
    known = np.flatnonzero((dfs > 0) & (variances > 0))
    order = known[np.argsort(variances[known], kind="stable")]
    for count in range(1, (len(known) - 1) // 3 + 1):
        largest, rest = order[-count], order[:-count]
        df = float(dfs[rest].sum())
        usual = float(dfs[rest] @ variances[rest]) / df
        if fdtrc(dfs[largest], df, variances[largest] / usual) < ODD:
            odd[order[-count:]] = True
    return odd


def _log_likelihood(s2: Array, d: Array, log_scale: Array, prior_df: Array) -> Array:
    """log p(sample variances | scale, d0), up to a constant: s² / s0² ~ F(d, d0). (scales, prior dfs)."""
    total = np.zeros((len(log_scale), len(prior_df)))
    for j, d0 in enumerate(prior_df):
        for variance, df in zip(s2, d, strict=True):
            log_x = math.log(variance) - log_scale
            total[:, j] += (
                math.lgamma((df + d0) / 2)
                - math.lgamma(d0 / 2)
                + df / 2 * math.log(df / d0)
                + df / 2 * log_x
                - (df + d0) / 2 * np.log1p(df / d0 * np.exp(log_x))
            )
    return total


def quality_draws(
    scores: Sequence[Array],
    groups: Sequence[int],
    rng: np.random.Generator,
    draws: int = DRAWS,
    assumed: float = 0.0,
    first: int | None = None,
    share: bool = True,
    behind: Sequence[Behind] = (),
    seedless: Sequence[bool] = (),
) -> Array:
    """Joint draws of the true mean scores of K rows.

    Args:
        scores: K arrays (S_k, N): per-example scores, or pseudo-values of a jackknife; column i is the
            same test example in all rows. N = 1 where a metric exists only as an aggregate per seed.
        groups: (K,) rows of one candidate have the same number: they are the same fitted models on
            several runtimes, and share their seeds.
        assumed: standard deviation between seeds, of rows with one seed where `is_spread_unknown`.
        first: so many rows learn from each other alone; the others, drawn given them, from all.
        share: the metric lies between 0 and 1. behind: of each row, what its scores stand for where they are
            not those of the examples. seedless: of each row, whether its fit draws no random number.
    Returns:
        (draws, K); the measured mean lies in their middle.
    """
    first = len(scores) if first is None else first
    examples, seeds, runtimes = rng.spawn(3)
    labels = np.asarray(groups)
    noise = example_draws(scores, labels, examples, draws, share, behind)
    members = [np.flatnonzero(labels == g).tolist() for g in dict.fromkeys(groups)]
    common = [_common_scores([scores[k] for k in _base(rows, first)]) for rows in members]
    ahead = sum(rows[0] < first for rows in members)
    still = np.array(seedless or [False] * len(scores), dtype=bool)
    of_members = np.array([still[rows[0]] for rows in members], dtype=bool)
    shared = _seed_draws(common, np.ones(len(common)), of_members, seeds, draws, assumed, ahead)
    for column, rows in enumerate(members):
        noise[:, rows] += shared[:, [column]]
    own: list[tuple[int, Array, float]] = []
    for rows, mean in zip(members, common, strict=True):
        base = _base(rows, first)
        for k in rows:
            alone = k in base and len(base) == 1
            if not alone and scores[k].shape == mean.shape:
                own.append((k, scores[k] - mean, 1 - 1 / len(base) if k in base else 1.0))
    if own:
        own.sort(key=lambda entry: entry[0])
        where, tables, shrink = [list(x) for x in zip(*own, strict=True)]
        ahead = sum(k < first for k in where)
        noise[:, where] += _seed_draws(tables, np.array(shrink), still[where], runtimes, draws, first=ahead)
    return np.asarray(np.array([s.mean() for s in scores]) + noise)


def _base(rows: Sequence[int], first: int) -> list[int]:
    """Of a candidate's rows those that its seeds are judged by: the ones among the first, if any."""
    return [k for k in rows if k < first] or list(rows)


def is_spread_unknown(scores: Sequence[Array]) -> bool:
    """Whether a row has a single seed, and neither examples nor another row's seeds tell its worth."""
    varies = any(len(s) > 1 and np.ptp(s.mean(1)) > 1e-12 for s in scores)
    return all(s.shape[1] == 1 for s in scores) and any(len(s) == 1 for s in scores) and not varies


def _common_scores(rows: Sequence[Array]) -> Array:
    """Mean over the runtimes of a candidate, over the seeds that all of them have."""
    num_seeds = min(len(r) for r in rows)
    return np.asarray(np.mean([r[:num_seeds] for r in rows], axis=0))


def _seed_draws(
    scores: Sequence[Array],
    shrink: Array,
    seedless: Array,
    rng: np.random.Generator,
    draws: int,
    assumed: float = 0.0,
    first: int | None = None,
) -> Array:
    """What other seeds would have given, residual noise of the examples taken off; (draws, K).

    Args:
        scores: K arrays (S_k, N). shrink: (K,) share of the degrees of freedom that a row has left.
        seedless: (K,) bool, and first, as for `quality_draws`.
    """
    first = len(scores) if first is None else first
    num_seeds = np.array([len(s) for s in scores])
    residual = np.array([_residual(s) for s in scores])
    between = np.array([float(s.mean(1).var(ddof=1)) if len(s) > 1 else 0.0 for s in scores])
    # Float summation leaves 1e-34 where all seeds agree; such a row does not vary at all.
    between = np.where(between > 1e-24, between, 0.0)
    dfs = np.where(between > 0, (num_seeds - 1) * shrink, 0.0)
    variance = _in_two(between / shrink, dfs, seedless, rng, draws, first)
    # Two or more seeds that agree exactly are a fact (a deterministic model), one seed is ignorance.
    variance[:, (num_seeds > 1) & (between == 0)] = 0.0
    for part in (slice(0, first), slice(first, None)):
        if scores[part] and is_spread_unknown(scores[part]):
            variance[:, part][:, num_seeds[part] == 1] = assumed**2
    seed_variance = np.maximum(variance - residual / shrink, 0.0) / num_seeds
    return centred(rng.standard_normal((len(scores), draws)).T * np.sqrt(seed_variance))


def _in_two(
    variances: Array, dfs: Array, seedless: Array, rng: np.random.Generator, draws: int, first: int
) -> Array:
    """`moderated_draws` of the first rows among themselves, of the others among all."""
    ahead, behind = rng.spawn(2)
    result = moderated_draws(variances[:first], dfs[:first], ahead, draws, seedless=seedless[:first])
    if first == len(variances):
        return result
    return np.hstack([result, moderated_draws(variances, dfs, behind, draws, seedless=seedless)[:, first:]])


def _residual(scores: Array) -> float:
    """What examples put into the variance between seeds' means."""
    num_seeds, num_examples = scores.shape
    if num_seeds < 2 or num_examples < 2:
        return 0.0
    return float(scores.var(0, ddof=1).mean() / num_examples)


def launch_draws(
    values: Array,
    rng: np.random.Generator,
    draws: int = DRAWS,
    first: int | None = None,
    most_sd: float = MOST_SD,
) -> Array:
    """Joint draws of the true level of K rows from launches in shared rounds.

    Each row has its own variance (moderated, `variance_draws`); rows are correlated through the rounds'
    common drift by one correlation, integrated over given the data. Correlating through one parameter
    keeps a noisy row from blurring a quiet one, which subtracting round means would do.

    Args:
        values: (R, K), log scale, NaN where a launch is missing; every row has at least one value.
        first: so many rows learn from each other alone; the others, drawn given them, from all.
        most_sd: the largest spread between launches that is believed where none larger was seen.
    Returns:
        (draws, K), log scale; the mean over the draws is the measured one. Where no row has two launches, the
        spread is the assumed `LAUNCH_SD`.
    """
    values = np.asarray(values, dtype=float)
    first = values.shape[1] if first is None else first
    drift, correlations, rng = rng.spawn(3)
    common = drift.standard_normal((draws, 1))
    parts = [values[:, :first]] if first else []
    parts += [values] if first < values.shape[1] else []
    noise = [_launch_noise(part, common, c, r, draws, most_sd) for part, c, r in zip(
        parts, correlations.spawn(2), rng.spawn(2), strict=False
    )]  # fmt: skip
    whole = np.hstack([noise[0][:, :first], *(n[:, first:] for n in noise[1:])]) if first else noise[0]
    return np.asarray(np.nanmean(values, axis=0) + centred(whole))


def _launch_noise(
    values: Array,
    common: Array,
    chances: np.random.Generator,
    rng: np.random.Generator,
    draws: int,
    most_sd: float,
) -> Array:
    """(draws, K) around the means; `common` is the drift that all rows share."""
    values = values[~np.isnan(values).all(1)]
    counts = (~np.isnan(values)).sum(0)
    means = np.nanmean(values, axis=0)
    squares = np.nansum((values - means) ** 2, axis=0)
    variances = np.divide(squares, counts - 1, out=np.zeros(len(counts)), where=counts > 1)
    variances = np.where(variances > 1e-24, variances, 0.0)
    variances_of, own = rng.spawn(2)
    if not (variances > 0).any():
        constant = counts > 1
        sd = np.where(constant, 0.0, LAUNCH_SD / np.sqrt(counts))
        return np.asarray(sd * own.standard_normal((len(means), draws)).T)
    scale = np.sqrt(np.maximum(variances, 0.1 * variances.mean()))
    correlation = _correlation_draws((values - means) / scale, chances, draws)
    # Rows that drift together have correlated sample variances (by ρ²): K of them tell as much as K_eff.
    weight = 1 / (1 + (len(means) - 1) * float(np.square(correlation).mean()))
    dfs = np.where(variances > 0, counts - 1, 0)
    reach = LAUNCH_REACH if weight * dfs.sum() < FEW_DFS else 4.0
    variance = variance_draws(variances, dfs, variances_of, draws, weight, reach, most_sd**2)
    variance[:, (counts > 1) & (variances == 0)] = 0.0
    noise = np.sqrt(correlation) * common
    noise = noise + np.sqrt(1 - correlation) * own.standard_normal((len(means), draws)).T
    return np.asarray(noise * np.sqrt(variance / counts))


def _correlation_draws(standardised: Array, rng: np.random.Generator, draws: int) -> Array:
    """Draws of the correlation between rows within a round; (draws, 1).

    Over complete rows, round means have variance (1 + (K−1)ρ)/K and the rest 1 − ρ, so the ratio of
    their sums of squares is informative whatever the common scale.
    """
    complete = standardised[:, ~np.isnan(standardised).any(0)]
    rounds, rows = complete.shape
    if rounds < 2 or rows < 2:
        return np.zeros((draws, 1))
    round_means = complete.mean(1)
    between = rows * float(((round_means - round_means.mean()) ** 2).sum())
    within = float(((complete - complete.mean(0) - (round_means - round_means.mean())[:, None]) ** 2).sum())
    df_between, df_within = rounds - 1, (rounds - 1) * (rows - 1)
    top, rest = 1 + (rows - 1) * _CORRELATIONS, 1 - _CORRELATIONS
    total = between / top + within / rest
    log_weight = (
        -df_between / 2 * np.log(top)
        - df_within / 2 * np.log(rest)
        - (df_between + df_within) / 2 * np.log(total + 1e-300)
    )
    weight = np.exp(log_weight - log_weight.max())
    return rng.choice(_CORRELATIONS, size=(draws, 1), p=weight / weight.sum())
