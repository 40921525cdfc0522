"""Searches on Ray Tune: one proposer and one ASHA for each candidate, and what an earlier session leaves."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from harness.planning.trials import plan_trials
from harness.planning.tuning import told
from harness.reading import read_suite
from harness.record import Record, Trial
from harness.store.runs import RunFolder, open_run
from tests.small_suites import harness, stamps, trials_of, write_suite

pytest.importorskip("ray")
from ray.tune.search import Searcher

from harness.schedule.search import PerCandidate, bracket_for, plan_search, skipped
from harness.schedule.worker import mark_of

TEXT = """
name: searched
task: image_classification
data: {name: digits, train_sizes: [200]}
training:
  seeds: [0]
  epochs: 9
  tuning: {trials: 6, seconds: 100, space: {optimizer.lr: {loguniform: [0.0001, 0.1]}}}
candidates: {slow: small_cnn, quick: {model: small_cnn, args: {width: 8}}}
serving: {runtimes: [torch], rounds: 1}
"""


@pytest.fixture
def trials(tmp_path: Path) -> list[Trial]:
    (tmp_path / "searched.yaml").write_text(TEXT)
    return [t for t in plan_trials(read_suite(tmp_path / "searched.yaml")) if t.tuning is not None]


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return open_run(tmp_path / "results", "searched", "0123456789abcdef")


def tried(trial: Trial, score: float, seconds: float = 30.0) -> Record:
    curve = [[epoch, score * epoch / 9, 1.0] for epoch in range(1, 10)]
    said = {"number": trial.tuning, "settings": {"optimizer.lr": 0.01}, "score": score, "curve": curve}
    return Record(trial, "finished", facts={"tuning": said}, seconds=seconds)


def keep(run: RunFolder, *records: Record) -> None:
    for record in records:
        run.commit(record, run.scratch(record.trial.id))


def test_candidates_take_turns_and_each_ends_with_its_own_time(trials: list[Trial], run: RunFolder) -> None:
    limits: dict[str, float | None] = {"slow": 100.0, "quick": 100.0}
    plan = plan_search(trials, trials, run, "session", limits)
    by_id = {t.id: t for t in trials}
    order = []
    for number in range(12):
        asked = plan.proposer.suggest(str(number))
        if asked == Searcher.FINISHED:
            break
        trial = by_id[asked["id"]]
        order.append((trial.candidate, trial.tuning))
        keep(run, tried(trial, 0.5, 60.0 if trial.candidate == "slow" else 5.0))
        plan.proposer.on_trial_complete(str(number))
    assert order[:4] == [("slow", 0), ("quick", 0), ("slow", 1), ("quick", 1)]
    assert [c for c, _ in order].count("slow") == 2, "120 s are spent after two"
    assert [c for c, _ in order].count("quick") == 6
    rest = skipped(by_id[trials[2].id], 100.0)
    assert rest.status == "finished" and told(rest).skipped == "the search's 100 s were spent"


class Tuned:
    """What a scheduler sees of a Tune trial."""

    def __init__(self, trial: Trial) -> None:
        self.trial_id, self.config = trial.id, {"id": trial.id}


def test_a_slow_starter_is_judged_by_its_own_kind_only(trials: list[Trial], run: RunFolder) -> None:
    own = {name: [t for t in trials if t.candidate == name] for name in ("slow", "quick")}
    brackets = {name: bracket_for(group, (), None) for name, group in own.items()}
    scheduler = PerCandidate(brackets, run, "session")
    controller: Any = SimpleNamespace()

    def report(trial: Trial, score: float) -> bool:
        """Whether it is given up after its first epoch."""
        seen: Any = Tuned(trial)
        scheduler.on_trial_add(controller, seen)
        assert scheduler.on_trial_result(controller, seen, {"epoch": 1, "score": score}) == "CONTINUE"
        return run.exists(mark_of("session", trial.id))

    assert [report(t, 0.9) for t in own["quick"][:3]] == [False, False, False]
    assert [report(t, s) for t, s in zip(own["slow"], (0.2, 0.21, 0.3), strict=False)] == [False] * 3
    assert report(own["slow"][3], 0.05), "far below the other settings of the same candidate"


def test_what_was_recorded_before_is_what_later_trials_are_judged_by(
    trials: list[Trial], run: RunFolder
) -> None:
    slow = [t for t in trials if t.candidate == "slow"]
    records = [tried(t, 0.9) for t in slow[:3]]
    bracket = bracket_for(slow, records, None)
    assert [t.tuning for t in bracket.waiting] == [3, 4, 5] and bracket.spent_s == 90.0
    scheduler = PerCandidate({"slow": bracket}, run, "later")
    seen: Any = Tuned(slow[3])
    scheduler.on_trial_add(None, seen)
    scheduler.on_trial_result(None, seen, {"epoch": 1, "score": 0.01})
    assert run.exists(mark_of("later", slow[3].id))


REAL = """\
name: tiny
task: image_classification
data: {name: digits, train_sizes: [300]}
training:
  seeds: [0, 1]
  epochs: 9
  batch_size: 64
  precision: fp32
  optimizer: {lr: 0.00001}
  tuning: {trials: 5, space: {optimizer.lr: {loguniform: [0.001, 0.03]}, args.C: {loguniform: [0.01, 10.0]}}}
candidates:
  logistic: {model: "sklearn:LogisticRegression", args: {C: 0.00001}}
  cnn: {model: small_cnn, args: {width: 8}}
serving:
  runtimes: [torch]
  rounds: 1
  scenarios:
    single_stream: {seconds: 0.1, min_calls: 20, max_calls: 100}
machine: {usd_per_hour: 0.09}
decision: {objective: maximize accuracy}
"""


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_real_search_finds_better_settings_and_is_never_made_twice(tmp_path: Path) -> None:
    suite = write_suite(tmp_path, REAL)
    first = harness(tmp_path, "run", suite, "--json")
    assert first.code == 0, first.err
    records = trials_of(tmp_path).values()
    for name in ("logistic", "cnn"):
        own = [r for r in records if r["trial"]["candidate"] == name and r["trial"]["kind"] == "train"]
        tries = [r["facts"]["tuning"] for r in own if "tuning_trial" in r["trial"]["spec"]]
        final = [r["facts"]["tuning"] for r in own if "tuning_trial" not in r["trial"]["spec"]]
        assert sorted(t["number"] for t in tries) == [0, 1, 2, 3, 4]
        whole = {t["number"]: t["score"] for t in tries if "stopped_after_epoch" not in t}
        assert len(final) == 2 and final[0]["settings"] == final[1]["settings"]
        assert final[0]["score"] == max(whole.values()) > next(t for t in tries if t["number"] == 0)["score"]
    report = (Path(first.json["run"]) / "report.html").read_text()
    assert "all candidates had the same budget" in report
    assert "with search" in (Path(first.json["run"]) / "tradeoffs.json").read_text(), "its cost is counted"
    before = stamps(tmp_path)
    longer = harness(tmp_path, "run", suite, "--set", "training.tuning.trials=6", "--json")
    assert longer.code == 0, longer.err
    after = stamps(tmp_path)
    kept = [trial for trial in before if trial in after]
    assert len(kept) == 10 and all(after[trial] == before[trial] for trial in kept), "the ten tries"
