"""Files of a run folder: whole or not at all, on a local path or an object store.

Local writes go to a temporary file that is synced and renamed. An object store has no rename, but
a put is whole or nothing there, so a folder is published by putting its `record.json` last.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import re
import shutil
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

from harness.record import HarnessError

T = TypeVar("T")
LAST = "record.json"
"""The file that makes a trial's folder count; written after all others."""

ATTEMPTS = 4
"""How often an object store is asked before its error counts (with pauses of 0.5, 1 and 2 s)."""

_CURES = {
    errno.ENOSPC: "the disk is full: free some space or choose another folder with --out",
    errno.EDQUOT: "the disk quota is used up: free some space or choose another folder with --out",
    errno.EROFS: "the file system is read-only: choose another folder with --out",
    errno.EACCES: "no permission to write: choose another folder with --out",
    errno.EPERM: "no permission to write: choose another folder with --out",
    errno.ENOTDIR: "a file stands where a folder is needed: choose another folder with --out",
}


class Files(Protocol):
    """What a run folder needs of the place it lives in; names are relative, `/`-separated."""

    @property
    def url(self) -> str: ...

    def read(self, name: str) -> bytes:
        """Raises: FileNotFoundError."""

    def write(self, name: str, content: bytes) -> None: ...

    def exists(self, name: str) -> bool: ...

    def names(self, folder: str = "") -> list[str]:
        """Names directly in a folder, sorted; empty where there is none."""

    def publish(self, scratch: Path, folder: str) -> None:
        """Make `folder` hold exactly what `scratch` holds, `record.json` last; `scratch` is gone after."""

    def fetch(self, folder: str) -> Path:
        """A local folder with the files of `folder`, to be read only."""

    def copy_from(self, other: Files, folder: str) -> None:
        """Take a published folder over from another run."""


@contextlib.contextmanager
def writing(where: str) -> Iterator[None]:
    """Turn the errors of a full or forbidden disk into one that names the cure."""
    try:
        yield
    except OSError as error:
        cure = _CURES.get(error.errno or 0)
        if cure is None:
            raise
        raise HarnessError(f"cannot write {where}: {cure}") from error


def is_remote(url: str) -> bool:
    return "://" in url and not url.startswith("file://")


def open_files(url: str | Path) -> Files:
    """The files under a local path or any fsspec URL (`s3://bucket/results`).

    Raises:
        HarnessError: the URL holds a password, which would stand in records and logs.
    """
    text = str(url)
    if is_remote(text):
        if re.search(r"://[^/@]*:[^/@]*@", text):
            raise HarnessError(
                "the URL holds a password, which results would repeat: leave it out, "
                "and give it in the environment or profile of each node (deploy/README.md)"
            )
        return RemoteFiles(text.rstrip("/"))
    return LocalFiles(str(Path(text.removeprefix("file://")).expanduser().absolute()))


@dataclass(frozen=True)
class LocalFiles:
    url: str

    @property
    def root(self) -> Path:
        return Path(self.url)

    def read(self, name: str) -> bytes:
        return (self.root / name).read_bytes()

    def write(self, name: str, content: bytes) -> None:
        path = self.root / name
        with writing(str(path)):
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
            try:
                _write_synced(temporary, content)
                temporary.replace(path)
            finally:
                temporary.unlink(missing_ok=True)
            _sync_folder(path.parent)

    def exists(self, name: str) -> bool:
        return (self.root / name).exists()

    def names(self, folder: str = "") -> list[str]:
        try:
            return sorted(entry.name for entry in os.scandir(self.root / folder))
        except (FileNotFoundError, NotADirectoryError):
            return []

    def publish(self, scratch: Path, folder: str) -> None:
        target = self.root / folder
        with writing(str(target)):
            target.parent.mkdir(parents=True, exist_ok=True)
            if scratch.stat().st_dev != target.parent.stat().st_dev:
                scratch = _move_beside(scratch, target)
            if (scratch / LAST).exists():
                _sync_file(scratch / LAST)
            while True:
                _remove_published(target)
                try:
                    scratch.rename(target)
                    break
                except OSError as error:  # another run published the same trial in between
                    if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                        raise
            _sync_folder(target.parent)

    def fetch(self, folder: str) -> Path:
        return self.root / folder

    def copy_from(self, other: Files, folder: str) -> None:
        """Hard links where the file system allows them: published files never change."""
        source = other.fetch(folder)
        scratch = self.root / ".scratch" / f"copy-{uuid.uuid4().hex}"
        with writing(str(scratch)):
            scratch.parent.mkdir(parents=True, exist_ok=True)
            shutil.copytree(source, scratch, copy_function=_link_or_copy)
        self.publish(scratch, folder)


