"""Estimators that skl2onnx cannot convert are known before anything is fitted, by its own registry."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from harness.codec import JsonObject
from harness.models.estimators import build
from harness.planning.trials import plan_trials
from harness.reading import read_suite
from harness.record import SuiteError
from harness.runtimes.common import silence
from harness.runtimes.converters import convert
from harness.runtimes.offered import left_out
from harness.suite.model_ref import parse_model

MADE_OF: dict[str, tuple[str, JsonObject, str]] = {
    "alone": ("sklearn:NearestCentroid", {}, "NearestCentroid"),
    "by its module": ("sklearn:dummy.DummyClassifier", {}, "DummyClassifier"),
    "of one converter with others": ("sklearn:linear_model.RidgeClassifier", {}, ""),
    "a step before": (
        "sklearn:Pipeline",
        {
            "steps": {
                "map": {"model": "sklearn:Nystroem", "args": {"n_components": 9}},
                "model": "sklearn:LogisticRegression",
            }
        },
        "Nystroem inside Pipeline",
    ),
    "a step with arguments": (
        "sklearn:Pipeline",
        {"steps": {"scale": "sklearn:StandardScaler", "model": {"model": "sklearn:SVC", "args": {"C": 2}}}},
        "",
    ),
    "inside an ensemble": (
        "sklearn:VotingClassifier",
        {"estimators": {"a": "sklearn:GaussianNB", "b": {"model": "sklearn:NearestCentroid"}}},
        "NearestCentroid inside VotingClassifier",
    ),
    "another library inside": (
        "sklearn:StackingClassifier",
        {"estimators": {"a": "xgboost:XGBClassifier", "b": "sklearn:GaussianNB"}, "cv": 2},
        "",
    ),
    "a kernel, which is no estimator": (
        "sklearn:GaussianProcessClassifier",
        {"kernel": {"model": "sklearn:gaussian_process.kernels.RBF"}},
        "",
    ),
    "only to choose columns": (
        "sklearn:Pipeline",
        {
            "steps": {
                "some": {"model": "sklearn:SelectFromModel", "args": {"estimator": "sklearn:LinearSVC"}},
                "model": "sklearn:LogisticRegression",
            }
        },
        "",
    ),
}


@pytest.mark.parametrize("case", MADE_OF)
def test_what_is_said_before_is_what_the_converter_does(case: str) -> None:
    model, args, missing = MADE_OF[case]
    said = left_out(parse_model(model), ["onnx"], "tabular_classification", args).get("onnx", "")
    assert ("has no converter for " + missing + "; it is served by sklearn itself" in said) == bool(missing)
    assert bool(said) == bool(missing), said
    if "xgboost" in str(args):
        pytest.importorskip("xgboost", reason="extra boosting")
        pytest.importorskip("onnxmltools", reason="extra boosting")
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(60, 4)).astype(np.float32)
    estimator = build(model, args, 0, 1).fit(rows, (rows[:, 0] > 0).astype(int))
    try:
        with silence():
            convert(estimator, 4)
    except Exception as error:  # the converters know no common one
        assert missing, error
    else:
        assert not missing


def test_what_only_chooses_columns_may_be_of_any_kind() -> None:
    steps = {
        "some": {"model": "sklearn:SelectFromModel", "args": {"estimator": "sklearn:KernelRidge"}},
        "model": "sklearn:Ridge",
    }
    model = parse_model("sklearn:Pipeline")
    assert not left_out(model, ["onnx"], "tabular_regression", {"steps": steps})
    assert left_out(model, ["onnx"], "tabular_regression", {"steps": {**steps, "some": "sklearn:FastICA"}})


def test_a_plan_has_no_trial_that_could_only_fail_and_a_suite_of_them_is_a_mistake(tmp_path: Path) -> None:
    text = (
        "name: centres\ntask: tabular_classification\ndata: {name: breast_cancer}\n"
        "candidates: {centres: 'sklearn:NearestCentroid', logistic: 'sklearn:LogisticRegression'}\n"
        "decision: {objective: maximize accuracy}\nserving: {runtimes: [torch, onnx]}\n"
    )
    (tmp_path / "suite.yaml").write_text(text)
    trials = plan_trials(read_suite(tmp_path / "suite.yaml"))
    assert {t.runtime for t in trials if t.candidate == "centres" and t.runtime} == {"sklearn"}
    assert {t.runtime for t in trials if t.candidate == "logistic" and t.runtime} == {"sklearn", "onnx"}
    (tmp_path / "suite.yaml").write_text(text.replace("[torch, onnx]", "[onnx]"))
    with pytest.raises(SuiteError) as told:
        read_suite(tmp_path / "suite.yaml")
    assert "suite.yaml:4: candidates.centres.model: runs on none of onnx: add torch" in str(told.value)
