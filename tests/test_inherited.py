"""Runtimes in single precision have their reference's quality until they may be named."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from harness.analysis.outputs import table_of
from harness.analysis.recommend import recommend
from harness.facts import ScoreFacts
from harness.facts.scoring import InheritedFacts
from harness.planning.inherited import inheriting, may_inherit, source_of
from harness.planning.request import RunRequest
from harness.planning.trials import plan_trials
from harness.protocols import Inputs, Job, Outcome, Predict
from harness.reading import read_suite
from harness.record import Measurement, Record, Trial
from harness.running import until_decided
from harness.running.run import run_suite
from harness.running.story import Story
from harness.running.until_decided import spend
from harness.running.worlds import Worlds
from harness.schedule import Wanted
from harness.store.runs import RunFolder, open_run
from harness.streams import generator
from harness.suite.schema import Suite
from harness.tasks import inherited, supervised
from tests import task_trials
from tests.small_suites import write_suite

TEXT = """
name: heirs
task: image_classification
data: {name: digits, train_sizes: [300]}
training: {seeds: [0, 1, 2]}
candidates: {good: sklearn:LogisticRegression, fair: sklearn:MLPClassifier, poor: sklearn:GaussianNB}
serving: {runtimes: [torch, onnx], rounds: 3, scenarios: {single_stream: {}}}
machine: {usd_per_hour: 1}
decision: {constraints: [accuracy >= 0.7], objective: minimize latency_p50_ms}
"""
ACCURACY = {"good": 0.95, "fair": 0.8, "poor": 0.3}
SPEED = {"good/onnx": 0.1, "good/sklearn": 1.0, "fair/onnx": 3.0, "fair/sklearn": 6.0}


@pytest.fixture
def suite(tmp_path: Path) -> Suite:
    (tmp_path / "heirs.yaml").write_text(TEXT)
    return read_suite(tmp_path / "heirs.yaml")


@pytest.fixture(autouse=True)
def _few_rows_count_as_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """The digits have 360 test rows."""
    monkeypatch.setattr(until_decided, "MANY_ROWS", 100)


class World:
    """Runs trials at once, each after what it needs; a heir has the accuracy of its reference's record."""

    def __init__(self, run: RunFolder, failing: Sequence[str] = ()) -> None:
        self.run, self.failing = run, failing
        self.sweeps: list[set[str]] = []

    def execute(self, trials: Sequence[Trial], wanted: Wanted) -> None:
        self.sweeps.append({t.kind for t in trials if not self.run.has_finished(t.id)})
        finished, dropped = {t.id for t in trials if self.run.has_finished(t.id)}, set[str]()
        for kind in ("train", "score", "serve"):
            for trial in [t for t in trials if t.kind == kind and t.id not in finished]:
                # As the scheduler does: who is not wanted any more, and who rests on it, is left as it is.
                if dropped & set(trial.needs) or (kind != "serve" and trial.needs and not wanted(trial)):
                    dropped.add(trial.id)
                    continue
                needed = [self.run.record(n) for n in trial.needs]
                assert None not in needed, f"{trial.label} would not have run"
                blocked = any(r is not None and r.status == "failed" for r in needed)
                record = Record(trial, "failed") if blocked else self.record(trial)
                self.run.commit(record, self.run.scratch(trial.id))

    def record(self, trial: Trial) -> Record:
        assert trial.kind == "train" or trial.variant is not None
        name = trial.variant.name if trial.variant else ""
        if trial.kind == "score" and name in self.failing:
            return Record(trial, "failed", seconds=1.0)
        noise = generator(trial.seed or 0, name, str(trial.round)).standard_normal()
        if source := source_of(trial):
            other = self.run.record(source)
            assert other is not None and other.trial.variant is not None
            facts = ScoreFacts(inherited=InheritedFacts(other.trial.variant.name, 1000, 3e-6, 1.0))
            return Record(trial, "finished", other.measurements, seconds=2.0, facts=facts)
        if trial.kind == "train":
            return Record(trial, "finished", (Measurement("train_seconds", 9.0, "s"),), seconds=9.0)
        if trial.kind == "score":
            value = ACCURACY[trial.candidate] + 0.002 * noise
            return Record(trial, "finished", (Measurement("accuracy", value, "fraction"),), seconds=9.0)
        value = SPEED[name] * float(np.exp(0.05 * noise))
        return Record(trial, "finished", (Measurement("latency_p50_ms", value, "ms"),), seconds=3.0)


def decided(suite: Suite, folder: Path, failing: Sequence[str] = ()) -> tuple[Story, RunFolder]:
    run = open_run(folder, suite.name, "0123456789abcdef")
    story = spend(suite, Worlds(run, World(run, failing).execute), left_s=lambda: np.inf)
    return story, run


