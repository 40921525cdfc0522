"""The regression gate: what it catches, what it lets pass, what it refuses."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from harness.analysis.compare import Comparison, compare_runs
from harness.record import Record, RecordError
from tests.analysis_world import Truth, World, failed, make_suite, store

BASE = {"small": Truth(0.85, 2.0), "big": Truth(0.90, 6.0)}


def run_of(
    folder: Path, truths: dict[str, Truth], seed: int, change: object = None, **world: object
) -> tuple[World, list[Record]]:
    made = World(truths, rng=np.random.default_rng(seed), **world)  # type: ignore[arg-type]
    # The same data set: difficulties and targets are those of the baseline.
    made.difficulty, made.targets = _shared(made.num_examples)
    records = [_renamed(r, seed, made) for r in made.records()]
    return made, records


def _shared(n: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(99)
    return rng.standard_normal(n), rng.integers(0, 3, n)


def _renamed(record: Record, version: int, world: World) -> Record:
    """Another version of the code gives every trial another id."""
    old = record.trial
    fresh = replace(old, spec={**old.spec, "code": version})
    if old.id in world.predictions:
        world.predictions[fresh.id] = world.predictions.pop(old.id)
    return replace(record, trial=fresh)


def compared(tmp_path: Path, after: dict[str, Truth], seed: int = 2, **options: float) -> Comparison:
    runs = []
    for number, truths in ((1, BASE), (seed, after)):
        world, records = run_of(tmp_path, truths, number)
        suite = make_suite(list(truths))
        runs.append(store(world, records, suite, tmp_path / f"{number}" / f"20250101-00000{number}-0123abcd"))
    return compare_runs(*runs, **options)


def test_a_run_against_itself_has_no_regression(tmp_path: Path) -> None:
    world, records = run_of(tmp_path, BASE, 1)
    run = store(world, records, make_suite(list(BASE)), tmp_path / "a" / "20250101-000000-0123abcd")
    found = compare_runs(run, run)
    assert not found.regressions and all(c.verdict == "same" for c in found.changes)


def test_a_lower_accuracy_is_a_regression_with_its_figures(tmp_path: Path) -> None:
    found = compared(tmp_path, {**BASE, "big": Truth(0.80, 6.0)})
    assert [(c.variant, c.metric) for c in found.regressions] == [("big/torch", "accuracy")]
    change = found.regressions[0]
    assert change.worsening == pytest.approx(0.1, abs=0.03) and change.note == "paired over test examples"
    assert "big/torch accuracy" in str(found)
    assert found.to_json()["regressions"]


def test_within_the_margin_nothing_is_a_regression(tmp_path: Path) -> None:
    assert not compared(tmp_path, {**BASE, "big": Truth(0.80, 6.0)}, margin=0.2).regressions


def test_a_slower_model_is_a_regression_and_a_faster_one_an_improvement(tmp_path: Path) -> None:
    found = compared(tmp_path, {"small": Truth(0.85, 1.0), "big": Truth(0.90, 12.0)})
    assert {c.variant for c in found.regressions} == {"big/torch"}
    assert {c.metric for c in found.regressions} >= {"latency_p50_ms", "latency_p99_ms"}
    assert {c.variant for c in found.improvements} == {"small/torch"}


def test_equal_runs_raise_few_false_alarms(tmp_path: Path) -> None:
    """Holm keeps a family of tests at .05, and there are two: 10 runs give 3 alarms with probability .07."""
    alarms = sum(bool(compared(tmp_path / str(seed), BASE, seed=seed).regressions) for seed in range(2, 9))
    assert alarms <= 2


def test_speed_is_refused_across_machines(tmp_path: Path) -> None:
    world, records = run_of(tmp_path, BASE, 1)
    suite = make_suite(list(BASE))
    a = store(world, records, suite, tmp_path / "a" / "20250101-000000-0123abcd")
    elsewhere = [replace(r, environment={"machine": {"class": "zzz"}}) for r in records]
    b = store(world, elsewhere, suite, tmp_path / "b" / "20250101-000000-0123abcd")
    found = compare_runs(a, b)
    assert not any(c.metric.startswith("latency") for c in found.changes)
    assert "speed is not compared" in " ".join(found.notes)


def test_a_variant_that_fails_now_is_a_regression(tmp_path: Path) -> None:
    world, records = run_of(tmp_path, BASE, 1)
    suite = make_suite(list(BASE))
    a = store(world, records, suite, tmp_path / "a" / "20250101-000000-0123abcd")
    broken = [
        failed(r, "diverged") if r.trial.candidate == "big" and r.trial.kind != "serve" else r
        for r in records
    ]
    b = store(world, broken, suite, tmp_path / "b" / "20250101-000000-0123abcd")
    found = compare_runs(a, b)
    assert [(c.variant, c.note) for c in found.regressions] == [("big/torch", "failed: diverged")]


def test_a_larger_model_is_a_regression_without_statistics(tmp_path: Path) -> None:
    found = compared(tmp_path, {**BASE, "big": Truth(0.90, 6.0, size_mb=2.0)})
    assert [c.metric for c in found.regressions] == ["model_size_mb"]


def test_runs_without_a_common_variant_are_refused(tmp_path: Path) -> None:
    world, records = run_of(tmp_path, BASE, 1)
    a = store(world, records, make_suite(list(BASE)), tmp_path / "a" / "20250101-000000-0123abcd")
    other = {"else": Truth(0.9, 1.0)}
    world, records = run_of(tmp_path, other, 2)
    b = store(world, records, make_suite(list(other)), tmp_path / "b" / "20250101-000000-0123abcd")
    with pytest.raises(RecordError, match="no variant in common"):
        compare_runs(a, b)
