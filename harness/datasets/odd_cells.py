"""Cells that hold a number in a form that is not read: how to tell them, and what to write instead."""

from __future__ import annotations

import re
from functools import cache

from harness.exported.tables import plain

EXCEL_ERROR = re.compile(
    r"#(?:DIV/0!|VALUE!|REF!|NAME\?|NUM!|NULL!|SPILL!|CALC!|FIELD!|BLOCKED!|CONNECT!|BUSY!|GETTING_DATA"
    r"|WERT!|BEZUG!|ZAHL!|NV|VALEUR!|NOMBRE!|NOM\?|¡VALOR!|¡REF!|¡NUM!|¡DIV/0!|VALOR!|NOME\?|NÚM!)"
)
"""What a spreadsheet writes in place of a figure, in English and some other languages; `#N/A` is a hole."""
_NUMBER = r"[0-9]+(?:[.,][0-9]+)?"
_TWO_UNITS = (
    ("ft|foot|feet|['’′]", "in|inch|inches|[\"”″]|''"),
    ("lbs?|pounds?|st|stones?", "oz|ounces?|lbs?"),
    ("kg", "g"), ("km", "m"), ("m", "cm"), ("cm", "mm"),
    ("h|hrs?|hours?|std", "m|mins?|minutes?"), ("m|mins?|minutes?", "s|secs?|seconds?"),
    ("d|days?", "h|hrs?|hours?"), ("w|wks?|weeks?", "d|days?"),
    ("y|yrs?|years?", "m|mos?|months?|w|weeks?|d|days?"), ("°|deg", "['’′]|min"),
)  # fmt: skip
"""A unit and the smaller one that may follow it in the same cell."""
_PAIRS = "|".join(
    rf"{_NUMBER}\s*(?:{large})[\s,]*(?:and\s+)?{_NUMBER}\s*(?:{small})(?:[\s,]*{_NUMBER}\s*\S{{0,7}})?"
    for large, small in _TWO_UNITS
)
_AMOUNT = re.compile(_NUMBER)
FORMS = {
    "numbers of another base": (r"[-+]?0x[0-9a-f]+|0b[01]+|0o[0-7]+", "31 for 0x1F"),
    "measures of two units in one cell": (
        rf"[-+]?(?:{_PAIRS}|[0-9]{{1,2}}['’′][0-9]{{1,2}})\s*[nsewo]?",
        "each in one unit, 71 in for 5'11\"",
    ),
    "durations as ISO 8601 has them": (
        r"-?p(?=[0-9]|t[0-9])(?:[0-9]+y)?(?:[0-9]+m)?(?:[0-9]+w)?(?:[0-9]+d)?"
        r"(?:t(?:[0-9]+h)?(?:[0-9]+m)?(?:[0-9]+(?:\.[0-9]+)?s)?)?",
        "1:30:00 for PT1H30M",
    ),
    "powers of ten": (
        rf"[-+]?{_NUMBER}\s*[×x*·]\s*10\s*(?:\^|\*\*)?\s*[-+]?[0-9⁰¹²³⁴-⁹⁻⁺]+", "1.5e3 for 1.5×10^3",
    ),
    "numbers as formulas of a spreadsheet": (r'=\s*"?\s*[-+]?[0-9][0-9.,]*\s*"?', '5 for ="5"'),
    "numbers in single quotes": (r"'\s*[-+]?[0-9][0-9.,]*(?:e[-+]?[0-9]+)?\s*'", "5 for '5'"),
    "fractions": (
        r"[-+]?(?:[0-9]+\s+[0-9]+\s*[/⁄]\s*[0-9]+|[0-9]*\s*[½⅓⅔¼¾⅛⅜⅝⅞])", "3.5 for 3 1/2",
    ),
}  # fmt: skip
"""What cells may be → a pattern of it, and what to write, by an example."""
_BEGINS = re.compile(r"[-+<>~≈≤≥]{0,2}\s*[0-9]+(?:[.,][0-9]+)*(?!\w)")


def form_of(text: str) -> str:
    """Which of `FORMS` a text has, empty where it has none."""
    bare = plain(text)
    return next((form for form, pattern in _patterns().items() if pattern.fullmatch(bare)), "")


@cache
def _patterns() -> dict[str, re.Pattern[str]]:
    """Compiled when the first column of words is looked at: that takes longer than to read a small table."""
    return {form: re.compile(pattern, re.IGNORECASE) for form, (pattern, _) in FORMS.items()}


def words_around(text: str) -> str:
    """A text with `#` in the place of its number, `$#/hr` of `$7.50/hr`; empty where it has not one alone."""
    bare, numbers = _AMOUNT.subn("#", plain(text))
    return bare if numbers == 1 and bare != "#" else ""


def is_range(text: str) -> bool:
    """Whether a text goes from one whole number to another: `15-24`."""
    return re.fullmatch(r"[0-9]+\s*[-–]\s*[0-9]+", plain(text)) is not None


def begins_with_number(text: str) -> bool:
    """Whether a text begins with a number, `18-25`, `3 rooms` or `< 5` say; `3M2` is a name."""
    return _BEGINS.match(plain(text)) is not None
