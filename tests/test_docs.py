"""The documentation is up to date where it is generated, and its links lead somewhere."""

from __future__ import annotations

import re
import runpy
from dataclasses import fields
from pathlib import Path
from typing import Any, get_type_hints

import numpy as np
import pytest

from harness.protocols import Task
from harness.reading.json_schema import suite_schema
from harness.record import Measurement, Record
from harness.results import (
    Expected,
    Flip,
    NearestMiss,
    NotCompared,
    Recommendation,
    RunnerUp,
    SoFar,
    StillOpen,
)

ROOT = Path(__file__).parent.parent
PAGES = sorted(
    [
        *ROOT.glob("*.md"),
        *ROOT.glob("docs/*.md"),
        *ROOT.glob("deploy/*.md"),
        *ROOT.glob("examples/**/*.md"),
        ROOT / "llms.txt",
    ]
)
LINK = re.compile(r"\[[^\]\n]*\]\(([^)\s]+)\)")


def headings(page: Path) -> set[str]:
    """The anchors of a page, as GitHub makes them."""
    titles = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def test_the_suite_reference_is_what_the_schema_says_today() -> None:
    script = runpy.run_path(str(ROOT / "scripts" / "suite_reference"))
    committed = (ROOT / "docs" / "suite.md").read_text(encoding="utf-8")
    assert committed == script["reference"](), "run scripts/suite_reference"


def test_every_key_of_a_suite_has_a_meaning() -> None:
    schema = suite_schema()
    parts: dict[str, Any] = {"": schema, **schema["$defs"]}
    silent = [
        f"{p}.{k}"
        for p, part in parts.items()
        for k, f in part["properties"].items()
        if not f.get("description")
    ]
    assert silent == [], "add a string below the field in harness/suite/schema.py"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_relative_link_leads_to_a_file_and_a_heading(page: Path) -> None:
    for link in LINK.findall(page.read_text(encoding="utf-8")):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), f"{page.name}: {link}"
        assert not anchor or anchor in headings(target), f"{page.name}: {link}"


def test_every_folder_and_file_of_the_package_has_a_place_in_contributing() -> None:
    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    parts = [path for path in (ROOT / "harness").iterdir() if path.is_dir() or path.suffix == ".py"]
    names = [f"{path.name}/" if path.is_dir() else path.name for path in parts if path.name[:2] != "__"]
    assert [name for name in sorted(names) if f"`{name}`" not in page] == []


def test_the_page_of_results_names_every_column_and_every_published_file() -> None:
    from harness.analysis.outputs import COLUMNS

    page = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")
    published = runpy.run_path(str(ROOT / "scripts" / "publish"))["FILES"]
    keys = [f.name for kind in (Record, Measurement) for f in fields(kind)]
    assert [name for name in (*COLUMNS, *published, *keys) if f"`{name}`" not in page] == []


def test_the_page_of_results_names_each_key_of_a_recommendation_where_it_tells_of_it() -> None:
    """`machine` stood under `environment.json` alone, and of a runner-up two keys nowhere."""
    page = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")
    chapter = page.split("\n## `recommendation.json`\n")[1].split("\n## ")[0]
    for row in re.findall(r"^.*with `_low` and `_high`.*$", chapter, re.MULTILINE):
        whose = re.findall(r"`(\w+)`[^`]*with `_low`", row)[0]
        chapter += f"`{whose}_low` `{whose}_high`"
    parts = (Expected, StillOpen, NotCompared, SoFar, NearestMiss, RunnerUp, Flip)
    of_parts = {key for kind in parts for key in get_type_hints(kind)} - {"extrapolated"}  # of the page alone
    keys = [*(f.name for f in fields(Recommendation)), *sorted(of_parts)]
    assert [name for name in keys if f"`{name}`" not in chapter] == []


def example(heading: str) -> str:
    """The Python example below a heading of docs/extending.md."""
    page = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")
    chapter = page.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    found = re.findall(r"^```python\n(.*?)^```$", chapter, re.MULTILINE | re.DOTALL)
    assert len(found) == 1, heading
    return str(found[0])


def defined(heading: str) -> dict[str, Any]:
    names: dict[str, Any] = {}
    exec(compile(example(heading), f"docs/extending.md: {heading}", "exec"), names)
    return names


def test_the_model_of_the_page_is_built_from_beside_a_suite(tmp_path: Path) -> None:
    from harness.models.build import build_model

    (tmp_path / "models_of_the_page.py").write_text(example("A model"))
    task = Task("image_classification", 3, ("a", "b", "c"), (1, 4, 4))
    network = build_model("models_of_the_page:mlp", task, {"width": 8}, search=tmp_path)
    assert sum(p.numel() for p in network.parameters()) == 16 * 8 + 8 + 8 * 3 + 3


def test_the_data_set_of_the_page_loads_and_notices_changes(tmp_path: Path) -> None:
    made = defined("A data set")
    path = str(tmp_path / "windows.npz")
    x, y = np.arange(120.0).reshape(40, 3), np.arange(40) % 2
    np.savez(path, x=x, y=y)
    before, data = made["checksum"](path=path), made["load"](path=path)
    assert (len(data.train), len(data.test)) == (32, 8)
    assert data.task == made["task"](path=path) and data.task.input_shape == (3,)
    np.savez(path, x=x + 1, y=y)
    assert made["checksum"](path=path) != before


def test_the_metric_of_the_page_is_right_on_paper() -> None:
    p = np.array([[0.5, 0.3, 0.2], [0.5, 0.3, 0.2], [0.1, 0.2, 0.7]])
    assert defined("A metric")["top2_accuracy"](p, np.array([1, 2, 2])) == pytest.approx(2 / 3)


def test_the_runtime_of_the_page_answers_like_torch(tmp_path: Path) -> None:
    from harness.models.build import build_model
    from harness.models.fitted import Meta
    from harness.models.servable import save_network

    task = Task("image_classification", 3, ("a", "b", "c"), (1, 8, 8))
    network = build_model("small_cnn", task, {"width": 8})
    save_network(
        tmp_path / "fitted", network, Meta("torch", "small_cnn", {"width": 8}, task, (0.5,), (0.25,))
    )
    facts = defined("A runtime")["prepare"](tmp_path / "fitted", tmp_path / "artifact")
    assert facts["parity_max_abs"] < 1e-5


def test_the_section_of_the_page_lists_what_took_longest() -> None:
    from types import SimpleNamespace

    def record(label: str, seconds: float) -> Any:
        return SimpleNamespace(status="finished", seconds=seconds, trial=SimpleNamespace(label=label))

    slowest = defined("A report section")["slowest"]
    assert slowest(SimpleNamespace(records=())) is None
    made = slowest(SimpleNamespace(records=(record("quick", 1.0), record("slow", 90.0))))
    assert made.markdown.index("slow") < made.markdown.index("quick")