@dataclass(frozen=True)
class RemoteFiles:
    """An object store through fsspec; its options come from fsspec's own configuration
    (`FSSPEC_S3_ENDPOINT_URL`, `~/.config/fsspec`), never from the URL, so no secret is stored."""

    url: str

    def _fs(self) -> Any:
        return _filesystem(self.url.split("://", 1)[0])

    def _path(self, name: str) -> str:
        base = self.url.split("://", 1)[1]
        return f"{base}/{name}" if name else base

    def read(self, name: str) -> bytes:
        content: bytes = persistent(lambda: self._fs().cat_file(self._path(name)), self.url)
        return content

    def write(self, name: str, content: bytes) -> None:
        persistent(lambda: self._fs().pipe_file(self._path(name), content), self.url)

    def exists(self, name: str) -> bool:
        def ask() -> bool:
            self._fs().invalidate_cache()
            return bool(self._fs().exists(self._path(name)))

        return persistent(ask, self.url)

    def names(self, folder: str = "") -> list[str]:
        def ask() -> list[str]:
            self._fs().invalidate_cache()
            try:
                found = self._fs().ls(self._path(folder), detail=False)
            except FileNotFoundError:
                return []
            return sorted({str(path).rstrip("/").rsplit("/", 1)[-1] for path in found})

        return persistent(ask, self.url)

    def publish(self, scratch: Path, folder: str) -> None:
        files = sorted(path for path in scratch.rglob("*") if path.is_file())
        files.sort(key=lambda path: path == scratch / LAST)
        if self.exists(f"{folder}/{LAST}"):
            persistent(lambda: self._fs().rm(self._path(folder), recursive=True), self.url)
        for path in files:
            target = self._path(f"{folder}/{path.relative_to(scratch).as_posix()}")
            persistent(lambda p=path, t=target: self._fs().put_file(str(p), t), self.url)  # type: ignore[misc]
        shutil.rmtree(scratch)

    def fetch(self, folder: str) -> Path:
        """Downloads once per node: published folders never change once they are finished."""
        local = cache_root() / "runs" / hashlib.sha256(self.url.encode()).hexdigest()[:16] / folder
        with locked(local.with_name(f".{local.name}.lock")), writing(str(local)):
            version = hashlib.sha256(self.read(f"{folder}/{LAST}")).hexdigest()
            marker = local.with_name(f".{local.name}.version")
            if local.exists() and marker.exists() and marker.read_text() == version:
                return local
            shutil.rmtree(local, ignore_errors=True)
            base = self._path(folder)
            for path in persistent(lambda: self._fs().find(base), self.url):
                target = local / str(path)[str(path).index(base) + len(base) + 1 :]
                target.parent.mkdir(parents=True, exist_ok=True)
                persistent(lambda p=path, t=target: self._fs().get_file(p, str(t)), self.url)  # type: ignore[misc]
            marker.write_text(version)
        return local

    def copy_from(self, other: Files, folder: str) -> None:
        scratch = cache_root() / "scratch" / f"copy-{uuid.uuid4().hex}"
        with writing(str(scratch)):
            shutil.copytree(other.fetch(folder), scratch)
        self.publish(scratch, folder)


def persistent(ask: Callable[[], T], where: str, *, pause_s: float = 0.5) -> T:
    """Ask an object store again when it fails; its answer "there is no such file" is not a failure.

    Raises:
        FileNotFoundError: there is no such file.
        HarnessError: it failed `ATTEMPTS` times, or refuses.
    """
    for attempt in range(ATTEMPTS):
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
            if attempt == ATTEMPTS - 1:
                raise HarnessError(
                    f"{where} failed {ATTEMPTS} times, last with {type(error).__name__}: {error}; "
                    "finished trials are kept there, run again when it answers"
                ) from error
            time.sleep(pause_s * 2**attempt)
    raise AssertionError("unreachable")


def _is_store_error(error: Exception) -> bool:
    """Object stores' clients raise their own error trees beside OSError."""
    return isinstance(error, OSError) or type(error).__module__.split(".")[0] in {
        "aiohttp",
        "azure",
        "boto3",
        "botocore",
        "gcsfs",
        "google",
        "requests",
        "urllib3",
    }


def cache_root() -> Path:
    """What a node keeps for all runs: `$HARNESS_DATA`, default `~/.cache/harness`."""
    return Path(os.environ.get("HARNESS_DATA") or Path.home() / ".cache" / "harness")


@contextlib.contextmanager
def locked(path: Path, *, shared: bool = False, wait: bool = True) -> Iterator[None]:
    """Hold a lock between processes of this host; the kernel frees it when the holder dies.

    Raises:
        BlockingIOError: someone else holds it, and `wait` is false.
    """
    with writing(str(path)):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        fcntl.flock(handle, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB))
        yield
    finally:
        os.close(handle)


def _filesystem(protocol: str) -> Any:
    try:
        import fsspec

        return fsspec.filesystem(protocol)
    except ImportError as error:
        raise HarnessError(f"{protocol}:// needs a package: {error}") from error
    except ValueError as error:
        raise HarnessError(f"{protocol}:// is not a known kind of storage: {error}") from error


def _write_synced(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync_file(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _sync_folder(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:  # some network file systems cannot sync folders
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(handle)


def _remove_published(target: Path) -> None:
    """Rename before deleting, so that no half-deleted folder ever stands under the trial's name."""
    if not target.exists():
        return
    trash = target.with_name(f".old-{uuid.uuid4().hex}")
    try:
        target.rename(trash)
    except FileNotFoundError:
        return
    shutil.rmtree(trash, ignore_errors=True)


def _move_beside(scratch: Path, target: Path) -> Path:
    near = target.with_name(f".new-{uuid.uuid4().hex}")
    try:
        shutil.copytree(scratch, near)
    except shutil.Error as error:
        shutil.rmtree(near, ignore_errors=True)
        raise OSError(errno.ENOSPC, str(error)) from error
    shutil.rmtree(scratch)
    return near


def _link_or_copy(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
