"""What test rows share with training rows: equal rows, nearly equal ones, one owner."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np
import pandas as pd
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

from harness.datasets.audit.answers import Answers, answers_of
from harness.datasets.audit.finding import AuditedData, Finding, named, sample
from harness.datasets.audit.models import class_aucs, folds_of, probabilities, r2, values
from harness.datasets.duplicates import near_duplicates, row_hashes
from harness.datasets.frames import stripped
from harness.protocols import Inputs

_WHO = (
    "patient|subject|person|people|user|customer|client|member|visitor|household|family|session|device|"
    "machine|sensor|serial|account|employee|author|speaker|writer|donor|animal|participant|student"
)
_WHICH = (
    "engine|vehicle|battery|turbine|driver|player|athlete|volunteer|station|building|recording|video|specimen|"
    "unit|well"
)
"""Which one, where nothing but a number or a name's end stands behind: `unit_price` is a price."""
_ID = r"(^|[^a-z])(id|ids|uuid|key)([^a-z]|$)|[a-z]Id$"
OWNER = re.compile(
    rf"{_WHO}|(^|[^a-z])(group|case|sample)([^a-z]|$)|(^|[^a-z])({_WHICH})[\W\d_]*(id|no|nr|num|number|name)?$|{_ID}",
    re.IGNORECASE,
)
"""A column by whose name its rows belong to somebody."""
NUMBERED = re.compile(rf"({_WHO}|{_WHICH}|group|case|sample)?(id|uid|no|nr|num|number|code|key|serial)*")
"""What numbers are called, in small letters without signs between, that say to whom: `visitors` are counted,
and a `session_length` is measured."""
REMEMBERED = 0.05
"""A score that falls by so much where owners are kept apart, and by three times what chance moves it."""
SHUFFLES = 3
FEW_WORDS = 0.5
"""A column of numbers has no more cells that are none."""
FOREST = 30
CLOSE = 0.1
"""The span of a column in its largest number below which its first digits are those of all."""


def equal_rows(subject: AuditedData) -> Iterator[Finding]:
    """Rows of equal content in both parts, and within each."""
    dataset = subject.plain
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
    if subject.task.num_classes:
        yield from _contradictions(subject, np.concatenate([train, test]))


def _contradictions(subject: AuditedData, hashes: np.ndarray) -> Iterator[Finding]:
    """Rows that equal another one of another label: how many, and how many labels are wrong at least."""
    parts = (subject.dataset.train, subject.dataset.test)
    targets, ids = (np.concatenate([getattr(p, name) for p in parts]) for name in ("targets", "ids"))
    _, codes = np.unique(hashes, return_inverse=True)
    pairs, pair_of, rows_of_pair = np.unique(
        np.column_stack([codes, targets]), axis=0, return_inverse=True, return_counts=True
    )
    labels = np.bincount(pairs[:, 0])
    commonest = np.zeros(len(labels), dtype=np.int64)
    np.maximum.at(commonest, pairs[:, 0], rows_of_pair)
    against = labels[codes] > 1
    if not against.any():
        return
    sets = np.unique(codes[against])
    wrong = int((np.bincount(codes)[sets] - commonest[sets]).sum())
    minor = against & (rows_of_pair[pair_of.ravel()] < commonest[codes])
    first = np.concatenate([ids[minor], ids[against & ~minor]])
    yield Finding(
        "contradicting labels",
        "warning",
        f"{against.sum()} rows equal another one and have another label ({len(sets)} different inputs): of "
        f"their labels {wrong} are wrong, or the columns do not hold what tells them apart; no model can be "
        f"right in more than {1 - wrong / len(targets):.2%} of all rows",
        {"rows": int(against.sum()), "sets": len(sets), "wrong_at_least": wrong},
        tuple(first[:20].tolist()),
    )


def near_rows(subject: AuditedData) -> Iterator[Finding]:
    """Test rows that nearly equal a training row, by content, and of tables by distance too."""
    dataset, plain = subject.dataset, subject.plain
    train = sample(plain.train, subject.limit * 2, subject.seed)
    test = sample(plain.test, subject.limit, subject.seed)
    with np.errstate(over="ignore"):  # 3.4e38, which fills rasters, is rounded to infinity
        if subject.is_table:
            asked, known = (_beyond_common(part.inputs, train.inputs) for part in (test, train))
        else:
            asked, known = test.inputs, train.inputs
        found = near_duplicates(asked, known, subject.task)
    equal = np.isin(row_hashes(test.inputs), row_hashes(train.inputs))
    near = (found >= 0) & ~equal
    if subject.is_table:
        numbers = (sample(dataset.train, subject.limit * 2, subject.seed).inputs,
                   sample(dataset.test, subject.limit, subject.seed).inputs)  # fmt: skip
        near |= _strangely_near(*numbers) & ~equal
    seen = f", {len(train)} of which were looked at" if len(train) < len(dataset.train) else ""
    yield Finding(
        "near duplicates in train and test",
        "warning" if near.mean() > 0.005 and near.sum() > 1 else "note" if near.any() else "good",
        f"{near.sum()} of {len(test)} test rows ({near.mean():.2%}) nearly equal a training row{seen}",
        {"near": int(near.sum()), "test_rows": len(test), "train_rows": len(train)},
        tuple(test.ids[near][:20].tolist()),
    )


