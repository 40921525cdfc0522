"""A suite, validated and complete: what every other room reads.

Field names are the YAML's. All models are frozen and refuse unknown keys. `harness.suite.reader`
turns a file into these and turns every pydantic error into `file:line: what, and the cure`.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

TaskName = Literal[
    "image_classification",
    "text_classification",
    "tabular_classification",
    "tabular_regression",
    "recommendation",
]


class Model(BaseModel):
    """Base: frozen, unknown keys refused, no coercion of numbers out of strings."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Data(Model):
    """Which data, how much of it for training, how much of the training part to validate on.

    `train_sizes` count training rows without the validation part; empty means all of them.
    Arguments of the data set's `load` stand in `args`.
    """

    name: str
    args: dict[str, Any] = Field(default_factory=dict)
    train_sizes: tuple[int, ...] = ()
    validation: float = 0.1


class Optimizer(Model):
    name: Literal["adamw", "adam", "sgd"] = "adamw"
    lr: float = 1e-3
    weight_decay: float = 0.01
    momentum: float = 0.9


class Schedule(Model):
    """`warmup` is the share of all steps over which the learning rate rises from 0."""

    name: Literal["constant", "linear_warmup_decay", "cosine_warmup_decay"] = "linear_warmup_decay"
    warmup: float = 0.1


class Augmentation(Model):
    """On tensors, per batch: `flip` mirrors images, `crop` pads by that many pixels and crops."""

    flip: bool = False
    crop: int = 0


class Tuning(Model):
    trials: int = 8
    search: Literal["optuna", "random"] = "optuna"
    scheduler: Literal["asha", "fifo"] = "asha"
    space: dict[str, dict[str, Any]]


class ResourceClaim(Model):
    """What one training trial claims; `gpus: null` means one if the node has any."""

    cpus: int = 1
    gpus: float | None = None
    memory_mb: int = 0


class Training(Model):
    seeds: tuple[int, ...] = (0, 1, 2)
    epochs: int = 5
    batch_size: int = 128
    optimizer: Optimizer = Optimizer()
    schedule: Schedule = Schedule()
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    gradient_clip: float = 1.0
    label_smoothing: float = 0.0
    augmentation: Augmentation = Augmentation()
    resources: ResourceClaim = ResourceClaim()
    time_limit: float = 3600.0
    tuning: Tuning | None = None


class Candidate(Model):
    """`model` is a reference (DESIGN §4); `training` is complete: shared settings and overrides."""

    model: str = ""
    args: dict[str, Any] = Field(default_factory=dict)
    training: Training = Training()
    retrieval: dict[str, Any] | None = None
    ranking: dict[str, Any] | None = None


class SingleStream(Model):
    """Closed loop, batch 1."""

    seconds: float = 3.0
    min_calls: int = 100
    max_calls: int = 20000


class Offline(Model):
    """Throughput over batch sizes; the headline is the best of them."""

    batch_sizes: tuple[int, ...] = (1, 32)
    seconds: float = 2.0


class Server(Model):
    """Open loop, Poisson arrivals: the highest load that keeps the p99 under the limit."""

    latency_p99_ms: float = 10.0
    max_batch: int = 8
    max_wait_ms: float = 1.0
    seconds: float = 20.0


class Scenarios(Model):
    single_stream: SingleStream | None = None
    offline: Offline | None = None
    server: Server | None = None


class Serving(Model):
    runtimes: tuple[str, ...] = ("torch", "onnx")
    threads: int = 1
    rounds: int = 3
    scenarios: Scenarios = Scenarios(single_stream=SingleStream(), offline=Offline())
    time_limit: float = 300.0


class Machine(Model):
    """A row of the price catalogue, or a price of one's own; a machine class to ask for."""

    price: str | None = None
    usd_per_hour: float | None = None
    machine_class: str | None = Field(default=None, alias="class")


class Traffic(Model):
    qps: float = 10.0
    peak_qps: float | None = None
    headroom: float = 1.0
    spare: int = 0


class Decision(Model):
    constraints: tuple[str, ...] = ()
    objective: str = "maximize accuracy"
    value: str | None = None
    traffic: Traffic = Traffic()
    tolerance: float = 0.0


class Suite(Model):
    name: str
    question: str = ""
    task: TaskName
    data: Data
    training: Training = Training()
    candidates: dict[str, Candidate]
    serving: Serving = Serving()
    machine: Machine = Machine()
    decision: Decision = Decision()
    budget: float | None = None
    track: dict[str, dict[str, Any]] = Field(default_factory=dict)
    seed: int = 0
