"""The user's own files: found, hashed once, and remembered by size and time of change.

A link is opened as it is named, never as what it points to: DVC's links lead to files that are called by
their hash, and `data.parquet` is a Parquet file by its name.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from harness.codec import JsonObject
from harness.datasets import dvc
from harness.datasets.files import sha256_of, write_whole
from harness.record import DataError
from harness.store.disk import cache_root

STAMPED = 4
"""What is kept of a file beside its hash: size, two times, identity."""
PATH_NAMES = ("path", "folder", "file", "root", "directory")


def is_path_argument(name: str) -> bool:
    """Whether a data set's argument of this name says where something is."""
    return name in PATH_NAMES or name.endswith("_path")


def paths_of(args: JsonObject) -> dict[str, Path]:
    """The arguments of a data set that say where something is."""
    return {k: Path(v) for k, v in args.items() if is_path_argument(k) and isinstance(v, str)}


def existing(path: str, what: str, argument: str = "path") -> Path:
    """A path that the user gave, absolute; a pointer of DVC's is followed to its data.

    Args:
        argument: what it was given as.
    Raises:
        DataError: there is nothing; the nearest existing parent is named, or how DVC gets it.
    """
    found = dvc.followed(absolute(Path(path)))
    if found.exists():
        return found
    if (out := dvc.tracked(found)) is not None:
        raise DataError(
            f"the {what} {found} is tracked by DVC and not here: run `dvc pull {_shown(out.pointer)}`"
        )
    parent = next((p for p in found.parents if p.exists()), found)
    raise DataError(f"no {what} at {found}: correct `{argument}` under data ({parent} exists)")


def absolute(path: Path) -> Path:
    """A path from the root, without `..`, its links unresolved."""
    return Path(os.path.normpath(path.expanduser().absolute()))


def _shown(pointer: Path) -> str:
    """A pointer as the user would write it from where they stand."""
    with contextlib.suppress(ValueError):
        return str(pointer.relative_to(Path.cwd()))
    return str(pointer)


def content_of(files: Sequence[Path], root: Path) -> str:
    """One hash over the names (relative to `root`) and contents of files, in their order."""
    total = hashlib.sha256()
    for name, digest in _digests(files, root).items():
        total.update(f"{name}\0{digest}\n".encode())
    return total.hexdigest()


def content_of_file(file: Path) -> str:
    """A hash over a file's content and the ending of its name, which says how it is read."""
    (digest,) = _digests([file], file.parent).values()
    return hashlib.sha256(f"{file.suffix.lower()}\0{digest}".encode()).hexdigest()


def _digests(files: Sequence[Path], root: Path) -> dict[str, str]:
    """Name relative to `root` → sha256.

    Hashes are kept in the cache folder, so that planning does not read a large folder again; a file whose
    size, time of change or identity on disk differs is read again (a copy may bring its old time along, a
    link may have been turned to another file).
    """
    memory = cache_root() / "checksums" / f"{hashlib.sha256(str(root).encode()).hexdigest()[:16]}.json"
    known = _read(memory)
    fresh: dict[str, list[object]] = {}
    for path in files:
        status = path.stat()
        name = path.relative_to(root).as_posix()
        stamp: list[object] = [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]
        old = known.get(name)
        fresh[name] = old if old and old[:-1] == stamp else stamp
    changed = [name for name, stamp in fresh.items() if len(stamp) == STAMPED]
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        for name, digest in zip(changed, pool.map(lambda n: sha256_of(root / n), changed), strict=True):
            fresh[name] = [*fresh[name], digest]
    if any(known.get(name) != entry for name, entry in fresh.items()):
        with contextlib.suppress(OSError, DataError):  # it is only a memory
            write_whole(memory, lambda out: out.write(json.dumps({**known, **fresh}).encode()))
    return {name: str(entry[-1]) for name, entry in fresh.items()}


def _read(memory: Path) -> dict[str, list[object]]:
    try:
        found = json.loads(memory.read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
