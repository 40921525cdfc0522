"""Statistics as pure functions: arrays in, numbers out, generators passed in.

The unit of statistics is the seed for quality and the launch for latency, never the single call;
test examples are shared by all variants, so differences are paired over them. Formulas and their
measured calibration: `tests/test_analysis_calibration.py`, `benchmarks/calibration.py`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from harness.analysis.seed_noise import Seeds, posterior_t

Array = np.ndarray

DRAWS = 4000
"""Joint draws behind every probability: a Monte Carlo error of at most 0.008."""


def num_draws(racing: int, rows: int = 0) -> int:
    """Draws for a table with so many rows in the race: fewer above 40, and where there are very many others;
    500 at least (an error of at most 0.022)."""
    return max(500, min(DRAWS, 40 * DRAWS // max(racing, 1), 500 * DRAWS // max(rows, 1)))


@dataclass(frozen=True)
class Interval:
    """A t interval. `df` is infinite for a normal one; `low`, `high` are NaN without a variance."""

    value: float
    low: float
    high: float
    se: float
    df: float


def t_quantile(probability: float, df: float) -> float:
    """Quantile of Student's t; `df` of infinity gives the normal one."""
    from scipy.special import ndtri, stdtrit

    return float(ndtri(probability) if np.isinf(df) else stdtrit(df, probability))


def t_tail(t: float, df: float) -> float:
    """Two-sided p-value of a t statistic."""
    from scipy.special import ndtr, stdtr

    return float(2 * (ndtr(-abs(t)) if np.isinf(df) else stdtr(df, -abs(t))))


def t_interval(value: float, se: float, df: float, level: float = 0.95) -> Interval:
    """`value ± t·se`; NaN ends when there is no degree of freedom."""
    if not df > 0:
        return Interval(value, np.nan, np.nan, se, df)
    half = t_quantile(0.5 + level / 2, df) * se
    return Interval(value, value - half, value + half, se, df)


def wilson(share: float, count: int) -> tuple[float, float]:
    """The 95 % Wilson interval of a share of `count` examples."""
    if count < 1:
        return 0.0, 1.0
    z2 = 1.959964**2
    centre = (share + z2 / (2 * count)) / (1 + z2 / count)
    half = math.sqrt(z2) * math.sqrt(share * (1 - share) / count + z2 / (4 * count**2)) / (1 + z2 / count)
    return max(0.0, centre - half), min(1.0, centre + half)


# ---------------------------------------------------------------------------------- two-way


@dataclass(frozen=True)
class ByExamples:
    """How far a mean varies with the test examples: its variance, and the degrees of freedom of that."""

    variance: float
    df: float


@dataclass(frozen=True)
class TwoWay:
    """Variance parts of the mean of a (seeds, examples) table of scores.

    Args:
        examples: variance of the mean due to which examples were drawn (contains residual / S).
        between, residual: variance between the seeds' means, and what the examples put into it.
        num_seeds, num_examples: S and N.
    """

    mean: float
    examples: float
    between: float
    residual: float
    num_seeds: int
    num_examples: int

    @property
    def seeds(self) -> float:
        """Variance of the mean due to which seeds were drawn, residual removed, at least 0."""
        return max(self.between - self.residual, 0.0) / self.num_seeds


def two_way_parts(scores: Array) -> TwoWay:
    """Split the variance of a mean score into examples and seeds.

    Args:
        scores: (S, N) per-example scores.
    """
    scores = np.asarray(scores, dtype=float)
    num_seeds, num_examples = scores.shape
    examples = float(scores.mean(0).var(ddof=1)) / num_examples if num_examples > 1 else 0.0
    between = float(scores.mean(1).var(ddof=1)) if num_seeds > 1 else 0.0
    # Float summation leaves 1e-34 where all seeds agree; such a candidate does not vary at all.
    between = between if between > 1e-24 else 0.0
    several = min(scores.shape) > 1
    residual = float(scores.var(0, ddof=1).mean()) / num_examples if several else 0.0
    return TwoWay(float(scores.mean()), examples, between, residual, num_seeds, num_examples)


def two_way_interval(scores: Array, level: float = 0.95) -> Interval:
    """Interval for the mean score of one variant over new seeds and new examples.

    With one seed it holds over examples only: a claim about this checkpoint.

    Args:
        scores: (S, N).
    """
    parts = two_way_parts(scores)
    se, df = _satterthwaite(ByExamples(parts.examples, parts.num_examples - 1), parts)
    return t_interval(parts.mean, se, df, level)


