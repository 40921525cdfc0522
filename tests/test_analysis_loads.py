"""The load of all launches: one queue of their requests, held against queues whose truth is known."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from harness.analysis.launches import unlike_rounds
from harness.analysis.loads import Loads, beside_mean, in_one_queue
from harness.analysis.measured import measured_table
from harness.analysis.served import counted_share
from harness.analysis.tradeoff import tradeoff
from harness.facts import ServerFacts
from harness.metrics import CAPACITY
from harness.record import Record, Trial
from harness.serving.capacity import Capacity, find_capacity
from harness.serving.load import Observed, ServerSettings, counted_from
from harness.serving.open_loop import measurements, said
from harness.serving.queues import Services, poisson_arrivals, served, simulated_run, true_capacity
from harness.serving.series import series_of
from harness.store.run_folder import RunFolder
from tests.analysis_world import MACHINE, Truth, World, make_suite, store
from tests.test_serving_speeds import CLOSED, SETTINGS, two_speeds

Launch = tuple[ServerFacts, dict[str, np.ndarray], Capacity]
CALLS = 400_000


def launch(
    services: Services, seed: int, settings: ServerSettings = SETTINGS, seconds: float = 5.0
) -> Launch:
    """A search somewhere in a simulated server's life: what it says of itself, and its requests."""
    random, log = np.random.default_rng(seed), []
    starts = itertools.count(int(random.integers(CALLS)), 1000)
    simulated = simulated_run(services, settings, lambda _: next(starts) % CALLS)

    def run(rate: float, each: float, arrivals: int) -> Observed:
        seen = simulated(rate, each, arrivals)
        log.append(clock_readings(seen, each))
        return seen

    found = find_capacity(run, CLOSED, settings, 5.0, random)
    closed_ms = {size: np.array([1e3 * CLOSED[size - 1]]) for size in (1, 2, 4, 8)}
    columns = {name: np.concatenate([one[name] for one in log]) for name in log[0]}
    columns["run"] = np.repeat(np.arange(len(log)), [len(one["counted"]) for one in log])
    return replace(said(found, closed_ms, settings), workers=settings.workers), columns, found


def clock_readings(seen: Observed, seconds: float) -> dict[str, np.ndarray]:
    """As a run with a clock keeps them, an hour after the machine started."""
    answered = np.zeros(len(seen.arrivals))
    issued, worker = answered.copy(), np.zeros(len(answered), np.int8)
    calls, size = seen.calls, seen.calls.size
    issued[: size.sum()], answered[: size.sum()] = (
        np.repeat(calls.issued, size),
        np.repeat(calls.answered, size),
    )
    worker[: size.sum()] = np.repeat(calls.worker, size)
    hour = 3_600_000_000_000
    return {
        "scheduled_ns": (seen.arrivals * 1e9).astype(np.int64) + hour,
        "issued_ns": (issued * 1e9).astype(np.int64) + hour * (issued > 0),
        "answered_ns": (answered * 1e9).astype(np.int64) + hour * (answered > 0),
        "worker": worker,
        "counted": seen.arrivals >= counted_from(seconds),
    }


def in_one(*launches: Launch) -> float:
    found = in_one_queue([facts for facts, _, _ in launches], [columns for _, columns, _ in launches])
    assert found is not None
    return found


def mean_of(*launches: Launch) -> float:
    """The geometric mean of what launches answer."""
    answers = [facts.capacity.qps for facts, _, _ in launches if facts.capacity and facts.capacity.qps]
    return float(np.exp(np.log(answers).mean()))


def test_a_run_read_from_its_clock_readings_is_the_run() -> None:
    settings = ServerSettings(10.0, 8, 0.0, workers=2)
    seen = simulated_run(Services.fixed(CLOSED), settings)(2500.0, 2.0, 1)
    read = Observed.of_requests(seen.point, clock_readings(seen, 2.0), settings)
    assert read.calls.size.tolist() == seen.calls.size.tolist()
    assert read.calls.worker.tolist() == seen.calls.worker.tolist()
    assert read.late.sum() == seen.late.sum() and len(read.late) == len(seen.late)
    took, true = (run.calls.answered - run.calls.issued for run in (read, seen))
    assert took == pytest.approx(true, abs=2e-9)


