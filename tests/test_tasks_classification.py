"""Images and tables end to end on data that scikit-learn carries: trained, scored, answered alike."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from harness.codec import to_json
from harness.kinds import KINDS, quality
from harness.metrics import METRICS
from harness.models.estimator import estimator_predict, load_estimator
from harness.models.estimators import build
from harness.models.fitted import Meta, load_meta
from harness.models.servable import Scaled, example_inputs, load_servable
from harness.protocols import Outcome, Split, Task
from harness.record import RecordError, TrialError
from harness.tasks import estimators, evaluation, finished, supervised, task_module
from tests.task_trials import score, spec, train, values

DIGITS = Task("image_classification", 10, tuple("0123456789"), (1, 8, 8))


@pytest.fixture(scope="module")
def cnn(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Path, Outcome]:
    """A small CNN trained on digits in a second or two."""
    what = spec("small_cnn", {"width": 16}, epochs=6, batch_size=64, optimizer={"lr": 0.01})
    folder = tmp_path_factory.mktemp("cnn") / "train"
    return what, folder, train(what, folder)


# Networks


def test_a_small_cnn_learns_digits_in_seconds(
    cnn: tuple[dict[str, Any], Path, Outcome], tmp_path: Path
) -> None:
    what, folder, trained = cnn
    scored = score(what, "torch", folder, tmp_path / "score")
    accuracy = values(scored)["accuracy"]
    assert accuracy is not None and accuracy >= 0.95
    found = values(trained)
    assert set(found) == {"train_seconds", "parameters", "flops_per_example"}
    assert all(m.unit == METRICS[m.metric].unit for m in (*trained.measurements, *scored.measurements))
    for fact in ("precision", "mode", "best_epoch", "train_cpu_seconds", "validation", "data"):
        assert fact in to_json(trained.facts)
    json.dumps(to_json(trained.facts)), json.dumps(to_json(scored.facts))  # what a record stores


def test_every_quality_metric_follows_from_the_stored_predictions(
    cnn: tuple[dict[str, Any], Path, Outcome], tmp_path: Path
) -> None:
    what, folder, _ = cnn
    scored = score(what, "torch", folder, tmp_path / "score")
    ids, targets, predictions = evaluation.read_predictions(tmp_path / "score" / "predictions.parquet")
    assert len(set(ids.tolist())) == len(targets) == len(predictions) and predictions.dtype == np.float32
    for name, value in values(scored).items():
        measure = METRICS[name].measure
        assert measure is not None and value == measure(predictions, targets)
    assert set(values(scored)) == set(KINDS["image_classification"].metrics)
    assert np.sum(scored.facts.confusion) == len(targets)
    weakest = scored.facts.weakest_class
    assert weakest.accuracy == min(scored.facts.per_class_accuracy.values())


def test_onnx_answers_like_torch_and_the_parity_is_recorded(
    cnn: tuple[dict[str, Any], Path, Outcome], tmp_path: Path
) -> None:
    what, folder, _ = cnn
    scored = score(what, "onnx", folder, tmp_path / "score")
    parity = scored.facts.parity
    assert parity.reference == "torch fp32" and parity.examples > 300
    assert parity.max_abs_difference < 1e-4 and parity.agreement == 1.0
    answer = supervised.load_variant({"runtime": "onnx"}, tmp_path / "score" / "artifact", 1, "cpu")
    raw = supervised.examples(what)
    assert raw.dtype == np.uint8
    _, _, stored = evaluation.read_predictions(tmp_path / "score" / "predictions.parquet")
    np.testing.assert_allclose(answer(raw[:5]), stored[:5], atol=1e-5)


def test_the_history_has_a_row_per_epoch(cnn: tuple[dict[str, Any], Path, Outcome]) -> None:
    with (cnn[1] / "history.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["1", "2", "3", "4", "5", "6"]
    head = ["epoch", "train_loss", "train_score", "validation_loss", "validation_score", "seconds"]
    assert list(rows[0])[:8] == [*head, "examples_per_s", "lr"]
    assert float(rows[-1]["train_loss"]) < float(rows[0]["train_loss"])


def test_the_stored_network_is_the_best_epoch_and_the_validation_part_is_predicted_with_it(
    cnn: tuple[dict[str, Any], Path, Outcome],
) -> None:
    _, folder, trained = cnn
    _, targets, predictions = evaluation.read_predictions(folder / "validation.parquet")
    with (folder / "history.csv").open() as file:
        scores = [float(row["validation_score"]) for row in csv.DictReader(file)]
    assert quality.accuracy(predictions, targets) == pytest.approx(max(scores))
    assert trained.facts.validation["accuracy"] == quality.accuracy(predictions, targets)


def test_the_fitted_model_takes_raw_images_and_answers_probabilities(
    cnn: tuple[dict[str, Any], Path, Outcome],
) -> None:
    servable = load_servable(cnn[1] / "fitted")
    assert not servable.training
    with torch.no_grad():
        answer = servable(example_inputs(DIGITS, 3))
    assert answer.shape == (3, 10)
    torch.testing.assert_close(answer.sum(dim=1), torch.ones(3))
    assert {p.suffix for p in (cnn[1] / "fitted").iterdir()} == {".json", ".safetensors"}


def test_a_wrong_argument_of_a_model_becomes_a_reason_with_a_cure(tmp_path: Path) -> None:
    with pytest.raises(TrialError, match="widht.*did you mean"):
        train(spec("small_cnn", {"widht": 8}), tmp_path / "t")


def test_a_network_learns_a_regression_in_the_units_of_its_target(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "nets_for_test.py").write_text(
        "from torch import nn\n"
        "def build(task):\n"
        "    return nn.Sequential(nn.Linear(task.input_shape[0], 1), nn.Flatten(0))\n"
    )
    what = spec("nets_for_test:build", None, "diabetes", epochs=30, batch_size=32, optimizer={"lr": 0.03})
    monkeypatch.syspath_prepend(str(tmp_path))
    train(what, tmp_path / "t")
    assert load_meta(tmp_path / "t" / "fitted").search == str(tmp_path)
    found = values(score(what, "torch", tmp_path / "t", tmp_path / "s"))
    assert set(found) == {"mse", "mae", "r2"}
    assert found["r2"] is not None and found["r2"] > 0.35
    _, targets, predictions = evaluation.read_predictions(tmp_path / "s" / "predictions.parquet")
    assert abs(predictions.mean() - targets.mean()) < 25  # targets run from 25 to 346


# Scaling


def test_images_are_scaled_by_the_training_parts_own_mean_and_deviation() -> None:
    images = np.random.default_rng(0).integers(0, 256, (20, 2, 3, 3), dtype=np.uint8)
    images[:, 1] = 255  # a constant channel must not divide by 0
    part = Split(images, np.zeros(20, np.int64), np.arange(20))
    task = Task("image_classification", 2, ("a", "b"), (2, 3, 3))
    scaling = supervised.fit_scaling(part, task)
    assert scaling.mean[0] == pytest.approx((images[:, 0] / 255).mean())
    assert scaling.std[0] == pytest.approx((images[:, 0] / 255).std())
    scaled = Scaled(torch.nn.Identity(), scaling, task)(torch.from_numpy(images))
    np.testing.assert_allclose(scaled[:, 0].mean(), 0, atol=1e-5)
    np.testing.assert_allclose(scaled[:, 0].std(correction=0), 1, atol=1e-5)
    np.testing.assert_allclose(scaled[:, 1], 0, atol=1e-5)


def test_columns_are_scaled_whatever_their_unit_and_constant_ones_are_not() -> None:
    spread = np.random.default_rng(0).normal(size=1000)
    table = np.stack([1e-9 * spread, 1e9 + 1e4 * spread, np.full(1000, 0.1), np.zeros(1000)], 1)
    part = Split(table.astype(np.float32), np.zeros(1000, np.int64), np.arange(1000))
    scaling = supervised.fit_scaling(part, Task("tabular_classification", 2, ("a", "b"), (4,)))
    np.testing.assert_allclose(scaling.std, [1e-9 * spread.std(), 1e4 * spread.std(), 1, 1], rtol=1e-2)


def test_a_table_with_nan_is_refused_by_name() -> None:
    part = Split(np.array([[1.0, np.nan]], np.float32), np.zeros(1), np.arange(1))
    with pytest.raises(TrialError, match="NaN or infinite numbers"):
        supervised.fit_scaling(part, Task("tabular_classification", 2, ("a", "b"), (2,)))


# scikit-learn


@pytest.mark.parametrize("model", ["LogisticRegression", "RandomForestClassifier", "LinearSVC"])
def test_an_estimator_stands_in_the_same_table_with_the_same_metrics(model: str, tmp_path: Path) -> None:
    what = spec(f"sklearn:{model}")
    trained = train(what, tmp_path / "t")
    native = score(what, "sklearn", tmp_path / "t", tmp_path / "s")
    exported = score(what, "onnx", tmp_path / "t", tmp_path / "o")
    assert set(values(native)) == set(KINDS["image_classification"].metrics)
    assert (values(native)["accuracy"] or 0) > 0.9
    assert exported.facts.parity.reference == "sklearn"
    assert exported.facts.parity.agreement > 0.99
    assert {p.name for p in (tmp_path / "t" / "fitted").iterdir()} == {"model.json", "estimator.skops"}
    assert (values(trained)["parameters"] or 0) > 0 and trained.facts.converged is not None


def test_an_estimator_that_never_saw_a_class_gives_it_probability_zero() -> None:
    part = Split(np.array([[0.0], [1.0], [2.0]], np.float32), np.array([0, 2, 2]), np.arange(3))
    task = Task("tabular_classification", 3, ("a", "b", "c"), (1,))
    scaling = supervised.fit_scaling(part, task)
    made = estimators.fit_estimator(build("sklearn:LogisticRegression", {}, 0, 1), part, None, task, scaling)
    assert made.classes == (0, 2)
    meta = Meta("sklearn", "sklearn:LogisticRegression", {}, task, classes=made.classes)
    answer = estimator_predict(made.model, meta)(part.inputs)
    assert answer.shape == (3, 3) and (answer[:, 1] == 0).all()
    np.testing.assert_allclose(answer.sum(axis=1), 1, atol=1e-6)


def test_one_class_only_is_a_reason_not_a_traceback() -> None:
    part = Split(np.zeros((4, 1), np.float32), np.zeros(4, np.int64), np.arange(4))
    task = Task("tabular_classification", 2, ("a", "b"), (1,))
    estimator = build("sklearn:LogisticRegression", {}, 0, 1)
    with pytest.raises(TrialError, match="LogisticRegression cannot be fitted: .*class"):
        estimators.fit_estimator(estimator, part, None, task, supervised.fit_scaling(part, task))


def test_what_does_not_fit_in_memory_is_refused_before_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    part = Split(np.zeros((1000, 250), np.float32), np.arange(1000) % 2, np.arange(1000))
    task = Task("tabular_classification", 2, ("a", "b"), (250,))
    scaling = supervised.fit_scaling(part, task)
    monkeypatch.setattr(estimators, "available_mb", lambda: 0.5)
    with pytest.raises(TrialError, match=r"LogisticRegression needs the whole array .*data\.train_sizes"):
        estimators.fit_estimator(build("sklearn:LogisticRegression", {}, 0, 1), part, None, task, scaling)


def test_an_estimators_seed_comes_from_the_trial_and_its_arguments_are_checked() -> None:
    assert build("sklearn:RandomForestClassifier", {"n_estimators": 3}, 7, 1).random_state == 7
    assert build("sklearn:linear_model.Ridge", {}, 7, 1).alpha == 1.0
    with pytest.raises(ValueError, match="no argument n_trees: it takes n_estimators"):
        build("sklearn:RandomForestClassifier", {"n_trees": 3}, 0, 1)
    with pytest.raises(ValueError, match="no estimator Forest"):
        build("sklearn:Forest", {}, 0, 1)


def test_a_file_that_brings_code_of_its_own_is_refused(tmp_path: Path) -> None:
    import skops.io

    skops.io.dump(Sneaky(), tmp_path / "estimator.skops")
    with pytest.raises(TrialError, match="not scikit-learn's: .*Sneaky"):
        load_estimator(tmp_path)


class Sneaky:
    def __init__(self) -> None:
        self.value = 1


# Finished ONNX files


def onnx_file(
    path: Path, shape: list[int | str], k: int, *, kind: int = TensorProto.FLOAT, end: str = "Identity"
) -> np.ndarray:
    """A linear model over a flattened input, and its weights (elements, k)."""
    elements = int(np.prod([d for d in shape[1:] if isinstance(d, int)]))
    weights = np.random.default_rng(0).normal(size=(elements, k)).astype(np.float32)
    nodes = [
        helper.make_node("Cast", ["x"], ["xf"], to=TensorProto.FLOAT),
        helper.make_node("Reshape", ["xf", "flat"], ["flattened"]),
        helper.make_node("MatMul", ["flattened", "w"], ["logits"]),
        helper.make_node(end, ["logits"], ["y"]),
    ]
    constants = [
        numpy_helper.from_array(weights, "w"),
        numpy_helper.from_array(np.array([-1, elements], np.int64), "flat"),
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", kind, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [shape[0], k])],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    onnx.save(model, str(path))
    return weights


def softmax(z: np.ndarray) -> np.ndarray:
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


RAW = np.random.default_rng(1).integers(0, 256, (5, 3, 4, 4), dtype=np.uint8)
COLOUR = Task("image_classification", 6, tuple("abcdef"), (3, 4, 4))


@pytest.mark.parametrize("layout", ["nchw", "nhwc", "flat"])
def test_a_finished_file_in_any_layout_is_served_raw_images(tmp_path: Path, layout: str) -> None:
    shapes: dict[str, list[int | str]] = {
        "nchw": ["n", 3, 4, 4],
        "nhwc": ["n", 4, 4, 3],
        "flat": ["n", 48],
    }
    weights = onnx_file(tmp_path / "m.onnx", shapes[layout], 6)
    adopted = finished.adopt(tmp_path / "m.onnx", COLOUR, {"mean": [0.5], "std": [0.25]}, RAW)
    (tmp_path / "w.onnx").write_bytes(adopted.model)
    seen = (RAW / 255 - 0.5) / 0.25
    seen = seen.transpose(0, 2, 3, 1) if layout == "nhwc" else seen
    expected = softmax(seen.reshape(5, -1) @ weights)
    np.testing.assert_allclose(finished.load(tmp_path / "w.onnx")(RAW), expected, atol=1e-5)
    assert adopted.parameters == weights.size
    assert adopted.facts.takes["layout"] == layout and adopted.facts.gives["kind"] == "logits"


def test_a_file_that_takes_bytes_and_answers_probabilities_is_left_alone(tmp_path: Path) -> None:
    weights = onnx_file(tmp_path / "m.onnx", ["n", 3, 4, 4], 6, kind=TensorProto.UINT8, end="Softmax")
    adopted = finished.adopt(tmp_path / "m.onnx", COLOUR, {}, RAW)
    (tmp_path / "w.onnx").write_bytes(adopted.model)
    expected = softmax(RAW.reshape(5, -1).astype(np.float32) @ weights)
    np.testing.assert_allclose(finished.load(tmp_path / "w.onnx")(RAW), expected, atol=1e-5)
    assert adopted.facts.gives["kind"] == "probabilities"


def test_one_output_for_two_classes_is_the_second_ones_probability(tmp_path: Path) -> None:
    weights = onnx_file(tmp_path / "m.onnx", ["n", 3, 4, 4], 1, end="Sigmoid")
    task = replace(COLOUR, num_classes=2, class_names=("no", "yes"))
    adopted = finished.adopt(tmp_path / "m.onnx", task, {}, RAW)
    (tmp_path / "w.onnx").write_bytes(adopted.model)
    answer = finished.load(tmp_path / "w.onnx")(RAW)
    positive = 1 / (1 + np.exp(-(RAW.reshape(5, -1) / 255 @ weights)[:, 0]))
    np.testing.assert_allclose(answer, np.stack([1 - positive, positive], axis=1), atol=1e-5)


def test_a_finished_file_that_does_not_fit_says_both_shapes(tmp_path: Path) -> None:
    onnx_file(tmp_path / "wide.onnx", ["n", 3, 9, 9], 6)
    with pytest.raises(TrialError, match=r"takes \('batch', 3, 9, 9\), the data are \('batch', 3, 4, 4\)"):
        finished.adopt(tmp_path / "wide.onnx", COLOUR, {}, RAW)
    onnx_file(tmp_path / "few.onnx", ["n", 3, 4, 4], 4)
    with pytest.raises(TrialError, match=r"answers 5 examples with \(5, 4\), the task needs \(5, 6\)"):
        finished.adopt(tmp_path / "few.onnx", COLOUR, {}, RAW)
    (tmp_path / "no.onnx").write_text("not a model")
    with pytest.raises(TrialError, match=r"no\.onnx is not a readable ONNX file"):
        finished.adopt(tmp_path / "no.onnx", COLOUR, {}, RAW)
    with pytest.raises(TrialError, match=r"layuot.*there are layout, scale"):
        finished.adopt(tmp_path / "few.onnx", COLOUR, {"layuot": "nchw"}, RAW)


def test_a_finished_file_is_not_trained_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    onnx_file(tmp_path / "m.onnx", ["n", 1, 8, 8], 10)
    what = spec("onnx:m.onnx")
    with pytest.raises(TrialError, match=r"no file m\.onnx beside the suite"):
        train(what, tmp_path / "none")
    monkeypatch.syspath_prepend(str(tmp_path))
    trained = train(what, tmp_path / "t")
    assert trained.facts.trained is False and "train_seconds" not in values(trained)
    scored = score(what, "onnx", tmp_path / "t", tmp_path / "s")
    assert scored.facts.parity.max_abs_difference == 0


# Predictions that are none


@pytest.mark.parametrize(
    ("predictions", "reason"),
    [
        (np.full((4, 3), 1 / 3), r"wrong output shape \(4, 3\) where \(4, 2\) is needed"),
        (np.array([[0.5, 0.5]] * 3 + [[np.nan, 1.0]]), "NaN or infinite predictions for 1 of 4 examples"),
        (np.array([[3.0, -1.0]] * 4), "no probabilities: apply softmax"),
        (np.array([[1.5, -0.5]] * 4), "no probabilities: apply softmax"),
    ],
)
def test_what_is_no_prediction_is_refused_with_its_reason(predictions: np.ndarray, reason: str) -> None:
    task = Task("tabular_classification", 2, ("a", "b"), (1,))
    with pytest.raises(TrialError, match=reason):
        evaluation.check_predictions(predictions, 4, task)


def test_a_metric_that_cannot_be_estimated_is_stored_with_its_note() -> None:
    task = Task("tabular_classification", 2, ("a", "b"), (1,))
    found = evaluation.measure_quality(np.array([[0.2, 0.8]] * 3), np.array([1, 1, 1]), task)
    auc = next(m for m in found if m.metric == "roc_auc")
    assert auc.value is None and auc.note == "not estimable (one class only among 3 targets)"


def test_a_damaged_model_file_is_a_record_error(tmp_path: Path) -> None:
    (tmp_path / "model.json").write_text("{")
    with pytest.raises(RecordError, match="no fitted model can be read"):
        load_meta(tmp_path)


def test_the_tasks_of_this_module_are_in_the_table() -> None:
    for name in ("image_classification", "tabular_classification", "tabular_regression"):
        assert task_module(name) is supervised


def old_file(path: Path, steps: list[onnx.NodeProto], **constants: np.ndarray) -> np.ndarray:
    """A file of opset 10 that does the steps from `x` to `z` and means over the plane; its answer to RAW."""
    mean = helper.make_node("ReduceMean", ["z"], ["y"], axes=[2, 3], keepdims=0)
    graph = helper.make_graph(
        [*steps, mean],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 4, 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 6])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 10)], ir_version=5)
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_param = "n"
    onnx.save(model, str(path))
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, {"x": (RAW / 255).astype(np.float32)})[0])


@pytest.mark.parametrize("mode", ["linear", "nearest"])
def test_a_file_of_an_old_opset_resizes_as_it_did(tmp_path: Path, mode: str) -> None:
    scales = np.array([1, 1, 0.5, 0.375], np.float32)
    steps = [
        helper.make_node("Resize", ["x", "scales"], ["small"], mode=mode),
        helper.make_node("Reshape", ["small", "flat"], ["z"]),
    ]
    before = old_file(tmp_path / "m.onnx", steps, scales=scales, flat=np.array([-1, 6, 1, 1], np.int64))
    adopted = finished.adopt(tmp_path / "m.onnx", COLOUR, {"output": "logits"}, RAW)
    (tmp_path / "w.onnx").write_bytes(adopted.model)
    np.testing.assert_allclose(finished.load(tmp_path / "w.onnx")(RAW), softmax(before), atol=1e-5)


def test_a_file_that_answers_otherwise_in_a_newer_opset_is_refused(tmp_path: Path) -> None:
    steps = [
        helper.make_node("Reshape", ["x", "flat"], ["parts"]),
        helper.make_node("Hardmax", ["parts"], ["z"], axis=1),  # of all 48 until opset 12, of each 6 since
    ]
    old_file(tmp_path / "m.onnx", steps, flat=np.array([-1, 6, 2, 4], np.int64))
    with pytest.raises(TrialError, match=r"m\.onnx answers otherwise once .* opset 13: export it again"):
        finished.adopt(tmp_path / "m.onnx", COLOUR, {}, RAW)


def test_a_file_of_an_old_opset_and_a_fixed_batch_is_taken(tmp_path: Path) -> None:
    flat, weights = np.array([-1, 48], np.int64), np.random.default_rng(0).normal(size=(48, 6))
    steps = [
        helper.make_node("Reshape", ["x", "flat"], ["row"]),
        helper.make_node("MatMul", ["row", "w"], ["products"]),
        helper.make_node("Unsqueeze", ["products"], ["z"], axes=[2, 3]),
    ]
    before = old_file(tmp_path / "m.onnx", steps, flat=flat, w=weights.astype(np.float32))
    model = onnx.load(tmp_path / "m.onnx")
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1
    onnx.save(model, tmp_path / "m.onnx")
    adopted = finished.adopt(tmp_path / "m.onnx", COLOUR, {"output": "logits"}, RAW)
    (tmp_path / "w.onnx").write_bytes(adopted.model)
    np.testing.assert_allclose(finished.load(tmp_path / "w.onnx")(RAW), softmax(before), atol=1e-5)
