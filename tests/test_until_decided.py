"""`--until-decided`: what is measured next, when it ends, and that the trials are ordinary ones."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from harness.analysis.measure_next import NextMeasurement
from harness.analysis.recommend import recommend
from harness.analysis.sensitivity import Question
from harness.planning.inherited import source_of
from harness.planning.tails import with_rounds
from harness.planning.trials import plan_trials
from harness.reading import read_suite
from harness.record import Measurement, Record, Trial
from harness.running import broken_models, until_decided
from harness.running.asked import Asked, grid_of, seeds_of
from harness.running.idle_cores import IdleCores
from harness.running.standing import question_of
from harness.running.story import Story
from harness.running.until_decided import _Spending, spend
from harness.running.worlds import Worlds
from harness.schedule import Wanted
from harness.schedule.following import Following
from harness.store.runs import RunFolder, open_run
from harness.streams import generator
from harness.suite.schema import Suite
from tests.small_suites import harness, write_suite

TEXT = """
name: decide
task: image_classification
data: {name: digits, train_sizes: [300]}
training: {seeds: [5, 0, 1, 2, 3, 4, 6, 7, 8, 9, 10, 11]}
candidates: {good: sklearn:LogisticRegression, fair: sklearn:SVC, poor: sklearn:GaussianNB}
serving: {runtimes: [torch], rounds: 3, scenarios: {single_stream: {}}}
machine: {usd_per_hour: 1}
decision: {objective: maximize accuracy}
"""


@pytest.fixture
def suite(tmp_path: Path) -> Suite:
    (tmp_path / "decide.yaml").write_text(TEXT)
    return read_suite(tmp_path / "decide.yaml")


class World:
    """Runs trials at once: accuracy by candidate, noise by seed."""

    def __init__(self, run: RunFolder, truths: dict[str, float], noise: float) -> None:
        self.run, self.truths, self.noise = run, truths, noise
        self.asked: list[set[str]] = []
        self.said: list[str] = []

    def execute(self, trials: Sequence[Trial], wanted: Wanted) -> None:
        self.asked.append({t.id for t in trials})
        for trial in trials:
            if self.run.record(trial.id) is None and (trial.kind == "serve" or wanted(trial)):
                self.run.commit(self.record(trial), self.run.scratch(trial.id))

    def record(self, trial: Trial) -> Record:
        random = generator(trial.seed or 0, trial.candidate, trial.kind, str(trial.round))
        values = {
            "train": Measurement("train_seconds", 10.0, "s"),
            "score": Measurement(
                "accuracy", self.truths[trial.candidate] + self.noise * random.standard_normal(), "fraction"
            ),
            "serve": Measurement("latency_p50_ms", float(np.exp(random.normal(0, 0.05))), "ms"),
        }
        return Record(trial, "finished", (values[trial.kind],), seconds=10.0)


def decide(
    suite: Suite, folder: Path, truths: dict[str, float], noise: float = 0.01, left_s: float = np.inf
) -> tuple[Story, World]:
    run = open_run(folder, suite.name, "0123456789abcdef")
    world = World(run, truths, noise)
    story = spend(suite, Worlds(run, world.execute, say=world.said.append), left_s=lambda: left_s)
    assert run.exists("until_decided.json")
    return story, world


CLEAR = {"good": 0.95, "fair": 0.8, "poor": 0.6}


def test_a_clear_question_is_decided_on_the_first_few_trials(suite: Suite, tmp_path: Path) -> None:
    story, world = decide(suite, tmp_path, CLEAR)
    assert story.stopped == "decided"
    assert story.steps[-1]["choice"] == "good/sklearn"
    assert story.trials <= story.exhaustive / 3
    exhaustive = {t.id for t in plan_trials(suite)}
    assert all(asked <= exhaustive for asked in world.asked), "ordinary trials with ordinary ids"
    assert len(exhaustive) == story.exhaustive


def test_seeds_go_to_those_that_contend(suite: Suite, tmp_path: Path) -> None:
    story, world = decide(suite, tmp_path, {"good": 0.9, "fair": 0.895, "poor": 0.6}, noise=0.008)
    counts = {
        name: sum(r.trial.kind == "train" and r.trial.candidate == name for r in world.run.records())
        for name in suite.candidates
    }
    assert counts["poor"] <= 2 < min(counts["good"], counts["fair"])
    assert len(story.steps) > 1 and story.steps[-1]["trials"] == story.trials < story.exhaustive
    assert "false alarms" in story.bias


def test_the_suites_seeds_are_the_end_without_a_budget(suite: Suite, tmp_path: Path) -> None:
    story, _ = decide(suite, tmp_path, {"good": 0.9, "fair": 0.9, "poor": 0.9}, noise=0.02)
    assert story.trials <= story.exhaustive
    assert story.stopped == "decided" or any(
        reason in story.stopped for reason in ("the suite's seeds", "worth", "indistinguishable")
    )


def test_a_spent_budget_ends_it_after_the_first_trials(suite: Suite, tmp_path: Path) -> None:
    story, world = decide(suite, tmp_path, {"good": 0.9, "fair": 0.899, "poor": 0.6}, left_s=0.0)
    assert story.stopped == "the budget is spent"
    assert len(world.asked) == 2, "trainings with their scores, and a serving round: the first evidence"
    assert {t.trial.round for t in world.run.records()} <= {None, 0}


def test_what_is_left_must_suffice(suite: Suite, tmp_path: Path) -> None:
    story, _ = decide(suite, tmp_path, {"good": 0.9, "fair": 0.899, "poor": 0.6}, left_s=5.0)
    assert story.stopped == "what is left of the budget is too little"


@pytest.mark.parametrize(("left_s", "is_measured"), [(np.inf, True), (0.0, False)])
def test_smaller_training_sets_answer_another_question_and_come_last(
    suite: Suite, tmp_path: Path, left_s: float, is_measured: bool
) -> None:
    data = suite.data.model_copy(update={"train_sizes": (100, 300)})
    asked = {"constraints": ("accuracy >= 0.7",), "objective": "maximize accuracy"}
    limited = suite.decision.model_copy(update=asked)
    sizes = suite.model_copy(update={"data": data, "decision": limited})
    story, world = decide(sizes, tmp_path, CLEAR, left_s=left_s)
    small = [r.trial for r in world.run.records() if r.trial.train_size == 100]
    assert "poor/sklearn" in story.ruled_out
    assert {t.candidate for t in small} == ({"good", "fair"} if is_measured else set())
    assert {t.kind for t in small} <= {"train", "score"}
    if is_measured:
        assert world.asked[-1] == {t.id for t in small}
        assert "decided, ahead is good/sklearn" in world.said[-1], "nobody waits for them to know the answer"


def asked_of(suite: Suite) -> Asked:
    return Asked(suite, grid_of(plan_trials(suite)))


def test_it_begins_with_one_seed_and_one_round(suite: Suite) -> None:
    trials = asked_of(suite).trials()
    assert {t.seed for t in trials if t.kind == "train"} == {5}
    assert {t.round for t in trials if t.kind == "serve"} == {0}
    assert {t.id for t in trials} <= {t.id for t in plan_trials(suite)}


def test_smaller_training_sets_are_not_asked_for(suite: Suite) -> None:
    sizes = suite.data.model_copy(update={"train_sizes": (100, 300)})
    trials = asked_of(suite.model_copy(update={"data": sizes})).trials()
    assert {t.train_size for t in trials} == {300}


def test_what_is_trained_on_less_is_scored_though_its_reference_runtime_is_out(tmp_path: Path) -> None:
    """Such a score is the model's: with `small_cnn/torch` too dear four trainings were never scored."""
    (tmp_path / "near.yaml").write_text(NEAR.replace("train_sizes: [300]", "train_sizes: [100, 300]"))
    asked = asked_of(read_suite(tmp_path / "near.yaml"))
    asked.out |= {"small_cnn/torch", "vit/torch", "vit/onnx"}
    smaller = [(t.candidate, t.kind, t.runtime) for t in asked.smaller()]
    assert ("small_cnn", "train", None) in smaller and ("small_cnn", "score", "torch") in smaller
    assert "vit" not in {candidate for candidate, _, _ in smaller}


