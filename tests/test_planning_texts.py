"""What a plan says of texts that are read in part, or cut where no words end."""

from __future__ import annotations

import csv
import unicodedata
from pathlib import Path

import pytest

from harness.planning.notes import plan_notes
from harness.reading import read_suite

CANDIDATES = """
  tfidf: "sklearn:LogisticRegression"
  bilstm: bilstm
  long: {model: transformer_encoder, args: {max_length: 400}}
"""
CHINESE = "\u5c0f\u718a\u5b9d\u5b9d\u6211\u89c9\u5f97\u5b69\u5b50\u4e0d\u559c\u6b22"
HINDI = "\u0939\u093f\u0928\u094d\u0926\u0940 \u0915\u0940 \u0915\u093f\u0924\u093e\u092c"
FRENCH = "\u00e9t\u00e9 \u00e0 c\u00f4t\u00e9 d\u00e9j\u00e0"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_DATA", str(tmp_path / "cache"))


def notes(folder: Path, texts: list[str], candidates: str = CANDIDATES) -> list[str]:
    with (folder / "texts.csv").open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([("text", "label"), *((t, "ab"[k % 2]) for k, t in enumerate(texts))])
    (folder / "suite.yaml").write_text(
        "name: noted\ntask: text_classification\n"
        "data: {name: text_csv, args: {path: texts.csv}}\n"
        f"candidates: {candidates}\n"
    )
    return [note for note in plan_notes(read_suite(folder / "suite.yaml")) if note.startswith("texts: ")]


def test_texts_that_a_network_reads_in_part_are_counted_for_each_length(tmp_path: Path) -> None:
    lengths = [50] * 60 + [200] * 30 + [500] * 10
    said = notes(tmp_path, [" ".join(f"w{k}x{i}" for i in range(n)) for k, n in enumerate(lengths)])
    assert [note.partition(",")[0] for note in said] == [
        "texts: 40% have more than 128 words",
        "texts: 10% have more than 400 words",
    ]
    assert "bilstm reads at most the first 128, and who counts words all: `max_length` in args" in said[0]
    assert "long reads at most the first 400" in said[1]


def test_short_texts_of_words_between_spaces_are_nothing_to_speak_of(tmp_path: Path) -> None:
    assert notes(tmp_path, [f"{FRENCH} {k}" for k in range(60)]) == []


@pytest.mark.parametrize(
    ("text", "said", "cure"),
    [
        (CHINESE, "100% of the letters are of scripts without spaces between words", "analyzer: char,"),
        (HINDI, "46% of the signs of words are marks that combine", "analyzer: char_wb,"),
        (unicodedata.normalize("NFD", FRENCH), "compose accents that are written as two signs", "char_wb"),
    ],
    ids=["Chinese", "Hindi", "accents apart"],
)
def test_words_that_are_none_are_told_with_a_cure_and_not_where_it_was_followed(
    text: str, said: str, cure: str, tmp_path: Path
) -> None:
    texts = [f"{text} {k}" for k in range(60)]
    found = notes(tmp_path, texts)
    assert len(found) == 1 and said in found[0] and cure in found[0] and "tfidf, bilstm, long" in found[0]
    cured = (
        '{tfidf: {model: "sklearn:LogisticRegression", args: {tfidf: {analyzer: char, ngram_range: [1, 2]}}}}'
    )
    assert notes(tmp_path, texts, cured) == []
