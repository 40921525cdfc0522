"""What score trials measure of answers: the metrics of classes and of values, each with its function.

Shares are fractions of 1, never percentages.
"""

from __future__ import annotations

from harness.kinds import quality
from harness.protocols import Metric

OF_CLASSES = (
    Metric(
        "accuracy",
        "fraction",
        "higher",
        "Share of examples whose most probable class is the right one",
        quality.accuracy,
        quality.correct,
        low=0.0,
        high=1.0,
    ),
    Metric(
        "balanced_accuracy",
        "fraction",
        "higher",
        "Mean over classes of the share of that class's examples that are found",
        quality.balanced_accuracy,
        low=0.0,
        high=1.0,
    ),
    Metric(
        "f1_macro",
        "fraction",
        "higher",
        "F1 score, mean over classes",
        quality.f1_macro,
        label="F1 (macro)",
        low=0.0,
        high=1.0,
    ),
    Metric(
        "precision_macro",
        "fraction",
        "higher",
        "Share of a class's predictions that are right, mean over classes",
        quality.precision_macro,
        label="precision (macro)",
        low=0.0,
        high=1.0,
    ),
    Metric(
        "recall_macro",
        "fraction",
        "higher",
        "Share of a class's examples that are found, mean over classes",
        quality.recall_macro,
        label="recall (macro)",
        low=0.0,
        high=1.0,
    ),
    Metric(
        "roc_auc",
        "fraction",
        "higher",
        "Area under the ROC curve; with more than two classes each against the rest, mean over classes",
        quality.roc_auc,
        label="ROC AUC",
        low=0.0,
        high=1.0,
        needs="scores",
    ),
    Metric(
        "pr_auc",
        "fraction",
        "higher",
        "Average precision; with more than two classes each against the rest, mean over classes",
        quality.pr_auc,
        label="PR AUC",
        low=0.0,
        high=1.0,
        needs="scores",
    ),
    Metric(
        "log_loss",
        "nats",
        "lower",
        "Mean of -log of the probability given to the right class",
        quality.log_loss,
        quality.log_losses,
        low=0.0,
        needs="probabilities",
    ),
    Metric(
        "ece",
        "fraction",
        "lower",
        "Expected calibration error: |confidence - accuracy| over 15 bins of equal width",
        quality.ece,
        label="calibration error",
        low=0.0,
        high=1.0,
        needs="probabilities",
    ),
    Metric(
        "brier",
        "squared probability",
        "lower",
        "Mean squared error of the probabilities: the second of two classes', or all summed",
        quality.brier,
        quality.brier_scores,
        label="Brier score",
        low=0.0,
        needs="probabilities",
    ),
)
"""Of one class an example."""

OF_VALUES = (
    Metric(
        "mse",
        "squared target",
        "lower",
        "Mean squared error",
        quality.mse,
        quality.squared_errors,
        label="mean squared error",
        low=0.0,
    ),
    Metric(
        "mae",
        "target",
        "lower",
        "Mean absolute error",
        quality.mae,
        quality.absolute_errors,
        label="mean absolute error",
        low=0.0,
    ),
    Metric(
        "r2",
        "fraction",
        "higher",
        "Share of the targets' variance that is explained",
        quality.r2,
        label="R²",
        high=1.0,
    ),
)
"""Of a number an example."""
