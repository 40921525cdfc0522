"""Files of a run folder: whole or not at all, on a local path or an object store.

Local writes go to a temporary file that is synced and renamed. An object store has no rename, but
a put is whole or nothing there, so a folder is published by putting its `record.json` last.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

from harness.record import HarnessError
from harness.store.disk import (
    FULL,
    cache_root,
    copy_beside,
    link_or_copy,
    locked,
    make_folder,
    replace_folder,
    sync_tree,
    write_whole,
    writing,
)

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

T = TypeVar("T")
LAST = "record.json"
"""The file that makes a trial's folder count; written after all others."""

ATTEMPTS = 4
"""How often an object store is asked before its error counts (with pauses of 0.5, 1 and 2 s)."""

PATIENT_ATTEMPTS = 10
"""The same where finished work would be lost: pauses up to 30 s, two minutes in all."""

LONGEST_PAUSE_S = 30.0

COMMIT_LOCK = ".commit.lock"
"""In a local run folder: held while a trial's folder is replaced."""


class Files(Protocol):
    """What a run folder needs of the place it lives in; names are relative, `/`-separated."""

    @property
    def url(self) -> str: ...

    @property
    def patient(self) -> Files:
        """The same place, asked for longer before its failure counts."""

    def read(self, name: str) -> bytes:
        """Raises: FileNotFoundError."""

    def write(self, name: str, content: bytes) -> None: ...

    def exists(self, name: str) -> bool: ...

    def names(self, folder: str = "") -> list[str]:
        """Names directly in a folder, sorted; empty where there is none."""

    def stamps(self, folder: str, names: Sequence[str]) -> dict[str, str]:
        """Name of a folder in `folder` → what changes when its `record.json` does; empty without one."""

    def publish(self, scratch: Path, folder: str, stands: Callable[[], bool] = lambda: False) -> None:
        """Make `folder` hold exactly what `scratch` holds, `record.json` last; `scratch` is gone after.

        Args:
            stands: asked directly before anything counts: whether what is there must stay.
        """

    def fetch(self, folder: str) -> Path:
        """A local folder with the files of `folder`, to be read only."""

    def copy_from(self, other: Files, folder: str, stands: Callable[[], bool] = lambda: False) -> None:
        """Take a published folder over from another run."""


def is_remote(url: str) -> bool:
    return "://" in url and not url.startswith("file://")


def holds_password(url: str) -> bool:
    """Whether a URL is like `s3://user:pass/word@host`; a colon before a port is none of it."""
    return re.search(r"://[^@]*:(?!\d+/)[^@]*@", url) is not None


def inside(name: str) -> str:
    """A relative name that stays inside its folder.

    Raises:
        HarnessError: it would not.
    """
    parts = name.split("/")
    if not name or any(part in ("", ".", "..") for part in parts) or "\\" in name or "\0" in name:
        raise HarnessError(f"{name!r} is not a file name inside a run folder")
    return name


def open_files(url: str | Path) -> Files:
    """The files under a local path or any fsspec URL (`s3://bucket/results`).

    Raises:
        HarnessError: the URL holds a password, which would stand in records and logs.
    """
    text = str(url)
    if is_remote(text):
        if holds_password(text):
            raise HarnessError(
                "the URL holds a password, which results would repeat: leave it out, "
                "and give it in the environment or profile of each node (deploy/README.md)"
            )
        return RemoteFiles(text.rstrip("/"))
    return LocalFiles(str(Path(text.removeprefix("file://")).expanduser().absolute()))


