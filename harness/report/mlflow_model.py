"""The chosen variant in MLflow's model registry: its exported folder, loaded with `mlflow.pyfunc`."""

from __future__ import annotations

import importlib
import tempfile
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from harness import exported
from harness.record import HarnessError
from harness.report.evidence import Evidence
from harness.report.track import WriteExport, verdict

if TYPE_CHECKING:
    from mlflow import MlflowClient

PLACE = "model"
"""Where among the parent run's artifacts."""
CHOICE, VERDICT = "harness.choice", "harness.verdict"
"""Tags of a version: the variant that it is, and what its run says of it now."""
RECOMMENDED = "recommend"
ALIAS = "shipped"
"""Points to the version that the last decisive run recommends."""


def register(client: MlflowClient, e: Evidence, parent: str, name: str, export: WriteExport) -> str:
    """Log the chosen variant's export to the parent run and register it; what was done, in a sentence.

    A run registers a choice once, however often it is told, and another choice where it is decided anew. The
    alias moves only to a version that is recommended: of a tie the cheapest stands in the registry, and
    nobody is served it unasked. What was recommended already moves it no more: another run may have since.

    Args:
        name: of the registered model.
        export: writes a variant as a folder that answers on its own.
    """
    choice = e.recommendation.choice
    versions = client.search_model_versions(f"run_id = '{parent}'")
    for other in versions:
        if other.tags.get(CHOICE) != choice:
            client.set_model_version_tag(other.name, other.version, VERDICT, "not chosen any more")
    if choice is None:
        return ""
    told = {f"harness.{key}": str(value) for key, value in verdict(e).items()}
    for found in versions:
        if found.tags.get(CHOICE) == choice:
            if found.tags.get(VERDICT) != RECOMMENDED:
                _ship(client, e, found.name, found.version)
            for tag, value in told.items():
                client.set_model_version_tag(found.name, found.version, tag, value)
            return f" {choice} is version {found.version} of model {found.name}."
    place = f"{PLACE}-{len(versions) + 1}" if versions else PLACE
    with tempfile.TemporaryDirectory(prefix="harness-mlflow-") as scratch:
        folder = Path(scratch) / "export"
        try:
            export(choice, folder)
        except HarnessError as error:
            return f" {choice} is not registered: {error}"
        client.log_artifacts(parent, str(_written(folder, Path(scratch) / "model")), place)
    if not client.search_registered_models(f"name = '{name}'"):
        client.create_registered_model(name, description=e.suite.question or None)
    version = client.create_model_version(
        name,
        source=f"{client.get_run(parent).info.artifact_uri}/{place}",
        run_id=parent,
        tags=told,
        description=f"{choice}, chosen by the run {e.run.suite_name}/{e.run.id}",
    ).version
    _ship(client, e, name, version)
    return f" {choice} is version {version} of model {name}."


def _ship(client: MlflowClient, e: Evidence, name: str, version: str) -> None:
    if e.recommendation.verdict == RECOMMENDED:
        client.set_registered_model_alias(name, ALIAS, version)


def _written(folder: Path, target: Path) -> Path:
    """The export as a model folder of MLflow's."""
    with warnings.catch_warnings():
        # Imported, mlflow 3.17 warns of a type hint of its own.
        warnings.simplefilter("ignore", UserWarning)
        pyfunc = importlib.import_module("mlflow.pyfunc")  # `from mlflow import` would put it off

    needed = (folder / "requirements.txt").read_text(encoding="utf-8").splitlines()
    loader = Path(str(exported.__file__)).parent / "mlflow_model.py"
    pyfunc.save_model(
        str(target),
        loader_module=loader.stem,
        data_path=str(folder),
        code_paths=[str(loader)],
        pip_requirements=needed,
    )
    return target
