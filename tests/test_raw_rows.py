"""A table stays a table up to the model: what is learnt of its columns travels with what is deployed."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.analysis.predictions import Predictions, predictions_of
from harness.datasets.encoding import How, fit_table
from harness.datasets.parts import Parts, load_parts
from harness.export.folder import export_variant
from harness.exported import tables
from harness.planning.trials import plan_trials
from harness.protocols import Split, Task
from harness.reading import read_suite
from harness.record import SuiteError
from harness.runtimes import texts
from harness.store.runs import RunFolder
from harness.tasks import raw
from tests.runs_here import run_here

N = 400
BOOSTERS = ("xgboost:XGBClassifier", "lightgbm:LGBMClassifier", "catboost:CatBoostClassifier")
FEW = {"xgboost": "n_estimators", "lightgbm": "n_estimators", "catboost": "iterations"}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_DATA", str(tmp_path / "cache"))


def customers(n: int = N) -> pd.DataFrame:
    """Holes, dates, text categories of 3 and of 60 values, notes; the town tells most."""
    rng = np.random.default_rng(0)
    town = rng.integers(0, 60, n)
    age = rng.integers(18, 90, n).astype(float)
    churned = rng.random(n) < np.where(town % 2 == 1, 0.9, 0.1)
    age[rng.random(n) < 0.1] = np.nan
    days = pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 500, n), unit="D")
    return pd.DataFrame(
        {
            "age": age,
            "plan": rng.choice(np.array(["basic", "pro", None], dtype=object), n),
            "town": [f"town {t}" for t in town],
            "signed": days.strftime("%Y-%m-%d"),
            "note": [
                f"{'late' if c else 'fine'} call number {i} about order {i * 7}"
                for i, c in enumerate(churned)
            ],
            "churned": np.where(churned, "yes", "no"),
        }
    )


def parts_of(tmp_path: Path, frame: pd.DataFrame, target: str = "churned", **args: Any) -> Parts:
    frame.to_csv(tmp_path / "t.csv", index=False)
    path = str(tmp_path / "t.csv")
    return load_parts({"name": "tabular_csv", "args": {"path": path, "target": target, **args}}, None)


def of(values: list[Any], targets: Any, kind: str = "category", classes: int = 2) -> tuple[Split, Task]:
    """A part of one column `c`, and its task."""
    rows = np.empty(len(values), tables.row_type([{"name": "c", "kind": kind}]))
    rows["c"] = values
    name = "tabular_classification" if classes else "tabular_regression"
    task = Task(name, classes, tuple(map(str, range(classes))), (1,), columns=(kind,))
    return Split(rows, np.asarray(targets), np.arange(len(values))), task


# ------------------------------------------------------------------------------------------- what is learnt


def test_numbers_are_those_of_scikit_learns_column_transformer(tmp_path: Path) -> None:
    """Fitted on the same training rows: medians, categories, means of the target, weights of words."""
    from sklearn.compose import ColumnTransformer
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.impute import SimpleImputer
    from sklearn.preprocessing import OneHotEncoder, TargetEncoder

    parts = parts_of(tmp_path, customers())
    assert parts.task.columns == ("number", "category", "category", "date", "words")
    table, own = fit_table(parts.train, parts.task, How(), seed=3, **parts.written)

    def frame(part: Split) -> pd.DataFrame:
        named = pd.DataFrame({name: part.inputs[name] for name in part.inputs.dtype.names})
        return named.assign(plan=named["plan"].fillna("missing"))

    theirs = ColumnTransformer(
        [
            ("age", SimpleImputer(strategy="median", add_indicator=True), ["age"]),
            ("plan", OneHotEncoder(sparse_output=False, handle_unknown="ignore"), ["plan"]),
            ("town", TargetEncoder(target_type="binary", random_state=3), ["town"]),
            ("note", TfidfVectorizer(max_features=100), "note"),
        ],
        sparse_threshold=0,
    )
    fitted = theirs.fit_transform(frame(parts.train), parts.train.targets)
    starts = np.cumsum([0, *(tables.width(step) for step in table.steps)])
    date = np.arange(starts[3], starts[4])
    np.testing.assert_allclose(np.delete(own, date, axis=1), fitted, rtol=1e-5, atol=1e-6)
    again = theirs.transform(frame(parts.test))
    np.testing.assert_allclose(
        np.delete(table.encode(parts.test.inputs), date, axis=1), again, rtol=1e-5, atol=1e-6
    )


def test_means_of_the_target_tell_a_training_row_nothing_of_its_own_answer() -> None:
    """Every value stands in one row: its mean would be that row's answer. Cross-fitted it tells nothing."""
    rng = np.random.default_rng(0)
    part, task = of([f"v{i}" for i in range(200)], rng.integers(0, 2, 200))
    table, own = fit_table(part, task, How("target"), seed=0)
    leaky = table.encode(part.inputs)[:, 0]
    assert np.corrcoef(leaky, part.targets)[0, 1] > 0.9
    assert abs(np.corrcoef(own[:, 0], part.targets)[0, 1]) < 0.2


