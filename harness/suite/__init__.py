"""Suite files: read, merged, validated (`read_suite`); the types that every room reads (`schema`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from harness.suite.reader import read_suite, suite_from_text, suite_to_text

__all__ = ["read_suite", "suite_from_text", "suite_to_text"]


def __getattr__(name: str) -> Any:
    """The reader is imported on use: most rooms want the types alone, and stand above it."""
    if name in __all__:
        from harness.suite import reader

        return getattr(reader, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
