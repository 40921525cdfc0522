"""Which class matters, what scores tell, and what a search looks at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score, balanced_accuracy_score, roc_auc_score

from harness.analysis.predictions import read_predictions, score_examples
from harness.datasets.line_of_names import headless
from harness.kinds import quality
from harness.planning.trials import plan_trials
from harness.planning.tuning import watched_by, watched_note
from harness.protocols import Job, Split, Task
from harness.reading import read_suite
from harness.record import SuiteError, Trial, TrialError
from harness.suite.class_keys import class_keys
from harness.suite.schema import Training
from harness.tasks import supervised
from harness.tasks.evaluation import measure_quality, write_predictions

N = 400


def table(path: Path, names: tuple[str, str], share: float = 0.1) -> Path:
    """Two overlapping classes of which the second is rare."""
    random = np.random.default_rng(0)
    rare = random.random(N) < share
    x = random.normal(size=(N, 3)) + np.outer(rare, [1.3, 0.8, 0.0])
    rows = [f"{a:.4f},{b:.4f},{c:.4f},{names[int(y)]}\n" for (a, b, c), y in zip(x, rare, strict=True)]
    path.write_text("a,b,c,y\n" + "".join(rows))
    return path


SUITE = """name: classes
task: tabular_classification
data: {{name: tabular_csv, path: t.csv, target: y}}
training: {{seeds: [0], epochs: 2{tuning}}}
candidates: {{one: {model}}}
serving: {{runtimes: [sklearn, torch]}}
decision: {{{decision}}}
"""


def suite(folder: Path, decision: str, model: str = "'sklearn:LogisticRegression'", tuning: str = "") -> Path:
    (folder / "suite.yaml").write_text(SUITE.format(decision=decision, model=model, tuning=tuning))
    return folder / "suite.yaml"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_DATA", str(tmp_path / "cache"))


def run(folder: Path, spec: Mapping[str, Any]) -> tuple[Any, Any]:
    """Train and score one specification; the outcomes."""
    trial = Trial("train", "one", spec)
    (folder / "train").mkdir(exist_ok=True)
    (folder / "score").mkdir(exist_ok=True)
    trained = supervised.train(Job(trial, folder / "train", {}, lambda _: None))
    scored = Trial("score", "one", {**spec, "fitted": trial.id, "runtime": spec.get("runtime", "sklearn")})
    return trained, supervised.score(
        Job(scored, folder / "score", {trial.id: folder / "train"}, lambda _: None)
    )


def spec_of(path: Path, model: str, **more: Any) -> dict[str, Any]:
    return {
        "model": model, "args": {}, "task": "tabular_classification", "seed": 0, "train_size": None,
        "data": {"name": "tabular_csv", "args": {"path": str(path), "target": "y"}, "seed": 0},
        "training": Training(epochs=2).model_dump(), **more,
    }  # fmt: skip


# ------------------------------------------------------------------------------------- the class that matters


@pytest.mark.parametrize("names", [("legit", "fraud"), ("legit", "z_fraud"), ("Zed", "Ann"), ("b", "a")])
def test_average_precision_is_of_the_class_that_is_named_whatever_it_is_called(
    tmp_path: Path, names: tuple[str, str]
) -> None:
    path = table(tmp_path / "t.csv", names)
    _, scored = run(tmp_path, spec_of(path, "sklearn:LogisticRegression", positive=names[1]))
    stored = read_predictions((tmp_path / "score/predictions.parquet").read_bytes())
    which = sorted(names).index(names[1])
    wanted = average_precision_score(stored.targets == which, stored.outputs[:, which])
    values = {m.metric: m.value for m in scored.measurements}
    assert values["pr_auc"] == pytest.approx(wanted) and scored.facts.positive == names[1]
    again = score_examples("pr_auc", stored)
    assert again is not None and again.values.mean() == pytest.approx(wanted)
    other = average_precision_score(stored.targets != which, stored.outputs[:, 1 - which])
    assert abs(wanted - other) > 0.1  # it would show


@pytest.mark.parametrize("decision", [
    "objective: maximize pr_auc", "constraints: ['pr_auc >= 0.5'], objective: maximize accuracy",
    "threshold: {goal: f1}", "objective: maximize value, value: 2*pr_auc",
])  # fmt: skip
def test_a_decision_that_depends_on_the_class_asks_for_it(tmp_path: Path, decision: str) -> None:
    table(tmp_path / "t.csv", ("legit", "fraud"))
    cure = "add `positive: fraud` or `positive: legit` under decision"
    with pytest.raises(SuiteError, match=r"suite\.yaml:7: decision: .* of one class, .*" + cure):
        read_suite(suite(tmp_path, decision))
    assert read_suite(suite(tmp_path, decision + ", positive: fraud")).decision.positive == "fraud"
    with pytest.raises(SuiteError, match="decision.positive: `frud` is not a class: did you mean `fraud`"):
        read_suite(suite(tmp_path, decision + ", positive: frud"))


@pytest.mark.parametrize("names", [("no", "yes"), ("0", "1"), ("False", "True"), ("-1", "1"), ("neg", "pos")])
def test_names_that_everybody_reads_alike_need_no_word(tmp_path: Path, names: tuple[str, str]) -> None:
    table(tmp_path / "t.csv", names)
    plain = read_suite(suite(tmp_path, "objective: maximize pr_auc"))
    named = read_suite(suite(tmp_path, f"objective: maximize pr_auc, positive: {names[1]}"))
    assert named.decision.positive == names[1]
    assert [t.id for t in plan_trials(plain)] == [t.id for t in plan_trials(named)]
    turned = read_suite(suite(tmp_path, f"objective: maximize pr_auc, positive: {names[0]}"))
    before, after = ({t.kind: t.id for t in plan_trials(s)} for s in (plain, turned))
    assert {kind for kind in before if before[kind] != after[kind]} == {"score"}


def test_a_named_class_is_for_two_classes(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,y\n" + "".join(f"{i},{'xyz'[i % 3]}\n" for i in range(60)))
    with pytest.raises(SuiteError, match="decision.positive: is for two classes: drop it"):
        read_suite(suite(tmp_path, "objective: maximize accuracy, positive: x"))


def test_a_name_that_is_a_value_of_its_column_is_still_a_name_where_another_stands_above_numbers(
    tmp_path: Path,
) -> None:
    rows = [f"{i},{'xyz'[i % 3]}" for i in range(60)]
    with_names, without = tmp_path / "with.csv", tmp_path / "without.csv"
    with_names.write_text("\n".join(["a,y", *rows]))
    without.write_text("\n".join([*rows, *rows]))
    frame = pd.read_csv(with_names)
    assert headless(with_names, frame) == ""
    assert "has no line of names" in headless(without, pd.read_csv(without))


# ------------------------------------------------------------------------------------------------ scores


@pytest.mark.parametrize(
    "model", ["LinearSVC", "SVC", "NuSVC", "RidgeClassifier", "Perceptron", "SGDClassifier"]
)
@pytest.mark.parametrize("runtime", ["sklearn", "onnx"])
@pytest.mark.parametrize("classes", [2, 3])
def test_estimators_without_probabilities_are_ranked_by_their_scores(
    tmp_path: Path, model: str, runtime: str, classes: int
) -> None:
    random = np.random.default_rng(1)
    y = random.integers(0, classes, N)
    x = random.normal(size=(N, 3)) + y[:, None] * [1.0, 0.4, 0.0]
    rows = "".join(f"{a:.4f},{b:.4f},{c:.4f},{k}\n" for (a, b, c), k in zip(x, y, strict=True))
    (tmp_path / "t.csv").write_text("a,b,c,y\n" + rows)
    args = {"nu": 0.5} if model == "NuSVC" else {}
    _, scored = run(tmp_path, spec_of(tmp_path / "t.csv", f"sklearn:{model}", runtime=runtime, args=args))
    values = {m.metric: m for m in scored.measurements}
    stored = read_predictions((tmp_path / "score/predictions.parquet").read_bytes())
    assert stored.answers == "scores" == scored.facts.answers and scored.facts.calibration is None
    odds = stored.outputs.astype(float) * 2 - 1
    decisions = odds / (1 - np.abs(odds))  # what the estimator said
    wanted = np.mean(
        [roc_auc_score(stored.targets == c, decisions[:, c]) for c in range(classes)][classes == 2 :]
    )
    assert values["roc_auc"].value == pytest.approx(wanted, abs=1e-6) and wanted > 0.6
    assert values["accuracy"].value == pytest.approx((decisions.argmax(1) == stored.targets).mean())
    for name in ("log_loss", "ece", "brier"):
        assert values[name].value is None and values[name].note == "not estimable (no probabilities)"
        assert score_examples(name, stored) is None
    assert scored.facts.parity.max_abs_difference < 1e-4


def test_scores_are_those_of_the_decision_function(tmp_path: Path) -> None:
    from sklearn.svm import LinearSVC

    from harness.exported.estimator import answer_kind, class_answers

    random = np.random.default_rng(2)
    x, y = random.normal(size=(80, 3)), random.integers(0, 2, 80)
    machine = LinearSVC().fit(x, y)
    answers = class_answers(machine, x, [0, 1], 2)
    decision = machine.decision_function(x)
    assert answer_kind(machine) == "scores" and np.allclose(answers.sum(1), 1)
    assert np.array_equal(np.argsort(answers[:, 1]), np.argsort(decision))
    assert np.array_equal(answers.argmax(1), machine.predict(x))


def test_answers_that_are_classes_alone_rank_nothing() -> None:
    answers, targets = np.eye(2, dtype=np.float32)[[0, 1, 1, 0]], np.array([0, 1, 0, 0])
    task = Task("tabular_classification", 2, ("a", "b"), (1,))
    values = {m.metric: m for m in measure_quality(answers, targets, task, "classes")}
    assert values["accuracy"].value == 0.75
    assert values["roc_auc"].note == values["pr_auc"].note == "not estimable (no scores)"


def test_groups_and_the_positive_class_are_stored_with_the_answers(tmp_path: Path) -> None:
    groups = np.array([3, 3, 5])
    part = Split(np.zeros((3, 1)), np.array([0, 1, 1]), np.arange(3), groups)
    write_predictions(tmp_path / "p.parquet", part, np.full((3, 2), 0.5, np.float32), positive=0)
    stored = read_predictions((tmp_path / "p.parquet").read_bytes())
    assert stored.positive == 0 and stored.groups is not None and stored.groups.tolist() == [3, 3, 5]
    write_predictions(tmp_path / "p.parquet", replace(part, groups=np.arange(3)), np.full((3, 2), 0.5))
    assert read_predictions((tmp_path / "p.parquet").read_bytes()).groups is None


# ------------------------------------------------------------------------------------------------ weights


@pytest.mark.parametrize(
    ("weights", "names", "wanted"),
    [
        ({"0": 1, "1": 20}, ("no", "yes"), {0: 1, 1: 20}),
        ({"no": 1, "yes": 20}, ("no", "yes"), {0: 1, 1: 20}),
        ({"1": 3}, ("1", "2"), {0: 3}),
        ({"1.0": 3, "2": 4}, ("1", "2"), {0: 3, 1: 4}),
        ({"true": 5, "False": 1}, ("False", "True"), {1: 5, 0: 1}),
        ({"-1": 1, "1": 2}, ("-1", "1"), {0: 1, 1: 2}),
        ({"0.5": 7}, ("0.5", "1.5"), {0: 7}),
    ],
)
def test_weights_name_classes_by_name_or_number(
    weights: dict[str, float], names: tuple[str, ...], wanted: dict[int, float]
) -> None:
    assert class_keys(weights, names) == wanted


def test_weights_of_no_class_are_refused_before_anything_starts(tmp_path: Path) -> None:
    table(tmp_path / "t.csv", ("no", "yes"))
    model = "{{model: 'sklearn:LogisticRegression', args: {{class_weight: {{{0}}}}}}}"
    for written, message in (
        ("maybe: 2", r"'maybe' is not a class: there are no \(0\), yes \(1\)"),
        ("2: 2", "'2' is not a class"),
        ('"yes": 2, 1: 3', "'yes' stands twice, by name and by number"),
        ("0: heavy", "the weight of '0' is 'heavy'"),
    ):
        with pytest.raises(
            SuiteError, match=r"suite\.yaml:5: candidates\.one\.args\.class_weight: .*" + message
        ):
            read_suite(suite(tmp_path, "objective: maximize accuracy", model.format(written)))
    read_suite(suite(tmp_path, "objective: maximize accuracy", model.format('0: 1, "yes": 20')))


def test_weights_by_name_and_by_number_train_the_same_model(tmp_path: Path) -> None:
    path, recalls = table(tmp_path / "t.csv", ("no", "yes")), []
    for i, weights in enumerate(({"0": 1, "1": 20}, {"no": 1, "yes": 20}, {})):
        (tmp_path / str(i)).mkdir()
        args = {"class_weight": weights} if weights else {}
        _, scored = run(tmp_path / str(i), spec_of(path, "sklearn:LogisticRegression", args=args))
        recalls.append(scored.facts.per_class_accuracy["yes"])
    assert recalls[0] == recalls[1] > recalls[2]


# ------------------------------------------------------------------------------------------ what is searched


@pytest.mark.parametrize(
    ("decision", "watched", "said"),
    [
        ("objective: maximize accuracy", "accuracy", False),
        ("objective: maximize balanced_accuracy", "balanced_accuracy", False),
        ("objective: minimize log_loss", "log_loss", False),
        ("objective: maximize value, value: 100*f1_macro - cold_start_ms", "f1_macro", True),
        ("constraints: ['recall_macro >= 0.5'], objective: minimize latency_p50_ms", "recall_macro", True),
        ("objective: minimize latency_p50_ms", "accuracy", True),
    ],
)
def test_a_search_looks_at_the_suites_own_quality_or_says_what_it_looks_at(
    tmp_path: Path, decision: str, watched: str, said: bool
) -> None:
    table(tmp_path / "t.csv", ("no", "yes"))
    tuning = ", tuning: {trials: 2, search: random, space: {args.C: {loguniform: [0.1, 10]}}}"
    read = read_suite(suite(tmp_path, decision, tuning=tuning))
    assert watched_by(read) == watched
    specs = [t.spec for t in plan_trials(read) if t.kind == "train"]
    assert {spec.get("watch", "accuracy") for spec in specs} == {watched}
    assert (f" at {watched} on validation examples" in watched_note(read)) is said


def test_the_best_epoch_is_the_one_of_the_watched_metric(tmp_path: Path) -> None:
    """Of 4 % rare examples an early network finds none and is nearly always right."""
    path = table(tmp_path / "t.csv", ("no", "yes"), 0.15)
    (tmp_path / "my_mlp.py").write_text(
        "from torch import nn\n\n\ndef build(task, *, width: int = 16):\n"
        "    return nn.Sequential(nn.Linear(3, width), nn.ReLU(), nn.Linear(width, task.num_classes))\n"
    )
    import sys

    sys.path.insert(0, str(tmp_path))
    try:
        training = {**Training(epochs=6).model_dump(), "batch_size": 16}
        spec = spec_of(path, "my_mlp:build", watch="balanced_accuracy", training=training, runtime="torch")
        trained, _ = run(tmp_path, {**spec, "data": {**spec["data"], "validation": 0.3}})
    finally:
        sys.path.remove(str(tmp_path))
    stored = read_predictions((tmp_path / "train/validation.parquet").read_bytes())
    best = balanced_accuracy_score(stored.targets, stored.outputs.argmax(1))
    history = (tmp_path / "train/history.csv").read_text().splitlines()
    place = history[0].split(",").index("validation_score")
    scores = [float(line.split(",")[place]) for line in history[1:]]
    assert (
        max(scores) == pytest.approx(best, abs=1e-6)
        and trained.facts.best_epoch_metric == "balanced_accuracy"
    )


# ------------------------------------------------------------------------------------------------ one request


@pytest.mark.parametrize(
    "tail", [".squeeze()", "[:, 0].squeeze()", ".squeeze() * 1", ".squeeze(-1)", "[:, 0]"]
)
def test_a_network_that_forgets_the_batch_is_told_when_it_starts(tmp_path: Path, tail: str) -> None:
    (tmp_path / "t.csv").write_text(
        "a,b,c,y\n" + "".join(f"{i},{i * 2},{i % 7},{i * 1.5}\n" for i in range(200))
    )
    name = f"tail_{abs(hash(tail))}"
    (tmp_path / f"{name}.py").write_text(
        "from torch import nn\n\n\nclass Net(nn.Module):\n"
        "    def __init__(self):\n        super().__init__()\n        self.net = nn.Linear(3, 1)\n\n"
        f"    def forward(self, x):\n        return self.net(x){tail}\n\n\n"
        "def build(task):\n    return Net()\n"
    )
    import sys

    sys.path.insert(0, str(tmp_path))
    spec = {**spec_of(tmp_path / "t.csv", f"{name}:build", runtime="torch"), "task": "tabular_regression"}
    try:
        if tail in (".squeeze(-1)", "[:, 0]"):
            assert run(tmp_path, spec)[1].facts.parity.max_abs_difference < 1e-5
            return
        with pytest.raises(TrialError, match=r"it cannot be served.*Write `\.squeeze\(-1\)`"):
            run(tmp_path, spec)
    finally:
        sys.path.remove(str(tmp_path))


@pytest.mark.parametrize("value", [0.1, 1e-9, 7.0, -3.3e20])
def test_targets_that_are_all_equal_have_no_share_that_could_be_explained(value: float) -> None:
    targets = np.full(1000, value)
    assert np.isnan(quality.r2(targets + 0.5, targets)) and np.isnan(quality.r2(targets, targets))


@pytest.mark.parametrize(("positive", "wanted"), [(0, 0.03), (1, 0.97), (None, 0.97)])
def test_the_constant_answer_is_judged_on_the_class_that_matters(positive: int | None, wanted: float) -> None:
    from harness.analysis.sanity import _constant

    counts = {"fraud": 30, "legit": 970}
    found = _constant(counts, counts) if positive is None else _constant(counts, counts, positive)
    assert found["pr_auc"] == pytest.approx(wanted) and found["roc_auc"] == pytest.approx(0.5)
    assert found["accuracy"] == pytest.approx(0.97)
