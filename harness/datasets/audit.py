"""Is a data set fit to compare models on: leakage, duplicates, imbalance, doubtful labels, drift.

Cheap models on a sample, figures in every sentence. A finding is a hint where to look, with the rows
to look at; nothing is removed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from harness.datasets.catalog import load_dataset, task_info
from harness.datasets.duplicates import near_duplicates, row_hashes
from harness.datasets.features import describe
from harness.datasets.splits import strata, stratified_order, take
from harness.protocols import Dataset, Progress, Split
from harness.record import DataError
from harness.streams import generator

Level = Literal["good", "note", "warning"]

IMBALANCE = 10.0
"""The commonest class has more than this many times the rows of the rarest: a warning."""
FEW = 20
"""A class with fewer test rows than this cannot be told apart from luck."""
DOUBTFUL = 0.02
"""More doubtful labels than this share of the sample: a warning."""
DRIFT_AUC = 0.6
"""A cheap model tells test from training rows better than this: a warning."""
GIVEAWAY_AUC = 0.99
"""One column alone ranks the classes as well as this: a warning."""
SHORT = 0.5
"""More users with one event, or more events at one time, than this share of a log: a note."""


@dataclass(frozen=True)
class Finding:
    """One check and what it found.

    Args:
        level: `good`, `note` (worth knowing), `warning` (a comparison on this data may be wrong).
        message: a sentence with its figures, and the cure where there is one.
        figures: the same figures, JSON-able.
        rows: ids of rows to look at, the worst first.
    """

    check: str
    level: Level
    message: str
    figures: Mapping[str, Any] = field(default_factory=dict)
    rows: tuple[int, ...] = ()


def audit(
    name: str, args: Mapping[str, Any] | None = None, *, limit: int = 5000, seed: int = 0,
    progress: Progress | None = None,
) -> list[Finding]:  # fmt: skip
    """Look a data set over.

    Args:
        limit: rows of each part that the cheap models and the search for near duplicates see,
            a stratified sample; exact duplicates and counts are of all rows.
        seed: of the sample.
    Raises:
        DataError: the data set cannot be had, or is a log of interactions, which has no labels.
    """
    if task_info(name, args).name == "recommendation":
        raise DataError(f"{name} is a log of interactions: `log_findings` is for these")
    dataset = load_dataset(name, args)
    findings: list[Finding] = []
    for check in CHECKS:
        if progress:
            progress({"message": check.__name__.strip("_").replace("_", " ")})
        findings += check(dataset, limit, seed)
    return findings


def log_findings(figures: Mapping[str, float]) -> list[Finding]:
    """What a log of interactions is like, for a look beside one's own.

    Args:
        figures: of `harness.tasks.recommendation.audit.audit_log`.
    """
    f = figures
    found = [
        Finding(
            "size", "good",
            f"{f['users']:.0f} users, {f['items']:.0f} items, {f['events']:.0f} events in "
            f"{f['days']:.1f} days; {f['density']:.2%} of all pairs of user and item",
            dict(figures),
        ),
        Finding(
            "popularity", "good",
            f"Gini of events over items {f['gini_clicks']:.2f} (0: all alike, 1: one has them all); "
            f"{f['items_without_event']:.0%} of the items have no event",
        ),
        Finding(
            "short histories", "note" if f["users_with_at_most_1_event"] > SHORT else "good",
            f"{f['users_with_at_most_1_event']:.0%} of the users have at most one event, "
            f"{f['users_with_at_most_4_events']:.0%} at most four: of these a recommender learns little",
        ),
        Finding(
            "tied times", "note" if f["tied_times"] > SHORT else "good",
            f"{f['tied_times']:.0%} of the events have the same user and time as another one: "
            "their order means nothing",
        ),
    ]  # fmt: skip
    if "impressions" in f:
        found += [
            Finding(
                "pages", "good",
                f"{f['impressions']:.0f} items shown, {f['ctr']:.2%} clicked; the last slot is clicked "
                f"{f['ctr_last_slot_to_first']:.2f} times as often as the first; Gini of what was shown "
                f"{f['gini_impressions']:.2f}",
            ),
            Finding(
                "visits", "good",
                f"a visit has {f['pages_per_session']:.1f} pages, {f['clicks_per_session']:.2f} clicks and "
                f"{f['orders_per_session']:.3f} orders of {f['revenue_per_session_usd']:.2f} USD together; "
                f"{f['orders_per_click']:.1%} of the clicks end in an order",
            ),
        ]  # fmt: skip
    return found


def describe_findings(findings: Sequence[Finding]) -> str:
    """Findings as text, the warnings first."""
    lines = []
    for level in ("warning", "note", "good"):
        for finding in findings:
            if finding.level == level:
                rows = f" (rows {', '.join(map(str, finding.rows[:10]))})" if finding.rows else ""
                lines.append(f"{level:8} {finding.check}: {finding.message}{rows}")
    return "\n".join(lines)


def _classes(dataset: Dataset, limit: int, seed: int) -> Iterator[Finding]:
    task = dataset.task
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
            yield Finding("classes", "warning", f"no row of {', '.join(absent)} in {part}", counts)
    ratio = float(train.max() / max(train.min(), 1))
    figures = (
        f"class {names[train.argmax()]} has {train.max()} training rows, "
        f"class {names[train.argmin()]} {train.min()}"
    )
    if ratio > IMBALANCE:
        share = train.max() / train.sum()
        yield Finding(
            "imbalance",
            "warning",
            f"{figures}, {ratio:.0f} times less: always saying {names[train.argmax()]} is right in "
            f"{share:.0%}, so judge by balanced_accuracy or f1_macro",
            {**counts, "ratio": ratio},
        )
    else:
        if ratio == 1:
            figures = f"each class has {train[0]} training rows"
        yield Finding("imbalance", "good", figures, {**counts, "ratio": ratio})
    if few := [f"{names[i]} ({test[i]})" for i in np.flatnonzero((test > 0) & (test < FEW))]:
        yield Finding(
            "few rows", "note", f"fewer than {FEW} test rows of {', '.join(few)}: their scores are luck"
        )


def _equal_rows(dataset: Dataset, limit: int, seed: int) -> Iterator[Finding]:
    train, test = row_hashes(dataset.train.inputs), row_hashes(dataset.test.inputs)
    shared = np.isin(test, train)
    figures = {
        "train_test": int(shared.sum()),
        "within_train": int(len(train) - len(np.unique(train))),
        "within_test": int(len(test) - len(np.unique(test))),
    }
    share = shared.mean()
    yield Finding(
        "equal rows in train and test",
        "warning" if share > 0.001 else "note" if shared.any() else "good",
        f"{shared.sum()} of {len(test)} test rows ({share:.2%}) also stand in the training part; "
        f"{figures['within_train']} repeat another training row, {figures['within_test']} another test row",
        figures,
        tuple(dataset.test.ids[shared][:20].tolist()),
    )
    if dataset.task.num_classes:
        yield from _contradictions(dataset, np.concatenate([train, test]))


def _contradictions(dataset: Dataset, hashes: np.ndarray) -> Iterator[Finding]:
    targets = np.concatenate([dataset.train.targets, dataset.test.targets])
    ids = np.concatenate([dataset.train.ids, dataset.test.ids])
    order = np.lexsort((targets, hashes))
    same = hashes[order][1:] == hashes[order][:-1]
    differ = targets[order][1:] != targets[order][:-1]
    rows = ids[order][1:][same & differ]
    if len(rows):
        yield Finding(
            "contradicting labels", "warning", f"{len(rows)} rows equal another one and have another label",
            {"rows": len(rows)}, tuple(rows[:20].tolist()),
        )  # fmt: skip


def _near_rows(dataset: Dataset, limit: int, seed: int) -> Iterator[Finding]:
    train, test = _sample(dataset.train, limit * 2, seed), _sample(dataset.test, limit, seed)
    found = near_duplicates(test.inputs, train.inputs, dataset.task)
    equal = np.isin(row_hashes(test.inputs), row_hashes(train.inputs))
    near = (found >= 0) & ~equal
    seen = f", {len(train)} of which were looked at" if len(train) < len(dataset.train) else ""
    yield Finding(
        "near duplicates in train and test",
        "warning" if near.mean() > 0.005 else "note" if near.any() else "good",
        f"{near.sum()} of {len(test)} test rows ({near.mean():.2%}) nearly equal a training row{seen}",
        {"near": int(near.sum()), "test_rows": len(test), "train_rows": len(train)},
        tuple(test.ids[near][:20].tolist()),
    )


def _doubtful_labels(dataset: Dataset, limit: int, seed: int) -> Iterator[Finding]:
    """Rows whose label a cheap cross-validated model confidently contradicts.

    Confident learning (C. Northcutt et al., 2021): a class is confident where its out-of-fold
    probability is above its mean over the rows that carry it.
    """
    if not dataset.task.num_classes:
        return
    sample = _sample(dataset.train, limit, seed)
    counts = np.bincount(sample.targets, minlength=dataset.task.num_classes)
    keep = np.flatnonzero(counts[sample.targets] >= 5)  # five folds need five rows of a class
    if len(np.unique(sample.targets[keep])) < 2:
        return
    sample = take(sample, keep)
    classes, targets = np.unique(sample.targets, return_inverse=True)
    probabilities = _out_of_fold(describe(sample.inputs, dataset.task), targets, seed)
    own = probabilities[np.arange(len(targets)), targets]
    thresholds = np.array([probabilities[targets == c, c].mean() for c in range(len(classes))])
    confident = np.where(probabilities >= thresholds, probabilities, 0.0)
    doubtful = (confident.argmax(axis=1) != targets) & (confident.max(axis=1) > 0)
    share, accuracy = doubtful.mean(), (probabilities.argmax(axis=1) == targets).mean()
    worst = np.flatnonzero(doubtful)[np.argsort(own[doubtful])]
    yield Finding(
        "doubtful labels",
        "note" if share > DOUBTFUL else "good",
        f"a cross-validated cheap model (right in {accuracy:.1%}) confidently contradicts the label of "
        f"{doubtful.sum()} of {len(targets)} training rows ({share:.1%}): its own errors and wrong labels "
        "together, so look at the first ones",
        {"doubtful": int(doubtful.sum()), "rows": len(targets), "accuracy": float(accuracy)},
        tuple(sample.ids[worst][:20].tolist()),
    )


def _drift(dataset: Dataset, limit: int, seed: int) -> Iterator[Finding]:
    """Whether a cheap model can tell test rows from training rows."""
    from sklearn.metrics import roc_auc_score

    size = min(limit, len(dataset.train), len(dataset.test)) // 2
    if size < 25:
        return
    train, test = _sample(dataset.train, size, seed), _sample(dataset.test, size, seed)
    both = (
        [*train.inputs, *test.inputs]
        if isinstance(train.inputs, list)
        else np.concatenate([train.inputs, test.inputs])
    )
    side = np.repeat([0, 1], [len(train), len(test)])
    auc = float(roc_auc_score(side, _out_of_fold(describe(both, dataset.task), side, seed)[:, 1]))
    strange = auc > DRIFT_AUC
    yield Finding(
        "drift from train to test",
        "warning" if strange else "good",
        f"a cheap model tells test from training rows with AUC {auc:.2f} (0.5 is chance)"
        + (": they were not drawn alike, test scores may not be what comes in use" if strange else ""),
        {"auc": auc},
    )


def _giveaway_columns(dataset: Dataset, limit: int, seed: int) -> Iterator[Finding]:
    """Columns of a table that alone give the answer: often written after the fact."""
    from sklearn.metrics import roc_auc_score

    if not dataset.task.name.startswith("tabular") or dataset.task.num_classes != 2:
        return
    sample = _sample(dataset.train, limit, seed)
    if len(np.unique(sample.targets)) < 2:
        return
    for column in range(sample.inputs.shape[1]):
        auc = roc_auc_score(sample.targets, sample.inputs[:, column])
        if max(auc, 1 - auc) > GIVEAWAY_AUC:
            yield Finding(
                "giveaway column",
                "warning",
                f"column {column} alone ranks the classes with AUC {max(auc, 1 - auc):.3f}: "
                "is it known before the answer is?",
                {"column": column, "auc": float(max(auc, 1 - auc))},
            )


CHECKS: tuple[Callable[[Dataset, int, int], Iterator[Finding]], ...] = (
    _classes,
    _equal_rows,
    _near_rows,
    _doubtful_labels,
    _drift,
    _giveaway_columns,
)


def _sample(split: Split, limit: int, seed: int) -> Split:
    order = stratified_order(strata(split.targets), generator(seed, "audit"))
    return take(split, np.sort(order[:limit]))


def _out_of_fold(features: Any, targets: np.ndarray, seed: int) -> np.ndarray:
    """(n, classes) probabilities of a logistic regression, each row by a model that has not seen it."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_predict

    folds = StratifiedKFold(5, shuffle=True, random_state=seed)
    strength = 0.1 if isinstance(features, np.ndarray) else 5.0  # sparse rows have length 1
    model = LogisticRegression(max_iter=1000, C=strength, tol=1e-3)
    return np.asarray(cross_val_predict(model, features, targets, cv=folds, method="predict_proba"))
