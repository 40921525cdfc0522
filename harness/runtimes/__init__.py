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
    "torch-bf16": "harness.runtimes.torch_bf16",
    "torch-compile": "harness.runtimes.torch_compile",
    "onnx": "harness.runtimes.onnx",
    "onnx-int8": "harness.runtimes.onnx_int8",
    "sklearn": "harness.runtimes.sklearn",
    "xgboost": "harness.runtimes.sklearn",
    "lightgbm": "harness.runtimes.sklearn",
    "catboost": "harness.runtimes.sklearn",
}

SUMMARIES: dict[str, str] = {
    "torch": "PyTorch, eager, fp32: the reference that the others' parity is taken against",
    "torch-bf16": "PyTorch, eager, bfloat16 autocast",
    "torch-compile": "PyTorch compiled ahead of time into a shared library (needs a C++ compiler)",
    "onnx": "ONNX Runtime, fp32, one file with its pre-processing",
    "onnx-int8": "ONNX Runtime, 8-bit integers, static or dynamic, chosen on validation data",
    "sklearn": "scikit-learn's own predict_proba or predict: the reference of sklearn candidates",
    "xgboost": "XGBoost itself: the reference of its candidates",
    "lightgbm": "LightGBM itself: the reference of its candidates",
    "catboost": "CatBoost itself: the reference of its candidates",
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
