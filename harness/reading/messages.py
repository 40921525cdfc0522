"""What pydantic found, as a person would say it: what is wrong, and the cure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import get_args

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from harness.codec import JsonObject
from harness.kinds import KINDS
from harness.names import hint, nearest
from harness.reading.draft import Draft, dotted
from harness.reading.meant import READERS, as_list, as_mapping, as_number, as_share
from harness.record import DataError
from harness.suite.schema import Suite
from harness.suite.source import Node, flow

Loc = tuple[str | int, ...]


def explain(draft: Draft, error: ErrorDetails) -> None:
    """Notes one pydantic error as a mistake, with the place of what it is about."""
    loc, kind = error["loc"], error["type"]
    if branch := next((part for part in loc if isinstance(part, str) and "[" in part), ""):
        _of_a_branch(draft, error, branch)
    elif kind == "extra_forbidden":
        cut = str(loc[-1]).isdecimal() and not draft.given(*loc)
        text = "a comma ends a value in braces: write 1024 for 1,024, and 0.1 for 0,1" if cut else ""
        draft.wrong(loc, text or _unknown_key(loc), place=draft.key_place(*loc))
    elif kind == "too_short" and (kept := draft.node(*loc)) is not None and kept.sequence:
        return  # what stands in it is wrong, and said
    elif kind == "missing":
        text = f"`{loc[-1]}` is missing: add it{_added(draft, loc)}"
        draft.wrong(loc[:-1], text, place=draft.key_place(*loc[:-1]))
    else:
        node = draft.node(*loc)
        place = node.place if node is not None else draft.key_place(*loc)
        text = _wrong_value(error, node)
        if meant := _meant(draft, error, node):
            text = meant
        draft.wrong(loc, text, place=place)


def _of_a_branch(draft: Draft, error: ErrorDetails, branch: str) -> None:
    """Of a value that is a word or a list: what is wrong with it as that which it looks like."""
    at = error["loc"].index(branch)
    path, below = error["loc"][:at], error["loc"][at + 1 :]
    node = draft.node(*path)
    if node is None or (node.sequence is None) != branch.startswith("literal"):
        return
    if node.sequence is not None:
        explain(draft, {**error, "loc": (*path, *below)})
        return
    word = branch.removeprefix("literal['").removesuffix("']")
    whole = isinstance(node.value, int) and not isinstance(node.value, bool)
    cure = f"in brackets how many, {flow([node.value if whole else 1])}"
    draft.wrong(path, f"{node.shown} is neither {word} nor a list: write {word}, or {cure}", node.place)


def _added(draft: Draft, loc: Loc) -> str:
    """What is said of how a key that is missing is added."""
    if loc == ("data", "name") and draft.given("data", "args", "path"):
        reader = READERS.get(draft.get(str, "task", default="").partition("_")[0], "tabular_csv")
        return f", `name: {reader}` for a file of your own"
    return ""


def _meant(draft: Draft, error: ErrorDetails, node: Node | None) -> str:
    """What is said of a value that is clear but for its form; empty for others."""
    kind, loc = error["type"], tuple(str(key) for key in error["loc"])
    if node is None or node.value is None:
        return "is empty: name at least one below it" if loc == ("candidates",) else ""
    if loc[:2] == ("data", "train_sizes") and isinstance(node.value, float):
        return f"{node.shown} is no number of rows: sizes count training rows, write for instance 1000"
    if kind == "tuple_type":
        cure = as_list(loc[-1], node)
    elif kind in ("int_type", "float_type"):
        cure = as_number(loc[-1], node)
    elif kind in ("dict_type", "model_type"):
        cure = as_mapping(loc, node, draft.get(str, "task", default=""))
    elif kind in ("less_than", "less_than_equal") and 1 in error.get("ctx", {}).values():
        cure = as_share(node.plain)
        return f"{_wrong_value(error, node)}: {cure}" if cure else ""
    elif loc == ("machine", "price") and isinstance(node.value, int | float):
        cure = f"write `usd_per_hour: {node.value}`"
    elif loc == ("task",):
        return _task_meant(draft, node)
    elif loc == ("decision", "objective") and len(node.mapping or {}) == 1:
        ((verb, metric),) = node.fields.items()
        cure = f"write `objective: {verb} {metric}`" if isinstance(metric, str) else ""
    else:
        return ""
    return f"{node.shown} is not {_NOUNS[kind]}: {cure}" if cure else ""


def _task_meant(draft: Draft, node: Node) -> str:
    """A task is the one that the data are of."""
    from harness.reading.data_checks import task_info  # reads files, where the rest reads the suite alone

    try:
        info = task_info(draft)
    except DataError:
        return ""
    if info is None or not isinstance(node.value, str) or nearest(node.value, KINDS) == info.name:
        return ""
    return f"{node.shown} is not one of {', '.join(KINDS)}: the data are {info.name}"


GONE = {
    "fallback": "is gone: write `broken_limit`, what a broken limit costs in units of the objective, or"
    " `confidence`, the probability with which limits must hold"
}
"""Keys of earlier versions, and what stands in their place."""


CALLED = {
    "learning_rate": "optimizer: {lr: 0.001}",
    "maximize": "objective: maximize METRIC",
    "minimize": "objective: minimize METRIC",
    "instance": "price: aws/c7i.large",
    "instance_type": "price: aws/c7i.large",
    "device": "resources: {gpus: 1}",
}
"""Keys that other tools have, and how a suite says it."""


def _unknown_key(loc: Loc) -> str:
    key = str(loc[-1])
    if key in GONE:
        return GONE[key]
    if key in CALLED:
        return f"unknown key: write `{CALLED[key]}`"
    model = model_at(loc[:-1])
    siblings = list(model.model_fields) if model is not None else []
    siblings = [field_alias(model, name) for name in siblings if name != "folder"] if model else []
    if len(loc) == 1:
        siblings.append("extends")
    elsewhere = sorted({dotted(path[:-1]) for path in all_fields() if path[-1] == key})
    if elsewhere and not nearest(key, siblings):
        places = [f"under `{place}`" if place else "at the top of the file" for place in elsewhere[:2]]
        return f"unknown key: it belongs {' or '.join(places)}"
    if len(loc) == 3 and loc[0] == "candidates" and not nearest(key, siblings):
        return (
            f"unknown key: what its model takes stands under `args`; beside it there is {', '.join(siblings)}"
        )
    return f"unknown key: {hint(key, siblings)}"


_NOUNS = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "string_type": "a text",
    "bool_type": "true or false",
    "tuple_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
}
_CURES = {
    "int_type": "write for instance 3",
    "int_from_float": "write it without a fraction",
    "float_type": "write for instance 0.5",
    "string_type": "put it in quotes",
    "bool_type": "write true or false",
    "tuple_type": "write it in brackets: [a, b]",
    "dict_type": "write `key: value` lines below it",
    "model_type": "write `key: value` lines below it",
}
_BOUNDS: Mapping[str, Callable[[JsonObject], str]] = {
    "greater_than": lambda c: f"more than {c['gt']:g}",
    "greater_than_equal": lambda c: f"at least {c['ge']:g}",
    "less_than": lambda c: f"less than {c['lt']:g}",
    "less_than_equal": lambda c: f"at most {c['le']:g}",
}


def _wrong_value(error: ErrorDetails, node: Node | None) -> str:
    kind, context = error["type"], error.get("ctx", {})
    shown = node.shown if node is not None else f"`{error['input']}`"
    if kind in _NOUNS:
        return f"{shown} is not {_NOUNS[kind]}: {_cure(kind, node)}"
    if kind in _BOUNDS:
        return f"{shown} is out of range: it must be {_BOUNDS[kind](context)}"
    if kind == "literal_error":
        known = [word.strip(" '") for word in context["expected"].replace(" or ", ", ").split(",")]
        value = node.value if node is not None else error["input"]
        if not isinstance(value, str):
            return f"{shown} is not one of {', '.join(known)}"
        return f"{shown} is not one of {', '.join(known)}: {hint(value, known)}"
    if kind == "too_short":
        return "is empty: name at least one"
    if kind == "finite_number":
        return f"{shown} is not a finite number"
    return f"{shown}: {error['msg']}"


def _cure(kind: str, node: Node | None) -> str:
    """How to write it, with the pitfalls of YAML named where one was stepped into."""
    if node is not None and kind == "string_type" and isinstance(node.value, bool):
        return f'YAML reads a bare `{node.raw}` as {str(node.value).lower()}; quote it: "{node.raw}"'
    if (
        node is not None
        and kind in ("int_type", "float_type")
        and isinstance(node.value, str)
        and not node.raw
    ):
        try:
            float(node.value)
        except ValueError:
            pass
        else:
            return "it is quoted, which makes it a text; drop the quotes"
    if node is not None and kind == "int_type" and isinstance(node.value, float):
        return _CURES["int_from_float"]
    if node is not None and node.value is None:
        return "write a value, or leave the key out for its default"
    return _CURES[kind]


def model_at(loc: Loc) -> type[BaseModel] | None:
    """The schema's model at a place of a suite, None where there is none (`args`)."""
    model: object = Suite
    for key in loc:
        if isinstance(model, type) and issubclass(model, BaseModel):
            name = next((n for n in model.model_fields if field_alias(model, n) == key), None)
            if name is None:
                return None
            model = _unwrapped(model.model_fields[name].annotation)
        elif isinstance(model, tuple):  # the values of a mapping
            model = model[0]
        else:
            return None
    return model if isinstance(model, type) and issubclass(model, BaseModel) else None


def _unwrapped(annotation: object) -> object:
    """The model in an annotation; in a tuple where it is what a mapping holds."""
    args = [arg for arg in get_args(annotation) if arg is not type(None)]
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if getattr(annotation, "__origin__", None) is dict:
        return (_unwrapped(args[1]),)
    return _unwrapped(args[0]) if len(args) == 1 else None


def field_alias(model: type[BaseModel], name: str) -> str:
    """A field as YAML spells it."""
    return model.model_fields[name].alias or name


def all_fields(model: type[BaseModel] = Suite, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Every key path of a suite, with `NAME` for the name of a candidate."""
    for name, field in model.model_fields.items():
        here = (*path, field_alias(model, name))
        yield here
        below = _unwrapped(field.annotation)
        if isinstance(below, tuple) and isinstance(below[0], type):
            here, below = (*here, "NAME"), below[0]
        if isinstance(below, type) and issubclass(below, BaseModel) and here[:1] != ("candidates",):
            yield from all_fields(below, here)
