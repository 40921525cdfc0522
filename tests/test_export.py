"""A variant leaves the harness: what is written, that it answers alone, and what is refused."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from harness.analysis.predictions import predictions_of
from harness.export.folder import export_variant, smoke_test
from harness.record import Failure, HarnessError, Record
from harness.report import numbers as n
from harness.runtimes import runtime
from harness.store.runs import RunFolder
from tests.runs_here import run_here
from tests.small_suites import SUITE, write_suite

FILES = {"README.md", "check.npz", "model", "predict.py", "requirements.txt", "signature.json"}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    folder = tmp_path_factory.mktemp("export")
    suite = write_suite(
        folder, SUITE.replace("data: {name: digits}", "data: {name: digits, train_sizes: [300]}")
    )
    return run_here(suite, folder / "results", kinds="train score")


def test_an_onnx_variant_answers_alone_as_it_was_measured(run: RunFolder, tmp_path: Path) -> None:
    said = export_variant(run, "logistic/onnx", tmp_path / "deploy")
    assert "answers 8 examples as measured" in said
    assert {p.name for p in (tmp_path / "deploy").iterdir()} == FILES
    packages = (tmp_path / "deploy" / "requirements.txt").read_text().split()
    assert [p.partition("==")[0] for p in packages] == ["numpy", "onnxruntime"]

    stored = np.load(tmp_path / "deploy" / "check.npz")
    np.save(tmp_path / "one.npy", stored["inputs"][0])
    command = [sys.executable, "-I", str(tmp_path / "deploy" / "predict.py"), str(tmp_path / "one.npy")]
    answer = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    expected = stored["expected"][0]
    assert answer["class"] == str(expected.argmax())
    assert answer["probability"] == pytest.approx(float(expected.max()), abs=1e-4)


def test_the_card_tells_figures_intervals_data_and_hashes(run: RunFolder, tmp_path: Path) -> None:
    export_variant(run, "logistic/onnx", tmp_path / "deploy")
    card = (tmp_path / "deploy" / "README.md").read_text()
    row = next(line for line in card.splitlines() if line.startswith("| accuracy"))
    assert "–" in row.split("|")[3], "an interval"
    assert f"`{run.records()[0].trial.spec['data']['checksum']}`" in card
    assert "300 train, 144 validation, 359 test" in card
    assert "one seed: every statement on quality is about these checkpoints" in card
    for path in (tmp_path / "deploy").rglob("*"):
        if path.is_file() and path.name != "README.md":
            assert f"| {path.relative_to(tmp_path / 'deploy').as_posix()} | `" in card


def test_the_card_of_one_of_several_seeds_tells_what_this_model_has_by_itself(tmp_path: Path) -> None:
    """The table is of all seeds; in the folder lies the first's."""
    tree = SUITE.replace("logistic: sklearn:LogisticRegression", "tree: sklearn:DecisionTreeClassifier")
    suite = write_suite(tmp_path, tree)
    several = run_here(suite, tmp_path / "results", "training.seeds=[0,1]", kinds="train score")
    export_variant(several, "tree/onnx", tmp_path / "deploy")
    card = (tmp_path / "deploy" / "README.md").read_text()
    scored = [r for r in several.records() if r.trial.variant and r.trial.variant.name == "tree/onnx"]
    own = {r.trial.seed: n.plain(r.value("accuracy") or 0.0) for r in scored}
    assert own[0] != own[1], "seeds differ"
    assert "Quality over 2 training seeds on test data" in card
    assert f"This model is that of seed 0: accuracy {own[0]} by itself." in card


def test_an_exported_model_that_answers_otherwise_is_found_out(run: RunFolder, tmp_path: Path) -> None:
    export_variant(run, "logistic/onnx", tmp_path / "deploy")
    stored = dict(np.load(tmp_path / "deploy" / "check.npz"))
    np.savez(tmp_path / "deploy" / "check.npz", inputs=stored["inputs"], expected=stored["expected"] + 0.01)
    with pytest.raises(HarnessError, match="fails by itself: answers differ by up to 0.01"):
        smoke_test(tmp_path / "deploy", runtime("onnx").export.without)


