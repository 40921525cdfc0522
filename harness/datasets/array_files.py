"""Files of arrays and of other programs' tables, by their first bytes: what they are, and a command that
makes a table or a folder of images of each."""

from __future__ import annotations

import gzip
import math
import struct
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from harness.datasets.commands import for_shell
from harness.datasets.part_names import part_called

HEAD = 1 << 12
_SAS = "read_sas({{0!r}}, format={0!r}, encoding='latin-1')"
_TABLES = {
    b"HEADER RECORD*******LIB": ("is a transport file of SAS", _SAS.format("xport")),
    bytes(12) + b"\xc2\xea\x81\x60": ("is a table of SAS", _SAS.format("sas7bdat")),
    b"<stata_dta>": ("is a table of Stata", "read_stata({0!r})"),
    b"$FL2": ("is a table of SPSS", "read_spss({0!r})"),
    b"$FL3": ("is a table of SPSS", "read_spss({0!r})"),
}
"""First bytes → what is said, and how pandas reads it."""
_ANSWERS = ("y", "label", "labels", "target", "targets", "class")
Shapes = Mapping[str, tuple[tuple[int, ...], bool]]
"""Name of an array → its shape, and whether it holds bytes."""


def other_binary(path: Path, begins: bytes) -> tuple[str, str] | None:
    """What a file is that holds arrays, pickles or another program's table, and the cure; None for others."""
    for signature, (what, reader) in _TABLES.items():
        if begins.startswith(signature):
            first = "pip install pyreadstat and " if "spss" in reader else ""
            return what, f"{first}write it as Parquet, {_parquet(path, f'pandas.{reader.format(str(path))}')}"
    if begins[:1] in b"rsq" and begins[1:4] in (b"\1\1\0", b"\2\1\0"):  # before its version 13
        return (
            "is a table of Stata",
            f"write it as Parquet, {_parquet(path, f'pandas.read_stata({str(path)!r})')}",
        )
    if begins[:1] == b"\x80" and begins[1:2] in b"\x02\x03\x04\x05":
        return "is pickled Python", _of_pickle(path)
    if begins.startswith(b"MATLAB 5.0 MAT-file"):
        return "is a file of MATLAB", _of_arrays(path, _shapes_of_mat(path), "scipy.io.loadmat", "scipy.io")
    if begins.startswith(b"PK\x03\x04") and (shapes := _shapes_of_npz(path)):
        return "is a file of NumPy's arrays", _of_arrays(path, shapes, "numpy.load", "numpy")
    if begins.startswith(b"\x93NUMPY"):
        return "is one array of NumPy's", "give the folder that holds it and its answers, as X.npy and y.npy"
    if _idx_shape(path) is not None:
        return "is a file of IDX, as MNIST has them", "give the folder with its images and its labels"
    return None


def beginning(path: Path, size: int) -> bytes:
    """The first bytes of a file."""
    with path.open("rb") as stream:
        return stream.read(size)


def of_idx(folder: Path, files: Sequence[Path]) -> str:
    """The cure for a folder of IDX files, images and labels in pairs; empty where it holds none."""
    shapes = {file: shape for file in files if (shape := _idx_shape(file)) is not None}
    parts = [
        (_part_of(file), file, other)
        for file, shape in shapes.items()
        for other, many in shapes.items()
        if len(shape) == 3 and len(many) == 1 and file.name.split("-")[0] == other.name.split("-")[0]
    ]
    if not parts:
        return ""
    read = (
        "r = lambda f, s: numpy.frombuffer((gzip.open if f.endswith('.gz') else open)(f, 'rb').read(), 'u1', "
        "offset=4 + 4 * len(s)).reshape(s)"
    )
    listed = ", ".join(
        f"({part!r}, r({str(x)!r}, {shapes[x]}), r({str(y)!r}, {shapes[y]}))" for part, x, y in parts
    )
    return _images(folder, f"import gzip; {read}", listed)


def _part_of(file: Path) -> str:
    first = file.name.split("-")[0]
    return "test" if first == "t10k" else part_called(first) or "train"


def _of_pickle(path: Path) -> str:
    """A table that pandas or scikit-learn pickled; nothing is unpickled to find out."""
    begins = beginning(path, HEAD)
    if b"Bunch" in begins and b"sklearn" in begins:
        made = "pandas.DataFrame(d['data'], columns=d.get('feature_names')).assign(target=d['target'])"
        before = f"import pickle; d = pickle.load(open({str(path)!r}, 'rb'))"
        return f"write it as Parquet, {_parquet(path, made, before)}"
    if b"pandas" in begins:
        return f"write it as Parquet, {_parquet(path, f'pandas.read_pickle({str(path)!r})')}"
    return "reading it runs whatever it holds: write a table of it, `.to_parquet(…)`, where it was made"


