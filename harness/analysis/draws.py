"""Joint draws by metric, each read from disk when it is first asked for.

Deciding again needs three of ten metrics; reading all of them was a third of its time at 800 variants.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from harness.analysis.stats import Array
from harness.record import RecordError


class StoredDraws(Mapping[str, Array]):
    """Metric → (draws, rows), out of an open archive whose members are `draws_0`, `draws_1`, …"""

    def __init__(self, archive: Any, names: Sequence[str]) -> None:
        self._archive = archive
        self._place = {name: f"draws_{number}" for number, name in enumerate(names)}
        self._read: dict[str, Array] = {}

    def __getitem__(self, name: str) -> Array:
        if name not in self._read:
            place = self._place[name]
            try:
                self._read[name] = self._archive[place].astype(float)
            except (zipfile.BadZipFile, ValueError, OSError, KeyError) as error:
                raise RecordError(f"evidence.npz is damaged ({error}): delete it, it comes back") from None
        return self._read[name]

    def __contains__(self, name: object) -> bool:
        return name in self._place

    def __iter__(self) -> Iterator[str]:
        return iter(self._place)

    def __len__(self) -> int:
        return len(self._place)


class RowByRow(Protocol):
    """(draws, rows) that can be had of one row alone."""

    def whole(self) -> Array: ...

    def row(self, k: int) -> Array:
        """(draws,)"""
        ...

    def look_at(self, rows: Iterable[int]) -> None:
        """These rows will be asked for: what is cheaper for several together is done."""
        ...


class _Overlaid(Mapping[str, Array]):
    def __init__(self, over: Mapping[str, Array | RowByRow], under: Mapping[str, Array]) -> None:
        self._over, self._under = dict(over), under

    def __getitem__(self, name: str) -> Array:
        if name not in self._over:
            return self._under[name]
        found = self._over[name]
        return found if isinstance(found, np.ndarray) else found.whole()

    def __contains__(self, name: object) -> bool:
        return name in self._over or name in self._under

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys((*self._under, *self._over)))

    def __len__(self) -> int:
        return len({*self._under, *self._over})

    def row(self, name: str, k: int) -> Array:
        found = self._over.get(name)
        if found is None or isinstance(found, np.ndarray):
            return row_of(self._under, name, k) if found is None else found[:, k]
        return found.row(k)

    def look_at(self, name: str, rows: Iterable[int]) -> None:
        found = self._over.get(name)
        if found is not None and not isinstance(found, np.ndarray):
            found.look_at(rows)


def overlaid(over: Mapping[str, Array | RowByRow], under: Mapping[str, Array]) -> Mapping[str, Array]:
    """`{**under, **over}` that reads nothing of `under` yet."""
    return _Overlaid(over, under)


def row_of(draws: Mapping[str, Array], name: str, k: int) -> Array:
    """(draws,) of one row: of what is made row by row, no more than that."""
    return draws.row(name, k) if isinstance(draws, _Overlaid) else draws[name][:, k]


def look_at(draws: Mapping[str, Array], name: str, rows: Iterable[int]) -> None:
    """Say which rows `row_of` will be asked for."""
    if isinstance(draws, _Overlaid):
        draws.look_at(name, rows)
