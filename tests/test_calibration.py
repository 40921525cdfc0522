"""Another class of machine: loads by a measured factor with its interval, latencies never."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from harness.analysis.criteria import merge_constraints
from harness.analysis.factors import Factor, carried, factor
from harness.analysis.served import load_within
from harness.analysis.tradeoff import priced
from harness.costs.calibrations import Calibration, folder, keep, kept
from harness.record import Measurement, Record, SuiteError
from harness.results import Estimate, Row, ServiceTimes, Tradeoff
from harness.running.calibrate import NETWORKS, calibration_of, standard
from harness.suite.schema import Machine, Suite
from tests.analysis_world import MACHINE, make_suite, trial

HERE, THERE = "abc123", "feed0000"
NAMES = [f"net{k}/onnx" for k in range(5)]


def calibration(name: str, cores: int, speeds: list[float], workers: tuple[int, ...] = (1,)) -> Calibration:
    by_network = {n: {str(w): (s * w,) for w in workers} for n, s in zip(NAMES, speeds, strict=True)}
    return Calibration(name, "simulated", cores, "2026-11-28", by_network)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HARNESS_DATA", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_a_factor_is_the_mean_ratio_of_networks_that_both_ran() -> None:
    """Ratios 2, 2, 2, 2 and 4: geometric mean 2.297; sd of logs .310, of one more network .340."""
    here, there = calibration(HERE, 1, [10.0] * 5), calibration(THERE, 1, [20.0, 20, 20, 20, 40])
    found = factor(here, there, "onnx", 1, 1)
    assert found is not None
    assert (np.exp(found.log), found.df) == (pytest.approx(2 ** (6 / 5)), 4)
    assert found.sd == pytest.approx(np.log(2) * (1 / 5) ** 0.5 * (6 / 5) ** 0.5)
    assert factor(here, there, "torch", 1, 1) is None
    assert factor(here, there, "onnx", 1, 2) is None


def test_the_interval_of_a_factor_holds_a_further_network_as_often_as_it_says() -> None:
    """2,000 worlds: the share inside is .95 ± .005 (one standard error)."""
    random, inside = np.random.default_rng(0), 0
    for _ in range(2000):
        ratios = np.exp(random.normal(0.5, 0.2, 6))
        found = factor(calibration(HERE, 1, [1.0] * 5), calibration(THERE, 1, list(ratios[:5])), "onnx", 1, 1)
        assert found is not None
        inside += found.quantile(0.025) <= ratios[5] <= found.quantile(0.975)
    assert inside / 2000 == pytest.approx(0.95, abs=0.02)


def test_without_a_limit_a_load_is_carried_by_the_factor_and_within_one_by_the_queue() -> None:
    half = Factor(float(np.log(0.5)), 1e-9, 4)
    draws, times = half.draws(3, "net"), ServiceTimes(((1, 2.0),), tuple(np.linspace(0.5, 1.5, 50)))
    assert carried(half, draws, (), 1.0, times, 1) == pytest.approx(0.5)
    limits = merge_constraints((), ("latency_p99_ms <= 8",))
    within = [load_within(ServiceTimes(((1, ms),), times.varies), limits) for ms in (2.0, 4.0)]
    loads = [w.load for w in within if w is not None and w.load]
    assert carried(half, draws, limits, 1.0, times, 1) == pytest.approx(loads[1] / loads[0], rel=0.01)
    assert loads[1] / loads[0] < 0.4
    tight = merge_constraints((), ("latency_p99_ms <= 4",))  # a slow call alone takes 6 ms there
    assert np.isnan(carried(half, draws, tight, 1.0, times, 1)).all()


def asked(**decision: object) -> Suite:
    suite = make_suite(["net"], ["onnx"], traffic={"qps": 1000.0}, **decision)
    machines = {
        "here": Machine(usd_per_hour=0.10),
        "arm": Machine.model_validate({"usd_per_hour": 0.06, "class": THERE, "cores": 1}),
    }
    return suite.model_copy(update={"machine": machines["here"], "machines": machines})


def table() -> Tradeoff:
    draws = {"throughput_offline_per_s": np.full((400, 1), 250.0)}
    return Tradeoff((Row("net/onnx", "net", "onnx", {}),), tuple(draws), draws, machine_class=HERE)


def test_a_calibrated_instance_is_priced_by_its_factor_and_chosen_where_it_is_cheaper(cache: Path) -> None:
    """250 requests/s here need 4 machines: 292 USD. There .8 of it, 200: 5 machines, 219 USD."""
    keep(calibration(HERE, 1, [10.0, 20, 30, 40, 50]))
    keep(calibration(THERE, 1, [8.0, 16, 24, 32, 40]))
    (row,) = priced(table(), asked(objective="minimize cost_per_month_usd"), {}).rows
    here, arm = row.offers
    assert (here.usd_per_month, arm.usd_per_month) == (pytest.approx(292.0), pytest.approx(219.0))
    assert row.machine == "arm" and row.estimates["cost_per_month_usd"].value == pytest.approx(219.0)
    assert "by a measured factor of throughput, 0.8 times (0.8 to 0.8)" in arm.note


def test_an_unsure_factor_makes_an_unsure_bill(cache: Path) -> None:
    keep(calibration(HERE, 1, [10.0] * 5))
    keep(calibration(THERE, 1, [5.0, 7, 9, 11, 13]))
    (row,) = priced(table(), asked(objective="minimize cost_per_month_usd"), {}).rows
    assert row.machine == "arm"
    cell = row.estimates["cost_per_month_usd"]
    assert cell.low is not None and cell.high is not None and cell.high > 2 * cell.low


def test_where_latency_decides_another_class_is_priced_and_not_chosen(cache: Path) -> None:
    keep(calibration(HERE, 1, [10.0] * 5))
    keep(calibration(THERE, 1, [8.0] * 5))
    limited = asked(objective="minimize cost_per_month_usd", constraints=("latency_p50_ms <= 100",))
    times = ServiceTimes(((1, 4.0),))
    found = table()
    found = Tradeoff(
        (Row("net/onnx", "net", "onnx", {}, service=times),), found.metrics, found.draws, machine_class=HERE
    )
    (row,) = priced(found, limited, {}).rows
    assert row.machine == "here"
    assert "not chosen: latency_p50_ms decides and was not measured there" in row.offers[1].note
    assert row.offers[1].usd_per_month is not None


def test_more_workers_there_may_need_more_memory_than_that_machine_has(cache: Path) -> None:
    """One worker of 3 GB here; two there may need 6, of which they have 4.3: it was named all the same."""
    keep(calibration(HERE, 1, [10.0] * 5))
    keep(calibration(THERE, 2, [8.0] * 5, (1, 2)))
    suite = asked(objective="minimize cost_per_month_usd")
    arm = Machine.model_validate({"price": "aws/c7i.large", "class": THERE, "cores": 2})
    suite = suite.model_copy(update={"machines": {**suite.machines, "arm": arm}})
    for megabytes, machine, note in (
        (1000.0, "arm", "by a measured factor of throughput, 1.6 times (1.6 to 1.6), with 2 workers"),
        (3000.0, "here", "needs up to 6 GB of memory, aws/c7i.large has 4.29 GB"),
    ):
        (row,) = table().rows
        row = replace(row, estimates={"peak_memory_mb": Estimate(megabytes)})
        (row,) = priced(replace(table(), rows=(row,)), suite, {}).rows
        assert (row.machine, row.offers[1].note) == (machine, note)


def test_without_both_calibrations_nothing_is_extrapolated(cache: Path) -> None:
    keep(calibration(HERE, 1, [10.0] * 5))
    (row,) = priced(table(), asked(), {}).rows
    assert row.machine == "here"
    assert row.offers[1].note == f"not extrapolated: run `harness calibrate` on class {THERE}"


def test_what_is_kept_reads_back_and_what_is_damaged_is_named(cache: Path) -> None:
    found = calibration(HERE, 4, [1.0, 2, 3, 4, 5], (1, 4))
    keep(found)
    assert kept(HERE) == found and kept("nobody") is None
    (folder() / f"{HERE}.json").write_text('{"speeds": []}')
    with pytest.raises(
        SuiteError, match=rf"{HERE}\.json: is not a calibration.*run `harness calibrate` again"
    ):
        kept(HERE)


def test_the_standard_suite_is_valid_and_its_speeds_are_those_of_its_records(tmp_path: Path) -> None:
    import json

    from harness.reading import read_suite

    file = tmp_path / "suite.yaml"
    file.write_text(json.dumps(standard(2, 3)))
    suite = read_suite(file)
    assert set(suite.candidates) == set(NETWORKS) and suite.serving.workers == (1, 2)

    def served(runtime: str, round_: int, alone: float, of_eight: float | None) -> Record:
        where = trial("serve", "resnet", runtime=runtime, scenario="offline", round=round_)
        name = "throughput_offline_per_s"
        best = Measurement(name, of_eight or alone, "1/s")
        sizes = [Measurement(name, x, "1/s", at={"batch_size": s}) for s, x in ((1, alone), (8, of_eight))]
        return Record(where, "finished", (best, *sizes), MACHINE, started=f"2026-11-2{round_}T10:00:00+00:00")

    records = [
        served("onnx@1x1", 0, 10.0, 40.0),
        served("onnx@1x1", 1, 10.0, 10.0),
        served("onnx@1x1", 2, 10.0, None),  # unsteady: not compared by the size that is left
        served("onnx-int8@1x2", 0, 50.0, 200.0),
    ]
    found = calibration_of(records, 2)
    assert found.speeds == {
        "resnet/onnx": {"1": (pytest.approx(20.0), pytest.approx(10.0))},
        "resnet/onnx-int8": {"2": (pytest.approx(100.0),)},
    }
    assert found.day == "2026-11-22"  # of the measuring, not of the telling


def test_a_file_of_an_earlier_way_of_measuring_is_none(cache: Path) -> None:
    """Speeds at each network's best batch size, over those at sizes of 1 and 8, are no ratio of machines."""
    path = keep(Calibration(HERE, "simulated", 1, "2026-11-28", {n: {"1": (10.0,)} for n in NAMES}))
    assert kept(HERE) is not None
    told = json.loads(path.read_text())
    del told["protocol"]
    path.write_text(json.dumps(told))
    assert kept(HERE) is None


