"""What serving a variant found beside its latencies: one class a scenario."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from harness.facts.kinds import TrialFacts


@dataclass(frozen=True)
class WarmUp:
    """How a variant was warmed up.

    Args:
        typical_ms: of a call at its end. drift: between the halves of the run after it.
    """

    batch_size: int
    calls: int
    seconds: float
    verdict: Literal["steady", "unsteady"]
    typical_ms: float
    drift: float | None = None


@dataclass(frozen=True)
class NoiseFacts:
    """What happened around a variant while it was measured.

    Args:
        cpu_share: CPU time of the process over wall time (above 1 with several threads).
        wait_share: time spent runnable but not running, over wall time, of the thread that waited most.
        involuntary: involuntary context switches. voluntary: the process's own waits.
        spin_lost: share of two short spins, before and after the window, that was lost in gaps over 20 µs.
        pressure: share of the window in which any task of the machine waited for a CPU (PSI).
        throttled: how often the control group was throttled. load: 1-minute load average.
        stolen: share of the time in which a virtual machine's host had its cores, as far as the kernel knows.
    """

    cpu_share: float = 0.0
    wait_share: float = 0.0
    involuntary: int = 0
    voluntary: int = 0
    spin_lost: float = 0.0
    pressure: float | None = None
    throttled: int = 0
    load: float = 0.0
    stolen: float = 0.0


@dataclass(frozen=True)
class WindowFacts(NoiseFacts):
    """One measuring window, and its noise.

    Args:
        size: of the inputs, in the scaling scenario. rejected: whether the noise gate left it out.
    """

    batch_size: int = 1
    calls: int = 0
    seconds: float = 0.0
    p50_ms: float | None = None
    rejected: bool = False
    size: int | None = None


@dataclass(frozen=True)
class MemoryFacts:
    """Memory around the calls in which the peak was read, in MB.

    Args:
        workers: each worker's own figures, where there are several.
    """

    resident_before_mb: float | None = None
    resident_after_mb: float | None = None
    cuda_allocated_mb: float | None = None
    cuda_reserved_mb: float | None = None
    nvml_process_mb: float | None = None
    workers: tuple[Mapping[str, float], ...] | None = None


@dataclass(frozen=True)
class HalfWidths:
    """Relative half-widths of intervals; None where not estimable."""

    p50: float | None = None
    p99: float | None = None


@dataclass(frozen=True)
class StopFacts:
    """Why measuring ended (`interval`, `calls`, `budget`), and how well percentiles were known by then."""

    by: str
    half_width: HalfWidths = HalfWidths()


@dataclass(frozen=True)
class LoadPoint:
    """One open-loop run at one load.

    Args:
        offered, achieved: requests per second that were meant to come, and that were answered. came: that did
            come: Poisson arrivals are not exactly as many as meant.
        requests: how many counted. violations: how many of them were later than the limit, failed, or
            were not answered at all. errors, unanswered: the last two kinds; error: the first of the former.
        p50_ms, p99_ms: from the scheduled arrival; None where too few were answered.
        predicted: violations of a simulated queue with this run's own service times on its own arrivals; far
            from `violations` where time was lost between the calls. None where it was not simulated.
        lateness_ms: p99 of how late an idle server saw an arrival: the generator's own error.
        batch: mean batch size. stage: `search`, `confirm`.
        valid: False where lateness is a material share of the limit, or the window was too noisy;
            `note` says which. A valid run with a note may have late requests that are a neighbour's.
    """

    offered: float
    achieved: float
    requests: int
    violations: int
    p50_ms: float | None = None
    p99_ms: float | None = None
    errors: int = 0
    unanswered: int = 0
    error: str = ""
    predicted: int | None = None
    lateness_ms: float = 0.0
    batch: float = 1.0
    seed: int = 0
    stage: str = ""
    valid: bool = True
    came: float | None = None
    note: str = ""
    noise: NoiseFacts | None = None

    @property
    def late_share(self) -> float:
        return self.violations / max(self.requests, 1)


@dataclass(frozen=True)
class CapacityFacts:
    """The highest load that keeps the promise, in requests per second, and its 95 % interval.

    Args:
        confirmed: whether further runs at it kept the promise; older versions stored the share that did.
    """

    qps: float | None = None
    low: float | None = None
    high: float | None = None
    confirmed: bool | float | None = None
    slow_calls: int = 0
    note: str = ""


@dataclass(frozen=True)
class BatchingFacts:
    """How requests that wait are answered together."""

    max_batch: int
    max_wait_ms: float


@dataclass(frozen=True)
class DeployedFacts:
    """How a variant was deployed to be reached over HTTP.

    Args:
        server: its name and version. max_batch, max_wait_ms: how it puts requests together.
        start_s: from nothing to the first answer.
    """

    server: str
    max_batch: int
    max_wait_ms: float
    start_s: float


@dataclass(frozen=True)
class SentFacts:
    """What single requests are; further rows are sent in batches alone.

    Args:
        rows: how many are sent, again and again. of: so many test rows, at random.
        words: of texts, how many the shortest, the middle one, the 99th percentile and the longest have.
        signs: the same, where hardly any blanks stand between words. shape: of images.
    """

    rows: int
    of: int
    words: tuple[float, ...] | None = None
    signs: tuple[float, ...] | None = None
    shape: tuple[int, ...] = ()


@dataclass(frozen=True)
class ServeFacts(TrialFacts):
    """Of a serve trial of any scenario: what a second look at its process needs.

    Args:
        pinned_to: cores. hashes: of the artifact and of the requests. imported: the large libraries.
        windows: of all scenarios that measure in windows. deployed: None of a variant that its process calls.
    """

    threads: int | None = None
    device: str | None = None
    workers: int | None = None
    pinned_to: tuple[int, ...] | None = None
    niceness: int | None = None
    memory_cap_mb: float | None = None
    resident_before_load_mb: float | None = None
    cold_start: Mapping[str, float] | None = None
    clock_resolution_ns: float | None = None
    environment_variables: Mapping[str, str] | None = None
    imported: tuple[str, ...] | None = None
    hashes: Mapping[str, str] | None = None
    windows: tuple[WindowFacts, ...] | None = None
    deployed: DeployedFacts | None = None
    sent: SentFacts | None = None


@dataclass(frozen=True)
class StreamFacts(ServeFacts):
    """Of `single_stream`."""

    warm_up: WarmUp | None = None
    stopped: StopFacts | None = None
    memory: MemoryFacts | None = None


@dataclass(frozen=True)
class OfflineFacts(ServeFacts):
    """Of `offline`; memory by batch size."""

    warm_up: tuple[WarmUp, ...] | None = None
    memory: Mapping[str, MemoryFacts] | None = None


@dataclass(frozen=True)
class ServerFacts(ServeFacts):
    """Of `server`.

    Args:
        load_curve: every run, in the order of measuring.
        knee_qps: the load with the most throughput for its response time.
        closed_loop_bound_qps: requests per second where everything is there at once.
        closed_loop_ms: batch size → median time of a call.
        invalid_runs: how many runs do not count.
        real_time: whether the runs were scheduled before all else on the machine.
        connections: how many were open, of a variant that is reached over HTTP.
    """

    warm_up: WarmUp | None = None
    load_curve: tuple[LoadPoint, ...] | None = None
    knee_qps: float | None = None
    limit_ms: float | None = None
    batching: BatchingFacts | None = None
    capacity: CapacityFacts | None = None
    closed_loop_bound_qps: float | None = None
    closed_loop_ms: Mapping[str, float] | None = None
    invalid_runs: int | None = None
    real_time: bool | None = None
    memory: MemoryFacts | None = None
    connections: int | None = None


@dataclass(frozen=True)
class ScalingFacts(ServeFacts):
    """Of `scaling`; warm-ups by size of the input."""

    sizes: tuple[int, ...] | None = None
    weights: str | None = None
    warm_up: Mapping[str, WarmUp] | None = None


@dataclass(frozen=True)
class Ratio:
    """Time of the second over that of the first: above 1, the first is faster.

    Args:
        low, high: 95 % t interval over copies, on the log scale.
        floor: the largest ratio between two copies of one variant, minus 1: a difference must exceed it.
    """

    value: float
    low: float
    high: float
    floor: float


Winner = Literal["first", "second", "not separated"]


@dataclass(frozen=True)
class Fought:
    """How a duel of two variants, by name, ended.

    Args:
        decided_by: the clock. cpu, wall: the ratio by each.
    """

    verdict: Winner
    first: str
    second: str
    calls_each: int
    cpu: Ratio
    wall: Ratio
    decided_by: Literal["cpu", "wall"] = "cpu"
    copies: int | None = None


@dataclass(frozen=True)
class DuelFacts(ServeFacts):
    """Of `duel`."""

    duel: Fought | None = None


@dataclass(frozen=True)
class Certified:
    """One figure, measured here and by LoadGen, in ms.

    Args:
        valid: what LoadGen says of its run. calls, late_share: of the run here.
    """

    mode: str
    metric: str
    ours_ms: float
    loadgen_ms: float
    ratio: float
    valid: str | None = None
    queries: int | None = None
    calls: int | None = None
    late_share: float | None = None


@dataclass(frozen=True)
class CertifyFacts(ServeFacts):
    """Of `certify`."""

    certify: Certified | None = None


SERVE_FACTS: Mapping[str, type[ServeFacts]] = {
    "single_stream": StreamFacts,
    "offline": OfflineFacts,
    "server": ServerFacts,
    "scaling": ScalingFacts,
    "duel": DuelFacts,
    "certify": CertifyFacts,
}
"""Scenario → what its trials find."""
