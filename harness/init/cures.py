"""A data set's own cures, taken where they are about how a file is written and not about what it means.

Data sets refuse what can be read in two ways and say what to write. A first suite takes such a line over
where the message names one cure, writes it down and says so; what is the user's to answer stays a mistake.
"""

from __future__ import annotations

import ast
import gzip
import re
from collections.abc import Sequence
from pathlib import Path

from harness.codec import Json, JsonObject
from harness.datasets.catalog import dataset_module, task_info
from harness.protocols import Task
from harness.record import DataError

TAKEN = ("decimal", "thousands", "positive", "at_least", "time_unit")
"""Keys of the data that are taken from a message."""
NOTHING = re.compile(
    r"[?.\-–—_*/\\#]{1,4}|\\N|-9{2,5}(?:\.0)?|unknown|missing|none|n\.?a\.?|nil|tbd", re.IGNORECASE
)
"""Cells that stand for nothing in any column of numbers."""
ATTEMPTS = 6
_NAMES_OF_ROWS = re.compile(
    r"column ('.*'|\".*\") is (text of \d+ different values in \d+ rows), which are no categories"
)
_ENCODING = re.compile(r"for instance encoding: ([\w-]+)(?: or ([\w-]+))?")


def readable(dataset: str, args: JsonObject) -> tuple[dict[str, Json], Task, dict[str, str]]:
    """The arguments with which a data set can be read.

    Returns:
        the arguments, the task, and key → the message whose cure was taken.
    Raises:
        DataError: what only the user can answer.
    """
    now, taken = dict(args), dict[str, str]()
    for _ in range(ATTEMPTS):
        try:
            return now, _opened(dataset, now), taken
        except DataError as error:
            cures = {k: v for m in error.mistakes for k, v in _cures(m, now).items()}
            if not cures:
                raise
            taken |= dict.fromkeys(cures, error.mistakes[0])
            now |= cures
    return now, _opened(dataset, now), taken


def encoding_offered(mistakes: Sequence[str], given: JsonObject) -> str:
    """The encoding that a message offers, where none was named; else nothing."""
    found = (_ENCODING.search(message) for message in mistakes)
    first = next((match for match in found if match), None)
    return (first[2] or first[1]) if first and "encoding" not in given else ""


def names_of_rows(mistakes: Sequence[str]) -> dict[str, str]:
    """Column → what a data set says of one whose texts are hardly two rows' own: the first such mistake."""
    for message in mistakes:
        if found := _NAMES_OF_ROWS.search(message):
            return {str(ast.literal_eval(found[1])): found[2]}
    return {}


def beyond_ascii(path: Path, encoding: str) -> str:
    """Some words as that encoding has them, for the user to see whether it is the right one."""
    with gzip.open(path) if path.suffix.lower() == ".gz" else path.open("rb") as file:
        text = file.read(2**20).decode(encoding, "replace")
    words = list(dict.fromkeys(re.findall(r"\w*[^\W\x00-\x7f]\w*", text)))[:4]
    return f"read so, it has words such as {', '.join(map(repr, words))}" if words else ""


def _opened(dataset: str, args: JsonObject) -> Task:
    """The task, after all of the data has been read."""
    task = task_info(dataset, args)
    dataset_module(dataset).load(**args)
    return task


def _cures(message: str, args: JsonObject) -> dict[str, Json]:
    if _ENCODING.search(message):
        encoding = encoding_offered([message], args)
        return {"encoding": encoding} if encoding else {}
    offered = re.findall(r"`(\w+): ([^`]*)`", message)
    if offered and offered[0][0] in ("event", "rating"):
        return {}  # which column says what was wanted is the user's to answer, and so is what it says
    if offered and offered[0][0] == "missing":
        return _missing(offered[0][1], args)
    if "if the comma is a decimal one" in message or "if the point stands between" in message:
        return {}  # 1,234 is one or the other
    # `at_least` offers two, of which the first is the usual one.
    known = [(key, value) for key, value in offered if key in TAKEN and key not in args]
    first = known[:1] if known and known[0][0] == "at_least" else known
    return {key: _value(text) for key, text in first}


def _missing(offered: str, args: JsonObject) -> dict[str, Json]:
    words = _value(offered)
    if not isinstance(words, list) or not all(NOTHING.fullmatch(str(word)) for word in words):
        return {}
    stated = args.get("missing")
    known = list(stated) if isinstance(stated, (list, tuple)) else []
    return {} if set(words) <= set(known) else {"missing": [*known, *(w for w in words if w not in known)]}


def _value(text: str) -> Json:
    import yaml

    value: Json = yaml.safe_load(text)
    return value
