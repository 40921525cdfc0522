"""Headline figures of records, and the values of a serving metric by launch."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np

from harness.analysis.criteria import HARNESS_METRICS, NEEDED_CALLS
from harness.reasons import Reason
from harness.record import Measurement, Record

_SCENARIO_ORDER = ("single_stream", "offline", "server")


def headline(record: Record, name: str) -> Measurement | None:
    """A metric's headline figure (measured at no particular setting), None without one."""
    return next((m for m in record.measurements if m.metric == name and not m.at), None)


def launch_values(records: Sequence[Record], name: str) -> tuple[dict[int, float], list[str]]:
    """Round → value, from the scenario that measures the metric best; and what must be known of them: why
    there are none, or what the values are worth and which rounds have none."""
    by_scenario: dict[str, list[tuple[int, Measurement]]] = defaultdict(list)
    for record in records:
        if record.status == "finished" and (m := headline(record, name)) is not None:
            by_scenario[record.trial.scenario or ""].append((record.trial.round or 0, m))
    notes: list[str] = []
    quantile = HARNESS_METRICS[name].quantile if name in HARNESS_METRICS else None
    for scenario in sorted(by_scenario, key=lambda s: _preference(s, name)):
        measured = by_scenario[scenario]
        values = {r: m.value for r, m in measured if m.value is not None}
        calls = sum(len(m.samples) for _, m in measured)
        needed = NEEDED_CALLS.get(name, 0)
        if 0 < calls < needed:
            notes.append(f"not estimable ({calls} of {needed} calls)")
            continue
        if quantile is not None and calls >= needed > 0 and not values:
            # No single launch had enough calls, all together they have: a percentile per launch.
            steady = [(r, m) for r, m in measured if m.samples and m.reason is Reason.NOT_ESTIMABLE]
            values = {r: float(np.quantile(m.samples, quantile)) for r, m in steady}
        if values:
            return values, _said(measured, values)
        notes.extend(m.note for _, m in measured)
    return {}, notes


def _said(measured: Sequence[tuple[int, Measurement]], values: Mapping[int, float]) -> list[str]:
    """Notes of launches, alike ones once with how many rounds they are of."""
    kinds: dict[tuple[bool, str], list[str]] = defaultdict(list)
    for number, m in measured:
        if m.note and not (number in values and m.reason is Reason.NOT_ESTIMABLE):
            kinds[number in values, m.note.split()[0]].append(m.note)
    of = len(measured)
    return [
        (f"{notes[0]} ({len(notes)} of {of} rounds)" if of > 1 else notes[0])
        if has_value
        else f"no figure in {len(notes)} of {of} rounds: {notes[0]}"
        for (has_value, _), notes in kinds.items()
    ]


def _preference(scenario: str, name: str) -> int:
    """Latency: the closed loop first. Memory, CPU time: the heaviest load first."""
    rank = _SCENARIO_ORDER.index(scenario) if scenario in _SCENARIO_ORDER else len(_SCENARIO_ORDER)
    return -rank if name in HARNESS_METRICS and HARNESS_METRICS[name].is_told_by_load else rank


def unlike_rounds(rounds: Mapping[str, int], is_of_load: bool) -> str:
    """What a reader must know of variants that rest on unlike numbers of rounds; empty where all are alike.

    Of simulated machines (`benchmarks/capacity_launches.py`) the load of one launch is too high by 5.8 % on
    average, that of two in one queue by 4.1 and of six by 4.2; with two speeds by 7, −1 and 4, where a slow
    second comes twice a minute by 23, 21 and 14. A row of fewer rounds is favoured by that much at most.

    Args:
        rounds: of each variant. is_of_load: whether a load that keeps its limit decides.
    """
    if len(set(rounds.values())) < 2:
        return ""
    said = []
    for count in sorted(set(rounds.values()), reverse=True):
        names = [name for name, n in rounds.items() if n == count]
        others = {1: "", 2: " and another variant"}.get(len(names), f" and {len(names) - 1} other variants")
        said.append(f"{count} for {names[0]}{others}")
    more = ": over more of them more slow minutes are met, so that the load found is lower"
    return (
        f"variants rest on unlike numbers of serving rounds ({'; '.join(said)}){more if is_of_load else ''}"
    )
