"""Numbers as the report writes them: digits from the interval, honest probabilities, plain words."""

from __future__ import annotations

import math
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from harness.analysis.criteria import parse_constraint
from harness.analysis.tradeoff import interval_text
from harness.figures import apart, short
from harness.report import numbers as n
from harness.results import Estimate


@pytest.mark.parametrize(
    ("value", "low", "high", "shown"),
    [
        (0.8942, 0.8891, 0.8993, ("0.894", "0.889–0.899")),
        (3.142, 3.021, 3.263, ("3.14", "3.02–3.26")),
        (12345.0, 12045.0, 12645.0, ("12,300", "12,000–12,600")),
        (-0.0121, -0.0241, -0.0001, ("−0.012", "−0.024 to 0.000")),
        (1.5, 0.4, 3.1, ("1.5", "0.4–3.1")),
        (0.149, 0.0496, 0.596, ("0.15", "0.05–0.60")),
        (0.149, 0.12, 0.596, ("0.15", "0.12–0.60")),
    ],
)
def test_an_interval_decides_the_digits(
    value: float, low: float, high: float, shown: tuple[str, str]
) -> None:
    assert n.interval(value, low, high) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.0, "0"),
        (7850.0, "7,850"),
        (3_400_000.0, "3.40\u202fM"),
        (1.25e9, "1.25\u202fG"),
        (0.01234, "0.0123"),
        (-2.5, "−2.50"),
        (7.6e-5, "0.0000760"),
        (math.nan, "not finite"),
    ],
)
def test_a_number_without_an_interval_has_three_digits(value: float, shown: str) -> None:
    assert n.plain(value) == shown


@given(st.floats(allow_nan=True, allow_infinity=True), st.floats(0, 1e12), st.floats(0, 1e12))
def test_any_estimate_can_be_shown(value: float, below: float, above: float) -> None:
    shown = n.estimate(Estimate(value, value - below, value + above))
    assert shown.value


@given(st.floats(1e-3, 1e5), st.floats(1e-3, 0.5))
@example(0.03125, 1e-3)
def test_the_shown_value_lies_within_its_interval(value: float, width: float) -> None:
    shown, _ = n.interval(value, value * (1 - width), value * (1 + width))
    assert value * (1 - width) <= float(shown.replace(",", "")) <= value * (1 + width)


def test_what_is_no_number_says_why() -> None:
    assert n.estimate(Estimate(None, note="not estimable (120 of 662 calls)")).value.startswith(
        "not estimable"
    )
    assert n.estimate(None).value == "not measured"


@pytest.mark.parametrize(
    ("p", "shown"),
    [(1.0, "over 99\u202f%"), (0.0, "under 1\u202f%"), (0.973, "97\u202f%"), (None, "not known")],
)
def test_no_probability_is_shown_as_certain(p: float | None, shown: str) -> None:
    assert n.percent(p) == shown


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("latency_p99_ms <= 10", "p99 latency at most 10\u202fms"),
        ("cost_per_million_usd <= 0.5", "cost per million at most $0.50"),
        ("accuracy[class=3] >= 0.7", "accuracy (class 3) at least 0.7"),
        (
            "throughput_at_slo_qps >= 1200 with 0.95",
            "load within the limit at least 1,200\u202f1/s, with probability 95\u202f%",
        ),
    ],
)
def test_limits_are_said_in_words(text: str, words: str) -> None:
    assert n.limit_words(parse_constraint(text)) == words


def test_metric_names_in_sentences_become_words() -> None:
    said = n.prose("It meets latency_p99_ms <= 10: is 3.2 (2.9 to 3.5), and model_size_mb is small.")
    assert (
        said
        == "It meets p99 latency at most 10\u202fms: is 3.2 (2.9 to 3.5)\u202fms, and model size is small."
    )


def test_small_words() -> None:
    assert n.counted(1, "seed") == "1 seed" and n.counted(1200, "seed") == "1,200 seeds"
    assert n.listed(["a", "b", "c"]) == "a, b and c"
    assert n.seconds(200) == "3\u202fmin 20\u202fs"
    near = [n.seconds(x).replace("\u202f", " ") for x in (0.9996, 59.7, 119.6, 3599.7, 7199.0)]
    assert near == ["1 s", "1 min 0 s", "2 min 0 s", "1 h 0 min", "2 h 0 min"]  # no "1 min 60 s"
    assert n.money(-1234.5) == "−$1,234" and n.money(0.089) == "$0.089" and n.money(65.2) == "$65.20"
    assert n.money(65.1525) == "$65.15" and n.money(200) == "$200" and n.money(999.999) == "$1,000.00"


