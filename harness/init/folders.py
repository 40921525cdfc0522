"""What is said of a folder that holds neither images nor one table, with a command that makes one of it."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from harness.datasets.array_files import beginning, of_idx, other_binary
from harness.datasets.cells import is_numberlike
from harness.datasets.commands import for_shell
from harness.datasets.image_files import COMPANIONS, SUFFIXES
from harness.datasets.part_names import part_called
from harness.datasets.raw import Layout, first_cells, separator_of

AUDIO = frozenset({".wav", ".mp3", ".flac", ".ogg", ".m4a", ".opus", ".aac", ".aiff", ".aif", ".sph"})
TOLD = (COMPANIONS | SUFFIXES) - {".txt"}
"""Endings that say what else a file is."""
SHOWN = 8
LOOKED_AT = 200
"""Files whose bytes say whether they are texts."""


def sounds(folder: Path, files: Sequence[Path]) -> str:
    """The cure for sounds, which are not read: a picture of each, where folders are their classes."""
    classes = {file.parent for file in files}
    if len(classes) < 2 or any(file.suffix.lower() != ".wav" or file.parent == folder for file in files):
        return (
            "sounds are not read: write a picture of each (its spectrogram) into one folder per class, or a "
            "table of its features (means of its MFCCs), a row each"
        )
    out = f"{folder}_images"
    code = for_shell(
        "import numpy as n, pathlib, scipy.io.wavfile as w, scipy.signal as s, PIL.Image as P; "
        f"r = pathlib.Path({str(folder)!r}); m = lambda f: n.atleast_2d(w.read(f)[1].T).mean(axis=0); "
        "v = lambda f: n.log(s.spectrogram(m(f), nperseg=256)[2] + 1e-9)[::-1]; "
        "g = lambda z: P.fromarray((255 * (z - z.min()) / (n.ptp(z) or 1)).astype('u1')); "
        f"[(o := pathlib.Path({out!r}, f.relative_to(r)).with_suffix('.png')).parent.mkdir(parents=True, "
        "exist_ok=True) or g(v(f)).save(o) for f in sorted(r.rglob('*.wav'))]"
    )
    return f'sounds are not read: write the spectrogram of each, `python -c "{code}"`, and give {out}'


def rows_apart(files: Sequence[Path]) -> str:
    """What is said of rows whose answers stand in a file of their own, a line each; empty where none do."""
    by_name = {(file.parent, file.name.casefold()): file for file in files}
    pairs = []
    for file in files:
        name = file.name.casefold()
        others = [f"y{name[1:]}"] if name[:1] == "x" and not name[1:2].isalpha() else []
        others += [f"{file.stem.casefold()}.labels"] if file.suffix.lower() == ".data" else []
        answers = next((by_name[file.parent, o] for o in others if (file.parent, o) in by_name), None)
        if answers is not None and _answers_each(answers, file):
            pairs.append((file, answers))
    if not pairs:
        return ""
    tables = [(x.with_name(f"{x.stem}_whole.csv"), _joined(x, y, files)) for x, y in pairs]
    made = "; ".join(f"{joined}.to_csv({str(out)!r}, index=False)" for out, joined in tables)
    code = for_shell(f"import numpy, pandas; {made}")
    names = ", ".join(f"{x.name} and {y.name}" for x, y in pairs[:3])
    return (
        f"rows and their answers in files apart ({names}): put them together, "
        f'`python -c "{code}"`, and give {shlex.join(str(out) for out, _ in tables)}'
    )


def _answers_each(y: Path, x: Path) -> bool:
    """Whether a file has one answer for each row of another."""
    if x.suffix != ".npy":
        return _lines(x) == _lines(y)
    try:
        rows, answers = np.load(x, mmap_mode="r"), np.load(y, mmap_mode="r")
    except (ValueError, OSError):  # of objects, or damaged
        return False
    return bool(rows.ndim > 0 and answers.size == len(rows))


def _joined(x: Path, y: Path, files: Sequence[Path]) -> str:
    """The Python that makes one table of rows and answers: what else has a line for each row is a column too,
    as `subject_train.txt`."""
    if x.suffix == ".npy":
        array = f"numpy.load({str(x)!r})"
        rows = f"pandas.DataFrame({array}.reshape(len({array}), -1)).add_prefix('x')"
        return f"{rows}.assign(target=numpy.load({str(y)!r}).ravel())"
    rest = x.stem.casefold()[1:] if x.suffix == y.suffix else ""
    beside = [
        file for file in files
        if rest and file not in (x, y) and file.parent == x.parent and file.stem.casefold().endswith(rest)
        and file.stem[: -len(rest)].isidentifier() and _lines(file) == _lines(x)
        and len(_begins(file).split()) == 1
    ]  # fmt: skip
    columns = {"target": y, **{file.stem[: -len(rest)]: file for file in beside}}
    is_named = not any(map(is_numberlike, _begins(x).replace(",", " ").split()))  # as pandas writes both
    header = 0 if is_named else None
    listed = ", ".join(
        f"{k}=pandas.read_csv({str(f)!r}, header={header}).iloc[:, 0]" for k, f in columns.items()
    )
    between = "','" if "," in _begins(x) else r"r'\s+'"
    rows = f"pandas.read_csv({str(x)!r}, header={header}, sep={between}, dtype=str).dropna(axis=1, how='all')"
    named = rows if is_named else f"{rows}.add_prefix('x')"
    return f"{named}.assign({listed})"


def _begins(file: Path) -> str:
    """The first line, in whatever encoding; empty where there is none."""
    with file.open("rb") as stream:
        return stream.readline(2**16).decode(errors="replace")


def _lines(file: Path) -> int:
    with file.open("rb") as stream:
        return sum(bool(line.strip()) for line in stream)


def of_one_form(folder: Path, tables: Sequence[Path]) -> str:
    """The command that puts tables of the same columns into one, as where each patient has one."""
    first, endings = [first_cells(file, Layout()) for file in tables], {file.suffix for file in tables}
    words = [word for file in tables for word in file.stem.casefold().replace("-", "_").split("_")]
    if any(map(part_called, words)) or len(endings) > 1 or any(cells != first[0] for cells in first):
        return ""
    if len(first[0]) < 2 or all(map(is_numberlike, first[0])):
        return ""
    out, sign = f"{folder}_whole.csv", separator_of(tables[0], Layout())
    files = f"sorted(pathlib.Path({str(folder)!r}).glob('*{endings.pop()}'))"
    code = for_shell(
        f"import pandas, pathlib; pandas.concat([pandas.read_csv(f, sep={sign!r}, dtype=str, keep_default_na="
        f"False).assign(file=f.stem) for f in {files}]).to_csv({out!r}, index=False)"
    )
    return (
        f'; or all in one, as their columns are the same: `python -c "{code}"` writes {out}, for --set '
        "group=file if rows of a file belong together"
    )


def _are_texts(files: Sequence[Path]) -> bool:
    return all(b"\0" not in beginning(file, 1024) for file in files[:LOOKED_AT])


def _encoding(files: Sequence[Path]) -> str:
    """UTF-8, where all of them are."""
    try:
        for file in files:
            file.read_bytes().decode()
    except UnicodeDecodeError:
        return "latin-1"
    return "utf-8"


def _texts(folder: Path, texts: Sequence[Path]) -> str:
    """What is said of a folder of texts, a file each, in folders of their classes."""
    has_parts = any(part_called(part) for file in texts for part in file.relative_to(folder).parts[:-2])
    part, name = ("f.relative_to(r).parts[0], ", "'part', ") if has_parts else ("", "")
    ends = {file.suffix.lower() for file in texts}
    pattern = f"*/{'*/' if has_parts else ''}{'*.txt' if ends == {'.txt'} else '*'}"
    code = for_shell(
        f"import pandas, pathlib; r = pathlib.Path({str(folder)!r}); pandas.DataFrame([({part}f.parent.name, "
        f"f.read_text({_encoding(texts)!r})) for f in sorted(r.glob({pattern!r})) if f.is_file()], "
        f"columns=[{name}'label', 'text']).to_csv({str(folder) + '.csv'!r}, index=False)"
    )
    parts = ", and a suite takes its parts by `split: {by: predefined, column: part}`" if has_parts else ""
    return f'{folder} holds texts, a file each: write a table of them, `python -c "{code}"`{parts}'


def _shown(places: Sequence[Path]) -> str:
    return ", ".join(map(str, places[:SHOWN])) + (", …" if len(places) > SHOWN else "")


def nothing_read(folder: Path, files: Sequence[Path], tables: Sequence[Path]) -> str:
    """What is said of a folder in which no images and no tables lie."""
    if not files:
        return f"{folder} is empty: give the folder that holds your images or tables"
    if any(file.name in ("dataset_dict.json", "state.json") for file in files):
        parts = any(file.name == "dataset_dict.json" for file in files)
        each = f"[d.to_parquet({str(folder)!r} + f'_{{k}}.parquet') for k, d in s.items()]"
        one = f"s.to_parquet({f'{folder}.parquet'!r})"
        loaded = f"import datasets; s = datasets.load_from_disk({str(folder)!r})"
        code = for_shell(f"{loaded}; {each if parts else one}")
        return f'{folder} was written by `save_to_disk`: write it as Parquet, `python -c "{code}"`'
    texts = [file for file in files if file.suffix.lower() not in TOLD and file.parent != folder]
    if len({file.parent for file in texts}) > 1 and 2 * len(texts) > len(files) and _are_texts(texts):
        return _texts(folder, texts)
    if written := of_idx(folder, files):
        return f"{folder} holds IDX files, as MNIST has them: {written}"
    if inside := sorted({file.parent for file in tables}):
        return f"{folder} holds its tables in {_shown(inside)}: give {inside[0]}, or a table in it"
    told = []
    for file in files[:SHOWN]:
        if found := other_binary(file, beginning(file, 64)):
            told.append(f"{file.name}, which {found[0]}: {found[1]}")
    if told:
        return f"{folder} holds {'; '.join(told[:3])}"
    names = ", ".join(file.name for file in files[:6]) + (", …" if len(files) > 6 else "")
    suites = [file for file in files if file.suffix in (".yaml", ".yml")]
    run = f"; it holds a suite already: python -m harness run {suites[0]}" if suites else ""
    return f"{folder} holds no images and no tables, only {names}: give your data{run}"