def test_a_round_that_the_neighbours_slowed_moves_no_factor() -> None:
    def rounds(name: str, of: tuple[float, ...]) -> Calibration:
        return Calibration(name, "simulated", 1, "2026-11-28", {n: {"1": of} for n in NAMES})

    found = factor(rounds(HERE, (10.0, 10.1, 4.0)), rounds(THERE, (20.0, 20.2, 20.1)), "onnx", 1, 1)
    assert found is not None and np.exp(found.log) == pytest.approx(2.0)


def test_a_machine_has_the_speed_of_itself_whatever_its_neighbours_do() -> None:
    """Of 30 rounds that two real calibrations had, one in eight was slower by 10 to 60 %: 400 such pairs."""
    random, off, wide = np.random.default_rng(1), [], []
    for _ in range(400):
        quiet = random.lognormal(0, 0.015, (2, 5, 3))
        slowed = np.where(random.random(quiet.shape) < 1 / 8, random.uniform(0.4, 0.9, quiet.shape), 1.0)
        both = [
            Calibration(name, "simulated", 1, "2026-11-28", {
                n: {"1": tuple(x)} for n, x in zip(NAMES, of, strict=True)
            })
            for name, of in zip((HERE, THERE), quiet * slowed, strict=True)
        ]  # fmt: skip
        found = factor(both[0], both[1], "onnx", 1, 1)
        assert found is not None
        off.append(abs(found.log))
        wide.append(found.sd)
    assert np.quantile(off, 0.95) < 0.025 and np.median(wide) < 0.022
