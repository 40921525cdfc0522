"""What training a candidate decided."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from harness.codec import Json, keyed
from harness.facts.kinds import TrialFacts


@dataclass(frozen=True)
class DataFacts:
    """The parts that a trial saw.

    Args:
        sizes: part → examples. class_counts: part → class → examples.
        duplicates: pair of parts → rows of the second whose input, byte for byte, is also in the first.
        notes: how the user's own files were read. dvc: argument → what DVC tracks there.
    """

    sizes: Mapping[str, int] = field(default_factory=dict)
    class_counts: Mapping[str, Mapping[str, int]] | None = None
    classes_missing_in_train: tuple[str, ...] | None = None
    duplicates: Mapping[str, int] | None = None
    notes: tuple[str, ...] | None = None
    dvc: Mapping[str, Mapping[str, Json]] | None = None


@dataclass(frozen=True)
class TuningFacts:
    """A trial of a search, or, with `source`, what a trial took from its search.

    Args:
        number: which of the search's trials. source: the id of the trial with the best settings.
        curve: (epoch, validation score, seconds of the epoch).
        score: on validation data, higher is better; None where it failed or was skipped.
        trials, seconds: what the whole search tried, and how long it took.
    """

    number: int | None = None
    settings: Mapping[str, Json] | None = None
    curve: tuple[tuple[int, float, float], ...] | None = None
    score: float | None = None
    metric: str | None = None
    log_loss: float | None = None
    stopped_after_epoch: int | None = None
    failed: str | None = None
    skipped: str | None = None
    source: str | None = keyed("from", None)
    trials: int | None = None
    seconds: float | None = None


@dataclass(frozen=True)
class FittedFacts(TrialFacts):
    """Of a training trial of any task.

    Args:
        validation: metric → value, in fp32; empty without a validation part.
        best_epoch: of a pipeline, stage → that epoch's figures.
    """

    validation: Mapping[str, float | None] | None = None
    best_epoch: int | Mapping[str, Mapping[str, float]] | None = None
    tuning: TuningFacts | None = None


@dataclass(frozen=True)
class TrainFacts(FittedFacts):
    """Of a training trial of classifiers and regressors.

    Args:
        precision, mode: how a step was computed. tried_seconds_per_step: the ways that were timed.
        compiling_seconds_per_step: `plain` and `compiled`, of a training that was long enough to try both.
        refused_modes: the ways that this machine's libraries cannot compute, each with their reason.
        best_epoch_by: what the best epoch is chosen by. best_epoch_metric: the metric behind it.
        vocabulary, flops_at_tokens: of texts.
        input_scaling, resized: whose scaling images go through, and to what size, where it is the network's.
        head: of a fine-tuned network, whether its head is kept or new.
        converged, libraries, early_stopping, rounds: of estimators; libraries: name → version.
        trained: False for a finished file. takes, gives: what such a file was found to take and answer.
        input_columns: how each input was made from the user's columns.
    """

    precision: str | None = None
    mode: str | None = None
    tried_seconds_per_step: Mapping[str, float] | None = None
    compiling_seconds_per_step: Mapping[str, float] | None = None
    refused_modes: Mapping[str, str] | None = None
    resumed_after_epoch: int | None = None
    epochs: int | None = None
    best_epoch_by: str | None = None
    best_epoch_metric: str | None = None
    train_cpu_seconds: float | None = None
    vocabulary: int | None = None
    flops_at_tokens: int | None = None
    input_scaling: str | None = None
    resized: str | None = None
    head: str | None = None
    converged: bool | None = None
    libraries: Mapping[str, str] | None = None
    early_stopping: str | None = None
    rounds: int | None = None
    trained: bool | None = None
    takes: Mapping[str, Json] | None = None
    gives: Mapping[str, Json] | None = None
    data: DataFacts | None = None
    input_columns: tuple[Mapping[str, Json], ...] | None = None
