"""Where trials work before they are published: a folder for each attempt, named after who works there."""

from __future__ import annotations

import os
import re
import socket
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.store.disk import writing

_ATTEMPT = re.compile(
    r"(?P<trial>(train|score|serve)-[0-9a-f]{16})-(?P<session>.{0,8}?)-(?P<host>.+)"
    r"-(?P<pid>\d+)-(?P<began>[0-9a-f]{16})[0-9a-f]{8}"
)


@dataclass(frozen=True)
class ScratchFolder:
    """A folder that one process works in, or did.

    Args:
        session: the first 8 characters of its name.
        began_s: time.time() of its host.
    """

    path: Path
    trial_id: str
    session: str
    host: str
    pid: int
    began_s: float

    @property
    def lives(self) -> bool | None:
        """Whether the process that works there exists still; None where it is another host's."""
        if self.host != socket.gethostname():
            return None
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:  # another user's
            pass
        return True

    @property
    def is_anothers(self) -> bool:
        """Whether another living process of this host works there."""
        return bool(self.lives) and self.pid != os.getpid()


def begin_attempt(parent: Path, trial_id: str, session: str) -> Path:
    """A fresh folder for an attempt at a trial."""
    who = f"{session[:8]}-{socket.gethostname()}-{os.getpid()}"
    path = parent / f"{trial_id}-{who}-{time.time_ns():016x}{uuid.uuid4().hex[:8]}"
    with writing(str(path)):
        path.mkdir(parents=True)
    return path


def find_attempts(parent: Path) -> list[ScratchFolder]:
    """All that are there, oldest first."""
    return sorted(_each(parent), key=lambda attempt: attempt.began_s)


def _each(parent: Path) -> Iterator[ScratchFolder]:
    names = [path.name for path in parent.iterdir()] if parent.is_dir() else []
    for found in filter(None, map(_ATTEMPT.fullmatch, names)):
        yield ScratchFolder(
            parent / found[0],
            found["trial"],
            found["session"],
            found["host"],
            int(found["pid"]),
            int(found["began"], 16) / 1e9,
        )
