"""What scoring a variant found beside its metrics."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from harness.codec import Json
from harness.facts.kinds import TrialFacts


@dataclass(frozen=True)
class ParityFacts:
    """How far a runtime's answers are from those of the model it was made from.

    Args:
        reference: that model, for people. examples: how many were asked.
        max_abs_difference: of probabilities, or of values in units of their standard deviation.
        agreement: share of examples with the same class, or with the same labels; None for values.
    """

    reference: str = "its source"
    examples: int | None = None
    max_abs_difference: float | None = None
    agreement: float | None = None


@dataclass(frozen=True)
class InheritedFacts:
    """Whose quality stands for a runtime in single precision that was not scored itself.

    Args:
        variant: the reference that was scored. examples: validation rows that both were asked for.
        max_abs_difference: of probabilities, or of values in units of their standard deviation.
        agreement: as in `ParityFacts`.
    """

    variant: str
    examples: int
    max_abs_difference: float
    agreement: float | None = None

    @property
    def text(self) -> str:
        """For a table's cell."""
        off = f"differs by at most {self.max_abs_difference:.0e}" if self.max_abs_difference else "the same"
        return f"inherited from {self.variant} ({off} on {self.examples:,} validation rows)"


@dataclass(frozen=True)
class WeakestClass:
    """The class that is found least often."""

    name: str
    accuracy: float


@dataclass(frozen=True)
class LabelOutcomes:
    """How many examples were rightly given a label, wrongly given it, and had it without being given it."""

    name: str
    hits: int
    wrong: int
    missed: int


@dataclass(frozen=True)
class CalibrationFacts:
    """Examples, mean confidence and accuracy by bins of confidence; None where a bin is empty."""

    bins: int
    counts: tuple[int, ...]
    confidence: tuple[float | None, ...]
    accuracy: tuple[float | None, ...]


@dataclass(frozen=True)
class ScoreFacts(TrialFacts):
    """Of a score trial of classifiers and regressors.

    A kind of task fills what its answers can show: `confusion` to `calibration` where an example has one
    class, `labels` where it has any number of them.

    Args:
        prepared: what the runtime says of its artifact: exporter, precision, the way of quantising.
        answers: what the classifier answers. positive: the class that one-sided metrics are of.
        confusion: (true, predicted) counts. labelled_examples: how many `labels` were counted over.
        constant: metric → quality of the one answer that knows nothing of an example, where the counts of
            classes do not tell it.
        inherited: where the reference's figures stand for its own; then the other facts are the reference's,
            `prepared` apart.
    """

    prepared: Mapping[str, Json] | None = None
    predict_seconds: float | None = None
    predict_cpu_seconds: float | None = None
    parity: ParityFacts | None = None
    class_names: tuple[str, ...] | None = None
    answers: str | None = None
    positive: str | None = None
    confusion: tuple[tuple[int, ...], ...] | None = None
    per_class_accuracy: Mapping[str, float | None] | None = None
    weakest_class: WeakestClass | None = None
    calibration: CalibrationFacts | None = None
    labels: tuple[LabelOutcomes, ...] | None = None
    labelled_examples: int | None = None
    constant: Mapping[str, float | None] | None = None
    inherited: InheritedFacts | None = None
