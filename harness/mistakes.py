"""Several mistakes said at once: each is noted, and all are raised together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from harness.record import HarnessError, SuiteError


@contextmanager
def noting(mistakes: list[str]) -> Iterator[None]:
    """What is wrong in the block is kept, to be said with what is wrong elsewhere (`refuse`)."""
    try:
        yield
    except HarnessError as error:
        mistakes += getattr(error, "mistakes", (str(error),))


def refuse(mistakes: Sequence[str]) -> None:
    """Nothing where there are no mistakes.

    Raises:
        SuiteError: with all of them, each once.
    """
    if mistakes:
        raise SuiteError(*dict.fromkeys(mistakes))
