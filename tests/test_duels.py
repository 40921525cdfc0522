"""Which variants duel, what their trials are, and what their verdicts settle."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.analysis.duels import Verdict, keep_verdicts, stored_verdicts, verdicts
from harness.analysis.recommend import answer
from harness.planning.trials import plan_trials
from harness.reading import read_suite
from harness.record import Record, SuiteError, Trial
from harness.results import Estimate, Row, Tradeoff
from harness.running.duels import certify_trials, contenders, duel_trials, may_be_named
from harness.store.runs import open_run
from harness.suite.schema import Suite
from tests.test_analysis_choice import asked, suite_of, table_of

TEXT = """
name: duels
task: image_classification
data: {name: digits}
training: {seeds: [0]}
candidates: {a: small_cnn, b: sklearn:LogisticRegression}
serving:
  runtimes: [torch, onnx]
  rounds: 2
  scenarios: {single_stream: {seconds: 2}, server: {latency_p99_ms: 20, seconds: 4}}
"""


@pytest.fixture
def suite(tmp_path: Path) -> Suite:
    (tmp_path / "duels.yaml").write_text(TEXT)
    return read_suite(tmp_path / "duels.yaml")


def served(suite: Suite) -> list[Record]:
    return [Record(t, "finished") for t in plan_trials(suite) if t.kind == "serve"]


def table(**latencies: tuple[float, float | None, float | None] | None) -> Tradeoff:
    """`a_onnx=(value, low, high)`."""
    rows = []
    for key, interval in latencies.items():
        candidate, runtime = key.split("_")
        cell = Estimate(*interval) if interval else Estimate(None, note="too noisy")
        estimates = {"latency_p50_ms": cell, "throughput_at_slo_qps": Estimate(100.0)}
        rows.append(Row(f"{candidate}/{runtime}", candidate, runtime, estimates))
    return Tradeoff(tuple(rows), ("latency_p50_ms",), {})


def test_neighbours_whose_intervals_overlap_contend() -> None:
    found = table(a_torch=(2.0, 1.8, 2.2), a_onnx=(1.0, 0.9, 1.1), b_onnx=(1.05, 0.95, 1.15), b_torch=None)
    everyone = [row.variant for row in found.rows]
    assert contenders(found, everyone, 4) == [("a/onnx", "b/onnx")]
    assert contenders(found, ["a/onnx", "a/torch"], 4) == [], "1.1 and 1.8 are apart"
    assert contenders(found, everyone, 0) == []


def test_only_who_may_be_named_duels() -> None:
    """Beside a leader of the wanted speed nobody asks which of two slow variants is the less slow."""
    suite = suite_of("a", "b", "c", "d", constraints=(), objective="minimize latency_p50_ms")

    def pairs(**speeds: float) -> list[tuple[str, str]]:
        found = table_of(suite, **{name: {"latency_p50_ms": (p50, 0.1)} for name, p50 in speeds.items()})
        question = asked(suite, found)
        return contenders(found, may_be_named(question, answer(question, flips=False)), 4)

    assert pairs(a=1.0, b=3.0, c=3.05, d=5.0) == []
    assert pairs(a=1.0, b=1.05, c=3.0, d=3.05) == [("a/torch", "b/torch")]


def test_a_duel_is_a_serve_trial_of_the_artifacts_that_were_served(suite: Suite) -> None:
    records = served(suite)
    (duel,) = duel_trials([("a/onnx", "b/onnx")], records)
    of = {r.trial.variant.name: r.trial for r in records if r.trial.variant}
    assert duel.kind == "serve" and duel.is_aside and duel.label == "serve a/onnx duel with b/onnx"
    assert duel.spec["artifact"] == of["a/onnx"].spec["artifact"]
    opponent = duel.spec["scenario"]["opponent"]
    assert opponent["artifact"] == of["b/onnx"].spec["artifact"] and "scenario" not in opponent
    assert set(duel.needs) == {duel.spec["artifact"], opponent["artifact"]}
    assert duel_trials([("a/onnx", "b/onnx")], records)[0].id == duel.id
    assert duel_trials([("a/onnx", "gone/onnx")], records) == ()


def test_variants_with_other_threads_do_not_share_a_process(tmp_path: Path) -> None:
    (tmp_path / "duels.yaml").write_text(TEXT.replace("[torch, onnx]", "[onnx, onnx@2]"))
    records = served(read_suite(tmp_path / "duels.yaml"))
    assert duel_trials([("a/onnx", "b/onnx@2")], records) == ()
    (duel,) = duel_trials([("a/onnx@2", "b/onnx@2")], records)
    assert duel.spec["threads"] == 2 and duel.label == "serve a/onnx@2 duel with b/onnx@2"


def test_certification_runs_both_scenarios_where_a_load_was_measured(suite: Suite) -> None:
    records, found = served(suite), table(a_onnx=(1.0, 0.9, 1.1))
    stream, server = certify_trials(suite, "a/onnx", records, found)
    assert stream.spec["scenario"] == {"name": "certify", "mode": "SingleStream", "seconds": 2.0}
    assert server.spec["scenario"]["qps"] == 80.0 and server.spec["scenario"]["latency_p99_ms"] == 20.0
    assert {t.variant.name for t in certify_trials(suite, "all", records, found) if t.variant} == {
        "a/torch", "a/onnx", "b/sklearn", "b/onnx",
    }  # fmt: skip
    with pytest.raises(
        SuiteError, match="--certify a/onxx: no such variant was served: did you mean `a/onnx`"
    ):
        certify_trials(suite, "a/onxx", records, found)


def fought(duel: Trial, verdict: str) -> Record:
    clock: dict[str, Any] = {"value": 1.1, "low": 1.05, "high": 1.15, "floor": 0.01}
    said = {"verdict": verdict, "first": "a/onnx", "second": "b/onnx", "calls_each": 400}
    return Record(duel, "finished", facts={"duel": {**said, "cpu": clock, "wall": clock}})


def test_a_verdict_settles_an_order(suite: Suite) -> None:
    (duel,) = duel_trials([("a/onnx", "b/onnx")], served(suite))
    (said,) = verdicts([*served(suite), fought(duel, "first")])
    assert said == Verdict("a/onnx", "b/onnx", 1.1, 1.05, 1.15, 0.01, "a/onnx", 400)
    assert verdicts([fought(duel, "not separated")])[0].faster is None
    assert verdicts([replace(fought(duel, "first"), status="failed")]) == []


def test_verdicts_are_kept_for_deciding_again(suite: Suite, tmp_path: Path) -> None:
    (duel,) = duel_trials([("a/onnx", "b/onnx")], served(suite))
    run = open_run(tmp_path, "duels", "0123456789abcdef")
    assert stored_verdicts(run) == keep_verdicts(run, []) == []
    assert keep_verdicts(run, [fought(duel, "first")]) == stored_verdicts(run) != []


def test_one_launch_a_variant_can_duel_too_and_tied_ones_come_first() -> None:
    single = table(a_torch=(5.0, None, None), a_onnx=(1.0, None, None), b_onnx=(1.05, None, None),
                   b_torch=(5.5, None, None))  # fmt: skip
    everyone = [row.variant for row in single.rows]
    assert contenders(single, everyone, 4) == [("a/onnx", "b/onnx"), ("a/torch", "b/torch")]
    assert contenders(single, everyone, 1, tied=("b/torch", "a/torch")) == [("a/torch", "b/torch")]


def test_loadgen_s_server_is_not_asked_for_what_only_batches_can_carry(suite: Suite) -> None:
    slow = table(a_onnx=(50.0, 49.0, 51.0))  # alone 20 a second; 100 a second were carried in batches
    _, server = certify_trials(suite, "a/onnx", served(suite), slow)
    assert server.spec["scenario"]["qps"] == 10.0


def test_the_ratio_that_is_told_is_that_of_the_clock_that_decided(suite: Suite) -> None:
    (duel,) = duel_trials([("a/onnx", "b/onnx")], served(suite))
    record = fought(duel, "first")
    said = dict(record.facts["duel"])
    wall = {"value": 1.4, "low": 1.3, "high": 1.5, "floor": 0.02}
    (told,) = verdicts([replace(record, facts={"duel": {**said, "wall": wall, "decided_by": "wall"}})])
    assert (told.ratio, told.clock) == (1.4, "wall")
