"""The what-if panel: the page's JavaScript decides as the analysis does, and so does its command line."""

from __future__ import annotations

import importlib
import json
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import harness.report
from harness.analysis.criteria import parse_objective
from harness.analysis.recommend import decide_again
from harness.analysis.sensitivity import NOBODY, Question
from harness.report import gather, html
from harness.report.evidence import Evidence
from tests.report_samples import WORLD, make_records, make_run, make_suite

whatif = importlib.import_module("harness.report.sections.whatif")
SCRIPT = Path(harness.report.__file__).parent / "whatif.js"
NODE = shutil.which("node")
needs_node = pytest.mark.skipif(NODE is None, reason="needs node to run the page's JavaScript")

VALUE = "1000*accuracy - cost_per_month_usd"
PARTS = "max(900*accuracy, 10) - cost_per_month_usd - 2*latency_p99_ms**2"
MONEY = ["cost_per_million_usd <= 0.4", "latency_p99_ms <= 3 with 0.8"]
DECISIONS: Mapping[str, dict[str, Any]] = {
    "a value with limits": {
        "objective": "maximize value",
        "value": VALUE,
        "constraints": ["accuracy >= 0.87", "latency_p99_ms <= 4"],
    },
    "a limit on money": {"objective": "maximize accuracy", "constraints": MONEY},
    "a price of breaking a limit": {
        "objective": "maximize value",
        "value": PARTS,
        "constraints": ["accuracy >= 0.88", "value >= 100"],
        "broken_limit": 50.0,
    },
    "a bill with other items than machines": {
        "objective": "maximize value",
        "value": VALUE,
        "constraints": ["accuracy >= 0.85"],
        "costs": {
            "trainings": 500.0,
            "storage_usd_per_gb_month": 0.1,
            "items": {
                "resnet": {"once_usd": 120.0, "monthly_usd": 3.0},
                "small_cnn": {"usd_per_request": 2e-8},
            },
        },
    },
    "a ratio whose noise grows with it": {
        "objective": "maximize value",
        "value": "accuracy / latency_p50_ms**3",
        "constraints": ["accuracy >= 0.85"],
    },
    "speed within a tolerance": {
        "objective": "minimize latency_p50_ms",
        "constraints": ["accuracy >= 0.85"],
        "tolerance": 0.2,
    },
}


def make_evidence(folder: Path, decision: Mapping[str, Any]) -> Evidence:
    traffic = {"qps": 200, "peak_qps": 600, "headroom": 0.8, "spare": 1}
    suite = make_suite(WORLD[:4], decision={**decision, "traffic": traffic})
    return gather(make_run(folder, make_records(WORLD[:4], seeds=(0, 1), rounds=3), suite, files=False))


def asked(question: Question, setting: Mapping[str, Any]) -> Question:
    """The question under a setting of the panel, by the analysis alone."""
    decision, machine = question.suite.decision, question.suite.machine
    traffic = decision.traffic.model_copy(update={"qps": setting["qps"], "peak_qps": setting["peak_qps"]})
    text = decision.value
    if text is not None and setting["weight"] is not None:
        text = text.replace("1000*accuracy", f"{setting['weight']!r}*accuracy").replace(
            "900*accuracy", f"{setting['weight']!r}*accuracy"
        )
    update = {"traffic": traffic, "value": text}
    suite = question.suite.model_copy(
        update={
            "decision": decision.model_copy(update=update),
            "machine": machine.model_copy(update={"usd_per_hour": setting["usd_per_hour"]}),
        }
    )
    factor = setting["usd_per_hour"] / whatif.cost.price_of(machine).usd_per_hour
    rows = tuple(replace(row, besides=row.besides.at(factor)) for row in question.table.rows)
    question = replace(question, table=replace(question.table, rows=rows))
    limits = tuple(replace(c, limit=at) for c, at in zip(question.limits, setting["limits"], strict=True))
    goal = parse_objective(decision.objective, text)
    return replace(question, suite=suite, limits=limits, goal=goal).with_prices()