def test_seeds_beyond_the_suites_follow_its_highest(suite: Suite) -> None:
    candidate = suite.candidates["good"]
    assert seeds_of(candidate, 3) == (5, 0, 1)
    assert seeds_of(candidate, 14)[-2:] == (12, 13)


def test_more_rounds_of_one_variant_are_no_more_of_the_others(suite: Suite) -> None:
    asked = asked_of(suite)
    asked.rounds["fair/sklearn"] = 3
    served = [t for t in asked.trials() if t.kind == "serve"]
    assert sorted(t.candidate for t in served if t.round == 2) == ["fair"]


@pytest.mark.parametrize("limit", [2, 4, 50])
def test_a_launch_is_the_same_however_many_rounds_are_asked_for(suite: Suite, limit: int) -> None:
    """Where a p99 decides a round makes its share of 662 calls: of one round so far all, of two 331. So the
    first round was measured three times, and two of its figures were dropped in silence."""
    decision = suite.decision.model_copy(update={"constraints": (f"latency_p99_ms <= {limit}",)})
    limited = suite.model_copy(update={"decision": decision})
    whole = {t.id for t in plan_trials(limited)}
    asked = asked_of(limited)
    for rounds in (1, 2, 3):
        asked.rounds = dict.fromkeys(asked.grid, rounds)
        assert {t.id for t in asked.trials(("serve",))} <= whole
    assert {t.id for t in plan_trials(with_rounds(limited, 6)) if (t.round or 0) < 3} == whole


