"""Fashion-MNIST: 60,000 / 10,000 grey 28×28 images of ten kinds of clothing.

Source: H. Xiao, K. Rasul, R. Vollgraf, Fashion-MNIST, 2017 (MIT licence). The files are kept
unpacked, since Debian compresses them anew and the packed ones differ between places.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from harness.datasets.files import fetch_files
from harness.late import Late
from harness.protocols import DataFile, Dataset, Split, Task
from harness.record import DataError, content_hash

if TYPE_CHECKING:
    import numpy as np
else:
    np = Late("numpy")

DESCRIPTION = "60,000 / 10,000 grey 28×28 images of clothing, 10 classes (31 MB to fetch)"

CLASSES = (
    "T-shirt", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
)  # fmt: skip


def _file(name: str, sha256: str) -> DataFile:
    return DataFile(
        f"fashion_mnist/{name}",
        sha256,
        (
            f"https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/{name}.gz",
            f"debian:dataset-fashion-mnist:usr/share/datasets/fashion-mnist/{name}.gz",
        ),
    )


FILES = (
    _file("train-images-idx3-ubyte", "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888"),
    _file("train-labels-idx1-ubyte", "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9"),
    _file("t10k-images-idx3-ubyte", "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b"),
    _file("t10k-labels-idx1-ubyte", "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34"),
)


def load() -> Dataset:
    """Images (n, 1, 28, 28) uint8, mapped from the files: a reader of the test part reads no more."""
    paths = fetch_files(FILES)
    parts = []
    for images, labels in (FILES[:2], FILES[2:]):
        targets = read_idx(paths[labels.name]).astype(np.int64)
        ids = np.arange(len(targets), dtype=np.int64)
        parts.append(Split(read_idx(paths[images.name])[:, None], targets, ids))
    return Dataset(task(), *parts)


def task() -> Task:
    return Task("image_classification", 10, CLASSES, (1, 28, 28))


def checksum() -> str:
    return content_hash([file.sha256 for file in FILES])


def read_idx(path: Path) -> np.ndarray:
    """An IDX file of unsigned bytes as a read-only array that is mapped, not read.

    Raises:
        DataError: the header is not that of such a file, or its length is not what the header says.
    """
    with path.open("rb") as stream:
        head = stream.read(4)
        if len(head) < 4 or head[:3] != b"\0\0\x08":
            raise DataError(f"{path} is not an IDX file of bytes: delete it, it will be fetched again")
        shape = tuple(int(size) for size in np.frombuffer(stream.read(4 * head[3]), ">u4"))
    start = 4 + 4 * head[3]
    if path.stat().st_size != start + int(np.prod(shape)):
        raise DataError(f"{path} does not hold the {shape} bytes it declares: delete it")
    return np.memmap(path, np.uint8, "r", offset=start, shape=shape)