def two_way_difference(
    a: Array,
    b: Array,
    paired_seeds: bool = False,
    level: float = 0.95,
    by_examples: ByExamples | None = None,
) -> Interval:
    """Difference of quality A − B between two architectures, paired over the same test examples.

        V_ex = var_i(mean_s A − mean_s B) / N
        V    = V_ex + max(τ_A² − R_A, 0) / S_A + max(τ_B² − R_B, 0) / S_B

    over what the variances τ² between seeds may be, as in the trade-off table (`analysis.seed_noise`).
    Equal candidates are told apart in .01–.05 at nominal 0.05 (binomial on one run .12–.83, bootstrap over
    examples .23–.85). One seed: the claim is about these two checkpoints.

    Args:
        a, b: (S_a, N), (S_b, N), column i is the same test example.
        paired_seeds: A and B are the same fitted models on two runtimes: seed s pairs with seed s.
        by_examples: instead of V_ex, where columns do not all weigh the same.
    Raises:
        ValueError: the examples (or paired seeds) do not match.
    """
    a, b = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    if a.shape[1] != b.shape[1]:
        raise ValueError(f"not the same test examples: {a.shape[1]} and {b.shape[1]}")
    if paired_seeds:
        if a.shape != b.shape:
            raise ValueError(f"not the same seeds: {a.shape[0]} and {b.shape[0]}")
        return two_way_interval(a - b, level)
    delta = a.mean(0) - b.mean(0)
    examples = by_examples or _equal_examples(delta)
    parts_a, parts_b = two_way_parts(a), two_way_parts(b)
    se, df = _noise_of(examples, parts_a, parts_b, level)
    return t_interval(parts_a.mean - parts_b.mean, se, df, level)


def _equal_examples(values: Array) -> ByExamples:
    return ByExamples(float(values.var(ddof=1)) / len(values) if len(values) > 1 else 0.0, len(values) - 1)


def _noise_of(examples: ByExamples, a: TwoWay, b: TwoWay, level: float) -> tuple[float, float]:
    """Standard error and degrees of freedom of a difference."""
    if not (a.between and b.between):
        return _satterthwaite(examples, a, b)
    sides = [Seeds(side.between, side.residual, side.num_seeds) for side in (a, b)]
    se, df = posterior_t(examples.variance, sides, level)
    # Few examples do not know their own variance either.
    few, many = (t_quantile(0.5 + level / 2, n) for n in (max(examples.df, 1), np.inf))
    return se * few / many, df


def _satterthwaite(examples: ByExamples, *parts: TwoWay) -> tuple[float, float]:
    """Standard error and degrees of freedom of a sum of variances; infinite where nothing varies.

    Seeds count by their variance before the residual is removed: what is left may be small by chance, and
    claimed more freedom than so few seeds have (3 seeds: intervals covered .88). No sum has less than its
    parts.
    """
    total = examples.variance + sum(p.seeds for p in parts)
    varying = [p for p in parts if p.between]
    spread = examples.variance**2 / max(examples.df, 1)
    spread += sum((p.between / p.num_seeds) ** 2 / (p.num_seeds - 1) for p in varying)
    if total == 0 or spread == 0:
        return float(np.sqrt(total)), np.inf
    least = min([p.num_seeds - 1 for p in varying], default=0)
    return float(np.sqrt(total)), max(float(total**2 / spread), least)


def welch_difference(a: Array, b: Array, level: float = 0.95) -> Interval:
    """Welch's t over seeds, for metrics that exist only as an aggregate (coverage .92–.97).

    Args:
        a, b: (S_a,), (S_b,) one value per seed. Fewer than two of either: NaN ends.
    """
    a, b = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    value = float(a.mean() - b.mean())
    if min(len(a), len(b)) < 2:
        return Interval(value, np.nan, np.nan, np.nan, 0)
    va, vb = a.var(ddof=1) / len(a), b.var(ddof=1) / len(b)
    if va + vb == 0:
        return Interval(value, value, value, 0.0, np.inf)
    df = (va + vb) ** 2 / (va**2 / (len(a) - 1) + vb**2 / (len(b) - 1))
    return t_interval(value, float(np.sqrt(va + vb)), float(df), level)


# ---------------------------------------------------------------------------------- launches


def launch_interval(values: Array, level: float = 0.95) -> Interval:
    """Interval for a latency percentile over launches: t on the log, back on the scale of the data.

    Calls within a launch are correlated, so the launch is the unit. Covers 95–96 % where an interval
    from pooled calls covers 37–51 %. `se` and `df` are on the log scale; the value is the geometric
    mean.

    Args:
        values: (launches,) positive. One launch: NaN ends.
    """
    return _exp(_mean_interval(np.log(np.asarray(values, dtype=float)), level))


