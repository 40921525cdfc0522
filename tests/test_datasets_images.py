"""Images: own folders, Fashion-MNIST's IDX files, CIFAR-10's binary rows."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from harness.datasets import cifar10, decoding, fashion_mnist, image_folder
from harness.datasets.parts import checksum, load_parts, task_info
from harness.record import DataError

GREY, RED = (128, 128, 128), (255, 0, 0)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HARNESS_DATA", str(tmp_path / "cache"))
    return tmp_path / "cache"


def paint(
    path: Path, colour: tuple[int, int, int] = GREY, size: tuple[int, int] = (12, 8), **options: Any
) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(path, **options)


def folder(root: Path, counts: Mapping[str, int]) -> Path:
    """Images `<class>/<i>.png` of different greys, one per count."""
    number = 0
    for name, count in counts.items():
        for i in range(count):
            number += 1
            paint(root / name / f"{i}.png", (number, number, number))
    return root


def load(root: Path, **args: Any) -> Any:
    return load_parts({"name": "image_folder", "args": {"path": str(root), "size": 4, **args}}, None)


def test_a_folder_per_class_is_a_data_set_with_a_stratified_test_part(tmp_path: Path) -> None:
    parts = load(folder(tmp_path / "photos", {"cat": 20, "dog": 10}))
    assert parts.task.class_names == ("cat", "dog") and parts.task.input_shape == (3, 4, 4)
    assert np.bincount(parts.test.targets).tolist() == [4, 2]
    everything = np.concatenate([parts.train.ids, parts.validation.ids, parts.test.ids])
    assert sorted(everything.tolist()) == list(range(30))
    for split in (parts.train, parts.validation, parts.test):
        for image, target, file, row in zip(
            split.inputs, split.targets, split.columns["file"], split.ids, strict=True
        ):
            assert file.startswith(("cat", "dog")[target])
            assert image.min() == image.max()
            names = sorted(f"{c}/{i}.png" for c, n in (("cat", 20), ("dog", 10)) for i in range(n))
            assert names[row] == file


def test_test_and_train_folders_are_kept_apart(tmp_path: Path) -> None:
    folder(tmp_path / "photos/train", {"cat": 8, "dog": 8})
    folder(tmp_path / "photos/test", {"cat": 2, "dog": 3})
    parts = load(tmp_path / "photos")
    assert (len(parts.train) + len(parts.validation), len(parts.test)) == (16, 5)
    assert all(file.startswith("test/") for file in parts.test.columns["file"])


def test_a_class_may_be_called_train(tmp_path: Path) -> None:
    assert load(folder(tmp_path, {"bus": 5, "train": 5})).task.class_names == ("bus", "train")


def test_images_are_turned_upright_cropped_and_made_grey(tmp_path: Path) -> None:
    for name in "ab":
        for i in range(3):
            picture = Image.new("RGB", (40, 20), GREY)
            picture.paste(RED, (0, 0, 6, 20))  # red to the left, outside the middle square
            (tmp_path / name).mkdir(exist_ok=True)
            picture.save(tmp_path / name / f"{i}.png")
    colour = image_folder.decode(tmp_path / "a/0.png", (3, 8, 8))
    assert colour.shape == (3, 8, 8) and np.all(colour == 128)
    assert load(tmp_path, grey=True).train.inputs.shape[1:] == (1, 4, 4)
    turned = Image.new("RGB", (20, 20), GREY)
    turned.paste(RED, (0, 0, 20, 10))
    exif = turned.getexif()
    exif[0x0112] = 3  # taken upside down
    turned.save(tmp_path / "turned.png", exif=exif)
    upright = image_folder.decode(tmp_path / "turned.png", (3, 4, 4))
    assert upright[0, -1].min() == 255 and upright[0, 0].max() == 128


@pytest.mark.parametrize("kind", ["png", "tif", "pgm"])
def test_images_of_16_bits_keep_their_shades(tmp_path: Path, kind: str) -> None:
    shades = np.linspace(0, 65535, 64).reshape(8, 8).round().astype(np.uint16)
    file = tmp_path / f"grey.{kind}"
    if kind == "pgm":
        file.write_bytes(b"P5 8 8 65535\n" + shades.astype(">u2").tobytes())
    else:
        Image.fromarray(shades).save(file)
    for channels in (1, 3):
        decoded = image_folder.decode(file, (channels, 8, 8))
        np.testing.assert_allclose(decoded, np.broadcast_to(shades / 257, decoded.shape), atol=0.5)


@pytest.mark.parametrize("kind", [np.float32, np.int32])
def test_images_without_a_known_white_are_an_error_with_a_cure(tmp_path: Path, kind: type) -> None:
    Image.fromarray(np.ones((8, 8), kind)).save(tmp_path / "map.tif")
    with pytest.raises(DataError, match="save it with 8 or 16"):
        image_folder.decode(tmp_path / "map.tif", (1, 8, 8))


def test_images_are_decoded_once_until_one_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = folder(tmp_path / "photos", {"a": 4, "b": 4})
    before, planned = load(root), checksum("image_folder", {"path": str(root), "size": 4})
    monkeypatch.setattr(decoding, "decode", None)  # a second decoding would fail
    image_folder.load(path=str(root), size=4)
    monkeypatch.undo()
    monkeypatch.setenv("HARNESS_DATA", str(tmp_path / "cache"))
    paint(root / "a" / "0.png", RED)
    assert checksum("image_folder", {"path": str(root), "size": 4}) != planned
    again = load(root)
    images = [np.concatenate([p.train.inputs, p.validation.inputs, p.test.inputs]) for p in (before, again)]
    assert sum((images[0] != images[1]).any(axis=(1, 2, 3))) == 1
    with pytest.raises(DataError, match="has changed since the run was planned"):
        load_parts(
            {"name": "image_folder", "args": {"path": str(root), "size": 4}, "checksum": planned}, None
        )


def test_hidden_and_foreign_files_are_no_images(tmp_path: Path) -> None:
    root = folder(tmp_path, {"a": 3, "b": 3})
    (root / "a" / "notes.txt").write_text("hello")
    paint(root / ".thumbnails" / "x.png")
    paint(root / "b" / ".hidden" / "x.png")
    assert load(root).task.class_names == ("a", "b")
    assert len(load(root).train) + len(load(root).validation) + len(load(root).test) == 6


def test_images_that_cannot_be_read_are_named_all_at_once(tmp_path: Path, cache: Path) -> None:
    root = folder(tmp_path / "photos", {"a": 4, "b": 4})
    (root / "a" / "9.jpg").write_bytes(b"not an image")
    (root / "b" / "8.png").write_bytes((root / "b" / "0.png").read_bytes()[:40])
    (root / "b" / "empty.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"3 of 11 images cannot be read: delete or replace them") as caught:
        load(root)
    assert all(name in str(caught.value) for name in ("9.jpg", "8.png", "empty.png"))
    assert not list((cache / "decoded").glob("*.npy"))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda root: None, "no folder of images at"),
        (lambda root: root.mkdir(), "holds no images: put them into one folder per class"),
        (lambda root: root.write_text(""), "is a file: image_folder takes a folder"),
        (lambda root: folder(root, {"only": 3}), "holds one class, 'only'"),
        (
            lambda root: (folder(root / "train", {"a": 2, "b": 2}), folder(root / "test", {"c": 2})),
            "test has classes that train/ has not: c",
        ),
        (
            lambda root: (folder(root / "train", {"a": 2, "b": 2}), folder(root / "val", {"a": 2})),
            r"also val/: move these images into train/",
        ),
    ],
)
def test_a_folder_that_is_no_data_set_says_why(tmp_path: Path, make: Any, message: str) -> None:
    make(tmp_path / "photos")
    with pytest.raises(DataError, match=message):
        load(tmp_path / "photos")


def test_cifar10_rows_are_a_label_and_three_planes(tmp_path: Path) -> None:
    rows = np.zeros((2, 3073), np.uint8)
    rows[:, 0] = [3, 9]
    rows[0, 1 : 1 + 1024] = 200  # red
    rows[1, 1 + 2048 + 31] = 77  # blue, first line, last column
    (tmp_path / "rows.bin").write_bytes(rows.tobytes())
    split = cifar10.read_rows(tmp_path / "rows.bin")
    assert split.targets.tolist() == [3, 9] and split.inputs.shape == (2, 3, 32, 32)
    assert split.inputs[0, 0].min() == 200 and split.inputs[0, 1:].max() == 0
    assert split.inputs[1, 2, 0, 31] == 77


@pytest.mark.parametrize("content", [b"", b"\0" * 3072, b"\x0b" + b"\0" * 3072])
def test_damaged_cifar10_rows_are_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "rows.bin").write_bytes(content)
    with pytest.raises(DataError, match="delete it"):
        cifar10.read_rows(tmp_path / "rows.bin")


def test_cifar10s_archive_is_unpacked_in_order_and_a_foreign_one_refused(tmp_path: Path) -> None:
    path = tmp_path / "archive.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        for i in (2, 1):
            info = tarfile.TarInfo(f"cifar-10-batches-bin/data_batch_{i}.bin")
            info.size = 1
            tar.addfile(info, io.BytesIO(bytes([i])))
    assert cifar10.unpack(path, ("data_batch_1.bin", "data_batch_2.bin")) == b"\1\2"
    with pytest.raises(DataError, match="is not CIFAR-10's binary archive"):
        cifar10.unpack(path, ("data_batch_3.bin",))


def test_an_idx_file_is_read_by_its_header(tmp_path: Path) -> None:
    path = tmp_path / "idx"
    path.write_bytes(b"\0\0\x08\x02" + (2).to_bytes(4, "big") + (3).to_bytes(4, "big") + bytes(range(6)))
    assert fashion_mnist.read_idx(path).tolist() == [[0, 1, 2], [3, 4, 5]]
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DataError, match="does not hold"):
        fashion_mnist.read_idx(path)
    path.write_bytes(b"<html>")
    with pytest.raises(DataError, match="is not an IDX file"):
        fashion_mnist.read_idx(path)


def test_fashion_mnist_is_what_was_published(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HARNESS_DATA")  # the machine's own cache: it is 55 MB
    try:
        parts = load_parts({"name": "fashion_mnist", "validation": 0.1}, 10_000)
    except DataError as error:
        if "no place has" not in str(error):
            raise
        pytest.skip(f"Fashion-MNIST cannot be had here: {error}")
    assert (len(parts.train), len(parts.validation), len(parts.test)) == (10_000, 6_000, 10_000)
    assert set(parts.facts.class_counts["train"].values()) == {1000}
    assert set(parts.facts.class_counts["test"].values()) == {1000}
    assert parts.task == task_info("fashion_mnist") and parts.task.class_names[9] == "Ankle boot"
    assert parts.test.inputs.shape == (10_000, 1, 28, 28)
    assert parts.test.inputs.mean() == pytest.approx(73.15, abs=0.01)
