"""The Python API: a run's results as DataFrames, and the same decisions as the command line's."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

import harness
from harness.analysis.predictions import Predictions
from harness.analysis.recommend import decide
from harness.planning.request import RunRequest
from harness.record import HarnessError, Record, RecordError, SuiteError
from harness.store.runs import RunFolder
from harness.store.runs import open_run as open_folder
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


def build_net(task: object) -> None: ...


def test_mistakes_in_a_mapping_are_said_of_its_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They named a line of a temporary file that was gone."""
    monkeypatch.chdir(tmp_path)
    wrong = {
        **SUITE,
        "candidates": {"logistic": "sklearn:LogisticRegresion", "cnn": {"model": "small_cn"}},
        "decision": {"constraints": ["accuracy >= 0.5", "latency >= 3"]},
        "training": {"epochs": float("nan")},
    }
    for ask in (harness.load_suite, harness.plan, harness.run):
        with pytest.raises(SuiteError) as caught:
            ask(wrong)
        heads = sorted(said.partition(": ")[0] for said in caught.value.mistakes)
        assert heads == [
            "candidates.cnn.model", "candidates.logistic.model", "decision.constraints", "training.epochs",
        ]  # fmt: skip
        assert "suite.yaml" not in str(caught.value)
    with pytest.raises(SuiteError) as caught:
        harness.run(wrong, budget="soon", track="x")
    assert [said.partition(": ")[0] for said in caught.value.mistakes[:2]] == ["budget soon", "track x"]
    assert len(caught.value.mistakes) == 6 and list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("lacking", ["name", "task", "data"])
def test_a_key_that_is_missing_is_not_said_of_another(lacking: str) -> None:
    """Of a suite without a name it was said of `task`, of an empty one of `folder`."""
    with pytest.raises(SuiteError) as caught:
        harness.load_suite({key: own for key, own in SUITE.items() if key != lacking})
    assert caught.value.mistakes == (f"`{lacking}` is missing: add it",)
    assert caught.value.__cause__ is None, "nor is a file told of that is gone"


@pytest.mark.parametrize("suite", [None, [SUITE], "name: digits\ntask: image_classification\n"])
def test_what_is_no_suite_is_refused_with_what_is_one(suite: Any) -> None:
    for ask in (harness.load_suite, harness.plan, harness.run):
        with pytest.raises(SuiteError, match="is no suite: give a file's path, or a mapping"):
            ask(suite)


def test_what_python_holds_and_a_suite_cannot_is_refused_with_how_to_write_it() -> None:
    candidates = {"net": {"model": build_net}, "lr": LogisticRegression, "x": {"model": object()}}
    with pytest.raises(SuiteError) as caught:
        harness.load_suite({**SUITE, "candidates": candidates, "data": pd.DataFrame({"a": [1]})})
    said = {text.partition(":")[0]: text for text in caught.value.mistakes}
    assert list(said) == ["data", "candidates.net.model", "candidates.lr", "candidates.x.model"]
    assert f'write "{__name__}:build_net"' in said["candidates.net.model"]
    assert 'write "sklearn:LogisticRegression"' in said["candidates.lr"]
    assert "name: tabular_csv" in said["data"]


def test_a_mapping_may_hold_numpy_paths_and_a_base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("base.yaml").write_text("name: digits\ntask: image_classification\ndata: {name: digits}\n")
    Path("rows.csv").write_text("a,b,late\n" + "".join(f"{i},{i % 7},{i % 2}\n" for i in range(60)))
    own = {"extends": "base.yaml", "candidates": {"cnn": "small_cnn"}, "training": {"seeds": np.arange(2)}}
    own["training"] |= {"optimizer": {"name": np.str_("adamw"), "lr": np.float64(0.01)}}
    assert harness.load_suite(own).training.seeds == (0, 1)
    with pytest.raises(SuiteError, match="^extends: there is no file"):
        harness.load_suite({**own, "extends": "nowhere.yaml"})
    table = {"name": "tabular_csv", "path": Path("rows.csv"), "target": "late"}
    suite = harness.load_suite({**own, "task": "tabular_classification", "data": table,
                                "candidates": {"tree": "sklearn:DecisionTreeClassifier"}})  # fmt: skip
    assert suite.data.args["path"] == str(tmp_path / "rows.csv")


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


def test_records_are_what_the_file_holds_each_column_of_its_kind(run: harness.Run) -> None:
    pd.testing.assert_frame_equal(run.records, pd.read_parquet(f"{run.report().parent}/records.parquet"))
    assert run.records["train_size"].dtype == run.records["round"].dtype == float


