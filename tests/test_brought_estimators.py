"""Estimators as people bring them: classes in an order of their own, thresholds, what is no classifier."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.multioutput import ClassifierChain
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MaxAbsScaler, StandardScaler

from harness.datasets.parts import load_parts
from harness.record import TrialError
from harness.tasks import raw
from harness.tasks.evaluation import read_predictions
from tests.task_trials import score, spec, train, values

ESTIMATORS = """
import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.cluster import KMeans
from sklearn.ensemble import IsolationForest, RandomForestClassifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import FixedThresholdClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

class Nearest(ClassifierMixin, BaseEstimator):
    def fit(self, X, y):
        self.classes_ = np.unique(y)[::-1].copy()
        self.means_ = np.stack([X[y == c].mean(0) for c in self.classes_])
        self.scale_ = X.std(0) + 1e-9
        return self

    def predict_proba(self, X):
        off = -0.05 * (((X[:, None] - self.means_) / self.scale_) ** 2).sum(-1)
        shares = np.exp(off - off.max(1, keepdims=True))
        return shares / shares.sum(1, keepdims=True)

    def predict(self, X):
        return self.classes_[self.predict_proba(X).argmax(1)]

class Bold(Nearest):
    def predict(self, X):
        return (self.predict_proba(X)[:, 0] > 0.1).astype(int)

class OneColumn(Nearest):
    def predict_proba(self, X):
        return super().predict_proba(X)[:, 0]

    def predict(self, X):
        return (self.predict_proba(X) > 0.5).astype(int)

class Scores(BaseEstimator):
    def fit(self, X, y):
        self.weights_ = np.linalg.lstsq(np.c_[X, np.ones(len(X))], y, rcond=None)[0]
        return self

    def predict(self, X):
        return np.c_[X, np.ones(len(X))] @ self.weights_

class KeepsAnObject(Nearest):
    def fit(self, X, y):
        from fractions import Fraction
        self.kept_ = Fraction(1, 3)
        return super().fit(X, y)

def scaled(last):
    return make_pipeline(StandardScaler(), last)

MADE = {
    "nearest": Nearest, "bold": Bold, "one column": OneColumn, "scores": Scores, "ridge": Ridge,
    "forest": RandomForestClassifier, "outliers": IsolationForest, "keeps an object": KeepsAnObject,
    "clusters": lambda: KMeans(2),
    "threshold": lambda: FixedThresholdClassifier(scaled(LogisticRegression()), threshold=0.9),
}

def build(task, *, which: str):
    return MADE[which]()
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "brought_estimators.py").write_text(ESTIMATORS)
    return tmp_path


def _spec(folder: Path, which: str, data: str = "breast_cancer") -> dict[str, Any]:
    return spec("estimator:brought_estimators:build", {"which": which}, data=data, search=folder)


def _scored(
    what: dict[str, Any], folder: Path, runtime: str = "sklearn"
) -> tuple[dict[str, Any], np.ndarray]:
    train(what, folder / "train")
    found = score(what, runtime, folder / "train", folder / f"score-{runtime}")
    return values(found), read_predictions(folder / f"score-{runtime}" / "predictions.parquet")[2]


def test_classes_in_an_estimators_own_order_are_its_columns(folder: Path) -> None:
    what = _spec(folder, "nearest")
    found, answers = _scored(what, folder)
    parts = load_parts(what["data"], None)
    inputs, targets = parts.train.inputs, parts.train.targets
    means = np.stack([inputs[targets == c].mean(axis=0) for c in (0, 1)])
    off = (((parts.test.inputs[:, None] - means) / inputs.std(axis=0)) ** 2).sum(axis=2)
    by_hand = off.argmin(axis=1)
    assert (answers.argmax(axis=1) == by_hand).all()
    assert (
        found["accuracy"] == pytest.approx((by_hand == parts.test.targets).mean()) and found["accuracy"] > 0.9
    )