def test_an_export_follows_its_reference_in_the_sweep_of_the_trainings(suite: Suite, tmp_path: Path) -> None:
    world = World(open_run(tmp_path, suite.name, "0123456789abcdef"))
    spend(suite, Worlds(world.run, world.execute), left_s=lambda: np.inf)
    assert world.sweeps[:2] == [{"train", "score"}, {"serve"}], "workers start once, not three times"
    assert "fair/onnx" in scored(world.run) and "poor/onnx" not in scored(world.run)


def scored(run: RunFolder) -> dict[str, list[str]]:
    """Variant → how its score trials were run: `itself`, or by whom."""
    found: dict[str, list[str]] = {}
    for trial_id in run.trial_ids():
        record = run.record(trial_id)
        if record is not None and record.trial.kind == "score" and record.trial.variant:
            taken = record.facts_as(ScoreFacts).inherited
            found.setdefault(record.trial.variant.name, []).append(taken.variant if taken else "itself")
    return found


def test_who_is_named_is_scored_itself_and_who_is_not_has_its_references_quality(
    suite: Suite, tmp_path: Path
) -> None:
    story, run = decided(suite, tmp_path)
    assert story.steps[-1]["choice"] == "good/onnx" and story.stopped == "decided"
    how = scored(run)
    assert "itself" in how["good/onnx"] and story.in_full == ["good/onnx"]
    assert set(how["fair/onnx"]) == {"fair/sklearn"}, "it is never named"
    rows = {row.variant: row for row in table_of(run, suite).rows}
    assert not rows["good/onnx"].is_inherited and rows["fair/onnx"].is_inherited
    cell = rows["fair/onnx"].estimates["accuracy"]
    assert cell.value == rows["fair/sklearn"].estimates["accuracy"].value
    assert "inherited from fair/sklearn (differs by at most 3e-06 on 1,000 validation rows)" in cell.note


def test_other_limits_that_name_one_by_anothers_figures_say_so(suite: Suite, tmp_path: Path) -> None:
    _, run = decided(suite, tmp_path)
    table = table_of(run, suite)
    assert not any("was not scored itself" in w for w in recommend(table, suite, flips=False).warnings)
    other = recommend(table, suite, ["accuracy >= 0.7", "accuracy <= 0.9"], flips=False)
    assert other.choice == "fair/onnx" and "was not scored itself" in other.warnings[-1]


