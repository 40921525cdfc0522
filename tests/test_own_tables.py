"""Tables as people have them: read right, or refused with what to write; what is to be written then works."""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from harness.datasets import tabular_csv, text_csv
from harness.datasets.encoding import How, as_numbers
from harness.protocols import Dataset
from harness.record import DataError

N = 60


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_DATA", str(tmp_path / "cache"))


def answer(i: int) -> str:
    return ("yes", "no")[i % 2]


def written(path: Path, head: str, row: Callable[[int], str], n: int = N) -> Path:
    path.write_text(head + "\n" + "".join(f"{row(i)}\n" for i in range(n)))
    return path


def column(path: Path, cell: Callable[[int], str], separator: str = ";") -> Path:
    """A file of the feature `a`, the target `y` and a number that makes all rows differ."""
    head = separator.join(["a", "y", "row"])
    return written(path / "t.csv", head, lambda i: separator.join([cell(i), answer(i), str(i)]))


def inputs(data: Dataset) -> np.ndarray:
    """The numbers of all rows in the file's order, without the last column, the number of the row."""
    order = np.argsort(np.concatenate([data.train.ids, data.test.ids]))
    numbers, _ = as_numbers(data, How())
    return np.asarray(np.concatenate([numbers.train.inputs, numbers.test.inputs])[order, :-1])


def load(path: Path, **args: Any) -> Dataset:
    return tabular_csv.load(path=str(path), **{"target": "y", **args})


def cures(error: DataError) -> list[dict[str, Any]]:
    """What the message says to write, as a suite would hold it."""
    return [yaml.safe_load(part) for part in re.findall(r"`(\w+: [^`]+)`", str(error))]


NUMBERS: dict[str, tuple[Callable[[int], str], dict[str, Any], Callable[[int], float]]] = {
    "decimal comma": (lambda i: f"{i},5", {"decimal": ","}, lambda i: i + 0.5),
    "point and comma": (lambda i: f"1.{i:03d},5", {"decimal": ",", "thousands": "."}, lambda i: 1000.5 + i),
    "negative, some whole": (lambda i: f"-{i},25" if i % 3 else f"-{i}", {"decimal": ","},
                             lambda i: -i - (0.25 if i % 3 else 0)),
    "thousands of blanks": (lambda i: f"1 {i:03d}", {"thousands": " "}, lambda i: 1000.0 + i),
    "thousands of narrow blanks": (lambda i: f"1\u202f{i:03d}", {"thousands": " "}, lambda i: 1000.0 + i),
    "thousands of apostrophes": (lambda i: f"1'{i:03d}.5", {"thousands": "'"}, lambda i: 1000.5 + i),
    "millions": (lambda i: f"1,{i:03d},000", {"thousands": ","}, lambda i: 1e6 + 1000 * i),
    "lakhs": (lambda i: f"1,{i % 10}0,000.5", {"thousands": ","}, lambda i: 1e5 + 1e4 * (i % 10) + 0.5),
    "euros": (lambda i: f"1.{i:03d},50 €", {"decimal": ",", "thousands": "."}, lambda i: 1000.5 + i),
    "dollars": (lambda i: f"${i}.50", {}, lambda i: i + 0.5),
    "negative pounds": (lambda i: f"-£{i}", {}, lambda i: -float(i)),
    "codes": (lambda i: f"CHF {i}", {}, float),
    "per cent": (lambda i: f"{i} %", {}, float),
    "question marks": (lambda i: "?" if i % 9 == 0 else str(i), {"missing": ["?"]},
                       lambda i: i if i % 9 else np.nan),
    "dashes and words": (lambda i: ("-", "unknown")[i % 2] if i % 5 == 0 else str(i),
                         {"missing": ["-", "unknown"]}, lambda i: i if i % 5 else np.nan),
    "a number that stands for nothing": (lambda i: "-999" if i % 4 == 0 else f"{i}.5", {"missing": [-999]},
                                         lambda i: i + 0.5 if i % 4 else np.nan),
    "plain": (lambda i: f" {i}e-1 ", {}, lambda i: i / 10),
    "truth": (lambda i: ("TRUE", "false")[i % 2], {}, lambda i: float(i % 2 == 0)),
}  # fmt: skip


