"""Texts to numbers, by a vocabulary of words or as a pretrained model was taught; without torch.

`fit_tokenizer` decides by the model reference. What `save` writes is one JSON file that travels with the
fitted model and with what is deployed.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from harness.models import vocabulary
from harness.models.vocabulary import FORMAT, PAD, Vocabulary
from harness.record import RecordError

CHARACTERS_PER_TOKEN = 200
"""Of a text no more than this many characters per token are looked at: no token is that long."""


class Tokenizer(Protocol):
    """What turns texts into tokens: `encode` gives (n, L) int64, padded with 0 at the end."""

    @property
    def vocab_size(self) -> int: ...

    @property
    def max_length(self) -> int: ...

    def encode(self, texts: Sequence[str], max_length: int | None = None) -> np.ndarray: ...

    def save(self, path: Path) -> None: ...


def fit_tokenizer(
    ref: str, args: Mapping[str, Any], texts: Sequence[str], search: Path | None = None
) -> Tokenizer:
    """The tokenizer of a text model: the pretrained one of `hf:`, else a vocabulary of the texts.

    Args:
        ref, args: the candidate's model and arguments; `max_length` and `min_count` are used here.
        texts: of the training part only.
        search: the folder of the suite file, for `hf:./folder`.
    Raises:
        ValueError: the pretrained tokenizer cannot be had; the message names the cure.
    """
    if ref.startswith("hf:"):
        from harness.models.pretrained import load_pretrained_tokenizer

        return load_pretrained_tokenizer(ref.removeprefix("hf:"), int(args.get("max_length", 128)), search)
    options = {name: args[name] for name in ("max_length", "min_count") if name in args}
    return vocabulary.fit(texts, **options)


def load_tokenizer(path: Path) -> Tokenizer:
    """The tokenizer that `save` wrote.

    Raises:
        RecordError: the file is damaged or of a newer version.
    """
    try:
        data = json.loads(path.read_text())
        kind = data["kind"]
        if kind == "pretrained" and data["format"] <= FORMAT:
            return PretrainedTokenizer(data["tokenizer"], int(data["max_length"]), int(data["pad"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RecordError(f"{path} is no tokenizer: {error!r}") from error
    return vocabulary.load(path)


@dataclass(frozen=True)
class PretrainedTokenizer:
    """A pretrained model's own tokenizer, run by the `tokenizers` library.

    Padding is 0 here for every model: where its own number for padding is another one, the two change
    places, and the network changes them back.

    Args:
        definition: the library's JSON. pad: the model's own number for padding.
    """

    definition: str
    max_length: int
    pad: int

    @cached_property
    def _tokenizer(self) -> Any:
        os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # a trial has the threads it declared
        from tokenizers import Tokenizer

        return Tokenizer.from_str(self.definition)

    @property
    def vocab_size(self) -> int:
        """How many numbers there are."""
        return int(self._tokenizer.get_vocab_size())

    def encode(self, texts: Sequence[str], max_length: int | None = None) -> np.ndarray:
        """Numbers of texts, padded with 0 to the longest of them: (len(texts), L ≤ max_length) int64."""
        limit = max_length or self.max_length
        self._tokenizer.enable_truncation(limit)
        self._tokenizer.no_padding()
        short = [_clean(text[: limit * CHARACTERS_PER_TOKEN]) for text in texts]
        rows = [encoding.ids for encoding in self._tokenizer.encode_batch(short)]
        out = np.full((len(rows), max(map(len, rows), default=1) or 1), self.pad, dtype=np.int64)
        for row, values in zip(out, rows, strict=True):
            row[: len(values)] = values
        return swap_padding(out, self.pad)

    def save(self, path: Path) -> None:
        """Write the tokenizer as JSON."""
        data = {"format": FORMAT, "kind": "pretrained", "max_length": self.max_length, "pad": self.pad}
        path.write_text(json.dumps({**data, "tokenizer": self.definition}))


def swap_padding(tokens: np.ndarray, pad: int) -> np.ndarray:
    """Exchange a model's own padding number and 0."""
    if pad == PAD:
        return tokens
    return np.where(tokens == pad, PAD, np.where(tokens == PAD, pad, tokens))


def _clean(text: str) -> str:
    """A text that is valid Unicode: half a surrogate pair, as damaged files hold, becomes `?`."""
    return text.encode("utf-8", "replace").decode()


__all__ = [
    "PretrainedTokenizer",
    "Tokenizer",
    "Vocabulary",
    "fit_tokenizer",
    "load_tokenizer",
    "swap_padding",
]
