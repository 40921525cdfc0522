"""The report's pages on errors: from predictions and the data's own texts, on a made-up run."""

from __future__ import annotations

import base64
import io
import json
import re
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from harness.analysis import errors as error_analysis
from harness.analysis.aggregates import calibration_correction
from harness.analysis.errors import at_temperature, fit_temperature, worst_errors
from harness.analysis.thresholds import choose
from harness.datasets.parts import load_parts
from harness.kinds import quality
from harness.protocols import Split
from harness.record import Measurement, Record, Trial
from harness.report import numbers as n
from harness.report.evidence import Evidence
from harness.report.sections import SECTIONS, errors, thresholds
from harness.report.sections.answers import answers_of, validation_answers
from harness.report.sections.calibration import calibration
from harness.report.thumbnails import data_uri
from harness.results import Estimate, Recommendation, Row, Tradeoff
from harness.store.runs import RunFolder
from harness.suite.schema import Suite, Threshold
from tests.runs_here import run_here
from tests.small_suites import SUITE, write_suite


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    lines = ["text,label,source"]
    for i in range(400):
        turn = "not " if i % 3 == 0 else ""
        mood = ("bad", "good")[(i % 2) ^ (i % 3 == 0)]
        label = ("negative", "positive")[i % 2]
        lines.append(f"film{i} is {turn}{mood} <b>&,{label},{('web', 'print')[i % 4 == 0]}")
    path = tmp_path_factory.mktemp("films") / "films.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def answers(part: Split, misses_negation: bool, seed: int) -> np.ndarray:
    """Probabilities of a candidate that is right, or right except where there is a `not`; too sure."""
    random = np.random.default_rng(seed)
    right = random.random(len(part)) < 0.9
    if misses_negation:
        right &= np.array([" not " not in text for text in part.inputs])
    sure = random.uniform(0.9, 0.999, len(part))
    share = np.where(right, sure, 1 - sure)
    positive = np.where(part.targets == 1, share, 1 - share)
    return np.stack([1 - positive, positive], axis=1)


def write(path: Path, part: Split, p: np.ndarray) -> None:
    columns = {"id": part.ids, "target": part.targets, "p_0": p[:, 0], "p_1": p[:, 1]}
    pq.write_table(pa.table(columns), path)


@pytest.fixture(scope="module")
def evidence(films: Path, tmp_path_factory: pytest.TempPathFactory) -> Evidence:
    data = {
        "name": "text_csv",
        "args": {"path": str(films), "columns": ["source"]},
        "validation": 0.2,
        "seed": 0,
    }
    question = {
        "name": "films", "task": "text_classification",
        "data": {"name": "text_csv", "args": data["args"], "validation": 0.2},
        "candidates": {"lstm": {"model": "lstm"}, "encoder": {"model": "transformer_encoder"}},
    }  # fmt: skip
    suite = Suite.model_validate_json(json.dumps(question))
    run = RunFolder(str(tmp_path_factory.mktemp("run") / "films" / "20261123-150000-abcdef01"))
    Path(run.url).mkdir(parents=True)
    parts = load_parts(data, None)
    records = []
    for number, name in enumerate(suite.candidates):
        train = Trial("train", name, {"candidate": name, "data": data, "seed": 0}, seed=0)
        spec = {**train.spec, "fitted": train.id, "runtime": "torch"}
        score = Trial("score", name, spec, seed=0, runtime="torch", needs=(train.id,))
        for trial, part, file in (
            (train, parts.validation, "validation.parquet"),
            (score, parts.test, "predictions.parquet"),
        ):
            accuracy = Measurement("accuracy", 0.8, "fraction")
            facts = {"class_names": ["negative", "positive"]}
            record = Record(trial, "finished", (accuracy,), {}, "2026-11-23T15:00:00+00:00", 1.0, None, facts)
            scratch = run.scratch(trial.id)
            write(scratch / file, part, answers(part, name == "lstm", number))
            run.commit(record, scratch)
            records.append(record)
    nothing = Recommendation("not_enough_evidence", None, None)
    return Evidence(run, suite, tuple(records), Tradeoff((), ("accuracy",), {}), nothing)


