"""Which trials a suite asks for, what is in their ids, and what they are expected to take."""

from __future__ import annotations

import os
import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from harness import environment
from harness.cli.text import plan_text
from harness.planning import versions as code
from harness.planning.estimate import STARTING_S, guess_seconds
from harness.planning.plan import Plan, make_plan, plan_run, run_hash
from harness.planning.trials import interleaved, plan_trials, select
from harness.reading import read_suite, suite_from_text, suite_to_text
from harness.reading.components import ROOT, table
from harness.record import Record, SuiteError, Trial
from harness.running.smoke import smoke
from harness.runtimes.offered import runtimes_of
from harness.store.runs import open_run
from harness.suite.model_ref import parse_model
from harness.suite.schema import Suite
from harness.suite.variants import local_cores

TEXT = """
name: trial_suite
task: image_classification
data: {name: digits, train_sizes: [200, 1000]}
training: {seeds: [3, 4], epochs: 2, batch_size: 32, resources: {cpus: 2, memory_mb: 500}, time_limit: 60}
candidates:
  logistic: sklearn:LogisticRegression
  cnn: small_cnn
  vit: {model: vit, args: {patch: 2, dim: 48, depth: 2}}
serving:
  runtimes: [torch, onnx]
  rounds: 2
  scenarios: {single_stream: {seconds: 1}, offline: {batch_sizes: [1, 8]}}
"""


def read(folder: Path, text: str = TEXT, *overrides: str) -> Suite:
    file = folder / "suite.yaml"
    file.write_text(text)
    return read_suite(file, overrides)


@pytest.fixture
def suite(tmp_path: Path) -> Suite:
    return read(tmp_path)


def test_a_plan_says_what_stopping_when_it_is_decided_would_take_where_the_suite_says_when(
    suite: Suite, tmp_path: Path
) -> None:
    assert make_plan(suite, plan_trials(suite)).until_decided is None
    for key in ("budget=30m", "decision.tolerance=0.01"):
        own = read(tmp_path, TEXT, key)
        plan = make_plan(own, plan_trials(own), slots=1)
        assert plan.until_decided is not None
        least, most = plan.until_decided
        assert least < most < plan.wall_seconds
        # By hand: of each kind the trials of the larger training set, less the second seed and round.
        largest = [t for t in plan.trials if t.train_size == 1000]
        first = [t for t in largest if not t.round and (t.kind == "serve" or t.seed == 3)]
        assert most == pytest.approx(STARTING_S + sum(plan.seconds[t.id] for t in largest))
        assert least == pytest.approx(STARTING_S + sum(plan.seconds[t.id] for t in first))
        assert 0 < len(first) <= len(largest) / 2
        assert "`run` measures until it is decided: " in plan_text(plan).splitlines()[-1]
        said = plan_text(plan, is_one_of_several_sets=True).splitlines()[-1]
        assert "as `run` does it: candidates are compared over several data sets. With --until-" in said


def of(trials: tuple[Trial, ...], kind: str, candidate: str | None = None) -> list[Trial]:
    return [t for t in trials if t.kind == kind and candidate in (None, t.candidate)]


def ids(trials: tuple[Trial, ...]) -> set[str]:
    return {t.id for t in trials}


# ------------------------------------------------------------------------------------- which trials


WORKERS = ("machine.price=aws/c7i.large", "machine.cores=2")


def test_workers_make_a_variant_of_each_number_that_fits_the_machine(tmp_path: Path) -> None:
    text = TEXT.replace("[torch, onnx]", "[torch, onnx, onnx@2]").replace("rounds: 2", "rounds: 1")
    asked = read(tmp_path, text.replace("rounds: 1", "rounds: 1\n  workers: [1, 2]"), *WORKERS)
    trials = plan_trials(asked)
    plain = plan_trials(read(tmp_path, text, *WORKERS))
    served = {(t.runtime, t.spec["threads"], t.spec.get("workers", 1)) for t in of(trials, "serve", "cnn")}
    assert served == {
        ("torch@1x1", 1, 1), ("torch@1x2", 1, 2), ("onnx@1x1", 1, 1), ("onnx@1x2", 1, 2), ("onnx@2x1", 2, 1)
    }  # fmt: skip
    assert all(t.resources.cpus == (1 if t.runtime == f"{t.spec['runtime']}@1x1" else 2)
               for t in of(trials, "serve", "cnn"))  # fmt: skip
    # Quality is scored once; one worker serves the very trial that a suite without workers asks for.
    assert ids(trials) > ids(plain)
    assert [t.id for t in of(trials, "score")] == [t.id for t in of(plain, "score")]


