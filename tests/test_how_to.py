"""What the documentation tells to type is understood: each command of the harness, with its options."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from typing import Any

import typer

from harness.cli.main import EVERYWHERE, app
from tests.small_suites import ROOT

PAGES = [
    ROOT / "README.md",
    ROOT / "AGENTS.md",
    ROOT / "deploy" / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
]


def commands() -> Iterator[tuple[str, list[str]]]:
    """Page → the arguments of each `python -m harness …` in it."""
    for page in PAGES:
        for line in page.read_text(encoding="utf-8").splitlines():
            for found in re.findall(r"(?:^|`|^\s+)python -m harness ([^`|>]+)", line):
                text = re.sub(r"\s{2,}#.*|\s+#\s.*|\\$", "", found).strip()
                if not re.search(r"…|COMMAND|\b[a-z]+\|[a-z]+", text):
                    yield page.name, shlex.split(text)


def examples(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, list[str]]]:
    """Command → the arguments of each example that its `--help` ends with."""
    for name, inner in getattr(command, "commands", {}).items():
        yield from examples(inner, (*path, name))
    for line in (command.epilog or "").splitlines():
        if found := re.fullmatch(r"  python -m harness (.*?)(?:\s{2,}#.*| > \S+.*| >> \S+)?", line):
            yield f"{' '.join(path)} --help", shlex.split(found[1])


def test_every_command_of_the_documentation_and_of_help_exists_with_its_options() -> None:
    group = typer.main.get_command(app)
    seen, wrong = 0, []
    shown = list(examples(group))
    assert {arguments[0] for _, arguments in shown} == set(group.commands)
    for page, arguments in [*commands(), *shown]:
        given = [a for a in arguments if a not in EVERYWHERE]
        command, parent = group, None
        try:
            while given and hasattr(command, "commands") and given[0] in command.commands:
                parent = typer.Context(command, parent=parent)
                command = command.commands[given.pop(0)]
            assert command is not group or not given, f"no command {given[:1]}"
            if not hasattr(command, "commands") and given:
                command.make_context(command.name, given, parent=parent)
        except (Exception, SystemExit) as error:
            missing = " is missing: " in str(error)
            wrong += [] if missing else [f"{page}: {' '.join(arguments)}: {error}"]
        seen += 1
    assert wrong == []
    assert seen > 100
