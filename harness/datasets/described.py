"""What plans ask of the user's own files, remembered in the cache folder: reading a large table again for
every `plan` takes as long as it did the first time.

The key is what the files hold, how they are to be read, and the code that reads them; a mistake in a file is
never remembered.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from types import ModuleType

from harness.codec import from_json
from harness.datasets.files import write_whole
from harness.protocols import Task
from harness.record import DataError, content_hash
from harness.store.disk import cache_root


@dataclass(frozen=True)
class Described:
    """Of a data set: its task, what `plan` says of how it was read, rows of each class."""

    task: Task
    notes: tuple[str, ...] = ()
    class_counts: Mapping[str, int] | None = None


def described(module: ModuleType, content: str, args: Mapping[str, object]) -> Described:
    """A description from memory, else from the files.

    Args:
        content: the checksum of the files.
    Raises:
        DataError: the files cannot be read as they are meant.
    """
    key = content_hash([module.__name__, content, dict(args), _code()])
    memory = cache_root() / "described" / f"{key}.json"
    known = _read(memory)
    if known is None:
        known = _ask(module, args)
        with contextlib.suppress(OSError, DataError):  # it is only a memory
            text = json.dumps(asdict(known)).encode()
            write_whole(memory, lambda out: out.write(text))
    return known


def _ask(module: ModuleType, args: Mapping[str, object]) -> Described:
    counts: Callable[..., dict[str, int]] | None = getattr(module, "class_counts", None)
    return Described(module.task(**args), tuple(module.notes(**args)), counts(**args) if counts else None)


def _read(memory: Path) -> Described | None:
    try:
        found = json.loads(memory.read_text())
        return from_json(Described, found)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


@cache
def _code() -> str:
    """The files of this package, by name, size and time of change: another version may read otherwise."""
    files = sorted(Path(__file__).parent.glob("*.py"))
    return content_hash([[f.name, f.stat().st_size, f.stat().st_mtime_ns] for f in files])