def test_bursts_change_what_the_server_scenario_measures_and_nothing_else(tmp_path: Path) -> None:
    text = TEXT.replace("offline: {", "server: {latency_p99_ms: 10}, offline: {")
    plain, bursts = (plan_trials(read(tmp_path, text, *o)) for o in ((), ("decision.traffic.burstiness=2",)))
    changed = ids(bursts) - ids(plain)
    assert {t.scenario for t in bursts if t.id in changed} == {"server"}
    assert all(t.spec["scenario"]["burstiness"] == 2 for t in bursts if t.scenario == "server")


def test_auto_loads_all_cores_of_the_priced_machine(tmp_path: Path) -> None:
    text = TEXT.replace("[torch, onnx]", "[onnx, onnx@2]").replace("rounds: 2", "rounds: 1\n  workers: auto")
    asked = read(tmp_path, text, "machine.price=aws/c7i.xlarge", "machine.cores=4")
    served = {(t.runtime, t.spec.get("workers", 1)) for t in of(plan_trials(asked), "serve", "cnn")}
    assert served == {("onnx@1x4", 4), ("onnx@2x2", 2)}


def test_workers_share_the_cores_that_this_and_the_priced_machine_have(tmp_path: Path) -> None:
    text = TEXT.replace("rounds: 2", "rounds: 2\n  workers: auto")
    here = local_cores()
    assert read(tmp_path, text, "machine.usd_per_hour=1").machine.cores == here
    assert read(tmp_path, text, "machine.price=aws/c7i.large").machine.cores == min(2, here)
    elsewhere = read(tmp_path, text, "machine.price=aws/c7i.4xlarge", "machine.class=abc")
    assert elsewhere.machine.cores == 16


def test_a_runtime_with_threads_of_its_own_is_a_variant_of_its_own(tmp_path: Path) -> None:
    plain = plan_trials(read(tmp_path))
    trials = plan_trials(read(tmp_path, TEXT.replace("[torch, onnx]", "[torch, onnx, torch@2, onnx@2]")))
    assert ids(plain) <= ids(trials) and len(ids(trials)) == len(trials)
    names = {t.variant.name for t in trials if t.variant and t.candidate != "vit"}
    assert names == {
        "logistic/sklearn", "logistic/onnx", "logistic/sklearn@2", "logistic/onnx@2",
        "cnn/torch", "cnn/onnx", "cnn/torch@2", "cnn/onnx@2",
    }  # fmt: skip
    for trial in of(trials, "serve"):
        threads = 2 if str(trial.runtime).endswith("@2") else 1
        assert trial.spec["threads"] == trial.resources.cpus == threads
        assert "@" not in trial.spec["runtime"]


def test_each_kind_is_planned_once_per_what_it_depends_on(suite: Suite) -> None:
    trials = plan_trials(suite)
    assert len(ids(trials)) == len(trials)
    assert len(of(trials, "train", "cnn")) == 2 * 2  # seeds × sizes
    scores = of(trials, "score", "cnn")
    assert [(t.train_size, t.seed, t.runtime) for t in scores] == [
        (1000, 3, "torch"), (1000, 3, "onnx"), (1000, 4, "torch"), (1000, 4, "onnx"),
        (200, 3, "torch"), (200, 4, "torch"),
    ]  # fmt: skip
    assert len(of(trials, "serve", "cnn")) == 2 * 2 * 2  # runtimes × scenarios × rounds


def test_what_a_trial_needs_is_planned_before_it(suite: Suite) -> None:
    seen: set[str] = set()
    for trial in plan_trials(suite):
        assert set(trial.needs) <= seen
        seen.add(trial.id)


