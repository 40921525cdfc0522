"""Per-example predictions of score trials → per-example scores, aligned over all variants."""

from __future__ import annotations

import difflib
import hashlib
import io
import re
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol, TypeVar

import numpy as np

from harness.analysis.aggregates import auc_components, average_precision_parts, calibration_correction
from harness.analysis.clusters import by_group
from harness.analysis.criteria import HARNESS_METRICS
from harness.analysis.small_classes import Few, few_of_a_class, few_of_either
from harness.analysis.stats import Array
from harness.kinds.quality import pr_auc
from harness.metrics import Metric, MetricTable, stem
from harness.metrics.jackknife import STORED, parts_of, pseudo_values
from harness.record import RecordError, SuiteError


@dataclass(frozen=True)
class Predictions:
    """`predictions.parquet`.

    Args:
        ids: (n,) stable row numbers of the data set. targets: (n,), or (n, k) labels of 0 and 1.
        outputs: (n, k) probabilities or (n,) values; (n, 0) where only `scores` were stored.
        scores: per-example scores (n,) stored under a metric's name (ranking tasks: per query).
        columns: further columns (n,) to slice by.
        answers: what a classifier gave: `probabilities`, `scores` that rank, or `classes`.
        positive: of two classes the one that average precision is of.
        groups: (n,) whose each example is, None where each is its own.
        classes: their names, where they are known.
        digest: of the file that they were read from; empty where they are not all of one.
    """

    ids: Array
    targets: Array
    outputs: Array
    scores: Mapping[str, Array] = field(default_factory=dict)
    columns: Mapping[str, Array] = field(default_factory=dict)
    answers: str = "probabilities"
    positive: int = 1
    groups: Array | None = None
    classes: tuple[str, ...] = ()
    digest: str = ""

    def rows(self, index: Array) -> Predictions:
        """The chosen examples, by mask or by position."""
        return replace(
            self,
            ids=self.ids[index],
            targets=self.targets[index],
            outputs=self.outputs[index],
            scores={n: c[index] for n, c in self.scores.items()},
            columns={n: c[index] for n, c in self.columns.items()},
            groups=None if self.groups is None else self.groups[index],
            digest="",
        )

    def by_column(self) -> dict[str, Array]:
        """Targets and answers under the names that they are stored with; the scores where nothing else is."""
        if self.outputs.ndim == 2 and self.outputs.shape[1] == 0:
            return {"id": self.ids, **self.scores}
        letter = next(letter for letter, answers in ANSWERS.items() if answers == self.answers)
        return {**_named("target", "t", self.targets), **_named("prediction", letter, self.outputs)}


ANSWERS = {"p": "probabilities", "s": "scores", "c": "classes"}
"""The letter of the answers' columns → what they are."""


def _named(name: str, letter: str, values: Array) -> dict[str, Array]:
    if values.ndim == 1:
        return {name: values}
    return {f"{letter}_{k}": values[:, k] for k in range(values.shape[1])}


T = TypeVar("T")
ONE_EXAMPLE, ONE_GROUP = "not estimable (one example)", "not estimable (one group)"

LoadPredictions = Callable[[str], Predictions | tuple[Array, Array, Array]]
"""Trial id → its predictions (or ids, targets, outputs). Raises FileNotFoundError where there are none."""


class HasTrialFiles(Protocol):
    """What of a run folder is needed here."""

    def read_bytes(self, name: str) -> bytes: ...


def predictions_of(run: HasTrialFiles) -> LoadPredictions:
    """The loader over a run folder; it raises RecordError of a file that is damaged."""

    def read(trial_id: str) -> Predictions:
        found = _undamaged(run, f"trials/{trial_id}/predictions.parquet", read_predictions)
        visits = np.asarray(found.scores.get("unit", np.empty(0)) == "session")
        if not visits.any():
            return found
        # Visits of one user meet the same taste and budget: taken as independent they made intervals of a
        # shop's takings 1.5 to 1.9 times too narrow.
        whose = found.ids.astype(np.int64)  # a user's own row has its code
        name = f"trials/{trial_id}/online.npz"
        whose[visits] = _undamaged(run, name, lambda content: _users_of(content, int(visits.sum())))
        return replace(found, groups=whose)

    return read


