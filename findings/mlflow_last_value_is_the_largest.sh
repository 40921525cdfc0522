#!/usr/bin/env bash
# MLflow: `run.data.metrics`, `search_runs` and the table of runs show "the last value" of a metric. Of values with equal step and equal
# millisecond that is the *largest*, not the last. `log_metric(name, value)` without a step says step 0 each time, so that a loss that is
# logged in a quick loop, or by `log_batch` with one time for all, is shown as the worst value of the last millisecond. Its history keeps
# all of them. The same with `step=` given, and with a sleep of two milliseconds between, shows the last.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'mlflow==3.17.2'
cd "$work"
"$work/venv/bin/python" -W ignore - 2>/dev/null <<'PY'
import mlflow
from mlflow.entities import Metric
from mlflow.tracking import MlflowClient

client = MlflowClient("sqlite:///runs.db")
losses, now = [2.0, 0.9, 0.5, 0.3], 1_764_028_800_000
ways = {
    "one step, one millisecond": [Metric("loss", value, now, 0) for value in losses],
    "one step, later each time": [Metric("loss", value, now + 2 * k, 0) for k, value in enumerate(losses)],
    "steps, one millisecond": [Metric("loss", value, now, k) for k, value in enumerate(losses)],
}
found = {}
experiment = client.create_experiment("losses")
for name, metrics in ways.items():
    run = client.create_run(experiment).info.run_id
    for metric in metrics:
        client.log_metric(run, metric.key, metric.value, timestamp=metric.timestamp, step=metric.step)
    shown, history = client.get_run(run).data.metrics["loss"], client.get_metric_history(run, "loss")
    found[name] = shown, len(history)
print(f"mlflow {mlflow.__version__}, losses {losses} are logged one after the other:")
for name, (shown, kept) in found.items():
    print(f"  {name}: shown as {shown}, {kept} in its history")
best = client.search_runs([experiment], order_by=["metrics.loss ASC"])[-1].data.metrics["loss"]
print(f"  search_runs orders by what is shown: the worst run has {best}")
assert found == {
    "one step, one millisecond": (2.0, 4), "one step, later each time": (0.3, 4), "steps, one millisecond": (0.3, 4),
}, found
PY