def test_the_specification_says_what_the_rooms_agreed_on(suite: Suite) -> None:
    trials = plan_trials(suite)
    train, score, serve = (of(trials, kind, "vit")[0] for kind in ("train", "score", "serve"))
    common = {"candidate", "task", "model", "args", "data", "seed", "code"}
    assert set(train.spec) == common | {"training", "train_size"}
    assert set(train.spec["data"]) == {"name", "args", "checksum", "validation", "seed"}
    assert set(score.spec) == set(train.spec) | {"fitted", "runtime"}
    assert score.spec["fitted"] == train.id == score.needs[0]
    assert set(serve.spec) == common | {"runtime", "threads", "artifact", "scenario", "round"}
    assert serve.spec["scenario"]["name"] == serve.scenario
    assert serve.needs == (serve.spec["artifact"],)
    assert "seeds" not in train.spec["training"]
    assert "tuning" not in train.spec["training"]


def test_the_first_seed_of_the_largest_size_is_served(suite: Suite) -> None:
    assert {(t.seed, t.train_size) for t in of(plan_trials(suite), "serve")} == {(3, 1000)}


def test_estimators_run_on_sklearn_where_the_suite_says_torch(suite: Suite) -> None:
    assert [t.runtime for t in of(plan_trials(suite), "score", "logistic")][:2] == ["sklearn", "onnx"]
    runtimes = ["onnx", "torch", "torch-bf16", "onnx-int8"]
    assert runtimes_of(parse_model("sklearn:SVC"), runtimes) == ["onnx", "sklearn"]
    assert runtimes_of(parse_model("sklearn:SVC"), ["torch", "sklearn", "torch-bf16"]) == ["sklearn"]
    assert runtimes_of(parse_model("timm:resnet18"), runtimes) == runtimes


def test_cost_against_size_is_planned_of_networks_and_not_of_estimators(tmp_path: Path) -> None:
    trials = plan_trials(read(tmp_path, TEXT, "serving.scenarios.scaling.sizes=[8, 16]"))
    assert {t.candidate for t in trials if t.scenario == "scaling"} == {"cnn", "vit"}


def test_a_finished_model_is_looked_at_once_and_served_by_onnx_alone(tmp_path: Path) -> None:
    (tmp_path / "done.onnx").write_bytes(b"x")
    trials = plan_trials(read(tmp_path, TEXT, "candidates.done=onnx:done.onnx"))
    assert len(of(trials, "train", "done")) == 1
    assert [t.runtime for t in of(trials, "score", "done")] == ["onnx"]
    assert {t.runtime for t in of(trials, "serve", "done")} == {"onnx"}


def test_no_train_size_means_all_rows(tmp_path: Path) -> None:
    trials = plan_trials(read(tmp_path, TEXT.replace(", train_sizes: [200, 1000]", "")))
    assert {t.train_size for t in trials} == {None}


def test_claims_and_limits_are_passed_on(suite: Suite) -> None:
    trials = plan_trials(suite, gpus=1.0)
    train, serve = of(trials, "train", "cnn")[0], of(trials, "serve", "cnn")[0]
    assert (train.resources.cpus, train.resources.memory_mb, train.resources.gpus) == (2, 500, 1.0)
    assert (train.time_limit_s, serve.time_limit_s, serve.resources.cpus) == (60.0, 300.0, 1)
    assert of(trials, "train", "logistic")[0].resources.gpus == 0.0
    assert ids(trials) == ids(plan_trials(suite))


# ------------------------------------------------------------------------------------------- rounds


def test_rounds_are_blocks_with_an_order_of_their_own(suite: Suite) -> None:
    serve = of(plan_trials(suite), "serve")
    half = len(serve) // 2
    assert [t.round for t in serve] == [0] * half + [1] * half
    orders = [[(t.candidate, t.runtime, t.scenario) for t in block] for block in (serve[:half], serve[half:])]
    assert sorted(orders[0]) == sorted(orders[1])
    assert orders[0] != orders[1] != sorted(orders[1])


def test_the_order_of_rounds_comes_from_the_suites_seed(tmp_path: Path) -> None:
    orders = []
    for seed in (0, 0, 1):
        serve = of(plan_trials(read(tmp_path, TEXT, f"seed={seed}")), "serve")
        orders.append([(t.candidate, t.runtime, t.scenario, t.round) for t in serve])
    assert orders[0] == orders[1] != orders[2]
    assert interleaved([], 0) == []