def launch_ratio(a: Array, b: Array, level: float = 0.95) -> Interval:
    """Ratio A / B of a latency, paired over rounds (slow drift of the machine hits both alike).

    Args:
        a, b: (rounds,) positive, the same rounds in the same order.
    """
    return _exp(_mean_interval(np.log(np.asarray(a, float)) - np.log(np.asarray(b, float)), level))


def _mean_interval(x: Array, level: float) -> Interval:
    if len(x) < 2:
        return Interval(float(x.mean()), np.nan, np.nan, np.nan, 0)
    return t_interval(float(x.mean()), float(x.std(ddof=1) / np.sqrt(len(x))), len(x) - 1, level)


def _exp(interval: Interval) -> Interval:
    value, low, high = np.exp([interval.value, interval.low, interval.high])
    return Interval(float(value), float(low), float(high), interval.se, interval.df)


# ---------------------------------------------------------------------------------- aggregates


def delong_components(scores: Array, positive: Array) -> Array:
    """Per-example values whose mean is the AUC and whose variance over N is DeLong's.

    Args:
        scores: (N,) higher means more likely positive. positive: (N,) bool.
    Returns:
        (N,). With them the two-way formulas hold for AUC: coverage .944–.965 (plain DeLong .62–.90).
    Raises:
        ValueError: only one class is present.
    """
    scores, positive = np.asarray(scores, dtype=float), np.asarray(positive, dtype=bool)
    m, n = int(positive.sum()), int((~positive).sum())
    if m == 0 or n == 0:
        raise ValueError("AUC needs positive and negative examples; one class is missing")
    pos, neg = scores[positive], scores[~positive]
    above_neg = (_share_below(neg, pos, "left") + _share_below(neg, pos, "right")) / 2
    below_pos = 1 - (_share_below(pos, neg, "left") + _share_below(pos, neg, "right")) / 2
    auc = above_neg.mean()
    parts = np.empty(len(scores))
    parts[positive] = auc + (m + n) / m * (above_neg - auc)
    parts[~positive] = auc + (m + n) / n * (below_pos - auc)
    return parts


def _share_below(sample: Array, at: Array, side: Literal["left", "right"]) -> Array:
    return np.asarray(np.searchsorted(np.sort(sample), at, side=side) / len(sample))


# ---------------------------------------------------------------------------------- decisions


def row_quantiles(rows: Array, probabilities: Sequence[float]) -> Array:
    """Quantiles of each row: what `np.quantile(rows, probabilities, axis=1)` gives, in a sixth of its time at
    600 rows of 500 draws (sorting is vectorised, selecting several places is not).

    Args:
        rows: (rows, draws); a row with a NaN has no quantile.
    Returns:
        (len(probabilities), rows).
    """
    ordered = np.sort(rows, axis=1)
    result = np.empty((len(probabilities), len(rows)))
    for number, probability in enumerate(probabilities):
        place = probability * (rows.shape[1] - 1)
        low = min(int(place), max(rows.shape[1] - 2, 0))
        part = place - low
        a, b = ordered[:, low], ordered[:, min(low + 1, rows.shape[1] - 1)]
        result[number] = a + (b - a) * part if part < 0.5 else b - (b - a) * (1 - part)
    result[:, np.isnan(ordered[:, -1])] = np.nan
    return result


def holm(p_values: Sequence[float]) -> Array:
    """Holm's adjusted p-values: compare them with the family's error rate.

    Args:
        p_values: (tests,).
    Returns:
        (tests,) in the order given.
    """
    p = np.asarray(p_values, dtype=float)
    order = np.argsort(p)
    adjusted = np.maximum.accumulate(p[order] * (len(p) - np.arange(len(p))))
    result = np.empty(len(p))
    result[order] = np.minimum(adjusted, 1.0)
    return result


def decimals_for(half_width: float) -> int:
    """How many decimals an uncertainty of `half_width` justifies (negative: round to tens and so on).

    One digit of the uncertainty is kept, two where it starts with a 1: 0.894 ± 0.005, 3.14 ± 0.12.
    """
    if not half_width > 0 or not math.isfinite(half_width):
        return 6
    exponent = math.floor(math.log10(half_width))
    leading = half_width / 10**exponent
    return max(-9, min(6, -exponent + (1 if leading < 1.95 else 0)))


def beyond(value: float, today: float, digits: int) -> float:
    """A switch point with so many digits, rounded away from today's figure: who asks with it gets the answer
    that is said to follow."""
    if not value or not math.isfinite(value):
        return value
    step = 10.0 ** (math.floor(math.log10(abs(value))) + 1 - digits)
    steps = value / step
    whole = math.floor(steps + 1e-6) if value < today else math.ceil(steps - 1e-6)
    return float(f"{whole * step:.{digits}g}")
