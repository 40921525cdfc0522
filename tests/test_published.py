"""The pages print what the published runs hold, and every published report names the commit that made it."""

from __future__ import annotations

import csv
import json
import math
import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from harness.reading import suite_from_text
from harness.suite.schema import Suite

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


MONTH_S = 730 * 3600
FIRST_SEARCH = "20261128"
"""Loads are searched with what is known of the queue since then: the day that a run's name begins with."""


def money_of(folder: Path) -> tuple[list[dict[str, Any]], Suite, str]:
    """The rows of a published run, its suite, and the day it was made."""
    suite = suite_from_text((folder / "suite.yaml").read_text(encoding="utf-8"))
    told = re.search(r"of run `[^/`]+/(\d{8})-", (folder / "report.md").read_text(encoding="utf-8"))
    assert told
    rows = json.loads((folder / "tradeoffs.json").read_text(encoding="utf-8"))["rows"]
    return rows, suite, told[1]


@pytest.mark.parametrize("folder", PUBLISHED, ids=lambda folder: folder.name)
def test_a_published_bill_is_machines_times_hours_times_price(folder: Path) -> None:
    """Reckoned from what stands in the row alone: machines, and what a million cost at full use."""
    rows, suite, _ = money_of(folder)
    traffic = suite.decision.traffic
    assert not suite.machines and not traffic.curve and suite.decision.costs is None, "reckon these, too"
    peak, hours = traffic.peak_qps or traffic.qps, set()
    for row in rows:
        month, note = row.get("cost_per_month_usd"), row.get("cost_per_month_usd_note", "")
        if month is None or row["cost_per_month_usd_low"] is None:
            continue
        count = float(re.match(r"([\d.]+) (?:machine|replica)", note)[1])  # type: ignore[index]
        hours.add(round(month / count / 730, 9))
        million = 1e6 * month / (traffic.qps * MONTH_S)
        assert row["cost_per_million_usd"] == pytest.approx(million)
        noted = re.match(r"([\d.,e+-]+) USD", row["cost_per_million_usd_note"])
        assert noted
        full = float(noted[1].replace(",", ""))
        # Three digits of a figure are known: a need within half a per cent of a whole number may be either.
        needs = [max(1, math.ceil(peak * x * full * 3600 / 1e6 / max(hours))) for x in (0.994, 1.006)]
        assert needs[0] <= count - traffic.spare <= needs[1], row["variant"]
        for end in ("_low", "_high"):
            bill = row["cost_per_month_usd" + end] / max(hours) / 730
            assert bill == pytest.approx(round(bill)), f"{row['variant']}: {bill} machines"
    assert len(hours) <= 1, "one machine has one price"


@pytest.mark.parametrize("folder", PUBLISHED, ids=lambda folder: folder.name)
def test_no_published_load_is_above_its_own_offline_throughput(folder: Path) -> None:
    rows, _, day = money_of(folder)
    for row in rows if day >= FIRST_SEARCH else ():
        load, offline = row.get("throughput_at_slo_qps"), row.get("throughput_offline_per_s")
        if load is not None and offline is not None:
            assert load <= offline, row["variant"]


@pytest.mark.parametrize("folder", PUBLISHED, ids=lambda folder: folder.name)
def test_figures_of_a_published_row_are_means_of_its_records(folder: Path) -> None:
    """Accuracy and NDCG: of the checkpoints of the largest training set."""
    records = pd.read_parquet(folder / "records.parquet")
    scored = records[(records["kind"] == "score") & (records["status"] == "finished")]
    for row in money_of(folder)[0]:
        for metric in ("accuracy", "ndcg@10"):
            own = scored[(scored["variant"] == row["variant"]) & (scored["metric"] == metric)]
            if row.get(metric) is not None and len(own):
                if own["train_size"].notna().any():
                    own = own[own["train_size"] == own["train_size"].max()]
                assert row[metric] == pytest.approx(own["value"].mean()), row["variant"]
