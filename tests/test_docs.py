"""The documentation is up to date where it is generated, and its links lead somewhere."""

from __future__ import annotations

import re
import runpy
from pathlib import Path
from typing import Any

import pytest

from harness.suite.json_schema import suite_schema

ROOT = Path(__file__).parent.parent
PAGES = sorted(
    [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("deploy/*.md"), *ROOT.glob("examples/**/*.md")]
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
