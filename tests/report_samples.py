"""A run folder made up from known numbers, for the tests of the report: no training, no serving."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from harness.facts.serving import LoadPoint, ServerFacts
from harness.record import Failure, Measurement, Record, Trial
from harness.serving.capacity import Capacity
from harness.serving.load import ServerSettings
from harness.serving.open_loop import measurements, said
from harness.store.runs import RunFolder
from harness.suite.schema import Suite

STARTED = "2025-11-23T15:00:00+00:00"
REFUSED = Failure("cannot quantise LayerNorm", "TrialError", "Traceback: …")
CLASSES = (
    "T-shirt",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
ENVIRONMENT = {
    "machine": {"cpu": "Made-up CPU 3000", "cores": 2, "memory_mb": 8192, "class": "abcd1234"},
    "versions": {"python": "3.12.1", "torch": "2.13.0", "onnxruntime": "1.32.0"},
    "commit": {"id": "0123456789abcdef", "dirty": False},
    "env": {"OMP_NUM_THREADS": "1"},
}


@dataclass(frozen=True)
class Made:
    """A candidate of the made-up world: its accuracy by training size, and its p50 in ms by runtime."""

    name: str
    accuracy: float
    p50_ms: float
    seconds: float
    parameters: int
    kind: str = "torch"


WORLD = (
    Made("logistic", 0.842, 0.06, 3, 7850, "sklearn"),
    Made("small_cnn", 0.884, 0.31, 60, 131_000),
    Made("resnet", 0.895, 0.58, 85, 700_000),
    Made("vit", 0.812, 1.04, 100, 460_000),
    Made("convnext", 0.865, 0.89, 125, 3_400_000),
)


def make_suite(
    world: Sequence[Made] = WORLD, runtimes: Sequence[str] = ("torch", "onnx", "onnx-int8"), **changes: object
) -> Suite:
    """A suite that asks for the world's candidates."""
    data = {
        "name": "made_up",
        "question": "Which image classifier should the returns desk ship?",
        "task": "image_classification",
        "data": {"name": "fashion_mnist", "train_sizes": [1000, 10000]},
        "candidates": {
            m.name: {"model": "sklearn:LogisticRegression" if m.kind == "sklearn" else m.name} for m in world
        },
        "serving": {
            "runtimes": list(runtimes),
            "rounds": 3,
            "scenarios": {"single_stream": {}, "offline": {}, "server": {"latency_p99_ms": 3}},
        },
        "machine": {"price": "aws/c7i.large"},
        "decision": {
            "constraints": ["accuracy >= 0.87", "latency_p99_ms <= 4", "cost_per_million_usd <= 0.5"],
            "objective": "maximize accuracy",
            "traffic": {"qps": 200, "peak_qps": 600},
        },
        **changes,
    }
    return Suite.model_validate_json(json.dumps(data))


def make_records(
    world: Sequence[Made] = WORLD,
    seeds: Sequence[int] = (0, 1, 2),
    sizes: Sequence[int] = (1000, 10000),
    rounds: int = 3,
    calls: int = 400,
    runtimes: Sequence[str] = ("torch", "onnx", "onnx-int8"),
) -> list[Record]:
    """Records as trials would have written them."""
    rng = np.random.default_rng(0)
    return [
        record for made in world for record in _candidate(made, seeds, sizes, rounds, calls, runtimes, rng)
    ]


