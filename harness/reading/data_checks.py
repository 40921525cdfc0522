"""The data of a suite: a set that exists, arguments that it takes, sizes that make sense."""

from __future__ import annotations

import ast
import contextlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from harness.annotations import instead
from harness.codec import Json, JsonObject
from harness.datasets import catalog
from harness.datasets.cuts import NOTHING, cuts_of
from harness.datasets.own_files import absolute, is_path_argument
from harness.names import hint, nearest
from harness.protocols import Task
from harness.reading.components import module_file, table
from harness.reading.draft import Draft, Path_
from harness.reading.references import find_function
from harness.reading.signature import ANYTHING, Parameter, Signature, misfit, read_signature
from harness.record import DataError
from harness.suite.model_ref import parse_model
from harness.suite.schema import Data, DataSplit
from harness.suite.source import Node, new_mapping, quoted

ANSWERS = ("target", "label", "y", "class", "outcome", "targets")
"""What the column to predict is called, here and elsewhere."""
ELSEWHERE = {
    "sep": "separator", "delimiter": "separator", "delim": "separator", "na_values": "missing",
    "usecols": "features", "drop": "features", "drop_columns": "features", "ignore": "features",
    "exclude": "features", "file": "path", "csv": "path", "train": "path", "train_path": "path",
    "test_file": "test_path", "min_rating": "at_least", "threshold": "at_least",
}  # fmt: skip
"""What arguments are called elsewhere → what they are here."""
ONE_CLASS = ": a classifier needs two or more"


def check_data(draft: Draft) -> None:
    """Everything under `data`."""
    name = draft.get(str, "data", "name")
    if name is not None and name not in table("datasets"):
        draft.wrong(("data", "name"), f"there is no data set `{name}`: {hint(name, table('datasets'))}")
    _check_sizes(draft, _trainable(draft, name))
    before_keys = len(draft.mistakes)
    check_split(draft, name)
    keys_go_together = len(draft.mistakes) == before_keys
    signature = load_signature(name)
    before = len(draft.mistakes)
    check_args(draft, ("data", "args"), signature, siblings=list(Data.model_fields))
    _check_keys(draft)
    _check_paths(draft, signature)
    if name in table("datasets") and len(draft.mistakes) == before:
        _check_task(draft, str(name))
        if keys_go_together and len(draft.mistakes) == before:
            _check_cut(draft, str(name))
        _check_transforms(draft)


def _check_paths(draft: Draft, signature: Signature) -> None:
    """Paths that are none of this machine's, as they were written."""
    for key, node in draft.items("data", "args").items():
        written = node.raw if isinstance(node.value, str) and node.value else ""
        if not _is_path(key, signature.parameters.get(key)) or Path(str(node.value)).exists():
            continue
        if re.match(r"[A-Za-z][\w+.-]+://", written):
            text = "is a URL, and data are read from this machine: fetch it first, and name the file"
            draft.wrong(("data", "args", key), f"`{written}` {text}", node.place)
        elif re.search(r"\$\w|\$\{|%\w+%", written):
            text = "variables are not filled in: write the path itself"
            draft.wrong(("data", "args", key), f"`{written}`: {text}", node.place)


def _check_keys(draft: Draft) -> None:
    """What is misspelt where `name` itself is, which says what else may stand there."""
    if not draft.given("data", "name") and (near := nearest("name", draft.flat)):
        here = ("data", "args", near)
        draft.wrong(here, "unknown key: did you mean `name`?", draft.key_place(*here))


def check_split(draft: Draft, name: str | None) -> None:
    """`data.split`: that its keys go together, and that the data can be cut so."""
    node = draft.node("data", "split")
    if node is None or node.mapping is None:
        return
    by = draft.get(str, "data", "split", "by", default="random")
    column = draft.get(str, "data", "split", "column")
    folds = draft.get(int, "data", "split", "folds")
    repeats = draft.get(int, "data", "split", "repeats", default=1)
    args = draft.get(dict, "data", "args", default={})
    given = set(node.mapping)

    def wrong(text: str, key: str = "by") -> None:
        draft.wrong(("data", "split"), text, draft.key_place("data", "split", key if key in given else "by"))

    if draft.get(str, "task") == "recommendation":
        wrong(
            "a log of interactions is cut by the data set's own `split`, a text: write `split: global_time`"
        )
        return
    known = {"by", "column", "folds"} if column else {"by"}
    if by == "predefined" and given - known:
        whose = f"what {column!r} says" if column else "the data set's own parts"
        wrong(f"`by: predefined` takes {whose}: leave out {', '.join(sorted(given - known))}")
    elif (by != "predefined" or column) and args.get("test_path"):
        wrong(
            "there is a test file (test_path): leave it out to cut one file anew, or write `by: predefined`"
        )
    if by == "time" and not column:
        wrong("`by: time` needs the column that says when a row is of: add `column: NAME`")
    if by == "time" and repeats > 1:
        wrong("there is one order of time: leave `repeats` out, or write `by: random`", "repeats")
    if by not in ("time", "predefined") and column:
        wrong(f"`column` is for `by: time` and `by: predefined`, not for `by: {by}`: leave it out", "column")
    if by == "group" and name in ("tabular_csv", "text_csv") and not args.get("group"):
        wrong("`by: group` needs the column that says whose a row is: add `group: NAME` under data")
    test = draft.get(float, "data", "split", "test")
    if folds and test is not None and by != "time" and abs(test - 1 / folds) > 0.01:
        wrong(
            f"{folds} folds test on {1 / folds:.2g} of the rows each, not on {test:g}: leave `test` out",
            "test",
        )
    if (folds or 1) * repeats > 1 and draft.given("training", "tuning"):
        wrong(
            "a search would see rows that another part tests on: leave `training.tuning` out, or search with "
            "one hold-out part", "folds" if folds else "repeats",
        )  # fmt: skip


