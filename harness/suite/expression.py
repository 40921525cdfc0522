"""The small languages of `decision`: limits, objectives, and values as arithmetic over metrics.

Nothing is ever handed to Python's `eval`: an expression is parsed, each node of it must be one of a
few kinds, and evaluating walks those nodes over numbers or numpy arrays.
"""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import numpy as np

    Number = float | np.ndarray

OTHER_NAMES = ("qps", "peak_qps", "usd_per_hour")
"""What a value may name besides metrics: the suite's traffic and the machine's price."""

MAX_LENGTH = 500
MAX_POWER = 4

_NAME = r"[A-Za-z_]\w*(?:@\d+)?"
_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_CONSTRAINT = re.compile(rf"({_NAME})\s*(<=|>=|<|>)\s*({_NUMBER})(?:\s+with\s+({_NUMBER}))?", re.ASCII)
_SLICE = re.compile(
    r"\[\s*(?:\"(?P<quoted>[^\"\[\]=]+)\"|(?P<column>[^\"\[\]=<>]+?))\s*=\s*"
    r"(?:\"(?P<text>[^\"\[\]]*)\"|(?P<value>[^\"\[\]]*?))\s*\]"
)
_OBJECTIVE = re.compile(rf"(maximi[sz]e|minimi[sz]e)\s+({_NAME})", re.ASCII)


@dataclass(frozen=True)
class Constraint:
    """A limit: `metric op limit`.

    Args:
        metric: may name a slice.
        probability: how sure one must be that it holds; None where it says nothing of its own (then the
            decision's confidence counts).
    """

    metric: str
    op: Literal["<=", ">=", "<", ">"]
    limit: float
    probability: float | None = None

    def __str__(self) -> str:
        sure = "" if self.probability is None else f" with {_digits(self.probability)}"
        return f"{self.bound}{sure}"

    @property
    def bound(self) -> str:
        """Without how sure one must be: `latency_p99_ms <= 10`."""
        return f"{self.metric} {self.op} {_digits(self.limit)}"

    def holds(self, values: np.ndarray) -> np.ndarray:
        """Where the limit holds; False for NaN."""
        return _COMPARED[self.op](values, self.limit)

    @property
    def is_upper(self) -> bool:
        return self.op.startswith("<")


_COMPARED: Mapping[str, Callable[[np.ndarray, float], np.ndarray]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
}


def _digits(value: float) -> str:
    """`10`, `0.88`, `11689512`: reads back as the same number, as limits are decided by again."""
    return repr(value).removesuffix(".0")


def take_slice(text: str) -> tuple[str, str]:
    """A limit without its slice, and the slice in plain form: `accuracy["home town"=Bern] >= 0.7` →
    `accuracy >= 0.7`, `[home town=Bern]`; empty where there is none.

    Quotes may stand around a column or a value, and must where one begins or ends with a blank.
    """
    found = _SLICE.search(text)
    if found is None:
        return text, ""
    column = found["quoted"] or found["column"]
    value = found["text"] if found["text"] is not None else found["value"]
    return text[: found.start()] + text[found.end() :], f"[{column}={value}]"


def parse_constraint(text: str) -> Constraint:
    """`latency_p99_ms <= 10 with 0.95`.

    Raises:
        ValueError: it is none; the message is what is wrong and the cure.
    """
    match = _CONSTRAINT.fullmatch(text.strip())
    if match is None:
        cure = limit_meant(text) or "write `METRIC <= NUMBER` or `METRIC >= NUMBER`, if wanted `with 0.95`"
        raise ValueError(f"`{text}` is not a limit: {cure}")
    probability = float(match[4]) if match[4] else None
    if probability is not None and not 0 < probability < 1:
        raise ValueError(
            f"`with {match[4]}` is not a probability from 0 to 1: write for instance `with 0.95`"
        )
    return Constraint(match[1], match[2], float(match[3]), probability)  # type: ignore[arg-type]


_AND = re.compile(r"\s+(?:and|&&?)\s+|\s*;\s*|,\s+", re.IGNORECASE)
_SIGNS = {"=>": ">=", "=<": "<=", "≥": ">=", "≤": "<=", "⩾": ">=", "⩽": "<="}
_FLIPPED = {"<=": ">=", ">=": "<=", "<": ">", ">": "<"}


