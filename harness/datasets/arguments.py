"""The arguments of a data set, declared once: by the signature of its `load`."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any


def complete(load: Callable[..., object], given: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of a call of `load`, those that are left out with their defaults."""
    known = inspect.signature(load).parameters
    defaults = {name: p.default for name, p in known.items() if p.default is not p.empty}
    return {**defaults, **{name: value for name, value in given.items() if name in known}}


def taken_by(function: Callable[..., object], args: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the arguments that a function takes."""
    known = inspect.signature(function).parameters
    return {name: value for name, value in args.items() if name in known}
