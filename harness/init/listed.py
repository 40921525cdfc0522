"""Images whose classes a table says, or that lie within a table: the command that sorts them into a folder of
each class."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd

from harness.datasets.commands import for_shell
from harness.datasets.formats import is_parquet
from harness.datasets.label_columns import one_of
from harness.datasets.raw import Layout, separator_of
from harness.init.tables import ANSWERS, is_owner, read
from harness.record import DataError

LOOKED_AT = 200
"""Rows whose cells are looked for among the images."""
_KEYS: dict[str, Callable[[Path, Path], str]] = {
    "p.name": lambda file, root: file.name,
    "p.stem": lambda file, root: file.stem,
    "p.relative_to(r).as_posix()": lambda file, root: file.relative_to(root).as_posix(),
}
"""What a table may call an image by, as Python has it."""


def sorted_by(folder: Path, images: Sequence[Path], tables: Sequence[Path]) -> str:
    """What is said of images whose classes a table says; empty where none does."""
    for path in sorted(tables):
        try:
            frame = read(path, {})
        except DataError:  # it says nothing of the images
            continue
        if (found := _files_of(frame, folder, images)) and (label := _label_of(frame, found[1])):
            return _told(folder, path, frame, found, label)
    return ""


def _files_of(frame: pd.DataFrame, folder: Path, images: Sequence[Path]) -> tuple[str, str] | None:
    """How images are called, and the column that does."""
    for key, called in _KEYS.items():
        names = Counter(called(file, folder) for file in images)
        twice = {name for name, files in names.items() if files > 1}
        for column in map(str, frame.columns):
            cells = frame[column].dropna().astype(str).str.strip()
            some = cells.head(LOOKED_AT)
            if len(some) > 1 and some.nunique() > 1 and some.isin(names.keys()).mean() > 0.5:
                return None if cells.isin(twice).any() else (key, column)
    return None


def _label_of(frame: pd.DataFrame, file: str) -> list[str]:
    """The column of classes: by its name, else the first behind the file's whose values come back; several,
    of which one is 1 in each row."""
    rest = [name for name in map(str, frame.columns) if name != file]
    for name in rest:
        if len(several := one_of(frame, name)) > 1:
            return list(several)
    folded = {name.casefold(): name for name in rest}
    if called := next((folded[word] for word in ANSWERS if word in folded), ""):
        return [called]
    behind = list(frame.columns)[list(frame.columns).index(file) + 1 :]
    return [str(n) for n in behind if 2 <= frame[n].nunique() <= len(frame) // 2][:1]


def _told(folder: Path, path: Path, frame: pd.DataFrame, found: tuple[str, str], label: Sequence[str]) -> str:
    key, column = found
    out = f"{folder}_sorted"
    classes = f"t[{label[0]!r}]" if len(label) == 1 else f"t[{list(label)!r}].astype(float).idxmax(axis=1)"
    if is_parquet(path):
        table = f"read_parquet({str(path)!r}).astype(str)"
    else:
        table = f"read_csv({str(path)!r}, sep={separator_of(path, Layout())!r}, dtype=str)"
    code = for_shell(
        f"import pandas, pathlib, shutil; r = pathlib.Path({str(folder)!r}); t = pandas.{table}; "
        f"f = {{{key}: p for p in r.rglob('*') if p.is_file()}}; [(o := pathlib.Path({out!r}, c)).mkdir("
        "parents=True, exist_ok=True) or shutil.copy(f[k], o / '_'.join(f[k].relative_to(r).parts)) "
        f"for k, c in zip(t[{column!r}].str.strip(), "
        f"{classes}.astype(str)) if k in f]"
    )
    what = repr(label[0]) if len(label) == 1 else "the columns of 0 and 1"
    said = (
        f"{folder} holds {path.name}, where {column!r} names the images and {what} their classes: sort "
        f'them, `python -c "{code}"`, and give {out}'
    )
    owner = next((str(n) for n in frame.columns if str(n) != column and is_owner(frame[n], str(n))), "")
    if owner:
        said += (
            f"; several images have one {owner!r}, and only a suite with the data set `image_csv` and "
            f"`group: {owner}` keeps them on one side"
        )
    return said


def refuse_images_within(paths: Sequence[Path]) -> None:
    """Parquet whose cells hold images, as the Hugging Face hub has them.

    Raises:
        DataError: it is so, or they are sounds.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not all(map(is_parquet, paths)):
        return
    schema = pq.read_schema(paths[0])
    pictures = [f.name for f in schema if pa.types.is_struct(f.type) and f.type.get_field_index("bytes") >= 0]
    if not pictures:
        return
    image = pictures[0]
    if image.casefold() in ("audio", "sound", "speech"):
        raise DataError(
            f"{paths[0]} holds sounds in its column {image!r}, which are not read: write a picture of each"
            " (its spectrogram) into one folder per class"
        )
    folded = {field.name.casefold(): field.name for field in schema if field.name != image}
    label = next((folded[word] for word in ANSWERS if word in folded), next(iter(folded.values()), "label"))
    out = str(paths[0].parent / "images")
    called = ["train", "test"] if len(paths) > 1 else [""]
    parts = [(part, str(path)) for part, path in zip(called, paths, strict=True)]
    code = for_shell(
        f"import pandas, pathlib; [(o := pathlib.Path({out!r}, p, str(c))).mkdir(parents=True, "
        "exist_ok=True) or (o / (str(k) + {255: '.jpg'}.get(i['bytes'][0], '.png'))).write_bytes(i['bytes']) "
        f"for p, f in {parts!r} for t in [pandas.read_parquet(f)] "
        f"for k, (i, c) in enumerate(zip(t[{image!r}], t[{label!r}]))]"
    )
    raise DataError(
        f"{paths[0]} holds images in its column {image!r}: write them into a folder of each {label!r}, "
        f'`python -c "{code}"`, and give {out}'
    )
