"""Rows of a table as a client sends them → the numbers that a model takes, by what its training rows taught.

`export` copies this file as it is beside an exported model, so what answers there is the code that was
measured. Hence it imports the standard library and numpy alone. What is learnt of the training rows is a
text, `columns.json`; `harness.datasets.encoding` writes it.
"""

from __future__ import annotations

import datetime
import json
import math
import re
import unicodedata
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

FILE = "columns.json"
FORMAT = 2  # since 2 numbers may have `minus`

TYPES = {"number": "f8", "date": "M8[s]", "category": "O", "words": "O"}
"""What a column is → the type of its values in an array of rows; NaN, NaT and None are holes."""

BLOCK = 65536
"""Rows that are made numbers at a time."""

HOLE = "missing"
"""The category of a hole."""

BLANKS = " \u00a0\u202f\u2009\u2007\u2008\u200a\u3000"  # between thousands: of all widths
_WORD = re.compile(r"(?u)\b\w\w+\b")
_DAY = re.compile(r"[12][0-9]{7}")
_NUMBER = re.compile(r"[-+]?\d+\.?\d*(?:[eE][-+]?\d+)?")
_TRUTH = {"true": 1.0, "false": 0.0}
_CLOCK = re.compile(
    r"(?:(?P<days>-?\d+) days?,? )?\+?(?P<first>\d+):(?P<second>[0-5]\d)(?::(?P<third>[0-5]\d(?:\.\d+)?))?"
    r"(?:\s*(?P<half>[apAP])\.?\s?[mM]\.?)?"
)
_SIGNS = dict.fromkeys(map(ord, "−–‐‑‒﹣"), "-") | {0xFF01 + i: chr(33 + i) for i in range(94)} | {0x66B: "."}
_BRACKETS = re.compile(r"([^\d()\-+]{0,4})\(([^()\-+]*\d[^()\-+]*)\)([^\d()\-+]{0,4})")
_MINUS_LAST = re.compile(r"([^\d\-+]{0,4}\d[^\-+]*)-([^\d\-+]{0,4})")

Step = Mapping[str, Any]
"""How a column becomes numbers: `column`, `as` (a key of `WIDTHS`), and what was learnt. `minus` is taken
from numbers of which 32 bits would lose what they differ by (seconds since 1970 within an hour); `if_missing`
is a value of the column."""


def row_type(columns: Sequence[Mapping[str, Any]]) -> np.dtype:
    """The type of an array of rows, of columns with a `name` and a `kind`."""
    return np.dtype([(column["name"], TYPES[column["kind"]]) for column in columns])


