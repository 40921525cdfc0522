"""Tables that ask no question of one answer a row: labels side by side, and objects in images."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from harness.datasets.commands import for_shell
from harness.datasets.formats import is_parquet
from harness.datasets.image_files import is_image
from harness.datasets.label_columns import label_columns, one_of
from harness.datasets.raw import SEPARATORS
from harness.datasets.unpacking import unpacked
from harness.record import DataError
from harness.suite.source import quoted

SIDES = (
    ("xmin", "ymin", "xmax", "ymax"), ("x", "y", "width", "height"), ("x1", "y1", "x2", "y2"),
    ("bboxx", "bboxy", "bboxwidth", "bboxheight"), ("xcenter", "ycenter", "width", "height"),
    ("left", "top", "width", "height"), ("imageid", "bbox"), ("filename", "bbox"),
    ("imageid", "encodedpixels"),
)  # fmt: skip
"""Columns that say where in an image something is."""
SHOWN = 8


def refuse_objects(frame: pd.DataFrame, path: Path) -> None:
    """A table of objects in images, a row each, as detection has them.

    Raises:
        DataError: it is one.
    """
    plain = {re.sub(r"[^a-z0-9]", "", str(name).casefold()): str(name) for name in frame.columns}
    sides = next((names for names in SIDES if plain.keys() >= set(names)), ())
    files = _files(frame) or [name for key, name in plain.items() if key in ("imageid", "filename")]
    if sides and files:
        listed = ", ".join(plain[name] for name in sides)
        raise DataError(
            f"{path} lists objects in images ({listed} beside {files[0]!r}), and where these are is no "
            "question that is asked here: for a class an image write a table of files and classes (data set "
            "`image_csv`); to predict a column of it all the same name it with --target COLUMN"
        )


def refuse_labels(
    frame: pd.DataFrame, path: Path, target: str, texts: Sequence[str], is_answer: bool
) -> None:
    """Columns of 0 and 1 side by side that are labels of a row: one would be predicted from the others.

    They stand beside a text or the file of an image, or one of them is 1 in each row.

    Args:
        target: the column that would be predicted. texts: columns of texts. is_answer: it is called as
            answers are, so that marks of 0 and 1 may stand beside it.
    Raises:
        DataError: they are there.
    """
    files, classes = _files(frame), one_of(frame, target)
    labels, beside = classes or label_columns(frame, target), [*texts, *files]
    if not labels or not (classes or (beside and not is_answer)):
        return
    listed = ", ".join(labels[:SHOWN]) + (", …" if len(labels) > SHOWN else "")
    out = str(path.with_name(f"{path.stem}_labels.csv"))
    made = "['|'.join(a for a, v in zip(n, r) if v) for r in t[n].values.tolist()]"
    made = "t[n].idxmax(axis=1)" if classes else made
    code = for_shell(
        f"import pandas; t = pandas.{_reader(path)}; n = {list(labels)!r}; "
        f"t.drop(columns=n).assign(label={made}).to_csv({out!r}, index=False)"
    )
    kind, key = ("image_csv", "image") if files else ("text_csv", "text")
    several = ', `task: multilabel_classification` and `label_separator: "|"`'
    then = f"`{kind}` and `{key}: {quoted(beside[0])}`" if beside else "`tabular_csv` and `target: label`"
    what = "one of which is 1 in each row" if classes else f"labels of the same {beside[0]!r}"
    one = (
        f"; or name one, --target {labels[0]}, which leaves the others out (--set features=[…] takes those "
        "that are no labels)"
    )
    raise DataError(
        f"{path} has {len(labels)} columns of 0 and 1 side by side ({listed}), {what}, and one would be "
        f'predicted from the others: write them into one column, `python -c "{code}"`, for a suite with '
        f"{then}{'' if classes else several}{'' if files else one}"
    )


def _reader(path: Path) -> str:
    """How pandas reads the file."""
    if is_parquet(path):
        return f"read_parquet({str(path)!r})"
    with unpacked(path) as stream:
        first = bytes(stream.read(1 << 16)).strip().split(b"\n")[0].decode("utf-8", "replace")
    separator = next((sign for sign in SEPARATORS if sign in first), ",")
    return f"read_csv({str(path)!r}, sep={separator!r}, skipinitialspace=True)"


def _files(frame: pd.DataFrame) -> list[str]:
    """Columns of files of images."""
    return [
        str(name)
        for name in frame.columns
        if not pd.api.types.is_numeric_dtype(frame[name])
        and len(some := frame[name].dropna().head(20).astype(str))
        and all(is_image(Path(cell.strip())) for cell in some)
    ]
