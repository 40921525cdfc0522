"""What DVC tracks: pointers are followed to the data that they stand for, checksums kept for the record.

Read are the files that DVC itself writes (`NAME.dvc`, `dvc.lock`); DVC need not be installed.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from harness.record import DataError

POINTER, LOCK = ".dvc", "dvc.lock"


@dataclass(frozen=True)
class Tracked:
    """A file or folder that DVC tracks.

    Args:
        path: where it belongs. pointer: the file that says so.
        md5: DVC's name of the content, which ends in `.dir` for a folder; size: in bytes, None where unsaid.
    """

    path: Path
    pointer: Path
    md5: str
    size: int | None = None


def followed(path: Path) -> Path:
    """The data that a pointer (`photos.dvc`) stands for; every other path as it is.

    Raises:
        DataError: the pointer names nothing, or more than one thing.
    """
    if path.suffix != POINTER or not path.is_file():
        return path
    found = list(_outs(path))
    if len(found) != 1:
        raise DataError(
            f"{path} stands for {len(found)} files or folders, one is needed: name the data itself"
        )
    return found[0].path


def tracked(path: Path) -> Tracked | None:
    """What DVC says of a path: its own pointer, that of a folder around it, or a pipeline's `dvc.lock`."""
    for place in (path, *path.parents)[:-1]:
        for pointer in (place.with_name(place.name + POINTER), place.parent / LOCK):
            for out in _outs(pointer):
                if path == out.path or out.path in path.parents:
                    return out
        if (place / ".dvc").is_dir():
            break  # the root of what DVC looks after
    return None


def facts(paths: Mapping[str, Path]) -> dict[str, Any]:
    """For the record: argument → what DVC tracks there, and whether the size still is the tracked one."""
    found: dict[str, dict[str, Any]] = {}
    for argument, path in paths.items():
        if (out := tracked(path)) is None:
            continue
        found[argument] = {"path": path.name, "md5": out.md5, "pointer": out.pointer.name}
        if out.path == path and out.size is not None and _size(path) != out.size:
            found[argument]["changed"] = True
    return found


def _outs(pointer: Path) -> Iterator[Tracked]:
    """What a pointer or a lock file names; nothing where it is none."""
    if not pointer.is_file():
        return
    try:
        data = yaml.safe_load(pointer.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        if pointer.name == LOCK:
            return
        raise DataError(f"{pointer} is not a file of DVC's: {str(error).splitlines()[0]}") from error
    data = data if isinstance(data, dict) else {}
    stages = data.get("stages") if pointer.name == LOCK else {"": data}
    for stage in (stages if isinstance(stages, dict) else {}).values():
        folder = pointer.parent / str(stage.get("wdir", ".")) if isinstance(stage, dict) else pointer.parent
        for out in (stage.get("outs") or ()) if isinstance(stage, dict) else ():
            if isinstance(out, dict) and isinstance(out.get("path"), str):
                path = Path(os.path.normpath((folder / out["path"]).absolute()))  # links keep their names
                yield Tracked(path, pointer, str(out.get("md5", "")), out.get("size"))


def _size(path: Path) -> int:
    if path.is_file():
        return path.stat().st_size
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
