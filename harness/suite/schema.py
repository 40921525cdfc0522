"""A suite, validated and complete: what every other package reads.

Field names are the YAML's. All models are frozen and refuse unknown keys. `harness.reading.reader`
turns a file into these and turns every pydantic error into `file:line: what, and the cure`.
The strings below the fields are their descriptions in `python -m harness schema`. The settings of training,
serving and decision stand in modules of their own beside this one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from harness.codec import Json
from harness.kinds import KINDS
from harness.record import content_hash
from harness.suite.decision import CostItem, Costs, Decision, Threshold, Traffic
from harness.suite.fields import Count, Model, NotNegative, Positive, Seed, Share
from harness.suite.model_ref import ModelRef, parse_model
from harness.suite.serving import Offline, Scenarios, Server, Serving, SingleStream, SizeScaling
from harness.suite.training import Augmentation, Optimizer, ResourceClaim, Schedule, Training, Tuning

__all__ = [
    "CONSTANT",
    "Augmentation",
    "Candidate",
    "CostItem",
    "Costs",
    "Data",
    "DataSplit",
    "Decision",
    "Expectation",
    "Machine",
    "Offline",
    "Optimizer",
    "OwnMetric",
    "ResourceClaim",
    "Scenarios",
    "Schedule",
    "Server",
    "Serving",
    "SingleStream",
    "SizeScaling",
    "Suite",
    "TaskName",
    "Threshold",
    "Traffic",
    "Training",
    "Tuning",
]

if TYPE_CHECKING:
    TaskName = str
else:
    TaskName = Literal[tuple(KINDS)]

CONSTANT = 0.9
"""Where one class has so large a share of the rows, accuracy tells little of a model."""


class DataSplit(Model):
    """How rows are divided into those to train on and those to test on."""

    by: Literal["random", "group", "time", "predefined"] = "random"
    """`random`: equal rows (and those of a `group`) stay together. `group`: by the data's `group`, which must
    be named. `time`: the latest rows test, and of training the latest validate. `predefined`: the data set's
    own parts, or what `column` says of each row."""
    column: str | None = None
    """For `time`: the column that says when a row is of. For `predefined`: the one that says which fold it is
    of (then `folds` says how many there are), or `train` and `test`."""
    test: Share = 0.2
    """The share to test on; with folds it is one part in so many."""
    folds: Annotated[int, Field(ge=2, le=1000)] | None = None
    """Each row is tested on once (by time: all but the first block), by models that were trained on the other
    folds (by time: on all before)."""
    repeats: Annotated[int, Field(ge=1, le=1000)] = 1
    """So many times with another shuffle: folds again, or other hold-out parts."""

    @property
    def parts(self) -> int:
        """How many ways of cutting there are."""
        return (self.folds or 1) * self.repeats


class Data(Model):
    """Which data, how much of it for training, how much of the training part to validate on.

    `train_sizes` count training rows without the validation part; empty means all of them.
    Arguments of the data set's `load` stand in `args`.
    """

    name: str
    """A data set: `python -m harness list datasets` names them."""
    args: dict[str, Json] = Field(default_factory=dict)
    """Arguments of the data set; in a suite file they may also stand flat beside `name`."""
    train_sizes: tuple[Count, ...] = ()
    """Training rows, one training trial for each; empty means all rows."""
    validation: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """The share of the training part that early stopping and tuning look at; 0 trains on all of it, and the
    last epoch is kept."""
    transforms: str = ""
    """A function of your own, `my_module:make`: `make(train)` gives what a training image goes through, and
    what all others do, as a network's own `transforms` (docs/extending.md). For networks."""
    split: DataSplit | None = None
    """Cut the rows anew, several times if asked; left out: the data set's own test part. (A text, `split:
    random`, is an argument of a log of interactions.)"""

    @property
    def parts(self) -> int:
        """How many ways of cutting there are."""
        return self.split.parts if self.split else 1

    @property
    def digest(self) -> str:
        """Names the data and how it is cut: what was seen of the one holds for the other."""
        return content_hash(self.model_dump(mode="json", include={"name", "args", "split"}))


COUNTED = frozenset({"popularity", "item_knn", "ease"})
"""Retrievers that count, or solve an equation, once for all seeds."""


