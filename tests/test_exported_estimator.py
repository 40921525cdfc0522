"""Which estimators are read from a file, and that a file cannot name anything else."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skops.io
from skops.io._protocol import PROTOCOL

from harness import exported
from harness.exported.estimator import is_scikit_learns, read_estimator
from harness.models.estimator import load_estimator
from harness.models.estimators import build
from harness.record import TrialError

rng = np.random.default_rng(0)
TABLE, CLASSES = rng.normal(size=(90, 4)), rng.integers(0, 3, 90)
VALUES = np.abs(rng.normal(size=90))

OFTEN = {
    "LogisticRegression": CLASSES,
    "SVC": CLASSES,
    "LinearSVC": CLASSES,
    "DecisionTreeClassifier": CLASSES,
    "RandomForestClassifier": CLASSES,
    "GradientBoostingClassifier": CLASSES,
    "HistGradientBoostingClassifier": CLASSES,
    "KNeighborsClassifier": CLASSES,
    "GaussianNB": CLASSES,
    "MLPClassifier": CLASSES,
    "SGDClassifier": CLASSES,
    "CalibratedClassifierCV": CLASSES,
    "GaussianProcessClassifier": CLASSES,
    "LinearRegression": VALUES,
    "Ridge": VALUES,
    "RandomForestRegressor": VALUES,
    "HistGradientBoostingRegressor": VALUES,
    "TweedieRegressor": VALUES,
}
"""Those of the shipped suites and the documents, and one of every kind that is built of other parts."""


def saved(folder: Path, estimator: Any) -> Path:
    skops.io.dump(estimator, folder / "estimator.skops")
    return folder / "estimator.skops"


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", OFTEN)
def test_a_fitted_estimator_is_read_back_and_answers_alike(name: str, tmp_path: Path) -> None:
    estimator = build(f"sklearn:{name}", {}, 0, 1).fit(TABLE, OFTEN[name])
    again = read_estimator(saved(tmp_path, estimator))
    np.testing.assert_array_equal(again.predict(TABLE), estimator.predict(TABLE))


@pytest.mark.slow
def test_every_classifier_and_regressor_that_fits_a_table_is_read_back(tmp_path: Path) -> None:
    from sklearn.utils import all_estimators

    read = 0
    for kind, targets in (("classifier", CLASSES), ("regressor", VALUES)):
        for _, estimator in all_estimators(kind):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                try:
                    fitted_one = estimator().fit(TABLE, targets)
                except (TypeError, ValueError):  # it wants other data, or another estimator inside
                    continue
                read_estimator(saved(tmp_path, fitted_one)).predict(TABLE)
            read += 1
    assert read > 70


def json_node(value: Any) -> dict[str, Any]:
    return {
        "__class__": "str",
        "__module__": "builtins",
        "__loader__": "JsonNode",
        "content": json.dumps(value),
    }


def call_of(room: str, name: str, *arguments: Any) -> dict[str, Any]:
    """What a stranger would write: skops calls the name with the arguments."""
    content = {"__class__": "tuple", "__module__": "builtins", "__loader__": "TupleNode"}
    made = {"__class__": name, "__module__": room, "__loader__": "ConstructorFromReduceNode"}
    return {**made, "content": {**content, "content": [json_node(a) for a in arguments]}}


def crafted(folder: Path, schema: dict[str, Any]) -> Path:
    with zipfile.ZipFile(folder / "estimator.skops", "w") as file:
        file.writestr("schema.json", json.dumps({**schema, "protocol": PROTOCOL}))
    return folder / "estimator.skops"


def through_predict(path: Path) -> None:
    """As `predict.py` of an exported folder reads it."""
    folder = path.parent / "export"
    (folder / "model").mkdir(parents=True)
    shutil.copy(path, folder / "model")
    for name in ("predict.py", "estimator.py"):
        shutil.copy(Path(str(exported.__file__)).parent / name, folder)
    signature = {"reader": "estimator", "input": {"kind": "table"}, "classes": [], "fitted_classes": []}
    (folder / "signature.json").write_text(json.dumps(signature))
    command = [sys.executable, "-I", str(folder / "predict.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    raise ValueError(done.stderr)


@pytest.mark.parametrize("read", [read_estimator, lambda path: load_estimator(path.parent), through_predict])
def test_a_command_that_scikit_learn_imports_is_refused_and_not_run(
    read: Callable[[Path], Any], tmp_path: Path
) -> None:
    marker = tmp_path / "it-ran"
    call = call_of("sklearn.utils._testing", "check_output", ["touch", str(marker)])
    path = crafted(tmp_path, call)
    with pytest.raises((ValueError, TrialError), match=r"not scikit-learn's: .*check_output"):
        read(path)
    assert not marker.exists()
    skops.io.load(path, trusted=skops.io.get_untrusted_types(file=path))
    assert marker.exists(), "the file is no threat, so this test shows nothing"


@pytest.mark.parametrize(
    "name",
    [
        "sklearn.utils._testing.LogisticRegression",  # a door to an estimator, not its own place
        "sklearn.utils.resample",
        "sklearn.datasets.fetch_openml",
        "sklearn.pipeline.Pipeline.fit",
        "sklearn.utils._joblib.joblib",
        "sklearn.os",
        "sklearnish.tree.DecisionTreeClassifier",
        "sklearn.nothing.Here",
        "sklearn..LogisticRegression",
        "sklearn",
        "",
    ],
)
def test_a_name_is_that_of_an_estimator_at_its_own_place_or_nothing(name: str) -> None:
    assert not is_scikit_learns(name)


def test_a_method_and_a_function_inside_an_estimator_are_refused(tmp_path: Path) -> None:
    from sklearn.datasets import fetch_openml
    from sklearn.preprocessing import FunctionTransformer, StandardScaler

    for function in (fetch_openml, StandardScaler().fit):
        with pytest.raises(ValueError, match="not scikit-learn's: sklearn"):
            read_estimator(saved(tmp_path, FunctionTransformer(function)))
