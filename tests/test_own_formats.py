"""Files of every kind that people have: read as what they hold, or refused with a cure that works."""

from __future__ import annotations

import gzip
import json
import re
import shlex
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import yaml
from pyarrow import csv as arrow

from harness.datasets import tabular_csv, text_csv
from harness.datasets.raw import Layout, read_file
from harness.protocols import Dataset
from harness.record import DataError

N = 40
FRAME = pd.DataFrame({"a": range(N), "b": [f"x{i % 3}" for i in range(N)], "y": [i * 2.5 for i in range(N)]})
TEXT = FRAME.to_csv(index=False)
HEAD, _, BODY = TEXT.partition("\n")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_DATA", str(tmp_path / "cache"))


def load(path: Path, **args: Any) -> Dataset:
    return tabular_csv.load(path=str(path), **{"target": "y", **args})


def read(data: Dataset) -> dict[str, list[Any]]:
    """All rows in the file's order, column by column."""
    order = np.argsort(np.concatenate([data.train.ids, data.test.ids]))
    rows = np.concatenate([data.train.inputs, data.test.inputs])[order]
    targets = np.concatenate([data.train.targets, data.test.targets])[order]
    return {**{name: rows[name].tolist() for name in rows.dtype.names}, "y": targets.tolist()}


def same(data: Dataset) -> bool:
    found = read(data)
    return found == {"a": FRAME["a"].tolist(), "b": FRAME["b"].tolist(), "y": FRAME["y"].tolist()}


def parquet(path: Path) -> None:
    FRAME.to_parquet(path, index=False)


AS_IT_IS: dict[str, tuple[str, Callable[[Path], Any]]] = {
    "packed": ("t.csv.gz", lambda p: p.write_bytes(gzip.compress(TEXT.encode()))),
    "packed, two signs between cells": ("t.csv.gz", lambda p: p.write_bytes(
        gzip.compress(TEXT.replace(",", "::").encode()))),
    "tabs": ("t.tsv", lambda p: p.write_text(TEXT.replace(",", "\t"))),
    "Excel's mark and line ends": ("t.csv", lambda p: p.write_bytes(
        ("\ufeff" + TEXT.replace(",", ";").replace("\n", "\r\n")).encode())),
    "Excel's line that names the separator": ("t.csv", lambda p: p.write_text(
        "sep=;\r\n" + TEXT.replace(",", ";").replace("\n", "\r\n"))),
    "a separator that only that line names": ("t.csv", lambda p: p.write_text(
        "sep=^\n" + TEXT.replace(",", "^"))),
    "two bars between cells": ("t.txt", lambda p: p.write_text(TEXT.replace(",", "||"))),
    "empty lines first, between and last": ("t.csv", lambda p: p.write_text(
        "\n\n" + TEXT.replace("\n", "\n\n") + "\n\n")),
    "a separator at the end of each line": ("t.csv", lambda p: p.write_text(TEXT.replace("\n", ",\n"))),
    "the row's number in front, as pandas writes it": ("t.csv", lambda p: FRAME.to_csv(p)),
    "rows shuffled before pandas wrote them": ("t.csv", lambda p: FRAME.sample(frac=1, random_state=0)
        .set_index(pd.Index(range(N))).sort_values("a").to_csv(p)),
    "Parquet": ("t.parquet", parquet),
    "Parquet by a shorter ending": ("t.parq", parquet),
    "Parquet without an ending": ("part-0000", parquet),
}  # fmt: skip


@pytest.mark.parametrize("name", AS_IT_IS)
def test_a_table_is_the_same_however_it_is_written(tmp_path: Path, name: str) -> None:
    file, write = AS_IT_IS[name]
    write(tmp_path / file)
    assert same(load(tmp_path / file))


