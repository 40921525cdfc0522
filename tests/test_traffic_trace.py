"""Traffic as it came: what a file of request times says, against streams whose law is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from harness.analysis.cost import machines
from harness.analysis.criteria import merge_constraints
from harness.analysis.served import load_within
from harness.planning.notes import plan_notes, silence_note
from harness.reading import read_suite, suite_from_text, suite_to_text
from harness.reading.again import with_settings
from harness.reading.trace import burstiness, busiest, read_trace
from harness.record import SuiteError
from harness.results import ServiceTimes
from harness.serving.queues import poisson_arrivals

DAY = 1.0 + 3.0 * np.exp(-(((np.arange(24) - 14) / 4.5) ** 2))
"""Requests per second in each hour."""


def a_day(seed: int = 0, gaps: float = 1.0) -> np.ndarray:
    """(n,) seconds: a stream of the day's rates, hour after hour."""
    hours = [h * 3600 + poisson_arrivals(rate, 3600.0, 100 * seed + h, gaps) for h, rate in enumerate(DAY)]
    return np.concatenate(hours)


def write(folder: Path, times: np.ndarray, more: str = "timestamp") -> Path:
    """The times and a last request that ends the last hour."""
    file = folder / "requests.csv"
    file.write_text(f"{more}\n" + "\n".join(f"{t:.3f}" for t in [0.0, *times, 86400.0]) + "\n")
    return file


TEXT = """
name: shop
task: image_classification
data: {name: digits}
candidates: {logistic: "sklearn:LogisticRegression"}
serving: {runtimes: [onnx], scenarios: {server: {latency_p99_ms: 10}}}
machine: {price: aws/c7i.large}
decision: {traffic: {trace: requests.csv, autoscale: 5m}}
"""


def test_a_trace_gives_the_hours_that_its_requests_came_in(tmp_path: Path) -> None:
    found = read_trace(write(tmp_path, a_day()))
    assert len(found.hours) == 24
    # The standard error of an hour's count is its root: five of them, 24 times, fail once in 70,000 tries.
    assert np.all(np.abs(np.array(found.hours) - DAY) * 3600 < 5 * np.sqrt(DAY * 3600))


@pytest.mark.parametrize("gaps", [0.5, 1.0, 2.0, 3.0])
def test_the_burstiness_of_a_day_is_that_of_its_gaps_whatever_the_hour(gaps: float) -> None:
    assert burstiness(a_day(1, gaps)) == pytest.approx(gaps, rel=0.12)


def test_a_clock_that_ticks_in_whole_seconds_makes_no_bursts() -> None:
    times = np.floor(poisson_arrivals(10.0, 3600.0, 2))
    naive = np.diff(times)
    assert naive.std() / naive.mean() > 2.5  # what gaps alone would say
    assert burstiness(times) == pytest.approx(1.0, rel=0.12)


def test_a_rate_that_drifts_within_the_hour_is_no_burst() -> None:
    random = np.random.default_rng(3)
    times = np.sort(86400 * random.beta(2, 2, 300_000))
    assert burstiness(times) == pytest.approx(1.0, rel=0.1)


def test_too_few_requests_tell_nothing_of_bursts() -> None:
    assert burstiness(np.sort(np.random.default_rng(0).uniform(0, 86400, 500))) is None