def test_one_launch_in_a_queue_of_its_own_says_what_its_search_said() -> None:
    one = launch(Services.fixed(CLOSED), 0)
    assert in_one(one) == pytest.approx(mean_of(one), rel=0.02)


def test_on_a_machine_of_two_speeds_one_queue_is_nearer_to_the_truth_than_the_mean_of_two_launches() -> None:
    services = two_speeds(4, CALLS)
    truth = true_capacity(services, SETTINGS)
    pairs = [(launch(services, 2 * k), launch(services, 2 * k + 1)) for k in range(12)]
    together = np.log([in_one(*pair) / truth for pair in pairs])
    means = np.log([mean_of(*pair) / truth for pair in pairs])
    assert np.sqrt(np.mean(together**2)) < 0.6 * np.sqrt(np.mean(means**2))


def test_a_launch_of_slow_minutes_is_not_made_good_for_by_a_quiet_one() -> None:
    """The promise is 99 of 100 requests, of all: with half of them from a machine at half its speed, what is
    late there may be two in a hundred at most, so the queue carries hardly more than the slow machine."""
    quiet, slow = launch(Services.fixed(CLOSED), 0), launch(Services.fixed(2 * CLOSED), 1)
    assert mean_of(slow) < in_one(quiet, slow) < 1.15 * mean_of(slow)
    assert mean_of(quiet, slow) > 1.3 * mean_of(slow)


def test_launches_over_http_are_counted_together_and_no_queue_is_made_up() -> None:
    launches = [launch(Services.fixed(CLOSED), seed) for seed in range(2)]
    over_http = [(replace(f, connections=8, closed_loop_ms=None), raw, found) for f, raw, found in launches]
    assert in_one(*over_http) == pytest.approx(in_one(*launches), rel=0.2)  # their late requests alone


def test_older_run_folders_have_no_load_of_all_launches() -> None:
    facts, columns, _ = launch(Services.fixed(CLOSED), 0)
    uncounted = {name: column for name, column in columns.items() if name != "counted"}
    assert in_one_queue([facts, facts], [uncounted, uncounted]) is None
    assert in_one_queue([replace(facts, closed_loop_bound_qps=None), facts], [columns, columns]) is None


# ------------------------------------------------------------------------------- in the table


def served_record(number: int, facts: ServerFacts, found: Capacity) -> Record:
    scenario = {"name": "server", "latency_p99_ms": SETTINGS.limit_ms}
    trial = Trial(
        "serve", "net", {"candidate": "net", "scenario": scenario, "rng_seed": number},  # type: ignore[typeddict-unknown-key, typeddict-item]
        runtime="torch", scenario="server", round=number,
    )  # fmt: skip
    return Record(trial, "finished", tuple(measurements(found)), MACHINE, facts=facts)


def test_a_table_tells_the_load_of_all_launches_and_spreads_around_it(tmp_path: Path) -> None:
    launches = [launch(Services.fixed(CLOSED), 0), launch(Services.fixed(1.5 * CLOSED), 1)]
    world, suite = World({"net": Truth(0.9, 5.0)}, rounds=2), make_suite(["net"])
    records = [served_record(k, facts, found) for k, (facts, _, found) in enumerate(launches)]
    run = store(world, [*world.records(), *records], suite, tmp_path / "s" / "20250101-000000-0123abcd")
    mean, together = mean_of(*launches), in_one(*launches)
    without = measured_table(run.records(), suite)
    assert without.rows[0].estimates[CAPACITY].value == pytest.approx(mean)

    for record, (_, columns, _) in zip(records, launches, strict=True):
        np.savez(tmp_path / "requests.npz", **columns)  # type: ignore[arg-type]
        run.write_bytes(f"trials/{record.trial.id}/requests.npz", (tmp_path / "requests.npz").read_bytes())
    assert Loads(run).of(records) == pytest.approx(together)
    table = measured_table(run.records(), suite, loads=Loads(run))
    assert (tmp_path / run.url / "loads.json").exists()
    cell = table.rows[0].estimates[CAPACITY]
    assert cell.value == pytest.approx(together) and together < 0.95 * mean
    assert beside_mean(together, mean)[0] in cell.note
    shift = np.median(table.draws[CAPACITY]) / np.median(without.draws[CAPACITY])
    assert shift == pytest.approx(together / mean, rel=0.01)

    cut_off = f"trials/{records[0].trial.id}/requests.npz"
    run.write_bytes(cut_off, run.read_bytes(cut_off)[:1000])
    (tmp_path / run.url / "loads.json").rename(tmp_path / "kept")
    assert measured_table(run.records(), suite, loads=Loads(run)).rows[0].estimates[
        CAPACITY
    ].value == pytest.approx(mean)
    (tmp_path / "kept").rename(tmp_path / run.url / "loads.json")
    for record in records:  # as in a folder that is published: what was found stays beside the records
        (tmp_path / run.url / "trials" / record.trial.id / "requests.npz").unlink()
    again = measured_table(run.records(), suite, loads=Loads(run))
    assert again.rows[0].estimates[CAPACITY] == cell
    fewer = [r for r in run.records() if r.trial.id != records[1].trial.id]
    assert measured_table(fewer, suite, loads=Loads(run)).rows[0].estimates[CAPACITY] != cell