@pytest.mark.parametrize("scale", [1e-6, 3e6])
def test_an_exported_regression_is_checked_in_units_of_its_values(scale: float, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    inputs = random.normal(size=(200, 2)).round(4)
    values = scale * (5 + inputs @ [2.0, -1.0])
    rows = [f"{a},{b},{y:.9g}" for (a, b), y in zip(inputs, values, strict=True)]
    (tmp_path / "t.csv").write_text("\n".join(["a,b,y", *rows]) + "\n")
    (tmp_path / "suite.yaml").write_text(
        "name: values\ntask: tabular_regression\n"
        "data: {name: tabular_csv, args: {path: t.csv, target: y, kind: number}}\n"
        "candidates: {ridge: {model: 'sklearn:Ridge', training: {seeds: [0]}}}\n"
        "serving: {runtimes: [onnx]}\ndecision: {objective: maximize r2}\n"
    )
    made = run_here(tmp_path / "suite.yaml", tmp_path / "results", kinds="train score")
    export_variant(made, "ridge/onnx", tmp_path / "deploy")
    stored = dict(np.load(tmp_path / "deploy" / "check.npz"))
    spread = float(values.std())
    for off, fits in ((0.0003, True), (0.003, False)):
        moved = (stored["expected"] + off * spread).astype(np.float32)
        np.savez(tmp_path / "deploy" / "check.npz", inputs=stored["inputs"], expected=moved)
        if fits:
            smoke_test(tmp_path / "deploy", runtime("onnx").export.without)
        else:
            with pytest.raises(HarnessError, match="fails by itself: answers differ"):
                smoke_test(tmp_path / "deploy", runtime("onnx").export.without)


def test_predict_refuses_what_the_model_does_not_take(run: RunFolder, tmp_path: Path) -> None:
    export_variant(run, "logistic/onnx", tmp_path / "deploy")
    for array, text in (
        (np.zeros((2, 1, 9, 9), np.uint8), "(1, 9, 9)"),
        (np.zeros((2, 1, 8, 8)), "raw uint8"),
    ):
        np.save(tmp_path / "wrong.npy", array)
        command = [sys.executable, "-I", str(tmp_path / "deploy" / "predict.py"), str(tmp_path / "wrong.npy")]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 1 and text in done.stderr and "Traceback" not in done.stderr


def test_what_cannot_be_exported_is_said_with_its_cure(run: RunFolder, tmp_path: Path) -> None:
    with pytest.raises(HarnessError, match="no variant `logistik/onnx`: did you mean `logistic/onnx`"):
        export_variant(run, "logistik/onnx", tmp_path / "a")
    (tmp_path / "used").mkdir()
    (tmp_path / "used" / "file").write_text("mine")
    with pytest.raises(HarnessError, match="is there already and not empty: name a new folder"):
        export_variant(run, "logistic/onnx", tmp_path / "used")
    assert not (tmp_path / "a").exists()

    failed = RunFolder(str(tmp_path / "results" / "tiny" / run.id))
    failed.write_text("suite.yaml", run.read_text("suite.yaml"))
    for record in run.records():
        if record.trial.runtime == "onnx":
            record = _failed(record)
        failed.commit(record, failed.scratch(record.trial.id))
    with pytest.raises(HarnessError, match=r"failed \(no converter\).*finished are logistic/sklearn"):
        export_variant(failed, "logistic/onnx", tmp_path / "a")


def _failed(record: Record) -> Record:
    return replace(record, status="failed", failure=Failure("no converter"))


@pytest.mark.slow
@pytest.mark.parametrize("runtime", ["torch", "torch-bf16", "sklearn"])
def test_other_runtimes_answer_alone_too(runtime: str, tmp_path: Path) -> None:
    text = SUITE.replace("[torch, onnx]", f"[{'torch' if runtime == 'sklearn' else runtime}]")
    model = "sklearn:LogisticRegression" if runtime == "sklearn" else "{model: small_cnn, args: {width: 8}}"
    suite = write_suite(tmp_path, text, candidates=f"\n  one: {model}")
    run = run_here(suite, tmp_path / "results", kinds="train score")
    assert "as measured" in export_variant(run, f"one/{runtime}", tmp_path / "deploy")


def test_an_exported_model_takes_image_files_as_training_did(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for number in range(40):
        kind = ("disc", "bar")[number % 2]
        (tmp_path / "img" / kind).mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, 250, (30 + number, 60 - number, 4)).astype(np.uint8)
        pixels[..., 3] = 255 * (rng.random(pixels.shape[:2]) < 0.7)
        image = Image.fromarray(pixels)
        turned = Image.Exif()
        turned[0x0112] = 6
        if number % 4 < 2:
            image.save(tmp_path / "img" / kind / f"{number}.png")
        else:
            image.convert("RGB").save(tmp_path / "img" / kind / f"{number}.jpg", exif=turned)
    data = 'data: {name: image_folder, path: img, size: 12, test: 0.5, background: "#ff0000"}'
    suite = write_suite(tmp_path, SUITE.replace("data: {name: digits}", data))
    run = run_here(suite, tmp_path / "results", kinds="train score")
    export_variant(run, "logistic/onnx", tmp_path / "deploy")
    packages = (tmp_path / "deploy" / "requirements.txt").read_text().split()
    assert [p.partition("==")[0] for p in packages] == ["numpy", "onnxruntime", "pillow"]
    assert "laid on #ff0000 where they are transparent" in (tmp_path / "deploy" / "README.md").read_text()

    record = next(r for r in run.records() if r.trial.kind == "score" and r.trial.spec["runtime"] == "onnx")
    kept = predictions_of(run)(record.trial.id)
    names = sorted(p.relative_to(tmp_path / "img").as_posix() for p in (tmp_path / "img").rglob("*.*"))
    files = [str(tmp_path / "img" / names[place]) for place in kept.ids]
    assert {Path(file).suffix for file in files} == {".png", ".jpg"}
    command = [sys.executable, "-I", str(tmp_path / "deploy" / "predict.py"), *files]
    said = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    found = [json.loads(line)["probability"] for line in said.splitlines()]
    np.testing.assert_allclose(found, kept.outputs.max(axis=1), atol=1e-4)


def test_an_exported_table_says_how_its_numbers_are_made(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    rows = [
        f"{'' if i % 9 == 0 else rng.normal()},{'xy'[i % 2]},{'no' if i % 3 else 'yes'}" for i in range(90)
    ]
    (tmp_path / "t.csv").write_text("size,kind,bought\n" + "\n".join(rows) + "\n")
    text = SUITE.replace("image_classification", "tabular_classification")
    text = text.replace(
        "data: {name: digits}", "data: {name: tabular_csv, args: {path: t.csv, target: bought}}"
    )
    run = run_here(write_suite(tmp_path, text), tmp_path / "results", kinds="train score")
    said = export_variant(run, "logistic/onnx", tmp_path / "deploy")
    assert "answers 8 examples as measured" in said
    columns = json.loads((tmp_path / "deploy" / "signature.json").read_text())["input"]["columns"]
    assert columns == [{"name": "size", "kind": "number"}, {"name": "kind", "kind": "category"}]
    learnt = json.loads((tmp_path / "deploy" / "model" / "columns.json").read_text())["steps"]
    assert learnt[1]["values"] == ["x", "y"]
    card = (tmp_path / "deploy" / "README.md").read_text()
    assert f"| `size` | number | itself; {learnt[0]['if_missing']:g} where it is missing |" in card
    assert "| `kind` | category | 2 columns of 0 and 1, one a value |" in card
