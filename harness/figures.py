"""Figures in words, without any power of ten: nobody reads a bill of 2e-05 dollars."""

from __future__ import annotations

import math
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal


def short(value: float, sign: str = "") -> str:
    """Four significant digits: `0.03125`, `65.15`, `1,238,000`, `0.00002`; `sign="+"` shows a plus.

    Counts, of parameters for instance, have all of theirs: `131,178`."""
    text = f"{value:{sign}.4g}"
    if "e" not in text:
        return text
    is_count = 1 <= abs(value) < 1e9 and float(value).is_integer()
    return f"{value:{sign},.0f}" if is_count else f"{Decimal(text):{sign},f}"


def short_bound(value: float, is_least: bool) -> str:
    """The same, never above a `value` that is the least of something, never below one that is the most."""
    if not math.isfinite(value):
        return short(value)
    context = Context(prec=4, rounding=ROUND_FLOOR if is_least else ROUND_CEILING)
    return f"{context.create_decimal(repr(float(value))).normalize():,f}"


def as_written(value: float) -> str:
    """A number that a person wrote, with the digits it was written with: `0.87`, `10`, `1,200`, `0.00002`."""
    rounded = float(f"{value:.6g}")
    text = f"{Decimal(repr(rounded if rounded == value else float(value))):,f}"
    return text.removesuffix(".0").replace("-", "−")


def share_of(percentage: float) -> str:
    """The share that is meant by a percentage: `88` → `0.88`."""
    return as_written(round(percentage / 100, 12))


def apart(value: float, text: str, limit: float) -> str:
    """A figure's text, or more of its digits where the limit beside it would look the same: `65.1525` beside
    a limit of 65.15, not `65.15`."""
    if value == limit or text.replace(",", "") != f"{limit:.12g}":
        return text
    told = next((said for digits in range(4, 17) if float(said := f"{value:.{digits}g}") != limit), "")
    return f"{Decimal(told):,f}" if told else text


def duration_text(seconds: float) -> str:
    """`45 s`, `8 min`, `2 h 05 min`."""
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60:02d} min"
