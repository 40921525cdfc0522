"""What a network does last, as the graph of its gradient tells it, where the harness puts an end of its own.

A sigmoid before the harness's sigmoid answers between .5 and .73, and a ReLU before values that are scaled
back never less than the mean of the training targets: both are trained and served without an error.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor

from harness.kinds import kind_of
from harness.protocols import Task

SHAPES = (
    "Alias", "AsStrided", "Clone", "Expand", "Permute", "ReshapeAlias", "Select", "Slice", "Squeeze", "T",
    "ToCopy", "Transpose", "UnsafeView", "Unsqueeze", "View",
)  # fmt: skip
"""Steps that leave numbers as they are."""

SCALES = ("Add", "Div", "Mul", "Neg", "Rsub", "Sub")
"""Steps that move a bound and leave it one, where the other operand is fixed."""

SHARES = {"LogSigmoid": "logsigmoid", "LogSoftmax": "log_softmax", "Sigmoid": "sigmoid", "Softmax": "softmax"}
"""Step → what people call it: makes probabilities of logits."""

BOUNDS = {
    **SHARES,
    "Abs": "abs", "Clamp": "clamp", "ClampMin": "clamp", "ClampMax": "clamp", "Elu": "elu", "Exp": "exp",
    "Gelu": "gelu", "Hardsigmoid": "hardsigmoid", "Hardtanh": "hardtanh", "Relu": "relu", "Silu": "silu",
    "Softplus": "softplus", "Tanh": "tanh",
}  # fmt: skip
"""Step → what people call it: leaves no way to answer any number."""

FAR = 10.0
"""Deviations from the mean that a guard may stand at: it is no end of the answers."""


def objection(answers: Tensor, task: Task) -> str:
    """What is wrong with how a network ends, with the cure; empty where nothing is.

    Args:
        answers: of two examples, with the graph of their gradient; without one nothing is known.
    """
    targets = kind_of(task.name).targets
    if targets == "values":
        if last := _last(answers, BOUNDS, (*SHAPES, *SCALES)):
            return (
                f"ends in {last}: a regression's targets are brought to mean 0 and deviation 1, and its "
                "answers scaled back, so it could not answer what lies beyond. Return what goes into the "
                f"{last}"
            )
        return ""
    if targets == "labels":
        if last := _last(answers, SHARES, SHAPES):
            return (
                f"ends in {last}: a sigmoid for each label is the harness's. Return logits, without the last "
                f"{last} (a loss of its own takes logits then: nn.BCEWithLogitsLoss in place of nn.BCELoss)"
            )
        return ""
    # Cross-entropy of log_softmax is that of its logits.
    last = _last(answers, {name: SHARES[name] for name in ("Sigmoid", "Softmax")}, SHAPES)
    return f"ends in {last}: softmax is the harness's. Return logits, without the last {last}" if last else ""


def _last(answers: Tensor, wanted: dict[str, str], passed: tuple[str, ...]) -> str:
    """The first of some steps before an answer that has nothing but `passed` ones behind it; empty: none."""
    step: Any = answers.grad_fn
    while step is not None:
        name = type(step).__name__.rstrip("0123456789").removesuffix("Backward")
        if name in wanted:
            return "" if _is_far(step) else wanted[name]
        before = [one for one, _ in step.next_functions if one is not None]
        if name not in passed or len(before) != 1:
            return ""
        step = before[0]
    return ""


def _is_far(step: Any) -> bool:
    """Whether it is a clamp that no target of deviation 1 comes near, on either side."""
    sides = [getattr(step, f"_saved_{side}", None) for side in ("min", "max")]
    known = [side for side in sides if isinstance(side, int | float)]
    return bool(known) and all(abs(side) >= FAR for side in known)
