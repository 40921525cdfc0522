"""Who was ruled out under a limit that is not asked any more was not beaten: page, switches and `recommend
--where` say so alike."""

from __future__ import annotations

import importlib
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from harness.analysis.cost import price_of
from harness.analysis.outputs import stored_suite
from harness.analysis.recommend import decide, decide_again
from harness.analysis.sensitivity import NOBODY, OPEN
from harness.reasons import Broken, broken_by, clearly_beyond
from harness.report import gather
from harness.report.switches import flip_sentence
from harness.report.terminal import next_commands
from harness.results import Recommendation
from harness.store.run_folder import RunFolder
from tests.report_samples import WORLD, make_records, make_run, make_suite

RUNTIMES = ("torch", "onnx")
MADE = tuple(m for m in WORLD if m.name in ("logistic", "small_cnn", "resnet"))
LATENCY = ("latency_p99_ms", True, "0.6", "0.96", "0.8")
BILL = ("cost_per_month_usd", True, "200", "390", "300")


def run_without_resnet(folder: Path, why: tuple[str, bool, str, str, str] | str, *limits: str) -> RunFolder:
    """A run until it was decided in which the best candidate was ruled out before it was trained."""
    decision = {
        "constraints": limits,
        "objective": "maximize accuracy",
        "traffic": {"qps": 200, "peak_qps": 600},
    }
    suite = make_suite(MADE, RUNTIMES, decision=decision)
    records = [
        r
        for r in make_records(MADE, seeds=(0, 1), runtimes=RUNTIMES)
        if r.trial.candidate != "resnet" or r.trial.kind == "train"
    ]
    run = make_run(folder, records, suite, files=False)
    said = why if isinstance(why, str) else clearly_beyond(*why)
    reason = f"ruled out before training, with untrained weights: {said}"
    out = {f"resnet/{runtime}": reason for runtime in RUNTIMES}
    run.write_text("until_decided.json", json.dumps({"stopped": "decided", "ruled_out": out}))
    return run


def told(found: Recommendation) -> str:
    if found.not_compared:
        return OPEN if found.verdict == "not_enough_evidence" else "named beside one that may be better"
    return found.choice or NOBODY


def test_what_a_note_says_is_read_again() -> None:
    for metric, at in (("latency_p99_ms", "1,200"), ("accuracy[class=a b]", "0.87")):
        note = f"ruled out after scoring: {clearly_beyond(metric, True, '5', '60 on validation', at)}"
        assert broken_by(note) == Broken(metric, True, float(at.replace(",", "")))
    older = "ruled out after 2 seeds of a: accuracy clearly below 0.87 (0.8 on validation)"
    assert broken_by(older) == Broken("accuracy", False, 0.87)
    assert broken_by("ruled out after training: accuracy clearly below −1.5 (−2, at most −1.6)") == Broken(
        "accuracy", False, -1.6
    )
    assert broken_by("not run: latency_p99_ms clearly above 5") is None


def test_the_switch_that_is_told_is_the_answer_under_that_limit(tmp_path: Path) -> None:
    """Ruled out at .6 ms and surely above .8: asked with 2 ms the worse small_cnn was named, with 70 %."""
    run = run_without_resnet(tmp_path, LATENCY, "latency_p99_ms <= 0.6")
    found = decide(run)
    assert found.choice is not None and not found.not_compared, "under its own limit it is out"
    assert {flip["then"] for flip in found.flips} == {OPEN, NOBODY}
    for flip in found.flips:
        assert told(decide(run, [f"latency_p99_ms <= {flip['at']}"])) == flip["then"], flip
    wider = next(flip for flip in found.flips if flip["then"] == OPEN)
    assert 0.8 < wider["at"] < 0.82
    for limit in (0.5, 0.79):
        assert decide(run, [f"latency_p99_ms <= {limit}"]).choice == found.choice
    asked = decide(run, ["latency_p99_ms <= 2"])
    assert asked.verdict == "not_enough_evidence" and asked.choice is None and asked.so_far is not None
    assert {one["variant"] for one in asked.not_compared} == {"resnet/torch", "resnet/onnx"}
    assert (
        "ruled out before training" in asked.reasons[1] and "measures who was ruled out" in asked.reasons[-1]
    )
    command = "python -m harness run … --set 'decision.constraints=[\"latency_p99_ms <= 2\"]'"
    assert command in asked.reasons[-1]
    assert next_commands(asked, "made_up/1")[0] == (command, "measures who was ruled out")
    assert decide(run, ["accuracy >= 0.8"]).choice == found.choice, "another limit changes nothing of it"


def test_an_older_run_that_kept_no_end_leaves_every_wider_limit_open(tmp_path: Path) -> None:
    run = run_without_resnet(tmp_path, "latency_p99_ms clearly above 0.6 (0.96)", "latency_p99_ms <= 0.6")
    assert decide(run).choice and told(decide(run, ["latency_p99_ms <= 0.62"])) == OPEN


def test_page_and_terminal_say_what_is_not_known(tmp_path: Path) -> None:
    run = run_without_resnet(tmp_path, LATENCY, "latency_p99_ms <= 0.6")
    e = gather(run)
    said = [flip_sentence(e, flip) for flip in e.recommendation.flips]
    assert any("there would be no decision" in s and "relaxed" in s for s in said), said
    commands = next_commands(e.recommendation, "made_up/1", e.suite)
    assert not any(OPEN in what for _, what in commands)


def test_whose_bill_was_too_high_may_pay_at_half_the_price_or_traffic(tmp_path: Path) -> None:
    """Surely above 300 USD for a limit of 200: at two thirds of price or traffic it may keep it."""
    run = run_without_resnet(tmp_path, BILL, "cost_per_month_usd <= 200")
    price = price_of(stored_suite(run).machine)
    assert price is not None
    hourly = price.usd_per_hour

    def asked(*settings: str, limit: int = 200) -> str:
        return told(decide_again(run, [f"cost_per_month_usd <= {limit}"], settings=settings)[1])

    assert asked() != OPEN and asked(limit=290) != OPEN and asked(limit=310) == OPEN
    assert asked(f"machine.usd_per_hour={hourly * 0.72}") != OPEN
    assert asked(f"machine.usd_per_hour={hourly * 0.6}") == OPEN
    half = ("decision.traffic.qps=100", "decision.traffic.peak_qps=300")
    assert asked(*half) == OPEN
    for flip in decide(run).flips:
        if flip["what"] == "price":
            assert told(decide_again(run, settings=[f"machine.usd_per_hour={flip['at']}"])[1]) == flip["then"]


@pytest.mark.skipif(shutil.which("node") is None, reason="needs node to run the page's JavaScript")
def test_the_panel_says_it_where_a_limit_is_moved(tmp_path: Path) -> None:
    from tests.test_report_whatif import in_javascript

    whatif = importlib.import_module("harness.report.sections.whatif")
    run = run_without_resnet(tmp_path, LATENCY, "latency_p99_ms <= 0.6")
    e = gather(run)
    data = whatif.payload(e, whatif.thinned(e))
    today: dict[str, Any] = data["today"]
    made = [{**today, "limits": [limit]} for limit in (0.5, 0.6, 0.79, 0.81, 2.0)]
    found = in_javascript(data, made, tmp_path)
    waits = ["resnet/torch", "resnet/onnx"]
    assert [one["waits"] for one in found] == [[], [], [], waits, waits]
