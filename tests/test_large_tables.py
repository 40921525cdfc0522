"""A large table is held by column: parts, folds, audit, scores and exports are those of one in memory."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from harness.analysis.predictions import predictions_of
from harness.datasets import catalog, csv_rows, mapped, tabular_csv
from harness.datasets import parts as parts_module
from harness.datasets.audit import audit
from harness.datasets.duplicates import row_hashes
from harness.datasets.encoding import How, fit_table
from harness.datasets.mapped import ByColumn, Coded, Mapped
from harness.datasets.parts import Parts, load_parts
from harness.datasets.raw import Layout, read_file
from harness.export.folder import export_variant
from harness.protocols import Split
from harness.record import TrialError
from harness.tasks import raw
from tests.runs_here import run_here

N = 600
SPLITS: dict[str, dict[str, Any]] = {
    "the data's own": {},
    "random": {"by": "random", "folds": 3, "part": 1},
    "a repeat": {"by": "random", "test": 0.3, "part": 2},
    "group": {"by": "group", "folds": 3, "part": 2},
    "time": {"by": "time", "column": "signed", "folds": 3, "part": 1},
    "predefined": {"by": "predefined", "column": "fold", "folds": 4, "part": 3},
}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_DATA", str(tmp_path / "cache"))


@pytest.fixture
def bound(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int], None]]:
    """Sets the bytes up to which rows are read as a whole, and forgets what was read so far."""

    def set_to(size: int) -> None:
        monkeypatch.setattr(mapped, "IN_MEMORY", size)
        for kept in (catalog._load, parts_module._cut, tabular_csv._load):
            kept.cache_clear()

    set_to(mapped.IN_MEMORY)
    yield set_to
    set_to(mapped.IN_MEMORY)


def table(folder: Path, n: int = N) -> Path:
    """Numbers with holes, whole numbers, days, categories of 3 and of 60, notes; some rows are equal."""
    rng = np.random.default_rng(0)
    town, age = rng.integers(0, 60, n), rng.integers(18, 90, n).astype(float)
    left = rng.random(n) < np.where(town % 2 == 1, 0.9, 0.1)
    age[rng.random(n) < 0.1] = np.nan
    days = pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 500, n), unit="D")
    frame = pd.DataFrame(
        {
            "age": age,
            "visits": rng.integers(0, 9, n),
            "plan": rng.choice(np.array(["basic", "pro", None], dtype=object), n),
            "town": [f"town {t}" for t in town],
            "signed": days.strftime("%Y-%m-%d"),
            "note": [f"{'late' if x else 'fine'} call {i} about order {i * 7}" for i, x in enumerate(left)],
            "owner": [f"o{i}" for i in rng.integers(0, 50, n)],
            "fold": np.arange(n) % 4,
            "left": np.where(left, "yes", "no"),
        }
    )
    frame.iloc[n - 20 :, :-3] = frame.iloc[:20, :-3].to_numpy()
    path = folder / "t.csv"
    frame.to_csv(path, index=False)
    return path


def data_of(path: Path, split: dict[str, Any], **args: Any) -> dict[str, Any]:
    given = {"path": str(path), "target": "left", "columns": ["owner"], **args}
    if split.get("by") == "group":
        given |= {"columns": [], "group": "owner"}
    return {"name": "tabular_csv", "args": given, "validation": 0.2, "seed": 3} | (
        {"split": split} if split else {}
    )


def same(ours: np.ndarray, theirs: np.ndarray) -> bool:
    """Whether arrays are equal, holes among them."""
    return ours.dtype == theirs.dtype and bool(
        ((ours == theirs) | (pd.isna(ours) & pd.isna(theirs))).all() and ours.shape == theirs.shape
    )


def assert_same_part(ours: Split, theirs: Split) -> None:
    assert isinstance(theirs.inputs, np.ndarray)
    rows = np.asarray(ours.inputs)
    assert rows.dtype == theirs.inputs.dtype
    for name in rows.dtype.names or ():
        assert same(rows[name], theirs.inputs[name]) and same(ours.inputs[name], theirs.inputs[name])
    assert (row_hashes(ours.inputs) == row_hashes(theirs.inputs)).all()
    for ourselves, others in (
        (ours.targets, theirs.targets), (ours.ids, theirs.ids), (ours.groups, theirs.groups),
        (ours.order, theirs.order),
    ):  # fmt: skip
        assert (ourselves is None) == (others is None)
        assert ourselves is None or others is None or same(ourselves, others)
    assert ours.columns.keys() == theirs.columns.keys()
    assert all(same(values, theirs.columns[name]) for name, values in ours.columns.items())


@pytest.mark.parametrize("train_size", [None, 100])
@pytest.mark.parametrize("split", SPLITS)
def test_parts_and_folds_of_a_table_held_by_column_are_those_of_one_in_memory(
    tmp_path: Path, bound: Callable[[int], None], split: str, train_size: int | None
) -> None:
    data = data_of(table(tmp_path), SPLITS[split])
    resident = load_parts(data, train_size)
    bound(0)
    lazy = load_parts(data, train_size)
    assert all(isinstance(part.inputs, Mapped) for part in lazy.splits.values())
    for name, part in lazy.splits.items():
        assert_same_part(part, resident.splits[name])
    assert lazy.facts == resident.facts and lazy.task == resident.task and lazy.written == resident.written


@pytest.mark.parametrize("way", ["auto", "native", "ordinal", "hashed"])
def test_what_is_learnt_of_the_columns_of_a_large_table_is_the_same(
    tmp_path: Path, bound: Callable[[int], None], way: str
) -> None:
    data = data_of(table(tmp_path), {})
    found = []
    for size in (mapped.IN_MEMORY, 0):
        bound(size)
        parts = load_parts(data, None)
        learnt, own = fit_table(parts.train, parts.task, How(way), seed=1, **parts.written)
        found.append((learnt.steps, own, learnt.encode(parts.test.inputs)))
    assert found[0][0] == found[1][0]
    assert all(np.array_equal(a, b, equal_nan=True) for a, b in zip(found[0][1:], found[1][1:], strict=True))


def test_an_audit_of_a_large_table_says_the_same(tmp_path: Path, bound: Callable[[int], None]) -> None:
    frame = pd.read_csv(table(tmp_path))
    frame["closed"] = np.where(frame["left"] == "yes", frame["age"].fillna(1), 0)
    frame.to_csv(tmp_path / "t.csv", index=False)
    args = {"path": str(tmp_path / "t.csv"), "target": "left"}
    resident = audit("tabular_csv", args)
    bound(0)
    assert isinstance(catalog.load_dataset("tabular_csv", args).train.inputs, Mapped)
    assert audit("tabular_csv", args) == resident
    assert any("closed" in finding.message for finding in resident if finding.level != "good")


CANDIDATES = """\
  logistic: sklearn:LogisticRegression
  histogram: {model: 'sklearn:HistGradientBoostingClassifier', args: {max_iter: 20}}
  mlp: rows_net:build
