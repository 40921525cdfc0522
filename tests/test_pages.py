"""Every page: its parts of suites are valid, its Python compiles and runs, its other commands exist."""

from __future__ import annotations

import re
import shutil
import tomllib
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

from harness.reading import read_suite
from harness.suite.schema import Suite
from tests.small_suites import ROOT

PAGES = [p for p in sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("deploy/*.md")])
         if p.name not in ("CHANGELOG.md", "LOG.md")]  # fmt: skip
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
OMITS = re.compile(r"…|\b(NAME|COLUMN|FILE)\b")
"""What stands for something to be filled in."""
NEEDS = {
    "xgboost:": "xgboost",
    "keras:": "keras",
    "lightning:": "lightning",
    "openvino": "openvino",
    "http]": "grpc",
    "grpc://": "open_inference",
}
"""What a part of a suite names → the package without which it is refused."""
BASES: dict[str, dict[str, Any]] = {
    "tables": {
        "task": "tabular_classification",
        "data": {"name": "breast_cancer"},
        "candidates": {"logistic": "sklearn:LogisticRegression"},
    },
    "images": {
        "task": "image_classification",
        "data": {"name": "digits"},
        "candidates": {"small_cnn": "small_cnn"},
    },
    "shop": {
        "task": "recommendation",
        "data": {"name": "mock_shop"},
        "candidates": {"popular": {"retrieval": {"model": "popularity"}}},
        "serving": {"runtimes": ["torch"]},
        "decision": {"objective": "maximize ndcg@10"},
    },
    "labels": {
        "data": {"name": "text_csv", "path": "labels.csv", "label_separator": "|"},
        "candidates": {"counted": "sklearn:LogisticRegression"},
        "decision": {"objective": "maximize label_f1_macro"},
    },
}
"""What a part is completed with."""
KNOWN_BY = {"shop": ("mock_shop", "ml_100k"), "labels": ("multilabel",), "tables": ("LinearSVC", "threshold")}
"""Words of a part → its base; any other is about images."""


def fenced(language: str) -> list[Any]:
    """The blocks of a language on all pages."""
    return [
        pytest.param(block, id=f"{page.name}-{number}")
        for page in PAGES
        for number, (kind, block) in enumerate(FENCE.findall(page.read_text(encoding="utf-8")))
        if kind == language
    ]


def inline() -> list[Any]:
    """Parts of suites between backticks, where nothing in them is left to be filled in."""
    keys = "|".join(sorted({*Suite.model_fields, "machines", "sets"}))
    return [
        pytest.param(found, id=f"{page.name}: {found[:50]}")
        for page in PAGES
        if page.name not in ("troubleshooting.md", "suite.md")  # written from messages and from the schema
        for found in re.findall(r"`([^`\n]+)`", FENCE.sub("", page.read_text(encoding="utf-8")))
        if re.match(rf"({keys}): ?\S", found) and not OMITS.search(found)
    ]


@pytest.fixture
def beside(tmp_path: Path) -> Path:
    """A folder with the files that pages name."""
    for file in ("own_model/my_models.py", "own_metric/my_metrics.py"):
        shutil.copy(ROOT / "examples" / file, tmp_path)
    with (tmp_path / "my_models.py").open("a") as file:
        file.write("\n\nbuild_net = mlp\n\n\nclass Net(nn.Module):\n    pass\n")
    (tmp_path / "nets.py").write_text("from my_models import mlp as build\n")
    (tmp_path / "my_transforms.py").write_text("def make(train):\n    return lambda image: image\n")
    for name in ("net.pt2", "runs/best.ckpt", "net.keras", "weights/best.pth", "vocab.txt", "tables/a.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"finished")
    rows = "".join(f"a text of some words {i},{('a', 'b', 'a|b')[i % 3]}\n" for i in range(60))
    (tmp_path / "labels.csv").write_text(f"text,label\n{rows}")
    for kind in ("apple", "leaf"):
        (tmp_path / "photos" / kind).mkdir(parents=True)
        for i in range(8):
            pixels = np.random.default_rng(i).integers(0, 255, (64, 64, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "photos" / kind / f"{i}.png")
    return tmp_path


def completed(part: str) -> dict[str, Any]:
    """A suite that has the part, and what else a suite must have."""
    given = yaml.safe_load(part)
    kinds = (kind for kind, words in KNOWN_BY.items() if any(word in part for word in words))
    base = BASES[next(kinds, "images")]
    data = given.get("data", {})
    given |= {"data": base["data"] | data} if "data" in given and "name" not in data else {}
    whole = {"name": "part", **base, **given}
    if "objective" not in str(whole.get("decision")):
        whole["decision"] = {"objective": "maximize accuracy"} | dict(whole.get("decision") or {})
    return whole


@pytest.mark.parametrize("part", [*fenced("yaml"), *inline()])
def test_a_part_of_a_suite_on_any_page_is_a_valid_one(part: str, beside: Path) -> None:
    for sign, package in NEEDS.items():
        if sign in part and find_spec(package) is None:
            pytest.skip(f"{package} is not installed")
    (beside / "part.yaml").write_text(yaml.safe_dump(completed(part), sort_keys=False, allow_unicode=True))
    assert read_suite(beside / "part.yaml").candidates


@pytest.mark.parametrize("block", fenced("python"))
def test_python_on_any_page_compiles_and_what_only_defines_is_executed(
    block: str, beside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = compile(block, "page", "exec")
    if "harness.run(" not in block:  # the tests of the API run that
        monkeypatch.chdir(beside)
        exec(code, {"__name__": "page"})


def commands() -> Iterator[tuple[str, str]]:
    """Page → each line of a console block or an indented one that is no `python -m harness`."""
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        blocks = [block for kind, block in FENCE.findall(text) if kind == "console"]
        lines = [line for block in blocks for line in block.splitlines()]
        lines += re.findall(
            r"^    ((?:make|scripts/|python |pip |\. ).*)$", FENCE.sub("", text), re.MULTILINE
        )
        for line in lines:
            if "-m harness" not in line and line.strip():
                yield page.name, re.sub(r"\s{2,}#.*|\s{2,}\(.*", "", line).strip()


def test_what_else_is_typed_on_a_page_exists() -> None:
    """Targets of make, scripts, optional parts of the package, files of pip."""
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wrong, seen = [], 0
    for page, line in commands():
        seen += 1
        if found := re.match(r"make ([\w-]+)", line):
            known = found[1] in targets
        elif found := re.match(r"(?:python )?((?:scripts|examples|benchmarks)/\S+)", line):
            known = (ROOT / found[1]).exists()
        elif line.startswith("pip install"):
            extras = [e for group in re.findall(r"\[([\w,-]+)\]", line) for e in group.split(",")]
            files = re.findall(r"-c (\S+)", line)
            known = set(extras) <= set(project["optional-dependencies"]) and all(
                (ROOT / file).is_file() for file in files
            )
        else:
            known = bool(
                re.match(r"\. \.venv/bin/activate|python build/|python -m (?!harness)\w+|ray ", line)
            )
        wrong += [] if known else [f"{page}: {line}"]
    assert wrong == []
    assert seen > 15
