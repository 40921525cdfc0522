"""What is said of a table's columns, in lines for a person."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from harness.codec import JsonObject
from harness.datasets.encoding import WORDS
from harness.datasets.series import TimeSeries
from harness.init.tables import OWNERS, Roles
from harness.protocols import Task
from harness.suite.source import flow

if TYPE_CHECKING:
    import pandas as pd

COUNTED = 5
"""Classes that are whole numbers, from which on they may be amounts."""
_BEGINS = re.compile(r"^(.*\d)[\W_]+[A-Za-z]*\d+$")
"""What stands before the last number of a name, if it ends in a number itself."""
SHOWN = 8
"""Columns that are named, at most."""


def columns_said(
    path: Path,
    what: Roles,
    frame: pd.DataFrame,
    dataset: str,
    shared: bool,
    series: TimeSeries | None,
    split: JsonObject,
) -> list[str]:
    """What a table is, what is predicted from what, and why columns are left out.

    Args:
        shared: owners of rows stand in the test file too. series: by what rows are told apart.
        split: how rows are cut; empty: by hash.
    """
    kind = "texts" if dataset == "text_csv" else "a table"
    said = [f"{path.name}: {kind} of {len(frame):,} rows and {len(frame.columns)} columns"]
    said.append(f"predicts {what.target!r}, {what.why} (--target COLUMN for another)")
    if what.text:
        left = [name for name in what.dates if name != what.target]
        verb = "is" if len(left) == 1 else "are"
        more = f"; {_listed(left)} {verb} left out (--set features=[…] takes columns as well)" if left else ""
        said.append(f"from the texts in {what.text!r} alone{more}")
    elif dataset == "tabular_csv" and what.texts:
        said.append(_of_texts(what.texts))
    said += _cuts_said(what, frame, shared, series, split)
    if what.row_names:
        verb = "numbers" if len(what.row_names) == 1 else "number"
        said.append(f"{_listed(what.row_names)} {verb} the rows: left out")
    said += [f"{name!r} is {how}, a name of the row: left out" for name, how in what.names.items()]
    said += filter(None, (_of_beginnings(frame[name], name) for name in (*what.names, *what.row_names)))
    said += [
        f"{name!r} says which part a row is of: left out; where it says train and test, `split: {{by: "
        f"predefined, column: {flow(name)}}}` under `data` takes these parts"
        for name in what.parts
    ]
    if what.labels:
        verb = "is a label" if len(what.labels) == 1 else "are labels"
        said.append(
            f"{_listed(what.labels)} {verb} of the same rows, not known when one predicts: left out (--set "
            "features=[…] takes them)"
        )
    if what.labelling:
        said.append(f"{_listed(what.labelling)} tell how the rows were labelled: left out")
    if what.constant and dataset != "text_csv":
        verb = "changes" if len(what.constant) == 1 else "change"
        said.append(f"{_listed(what.constant)} never {verb}: left out")
    if what.holes:
        worst = sorted(what.holes.items(), key=lambda hole: -hole[1])[:SHOWN]
        said.append("holes: " + ", ".join(f"{name} {share:.1%}" for name, share in worst))
    return said


def _cuts_said(
    what: Roles, frame: pd.DataFrame, shared: bool, series: TimeSeries | None, split: JsonObject
) -> list[str]:
    """What rows belong to and when they are of, where a table says so, and how it is cut then."""
    said = []
    if shared:
        said.append(
            f"{what.group!r} names what rows belong to, and the test file has rows of the same: if others "
            f"are to be predicted, give all rows in one file, which is cut by {what.group!r}"
        )
    elif what.group:
        few = f"; of {frame[what.group].nunique()} a fifth would tell little: each is tested on, in folds"
        said.append(
            f"{what.group!r} names what rows belong to: its rows stay on one side of every split"
            + (few if split else "")
        )
    if series:
        said.append(_as_series(series))
    elif what.dates:
        spans = [f"{name!r} ({span})" for name, span in list(what.dates.items())[:SHOWN]]
        verb = "holds" if len(spans) == 1 else "hold"
        later = f"split: {{by: time, column: {flow(next(iter(what.dates)))}}}"
        said.append(
            f"{and_(spans)} {verb} dates: rows are split by hash, not by time "
            f"(`{later}` under `data` tests on the latest)"
        )
    return said


def amounts_said(task: Task, dataset: str, args: JsonObject) -> tuple[str, ...]:
    """That whole numbers are taken as classes, where they may be counted."""
    names = task.class_names
    if dataset != "tabular_csv" or "kind" in args or len(names) < COUNTED:
        return ()
    if not all(name.lstrip("-").isdecimal() and str(int(name)) == name for name in names):
        return ()
    return (
        f"whole numbers from {names[0]} to {names[-1]} are taken as classes, each as far from any other: "
        "--set kind=number predicts an amount",
    )


def _of_beginnings(column: pd.Series, name: str) -> str:
    """That names of rows begin alike, as of one patient's recordings: `phon_R01_S01_1`, `phon_R01_S01_2`."""
    begins = column.dropna().astype(str).str.extract(_BEGINS)[0]
    if begins.isna().any() or not OWNERS <= begins.nunique() <= len(begins) / 2:
        return ""
    one = begins.mode()[0]
    return (
        f"names in {name!r} have {begins.nunique()} beginnings of {len(begins) / begins.nunique():.1f} rows "
        f"each, for instance {one!r}: rows of one are on both sides of the cut, so if they belong together "
        "(a patient's, a batch's) write the beginnings into a column of their own and --set group= to it"
    )


def _of_texts(texts: Sequence[str]) -> str:
    """What a table's models see of texts, and how to compare models that read them."""
    if len(texts) > 1:
        return (
            f"{_listed(texts)} hold texts: of each a table's models see the {WORDS} commonest words, and "
            "none holds one against the other; write them into one column for models of texts"
        )
    return (
        f"{texts[0]!r} holds texts, of which a table's models see the {WORDS} commonest words: "
        f"`--set {shlex.quote(f'text={texts[0]}')}` compares models that read it, on it alone"
    )


def _as_series(series: TimeSeries) -> str:
    """Why rows are cut by time, and what to write where that is not asked."""
    rows = f"a row for each {_listed([series.time, *series.of])}"
    new = f"; `group: {flow(series.of[0])}` in place of `split` asks of others" if series.of else ""
    return f"{rows}: a series, tested on its latest fifth, as what lies between known rows is easy{new}"


def _listed(names: Iterable[str]) -> str:
    return and_([repr(name) for name in names])


def and_(parts: Sequence[str]) -> str:
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)
