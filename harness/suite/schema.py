"""A suite, validated and complete: what every other room reads.

Field names are the YAML's. All models are frozen and refuse unknown keys. `harness.reading.reader`
turns a file into these and turns every pydantic error into `file:line: what, and the cure`.
The strings below the fields are their descriptions in `python -m harness schema`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from harness.codec import Json
from harness.kinds import KINDS
from harness.record import content_hash
from harness.suite.model_ref import ModelRef, parse_model

if TYPE_CHECKING:
    TaskName = str
else:
    TaskName = Literal[tuple(KINDS)]

CONSTANT = 0.9
"""Where one class has so large a share of the rows, accuracy tells little of a model."""
Count = Annotated[int, Field(ge=1, le=10**12)]
Share = Annotated[float, Field(gt=0, lt=1)]
Confidence = Annotated[float, Field(ge=0.5, lt=1)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Seed = Annotated[int, Field(ge=0, lt=2**63)]


class Model(BaseModel):
    """Base: frozen, unknown keys refused, no coercion of numbers out of strings."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, defer_build=True)


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
    """What one training trial claims; `gpus: null` means one if the node has any."""

    cpus: Count = 1
    """Cores, and so threads."""
    gpus: NotNegative | None = None
    """None: one if any node has one."""
    memory_mb: Annotated[int, Field(ge=0)] = 0
    """0: not reserved."""


class Training(Model):
    """How candidates are trained; a candidate's own `training` overrides any of it."""

    seeds: Annotated[tuple[Seed, ...], Field(min_length=1)] = (0, 1, 2)
    """One training trial for each; two or more let the report say how sure it is."""
    epochs: Count = 5
    """Passes over the training rows; the best by validation is kept."""
    batch_size: Count = 128
    """Training rows per step."""
    optimizer: Optimizer = Optimizer()
    """What turns gradients into steps."""
    schedule: Schedule = Schedule()
    """How the learning rate goes."""
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """`auto` tries bf16 and keeps what is faster."""
    gradient_clip: NotNegative = 1.0
    """The largest norm of a step's gradient; 0 does not clip."""
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """The share of each label that is spread over all classes."""
    augmentation: Augmentation = Augmentation()
    """What is done to training images."""
    resources: ResourceClaim = ResourceClaim()
    """What one training trial claims."""
    time_limit: Positive = 3600.0
    """Seconds; in a suite file also `90s`, `10m`, `1h`. A longer trial becomes a failed record."""
    tuning: Tuning | None = None
    """A search for better settings; none: the suite's are used as they are."""


class Candidate(Model):
    """`model` is a reference; once read, `training` is complete: shared settings and overrides."""

    model: str = ""
    """NAME, timm:NAME, sklearn:Estimator, xgboost:, lightgbm: or catboost: with the name of a class,
    package.module:function (a network or an estimator), a finished model's file (onnx:FILE, torch:FILE.pt2,
    lightning:FILE.ckpt, keras:FILE.keras), a service (endpoint:http://host:port/path), or pretrained weights
    of texts or images: `hf:NAME` of the Hugging Face Hub, `hf:./folder` beside the suite file (config.json,
    model.safetensors, and tokenizer.json or preprocessor_config.json), `hf:pip/PACKAGE` that an installed
    package carries."""
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


class SingleStream(Model):
    """Closed loop, batch 1."""

    seconds: Positive = 3.0
    """Of measuring, longer where `min_calls` or a p99 needs it."""
    min_calls: Count = 100
    """At least so many; a p99 needs 662."""
    max_calls: Count = 20000
    """At most so many."""


class Offline(Model):
    """Throughput over batch sizes; the headline is the best of them."""

    batch_sizes: Annotated[tuple[Count, ...], Field(min_length=1)] = (1, 32)
    """Examples per call, each tried."""
    seconds: Positive = 2.0
    """Of measuring, over all batch sizes."""


class Server(Model):
    """Open loop, Poisson arrivals: the highest load that keeps the p99 under the limit."""

    latency_p99_ms: Positive = 10.0
    """The limit, counted from the scheduled arrival; a suite with a server must give it."""
    max_batch: Count = 8
    """Requests that may be answered together."""
    max_wait_ms: NotNegative = 1.0
    """A batch starts when it is full or its oldest request has waited so long."""
    seconds: Positive = 20.0
    """Of measuring, over all loads that are tried."""


