"""Finished models of others, looked through before a library loads them: nothing in a file may run as code.

`torch.export.load` and Lightning unpickle, `keras` imports the modules that a file names. Each is refused
here, with another way to bring the same model.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

AS_ONNX = "or bring it as an ONNX file: onnx:FILE"

SYMBOLS = frozenset({
    "Symbol", "Integer", "Float", "Rational", "Add", "Mul", "Pow", "Max", "Min", "Mod", "PythonMod",
    "FloorDiv",
    "CeilDiv", "IntTrueDiv", "Eq", "Ne", "Ge", "Gt", "Le", "Lt", "And", "Or", "Not", "Equality", "Unequality",
    "GreaterThan", "LessThan", "StrictGreaterThan", "StrictLessThan", "True", "False", "positive",
    "nonnegative", "integer", "precision", "evaluate",
})  # fmt: skip
"""Functions that the size of a tensor may be written with; torch reads such texts by `sympy.sympify`, which
evaluates them."""

TARGETS = ("torch.ops.", "torch.sym_", "_operator.", "math.")
"""What a step of a program may call: registered operators and arithmetic on sizes."""


def read_checkpoint(path: Path) -> dict[str, Any]:
    """What a Lightning checkpoint holds, read without running anything of it.

    Raises:
        ValueError: it is no checkpoint, or holds objects of classes; the message names them and the cure.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # pickle, zip and the file system raise kinds of their own
        named = _classes_in(path)
        if named:
            raise ValueError(
                f"{path.name} holds objects ({', '.join(named[:4])}) whose code would run when it is loaded: "
                "write it again with trainer.save_checkpoint(FILE, weights_only=True) and hyper-parameters "
                f"that are numbers, texts, lists and dicts, {AS_ONNX}"
            ) from error
        raise ValueError(f"{path.name} cannot be read as a checkpoint: {_line(error)}") from error
    if not isinstance(content, dict) or not isinstance(content.get("state_dict"), dict):
        raise ValueError(
            f"{path.name} has no state_dict: a checkpoint is what trainer.save_checkpoint writes"
        )
    return content


def _classes_in(path: Path) -> list[str]:
    try:
        return sorted(torch.serialization.get_unsafe_globals_in_checkpoint(str(path)))
    except Exception:  # it is not even a file of torch
        return []


def check_program(path: Path) -> None:
    """Refuse a file of `torch.export.save` that would run code of its own when it is loaded.

    Raises:
        ValueError: it would, or it is not such a file; with the cure.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            entries = {name.partition("/")[2]: name for name in archive.namelist()}
            if "models/model.json" not in entries:
                raise ValueError(
                    f"{path.name} is not a program of torch.export: write torch.export.save(torch.export."
                    f"export(network.eval(), (example,), dynamic_shapes=…), FILE), {AS_ONNX}"
                )
            for short, name in entries.items():
                _check_entry(path.name, short, archive.read(name) if _is_read(short) else b"")
    except (zipfile.BadZipFile, OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ValueError(f"{path.name} cannot be read as a program of torch.export: {error}") from error


def _is_read(entry: str) -> bool:
    return entry.endswith((".json", ".pt"))


def _check_entry(file: str, entry: str, content: bytes) -> None:
    refusal = ""
    if entry.startswith(("data/aotinductor/", "data/executorch/")):
        refusal = "compiled code"
    elif entry.endswith(".pt"):
        try:
            torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
        except Exception:  # whatever it is, torch would go on and unpickle it
            refusal = f"objects that are unpickled ({entry})"
    elif entry.endswith("_config.json") and any(
        payload.get("use_pickle") or not re.fullmatch(r"(weight|tensor)_\d+", str(payload.get("path_name")))
        for payload in json.loads(content).get("config", {}).values()
    ):
        refusal = f"objects that are unpickled ({entry})"
    elif entry.startswith("models/"):
        refusal = _code_in(json.loads(content))
    if refusal:
        raise ValueError(
            f"{file} holds {refusal}, which would run as code when it is loaded: export the network with "
            f"torch.export.save again, without example inputs or constants of classes, {AS_ONNX}"
        )


def _code_in(program: object) -> str:
    for key, value in _texts(program):
        if key == "expr_str":
            plain = re.sub(r"'([a-z]{1,2}\d+|[\d.]+)'", "0", value)
            names = set(re.findall(r"[A-Za-z_]\w*", plain))
            strange = {n for n in names if not re.fullmatch(r"[a-z]{1,2}\d+", n)} - SYMBOLS
            if strange or not re.fullmatch(r"[\w\s+\-*/%(),.<>=&|~]*", plain):
                return f"the expression {value[:40]!r}"
        elif key == "target" and "." in value and not value.startswith(TARGETS):
            return f"a call of {value[:60]}"
    return ""


def _texts(tree: object) -> Iterator[tuple[str, str]]:
    """All texts of a JSON document that stand under a key."""
    if isinstance(tree, dict):
        for key, value in tree.items():
            if isinstance(value, str):
                yield key, value
            else:
                yield from _texts(value)
    elif isinstance(tree, list):
        for value in tree:
            yield from _texts(value)


def check_keras(path: Path, own: tuple[str, ...]) -> None:
    """Refuse a `.keras` file whose layers are neither Keras's nor of the classes that the suite names.

    Args:
        own: the modules of those classes.
    Raises:
        ValueError: it names others, or is no such file; with the cure.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            config = json.loads(archive.read("config.json"))
    except (zipfile.BadZipFile, KeyError, OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ValueError(
            f"{path.name} is not a .keras file: write it with model.save('net.keras') of Keras 3, {AS_ONNX}"
        ) from error
    for part in _mappings(config):
        module, name = part.get("module"), part.get("class_name")
        if name == "__lambda__" or name == "Lambda":
            raise ValueError(
                f"{path.name} has a Lambda layer, whose code would run when it is loaded: write it as a "
                f"layer of your own and name its class (args: {{classes: [my_layers:Layer]}}), {AS_ONNX}"
            )
        if (
            "class_name" in part
            and isinstance(module, str)
            and module.partition(".")[0] not in ("keras", "builtins", *own)
        ):
            raise ValueError(
                f"{path.name} has a {name} of {module}: name the class, args: "
                f"{{classes: ['{module}:{name}']}}, "
                f"{AS_ONNX}"
            )


def _mappings(tree: object) -> Iterator[dict[str, Any]]:
    if isinstance(tree, dict):
        yield tree
        for value in tree.values():
            yield from _mappings(value)
    elif isinstance(tree, list):
        for value in tree:
            yield from _mappings(value)


def _line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
