"""What a suite's question asks beyond which candidate to ship, by its words."""

from __future__ import annotations

import re
from enum import Enum

from harness.suite.schema import Suite


class Asks(Enum):
    """What a question wants to know, with the words that it is known by."""

    EXAMPLES = r"how many|how much data|catch(es)? up"
    """From how many training examples on one candidate keeps up with another."""
    SIZE = r"from which|at which|which .*(size|length)"
    """From which size of the input on one candidate costs more than another."""
    INT8 = r"int8"
    """What 8 bits cost and buy."""
    RANKERS = r"rank"
    """What a ranker earns over none."""


def asked_by(question: str) -> tuple[Asks, ...]:
    """All that the words of a question ask for, the most particular first; empty for which to ship."""
    return tuple(kind for kind in Asks if re.search(kind.value, question.lower()))


def why_all_is_measured(suite: Suite, is_one_of_several_sets: bool = False) -> str:
    """Why `run` measures all that a suite names unless told otherwise.

    It stops once the question is decided where the suite says what more certainty may cost (`budget`) or is
    worth (`decision.tolerance`), and asks for nothing but which candidate to ship.

    Args:
        is_one_of_several_sets: whether candidates are compared over several data sets.
    Returns:
        The reason; empty where it stops.
    """
    if suite.budget is None and suite.decision.tolerance is None:
        return "the suite sets neither budget nor decision.tolerance"
    if is_one_of_several_sets:
        return "candidates are compared over several data sets"
    if suite.expect:
        return "expect: names figures to be met"
    if asked_by(suite.question):
        return "the question asks for more than which candidate to ship"
    return ""
