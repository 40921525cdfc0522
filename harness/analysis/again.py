"""The command that measures what a question under other terms wants to know."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from harness.analysis.criteria import VALUE, DecisionObjective
from harness.suite.expression import Constraint
from harness.suite.schema import Suite

UNTOLD = {"constraints", "objective"}
"""Of a decision, what is said of itself."""


def with_these_limits(limits: Sequence[Constraint | str], settings: Sequence[str] = ()) -> str:
    """What measures who was ruled out under other limits.

    Args:
        settings: further ones, `machine.usd_per_hour=0.1`.
    """
    asked = json.dumps([str(c) for c in limits], ensure_ascii=False)
    sets = (f"--set {shlex.quote(text)}" for text in (f"decision.constraints={asked}", *settings))
    return f"python -m harness run … {' '.join(sets)}"


def settings_between(
    own: Suite, asked: Suite, limits: Sequence[Constraint], goal: DecisionObjective
) -> list[str]:
    """What makes a suite's file ask what is asked, but for its limits: the objective and every other term.

    What a term takes the place of is dropped (`machine.price=`), as a file may not say both.
    """
    found = [] if goal.text == own.decision.objective else _objective(limits, goal)
    before, now = _terms(own), _terms(asked)
    traffic, was = now["decision"].get("traffic", {}), before["decision"].get("traffic", {})
    if "trace" in was and "trace" not in traffic:
        was.pop("burstiness", None)  # the trace said it, and goes
    if any(text.startswith("decision.value=") for text in found):
        before["decision"].pop("value", None)
        now["decision"].pop("value", None)
    elif goal.is_metric and not any(limit.metric == VALUE for limit in limits):
        now["decision"].pop("value", None)  # a file holds none that nothing asks for
    return [*found, *_differences(before, now, "")]


def _objective(limits: Sequence[Constraint], goal: DecisionObjective) -> list[str]:
    """An expression stands in a file as `value`, unless a limit is on another."""
    if goal.is_metric or goal.text.split()[1:] == [VALUE]:
        return [f"decision.objective={goal.text}"]
    if any(limit.metric == VALUE for limit in limits):
        return []
    verb = goal.text.split()[0].lower()
    text = goal.expression.text if verb.startswith("max") else f"-({goal.expression.text})"
    return [f"decision.objective=maximize {VALUE}", f"decision.value={json.dumps(text)}"]


def _terms(suite: Suite) -> dict[str, Any]:
    """Decision and machines as a file may say them: no two of what contradicts."""
    stored = suite.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    decision = {key: x for key, x in stored.get("decision", {}).items() if key not in UNTOLD}
    traffic = decision.get("traffic", {})
    if "curve" in traffic:
        decision["traffic"] = {k: x for k, x in traffic.items() if k not in ("qps", "peak_qps")}
    machines = {name: _priced_once(m) for name, m in stored.get("machines", {}).items()}
    # The first of several stands for `machine`, which no file says beside them.
    machine = {} if machines else _priced_once(stored.get("machine", {}))
    return {"decision": decision, "machine": machine, "machines": machines}


def _priced_once(machine: Mapping[str, Any]) -> dict[str, Any]:
    replaced = ("price", "discount") if "usd_per_hour" in machine else ()
    return {key: x for key, x in machine.items() if key not in replaced}


def _differences(before: Mapping[str, Any], now: Mapping[str, Any], path: str) -> Iterator[str]:
    for key in dict.fromkeys((*before, *now)):
        old, new, place = before.get(key), now.get(key), f"{path}{key}"
        if old == new:
            continue
        if new is None:
            yield f"{place}="
        elif isinstance(old, dict) and isinstance(new, dict) and not any("." in x for x in (*old, *new)):
            yield from _differences(old, new, f"{place}.")
        else:
            yield f"{place}={json.dumps(new, ensure_ascii=False)}"