def test_what_is_not_wanted_and_failed_in_an_earlier_run_did_not_fail_in_this_one(
    suite: Suite, tmp_path: Path
) -> None:
    """It was counted among the trials of this run, and never tried again."""
    run = open_run(tmp_path, suite.name, "0123456789abcdef")
    world, asked = World(run, CLEAR, 0.01), asked_of(suite)

    def execute(trials: Sequence[Trial], wanted: Wanted) -> None:
        world.execute([t for t in trials if t.kind == "train" or wanted(t)], lambda trial: True)

    spending = _Spending(suite, Worlds(run, execute), asked, Story(1), lambda: np.inf, False)
    trials = [t for t in asked.trials(seeds=1) if t.candidate == "poor"]
    score, served = (next(t for t in trials if t.kind == kind) for kind in ("score", "serve"))
    for trial in (score, served):
        run.commit(Record(trial, "failed"), run.scratch(trial.id))
    spending._execute(trials, lambda trial: trial.kind == "train")
    assert asked.failed == set() and spending.told.trials == 1, "the training alone"
    spending._execute(trials)
    assert score.id in world.asked[-1] and asked.failed == {score.id, served.id}


def test_who_is_out_is_neither_trained_nor_scored_nor_served(suite: Suite) -> None:
    asked = asked_of(suite)
    asked.out.add("poor/sklearn")
    assert {t.candidate for t in asked.trials()} == {"good", "fair"}


def test_the_story_is_told_in_a_sentence() -> None:
    story = Story(60, 18, "decided", [{}])
    assert story.text == "decided, after 18 trials in one step (the whole suite has 60)"
    assert NextMeasurement.__dataclass_fields__["units"]


