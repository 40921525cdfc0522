"""The report's pages on errors: from predictions and the data's own texts, on a made-up run."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from harness.datasets.parts import load_parts
from harness.protocols import Recommendation, Split, Tradeoff
from harness.record import Measurement, Record, Trial
from harness.report.evidence import Evidence
from harness.report.sections import SECTIONS, errors
from harness.store import RunFolder
from harness.suite.schema import Suite


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
    assert "lstm is furthest behind encoder on “negation”: 0.00 against" in found.html
    assert "source = web" in found.html and "question" not in found.html


def test_the_worst_errors_show_text_label_and_what_the_others_said(evidence: Evidence) -> None:
    found = errors.worst(evidence)
    assert found is not None and "The 10 surest errors of lstm" in found.html
    assert " not " in found.html and "encoder: " in found.html and "label doubtful" in found.html
    assert "<b>" not in found.html and "&lt;b&gt;&amp;" in found.html


def test_candidates_that_differ_are_told_apart_with_examples(evidence: Evidence) -> None:
    found = errors.disagreements(evidence)
    assert found is not None and "encoder errs less" in found.html and "Only encoder is right:" in found.html


def test_temperature_and_threshold_come_from_validation(evidence: Evidence) -> None:
    found = errors.adjusted(evidence)
    assert found is not None and "threshold" in found.html.lower()
    a = errors.answers_of(evidence)
    assert a is not None
    row = errors._adjusted_row(
        "lstm", a.probabilities["lstm"], a.targets, *errors._validation(evidence, "lstm")
    )  # type: ignore[misc]
    temperature, before, after = (cell.sort for cell in row[1:4])
    assert isinstance(temperature, float) and temperature > 1.5
    assert isinstance(before, float) and isinstance(after, float) and after < before


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
    assert {"slices", "worst_errors", "disagreements", "temperature"} <= set(SECTIONS)
