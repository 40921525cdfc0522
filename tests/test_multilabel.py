"""Several labels of one example: read, learnt, measured, served, exported and shown."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn import metrics as sklearn

from harness.analysis.predictions import read_predictions as read_stored
from harness.datasets import image_csv, tabular_csv, text_csv
from harness.datasets.splits import strata
from harness.facts import ScoreFacts
from harness.kinds import KINDS
from harness.kinds.multilabel.answers import by_label, describe
from harness.metrics import METRICS
from harness.protocols import Dataset, Task
from harness.reading import read_suite
from harness.record import DataError, SuiteError
from harness.tasks import evaluation
from tests.task_trials import score, spec, train, values

LABELS = ("rude", "spam", "threat", "toxic")
WORDS = {"rude": "boor", "spam": "offer", "threat": "beware", "toxic": "venom"}
KIND = KINDS["multilabel_classification"]


def comments(folder: Path, n: int = 240) -> Path:
    """Texts whose words give their labels away; one in six has none."""
    random = np.random.default_rng(0)
    lines = []
    for i in range(n):
        held = [label for label in LABELS if random.random() < 0.35]
        lines.append(f"note {i} {' '.join(WORDS[label] for label in held)} end,{'|'.join(held) or 'none'}")
    file = folder / "comments.csv"
    file.write_text("text,label\n" + "\n".join(lines) + "\n")
    return file


def text_spec(file: Path, model: str, args: dict[str, Any] | None = None, **training: Any) -> dict[str, Any]:
    made = spec(model, args, **training)
    given = {"path": str(file), "label_separator": "|"}
    data = {"name": "text_csv", "args": given, "validation": 0.1, "seed": 0}
    return {**made, "task": "multilabel_classification", "data": data}


# ------------------------------------------------------------------------------------------ metrics


def _answers(seed: int, n: int = 60, k: int = 5) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    targets = (random.random((n, k)) < random.uniform(0.05, 0.6, size=k)).astype(np.int64)
    noise = random.random((n, k))
    return np.where(random.random((n, k)) < 0.6, 0.5 * targets + 0.5 * noise, noise), targets


@pytest.mark.parametrize("seed", range(5))
def test_every_metric_of_labels_agrees_with_scikit_learn(seed: int) -> None:
    shares, targets = _answers(seed)
    said = shares > 0.5
    held = targets.any(axis=0)
    expected = {
        "label_f1_micro": sklearn.f1_score(targets, said, average="micro", zero_division=0),
        "label_f1_macro": sklearn.f1_score(targets, said, average="macro", zero_division=0),
        "mean_average_precision": sklearn.average_precision_score(targets[:, held], shares[:, held]),
        "subset_accuracy": sklearn.accuracy_score(targets, said),
        "hamming_loss": sklearn.hamming_loss(targets, said),
        "label_log_loss": np.mean([sklearn.log_loss(t, p) for t, p in zip(targets.T, shares.T, strict=True)]),
    }
    assert set(expected) == set(KIND.metrics)
    for name, value in expected.items():
        measure = METRICS[name].measure
        assert measure is not None
        assert measure(shares, targets) == pytest.approx(value, abs=1e-9), name


@pytest.mark.parametrize("name", [m.name for m in KIND.own if m.per_example])
def test_scores_of_examples_average_to_their_metric(name: str) -> None:
    shares, targets = _answers(7)
    metric = METRICS[name]
    assert metric.per_example is not None and metric.measure is not None
    scores = metric.per_example(shares, targets)
    assert scores.shape == (60,) and scores.mean() == pytest.approx(metric.measure(shares, targets))


def test_average_precision_of_labels_that_nobody_has_is_not_estimable() -> None:
    task = Task("multilabel_classification", 2, ("a", "b"), inputs="text")
    found = evaluation.measure_quality(np.full((3, 2), 0.2), np.zeros((3, 2), np.int64), task)
    told = {m.metric: m for m in found}
    assert told["mean_average_precision"].note == "not estimable (no label only among 3 targets)"
    assert told["subset_accuracy"].value == 1.0


def test_answers_outside_of_0_to_1_are_refused_and_need_not_sum_to_1() -> None:
    assert KIND.check(np.array([[0.9, 0.9], [0.1, 0.0]]), "probabilities") == ""
    assert "apply sigmoid" in KIND.check(np.array([[2.5, -1.0]]), "probabilities")


# --------------------------------------------------------------------------------------------- data


def _texts(folder: Path, rows: list[str], **args: Any) -> Dataset:
    file = folder / "t.csv"
    file.write_text("text,label\n" + "".join(f"text number {i},{row}\n" for i, row in enumerate(rows)))
    return text_csv.load(path=str(file), label_separator="|", **args)


def test_cells_become_columns_of_labels_in_the_alphabets_order(tmp_path: Path) -> None:
    dataset = _texts(tmp_path, ["rude|spam", "spam", "", " spam | rude |spam", "rude"] * 8)
    assert dataset.task == Task("multilabel_classification", 2, ("rude", "spam"), inputs="text")
    part = dataset.train
    by_id = {int(i): tuple(t) for i, t in zip(part.ids, part.targets, strict=True)}
    wanted = [(1, 1), (0, 1), (0, 0), (1, 1), (1, 0)]
    assert all(by_id[i] == wanted[i % 5] for i in by_id)
    assert len(dataset.train) + len(dataset.test) == 40


def test_a_word_for_nothing_that_stands_alone_is_no_label_and_said(tmp_path: Path) -> None:
    file = comments(tmp_path)
    args = {"path": str(file), "label_separator": "|"}
    assert text_csv.task(**args).class_names == LABELS
    assert any("'none'" in note and "no label" in note for note in text_csv.notes(**args))
    assert "none" in text_csv.task(**args, labels={"none": "none"}).class_names


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        (["rude|spam", "Rude", "spam", "spam"] * 10, "differ in case"),
        (["rude", "rude", "", "rude"] * 10, "one label, 'rude'"),
        (["rude|spam", "spam", "spam"] * 10, "every training row has the label spam"),
    ],
)
def test_labels_that_nothing_can_be_learnt_of_are_refused(
    rows: list[str], reason: str, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=reason):
        _texts(tmp_path, rows)


def test_both_parts_hold_the_rarest_label_in_like_shares() -> None:
    targets = np.zeros((200, 3), np.int64)
    targets[:, 0] = 1
    targets[:10, 2] = 1
    codes = strata(targets)
    assert (codes[:10] == 2).all() and (codes[10:] == 0).all()
    assert strata(np.zeros((4, 3), np.int64)).tolist() == [-1] * 4


def test_a_table_may_have_a_target_of_several_labels(tmp_path: Path) -> None:
    file = tmp_path / "t.csv"
    kinds = ["a|b", "a", "b", ""]
    file.write_text("x,y,kind\n" + "".join(f"{i},{i % 7},{kinds[i % 4]}\n" for i in range(80)))
    dataset = tabular_csv.load(path=str(file), target="kind", label_separator="|")
    assert dataset.task.takes == "table" and dataset.task.input_shape == (2,)
    assert dataset.train.targets.shape == (len(dataset.train), 2)


def _images(folder: Path, count: int = 60) -> Path:
    from PIL import Image

    random = np.random.default_rng(0)
    lines = []
    for i in range(count):
        held = [label for label in ("dark", "striped") if random.random() < 0.5]
        pixels = np.full((12, 12), 60 if "dark" in held else 200, np.uint8)
        pixels[:: 2 if "striped" in held else 12] //= 2
        Image.fromarray(pixels).save(folder / f"{i}.png")
        lines.append(f"{i}.png,{';'.join(held)}\n")
    file = folder / "images.csv"
    file.write_text("image,label\n" + "".join(lines))
    return file


def test_a_table_names_images_and_their_labels(tmp_path: Path) -> None:
    args = {"path": str(_images(tmp_path)), "label_separator": ";", "size": 8, "grey": True}
    dataset = image_csv.load(**args)
    assert dataset.task.takes == "image" and dataset.task.input_shape == (1, 8, 8)
    assert dataset.train.inputs.shape[1:] == (1, 8, 8) and len(dataset.train) + len(dataset.test) == 60
    dark = dataset.train.targets[:, 0] == 1
    assert dataset.train.inputs[dark].max() < dataset.train.inputs[~dark].max()
    before = image_csv.checksum(**args)
    (tmp_path / "3.png").write_bytes((tmp_path / "3.png").read_bytes() + b"more")
    assert image_csv.checksum(**args) != before


def test_rows_without_an_image_are_named(tmp_path: Path) -> None:
    file = _images(tmp_path)
    (tmp_path / "7.png").unlink()
    with pytest.raises(DataError, match=r"names no file '7.png' \(row 8\)"):
        image_csv.load(path=str(file), label_separator=";")


# -------------------------------------------------------------------------- train, score, serve, show


@pytest.mark.parametrize(
    ("model", "least"), [("sklearn:LogisticRegression", 0.9), ("sklearn:LinearSVC", 0.95)]
)
def test_an_estimator_learns_each_label_and_onnx_answers_as_it_does(
    model: str, least: float, tmp_path: Path
) -> None:
    what = text_spec(comments(tmp_path), model, {"C": 10.0})
    train(what, tmp_path / "train")
    native = score(what, "sklearn", tmp_path / "train", tmp_path / "native")
    exported = score(what, "onnx", tmp_path / "train", tmp_path / "onnx")
    assert (values(native)["label_f1_micro"] or 0) > least
    assert exported.facts.parity.max_abs_difference < 1e-5
    assert exported.facts.parity.agreement == 1.0
    ids, targets, answers = evaluation.read_predictions(tmp_path / "onnx" / "predictions.parquet")
    assert targets.shape == answers.shape == (len(ids), 4)
    stored = read_stored((tmp_path / "onnx" / "predictions.parquet").read_bytes())
    assert np.array_equal(stored.targets, targets) and np.array_equal(stored.outputs, answers)


def test_the_constant_answer_is_the_share_of_each_label(tmp_path: Path) -> None:
    what = text_spec(comments(tmp_path), "sklearn:DummyClassifier")
    train(what, tmp_path / "train")
    found = score(what, "sklearn", tmp_path / "train", tmp_path / "score")
    told = found.facts.constant
    assert told == pytest.approx({n: v for n, v in values(found).items() if n in told}, abs=1e-6)


def test_a_network_on_images_learns_labels_and_keeps_them_in_int8(tmp_path: Path) -> None:
    file = _images(tmp_path, 120)
    made = spec("small_cnn", {"width": 8}, epochs=30, batch_size=16, optimizer={"lr": 0.01})
    given = {"path": str(file), "label_separator": ";", "size": 8, "grey": True}
    data = {"name": "image_csv", "args": given, "validation": 0.15, "seed": 0}
    what = {**made, "task": "multilabel_classification", "data": data}
    train(what, tmp_path / "train")
    found = score(what, "torch", tmp_path / "train", tmp_path / "score")
    assert (values(found)["subset_accuracy"] or 0) > 0.7
    small = score(what, "onnx-int8", tmp_path / "train", tmp_path / "int8")
    assert small.facts.prepared["precision"] == "int8"
    assert (values(small)["subset_accuracy"] or 0) >= (values(found)["subset_accuracy"] or 0) - 0.17


def test_the_weakest_label_of_each_candidate_is_shown_with_intervals() -> None:
    task = Task("multilabel_classification", 2, ("easy", "hard"), inputs="text")
    targets = np.array([[1, 1], [1, 0], [0, 1], [0, 0]] * 25)
    answers = targets.astype(float)
    answers[:60, 1] = 1 - answers[:60, 1]
    facts = describe(ScoreFacts(), answers, targets, task, "probabilities")
    first, every = by_label({"m": [facts, facts]})
    assert first.rows[0][0].text == "m" and first.rows[0][1].text == "hard"
    hard = every.rows[1]
    said = answers[:, 1] > 0.5
    assert hard[1].value == pytest.approx(sklearn.f1_score(targets[:, 1], said))
    assert hard[2].value == pytest.approx(sklearn.precision_score(targets[:, 1], said))
    assert hard[3].value == pytest.approx(sklearn.recall_score(targets[:, 1], said))
    low, high = hard[1].low, hard[1].high
    assert low is not None and high is not None and 0.2 < low < (hard[1].value or 0) < high < 0.6
    assert hard[4].count == 50
    easy = every.rows[0][1]
    assert easy.value == easy.high == 1.0 and 0.9 < (easy.low or 0) < 1.0


SUITE = """
name: labels
task: multilabel_classification
data: {name: text_csv, path: comments.csv, label_separator: "|"}
training: {seeds: [0]}
candidates: {tfidf: "sklearn:LogisticRegression"}
serving: {runtimes: [sklearn, onnx], rounds: 1, duels: 0, scenarios: {single_stream: {seconds: 0.1}}}
decision: {objective: maximize label_f1_micro}
"""


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("label_f1_micro", "accuracy", "it is for classification; for multilabel_classification there is"),
        ('"sklearn:LogisticRegression"', "small_cnn", "takes images"),
        (
            '"sklearn:LogisticRegression"',
            '{model: "sklearn:LogisticRegression", args: {class_weight: {rude: 2}}}',
            "write balanced",
        ),
        (', label_separator: "|"', "", "label_separator"),
    ],
)
def test_a_suite_that_cannot_be_meant_is_refused(old: str, new: str, reason: str, tmp_path: Path) -> None:
    comments(tmp_path)
    (tmp_path / "s.yaml").write_text(SUITE.replace(old, new))
    with pytest.raises((SuiteError, DataError)) as error:
        read_suite(tmp_path / "s.yaml")
    assert reason in str(error.value)


def test_a_whole_run_decides_shows_the_labels_and_exports(tmp_path: Path) -> None:
    from harness.export.folder import export_variant
    from harness.report.render import render
    from tests.runs_here import run_here

    comments(tmp_path)
    (tmp_path / "s.yaml").write_text(SUITE)
    run = run_here(tmp_path / "s.yaml", tmp_path / "out", kinds="train score")
    render(run)
    page = run.read_text("report.html")
    assert "Errors by label" in page and "Weakest label" in page and "F1 of labels (micro)" in page
    assert "Errors by class" not in page
    export_variant(run, "tfidf/onnx", tmp_path / "model")
    (tmp_path / "in.txt").write_text("a boor and an offer\nnothing\n")
    command = [sys.executable, str(tmp_path / "model" / "predict.py"), str(tmp_path / "in.txt")]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=280)
    first, second = map(json.loads, done.stdout.splitlines())
    assert set(first["probabilities"]) == set(LABELS) and second["labels"] == []
    assert first["probabilities"]["rude"] > second["probabilities"]["rude"]
