"""The documentation builds as a site: no warning, no broken link, nothing loaded from elsewhere."""

from __future__ import annotations

import json
import os
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

import harness
from harness.reading.json_schema import suite_schema

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built with warnings as errors."""
    pytest.importorskip("material", reason="pip install -e '.[docs]'")
    target = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(target)],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return target


def test_every_page_is_there_with_the_schema_and_the_text_for_programs(site: Path) -> None:
    for page in (ROOT / "docs").glob("*.md"):
        assert (site / page.with_suffix(".html").name).is_file(), page.name
    assert json.loads((site / "suite.schema.json").read_text()) == json.loads(json.dumps(suite_schema()))
    assert (site / "project" / "AGENTS.html").is_file()
    links = re.findall(r"\]\(([^)]+)\)", (site / "llms.txt").read_text())
    assert [link for link in links if not (site / link.replace(".md", ".html")).exists()] == []


def test_the_public_names_stand_there_with_their_signatures_and_words(site: Path) -> None:
    page = (site / "api.html").read_text(encoding="utf-8")
    for name in (*harness.__all__, "Metric", "Dataset", "SuiteError", "Recommendation"):
        assert re.search(rf"<h3[^>]*><code>harness[a-z.]*\.{name}</code>", page), name
    assert "names the nearest" in page, "the words of open_run"
    assert "Run.predictions" in page and "runtime" in page


def test_every_link_inside_the_site_leads_somewhere(site: Path) -> None:
    broken = []
    for page in [*site.glob("*.html"), *site.glob("project/**/*.html")]:
        for link in re.findall(r'(?:href|src)="([^"#]+)', page.read_text(encoding="utf-8")):
            local = not re.match(r"[a-z]+:|/", link)
            if local and page.name != "404.html" and not (page.parent / link).exists():
                broken.append(f"{page.name}: {link}")
    assert broken == []


def test_no_page_loads_anything_from_elsewhere(site: Path) -> None:
    for page in site.glob("*.html"):
        text = page.read_text(encoding="utf-8")
        assert re.findall(r'<(?:script|img|iframe)[^>]+src="https?:', text) == []
        assert re.findall(r'<link[^>]+rel="(?:stylesheet|preconnect|icon)"[^>]+href="https?:', text) == []


def test_the_gallery_has_a_picture_of_each_published_report() -> None:
    script = runpy.run_path(str(ROOT / "scripts" / "gallery"))
    assert script["reports"]()[0] == "cnn_vs_vit"
    assert (ROOT / "docs" / "gallery.md").read_text(encoding="utf-8") == script["page"](), (
        "run scripts/gallery"
    )
    for name in script["reports"]():
        for width in script["WIDTHS"]:
            assert (ROOT / "docs" / "pictures" / f"{name}_{width}.png").is_file(), "run scripts/gallery"
