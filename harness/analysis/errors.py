"""Where classifiers err: slices of the examples, on which a candidate falls behind, the worst answers,
what two candidates disagree on, and what a temperature would change.

All functions are of arrays aligned by example: probabilities (n, k), targets (n,) int64, texts (n,).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from harness.analysis.clusters import against_the_rest, by_group
from harness.analysis.stats import Array, Interval, holm, t_tail, two_way_difference

NEGATION = re.compile(
    r"\b(?:not|no|never|nothing|nobody|none|nor|neither|without|hardly|cannot|\w+n['’]t)\b", re.I
)
SARCASM = re.compile(
    r"\b(?:as if|of course|so-called|yeah,? right|oh,|sure,|bravo|what a|if only)(?!\w)"
    r"|(?<!\w)[\"“‘]\w+[\"”’](?!\w)|\.\.\.|…|\?!|!\?",
    re.I,
)
"""What often goes with irony: scare quotes, dots, stock phrases. A marker, not a proof."""
CONTRAST = re.compile(r"\b(?:but|although|though|however|yet|despite|while|instead)\b", re.I)
TAGS = ("negation", "contrast", "question", "sarcasm marker")
RARE = 3
"""A word in fewer texts of the training part is rare: a model of words has hardly met it."""
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
    """What of a sentence makes its mood hard to tell, of `TAGS`."""
    found = {
        "negation": NEGATION.search(text),
        "contrast": CONTRAST.search(text),
        "question": "?" in text,
        "sarcasm marker": SARCASM.search(text),
    }
    return tuple(name for name, seen in found.items() if seen)


def texts_with(training: Iterable[str]) -> Counter[str]:
    """Word → how many texts of the training part have it."""
    from harness.models.encoding import words_of

    return Counter(word for text in training for word in set(words_of(text)))


def rare_words(text: str, known: Mapping[str, int]) -> tuple[str, ...]:
    """The words of a text that fewer than `RARE` training texts have, the rarest first.

    Args:
        known: from `texts_with`.
    """
    from harness.models.encoding import words_of

    rare = dict.fromkeys(word for word in words_of(text) if known.get(word, 0) < RARE and word.isalpha())
    return tuple(sorted(rare, key=lambda word: known.get(word, 0)))


def rare_word_slices(rare: Array) -> dict[str, Array]:
    """Name of a slice → mask (n,): by how many rare words a text has, in thirds as even as they go.

    Args:
        rare: (n,) how many.
    """
    edges = sorted({int(np.quantile(rare, q)) for q in (1 / 3, 2 / 3)}) if len(rare) else []
    slices: dict[str, Array] = {}
    for low, high in pairwise([-1, *edges, np.inf]):
        first = int(low) + 1
        if high == np.inf:
            name = f"{first} rare words or more" if first != 1 else "a rare word or more"
        else:
            last = int(high)
            name = "no rare word" if last == 0 else f"{first} to {last} rare words"
            name = name if first != last or last == 0 else f"{last} rare word{'s' if last > 1 else ''}"
        slices[name] = (rare > low) & (rare <= high)
    return slices


def text_slices(texts: Sequence[str]) -> dict[str, Array]:
    """Name of a slice → mask (n,): with each tag, and by length in words."""
    tags = [text_tags(text) for text in texts]
    words = np.array([len(text.split()) for text in texts])
    slices: dict[str, Array] = {}
    for tag in TAGS:
        mask = np.array([tag in t for t in tags], dtype=bool)
        slices[tag] = mask
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
            a, b, c = (f"{edge:.3g}".replace("-", "−") for edge in edges)
            names = (f"{name} below {a}", f"{name} {a} to {b}", f"{name} {b} to {c}", f"{name} from {c} up")
            slices |= {quarters: quarter == q for q, quarters in enumerate(names)}
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
class Gap:
    """How far one candidate is behind another on a slice.

    Args:
        shares: of the slice that each has right.
        inside, outside: difference of the shares right, on the slice and on all other examples.
        excess: inside − outside: whether this kind of example is what separates the two.
        p_value: that the excess is chance, adjusted for all slices asked (Holm).
    """

    name: str
    count: int
    shares: tuple[float, float]
    inside: Interval
    outside: Interval
    excess: Interval
    p_value: float


def by_unit(scores: Array, groups: Array | None, rows: Array | None = None) -> Array:
    """(seeds, units) of scores (seeds, n): of some examples, or where they come in groups of those."""
    if rows is not None:
        scores, groups = scores[:, rows], None if groups is None else groups[rows]
    if groups is None:
        return scores
    return np.stack([by_group(np.asarray(values, dtype=float), groups) for values in scores])


def gaps(first: Array, second: Array, slices: Mapping[str, Array], groups: Array | None = None) -> list[Gap]:
    """Slice by slice how much more often the first candidate is right, the widest excess behind first.

    Args:
        first, second: (seeds, n) whether each answer is right.
        slices: masks (n,); of two that complement each other only the first is asked.
        groups: (n,) whose each example is: those of one are one unit.
    """
    units = np.arange(first.shape[1]) if groups is None else groups
    asked = {
        name: mask
        for name, mask in _distinct(slices).items()
        if min(len(np.unique(units[rows])) for rows in (mask, ~mask)) > 1
    }
    found = []
    for name, mask in asked.items():
        shares = float(first[:, mask].mean()), float(second[:, mask].mean())
        inside, outside = (difference(first, second, groups, rows) for rows in (mask, ~mask))
        excess = _excess(first, second, mask, groups)
        p = t_tail(excess.value / excess.se, excess.df) if excess.se > 0 else float(excess.value == 0)
        found.append(Gap(name, int(mask.sum()), shares, inside, outside, excess, p))
    adjusted = holm([gap.p_value for gap in found])
    found = [replace(gap, p_value=float(p)) for gap, p in zip(found, adjusted, strict=True)]
    return sorted(found, key=lambda gap: gap.excess.value)


def difference(first: Array, second: Array, groups: Array | None, rows: Array | None = None) -> Interval:
    """How much higher the first candidate's scores (seeds, n) are, in the mean of all or of some examples."""
    return two_way_difference(by_unit(first, groups, rows), by_unit(second, groups, rows))