@pytest.mark.parametrize("name", NUMBERS)
def test_numbers_are_read_in_the_notation_that_is_named(tmp_path: Path, name: str) -> None:
    cell, args, value = NUMBERS[name]
    found = inputs(load(column(tmp_path, cell), **args))
    wanted = np.array([value(i) for i in range(N)])
    known = ~np.isnan(wanted)
    np.testing.assert_allclose(found[known, 0], wanted[known], rtol=1e-6)
    if not known.all():
        assert np.array_equal(found[:, 1] == 1, ~known)


@pytest.mark.parametrize(
    "name", [name for name, (_, args, _) in NUMBERS.items() if args and "number" not in name]
)
def test_numbers_of_a_notation_that_was_not_named_are_refused_with_the_cure(
    tmp_path: Path, name: str
) -> None:
    cell, args, _ = NUMBERS[name]
    with pytest.raises(
        DataError, match=r"column 'a' has \d+ cells that are no number: .* in row \d+"
    ) as caught:
        load(column(tmp_path, cell))
    found: dict[str, Any] = {}
    for cure in cures(caught.value):
        if set(cure) <= set(args):
            found |= cure
    assert found == args


def test_a_comma_that_may_be_either_is_asked_for(tmp_path: Path) -> None:
    path = column(tmp_path, lambda i: f"1,{i:03d}")
    with pytest.raises(
        DataError, match='`decimal: ","` if the comma is a decimal one, `thousands: ","` if it is none'
    ):
        load(path)
    assert inputs(load(path, decimal=","))[3, 0] == np.float32(1.003)
    assert inputs(load(path, thousands=","))[3, 0] == 1003
    path = column(tmp_path, lambda i: f"1.{i:03d}")
    with pytest.raises(DataError, match=r'`thousands: "\."` if the point stands between thousands'):
        load(path, decimal=",")
    assert inputs(load(path, decimal=",", thousands="."))[3, 0] == 1003
    assert inputs(load(path, decimal=",", thousands=""))[3, 0] == np.float32(1.003)


def test_a_column_of_points_in_a_file_of_decimal_commas_is_read_with_points(tmp_path: Path) -> None:
    path = written(tmp_path / "t.csv", "load;power", lambda i: f"{i},5;{i}.{i % 10}")
    data = load(path, target="power", decimal=",")
    assert data.task.name == "tabular_regression"
    order = np.argsort(np.concatenate([data.train.ids, data.test.ids]))
    powers = np.concatenate([data.train.targets, data.test.targets])[order]
    np.testing.assert_allclose(powers, [i + (i % 10) / 10 for i in range(N)], rtol=1e-6)


def test_two_currencies_are_no_common_scale(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="has 60 cells that are no number: '€0' in row 1"):
        load(column(tmp_path, lambda i: f"{'$' if i % 2 else '€'}{i}"))


def test_a_few_cells_that_are_no_numbers_are_named_and_may_be_categories(tmp_path: Path) -> None:
    path = column(tmp_path, lambda i: ("0", "1", "2", "3+")[i % 4])
    with pytest.raises(
        DataError, match=r"'3\+' in row 4.*`categories: \[a\]` if the column holds categories"
    ):
        load(path)
    assert load(path, features=["a"], categories=["a"]).task.num_classes == 2


@pytest.mark.parametrize(
    ("cell", "target", "cure"),
    [
        (lambda i: f"{i},{i % 10}", "tabular_regression", {"decimal": ","}),
        (lambda i: f"1.{i:03d},{i % 10}", "tabular_regression", {"decimal": ",", "thousands": "."}),
        (lambda i: "?" if i == 5 else f"{i}.5", None, {"missing": ["?"]}),
        (lambda i: "n.v." if i % 2 else f"{i}.5", None, {"missing": ["n.v."]}),
    ],
)
def test_a_target_of_numbers_never_becomes_classes_in_silence(
    tmp_path: Path, cell: Callable[[int], str], target: str | None, cure: dict[str, Any]
) -> None:
    path = written(tmp_path / "t.csv", "a;y", lambda i: f"{i};{cell(i)}")
    with pytest.raises(DataError, match="column 'y' has .* no number") as caught:
        load(path)
    found = {key: value for one in cures(caught.value) for key, value in one.items() if key in cure}
    assert found == cure
    if target:
        assert load(path, **cure).task.name == target
    else:
        with pytest.raises(DataError, match="column 'y' has no value in"):
            load(path, **cure)


