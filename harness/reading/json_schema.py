"""JSON Schema of a suite file, for editors: what people write, shorthand and `extends` included."""

from __future__ import annotations

import ast
import importlib
import inspect
from itertools import pairwise
from typing import Any

from harness.reading.durations import PATTERN
from harness.suite.fields import Model
from harness.suite.schema import Suite

DRAFT = "https://json-schema.org/draft/2020-12/schema"
DURATION: dict[str, Any] = {"type": "string", "pattern": PATTERN}


def suite_schema() -> dict[str, Any]:
    """The types' own schema, changed where a file may say it shorter than the types do."""
    schema = Suite.model_json_schema(by_alias=True)
    parts = schema["$defs"]
    for name, described in _descriptions().items():
        held = schema if name == Suite.__name__ else parts.get(name, {})
        for key, text in described.items():
            if key in held.get("properties", {}):
                held["properties"][key]["description"] = text
    properties = schema["properties"]
    del properties["folder"]
    properties["extends"] = {
        "type": "string",
        "description": "A suite file to merge over, relative to this one.",
    }
    properties["datasets"] = {
        "type": "object",
        "additionalProperties": {"anyOf": [{"type": "object"}, {"type": "null"}]},
        "minProperties": 2,
        "description": "Several data sets in one question, in place of `data`: a name of your own and what "
        "would stand under `data` for each. Each has a suite of its own, `NAME-SET`, with its own report; "
        "`overview.html` says who wins where, which candidate does for all, and what that costs.",
    }
    candidates = properties["candidates"]
    candidates["additionalProperties"] = {
        "anyOf": [
            {"$ref": "#/$defs/Candidate"},
            {"type": "string", "description": "A model reference."},
            {"type": "null", "description": "Drops the extended suite's candidate of this name."},
        ]
    }
    parts["Data"]["additionalProperties"] = True  # arguments of the data set may stand flat
    for owner, name in (
        (schema, "budget"),
        (parts["Training"], "time_limit"),
        (parts["Serving"], "time_limit"),
        (parts["Traffic"], "autoscale"),
    ):
        _allow_duration(owner["properties"][name])
    _drop_null_where_extended(schema)
    return {"$schema": DRAFT, **schema}


def _descriptions() -> dict[str, dict[str, str]]:
    """Class → key → the text below the field in the source: read here alone, as it takes long."""
    classes = {kind.__name__: kind for kind in Model.__subclasses__()}
    found: dict[str, dict[str, str]] = {}
    for module in sorted({kind.__module__ for kind in classes.values()}):
        for part in ast.parse(inspect.getsource(importlib.import_module(module))).body:
            if isinstance(part, ast.ClassDef) and part.name in classes:
                found[part.name] = _below_fields(part, classes[part.name])
    return found


def _below_fields(part: ast.ClassDef, kind: type[Model]) -> dict[str, str]:
    """Of one class: the field's name in a file → the text below it."""
    found = {}
    for field, below in pairwise(part.body):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
            match below:
                case ast.Expr(value=ast.Constant(value=str(text))):
                    key = kind.model_fields[field.target.id].alias or field.target.id
                    found[key] = inspect.cleandoc(text)
    return found


def _allow_duration(field: dict[str, Any]) -> None:
    """A number of seconds, or `10 minutes`."""
    about: dict[str, Any] = {
        key: field.pop(key) for key in ("title", "description", "default") if key in field
    }
    forms = field.pop("anyOf", None) or [dict(field)]
    field.clear()
    field.update({**about, "anyOf": [*forms, DURATION]})


def _drop_null_where_extended(schema: dict[str, Any]) -> None:
    """What a suite must have it may also inherit; a candidate may then be any part of one."""
    required = schema.pop("required")
    several = ["datasets" if name == "data" else name for name in required]
    schema["anyOf"] = [{"required": required}, {"required": several}, {"required": ["extends"]}]
    for part in ("Data", "Tuning"):
        schema["$defs"][part].pop("required", None)