def test_a_column_without_a_number_is_one_of_numbers_all_the_same(tmp_path: Path) -> None:
    whole = [
        replace(r, trial=replace(r.trial, train_size=None)) for r in make_records(sizes=(10000,), seeds=(0,))
    ]
    made = harness.Run(make_run(tmp_path, whole, make_suite(data={"name": "fashion_mnist"})))
    assert made.records["train_size"].dtype == float and made.records["train_size"].isna().all()
    words = {"candidate", "runtime", "rejected_by", "failures"}
    numbers = [c for c in made.tradeoffs if c not in words and not c.endswith("_note")]
    assert made.tradeoffs["train_cost_usd_low"].isna().all()
    assert [c for c in numbers if made.tradeoffs[c].dtype not in (float, bool)] == []


def test_one_text_is_one_limit_and_one_override(run: harness.Run) -> None:
    assert run.recommend("latency_p99_ms <= 1") == run.recommend(["latency_p99_ms <= 1"])
    assert harness.load_suite(SUITE, "training.epochs=2").training.epochs == 2
    assert len(harness.plan(SUITE, overrides="training.seeds=[0,1]").trials) > len(harness.plan(SUITE).trials)


def test_no_limits_may_be_written_as_none_and_what_is_no_text_is_refused(run: harness.Run) -> None:
    assert run.recommend(None) == run.recommend()  # type: ignore[arg-type]
    assert harness.load_suite(SUITE, None) == harness.load_suite(SUITE)  # type: ignore[arg-type]
    with pytest.raises(SuiteError, match='where 5: write "latency_p99_ms <= 5", or a list of such texts'):
        run.recommend(["accuracy >= 0.5", 5])  # type: ignore[list-item]
    with pytest.raises(SuiteError, match="where {'latency_p99_ms': 5}: write"):
        run.recommend({"latency_p99_ms": 5})  # type: ignore[arg-type]


def test_a_name_that_is_not_there_is_answered_with_the_nearest(run: harness.Run) -> None:
    for ask, name, near in (
        (run.predictions, "smal_cnn", "small_cnn/onnx"),
        (run.history, "smal_cnn", "small_cnn"),
        (run.load_curve, "smal_cnn/onnx", "small_cnn/onnx"),
        (run.load_curve, "small_cnn", None),
    ):
        said = f"did you mean `{near}`" if near else "it holds .*small_cnn/onnx"
        with pytest.raises(HarnessError, match=said):
            ask(name)
    with pytest.raises(HarnessError, match="small_cnn/onx: no stored answers .*`small_cnn/onnx`"):
        run.predictions("small_cnn", "onx")
    with pytest.raises(HarnessError, match="small_cnn/onnx is a variant of another runtime than torch"):
        run.predictions("small_cnn/onnx", "torch")


def test_answers_name_their_classes_and_curves_are_found_by_a_variants_name(tmp_path: Path) -> None:
    whole = [replace(r, trial=replace(r.trial, train_size=None)) for r in make_records(sizes=(10000,))]
    made = harness.Run(make_run(tmp_path, whole, make_suite(data={"name": "fashion_mnist"})))
    answers = made.predictions("small_cnn")
    assert len(answers.attrs["classes"]) == answers.filter(like="p_").shape[1]
    curve = made.history("small_cnn/onnx")
    pd.testing.assert_frame_equal(curve, made.history("small_cnn"))
    assert curve["train_size"].dtype == float and curve["train_size"].isna().all()


def test_deciding_again_names_all_mistakes_at_once(run: harness.Run) -> None:
    with pytest.raises(SuiteError) as caught:
        run.recommend(
            ["latncy_p99_ms <= 1", "accuracy >> 3"], objective="best", traffic={"qsp": 3, "qps": -1}
        )
    said = caught.value.mistakes
    assert sorted(s.split(":")[0] for s in said[:2]) == [
        "--set decision.traffic.qps=-1",
        "--set decision.traffic.qsp=3",
    ]
    assert [s.split(":")[0] for s in said[2:]] == [
        "unknown metric 'latncy_p99_ms'",
        "constraint 'accuracy >> 3'",
        "objective 'best'",
    ]


def test_limits_that_nobody_can_keep_are_refused_again(run: harness.Run) -> None:
    with pytest.raises(SuiteError) as caught:
        run.recommend(["accuracy >= 88", "latency_p99_ms <= 0"])
    assert caught.value.mistakes[0] == "`accuracy >= 88`: accuracy is a share between 0 and 1: write 0.88"
    assert "latency_p99_ms is above 0" in caught.value.mistakes[1]
    with pytest.raises(SuiteError, match="margin 5: write a share from 0 to below 1, 0.05 for 5 %"):
        run.compare(run, 5)


@pytest.mark.parametrize("margin", [-0.01, float("nan"), 1.0])
def test_a_gate_has_no_margin_that_lets_all_or_nothing_pass(run: harness.Run, margin: float) -> None:
    with pytest.raises(SuiteError, match="write a share from 0 to below 1"):
        run.compare(run, margin)


def test_a_baseline_may_be_named(run: harness.Run) -> None:
    assert run.compare(f"made_up/{run.folder.id}").run_a == run.folder.id
    with pytest.raises(HarnessError, match="no run 'quickstart'"):
        run.compare("quickstart")