def test_a_limit_keeps_the_digits_it_was_written_with() -> None:
    assert n.as_written(11689512.0) == "11,689,512"
    assert (n.as_written(2e-05), n.as_written(2e6), n.as_written(-3.5)) == ("0.00002", "2,000,000", "−3.5")
    assert (n.as_written(0.87), n.as_written(10.0), n.as_written(1200.0)) == ("0.87", "10", "1,200")


def test_notes_of_kept_records_are_written_as_people_write_figures() -> None:
    note = "priced at 1.004e+05; 163 slow calls decide this: 4.19e+03 per s (1 of 6 rounds); model-1e+10x"
    said = "priced at 100,400; 163 slow calls decide this: 4,190 per s (1 of 6 rounds); model-1e+10x"
    assert n.without_powers(note) == said


@given(st.floats(1e-12, 1e15))
def test_no_figure_of_money_has_a_power_of_ten(usd: float) -> None:
    cells = [
        Estimate(usd),
        Estimate(usd, usd * 0.9, usd * 1.1),
        Estimate(usd, usd * 0.9, usd * 1.1, step=usd),
    ]
    shown = [n.shown("cost_per_million_usd", cell) for cell in cells]
    sides = n.two_sides("cost_per_million_usd", usd, usd * 1.01)
    said = [n.money(usd), n.amount(usd), *sides, n.quantity("cost_per_month_usd", usd), short(usd)]
    for text in [*said, *(s.value + s.interval for s in shown), *map(interval_text, cells)]:
        assert not re.search(r"\de[+-]?\d|·10", text), text
        assert re.search(r"[1-9]", text), text


def test_counts_have_all_their_digits_and_measured_figures_four() -> None:
    assert [short(131_178), short(-570_000), short(131_178.4)] == ["131,178", "-570,000", "131,200"]


def test_a_cell_of_a_bill_has_its_cents() -> None:
    assert n.shown("cost_per_month_usd", Estimate(65.1525)).value == "65.15"
    assert n.shown("cost_per_million_usd", Estimate(0.01239)).value == "0.0124"


def test_of_a_figure_without_interval_the_interval_is_what_cannot_be_estimated() -> None:
    note = "not estimable (one class lies wholly beyond the other)"
    assert n.without_interval(note) == "no interval (one class lies wholly beyond the other)"
    lost = "no figure in 1 of 2 rounds: not estimable (322 of 662 calls); one launch, no interval"
    assert n.without_interval(lost) == lost


def test_a_bill_of_whole_machines_is_not_rounded_to_the_limit_that_it_keeps() -> None:
    many = Estimate(195.4575, 130.305, 390.915, machines=3.0, step=65.1525)
    assert n.shown("cost_per_month_usd", many) == n.EstimateText("195.46", "130.31–390.92", 195.4575)
    by_the_hour = Estimate(195.46, 130.31, 390.92, machines=3.0)
    assert n.shown("cost_per_month_usd", by_the_hour).value == "195.46"


def test_another_value_by_the_figures_of_a_row_is_said_with_the_digits_of_the_value() -> None:
    cell = Estimate(904.2, 871.0, 951.0, by_figures=876.3)
    assert n.shown("value", cell) == n.EstimateText("900", "870–950", 904.2, "880 by its figures")
    assert n.shown("value", Estimate(904.2, 871.0, 951.0, by_figures=902.0)).beside == ""
    assert n.shown("value", Estimate(904.2, 871.0, 951.0)).beside == ""


@pytest.mark.parametrize(
    ("value", "text", "limit", "said"),
    [
        (65.1525, "65.15", 65.15, "65.153"),
        (65.1525, "65.15", 65.2, "65.15"),
        (65.15, "65.15", 65.15, "65.15"),
        (1303.05, "1,303", 1303.0, "1,303.05"),
        (1_234_567.4, "1,235,000", 1_235_000.0, "1,234,600"),
        (0.012395833, "0.0124", 0.0124, "0.012396"),
    ],
)
def test_a_figure_beside_a_limit_that_looks_the_same_shows_what_tells_them_apart(
    value: float, text: str, limit: float, said: str
) -> None:
    """It said "cost_per_month_usd <= 65.15: is 65.15, kept with probability under 1 %"."""
    assert apart(value, text, limit) == said


def test_a_limit_has_the_unit_that_it_was_written_in_where_cells_are_read_in_another() -> None:
    """CPU time is shown in µs and limited in seconds: "at most 0.001 µs" stood beside a figure of 812."""
    name = "cpu_seconds_per_example"
    assert n.shown(name, Estimate(0.000812)).value == "812" and n.shown_unit(name) == "µs"
    assert n.limit_words(parse_constraint(f"{name} <= 0.001")) == "CPU time per example at most 0.001\u202fs"
    assert n.prose(f"vit has {name} 0.000812 (0.0008 to 0.000824)").endswith(" 0.000824)\u202fs")
    assert n.shown_unit("latency_p99_ms") == n.unit("latency_p99_ms") == "ms"