class TableEncoding:
    """What is known of a table's columns, and how they become numbers.

    Args:
        columns: `name`, `kind`, and how cells are written where they are text (`mark`, `shape` of a date).
        steps: in the order of the numbers. notation: `decimal`, `thousands`, `missing`.
    """

    def __init__(
        self, columns: Sequence[Mapping[str, Any]], steps: Sequence[Step], notation: Mapping[str, Any]
    ) -> None:
        self.columns, self.steps, self.notation = tuple(columns), tuple(steps), dict(notation)
        self.type = row_type(self.columns)
        starts = np.cumsum([0, *(width(step) for step in self.steps)]).tolist()
        self.width: int = starts[-1]
        placed = list(zip(self.steps, starts, strict=False))
        self.categorical = [at for step, at in placed if step["as"] == "codes"]
        """Places of whole numbers that name categories, without an order."""
        self._others = [
            (step["column"], at, _WRITERS[step["as"]](step)) for step, at in placed if step["as"] != "number"
        ]
        numbers = [(step, at) for step, at in placed if step["as"] == "number"]
        self._numbers = [step["column"] for step, _ in numbers]
        self._number_places = [at for _, at in numbers]
        fills = [math.nan if step["if_missing"] is None else step["if_missing"] for step, _ in numbers]
        self._minus = np.array([step.get("minus", 0.0) for step, _ in numbers])
        self._fills = single(np.array(fills) - self._minus)
        self._marked = [i for i, (step, _) in enumerate(numbers) if step["marks"]]
        self._mark_places = [at + 1 for step, at in numbers if step["marks"]]

    def encode(self, rows: np.ndarray) -> np.ndarray:
        """(n,) rows, an array of `type` → (n, width) float32."""
        out = np.empty((len(rows), self.width), np.float32)
        for start in range(0, len(rows), BLOCK):
            self._encode(rows[start : start + BLOCK], out[start : start + BLOCK])
        return out

    def _encode(self, rows: np.ndarray, out: np.ndarray) -> None:
        if self._numbers:
            block = np.empty((len(rows), len(self._numbers)), np.float64)
            for place, name in enumerate(self._numbers):
                block[:, place] = rows[name]
            values = single(block - self._minus)
            holes = ~np.isfinite(values)
            out[:, self._number_places] = np.where(holes, self._fills, values)
            if self._marked:
                out[:, self._mark_places] = holes[:, self._marked]
        for name, at, write in self._others:
            write(rows[name], out[:, at:])

    def rows(self, given: Sequence[Mapping[str, Any]]) -> np.ndarray:
        """What a client sends, column → value or text, as an array of rows; further columns are ignored.

        Raises:
            ValueError: a row lacks a column, or a cell is not what its column holds.
        """
        out = np.empty(len(given), self.type)
        for column in self.columns:
            name, read = column["name"], self._reader(column)
            for place, row in enumerate(given):
                if name not in row:
                    raise ValueError(f"row {place + 1} has no {name!r}: give null where nothing is known")
                try:
                    out[name][place] = read(row[name])
                except (ValueError, TypeError, OverflowError) as error:
                    what = {"date": "a date", "number": "a number"}.get(column["kind"], "a text")
                    raise ValueError(
                        f"row {place + 1}: {name!r} is {row[name]!r}, which is not {what}"
                    ) from error
        return out

    def told(self, rows: np.ndarray) -> list[dict[str, Any]]:
        """Rows as a client would send them, in JSON: the inverse of `rows`."""
        return [
            {name: _sent(value) for name, value in zip(self.type.names or (), row, strict=True)}
            for row in rows.tolist()
        ]

    def save(self, path: Path) -> None:
        """Write what `read` reads."""
        known = {"columns": self.columns, "steps": self.steps, "notation": self.notation}
        path.write_text(json.dumps({"format": FORMAT, **known}), encoding="utf-8")

    def _reader(self, column: Mapping[str, Any]) -> Callable[[object], object]:
        missing = {"", *self.notation.get("missing", ())}
        if column["kind"] == "number":
            holes, how = numbers_among(missing), (missing, self.notation, column.get("mark", ""))
            return lambda cell: math.nan if (number := _number(cell, *how)) in holes else number
        if column["kind"] == "date":
            return lambda cell: _moment(cell, missing, column.get("shape", ""))
        return lambda cell: _text(cell, missing)


def read(path: Path) -> TableEncoding:
    """A table from its file.

    Raises:
        ValueError: it is of a newer format.
    """
    known = json.loads(path.read_text(encoding="utf-8"))
    if known["format"] > FORMAT:
        raise ValueError(f"{path}: format {known['format']} is newer than {FORMAT}")
    return TableEncoding(known["columns"], known["steps"], known["notation"])


def width(step: Step) -> int:
    """How many numbers a step makes."""
    return WIDTHS[step["as"]](step)


WIDTHS: Mapping[str, Callable[[Step], int]] = {
    "number": lambda step: 1 + step["marks"],
    "date": lambda step: len(step["parts"]) + step["marks"],
    "one_hot": lambda step: len(step["values"]) + step["other"],
    "codes": lambda step: 1,
    "ordinal": lambda step: 1,
    "target": lambda step: len(step["otherwise"]),
    "hashed": lambda step: int(step["buckets"]),
    "words": lambda step: len(step["words"]),
}


def single(values: np.ndarray) -> np.ndarray:
    """float32; what is too large becomes infinite."""
    with np.errstate(over="ignore"):
        return np.asarray(values, dtype=np.float64).astype(np.float32)


Write = Callable[[np.ndarray, np.ndarray], None]
"""Writes values (n,) into the first columns of (n, …) float32."""


