"""Predictions of a part of the data: made in batches, checked, stored, measured."""

from __future__ import annotations

import importlib
import inspect
import math
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from harness.facts.scoring import ParityFacts
from harness.kinds import TaskKind, kind_of
from harness.metrics import METRICS, jackknife
from harness.metrics.called import misunderstanding
from harness.protocols import ONE_SIDED, AnswerKind, Inputs, Predict, Split, Task
from harness.record import Measurement, TrialError
from harness.suite.model_ref import parse_model

BATCH = 128
"""Larger batches leave the processor's cache, smaller ones pay more overhead per call."""
LETTERS: Mapping[AnswerKind, str] = {"probabilities": "p", "scores": "s", "classes": "c"}
"""What a classifier answers → the letter of its columns in stored predictions."""
POSITIVE = b"harness.positive"
"""Key of stored predictions' metadata: which of two classes is the positive one."""
COLUMN = "column:"
"""Before the name of a column of the user's own in stored predictions: it may be called as a metric is."""
PARITY_EXAMPLES = 1000
"""Answering the whole test part once more per runtime would cost half a training epoch."""


def predict_batches(predict: Predict, inputs: Inputs, batch: int = BATCH) -> np.ndarray:
    """Predict n raw examples: (n, k) probabilities or (n,) values, float32."""
    return np.concatenate(
        [
            np.asarray(predict(inputs[start : start + batch]), dtype=np.float32)
            for start in range(0, len(inputs), batch)
        ]
    )


def check_predictions(
    predictions: np.ndarray, n: int, task: Task, answers: AnswerKind = "probabilities"
) -> None:
    """Refuse what is not a prediction of this task.

    Raises:
        TrialError: wrong shape, NaN, or rows that are no probabilities; the reason says which.
    """
    kind = kind_of(task.name)
    wanted = (n, *kind.shape(task))
    if predictions.shape != wanted:
        raise TrialError(f"wrong output shape {predictions.shape} where {wanted} is needed")
    bad = ~np.isfinite(predictions.reshape(n, -1)).all(axis=1)
    if bad.any():
        raise TrialError(f"NaN or infinite predictions for {bad.sum()} of {n} examples")
    if wrong := kind.check(predictions, answers):
        raise TrialError(wrong)


def write_predictions(
    path: Path,
    part: Split,
    predictions: np.ndarray,
    scores: Mapping[str, np.ndarray] | None = None,
    answers: AnswerKind = "probabilities",
    positive: int = 1,
) -> None:
    """One row per example: id, target (t_0 … t_{k-1} of labels), p_0 … p_{k-1} (or prediction), float32.

    Also scores (n,) under their metric's name; the columns that the data can be sliced by, as `column:NAME`;
    `group` where rows of one group are several. Of a classifier without probabilities s_0 … or c_0 …
    (`LETTERS`). The file's metadata say which of two classes is the positive one.
    """
    columns: dict[str, np.ndarray] = {"id": np.asarray(part.ids, np.int64)}
    if part.targets.ndim == 2:
        columns |= {f"t_{c}": part.targets[:, c] for c in range(part.targets.shape[1])}
    else:
        columns["target"] = part.targets
    if predictions.ndim == 2:
        columns |= {f"{LETTERS[answers]}_{c}": predictions[:, c] for c in range(predictions.shape[1])}
    else:
        columns["prediction"] = predictions
    if part.groups is not None and len(np.unique(part.groups)) < len(part.groups):
        columns["group"] = np.asarray(part.groups, np.int64)
    columns |= scores or {}
    for name, values in part.columns.items():  # a file column has one type: what mixes them becomes text
        columns[f"{COLUMN}{name}"] = values.astype(str) if values.dtype == object else values
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.Table.from_pandas(pd.DataFrame(columns), preserve_index=False)
    known = dict(table.schema.metadata or {})
    pq.write_table(table.replace_schema_metadata({**known, POSITIVE: str(positive).encode()}), path)


