"""What the documentation tells to type is understood: its commands, and its parts of suites."""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from harness.cli.main import EVERYWHERE, app
from harness.reading import read_suite
from tests.small_suites import ROOT

PAGES = [
    ROOT / "README.md",
    ROOT / "AGENTS.md",
    ROOT / "deploy" / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
]
HOW_TO = (ROOT / "docs" / "how_to.md").read_text(encoding="utf-8")
NEEDS = {"xgboost:": "xgboost", "http]": "opencensus"}
"""What a part of a suite names → the package without which it is refused."""


def commands() -> Iterator[tuple[str, list[str]]]:
    """Page → the arguments of each `python -m harness …` in it."""
    for page in PAGES:
        for line in page.read_text(encoding="utf-8").splitlines():
            for found in re.findall(r"(?:^|`|^\s+)python -m harness ([^`|>]+)", line):
                text = re.sub(r"\s{2,}#.*|\s+#\s.*|\\$", "", found).strip()
                if not re.search(r"…|COMMAND|\b[a-z]+\|[a-z]+", text):
                    yield page.name, shlex.split(text)


def blocks() -> list[str]:
    return re.findall(r"^```yaml\n(.*?)^```$", HOW_TO, re.MULTILINE | re.DOTALL)


def test_every_command_of_the_documentation_exists_with_its_options() -> None:
    group = typer.main.get_command(app)
    seen, wrong = 0, []
    for page, arguments in commands():
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
            missing = "Missing argument" in str(error) or "Missing argument" in repr(error)
            wrong += [] if missing else [f"{page}: {' '.join(arguments)}: {error}"]
        seen += 1
    assert wrong == []
    assert seen > 60


@pytest.mark.parametrize("block", blocks(), ids=lambda block: block.splitlines()[1][:40])
def test_a_part_of_a_suite_is_a_valid_one(block: str, tmp_path: Path) -> None:
    for named, package in NEEDS.items():
        if named in block:
            pytest.importorskip(package)
    for file in ("own_model/my_models.py", "own_metric/my_metrics.py"):
        shutil.copy(ROOT / "examples" / file, tmp_path)
    (tmp_path / "net.pt2").write_bytes(b"a program")
    objective = "" if "objective:" in block else "decision: {objective: maximize accuracy}\n"
    (tmp_path / "part.yaml").write_text(f"name: part\n{block}{objective}")
    suite = read_suite(tmp_path / "part.yaml")
    assert suite.candidates
