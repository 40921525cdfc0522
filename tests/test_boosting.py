"""XGBoost, LightGBM, CatBoost and estimators made of others: they answer as they do when used by hand, are
stored in formats that bring no code, and reach ONNX as the model that they are or not at all."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness import streams
from harness.datasets.parts import Parts, load_parts
from harness.exported.estimator import read, write
from harness.models.estimators import build, parts
from harness.planning.trials import plan_trials
from harness.reading import read_suite
from harness.reading.references import gives_estimator
from harness.record import TrialError
from harness.runtimes.common import judged
from harness.runtimes.converters import convert
from harness.runtimes.offered import left_out, runtimes_of
from harness.runtimes.onnx_forms import without_onnx
from harness.suite.model_ref import parse_model
from harness.tasks.evaluation import read_predictions
from tests.task_trials import score, spec, train, values

pytestmark = pytest.mark.filterwarnings("ignore")


def needs(*libraries: str) -> pytest.MarkDecorator:
    missing = [library for library in libraries if importlib.util.find_spec(library) is None]
    return pytest.mark.skipif(bool(missing), reason=f"not installed: {', '.join(missing)} (extra boosting)")


XGB = pytest.param("xgboost", marks=needs("xgboost", "onnxmltools"))
LGB = pytest.param("lightgbm", marks=needs("lightgbm", "onnxmltools"))
CAT = pytest.param("catboost", marks=needs("catboost"))
FILES = {"xgboost": "model.ubj", "lightgbm": "model.txt", "catboost": "model.cbm"}
SEED = streams.seed_for(0, "init") % 2**31

rng = np.random.default_rng(0)
TABLE = rng.normal(size=(600, 6)).astype(np.float32)
TABLE[rng.random(TABLE.shape) < 0.1] = 0
HOLES = np.where(rng.random(TABLE.shape) < 0.1, np.nan, TABLE).astype(np.float32)
TWO = ((TABLE[:, 0] + TABLE[:, 1] * TABLE[:, 2]) > 0).astype(int)
THREE = TWO + (TABLE[:, 3] > 1)
VALUES = np.exp(TABLE[:, 0] + 0.3 * TABLE[:, 1]).astype(np.float32)


def name_of(library: str, kind: str) -> str:
    return {"xgboost": "XGB", "lightgbm": "LGBM", "catboost": "CatBoost"}[library] + kind


def by_hand(library: str, kind: str, data: Parts) -> Any:
    """The library as its own documentation uses it, stopped by the validation part."""
    x, y, xv, yv = data.train.inputs, data.train.targets, data.validation.inputs, data.validation.targets
    if library == "xgboost":
        import xgboost

        model = getattr(xgboost, name_of(library, kind))(
            n_estimators=200, early_stopping_rounds=5, random_state=SEED, n_jobs=1
        )
        return model.fit(x, y, eval_set=[(xv, yv)], verbose=False)
    if library == "lightgbm":
        import lightgbm

        model = getattr(lightgbm, name_of(library, kind))(
            n_estimators=200, random_state=SEED, n_jobs=1, verbose=-1
        )
        stop = lightgbm.early_stopping(5, verbose=False)
        return model.fit(x, y, eval_set=[(xv, yv)], callbacks=[stop])
    import catboost

    model = getattr(catboost, name_of(library, kind))(
        iterations=200, random_seed=SEED, thread_count=1, verbose=0, allow_writing_files=False
    )
    return model.fit(x, y, eval_set=(xv, yv), early_stopping_rounds=5)


@pytest.mark.parametrize("library", [XGB, LGB, CAT])
@pytest.mark.parametrize(("data", "kind"), [("breast_cancer", "Classifier"), ("diabetes", "Regressor")])
def test_a_booster_answers_to_1e_6_as_it_does_by_hand_and_on_onnx(
    library: str, data: str, kind: str, tmp_path: Path
) -> None:
    rounds = {"iterations" if library == "catboost" else "n_estimators": 200}
    what = spec(f"{library}:{name_of(library, kind)}", {**rounds, "early_stopping_rounds": 5}, data)
    trained = train(what, tmp_path / "t")
    assert (tmp_path / "t" / "fitted" / FILES[library]).exists()
    assert not list((tmp_path / "t" / "fitted").glob("*.skops"))
    assert trained.facts.early_stopping == "validation part" and 1 <= trained.facts.rounds < 200

    score(what, library, tmp_path / "t", tmp_path / "native")
    parts_ = load_parts(what["data"], None)
    model = by_hand(library, kind, parts_)
    hand = (
        model.predict_proba(parts_.test.inputs) if kind == "Classifier" else model.predict(parts_.test.inputs)
    )
    _, _, answers = read_predictions(tmp_path / "native" / "predictions.parquet")
    scale = 1.0 if kind == "Classifier" else float(np.abs(hand).max())
    assert np.abs(answers - hand).max() / scale < 1e-6

    exported = score(what, "onnx", tmp_path / "t", tmp_path / "onnx")
    assert exported.facts.parity.reference == library
    assert exported.facts.parity.max_abs_difference / scale < 1e-5
    assert exported.facts.prepared["parity_rows_off"] == 0


COMPOSED = {
    "calibrated": ("sklearn:CalibratedClassifierCV", {"estimator": "sklearn:LinearSVC"}),
    "columns": (
        "sklearn:Pipeline",
        {
            "steps": {
                "columns": {
                    "model": "sklearn:ColumnTransformer",
                    "args": {
                        "transformers": {
                            "scaled": {"model": "sklearn:StandardScaler", "columns": [0, 1, 2, 3]},
                            "as_is": {"transformer": "passthrough", "columns": [4, 5]},
                        }
                    },
                },
                "model": "sklearn:LogisticRegression",
            }
        },
    ),
    "voting": (
        "sklearn:VotingClassifier",
        {
            "voting": "soft",
            "estimators": {
                "linear": "sklearn:LogisticRegression",
                "trees": {"model": "sklearn:HistGradientBoostingClassifier", "args": {"max_iter": 10}},
            },
        },
    ),
    "stacking": (
        "sklearn:StackingClassifier",
        {
            "estimators": [
                ["linear", "sklearn:LogisticRegression"],
                ["tree", "sklearn:DecisionTreeClassifier"],
            ],
            "final_estimator": "sklearn:LogisticRegression",
        },
    ),
}


@pytest.mark.parametrize("name", COMPOSED)
def test_an_estimator_made_of_others_is_trained_stored_and_served_on_onnx(name: str, tmp_path: Path) -> None:
    what = spec(*COMPOSED[name], "breast_cancer")
    train(what, tmp_path / "t")
    native = score(what, "sklearn", tmp_path / "t", tmp_path / "native")
    exported = score(what, "onnx", tmp_path / "t", tmp_path / "onnx")
    assert values(native)["accuracy"] == pytest.approx(values(exported)["accuracy"], abs=1e-9)
    assert values(native)["accuracy"] > 0.88  # type: ignore[operator]
    assert exported.facts.parity.max_abs_difference < 1e-4


def test_a_pipeline_with_column_transformer_answers_as_by_hand(tmp_path: Path) -> None:
    from sklearn.compose import ColumnTransformer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import StandardScaler

    what = spec(*COMPOSED["columns"], "breast_cancer")
    train(what, tmp_path / "t")
    score(what, "sklearn", tmp_path / "t", tmp_path / "s")
    data = load_parts(what["data"], None)
    columns = ColumnTransformer([("s", StandardScaler(), [0, 1, 2, 3]), ("a", "passthrough", [4, 5])])
    hand = Pipeline([("c", columns), ("m", LogisticRegression(random_state=SEED))])
    hand.fit(data.train.inputs, data.train.targets)
    _, _, answers = read_predictions(tmp_path / "s" / "predictions.parquet")
    assert np.abs(answers - hand.predict_proba(data.test.inputs)).max() < 1e-6


def test_a_step_may_be_called_model() -> None:
    """`{model: …, args: …}` is an estimator; where `model` holds another one it is a step of that name."""
    ridge = {"model": "sklearn:Ridge", "args": {"alpha": 0.5}}
    model = build("sklearn:Pipeline", {"steps": {"model": ridge}}, 0, 1)
    assert [name for name, _ in model.steps] == ["model"]
    assert model.steps[0][1].alpha == 0.5


@pytest.mark.parametrize("library", [XGB, LGB, CAT])
def test_a_booster_inside_a_pipeline_is_read_back_and_exported(library: str, tmp_path: Path) -> None:
    size = {"iterations" if library == "catboost" else "n_estimators": 10}
    booster = {"model": f"{library}:{name_of(library, 'Classifier')}", "args": size}
    model = build("sklearn:Pipeline", {"steps": {"scale": "sklearn:StandardScaler", "boost": booster}}, 0, 1)
    model.fit(TABLE, THREE)
    write(tmp_path, model)
    again = read(tmp_path, 3)
    np.testing.assert_array_equal(again.predict_proba(TABLE), model.predict_proba(TABLE))
    facts = judged(model.predict_proba(TABLE), answers_of(convert(again, 6), TABLE)[-1])
    assert facts["parity_rows_off"] == 0


def answers_of(graph: Any, table: np.ndarray) -> list[np.ndarray]:
    import onnxruntime

    return list(onnxruntime.InferenceSession(graph.SerializeToString()).run(None, {"rows": table}))


EXACT: list[Any] = [
    pytest.param("xgboost:XGBClassifier", {"n_estimators": 10}, THREE, marks=needs("xgboost", "onnxmltools")),
    pytest.param("lightgbm:LGBMRegressor", {"n_estimators": 10, "objective": "poisson"}, VALUES,
                 marks=needs("lightgbm", "onnxmltools")),
    pytest.param("catboost:CatBoostRegressor", {"iterations": 10, "loss_function": "Poisson"}, VALUES,
                 marks=needs("catboost")),
    pytest.param("catboost:CatBoostRegressor",
                 {"iterations": 10, "loss_function": "Tweedie:variance_power=1.5"}, VALUES,
                 marks=needs("catboost")),
    pytest.param("catboost:CatBoostClassifier", {"iterations": 10}, THREE, marks=needs("catboost")),
]  # fmt: skip


@pytest.mark.parametrize(("ref", "args", "targets"), EXACT)
def test_an_export_has_the_scale_of_its_model_also_where_cells_are_empty(
    ref: str, args: dict[str, Any], targets: np.ndarray, tmp_path: Path
) -> None:
    model = build(ref, args, 0, 1).fit(HOLES, targets)
    write(tmp_path, model)
    graph = convert(read(tmp_path, 0 if targets is VALUES else 3), 6)
    found = answers_of(graph, HOLES)
    hand = model.predict(HOLES) if targets is VALUES else model.predict_proba(HOLES)
    facts = judged(np.asarray(hand), found[0].reshape(-1) if targets is VALUES else found[-1])
    assert facts["parity_rows_off"] == 0 and facts["parity_max_abs"] < 1e-4


DROPPED: list[Any] = [
    ("lightgbm:LGBMClassifier", {"linear_tree": True}, TWO),
    ("lightgbm:LGBMClassifier", {"boosting_type": "rf", "bagging_freq": 1, "bagging_fraction": 0.7}, TWO),
    ("lightgbm:LGBMRegressor", {"reg_sqrt": True}, VALUES),
    ("lightgbm:LGBMClassifier", {"sigmoid": 2.0}, TWO),
    ("lightgbm:LGBMClassifier", {"zero_as_missing": True}, TWO),
    ("lightgbm:LGBMClassifier", {"objective": "multiclassova"}, THREE),
    ("xgboost:XGBClassifier", {"booster": "dart"}, TWO),
    ("xgboost:XGBClassifier", {"num_parallel_tree": 3}, THREE),
    ("xgboost:XGBClassifier", {"objective": "multi:softmax"}, THREE),
    ("xgboost:XGBRegressor", {"objective": "reg:logistic"}, TWO.astype(np.float32) * 0.9),
    ("catboost:CatBoostClassifier", {"grow_policy": "Lossguide"}, TWO),
    ("catboost:CatBoostClassifier", {"loss_function": "MultiClassOneVsAll"}, THREE),
]


@needs("xgboost", "lightgbm", "catboost", "onnxmltools")
@pytest.mark.parametrize(("ref", "args", "targets"), DROPPED)
def test_an_option_that_a_converter_drops_is_refused_by_name_and_would_be_by_its_answers(
    ref: str, args: dict[str, Any], targets: np.ndarray
) -> None:
    model, option = parse_model(ref), next(iter(args))
    assert f"{model.kind}'s {option}: " in (without_onnx(model.kind, args) or "")
    assert runtimes_of(model, ["torch", "onnx"], "tabular_classification", args) == [model.kind]
    assert option in left_out(model, ["onnx"], "tabular_classification", args)["onnx"]

    rounds = {"iterations" if model.kind == "catboost" else "n_estimators": 10}
    fitted = build(ref, {**rounds, **args}, 0, 1).fit(TABLE, targets)
    is_class = hasattr(fitted, "predict_proba")
    try:
        found = answers_of(convert(fitted, 6), TABLE)
        got = found[-1] if is_class else found[0].reshape(-1)
        want = fitted.predict_proba(TABLE) if is_class else fitted.predict(TABLE)
        if got.shape != want.shape:
            return
    except Exception:  # the converter refuses by itself: nothing is wrong in silence
        return
    with pytest.raises(TrialError, match="its ONNX export is another model"):
        judged(np.asarray(want), got)


def test_a_nested_option_without_an_onnx_form_is_found(tmp_path: Path) -> None:
    inner = {"model": "lightgbm:LGBMClassifier", "args": {"linear_tree": True}}
    assert without_onnx("sklearn", {"estimators": {"a": "sklearn:SVC", "b": inner}})
    assert without_onnx("sklearn", {"estimators": [["b", inner]]})
    assert without_onnx("sklearn", {"linear_tree": True}) is None


def test_parity_is_judged_in_the_scale_of_the_values() -> None:
    values_ = np.array([1e6, 2e6, 3e6] * 50)
    judged(values_, values_ + 1.0)
    with pytest.raises(TrialError, match="on 100.0% of 150 rows values differ by up to 0.012 standard"):
        judged(values_, values_ + 1e4)
    with pytest.raises(TrialError, match="another model"):
        judged(values_, np.log(values_))
    shares = np.tile([[0.9, 0.1]], (150, 1))
    with pytest.raises(TrialError, match="labels on 100.0% of all"):
        judged(shares, shares[:, ::-1])
    one = shares.copy()
    one[0] = [0.5, 0.5]  # a threshold that rounds the other way
    assert judged(shares, one)["parity_rows_off"] == pytest.approx(1 / 150)
    one[0] = [np.nan, np.nan]  # no rounding: an answer is lost
    with pytest.raises(TrialError, match="answers NaN or infinity on 1 of 150 rows"):
        judged(shares, one)


@pytest.mark.parametrize(
    ("ref", "args", "message"),
    [
        pytest.param("xgboost:XGBClassifier", {"max_dept": 3}, "no argument max_dept, did you mean max_d",
                     marks=needs("xgboost")),
        pytest.param("lightgbm:LGBMClassifier", {"num_leafs": 3}, "mean num_leaf", marks=needs("lightgbm")),
        pytest.param("catboost:CatBoostClassifier", {"deepth": 3}, "mean depth", marks=needs("catboost")),
        ("sklearn:StandardScaler", {}, "predicts nothing: .*put a transformer before one"),
        ("sklearn:CalibratedClassifierCV", {"estimator": "sklearn:LinearSVM"}, "no estimator LinearSVM, did"),
        ("sklearn:CalibratedClassifierCV", {"estimator": {"model": "timm:resnet18"}}, "inside an estimator"),
    ],
)  # fmt: skip
def test_a_wrong_argument_is_an_error_that_names_the_nearest(
    ref: str, args: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        build(ref, args, 0, 1)


@needs("xgboost", "lightgbm", "catboost")
def test_every_part_gets_the_seed_and_the_threads_that_the_trial_claims() -> None:
    inner = {f"e{i}": {"model": ref, "args": {"n_jobs": 64} if i == 0 else {}} for i, ref in enumerate(
        ("xgboost:XGBClassifier", "lightgbm:LGBMClassifier", "catboost:CatBoostClassifier",
         "sklearn:RandomForestClassifier"))}  # fmt: skip
    model = build("sklearn:VotingClassifier", {"estimators": inner, "n_jobs": 8}, 7, 2)
    assert model.n_jobs is None
    for part in list(parts(model))[1:]:
        params = part.get_params()
        assert params.get("n_jobs", params.get("thread_count")) == 2
        assert params.get("random_state", params.get("random_seed")) == 7


@needs("xgboost")
def test_early_stopping_where_no_validation_part_gets_to_is_refused(tmp_path: Path) -> None:
    inner = {"model": "xgboost:XGBClassifier", "args": {"early_stopping_rounds": 5}}
    with pytest.raises(TrialError, match="XGBClassifier inside VotingClassifier cannot stop early"):
        train(spec("sklearn:VotingClassifier", {"estimators": {"x": inner}}, "breast_cancer"), tmp_path / "t")


OWN = """
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
import numpy as np
import torch