def _candidate(made, seeds, sizes, rounds, calls, runtimes, rng):  # type: ignore[no-untyped-def]
    first = "sklearn" if made.kind == "sklearn" else "torch"
    mine = [first if r == "torch" else r for r in runtimes]
    served = {}
    for size in sizes:
        for seed in seeds:
            train = _trial("train", made, seed, size)
            seconds = made.seconds * size / max(sizes) * rng.uniform(0.95, 1.05)
            facts = {"precision": "bf16" if made.name in ("small_cnn", "resnet") else "fp32", "best_epoch": 5,
                     "data": {"class_names": list(CLASSES)}}  # fmt: skip
            yield _finished(
                train, [("train_seconds", seconds, "s"), ("parameters", made.parameters, "1")], facts
            )
            for runtime in mine if size == max(sizes) else [first]:
                score = _trial("score", made, seed, size, runtime=runtime, needs=(train.id,))
                served.setdefault(runtime, score)
                if made.name == "convnext" and runtime == "onnx-int8":
                    yield Record(score, "failed", (), ENVIRONMENT, STARTED, 4.2, failure=REFUSED)
                    continue
                loss = 0.01 if runtime == "onnx-int8" else 0.0
                accuracy = made.accuracy - loss - 0.05 * np.log10(max(sizes) / size) + rng.normal(0, 0.003)
                facts = {
                    "class_names": list(CLASSES),
                    "parity": {
                        "max_abs_difference": 0.021 if loss else 3e-7,
                        "agreement": 0.987 if loss else 1.0,
                    },
                    "prepared": {"precision": "int8"} if loss else {"precision": "fp32"},
                }
                quality = [("accuracy", accuracy, "fraction"), ("log_loss", 1.1 - accuracy, "nats"),
                           ("ece", 0.03, "fraction"), ("brier", 0.16, "squared probability")]  # fmt: skip
                yield _finished(score, quality, facts)
    for runtime, score in served.items():
        if made.name == "convnext" and runtime == "onnx-int8":
            continue
        yield from _served(made, runtime, score, rounds, calls, rng)


def _served(made, runtime, score, rounds, calls, rng):  # type: ignore[no-untyped-def]
    speed = {"torch": 3.0, "onnx-int8": 0.6}.get(runtime, 1.0)
    level = made.p50_ms * speed
    for number in range(rounds):
        drift = level * np.exp(rng.normal(0, 0.03))
        samples = drift * np.exp(np.abs(rng.normal(0, 0.12, calls))) + (rng.random(calls) < 0.02) * drift * 2
        serve = _trial(
            "serve",
            made,
            None,
            None,
            runtime=runtime,
            scenario="single_stream",
            round=number,
            needs=(score.id,),
        )
        p99 = float(np.quantile(samples, 0.99)) if calls >= 300 else None
        note = "" if p99 else f"not estimable ({calls} of 662 calls)"
        values = [Measurement("latency_p50_ms", float(np.median(samples)), "ms", tuple(samples.tolist())),
                  Measurement("latency_p99_ms", p99, "ms", tuple(samples.tolist()), note),
                  Measurement("peak_memory_mb", 120 + 40 * speed, "MB"),
                  Measurement("cold_start_ms", 30 * speed, "ms"),
                  Measurement("model_size_mb", made.parameters * 4e-6, "MB")]  # fmt: skip
        windows = [{"rejected": number == 0 and i == 1, "calls": 80} for i in range(5)]
        yield _record(serve, values, {"windows": windows})
        offline = _trial(
            "serve", made, None, None, runtime=runtime, scenario="offline", round=number, needs=(score.id,)
        )
        peaks = [
            Measurement("throughput_offline_per_s", 1000 / drift * (b**0.4), "1/s", at={"batch_size": b})
            for b in (1, 32)
        ]
        yield _record(offline, [*peaks, Measurement("throughput_offline_per_s", peaks[-1].value, "1/s")], {})
        server = _trial(
            "serve", made, None, None, runtime=runtime, scenario="server", round=number, needs=(score.id,)
        )
        top = 1000 / drift
        loads = [(u, "coarse") for u in (0.2, 0.4, 0.6, 0.75, 0.85, 0.92)] + [(0.6, "confirm")] * 2
        points = [
            LoadPoint(
                top * u, top * u, 900, round(9 * u), drift / (1 - u), 4 * drift / (1 - u), stage=stage,
                valid=u != 0.85,
            )
            for u, stage in loads
        ]  # fmt: skip
        capacity = Capacity(top * 0.6, top * 0.55, top * 0.66, True, tuple(points))
        facts = said(capacity, {1: np.array([1e3 / top])}, ServerSettings(10.0, 8, 1.0))
        yield _record(server, measurements(capacity), facts)


