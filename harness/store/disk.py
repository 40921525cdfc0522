"""This node's disks: locks between processes, writes that last, folders that are nobody else's."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import shutil
import stat
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

from harness.record import HarnessError

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)
"""Errors of a disk that trying again does not mend."""

_WRONG = {
    errno.ENOSPC: "the disk is full: free some space or",
    errno.EDQUOT: "the disk quota is used up: free some space or",
    errno.EFBIG: "no file may become so large here (`ulimit -f`, or the kind of disk): raise that or",
    errno.EROFS: "the file system is read-only:",
    errno.EACCES: "no permission to write:",
    errno.EPERM: "no permission to write:",
    errno.ENOTDIR: "a file stands where a folder is needed:",
    errno.EEXIST: "a file stands where a folder is needed:",
}
ELSEWHERE = "choose another folder with --out"


@contextlib.contextmanager
def writing(where: str, cure: str = ELSEWHERE) -> Iterator[None]:
    """Turn the errors of a full or forbidden disk into one that names the cure."""
    try:
        yield
    except OSError as error:
        wrong = _WRONG.get(number_of(error))
        if wrong is None:
            raise
        raise HarnessError(f"cannot write {where}: {wrong} {cure}") from error


def number_of(error: OSError) -> int:
    """Its `errno`; of several files that were not copied, of which `shutil` tells as text, the first's."""
    found = re.search(r"\[Errno (\d+)\]", str(error))
    return error.errno or (int(found[1]) if found else 0)


def said_of_files(error: OSError) -> str:
    """What a person can do about a file that cannot be read or written; empty of other errors."""
    number, name = number_of(error), f" {error.filename}" if error.filename else ""
    if number in (errno.EACCES, errno.EPERM) and name:
        return f"no permission to read or write{name}: check its permissions and those of its folder"
    if number in FULL or (number == errno.ENOTDIR and name):
        places = "another place: --out for results, HARNESS_DATA for data, TMPDIR for temporary files"
        return f"cannot write{name}: {_WRONG[number]} choose {places}"
    return ""


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
        # A child that user code forked meanwhile has the handle too: closing ours would not free the lock.
        fcntl.flock(handle, fcntl.LOCK_UN)
        os.close(handle)


def is_locked(path: Path) -> bool | None:
    """Whether a process holds a lock alone just now; None where one cannot look."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    except OSError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # no locks on this file system
        return None
    finally:
        os.close(handle)
    return False


def cache_root() -> Path:
    """What a node keeps for all runs: `$HARNESS_DATA`, default `~/.cache/harness`."""
    chosen = os.environ.get("HARNESS_DATA")
    return Path(chosen).expanduser() if chosen else Path.home() / ".cache" / "harness"


def private_folder() -> Path:
    """A folder of this user's under the node's folder for temporary files.

    Raises:
        HarnessError: another user made it first, who could read and change what is worked on.
    """
    path = Path(tempfile.gettempdir()) / f"harness-{os.getuid()}"
    with writing(str(path)), contextlib.suppress(FileExistsError):
        path.mkdir(mode=0o700)
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o022:
        raise HarnessError(f"{path} is not a folder of yours alone: set TMPDIR to a folder that is")
    return path


def write_synced(path: Path, content: bytes) -> None:
    """Write and have the disk keep it before returning."""
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def write_whole(path: Path, content: bytes) -> None:
    """Make a file hold the new content or, whatever happens, the old."""
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        write_synced(temporary, content)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(path.parent)


def sync_tree(folder: Path) -> None:
    """Bring all files and folders below a folder to the disk, so that a power loss leaves them whole."""
    for path in folder.rglob("*"):
        if path.is_dir():
            sync_folder(path)
        elif path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())
    sync_folder(folder)


def sync_folder(path: Path) -> None:
    """Have the disk keep a folder's names, where its file system can."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:  # some network file systems cannot sync folders
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(handle)


def make_folder(path: Path) -> None:
    """A folder that a power loss does not take away, with the folders above it."""
    if not path.is_dir():
        make_folder(path.parent)
        path.mkdir(exist_ok=True)
        sync_folder(path.parent)


def replace_folder(new: Path, target: Path) -> None:
    """Rename before deleting, so that no half-deleted folder ever stands under the target's name."""
    trash = target.with_name(f".old-{uuid.uuid4().hex}")
    with contextlib.suppress(FileNotFoundError):
        target.rename(trash)
    new.rename(target)
    sync_folder(target.parent)
    shutil.rmtree(trash, ignore_errors=True)


def copy_beside(source: Path, target: Path) -> Path:
    """A copy of a folder on the target's disk, from where it can be renamed."""
    near = target.with_name(f".new-{uuid.uuid4().hex}")
    copy_whole(source, near)
    return near


def copy_whole(source: Path, target: Path) -> None:
    """Copy a folder into one that is new or empty, or leave nothing there."""
    try:
        shutil.copytree(source, target, dirs_exist_ok=True)
    except BaseException:
        shutil.rmtree(target, ignore_errors=True)
        raise


def link_or_copy(source: str, target: str) -> None:
    """A hard link, or a copy where the file system has none."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