def build(task, *, C: float = 1.0):
    model = make_pipeline(StandardScaler(), LogisticRegression(C=C))
    return model

class Nearest(ClassifierMixin, BaseEstimator):
    def __init__(self, power: float = 2.0):
        self.power = power

    def fit(self, x, y):
        self.classes_ = np.unique(y)
        self.means_ = np.stack([x[y == c].mean(0) for c in self.classes_])
        return self

    def predict_proba(self, x):
        away = (np.abs(x[:, None] - self.means_) ** self.power).sum(-1) / 1e5
        shares = np.exp(-away + away.min(1, keepdims=True))
        return shares / shares.sum(1, keepdims=True)

    def predict(self, x):
        return self.classes_[self.predict_proba(x).argmax(1)]

def network(task):
    return torch.nn.Linear(1, 1)

def annotated(task) -> "BaseEstimator":
    return globals()["Nearest"]()
"""


def test_a_builder_that_gives_an_estimator_is_seen_in_its_source() -> None:
    import ast

    tree = ast.parse(OWN)
    found = {name: gives_estimator(tree, name) for name in ("build", "Nearest", "network", "annotated")}
    assert found == {"build": True, "Nearest": True, "network": False, "annotated": True}


@pytest.mark.parametrize("name", ["build", "Nearest"])
def test_a_users_own_estimator_is_trained_stored_and_scored(name: str, tmp_path: Path) -> None:
    (tmp_path / "own_estimators.py").write_text(OWN)
    what = spec(f"estimator:own_estimators:{name}", data="breast_cancer", search=tmp_path)
    train(what, tmp_path / "t")
    scored = score(what, "sklearn", tmp_path / "t", tmp_path / "s")
    assert values(scored)["accuracy"] > 0.8  # type: ignore[operator]


@needs("catboost")
def test_catboosts_own_onnx_file_is_a_finished_candidate(tmp_path: Path) -> None:
    """It is of format 3, names no standard operators, and ends in a ZipMap."""
    import catboost

    what = spec("onnx:own.onnx", data="breast_cancer", search=tmp_path)
    data = load_parts(what["data"], None)
    model = catboost.CatBoostClassifier(iterations=20, verbose=0, allow_writing_files=False)
    model.fit(data.train.inputs, data.train.targets)
    model.save_model(str(tmp_path / "own.onnx"), format="onnx")
    train(what, tmp_path / "t")
    score(what, "onnx", tmp_path / "t", tmp_path / "s")
    _, _, answers = read_predictions(tmp_path / "s" / "predictions.parquet")
    assert np.abs(answers - model.predict_proba(data.test.inputs)).max() < 1e-6


def test_plan_says_that_a_builder_of_an_estimator_is_the_users_own_code(tmp_path: Path) -> None:
    from harness.cli.text import plan_text
    from harness.planning.plan import make_plan
    from harness.planning.trials import plan_trials
    from harness.reading.reader import read_suite

    (tmp_path / "own_estimators.py").write_text(OWN)
    (tmp_path / "s.yaml").write_text(
        "name: own\ntask: tabular_classification\ndata: {name: breast_cancer}\n"
        "candidates: {mine: 'own_estimators:build'}\n"
    )
    suite = read_suite(tmp_path / "s.yaml")
    text = plan_text(make_plan(suite, plan_trials(suite)))
    assert "Runs your own code: estimator:own_estimators:build" in text
    assert "mine: 3 train, 6 score" in text and "; on sklearn, onnx" in text


@pytest.mark.parametrize("library", [XGB, LGB])
def test_smaller_training_sizes_are_scored_on_the_models_own_library(library: str, tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    path.write_text(
        "{name: s, task: tabular_classification, data: {name: breast_cancer, train_sizes: [100, 300]},"
        f" candidates: {{a: '{library}:{name_of(library, 'Classifier')}'}},"
        " training: {seeds: [0]}, serving: {runtimes: [onnx, sklearn]}, machine: {usd_per_hour: 1}}"
    )
    scored = [t for t in plan_trials(read_suite(path)) if t.kind == "score"]
    runtimes = {size: {t.runtime for t in scored if t.train_size == size} for size in (100, 300)}
    assert runtimes == {100: {library}, 300: {"onnx", library}}


def test_histogram_boosting_stops_by_the_suites_validation_part(tmp_path: Path) -> None:
    from sklearn.ensemble import HistGradientBoostingClassifier

    args = {"max_iter": 200, "early_stopping": True, "n_iter_no_change": 5}
    what = spec("sklearn:HistGradientBoostingClassifier", args, "breast_cancer")
    trained = train(what, tmp_path / "t")
    assert trained.facts.early_stopping == "validation part"
    score(what, "sklearn", tmp_path / "t", tmp_path / "s")
    data = load_parts(what["data"], None)
    hand = HistGradientBoostingClassifier(**args, random_state=SEED).fit(
        data.train.inputs, data.train.targets, X_val=data.validation.inputs, y_val=data.validation.targets
    )
    assert 1 <= hand.n_iter_ < 200
    _, _, answers = read_predictions(tmp_path / "s" / "predictions.parquet")
    assert np.abs(answers - hand.predict_proba(data.test.inputs)).max() < 1e-6
