"""A suite that is given as a mapping: as a file for a moment, with mistakes said of the mapping's keys."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from harness.codec import Json
from harness.reading.draft import Path_, dotted
from harness.record import SuiteError
from harness.suite.schema import Suite
from harness.suite.source import Node, Place, Unreadable, parse_yaml

MOST_SHOWN = 60


@contextmanager
def as_file(suite: object) -> Iterator[Path]:
    """The file that a mapping, or a suite that was read, would be, for as long as it is read and run; its
    paths are relative to the working directory.

    Raises:
        SuiteError: it is neither; with values that no suite can hold; what is wrong in the file is raised
            again as mistakes of the keys, `candidates.cnn.model: what, and the cure`.
    """
    import yaml

    here = Path.cwd()
    if isinstance(suite, Suite):
        data: dict[str, Json] = suite.model_dump(mode="json", by_alias=True)
    elif not isinstance(suite, Mapping):
        what = "a text of several lines" if isinstance(suite, str) else f"`{_shown(suite)}`"
        raise SuiteError(f"{what} is no suite: give a file's path, or a mapping as `yaml.safe_load` makes it")
    else:
        mistakes: list[str] = []
        data = {str(key): _plain(value, (str(key),), mistakes) for key, value in suite.items()}
        if mistakes:
            raise SuiteError(*mistakes)
    # First: what is said of the first line is said of the whole.
    data = {"folder": data.pop("folder", None) or str(here), **data}
    if isinstance(base := data.get("extends"), str):
        data["extends"] = str(here / base)
    with tempfile.TemporaryDirectory(prefix="harness-suite-") as folder:
        file = Path(folder) / "suite.yaml"
        text = yaml.safe_dump(data, sort_keys=False, allow_unicode=True)
        file.write_text(text, encoding="utf-8")
        try:
            yield file
        except SuiteError as error:
            keys = _keys_by_line(text, file)
            raise SuiteError(*(_of_keys(said, file, keys) for said in error.mistakes)) from None


def _plain(value: object, path: Path_, mistakes: list[str]) -> Json:
    """A value as a file would hold it."""
    if callable(tolist := getattr(value, "tolist", None)):  # of NumPy, whose numbers are floats too
        return _plain(tolist(), path, mistakes)
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(own, (*path, str(key)), mistakes) for key, own in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, bytes):
        return [_plain(own, path, mistakes) for own in value]
    mistakes.append(f"{dotted(path)}: `{_shown(value)}` cannot stand in a suite: {_cure(value)}")
    return None


def _shown(value: object) -> str:
    shown = repr(value).partition("\n")[0]
    return shown if len(shown) <= MOST_SHOWN else f"{shown[: MOST_SHOWN - 1]}…"


def _cure(value: object) -> str:
    """How a suite says what an object of Python is."""
    if hasattr(value, "to_csv"):
        return "write it to a file and name that, `data: {name: tabular_csv, path: table.csv, target: …}`"
    name, module = getattr(value, "__qualname__", ""), getattr(value, "__module__", "")
    if callable(value) and name.isidentifier():
        if module.partition(".")[0] == "sklearn":
            return f'write "sklearn:{name}"'
        if module != "__main__":
            return f'write "{module}:{name}"'
        return f'put it into a file of its own, say mine.py, and write "mine:{name}"'
    return "write a text, a number, a list or a mapping"


def _keys_by_line(text: str, file: Path) -> dict[int, str]:
    """Line → the innermost key that stands there."""
    try:
        tree = parse_yaml(text, Place(str(file)), [])
    except Unreadable:
        return {}
    found: dict[int, str] = {}

    def walk(node: Node, path: Path_) -> None:
        for key, own in (node.mapping or {}).items():
            found[node.keys[key].line or 0] = dotted((*path, key))
            walk(own, (*path, key))
        for item in node.sequence or ():
            found.setdefault(item.place.line or 0, dotted(path))
            walk(item, path)

    if tree is not None:
        walk(tree, ())
    return {line: key for line, key in found.items() if line > 1}


def _of_keys(mistake: str, file: Path, keys: Mapping[int, str]) -> str:
    """`/tmp/…/suite.yaml:12: candidates.cnn.model: …` without the file that is gone; with the key that stands
    in that line where none is said."""
    found = re.fullmatch(rf"{re.escape(str(file))}(?::(\d+))?: (.*)", mistake, re.DOTALL)
    if found is None:
        return mistake.replace(f"{file}", "the suite")
    said, key = found[2], keys.get(int(found[1] or 0), "")
    named = said.partition(": ")[0]
    is_named = named.partition(".")[0] in {known.partition(".")[0] for known in keys.values()}
    if not key or is_named:
        return said
    last = key.rpartition(".")[2]
    return f"{key}: {said.removeprefix(f'{last}: ')}"