def _undamaged(run: HasTrialFiles, name: str, read: Callable[[bytes], T]) -> T:
    content = run.read_bytes(name)
    try:
        return read(content)
    except (ValueError, KeyError, OSError, zipfile.BadZipFile) as error:  # pyarrow's own are of these
        cure = "delete its folder, and run the suite again"
        raise RecordError(f"{name} is damaged ({str(error).partition('. ')[0]}): {cure}") from error


def _users_of(content: bytes, visits: int) -> Array:
    with np.load(io.BytesIO(content), allow_pickle=False) as stored:
        users = np.asarray(stored["user"])
    if len(users) != visits:
        raise ValueError(f"it has {len(users)} visits where predictions.parquet has {visits}")
    return users


def read_predictions(content: bytes) -> Predictions:
    """Read a `predictions.parquet`: id, target or t_0…t_{k-1}, p_0…p_{k-1} or prediction, scores named as
    metrics, and columns to slice by (`column:NAME`)."""
    import pyarrow.parquet as pq

    # Not `read_table`, which imports the whole of pyarrow.dataset.
    table = pq.ParquetFile(io.BytesIO(content)).read(use_threads=False)
    columns = {name: table[name].to_numpy() for name in table.column_names}
    ids = columns.pop("id")
    labels = sorted((n for n in columns if re.fullmatch(r"t_\d+", n)), key=lambda name: int(name[2:]))
    if labels:
        targets = np.stack([columns.pop(name) for name in labels], axis=1)
    else:
        targets = columns.pop("target", np.zeros(len(ids)))
    told = sorted((n for n in columns if re.fullmatch(r"[psc]_\d+", n)), key=lambda name: int(name[2:]))
    answers = ANSWERS[told[0][0]] if told else "probabilities"
    if told:
        outputs = np.stack([columns.pop(name) for name in told], axis=1)
    else:
        outputs = columns.pop("prediction", np.zeros((len(ids), 0)))
    groups = columns.pop("group", None)
    positive = int((table.schema.metadata or {}).get(b"harness.positive", b"1"))
    scores = {name: c for name, c in columns.items() if not name.startswith("column:")}
    own = {n.removeprefix("column:"): c for n, c in columns.items() if n.startswith("column:")}
    digest = hashlib.sha256(content).hexdigest()
    return Predictions(ids, targets, outputs, scores, own, answers, positive, groups, digest=digest)


@dataclass(frozen=True)
class Scores:
    """Scores of one metric, one fitted model, one runtime: (N,), and whether N are test examples or groups
    of them.

    Args:
        shift: what the number of examples adds to the measured value, to be added. note: why there is no
            interval; empty where there is. units: test examples, or groups of them, where the values are of
            parts of them. few: what few examples of a class leave open of their mean.
    """

    values: Array
    per_example: bool
    shift: float = 0.0
    note: str = ""
    units: int = 0
    few: Few = field(default_factory=Few)

    @property
    def independent(self) -> int:
        """Test examples, or groups of them, behind the values."""
        return self.units or len(self.values)


_SEEN: dict[tuple[str, tuple[str, ...], str, Metric], Scores | None] = {}
"""Digest of a file of predictions, names of the classes, metric → its scores; the oldest first."""
MOST_SEEN = 16_000_000
"""Numbers in all that are kept so."""


def _size_of(scores: Scores | None) -> int:
    return 0 if scores is None else len(scores.values)


class NotComparableError(ValueError):
    """Predictions of other test examples than the rest."""


