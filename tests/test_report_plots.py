"""Plots: the same numbers give the same bytes, nothing overlaps, odd numbers do not break them."""

from __future__ import annotations

import itertools
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.report import canvas, charts, plots
from harness.report.palette import COLOURS, REST, palette
from harness.report.plots import Axis, Difference, Distribution, Line, Point


def some_points(count: int) -> list[Point]:
    return [
        Point(f"net{i}/onnx", 1.0 + i % 7, 0.8 + 0.01 * (i % 5), (0.9 + i % 7, 1.2 + i % 7))
        for i in range(count)
    ]


def test_the_same_numbers_give_the_same_svg() -> None:
    made = [
        canvas.svg(plots.tradeoff_plane(some_points(5), Axis("x", log=True, at_most=4), Axis("y")))
        for _ in "ab"
    ]
    assert made[0] == made[1]


def test_svg_is_inline_without_dates_and_with_ids_of_its_own() -> None:
    one = canvas.svg(plots.tradeoff_plane(some_points(3), Axis("x"), Axis("y")))
    two = canvas.svg(plots.tradeoff_plane(some_points(4), Axis("x"), Axis("y")))
    assert one.startswith("<svg") and one.endswith("</svg>")
    assert "<?xml" not in one and "dc:date" not in one and "metadata" not in one
    assert "<text" in one  # text stays text
    ids = [set(re.findall(r' id="([^"]+)"', text)) for text in (one, two)]
    assert ids[0] and not ids[0] & ids[1]


def test_rounding_of_paths_leaves_the_texts_alone() -> None:
    assert canvas.inline('<svg a="b"><path d="M 1.23456 2"/><text x="1.999">0.875</text></svg>') == (
        '<svg a="b"><path d="M 1.23 2"/><text x="1.99">0.875</text></svg>'
    )


def test_names_in_plots_are_text_not_markup() -> None:
    text = canvas.svg(plots.tradeoff_plane([Point("<script>$x^2$", 1, 1)], Axis("x"), Axis("y")))
    assert "&lt;script&gt;$x^2$" in text and "<script" not in text


def test_the_limit_is_drawn_only_where_it_is_near() -> None:
    near = canvas.svg(plots.tradeoff_plane(some_points(6), Axis("x", log=True, at_most=8), Axis("y")))
    far = canvas.svg(plots.tradeoff_plane(some_points(6), Axis("x", log=True, at_most=1e6), Axis("y")))
    assert "limit ≤ 8" in near and "limit" not in far


@pytest.mark.parametrize("values", [[1.0], [0.0, 0.0], [-1.0, 2.0], [1e-9, 1e9], [float("nan"), 3.0], []])
@pytest.mark.parametrize("log", [False, True])
def test_a_range_is_found_for_any_values(values: list[float], log: bool) -> None:
    low, high = plots.extent(values, [1.0], log)
    assert np.isfinite([low, high]).all() and low < high and (low > 0 or not log)


@given(st.lists(st.floats(0, 300), min_size=1, max_size=15))
def test_labels_are_moved_apart(places: list[float]) -> None:
    moved = charts.spaced(sorted(places), 12.0, 300.0)
    assert all(b - a >= 11.999 for a, b in itertools.pairwise(moved))
    assert max(moved) <= 300.0


def test_every_chart_draws_one_and_many() -> None:
    for count in (1, 5):
        series = [
            Line(f"s{i}", [1, 2, 3], [0.1 * i, 0.2, float("nan")], colour=COLOURS[i]) for i in range(count)
        ]
        spreads = [Distribution(f"v{i}", [1.0, 2.0, 50.0], [2.0], COLOURS[i]) for i in range(count)]
        apart = [Difference(f"v{i}", 0.1, -0.1, 0.3, verdict="not separated") for i in range(count)]
        figures = [
            charts.lines(series, Axis("x", whole=True), Axis("y", at_least=0.15)),
            charts.spreads(spreads, Axis("ms", log=True, at_most=20.0)),
            charts.cumulative(spreads, Axis("ms")),
            charts.forest(apart, "minus", band=0.05),
            charts.forest([Difference("v", 1.2, 0.9, 1.5)], "times", ratio=True),
            charts.reliability([Line("s", [0.6, 0.9], [0.5, 0.95], [0.4, 0.9], [0.6, 0.99])]),
        ]
        assert all("<path" in canvas.svg(figure) for figure in figures)


def test_a_map_names_its_regions() -> None:
    winners = np.array([[0, 0, 1], [0, 1, -1]])
    text = canvas.svg(
        charts.regions(
            [1, 2, 3], [10, 20], winners, ["a/onnx", "b/onnx"], list(COLOURS[:2]), Axis("x"), Axis("y")
        )
    )
    assert "a/onnx" in text and "b/onnx" in text


def test_colours_belong_to_candidates_and_the_leading_keep_theirs() -> None:
    few = palette(["a", "b"], ["b", "a"], ["torch"])
    assert few.colour("a") == COLOURS[0] and few.colour("b") == COLOURS[1]
    names = [f"n{i}" for i in range(20)]
    many = palette(names, names[::-1], ["torch", "tflite", "coreml"])
    assert many.colour("n19") != REST and many.colour("n0") == REST
    assert len({many.marker(r) for r in ("torch", "tflite", "coreml")}) == 3
