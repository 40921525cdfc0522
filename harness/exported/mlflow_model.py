"""An exported folder as a model of MLflow: `mlflow.pyfunc.load_model` reads it with its own predict.py.

MLflow copies this file beside the folder, so that a serving process needs neither the harness nor its suite.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any


class ExportedModel:
    """What MLflow asks: a table becomes rows by name, everything else goes to predict.py as it is."""

    def __init__(self, answer: Callable[[Any], Any]) -> None:
        self.answer = answer

    def predict(self, model_input: Any) -> Any:
        """(n, classes) probabilities in the order of signature.json, or (n,) values."""
        if hasattr(model_input, "to_dict"):  # a pandas DataFrame, which is what MLflow's server makes of JSON
            model_input = model_input.to_dict("records")
        return self.answer(model_input)


def _load_pyfunc(path: str) -> ExportedModel:
    """MLflow's entry point.

    Args:
        path: the exported folder.
    """
    spec = importlib.util.spec_from_file_location("harness_predict", Path(path) / "predict.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return ExportedModel(module.load())