@pytest.mark.parametrize(
    ("which", "said"),
    [
        ("bold", "its predict gives another class than the likeliest by predict_proba, on "),
        ("one column", r"its predict_proba gives \(\d+,\) for \d+ rows: it must give a column for each of 2"),
        ("scores", "its predict gives .* and the targets that it was fitted to are 0, 1"),
        ("outliers", "its predict gives -1, and the targets that it was fitted to are 0, 1"),
        ("keeps an object", "not scikit-learn's: fractions.Fraction; .* as numbers, texts, arrays and"),
        ("clusters", "returned a KMeans, whose clusters are no classes"),
        ("ridge", "returned a Ridge, which is a regressor, and the task wants a classifier"),
    ],
)
def test_what_answers_no_classes_or_others_than_it_says_is_refused(
    which: str, said: str, folder: Path
) -> None:
    with pytest.raises(TrialError, match=said):
        train(_spec(folder, which), folder / "train")


def test_a_classifier_is_no_candidate_for_values(folder: Path) -> None:
    with pytest.raises(TrialError, match="is a classifier, and the task wants a regressor"):
        train(_spec(folder, "forest", data="diabetes"), folder / "train")


def test_a_threshold_of_scikit_learns_is_answered_by(folder: Path) -> None:
    what = _spec(folder, "threshold")
    found, answers = _scored(what, folder)
    parts = load_parts(what["data"], None)
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(parts.train.inputs, parts.train.targets)
    by_hand = model.predict_proba(parts.test.inputs)[:, 1] >= 0.9
    assert (answers.argmax(axis=1) == by_hand).all()
    assert found["accuracy"] == pytest.approx((by_hand == parts.test.targets).mean())
    assert (by_hand != model.predict(parts.test.inputs)).any()


STEPS: dict[str, dict[str, Any]] = {
    "imputed": {"model": "sklearn:SimpleImputer"},
    "picked": {"model": "sklearn:SelectKBest", "args": {"k": 5}},
    "binned": {"model": "sklearn:KBinsDiscretizer", "args": {"n_bins": 4}},
    "splines": {"model": "sklearn:SplineTransformer", "args": {"n_knots": 4}},
}


@pytest.mark.parametrize("name", STEPS)
def test_a_pipeline_of_the_user_guide_is_stored_and_answers_as_by_hand(name: str, tmp_path: Path) -> None:
    from sklearn.feature_selection import SelectKBest
    from sklearn.impute import SimpleImputer
    from sklearn.preprocessing import KBinsDiscretizer, SplineTransformer

    by_hand = {
        "imputed": SimpleImputer(), "picked": SelectKBest(k=5), "binned": KBinsDiscretizer(n_bins=4),
        "splines": SplineTransformer(n_knots=4),
    }[name]  # fmt: skip
    steps = {"first": STEPS[name], "scale": "sklearn:MaxAbsScaler", "last": "sklearn:LogisticRegression"}
    what = spec("sklearn:Pipeline", {"steps": steps}, data="breast_cancer")
    _, answers = _scored(what, tmp_path)
    parts = load_parts(what["data"], None)
    model = make_pipeline(by_hand, MaxAbsScaler(), LogisticRegression())
    expected = model.fit(parts.train.inputs, parts.train.targets).predict_proba(parts.test.inputs)
    assert np.abs(answers - expected).max() < 1e-6


def test_a_search_is_stored_as_what_it_found(tmp_path: Path) -> None:
    scaled = {"steps": {"scale": "sklearn:StandardScaler", "last": "sklearn:LogisticRegression"}}
    args = {
        "estimator": {"model": "sklearn:Pipeline", "args": scaled},
        "param_grid": {"last__C": [0.0001, 1.0]},
        "scoring": "roc_auc",
    }
    what = spec("sklearn:GridSearchCV", args, data="breast_cancer")
    _, answers = _scored(what, tmp_path)
    parts = load_parts(what["data"], None)
    model = make_pipeline(StandardScaler(), LogisticRegression(C=1.0))
    expected = model.fit(parts.train.inputs, parts.train.targets).predict_proba(parts.test.inputs)
    assert np.abs(answers - expected).max() < 1e-6
    on_onnx = score(what, "onnx", tmp_path / "train", tmp_path / "onnx")
    assert on_onnx.facts.parity.max_abs_difference < 1e-5