@pytest.mark.parametrize("way", ["auto", "native", "one_hot", "ordinal", "target", "hashed"])
def test_values_that_training_never_saw_and_holes_have_numbers_too(way: str) -> None:
    part, task = of(["a", "b", None, "c"] * 15, [0, 1, 0, 1] * 15)
    table, _ = fit_table(part, task, How(way), seed=0)
    rows, _ = of(["a", "never seen", None], [0, 0, 0])
    numbers = table.encode(rows.inputs)
    assert numbers.shape == (3, table.width)
    holes = np.isnan(numbers).any(axis=1).tolist()
    assert holes == ([False, True, True] if way == "native" else [False, False, False])


@pytest.mark.parametrize(("classes", "wide"), [(0, 1), (2, 1), (4, 4), (30, 64)])
def test_five_thousand_values_make_one_mean_for_each_class_or_a_hash(classes: int, wide: int) -> None:
    rng = np.random.default_rng(0)
    targets = rng.integers(0, classes, 6000) if classes else rng.normal(size=6000)
    part, task = of([f"v{i}" for i in rng.integers(0, 5000, 6000)], targets, classes=classes)
    table, own = fit_table(part, task, How(), seed=0)
    assert table.width == wide == own.shape[1]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.one_of(st.none(), st.floats(allow_nan=False, allow_infinity=False, width=32)),
            st.one_of(st.none(), st.text(min_size=1).map(str.strip).filter(bool)),
            st.one_of(st.none(), st.datetimes().map(lambda d: d.replace(microsecond=0))),
        ),
        min_size=1,
        max_size=20,
    )
)
def test_rows_survive_json(cells: list[tuple[Any, ...]]) -> None:
    columns = [
        {"name": "n", "kind": "number"}, {"name": "c", "kind": "category"}, {"name": "d", "kind": "date"},
    ]  # fmt: skip
    table = tables.TableEncoding(columns, [], {})
    sent = [{"n": n, "c": c, "d": None if d is None else d.isoformat(sep=" ")} for n, c, d in cells]
    rows = table.rows(json.loads(json.dumps(sent)))
    again = table.rows(json.loads(json.dumps(table.told(rows))))
    for name in ("n", "c", "d"):
        assert all(a == b or (a != a and b != b) for a, b in zip(rows[name], again[name], strict=True))
    assert [d is None for _, _, d in cells] == np.isnat(rows["d"]).tolist()


@pytest.mark.parametrize(
    ("row", "text"),
    [
        ({"c": "x", "d": None}, "row 1 has no 'n': give null where nothing is known"),
        ({"n": "12,5", "c": "x", "d": None}, "row 1: 'n' is '12,5', which is not a number"),
        ({"n": "1_000", "c": "x", "d": None}, "which is not a number"),
        ({"n": 1, "c": "x", "d": "yesterday"}, "row 1: 'd' is 'yesterday', which is not a date"),
    ],
)
def test_a_row_that_cannot_be_read_is_refused_by_row_and_column(row: dict[str, Any], text: str) -> None:
    columns = [
        {"name": "n", "kind": "number"}, {"name": "c", "kind": "category"}, {"name": "d", "kind": "date"},
    ]  # fmt: skip
    with pytest.raises(ValueError, match=text):
        tables.TableEncoding(columns, [], {}).rows([row])


def test_one_row_is_made_in_less_than_a_millisecond(tmp_path: Path) -> None:
    parts = parts_of(tmp_path, customers())
    table, _ = fit_table(parts.train, parts.task, How(), seed=0, **parts.written)
    row = parts.test.inputs[:1]
    table.encode(row)
    took = []
    for _ in range(200):
        start = time.perf_counter()
        table.encode(row)
        took.append(time.perf_counter() - start)
    assert np.median(took) < 1e-3