def calendar(moments: np.ndarray) -> dict[str, np.ndarray]:
    """What a model is told of moments: (n,) float64 each, NaN where there is none.

    Args:
        moments: (n,) datetime64[s], UTC.
    """
    holes = np.isnat(moments)
    known = np.where(holes, np.datetime64(0, "s"), moments)
    days, months = known.astype("M8[D]"), known.astype("M8[M]")
    number = days.astype(np.int64)
    figures = {
        "days since 1970": number,
        "year": known.astype("M8[Y]").astype(np.int64) + 1970,
        "month": months.astype(np.int64) % 12 + 1,
        "day of the month": (days - months.astype("M8[D]")).astype(np.int64) + 1,
        "day of the week": (number + 3) % 7,  # 1970 began with a Thursday
        "hour": (known.astype(np.int64) - number * 86400) / 3600,
    }
    return {part: np.where(holes, np.nan, values.astype(np.float64)) for part, values in figures.items()}


def _date(step: Step) -> Write:
    parts, fills = step["parts"], step["if_missing"]

    def write(values: np.ndarray, out: np.ndarray) -> None:
        figures = calendar(values)
        for place, part in enumerate(parts):
            out[:, place] = figures[part]
        holes = np.isnat(values)
        if fills is not None and holes.any():
            out[holes, : len(parts)] = fills
        if step["marks"]:
            out[:, len(parts)] = holes

    return write


def _places(values: np.ndarray, known: Mapping[str, int]) -> list[int]:
    """Which of the known categories each value is, −1 where it is none."""
    return [known.get(HOLE if value is None else value, -1) for value in values.tolist()]


def _numbered(step: Step) -> dict[str, int]:
    return {value: place for place, value in enumerate(step["values"])}


def _one_hot(step: Step) -> Write:
    known, end = _numbered(step), width(step)
    other = end - 1 if step["other"] else -1

    def write(values: np.ndarray, out: np.ndarray) -> None:
        out[:, :end] = 0.0
        for row, place in enumerate(_places(values, known)):
            if place >= 0 or other >= 0:
                out[row, place if place >= 0 else other] = 1.0

    return write


def _codes(step: Step) -> Write:
    """Numbers of categories; what training had not is a hole, NaN, or −1 where they are ordinal."""
    known, unknown = _numbered(step), -1.0 if step["as"] == "ordinal" else math.nan

    def write(values: np.ndarray, out: np.ndarray) -> None:
        places = np.array(_places(values, known), dtype=np.float32)
        out[:, 0] = np.where(places < 0, unknown, places)

    return write


def _target(step: Step) -> Write:
    known, end = _numbered(step), width(step)
    means = np.array([*step["means"], step["otherwise"]], np.float32)

    def write(values: np.ndarray, out: np.ndarray) -> None:
        out[:, :end] = means[_places(values, known)]

    return write


def _hashed(step: Step) -> Write:
    buckets = int(step["buckets"])

    def write(values: np.ndarray, out: np.ndarray) -> None:
        out[:, :buckets] = 0.0
        for row, value in enumerate(values.tolist()):
            text = HOLE if value is None else value
            out[row, zlib.crc32(text.encode("utf-8", "surrogatepass")) % buckets] = 1.0

    return write


def _words(step: Step) -> Write:
    """Counts of words, times how much each tells, brought to length 1."""
    known = {word: place for place, word in enumerate(step["words"])}
    weights, end = np.array(step["weights"]), len(step["words"])

    def write(values: np.ndarray, out: np.ndarray) -> None:
        out[:, :end] = 0.0
        for row, text in enumerate(values.tolist()):
            counts = Counter(known[w] for w in _WORD.findall((text or "").lower()) if w in known)
            if counts:
                places = list(counts)
                weighed = weights[places] * np.array(list(counts.values()))
                out[row, places] = weighed / math.sqrt(float(weighed @ weighed))

    return write


_WRITERS: Mapping[str, Callable[[Step], Write]] = {
    "date": _date,
    "one_hot": _one_hot,
    "codes": _codes,
    "ordinal": _codes,
    "target": _target,
    "hashed": _hashed,
    "words": _words,
}