# ------------------------------------------------------------------------------------------------ dates

DAY = datetime.date(2024, 1, 31)
DATES: dict[str, tuple[str, dict[str, Any]]] = {
    "iso": ("%Y-%m-%d", {}),
    "iso with a zone": ("%Y-%m-%dT12:00:00+00:00", {}),
    "as a number": ("%Y%m%d", {}),
    "points": ("%d.%m.%Y", {}),
    "slashes": ("%d/%m/%Y", {}),
    "american": ("%m/%d/%Y", {}),
    "words": ("%d %b %Y", {}),
    "words, the month first": ("%b %d %Y", {}),
    "words with dashes": ("%b-%d-%Y", {}),
    "as Ray Tune has them": ("%Y-%m-%d_%H-%M-%S", {}),
    "named": ("%y|%d|%m", {"dates": {"a": "%y|%d|%m"}}),
}


@pytest.mark.parametrize("name", DATES)
def test_dates_become_calendar_figures(tmp_path: Path, name: str) -> None:
    shape, args = DATES[name]
    days = [DAY + datetime.timedelta(days=3 * i) for i in range(N)]
    found = inputs(load(column(tmp_path, lambda i: days[i].strftime(shape)), **args))
    for i, day in enumerate(days):
        since = (day - datetime.date(1970, 1, 1)).days
        assert found[i, :5].tolist() == [since, day.year, day.month, day.day, day.weekday()]
    assert found.shape[1] == (6 if "zone" in name else 5)
    assert load(tmp_path / "t.csv", **args).task.columns == ("date", "number")


def test_a_date_whose_day_may_be_its_month_is_asked_for_and_the_answers_differ(tmp_path: Path) -> None:
    path = column(tmp_path, lambda i: f"{i % 12 + 1:02d}/{i % 11 + 1:02d}/2024")
    with pytest.raises(DataError, match="may begin with the day or with the month") as caught:
        load(path)
    first, second = (cure for cure in cures(caught.value) if "dates" in cure)
    assert inputs(load(path, **first))[1, 2:4].tolist() == [2, 2]
    assert inputs(load(path, **first))[11, 2:4].tolist() == [1, 12]
    assert inputs(load(path, **second))[11, 2:4].tolist() == [12, 1]


def parquet(path: Path, **columns: Any) -> Path:
    columns.setdefault("y", pa.array([answer(i) for i in range(N)]))
    columns["row"] = pa.array(range(N))
    pq.write_table(pa.table(columns), path / "t.parquet")
    return path / "t.parquet"


def test_parquet_types_are_read_as_what_they_are(tmp_path: Path) -> None:
    first = datetime.datetime(2024, 1, 31, 6)
    moments = [first + datetime.timedelta(days=i) for i in range(N)]
    for kind, wanted in {
        "decimal": (pa.array([Decimal(f"{i}.25") for i in range(N)]), [3.25]),
        "date": (pa.array([m.date() for m in moments]), [19756, 2024, 2, 3, 5]),
        "timestamp": (pa.array(moments, pa.timestamp("ns", "UTC")), [19756, 2024, 2, 3, 5, 6]),
        "milliseconds": (pa.array(moments, pa.timestamp("ms")), [19756, 2024, 2, 3, 5, 6]),
        "dictionary": (pa.array(["pqr"[i % 3] for i in range(N)]).dictionary_encode(), [1, 0, 0]),
        "bool": (pa.array([i % 3 == 0 for i in range(N)]), [1]),
        "bool with holes": (pa.array([None if i % 2 else i % 3 == 0 for i in range(N)]), [0, 1]),
        "int8": (pa.array(range(N), pa.int8()), [3]),
        "time of day": (pa.array([datetime.time(i % 24) for i in range(N)]), [10800]),
    }.items():
        assert inputs(load(parquet(tmp_path, a=wanted[0])))[3].tolist() == wanted[1], kind
    for made in (pa.array([Decimal(f"{i}.5") for i in range(N)]), pa.array([i + 0.5 for i in range(N)])):
        data = load(parquet(tmp_path, a=pa.array(range(N)), y=made))
        assert data.task.name == "tabular_regression" and data.train.targets[0] == data.train.ids[0] + 0.5


