"""`doctor --self-check`: models and queues with known truths, through the path that measures variants."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from harness.codec import Json, JsonObject
from harness.facts import DuelFacts
from harness.metrics import CAPACITY
from harness.protocols import Job, Outcome
from harness.record import Trial, TrialError
from harness.serving.load import ServerSettings
from harness.serving.queues import Services, true_capacity
from harness.serving.serve import serve
from harness.specification import ScenarioSpec, Spec

LIMIT_S = 120.0
SLEEP_MS = 2.0
BATCH_MS, EXAMPLE_MS, MAX_BATCH = 1.0, 0.25, 8
SERVER_LIMIT_MS = 10.0


@dataclass(frozen=True)
class Check:
    """One known truth and what was measured.

    Args:
        tolerance: allowed relative difference; 0 where a verdict is expected.
        note: why there is no measured value.
    """

    name: str
    expected: float | str
    measured: float | str | None
    tolerance: float
    note: str = ""

    @property
    def ratio(self) -> float | None:
        if isinstance(self.measured, float) and isinstance(self.expected, float):
            return self.measured / self.expected
        return None

    @property
    def passed(self) -> bool:
        if self.ratio is not None:
            return abs(self.ratio - 1) <= self.tolerance
        return self.measured == self.expected

    def as_json(self) -> dict[str, object]:
        return {**asdict(self), "ratio": self.ratio, "passed": self.passed}


def run_checks(
    progress: Callable[[str], object] = lambda line: None, server_seconds: float = 10.0
) -> list[Check]:
    """All checks, about a minute; each is one or two serve trials."""
    checks: list[Check] = []
    for name, check in (
        ("a model that busy-waits 5 ms", busy_wait),
        ("a model that takes 2 ms, and every 50th time 20 ms", two_valued),
        ("a sleeping server's capacity against its queue on paper", lambda: sleeping_server(server_seconds)),
        ("a batching server's capacity against its queue on paper", lambda: batching_server(server_seconds)),
        ("two identical models", identical_pair),
    ):
        progress(f"self-check: {name} …")
        try:
            checks += check()
        except TrialError as error:
            checks.append(Check(name, "an answer", None, 0.0, error.reason))
    return checks


def busy_wait() -> list[Check]:
    outcome = measure({"kind": "busy", "ms": 5.0}, {"name": "single_stream", "seconds": 3.0})
    return [_check("busy-wait 5 ms: p50", 5.0, outcome, "latency_p50_ms", 0.03)]


def two_valued() -> list[Check]:
    """A model whose p50 and p99 are known: every fiftieth call takes ten times as long."""
    args: dict[str, Json] = {"kind": "two_valued", "ms": 2.0, "slow_ms": 20.0, "every": 50}
    outcome = measure(args, {"name": "single_stream", "seconds": 3.0})
    return [
        _check("2 ms, every 50th 20 ms: p50", 2.0, outcome, "latency_p50_ms", 0.05),
        _check("2 ms, every 50th 20 ms: p99", 20.0, outcome, "latency_p99_ms", 0.10),
    ]


def sleeping_server(seconds: float = 10.0, seed: int = 0) -> list[Check]:
    """A server that sleeps 2 ms, one request at a time, with a p99 limit of 10 ms: an M/D/1 queue."""
    args: dict[str, Json] = {"kind": "sleeping", "ms": SLEEP_MS}
    name = f"sleeping {SLEEP_MS:g} ms, p99 limit {SERVER_LIMIT_MS:g} ms: capacity per s"
    return _server_check(name, args, np.array([SLEEP_MS]), seconds, seed)


def batching_server(seconds: float = 10.0, seed: int = 0) -> list[Check]:
    """A server that takes 1 ms and 0.25 ms for each of up to 8 requests that it answers together."""
    args: dict[str, Json] = {"kind": "busy", "ms": BATCH_MS, "ms_per_example": EXAMPLE_MS}
    name = f"{BATCH_MS:g} ms + {EXAMPLE_MS:g} ms × batch, p99 limit {SERVER_LIMIT_MS:g} ms: capacity per s"
    took = BATCH_MS + EXAMPLE_MS * np.arange(1, MAX_BATCH + 1)
    return _server_check(name, args, took, seconds, seed)


def _server_check(name: str, args: JsonObject, took_ms: np.ndarray, seconds: float, seed: int) -> list[Check]:
    """Measured against simulated; took_ms: (max_batch,) by batch size."""
    settings = ServerSettings(SERVER_LIMIT_MS, len(took_ms), 0.0)
    scenario: ScenarioSpec = {
        "name": "server",
        "latency_p99_ms": settings.limit_ms,
        "max_batch": settings.max_batch,
        "max_wait_ms": settings.max_wait_ms,
        "seconds": seconds,
    }
    expected = true_capacity(Services.fixed(took_ms / 1e3), settings)
    return [_check(name, expected, measure(args, scenario, seed), CAPACITY, 0.10)]


def identical_pair(seed: int = 0) -> list[Check]:
    """A duel of a model with itself, which must not be decided."""
    args: dict[str, Json] = {"kind": "loop", "multiplications": 20}
    opponent: Spec = {"subject": "harness.serving.known", "task": "known", "args": args}
    outcome = measure(args, {"name": "duel", "opponent": opponent, "seconds": 3.0}, seed)
    assert isinstance(outcome.facts, DuelFacts) and outcome.facts.duel is not None
    return [Check("two identical models", "not separated", outcome.facts.duel.verdict, 0.0)]


def measure(args: JsonObject, scenario: ScenarioSpec, seed: int = 0) -> Outcome:
    """One serve trial of a known model, through `serve` as any variant's."""
    spec: Spec = {
        "subject": "harness.serving.known",
        "task": "known",
        "args": dict(args),
        "scenario": scenario,
        "round": 0,
        "seed": seed,
    }
    trial = Trial("serve", "known", spec, scenario=str(scenario["name"]), round=0, time_limit_s=LIMIT_S)
    with tempfile.TemporaryDirectory() as folder:
        return serve(Job(trial, Path(folder), {}, lambda event: None))


def as_table(checks: list[Check]) -> str:
    """Expected, measured, ratio."""
    width = max(len(check.name) for check in checks)
    lines = [f"{'check':<{width}}  {'expected':>13}  {'measured':>13}  {'ratio':>6}"]
    for check in checks:
        ratio = f"{check.ratio:6.3f}" if check.ratio is not None else "     -"
        verdict = "ok" if check.passed else f"FAILED (allowed ±{check.tolerance:.0%}) {check.note}".rstrip()
        cells = f"{_cell(check.expected):>13}  {_cell(check.measured):>13}  {ratio}"
        lines.append(f"{check.name:<{width}}  {cells}  {verdict}")
    return "\n".join(lines)


def _check(name: str, expected: float, outcome: Outcome, metric: str, tolerance: float) -> Check:
    found = next(m for m in outcome.measurements if m.metric == metric and not m.at)
    return Check(name, expected, found.value, tolerance, found.note)


def _cell(value: float | str | None) -> str:
    if value is None:
        return "-"
    return f"{value:.3f}" if isinstance(value, float) else value