def test_what_a_launch_did_not_confirm_says_nothing_against_a_lower_load() -> None:
    sure, unsure = (replace(found(1000.0), confirmed=c) for c in (True, False))
    note = "not confirmed: 2.0% were late in further runs at it; its lower end is 800 per s"
    records = [
        served_record(k, ServerFacts(), replace(one, note="" if one.confirmed else note))
        for k, one in enumerate((sure, unsure))
    ]
    assert counted_share(records) == pytest.approx(0.8**0.5)
    assert counted_share(records, 900.0) == pytest.approx((800 / 900) ** 0.5)
    assert counted_share(records, 700.0) == 1.0
    assert counted_share(records, 2000.0) == counted_share(records)  # no more than the launch itself says


def test_a_launch_that_found_no_load_is_not_left_out_of_the_others(tmp_path: Path) -> None:
    records = [
        served_record(0, ServerFacts(), found(900.0)),
        served_record(1, ServerFacts(), found(950.0)),
        served_record(2, ServerFacts(), Capacity(0.0, 0.0, 20.0, None, ())),
    ]
    assert Loads(RunFolder(str(tmp_path))).of(records) is None


def found(qps: float) -> Capacity:
    return Capacity(qps, 0.8 * qps, 1.2 * qps, True, ())


def test_a_few_calls_in_all_can_be_drawn_again() -> None:
    """A first run of a slow server may hold fewer calls than it is cut into blocks."""
    settings = ServerSettings(100.0, 1, 0.0)
    calls = served(poisson_arrivals(3.0, 1.0, 1), Services.fixed(np.array([0.02])), settings)
    assert 0 < len(calls.size) < 8
    series = series_of([calls], np.array([0.02]), settings)
    drawn = [len(series.resampled(100.0, np.random.default_rng(k)).factor) for k in range(50)]
    assert min(drawn) > 0


def test_rows_of_unlike_rounds_are_named_where_a_load_or_a_p99_decides() -> None:
    """A run that decides early gives its leaders more rounds than the others."""
    truths = {name: Truth(0.9, 2.0) for name in ("leader", "second", "third")}
    world = World(truths)
    every = world.records()
    fewer = [r for r in every if r.trial.candidate == "leader" or (r.trial.round or 0) == 0]

    def said(records: list[Record], **decision: object) -> list[str]:
        suite = make_suite(list(truths), world.runtimes, **decision)
        found = tradeoff(records, suite, world.predictions.__getitem__).warnings
        return [w for w in found if "serving rounds" in w]

    by_speed = {"constraints": ("latency_p99_ms <= 10",), "objective": "maximize accuracy"}
    (told,) = said(fewer, **by_speed)
    assert told.endswith("serving rounds (3 for leader/torch; 1 for second/torch and another variant)")
    assert not said(every, **by_speed) and not said(fewer, objective="maximize accuracy")
    rounds = {"a/onnx": 3, "b/onnx": 1}
    assert unlike_rounds(rounds, True).endswith(
        ": over more of them more slow minutes are met, so that the load found is lower"
    )
    assert unlike_rounds({"a/onnx": 2, "b/onnx": 2}, True) == ""


def test_a_load_that_is_the_mean_of_the_launches_answers_needs_no_second_figure() -> None:
    assert beside_mean(980.0, 1000.0) == [] and beside_mean(1020.0, 1000.0) == []
    assert beside_mean(800.0, 904.2) == ["all launches in one queue; the mean of their answers is 904"]
