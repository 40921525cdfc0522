"""A library that is loaded when it is first used, where a module must be had without its library's start."""

from __future__ import annotations

import importlib


class Late:
    """Stands for a module: `np = Late("numpy")`, under `if not TYPE_CHECKING`.

    Reading and planning a suite compute nothing, and NumPy alone would take a fifth of their time.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> object:
        found: object = getattr(importlib.import_module(self._name), attribute)
        setattr(self, attribute, found)
        return found
