"""The pages print what the published runs hold, and every published report names the commit that made it."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PUBLISHED = sorted(folder.parent for folder in (ROOT / "results" / "published").glob("*/report.md"))


@pytest.mark.parametrize("folder", PUBLISHED, ids=lambda folder: folder.name)
def test_a_published_report_names_the_commit_that_made_it(folder: Path) -> None:
    commit = json.loads((folder / "environment.json").read_text(encoding="utf-8"))["commit"]
    assert re.fullmatch(r"[0-9a-f]{40}", commit["id"]) and commit["dirty"] is False
    assert (folder / "report.html").is_file() and (folder / "records.parquet").is_file()


def test_the_printed_table_has_the_figures_of_the_published_run() -> None:
    with (ROOT / "results" / "published" / "cnn_vs_vit" / "tradeoffs.csv").open(encoding="utf-8") as file:
        run = {row["variant"]: row for row in csv.DictReader(file)}
    page = (ROOT / "docs" / "suites.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| \**(\w+/[\w@-]+)\** \| ([^|]+) \| ([^|]+) \|", page, re.MULTILINE)
    assert len(rows) >= 5
    for variant, accuracy, latency in rows:
        for shown, metric in ((accuracy, "accuracy"), (latency, "latency_p99_ms")):
            figures = [float(x) for x in re.findall(r"\d+(?:\.\d+)?", shown)]
            kept = [float(run[variant][metric + end]) for end in ("", "_low", "_high")]
            for figure, text, value in zip(figures, re.findall(r"\d+(?:\.\d+)?", shown), kept, strict=True):
                step = 10.0 ** -len(text.partition(".")[2])
                assert abs(figure - value) <= 0.51 * step, f"{variant}: {metric} {text}, the run has {value}"
