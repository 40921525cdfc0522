"""One thing that was found of a machine, and what follows for measuring on it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal

Level = Literal["good", "watch", "bad"]
MARKS: dict[Level, str] = {"good": "ok  ", "watch": "note", "bad": "BAD "}


@dataclass(frozen=True)
class MachineCheck:
    """One thing about the machine.

    Args:
        found: the figure. meaning: what follows for measuring, empty where nothing does.
    """

    what: str
    found: str
    meaning: str = ""
    level: Level = "good"

    @property
    def mark(self) -> str:
        return MARKS[self.level]

    def as_json(self) -> dict[str, str]:
        return asdict(self)