# ---------------------------------------------------------------------------------- what is in an id


def test_the_order_of_keys_changes_no_id(tmp_path: Path) -> None:
    def shuffled(value: object, rng: random.Random) -> object:
        if isinstance(value, dict):
            items = list(value.items())
            rng.shuffle(items)
            return {key: shuffled(item, rng) for key, item in items}
        return value

    before = plan_trials(read(tmp_path))
    for seed in range(5):
        text = yaml.safe_dump(shuffled(yaml.safe_load(TEXT), random.Random(seed)), sort_keys=False)
        after = plan_trials(read(tmp_path, text))
        assert ids(after) == ids(before)
        assert [t.id for t in of(after, "serve")] == [t.id for t in of(before, "serve")]


def test_a_changed_seed_changes_exactly_its_trials(suite: Suite, tmp_path: Path) -> None:
    before, after = plan_trials(suite), plan_trials(read(tmp_path, TEXT, "training.seeds=[3, 5]"))
    assert {t.id for t in before if t.seed == 3} == {t.id for t in after if t.seed == 3}
    assert not ids(before) & {t.id for t in after if t.seed == 5}


@pytest.mark.parametrize(
    ("override", "changed"),
    [
        ("question=Why?", set()),
        ("decision.constraints=[accuracy >= 0.1]", set()),
        ("machine.usd_per_hour=3", set()),
        ("budget=10", set()),
        ("training.time_limit=99", set()),
        ("training.resources.cpus=1", set()),
        ("candidates.vit.args.dim=96", {"train vit", "score vit", "serve vit"}),
        ("training.epochs=3", {f"{k} {c}" for k in ("train", "score", "serve") for c in ("cnn", "vit")}),
        ("serving.threads=2", {"serve logistic", "serve cnn", "serve vit"}),
        ("serving.scenarios.offline.seconds=1", {"serve logistic", "serve cnn", "serve vit"}),
    ],
)
def test_a_change_reaches_the_trials_whose_outcome_it_can_change(
    override: str, changed: set[str], suite: Suite, tmp_path: Path
) -> None:
    before, after = plan_trials(suite), plan_trials(read(tmp_path, TEXT, override))
    lost = {f"{t.kind} {t.candidate}" for t in before if t.id not in ids(after)}
    assert lost == changed
    assert len(before) == len(after)


def test_one_more_candidate_leaves_the_others_finished(suite: Suite, tmp_path: Path) -> None:
    after = plan_trials(read(tmp_path, TEXT, "candidates.r=resnet", "data.train_sizes=[200, 1000]"))
    assert ids(plan_trials(suite)) < ids(after)


def test_one_more_round_keeps_the_rounds_there_are(suite: Suite, tmp_path: Path) -> None:
    assert ids(plan_trials(suite)) < ids(plan_trials(read(tmp_path, TEXT, "serving.rounds=3")))


