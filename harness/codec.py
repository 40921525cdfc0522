"""Frozen dataclasses to JSON and back; what is not known is passed over, what is wrong is refused.

A field's key is its name, unless its metadata says otherwise (`keyed`). A None is not written. Reading
takes what older and newer versions wrote: keys without a field are passed over, fields without a key keep
their default.
"""

from __future__ import annotations

import collections.abc
import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, Field, field, fields, is_dataclass, replace
from functools import cache
from typing import (
    TYPE_CHECKING,
    Literal,
    TypeAlias,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    Json: TypeAlias = bool | int | float | str | Sequence["Json"] | Mapping[str, "Json"] | None
else:
    Json = object  # a recursive alias cannot be evaluated
"""What JSON can hold."""

JsonObject: TypeAlias = Mapping[str, Json]

T = TypeVar("T")
D = TypeVar("D", bound="DataclassInstance")

Reader = Callable[[object], object]


def keyed(key: str, default: T) -> T:
    """A field whose key is not Python name, such as `ndcg@10`."""
    found: T = field(default=default, metadata={"key": key})
    return found


def to_json(value: DataclassInstance) -> dict[str, Json]:
    """A dataclass as a JSON object, without what is None."""
    found = {_key(f): _plain(getattr(value, f.name)) for f in fields(value)}
    return {key: plain for key, plain in found.items() if plain is not None}


def _plain(value: object) -> Json:
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if is_dataclass(value) and not isinstance(value, type):
        return to_json(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, Sequence):
        return [_plain(item) for item in value]
    if callable(item := getattr(value, "item", None)):  # a NumPy number
        return _plain(item())
    raise TypeError(f"a {type(value).__name__} is not JSON: {value!r:.80}")


def rounded(value: D, digits: int = 4) -> D:
    """The dataclass with its own floats rounded."""
    own = {f.name: getattr(value, f.name) for f in fields(value)}
    return replace(value, **{k: round(v, digits) for k, v in own.items() if isinstance(v, float)})


def from_json(kind: type[D], data: Mapping[str, object]) -> D:
    """The inverse of `to_json`.

    Raises:
        TypeError: a value is not of its field's type, or one without a default is missing; the message
            says which.
    """
    found = {}
    for name, key, read, is_needed in _plan(kind):
        value = data.get(key)
        if value is None:
            if is_needed:
                raise TypeError(f"{key} is missing")
            continue
        try:
            found[name] = read(value)
        except TypeError as error:
            raise TypeError(f"{key}: {error}") from error
    return kind(**found)


@cache
def _plan(kind: type[DataclassInstance]) -> tuple[tuple[str, str, Reader, bool], ...]:
    hints = get_type_hints(kind)
    return tuple(
        (f.name, _key(f), _reader(hints[f.name]), f.default is MISSING and f.default_factory is MISSING)
        for f in fields(kind)
    )


def _key(f: Field[object]) -> str:
    return str(f.metadata.get("key", f.name))


def _reader(hint: object) -> Reader:
    """How a value of this type is read."""
    origin, args = get_origin(hint), get_args(hint)
    if isinstance(hint, type) and is_dataclass(hint):
        return _object(hint)
    if is_typeddict(hint):
        return _as_it_is
    if hint is object:  # Json, and what is handed on as it is
        return lambda value: value
    if origin in (Union, types.UnionType):
        return _any_of([_reader(arg) for arg in args if arg is not type(None)])
    if origin is tuple:
        return _items(args)
    if origin is collections.abc.Mapping:
        return _mapping(_reader(args[1]))
    if origin is Literal:
        return _scalar((type(args[0]),), args)
    assert isinstance(hint, type) and hint in _SCALARS, f"no reader for {hint}"
    return _scalar(_SCALARS[hint])


_SCALARS: Mapping[type, tuple[type, ...]] = {bool: (bool,), int: (int,), float: (float, int), str: (str,)}


def _scalar(kinds: tuple[type, ...], among: tuple[object, ...] = ()) -> Reader:
    def read(value: object) -> object:
        if type(value) not in kinds or (among and value not in among):
            wanted = " or ".join(map(repr, among)) if among else kinds[0].__name__
            raise TypeError(f"{value!r:.80} is not {wanted}")
        return value

    return read


def _object(kind: type[DataclassInstance]) -> Reader:
    def read(value: object) -> object:
        if not isinstance(value, Mapping):
            raise TypeError(f"{value!r:.80} is not an object")
        return from_json(kind, value)

    return read


def _as_it_is(value: object) -> object:
    """A TypedDict, whose keys its own readers know."""
    if not isinstance(value, Mapping):
        raise TypeError(f"{value!r:.80} is not an object")
    return value


def _mapping(item: Reader) -> Reader:
    def read(value: object) -> object:
        if not isinstance(value, Mapping):
            raise TypeError(f"{value!r:.80} is not an object")
        return {str(key): None if one is None else item(one) for key, one in value.items()}

    return read


def _items(args: tuple[object, ...]) -> Reader:
    each = _reader(args[0]) if args[1:] == (Ellipsis,) else None
    fixed = () if each else tuple(map(_reader, args))

    def read(value: object) -> object:
        if not isinstance(value, list | tuple):
            raise TypeError(f"{value!r:.80} is not a list")
        if each:
            return tuple(None if one is None else each(one) for one in value)
        if len(value) != len(fixed):
            raise TypeError(f"{len(value)} items stand where {len(fixed)} are needed")
        return tuple(item(one) for item, one in zip(fixed, value, strict=True))

    return read


def _any_of(readers: Sequence[Reader]) -> Reader:
    def read(value: object) -> object:
        for reader in readers[:-1]:
            try:
                return reader(value)
            except TypeError:
                continue
        return readers[-1](value)

    return read