# ------------------------------------------------------------------------------------------- what is deployed


def suite_file(folder: Path, candidates: str, runtimes: str) -> Path:
    frame = customers()
    frame["signed"] = pd.to_datetime(frame["signed"]).dt.strftime("%d.%m.%Y")
    frame["age"] = [None if np.isnan(v) else f"{v:.1f}".replace(".", ",") + " €" for v in frame["age"]]
    frame.to_csv(folder / "t.csv", index=False, sep=";")
    path = folder / "suite.yaml"
    path.write_text(
        "name: rows\ntask: tabular_classification\n"
        "data: {name: tabular_csv, path: t.csv, target: churned, decimal: ','}\n"
        f"candidates:\n{candidates}serving: {{runtimes: [{runtimes}]}}\n"
        "training: {seeds: [0], epochs: 3, precision: fp32}\n"
        "decision: {objective: maximize accuracy}\n"
    )
    return path


def candidates() -> str:
    lines = "  logistic: sklearn:LogisticRegression\n  mlp: rows_net:build\n"
    lines += "  histogram: {model: 'sklearn:HistGradientBoostingClassifier', args: {max_iter: 20}}\n"
    for ref in BOOSTERS:
        library = ref.partition(":")[0]
        lines += f"  {library}: {{model: '{ref}', args: {{{FEW[library]}: 20}}}}\n"
    return lines