def test_lists_and_structs_of_a_parquet_file_are_refused_by_name_all_at_once(tmp_path: Path) -> None:
    path = parquet(tmp_path, a=pa.array([[1, 2]] * N), b=pa.array([{"k": 1}] * N), c=pa.array(range(N)))
    with pytest.raises(DataError, match="column 'a' holds lists or bytes") as caught:
        load(path)
    assert len(caught.value.mistakes) == 2
    assert load(path, features=["c"]).task.input_shape == (1,)


# ------------------------------------------------------------------------------------------------ labels


@pytest.mark.parametrize("stop", [".", " .", ";", "!", " ", "?"])
def test_labels_of_a_test_file_that_differ_in_a_mark_are_refused_before_anything_starts(
    tmp_path: Path, stop: str
) -> None:
    first = written(tmp_path / "t.csv", "a, y", lambda i: f"{i}, {('<=50K', '>50K')[i % 2]}")
    second = written(tmp_path / "u.csv", "a, y", lambda i: f"{i}, {('<=50K', '>50K')[i % 2]}{stop}")
    if stop.isspace():
        assert load(first, test_path=str(second)).task.class_names == ("<=50K", ">50K")
        return
    with pytest.raises(DataError, match=r"u\.csv: column 'y': no training row has the label <=50K") as caught:
        load(first, test_path=str(second))
    data = load(first, test_path=str(second), target=" y", **cures(caught.value)[0])
    assert data.task.class_names == ("<=50K", ">50K") and data.test.targets.tolist() == [
        i % 2 for i in range(N)
    ]


@pytest.mark.parametrize("module", [tabular_csv, text_csv])
@pytest.mark.parametrize(
    "labels",
    [("spam", "ham", "Spam "), ("not ok", "ok", "not  OK"), ("in_use", "free", "in use"), ("a.", "b", "a")],
)
def test_labels_that_differ_in_case_blanks_or_marks_are_one_or_are_stated(
    tmp_path: Path, module: Any, labels: tuple[str, ...]
) -> None:
    path = written(tmp_path / "t.csv", "text,label", lambda i: f"{i},{labels[i % 3]}")
    args = {"path": str(path), **({"target": "label"} if module is tabular_csv else {})}
    with pytest.raises(DataError, match="labels that differ in case, blanks or marks only") as caught:
        module.load(**args)
    merged, apart = cures(caught.value)
    assert module.load(**args, **merged).task.num_classes == 2
    assert module.load(**args, **apart).task.num_classes == 3


@pytest.mark.parametrize("module", [tabular_csv, text_csv])
def test_words_that_often_stand_for_nothing_may_be_labels_and_plan_says_so(
    tmp_path: Path, module: Any
) -> None:
    words = ("NA", "null", "None", "nan")
    path = written(tmp_path / "t.csv", "text,label", lambda i: f"{i},{words[i % 4]}")
    args = {"path": str(path), **({"target": "label"} if module is tabular_csv else {})}
    assert module.load(**args).task.class_names == tuple(sorted(words))
    assert (
        len(module.notes(**args)) == 4
        and "label 'NA' (15 rows) is taken as a class" in module.notes(**args)[0]
    )
    with pytest.raises(DataError, match="column 'label' has no value in 15 of 60 rows"):
        module.load(**args, missing=["NA"])


@pytest.mark.parametrize(
    ("cell", "names"),
    [
        (lambda i: ("True", "False")[i % 2], ("False", "True")),
        (lambda i: ("TRUE", "FALSE")[i % 2], ("FALSE", "TRUE")),
        (lambda i: ("01", "2", "10")[i % 3], ("01", "10", "2")),
        (lambda i: ("1.0", "2.0", "10.0")[i % 3], ("1", "2", "10")),
        (lambda i: ("-1", "1")[i % 2], ("-1", "1")),
        (lambda i: ("1e5", "1e5x")[i % 2], ("1e5", "1e5x")),
    ],
)
def test_labels_keep_what_is_written(
    tmp_path: Path, cell: Callable[[int], str], names: tuple[str, ...]
) -> None:
    path = written(tmp_path / "t.csv", "a,y", lambda i: f"{i},{cell(i)}")
    kind = {"kind": "classes"} if "1e5" in names else {}
    assert load(path, **kind).task.class_names == names


