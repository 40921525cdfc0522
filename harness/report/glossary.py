"""What the report's words mean: shown on hover or focus of a table's head, and listed at the page's end."""

from __future__ import annotations

import re
from collections.abc import Iterable

GLOSSARY: dict[str, str] = {
    "P(best)": "The probability, given the measurements, of being the best that keeps the limits.",
    "95 % interval": "A range made so that it holds the true value in 95 of 100 such studies.",
    "tie": "Variants that these measurements cannot tell apart well enough to choose between them.",
    "Pareto front": "The variants that no other beats in every metric that counts.",
    "variant": "A candidate on a runtime: what would be deployed.",
    "runtime": "The engine that runs a trained model: PyTorch, ONNX Runtime, scikit-learn.",
    "seed": "The number that a training's random choices start from; another seed is another training.",
    "serving round": "All variants served once more, each in a fresh process; latency varies over them.",
    "p50 latency": "The median time of an answer: half of the calls are faster.",
    "p90 latency": "The time within which 90 of 100 calls are answered.",
    "p99 latency": "The time within which 99 of 100 calls are answered.",
    "load within the limit": "The most requests per second of which 99 in 100 keep the limit on latency.",
    "offline throughput": "Examples per second when all of them are there at once.",
    "cold start": "In a fresh process: the time to load the model and its library and to answer once.",
    "cost per million": "USD for a million requests at the suite's traffic and price.",
    "cost per month": "USD for 730 hours of the machines that traffic needs, and what decision.costs adds.",
    "accuracy": "The share of examples that are answered right.",
    "balanced accuracy": "The mean over classes of the share found of each: rare classes count as much.",
    "F1 (macro)": "The harmonic mean of precision and recall, averaged over classes.",
    "precision": "Of what was said to be of a class, the share that is.",
    "recall": "Of what is of a class, the share that was found.",
    "ROC AUC": "The probability that a positive example is ranked above a negative one.",
    "PR AUC": "The mean precision over all shares of positives found (average precision).",
    "log loss": "The mean surprise at the right answer, in nats: 0 for one who is certain and right.",
    "calibration error": "ECE: the mean gap between the stated confidence and the share that was right.",
    "Brier score": "The mean squared error of the probabilities.",
    "R²": "The share of the target's variance that is explained; 0 for the mean as answer.",
    "mean absolute error": "How far off an answer is on average.",
    "NDCG": "How high the wanted items stand in a list; 1 when they are all at its top.",
    "recall@100": "The share of a user's wanted items among the first 100.",
    "MRR": "The mean of one over the place of the first wanted item.",
    "catalogue coverage": "The share of the items that anybody is shown.",
    "click-through rate": "Clicks per item shown.",
    "expected regret": "How much the choice is expected to lose to the best there is.",
    "McNemar": "A test whether two models err equally often on the same examples.",
    "Holm": "A correction for asking many questions of the same data.",
    "open loop": "Requests come at their own times, whether or not earlier ones were answered.",
    "int8": "Weights and activations as 8-bit whole numbers: smaller, often faster, sometimes less accurate.",
}


LISTS = {
    "precision": "The share of the first {} items that a user wants.",
    "recall": "The share of a user's wanted items among the first {}.",
}
"""What words of classes mean of a list's first K."""


def meaning(title: str) -> str:
    """What a heading's term means; empty for words that need no explanation. `NDCG@10` is `NDCG`."""
    known = {name.lower(): words for name, words in GLOSSARY.items()}
    title = title.lower()
    stem, _, first = (part.strip() for part in title.partition("@"))
    if first and stem in LISTS:
        return LISTS[stem].format(first)
    return known.get(title) or known.get(stem, "")


def terms_in(pages: Iterable[str]) -> dict[str, str]:
    """The terms that occur in these sections' texts, alphabetically."""
    words = re.sub(r"<svg.*?</svg>|<[^>]+>", " ", " ".join(pages), flags=re.DOTALL).lower()
    found = {
        name: said
        for name, said in GLOSSARY.items()
        if re.search(rf"(?<![a-z]){re.escape(name.lower())}(?![a-z{'@' if name in LISTS else ''}])", words)
    }
    return dict(sorted(found.items(), key=lambda item: item[0].lower()))
