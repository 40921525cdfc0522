"""Cures of data sets as they are typed where there is no suite to write them into."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from harness.record import DataError


def as_options(message: str, datasets: Sequence[str]) -> str:
    """A data set's cure, `missing: ["-"]`, as `--set 'missing=["-"]'`; what is no argument of one stays."""
    from harness.reading.data_checks import load_signature

    # No command takes several labels a row.
    known = {key for name in datasets for key in load_signature(name).parameters} - {"label_separator"}

    def typed(found: re.Match[str]) -> str:
        key, value = found.groups()
        return f"`--set {shlex.quote(f'{key}={value}')}`" if key in known else found[0]

    said = re.sub(r"`([a-z_]+): ([^`]+)`", typed, message)
    return re.sub(r"needs the argument '(\w+)': write it under data.args", r"needs `--set \1=…`", said)


@contextmanager
def told_as_options(dataset: str) -> Iterator[None]:
    """What a data set refuses in the block is said with cures for the command line."""
    try:
        yield
    except DataError as error:
        raise DataError(*(as_options(said, [dataset]) for said in error.mistakes)) from error
