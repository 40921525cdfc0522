"""Figures in words, without any power of ten: nobody reads a bill of 2e-05 dollars."""

from __future__ import annotations

from decimal import Decimal


def short(value: float, sign: str = "") -> str:
    """Four significant digits: `0.03125`, `65.15`, `1,238,000`, `0.00002`; `sign="+"` shows a plus."""
    text = f"{value:{sign}.4g}"
    return f"{Decimal(text):{sign},f}" if "e" in text else text


def as_written(value: float) -> str:
    """A number that a person wrote, with the digits it was written with: `0.87`, `10`, `1,200`, `0.00002`."""
    rounded = float(f"{value:.6g}")
    text = f"{Decimal(repr(rounded if rounded == value else float(value))):,f}"
    return text.removesuffix(".0").replace("-", "−")
