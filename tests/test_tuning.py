"""Fair tuning: what is searched, what is proposed, what is kept, and that nothing is tried twice."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.facts import TrainFacts
from harness.planning import tuning
from harness.planning.trials import plan_trials
from harness.planning.tuning import EnoughError, Search, applied, best_of, search_for, told
from harness.protocols import Job, Outcome
from harness.reading import read_suite
from harness.record import Measurement, Record, Trial, TrialError
from harness.store.runs import RunFolder, open_run
from harness.suite.schema import Suite
from harness.trial.trial import run_trial

TEXT = """
name: tuned
task: image_classification
data: {name: digits, train_sizes: [200, 400]}
training:
  seeds: [0, 1]
  epochs: 9
  tuning: {trials: 5, space: {optimizer.lr: {loguniform: [0.0001, 0.1]}, args.C: {loguniform: [0.01, 10.0]}}}
candidates:
  logistic: sklearn:LogisticRegression
  cnn: small_cnn
  knn: sklearn:KNeighborsClassifier
serving: {runtimes: [torch], rounds: 1}
"""


@pytest.fixture
def suite(tmp_path: Path) -> Suite:
    (tmp_path / "tuned.yaml").write_text(TEXT)
    return read_suite(tmp_path / "tuned.yaml")


def searched(suite: Suite, candidate: str) -> list[Trial]:
    return [t for t in plan_trials(suite) if t.tuning is not None and t.candidate == candidate]


# ------------------------------------------------------------------------------------------- the plan


def test_each_candidate_has_the_same_number_of_trials_on_what_applies_to_it(suite: Suite) -> None:
    assert tuning.space_of(suite, "cnn") == {"optimizer.lr": {"loguniform": [0.0001, 0.1]}}
    assert tuning.space_of(suite, "logistic") == {"args.C": {"loguniform": [0.01, 10.0]}}
    assert tuning.space_of(suite, "knn") == {}, "nothing of the space is an argument of it"
    trials = plan_trials(suite)
    for name, count in (("cnn", 5), ("logistic", 5), ("knn", 0)):
        own = searched(suite, name)
        assert [t.tuning for t in own] == list(range(count))
        assert all(t.train_size == 400 and t.seed not in (0, 1) for t in own)
        final = [t for t in trials if t.kind == "train" and t.candidate == name and t.tuning is None]
        assert len(final) == 4 and all(set(t.needs) == {o.id for o in own} for t in final)


def test_a_longer_search_continues_the_one_there_is(suite: Suite, tmp_path: Path) -> None:
    longer = read_suite(tmp_path / "tuned.yaml", ["training.tuning.trials=8"])
    short, long = searched(suite, "cnn"), searched(longer, "cnn")
    assert [t.id for t in short] == [t.id for t in long[:5]]
    wider = read_suite(tmp_path / "tuned.yaml", ["training.tuning.search=random"])
    assert not {t.id for t in short} & {t.id for t in searched(wider, "cnn")}


# ------------------------------------------------------------------------------------------- proposals

SPACE: Mapping[str, Mapping[str, Any]] = {
    "optimizer.lr": {"loguniform": [1e-4, 1e-1]},
    "batch_size": {"uniform": [16, 64]},
    "args.depth": {"randint": [1, 3]},
    "precision": {"choice": ["fp32", "bf16"]},
}


@pytest.mark.parametrize("method", ["optuna", "random"])
def test_proposals_lie_in_the_space_and_come_again_with_the_seed(method: str) -> None:
    def proposals() -> list[Any]:
        search = Search(SPACE, method, 7, frozenset({"batch_size"}))
        asked = []
        for number in range(12):
            settings = search.ask(number)
            search.tell(number, settings, float(settings.get("optimizer.lr", 0.0)))
            asked.append(dict(settings))
        return asked

    first = proposals()
    assert first == proposals()
    assert first[0] == {}, "the suite's own recipe is tried first"
    for settings in first[1:]:
        assert 1e-4 <= settings["optimizer.lr"] <= 1e-1 and settings["precision"] in ("fp32", "bf16")
        assert isinstance(settings["batch_size"], int) and 16 <= settings["batch_size"] <= 64
        assert settings["args.depth"] in (1, 2, 3)
    assert len({s["optimizer.lr"] for s in first[1:]}) == 11


def test_optuna_learns_from_what_it_is_told() -> None:
    space = {"x": {"uniform": [0.0, 1.0]}}
    late = []
    for seed in range(6):
        search = Search(space, "optuna", seed)
        for number in range(25):
            settings = search.ask(number)
            search.tell(number, settings, -abs(settings.get("x", 0.0) - 0.7))
            late += [abs(settings["x"] - 0.7)] if number >= 15 else []
    assert np.mean(late) < 0.15, "blind draws lie 0.29 off on average"


def test_settings_become_an_ordinary_specification() -> None:
    spec = {
        "task": "image_classification",
        "args": {"width": 8},
        "training": {"optimizer": {"lr": 0.1, "name": "adamw"}, "epochs": 3, "tuning": {"space": {}}},
        "tuning_trial": 3,
    }
    found = applied(spec, {"optimizer.lr": 0.01, "args.depth": 2})
    assert found == {
        "task": "image_classification",
        "args": {"width": 8, "depth": 2},
        "training": {"optimizer": {"lr": 0.01, "name": "adamw"}, "epochs": 3},
    }
    assert spec["tuning_trial"] == 3, "the planned specification is left as it is"


# ------------------------------------------------------------------------------------------ one trial


def fitting(job: Job) -> Outcome:
    """Reaches 1 - |log10 lr + 2| / 4 over three epochs; diverges beyond 0.05; remembers what it was given."""
    lr = job.trial.spec["training"]["optimizer"]["lr"]
    assert "tuning" not in job.trial.spec["training"] and "tuning_trial" not in job.trial.spec
    if lr > 0.05:
        raise TrialError("loss became NaN at epoch 1")
    score = 1 - abs(np.log10(lr) + 2) / 4
    for epoch in (1, 2, 3):
        job.progress({"epoch": epoch, "epochs": 3, "score": score * epoch / 3, "seconds": 1.0})
    (job.folder / "fitted").mkdir()
    (job.folder / "fitted" / "weights").write_text("large")
    facts = TrainFacts({"accuracy": score, "log_loss": 1 - score}, takes={"lr": lr})
    return Outcome((Measurement("train_seconds", 3.0, "s"),), facts)


@pytest.fixture
def run(tmp_path: Path, suite: Suite) -> RunFolder:
    return open_run(tmp_path / "results", suite.name, "0123456789abcdef")


def attempt(run: RunFolder, trial: Trial, progress: Any = lambda info: None, **settings: Any) -> Record:
    dotted = {key.replace("__", "."): value for key, value in settings.items()}
    return run_trial(trial, run, progress, dispatch=fitting, settings=dotted)


def test_a_search_ends_in_the_best_settings_for_every_seed(suite: Suite, run: RunFolder) -> None:
    trials = searched(suite, "cnn")
    rates = [None, 0.0002, 0.01, 0.03, 0.08]
    for trial, lr in zip(trials, rates, strict=True):
        record = attempt(run, trial, **({} if lr is None else {"optimizer__lr": lr}))
        assert record.status == "finished"
        assert not (run.trial_folder(trial.id) / "fitted").exists(), "nobody needs the model"
    diverged = run.record(trials[4].id)
    assert diverged is not None and told(diverged).failed == "loss became NaN at epoch 1"
    final = [t for t in plan_trials(suite) if t.kind == "train" and t.candidate == "cnn" and t.tuning is None]
    for trial in final:
        record = attempt(run, trial)
        assert record.facts_as(TrainFacts).takes == {"lr": 0.01}
        assert told(record).source == trials[2].id and told(record).trials == 5


def test_a_trial_that_is_given_up_keeps_its_score_so_far_and_is_no_winner(
    suite: Suite, run: RunFolder
) -> None:
    def enough(info: Mapping[str, Any]) -> None:
        if info["epoch"] == 2:
            raise EnoughError

    trials = searched(suite, "cnn")
    attempt(run, trials[0])
    stopped = attempt(run, trials[1], enough, optimizer__lr=0.01)
    said = told(stopped)
    assert stopped.status == "finished" and said.stopped_after_epoch == 2
    assert said.score == pytest.approx(2 / 3) and len(said.curve or ()) == 2
    whole = attempt(run, trials[2], optimizer__lr=0.0002)
    assert (told(whole).score or 0.0) < said.score
    chosen = best_of(run.records())
    assert chosen.trial.id == trials[0].id, "0.001, the suite's own, was trained to its end and scored .75"


def test_the_suites_own_recipe_must_work(suite: Suite, run: RunFolder) -> None:
    record = attempt(run, searched(suite, "cnn")[0], optimizer__lr=0.08)
    assert record.status == "failed", "number 0 takes no settings: what it has is the suite's"


def test_a_search_that_found_nothing_fails_what_needs_it(suite: Suite) -> None:
    trial = searched(suite, "cnn")[1]
    facts = {"tuning": {"number": 1, "settings": {}, "score": None, "failed": "out of memory at batch 64"}}
    with pytest.raises(TrialError, match="no settings of its search could be trained with: out of memory"):
        best_of([Record(trial, "finished", facts=facts)])


def test_a_search_goes_on_where_its_records_left_it(suite: Suite, run: RunFolder) -> None:
    trials = searched(suite, "cnn")
    whole = Search(tuning.space_of(suite, "cnn"), "optuna", int(trials[0].spec["seed"]))
    for number in range(3):
        settings = whole.ask(number)
        record = attempt(run, trials[number], **{k.replace(".", "__"): v for k, v in settings.items()})
        whole.tell(number, settings, told(record).score)
    assert search_for(trials, run.records()).ask(3) == whole.ask(3)