def test_the_slices_say_what_the_lstm_gets_wrong_and_the_encoder_does_not(evidence: Evidence) -> None:
    found = errors.slices(evidence)
    assert found is not None
    said = "lstm gets wrong what encoder gets right above all on “negation”: 0.00 of "
    assert said in found.html and said in found.markdown
    assert "encoder is right most often, for 0." in found.html
    assert "source = web" in found.html and '<td class="num bad"' in found.html
    assert "“negation”: right for encoder, wrong for lstm (" in found.html
    assert "rare words: in fewer than 3 of the 2" in found.html.lower()


def test_two_candidates_with_the_same_answers_are_not_told_apart(evidence: Evidence) -> None:
    a = errors.answers_of(evidence, with_examples=True)
    assert a is not None
    same = replace(a, right={"lstm": a.right["encoder"], "encoder": a.right["encoder"]})
    assert same.best == "lstm"
    whole = errors._over_all(evidence, same, "encoder")
    gaps = error_analysis.gaps(same.right["encoder"], same.right["lstm"], errors._kinds(evidence, a))
    (said,) = errors._said_of(same, "encoder", whole, gaps, "sentence")
    assert said.startswith("encoder and lstm are not separated: over all 8")
    assert f"; further behind on no kind of sentence, of {len(gaps)}, than chance explains." in said


def test_the_worst_errors_show_text_label_and_what_the_others_said(evidence: Evidence) -> None:
    found = errors.worst(evidence)
    assert found is not None and "The 10 errors that lstm was most confident of" in found.html
    assert " not " in found.html and "encoder: " in found.html and "label doubtful" in found.html
    assert "<b>" not in found.html and "&lt;b&gt;&amp;" in found.html


def test_candidates_that_differ_are_told_apart_with_examples(evidence: Evidence) -> None:
    found = errors.disagreements(evidence)
    assert found is not None and "encoder errs less" in found.html and "Only encoder is right:" in found.html


def test_temperature_and_threshold_come_from_validation(evidence: Evidence) -> None:
    found = thresholds.temperature(evidence)
    assert found is not None and "Temperature" in found.html
    a, held = answers_of(evidence), validation_answers(evidence, "lstm")
    assert a is not None and held is not None
    temperature = fit_temperature(*held)
    p = a.probabilities["lstm"]
    before, after, loss, change = thresholds._temperature_cells(p, at_temperature(p, temperature), a.targets)
    assert temperature > 1.5 and before.interval and loss.interval
    shift, _ = calibration_correction(p, a.targets)
    corrected = quality.ece(p, a.targets) + shift
    assert float(str(after.sort)) < float(str(before.sort)) == pytest.approx(corrected, abs=1e-6)
    assert float(str(change.sort)) < 0 and change.tone == "good"


def test_curves_mark_the_threshold_that_the_suite_asks_for(evidence: Evidence) -> None:
    found = thresholds.curves(evidence)
    assert found is not None and found.html.count("<svg") >= 4
    assert "chosen for the highest F1 (by default) on validation" in found.html
    assert "ROC-AUC" in found.html and "at the threshold" in found.html
    goal = Threshold(goal="cost", false_alarm=1, miss=20)
    decision = evidence.suite.decision.model_copy(update={"threshold": goal})
    decision.model_fields_set.add("threshold")
    asked = replace(evidence, suite=evidence.suite.model_copy(update={"decision": decision}))
    costly = thresholds.curves(asked)
    assert costly is not None and "1 for a false alarm and 20 for a miss (stated in the suite)" in costly.html
    table = costly.html[costly.html.index("cost per 1,000") :]
    assert 'class="num good" data-v="-' in table and 'class="num bad" data-v="-' not in table  # money saved
    held = validation_answers(evidence, "lstm")
    assert held is not None
    chosen = choose(held[0][:, 1], held[1], goal)
    assert chosen is not None and chosen < 0.5 and n.plain(chosen) in costly.html
    never = Threshold(goal="recall_at_precision", precision=0.999)
    decision = decision.model_copy(update={"threshold": never})
    asked = replace(evidence, suite=evidence.suite.model_copy(update={"decision": decision}))
    shown = thresholds.curves(asked)
    assert shown is not None and "precision of 0.999 or more" in shown.html


