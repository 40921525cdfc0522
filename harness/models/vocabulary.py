"""The vocabulary of networks that learn their own embedding, fitted on training texts.

A word is a run of letters and digits in lower case (with inner apostrophes); every other sign that is
not white space is a word of its own, an emoji too. Number 0 pads, 1 stands for an unknown word.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from harness.models.encoding import PAD, UNKNOWN, Vocabulary, words_of

__all__ = ["PAD", "UNKNOWN", "Vocabulary", "fit", "words_of"]


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
