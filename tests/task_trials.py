"""Trials of a task, run in this process as a worker runs them, on data that scikit-learn carries."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from harness.protocols import Job, Outcome
from harness.record import Trial
from harness.suite.schema import Training
from harness.tasks import supervised

TASKS = {
    "digits": "image_classification",
    "breast_cancer": "tabular_classification",
    "diabetes": "tabular_regression",
    "text_csv": "text_classification",
}


def spec(
    model: str,
    args: dict[str, Any] | None = None,
    data: str = "digits",
    search: Path | None = None,
    **training: Any,
) -> dict[str, Any]:
    recipe = Training.model_validate({"precision": "fp32", **training})
    return {
        "candidate": "c",
        "task": TASKS[data],
        "model": model,
        "args": args or {},
        "training": recipe.model_dump(mode="json", exclude={"seeds", "resources", "time_limit", "tuning"}),
        "data": {"name": data, "args": {}, "validation": 0.1, "seed": 0},
        "train_size": None,
        "seed": 0,
        "code": "",
        **({"search": str(search)} if search else {}),
    }


def train(what: dict[str, Any], folder: Path) -> Outcome:
    folder.mkdir(parents=True)
    return supervised.train(Job(Trial("train", "c", what, seed=0), folder, {}, lambda _: None))


def score(what: dict[str, Any], runtime: str, trained: Path, folder: Path) -> Outcome:
    folder.mkdir(parents=True)
    whole = {**what, "fitted": "train-0", "runtime": runtime}
    trial = Trial("score", "c", whole, runtime=runtime, seed=0, needs=("train-0",))
    return supervised.score(Job(trial, folder, {"train-0": trained}, lambda _: None))


def values(outcome: Outcome) -> dict[str, float | None]:
    return {m.metric: m.value for m in outcome.measurements}


def train_until(what: dict[str, Any], folder: Path, stop_after: int | None = None) -> Outcome:
    """Train with checkpoints beside the folder; after an epoch the user stops it."""
    folder.mkdir(exist_ok=True)

    def progress(state: Any) -> None:
        if state.get("epoch") == stop_after:
            raise KeyboardInterrupt

    trial = Trial("train", "c", what, seed=0)
    return supervised.train(Job(trial, folder, {}, progress, checkpoint=folder.parent / f".{folder.name}"))
