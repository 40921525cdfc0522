"""Marks that give the answer away: a word of a text, a spot of an image."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy import sparse

from harness.datasets.audit.answers import Answers, answers_of, stands_out
from harness.datasets.audit.columns import SUSPICIOUS_AUC
from harness.datasets.audit.finding import AuditedData, Finding
from harness.datasets.audit.models import class_aucs, column_aucs, linear_probabilities
from harness.datasets.duplicates import plain_words
from harness.datasets.features import standardised, thumbnails

SURE_AUC = 0.9995
"""One spot of an image as sure as this is a mark, however easy the rest is."""


def marks(subject: AuditedData) -> Iterator[Finding]:
    """Whether one word, or one spot, tells a class that the rest of the example tells less well."""
    name = subject.task.name
    if name not in ("text_classification", "image_classification"):
        return
    answers = answers_of(subject.train, subject.task, subject.seed)
    if answers is not None:
        yield from (_words if name.startswith("text") else _spots)(answers)


def _words(answers: Answers) -> Iterator[Finding]:
    from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer

    counter = CountVectorizer(preprocessor=plain_words, token_pattern=r"\S+", min_df=5)
    try:
        counts = counter.fit_transform(answers.rows.inputs)
    except ValueError:  # no word stands in five texts
        return
    has = sparse.csc_matrix(counts > 0)
    for which, label in _labels(answers):
        positive = answers.targets == label
        inside = np.asarray(has[positive].mean(axis=0)).ravel()
        outside = np.asarray(has[~positive].mean(axis=0)).ravel()
        scores = 0.5 + np.abs(inside - outside) / 2  # the AUC of a yes or no
        word = int(scores.argmax())
        if scores[word] < SUSPICIOUS_AUC:
            continue
        left = np.delete(np.arange(counts.shape[1]), word)
        rest = TfidfTransformer(sublinear_tf=True).fit_transform(counts[:, left])
        without = class_aucs(linear_probabilities(rest, answers.targets, answers.seed), answers.targets)
        if stands_out(scores[[word]], without[[which]]).all():
            text = counter.get_feature_names_out()[word]
            yield Finding(
                "giveaway word", "warning",
                f"the word {text!r} alone tells class {answers.names[which]} with AUC {scores[word]:.3f} "
                f"(it is in {inside[word]:.0%} of its texts and in {outside[word]:.0%} of the others), all "
                f"other words with {without[which]:.3f}: was it written after the fact?",
                {"word": str(text), "auc": float(scores[word])},
            )  # fmt: skip


def _spots(answers: Answers) -> Iterator[Finding]:
    small = thumbnails(answers.rows.inputs)
    height, width = small.shape[1:]
    flat = small.reshape(len(small), -1)
    for which, label in _labels(answers):
        scores = column_aucs(flat, answers.targets == label)
        scores = np.maximum(scores, 1 - scores)
        spot = int(scores.argmax())
        if scores[spot] < SUSPICIOUS_AUC:
            continue
        row, column = divmod(spot, width)
        rest = small.copy()
        rest[:, max(0, row - 1) : row + 2, max(0, column - 1) : column + 2] = 0
        features = standardised(rest.reshape(len(rest), -1))
        without = class_aucs(linear_probabilities(features, answers.targets, answers.seed), answers.targets)
        if scores[spot] > SURE_AUC or stands_out(scores[[spot]], without[[which]]).all():
            place = f"{row / height:.0%} from the top and {column / width:.0%} from the left"
            yield Finding(
                "giveaway spot", "warning",
                f"the brightness {place} alone tells class {answers.names[which]} with AUC "
                f"{scores[spot]:.3f}, the rest of the image with {without[which]:.3f}: "
                "is there a mark or a frame?",
                {"row": row / height, "column": column / width, "auc": float(scores[spot])},
            )  # fmt: skip


def _labels(answers: Answers) -> list[tuple[int, int]]:
    """Places of the scored classes, and their codes."""
    first = 1 if len(answers.names) == 1 else 0
    return [(i, i + first) for i in range(len(answers.names))]
