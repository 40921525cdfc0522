"""`data.split`: what is tested on was never trained on, in no fold, and intervals over folds hold."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.analysis.compare import compare_runs
from harness.analysis.example_draws import Behind
from harness.analysis.folds import (
    behind_folds,
    corrected_difference,
    corrected_interval,
    fallen,
    fallen_words,
    widened,
)
from harness.analysis.predictions import Predictions, Scores, score_examples
from harness.analysis.stats import two_way_interval
from harness.datasets.parts import load_parts
from harness.datasets.resplit import Part, cut, folds_of
from harness.planning.trials import plan_trials
from harness.reading.reader import read_suite
from harness.record import DataError, SuiteError
from harness.report.render import gather, sections
from harness.report.sections.quality import confusion
from harness.suite.schema import DataSplit
from harness.tasks import raw
from tests.runs_here import run_here

SUITE = """\
name: cut
task: tabular_classification
data: {{name: tabular_csv, path: t.csv, target: y, {data}}}
training: {{seeds: [0{seeds}]}}
candidates: {{logistic: sklearn:LogisticRegression, tree: {{model: sklearn:DecisionTreeClassifier, args: {{max_depth: 2}}}}}}
serving: {{rounds: 1, runtimes: [torch], scenarios: {{single_stream: {{seconds: 0.05, min_calls: 5, max_calls: 20}}}}}}
"""  # noqa: E501


def suite_of(folder: Path, data: str, seeds: str = "", rows: int = 200) -> Path:
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, rows)
    frame = pd.DataFrame(
        {"a": rng.normal(size=rows) + y, "b": rng.normal(size=rows), "y": np.array(["no", "yes"])[y]}
    )
    frame["day"] = pd.date_range("2024-01-01", periods=rows).strftime("%Y-%m-%d")[rng.permutation(rows)]
    frame["owner"] = [f"o{i}" for i in rng.integers(0, 40, rows)]
    if "predefined" in data:
        frame["fold"] = np.arange(rows) % 4
        frame["part"] = np.where(
            np.arange(rows) % 3 == 0, "Test", np.where(np.arange(rows) % 3 == 1, "val", "Train")
        )
        frame["y2"] = frame["y"]
        frame["hole"] = [None if i == 7 else f"f{i % 4}" for i in range(rows)]
    frame.to_csv(folder / "t.csv", index=False)
    (folder / "s.yaml").write_text(SUITE.format(data=data, seeds=seeds))
    return folder / "s.yaml"


@given(
    labels=st.lists(st.integers(0, 3), min_size=12, max_size=120),
    owners=st.integers(6, 200),
    folds=st.integers(2, 6),
    seed=st.integers(0, 1000),
)
@settings(max_examples=60, deadline=None)
def test_every_row_is_in_one_fold_and_no_group_in_two(
    labels: list[int], owners: int, folds: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    groups = rng.integers(0, owners, len(labels))
    if len(np.unique(groups)) < folds:
        groups[:folds] = np.arange(folds)
    fold = folds_of(np.array(labels), groups, folds, np.random.default_rng(seed))
    assert set(fold) <= set(range(folds)) and len(np.unique(fold)) == folds
    assert all(len(set(fold[groups == g])) == 1 for g in np.unique(groups))


@given(share=st.floats(0.02, 0.5), folds=st.integers(2, 10), seed=st.integers(0, 1000))
@settings(max_examples=60, deadline=None)
def test_classes_are_spread_evenly_over_folds(share: float, folds: int, seed: int) -> None:
    labels = (np.random.default_rng(seed).random(500) < share).astype(int)
    fold = folds_of(labels, np.arange(500), folds, np.random.default_rng(seed))
    for label in (0, 1):
        counts = np.bincount(fold[labels == label], minlength=folds)
        assert counts.max() - counts.min() <= 1
    fold = folds_of(labels, np.arange(500) // 2, folds, np.random.default_rng(seed))
    assert np.ptp(np.bincount(fold, minlength=folds)) <= 0.2 * 500


def test_folds_test_each_row_once_a_repeat_and_repeats_differ() -> None:
    y = np.arange(90) % 3
    tested = [cut(Part("random", None, 0.2, 5, number, 7), y, np.arange(90), None)[1] for number in range(10)]
    assert sorted(np.concatenate(tested[:5])) == sorted(np.concatenate(tested[5:])) == list(range(90))
    assert not any(np.array_equal(a, b) for a, b in zip(tested[:5], tested[5:], strict=True))


def test_a_time_cut_tests_and_validates_on_later_rows(tmp_path: Path) -> None:
    suite = read_suite(suite_of(tmp_path, "split: {by: time, column: day, folds: 4}"))
    trials = [t for t in plan_trials(suite) if t.kind == "train" and t.candidate == "tree"]
    assert len(trials) == 4
    tested: list[int] = []
    for trial in trials:
        parts = load_parts(trial.spec["data"], None)
        train, validation, test = (parts.splits[n].order for n in ("train", "validation", "test"))
        assert train.max() < validation.min() and validation.max() < test.min()
        assert list(train) == sorted(train, reverse=True), "a smaller training part is of the latest rows"
        tested += parts.test.ids.tolist()
    assert len(set(tested)) == len(tested) == 160, "all but the first block"


def test_what_is_prepared_is_prepared_by_the_training_rows_of_each_fold(tmp_path: Path) -> None:
    """A hole is filled with the median of the fold's own training rows: the test rows tell it nothing."""
    values = np.arange(60, dtype=float) ** 2
    pd.DataFrame({"x": [*values[:-1], np.nan], "y": ["a", "b"] * 30}).to_csv(tmp_path / "t.csv", index=False)
    args = {"path": str(tmp_path / "t.csv"), "target": "y"}
    filled = set()
    for number in range(5):
        data = {
            "name": "tabular_csv",
            "args": args,
            "split": {"by": "random", "folds": 5, "part": number},
            "seed": 0,
        }
        spec = {"model": "sklearn:LogisticRegression", "args": {}, "seed": 0}
        parts, _ = raw.as_numbers(spec, load_parts(data, None))
        rows = {
            i: x for s in parts.splits.values() for i, x in zip(s.ids.tolist(), s.inputs[:, 0], strict=True)
        }
        outer = [x for i, x in rows.items() if i != 59 and i in parts.train.ids]
        assert rows[59] == pytest.approx(np.median(outer)), number
        filled.add(float(rows[59]))
        assert not set(parts.train.ids) & set(parts.test.ids)
    assert len(filled) > 1


