"""What was answered to a question about a run, kept in its folder: asked again, it is read.

An answer counts as long as all that it follows from says what it said (`stamps.sources_of`).
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from harness.record import HarnessError, content_hash
from harness.store.run_folder import RunFolder

PLACES = 64
"""Answers kept at most; one takes the place of another whose question falls on it too."""


@dataclass(frozen=True)
class AskedAgain:
    """What is asked of a run: as `recommend` takes it, and whether its answer is JSON."""

    where: tuple[str, ...] = ()
    objective: str | None = None
    settings: tuple[str, ...] = ()
    as_json: bool = False


@dataclass(frozen=True)
class ComparedAgain:
    """What is asked of several runs: as `compare` takes it."""

    runs: tuple[str, ...]
    margin: float = 0.0
    form: str = "text"
    as_json: bool = False


Asked = AskedAgain | ComparedAgain


def kept_answer(run: RunFolder, asked: Asked, sources: Mapping[str, str]) -> str | None:
    """What was answered to this question from the same sources; None where nothing was, or it is damaged."""
    try:
        head, _, text = run.read_bytes(_place(asked)).decode().partition("\n")
    except (OSError, ValueError):
        return None
    return text if head == _head(asked, sources, text) else None


def keep_answer(run: RunFolder, asked: Asked, sources: Mapping[str, str], text: str) -> None:
    """Keep what `kept_answer` gives; nothing is kept in a folder that may only be read.

    Args:
        sources: as they were before the answer was looked for.
    """
    with contextlib.suppress(HarnessError, OSError):
        run.write_bytes(_place(asked), f"{_head(asked, sources, text)}\n{text}".encode())


def _place(asked: Asked) -> str:
    return f".answers/{int(content_hash(asdict(asked)), 16) % PLACES:02}"


def _head(asked: Asked, sources: Mapping[str, str], text: str) -> str:
    question = content_hash([asdict(asked), dict(sources)])
    return f"{question} {hashlib.sha256(text.encode()).hexdigest()}"
