"""`python -m harness.models.asked`: what estimators' libraries have against them, before any is fitted.

Reads a JSON list of {model, args, wants} and prints a JSON list of messages, empty where nothing is wrong.
"""

from __future__ import annotations

import json
import sys

from harness.codec import JsonObject
from harness.models.estimators import LIBRARIES, build, check_values, is_a
from harness.suite.model_ref import parse_model

EXAMPLES = {"classifier": "sklearn:LogisticRegression", "regressor": "sklearn:Ridge"}
OTHER = (("Regressor", "Classifier"), ("SVR", "SVC"), ("Regression", "Classifier"), ("", "Classifier"))


def objection(model: str, args: JsonObject, wants: str) -> str:
    """What is wrong with an estimator for a task that wants a `classifier` or a `regressor`."""
    try:
        estimator = build(model, args, 0, 1)
        check_values(estimator)
    except (ValueError, TypeError) as error:
        return str(error)
    if not wants or is_a(wants, estimator):
        return ""
    other = "regressor" if wants == "classifier" else "classifier"
    what = f"a {other}" if is_a(other, estimator) else f"no {wants}"
    return f"{model} is {what}, and the task wants a {wants}: write for instance {counterpart(model, wants)}"


def counterpart(model: str, wants: str) -> str:
    """The estimator of the same family that a task wants, else one that is always there."""
    import importlib

    ref = parse_model(model)
    room, _, name = ref.name.rpartition(".")
    for regressor, classifier in OTHER:
        old, new = (regressor, classifier) if wants == "classifier" else (classifier, regressor)
        if not name.endswith(old):
            continue
        wanted = name.removesuffix(old) + new
        for place in (room,) if room else LIBRARIES[ref.kind]:
            module = importlib.import_module(".".join(filter(None, [ref.kind, place])))
            if wanted != name and isinstance(getattr(module, wanted, None), type):
                return f"{ref.kind}:{wanted}"
    return EXAMPLES[wants]


if __name__ == "__main__":
    print(json.dumps([objection(**one) for one in json.load(sys.stdin)]))
