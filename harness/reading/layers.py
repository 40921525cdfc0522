"""Trees laid over one another: `extends`, `--set`, and a candidate's training over the shared one."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from harness.suite.source import Mistake, Node, Place, Unreadable, new_mapping, parse_yaml

MAX_EXTENDS = 10


def read_layers(path: Path, shown: str, mistakes: list[Mistake], below: tuple[Path, ...] = ()) -> Node | None:
    """The tree of a suite file merged over what it extends; None where nothing can be read.

    Args:
        shown: the path as messages name it.
        below: the files that (directly or not) extend this one, to refuse a cycle.
    """
    place = Place(shown, 1, order=len(below))
    text = _read_text(path, place, mistakes)
    if text is None:
        return None
    try:
        tree = parse_yaml(text, Place(shown, None, order=len(below)), mistakes)
    except Unreadable as stop:
        mistakes.append(stop.mistake)
        return None
    if tree is None or tree.value is None:
        mistakes.append(Mistake(place, "the file is empty: a suite begins with `name:`, `task:`, `data:`"))
        return None
    if tree.mapping is None:
        text = f"a suite is a mapping (`name: …`), this file holds {tree.shown}"
        mistakes.append(Mistake(tree.place, text))
        return None
    extends = tree.mapping.get("extends")
    if extends is None:
        return tree
    base = _read_base(extends, path, shown, mistakes, (*below, path.resolve()))
    rest = {key: node for key, node in tree.mapping.items() if key != "extends"}
    tree = new_mapping(rest, tree.place, tree.keys)
    return merge(base, tree) if base is not None else None


def _read_base(
    extends: Node, path: Path, shown: str, mistakes: list[Mistake], below: tuple[Path, ...]
) -> Node | None:
    if not isinstance(extends.value, str) or not extends.value:
        text = f"extends: {extends.shown} is not a file: name one suite file, relative to this one"
        mistakes.append(Mistake(extends.place, text))
        return None
    try:
        base = path.parent / extends.value
        resolved = base.resolve()
        if not base.is_file():
            near = ", ".join(sorted(p.name for p in base.parent.glob("*.y*ml") if p != path)[:8])
            cure = f"there are {near}" if near else "the path is relative to this file"
            mistakes.append(Mistake(extends.place, f"extends: there is no file {extends.shown}: {cure}"))
            return None
    except (OSError, ValueError) as error:  # a name that is too long, a null byte
        mistakes.append(Mistake(extends.place, f"extends: {extends.shown} is not a usable path: {error}"))
        return None
    if resolved in below:
        text = f"extends: {extends.shown} extends this file in turn: break the circle"
        mistakes.append(Mistake(extends.place, text))
        return None
    if len(below) > MAX_EXTENDS:
        mistakes.append(
            Mistake(extends.place, f"extends: more than {MAX_EXTENDS} files on top of one another")
        )
        return None
    return read_layers(base, str(Path(shown).parent / extends.value), mistakes, below)


def _read_text(path: Path, place: Place, mistakes: list[Mistake]) -> str | None:
    """The file as text, None with a mistake where it is none."""
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        names = sorted(p.name for p in path.parent.glob("*.y*ml"))
        near = difflib.get_close_matches(path.name, names, n=1)
        cure = f"beside it are {', '.join(names[:8])}" if names else "check the path"
        if near:
            cure += f"; did you mean {Path(place.file).with_name(near[0])}?"
        mistakes.append(Mistake(place, f"there is no such file: {cure}"))
        return None
    except IsADirectoryError:
        mistakes.append(Mistake(place, "this is a folder: name a suite file in it"))
        return None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        mistakes.append(Mistake(place, f"cannot be read ({reason}): check its permissions"))
        return None
    if b"\0" in raw:
        mistakes.append(Mistake(place, "this is a binary file, not YAML text"))
        return None
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        at = Place(place.file, raw.count(b"\n", 0, error.start) + 1, place.order)
        mistakes.append(Mistake(at, f"byte 0x{raw[error.start]:02x} is not UTF-8: save the file as UTF-8"))
        return None


def merge(base: Node, over: Node, path: tuple[str, ...] = ()) -> Node:
    """`over` laid over `base`: mappings key by key, anything else replaced; `null` drops the key."""
    base, over = _same_form(base, over, path)
    if base.mapping is None or over.mapping is None:
        return over
    entries, keys = dict(base.mapping), dict(base.keys)
    for key, node in over.mapping.items():
        if node.value is None and key in entries:
            del entries[key], keys[key]
            continue
        # A key keeps the place of whoever wrote it last: that is where a reader would change it.
        keys[key] = over.keys[key]
        entries[key] = merge(entries[key], node, (*path, key)) if key in entries else node
    return new_mapping(entries, over.place, keys)


def _same_form(base: Node, over: Node, path: tuple[str, ...]) -> tuple[Node, Node]:
    """Candidates in shorthand are written out where only one of the two is."""
    if len(path) == 2 and path[0] == "candidates":
        if base.mapping is not None and isinstance(over.value, str):
            over = written_out(over)
        elif over.mapping is not None and isinstance(base.value, str):
            base = written_out(base)
    return base, over


def written_out(candidate: Node) -> Node:
    """`vit` → `{model: vit}`."""
    return new_mapping({"model": candidate}, candidate.place, {"model": candidate.place})


def apply_overrides(tree: Node, overrides: Sequence[str], mistakes: list[Mistake]) -> Node:
    """The tree with each `a.b=c` set, as if it stood in the file; `a.b=` or `=null` drops the key."""
    for override in overrides:
        place = Place(f"--set {override}", None, order=1000)
        name, equals, text = override.partition("=")
        if not equals or not name.strip():
            mistakes.append(Mistake(place, "write `--set a.b=c`, for instance `--set training.epochs=2`"))
            continue
        try:
            value = parse_yaml(text, place, mistakes)
        except Unreadable as stop:
            mistakes.append(stop.mistake)
            continue
        value = value if value is not None else Node(None, place)
        keys = name.strip().split(".")
        if keys[0] == "extends":
            mistakes.append(Mistake(place, "extends can only stand in the file"))
            continue
        try:
            tree = _with(tree, keys, value, place, ())
        except LookupError as error:
            mistakes.append(Mistake(place, str(error.args[0])))
    return tree


def _with(node: Node, keys: list[str], value: Node, place: Place, path: tuple[str, ...]) -> Node:
    """The node with the value at the key path.

    Raises:
        LookupError: the path leads through something that has no keys.
    """
    if not keys:
        return value
    if len(path) == 2 and path[0] == "candidates" and isinstance(node.value, str):
        node = written_out(node)
    if node.sequence is not None:
        return _with_item(node, keys, value, place, path)
    entries = node.mapping
    if entries is None and node.value is not None:
        raise LookupError(f"{'.'.join(path)} is {node.shown}: it has no `{keys[0]}` in it")
    entries = dict(entries or {})
    key, rest = _longest_key(entries, keys)
    if not key:
        raise LookupError("an empty name between the dots: write it as `--set a.b=c`")
    places = {**node.keys, key: place}
    if not rest and value.value is None:
        entries.pop(key, None)
        places.pop(key)
    else:
        below = entries.get(key) or Node(None, place)
        entries[key] = _with(below, rest, value, place, (*path, key))
    return new_mapping(entries, node.place, places)


def _with_item(node: Node, keys: list[str], value: Node, place: Place, path: tuple[str, ...]) -> Node:
    items = list(node.sequence or ())
    if not keys[0].isdecimal() or int(keys[0]) >= len(items):
        where = ".".join(path)
        cure = f"use {where}.0 to {where}.{len(items) - 1}, or set the whole list: {where}=[…]"
        raise LookupError(f"{where} is a list of {len(items)} and has no item `{keys[0]}`: {cure}")
    index = int(keys[0])
    items[index] = _with(items[index], keys[1:], value, place, (*path, keys[0]))
    return replace(node, value=tuple(items), size=1 + sum(item.size for item in items))


def _longest_key(entries: dict[str, Node], keys: list[str]) -> tuple[str, list[str]]:
    """Names may hold dots themselves (`candidates.v1.2.model`): the longest existing one wins."""
    for length in range(len(keys), 0, -1):
        if (key := ".".join(keys[:length])) in entries:
            return key, keys[length:]
    return keys[0], keys[1:]
