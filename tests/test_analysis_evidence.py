"""What is known of each variant and metric, from records whose values are written out here."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from harness.analysis.compare import _paired
from harness.analysis.measured import measured_table
from harness.analysis.predictions import Predictions, Scores
from harness.analysis.recommend import recommend
from harness.analysis.tradeoff import tradeoff
from harness.metrics import metric, metrics_of
from harness.protocols import Better
from harness.record import Measurement, Record, SuiteError, Trial
from harness.results import Tradeoff
from harness.suite.schema import DataSplit, OwnMetric, Suite
from tests.analysis_world import MACHINE, make_suite, trial


def scores(name: str, unit: str, **values: Sequence[float]) -> list[Record]:
    """Trained and scored candidates: one value of a metric per seed."""
    records = []
    for candidate, own in values.items():
        for seed, value in enumerate(own):
            records.append(Record(trial("train", candidate, seed=seed), "finished", (), MACHINE))
            scored = trial("score", candidate, runtime="torch", seed=seed)
            records.append(Record(scored, "finished", (Measurement(name, value, unit),), MACHINE))
    return records


def launches(name: str, unit: str, **values: Sequence[float]) -> list[Record]:
    """Served candidates: one value of a metric per round."""
    return [
        Record(
            trial("serve", candidate, runtime="torch", scenario="server", round=number),
            "finished",
            (Measurement(name, value, unit),),
            MACHINE,
        )
        for candidate, own in values.items()
        for number, value in enumerate(own)
    ]


def suite_of(*names: str, **decision: object) -> Suite:
    return make_suite(names, **{"objective": "maximize accuracy", **decision})


def table_of(records: list[Record], *names: str) -> Tradeoff:
    return measured_table(records, suite_of(*names))


def test_a_model_that_explains_less_than_nothing_keeps_its_negative_r2() -> None:
    records = scores("r2", "fraction", bad=(-3.1, -2.9, -2.95), poor=(-0.5, -0.46, -0.48))
    suite = suite_of("bad", "poor", objective="maximize r2", constraints=("r2 >= -0.1",))
    table = tradeoff(records, suite)
    assert table.draws["r2"].mean(0) == pytest.approx([-2.98, -0.48], abs=0.05)
    assert [row.feasible_probability for row in table.rows] == pytest.approx([0, 0], abs=0.05)
    assert table.rows[0].estimates["r2"].low < -2.9  # type: ignore[operator]


def one_person(trial_id: str) -> Predictions:
    """100 rows of one person, 80 of them right."""
    right = np.arange(100) < 80
    answers = np.stack([~right, right], axis=1).astype(float)
    return Predictions(np.arange(100), np.ones(100, int), answers, groups=np.zeros(100, int))


def test_a_test_part_of_one_group_tells_nobody_apart_and_folds_of_one_group_each_do() -> None:
    """By their seeds alone two candidates were told apart with over 99 % on the rows of one person."""
    records = scores("accuracy", "fraction", a=(0.8, 0.801), b=(0.7, 0.699))
    table = measured_table(records, suite_of("a", "b"), one_person)
    cell = table.rows[0].estimates["accuracy"]
    assert (
        cell.value == pytest.approx(0.8005) and cell.low is None and cell.note == "not estimable (one group)"
    )
    assert 0.3 < (table.draws["accuracy"][:, 0] > table.draws["accuracy"][:, 1]).mean() < 0.8
    assert any("accuracy is of one group" in said for said in table.warnings)
    runs = [[Scores(np.array([v]), True, units=1) for v in own] for own in ((0.8, 0.801), (0.7, 0.699))]
    assert _paired(*runs).value == pytest.approx(0.101) and np.isnan(_paired(*runs).se)

    suite = suite_of("a", "b")
    folds = suite.data.model_copy(update={"split": DataSplit(by="group", folds=4)})
    folded = []
    for candidate, least in (("a", 0.8), ("b", 0.6)):
        for part in range(4):
            found = Measurement("accuracy", least + 0.01 * part, "fraction")
            for kind, more in (("train", {}), ("score", {"runtime": "torch"})):
                spec = {"candidate": candidate, "train_size": None, "data": {"split": {"part": part}}}
                one = Trial(kind, candidate, spec, seed=0, **more)
                folded.append(Record(one, "finished", (found,) if more else (), MACHINE))
    table = measured_table(folded, suite.model_copy(update={"data": folds}), one_person)
    cell = table.rows[0].estimates["accuracy"]
    assert cell.low is not None and cell.high is not None and not cell.note
    assert not any("one group" in said for said in table.warnings)


def test_draws_of_a_share_stay_within_0_and_1_and_those_of_an_own_metric_are_left_alone() -> None:
    seeds = (0.001, 0.02, 0.03)
    assert table_of(scores("ndcg@10", "fraction", a=seeds), "a").draws["ndcg@10"].min() == 0
    own = {"own_gain": OwnMetric(function="mine:gain", better="lower")}
    suite = suite_of("a").model_copy(update={"metrics": own})
    table = tradeoff(scores("own_gain", "fraction", a=[x - 1 for x in seeds]), suite)
    assert np.mean(table.draws["own_gain"] < -0.9) > 0.9


def test_two_suites_that_differ_on_a_metric_in_one_process_do_not_disturb_each_other() -> None:
    records = scores("own_share", "fraction", a=(0.2, 0.21, 0.22), b=(0.4, 0.41, 0.42))

    def suite_with(better: Better) -> Suite:
        suite = suite_of("a", "b", objective=f"{'max' if better == 'higher' else 'min'}imize own_share")
        own = OwnMetric(function="mine:share", better=better)
        return suite.model_copy(update={"metrics": {"own_share": own}})

    higher, lower = suite_with("higher"), suite_with("lower")  # both are there before either is asked
    best = {}
    for suite in (higher, lower, higher):
        table = tradeoff(records, suite)
        best[suite.metrics["own_share"].better] = [row.candidate for row in table.rows if row.pareto]
        assert best[suite.metrics["own_share"].better] == (["b"] if suite is higher else ["a"])
    assert "own_share" not in metrics_of(suite_of("a"))
    with pytest.raises(SuiteError, match="unknown metric 'own_share'"):
        metric("own_share")


def test_one_seed_without_examples_is_no_certainty() -> None:
    name = "catalog_coverage@10"
    suite = suite_of("a", "b", objective=f"maximize {name}", constraints=(f"{name} >= 0.305",))
    table = tradeoff(scores(name, "fraction", a=(0.30,), b=(0.31,)), suite)
    assert 0.3 < (table.rows[0].feasible_probability or 0) < 0.5
    found = recommend(table, suite, constraints=())
    assert found.verdict == "tie" and 0.5 < (found.probability_best or 0) < 0.75
    said = "one seed tells no spread: probabilities assume that seeds differ by 5 % (catalog_coverage@10)"
    assert said in found.warnings and said not in recommend(table, suite_of("a", "b"), ()).warnings
    assert table.rows[0].estimates[name].low is None, "no interval is shown from an assumption"


def test_of_one_seed_is_only_who_has_one() -> None:
    """A run that stops early scores a second seed of the runtime that may be named alone."""
    records = scores("accuracy", "fraction", a=(0.90, 0.91), b=(0.8,))
    other = trial("score", "a", runtime="onnx", seed=0)
    records.append(Record(other, "finished", (Measurement("accuracy", 0.9, "fraction"),), MACHINE))
    said = [w for w in table_of(records, "a", "b").warnings if w.startswith("one seed")]
    assert said == ["one seed of a/onnx, b: what is said of them is about these checkpoints only"]
    records = scores("accuracy", "fraction", a=(0.90, 0.91), b=(0.8,))
    said = [w for w in table_of(records, "a", "b").warnings if w.startswith("one seed")]
    assert said == ["one seed of b: what is said of it is about that checkpoint only"]


def test_one_training_does_not_tell_how_long_the_next_takes_but_what_the_model_is() -> None:
    values = {"train_seconds": "s", "parameters": "1"}
    records = [
        Record(
            trial("train", candidate, seed=0),
            "finished",
            tuple(Measurement(name, size, unit) for name, unit in values.items()),
            MACHINE,
        )
        for candidate, size in (("a", 100.0), ("b", 104.0))
    ]
    table = table_of([*records, *scores("accuracy", "fraction", a=(0.9,), b=(0.9,))[1::2]], "a", "b")
    shorter = (table.draws["train_seconds"][:, 0] < table.draws["train_seconds"][:, 1]).mean()
    assert 0.5 < shorter < 0.7
    assert np.ptp(table.draws["parameters"], axis=0).tolist() == [0, 0]
    suite = suite_of("a", "b", objective="minimize train_seconds")
    assert "trainings differ by 15 % (train_seconds)" in str(recommend(table, suite).warnings)
    # Where something else decides, no probability assumes it: page one of every run of one seed said it.
    assert "trainings differ" not in str(recommend(table, suite_of("a", "b")).warnings)


def test_seeds_that_show_their_spread_need_no_assumption() -> None:
    several = table_of(scores("accuracy", "fraction", a=(0.89, 0.9, 0.91), b=(0.9,)), "a", "b")
    assert "assume" not in str(several.warnings)
    assert several.draws["accuracy"].std(0)[1] > 0.005
    alike = table_of(scores("accuracy", "fraction", a=(0.9, 0.9), b=(0.9,)), "a", "b")
    assert alike.draws["accuracy"].std(0) == pytest.approx([0, 0.015], abs=0.001)


def test_a_zero_in_one_round_leaves_an_interval() -> None:
    name = "throughput_at_slo_qps"
    served = launches(name, "1/s", a=(0, 50, 60), b=(30, 31, 32), none=(0, 0, 0))
    suite = suite_of("a", "b", "none", objective=f"maximize {name}", constraints=(f"{name} >= 35",))
    table = tradeoff(served, suite)
    cell = table.rows[0].estimates[name]
    assert cell.value == pytest.approx(36.67, abs=0.01) and "zero in 1 of 3 rounds" in cell.note
    assert cell.low == 0 and (cell.high or 0) > 100
    assert table.rows[0].feasible_probability == pytest.approx(0.53, abs=0.03)
    assert np.unique(table.draws[name][:, 2]).tolist() == [0] and table.rows[2].estimates[name].low is None
    assert (recommend(table, suite).probability_best or 0) < 0.6


def test_costs_of_a_capacity_that_may_be_zero_are_no_number_in_those_draws() -> None:
    served = launches("throughput_at_slo_qps", "1/s", a=(0, 50, 60), b=(30, 31, 32))
    suite = suite_of("a", "b", objective="minimize cost_per_month_usd")
    table = tradeoff(served, suite)
    cell = table.rows[0].estimates["cost_per_month_usd"]
    assert cell.value is not None and cell.high is None and "the capacity may be zero" in cell.note
    assert recommend(table, suite).choice == "b/torch"
