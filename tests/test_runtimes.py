"""Runtimes: artifacts that answer like the fitted model they came from."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest

from harness.protocols import Split, Task
from harness.reading.components import ROOT
from harness.record import SuiteError, TrialError
from harness.runtimes import RUNTIMES, onnx_int8, quantising, runtime
from harness.runtimes.common import first_line
from harness.runtimes.quantising import Tried, choose, compare, reason, request_of
from harness.suite.model_ref import MODEL_KINDS

TASK = Task("image_classification", 4, ("a", "b", "c", "d"), (1, 8, 8))


def images(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (n, 1, 8, 8), dtype=np.uint8)


def split(n: int, seed: int = 0) -> Split:
    inputs = images(n, seed)
    return Split(inputs, (inputs.mean(axis=(1, 2, 3)) // 64).astype(np.int64), np.arange(n))


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small fitted CNN."""
    import torch

    from harness.models.build import build_model
    from harness.models.fitted import Meta
    from harness.models.servable import save_network

    folder = tmp_path_factory.mktemp("network") / "fitted"
    torch.manual_seed(0)
    args = {"width": 8}
    meta = Meta("torch", "small_cnn", args, TASK, mean=(0.5,), std=(0.25,))
    save_network(folder, build_model("small_cnn", TASK, args), meta)
    return folder


