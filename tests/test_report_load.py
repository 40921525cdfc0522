"""Load curves: from what the server scenario leaves behind to what a reader sees."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.facts.serving import ServerFacts
from harness.record import Measurement, Record
from harness.report.evidence import Evidence
from harness.report.render import gather, sections
from harness.report.sections.load import load_curve
from harness.serving.capacity import Capacity
from harness.serving.load import ServerSettings
from harness.serving.open_loop import measurements, said
from harness.serving.quantiles import CALLS_NEEDED
from tests.report_samples import WORLD, make_records, make_run, make_suite

FEW = WORLD[:2]


def served(record: Record, value: float | None, note: str = "", **more: Any) -> Record:
    """The record with another answer of its search."""
    points = record.facts_as(ServerFacts).load_curve or ()
    found = Capacity(value, None, None, more.get("confirmed"), points, note)
    facts = said(found, {1: np.array([10.0])}, ServerSettings(10.0, 8, 1.0))
    return Record(record.trial, "finished", tuple(measurements(found)), record.environment, facts=facts)


@pytest.fixture
def evidence(tmp_path: Path) -> Evidence:
    records = make_records(FEW, seeds=(0, 1), sizes=(1000,), rounds=2, calls=30, runtimes=("onnx",))
    return gather(make_run(tmp_path, records, make_suite(FEW, ("onnx",))))


def page_of(evidence: Evidence) -> str:
    return sections(evidence, ["load"])["load"].html


def test_the_curve_pools_the_requests_of_all_rounds_and_leaves_invalid_runs_out(evidence: Evidence) -> None:
    points = load_curve(evidence, evidence.rows[0])
    assert [p.runs for p in points] == [2, 2, 6, 2, 2], "of six loads one was invalid, at one two more runs"
    assert all(p.requests == 900 * p.runs for p in points)
    for p in points:
        assert p.p50_ms is not None and p.p99_ms is not None
        assert p.p99_ms / p.p50_ms == pytest.approx(np.log(100) / np.log(2), rel=0.15)  # exponential
    p50s = [p.p50_ms or 0.0 for p in points]
    assert p50s == sorted(p50s)


def test_every_variant_is_a_line_in_the_pictures_and_its_knee_a_star(evidence: Evidence) -> None:
    page = page_of(evidence)
    pictures = re.findall(r"<figure.*?<svg viewBox=\"0 0 .*?</svg>", page, re.DOTALL)
    assert len(pictures) == 3, "p99, p50 and what was answered"
    assert len(re.findall(r"<svg viewBox=\"0 0 ", page)) == 4, "the wide one also for a telephone"
    for picture in pictures:
        for row in evidence.rows:
            assert row.variant in picture
    assert "limit ≤ 3" in pictures[0]
    assert "not estimable" not in page


def test_a_p99_of_too_few_requests_is_not_drawn(evidence: Evidence, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(CALLS_NEEDED, 99, 10_000)
    assert {p.p99_ms for p in load_curve(evidence, evidence.rows[0])} == {None}
    assert "not estimable" in page_of(evidence)


def test_a_run_without_the_raw_requests_still_has_its_table(tmp_path: Path) -> None:
    records = make_records(FEW, seeds=(0,), sizes=(1000,), rounds=1, calls=30, runtimes=("onnx",))
    found = gather(make_run(tmp_path, records, make_suite(FEW, ("onnx",)), files=False))
    points = load_curve(found, found.rows[0])
    assert [p.p50_ms for p in points] == sorted(p.p50_ms or 0.0 for p in points), "the runs' own medians"
    assert "kept again" in page_of(found).lower()


def test_a_lower_end_and_an_unconfirmed_answer_are_said_beside_the_number_and_in_words(
    tmp_path: Path,
) -> None:
    records = []
    for r in make_records(FEW, seeds=(0,), sizes=(1000,), rounds=2, calls=30, runtimes=("onnx",)):
        if r.trial.scenario == "server" and r.trial.candidate == FEW[0].name:
            r = served(r, 90.0, "at least: every load up to the closed-loop bound keeps it")
        elif r.trial.scenario == "server":
            r = served(
                r, 50.0, "not confirmed: 3.0% were late in further runs at it; priced at 40", confirmed=False
            )
        records.append(r)
    found = gather(make_run(tmp_path, records, make_suite(FEW, ("onnx",)), files=False))
    page = page_of(found)
    assert "at least" in page and "the figure is a lower end" in page
    assert "not confirmed" in page and "did not hold when it was tried again" in page


def test_a_capacity_s_note_reaches_the_measurement() -> None:
    note = "not confirmed: 3.0% were late in further runs at it; priced at 40"
    headline, low, high = measurements(Capacity(50.0, 40.0, 60.0, False, (), note))
    assert headline == Measurement("throughput_at_slo_qps", 50.0, "1/s", note=note)
    assert [(m.at, m.value) for m in (low, high)] == [({"bound": "low"}, 40.0), ({"bound": "high"}, 60.0)]


@pytest.mark.parametrize(("runtime", "workers"), [("onnx", 1), ("onnx@1x2", 2)])
def test_a_capacity_is_held_against_all_its_workers_and_its_bound(
    tmp_path: Path, runtime: str, workers: int
) -> None:
    records = make_records(FEW, seeds=(0,), sizes=(1000,), rounds=2, calls=30, runtimes=(runtime,))
    suite = make_suite(FEW, ("onnx",))
    serving = suite.serving.model_copy(update={"workers": (workers,) if workers > 1 else None})
    suite = suite.model_copy(update={"serving": serving})
    found = gather(make_run(tmp_path, records, suite, files=False))
    page = sections(found, ["load"])["load"].markdown
    head, _, *lines = page[page.rindex("| Variant") :].split("\n\n")[0].splitlines()
    columns = [c.strip().partition(",")[0] for c in head.strip("|").split("|")]
    for row, line in zip(found.detailed, lines, strict=True):
        said = dict(zip(columns, (c.strip(" *") for c in line.strip("|").split("|")), strict=True))
        capacity, p50 = (row.estimates[m].value for m in ("throughput_at_slo_qps", "latency_p50_ms"))
        assert capacity and p50
        share = float(said["Of 1 / median latency"].rstrip("%\u202f "))
        assert share == pytest.approx(100 * capacity * p50 / 1000 / workers, abs=0.6)
        bounds = [r.facts_as(ServerFacts).closed_loop_bound_qps for r in found.records
                  if r.trial.scenario == "server" and r.trial.candidate == row.candidate]  # fmt: skip
        bound = float(np.exp(np.mean(np.log([b for b in bounds if b]))))
        assert float(said["Bound"].replace(",", "")) == pytest.approx(bound, rel=0.01)
