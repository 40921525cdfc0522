"""What is in the user's data, in lines for a person, and as the arguments of a data set."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from harness.codec import Json, JsonObject
from harness.datasets.series import TimeSeries, has_later_classes, is_asked_on, series_of
from harness.figures import short
from harness.init.cures import beyond_ascii, encoding_offered, names_of_rows, readable
from harness.init.find import Found
from harness.init.listed import refuse_images_within
from harness.init.logs import log_args
from harness.init.said import amounts_said, and_, columns_said
from harness.init.tables import OWNERS, Roles, read
from harness.init.unanswered import asked
from harness.init.unnamed import refuse_headless, refuse_label_lines
from harness.protocols import Dataset, Task
from harness.record import DataError
from harness.suite.source import flow

if TYPE_CHECKING:
    import pandas as pd

    from harness.datasets.audit import Finding

SHOWN = 8
"""Classes or columns that are named, at most."""


@dataclass(frozen=True)
class Seen:
    """What is there, and how a suite names it.

    Args:
        name: for the suite. dataset, args: as under `data`; paths are absolute. said: lines about it.
        why: key of `args` → why it is written. train_rows: validation still among them.
        counts: class → rows, the commonest first; empty without classes.
        warnings: what the audit warns of. items: of a log. split: how rows are cut; empty: by hash.
    """

    name: str
    dataset: str
    args: JsonObject
    task: Task
    said: tuple[str, ...]
    train_rows: int
    test_rows: int
    counts: Mapping[str, int] = field(default_factory=dict)
    why: Mapping[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    items: int = 0
    split: JsonObject = field(default_factory=dict)

    @property
    def commonest(self) -> float:
        """The share of rows that always saying the commonest class gets right."""
        return max(self.counts.values()) / sum(self.counts.values()) if self.counts else 0.0

    @property
    def imbalance(self) -> float:
        return max(self.counts.values()) / max(1, min(self.counts.values())) if self.counts else 1.0


def look(found: Found, given: JsonObject, target: str | None = None) -> Seen:
    """Read what was found, completely.

    Args:
        given: arguments of the data set that the user named. target: the column to predict.
    Raises:
        DataError: it cannot be read as it is meant; every mistake with its cure.
    """
    if found.path is None:
        return _digits()
    if found.kind == "images":
        return _images(found.path, given)
    try:
        return _rows(found, found.path, given, target)
    except DataError as error:
        encoding = encoding_offered(error.mistakes, given)
        if not encoding:
            raise
        seen = _rows(found, found.path, {**given, "encoding": encoding}, target)
        taken = {"encoding": error.mistakes[0]}
        shown = beyond_ascii(found.path, encoding)
        told = (*_taken_said({"encoding": encoding}, taken), *([shown] if shown else []))
        return replace(seen, said=(seen.said[0], *told, *seen.said[1:]), why={**seen.why, **taken})


def _rows(found: Found, path: Path, given: JsonObject, target: str | None) -> Seen:
    """A log of interactions, or any other table."""
    log = None if target is not None or found.test_path else log_args(path, given)
    return _log(path, log) if log is not None else _table(found, given, target)


def findings(seen: Seen) -> list[Finding]:
    """What the audit finds in it."""
    from harness.datasets.audit import audit, log_findings

    if seen.task.name != "recommendation":
        return audit(seen.dataset, seen.args)
    from harness.datasets.catalog import dataset_module
    from harness.tasks.recommendation.audit import audit_log

    return log_findings(audit_log(dataset_module(seen.dataset).load(**seen.args)))


def _taken_said(args: JsonObject, taken: Mapping[str, str]) -> tuple[str, ...]:
    """What is written so that the files can be read, and why: once for keys of one reason."""
    keys: dict[str, list[str]] = {}
    for key, message in taken.items():
        keys.setdefault(message, []).append(f"`{key}: {flow(args[key])}`")
    return tuple(f"written so that it can be read: {and_(k)} ({_first(m)})" for m, k in keys.items())


def _first(message: str) -> str:
    """The beginning of a message, without its cure and its later examples."""
    text = re.split(r"[:;] (?:write|say which)", message.splitlines()[0])[0]
    return text if len(text) <= 160 else f"{text[:160].rpartition(', ' if ', ' in text[:160] else ' ')[0]}, …"


def _digits() -> Seen:
    from harness.datasets.catalog import load_dataset

    data = load_dataset("digits")
    said = (
        "no data was given: handwritten digits, which come with scikit-learn, stand in for yours "
        "(python -m harness init DATA FILE.py)",
    )
    return _counted("own_model", "digits", {}, data, said, {})


def _images(path: Path, given: JsonObject) -> Seen:
    from harness.datasets.catalog import load_dataset, notes
    from harness.datasets.image_folder import groups_in

    args, task, taken = readable("image_folder", {"path": str(path), **given})
    pattern, shared = groups_in(**args)
    is_grouped = bool(pattern) and not shared and "group" not in args
    if is_grouped:
        args["group"] = pattern
    data = load_dataset("image_folder", args)
    noted, images = notes("image_folder", args), len(data.train) + len(data.test)
    said = (
        f"{path.name}/: a folder of {images:,} images in {task.num_classes} classes",
        _sides(noted, task),
    )
    more = [note for note in noted if "pixels: the median" not in note]
    if is_grouped:
        more.append("names of files say which images belong together: they stay on one side of every split")
    told = (*said, *more, *_taken_said(args, taken))
    why = {"group": "in the files' names: what it finds stays on one side of every split", **taken}
    return _counted(path.name, "image_folder", args, data, told, why)


def _sides(notes: Sequence[str], task: Task) -> str:
    """The files' own size, which the data set says where it takes less."""
    found = next((m for note in notes if (m := re.search(r"shorter side of the files is (\d+)", note))), None)
    side = int(found[1]) if found else task.input_shape[-1]
    return f"their shorter sides are {side} pixels in the median"