def settings(
    today: Mapping[str, Any], limits: Sequence[Mapping[str, Any]], count: int
) -> list[dict[str, Any]]:
    """Settings around today's: other traffic and prices, limits about where they bind."""
    rng = np.random.default_rng(0)
    made = []
    for _ in range(count):
        moved = [
            float(np.clip(at + rng.normal(0, 0.03), 0.5, 0.99)) if c["unit"] == "" and 0 < at < 1
            else float(at * np.exp(rng.normal(0, 0.8)))
            for c, at in zip(limits, today["limits"], strict=True)
        ]  # fmt: skip
        weight = (
            None
            if today["weight"] is None
            else float(np.round(today["weight"] * np.exp(rng.normal(0, 1)), 3))
        )
        factor, price = np.exp(rng.uniform(-2, 2.5)), np.exp(rng.uniform(-1, 1))
        made.append(
            {
                "qps": today["qps"] * factor, "peak_qps": today["peak_qps"] * factor * 1.3,
                "usd_per_hour": today["usd_per_hour"] * price, "weight": weight, "limits": moved,
            }
        )  # fmt: skip
    return made


def in_javascript(
    data: Mapping[str, Any], made: Sequence[Mapping[str, Any]], folder: Path
) -> list[dict[str, Any]]:
    """What the page's script decides, and how long one decision takes, in node."""
    path = folder / "asked.json"
    path.write_text(json.dumps({"data": data, "settings": made}))
    program = f"""
    require({json.dumps(str(SCRIPT))});
    const {{data, settings}} = JSON.parse(require("fs").readFileSync({json.dumps(str(path))}));
    const p = whatIf.decode(data);
    console.log(JSON.stringify(settings.map(s => {{
      const from = performance.now(), found = whatIf.decide(p, s);
      return {{...found, best: [...found.best], ms: performance.now() - from}};
    }})));
    """
    done = subprocess.run([str(NODE), "-e", program], capture_output=True, text=True, timeout=280, check=True)
    return list(json.loads(done.stdout))


@needs_node
@pytest.mark.parametrize("name", DECISIONS)
def test_the_page_decides_as_the_analysis_does_under_fifty_settings(name: str, tmp_path: Path) -> None:
    e = make_evidence(tmp_path, DECISIONS[name])
    question = whatif.thinned(e)
    assert question is not None and question.winner == e.recommendation.choice
    data = whatif.payload(e, question)
    assert len(json.dumps(data)) < 150_000
    assert data["num"] >= 700
    made = settings(data["today"], data["limits"], 50)
    winners = set()
    for setting, found in zip(made, in_javascript(data, made, tmp_path), strict=True):
        choice = asked(question, setting).choice
        assert found["named"] == choice.named, setting
        assert np.allclose(found["best"], choice.best, atol=0.002), setting
        assert np.allclose(found["feasible"], choice.limits_hold, atol=0.002)
        assert sorted(found["tied"]) == sorted(choice.tied)
        winners.add(found["named"])
    assert len(winners) >= 2, "settings that change nothing test nothing"


@needs_node
@pytest.mark.parametrize("apart", [0.0, 0.1, 1.0])
def test_one_model_on_several_runtimes_is_one_opinion_on_the_page_too(apart: float, tmp_path: Path) -> None:
    """Also where its runtimes differ in a few rows, by a tenth of what either varies."""
    e = make_evidence(tmp_path, {"objective": "maximize accuracy", "constraints": ["latency_p99_ms <= 9"]})
    found = whatif.thinned(e)
    names = [row.candidate for row in found.table.rows]
    first = [names.index(name) for name in names]
    accuracy = found.table.draws["accuracy"][:, first]
    accuracy = accuracy + apart * accuracy.std(0) * np.random.default_rng(0).standard_normal(accuracy.shape)
    draws = {**found.table.draws, "accuracy": accuracy}
    question = replace(found, table=replace(found.table, draws=draws))
    data = whatif.payload(e, question)
    made = settings(data["today"], data["limits"], 5)
    for setting, decided in zip(made, in_javascript(data, made, tmp_path), strict=True):
        assert np.allclose(decided["best"], asked(question, setting).choice.best, atol=0.002), setting


