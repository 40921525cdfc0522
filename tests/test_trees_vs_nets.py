"""The table of flights and the transformer over columns that the suite of trees and networks compares."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from harness.datasets import flights
from harness.models.build import build_model
from harness.models.rules import check
from harness.protocols import Dataset, Task
from harness.record import DataError
from harness.suite.model_ref import parse_model
from harness.suite.schema import Augmentation, Training
from harness.training.batches import TensorBatches
from harness.training.loop import classification, fit


@pytest.fixture(autouse=True)
def fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HARNESS_DATA", raising=False)


@pytest.fixture
def late(fetched: None) -> Dataset:
    try:
        return flights.load(ask="late", rows=4000)
    except DataError as error:
        if "no place has" not in str(error):
            raise
        pytest.skip(f"the flights cannot be had here: {error}")


def test_a_table_has_holes_times_and_categories_by_the_hundred(late: Dataset) -> None:
    rows = late.train.inputs
    assert rows.dtype["time"] == np.dtype("M8[s]") and not np.isnat(rows["time"]).any()
    assert 0.6 < np.isnan(rows["wind_gust"]).mean() < 0.95
    assert len(set(rows["model"])) > 60 and len(set(rows["dest"])) > 80  # of 3,200 rows
    assert sum(model is None for model in rows["model"]) > 300
    assert late.task == flights.task(ask="late", rows=4000)
    assert 0.10 < late.train.targets.mean() < 0.20
    assert {"dep_delay", "arr_time", "air_time"}.isdisjoint(rows.dtype.names)  # known only afterwards


def test_a_day_is_in_one_part_and_the_rows_are_the_same_each_time(late: Dataset) -> None:
    days = [set(part.inputs["time"].astype("M8[D]")) for part in (late.train, late.test)]
    assert not days[0] & days[1]
    assert len(late.test) == pytest.approx(800, rel=0.02)
    again = flights.load(ask="late", rows=4000)
    assert np.array_equal(again.train.ids, late.train.ids)


def test_what_is_asked_decides_the_answers(late: Dataset) -> None:
    cancelled = flights.load(ask="cancelled", rows=4000)
    assert 0.01 < cancelled.train.targets.mean() < 0.05
    delay = flights.load(ask="delay", rows=4000)
    assert delay.task.name == "tabular_regression" and delay.train.targets.dtype == np.float32
    known = delay.train.inputs["dep_delay"]
    assert np.corrcoef(known, delay.train.targets)[0, 1] > 0.8
    for args, said in (({"ask": "lat"}, "write late, cancelled or delay"), ({"rows": 5}, "from 1,000 to")):
        with pytest.raises(DataError, match=said):
            flights.task(**args)  # type: ignore[arg-type]


TABLE = Task("tabular_classification", 2, ("no", "yes"), (4,))


def test_a_transformer_over_columns_learns_what_no_line_separates() -> None:
    torch.manual_seed(0)
    rows = torch.randn(1200, 4)
    classes = ((rows[:, 0] * rows[:, 1]) > 0).long()
    network = build_model("ft_transformer", TABLE, {"dim": 16, "dropout": 0.0})
    training = Training.model_validate(
        {"epochs": 15, "batch_size": 64, "precision": "fp32", "optimizer": {"lr": 0.005}}
    )
    parts = rows[:1000], classes[:1000], rows[1000:], classes[1000:]
    found = fit(network, TensorBatches(*parts, 64, Augmentation(), 0), classification(), training, seed=0)
    best = max(epoch.validation_score or 0.0 for epoch in found.history)
    assert best > 0.8  # a line gets .5


def test_a_transformer_over_columns_gives_values_and_says_what_it_needs() -> None:
    value = build_model("ft_transformer", Task("tabular_regression", 0, (), (4,)), {})
    assert value(torch.zeros(3, 4)).shape == (3,)
    reference = parse_model("ft_transformer")
    with pytest.raises(ValueError, match="4 heads do not divide dim 30"):
        check(reference, TABLE, {"dim": 30})
    with pytest.raises(ValueError, match="takes tables, the task is image_classification"):
        check(reference, Task("image_classification", 2, input_shape=(1, 8, 8)), {})
