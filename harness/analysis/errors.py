"""Where classifiers err: slices of the examples, the worst answers, what two candidates disagree on,
and what a temperature or another threshold would change.

All functions are of arrays aligned by example: probabilities (n, k), targets (n,) int64, texts (n,).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from harness.analysis.stats import Array

NEGATION = re.compile(
    r"\b(?:not|no|never|nothing|nobody|none|nor|neither|without|hardly|cannot|\w+n['’]t)\b", re.I
)
CONTRAST = re.compile(r"\b(?:but|although|though|however|yet|despite|while|instead)\b", re.I)
LENGTHS = (10, 20, 30)
"""Words at which slices by length begin: up to 10, 11 to 20, 21 to 30, more."""
MIN_SLICE = 20
"""A share of fewer examples says nothing."""
MOST_VALUES = 6
"""A column of the user's own with more different values is cut into quarters, or left out."""
DOUBTFUL = 0.2
"""A label that all candidates miss, and give less than this on average, may itself be wrong."""
TEMPERATURES = (0.05, 20.0)


def text_tags(text: str) -> tuple[str, ...]:
    """What of a sentence makes its mood hard to tell: negation, contrast, question."""
    found = {"negation": NEGATION.search(text), "contrast": CONTRAST.search(text), "question": "?" in text}
    return tuple(name for name, seen in found.items() if seen)


def text_slices(texts: Sequence[str]) -> dict[str, Array]:
    """Name of a slice → mask (n,): with and without each tag, and by length in words."""
    tags = [text_tags(text) for text in texts]
    words = np.array([len(text.split()) for text in texts])
    slices: dict[str, Array] = {}
    for tag in ("negation", "contrast", "question"):
        mask = np.array([tag in t for t in tags], dtype=bool)
        slices |= {tag: mask, f"no {tag}": ~mask}
    edges = [0, *LENGTHS, np.inf]
    for low, high in pairwise(edges):
        name = f"more than {low:.0f} words" if high == np.inf else f"{low + 1:.0f} to {high:.0f} words"
        slices[name] = (words > low) & (words <= high)
    return slices


def column_slices(columns: Mapping[str, Array]) -> dict[str, Array]:
    """Name of a slice → mask, for columns of the data: each value, or quarters of a number."""
    slices: dict[str, Array] = {}
    for name, values in columns.items():
        kinds = np.unique(values.astype(str))
        if len(kinds) <= MOST_VALUES:
            slices |= {f"{name} = {kind}": values.astype(str) == kind for kind in kinds}
        elif np.issubdtype(values.dtype, np.number) and np.isfinite(values).all():
            edges = np.quantile(values, [0.25, 0.5, 0.75])
            quarter = np.searchsorted(edges, values, side="right")
            slices |= {f"{name}, quarter {q + 1} of 4": quarter == q for q in range(4)}
    return slices


def large_enough(slices: Mapping[str, Array]) -> dict[str, Array]:
    """The slices that are neither too small to say anything nor all the examples."""
    return {n: m for n, m in slices.items() if m.sum() >= MIN_SLICE and not m.all()}


def right_share(probabilities: Array, targets: Array) -> Array:
    """(n,) probability given to the true class."""
    share: Array = probabilities[np.arange(len(targets)), targets]
    return share


def worst_errors(probabilities: Array, targets: Array, most: int = 10) -> Array:
    """Rows of the wrong answers that were surest of themselves, the surest first."""
    wrong = np.flatnonzero(probabilities.argmax(1) != targets)
    order = np.argsort(-probabilities[wrong].max(1), kind="stable")
    return wrong[order][:most]


def doubtful_labels(answers: Sequence[Array], targets: Array) -> Array:
    """(n,) whether all candidates agree against the label, and clearly: it may be wrong.

    Args:
        answers: probabilities of two or more candidates; of one nothing is doubtful.
    """
    if len(answers) < 2:
        return np.zeros(len(targets), dtype=bool)
    all_wrong = np.all([p.argmax(1) != targets for p in answers], axis=0)
    mean = np.mean([right_share(p, targets) for p in answers], axis=0)
    return np.asarray(all_wrong & (mean < DOUBTFUL))


@dataclass(frozen=True)
class Disagreement:
    """Two candidates on the same examples.

    Args:
        only_first, only_second: rows that one has right and the other wrong, the clearest first.
        p_value: McNemar's exact test that both err equally often.
    """

    only_first: Array
    only_second: Array
    p_value: float


def compare_answers(first: Array, second: Array, targets: Array) -> Disagreement:
    """Which of two candidates is right where they differ.

    Source: Q. McNemar, Note on the sampling error of the difference between correlated proportions
    or percentages, 1947; exact, by the binomial distribution.
    """
    from scipy.stats import binomtest

    right, also = first.argmax(1) == targets, second.argmax(1) == targets
    gap = right_share(first, targets) - right_share(second, targets)
    only_first, only_second = np.flatnonzero(right & ~also), np.flatnonzero(also & ~right)
    only_first = only_first[np.argsort(-gap[only_first], kind="stable")]
    only_second = only_second[np.argsort(gap[only_second], kind="stable")]
    total = len(only_first) + len(only_second)
    p_value = float(binomtest(len(only_first), total, 0.5).pvalue) if total else 1.0
    return Disagreement(only_first, only_second, p_value)


def at_temperature(probabilities: Array, temperature: float) -> Array:
    """Probabilities whose logits were divided by the temperature: above 1 less sure, below 1 surer."""
    logits = np.log(np.clip(probabilities.astype(float), 1e-12, None)) / temperature
    raised = np.exp(logits - logits.max(1, keepdims=True))
    return np.asarray(raised / raised.sum(1, keepdims=True))


def fit_temperature(probabilities: Array, targets: Array) -> float:
    """The temperature with the lowest log loss; to be fitted on validation answers, never on the test part.

    Source: C. Guo et al., On Calibration of Modern Neural Networks, ICML 2017.
    """
    from scipy.optimize import minimize_scalar

    def loss(log_temperature: float) -> float:
        share = right_share(at_temperature(probabilities, float(np.exp(log_temperature))), targets)
        return float(-np.log(np.clip(share, 1e-12, None)).mean())

    found = minimize_scalar(loss, bounds=tuple(np.log(TEMPERATURES)), method="bounded")
    return float(np.exp(found.x))


def f1_at(positive: Array, targets: Array, threshold: float) -> float:
    """F1 of class 1 where probabilities (n,) at or above the threshold count as class 1; 0 without any."""
    said = positive >= threshold
    hits = int((said & (targets == 1)).sum())
    total = int(said.sum()) + int((targets == 1).sum())
    return 2 * hits / total if total else 0.0


def best_threshold(positive: Array, targets: Array) -> float:
    """The threshold with the highest F1 of class 1, between two answers; of equals the nearest to 0.5."""
    order = np.argsort(-positive, kind="stable")
    values = positive[order].astype(float)
    last_of_tie = np.append(np.diff(values) != 0, True)
    hits = np.cumsum(targets[order] == 1)[last_of_tie]
    said = np.flatnonzero(last_of_tie) + 1
    f1 = 2 * hits / np.maximum(1, said + int((targets == 1).sum()))
    cuts = values[last_of_tie]
    thresholds = (cuts + np.append(cuts[1:], 0.0)) / 2
    best = np.flatnonzero(f1 >= f1.max() - 1e-12)
    return float(thresholds[best[np.argmin(np.abs(thresholds[best] - 0.5))]])