class ScoreReader:
    """Turns predictions into per-example scores in one fixed order of test examples."""

    def __init__(
        self,
        load: LoadPredictions,
        metrics: Sequence[str],
        known: MetricTable = HARNESS_METRICS,
        classes: tuple[str, ...] = (),
    ) -> None:
        self._load = load
        self._known = known
        self._classes = classes
        self._metrics = tuple(metrics)
        self._ids: Array | None = None

    def anew(self) -> ScoreReader:
        """A reader of trials with test examples of their own."""
        return ScoreReader(self._load, self._metrics, self._known, self._classes)

    def read(self, trial_id: str) -> dict[str, Scores]:
        """Metric → scores of one score trial.

        Raises:
            FileNotFoundError: no predictions were stored.
            NotComparableError: not the test examples of the trials before.
        """
        loaded = self._load(trial_id)
        whole = loaded if isinstance(loaded, Predictions) else Predictions(*loaded)
        predictions = replace(self._align(whole), classes=self._classes)
        found = {name: self._scored(name, predictions, whole.digest) for name in self._metrics}
        return {name: scores for name, scores in found.items() if scores is not None}

    def _scored(self, name: str, predictions: Predictions, digest: str) -> Scores | None:
        """The scores of a metric, worked out once for a file: a run that decides what to measure next looks
        at the same ones after every step."""
        if not digest:
            return score_examples(name, predictions, self._known)
        key = (digest, self._classes, name, self._known[name])
        if key not in _SEEN:
            while _SEEN and sum(_size_of(kept) for kept in _SEEN.values()) > MOST_SEEN:
                del _SEEN[next(iter(_SEEN))]
            _SEEN[key] = found = score_examples(name, predictions, self._known)
            if found is not None:
                found.values.setflags(write=False)
        return _SEEN[key]

    def _align(self, predictions: Predictions) -> Predictions:
        order = np.argsort(predictions.ids, kind="stable")
        ids = predictions.ids[order]
        if self._ids is None:
            self._ids = ids
        elif not np.array_equal(self._ids, ids):
            raise NotComparableError(f"scored on other test examples ({len(ids)} and {len(self._ids)})")
        if np.array_equal(order, np.arange(len(order))):
            return predictions
        return predictions.rows(order)


def score_examples(
    name: str, predictions: Predictions, known: MetricTable = HARNESS_METRICS
) -> Scores | None:
    """Per-example scores of a metric, or what stands in for them.

    Means over examples as they are; ROC-AUC through DeLong components; other metrics through a
    delete-group jackknife, (20,) pseudo-values shifted to the metric's value. Rows of one group are one unit.

    Returns:
        None where the metric cannot be computed from these predictions.
    """
    if "[" in name:
        predictions = _slice(name, predictions)
        if len(predictions.ids) == 0:
            return None
    entry = known[name]
    if stem(name) in predictions.scores:
        values = np.asarray(predictions.scores[stem(name)], dtype=float)
        known_rows = ~np.isnan(values)  # users and sessions share a file; each metric belongs to one
        return _means(values[known_rows], predictions.rows(known_rows)) if known_rows.any() else None
    if (stored := predictions.scores.get(STORED + name)) is not None:
        # Each example holds its part's; the parts are known by the examples' numbers.
        _, first = np.unique(parts_of(predictions.ids, predictions.groups), return_index=True)
        units = _units(predictions)
        note = "" if units > 1 else _note_of_one(predictions)
        return Scores(np.asarray(stored, dtype=float)[first], False, note=note, units=units)
    targets, outputs = predictions.targets, predictions.outputs
    if outputs.ndim == 2 and (outputs.shape[1] == 0 or entry.not_told_by(predictions.answers)):
        return None
    if stem(name) == "pr_auc" and outputs.shape[1] == 2 and predictions.positive == 0:
        targets, outputs = 1 - targets, outputs[:, ::-1]
    if entry.per_example is not None:
        return _means(np.asarray(entry.per_example(outputs, targets), dtype=float), predictions)
    if entry.measure is None:
        return None
    whole = entry.measure(outputs, targets)
    if not np.isfinite(whole):
        return None
    if _units(predictions) == 1:
        return _of_one(np.array([whole]), predictions)
    if stem(name) == "roc_auc":
        components, note = _auc_components(outputs, targets)
        if components is not None and abs(components.mean() - whole) < 1e-6:
            few = few_of_either(targets, predictions.groups)
            return replace(_means(components, predictions), note=note, few=few)
    parts = parts_of(predictions.ids, predictions.groups)
    if entry.measure is pr_auc:
        pseudo = average_precision_parts(outputs, targets, parts, whole)
    else:
        pseudo = pseudo_values(entry.measure, outputs, targets, parts, whole)
    shift, note = calibration_correction(outputs, targets) if stem(name) == "ece" else (0.0, "")
    few = few_of_a_class(stem(name), outputs, targets, predictions.groups)
    if pseudo is None and few.answers and parts.max() > 0:
        # All that the metric is of lies in one part: as wide as so few allow, and no interval.
        pseudo, note = np.full(parts.max() + 1, whole), "not estimable (too few positive examples)"
    if pseudo is None:
        return None
    return Scores(pseudo - pseudo.mean() + whole, False, shift, note, _units(predictions), few)


