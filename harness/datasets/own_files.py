"""The user's own files: found, hashed once, and remembered by size and time of change."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from harness.datasets.files import sha256_of, write_whole
from harness.record import DataError
from harness.store.disk import cache_root


def existing(path: str, what: str, argument: str = "path") -> Path:
    """A path that the user gave, absolute.

    Args:
        argument: what it was given as.
    Raises:
        DataError: there is nothing; the nearest existing parent is named.
    """
    found = Path(path).expanduser()
    found = found if found.is_absolute() else Path.cwd() / found
    if found.exists():
        return found.resolve()
    parent = next((p for p in found.parents if p.exists()), found)
    raise DataError(f"no {what} at {found}: correct `{argument}` under data ({parent} exists)")


def content_of(files: Sequence[Path], root: Path) -> str:
    """One hash over the names (relative to `root`) and contents of files, in their order.

    Hashes are kept in the cache folder, so that planning does not read a large folder again; a file
    whose size or time of change differs is read again.
    """
    memory = cache_root() / "checksums" / f"{hashlib.sha256(str(root).encode()).hexdigest()[:16]}.json"
    known = _read(memory)
    fresh: dict[str, list[object]] = {}
    for path in files:
        status = path.stat()
        name = path.relative_to(root).as_posix()
        stamp: list[object] = [status.st_size, status.st_mtime_ns]
        old = known.get(name)
        fresh[name] = old if old and old[:2] == stamp else [*stamp, sha256_of(path)]
    if fresh != known:
        with contextlib.suppress(OSError, DataError):  # it is only a memory
            write_whole(memory, lambda out: out.write(json.dumps(fresh).encode()))
    total = hashlib.sha256()
    for name, entry in fresh.items():
        total.update(f"{name}\0{entry[2]}\n".encode())
    return total.hexdigest()


def _read(memory: Path) -> dict[str, list[object]]:
    try:
        found = json.loads(memory.read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
