"""The page for every reader: names of twins, contrast, words for those who see no picture, the glossary."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import harness.report
from harness.report.blocks import Cell, Column, Table, section
from harness.report.glossary import GLOSSARY, meaning, terms_in
from harness.report.pictures import told
from harness.report.plots import Line
from harness.report.short_names import short_names

CSS = (Path(harness.report.__file__).parent / "style.css").read_text(encoding="utf-8")
TEXT = ("ink", "muted", "accent", "good", "bad", "warn")


def test_names_that_do_not_fit_keep_their_ends_and_twins_stay_apart() -> None:
    twins = ["two_tower_hnsw_wide_and_deep_margin/torch", "two_tower_flat_wide_and_deep_margin/torch"]
    short = short_names([*twins, "cnn/onnx"], 22)
    assert short["cnn/onnx"] == "cnn/onnx"
    assert len(set(short.values())) == 3 and all(len(name) <= 22 for name in short.values())
    assert "hnsw" in short[twins[0]] and "flat" in short[twins[1]]
    alone = short_names(["a_name_of_some_length_for_a_network/onnx-int8"], 22)
    assert next(iter(alone.values())).endswith("/onnx-int8")


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("mode", [0, 1], ids=["light", "dark"])
def test_every_colour_of_text_has_the_contrast_that_wcag_aa_asks_for(mode: int) -> None:
    block = re.findall(r":root \{(.*?)\}", CSS, re.DOTALL)[mode]
    colours = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", block))
    pairs = [(name, ground) for name in TEXT for ground in ("paper", "mark")]
    for name, ground in [*pairs, ("warn", "warn-wash"), ("ink", "wash"), ("muted", "wash")]:
        light, dark = sorted((luminance(colours[name]), luminance(colours[ground])), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 4.5, f"{name} on {ground}"
    assert "color: var(--faint)" not in CSS.replace("border-color: var(--faint)", "")


def test_on_paper_nothing_in_a_table_is_larger_than_its_figures() -> None:
    """Intervals kept their size of the screen: 9.4 points beside figures of 7.5."""
    paper = CSS.split("@media print {")[1]
    rule = re.search(r"([^{};]*table \.ci[^{]*)\{ font-size: ([\d.]+)em; \}", paper)
    assert rule is not None and float(rule[2]) < 1
    assert all(part in rule[1] for part in ("table .pill", "thead th", "td.num.muted"))


def test_words_in_the_place_of_an_interval_do_not_widen_a_column() -> None:
    """Three of five candidates were out of sight: `no interval (one class lies wholly beyond the other)`."""
    cells = (Cell("0.99", "no interval (one class lies wholly beyond the other)"), Cell("0.98", "0.95–1.00"))
    made = section("x", [Table((Column("a"), Column("b")), (cells,))])
    assert made is not None
    assert '<span class="ci words">no interval' in made.html and '<span class="ci">0.95' in made.html
    assert re.search(r"\.ci\.words \{[^}]*white-space: normal", CSS)


def test_the_words_for_a_picture_say_what_is_seen_in_it() -> None:
    lines = [Line("cnn", [1, 10], [0.5, 9.1]), Line("vit", [1], [2.0])]
    assert told("p99 by load", lines) == "p99 by load. cnn: 0.500 at 1 to 9.10 at 10; vit: 2 at 1."


def test_the_glossary_has_the_terms_that_the_page_uses_and_no_others() -> None:
    assert "99 of 100" in meaning("p99 latency") and "list" in meaning("NDCG@10") and meaning("variant")
    assert meaning("decision") == ""
    found = terms_in(["<p>p99 latency and <b>NDCG@10</b></p><svg><text>McNemar</text></svg>"])
    assert list(found) == ["NDCG", "p99 latency"]
    assert all(words.endswith(".") for words in GLOSSARY.values())


def test_precision_of_a_list_and_of_a_class_and_of_numbers_are_three_things() -> None:
    """`precision@10` was "of what was said to be of a class", and so was fp32."""
    assert meaning("precision@10") == "The share of the first 10 items that a user wants."
    assert "first 20" in meaning("recall@20") and "class" in meaning("recall")
    assert meaning("number format") == "" and "precision" not in terms_in(["<p>precision@10</p>"])
