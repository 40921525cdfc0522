"""Plans, lists and recommendations as text: plain columns that a terminal, a log and a person can read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from harness.figures import duration_text, short
from harness.record import KIND_WORDS, KINDS, Trial
from harness.runtimes.offered import left_out
from harness.suite.asks import why_all_is_measured
from harness.suite.model_ref import OWN, OWN_ESTIMATOR, parse_model
from harness.suite.variants import parse_deployment

if TYPE_CHECKING:  # a list of models needs neither statistics nor plans
    from harness.analysis.changes import Change, Comparison
    from harness.planning.plan import Plan

Row = Mapping[str, str]


def table_text(rows: Sequence[Row]) -> str:
    """Columns, as wide as their longest entry; the names of the columns are not shown."""
    if not rows:
        return ""
    columns = [[row.get(key, "") for row in rows] for key in rows[0]]
    widths = [max(map(len, column)) for column in columns]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()
        for cells in zip(*columns, strict=True)
    )


def plan_text(plan: Plan, is_one_of_several_sets: bool = False) -> str:
    """What would run: by kind, by candidate, the user's own code, time and money.

    Args:
        is_one_of_several_sets: whether the suite is that of one data set of several.
    """
    from harness.planning.power import power_lines

    head = f"{plan.suite.name}: {plan.suite.question}" if plan.suite.question else plan.suite.name
    rows = [{"kind": "", "trials": "trials", "cached": "cached", "to run": "to run", "expected": "expected"}]
    for kind in KINDS:
        trials = [t for t in plan.trials if t.kind == kind]
        missing = [t for t in trials if t.id not in plan.cached]
        work = sum(plan.seconds.get(t.id, 0.0) for t in missing)
        cells = (
            kind,
            len(trials),
            len(trials) - len(missing),
            len(missing),
            duration_text(work) if missing else "-",
        )
        rows.append(dict(zip(rows[0], map(str, cells), strict=True)))
    lines = [head, "", table_text(rows), "", *_candidate_lines(plan)]
    candidates = plan.suite.candidates.values()
    own = [c.model for c in candidates if c.ref.kind in (OWN, OWN_ESTIMATOR)]
    retrievers = [str((c.retrieval or {}).get("model", "")) for c in candidates]
    own += [model for model in retrievers if parse_model(model).kind == OWN]
    own += [metric.function for metric in plan.suite.metrics.values()]
    if own:
        lines.append(f"Runs your own code: {', '.join(own)} (from {plan.suite.folder})")
    lines += [f"Note: {note}" for note in (*plan.notes, *plan.of_versions)]
    lines += power_lines(plan.power) if plan.power else []
    return "\n".join([*lines, _expected_line(plan), *_until_decided_line(plan, is_one_of_several_sets)])


def _candidate_lines(plan: Plan) -> Iterable[str]:
    for name in dict.fromkeys(t.candidate for t in plan.trials):
        trials = [t for t in plan.trials if t.candidate == name]
        counts = ", ".join(f"{sum(t.kind == kind for t in trials)} {kind}" for kind in KINDS)
        yield f"{name}: {counts}; on {', '.join(_deployed(trials))}"
        suite = plan.suite
        candidate = suite.candidates[name]
        never = left_out(candidate.ref, suite.serving.runtimes, suite.task, candidate.args)
        for runtime, reason in never.items():
            yield f"{name}: not on {runtime}: {reason}"
    yield ""


def _deployed(trials: Iterable[Trial]) -> list[str]:
    """The rows that a candidate's trials fill: what is scored as `onnx` is served as `onnx@1x2`."""
    names = dict.fromkeys(t.runtime for t in trials if t.runtime)
    served = dict.fromkeys(t.runtime for t in trials if t.runtime and t.kind == "serve")
    runtimes = {name: parse_deployment(name).runtime for name in names}
    rows = [n for n in names if n in served or runtimes[n] not in {runtimes[s] for s in served}]
    order = list(dict.fromkeys(runtimes.values()))
    return sorted(rows, key=lambda name: (order.index(runtimes[name]), name))


