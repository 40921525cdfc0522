"""A suite file → a valid `Suite`, or all its mistakes (`read_suite`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.reading.reader import read_suite, read_suites, set_names, suite_from_text, suite_to_text

__all__ = ["read_suite", "read_suites", "set_names", "suite_from_text", "suite_to_text"]


def __getattr__(name: str) -> object:
    """The reader is imported on use: a list of models or a hint at a misspelt name needs none of it."""
    if name in __all__:
        from harness.reading import reader

        return getattr(reader, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
