"""What a kind of task is: what goes in, what comes out, how it is learnt, measured and shown.

All that is particular to a kind stands in one object; what runs, serves, decides and reports asks it. Nothing
here imports torch: `Learning` holds functions over tensors that import it when they are called.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from harness.protocols import AnswerKind, Metric, Task

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from harness.facts import ScoreFacts

TargetKind = Literal["classes", "labels", "values", "log"]
"""One class an example (n,) int64; any number of labels (n, k) of 0 and 1; a number (n,); a log of events."""


@dataclass(frozen=True)
class Learning:
    """What a network learns by.

    Args:
        loss: (outputs (n, …), targets, label smoothing) → mean loss, a scalar.
        summed_score: (outputs, targets) → sum over the examples of what the best epoch is chosen by.
        activate: the network's outputs → answers, as the last step of the served model; None where they are
            values that are scaled back.
        target_type: of the targets' tensor.
    """

    loss: Callable[[Tensor, Tensor, float], Tensor]
    summed_score: Callable[[Tensor, Tensor], Tensor]
    activate: Callable[[Tensor], Tensor] | None = None
    target_type: Literal["int64", "float32"] = "int64"


@dataclass(frozen=True)
class Shown:
    """A cell of a kind's own table: a text, or a value with its 95 % interval.

    Args:
        count: whole numbers of examples are shown as they are, without an interval.
    """

    text: str = ""
    value: float | None = None
    low: float | None = None
    high: float | None = None
    count: int | None = None


@dataclass(frozen=True)
class OwnTable:
    """A table of a report's section of the kind's own.

    Args:
        columns: (head, unit); a first column of names has the unit `name`.
        folded: behind a heading that opens it; empty: always open.
    """

    columns: tuple[tuple[str, str], ...]
    rows: tuple[tuple[Shown, ...], ...]
    caption: str = ""
    folded: str = ""


@dataclass(frozen=True)
class OwnSection:
    """A section of the report that only tasks of this kind have.

    Args:
        tables: (candidate → the facts of its seeds' score trials) → tables; empty where there is nothing.
    """

    title: str
    tables: Callable[[Mapping[str, Sequence[ScoreFacts]]], tuple[OwnTable, ...]]


def _nothing_more(
    facts: ScoreFacts, _predictions: np.ndarray, _targets: np.ndarray, _task: Task, _answers: AnswerKind
) -> ScoreFacts:
    return facts


@dataclass(frozen=True)
class TaskKind:
    """A kind of task.

    Args:
        name: as a suite says it. home: the module or package that it stands in.
        family: what messages call it.
        inputs: what its examples may be: `image`, `text`, `table`.
        metrics: quality that `score` measures, in this order. own: those that stand with the kind, and join
            the table in `harness.metrics`.
        watched: the metric that the best epoch and searches look at by default, higher is better.
        pipeline: who trains and scores it (`harness.tasks`).
        runtimes: those that serve it, whatever the model; empty: those that accept the model.
        shape: of one example's answer, () for a number.
        check: (predictions (n, …), what they are) → what is wrong with them; empty where nothing is.
        describe: (facts of a score trial, predictions, targets, task, what they are) → the facts with where
            the answers err.
        counts: (targets, task) → (num_classes,) examples of each class or label; None where there are none.
        constant: training targets → the one answer (k,) that knows nothing of an example; None: measured from
            the counts.
        agreement: two runtimes' predictions of the same examples → the share of equal answers.
        section: of the report, that only this kind has.
        only_one: why a metric has no value, in `not estimable (… only among n targets)`.
    """

    name: str
    home: str
    family: str
    inputs: tuple[str, ...]
    targets: TargetKind
    metrics: tuple[str, ...]
    watched: str
    watchable: tuple[str, ...] = ()
    own: tuple[Metric, ...] = ()
    pipeline: str = "supervised"
    runtimes: tuple[str, ...] = ()
    shape: Callable[[Task], tuple[int, ...]] = lambda task: ()
    check: Callable[[np.ndarray, AnswerKind], str] = lambda predictions, answers: ""
    describe: Callable[[ScoreFacts, np.ndarray, np.ndarray, Task, AnswerKind], ScoreFacts] = _nothing_more
    counts: Callable[[np.ndarray, Task], np.ndarray] | None = None
    constant: Callable[[np.ndarray], np.ndarray] | None = None
    agreement: Callable[[np.ndarray, np.ndarray], float] | None = None
    learning: Learning | None = None
    section: OwnSection | None = None
    only_one: str = "one value"
    summary: str = field(default="", compare=False)

    @property
    def has_predictions(self) -> bool:
        """Whether there is a prediction for each example, as own metrics read them."""
        return self.targets != "log"

    def measures(self, metric: str) -> bool:
        """Whether `score` measures a metric; `stem@K` with any K."""
        return metric.partition("@")[0] in {name.partition("@")[0] for name in self.metrics}
