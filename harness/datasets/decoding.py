"""Images decoded once into a file, which every trial and process of this machine maps.

decoded/KEY.npy         all images in the order of their files, uint8
decoded/KEY.hashes      8 bytes of each image's content
decoded/KEY.npy.part    what was decoded before a process was stopped: the next one goes on from there
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from harness.datasets import pictures
from harness.datasets.duplicates import row_hashes
from harness.datasets.files import locked, sha256_of
from harness.datasets.mapped import IN_MEMORY, Mapped
from harness.datasets.own_files import content_of
from harness.datasets.pictures import WHITE
from harness.datasets.pictures import decode as decode_picture
from harness.protocols import Progress
from harness.record import DataError, content_hash
from harness.store.disk import cache_root

BLOCK = 2**25
"""Bytes that are decoded, hashed and written at a time."""
LOOKED_AT = 16
"""Images whose hashes are compared each time a file of them is opened."""


def colour_of(name: str) -> tuple[int, int, int]:
    """A colour as red, green and blue of 0 to 255.

    Raises:
        DataError: it is no colour's name or code.
    """
    from PIL import ImageColor

    try:
        return ImageColor.getrgb(name)[:3]
    except ValueError as error:
        raise DataError(f'background is {name!r}: write a colour, for instance white or "#ff8800"') from error


def decoded(
    files: list[Path],
    root: Path,
    shape: tuple[int, ...],
    colour: tuple[int, int, int],
    white: int = WHITE,
    progress: Progress = lambda state: None,
) -> Mapped | np.ndarray:
    """(n, channels, size, size) uint8, mapped from the cache; decoded by the first who asks.

    A file whose size or whose images' hashes are not what they were is decoded anew.
    """
    by_this_code = sha256_of(Path(str(pictures.__file__)))
    key = content_hash([content_of(files, root), shape, colour, white, by_this_code])
    store = _Store(cache_root() / "decoded" / f"{key}.npy", (len(files), *shape))
    with locked(store.path):
        if not store.is_whole():
            _decode_all(files, lambda file: decode(file, shape, colour, white), store, progress)
    with contextlib.suppress(OSError):  # when it was last asked for; a cache may be shared read-only
        os.utime(store.path)
    images = np.load(store.path, mmap_mode="r")
    found = Mapped(images, np.arange(len(images)), store.hashes())
    return found if images.nbytes > IN_MEMORY else np.asarray(images)


@dataclass(frozen=True)
class _Store:
    """The files of one decoded set.

    Args:
        path: of the array. shape: (n, channels, height, width).
    """

    path: Path
    shape: tuple[int, ...]

    @property
    def row(self) -> int:
        return int(np.prod(self.shape[1:]))

    @property
    def part(self) -> Path:
        return self.path.with_name(f"{self.path.name}.part")

    @property
    def hash_file(self) -> Path:
        return self.path.with_suffix(".hashes")

    def header(self) -> bytes:
        from io import BytesIO

        out = BytesIO()
        told = {"descr": "|u1", "fortran_order": False, "shape": self.shape}
        np.lib.format.write_array_header_1_0(out, told)
        return out.getvalue()

    def hashes(self) -> np.ndarray:
        return np.fromfile(self.hash_file, np.uint64) if self.hash_file.is_file() else np.empty(0, np.uint64)

    def is_whole(self) -> bool:
        """Whether all is there and, as far as a look at some images tells, as it was written."""
        size = len(self.header()) + self.shape[0] * self.row
        hashes = self.hashes()
        if len(hashes) != self.shape[0] or not self.path.is_file() or self.path.stat().st_size != size:
            return False
        images = np.load(self.path, mmap_mode="r")
        some = np.unique(np.linspace(0, len(images) - 1, LOOKED_AT).astype(int))
        return bool((row_hashes(images[some]) == hashes[some]).all())

    def done(self) -> int:
        """How many images an earlier process left, the last block of them checked."""
        if not self.part.is_file():
            return 0
        hashes, begins = self.hashes(), len(self.header())
        rows = min(len(hashes), (self.part.stat().st_size - begins) // self.row)
        if rows <= 0:
            return 0
        last = max(0, rows - max(1, BLOCK // self.row))
        left = np.memmap(self.part, np.uint8, "r", begins + last * self.row, (rows - last, self.row))
        return rows if (row_hashes(left) == hashes[last:rows]).all() else 0


def _decode_all(
    files: Sequence[Path], read: Callable[[Path], np.ndarray], store: _Store, progress: Progress
) -> None:
    """Decode what is not there yet, on all cores, block by block.

    Raises:
        DataError: some images cannot be read; the first ones are named.
    """
    broken: list[str] = []

    def one(file: Path) -> np.ndarray | None:
        try:
            return read(file)
        except DataError as error:
            broken.append(str(error))
            return None

    start, count = store.done(), max(1, BLOCK // store.row)
    with (
        _opened(store.part, len(store.header()) + start * store.row) as out,
        _opened(store.hash_file, start * 8) as notes,
        ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool,
    ):
        out.seek(0)
        out.write(store.header())
        out.seek(0, os.SEEK_END)
        for begin in range(start, len(files), count):
            images = [image for image in pool.map(one, files[begin : begin + count]) if image is not None]
            if broken:
                continue  # the others are only looked at: all mistakes are told at once
            rows = np.stack(images)
            out.write(rows.tobytes())
            out.flush()
            notes.write(row_hashes(rows).tobytes())
            notes.flush()
            progress({"message": f"decoded {begin + len(rows):,} of {len(files):,} images"})
    if broken:
        store.part.unlink()
        store.hash_file.unlink()
        broken.sort()
        listed = "\n".join(f"  {line}" for line in broken[:10])
        more = f"\n  and {len(broken) - 10} more" if len(broken) > 10 else ""
        raise DataError(
            f"{len(broken)} of {len(files)} images cannot be read: delete or replace them\n{listed}{more}"
        )
    store.part.replace(store.path)


def _opened(path: Path, size: int) -> BinaryIO:
    """A file to write on from `size`: what stands behind is of a process that was stopped."""
    path.touch()
    stream = path.open("r+b")
    stream.truncate(size)
    stream.seek(size)
    return stream


def clean(days: float, now: float) -> tuple[int, int]:
    """Delete decoded images that nobody asked for in so many days, and what stopped processes left.

    Args:
        now: seconds since 1970.
    Returns:
        How many files went, and how many bytes they had.
    """
    files, size = 0, 0
    folder = cache_root() / "decoded"
    for path in sorted(folder.glob("[!.]*.npy*")):
        with locked(path.with_suffix("") if path.suffix == ".part" else path):
            if now - path.stat().st_mtime < days * 86400:
                continue
            size += path.stat().st_size
            files += 1
            path.unlink()
            path.with_name(path.name.split(".")[0] + ".hashes").unlink(missing_ok=True)
    return files, size


def decode(
    file: Path, shape: tuple[int, ...], colour: tuple[int, int, int] = (255, 255, 255), white: int = WHITE
) -> np.ndarray:
    """One image as uint8 (channels, height, width), see `harness.datasets.pictures`.

    Raises:
        DataError: the file is not a whole image.
    """
    try:
        return decode_picture(file, shape, colour, white)
    except ValueError as error:
        raise DataError(str(error)) from error
