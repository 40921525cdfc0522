"""Exponents and crossings against power laws that were made up."""

from __future__ import annotations

import numpy as np
import pytest

from harness.analysis.scaling import Curve, crossing, curves, exponent, ratio
from harness.record import Measurement, Record, Trial, Variant

SIZES = np.array([32.0, 64, 128, 256, 512])


def law(
    name: str, factor: float, power: float, fixed: float = 0.0, rounds: int = 3, noise: float = 0.0
) -> Curve:
    random = np.random.default_rng(7)
    values = factor * SIZES**power + fixed
    values = values * np.exp(noise * random.standard_normal((rounds, 5)))
    return Curve(Variant(name, "torch"), SIZES, values, np.arange(rounds))


def test_the_exponent_of_a_power_law_is_found_exactly() -> None:
    found = exponent(law("attention", 1e-3, 2.0))
    assert found.value == pytest.approx(2.0) and found.low == pytest.approx(2.0)


def test_a_noisy_law_lies_within_its_interval_in_nineteen_of_twenty() -> None:
    """Coverage .95: of 200 made-up runs 180 to 199 hold the truth; a false alarm is below 1 in 500."""
    held = 0
    for seed in range(200):
        random = np.random.default_rng(seed)
        values = SIZES * np.exp(0.1 * random.standard_normal((3, 5)))
        found = exponent(Curve(Variant("lstm", "torch"), SIZES, values, np.arange(3)))
        held += found.low <= 1.0 <= found.high
    assert 180 <= held <= 199


def test_a_fixed_cost_flattens_the_whole_and_less_the_upper_half() -> None:
    curve = law("vit", 1e-3, 2.0, fixed=20.0)
    assert exponent(curve).value < exponent(curve.half).value < 2.0
    assert curve.half.sizes.tolist() == [128, 256, 512]


def test_one_round_has_an_exponent_and_no_interval() -> None:
    found = exponent(law("lstm", 1.0, 1.0, rounds=1))
    assert found.value == pytest.approx(1.0) and np.isnan(found.low)


def test_attention_overtakes_recurrence_where_the_laws_meet() -> None:
    """0.001·n² = 0.1·n at n = 100; on logarithms the lines are straight, so it is found exactly."""
    place = crossing(law("attention", 1e-3, 2.0), law("lstm", 0.1, 1.0))
    assert place is not None and place.value == pytest.approx(100.0)
    noisy = crossing(law("attention", 1e-3, 2.0, noise=0.02), law("lstm", 0.1, 1.0))
    assert noisy is not None and noisy.low < 100 < noisy.high


def test_there_is_no_crossing_where_one_costs_more_throughout_or_the_other_way_round() -> None:
    assert crossing(law("attention", 1.0, 2.0), law("lstm", 0.1, 1.0)) is None
    assert crossing(law("lstm", 0.1, 1.0), law("attention", 1e-3, 2.0)) is None


def test_a_round_that_misses_a_size_is_left_out() -> None:
    def record(number: int, sizes: list[int]) -> Record:
        trial = Trial("serve", "lstm", {"n": number}, runtime="onnx", scenario="scaling", round=number)
        measured = [Measurement("latency_p50_ms", float(s), "ms", at={"size": s}) for s in sizes]
        return Record(trial, "finished", tuple(measured))

    (found,) = curves([record(0, [32, 64]), record(1, [32]), record(2, [32, 64])], "latency_p50_ms")
    assert found.values.shape == (2, 2) and found.rounds.tolist() == [0, 2]


def test_rounds_are_paired_by_their_number() -> None:
    """Round 1 of the machine was twice as slow for both: paired, nothing of that is left in the ratio."""
    drift = np.array([1.0, 2.0, 1.0])[:, None]
    a, b = law("attention", 1e-3, 2.0), law("lstm", 0.1, 1.0)
    slow_a = Curve(a.variant, SIZES, (a.values * drift)[1:], np.array([1, 2]))
    slow_b = Curve(b.variant, SIZES, b.values * drift, np.arange(3))
    sizes, logs = ratio(slow_a, slow_b)
    assert logs.shape == (2, 5) and np.allclose(np.exp(logs), sizes / 100)


def test_only_the_sizes_that_both_have_are_compared() -> None:
    a, b = law("attention", 1e-3, 2.0), law("lstm", 0.1, 1.0)
    sizes, logs = ratio(a.half, b)
    assert sizes.tolist() == [128, 256, 512] and logs.shape == (3, 3)


def test_a_round_without_a_crossing_leaves_the_crossing_without_an_interval() -> None:
    """In round 2 attention costs more throughout: the two crossings of the others are not all there is."""
    a, b = law("attention", 1e-3, 2.0), law("lstm", 0.1, 1.0)
    values = a.values * np.array([1.0, 1.0, 4.0])[:, None]
    place = crossing(Curve(a.variant, SIZES, values, a.rounds), b)
    assert place is not None and np.isnan(place.low)
    assert place.value == pytest.approx(100 / 4 ** (1 / 3))
