"""What stands between raw examples and the arrays that a model takes: a tokenizer, or what makes numbers of a
table's rows. Learnt of the training part, kept in `fitted/`, copied into every artifact.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

import numpy as np

from harness import streams
from harness.codec import JsonObject
from harness.datasets.encoding import MOST_BINS, How, fit_table
from harness.datasets.parts import Parts
from harness.exported import tables
from harness.exported.tables import TableEncoding
from harness.protocols import Predict, Split
from harness.record import TrialError
from harness.runtimes.texts import TOKENIZER, encoder
from harness.suite.encodings import AUTO, is_histogram, takes_categories
from harness.suite.model_ref import ModelRef, parse_model


def as_numbers(spec: Mapping[str, Any], parts: Parts) -> tuple[Parts, TableEncoding | None]:
    """The parts of a table's rows as the numbers that a trial's model takes, and what makes these of rows;
    parts of anything else as they are."""
    if not parts.task.columns:
        return parts, None
    model = parse_model(spec["model"])
    seed = streams.seed_for(spec["seed"], "encoding") % 2**32
    table, own = fit_table(parts.train, parts.task, _how(spec, model), seed, **parts.written)
    splits = {
        name: replace(part, inputs=own if name == "train" else table.encode(part.inputs))
        for name, part in parts.splits.items()
    }
    task = replace(parts.task, input_shape=(table.width,))
    return replace(parts, task=task, splits=splits, categorical=tuple(table.categorical)), table


def _how(spec: Mapping[str, Any], model: ModelRef) -> How:
    native = takes_categories(model)
    most = min(MOST_BINS, int(spec["args"].get("max_bins", MOST_BINS))) if is_histogram(model) else None
    return How(spec.get("encoding", AUTO), keeps_holes=native, most_codes=most)


KEEP_COLUMNS = {f"{name}Scaler" for name in ("MaxAbs", "MinMax", "Robust", "Standard")} | {
    "PowerTransformer",
    "QuantileTransformer",
}
"""Steps of a pipeline behind which places are still those of the rows; behind others they are their own."""


def by_place(args: JsonObject, table: TableEncoding) -> dict[str, Any]:
    """An estimator's arguments, columns of a ColumnTransformer in them as places among what rows became.

    A column of categories became several numbers, so that the second column is hardly ever the second number.

    Args:
        args: columns stand in them by name, or by their place among those that are predicted from.
    Raises:
        TrialError: there is no such column; the message names those that there are.
    """
    starts = np.cumsum([0, *map(tables.width, table.steps)]).tolist()
    places = {s["column"]: range(*ends) for s, ends in zip(table.steps, pairwise(starts), strict=True)}

    def placed(column: object) -> list[int]:
        named = list(places)
        known = isinstance(column, int) and -len(named) <= column < len(named)
        name = named[column] if known and isinstance(column, int) else column
        if name not in places:
            raise TrialError(
                f"columns of a ColumnTransformer: there is no {column!r}, there is {', '.join(named)}"
            )
        return list(places[name])

    def steps(value: Any) -> Any:
        if not isinstance(value, Mapping):
            return walk(value)
        found, are_kept = {}, True
        for name, one in value.items():
            found[name] = walk(one) if are_kept else one
            model = one.get("model", "") if isinstance(one, Mapping) else one
            are_kept &= str(model).rpartition(":")[2] in KEEP_COLUMNS
        return found

    def walk(value: Any) -> Any:
        if isinstance(value, list):
            return [walk(one) for one in value]
        if not isinstance(value, Mapping):
            return value
        found = {key: steps(one) if key == "steps" else walk(one) for key, one in value.items()}
        if isinstance(columns := found.get("columns"), list) and ("model" in found or "transformer" in found):
            found["columns"] = [place for column in columns for place in placed(column)]
        return found

    return cast(dict[str, Any], walk(args))


def for_runtime(part: Split, fitted: Path) -> Split:
    """A part as a runtime's `prepare` takes it: what the fitted model itself takes."""
    encode = encoder(fitted)
    return part if encode is None else replace(part, inputs=encode(part.inputs))


def ship(fitted: Path, artifact: Path) -> None:
    """Put what stands before the fitted model beside the artifact that needs it."""
    for name in (TOKENIZER, tables.FILE):
        if (fitted / name).exists():
            shutil.copyfile(fitted / name, artifact / name)


def taking_raw(predict: Predict, fitted: Path) -> Predict:
    """A function of what a fitted model takes as one of raw examples."""
    encode = encoder(fitted)
    return predict if encode is None else lambda raw: predict(encode(raw))
