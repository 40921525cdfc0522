"""Builds the site from pages that are written to be read in the repository.

Links out of docs/ (`../README.md`, `../suites/quickstart.yaml`) are made to lead to copies inside the
site; the suite's JSON Schema, llms.txt and the pages about the project are added.
"""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "scripts")]

from api_reference import api_page  # noqa: E402

LINK = re.compile(r"(\]\()([^)\s#]+)(#[^)\s]*)?(\))")
PROJECT = (
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "LOG.md",
    "SECURITY.md",
    "AGENTS.md",
    "deploy/README.md",
    "README.md",
)
"""Pages outside docs/ that are pages of the site too."""


def on_files(files: Files, config: Any) -> Files:
    """Adds pages of the project, the schema and llms.txt, and the files that pages link to."""
    from harness.reading.json_schema import suite_schema

    def add(uri: str, content: str | bytes) -> None:
        if uri not in files.src_uris:
            files.append(File.generated(config, uri, content=content))

    add("suite.schema.json", json.dumps(suite_schema(), indent=2))
    add("api.md", api_page())
    add("llms.txt", LINK.sub(_for_programs, (ROOT / "llms.txt").read_text(encoding="utf-8")))
    for name in PROJECT:
        text = (ROOT / name).read_text(encoding="utf-8")
        add(f"project/{name}", text)
        _copied(text, ROOT / name, add)
    for page in sorted((ROOT / "docs").glob("*.md")):
        _copied(page.read_text(encoding="utf-8"), page, add)
    return files


def _for_programs(match: re.Match[str]) -> str:
    """A link of llms.txt as it leads inside the site, which has a page for what stands in code."""
    made = {"harness/api.py": "api.md", "harness/suite/schema.py": "suite.schema.json"}
    return f"{match[1]}{made.get(match[2]) or _place(match[2], ROOT / 'llms.txt')}{match[4]}"


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Links as they lead inside the site."""
    uri = page.file.src_uri
    source = ROOT / uri.removeprefix("project/") if uri.startswith("project/") else ROOT / "docs" / uri
    here = Path(uri).parent

    def rewritten(match: re.Match[str]) -> str:
        place = _place(match[2], source)
        if place is None:
            return match[0]
        return f"{match[1]}{os.path.relpath(place, here)}{match[3] or ''}{match[4]}"

    return LINK.sub(rewritten, markdown)


def _copied(text: str, source: Path, add: Any) -> None:
    """Adds the files outside docs/ that a page links to."""
    for match in LINK.finditer(text):
        place = _place(match[2], source)
        target = (source.parent / match[2]).resolve()
        if place is not None and place.startswith("files/") and target.is_file():
            add(place, target.read_bytes())


def _place(link: str, source: Path) -> str | None:
    """Where in the site the target of a link stands; None for links elsewhere, and to what is not there."""
    if re.match(r"[a-z]+:", link):
        return None
    target = (source.parent / link).resolve()
    if not target.exists() or not target.is_relative_to(ROOT):
        return None
    path = target.relative_to(ROOT).as_posix()
    if path.startswith("docs/"):
        return path.removeprefix("docs/")
    if path == "llms.txt":
        return path
    if path in PROJECT:
        return f"project/{path}"
    # A page of Markdown would be a page of its own, outside of the navigation; hidden files are left out.
    path = "/".join(part.lstrip(".") for part in path.split("/"))
    return f"files/{path}.txt" if path.endswith(".md") else f"files/{path}"
