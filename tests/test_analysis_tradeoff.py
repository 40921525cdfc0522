"""The table: its figures, its holes, and the files derived from it."""

from __future__ import annotations

import csv
import errno
import json
import os
import re
import shutil
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from harness.analysis import measured
from harness.analysis.aggregates import average_precision_parts
from harness.analysis.cost import TrainCost
from harness.analysis.kept import read_evidence
from harness.analysis.measured import measured_table
from harness.analysis.outputs import stored_evidence, tidy
from harness.analysis.predictions import Predictions, ScoreReader, read_predictions, score_examples
from harness.analysis.recommend import analyse, decide, recommend
from harness.analysis.ruled_out import with_reasons
from harness.analysis.stamps import STORY
from harness.analysis.stats import two_way_interval
from harness.analysis.tradeoff import _value_cell, complete, tradeoff
from harness.figures import short
from harness.kinds.quality import pr_auc
from harness.metrics import METRICS
from harness.metrics.jackknife import parts_of, pseudo_values
from harness.record import HarnessError, Measurement, Record
from harness.report import numbers
from harness.results import Row, Tradeoff
from harness.suite.schema import Machine
from tests.analysis_world import Truth, World, failed, make_suite, store, trial

TRUTHS = {"small": Truth(0.85, 2.0, throughput=600), "big": Truth(0.90, 6.0, throughput=150)}


def table_of(world: World, records: list[Record], **decision: object) -> Tradeoff:
    suite = make_suite(list(world.truths), world.runtimes, **decision)
    return tradeoff(records, suite, world.predictions.__getitem__)


def row(table: Tradeoff, name: str) -> Row:
    return next(r for r in table.rows if r.variant == name)


def test_a_value_that_few_draws_carry_away_shows_its_median_and_says_so() -> None:
    worth = np.concatenate([np.linspace(-500, 900, 1990), np.full(10, -1e9)])
    cell = _value_cell(worth, [])
    assert cell.low is not None and cell.high is not None and cell.value is not None
    assert cell.low <= cell.value <= cell.high and cell.value == np.median(worth)
    assert cell.note == f"median; a few extreme draws take the mean to {short(float(worth.mean()))}"
    plain = _value_cell(worth[:1990], [])
    assert plain.value == pytest.approx(200) and plain.note == ""


def test_no_cell_of_who_was_ruled_out_says_less_than_why() -> None:
    """Its quality was measured, its speed no more: costs and value follow from speed."""
    world = World(TRUTHS)
    records = [r for r in world.records() if (r.trial.kind, r.trial.candidate) != ("serve", "small")]
    suite = make_suite(list(TRUTHS), value="1000*accuracy - cost_per_month_usd", objective="maximize value")
    suite = suite.model_copy(update={"machine": Machine(usd_per_hour=0.1)})
    why = "ruled out after its training: accuracy clearly below 0.87 (0.85)"
    table = measured_table(records, suite, world.predictions.__getitem__)
    found = complete(with_reasons(table, {"small/torch": why}), suite, {"big": TrainCost(60.0, 60.0, 180.0)})
    cells = {r.variant: r.estimates for r in found.rows}["small/torch"]
    assert cells["accuracy"].value is not None
    for name in ("value", "cost_per_month_usd", "cost_per_million_usd", "train_cost_usd", "latency_p50_ms"):
        assert (cells[name].value, cells[name].note) == (None, why), name


def test_who_calculates_with_the_figures_of_a_row_gets_its_value_or_is_told_what_else() -> None:
    """Loads near the edge of a further machine: costs jump there, so that their mean is not their middle."""
    told = 0
    for number in range(8):
        loads = np.random.default_rng(number).uniform(90, 230, 4)
        truths = {f"c{k}": Truth(0.7 + 0.09 * k, 2.0, throughput=float(x)) for k, x in enumerate(loads)}
        world = World(truths, rng=np.random.default_rng(number))
        table = table_of(
            world,
            world.records(),
            objective="maximize value",
            value="1200*accuracy - cost_per_month_usd",
            traffic={"qps": 200},
        )
        for one in table.rows:
            cell, cost = one.estimates["value"], one.estimates["cost_per_month_usd"]
            assert None not in (cell.value, cell.low, cell.high, cost.value)
            at = 1200 * (one.estimates["accuracy"].value or 0.0) - (cost.value or 0.0)
            shown = numbers.shown("value", cell)
            told += bool(shown.beside)
            if shown.beside:
                figure = float(shown.beside.removesuffix(" by its figures").replace(",", ""))
                assert (
                    cell.by_figures == pytest.approx(at) and f"{short(at)} by the row's figures" in cell.note
                )
                assert abs(figure - at) <= 0.5 * 10 ** -numbers.decimals_for(
                    ((cell.high or 0) - (cell.low or 0)) / 2
                )
            else:
                digit = 10 ** -numbers.decimals_for(((cell.high or 0) - (cell.low or 0)) / 2)
                assert (
                    abs(at - float(shown.value.replace(",", "").replace(numbers.MINUS, "-"))) <= 1.1 * digit
                )
    assert 3 <= told < 32


