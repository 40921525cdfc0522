"""Offline headlines of several launches belong to one batch size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest

from harness.analysis.batch_sizes import at_one_batch_size
from harness.analysis.measured import measured_table
from harness.record import Measurement, Record
from tests.analysis_world import Truth, World, make_suite

RATE, CPU, ENERGY = "throughput_offline_per_s", "cpu_seconds_per_example", "energy_per_million_kwh"
Rates = Mapping[int, float | str]


def offline(record: Record, rates: Rates, energy: float | None = None) -> Record:
    """The launch as `offline` measures it: each size, then the best of those that gave a figure."""
    found = [
        Measurement(RATE, None, "1/s", note=rate, at={"batch_size": size})
        if isinstance(rate, str)
        else Measurement(RATE, rate, "1/s", at={"batch_size": size})
        for size, rate in rates.items()
    ]
    found += [Measurement(CPU, 1 / size, "s", at={"batch_size": size}) for size in rates]
    best = max((m for m in found if m.metric == RATE and m.value), key=lambda m: m.value or 0.0)
    found += [replace(best, at={}), Measurement(CPU, 1 / float(best.at["batch_size"]), "s")]
    found += [] if energy is None else [Measurement(ENERGY, energy, "kWh")]
    return replace(record, measurements=tuple(found))


def launches(of: Sequence[Rates], energy: float | None = None) -> list[Record]:
    """All records of a world, its offline launches as they were measured."""
    world = World({"net": Truth(0.9, 2.0), "other": Truth(0.8, 2.0)}, rounds=len(of))
    return [
        offline(r, of[r.trial.round or 0], energy)
        if r.trial.candidate == "net" and r.trial.scenario == "offline"
        else r
        for r in world.records()
    ]


def test_a_launch_that_was_unsteady_at_the_best_batch_size_has_no_figure_rather_than_another_sizes() -> None:
    """2,860 a second at 32 in two rounds, 840 alone in the third: the mean of these is true of neither."""
    records = launches([{1: 1300.0, 32: 2860.0}, {1: 1250.0, 32: 2860.0}, {1: 840.0, 32: "unsteady"}])
    table = measured_table(records, make_suite(["net", "other"]))
    row = next(r for r in table.rows if r.candidate == "net")
    cell = row.estimates[RATE]
    assert cell.value == pytest.approx(2860.0) and cell.n == 2
    assert cell.note == "no figure in 1 of 3 rounds: unsteady"
    assert row.service is not None and row.service.peak == pytest.approx(2860.0)  # what costs count on


def test_processor_time_and_energy_are_those_of_the_same_batch_size() -> None:
    records = [
        r
        for r in launches([{1: 90.0, 32: 100.0}, {1: 95.0, 32: 90.0}], energy=3.0)
        if r.trial.candidate == "net" and r.trial.scenario == "offline"
    ]
    first, second = at_one_batch_size(records)
    assert first is records[0]
    assert [second.value(name) for name in (RATE, CPU, ENERGY)] == [90.0, 1 / 32, None]
    assert next(m.note for m in second.measurements if m.metric == ENERGY) == "not measured at batch 32"


def test_a_batch_size_that_no_launch_could_measure_leaves_the_others_as_they_are() -> None:
    records = launches([{1: 90.0, 128: "failed: out of memory at batch 128"}] * 2)
    assert at_one_batch_size(records) == records


def test_sizes_are_compared_over_the_launches_that_both_have() -> None:
    """A size that was steady once, in the fast round, is not the fastest."""
    once = [r for r in launches([{32: 2860.0, 128: "unsteady"}] * 5 + [{32: 2860.0, 128: 2900.0}])
            if r.trial.candidate == "net" and r.trial.scenario == "offline"]  # fmt: skip
    assert [r.value(RATE) for r in at_one_batch_size(once)] == [2860.0] * 6
    fast = [r for r in launches([{32: 2000.0, 64: "unsteady"}] * 2 + [{32: 3000.0, 64: 2900.0}])
            if r.trial.candidate == "net" and r.trial.scenario == "offline"]  # fmt: skip
    assert [r.value(RATE) for r in at_one_batch_size(fast)] == [2000.0, 2000.0, 3000.0]
