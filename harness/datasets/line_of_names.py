"""What is said of a table's line of names: it is a row, stands below a title, or above units."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from harness.datasets import moments
from harness.datasets.cells import is_numberlike
from harness.datasets.commands import for_shell
from harness.datasets.formats import is_parquet
from harness.datasets.raw import LOOK, LOOK_FOR_NAMES, MISSING, Layout, separator_of
from harness.suite.source import quoted

FEW = 20
"""Of a column's cells, where all are alike."""
LEAST_SIGNS = 6
"""Of an id of no pattern, such as `B07X1Q`; names of columns are as long by chance."""
SENTENCE = 8
"""Words of a name that stands above texts and is one, beside another name that is a value of its column."""
MOST_UNITS = 3
"""Rows of words that stand between the line of names and rows of numbers, at most: Qualtrics has two."""
_DIGITS = re.compile(r"\d").findall
_HEX, _CAPITALS = re.compile(r"[0-9a-fA-F-]+").fullmatch, re.compile(r"[0-9A-Z-]+").fullmatch
_HAS_DIGIT = re.compile(r"\d").search


def headless(path: Path, frame: pd.DataFrame) -> str:
    """What is said of a table whose line of names is a row."""
    return (
        ""
        if is_parquet(path) or not is_row(frame)
        else without_names(path, list(map(str, frame.columns)), renames=True)
    )


def names_again(path: Path, frame: pd.DataFrame, layout: Layout) -> str:
    """What is said of a table whose line of names stands again among the rows, as where files were put
    together: of words alone it would be a row of its own class."""
    was = {new.strip(): old.strip() for old, new in layout.rename}
    again = np.arange(len(frame))
    for place, name in enumerate(map(str, frame.columns)):
        if name.startswith("Unnamed: "):
            continue
        cells = frame.iloc[again, place]
        if cells.dtype.kind in "iufbM":
            return ""
        again = again[(cells.astype(str).str.strip() == was.get(name, name)).to_numpy(dtype=bool)]
        if not len(again):
            return ""
    rows = ", ".join(str(row + 1) for row in again[:5]) + (", …" if len(again) > 5 else "")
    which, them = ("rows", "them") if len(again) > 1 else ("row", "it")
    return f"{path}: the line of names stands again in {which} {rows}: take {them} out"


def without_names(path: Path | str, names: Sequence[str], renames: bool = False) -> str:
    """What is said of a table whose first row, and no line of names, is `names`."""
    shown = ", ".join(names[:6]) + (", …" if len(names) > 6 else "")
    cure = "write a line of names above its rows" + (
        ", or `rename` these if they are names" if renames else ""
    )
    return f"{path} has no line of names, it begins with {shown}: {cure}"


def is_row(frame: pd.DataFrame) -> bool:
    """Whether the names of a table's columns are its first row: half of them could be values of their column,
    or one is a moment above moments."""
    if frame.empty:
        return False
    names, head = list(map(str, frame.columns)), frame.head(LOOK_FOR_NAMES)
    texts = [_texts_of(head[name]) for name in frame.columns]
    pairs = list(zip(names, texts, strict=True))
    if any(moments.is_datelike(n) and all(map(moments.is_datelike, some[:FEW])) for n, some in pairs):
        return True
    found = sum(_is_value(name, head[column]) for name, column in zip(names, frame.columns, strict=True))
    if found and any(_is_text_of(name, some) for name, some in pairs):
        return not _stands_again(names, texts)
    if 2 * found < max(2, len(names)) and not _are_amounts(names):
        return False
    if _stands_again(names, texts) and not any(map(_is_number, names)):
        return False
    return not any(_names_numbers(name, some) for name, some in pairs)