def read_predictions(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """ids (n,), targets (n,), answers (n, k) or values (n,): the inverse of `write_predictions`."""
    table = pd.read_parquet(path)
    targets = table["target"].to_numpy() if "target" in table else _numbered(table, "t")
    if "prediction" in table:
        return table["id"].to_numpy(), targets, table["prediction"].to_numpy()
    letter = next(letter for letter in LETTERS.values() if f"{letter}_0" in table)
    return table["id"].to_numpy(), targets, _numbered(table, letter)


def _numbered(table: pd.DataFrame, letter: str) -> np.ndarray:
    """Columns `p_0`, `p_1`, … side by side (n, k)."""
    k = sum(re.fullmatch(rf"{letter}_\d+", str(c)) is not None for c in table)
    return np.asarray(table[[f"{letter}_{c}" for c in range(k)]].to_numpy())


def measure_quality(
    predictions: np.ndarray, targets: np.ndarray, task: Task, answers: AnswerKind = "probabilities"
) -> tuple[Measurement, ...]:
    """All quality metrics of the task; what the answers cannot tell is not estimable."""
    kind = kind_of(task.name)
    names = kind.metrics
    if kind.targets == "classes" and task.num_classes == 2 and task.positive == 0:
        # Of two classes metrics are about the second: exchanged, both are what they were for all others.
        plain = tuple(
            _measure(name, predictions, targets, answers, kind) for name in names if name not in ONE_SIDED
        )
        turned = {m: _measure(m, predictions[:, ::-1], 1 - targets, answers, kind) for m in ONE_SIDED}
        measured = {m.metric: m for m in plain} | turned
        return tuple(measured[name] for name in names)
    return tuple(_measure(name, predictions, targets, answers, kind) for name in names)


def _measure(
    name: str, predictions: np.ndarray, targets: np.ndarray, answers: AnswerKind, kind: TaskKind
) -> Measurement:
    metric = METRICS[name]
    assert metric.measure is not None
    if reason := metric.not_told_by(answers):
        return Measurement(name, None, metric.unit, note=f"not estimable ({reason})")
    value = metric.measure(predictions, targets)
    if math.isnan(value):
        note = f"not estimable ({kind.only_one} only among {len(targets)} targets)"
        return Measurement(name, None, metric.unit, note=note)
    return Measurement(name, value, metric.unit)


def measure_own(
    functions: Mapping[str, Sequence[str]],
    predictions: np.ndarray,
    targets: np.ndarray,
    part: Split | None = None,
) -> tuple[tuple[Measurement, ...], dict[str, np.ndarray]]:
    """The suite's own metrics, and the scores per example (n,) of those that give some; of one that gives a
    number the pseudo-values of leaving out parts of the examples, as `jackknife:NAME`.

    Args:
        functions: name → (`module:function`, unit). part: whose numbers and groups tell the parts.
    Raises:
        TrialError: a function raised, or what it returned is neither a number nor a score per example.
    """
    measured, scores = [], {}
    for name, (reference, unit) in functions.items():
        answer = _own_answer(name, reference, predictions, targets)
        if answer.ndim:
            scores[name] = answer
        elif part is not None:
            scores |= _resampled(name, reference, predictions, targets, part, float(answer))
        value = float(answer.mean())
        note = "" if math.isfinite(value) else f"not estimable ({reference} gave {value})"
        measured.append(Measurement(name, None if note else value, unit, note=note))
    return tuple(measured), scores


def _resampled(
    name: str, reference: str, predictions: np.ndarray, targets: np.ndarray, part: Split, whole: float
) -> dict[str, np.ndarray]:
    """Pseudo-values by part, for each example; none where the function does not take fewer examples."""
    parts = jackknife.parts_of(part.ids, part.groups)

    def measure(some: np.ndarray, of_some: np.ndarray) -> float:
        return float(_own_answer(name, reference, some, of_some))

    try:
        values = jackknife.pseudo_values(measure, predictions, targets, parts, whole)
    except (TrialError, TypeError):  # without a part it may lack a class, or give a score per example
        return {}
    return {} if values is None else {f"{jackknife.STORED}{name}": values[parts]}


def _own_answer(name: str, reference: str, predictions: np.ndarray, targets: np.ndarray) -> np.ndarray:
    ref = parse_model(reference)
    try:
        function = getattr(importlib.import_module(ref.package), ref.name)
        _refuse_exchanged(name, reference, function)
        found = function(predictions.copy(), targets.copy())
        answer = np.asarray(found, dtype=np.float64)
    except TrialError:
        raise
    except Exception as error:  # the user's code may raise anything; the reason is the finding
        raise TrialError(f"metric {name}: {reference} raised {type(error).__name__}: {error}") from error
    if answer.shape not in ((), (len(targets),)):
        wanted = f"one number, or a score for each of the {len(targets)} examples"
        raise TrialError(f"metric {name}: {reference} returned shape {answer.shape}, it must be {wanted}")
    return answer


def _refuse_exchanged(name: str, reference: str, function: Callable[..., object]) -> None:
    """Refuse a function that takes the targets first, as libraries' do; one that hides them is called."""
    try:
        given = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return
    placed = [p for p in given if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    if any(p.kind == p.VAR_POSITIONAL for p in given):
        return
    if wrong := misunderstanding([p.name for p in placed], sum(p.default is p.empty for p in placed)):
        raise TrialError(f"metric {name}: {reference}: {wrong}")


def constant_quality(train: np.ndarray, targets: np.ndarray, task: Task) -> dict[str, float | None] | None:
    """Quality of the one answer that knows nothing of an example; None where class counts tell it."""
    kind = kind_of(task.name)
    if kind.constant is None:
        return None
    answers = np.tile(kind.constant(train), (len(targets), 1))
    return {m.metric: m.value for m in measure_quality(answers, targets, task)}


def parity(predictions: np.ndarray, reference: Predict, inputs: Inputs, name: str, task: Task) -> ParityFacts:
    """How far a runtime's answers are from the reference's on up to 1,000 examples.

    Args:
        predictions: what the runtime answers to `inputs`. name: of the reference, for people.
    """
    some = inputs[:PARITY_EXAMPLES]
    ours, theirs = predictions[: len(some)], predict_batches(reference, some)
    agreement = kind_of(task.name).agreement
    scale = 1.0 if theirs.ndim > 1 else float(theirs.std(dtype=np.float64)) or 1.0
    return ParityFacts(
        name,
        len(some),
        float(np.abs(ours.astype(np.float64) - theirs).max() / scale),
        None if agreement is None else agreement(ours, theirs),
    )
