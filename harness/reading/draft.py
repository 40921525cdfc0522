"""A suite between its file and its types: the tree in one shape, and the mistakes found so far."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.reading.durations import duration, no_duration
from harness.reading.layers import merge, written_out
from harness.suite.schema import Data
from harness.suite.source import Mistake, Node, Place, new_mapping

Path_ = tuple[str | int, ...]


@dataclass
class Draft:
    """What the checks work on; each adds to `mistakes` and none stops the others.

    Args:
        folder: where the suite file is; user modules and relative paths start there.
        flat: arguments of the data set that stand beside its `name`, and `args` itself where nobody wrote it.
    """

    tree: Node
    folder: Path
    mistakes: list[Mistake] = field(default_factory=list)
    flat: frozenset[str] = frozenset()

    def node(self, *path: str | int) -> Node | None:
        """The node at a path, None where there is none."""
        node: Node | None = self.tree
        for key in path:
            if node is None:
                return None
            if node.mapping is not None:
                node = node.mapping.get(str(key))
            elif node.sequence is not None and isinstance(key, int) and key < len(node.sequence):
                node = node.sequence[key]
            else:
                return None
        return node

    def get(self, kind: type, *path: str | int, default: object = None) -> Any:
        """The plain value at a path where it is of the kind, else the default.

        A wrong kind is pydantic's to report, so that checks need not care.
        """
        node = self.node(*path)
        value = None if node is None else node.plain
        if isinstance(value, bool) and kind is not bool:
            return default
        if kind is float and isinstance(value, int):
            return float(value)
        return value if isinstance(value, kind) else default

    def given(self, *path: str | int) -> bool:
        """Whether something other than null stands at a path."""
        node = self.node(*path)
        return node is not None and node.value is not None

    def items(self, *path: str | int) -> dict[str, Node]:
        """The entries of a mapping at a path, empty where there is none."""
        node = self.node(*path)
        return (node.mapping if node is not None else None) or {}

    def key_place(self, *path: str | int) -> Place:
        """Where the key at the end of the path stands, or the nearest thing above it."""
        for length in range(len(path), 0, -1):
            parent, key = self.node(*path[: length - 1]), path[length - 1]
            if parent is not None and parent.mapping is not None and key in parent.keys:
                return parent.keys[str(key)]
            if parent is not None and (item := self.node(*path[:length])) is not None:
                return item.place
        return self.tree.place

    def wrong(self, path: Path_, text: str, place: Place | None = None) -> None:
        """Notes a mistake at a path: at its value, or where that would have to stand."""
        node = self.node(*path)
        place = place or (node.place if node is not None and not node.mapping else self.key_place(*path))
        if node is not None and path[:1] == ("candidates",) and node is self.node(*path[2:]):
            path = path[2:]  # shared training, completed into each candidate: said once, where it stands
        if path[:2] == ("data", "args") and self.flat.issuperset(map(str, path[2:3] or ("args",))):
            path = ("data", *path[2:])  # as it was written
        name = dotted(path)
        self.mistakes.append(Mistake(place, f"{name}: {text}" if name else text))


def dotted(path: Path_) -> str:
    """`("candidates", "vit", "args")` → `candidates.vit.args`; items of lists go by their list."""
    return ".".join(str(key) for key in path if not isinstance(key, int))


def make_draft(tree: Node, folder: Path, mistakes: list[Mistake]) -> Draft:
    """The tree without shorthand: candidates written out, training complete, data arguments apart."""
    draft = Draft(tree, folder, mistakes)
    entries = dict(tree.mapping or {})
    for path in (
        ("budget",),
        ("training", "time_limit"),
        ("serving", "time_limit"),
        ("decision", "traffic", "autoscale"),
    ):
        if path[0] in entries:
            entries[path[0]] = with_duration(draft, entries[path[0]], path[1:], path)
    several = list((entries["machines"].mapping or {}).values()) if "machines" in entries else []
    if several and "machine" not in entries:
        entries["machine"] = several[0]  # the one that measures
    draft.tree = new_mapping(entries, tree.place, tree.keys)
    if "decision" in entries and entries["decision"].mapping is not None:
        entries["decision"] = with_names(entries["decision"])
    for key, normalise in (("data", _data), ("candidates", _candidates)):
        if key in entries and entries[key].mapping is not None:
            entries[key] = normalise(draft, entries[key])
    draft.tree = new_mapping(entries, tree.place, tree.keys)
    return draft


def with_names(decision: Node) -> Node:
    """The name of a class as it is written: `positive: yes` is not a truth value, `positive: 1` no number."""
    node = (decision.mapping or {}).get("positive")
    if node is None or node.value is None or not isinstance(node.value, (bool, int, float)):
        return decision
    named = Node(node.raw or str(node.value), node.place, raw=node.raw)
    return new_mapping({**(decision.mapping or {}), "positive": named}, decision.place, decision.keys)


def _data(draft: Draft, data: Node) -> Node:
    """Arguments of the data set may stand flat beside `name`: they move to `args`."""
    entries = dict(data.mapping or {})
    own = {key for key in Data.model_fields if key != "split" or _divides(entries.get(key))}
    flat = {key: entries.pop(key) for key in list(entries) if key not in own}
    draft.flat = frozenset(flat) | ({"args"} - entries.keys())
    if not flat:
        return data
    args = entries.get("args") or new_mapping({}, data.place, {})
    if args.mapping is None:
        return new_mapping(entries, data.place, data.keys)
    for key in flat:
        if key in args.mapping:
            text = f"data.{key}: stands here and in data.args: keep one of them"
            draft.mistakes.append(Mistake(data.keys[key], text))
    keys = {**{key: data.keys[key] for key in flat}, **args.keys}
    entries["args"] = new_mapping({**flat, **args.mapping}, args.place, keys)
    return new_mapping(entries, data.place, data.keys)


def _divides(node: Node | None) -> bool:
    """`split: {by: time}` divides rows; `split: random` is an argument of a log of interactions."""
    return node is not None and (node.mapping is not None or node.value is None)


def _candidates(draft: Draft, candidates: Node) -> Node:
    """Shorthand written out; each candidate's training laid over the shared one."""
    shared = draft.node("training")
    shared = shared if shared is not None and shared.mapping is not None else None
    complete = {}
    for name, candidate in (candidates.mapping or {}).items():
        if isinstance(candidate.value, str):
            candidate = written_out(candidate)
        if candidate.mapping is not None:
            candidate = _complete(draft, name, candidate, shared, candidates.keys[name])
        complete[name] = candidate
    return new_mapping(complete, candidates.place, candidates.keys)