def _log(path: Path, args: JsonObject) -> Seen:
    from harness.datasets.catalog import dataset_module, notes

    args, task, taken = readable("interactions_csv", {"path": str(path), **args})
    log = dataset_module("interactions_csv").load(**args)
    events, items = len(log.events.user), len(log.catalogue.ids)
    said = [
        f"{path.name}: a log of {events:,} interactions of {len(log.users.ids):,} users with {items:,} items"
    ]
    kinds = {"user": "users", "item": "items", "time": "times"}
    if named := [f"{kinds[key]} {str(args[key])!r}" for key in kinds if args.get(key)]:
        said.append(f"columns: {', '.join(named)} (--target COLUMN predicts one from the others instead)")
    if args.get("time", "time") is None:
        said.append("it has no times: it is split at random, so nothing is known of what comes next")
    if args.get("split") == "leave_one_out":
        said.append("asked is the last choice of each: cut by time hardly one would have an earlier one")
    said += [*notes("interactions_csv", args), *_taken_said(args, taken)]
    share = args.get("test", 0.1)
    assert isinstance(share, (int, float))  # the log was read with it
    test = round(events * share)
    return Seen(
        _name(path), "interactions_csv", args, task, tuple(said), events - test, test, {}, taken, items=items
    )


def _table(found: Found, given: JsonObject, target: str | None) -> Seen:
    path = found.path
    assert path is not None
    refuse_images_within([path, *([found.test_path] if found.test_path else [])])
    refuse_headless(path)
    refuse_label_lines(path)
    frame = read(path, given)
    named = target or given.get("target") or given.get("label")
    question = asked(found, frame, given, None if named is None else str(named))
    found, seen = question.found, question.roles
    series = _series(found, seen, frame, given)
    if series is not None:
        seen = replace(seen, group="")  # what these do next is asked
    shared = bool(seen.group) and _shares_owners(found, seen.group, frame, given)
    what, dataset, args, taken = _read_as(found, seen, frame, given, shared)
    from harness.datasets.catalog import load_dataset, notes

    data = load_dataset(dataset, args)
    split = {"by": "time", "column": series.time} if series else _folds(found, args, frame)
    said = (
        *columns_said(path, what, frame, dataset, shared, series, split),
        *question.said,
        *notes(dataset, args),
        *amounts_said(data.task, dataset, args),
        *_taken_said(args, taken),
    )
    why = {
        "target": what.why,
        "label": what.why,
        "group": "its rows stay on one side of every split",
        **taken,
    }
    return replace(_counted(_name(path), dataset, args, data, said, why), split=split)


def _series(found: Found, what: Roles, frame: pd.DataFrame, given: JsonObject) -> TimeSeries | None:
    """Of a table without a test file and without owners to come: by what its rows are told apart."""
    if found.test_path or "group" in given or not is_asked_on(what.group):
        return None
    if _decided_from(what, frame, given).text:
        return None
    apart = _left_out(what) - set(what.row_names) | {what.target}
    series = series_of(frame, [name for name in map(str, frame.columns) if name not in apart])
    return None if series is None or has_later_classes(frame, series.time, what.target) else series


def _folds(found: Found, args: JsonObject, frame: pd.DataFrame) -> dict[str, Json]:
    """Folds by owners, where these are so few that a fifth of them would be one or two."""
    group = args.get("group")
    few = found.test_path is None and group in frame and frame[group].nunique() < OWNERS
    return {"by": "group", "folds": min(5, frame[group].nunique())} if few else {}


def _read_as(
    found: Found, seen: Roles, frame: pd.DataFrame, given: JsonObject, shared: bool
) -> tuple[Roles, str, dict[str, Json], dict[str, str]]:
    """The columns' roles, the data set, the arguments with which it can be read, and whose cures those are.

    Columns that the data set calls no categories since they name the rows are left out.
    """
    while True:
        what = _decided_from(seen, frame, given)
        dataset, args = _arguments(found, what, frame, shared)
        try:
            args, _, taken = readable(dataset, {**args, **given})
            _refuse_comma_beside_points(frame, taken)
            return what, dataset, args, taken
        except DataError as error:
            names = names_of_rows(error.mistakes)
            if not names or "features" in given or set(names) <= set(seen.names):
                raise
            seen = replace(seen, names={**seen.names, **names})