def test_a_users_changed_code_runs_its_trials_again(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text("import helper\ndef build(task): ...\n")
    (tmp_path / "helper.py").write_text("A = 1\n")
    override = "candidates.mine=own:build"
    before = plan_trials(read(tmp_path, TEXT, override))
    (tmp_path / "helper.py").write_text("A = 2\n")
    os.utime(tmp_path / "helper.py", ns=(1, 1))
    after = plan_trials(read(tmp_path, TEXT, override))
    assert {t.candidate for t in before if t.id not in ids(after)} == {"mine"}


def test_the_run_is_named_by_question_and_trials(suite: Suite, tmp_path: Path) -> None:
    name = run_hash(suite, plan_trials(suite))
    again = suite_from_text(suite_to_text(suite)).model_copy(update={"folder": "/elsewhere"})
    assert run_hash(again, plan_trials(again)) == name
    other = read(tmp_path, TEXT, "decision.constraints=[accuracy >= 0.1]")
    assert run_hash(other, plan_trials(other)) != name


# --------------------------------------------------------------------------------- versions of code


@pytest.mark.parametrize("kind", code.CODE)
def test_every_pattern_of_the_version_table_finds_a_file(kind: str) -> None:
    for pattern in (*code.CODE[kind], *code.NETWORK):
        assert pattern.startswith("{") or list(ROOT.glob(pattern)), pattern


def test_a_component_brings_the_files_that_it_imports_and_no_table() -> None:
    task = ROOT / "tasks" / "supervised.py"
    files = {path.relative_to(ROOT).as_posix() for path in code.own_imports(task)}
    assert {"tasks/supervised.py", "tasks/evaluation.py"} <= files
    assert not any(name.endswith("__init__.py") or not name.startswith("tasks/") for name in files)


def test_every_component_of_the_tables_has_a_version() -> None:
    for model in table("models"):
        spec = {
            "task": "image_classification",
            "model": model,
            "data": {"name": "digits"},
            "runtime": "torch",
        }
        assert len(code.code_version("train", spec)) == 16


# ------------------------------------------------------------------------------- a part of the plan


def test_only_takes_what_fits_and_what_that_needs(suite: Suite) -> None:
    trials = plan_trials(suite)
    assert {t.candidate for t in select(trials, "vit")} == {"vit"}
    variant = select(trials, "vit/onnx")
    assert {t.runtime for t in variant} == {None, "onnx"}
    assert all(set(t.needs) <= ids(variant) for t in variant)
    (one,) = select(trials, "train vit seed 3 n 200")
    assert one.label == "train vit seed 3 n 200"
    assert select(trials, None) == trials
    serving = suite.serving.model_copy(update={"workers": (1, 2)})
    deployed = select(plan_trials(suite.model_copy(update={"serving": serving})), "vit/onnx")
    assert {t.runtime for t in deployed if t.kind == "serve"} >= {"onnx@1x1"}, (
        "how it is deployed is no other"
    )
    with pytest.raises(SuiteError, match=r"--only vitt: fits no candidate.*did you mean `vit`\?"):
        select(trials, "vitt")


def test_smoke_keeps_every_part_and_shrinks_it(suite: Suite) -> None:
    small = smoke(suite)
    trials = plan_trials(small)
    assert small.name == "trial_suite-smoke"
    assert {t.candidate for t in trials} == set(suite.candidates)
    assert {t.kind for t in trials} == {"train", "score", "serve"}
    assert {t.train_size for t in trials} == {200}
    assert len(trials) < len(plan_trials(suite)) / 2
    assert suite_from_text(suite_to_text(small)) == small


# ------------------------------------------------------------------------------------------ estimates


def finished(trial: Trial, seconds: float) -> Record:
    return Record(trial, "finished", seconds=seconds)


def test_the_longest_trainings_come_first_and_the_drawn_order_of_serve_trials_stays(suite: Suite) -> None:
    trials = plan_trials(suite)
    seconds = {t.id: float(k) for k, t in enumerate(trials)}
    ordered = Plan(suite, trials, seconds=seconds).longest_first().trials
    for size in suite.data.train_sizes:
        trainings = [t for t in trials if t.kind == "train" and t.train_size == size]
        assert [t for t in ordered if t.kind == "train" and t.train_size == size] == trainings[::-1]
    for kind in ("score", "serve"):
        assert [t.id for t in ordered if t.kind == kind] == [t.id for t in sized(trials) if t.kind == kind]


def test_smaller_training_sets_come_after_all_of_the_largest(suite: Suite) -> None:
    assert len(suite.data.train_sizes) > 1
    ordered = Plan(suite, plan_trials(suite)).longest_first().trials
    smaller = [t.train_size != max(suite.data.train_sizes) for t in ordered]
    assert any(smaller) and smaller == sorted(smaller)


def sized(trials: Sequence[Trial]) -> list[Trial]:
    return sorted(trials, key=lambda t: t.train_size != max(u.train_size or 0 for u in trials))


def test_nothing_is_expected_of_finished_trials(suite: Suite) -> None:
    trials = plan_trials(suite)
    plan = make_plan(suite, trials, cached=ids(trials) | {"train-of another suite"})
    assert plan.missing == ()
    assert plan.wall_seconds == 0.0
    assert len(plan.cached) == len(trials)


def test_expectations_come_from_like_trials_and_scale_with_their_work(suite: Suite) -> None:
    trials = plan_trials(suite)
    guess = make_plan(suite, trials, slots=2)
    assert guess.guessed == ids(trials)
    small = next(t for t in trials if t.label == "train cnn seed 3 n 200")
    large = next(t for t in trials if t.label == "train cnn seed 3 n 1000")
    plan = make_plan(suite, trials, cached={small.id}, history=[finished(small, 10.0)], slots=2)
    assert plan.seconds[large.id] == pytest.approx(50.0)
    assert small.id not in plan.seconds
    assert {t.candidate for t in trials if t.id not in plan.guessed and t.id not in plan.cached} == {"cnn"}
    assert [e["id"] for e in plan.to_json()["trials"]] == [t.id for t in trials]


def test_rows_that_are_known_without_loading_are_what_is_estimated_with(tmp_path: Path) -> None:
    whole = read(tmp_path, TEXT, "data.train_sizes=[]")
    sized = read(tmp_path, TEXT, "data.train_sizes=[1294]")  # 1,438 less 10 % for validation
    expected = [make_plan(s, plan_trials(s), slots=1).seconds.values() for s in (whole, sized)]
    assert list(expected[0]) == pytest.approx(list(expected[1]))


def test_what_one_candidate_took_to_train_says_nothing_of_another(suite: Suite) -> None:
    trials = plan_trials(suite)
    quick = next(t for t in trials if t.label == "train logistic seed 3 n 200")
    plan = make_plan(suite, trials, history=[finished(quick, 0.01)])
    assert {t.id for t in of(trials, "train", "vit")} <= plan.guessed


def test_speed_of_another_machine_class_is_measured_again(
    suite: Suite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan, _ = plan_run(suite, None, str(tmp_path))
    run = open_run(tmp_path, suite.name, plan.hash)
    for trial in plan.trials:
        record = Record(trial, "finished", environment={"machine": {"class": environment.machine_class()}})
        run.commit(record, run.scratch(trial.id))
    again, _ = plan_run(suite, None, str(tmp_path))
    assert again.missing == () and again.hash == plan.hash
    monkeypatch.setattr(environment, "machine_class", lambda: "othermac")
    moved, _ = plan_run(suite, None, str(tmp_path))
    assert {t.kind for t in moved.missing} == {"serve"} and len(moved.missing) == len(
        of(plan.trials, "serve")
    )
    assert moved.hash != plan.hash, "the speeds of two classes never share a folder"
    assert plan_run(suite, None, str(tmp_path), is_local=False)[0].missing == ()


def test_failed_trials_say_nothing_about_time(suite: Suite) -> None:
    trials = plan_trials(suite)
    failed = [replace(finished(t, 1e6), status="failed") for t in trials]
    assert make_plan(suite, trials, history=failed).guessed == ids(trials)


def test_money_is_the_machines_price_times_the_time(tmp_path: Path) -> None:
    suite = read(tmp_path, TEXT, "machine.usd_per_hour=3.6")
    plan = make_plan(suite, plan_trials(suite))
    assert plan.usd == pytest.approx(plan.wall_seconds / 1000)
    assert make_plan(suite.model_copy(update={"machine": read(tmp_path).machine}), ()).usd is None


def test_the_search_for_the_highest_load_is_expected_to_take_the_time_it_is_given() -> None:
    """`seconds` of a server scenario is its whole search's, half as much again for what is repeated."""
    spec = {"scenario": {"name": "server", "seconds": 20.0}}
    assert guess_seconds(Trial("serve", "cnn", spec, scenario="server")) == pytest.approx(32.5)


def test_a_recommender_that_is_solved_for_takes_no_longer_for_more_epochs() -> None:
    def seconds(retrieval: str, ranking: str, epochs: int) -> float:
        stages = {"retrieval": {"model": retrieval}, "ranking": {"model": ranking}}
        return guess_seconds(Trial("train", "one", {"training": {"epochs": epochs}, **stages}))

    assert seconds("ease", "none", 9) == seconds("ease", "none", 1) < 10
    assert seconds("two_tower", "none", 9) > 3 * seconds("two_tower", "none", 1)
    assert seconds("ease", "wide_and_deep", 9) > 3 * seconds("ease", "wide_and_deep", 1)