def test_the_size_of_files_is_no_noisier_for_having_been_looked_at_once() -> None:
    """2.93 MB in one launch kept a limit of 3 MB with a probability of 56 %, and could not be the choice."""
    truths = {"once": Truth(0.9, 2.0, size_mb=2.93), "often": Truth(0.8, 2.0, size_mb=0.86)}
    world = World(truths)
    records = [r for r in world.records() if r.trial.candidate == "often" or (r.trial.round or 0) == 0]
    table = table_of(world, records, constraints=("model_size_mb <= 2.93",))
    once = row(table, "once/torch")
    assert once.estimates["model_size_mb"].note == ""
    np.testing.assert_array_equal(table.draws["model_size_mb"], np.tile([2.93, 0.86], (4000, 1)))
    assert once.feasible_probability == 1.0
    assert np.ptp(table.draws["peak_memory_mb"][:, 0]) > 1.0  # of memory one launch does not tell all


def test_every_variant_is_a_row_with_means_over_its_units() -> None:
    world = World(TRUTHS, runtimes=("torch", "onnx"))
    records = world.records()
    table = table_of(world, records)
    assert [r.variant for r in table.rows] == ["small/torch", "small/onnx", "big/torch", "big/onnx"]
    cell = row(table, "big/torch").estimates["accuracy"]
    own = [r for r in records if r.trial.kind == "score" and r.trial.candidate == "big"]
    assert cell.value == pytest.approx(np.mean([r.value("accuracy") for r in own]))
    assert cell.n == 3 and cell.low is not None and cell.low < cell.value < (cell.high or 0)


def test_workers_share_the_quality_of_their_model_and_have_speed_of_their_own() -> None:
    world = World(TRUTHS)
    records = [r for r in world.records() if r.trial.kind != "serve"]
    for workers in (1, 2):
        for name, truth in TRUTHS.items():
            faster = {name: replace(truth, throughput=truth.throughput * workers)}
            one = World(faster, (f"torch@1x{workers}",))
            records += [r for r in one.records() if r.trial.kind == "serve"]
    suite = make_suite(list(TRUTHS))
    serving = suite.serving.model_copy(update={"workers": (1, 2)})
    machine = Machine(price="aws/c7i.large", cores=2)
    suite = suite.model_copy(update={"serving": serving, "machine": machine})
    table = tradeoff(records, suite, world.predictions.__getitem__)
    assert [r.variant for r in table.rows] == [
        "small/torch@1x1", "small/torch@1x2", "big/torch@1x1", "big/torch@1x2"
    ]  # fmt: skip
    one, two = (row(table, f"big/torch@1x{w}").estimates for w in (1, 2))
    assert one["accuracy"] == two["accuracy"] and one["accuracy"].value is not None
    assert (two["throughput_offline_per_s"].value or 0) > 1.5 * (one["throughput_offline_per_s"].value or 0)
    assert "1 of 2 cores serves" in one["cost_per_month_usd"].note
    assert "cores serve" not in two["cost_per_month_usd"].note


def test_intervals_of_the_table_are_those_of_the_two_way_formula_where_variances_agree() -> None:
    world = World(TRUTHS, seeds=range(8), num_examples=2000)
    records = world.records()
    table = table_of(world, records)
    scores = [
        (world.predictions[r.trial.id].outputs.argmax(1) == world.targets).astype(float)
        for r in records
        if r.trial.kind == "score" and r.trial.candidate == "small"
    ]
    cell, formula = row(table, "small/torch").estimates["accuracy"], two_way_interval(np.stack(scores))
    assert (cell.high or 0) - (cell.low or 0) == pytest.approx(formula.high - formula.low, rel=0.25)


