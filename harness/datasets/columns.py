"""Columns of a table as what they are: numbers, moments or categories, or refused with what to write."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pandas as pd
from pandas.api.types import is_bool_dtype, is_datetime64_any_dtype, is_numeric_dtype

from harness.datasets import cells, moments, odd_cells
from harness.datasets.cells import Notation, Numbers
from harness.datasets.fillers import fillers, shortest
from harness.datasets.frames import UserTable, different, different_texts, require_complete, spread
from harness.datasets.labels import check_computed, raise_all
from harness.datasets.moments import UnclearTimeError
from harness.datasets.raw import MISSING
from harness.datasets.two_files import written_apart
from harness.exported.tables import numbers_among
from harness.record import DataError
from harness.suite.source import quoted

Kind = Literal["number", "date", "category"]
MOST = 0.8
"""From this share of the cells on a column of categories is said to look like numbers."""
EXACT = 2**53
"""From here on not every whole number is a float."""
_DAYS = re.compile(r"date|datum|fecha|dato\b|\bday|_day|\bdt\b|_dt\b|_at\b|_on\b", re.IGNORECASE)
"""In the name of a column of days."""
MANY_NUMBERS = 20
"""More different numbers than this are amounts, where some have decimals."""
_DECIMALS = re.compile(r"[0-9][.,][0-9]").search
FEW_DAYS = 10
"""Fewer different whole numbers than this are no days, even if all of them could be."""


@dataclass(frozen=True)
class ParsedColumn:
    """One column of a table.

    Args:
        values: (n,) float64 numbers, or days since 1970, NaN where there is none; of a category (n,) texts,
            None where there is none.
        mark: what stands beside every number in the file (`€`, `%`), empty where nothing does.
        shape: how a date is written (`strptime`); empty: ISO 8601, or as 20240115.
        said: what `plan` says of how the column was read.
    """

    name: str
    kind: Kind
    values: np.ndarray
    mark: str = ""
    shape: str = ""
    said: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Cells:
    """A column of which some cells are text, each different cell once.

    Args:
        codes: (n,) which one each row has, −1 where it has none. rows: (m,) how many rows have each.
        numbers: (m,) float64, NaN where a cell is text or nothing.
        words: (m,) bool: text that does not stand for nothing. texts: those of the words, in order.
    """

    codes: np.ndarray
    rows: np.ndarray
    numbers: np.ndarray
    words: np.ndarray
    texts: list[str]

    def with_words(self, values: np.ndarray) -> np.ndarray:
        """(n,) the numbers, those of the words given; NaN for holes."""
        filled = self.numbers.copy()
        filled[self.words] = values
        return np.asarray(np.append(filled, np.nan)[self.codes])


def read_column(
    table: UserTable, name: str, how: Notation, categories: Sequence[str] = (),
    dates: Mapping[str, str] | None = None, otherwise: str | None = None,
) -> ParsedColumn:  # fmt: skip
    """What a column holds; each of its cells is that, or stands for nothing.

    Args:
        categories: columns whose texts are to be taken as they are. dates: column → its format (`strptime`).
        otherwise: of a target, a further cure for cells that are no numbers.
    Raises:
        DataError: some cells are numbers and some are not, or numbers of a notation that was not named.
    """
    raw = table.frame[name]
    _refuse_excel(table, name, raw, how)
    if name in categories or name in table.categories:
        return ParsedColumn(name, "category", _filled(raw, how))
    if is_datetime64_any_dtype(raw):
        return ParsedColumn(name, "date", moments.days_of_stamps(raw))
    if is_bool_dtype(raw) or is_numeric_dtype(raw):
        return _number_or_day(table, name, raw.to_numpy(dtype=np.float64, na_value=np.nan), how)
    if any(isinstance(value, (list, dict, bytes, np.ndarray)) for value in raw.dropna().head(100)):
        cure = "name the columns to predict from under features, without it"
        if otherwise is not None:
            cure = "write one text or number a row into the file, to be predicted"
        raise DataError(f"{table.path}: column {name!r} holds lists or bytes: {cure}")
    found = _cells(raw, how)
    if not found.texts:
        return _number_or_day(table, name, found.with_words(np.empty(0)), how)
    pattern = (dates or {}).get(name)
    if pattern and (named := _date(table, name, found, pattern)) is not None:
        return named
    truth = [cells.TRUTH.get(text.casefold(), np.nan) for text in found.texts]
    numbers = Numbers(np.array(truth), np.ones(len(truth), bool))
    if not np.isfinite(numbers.values).all():
        numbers = cells.read_numbers(found.texts, how)
    if not numbers.read.all():
        _refuse_odd(table, name, found)
    if not numbers.read.any() and (clock := _clock(table, name, found)) is not None:
        return ParsedColumn(name, "number", found.with_words(clock))
    if numbers.read.all():
        column = _number_or_day(table, name, found.with_words(numbers.values), how)
        said = (*column.said, *_written(table, name, found, numbers, how))
        return replace(column, mark=numbers.mark, said=said)
    if not numbers.read.any() and not np.isfinite(found.numbers).any():
        with_days = _date(table, name, found, None)
        if with_days is not None:
            return with_days
    _refuse_dates(table, name, found)
    _refuse_mixed(table, name, found, numbers, how, otherwise or "")
    _refuse_worded(table, name, found, otherwise or "")
    return ParsedColumn(name, "category", _filled(raw, how), said=_like_numbers(name, found))


def times_of(table: UserTable, name: str, how: Notation, dates: Mapping[str, str]) -> np.ndarray:
    """(n,) when each row is of: days since 1970, or the column's own numbers.

    Raises:
        DataError: the column holds neither times nor numbers, or has holes.
    """
    column = read_column(table, name, how, (), dates)
    if column.kind == "category":
        raise DataError(
            f"{table.path}: column {name!r} holds neither times nor numbers, so that rows cannot be cut by it"
        )
    require_complete(pd.Series(column.values, name=name), table)
    return np.asarray(column.values, dtype=np.float64)


def _cells(raw: pd.Series, how: Notation) -> _Cells:
    codes, unique = different(raw)
    texts: list[str | None] = [None] * len(unique)
    numbers = np.full(len(unique), np.nan)
    for i, value in enumerate(unique):
        if isinstance(value, (bool, int, float, np.number, np.bool_)):
            numbers[i] = float(value)
        elif (text := str(value).strip()) not in MISSING and text not in how.missing:
            texts[i] = text
    words = np.array([text is not None for text in texts], dtype=bool)
    rows = np.bincount(codes[codes >= 0], minlength=len(unique))
    return _Cells(codes, rows, numbers, words, [text for text in texts if text is not None])


def _number_or_day(table: UserTable, name: str, values: np.ndarray, how: Notation) -> ParsedColumn:
    """Numbers, but days where every one of many is written as 20240115; those that stand for nothing, however
    they are written (-999 as -999.00), are holes."""
    if nothing := numbers_among(how.missing):
        values = np.where(np.isin(values, nothing), np.nan, values)
    known = values[np.isfinite(values)]
    if not len(known):
        return ParsedColumn(name, "number", values)
    if known.min() > 1e7 and known.max() < 1e8 and len(np.unique(known)) >= FEW_DAYS:
        days = moments.days_of_numbers(known)
        if days is not None:
            spread = np.full(len(values), np.nan)
            spread[np.isfinite(values)] = days
            return ParsedColumn(name, "date", spread)
    if len(clocks := moments.clocks_of(known)) > 1:
        raise DataError(
            f"{table.path}: column {name!r} holds times since 1970 in different units ({', '.join(clocks)}), "
            f"{known.min():.0f} beside {known.max():.0f}: write them in one, or leave it out of `features`"
        )
    return ParsedColumn(name, "number", values, said=_numbers_said(name, known))


def _numbers_said(name: str, known: np.ndarray) -> tuple[str, ...]:
    """What is said of numbers that may be meant as something else."""
    said = [
        f"column {name!r} holds {shortest(value)} in {rows} rows, apart from all others: read as a number; "
        f"write `missing: [{shortest(value)}]` if it stands for nothing (in any column)"
        for value, rows in fillers(known)
    ]
    if np.abs(known).max() >= EXACT and (np.mod(known, 1) == 0).all():
        said.append(
            f"column {name!r} has whole numbers beyond 2^53, which lose their last digits: write "
            f"`categories: [{quoted(name)}]` if they are ids"
        )
    low, high = moments.EXCEL
    if _DAYS.search(name) and known.min() >= low and known.max() < high:
        first = moments.day_of_excel(float(known[0]))
        said.append(
            f"column {name!r} may hold days as Excel counts them ({known[0]:g} is {first}): read as numbers; "
            "write dates into the file if the month and the day of the week should tell something"
        )
    return tuple(said)


def _date(table: UserTable, name: str, found: _Cells, pattern: str | None) -> ParsedColumn | None:
    def written(shape: str) -> str:
        return f'dates: {{{quoted(name)}: "{shape}"}}'

    try:
        days = moments.days_of_texts(found.texts, pattern, written)
    except UnclearTimeError as error:
        raise DataError(
            f"{table.path}: column {name!r}: {error}, or `categories: [{quoted(name)}]` to take it as text"
        ) from error
    if days is None:
        return None
    shape = pattern or moments.shape_of(found.texts, days)
    said: tuple[str, ...] = ()
    if pattern is None and shape in (*moments.DAY_FIRST, *moments.MONTH_FIRST):
        said = (f"column {name!r}: {found.texts[0]!r} is read as {shape}, which all of its dates fit",)
    return ParsedColumn(name, "date", found.with_words(days), shape=shape, said=said)


def _clock(table: UserTable, name: str, found: _Cells) -> np.ndarray | None:
    """Seconds, where a column holds durations or times of day."""
    try:
        return moments.read_clock(found.texts)
    except UnclearTimeError as error:
        raise DataError(
            f"{table.path}: column {name!r}: {error}, or `categories: [{quoted(name)}]` to take it as text"
        ) from error


def _refuse_excel(table: UserTable, name: str, raw: pd.Series, how: Notation) -> None:
    """Refuse cells that a spreadsheet could not compute: they are no value of any kind of column."""
    if raw.dtype.kind in "iufbM" or any(
        isinstance(value, (list, dict, np.ndarray)) for value in raw.head(100)
    ):
        return
    texts = [value.strip() for value in pd.unique(raw) if isinstance(value, str)]
    raise_all(
        check_computed([text for text in texts if text not in how.missing], f"{table.path}: column {name!r}")
    )


def _refuse_odd(table: UserTable, name: str, found: _Cells) -> None:
    """Refuse a column of numbers in a form that is not read, `5'11"` or `0x1F` say: as categories they would
    have no order."""
    rows = found.rows[found.words]
    forms = [odd_cells.form_of(text) for text in found.texts]
    for form, (_, example) in odd_cells.FORMS.items():
        inside = np.array([one == form for one in forms], dtype=bool)
        if inside.any() and rows[inside].sum() >= cells.MOSTLY * found.rows.sum():
            text = found.texts[forms.index(form)]
            raise DataError(
                f"{table.path}: column {name!r} holds {form}, for instance {text!r}: "
                f"write numbers ({example}), or `categories: [{quoted(name)}]` if they are names"
            )


def _refuse_worded(table: UserTable, name: str, found: _Cells, otherwise: str) -> None:
    """Refuse many numbers with decimals and the same words around each: as categories, or as words, they
    would have no order."""
    if len(found.texts) <= MANY_NUMBERS or not any(map(odd_cells.words_around, found.texts[:MANY_NUMBERS])):
        return
    around = Counter[str]()
    for text, rows in zip(found.texts, found.rows[found.words].tolist(), strict=True):
        around[odd_cells.words_around(text)] += rows
    words, rows = around.most_common(1)[0]
    alike = [text for text in found.texts if odd_cells.words_around(text) == words]
    if words and rows >= MOST * found.rows.sum() and len(alike) > MANY_NUMBERS and any(map(_DECIMALS, alike)):
        raise DataError(
            f"{table.path}: column {name!r} holds numbers with words around, {words!r} in {rows} rows, for "
            f"instance {alike[0]!r}: write plain numbers into the file, or `categories: [{quoted(name)}]` if "
            f"they are names{otherwise}"
        )


def _written(table: UserTable, name: str, found: _Cells, numbers: Numbers, how: Notation) -> tuple[str, ...]:
    """What is said of how numbers are written.

    Raises:
        DataError: a point may be a decimal one or stand between thousands, and nothing in the file tells.
    """
    said = []
    if numbers.negative:
        said.append(f"column {name!r}: {numbers.negative!r} is read as a negative number")
    if unclear := cells.unclear_points(found.texts, how):
        pointed, without = unclear
        cure = (
            '`thousands: ""` if points are decimal ones, `decimal: ","` and `thousands: "."` if they stand '
            "between thousands"
        )
        if without and not table.has_decimals(name):
            raise DataError(
                f"{table.path}: column {name!r}: {pointed!r} beside {without!r} may be a number of three "
                f"decimals or one of thousands: write {cure}"
            )
        said.append(f"column {name!r}: {pointed!r} is read with a decimal point: write {cure}")
    return tuple(said)


def _like_numbers(name: str, found: _Cells) -> tuple[str, ...]:
    """What is said of categories that begin with numbers."""
    begins = np.array([odd_cells.begins_with_number(text) for text in found.texts], dtype=bool)
    rows = found.rows[found.words]
    if not len(rows) or rows[begins].sum() < MOST * rows.sum():
        return ()
    return (
        f"column {name!r} is taken as categories, without an order, though its cells begin with numbers "
        f"({found.texts[0]!r}): write plain numbers for amounts, or `categories: [{quoted(name)}]` if that "
        "is right",
    )


def _refuse_dates(table: UserTable, name: str, found: _Cells) -> None:
    """Refuse a column of moments that are written in no way that is read, or not all in one.

    Raises:
        DataError: the cells that are none, where they stand, and what to write.
    """
    like = np.array([moments.is_datelike(text) for text in found.texts], dtype=bool)
    rows = found.rows[found.words]
    if not like.any() or rows[like].sum() < cells.MOSTLY * found.rows.sum():
        return
    dates = [text for text, is_date in zip(found.texts, like, strict=True) if is_date]
    others = [text for text, is_date in zip(found.texts, like, strict=True) if not is_date]
    text = f"`categories: [{quoted(name)}]` to take it as text, or leave it out of `features`"
    shapes = [f'`dates: {{{quoted(name)}: "{shape}"}}`' for shape in moments.patterns_of(dates)[:3]]
    said = f"holds dates that are written in no way that is read, for instance {dates[0]!r}"
    cure = " or ".join(shapes)
    if not shapes:
        if (two := moments.two_ways(dates)) is not None:
            said = f"holds dates that are written in several ways, {two[0]!r} and {two[1]!r} for instance"
        cure = f'all in one way, and `dates: {{{quoted(name)}: "…"}}` for it'
    if others:
        said = f"holds dates ({dates[0]!r}) and also {', '.join(map(repr, others[: cells.SHOWN]))}"
        words = ", ".join(cells.in_quotes(word) for word in others if '"' not in word)
        cure = f"`missing: [{words}]` if they stand for nothing" if len(others) <= cells.FEW_WORDS else cure
        if (serial := moments.excel_day(others)) is not None:
            said += f", days as Excel counts them ({others[0]} is {serial})"
            cure = "all of them as dates"
    raise DataError(f"{table.path}: column {name!r} {said}: write {cure}, or {text}")


def _refuse_mixed(
    table: UserTable, name: str, found: _Cells, numbers: Numbers, how: Notation, otherwise: str
) -> None:
    """Refuse a column that is numbers in part, or numbers in a notation that was not named.

    Raises:
        DataError: the cells that are none, where they stand, and what to write.
    """
    like = np.array([cells.is_numberlike(text) for text in found.texts], dtype=bool)
    if any(odd_cells.is_range(text) for text in found.texts):  # beside 15-24 an age of 65- is no negative one
        like &= np.array([not text.endswith(("-", "–")) for text in found.texts], dtype=bool)
    rows = found.rows[found.words]
    plain = int(found.rows[np.isfinite(found.numbers)].sum())
    share = (plain + int(rows[numbers.read | like].sum())) / max(1, plain + int(rows.sum()))
    if share < cells.MOSTLY:
        return
    bad = np.flatnonzero(~numbers.read)
    notation = [found.texts[i] for i in bad if like[i]] or [found.texts[i] for i in bad]
    text_of = dict(zip(np.flatnonzero(found.words).tolist(), found.texts, strict=True))
    wrong = [code for code, text in text_of.items() if text in {found.texts[i] for i in bad}]
    is_bad = np.isin(found.codes, wrong)
    known = np.append(np.isfinite(found.numbers) | found.words, False)[found.codes]
    raise_all(written_apart(table, name, is_bad, known, bool(like[bad].all()), bool(otherwise)))
    where = np.flatnonzero(is_bad).tolist()
    some = where[: cells.SHOWN]
    listed = cells.listed([text_of[int(found.codes[r])] for r in some], [table.place(r) for r in some])
    more = f" and {len(where) - len(some)} more" if len(where) > len(some) else ""
    count = f"{len(where)} cell{'s that are' if len(where) > 1 else ' that is'} no number"
    raise DataError(
        f"{table.path}: column {name!r} has {count}: {listed}{more}: "
        f"{cells.cure_of(notation, how, name)}{otherwise}"
    )


def _filled(raw: pd.Series, how: Notation) -> np.ndarray:
    """Texts, None for those that stand for nothing."""
    nothing = {None, *MISSING, *how.missing}
    codes, texts = different_texts(raw)
    return spread(codes, [None if text in nothing else text for text in texts])
