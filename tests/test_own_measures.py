"""Cells with units, durations, words for yes and no, codes: read right, or refused with what to write.

And quotes that nobody closed: no row may vanish in a text.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from harness.datasets import tabular_csv, text_csv
from harness.exported.tables import TableEncoding
from harness.planning.notes import plan_notes
from harness.protocols import Dataset
from harness.reading import read_suite
from harness.record import DataError

N = 60
HOURS = pd.to_timedelta(np.arange(N) * 3700, unit="s")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_DATA", str(tmp_path / "cache"))


def write(
    path: Path, cell: Callable[[int], str], answer: Callable[[int], str] = lambda i: "ab"[i % 2]
) -> Path:
    rows = [f"{cell(i)};{answer(i)};{i}" for i in range(N)]
    (path / "t.csv").write_text("a;y;row\n" + "\n".join(rows) + "\n")
    return path / "t.csv"


def load(path: Path, **args: Any) -> Dataset:
    return tabular_csv.load(path=str(path), **{"target": "y", **args})


def notes(path: Path, **args: Any) -> str:
    return "\n".join(tabular_csv.notes(path=str(path), **{"target": "y", **args}))


def values(data: Dataset, name: str = "a") -> list[Any]:
    order = np.argsort(np.concatenate([data.train.ids, data.test.ids]))
    cells: list[Any] = np.concatenate([data.train.inputs, data.test.inputs])[order][name].tolist()
    return cells


def clock(i: int) -> str:
    minutes, seconds = divmod(i * 3700, 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{seconds:02d}"


MEASURES: dict[str, tuple[Callable[[int], str], Callable[[int], float]]] = {
    "weights": (lambda i: f"{i}.5 kg", lambda i: i + 0.5),
    "without a blank": (lambda i: f"{1000 + i}CC", lambda i: 1000.0 + i),
    "one and several": (lambda i: f"{i + 1} year{'s' if i else ''}", lambda i: i + 1.0),
    "a sign": (lambda i: f"-{i}°C", lambda i: -float(i)),
    "thousands in a letter": (lambda i: f"{i}.2k", lambda i: i + 0.2),
    "hours beyond a day": (clock, lambda i: 3700.0 * i),
    "as pandas writes them": (lambda i: str(HOURS[i]), lambda i: 3700.0 * i),
    "times of a day": (lambda i: f"{i % 24}:{i:02d}", lambda i: i % 24 * 3600.0 + i * 60),
}


@pytest.mark.parametrize("name", MEASURES)
def test_numbers_with_a_unit_and_durations_are_numbers_also_for_a_client(tmp_path: Path, name: str) -> None:
    cell, wanted = MEASURES[name]
    data = load(write(tmp_path, cell))
    assert data.task.columns[0] == "number"
    np.testing.assert_allclose(values(data), [wanted(i) for i in range(N)])
    table = TableEncoding(data.written["columns"], [], data.written["notation"])
    sent = table.rows([{"a": cell(i), "row": i} for i in range(N)])
    np.testing.assert_allclose(sent["a"], [wanted(i) for i in range(N)])


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (("12 kg", "500 g"), r"write all of them in one unit \(g, kg\)"),
        (("23.4 kmpl", "17 km/kg", "20 kmpl"), r"in one unit \(km/kg, kmpl\)"),
        (("1.2k", "3.4M"), r"in one unit \(M, k\)"),
        (("12 kg", "13"), r"no number: '12 kg' in row 1"),
        (("12 kg", "13 kg", "heavy"), r"no number: 'heavy' in row 3"),
        (("59:30", "1:02:03"), r"'59:30' may be minutes or hours beside '1:02:03': write all as h:mm:ss"),
    ],
)
def test_numbers_of_several_units_are_refused_and_may_be_categories(
    tmp_path: Path, cells: tuple[str, ...], message: str
) -> None:
    path = write(tmp_path, lambda i: cells[i % len(cells)])
    with pytest.raises(DataError, match=message) as caught:
        load(path)
    assert "categories: [a]" in str(caught.value)
    assert load(path, categories=["a"]).task.columns[0] == "category"


@pytest.mark.parametrize(
    "cells", [("1st", "2nd"), ("4x4", "2x2"), ("12A", "12C", "14F"), ("3D", "2D"), ("10-20", "20-30")]
)
def test_codes_that_begin_with_a_number_are_categories(tmp_path: Path, cells: tuple[str, ...]) -> None:
    assert load(write(tmp_path, lambda i: cells[i % len(cells)])).task.columns[0] == "category"


def test_a_target_with_a_unit_is_a_number_and_plan_says_of_what(tmp_path: Path) -> None:
    path = write(tmp_path, lambda i: str(i), lambda i: f"{i % 4}.5 kg")
    data = load(path)
    assert data.task.name == "tabular_regression"
    assert sorted(set(np.concatenate([data.train.targets, data.test.targets]).tolist())) == [
        0.5,
        1.5,
        2.5,
        3.5,
    ]
    assert "the target 'y' is in kg" in notes(path)


@pytest.mark.parametrize(
    "words",
    [("yes", "no", "Y", "N"), ("True", "False", "yes", "no"), ("t", "f", "1", "0"), ("Yes", "n", "no")],
)
def test_words_for_yes_and_no_are_two_classes_once_the_cures_are_written(
    tmp_path: Path, words: tuple[str, ...]
) -> None:
    path = write(tmp_path, str, lambda i: words[i % len(words)])
    with pytest.raises(DataError, match="all mean yes, or all mean no") as caught:
        load(path, kind="classes")
    labels: dict[str, str] = {}
    for mistake in caught.value.mistakes:
        first = re.findall(r"`(labels: [^`]+)`", mistake)[0]
        labels |= {str(old): str(new) for old, new in yaml.safe_load(first)["labels"].items()}
    assert load(path, kind="classes", labels=labels).task.num_classes == 2


def test_plan_says_that_values_of_a_column_mean_the_same(tmp_path: Path) -> None:
    said = notes(write(tmp_path, lambda i: ("yes", "no", "Y", "n")[i % 4]))
    assert "'Y' and 'yes'" in said and "'n' and 'no'" in said
    assert "mean the same" not in notes(write(tmp_path, lambda i: ("yes", "no", "never", "n")[i % 4]))


def test_numbers_with_zeros_in_front_are_said_and_may_be_codes(tmp_path: Path) -> None:
    path = write(tmp_path, lambda i: ("02139", "10001", "00501")[i % 3])
    assert values(load(path))[:3] == [2139, 10001, 501]
    assert "column 'a' is written with zeros in front, for instance '02139'" in notes(path)
    assert values(load(path, categories=["a"]))[:3] == ["02139", "10001", "00501"]
    for plain in ("0", "0.25", "10", "05"):  # a month, an hour
        assert notes(write(tmp_path, lambda i, plain=plain: plain if i % 2 else "7")) == ""


def test_columns_that_say_nothing_are_told(tmp_path: Path) -> None:
    for cell in ("1", "", "red"):
        assert "column 'a' has one value in all training rows" in notes(
            write(tmp_path, lambda i, cell=cell: cell)
        )


def test_names_with_a_number_above_other_words_with_one_are_names(tmp_path: Path) -> None:
    rows = [f"{('east', 'west')[i % 2]}_{i % 4},ABC{i % 9}23,{'yn'[i % 2]}\n" for i in range(N)]
    (tmp_path / "t.csv").write_text("".join(["zone_1,plate1,late\n", *rows]))
    assert len(load(tmp_path / "t.csv", target="late").train) > 0


def test_a_row_of_words_that_comes_back_is_no_line_of_names_that_stands_twice(tmp_path: Path) -> None:
    """Of three columns of few words the first row stands again: it was lost."""
    rows = [f"{('red', 'blue')[i % 2]},{'sml'[i % 3]},{('yes', 'no')[i // 2 % 2]}\n" for i in range(N)]
    (tmp_path / "t.csv").write_text("".join(rows))
    with pytest.raises(DataError, match="has no line of names, it begins with red, s, yes"):
        load(tmp_path / "t.csv", target="yes")
    (tmp_path / "u.csv").write_text("".join(["colour,size,y\n", *rows, "colour,size,y\n", *rows]))
    with pytest.raises(DataError, match="has no column 'late'"):
        load(tmp_path / "u.csv", target="late")


def test_a_table_without_a_line_of_names_is_refused(tmp_path: Path) -> None:
    rows = [f"{i % 5}.1,{i % 7}.5,{('setosa', 'virginica')[i % 2]}" for i in range(N)]
    (tmp_path / "t.csv").write_text("\n".join(rows) + "\n")
    for target in ("species", "setosa"):
        with pytest.raises(
            DataError, match=r"t\.csv has no line of names, it begins with 0\.1, 0\.5, setosa"
        ):
            load(tmp_path / "t.csv", target=target)
    (tmp_path / "t.csv").write_text(
        "2019,2020,y\n" + "".join(f"{i},{i % 9},{'ab'[i % 2]}\n" for i in range(N))
    )
    assert len(load(tmp_path / "t.csv").train) > 0  # years are names


# ------------------------------------------------------------------------------------------------- quotes


def texts(path: Path, lines: list[str], separator: str) -> Path:
    file = path / ("t.tsv" if separator == "\t" else "t.csv")
    file.write_text(f"text{separator}label\n" + "\n".join(lines) + "\n")
    return file


def read(path: Path) -> list[str]:
    data = text_csv.load(path=str(path))
    order = np.argsort(np.concatenate([data.train.ids, data.test.ids]))
    both = [*data.train.inputs, *data.test.inputs]
    return [both[i] for i in order]


@pytest.mark.parametrize("opened", [(3, 9), (3,), (3, 4, 20)])
def test_a_quote_that_nobody_closed_swallows_no_rows_of_a_tab_separated_file(
    tmp_path: Path, opened: tuple[int, ...]
) -> None:
    wanted = [('"' if i in opened else "") + f"text number {i}" for i in range(30)]
    lines = [f"{text}\t{('pos', 'neg')[i % 2]}" for i, text in enumerate(wanted)]
    assert read(texts(tmp_path, lines, "\t")) == wanted


def test_a_quote_that_nobody_closed_is_refused_where_commas_stand_between(tmp_path: Path) -> None:
    lines = [('"' if i in (3, 9) else "") + f"text number {i},{('pos', 'neg')[i % 2]}" for i in range(30)]
    with pytest.raises(
        DataError, match="row 4 goes over several lines, each of which has 2 cells of its own"
    ):
        read(texts(tmp_path, lines, ","))


@pytest.mark.parametrize("separator", [",", "\t"])
def test_texts_in_quotes_keep_their_lines_and_quotes(tmp_path: Path, separator: str) -> None:
    wanted = [f'line {i}, so\nand "another"' if i % 5 == 0 else f"text {i}" for i in range(30)]
    frame = pd.DataFrame({"text": wanted, "label": ["pos", "neg"] * 15})
    file = tmp_path / "t.csv"
    frame.to_csv(file, index=False, sep=separator)
    assert read(file) == wanted


def test_cells_and_a_line_in_one_cell_are_refused(tmp_path: Path) -> None:
    lines = [f"text {i}\tpos" for i in range(20)]
    lines[2], lines[3], lines[6] = '"open\tpos', '"two\nlines"\tneg', '"closed\tneg'
    with pytest.raises(DataError, match="a quote is opened and not closed|another number of cells"):
        read(texts(tmp_path, lines, "\t"))


def test_a_text_may_be_longer_than_a_block(tmp_path: Path) -> None:
    long = "word " * 600_000
    lines = [f"text {i},{('pos', 'neg')[i % 2]}" for i in range(30)]
    assert read(texts(tmp_path, [*lines, f"{long.strip()},pos"], ","))[30] == long.strip()


@pytest.mark.parametrize("form", ["csv", "gz", "two signs", "blank", "parquet", "times", "texts in parquet"])
def test_plan_says_that_a_target_of_durations_is_predicted_in_seconds(tmp_path: Path, form: str) -> None:
    """An mae of 341 was said, of what nobody knew."""
    frame = pd.DataFrame({"a": range(N), "took": [clock(i) for i in range(N)]})
    path = tmp_path / f"t.{form.split()[-1]}"
    if form == "parquet":
        frame.assign(took=HOURS).to_parquet(path)
    elif form == "times":
        seconds = [datetime.time(i % 24, i % 60) for i in range(N)]
        frame.assign(took=seconds).to_parquet(path)
    elif form.startswith("texts"):
        frame.to_parquet(path)
    elif form in CUT:  # as `read_file` cuts them
        path = path.with_name("t.csv")
        path.write_text(
            CUT[form].join(["a", '"took"\n']) + "".join(f"{i}{CUT[form]}{clock(i)}\n" for i in range(N))
        )
    else:
        path = path.with_name("t.csv.gz") if form == "gz" else path
        frame.to_csv(path, index=False, sep=";")
    (tmp_path / "suite.yaml").write_text(TIMED.format(path=path.name))
    said = plan_notes(read_suite(tmp_path / "suite.yaml"))
    assert sum("target 'took' holds durations or times of day: predicted as seconds" in s for s in said) == 1


@pytest.mark.parametrize("value", ["{i}.5", "{i}", "{i}.5 kg"])
def test_other_targets_are_not_called_durations(tmp_path: Path, value: str) -> None:
    rows = "\n".join(f"{i},{value.format(i=i)}" for i in range(N))
    (tmp_path / "t.csv").write_text(f"a,took\n{rows}\n")
    (tmp_path / "suite.yaml").write_text(TIMED.format(path="t.csv"))
    assert not any("seconds" in note for note in plan_notes(read_suite(tmp_path / "suite.yaml")))


CUT = {"two signs": "::", "blank": ", "}

TIMED = """\
name: timed
task: tabular_regression
data: {{name: tabular_csv, path: {path}, target: took}}
candidates: {{ridge: "sklearn:Ridge"}}
decision: {{objective: minimize mae}}
"""
