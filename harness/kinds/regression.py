"""A number for each row of a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.kinds.kind import Learning, TaskKind
from harness.kinds.measured import OF_VALUES

if TYPE_CHECKING:
    from torch import Tensor

METRICS = tuple(metric.name for metric in OF_VALUES)


def _loss(outputs: Tensor, targets: Tensor, _smoothing: float) -> Tensor:
    """Squared error of targets scaled to variance 1 in the training part."""
    from torch.nn import functional

    return functional.mse_loss(outputs.view(targets.shape), targets)


def _explained(outputs: Tensor, targets: Tensor) -> Tensor:
    """1 - squared error of each example: the mean is near R²."""
    return (1 - (outputs.view(targets.shape) - targets) ** 2).sum()


REGRESSION = TaskKind(
    name="tabular_regression",
    home=__name__,
    family="regression",
    inputs=("table",),
    targets="values",
    metrics=METRICS,
    own=OF_VALUES,
    watched="r2",
    watchable=METRICS,
    learning=Learning(_loss, _explained, target_type="float32"),
    summary="rows, a number each",
)
