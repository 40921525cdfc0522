"""`serving` of a suite: on what the candidates run, and how they are loaded while they are measured."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from harness.suite.fields import Count, Model, NotNegative, Positive


class SingleStream(Model):
    """Closed loop, batch 1."""

    seconds: Positive = 3.0
    """Of measuring, longer where `min_calls` or a p99 needs it."""
    min_calls: Count | None = None
    """At least so many. Left out: 100, and where a p99 decides as many as make 662 over the rounds."""
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


class SizeScaling(Model):
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
    scaling: SizeScaling | None = None
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
    over: Annotated[tuple[Literal["process", "http"], ...], Field(min_length=1)] = ("process",)
    """How requests arrive: `process`, by a call in the serving process; `http`, over loopback through Ray
    Serve, which batches as `server` says and has a replica for each of the `workers`: a variant of its own,
    `onnx@http`, measured as users reach it. `[process, http]` shows what the network costs. The extra `serve`
    brings what `http` needs."""
    rounds: Count = 3
    """Interleaved repetitions, each in a fresh process: the blocks of the paired comparison."""
    scenarios: Scenarios = Scenarios(single_stream=SingleStream(), offline=Offline())
    """How the models are loaded; by default single_stream and offline."""
    duels: Annotated[int, Field(ge=0)] = 4
    """Pairs of variants that may be named, at most, whose speeds overlap and that are then loaded together
    and called in turn: that decides which is faster."""
    time_limit: Positive = 300.0
    """Seconds per serve trial; in a suite file also `90s`, `10 minutes`, `1h30m`."""
