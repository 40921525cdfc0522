"""A runtime in single precision that answers as the fitted model does has the model's quality.

Its artifact is made, and asked for up to 1,000 validation rows beside the model in its own framework. Where
the two agree to `SAME`, what the reference's score trial measured stands for it, and the record says so;
where they do not, it is scored as any other.
"""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np

from harness.datasets.parts import Parts, load_parts
from harness.facts import ScoreFacts
from harness.facts.scoring import InheritedFacts
from harness.kinds import kind_of
from harness.protocols import Job, Outcome
from harness.record import record_from_text
from harness.tasks import supervised
from harness.tasks.evaluation import PARITY_EXAMPLES, predict_batches

SAME = 1e-4
"""How far probabilities, or values in units of their standard deviation, may lie from the reference's."""

PREDICTIONS = "predictions.parquet"


def inherit(job: Job) -> Outcome:
    """Make the runtime's artifact, compare its answers with the fitted model's, and take over its quality.

    The trial needs the fitted model and the score trial of its reference runtime (`spec["inherits"]`).

    Raises:
        TrialError: the runtime cannot run this model, or what it answers is not a prediction.
    """
    spec = job.trial.spec
    # As for the weights of an untrained network: the artifact alone, looked at on a few rows.
    unscored = replace(job, trial=replace(job.trial, spec={**spec, "untrained": True}))
    made = supervised.score(unscored).facts
    assert isinstance(made, ScoreFacts)
    parts = load_parts(spec["data"], spec["train_size"], ("train", "validation", "test"))  # as score has them
    found = _compared(job, parts) if len(parts.validation) else None
    if found is None or not found.max_abs_difference <= SAME:
        shutil.rmtree(job.folder / "artifact")
        return supervised.score(job)
    return _taken_over(job.needs[spec["inherits"]], job.folder, made, found)


def _compared(job: Job, parts: Parts) -> InheritedFacts:
    """How far the answers to validation rows are from the reference's."""
    spec, source = job.trial.spec, job.needs[job.trial.spec["fitted"]] / "fitted"
    rows = parts.validation.inputs[:PARITY_EXAMPLES]
    predict = supervised.load_variant(spec, job.folder / "artifact", job.threads, job.device)
    reference, _ = supervised.reference_predict(source)
    ours, theirs = (predict_batches(f, rows).astype(np.float64) for f in (predict, reference))
    scale = 1.0 if theirs.ndim > 1 else float(theirs.std()) or 1.0
    agreement = kind_of(parts.task.name).agreement
    return InheritedFacts(
        "",
        len(rows),
        float(np.abs(ours - theirs).max() / scale),
        None if agreement is None else agreement(ours, theirs),
    )


def _taken_over(source: Path, folder: Path, made: ScoreFacts, found: InheritedFacts) -> Outcome:
    """What the reference's score trial measured, answered and found, under this runtime's own artifact."""
    record = record_from_text((source / "record.json").read_text())
    variant = record.trial.variant
    assert variant is not None
    facts = replace(
        record.facts_as(ScoreFacts),
        prepared=made.prepared,
        predict_seconds=None,
        predict_cpu_seconds=None,
        parity=None,
        inherited=replace(found, variant=variant.name),
    )
    if (source / PREDICTIONS).exists():
        shutil.copyfile(source / PREDICTIONS, folder / PREDICTIONS)
    return Outcome(record.measurements, facts)