def test_dates_with_offsets_in_any_order_are_the_same_instants(tmp_path: Path) -> None:
    times = a_day(4)[::20]
    zoned = pd.Series(pd.to_datetime([0.0, *times, 86400.0], unit="s", utc=True)).dt.tz_convert("+05:30")
    file = tmp_path / "log.csv"
    shuffled = zoned.sample(frac=1, random_state=0)
    pd.DataFrame({"path": "/", "timestamp": [t.isoformat() for t in shuffled]}).to_csv(file, index=False)
    assert read_trace(file).hours == pytest.approx(read_trace(write(tmp_path, times)).hours, abs=0.01)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("timestamp\n0\n3600\n", "holds 1 whole hours, a day has 24"),
        ("timestamp\n0\nsoon\n86400\n", "line 3: `soon` is not a time: numbers and other cells are mixed"),
        (
            "timestamp\n2026-01-01T00:00:00\n2026-02-30T00:00:00\n",
            "line 3: `2026-02-30T00:00:00` is not a",
        ),
        ("timestamp\n2026-01-01T00:00:00\n2026-01-03T00:00:00+01:00\n", "write all alike"),
        ("timestamp\n1764288000000\n1764374400000\n", "divide milliseconds by 1000"),
        ("a,b\n1,2\n3,4\n", "has the columns a, b: name the one with times `timestamp`"),
        (
            "timestamp\n2026-01-01\n2026-01-03\n",
            "line 2: `2026-01-01` is not a time: it is a day, and the hour is",
        ),
        ("timestamp\n5\n\n\n", "holds fewer than two times"),
        ("0.5\n86400\n172800\n", "line 1: `0.5` is a time and no name: write `timestamp` in a line above it"),
        ("2026-01-01T00:00:00\n2026-01-02T00:00:00\n", "line 1: `2026-01-01T00:00:00` is a time and no name"),
        ("timestamp\n0\n\n86400\n", "line 3: `` is not a time"),
        ("timestamp\n0\n999999999\n", "holds 277,778 hours, more than a year"),
        (
            "timestamp\n"
            + "".join(f"2026-11-{d:02}T{h:02}:30:00\n" for d in range(1, 11) for h in range(24))
            + "2027-01-10T00:00:00\n",
            "line 242: `2027-01-10T00:00:00` is 60 days from 99 of 100 requests: correct such times",
        ),
    ],
)
def test_what_cannot_be_read_as_it_is_meant_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "requests.csv").write_text(text)
    file = tmp_path / "suite.yaml"
    file.write_text(TEXT)
    with pytest.raises(SuiteError) as error:
        read_suite(file)
    assert "suite.yaml:8: decision.traffic.trace: `requests.csv` " in str(error.value)
    assert message in str(error.value)


@pytest.mark.parametrize("name", ["requests", "Value"])
def test_a_table_that_counts_requests_is_refused(tmp_path: Path, name: str) -> None:
    """One row a minute, as monitoring writes them: 11 requests a second were taken for one in a minute."""
    minutes = pd.date_range("2026-11-02", periods=2 * 1440, freq="min")
    counts = np.random.default_rng(0).poisson(660, len(minutes))
    file = tmp_path / "requests.csv"
    pd.DataFrame({"timestamp": minutes, name: counts, "region": "eu"}).to_csv(file, index=False)
    with pytest.raises(ValueError, match=f"numbers in `{name}`, a row every 60 s: if they count requests"):
        read_trace(file)


def test_a_log_with_numbers_of_its_own_is_one_of_requests(tmp_path: Path) -> None:
    """Whole seconds, each with several requests: the clock ticks evenly, the requests do not."""
    times = np.floor(np.sort(np.random.default_rng(0).uniform(0, 90_000, 200_000)))
    file = tmp_path / "requests.csv"
    pd.DataFrame({"timestamp": times, "status": np.where(times % 7, 200, 404)}).to_csv(file, index=False)
    assert np.mean(read_trace(file).hours) == pytest.approx(200 / 90, rel=0.02)


def test_no_hour_of_the_day_counts_more_often_than_another(tmp_path: Path) -> None:
    """Thirty hours are cut to the last 24, ten days to the last seven."""
    for hours, kept in ((30, 24), (10 * 24, 168), (15 * 24 + 5, 336)):
        times = np.concatenate([h * 3600 + 1.0 + np.arange(1 + h % 24) for h in range(hours)])
        file = tmp_path / "log.csv"
        file.write_text("timestamp\n" + "\n".join(f"{t:.0f}" for t in [0, *times, hours * 3600]) + "\n")
        expected = [(1 + h % 24) / 3600 for h in range(hours - kept, hours)]
        assert read_trace(file).hours == pytest.approx(expected, rel=1e-5)


def test_a_log_of_one_day_has_24_hours_whenever_it_begins(tmp_path: Path) -> None:
    """From some seconds after midnight to some before the next; from 9:41 on; in a zone with half hours."""
    for begin, zone in (
        ("2026-11-01T00:00:00", ""),
        ("2026-11-01T09:41:07", ""),
        ("2026-11-01T00:00:00", "+05:30"),
    ):
        start = np.datetime64(begin)
        times = [3.0, *(20.0 + a_day(8)[::3]).clip(3, 86397.0)]
        stamps = [f"{start + np.timedelta64(int(t), 's')}{zone}" for t in times]
        file = tmp_path / "log.csv"
        file.write_text("timestamp\n" + "\n".join(stamps) + "\n\n")
        found = read_trace(file).hours
        assert len(found) == 24
        assert np.array(found) * 3600 == pytest.approx(DAY * 3600 / 3, abs=5 * (DAY.max() * 1200) ** 0.5)


