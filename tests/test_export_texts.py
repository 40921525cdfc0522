"""Models of texts leave the harness with their tokenizer: the folder takes texts and needs little."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from harness.export.folder import export_variant, smoke_test
from harness.record import HarnessError
from harness.store.runs import RunFolder
from tests.runs_here import run_here
from tests.small_bert import write_bert

SUITE = """\
name: moods
task: text_classification
data: {name: text_csv, args: {path: films.csv}, validation: 0.15}
training: {seeds: [0], epochs: 1, batch_size: 32, precision: fp32}
candidates:
  tfidf: {model: sklearn:LogisticRegression, args: {tfidf: {min_df: 1}}}
  lstm: {model: lstm, args: {dim: 8, hidden: 8}}
serving: {runtimes: [RUNTIMES], rounds: 1, scenarios: {single_stream: {seconds: 0.1, min_calls: 5}}}
machine: {usd_per_hour: 0.09}
decision: {objective: maximize accuracy}
"""
TEXTS = ["a wonderful film", "", "Tedious, isn’t it?", "😀 x" + " dull" * 500, "nul\x00byte"]


def write(folder: Path, runtimes: str, candidates: str = "") -> Path:
    """A suite on two hundred made-up sentences."""
    random = np.random.default_rng(0)
    words = (("dull", "tedious", "bad"), ("wonderful", "moving", "good"))
    rows = [
        f"the film was {words[i % 2][int(random.integers(3))]} and no{i} said,{('bad', 'good')[i % 2]}"
        for i in range(200)
    ]
    (folder / "films.csv").write_text("\n".join(["text,label", *rows]) + "\n")
    path = folder / "moods.yaml"
    path.write_text(SUITE.replace("RUNTIMES", runtimes).replace("serving:", f"{candidates}serving:"))
    return path


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    folder = tmp_path_factory.mktemp("export")
    return run_here(write(folder, "torch, onnx"), folder / "results", kinds="train score")


def answers(folder: Path, tmp_path: Path, texts: list[str]) -> list[dict[str, object]]:
    """What `predict.py` prints for a file of texts, run as a user runs it."""
    (tmp_path / "texts.txt").write_text("\n".join(texts) + "\n", encoding="utf-8")
    command = [sys.executable, "-I", str(folder / "predict.py"), str(tmp_path / "texts.txt")]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd="/")
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize("variant", ["tfidf/onnx", "tfidf/sklearn", "lstm/onnx"])
def test_a_text_variant_answers_texts_alone_as_it_was_measured(
    run: RunFolder, tmp_path: Path, variant: str
) -> None:
    from harness.runtimes import texts

    folder = tmp_path / "deploy"
    assert "answers 8 examples as measured" in export_variant(run, variant, folder)
    needed = {p.partition("==")[0] for p in (folder / "requirements.txt").read_text().split()}
    if variant.endswith("/onnx"):
        assert needed == {"numpy", "onnxruntime"}
        assert "It needs numpy and onnxruntime." in (folder / "README.md").read_text()
    assert "harness" not in (folder / "predict.py").read_text().split()
    said = answers(folder, tmp_path, TEXTS)
    record = next(r for r in run.records() if r.trial.variant and r.trial.variant.name == variant)
    artifact = run.trial_folder(record.trial.id) / "artifact"
    served = texts.load(str(record.trial.runtime), artifact, 1)(TEXTS)
    assert [a["class"] for a in said] == [("bad", "good")[i] for i in served.argmax(1)]
    np.testing.assert_allclose([a["probability"] for a in said], served.max(1), atol=1e-5)


def test_a_row_of_one_text_is_that_text_and_what_is_none_is_refused(run: RunFolder, tmp_path: Path) -> None:
    folder = tmp_path / "deploy"
    export_variant(run, "tfidf/onnx", folder)
    command = [sys.executable, "-I", str(folder / "predict.py"), str(tmp_path / "rows.jsonl")]

    def asked(*lines: str) -> subprocess.CompletedProcess[str]:
        (tmp_path / "rows.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8-sig")
        return subprocess.run(command, capture_output=True, text=True, check=False)

    text = "a wonderful\u2028film,\nno1"
    told = [json.dumps(one, ensure_ascii=False) for one in ({"text": text}, text, None, {"text": None}, "")]
    said = asked(*told).stdout.splitlines()  # as MLflow's server sends a table of one column
    assert len(said) == 5 and said[0] == said[1] and said[2] == said[3] == said[4] != said[0]
    for wrong in ('{"text": "a", "label": "b"}', "7", '["a", "b"]'):
        done = asked(wrong)
        assert done.returncode == 1 and "is no text: give texts, or rows with one text each" in done.stderr


def test_a_damaged_tokenizer_is_found_out(run: RunFolder, tmp_path: Path) -> None:
    export_variant(run, "tfidf/onnx", tmp_path / "deploy")
    path = tmp_path / "deploy" / "model" / "tokenizer.json"
    tokenizer = json.loads(path.read_text())
    path.write_text(json.dumps({**tokenizer, "terms": tokenizer["terms"][::-1]}))
    with pytest.raises(HarnessError, match="fails by itself: answers differ by up to"):
        smoke_test(tmp_path / "deploy")


@pytest.mark.slow
def test_a_network_that_torch_cannot_write_down_names_the_variant_that_can_be_exported(
    run: RunFolder, tmp_path: Path
) -> None:
    with pytest.raises(HarnessError, match="cannot be exported as a program.*export its onnx variant"):
        export_variant(run, "lstm/torch", tmp_path / "deploy")
    assert not (tmp_path / "deploy").exists()


@pytest.mark.slow
def test_a_fine_tuned_encoder_takes_its_own_tokenizer_along(tmp_path: Path) -> None:
    write_bert(tmp_path / "bert", pad=5)
    bert = '  bert: {model: "hf:./bert", args: {max_length: 12}, training: {optimizer: {lr: 0.01}}}\n'
    suite = write(tmp_path, "torch, onnx, onnx-int8", bert)
    run = run_here(suite, tmp_path / "results", kinds="train score")
    for runtime in ("torch", "onnx", "onnx-int8"):
        folder = tmp_path / runtime
        assert "as measured" in export_variant(run, f"bert/{runtime}", folder)
        needed = {p.partition("==")[0] for p in (folder / "requirements.txt").read_text().split()}
        assert needed == {"numpy", "torch" if runtime == "torch" else "onnxruntime", "tokenizers"}
        assert "`tokenizers` runs the pretrained model's own tokenizer" in (folder / "README.md").read_text()
        assert len(answers(folder, tmp_path, TEXTS)) == len(TEXTS)
    assert "as measured" in export_variant(run, "lstm/onnx-int8", tmp_path / "lstm8")
