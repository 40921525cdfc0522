"""Columns as spreadsheets, bookkeepers and other countries write them: read right and said, or refused."""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from harness.datasets import tabular_csv
from harness.exported import tables
from harness.protocols import Dataset
from harness.record import DataError

N = 60
Cell = Callable[[int], str]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_DATA", str(tmp_path / "cache"))


def column(folder: Path, cell: Cell, name: str = "a", beside: Cell = str) -> Path:
    """A file of one column, the answer, and a further column that makes all rows differ."""
    rows = [f"{cell(i)}\t{('yes', 'no')[i // 2 % 2]}\t{beside(i)}\n" for i in range(N)]
    (folder / "t.csv").write_text(f"{name}\ty\trow\n" + "".join(rows), encoding="utf-8")
    return folder / "t.csv"


def load(path: Path, **args: Any) -> Dataset:
    return tabular_csv.load(path=str(path), **{"target": "y", **args})


def said(path: Path, **args: Any) -> list[str]:
    return list(tabular_csv.notes(path=str(path), **{"target": "y", **args}))


def values(data: Dataset, name: str = "a") -> np.ndarray:
    """A column in the file's order."""
    order = np.argsort(np.concatenate([data.train.ids, data.test.ids]))
    return np.asarray(np.concatenate([data.train.inputs[name], data.test.inputs[name]])[order])


def cures(error: pytest.ExceptionInfo[DataError]) -> list[dict[str, Any]]:
    """What the message says to write, as a suite would hold it."""
    return [yaml.safe_load(part) for part in re.findall(r"`(\w+: [^`]+)`", str(error.value))]


def sent(data: Dataset, cells: Sequence[str]) -> list[float]:
    """What an exported model makes of the file's own cells."""
    columns = [one for one in data.written["columns"] if one["name"] == "a"]
    rows = tables.TableEncoding(columns, [], data.written["notation"]).rows([{"a": cell} for cell in cells])
    return [float(value) for value in rows["a"]]


# ------------------------------------------------------------------------------------- points and thousands

POINTED: dict[str, Cell] = {
    "999": lambda i: f"1.{i:03d}" if i % 2 else str(900 + i),
    "0": lambda i: f"1.{i:03d}" if i % 2 else "0",
    "millions": lambda i: f"3.{i:03d}.500" if i % 3 == 0 else f"-12.{i:03d}" if i % 3 == 1 else str(i),
}


@pytest.mark.parametrize("beside", ["999", "0"])
def test_thousands_with_points_beside_whole_numbers_are_asked_for_and_both_cures_work(
    tmp_path: Path, beside: str
) -> None:
    """`1.234` beside `999`: arrow reads 1.234, a German or Brazilian meant 1234."""
    path = column(tmp_path, POINTED[beside])
    with pytest.raises(DataError, match=r"'1\.001' beside '\d+' may be a number of three decimals") as caught:
        load(path)
    decimals, *thousands = cures(caught)
    assert values(load(path, **decimals))[1] == 1.001
    assert values(load(path, **(thousands[0] | thousands[1])))[:2].tolist() == [
        float(POINTED[beside](0)),
        1001,
    ]


def test_millions_with_points_name_the_notation_that_reads_them(tmp_path: Path) -> None:
    path = column(tmp_path, POINTED["millions"])
    with pytest.raises(DataError, match="no number") as caught:
        load(path)
    first, second = cures(caught)
    assert values(load(path, **first, **second))[:3].tolist() == [3000500, -12001, 2]


def test_three_decimals_everywhere_are_decimals_and_plan_says_what_else_they_may_be(tmp_path: Path) -> None:
    path = column(tmp_path, lambda i: f"1.{i:03d}" if i % 2 else f"12.{i:03d}")
    assert values(load(path))[:2].tolist() == [12.0, 1.001]
    (note,) = [note for note in said(path) if "'a'" in note]
    assert "'12.000' is read with a decimal point: write `thousands: \"\"` if points are decimal ones" in note
    assert not any("'a'" in note for note in said(path, thousands=""))
    assert values(load(path, decimal=",", thousands="."))[:2].tolist() == [12000, 1001]


