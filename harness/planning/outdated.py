"""Finished trials that other versions of packages executed than are installed.

Mixed in one table with new ones they compare versions too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from harness import environment
from harness.record import Record, Trial
from harness.runtimes.offered import of_deployment
from harness.suite.model_ref import parse_model
from harness.tasks.recommendation.retrieval.options import LIBRARIES


def packages_of(trial: Trial) -> tuple[str, ...]:
    """The packages that execute a trial; what only carries data or results is none of them."""
    if trial.spec.get("task") == "recommendation":
        index = (trial.spec.get("retrieval") or {}).get("index")
        named = [index] if isinstance(index, str) else index
        kinds = map(str, named) if isinstance(named, (Mapping, list)) else ()
        return ("torch", "faiss-cpu", *(LIBRARIES[kind] for kind in kinds if kind in LIBRARIES))
    own = parse_model(trial.spec.get("model") or "").about.versions
    if trial.kind == "train":
        return own
    runtime = of_deployment(str(trial.spec.get("runtime") or ""))
    return runtime.packages if runtime is not None else own


def outdated(trials: Iterable[Trial], records: Mapping[str, Record]) -> dict[str, dict[str, tuple[str, str]]]:
    """Finished trials that another version executed, and those that rest on one.

    Args:
        records: finished trial id → its record.
    Returns:
        trial id → package → (then, now); empty for one that only rests on an outdated one.
    """
    if not records:
        return {}
    now = environment.versions()
    found: dict[str, dict[str, tuple[str, str]]] = {}
    for trial in trials:  # what a trial rests on stands before it
        record = records.get(trial.id)
        if record is None:
            continue
        then = record.environment.get("versions") or {}
        changed = {
            name: (str(then[name]), now[name])
            for name in packages_of(trial)
            if name in then and name in now and then[name] != now[name]
        }
        if changed or any(need in found for need in trial.needs):
            found[trial.id] = changed
    return found


def outdated_text(found: Mapping[str, Mapping[str, tuple[str, str]]], finished: int) -> str:
    """`8 of 20 finished trials were executed by other versions (torch 2.12.0, now 2.13.0) …`."""
    pairs = sorted({(name, *pair) for changed in found.values() for name, pair in changed.items()})
    changes = ", ".join(f"{name} {then}, now {now}" for name, then, now in pairs)
    return (
        f"{len(found)} of {finished} finished trials were executed by other versions ({changes}): their"
        " figures stand beside new ones; `--refresh` measures them again"
    )
