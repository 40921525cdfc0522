"""Speed before training: what a network costs to serve hardly depends on its weights.

A network with the weights that it is born with is exported and served for one short round. Its records are
kept apart from the run's (`UNTRAINED`): no figure of them stands in a table.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from harness.analysis.criteria import limits_of
from harness.kinds import kind_of
from harness.metrics import metrics_of
from harness.record import Trial, content_hash
from harness.specification import Spec
from harness.suite.model_ref import parse_model
from harness.suite.schema import Suite

UNTRAINED = "untrained"
"""Mark in a specification, and the folder in a run's that holds such records."""

CHOSEN_BY_ANSWERS = ("onnx-int8", "openvino-int8", "torch-compile")
"""Runtimes whose form depends on what the trained network answers, or whose export takes minutes."""

QUICK = "onnx"
"""The runtime of a short round; a process with torch takes three times as long to start."""

SHORT = {"single_stream": 1.0, "offline": 0.5}
"""Scenarios of the short round, and the most seconds of each."""


def untrained_trials(suite: Suite, trials: Iterable[Trial]) -> tuple[Trial, ...]:
    """Trials that tell which networks are surely too slow, too large or too dear; none where no limit asks.

    Args:
        trials: the suite's plan, or a part of it.
    """
    plan, scenarios = tuple(trials), _scenarios(suite)
    if kind_of(suite.task).pipeline != "supervised" or not scenarios:
        return ()
    seeds = {name: candidate.training.seeds[0] for name, candidate in suite.candidates.items()}
    largest = max((t.train_size for t in plan if t.train_size is not None), default=None)
    by_id: dict[str, Trial] = {}
    for trial in plan:
        is_first = trial.train_size == largest and trial.part == 0 and trial.tuning is None
        if not is_first or not _is_network(trial) or trial.spec.get("runtime") in CHOSEN_BY_ANSWERS:
            continue
        is_short = trial.kind == "serve" and trial.round == 0 and trial.scenario in scenarios
        if is_short or (trial.kind != "serve" and trial.seed == seeds[trial.candidate]):
            by_id[trial.id] = _marked(trial, by_id)
    return tuple(by_id.values())


def is_untrained(trial: Trial) -> bool:
    return bool(trial.spec.get(UNTRAINED))


def _scenarios(suite: Suite) -> set[str]:
    """What must be served to tell whether the suite's limits are kept; empty where none is on speed, size or
    cost."""
    known = metrics_of(suite)
    limits = [known[c.metric] for c in limits_of(suite) if c.metric in known]
    asked = [m for m in limits if m.is_served or m.rests_on_speed or m.about == "size"]
    loads = any(m.about == "money" or "throughput" in m.name for m in asked)
    return ({"single_stream", "offline"} if loads else {"single_stream"}) if asked else set()


def _is_network(trial: Trial) -> bool:
    about = parse_model(trial.spec["model"]).about
    return about.is_network and about.is_trained


def _marked(trial: Trial, others: dict[str, Trial]) -> Trial:
    """The trial on untrained weights, which needs the marked ones of what it needed."""
    spec: Spec = {**trial.spec, "untrained": True}
    needs = tuple(others[i].id for i in trial.needs if i in others)
    if "fitted" in spec:
        spec["fitted"] = needs[0]
    if "artifact" in spec:
        spec["artifact"] = f"{UNTRAINED}-{content_hash([trial.spec['artifact'], *needs])}"
    if trial.kind == "serve":
        scenario = spec["scenario"]
        longest = SHORT[scenario["name"]]
        spec["scenario"] = {**scenario, "seconds": min(longest, scenario.get("seconds", longest))}
    return replace(trial, spec=spec, needs=needs)


def quick_first(trials: Sequence[Trial]) -> tuple[Trial, ...]:
    """Those on the runtime that starts in the least time, where a network is served on it."""
    quick = {t.candidate for t in trials if t.spec.get("runtime") == QUICK}
    return tuple(
        t for t in trials if t.kind == "train" or t.candidate not in quick or t.spec["runtime"] == QUICK
    )
