"""OpenVINO as a runtime: it answers like the model, alone, and in the precision that it says."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from harness.export.folder import export_variant
from harness.models.build import build_model
from harness.models.fitted import Meta
from harness.models.servable import save_network
from harness.protocols import Split, Task
from harness.reading import read_suite
from harness.record import SuiteError, TrialError
from harness.runtimes import runtime
from harness.runtimes.offered import left_out, runtimes_of
from harness.suite.model_ref import parse_model
from tests.runs_here import run_here
from tests.small_suites import SUITE, write_suite

real = pytest.mark.skipif(importlib.util.find_spec("nncf") is None, reason="not installed (extra openvino)")

IMAGES = Task("image_classification", 4, ("a", "b", "c", "d"), (1, 8, 8))
TEXTS = Task("text_classification", 3, ("a", "b", "c"), vocab_size=50, max_length=24)


def images(n: int, seed: int = 0) -> Split:
    inputs = np.random.default_rng(seed).integers(0, 256, (n, 1, 8, 8), dtype=np.uint8)
    return Split(inputs, (inputs.mean(axis=(1, 2, 3)) // 64).astype(np.int64), np.arange(n))


def tokens(n: int, length: int, seed: int = 0) -> np.ndarray:
    found = np.random.default_rng(seed).integers(2, 50, (n, length), dtype=np.int64)
    found[::2, length // 2 :] = 0  # padding
    return found


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("network") / "fitted"
    torch.manual_seed(0)
    meta = Meta("torch", "small_cnn", {"width": 8}, IMAGES, mean=(0.5,), std=(0.25,))
    save_network(folder, build_model("small_cnn", IMAGES, {"width": 8}), meta)
    return folder


@real
def test_it_answers_like_torch_at_every_batch_size(network: Path, tmp_path: Path) -> None:
    runtime("torch").prepare(network, tmp_path / "torch")
    facts = runtime("openvino").prepare(network, tmp_path / "openvino", images(32))
    exact, served = (
        runtime("torch").load(tmp_path / "torch", 1),
        runtime("openvino").load(tmp_path / "openvino", 1),
    )
    for n in (1, 3, 17):
        rows = images(n, seed=n).inputs
        assert served(rows) == pytest.approx(exact(rows), abs=1e-5)  # bfloat16 would be off by 1e-3
    assert facts["precision"] == "fp32" and facts["parity_rows"] == 32 and facts["parity_max_abs"] < 1e-5
    weights = 4 * sum(p.numel() for p in build_model("small_cnn", IMAGES, {"width": 8}).parameters())
    assert (tmp_path / "openvino" / "model.bin").stat().st_size >= 0.9 * weights, "float32, not float16"


@real
def test_texts_of_any_length_are_answered_like_torch(tmp_path: Path) -> None:
    args = {"dim": 16, "heads": 2, "depth": 1}
    torch.manual_seed(0)
    save_network(
        tmp_path / "fitted",
        build_model("transformer_encoder", TEXTS, args),
        Meta("torch", "transformer_encoder", args, TEXTS),
    )
    runtime("torch").prepare(tmp_path / "fitted", tmp_path / "torch")
    runtime("openvino").prepare(tmp_path / "fitted", tmp_path / "openvino")
    exact, served = (
        runtime("torch").load(tmp_path / "torch", 1),
        runtime("openvino").load(tmp_path / "openvino", 1),
    )
    for n, length in ((1, 3), (5, 24), (2, 9)):
        assert served(tokens(n, length)) == pytest.approx(exact(tokens(n, length)), abs=1e-5)


@real
def test_a_server_imports_no_torch_and_reports_to_nobody(network: Path, tmp_path: Path) -> None:
    runtime("openvino").prepare(network, tmp_path / "artifact")
    program = f"""
import pathlib, sys, threading, numpy
from harness.runtimes import runtime
answer = runtime("openvino").load(pathlib.Path({str(tmp_path / "artifact")!r}), 1, "cpu")
assert answer(numpy.zeros((2, 1, 8, 8), numpy.uint8)).shape == (2, 4)
away = ("torch", "sklearn", "pandas", "ray", "openvino_telemetry", "nncf")
print([name for name in away if sys.modules.get(name)], threading.active_count())
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[] 1"


