"""Answers of several labels at once: what they must be, what is kept of them, and how it is shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from harness.kinds.kind import OwnTable, Shown
from harness.kinds.multilabel.metrics import f1_of, outcomes, said
from harness.late import Late
from harness.protocols import AnswerKind, Task
from harness.streams import generator

if TYPE_CHECKING:
    import numpy as np

    from harness.facts import ScoreFacts
else:
    np = Late("numpy")

TOLERANCE = 0.01
"""How far outside of 0…1 a rounded probability may lie."""
DRAWS = 1000
"""Draws behind the interval of a label's figures."""


def check(predictions: np.ndarray, answers: AnswerKind) -> str:
    """Probabilities of labels lie in 0…1; they need not sum to 1."""
    low, high = float(predictions.min()), float(predictions.max())
    if low >= -TOLERANCE and high <= 1 + TOLERANCE:
        return ""
    return f"outputs are no probabilities: apply sigmoid (they lie between {low:.3g} and {high:.3g})"


def agreement(ours: np.ndarray, theirs: np.ndarray) -> float:
    """The share of examples that are given the same labels."""
    return float((said(ours) == said(theirs)).all(axis=1).mean())


def constant(targets: np.ndarray) -> np.ndarray:
    """(k,) the share of training examples that have each label."""
    return np.asarray(targets.mean(axis=0), dtype=np.float32)


def counts(targets: np.ndarray, _task: Task) -> np.ndarray:
    """(k,) examples that have each label."""
    return np.asarray(targets.sum(axis=0), dtype=np.int64)


def describe(
    facts: ScoreFacts, predictions: np.ndarray, targets: np.ndarray, task: Task, answers: AnswerKind
) -> ScoreFacts:
    """The facts with how often each label is rightly said, wrongly said and missed."""
    from harness.facts.scoring import LabelOutcomes

    found = outcomes(predictions, targets).tolist()
    return replace(
        facts,
        class_names=task.class_names,
        answers=answers,
        labels=tuple(LabelOutcomes(n, *counted) for n, counted in zip(task.class_names, found, strict=True)),
        labelled_examples=len(targets),
    )


def by_label(described: Mapping[str, Sequence[ScoreFacts]]) -> tuple[OwnTable, ...]:
    """The weakest label of each candidate, and of each a table of all labels; seeds taken together."""
    weakest, tables = [], []
    for rank, (candidate, facts) in enumerate(described.items()):
        told = [(f.labels, f.labelled_examples) for f in facts if f.labels and f.labelled_examples]
        if not told:
            continue
        names, examples = [label.name for label in told[0][0]], told[0][1]
        found = np.sum([[(one.hits, one.wrong, one.missed) for one in labels] for labels, _ in told], axis=0)
        rows = _rows(names, found, examples, len(told))
        worst = int(np.argmin(_where_there(f1_of(found), found)))
        weakest.append((Shown(candidate), *rows[worst]))
        caption = f"{candidate}: every label, seeds taken together."
        tables.append(OwnTable(_HEAD, rows, caption, f"Labels of {candidate}" if rank else ""))
    head = (("candidate", "name"), ("weakest label", "name"), *_HEAD[1:])
    return (OwnTable(head, tuple(weakest)), *tables) if tables else ()


_HEAD = (
    ("label", "name"),
    ("F1", "fraction"),
    ("precision", "fraction"),
    ("recall", "fraction"),
    ("test examples", "count"),
)


def _where_there(scores: np.ndarray, found: np.ndarray) -> np.ndarray:
    """Scores of the labels that test examples have; others cannot be the weakest."""
    return np.where(found[:, 0] + found[:, 2] > 0, scores, np.inf)


def _rows(
    names: Sequence[str], found: np.ndarray, examples: int, seeds: int
) -> tuple[tuple[Shown, ...], ...]:
    """Of each label F1, precision and recall with intervals over test examples, as wide as those of one seed:
    seeds answer the same examples.

    Shares of right, wrong, missed and rightly withheld are drawn from their posterior (Dirichlet, Jeffreys'
    prior): 14 hits of 14 do not show that none is ever missed.
    """
    random = generator(0, "labels")
    rows = []
    for name, outcome in zip(names, found / seeds, strict=True):
        rest = max(examples - outcome.sum(), 0.0)
        drawn = random.dirichlet(np.append(outcome, rest) + 0.5, size=DRAWS)[:, :3]
        cells = [_shown(measure(outcome), measure(drawn)) for measure in (_f1, _precision, _recall)]
        rows.append((Shown(name), *cells, Shown(count=round(outcome[0] + outcome[2]))))
    return tuple(rows)


def _shown(value: np.ndarray, drawn: np.ndarray) -> Shown:
    if not np.isfinite(value):
        return Shown("not estimable")
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Shown(value=float(value), low=min(float(low), float(value)), high=max(float(high), float(value)))


def _f1(found: np.ndarray) -> np.ndarray:
    hits = 2 * found[..., 0]
    return _share(hits, hits + found[..., 1] + found[..., 2])


def _precision(found: np.ndarray) -> np.ndarray:
    return _share(found[..., 0], found[..., 0] + found[..., 1])


def _recall(found: np.ndarray) -> np.ndarray:
    return _share(found[..., 0], found[..., 0] + found[..., 2])


def _share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """NaN where there is nothing to be a share of."""
    return np.asarray(np.where(whole > 0, part / np.where(whole > 0, whole, 1), np.nan))
