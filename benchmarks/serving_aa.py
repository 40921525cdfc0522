"""A/A: identical models in 40 duels; how many are called different? And a model 10 % slower, for power.

python -m benchmarks.serving_aa
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.serving_models import fitted, serve_spec
from harness.doctor.selfcheck import measure
from harness.facts import DuelFacts
from harness.protocols import Job, Outcome
from harness.record import Trial
from harness.runtimes import runtime
from harness.serving.serve import serve

SECONDS = 1.5


def identical(pairs: int) -> list[dict[str, Any]]:
    """The same ONNX artifact against itself."""
    verdicts = []
    with tempfile.TemporaryDirectory() as scratch:
        score = Path(scratch) / "score"
        runtime("onnx").prepare(fitted("CNN", Path(scratch)), score / "artifact", None)
        for pair in range(pairs):
            opponent = serve_spec("onnx", {}, pair)
            spec = serve_spec("onnx", {"name": "duel", "opponent": opponent, "seconds": SECONDS}, pair)
            with tempfile.TemporaryDirectory() as folder:
                trial = Trial("serve", "model", spec, time_limit_s=60)
                outcome = serve(Job(trial, Path(folder), {"score": score}, lambda event: None))
            verdicts.append(_fought(outcome))
    return verdicts


def _fought(outcome: Outcome) -> dict[str, Any]:
    assert isinstance(outcome.facts, DuelFacts) and outcome.facts.duel is not None
    return asdict(outcome.facts.duel)


def different(pairs: int) -> list[dict[str, Any]]:
    """20 small matrix products against 22: the second is 10 % slower."""
    opponent = {
        "subject": "harness.serving.known",
        "task": "known",
        "args": {"kind": "loop", "multiplications": 22},
    }
    scenario = {"name": "duel", "opponent": opponent, "seconds": SECONDS}
    args = {"kind": "loop", "multiplications": 20}
    return [_fought(measure(args, scenario, seed)) for seed in range(pairs)]


if __name__ == "__main__":
    found = {
        "identical": identical(int(sys.argv[1]) if len(sys.argv) > 1 else 40),
        "10 % slower": different(10),
    }
    summary = {name: dict(Counter(row["verdict"] for row in rows)) for name, rows in found.items()}
    summary["load_average"] = {"1 min": round(os.getloadavg()[0], 1)}
    print(json.dumps(summary))
    text = json.dumps({"summary": summary, "duels": found}, indent=1)
    Path("benchmarks/results/serving_aa.json").write_text(text + "\n")