@dataclass(frozen=True)
class LocalFiles:
    """Files of a folder on a disk."""

    url: str

    @property
    def root(self) -> Path:
        return Path(self.url)

    @property
    def patient(self) -> Files:
        return self

    def read(self, name: str) -> bytes:
        with open(f"{self.url}/{name}", "rb") as file:  # noqa: PTH123 (two Paths each take .3 s for 10,000)
            return file.read()

    def write(self, name: str, content: bytes) -> None:
        path = self.root / name
        with writing(str(path)):
            make_folder(path.parent)
            write_whole(path, content)

    def exists(self, name: str) -> bool:
        return (self.root / name).exists()

    def names(self, folder: str = "") -> list[str]:
        try:
            return sorted(os.listdir(self.root / folder))  # noqa: PTH208 (names alone, of 10,000)
        except (FileNotFoundError, NotADirectoryError):
            return []

    def stamps(self, folder: str, names: Sequence[str]) -> dict[str, str]:
        found = {}
        for name in names:
            try:
                stat = os.stat(f"{self.url}/{folder}/{name}/{LAST}")  # noqa: PTH116 (Path takes 0.2 s for 10,000)
            except OSError:
                found[name] = ""
            else:
                found[name] = f"{stat.st_size} {stat.st_mtime_ns} {stat.st_ctime_ns}"
        return found

    def publish(self, scratch: Path, folder: str, stands: Callable[[], bool] = lambda: False) -> None:
        target = self.root / folder
        with writing(str(target)):
            make_folder(target.parent)
            is_near = scratch.stat().st_dev == target.parent.stat().st_dev
            ready = scratch if is_near else copy_beside(scratch, target)
            sync_tree(ready)
            with locked(self.root / COMMIT_LOCK):
                if not stands():
                    replace_folder(ready, target)
        for left in {ready, scratch}:
            shutil.rmtree(left, ignore_errors=True)

    def fetch(self, folder: str) -> Path:
        return self.root / folder

    def copy_from(self, other: Files, folder: str, stands: Callable[[], bool] = lambda: False) -> None:
        """Hard links where the file system allows them: published files never change."""
        source = other.fetch(folder)
        scratch = self.root / ".scratch" / f"copy-{uuid.uuid4().hex}"
        with writing(str(scratch)):
            scratch.parent.mkdir(parents=True, exist_ok=True)
            shutil.copytree(source, scratch, copy_function=link_or_copy)
        self.publish(scratch, folder, stands)


