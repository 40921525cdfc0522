"""`python -m harness.runtimes.convertible`: which estimators skl2onnx converts, as its own registry says.

Prints JSON: `without`, scikit-learn's estimators that have no converter, by name (what else one is made of,
as a kernel, needs none of its own); `selectors`, those that choose columns and have one: of what these hold
only the choice goes into a graph, never the estimator.
"""

from __future__ import annotations

import json

from harness.codec import Json


def registered() -> dict[str, Json]:
    """What skl2onnx converts here, with the boosting libraries' estimators where they are installed."""
    from skl2onnx._supported_operators import sklearn_operator_name_map
    from sklearn.feature_selection import SelectorMixin
    from sklearn.utils import all_estimators

    from harness.runtimes.converters import register

    register()
    known = [kind for kind in sklearn_operator_name_map if isinstance(kind, type)]
    chosen = [kind for kind in known if issubclass(kind, SelectorMixin)]
    return {
        "without": sorted({name for name, _ in all_estimators()} - {kind.__name__ for kind in known}),
        "selectors": sorted({kind.__name__ for kind in chosen}),
    }


if __name__ == "__main__":
    print(json.dumps(registered()))
