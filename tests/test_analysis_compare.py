"""The regression gate: what it catches, what it lets pass, what it refuses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from harness.analysis.changes import Change, Comparison
from harness.analysis.changes import Tests as Family
from harness.analysis.compare import compare_runs
from harness.analysis.stats import Interval, t_interval, two_way_difference, welch_difference
from harness.analysis.tradeoff import tradeoff
from harness.cli.text import comparison_text
from harness.kinds import quality
from harness.record import Measurement, Record, RecordError
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


def served_twice(tmp_path: Path, factor: float) -> Comparison:
    """The same trials in two runs, the second on a machine so many times as slow."""
    runs = []
    for number, slower in ((1, 1.0), (2, factor)):
        truths = {n: replace(t, latency_ms=slower * t.latency_ms) for n, t in BASE.items()}
        world, records = run_of(tmp_path, truths, number)
        records = [replace(r, trial=replace(r.trial, spec={**r.trial.spec, "code": 0})) for r in records]
        world.predictions = {}
        folder = tmp_path / f"{factor}" / f"20250101-00000{number}-0123abcd"
        runs.append(store(world, records, make_suite(list(truths)), folder))
    return compare_runs(*runs)


def test_the_same_trials_served_twice_show_the_drift_of_the_machine_and_are_no_regression(
    tmp_path: Path,
) -> None:
    found = served_twice(tmp_path, 1.9)
    assert not found.regressions
    (note,) = [n for n in found.notes if "the same trials were served in both runs" in n]
    assert "latency_p50_ms by a factor of " in note or "latency_p9" in note
    assert "hold within one run" in note
    assert not served_twice(tmp_path, 1.0).notes


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


def test_a_worsening_by_just_the_margin_is_within_it(tmp_path: Path) -> None:
    """1.01 − 1 is .01 and, in floating point, 9e-18 more."""
    assert not compared(tmp_path, {**BASE, "big": Truth(0.90, 6.0, size_mb=1.01)}, margin=0.01).regressions
    known = Interval(0.9 - 0.85, 0.05, 0.05, 0.0, np.inf)
    assert decided([known], margin=0.05) == ["not separated"] and decided([known], margin=0.04) == ["worse"]


def test_what_floating_point_leaves_of_nothing_is_no_change() -> None:
    """A model that every seed repeats, of three seeds and of seven: means differ by 1e-17, and were told
    apart."""
    losses = np.random.default_rng(0).random(500)
    again = two_way_difference(np.tile(losses, (3, 1)), np.tile(losses, (7, 1)))
    assert again.value != 0 or again.se != 0
    assert decided([again, welch_difference(np.full(7, 0.7), np.full(3, 0.7))]) == ["same", "same"]
    assert decided([Interval(1e-17, 0.9e-17, 1.1e-17, 1e-19, 20.0)]) == ["same"]


def test_figures_of_the_same_trials_hide_no_worsening_of_new_ones() -> None:
    """Holm's correction is for chance: of 30 figures that cannot differ none counts."""
    new = t_interval(0.02, 0.0055, 12)
    unchanged = Interval(0.0, 0.0, 0.0, 0.0, np.inf)
    assert decided([new]) == ["worse"]
    assert decided([new, *[unchanged] * 30]) == ["worse", *["same"] * 30]
    assert decided([new, *[t_interval(0.0, 0.01, 12)] * 30])[0] == "not separated"


def decided(worsenings: Sequence[Interval], margin: float = 0.0) -> list[str]:
    tests = Family()
    for number, worsening in enumerate(worsenings):
        tests.add(Change(f"net{number}/torch", "accuracy", 0.9, 0.9), worsening)
    return [change.verdict for change in tests.decide(margin)]


def test_terminal_and_pull_request_say_shares_as_such() -> None:
    """Of 10 ms that are 16 "worse by +0.6" was read as .6 ms; of ten times as slow it was "+1.9e+03 %"."""
    slower = Change("big/torch", "latency_p50_ms", 10, 16, 0.6, 0.55, 0.65, 0.01, "worse", unit="ms")
    lower = Change("big/torch", "accuracy", 0.9, 0.88, 0.02, 0.01, 0.03, 0.01, "worse", unit="fraction")
    said = comparison_text(Comparison("a", "b", 0.0, (slower, lower)))
    assert "+60 %" in said and "+55 to +65 %" in said and " +0.02 " in said and "+0.01 to +0.03" in said
    far = replace(slower, b=200, worsening=19.0, low=18.0, high=20.0)
    assert (far.size, far.span) == ("+1900 %", "+1800 to +2000 %")
    assert "1900 % worse (worsening +1800 to +2000 %)" in str(far)


