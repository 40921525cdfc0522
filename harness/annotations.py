"""Whether a value from a file or a command line may be meant by a keyword's annotation."""

from __future__ import annotations

import ast
import json
from collections.abc import Mapping


def instead(value: object, annotation: ast.expr) -> str:
    """What one may have meant to write, `: write it as a list, ["Land"]`; empty where nothing is near."""
    if isinstance(value, list | dict) or not fits([value], annotation):
        return ""
    return f": write it as a list, `[{json.dumps(value, ensure_ascii=False)}]`"


def fits(value: object, annotation: ast.expr) -> bool:
    """Whether a JSON value may be meant by an annotation; what says nothing of literals lets all pass."""
    if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
        try:
            return fits(value, ast.parse(annotation.value, mode="eval").body)
        except SyntaxError:
            return True
    if isinstance(annotation, ast.Constant):
        return bool(value == annotation.value)
    if isinstance(annotation, ast.BinOp) and isinstance(annotation.op, ast.BitOr):
        return fits(value, annotation.left) or fits(value, annotation.right)
    if isinstance(annotation, ast.Subscript):
        return _fits_generic(value, annotation)
    name = annotation.attr if isinstance(annotation, ast.Attribute) else getattr(annotation, "id", "")
    if name in _KINDS:
        if isinstance(value, bool):
            return name == "bool"
        return isinstance(value, _KINDS[name])
    return True


_KINDS: Mapping[str, type | tuple[type, ...]] = {
    "int": int,
    "float": (int, float),
    "bool": bool,
    "str": str,
    "Path": str,
    "list": (list, tuple),
    "tuple": (list, tuple),
    "Sequence": (list, tuple),
    "dict": dict,
    "Mapping": dict,
}


def _fits_generic(value: object, annotation: ast.Subscript) -> bool:
    name = getattr(annotation.value, "id", None) or getattr(annotation.value, "attr", "")
    inner = annotation.slice.elts if isinstance(annotation.slice, ast.Tuple) else [annotation.slice]
    if name == "Literal":
        return any(
            isinstance(i, ast.Constant) and i.value == value and type(i.value) is type(value) for i in inner
        )
    if name == "Optional":
        return value is None or fits(value, inner[0])
    if name == "Union":
        return any(fits(value, i) for i in inner)
    if name in ("list", "Sequence", "tuple"):
        if not isinstance(value, list | tuple):
            return False
        fixed = name == "tuple" and not (isinstance(inner[-1], ast.Constant) and inner[-1].value is ...)
        if fixed:
            return len(value) == len(inner) and all(map(fits, value, inner))
        return all(fits(item, inner[0]) for item in value)
    if name in ("dict", "Mapping"):
        return isinstance(value, dict) and all(fits(item, inner[-1]) for item in value.values())
    return True
