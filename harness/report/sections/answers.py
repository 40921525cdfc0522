"""The candidates' answers to the same test examples, and the examples themselves: what the pages on errors
are made of.

One model stands for each candidate where probabilities are shown, that of the first seed, which is also the
one that is served; where shares are counted, all seeds are.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from harness.analysis import errors
from harness.analysis.predictions import Predictions, read_predictions
from harness.datasets.mapped import is_array
from harness.kinds import kind_of
from harness.protocols import Split
from harness.record import HarnessError
from harness.report.evidence import Evidence

log = logging.getLogger("harness")

MOST = 6
"""Candidates that are shown, the leading ones."""


@dataclass(frozen=True)
class ComparedAnswers:
    """The candidates' answers on the same test examples.

    Args:
        targets, ids: (n,).
        probabilities: candidate → (n, k) of the first seed. right: candidate → (seeds, n) bool.
        part: the test part in the same order, None where the data cannot be read here.
        training: the texts that the candidates learnt from, where the examples are texts.
        sure: the candidates that give probabilities; others rank, or only tell a class.
        positive: of two classes the one that thresholds and curves are about.
        groups: (n,) whose each example is, None where each is its own.
    """

    targets: np.ndarray
    ids: np.ndarray
    probabilities: Mapping[str, np.ndarray]
    right: Mapping[str, np.ndarray]
    part: Split | None = None
    training: tuple[str, ...] = ()
    sure: frozenset[str] = frozenset()
    positive: int = 1
    groups: np.ndarray | None = None

    @cached_property
    def known(self) -> Counter[str]:
        """Word → how many of the training texts have it."""
        return errors.texts_with(self.training)

    @property
    def classes(self) -> int:
        return int(next(iter(self.probabilities.values())).shape[1])

    @property
    def texts(self) -> list[str] | None:
        """The examples, where they are texts."""
        if self.part is None or not isinstance(self.part.inputs, list):
            return None
        return [str(value) for value in self.part.inputs]

    @property
    def images(self) -> np.ndarray | None:
        """The examples (n, channels, height, width) uint8, where they are images."""
        inputs = None if self.part is None else self.part.inputs
        if inputs is None or not is_array(inputs):
            return None
        return inputs if inputs.dtype == np.uint8 and inputs.ndim == 4 else None

    @property
    def best(self) -> str:
        """The candidate that is right most often."""
        return max(self.right, key=lambda candidate: float(self.right[candidate].mean()))


def answers_of(e: Evidence, with_examples: bool = False) -> ComparedAnswers | None:
    """The leading candidates' answers; None where the task has no classes or nothing is scored."""
    if kind_of(e.suite.task).targets != "classes":
        return None
    ids = targets = groups = None
    found: dict[str, np.ndarray] = {}
    right: dict[str, np.ndarray] = {}
    sure, positive = set(), 1
    for candidate in e.leading[:MOST]:
        several = [p for r in e.scored(candidate) if (p := sorted_answers(e.predictions(r))) is not None]
        if not several:
            continue
        if ids is None:
            ids, targets, groups = several[0].ids, several[0].targets.astype(int), several[0].groups
        same = [p.outputs for p in several if np.array_equal(ids, p.ids)]
        positive = several[0].positive
        if several[0].answers == "probabilities":
            sure.add(candidate)
        if same:
            found[candidate] = same[0]
            right[candidate] = np.stack([p.argmax(1) == targets for p in same])
    if ids is None or targets is None or not found:
        return None
    part, training = examples(e, ids) if with_examples else (None, ())
    return ComparedAnswers(targets, ids, found, right, part, training, frozenset(sure), positive, groups)


def sorted_answers(p: Predictions | None) -> Predictions | None:
    """Class probabilities in the order of their examples' ids; None where there are none."""
    if p is None or p.outputs.ndim != 2 or p.outputs.shape[1] < 2:
        return None
    order = np.argsort(p.ids, kind="stable")
    return p.rows(order)


def examples(e: Evidence, ids: np.ndarray) -> tuple[Split | None, tuple[str, ...]]:
    """The test examples with these ids, in this order, and the training texts; None and nothing where the
    data cannot be read here."""
    from harness.datasets.parts import load_parts
    from harness.datasets.splits import take

    data = next((r.trial.spec["data"] for r in e.of("score") if "data" in r.trial.spec), None)
    if data is None:
        return None, ()
    is_text = e.suite.task == "text_classification"
    try:
        parts = load_parts(data, e.headline_size, ("train", "test") if is_text else ("test",))
    except (HarnessError, OSError, KeyError) as error:
        log.info("the report shows no examples: %s", error)
        return None, ()
    test = parts.test
    order = np.argsort(test.ids, kind="stable")
    if not np.array_equal(test.ids[order], ids):
        return None, ()
    return take(test, order), tuple(map(str, parts.train.inputs)) if is_text else ()


def validation_answers(e: Evidence, candidate: str) -> tuple[np.ndarray, np.ndarray] | None:
    """Validation answers (m, k) of the first seed's model, and their targets; None without two classes."""
    records = e.scored(candidate)
    needs = records[0].trial.needs if records else ()
    try:
        p = read_predictions(e.run.read_bytes(f"trials/{needs[0]}/validation.parquet")) if needs else None
    except (OSError, KeyError, ValueError, HarnessError):
        return None
    if p is None or p.outputs.ndim != 2 or len(np.unique(p.targets)) < 2:
        return None
    return p.outputs, p.targets.astype(int)