def limit_meant(text: str) -> str:
    """How a limit that is written otherwise is to be written; empty where that is not clear."""
    parts = [found for part in _AND.split(text.strip()) if (found := _limits_meant(part))]
    if len(parts) != len(_AND.split(text.strip())):
        return ""
    limits = [limit for part in parts for limit in part]
    if any("=|" in limit for limit in limits):
        both = [limits[0].replace("=|", sign) for sign in (">=", "<=")]
        return f"write `{both[0]}` or `{both[1]}`" if len(limits) == 1 else ""
    alone = " and ".join(f"`{limit}`" for limit in limits)
    return f"write {alone}" if len(limits) == 1 else f"write each alone, {alone}"


def _limits_meant(text: str) -> list[str]:
    """One limit as it is to be written, two of `0.8 <= accuracy <= 0.9`; `=|` where the side is not said."""
    for sign, plain in _SIGNS.items():
        text = text.replace(sign, plain)
    text = re.sub(r"(\d),(\d{1,2}|\d{4,})(?!\d)", r"\1.\2", text)
    text = re.sub(rf"({_NUMBER})\s*%", lambda found: f"{float(found[1]) / 100:.12g}", text)
    text = re.sub(rf"^({_NAME})\s*(?:==?|:)\s*({_NUMBER})", r"\1 =| \2", text)
    if found := re.fullmatch(rf"({_NUMBER})\s*(<=|>=|<|>)\s*({_NAME})(.*)", text):
        rest = [f"{found[3]}{found[4]}"] if found[4].strip() else []
        text = f"{found[3]} {_FLIPPED[found[2]]} {found[1]}"
        return [text, *rest] if not rest or _CONSTRAINT.fullmatch(rest[0]) else []
    unit = re.fullmatch(rf"({_NAME})(\s*(?:<=|>=|<|>|=\|)\s*{_NUMBER})\s*([A-Za-z]+)", text)
    if unit and (factor := _factor(unit[1], unit[3].lower())):
        sign, number = re.split(rf"(?={_NUMBER}$)", unit[2], maxsplit=1)
        text = f"{unit[1]}{sign}{float(number) * factor:.12g}" if factor != 1 else f"{unit[1]}{unit[2]}"
    return [text] if _CONSTRAINT.fullmatch(text.replace("=|", ">=")) else []


def _factor(metric: str, unit: str) -> float:
    """What a figure with a unit is multiplied with to be the metric's; 0 where that is not clear."""
    if metric.endswith("_ms") and unit in ("s", "sec", "seconds"):
        return 1000.0
    if metric.endswith("_mb") and unit == "gb":
        return 1000.0
    return float(metric.endswith(f"_{unit}") or "_" not in metric)


def parse_objective(text: str) -> tuple[Literal["maximize", "minimize"], str]:
    """`maximize accuracy` → ("maximize", "accuracy").

    Raises:
        ValueError: it is none.
    """
    match = _OBJECTIVE.fullmatch(text.strip())
    if match is None:
        meant = re.fullmatch(rf"(?:(max|min)\w*[\s:(]+)?({_NAME})\)?", text.strip(), re.IGNORECASE)
        verb, name = (meant[1] or "", meant[2]) if meant else ("", "METRIC")
        verbs = [f"{verb.lower()}imize"] if verb else ["maximize", "minimize"]
        cure = " or ".join(f"`{one} {name}`" for one in verbs)
        raise ValueError(f"`{text}` is not an objective: write {cure}")
    return ("maximize" if match[1].startswith("max") else "minimize"), match[2]


@dataclass(frozen=True)
class Expression:
    """Arithmetic over named numbers: `120*accuracy - cost_per_month_usd`."""

    text: str
    tree: ast.expr

    @property
    def names(self) -> tuple[str, ...]:
        """The metrics and other numbers that it needs, in order of appearance."""
        return tuple(dict.fromkeys(_names(self.tree)))

    @property
    def is_product(self) -> bool:
        """Whether names and numbers are multiplied, divided and taken to powers, and nothing is added."""
        nodes = list(ast.walk(self.tree))
        calls = {_function(node) for node in nodes if isinstance(node, ast.Call)}
        return calls <= {"sqrt"} and not any(isinstance(node, (ast.Add, ast.Sub)) for node in nodes)

    def evaluate(self, values: Mapping[str, Number]) -> Number:
        """The value; arrays in give arrays out.

        Raises:
            KeyError: a name has no value.
        """
        return _evaluate(self.tree, values)


