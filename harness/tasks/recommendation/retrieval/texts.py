"""Items' texts as numbers: TF-IDF of their words, brought to a few columns (latent semantic analysis)."""

from __future__ import annotations

import numpy as np

COLUMNS = 32
"""At most; a table of fewer items or words has fewer."""
WORDS = 20_000


def text_features(texts: np.ndarray, seed: int) -> np.ndarray:
    """(n, at most COLUMNS) float32, a row of length √columns for each text, zeros where there is none.

    Args:
        texts: (n,) "" where nothing is written. seed: of the factorisation.
    """
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer

    told = np.flatnonzero(np.char.strip(texts.astype(str)) != "")
    nothing = np.zeros((len(texts), 0), np.float32)
    if len(told) < 2:
        return nothing
    try:
        words = TfidfVectorizer(sublinear_tf=True, max_features=WORDS).fit_transform(texts[told])
    except ValueError:  # punctuation and single letters alone: no words
        return nothing
    columns = min(COLUMNS, words.shape[0] - 1, words.shape[1] - 1)
    if columns < 1:
        return nothing
    found = TruncatedSVD(columns, random_state=seed % 2**32).fit_transform(words)
    length = np.linalg.norm(found, axis=1, keepdims=True)
    out = np.zeros((len(texts), columns), np.float32)
    out[told] = found / np.maximum(length, 1e-9) * columns**0.5
    return out
