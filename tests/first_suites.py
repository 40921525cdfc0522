"""`init` as a test calls it, the fixture `first`, and tables for it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
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
        assert code in (0, 2), said
        if code == 0:
            assert plan_trials(read_suite("first.yaml"))
        return code, said, yaml.safe_load(Path("first.yaml").read_text()) if code == 0 else {}

    return call


def subjects(count: int, called: Callable[[int], Any], rows: int = 30) -> pd.DataFrame:
    """Rows of so many subjects, by what they are called, each at rest or under stress."""
    rng = np.random.default_rng(2)
    frame = pd.DataFrame(rng.normal(size=(count * rows, 3)).round(3), columns=["a", "b", "c"])
    frame.insert(0, "subject", [called(i) for i in range(count) for _ in range(rows)])
    frame["state"] = rng.choice(["rest", "stress"], len(frame))
    return frame


def sales(shops: int = 6, days: int = 90) -> pd.DataFrame:
    """What each shop sold on each day."""
    rng = np.random.default_rng(0)
    dates = pd.date_range("2024-01-01", periods=days).strftime("%Y-%m-%d")
    frame = pd.DataFrame(
        [(day, shop + 1) for day in dates for shop in range(shops)], columns=["date", "store"]
    )
    frame["promo"] = rng.integers(0, 2, len(frame))
    frame["sales"] = rng.poisson(60 + 5 * frame.store + 9 * frame.promo)
    return frame