def test_a_data_set_is_looked_for_in_a_suite_that_was_read_too() -> None:
    with pytest.raises(SuiteError, match="--dataset wine: "):
        harness.load_suite(harness.load_suite(SUITE), dataset="wine")


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"track": "wandbb"}, "there is no tracker `wandbb`: did you mean `wandb`"),
        ({"track": ["mlflow", "x", "y"]}, "`x`.*\n.*`y`"),
        ({"budget": "soon"}, "budget soon: is not a valid duration"),
        ({"budget": float("nan")}, "budget nan: is not a valid duration"),
        ({"budget": -5}, "budget -5: is not a valid duration"),
    ],
)
def test_wrong_options_are_refused_before_anything_runs(
    tmp_path: Path, asked: dict[str, Any], said: str
) -> None:
    with pytest.raises(SuiteError, match=said):
        harness.run(SUITE, out=tmp_path / "results", **asked)
    assert not (tmp_path / "results").exists()


def test_a_load_curve_is_read_from_its_own_scenario_alone(tmp_path: Path) -> None:
    def as_measured(record: Record) -> Record:
        if record.trial.scenario != "offline":
            return record
        warm_up = [{"batch_size": 1, "calls": 50, "seconds": 0.1, "verdict": "steady", "typical_ms": 1.0}]
        return replace(record, facts={"warm_up": warm_up})

    made = harness.Run(make_run(tmp_path, [as_measured(r) for r in make_records()], make_suite()))
    assert any(r.trial.scenario == "offline" for r in made.evidence.of("serve", "small_cnn"))
    assert len(made.load_curve("small_cnn/onnx")) > 0


def test_a_variant_that_was_measured_no_further_says_why_it_has_no_load_curve(tmp_path: Path) -> None:
    records = [r for r in make_records() if r.trial.kind != "serve" or r.trial.candidate != "logistic"]
    made = harness.Run(make_run(tmp_path, records, make_suite()))
    with pytest.raises(HarnessError, match=r"logistic/onnx: no load curve in"):
        made.load_curve("logistic/onnx")


def test_answers_of_all_folds_come_each_with_its_part(tmp_path: Path) -> None:
    split = {"folds": 2}
    suite = make_suite(data={"name": "fashion_mnist", "split": split})

    def of_part(record: Record, part: int) -> Record:
        spec = {**record.trial.spec, "data": {"name": "fashion_mnist", "split": {**split, "part": part}}}
        return replace(record, trial=replace(record.trial, spec=spec, train_size=None, needs=()))

    once = [r for r in make_records(sizes=(10000,)) if r.trial.kind != "serve" and r.status == "finished"]
    made = harness.Run(make_run(tmp_path, [of_part(r, part) for part in (0, 1) for r in once], suite))
    answers = made.predictions("small_cnn")
    assert set(map(tuple, answers[["seed", "part"]].to_numpy())) == {
        (s, p) for s in (0, 1, 2) for p in (0, 1)
    }
    assert set(made.history("small_cnn")["part"]) == {0, 1}


def test_a_variants_answers_are_found_by_its_name(run: harness.Run) -> None:
    pd.testing.assert_frame_equal(
        run.predictions("small_cnn/onnx-int8"), run.predictions("small_cnn", "onnx-int8")
    )


def test_damaged_answers_are_refused_and_no_seed_is_left_out_in_silence(tmp_path: Path) -> None:
    made = harness.Run(make_run(tmp_path, make_records(), make_suite()))
    record = made.evidence.scored("small_cnn")[1]
    file = Path(made.url) / "trials" / record.trial.id / "predictions.parquet"
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(RecordError, match=r"predictions.parquet is damaged .*: remove .*/trials/score-"):
        made.predictions("small_cnn")


def test_every_stage_of_a_pipeline_is_in_its_history(run: harness.Run) -> None:
    record = run.evidence.of("train", "small_cnn")[0]
    file = Path(run.url) / "trials" / record.trial.id / "history.csv"
    before = file.read_text()
    file.write_text("epoch,train_loss,stage\n0,0.5,retriever\n1,0.4,retriever\n0,0.9,ranker\n")
    try:
        assert list(run.evidence.history(record)["train_loss"]) == [0.5, 0.4]
        curve = run.history("small_cnn").query("stage == 'ranker'")
        assert list(curve["train_loss"]) == [0.9] and curve["train_loss"].dtype == float
    finally:
        file.write_text(before)


def test_a_smoke_run_is_given_back_and_not_the_last_real_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from harness.running import run as running

    def run_suite(request: RunRequest, opened: Callable[[RunFolder], object]) -> int:
        opened(open_folder(request.out, "digits-smoke", "1" * 16))
        return 0

    monkeypatch.setattr(running, "run_suite", run_suite)
    open_folder(tmp_path, "digits", "0" * 16)
    assert harness.run(SUITE, smoke=True, out=tmp_path).folder.suite_name == "digits-smoke"


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
