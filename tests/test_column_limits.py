"""Limits on a part of the examples, by a column of the user's own: `accuracy[region=north] >= 0.8`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest

from harness.analysis.criteria import parse_constraint
from harness.analysis.folds import behind_parts
from harness.analysis.joint import quality_draws
from harness.analysis.predictions import Predictions, read_predictions, score_examples
from harness.protocols import Job, Split
from harness.reading import read_suite
from harness.record import SuiteError, Trial
from harness.suite.schema import Training
from harness.tasks import supervised
from harness.tasks.evaluation import write_predictions


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """300 rows whose label follows from their size in the south, and from nothing in the north."""
    monkeypatch.setenv("HARNESS_DATA", str(tmp_path / "cache"))
    rng = np.random.default_rng(0)
    size, region = rng.normal(size=300), np.array(["north", "south"])[np.arange(300) % 2]
    bought = np.where(region == "south", size > 0, rng.random(300) < 0.5)
    frame = pd.DataFrame({"size": size, "region": region, "bought": np.where(bought, "yes", "no")})
    frame.to_csv(tmp_path / "t.csv", index=False)
    return tmp_path / "t.csv"


def suite(folder: Path, limit: str, task: str = "tabular_classification") -> Path:
    path = folder / "suite.yaml"
    path.write_text(
        f"name: shops\ntask: {task}\n"
        "data: {name: tabular_csv, path: t.csv, target: bought, columns: [region]}\n"
        "candidates: {logistic: sklearn:LogisticRegression}\n"
        f"decision: {{constraints: ['{limit}']}}\n"
    )
    return path


def test_a_limit_may_name_a_column_that_the_data_keep(table: Path) -> None:
    read = read_suite(suite(table.parent, "accuracy[region=north] >= 0.8"))
    assert read.decision.constraints == ("accuracy[region=north] >= 0.8",)


def test_a_misspelt_column_is_answered_with_the_nearest_one(table: Path) -> None:
    with pytest.raises(SuiteError, match=r"suite.yaml:5: .*no slice by `regoin`: did you mean `region`\?"):
        read_suite(suite(table.parent, "accuracy[regoin=north] >= 0.8"))


def test_a_recommender_is_limited_on_all_its_users_alone(tmp_path: Path) -> None:
    """Its users are of no class: `[class=0]` was all of them, and was said to be kept."""
    path = tmp_path / "suite.yaml"
    path.write_text(
        "name: shop\ntask: recommendation\ndata: {name: mock_shop}\n"
        "candidates: {p: {retrieval: {model: popularity}}}\n"
        "decision: {objective: maximize ndcg@10, constraints: ['ndcg@10[cold=0] >= 0.1']}\n"
    )
    said = r"suite.yaml:5: .*`ndcg@10\[cold=0\]`: a recommender is limited on all who are asked: write `n"
    with pytest.raises(SuiteError, match=said):
        read_suite(path)
    users = Predictions(np.arange(3), np.zeros(3), np.zeros((3, 0)), {"ndcg@10": np.array([0.1, 0.2, 0.3])})
    values = Predictions(np.arange(3), np.array([0.0, 1.0, 1.0]), np.zeros(3))
    for metric, found in (("ndcg@10", users), ("mae", values)):
        with pytest.raises(SuiteError, match=f"no column to slice by: limit {metric} of all"):
            score_examples(f"{metric}[class=0]", found)


def test_quality_on_a_column_s_value_is_that_of_its_test_rows(table: Path, tmp_path: Path) -> None:
    recipe = Training.model_validate({"precision": "fp32"})
    spec = {
        "candidate": "logistic",
        "task": "tabular_classification",
        "model": "sklearn:LogisticRegression",
        "args": {},
        "training": recipe.model_dump(mode="json", exclude={"seeds", "resources", "time_limit", "tuning"}),
        "data": {
            "name": "tabular_csv",
            "args": {"path": str(table), "target": "bought", "columns": ["region"]},
            "validation": 0.1,
            "seed": 0,
        },
        "train_size": None,
        "seed": 0,
        "code": "",
    }
    for name in ("train", "score"):
        (tmp_path / name).mkdir()
    train = Trial("train", "logistic", spec, seed=0)
    supervised.train(Job(train, tmp_path / "train", {}, lambda info: None))
    scored = Trial("score", "logistic", {**spec, "fitted": "f", "runtime": "sklearn"}, seed=0, needs=("f",))
    supervised.score(Job(scored, tmp_path / "score", {"f": tmp_path / "train"}, lambda info: None))

    found = read_predictions((tmp_path / "score" / "predictions.parquet").read_bytes())
    regions = pd.read_csv(table)["region"].to_numpy()[found.ids]
    assert found.columns["region"].tolist() == regions.tolist()
    right = found.outputs.argmax(1) == found.targets
    for region in ("north", "south"):
        scores = score_examples(f"accuracy[region={region}]", found)
        assert scores is not None and scores.values.tolist() == right[regions == region].tolist()
    assert right[regions == "south"].mean() > 0.85 > 0.75 > right[regions == "north"].mean()


def test_a_part_that_is_one_group_is_worth_one_answer_and_a_group_itself_its_rows() -> None:
    """17 of 20 right: a limit of .8 was kept with over 99 %, as it was by a single right row."""
    right = np.array([1] * 17 + [0] * 3 + [1, 0] * 50)
    person = np.repeat(np.arange(6), 20)
    columns = {"region": np.where(person == 0, "north", "south"), "person": person.astype(str)}
    answers = np.stack([1.0 - right, right], axis=1)
    of = Predictions(np.arange(120), np.ones(120, int), answers, columns=columns, groups=person)
    low, high = binomtest(17, 20).proportion_ci(method="exact")

    def kept(name: str, found: Predictions) -> tuple[float, np.ndarray]:
        scores = score_examples(name, found)
        assert scores is not None
        rows, rng = [scores.values[None]] * 2, np.random.default_rng(0)
        drawn = quality_draws(rows, [0, 1], rng, 20_000, behind=[behind_parts([scores])] * 2)
        return float((drawn[:, 0] >= 0.8).mean()), np.quantile(drawn, [0.025, 0.5, 0.975], axis=0)[:, 0]

    sure, ends = kept("accuracy[region=north]", of)
    assert sure < 0.7 and ends[0] < 0.1 and ends[2] > 0.99
    sure, ends = kept("accuracy[region=north]", of.rows(person < 2))  # which names each person of two
    assert sure < 0.7 and ends[0] < 0.1
    sure, ends = kept("accuracy[person=0]", of)
    assert (
        0.5 < sure < 0.8
        and ends[0] == pytest.approx(low, abs=0.01)
        and ends[2] == pytest.approx(high, abs=0.01)
    )
    sure, ends = kept("f1_macro[region=north]", of)
    assert sure < 0.7 and ends[0] < 0.1
    sure, ends = kept("accuracy", replace(of.rows(np.arange(1)), groups=None))
    assert sure < 0.7 and ends[0] == pytest.approx(0.025, abs=0.01)


def test_a_column_called_as_a_metric_or_of_mixed_types_is_still_only_a_column(tmp_path: Path) -> None:
    columns = {"accuracy": np.array([1.0, 0.0]), "mixed": np.array(["a", 1], dtype=object)}
    part = Split(np.zeros((2, 1), np.float32), np.array([0, 1]), np.arange(2), columns=columns)
    write_predictions(tmp_path / "p.parquet", part, np.array([[0.9, 0.1], [0.8, 0.2]], np.float32))
    found = read_predictions((tmp_path / "p.parquet").read_bytes())
    assert not found.scores and found.columns["mixed"].tolist() == ["a", "1"]
    whole, part_of = score_examples("accuracy", found), score_examples("accuracy[accuracy=0]", found)
    assert whole is not None and whole.values.tolist() == [1.0, 0.0]
    assert part_of is not None and part_of.values.tolist() == [0.0]


@pytest.mark.parametrize(
    ("written", "metric"),
    [
        ("accuracy[native-country=Cuba] >= 0.6", "accuracy[native-country=Cuba]"),
        ('accuracy["native-country"=Cuba] >= 0.6', "accuracy[native-country=Cuba]"),
        ('accuracy[home town="New York"] >= 0.6 with 0.9', "accuracy[home town=New York]"),
        ("accuracy[age group=18-25] >= 0.6", "accuracy[age group=18-25]"),
        ('accuracy["größe (cm)"=170] <= 0.6', "accuracy[größe (cm)=170]"),
    ],
)
def test_a_limit_names_columns_with_dashes_and_blanks(written: str, metric: str) -> None:
    assert parse_constraint(written).metric == metric
    assert parse_constraint(str(parse_constraint(written))).metric == metric


def test_a_slice_of_ids_is_of_that_id_alone() -> None:
    ids = np.array(["7", "007", "7", "1e5", "100000"], dtype=object)
    outputs = np.array([[0.9, 0.1]] * 2 + [[0.1, 0.9]] * 3)
    found = Predictions(np.arange(5), np.array([0, 1, 0, 1, 0]), outputs, columns={"who": ids})
    for wanted, rows in (("7", [0, 2]), ("007", [1]), ("1e5", [3]), ("100000", [4])):
        scores = score_examples(f"accuracy[who={wanted}]", found)
        assert scores is not None and len(scores.values) == len(rows)