def _of_arrays(path: Path, shapes: Shapes, load: str, module: str) -> str:
    """What to do with named arrays: those of as many examples belong together."""
    pairs = [(part or _called(path.stem) or "train", x, y) for part, x, y in _pairs(shapes)]
    if not pairs:
        listed = ", ".join(f"{name} {'×'.join(map(str, shape))}" for name, (shape, _) in shapes.items())
        return f"it holds {listed or 'no arrays'}: write rows and their answers into one table"
    before = f"import {module}; d = {load}({str(path)!r})"
    shape, is_image = shapes[pairs[0][1]]
    if is_image and len(shape) > 2:
        is_last = shape[0] != math.prod(shapes[pairs[0][2]][0])  # examples, as MATLAB has them
        turned = "numpy.moveaxis(d[{0!r}], -1, 0)" if is_last else "d[{0!r}]"
        listed = ", ".join(f"({part!r}, {turned.format(x)}, d[{y!r}].ravel())" for part, x, y in pairs)
        return _images(path.parent / "all" if _called(path.stem) else path.with_suffix(""), before, listed)
    rows = (
        "pandas.DataFrame(d[{0!r}].reshape(len(d[{0!r}]), -1)).add_prefix('x').assign(target=d[{1!r}].ravel()"
    )
    several = len(pairs) > 1
    tables = [rows.format(x, y) + (f", part={part!r})" if several else ")") for part, x, y in pairs]
    made = f"pandas.concat([{', '.join(tables)}])" if several else tables[0]
    return f"write it as Parquet, {_parquet(path, made, before)}"


def _pairs(shapes: Shapes) -> list[tuple[str, str, str]]:
    """Part, inputs and answers: an array of numbers a row, and one of a number a row that is called so."""
    found = []
    for y, (shape, _) in shapes.items():
        many, words = math.prod(shape), set(y.casefold().replace("_", " ").split())
        if many != max(shape, default=0) or not words & set(_ANSWERS):
            continue
        part = _called(y)
        inputs = [
            x for x, (of, _) in shapes.items()
            if x != y and of and math.prod(of) > many and many in (of[0], of[-1]) and _same_part(x, y)
        ]  # fmt: skip
        found += [(part, x, y) for x in inputs[:1]]
    return found


def _called(name: str) -> str:
    """The part that a name of several words says."""
    return next((part for word in name.casefold().split("_") if (part := part_called(word))), "")


def _same_part(x: str, y: str) -> bool:
    return _called(x) == _called(y)


def _images(out: Path, before: str, parts: str) -> str:
    """The command that writes images into folders of their classes."""
    code = for_shell(
        f"import numpy, pathlib, PIL.Image as P; {before}; o = pathlib.Path({f'{out}_images'!r}); "
        "[(o / p / str(c)).mkdir(parents=True, exist_ok=True) or P.fromarray(i.squeeze()).save("
        f"o / p / str(c) / f'{{k}}.png') for p, x, y in [{parts}] for k, (i, c) in enumerate(zip(x, y))]"
    )
    return f'write its images into folders of their classes, `python -c "{code}"`, and give {out}_images'


def _parquet(path: Path, made: str, before: str = "") -> str:
    written = f"{made}.to_parquet({str(path.with_suffix('.parquet'))!r})"
    code = for_shell(f"import pandas; {before + '; ' if before else ''}{written}")
    return f'`python -W ignore -c "{code}"`'


def _shapes_of_npz(path: Path) -> Shapes:
    """Of a zip that holds NumPy's arrays; empty of any other."""
    from numpy.lib import format as npy

    found = {}
    try:
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                if not name.endswith(".npy"):
                    return {}
                with archive.open(name) as stream:
                    version = npy.read_magic(stream)
                    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
                    shape, _, kind = read(stream)
                    found[name.removesuffix(".npy")] = (shape, kind == "uint8")
    except (zipfile.BadZipFile, ValueError):
        return {}
    return found


def _shapes_of_mat(path: Path) -> Shapes:
    from scipy.io import whosmat
    from scipy.io.matlab import MatReadError

    try:
        return {name: (shape, kind == "uint8") for name, shape, kind in whosmat(path)}
    except (
        ValueError,
        TypeError,
        OSError,
        NotImplementedError,
        MatReadError,
    ):  # damaged, or of another version
        return {}


def _idx_shape(path: Path) -> tuple[int, ...] | None:
    """The shape that an IDX file of bytes states, where its length is that; None for any other file."""
    opened = gzip.open if path.suffix.lower() == ".gz" else open
    try:
        with opened(path, "rb") as stream:
            head = stream.read(16)
            if len(head) < 8 or head[:3] != b"\0\0\x08" or not 1 <= head[3] <= 3:
                return None
            shape = struct.unpack(f">{head[3]}I", head[4 : 4 + 4 * head[3]])
            whole = len(head) + len(stream.read())
    except (OSError, EOFError, struct.error):
        return None
    return shape if whole == 4 + 4 * head[3] + math.prod(shape) else None
