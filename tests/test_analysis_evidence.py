"""What is known of each variant and metric, from records whose values are written out here."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from harness.analysis.tradeoff import measured_table, tradeoff
from harness.protocols import Tradeoff
from harness.record import Measurement, Record
from harness.suite import declared
from harness.suite.schema import Suite
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


def test_draws_of_a_share_stay_within_0_and_1_and_those_of_an_own_metric_are_left_alone() -> None:
    seeds = (0.001, 0.02, 0.03)
    assert table_of(scores("ndcg@10", "fraction", a=seeds), "a").draws["ndcg@10"].min() == 0
    declared.declare("own_gain", "fraction", "lower", "mine:gain")
    try:
        table = table_of(scores("own_gain", "fraction", a=[x - 1 for x in seeds]), "a")
    finally:
        del declared.METRICS["own_gain"]
    assert np.mean(table.draws["own_gain"] < -0.9) > 0.9