def test_few_test_rows_are_answered_at_once(
    suite: Suite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(until_decided, "MANY_ROWS", 361)
    _, run = decided(suite, tmp_path)
    assert {how for all_of in scored(run).values() for how in all_of} == {"itself"}


def test_no_export_is_made_of_whose_reference_surely_breaks_a_limit(suite: Suite, tmp_path: Path) -> None:
    story, run = decided(suite, tmp_path)
    assert scored(run)["poor/sklearn"] and "poor/onnx" not in scored(run)
    assert story.ruled_out["poor/onnx"].startswith("ruled out after scoring: accuracy clearly below 0.7")


def test_a_reference_that_cannot_be_scored_leaves_its_heirs_to_themselves(
    suite: Suite, tmp_path: Path
) -> None:
    _, run = decided(suite, tmp_path, failing=["fair/sklearn"])
    assert set(scored(run)["fair/onnx"]) == {"itself"}


def test_a_score_in_full_takes_the_place_of_an_inherited_one(suite: Suite, tmp_path: Path) -> None:
    _, run = decided(suite, tmp_path)
    assert len(scored(run)["good/onnx"]) > 1, "both are kept"
    counted = [r for r in run.records() if r.trial.kind == "score" and r.trial.label.find("good/onnx") >= 0]
    assert len(counted) == len({r.trial.seed for r in counted})


def test_served_is_the_same_trial_whoever_made_the_artifact(suite: Suite) -> None:
    plan = plan_trials(suite)
    heirs = inheriting(plan, lambda t: False, lambda t: True)
    assert [t.id for t in heirs if t.kind != "score"] == [t.id for t in plan if t.kind != "score"]
    changed = {t.runtime for t, old in zip(heirs, plan, strict=True) if t.id != old.id}
    assert changed == {"onnx"}
    by_id = {t.id for t in heirs}
    assert all(set(t.needs) <= by_id for t in heirs)


@pytest.mark.parametrize(
    ("runtime", "may"), [("onnx", True), ("onnx@2", True), ("onnx-int8", False), ("torch-bf16", False)]
)
def test_only_single_precision_inherits(suite: Suite, runtime: str, may: bool) -> None:
    trial = next(t for t in plan_trials(suite) if t.kind == "score")
    assert may_inherit(replace(trial, runtime=runtime)) is may


def heir(folder: Path) -> Outcome:
    """An MLP trained on digits, scored by scikit-learn and looked at on ONNX."""
    spec = task_trials.spec("sklearn:MLPClassifier", {"max_iter": 30})
    task_trials.train(spec, folder / "trained")
    measured = task_trials.score(spec, "sklearn", folder / "trained", folder / "scored")
    whole = {**spec, "fitted": "train-0", "runtime": "sklearn"}
    record = Record(
        Trial("score", "c", whole, runtime="sklearn", seed=0), "finished", measured.measurements,
        facts=measured.facts,
    )  # fmt: skip
    from harness.record import record_to_json

    (folder / "scored" / "record.json").write_text(json.dumps(record_to_json(record)))
    (folder / "heir").mkdir()
    needs = {"train-0": folder / "trained", "score-0": folder / "scored"}
    trial = Trial("score", "c", {**whole, "runtime": "onnx", "inherits": "score-0"}, runtime="onnx", seed=0)
    return inherited.inherit(Job(trial, folder / "heir", needs, lambda _: None))


def test_an_export_that_answers_the_same_has_its_references_figures_and_answers(tmp_path: Path) -> None:
    outcome = heir(tmp_path)
    assert isinstance(outcome.facts, ScoreFacts) and outcome.facts.inherited is not None
    assert outcome.facts.inherited.variant == "c/sklearn"
    assert 0 <= outcome.facts.inherited.max_abs_difference <= inherited.SAME
    assert outcome.facts.inherited.examples == 144, "all validation rows of the digits"
    ours, theirs = (pd.read_parquet(tmp_path / d / "predictions.parquet") for d in ("heir", "scored"))
    pd.testing.assert_frame_equal(ours, theirs)
    assert (tmp_path / "heir" / "artifact" / "model.onnx").exists(), "it is served"


def test_an_export_that_answers_otherwise_is_scored_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = supervised.load_variant

    def off(spec: dict[str, object], *rest: object) -> Predict:
        predict = plain(spec, *rest)  # type: ignore[arg-type]

        def shifted(inputs: Inputs) -> np.ndarray:
            answers = predict(inputs)
            return np.asarray(answers * 0.999 + 0.001 / answers.shape[1])

        return shifted if spec["runtime"] == "onnx" else predict

    monkeypatch.setattr(supervised, "load_variant", off)
    outcome = heir(tmp_path)
    assert isinstance(outcome.facts, ScoreFacts)
    assert outcome.facts.inherited is None and outcome.facts.parity is not None
    assert outcome.facts.parity.max_abs_difference is not None
    assert outcome.facts.parity.max_abs_difference > inherited.SAME
    ours, theirs = (pd.read_parquet(tmp_path / d / "predictions.parquet") for d in ("heir", "scored"))
    assert not ours.equals(theirs)


REAL = """\
name: tiny
task: image_classification
data: {name: digits, train_sizes: [400]}
training: {seeds: [0], epochs: 8, optimizer: {name: adamw, lr: 0.005}}
candidates:
  net: {model: small_cnn, args: {width: 8}}
  logistic: sklearn:LogisticRegression
  stump: {model: "sklearn:DecisionTreeClassifier", args: {max_depth: 3}}
serving:
  runtimes: [torch, onnx]
  rounds: 1
  scenarios: {single_stream: {seconds: 0.1, min_calls: 20, max_calls: 100}}
decision:
  constraints: [accuracy >= 0.5]
  objective: maximize accuracy
"""


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_real_run_names_nobody_by_anothers_figures(tmp_path: Path) -> None:
    suite = write_suite(tmp_path, REAL)
    asked = RunRequest(suite, out=str(tmp_path / "results"))
    assert run_suite(replace(asked, until_decided=True)) == 0
    run = RunFolder(str(tmp_path / "results" / "tiny" / "latest"))
    choice = json.loads(run.read_text("recommendation.json"))["choice"]
    records = [r for r in run.records() if r.trial.kind == "score"]
    taken = {
        r.trial.variant.name: f
        for r in records
        if r.trial.variant and (f := r.facts_as(ScoreFacts).inherited)
    }
    assert choice not in taken
    report = (Path(run.url) / "report.html").read_text()
    assert all(facts.text in report for facts in taken.values())
    assert taken, "who is not named is left to its reference"
    assert run_suite(asked) == 0
    every = RunFolder(str(tmp_path / "results" / "tiny" / "latest"))
    assert not any(r.trial.spec.get("inherits") for r in every.records())
