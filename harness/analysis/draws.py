"""Joint draws by metric, each read from disk when it is first asked for.

Deciding again needs three of ten metrics; reading all of them was a third of its time at 800 variants.
"""

from __future__ import annotations

import zipfile
from collections import ChainMap
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from typing import Any, cast

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


def overlaid(over: Mapping[str, Array], under: Mapping[str, Array]) -> Mapping[str, Array]:
    """`{**under, **over}` that reads nothing of `under` yet."""
    # ChainMap writes to its first mapping only.
    return ChainMap(dict(over), cast("MutableMapping[str, Array]", under))