def test_summer_time_may_end_within_a_log(tmp_path: Path) -> None:
    """Each hour of 25 from midnight has one request a minute: two hours are called 2 o'clock."""
    file = tmp_path / "log.csv"
    rows = [f"2026-10-25T{h:02}:{m:02}:00+02:00" for h in range(3) for m in range(60)]
    rows += [f"2026-10-25T{h:02}:{m:02}:00+01:00" for h in range(2, 24) for m in range(60)]
    file.write_text("timestamp\n" + "\n".join(rows) + "\n")
    assert read_trace(file).hours == pytest.approx([60 / 3600] * 24, rel=1e-5)


def test_hours_without_a_request_are_told_before_anything_runs(tmp_path: Path) -> None:
    file = tmp_path / "suite.yaml"
    file.write_text(TEXT)
    times = a_day(7)
    write(tmp_path, times)
    assert silence_note(read_suite(file)) == ""
    write(tmp_path, times[(times < 10 * 3600) | (times >= 13 * 3600)])
    note = silence_note(read_suite(file))
    assert note.startswith("no request came in 3 of 24 hours of requests.csv, up to 3 in a row: ")
    assert note in plan_notes(read_suite(file))


def test_a_suite_has_the_hours_and_the_bursts_of_its_trace_and_keeps_them(tmp_path: Path) -> None:
    file = tmp_path / "suite.yaml"
    file.write_text(TEXT)
    trace = write(tmp_path, a_day(5, 2.0))
    suite = read_suite(file)
    traffic = suite.decision.traffic
    assert traffic.curve is not None and len(traffic.curve) == 24
    assert traffic.burstiness == pytest.approx(2.0, rel=0.12)
    given = read_suite(file, ["decision.traffic.burstiness=1.5"])
    assert given.decision.traffic.burstiness == 1.5
    with pytest.raises(SuiteError, match="contradicts the curve"):
        read_suite(file, ["decision.traffic.qps=5"])
    trace.unlink()  # a run folder is read where the trace is not
    assert suite_from_text(suite_to_text(suite)).decision.traffic == traffic


def test_arrivals_of_a_run_cannot_be_changed_afterwards(tmp_path: Path) -> None:
    file = tmp_path / "suite.yaml"
    file.write_text(TEXT)
    write(tmp_path, a_day(5))
    suite = read_suite(file)
    for key, cure in (
        ("burstiness=3", "measured under other arrivals"),
        ("trace=x.csv", "is read for a new run"),
    ):
        with pytest.raises(SuiteError, match=cure):
            with_settings(suite, [f"decision.traffic.{key}"])