def _trial(kind, made, seed, size, **fields):  # type: ignore[no-untyped-def]
    data = {"name": "fashion_mnist", "checksum": "c0ffee" * 8}
    spec = {"candidate": made.name, "seed": seed, "train_size": size, "data": data}
    spec |= {k: v for k, v in fields.items() if k != "needs"}
    return Trial(kind, made.name, spec, seed=seed, train_size=size, **fields)


def _finished(trial, values, facts):  # type: ignore[no-untyped-def]
    return _record(trial, [Measurement(name, float(value), unit) for name, value, unit in values], facts)


def _record(trial, measurements, facts):  # type: ignore[no-untyped-def]
    return Record(trial, "finished", tuple(measurements), ENVIRONMENT, STARTED, 3.0, None, facts)


def make_run(
    folder: Path, records: Sequence[Record], suite: Suite, files: bool = True, planned: Sequence[Trial] = ()
) -> RunFolder:
    """A run folder with these records and, for train and score trials, the files they leave."""
    run = RunFolder(str(folder / suite.name / "20251123-150000-abcdef01"))
    Path(run.url).mkdir(parents=True)
    run.write_text("suite.yaml", suite_text(suite))
    trials = [*(r.trial for r in records), *planned]
    run.write_text("plan.json", json.dumps({"trials": [{"id": t.id, "label": t.label} for t in trials]}))
    run.write_text("environment.json", json.dumps(ENVIRONMENT))
    for record in records:
        scratch = run.scratch(record.trial.id)
        if files and record.status == "finished":
            _write_files(record, scratch)
        run.commit(record, scratch)
    return run


def suite_text(suite: Suite) -> str:
    from harness.reading import suite_to_text

    return suite_to_text(suite)


def _write_files(record: Record, folder: Path) -> None:
    if record.trial.kind == "train":
        rows = ["epoch,train_loss,train_score,validation_loss,validation_score,seconds,examples_per_s,lr"]
        for epoch in range(1, 6):
            score = 0.88 - 0.3 * 0.5**epoch
            rows.append(
                f"{epoch},{1.2 * 0.6**epoch:.4f},{score:.4f},{1 - score:.4f},{score - 0.01:.4f},2,5000,.001"
            )
        (folder / "history.csv").write_text("\n".join(rows) + "\n")
    if record.trial.scenario == "server":
        np.savez(folder / "requests.npz", **requests(record))
    if record.trial.kind == "score":
        (folder / "predictions.parquet").write_bytes(
            predictions(record.value("accuracy") or 0.5, record.trial.seed or 0)
        )


def requests(record: Record) -> dict[str, np.ndarray]:
    """What a server trial leaves of its requests: 900 a run, exponential around the median."""
    rng = np.random.default_rng(0)
    columns: dict[str, list[np.ndarray]] = {"run": [], "scheduled_ns": [], "answered_ns": [], "counted": []}
    for number, point in enumerate(record.facts_as(ServerFacts).load_curve or ()):
        took = rng.exponential(point.p50_ms / np.log(2) * 1e6, point.requests)
        scheduled = np.arange(1, point.requests + 1) * int(1e9 / point.offered)
        for name, values in (("run", np.full(len(took), number)), ("scheduled_ns", scheduled),
                             ("answered_ns", scheduled + took.astype(np.int64)),
                             ("counted", np.ones(len(took), bool))):  # fmt: skip
            columns[name].append(values)
    return {name: np.concatenate(values) for name, values in columns.items()}


def predictions(accuracy: float, seed: int, count: int = 1000) -> bytes:
    """A predictions.parquet whose accuracy is near the given one; Shirt is the weakest class."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rng = np.random.default_rng([seed, round(accuracy * 1000)])
    targets = np.arange(count) % 10
    logits = rng.normal(0, 1, (count, 10))
    logits[np.arange(count), targets] += np.where(targets == 6, 1.5, 4.0)
    logits[targets == 6, 0] += 1.5
    wrong = rng.random(count) > accuracy
    logits[wrong] = rng.normal(0, 1.5, (int(wrong.sum()), 10))
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    table = pa.table(
        {
            "id": np.arange(count),
            "target": targets,
            **{f"p_{k}": p[:, k].astype(np.float32) for k in range(10)},
        }
    )
    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    return buffer.getvalue()