@real
def test_int8_is_chosen_on_validation_data_and_says_what_was_tried(
    network: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    facts = runtime("openvino-int8").prepare(network, tmp_path / "artifact", images(60), images(50, 1))
    assert {way["way"] for way in facts["tried"]} == {"fp32", "static", "static-attention", "weights"}
    assert not [way["failure"] for way in facts["tried"] if way["failure"]]
    assert (facts["judged_on"], facts["calibration_examples"]) == ("50 validation examples", 60)
    quality = {way["way"]: way["quality"] for way in facts["tried"]}
    graph = (tmp_path / "artifact" / "model.xml").read_text()
    assert re.search(r'type="Const"[^>]*>\s*<data element_type="[iu]8"', graph), "weights of 8 bits"
    assert quality[facts["quantised"]] >= quality["fp32"] - 0.01 or quality[facts["quantised"]] == max(
        quality.values()
    )
    answers = runtime("openvino-int8").load(tmp_path / "artifact", 1)(images(5).inputs)
    assert answers.sum(axis=1) == pytest.approx(np.ones(5), abs=1e-3)
    assert capfd.readouterr() == ("", "")


@real
def test_a_file_of_onnx_is_served_too_and_compared_with_onnx_runtime(network: Path, tmp_path: Path) -> None:
    runtime("onnx").prepare(network, tmp_path / "file")
    card = (tmp_path / "file" / "model.json").read_text()
    (tmp_path / "file" / "model.json").write_text(card.replace('"kind": "torch"', '"kind": "onnx"'))
    facts = runtime("openvino").prepare(tmp_path / "file", tmp_path / "artifact", images(40))
    assert facts["parity_rows"] == 40 and facts["parity_max_abs"] < 1e-5
    assert facts["exporter"] == "finished file, openvino.convert_model"


@real
def test_what_openvino_cannot_run_is_a_failed_cell_with_the_reason(tmp_path: Path) -> None:
    import onnx
    from onnx import TensorProto, helper

    from harness.runtimes.openvino import convert

    table = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3])
    scaled = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 3])
    node = helper.make_node("Scaler", ["x"], ["y"], domain="ai.onnx.ml", offset=[0.0], scale=[2.0])
    graph = helper.make_graph([node], "g", [table], [scaled])
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid("ai.onnx.ml", 3)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=10), str(tmp_path / "model.onnx"))
    with pytest.raises(TrialError, match="cannot be converted to OpenVINO: .*Scaler"):
        convert(tmp_path / "model.onnx", tmp_path)


@real
def test_both_forms_leave_the_harness_and_answer_alone(tmp_path: Path) -> None:
    text = SUITE.replace("[torch, onnx]", "[openvino, openvino-int8]")
    text = text.replace("data: {name: digits}", "data: {name: digits, train_sizes: [200]}")
    suite = write_suite(tmp_path, text, candidates="\n  one: {model: small_cnn, args: {width: 8}}")
    run = run_here(suite, tmp_path / "results", kinds="train score")
    for name in ("openvino", "openvino-int8"):
        assert "answers 8 examples as measured" in export_variant(run, f"one/{name}", tmp_path / name)
        packages = (tmp_path / name / "requirements.txt").read_text().split()
        assert [p.partition("==")[0] for p in packages] == ["numpy", "openvino"] and "==" in packages[1]


def test_where_it_is_not_installed_the_suite_is_refused_with_the_cure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *_: None if name == "openvino" else found(name)
    )
    suite = write_suite(tmp_path, SUITE.replace("[torch, onnx]", "[torch, openvino]"))
    with pytest.raises(SuiteError, match=r"openvino needs openvino: pip install .*'\.\[openvino\]'"):
        read_suite(suite)


def test_an_estimator_is_left_to_the_runtimes_that_can_run_it() -> None:
    model = parse_model("sklearn:LogisticRegression")
    assert runtimes_of(model, ["openvino", "onnx"]) == ["onnx"]
    assert "serve them on onnx" in left_out(model, ["openvino"])["openvino"]
