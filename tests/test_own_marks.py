"""What stands in people's tables beside examples: marks for nothing, totals, lines of names among rows."""

from __future__ import annotations

import gzip
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from harness.datasets import interactions_csv, tabular_csv, text_csv
from harness.datasets.audit import audit
from harness.datasets.encoding import How, fit_table
from harness.datasets.totals import totals_among
from harness.init.cures import readable
from harness.record import DataError

N = 60
RNG = np.random.default_rng(5)
SIZES = RNG.normal(50, 10, N).round(2)
PRICES = (3 * SIZES + RNG.normal(0, 5, N)).round(2)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_DATA", str(tmp_path / "cache"))


def table(**columns: Any) -> pd.DataFrame:
    return pd.DataFrame({"size": SIZES, "price": PRICES, **columns})


def sizes(path: Path, **args: Any) -> np.ndarray:
    """The numbers of the column `size` in the file's order."""
    data = tabular_csv.load(path=str(path), target="price", **args)
    order = np.argsort(np.concatenate([data.train.ids, data.test.ids]))
    return np.concatenate([data.train.inputs["size"], data.test.inputs["size"]])[order]


def cure(message: str, key: str = "missing") -> dict[str, Any]:
    """What a message says to write."""
    found = re.search(rf"`({key}: [^`]+)`", message)
    assert found, message
    typed: dict[str, Any] = yaml.safe_load(found[1])
    return typed


def test_the_mark_of_databases_for_nothing_is_named_as_it_can_be_typed(tmp_path: Path) -> None:
    """`"\\N"` in a suite is YAML's next line: the cure of a dump of MySQL or PostgreSQL changed nothing."""
    cells = [r"\N" if i % 10 == 0 else f"{x}" for i, x in enumerate(SIZES)]
    table(size=cells).to_csv(tmp_path / "t.csv", index=False)
    given = {"path": str(tmp_path / "t.csv"), "target": "price"}
    with pytest.raises(DataError) as wrong:
        tabular_csv.load(**given)  # type: ignore[arg-type]
    assert np.isnan(sizes(tmp_path / "t.csv", **cure(str(wrong.value)))).sum() == 6
    assert readable("tabular_csv", given)[0]["missing"] == [r"\N"]
    table(price=["low", "high", r"\N"] * 20).to_csv(tmp_path / "l.csv", index=False)
    said = tabular_csv.notes(path=str(tmp_path / "l.csv"), target="price")
    with pytest.raises(DataError, match="no value in 20 of 60 rows"):
        tabular_csv.load(path=str(tmp_path / "l.csv"), target="price", **cure(said[0]))


@pytest.mark.parametrize("stated", [-999, -999.0, "-999", "-999.00"])
@pytest.mark.parametrize("form", ["%.2f", "%.3f", "whole", "comma", "parquet"])
def test_a_number_for_nothing_is_a_hole_however_it_is_written(
    tmp_path: Path, stated: str | float, form: str
) -> None:
    values = np.where(np.arange(N) < 6, -999, SIZES.round() if form == "whole" else SIZES)
    path, args = tmp_path / "t.csv", dict[str, Any](missing=[stated])
    if form == "parquet":
        path = tmp_path / "t.parquet"
        table(size=values.astype(np.float32)).to_parquet(path)
    elif form == "whole":
        table(size=values.astype(int)).to_csv(path, index=False)
    elif form == "comma":
        table(size=values).to_csv(path, index=False, sep=";", decimal=",", float_format="%.2f")
        args["decimal"] = ","
    else:
        table(size=values).to_csv(path, index=False, float_format=form)
    read = sizes(path, **args)
    assert np.isnan(read[:6]).all()
    assert np.allclose(read[6:], values[6:], atol=1e-5)


def test_a_client_s_number_for_nothing_is_a_hole_too(tmp_path: Path) -> None:
    table().to_csv(tmp_path / "t.csv", index=False)
    data = tabular_csv.load(path=str(tmp_path / "t.csv"), target="price", missing=[-999])
    encoding, _ = fit_table(data.train, data.task, How(), 0, **data.written)
    rows = encoding.rows([{"size": cell} for cell in (-999, -999.0, "-999.00", "12.5", None)])
    assert np.array_equal(rows["size"], [np.nan, np.nan, np.nan, 12.5, np.nan], equal_nan=True)