class Scaling(Model):
    """What one answer costs against the size of its input: tokens of a text, pixels of an image's side."""

    sizes: Annotated[tuple[Count, ...], Field(min_length=2)]
    """Measured one at a time, in short blocks in shuffled order; two fit an exponent, five show a bend."""
    seconds: Positive = 0.5
    """Measuring time for each size and round."""


class Scenarios(Model):
    """How the models are loaded while they are measured."""

    single_stream: SingleStream | None = None
    """Latency: one request at a time."""
    offline: Offline | None = None
    """Throughput: everything is there at once."""
    server: Server | None = None
    """Capacity: random arrivals under a limit of latency."""
    scaling: Scaling | None = None
    """Cost against size, of networks on texts or images."""


class Serving(Model):
    """On which runtimes the candidates are served, and how they are measured there."""

    runtimes: Annotated[tuple[str, ...], Field(min_length=1)] = ("torch", "onnx")
    """What executes the fitted models: `python -m harness list runtimes` names them. `onnx@2`: with two
    threads, a variant of its own beside `onnx`."""
    threads: Annotated[int, Field(ge=1, le=4096)] = 1
    """Of each serving process, on every runtime that names none of its own (`onnx@2`)."""
    workers: Literal["auto"] | Annotated[tuple[Count, ...], Field(min_length=1)] | None = None
    """Serving processes on one machine, which take from one queue, each on cores of its own. A list makes a
    variant of each: `[1, 2]` makes `onnx@1x1` and `onnx@1x2` (one thread, two workers); `auto`: as many as
    the machine has cores for. Left out: one; where that leaves cores of the priced machine idle, its cost
    says so."""
    rounds: Count = 3
    """Interleaved repetitions, each in a fresh process: the blocks of the paired comparison."""
    scenarios: Scenarios = Scenarios(single_stream=SingleStream(), offline=Offline())
    """How the models are loaded; by default single_stream and offline."""
    duels: Annotated[int, Field(ge=0)] = 4
    """Pairs of variants, at most, whose speeds overlap and that are then loaded together and called in
    turn: that decides which is faster."""
    time_limit: Positive = 300.0
    """Seconds per serve trial; in a suite file also `90s`, `10m`, `1h`."""


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


class Traffic(Model):
    """The load that the service must carry: what turns throughput into money."""

    qps: Positive = 10.0
    """Requests per second in the mean: what the price of a million answers is divided by."""
    peak_qps: Positive | None = None
    """What the machines must carry; none: `qps`."""
    curve: tuple[NotNegative, ...] | None = None
    """Requests per second in each hour of a day (24 values) or of a week (168), instead of `qps` and
    `peak_qps`: the mean and the highest hour take their place."""
    trace: str | None = None
    """A CSV file with the time of every request (a column `timestamp`, dates or seconds; a day at least): its
    hours become the `curve`, and `burstiness` is what its requests show, unless it is given. Beside a `curve`
    it only says where that came from."""
    autoscale: Positive | None = None
    """With a curve: machines come and go by the hour, and are started so many seconds before they are needed;
    in a suite file also `2m`. Left out: all machines that the highest hour needs run all the time."""
    burstiness: Annotated[float, Field(gt=0, le=10)] = 1.0
    """Coefficient of variation of the gaps between requests: 1 is Poisson, where nobody knows of the others;
    above, requests come in bursts, and a machine carries less in time. It is measured under such arrivals."""
    headroom: Positive = 1.0
    """The share of a machine's throughput that may be used."""
    spare: Annotated[int, Field(ge=0)] = 0
    """Machines beyond those that the traffic needs, running all the time."""

    @property
    def mean(self) -> float:
        """Requests per second in the mean."""
        return sum(self.curve) / len(self.curve) if self.curve else self.qps

    @property
    def peak(self) -> float:
        """Requests per second that the machines must carry."""
        if self.curve:
            return max(self.curve)
        return self.qps if self.peak_qps is None else self.peak_qps

    def scaled(self, factor: float) -> Traffic:
        """So many times the traffic."""
        peak = None if self.peak_qps is None else self.peak_qps * factor
        curve = tuple(qps * factor for qps in self.curve) if self.curve else None
        return self.model_copy(update={"qps": self.qps * factor, "peak_qps": peak, "curve": curve})