def test_groups_and_equal_rows_stand_in_one_fold(tmp_path: Path) -> None:
    suite = read_suite(suite_of(tmp_path, "group: owner, split: {by: group, folds: 5}"))
    owner = pd.read_csv(tmp_path / "t.csv")["owner"].to_numpy()
    for trial in (t for t in plan_trials(suite) if t.kind == "train" and t.candidate == "tree"):
        parts = load_parts(trial.spec["data"], None)
        of = {name: set(owner[s.ids]) for name, s in parts.splits.items()}
        assert (
            not of["train"] & of["test"]
            and not of["train"] & of["validation"]
            and not of["validation"] & of["test"]
        )


def test_a_bundled_set_is_cut_anew_from_all_its_rows() -> None:
    data = {"name": "breast_cancer", "split": {"by": "random", "test": 0.5, "part": 3}, "seed": 1}
    parts = load_parts(data, None)
    assert len(parts.test) == pytest.approx(284, abs=2)
    assert sum(len(s) for s in parts.splits.values()) == 569


def test_the_plan_fans_out_over_parts_and_serves_the_first_alone(tmp_path: Path) -> None:
    suite = read_suite(suite_of(tmp_path, "split: {folds: 5, repeats: 2}", seeds=", 1"))
    trials = plan_trials(suite)
    kinds = [t.kind for t in trials if t.candidate == "tree"]
    assert (kinds.count("train"), kinds.count("score"), kinds.count("serve")) == (20, 20, 1)
    assert len({t.id for t in trials}) == len(trials)
    assert "part 9" in next(t for t in trials if t.part == 9).label


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ("split: {by: time}", "add `column: NAME`"),
        ("split: {by: time, column: day, repeats: 2}", "leave `repeats` out"),
        ("split: {by: group}", "add `group: NAME`"),
        ("split: {folds: 5, test: 0.4}", "5 folds test on 0.2"),
        ("split: {column: day}", "`column` is for `by: time`"),
        ("split: {by: predefined, folds: 3}", "leave out folds"),
        ("split: {by: predefined, column: fold, test: 0.3, folds: 4}, columns: [fold]", "leave out test"),
        ("split: {by: predefined, column: fold, folds: 4}", "add `columns: [fold]` under data"),
        (
            "split: {by: predefined, column: fold}, columns: [fold]",
            "holds 4 different values (0, 1, 2, 3): write `folds: 4`",
        ),
        ("split: {by: predefined, column: fold, folds: 5}, columns: [fold]", "write `folds: 4`"),
        (
            "split: {by: predefined, column: flod, folds: 4}, columns: [fold]",
            "no column 'flod', did you mean 'fold'",
        ),
        (
            "split: {by: predefined, column: part, folds: 2}, columns: [part]",
            "one part to test on; leave `folds` out",
        ),
        ("split: {by: predefined, column: y2, folds: 2}, columns: [y2]", "puts one class only into 'no'"),
        (
            "split: {by: predefined, column: hole, folds: 4}, columns: [hole]",
            "is empty in 1 of 200 rows (rows 8)",
        ),
        ("split: {by: predefined, column: fold, folds: 4}, columns: [fold], group: owner", "divides groups"),
        ("split: {by: random, folds: 1}", "folds"),
        ("test_path: t.csv, split: {folds: 3}", "leave it out to cut one file anew"),
    ],
)
def test_keys_that_do_not_go_together_are_refused_with_the_cure(data: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(SuiteError) as refused:
        read_suite(suite_of(tmp_path, data))
    assert said in str(refused.value)


def test_a_column_says_which_fold_a_row_is_of(tmp_path: Path) -> None:
    data = "split: {by: predefined, column: fold, folds: 4}, features: [a, b], columns: [owner]"
    suite = read_suite(suite_of(tmp_path, data))
    tested: list[int] = []
    for trial in (t for t in plan_trials(suite) if t.kind == "train" and t.candidate == "tree"):
        parts = load_parts(trial.spec["data"], None)
        assert set(parts.test.ids % 4) == {trial.part}
        assert trial.part not in {*(parts.train.ids % 4), *(parts.validation.ids % 4)}
        assert parts.task.columns == ("number", "number")
        tested += parts.test.ids.tolist()
    assert sorted(tested) == list(range(200))


def test_a_column_says_what_is_tested_on(tmp_path: Path) -> None:
    suite = read_suite(suite_of(tmp_path, "split: {by: predefined, column: part}, columns: [part]"))
    (spec,) = {str(t.spec["data"]): t.spec["data"] for t in plan_trials(suite)}.values()
    parts = load_parts(spec, None)
    assert sorted(parts.test.ids) == list(range(0, 200, 3))
    assert len(parts.train) + len(parts.validation) == 133


@pytest.mark.parametrize("name", ["text_csv", "image_csv"])
def test_folds_of_texts_and_images_may_be_named(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from PIL import Image

    monkeypatch.setenv("HARNESS_DATA", str(tmp_path / "cache"))
    frame = pd.DataFrame({"text": [f"text {i}" for i in range(24)], "label": ["a", "b"] * 12})
    frame["fold"] = [f"f{i // 2 % 3}" for i in range(24)]
    frame["image"] = [f"{i}.png" for i in range(24)]
    frame.to_csv(tmp_path / "t.csv", index=False)
    for i in range(24):
        Image.new("RGB", (4, 4), (i, 0, 0)).save(tmp_path / f"{i}.png")
    args = {"path": str(tmp_path / "t.csv")}
    for part in range(3):
        split = {"by": "predefined", "column": "fold", "folds": 3, "part": part}
        parts = load_parts({"name": name, "args": args, "split": split}, None)
        assert sorted(parts.test.ids) == [i for i in range(24) if i // 2 % 3 == part]
        assert not set(parts.test.ids) & {*parts.train.ids, *parts.validation.ids}


def test_a_data_set_without_columns_has_no_named_folds() -> None:
    split = {"by": "predefined", "column": "fold", "folds": 3, "part": 0}
    with pytest.raises(DataError, match="digits has no columns to cut by"):
        load_parts({"name": "digits", "split": split}, None)


def test_a_part_of_one_class_is_said(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {"a": range(60), "day": range(60), "y": ["ab"[i % 2] for i in range(40)] + ["a"] * 20}
    )
    frame.to_csv(tmp_path / "t.csv", index=False)
    args = {"path": str(tmp_path / "t.csv"), "target": "y"}
    for by, said in (({"by": "time", "column": "day"}, True), ({"by": "random"}, False)):
        notes = load_parts({"name": "tabular_csv", "args": args, "split": by}, None).facts.notes or ()
        assert any("the test part has rows of one class only, 'a'" in note for note in notes) == said


def test_a_column_without_times_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SuiteError, match=r"s.yaml:3: data.split: .* neither times nor numbers"):
        read_suite(suite_of(tmp_path, "split: {by: time, column: owner}"))


def test_widened_scores_have_the_corrected_variance() -> None:
    values = np.array([0.81, 0.79, 0.84, 0.80, 0.78])
    plain = two_way_interval(widened(values[None, :], 0.25))
    by_hand = np.sqrt((1 / 5 + 0.25) * values.var(ddof=1))
    assert plain.se == pytest.approx(by_hand) == pytest.approx(corrected_interval(values, 0.25).se)
    assert plain.value == pytest.approx(values.mean())


def test_behind_folds_stand_their_rows_once_and_groups_where_they_come_in_some() -> None:
    random = np.random.default_rng(0)
    folds = [Scores((random.random(80) < 0.9).astype(float), True) for _ in range(10)]
    split = DataSplit(folds=5, repeats=2)
    found = behind_folds(folds, split)
    rows = np.concatenate([part.values for part in folds])
    assert found.units == 400 and found.variance == pytest.approx(rows.var() / 400, rel=0.05)
    pieces = [Scores(np.ones(20), False, units=80)] * 10  # of a jackknife
    assert (behind_folds(pieces, split).units, behind_folds(pieces, split).variance) == (400, 0.0)
    assert behind_folds([], split) == Behind()


@pytest.mark.parametrize("lower", [False, True])
def test_a_model_that_grows_old_is_told_by_its_last_block(lower: bool) -> None:
    """.71, .66, .52, .49 of 240 rows each: the table's mean of .59 is not what comes next."""

    def blocks(*shares: float) -> dict[int, Scores]:
        rights = {k: np.arange(240) < round(share * 240) for k, share in enumerate(shares)}
        return {k: Scores((~right if lower else right).astype(float), True) for k, right in rights.items()}

    found = fallen(blocks(0.71, 0.66, 0.52, 0.49), lower)
    assert found is not None and len(found) == 4
    assert fallen(blocks(0.71, 0.66, 0.72, 0.69), lower) is None  # within chance
    assert fallen(blocks(0.49, 0.52, 0.66, 0.71), lower) is None  # better
    assert fallen(blocks(0.9, 0.5), lower) is None
    assert "0.71, 0.66, 0.52, 0.49 from the oldest" in fallen_words(
        "accuracy", "a/torch", [0.71, 0.66, 0.52, 0.49]
    )


def test_differences_over_folds_are_paired_and_corrected() -> None:
    """Folds differ by more than two candidates do: unpaired, a loss of two points in each fold is noise."""
    rows = np.array([0.70, 0.90, 0.80, 0.95, 0.75])
    old = {(0, part): v for part, v in enumerate(rows.tolist())}
    new = {(0, part): v for part, v in enumerate((rows - [0.02, 0.025, 0.015, 0.02, 0.02]).tolist())}
    paired = corrected_difference(new, old, 0.25, paired=True)
    by_hand = np.sqrt((1 / 5 + 0.25) * np.var([0.02, 0.025, 0.015, 0.02, 0.02], ddof=1))
    assert paired is not None and paired.se == pytest.approx(by_hand) and paired.high < 0
    apart = corrected_difference(new, old, 0.25, paired=False)
    assert apart is not None and apart.high > 0 and apart.value == pytest.approx(paired.value)
    assert corrected_difference(new, {(0, 3): 0.9}, 0.25, paired=True) is None


def test_a_gate_between_runs_over_folds_pairs_them(tmp_path: Path) -> None:
    """They were taken for seeds of which nothing is paired: a difference had to exceed that of folds."""
    suite = suite_of(tmp_path, "split: {folds: 6}")
    good = run_here(suite, tmp_path / "runs", kinds="train score")
    weak = "candidates={logistic: {model: 'sklearn:LogisticRegression', args: {C: 0.00002}}}"
    found = compare_runs(good, run_here(suite, tmp_path / "runs", weak, kinds="train score"))
    change = next(c for c in found.changes if c.metric == "accuracy")
    assert (change.verdict, change.note) == ("worse", "paired over folds")


def test_a_report_over_folds_counts_each_row_once_and_says_what_is_of_the_first(tmp_path: Path) -> None:
    e = gather(run_here(suite_of(tmp_path, "split: {folds: 4, repeats: 2}"), tmp_path, kinds="train score"))
    told = confusion(e, "logistic")
    assert told is not None and (told[0].sum(), told[1]) == (400, 2)
    made = sections(e, ("curves", "by_class"))
    assert "Of the first of 8 folds alone" in made["curves"].html
    assert "Of the first" not in made["by_class"].html


def test_a_metric_of_parts_of_the_examples_says_how_many_there_are() -> None:
    targets = np.arange(60) % 2
    shares = np.stack([1 - targets, targets], axis=1) * 0.8 + 0.1
    alone = score_examples("f1_macro", Predictions(np.arange(60), targets, shares))
    assert alone is not None and (len(alone.values), alone.independent) == (20, 60)
    owners = score_examples(
        "f1_macro", Predictions(np.arange(60), targets, shares, groups=np.arange(60) // 2)
    )
    assert owners is not None and owners.independent == 30


def test_a_run_over_folds_reports_their_mean_and_their_corrected_interval(tmp_path: Path) -> None:
    run = run_here(suite_of(tmp_path, "split: {folds: 5}", rows=400), tmp_path)
    e = gather(run)
    scored = [r for r in e.records if r.trial.kind == "score" and r.trial.candidate == "logistic"]
    assert len({tuple(e.predictions(r).ids) for r in scored}) == 5  # type: ignore[union-attr]
    values = np.array([r.value("accuracy") for r in scored], dtype=float)
    shown = next(row for row in e.tradeoff.rows if row.candidate == "logistic").estimates["accuracy"]
    assert shown.value == pytest.approx(values.mean())
    expected = corrected_interval(values, 80 / 288)  # a tenth of the other folds validates
    assert shown.low is not None and shown.high is not None
    assert shown.high - shown.low == pytest.approx(expected.high - expected.low, rel=0.1)
    assert not any("one seed" in w for w in e.tradeoff.warnings)