def _excess(first: Array, second: Array, mask: Array, groups: Array | None) -> Interval:
    """How much higher the first candidate's scores are on some examples than they are on all others."""
    apart = (first.mean(0) - second.mean(0)).astype(float)
    return two_way_difference(
        by_unit(_contrast(first, mask), groups),
        by_unit(_contrast(second, mask), groups),
        by_examples=against_the_rest(apart, mask, groups),
    )


def _distinct(slices: Mapping[str, Array]) -> dict[str, Array]:
    kept: dict[str, Array] = {}
    for name, mask in slices.items():
        if not any(np.array_equal(mask, ~other) or np.array_equal(mask, other) for other in kept.values()):
            kept[name] = mask
    return kept


def _contrast(right: Array, mask: Array) -> Array:
    """(seeds, n) scores whose mean is the share right inside less that outside, and whose variance over
    examples is that within the two parts alone."""
    scores = np.empty(right.shape)
    means = right[:, mask].mean(), right[:, ~mask].mean()
    for rows, mean, sign in ((mask, means[0], 1), (~mask, means[1], -1)):
        scores[:, rows] = sign * (right[:, rows] - mean) * (len(mask) / rows.sum())
    return np.asarray(scores + means[0] - means[1])


@dataclass(frozen=True)
class Disagreement:
    """Two candidates on the same examples.

    Args:
        only_first, only_second: rows that one has right and the other wrong, the clearest first.
        p_value: that both err equally often: McNemar's exact test, or of groups a t test over them.
    """

    only_first: Array
    only_second: Array
    p_value: float


def compare_answers(first: Array, second: Array, targets: Array, groups: Array | None = None) -> Disagreement:
    """Which of two candidates is right where they differ.

    Args:
        groups: (n,) whose each example is. Of 30 groups of ten that are answered alike, McNemar's test over
            the rows calls equals different in half of all cases.
    Source: Q. McNemar, Note on the sampling error of the difference between correlated proportions
    or percentages, 1947; exact, by the binomial distribution.
    """
    from scipy.special import bdtr  # scipy.stats takes 0.5 s to import

    right, also = first.argmax(1) == targets, second.argmax(1) == targets
    gap = right_share(first, targets) - right_share(second, targets)
    only_first, only_second = np.flatnonzero(right & ~also), np.flatnonzero(also & ~right)
    only_first = only_first[np.argsort(-gap[only_first], kind="stable")]
    only_second = only_second[np.argsort(gap[only_second], kind="stable")]
    total = len(only_first) + len(only_second)
    # Even odds are symmetric: both tails are as likely.
    p_value = min(1.0, 2 * float(bdtr(min(len(only_first), len(only_second)), total, 0.5)))
    if groups is not None and total:
        apart = difference(right[None].astype(float), also[None].astype(float), groups)
        p_value = t_tail(apart.value / apart.se, apart.df) if apart.se > 0 else float(apart.value == 0)
    return Disagreement(only_first, only_second, p_value)


def at_temperature(probabilities: Array, temperature: float) -> Array:
    """Probabilities whose logits were divided by the temperature: above 1 less sure, below 1 surer.

    What is 0 counts as the dtype's epsilon, as in the log loss: a temperature of 1 changes that of nobody.
    """
    least = np.finfo(probabilities.dtype).eps
    logits = np.log(np.clip(probabilities, least, None).astype(float)) / temperature
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
