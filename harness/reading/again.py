"""A stored suite with some of its terms set otherwise: what a decision can be asked again under."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import ValidationError

from harness.codec import Json
from harness.reading.decision_checks import check_costs, check_traffic
from harness.reading.draft import Draft, Path_, with_duration, with_names
from harness.reading.layers import apply_overrides, merge
from harness.reading.messages import explain
from harness.record import SuiteError
from harness.suite.schema import Suite
from harness.suite.source import Mistake, Node, Place, new_mapping

OPEN = ("decision", "machine", "machines")
"""What changes no measurement."""
PRICED = ("price", "usd_per_hour", "discount")
AUTOSCALE = ("decision", "traffic", "autoscale")


def with_settings(suite: Suite, settings: Sequence[str]) -> Suite:
    """The suite with each `a.b=c` set, held to what a suite file is held to.

    Raises:
        SuiteError: not of that form, not a part of the decision or the machine, no such key, or a value that
            a suite file may not have.
    """
    if not settings:
        return suite
    if refused := [said for text in settings if (said := _why_not(suite, text))]:
        raise SuiteError(*refused)
    mistakes: list[Mistake] = []
    stored = _node(json.loads(suite.model_dump_json(by_alias=True)), Place("suite.yaml"))
    tree = _with_one_price_each(apply_overrides(stored, settings, mistakes), mistakes)
    tree = _without_what_a_curve_says(_with_first_machine(tree, suite))
    draft = Draft(tree, Path(suite.folder), mistakes)
    entries = dict(draft.tree.mapping or {})
    entries["decision"] = with_names(with_duration(draft, entries["decision"], AUTOSCALE[1:], AUTOSCALE))
    draft.tree = new_mapping(entries, tree.place, tree.keys)
    changed = None if mistakes else _validated(draft)
    draft.tree = _without_what_a_curve_replaces(draft)
    check_traffic(draft)
    check_costs(draft)
    if mistakes or changed is None:
        raise SuiteError(*dict.fromkeys(str(mistake) for mistake in mistakes))
    return changed


def _why_not(suite: Suite, text: str) -> str:
    """What a setting would change that was measured, and the cure; empty where it changes nothing such."""
    path, equals, _ = text.partition("=")
    keys = path.strip().split(".")
    if not equals or keys[0] not in OPEN or len(keys) < 2:
        return (
            f"--set {text}: write `decision.traffic.qps=400` or `machine.usd_per_hour=0.1`; what was "
            "measured can only be set for a new run"
        )
    if keys[0] == "machine" and suite.machines:
        return (
            f"--set {text}: there are several machines ({', '.join(suite.machines)}): write"
            f" machines.{next(iter(suite.machines))}.{'.'.join(keys[1:])}"
        )
    if keys == ["decision", "traffic", "trace"]:
        return f"--set {text}: a trace is read for a new run: set decision.traffic.curve here"
    if keys == ["decision", "traffic", "burstiness"] and suite.serving.scenarios.server is not None:
        return f"--set {text}: the load was measured under other arrivals: set it for a new run"
    return ""


def _node(value: Json, place: Place) -> Node:
    """What is stored, as if it stood in a file."""
    if isinstance(value, Mapping):
        return new_mapping({key: _node(own, place) for key, own in value.items()}, place, {})
    if isinstance(value, Sequence) and not isinstance(value, str):
        items = tuple(_node(own, place) for own in value)
        return Node(items, place, size=1 + sum(item.size for item in items))
    return Node(value, place)


def _with_one_price_each(tree: Node, mistakes: list[Mistake]) -> Node:
    """Of a machine's stored terms those go that a price set now takes the place of: a list price that of an
    own one, an own price a discount. What is set now and would be of no effect is a mistake."""
    entries = dict(tree.mapping or {})
    several = entries["machines"]
    machines = {name: _priced_once(own, mistakes) for name, own in (several.mapping or {}).items()}
    entries["machines"] = new_mapping(machines, several.place, several.keys)
    entries["machine"] = _priced_once(entries["machine"], mistakes)
    return new_mapping(entries, tree.place, tree.keys)


def _priced_once(machine: Node, mistakes: list[Mistake]) -> Node:
    said = dict(machine.mapping or {})
    price, own, discount = (said.get(key) for key in PRICED)
    if machine.mapping is None:  # said where kinds are
        return machine
    if _is_set_now(price) and own is not None and own.value is not None:
        if _is_set_now(own):
            mistakes.append(Mistake(own.place, "contradicts the price that is set too: keep one of the two"))
        del said["usd_per_hour"]
        own = None
    if own is not None and own.value is not None and discount is not None and discount.value:
        if _is_set_now(discount):
            text = "is taken off a list price: set the price too, or an own one less the discount"
            mistakes.append(Mistake(discount.place, text))
        del said["discount"]
    return new_mapping(said, machine.place, machine.keys)


def _is_set_now(node: Node | None) -> bool:
    return node is not None and node.value is not None and node.place.order > 0


def _with_first_machine(tree: Node, suite: Suite) -> Node:
    """The first of several machines is the one that measures: what is set of it is set of `machine` too, and
    no price stays beside another."""
    entries = dict(tree.mapping or {})
    machine, several = entries["machine"], entries["machines"].mapping or {}
    first = several.get(next(iter(suite.machines), ""))
    if first is None or first.mapping is None or machine.mapping is None:
        return tree
    rest = {key: own for key, own in machine.mapping.items() if key not in PRICED}
    entries["machine"] = merge(new_mapping(rest, machine.place, machine.keys), first)
    return new_mapping(entries, tree.place, tree.keys)


def _validated(draft: Draft) -> Suite | None:
    try:
        return Suite.model_validate_json(json.dumps(draft.tree.fields))
    except ValidationError as error:
        for detail in error.errors(include_url=False):
            if not (draft.items("machines") and detail["loc"][:1] == ("machine",)):
                explain(draft, detail)
        return None


def _without_what_a_curve_says(tree: Node) -> Node:
    """Another curve, or none, is not that of the stored trace, nor are the peaks of its hours."""
    entries = dict(tree.mapping or {})
    decision = entries["decision"]
    traffic = (decision.mapping or {}).get("traffic")
    if traffic is None or traffic.mapping is None:  # said where kinds are
        return tree
    said = traffic.mapping
    now = said.get("curve")
    if now is not None and now.place.order == 0:
        return tree
    kept = {k: own for k, own in said.items() if k not in ("trace", "peaks") or own.place.order}
    inner = new_mapping(kept, traffic.place, traffic.keys)
    whole = new_mapping({**(decision.mapping or {}), "traffic": inner}, decision.place, decision.keys)
    return new_mapping({**entries, "decision": whole}, tree.place, tree.keys)


def _without_what_a_curve_replaces(draft: Draft) -> Node:
    """A stored suite says all its terms: those that a curve takes the place of are not said to contradict it
    unless they are set now."""
    path: Path_ = ("decision", "traffic")
    traffic = draft.node(*path)
    said = dict(traffic.mapping or {}) if traffic is not None else {}
    if traffic is None or said.get("curve") is None or said["curve"].value is None:
        return draft.tree
    for key in ("qps", "peak_qps"):
        if key in said and said[key].place.order == 0:
            del said[key]
    entries = draft.tree.mapping or {}
    decision = entries["decision"]
    inner = new_mapping(said, traffic.place, traffic.keys)
    whole = new_mapping({**(decision.mapping or {}), "traffic": inner}, decision.place, decision.keys)
    return new_mapping({**entries, "decision": whole}, draft.tree.place, draft.tree.keys)
