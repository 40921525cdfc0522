"""Fixtures that several test files share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.first_suites import First, first_suites


@pytest.fixture
def first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> First:
    """`init …`: its exit code, what it said, and the suite that it wrote."""
    return first_suites(tmp_path, monkeypatch, capsys)
