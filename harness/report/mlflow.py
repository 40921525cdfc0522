"""MLflow: a parent run with a child per trial and per variant, written by the driver, in batches."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import math
import os
import re
import tempfile
import time
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from harness.record import HarnessError, Record
from harness.report.evidence import Evidence
from harness.report.mlflow_model import register
from harness.report.track import DERIVED, WriteExport, described, figures, flat, headline, standing, verdict
from harness.results import Row
from harness.store.disk import locked

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Experiment

DEFAULT_URI = "sqlite:///mlflow.db"
MOST = {"metrics": 1000, "params": 100, "tags": 100}
"""The server's limits per batch."""
LONGEST = 500
"""Characters of a parameter that every version of MLflow takes."""


def log(e: Evidence, options: Mapping[str, object], export: WriteExport | None = None) -> str:
    """Write the run to MLflow; where to, in a sentence. Trials that are there already are not written twice;
    the figures of variants and of the choice, which follow from all trials and from prices, are written anew.

    Args:
        options: `uri` (default sqlite:///mlflow.db), `experiment` (default: the suite's name),
            `model` (the chosen variant's name in the registry; default: the experiment's; false: none).
        export: writes the chosen variant for the registry; None: nothing is registered.
    Raises:
        HarnessError: MLflow refused, or cannot be reached.
    """
    from alembic.util.exc import CommandError
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    # Making its tables, MLflow tells every step of it.
    logging.getLogger("mlflow").setLevel(logging.WARNING)
    # Of each run on a server it prints two lines on stdout, where `--json` has its document.
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    uri = str(options.get("uri") or DEFAULT_URI)
    try:
        client = _client(uri)
        book = _Book(client, _experiment(client, str(options.get("experiment") or e.suite.name), uri), e)
        parent = book.parent()
        for record in e.records:
            book.trial(record, parent)
        for row in e.rows:
            book.variant(row, parent)
        book.forget({f"variant/{row.variant}" for row in e.rows})
        model = options.get("model", book.experiment_name)
        kept = register(client, e, parent, str(model), export) if export and model else ""
        book.close(parent)
    except (CommandError, MlflowException, SQLAlchemyError, ValueError, TypeError) as error:
        raise HarnessError(
            f"MLflow at {uri} failed: {str(error).splitlines()[0]}{_cure(error, uri)}"
        ) from error
    return f"{book.written} runs in experiment {book.experiment_name} at {uri}.{kept}"


def _client(uri: str) -> MlflowClient:
    """A client whose database has its tables.

    Several first users of a missing sqlite file (mlflow 3.17) migrate it at the same time, which fails for
    most of them and can leave it half migrated; so the first use of a file is one process's at a time.
    """
    from mlflow.tracking import MlflowClient

    file = _sqlite_file(uri)
    with locked(_lock_of(file)) if file else contextlib.nullcontext():
        client = MlflowClient(tracking_uri=uri)
        client.search_experiments(max_results=1)
    return client


def _sqlite_file(uri: str) -> Path | None:
    return Path(uri.removeprefix("sqlite:///")).resolve() if uri.startswith("sqlite:///") else None


def _lock_of(file: Path) -> Path:
    """Outside the database's folder, which may be watched or shared."""
    name = hashlib.sha256(str(file).encode()).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"harness-mlflow-{os.getuid()}-{name}.lock"


def _cure(error: Exception, uri: str) -> str:
    """What to do about a database that an interrupted migration left half made."""
    told = f"{type(error).__module__} {error}".lower()
    signs = ("alembic", "no such table", "already exists", "can't locate revision", "duplicate column")
    file = _sqlite_file(uri)
    if file is None or not any(sign in told for sign in signs):
        return ""
    return (
        f" (its tables are half made or of another version: `mlflow db upgrade {uri}`, or, if it holds "
        f"nothing yet, delete {file.name}; the next report writes it again)"
    )


def _experiment(client: MlflowClient, name: str, uri: str) -> Experiment:
    found = client.get_experiment_by_name(name)
    if found is None:
        # Beside the database, not wherever the command was started.
        place = None
        if file := _sqlite_file(uri):
            place = (file.parent / "mlruns").as_uri()
        found = client.get_experiment(client.create_experiment(name, artifact_location=place))
    return found