def _number(cell: Any, missing: set[str], notation: Mapping[str, Any], mark: str) -> float:
    if not isinstance(cell, str):
        return math.nan if cell is None else float(cell)
    text = cell.strip()
    known = math.nan if text in missing else _TRUTH.get(text.casefold(), seconds_of_clock(text))
    if known is not None:
        return known
    text = turned(plain(text))
    if mark:
        text = text.replace(mark, "")
        if len(mark) > 2:
            text = text.replace(mark.removesuffix("s"), "")  # 1 year beside 2 years
        text = text.strip()
    decimal, thousands = notation.get("decimal", "."), notation.get("thousands")
    if decimal == "." or "," in text or thousands:
        for sign in {" ": BLANKS, "'": "'’"}.get(thousands or "", thousands or ""):
            text = text.replace(sign, "")
        text = text.replace(decimal, ".")
    if "_" in text:  # Python reads 1_000 as a number
        raise ValueError(text)
    return float(text)


def numbers_among(words: Iterable[str]) -> list[float]:
    """Those of the words for nothing that are numbers, -999 of `-999`, as 64 and as 32 bits hold them."""
    known = [float(pointed) for word in words if _NUMBER.fullmatch(pointed := word.replace(",", "."))]
    return [*known, *single(np.array(known)).tolist()]


def plain(text: str) -> str:
    """A number's text with the digits and signs of ASCII, nothing unseen in it; raised digits (`5²`) stay."""
    if text.isascii():
        return text
    seen = (sign for sign in text.translate(_SIGNS) if unicodedata.category(sign) != "Cf")
    return "".join(str(unicodedata.decimal(sign, sign)) for sign in seen).strip()


def turned(text: str) -> str:
    """A negative number as bookkeepers write it, `(12.50)` or `12.50-`, with its minus in front."""
    if "(" not in text and not text.endswith("-"):
        return text
    found = _BRACKETS.fullmatch(text) or _MINUS_LAST.fullmatch(text)
    return "-" + "".join(found.groups()).strip() if found else text


def seconds_of_clock(text: str) -> float | None:
    """Seconds of a duration or a time of day (`1 days 02:03:04`, `27:03:04`, `1:30 pm`), None of others."""
    found = _CLOCK.fullmatch(text)
    if found is None or (found["half"] and not (0 < int(found["first"]) < 13 and found["days"] is None)):
        return None
    hours = int(found["first"]) % 12 + 12 * (found["half"] in "pP") if found["half"] else int(found["first"])
    parts = hours * 3600 + int(found["second"]) * 60 + float(found["third"] or 0)
    return int(found["days"] or 0) * 86400 + parts


def _moment(cell: Any, missing: set[str], shape: str) -> np.datetime64:
    if cell is None or (isinstance(cell, float) and math.isnan(cell)):
        return np.datetime64("NaT", "s")
    text = str(int(cell)) if isinstance(cell, (int, float)) else cell.strip()
    if text in missing:
        return np.datetime64("NaT", "s")
    moment = _written(text, shape or ("%Y%m%d" if _DAY.fullmatch(text) else ""))
    if moment.tzinfo is not None:
        moment = moment.astimezone(datetime.UTC).replace(tzinfo=None)
    return np.datetime64(moment + datetime.timedelta(microseconds=500_000), "s")  # to the nearest second


def _written(text: str, shape: str) -> datetime.datetime:
    """A moment by the file's pattern, or in ISO 8601 as JSON has it."""
    if shape:
        try:
            return datetime.datetime.strptime(text, shape)
        except ValueError:
            pass
    return datetime.datetime.fromisoformat(re.sub(r"\s?(UTC|GMT)$", "+00:00", text))


def _text(cell: Any, missing: set[str]) -> str | None:
    if cell is None or (isinstance(cell, float) and math.isnan(cell)):
        return None
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    text = str(cell).strip()
    return None if text in missing else text


def _sent(value: object) -> object:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value.isoformat() if isinstance(value, datetime.datetime) else value