def test_failed_and_missing_cells_say_why_and_nothing_is_imputed() -> None:
    world = World({**TRUTHS, "late": Truth(0.8, 1.0)})
    records = []
    for r in world.records():
        if r.trial.candidate == "late":
            continue
        gone = r.trial.candidate == "big" and r.trial.kind == "serve"
        records.append(failed(r, "out of memory at batch 128") if gone else r)
    table = table_of(world, records)
    big, late = row(table, "big/torch").estimates, row(table, "late/torch").estimates
    assert big["accuracy"].value is not None
    assert (big["latency_p99_ms"].value, big["latency_p99_ms"].note) == (
        None,
        "failed: out of memory at batch 128",
    )
    assert late["accuracy"].note == "not measured" and late["cost_per_month_usd"].note == "not measured"
    assert np.isnan(table.draws["latency_p99_ms"][:, 1]).all()
    assert "out of memory" in row(table, "big/torch").failures[0]


def test_the_price_of_a_training_that_failed_says_why() -> None:
    world = World(TRUTHS)
    records = [
        failed(r, "loss: not finite") if (r.trial.candidate, r.trial.kind) == ("big", "train") else r
        for r in world.records()
    ]
    table = table_of(world, records)
    assert row(table, "big/torch").estimates["train_cost_usd"].note == "failed: loss: not finite"


def test_one_lost_seed_is_said_in_the_cell() -> None:
    world = World(TRUTHS)
    records = world.records()
    lost = next(i for i, r in enumerate(records) if r.trial.kind == "score" and r.trial.candidate == "big")
    records[lost] = failed(records[lost], "not finite")
    cell = row(table_of(world, records), "big/torch").estimates["accuracy"]
    assert cell.n == 2 and "2 of 3 seeds (failed: not finite)" in cell.note


def test_one_seed_claims_this_checkpoint_only_and_says_so() -> None:
    world = World(TRUTHS, seeds=(0,))
    table = table_of(world, world.records())
    assert "this checkpoint" in row(table, "big/torch").estimates["accuracy"].note
    assert any("not the architectures" in w for w in table.warnings)


def test_too_few_calls_are_not_estimable() -> None:
    world = World(TRUTHS, calls=40)
    records = []
    for r in world.records():
        samples = tuple(float(i) for i in range(40))
        measured = tuple(
            replace(m, samples=samples) if m.metric.startswith("latency") else m for m in r.measurements
        )
        records.append(replace(r, measurements=measured))
    cell = row(table_of(world, records), "big/torch").estimates["latency_p99_ms"]
    assert (cell.value, cell.note) == (None, "not estimable (120 of 662 calls)")


def test_a_percentile_that_no_launch_had_calls_for_is_taken_from_the_samples_of_all() -> None:
    world = World(TRUTHS)
    samples = tuple(np.linspace(5, 6, 300).tolist())
    records = [
        replace(
            r,
            measurements=tuple(
                replace(m, value=None, note="not estimable (300 of 662 calls)", samples=samples)
                if m.metric == "latency_p99_ms"
                else m
                for m in r.measurements
            ),
        )
        for r in world.records()
    ]
    cell = row(table_of(world, records), "big/torch").estimates["latency_p99_ms"]
    assert cell.value == pytest.approx(5.99, abs=0.01) and cell.n == 3


def test_machine_classes_are_never_mixed() -> None:
    world = World(TRUTHS)
    records = world.records()
    other = {"machine": {"class": "other"}}
    stray = next(i for i, r in enumerate(records) if r.trial.kind == "serve")
    records[stray] = replace(records[stray], environment=other)
    table = table_of(world, records)
    assert row(table, "small/torch").estimates["latency_p50_ms"].n == 2
    assert any("2 machine classes; only abc123" in w for w in table.warnings)


def test_a_trial_that_never_started_is_no_machine_and_keeps_its_reason() -> None:
    world = World(TRUTHS)
    records = [
        replace(failed(r, "not run: its training failed"), environment={})
        if r.trial.kind == "serve" and r.trial.candidate == "small"
        else r
        for r in world.records()
    ]
    table = table_of(world, records)
    assert not any("machine classes" in w for w in table.warnings)
    assert "not run: its training failed" in " ".join(row(table, "small/torch").failures)


def test_only_the_largest_training_set_is_in_the_table() -> None:
    world = World(TRUTHS)
    early = Record(
        trial("score", "big", runtime="torch", seed=0, train_size=100),
        "finished",
        (Measurement("accuracy", 0.1, "fraction"),),
    )
    table = table_of(world, [*world.records(), early])
    assert table.train_size == 1000
    assert (row(table, "big/torch").estimates["accuracy"].value or 0) > 0.8


