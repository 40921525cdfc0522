"""docs/extending.md keeps its word: one of each is added to a copy of the harness by its steps, and used.

The code is the page's own; only the kind of task, whose example on the page is a whole folder, stands here.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")


@dataclass(frozen=True)
class Addition:
    """What adding one takes: new files below `harness/`, and lines in files that are there.

    Args:
        new: path → content. lines: path → (the line that they follow, empty for the end; the lines).
    """

    new: Mapping[str, str] = field(default_factory=dict)
    lines: Mapping[str, tuple[str, str]] = field(default_factory=dict)


def chapter(heading: str) -> str:
    return PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0]


def code(heading: str) -> str:
    (found,) = re.findall(r"^```python\n(.*?)^```$", chapter(heading), re.MULTILINE | re.DOTALL)
    return str(found)


def entry(heading: str, begins: str) -> str:
    """The indented lines of a chapter that go into a table."""
    blocks = re.findall(r"(?:^    .*\n)+", chapter(heading), re.MULTILINE)
    (found,) = (block for block in blocks if block.startswith(f"    {begins}"))
    return str(found)


ORDINAL = '''
"""A grade for each row: classes in an order, where a near miss is better than a far one."""

from dataclasses import replace

from harness.kinds.classification import TABLES
from harness.kinds.ordinal import learning
from harness.protocols import Metric

RANK_ERROR = Metric(
    "rank_error", "grades", "lower", "Mean distance of the likeliest grade from the right one",
    learning.rank_error, learning.distances, low=0.0,
)
ORDINAL = replace(
    TABLES,
    name="ordinal_classification",
    home=__name__,
    family="ordinal classification",
    metrics=(*TABLES.metrics, "rank_error"),
    own=(RANK_ERROR,),
    learning=replace(TABLES.learning, loss=learning.loss),
    summary="rows, one grade each",
)
'''
LEARNING = '''
"""What grades are learnt and measured by."""

import numpy as np


def loss(outputs, targets, _smoothing):
    """Squared distance of the cumulated probabilities, summed over the grades."""
    import torch

    held = torch.nn.functional.one_hot(targets, outputs.shape[1]).to(outputs.dtype)
    return ((outputs.softmax(1) - held).cumsum(1) ** 2).sum(1).mean()


def distances(probabilities, targets):
    return np.abs(probabilities.argmax(axis=1) - targets).astype(np.float64)


def rank_error(probabilities, targets):
    return float(distances(probabilities, targets).mean())
'''

_ORDINAL_LINE = '    "ordinal_classification": "ordinal:ORDINAL",\n'
_METRIC = code("A metric").split("\n\n\n", 1)[1]
ADDITIONS = {
    "a model": Addition(
        {"models/mlp.py": code("A model").replace("def mlp(", "def build(")},
        {"models/__init__.py": ("MODELS: dict[str, str] = {", entry("A model", '"mlp"'))},
    ),
    "a data set": Addition(
        {"datasets/windows.py": code("A data set")},
        {"datasets/__init__.py": ("DATASETS: dict[str, str] = {", entry("A data set", '"windows"'))},
    ),
    "a metric": Addition(
        lines={
            "kinds/quality.py": ("", "\n\n" + _METRIC),
            "kinds/measured.py": ("OF_CLASSES = (", entry("A metric", "Metric(")),
        }
    ),
    "a runtime": Addition(
        {"runtimes/torch_channels_last.py": code("A runtime")},
        {"runtimes/__init__.py": ("_ALL = (", entry("A runtime", "Runtime("))},
    ),
    "a tracker": Addition(
        {"report/lines.py": code("A tracker")},
        {"suite/trackers.py": ("_ALL = (", entry("A tracker", "Tracker("))},
    ),
    "a report section": Addition(
        {"report/sections/slowest.py": code("A report section")},
        {
            "report/sections/__init__.py": (
                "SECTIONS: Mapping[str, Callable[[Evidence], Section | None]] = {",
                entry("A report section", '"slowest"'),
            )
        },
    ),
    "a kind of task": Addition(
        {"kinds/ordinal/__init__.py": ORDINAL, "kinds/ordinal/learning.py": LEARNING},
        {
            "kinds/__init__.py": (
                "_HOMES: Mapping[str, str] = {",
                _ORDINAL_LINE,
            )
        },
    ),
}
IMPORTS = {"a report section": "from harness.report.sections.slowest import slowest\n"}
"""What stands at the head of the table's file, where the table holds functions."""


def told(what: str) -> tuple[str, int]:
    """What the page's table says: how many files, and how many lines in files that are there."""
    (row,) = (line for line in PAGE.splitlines() if line.startswith(f"| [{what}]"))
    *_, files, lines = (cell.strip() for cell in row.strip("|").split("|"))
    return files, int(lines)


def folders_and_files(addition: Addition) -> str:
    folders = {path.rpartition("/")[0] for path in addition.new}
    if len(addition.new) > 1 and len(folders) == 1:
        return f"a folder and {len(addition.lines)}"
    return str(len({*addition.new, *addition.lines}))


