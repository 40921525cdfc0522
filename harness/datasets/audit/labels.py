"""Classes and their rows, and labels that a cheap model contradicts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from harness.datasets.audit.answers import answers_of
from harness.datasets.audit.finding import AuditedData, Finding
from harness.datasets.audit.models import linear_probabilities
from harness.datasets.features import describe

IMBALANCE = 10.0
"""The commonest class has more than this many times the rows of the rarest: a warning."""
FEW = 20
"""A class with fewer test rows than this cannot be told apart from luck."""
DOUBTFUL = 0.02
"""More doubtful labels than this share of the sample: a note."""

NAMED = 8
"""Classes that are named, at most."""
JUDGE = 0.8
"""A cheap model that is right less often contradicts labels mostly by its own errors: of right labels 45 % of
texts that it tells apart in 52 %, 24 % of photos that it tells apart in 58 %."""


def classes(subject: AuditedData) -> Iterator[Finding]:
    """How many rows each class has, and what a constant answer is worth."""
    task, dataset = subject.task, subject.dataset
    if not task.num_classes:
        values = dataset.train.targets
        low, middle, high = np.quantile(values, [0, 0.5, 1])
        yield Finding("target", "good", f"the target goes from {low:g} to {high:g}, median {middle:g}")
        return
    train = np.bincount(dataset.train.targets, minlength=task.num_classes)
    test = np.bincount(dataset.test.targets, minlength=task.num_classes)
    counts = {"train": train.tolist(), "test": test.tolist()}
    names = task.class_names
    for part, count in (("train", train), ("test", test)):
        if absent := [names[i] for i in np.flatnonzero(count == 0)]:
            yield Finding("classes", "warning", f"no row of {_some(absent)} in {part}", counts)
    common, rare = int(train.argmax()), int(train.argmin())
    ratio = float(train[common] / max(train[rare], 1))
    figures = {**counts, "ratio": ratio, "constant_accuracy": float(test[common] / max(test.sum(), 1))}
    if ratio > IMBALANCE:
        share = train[common] / train.sum()
        text = (
            f"class {names[common]} has {train[common]} training rows, class {names[rare]} {train[rare]}, "
            f"{ratio:.0f} times less: always saying {names[common]} is right in {share:.0%} (of the test "
            f"rows in {figures['constant_accuracy']:.1%}), so judge by balanced_accuracy, f1_macro or pr_auc"
        )
    elif ratio == 1:
        text = f"each class has {train[0]} training rows"
    else:
        text = (
            f"class {names[common]} has {train[common]} training rows, class {names[rare]} {train[rare]}; "
            f"always saying {names[common]} is right in {figures['constant_accuracy']:.1%} of the test rows"
        )
    yield Finding("imbalance", "warning" if ratio > IMBALANCE else "good", text, figures)
    rarest = [i for i in np.argsort(test, kind="stable") if 0 < test[i] < FEW]
    if few := [f"{names[i]} ({test[i]})" for i in rarest]:
        yield Finding(
            "few rows", "note", f"fewer than {FEW} test rows of {_some(few)}: their scores are luck"
        )


def _some(names: Sequence[str]) -> str:
    """The first of many names, and how many more there are."""
    listed = ", ".join(names[:NAMED])
    return f"{listed} and {len(names) - NAMED} more" if len(names) > NAMED else listed


def doubtful_labels(subject: AuditedData) -> Iterator[Finding]:
    """Rows whose label a cheap cross-validated model confidently contradicts."""
    answers = answers_of(subject.train, subject.task, subject.seed)
    if answers is None or not answers.are_classes:
        return
    probabilities = linear_probabilities(
        describe(answers.rows.inputs, subject.task), answers.targets, subject.seed
    )
    targets = answers.targets
    doubtful = contradicted(probabilities, targets)
    share, accuracy = doubtful.mean(), (probabilities.argmax(axis=1) == targets).mean()
    own = probabilities[np.arange(len(targets)), targets]
    worst = np.flatnonzero(doubtful)[np.argsort(own[doubtful])]
    if accuracy < JUDGE:
        yield Finding(
            "doubtful labels",
            "good",
            f"a cross-validated cheap model is right in {accuracy:.1%} only: too little to doubt a label by",
            {"rows": len(targets), "accuracy": float(accuracy)},
        )
        return
    yield Finding(
        "doubtful labels",
        "note" if share > DOUBTFUL else "good",
        f"a cross-validated cheap model (right in {accuracy:.1%}) confidently contradicts the label of "
        f"{doubtful.sum()} of {len(targets)} training rows ({share:.1%}): its own errors and wrong labels "
        "together, so look at the first ones",
        {"doubtful": int(doubtful.sum()), "rows": len(targets), "accuracy": float(accuracy)},
        tuple(answers.rows.ids[worst][:20].tolist()),
    )


def contradicted(probabilities: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Confident learning (C. Northcutt et al., 2021): a class is confident where its out-of-fold
    probability is above its mean over the rows that carry it.

    Args:
        probabilities: (n, classes), out of fold. targets: (n,) 0…classes−1.
    Returns:
        (n,) bool: the likeliest confident class is another than the label.
    """
    thresholds = np.array([probabilities[targets == c, c].mean() for c in range(probabilities.shape[1])])
    confident = np.where(probabilities >= thresholds, probabilities, 0.0)
    return np.asarray((confident.argmax(axis=1) != targets) & (confident.max(axis=1) > 0))