def test_one_page_has_one_calibration_error(evidence: Evidence) -> None:
    """Plain in this section, less what so few examples show of anybody in the table: .063 and .054 of one."""
    cell = Estimate(0.054, note="not estimable (a perfectly calibrated model would show 0.025)")
    row = Row(
        "lstm/torch", "lstm", "torch", {"ece": cell, "roc_auc": Estimate(None, note="not estimable (one)")}
    )
    told = replace(evidence, tradeoff=Tradeoff((row,), ("ece",), {}))
    found = calibration(told)
    assert found is not None
    lstm = next(line for line in found.markdown.splitlines() if line.startswith("| lstm"))
    assert "0.0540 <sub>no interval (a perfectly calibrated" in lstm
    areas = thresholds.curves(told)
    assert areas is not None and "| lstm | not estimable (one) |" in areas.markdown.replace("&nbsp;", "")


def test_over_all_examples_the_page_on_errors_says_what_the_table_of_differences_says(
    evidence: Evidence,
) -> None:
    """Beside "accuracy worse by 0.06 (0.01 to 0.10)" stood "not separated: -0.06 (-0.14 to +0.02)"."""
    a = errors.answers_of(evidence, with_examples=True)
    assert a is not None
    means = {c: float(right.mean()) for c, right in a.right.items()}
    draws = np.stack([np.full(999, means["lstm"]), np.linspace(0.01, 0.1, 999) + means["lstm"]], axis=1)
    rows = tuple(
        Row(f"{c}/torch", c, "torch", {"accuracy": Estimate(means[c], means[c] - 0.03, means[c] + 0.03)})
        for c in ("lstm", "encoder")
    )
    told = replace(evidence, tradeoff=Tradeoff(rows, ("accuracy",), {"accuracy": draws}))
    whole = errors._over_all(told, a, "lstm")
    assert (whole.low, whole.high) == pytest.approx((-0.0978, -0.0123), abs=1e-3)
    found = errors.slices(told)
    assert found is not None and "(−0.10 to −0.01)" in found.markdown


def test_without_the_data_the_report_still_says_who_differs(evidence: Evidence, films: Path) -> None:
    text = films.read_text()
    films.write_text(text + "one more,positive,web\n")  # as a run that was carried to another machine
    try:
        for record in evidence.records:
            record.trial.spec["data"]["checksum"] = "planned"
        assert errors.slices(evidence) is None and errors.worst(evidence) is None
        found = errors.disagreements(evidence)
        assert found is not None and "Only encoder" not in found.html
    finally:
        films.write_text(text)


def test_the_sections_are_in_the_table() -> None:
    assert {"slices", "worst_errors", "disagreements", "temperature", "curves"} <= set(SECTIONS)


