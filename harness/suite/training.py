"""`training` of a suite: how candidates are trained, and how better settings are searched."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer

from harness.codec import Json
from harness.suite.fields import Count, Model, NotNegative, Positive, Seed


class Optimizer(Model):
    """How the weights move."""

    name: Literal["adamw", "adam", "sgd"] = "adamw"
    """The way of stepping, torch's own."""
    lr: Positive = 1e-3
    """The highest learning rate of the schedule."""
    weight_decay: NotNegative = 0.01
    """For matrices and filters; biases, norms and the like are spared."""
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    """For `sgd` only."""


class Schedule(Model):
    """`warmup` is the share of all steps over which the learning rate rises from 0."""

    name: Literal["constant", "linear_warmup_decay", "cosine_warmup_decay"] = "linear_warmup_decay"
    """How the learning rate goes on after the warm-up."""
    warmup: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """The share of all steps over which the learning rate rises from 0."""


class Augmentation(Model):
    """On tensors, per batch: `flip` mirrors images, `crop` pads by that many pixels and crops."""

    flip: bool = False
    """Mirror half of the images, left to right."""
    crop: Annotated[int, Field(ge=0, le=1024)] = 0
    """Pad by so many pixels, and crop at random to the old size."""


class Tuning(Model):
    """A search for better settings, with the same budget for each candidate."""

    trials: Count = 8
    """Settings that are tried for each candidate, the suite's own among them."""
    seconds: Positive | None = None
    """No further settings are tried for a candidate once its search took so long."""
    search: Literal["optuna", "random"] = "optuna"
    """How the next settings are found."""
    scheduler: Literal["asha", "fifo"] = "asha"
    """`asha` ends what lags behind at the same epoch, `fifo` lets all finish."""
    space: dict[str, dict[str, Json]]
    """A training setting, or `args.NAME` of the model's builder → its distribution, one of `loguniform`,
    `uniform`, `randint` (lowest, highest) or `choice` (a list): `optimizer.lr: {loguniform: [1e-4, 1e-2]}`,
    `args.depth: {randint: [2, 6]}`. A candidate is searched over those that it has."""


class ResourceClaim(Model):
    """What one training trial claims; `gpus: null` means one if the node has any. Of several workers each
    claims as much, all on one node."""

    cpus: Count = 1
    """Cores, and so threads."""
    gpus: NotNegative | None = None
    """None: one if any node has one."""
    memory_mb: Annotated[int, Field(ge=0)] = 0
    """0: not reserved."""
    workers: Count = 1
    """Processes that train one network together, each on its share of every batch."""

    @model_serializer(mode="wrap")
    def _written(self, written: SerializerFunctionWrapHandler) -> dict[str, Json]:
        """A suite that is silent of workers keeps the name of its runs."""
        found: dict[str, Json] = written(self)
        return {key: value for key, value in found.items() if key != "workers" or value != 1}


class Training(Model):
    """How candidates are trained; a candidate's own `training` overrides any of it."""

    seeds: Annotated[tuple[Seed, ...], Field(min_length=1)] = (0, 1, 2)
    """One training trial for each; with two or more the report can say how confident it is."""
    epochs: Count = 5
    """Passes over the training rows; the best by validation is kept."""
    batch_size: Count = 128
    """Training rows per step."""
    optimizer: Optimizer = Optimizer()
    """What turns gradients into steps."""
    schedule: Schedule = Schedule()
    """How the learning rate goes."""
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """`auto` tries bf16, on processors layers of small images and attention as matrix products, for long
    trainings `torch.compile` too, and keeps what is faster: one number format
    for all seeds and sizes of a candidate, remembered in `.checkpoints/.modes` beside the runs."""
    gradient_clip: NotNegative = 1.0
    """The largest norm of a step's gradient; 0 does not clip."""
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """The share of each label that is spread over all classes."""
    augmentation: Augmentation = Augmentation()
    """What is done to training images."""
    resources: ResourceClaim = ResourceClaim()
    """What one training trial claims."""
    time_limit: Positive = 3600.0
    """Seconds; in a suite file also `90s`, `10 minutes`, `1h30m`. A longer trial becomes a failed record."""
    tuning: Tuning | None = None
    """A search for better settings; none: the suite's are used as they are."""
