"""Estimators of scikit-learn that skl2onnx has no converter for, known before anything is fitted.

Only its own registry knows, and importing it takes seconds: a process of its own is asked once for the
installed versions, and what it said is remembered.
"""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeGuard

from harness.codec import JsonObject
from harness.record import content_hash
from harness.store.remembered import remembered
from harness.suite.model_ref import MODEL_KINDS, OWN_ESTIMATOR, ModelRef, parse_model

LIMIT_S = 60.0
"""For the answer; without one nothing is said here, and the trial will."""
ASKED = ("convertible.py", "converters.py")
PACKAGES = ("skl2onnx", "scikit-learn")


def without_converter(model: ModelRef, args: JsonObject) -> str:
    """Why an estimator cannot be converted to ONNX; empty where nothing speaks against it.

    Args:
        args: its own: what they hold, at any depth, is converted with it.
    """
    found = _registered() if model.kind == "sklearn" else None
    if found is None:
        return ""
    without, selectors = found
    missing = next((name for name in _classes(model, args, selectors) if name in without), "")
    inside = f" inside {_short(model)}" if missing not in ("", _short(model)) else ""
    return f"skl2onnx {version('skl2onnx')} has no converter for {missing}{inside}" if missing else ""


def _classes(model: ModelRef, args: object, selectors: frozenset[str]) -> Iterator[str]:
    """Classes of scikit-learn that an estimator is made of; those of a selector's are not converted."""
    if model.kind == "sklearn":
        yield _short(model)
    if _short(model) not in selectors:
        yield from _inside(args, selectors)


def _inside(value: object, selectors: frozenset[str]) -> Iterator[str]:
    if is_reference(value):
        yield from _classes(parse_model(str(value["model"])), value.get("args"), selectors)
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from _inside(each, selectors)
    elif isinstance(value, (list, tuple)):
        for each in value:
            yield from _inside(each, selectors)
    elif isinstance(value, str) and _is_estimator(value):
        yield from _classes(parse_model(value), {}, selectors)


def is_reference(value: object) -> TypeGuard[Mapping[str, Any]]:
    """Whether a mapping is one estimator, `{model: …, args: …}`, not steps of which one is called `model`."""
    if not isinstance(value, Mapping) or not set(value) <= {"model", "args", "columns"}:
        return False
    return isinstance(value.get("model"), str) and _is_estimator(value["model"])


def _is_estimator(reference: str) -> bool:
    kind = parse_model(reference).kind
    return kind != OWN_ESTIMATOR and kind in MODEL_KINDS and MODEL_KINDS[kind].fitted == "sklearn"


def _short(model: ModelRef) -> str:
    return model.name.rpartition(".")[2]


@cache
def _registered() -> tuple[frozenset[str], frozenset[str]] | None:
    """Classes without a converter, and converted ones that choose columns; None where nobody can be asked."""
    if any(importlib.util.find_spec(name) is None for name in ("skl2onnx", "sklearn")):
        return None
    here = Path(__file__).parent
    sources = [(here / name).read_text(encoding="utf-8") for name in ASKED]
    key = content_hash([*map(version, PACKAGES), *sources])
    memory = remembered("onnx-converters")
    if key not in memory:
        command = [sys.executable, "-m", "harness.runtimes.convertible"]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, check=True)
            memory[key] = json.loads(done.stdout.splitlines()[-1])
        except (subprocess.SubprocessError, OSError, ValueError, IndexError):
            return None
    found = memory[key]
    assert isinstance(found, dict)
    without, selectors = found["without"], found["selectors"]
    assert isinstance(without, list) and isinstance(selectors, list)
    return frozenset(map(str, without)), frozenset(map(str, selectors))
