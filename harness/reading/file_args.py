"""Files that a candidate brings: named absolutely, as a worker in another folder needs them."""

from __future__ import annotations

from pathlib import Path

from harness.datasets.own_files import absolute
from harness.models.weights import ENDINGS, in_package
from harness.reading.draft import Draft, Path_
from harness.suite.model_ref import ModelRef
from harness.suite.source import Node, new_mapping


def with_files(candidate: Node, folder: Path) -> Node:
    """A candidate whose arguments and `files` name files by their whole path.

    An argument is taken for a file where it looks like one (it has an ending or a slash) and there is such a
    file beside the suite.
    """
    entries = dict(candidate.mapping or {})
    if "args" in entries:
        entries["args"] = _arguments(entries["args"], folder)
    listed = entries.get("files")
    if listed is not None and listed.sequence is not None:
        found = tuple(_named(item, folder, always=True) for item in listed.sequence)
        entries["files"] = Node(found, listed.place, listed.raw, listed.keys, listed.size)
    return (
        new_mapping(entries, candidate.place, candidate.keys) if candidate.mapping is not None else candidate
    )


def _arguments(node: Node, folder: Path) -> Node:
    if node.mapping is not None:
        inner = {key: _arguments(value, folder) for key, value in node.mapping.items()}
        return new_mapping(inner, node.place, node.keys)
    if node.sequence is not None:
        items = tuple(_arguments(item, folder) for item in node.sequence)
        return Node(items, node.place, node.raw, node.keys, node.size)
    return _named(node, folder)


def _named(node: Node, folder: Path, always: bool = False) -> Node:
    text = node.value
    if not isinstance(text, str) or not text or "\0" in text or len(text) > 1000:
        return node
    try:
        looks = "/" in text or bool(Path(text).suffix)
        path = absolute(folder / Path(text).expanduser())
        found = path.exists() if always else looks and path.is_file()
    except (OSError, ValueError, RuntimeError):  # too long a name, an unknown ~user
        return node
    return Node(str(path), node.place, raw=node.raw or text) if found else node


def check_files(draft: Draft, path: Path_, ref: ModelRef) -> None:
    """Files that are not there, and `pretrained` of a timm model that names no file."""
    listed, here = draft.node(*path, "files"), (*path, "files")
    for item in (listed.sequence if listed is not None else None) or ():
        if isinstance(item.value, str) and not Path(item.value).is_absolute():
            draft.wrong(here, f"there is no file `{item.value}` beside the suite file", item.place)
    weights = draft.get(str, *path, "args", "pretrained")
    if ref.kind != "timm" or weights is None:
        return
    here, place = (*path, "args", "pretrained"), draft.key_place(*path, "args", "pretrained")
    if weights.startswith("pip/"):
        try:
            in_package(weights.removeprefix("pip/"))
        except ValueError as error:
            draft.wrong(here, str(error), place)
    elif not Path(weights).is_file():
        text = f"there is no file `{weights}` beside the suite file: write true, pip/PACKAGE, or a file"
        draft.wrong(here, f"{text} of weights ({', '.join(ENDINGS[:4])})", place)
