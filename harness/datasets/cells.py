"""What the cells of a column say: numbers in the notation of their country, yes and no.

Nothing is guessed in silence: a column that is neither all numbers nor all something else is refused, its
cells named, with what to write in the suite.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from harness.datasets import units
from harness.exported.tables import BLANKS, plain, turned
from harness.record import DataError
from harness.suite.source import quoted

CURRENCY = (
    "[€$£¥₹₽₩₺₴₫฿]|US\\$|A\\$|C\\$|R\\$|EUR|USD|GBP|CHF|JPY|CNY|INR|AUD|CAD|SEK|NOK|DKK|PLN|CZK|HUF|BRL|MXN|"
    "kr\\.?|zł|Kč|Ft|Fr\\."
)
"""Signs and codes of money, before or after a number."""
_SPACES = f"{BLANKS}'’"
"""What stands between thousands in some countries: blanks, apostrophes."""
_MARKED = re.compile(
    rf"(?P<minus>[-+]?)\s*(?P<before>{CURRENCY})?\s*(?P<sign>[-+]?)(?P<number>[0-9.,{_SPACES}]*[0-9][0-9.,]*"
    rf"(?:[eE][-+]?[0-9]+)?)\s*(?P<after>{CURRENCY}|[%‰]|{units.PATTERN})?"
)
_PLAIN = re.compile(r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")
_COMMA = re.compile(r"[-+]?[0-9]*,[0-9]+(?:[eE][-+]?[0-9]+)?")
_BOTH_COMMA_LAST = re.compile(rf"[-+]?[0-9]{{1,3}}(?:([.{_SPACES}])[0-9]{{3}})+,[0-9]+")
_MILLIONS = re.compile(r"[-+]?[0-9]{1,3}(?:\.[0-9]{3}){2,}")
_THOUSANDS = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,2}(?:\.[0-9]{3})*)")
_NOT_FINITE = re.compile(r"[-+]?inf(?:inity)?", re.IGNORECASE)
TRUTH = {"true": True, "false": False}
MOSTLY = 0.2
"""A column in which a share of the cells from here on are numbers, and not all, is not a column of words."""
SHOWN = 5
FEW_WORDS = 8
"""More different cells than this do not all stand for nothing."""
LONG = 60
"""Signs of a cell that a message shows; what stands for nothing has fewer."""
MANY_IN_ONE = "it holds several numbers in a cell: write each into a column of its own"
are_several = re.compile(r"\[?\s*[-+]?\d[\d.e+-]*(?:[ ,;]+[-+]?\d[\d.e+-]*){3,}\s*\]?").fullmatch
"""Told a cell, whether it holds four numbers or more."""


@dataclass(frozen=True)
class Notation:
    """How numbers are written, and what stands for nothing.

    Args:
        decimal: the sign before the fraction, `.` or `,`. thousands: the one between thousands; empty says
            that there is none, None says nothing.
        missing: cells that stand for nothing, beside empty ones and the usual words.
    """

    decimal: str = "."
    thousands: str | None = None
    missing: tuple[str, ...] = ()

    def check(self) -> None:
        """Refuse signs that cannot be.

        Raises:
            DataError: with the cure.
        """
        if self.decimal not in (".", ","):
            raise DataError(f'decimal is {self.decimal!r}: write "." or ","')
        if self.thousands is not None and (len(self.thousands) > 1 or self.thousands.isalnum()):
            raise DataError(f'thousands is {self.thousands!r}: write one sign, for instance ".", "," or " "')
        if self.thousands and self.thousands == self.decimal:
            raise DataError(f"decimal and thousands are both {self.decimal!r}: they must differ")


@dataclass(frozen=True)
class Numbers:
    """What could be read of a column of text.

    Args:
        values: (n,) float64, NaN where a cell is not a number. read: (n,) bool.
        mark: what stands beside every number (`€`, `%`), empty where nothing does.
        negative: a cell whose minus is written as brackets or at its end, empty where there is none.
    """

    values: np.ndarray
    read: np.ndarray
    mark: str = ""
    negative: str = ""


def read_numbers(cells: Sequence[str], how: Notation) -> Numbers:
    """Numbers of texts without blanks around them: one notation and one mark for the whole column.

    A column that was written with points in a file of decimal commas is read with points, unless its points
    could as well stand between thousands.
    """
    if how.decimal == ".":  # most columns are plain, and of millions of cells
        quickly = pd.to_numeric(pd.Series(list(cells), dtype=object), errors="coerce").to_numpy(np.float64)
        if not np.isnan(quickly).any():
            return Numbers(quickly, np.ones(len(quickly), dtype=bool))
    texts, negative = _with_minus([plain(text) for text in cells])
    marks, bare = _without_marks(texts)
    pattern = _pattern(how)
    right = [bool(pattern.fullmatch(text)) for text in bare]
    if how.decimal == "," and not any("," in text for text in bare):
        pointed = [bool(_PLAIN.fullmatch(text)) for text in bare]
        grouped = [bool(re.fullmatch(r"[-+]?[0-9]{1,3}(\.[0-9]{3})+", t)) for t in bare if "." in t]
        if sum(pointed) > sum(right) and (how.thousands == "" or not all(grouped)):
            right, how = pointed, Notation(".", "", how.missing)
    values = np.full(len(bare), np.nan)
    read = np.array(right, dtype=bool)
    for place, text in enumerate(bare):
        if read[place]:
            values[place] = _number(text, how)
        elif _NOT_FINITE.fullmatch(text):
            values[place], read[place] = float(text), True
    used = units.one_spelling({mark for mark, good in zip(marks, right, strict=True) if good})
    if len(used) > 1:  # prices in two currencies, shares beside per cents: no common scale
        read &= np.array([not mark for mark in marks], dtype=bool)
        return Numbers(values, read, negative=negative)
    return Numbers(values, read, used.pop() if used else "", negative)


def _with_minus(texts: list[str]) -> tuple[list[str], str]:
    """Texts whose minus stands in front, and one of those where it did not.

    Where all stand in brackets these may be anything, numbers of footnotes say: there they stay.
    """
    found = [turned(text) for text in texts]
    example = next((text for text, new in zip(texts, found, strict=True) if new != text), "")
    other = any(text == new and _MARKED.fullmatch(new) for text, new in zip(texts, found, strict=True))
    return (found, example) if example and other else (texts, "")


def unclear_points(cells: Sequence[str], how: Notation) -> tuple[str, str] | None:
    """A cell whose point may be a decimal one or stand between thousands, and one of the column's that has
    no point (empty where all have one); None where all is clear.

    So it is where nobody named a notation, behind each point stand three digits, and no number is longer than
    thousands with points would let it be: `1.234` beside `999`, not beside `12.5` or `1234`.
    """
    if how.decimal != "." or how.thousands is not None:
        return None
    _, bare = _without_marks([plain(text) for text in cells])
    if not all(_THOUSANDS.fullmatch(text) for text in bare):
        return None
    pointed = next((text for text in bare if "." in text), None)
    return None if pointed is None else (pointed, next((text for text in bare if "." not in text), ""))


def may_be_thousands(values: np.ndarray) -> bool:
    """Whether numbers that were read with decimal points could all be thousands (see `unclear_points`)."""
    known = values[np.isfinite(values)]
    size, fraction = np.abs(known), known % 1 != 0
    thousandths = size * 1000
    if (size >= 1000).any() or (fraction & (size < 1)).any():
        return False
    return bool((np.abs(thousandths - np.round(thousandths)) < 1e-6).all())


def _without_marks(texts: Sequence[str]) -> tuple[list[str], list[str]]:
    """The mark of each text, and its number without it; texts of another form stay as they are."""
    marks, bare = [], []
    for text in texts:
        found = _MARKED.fullmatch(text)
        if found and not (found["before"] and found["after"]):
            marks.append(found["before"] or found["after"] or "")
            bare.append((found["minus"] or found["sign"]) + found["number"].strip())
        else:
            marks.append("")
            bare.append(text)
    return marks, bare


def _pattern(how: Notation) -> re.Pattern[str]:
    between = {" ": f"[{BLANKS}]", "'": "['’]"}.get(how.thousands or "", re.escape(how.thousands or ""))
    grouped = rf"[0-9]{{1,3}}(?:{between}[0-9]{{2,3}})*{between}[0-9]{{3}}" if how.thousands else "[0-9]+"
    point = re.escape(how.decimal)
    return re.compile(rf"[-+]?(?:(?:{grouped}|[0-9]+)(?:{point}[0-9]*)?|{point}[0-9]+)(?:[eE][-+]?[0-9]+)?")


def _number(text: str, how: Notation) -> float:
    if how.thousands:
        for sign in {" ": BLANKS, "'": "'’"}.get(how.thousands, how.thousands):
            text = text.replace(sign, "")
    return float(text.replace(how.decimal, "."))


def cure_of(cells: Sequence[str], how: Notation, name: str) -> str:
    """What to write in the suite for cells that are no numbers: in another notation, or no numbers at all."""
    if all(map(are_several, cells)):
        return f"{MANY_IN_ONE}, or leave it out of `features`"
    marks, bare = _without_marks([plain(text) for text in cells])
    several = units.one_spelling(set(marks) - {""})
    as_text = f"or `categories: [{quoted(name)}]` to take them as text"
    if len(several) > 1:
        return f"write all of them in one unit ({', '.join(sorted(several))}), {as_text}"
    if several and all(marks) and all(_pattern(how).fullmatch(text) for text in bare):
        mark = several.pop()
        others = (
            "all as per cents or all as fractions" if mark == "%" else f"{mark} to all of them or to none"
        )
        return f"others have no {mark}: write {others}, {as_text}"
    if all(turned(text) != text for text in map(plain, cells)):
        return f"all are negative if brackets, or a minus behind, say so: write -5 for (5) and 5-, {as_text}"
    if any(_MILLIONS.fullmatch(text) for text in bare) and how.decimal == ".":
        return 'write `decimal: ","` and `thousands: "."`'
    if both := next((found for text in bare if (found := _BOTH_COMMA_LAST.fullmatch(text))), None):
        sign = {".": ".", "'": "'", "’": "'"}.get(both[1], " ")
        return f'write `decimal: ","` and `thousands: "{sign}"`'
    for sign, named in ((",", '","'), (".", '"."'), (" ", '" "'), ("'", '"\'"')):
        grouped = _pattern(Notation(how.decimal, sign)) if sign != how.decimal else None
        if grouped and sign != (how.thousands or "") and any(
            grouped.fullmatch(text) and not _PLAIN.fullmatch(text) for text in bare
        ):  # fmt: skip
            if sign == "," and all(_COMMA.fullmatch(t) or _PLAIN.fullmatch(t) for t in bare):
                return (
                    f'write `decimal: ","` if the comma is a decimal one, `thousands: {named}` if it is none'
                )
            return f"write `thousands: {named}`"
    if how.decimal == "." and any(_COMMA.fullmatch(text) for text in bare):
        return 'write `decimal: ","`'
    if how.decimal == "," and any(_PLAIN.fullmatch(text) and "." in text for text in bare):
        point = (
            '`thousands: "."` if the point stands between thousands, `thousands: ""` if it is a decimal one'
        )
        return f"write {point}"
    if {text.casefold() for text in cells} <= set(TRUTH):
        return f"write 1 and 0 for true and false in the file, {as_text}"
    different = [text for text in dict.fromkeys(cells) if '"' not in text]
    nothing = f"`missing: [{', '.join(map(in_quotes, different))}]` if they stand for nothing, "
    if not 0 < len(different) <= FEW_WORDS or any(len(text) > LONG for text in different):
        nothing = ""
    return f"write {nothing}`categories: [{quoted(name)}]` if the column holds categories, or correct them"


def in_quotes(text: str) -> str:
    """A word of `missing`."""
    return '"' + text.replace("\\", "\\\\") + '"'


def listed(some: Sequence[str], places: Sequence[str]) -> str:
    """Cells with their places, for a message."""
    short = [cell if len(cell) <= LONG else f"{cell[:LONG]}…" for cell in some]
    return ", ".join(f"{cell!r} in {place}" for cell, place in zip(short, places, strict=True))


def is_numberlike(text: str) -> bool:
    """Whether a text is a number in some notation: `1.234,56`, `€ 5`, `12 %`, `(5)`."""
    return bool(_MARKED.fullmatch(turned(plain(text))))