@pytest.fixture(scope="module")
def estimator(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A logistic regression that never saw class 2."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    from harness.models.estimator import flat, save_estimator
    from harness.models.fitted import Meta

    folder = tmp_path_factory.mktemp("estimator") / "fitted"
    targets = np.array([0, 1, 3] * 20)
    pipeline = make_pipeline(StandardScaler(), LogisticRegression()).fit(flat(images(60)), targets)
    meta = Meta("sklearn", "sklearn:LogisticRegression", {}, TASK, classes=(0, 1, 3))
    save_estimator(folder, pipeline, meta)
    return folder


@pytest.mark.parametrize("name", ["onnx", "torch-bf16"])
def test_a_runtime_answers_like_torch_at_every_batch_size(network: Path, tmp_path: Path, name: str) -> None:
    runtime("torch").prepare(network, tmp_path / "torch", None)
    facts = runtime(name).prepare(network, tmp_path / name, split(32))
    reference = runtime("torch").load(tmp_path / "torch", 1, "cpu")
    served = runtime(name).load(tmp_path / name, 1, "cpu")
    tolerance = 1e-5 if name == "onnx" else 2e-2
    for n in (1, 3, 17):
        expected, found = reference(images(n)), served(images(n))
        assert found.shape == (n, 4)
        assert found.dtype == np.float32
        assert found == pytest.approx(expected, abs=tolerance)
        assert found.sum(axis=1) == pytest.approx(np.ones(n), abs=1e-3)
    assert facts["parity_max_abs"] <= tolerance


def test_an_onnx_artifact_is_one_file_and_is_served_without_torch(network: Path, tmp_path: Path) -> None:
    runtime("onnx").prepare(network, tmp_path / "artifact", None)
    assert sorted(p.name for p in (tmp_path / "artifact").iterdir()) == ["model.json", "model.onnx"]
    program = f"""
import sys, pathlib, numpy
from harness.runtimes import runtime
answer = runtime("onnx").load(pathlib.Path({str(tmp_path / "artifact")!r}), 1, "cpu")
assert answer(numpy.zeros((2, 1, 8, 8), numpy.uint8)).shape == (2, 4)
print([name for name in ("torch", "sklearn", "pandas", "ray") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_exports_are_silent(network: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    runtime("onnx").prepare(network, tmp_path / "artifact", None)
    captured = capfd.readouterr()
    assert captured.out == ""
    assert captured.err == ""


def test_an_estimator_answers_alike_on_both_runtimes(estimator: Path, tmp_path: Path) -> None:
    runtime("sklearn").prepare(estimator, tmp_path / "sklearn", None)
    runtime("onnx").prepare(estimator, tmp_path / "onnx", None)
    reference = runtime("sklearn").load(tmp_path / "sklearn", 1, "cpu")(images(9, 1))
    served = runtime("onnx").load(tmp_path / "onnx", 1, "cpu")(images(9, 1))
    assert served == pytest.approx(reference, abs=1e-5)
    assert np.all(reference[:, 2] == 0)
    assert reference.shape == (9, 4)


def test_an_estimator_is_served_without_torch(estimator: Path, tmp_path: Path) -> None:
    runtime("sklearn").prepare(estimator, tmp_path / "artifact", None)
    program = f"""
import sys, pathlib
from harness.runtimes import runtime
runtime("sklearn").load(pathlib.Path({str(tmp_path / "artifact")!r}), 1, "cpu")
print("torch" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_a_regression_keeps_its_shape_in_onnx(tmp_path: Path) -> None:
    from sklearn.linear_model import LinearRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    from harness.models.estimator import save_estimator
    from harness.models.fitted import Meta

    table = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)
    pipeline = make_pipeline(StandardScaler(), LinearRegression()).fit(table, table @ [1.0, 2.0, 3.0])
    task = Task("tabular_regression", 0, (), (3,))
    save_estimator(tmp_path / "fitted", pipeline, Meta("sklearn", "sklearn:LinearRegression", {}, task))
    runtime("onnx").prepare(tmp_path / "fitted", tmp_path / "onnx", None)
    answer = runtime("onnx").load(tmp_path / "onnx", 1, "cpu")(table[:5])
    assert answer == pytest.approx(table[:5] @ [1.0, 2.0, 3.0], abs=1e-4)


def test_ways_of_int8_are_timed_on_texts_of_their_own_length() -> None:
    tokens = np.zeros((5, 300), np.int64)
    for row, length in enumerate((300, 12, 3, 20, 5)):
        tokens[row, :length] = 7
    assert request_of(tokens, 1).shape == (1, 12)  # the median
    assert request_of(tokens, 3).shape == (3, 20)
    assert request_of(tokens, 32).shape == (32, 300)
    assert request_of(np.zeros((2, 9), np.int64), 1).shape == (1, 1)
    assert request_of(images(5), 8).shape == (8, 1, 8, 8)


def test_int8_is_chosen_on_validation_data_and_says_what_was_tried(network: Path, tmp_path: Path) -> None:
    facts = runtime("onnx-int8").prepare(network, tmp_path / "artifact", split(220), split(60, 1))
    assert {way["way"] for way in facts["tried"]} == {"fp32", "static", "dynamic", "dynamic-matmul"}
    assert facts["quantised"] in ("static", "dynamic", "dynamic-matmul")
    assert facts["judged_on"] == "60 validation examples"
    assert facts["calibration_examples"] == 200
    sizes = {way["way"]: way["size_mb"] for way in facts["tried"]}
    assert sizes["static"] < sizes["fp32"]
    answer = runtime("onnx-int8").load(tmp_path / "artifact", 1, "cpu")(images(5))
    assert answer.sum(axis=1) == pytest.approx(np.ones(5), abs=1e-3)


@pytest.mark.parametrize("way", ["static", "dynamic", "dynamic-matmul"])
def test_weights_have_seven_bits_so_that_processors_without_vnni_add_them_without_stopping_at_the_largest(
    network: Path, tmp_path: Path, way: str
) -> None:
    runtime("onnx").prepare(network, tmp_path / "fp32", None)
    (tmp_path / "ways").mkdir()
    ways = onnx_int8.quantised(tmp_path / "fp32", split(220), tmp_path / "ways")
    stored = onnx.load(ways[way] / "model.onnx").graph.initializer
    arrays = [onnx.numpy_helper.to_array(t) for t in stored if t.data_type == onnx.TensorProto.INT8]
    weights = [w for w in arrays if w.size > 1]
    # 255 * 64 * 2 fits into 16 bits, 255 * 128 * 2 does not.
    assert weights and max(int(np.abs(w.astype(int)).max()) for w in weights) == 64


def tried(way: str, quality: float, time: float) -> Tried:
    return Tried(way, quality, time, 1.0, {"1": time})


def test_the_fastest_way_that_keeps_the_accuracy_is_chosen() -> None:
    ways = [tried("fp32", 0.90, 1.0), tried("static", 0.895, 0.5), tried("dynamic", 0.90, 3.0)]
    assert choose(ways).way == "static"
    assert reason(choose(ways), ways) == (
        "static keeps the accuracy (-0.005) at 0.50 times the time of fp32; "
        "dynamic +0.000 at 3.00 times the time"
    )


class Named(str):
    """A model's answers, told by its name."""

    def __call__(self, rows: np.ndarray) -> np.ndarray:
        return rows


def test_a_way_that_is_slower_than_one_that_keeps_the_accuracy_is_not_scored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Convolutions of dynamic ranges answer six times as slowly as fp32: scoring them took a fifth of it."""
    times = {"fp32": 1.0, "fast": 0.5, "middling": 0.8, "slow": 6.0}
    right = {"fp32": 0.9, "fast": 0.5, "middling": 0.895, "slow": 0.9}
    scored: list[str] = []

    def quality(predict: str, judges: Split) -> float:
        scored.append(predict)
        return right[predict]

    def compared() -> list[Tried]:
        scored.clear()
        ways = {name: tmp_path / name for name in times if name != "fp32"}
        return compare(lambda folder, threads: Named(folder.name), tmp_path / "fp32", ways, split(3))

    for name in times:
        (tmp_path / name).mkdir()
    taken = {name: {1: time, 32: time} for name, time in times.items()}
    monkeypatch.setattr(quantising, "_times", lambda loaded, judges: taken)
    monkeypatch.setattr(quantising, "_quality", quality)
    found = compared()
    assert scored == ["fp32", "fast", "middling"] and choose(found).way == "middling"
    assert reason(choose(found), found) == (
        "middling keeps the accuracy (-0.005) at 0.80 times the time of fp32; "
        "fast -0.400 at 0.50 times the time, slow at 6.00 times the time"
    )
    right["middling"], right["slow"] = 0.6, 0.7  # none keeps it: all are scored, and the best is taken
    assert choose(compared()).way == "slow" and scored == ["fp32", "fast", "middling", "slow"]


def test_a_way_that_ruins_the_model_is_not_chosen_for_its_speed() -> None:
    ways = [tried("fp32", 0.788, 1.0), tried("static", 0.624, 0.4), tried("dynamic", 0.786, 0.6)]
    assert choose(ways).way == "dynamic"


def test_where_no_way_keeps_the_accuracy_the_most_accurate_is_chosen_and_said_so() -> None:
    ways = [tried("fp32", 0.9, 1.0), tried("static", 0.5, 0.4), tried("dynamic", 0.8, 0.6)]
    assert choose(ways).way == "dynamic"
    assert reason(choose(ways), ways).startswith("dynamic loses least accuracy (-0.100)")


def test_a_model_that_no_way_quantises_is_a_failed_cell() -> None:
    ways = [tried("fp32", 0.9, 1.0), Tried("static", failure="no kernel"), Tried("dynamic", failure="no op")]
    with pytest.raises(TrialError, match="cannot be quantised: static: no kernel; dynamic: no op"):
        choose(ways)


def test_a_runtime_that_cannot_run_a_model_says_which_can(
    network: Path, estimator: Path, tmp_path: Path
) -> None:
    with pytest.raises(TrialError, match="serve it on runtime sklearn"):
        runtime("torch").prepare(estimator, tmp_path, None)
    with pytest.raises(TrialError, match="serve it on runtime torch"):
        runtime("sklearn").prepare(network, tmp_path, None)
    with pytest.raises(TrialError, match="int8 is for networks"):
        runtime("onnx-int8").prepare(estimator, tmp_path, None)
    with pytest.raises(TrialError, match="not a torch network"):
        runtime("torch-compile").prepare(estimator, tmp_path, None)


def test_an_exported_network_names_no_folder_of_this_computer(tmp_path: Path) -> None:
    """Torch notes file, line and source of each node: up to an eighth of a file in 8 bits."""
    import torch

    from harness.runtimes.exporting import export_module

    net = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4), torch.nn.ReLU()).eval()
    file = tmp_path / "model.onnx"
    export_module(net, np.ones((2, 3), np.float32), {0: "batch"}, file)
    written = file.read_bytes()
    assert str(Path(torch.__file__).parents[2]).encode() not in written
    assert b"stack_trace" not in written and b"BatchNorm1d" not in written


def test_a_network_that_onnx_cannot_express_is_a_failed_cell(tmp_path: Path) -> None:
    import torch

    from harness.runtimes.exporting import export_module

    class Loops(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            while x.sum() > 0:  # a value decides how often
                x = x - 1
            return x

    with pytest.raises(TrialError, match="cannot be exported to ONNX: "):
        export_module(Loops(), np.ones((2, 3), np.float32), {0: "batch"}, tmp_path / "model.onnx")


def test_a_damaged_onnx_file_is_a_failed_cell(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"not a model")
    with pytest.raises(TrialError, match="ONNX Runtime cannot load the model"):
        runtime("onnx").load(tmp_path, 1, "cpu")


def test_a_missing_model_card_names_the_file(tmp_path: Path) -> None:
    with pytest.raises(TrialError, match=r"model\.json"):
        runtime("onnx").prepare(tmp_path, tmp_path / "artifact", None)


def test_an_unknown_runtime_names_the_nearest() -> None:
    with pytest.raises(SuiteError, match="runtime 'onx' is unknown: did you mean `onnx`"):
        runtime("onx")


def test_every_runtime_has_its_code_and_names_runtimes_that_there_are() -> None:
    for name, known in RUNTIMES.items():
        assert known.name == name and known.summary and known.accepts and known.packages
        assert callable(known.module.prepare) and callable(known.module.load)
        if known.full_precision:
            same = RUNTIMES[known.full_precision]
            assert same.precision == "fp32" and set(known.accepts) <= set(same.accepts)


def test_every_exported_runtime_has_a_reader_in_predict_py() -> None:
    source = (ROOT / "exported" / "predict.py").read_text()
    readers = re.findall(r'^    "(\w+)": load_', source, re.MULTILINE)
    assert readers
    assert {known.export.reader for known in RUNTIMES.values() if known.export} == set(readers)


def test_every_native_runtime_of_a_kind_of_model_accepts_it() -> None:
    for kind in MODEL_KINDS.values():
        if kind.fitted != "onnx":
            assert RUNTIMES[kind.native].is_reference and kind.fitted in RUNTIMES[kind.native].accepts


def test_a_cell_shows_one_line() -> None:
    assert first_line(ValueError("\n first \n second")) == "first"
    assert first_line(ValueError()) == "ValueError"
    assert len(first_line(ValueError("x" * 999))) == 200


@pytest.mark.slow
def test_a_compiled_model_answers_like_torch(network: Path, tmp_path: Path) -> None:
    runtime("torch").prepare(network, tmp_path / "torch", None)
    facts = runtime("torch-compile").prepare(network, tmp_path / "compiled", split(32))
    reference = runtime("torch").load(tmp_path / "torch", 1, "cpu")
    served = runtime("torch-compile").load(tmp_path / "compiled", 1, "cpu")
    for n in (1, 5):
        assert served(images(n)) == pytest.approx(reference(images(n)), abs=1e-5)
    assert json.dumps(dict(facts))


@pytest.mark.parametrize("classes", [2, 3, 0])
def test_histogram_gradient_boosting_answers_in_onnx_as_it_does_in_scikit_learn(
    tmp_path: Path, classes: int
) -> None:
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    from harness.runtimes.exporting import export_estimator

    random = np.random.default_rng(0)
    table = random.normal(size=(400, 5)).astype(np.float32)
    worth = table[:, 0] + table[:, 1] ** 2
    table[::7, 2] = np.nan  # holes go where training sent them
    worth += np.isnan(table[:, 2])
    if classes:
        targets = np.digitize(worth, np.quantile(worth, np.arange(1, classes) / classes))
        estimator = HistGradientBoostingClassifier(max_iter=30).fit(table, targets)
        task = Task("tabular_classification", classes, tuple("abc"[:classes]), (5,))
        expected = estimator.predict_proba(table)
    else:
        estimator = HistGradientBoostingRegressor(max_iter=30).fit(table, worth)
        task, expected = Task("tabular_regression", 0, (), (5,)), estimator.predict(table)
    export_estimator(estimator, task, (), table.dtype, tmp_path / "model.onnx")
    answer = runtime("onnx").load(tmp_path, 1, "cpu")(table)
    assert np.abs(answer - expected).max() < 1e-5