NEAR = """
name: near
task: image_classification
data: {name: digits, train_sizes: [300]}
training: {seeds: [0, 1]}
candidates:
  logistic: sklearn:LogisticRegression
  small_cnn: {model: small_cnn, args: {width: 8}}
  resnet: {model: small_cnn, args: {width: 12}}
  convnext: {model: small_cnn, args: {width: 16}}
  vit: {model: small_cnn, args: {width: 18}}
serving: {runtimes: [torch, onnx], rounds: 3, scenarios: {single_stream: {}, offline: {}}}
decision:
  constraints: [accuracy >= 0.87, latency_p99_ms <= 0.8]
  objective: maximize accuracy
"""
ACCURACY = {"logistic": 0.8208, "small_cnn": 0.878, "resnet": 0.886, "convnext": 0.836, "vit": 0.83}
MILLISECONDS = {"logistic": 0.05, "small_cnn": 0.3, "resnet": 0.9, "convnext": 1.6, "vit": 2.2}


class NearWorld(World):
    """One candidate keeps both limits, hardly more surely than is asked; another's speed is near."""

    def __init__(self, run: RunFolder, number: int) -> None:
        super().__init__(run, ACCURACY, 0.003)
        self.number = number

    def record(self, trial: Trial) -> Record:
        name = trial.candidate
        if trial.kind == "train":
            return Record(trial, "finished", (Measurement("train_seconds", 70.0, "s"),), seconds=70.0)
        if trial.kind == "score":
            noise = generator(self.number, name, str(trial.seed), "acc").standard_normal()
            value = ACCURACY[name] + (0.0 if name == "logistic" else self.noise * noise)
            return Record(trial, "finished", (Measurement("accuracy", value, "fraction"),), seconds=16.0)
        by = (name, str(trial.seed), str(trial.runtime), "serve", str(trial.round), str(trial.scenario))
        ms = MILLISECONDS[name] * (1.0 if trial.runtime == "onnx" else 3.0)
        ms *= float(np.exp(0.08 * generator(self.number, *by).standard_normal()))
        measured = (Measurement("latency_p50_ms", ms, "ms"), Measurement("latency_p99_ms", 1.5 * ms, "ms"))
        if trial.scenario == "offline":
            measured = (Measurement("throughput_offline_per_s", 1400 / ms, "1/s"),)
        return Record(trial, "finished", measured, seconds=5.0)


@pytest.mark.parametrize("number", [2, 21])
def test_who_was_ruled_out_by_one_launch_leaves_no_doubt_on_who_is_named(tmp_path: Path, number: int) -> None:
    """Of 30 such worlds these two named nobody: with two launches of one variant alone those that were out
    seemed to be possible again, and were never measured."""
    (tmp_path / "near.yaml").write_text(NEAR)
    suite = read_suite(tmp_path / "near.yaml")
    whole = NearWorld(open_run(tmp_path / "whole", suite.name, "0123456789abcdef"), number)
    whole.execute(plan_trials(suite), lambda trial: True)
    few = NearWorld(open_run(tmp_path / "few", suite.name, "0123456789abcdef"), number)
    story = spend(suite, Worlds(few.run, few.execute), left_s=lambda: np.inf)
    named = [recommend(question_of(w.run, suite).table, suite, flips=False).choice for w in (whole, few)]
    assert named == ["small_cnn/onnx"] * 2, story.stopped
    assert story.trials < story.exhaustive


def test_who_cannot_be_told_apart_has_all_rounds_of_the_suite_before_that_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From two launches to three an interval narrows threefold; the flagship's choice fell in its third."""
    monkeypatch.setitem(ACCURACY, "resnet", 0.88)
    monkeypatch.setitem(MILLISECONDS, "resnet", 0.31)
    worth = "objective: maximize value\n  value: 20*accuracy - latency_p50_ms"
    alike = NEAR.replace(", latency_p99_ms <= 0.8", "").replace("objective: maximize accuracy", worth)
    (tmp_path / "alike.yaml").write_text(alike)
    suite = read_suite(tmp_path / "alike.yaml")
    world = NearWorld(open_run(tmp_path / "few", suite.name, "0123456789abcdef"), number=9)
    story = spend(suite, Worlds(world.run, world.execute), left_s=lambda: np.inf)
    assert story.stopped.startswith("indistinguishable")
    served = [(r.trial.candidate, r.trial.runtime, r.trial.round) for r in world.run.records()]
    for name in ("small_cnn", "resnet"):
        assert (name, "onnx", suite.serving.rounds - 1) in served
    assert ("resnet", "torch", 1) not in served, "who is behind has none of it"


