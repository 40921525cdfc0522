"""A metric of the user's own: declared in the suite, called by score trials, a column like any other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from harness.analysis.outputs import stored_suite, table_of
from harness.metrics import METRICS, metrics_of
from harness.metrics.jackknife import STORED, parts_of
from harness.planning.trials import plan_trials
from harness.protocols import Split
from harness.reading import read_suite
from harness.record import Measurement, Record, SuiteError, TrialError
from harness.results import Estimate
from harness.store.runs import RunFolder
from harness.tasks.evaluation import measure_own, write_predictions
from tests.report_samples import Made, make_records, make_run, make_suite

SUITE = """\
name: own
task: image_classification
data: {{name: digits}}
training: {{seeds: [0], epochs: 1}}
candidates: {{cnn: small_cnn}}
serving: {{runtimes: [torch], rounds: 1, scenarios: {{single_stream: {{}}}}}}
metrics:
  {metrics}
decision: {{objective: {objective}}}
"""
FUNCTIONS = """\
def within(probabilities, targets):
    return (probabilities[:, 1] > 0.5) == (targets == 1)

def total(probabilities, targets):
    return probabilities.sum()

def broken(probabilities, targets):
    raise ValueError("no such class")

def exchanged(y_true, y_pred):
    return y_true.max(1) - y_pred

def alone(probabilities):
    return probabilities.max(1)

def weighed(probabilities, targets, weight=2.0):
    return weight * (probabilities.argmax(1) == targets)
