"""Recommendation, as the harness calls it: train, score, load_variant, examples."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from harness.datasets.catalog import dataset_module
from harness.datasets.interactions import Interactions
from harness.facts.recommending import BuiltIndex, LogFacts, PipelineTrainFacts, RecommendationFacts
from harness.kinds.recommendation import RECOMMENDATION
from harness.metrics import metric
from harness.protocols import Inputs, Job, Outcome, Predict
from harness.record import DataError, Measurement, SuiteError, TrialError
from harness.streams import generator
from harness.tasks.recommendation.answering import Stopwatch
from harness.tasks.recommendation.asking import page_requests, user_requests
from harness.tasks.recommendation.evaluation import Evaluation, evaluate, validation_ndcg
from harness.tasks.recommendation.fitting import FittedPipeline, LogParts, cut_data, fit_pipeline
from harness.tasks.recommendation.judge import Court, Judgement, judge, store, summon
from harness.tasks.recommendation.loop import FitSettings
from harness.tasks.recommendation.pipeline import PAGE, Pipeline

EXAMPLES = 2000
SESSION_IDS = 1_000_000_000
"""Rows of sessions in `predictions.parquet` have ids from here on, those of users their code."""


class Answerer:
    """A loaded pipeline: requests as a client sends them → (n, 10) item codes, −1 where there are fewer.

    `stages` has the mean milliseconds of each stage per call since the last `reset`.
    """

    def __init__(self, pipeline: Pipeline) -> None:
        self.pipeline = pipeline
        self._watch = Stopwatch()

    def __call__(self, requests: Sequence[Mapping[str, Any]]) -> np.ndarray:
        pipeline, asked = self.pipeline.told(requests)
        return pipeline.answer(asked, self._watch).ranked[:, :PAGE]

    @property
    def stages(self) -> dict[str, float]:
        return self._watch.milliseconds()

    def reset(self) -> None:
        self._watch = Stopwatch()


def train(job: Job) -> Outcome:
    """Fit the pipeline; write `fitted/` and `history.csv`.

    Raises:
        TrialError: the candidate is not one, the model diverged, …
    """
    spec = job.trial.spec
    torch.set_num_threads(job.threads)
    parts = load_parts(spec)
    settings = FitSettings.of(spec.get("training", {}), spec["seed"], job.device)
    try:
        fit = fit_pipeline(parts, spec["retrieval"], spec.get("ranking"), settings, job.progress, job.threads)
    except ValueError as error:
        raise TrialError(str(error)) from error
    fit.pipeline.save(job.folder / "fitted")
    _write_history(job.folder / "history.csv", fit)
    learned = [*fit.pipeline.retriever.arrays().values()]
    learned += list(fit.pipeline.ranker.arrays().values()) if fit.pipeline.ranker else []
    numbers = sum(a.size for a in learned if np.issubdtype(a.dtype, np.floating))
    index = fit.pipeline.index
    validation = validation_ndcg(fit.pipeline, parts, spec["retrieval"], settings.seed, job.threads)
    facts = PipelineTrainFacts(
        validation,
        {stage: _best(rows) for stage, rows in fit.curves.items() if rows},
        stage_seconds=dict(fit.seconds),
        data=_data_facts(parts),
        index=BuiltIndex(
            index.spec.kind,
            index.build_seconds,
            index.size_bytes / 1e6,
            index.lifted,
            dict(index.recall_by_way),
        )
        if index
        else None,
    )
    return Outcome(
        (
            Measurement("train_seconds", sum(fit.seconds.values()), "s"),
            Measurement("parameters", float(numbers), metric("parameters").unit),
        ),
        facts,
    )


def score(job: Job) -> Outcome:
    """Prepare the artifact, judge it on held-out users and, in the mock shop, by the truth.

    Writes `artifact/`, `predictions.parquet` (a row per user and, in the mock shop, a row per session, whose
    columns are named as metrics; NaN where a metric is not of that unit), and `online.npz`.

    Raises:
        TrialError: the runtime cannot run pipelines.
    """
    spec = job.trial.spec
    if spec["runtime"] not in RECOMMENDATION.runtimes:
        runtimes = ", ".join(RECOMMENDATION.runtimes)
        raise TrialError(f"recommendation runs on {runtimes}, not on {spec['runtime']}")
    torch.set_num_threads(job.threads)
    artifact = job.folder / "artifact"
    shutil.copytree(job.needs[spec["fitted"]] / "fitted", artifact)
    pipeline = Pipeline.load(artifact, job.threads)
    parts, suite_seed = load_parts(spec), int(spec["data"].get("seed", 0))
    found = evaluate(pipeline, parts, suite_seed)
    measures = dict(found.measures)
    judged = court = None
    if parts.data.impressions is not None and spec["data"]["name"] == "mock_shop":
        truth, sessions = dataset_module("mock_shop").truth(**spec["data"].get("args", {}))
        court = summon(truth, sessions, parts, suite_seed)
        judged = judge(pipeline, court, parts, suite_seed)
        store(job.folder / "online.npz", judged, court)
        measures |= {name: float(values.mean()) for name, values in judged.expected.items()}
    _write_predictions(job.folder / "predictions.parquet", found, judged, court)
    facts = RecommendationFacts(found.facts, pipeline.size_bytes() / 1e6, judged.facts if judged else None)
    return Outcome(tuple(_measurements(measures)), facts)


def load_variant(spec: Mapping[str, Any], artifact: Path, threads: int, device: str) -> Predict:
    """The deployable pipeline: requests → (n, 10) item codes."""
    torch.set_num_threads(threads)
    return Answerer(Pipeline.load(artifact, threads))


def examples(spec: Mapping[str, Any]) -> Inputs:
    """Requests of the test part as clients send them: `{"user": id, "time": days, "session": [item ids]}`.

    At random: the first by their ids are the oldest users, with the longest pasts, and none of them is new.
    """
    parts = load_parts(spec)
    data = parts.data
    shown = data.impressions
    rng = generator(int(spec["data"].get("seed", 0)), "examples")
    if shown is not None:
        late = shown.rows(shown.time >= parts.cut.deploy)
        asked = page_requests(late, rng.permutation(np.unique(late.request))[:EXAMPLES])
    else:
        asked = user_requests(rng.permutation(np.unique(parts.test.user))[:EXAMPLES], parts.cut.deploy)
    items, users = data.catalogue.ids, data.users.ids
    return [
        {
            "user": users[user].item(),
            "time": float(time),
            "session": [items[code].item() for code in clicks if code >= 0],
        }
        for user, time, clicks in zip(asked.user, asked.time, asked.session, strict=True)
    ]


def load_parts(spec: Mapping[str, Any]) -> LogParts:
    """The data of a trial, cut by the suite's seed, so that all candidates and seeds see the same parts.

    Raises:
        DataError: the data set is none of recommendation.
    """
    data = spec["data"]
    loaded = dataset_module(data["name"]).load(**(data.get("args") or {}))
    if not isinstance(loaded, Interactions):
        raise DataError(
            f"{data['name']} is not recommendation data: use mock_shop, ml_100k or interactions_csv"
        )
    return cut_data(loaded, float(data.get("validation", 0.1)), int(data.get("seed", 0)))


def _measurements(measures: Mapping[str, float]) -> list[Measurement]:
    """Those that the table of metrics knows; the others stand in the facts."""
    known = []
    for name, value in measures.items():
        try:
            known.append(Measurement(name, value, metric(name).unit))
        except SuiteError:
            continue
    return known


def _write_predictions(path: Path, found: Evaluation, judged: Judgement | None, court: Court | None) -> None:
    users = pd.DataFrame(
        {"id": found.users.astype(np.int64), "unit": "user", **found.scores, **found.columns}
    )
    if judged is not None and court is not None:
        sessions = pd.DataFrame({"id": SESSION_IDS + court.session, "unit": "session", **judged.expected})
        users = pd.concat([users, sessions], ignore_index=True)
    users.to_parquet(path, index=False)


def _write_history(path: Path, fit: FittedPipeline) -> None:
    names = ["stage", "epoch", "train_loss", "validation_score", "seconds"]
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, names, restval="")
        writer.writeheader()
        for stage, rows in fit.curves.items():
            writer.writerows({"stage": stage, **row} for row in rows)


def _data_facts(parts: LogParts) -> LogFacts:
    return LogFacts(
        len(parts.data.users),
        len(parts.data.catalogue),
        {"train": len(parts.train), "validation": len(parts.validation), "test": len(parts.test)},
        asdict(parts.data.protocol),
        parts.cut.deploy,
    )


def _best(rows: list[dict[str, float]]) -> dict[str, float]:
    return max(rows, key=lambda row: row.get("validation_score", row["epoch"]))
