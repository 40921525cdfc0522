"""Several mistakes said at once: each is noted, and all are raised together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
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


def several_texts(given: object, what: str, example: str) -> tuple[str, ...]:
    """Texts that a keyword takes: one alone is one and not its letters, None is none.

    Args:
        what: the keyword. example: of such a text.
    Raises:
        SuiteError: with all that is no text.
    """
    if given is None:
        return ()
    found: tuple[object, ...] = (given,)
    if isinstance(given, Iterable) and not isinstance(given, str | Mapping):
        found = tuple(given)
    wrong = [own for own in found if not isinstance(own, str)]
    refuse([f"{what} {own!r}: write {example}, or a list of such texts" for own in wrong])
    return tuple(own for own in found if isinstance(own, str))
