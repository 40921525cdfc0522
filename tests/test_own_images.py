"""Folders of images as people have them: parts by rule, transparency on a colour, sizes of their own."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image, ImageDraw

from harness.datasets import image_folder
from harness.protocols import Dataset
from harness.record import DataError


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_DATA", str(tmp_path / ".cache"))


def fill(folder: Path, count: int, size: tuple[int, int] = (8, 8)) -> None:
    """Some images, all different."""
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(count):
        Image.new("RGB", size, (i, len(folder.name), 7)).save(folder / f"{i}.png")


def load(root: Path, **args: Any) -> Dataset:
    return image_folder.load(path=str(root), **{"size": 8, **args})


PARTS = [
    ("Training", "Testing", None), ("train", "test", None), ("TRAIN", "TEST", None), ("Train", "Test", "Val"),
    ("training", "testing", "validation"), ("train", "test", "dev"), ("Train_set", "Test_set", "valid"),
    ("training_images", "test-images", None), ("trainset", "testset", "Valid"),
]  # fmt: skip


@pytest.mark.parametrize(("train", "test", "validation"), PARTS)
@pytest.mark.parametrize("nested", ["", "archive", "download/archive"])
def test_parts_are_known_by_rule_in_any_case_and_however_deep(
    tmp_path: Path, train: str, test: str, validation: str | None, nested: str
) -> None:
    root = tmp_path / "images"
    for label in ("left", "right"):
        fill(root / nested / train / label, 6)
        fill(root / nested / test / label, 2)
        if validation:
            fill(root / nested / validation / label, 3)
    data = load(root)
    assert data.task.class_names == ("left", "right")
    assert (len(data.train), len(data.test)) == (18 if validation else 12, 4)
    assert all(test in file for file in data.test.columns["file"])
    said = image_folder.notes(path=str(root), size=8)
    added = f"{validation}/ is added to the training part: the harness cuts the validation part itself"
    assert said == ((added,) if validation else ())


def test_parts_may_stand_inside_the_classes(tmp_path: Path) -> None:
    for label in ("left", "right"):
        fill(tmp_path / label / "Train", 6)
        fill(tmp_path / label / "Test", 2)
    data = load(tmp_path)
    assert (len(data.train), len(data.test)) == (12, 4) and data.task.class_names == ("left", "right")


def test_what_is_no_part_is_asked_about_and_the_cure_works(tmp_path: Path) -> None:
    for part in ("Training", "Holdout"):
        for label in ("left", "right"):
            fill(tmp_path / part / label, 5)
    with pytest.raises(DataError, match="holds Training/ and also Holdout/: .*`test_folder: Holdout`"):
        load(tmp_path)
    assert len(load(tmp_path, test_folder="Holdout").test) == 10
    for folder in ("a", "b"):
        fill(tmp_path / "other" / "Testing" / folder, 3)
    with pytest.raises(DataError, match="no folder to train on"):
        load(tmp_path / "other")


def test_classes_that_differ_in_case_are_one_or_are_stated(tmp_path: Path) -> None:
    for label, count in (("Cat", 9), ("cat", 4), ("dog", 6)):
        fill(tmp_path / "photos" / label, count)
    with pytest.raises(DataError, match=r"'Cat' \(9 rows\), 'cat' \(4 rows\): write `labels: \{cat: Cat\}`"):
        load(tmp_path / "photos")
    assert load(tmp_path / "photos", labels={"cat": "Cat"}).task.class_names == ("Cat", "dog")
    assert load(tmp_path / "photos", labels={"cat": "cat", "Cat": "Cat"}).task.num_classes == 3
    for label in ("cat", "dog"):
        fill(tmp_path / "more/train" / label, 5)
        fill(tmp_path / "more/test" / label.capitalize(), 2)
    with pytest.raises(
        DataError, match="test has classes that train/ has not: Cat, Dog: .* write `labels:"
    ) as caught:
        load(tmp_path / "more")
    cure = yaml.safe_load(str(caught.value).split("`")[-2])
    assert len(load(tmp_path / "more", **cure).test) == 4


def shape(kind: str, alpha: int = 255) -> Image.Image:
    """A mask of a circle or a square."""
    mask = Image.new("L", (32, 32), 0)
    draw = ImageDraw.Draw(mask)
    (draw.ellipse if kind == "circle" else draw.rectangle)((6, 6, 26, 26), fill=alpha)
    return mask


def rgba(kind: str) -> Image.Image:
    image = Image.new("RGB", (32, 32), (30, 30, 30))  # the same colour inside and outside
    image.putalpha(shape(kind))
    return image


def grey_alpha(kind: str) -> Image.Image:
    image = Image.new("L", (32, 32), 30)
    image.putalpha(shape(kind))
    return image


def palette(kind: str) -> Image.Image:
    """One colour twice, of which one is transparent."""
    image = Image.new("P", (32, 32), 0)
    image.putpalette([30, 30, 30, 30, 30, 30])
    image.paste(1, (0, 0), shape(kind))
    image.info["transparency"] = 0
    return image


CUT_OUT: dict[str, tuple[Callable[[str], Image.Image], str]] = {
    "rgba": (rgba, "png"),
    "grey": (grey_alpha, "png"),
    "palette": (palette, "png"),
    "gif": (palette, "gif"),
    "webp": (rgba, "webp"),
    "tif": (rgba, "tif"),
}


@pytest.mark.parametrize("name", CUT_OUT)
def test_transparent_pixels_show_the_background(tmp_path: Path, name: str) -> None:
    make, suffix = CUT_OUT[name]
    options = (
        {"lossless": True} if suffix == "webp" else {"transparency": 0} if name in ("palette", "gif") else {}
    )
    for kind in ("circle", "square"):
        (tmp_path / kind).mkdir()
        for i in range(4):
            make(kind).save(tmp_path / kind / f"{i}.{suffix}", **options)
    for colour, value in (("white", 255), ("#000000", 0), ("#0000ff", 0)):
        data = load(tmp_path, size=32, background=colour)
        images = {
            kind: data.train.inputs[data.train.targets == i][0]
            for i, kind in enumerate(data.task.class_names)
        }
        assert images["circle"][0, 0, 0] == value and abs(int(images["circle"][0, 16, 16]) - 30) <= 1
        assert abs(int(images["square"][0, 7, 7]) - 30) <= 1 and images["circle"][0, 7, 7] == value
        assert (images["circle"] != images["square"]).any()
    with pytest.raises(DataError, match="background is 'wite': write a colour, for instance white"):
        load(tmp_path, background="wite")
    (note,) = image_folder.notes(path=str(tmp_path), size=32)
    assert note.startswith("8 of 8 images looked at have transparent pixels: they are laid on white")


@pytest.mark.parametrize("mode", ["CMYK", "1", "L", "P", "RGB", "LA", "YCbCr"])
def test_opaque_images_of_all_modes_keep_their_colour(tmp_path: Path, mode: str) -> None:
    grey = Image.new("RGB", (8, 8), (255, 255, 255)).convert(mode)
    grey.save(tmp_path / "x.tif" if mode in ("CMYK", "YCbCr") else tmp_path / "x.png")
    (file,) = tmp_path.glob("x.*")
    assert image_folder.decode(file, (3, 8, 8)).min() >= 254


@pytest.mark.parametrize(("orientation", "red"), [(1, "top"), (3, "bottom"), (6, "right"), (8, "left")])
def test_images_stand_upright(tmp_path: Path, orientation: int, red: str) -> None:
    picture = Image.new("RGB", (16, 16), (0, 0, 0))
    picture.paste((255, 0, 0), (0, 0, 16, 4))
    exif = picture.getexif()
    exif[0x0112] = orientation
    picture.save(tmp_path / "x.png", exif=exif)
    image = image_folder.decode(tmp_path / "x.png", (3, 16, 16))[0]
    sides = {"top": image[0], "bottom": image[-1], "left": image[:, 0], "right": image[:, -1]}
    assert {side for side, pixels in sides.items() if pixels.min() == 255} == {red}


@pytest.mark.parametrize(
    ("sizes", "side"), [([(20, 30), (24, 24), (40, 28)], 24), ([(500, 400)], 256), ([(17, 90)], 17)]
)
def test_the_size_is_the_median_of_the_files_and_plan_says_so(
    tmp_path: Path, sizes: list[tuple[int, int]], side: int
) -> None:
    for label in ("a", "b"):
        for i, size in enumerate(sizes):
            (tmp_path / label).mkdir(exist_ok=True)
            Image.new("RGB", size, (9 * i, 0, 0)).save(tmp_path / label / f"{i}.png")
    assert load(tmp_path, size=None, test=0.5).task.input_shape == (3, side, side)
    note, *others = image_folder.notes(path=str(tmp_path))
    long = (
        "2 of 2 images looked at are 2 times as long as wide, or longer: of each the middle square is taken"
    )
    assert [said.startswith(long) for said in others] == [True] * (sizes == [(17, 90)])
    assert note.startswith(f"images are {side}×{side} pixels: the median shorter side of the files is ")
    assert load(tmp_path, size=12, test=0.5).task.input_shape == (3, 12, 12)


# ------------------------------------------------------------- what must not be left aside in silence


def two_classes(root: Path) -> Path:
    for label in ("a", "b"):
        fill(root / label, 5)
    return root


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("photo.heic", b"\0\0\0\x18ftypheic"), ("scan.DCM", b"DICM"), ("no_ending", b"\x89PNG\r\n"),
        ("photo.jpg_large", b"\xff\xd8\xff\xe0"), ("drawing.svg", b"<svg/>"),
    ],
)  # fmt: skip
def test_pictures_of_a_kind_that_is_not_read_are_refused_by_name(
    tmp_path: Path, name: str, content: bytes
) -> None:
    (two_classes(tmp_path) / "b" / name).write_bytes(content)
    with pytest.raises(
        DataError, match=rf"b holds pictures of a kind or ending that is not read \(1: b/{name}"
    ):
        load(tmp_path)


@pytest.mark.parametrize("name", ["a.txt", "labels.csv", "Thumbs.db", ".hidden.heic", "notes.unknown"])
def test_what_is_no_picture_may_lie_beside_them(tmp_path: Path, name: str) -> None:
    (two_classes(tmp_path) / "a" / name).write_bytes(b"a text")
    assert image_folder.load(path=str(tmp_path), size=8).task.num_classes == 2
    assert image_folder.notes(path=str(tmp_path), size=8) == ()


@pytest.mark.parametrize("ending", [".jfif", ".jpe", ".JPG", ".avif", ".jp2", ".tga"])
def test_endings_of_the_same_kinds_are_read(tmp_path: Path, ending: str) -> None:
    two_classes(tmp_path)
    kinds = {
        ".jfif": "JPEG",
        ".jpe": "JPEG",
        ".jpg": "JPEG",
        ".avif": "AVIF",
        ".jp2": "JPEG2000",
        ".tga": "TGA",
    }
    image = Image.new("RGB", (8, 8), (200, 40, 40))
    image.save(tmp_path / "a" / f"x{ending}", format=kinds[ending.lower()])
    data = load(tmp_path, test=0.1)
    names = [*data.train.columns["file"], *data.test.columns["file"]]
    pixels = [*data.train.inputs, *data.test.inputs][names.index(f"a/x{ending}")]
    assert abs(pixels.reshape(3, -1).mean(1) - (200, 40, 40)).max() < 4


def test_links_to_images_and_classes_are_followed_and_others_refused(tmp_path: Path) -> None:
    fill(tmp_path / "elsewhere", 4)
    root = two_classes(tmp_path / "root")
    (root / "b" / "linked.png").symlink_to(tmp_path / "elsewhere" / "0.png")
    (root / "c").symlink_to(tmp_path / "elsewhere")
    assert image_folder.class_counts(path=str(root)) == {"a": 5, "b": 6, "c": 4}
    (root / "b" / "gone.png").symlink_to(tmp_path / "nowhere.png")
    (root / "a" / "in").mkdir()
    (root / "a" / "in" / "deep").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(DataError) as caught:
        load(root)
    assert "a holds links to folders, which are not followed (1: a/in/deep)" in str(caught.value)
    assert "b holds links to files that are not there (1: b/gone.png)" in str(caught.value)


def test_plan_says_what_is_of_no_class_and_what_is_of_the_outer_one(tmp_path: Path) -> None:
    fill(two_classes(tmp_path) / "a" / "inner", 3)
    Image.new("RGB", (8, 8)).save(tmp_path / "lost.png")
    (tmp_path / "c").mkdir()
    assert image_folder.notes(path=str(tmp_path), size=8) == (
        "1 image beside the folders of the classes (lost.png): not used",
        "c/ holds no images: it is no class",
        "images in folders inside of a class are of that class: a/ (3)",
    )


def test_images_of_12_bits_are_refused_and_the_cure_shows_them(tmp_path: Path) -> None:
    ramp = np.linspace(0, 4095, 64).reshape(8, 8).astype(np.uint16)
    for label, ending in (("a", "png"), ("b", "tif")):
        (tmp_path / label).mkdir()
        for i in range(5):
            Image.fromarray(ramp).save(tmp_path / label / f"{i}.{ending}")
    with pytest.raises(DataError, match=r"reach 4095 at most, where 65535 is white: .* write `white: 4095`"):
        load(tmp_path)
    data = load(tmp_path, white=4095, grey=True)
    np.testing.assert_array_equal(data.train.inputs[0, 0], np.round(ramp / 4095 * 255))
    with pytest.raises(DataError, match="white is 0"):
        load(tmp_path, white=0)


def test_of_several_pictures_in_a_file_the_first_is_taken_and_plan_says_so(tmp_path: Path) -> None:
    red, blue = (Image.new("RGB", (8, 8), colour) for colour in ((255, 0, 0), (0, 0, 255)))
    two_classes(tmp_path)
    red.save(tmp_path / "a" / "x.tif", save_all=True, append_images=[blue])
    said = image_folder.notes(path=str(tmp_path), size=8)
    assert said == ("1 of 11 files looked at hold several pictures: the first is taken",)
    data = load(tmp_path, test=0.1)
    names = [*data.train.columns["file"], *data.test.columns["file"]]
    assert [*data.train.inputs, *data.test.inputs][names.index("a/x.tif")][:, 0, 0].tolist() == [255, 0, 0]


def test_a_turned_image_with_transparency_stands_upright_on_the_background(tmp_path: Path) -> None:
    turned = Image.Exif()
    turned[0x112] = 6  # the camera was held upright: what was on the left comes on top
    image = Image.new("RGBA", (16, 16), (0, 0, 0, 0))
    ImageDraw.Draw(image).rectangle((0, 0, 7, 15), fill=(255, 0, 0, 255))
    two_classes(tmp_path)
    for ending in ("png", "webp"):
        image.save(tmp_path / "a" / f"x.{ending}", exif=turned, lossless=True)
        seen = image_folder.decode(tmp_path / "a" / f"x.{ending}", (3, 16, 16))
        assert seen[:, 0, 8].tolist() == [255, 0, 0] and seen[:, 15, 8].tolist() == [255, 255, 255]


def png_of_16_bits(path: Path, pixels: np.ndarray) -> None:
    """A colour PNG of 16 bits, which Pillow reads and does not write."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        )

    height, width, _ = pixels.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    head = struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)
    path.parent.mkdir(parents=True, exist_ok=True)
    parts = chunk(b"IHDR", head), chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))


@pytest.mark.parametrize(("top", "is_dark"), [(4095, True), (65535, False)])
def test_colour_images_of_16_bits_that_use_12_are_refused(tmp_path: Path, top: int, is_dark: bool) -> None:
    ramp = np.linspace(0, top, 192).reshape(8, 8, 3).astype(np.uint16)
    for name in ("cat/1.png", "cat/2.png", "dog/3.png", "dog/4.png"):
        png_of_16_bits(tmp_path / name, ramp)
    if is_dark:
        with pytest.raises(DataError, match="colour images of 16 bits reach 4095 at most, .* nearly black"):
            load(tmp_path)
    else:
        np.testing.assert_array_equal(load(tmp_path).train.inputs[0], (ramp >> 8).transpose(2, 0, 1))
