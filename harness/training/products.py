"""A network's own layers computed as matrix products, where a processor's kernels for them are slow.

PyTorch (2.13) trains a 1×1 convolution on a small image at a tenth of the speed of the same matrix product,
and convolves a 2×2 image with all 49 weights of a 7×7 kernel, of which 40 meet padding alone. Results and
gradients are those of the layers as they are written, but for the order in which sums are rounded.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode

Pair = int | str | tuple[int, ...]


SMALL_PIXELS = 16
"""Of an image up to 4×4 the gradients of a 1×1 convolution take .1 to .9 as a product; from 7×7 on it is a
toss-up (.7 to 1.2)."""


class AsProducts(TorchFunctionMode):
    """Within, a forward pass computes convolutions and attention as products where that is the same.

    `met` has the functions of PyTorch that were, and attention also where it is computed as it is written.

    Args:
        only_watches: everything is computed as it is written, whose strides a model may rest on (`view`).
    """

    def __init__(self, only_watches: bool = False) -> None:
        super().__init__()
        self.only_watches = only_watches
        self.met: set[Callable[..., Tensor]] = set()

    def __torch_function__(
        self,
        func: Callable[..., Tensor],
        types: object,
        args: tuple[object, ...] = (),
        kwargs: Mapping[str, object] | None = None,
    ) -> Tensor:
        instead = INSTEAD.get(func)
        if instead is None:
            return func(*args, **(kwargs or {}))
        try:
            found = instead(*args, **(kwargs or {}))
        except RuntimeError:
            if not self.only_watches:
                raise
            found = None
        if found is not None or func is F.scaled_dot_product_attention:
            self.met.add(func)
        return func(*args, **(kwargs or {})) if found is None or self.only_watches else found


def _convolution(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Pair = 1,
    padding: Pair = 0,
    dilation: Pair = 1,
    groups: int = 1,
) -> Tensor | None:
    """Arguments as of `conv2d`; None where it is computed as it is written."""
    if isinstance(padding, str) or input.dim() != 4 or {*_two(stride), *_two(dilation)} != {1}:
        return None
    height, width = weight.shape[2:]
    up, left = _two(padding)
    pixels = input.shape[2] * input.shape[3]
    if (height, width, up, left, groups) == (1, 1, 0, 0, 1) and pixels <= SMALL_PIXELS:
        return F.linear(input.permute(0, 2, 3, 1), weight[:, :, 0, 0], bias).permute(0, 3, 1, 2)
    if (2 * up, 2 * left) != (height - 1, width - 1):
        return None
    rows, columns = max(up - input.shape[2] + 1, 0), max(left - input.shape[3] + 1, 0)
    if not rows and not columns:
        return None
    weight = weight[:, :, rows : height - rows, columns : width - columns]
    if weight.shape[1:] == (1, 1, 1) and groups == input.shape[1] == len(weight):  # each pixel by one weight
        scaled = input * weight.view(1, -1, 1, 1)
        return scaled if bias is None else scaled + bias.view(1, -1, 1, 1)
    return F.conv2d(input, weight, bias, 1, (up - rows, left - columns), 1, groups)


def _two(given: Pair) -> tuple[int, int]:
    if isinstance(given, int):
        return given, given
    first, *rest = (int(part) for part in given)
    return first, rest[0] if rest else first


def _attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor | None:
    """Arguments as of `scaled_dot_product_attention`; None where it is computed as it is written.

    PyTorch's own products look through all scores for rows in which no token may be looked at.
    """
    if attn_mask is not None or dropout_p or is_causal or enable_gqa:
        return None
    wide = torch.promote_types(query.dtype, torch.float32)  # scores rounded to bf16 double the error
    with torch.autocast(query.device.type, enabled=False):
        scaled = query.to(wide) * (query.shape[-1] ** -0.5 if scale is None else scale)
        weights = torch.softmax(scaled @ key.to(wide).transpose(-2, -1), -1)
        return weights.to(value.dtype) @ value


INSTEAD: Mapping[Callable[..., Tensor], Callable[..., Tensor | None]] = {
    F.conv2d: _convolution,
    F.scaled_dot_product_attention: _attention,
}
"""Function of PyTorch → what may be computed in its place."""
