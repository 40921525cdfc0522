"""Equal and nearly equal examples."""

from __future__ import annotations

import difflib
import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from harness.datasets.features import thumbnails
from harness.datasets.mapped import Mapped
from harness.late import Late
from harness.protocols import Inputs, Task

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
else:
    np, pd = Late("numpy"), Late("pandas")

IMAGE_SIMILARITY = 0.99
"""Correlation of two images' pixels above which they count as nearly equal."""
TEXT_SIMILARITY = 0.85
"""Cosine of two texts' word counts (rare words weigh more) above which they count as nearly equal."""
WORD_SIMILARITY = 0.8
"""Share of two texts' words that must stand in both in the same order."""
BLOCK = 512


def row_hashes(inputs: Inputs) -> np.ndarray:
    """A 64-bit hash of each example's content: equal examples are equal here.

    Args:
        inputs: n raw examples, an array (n, …), rows of a table, or texts.
    Returns:
        (n,) uint64; among a million different rows a collision has probability 3e-8.
    """
    if isinstance(inputs, np.ndarray) and inputs.dtype.names:
        return row_hashes_of({name: inputs[name] for name in inputs.dtype.names})
    if isinstance(inputs, Mapped):
        return inputs.hashes
    if isinstance(inputs, np.ndarray):
        rows = (np.ascontiguousarray(row).tobytes() for row in inputs)
    else:
        rows = (text.encode("utf-8", "surrogatepass") for text in inputs)
    return np.frombuffer(
        b"".join(hashlib.blake2b(row, digest_size=8).digest() for row in rows), dtype=np.uint64
    )


def row_hashes_of(columns: Mapping[str, np.ndarray]) -> np.ndarray:
    """(n,) uint64 of rows that are held by column, each (n,); names do not count."""
    return pd.util.hash_pandas_object(pd.DataFrame(dict(columns), copy=False), index=False).to_numpy(
        np.uint64
    )


def near_duplicates(inputs: Inputs, others: Inputs, task: Task) -> np.ndarray:
    """For each example one of the others that nearly equals it.

    Images: the pixels correlate by 0.99 or more (brightness and contrast do not matter). Texts: the
    same words but for case and punctuation, or nearly so. Tables: numbers equal to four significant digits,
    and the same words.

    Returns:
        (n,) int64, a row of `others`, or −1 where there is none.
    """
    if task.takes == "image":
        return _near_images(inputs, others)
    if task.takes == "text":
        return _near_texts(inputs, others)
    return _first_equal(_rough_hashes(inputs), _rough_hashes(others))


def _rough_hashes(table: np.ndarray) -> np.ndarray:
    if not table.dtype.names:
        return row_hashes(_rounded(table))
    columns = {name: table[name] for name in table.dtype.names}
    return row_hashes_of({
        name: _rounded(values) if values.dtype.kind == "f"
        else np.array([None if v is None else plain_words(str(v)) for v in values], dtype=object)
        for name, values in columns.items()
    })  # fmt: skip


def _near_images(images: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Candidates by thumbnails, judged by all pixels."""
    small, small_others = _unit(thumbnails(images)), _unit(thumbnails(others))
    found = np.full(len(images), -1, dtype=np.int64)
    for start in range(0, len(images), BLOCK):
        similar = small[start : start + BLOCK] @ small_others.T
        best = similar.argmax(axis=1)
        likely = np.flatnonzero(similar[np.arange(len(best)), best] >= IMAGE_SIMILARITY)
        for row in likely:
            pair = _unit(np.stack([images[start + row], others[best[row]]]).astype(np.float32))
            if float(pair[0] @ pair[1]) >= IMAGE_SIMILARITY:
                found[start + row] = best[row]
    return found


def _near_texts(texts: Sequence[str], others: Sequence[str]) -> np.ndarray:
    """Candidates by the words they have, judged by the order of these."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    found = _first_equal(
        row_hashes([plain_words(t) for t in texts]), row_hashes([plain_words(t) for t in others])
    )
    vectorizer = TfidfVectorizer(preprocessor=plain_words, token_pattern=r"\S+")
    known = vectorizer.fit_transform([*others, "padding"])[:-1]  # a text without words must not stop it
    asked = vectorizer.transform(texts)
    for start in range(0, len(texts), BLOCK):
        similar = (asked[start : start + BLOCK] @ known.T).toarray()
        best = similar.argmax(axis=1)
        likely = similar[np.arange(len(best)), best] >= TEXT_SIMILARITY
        for row in np.flatnonzero(likely & (found[start : start + BLOCK] < 0)):
            if _same_sequence(texts[int(start + row)], others[int(best[row])]):
                found[start + row] = best[row]
    return found


def _same_sequence(text: str, other: str) -> bool:
    """Whether most words of both stand in the same order: `wow` is not `wow wow wow wow`."""
    words, other_words = plain_words(text).split(), plain_words(other).split()
    return difflib.SequenceMatcher(None, words, other_words, autojunk=False).ratio() >= WORD_SIMILARITY


def plain_words(text: str) -> str:
    """A text's words and digits in lower case, without punctuation."""
    return " ".join(re.findall(r"\w+", text.casefold()))


def _rounded(table: np.ndarray) -> np.ndarray:
    values = np.asarray(table, np.float64)
    scale = 10.0 ** (3 - np.floor(np.log10(np.maximum(np.abs(values), 1e-30))))
    return (np.round(values * scale) / scale).astype(np.float32)


def _first_equal(hashes: np.ndarray, others: np.ndarray) -> np.ndarray:
    order = np.argsort(others, kind="stable")
    place = np.minimum(np.searchsorted(others[order], hashes), len(others) - 1)
    return np.where(others[order][place] == hashes, order[place], -1).astype(np.int64)


def _unit(images: np.ndarray) -> np.ndarray:
    """Rows with mean 0 and length 1; flat images become 0 and resemble nothing."""
    rows = images.reshape(len(images), -1).astype(np.float32)
    rows = rows - rows.mean(axis=1, keepdims=True)
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.maximum(length, 1e-6))
