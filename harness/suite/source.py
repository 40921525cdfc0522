"""YAML text → a tree in which every key and every value knows its line.

PyYAML's safe loader delivers the events; the tree is put together here because a plain load loses
lines, lets a second key overwrite the first, and reads YAML 1.1 as few people mean it
(`1e-4` a string, `010` an eight, `10:30` a number). Sizes are bounded before anything is expanded.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import yaml

from harness.codec import Json

MAX_BYTES = 200_000
MAX_NODES = 20_000
MAX_DEPTH = 30
MAX_ALIASES = 200

Scalar = None | bool | int | float | str


@dataclass(frozen=True)
class Place:
    """Where something stands: a file and a line, or an option of the command line."""

    file: str
    line: int | None = None
    order: int = 0

    def __str__(self) -> str:
        return self.file if self.line is None else f"{self.file}:{self.line}"

    @property
    def rank(self) -> tuple[int, str, int]:
        """Sorts mistakes: the suite file first, then what it extends, then the command line."""
        return (self.order, self.file, self.line or 0)


@dataclass(frozen=True)
class Node:
    """A value and its place.

    Args:
        raw: a scalar as it was written; empty where it was quoted.
        keys: for a mapping, the place of each key.
        size: how many nodes it expands to.
    """

    value: Scalar | tuple[Node, ...] | dict[str, Node]
    place: Place
    raw: str = ""
    keys: Mapping[str, Place] = field(default_factory=dict)
    size: int = 1

    @property
    def mapping(self) -> dict[str, Node] | None:
        return self.value if isinstance(self.value, dict) else None

    @property
    def sequence(self) -> tuple[Node, ...] | None:
        return self.value if isinstance(self.value, tuple) else None

    @property
    def fields(self) -> dict[str, Json]:
        """Of a mapping the values as JSON would hold them; empty for anything else."""
        return {key: node.plain for key, node in (self.mapping or {}).items()}

    @property
    def plain(self) -> Json:
        """The value as JSON would hold it."""
        if isinstance(self.value, dict):
            return self.fields
        if isinstance(self.value, tuple):
            return [node.plain for node in self.value]
        return self.value

    @property
    def shown(self) -> str:
        """The value as a message quotes it."""
        if isinstance(self.value, dict):
            return "a mapping"
        if isinstance(self.value, tuple):
            return "a list"
        if self.value is None:
            return "nothing"
        text = self.raw or json.dumps(self.value, ensure_ascii=False)
        return f"`{text if len(text) <= 60 else text[:57] + '…'}`"


@dataclass(frozen=True)
class Mistake:
    """One thing that the user wrote wrong: where, what, and the cure."""

    place: Place
    text: str

    def __str__(self) -> str:
        return f"{self.place}: {self.text}"


class Unreadable(Exception):
    """The text is not YAML that a tree could be made of; carries the one mistake that stops."""

    def __init__(self, place: Place, text: str) -> None:
        super().__init__(text)
        self.mistake = Mistake(place, text)


def new_mapping(entries: Mapping[str, Node], place: Place, keys: Mapping[str, Place]) -> Node:
    """A mapping node with its size; keys without a place of their own take their value's."""
    places = {key: keys.get(key, node.place) for key, node in entries.items()}
    size = 1 + sum(node.size for node in entries.values())
    return Node(dict(entries), place, keys=places, size=size)


def parse_yaml(text: str, place: Place, mistakes: list[Mistake]) -> Node | None:
    """The tree of one YAML document, None for an empty one.

    Args:
        place: the file; its line, where it has one, is that of everything in the text (`--set`).
        mistakes: is extended by what is wrong but does not stop the reading.
    Raises:
        Unreadable: the syntax is broken, or the document is too large, too deep or a bomb.
    """
    if len(text) > MAX_BYTES:
        raise Unreadable(place, f"{len(text):,} characters are too many for a suite (limit {MAX_BYTES:,})")
    composer = _Composer(text, place, mistakes)
    return composer.document()


