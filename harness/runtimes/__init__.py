"""Runtimes by name: how a fitted model is turned into what a server would load.

The table names modules, imported on use: an ONNX artifact is served by a process that never
imports torch.
"""

from __future__ import annotations

import difflib
import importlib
from typing import cast

from harness.protocols import RuntimeModule
from harness.record import SuiteError

__all__ = ["RUNTIMES", "SUMMARIES", "runtime"]

RUNTIMES: dict[str, str] = {
    "torch": "harness.runtimes.torch_eager",
    "onnx": "harness.runtimes.onnx",
    "sklearn": "harness.runtimes.sklearn",
}

SUMMARIES: dict[str, str] = {
    "torch": "PyTorch, eager, fp32: the reference that the others' parity is taken against",
    "onnx": "ONNX Runtime, fp32, one file with its pre-processing",
    "sklearn": "scikit-learn's own predict_proba or predict: the reference of sklearn candidates",
}


def runtime(name: str) -> RuntimeModule:
    """The module of a runtime.

    Raises:
        SuiteError: there is no such runtime; the message names the nearest one.
    """
    if name not in RUNTIMES:
        near = difflib.get_close_matches(name, RUNTIMES, n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(RUNTIMES)}"
        raise SuiteError(f"runtime {name!r} is unknown: {hint}")
    return cast(RuntimeModule, importlib.import_module(RUNTIMES[name]))
