"""Serve trials through the real child process, with models whose truth or fault is known."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.protocols import Job, Outcome
from harness.record import Trial, TrialError
from harness.serving.serve import crash_reason, serve

pytestmark = pytest.mark.quiet

SINGLE = {"name": "single_stream", "seconds": 0.3, "min_calls": 20, "max_calls": 2000}


def measure(
    folder: Path, args: Mapping[str, Any], scenario: Mapping[str, Any] = SINGLE, limit_s: float = 30.0
) -> Outcome:
    spec = {
        "subject": "tests.known_models",
        "task": "known",
        "args": dict(args),
        "scenario": dict(scenario),
        "round": 0,
        "seed": 0,
    }
    return serve(Job(Trial("serve", "known", spec, time_limit_s=limit_s), folder, {}, lambda event: None))


def value(outcome: Outcome, metric: str, **at: int) -> float | None:
    return next(m.value for m in outcome.measurements if m.metric == metric and dict(m.at) == at)


def test_a_trial_measures_latency_memory_and_start(tmp_path: Path) -> None:
    outcome = measure(tmp_path, {"kind": "asleep", "ms": 3.0})
    p50 = next(m for m in outcome.measurements if m.metric == "latency_p50_ms")
    # A sleep never ends early; how late it ends is the machine's.
    assert p50.note.startswith("too noisy") or (p50.value is not None and 3.0 <= p50.value < 6.0)
    assert value(outcome, "cold_start_ms") is not None
    memory = value(outcome, "peak_memory_mb")
    assert memory is not None and 10 < memory < 300


def test_what_was_measured_can_be_audited(tmp_path: Path) -> None:
    outcome = measure(tmp_path, {"kind": "asleep", "ms": 1.0})
    facts = outcome.facts
    assert facts.threads == 1
    assert facts.environment_variables["OMP_WAIT_POLICY"] == "PASSIVE"
    assert facts.environment_variables["OMP_NUM_THREADS"] == "1"
    assert facts.imported == ()
    assert facts.hashes["examples"]
    assert {"wait_share", "spin_lost", "rejected", "involuntary"} <= set(vars(facts.windows[0]))
    raw = np.load(tmp_path / "calls.npz")
    assert len(raw["issued_ns"]) == sum(w.calls for w in facts.windows)
    assert np.all(raw["done_ns"] > raw["issued_ns"])
    accepted = [w for w in facts.windows if not w.rejected]
    p50 = next(m for m in outcome.measurements if m.metric == "latency_p50_ms")
    assert len(p50.samples) == sum(w.calls for w in accepted)


def test_few_calls_give_a_median_and_no_p99(tmp_path: Path) -> None:
    outcome = measure(tmp_path, {"kind": "asleep", "ms": 10.0})
    p99 = next(m for m in outcome.measurements if m.metric == "latency_p99_ms")
    assert p99.value is None
    assert "not estimable" in p99.note or "noisy" in p99.note


def test_offline_reports_each_batch_size_and_the_best(tmp_path: Path) -> None:
    scenario = {"name": "offline", "seconds": 0.4, "batch_sizes": [1, 4]}
    outcome = measure(tmp_path, {"kind": "asleep", "ms": 2.0}, scenario)
    rates = [value(outcome, "throughput_offline_per_s", batch_size=size) for size in (1, 4)]
    best = value(outcome, "throughput_offline_per_s")
    if None not in rates:  # else the machine was too loud, which the notes say
        assert best == max(rate for rate in rates if rate is not None)
        assert rates[1] is not None and 500 < rates[1] <= 2000


def test_a_batch_that_does_not_fit_is_a_failed_cell_beside_measured_ones(tmp_path: Path) -> None:
    scenario = {"name": "offline", "seconds": 0.2, "batch_sizes": [1, 32]}
    outcome = measure(tmp_path, {"kind": "hungry"}, scenario)
    failed = next(m for m in outcome.measurements if dict(m.at) == {"batch_size": 32})
    assert failed.value is None
    assert failed.note == "failed: out of memory at batch 32"


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("crash", "crashed with SIGSEGV"),
        ("leave", "the serving process ended with code 7 and without a result"),
        ("short", "wrong shape: (0, 2) instead of (1, 2) for a batch of 1"),
        ("wide", "wrong shape: (1, 3) instead of (1, 2) for a batch of 1"),
        ("nan", "not finite: NaN or infinity in the answer to a batch of 1"),
        ("raising", "raised ValueError at call 20, batch 1: the cache is full"),
        ("leak", "leaks memory: "),
        ("hoard", "out of memory"),
        ("starved", "out of memory in the serving process"),
    ],
)
def test_a_faulty_model_is_a_failure_with_its_reason(tmp_path: Path, kind: str, reason: str) -> None:
    start = time.monotonic()
    with pytest.raises(TrialError) as caught:
        measure(tmp_path, {"kind": kind})
    assert caught.value.reason.startswith(reason)
    assert time.monotonic() - start < 25


def test_a_model_that_hangs_is_ended_at_the_time_limit_with_all_it_started(tmp_path: Path) -> None:
    start = time.monotonic()
    with pytest.raises(TrialError, match="timed out after 2 s"):
        measure(tmp_path, {"kind": "hang"}, limit_s=2.0)
    assert time.monotonic() - start < 12
    assert not _children()


def test_a_model_that_raises_only_under_load_fails_the_server_scenario(tmp_path: Path) -> None:
    scenario = {"name": "server", "latency_p99_ms": 50.0, "max_batch": 1, "seconds": 2.0}
    with pytest.raises(TrialError, match=r"fails under load: raised ValueError .*the cache is full"):
        measure(tmp_path, {"kind": "overworked"}, scenario)


def test_an_unknown_scenario_names_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(TrialError, match="scenario 'multi_stream' is unknown: there are single_stream"):
        measure(tmp_path, {"kind": "busy"}, {"name": "multi_stream"})


def test_the_parents_log_is_appended_to(tmp_path: Path) -> None:
    (tmp_path / "log.txt").write_text("before\n")
    with pytest.raises(TrialError):
        measure(tmp_path, {"kind": "crash"})
    assert (tmp_path / "log.txt").read_text().startswith("before\n")


def test_a_killed_process_is_said_to_be_out_of_memory() -> None:
    assert crash_reason(-9, "") == "killed by SIGKILL (most likely out of memory)"
    assert crash_reason(-6, "terminate called after throwing std::bad_alloc") == (
        "out of memory in the serving process"
    )
    assert crash_reason(1, "line\nlast words\n").endswith("without a result: last words")


def test_a_server_under_light_load_keeps_its_promise(tmp_path: Path) -> None:
    scenario = {"name": "server", "latency_p99_ms": 500.0, "max_batch": 4, "max_wait_ms": 1.0, "seconds": 2.0}
    outcome = measure(tmp_path, {"kind": "asleep", "ms": 1.0}, scenario)
    curve = outcome.facts.load_curve
    requests = np.load(tmp_path / "requests.npz")
    assert set(requests["run"].tolist()) == set(range(len(curve)))
    for number, point in enumerate(curve):  # a run's place in the curve is its number in the raw readings
        assert int(requests["counted"][requests["run"] == number].sum()) == point.requests
    assert {"p50_ms", "p99_ms", "achieved", "violations", "lateness_ms", "seed"} <= set(vars(curve[0]))
    assert curve[0].violations == 0
    assert outcome.facts.limit_ms == 500.0


def test_a_limit_below_the_service_time_leaves_no_capacity(tmp_path: Path) -> None:
    scenario = {"name": "server", "latency_p99_ms": 2.0, "max_batch": 1, "seconds": 1.0}
    outcome = measure(tmp_path, {"kind": "asleep", "ms": 5.0}, scenario)
    assert value(outcome, "throughput_at_slo_qps") == 0.0
    assert "a request alone takes" in outcome.facts.capacity.note


def _children() -> list[str]:
    """Serving processes that this test left behind."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if int((process / "stat").read_text().rsplit(")", 1)[1].split()[1]) == os.getpid():
                command = (process / "cmdline").read_text()
                found += [command] if "harness.serving.child" in command else []
        except (OSError, ValueError):
            continue
    return found