def test_a_search_over_a_pipeline_of_texts_is_given_texts(tmp_path: Path) -> None:
    rows = [
        (f"{word} number {i}", label)
        for i in range(60)
        for word, label in (("offer", "spam"), ("note", "ham"))
    ]
    pd.DataFrame(rows, columns=["text", "label"]).to_csv(tmp_path / "t.csv", index=False)
    steps = {"words": "sklearn:TfidfVectorizer", "last": "sklearn:LogisticRegression"}
    args = {
        "estimator": {"model": "sklearn:Pipeline", "args": {"steps": steps}},
        "param_grid": {"last__C": [0.1, 1.0]},
    }
    data = {"name": "text_csv", "args": {"path": str(tmp_path / "t.csv")}, "validation": 0.1, "seed": 0}
    found, _ = _scored({**spec("sklearn:GridSearchCV", args, data="text_csv"), "data": data}, tmp_path)
    assert found["accuracy"] == 1.0


@pytest.mark.parametrize("model", ["Voting", "Stacking"])
@pytest.mark.parametrize(("kind", "data"), [("Classifier", "breast_cancer"), ("Regressor", "diabetes")])
def test_a_forest_beside_others_is_a_part_of_an_ensemble(
    model: str, kind: str, data: str, tmp_path: Path
) -> None:
    forest = {"model": f"sklearn:RandomForest{kind}", "args": {"n_estimators": 5}}
    parts = {
        "linear": "sklearn:LogisticRegression" if kind == "Classifier" else "sklearn:Ridge",
        "trees": forest,
    }
    found, _ = _scored(spec(f"sklearn:{model}{kind}", {"estimators": parts}, data=data), tmp_path)
    assert found["accuracy"] > 0.9 if kind == "Classifier" else found["r2"] > 0.2


@pytest.mark.parametrize("columns", [(["age", "income"], ["job"]), ([1, 2], [0])])
def test_columns_of_a_table_are_meant_by_name_or_by_their_place_in_it(
    columns: tuple[list[Any], list[Any]], tmp_path: Path
) -> None:
    random = np.random.default_rng(0)
    job = random.choice(["cook", "clerk", "nurse"], 300)
    age, income = random.integers(20, 65, 300), random.normal(3000, 500, 300).round(2)
    left = age + income / 100 + 10 * (job == "cook") + random.normal(0, 3, 300) > 76
    frame = pd.DataFrame({"job": job, "age": age, "income": income, "left": np.where(left, "yes", "no")})
    frame.to_csv(tmp_path / "t.csv", index=False)
    transformers = {
        "scaled": {"model": "sklearn:StandardScaler", "columns": columns[0]},
        "as is": {"transformer": "passthrough", "columns": columns[1]},
    }
    made = {"model": "sklearn:ColumnTransformer", "args": {"transformers": transformers}}
    what = {
        **spec(
            "sklearn:Pipeline",
            {"steps": {"columns": made, "last": "sklearn:LogisticRegression"}},
            "breast_cancer",
        ),
        "data": {
            "name": "tabular_csv",
            "args": {"path": str(tmp_path / "t.csv"), "target": "left"},
            "validation": 0.1,
            "seed": 0,
        },
    }
    _, answers = _scored(what, tmp_path)
    parts, _ = raw.as_numbers(what, load_parts(what["data"], None))  # cook, clerk, nurse, age, income
    numbers = {name: np.asarray(part.inputs, float) for name, part in parts.splits.items()}
    mean, std = numbers["train"][:, 3:].mean(axis=0), numbers["train"][:, 3:].std(axis=0)
    taken = {n: np.hstack([(rows[:, 3:] - mean) / std, rows[:, :3]]) for n, rows in numbers.items()}
    model = LogisticRegression().fit(taken["train"], parts.train.targets)
    assert np.abs(answers - model.predict_proba(taken["test"])).max() < 1e-4
    wrong = {**made["args"]["transformers"], "more": {"transformer": "drop", "columns": ["wage"]}}  # type: ignore[index]
    steps = {"columns": {**made, "args": {"transformers": wrong}}, "last": "sklearn:LogisticRegression"}
    with pytest.raises(TrialError, match="there is no 'wage', there is job, age, income"):
        train({**what, "args": {"steps": steps}}, tmp_path / "wrong")


# ------------------------------------------------------------------------------------------------ weights