# ------------------------------------------------------------------------------------------------ files


def test_a_test_files_columns_go_by_their_names(tmp_path: Path) -> None:
    first = written(tmp_path / "t.csv", "a,b,y", lambda i: f"{i},{2 * i},{answer(i)}")
    second = written(tmp_path / "u.csv", "y, more,b ,a", lambda i: f"{answer(i)},7,{2 * i},{i}")
    args = {"path": str(first), "test_path": str(second), "target": "y"}
    assert tabular_csv.load(**args).test.inputs[5].tolist() == (5, 10)
    assert tabular_csv.notes(**args) == ("u.csv has columns that t.csv has not, they are not used: 'more'",)
    written(second, "y,A,B", lambda i: f"{answer(i)},{i},{2 * i}")
    with pytest.raises(
        DataError, match="has no column 'a', but 'A', which differs in case or blanks"
    ) as caught:
        tabular_csv.load(**args)
    assert len(caught.value.mistakes) == 2
    renamed = {key: value for cure in cures(caught.value) for key, value in cure["rename"].items()}
    assert tabular_csv.load(**args, rename=renamed).test.inputs[5].tolist() == (5, 10)
    written(second, "y,a", lambda i: f"{answer(i)},{i}")
    with pytest.raises(DataError, match=r"u\.csv has no column 'b'; it has 'y', 'a'"):
        tabular_csv.load(**args)
    assert tabular_csv.load(**args, features=["a"]).task.input_shape == (1,)


@pytest.mark.parametrize("separator", [",", ";", "\t", "|", "::"])
def test_the_separator_is_the_one_of_the_line_of_names(tmp_path: Path, separator: str) -> None:
    assert inputs(load(column(tmp_path, str, separator)))[7].tolist() == [7]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a,a,y\n1,2,yes\n3,4,no\n", "1 column name more than once: 'a'"),
        ("a, a,y\n1,2,yes\n3,4,no\n", "1 column name more than once: 'a'"),
        ("a,b,y\n1,2,yes\n3,no\n", r"1 row has another number of cells than the 3 .* one 2: '3,no'"),
        (
            "a,b,y\nr1,1,2,yes\nr2,3,4,no\n",
            r"all rows have one cell more .* write a name for the first column, which has none: `row,a,…`",
        ),
        ('a,y\n1,yes\n"2,no\n3,yes\n', "cannot read .* are|another number of cells"),
    ],
)
def test_a_file_whose_rows_do_not_fit_its_names_is_refused(
    tmp_path: Path, content: str, message: str
) -> None:
    (tmp_path / "t.csv").write_text(content)
    with pytest.raises(DataError, match=message):
        load(tmp_path / "t.csv")


def test_quotes_blanks_and_a_byte_order_mark_change_nothing(tmp_path: Path) -> None:
    rows = [f'{i}{{0}}"x, {i % 3}"{{0}}{answer(i)}{{0}}{i}' for i in range(N)]
    plain = "a,b,y,row\n" + "\n".join(row.format(",") for row in rows)
    spaced = "a, b, y, row\n" + "\n".join(row.format(", ") for row in rows)
    found = []
    for name, content in (
        ("1", plain.encode()),
        ("2", b"\xef\xbb\xbf" + plain.encode()),
        ("3", spaced.encode()),
    ):
        (tmp_path / f"{name}.csv").write_bytes(content)
        found.append(inputs(load(tmp_path / f"{name}.csv")))
    assert all(np.array_equal(one, found[0]) for one in found) and found[0].shape == (N, 4)
    (tmp_path / "4.csv").write_bytes(plain.encode("utf-16"))
    with pytest.raises(DataError, match="write its encoding under data, for instance encoding: utf-16"):
        load(tmp_path / "4.csv")
    assert np.array_equal(inputs(load(tmp_path / "4.csv", encoding="utf-16")), found[0])


# ------------------------------------------------------------------------------------------------ groups, ids