"""
NET = """
from torch import nn

def build(task, *, width: int = 16):
    return nn.Sequential(nn.Linear(task.input_shape[0], width), nn.ReLU(), nn.Linear(width, task.num_classes))
"""


def answers(command: list[str]) -> list[dict[str, Any]]:
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_scores_and_what_an_exported_folder_answers_are_the_same(
    tmp_path: Path, bound: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Trained, scored on two folds and exported twice, once with the table held by column."""
    path = table(tmp_path)
    (tmp_path / "rows_net.py").write_text(NET)
    monkeypatch.syspath_prepend(str(tmp_path))
    suite = tmp_path / "suite.yaml"
    suite.write_text(
        "name: rows\ntask: tabular_classification\n"
        "data: {name: tabular_csv, path: t.csv, target: left, columns: [owner], "
        "split: {by: random, folds: 2}}\n"
        f"candidates:\n{CANDIDATES}serving: {{runtimes: [torch]}}\n"
        "training: {seeds: [0], epochs: 3, precision: fp32}\ndecision: {objective: maximize accuracy}\n"
    )
    found = []
    for size in (mapped.IN_MEMORY, 0):
        bound(size)
        run = run_here(suite, tmp_path / f"results {size}", kinds="train score")
        records = {r.trial.id: r for r in run.records() if r.trial.kind == "score"}
        assert len(records) == 6 and not any(r.failure for r in run.records())
        read = predictions_of(run)
        scored = {key: (r.trial.candidate, read(key).ids, read(key).outputs) for key, r in records.items()}
        deployed = {}
        for variant in ("logistic/sklearn", "histogram/sklearn", "mlp/torch"):
            out = tmp_path / f"deploy {size}" / variant.partition("/")[0]
            export_variant(run, variant, out)
            predict = [sys.executable, "-I", str(out / "predict.py"), str(rows_of(path, tmp_path))]
            deployed[variant] = answers(predict)
            assert len(deployed[variant]) == N
        found.append((scored, deployed))
    assert found[0][1] == found[1][1]
    assert found[0][0].keys() == found[1][0].keys()
    for key, (_, ids, outputs) in found[0][0].items():
        assert np.array_equal(ids, found[1][0][key][1]) and np.array_equal(outputs, found[1][0][key][2])


