"""Several labels in one cell are several labels, not a class of their own."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from PIL import Image

from harness.datasets import image_csv, image_folder, tabular_csv, text_csv
from harness.datasets.labels import check_single
from harness.record import DataError


@pytest.mark.parametrize("mark", ["|", ";", ", ", "/", "+", " & "])
def test_joined_labels_are_refused_with_the_number_of_labels_there_are(mark: str) -> None:
    labels = ["toxic", "rude", "none", f"toxic{mark}rude", f"rude{mark}spam", f"toxic{mark}rude{mark}spam"]
    found = check_single(Counter(labels), "comments.csv: column 'label'")
    assert len(found) == 1 and "6 classes instead of 4" in found[0] and "3 rows" in found[0]


@pytest.mark.parametrize(
    "labels",
    [
        ["n/a", "yes", "no"],
        ["TCP/IP", "UDP", "HTTP"],
        ["chicken, fried", "beef", "fish & chips"],
        ["C++", "C", "Java"],
        ["<=50K", ">50K"],
    ],
)
def test_names_with_marks_of_their_own_are_classes(labels: list[str]) -> None:
    assert check_single(Counter(labels), "x") == []


def test_the_cure_works_where_the_joined_labels_are_meant_as_classes(tmp_path: Path) -> None:
    file = tmp_path / "comments.csv"
    kinds = ["toxic", "rude", "toxic|rude"]
    file.write_text("text,label\n" + "".join(f"comment {i},{kinds[i % 3]}\n" for i in range(60)))
    with pytest.raises(DataError, match=r"several labels in one cell \(.toxic.rude.; 20 rows\).*labels: "):
        text_csv.task(path=str(file))
    task = text_csv.task(path=str(file), labels={"toxic|rude": "toxic and rude"})
    assert task.class_names == ("rude", "toxic", "toxic and rude")


def said_of_classes(path: Path, cells: list[str], **args: object) -> str:
    """What is refused of texts with such labels; the classes where nothing is."""
    rows = [f"what somebody said of number {i};{cell}" for i, cell in enumerate(cells * 3)]
    path.write_text("\n".join(["text;label", *rows]) + "\n")
    try:
        return " ".join(text_csv.task(path=str(path), **args).class_names)
    except DataError as error:
        return str(error)


def test_numbers_with_a_decimal_comma_are_not_told_to_be_several_labels(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    scores = [f"{number // 10},{number % 10}" for number in range(-49, 50, 3)]
    said = said_of_classes(path, scores)
    assert "holds 33 numbers from -5.7 to 4.7, each of which would be a class" in said
    assert '`name: tabular_csv`, `target: label`, `features: [text]`, `decimal: ","`' in said
    args = {"path": str(path), "target": "label", "features": ["text"], "decimal": ","}
    assert tabular_csv.task(**args).name == "tabular_regression"
    assert said_of_classes(path, ["1,0", "1,5", "2,0", "2,5"]) == "1,0 1,5 2,0 2,5"  # half stars


def test_where_two_labels_may_be_one_number_both_ways_to_go_on_are_told(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    said = said_of_classes(path, ["1", "1,2", "2", "2,3"])
    assert "numbers with a decimal comma, or two labels in one cell ('1,2', '2,3'; 6 rows)" in said
    assert (
        'for labels write `task: multilabel_classification` and, under data, `label_separator: ","`' in said
    )
    assert 'for classes that are numbers name them, `labels: {"1,2": "1.2", …}`' in said
    assert said_of_classes(path, ["1", "1,2", "2", "2,3"], label_separator=",") == "1 2 3"
    named = {"1,2": "1.2", "2,3": "2.3"}
    assert said_of_classes(path, ["1", "1,2", "2", "2,3"], labels=named) == "1 1.2 2 2.3"
    many = [f"{a},{b}" for a in range(1, 8) for b in range(a + 1, 9)]
    said = said_of_classes(path, [*map(str, range(1, 9)), *many])  # pairs of eight labels
    assert "two labels in one cell" in said and "to predict the number from the words write" in said


def test_a_test_part_without_rows_of_a_class_is_told(tmp_path: Path) -> None:
    def rows(kinds: str) -> str:
        return "text,label\n" + "".join(f"comment {i} {kinds},{kinds[i % len(kinds)]}\n" for i in range(24))

    for name, kinds in (("train.csv", "abcd"), ("some.csv", "ab"), ("all.csv", "abcd")):
        (tmp_path / name).write_text(rows(kinds))
    args = {"path": str(tmp_path / "train.csv"), "test_path": str(tmp_path / "some.csv")}
    said = "the test part has nothing of 2 of 4 classes ('c', 'd'): no figure says how they are found"
    assert any(note.startswith(said) for note in text_csv.notes(**args))
    assert not text_csv.notes(**{**args, "test_path": str(tmp_path / "all.csv")})
    assert not text_csv.notes(path=args["path"])
    for part, label in (("train", "cat"), ("train", "dog"), ("test", "cat")):
        (tmp_path / "img" / part / label).mkdir(parents=True)
        for number in range(3):
            Image.new("L", (4, 4), number).save(tmp_path / "img" / part / label / f"{part}{number}.png")
    found = image_folder.notes(path=str(tmp_path / "img"), size=4)
    assert found[0].startswith("the test part has nothing of 1 of 2 classes ('dog')")


def test_a_row_for_each_label_is_told_to_be_several_labels(tmp_path: Path) -> None:
    def said(kinds: list[str]) -> tuple[str, ...]:
        rows = [
            f"comment {i},{label}" for i in range(30) for label in kinds[: 1 + (i % 2) * (len(kinds) > 1)]
        ]
        (tmp_path / "t.csv").write_text("\n".join(["text,label", *rows, "other,spam", "more,spam"]) + "\n")
        return text_csv.notes(path=str(tmp_path / "t.csv"))

    assert said(["rude", "spam"])[0].startswith("15 of 32 texts stand in several rows under other labels")
    assert not said(["rude", "rude"])
    for number in range(6):
        Image.new("L", (4, 4), number).save(tmp_path / f"{number}.png")
    rows = [f"{number}.png,{label}" for number in range(6) for label in ("cat", "dog")]
    (tmp_path / "i.csv").write_text("\n".join(["image,label", *rows]) + "\n")
    (note,) = image_csv.notes(path=str(tmp_path / "i.csv"), size=4)
    assert note.startswith("6 of 6 images stand in several rows") and "`label_separator: " in note
