"""Artifacts that take raw examples: beside the model a tokenizer, or what makes numbers of a table's rows.

Runtimes know arrays of numbers alone; here a runtime's answer is given what makes these. Imports no torch.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from harness.exported import tables
from harness.models.tokenizers import load_tokenizer
from harness.protocols import Inputs, Predict
from harness.runtimes import runtime
from harness.runtimes.common import TOKENIZER

__all__ = ["TOKENIZER", "encoder", "load"]


def load(name: str, folder: Path, threads: int, device: str = "cpu") -> Predict:
    """An artifact on a runtime, ready to answer raw examples: texts, rows of a table, arrays."""
    predict, encode = runtime(name).load(folder, threads, device), encoder(folder)
    return predict if encode is None else lambda raw: predict(encode(raw))


def encoder(folder: Path) -> Callable[[Inputs], Any] | None:
    """What makes a model's arrays of raw examples, None where it takes these themselves."""
    if (folder / TOKENIZER).exists():
        return load_tokenizer(folder / TOKENIZER).encode
    return tables.read(folder / tables.FILE).encode if (folder / tables.FILE).exists() else None
