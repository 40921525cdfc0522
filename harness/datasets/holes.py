"""Empty labels beside several labels in one cell: they are examples of no label, and no rows to drop."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from types import ModuleType

from harness.codec import JsonObject
from harness.datasets.arguments import complete, taken_by
from harness.datasets.frames import read_table, source_of, stripped
from harness.datasets.labels import check_single, counted

_HOLES = re.compile(r"^(?P<where>.+: column '(?P<column>.+)') has no value in (?P<how_many>\d+ of \d+ rows)")


def several_labels(mistakes: tuple[str, ...], module: ModuleType, args: JsonObject) -> Iterator[str]:
    """The mistakes, and in place of empty labels among several labels in one cell that there are several."""
    for mistake in mistakes:
        found = _HOLES.match(mistake)
        answer = args.get("target") or args.get("label")
        if found is None or found["column"] != answer or args.get("label_separator"):
            yield mistake
            continue
        told = check_single(_filled(module, args, found["column"]), found["where"])
        yield f"{told[0]}; its {found['how_many']} without any have then no label" if told else mistake


def _filled(module: ModuleType, args: JsonObject, column: str) -> Mapping[str, int]:
    """Each cell that is not empty → its rows."""
    source = source_of(**taken_by(source_of, complete(module.load, args)))
    cells = counted(stripped(read_table(source, [column], as_text=[column]).frame[column]))
    return {cell: rows for cell, rows in cells.items() if cell is not None}
