"""Whether a network takes its inputs for raw ones, which reach it scaled.

Pixels that are divided by 255 a second time are next to nothing, and of a column's codes that were brought to
mean 0 and deviation 1 hardly any are left as whole numbers: nothing fails, and hardly anything is learnt.
"""

from __future__ import annotations

from torch import Tensor
from torch.overrides import TorchFunctionMode

from harness.codec import JsonObject

LEVELS = (255.0, 256.0, 127.5, 128.0)
"""What pixels are divided by, or multiplied by the inverse of."""


class InputsWatched(TorchFunctionMode):
    """Within, a forward pass is watched for a division of its inputs by 255 and the like (`by` is the
    number), and for a cast of some of them to whole numbers (`codes`).

    Args:
        inputs: of the pass.
    """

    def __init__(self, inputs: Tensor) -> None:
        super().__init__()
        self.numbers, self.by, self.codes = inputs.numel(), 0.0, False
        self.place = inputs.untyped_storage().data_ptr()

    def __torch_function__(
        self, func: object, types: object, args: tuple[object, ...] = (), kwargs: JsonObject | None = None
    ) -> object:
        name = getattr(func, "__name__", "")
        if not self.by and name in _DIVIDES | _MULTIPLIES and len(args) == 2 and self._are_inputs(args):
            factor = _number(args[1]) or _number(args[0])
            level = factor if name in _DIVIDES else 1 / factor if factor else 0.0
            self.by = next((one for one in LEVELS if abs(level - one) < 1e-3), 0.0)
        given: object = func(*args, **(kwargs or {}))  # type: ignore[operator]
        if name in _CASTS and isinstance(given, Tensor) and not given.is_floating_point():
            self.codes |= isinstance(args[0], Tensor) and args[0].untyped_storage().data_ptr() == self.place
        return given

    def _are_inputs(self, args: tuple[object, ...]) -> bool:
        return any(isinstance(one, Tensor) and one.numel() == self.numbers for one in args)


_DIVIDES = {"div", "div_", "true_divide", "divide", "__truediv__", "__itruediv__"}
_MULTIPLIES = {"mul", "mul_", "multiply", "__mul__", "__rmul__", "__imul__"}


_CASTS = {"long", "int", "to", "type"}


def _number(value: object) -> float:
    """An operand that is one number, 0 where it is none."""
    if isinstance(value, Tensor):
        return float(value) if value.numel() == 1 and not value.requires_grad else 0.0
    return float(value) if isinstance(value, (int, float)) else 0.0


CODES = (
    "casts columns to whole numbers, and they reach it with mean 0 and deviation 1: let it set "
    "`self.input_mean` to zeros and `self.input_std` to ones, one for each column, which hands it columns as "
    "they are"
)
"""What to do about a network that reads codes."""


def cure(by: float, channels: int) -> str:
    """What to do about a network that divides pixels."""
    zeros, ones = (", ".join([one] * channels) + "," * (channels == 1) for one in ("0.0", "1 / 255"))
    return (
        f"divides its inputs by {by:g}, and they reach it scaled already, to mean 0 and deviation 1: leave "
        f"that out, or let it set `self.input_mean, self.input_std = ({zeros}), ({ones})`, which hands it "
        "pixels of 0 to 255"
    )
