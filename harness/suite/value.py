"""Value expressions with units: `120*accuracy - cost_per_month_usd`.

The language is the suite's (`harness.suite.expression`: parsed, never evaluated by Python); here names are
checked against the metrics there are, and sums against the units that the names carry.
"""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.late import Late
from harness.names import hint
from harness.record import SuiteError
from harness.suite import expression as language

if TYPE_CHECKING:
    import numpy as np
else:
    np = Late("numpy")

SETTINGS: Mapping[str, str] = {"qps": "1/s", "peak_qps": "1/s", "usd_per_hour": "USD/h"}
"""Names that are no metrics: traffic and price, with their units."""

_SUFFIXES = {"_usd": "USD", "_ms": "ms", "_mb": "MB", "_kwh": "kWh", "_seconds": "s", "_qps": "1/s"}


@dataclass(frozen=True)
class CheckedExpression:
    """A checked expression. `names`: what it reads, metrics and settings."""

    text: str
    names: tuple[str, ...]
    _parsed: language.Expression

    @property
    def is_product(self) -> bool:
        """Whether nothing in it is added (`harness.suite.expression.Expression`)."""
        return self._parsed.is_product

    def __call__(self, values: Mapping[str, np.ndarray | float]) -> np.ndarray:
        """The expression over arrays that broadcast; NaN where an input is NaN or the result undefined.

        Raises:
            KeyError: a name of `names` is not in `values`.
        """
        with np.errstate(all="ignore"):
            arrays = {name: np.asarray(values[name], dtype=float) for name in self.names}
            result = np.asarray(self._parsed.evaluate(arrays), dtype=float)
        return np.where(np.isfinite(result), result, np.nan)


def parse_expression(text: str, known: Mapping[str, str] | None = None) -> CheckedExpression:
    """Parse and check an expression; nothing of it is run as Python.

    Args:
        known: metric → unit, for checking names and units; None checks neither.
    Raises:
        SuiteError: not an expression, something of Python that is not allowed, an unknown name, a
            power without bound, or a sum of things with different units.
    """
    try:
        parsed = language.parse_value(text)
        names = parsed.names
        if known is not None:
            _check_names(names, known)
            _unit(parsed.tree, text, {**known, **SETTINGS})
    except ValueError as error:
        raise SuiteError(f"value: {error}") from None
    except RecursionError:
        raise SuiteError(f"value: {text[:40]!r}… is nested too deeply") from None
    return CheckedExpression(text, names, parsed)


def _check_names(names: tuple[str, ...], known: Mapping[str, str]) -> None:
    for name in names:
        if name in known or name in SETTINGS or re.sub(r"@\d+", "@10", name) in known:
            continue
        cure = hint(name, [*known, *SETTINGS], "see `python -m harness list metrics`")
        raise SuiteError(f"value: no metric named {name!r}; {cure}")


def unit_of(name: str, known: Mapping[str, str]) -> str:
    """The unit that a metric's table entry, or else its name, says; empty where neither does."""
    if name in known:
        return known[name]
    return next((unit for suffix, unit in _SUFFIXES.items() if name.endswith(suffix)), "")


def _unit(node: ast.expr, text: str, known: Mapping[str, str]) -> str | None:
    """The unit of a subtree, None where it is open: a number may carry any unit, as a weight does."""
    match node:
        case ast.Name(id=name):
            return unit_of(name, known) or None
        case ast.BinOp(op=ast.MatMult()):
            return unit_of(ast.unparse(node).replace(" ", ""), known) or None
        case ast.UnaryOp(operand=operand):
            return _unit(operand, text, known)
        case ast.BinOp(left=left, op=ast.Add() | ast.Sub(), right=right):
            return _same_unit([left, right], text, known)
        case ast.Call(func=ast.Name(id="min" | "max"), args=args):
            return _same_unit(args, text, known)
        case ast.BinOp(left=left, right=right):
            _unit(left, text, known)
            _unit(right, text, known)
        case ast.Call(args=args):
            for argument in args:
                _unit(argument, text, known)
    return None


def _same_unit(nodes: list[ast.expr], text: str, known: Mapping[str, str]) -> str | None:
    units = [(unit, node) for node in nodes if (unit := _unit(node, text, known))]
    if len({unit for unit, _ in units}) > 1:
        (unit_a, a), (unit_b, b) = units[0], next(u for u in units if u[0] != units[0][0])
        raise SuiteError(
            f"value: `{ast.unparse(a)}` is in {unit_a} and `{ast.unparse(b)}` in {unit_b}, they cannot be"
            f" added in `{text}`: give one a weight that converts it, as in `120*{ast.unparse(a)}`"
        )
    return units[0][0] if units and len(units) == len(nodes) else None


def settings_of(qps: float, peak_qps: float | None, usd_per_hour: float | None) -> dict[str, float]:
    """Values of the names that are no metrics; NaN for a price that is not known."""
    return {
        "qps": qps,
        "peak_qps": qps if peak_qps is None else peak_qps,
        "usd_per_hour": math.nan if usd_per_hour is None else usd_per_hour,
    }
