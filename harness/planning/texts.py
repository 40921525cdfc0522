"""What `plan` says of texts: which candidates read only the beginning of them, and words that are none."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

from harness.suite.model_ref import parse_model
from harness.suite.schema import Suite

OWN_TEXTS = "text_csv"
SAMPLE = 2000
"""Texts that are looked at, at most."""
LOOKED_AT = 300
"""Signs of a text by which its script is known."""
STEPS = 200
"""Of the distribution of texts' lengths that is remembered."""
READ = 128
"""Words that a network reads where its `max_length` says nothing else."""
CURE = (
    "write `tfidf: {}` in the args of an estimator (served on `sklearn`), or take an encoder taught on that "
    "language (`hf:`)"
)
MANY = 0.05
"""Of the texts, or of their letters, a share that is worth a word."""

_UNSPACED = re.compile(
    "[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"  # Japanese and Chinese
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff]"  # Thai, Lao, Burmese, Khmer
)
"""Letters of scripts that put no space between words."""


@dataclass(frozen=True)
class TextsLookedAt:
    """What is remembered of a file of texts.

    Args:
        lengths: quantiles of how many words a text has. unspaced: share of the letters that are of a script
            without spaces. marks: share of combining signs, which patterns of words cut at.
    """

    lengths: tuple[int, ...] = ()
    unspaced: float = 0.0
    marks: float = 0.0

    def longer(self, limit: int) -> float:
        """The share of the texts with more words than that."""
        return sum(length > limit for length in self.lengths) / max(len(self.lengths), 1)


def text_notes(suite: Suite) -> Iterator[str]:
    """What `plan` says of a suite's own texts."""
    if suite.data.name != OWN_TEXTS:
        return
    from harness.datasets.catalog import checksum
    from harness.datasets.described import from_memory

    name, args = suite.data.name, suite.data.args
    about: list[object] = ["texts", checksum(name, args), dict(args)]
    seen = from_memory(TextsLookedAt, about, lambda: looked_at(_texts(suite)))
    yield from _cut_off(suite, seen)
    if seen.unspaced >= MANY and (names := _by_words(suite)):
        yield (
            f"texts: {seen.unspaced:.0%} of the letters are of scripts without spaces between words, so that "
            f"whole clauses are words to {', '.join(names)}, hardly one of which comes twice: "
            + CURE.format("{analyzer: char, ngram_range: [1, 2]}")
        )
    elif seen.marks >= MANY and (names := _by_words(suite)):
        yield (
            f"texts: {seen.marks:.0%} of the signs of words are marks that combine with the letter before "
            f"them, at which {', '.join(names)} cut words into pieces: "
            + CURE.format("{analyzer: char_wb, ngram_range: [1, 4]}")
            + "; compose accents that are written as two signs (NFC)"
        )


def looked_at(texts: list[str]) -> TextsLookedAt:
    """Lengths in words and the script of some texts."""
    from harness.models.encoding import words_of

    some = texts[:: -(-len(texts) // SAMPLE) or 1]
    counts = sorted(sum(1 for _ in words_of(text)) for text in some)
    letters = marks = unspaced = 0
    for text in some:
        kinds = [unicodedata.category(sign)[0] for sign in text[:LOOKED_AT]]
        letters, marks = letters + kinds.count("L"), marks + kinds.count("M")
        unspaced += len(_UNSPACED.findall(text[:LOOKED_AT]))
    places = [round((k + 0.5) / STEPS * (len(counts) - 1)) for k in range(STEPS)] if counts else []
    both = max(letters + marks, 1)
    return TextsLookedAt(tuple(counts[place] for place in places), unspaced / both, marks / both)


def _texts(suite: Suite) -> list[str]:
    from harness.datasets.catalog import dataset_module

    found = dataset_module(suite.data.name).load(**suite.data.args)
    return [*found.train.inputs, *found.test.inputs]


def _cut_off(suite: Suite, seen: TextsLookedAt) -> Iterator[str]:
    """Networks that read no more than the first words of many texts, by how many they read."""
    limits: dict[int, list[str]] = {}
    for name, candidate in suite.candidates.items():
        if parse_model(candidate.model).about.is_network:
            limit = candidate.args.get("max_length", READ)
            limits.setdefault(limit if isinstance(limit, int) else READ, []).append(name)
    for limit, names in limits.items():
        if (share := seen.longer(limit)) >= MANY:
            reads = "reads" if len(names) == 1 else "read"
            yield (
                f"texts: {share:.0%} have more than {limit} words, of which {', '.join(names)} {reads} at "
                f"most the first {limit}, and who counts words all: `max_length` in args says how many"
            )


def _by_words(suite: Suite) -> list[str]:
    """Candidates that cut texts into words by spaces and signs."""
    found = []
    for name, candidate in suite.candidates.items():
        about, words = parse_model(candidate.model).about, candidate.args.get("tfidf", {})
        how = words.get("analyzer", "word") if isinstance(words, dict) else "word"
        own = isinstance(words, dict) and words.keys() & {"tokenizer", "token_pattern"}
        counts = about.fitted == "sklearn" and how == "word" and not own
        if counts or (about.is_network and not about.is_pretrained):
            found.append(name)
    return found
