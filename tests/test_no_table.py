"""Files that are no table as they stand: called what they are, with a cure that makes a table of them."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from harness.datasets import tabular_csv
from harness.protocols import Dataset
from harness.record import DataError

N = 40
ROWS = [(i * 7 % 13, i / 4, "pq"[i % 2]) for i in range(N)]
PLAIN = "a,b,y\n" + "".join(f"{a},{b},{y}\n" for a, b, y in ROWS)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_DATA", str(tmp_path / "cache"))


def refused(path: Path, **args: str) -> str:
    with pytest.raises(DataError) as caught:
        tabular_csv.load(path=str(path), target="y", **args)
    return str(caught.value)


def write(folder: Path, text: str, name: str = "t.csv") -> Path:
    (folder / name).write_text(text)
    return folder / name


def run_cure(message: str) -> None:
    """Do what a message says to type."""
    typed = re.search(r"`(python -c .*)`", message)
    assert typed, message
    subprocess.run([sys.executable, *shlex.split(typed[1])[1:]], check=True)


def is_the_table(data: Dataset, first: str = "a", second: str = "b") -> bool:
    order = np.argsort(np.concatenate([data.train.ids, data.test.ids]))
    rows = np.concatenate([data.train.inputs[:], data.test.inputs[:]])[order]
    targets = np.concatenate([data.train.targets, data.test.targets])[order]
    return (
        rows[first].tolist() == [a for a, _, _ in ROWS]
        and rows[second].tolist() == [b for _, b, _ in ROWS]
        and targets.tolist() == ["pq".index(y) for _, _, y in ROWS]
    )


def test_arff_is_called_so_and_the_command_makes_a_table_of_it(tmp_path: Path) -> None:
    head = (
        "% a remark\n\n@RELATION r\n@attribute a numeric\n@attribute b numeric\n@attribute y {p,q}\n@data\n"
    )
    message = refused(write(tmp_path, head + PLAIN.partition("\n")[2], "t.arff"))
    assert "is ARFF" in message
    run_cure(message)
    assert is_the_table(tabular_csv.load(path=str(tmp_path / "t.parquet"), target="y"))


@pytest.mark.parametrize("remark", ["", "# by label\n"])
def test_rows_of_libsvm_are_called_so_and_the_command_makes_a_table_of_them(
    tmp_path: Path, remark: str
) -> None:
    text = remark + "".join(f"{'pq'.index(y)} 1:{a} 2:{b}\n" for a, b, y in ROWS)
    message = refused(write(tmp_path, text, "t.svm"))
    assert "LIBSVM" in message
    run_cure(message)
    data = tabular_csv.load(path=str(tmp_path / "t.parquet"), target="y")
    assert is_the_table(data, "x0", "x1")


@pytest.mark.parametrize("quote", ['"', ""])
def test_rows_with_names_as_r_writes_them_ask_for_a_name_of_the_first_column(
    tmp_path: Path, quote: str
) -> None:
    head, _, rows = PLAIN.partition("\n")
    head = ",".join(f"{quote}{name}{quote}" for name in head.split(","))
    numbered = "".join(f"{quote}{i}{quote},{row}\n" for i, row in enumerate(rows.splitlines()))
    message = refused(write(tmp_path, f"{head}\n{numbered}"))
    assert "write a name for the first column, which has none: `row,a,…`" in message
    named = write(tmp_path, f"row,{head}\n{numbered}")
    assert is_the_table(tabular_csv.load(path=str(named), target="y", features=["a", "b"]))


def test_a_separator_at_the_end_of_rows_alone_asks_for_one_behind_the_names(tmp_path: Path) -> None:
    head, _, rows = PLAIN.partition("\n")
    rows = rows.replace("\n", ",\n")
    assert "write one more ',' behind the line of names" in refused(write(tmp_path, f"{head}\n{rows}"))
    assert is_the_table(tabular_csv.load(path=str(write(tmp_path, f"{head},\n{rows}")), target="y"))


@pytest.mark.parametrize("above", ["# made by hand\n", "Report of 2024,,\n", "Report,,\n,,\nunits,kg,\n"])
def test_what_stands_above_the_names_is_to_be_taken_out(tmp_path: Path, above: str) -> None:
    message = refused(write(tmp_path, above + PLAIN))
    assert "take out what stands above the line of names" in message


def test_blanks_between_cells_name_the_separator_or_a_command(tmp_path: Path) -> None:
    assert 'write `separator: " "`' in refused(path := write(tmp_path, PLAIN.replace(",", " "), "t.txt"))
    assert is_the_table(tabular_csv.load(path=str(path), target="y", separator=" "))
    padded = write(tmp_path, "".join(f"{a:<8}{b:<8}{y}\n" for a, b, y in [("a", "b", "y"), *ROWS]), "t.txt")
    message = refused(padded, separator=" ")
    run_cure(message)
    assert is_the_table(tabular_csv.load(path=str(tmp_path / "t.csv"), target="y"))


@pytest.mark.parametrize("cell", ["'5'", "'1.5e3'", "'-2,5'"])
def test_numbers_in_single_quotes_are_no_categories(tmp_path: Path, cell: str) -> None:
    text = "a,b,y\n" + "".join(f'"{cell}",{b},{y}\n' for _, b, y in ROWS)
    message = refused(write(tmp_path, text))
    assert "'a' holds numbers in single quotes" in message
    data = tabular_csv.load(path=str(tmp_path / "t.csv"), target="y", categories=["a"])
    assert set(data.train.inputs["a"]) == {cell}