@pytest.mark.parametrize(
    "cell",
    [
        lambda i: f"1.{i:03d}" if i % 2 else f"12.{i % 9 + 1}",
        lambda i: f"1.{i:03d}" if i % 2 else f"0.{i:03d}",
        lambda i: f"1.{i:03d}" if i % 2 else str(1000 + i),
        lambda i: f"1.{i:03d}" if i % 2 else f"-.{i:03d}",
        lambda i: f"1.{i:04d}" if i % 2 else "7",
        lambda i: f"{i}.25",
    ],
)
def test_one_number_that_can_only_be_a_decimal_settles_its_column(tmp_path: Path, cell: Cell) -> None:
    path = column(tmp_path, cell)
    assert values(load(path)).tolist() == [float(cell(i)) for i in range(N)]
    assert not [note for note in said(path) if "'a'" in note]


def test_decimals_in_another_column_settle_points_and_plan_says_so(tmp_path: Path) -> None:
    path = column(tmp_path, POINTED["999"], beside=lambda i: f"{i}.5")
    assert values(load(path))[1] == 1.001
    assert any("column 'a': '1.001' is read with a decimal point" in note for note in said(path))


def test_a_target_of_points_is_asked_for_too(tmp_path: Path) -> None:
    path = column(tmp_path, POINTED["999"])
    with pytest.raises(DataError, match="column 'a': '1.001' beside '900'"):
        load(path, target="a", features=["row"])
    assert load(path, target="a", features=["row"], decimal=",", thousands=".").train.targets.max() == 1059


