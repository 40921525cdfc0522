"""What texts need beside images and tables: tokens in, batches of like length, words weighed by TF-IDF.

The tokenizer is fitted on the training part alone, stored as `fitted/tokenizer.json` and copied into
every artifact, so what is deployed and measured takes texts.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from harness.models.tokenizers import Encoder, Tokenizer, fit_tokenizer
from harness.protocols import Split, Task
from harness.record import TrialError

TFIDF: Mapping[str, Any] = {"ngram_range": (1, 2), "min_df": 2, "sublinear_tf": True}
"""How TfidfVectorizer weighs words unless a candidate's `tfidf` says otherwise: pairs of words gain
1.6 points on film reviews, words that stand in one text alone say nothing."""


def is_text(task: Task) -> bool:
    return task.takes == "text"


def fitted_tokenizer(spec: Mapping[str, Any], part: Split) -> Tokenizer:
    """The tokenizer of a trial's network.

    Args:
        part: the training part: words of other parts must stay unknown.
    Raises:
        TrialError: a pretrained one cannot be had; the message names the cure.
    """
    search = spec.get("search")
    try:
        return fit_tokenizer(spec["model"], spec["args"], part.inputs, Path(search) if search else None)
    except ValueError as error:
        raise TrialError(str(error)) from error


def as_tokens(part: Split, tokenizer: Encoder) -> Split:
    """The part with token numbers (n, length) int64 in place of its texts."""
    return replace(part, inputs=tokenizer.encode(part.inputs))


def typical_tokens(tokens: np.ndarray) -> np.ndarray:
    """One row (1, length) as long as the mean text: what operations per example are counted on."""
    length = max(1, round(float((tokens != 0).sum(axis=1).mean())))
    return np.ones((1, length), dtype=np.int64)


def refuse_finished(is_trained: bool, task: Task) -> None:
    """Finished models are not for texts.

    Raises:
        TrialError: with the reason.
    """
    if is_text(task) and not is_trained:
        raise TrialError(
            "a finished model takes tokens and brings no tokenizer: train the model here instead"
        )


def tfidf(args: Mapping[str, Any]) -> Any:
    """A TfidfVectorizer, not fitted.

    Args:
        args: the candidate's `tfidf`: its arguments, over `TFIDF`.
    Raises:
        TrialError: it has no such argument.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer

    known = inspect.signature(TfidfVectorizer).parameters
    strange = sorted(set(args) - set(known))
    if strange:
        raise TrialError(f"tfidf has no argument {', '.join(strange)}: it takes {', '.join(known)}")
    # YAML has lists only, where scikit-learn wants tuples.
    given = {k: tuple(v) if isinstance(v, list) else v for k, v in args.items()}
    return TfidfVectorizer(**{**TFIDF, **given})
