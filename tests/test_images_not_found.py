"""Pictures that are there and not found: what is said names them, and its cure finds them."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from harness.datasets import image_csv, image_folder
from harness.record import DataError


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_DATA", str(tmp_path / "cache"))


def pictures(folder: Path, place: Callable[[str, int], str]) -> Path:
    random = np.random.default_rng(0)
    for label in ("cat", "dog"):
        for i in range(12):
            file = folder / place(label, i)
            file.parent.mkdir(parents=True, exist_ok=True)
            pixels = random.integers(0, 255, (8, 8, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(file, format="PNG")
    return folder


def test_pictures_of_kinds_that_are_not_read_are_named(tmp_path: Path) -> None:
    root = pictures(tmp_path / "p", lambda label, i: f"{label}/{i}.{'heic' if i else 'CR2'}")
    with pytest.raises(DataError, match=r"not read \(22 \.heic, 2 \.cr2\): save them as PNG or JPEG"):
        image_folder.load(path=str(root))


def test_pictures_in_no_folder_of_a_class_are_named(tmp_path: Path) -> None:
    root = pictures(tmp_path / "p", lambda label, i: f"{label}.{i}.png")
    with pytest.raises(DataError, match=r"24 images that lie in no folder of a class, 'cat\.0\.png'"):
        image_folder.load(path=str(root))


@pytest.mark.parametrize(
    "written",
    [
        lambda label, i: f"{label}/{i}",
        lambda label, i: f"{label}\\{i}.png",
        lambda label, i: f"/kaggle/input/set/{label}/{i}.png",
        lambda label, i: f"C:\\data\\{label}\\{i}.png",
        lambda label, i: f"./set/{label}/{i}",
    ],
    ids=["no ending", "backslash", "absolute", "windows", "folder above and no ending"],
)
def test_a_path_that_is_written_for_another_place_says_which_file_is_meant(
    tmp_path: Path, written: Callable[[str, int], str]
) -> None:
    root = pictures(tmp_path / "p", lambda label, i: f"{label}/{i}.png")
    rows = [(label, i) for label in ("cat", "dog") for i in range(12)]
    table = root / "labels.csv"
    table.write_text("image,label\n" + "".join(f"{written(label, i)},{label}\n" for label, i in rows))
    with pytest.raises(DataError, match=r"write it .*'cat/0\.png'") as caught:
        image_csv.load(path=str(table))
    cure = re.search(r"write it .*'(cat/0\.png)'", str(caught.value))
    assert cure and (root / cure[1]).is_file()
    table.write_text("image,label\n" + "".join(f"{label}/{i}.png,{label}\n" for label, i in rows))
    assert len(image_csv.load(path=str(table)).train) == 20


def test_a_name_without_its_folder_says_the_folder(tmp_path: Path) -> None:
    root = pictures(tmp_path / "p", lambda label, i: f"train/{label}{i}.png")
    (root / "labels.csv").write_text("image,label\ncat0.png,cat\ndog1.png,dog\n")
    with pytest.raises(DataError, match=r"write its folder too, 'train/cat0\.png'"):
        image_csv.load(path=str(root / "labels.csv"))


def test_a_picture_that_is_nowhere_is_to_be_put_beside_the_table(tmp_path: Path) -> None:
    root = pictures(tmp_path / "p", lambda label, i: f"{label}{i}.png")
    (root / "labels.csv").write_text("image,label\nlost.png,cat\ndog1.png,dog\n")
    with pytest.raises(DataError, match="names no file 'lost.png' .*: put it beside the table"):
        image_csv.load(path=str(root / "labels.csv"))
