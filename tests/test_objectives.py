"""Objectives of boosting libraries that learn something else than their estimator predicts are refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.reading import read_suite
from harness.record import SuiteError


def said(folder: Path, candidate: str, targets: str = "ab", task: str = "classification") -> list[str]:
    """What is said of a candidate's objective, on a table with such targets."""
    rows = [f"{i},{i % 5},{targets[i % len(targets)]}" for i in range(60)]
    (folder / "t.csv").write_text("\n".join(["x,z,y", *rows]) + "\n")
    limit = "decision: {constraints: [accuracy >= 0.5], objective: minimize latency_p50_ms}\n"
    (folder / "suite.yaml").write_text(
        f"name: s\ntask: tabular_{task}\ndata: {{name: tabular_csv, path: t.csv, target: y}}\n"
        f"candidates:\n  one: {candidate}\n" + (limit if task == "classification" else "")
    )
    try:
        read_suite(folder / "suite.yaml")
    except SuiteError as error:
        return [m.split("one.", 1)[1] for m in error.mistakes if "learns" in m or "classes or more" in m]
    return []


@pytest.mark.parametrize(
    ("model", "args", "told"),
    [
        ("xgboost:XGBRegressor", "objective: 'binary:logistic'",
         "args.objective: learns classes, and XGBRegressor predicts values: leave it out, or write "
         "`reg:logistic` for values from 0 to 1"),
        ("xgboost:XGBRegressor", "objective: 'rank:pairwise'", "args.objective: learns ranks, and XGB"),
        ("xgboost:XGBRegressor", "objective: 'survival:cox'",
         "args.objective: learns hazards, and XGBRegressor predicts values: leave it out"),
        ("xgboost:XGBRegressor", "objective: 'survival:aft'", ""),
        ("xgboost:XGBRegressor", "objective: 'reg:logistic'", ""),
        ("xgboost:XGBRegressor", "objective: 'count:poisson'", ""),
        ("lightgbm:LGBMRegressor", "app: binary", "args.app: learns classes, and LGBMRegressor predicts"),
        ("lightgbm:LGBMRegressor", "objective: quantile", ""),
        ("catboost:CatBoostRegressor", "loss_function: Logloss",
         "args.loss_function: learns classes, and CatBoostRegressor predicts values: leave it out"),
        ("catboost:CatBoostRegressor", "loss_function: Cox",
         "args.loss_function: learns hazards, and CatBoostRegressor predicts values: leave it out"),
        ("catboost:CatBoostRegressor", "loss_function: 'Quantile:alpha=0.1'", ""),
    ],
)  # fmt: skip
def test_a_regressor_that_would_learn_classes_is_refused_before_it_is_trained(
    tmp_path: Path, model: str, args: str, told: str
) -> None:
    found = said(tmp_path, f'{{model: "{model}", args: {{{args}}}}}', "1234", "regression")
    assert [one[: len(told)] for one in found] == ([told] if told else [])


@pytest.mark.parametrize(
    ("model", "args", "targets", "told"),
    [
        ("xgboost:XGBClassifier", "objective: 'reg:squarederror'", "ab", "learns values, and XGBClassifier "
         "predicts classes: leave it out, or write `binary:logistic`"),
        ("xgboost:XGBClassifier", "objective: 'reg:squarederror'", "abc", "learns values, and XGBClassifier "
         "predicts classes: leave it out, or write `multi:softprob`"),
        ("xgboost:XGBClassifier", "objective: 'binary:logitraw'", "ab", "learns log odds, and XGBClassifier "
         "predicts classes: leave it out, or write `binary:logistic`"),
        ("xgboost:XGBClassifier", "objective: 'multi:softprob'", "ab", "needs three classes or more, and "
         "there are two: leave it out, or write `binary:logistic`"),
        ("xgboost:XGBClassifier", "objective: 'multi:softprob', num_class: 2", "ab", ""),
        ("xgboost:XGBClassifier", "objective: 'binary:logistic'", "abc", ""),  # it takes softprob itself
        ("xgboost:XGBClassifier", "objective: 'reg:logistic'", "ab", ""),
        ("lightgbm:LGBMClassifier", "objective: binary", "ab", ""),
        ("lightgbm:LGBMClassifier", "objective: binary", "abc",
         "learns two classes, and there are 3: leave it out, or write `multiclass`"),
        ("lightgbm:LGBMClassifier", "loss: l1", "ab", "learns values, and LGBMClassifier predicts classes"),
        ("catboost:CatBoostClassifier", "loss_function: Logloss", "abc",
         "learns two classes, and there are 3: leave it out, or write `MultiClass`"),
        ("catboost:CatBoostClassifier", "loss_function: RMSE", "ab",
         "learns values, and CatBoostClassifier predicts classes: leave it out, or write `Logloss`"),
        ("catboost:CatBoostClassifier", "loss_function: MultiClass", "ab", ""),
        ("xgboost:XGBRegressor", "objective: 'binary:logistic'", "ab", ""),  # its kind is what is wrong
    ],
)  # fmt: skip
def test_a_classifier_that_would_learn_values_or_other_classes_is_refused(
    tmp_path: Path, model: str, args: str, targets: str, told: str
) -> None:
    found = said(tmp_path, f'{{model: "{model}", args: {{{args}}}}}', targets)
    assert [one.partition(": ")[2][: len(told)] for one in found] == ([told] if told else [])


def test_an_objective_within_a_pipeline_is_told_by_its_line(tmp_path: Path) -> None:
    inner = '{model: "lightgbm:LGBMClassifier", args: {objective: regression}}'
    model = f'{{model: "sklearn:Pipeline", args: {{steps: {{scale: "sklearn:StandardScaler", b: {inner}}}}}}}'
    assert [one[:35] for one in said(tmp_path, model)] == ["args.objective: learns values, and "]