@pytest.mark.parametrize("what", ADDITIONS)
def test_adding_one_takes_as_many_files_and_lines_as_the_page_says(what: str) -> None:
    addition = ADDITIONS[what]
    text = IMPORTS.get(what, "") + "".join(lines for _, lines in addition.lines.values())
    lines = sum(bool(line.strip()) for line in text.splitlines())
    assert told(what) == (folders_and_files(addition), lines)
    assert len(addition.lines) + (len(addition.new) if len(addition.new) == 1 else 0) <= 2
    (row,) = (line for line in PAGE.splitlines() if line.startswith(f"| [{what}]"))
    for path in addition.lines:
        assert f"`{path}`" in row
    for path in addition.new:
        assert f"`{path}`" in row or f"`{path.rpartition('/')[0]}/`" in row


def test_every_row_of_the_pages_table_is_added_here() -> None:
    assert set(re.findall(r"^\| \[([^\]]+)\]", PAGE, re.MULTILINE)) == set(ADDITIONS)


# ------------------------------------------------------------------------------- they work, in a process


def extended(folder: Path) -> Path:
    """A copy of the harness with all additions; compiled files come with it."""
    home = Path(shutil.copytree(ROOT / "harness", folder / "harness"))
    for what, addition in ADDITIONS.items():
        for path, content in addition.new.items():
            (home / path).parent.mkdir(exist_ok=True)
            (home / path).write_text(content, encoding="utf-8")
        for path, (after, lines) in addition.lines.items():
            text = (home / path).read_text(encoding="utf-8")
            if what in IMPORTS:
                text = text.replace("from harness.", f"{IMPORTS[what]}from harness.", 1)
            assert not after or text.count(f"{after}\n") == 1, f"{path}: {after}"
            text = text.replace(f"{after}\n", f"{after}\n{lines}", 1) if after else text + lines
            (home / path).write_text(text, encoding="utf-8")
    return home


SUITE = """
name: {name}
task: {task}
data: {{name: {data}, args: {{path: windows.npz}}}}
training: {{seeds: [0], epochs: 12, batch_size: 16, precision: fp32, optimizer: {{lr: 0.02}}}}
candidates: {{mine: {{model: mlp, args: {{width: 16}}}}}}
serving: {{runtimes: [torch, torch-channels-last]}}
decision: {{objective: {objective}}}
track: {{lines: {{file: {name}.jsonl}}}}
"""

USE = """
import json
from pathlib import Path

from tests.runs_here import run_here
from harness.report import track
from harness.report.render import render

told = {}
for name in ("windows", "grades"):
    run = run_here(Path(f"{name}.yaml"), Path("results"), kinds="train score")
    e = render(run)
    told[name] = {
        "home": __import__("harness").__file__,
        "failures": [r.failure.reason for r in e.records if r.failure],
        "quality": {
            f"{r.trial.runtime}": {m.metric: m.value for m in r.measurements}
            for r in e.records if r.trial.kind == "score"
        },
        "tracked": track.track(e, e.suite.track),
        "page": (Path(run.url) / "report.html").read_text(),
        "listed": sorted({m.metric for r in e.records for m in r.measurements}),
    }
print(json.dumps(told))
"""


def test_what_was_added_by_the_pages_steps_trains_scores_and_is_reported(tmp_path: Path) -> None:
    home = extended(tmp_path)
    grades = code("A data set").replace('Task("tabular_classification"', 'Task("ordinal_classification"')
    (home / "datasets" / "grades.py").write_text(grades)
    table, head = home / "datasets" / "__init__.py", "DATASETS: dict[str, str] = {\n"
    line = '    "grades": "harness.datasets.grades",\n'
    table.write_text(table.read_text().replace(head, head + line))
    random = np.random.default_rng(0)
    x = random.normal(size=(240, 3))
    y = np.digitize(x[:, 0] + 0.1 * random.normal(size=240), [-0.5, 0.5])
    np.savez(tmp_path / "windows.npz", x=x, y=y)
    for name, task, objective in (
        ("windows", "tabular_classification", "maximize top2_accuracy"),
        ("grades", "ordinal_classification", "minimize rank_error"),
    ):
        text = SUITE.format(name=name, task=task, data=name, objective=objective)
        (tmp_path / f"{name}.yaml").write_text(text)
    (tmp_path / "use.py").write_text(USE)
    done = subprocess.run(
        [sys.executable, "use.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    told_of = json.loads(done.stdout.splitlines()[-1])
    for name, found in told_of.items():
        assert found["home"].startswith(str(tmp_path)) and found["failures"] == []
        assert set(found["quality"]) == {"torch", "torch-channels-last"}
        assert found["tracked"] == f"3 lines in {name}.jsonl."
        assert "What took longest" in found["page"]
        for quality in found["quality"].values():
            assert quality["accuracy"] <= quality["top2_accuracy"] <= 1.0
            assert quality["accuracy"] > 0.6  # two thirds would be near; always the commonest class gives 0.4
    graded = told_of["grades"]["quality"]["torch"]
    assert 0 <= graded["rank_error"] <= 2 * (1 - graded["accuracy"]) + 1e-9
    assert "rank_error" not in told_of["windows"]["quality"]["torch"]
    lines = [json.loads(line) for line in (tmp_path / "windows.jsonl").read_text().splitlines()]
    assert {line.get("variant") for line in lines[1:]} == {"mine/torch", "mine/torch-channels-last"}
    assert lines[1]["top2_accuracy_low"] <= lines[1]["top2_accuracy"] <= lines[1]["top2_accuracy_high"]
