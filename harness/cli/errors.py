"""What a person reads where a command ends with an error, and its exit code."""

from __future__ import annotations

from pathlib import Path
from traceback import extract_tb

import typer

from harness.record import HarnessError, SuiteError
from harness.store.disk import said_of_files

UsageError: type[Exception] = typer.BadParameter.__mro__[1]
"""Click's base of wrong usage; newer typers carry a click of their own, so it is found by its child."""

PACKAGE = Path(__file__).resolve().parent.parent
BROKEN = "this is a bug in the harness, not your mistake: run it again with --debug for the traceback"


def explain(error: BaseException) -> tuple[str, int]:
    """What a person reads of an error, and the exit code."""
    if isinstance(error, UsageError):
        context = getattr(error, "ctx", None)
        command = context.command_path if context is not None else "harness"
        message = getattr(error, "format_message", lambda: str(error))()
        return f"{message}\nSee `{command} --help`.", 2
    if isinstance(error, SuiteError) and len(error.mistakes) > 1:
        return f"{error}\n{len(error.mistakes)} mistakes", 2
    if isinstance(error, HarnessError):
        return str(error), 2
    if isinstance(error, (KeyboardInterrupt, typer.Abort)):
        return "interrupted", 130
    if isinstance(error, ModuleNotFoundError) and not (error.name or "").startswith("harness"):
        return f"{error.name} is not installed: pip install {error.name}", 2
    if isinstance(error, OSError) and (said := said_of_files(error)):
        return said, 2
    return f"{type(error).__name__}: {error}{_where(error)}\n{BROKEN}", 1


def _where(error: BaseException) -> str:
    """The last line of the harness that an error came through; of what happens once in a hundred runs this is
    all that is ever known."""
    passed = [(Path(frame.filename).resolve(), frame.lineno) for frame in extract_tb(error.__traceback__)]
    lines = [(file, line) for file, line in passed if file.is_relative_to(PACKAGE)]
    return f" ({lines[-1][0].relative_to(PACKAGE.parent)}:{lines[-1][1]})" if lines else ""
