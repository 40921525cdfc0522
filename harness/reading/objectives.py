"""Objectives of the boosting libraries: one that learns something else than its estimator predicts is fitted
without a word, or fails once it is.

Seen with XGBoost 3.2, LightGBM 4.7 and CatBoost 1.2: XGBClassifier by `rank:pairwise` gives probabilities of
-0.6, by `reg:squarederror` it learns three classes by another; LGBMRegressor by `binary` answers 1 always.
Hazards fall where values rise: XGBRegressor by `survival:cox` ranks its rows the wrong way round.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from harness.kinds import KINDS
from harness.protocols import Task
from harness.reading.draft import Draft, Path_
from harness.suite.model_ref import parse_model
from harness.suite.source import Node

ARGUMENTS: Mapping[str, tuple[str, ...]] = {
    "xgboost": ("objective",),
    "lightgbm": ("objective", "objective_type", "application", "app", "loss"),
    "catboost": ("loss_function", "objective"),
}
"""Library → what it calls an objective."""

LEARNT: Mapping[str, Mapping[str, re.Pattern[str]]] = {
    library: {what: re.compile(names) for what, names in kinds.items()}
    for library, kinds in {
        "xgboost": {
            "log odds": r"binary:logitraw",
            "classes": r"binary:(logistic|hinge)|multi:\w+",
            "values": r"reg:(?!logistic$)\w+|count:\w+|survival:aft",
            "hazards": r"survival:cox",
            "ranks": r"rank:\w+",
        },
        "lightgbm": {
            "classes": r"binary|multiclass|softmax|multiclassova|multiclass_ova|ova|ovr",
            "values": r"regression\w*|l[12]|l2_root|mean_(squared|absolute)\w*|root_mean_squared_error"
            r"|mse|rmse|mae|mape|huber|fair|poisson|quantile|gamma|tweedie",
            "ranks": r"lambdarank|rank_xendcg|xendcg|xe_ndcg|xe_ndcg_mart|xendcg_mart",
        },
        "catboost": {
            "classes": r"(Logloss|CrossEntropy|Focal|Multi(Class|ClassOneVsAll|Logloss|CrossEntropy))(:.*)?",
            "values": r"(RMSE\w*|MAE|MAPE|(Multi)?Quantile|LogLinQuantile|Expectile|Lq|Poisson|Huber|Tweedie"
            r"|LogCosh|SurvivalAft|MultiRMSE\w*)(:.*)?",
            "hazards": r"Cox(:.*)?",
            "ranks": r"(YetiRank|PairLogit|Query|Stochastic|LambdaMart)\w*(:.*)?",
        },
    }.items()
}
"""Library → what is learnt → the objectives; of others, as of `reg:logistic`, nothing is said."""

TWO = re.compile(r"binary|cross_entropy\w*|xent\w*|(Logloss|CrossEntropy|Focal)(:.*)?")
"""Objectives of LightGBM and CatBoost that know two classes alone."""
SEVERAL = re.compile(r"multi:\w+|multiclass\w*|softmax|ova|ovr")
"""Objectives of XGBoost and LightGBM that ask for the number of classes where there are two."""
INSTEAD: Mapping[str, tuple[str, str]] = {
    "xgboost": ("binary:logistic", "multi:softprob"),
    "lightgbm": ("binary", "multiclass"),
    "catboost": ("Logloss", "MultiClass"),
}
"""Library → what learns two classes, and more."""


def check_objectives(draft: Draft, path: Path_, task: Task | None) -> None:
    """The objectives of a candidate and of estimators within it, and what these predict.

    Where the candidate itself predicts something else than the task asks for, that is said of its model.
    """
    named = draft.get(str, "task")
    wants = {"classes": "Classifier", "labels": "Classifier", "values": "Regressor"}.get(
        KINDS[named].targets if named in KINDS else "", ""
    )
    model, args = draft.get(str, *path, "model", default=""), draft.node(*path, "args")
    is_other = wants and _predicts(model) not in ("", wants)
    counted = task.num_classes if task is not None and task.name.endswith("classification") else 0
    classes = counted if wants == "Classifier" and KINDS[str(named)].targets == "classes" else 0
    for place, ref, given in _estimators((*path, "args"), model, args):
        if place == (*path, "args") and is_other:
            continue
        library = parse_model(ref).kind
        for argument in ARGUMENTS.get(library, ()):
            node = (given.mapping or {}).get(argument)
            if node is None or not isinstance(node.value, str):
                continue
            own = classes if place == (*path, "args") and "num_class" not in (given.mapping or {}) else 0
            if wrong := mislearnt(ref, node.value, own):
                draft.wrong((*path, "args", argument), wrong, node.place)


def _estimators(place: Path_, model: str, args: Node | None) -> Iterator[tuple[Path_, str, Node]]:
    """(where its arguments stand, reference, arguments) of an estimator and of those within them."""
    if args is None:
        return
    if parse_model(model).kind in ARGUMENTS:
        yield place, model, args
    for key, node in (args.mapping or {}).items():
        yield from _within((*place, key), node)


def _within(place: Path_, node: Node) -> Iterator[tuple[Path_, str, Node]]:
    entries = node.mapping or {}
    model = entries.get("model")
    if model is not None and isinstance(model.value, str):
        yield from _estimators((*place, "args"), model.value, entries.get("args"))
        return
    for key, below in entries.items():
        yield from _within((*place, key), below)
    for number, below in enumerate(node.sequence or ()):
        yield from _within((*place, number), below)


def _predicts(ref: str) -> str:
    """`Classifier`, `Regressor`, or nothing where the name does not say."""
    found = re.search(r"(Classifier|Regressor)$", ref)
    return found[1] if found else ""


def mislearnt(ref: str, objective: str, classes: int) -> str:
    """What speaks against an objective, with the cure; empty where nothing does.

    Args:
        classes: how many are learnt, 0 where nobody knows.
    """
    model = parse_model(ref)
    library, name = model.kind, model.name.rpartition(".")[2]
    what = next((w for w, names in LEARNT[library].items() if names.fullmatch(objective)), "")
    two, more = INSTEAD[library]
    fitting = f"`{two}` for two classes, `{more}` for more"
    if classes:
        fitting = f"`{more if classes > 2 else two}`"
    if _predicts(ref) == "Regressor" and what not in ("", "values"):
        shares = {"xgboost": "reg:logistic", "lightgbm": "cross_entropy"}.get(library, "")
        rates = shares and what in ("classes", "log odds")
        cure = f", or write `{shares}` for values from 0 to 1" if rates else ""
        return f"learns {what}, and {name} predicts values: leave it out{cure}"
    if _predicts(ref) != "Classifier":
        return ""
    if what not in ("", "classes"):
        return f"learns {what}, and {name} predicts classes: leave it out, or write {fitting}"
    if classes > 2 and library != "xgboost" and TWO.fullmatch(objective):
        return f"learns two classes, and there are {classes}: leave it out, or write {fitting}"
    if classes == 2 and SEVERAL.fullmatch(objective):
        return f"needs three classes or more, and there are two: leave it out, or write {fitting}"
    return ""