def _check_cut(draft: Draft, name: str) -> None:
    """That the rows can be cut as the suite says, each part tried."""
    column = draft.get(str, "data", "split", "column")
    args = draft.get(dict, "data", "args", default={})
    place = ("data", "split", "column") if column else ("data", "split")
    try:
        if draft.get(str, "data", "split", "by") == "predefined" and column:
            folds = draft.get(int, "data", "split", "folds", default=0) or 0
            _check_unused(draft, name, column, args)
            catalog.check_predefined(name, args, column, folds)
        elif draft.get(str, "task") != "recommendation":
            cuts_of(name, args, _split_of(draft), draft.get(int, "seed", default=0))
    except DataError as error:
        for mistake in error.mistakes:
            draft.wrong(("data", "split"), mistake, draft.key_place(*place))


def _split_of(draft: Draft) -> JsonObject | None:
    """`data.split` with its defaults; None where there is none, or pydantic refuses it."""
    given = draft.get(dict, "data", "split")
    with contextlib.suppress(ValidationError):
        return DataSplit.model_validate(given).model_dump(mode="json", exclude={"repeats"}) if given else None
    return None


def _check_unused(draft: Draft, name: str, column: str, args: Mapping[str, Any]) -> None:
    """A column of the user's that says what is tested on."""
    features = args.get("features") or ()
    kept = column in (args.get("columns") or ()) or column == args.get("group")
    if name == "tabular_csv" and (column in features or not (features or kept)):
        cure = "take it out of `features`" if features else f"add `columns: [{quoted(column)}]` under data"
        draft.wrong(
            ("data", "split"), f"the column {column!r} would be predicted from: {cure}",
            draft.key_place("data", "split", "column"),
        )  # fmt: skip


def load_signature(name: str | None) -> Signature:
    """What the `load` of a data set takes; anything for one that there is not."""
    if name is None or name not in table("datasets"):
        return ANYTHING
    try:
        return read_signature(module_file(table("datasets")[name]), "load")
    except (LookupError, OSError):
        return ANYTHING


def _trainable(draft: Draft, name: str | None) -> int | None:
    """Rows that are left to train on, None where only loading the data would tell."""
    share = draft.get(float, "data", "validation", default=Data.model_fields["validation"].default)
    found = catalog.known_rows(name, draft.get(dict, "data", "args", default={})) if name else None
    return round(found[0] * (1 - share)) if found and 0 <= share < 1 else None


def _check_sizes(draft: Draft, most: int | None) -> None:
    seen: list[object] = []
    node = draft.node("data", "train_sizes")
    for item in (node.sequence if node is not None else None) or ():
        if item.plain in seen:
            draft.wrong(("data", "train_sizes"), f"{item.shown} stands twice: keep one", item.place)
        seen.append(item.plain)
        # Groups are kept whole, so that a few rows more or fewer may be left: loading then tells.
        if most is not None and isinstance(item.plain, int) and item.plain > 1.02 * most:
            text = (
                f"{item.shown} is more than the {most} rows that are left for training: write at most {most}"
            )
            draft.wrong(("data", "train_sizes"), text, item.place)


def _check_task(draft: Draft, name: str) -> None:
    """The suite's task must be the data set's; asking the data set also finds missing folders."""
    try:
        info = task_info(draft)
    except DataError as error:
        for mistake in error.mistakes:
            draft.wrong(("data",), _of_values(mistake, draft), place=draft.key_place("data", "name"))
        return
    task = draft.get(str, "task")
    if info is not None and task is not None and task in table("tasks") and info.name != task:
        kinds = {"tabular_regression": "number", "tabular_classification": "classes"}
        cure = f"write `task: {info.name}`"
        if name == "tabular_csv" and task in kinds:
            target = draft.get(str, "data", "args", "target")
            found = "a number" if info.num_classes == 0 else f"{info.num_classes} classes"
            draft.wrong(
                ("task",),
                f"the column {target!r} is taken as {found}, which is for {info.name}: {cure}, or add "
                f"`kind: {kinds[task]}` under data",
            )
            return
        draft.wrong(("task",), f"the data set `{name}` is for {info.name}: {cure}")


