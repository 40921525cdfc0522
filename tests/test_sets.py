"""Several data sets in one question: a suite for each, and what they say together."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from harness.analysis.criteria import DecisionObjective, parse_objective
from harness.analysis.sets import Overview, SetResult, costs_of, mean_ranks, overview, profile, set_result
from harness.metrics import METRICS
from harness.planning.trials import plan_trials
from harness.reading import read_suite, read_suites, set_names
from harness.record import SuiteError
from harness.report.blocks import Cell, Table
from harness.report.overview import by_set, few_words, plain
from harness.results import Estimate, Recommendation, Row, Tradeoff

TEXT = """
name: shop
question: Which does for all?
task: tabular_classification
datasets:
  tumours: {name: breast_cancer}
  rings: {name: practice_tables, table: wine, split: {folds: 5}}
candidates:
  tree: sklearn:DecisionTreeClassifier
  logistic: sklearn:LogisticRegression
serving: {runtimes: [torch], rounds: 1, scenarios: {single_stream: {seconds: 0.2}}}
training: {seeds: [0]}
decision: {objective: maximize accuracy}
"""


def written(folder: Path, text: str = TEXT) -> Path:
    path = folder / "suite.yaml"
    path.write_text(text)
    return path


def alone(name: str, **values: float) -> SetResult:
    """A data set whose choice is the best figure, nobody even with it."""
    figures = {candidate: Estimate(value) for candidate, value in values.items()}
    best = max(values, key=lambda candidate: values[candidate])
    return SetResult(name, figures, frozenset(values), best, frozenset({best}), dict.fromkeys(values, 2.0))


# ------------------------------------------------------------------------------------------------ reading


def test_each_data_set_has_the_trials_of_a_suite_of_its_own(tmp_path: Path) -> None:
    suites = read_suites(written(tmp_path))
    assert {name: suite.name for name, suite in suites.items()} == {
        "tumours": "shop-tumours",
        "rings": "shop-rings",
    }
    assert suites["rings"].data.parts == 5
    single = TEXT.replace("datasets:\n  tumours: {name: breast_cancer}\n", "data: {name: breast_cancer}\n")
    single = "".join(line + "\n" for line in single.splitlines() if "rings" not in line)
    from harness.reading import suite_to_text

    resolved = read_suite(written(tmp_path, suite_to_text(suites["rings"])))
    assert resolved == suites["rings"], "folds and all"
    own = read_suite(written(tmp_path, single))
    assert [t.id for t in plan_trials(own)] == [t.id for t in plan_trials(suites["tumours"])]


def test_a_set_is_named_or_the_message_says_how(tmp_path: Path) -> None:
    path = written(tmp_path)
    assert set_names(path) == ("tumours", "rings")
    assert read_suite(path, dataset="rings").name == "shop-rings"
    with pytest.raises(SuiteError, match=r"several data sets \(tumours, rings\): name one with --dataset"):
        read_suite(path)
    with pytest.raises(SuiteError, match="--dataset ring: .*rings"):
        read_suite(path, dataset="ring")


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        (
            "datasets:",
            "data: {name: digits}\ndatasets:",
            "suite.yaml:6: datasets: stands beside `data`",
        ),
        ("  rings:", "  # rings:", "suite.yaml:5: datasets: names two data sets or more"),
        ("table: wine", "table: wein", "suite.yaml:7: .*there is no table 'wein': there are iris, wine"),
        ("name: breast_cancer}", "name: breast_canser}", "suite.yaml:6: .*did you mean `breast_cancer`"),
        (
            "  rings: {name: practice_tables, table: wine",
            "  rings: {name: diabetes",
            "suite.yaml:.*tabular_regr",
        ),
        ("  tree: sk", "  tree: sklean", "suite.yaml:9"),
    ],
)
def test_a_mistake_in_any_set_is_said_with_its_line(tmp_path: Path, old: str, new: str, text: str) -> None:
    with pytest.raises(SuiteError, match=text):
        read_suites(written(tmp_path, TEXT.replace(old, new)))


def test_all_mistakes_of_all_sets_are_said_at_once_and_shared_ones_once(tmp_path: Path) -> None:
    text = TEXT.replace("breast_cancer", "breast_canser").replace("table: wine", "table: wein")
    text = text.replace("maximize accuracy", "maximize accurracy")
    with pytest.raises(SuiteError) as caught:
        read_suites(written(tmp_path, text))
    lines = [mistake.split(":")[1] for mistake in caught.value.mistakes]
    assert sorted(lines) == ["13", "6", "7"]


# ------------------------------------------------------------------------------------------------ numbers


def test_a_profile_is_that_of_the_worked_example() -> None:
    """Costs 2, 3 and 10, 5: ratios 1, 1.5 and 2, 1."""
    found = profile(np.array([[2.0, 3.0], [10.0, 5.0]]), (1.0, 1.5, 2.0))
    assert found is not None and found.tolist() == [[0.5, 0.5], [0.5, 1.0], [1.0, 1.0]]


def test_what_is_missing_is_within_no_factor_and_ranks_last() -> None:
    costs = np.array([[1.0, np.nan], [1.0, 1.0]])
    found = profile(costs, (1.0, 100.0))
    assert found is not None and found[:, 1].tolist() == [0.5, 0.5]
    assert mean_ranks(costs).tolist() == [1.25, 1.75]


def test_costs_are_what_is_lacking_or_the_figure_itself_or_unknown() -> None:
    values = np.array([[0.9, 0.8]])
    accuracy = costs_of(values, METRICS["accuracy"])
    assert accuracy is not None and accuracy == pytest.approx(np.array([[0.1, 0.2]]))
    mse = costs_of(values, METRICS["mse"])
    assert mse is not None and mse.tolist() == values.tolist()
    assert costs_of(values, None) is None
    assert costs_of(values, METRICS["throughput_offline_per_s"]) is None


def test_one_for_all_is_the_one_that_loses_least_and_its_cost_is_the_mean_of_what_it_loses() -> None:
    sets = [alone("a", x=0.9, y=0.8), alone("b", x=0.9, y=0.8), alone("c", x=0.7, y=0.8)]
    found = overview(sets, 1, METRICS["accuracy"])
    assert found.for_all == "x" and found.for_each == {"a": "x", "b": "x", "c": "y"}
    assert found.mean_cost == pytest.approx(0.1 / 3)
    assert found.costs == pytest.approx({"a": 0.0, "b": 0.0, "c": 0.1})
    first, second = found.standings
    assert (first.best, second.best) == (("a", "b"), ("c",))
    assert (first.mean_rank, second.mean_rank) == (pytest.approx(4 / 3), pytest.approx(5 / 3))
    assert (first.worst_loss, first.worst_on) == (pytest.approx(0.1), "c")
    assert found.seconds == (6.0, 6.0)


def test_low_is_good_where_the_objective_is_minimised() -> None:
    figures = {"x": Estimate(1.0), "y": Estimate(2.0)}
    sets = [SetResult(name, figures, frozenset("xy"), "x", frozenset("x"), {}) for name in "ab"]
    found = overview(sets, -1, METRICS["mse"])
    assert found.for_all == "x" and found.standings[1].mean_loss == 1.0
    assert found.standings[1].profile == (0.0, 0.0, 0.0, 0.0, 1.0)


def test_dear_houses_do_not_drown_cold_degrees() -> None:
    """x is 1 % behind on houses in dollars and half as wrong on degrees: dollars added to degrees named y."""
    houses, degrees = {"x": 50_500.0, "y": 50_000.0}, {"x": 1.0, "y": 2.0}
    sets = [
        SetResult(
            name, {k: Estimate(v) for k, v in figures.items()}, frozenset("xy"), best, frozenset(best), {}
        )
        for name, figures, best in (("houses", houses, "y"), ("degrees", degrees, "x"))
    ]
    found = overview(sets, -1, METRICS["mae"])
    assert found.relative and found.for_all == "x"
    assert found.costs == pytest.approx({"houses": 0.01, "degrees": 0.0})
    assert [s.mean_loss for s in found.standings] == pytest.approx([0.005, 0.5])
    said = plain(found, parse_objective("minimize mae"))
    assert "at worst it is 1\u202f% behind the best (houses)" in said[0]
    assert "costs 0.500\u202f% of mean absolute error in the mean of the sets" in said[1]
    own = replace(METRICS["mae"], name="euros", unit="EUR")
    assert not overview(sets, -1, own).relative


def test_one_for_each_that_is_one_for_all_costs_no_0() -> None:
    """A published page said "at worst it is 0 behind the best" and "costs 0 in the mean of the sets"."""
    goal = parse_objective("maximize accuracy")
    said = plain(
        overview([alone("late", x=0.9, y=0.8), alone("gone", x=0.7, y=0.6)], 1, METRICS["accuracy"]), goal
    )
    assert said == [
        "One for all: x. By accuracy it is the best, or not told apart from the choice, on 2 of 2 data sets; "
        "no other has a better figure on any.",
        "One for each would be the same: it is the choice on every set.",
    ]


def test_an_error_of_nothing_at_all_is_no_loss() -> None:
    sets = [alone("a", x=0.0, y=0.0), alone("b", x=1.0, y=2.0)]
    found = overview(sets, -1, METRICS["mae"])
    assert [s.mean_loss for s in found.standings] == [0.0, 0.5]


def test_who_breaks_a_limit_somewhere_does_not_do_for_all() -> None:
    sets = [alone("a", x=0.9, y=0.8), replace(alone("b", x=0.9, y=0.8), kept=frozenset("y"))]
    assert overview(sets, 1, METRICS["accuracy"]).for_all == "y"
    nobody = [replace(one, kept=frozenset()) for one in sets]
    assert overview(nobody, 1, METRICS["accuracy"]).for_all is None


def test_a_set_without_figures_says_nothing_of_the_others() -> None:
    """The budget was spent before it: "no candidate keeps the limits on all 2 data sets" of a suite that has
    no limits."""
    goal, late = parse_objective("maximize accuracy"), alone("late", x=0.9, y=0.8)
    empty = SetResult("cancelled", {}, frozenset(), None, frozenset(), {})
    two = overview([late, empty], 1, METRICS["accuracy"])
    assert plain(two, goal)[0].startswith(
        "cancelled has no figures yet, so nothing can be said of all 2 data"
    )
    three = overview([late, empty, alone("delayed", x=0.7, y=0.6)], 1, METRICS["accuracy"])
    said = plain(three, goal)
    assert said[0].startswith(
        "One for all: x. By accuracy it is the best, or not told apart from the choice, on 2 of 2 data"
    )
    assert said[-1].startswith("cancelled has no figures yet and says nothing here.")
    assert [row[1].text for row in table_of(three, goal)] == ["x", "no figures yet", "x"]
    assert plain(overview([empty, empty], 1, METRICS["accuracy"]), goal)[0].startswith("cancelled")


def test_who_lacks_figures_somewhere_is_not_said_to_break_a_limit() -> None:
    goal = parse_objective("maximize accuracy")
    apart = overview([alone("a", x=0.9), alone("b", y=0.8)], 1, METRICS["accuracy"])
    assert plain(apart, goal) == ["No candidate has figures on all 2 data sets: see each set's own choice."]


def table_of(found: Overview, goal: DecisionObjective) -> Sequence[tuple[Cell, ...]]:
    block = by_set(found, goal, {})[0]
    assert isinstance(block, Table)
    return block.rows


def test_nothing_is_tested_below_ten_sets_and_a_clear_loser_is_named_from_there_on() -> None:
    few = overview([alone("a", x=0.9, y=0.1)] * 9, 1, METRICS["accuracy"])
    assert all(standing.p is None for standing in few.standings)
    clear = [alone(str(i), x=0.9 + i / 1000, y=0.8, z=0.7) for i in range(12)]
    found = overview(clear, 1, METRICS["accuracy"]).standings
    assert all(standing.p is not None and standing.p < 0.01 for standing in found[1:])


@pytest.mark.slow
def test_equal_candidates_are_seldom_told_apart_by_twelve_sets() -> None:
    """Three equal ones: 5 of 100 draws named a loser. More than 30 of 300 then have a probability of 2e-4."""
    rng = np.random.default_rng(0)
    alarms = 0
    for _ in range(300):
        drawn = rng.normal(0.8, 0.05, (12, 3))
        sets = [alone(str(i), x=float(x), y=float(y), z=float(z)) for i, (x, y, z) in enumerate(drawn)]
        found = overview(sets, 1, METRICS["accuracy"])
        alarms += any(standing.p is not None and standing.p < 0.05 for standing in found.standings)
    assert alarms <= 30


def test_few_sets_are_called_few() -> None:
    assert "too few to rank" in few_words(6, 5) and "0.031, 0.12 after correction for 4" in few_words(6, 5)
    assert "Wilcoxon" in few_words(10, 5)


def test_a_candidate_stands_for_its_best_variant_that_keeps_the_limits() -> None:
    def row(variant: str, accuracy: float, rejected: tuple[str, ...] = ()) -> Row:
        candidate, _, runtime = variant.partition("/")
        return Row(variant, candidate, runtime, {"accuracy": Estimate(accuracy)}, rejected_by=rejected)

    rows = (row("x/a", 0.9, ("latency",)), row("x/b", 0.8), row("y/a", 0.7, ("latency",)))
    table = Tradeoff(rows, ("accuracy",), {})
    found = Recommendation("tie", "x/b", 0.6, tied_with=("y/a",))
    one = set_result("s", table, found, parse_objective("maximize accuracy"))
    assert {name: e.value for name, e in one.figures.items()} == {"x": 0.8, "y": 0.7}
    assert one.kept == {"x"} and one.choice == "x" and one.even == {"x", "y"}


def test_a_figure_without_an_interval_says_why() -> None:
    sure = alone("tumours", tree=0.9, logistic=0.8)
    why = "not estimable (1 of 5 folds or repeats: one class lies wholly beyond the other)"
    unsure = replace(sure, figures={"tree": Estimate(0.9, note=why), "logistic": Estimate(0.8, 0.7, 0.9)})
    goal = parse_objective("maximize roc_auc")
    found = overview([unsure], 1, METRICS["roc_auc"])
    table = by_set(found, goal, {})[0]
    assert isinstance(table, Table)
    assert {c.text: c.interval for c in table.rows[0][2:]} == {
        "0.900": "no interval (1 of 5 folds or repeats: one class lies wholly beyond the other)",
        "0.80": "0.70–0.90",
    }


# ------------------------------------------------------------------------------------------------ a run


@pytest.mark.slow
def test_a_run_writes_a_report_for_each_set_and_one_over_all(tmp_path: Path) -> None:
    from harness.planning.request import RunRequest
    from harness.running.sets import run_sets

    assert run_sets(RunRequest(written(tmp_path), out=str(tmp_path / "results"))) == 0
    for name in ("shop-tumours", "shop-rings"):
        assert (tmp_path / "results" / name / "latest" / "report.html").exists()
    told = json.loads((tmp_path / "results" / "shop" / "overview.json").read_text())
    assert told["for_all"] == "logistic" and set(told["for_each"]) == {"tumours", "rings"}
    page = (tmp_path / "results" / "shop" / "overview.html").read_text()
    assert "Which does for all?" in page and "too few to rank" in page


@pytest.mark.parametrize("table", ["iris", "wine", "affairs", "vote", "visits", "travel"])
def test_a_practice_table_is_the_one_its_package_loads(table: str) -> None:
    from harness.datasets.practice_tables import TABLES, load

    data = load(table=table)
    rows = len(data.train) + len(data.test)
    source = TABLES[table]
    if source.package == "sklearn":
        import sklearn.datasets

        theirs = getattr(sklearn.datasets, f"load_{table}")()
        numbers, answers = theirs.data, theirs.target
    else:
        import statsmodels.api as sm

        name = source.file.split("/")[1]
        frame = getattr(sm.datasets, name).load_pandas().data
        answers = frame[source.target].to_numpy()
        answers = answers > source.above if source.above is not None else answers
        numbers = frame[list(data.train.inputs.dtype.names)].to_numpy()
    assert rows == len(answers)
    for part in (data.train, data.test):
        assert (part.targets == np.asarray(answers, dtype=int)[part.ids]).all()
        for place, column in enumerate(part.inputs.dtype.names):
            found = part.inputs[column].astype(np.float64)
            np.testing.assert_allclose(found, np.asarray(numbers)[part.ids, place])


def test_sets_run_whole_one_after_the_other_until_the_budget_is_spent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from harness.planning.request import RunRequest
    from harness.running import run, sets

    clock, asked, patient = [0.0], [], False

    def run_suite(request: RunRequest, waited: Callable[[float], object], told: set[str]) -> int:
        asked.append((request.dataset, request.budget))
        waits = 40.0 if patient else 0.0
        clock[0] += 61.0 + waits
        waited(waits)
        return 0

    monkeypatch.setattr(run, "run_suite", run_suite)
    monkeypatch.setattr(sets.time, "monotonic", lambda: clock[0])
    assert sets.run_sets(RunRequest(written(tmp_path), out=str(tmp_path / "results"), budget=60.0)) == 1
    assert asked == [("tumours", 60.0)]
    assert "data set rings (2 of 2): not run: the budget is spent" in capsys.readouterr().err
    patient = True
    monkeypatch.setattr(sets, "write_overview", lambda *_: None)
    sets.run_sets(RunRequest(written(tmp_path), out=str(tmp_path / "results"), budget=90.0))
    assert asked[1:] == [("tumours", 90.0), ("rings", 29.0)], "waits for other runs are not counted"
    assert "data set rings (2 of 2): 29 s of the budget left" in capsys.readouterr().err