@dataclass(frozen=True)
class RemoteFiles:
    """An object store through fsspec; its options come from fsspec's own configuration
    (`FSSPEC_S3_ENDPOINT_URL`, `~/.config/fsspec`), never from the URL, so no secret is stored."""

    url: str
    attempts: int = ATTEMPTS

    @property
    def patient(self) -> Files:
        return replace(self, attempts=PATIENT_ATTEMPTS)

    def read(self, name: str) -> bytes:
        content: bytes = self._ask(lambda: self._fs().cat_file(self._path(name)))
        return content

    def write(self, name: str, content: bytes) -> None:
        self._ask(lambda: self._fs().pipe_file(self._path(name), content))

    def exists(self, name: str) -> bool:
        return self._ask(lambda: bool(self._fresh().exists(self._path(name))))

    def names(self, folder: str = "") -> list[str]:
        def ask() -> list[str]:
            try:
                found = self._fresh().ls(self._path(folder), detail=False)
            except FileNotFoundError:
                return []
            return sorted({str(path).rstrip("/").rsplit("/", 1)[-1] for path in found})

        return self._ask(ask)

    def stamps(self, folder: str, names: Sequence[str]) -> dict[str, str]:
        base = self._path(folder)
        found = self._ask(lambda: self._fresh().find(base, detail=True))
        marks = ("size", "ETag", "etag", "md5Hash", "LastModified", "last_modified", "mtime", "created")
        said = {
            str(path): " ".join(str(info[mark]) for mark in marks if mark in info)
            for path, info in found.items()
            if str(path).endswith(f"/{LAST}")
        }
        by_name = {path.rsplit("/", 2)[-2]: text for path, text in said.items()}
        return {name: by_name.get(name, "") for name in names}

    def publish(self, scratch: Path, folder: str, stands: Callable[[], bool] = lambda: False) -> None:
        """What an earlier, broken upload left is removed before the record makes the folder count."""
        files = {path.relative_to(scratch).as_posix(): path for path in scratch.rglob("*") if path.is_file()}
        record = files.pop(LAST, None)
        for name, path in sorted(files.items()):
            self._put(path, f"{folder}/{name}")
        if not stands():
            for name in self._sizes(folder).keys() - files.keys() - {LAST}:
                self._ask(partial(self._remove, f"{folder}/{name}"))
            if record is not None:
                self._put(record, f"{folder}/{LAST}")
        shutil.rmtree(scratch)

    def fetch(self, folder: str) -> Path:
        """Downloads once per node: published folders never change once they are finished."""
        local = cache_root() / "runs" / hashlib.sha256(self.url.encode()).hexdigest()[:16] / folder
        with locked(local.with_name(f".{local.name}.lock")), writing(str(local)):
            version = hashlib.sha256(self.read(f"{folder}/{LAST}")).hexdigest()
            marker = local.with_name(f".{local.name}.version")
            if local.exists() and marker.exists() and marker.read_text() == version:
                return local
            marker.unlink(missing_ok=True)  # first: a download that is cut off must not look complete
            shutil.rmtree(local, ignore_errors=True)
            for name, size in self._sizes(folder).items():
                target = local / inside(name)
                target.parent.mkdir(parents=True, exist_ok=True)
                self._ask(partial(self._download, f"{folder}/{name}", target, size))
            write_whole(marker, version.encode())
        return local

    def copy_from(self, other: Files, folder: str, stands: Callable[[], bool] = lambda: False) -> None:
        scratch = cache_root() / "scratch" / f"copy-{uuid.uuid4().hex}"
        with writing(str(scratch)):
            shutil.copytree(other.fetch(folder), scratch)
        self.publish(scratch, folder, stands)

    def _fs(self) -> AbstractFileSystem:
        return _filesystem(self.url.split("://", 1)[0])

    def _fresh(self) -> AbstractFileSystem:
        """The file system without its memory of what was there earlier."""
        filesystem = self._fs()
        filesystem.invalidate_cache()
        return filesystem

    def _path(self, name: str) -> str:
        base = self.url.split("://", 1)[1]
        return f"{base}/{name}" if name else base

    def _ask(self, ask: Callable[[], T]) -> T:
        return persistent(ask, self.url, attempts=self.attempts)

    def _put(self, path: Path, name: str) -> None:
        self._ask(lambda: self._fs().put_file(str(path), self._path(name)))

    def _remove(self, name: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            self._fs().rm_file(self._path(name))

    def _sizes(self, folder: str) -> dict[str, int | None]:
        """Names of all objects below a folder, with their bytes where the store knows them."""
        base = self._path(folder)
        found = self._ask(lambda: self._fresh().find(base, detail=True))
        return {
            str(path)[str(path).index(base) + len(base) + 1 :]: info.get("size")
            for path, info in found.items()
            if info.get("type") != "directory"
        }

    def _download(self, name: str, target: Path, size: int | None) -> None:
        """Raises: OSError where what came is not all of it; to be asked again."""
        self._fs().get_file(self._path(name), str(target))
        came = target.stat().st_size
        if size is not None and came != size:
            raise OSError(f"{came} of the {size} bytes of {name} came")


def persistent(ask: Callable[[], T], where: str, *, pause_s: float = 0.5, attempts: int = ATTEMPTS) -> T:
    """Ask an object store again when it fails; its answer "there is no such file" is not a failure.

    Raises:
        FileNotFoundError: there is no such file.
        HarnessError: it failed `attempts` times, or refuses.
    """
    for attempt in range(attempts):
        try:
            return ask()
        except FileNotFoundError:
            raise
        except PermissionError as error:
            raise HarnessError(
                f"{where} refuses: {error}; check the credentials of this node (environment or profile)"
            ) from error
        except Exception as error:
            if not _is_store_error(error):
                raise
            if attempt == attempts - 1:
                raise HarnessError(
                    f"{where} failed {attempts} times, last with {type(error).__name__}: {error}; "
                    "finished trials are kept there, run again when it answers"
                ) from error
            time.sleep(min(pause_s * 2**attempt, LONGEST_PAUSE_S))
    raise AssertionError("unreachable")


def _is_store_error(error: Exception) -> bool:
    """Object stores' clients raise their own error trees beside OSError."""
    if isinstance(error, OSError):
        return error.errno not in FULL  # that is this node's disk
    return type(error).__module__.split(".")[0] in {
        "aiohttp",
        "azure",
        "boto3",
        "botocore",
        "gcsfs",
        "google",
        "requests",
        "urllib3",
    }


def _filesystem(protocol: str) -> AbstractFileSystem:
    try:
        import fsspec

        return fsspec.filesystem(protocol)
    except ImportError as error:
        raise HarnessError(f"{protocol}:// needs a package: {error}") from error
    except ValueError as error:
        raise HarnessError(f"{protocol}:// is not a known kind of storage: {error}") from error
