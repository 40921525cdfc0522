"""`init` as a test calls it: the fixture `first`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.cli.main import main
from harness.planning.trials import plan_trials
from harness.reading import read_suite

First = Callable[..., tuple[int, str, dict[str, Any]]]
"""Arguments of `init` → its exit code, what it said, and the suite that it wrote."""


def first_suites(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> First:
    """`init …` in an empty folder; that what it wrote is a suite with trials."""
    monkeypatch.chdir(folder)
    monkeypatch.setenv("HARNESS_DATA", str(folder / "cache"))

    def call(*arguments: str) -> tuple[int, str, dict[str, Any]]:
        code = main(["init", *arguments, "-o", "first.yaml", "--force", "--budget", "2m"])
        said = capsys.readouterr().err
        if code == 0:
            assert plan_trials(read_suite("first.yaml"))
        return code, said, yaml.safe_load(Path("first.yaml").read_text()) if code == 0 else {}

    return call