class Candidate(Model):
    """`model` is a reference; once read, `training` is complete: shared settings and overrides."""

    model: str = ""
    """NAME, timm:NAME, sklearn:Estimator, xgboost:, lightgbm: or catboost: with the name of a class,
    package.module:function (a network or an estimator), a finished model's file (onnx:FILE, torch:FILE.pt2,
    lightning:FILE.ckpt, keras:FILE.keras), a service (endpoint:http://host:port/path,
    endpoint:grpc://host:port/MODEL), or pretrained weights of texts or images: `hf:NAME` of the Hugging Face
    Hub, `hf:./folder` beside the suite file (config.json, model.safetensors, and tokenizer.json or
    preprocessor_config.json), `hf:pip/PACKAGE` that an installed package carries."""
    args: dict[str, Json] = Field(default_factory=dict)
    """Keyword arguments of the model's builder. An estimator over texts also takes `tfidf: {…}`, arguments of
    scikit-learn's TfidfVectorizer: `{C: 10, tfidf: {ngram_range: [1, 3], min_df: 5}}`."""
    encoding: Literal["auto", "native", "one_hot", "ordinal", "target", "hashed"] = "auto"
    """Of own tables (`tabular_csv`): how columns of categories become numbers, of 3 values or of 30,000.
    `native`: the model takes them itself (boosting); `one_hot`: a column for each value; `target`: the mean
    of the target by value, cross-fitted; `hashed`: 64 columns by a hash; `ordinal`: the alphabet. `auto`:
    native where the model takes categories and is served on no ONNX runtime, else one_hot up to 32 values and
    target beyond."""
    files: tuple[str, ...] = ()
    """Files and folders that only its code names, beside the suite file: their content is part of what the
    candidate is, so that a changed one trains it again. Arguments that name a file count by themselves."""
    training: Training = Training()
    """Settings of its own, over the shared ones."""
    retrieval: dict[str, Json] | None = None
    """For `task: recommendation`: the first stage; its keys stand in docs/shop.md."""
    ranking: dict[str, Json] | None = None
    """For `task: recommendation`: the second stage; its keys stand in docs/shop.md."""

    @property
    def ref(self) -> ModelRef:
        """The model reference, taken apart."""
        return parse_model(self.model)

    @property
    def is_seedless(self) -> bool:
        """Whether its fit draws no random number: another seed moves the order of ties alone."""
        is_ranked = (self.ranking or {}).get("model", "none") != "none"
        return not is_ranked and (self.retrieval or {}).get("model") in COUNTED


class Machine(Model):
    """A row of the price catalogue, or a price of one's own; a machine class to ask for."""

    price: str | None = None
    """`provider/instance` of the catalogue, `aws/c7i.large`; not together with `usd_per_hour`."""
    usd_per_hour: NotNegative | None = None
    """A price of your own."""
    discount: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """What a reserved or spot term takes off the list price, a share of it: 0.37 for 37 %."""
    machine_class: str | None = Field(default=None, alias="class")
    """Serve on this class of machine only; `python -m harness doctor` prints a machine's."""
    cores: Count | None = None
    """How many cores there are for workers; left out: those of the priced machine that this one has too."""


class OwnMetric(Model):
    """A metric of your own: a function beside the suite file, its unit and its direction."""

    function: str
    """`module:function` over (probabilities (n, k) or values (n,), targets (n,)): a score for each example,
    (n,), whose mean is the metric, or one number."""
    unit: str = "fraction"
    """`fraction` for shares of 1; otherwise what the column shows."""
    better: Literal["higher", "lower"] = "higher"
    """Which way a difference is an improvement; to be said where the name or the objective tells of less."""


class Expectation(Model):
    """A published figure, and how near a run must come to agree with it."""

    value: Annotated[float, Field(allow_inf_nan=False)]
    """The published figure, in the metric's unit."""
    within: NotNegative
    """The largest distance that still agrees, in the metric's unit."""
    source: str = ""
    """Where it was published."""
    protocol: str = ""
    """How it was measured there, in a few words."""
    explained: str = ""
    """Why the figure is known not to be met here: it is shown beside the difference, which fails no run."""


class Suite(Model):
    """One question, its candidates, and how they are trained, served and judged."""

    name: str
    """Names the results folder: letters, digits, `_`, `-`, `.`."""
    question: str = ""
    """In words, for the report."""
    task: TaskName
    """What is learnt; it must be the data set's."""
    data: Data
    """What is learnt from."""
    training: Training = Training()
    """Shared by all candidates."""
    candidates: Annotated[dict[str, Candidate], Field(min_length=1)]
    """What is compared, each under a name of your own."""
    serving: Serving = Serving()
    """How speed is measured."""
    machine: Machine = Machine()
    """What serving costs an hour."""
    machines: dict[str, Machine] = Field(default_factory=dict)
    """In place of `machine`: several instances, each under a name of your own, the one that measures first.
    Every variant is priced on each that it fits on, and stands with the cheapest at the stated traffic. What
    was measured holds for machines of the same `class`, and without one for those of the same family of
    the same provider (`aws/c7i.large` and `aws/c7i.xlarge`, in any region and on any term). To another
    `class` a load is carried over by the factor that `harness calibrate` measured on both; else nothing is
    extrapolated."""
    metrics: dict[str, OwnMetric] = Field(default_factory=dict)
    """Metrics of your own: a column of the table each, for limits and objectives too."""
    decision: Decision = Decision()
    """What is required, and what is best."""
    expect: dict[str, dict[str, Expectation]] = Field(default_factory=dict)
    """Published figures that a run should agree with, by candidate and metric: `logistic: {accuracy: {value:
    0.841, within: 0.01, source: …}}`. The report compares them; the exit code is 1 where one differs."""
    budget: Positive | None = None
    """Seconds for the whole run, without waits for other runs on its host; in a suite file also `90s`,
    `10 minutes`, `1h30m`."""
    track: dict[str, dict[str, Json]] = Field(default_factory=dict)
    """Trackers to tell: `wandb: {project: …}`, `mlflow: {uri: …}`."""
    seed: Seed = 0
    """The root of all named streams of randomness: the split, the order of rounds, arrivals."""
    folder: str = ""
    """Set by the reader: where the suite file is, and so the user's own modules. In no trial's id."""
