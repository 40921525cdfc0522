"""Records of other package versions: named where new ones would stand beside them, made anew on request."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from harness import environment
from harness.cli.main import main
from harness.planning.outdated import packages_of
from harness.planning.plan import plan_run
from harness.reading import read_suite
from harness.store.runs import RunFolder, find_run, open_run
from tests.runs_here import run_here

SUITE = """\
name: tiny
question: which?
task: image_classification
data: {name: digits, train_sizes: [100]}
training: {seeds: [0], epochs: 1}
candidates: {logistic: "sklearn:LogisticRegression", net: {model: small_cnn, args: {width: 2}}}
serving:
  runtimes: [torch, onnx]
  rounds: 1
  duels: 0
  scenarios: {single_stream: {seconds: 0.05}}
decision: {objective: maximize accuracy}
"""


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.yaml"
    path.write_text(SUITE)
    return path


def age(run: RunFolder, kind: str, package: str) -> set[str]:
    """Make trials of the kind look as if an older version of the package had executed them; their ids."""
    changed = set()
    for record in run.records():
        if record.trial.kind == kind and package in packages_of(record.trial):
            path = Path(run.url) / "trials" / record.trial.id / "record.json"
            content = json.loads(path.read_text())
            content["environment"]["versions"][package] = "0.9"
            path.write_text(json.dumps(content))
            changed.add(record.trial.id)
    return changed


def test_what_other_versions_executed_is_outdated_with_all_that_rests_on_it(
    suite: Path, tmp_path: Path
) -> None:
    out = tmp_path / "results"
    run = run_here(suite, out, kinds="train score")
    assert age(run, "train", "torch")
    plan, _ = plan_run(read_suite(suite), None, str(out))
    found = {(t.kind, t.candidate, t.runtime) for t in plan.trials if t.id in plan.outdated}
    assert found == {("train", "net", None), ("score", "net", "torch"), ("score", "net", "onnx")}
    now = environment.versions()["torch"]
    assert any(f"torch 0.9, now {now}" in note and "--refresh" in note for note in plan.of_versions)


def test_a_runtime_of_another_version_concerns_its_own_trials_alone(suite: Path, tmp_path: Path) -> None:
    out = tmp_path / "results"
    age(run_here(suite, out, kinds="train score"), "score", "onnxruntime")
    plan, _ = plan_run(read_suite(suite), None, str(out))
    found = {(t.kind, t.candidate, t.runtime) for t in plan.trials if t.id in plan.outdated}
    assert found == {("score", "net", "onnx"), ("score", "logistic", "onnx")}


def test_the_run_that_is_continued_holds_nothing_that_is_to_be_measured_again(
    suite: Path, tmp_path: Path
) -> None:
    out = tmp_path / "results"
    first = run_here(suite, out, kinds="train")
    plan, _ = plan_run(read_suite(suite), None, str(out))
    assert open_run(out, "tiny", plan.hash).url == first.url
    later = datetime.now(UTC) + timedelta(seconds=2)
    fresh = open_run(out, "tiny", plan.hash, later, without=first.trial_ids())
    assert fresh.url != first.url and not fresh.trial_ids() and first.trial_ids()
    assert open_run(out, "tiny", plan.hash, without=first.trial_ids()).url == fresh.url, (
        "an interrupted one goes on"
    )


@pytest.mark.slow
def test_refresh_measures_again_what_is_outdated_and_loses_nothing(
    suite: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "results"
    assert main(["run", str(suite), "--out", str(out)]) == 0
    before = find_run("tiny/latest", str(out))
    old = age(before, "score", "onnxruntime")
    assert main(["run", str(suite), "--out", str(out)]) == 0
    assert "onnxruntime 0.9, now" in capsys.readouterr().err
    assert find_run("tiny/latest", str(out)).url == before.url

    assert main(["run", str(suite), "--out", str(out), "--refresh"]) == 0
    after = find_run("tiny/latest", str(out))
    assert after.url != before.url and set(after.trial_ids()) == set(before.trial_ids())
    for run, version in ((before, "0.9"), (after, environment.versions()["onnxruntime"])):
        found = [run.record(trial_id) for trial_id in old]
        assert {r.environment["versions"]["onnxruntime"] for r in found if r is not None} == {version}

    capsys.readouterr()
    assert main(["run", str(suite), "--out", str(out), "--refresh"]) == 0
    assert find_run("tiny/latest", str(out)).url == after.url
    assert "nothing to run" in capsys.readouterr().err
