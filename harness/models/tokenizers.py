"""Texts to numbers, by a vocabulary of words, as a pretrained model was taught, or weighed by TF-IDF.

`fit_tokenizer` decides by the model reference; `weighed_words` takes over a fitted TfidfVectorizer. What
`save` writes is one JSON file that travels with the fitted model and with what is deployed. No torch here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from harness.models import encoding, vocabulary
from harness.models.encoding import PretrainedTokenizer, Vocabulary, WeighedWords, swap_padding
from harness.record import RecordError
from harness.suite.model_ref import parse_model

if TYPE_CHECKING:
    from sklearn.feature_extraction.text import TfidfVectorizer

__all__ = [
    "PretrainedTokenizer",
    "Tokenizer",
    "Vocabulary",
    "fit_tokenizer",
    "load_tokenizer",
    "swap_padding",
    "weighed_words",
]


class Encoder(Protocol):
    """What turns texts into a model's inputs: one array of n rows, or several."""

    def encode(self, texts: Sequence[str]) -> np.ndarray | tuple[np.ndarray, ...]: ...

    def save(self, path: Path) -> None: ...


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
    model = parse_model(ref)
    if model.kind == "hf":
        from harness.models.pretrained import load_pretrained_tokenizer

        return load_pretrained_tokenizer(model.name, int(args.get("max_length", 128)), search)
    options = {name: args[name] for name in ("max_length", "min_count") if name in args}
    return vocabulary.fit(texts, **options)


def weighed_words(vectorizer: TfidfVectorizer) -> WeighedWords:
    """A fitted TfidfVectorizer as what weighs words alike without scikit-learn.

    Raises:
        ValueError: it cuts texts otherwise than into words by a pattern.
    """
    own = {name: getattr(vectorizer, name) for name in ("preprocessor", "tokenizer")}
    if vectorizer.analyzer != "word" or any(own.values()):
        raise ValueError(
            "tfidf with analyzer, preprocessor or tokenizer of its own has no form outside scikit-learn: "
            "serve it on runtime sklearn"
        )
    numbers: Mapping[str, int] = vectorizer.vocabulary_
    terms = tuple(sorted(numbers, key=numbers.__getitem__))
    idf = vectorizer.idf_.tolist() if vectorizer.use_idf else [1.0] * len(terms)
    return WeighedWords(
        terms,
        tuple(idf),
        vectorizer.token_pattern,
        vectorizer.lowercase,
        vectorizer.strip_accents,
        tuple(sorted(vectorizer.get_stop_words() or ())),
        tuple(vectorizer.ngram_range),
        vectorizer.binary,
        vectorizer.sublinear_tf,
        vectorizer.norm,
    )


def load_tokenizer(path: Path) -> Encoder:
    """The tokenizer that `save` wrote.

    Raises:
        RecordError: the file is damaged or of a newer version.
    """
    try:
        return encoding.read(path)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RecordError(f"{path} is not a tokenizer: {error}") from error