_BINARY: Mapping[type[ast.operator], Callable[[Number, Number], Number]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
}
_FUNCTIONS = ("abs", "exp", "log", "max", "min", "sqrt")


def parse_value(text: str) -> Expression:
    """An expression over metrics; numbers, names, `+ - * / **`, brackets, abs exp log max min sqrt.

    Raises:
        ValueError: it holds anything else, such as attributes or calls of other functions.
    """
    if len(text) > MAX_LENGTH:
        raise ValueError(f"an expression of {len(text)} characters: use at most {MAX_LENGTH}")
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise ValueError(
            f"`{text}` is not an expression: write for instance `120*accuracy - cost_per_month_usd`"
        ) from None
    _check(tree, text)
    return Expression(text, tree)


def _check(node: ast.AST, text: str) -> None:
    if isinstance(node, ast.Constant):
        if isinstance(node.value, bool) or not isinstance(node.value, (int, float)):
            raise ValueError(
                f"`{ast.unparse(node)}` is not a number: an expression holds numbers and metrics"
            )
        if abs(node.value) > 1e15:
            raise ValueError("a number above 1e15 cannot be meant")
    elif isinstance(node, ast.Name):
        pass
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.USub, ast.UAdd)):
        _check(node.operand, text)
    elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.MatMult):
        if not (isinstance(node.left, ast.Name) and isinstance(node.right, ast.Constant)):
            raise ValueError("`@` stands in names of metrics only, for instance `ndcg@10`")
    elif isinstance(node, ast.BinOp) and type(node.op) in _BINARY:
        if isinstance(node.op, ast.Pow):
            power = node.right.value if isinstance(node.right, ast.Constant) else None
            if not isinstance(power, (int, float)) or not 0 <= power <= MAX_POWER:
                raise ValueError(f"a power must be a number from 0 to {MAX_POWER}")
        _check(node.left, text)
        _check(node.right, text)
    elif isinstance(node, ast.Call) and _function(node) in _FUNCTIONS and node.args and not node.keywords:
        if _function(node) not in ("max", "min") and len(node.args) != 1:
            raise ValueError(f"`{_function(node)}` takes one number")
        for argument in node.args:
            _check(argument, text)
    else:
        raise ValueError(
            f"`{ast.unparse(node)}` is not allowed: an expression holds numbers, metrics, + - * / **, "
            f"brackets and {', '.join(_FUNCTIONS)}"
        )


def _function(node: ast.Call) -> str:
    return node.func.id if isinstance(node.func, ast.Name) else ""


def _names(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Name):
        return [node.id]
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.MatMult):
        return [_at(node)]
    parts = node.args if isinstance(node, ast.Call) else list(ast.iter_child_nodes(node))
    return [name for part in parts for name in _names(part)]


def _at(node: ast.BinOp) -> str:
    return ast.unparse(node).replace(" ", "")


def _evaluate(node: ast.expr, values: Mapping[str, Number]) -> Number:
    if isinstance(node, ast.Constant):
        assert isinstance(node.value, (int, float))  # as `_check` saw to it
        return node.value
    if isinstance(node, ast.Name):
        return values[node.id]
    if isinstance(node, ast.UnaryOp):
        value = _evaluate(node.operand, values)
        return -value if isinstance(node.op, ast.USub) else value
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.MatMult):
        return values[_at(node)]
    if isinstance(node, ast.BinOp):
        left, right = _evaluate(node.left, values), _evaluate(node.right, values)
        return _BINARY[type(node.op)](left, right)
    assert isinstance(node, ast.Call)
    return _call(_function(node), [_evaluate(argument, values) for argument in node.args])


def _call(name: str, arguments: list[Number]) -> Number:
    import numpy as np

    if name in ("max", "min"):
        pick = np.maximum if name == "max" else np.minimum
        result = arguments[0]
        for argument in arguments[1:]:
            result = pick(result, argument)
        return result
    return {"abs": np.abs, "exp": np.exp, "log": np.log, "sqrt": np.sqrt}[name](arguments[0])