def _beyond_common(rows: Inputs, known: Inputs) -> Inputs:
    """Rows of a table without what all `known` numbers of a column have in common: by their first digits all
    seconds since 1970 are alike."""
    if not isinstance(rows, np.ndarray) or not isinstance(known, np.ndarray):
        return rows
    if not rows.dtype.names:
        return np.asarray(rows, np.float64) - [_common(column) for column in np.asarray(known, np.float64).T]
    shifted = rows.copy()
    for name in rows.dtype.names:
        if rows[name].dtype.kind == "f":
            shifted[name] = rows[name] - _common(known[name])
    return shifted


def _common(values: np.ndarray) -> float:
    """The least of numbers that lie close together far from 0, else 0."""
    finite = values[np.isfinite(values)]
    if not len(finite):
        return 0.0
    low, high = float(finite.min()), float(finite.max())
    return low if high - low < CLOSE * max(abs(low), abs(high)) else 0.0


def _strangely_near(train: np.ndarray, test: np.ndarray) -> np.ndarray:
    """(n,) test rows a tenth as far from a training row as rows are from their nearest.

    Only numbers of many values count, and five of them or more: in p dimensions, rows drawn by chance are
    so near with a probability of about 0.1^p.
    """
    many = [c for c in range(train.shape[1]) if len(np.unique(train[:, c])) > 0.2 * len(train)]
    none = np.zeros(len(test), dtype=bool)
    if len(many) < 5 or len(train) < 50:
        return none
    from sklearn.neighbors import NearestNeighbors

    low, high = np.quantile(train[:, many], [0.05, 0.95], axis=0)
    spread = np.maximum(high - low, 1e-9)
    known, asked = train[:, many] / spread, test[:, many] / spread
    nearest = NearestNeighbors(n_neighbors=2).fit(known)
    usual = float(np.median(nearest.kneighbors(known)[0][:, 1]))
    distances = nearest.kneighbors(asked)[0]
    return np.asarray((distances[:, 0] < 0.1 * usual) & (distances[:, 0] < 0.1 * distances[:, 1] + 1e-12))


def groups(subject: AuditedData) -> Iterator[Finding]:
    """Columns whose equal values stand in train and test, where a model remembers them.

    Measured: a forest's score on rows of owners that it has seen, and of owners that it has not.
    """
    if subject.table is None or not (subject.is_table or subject.task.name == "text_classification"):
        return
    answers = answers_of(subject.train, subject.task, subject.seed)
    if answers is None or not subject.is_table:
        return
    for name in subject.table.columns:
        if name in subject.apart:
            continue
        owners = stripped(subject.table[name])
        train, test = owners[subject.dataset.train.ids], owners[subject.dataset.test.ids]
        if not _owns(str(name), train):
            continue
        shared = np.isin(test.astype(str), np.unique(train.astype(str)))
        if not shared.any():
            continue
        yield from _remembered(subject, answers, str(name), owners[answers.rows.ids].astype(str), shared)


def _owns(name: str, owners: np.ndarray) -> bool:
    """Whether a column's values are owners of some rows each."""
    texts = owners.astype(str)
    different = len(np.unique(texts))
    if not OWNER.search(name) or not 10 <= different <= 0.7 * len(owners):
        return False
    numbers = pd.to_numeric(pd.Series(texts), errors="coerce")
    if numbers.isna().mean() > FEW_WORDS:
        return True
    called = NUMBERED.fullmatch(re.sub(r"[\W\d_]+", "", name.casefold())) or re.search(_ID, name)
    return bool(called) and bool((numbers.dropna() % 1 == 0).all())


def _remembered(
    subject: AuditedData, answers: Answers, name: str, owners: np.ndarray, shared: np.ndarray
) -> Iterator[Finding]:
    kept = [p for column, places in subject.columns.items() if column != name for p in places]
    if not kept:
        return
    inputs = answers.rows.inputs[:, kept]
    seen = np.array([_score(answers, inputs, None, answers.seed + n) for n in range(SHUFFLES)])
    apart = np.array([_score(answers, inputs, owners, answers.seed + n) for n in range(SHUFFLES)])
    fall = float(seen.mean() - apart.mean())
    chance = float(np.hypot(seen.std(ddof=1), apart.std(ddof=1)))
    remembered = fall > REMEMBERED and fall > 3 * chance
    yield Finding(
        "owners in train and test",
        "warning" if remembered else "note",
        f"{shared.sum()} of {len(shared)} test rows have a value of {named(name)} that training rows have "
        f"too; a forest without this column has {answers.scale} {seen.mean():.3f} on owners that it has seen "
        f"and {apart.mean():.3f} on others"
        + (f": if new owners come in use, write `group: {name}`" if remembered else ""),
        {"column": name, "shared": int(shared.sum()), "seen": float(seen.mean()), "new": float(apart.mean())},
    )


def _score(answers: Answers, inputs: np.ndarray, owners: np.ndarray | None, seed: int) -> float:
    """Out of fold: owners kept apart, or rows dealt as they come."""
    folds = folds_of(np.arange(len(inputs)) if owners is None else owners, seed)
    if not answers.are_classes:
        forest = RandomForestRegressor(FOREST, random_state=seed)
        return r2(values(forest, inputs, answers.targets, seed, folds), answers.targets)
    forest = RandomForestClassifier(FOREST, random_state=seed)
    told = probabilities(forest, inputs, answers.targets, seed, folds)
    return float(class_aucs(told, answers.targets).mean())