def test_costs_are_a_floor_without_a_limit_on_latency_and_say_so() -> None:
    world = World(TRUTHS)
    table = table_of(world, world.records(), traffic={"qps": 100.0})
    cell = row(table, "big/torch").estimates["cost_per_month_usd"]
    assert cell.value == pytest.approx(73.0) and "floor: from offline throughput" in cell.note


def test_costs_use_the_throughput_under_the_limit_where_it_was_measured() -> None:
    world = World(TRUTHS)
    extra = [
        Record(
            trial("serve", name, runtime="torch", scenario="server", round=r),
            "finished",
            (Measurement("throughput_at_slo_qps", 40.0, "1/s"),),
            {"machine": {"class": "abc123"}},
        )
        for name in TRUTHS
        for r in range(3)
    ]
    table = table_of(world, [*world.records(), *extra], traffic={"qps": 100.0})
    cell = row(table, "big/torch").estimates["cost_per_month_usd"]
    assert cell.value == pytest.approx(3 * 73.0) and "floor" not in cell.note


def test_pareto_is_over_objective_and_limits() -> None:
    world = World({**TRUTHS, "worse": Truth(0.80, 20.0, throughput=50)})
    table = table_of(world, world.records(), constraints=("latency_p99_ms <= 30",))
    assert {r.variant: r.pareto for r in table.rows} == {
        "small/torch": True,
        "big/torch": True,
        "worse/torch": False,
    }
    assert row(table, "worse/torch").pareto_probability == pytest.approx(0, abs=0.01)


@pytest.mark.parametrize(
    "decision",
    [
        {"objective": "maximize accuracy"},
        {"objective": "maximize accuracy", "constraints": ("latency_p99_ms <= 30",)},
        {"objective": "minimize latency_p50_ms"},
        {"objective": "maximize value", "value": "1e5*accuracy - cost_per_month_usd", "traffic": {"qps": 5}},
    ],
)
def test_who_is_the_best_with_some_probability_is_on_the_front_with_no_less(
    decision: dict[str, object],
) -> None:
    """Nobody beats the best of a draw in all that counts: the best with .34 was on the front with .13."""
    truths = {f"net{k}": Truth(0.87, 4.0, seed_sd=0.012, launch_sd=0.1) for k in range(4)}
    world = World(truths, seeds=(0, 1), rounds=2, num_examples=400, rng=np.random.default_rng(4))
    suite = make_suite(list(truths), **decision).model_copy(update={"machine": Machine(usd_per_hour=0.1)})
    table = tradeoff(world.records(), suite, world.predictions.__getitem__)
    for one in table.rows:
        assert one.best_probability is not None and one.pareto_probability is not None
        assert one.pareto_probability >= one.best_probability - 0.002


def test_a_slice_is_a_limit_like_any_other() -> None:
    world = World(TRUTHS)
    table = table_of(world, world.records(), constraints=("accuracy[class=2] >= 0.99",))
    cell = row(table, "big/torch").estimates["accuracy[class=2]"]
    assert cell.value is not None and 0.8 < cell.value < 0.97
    assert row(table, "big/torch").rejected_by


def test_a_class_is_sliced_by_its_name_also_where_names_are_numbers() -> None:
    """Labels 3 to 8: `class=5` was the sixth class, 8, whose rows nobody asked for."""
    targets = np.array([0, 1, 2, 2, 5, 5])
    shares = np.eye(6)[[0, 1, 2, 0, 0, 0]]  # of label 5 one in two is found, of label 8 none
    named = Predictions(np.arange(6), targets, shares, classes=("3", "4", "5", "6", "7", "8"))
    found = {name: score_examples(f"accuracy[class={name}]", named) for name in ("5", "8", "3")}
    assert [None if s is None else s.values.mean() for s in found.values()] == [0.5, 0.0, 1.0]
    assert score_examples("accuracy[class=2]", named) is None  # and not label 5, which stands there
    fraud = replace(named, classes=("a", "b", "fraud", "d", "e", "f"))
    by_name, by_number = (score_examples(f"accuracy[class={c}]", fraud) for c in ("fraud", "2"))
    assert by_name is not None and by_number is not None and (by_name.values == by_number.values).all()


