"""Known truths and identical models through whole runs of tiny suites.

    python -m benchmarks.whole_runs truth        # known service times and a known queue, 10 rounds each
    python -m benchmarks.whole_runs identical    # A/A: 40 pairs of identical networks in 10 runs

Nothing is measured here but by the harness itself: the suite is written, the command is run, the records
are read. Results: `benchmarks/results/whole_runs_truth.json`, `whole_runs_identical.json`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from harness.analysis.outputs import stored_suite, table_of
from harness.facts.serving import DuelFacts, ServerFacts
from harness.record import Record
from harness.serving.load import ServerSettings
from harness.serving.queues import Services, true_capacity
from harness.store.runs import RunFolder, find_run

RESULTS = Path("benchmarks/results")
ROUNDS = 10
SLEEP_MS, LIMIT_MS = 4.0, 20.0
TRUTHS = {
    # candidate: metric → (truth, allowed relative difference)
    "busy_5_ms": {"latency_p50_ms": (5.0, 0.03)},
    "rarely_slow": {"latency_p50_ms": (2.0, 0.05), "latency_p99_ms": (20.0, 0.10)},
}
CAPACITY_TOLERANCE = 0.10
RUNS, PAIRS_A_RUN = 10, 4


def suite(
    name: str, candidates: Mapping[str, Any], scenarios: Mapping[str, Any], **more: Any
) -> dict[str, Any]:
    """A suite of torch modules on digits, trained for one epoch: only their speed is of interest."""
    return {
        "name": name,
        "task": "image_classification",
        "data": {"name": "digits"},
        "training": {"seeds": [0], "epochs": 1, "batch_size": 256, "precision": "fp32"},
        "candidates": dict(candidates),
        "serving": {"runtimes": ["torch"], "scenarios": dict(scenarios), **more},
        "decision": {
            "objective": "maximize throughput_at_slo_qps"
            if "server" in scenarios
            else "minimize latency_p50_ms"
        },
    }


def run(content: Mapping[str, Any], folder: Path) -> RunFolder:
    """The suite through the command line, as a user runs it.

    Raises:
        RuntimeError: it did not end with exit code 0.
    """
    path = folder / f"{content['name']}.json"  # JSON is YAML
    path.write_text(json.dumps(content))
    out = str(folder / "results")
    command = [sys.executable, "-m", "harness", "run", str(path), "--exhaustive", "--out", out]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    if ended.returncode != 0:
        raise RuntimeError(ended.stderr[-4000:])
    return find_run(content["name"], out)


def truth() -> dict[str, Any]:
    """Ten rounds of three models whose truth is known; each round is a fresh process and one repetition."""
    known = "tests.known_models"
    closed = {"busy_5_ms": f"{known}:busy_wait", "rarely_slow": f"{known}:two_valued"}
    sleeping = {"sleeping": {"model": f"{known}:sleeping", "args": {"ms": SLEEP_MS}}}
    server = {"latency_p99_ms": LIMIT_MS, "max_batch": 1, "max_wait_ms": 0.0, "seconds": 40}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        one = run(suite("known_times", closed, {"single_stream": {"seconds": 3}}, rounds=ROUNDS), folder)
        rows = [row for candidate in TRUTHS for row in _times(one.records(), candidate)]
        two = run(suite("known_queue", sleeping, {"server": server}, rounds=ROUNDS), folder)
        rows += _capacities(two.records())
    return {"protocol": __doc__, "load_average": _load(), "summary": _hits(rows), "repetitions": rows}


def _times(records: list[Record], candidate: str) -> list[dict[str, Any]]:
    return [
        _row(record, metric, expected, tolerance)
        for metric, (expected, tolerance) in TRUTHS[candidate].items()
        for record in records
        if record.trial.kind == "serve" and record.trial.candidate == candidate and not record.trial.is_aside
    ]


def _capacities(records: list[Record]) -> list[dict[str, Any]]:
    """Against the simulated queue of a server that takes exactly as long as it sleeps.

    A sleep lasts longer than it was asked to, and the module has work of its own: `as_served` is the ratio to
    the queue with the service time that the closed loop measured.
    """
    expected = _queue(SLEEP_MS)
    rows = []
    for record in records:
        if isinstance(facts := record.facts, ServerFacts) and facts.closed_loop_ms:
            row = _row(record, "throughput_at_slo_qps", expected, CAPACITY_TOLERANCE)
            took = facts.closed_loop_ms["1"]
            as_served = None if row["measured"] is None else row["measured"] / _queue(took)
            rows.append({**row, "service_ms": took, "as_served": as_served})
    return rows


def _queue(service_ms: float) -> float:
    """Requests per second that a queue with one server of this service time keeps within the limit."""
    return true_capacity(Services.fixed(np.array([service_ms / 1e3])), ServerSettings(LIMIT_MS, 1, 0.0))


def _row(record: Record, metric: str, expected: float, tolerance: float) -> dict[str, Any]:
    found = next((m for m in record.measurements if m.metric == metric and not m.at), None)
    value = found.value if found else None
    return {
        "candidate": record.trial.candidate,
        "round": record.trial.round,
        "metric": metric,
        "expected": expected,
        "measured": value,
        "ratio": None if value is None else value / expected,
        "allowed": tolerance,
        "passed": value is not None and abs(value / expected - 1) <= tolerance,
        "note": found.note if found else (record.failure.reason if record.failure else "not measured"),
    }


def _hits(rows: list[dict[str, Any]]) -> dict[str, str]:
    names = dict.fromkeys(f"{row['candidate']} {row['metric']}" for row in rows)
    found = {}
    for name in names:
        own = [row for row in rows if f"{row['candidate']} {row['metric']}" == name]
        ratios = [row["ratio"] for row in own if row["ratio"] is not None]
        spread = (
            f"ratio {np.mean(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f})" if ratios else "no figure"
        )
        served = [row["as_served"] for row in own if row.get("as_served") is not None]
        if served:
            low, high = min(served), max(served)
            spread += f"; to the queue as served {np.mean(served):.3f} ({low:.3f} to {high:.3f})"
        within = sum(row["passed"] for row in own)
        found[name] = f"{within} of {len(own)} within {own[0]['allowed']:.0%}; {spread}"
    return found


def identical() -> dict[str, Any]:
    """Eight copies of one network under eight names, in four fixed pairs a run; each run has its own seed.

    A pair is called different where the 95 % interval of its p50 ratio, from the joint draws that the
    decision is made by, leaves out 1; the duels' verdicts on such pairs are counted beside.
    """
    names = [f"{pair}{copy}" for pair in "abcd"[:PAIRS_A_RUN] for copy in (1, 2)]
    candidates = {name: {"model": "vit", "args": {"patch": 2, "dim": 48, "depth": 3}} for name in names}
    scenarios = {"single_stream": {"seconds": 0.6}}
    path = RESULTS / "whole_runs_identical.json"
    before = json.loads(path.read_text()) if path.exists() else {}
    rows, duels, verdicts = (before.get(key, []) for key in ("pairs", "duels", "verdicts"))
    for seed in range(len(verdicts), RUNS):  # a benchmark that was cut off goes on where it was
        with tempfile.TemporaryDirectory() as scratch:
            content = suite(f"identical_{seed}", candidates, scenarios, rounds=3) | {"seed": seed}
            content["serving"]["runtimes"] = ["onnx"]
            found = run(content, Path(scratch))
            rows += [{"run": seed, **row} for row in _pairs(found, names)]
            duels += [
                {"run": seed, "pair": record.trial.label, **asdict(record.facts.duel)}
                for record in found.records()
                if isinstance(record.facts, DuelFacts) and record.facts.duel
            ]
            verdicts.append(json.loads(found.read_text("recommendation.json"))["verdict"])
        print(
            f"run {seed + 1} of {RUNS}: {sum(r['different'] for r in rows)} of {len(rows)} differ", flush=True
        )
        keep("identical", _told(rows, duels, verdicts))  # an hour's work is not lost with its last minute
    return _told(rows, duels, verdicts)


def _told(rows: list[dict[str, Any]], duels: list[dict[str, Any]], verdicts: list[str]) -> dict[str, Any]:
    summary = {
        "pairs": len(rows),
        "called different by the rounds": sum(row["different"] for row in rows),
        "duels": dict(Counter(duel["verdict"] for duel in duels)),
        "verdicts of the runs": dict(Counter(verdicts)),
    }
    return {
        "protocol": identical.__doc__,
        "load_average": _load(),
        "summary": summary,
        "pairs": rows,
        "duels": duels,
        "verdicts": verdicts,
    }


def _pairs(found: RunFolder, names: list[str]) -> list[dict[str, Any]]:
    table = table_of(found, stored_suite(found))
    places = {row.candidate: k for k, row in enumerate(table.rows)}
    draws = table.draws["latency_p50_ms"]
    rows = []
    for first, second in zip(names[::2], names[1::2], strict=True):
        ratio = draws[:, places[first]] / draws[:, places[second]]
        low, middle, high = (float(v) for v in np.quantile(ratio, [0.025, 0.5, 0.975]))
        rows.append(
            {
                "pair": f"{first} {second}",
                "ratio": middle,
                "low": low,
                "high": high,
                "different": not low <= 1 <= high,
            }
        )
    return rows


def _load() -> float:
    return round(os.getloadavg()[0], 1)


def keep(name: str, found: Mapping[str, Any]) -> None:
    (RESULTS / f"whole_runs_{name}.json").write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    found = {"truth": truth, "identical": identical}[sys.argv[1]]()
    print(json.dumps(found["summary"], indent=1))
    keep(sys.argv[1], found)
