"""What is said of a table's columns, in lines for a person."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from harness.codec import JsonObject
from harness.init.series import Series
from harness.init.tables import Roles
from harness.suite.source import flow

if TYPE_CHECKING:
    import pandas as pd

SHOWN = 8
"""Columns that are named, at most."""


def columns_said(
    path: Path,
    what: Roles,
    frame: pd.DataFrame,
    dataset: str,
    shared: bool,
    series: Series | None,
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
    if what.row_names:
        verb = "numbers" if len(what.row_names) == 1 else "number"
        said.append(f"{_listed(what.row_names)} {verb} the rows: left out")
    said += [f"{name!r} is {how}, a name of the row: left out" for name, how in what.names.items()]
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


def _as_series(series: Series) -> str:
    """Why rows are cut by time, and what to write where that is not asked."""
    rows = f"a row for each {_listed([series.time, *series.of])}"
    new = f"; `group: {flow(series.of[0])}` in place of `split` asks of others" if series.of else ""
    return f"{rows}: a series, tested on its latest fifth, as what lies between known rows is easy{new}"


def _listed(names: Iterable[str]) -> str:
    return and_([repr(name) for name in names])


def and_(parts: Sequence[str]) -> str:
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)