def test_a_metric_without_per_example_scores_is_jackknifed() -> None:
    rng = np.random.default_rng(0)
    targets = rng.integers(0, 3, 600)
    outputs = rng.dirichlet(np.ones(3), 600)
    found = Predictions(np.arange(600), targets, outputs)
    auc, f1, accuracy = (score_examples(n, found) for n in ("roc_auc", "f1_macro", "accuracy"))
    assert auc is not None and f1 is not None and accuracy is not None
    assert (auc.per_example, f1.per_example, len(f1.values)) == (True, False, 20)
    from sklearn.metrics import f1_score

    assert f1.values.mean() == pytest.approx(f1_score(targets, outputs.argmax(1), average="macro"))
    assert 0.5 < f1.values.std() / np.sqrt(20) / (accuracy.values.std() / np.sqrt(600)) < 2


def test_predictions_in_another_order_are_aligned() -> None:
    world = World(TRUTHS)
    records = world.records()
    straight = table_of(world, records)
    for trial_id, found in list(world.predictions.items())[::2]:
        order = np.random.default_rng(1).permutation(len(found.ids))
        world.predictions[trial_id] = Predictions(
            found.ids[order], found.targets[order], found.outputs[order]
        )
    shuffled = table_of(world, records)
    assert np.allclose(straight.draws["accuracy"], shuffled.draws["accuracy"])


def test_predictions_of_other_examples_are_not_paired_and_said_so() -> None:
    world = World(TRUTHS)
    records = world.records()
    first = next(r.trial.id for r in records if r.trial.kind == "score" and r.trial.candidate == "big")
    found = world.predictions[first]
    world.predictions[first] = Predictions(found.ids + 5, found.targets, found.outputs)
    table = table_of(world, records)
    assert any("scored on other test examples" in w for w in table.warnings)


