"""A simulated world: candidates with known truths, and the records that measuring them would give."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from harness.analysis.predictions import Predictions
from harness.record import Failure, Measurement, Record, Trial
from harness.store.runs import RunFolder
from harness.suite.schema import Suite

MACHINE = {"machine": {"class": "abc123", "cpu": "simulated"}}


@dataclass(frozen=True)
class Truth:
    """What a candidate is worth: accuracy, its spread over seeds, log-normal launches."""

    accuracy: float
    latency_ms: float
    seed_sd: float = 0.004
    launch_sd: float = 0.05
    throughput: float = 400.0
    train_seconds: float = 60.0
    size_mb: float = 1.0


@dataclass
class World:
    """Draws records; test examples have difficulties that all candidates share."""

    truths: Mapping[str, Truth]
    runtimes: Sequence[str] = ("torch",)
    seeds: Sequence[int] = (0, 1, 2)
    rounds: int = 3
    num_examples: int = 1000
    calls: int = 250
    rng: np.random.Generator = field(default_factory=lambda: np.random.default_rng(0))
    predictions: dict[str, Predictions] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.difficulty = self.rng.standard_normal(self.num_examples)
        self.drift = self.rng.normal(0, 0.05, self.rounds)
        self.targets = self.rng.integers(0, 3, self.num_examples)

    def records(self) -> list[Record]:
        return [r for name in self.truths for r in self.candidate(name)]

    def candidate(self, name: str) -> list[Record]:
        truth, records = self.truths[name], []
        for seed in self.seeds:
            train = trial("train", name, seed=seed)
            seconds = truth.train_seconds * float(np.exp(self.rng.normal(0, 0.05)))
            measured = (
                Measurement("train_seconds", seconds, "s"),
                Measurement("parameters", 1e4, "count"),
                Measurement("flops_per_example", 1e6, "FLOP"),
            )
            records.append(Record(train, "finished", measured, MACHINE, seconds=seconds))
            right = self.right(truth)
            for runtime in self.runtimes:
                records.append(self.score(name, runtime, seed, right))
        for runtime in self.runtimes:
            for number in range(self.rounds):
                records.extend(self.serve(name, runtime, number))
        return records

    def right(self, truth: Truth) -> np.ndarray:
        """Which examples a fitted model gets right: shared difficulty, own taste, the seed's level."""
        level = float(np.clip(truth.accuracy + self.rng.normal(0, truth.seed_sd), 0.01, 0.99))
        noise = 0.8 * self.difficulty + 0.6 * self.rng.standard_normal(self.num_examples)
        return noise < np.sqrt(2) * _erfinv(2 * level - 1)

    def score(self, name: str, runtime: str, seed: int, right: np.ndarray) -> Record:
        score = trial("score", name, runtime=runtime, seed=seed)
        wrong = (self.targets + 1) % 3
        outputs = np.full((self.num_examples, 3), 0.1, dtype=np.float32)
        outputs[np.arange(self.num_examples), np.where(right, self.targets, wrong)] = 0.8
        self.predictions[score.id] = Predictions(np.arange(self.num_examples), self.targets, outputs)
        measured = (Measurement("accuracy", float(right.mean()), "fraction"),)
        return Record(score, "finished", measured, MACHINE)

    def serve(self, name: str, runtime: str, number: int) -> list[Record]:
        truth = self.truths[name]
        launch = float(np.exp(self.drift[number] + self.rng.normal(0, truth.launch_sd)))
        calls = truth.latency_ms * launch * np.exp(self.rng.normal(0, 0.02, self.calls))
        quantiles = {p: float(np.quantile(calls, p / 100)) for p in (50, 90, 99)}
        single = tuple(
            Measurement(f"latency_p{p}_ms", v, "ms", samples=tuple(calls) if p == 50 else ())
            for p, v in quantiles.items()
        )
        offline = (
            Measurement("throughput_offline_per_s", truth.throughput / launch, "1/s"),
            Measurement("throughput_offline_per_s", truth.throughput / launch, "1/s", at={"batch_size": 32}),
            Measurement("peak_memory_mb", 100.0 * launch, "MB"),
            Measurement("model_size_mb", truth.size_mb, "MB"),
        )
        return [
            Record(
                trial("serve", name, runtime=runtime, scenario=scenario, round=number),
                "finished",
                measured,
                MACHINE,
            )
            for scenario, measured in (("single_stream", single), ("offline", offline))
        ]


def _erfinv(x: float) -> float:
    from scipy.special import erfinv

    return float(erfinv(x))


def trial(kind: str, candidate: str, **more: object) -> Trial:
    """A trial with a spec that makes its id its own; the table's train size is 1000."""
    size = None if kind == "serve" else more.pop("train_size", 1000)
    spec = {"candidate": candidate, "train_size": size, **more}
    return Trial(kind, candidate, spec, train_size=size, **more)  # type: ignore[arg-type]


def failed(record: Record, reason: str) -> Record:
    """The same trial, failed."""
    return Record(record.trial, "failed", (), record.environment, failure=Failure(reason, "MemoryError"))


def make_suite(names: Sequence[str], runtimes: Sequence[str] = ("torch",), **decision: object) -> Suite:
    """A suite over these candidates."""
    return Suite.model_validate(
        {
            "name": "simulated",
            "task": "image_classification",
            "data": {"name": "digits"},
            "candidates": {name: {"model": "small_cnn"} for name in names},
            "serving": {"runtimes": tuple(runtimes)},
            "machine": {"usd_per_hour": 0.1},
            "decision": decision,
        }
    )


def store(world: World, records: Sequence[Record], suite: Suite, folder: Path) -> RunFolder:
    """A run folder with these records and their predictions."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from harness.reading import suite_to_text

    folder.mkdir(parents=True)
    run = RunFolder(str(folder))
    run.write_text("suite.yaml", suite_to_text(suite))
    for record in records:
        scratch = run.scratch(record.trial.id)
        if record.trial.id in world.predictions and record.status == "finished":
            found = world.predictions[record.trial.id]
            columns = {f"p_{k}": found.outputs[:, k] for k in range(found.outputs.shape[1])}
            table = pa.table({"id": found.ids, "target": found.targets, **columns})
            pq.write_table(table, scratch / "predictions.parquet")
        run.commit(record, scratch)
    return run
