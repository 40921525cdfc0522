"""Weights by class, as a suite names classes: by name, or by number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


def class_keys(weights: Mapping[str, object], names: Sequence[str]) -> dict[int, float]:
    """The weights by the number of each class.

    Args:
        weights: by a class's name, or by its number from 0; keys of a suite are text, whatever they were.
    Raises:
        ValueError: a key is not a class, or two are the same one; the message names the classes.
    """
    found: dict[int, float] = {}
    listed = ", ".join(f"{name} ({i})" for i, name in enumerate(names[:12])) + (
        ", …" if len(names) > 12 else ""
    )
    for key, weight in weights.items():
        if isinstance(weight, bool) or not isinstance(weight, (int, float)) or weight < 0:
            raise ValueError(f"the weight of {key!r} is {weight!r}: write a number from 0")
        number = _number_of(str(key), names)
        if number is None:
            raise ValueError(f"{key!r} is not a class: there are {listed}")
        if number in found:
            raise ValueError(f"{names[number]!r} stands twice, by name and by number: keep one of them")
        found[number] = weight
    return found


def _number_of(key: str, names: Sequence[str]) -> int | None:
    folded = {name.casefold(): i for i, name in reversed(list(enumerate(names)))}
    if key in names:
        return list(names).index(key)
    if key.casefold() in folded:
        return folded[key.casefold()]
    try:
        value = float(key)
    except ValueError:
        return None
    for i, name in enumerate(names):  # classes that are numbers go by what they are: 1.0 is 1
        try:
            if float(name) == value:
                return i
        except ValueError:
            continue
    return int(value) if value.is_integer() and 0 <= value < len(names) else None