def holds_names(frame: pd.DataFrame) -> bool:
    """Whether the first row of a table, whose columns somebody named, holds the names: it says them, or is
    of words above columns of values with digits."""
    first = [str(cell).strip() for cell in frame.iloc[0]] if len(frame) > 1 else []
    if [cell.casefold() for cell in first] == [str(name).casefold() for name in frame.columns]:
        return True
    rest = frame.iloc[1:LOOK_FOR_NAMES].astype(str)
    numbered = [column for column in rest if rest[column].str.contains(r"\d").all()]
    return bool(numbered) and not any(map(_HAS_DIGIT, first)) and not (rest == first).any(axis=None)


def words_under(path: Path, frame: pd.DataFrame, layout: Layout) -> str:
    """What is said of words in the first rows of columns that hold numbers or dates else: units,
    questions, or the names themselves, below other ones."""
    if is_parquet(path) or len(frame) <= FEW:
        return ""
    head = frame.head(LOOK_FOR_NAMES)
    found = {str(name): words for name in head if (words := _words_above_numbers(head[name]))}
    rows = sorted({row for words in found.values() for row in words})
    said = list(dict.fromkeys(word for words in found.values() for word in words.values()))
    if len(found) < 2 or len(said) < 2 or any(head[n].iloc[rows].notna().any() for n in _numbers_of(head)):
        return ""
    last, out = rows[-1] + 1, str(path.with_name(f"{path.stem}_rows.csv"))
    encoding = "" if layout.encoding.startswith("utf") else f", encoding={layout.encoding!r}"
    code = for_shell(
        f"import pandas; t = pandas.read_csv({str(path)!r}, sep={separator_of(path, layout)!r}, dtype=str, "
        f"keep_default_na=False{encoding}); t.iloc[{last}:].to_csv({out!r}, index=False)"
    )
    which = "row 1" if last == 1 else f"rows 1 to {last}"
    hold = "holds" if last == 1 else "hold"
    shown = ", ".join(repr(_short(word)) for word in said[:5])
    return (
        f"{path}: {which} under the line of names {hold} {shown} where all others hold "
        "numbers or dates: if they are units or questions write the table without, "
        f'`python -c "{code}"`; if the names stand there put `.set_axis(t.iloc[{last - 1}], axis=1)` before '
        "`.to_csv`; if they say that nothing is known, name them under `missing`"
    )


def _short(text: str) -> str:
    return text if len(text) <= 30 else f"{text[:29]}…"


def _numbers_of(head: pd.DataFrame) -> list[str]:
    """Columns that were read as numbers or moments."""
    return [str(name) for name in head if head[name].dtype.kind in "iufbM"]


def _words_above_numbers(column: pd.Series) -> dict[int, str]:
    """Row → word, of a column whose first rows hold words, and all others numbers, dates or nothing."""
    if column.dtype.kind in "iufbM":
        return {}
    texts = ["" if cell is None or cell != cell else str(cell).strip() for cell in column]
    above, below = texts[:MOST_UNITS], [text for text in texts[MOST_UNITS:] if text not in MISSING]
    words = {row: text for row, text in enumerate(above) if text not in MISSING and not _is_amount(text)}
    return words if words and len(below) >= FEW // 2 and all(map(_is_amount, below)) else {}


def _is_amount(text: str) -> bool:
    return is_numberlike(text) or moments.is_datelike(text)


def _is_text_of(name: str, cells: Sequence[str]) -> bool:
    """Whether a name is a text above texts, of which hardly two are the same."""
    long = [len(cell.split()) for cell in cells]
    comes_back = 2 * len(set(cells)) <= len(cells)
    return len(name.split()) >= SENTENCE and bool(np.median(long) >= SENTENCE) and not comes_back


def _stands_again(names: Sequence[str], texts: Sequence[Sequence[str]]) -> bool:
    """Whether a line of names stands among the rows again, as where files were put together: its names stand
    nowhere else."""
    again = sum(row == tuple(names) for row in zip(*texts, strict=True))
    return again > 0 and all(list(some).count(name) == again for name, some in zip(names, texts, strict=True))