def _units(predictions: Predictions) -> int:
    """Independent examples: groups where they come in some."""
    return len(predictions.ids if predictions.groups is None else np.unique(predictions.groups))


def _means(values: Array, predictions: Predictions) -> Scores:
    """Scores whose mean is the metric: of examples, or of the groups that they come in."""
    found = values if predictions.groups is None else by_group(values, predictions.groups)
    return Scores(found, True) if len(found) > 1 else _of_one(found, predictions)


def _of_one(values: Array, predictions: Predictions) -> Scores:
    """The figure of one example, or of one group of them."""
    return Scores(values, True, note=_note_of_one(predictions), units=1)


def _note_of_one(predictions: Predictions) -> str:
    return ONE_EXAMPLE if predictions.groups is None else ONE_GROUP


def _auc_components(outputs: Array, targets: Array) -> tuple[Array | None, str]:
    classes = np.unique(targets)
    if outputs.ndim != 2 or len(classes) < 2:
        return None, ""
    if outputs.shape[1] == 2:
        return auc_components(outputs[:, 1], targets == 1)
    found = [auc_components(outputs[:, int(c)], targets == c) for c in classes]
    why = next((note for _, note in found if note), "").replace("the other", "the others")
    return np.asarray(np.mean([parts for parts, _ in found], axis=0)), why


def _slice(name: str, predictions: Predictions) -> Predictions:
    """The examples of `metric[column=value]`; a classifier's `class` is the true class, by name or number.

    Raises:
        SuiteError: no such column; the message names those there are.
    """
    column, _, wanted = name[name.index("[") + 1 : -1].partition("=")
    classifies = predictions.targets.ndim == 1 and predictions.outputs.ndim == 2 and predictions.outputs.size
    of_class = {"class": predictions.targets} if classifies else {}
    columns = {**of_class, **predictions.columns}
    names = predictions.classes if column == "class" and column not in predictions.columns else ()
    if wanted in names or any(name.isdecimal() for name in names):
        # A label 5 of the labels 3 to 8 is the class of that name and not the sixth.
        number = names.index(wanted) if wanted in names else -1
        return predictions.rows(predictions.targets == number)
    if column not in columns:
        near = difflib.get_close_matches(column, columns, n=1) or list(columns)[:1]
        if not near:
            raise SuiteError(f"constraint on {name}: no column to slice by: limit {stem(name)} of all")
        raise SuiteError(
            f"constraint on {name}: no column {column!r} to slice by; there is {', '.join(columns)}:"
            f" write for instance {stem(name)}[{near[0]}={wanted}]"
        )
    values = columns[column]
    # Ids are text: `007` is not `7`; of numbers `7` and `7.0` are the same.
    mask = np.array(
        [str(v) == wanted or (not isinstance(v, str) and _number(v) == _number(wanted)) for v in values],
        dtype=bool,
    )
    part = predictions.rows(mask)
    if part.groups is not None and column != "class" and _are_groups(values, predictions.groups):
        return replace(part, groups=None)  # of this one group, whose rows are what there is of it
    return part


NAMED_GROUPS = 5
"""From so many groups on a column that has a value for each is taken for their name."""


def _are_groups(values: Array, groups: Array | None) -> bool:
    """Whether a column names the groups: each value is of one group, each group of one value. Of a few groups
    any column may be so by chance, as the region of two patients."""
    codes = [np.unique(np.asarray(column, dtype=str), return_inverse=True)[1] for column in (values, groups)]
    pairs = np.unique(np.stack(codes), axis=1).shape[1]
    return bool(pairs == codes[0].max() + 1 == codes[1].max() + 1 and pairs >= NAMED_GROUPS)


def _number(value: object) -> float | str:
    try:
        return float(str(value))
    except ValueError:
        return str(value)