@pytest.mark.parametrize(("left_s", "seeds"), [(np.inf, [3, 3]), (100.0, [2, 3]), (60.0, [2, 2])])
def test_who_is_named_of_a_tie_has_all_seeds_of_the_suite_where_there_is_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, left_s: float, seeds: list[int]
) -> None:
    """With two of three seeds another of a tie was named: in simulated worlds its regret was 1.7 times the
    whole run's."""
    monkeypatch.setitem(ACCURACY, "resnet", 0.878)
    alike = NEAR.replace(", latency_p99_ms <= 0.8", "").replace("seeds: [0, 1]", "seeds: [0, 1, 2]")
    (tmp_path / "alike.yaml").write_text(alike)
    suite = read_suite(tmp_path / "alike.yaml")
    world = NearWorld(open_run(tmp_path / "few", suite.name, "0123456789abcdef"), number=3)

    def wall_s(trials: Sequence[Trial]) -> float:
        return sum(70.0 for t in trials if t.kind == "train" and not world.run.has_finished(t.id))

    def trained() -> list[str]:
        return [r.trial.candidate for r in world.run.records() if r.trial.kind == "train"]

    def left() -> float:
        return left_s - 70.0 * sum(trained().count(name) > 2 for name in ("small_cnn", "resnet"))

    spend(suite, Worlds(world.run, world.execute, wall_s=wall_s), left_s=left)
    assert sorted(trained().count(name) for name in ("small_cnn", "resnet")) == seeds
    assert trained().count("vit") < 3, "who is behind has none of it"


