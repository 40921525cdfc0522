"""The tutorial's commands, run one after the other as a reader would."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.small_suites import ROOT, surroundings

PAGE = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")


def commands() -> list[str]:
    found = re.findall(r"^```console\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    return [line for block in found for line in block.splitlines() if line.strip()]


def test_the_tutorial_goes_from_photos_to_an_export() -> None:
    steps = [line.split()[3] if "-m harness" in line else line.split()[1] for line in commands()]
    assert steps[0] == "examples/photos/make_photos.py"
    assert [s for s in ("init", "plan", "run", "open", "recommend", "export") if s not in steps] == []
    assert steps[-1] == "build/photos/predict.py"


def test_the_photos_of_the_tutorial_are_drawn_in_three_folders(tmp_path: Path) -> None:
    script = ROOT / "examples" / "photos" / "make_photos.py"
    subprocess.run([sys.executable, str(script), str(tmp_path / "photos"), "2"], check=True)
    assert sorted(p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*.jpg")) == [
        f"photos/{kind}/{i}.jpg" for kind in ("apple", "leaf", "sky") for i in (0, 1)
    ]


@pytest.mark.slow
@pytest.mark.timeout(3000)
def test_every_command_of_the_tutorial_runs(tmp_path: Path) -> None:
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    for line in commands():
        arguments = [sys.executable if word == "python" else word for word in shlex.split(line)]
        environment = {**os.environ, **surroundings(tmp_path)}
        done = subprocess.run(
            arguments, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
    assert (tmp_path / "build" / "photos" / "predict.py").is_file()
