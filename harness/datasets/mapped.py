"""Examples that are noted, not copied: images mapped from one file, rows of a large table held by column."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypeGuard

from harness.late import Late
from harness.store.disk import cache_root

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
else:
    np, pd = Late("numpy"), Late("pandas")

IN_MEMORY = 2**28
"""Bytes up to which rows are read as a whole: less than what torch itself takes."""
MOST_TEXTS = 2**16
"""A column of more different texts than this is kept as it is."""


class Coded:
    """A column of texts that come again and again: (n,) codes, and the texts, the last one None, a hole."""

    def __init__(self, codes: np.ndarray, texts: np.ndarray) -> None:
        self._codes, self._texts, self.shape = codes, texts, codes.shape

    def __getitem__(self, rows: Any) -> np.ndarray:
        return np.asarray(self._texts[self._codes[rows]])


class ByColumn:
    """Rows (n,) of named fields, held column by column as a file is read: rows are made when asked for.

    Args:
        values: column → (n,). dtype: of a row, with a field for each column.
    """

    def __init__(self, values: Mapping[str, np.ndarray | Coded], dtype: np.dtype) -> None:
        self._values, self.dtype, self.ndim = dict(values), dtype, 1
        self.shape: tuple[int, ...] = next(iter(self._values.values())).shape

    def on_disk(self) -> ByColumn:
        """The same, in files that go with this process: memory has room for what is fitted on it.

        As it is where the disk has no room.
        """
        with contextlib.suppress(OSError):
            return ByColumn({name: _on_disk(values) for name, values in self._values.items()}, self.dtype)
        return self

    def __getitem__(self, rows: Any) -> np.ndarray:
        """Some rows, or a column by its name."""
        if isinstance(rows, str):
            return np.asarray(self._values[rows][:])
        first = next(iter(self._values.values()))[rows]
        out = np.empty(np.shape(first), self.dtype)
        for name, values in self._values.items():
            out[name] = values[rows]
        return out


def _on_disk(values: np.ndarray | Coded) -> np.ndarray | Coded:
    if isinstance(values, Coded):
        return values
    if values.dtype == object:
        codes, texts = pd.factorize(values)
        if len(texts) > MOST_TEXTS:
            return values
        return Coded(_mapped(codes.astype(np.int32)), np.array([*texts, None], dtype=object))
    return _mapped(values)


def _mapped(values: np.ndarray) -> np.ndarray:
    """An array in a file without a name."""
    folder = cache_root() / "decoded"
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder) as file:
        file.write(np.ascontiguousarray(values).view(np.uint8).data)
        file.flush()
        return np.asarray(np.memmap(file, np.uint8, "r", shape=(values.nbytes,)).view(values.dtype))


class Mapped:
    """Rows of a whole in an order of their own, an array wherever rows are asked for.

    `mapped[rows]` reads these rows; `mapped.taken(rows)` only notes them.

    Args:
        whole: (m, …), mapped from a file, or a table by column. rows: (n,) which of them these are.
        hashes: (m,) of each row's content (see `harness.datasets.duplicates.row_hashes`).
    """

    def __init__(self, whole: np.ndarray | ByColumn, rows: np.ndarray, hashes: np.ndarray) -> None:
        self._whole, self._rows, self._hashes = whole, rows, hashes
        self.shape: tuple[int, ...] = (len(rows), *whole.shape[1:])
        self.dtype, self.ndim = whole.dtype, whole.ndim

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, rows: Any) -> np.ndarray:
        if isinstance(rows, str):
            return np.asarray(self._whole[rows][self._rows])
        return np.asarray(self._whole[self._rows[rows]])

    def __iter__(self) -> Iterator[np.ndarray]:
        return (np.asarray(self._whole[row]) for row in self._rows)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        found = self[:]
        return found if dtype is None else found.astype(dtype)

    @property
    def hashes(self) -> np.ndarray:
        """(n,) uint64, equal where examples are equal."""
        return np.asarray(self._hashes[self._rows])

    def taken(self, rows: Any) -> Mapped | np.ndarray:
        """Some of the rows: read where they are few, else noted."""
        found = Mapped(self._whole, self._rows[rows], self._hashes)
        size = len(found) * self._whole[:1].nbytes
        return found if size > IN_MEMORY else found[:]

    def followed_by(self, other: Any) -> Mapped | np.ndarray:
        """These rows and those of another part of the same file."""
        if isinstance(other, Mapped) and other._whole is self._whole:
            return Mapped(self._whole, np.concatenate([self._rows, other._rows]), self._hashes)
        return np.concatenate([self[:], np.asarray(other)])


def is_array(inputs: Any) -> TypeGuard[Any]:
    """Whether examples are an array, in memory or mapped."""
    return isinstance(inputs, (np.ndarray, Mapped))


def in_blocks(inputs: Any, rows: int) -> Iterator[np.ndarray]:
    """The examples in their order, so many at a time."""
    return (inputs[start : start + rows] for start in range(0, len(inputs), rows))
