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
ALIAS = "shipped"
"""Points to the version that the last decisive run recommends."""


def register(client: MlflowClient, e: Evidence, parent: str, name: str, export: WriteExport) -> str:
    """Log the chosen variant's export to the parent run and register it; what was done, in a sentence.

    A run registers one version, however often it is told. The alias moves only to a version that is
    recommended: of a tie the cheapest stands in the registry, and nobody is served it unasked.

    Args:
        name: of the registered model.
        export: writes a variant as a folder that answers on its own.
    """
    choice = e.recommendation.choice
    if choice is None:
        return ""
    found = client.search_model_versions(f"run_id = '{parent}'")
    if found:
        return f" {choice} is version {found[0].version} of model {found[0].name}."
    with tempfile.TemporaryDirectory(prefix="harness-mlflow-") as scratch:
        folder = Path(scratch) / "export"
        try:
            export(choice, folder)
        except HarnessError as error:
            return f" {choice} is not registered: {error}"
        client.log_artifacts(parent, str(_written(folder, Path(scratch) / "model")), PLACE)
    if not client.search_registered_models(f"name = '{name}'"):
        client.create_registered_model(name, description=e.suite.question or None)
    version = client.create_model_version(
        name,
        source=f"{client.get_run(parent).info.artifact_uri}/{PLACE}",
        run_id=parent,
        tags={f"harness.{key}": str(value) for key, value in verdict(e).items()},
        description=f"{choice}, chosen by the run {e.run.suite_name}/{e.run.id}",
    ).version
    if e.recommendation.verdict == "recommend":
        client.set_registered_model_alias(name, ALIAS, version)
    return f" {choice} is version {version} of model {name}."


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