def test_points_of_texts_in_parquet_are_asked_for_and_floats_are_what_they_are(tmp_path: Path) -> None:
    texts = [POINTED["999"](i) for i in range(N)]
    rows = {"y": ["yes", "no"] * (N // 2), "row": range(N)}
    for made, refused in ((pa.array(texts), True), (pa.array([float(t) for t in texts]), False)):
        pq.write_table(pa.table({"a": made, **rows}), tmp_path / "t.parquet")
        if refused:
            with pytest.raises(DataError, match="may be a number of three decimals"):
                load(tmp_path / "t.parquet")
        else:
            assert values(load(tmp_path / "t.parquet"))[1] == 1.001


# ------------------------------------------------------------------------------ read, and read by clients too

READ: dict[str, tuple[Cell, dict[str, Any], Callable[[int], float], str]] = {
    "brackets": (lambda i: f"({i})" if i % 2 else str(i), {}, lambda i: i * (-1) ** i, "'(1)' is read as"),
    "brackets around dollars": (
        lambda i: f"(${i}.50)" if i % 2 else f"${i}.50", {}, lambda i: (i + 0.5) * (-1) ** i,
        "negative number",
    ),
    "dollars before brackets": (lambda i: f"$({i})" if i % 2 else f"${i}", {}, lambda i: i * (-1) ** i,
                                "negative number"),
    "a minus at the end": (lambda i: f"{i},5-" if i % 2 else f"{i},5", {"decimal": ","},
                           lambda i: (i + 0.5) * (-1) ** i, "'1,5-' is read as a negative number"),
    "a minus sign": (lambda i: f"−{i}" if i % 2 else str(i), {}, lambda i: i * (-1) ** i, ""),
    "a dash for a minus": (lambda i: f"–{i}.5" if i % 2 else str(i), {},
                           lambda i: -(i + 0.5) if i % 2 else i, ""),
    "a hyphen that does not break": (lambda i: f"‑{i}" if i % 2 else str(i), {}, lambda i: i * (-1) ** i, ""),
    "digits of full width": (lambda i: str(i).translate({48 + d: 0xFF10 + d for d in range(10)}) + "．5", {},
                             lambda i: i + 0.5, ""),
    "a minus of full width": (lambda i: f"－{i}" if i % 2 else str(i), {}, lambda i: i * (-1) ** i, ""),
    "Arabic digits": (lambda i: str(i).translate({48 + d: 0x660 + d for d in range(10)}) + "٫٥", {},
                      lambda i: i + 0.5, ""),
    "signs of no width": (lambda i: f"\ufeff{i}\u200b", {}, float, ""),
    "thin blanks between thousands": (lambda i: f"1\u2009{i:03d}" if i % 2 else f"{i}", {"thousands": " "},
                                      lambda i: 1000 + i if i % 2 else i, ""),
    "blanks as wide as a digit": (lambda i: f"1\u2007{i:03d}", {"thousands": " "}, lambda i: 1000 + i, ""),
    "apostrophes beside small numbers": (lambda i: f"1'{i:03d}" if i % 2 else str(i), {"thousands": "'"},
                                         lambda i: 1000 + i if i % 2 else i, ""),
    "powers with a comma": (lambda i: f"{i},5E+03", {"decimal": ","}, lambda i: 1000 * i + 500, ""),
    "times of a day of twice twelve hours": (
        lambda i: f"{(i % 12) or 12}:30 {'AM' if i % 24 < 12 else 'pm'}", {},
        lambda i: i % 24 * 3600 + 1800, "",
    ),
    "24:00 and hours after midnight": (lambda i: f"{20 + i % 8}:30", {}, lambda i: (20 + i % 8) * 3600 + 1800,
                                       ""),
    "weights in capitals": (lambda i: f"{i} KG", {}, float, "numbers of KG"),
}  # fmt: skip


@pytest.mark.parametrize("name", READ)
def test_numbers_in_uncommon_signs_are_read_and_a_client_may_send_them_as_the_file_has_them(
    tmp_path: Path, name: str
) -> None:
    cell, args, value, note = READ[name]
    path = column(tmp_path, cell)
    data = load(path, **args)
    wanted = [float(value(i)) for i in range(N)]
    assert values(data).tolist() == wanted
    assert sent(data, [cell(i) for i in range(N)]) == wanted
    about = [one for one in said(path, **args) if "'a'" in one]
    assert any(note in one for one in about) if note else not about


@pytest.mark.parametrize("name", [name for name, (_, args, _, _) in READ.items() if args])
def test_a_notation_of_uncommon_signs_that_was_not_named_is_refused_with_the_cure(
    tmp_path: Path, name: str
) -> None:
    cell, args, _, _ = READ[name]
    with pytest.raises(DataError, match="no number") as caught:
        load(column(tmp_path, cell))
    assert args in cures(caught)


# ------------------------------------------------------------------------------------------------- refused

REFUSED: dict[str, tuple[Cell, str]] = {
    "0x1F": (lambda i: f"0x{i:02X}", "numbers of another base, for instance '0x00': write numbers"),
    "0x1F beside 31": (lambda i: f"0x{i:X}" if i % 2 else str(i), "numbers of another base"),
    "0b101": (lambda i: f"0b{i % 4:b}", "numbers of another base"),
    "5'11\"": (lambda i: f"5'{i % 12}\"", "measures of two units in one cell"),
    "5'11": (lambda i: f"5'{i % 12}", "measures of two units in one cell"),
    "5′11″": (lambda i: f"5′{i % 12}″", "measures of two units in one cell"),
    "5 ft 11 in": (lambda i: f"5 ft {i % 12} in", "measures of two units in one cell"),
    "12 lb 3 oz": (lambda i: f"12lb {i % 16}oz", "measures of two units in one cell"),
    "1h 30m": (lambda i: f"{i % 3}h {i % 6}m", "measures of two units in one cell"),
    "52°31'": (lambda i: f"52°{i % 6}'{i % 3}\"N", "measures of two units in one cell"),
    "PT1H30M": (lambda i: f"PT{i % 3}H30M", "durations as ISO 8601 has them"),
    "1.5×10^3": (lambda i: f"1.{i % 9}×10^{i % 4}", "powers of ten"),
    "1.5 x 10³": (lambda i: f"1.{i % 9} x 10{'⁰¹²³'[i % 4]}", "powers of ten"),
    "3 1/2": (lambda i: f"{i % 5} 1/2", "fractions"),
    "3½": (lambda i: f"{i % 5}½" if i % 2 else f"{i % 5}", "fractions"),
    "12 kg beside 500 g": (lambda i: f"{i % 5} kg" if i % 2 else f"{i % 5}00 g", r"in one unit \(g, kg\)"),
    "12 kg beside 12": (lambda i: f"{i % 5} kg" if i % 2 else str(i), "others have no kg: write kg to all"),
    "5 KG beside 5 kg": (lambda i: f"{i} KG" if i % 2 else f"{i} kg", r"in one unit \(KG, kg\)"),
    "12 % beside 0.12": (lambda i: f"{i}%" if i % 2 else f"0.{i:02d}", "all as per cents or all as fr"),
    "1 k beside 1000": (lambda i: f"{i}.5k" if i % 3 else f"{i}000", "others have no k"),
    "brackets alone": (lambda i: f"({i % 4})", "all are negative if brackets, or a minus behind, say so"),
    "a minus behind all": (lambda i: f"{i % 4}-", "all are negative if brackets, or a minus behind, say so"),
    "#DIV/0! beside numbers": (lambda i: "#DIV/0!" if i % 7 else str(i), "errors of a spreadsheet"),
    "#REF! beside words": (lambda i: "#REF!" if i % 7 == 0 else "abc"[i % 3], "errors of a spreadsheet"),
    "a German #WERT!": (lambda i: "#WERT!" if i % 7 == 0 else "abc"[i % 3], "errors of a spreadsheet"),
    "seconds beside milliseconds": (
        lambda i: str((1_700_000_000 + 1000 * i) * (1000 if i % 2 else 1)),
        r"times since 1970 in different units \(seconds, milliseconds\)",
    ),
    "one time in microseconds": (
        lambda i: str((1_700_000_000_000 + i) * (1000 if i == 7 else 1)),
        r"in different units \(milliseconds, microseconds\)",
    ),
    "days and months first": (
        lambda i: ("03/04/2024", "25/12/2024", "12/25/2024")[i % 3],
        "written in several ways, '25/12/2024' and '12/25/2024' for instance",
    ),
    "years of two digits beside four": (
        lambda i: f"{i % 28 + 1:02d}/01/{'24' if i % 2 else '2024'}", "written in several ways",
    ),
    "years of two digits": (lambda i: f"{i % 28 + 1:02d}/01/24", 'write `dates: {a: "%d/%m/%y"}`'),
    "points beside dashes": (
        lambda i: f"{i % 28 + 1:02d}.01.2024" if i % 2 else f"2024-01-{i % 28 + 1:02d}",
        "written in several ways",
    ),
    "days of Excel beside dates": (
        lambda i: str(45000 + i) if i % 2 else f"2024-01-{i % 28 + 1:02d}",
        r"days as Excel counts them \(45001 is 2023-03-16\): write all of them as dates",
    ),
    "24:00:00 of a day": (
        lambda i: f"2024-01-{i % 28 + 1:02d} {'24' if i % 9 == 0 else '12'}:00:00",
        "no day or hour that there is",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_would_be_read_as_something_else_is_refused_by_name(tmp_path: Path, name: str) -> None:
    cell, message = REFUSED[name]
    path = column(tmp_path, cell)
    with pytest.raises(DataError, match=message) as caught:
        load(path)
    assert "column 'a'" in str(caught.value)


def test_an_open_range_beside_others_is_no_negative_number(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    ages = ["15-24", "25-39", "40-"]
    path.write_text("age,y\n" + "".join(f"{ages[i % 3]},{i * 1.5}\n" for i in range(60)))
    data = tabular_csv.load(path=str(path), target="y")
    assert set(np.concatenate([data.train.inputs, data.test.inputs])["age"]) == set(ages)
    (said,) = tabular_csv.notes(path=str(path), target="y")
    assert "is taken as categories, without an order, though its cells begin with numbers" in said


@pytest.mark.parametrize("name", [name for name, (_, said) in REFUSED.items() if "spreadsheet" not in said])
def test_what_is_refused_may_be_taken_as_text_or_left_out(tmp_path: Path, name: str) -> None:
    path = column(tmp_path, REFUSED[name][0])
    data = load(path, categories=["a"])
    assert data.task.columns == ("category", "number")
    assert values(data)[:2].tolist() == [REFUSED[name][0](0), REFUSED[name][0](1)]
    assert load(path, features=["row"]).task.columns == ("number",)


@pytest.mark.parametrize("name", [name for name, (_, said) in REFUSED.items() if "spreadsheet" in said])
def test_errors_of_a_spreadsheet_become_holes_by_the_cure_and_are_never_a_category_or_a_class(
    tmp_path: Path, name: str
) -> None:
    path = column(tmp_path, REFUSED[name][0])
    for args in ({}, {"categories": ["a"]}, {"target": "a", "features": ["row"], "kind": "classes"}):
        with pytest.raises(DataError, match="errors of a spreadsheet") as caught:
            load(path, **args)
    (cure,) = cures(caught)
    found = values(load(path, **cure))
    assert [i for i in range(N) if found[i] is None or found[i] != found[i]] == [
        i for i in range(N) if REFUSED[name][0](i).startswith("#")
    ]


# --------------------------------------------------------------------------------------------------- said

SAID: dict[str, tuple[Cell, str, str]] = {
    "ranges": (lambda i: f"{i % 4}0-{i % 4}9", "a", "though its cells begin with numbers ('00-09')"),
    "months": (lambda i: f"2024-{i % 12 + 1:02d}", "a", "though its cells begin with numbers"),
    "units that are not known": (lambda i: f"{i % 4} Stk.", "a", "though its cells begin with numbers"),
    "days of Excel": (lambda i: str(45000 + i), "order_date", "(45000 is 2023-03-15): read as numbers"),
    "ids beyond 2^53": (lambda i: str(9007199254740993 + i), "a", "write `categories: [a]` if they are ids"),
    "yes in two languages": (
        lambda i: ("true", "false", "wahr", "falsch")[i % 4], "a", "'true' and 'wahr'",
    ),
    "ja beside yes": (lambda i: ("ja", "nein", "yes", "no")[i % 4], "a", "'ja' and 'yes'"),
    "days first": (lambda i: f"{i % 28 + 1:02d}/01/2024", "a", "is read as %d/%m/%Y, which all of its"),
}  # fmt: skip


@pytest.mark.parametrize("name", SAID)
def test_what_may_be_meant_otherwise_is_said(tmp_path: Path, name: str) -> None:
    cell, column_name, message = SAID[name]
    path = column(tmp_path, cell, column_name)
    load(path)
    assert any(message in note and repr(column_name) in note for note in said(path)), said(path)


@pytest.mark.parametrize("name", ["ranges", "months", "ids beyond 2^53"])
def test_what_is_named_as_categories_is_taken_so_without_a_word(tmp_path: Path, name: str) -> None:
    path = column(tmp_path, SAID[name][0])
    found = [note for note in said(path, categories=["a"]) if "'a'" in note]
    assert not [note for note in found if "trees that take categories" not in note]
    assert values(load(path, categories=["a"]))[3] == SAID[name][0](3)


@pytest.mark.parametrize(
    ("cell", "name"),
    [
        (lambda i: str(45000 + i), "salary"),
        (lambda i: str(1_700_000_000 + i), "seen"),
        (lambda i: str(i * 10**8 + 5 * 10**9), "revenue"),
        (lambda i: ("1 room", "studio", "loft")[i % 3], "kind"),
        (lambda i: ("true", "false")[i % 2], "member"),
        (lambda i: str(datetime.date(2024, 1, 1) + datetime.timedelta(i)), "day"),
        (lambda i: f"3M{i % 4}", "model"),
    ],
)
def test_of_what_is_plain_nothing_is_said(tmp_path: Path, cell: Cell, name: str) -> None:
    found = [note for note in said(column(tmp_path, cell, name)) if repr(name) in note]
    assert not [note for note in found if "holds dates: " not in note]


def test_prices_of_a_log_whose_point_may_stand_between_thousands_are_refused(tmp_path: Path) -> None:
    from harness.datasets import interactions_csv

    prices = ["999", "1.234"]
    rows = [f"u{i % 6},i{i % 10},{i},{prices[i % 10 % 2]}" for i in range(N)]
    (tmp_path / "log.csv").write_text("user,item,time,price\n" + "\n".join(rows) + "\n")
    with pytest.raises(DataError, match="'1.234' beside '999', which may be a number of three decimals"):
        interactions_csv.load(path=str(tmp_path / "log.csv"), price="price")


def test_the_languages_of_a_target_are_one_class_or_are_asked_for(tmp_path: Path) -> None:
    path = column(tmp_path, lambda i: ("true", "false", "wahr", "falsch")[i % 4])
    with pytest.raises(DataError, match="labels"):
        load(path, target="a", features=["row"], kind="classes")