def test_the_bill_of_machines_that_come_and_go_is_that_of_the_requests_themselves(tmp_path: Path) -> None:
    """Machines are switched minute by minute by counts of the raw requests, apart from all formulas."""
    times, carries, lead = a_day(6), 0.5, 5
    file = tmp_path / "suite.yaml"
    file.write_text(TEXT)
    write(tmp_path, times)
    traffic = read_suite(file).decision.traffic
    per_hour = [int(((times >= h * 3600) & (times < (h + 1) * 3600)).sum()) for h in range(24)]
    needed = [max(1, -(-count // int(carries * 3600))) for count in per_hour]  # whole machines, rounded up
    minutes = np.repeat(needed, 60)
    running = [max(minutes[(m + ahead) % 1440] for ahead in range(lead + 1)) for m in range(1440)]
    assert float(machines(carries, traffic)) == pytest.approx(np.mean(running), rel=0.02)


def spiked(seed: int, times: float = 3.0) -> np.ndarray:
    """A day in which ten minutes after 9 o'clock have so many times their hour's rate, as after a push."""
    start = 9 * 3600 + 600.0
    return np.sort([*a_day(seed), *(start + poisson_arrivals((times - 1) * DAY[9], 600.0, 999))])


def test_a_busy_ten_minutes_is_what_the_machines_of_its_hour_must_carry(tmp_path: Path) -> None:
    file = tmp_path / "suite.yaml"
    file.write_text(TEXT)
    write(tmp_path, spiked(11))
    suite = read_suite(file)
    traffic = suite.decision.traffic
    assert traffic.curve is not None and traffic.peaks is not None
    others = [h for h in range(24) if h != 9]
    assert [traffic.hours[h] for h in others] == [traffic.curve[h] for h in others]
    # Three times the rate; a minute of it has 360 requests or so, give or take 19.
    assert traffic.hours[9] == pytest.approx(3 * DAY[9], rel=0.15)
    assert traffic.mean == pytest.approx(np.mean(traffic.curve))
    assert any(
        "in hour 10 of requests.csv" in note and "busiest minute" in note for note in plan_notes(suite)
    )
    assert "peaks" in suite_to_text(suite)
    assert suite_from_text(suite_to_text(suite)).decision.traffic == traffic


def test_machines_of_the_busiest_minutes_carry_every_minute_of_the_day(tmp_path: Path) -> None:
    """Counted from the raw requests: machines for the hours' means are overrun for ten minutes."""
    file, times, carries = tmp_path / "suite.yaml", spiked(12, 4.0), 2.1
    file.write_text(TEXT.replace(", autoscale: 5m", ""))
    write(tmp_path, times)
    traffic = read_suite(file).decision.traffic
    minutes = np.bincount((times // 60).astype(int), minlength=1440) / 60
    have = float(machines(carries, traffic))
    assert have == np.ceil(4 * DAY[9] / carries)
    # A minute's count has an error of some 9 %: what the machines carry in time allows for that.
    assert minutes.max() <= 1.2 * have * carries
    of_means = float(machines(carries, traffic.model_copy(update={"peaks": None})))
    assert (minutes > 1.2 * of_means * carries).sum() >= 8


@pytest.mark.parametrize("gaps", [1.0, 3.0])
def test_chance_alone_makes_no_busy_minute(gaps: float) -> None:
    """Twenty days of constant hours, of few and of many requests: 28,800 minutes."""
    for seed in range(10):
        for rate in (0.01, 0.3, 6.0):
            times = poisson_arrivals(rate, 86400.0, seed, gaps)
            rates = np.bincount((times // 3600).astype(int), minlength=24) / 3600
            assert (busiest(times, rates, gaps) == rates).all()


@pytest.mark.parametrize("tick", [1e-6, 0.001, 0.1, 1.0])
def test_a_burst_in_the_last_minute_of_an_hour_is_seen_by_clocks_of_any_tick(tick: float) -> None:
    """Seconds since 1970 are kept to half a microsecond: a millisecond of them may read .00099993."""
    random, start = np.random.default_rng(6), 1.7e9 // 3600 * 3600
    constant, burst = random.uniform(0, 86400, 86400), random.uniform(9 * 3600 + 3540, 10 * 3600 - 1, 3000)
    times = np.sort(np.round((start + np.concatenate([constant, burst])) / tick) * tick) - start
    rates = np.bincount((times // 3600).astype(int), minlength=25)[:24] / 3600
    assert busiest(times[times < 86400], rates, 1.0)[9] > 40 > rates[9]


def test_a_clock_that_ticks_in_hours_or_quarters_makes_no_busy_minute() -> None:
    times = np.sort(np.random.default_rng(5).uniform(0, 86400, 200_000))
    rates = np.bincount((times // 3600).astype(int), minlength=24) / 3600
    for tick in (900.0, 3600.0):
        assert (busiest(np.floor(times / tick) * tick, rates, 1.0) == rates).all()


def test_bursts_lower_the_load_that_costs_count_on_where_a_queue_is_simulated() -> None:
    """One server of 1 ms and a limit of 20 ms; how much bursts take is tested where capacity is."""
    times, limits = (
        ServiceTimes(((1, 1.0),), tuple(np.random.default_rng(0).exponential(1, 400))),
        ("latency_p99_ms <= 20",),
    )
    loads = [load_within(times, merge_constraints((), limits), cv) for cv in (1.0, 2.0, 4.0)]
    found = [within.load for within in loads if within is not None and within.load]
    assert len(found) == 3 and found[0] > 1.1 * found[1] > 1.2 * found[2]
