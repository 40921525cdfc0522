"""A boosting model on a large table: how much anonymous memory reading, training and scoring take.

    python -m benchmarks.large_table [--rows 10000000] [--file csv] [--model histogram] [--out …]

A Parquet or CSV file is made (numbers with holes, whole numbers, two columns of categories) and goes the way
of every suite: described for `plan`, then trained and scored, each step in a process of its own whose
anonymous memory is looked at fifty times a second (see `benchmarks.larger_than_memory`). The model is
LightGBM's, or scikit-learn's histogram boosting, of few trees: what is measured is what the harness holds
beside it.

Gate: under 6 GB for 10 million rows of 20 columns.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.larger_than_memory import apart

MOST_GB = 6.0
BLOCK = 500_000
TOWNS = [f"town {i}" for i in range(200)]
MODELS: dict[str, tuple[str, dict[str, Any], str]] = {
    "lightgbm": ("lightgbm:LGBMClassifier", {"n_estimators": 20, "verbose": -1}, "lightgbm"),
    "histogram": ("sklearn:HistGradientBoostingClassifier", {"max_iter": 20}, "sklearn"),
}
"""Name → reference, arguments, runtime."""
PLANS = ["basic", "pro", "family", "business"]


def make(path: Path, rows: int, columns: int) -> None:
    """A table of which three numbers and the plan tell the answer."""
    import pyarrow as pa
    import pyarrow.parquet as pq
    from pyarrow import csv

    rng = np.random.default_rng(0)
    writer: Any = None
    for start in range(0, rows, BLOCK):
        n = min(BLOCK, rows - start)
        numbers = rng.normal(size=(columns - 3, n))
        plan = rng.integers(0, len(PLANS), n)
        logit = numbers[:3].sum(0) + plan - 1.5
        numbers[4, rng.random(n) < 0.05] = np.nan
        made = {f"x{i}": pa.array(values, from_pandas=True) for i, values in enumerate(numbers)}
        made["age"] = pa.array(rng.integers(18, 90, n))
        made["plan"] = pa.array(plan).cast(pa.int32())
        made["plan"] = pa.DictionaryArray.from_arrays(made["plan"], PLANS)
        made["town"] = pa.DictionaryArray.from_arrays(pa.array(rng.integers(0, 200, n), pa.int32()), TOWNS)
        made["left"] = pa.array(np.where(logit > rng.logistic(size=n), "yes", "no"))
        block = pa.table(made)
        if path.suffix == ".csv":
            texts = {"plan": block["plan"].cast(pa.string()), "town": block["town"].cast(pa.string())}
            block = pa.table({name: texts.get(name, block[name]) for name in block.column_names})
            writer = writer or csv.CSVWriter(path, block.schema)
        writer = writer or pq.ParquetWriter(path, block.schema)
        writer.write_table(block)
    assert writer is not None
    writer.close()


def plan(path: str) -> dict[str, Any]:
    from harness.datasets import catalog

    return {"classes": catalog.task_info("tabular_csv", {"path": path, "target": "left"}).num_classes}


def train(path: str, out: str, model: str) -> dict[str, Any]:
    from harness.protocols import Job
    from harness.record import Trial
    from harness.suite.schema import Training
    from harness.tasks import supervised

    recipe = Training.model_validate({})
    spec = {
        "candidate": "c", "task": "tabular_classification", "model": MODELS[model][0],
        "args": MODELS[model][1], "training": recipe.model_dump(
            mode="json", exclude={"seeds", "resources", "time_limit", "tuning"}),
        "data": {"name": "tabular_csv", "args": {"path": path, "target": "left"}, "validation": 0.1,
                 "seed": 0},
        "train_size": None, "seed": 0, "code": "",
    }  # fmt: skip
    trained, answered = Path(out) / "train", Path(out) / "score"
    trained.mkdir(parents=True)
    answered.mkdir()
    supervised.train(Job(Trial("train", "c", spec, seed=0), trained, {}, lambda _: None))
    whole = {**spec, "fitted": "train-0", "runtime": MODELS[model][2]}
    trial = Trial("score", "c", whole, runtime=MODELS[model][2], seed=0, needs=("train-0",))
    found = supervised.score(Job(trial, answered, {"train-0": trained}, lambda _: None))
    return {"accuracy": next(m.value for m in found.measurements if m.metric == "accuracy")}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--columns", type=int, default=20)
    parser.add_argument("--file", choices=["parquet", "csv"], default="parquet")
    parser.add_argument("--model", choices=list(MODELS), default="lightgbm")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/large_table.json"))
    parser.add_argument("--folder", type=Path, help="where to make the file")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.folder) as scratch:
        os.environ["HARNESS_DATA"] = f"{scratch}/cache"
        started = time.perf_counter()
        file = Path(scratch) / f"table.{given.file}"
        make(file, given.rows, given.columns)
        made = round(time.perf_counter() - started, 1)
        steps = {
            "plan": apart(plan, str(file)),
            "train and score": apart(train, str(file), f"{scratch}/out", given.model),
        }
        size = file.stat().st_size / 1e9
    most = max(step["most_anonymous_gb"] for step in steps.values())
    found = {
        "rows": given.rows, "columns": given.columns, "file": given.file, "model": given.model,
        "cores": os.cpu_count(), "file_gb": size,
        "as_float64_gb": given.rows * given.columns * 8 / 1e9, "made_seconds": made, "steps": steps,
        "most_anonymous_gb": most, "passed": most < MOST_GB and given.rows >= 10_000_000,
    }  # fmt: skip
    given.out.write_text(json.dumps(found, indent=1) + "\n")
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
