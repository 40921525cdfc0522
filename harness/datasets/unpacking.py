"""The bytes of a user's file, unpacked."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from harness.record import DataError

if TYPE_CHECKING:
    import pyarrow as pa


@contextlib.contextmanager
def unpacked(path: Path) -> Iterator[pa.NativeFile]:
    """The bytes of a file, unpacked where its name ends in `.gz`.

    Raises:
        DataError: it cannot be unpacked to its end.
    """
    import pyarrow as pa

    try:
        with pa.input_stream(str(path)) as stream:
            yield stream
    except OSError as error:
        if path.suffix.lower() != ".gz":
            raise
        cure = "it was cut off or changed on the way, so get it anew"
        raise DataError(f"{path} cannot be unpacked to its end ({error}): {cure}") from error
