"""CIFAR-10: 50,000 / 10,000 colour 32×32 images of ten kinds of things, in its binary format.

Source: A. Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009.
"""

from __future__ import annotations

import tarfile
from pathlib import Path
from typing import TYPE_CHECKING

from harness.datasets.files import fetch_files, locked, write_whole
from harness.late import Late
from harness.protocols import DataFile, Dataset, Split, Task
from harness.record import DataError, content_hash

if TYPE_CHECKING:
    import numpy as np
else:
    np = Late("numpy")

DESCRIPTION = "50,000 / 10,000 colour 32×32 images, 10 classes (170 MB to fetch)"

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")

FILES = (
    DataFile(
        "cifar10/cifar-10-binary.tar.gz",
        "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
        ("https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",),
    ),
)

_ROW = 1 + 3 * 32 * 32
_FOLDER = "cifar-10-batches-bin"
_BATCHES = {"train": tuple(f"data_batch_{i}.bin" for i in range(1, 6)), "test": ("test_batch.bin",)}


def load() -> Dataset:
    """Images (n, 3, 32, 32) uint8, red, green, blue; mapped from an unpacked copy in the cache."""
    archive = fetch_files(FILES)[FILES[0].name]
    return Dataset(task(), _read(archive, "train"), _read(archive, "test"))


def task() -> Task:
    return Task("image_classification", 10, CLASSES, (3, 32, 32))


def checksum() -> str:
    return content_hash([file.sha256 for file in FILES])


def _read(archive: Path, part: str) -> Split:
    path = archive.with_name(f"{part}.bin")
    with locked(path):
        if not path.is_file() or path.stat().st_mtime < archive.stat().st_mtime:
            data = unpack(archive, _BATCHES[part])
            write_whole(path, lambda out: out.write(data))
    return read_rows(path)


def unpack(archive: Path, batches: tuple[str, ...]) -> bytes:
    """The rows of some batches, one after the other.

    Raises:
        DataError: the archive is damaged, or is another one.
    """
    try:
        with tarfile.open(archive) as tar:
            streams = [tar.extractfile(f"{_FOLDER}/{name}") for name in batches]
            return b"".join(stream.read() for stream in streams if stream)
    except (tarfile.TarError, KeyError, EOFError) as error:
        raise DataError(f"{archive} is not CIFAR-10's binary archive ({error}): delete it") from error


def read_rows(path: Path) -> Split:
    """A file of rows: one byte of label, then 3,072 of red, green, blue, each plane by rows.

    Raises:
        DataError: the file does not hold whole rows with labels 0…9.
    """
    size = path.stat().st_size
    if size == 0 or size % _ROW:
        raise DataError(f"{path} does not hold whole rows of {_ROW} bytes: delete it")
    rows = np.memmap(path, np.uint8, "r", shape=(size // _ROW, _ROW))
    targets = np.array(rows[:, 0], dtype=np.int64)
    if targets.max() > 9:
        raise DataError(f"{path} holds a label {targets.max()}, CIFAR-10 has 0…9: delete it")
    images = rows[:, 1:].reshape(-1, 3, 32, 32)
    return Split(images, targets, np.arange(len(targets), dtype=np.int64))
