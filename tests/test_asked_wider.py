"""Who was ruled out under a limit that is not asked any more was not beaten: page, switches and `recommend
--where` say so alike."""

from __future__ import annotations

import importlib
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.analysis.bill import bill
from harness.analysis.cost import price_of
from harness.analysis.criteria import limits_of
from harness.analysis.outputs import stored_suite
from harness.analysis.recommend import decide, decide_again
from harness.analysis.sensitivity import NOBODY, OPEN
from harness.analysis.uncompared import OtherTerms
from harness.reading.again import with_settings
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


def run_without_resnet(
    folder: Path, why: tuple[str, bool, str, str, str] | str, *limits: str, **more: str
) -> RunFolder:
    """A run until it was decided in which the best candidate was ruled out before it was trained."""
    decision = {
        "constraints": limits,
        "objective": "maximize accuracy",
        "traffic": {"qps": 200, "peak_qps": 600},
        **more,
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
    for metric, at in (("latency_p99_ms", "1,200"), ("accuracy[class=a b]", "5.87")):
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
    for setting in (f"machine.usd_per_hour={hourly * 0.5}", "decision.traffic.spare=0"):
        found = decide_again(
            run, ["cost_per_month_usd <= 310"], "minimize latency_p50_ms", settings=[setting]
        )[1]
        command = found.reasons[-1]
        assert "--set 'decision.objective=minimize latency_p50_ms'" in command
        assert (f"--set {setting}" in command) == setting.startswith("machine")
    half = ("decision.traffic.qps=100", "decision.traffic.peak_qps=300")
    assert asked(*half) == OPEN
    assert asked(DAY, SLEEP) == OPEN and asked("decision.traffic.spare=1") != OPEN
    for flip in decide(run).flips:
        if flip["what"] == "price":
            assert told(decide_again(run, settings=[f"machine.usd_per_hour={flip['at']}"])[1]) == flip["then"]


DAY = "decision.traffic.curve=" + str([600.0, *[20.0] * 23])
FLAT = "decision.traffic.curve=" + str([600.0, *[590.0] * 23])
SLEEP = "decision.traffic.autoscale=60"


def least(before: tuple[str, ...], now: tuple[str, ...], metric: str = "cost_per_month_usd") -> float:
    """How many times a bill at the least becomes, from one way of running the same service to another."""
    decision = {"objective": "maximize accuracy", "traffic": {"qps": 200, "peak_qps": 600, "headroom": 0.8}}
    suite = make_suite(MADE, RUNTIMES, decision=decision, serving={"runtimes": list(RUNTIMES)})
    own = with_settings(suite, before)
    asked = with_settings(own, now)
    return OtherTerms(asked, limits_of(asked), own).least_bill(metric)


def test_a_bill_may_be_anything_where_machines_sleep_at_other_hours() -> None:
    assert least((), (DAY, SLEEP)) == 0, "all day long before"
    assert least((FLAT, SLEEP), (DAY,)) == 0, "of the same peak a fifth of the mean"
    assert least((DAY, SLEEP), ("decision.traffic.autoscale=600",)) == 0
    assert least((DAY, SLEEP), ()) == 1
    assert least((DAY, SLEEP), (DAY.replace("600.0", "1200.0").replace("20.0", "40.0"),)) == 1
    assert least((), ("decision.traffic.burstiness=2",)) == 0
    assert least((), (DAY,)) == 1, "without them the peak alone decides"


def test_who_asks_for_more_machines_cannot_pay_less() -> None:
    """`headroom` is the share of a machine that may be used: less of it takes more machines."""
    for more in ("decision.traffic.spare=1", "decision.traffic.headroom=0.7"):
        assert least((), (more,)) == 1
        assert least((more,), (more.replace("spare=1", "spare=0").replace("0.7", "0.8"),)) == 0
    assert least((), ("decision.costs.trainings=3",)) == 0
    assert least((), ("decision.traffic.headroom=0.9",), "train_cost_usd") == 1


def test_a_machine_more_may_be_the_cheapest_of_all() -> None:
    base = make_suite(MADE, RUNTIMES, decision={"objective": "maximize accuracy"})
    machines = {name: base.machine.model_copy(update={"price": f"aws/{of}"}) for name, of in
                (("a", "c7i.large"), ("b", "c7i.xlarge"))}  # fmt: skip
    own = base.model_copy(update={"machines": machines, "machine": machines["a"]})
    for setting, factor in (
        ("machines.c.price=aws/c7i.2xlarge", 0), ("machines.b.price=aws/c7i.2xlarge", 0),
        ("machines.b.discount=0.5", 0.5), ("machines.b.cores=1", 0),
    ):  # fmt: skip
        asked = with_settings(own, (setting,))
        assert OtherTerms(asked, (), own).least_bill("cost_per_month_usd") == pytest.approx(factor), setting


def test_no_bill_falls_further_than_is_said() -> None:
    """Of 400 pairs of traffic and prices: nine tenths of the requests may take half the machines."""
    random, lowest = np.random.default_rng(0), 1.0
    items = {"small_cnn": {"monthly_usd": 90.0, "usd_per_request": 2e-7}}

    def some(like: Any, costs: bool) -> Any:
        traffic: dict[str, Any] = {
            "qps": float(random.uniform(5, 100)),
            "peak_qps": float(random.uniform(100, 900)),
            "headroom": float(random.choice([0.7, 0.8])),
            "spare": int(random.integers(2)),
        }
        if like is not None:
            curved = like.decision.traffic.curve
            traffic = {"curve": curved, "autoscale": 60.0} if curved else traffic
        if like is None and random.random() < 0.4:
            traffic = {"curve": random.uniform(0, 600, 24).tolist(), "autoscale": 60.0}
        decision = {"objective": "maximize accuracy", "traffic": traffic}
        if costs:
            decision["costs"] = {"items": items, "trainings": 20.0}
        machine = {"usd_per_hour": float(random.uniform(0.05, 0.4))}
        made = make_suite(MADE, RUNTIMES, decision=decision, machine=machine)
        factor = random.uniform(0.2, 1.2)
        scaled = made.decision.model_copy(update={"traffic": made.decision.traffic.scaled(factor)})
        return made if like is None else made.model_copy(update={"decision": scaled})

    for number in range(400):
        own = some(None, number % 2 == 0)
        asked = some(own, number % 2 == 0)
        load = float(random.uniform(50, 400))
        usd = [price_of(s.machine).usd_per_hour for s in (own, asked)]  # type: ignore[union-attr]
        before, now = (
            bill(load, s, p, "small_cnn", 9000.0).total for s, p in zip((own, asked), usd, strict=True)
        )
        terms = OtherTerms(asked, (), own)
        month, requests = (
            terms.least_bill("cost_per_month_usd"),
            asked.decision.traffic.mean / own.decision.traffic.mean,
        )
        assert now >= before * month * (1 - 1e-9), (own.decision, asked.decision)
        assert now / requests >= before * terms.least_bill("cost_per_million_usd") * (1 - 1e-9)
        lowest = min(lowest, now / before / month) if month else lowest
    assert lowest < 1.1, "and it is near what is said in some"


def test_a_value_that_was_too_low_may_be_enough_on_other_terms(tmp_path: Path) -> None:
    low = ("value", False, "500", "−1000", "0")
    value = {"value": "1000*accuracy - cost_per_month_usd"}
    run = run_without_resnet(tmp_path, low, "value >= 500", **value)
    assert told(decide(run)) != OPEN
    for setting in ("machine.usd_per_hour=0.01", "decision.value=9000*accuracy", "decision.traffic.qps=20"):
        assert told(decide_again(run, settings=[setting])[1]) == OPEN, setting


def cut_short(folder: Path, decision: dict[str, Any]) -> RunFolder:
    """A run until it was decided: resnet/torch was not trained, resnet/onnx scored and not served, and
    small_cnn/torch served and not scored."""
    suite = make_suite(MADE, RUNTIMES, decision={"traffic": {"qps": 200, "peak_qps": 600}, **decision})
    lost = {("resnet", "torch"): ("score", "serve"), ("resnet", "onnx"): ("serve",),
            ("small_cnn", "torch"): ("score",)}  # fmt: skip
    records = [
        r
        for r in make_records(MADE, seeds=(0, 1), runtimes=RUNTIMES)
        if r.trial.kind not in lost.get((r.trial.candidate, r.trial.runtime), ())
    ]
    run = make_run(folder, records, suite, files=False)
    out = {"resnet/torch": clearly_beyond(*LATENCY), "resnet/onnx": clearly_beyond(*LATENCY),
           "small_cnn/torch": clearly_beyond("accuracy", False, "0.83", "0.8", "0.81")}  # fmt: skip
    said = {name: f"ruled out before training: {why}" for name, why in out.items()}
    run.write_text("until_decided.json", json.dumps({"stopped": "decided", "ruled_out": said}))
    return run


PANELS: dict[str, dict[str, Any]] = {
    "quality": {
        "objective": "maximize accuracy",
        "constraints": ["accuracy >= 0.83", "latency_p99_ms <= 0.6"],
    },
    "speed": {
        "objective": "minimize latency_p50_ms",
        "constraints": ["accuracy >= 0.83", "latency_p99_ms <= 0.6"],
    },
    "money": {
        "objective": "maximize value",
        "value": "1000*accuracy - cost_per_month_usd",
        "constraints": ["latency_p99_ms <= 0.6", "accuracy >= 0.83"],
    },
}


@pytest.mark.skipif(shutil.which("node") is None, reason="needs node to run the page's JavaScript")
@pytest.mark.parametrize("most", [24, 3])
@pytest.mark.parametrize("name", PANELS)
def test_the_panel_waits_where_the_analysis_does(
    name: str, most: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under limits that take today's choice out, and under others that break what is known of who waits. Of
    rows that a page has no place for it may wait where the analysis does not."""
    from tests.test_report_whatif import asked, in_javascript

    whatif = importlib.import_module("harness.report.sections.whatif")
    monkeypatch.setattr(whatif, "MOST_ROWS", most)
    e = gather(cut_short(tmp_path, PANELS[name]))
    question = whatif.thinned(e)
    assert question is not None and question.choice.named is not None
    data = whatif.payload(e, question)
    today: dict[str, Any] = data["today"]
    random, made = np.random.default_rng(1), list[dict[str, Any]]()
    spread = {"accuracy": lambda at: at + random.uniform(-0.05, 0.08),
              "latency_p99_ms": lambda at: at * np.exp(random.uniform(-0.7, 1.8))}  # fmt: skip
    for _ in range(60):
        limits = [
            float(spread[c["metric"]](at)) for c, at in zip(data["limits"], today["limits"], strict=True)
        ]
        moved = random.random() < 0.5
        times = float(random.uniform(0.2, 3)) if data["money"] and moved else 1.0
        more = {"qps": today["qps"] * times, "peak_qps": today["peak_qps"] * times}
        made.append({**today, **more, "limits": limits})
    seen, alike = set(), [True]
    for setting, found in zip(made, in_javascript(data, made, tmp_path), strict=True):
        whole = question if most == 24 else e.question
        other = replace(asked(whole, setting), own=question.suite)
        waits = [one["variant"] for one in other.uncompared.rows] if other.uncompared.matters else []
        named = None if found["named"] is None else data["variants"][found["named"]]
        ahead = None if other.ahead == NOBODY else other.ahead
        if most == 24:
            assert (named, sorted(found["waits"])) == (ahead, sorted(waits)), setting
        elif named == ahead:  # who is of the lowest ranks today cannot be named by the page
            assert set(found["waits"]) >= set(waits), setting
            alike.append(bool(found["waits"]) == bool(waits))
        seen.add((other.choice.named is None, tuple(sorted(waits))))
    assert len(seen) >= 3, seen
    assert {(True, ()), (False, ())} <= seen, seen
    assert np.mean(alike) > 0.85


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