@pytest.mark.parametrize(
    ("mark", "kind"),
    [(-1, "f8"), (-9, "f8"), (-999, "f8"), (999, "f8"), (9999, "f4"), (-99.9, "f4"), (-32768, "i4"),
     (-3.4028234663852886e38, "f4"), (9.969209968386869e36, "f8"), (1e20, "f8")],
)  # fmt: skip
@pytest.mark.parametrize("column", ["size", "price"])
def test_a_number_that_may_stand_for_nothing_is_told_with_its_cure(
    tmp_path: Path, mark: float, kind: str, column: str
) -> None:
    values = np.where(np.arange(N) % 12 == 0, mark, table()[column]).astype(kind)
    table(**{column: values}).to_parquet(tmp_path / "t.parquet")
    given = {"path": str(tmp_path / "t.parquet"), "target": "price"}
    (said,) = tabular_csv.notes(**given)
    assert f"column '{column}' holds" in said
    assert "in 5 rows, apart from all others" in said
    if column == "size":
        assert np.isnan(sizes(tmp_path / "t.parquet", **cure(said))).sum() == 5
        assert not tabular_csv.notes(**given, **cure(said))
    else:
        with pytest.raises(DataError, match="'price' has no value in 5 of 60 rows"):
            tabular_csv.load(**given, **cure(said))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "values",
    [[-1.0, 0.0, 1.0], [0.0, 9.0, 20.0], [99.0, 98.0, 97.0], [-9.0, -8.0, 30.0], [-1.0, -2.0, 5.0]],
)  # fmt: skip
def test_numbers_among_their_like_are_not_asked_about(tmp_path: Path, values: list[float]) -> None:
    table(size=values * 20, row=np.arange(N)).to_parquet(tmp_path / "t.parquet")
    assert not tabular_csv.notes(path=str(tmp_path / "t.parquet"), target="price")


def test_what_fills_rasters_breaks_no_audit(tmp_path: Path) -> None:
    """It ended in "a bug in the harness": squares of 3.4e38 are infinite in 32 bits."""
    table(size=np.where(np.arange(N) % 12 == 0, np.finfo("f4").min, SIZES)).to_csv(
        tmp_path / "t.csv", index=False
    )
    audit("tabular_csv", {"path": str(tmp_path / "t.csv"), "target": "price"})


def test_a_line_of_names_among_rows_of_words_is_refused(tmp_path: Path) -> None:
    """Five rows of the class `label` were learnt and asked for."""
    head, rows = "text,label", [f"w{i % 7} x{i} z,{('spam', 'ham')[i % 2]}" for i in range(20)]
    (tmp_path / "t.csv").write_text("\n".join([head, *rows, " text , label", *rows, head, *rows]))
    for module, args in ((text_csv, {}), (tabular_csv, {"target": "label"})):
        with pytest.raises(DataError) as wrong:
            module.load(path=str(tmp_path / "t.csv"), **args)  # type: ignore[attr-defined]
        assert wrong.value.mistakes == (
            f"{tmp_path}/t.csv: the line of names stands again in rows 21, 42: take them out",
        )
    log = [f"u{i % 9},p{i % 11}" for i in range(60)]
    (tmp_path / "log.csv").write_text("\n".join(["user,item", *log, "user,item", *log]))
    with pytest.raises(DataError, match="the line of names stands again in row 61: take it out"):
        interactions_csv.load(path=str(tmp_path / "log.csv"), time=None, split="random")


def test_a_line_of_names_among_numbers_is_told_once(tmp_path: Path) -> None:
    head, *rows = table().to_csv(index=False).splitlines()
    (tmp_path / "t.csv").write_text("\n".join([head, *rows, head, *rows]))
    with pytest.raises(DataError) as wrong:
        sizes(tmp_path / "t.csv")
    assert len(wrong.value.mistakes) == 1
    assert "stands again in row 61: take it out" in str(wrong.value)


TOWNS = np.array(["Ulm", "Bonn", "Kiel"], dtype=object)[np.arange(N) % 3]
TOTALS = {
    "in words": ["Total", SIZES.sum(), PRICES.sum()],
    "in words, rounded": ["Gesamtsumme", SIZES.sum().round(), PRICES.sum().round()],
    "of one column, in words": ["Summe", "", PRICES.sum()],
    "without a word": ["", SIZES.sum(), PRICES.sum()],
    "alone in its row": ["", "", PRICES.sum()],
}


@pytest.mark.parametrize("last", TOTALS.values(), ids=TOTALS)
def test_a_last_row_of_totals_is_refused(tmp_path: Path, last: list[Any]) -> None:
    """A sum of 900 prices was the target of a row: 152,100,000 beside a median of 168,200."""
    frame = table(town=TOWNS)[["town", "size", "price"]]
    text = frame.to_csv(index=False)
    (tmp_path / "t.csv").write_text(text + ",".join(map(str, last)) + "\n")
    with pytest.raises(DataError, match=r"t\.csv: row 61 holds totals of other rows: take it out"):
        sizes(tmp_path / "t.csv")
    (tmp_path / "t.csv").write_text(text)
    assert np.allclose(sizes(tmp_path / "t.csv"), SIZES)