NET = """
from torch import nn

def build(task, *, width: int = 16):
    return nn.Sequential(nn.Linear(task.input_shape[0], width), nn.ReLU(), nn.Linear(width, task.num_classes))
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    pytest.importorskip("catboost")
    folder = tmp_path_factory.mktemp("rows")
    (folder / "rows_net.py").write_text(NET)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HARNESS_DATA", str(folder / "cache"))
        patch.syspath_prepend(str(folder))
        return run_here(suite_file(folder, candidates(), "torch"), folder / "results", kinds="train score")


NATIVE = {"logistic": "sklearn", "mlp": "torch", "histogram": "sklearn", "xgboost": "xgboost",
          "lightgbm": "lightgbm", "catboost": "catboost"}  # fmt: skip


@pytest.mark.parametrize(
    "candidate",
    [pytest.param(c, marks=() if c in ("logistic", "catboost") else pytest.mark.slow) for c in NATIVE],
)
def test_an_exported_folder_answers_the_rows_of_the_file_as_they_were_scored(
    run: RunFolder, tmp_path: Path, candidate: str
) -> None:
    """Text categories, holes, German dates, prices with a sign: the file's own test rows, to a millionth."""
    said = export_variant(run, f"{candidate}/{NATIVE[candidate]}", tmp_path / "deploy")
    assert "answers 8 examples as measured" in said
    (score,) = [r for r in run.records() if r.trial.kind == "score" and r.trial.candidate == candidate]
    loaded = predictions_of(run)(score.trial.id)
    stored = loaded if isinstance(loaded, Predictions) else Predictions(*loaded)
    path = score.trial.spec["data"]["args"]["path"]
    frame = pd.read_csv(path, sep=";", dtype=str).iloc[stored.ids].drop(columns="churned")
    frame.to_csv(tmp_path / "rows.csv", index=False)
    command = [sys.executable, "-I", str(tmp_path / "deploy" / "predict.py"), str(tmp_path / "rows.csv")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    wanted = stored.outputs.max(axis=1)
    assert np.abs(np.array([answer["probability"] for answer in answers]) - wanted).max() < 2e-6
    names = np.array(["no", "yes"])[stored.outputs.argmax(axis=1)]
    assert [answer["class"] for answer in answers] == names.tolist()
    card = (tmp_path / "deploy" / "README.md").read_text()
    assert "It takes rows of 5 columns" in card and "| `town` | category |" in card


@pytest.mark.parametrize("candidate", ["histogram", "xgboost", "lightgbm", "catboost"])
def test_boosting_gets_categories_and_holes_as_they_are(run: RunFolder, candidate: str) -> None:
    (train,) = [r for r in run.records() if r.trial.kind == "train" and r.trial.candidate == candidate]
    table = tables.read(run.trial_folder(train.trial.id) / "fitted" / tables.FILE)
    ways = {step["column"]: step for step in table.steps}
    assert ways["town"]["as"] == ways["plan"]["as"] == "codes" and len(ways["town"]["values"]) > 50
    assert ways["age"]["if_missing"] is None and not ways["age"]["marks"]
    score = next(r for r in run.records() if r.trial.kind == "score" and r.trial.candidate == candidate)
    accuracy = next(m.value for m in score.measurements if m.metric == "accuracy")
    assert accuracy is not None and accuracy > 0.7, "the town tells nine of ten"


def test_what_is_served_takes_rows_and_nothing_less(run: RunFolder) -> None:
    """Latency starts from the row: the served function is given rows, and makes the numbers itself."""
    score = next(r for r in run.records() if r.trial.kind == "score" and r.trial.candidate == "logistic")
    artifact = run.trial_folder(score.trial.id) / "artifact"
    predict = texts.load("sklearn", artifact, 1)
    rows = load_parts(score.trial.spec["data"], None, ("test",)).test.inputs
    assert rows.dtype.names == ("age", "plan", "town", "signed", "note")
    assert predict(rows[:3]).shape == (3, 2)


def test_a_model_that_cannot_be_exported_to_onnx_with_categories_gets_numbers_where_onnx_is_asked_for(
    tmp_path: Path,
) -> None:
    pytest.importorskip("lightgbm", reason="not installed (extra boosting)")
    path = suite_file(tmp_path, "  trees: lightgbm:LGBMClassifier\n", "torch, onnx")
    assert {t.spec["encoding"] for t in plan_trials(read_suite(path)) if t.kind == "train"} == {"auto"}
    path = suite_file(tmp_path, "  trees: lightgbm:LGBMClassifier\n", "torch")
    assert {t.spec["encoding"] for t in plan_trials(read_suite(path)) if t.kind == "train"} == {"native"}


@pytest.mark.parametrize(
    ("candidate", "text"),
    [
        (
            "{model: 'sklearn:LogisticRegression', encoding: native}",
            "this model takes numbers alone: write one_hot",
        ),
        ("{model: 'sklearn:LogisticRegression', encoding: targets}", "target"),
    ],
)
def test_an_encoding_that_does_not_fit_is_refused_with_its_line(
    tmp_path: Path, candidate: str, text: str
) -> None:
    path = suite_file(tmp_path, f"  one: {candidate}\n", "torch")
    with pytest.raises(SuiteError, match=f"suite.yaml:5.*{text}"):
        read_suite(path)


def test_an_encoding_is_for_own_tables(tmp_path: Path) -> None:
    path = suite_file(tmp_path, "  one: {model: 'sklearn:LogisticRegression', encoding: target}\n", "torch")
    text = path.read_text().replace(
        "{name: tabular_csv, path: t.csv, target: churned, decimal: ','}", "{name: breast_cancer}"
    )
    path.write_text(text)
    with pytest.raises(SuiteError, match="is for own tables .*leave it out"):
        read_suite(path)


def test_texts_of_many_words_are_words_and_ids_are_refused_until_they_are_called_categories(
    tmp_path: Path,
) -> None:
    from harness.record import DataError

    frame = customers().assign(ticket=[f"A{i}" for i in range(N)])
    with pytest.raises(
        DataError, match=r"'ticket' is text of 400 different values.*`categories: \[ticket\]`"
    ):
        parts_of(tmp_path, frame)
    parts = parts_of(tmp_path, frame, categories=["ticket"])
    assert parts.task.columns[-2:] == ("words", "category")
    found, _ = raw.as_numbers({"model": "sklearn:LogisticRegression", "args": {}, "seed": 0}, parts)
    assert np.isfinite(found.train.inputs).all()


@pytest.mark.slow
def test_boosting_on_onnx_gets_numbers_with_holes_and_answers_as_its_library_does(tmp_path: Path) -> None:
    pytest.importorskip("catboost")
    some = "".join(line + "\n" for line in candidates().splitlines() if "rows_net" not in line)
    run = run_here(suite_file(tmp_path, some, "torch, onnx"), tmp_path / "results", kinds="train score")
    scored = [r for r in run.records() if r.trial.kind == "score" and r.trial.runtime == "onnx"]
    assert len(scored) == 5
    assert {r.trial.candidate: r.failure for r in scored if r.failure} == {}