@pytest.mark.parametrize("ids", [lambda i: f"{i % 10:03d}", lambda i: f"p {i % 10}", lambda i: f"{i % 10}e5"])
def test_a_group_that_both_files_have_is_refused(tmp_path: Path, ids: Callable[[int], str]) -> None:
    first = written(tmp_path / "t.csv", "who,a,y", lambda i: f"{ids(i)},{i},{answer(i)}")
    second = written(tmp_path / "u.csv", "who,a,y", lambda i: f"{ids(i)},{i},{answer(i)}", 20)
    with pytest.raises(DataError, match=r"20 of 20 test rows are of a 'who' that t\.csv has too \(10, for"):
        load(first, test_path=str(second), group="who")
    assert len(load(first, group="who").test)
    written(second, "who,a,y", lambda i: f"new {i},{i},{answer(i)}", 20)
    assert len(load(first, test_path=str(second), group="who").test) == 20


def test_ids_are_text(tmp_path: Path) -> None:
    cells = ("7", "007", "1e5", "100000")
    path = written(tmp_path / "t.csv", "who,a,y", lambda i: f"{cells[i // 2 % 4]},{i},{answer(i)}")
    data = load(path, columns=["who"])
    assert sorted(set(data.train.columns["who"]) | set(data.test.columns["who"])) == sorted(cells)
    data = load(path, group="who")
    assert len(set(data.train.groups) | set(data.test.groups)) == 4  # type: ignore[arg-type]


def test_a_column_of_many_values_is_one_column_of_rows_and_plan_says_what_becomes_of_it(
    tmp_path: Path,
) -> None:
    path = written(tmp_path / "t.csv", "city,y", lambda i: f"c{i % 50},{answer(i)}", 400)
    args = {"path": str(path), "target": "y"}
    data = tabular_csv.load(**args)
    assert data.task.columns == ("category",) and len(set(data.train.inputs["city"])) == 40
    assert any("40 values: trees that take categories get them as they are" in note
               for note in tabular_csv.notes(**args))  # fmt: skip


def test_a_value_that_only_the_test_file_has_is_said(tmp_path: Path) -> None:
    first = written(tmp_path / "t.csv", "city,y", lambda i: f"{('Bern', 'Ulm')[i % 2]},{answer(i // 2)}")
    second = written(tmp_path / "u.csv", "city,y", lambda i: f"{('BERN', 'Ulm')[i % 2]},{answer(i // 2)}")
    (note,) = tabular_csv.notes(path=str(first), test_path=str(second), target="y")
    assert "30 of 60 test rows have a value that no training row has ('BERN')" in note
    assert "in case, blanks or marks alone differ 'BERN' like 'Bern'" in note


def test_few_whole_numbers_of_which_each_is_another_are_no_classes(tmp_path: Path) -> None:
    path = tmp_path / "women.csv"
    path.write_text("height,weight\n" + "".join(f"{58 + i},{115 + 3 * i}\n" for i in range(15)))
    assert tabular_csv.load(path=str(path), target="weight").task.name == "tabular_regression"
    path.write_text("height,weight\n" + "".join(f"{58 + i},{115 + 3 * (i // 2)}\n" for i in range(15)))
    assert tabular_csv.load(path=str(path), target="weight").task.num_classes == 8


def test_a_target_of_few_numbers_and_classes_of_many_name_kind(tmp_path: Path) -> None:
    from harness.reading import read_suite
    from harness.record import SuiteError

    written(tmp_path / "t.csv", "a,score", lambda i: f"{i},{i % 7 + 3}")
    written(tmp_path / "u.csv", "a,code", lambda i: f"{i},{i % 25}", 500)
    text = (
        "name: kinds\ntask: {0}\ndata: {{name: tabular_csv, path: {1}, target: {2}{3}}}\n"
        "candidates: {{dummy: 'sklearn:{4}'}}\nserving: {{runtimes: [sklearn]}}\n"
        "decision: {{objective: {5}}}\n"
    )
    for case, kind in (
        (("tabular_regression", "t.csv", "score", "DummyRegressor", "maximize r2"), "number"),
        (("tabular_classification", "u.csv", "code", "DummyClassifier", "maximize accuracy"), "classes"),
    ):
        task, file, target, model, objective = case
        path = tmp_path / "suite.yaml"
        path.write_text(text.format(task, file, target, "", model, objective))
        with pytest.raises(SuiteError, match=f"or add `kind: {kind}` under data"):
            read_suite(path)
        path.write_text(text.format(task, file, target, f", kind: {kind}", model, objective))
        assert read_suite(path).task == task
