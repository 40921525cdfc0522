"""What is public and keeps its name: keys of a suite, references to models, commands and their options, names
from Python, metrics, files of a run folder and the columns of its tables."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import harness
from harness.kinds import KINDS
from harness.metrics import METRICS
from harness.reading import checks, reader
from harness.report.render import render
from harness.store.runs import RunFolder
from harness.suite.model_ref import parse_model
from tests.runs_here import run_here
from tests.test_cli import call

IMAGES = """
name: cnn_vs_vit
question: Which image classifier should the returns desk ship?
task: image_classification
data: {name: digits, train_sizes: [100, 1000], validation: 0.1}
training:
  seeds: [0, 1, 2]
  epochs: 5
  batch_size: 128
  optimizer: {name: adamw, lr: 0.001, weight_decay: 0.05}
  schedule: {name: linear_warmup_decay, warmup: 0.1}
  precision: auto
  tuning: {trials: 8, search: optuna, scheduler: asha, space: {optimizer.lr: {loguniform: [1e-4, 1e-2]}}}
candidates:
  logistic: sklearn:LogisticRegression
  small_cnn: small_cnn
  resnet18: {model: "timm:resnet18", args: {pretrained: false, freeze: all}}
  vit: {model: vit, args: {patch: 4, dim: 96, depth: 6}, training: {epochs: 8, precision: fp32}}
  mine: {model: "own:build_net", args: {width: 64}, files: [own.py], training: {precision: bf16}}
serving:
  runtimes: [torch, onnx, onnx-int8, torch-compile, torch-bf16]
  threads: 1
  rounds: 3
  workers: auto
  over: [process]
  scenarios:
    single_stream: {}
    offline: {batch_sizes: [1, 32]}
    server: {latency_p99_ms: 10}
machine: {price: aws/c7i.large}
decision:
  constraints: ["accuracy >= 0.88", "latency_p99_ms <= 10", "cost_per_million_usd <= 0.50"]
  objective: maximize value
  value: "120*accuracy - cost_per_month_usd"
  confidence: 0.9
  broken_limit: 50
  costs: {items: {mine: {monthly_usd: 20, what: labels}}}
  traffic: {qps: 200, peak_qps: 600, burstiness: 2}
expect: {small_cnn: {accuracy: {value: 0.98, within: 0.01, source: a paper}}}
budget: 10m
track: {wandb: {project: tradeoffs}, mlflow: {uri: "sqlite:///mlflow.db"}}
"""
NETWORKS = """
name: networks
task: image_classification
data: {name: digits, transforms: "own:shifted"}
training: {seeds: [0], resources: {workers: 2}}
candidates: {mine: "own:build_net"}
serving: {runtimes: [onnx]}
decision: {objective: maximize accuracy}
"""
ROWS = """
name: rows
task: tabular_classification
data:
  name: tabular_csv
  args: {path: rows.csv, target: kept, decimal: ",", missing: ["?"]}
  split: {by: time, column: day, test: 0.3}
candidates: {logistic: "sklearn:LogisticRegression"}
serving: {runtimes: [onnx], workers: [1, 2]}
machines:
  small: {usd_per_hour: 0.09, class: abc}
  large: {usd_per_hour: 0.4, class: def}
decision:
  objective: maximize roc_auc
  positive: "yes"
  traffic: {trace: times.csv}
"""
SETS = """
name: sets
task: tabular_classification
datasets:
  one: {name: breast_cancer, split: {folds: 5, repeats: 2}}
  two: {name: breast_cancer, validation: 0.2}
candidates: {logistic: "sklearn:LogisticRegression"}
serving: {runtimes: [onnx]}
machine: {usd_per_hour: 0.09}
decision:
  objective: maximize accuracy
  traffic: {curve: [1, 1, 1, 1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 9, 8, 7, 6, 5, 4, 3, 2, 1]}
"""
PIPELINE = """
name: shop
task: recommendation
data: {name: mock_shop}
candidates:
  towers:
    retrieval: {model: two_tower, dim: 64, index: {hnsw: {m: 32, ef_search: 64}}, candidates: 1000}
    ranking: {model: wide_and_deep}
serving: {runtimes: [torch]}
decision: {objective: maximize ndcg@10}
"""
OWN = """
from torch import nn

def build_net(task, *, width: int = 64) -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(64, width), nn.Linear(width, task.num_classes))

def shifted(image):
    return image
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "own.py").write_text(OWN)
    times = pd.date_range("2025-01-01", periods=40, freq="h").astype(str)
    rows = [f'"{k},5";{day[:10]};{"yes" if k % 3 else "no"}' for k, day in enumerate(times)]
    (tmp_path / "rows.csv").write_text("\n".join(["size;day;kept", *rows]))
    (tmp_path / "times.csv").write_text("\n".join(["time", *times]))
    return tmp_path


