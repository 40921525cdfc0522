"""Tensors of KServe's second protocol, over HTTP and over gRPC: types by name, and which output answers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from harness.protocols import Inputs

TYPES = {
    "BOOL": "?",
    "UINT8": "<u1", "UINT16": "<u2", "UINT32": "<u4", "UINT64": "<u8",
    "INT8": "<i1", "INT16": "<i2", "INT32": "<i4", "INT64": "<i8",
    "FP16": "<f2", "FP32": "<f4", "FP64": "<f8",
}  # fmt: skip
"""Names of the protocol's types of numbers → numpy's; bytes go the least significant first."""

BFLOAT = "BF16"


def check_type(name: str) -> None:
    """Refuse a type that examples cannot be sent as.

    Raises:
        ValueError: the message has the cure.
    """
    if name != "auto" and name not in TYPES:
        raise ValueError(f"datatype {name!r}: write auto, or a type of the protocol: {', '.join(TYPES)}")


def as_sent(inputs: Inputs, datatype: str) -> tuple[str, np.ndarray]:
    """The protocol's name of a type, and the examples as it; texts are `BYTES`.

    Args:
        datatype: one of `TYPES`, or `auto`: as the examples are.
    """
    array = np.asarray(inputs)
    if array.dtype.kind not in "biuf":
        return "BYTES", array
    if datatype != "auto":
        return datatype, array.astype(TYPES[datatype])
    own = array.dtype.newbyteorder("<").str
    return next(name for name, kind in TYPES.items() if np.dtype(kind).str == np.dtype(own).str), array


def the_output(names: Sequence[str], name: str) -> int:
    """Which of the outputs answers.

    Raises:
        ValueError: there is none, or none of this name; the message has the cure.
    """
    if not names:
        raise ValueError("it has no output")
    if name and name not in names:
        raise ValueError(f"it has no output {name!r}: write {' or '.join(names)} in args.answer")
    return names.index(name) if name else 0


def numbers(raw: bytes, datatype: str, shape: Iterable[int]) -> np.ndarray:
    """A tensor's raw bytes as float32.

    Raises:
        ValueError: they are no numbers, or not as many as the shape says.
    """
    if datatype == BFLOAT:  # the upper half of a float32
        values = (np.frombuffer(raw, "<u2").astype(np.uint32) << 16).view(np.float32)
    elif datatype in TYPES:
        values = np.frombuffer(raw, TYPES[datatype]).astype(np.float32)
    else:
        raise ValueError(f"its output is of type {datatype or 'unknown'}")
    return values.reshape(tuple(shape))
