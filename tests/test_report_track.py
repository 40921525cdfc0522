"""Trackers: what they were told is read back from their own files; in trouble they cost a line."""

from __future__ import annotations

import contextlib
import json
import math
import os
import re
import runpy
import sqlite3
import subprocess
import sys
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from types import ModuleType, SimpleNamespace
from typing import Any, ClassVar, cast

import pytest

from harness.record import Failure, HarnessError, Record
from harness.report import gather, track, write_report
from harness.report.evidence import Evidence
from harness.report.sections.load import load_curve
from harness.results import Estimate
from tests.report_samples import Made, make_records, make_run, make_suite
from tests.wandb_files import stored

WORLD = (Made("small_cnn", 0.884, 0.31, 60, 131_000),)


@pytest.fixture(scope="module")
def evidence(tmp_path_factory: pytest.TempPathFactory) -> Evidence:
    """One candidate with one seed and round; one of its serve trials failed."""
    records = make_records(WORLD, seeds=(0,), sizes=(1000,), rounds=1, calls=20, runtimes=("onnx",))
    last = records[-2]
    records[-2] = Record(last.trial, "failed", failure=Failure("timed out after 300 s"), started=last.started)
    suite = make_suite(WORLD, ("onnx",), decision={"objective": "maximize accuracy"})
    e = gather(make_run(tmp_path_factory.mktemp("results"), records, suite))
    write_report(e)
    return e


