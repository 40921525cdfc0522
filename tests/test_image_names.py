"""Images whose files' names say which of them belong together."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from harness.datasets import image_folder
from harness.datasets.image_names import belonging, keys_of
from harness.record import DataError
from tests.first_suites import First


def shades(folder: Path, names: list[str], label: str) -> None:
    (folder / label).mkdir(parents=True, exist_ok=True)
    for i, name in enumerate(names):
        Image.new("RGB", (8, 8), (i % 256, i // 256, len(label))).save(folder / label / name)


def test_images_of_one_person_stand_on_one_side(first: First) -> None:
    for label, start in (("ill", 0), ("well", 20)):
        shades(
            Path("xrays"), [f"person{start + p}_bacteria_{i}.png" for p in range(20) for i in range(4)], label
        )
    code, said, suite = first("xrays")
    assert code == 0, said
    assert "names of files say which images belong together" in said
    args = {key: value for key, value in suite["data"].items() if key not in ("name", "size")}
    data = image_folder.load(**args, size=8)
    train, test = (
        {re.search(r"person\d+", f)[0] for f in part.columns["file"]} for part in (data.train, data.test)
    )  # type: ignore[index]
    assert len(test) == 8 and not train & test
    assert data.test.groups is not None and len(np.unique(data.test.groups)) == 8, "which are 8 units, not 32"


COPIES = {
    "roboflow": [f"IMG_{i}_jpg.rf.{i:03d}{k}a9e8f7c6b5d4.jpg" for i in range(30) for k in range(3)],
    "suffixes": [f"{i}{end}.png" for i in range(30) for end in ("", "_flip", "_rot90", "-aug_2")],
    "some": [f"{i}.png" for i in range(60)] + [f"{i}_flipped.png" for i in range(12)],
    "frames": [f"video_{i}_frame{k:04d}.jpg" for i in range(20) for k in range(9)],
}


@pytest.mark.parametrize("kind", COPIES)
def test_copies_of_a_photograph_and_frames_of_a_film_are_known_by_their_names(kind: str) -> None:
    names = [f"{label}/{name}" for label in ("cat", "dog") for name in COPIES[kind]]
    found = belonging(names)
    assert found is not None
    keys = keys_of(names, found.pattern)
    whole = {"roboflow": 60, "suffixes": 60, "some": 120, "frames": 20}[kind]
    assert len(set(keys)) == whole


@pytest.mark.parametrize(
    "names",
    [
        [f"cat.{i}.jpg" for i in range(60)],
        [f"IMG_{i:04d}.JPG" for i in range(60)],
        [f"person_{i:04d}.png" for i in range(60)],
        [f"{crop}_crop_{i}.png" for crop in ("maize", "wheat", "rice") for i in range(30)],
        [f"rose-dark-{i}.png" for i in range(60)],
        [f"n0153{i % 3}_{i}.JPEG" for i in range(60)],
    ],
    ids=["numbers", "camera", "a person each", "crops of fields", "dark roses", "synsets"],
)
def test_names_that_say_nothing_of_what_belongs_together_are_left_alone(names: list[str]) -> None:
    assert belonging([f"a/{name}" for name in names]) is None


def test_a_folder_says_that_its_names_tell_copies_which_it_divides(tmp_path: Path) -> None:
    for label in ("cat", "dog"):
        shades(tmp_path / "pets", COPIES["suffixes"], label)
    said = " ".join(image_folder.notes(path=str(tmp_path / "pets"), size=8))
    assert "240 of 240 images are copies of one photograph with others (60 groups" in said
    found = belonging([f"cat/{name}" for name in COPIES["suffixes"]])
    assert found is not None
    assert "copies" not in " ".join(
        image_folder.notes(path=str(tmp_path / "pets"), size=8, group=found.pattern)
    )
    with pytest.raises(DataError, match="is in no file's name"):
        image_folder.load(path=str(tmp_path / "pets"), size=8, group="patient")
    with pytest.raises(DataError, match="no regular expression"):
        image_folder.load(path=str(tmp_path / "pets"), size=8, group="(")


def test_numbers_that_begin_again_in_each_class_are_of_nobody() -> None:
    scans = [f"{kind}/scan_{k:03d}.png" for kind in ("yes", "no") for k in range(40)]
    faces = [f"subject{k:02d}/subject{k:02d}.{mood}.png" for k in range(15) for mood in "abc"]
    assert belonging(scans) is None and belonging(faces) is None
    frames = [f"{kind}/video_{k}_frame{i}.png" for kind in ("yes", "no") for k in range(12) for i in range(5)]
    assert belonging(frames) is not None


def test_a_group_that_is_the_class_is_refused_before_all_of_one_is_tested_on(tmp_path: Path) -> None:
    for label in ("cat", "dog"):
        shades(tmp_path / "pets", [f"{label}_{i}.png" for i in range(30)], label)
    for group in ("(cat|dog)", "^(.*)/"):
        for asked in (image_folder.notes, image_folder.load):
            with pytest.raises(
                DataError, match="finds 1 group in the images of class 'cat'.* leave `group` out"
            ):
                asked(path=str(tmp_path / "pets"), size=8, group=group)