def test_runs_without_a_common_variant_are_refused(tmp_path: Path) -> None:
    world, records = run_of(tmp_path, BASE, 1)
    a = store(world, records, make_suite(list(BASE)), tmp_path / "a" / "20250101-000000-0123abcd")
    other = {"else": Truth(0.9, 1.0)}
    world, records = run_of(tmp_path, other, 2)
    b = store(world, records, make_suite(list(other)), tmp_path / "b" / "20250101-000000-0123abcd")
    with pytest.raises(RecordError, match="no variant in common"):
        compare_runs(a, b)


def with_launches(
    records: list[Record], name: str, values: Sequence[float | None], note: str = ""
) -> list[Record]:
    """The records, with this figure in each single-stream launch of `big`."""

    def changed(record: Record) -> Record:
        if record.trial.candidate != "big" or record.trial.scenario != "single_stream":
            return record
        kept = [m for m in record.measurements if m.metric != name]
        figure = Measurement(name, values[record.trial.round or 0], "1/s", note=note)
        return replace(record, measurements=(*kept, figure))

    return [changed(r) for r in records]


def of_launches(
    folder: Path,
    name: str,
    a: Sequence[float],
    b: Sequence[float | None],
    note: str = "",
    margin: float = 0.0,
) -> tuple[Comparison, Change]:
    """Two runs that differ in one serving figure of `big`."""
    runs = []
    for number, values in ((1, a), (2, b)):
        world, records = run_of(folder, BASE, number, rounds=len(a))
        records = with_launches(records, name, values, note)
        place = folder / f"{number}" / f"20250101-00000{number}-0123abcd"
        runs.append(store(world, records, make_suite(list(BASE)), place))
    found = compare_runs(*runs, margin=margin)
    (change,) = [c for c in found.changes if c.metric == name and c.variant == "big/torch"]
    return found, change


def test_a_collapse_to_zero_is_a_regression_and_the_way_back_an_improvement(tmp_path: Path) -> None:
    name, level, zero = "throughput_at_slo_qps", (500.0, 505.0, 495.0), (0.0, 0.0, 0.0)
    found, lost = of_launches(tmp_path / "a", name, level, zero)
    assert lost in found.regressions and "500 → 0, worse (zero in every launch of this run)" in str(lost)
    assert of_launches(tmp_path / "b", name, zero, level)[1].verdict == "better"
    idle = of_launches(tmp_path / "c", "peak_gpu_memory_mb", zero, level)[1]
    assert idle.verdict == "worse" and "zero in every launch of the baseline" in str(idle)


def test_some_launches_at_zero_are_compared_by_their_means(tmp_path: Path) -> None:
    name, level = "throughput_at_slo_qps", (500.0, 505.0, 495.0, 500.0)
    change = of_launches(tmp_path / "a", name, level, (0.0, 0.0, 10.0, 0.0))[1]
    assert change.verdict == "worse" and change.worsening == pytest.approx(0.995)
    assert of_launches(tmp_path / "b", name, level, (0.0, 505.0, 495.0, 500.0))[1].verdict == "not separated"


def test_a_figure_that_is_no_longer_there_has_a_line_with_its_note(tmp_path: Path) -> None:
    level = (500.0, 505.0, 495.0)
    served = of_launches(tmp_path / "a", "throughput_at_slo_qps", level, (None,) * 3, note="too noisy")[1]
    assert (served.verdict, served.note) == ("not comparable", "too noisy")
    world, records = run_of(tmp_path, BASE, 1)
    suite = make_suite(list(BASE))
    more = [
        replace(r, measurements=(*r.measurements, Measurement("f1_macro", 0.8, "fraction")))
        if r.trial.kind == "score"
        else r
        for r in records
    ]
    a = store(world, more, suite, tmp_path / "c" / "20250101-000000-0123abcd")
    b = store(world, records, suite, tmp_path / "d" / "20250101-000000-0123abcd")
    lost = [c for c in compare_runs(a, b).changes if c.metric == "f1_macro"]
    assert {(c.verdict, c.note) for c in lost} == {("not comparable", "not measured")} and len(lost) == 2