class _Composer:
    """Puts events together to a tree, counting what aliases expand to."""

    def __init__(self, text: str, place: Place, mistakes: list[Mistake]) -> None:
        self.place = place
        self.numbered = place.file if not place.file.startswith("--") else None
        self.mistakes = mistakes
        self.anchors: dict[str, Node | None] = {}
        self.aliases = 0
        self.size = 0
        self.events = self._events(text)

    def document(self) -> Node | None:
        next(self.events)  # stream start
        event = next(self.events)
        if isinstance(event, yaml.StreamEndEvent):
            return None
        root = self.node(next(self.events), 0)
        next(self.events)  # document end
        event = next(self.events)
        if not isinstance(event, yaml.StreamEndEvent):
            raise Unreadable(self.at(event), "a second document begins here: a suite is one YAML document")
        return root

    def at(self, event: yaml.Event) -> Place:
        if self.numbered is None:
            return self.place
        assert event.start_mark is not None
        return Place(self.place.file, event.start_mark.line + 1, self.place.order)

    def node(self, event: yaml.Event, depth: int) -> Node:
        place = self.at(event)
        if isinstance(event, yaml.AliasEvent):
            return self.alias(event.anchor or "", place)
        assert isinstance(event, (yaml.ScalarEvent, yaml.CollectionStartEvent))
        if depth > MAX_DEPTH:
            raise Unreadable(place, f"nested more than {MAX_DEPTH} levels deep: a suite needs fewer than ten")
        self.count(1, place)
        self.check_tag(event, place)
        if event.anchor:
            self.anchors[event.anchor] = None
        if isinstance(event, yaml.ScalarEvent):
            node = self.scalar(event, place)
        elif isinstance(event, yaml.SequenceStartEvent):
            node = self.sequence(place, depth)
        else:
            node = self.mapping(place, depth)
        if event.anchor:
            self.anchors[event.anchor] = node
        return node

    def count(self, size: int, place: Place) -> None:
        self.size += size
        if self.size > MAX_NODES:
            raise Unreadable(
                place,
                f"expands to more than {MAX_NODES:,} values: use fewer aliases (`*`)",
            )

    def alias(self, name: str, place: Place) -> Node:
        target = self.anchors.get(name)
        self.aliases += 1
        if self.aliases > MAX_ALIASES:
            raise Unreadable(place, f"more than {MAX_ALIASES} aliases (`*`): write the values out")
        if target is None:
            known = "contains itself" if name in self.anchors else f"has no anchor `&{name}`"
            raise Unreadable(place, f"the alias `*{name}` {known}")
        self.count(target.size, place)
        return target

    def check_tag(self, event: yaml.ScalarEvent | yaml.CollectionStartEvent, place: Place) -> None:
        allowed = {
            f"tag:yaml.org,2002:{name}" for name in ("str", "int", "float", "bool", "null", "map", "seq")
        }
        if event.tag and event.tag not in allowed and event.tag != "!":
            tag = event.tag.replace("tag:yaml.org,2002:", "!!")
            self.mistakes.append(Mistake(place, f"the tag `{tag}` is not allowed: write a plain value"))

    def scalar(self, event: yaml.ScalarEvent, place: Place) -> Node:
        plain = event.implicit[0] or bool(event.tag and event.tag != "!" and not event.tag.endswith(":str"))
        if not plain:
            return Node(self.characters(event.value, place), place)
        value, wrong = read_scalar(event.value)
        if wrong:
            self.mistakes.append(Mistake(place, wrong))
        return Node(value, place, raw=event.value)

    def sequence(self, place: Place, depth: int) -> Node:
        items = []
        while not isinstance(event := next(self.events), yaml.SequenceEndEvent):
            items.append(self.node(event, depth + 1))
        return Node(tuple(items), place, size=1 + sum(item.size for item in items))

    def mapping(self, place: Place, depth: int) -> Node:
        entries: dict[str, Node] = {}
        keys: dict[str, Place] = {}
        merged: list[Node] = []
        while not isinstance(event := next(self.events), yaml.MappingEndEvent):
            key, key_place = self.key(event), self.at(event)
            value = self.node(next(self.events), depth + 1)
            if key == "<<":
                merged += self.merge_sources(value)
            elif key in keys:
                text = f"`{key}` stands twice, first in line {keys[key].line}: keep one of them"
                self.mistakes.append(Mistake(key_place, text if self.numbered else f"`{key}` stands twice"))
            else:
                entries[key], keys[key] = value, key_place
        for source in merged:
            for key, value in (source.mapping or {}).items():
                if key not in entries:
                    entries[key], keys[key] = value, source.keys[key]
        return new_mapping(entries, place, keys)

    def key(self, event: yaml.Event) -> str:
        place = self.at(event)
        if not isinstance(event, yaml.ScalarEvent):
            raise Unreadable(place, "a key must be a plain name, not a list, a mapping or an alias")
        self.count(1, place)
        self.check_tag(event, place)
        return self.characters(event.value, place)

    def characters(self, text: str, place: Place) -> str:
        """The text without halves of surrogate pairs, which no file could hold again."""
        clean = text.encode("utf-8", "replace").decode()
        if clean != text:
            self.mistakes.append(Mistake(place, "holds half a character (`\\ud800`…`\\udfff`): remove it"))
        return clean

    def merge_sources(self, value: Node) -> list[Node]:
        sources = list(value.sequence) if value.sequence is not None else [value]
        if any(source.mapping is None for source in sources):
            self.mistakes.append(
                Mistake(value.place, "`<<` merges mappings only: point it to one with `*name`")
            )
        return sources

    def _events(self, text: str) -> Iterator[yaml.Event]:
        try:
            yield from yaml.parse(text, Loader=yaml.SafeLoader)
        except yaml.MarkedYAMLError as error:
            raise Unreadable(self._error_place(error), _syntax_text(error)) from error
        except yaml.reader.ReaderError as error:
            line = text.count("\n", 0, error.position) + 1
            place = self.place if self.numbered is None else Place(self.place.file, line, self.place.order)
            cure = "is it a text file?" if error.character == 0 else "remove it"
            raise Unreadable(place, f"the character {error.character!r} is not YAML: {cure}") from error
        except (ValueError, OverflowError) as error:  # an escape such as "\U7fffffff" in a quoted string
            raise Unreadable(self.place, f"cannot be read as YAML: {error}") from error

    def _error_place(self, error: yaml.MarkedYAMLError) -> Place:
        mark = error.problem_mark or error.context_mark
        if self.numbered is None or mark is None:
            return self.place
        return Place(self.place.file, mark.line + 1, self.place.order)