def rows_of(path: Path, folder: Path) -> Path:
    """The rows of the file without its answers."""
    out = folder / "rows.csv"
    with path.open() as file, out.open("w", newline="") as rows:
        reader = csv.DictReader(file)
        names = [name for name in reader.fieldnames or () if name not in ("left", "owner")]
        writer = csv.DictWriter(rows, names, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(reader)
    return out


def rows_and(last: str) -> str:
    """A hundred rows of two kinds of numbers and a text, and one that differs from them."""
    return "whole,broken,word\n" + "".join(f"{i},{i}.5,w{i}\n" for i in range(100)) + last + "\n"


@pytest.mark.parametrize("last", [
    "7,7.5,w", "7.25,7.5,w", "seven,7.5,w", "7,seven,w", "007,7.5,w", "7,7.5,12", "0x1F,7.5,w", ",,",
    "99999999999999999999,1,w", '7,7.5,"a long text\nof two lines"', "7,,w",
])  # fmt: skip
@pytest.mark.parametrize("texts", [(), ("whole",)])
def test_a_large_file_whose_first_rows_tell_the_types_is_read_as_a_small_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, last: str, texts: tuple[str, ...]
) -> None:
    path = tmp_path / "t.csv"
    path.write_text(rows_and(last))
    monkeypatch.setattr(csv_rows, "BLOCK", 400)
    small = read_file(path, Layout(), texts)
    monkeypatch.setattr(csv_rows, "LARGE", 0)
    large = read_file(path, Layout(), texts)
    assert (large.dtypes == small.dtypes).all() and large.equals(small)
    assert str(small["whole"].iloc[-1]) == last.split(",")[0] or last.startswith((",", "9"))


def test_types_are_told_by_the_first_rows_of_large_files_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "t.csv"
    path.write_text(rows_and("7,7.5,w"))
    rows = csv_rows.Rows(path, str(path), ",", 1, 3, (), ("",), "utf-8")
    assert csv_rows._types(rows, None) == {}
    monkeypatch.setattr(csv_rows, "LARGE", 0)
    assert {name: str(kind) for name, kind in csv_rows._types(rows, None).items()} == {
        "0": "int64", "1": "double", "2": "string",
    }  # fmt: skip


def test_columns_of_a_large_table_lie_in_files_and_come_back_as_they_were(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = np.array(["b", None, "a", "b"], dtype=object)
    many = np.array([f"note {i}" for i in range(4)], dtype=object)
    days = np.array(["2024-01-01", "NaT", "2024-01-02", "2024-01-03"], "M8[s]")
    values = {"x": np.array([1.0, np.nan, -0.0, 3.0]), "day": days, "word": words, "note": many}
    dtype = np.dtype([("x", "f8"), ("day", "M8[s]"), ("word", "O"), ("note", "O")])
    monkeypatch.setattr(mapped, "MOST_TEXTS", 3)
    held, kept = ByColumn(values, dtype), ByColumn(values, dtype).on_disk()
    assert isinstance(kept._values["word"], Coded) and kept._values["note"] is many
    assert isinstance(kept._values["x"], np.ndarray) and not kept._values["x"].flags.owndata
    for rows in (slice(None), 2, np.array([3, 0]), slice(1, 3)):
        for name in values:
            assert repr(kept[rows][name]) == repr(held[rows][name])
            assert same(kept[name], held[name]) and kept[name].dtype == dtype[name]
    assert not [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]


def test_columns_stay_in_memory_where_the_disk_has_no_room(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(values: np.ndarray) -> np.ndarray:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(mapped, "_mapped", full)
    held = ByColumn({"x": np.arange(3.0)}, np.dtype([("x", "f8")]))
    assert held.on_disk() is held


def test_small_parts_of_a_large_table_are_read_and_its_training_part_stays_by_column(
    tmp_path: Path, bound: Callable[[int], None]
) -> None:
    """Equal rows are counted across both, moments among what they hold."""
    data = data_of(table(tmp_path), SPLITS["group"])
    resident = load_parts(data, None)
    assert resident.facts.duplicates and resident.facts.duplicates["train_test"] > 0
    bound(250 * resident.test.inputs.dtype.itemsize)
    lazy: Parts = load_parts(data, None)
    assert lazy.facts == resident.facts
    assert [isinstance(lazy.splits[name].inputs, Mapped) for name in ("train", "validation", "test")] == [
        True, False, False,
    ]  # fmt: skip
    for name, part in lazy.splits.items():
        assert_same_part(part, resident.splits[name])


def test_an_estimator_that_needs_more_memory_than_is_free_says_how_much_at_least(
    tmp_path: Path, bound: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    from sklearn.linear_model import LogisticRegression

    from harness.tasks import estimators

    parts = load_parts(data_of(table(tmp_path), {}), None)
    numbers, _ = raw.as_numbers({"model": "sklearn:LogisticRegression", "args": {}, "seed": 0}, parts)
    monkeypatch.setattr(estimators, "available_mb", lambda: 0.001)
    with pytest.raises(
        TrialError,
        match=r"LogisticRegression needs the whole array at once: at least 0\.\d GB for 384 rows, and 0\.0",
    ):
        estimators._refuse_too_large(LogisticRegression(), numbers.train, numbers.task, copies=1)
    monkeypatch.setattr(estimators, "available_mb", lambda: 4096.0)
    estimators._refuse_too_large(LogisticRegression(), numbers.train, numbers.task, copies=1)