def test_the_margin_on_speed_is_a_share_and_so_is_what_is_told(tmp_path: Path) -> None:
    def scaled(by: float) -> tuple[float, ...]:
        return tuple(by * x for x in (0.99, 1.0, 1.01, 1.0))

    slower = of_launches(tmp_path / "a", "latency_p50_ms", scaled(10), scaled(16), margin=0.5)[1]
    assert slower.verdict == "worse" and slower.worsening == pytest.approx(0.6)
    fewer = of_launches(tmp_path / "b", "throughput_at_slo_qps", scaled(100), scaled(58), margin=0.5)[1]
    assert fewer.verdict == "not separated" and fewer.worsening == pytest.approx(0.42)
    half = of_launches(tmp_path / "c", "throughput_at_slo_qps", scaled(100), scaled(40), margin=0.5)[1]
    assert half.verdict == "worse"
    faster = of_launches(tmp_path / "d", "latency_p50_ms", scaled(10), scaled(6), margin=0.5)[1]
    assert faster.verdict == "not separated" and faster.worsening == pytest.approx(-0.4)
    twice = of_launches(tmp_path / "e", "latency_p50_ms", scaled(10), scaled(20))[1]
    assert (
        "100 % worse (worsening +" in str(twice)
        and twice.low is not None
        and twice.low < 1 < (twice.high or 0)
    )


def test_a_run_of_more_seeds_is_no_larger_model_where_each_seed_has_its_own_size(tmp_path: Path) -> None:
    """Forests of other seeds have other trees: three seeds beside two were "worse" by .5 % in parameters, and
    the exit code was 1."""

    def with_trees(records: list[Record], more: float = 0.0) -> list[Record]:
        def grown(r: Record) -> Record:
            size = Measurement("parameters", 10_000.0 + 100 * (r.trial.seed or 0) + more, "1")
            kept = [m for m in r.measurements if m.metric != "parameters"]
            return replace(r, measurements=(*kept, size)) if r.trial.kind == "train" else r

        return [grown(r) for r in records]

    def stored(name: str, seeds: Sequence[int], more: float = 0.0):  # type: ignore[no-untyped-def]
        world, records = run_of(tmp_path, BASE, 1, seeds=seeds)
        folder = tmp_path / name / "20250101-000000-0123abcd"
        return store(world, with_trees(records, more), make_suite(list(BASE)), folder)

    two, three, larger = stored("a", (0, 1)), stored("b", (0, 1, 2)), stored("c", (0, 1, 2), 50)
    told = {c.variant: c for c in compare_runs(two, three).changes if c.metric == "parameters"}
    assert {c.verdict for c in told.values()} == {"same"} and told["big/torch"].b == 10_050
    for before, after in ((two, stored("d", (2, 3))), (stored("e", (0,)), stored("f", (1,)))):
        (other,) = [
            c for c in compare_runs(before, after).changes
            if (c.metric, c.variant) == ("parameters", "big/torch")
        ]  # fmt: skip
        assert other.verdict == "not comparable" and "the two runs have none in common" in other.note
    grown = [c for c in compare_runs(two, larger).regressions if c.metric == "parameters"]
    assert [c.worsening for c in grown] == pytest.approx([50 / 10_050] * 2)


def test_a_calibration_error_is_compared_as_its_pages_have_it(tmp_path: Path) -> None:
    """Less what so few examples show of a perfectly calibrated model: of one run on breast_cancer .028 stood
    on its page and .035 in the comparison."""
    runs, tables = [], []
    for number in (1, 2):
        world, records = run_of(tmp_path, BASE, number)
        suite = make_suite(list(BASE))
        for trial_id, found in world.predictions.items():
            sure = np.random.default_rng(number).uniform(0.5, 0.99, len(found.ids))[:, None]
            outputs = np.where(found.outputs > 0.5, sure, (1 - sure) / 2).astype(np.float32)
            world.predictions[trial_id] = replace(found, outputs=outputs)
        with_ece = [
            replace(r, measurements=(*r.measurements, Measurement("ece", raw_ece(world, r), "fraction")))
            if r.trial.kind == "score"
            else r
            for r in records
        ]
        folder = tmp_path / f"{number}" / f"20250101-00000{number}-0123abcd"
        runs.append(store(world, with_ece, suite, folder))
        tables.append(tradeoff(with_ece, suite, world.predictions.__getitem__))
    told = {c.variant: c for c in compare_runs(*runs).changes if c.metric == "ece"}
    assert len(told) == 2
    for variant, change in told.items():
        shown = [{r.variant: r for r in table.rows}[variant].estimates["ece"].value for table in tables]
        assert [change.a, change.b] == pytest.approx(shown, abs=1e-6)
        assert change.worsening == pytest.approx((shown[1] or 0) - (shown[0] or 0), abs=1e-6)


def raw_ece(world: World, scored: Record) -> float:
    found = world.predictions[scored.trial.id]
    return quality.ece(found.outputs, found.targets)