class CostItem(Model):
    """What a candidate costs beyond machines."""

    once_usd: NotNegative = 0.0
    """Once: labelling, integration, a licence."""
    monthly_usd: NotNegative = 0.0
    """Every month: people on call, a licence, monitoring."""
    what: str = ""
    """In words, for the table of assumptions."""


class Costs(Model):
    """What else counts into the monthly cost: with it, `cost_per_month_usd` is the whole bill and not the
    machines alone."""

    months: Positive = 12.0
    """Over so many months training and one-off items are spread."""
    trainings: NotNegative = 1.0
    """How often it is trained in these months, with all seeds and the search."""
    storage_usd_per_gb_month: NotNegative = 0.0
    """Price of keeping the fitted model, a GB of 10^9 bytes for a month."""
    items: dict[str, CostItem] = Field(default_factory=dict)
    """Candidate → what it costs beyond machines."""


class Threshold(Model):
    """Two classes: from which probability the answer is the positive one. Chosen on validation answers."""

    goal: Literal["f1", "cost", "recall_at_precision"] = "f1"
    """The highest F1, the lowest cost of errors, or the most of the positive class found at a precision."""
    precision: Share = 0.9
    """For `recall_at_precision`: the least that must be right of what is called the positive class."""
    false_alarm: NotNegative = 1.0
    """For `cost`: what calling the other class the positive one costs, in any unit."""
    miss: NotNegative = 1.0
    """For `cost`: what calling the positive class the other one costs, in the same unit."""


class Decision(Model):
    """What is required, and what is best among what meets the requirements."""

    constraints: tuple[str, ...] = ()
    """`METRIC >= NUMBER` or `METRIC <= NUMBER`, each optionally `with 0.95`: the probability that it must
    hold with; all limits without one of their own must hold together with `confidence`. Quality can be
    limited on a slice, a part of the test examples: `accuracy[class=3] >= 0.7`, or by a column that the data
    keep (`columns` of `tabular_csv` and `text_csv`): `accuracy[region=north] >= 0.8`."""
    confidence: Confidence = 0.9
    """How surely the limits must be kept: variants that keep all of them with this probability may be chosen,
    and among those the objective alone decides."""
    broken_limit: NotNegative | None = None
    """What a broken limit costs, in units of the objective; with it the limits need to hold more likely than
    not, and the risk that is left is weighed at this price instead of being limited by `confidence`."""
    objective: str = "maximize accuracy"
    """`maximize METRIC`, `minimize METRIC`, or `maximize value`."""
    value: str | None = None
    """An expression over metrics, for instance `120*accuracy - cost_per_month_usd`: numbers, `+ - * / **`,
    brackets, `abs exp log max min sqrt`. Besides metrics it may name `qps`, `peak_qps` and `usd_per_hour`."""
    positive: str | None = None
    """Of two classes the one that average precision, thresholds and curves are about, by its name; none: the
    usual one of `no` and `yes`, `0` and `1` and the like. Needed where another pair of names decides."""
    traffic: Traffic = Traffic()
    """The load that the service must carry."""
    costs: Costs | None = None
    """Training, storage and other costs; left out: the monthly cost is that of the machines."""
    threshold: Threshold = Threshold()
    """What the report chooses a threshold for; metrics of the table are those of the likeliest class."""
    tolerance: NotNegative | None = None
    """A loss that does not matter, in units of the objective: variants that lose no more are as good as the
    best. None: a tenth of the leader's 95 % interval."""


class OwnMetric(Model):
    """A metric of your own: a function beside the suite file, its unit and its direction."""

    function: str
    """`module:function` over (probabilities (n, k) or values (n,), targets (n,)): a score for each example,
    (n,), whose mean is the metric, or one number."""
    unit: str = "fraction"
    """`fraction` for shares of 1; otherwise what the column shows."""
    better: Literal["higher", "lower"] = "higher"
    """Which way a difference is an improvement."""


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
    """Seconds for the whole run; in a suite file also `90s`, `10m`, `1h`."""
    track: dict[str, dict[str, Json]] = Field(default_factory=dict)
    """Trackers to tell: `wandb: {project: …}`, `mlflow: {uri: …}`."""
    seed: Seed = 0
    """The root of all named streams of randomness: the split, the order of rounds, arrivals."""
    folder: str = ""
    """Set by the reader: where the suite file is, and so the user's own modules. In no trial's id."""