class _Book:
    """One telling to one experiment."""

    def __init__(self, client: MlflowClient, experiment: Experiment, e: Evidence) -> None:
        self.client, self.e = client, e
        self.experiment_id, self.experiment_name = experiment.experiment_id, experiment.name
        self.run_name = f"{e.run.suite_name}/{e.run.id}"
        self.written = 0
        # Of two values of one step MLflow shows the later, and of one time the larger: of a metric that was
        # told again without a time the smaller value is never seen.
        self.now_ms = int(time.time() * 1000)
        self.told: dict[str, Mapping[str, float]] = {}
        self.known = self._known()

    def _known(self) -> dict[str, str]:
        """Key → id of the runs that were written before for this suite run."""
        query = f"tags.`harness.run` = '{self.run_name}'"
        found: dict[str, str] = {}
        token = None
        while True:
            page = self.client.search_runs([self.experiment_id], query, max_results=1000, page_token=token)
            found |= {r.data.tags.get("harness.key", ""): r.info.run_id for r in page}
            self.told |= {r.info.run_id: r.data.metrics for r in page}
            token = page.token
            if not token:
                return found

    def parent(self) -> str:
        """The suite's run: its settings, the verdict, the derived files."""
        made = self._open("run", self.run_name, {})
        params = dict(flat(self.e.suite.model_dump(mode="json", by_alias=True)))
        chosen = figures(self.e.chosen) if self.e.chosen else {}
        words = {k: v for k, v in verdict(self.e).items() if isinstance(v, str)}
        numbers = {k: v for k, v in verdict(self.e).items() if isinstance(v, (int, float))}
        tags = {f"harness.{k}": v for k, v in words.items()}
        fresh = "run" not in self.known
        known = {**chosen, **numbers}
        self.batch(made, {**self._gone(made, known), **known}, params if fresh else {}, tags)
        for name in DERIVED:
            if self.e.run.exists(name) and self.e.run.is_local:
                path = Path(self.e.run.url.removeprefix("file://")) / name
                self.client.log_artifact(made, str(path))
        return made

    def close(self, parent: str) -> None:
        self.client.set_terminated(parent, "FAILED" if self.e.failed else "FINISHED")

    def trial(self, record: Record, parent: str) -> None:
        """A child per trial, with its history per epoch."""
        tags: dict[str, str] = {"harness.kind": record.trial.kind}
        if record.failure:
            tags["harness.failure"] = record.failure.reason
        history = self.e.history(record) if record.trial.kind == "train" else {}
        status = "FINISHED" if record.status == "finished" else "FAILED"
        key = f"{record.trial.id}/{record.status}"
        self.child(key, parent, tags, described(record), headline(record), status, history, record)

    def variant(self, row: Row, parent: str) -> None:
        """A child per variant, with all that is now known of it."""
        key, stands = (
            f"variant/{row.variant}",
            {f"harness.{k}": str(v) for k, v in standing(self.e, row).items()},
        )
        if key in self.known:
            self.again(key, figures(row), stands)
            return
        tags = {"harness.kind": "variant", "harness.variant": row.variant, **stands}
        self.child(key, parent, tags, {"runtime": row.runtime}, figures(row), "FINISHED")

    def forget(self, variants: Collection[str]) -> None:
        """Of earlier tellings' variants that there are no more, nothing is known."""
        for key in self.known:
            if key.startswith("variant/") and key not in variants:
                self.again(key, {}, {"harness.chosen": "False"})

    def child(
        self,
        key: str,
        parent: str,
        tags: Mapping[str, str],
        params: Mapping[str, object],
        metrics: Mapping[str, float],
        status: str,
        history: Mapping[str, Iterable[float]] | None = None,
        record: Record | None = None,
    ) -> None:
        """A run under the parent, written once."""
        if key in self.known:
            return
        name = record.trial.label if record else key
        run_id = self._open(key, name, {**tags, "mlflow.parentRunId": parent}, _started(record))
        steps = [(k, float(v), i) for k, column in (history or {}).items() for i, v in enumerate(column)]
        self.batch(run_id, metrics, params, {}, steps)
        ended = _started(record)
        self.client.set_terminated(
            run_id, status, ended + int(record.seconds * 1000) if record and ended else None
        )

    def again(self, key: str, metrics: Mapping[str, float], tags: Mapping[str, str]) -> None:
        """All that is now known of a run that was written before."""
        run_id = self.known[key]
        self.batch(run_id, {**self._gone(run_id, metrics), **metrics}, {}, tags)

    def _gone(self, run_id: str, metrics: Mapping[str, float]) -> dict[str, float]:
        """NaN for figures of an earlier telling that are not known any more: MLflow can take none back, and
        showed the P(best) of an earlier choice beside "nobody is named"."""
        now = {key(name) for name, value in metrics.items() if math.isfinite(value)}
        return {
            k: math.nan for k, v in self.told.get(run_id, {}).items() if k not in now and not math.isnan(v)
        }

    def _open(self, key: str, name: str, tags: Mapping[str, str], started: int | None = None) -> str:
        if key in self.known:
            return self.known[key]
        self.written += 1
        own = {"harness.run": self.run_name, "harness.key": key}
        made = self.client.create_run(
            self.experiment_id, start_time=started, tags={**own, **tags}, run_name=name
        )
        return str(made.info.run_id)

    def batch(
        self,
        run_id: str,
        metrics: Mapping[str, float],
        params: Mapping[str, object],
        tags: Mapping[str, str],
        steps: Iterable[tuple[str, float, int]] = (),
    ) -> None:
        """Everything of a run in as few calls as the server's limits allow."""
        from mlflow.entities import Metric, Param, RunTag

        before = self.told.get(run_id, {})
        points = [(k, float(v), 0) for k, v in metrics.items() if before.get(key(k)) != v]
        points += [point for point in steps if math.isfinite(point[1])]
        told = [Metric(key(k), v, self.now_ms, step) for k, v, step in points]
        given = [Param(key(k), str(v)[:LONGEST]) for k, v in params.items()]
        marks = [RunTag(key(k), v) for k, v in tags.items()]
        while told or given or marks:
            most = MOST["metrics"], MOST["params"], MOST["tags"]
            self.client.log_batch(run_id, told[: most[0]], given[: most[1]], marks[: most[2]])
            told, given, marks = told[most[0] :], given[most[1] :], marks[most[2] :]


def key(name: str) -> str:
    """A name as MLflow allows: letters, digits, `_ - . / :` and blanks."""
    return re.sub(r"[^\w\-. /:]", "_", name.replace("@", "_at_").replace("=", "_"))[:250]


def _started(record: Record | None) -> int | None:
    """When a trial began, in ms since 1970."""
    if record is None:
        return None
    try:
        return int(datetime.fromisoformat(record.started).timestamp() * 1000)
    except ValueError:
        return None
