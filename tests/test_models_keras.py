"""A Keras 3 model from a builder is trained, scored and exported as any network; the real library."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from harness.datasets.parts import load_parts
from harness.models.build import build_model
from harness.models.servable import load_servable
from harness.protocols import Task
from harness.running.preflight import DataSet, Wanted, build
from harness.tasks.evaluation import read_predictions
from tests.task_trials import score, spec, train, values

pytestmark = [
    pytest.mark.filterwarnings("ignore"),
    pytest.mark.skipif(importlib.util.find_spec("keras") is None, reason="not installed (extra keras)"),
]

MODELS = """
import keras
from keras import layers

def convolution(task, *, dropout: float = 0.2, penalty: float = 0.0, end: str = "linear"):
    channels, height, width = task.input_shape
    return keras.Sequential([
        keras.Input((height, width, channels)),
        layers.Conv2D(16, 3, padding="same", kernel_regularizer=keras.regularizers.L2(penalty)),
        layers.BatchNormalization(), layers.ReLU(), layers.Flatten(), layers.Dropout(dropout),
        layers.Dense(task.num_classes, activation=end),
    ])

class Lazy(keras.Model):
    def __init__(self, classes):
        super().__init__()
        self.flat, self.out = layers.Flatten(), layers.Dense(classes)

    def call(self, inputs, training=False):
        return self.out(self.flat(inputs))

def lazy(task):
    return Lazy(task.num_classes)

def compiled(task):
    model = convolution(task)
    model.compile("adam", "sparse_categorical_crossentropy")
    return model
"""
DIGITS = Task("image_classification", 10, tuple("0123456789"), (1, 8, 8))


@pytest.fixture(autouse=True)
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    (tmp_path / "own_keras.py").write_text(MODELS)


def weights(folder: Path) -> dict[str, np.ndarray]:
    return {k: v.numpy() for k, v in load_servable(folder / "fitted").state_dict().items()}


def test_a_model_is_trained_scored_exported_and_quantised(tmp_path: Path) -> None:
    what = spec("own_keras:convolution", search=tmp_path, epochs=6, batch_size=32, optimizer={"lr": 0.01})
    train(what, tmp_path / "train")
    native = score(what, "torch", tmp_path / "train", tmp_path / "torch")
    assert (values(native)["accuracy"] or 0) > 0.9
    exported = score(what, "onnx", tmp_path / "train", tmp_path / "onnx")
    assert exported.facts.parity.max_abs_difference < 1e-4
    small = score(what, "onnx-int8", tmp_path / "train", tmp_path / "int8")
    assert (values(small)["accuracy"] or 0) > (values(native)["accuracy"] or 0) - 0.05


def test_what_is_stored_answers_in_keras_alone_as_it_was_scored(tmp_path: Path) -> None:
    what = spec("own_keras:convolution", search=tmp_path, epochs=1)
    train(what, tmp_path / "train")
    score(what, "torch", tmp_path / "train", tmp_path / "score")
    _, _, answers = read_predictions(tmp_path / "score" / "predictions.parquet")
    servable = load_servable(tmp_path / "train" / "fitted")
    raw = torch.from_numpy(load_parts(what["data"], None).test.inputs)
    images = servable.scaled.scaled(raw).permute(0, 2, 3, 1).numpy()
    by_hand = torch.from_numpy(servable.scaled.network.keras.predict(images, verbose=0)).softmax(1)
    assert np.abs(answers - by_hand.numpy()).max() < 1e-6


def test_dropout_and_batch_normalisation_follow_the_loop(tmp_path: Path) -> None:
    network = build_model("own_keras:convolution", DIGITS, {"dropout": 0.5}, tmp_path)
    images = torch.rand(8, 1, 8, 8)
    assert not torch.equal(network.train()(images), network(images))
    assert torch.equal(network.eval()(images), network(images))
    moving = next(v for v in network.keras.non_trainable_variables if "moving_mean" in v.path)
    before = moving.numpy().copy()
    network.eval()(images)
    assert np.array_equal(before, moving.numpy())
    network.train()(images)
    assert not np.array_equal(before, moving.numpy())


def test_a_seed_gives_the_same_weights_and_another_others(tmp_path: Path) -> None:
    found = []
    for seed in (3, 3, 4):
        what = {**spec("own_keras:convolution", search=tmp_path, epochs=2), "seed": seed}
        train(what, tmp_path / f"train-{len(found)}")
        found.append(weights(tmp_path / f"train-{len(found)}"))
    assert list(found[0]) == list(found[1]) == list(found[2])
    assert all(np.array_equal(found[0][name], found[1][name]) for name in found[0])
    assert any(not np.array_equal(found[0][name], found[2][name]) for name in found[0])


def test_regularisers_are_part_of_what_is_learnt_by(tmp_path: Path) -> None:
    sizes = {}
    for penalty in (0.0, 1.0):
        what = spec(
            "own_keras:convolution", {"penalty": penalty}, search=tmp_path, epochs=6, optimizer={"lr": 0.01}
        )
        train(what, tmp_path / f"train-{penalty}")
        learnt = weights(tmp_path / f"train-{penalty}")
        kernel = next(value for name, value in learnt.items() if name.endswith("conv2d/kernel"))
        history = pd.read_csv(tmp_path / f"train-{penalty}" / "history.csv")
        sizes[penalty] = (np.abs(kernel).sum(), history.train_loss[0])
    assert sizes[1.0][0] < 0.5 * sizes[0.0][0]
    assert sizes[1.0][1] > sizes[0.0][1] + 0.5


def test_weights_that_come_with_the_first_batch_are_learnt(tmp_path: Path) -> None:
    what = spec("own_keras:lazy", search=tmp_path, epochs=8, batch_size=32, optimizer={"lr": 0.01})
    outcome = train(what, tmp_path / "train")
    assert values(outcome)["parameters"] == 64 * 10 + 10
    found = score(what, "torch", tmp_path / "train", tmp_path / "score")
    assert (values(found)["accuracy"] or 0) > 0.85


def test_a_compiled_model_and_one_that_ends_in_softmax_are_refused_with_a_cure(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"compiled Keras model: .*Leave out model.compile"):
        build_model("own_keras:compiled", DIGITS, {}, tmp_path)
    with pytest.raises(ValueError, match="without the last softmax"):
        build_model("own_keras:convolution", DIGITS, {"end": "softmax"}, tmp_path)


def test_several_workers_are_refused_before_anything_starts(tmp_path: Path) -> None:
    wanted: Wanted = {"model": "own_keras:convolution", "args": {}, "seed": 0, "asks": [], "workers": 2}
    data: DataSet = {"name": "digits", "args": {}}
    wrong = build({"data": data, "folder": str(tmp_path), "candidates": {"net": wanted}})
    assert "training.resources.workers: a Keras model trains in one process" in wrong["net"]


def test_what_keras_exports_is_scored_as_keras_answers(tmp_path: Path) -> None:
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
