"""Every section is written for every kind of task, and one that raises costs itself alone."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from harness.datasets.parts import load_parts
from harness.protocols import Split
from harness.record import Measurement, Record, Trial
from harness.report import gather, write_report
from harness.report.evidence import Evidence
from harness.report.render import render
from harness.report.sections import SECTIONS
from harness.store.runs import RunFolder
from harness.suite.schema import Suite
from tests.report_samples import ENVIRONMENT, STARTED, WORLD, make_records, make_run, make_suite
from tests.test_recommendation_report import make_evidence

DATA: Mapping[str, dict[str, Any]] = {
    "image_classification": {"name": "digits"},
    "tabular_classification": {"name": "breast_cancer"},
    "tabular_regression": {"name": "diabetes"},
    "text_classification": {"name": "text_csv"},
}
OBJECTIVE = {"tabular_regression": "r2"}


def answers(part: Split, classes: int, able: bool, seed: int) -> np.ndarray:
    """What a model says that is right nine times in ten, or one that always says the same."""
    rng = np.random.default_rng(seed)
    if not classes:
        return np.where(able, part.targets + rng.normal(0, 20, len(part)), part.targets.mean())
    said = part.targets.astype(int) if able else np.ones(len(part), int)
    wrong = rng.random(len(part)) < 0.1 * able
    said = np.where(wrong, (said + 1) % classes, said)
    share = np.full((len(part), classes), 0.1 / (classes - 1))
    share[np.arange(len(part)), said] = 0.9
    return share


def score_columns(part: Split, said: np.ndarray) -> dict[str, np.ndarray]:
    shares = {"output": said} if said.ndim == 1 else {f"p_{k}": said[:, k] for k in range(said.shape[1])}
    return {"id": part.ids, "target": part.targets, **shares}


def make_task_run(folder: Path, task: str) -> Evidence:
    """A model and a constant answer beside it, two seeds each, on data that the task really has."""
    data: dict[str, Any] = dict(DATA[task])
    if task == "text_classification":
        lines = [f"film {i} is {('bad', 'not bad')[i % 2]},{('no', 'yes')[i % 2]}" for i in range(300)]
        (folder / "texts.csv").write_text("\n".join(["text,label", *lines]))
        data["args"] = {"path": str(folder / "texts.csv")}
    parts = load_parts(data, None)
    metric = OBJECTIVE.get(task, "accuracy")
    models = {"able": "sklearn:LogisticRegression", "constant": "sklearn:DummyClassifier"}
    names = {name: {"model": model} for name, model in models.items()}
    suite = Suite.model_validate_json(
        json.dumps(
            {
                "name": "kinds", "task": task, "data": data, "candidates": names,
                "machine": {"usd_per_hour": 0.1},
                "decision": {"objective": f"maximize {metric}", "constraints": ["latency_p50_ms <= 5"]},
            }
        )
    )  # fmt: skip
    run = RunFolder(str(folder / "kinds" / "20261123-150000-abcdef01"))
    Path(run.url).mkdir(parents=True)
    run.write_text("suite.yaml", json.dumps(json.loads(suite.model_dump_json(by_alias=True))))
    classes = 0 if task == "tabular_regression" else len(np.unique(parts.test.targets))
    for name in names:
        for seed in (0, 1):
            _commit_candidate(run, name, seed, data, parts.test, classes, metric)
    return gather(run, suite)


def _commit_candidate(
    run: RunFolder, name: str, seed: int, data: dict[str, Any], part: Split, classes: int, metric: str
) -> None:
    spec = {"candidate": name, "data": data, "seed": seed}
    train = Trial("train", name, spec, seed=seed)
    score = Trial(
        "score", name, {**spec, "runtime": "sklearn"}, seed=seed, runtime="sklearn", needs=(train.id,)
    )
    serve = Trial(
        "serve", name, {**spec, "scenario": "single_stream"}, runtime="sklearn", scenario="single_stream",
        round=seed, needs=(score.id,),
    )  # fmt: skip
    said = answers(part, classes, name == "able", seed)
    right = said.argmax(1) == part.targets if classes else 1 - (said - part.targets) ** 2 / part.targets.var()
    measured = (
        (train, [Measurement("train_seconds", 2.0 + seed, "s")]),
        (score, [Measurement(metric, float(np.mean(right)), "fraction")]),
        (serve, [Measurement("latency_p50_ms", 1.0 + 0.1 * seed, "ms", tuple(np.linspace(0.8, 1.4, 50)))]),
    )
    for trial, values in measured:
        scratch = run.scratch(trial.id)
        if trial is score:
            pq.write_table(pa.table(score_columns(part, said)), scratch / "predictions.parquet")
        run.commit(Record(trial, "finished", tuple(values), ENVIRONMENT, STARTED, 2.0, None, {}), scratch)


@pytest.mark.parametrize("task", [*DATA, "recommendation"])
def test_every_section_is_written_for_every_kind_of_task_beside_a_constant_answer(
    task: str, tmp_path: Path
) -> None:
    gains = {"alone": 1.0, "ranked": 1.1, "popularity": 0.5, "hnsw": 0.99}
    e = make_evidence(tmp_path, gains) if task == "recommendation" else make_task_run(tmp_path, task)
    made = {name: section for name, make in SECTIONS.items() if (section := make(e)) is not None}
    assert {"verdict", "tradeoff"} <= set(made)
    if task.endswith("_classification"):
        assert {"disagreements", "by_class", "calibration"} <= set(made)


def test_the_rows_of_a_table_that_separate_two_candidates_are_named_by_their_number(tmp_path: Path) -> None:
    section = SECTIONS["slices"](make_task_run(tmp_path, "tabular_classification"))
    assert section is not None
    assert "right for able, wrong for constant" in section.html
    assert '<span class="v">row ' in section.html


def test_a_section_that_raises_costs_itself_alone_and_its_place_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def breaks(e: Evidence) -> None:
        raise ZeroDivisionError("no rows")

    monkeypatch.setitem(SECTIONS, "costs", breaks)  # type: ignore[arg-type]
    run = make_run(
        tmp_path, make_records(WORLD[:2], seeds=(0,), rounds=1), make_suite(WORLD[:2]), files=False
    )
    with caplog.at_level(logging.WARNING):
        write_report(gather(run))
    page = run.read_text("report.html")
    assert "This section could not be written (ZeroDivisionError: no rows at test_report_sections.py:" in page
    assert 'id="verdict"' in page and 'id="trade-offs"' in page and 'id="validity"' in page
    assert "the report's section costs could not be written" in caplog.text


def test_a_section_that_raised_once_is_written_when_an_unchanged_run_is_rendered_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run(
        tmp_path, make_records(WORLD[:2], seeds=(0,), rounds=1), make_suite(WORLD[:2]), files=False
    )

    def breaks(e: Evidence) -> None:
        raise MemoryError

    with monkeypatch.context() as patched:
        patched.setitem(SECTIONS, "costs", breaks)  # type: ignore[arg-type]
        render(run, anew=False)
        assert "could not be written" in run.read_text("report.html")
    render(run, anew=False)
    assert "could not be written" not in run.read_text("report.html")
    when = (Path(run.url) / "report.html").stat().st_mtime_ns
    render(run, anew=False)
    assert (Path(run.url) / "report.html").stat().st_mtime_ns == when, "a whole page stays as it is"


def test_the_page_says_in_what_the_errors_of_a_regression_are(tmp_path: Path) -> None:
    e = make_task_run(tmp_path, "tabular_regression")
    notes = ["the target 'took' holds durations or times of day: predicted as seconds", "3 rows are empty"]
    e.run.write_text("plan.json", json.dumps({"trials": [], "notes": notes}))
    made = SECTIONS["validity"](e)
    assert made is not None and "The target 'took' holds durations" in made.markdown
    assert "3 rows are empty" not in made.markdown