@pytest.mark.parametrize("names", [("no", "yes"), ("1", "2")])
def test_weights_by_class_within_a_pipeline_name_classes_as_elsewhere(
    names: tuple[str, str], tmp_path: Path
) -> None:
    random = np.random.default_rng(0)
    inputs = random.normal(size=(400, 3)).round(4)
    rare = inputs[:, 0] + random.normal(size=400) > 1.5
    frame = pd.DataFrame(inputs, columns=list("abc")).assign(y=np.where(rare, names[1], names[0]))
    frame.to_csv(tmp_path / "t.csv", index=False)
    weights = {names[0]: 1, names[1]: 20}
    last = {"model": "sklearn:LogisticRegression", "args": {"class_weight": weights}}
    data = {
        "name": "tabular_csv",
        "args": {"path": str(tmp_path / "t.csv"), "target": "y", "kind": "classes"},
    }
    what = {
        **spec(
            "sklearn:Pipeline",
            {"steps": {"scale": "sklearn:StandardScaler", "last": last}},
            data="breast_cancer",
        ),
        "data": {**data, "validation": 0.1, "seed": 0},
    }
    _, answers = _scored(what, tmp_path)
    parts, _ = raw.as_numbers(what, load_parts(what["data"], None))
    model = make_pipeline(StandardScaler(), LogisticRegression(class_weight={0: 1, 1: 20}))
    by_hand = model.fit(parts.train.inputs, parts.train.targets).predict_proba(parts.test.inputs)
    assert np.abs(answers - by_hand).max() < 1e-5


def test_weights_within_one_against_the_rest_are_of_yes_and_no(tmp_path: Path) -> None:
    inner = {"model": "sklearn:LogisticRegression", "args": {"class_weight": {"1": 30}, "max_iter": 500}}
    what = spec("sklearn:OneVsRestClassifier", {"estimator": inner}, data="digits")
    _, heavy = _scored(what, tmp_path)
    plain = {"model": "sklearn:LogisticRegression", "args": {"max_iter": 500}}
    (tmp_path / "plain").mkdir()
    _, light = _scored(
        spec("sklearn:OneVsRestClassifier", {"estimator": plain}, data="digits"), tmp_path / "plain"
    )
    assert np.abs(heavy - light).max() > 0.01


# ------------------------------------------------------------------------------------------------- labels


@pytest.mark.parametrize("model", ["MultiOutputClassifier", "ClassifierChain"])
def test_scikit_learns_ways_to_several_labels_are_candidates(model: str, tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    inputs = random.normal(size=(400, 4)).round(4)
    red, blue = inputs[:, 0] + 0.5 * random.normal(size=400) > 0, inputs[:, 0] + inputs[:, 1] > 0.3
    held = zip(blue.tolist(), red.tolist(), strict=True)
    cells = [
        "|".join(n for n, has in zip(("blue", "red"), each, strict=True) if has) or "none" for each in held
    ]
    pd.DataFrame(inputs, columns=list("abcd")).assign(y=cells).to_csv(tmp_path / "t.csv", index=False)
    given = {"path": str(tmp_path / "t.csv"), "target": "y", "label_separator": "|"}
    what = {
        **spec(f"sklearn:{model}", {"estimator": "sklearn:LogisticRegression"}, data="breast_cancer"),
        "task": "multilabel_classification",
        "data": {"name": "tabular_csv", "args": given, "validation": 0.1, "seed": 0},
    }
    found, answers = _scored(what, tmp_path)
    parts, _ = raw.as_numbers(what, load_parts(what["data"], None))
    mean, std = parts.train.inputs.mean(axis=0), parts.train.inputs.std(axis=0)
    inputs, tested = ((part.inputs - mean) / std for part in (parts.train, parts.test))
    if model == "ClassifierChain":
        by_hand = ClassifierChain(LogisticRegression()).fit(inputs, parts.train.targets).predict_proba(tested)
    else:
        each = [LogisticRegression().fit(inputs, parts.train.targets[:, c]) for c in range(2)]
        by_hand = np.stack([one.predict_proba(tested)[:, 1] for one in each], axis=1)
    assert np.abs(answers - by_hand).max() < 1e-4
    assert found["label_f1_micro"] == pytest.approx(
        f1_score(parts.test.targets, by_hand > 0.5, average="micro")
    )