@pytest.mark.parametrize(
    "text", [IMAGES, NETWORKS, ROWS, SETS, PIPELINE], ids=["images", "networks", "rows", "sets", "pipeline"]
)
def test_every_public_key_of_a_suite_is_taken(
    folder: Path, text: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (checks, reader):
        monkeypatch.setattr(module, "local_cores", lambda: 4)
    (folder / "suite.yaml").write_text(text)
    (folder / "longer.yaml").write_text("extends: suite.yaml\nname: longer\n")
    code, _, err = call(capsys, "plan", str(folder / "longer.yaml"))
    assert (code, err) == (0, "")


@pytest.mark.parametrize(
    ("reference", "kind"),
    [
        ("small_cnn", "name"),
        ("timm:resnet18", "timm"),
        ("hf:bert-base-uncased", "hf"),
        ("sklearn:SVC", "sklearn"),
        ("onnx:net.onnx", "onnx"),
        ("xgboost:XGBClassifier", "xgboost"),
        ("lightgbm:LGBMClassifier", "lightgbm"),
        ("catboost:CatBoostClassifier", "catboost"),
        ("lightning:last.ckpt", "lightning"),
        ("torch:net.pt", "torch"),
        ("keras:net.keras", "keras"),
        ("endpoint:http://127.0.0.1:8000", "endpoint"),
        ("package.module:function", "user"),
    ],
)
def test_models_are_referred_to_by(reference: str, kind: str) -> None:
    assert parse_model(reference).kind == kind


OPTIONS = {
    "run": "--set --only --out --address --submit --budget --smoke --track --json --exhaustive",
    "plan": "--json",
    "report": "",
    "recommend": "--where --maximize --minimize",
    "compare": "--format",
    "list": "",
    "data fetch": "",
    "data verify": "",
    "data audit": "",
    "data clean": "",
    "export": "",
    "doctor": "",
    "schema": "",
    "prices update": "",
}


@pytest.mark.parametrize("command", OPTIONS)
def test_commands_have_their_options(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = call(capsys, *command.split(), "--help")
    assert code == 0 and [o for o in OPTIONS[command].split() if f"{o} " not in out] == []


@pytest.mark.parametrize("things", ["models", "datasets", "metrics", "runtimes", "suites", "runs"])
def test_list_names(
    things: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, err = call(capsys, "list", things)
    assert code == 0 and out + err


def test_names_from_python() -> None:
    assert {"load_suite", "plan", "run", "open_run", "Run"} <= set(harness.__all__)
    names = "tradeoffs records predictions history load_curve recommendation recommend compare report"
    assert [name for name in names.split() if not hasattr(harness.Run, name)] == []


METRIC_NAMES = """
accuracy balanced_accuracy f1_macro precision_macro recall_macro roc_auc pr_auc log_loss ece brier mse mae r2
ndcg@10 recall@100 catalog_coverage@10 ctr conversion_rate revenue_per_session_usd
latency_p50_ms latency_p90_ms latency_p99_ms throughput_offline_per_s throughput_at_slo_qps
peak_memory_mb model_size_mb parameters flops_per_example
train_seconds train_cost_usd cost_per_million_usd cost_per_month_usd energy_per_million_kwh
"""
TASKS = """
image_classification text_classification tabular_classification tabular_regression recommendation
multilabel_classification
"""


def test_names_of_metrics_and_tasks() -> None:
    assert set(METRIC_NAMES.split()) <= set(METRICS)
    assert set(TASKS.split()) <= set(KINDS)


TINY = """
name: tiny
task: image_classification
data: {name: digits, train_sizes: [100]}
training: {seeds: [0], epochs: 2, batch_size: 64, precision: fp32}
candidates: {small_cnn: {model: small_cnn, args: {width: 4}}}
serving: {runtimes: [torch], rounds: 1, scenarios: {single_stream: {seconds: 0.1, min_calls: 20}}}
machine: {usd_per_hour: 0.09}
decision: {objective: maximize accuracy}
"""
COLUMNS = "run trial kind candidate runtime variant seed train_size round scenario metric unit value status"
VERDICTS = {"recommend", "tie", "none_feasible", "not_enough_evidence"}
DECIDED = "verdict choice probability_best runners_up reasons flips warnings"
RECORDED = "trial status measurements environment seconds"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A network that was trained, scored and served; its report."""
    folder = tmp_path_factory.mktemp("tiny")
    (folder / "tiny.yaml").write_text(TINY)
    made = run_here(folder / "tiny.yaml", folder / "results")
    render(made)
    return made


def test_each_trial_leaves_its_record_and_what_it_found(run: RunFolder) -> None:
    found = {record.trial.kind: record for record in run.records()}
    for kind, name in (("train", "history.csv"), ("score", "predictions.parquet"), ("serve", "record.json")):
        folder = Path(run.url) / "trials" / found[kind].trial.id
        told: dict[str, Any] = json.loads((folder / "record.json").read_text())
        assert [key for key in RECORDED.split() if key not in told] == [] and told["status"] == "finished"
        assert all({"metric", "value", "unit"} <= set(m) for m in told["measurements"])
        assert (folder / name).exists()
    trained = Path(run.url) / "trials" / found["train"].trial.id
    assert len((trained / "history.csv").read_text().splitlines()) == 1 + 2, "a line for each epoch"
    answers = pd.read_parquet(Path(run.url) / "trials" / found["score"].trial.id / "predictions.parquet")
    assert len(answers) == 359, "a row for each of 360 test examples, of which one is trained on"


def test_the_tables_have_their_columns(run: RunFolder) -> None:
    folder = Path(run.url)
    assert set(COLUMNS.split()) <= set(pd.read_parquet(folder / "records.parquet").columns)
    with (folder / "tradeoffs.csv").open() as file:
        (row,) = csv.DictReader(file)
    (same,) = json.loads((folder / "tradeoffs.json").read_text())["rows"]
    flags = {"variant", "pareto", "pareto_probability", "feasible_probability"}
    for metric in ("accuracy", "latency_p99_ms", "parameters", "train_cost_usd"):
        flags |= {metric, f"{metric}_low", f"{metric}_high"}
    assert flags <= set(row) and flags <= set(same)


def test_what_was_decided_is_said_in_these_words(run: RunFolder) -> None:
    told = json.loads(run.read_text("recommendation.json"))
    assert [key for key in DECIDED.split() if key not in told] == [] and told["verdict"] in VERDICTS
    assert run.exists("report.html") and run.exists("report.md")