def _of_values(mistake: str, draft: Draft) -> str:
    """A mistake in classes, said of numbers where they are what the suite predicts."""
    told, _, value = mistake.removesuffix(ONE_CLASS).rpartition(" has one class, ")
    if draft.get(str, "task") != "tabular_regression" or not mistake.endswith(ONE_CLASS):
        return mistake
    return f"{told} is {value.strip(chr(39))} in every row: {NOTHING}"


def _check_transforms(draft: Draft) -> None:
    """The user's function that says what images go through."""
    here = ("data", "transforms")
    reference = draft.get(str, *here, default="")
    try:
        info = task_info(draft)
    except DataError:
        return  # which is said already
    if not reference or info is None:
        return
    if info.takes != "image":
        draft.wrong(here, f"is for images, not for {info.name}: leave it out")
        return
    own = parse_model(reference)
    try:
        find_function(own.package, own.name, draft.folder)
    except LookupError as error:
        draft.wrong(here, str(error.args[0]))


def task_info(draft: Draft) -> Task | None:
    """What a network needs to know of the data, None where only loading it would tell.

    Raises:
        DataError: the data set cannot be used as it is described.
    """
    name = draft.get(str, "data", "name")
    if name is None or name not in table("datasets"):
        return None
    args, known = draft.get(dict, "data", "args", default={}), load_signature(name).parameters
    if any(misfit(value, known[key]) for key, value in args.items() if key in known):
        return None  # which is said where arguments are checked
    try:
        return catalog.task_info(name, args)
    except (TypeError, ValueError, OSError) as error:
        raise DataError(f"the data set `{name}` cannot be described: {error}") from error


def check_args(draft: Draft, path: Path_, signature: Signature, siblings: list[str] | None = None) -> None:
    """Arguments against the signature of what they are passed to.

    Args:
        siblings: keys beside `args`, where arguments may stand too: for the hint of a misspelt one.
    """
    args = draft.items(*path)
    for name, node in args.items():
        here = (*path, name)
        if name not in signature.parameters:
            if not signature.open:
                text = f"unknown argument: {_nearest_argument(draft, name, signature, siblings or [])}"
                draft.wrong(here, text, draft.key_place(*here))
            continue
        if wanted := misfit(node.plain, signature.parameters[name]):
            cure = instead(node.plain, ast.parse(wanted, mode="eval").body)
            draft.wrong(here, f"{node.shown} does not fit `{wanted}`{cure}", node.place)
    for name in signature.required:
        near = nearest(name, args)
        if name not in args and not (near and near not in signature.parameters):
            draft.wrong(path, f"`{name}` is missing: add it", draft.key_place(*path))


def _nearest_argument(draft: Draft, name: str, signature: Signature, siblings: list[str]) -> str:
    known = list(signature.parameters)
    answers = [key for key in known if key in ANSWERS and not draft.given("data", "args", key)]
    if name in ANSWERS and answers:
        return f"write `{answers[0]}`"
    if name == "split" and "split" in siblings:
        node = draft.node("data", "args", "split")
        return f"write `split: {_split_meant(node.plain if node is not None else None)}`"
    if siblings and (other := ELSEWHERE.get(name)) in known:
        return f"write `{other}`" + (", the columns to predict from" if other == "features" else "")
    if siblings and name == "seed":
        return "it stands at the top of the file, beside `name`"
    if name in DataSplit.model_fields and "split" in siblings:
        return f"rows are cut anew by `split: {{{name}: …}}`"
    if siblings and name in draft.flat:
        known += siblings
    elif (near := nearest(name, siblings)) and not nearest(name, known):
        return f"did you mean `{near}`, which stands beside `args`?"
    return hint(name, known) if known else "it takes none"


def _split_meant(value: Json) -> str:
    """How rows are cut, of the one word or number that somebody wrote."""
    if isinstance(value, str) and value in ("random", "time", "group", "predefined"):
        return f"{{by: {value}}}"
    share = value if isinstance(value, int | float) and 0 < value < 1 else 0.2
    return f"{{test: {share}}}"


def resolve_paths(draft: Draft, data: Node, signature: Signature) -> Node:
    """The data with its paths made absolute: workers stand elsewhere than the user does."""
    args = (data.mapping or {}).get("args")
    if args is None or args.mapping is None:
        return data
    entries = dict(args.mapping)
    for name, node in entries.items():
        if isinstance(node.value, str) and node.value and _is_path(name, signature.parameters.get(name)):
            entries[name] = Node(
                str(find_path(node.value, draft.folder)), node.place, raw=node.raw or node.value
            )
    args = new_mapping(entries, args.place, args.keys)
    return new_mapping({**(data.mapping or {}), "args": args}, data.place, data.keys)


def _is_path(name: str, parameter: Parameter | None) -> bool:
    return parameter is not None and (is_path_argument(name) or "Path" in parameter.shown)


def find_path(value: str, folder: Path) -> Path:
    """A path beside the suite file, else as seen from where the user stands; a link keeps its name."""
    try:
        beside, here = folder / Path(value).expanduser(), Path(value).expanduser()
        return absolute(here if here.exists() and not beside.exists() else beside)
    except (OSError, ValueError, RuntimeError):  # too long, a null byte, an unknown ~user
        return folder / value
