"""Rows and their answers in two tables, told apart by an id: the command that makes one of them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from pathlib import Path

from harness.datasets.commands import for_shell
from harness.datasets.raw import Layout, first_cells, separator_of
from harness.init.tables import read
from harness.record import DataError

MOST_TABLES = 8
ALIKE = 0.9
"""The share of the answers whose id stands among the rows."""


def joined_by_id(tables: Sequence[Path]) -> str:
    """What is said of tables of which one has an id and the answer alone; empty where none has.

    What is handed in at a competition has an id and an answer too; a table beside it has that answer.
    """
    names = {path: [cell.strip() for cell in first_cells(path, Layout())] for path in tables[:MOST_TABLES]}
    wide = [path for path, cells in names.items() if len(cells) > 2]
    found = []
    for y, cells in names.items():
        if len(cells) != 2 or re.search("submi|sample", y.name, re.IGNORECASE):
            continue
        for key, target in (cells, cells[::-1]):
            if not any(target in names[x] for x in wide):
                found += [(x, y, key) for x in wide if key in names[x] and _belong(x, y, key)]
    if not found:
        return ""
    outs = [str(x.with_name(f"{x.stem}_whole.csv")) for x, _, _ in found]
    made = "; ".join(
        f"{_reader(x)}.merge({_reader(y)}, on={key!r}).to_csv({out!r}, index=False)"
        for (x, y, key), out in zip(found, outs, strict=True)
    )
    x, y, key = found[0]
    return (
        f"{y.name} has the answers to the rows of {x.name}, by {key!r}: put them together, "
        f'`python -c "{for_shell(f"import pandas; {made}")}"`, and give {shlex.join(outs)}'
    )


def _belong(x: Path, y: Path, key: str) -> bool:
    """Whether ids of answers are those of rows, each once."""
    try:
        rows, answers = (read(path, {})[key].astype(str) for path in (x, y))
    except (DataError, KeyError):  # it says nothing of the other
        return False
    return bool(rows.is_unique and answers.is_unique and answers.isin(rows).mean() >= ALIKE)


def _reader(path: Path) -> str:
    sign = separator_of(path, Layout())
    return f"pandas.read_csv({str(path)!r}, sep={sign!r}, dtype=str, keep_default_na=False)"
