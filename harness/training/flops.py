"""Parameters and floating-point operations, counted."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode


def count_parameters(network: nn.Module) -> int:
    """Learnt numbers; shared ones count once, and seeds, which Keras keeps among them, do not."""
    return sum(p.numel() for p in network.parameters() if p.is_floating_point())


def flops_per_example(network: nn.Module, inputs: Tensor) -> float:
    """Operations of one forward pass, for one of the `inputs`' examples.

    Counts matrix products, convolutions and attention, where one multiply-add is 2 FLOPs;
    element-wise work (norms, activations, softmax) is left out, as is usual. FlopCounterMode (torch 2.13)
    reads 0 for `nn.LSTM` and for the fused paths of attention on a CPU, so these are switched off while
    counting; it knows no product of a matrix and a vector and no `nn.Bilinear`, so their rules are ours.

    Args:
        inputs: a batch as the network takes it.
    """
    was_training = network.training
    network.eval()
    counter = FlopCounterMode(display=False, custom_mapping=PRODUCTS)
    try:
        with torch.no_grad(), _countable(), counter:
            network(inputs)
    finally:
        network.train(was_training)
    return counter.get_total_flops() / len(inputs)


def _matrix_vector(matrix: Sequence[int], vector: Sequence[int], **_: object) -> int:
    return 2 * matrix[0] * matrix[1]


def _added_matrix_vector(
    added: Sequence[int], matrix: Sequence[int], vector: Sequence[int], **_: object
) -> int:
    return _matrix_vector(matrix, vector)


def _inner(left: Sequence[int], right: Sequence[int], **_: object) -> int:
    return 2 * left[0]


def _bilinear(
    left: Sequence[int], weight: Sequence[int], right: Sequence[int], *_: object, **__: object
) -> int:
    """left (n, a) times weight (out, a, b), then times right (n, b)."""
    out, a, b = weight
    return 2 * left[0] * out * b * (a + 1)


PRODUCTS = {
    torch.ops.aten.mv: _matrix_vector,
    torch.ops.aten.addmv: _added_matrix_vector,
    torch.ops.aten.dot: _inner,
    torch.ops.aten._trilinear: _bilinear,
}
"""Operator → its operations from the shapes of its arguments, beside those that torch's counter knows."""


@contextmanager
def _countable() -> Iterator[None]:
    """Within, everything runs through operators that the counter knows."""
    fast_path = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with warnings.catch_warnings():
            # Setting the flags makes torch talk about Intel GPUs.
            warnings.filterwarnings("ignore", message="TF32 acceleration")
            with torch.backends.mkldnn.flags(enabled=False), sdpa_kernel(SDPBackend.MATH):
                yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast_path)