def test_what_is_worth_nearly_as_much_is_measured_in_the_same_step_where_it_is_cheap(
    suite: Suite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One by one, the rounds of lstm_vs_transformer took 22 steps, each with a start of its workers."""

    def option(name: str, seconds: float, rate: float) -> NextMeasurement:
        return NextMeasurement(f"a round of {name}", "round", name, "sklearn", 1, 1.0, seconds, None, rate)

    worth = [option("good", 40.0, 0.3), option("fair", 40.0, 0.29), option("poor", 10.0, 0.2)]
    run, asked = open_run(tmp_path, suite.name, "0123456789abcdef"), Asked(suite, grid_of(plan_trials(suite)))
    spending = _Spending(
        suite, Worlds(run, World(run, CLEAR, 0.01).execute), asked, Story(0), lambda: np.inf, False
    )
    question = question_of(run, suite)

    def taken(options: list[NextMeasurement], left_s: float = np.inf) -> list[str]:
        monkeypatch.setattr(until_decided, "next_measurements", lambda *given: options)
        asked.rounds.clear()
        return spending._worth_most(question, left_s)[0]

    assert taken(worth) == [
        "one more serving round of good/sklearn",
        "one more serving round of poor/sklearn",
    ], "fair takes long: it may prove not to be needed"
    assert asked.rounds == {"good/sklearn": 2, "poor/sklearn": 2}
    assert taken([*worth[:2], option("poor", 10.0, 0.09)]) == ["one more serving round of good/sklearn"], (
        "it is worth too little"
    )
    assert taken(worth, left_s=45.0) == ["one more serving round of good/sklearn"], "the budget is for both"


def test_of_what_the_suite_has_left_the_seconds_count_not_of_what_would_be_worth_most(
    suite: Suite, tmp_path: Path
) -> None:
    """Eight rounds of 10 s were no cheap thing to do beside another, and one was left: it came alone."""
    asked = Asked(suite, grid_of(plan_trials(suite)))
    wanted = NextMeasurement("8 more …", "round", "good", "sklearn", 8, 1.0, 80.0, 0.8, 0.3)
    asked.rounds["good/sklearn"] = suite.serving.rounds - 1
    left = asked.left_of(wanted, is_open_ended=False)
    assert left is not None
    assert (left.what, left.units, left.seconds) == ("one more serving round of good/sklearn", 1, 10.0)
    assert asked.left_of(wanted, is_open_ended=True) == wanted.of(8)
    asked.take(left)
    assert asked.left_of(wanted, is_open_ended=False) is None


def test_one_table_tells_of_all_exports_of_a_reference(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was built anew for each of them once anything else had ended, on a core that trained."""
    monkeypatch.setitem(ACCURACY, "convnext", 0.5)
    monkeypatch.setitem(ACCURACY, "vit", 0.5)
    (tmp_path / "near.yaml").write_text(NEAR)
    suite = read_suite(tmp_path / "near.yaml")
    run = open_run(tmp_path / "few", suite.name, "0123456789abcdef")
    asked = Asked(suite, grid_of(plan_trials(suite)), is_finished=run.has_finished)
    trials, world, tables = asked.trials(("train", "score")), NearWorld(run, number=2), list[RunFolder]()
    world.execute([t for t in trials if not source_of(t)], lambda trial: True)

    def counted(where: RunFolder, its: Suite) -> Question:
        tables.append(where)
        return question_of(where, its)

    monkeypatch.setattr(broken_models, "question_of", counted)
    models = broken_models.BrokenModels(run, suite, asked)
    heirs = [t for t in trials if source_of(t)]
    second = [t for t in asked.trials(("train",), seeds=2) if t.seed == 1]
    wanted = set[str]()
    for heir, other in zip(heirs, second, strict=False):
        wanted |= {heir.candidate} if models.may_be_chosen(heir) else set()
        world.execute([other], lambda trial: True)
    assert len(heirs) >= len(second) > 2 and len(tables) == 1
    assert wanted and not wanted & {"convnext", "vit"}


def test_a_second_seed_leaves_no_core_idle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The runner-up's second seed trains beside the leader's: asked for a step later, it would leave a core
    idle once more. On one core, or where it takes twice as long, it is not asked for."""
    (tmp_path / "near.yaml").write_text(NEAR.replace(", latency_p99_ms <= 0.8", ""))
    suite = read_suite(tmp_path / "near.yaml")
    monkeypatch.setitem(ACCURACY, "resnet", 0.95)

    def seconds_trained(cores: int, runner_up_s: float) -> list[set[str]]:
        monkeypatch.setattr("os.cpu_count", lambda: cores)
        run = open_run(tmp_path / f"{cores}-{runner_up_s}", suite.name, "0123456789abcdef")
        world = NearWorld(run, number=0)

        def wall_s(trials: Sequence[Trial]) -> float:
            taken = [
                runner_up_s if t.candidate == "small_cnn" else 70.0
                for t in trials
                if t.kind == "train" and t.spec["training"]
            ]
            return max([sum(taken) / cores, *taken, 1.0])

        spend(suite, Worlds(run, world.execute, wall_s=wall_s), left_s=lambda: np.inf)
        second = [
            {
                t.candidate
                for r in run.records()
                if (t := r.trial).id in ids and t.seed == 1 and t.kind == "train"
            }
            for ids in world.asked
        ]
        return [names for names in second if names][:1]

    assert seconds_trained(cores=2, runner_up_s=70.0) == [{"resnet", "small_cnn"}]
    assert seconds_trained(cores=2, runner_up_s=150.0) == [{"resnet"}]
    assert seconds_trained(cores=1, runner_up_s=70.0) == [{"resnet"}]


def test_smaller_training_sets_fill_a_core_that_a_step_leaves_idle_and_come_before_nothing_of_its_own(
    tmp_path: Path,
) -> None:
    """They lengthened the flagship's second step by a quarter: handed out first, they kept the scores of its
    second seeds waiting. Two cores; a second and a third model of 30 and 56 s."""
    took = {"train a": 56.0, "train b": 30.0, "score a": 12.0, "score b": 15.0}
    took |= {f"{kind} small{n}": 10.0 for kind in ("train", "score") for n in range(5)}

    def pair(name: str) -> list[Trial]:
        train = Trial("train", name, {"model": name}, seed=1)
        return [train, Trial("score", name, {"fitted": train.id}, "onnx", seed=1, needs=(train.id,))]

    def simulated(with_smaller: bool) -> tuple[float, set[str]]:
        """When the step's own trials have ended on two cores, and which others ran."""
        run = open_run(tmp_path / str(with_smaller), "few", "0123456789abcdef")
        own = [*pair("a"), *pair("b")]
        smaller = [t for n in range(5) for t in pair(f"small{n}")] if with_smaller else []
        idle, ids = IdleCores(own, 2, run.has_finished), {t.id for t in smaller}
        trials = {t.id: t for t in [*own, *smaller]}
        following = Following(
            list(trials.values()), run, lambda t: idle.may_begin(t) if t.id in ids else True
        )
        queue, running, clock, number = list[tuple[str, Trial]](), list[tuple[float, str, Trial]](), 0.0, 0
        ended = dict[str, float]()
        while True:
            while isinstance(handed := following.suggest(str(number)), dict):
                queue.append((str(number), trials[handed["id"]]))
                number += 1
            while queue and len(running) < 2:
                tune_id, trial = queue.pop(0)
                running.append((clock + took[f"{trial.kind} {trial.candidate}"], tune_id, trial))
            if not running:
                assert handed == "FINISHED"
                return max(ended[t.id] for t in own), {t.id for t in smaller} & set(ended)
            running.sort(key=lambda r: r[0])
            clock, tune_id, trial = running.pop(0)
            run.commit(Record(trial, "finished"), run.scratch(trial.id))
            following.on_trial_complete(tune_id)
            ended[trial.id] = clock

    alone, beside = simulated(False), simulated(True)
    assert alone == (68.0, set())
    assert beside[0] <= 68.0 + 10.0 and len(beside[1]) == 2


REAL = """\
name: tiny
task: image_classification
data: {name: digits, train_sizes: [200]}
training: {seeds: [0, 1, 2, 3, 4, 5, 6, 7, 8]}
candidates:
  logistic: {model: "sklearn:LogisticRegression"}
  forest: {model: "sklearn:RandomForestClassifier", args: {n_estimators: 20}}
  stump: {model: "sklearn:DecisionTreeClassifier", args: {max_depth: 2}}
serving:
  runtimes: [torch]
  rounds: 2
  scenarios:
    single_stream: {seconds: 0.1, min_calls: 20, max_calls: 100}
decision:
  objective: maximize accuracy
"""


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_real_suite_comes_to_the_exhaustive_choice_with_a_third_of_its_trials(tmp_path: Path) -> None:
    suite = write_suite(tmp_path, REAL)
    few = harness(tmp_path, "run", suite, "--until-decided", "--json")
    assert few.code == 0, few.err
    assert "until decided: decided, after" in few.err
    report = (Path(few.json["run"]) / "report.html").read_text()
    assert "Peeked: measuring went on until the question was decided" in report
    all_of_it = harness(tmp_path, "run", suite, "--exhaustive", "--json")
    assert all_of_it.code == 0, all_of_it.err
    assert few.json["recommendation"]["choice"] == all_of_it.json["recommendation"]["choice"]
    assert few.json["finished"] <= all_of_it.json["finished"] / 3
    assert f"{few.json['finished']} finished already" in all_of_it.err, "nothing is measured twice"
