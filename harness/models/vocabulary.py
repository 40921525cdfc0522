"""Words to numbers, for networks that learn their own embedding; numpy only, since it serves too.

A word is a run of letters and digits in lower case (with inner apostrophes); every other sign that is
not white space is a word of its own, an emoji too. Number 0 pads, 1 stands for an unknown word.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path

import numpy as np

from harness.record import RecordError

PAD, UNKNOWN = 0, 1
FORMAT = 1

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
        out = np.full((len(rows), max(map(len, rows), default=1)), PAD, dtype=np.int64)
        for row, values in zip(out, rows, strict=True):
            row[: len(values)] = values
        return out

    def save(self, path: Path) -> None:
        """Write the vocabulary as JSON."""
        data = {"format": FORMAT, "kind": "words", "max_length": self.max_length, "words": self.words}
        path.write_text(json.dumps(data))


def fit(
    texts: Iterable[str], *, max_length: int = 128, min_count: int = 2, max_words: int = 50_000
) -> Vocabulary:
    """The vocabulary of training texts, the commonest word first (then by alphabet).

    Args:
        texts: of the training part only: words of other parts must stay unknown.
        min_count: rarer words are unknown.
    """
    if max_length < 1 or min_count < 1 or max_words < 1:
        raise ValueError("max_length, min_count and max_words must be 1 or more")
    counts = Counter(word for text in texts for word in words_of(text))
    known = sorted((word for word in counts if counts[word] >= min_count), key=lambda w: (-counts[w], w))
    return Vocabulary(tuple(known[:max_words]), max_length)


def load(path: Path) -> Vocabulary:
    """The vocabulary that `save` wrote.

    Raises:
        RecordError: the file is damaged or of a newer version.
    """
    try:
        data = json.loads(path.read_text())
        if data["format"] > FORMAT:
            raise RecordError(
                f"{path} is of format {data['format']}, newer than {FORMAT}: upgrade the harness"
            )
        return Vocabulary(tuple(map(str, data["words"])), int(data["max_length"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RecordError(f"{path} is no vocabulary: {error!r}") from error