def _complete(draft: Draft, name: str, candidate: Node, shared: Node | None, place: Place) -> Node:
    entries = dict(candidate.mapping or {})
    own = entries.get("training")
    if own is not None and own.mapping is None:
        return candidate
    training = merge(shared, own) if shared and own else own or shared
    if training is None:
        return candidate
    keys = {"training": place, **candidate.keys}
    entries["training"] = with_duration(
        draft, training, ("time_limit",), ("candidates", name, "training", "time_limit")
    )
    return new_mapping(entries, candidate.place, keys)


def with_duration(draft: Draft, node: Node, path: tuple[str, ...], full: tuple[str, ...]) -> Node:
    """The node with the duration at the path (`90s`, `10 minutes`, `1h30m`) turned into seconds."""
    if path:
        entries = node.mapping
        if entries is None or path[0] not in entries:
            return node
        below = with_duration(draft, entries[path[0]], path[1:], full)
        return new_mapping({**entries, path[0]: below}, node.place, node.keys)
    if not isinstance(node.value, str):
        return node
    seconds = duration(node.value)
    if seconds is None:
        text = f"{dotted(full)}: {node.shown} {no_duration(node.value)}"
        draft.mistakes.append(Mistake(node.place, text))
        return Node(1.0, node.place, raw=node.raw)
    return Node(seconds, node.place, raw=node.raw or node.value)
