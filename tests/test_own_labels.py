"""Several labels in one cell are several labels, not a class of their own."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from harness.datasets import text_csv
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