def test_totals_between_rows_and_of_a_test_file_are_refused(tmp_path: Path) -> None:
    frame = table(town=TOWNS)[["town", "size", "price"]]
    parts = []
    for town, rows in frame.groupby("town"):
        total = {"town": f"{town} Total", "size": rows["size"].sum(), "price": rows["price"].sum()}
        parts += [rows, pd.DataFrame([total])]
    pd.concat(parts).to_csv(tmp_path / "test.csv", index=False)
    frame.assign(town="Ulm", size=frame["size"] + 0.01).to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(
        DataError, match=r"test\.csv: rows 21, 42, 63 hold totals of other rows: take them out"
    ):
        sizes(tmp_path / "t.csv", test_path=str(tmp_path / "test.csv"))


def test_numbers_that_nothing_adds_up_to_are_no_totals() -> None:
    """Counts, zeros and a category called so: none of 200 tables."""
    found = []
    for n in RNG.integers(12, 60, 200):
        columns = [
            RNG.integers(0, 5, n),
            RNG.poisson(1, n),
            RNG.exponential(1, n).round(1),
            np.arange(n) == n - 1,
        ]
        words = RNG.choice(np.array(["total", "male", "female"], dtype=object), n)
        columns += [np.isin(np.arange(n), [3, 5]) + 2 * (np.arange(n) == 9), columns[0]]
        found += totals_among([column.astype(float) for column in columns], [words])
    assert not found


def test_a_packed_file_that_was_cut_off_is_refused(tmp_path: Path) -> None:
    """It was "a bug in the harness", and a plan said neither which file nor what to do."""
    packed = gzip.compress(table().to_csv(index=False).encode() * 200)
    (tmp_path / "t.csv.gz").write_bytes(packed[: len(packed) // 2])
    with pytest.raises(
        DataError, match=r"t\.csv\.gz cannot be unpacked to its end .*: it was cut off .* get it anew"
    ):
        sizes(tmp_path / "t.csv.gz")


@pytest.mark.parametrize("last", ["(60 rows)", "# end"])
def test_a_line_that_is_no_row_is_named_by_its_number(tmp_path: Path, last: str) -> None:
    (tmp_path / "t.csv").write_text(table().to_csv(index=False) + last + "\n")
    with pytest.raises(
        DataError, match=rf"1 row has another number .* one 1: '{re.escape(last)}' in line 62"
    ):
        sizes(tmp_path / "t.csv")


def test_a_line_of_names_alone_has_no_rows(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("size,price")
    with pytest.raises(DataError, match="has no rows under its column names"):
        sizes(tmp_path / "t.csv")


def test_numbers_that_a_spreadsheet_wrote_as_formulas_are_refused(tmp_path: Path) -> None:
    """Of few different ones categories without an order were made, in silence."""
    cells = [f'"=""{i % 5}"""' for i in range(N)]
    rows = "".join(
        f"{cell},{row},{price}\n" for row, (cell, price) in enumerate(zip(cells, PRICES, strict=True))
    )
    (tmp_path / "t.csv").write_text("size,row,price\n" + rows)
    with pytest.raises(DataError, match="formulas of a spreadsheet") as wrong:
        sizes(tmp_path / "t.csv")
    assert sizes(tmp_path / "t.csv", **cure(str(wrong.value), "categories"))[0] == '="0"'


AMOUNTS = {
    "pay": "${}/hr",
    "price": "₹ {} Lakh",
    "rate": "{} percent",
    "about": "~{}",
    "from": "ab {} €",
    "Rs": "Rs. {}",
}


@pytest.mark.parametrize("form", AMOUNTS.values(), ids=AMOUNTS)
@pytest.mark.parametrize("column", ["size", "price"])
def test_amounts_with_the_same_words_around_are_refused(tmp_path: Path, form: str, column: str) -> None:
    """A price was 195 classes of 200 rows, or a text of which the words were weighed."""
    table(**{column: [form.format(x) for x in table()[column]]}).to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(DataError, match=f"'{column}' holds numbers with words around") as wrong:
        sizes(tmp_path / "t.csv")
    assert cure(str(wrong.value), "categories" if column == "size" else "kind")


def test_names_with_a_number_in_them_stay_categories(tmp_path: Path) -> None:
    for form in ("Android {}.{}.0", "item-{}{}"):
        table(size=[form.format(i % 30, i % 3) for i in range(N)]).to_csv(tmp_path / "t.csv", index=False)
        data = tabular_csv.load(path=str(tmp_path / "t.csv"), target="price")
        assert data.task.columns == ("category",)
