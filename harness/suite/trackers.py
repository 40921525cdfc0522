"""Where runs are logged to beside their own folder: what a suite's `track` may say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Tracker:
    """A tracker, before any of its code is imported.

    Args:
        name: as suites say it; the extra of this package that installs it is called the same.
        title: its own name.
        home: the module whose `log(evidence, options)` writes a run and says where, imported by
            `harness.report.track`.
        options: what `track.NAME` may say.
        packages: what it imports; one that is missing is answered with the extra.
        forwarded: environment variables that a job on a cluster gets from here; no secrets.
        keeps_models: its `log` takes a third argument, which writes a variant as a folder for its registry.
    """

    name: str
    title: str
    home: str
    options: tuple[str, ...]
    packages: tuple[str, ...]
    forwarded: tuple[str, ...] = ()
    keeps_models: bool = False


_ALL = (
    Tracker(
        "wandb",
        "Weights & Biases",
        home="harness.report.wandb",
        options=("project", "entity", "mode", "dir", "trials", "report"),
        packages=("wandb", "wandb_workspaces"),
        forwarded=("WANDB_MODE",),
    ),
    Tracker(
        "mlflow",
        "MLflow",
        home="harness.report.mlflow",
        options=("uri", "experiment", "model"),
        packages=("mlflow",),
        forwarded=("MLFLOW_TRACKING_URI",),
        keeps_models=True,
    ),
)

TRACKERS: Mapping[str, Tracker] = {tracker.name: tracker for tracker in _ALL}
