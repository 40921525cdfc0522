"""Commands that a message gives: they do what they say where a person pastes them into a shell."""

from __future__ import annotations

import re

_MEANT_BY_SHELL = re.compile(r'\\(?=[\\"$`])|["$`]')
"""What means something between a shell's double quotes: Python writes `Bob's photos` with such."""


def for_shell(code: str) -> str:
    """A line of Python as it stands in `python -c "…"`."""
    return _MEANT_BY_SHELL.sub(lambda found: f"\\{found[0]}", code)