def _refuse_comma_beside_points(frame: pd.DataFrame, taken: Mapping[str, str]) -> None:
    """A comma in numbers of a file whose other numbers have a decimal point: a flag may stand behind it."""
    pointed = [n for n in frame.columns if frame[n].dtype.kind == "f" and (frame[n].dropna() % 1 != 0).any()]
    if "decimal" in taken and pointed:
        raise DataError(
            f"{_first(taken['decimal'])}: {str(pointed[0])!r} has a decimal point: if the comma is one too "
            "write points in the file, if a flag stands behind it, as in 1014,5, give it a column of its own"
        )


def _decided_from(what: Roles, frame: pd.DataFrame, given: JsonObject) -> Roles:
    """Texts alone, where the user says so or nothing is beside them but dates; else all columns, the texts
    among them."""
    if "text" in given:
        return replace(what, text=str(given["text"]))
    if "features" in given:
        return replace(what, text="")
    beside = {what.target, what.text, what.group, *_left_out(what), *what.dates}
    return replace(what, text="") if set(map(str, frame.columns)) - beside else what


def _shares_owners(found: Found, group: str, frame: pd.DataFrame, given: JsonObject) -> bool:
    """Whether rows of the test file belong to what rows to learn from belong to."""
    if found.test_path is None:
        return False
    tested = read(found.test_path, given)
    return group in tested and bool(set(frame[group].dropna()) & set(tested[group].dropna()))


def _arguments(found: Found, what: Roles, frame: pd.DataFrame, shared: bool) -> tuple[str, dict[str, Json]]:
    """The data set for a table, and how a suite names the columns.

    Args:
        shared: the groups of the table stand in the test file too: such a division would be refused.
    """
    paths = {"path": str(found.path)} | ({"test_path": str(found.test_path)} if found.test_path else {})
    group = {"group": what.group} if what.group and not shared else {}
    if what.text:
        return "text_csv", {**paths, "text": what.text, "label": what.target, **group}
    out = {what.target, what.group, *_left_out(what)}
    features = [str(name) for name in frame.columns if name not in out]
    if not features:
        raise DataError(
            f"{found.path}: beside {what.target!r} only columns that number the rows, never change or are "
            "other labels are left: name those to predict from with --set features=[A,B]"
        )
    whole = len(features) == len(frame.columns) - 1 - bool(what.group)
    return "tabular_csv", {
        **paths,
        "target": what.target,
        **group,
        **({} if whole else {"features": features}),
    }


def _left_out(what: Roles) -> set[str]:
    """Columns of which nothing can be predicted: they say which row it is, or nothing, or come too late."""
    return {
        *what.row_names,
        *what.names,
        *what.constant,
        *what.unknown,
        *what.parts,
        *what.labels,
        *what.labelling,
    }


def _counted(
    name: str,
    dataset: str,
    args: JsonObject,
    data: Dataset,
    said: tuple[str, ...],
    why: Mapping[str, str],
) -> Seen:
    """With the classes, or the range of the target."""
    task, counts = data.task, Counter[str]()
    if task.name == "multilabel_classification":
        listed = ", ".join(task.class_names[:SHOWN])
        raise DataError(
            f"{name} has any number of labels a row ({listed}), and init writes suites for one answer a row: "
            "write one with `task: multilabel_classification`, as docs/own_data.md shows"
        )
    for part in (data.train, data.test):
        if task.num_classes:
            numbers = np.bincount(part.targets, minlength=task.num_classes)
            counts.update({task.class_names[i]: int(n) for i, n in enumerate(numbers)})
    common = dict(counts.most_common())
    if common:
        listed = ", ".join(f"{label} {rows:,}" for label, rows in list(common.items())[:SHOWN])
        more = f", and {len(common) - SHOWN} more" if len(common) > SHOWN else ""
        said = (*said, f"{len(common)} classes: {listed}{more}")
    else:
        low, middle, high = np.quantile(np.concatenate([data.train.targets, data.test.targets]), [0, 0.5, 1])
        said = (*said, f"a number from {short(low)} to {short(high)}, median {short(middle)}")
    said = (*said, f"{len(data.train):,} rows to learn from, {len(data.test):,} to test on")
    return Seen(name, dataset, args, task, said, len(data.train), len(data.test), common, dict(why))


def suite_name(found: Found) -> str:
    """What a suite for it is called."""
    if found.path is None:
        return "own_model"
    return found.path.name if found.kind == "images" else _name(found.path)


def _name(path: Path) -> str:
    stem = Path(path.stem).stem if path.suffix.lower() == ".gz" else path.stem
    plain = "".join(sign if sign.isascii() and (sign.isalnum() or sign in "_-") else "_" for sign in stem)
    general = {"train", "training", "data", "log", "events", "all"}
    return (
        f"{path.parent.name}_{plain}"
        if plain.casefold() in general and path.parent.name.isidentifier()
        else plain
    )
