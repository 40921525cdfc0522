"""How a metric of the user's own is called, `function(predictions, targets)`, and that it expects so."""

from __future__ import annotations

import re
from collections.abc import Sequence

_TRUTH = re.compile(
    r"(?:y|ys|.*(?:true|truth|target|label|actual|gold|observed|reference|y_test|expected))(?:s|_values)?",
    re.IGNORECASE,
)
"""What an argument is called that takes the targets."""
_PREDICTED = re.compile(
    r".*(?:pred|prob|score|output|answer|forecast|estimate|logit|y_?hat).*", re.IGNORECASE
)


def misunderstanding(names: Sequence[str], required: int) -> str:
    """What is wrong with a metric's arguments, with the cure; empty where nothing is known to be.

    A cost that is not the same both ways, as of too much and too little, is silently another one with its
    arguments exchanged; scikit-learn's functions take the truth first.

    Args:
        names: of the arguments that may be given by place. required: how many have no default.
    """
    called = "it is called with the predictions, then the targets"
    if len(names) < 2 or required > 2:
        return (
            f"{called}, and takes {', '.join(names) or 'nothing'}: write `def metric(predictions, targets)`"
        )
    first, second = names[:2]
    if _is_truth(first) and _PREDICTED.fullmatch(second):
        return (
            f"{called}, and takes `{first}` before `{second}`: exchange the two (of a library's function: "
            f"`def metric(predictions, targets): return function(targets, predictions)`)"
        )
    return ""


def _is_truth(name: str) -> bool:
    return bool(_TRUTH.fullmatch(name)) and not _PREDICTED.fullmatch(name)