def test_what_a_file_of_predictions_says_is_worked_out_once_and_another_file_anew(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    def written(seed: int) -> bytes:
        rng = np.random.default_rng(seed)
        p = rng.dirichlet(np.ones(3), 300)
        columns = {"id": np.arange(300), "target": rng.integers(0, 3, 300)}
        pq.write_table(pa.table(columns | {f"p_{k}": p[:, k] for k in range(3)}), tmp_path / "p.parquet")
        return (tmp_path / "p.parquet").read_bytes()

    files = {"a": written(1), "b": written(2)}
    read, again = (ScoreReader(lambda i: read_predictions(files[i]), ["accuracy", "pr_auc"]) for _ in "12")
    first, other = read.read("a"), read.read("b")
    assert again.read("a")["pr_auc"] is first["pr_auc"] and again.read("b")["accuracy"] is other["accuracy"]
    files["a"] = files["b"]
    anew = again.read("a")
    assert anew["pr_auc"].values.mean() == other["pr_auc"].values.mean() != first["pr_auc"].values.mean()


def test_a_run_folder_gives_all_derived_files_and_they_come_back_when_deleted(tmp_path: Path) -> None:
    world = World(TRUTHS)
    suite = make_suite(list(TRUTHS), constraints=("latency_p99_ms <= 10",))
    run = store(world, world.records(), suite, tmp_path / "s" / "20250101-000000-0123abcd")
    table, found = analyse(run, suite)
    names = ("records.parquet", "tradeoffs.csv", "tradeoffs.json", "recommendation.json", "evidence.npz")
    before = {n: run.read_bytes(n) for n in names}
    for n in names:
        (Path(run.url) / n).unlink()
    analyse(run, suite)
    assert {n: run.read_bytes(n) for n in names[1:4]} == {n: before[n] for n in names[1:4]}
    rows = list(csv.DictReader(run.read_text("tradeoffs.csv").splitlines()))
    assert [r["variant"] for r in rows] == [r.variant for r in table.rows]
    assert {"accuracy", "accuracy_low", "accuracy_high", "pareto", "pareto_probability"} <= set(rows[0])
    assert json.loads(run.read_text("recommendation.json"))["choice"] == found.choice == "big/torch"


def test_recommend_decides_again_from_the_stored_run_and_notices_new_records(tmp_path: Path) -> None:
    world = World({**TRUTHS, "best": Truth(0.97, 8.0)})
    suite = make_suite(list(world.truths), constraints=("latency_p99_ms <= 10",))
    records = world.records()
    early = [r for r in records if r.trial.candidate != "best"]
    run = store(world, early, suite, tmp_path / "s" / "20250101-000000-0123abcd")
    assert decide(run).choice == "big/torch"
    assert read_evidence(run) is not None
    assert decide(run, ["latency_p99_ms <= 4"]).choice == "small/torch"
    assert decide(run, ["latency_p99_ms <= 1"]).verdict == "none_feasible"
    assert decide(run, objective="minimize latency_p50_ms").choice == "small/torch"
    store(world, [r for r in records if r.trial.candidate == "best"], suite, tmp_path / "t" / "x")
    for folder in (tmp_path / "t" / "x" / "trials").iterdir():
        folder.rename(Path(run.url) / "trials" / folder.name)
    assert decide(run).choice == "best/torch"


def test_a_record_that_says_something_else_in_as_many_bytes_is_noticed(tmp_path: Path) -> None:
    world = World(TRUTHS, num_examples=200)
    suite = make_suite(list(TRUTHS))
    run = store(world, world.records(), suite, tmp_path / "s" / "20250101-000000-0123abcd")
    before = stored_evidence(run, suite)
    assert stored_evidence(run, suite).stamp == before.stamp
    for path in Path(run.url).glob("trials/serve-*/record.json"):
        stat, text = path.stat(), path.read_text()
        path.write_text(re.sub(r'("value": )\d', r"\g<1>9", text))
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
        assert path.stat().st_size == stat.st_size
    after = stored_evidence(run, suite)
    name = "latency_p50_ms"
    assert after.table.rows[0].estimates[name].value != before.table.rows[0].estimates[name].value


def test_who_was_ruled_out_is_told_without_measuring_the_table_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each step of a run says who is out by now: 2.7 s for the same figures, in a run where all is cached."""
    world, suite = World(TRUTHS, num_examples=200), make_suite(list(TRUTHS))
    records = [r for r in world.records() if r.trial.kind != "serve" or r.trial.candidate != "small"]
    run = store(world, records, suite, tmp_path / "s" / "20250101-000000-0123abcd")
    before = stored_evidence(run, suite)
    monkeypatch.setattr(measured, "measured_table", None)
    reason = "ruled out after scoring: accuracy clearly below 0.95 (0.9, at most 0.91)"
    for stopped in ("", "decided"):
        told = {"ruled_out": {"small/torch": reason}, "stopped": stopped}
        run.write_text(STORY, json.dumps(told))
        after = stored_evidence(run, suite)
        found = {row.variant: row.estimates["latency_p50_ms"] for row in after.table.rows}
        assert found["small/torch"].note == reason
        assert found["big/torch"] == before.table.rows[1].estimates["latency_p50_ms"]


def test_a_copy_of_a_run_keeps_its_evidence_as_its_records_say_the_same(tmp_path: Path) -> None:
    world = World(TRUTHS, num_examples=200)
    run = store(world, world.records(), make_suite(list(TRUTHS)), tmp_path / "s" / "20250101-000000-0123abcd")
    decide(run)
    copied = Path(shutil.copytree(run.url, tmp_path / "t" / "20250101-000000-0123abcd"))
    made = (copied / "evidence.npz").stat().st_mtime_ns
    for path in copied.glob("trials/*/record.json"):
        path.touch()
    assert decide(type(run)(str(copied))) == decide(run)
    assert (copied / "evidence.npz").stat().st_mtime_ns == made


def test_a_damaged_evidence_file_is_made_again(tmp_path: Path) -> None:
    world = World(TRUTHS, num_examples=200)
    run = store(world, world.records(), make_suite(list(TRUTHS)), tmp_path / "s" / "20250101-000000-0123abcd")
    first = decide(run)
    run.write_bytes("evidence.npz", b"not an archive")
    assert decide(run) == first


def test_measurements_are_tidy_rows_and_a_failure_is_one_too() -> None:
    world = World(TRUTHS, rounds=1, seeds=(0,))
    records = world.records()
    columns = tidy([records[0], failed(records[1], "diverged")], "run-1")
    assert columns["metric"] == ["train_seconds", "parameters", "flops_per_example", None]
    assert columns["status"][-1] == "failed" and columns["note"][-1] == "diverged"
    assert len({len(c) for c in columns.values()}) == 1


def test_ready_made_scores_in_the_predictions_are_used(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = tmp_path / "p.parquet"
    pq.write_table(
        pa.table({"id": [1, 2, 3], "ndcg@10": [0.1, 0.2, 0.6], "column:segment": ["a", "b", "a"]}), path
    )
    found = read_predictions(path.read_bytes())
    scores, part = score_examples("ndcg@10", found), score_examples("ndcg@10[segment=a]", found)
    assert scores is not None and scores.values.tolist() == [0.1, 0.2, 0.6]
    assert part is not None and part.values.tolist() == [0.1, 0.6]


def test_a_table_of_twice_the_records_takes_about_twice_the_time() -> None:
    def seconds(candidates: int) -> float:
        truths = {f"c{i}": Truth(0.9, 5.0) for i in range(candidates)}
        world = World(truths, seeds=(0, 1, 2), num_examples=20, calls=10)
        records, suite = world.records(), make_suite(list(truths))
        start = time.process_time()
        tradeoff(records, suite)
        return time.process_time() - start

    seconds(4)
    assert seconds(48) < 4.5 * seconds(16) + 0.2  # three times the records; CPU time, noise allowed for


def with_capacity(world: World, told: dict[str, list[tuple[float | None, str]]]) -> list[Record]:
    """The world's records, and a server trial per candidate and round: (capacity, note)."""
    records = world.records()
    for name, rounds in told.items():
        for number, (value, note) in enumerate(rounds):
            served = trial("serve", name, runtime="torch", scenario="server", round=number)
            measured = (Measurement("throughput_at_slo_qps", value, "1/s", note=note),)
            records.append(Record(served, "finished", measured, records[0].environment))
    return records


def test_what_a_figure_is_worth_stays_with_it() -> None:
    world = World(TRUTHS)
    told = {
        "small": [
            (900.0, "at least: every load keeps it"),
            (950.0, "at least: every load keeps it"),
            (910.0, ""),
        ],
        "big": [(300.0, ""), (310.0, ""), (None, "too noisy (9 of 20 runs: …)")],
    }
    table = table_of(world, with_capacity(world, told))
    small, big = (
        row(table, name).estimates["throughput_at_slo_qps"] for name in ("small/torch", "big/torch")
    )
    assert small.note == "at least: every load keeps it (2 of 3 rounds)"
    assert big.note == "no figure in 1 of 3 rounds: too noisy (9 of 20 runs: …)" and big.n == 2
    cost = row(table, "small/torch").estimates["cost_per_month_usd"]
    assert "ceiling: the load within the limit is a lower end" in cost.note


def test_a_server_that_no_load_leaves_within_the_limit_has_no_price_and_spoils_no_other_s() -> None:
    fine, none = [(900.0, ""), (950.0, ""), (910.0, "")], [(0.0, "below 5 per s")] * 3
    here, there = World(TRUTHS), World(TRUTHS)
    alone = table_of(here, with_capacity(here, {"small": fine, "big": fine}))
    beside = table_of(there, with_capacity(there, {"small": fine, "big": none}))
    name = "throughput_at_slo_qps"
    assert row(beside, "small/torch").estimates[name].log
    assert row(beside, "small/torch").estimates[name].value == row(alone, "small/torch").estimates[name].value
    assert row(beside, "big/torch").estimates[name].value == 0.0
    cost = row(beside, "big/torch").estimates["cost_per_million_usd"]
    assert cost.value is None and cost.note == "no number of machines keeps the latency limit"


def test_a_value_without_a_number_says_which_of_its_metrics_has_none_and_why() -> None:
    world = World({"slow": Truth(0.9, 8.0), "fast": Truth(0.85, 1.0)})
    table = table_of(
        world,
        world.records(),
        constraints=("latency_p99_ms <= 4",),
        objective="maximize value",
        value="100*accuracy - cost_per_month_usd",
    )
    assert row(table, "slow/torch").estimates["value"].note == "no number of machines keeps the latency limit"
    assert row(table, "fast/torch").estimates["value"].value is not None


def test_a_row_whose_trainings_were_quantised_in_different_ways_says_so() -> None:
    world = World(TRUTHS, rng=np.random.default_rng(0))

    def quantised(record: Record, ways: dict[int, str]) -> Record:
        t = record.trial
        if t.kind != "score" or t.candidate != "small" or t.seed not in ways:
            return record
        return replace(record, facts={**record.facts, "prepared": {"quantised": ways[t.seed]}})

    records = world.records()
    mixed = [quantised(r, {0: "static", 1: "static", 2: "dynamic"}) for r in records]
    told = [w for w in table_of(world, mixed).warnings if "same way" in w]
    assert len(told) == 1 and told[0].startswith("small/")
    assert "(static for 2, dynamic for 1)" in told[0]
    alike = [quantised(r, {0: "static", 1: "static", 2: "static"}) for r in records]
    assert not [w for w in table_of(world, alike).warnings if "same way" in w]


@pytest.mark.parametrize("classes", [2, 4])
def test_average_precision_without_each_part_is_what_leaving_them_out_gives(classes: int) -> None:
    rng = np.random.default_rng(3)
    outputs = rng.dirichlet(np.ones(classes), 400).astype(np.float32).round(2)  # with ties
    targets = rng.integers(0, classes - (classes > 2), 400)  # one class has no examples
    parts, whole = parts_of(np.arange(400)), pr_auc(outputs, targets)
    plain = pseudo_values(pr_auc, outputs, targets, parts, whole)
    quick = average_precision_parts(outputs, targets, parts, whole)
    assert plain is not None and quick is not None and plain.tolist() == quick.tolist()
    assert METRICS["pr_auc"].measure is pr_auc, "who is asked for it"


def test_who_may_only_read_a_folder_can_decide_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run of yesterday's version on a share without leave to write: evidence.npz is made anew, and kept
    nowhere."""
    world, suite = World(TRUTHS), make_suite(list(TRUTHS))
    run = store(world, world.records(), suite, tmp_path / "run")

    def refuse(*_: object) -> None:
        raise HarnessError("cannot write evidence.npz") from OSError(number, "")

    monkeypatch.setattr(type(run), "write_bytes", refuse)
    number = errno.EROFS
    assert [row.candidate for row in stored_evidence(run, suite).table.rows] == list(TRUTHS)
    number = errno.ENOSPC
    with pytest.raises(HarnessError, match="cannot write"):
        stored_evidence(run, suite)


def test_a_runtime_that_its_own_model_beats_in_all_is_neither_the_best_nor_on_the_front() -> None:
    """Three machines for one, of the same answers: it was the best with .40 and on the front with .61."""
    truths = {"one": Truth(0.9, 5.0), "other": Truth(0.895, 5.0), "third": Truth(0.89, 5.0)}
    world = World(truths, runtimes=("torch", "onnx"), seeds=(0, 1), num_examples=400)
    records = [
        replace(
            r,
            measurements=tuple(
                replace(m, value=m.value * (5 if r.trial.runtime == "onnx" else 1) if m.value else None)
                if m.metric == "throughput_offline_per_s"
                else m
                for m in r.measurements
            ),
        )
        for r in world.records()
    ]
    value = {"objective": "maximize value", "value": "40000*accuracy - cost_per_month_usd"}
    suite = make_suite(list(truths), ("torch", "onnx"), traffic={"qps": 1000.0}, **value)
    table = tradeoff(records, suite, world.predictions.__getitem__)
    rows = {r.variant: r for r in table.rows}
    for name in truths:
        dear, cheap = rows[f"{name}/torch"], rows[f"{name}/onnx"]
        assert dear.estimates["accuracy"].value == cheap.estimates["accuracy"].value
        assert (dear.best_probability or 0) < 0.01 and (dear.pareto_probability or 0) < 0.05, name
    assert sum(rows[f"{name}/onnx"].best_probability or 0 for name in truths) > 0.98


def test_a_training_costs_as_uncertainly_as_it_takes_time() -> None:
    """Its draws were all its mean: of two that took 61.3 and 62.6 s "minimize train_cost_usd" named one with
    over 99 %, "minimize train_seconds" with 65."""
    truths = {"one": Truth(0.9, 5.0, train_seconds=60.0), "other": Truth(0.9, 5.0, train_seconds=62.0)}
    for seeds in ((0,), (0, 1, 2)):
        world = World(truths, seeds=seeds)
        table = tradeoff(world.records(), suite := make_suite(list(truths)), world.predictions.__getitem__)
        sure = [
            recommend(table, suite, objective=f"minimize {name}").probability_best
            for name in ("train_seconds", "train_cost_usd")
        ]
        assert sure[1] == pytest.approx(sure[0], abs=1e-3) and (sure[1] or 1) < 0.95
        for row in table.rows:
            took, costs = row.estimates["train_seconds"], row.estimates["train_cost_usd"]
            assert (costs.low is None) == (took.low is None) == (len(seeds) == 1)
            if costs.low is not None:
                assert costs.low / (took.low or 0) == pytest.approx((costs.value or 0) / (took.value or 0))