@pytest.mark.parametrize(
    "line",
    [
        '"CN0101","Autauga County, AL","23,288","21,025","2,263",9.7',
        "0,51,0,51,5.0,8",
    ],
)
def test_a_line_of_amounts_or_of_numbers_twice_is_no_line_of_names(line: str, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(f"{line}\n" + f"{line}\n".replace("23", "24").replace("51", "52") * 9)
    with pytest.raises(DataError, match="has no line of names, it begins with"):
        load(tmp_path / "t.csv")


def test_numbers_that_go_up_or_down_are_names_of_columns(tmp_path: Path) -> None:
    rows = "".join(f"{i % 7},{i % 5},{i % 11},{i}\n" for i in range(60))
    for names in ("142.24,144.78,147.32,y", "1952,1957,1962,y", "3999.8,3997.9,3996.1,y", "-0.5,0.5,1.5,y"):
        (tmp_path / "t.csv").write_text(f"{names}\n{rows}")
        assert load(tmp_path / "t.csv").train.inputs.dtype.names == tuple(names.split(",")[:3])


def test_a_name_may_go_over_two_lines(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text('"a\n(m)",b,y\n' + BODY)
    assert read(load(path))["a (m)"] == FRAME["a"].tolist()


def test_a_column_that_numbers_the_rows_is_left_out_and_plan_says_so(tmp_path: Path) -> None:
    FRAME.to_csv(tmp_path / "t.csv")
    (said,) = tabular_csv.notes(path=str(tmp_path / "t.csv"), target="y")
    assert "numbers the rows" in said
    named = load(tmp_path / "t.csv", features=["Unnamed: 0", "a"])
    assert read(named)["Unnamed: 0"] == list(range(N))


def write_zip(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("t.csv", TEXT)


def write_workbook(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("xl/workbook.xml", "<workbook/>")


RECORDS = FRAME.to_dict("records")
CONVERTED: dict[str, tuple[str, Callable[[Path], Any]]] = {
    "JSON lines": ("t.jsonl", lambda p: p.write_text("\n".join(json.dumps(r) for r in RECORDS))),
    "JSON": ("t.json", lambda p: p.write_text(json.dumps(RECORDS, indent=1))),
    "JSON lines with blanks": (
        "t.json",
        lambda p: p.write_text("\n".join("{ " + json.dumps(r)[1:] for r in RECORDS) + "\n\n"),
    ),
    "JSON as a trainer writes it": (
        "t.json",
        lambda p: p.write_text(
            json.dumps(
                {"best_metric": 0.5, "callbacks": {"Early": {"patience": 3}}, "log_history": RECORDS},
                indent=2,
            )
        ),
    ),
    "JSON with rows two keys deep": (
        "t.json",
        lambda p: p.write_text(json.dumps({"meta": {"n": 1}, "result": {"page": 1, "items": RECORDS}})),
    ),
    "JSON of columns": ("t.json", lambda p: p.write_text(json.dumps(FRAME.to_dict("list")))),
    "JSON as pandas writes it": ("t.json", lambda p: FRAME.to_json(p)),
    "JSON as pandas splits it": ("t.json", lambda p: FRAME.to_json(p, orient="split")),
    "JSON with its schema": ("t.json", lambda p: FRAME.to_json(p, orient="table", index=False)),
    "Feather": ("t.feather", lambda p: FRAME.to_feather(p)),
    "pickle": ("t.pkl", lambda p: FRAME.to_pickle(p)),
}


@pytest.mark.parametrize("name", CONVERTED)
def test_the_command_that_is_given_for_other_files_makes_one_that_is_read_right(
    tmp_path: Path, name: str
) -> None:
    file, write = CONVERTED[name]
    write(tmp_path / file)
    converted(tmp_path / file)
    assert same(load(tmp_path / "t.parquet"))


def converted(path: Path) -> pd.DataFrame:
    """What the command makes of a file that is refused."""
    with pytest.raises(DataError) as caught:
        load(path)
    found = re.search(r"`(python -W ignore -c .*)`", str(caught.value))
    assert found, str(caught.value)
    exec(shlex.split(found[1])[-1], {})
    return pd.read_parquet(path.with_suffix(".parquet"))


def test_rows_by_their_names_nested_cells_and_cells_of_two_types_become_a_table(tmp_path: Path) -> None:
    results = {"hellaswag": {"acc,none": 0.5, "alias": "h"}, "piqa": {"acc,none": 0.25, "alias": "p"}}
    (tmp_path / "scores.json").write_text(
        json.dumps(
            {"results": results, "configs": {"piqa": {"metrics": [{"m": "acc"}]}}, "date": 1.0}, indent=2
        )
    )
    scores = converted(tmp_path / "scores.json")
    assert scores["acc,none"].tolist() == [0.5, 0.25] and scores["row"].tolist() == ["hellaswag", "piqa"]
    films = [
        {"title": 1776, "gross": None, "by": {"name": "a"}},
        {"title": "Up", "gross": 3, "by": {"name": "b"}},
    ]
    (tmp_path / "films.json").write_text(json.dumps(films))
    table = converted(tmp_path / "films.json")
    assert table["title"].tolist() == ["1776", "Up"] and table["by.name"].tolist() == ["a", "b"]
    (tmp_path / "loss.json").write_text(json.dumps([[1764028800.5, 1, 0.9], [1764028801.5, 2, 0.7]]))
    assert converted(tmp_path / "loss.json")["x3"].tolist() == [0.9, 0.7]
    for columns in (["a", "b"], [{"name": "a"}, {"name": "b"}]):  # as dashboards write it: rows have names
        told = {"columns": columns, "data": [{"a": 1, "b": 2}, {"a": 3, "b": 4}]}
        (tmp_path / "told.json").write_text(json.dumps(told))
        assert converted(tmp_path / "told.json")["a"].tolist() == [1, 3]


def test_json_without_rows_says_what_to_write(tmp_path: Path) -> None:
    for text in ('{\n "loss": 0.5,\n "steps": 3\n}', "{}", '{"a": [1, 2'):
        (tmp_path / "t.json").write_text(text)
        with pytest.raises(DataError, match="is JSON: it holds no rows: write a list of them"):
            load(tmp_path / "t.json")


REFUSED: dict[str, tuple[str, Callable[[Path], Any], str]] = {
    "zip": ("t.zip", write_zip, "is a zip archive: unpack it"),
    "a workbook": ("t.xlsx", write_workbook, "is an Excel workbook: save its sheet as CSV"),
    "a workbook called CSV": ("t.csv", write_workbook, "is an Excel workbook: save its sheet as CSV"),
    "packed, and not called so": ("t.csv", lambda p: p.write_bytes(gzip.compress(TEXT.encode())),
                                  r"end in \.gz"),
    "CSV called Parquet": ("t.parquet", lambda p: p.write_text(TEXT), "is called Parquet"),
    "a folder": ("t", lambda p: p.mkdir(), "is a folder, and a table is one file: give the file in it"),
    "the line of names twice": ("t.csv", lambda p: p.write_text(TEXT + TEXT), "again in row 41: take it out"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_table_of_text_is_called_what_it_is(tmp_path: Path, name: str) -> None:
    file, write, said = REFUSED[name]
    write(tmp_path / file)
    with pytest.raises(DataError, match=said):
        load(tmp_path / file)


def test_a_folder_of_parquet_files_is_put_together_by_the_command_that_is_given(tmp_path: Path) -> None:
    (tmp_path / "t").mkdir()
    FRAME[:20].to_parquet(tmp_path / "t" / "part-0.parquet", index=False)
    FRAME[20:].to_parquet(tmp_path / "t" / "part-1.parquet", index=False)
    with pytest.raises(DataError, match="put its Parquet files into one") as caught:
        load(tmp_path / "t")
    found = re.search(r"`(python -W ignore -c .*)`", str(caught.value))
    assert found
    exec(shlex.split(found[1])[-1], {})
    assert same(load(tmp_path / "t.parquet"))


DATES: dict[str, tuple[Callable[[int], str], str]] = {
    "a day that there is not": (
        lambda i: "2024-02-30" if i == 3 else f"2024-03-{i % 28 + 1:02d}", "2024-02-30"),
    "MySQL's day for nothing": (
        lambda i: "0000-00-00" if i % 9 == 3 else f"2024-03-{i % 28 + 1:02d}", "0000-00-00"),
    "an hour that there is not": (
        lambda i: "2024-03-01 25:10" if i == 3 else f"2024-03-{i % 28 + 1:02d} 10:10", "2024-03-01 25:10"),
    "words between dates": (lambda i: "unknown" if i % 2 else f"2024-03-0{i % 7 + 1}", "unknown"),
    "one word": (lambda i: "soon" if i == 3 else f"{i % 28 + 1}.3.2024", "soon"),
}  # fmt: skip


@pytest.mark.parametrize("name", DATES)
def test_what_is_no_date_in_a_column_of_dates_is_never_a_hole_or_a_category_in_silence(
    tmp_path: Path, name: str
) -> None:
    cell, wrong = DATES[name]
    path = tmp_path / "t.csv"
    path.write_text("a,row,y\n" + "".join(f"{cell(i)},{i},{i * 0.5}\n" for i in range(N)))
    with pytest.raises(DataError, match=re.escape(wrong)) as caught:
        load(path)
    cure = re.search(r"`(missing: [^`]+)`", str(caught.value))
    assert cure
    found = read(load(path, **yaml.safe_load(cure[1])))
    assert [i for i, cell_ in enumerate(found["a"]) if cell_ is None] == [
        i for i in range(N) if cell(i) == wrong
    ]


def shaped(i: int, shape: str) -> str:
    return (pd.Timestamp("2024-01-01 13:07:05") + pd.Timedelta(days=3 * i)).strftime(shape)


@pytest.mark.parametrize(
    "shape",
    [
        "%d.%m.%y", "%m/%d/%y", "%a, %d %b %Y %H:%M:%S GMT", "%a %b %d %H:%M:%S %Y",
        "%d/%b/%Y:%H:%M:%S +0000", "%Y%m%dT%H%M%S",
    ],
)  # fmt: skip
def test_dates_of_a_form_that_is_not_read_are_refused_and_the_proposed_form_reads_them(
    tmp_path: Path, shape: str
) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a;y\n" + "".join(f"{shaped(i, shape)};{i * 0.5}\n" for i in range(N)))
    with pytest.raises(DataError, match="holds dates that are written in no way that is read") as caught:
        load(path)
    cures = [
        yaml.safe_load(part)["dates"]["a"] for part in re.findall(r"`(dates: [^`]+)`", str(caught.value))
    ]
    full = "%H" in shape
    days = [
        pd.Timestamp(shaped(i, "%Y-%m-%d %H:%M:%S" if full else "%Y-%m-%d")).to_pydatetime() for i in range(N)
    ]
    assert days in [read(load(path, dates={"a": cure}))["a"] for cure in cures]


@pytest.mark.parametrize("cell", ["two styles", "a zone by its letters", "months of another language"])
def test_dates_that_no_one_form_fits_are_refused(tmp_path: Path, cell: str) -> None:
    write = {
        "two styles": lambda i: shaped(i, "%Y-%m-%d" if i % 2 else "%d.%m.%Y"),
        "a zone by its letters": lambda i: shaped(i, "%Y-%m-%d %H:%M:%S EST"),
        "months of another language": lambda i: f"{i % 28 + 1}. Januar 2024",
    }[cell]
    path = tmp_path / "t.csv"
    path.write_text("a;y\n" + "".join(f"{write(i)};{i * 0.5}\n" for i in range(N)))
    with pytest.raises(DataError, match="holds dates"):
        load(path)


def test_a_day_far_away_is_a_day(tmp_path: Path) -> None:
    """Nanoseconds end in 2262, and 9999-12-31 is how many databases write never."""
    path = tmp_path / "t.csv"
    path.write_text(
        "a,y\n" + "".join(f"{'9999-12-31' if i == 3 else shaped(i, '%Y-%m-%d')},{i}.5\n" for i in range(N))
    )
    assert read(load(path))["a"][3].year == 9999


@pytest.mark.parametrize(
    "values", [("Yes", "yes", "no"), ("x", "x\u200b", "y"), ("caf\u00e9", "cafe\u0301", "tea")]
)
def test_values_that_look_alike_are_said(tmp_path: Path, values: tuple[str, ...]) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a,row,y\n" + "".join(f"{values[i % 3]},{i},{i * 0.5}\n" for i in range(N)))
    assert any(
        "differ in case, blanks or marks only" in said and repr(values[0]) in said and repr(values[1]) in said
        for said in tabular_csv.notes(path=str(path), target="y")
    )


def test_infinite_numbers_are_said(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a,y\n" + "".join(f"{'-inf' if i in (3, 9) else i},{i * 0.5}\n" for i in range(N)))
    assert "column 'a' is infinite in 2 rows: taken as empty" in tabular_csv.notes(path=str(path), target="y")


LISTS: dict[str, Callable[[list[str]], str]] = {
    "Python": lambda labels: '"' + str(labels) + '"',
    "JSON": lambda labels: '"' + json.dumps(labels).replace('"', '""') + '"',
    "blanks": " ".join,
}


@pytest.mark.parametrize("name", [*LISTS, "Parquet"])
def test_lists_of_labels_are_several_labels_a_row(tmp_path: Path, name: str) -> None:
    labels = [["a", "b"], ["a"], ["b", "c"], ["c"], ["a", "b", "c"], ["b"]]
    rows = [labels[i % 6] for i in range(N)]
    path = tmp_path / ("t.parquet" if name == "Parquet" else "t.csv")
    if name == "Parquet":
        pd.DataFrame({"text": [f"word{i}" for i in range(N)], "label": rows}).to_parquet(path)
    else:
        path.write_text(
            "text,label\n" + "".join(f"word{i},{LISTS[name](row)}\n" for i, row in enumerate(rows))
        )
    with pytest.raises(DataError, match="would be 6 classes instead of 3") as caught:
        text_csv.load(path=str(path))
    cure = re.search(r"`(label_separator: [^`]+)`", str(caught.value))
    assert cure
    data = text_csv.load(path=str(path), **yaml.safe_load(cure[1]))
    assert data.task.class_names == ("a", "b", "c")
    order = np.argsort(np.concatenate([data.train.ids, data.test.ids]))
    found = np.concatenate([data.train.targets, data.test.targets])[order]
    assert found.tolist() == [[int(label in row) for label in "abc"] for row in rows]


def test_names_of_two_words_are_classes(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    names = ["red wine", "white wine", "sparkling wine", "beer"]
    path.write_text("text,label\n" + "".join(f"word{i},{names[i % 4]}\n" for i in range(N)))
    assert text_csv.load(path=str(path)).task.class_names == tuple(sorted(names))


@pytest.mark.parametrize(
    "names",
    [
        ["Very High", "Fairly High", "Average", "Fairly Low", "Very Low", "High", "Low"],
        ["strongly agree", "somewhat agree", "agree", "disagree", "somewhat disagree", "strongly disagree"],
    ],
)
def test_degrees_of_a_scale_are_classes_and_labels_that_stand_anywhere_are_several(
    names: list[str], tmp_path: Path
) -> None:
    path = tmp_path / "t.csv"
    path.write_text("text,label\n" + "".join(f"word{i},{names[i % len(names)]}\n" for i in range(80)))
    assert text_csv.load(path=str(path)).task.class_names == tuple(sorted(names))
    several = ["rude spam", "spam toxic", "rude", "rude toxic", "toxic spam"]
    path.write_text("text,label\n" + "".join(f"word{i},{several[i % 5]}\n" for i in range(80)))
    with pytest.raises(DataError, match="holds several labels in one cell"):
        text_csv.load(path=str(path))


@pytest.mark.parametrize(
    ("text", "layout"),
    [
        ("name;n\nKöln;1\n", Layout(encoding="cp1252")),
        ("name::n\nKöln::1\n", Layout()),
        ('name,n\n "Köln",1\n', Layout()),
        ("name,n\nKöln,1\n", Layout()),
    ],
)
def test_no_thread_of_arrow_needs_python_to_read_a_file(
    text: str, layout: Layout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What arrow reads lies in its own memory or in a file."""
    (tmp_path / "t.csv").write_text(text, encoding=layout.encoding)
    sources = []
    read = arrow.read_csv

    def noted(source: Any, **options: Any) -> Any:
        sources.append((source, options["read_options"].encoding))
        return read(source, **options)

    monkeypatch.setattr(arrow, "read_csv", noted)
    frame = read_file(tmp_path / "t.csv", layout)
    assert frame.to_dict("list") == {"name": ["Köln"], "n": [1]}
    assert sources and all(
        isinstance(source, (str, pa.BufferReader)) and encoding in ("utf8", "utf-8")
        for source, encoding in sources
    )
