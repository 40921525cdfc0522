"""Models that bring a training of their own are refused before anything starts, with a cure that cures."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from harness.datasets.parts import load_parts
from harness.models.build import build_model
from harness.protocols import Task
from harness.tasks.evaluation import read_predictions
from tests.task_trials import score, spec, train

TASK = Task("tabular_classification", 2, ("a", "b"), (3,))

KERAS = """
import keras

def build(task):
    return keras.Sequential([keras.Input((3,)), keras.layers.Dropout(0.5), keras.layers.Dense(2)])
"""


@pytest.mark.filterwarnings("ignore")
def test_a_keras_model_is_refused_with_a_cure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, "KERAS_BACKEND", "torch")
    if importlib.util.find_spec("keras") is None:
        pytest.skip("not installed (extra keras)")
    (tmp_path / "own_keras.py").write_text(KERAS)
    with pytest.raises(ValueError, match=r"returned a Keras model: .*model\.export\(FILE, format='onnx'\)"):
        build_model("own_keras:build", TASK, {}, tmp_path)


@pytest.mark.filterwarnings("ignore")
def test_what_keras_exports_is_scored_as_keras_answers(tmp_path: Path) -> None:
    if importlib.util.find_spec("keras") is None:
        pytest.skip("not installed (extra keras)")
    program = (
        "import keras, numpy as np; keras.utils.set_random_seed(0); "
        "m = keras.Sequential([keras.Input((30,)), keras.layers.Dropout(0.5), keras.layers.Dense(2, "
        "activation='softmax')]); x = np.load('x.npy'); "
        "np.save('y.npy', m.predict(x, verbose=0)); m.export('net.onnx', format='onnx', verbose=False)"
    )
    what = spec("onnx:net.onnx", data="breast_cancer", search=tmp_path)
    np.save(tmp_path / "x.npy", load_parts(what["data"], None).test.inputs)
    surroundings = {**os.environ, "KERAS_BACKEND": "torch"}
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env=surroundings,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    train(what, tmp_path / "t")
    score(what, "onnx", tmp_path / "t", tmp_path / "s")
    _, _, answers = read_predictions(tmp_path / "s" / "predictions.parquet")
    assert np.abs(answers - np.load(tmp_path / "y.npy")).max() < 1e-6
