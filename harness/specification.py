"""What the specification of a trial may hold: its JSON, key by key, for those who write and who read it.

A trial's id is a hash of this JSON, so a key is there only where it says something: what is the default, or
does not apply to a kind of trial, is left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NotRequired, TypedDict

from harness.codec import JsonObject


class DataSpec(TypedDict):
    """The data that a trial uses, and how it is cut.

    `checksum`: of its content, compared when it is loaded. `seed`: of the suite, for the cuts. `split`: the
    settings of `data.split`, and as `part` which fold or repeat, counted through.
    """

    name: str
    args: JsonObject
    checksum: str
    validation: float
    seed: int
    split: NotRequired[JsonObject]


Space = dict[str, dict[str, Sequence[float | int | str | bool]]]
"""A setting's dotted name → its distribution → bounds, or what there is to choose from."""


class TuningSpec(TypedDict, total=False):
    """A search, as far as it is read from here: what is searched, how, and who ends trials early."""

    space: Space
    search: str
    scheduler: str | None
    trials: int
    seconds: float | None


class WorkersSpec(TypedDict, total=False):
    """What of a training's claim changes what comes out: how many processes share each batch."""

    workers: int


class TrainingSpec(TypedDict, total=False):
    """How it is trained: what `harness.suite.schema.Training` has, as far as it is read from here.

    `resources` is there only where several workers train together.
    """

    epochs: int
    batch_size: int
    tuning: TuningSpec
    resources: WorkersSpec


class ScenarioSpec(TypedDict, total=False):
    """What a serve trial measures, and for how long; each scenario has its own of these keys.

    `seconds`: of an offline or scaling scenario for each size, of a server's for the whole search.
    `batch_sizes`: of `offline`. `sizes`: of inputs, of `scaling`. `latency_p99_ms`, `max_batch`,
    `max_wait_ms`, `burstiness`: of `server`. `opponent`, `calls`: of `duel`. `mode`, `qps`, `rng_seed`: of
    `certify`.
    """

    name: str
    seconds: float
    min_calls: int
    max_calls: int
    batch_sizes: Sequence[int]
    sizes: Sequence[int]
    latency_p99_ms: float
    max_batch: int
    max_wait_ms: float
    burstiness: float
    opponent: Spec
    calls: int
    mode: str
    qps: float
    rng_seed: int


class Spec(TypedDict, total=False):
    """A trial's own part of the suite.

    Of every trial: `candidate`, `task`, `model`, `args` (of the model's own function), `data`, `code` (the
    version of the source behind it), and where they apply `transforms`, `encoding`, `files` (content hashes)
    and `places` (the way to each value that only says where a file lies, which is in no id).

    Of a train trial: `training`, `train_size`, `seed`, `watch`, `positive`, `tuning_trial`, `retrieval`,
    `ranking`; `untrained` where only its weights at birth are wanted. Of a score trial the same and `fitted`
    (the train trial's id), `runtime`, `threads`, `metrics` (the suite's own: function and unit), `inherits`
    (the reference's score trial, whose quality it has while it answers the same). Of a serve trial `artifact`
    (the score trial's id, the suite's own metrics apart), `runtime`, `threads`, `workers`, `over` (`http`;
    else by calls in the process), `scenario`, `round`, `seed`; `variant` where it is served beside another;
    `subject` where a module stands in for a trained model; `address` where a deployment of this very trial
    answers. `search`: the folder of the user's own modules, where no path leads to it.
    """

    candidate: str
    task: str
    model: str
    args: Mapping[str, Any]
    data: DataSpec
    code: str
    transforms: str
    encoding: str
    files: JsonObject
    places: Sequence[Sequence[str | int]]
    training: TrainingSpec
    train_size: int | None
    seed: int
    watch: str
    positive: str
    tuning_trial: int
    retrieval: JsonObject
    ranking: JsonObject | None
    untrained: bool
    inherits: str
    fitted: str
    runtime: str
    threads: int
    metrics: dict[str, list[str]]
    artifact: str
    workers: int
    over: Literal["http"]
    address: str
    scenario: ScenarioSpec
    round: int
    variant: str
    subject: str
    search: str
