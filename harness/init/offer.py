"""Which candidates, metric and limits suit what was seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from harness.codec import Json, JsonObject
from harness.datasets.cuts import cuts_of
from harness.init.builders import Builder
from harness.init.look import Seen
from harness.planning.notes import HALF

SEVERAL = 10.0
"""The commonest class has more than so many times the rows of the rarest: accuracy would not see that one."""
SEVERAL_OF_TWO = 4.0
"""Of 12 % with an AUC of .81 nobody is right more often than who always says the other one."""
WORTH = 1.5
"""So many times what chance has is worth shipping at all."""
EASE_ITEMS = 5000
"""EASE keeps a matrix of items × items."""
TOWERS = 2000
"""Interactions from which a neural recommender has something to learn from."""


@dataclass(frozen=True)
class Offer:
    """One candidate.

    Args:
        value: what stands behind its name in the suite. about: a comment. network: its model reference
            where it is a network, whose speed can be tried. fixed: the user's own, or the baseline, which
            are never left out.
    """

    name: str
    value: JsonObject | str
    about: str
    network: str = ""
    args: JsonObject = field(default_factory=dict)
    fixed: bool = False


@dataclass(frozen=True)
class Goal:
    """What is decided by: `metric`, and the least of it where that is known.

    Args:
        verb: `maximize` or `minimize`.
        positive: of two classes the rare one, which curves and thresholds are about; empty elsewhere.
    """

    metric: str
    why: str
    floor: float | None = None
    positive: str = ""
    verb: str = "maximize"


def goal(seen: Seen) -> Goal:
    """The metric that suits the data."""
    if seen.task.name == "recommendation":
        return Goal("ndcg@10", "the hits among ten recommended items, the first counting most")
    if not seen.task.num_classes:
        # A tail that the latest rows lack by chance is in others: both cuts are asked.
        asked = [None, seen.split] if seen.split else [None]
        heavy = max(
            (cuts_of(seen.dataset, seen.args, split, 0) for split in asked), key=lambda cut: cut.share
        )
        if heavy.few and heavy.has_usual < HALF:  # else saying the usual value has the lowest
            why = f"R² would be about {heavy.few} of {heavy.rows:,} test rows, far from all others"
            return Goal("mae", why, verb="minimize")
        return Goal("r2", "the share of the variance that is explained; mae and mse are known too", 0.0)
    is_binary = seen.task.num_classes == 2
    if seen.imbalance > (SEVERAL_OF_TWO if is_binary else SEVERAL):
        rare = min(seen.counts, key=lambda name: seen.counts[name])
        why = f"{rare!r} is rare: accuracy would hardly see it"
        if is_binary:
            # What is called rare at a threshold of one half hardly ever is: balanced accuracy stays at .5.
            by_chance = seen.counts[rare] / sum(seen.counts.values())
            why += f", nor what is found at one threshold; by chance it is {by_chance:.2g}"
            return Goal("pr_auc", why, float(f"{WORTH * by_chance:.2g}"), rare)
        return Goal("balanced_accuracy", why, _above(1 / seen.task.num_classes))
    return Goal("accuracy", "the share of right answers", _above(seen.commonest))


def offers(seen: Seen, own: Sequence[Builder], side: int = 0) -> list[Offer]:
    """Candidates, the baseline and the user's own first, the costliest last.

    Args:
        side: of images in pixels.
    """
    mine = [
        Offer(b.name, {"model": b.reference}, "your own", b.reference if b.is_network else "", fixed=True)
        for b in own
    ]
    baseline, *others = _OFFERED[seen.task.name](seen, side)
    return [baseline, *mine, *(others[:1] if mine else others)]


def _above(share: float) -> float:
    """A limit a little above what answers without looking at the input."""
    return round(min(0.99, share + 0.1 * (1 - share)), 2)


def _images(seen: Seen, side: int) -> list[Offer]:
    patch = patch_of(side)
    vit = {"patch": patch, "dim": 48, "depth": 3}
    return [
        Offer("logistic", "sklearn:LogisticRegression", "always have a baseline", fixed=True),
        Offer("small_cnn", "small_cnn", "a small convolution network", "small_cnn"),
        Offer(
            "vit",
            {"model": "vit", "args": vit},
            f"a small vision transformer, {patch}×{patch} patches",
            "vit",
            vit,
        ),
        Offer(
            "resnet",
            {"model": "resnet", "args": {"width": 16}},
            "a residual network",
            "resnet",
            {"width": 16},
        ),
    ]


def patch_of(side: int) -> int:
    """The smallest patch that leaves at most 12 × 12 of them."""
    return next((p for p in range(2, side + 1) if side % p == 0 and side // p <= 12), side)


def _forest(kind: str, about: str) -> Offer:
    model = f"sklearn:RandomForest{kind}"
    return Offer("forest", {"model": model, "args": {"n_estimators": 100, "min_samples_leaf": 3}}, about)


def _classes(seen: Seen, side: int) -> list[Offer]:
    return [
        Offer("logistic", "sklearn:LogisticRegression", "always have a baseline", fixed=True),
        Offer("boosting", "sklearn:HistGradientBoostingClassifier", "boosted trees"),
        _forest("Classifier", "a hundred trees that vote"),
    ]


def _numbers(seen: Seen, side: int) -> list[Offer]:
    return [
        Offer("linear", "sklearn:Ridge", "always have a baseline", fixed=True),
        Offer("boosting", "sklearn:HistGradientBoostingRegressor", "boosted trees"),
        _forest("Regressor", "a hundred trees, averaged"),
    ]


def _texts(seen: Seen, side: int) -> list[Offer]:
    counted: JsonObject = {"C": 4.0, "max_iter": 300, "tfidf": {"ngram_range": [1, 2], "sublinear_tf": True}}
    words: JsonObject = {"model": "sklearn:LogisticRegression", "args": counted}
    return [
        Offer("tfidf", words, "counts words and pairs of words: hard to beat on few texts", fixed=True),
        Offer("bilstm", "bilstm", "reads from both ends", "bilstm"),
        Offer("transformer", "transformer_encoder", "attention, from scratch", "transformer_encoder"),
    ]


def _recommender(seen: Seen, side: int) -> list[Offer]:
    def retrieval(model: str, **more: Json) -> dict[str, Json]:
        return {"retrieval": {"model": model, **more}}

    found = [
        Offer("popularity", retrieval("popularity"), "what everybody likes: the baseline", fixed=True),
        Offer("item_knn", retrieval("item_knn"), "items that go together"),
    ]
    if seen.items <= EASE_ITEMS:
        found.append(Offer("ease", retrieval("ease"), "a linear model of items; strong on small catalogues"))
    if seen.train_rows >= TOWERS:
        towers = retrieval("two_tower", index="flat")
        found.append(Offer("two_tower", towers, "a network for users and one for items"))
    return found


_OFFERED = {
    "image_classification": _images,
    "text_classification": _texts,
    "tabular_classification": _classes,
    "tabular_regression": _numbers,
    "recommendation": _recommender,
}
