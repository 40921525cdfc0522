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

from harness.codec import D, from_json
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
    return from_memory(Described, [module.__name__, content, dict(args)], lambda: _ask(module, args))


def from_memory(kind: type[D], about: list[object], ask: Callable[[], D]) -> D:
    """What was found of own files once, else what `ask` finds now.

    Args:
        about: what it follows from, with the checksum of the files among it.
    """
    key = content_hash([*about, _code()])
    memory = cache_root() / "described" / f"{key}.json"
    known = _read(kind, memory)
    if known is None:
        known = ask()
        with contextlib.suppress(OSError, DataError):  # it is only a memory
            text = json.dumps(asdict(known)).encode()
            write_whole(memory, lambda out: out.write(text))
    return known


def _ask(module: ModuleType, args: Mapping[str, object]) -> Described:
    counts: Callable[..., dict[str, int]] | None = getattr(module, "class_counts", None)
    return Described(module.task(**args), tuple(module.notes(**args)), counts(**args) if counts else None)


def _read(kind: type[D], memory: Path) -> D | None:
    try:
        return from_json(kind, json.loads(memory.read_text()))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


@cache
def _code() -> str:
    """The files of this package, by name, size and time of change: another version may read otherwise."""
    files = sorted(Path(__file__).parent.glob("*.py"))
    return content_hash([[f.name, f.stat().st_size, f.stat().st_mtime_ns] for f in files])
