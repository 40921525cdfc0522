"""Texts: rated sentences, own CSV and Parquet files, the Hub's repositories."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from harness.datasets import rated_sentences
from harness.datasets.catalog import notes
from harness.datasets.parts import checksum, load_parts, task_info
from harness.record import DataError


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_DATA", str(tmp_path / "cache"))


def write(
    path: Path, rows: list[tuple[Any, ...]], columns: tuple[str, ...] = ("text", "label"), **how: Any
) -> Path:
    frame = pd.DataFrame(rows, columns=list(columns))
    frame.to_parquet(path) if path.suffix == ".parquet" else frame.to_csv(path, index=False, **how)
    return path


def load(path: Path, **args: Any) -> Any:
    return load_parts({"name": "text_csv", "args": {"path": str(path), **args}, "validation": 0.2}, None)


def everything(parts: Any) -> dict[int, str]:
    splits = (parts.train, parts.validation, parts.test)
    return {int(i): text for split in splits for i, text in zip(split.ids, split.inputs, strict=True)}


ROWS = [(f"sentence number {i} is {'good' if i % 2 else 'bad'}", ("neg", "pos")[i % 2]) for i in range(40)]


@pytest.mark.parametrize("name", ["t.csv", "t.parquet"])
def test_own_texts_are_read_and_divided(tmp_path: Path, name: str) -> None:
    parts = load(write(tmp_path / name, ROWS))
    assert parts.task.class_names == ("neg", "pos") and parts.task.name == "text_classification"
    assert everything(parts) == {i: text for i, (text, _) in enumerate(ROWS)}
    assert isinstance(parts.train.inputs, list) and len(parts.test) == 8
    assert parts.task == task_info("text_csv", {"path": str(tmp_path / name)})


def test_numbers_with_decimals_are_no_classes_and_the_cure_predicts_them(tmp_path: Path) -> None:
    scored = [(text, round(0.37 * (place // 2 + place % 5) - 5, 2)) for place, (text, _) in enumerate(ROWS)]
    path = write(tmp_path / "scores.csv", scored, ("text", "score"))
    with pytest.raises(
        DataError, match=r"column 'score' holds 24 numbers from -5 to 3.51, each of which"
    ) as at:
        task_info("text_csv", {"path": str(path), "label": "score"})
    assert "`name: tabular_csv`, `target: score`, `features: [text]`" in str(at.value)
    args = {"path": str(path), "target": "score", "features": ["text"]}
    assert task_info("tabular_csv", args).name == "tabular_regression"
    stars = [(text, (place % 9 + 2) / 2) for place, (text, _) in enumerate(ROWS)]  # half stars are a scale
    assert load(write(tmp_path / "stars.csv", stars)).task.num_classes == 9


def test_classes_of_one_row_each_are_told(tmp_path: Path) -> None:
    rare = [(text, f"title {place}" if place % 2 else "none") for place, (text, _) in enumerate(ROWS)]
    found = notes("text_csv", {"path": str(write(tmp_path / "t.csv", rare))})
    assert any(note.startswith("20 of 21 classes of column 'label' have one row each") for note in found)
    assert not notes("text_csv", {"path": str(write(tmp_path / "u.csv", ROWS))})


def test_odd_texts_come_through_as_they_are(tmp_path: Path) -> None:
    odd = [
        "",
        "NA",
        "null",
        "1.0",
        "😀 emoji 🏳️‍🌈",
        "nul\x00byte",
        "two\nlines",
        'quo"te',
        "x" * 100_000,
        " spaces ",
        "ünïcödé",
    ]
    rows = [(text, ("a", "b")[i % 2]) for i, text in enumerate(odd)] + ROWS[:10]
    rows = [(text, {"neg": "a", "pos": "b"}.get(label, label)) for text, label in rows]
    found = everything(load(write(tmp_path / "t.csv", rows)))
    assert [found[i] for i in range(len(odd))] == odd


def test_texts_of_the_same_words_stay_on_one_side(tmp_path: Path) -> None:
    rows = [
        (text, label)
        for i in range(30)
        for text, label in ((f"Text {i}!", "a"), (f"text {i}", "a"), (f"word {i}", "b"))
    ]
    parts = load(write(tmp_path / "t.csv", rows))
    plain = [{t.lower().strip("!") for t in split.inputs} for split in (parts.train, parts.test)]
    assert not plain[0] & plain[1]


def test_texts_of_the_same_words_are_not_validated_on_either(tmp_path: Path) -> None:
    rows = [(f"Text {i % 60}" + "!" * (i // 60), ("a", "b")[i % 2]) for i in range(400)]
    parts = load(write(tmp_path / "t.csv", rows))
    words = [{text.strip("!") for text in split.inputs} for split in (parts.train, parts.validation)]
    assert words[0] and words[1] and not words[0] & words[1]


def test_the_order_of_a_file_changes_neither_its_test_part_nor_that_of_its_groups(tmp_path: Path) -> None:
    rows = [(*row, f"author {i // 4}") for i, row in enumerate(ROWS)]
    for columns, group in ((("text", "label", "author"), "author"), (("text", "label", "other"), None)):
        tests = []
        for name, order in (("a.csv", rows), ("b.csv", rows[::-1])):
            tests.append(set(load(write(tmp_path / name, order, columns), group=group).test.inputs))
        assert tests[0] == tests[1]


def test_groups_and_columns_can_be_named(tmp_path: Path) -> None:
    rows = [(*row, f"author {i // 4}", i) for i, row in enumerate(ROWS)]
    path = write(tmp_path / "t.csv", rows, ("text", "label", "author", "year"))
    parts = load(path, group="author", columns=["year"])
    authors = [{i // 4 for i in split.ids} for split in (parts.train, parts.validation, parts.test)]
    assert sum(map(len, authors)) == len(set.union(*authors)) == 10
    assert parts.test.columns["year"].tolist() == parts.test.ids.tolist()


def test_a_test_file_is_read_too_and_counts_for_the_checksum(tmp_path: Path) -> None:
    first, second = write(tmp_path / "t.csv", ROWS), write(tmp_path / "u.csv", ROWS[:6])
    args = {"path": str(first), "test_path": str(second)}
    before = checksum("text_csv", args)
    parts = load(first, test_path=str(second))
    assert len(parts.test) == 6 and parts.test.ids.tolist() == list(range(40, 46))
    assert parts.facts.duplicates["train_test"] + parts.facts.duplicates["validation_test"] == 6
    write(second, ROWS[:7])
    assert checksum("text_csv", args) != before


def test_numbers_may_be_labels(tmp_path: Path) -> None:
    parts = load(
        write(tmp_path / "t.csv", [(text, float(len(label) + i % 3)) for i, (text, label) in enumerate(ROWS)])
    )
    assert parts.task.class_names == ("3", "4", "5")


@pytest.mark.parametrize(
    ("content", "args", "message"),
    [
        ("text,label\na,x\nb,\nc,y\n", {}, r"column 'label' has no value in 1 of 3 rows \(rows 2\)"),
        ("text,label\na,x\nb,x\n", {}, "has one class, 'x': a classifier needs two or more"),
        ("txt,label\na,x\nb,y\n", {}, r"no column 'text', did you mean 'txt'\? it has 'txt', 'label'"),
        ("text,label\na,x\nb,y\n", {"text": "review"}, "no column 'review'; it has 'text', 'label'"),
        ("text,label\na,x\nb,y\n", {"group": "author"}, "no column 'author'"),
        ("text,label\na,x\nb,y\n", {"test_path": "absent.csv"}, "no file at .*absent.csv"),
        ("text,label\na,x\nb,y\n", {"test": 1.5}, "test is 1.5: write a share between 0 and 1"),
    ],
)
def test_a_file_that_cannot_be_used_says_why(
    tmp_path: Path, content: str, args: dict[str, Any], message: str
) -> None:
    (tmp_path / "t.csv").write_text(content)
    with pytest.raises(DataError, match=message):
        load(tmp_path / "t.csv", **args)


def test_a_bad_encoding_names_the_byte_and_the_cure(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", [("schön", "a"), ("gut", "b"), *ROWS], encoding="latin-1")
    with pytest.raises(DataError, match=r"is not utf-8: byte 0xf6 at \d+; write its encoding .* latin-1"):
        load(path)
    assert "schön" in everything(load(path, encoding="latin-1")).values()


def test_a_label_that_only_the_test_file_has_is_refused(tmp_path: Path) -> None:
    first, second = write(tmp_path / "t.csv", ROWS), write(tmp_path / "u.csv", [("x", "neg"), ("y", "mixed")])
    with pytest.raises(DataError, match="no training row has the label mixed: add some"):
        load(first, test_path=str(second))


def ratings_file(path: Path, lines: list[str]) -> Path:
    path.write_bytes("\r\n".join(lines).encode())
    return path


def test_rated_sentences_are_parsed_and_entities_resolved(tmp_path: Path) -> None:
    path = ratings_file(
        tmp_path / "f.txt", ["1_1\t-0.5\ta &amp;amp; b\u2028c", "1_2\t0\t tab\there ", "2_1\t3.25\tgreat"]
    )
    names, ratings, texts = rated_sentences.read_ratings(path)
    assert names == ["1_1", "1_2", "2_1"] and ratings.tolist() == [-0.5, 0.0, 3.25]
    assert texts == ["a & b c", "tab here", "great"]
    ratings_file(path, ["1\t0.5\tgood", "2\tbad line"])
    with pytest.raises(DataError, match=r"f.txt:2 holds no id, rating and text"):
        rated_sentences.read_ratings(path)


def rated(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, lines: list[str], **how: Any) -> Any:
    path = ratings_file(tmp_path / "f.txt", lines)
    monkeypatch.setattr(rated_sentences, "fetch_files", lambda files: {file.name: path for file in files})
    return rated_sentences.load_sentences(
        "tweets", **{"test": 0.3, "neutral": 0.0, "group_by": "words", **how}
    )


def test_neutral_sentences_are_left_out_and_ids_are_line_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = [f"{i}\t{(i % 5) - 2}\ttext {i}" for i in range(50)]
    data = rated(monkeypatch, tmp_path, lines)
    ids = np.concatenate([data.train.ids, data.test.ids])
    assert sorted(ids.tolist()) == [i for i in range(50) if i % 5 != 2]
    for split in (data.train, data.test):
        assert all(split.inputs[k] == f"text {i}" for k, i in enumerate(split.ids))
        assert np.array_equal(split.targets, (split.columns["rating"] > 0).astype(int))
    assert len(rated(monkeypatch, tmp_path, lines, neutral=1.0).train) < len(data.train)
    with pytest.raises(DataError, match="leaves no two classes"):
        rated(monkeypatch, tmp_path, lines, neutral=4.0)


def test_sentences_of_a_review_and_texts_of_the_same_words_do_not_straddle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = [f"{i // 4}_{i}\t{1 if i % 2 else -1}\ttext {i}" for i in range(80)]
    data = rated(monkeypatch, tmp_path, lines, group_by="review")
    assert not {i // 4 for i in data.train.ids} & {i // 4 for i in data.test.ids}
    twins = [
        f"{i}\t{1 if i % 4 < 2 else -1}\t{('Text %d!' if i % 2 else 'text, %d') % (i // 2)}"
        for i in range(80)
    ]
    data = rated(monkeypatch, tmp_path, twins)
    assert not {i // 2 for i in data.train.ids} & {i // 2 for i in data.test.ids}


@pytest.mark.parametrize(
    ("name", "rows", "reviews"),
    [
        ("movie_sentences", 10_568, None),
        ("tweets", 4_196, None),
        ("amazon_sentences", 3_610, 299),
        ("nyt_sentences", 4_946, 498),
    ],
)
def test_the_published_sentences_are_whole(
    name: str, rows: int, reviews: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HARNESS_DATA")
    try:
        parts = load_parts({"name": name, "validation": 1 / 9}, None)
    except DataError as error:
        if "no place has" not in str(error):
            raise
        pytest.skip(f"the sentences cannot be had here: {error}")
    splits = (parts.train, parts.validation, parts.test)
    assert sum(map(len, splits)) == rows
    assert len(parts.test) / rows == pytest.approx(0.1, abs=0.01)
    groups = [set(split.groups.tolist()) for split in splits if split.groups is not None]
    assert sum(map(len, groups)) == len(set.union(*groups))
    if reviews:
        assert len(set.union(*groups)) == reviews
    assert not any("&amp;" in text or "&quot;" in text for split in splits for text in split.inputs)


def hub_copy(
    folder: Path, name: str, parts: dict[str, list[tuple[str, int]]], text: str = "text"
) -> dict[str, Any]:
    """A local copy of a repository: its Parquet files as the Hub lays them out."""
    (folder / "data").mkdir(parents=True)
    for part, rows in parts.items():
        pd.DataFrame(rows, columns=[text, "label"]).to_parquet(
            folder / "data" / f"{part}-00000-of-00001.parquet"
        )
    return {"name": name, "args": {"path": str(folder)}, "validation": 0.2}


def hub_rows(n: int) -> list[tuple[str, int]]:
    return [(f"text {i}", i % 2) for i in range(n)]


@pytest.mark.parametrize(
    ("name", "text", "parts", "train", "test"),
    [
        ("imdb", "text", {"train": hub_rows(20), "test": hub_rows(10), "unsupervised": [("x", -1)]}, 20, 10),
        ("sst2", "sentence", {"train": hub_rows(20), "validation": hub_rows(8), "test": [("x", -1)]}, 20, 8),
        (
            "rotten_tomatoes",
            "text",
            {"train": hub_rows(20), "validation": hub_rows(6), "test": hub_rows(4)},
            26,
            4,
        ),
    ],
)
def test_the_hubs_data_sets_are_read_from_a_local_copy(
    tmp_path: Path, name: str, text: str, parts: Any, train: int, test: int
) -> None:
    pytest.importorskip("datasets", reason="the extra `text` is not installed")
    data = load_parts(hub_copy(tmp_path / "copy", name, parts, text), None)
    assert (len(data.train) + len(data.validation), len(data.test)) == (train, test)
    assert data.test.targets.max() == 1 and data.task.class_names == ("negative", "positive")


def test_a_copy_of_another_form_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("datasets", reason="the extra `text` is not installed")
    with pytest.raises(DataError, match="has no part 'test'"):
        load_parts(hub_copy(tmp_path / "a", "imdb", {"train": hub_rows(4)}), None)
    wrong = hub_copy(tmp_path / "b", "imdb", {"train": hub_rows(4), "test": hub_rows(4)}, "review")
    with pytest.raises(DataError, match="has no column text: it has"):
        load_parts(wrong, None)


def test_without_the_library_or_the_hub_the_cure_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(DataError, match=r"pip install -e '.\[text\]'"):
        load_parts({"name": "imdb"}, None)
    assert len({checksum(name) for name in ("imdb", "sst2", "rotten_tomatoes")}) == 3
    assert checksum("imdb") != checksum("imdb", {"revision": "abc"})
