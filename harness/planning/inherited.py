"""Which score trials may be left to their reference: runtimes in single precision.

What an export in fp32 answers is what the fitted model answers, but for rounding. So while a run decides how
much to measure, such a runtime is asked for validation rows beside the model, and has the reference's quality
as long as the two agree (`harness.tasks.inherited`). Who may be named is scored in full.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from harness.kinds import kind_of
from harness.record import Trial, content_hash
from harness.runtimes.offered import is_reference, of_deployment
from harness.specification import Spec
from harness.store.behaviour import behaviour

CHECK = Path(__file__).parents[1] / "tasks" / "inherited.py"
"""What makes and compares; its version is part of the id, beside that of what scores."""


def inheriting(
    trials: Sequence[Trial], is_scored: Callable[[Trial], bool], has_source: Callable[[Trial], bool]
) -> tuple[Trial, ...]:
    """A plan whose score trials in fp32 take over the quality of their reference's.

    Args:
        trials: in which each comes after what it needs.
        is_scored: which of them are scored themselves all the same.
        has_source: which references are, or will be, scored.
    """
    sources = {t.needs[0]: t for t in trials if t.kind == "score" and is_reference(t.runtime or "")}
    made: dict[str, Trial] = {}
    for trial in trials:
        source = sources.get(trial.needs[0]) if trial.kind == "score" else None
        if source is not None and has_source(source) and may_inherit(trial) and not is_scored(trial):
            made[trial.id] = _marked(trial, source)
    return tuple(made.get(t.id) or _on(t, made) for t in trials)


def may_inherit(trial: Trial) -> bool:
    """Whether a score trial's runtime only rounds otherwise than the reference does."""
    runtime = of_deployment(trial.runtime or "")
    return (
        runtime is not None
        and runtime.precision == "fp32"
        and not runtime.is_reference
        and kind_of(trial.spec["task"]).pipeline == "supervised"
        and bool(trial.spec["data"].get("validation"))
    )


def source_of(trial: Trial) -> str:
    """The score trial whose quality a trial takes over; empty where it is scored itself."""
    return trial.spec.get("inherits", "")


def _marked(trial: Trial, source: Trial) -> Trial:
    code = content_hash([trial.spec["code"], behaviour(CHECK, CHECK.stat().st_mtime_ns)[0]])
    spec: Spec = {**trial.spec, "inherits": source.id, "code": code}
    return replace(trial, spec=spec, needs=(*trial.needs, source.id))


def _on(trial: Trial, made: dict[str, Trial]) -> Trial:
    """A trial on the artifact that an inheriting one makes: the same file, so the same trial."""
    if not any(needed in made for needed in trial.needs):
        return trial
    return replace(trial, needs=tuple(made[n].id if n in made else n for n in trial.needs))
