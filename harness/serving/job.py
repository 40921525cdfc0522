"""What the measured process is asked for: written by who starts it, read by it and by its workers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from harness.codec import from_json, to_json
from harness.specification import ScenarioSpec, Spec


@dataclass(frozen=True)
class ServeJob:
    """A serve trial on its way to a process of its own.

    Args:
        spec: the trial's own. artifacts: what a specification calls its artifact → the folder.
        folder: what is written there stays with the trial. result: the file for what was found.
        threads: of each worker. memory_mb: of the trial's claim; 0: no limit.
    """

    spec: Spec
    folder: str
    result: str = ""
    artifacts: Mapping[str, str] = field(default_factory=dict)
    threads: int = 1
    workers: int = 1
    device: str = "cpu"
    memory_mb: int = 0

    @property
    def scenario(self) -> ScenarioSpec:
        return self.spec["scenario"]

    @property
    def seed(self) -> int:
        return int(self.spec.get("seed", 0))

    @property
    def round(self) -> int:
        return int(self.spec.get("round") or 0)

    def artifact_of(self, spec: Spec) -> Path | None:
        """The folder of a variant's artifact; None where it has none."""
        found = self.artifacts.get(spec.get("artifact", ""))
        return None if found is None else Path(found)

    def file(self, name: str) -> Path:
        """A file in the trial's folder."""
        return Path(self.folder) / name

    def write(self, path: Path) -> None:
        path.write_text(json.dumps(to_json(self)))

    @classmethod
    def read(cls, path: Path) -> ServeJob:
        """What `write` wrote.

        Raises:
            TypeError: something is missing, or of the wrong type.
        """
        return from_json(cls, json.loads(path.read_text()))


class WorkerGroup(Protocol):
    """The workers of a machine (`harness.serving.workers.Crew`), as the code that they run sees them."""

    size: int
    shared: Any
    meter: Any

    def together(self, subject: Any, order: str, **given: Any) -> list[Any]:
        """All do the same at the same time; what each found, the first worker's own first."""
