"""Own images: one folder per class, no code.

    photos/cat/1.jpg                photos/train/cat/1.jpg
    photos/dog/2.png       or       photos/test/cat/7.jpg

Without a `test` folder a stratified share is cut off by the hash of each file's name.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from harness.datasets.files import cache_folder, locked, sha256_of, write_whole
from harness.datasets.own_files import content_of, existing
from harness.datasets.splits import hash_split
from harness.protocols import Dataset, Split, Task
from harness.record import DataError, content_hash

if TYPE_CHECKING:
    from PIL import Image

DESCRIPTION = "your images, one folder per class, with or without train/ and test/ (path, size, grey, test)"

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm"})


def load(*, path: str, size: int = 64, grey: bool = False, test: float = 0.2) -> Dataset:
    """Images (n, 3 or 1, size, size) uint8, the middle square of each, resized.

    They are decoded once and kept in the cache folder; `columns["file"]` holds their names, ids are
    their places in the sorted list of names.

    Args:
        test: share to test on where there is no `test` folder.
    Raises:
        DataError: no classes, a class in one part only, an image that cannot be read.
    """
    listing = _list(path)
    information = task(path=path, size=size, grey=grey, test=test)
    index = {name: i for i, name in enumerate(listing.classes)}
    targets = np.array([index[label] for label in listing.labels], dtype=np.int64)
    names = np.array([file.relative_to(listing.root).as_posix() for file in listing.files])
    if listing.has_test:
        is_test = np.array([part == "test" for part in listing.parts])
        rows = (np.flatnonzero(~is_test), np.flatnonzero(is_test))
    elif 0 < test < 1:
        rows = hash_split(list(names), targets, test)
    else:
        raise DataError(f"image_folder: test is {test}, write a share between 0 and 1")
    # Training rows first: then both parts are slices of one mapped file, and nothing is copied.
    order = np.concatenate(rows)
    images = _decoded([listing.files[i] for i in order], listing.root, information.input_shape)
    cut = len(rows[0])
    parts = [
        Split(images[where], targets[order[where]], order[where], columns={"file": names[order[where]]})
        for where in (slice(0, cut), slice(cut, None))
    ]
    return Dataset(information, *parts)


def task(*, path: str, size: int = 64, grey: bool = False, test: float = 0.2) -> Task:
    if size < 1:
        raise DataError(f"image_folder: size is {size}, write the side of the square images in pixels")
    classes = _list(path).classes
    return Task("image_classification", len(classes), classes, (1 if grey else 3, size, size))


def checksum(*, path: str, size: int = 64, grey: bool = False, test: float = 0.2) -> str:
    listing = _list(path)
    return content_of(listing.files, listing.root)


@dataclass(frozen=True)
class _Listing:
    """All images by name: `files`, `labels` and `parts` (`train`, `test` or empty) belong together."""

    root: Path
    classes: tuple[str, ...]
    files: tuple[Path, ...]
    labels: tuple[str, ...]
    parts: tuple[str, ...]

    @property
    def has_test(self) -> bool:
        return "test" in self.parts


def _list(path: str) -> _Listing:
    root = existing(path, "folder of images")
    if not root.is_dir():
        raise DataError(f"{root} is a file: image_folder takes a folder that holds one folder per class")
    train = root / "train"
    if train.is_dir() and _folders(train):  # a class that is called `train` holds images, not folders
        names = ["train", *(["test"] if (root / "test").is_dir() else [])]
        others = sorted({folder.name for folder in _folders(root)} - {"train", "test"})
        if others:
            raise DataError(
                f"{root} holds train/ and also {', '.join(others)}/: move these images into train/ "
                "(the harness cuts the validation part itself) or call that folder test"
            )
        found = [(part, *entry) for part in names for entry in _images(root / part)]
    else:
        found = [("", *entry) for entry in _images(root)]
    found.sort(key=lambda entry: entry[2].relative_to(root).as_posix())
    parts, labels, files = zip(*found, strict=True) if found else ((), (), ())
    _check_classes(root, labels, parts)
    return _Listing(root, tuple(sorted(set(labels))), files, labels, parts)


def _images(folder: Path) -> Iterator[tuple[str, Path]]:
    for label in _folders(folder):
        for file in label.rglob("*"):
            visible = not any(part.startswith((".", "__MACOSX")) for part in file.relative_to(label).parts)
            if visible and file.suffix.lower() in SUFFIXES and file.is_file():
                yield label.name, file


def _folders(folder: Path) -> list[Path]:
    return sorted(
        entry for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith((".", "__"))
    )


def _check_classes(root: Path, labels: Sequence[str], parts: Sequence[str]) -> None:
    if not labels:
        kinds = ", ".join(sorted(SUFFIXES))
        raise DataError(f"{root} holds no images: put them into one folder per class ({kinds})")
    if len(set(labels)) < 2:
        raise DataError(f"{root} holds one class, {labels[0]!r}: a classifier needs two folders or more")
    if "test" in parts:
        seen = {
            part: {label for label, p in zip(labels, parts, strict=True) if p == part}
            for part in ("train", "test")
        }
        if lost := sorted(seen["test"] - seen["train"]):
            raise DataError(
                f"{root}/test has classes that train/ has not: {', '.join(lost)}: add or remove them"
            )


def _decoded(files: list[Path], root: Path, shape: tuple[int, ...]) -> np.ndarray:
    """(n, channels, size, size) uint8, mapped from the cache; decoded by the first who asks."""
    key = content_hash([content_of(files, root), shape, sha256_of(Path(__file__))])  # decoded by this code
    path = cache_folder() / "decoded" / f"{key}.npy"
    with locked(path):
        if not path.is_file():
            write_whole(path, lambda out: _decode_all(files, shape, out))
    return np.asarray(np.load(path, mmap_mode="r"))


def _decode_all(files: list[Path], shape: tuple[int, ...], out: BinaryIO) -> None:
    header = {"descr": "|u1", "fortran_order": False, "shape": (len(files), *shape)}
    np.lib.format.write_array_header_1_0(out, header)
    broken = []
    for file in files:
        try:
            out.write(decode(file, shape).tobytes())
        except DataError as error:
            broken.append(str(error))
    if broken:
        listed = "\n".join(f"  {line}" for line in broken[:10])
        more = f"\n  and {len(broken) - 10} more" if len(broken) > 10 else ""
        raise DataError(
            f"{len(broken)} of {len(files)} images cannot be read: delete or replace them\n{listed}{more}"
        )


def decode(file: Path, shape: tuple[int, ...]) -> np.ndarray:
    """One image as uint8 (channels, height, width): turned upright, cropped to the shape's ratio, resized.

    Raises:
        DataError: the file is no whole image.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    channels, height, width = shape
    try:
        with Image.open(file) as image:
            upright = _eight_bits(ImageOps.exif_transpose(image), image.format)
            upright = upright.convert("L" if channels == 1 else "RGB")
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError, ValueError, SyntaxError) as error:
        raise DataError(f"{file}: {error}") from error
    fitted = ImageOps.fit(upright, (width, height), Image.Resampling.BILINEAR)
    pixels = np.asarray(fitted, dtype=np.uint8)
    return pixels[None] if channels == 1 else np.ascontiguousarray(pixels.transpose(2, 0, 1))


def _eight_bits(image: Image.Image, kind: str | None) -> Image.Image:
    """Grey images of 16 bits scaled to 8; Pillow would clip them, and nearly all of them to white."""
    from PIL import Image

    if image.mode.startswith("I;16") or (image.mode == "I" and kind in ("PNG", "PPM")):
        return Image.fromarray(np.round(np.asarray(image) / 257).astype(np.uint8))
    if image.mode in ("I", "F"):
        raise ValueError("pixels of 32 bits, of which nothing says what is white: save it with 8 or 16")
    return image
