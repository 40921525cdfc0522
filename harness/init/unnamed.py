"""Files whose first line is a row and no line of names, and the command that puts one above it."""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from pathlib import Path

from harness.datasets.commands import for_shell
from harness.datasets.formats import is_parquet
from harness.datasets.raw import Layout, first_lines, separator_of
from harness.datasets.series import MOST_CLASSES
from harness.init.tables import SAMPLE, headless
from harness.record import DataError


def refuse_headless(path: Path) -> None:
    """A table of numbers whose first line names no columns.

    Raises:
        DataError: it is one.
    """
    if not (first := headless(path)):
        return
    sign = separator_of(path, Layout()) if len(first) > 1 else " "
    rows = [line.split(None if sign == " " else sign) for line in first_lines(path, SAMPLE)]
    names = [f"x{i + 1}" for i in range(len(rows[0]))]
    place = 0 if _begins_with_class(rows) else -1
    names[place] = "target"
    if place == 0:
        names[1:] = [f"x{i + 1}" for i in range(len(names) - 1)]
    shown = ", ".join(first[:4]) if len(first) > 1 else " ".join(rows[0][:4])
    out, wide = str(path.with_name(f"{path.stem}_named.csv")), len(names) - 1
    between = "r'\\s+'" if sign == " " else repr(sign)
    made = f"*(f'x{{i + 1}}' for i in range({wide}))"
    named = f"['target', {made}]" if place == 0 else f"[{made}, 'target']"
    code = for_shell(
        f"import pandas; pandas.read_csv({str(path)!r}, header=None, sep={between}, dtype=str, "
        f"keep_default_na=False).set_axis({named}, axis=1).to_csv({out!r}, index=False)"
    )
    raise DataError(
        f"{path} begins with {shown} and has no line of names: put one in front, for instance "
        f'{", ".join(names[:3])}{", …" if wide > 2 else ""}: `python -c "{code}"`'
    )


def _begins_with_class(rows: Sequence[Sequence[str]]) -> bool:
    """Whether the first column, and not the last, holds few values that come back: archives of time series
    have their classes there."""
    wide = min(map(len, rows))
    sides = [len({row[side] for row in rows}) for side in (0, wide - 1)]
    return wide > 2 and sides[0] <= min(MOST_CLASSES, len(rows) // 4) < sides[1]


def refuse_label_lines(path: Path) -> None:
    """`good<TAB>a fine film` without a line of names."""
    if is_parquet(path):
        return
    with gzip.open(path) if path.suffix.lower() == ".gz" else path.open("rb") as file:
        lines = [file.readline().decode("utf-8", "replace").strip() for _ in range(20)]
    cells = [line.split("\t") for line in lines if line]
    if len(cells) > 2 and all(len(row) == 2 for row in cells):
        sides = [max(len(row[side].split()) for row in cells) for side in (0, 1)]
        first = [len(cells[0][side].split()) for side in (0, 1)]
        if max(sides) >= 4 and min(sides) <= 2 and max(first) >= 3:  # the first line is not a line of names
            order = "label\\ttext" if sides[0] < sides[1] else "text\\tlabel"
            raise DataError(
                f"{path} holds texts and labels, and no line of names: put one in front, for instance "
                f"(printf '{order}\\n'; cat {path.name}) > {path.stem}.tsv"
            )