def test_the_worst_images_are_shown_as_pictures_inside_the_page(tmp_path: Path) -> None:
    suite = write_suite(
        tmp_path,
        SUITE,
        candidates="\n  logistic: sklearn:LogisticRegression\n  tree: sklearn:DecisionTreeClassifier",
    )
    run = run_here(suite, tmp_path / "results", "serving.runtimes=[torch]", kinds="train score")
    read = Suite.model_validate_json(
        json.dumps(
            {
                "name": "tiny",
                "task": "image_classification",
                "data": {"name": "digits"},
                "candidates": {
                    "logistic": {"model": "sklearn:LogisticRegression"},
                    "tree": {"model": "sklearn:DecisionTreeClassifier"},
                },
            }
        )
    )
    nothing = Recommendation("not_enough_evidence", None, None)
    evidence = Evidence(run, read, tuple(run.records()), Tradeoff((), ("accuracy",), {}), nothing)
    found = errors.worst(evidence)
    assert found is not None and "data:" not in found.markdown
    addresses = re.findall(r'src="data:image/png;base64,([^"]+)"', found.html)
    assert 10 < len(addresses) <= 20
    a = errors.answers_of(evidence, with_examples=True)
    assert a is not None and a.images is not None
    row = worst_errors(a.probabilities["logistic"], a.targets)[0]
    with Image.open(io.BytesIO(base64.b64decode(addresses[0]))) as image:
        assert np.array_equal(np.asarray(image), a.images[row][0])
    differ = errors.disagreements(evidence)
    assert differ is not None and "Only logistic is right:" in differ.html and "data:image/png" in differ.html
    kinds = errors.slices(evidence)
    assert kinds is not None and "label 8" in kinds.html
    assert thresholds.curves(evidence) is None, "a threshold is for two classes"


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 5, 7), (3, 200, 130), (2, 6, 6)])
def test_a_thumbnail_is_the_image_itself_or_every_nth_pixel_of_it(shape: tuple[int, int, int]) -> None:
    image = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    with Image.open(io.BytesIO(base64.b64decode(data_uri(image).partition(",")[2]))) as read:
        pixels = np.asarray(read)
    step = -(-max(shape[1:]) // 64)
    expected = image[:3] if shape[0] == 3 else image[:1]
    assert np.array_equal(
        pixels.reshape(*pixels.shape[:2], -1).transpose(2, 0, 1), expected[:, ::step, ::step]
    )


def test_the_log_loss_beside_a_temperature_is_that_of_the_table_also_of_answers_without_a_doubt() -> None:
    sure = np.eye(2, dtype=np.float32)[np.r_[np.zeros(90, int), np.ones(10, int)]]
    targets = np.zeros(100, int)
    *_, loss, change = thresholds._temperature_cells(sure, at_temperature(sure, 1.0), targets)
    assert float(str(loss.sort)) == pytest.approx(quality.log_loss(sure, targets), rel=1e-5)
    assert float(str(change.sort)) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(
    ("rows", "said"), [(113, "not separated from right (+0.030)"), (4520, "over-confident")]
)
def test_confidence_is_called_too_high_only_beyond_chance(
    monkeypatch: pytest.MonkeyPatch, evidence: Evidence, rows: int, said: str
) -> None:
    """Of 113 rows .92 right is .86 to .96 (Wilson), which a confidence of .95 is within."""
    page = sys.modules[calibration.__module__]
    right = np.arange(rows) % 113 < 104
    monkeypatch.setattr(page, "_answers", lambda *_: (np.full(rows, 0.95), right, 1.0))
    assert page._leaning(evidence, "lstm").text.startswith(said)


def test_an_error_in_the_targets_units_is_still_falling_by_a_share_of_itself() -> None:
    """A mean absolute error of 3,000.5 after 3,000.6 was "still improving at the last epoch"."""
    from harness.report.plots import Line
    from harness.report.sections.quality import _still_rising

    def told(*scores: float) -> int:
        return len(list(_still_rising([Line("net", [1, 2, 3], list(scores))], of_losses=True)))

    assert told(-3100.0, -3000.6, -3000.5) == 0 and told(-3100.0, -3050.0, -3000.0) == 1
    assert told(-0.013, -0.012, -0.011) == 1


def test_of_several_pairs_one_is_told_apart_by_more_than_the_luck_of_several(
    monkeypatch: pytest.MonkeyPatch, evidence: Evidence
) -> None:
    """McNemar says .035 of 12 errors against 3, of three pairs Holm .106: it was "errs less"."""
    wrong = {"a": range(3), "b": range(10, 22), "c": range(30, 37)}
    targets = np.zeros(100, int)
    answers = {name: np.tile([0.9, 0.1], (100, 1)) for name in wrong}
    for name, rows in wrong.items():
        answers[name][list(rows)] = [0.1, 0.9]
    right = {name: (p.argmax(1) == targets)[None] for name, p in answers.items()}
    told = errors.ComparedAnswers(targets, np.arange(100), answers, right)
    monkeypatch.setattr(errors, "answers_of", lambda *_, **__: told)
    page = errors.disagreements(evidence)
    assert page is not None and "errs less" not in page.markdown
    assert "| a and b | 12 | 3 | 0.11 |" in page.markdown and "for 3 pairs (Holm)" in page.markdown
