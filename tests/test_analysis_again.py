"""The command of an answer that waits asks of a new run what was asked of the old one."""

from __future__ import annotations

import json
import shlex
from itertools import pairwise
from pathlib import Path

import pytest

from harness.analysis.again import settings_between, with_these_limits
from harness.analysis.cost import price_of
from harness.analysis.criteria import goal_of, limits_of
from harness.reading import read_suite
from harness.reading.again import with_settings

TEXT = """
name: asked
task: image_classification
data: {name: fashion_mnist}
candidates: {good: small_cnn, slow: resnet}
serving: {scenarios: {single_stream: {}}}
decision:
  constraints: [latency_p99_ms <= 5]
  objective: maximize accuracy
  traffic: {qps: 200, peak_qps: 600, headroom: 0.8}
"""
LIST, OWN = "machine: {price: aws/c7i.large, discount: 0.3}\n", "machine: {usd_per_hour: 0.2}\n"
SEVERAL = "machines: {small: {price: aws/c7i.large}, big: {price: aws/c7i.xlarge}}\n"
CURVE = "decision.traffic.curve=" + json.dumps([10.0, 200.0] * 12)


@pytest.mark.parametrize(
    ("machine", "settings"),
    [
        (LIST, ("machine.usd_per_hour=0.05",)),
        (OWN, ("machine.price=aws/c7i.xlarge", "machine.discount=0.5")),
        (LIST, ("machine.discount=0", "decision.traffic.qps=20", "decision.traffic.peak_qps=30")),
        (LIST, (CURVE, "decision.traffic.autoscale=90")),
        (SEVERAL, ("machines.big.usd_per_hour=0.01", "machines.third.price=aws/c7i.2xlarge")),
        (OWN, ("decision.costs.items.slow.monthly_usd=40", "decision.confidence=0.7")),
        (OWN, ('decision.value="900*accuracy - cost_per_month_usd"', "decision.traffic.headroom=")),
        (OWN, ()),
    ],
)
@pytest.mark.parametrize(
    "objective", [None, "minimize latency_p50_ms", "maximize accuracy - 0.01*latency_p50_ms"]
)
def test_the_file_with_the_commands_settings_asks_the_same(
    machine: str, settings: tuple[str, ...], objective: str | None, tmp_path: Path
) -> None:
    path = tmp_path / "suite.yaml"
    path.write_text(TEXT + machine)
    own = read_suite(path)
    asked, goal = with_settings(own, settings), goal_of(own, objective)
    limits = limits_of(own, ["latency_p99_ms <= 9"])
    said = settings_between(own, asked, limits, goal)
    words = shlex.split(with_these_limits(limits, said))
    again = read_suite(path, [text for word, text in pairwise(words) if word == "--set"])
    assert limits_of(again) == limits
    wanted = goal_of(again)
    assert (wanted.sign, wanted.expression.text) == (goal.sign, goal.expression.text)
    traffic, now = asked.decision.traffic, again.decision.traffic
    assert (now.mean, now.peak, now.hours) == (traffic.mean, traffic.peak, traffic.hours)
    assert (now.autoscale, now.headroom) == (traffic.autoscale, traffic.headroom)
    assert (
        again.decision.costs == asked.decision.costs
        and again.decision.confidence == asked.decision.confidence
    )
    machines = ([price_of(m) for m in (s.machine, *s.machines.values())] for s in (asked, again))
    before, after = ([p.usd_per_hour for p in prices if p] for prices in machines)
    assert after == pytest.approx(before) and list(again.machines) == list(asked.machines)
    is_told = any(not text.startswith("decision.value") for text in settings)
    assert bool(said) == bool(is_told or settings[1:] or objective)


def test_a_file_that_asks_for_a_value_drops_it_where_another_objective_is_asked(tmp_path: Path) -> None:
    path = tmp_path / "suite.yaml"
    value = "objective: maximize value\n  value: 100*accuracy - latency_p50_ms"
    path.write_text(TEXT.replace("objective: maximize accuracy", value))
    own = read_suite(path)
    limits = limits_of(own)
    assert settings_between(own, own, limits, goal_of(own)) == []
    said = settings_between(own, own, limits, goal_of(own, "maximize accuracy"))
    assert said == ["decision.objective=maximize accuracy", "decision.value="]
    assert goal_of(read_suite(path, said)).text == "maximize accuracy"
    limited = limits_of(own, ["value >= 3"])
    assert settings_between(own, own, limited, goal_of(own, "maximize accuracy"))[1:] == []
