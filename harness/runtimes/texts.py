"""Artifacts of text models: a tokenizer beside the model, so what is deployed takes texts.

Runtimes know token numbers alone; here a runtime's answer is given its tokenizer. Imports no torch.
"""

from __future__ import annotations

from pathlib import Path

from harness.models.tokenizers import load_tokenizer
from harness.protocols import Predict
from harness.runtimes import runtime
from harness.runtimes.common import TOKENIZER

__all__ = ["TOKENIZER", "load"]


def load(name: str, folder: Path, threads: int, device: str = "cpu") -> Predict:
    """An artifact on a runtime, ready to answer raw examples; with a tokenizer these are texts."""
    predict = runtime(name).load(folder, threads, device)
    if not (folder / TOKENIZER).exists():
        return predict
    tokenizer = load_tokenizer(folder / TOKENIZER)
    return lambda texts: predict(tokenizer.encode(texts))