def _expected_line(plan: Plan) -> str:
    if not plan.missing:
        return "All trials are finished: `run` only writes the report again."
    money = ""
    if plan.usd is not None and plan.usd_per_hour is not None:
        usd = f"{plan.usd:,.2f}" if plan.usd >= 0.005 else "less than 0.01"
        money = f", {usd} USD at {short(plan.usd_per_hour)} USD/h"
    slots = f"{plan.slots} training trial{'s' if plan.slots > 1 else ''} at once"
    return f"Expected: {duration_text(plan.wall_seconds)}{money} ({_basis(plan)}; {slots})"


def _basis(plan: Plan) -> str:
    """What is estimated from earlier trials, and what is guessed since nothing like it was run."""
    if not plan.guessed:
        return "from earlier trials like these"
    if len(plan.guessed) == len(plan.missing) and not plan.cached:
        return "a rough guess: nothing like it was run yet"
    known, guessed = list[str](), list[str]()
    for kind, words in KIND_WORDS.items():
        of_kind = [t.id in plan.guessed for t in plan.missing if t.kind == kind]
        if sum(of_kind) < len(of_kind):
            known.append(words)
        if any(of_kind):
            guessed.append(words if all(of_kind) else f"{sum(of_kind)} of {len(of_kind)} {words}")
    measured = [f"{' and '.join(known)} from earlier ones like these"] if known else []
    return "; ".join([*measured, f"{' and '.join(guessed)} roughly guessed, as none like them was run yet"])


def _until_decided_line(plan: Plan, is_one_of_several_sets: bool) -> list[str]:
    """What the other way to run takes, where the suite says when to stop, and which one `run` goes."""
    from harness.running.smoke import SMOKE_ENDING

    found = plan.until_decided
    if found is None or not plan.missing or plan.suite.name.endswith(SMOKE_ENDING):
        return []
    least, most = map(duration_text, found)
    span = most if least == most else f"{least} to {most}"
    stops = f"{span}, from one seed and round of each to all of the largest training set"
    if why := why_all_is_measured(plan.suite, is_one_of_several_sets):
        return [f"That is all that is planned, as `run` does it: {why}. With --until-decided: {stops}."]
    return [f"`run` measures until it is decided: {stops}. The above is --exhaustive, all that is planned."]


_VERDICTS = ("worse", "better", "not comparable", "not separated", "same")


def comparison_text(found: Comparison) -> str:
    """A regression gate's answer: the verdict, what may not be compared, then metric by metric."""
    number = len(found.regressions)
    head = f"{found.run_b} against {found.run_a}: " + (
        f"{number} regression{'s' if number > 1 else ''}" if number else "no regression"
    )
    lines = [f"{head} (margin {found.margin:g}, 0.05 one-sided, Holm-adjusted)"]
    lines += [f"note: {note}" for note in found.notes]
    changes = sorted(found.changes, key=lambda change: _VERDICTS.index(change.verdict))
    shown = [c for c in changes if c.verdict != "same"]
    keys = ("verdict", "variant", "metric", "A", "B", "worse by", "95 % interval", "note")
    rows = [dict(zip(keys, keys, strict=True)), *(_change_row(keys, c) for c in shown)]
    lines += ["", table_text(rows)] if shown else []
    same = len(changes) - len(shown)
    return "\n".join([*lines, *(["", f"{same} further figures are the same"] if same else [])])


def _change_row(keys: Sequence[str], change: Change) -> Row:
    def figure(value: float | None) -> str:
        return "-" if value is None else short(value)

    cells = (change.verdict, change.variant, change.metric, figure(change.a), figure(change.b))
    verdict = change.verdict.upper() if change.verdict == "worse" else change.verdict
    more = (change.size or "-", change.span, change.note)
    return dict(zip(keys, (verdict, *cells[1:], *more), strict=True))
