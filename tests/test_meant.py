"""Values of another form than their key takes, as people write them: the message says how to write them."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.suite.expression import limit_meant
from tests.test_suite_mistakes import mistakes_of, suite_text

LIMITS = {
    "accuracy = 0.9": "write `accuracy >= 0.9` or `accuracy <= 0.9`",
    "accuracy: 0.9": "write `accuracy >= 0.9` or `accuracy <= 0.9`",
    "accuracy >= 90%": "write `accuracy >= 0.9`",
    "accuracy >= 0.9 with 95%": "write `accuracy >= 0.9 with 0.95`",
    "accuracy >= 0,9": "write `accuracy >= 0.9`",
    "accuracy ≥ 0.9": "write `accuracy >= 0.9`",
    "latency_p99_ms =< 10": "write `latency_p99_ms <= 10`",
    "10 >= latency_p99_ms": "write `latency_p99_ms <= 10`",
    "latency_p99_ms <= 10ms": "write `latency_p99_ms <= 10`",
    "0.8 <= accuracy < 0.9": "write each alone, `accuracy >= 0.8` and `accuracy < 0.9`",
    "accuracy >= 0.9 and latency_p99_ms <= 10": "write each alone, `accuracy >= 0.9` and"
    " `latency_p99_ms <= 10`",
    "latency_p99_ms <= 0.01s": "write `latency_p99_ms <= 10`",
    "model_size_mb <= 1.5 GB": "write `model_size_mb <= 1500`",
    "accuracy_at_10 <= 3 dogs": "",
    "accuracy >= 1,000": "",
    "accuracy ~ 3": "",
    "accuracy": "",
    "": "",
}  # fmt: skip


@pytest.mark.parametrize("text", LIMITS)
def test_a_limit_that_is_written_otherwise_is_said_as_it_is_to_be_written(text: str) -> None:
    assert limit_meant(text) == LIMITS[text]


MEANT: dict[str, tuple[dict[str, str], str]] = {
    "one limit": ({"decision": "decision: {constraints: accuracy >= 0.5}"}, 'brackets: ["accuracy >= 0.5"]'),
    "limits as a mapping": (
        {"decision": "decision: {constraints: {accuracy: 0.5}}"}, 'write each as a text, ["accuracy >= 0.9"]'
    ),
    "an objective's metric": (
        {"decision": "decision: {objective: accuracy}"}, "is not an objective: write `maximize accuracy`"
    ),
    "an objective as a mapping": (
        {"decision": "decision: {objective: {maximize: accuracy}}"}, "write `objective: maximize accuracy`"
    ),
    "a confidence in percent": ({"decision": "decision: {confidence: 95}"}, "less than 1: write 0.95"),
    "a validation share in percent": (
        {"data": "data: {name: digits, validation: 20}"}, "less than 1: write 0.2"
    ),
    "traffic as a number": ({"decision": "decision: {traffic: 200}"}, "write `traffic: {qps: 200}`"),
    "a metric by its word": ({"decision": "decision: {constraints: [auc >= 0.5]}"}, "`roc_auc` or `pr_auc`?"),
    "a metric by its quantile": ({"decision": "decision: {constraints: [p99 <= 5]}"}, "`latency_p99_ms`?"),
    "the root of a metric": ({"decision": "decision: {constraints: [rmse <= 5]}"}, "write `mse`, which is"),
    "a number of seeds": ({"training": "training: {seeds: 3}"}, "write [0, 1, 2] for 3 seeds"),
    "a learning rate": ({"training": "training: {learning_rate: 0.1}"}, "write `optimizer: {lr: 0.001}`"),
    "a number with its unit": ({"training": "training: {epochs: 10 epochs}"}, "a whole number: write 10"),
    "a limit with its unit": (
        {"serving": "serving: {scenarios: {server: {latency_p99_ms: 0.1s}}}"}, "is not a number: write 100"
    ),
    "a rate": ({"decision": "decision: {traffic: {qps: 50 per second}}"}, "is not a number: write 50"),
    "thousands": ({"decision": "decision: {traffic: {qps: 1k}}"}, "is not a number: write 1000"),
    "dollars": ({"machine": "machine: {usd_per_hour: $0.1}"}, "is not a number: write 0.1"),
    "a percentage": ({"training": "training: {label_smoothing: 10%}"}, "is not a number: write 0.1"),
    "a comma in braces": ({"training": "training: {batch_size: 1,024}"}, "write 1024 for 1,024"),
    "one number of workers": ({"serving": "serving: {workers: 2}"}, "is neither auto nor a list: write auto"),
    "all threads": ({"serving": "serving: {threads: auto}"}, "`workers: auto` serves on all cores"),
    "a server alone": (
        {"serving": "serving: {scenarios: [server]}"}, "write `scenarios: {server: {latency_p99_ms: 10}}`"
    ),
    "a runtime by its package": ({"serving": "serving: {runtimes: [onnxruntime]}"}, "did you mean `onnx`?"),
    "a word of several metrics": (
        {"decision": "decision: {objective: maximize cost}"}, "or `cost_per_month_usd`?"
    ),
    "no metric": ({"decision": "decision: {objective: cost}"}, "there is no such metric: did you mean"),
    "a metric and a unit": (
        {"decision": "decision: {constraints: [latency <= 10ms]}"}, "there is no metric `latency`: did you"
    ),
    "which way": ({"decision": "decision: {minimize: mae}"}, "write `objective: minimize METRIC`"),
    "no objective of a task": (
        {"task": "task: tabular_regression", "data": "data: {name: diabetes}"},
        "decision.objective: is missing, and `maximize accuracy` is not for tabular_regression: write "
        "`decision: {objective: maximize r2}`",
    ),
    "a retriever alone": (
        {"task": "task: recommendation", "candidates": "candidates: {a: popularity}"},
        "write `{retrieval: {model: popularity}}`",
    ),
    "an encoder": ({"candidates": "candidates: {a: bert-base-uncased}"}, "`hf:bert-base-uncased`"),
    "a library": ({"candidates": "candidates: {a: xgboost}"}, "write for instance `xgboost:XGBClassifier`"),
    "a class alone": ({"candidates": "candidates: {a: LGBMClassifier}"}, "`lightgbm:LGBMClassifier`"),
    "a class of scikit-learn": ({"candidates": "candidates: {a: DecisionTreeClassifier}"}, "`sklearn:Deci"),
    "one runtime": ({"serving": "serving: {runtimes: onnx}"}, "write it in brackets: [onnx]"),
    "several threads": ({"serving": "serving: {threads: [1, 2]}"}, '`runtimes: ["onnx@1", "onnx@2"]`'),
    "scenarios as a list": (
        {"serving": "serving: {scenarios: [single_stream, offline]}"},
        "write `scenarios: {single_stream: {}, offline: {}}`",
    ),
    "a scenario without anything": (
        {"serving": "serving:\n  scenarios:\n    single_stream:\n    offline: {}"},
        "suite.yaml:8: serving.scenarios.single_stream: is empty, and would not be measured: write `s",
    ),
    "a retriever's name": (
        {"candidates": "candidates: {a: {retrieval: popularity}}"}, "write `retrieval: {model: popularity}`"
    ),
    "a server's limit": (
        {"serving": "serving: {scenarios: {server: 10}}"}, "write `server: {latency_p99_ms: 10}`"
    ),
    "seconds with a unit": (
        {"serving": "serving: {scenarios: {single_stream: {seconds: 5s}}}"}, "write seconds as a number, 5"
    ),
    "a data set's name": ({"data": "data: digits"}, "write `data: {name: digits}`"),
    "a file's name": ({"data": "data: ./photos"}, '`data: {name: image_folder, path: "./photos", …}`'),
    "a file without a reader": ({"data": "data: {path: photos}"}, "add it, `name: image_folder` for a"),
    "a URL": (
        {"data": "data: {name: image_folder, path: 'https://x.org/a.zip'}"},
        "suite.yaml:3: data.path: `https://x.org/a.zip` is a URL, and data are read from this machine",
    ),
    "a variable": ({"data": "data: {name: image_folder, path: $HOME/a}"}, "write the path itself"),
    "shares of rows": ({"data": "data: {name: digits, train_sizes: [0.5]}"}, "sizes count training rows"),
    "a cut as a share": (
        {"data": "data: {name: digits, split: 0.3}"}, "unknown argument: write `split: {test: 0.3}`"
    ),
    "a cut as a word": ({"data": "data: {name: digits, split: random}"}, "write `split: {by: random}`"),
    "an argument of pandas": (
        {"data": "data: {name: tabular_csv, path: t.csv, target: y, sep: ';'}"}, "argument: write `separator`"
    ),
    "columns left out": (
        {"data": "data: {name: tabular_csv, path: t.csv, target: y, drop: [a]}"},
        "write `features`, the columns to predict from",
    ),
    "a seed of the data": ({"data": "data: {name: digits, seed: 3}"}, "stands at the top of the file"),
    "a cut": ({"data": "data: {name: digits, test: 0.2}"}, "rows are cut anew by `split: {test: …}`"),
    "another word for the label": (
        {"data": "data: {name: text_csv, path: t.csv, text: a, target: b}"}, "write `label`"
    ),
    "the family of a task": ({"task": "task: classification"}, "the data are image_classification"),
    "candidates as a list": (
        {"candidates": "candidates: [small_cnn, 'sklearn:SVC']"},
        'write each with a name: {small_cnn: small_cnn, SVC: "sklearn:SVC"}',
    ),
    "no candidates": ({"candidates": "candidates:"}, "is empty: name at least one below it"),
    "a class as Python imports it": (
        {"candidates": "candidates: {a: sklearn.svm.SVC}"}, "write `sklearn:SVC`"
    ),
    "a class of a module": ({"candidates": "candidates: {a: 'sklearn.svm:SVC'}"}, "write `sklearn:SVC`"),
    "an estimator's family": (
        {"candidates": "candidates: {a: 'sklearn:RandomForest'}"}, "mean `RandomForestClassifier` or `Random"
    ),
    "a file of Python": ({"candidates": "candidates: {a: 'mine.py:build'}"}, "write `mine:build`"),
    "a function of a library": (
        {"candidates": "candidates: {a: 'json:resnet18'}"}, "__init__.py defines no `resnet18`"
    ),
    "an argument to search": (
        {"training": "training: {tuning: {trials: 2, space: {C: [1, 10]}}}"}, "write `C: {choice: [1, 10]}`"
    ),
    "a price in dollars": ({"machine": "machine: {price: $0.10}"}, "write `usd_per_hour: 0.10`"),
    "a price as a number": ({"machine": "machine: {price: 0.1}"}, "write `usd_per_hour: 0.1`"),
    "machines as a list": (
        {"machine": "machines: [aws/c7i.large]"}, 'a name: {aws_c7i.large: {price: "aws/c7i.large"}}'
    ),
    "a tracker": ({"x": "track: wandb"}, "write `track: {wandb: {}}`"),
    "blanks in a name": ({"name": "name: my suite"}, "cannot name a folder: write `my_suite`"),
}  # fmt: skip


@pytest.mark.parametrize("wrong", ["workers: 2", "workers: [0]", "workers: [1, two]"])
def test_what_may_be_a_word_or_a_list_has_one_mistake_and_no_inner_names(wrong: str, tmp_path: Path) -> None:
    (found,) = mistakes_of(tmp_path, suite_text(serving=f"serving: {{{wrong}}}"))
    assert found.startswith("suite.yaml:6: serving.workers: `")


@pytest.mark.parametrize("case", MEANT)
def test_a_value_of_another_form_is_said_as_it_is_to_be_written(case: str, tmp_path: Path) -> None:
    changed, said = MEANT[case]
    found = mistakes_of(tmp_path, suite_text(**changed))
    assert any(said in mistake for mistake in found), found
