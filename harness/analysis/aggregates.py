"""Scores per example for what is no plain mean over independent examples: rows that come in groups, areas
under curves with few positives, calibration errors that are too high because examples are few."""

from __future__ import annotations

import numpy as np

from harness.analysis.clusters import by_group
from harness.analysis.stats import Array, delong_components, t_quantile
from harness.kinds.quality import reliability

FEWEST = 5
"""Examples of a class below which an area under a curve has no interval."""

FEWEST_FOR_CALIBRATION = 1000
"""Examples below which a calibration error has no interval: of the few that would stand clear of noise on 300
examples, three in ten held the truth."""
CLEAR_OF_NOISE = 3.0
"""How many times what a perfectly calibrated model would show a calibration error must be for an interval."""


def rows_of_one(values: Array, groups: Array | None) -> float:
    """How many rows tell as much as one independent row does: 1 where each is its own, up to the size of the
    groups where rows of one are all alike (the design effect of the mean), also where all rows are: that all
    are right tells no more than as many groups do.

    Args:
        values: (n,) per example. groups: (n,) whose each example is.
    """
    if groups is None or not len(values):
        return 1.0
    if not (variance := float(np.var(values))):
        return len(values) / len(np.unique(groups))
    means = by_group(values, groups)
    if len(means) < 2:
        return float(len(values))
    return max(1.0, float(means.var(ddof=1)) / len(means) / (variance / len(values)))


APART = "one class lies wholly beyond the other"
TOGETHER = "all examples of one class lie at one place among those of the other"
"""Why placements show no spread: an area of 1 (or 0), and any other."""


def auc_components(scores: Array, positive: Array) -> tuple[Array, str]:
    """DeLong's components, as wide as so few positives (or negatives) leave it open; and why they allow no
    interval.

    With m of a class its part of the variance has m − 1 degrees of freedom, and m placements near the end of
    the scale seldom show their spread: it is as wide as a t interval asks for, and no smaller than that of
    two exponentials of this area (Hanley and McNeil 1982), of an area drawn in from 1.
    """
    parts = delong_components(scores, positive)
    area, count = float(parts.mean()), len(parts)
    least = int(min(positive.sum(), count - positive.sum()))
    if least < FEWEST:
        return parts, f"not estimable ({least} examples of one class)"
    result = parts.copy()
    for mask in (positive, ~positive):
        m = int(mask.sum())
        deviation = (parts[mask] - area) * m / count  # of the placements
        seen = float(deviation.var(ddof=1))
        drawn_in = (area * m + 1) / (m + 2)
        expected = _placement_variance(drawn_in, mask is positive)
        if seen == 0:
            return parts, f"not estimable ({APART if np.isclose(area, (0.0, 1.0)).any() else TOGETHER})"
        # What m placements must show to be believed: at many, what they do.
        wanted = (
            max(seen, expected / (1 + m / 500)) * (t_quantile(0.975, m - 1) / t_quantile(0.975, np.inf)) ** 2
        )
        result[mask] = area + (parts[mask] - area) * np.sqrt(wanted / seen)
    return result - result.mean() + area, ""


def _placement_variance(area: float, of_positives: bool) -> float:
    """Of the placements of one class among the other, for exponential scores with this area."""
    both = area / (2 - area) if of_positives else 2 * area**2 / (1 + area)
    return max(both - area**2, 0.0)


def calibration_correction(probabilities: Array, targets: Array) -> tuple[float, str]:
    """What to add to an expected calibration error for the number of examples; and why it has no interval.

    A bin's |confidence − accuracy| is a folded normal: it is above zero also where both agree. Each bin's gap
    is drawn in to the one of which the seen one is the mean.
    """
    from scipy.special import ndtr

    counts, confidence, accuracy = reliability(probabilities, targets)
    used = counts > 0
    share, gap = counts[used] / counts.sum(), np.abs(confidence[used] - accuracy[used])
    p = (accuracy[used] * counts[used] + confidence[used]) / (counts[used] + 1)
    error = np.sqrt(np.maximum(p * (1 - p), 1e-12) / counts[used])
    grid = np.linspace(0, 6, 601)
    folded = np.sqrt(2 / np.pi) * np.exp(-(grid**2) / 2) + grid * (1 - 2 * ndtr(-grid))
    ratio = gap / error
    true = np.where(ratio > 5, ratio, np.interp(ratio, folded, grid))
    shown_by_none = float((share * error).sum() * folded[0])
    seen = float((share * gap).sum())
    why = ""
    if counts.sum() < FEWEST_FOR_CALIBRATION or seen < CLEAR_OF_NOISE * shown_by_none:
        why = (
            f"not estimable (a perfectly calibrated model would show {shown_by_none:.2g} on so few examples)"
        )
    return float((share * true * error).sum()) - seen, why


def average_precision_parts(outputs: Array, targets: Array, parts: Array, whole: float) -> Array | None:
    """`pseudo_values` of average precision to the last digit, with one sorting of each class for all parts.

    Args:
        outputs: (n, k) probabilities. targets: (n,). parts: (n,) the part of each example. whole: of all.
    """
    count, k = int(parts.max()) + 1 if len(parts) else 0, outputs.shape[1]
    if count < 2:
        return None
    found: list[list[float]] = [[] for _ in range(count)]
    for c in [1] if k == 2 else range(k):
        order = np.argsort(-outputs[:, c], kind="stable")
        scores, positive, part = outputs[order, c], targets[order] == c, parts[order]
        for g in range(count):
            kept = part != g
            if (own := positive[kept]).any():
                last_of_tie = np.append(np.diff(scores[kept]) != 0, True)
                hits = np.cumsum(own)[last_of_tie]
                precision = hits / (np.flatnonzero(last_of_tie) + 1)
                found[g].append(float((np.diff(hits, prepend=0) * precision).sum() / hits[-1]))
    if not all(found):
        return None
    return count * whole - (count - 1) * np.array([float(np.mean(each)) for each in found])
