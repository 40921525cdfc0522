"""What trackers are told, and that a tracker in trouble costs a line, never the run.

track: {wandb: {project: tradeoffs}, mlflow: {uri: "sqlite:///mlflow.db"}}
"""

from __future__ import annotations

import importlib
import json
import math
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from harness.analysis.explain import so_far_sentence, waits_for
from harness.codec import Json, JsonObject
from harness.names import hint
from harness.record import HarnessError, Record
from harness.report.evidence import Evidence
from harness.results import Row
from harness.suite.trackers import TRACKERS

DERIVED = (
    "report.html",
    "report.md",
    "tradeoffs.csv",
    "tradeoffs.json",
    "recommendation.json",
    "records.parquet",
)


WriteExport = Callable[[str, Path], object]
"""Writes a variant as a folder that answers on its own; raises HarnessError where it cannot."""

LOAD = ("load/offered_qps", "load/latency_p99_ms", "load/share_answered")
"""A variant's history: a step for each load that was offered."""


def track(e: Evidence, settings: Mapping[str, JsonObject], export: WriteExport | None = None) -> str:
    """Tell each named tracker the whole run.

    Args:
        settings: tracker → its options, as in the suite's `track`.
        export: for trackers that keep models; None: no model is kept.
    Returns:
        where it was written, a sentence for each tracker.
    Raises:
        HarnessError: an unknown tracker or option, a missing extra, or the tracker failed; the message
            names the cure. The caller goes on.
    """
    return " ".join(_tell(e, name, dict(options or {}), export) for name, options in settings.items())


def _tell(e: Evidence, name: str, options: dict[str, Json], export: WriteExport | None) -> str:
    if name not in TRACKERS:
        raise HarnessError(f"no tracker {name!r}: {hint(name, TRACKERS)}")
    tracker = TRACKERS[name]
    unknown = sorted(set(options) - set(tracker.options))
    if unknown:
        raise HarnessError(
            f"track.{name}: unknown {', '.join(unknown)}; there is {', '.join(tracker.options)}"
        )
    try:
        log = importlib.import_module(tracker.home).log
        return str(log(e, options, export) if tracker.keeps_models else log(e, options))
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] not in tracker.packages:
            raise
        raise HarnessError(f"{error.name} is not installed: pip install -e '.[{name}]'") from error


def headline(record: Record) -> dict[str, float]:
    """A record's figures by metric; those measured at a setting as `metric/batch_size=32`."""
    found = {}
    for m in record.measurements:
        if m.value is not None and math.isfinite(m.value):
            at = "".join(f"/{k}={v}" for k, v in sorted(m.at.items()))
            found[f"{m.metric}{at}"] = float(m.value)
    return found


def described(record: Record) -> dict[str, Json]:
    """A trial's settings, flat: `training.optimizer.lr`."""
    trial = record.trial
    fields = {
        "kind": trial.kind, "candidate": trial.candidate, "runtime": trial.runtime, "seed": trial.seed,
        "train_size": trial.train_size, "scenario": trial.scenario, "round": trial.round,
        "status": record.status, "trial": trial.id,
    }  # fmt: skip
    known = {k: v for k, v in fields.items() if v is not None}
    return {**dict(flat(trial.spec)), **known}


def flat(value: object, prefix: str = "") -> Iterator[tuple[str, Json]]:
    """Leaves of nested mappings by dotted name; lists as JSON."""
    if isinstance(value, Mapping) and value:
        for key, inner in value.items():
            yield from flat(inner, f"{prefix}.{key}" if prefix else str(key))
    elif isinstance(value, list | tuple | Mapping):
        yield prefix, json.dumps(value, default=str)
    else:
        assert value is None or isinstance(value, (bool, int, float, str))
        yield prefix, value


def figures(row: Row) -> dict[str, float]:
    """A variant's figures with their intervals: `accuracy`, `accuracy_low`, `accuracy_high`."""
    found: dict[str, float | None] = {}
    for name, x in row.estimates.items():
        found |= {name: x.value, f"{name}_low": x.low, f"{name}_high": x.high}
    found |= {
        "pareto": float(row.pareto),
        "pareto_probability": row.pareto_probability,
        "feasible_probability": row.feasible_probability,
        "best_probability": row.best_probability,
    }
    return {k: float(v) for k, v in found.items() if v is not None and math.isfinite(v)}


def standing(e: Evidence, row: Row) -> dict[str, Json]:
    """What a variant's figures do not say: whether it is the choice, what rules it out, what of it failed,
    and why it was measured no further."""
    chosen, failures = row.variant == e.recommendation.choice, "; ".join(row.failures)
    return {
        "chosen": chosen,
        "rejected_by": "; ".join(row.rejected_by),
        "failures": failures,
        "stopped": row.stopped,
    }


def verdict(e: Evidence) -> dict[str, Json]:
    """The decision in a few flat fields; a text that there is none of is empty: an earlier one would stay."""
    r = e.recommendation
    found = {
        "verdict": r.verdict,
        "choice": r.choice or "",
        "probability_best": r.probability_best,
        "expected_regret": r.expected_regret,
        "objective": r.objective,
        "constraints": "; ".join(r.constraints),
        "tied_with": ", ".join(r.tied_with),
        "not_compared": waits_for(r.not_compared),
        "so_far": so_far_sentence(r.so_far, len(e.tradeoff.rows)) if r.so_far else "",
    }
    return {k: v for k, v in found.items() if v is not None and is_told(v)}


def axes(e: Evidence) -> tuple[str, str]:
    """The metrics of the Pareto scatter: speed, quality."""
    from harness.report.sections.tradeoff import speed_metric

    return speed_metric(e) or "latency_p50_ms", e.quality_metric


def is_told(value: object) -> bool:
    """Whether a tracker may have it: one NaN or infinity spoils W&B's min, max and mean for good."""
    return not isinstance(value, float) or math.isfinite(value)
