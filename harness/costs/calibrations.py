"""What a class of machine does of a standard set of networks: measured once, kept in the user's cache.

The ratio of two classes prices on the one what was measured on the other. A file may be copied to another
computer's cache: that is how the classes of several machines meet.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from harness.record import SuiteError
from harness.store.disk import cache_root

PROTOCOL = 2
"""How speeds are measured; a file of another way is none, since no ratio of two ways says anything."""


@dataclass(frozen=True)
class Calibration:
    """One machine class.

    Args:
        cores: that could serve. day: when it was measured.
        speeds: `resnet/onnx` → workers of one thread → requests per second of the machine, for each round in
            which it was steady.
    """

    machine_class: str
    cpu: str
    cores: int
    day: str
    speeds: Mapping[str, Mapping[str, tuple[float, ...]]]


def folder() -> Path:
    """Where calibrations lie, a file each."""
    return cache_root() / "calibrations"


def keep(found: Calibration) -> Path:
    """Write it, whole or not at all."""
    path = folder() / f"{found.machine_class}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".draft")
    draft.write_text(json.dumps({"protocol": PROTOCOL, **asdict(found)}, indent=1), encoding="utf-8")
    draft.replace(path)
    return path


def kept(machine_class: str) -> Calibration | None:
    """The calibration of a class, None where nobody made one, or an earlier build did in another way.

    Raises:
        SuiteError: its file cannot be read.
    """
    path = folder() / f"{machine_class}.json"
    with contextlib.suppress(FileNotFoundError):
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
            speeds = {
                name: {workers: tuple(map(float, rounds)) for workers, rounds in by_workers.items()}
                for name, by_workers in data["speeds"].items()
            }
            found = Calibration(
                str(data["machine_class"]), str(data["cpu"]), int(data["cores"]), str(data["day"]), speeds
            )
            return found if data.get("protocol") == PROTOCOL else None
        except (KeyError, ValueError, TypeError, AttributeError) as error:
            raise SuiteError(
                f"{path}: is not a calibration ({error!r}): delete it, or run `harness calibrate` again"
            ) from error
    return None