def test_the_panel_says_why_traffic_and_price_cannot_be_moved(tmp_path: Path) -> None:
    suite = make_suite(
        WORLD[:4], decision={**DECISIONS["a limit on money"], "traffic": {"curve": [10.0, 200.0] * 12}}
    )
    e = gather(make_run(tmp_path, make_records(WORLD[:4], seeds=(0, 1), rounds=3), suite, files=False))
    section = whatif.what_if(e)
    assert section is not None
    assert "Traffic and price cannot be moved here: traffic is a curve of hours." in section.html
    assert '"money":null' in section.html


@needs_node
@pytest.mark.quiet
def test_twelve_variants_are_decided_in_less_than_fifty_milliseconds(tmp_path: Path) -> None:
    e = make_evidence(tmp_path, DECISIONS["a value with limits"])
    data = whatif.payload(e, whatif.thinned(e))
    assert len(data["variants"]) >= 11
    made = settings(data["today"], data["limits"], 40)
    assert np.median([found["ms"] for found in in_javascript(data, made, tmp_path)][5:]) < 50


def test_the_page_with_the_panel_runs_its_own_script_alone(tmp_path: Path) -> None:
    e = make_evidence(tmp_path, DECISIONS["a value with limits"])
    section = whatif.what_if(e)
    assert section is not None
    page = html.page(e, (section,))
    assert 'id="what-if-data"' in page and "globalThis.whatIf" in page
    assert re.search(r"script-src 'sha256-[\w+/=]+'", page)
    held = re.search(r'id="what-if-data">(.*?)</script>', page, re.DOTALL)
    assert held and json.loads(held[1])["choice"] == e.recommendation.choice


def test_the_command_line_of_the_panel_gives_the_same_choice(tmp_path: Path) -> None:
    e = make_evidence(tmp_path, DECISIONS["a value with limits"])
    question = whatif.thinned(e)
    data = whatif.payload(e, question)
    weight = data["weight"]
    setting = {"qps": 20.0, "peak_qps": 60.0, "usd_per_hour": 0.5, "weight": 4000.0, "limits": [0.8, 9.0]}
    text = weight["text"].replace(weight["mark"], "4000")
    traffic = ["decision.traffic.qps=20", "decision.traffic.peak_qps=60"]
    changes = [*traffic, "machine.usd_per_hour=0.5", f"decision.value={text}"]
    where = ["accuracy >= 0.8", "latency_p99_ms <= 9.0"]
    found = decide_again(e.run, where, None, settings=changes)[1]
    assert found.choice == asked(question, setting).winner != NOBODY


@needs_node
def test_a_runtime_that_its_own_model_beats_stays_behind_it_on_the_page_too(tmp_path: Path) -> None:
    """Runtimes of one model that differ in their bills alone, where accuracy is worth a hundred bills."""
    worth = {"objective": "maximize value", "value": "40000*accuracy - cost_per_month_usd", "constraints": []}
    e = make_evidence(tmp_path, worth)
    found = whatif.thinned(e)
    assert found is not None
    names = [row.candidate for row in found.table.rows]
    accuracy = found.table.draws["accuracy"][:, [names.index(name) for name in names]]
    question = replace(found, table=replace(found.table, draws={**found.table.draws, "accuracy": accuracy}))
    question = question.with_prices()
    near, rows = question.choice.near_rivals, question.choice.contenders
    assert {names[k] for k in near} & {names[k] for k in rows if k not in near}, (
        "some are far below their twin"
    )
    data = whatif.payload(e, question)
    made = settings(data["today"], data["limits"], 10)
    made = [{**setting, "weight": data["today"]["weight"]} for setting in made]
    for setting, decided in zip(made, in_javascript(data, made, tmp_path), strict=True):
        assert np.allclose(decided["best"], asked(question, setting).choice.best, atol=0.002), setting