def test_offline_wandb_runs_hold_what_the_records_hold(
    evidence: Evidence, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    for name in ("WANDB_DATA_DIR", "WANDB_CACHE_DIR", "WANDB_CONFIG_DIR"):
        monkeypatch.setenv(name, str(tmp_path / "own"))
    said = track.track(evidence, {"wandb": {"project": "tradeoffs", "dir": str(tmp_path)}})
    assert "wandb sync" in said
    runs = {run["id"]: run for run in stored(tmp_path / "wandb")}
    assert len(runs) == len(evidence.records) + len(evidence.rows) + 1
    for record in evidence.records:
        run = runs[f"abcdef01-{record.trial.id}"]
        assert run["name"] == record.trial.label and run["kind"] == record.trial.kind
        assert run["group"] == "made_up/20251123-150000-abcdef01"
        assert run["config"]["candidate"] == "small_cnn"
        for metric, value in track.headline(record).items():
            assert run["summary"][metric] == pytest.approx(value)
        assert run["summary"]["trial_seconds"] == record.seconds, "of the trial, not of its last epoch"
        if record.failure:
            assert run["summary"]["failure"] == "timed out after 300 s"
    trained = next(run for run in runs.values() if run["kind"] == "train")
    losses = [value for key, value in trained["history"] if key == "train_loss"]
    assert losses == pytest.approx([0.72, 0.432, 0.2592, 0.1555, 0.0933])
    variant = next(run for run in runs.values() if run["kind"] == "variant")
    offered = [value for key, value in variant["history"] if key == "load/offered_qps"]
    tails = [value for key, value in variant["history"] if key == "load/latency_p99_ms"]
    curve = load_curve(evidence, evidence.rows[0])
    assert offered == pytest.approx([at.offered for at in curve]) and len(offered) == 5, "one run is invalid"
    assert tails == pytest.approx([at.p99_ms for at in curve if at.p99_ms is not None])
    report = next(run for run in runs.values() if run["kind"] == "report")
    assert report["summary"]["verdict"] == evidence.recommendation.verdict
    keys = {key for key, _ in report["history"]}
    assert all(any(key.startswith(name) for key in keys) for name in ("tradeoffs", "calibration", "report"))
    assert any("confusion" in key for key in keys) and any("precision_recall" in key for key in keys)


def test_without_a_key_wandb_writes_offline_and_says_so(
    evidence: Evidence, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("wandb")
    for name in ("WANDB_MODE", "WANDB_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "none"))
    monkeypatch.setenv("WANDB_DATA_DIR", str(tmp_path / "own"))
    few = replace(evidence, tradeoff=replace(evidence.tradeoff, rows=()))
    said = track.track(few, {"wandb": {"trials": "none", "dir": str(tmp_path), "report": False}})
    assert said.startswith("no W&B key found (`wandb login`, or WANDB_API_KEY)")
    assert "1 runs written" in said


def test_a_key_is_found_in_the_environment_and_in_netrc(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("wandb")
    from harness.report.wandb import has_key

    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.delenv("WANDB_BASE_URL", raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    assert not has_key()
    (tmp_path / "netrc").write_text("machine api.wandb.ai\n  login user\n  password made-up\n")
    assert has_key()
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    assert not has_key()


def test_the_wandb_report_is_specified_without_a_server(evidence: Evidence) -> None:
    pytest.importorskip("wandb_workspaces")
    from harness.report.wandb_report import build, specification

    made = [
        specification(build(evidence, "tradeoffs", "team", "made_up/20251123-150000-abcdef01")) for _ in "ab"
    ]
    assert made[0] == made[1]
    blocks = json.loads(made[0])["blocks"]
    titles = [b["children"][0]["text"] for b in blocks if b["type"] == "heading"]
    assert titles == [
        "At a glance",
        "Verdict",
        "Trade-offs",
        "What would change it",
        "Quality against speed",
        "Under load",
        "Training",
    ]
    assert any("Ship **small\\_cnn/onnx**" in b.get("content", "") for b in blocks)
    grids = [b for b in blocks if b["type"] == "panel-grid"]
    shown = [grid["metadata"]["panelBankSectionConfig"]["panels"] for grid in grids]
    card, best = shown[0]
    assert card["viewType"] == "Markdown Panel" and "Ship **small\\_cnn/onnx**" in card["config"]["value"]
    assert best["viewType"] == "Bar Chart" and best["config"]["metrics"] == ["best_probability"]
    assert shown[1][0]["viewType"] == "Scatter Plot"
    assert shown[1][0]["config"]["yAxis"] == "summary:accuracy"
    assert shown[2][0]["viewType"] == "Run History Line Plot"
    assert shown[2][0]["config"]["xAxis"] == "load/offered_qps"
    assert shown[2][0]["config"]["metrics"] == ["load/latency_p99_ms"]
    filters = json.dumps(grids[0]["metadata"]["runSets"][0]["filters"])
    assert "made_up/20251123-150000-abcdef01" in filters and '"variant"' in filters


class FakeWandb(BaseHTTPRequestHandler):
    """As much of a W&B server as saving a Report needs; keeps what it was sent."""

    views: ClassVar[list[dict[str, Any]]] = []

    def do_POST(self) -> None:
        sent = self.rfile.read(int(self.headers.get("content-length") or 0))
        body = json.loads(sent) if self.path == "/graphql" else {}
        query, variables = body.get("query", ""), body.get("variables") or {}
        answer: dict[str, Any] = {}
        if "upsertView" in query:
            self.views.append(variables)
            project = {"id": "p", "name": variables["projectName"], "entityName": variables["entityName"]}
            kept = {k: variables[k] for k in ("name", "displayName", "description", "type", "spec")}
            user = {"username": "u", "name": "u", "photoUrl": None, "admin": False}
            times = {"createdAt": "2025-01-01T00:00:00Z", "updatedAt": "2025-01-01T00:00:00Z"}
            answer = {"upsertView": {"view": {"id": "Vm", **kept, **times, "project": project, "user": user}}}
        elif "viewer" in query:
            nobody: dict[str, Any] = {
                "id": "u",
                "flags": "{}",
                "entity": "team",
                "username": "u",
                "email": "u@x",
            }
            answer = {"viewer": {**nobody, "teams": {"edges": []}}, "serverInfo": {}}
        elif "projects" in query or "models" in query:
            answer = {"models": {"edges": [], "pageInfo": {"endCursor": None, "hasNextPage": False}}}
        elif "upsertModel" in query:
            answer = {"upsertModel": {"model": {"id": "p", "name": "tradeoffs", "entityName": "team"}}}
        content = json.dumps({"data": answer}).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        """Silent."""


def test_the_wandb_report_reaches_a_server_as_it_was_specified(evidence: Evidence, tmp_path: Path) -> None:
    pytest.importorskip("wandb_workspaces")
    from harness.report.wandb_report import build, specification

    group = "made_up/20251123-150000-abcdef01"
    child = (
        "from harness.report import gather; from harness.report.wandb_report import build, publish;"
        "from harness.store.runs import RunFolder;"
        f"print(publish(build(gather(RunFolder({evidence.run.url!r})), 'tradeoffs', 'team', {group!r})))"
    )
    server = ThreadingHTTPServer(("127.0.0.1", 0), FakeWandb)
    Thread(target=server.serve_forever, daemon=True).start()
    # Its own process: W&B keeps the address of the server for the life of one.
    here = {k: v for k, v in os.environ.items() if k != "WANDB_MODE"}
    own = {"WANDB_BASE_URL": f"http://127.0.0.1:{server.server_port}", "WANDB_API_KEY": "0" * 40}
    own |= {"WANDB_DIR": str(tmp_path), "WANDB_ERROR_REPORTING": "false", "PYTHONPATH": str(Path.cwd())}
    try:
        done = subprocess.run(
            [sys.executable, "-c", child],
            env={**here, **own},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=240,
        )
    finally:
        server.shutdown()
        server.server_close()
    assert done.returncode == 0, done.stderr[-2000:]
    assert "/team/tradeoffs/reports/" in done.stdout
    sent = FakeWandb.views[-1]
    assert sent["displayName"] == evidence.suite.question
    titles = [b["children"][0]["text"] for b in json.loads(sent["spec"])["blocks"] if b["type"] == "heading"]
    mine = json.loads(specification(build(evidence, "tradeoffs", "team", group)))["blocks"]
    assert titles == [b["children"][0]["text"] for b in mine if b["type"] == "heading"]


def test_mlflow_holds_parent_and_children_once(evidence: Evidence, tmp_path: Path) -> None:
    tracking = pytest.importorskip("mlflow.tracking")
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    said = track.track(evidence, {"mlflow": {"uri": uri, "experiment": "tradeoffs"}})
    count = len(evidence.records) + len(evidence.rows) + 1
    assert said == f"{count} runs in experiment tradeoffs at {uri}."
    client = tracking.MlflowClient(tracking_uri=uri)
    experiment = client.get_experiment_by_name("tradeoffs")
    assert experiment.artifact_location == f"{tmp_path.as_uri()}/mlruns", "which .gitignore leaves out"
    runs = {r.data.tags["harness.key"]: r for r in client.search_runs([experiment.experiment_id])}
    parent = runs["run"]
    assert parent.data.tags["harness.choice"] == "small_cnn/onnx"
    assert parent.data.params["data.name"] == "fashion_mnist"
    assert {f.path for f in client.list_artifacts(parent.info.run_id)} >= {"report.html", "tradeoffs.csv"}
    for record in evidence.records:
        run = runs[f"{record.trial.id}/{record.status}"]
        assert run.data.tags["mlflow.parentRunId"] == parent.info.run_id
        assert run.info.status == ("FAILED" if record.failure else "FINISHED")
        assert run.data.params["candidate"] == "small_cnn"
        for metric, value in track.headline(record).items():
            assert run.data.metrics[re.sub("=", "_", metric)] == pytest.approx(value)
    trained = next(r for r in runs.values() if r.data.tags.get("harness.kind") == "train")
    history = client.get_metric_history(trained.info.run_id, "validation_score")
    assert [m.step for m in history] == [0, 1, 2, 3, 4]
    # Told again, nothing is written twice.
    assert track.track(evidence, {"mlflow": {"uri": uri, "experiment": "tradeoffs"}}).startswith("0 runs")
    assert len(client.get_metric_history(parent.info.run_id, "accuracy")) == 1
    # What follows from all trials is what it is now, also where it is smaller: MLflow shows the larger of two
    # values without a time, and a variant's were those of the first telling.
    rows = tuple(
        replace(row, estimates={**row.estimates, "accuracy": Estimate(0.5)}) for row in evidence.tradeoff.rows
    )
    lower = replace(evidence, tradeoff=replace(evidence.tradeoff, rows=rows))
    assert track.track(lower, {"mlflow": {"uri": uri, "experiment": "tradeoffs"}}).startswith("0 runs")
    runs = {r.data.tags["harness.key"]: r for r in client.search_runs([experiment.experiment_id])}
    for name in ("run", "variant/small_cnn/onnx"):
        assert runs[name].data.metrics["accuracy"] == 0.5


def undecided(e: Evidence) -> Evidence:
    """The same run where nobody can be named any more, and a figure is not estimable."""
    said = replace(
        e.recommendation,
        verdict="not_enough_evidence",
        choice=None,
        probability_best=None,
        expected_regret=None,
    )
    rows = tuple(
        replace(row, estimates={**row.estimates, "accuracy": Estimate(None, note="not estimable")})
        for row in e.tradeoff.rows
    )
    return replace(e, recommendation=said, tradeoff=replace(e.tradeoff, rows=rows))


def test_mlflow_shows_no_figure_of_an_earlier_choice(evidence: Evidence, tmp_path: Path) -> None:
    tracking = pytest.importorskip("mlflow.tracking")
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    client = tracking.MlflowClient(tracking_uri=uri)
    shown: list[dict[str, dict[str, float]]] = []
    for told in (evidence, undecided(evidence), undecided(evidence), evidence):
        track.track(told, {"mlflow": {"uri": uri, "experiment": "tradeoffs"}})
        found = client.search_runs([client.get_experiment_by_name("tradeoffs").experiment_id])
        shown.append({r.data.tags["harness.key"]: r.data.metrics for r in found})
    variant = "variant/small_cnn/onnx"
    numbers = [{k for k, v in runs["run"].items() if not math.isnan(v)} for runs in shown]
    assert numbers[1] == numbers[2] == set() and numbers[3] == numbers[0] >= {"probability_best", "accuracy"}
    assert math.isnan(shown[1][variant]["accuracy"]) and math.isnan(shown[1][variant]["accuracy_low"])
    assert shown[3] == shown[0], "and it is back when it is known again"
    run_id = next(r.info.run_id for r in found if r.data.tags["harness.key"] == "run")
    assert len(client.get_metric_history(run_id, "probability_best")) == 3, "told once each time it changes"


def test_trackers_say_of_each_variant_whether_it_is_chosen_and_what_rules_it_out(
    evidence: Evidence, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tracking = pytest.importorskip("mlflow.tracking")
    pytest.importorskip("wandb")
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    client = tracking.MlflowClient(tracking_uri=uri)
    limit, none = "accuracy >= 0.9: is 0.884", Estimate(None, note="ruled out after scoring")
    rows = tuple(
        replace(row, rejected_by=(limit,), estimates={"latency_p99_ms": none})
        for row in evidence.tradeoff.rows
    )
    ruled_out = replace(undecided(evidence), tradeoff=replace(evidence.tradeoff, rows=rows))
    names = ("chosen", "rejected_by", "failures", "stopped")
    first = evidence.rows[0]
    failed = "; ".join(first.failures)
    assert "timed out after 300 s" in failed
    expected = [("True", "", failed, first.stopped), ("False", limit, failed, none.note)]
    for told, wanted in zip((evidence, ruled_out), expected, strict=True):
        track.track(told, {"mlflow": {"uri": uri, "experiment": "tradeoffs"}})
        found = client.search_runs([client.get_experiment_by_name("tradeoffs").experiment_id])
        tags = next(r.data.tags for r in found if r.data.tags.get("harness.kind") == "variant")
        assert tuple(tags[f"harness.{name}"] for name in names) == wanted

    monkeypatch.setenv("WANDB_MODE", "offline")
    track.track(ruled_out, {"wandb": {"trials": "none", "dir": str(tmp_path), "report": False}})
    run = next(run for run in stored(tmp_path / "wandb") if run["kind"] == "variant")
    assert tuple(str(run["summary"][name]) for name in names) == expected[1]


def test_wandb_is_told_that_there_is_no_figure_any_more(
    evidence: Evidence, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    for name in ("WANDB_DATA_DIR", "WANDB_CACHE_DIR", "WANDB_CONFIG_DIR"):
        monkeypatch.setenv(name, str(tmp_path / "own"))
    settings = {"project": "tradeoffs", "dir": str(tmp_path), "trials": "none", "report": False}
    track.track(undecided(evidence), {"wandb": settings})
    runs = {run["kind"]: run["summary"] for run in stored(tmp_path / "wandb")}
    assert runs["report"]["choice"] == "" and runs["report"]["verdict"] == "not_enough_evidence"
    gone = [runs["report"].get(name, "as it was") for name in ("probability_best", "expected_regret")]
    gone += [runs["variant"].get(f"accuracy{end}", "as it was") for end in ("", "_low", "_high")]
    assert gone == [None] * 5 and runs["variant"]["latency_p50_ms"] > 0


def test_a_resumed_run_of_wandb_keeps_what_others_wrote_into_it(evidence: Evidence) -> None:
    from harness.report.wandb import _Session

    session = _Session(ModuleType("wandb"), evidence, {}, "online", Path())
    summary = {
        "accuracy": 0.9,
        "accuracy_low": 0.8,
        "failure": "timed out",
        "cost_per_month_usd": 65,
        "mine": 1,
    }
    session._summarise(cast(Any, SimpleNamespace(summary=summary)), {"accuracy": 0.7})
    assert summary == {
        "accuracy": 0.7, "accuracy_low": None, "failure": None, "cost_per_month_usd": None, "mine": 1,
    }  # fmt: skip


PREDICT = """
import pathlib
def load():
    factor = float((pathlib.Path(__file__).parent / "factor.txt").read_text())
    return lambda rows: [factor * row["x"] for row in rows]
"""


def write_doubling(variant: str, folder: Path) -> None:
    """Stands for an export: a folder whose predict.py reads a file beside it."""
    folder.mkdir()
    (folder / "predict.py").write_text(PREDICT)
    (folder / "factor.txt").write_text("2")
    (folder / "requirements.txt").write_text("numpy\n")


def test_the_chosen_variant_is_a_registered_model_of_mlflow_that_answers_without_the_harness(
    evidence: Evidence, tmp_path: Path
) -> None:
    tracking = pytest.importorskip("mlflow.tracking")
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    for _ in "ab":
        said = track.track(evidence, {"mlflow": {"uri": uri, "model": "returns-desk"}}, write_doubling)
        assert said.endswith("small_cnn/onnx is version 1 of model returns-desk.")
    client = tracking.MlflowClient(tracking_uri=uri)
    version = client.get_model_version_by_alias("returns-desk", "shipped")
    assert (
        version.tags["harness.verdict"] == "recommend" and version.tags["harness.choice"] == "small_cnn/onnx"
    )
    assert client.get_run(version.run_id).data.tags["harness.key"] == "run"
    ask = (
        "import mlflow, pandas as pd, sys\n"
        "sys.modules['harness'] = None\n"
        f"mlflow.set_tracking_uri({uri!r})\n"
        "model = mlflow.pyfunc.load_model('models:/returns-desk@shipped')\n"
        "print('answers', model.predict(pd.DataFrame({'x': [1.5, 2.0]})))"
    )
    done = subprocess.run(
        [sys.executable, "-c", ask], cwd=tmp_path, capture_output=True, text=True, timeout=200
    )
    assert "answers [3.0, 4.0]" in done.stdout, done.stderr[-2000:]


def test_a_run_that_is_decided_anew_registers_its_other_choice(evidence: Evidence, tmp_path: Path) -> None:
    """It said of the new choice that it is the version that the old one is."""
    tracking = pytest.importorskip("mlflow.tracking")
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    client = tracking.MlflowClient(tracking_uri=uri)

    def tell(choice: str | None, verdict: str) -> tuple[str, dict[str, str], str]:
        said = replace(evidence.recommendation, choice=choice, verdict=cast(Any, verdict))
        settings = {"mlflow": {"uri": uri, "model": "returns-desk"}}
        spoken = track.track(replace(evidence, recommendation=said), settings, write_doubling)
        versions = client.search_model_versions("name = 'returns-desk'")
        shipped = client.get_registered_model("returns-desk").aliases.get("shipped", "")
        return spoken, {v.version: v.tags["harness.verdict"] for v in versions}, str(shipped)

    spoken, verdicts, shipped = tell("small_cnn/onnx", "tie")
    assert spoken.endswith("small_cnn/onnx is version 1 of model returns-desk.")
    assert {str(k): v for k, v in verdicts.items()} == {"1": "tie"} and shipped == ""
    spoken, verdicts, shipped = tell("resnet/onnx", "recommend")
    assert spoken.endswith("resnet/onnx is version 2 of model returns-desk.") and shipped == "2"
    assert {str(k): v for k, v in verdicts.items()} == {"1": "not chosen any more", "2": "recommend"}
    client.set_registered_model_alias("returns-desk", "shipped", "1")  # as another run might
    assert tell("resnet/onnx", "recommend")[2] == "1"
    spoken, verdicts, shipped = tell("small_cnn/onnx", "recommend")
    assert spoken.endswith("small_cnn/onnx is version 1 of model returns-desk.") and shipped == "1"
    assert {str(k): v for k, v in tell(None, "not_enough_evidence")[1].items()} == {
        "1": "not chosen any more", "2": "not chosen any more",
    }  # fmt: skip


def test_a_choice_that_cannot_be_exported_costs_a_sentence(evidence: Evidence, tmp_path: Path) -> None:
    pytest.importorskip("mlflow")

    def refuse(variant: str, folder: Path) -> None:
        raise HarnessError(f"{variant} is a service")

    said = track.track(evidence, {"mlflow": {"uri": f"sqlite:///{tmp_path}/mlflow.db"}}, refuse)
    assert said.endswith("small_cnn/onnx is not registered: small_cnn/onnx is a service")


def test_a_tracker_in_trouble_says_what_and_nothing_else(evidence: Evidence, tmp_path: Path) -> None:
    pytest.importorskip("mlflow")
    (tmp_path / "file").write_text("no database")
    with pytest.raises(HarnessError, match="MLflow at sqlite:.* failed"):
        track.track(evidence, {"mlflow": {"uri": f"sqlite:///{tmp_path}/file"}})


def test_a_half_made_mlflow_database_is_named_with_its_cure(evidence: Evidence, tmp_path: Path) -> None:
    pytest.importorskip("mlflow")
    with contextlib.closing(sqlite3.connect(tmp_path / "half.db")) as base, base:
        base.execute("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)")
        base.execute("INSERT INTO alembic_version VALUES ('0123456789ab')")
    with pytest.raises(
        HarnessError, match=r"half made or of another version: `mlflow db upgrade sqlite:.*half\.db`"
    ):
        track.track(evidence, {"mlflow": {"uri": f"sqlite:///{tmp_path}/half.db"}})


@pytest.mark.slow
def test_runs_that_start_together_on_a_missing_mlflow_database_all_write(tmp_path: Path) -> None:
    code = "import sys; from harness.report.mlflow import _client; _client(sys.argv[1])"
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    started = [
        subprocess.Popen([sys.executable, "-c", code, uri], stderr=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    assert [(p.communicate(timeout=200)[1].count("Traceback"), p.returncode) for p in started] == [(0, 0)] * 4


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_no_tracker_is_told_what_is_no_number(value: float) -> None:
    assert not track.is_told(value) and track.is_told(0.0) and track.is_told("nan")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"tensorboard": {}}, "no tracker 'tensorboard': there is wandb, mlflow"),
        ({"mlflow": {"url": "x"}}, "unknown url; there is uri, experiment, model"),
        ({"wandb": {"mode": "sometimes"}}, "write online or offline"),
        ({"wandb": {"mode": "offline", "trials": "some"}}, "write one of all, train, none"),
    ],
)
def test_wrong_settings_name_the_right_ones(
    evidence: Evidence,
    settings: dict[str, Any],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_DIR", str(tmp_path))
    with pytest.raises(HarnessError, match=re.escape(message)):
        track.track(evidence, settings)


def test_settings_are_flattened() -> None:
    spec = {"training": {"optimizer": {"lr": 0.1}}, "sizes": [1, 2], "empty": {}}
    assert dict(track.flat(spec)) == {"training.optimizer.lr": 0.1, "sizes": "[1, 2]", "empty": "{}"}


@pytest.fixture(scope="module")
def pictures() -> dict[str, Any]:
    return runpy.run_path(
        str(Path(__file__).parents[1] / "scripts" / "tracker_pictures"), run_name="pictures"
    )


def test_the_picture_of_wandb_shows_what_its_offline_files_hold(
    evidence: Evidence, tmp_path: Path, pictures: dict[str, Any]
) -> None:
    pytest.importorskip("wandb")
    options = {"mode": "offline", "dir": str(tmp_path), "trials": "none", "report": False}
    track.track(evidence, {"wandb": options})
    page = pictures["wandb_page"](tmp_path)
    assert f"<td>{evidence.recommendation.verdict}</td>" in page
    assert all(f"<td>{row.variant}</td>" in page for row in evidence.rows)
    assert "pareto" in page and "tradeoffs" in page and "_table" not in page


@pytest.mark.slow
def test_a_server_of_mlflow_is_told_a_run_and_nothing_is_printed(
    evidence: Evidence, tmp_path: Path, pictures: dict[str, Any], capfd: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("mlflow")
    with pictures["mlflow_server"](tmp_path) as address:
        said = track.track(evidence, {"mlflow": {"uri": address}})
    assert f"at {address}" in said
    assert capfd.readouterr().out == ""
