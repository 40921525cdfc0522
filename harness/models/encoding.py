"""Texts → the numbers that a model takes, by a tokenizer that was fitted before; what serves a text model.

`export` copies this file as it is beside an exported model, so what answers there is the code that was
measured. Hence it imports the standard library and numpy alone, and `tokenizers` where a pretrained model
brought such a tokenizer; nothing of the harness.
"""

from __future__ import annotations

import json
import math
import os
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from tokenizers import Tokenizer

PAD, UNKNOWN = 0, 1
FORMAT = 1

CHARACTERS_PER_TOKEN = 200
"""Of a text no more than this many characters per token are looked at: no token is that long."""

_WORD = re.compile(r"\w+(?:'\w+)*|[^\w\s\x00-\x1f\x7f]")


def words_of(text: str) -> Iterator[str]:
    """The words of a text, one by one: a long text is read only as far as it is asked for."""
    for match in _WORD.finditer(text.replace("’", "'")):
        yield match.group().lower()


@dataclass(frozen=True)
class Vocabulary:
    """The words that a network knows.

    Args:
        words: the i-th has number i + 2.
        max_length: how many words of a text are kept, the first ones.
    """

    words: tuple[str, ...]
    max_length: int = 128

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {word: number for number, word in enumerate(self.words, UNKNOWN + 1)}

    @property
    def vocab_size(self) -> int:
        """How many numbers there are, padding and the unknown word included."""
        return len(self.words) + 2

    def encode(self, texts: Sequence[str], max_length: int | None = None) -> np.ndarray:
        """Numbers of texts, padded with 0 to the longest of them.

        Args:
            max_length: instead of the vocabulary's own.
        Returns:
            (len(texts), L) int64 with 1 ≤ L ≤ max_length; a text without words is one unknown word,
            so that no row is padding alone.
        """
        limit = max_length or self.max_length
        numbers = self._numbers
        rows = [
            [numbers.get(word, UNKNOWN) for word in islice(words_of(text), limit)] or [UNKNOWN]
            for text in texts
        ]
        return _padded(rows, PAD)

    def save(self, path: Path) -> None:
        """Write the vocabulary as JSON."""
        data = {"format": FORMAT, "kind": "words", "max_length": self.max_length, "words": self.words}
        path.write_text(json.dumps(data))


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
    def _tokenizer(self) -> Tokenizer:
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
        return swap_padding(_padded(rows, self.pad), self.pad)

    def save(self, path: Path) -> None:
        """Write the tokenizer as JSON."""
        data = {"format": FORMAT, "kind": "pretrained", "max_length": self.max_length, "pad": self.pad}
        path.write_text(json.dumps({**data, "tokenizer": self.definition}))


@dataclass(frozen=True)
class WeighedWords:
    """scikit-learn's TfidfVectorizer over words, without scikit-learn: terms and their weights, not a table.

    Args:
        terms: words and runs of words, in the order of the model's columns.
        idf: the weight of each, 1 where there is none.
        pattern, lowercase, strip_accents, stop_words, ngram_range, binary, sublinear_tf, norm: as there.
    """

    terms: tuple[str, ...]
    idf: tuple[float, ...]
    pattern: str
    lowercase: bool = True
    strip_accents: str | None = None
    stop_words: tuple[str, ...] = ()
    ngram_range: tuple[int, int] = (1, 1)
    binary: bool = False
    sublinear_tf: bool = False
    norm: str | None = "l2"

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {term: number for number, term in enumerate(self.terms)}

    @cached_property
    def _stop(self) -> frozenset[str]:
        return frozenset(self.stop_words)

    def encode(self, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """Terms of texts and their weights, padded with term 0 of weight 0 to the most of them.

        Returns:
            numbers (len(texts), L) int64 and weights (len(texts), L) float32, 1 ≤ L.
        """
        rows = [self._weighed(text) for text in texts]
        numbers = _padded([[number for number, _ in row] for row in rows], 0)
        weights = np.zeros(numbers.shape, np.float32)
        for out, row in zip(weights, rows, strict=True):
            out[: len(row)] = [weight for _, weight in row]
        return numbers, weights

    def _weighed(self, text: str) -> list[tuple[int, float]]:
        """(number, weight) of each known term of a text; empty where it knows none."""
        numbers = self._numbers
        counts = Counter(numbers[term] for term in self._terms(text) if term in numbers)
        weighed = []
        for number, count in sorted(counts.items()):
            times = 1.0 if self.binary else 1.0 + math.log(count) if self.sublinear_tf else float(count)
            weighed.append((number, times * self.idf[number]))
        sizes = [weight for _, weight in weighed]
        length = {"l2": math.hypot(*sizes), "l1": math.fsum(map(abs, sizes))}.get(self.norm or "", 1.0)
        return [(number, weight / (length or 1.0)) for number, weight in weighed]

    def _terms(self, text: str) -> Iterator[str]:
        """Words, then runs of words, as `CountVectorizer` makes them."""
        text = text.lower() if self.lowercase else text
        if self.strip_accents == "unicode":
            text = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
        elif self.strip_accents == "ascii":
            text = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode("ascii")
        words = [word for word in re.findall(self.pattern, text) if word not in self._stop]
        shortest, longest = self.ngram_range
        for size in range(shortest, longest + 1):
            for start in range(len(words) - size + 1):
                yield words[start] if size == 1 else " ".join(words[start : start + size])

    def save(self, path: Path) -> None:
        """Write the terms and how they are weighed as JSON."""
        path.write_text(json.dumps({"format": FORMAT, "kind": "weighed words", **asdict(self)}))


def read(path: Path) -> Vocabulary | PretrainedTokenizer | WeighedWords:
    """The tokenizer that `save` wrote.

    Raises:
        ValueError, KeyError, TypeError: the file is damaged or of a newer version.
    """
    data: dict[str, Any] = dict(json.loads(path.read_text()))
    kind, written = data.pop("kind"), data.pop("format")
    if written > FORMAT:
        raise ValueError(f"it is of format {written}, newer than {FORMAT}: upgrade the harness")
    return _READERS[kind](data)


def swap_padding(tokens: np.ndarray, pad: int) -> np.ndarray:
    """Exchange a model's own padding number and 0."""
    if pad == PAD:
        return tokens
    return np.where(tokens == pad, PAD, np.where(tokens == PAD, pad, tokens))


def _padded(rows: Sequence[Sequence[int]], pad: int) -> np.ndarray:
    """Rows of unequal length → (len(rows), L) int64, L at least 1."""
    out = np.full((len(rows), max(map(len, rows), default=1) or 1), pad, dtype=np.int64)
    for row, values in zip(out, rows, strict=True):
        row[: len(values)] = values
    return out


def _clean(text: str) -> str:
    """A text that is valid Unicode: half a surrogate pair, as damaged files hold, becomes `?`."""
    return text.encode("utf-8", "replace").decode()


def _weighed_words(data: Mapping[str, Any]) -> WeighedWords:
    values: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in data.items()}
    return WeighedWords(**values)


_READERS: Mapping[str, Callable[[Mapping[str, Any]], Vocabulary | PretrainedTokenizer | WeighedWords]] = {
    "words": lambda data: Vocabulary(tuple(map(str, data["words"])), int(data["max_length"])),
    "pretrained": lambda data: PretrainedTokenizer(
        data["tokenizer"], int(data["max_length"]), int(data["pad"])
    ),
    "weighed words": _weighed_words,
}
"""Kind of tokenizer, as the file says it → how it is read."""