def _syntax_text(error: yaml.MarkedYAMLError) -> str:
    problem = error.problem or error.context or "broken syntax"
    if "'\\t'" in problem:
        return "a tab in the indentation: YAML wants spaces"
    where = f" ({error.context})" if error.context and error.problem else ""
    cure = "check the indentation, the brackets and the quotes here and in the line above"
    return f"not valid YAML: {problem}{where}; {cure}"


_INT = re.compile(r"[-+]?(0|[1-9][0-9_]*)")
_OCTAL = re.compile(r"[-+]?0[0-9_]+")
_HEX = re.compile(r"[-+]?0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\d[\d_]*\.?[\d_]*|\.\d[\d_]*)([eE][-+]?\d+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_WORDS: dict[str, Scalar] = {"": None, "~": None}
_WORDS |= dict.fromkeys(("null", "Null", "NULL"))
_WORDS |= {f(word): True for word in ("yes", "true", "on") for f in (str, str.capitalize, str.upper)}
_WORDS |= {f(word): False for word in ("no", "false", "off") for f in (str, str.capitalize, str.upper)}


def read_scalar(text: str) -> tuple[Scalar, str]:
    """What a plain scalar means, and what is wrong with it (empty where nothing is)."""
    if text in _WORDS:
        return _WORDS[text], ""
    if _OCTAL.fullmatch(text):
        return text, f"`{text}` begins with a zero, which YAML reads as octal: drop the zero or quote it"
    if _INT.fullmatch(text) or _HEX.fullmatch(text):
        if len(text) > 25:
            return text[:25], "a whole number of more than 25 digits: quote it if it is a text"
        return int(text.replace("_", ""), 16 if "x" in text else 10), ""
    if _FLOAT.fullmatch(text):
        value = float(text.replace("_", ""))
        if math.isinf(value):
            return text, f"`{text[:25]}` is too large for a number"
        return value, ""
    if _NOT_FINITE.fullmatch(text):
        return text, f"`{text}` is not a finite number"
    return text, ""


def quoted(name: str) -> str:
    """A name as it can stand in a suite: in quotes where YAML would take it for something else."""
    plain = re.fullmatch(r"[A-Za-z_](?:[\w .-]*\w)?", name) and read_scalar(name) == (name, "")
    return name if plain else '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'


def flow(value: object) -> str:
    """A value on one line of YAML."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{quoted(str(k))}: {flow(v)}" for k, v in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(flow(v) for v in value) + "]"
    return quoted(value) if isinstance(value, str) else json.dumps(value)
