"""The Python API: a run's results as DataFrames, and the same decisions as the command line's."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import harness
from harness.analysis.predictions import Predictions
from harness.analysis.recommend import decide
from harness.record import HarnessError, SuiteError
from tests.report_samples import make_records, make_run, make_suite

SUITE = {
    "name": "digits",
    "task": "image_classification",
    "data": {"name": "digits"},
    "candidates": {"logistic": "sklearn:LogisticRegression"},
    "training": {"seeds": [0]},
    "serving": {"runtimes": ["onnx"], "rounds": 1, "scenarios": {"single_stream": {"seconds": 0.2}}},
    "decision": {"objective": "maximize accuracy"},
}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> harness.Run:
    return harness.Run(make_run(tmp_path_factory.mktemp("runs"), make_records(), make_suite()))


def test_importing_the_package_imports_nothing_heavy() -> None:
    heavy = ("numpy", "pandas", "torch", "ray", "pydantic")
    code = f"import sys, harness; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    assert set(harness.__all__) <= set(dir(harness))
    with pytest.raises(AttributeError, match="has no attribute 'runn'"):
        harness.runn  # noqa: B018


def test_a_suite_may_be_a_path_a_mapping_or_a_suite(tmp_path: Path) -> None:
    suite = harness.load_suite(SUITE, ["training.epochs=2"])
    assert suite.name == "digits" and suite.training.epochs == 2
    assert harness.load_suite(suite) == suite
    assert len(harness.plan(suite, out=tmp_path).trials) == len(harness.plan(SUITE, out=tmp_path).trials) == 3
    with pytest.raises(SuiteError, match=r"suite.yaml:\d+: candidates.logistic.*LogisticRegression"):
        harness.load_suite({**SUITE, "candidates": {"logistic": "sklearn:LogisticRegresion"}})


def test_the_tables_hold_what_the_run_holds(run: harness.Run) -> None:
    table = run.tradeoffs
    row = next(r for r in run.evidence.tradeoff.rows if r.variant == "small_cnn/onnx")
    assert table.loc["small_cnn/onnx", "accuracy"] == row.estimates["accuracy"].value
    assert table.loc["small_cnn/onnx", "accuracy_low"] == row.estimates["accuracy"].low
    assert {"trial", "metric", "unit", "value", "status"} <= set(run.records.columns)
    answers = run.predictions("small_cnn")
    assert set(answers["seed"]) == {0, 1, 2} and answers.filter(like="p_").sum(axis=1).round(3).eq(1).all()
    assert {"seed", "train_size", "epoch"} <= set(run.history("small_cnn").columns)
    curve = run.load_curve("small_cnn/onnx")
    assert (curve["late_share"] <= 1).all() and {"offered", "p99_ms", "round"} <= set(curve.columns)
    with pytest.raises(HarnessError, match="no learning curve in .*; it holds .*small_cnn"):
        run.history("nobody")


def test_it_decides_as_the_command_line_does(run: harness.Run) -> None:
    assert run.recommendation.choice == decide(run.folder).choice
    limits = ["latency_p99_ms <= 1"]
    assert run.recommend(limits) == decide(run.folder, limits)
    same = run.recommend(traffic={"qps": 200, "peak_qps": 600})
    assert (same.verdict, same.choice) == (run.recommendation.verdict, run.recommendation.choice)
    hours = np.full(24, 300.0)
    assert run.recommend(traffic={"curve": hours, "spare": np.int64(1)}) == decide(
        run.folder, settings=[f"decision.traffic.curve={hours.tolist()}", "decision.traffic.spare=1"]
    )
    # Machines for 600 requests per second were priced for 5,000.
    with pytest.raises(SuiteError, match="the peak, 600, is below the mean, 5000"):
        run.recommend(traffic={"qps": 5000})


def test_a_notebook_shows_the_verdict_and_the_table(run: harness.Run) -> None:
    shown = run._repr_html_()
    assert (run.recommendation.choice or "none of them") in shown and "<table" in shown
    assert run.report().name == "report.html"


@pytest.mark.slow
def test_a_mapping_is_run_to_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_LOCKS", str(tmp_path / "locks"))
    made = harness.run(SUITE, out=tmp_path)
    assert made.tradeoffs.loc["logistic/onnx", "accuracy"] > 0.9
    assert harness.open_run("latest", tmp_path).url == made.url


def test_answers_that_are_lists_come_as_the_scores_of_each_user() -> None:
    found = Predictions(np.array([7, 9]), np.zeros(2), np.zeros((2, 0)), {"ndcg@10": np.array([0.5, 1.0])})
    assert {name: list(column) for name, column in found.by_column().items()} == {
        "id": [7, 9],
        "ndcg@10": [0.5, 1.0],
    }


def test_several_labels_and_ranking_scores_have_a_column_each() -> None:
    labels = Predictions(np.arange(2), np.eye(2), np.array([[0.9, 0.2], [0.1, 0.7]]))
    assert list(labels.by_column()) == ["t_0", "t_1", "p_0", "p_1"]
    assert list(replace(labels, targets=np.arange(2), answers="scores").by_column()) == [
        "target",
        "s_0",
        "s_1",
    ]
