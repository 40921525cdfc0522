"""The variant under test, as every scenario sees it: requests to send, answers to check."""

from __future__ import annotations

import importlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from typing import Any

import numpy as np

from harness.datasets.mapped import is_array
from harness.facts.serving import SentFacts
from harness.kinds import kind_of
from harness.protocols import Inputs, Predict
from harness.record import TrialError
from harness.serving import plain
from harness.serving.job import ServeJob, WorkerGroup
from harness.specification import Spec
from harness.streams import generator
from harness.tasks import task_module as trained_by

DISTINCT = 128
"""Distinct requests that are cycled through: enough that no cache answers, few enough to hold ready."""

MOST_SIGNS = 20
"""Signs to a word from which on blanks stand between clauses, as in Chinese: words are no measure then."""

FLOATS = (np.dtype("float32"), np.dtype("float64"))
"""Those of which BLAS takes products."""

MOST_ROWS = 65_536
"""Rows that are sent at all, in batches: of millions not even the order is held."""


@dataclass
class Subject:
    """A loaded variant with its requests.

    Args:
        predict: raw examples → answers.
        inputs: the raw test examples. order: their rows as they are sent; as they lie where it is empty.
        cold: `load_ms`, `first_call_ms`, `cold_start_ms` of this process.
        width: trailing shape of an answer, fixed by the first call.
        crew: the machine's workers, this process the first of them; None where there is one.
    """

    predict: Predict
    inputs: Inputs
    cold: Mapping[str, float]
    width: tuple[int, ...]
    seen: dict[int, list[Inputs]] = field(default_factory=dict)
    crew: WorkerGroup | None = None
    order: Sequence[int] = ()
    _rings: dict[int, Inputs] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not len(self.order):
            self.order = range(length(self.inputs))

    def requests(self, batch: int) -> list[Inputs]:
        """Requests of a batch size, cut before any clock runs."""
        if batch not in self.seen:
            total = len(self.order)
            starts = range(0, max(1, min(DISTINCT, total // batch)) * batch, batch)
            self.seen[batch] = [
                take(self.inputs, [self.order[(start + k) % total] for k in range(batch)]) for start in starts
            ]
        return self.seen[batch]

    def ring(self, longest: int) -> tuple[Inputs, int]:
        """The requests one after the other, so that any batch of up to `longest` is a piece of it, and how
        many requests there are: cut before any clock runs, as those of `requests` are.

        Picked from the inputs under load, a batch takes 15 to 45 µs of code that the network has driven from
        the caches, up to 6 % of a call.
        """
        total = len(self.requests(1))
        if longest not in self._rings:
            rows = [self.order[k % total] for k in range(total + longest - 1)]
            self._rings[longest] = take(self.inputs, rows)
        return self._rings[longest], total

    def check(self, answer: np.ndarray, batch: int) -> None:
        """Refuse an answer of the wrong shape or with NaN.

        Raises:
            TrialError: what is wrong with it.
        """
        expected = (batch, *self.width)
        if type(answer) is np.ndarray and answer.shape == expected and no_overflow(answer):
            return
        if np.shape(answer) != expected:
            raise TrialError(f"wrong shape: {np.shape(answer)} instead of {expected} for a batch of {batch}")
        if not finite(answer):
            raise TrialError(f"not finite: NaN or infinity in the answer to a batch of {batch}")


def load_subject(job: ServeJob, spec: Spec | None = None) -> Subject:
    """Load a variant and call it once, under the clock.

    Args:
        spec: another variant's specification, for a duel; the job's own by default.
    """
    spec = spec or job.spec
    module = task_module(spec)
    inputs = module.examples(spec)
    if not length(inputs):
        raise TrialError("there are no test examples to serve")
    order = order_of(inputs, generator(job.seed, "requests"))
    first = take(inputs, [order[0]])
    artifact = job.artifact_of(spec) or job.file("")
    start = time.perf_counter_ns()
    predict = module.load_variant(spec, artifact, job.threads, job.device)
    loaded = time.perf_counter_ns()
    answer = predict(first)
    done = time.perf_counter_ns()
    if not np.shape(answer) or len(answer) != 1:
        raise TrialError(
            f"wrong shape: {np.shape(answer)} for a batch of 1; the first axis must be the batch"
        )
    cold = {
        "load_ms": (loaded - start) / 1e6,
        "first_call_ms": (done - loaded) / 1e6,
        "cold_start_ms": (done - start) / 1e6,
    }
    subject = Subject(predict, inputs, cold, np.shape(answer)[1:], order=order)
    subject.check(answer, 1)
    return subject


def order_of(inputs: Inputs, rng: np.random.Generator) -> Sequence[int]:
    """The rows in the order in which they are sent, at random: files are sorted by class, date or length, and
    their first rows are not what users ask.

    Of texts, whose length is what a call takes, the first `DISTINCT` are of evenly spaced ranks of length: so
    many at random of usual lengths miss their mean by 8 % and their 99th percentile by 21 %.
    """
    total = length(inputs)
    drawn = rng.choice(total, min(total, MOST_ROWS), replace=False)
    if not are_texts(inputs) or total <= DISTINCT:
        return list(drawn.tolist())
    by_length = drawn[np.argsort([len(inputs[row]) for row in drawn], kind="stable")]
    ranks = ((np.arange(DISTINCT) + 0.5) * len(drawn) / DISTINCT).astype(int)
    first = by_length[rng.permutation(ranks)]
    return [*first.tolist(), *drawn[~np.isin(drawn, first)].tolist()]


def are_texts(inputs: Inputs) -> bool:
    return isinstance(inputs, list) and bool(inputs) and isinstance(inputs[0], str)


def sent_facts(subject: Subject) -> SentFacts:
    """What single requests are."""
    rows = subject.order[:DISTINCT]
    count, of = len(rows), length(subject.inputs)
    if are_texts(subject.inputs):
        texts = [subject.inputs[row] for row in rows]
        words, signs = ([float(size(text)) for text in texts] for size in (lambda t: len(t.split()), len))
        if sum(signs) > MOST_SIGNS * sum(words):
            return SentFacts(count, of, signs=_spread(signs))
        return SentFacts(count, of, words=_spread(words))
    shape = np.shape(subject.inputs)[1:] if is_array(subject.inputs) else ()
    return SentFacts(count, of, shape=tuple(shape))


def _spread(sizes: Sequence[float]) -> tuple[float, ...]:
    """The least, the middle one, the 99th percentile and the most."""
    return tuple(float(q) for q in np.quantile(sizes, [0, 0.5, 0.99, 1]))


def task_module(spec: Mapping[str, Any]) -> Any:
    """The module that loads the variant: the task's, or `subject` for models with a known truth."""
    if name := spec.get("subject"):
        return importlib.import_module(name)
    if kind_of(spec["task"]).pipeline == "supervised":
        return plain
    return trained_by(spec["task"])


def length(inputs: Inputs) -> int:
    """How many examples there are."""
    if isinstance(inputs, Mapping):
        return length(next(iter(inputs.values())))
    return len(inputs[0]) if isinstance(inputs, tuple) else len(inputs)


def take(inputs: Inputs, rows: Sequence[int]) -> Inputs:
    """Some examples, in the form that the inputs have."""
    if isinstance(inputs, Mapping):
        return {key: take(value, rows) for key, value in inputs.items()}
    if isinstance(inputs, tuple):
        return tuple(take(value, rows) for value in inputs)
    if is_array(inputs):
        return np.ascontiguousarray(inputs[list(rows)])
    if hasattr(inputs, "iloc"):
        return inputs.iloc[list(rows)]
    return [inputs[row] for row in rows]


def cut(inputs: Inputs, first: int, after: int) -> Inputs:
    """Neighbouring examples, without a copy where the inputs are arrays."""
    if type(inputs) is np.ndarray:
        return inputs[first:after]
    if isinstance(inputs, Mapping):
        return {key: cut(value, first, after) for key, value in inputs.items()}
    if isinstance(inputs, tuple):
        return tuple(cut(value, first, after) for value in inputs)
    return inputs.iloc[first:after] if hasattr(inputs, "iloc") else inputs[first:after]


def no_overflow(answer: np.ndarray) -> bool:
    """Whether all is finite and can be squared and summed: BLAS tells in 2 to 7 µs after a network has run, a
    sum takes 13 to 40."""
    return answer.dtype in FLOATS and isfinite(np.vdot(answer, answer))


def finite(answer: np.ndarray) -> bool:
    """Whether an answer holds no NaN and no infinity; a sum shows either in one pass."""
    array = np.asarray(answer)
    if array.dtype.kind != "f":
        return array.dtype.kind != "O"
    return bool(np.isfinite(array.sum(dtype=np.float64)))