def _are_amounts(names: Sequence[str]) -> bool:
    """Whether names are amounts, `23,288` and `9.7`: numbers above columns are whole, as years, or go up or
    down, as wavelengths do."""
    amounts = [name for name in names if is_numberlike(name) and not name.isdecimal()]
    values = [
        float(re.sub(r"[^0-9.]", "", name.replace(",", "")) or 0) * (-1 if re.match(r"\s*[-−(]", name) else 1)
        for name in amounts
        if name.count(".") < 2
    ]
    rising = sorted(values)
    return len(values) > 1 and values not in (rising, rising[::-1])


def _texts_of(column: pd.Series) -> list[str]:
    """Cells as texts, `nan` for those that pandas leaves as they are: a column may have no value at all."""
    return [str(cell) for cell in column.astype(str)]


def _is_value(name: str, column: pd.Series) -> bool:
    """Whether a name is a value of its column, or an id of the form of all its values, as `U13740` is above
    `U91836`; a word is none of a column of numbers."""
    if column.dtype.kind in "iuf" and not _is_number(name):
        return False
    texts = _texts_of(column)
    return _plain_number(name) in set(map(_plain_number, texts)) or _is_id_of(name, texts)


def _is_id_of(name: str, texts: Sequence[str]) -> bool:
    """Whether a name of letters and digits has the form of all values: the same letters around any number of
    digits, or hexadecimal digits or capitals and digits of one length, as hashes and article numbers."""
    if not (_HAS_DIGIT(name) and re.search(r"[^\d.,+\-]", name)):
        return False
    form = re.sub(r"\d+", r"\\d+", re.escape(name))
    if all(re.fullmatch(form, text) for text in texts):
        return len(set(texts)) > 1
    if len(name) < LEAST_SIGNS or len(_DIGITS(name)) < 2 or not all(map(_HAS_DIGIT, texts[:FEW])):
        return False
    signs = re.sub(r"[0-9A-Za-z]", "x", name)
    alike = all(re.sub(r"[0-9A-Za-z]", "x", text) == signs for text in texts)
    return alike and any(all(map(kind, (name, *texts))) for kind in (_HEX, _CAPITALS))


def _names_numbers(name: str, cells: Sequence[str]) -> bool:
    """Whether a word stands above numbers alone: that line has names, though one of them, say `y`, may be a
    value of its column too."""
    is_word = name[:1].isalpha() and name not in MISSING and not _is_number(name)
    return is_word and all(map(_is_number, cells))


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _plain_number(text: str) -> str:
    """A number as it is written everywhere, a text as it is."""
    try:
        return repr(float(text))
    except ValueError:
        return text.strip()


def below(path: Path, wanted: str, frame: pd.DataFrame) -> str:
    """What is said of a column whose name stands in a row: a title stands above the line of names."""
    if is_parquet(path) or not any(str(name).startswith("Unnamed: ") for name in frame.columns):
        return ""
    head = frame.head(LOOK)
    for row, cells in enumerate(head.itertuples(index=False), 1):
        if wanted in [str(cell).strip() for cell in cells]:
            return (
                f"{path} has no column {wanted!r} in its first line, but row {row} under that has the "
                "word: take out what stands above the line of names"
            )
    return ""


def lacking(path: Path, wanted: str, names: Sequence[str]) -> str:
    """What is said of a column that a file has not: the nearest name, or those that there are."""
    folded = {" ".join(name.casefold().replace("_", " ").split()): name for name in names}
    alike = folded.get(" ".join(wanted.casefold().replace("_", " ").split()))
    if alike:
        return (
            f"{path} has no column {wanted!r}, but {alike!r}, which differs in case or blanks: write it so, "
            f"or `rename: {{{quoted(alike)}: {quoted(wanted)}}}`"
        )
    if len(names) == 1 and wanted in names[0].replace('"', "").split():
        return (
            f'{path} has one column, {names[0]!r}: write `separator: " "` if blanks stand between its cells'
        )
    near = difflib.get_close_matches(wanted, list(names), n=1)
    hint = f", did you mean {near[0]!r}?" if near else ";"
    return f"{path} has no column {wanted!r}{hint} it has {', '.join(map(repr, names[:20]))}"
