"""How own rows are cut is tried before anything runs, and what the parts cannot tell is said."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from harness.init.find import find
from harness.init.look import look
from harness.init.offer import goal
from harness.planning.notes import plan_notes
from harness.reading import read_suite
from harness.record import SuiteError
from harness.suite.schema import Suite

ROWS = 200


@pytest.fixture(autouse=True)
def _own_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_DATA", str(tmp_path / "cache"))


def table(folder: Path, **columns: object) -> None:
    rng = np.random.default_rng(0)
    a = rng.normal(size=ROWS)
    frame = pd.DataFrame({"a": a, "b": rng.normal(size=ROWS)}).assign(
        y=np.where(a > 0, "yes", "no"), day=pd.date_range("2024-01-01", periods=ROWS).strftime("%Y-%m-%d")
    )
    frame.assign(**columns).to_csv(folder / "t.csv", index=False)


def suite(folder: Path, data: str, numbers: bool = False, objective: str = "") -> Suite:
    task, model = ("regression", "Ridge") if numbers else ("classification", "LogisticRegression")
    objective = objective or ("maximize r2" if numbers else "maximize accuracy")
    path = folder / "cut.yaml"
    path.write_text(
        f"name: cut\ntask: tabular_{task}\ndata: {{name: tabular_csv, path: t.csv, target: y, {data}}}\n"
        f"candidates: {{one: 'sklearn:{model}'}}\ndecision: {{objective: {objective}}}\n"
    )
    return read_suite(path)


HOLES = pd.Series(pd.date_range("2024-01-01", periods=ROWS).strftime("%Y-%m-%d")).mask(np.arange(ROWS) == 7)


@pytest.mark.parametrize(
    ("columns", "data", "told"),
    [
        ({"q": ["Q1 2024", "Q2 2024"] * 100}, "split: {by: time, column: q}", "neither times nor numbers"),
        ({}, "split: {by: time, column: when}", "has no column 'when'"),
        ({"q": HOLES}, "split: {by: time, column: q}", "column 'q' has no value in 1 of 200 rows"),
        ({"q": 1}, "split: {by: time, column: q}", "too few different values to cut by: 1"),
        ({"q": [1, 2, 3, 4] * 50}, "group: q, split: {by: group, folds: 5}", "5 folds of 4 groups"),
        (
            {"y": ["rare"] + ["a", "b"] * 99 + ["a"]},
            "split: {folds: 4}",
            "no training row has the label rare",
        ),
    ],
)
def test_a_cut_that_cannot_be_made_is_refused_before_anything_runs(
    columns: dict[str, object], data: str, told: str, tmp_path: Path
) -> None:
    table(tmp_path, **columns)
    with pytest.raises(SuiteError, match=f"cut.yaml:3: data.split: .*{told}"):
        suite(tmp_path, data)


def test_a_data_set_without_times_is_not_cut_by_time(tmp_path: Path) -> None:
    path = tmp_path / "cut.yaml"
    path.write_text(
        "name: cut\ntask: image_classification\ndata: {name: digits, split: {by: time, column: day}}\n"
        "candidates: {one: small_cnn}\n"
    )
    with pytest.raises(SuiteError, match="digits has no column of times to cut by"):
        read_suite(path)


@pytest.mark.parametrize("value", [3, 3.5])
def test_a_target_that_never_changes_is_refused_in_words_of_values(value: float, tmp_path: Path) -> None:
    table(tmp_path, y=value)
    with pytest.raises(SuiteError) as error:
        suite(tmp_path, "", numbers=True)
    told = f"column 'y' is {value:g} in every row: there is nothing to predict; name another column"
    assert told in str(error.value) and "classifier" not in str(error.value)


def test_parts_that_tell_nothing_are_said_by_number(tmp_path: Path) -> None:
    late = np.arange(ROWS) >= 140
    table(
        tmp_path,
        y=np.where(late, 12.5, np.arange(ROWS) * 1.1),
        b=np.where(late, np.nan, 1.0 * np.arange(ROWS)),
    )
    notes = plan_notes(suite(tmp_path, "split: {by: time, column: day}", numbers=True))
    assert any(n.startswith("all test rows have the target 12.5, where R² is not estimable") for n in notes)
    assert "column 'b' is empty in all test rows, and was learnt from: scores are without it" in notes
    notes = plan_notes(suite(tmp_path, "split: {by: time, column: day, folds: 3}", numbers=True))
    assert [n.split(":")[0] for n in notes if "target 12.5" in n] == ["part 3 of 3"]


def test_owners_that_time_leaves_on_both_sides_are_counted(tmp_path: Path) -> None:
    table(tmp_path, owner=[i % 10 for i in range(195)] + [99] * 5)
    notes = plan_notes(suite(tmp_path, "group: owner, split: {by: time, column: day}"))
    (note,) = [n for n in notes if "`by: time`" in n]
    assert "35 of 40 test rows are of a 'owner' that is trained on too" in note


def test_a_test_part_of_one_owner_or_few_is_said_before_anything_runs(tmp_path: Path) -> None:
    table(tmp_path, owner=[i % 4 for i in range(ROWS)])
    (note,) = [n for n in plan_notes(suite(tmp_path, "group: owner")) if "the test part is" in n]
    assert note == (
        "the test part is one 'owner' and tells nothing of others, so that nobody is named: "
        "`split: {by: group, folds: 4}` tests on each of 4 once"
    )
    table(tmp_path, owner=[i % 20 for i in range(ROWS)])
    (note,) = [n for n in plan_notes(suite(tmp_path, "group: owner")) if "the test part is" in n]
    assert note.startswith("the test part is of 4 'owner' values, by which intervals are wide")
    assert note.endswith("`split: {by: group, folds: 5}` tests on each of 20 once")
    for data in ("group: owner, split: {by: group, folds: 5}", ""):
        assert not any("the test part is" in n for n in plan_notes(suite(tmp_path, data)))
    table(tmp_path, owner=[i // 2 for i in range(ROWS)])
    assert not any("the test part is" in n for n in plan_notes(suite(tmp_path, "group: owner")))


def test_a_series_that_a_suite_cuts_by_hash_is_said_with_the_cut_by_time(tmp_path: Path) -> None:
    def said(data: str) -> list[str]:
        return [n for n in plan_notes(suite(tmp_path, data)) if "a series" in n]

    table(tmp_path)
    (note,) = said("")
    assert note.startswith(
        "a row for each 'day': a series, of which a test row's neighbours in time are learnt"
    )
    assert "`split: {by: time, column: day}` under `data` tests on the latest fifth" in note
    shops = {
        "shop": [i % 4 for i in range(ROWS)],
        "day": [f"2024-01-{1 + i // 4 % 28:02}" for i in range(ROWS)],
    }
    table(tmp_path, **shops)
    assert not said(""), "several rows of a shop and day"
    days = pd.date_range("2024-01-01", periods=ROWS // 4).strftime("%Y-%m-%d").repeat(4)
    table(tmp_path, **{**shops, "day": days})
    (note,) = said("")
    assert note.startswith("a row for each 'day' and 'shop': a series")
    for data in ("split: {by: time, column: day}", "split: {by: random, test: 0.3}", "group: shop"):
        assert not said(data), data


def test_squared_errors_that_a_few_rows_decide_are_said(tmp_path: Path) -> None:
    values = np.random.default_rng(1).normal(100, 10, ROWS)
    table(tmp_path, y=np.where(np.arange(ROWS) == 190, 1e6, values))
    data = "split: {by: time, column: day}"

    def said(objective: str) -> list[str]:
        notes = plan_notes(suite(tmp_path, data, numbers=True, objective=objective))
        return [n for n in notes if "squared deviations" in n]

    (note,) = said("maximize r2")
    assert note.startswith("r2 decides, and of 40 test rows 1 row holds 97% of the target's squared")
    assert note.endswith("decide by mae, or predict the logarithm")
    assert said("minimize mae") == []
    table(tmp_path, y=values)
    assert said("maximize r2") == []


def test_a_value_that_half_of_the_rows_have_is_said_where_absolute_errors_decide(tmp_path: Path) -> None:
    claims = np.where(np.arange(ROWS) % 5 == 0, np.exp(np.random.default_rng(2).normal(8, 3, ROWS)), 0)
    table(tmp_path, y=claims)
    notes = plan_notes(suite(tmp_path, "", numbers=True, objective="minimize mae"))
    assert any(n.startswith("mae decides, and 8") and "of the test rows are 0" in n for n in notes)
    (note,) = [
        n for n in plan_notes(suite(tmp_path, "", numbers=True)) if n.startswith("r2 decides, and of ")
    ]
    assert "mae" not in note and note.endswith("or predict whether and how much apart")
    assert goal(look(find([tmp_path / "t.csv"]), {}, "y")).metric == "r2"


def test_a_first_suite_of_a_heavy_tail_is_decided_by_absolute_errors(tmp_path: Path) -> None:
    table(tmp_path, y=np.random.default_rng(2).normal(0, 5, ROWS).astype(np.float32) ** 9)
    assert goal(look(find([tmp_path / "t.csv"]), {}, "y")).verb == "minimize"


def test_limits_that_rule_out_who_is_better_are_said(tmp_path: Path) -> None:
    table(tmp_path)
    right = suite(tmp_path, "", objective="maximize accuracy, constraints: [accuracy >= 0.7]")
    wrong = suite(
        tmp_path, "", objective="maximize accuracy, constraints: [accuracy <= 0.7, latency_p99_ms >= 5]"
    )
    assert not any("rules out" in note for note in plan_notes(right))
    accuracy, latency = [note for note in plan_notes(wrong) if "rules out" in note]
    assert "accuracy is better the higher: write `>=` if that is meant" in accuracy
    assert "latency_p99_ms is better the lower: write `<=`" in latency


@pytest.mark.parametrize("wrong", ["target: [y, a]", "path: 5", "group: {a: b}"])
def test_an_argument_of_the_wrong_kind_is_a_mistake_and_no_crash(wrong: str, tmp_path: Path) -> None:
    table(tmp_path)
    key = wrong.partition(":")[0]
    data = ", ".join(x for x in ("path: t.csv", "target: y") if not x.startswith(key))
    path = tmp_path / "cut.yaml"
    path.write_text(
        f"name: cut\ntask: tabular_classification\ndata: {{name: tabular_csv, {data}, {wrong}}}\n"
        "candidates: {one: 'sklearn:LogisticRegression'}\n"
    )
    with pytest.raises(SuiteError, match=f"data.{key}: .* does not fit"):
        read_suite(path)