"""
GOOD = 'own_share: {function: "my_metrics:within", unit: fraction, better: higher}'


def written(folder: Path, metrics: str = GOOD, objective: str = "maximize own_share") -> Path:
    (folder / "my_metrics.py").write_text(FUNCTIONS)
    path = folder / "suite.yaml"
    path.write_text(SUITE.format(metrics=metrics, objective=objective))
    return path


@pytest.fixture
def importable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "metrics_of_mine.py").write_text(FUNCTIONS)
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def test_a_declared_metric_may_be_limited_and_is_known_with_its_direction(tmp_path: Path) -> None:
    suite = read_suite(written(tmp_path))
    assert suite.decision.objective == "maximize own_share"
    known = metrics_of(suite)["own_share"]
    assert (known.unit, known.better) == ("fraction", "higher")
    assert (known.low, known.high) == (0.0, 1.0)


@pytest.mark.parametrize("name", ["wer", "val_loss", "top5_error", "desk_cost", "gap"])
def test_a_metric_of_which_less_may_be_better_is_asked_which_way_it_goes(tmp_path: Path, name: str) -> None:
    goes = "minimize gap" if name == "gap" else f"maximize {name}"
    with pytest.raises(SuiteError) as told:
        read_suite(written(tmp_path, f'{name}: {{function: "my_metrics:within"}}', goes))
    (mistake,) = told.value.mistakes  # and not that the objective should be turned round
    assert (
        f"metrics.{name}: `{name}` does not say which way is an improvement: add `better: lower`" in mistake
    )
    said = f'{name}: {{function: "my_metrics:within", better: lower}}'
    assert metrics_of(read_suite(written(tmp_path, said, f"minimize {name}")))[name].better == "lower"
    saved = 'cost_saved: {function: "my_metrics:within"}'
    assert (
        metrics_of(read_suite(written(tmp_path, saved, "maximize cost_saved")))["cost_saved"].better
        == "higher"
    )


def test_every_fraction_of_the_harness_lies_between_0_and_1_but_r2() -> None:
    """R² is a share of the variance, and negative where a model is worse than the mean."""
    ends = {name: (m.low, m.high) for name, m in METRICS.items() if m.unit == "fraction"}
    assert ends.pop("r2") == (-np.inf, 1.0) and set(ends.values()) == {(0.0, 1.0)}


@pytest.mark.parametrize(
    ("metrics", "said"),
    [
        ('accuracy: {function: "my_metrics:within"}', "suite.yaml:8: metrics.accuracy: `accuracy` is taken"),
        ('Own: {function: "my_metrics:within"}', "a metric's name has small letters"),
        (
            'own_share: {function: "my_metrics:witin"}',
            "defines no `witin`: did you mean `within`?",
        ),
        (
            'own_share: {function: "nowhere:f"}',
            "there is no module `nowhere`: put nowhere.py",
        ),
        ("own_share: {function: within}", "`within` is not a function: write my_metrics:within"),
        ('own_share: {function: "my_metrics:within", better: up}', "metrics.own_share.better"),
        ('own_share: {function: "my_metrics:exchanged"}', "takes `y_true` before `y_pred`: exchange the two"),
        (
            'own_share: {function: "my_metrics:alone"}',
            "and takes probabilities: write `def metric(predictions,",
        ),
    ],
)
def test_a_mistake_in_a_metric_is_told_with_its_line_and_cure(
    tmp_path: Path, metrics: str, said: str
) -> None:
    with pytest.raises(SuiteError) as told:
        read_suite(written(tmp_path, metrics, "maximize accuracy"))
    assert said in str(told.value)
    assert "suite.yaml:8" in str(told.value)


def test_an_unknown_metric_is_answered_with_the_nearest_own_one(tmp_path: Path) -> None:
    with pytest.raises(SuiteError, match="did you mean `own_share`"):
        read_suite(written(tmp_path, objective="maximize own_shar"))


def test_recommenders_have_no_predictions_that_an_own_metric_could_read(tmp_path: Path) -> None:
    path = written(tmp_path)
    text = path.read_text().replace("image_classification", "recommendation").replace("digits", "mock_shop")
    path.write_text(text.replace("cnn: small_cnn", "popular: {retrieval: {model: popularity}}"))
    with pytest.raises(SuiteError, match="own metrics read a prediction for each example"):
        read_suite(path)


def test_a_changed_function_scores_again_and_neither_trains_nor_serves_again(tmp_path: Path) -> None:
    def ids() -> dict[str, str]:
        return {t.kind: t.id for t in plan_trials(read_suite(path))}

    path = written(tmp_path)
    before = ids()
    (tmp_path / "my_metrics.py").write_text(FUNCTIONS.replace("0.5", "0.6"))
    after = ids()
    assert before["train"] == after["train"]
    assert before["score"] != after["score"]
    assert before["serve"] == after["serve"], "the artifact is the same"


def test_scores_per_example_are_kept_and_their_mean_is_the_metric(importable: Path) -> None:
    functions = {"own": ["metrics_of_mine:within", "fraction"], "sum": ["metrics_of_mine:total", "usd"]}
    probabilities = np.array([[0.2, 0.8], [0.9, 0.1], [0.4, 0.6], [0.7, 0.3]])
    measured, scores = measure_own(functions, probabilities, np.array([1, 0, 0, 0]))
    assert measured == (Measurement("own", 0.75, "fraction"), Measurement("sum", 4.0, "usd"))
    assert list(scores) == ["own"] and scores["own"].tolist() == [1, 1, 0, 1]


def test_a_metric_that_raises_or_returns_nonsense_fails_its_trial_with_its_name(importable: Path) -> None:
    probabilities, targets = np.full((4, 2), 0.5), np.zeros(4)
    with pytest.raises(TrialError, match="metric own: .* raised ValueError: no such class"):
        measure_own({"own": ["metrics_of_mine:broken", ""]}, probabilities, targets)
    (importable / "short_of_mine.py").write_text("def short(p, t):\n    return p[:2, 0]\n")
    with pytest.raises(TrialError, match="returned shape \\(2,\\).*a score for each of the 4 examples"):
        measure_own({"own": ["short_of_mine:short", ""]}, probabilities, targets)


def test_the_table_has_it_with_an_interval_over_examples_and_seeds(tmp_path: Path) -> None:
    """Read from the records alone: the function is not there any more."""
    rng = np.random.default_rng(0)
    estimate = figure(tmp_path, 0.8, lambda: {"own_share": (rng.random(200) < 0.8).astype(float)})
    assert estimate.value == pytest.approx(0.8)
    assert estimate.low is not None and 0.5 < estimate.low < 0.8 < (estimate.high or 0) < 1.0


@pytest.mark.parametrize("name", ["own_share", f"{STORED}own_share"])
@pytest.mark.parametrize("value", [0.99, 0.01, 1.0])
def test_an_interval_of_a_fraction_lies_between_0_and_1(tmp_path: Path, value: float, name: str) -> None:
    """Cells read 0.98 (0.95 to 1.03). Scores that are right or wrong, and a number with parts left out."""
    values = (np.arange(200) % 100 < 100 * value).astype(float)
    if name.startswith(STORED):
        parts = parts_of(np.arange(200))
        values = (value + np.random.default_rng(1).normal(0, min(value, 1 - value), 20))[parts]
    estimate = figure(tmp_path, value, lambda: {name: values})
    assert estimate.value == pytest.approx(value)
    assert estimate.low is not None and estimate.high is not None
    assert 0 <= estimate.low <= value <= estimate.high <= 1 and estimate.low < estimate.high


@pytest.mark.parametrize(
    ("values", "is_said"), [((1.2, 1.4), True), ((-1.0, 1.0), True), ((0.0, 1.0), False)]
)
def test_a_fraction_that_is_none_keeps_its_interval_and_is_told_to_name_its_unit(
    tmp_path: Path, values: tuple[float, float], is_said: bool
) -> None:
    """`fraction` is what an own metric is where nobody says otherwise: a gain of 1.3 is not cut to 1."""
    scores = np.resize(values, 200)
    run = own_run(tmp_path, float(scores.mean()), lambda: {"own_share": scores})
    table = table_of(run, stored_suite(run))
    said = [w for w in table.warnings if "write its `unit` under metrics.own_share" in w]
    assert len(said) == is_said
    found = table.rows[0].estimates["own_share"]
    assert found.low is not None and found.high is not None and found.low < scores.mean() < found.high
    assert (found.high > 1) == (values[0] > 1)


def figure(folder: Path, value: float, scores: Callable[[], dict[str, np.ndarray]]) -> Estimate:
    run = own_run(folder, value, scores)
    return table_of(run, stored_suite(run)).rows[0].estimates["own_share"]


def own_run(folder: Path, value: float, scores: Callable[[], dict[str, np.ndarray]]) -> RunFolder:
    """A run of one network with two seeds, whose own metric was measured on 200 examples."""
    world = (Made("small_cnn", 0.9, 0.3, 60, 1000),)
    own = {"own_share": {"function": "gone:gone", "unit": "fraction", "better": "higher"}}
    suite = make_suite(world, ("torch",), metrics=own, decision={"objective": "maximize own_share"})
    records = make_records(world, seeds=(0, 1), sizes=(100,), rounds=1, calls=30, runtimes=("torch",))
    run = make_run(folder, [with_own(r, value) for r in records], suite, files=False)
    for record in records:
        if record.trial.kind == "score":
            part = Split(np.zeros(200), np.zeros(200, np.int64), np.arange(200))
            write_predictions(
                run.trial_folder(record.trial.id) / "predictions.parquet", part, np.full((200, 2), 0.5),
                scores(),
            )  # fmt: skip
    return run


def with_own(record: Record, value: float) -> Record:
    if record.trial.kind != "score":
        return record
    return replace(record, measurements=(*record.measurements, Measurement("own_share", value, "fraction")))


def test_a_librarys_function_that_takes_the_targets_first_is_refused_when_it_is_called(
    importable: Path,
) -> None:
    forecast, sold = np.array([1.0, 2.0, 8.0]), np.array([2.0, 2.0, 4.0])
    said = "takes `y_true` before `y_pred`: exchange the two .of a library's function: `def metric"
    with pytest.raises(TrialError, match=said):
        measure_own({"own": ("sklearn.metrics:mean_absolute_percentage_error", "fraction")}, forecast, sold)
    (found,), _ = measure_own({"own": ("metrics_of_mine:weighed", "")}, np.eye(3), np.arange(3))
    assert found.value == 2.0, "a third argument with a default is the function's own affair"
