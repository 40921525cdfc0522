"""Every wrong suite ends in `file:line: what, and the cure`: the messages are tested as an interface."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.analysis.criteria import goal_of
from harness.reading import read_suite, suite_to_text
from harness.record import SuiteError

GOOD = {
    "name": "name: trial_suite",
    "task": "task: image_classification",
    "data": "data: {name: digits}",
    "training": "training: {seeds: [0], epochs: 1}",
    "candidates": "candidates: {cnn: small_cnn}",
    "serving": "serving: {rounds: 1}",
    "machine": "machine: {price: aws/c7i.large}",
    "decision": "decision: {constraints: [accuracy >= 0.5]}",
}


def suite_text(**changed: str | None) -> str:
    """A right suite, one key a line, with some lines changed, dropped (None) or added."""
    lines = {**GOOD, **changed}
    return "\n".join(line for line in lines.values() if line is not None) + "\n"


def mistakes_of(folder: Path, content: str | bytes, *overrides: str) -> list[str]:
    """What reading finds wrong, with the folder cut off."""
    file = folder / "suite.yaml"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(SuiteError) as caught:
        read_suite(file, overrides)
    return [mistake.replace(f"{folder}/", "") for mistake in caught.value.mistakes]


# changed lines of the good suite → the mistakes, complete
TABLE: dict[str, tuple[dict[str, str | None], list[str]]] = {
    "unknown key at the top": (
        {"x": "candidats: {a: small_cnn}"},
        ["suite.yaml:9: candidats: unknown key: did you mean `candidates`?"],
    ),
    "key of another level": (
        {"x": "epochs: 3"},
        ["suite.yaml:9: epochs: unknown key: it belongs under `training`"],
    ),
    "key of the top, one level too deep": (
        {"training": "training: {expect: {}}"},
        ["suite.yaml:4: training.expect: unknown key: it belongs at the top of the file"],
    ),
    "argument of a model beside it": (
        {"candidates": "candidates:\n  cnn:\n    model: small_cnn\n    width: 8"},
        [
            "suite.yaml:8: candidates.cnn.width: unknown key: what its model takes stands under `args`; "
            "beside it there is model, args, encoding, files, training, retrieval, ranking"
        ],
    ),
    "unknown key in training": (
        {"training": "training:\n  seeds: [0]\n  epoch: 3"},
        ["suite.yaml:6: training.epoch: unknown key: did you mean `epochs`?"],
    ),
    "unknown key in the optimizer": (
        {"training": "training: {optimizer: {learning: 0.1, lr: 0.1}}"},
        ["suite.yaml:4: training.optimizer.learning: unknown key: there is name, lr, weight_decay, momentum"],
    ),
    "unknown key in a candidate": (
        {"candidates": "candidates:\n  cnn:\n    model: small_cnn\n    arg: {width: 8}"},
        ["suite.yaml:8: candidates.cnn.arg: unknown key: did you mean `args`?"],
    ),
    "unknown key in serving": (
        {"serving": "serving: {runtime: [torch]}"},
        ["suite.yaml:6: serving.runtime: unknown key: did you mean `runtimes`?"],
    ),
    "unknown key in a scenario": (
        {"serving": "serving: {scenarios: {offline: {batch_size: [1]}}}"},
        ["suite.yaml:6: serving.scenarios.offline.batch_size: unknown key: did you mean `batch_sizes`?"],
    ),
    "unknown key in the decision": (
        {"decision": "decision: {constraint: []}"},
        ["suite.yaml:8: decision.constraint: unknown key: did you mean `constraints`?"],
    ),
    "unknown key in traffic": (
        {"decision": "decision: {traffic: {qsp: 3}}"},
        ["suite.yaml:8: decision.traffic.qsp: unknown key: did you mean `qps`?"],
    ),
    "text for a whole number": (
        {"training": "training: {epochs: five}"},
        ["suite.yaml:4: training.epochs: `five` is not a whole number: write for instance 3"],
    ),
    "quoted number": (
        {"training": 'training: {epochs: "5"}'},
        [
            'suite.yaml:4: training.epochs: `"5"` is not a whole number: '
            "it is quoted, which makes it a text; drop the quotes"
        ],
    ),
    "fraction for a whole number": (
        {"training": "training: {epochs: 2.5}"},
        ["suite.yaml:4: training.epochs: `2.5` is not a whole number: write it without a fraction"],
    ),
    "number for a list": (
        {"training": "training: {seeds: 3}"},
        ["suite.yaml:4: training.seeds: `3` is not a list: write [0, 1, 2] for 3 seeds"],
    ),
    "list for a mapping": (
        {"candidates": "candidates: [small_cnn]"},
        ["suite.yaml:5: candidates: a list is not a mapping: write each with a name: {small_cnn: small_cnn}"],
    ),
    "nothing for a mapping": (
        {"candidates": "candidates:\n  cnn:"},
        [
            "suite.yaml:6: candidates.cnn: nothing is not a mapping: "
            "write a value, or leave the key out for its default"
        ],
    ),
    "bare on for a text": (
        {"name": "name: on"},
        ['suite.yaml:1: name: `on` is not a text: YAML reads a bare `on` as true; quote it: "on"'],
    ),
    "text for a truth": (
        {"training": "training: {augmentation: {flip: maybe}}"},
        ["suite.yaml:4: training.augmentation.flip: `maybe` is not true or false: write true or false"],
    ),
    "octal number": (
        {"training": "training: {epochs: 010}"},
        ["suite.yaml:4: `010` begins with a zero, which YAML reads as octal: drop the zero or quote it"],
    ),
    "infinite number": (
        {"training": "training: {optimizer: {lr: .inf}}"},
        ["suite.yaml:4: `.inf` is not a finite number"],
    ),
    "negative learning rate": (
        {"training": "training: {optimizer: {lr: -1e-3}}"},
        ["suite.yaml:4: training.optimizer.lr: `-1e-3` is out of range: it must be more than 0"],
    ),
    "empty candidates": (
        {"candidates": "candidates: {}"},
        ["suite.yaml:5: candidates: is empty: name at least one"],
    ),
    "empty runtimes": (
        {"serving": "serving: {runtimes: []}"},
        ["suite.yaml:6: serving.runtimes: is empty: name at least one"],
    ),
    "empty seeds": (
        {"training": "training: {seeds: []}"},
        ["suite.yaml:4: training.seeds: is empty: name at least one"],
    ),
    "missing task": ({"task": None}, ["suite.yaml:1: `task` is missing: add it"]),
    "missing data name": (
        {"data": "data: {validation: 0.2}"},
        ["suite.yaml:3: data: `name` is missing: add it"],
    ),
    "missing model": (
        {"candidates": "candidates:\n  cnn: {args: {width: 8}}"},
        [
            "suite.yaml:6: candidates.cnn: `model` is missing: NAME, timm:NAME, hf:NAME, sklearn:Estimator, "
            "onnx:FILE, endpoint:URL, torch:FILE or package.module:function"
        ],
    ),
    "unknown task": (
        {"task": "task: image_clasification"},
        [
            "suite.yaml:2: task: `image_clasification` is not one of image_classification, "
            "text_classification, tabular_classification, tabular_regression, multilabel_classification, "
            "recommendation: did you mean `image_classification`?"
        ],
    ),
    "task of another data set": (
        {"task": "task: tabular_classification"},
        [
            "suite.yaml:2: task: the data set `digits` is for image_classification: "
            "write `task: image_classification`",
        ],
    ),
    "unknown data set": (
        {"data": "data: {name: digitz}"},
        ["suite.yaml:3: data.name: there is no data set `digitz`: did you mean `digits`?"],
    ),
    "unknown argument of a data set": (
        {"data": "data: {name: digits, train_size: [100]}"},
        ["suite.yaml:3: data.train_size: unknown argument: did you mean `train_sizes`?"],
    ),
    "misspelt key of the data": (
        {"data": "data: {name: digits, validaton: 0.2, splt: {by: random}}"},
        [
            "suite.yaml:3: data.validaton: unknown argument: did you mean `validation`?",
            "suite.yaml:3: data.splt: unknown argument: did you mean `split`?",
        ],
    ),
    "misspelt arguments of a data set": (
        {"data": "data: {name: digits, arg: {}}"},
        ["suite.yaml:3: data.arg: unknown argument: did you mean `args`?"],
    ),
    "misspelt name of the data": (
        {"data": "data: {nmae: digits}"},
        [
            "suite.yaml:3: data: `name` is missing: add it",
            "suite.yaml:3: data.nmae: unknown key: did you mean `name`?",
        ],
    ),
    "key of the data among its arguments": (
        {"data": "data: {name: digits, args: {validaton: 0.2}}"},
        [
            "suite.yaml:3: data.args.validaton: unknown argument: did you mean `validation`, which stands "
            "beside `args`?"
        ],
    ),
    "missing folder of own data": (
        {"data": "data: {name: image_folder, path: nowhere}"},
        ["suite.yaml:3: data: "],
    ),
    "missing argument of a data set": (
        {"data": "data: {name: image_folder}"},
        ["suite.yaml:3: data: `path` is missing: add it"],
    ),
    "train size of nothing": (
        {"data": "data: {name: digits, train_sizes: [0, 100]}"},
        ["suite.yaml:3: data.train_sizes: `0` is out of range: it must be at least 1"],
    ),
    "train size beyond the data": (
        {"data": "data: {name: digits, train_sizes: [200, 1438]}"},
        [
            "suite.yaml:3: data.train_sizes: `1438` is more than the 1294 rows that are left for training: "
            "write at most 1294"
        ],
    ),
    "train size twice": (
        {"data": "data: {name: digits, train_sizes: [200, 200]}"},
        ["suite.yaml:3: data.train_sizes: `200` stands twice: keep one"],
    ),
    "validation of everything": (
        {"data": "data: {name: digits, validation: 1}"},
        ["suite.yaml:3: data.validation: `1` is out of range: it must be less than 1"],
    ),
    "seed twice": (
        {"training": "training: {seeds: [1, 1]}"},
        ["suite.yaml:4: training.seeds: `1` stands twice: keep one"],
    ),
    "warm-up without room": (
        {"training": "training: {schedule: {warmup: 1}}"},
        ["suite.yaml:4: training.schedule.warmup: `1` is out of range: it must be less than 1"],
    ),
    "unknown optimizer": (
        {"training": "training: {optimizer: {name: adamm}}"},
        [
            "suite.yaml:4: training.optimizer.name: `adamm` is not one of adamw, adam, sgd: "
            "did you mean `adam`?"
        ],
    ),
    "time limit in words": (
        {"training": "training: {time_limit: ten minutes}"},
        [
            "suite.yaml:4: training.time_limit: `ten minutes` is not a valid duration: "
            "write seconds, or for instance 90s, 10 minutes, 1h30m"
        ],
    ),
    "time limit of two meanings": (
        {"training": "training: {time_limit: 1:30}"},
        [
            "suite.yaml:4: training.time_limit: `1:30` may be hours and minutes, or minutes and seconds: "
            "write 1h30m, or 1m30s"
        ],
    ),
    "unknown setting to tune": (
        {"training": "training: {tuning: {space: {optimizer.rl: {loguniform: [1e-4, 1e-2]}}}}"},
        [
            "suite.yaml:4: training.tuning.space.optimizer.rl: is not a training setting: "
            "did you mean `optimizer.lr`?"
        ],
    ),
    "range upside down": (
        {"training": "training: {tuning: {space: {optimizer.lr: {loguniform: [1e-2, 1e-4]}}}}"},
        [
            "suite.yaml:4: training.tuning.space.optimizer.lr.loguniform: "
            "the lowest, 0.01, is not below the highest, 0.0001: swap them"
        ],
    ),
    "unknown model": (
        {"candidates": "candidates: {cnn: smal_cnn}"},
        ["suite.yaml:5: candidates.cnn.model: there is no model `smal_cnn`: did you mean `small_cnn`?"],
    ),
    "unknown prefix": (
        {"candidates": 'candidates: {cnn: "tim:resnet18"}'},
        ["suite.yaml:5: candidates.cnn.model: there is no module `tim`: did you mean `timm:resnet18`?"],
    ),
    "unknown timm model": (
        {"candidates": 'candidates: {cnn: "timm:resnett18"}'},
        ["suite.yaml:5: candidates.cnn.model: timm has no model `resnett18`: did you mean `resnet18`?"],
    ),
    "unknown estimator": (
        {"candidates": "candidates: {lr: sklearn:LogisticRegresion}"},
        [
            "suite.yaml:5: candidates.lr.model: scikit-learn has no estimator `LogisticRegresion`: "
            "did you mean `LogisticRegression`?"
        ],
    ),
    "missing ONNX file": (
        {"candidates": "candidates: {done: onnx:model.onnx}"},
        [
            "suite.yaml:5: candidates.done.model: there is no file `model.onnx` beside the suite: "
            "check the path"
        ],
    ),
    "missing own module": (
        {"candidates": "candidates: {mine: my_models:build}"},
        [
            "suite.yaml:5: candidates.mine.model: there is no module `my_models`: "
            "put my_models.py beside the suite file or on PYTHONPATH"
        ],
    ),
    "network that no runtime serves": (
        {"serving": "serving: {runtimes: [sklearn]}"},
        ["suite.yaml:5: candidates.cnn.model: runs on none of sklearn: add onnx to serving.runtimes"],
    ),
    "model of texts and images for a table": (
        {
            "task": "task: tabular_classification",
            "data": "data: {name: breast_cancer}",
            "candidates": 'candidates: {bert: "hf:some/bert"}',
        },
        [
            "suite.yaml:5: candidates.bert.model: hf: models are for text_classification and "
            "image_classification, not for tabular_classification"
        ],
    ),
    "misspelt argument of a model": (
        {"candidates": "candidates:\n  vit:\n    model: vit\n    args:\n      patchs: 2"},
        ["suite.yaml:9: candidates.vit.args.patchs: unknown argument: did you mean `patch`?"],
    ),
    "wrong type of an argument": (
        {"candidates": "candidates: {vit: {model: vit, args: {dim: wide}}}"},
        ["suite.yaml:5: candidates.vit.args.dim: `wide` does not fit `int`"],
    ),
    "argument of an estimator within another": (
        {
            "candidates": "candidates:\n  f:\n    model: sklearn:Pipeline\n    args:\n"
            "      steps: {a: sklearn:StandardScaler, b: {model: sklearn:LogisticRegression, args: {Cx: 1}}}"
        },
        ["suite.yaml:8: candidates.f.args: sklearn:LogisticRegression has no argument Cx, did you mean C?"],
    ),
    "pipeline that predicts nothing": (
        {
            "candidates": "candidates: {f: {model: sklearn:Pipeline, args: "
            "{steps: {a: sklearn:StandardScaler}}}}"
        },
        [
            "suite.yaml:5: candidates.f.args: sklearn:Pipeline predicts nothing: a candidate is a "
            "classifier or a regressor; put a transformer before one: sklearn:Pipeline with args: "
            "{steps: {scale: …, model: …}}"
        ],
    ),
    "transformer for a model": (
        {"candidates": "candidates:\n  s:\n    model: sklearn:StandardScaler"},
        [
            "suite.yaml:7: candidates.s.model: sklearn:StandardScaler predicts nothing: a candidate is a "
            "classifier or a regressor; put a transformer before one: sklearn:Pipeline with args: "
            "{steps: {scale: …, model: …}}"
        ],
    ),
    "regressor for a classification": (
        {"candidates": "candidates:\n  r: sklearn:Ridge\n  x: {model: sklearn:SVR, args: {C: 2.0}}"},
        [
            "suite.yaml:6: candidates.r.model: sklearn:Ridge is a regressor, and the task wants a classifier"
            ": write for instance sklearn:RidgeClassifier",
            "suite.yaml:7: candidates.x.model: sklearn:SVR is a regressor, and the task wants a classifier: "
            "write for instance sklearn:SVC",
        ],
    ),
    "estimator that is neither": (
        {"candidates": "candidates:\n  k: {model: sklearn:KMeans}"},
        [
            "suite.yaml:6: candidates.k.model: sklearn:KMeans is no classifier, and the task wants a "
            "classifier: write for instance sklearn:LogisticRegression"
        ],
    ),
    "value that an estimator does not take": (
        {"candidates": "candidates:\n  l:\n    model: sklearn:LogisticRegression\n    args:\n      C: -1"},
        [
            "suite.yaml:9: candidates.l.args.C: The 'C' parameter of LogisticRegression must be a float in "
            "the range (0.0, inf]. Got -1 instead."
        ],
    ),
    "network within an estimator": (
        {
            "candidates": "candidates: {f: {model: sklearn:BaggingClassifier, args: {estimator: {model: "
            "timm:resnet18}}}}"
        },
        [
            "suite.yaml:5: candidates.f.args: 'timm:resnet18' inside an estimator's arguments: write one of "
            "sklearn:NAME, xgboost:NAME, lightgbm:NAME, catboost:NAME"
        ],
    ),
    "estimator by its bare name": (
        {
            "candidates": "candidates: {f: {model: sklearn:BaggingClassifier, args: {estimator: "
            "LogisticRegression}}}"
        },
        [
            "suite.yaml:5: candidates.f.args.estimator: The 'estimator' parameter of BaggingClassifier must "
            "be an object implementing 'fit' and 'predict' or None. Got 'LogisticRegression' instead."
        ],
    ),
    "misspelt argument of an estimator": (
        {"candidates": "candidates: {f: {model: sklearn:RandomForestClassifier, args: {n_estimator: 9}}}"},
        ["suite.yaml:5: candidates.f.args.n_estimator: unknown argument: did you mean `n_estimators`?"],
    ),
    "input rule of a model": (
        {"candidates": "candidates: {vit: {model: vit, args: {patch: 3}}}"},
        ["suite.yaml:5: candidates.vit: vit: patch 3 does not divide the 8×8 image: write one of 2, 4, 8"],
    ),
    "stages outside a recommendation": (
        {"candidates": "candidates: {cnn: {model: small_cnn, retrieval: {model: two_tower}}}"},
        ["suite.yaml:5: candidates.cnn.retrieval: is for `task: recommendation`: give a model instead"],
    ),
    "name with a slash": (
        {"candidates": "candidates: {a/b: small_cnn}"},
        ["suite.yaml:5: candidates.a/b: `a/b` cannot name a folder: "],
    ),
    "path traversal": (
        {"name": "name: ../../etc"},
        ["suite.yaml:1: name: `../../etc` cannot name a folder: "],
    ),
    "reserved name": (
        {"name": "name: latest"},
        ["suite.yaml:1: name: `latest` means the newest run: choose another name"],
    ),
    "unknown runtime": (
        {"serving": "serving: {runtimes: [torch, onx]}"},
        ["suite.yaml:6: serving.runtimes: there is no runtime `onx`: did you mean `onnx`?"],
    ),
    "more workers than the priced machine has cores": (
        {
            "serving": "serving: {workers: [1, 4], runtimes: [onnx@1]}",
        },
        [
            "suite.yaml:6: serving.runtimes: `onnx@1`: all have 1 thread already: write `onnx`",
            "suite.yaml:6: serving.workers: 4 workers of 1 thread need 4 cores, aws/c7i.large has 2: "
            "write at most 2, or name a larger machine",
        ],
    ),
    "more workers than the suite says that there are cores": (
        {"serving": "serving: {workers: [1, 4]}", "machine": "machine: {price: aws/c7i.large, cores: 3}"},
        [
            "suite.yaml:6: serving.workers: 4 workers of 1 thread need 4 cores, machine.cores is 3: "
            "write at most 3, or name a larger machine",
        ],
    ),
    "workers of a machine whose price nobody knows": (
        {"serving": "serving: {workers: [1, 64]}", "machine": "machine: {price: aws/c7i.lage}"},
        [
            "suite.yaml:7: machine.price: there is no price for `aws/c7i.lage`: "
            "did you mean `aws/c7i.large`? Or give usd_per_hour yourself"
        ],
    ),
    "workers without a scenario that loads them": (
        {"serving": "serving: {workers: auto, scenarios: {single_stream: {}}}"},
        [
            "suite.yaml:6: serving.workers: what several workers carry is measured by offline or server: "
            "add one of them",
        ],
    ),
    "runtime with no number of threads": (
        {"serving": "serving: {runtimes: [torch@two, onx@2]}"},
        [
            "suite.yaml:6: serving.runtimes: `torch@two`: write the number of threads behind the @, "
            "for instance torch@2",
            "suite.yaml:6: serving.runtimes: there is no runtime `onx`: did you mean `onnx`?",
        ],
    ),
    "password in a tracker's address": (
        {"x": "track: {mlflow: {uri: 'http://me:a/b@host'}}"},
        [
            "suite.yaml:9: track.mlflow.uri: holds a secret; a suite is stored with its results: "
            "give it in the tracker's environment variable"
        ],
    ),
    "runtime twice": (
        {"serving": "serving: {runtimes: [torch, torch]}"},
        ["suite.yaml:6: serving.runtimes: `torch` stands twice: keep one"],
    ),
    "no round": (
        {"serving": "serving: {rounds: 0}"},
        ["suite.yaml:6: serving.rounds: `0` is out of range: it must be at least 1"],
    ),
    "server without its limit": (
        {"serving": "serving: {scenarios: {server: {}}}"},
        [
            "suite.yaml:6: serving.scenarios.server: a server needs its limit: "
            "add latency_p99_ms, for instance {latency_p99_ms: 10}"
        ],
    ),
    "batches that wait longer than the limit": (
        {"serving": "serving:\n  scenarios:\n    server: {latency_p99_ms: 5, max_wait_ms: 5}"},
        [
            "suite.yaml:8: serving.scenarios.server.max_wait_ms: a batch would wait 5 ms for company "
            "(max_wait_ms), and the limit is 5 ms: set max_wait_ms to 0.5 or less; 0 takes what is there"
        ],
    ),
    "a limit below the usual wait of a batch": (
        {"serving": "serving:\n  scenarios:\n    server: {latency_p99_ms: 0.8}"},
        [
            "suite.yaml:8: serving.scenarios.server.latency_p99_ms: a batch would wait 1 ms for company "
            "(max_wait_ms), and the limit is 0.8 ms: set max_wait_ms to 0.08 or less; 0 takes what is there"
        ],
    ),
    "more calls than the most": (
        {"serving": "serving: {scenarios: {single_stream: {min_calls: 10, max_calls: 5}}}"},
        [
            "suite.yaml:6: serving.scenarios.single_stream.max_calls: "
            "min_calls 10 is more than max_calls 5: swap them"
        ],
    ),
    "a size that the patch does not divide": (
        {
            "candidates": "candidates: {cnn: small_cnn, vit: {model: vit, args: {patch: 4}}}",
            "serving": "serving:\n  scenarios:\n    scaling:\n      sizes: [28, 30, 28]",
        },
        [
            "suite.yaml:9: serving.scenarios.scaling.sizes: `28` stands twice: keep one",
            "suite.yaml:9: serving.scenarios.scaling.sizes: vit cannot be built at 30: vit: patch 4 does not "
            "divide the 30×30 image: write one of 2, 3, 5, 6, 10, 15",
        ],
    ),
    "sizes of what has none": (
        {
            "task": "task: tabular_classification",
            "data": "data: {name: breast_cancer}",
            "candidates": "candidates: {a: sklearn:LogisticRegression}",
            "serving": "serving: {scenarios: {scaling: {sizes: [8, 16]}}}",
        },
        [
            "suite.yaml:6: serving.scenarios.scaling.sizes: an input of tabular_classification has no size "
            "to vary: drop scaling (it is for text_classification and image_classification)"
        ],
    ),
    "unknown price": (
        {"machine": "machine: {price: aws/c7i.larg}"},
        [
            "suite.yaml:7: machine.price: there is no price for `aws/c7i.larg`: "
            "did you mean `aws/c7i.large`? Or give usd_per_hour yourself"
        ],
    ),
    "two prices": (
        {"machine": "machine: {price: aws/c7i.large, usd_per_hour: 0.1}"},
        ["suite.yaml:7: machine.usd_per_hour: contradicts machine.price: keep one of the two"],
    ),
    "broken limit": (
        {"decision": "decision: {constraints: [accuracy above 0.9]}"},
        [
            "suite.yaml:8: decision.constraints: `accuracy above 0.9` is not a limit: "
            "write `METRIC <= NUMBER` or `METRIC >= NUMBER`, if wanted `with 0.95`"
        ],
    ),
    "limit with a probability of 2": (
        {"decision": "decision: {constraints: [accuracy >= 0.9 with 2]}"},
        [
            "suite.yaml:8: decision.constraints: `with 2` is not a probability from 0 to 1: "
            "write for instance `with 0.95`"
        ],
    ),
    "unknown metric in a limit": (
        {"decision": "decision:\n  constraints:\n    - accuracy >= 0.9\n    - latency_p99 <= 3"},
        [
            "suite.yaml:11: decision.constraints: there is no metric `latency_p99`: "
            "did you mean `latency_p99_ms`?"
        ],
    ),
    "limit twice": (
        {"decision": "decision: {constraints: [accuracy >= 0.9, accuracy >= 0.8]}"},
        ["suite.yaml:8: decision.constraints: `accuracy >…` is limited twice: keep the tighter one"],
    ),
    "slice by what is not stored": (
        {"decision": "decision: {constraints: ['accuracy[clas=3] >= 0.9']}"},
        [
            "suite.yaml:8: decision.constraints: `accuracy[clas=3]`: there is no slice by `clas`: "
            "did you mean `class`? Write `accuracy[class=3]`"
        ],
    ),
    "slice of a class that is not there": (
        {"decision": "decision: {constraints: ['accuracy[class=10] >= 0.9 with 0.95']}"},
        [
            "suite.yaml:8: decision.constraints: `accuracy[class=10]`: there is no class `10`: "
            "did you mean `1`?"
        ],
    ),
    "slice of a speed": (
        {"decision": "decision: {constraints: ['latency_p99_ms[class=1] <= 9']}"},
        [
            "suite.yaml:8: decision.constraints: `latency_p99_ms[class=1]`: only quality is known on a "
            "slice, latency_p99_ms is not"
        ],
    ),
    "metric of another task": (
        {"decision": "decision: {objective: minimize mse}"},
        [
            "suite.yaml:8: decision.objective: `mse` is never measured by this suite: "
            "it is for regression; for image_classification there is accuracy, balanced_accuracy, f1_macro"
        ],
    ),
    "metric without its scenario": (
        {"decision": "decision: {constraints: [throughput_at_slo_qps >= 10]}"},
        [
            "suite.yaml:8: decision.constraints: `throughput_at_slo_qps` is never measured by this suite: "
            "add server to serving.scenarios"
        ],
    ),
    "shop metric outside a shop": (
        {"decision": "decision: {objective: maximize margin_per_session_usd}"},
        [
            "suite.yaml:8: decision.objective: `margin_per_session_usd` is never measured by this suite: "
            "it is for recommendation; for image_classification there is "
            "accuracy, balanced_accuracy, f1_macro"
        ],
    ),
    "cost without any speed": (
        {
            "serving": "serving: {scenarios: {scaling: {sizes: [8, 16]}}}",
            "decision": "decision: {objective: minimize cost_per_million_usd}",
        },
        [
            "suite.yaml:8: decision.objective: `cost_per_million_usd` is never measured by this suite: "
            "add offline to serving.scenarios"
        ],
    ),
    "cost without a price": (
        {"machine": None, "decision": "decision: {objective: minimize cost_per_million_usd}"},
        [
            "suite.yaml:7: decision.objective: `cost_per_million_usd` is never measured by this suite: "
            "give the machine a price, for instance machine: {price: aws/c7i.large}"
        ],
    ),
    "broken objective": (
        {"decision": "decision: {objective: accuracy}"},
        ["suite.yaml:8: decision.objective: `accuracy` is not an objective: write `maximize accuracy`"],
    ),
    "value without an expression": (
        {"decision": "decision: {objective: maximize value}"},
        [
            "suite.yaml:8: decision.objective: `maximize value` needs an expression: "
            'add decision.value, for instance "120*accuracy - cost_per_month_usd"'
        ],
    ),
    "expression that is not used": (
        {"decision": "decision: {value: 2*accuracy}"},
        [
            "suite.yaml:8: decision.value: is not used, the objective is `maximize accuracy`: "
            "write `objective: maximize value`, or drop the value"
        ],
    ),
    "expression that reaches for Python": (
        {"decision": "decision: {objective: maximize value, value: \"__import__('os').system('x')\"}"},
        ["suite.yaml:8: decision.value: `__import__('os').system('x')` is not allowed: "],
    ),
    "sum of different units": (
        {"decision": "decision: {objective: maximize value, value: accuracy - latency_p50_ms}"},
        ["suite.yaml:8: decision.value: `accuracy` is in fraction and `latency_p50_ms` in ms"],
    ),
    "headroom in percent": (
        {"decision": "decision: {traffic: {qps: 100, headroom: 80}}"},
        ["suite.yaml:8: decision.traffic.headroom: `80` is out of range: it must be at most 1: write 0.8"],
    ),
    "peak below the mean that nobody wrote": (
        {"decision": "decision: {traffic: {peak_qps: 5}}"},
        [
            "suite.yaml:8: decision.traffic.peak_qps: the peak, 5, is below the mean, 10: "
            "add qps, which is that unless you say it"
        ],
    ),
    "peak below the mean": (
        {"decision": "decision: {traffic: {qps: 100, peak_qps: 50}}"},
        [
            "suite.yaml:8: decision.traffic.peak_qps: the peak, 50, is below the mean, 100: "
            "swap them, or raise the peak"
        ],
    ),
    "unknown tracker": (
        {"x": "track: {wandbb: {}}"},
        ["suite.yaml:9: track.wandbb: is not a tracker: did you mean `wandb`?"],
    ),
    "unknown option of a tracker": (
        {"x": "track: {wandb: {dirr: a}, mlflow: {q: 1}}"},
        [
            "suite.yaml:9: track.wandb.dirr: Weights & Biases takes no such option: did you mean `dir`?",
            "suite.yaml:9: track.mlflow.q: MLflow takes no such option: there is uri, experiment, model",
        ],
    ),
    "duplicate key": (
        {"x": "name: again"},
        ["suite.yaml:9: `name` stands twice, first in line 1: keep one of them"],
    ),
    "duplicate candidate": (
        {"candidates": "candidates:\n  cnn: small_cnn\n  cnn: resnet"},
        ["suite.yaml:7: `cnn` stands twice, first in line 6: keep one of them"],
    ),
    "Python tag": (
        {"x": 'question: !!python/object/apply:os.system ["true"]'},
        [
            "suite.yaml:9: the tag `!!python/object/apply:os.system` is not allowed: write a plain value",
        ],
    ),
    "second document": (
        {"x": "---\nname: other"},
        ["suite.yaml:9: a second document begins here: a suite is one YAML document"],
    ),
    "tab": ({"x": "budget:\n\t- 3"}, ["suite.yaml:10: a tab in the indentation: YAML wants spaces"]),
    "broken bracket": ({"x": "budget: [3"}, ["suite.yaml:10: not valid YAML: "]),
    "unknown alias": ({"x": "question: *what"}, ["suite.yaml:9: the alias `*what` has no anchor `&what`"]),
    "alias of itself": ({"x": "track: &t {mlflow: *t}"}, ["suite.yaml:9: the alias `*t` contains itself"]),
    "complicated key": (
        {"x": "[a, b]: c"},
        ["suite.yaml:9: a key must be a plain name, not a list, a mapping or an alias"],
    ),
    "extends nothing": (
        {"x": "extends: other.yaml"},
        ["suite.yaml:9: extends: there is no file `other.yaml`: the path is relative to this file"],
    ),
    "extends itself": (
        {"x": "extends: suite.yaml"},
        ["suite.yaml:9: extends: `suite.yaml` extends this file in turn: break the circle"],
    ),
}


SHOP = {"task": "task: recommendation", "data": "data: {name: mock_shop}"}
SHOP |= {"decision": "decision: {objective: maximize ndcg@10}"}
PIPELINES = {
    "{retrieval: {model: two_tower, dmi: 3}}": "candidates.p.retrieval.dmi: retrieval model two_tower has no",
    "{retrieval: {model: two_towr}}": "candidates.p.retrieval: retrieval model 'two_towr' is unknown",
    "{retrieval: {model: popularity}, ranking: {model: x}}": "candidates.p.ranking: ranking model 'x' is",
    "{retrieval: {model: two_tower, index: {hnws: {}}}}": "candidates.p.retrieval.index: index 'hnws' is",
    "{retrieval: {model: two_tower, index: [1]}}": "candidates.p.retrieval: something in it is of the wrong",
    "{ranking: {model: none}}": "candidates.p: a recommendation candidate needs retrieval",
    "{retrieval: 5}": "candidates.p.retrieval: `5` is not a mapping",
    "small_cnn": "candidates.p.model: a recommendation candidate is {retrieval: {model: …}",
}


@pytest.mark.parametrize("pipeline", PIPELINES)
def test_a_wrong_pipeline_is_answered_like_any_other_candidate(pipeline: str, tmp_path: Path) -> None:
    text = suite_text(**SHOP, candidates=f"candidates:\n  p: {pipeline}")
    (found,) = mistakes_of(tmp_path, text)
    assert found.startswith(f"suite.yaml:6: {PIPELINES[pipeline]}")


UNHEARD: dict[str, tuple[dict[str, str | None], str]] = {
    "momentum": (
        {"training": "training: {optimizer: {momentum: 0.5}}"},
        "4: training.optimizer.momentum: recommenders ignore it",
    ),
    "optimizer": (
        {"training": "training: {optimizer: {name: sgd}}"},
        "4: training.optimizer.name: recommenders ignore it",
    ),
    "clipping": (
        {"training": "training: {gradient_clip: 5}"},
        "4: training.gradient_clip: recommenders ignore it",
    ),
    "smoothing": (
        {"training": "training: {label_smoothing: 0.1}"},
        "4: training.label_smoothing: recommenders ignore it",
    ),
    "precision": (
        {"training": "training: {precision: bf16}"},
        "4: training.precision: recommenders ignore it",
    ),
    "warm-up": (
        {"training": "training: {schedule: {warmup: 0.3}}"},
        "4: training.schedule.warmup: recommenders ignore it",
    ),
    "a candidate's own": (
        {"candidates": "candidates: {p: {retrieval: {model: ease}, training: {gradient_clip: 2}}}"},
        "5: candidates.p.training.gradient_clip: recommenders ignore it: leave it out; they use epochs, ",
    ),
    "searched": (
        {"training": "training: {tuning: {space: {gradient_clip: {choice: [1, 2]}}}}"},
        "4: training.tuning.space.gradient_clip: recommenders ignore it: search epochs, ",
    ),
    "searched arguments": (
        {"training": "training: {tuning: {space: {args.dim: {choice: [1, 2]}}}}"},
        "4: training.tuning.space.args.dim: recommenders ignore it: search epochs, ",
    ),
    "training sizes": (
        {"data": "data: {name: mock_shop, train_sizes: [100]}"},
        "3: data.train_sizes: a recommender learns from all of the past: leave it out",
    ),
    "a split of the shop": (
        {"data": "data: {name: mock_shop, args: {split: leave_one_out}}"},
        "3: data: the mock shop is judged on the visits after deployment, and split leave_one_out leaves",
    ),
}


@pytest.mark.parametrize("case", UNHEARD)
def test_what_a_recommender_would_pass_over_in_silence_is_refused(case: str, tmp_path: Path) -> None:
    changed, expected = UNHEARD[case]
    pipeline = "candidates: {p: {retrieval: {model: popularity}}}"
    (found,) = mistakes_of(tmp_path, suite_text(**{**SHOP, "candidates": pipeline, **changed}))
    assert found.startswith(f"suite.yaml:{expected}")


def test_a_resolved_suite_of_a_recommender_is_read_again(tmp_path: Path) -> None:
    (tmp_path / "suite.yaml").write_text(
        suite_text(**SHOP, candidates="candidates: {p: {retrieval: {model: popularity}}}")
    )
    resolved = suite_to_text(read_suite(tmp_path / "suite.yaml"))
    (tmp_path / "suite.yaml").write_text(resolved)
    assert suite_to_text(read_suite(tmp_path / "suite.yaml")) == resolved


def matches(found: str, expected: str) -> bool:
    """A message that ends in a colon and a space is the beginning of one."""
    return found.startswith(expected) if expected.endswith((": ", "images", "ms")) else found == expected


@pytest.mark.parametrize("case", TABLE)
def test_a_wrong_suite_is_answered_with_its_line_and_a_cure(case: str, tmp_path: Path) -> None:
    changed, expected = TABLE[case]
    found = mistakes_of(tmp_path, suite_text(**changed))
    assert len(found) == len(expected), found
    for one, other in zip(found, expected, strict=True):
        assert matches(one, other), f"\nfound    {one}\nexpected {other}"
    assert [path.name for path in tmp_path.iterdir()] == ["suite.yaml"]


def test_the_good_suite_of_these_tests_is_good(tmp_path: Path) -> None:
    (tmp_path / "suite.yaml").write_text(suite_text())
    assert read_suite(tmp_path / "suite.yaml").name == "trial_suite"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "suite.yaml:1: the file is empty: "),
        (b"# only a comment\n", "suite.yaml:1: the file is empty: "),
        (b"- a\n- b\n", "suite.yaml:1: a suite is a mapping (`name: …`), this file holds a list"),
        (b"hello", "suite.yaml:1: a suite is a mapping (`name: …`), this file holds `hello`"),
        (b"name: a\ntask: \xff\n", "suite.yaml:2: byte 0xff is not UTF-8: save the file as UTF-8"),
        (b"\x7fELF\0\0\0", "suite.yaml:1: this is a binary file, not YAML text"),
        (b"name: a\nx: \x07\n", "suite.yaml:2: the character 7 is not YAML: remove it"),
        (b"x" * 300_000, "suite.yaml: 300,000 characters are too many for a suite (limit 200,000)"),
        (b"[" * 5000, "suite.yaml:1: nested more than 30 levels deep: "),
    ],
)
def test_what_is_no_suite_at_all_is_said_in_one_line(content: bytes, expected: str, tmp_path: Path) -> None:
    (found,) = mistakes_of(tmp_path, content)
    assert found.startswith(expected)


def test_a_yaml_bomb_is_refused_before_it_is_expanded(tmp_path: Path) -> None:
    levels = [f"l{i}: &l{i} [{', '.join([f'*l{i - 1}'] * 9)}]" for i in range(1, 12)]
    (found,) = mistakes_of(tmp_path, "l0: &l0 [a, b, c]\n" + "\n".join(levels) + "\n")
    assert found == "suite.yaml:5: expands to more than 20,000 values: use fewer aliases (`*`)"


def test_missing_and_unreadable_files_are_named(tmp_path: Path) -> None:
    (tmp_path / "near.yaml").write_text(suite_text())
    said = r"nera\.yaml:1: there is no such file: beside it are near\.yaml; did you mean .*near\.yaml\?"
    with pytest.raises(SuiteError, match=said):
        read_suite(tmp_path / "nera.yaml")
    far = r"my_suite\.yml:1: there is no such file: beside it are near\.yaml$"
    with pytest.raises(SuiteError, match=far):
        read_suite(tmp_path / "my_suite.yml")
    with pytest.raises(SuiteError, match=r"this is a folder: name a suite file in it"):
        read_suite(tmp_path)


def test_all_mistakes_come_at_once_sorted_by_line(tmp_path: Path) -> None:
    text = suite_text(
        name="name: a b", data="data: {name: digit}", candidates="candidates: {v: vitt}", x="budget: soon"
    )
    found = mistakes_of(tmp_path, text, "training.epochs=x", "nonsense")
    places = [mistake.split(": ")[0] for mistake in found]
    assert places == [
        "suite.yaml:1", "suite.yaml:3", "suite.yaml:5", "suite.yaml:9",
        "--set nonsense", "--set training.epochs=x",
    ]  # fmt: skip


def test_a_mistake_in_shared_training_is_said_once(tmp_path: Path) -> None:
    many = "candidates: {a: small_cnn, b: resnet, c: vit, d: {model: vit, training: {batch_size: 32}}}"
    found = mistakes_of(
        tmp_path, suite_text(training="training: {epochs: x, seeds: [1, 1]}", candidates=many)
    )
    assert len(found) == 2


def test_a_mistake_hides_no_other_of_its_line(tmp_path: Path) -> None:
    text = suite_text(training="training: {epochs: five, time_limit: ten minutes}")
    assert [said.split(": ")[1] for said in mistakes_of(tmp_path, text)] == [
        "training.time_limit", "training.epochs",
    ]  # fmt: skip


def test_a_mistake_in_an_extended_file_points_into_that_file(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text("\n\n" + suite_text(training="training: {epochs: -1, batch_size: 0}"))
    found = mistakes_of(tmp_path, "extends: base.yaml\ntraining:\n  batch_size: -5\n")
    assert found == [
        "suite.yaml:3: training.batch_size: `-5` is out of range: it must be at least 1",
        "base.yaml:6: training.epochs: `-1` is out of range: it must be at least 1",
    ]


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("epochs", "--set epochs: write `--set a.b=c`, for instance `--set training.epochs=2`"),
        (
            "training.epochs.more=1",
            "--set training.epochs.more=1: training.epochs is `1`: it has no `more` in it",
        ),
        (
            "training.seeds.3=1",
            "--set training.seeds.3=1: training.seeds is a list of 1 and has no item `3`: "
            "use training.seeds.0 to training.seeds.0, or set the whole list: training.seeds=[…]",
        ),
        ("extends=x.yaml", "--set extends=x.yaml: extends can only stand in the file"),
        ("name=[", "--set name=[: not valid YAML: "),
        ("trainig.epochs=1", "--set trainig.epochs=1: trainig: unknown key: did you mean `training`?"),
    ],
)
def test_a_wrong_override_is_named_as_it_was_typed(override: str, expected: str, tmp_path: Path) -> None:
    (found,) = mistakes_of(tmp_path, suite_text(), override)
    assert matches(found, expected), found


def test_a_cost_may_rest_on_single_stream_latency_alone(tmp_path: Path) -> None:
    file = tmp_path / "suite.yaml"
    scenarios = "serving: {scenarios: {single_stream: {}}}"
    file.write_text(
        suite_text(serving=scenarios, decision="decision: {objective: minimize cost_per_month_usd}")
    )
    assert read_suite(file).decision.objective == "minimize cost_per_month_usd"


def test_every_metric_of_quality_is_measured_by_a_kind_of_task_and_every_kind_measures_known_ones() -> None:
    from harness.kinds import KINDS
    from harness.metrics import METRICS
    from harness.tasks.recommendation import online

    measured = {name for kind in KINDS.values() for name in kind.metrics}
    assert measured == {name for name, metric in METRICS.items() if metric.about == "quality"}
    assert all(KINDS["recommendation"].measures(name) for name in online.METRICS)
    assert all(set(kind.watchable) <= set(kind.metrics) for kind in KINDS.values())


@pytest.mark.parametrize(
    ("objective", "cure"),
    [
        ("maximize latency_p99_ms", "better the lower: write `minimize latency_p99_ms`"),
        ("minimize accuracy", "better the higher: write `maximize accuracy`"),
        ("maximize off_by", "better the lower: write `minimize off_by`"),
    ],
)
def test_an_objective_against_its_metric_would_name_the_worst(
    objective: str, cure: str, tmp_path: Path
) -> None:
    (tmp_path / "mine.py").write_text("def off_by(probabilities, targets):\n    return 1.0\n")
    path = tmp_path / "s.yaml"
    path.write_text(
        "name: s\ntask: image_classification\ndata: {name: digits}\ncandidates: {one: small_cnn}\n"
        "metrics: {off_by: {function: 'mine:off_by', better: lower}}\n"
        f"decision: {{objective: {objective}}}\n"
    )
    with pytest.raises(SuiteError, match="s.yaml:6: decision.objective: .* would name the worst") as error:
        read_suite(path)
    assert cure in str(error.value)
    path.write_text(path.read_text().replace(objective, "minimize off_by"))
    suite = read_suite(path)
    with pytest.raises(SuiteError, match="would name the worst"):
        goal_of(suite, objective)
    assert goal_of(suite, "minimize latency_p50_ms").sign == -1
