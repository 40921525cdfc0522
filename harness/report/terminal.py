"""The end of `run` and `recommend` on a terminal: a narrow table, the verdict, where the report lies."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from harness.analysis.again import with_these_limits
from harness.analysis.criteria import HARNESS_METRICS
from harness.analysis.explain import waits_for
from harness.analysis.uncompared import were_ruled_out
from harness.figures import as_written
from harness.metrics import MetricTable, metrics_of
from harness.protocols import Metric
from harness.reasons import SAID_ONCE, Reason
from harness.report import numbers as n
from harness.report.short_names import short_names
from harness.results import Estimate, Flip, Recommendation, Row, Tradeoff

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult
    from rich.table import Table
    from rich.text import Text

    from harness.suite.schema import Suite

MOST_ROWS = 12
MOST_NAME = 34
USUAL = ("accuracy", "r2", "ndcg@10", "latency_p99_ms", "latency_p50_ms", "cost_per_million_usd")

WITHOUT: dict[Reason | None, str] = {Reason.NOT_ESTIMABLE: "no interval", Reason.ONE_LAUNCH: "one launch"}
"""What a figure says of itself that has no interval beside it."""


@dataclass(frozen=True)
class Summary:
    """A rich renderable that shows as many metrics as the terminal is wide."""

    tradeoff: Tradeoff
    recommendation: Recommendation
    report: str = ""
    most_rows: int = MOST_ROWS
    next_commands: tuple[tuple[str, str], ...] = ()
    known: MetricTable = field(default_factory=lambda: HARNESS_METRICS)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        from rich.padding import Padding
        from rich.text import Text

        yield _table(self, options.max_width)
        left = len(self.tradeoff.rows) - self.most_rows
        yield Text(f"  … {left} more in the report\n" if left > 0 else "", style="dim")
        lines = [Text.assemble(*verdict(self.tradeoff, self.recommendation))]
        lines += [Text(n.prose(reason), style="dim") for reason in self.recommendation.reasons[:3]]
        warnings = dict.fromkeys((*self.recommendation.warnings, *self.tradeoff.warnings))
        lines += [Text(f"Note: {n.prose(warning)}", style="yellow") for warning in list(warnings)[:4]]
        yield from (Padding(line, (0, 0, 0, 2)) for line in lines)
        if self.next_commands:
            yield Text("\n  Next:", style="bold")
            wide = max(len(command) for command, _ in self.next_commands)
            for command, why in self.next_commands:
                pad = "  " if wide + len(why) + 8 <= options.max_width else "\n      "
                line = Text(f"    {command.ljust(wide) if pad == '  ' else command}")
                yield Text.assemble(line, (pad + why, "dim"))
        if self.report:
            # Unbroken, so that a terminal can open it.
            yield Text(f"  Report: {self.report}", no_wrap=True, overflow="ignore")


def terminal_summary(
    tradeoff: Tradeoff,
    recommendation: Recommendation,
    *,
    report: str = "",
    most_rows: int = MOST_ROWS,
    run: str = "",
    suite: Suite | None = None,
    again: str = "",
) -> Summary:
    """What `run` and `recommend` print at their end.

    Args:
        report: where the report lies; empty to leave the line out.
        run: its name, for the commands that a user wants next; empty leaves them out.
        again: the command that serves all in one session more, where it may be run again.
    """
    following = next_commands(recommendation, run, suite) if run else ()
    if following and again and len(tradeoff.sessions) == 1 and _rests_on_speed(suite):
        following = (*following[:2], (again, "at another hour: how much do speeds and costs differ?"))
    return Summary(tradeoff, recommendation, report, most_rows, following, metrics_of(suite))


def next_commands(
    recommendation: Recommendation, run: str, suite: Suite | None = None
) -> tuple[tuple[str, str], ...]:
    """Three commands and what each is for."""
    tool = "python -m harness"
    again = other_terms(recommendation, f"{tool} recommend {run}", suite)
    shown = (f"{tool} report {run} --pdf", "the whole report on paper")
    if recommendation.choice is None and recommendation.not_compared:
        if were_ruled_out(recommendation.not_compared):
            return (with_these_limits(recommendation.constraints), "measures who was ruled out"), shown
        return (f"{tool} run …", "the same command goes on with what was not run"), shown
    if recommendation.choice is None:
        return again, shown, (f"{tool} list models", "other candidates to try")
    export = (
        f"{tool} export {run} {recommendation.choice} deploy",
        "the artifact to ship, with its model card",
    )
    compare = (
        f"{tool} compare {run} {run.rpartition('/')[0]}/latest",
        "after the next run: has anything become worse?",
    )
    return export, again, compare


def _rests_on_speed(suite: Suite | None) -> bool:
    """Whether the objective or a limit is a speed, or a cost that follows from one."""
    return suite is not None and any(m.is_served or m.rests_on_speed for m in _deciding(suite))


def _counts_traffic(suite: Suite) -> bool:
    """Whether the objective or a limit is a bill, which more traffic makes longer."""
    return any(m.is_bill for m in _deciding(suite))


def _deciding(suite: Suite) -> list[Metric]:
    """The metrics of the objective and of the limits."""
    from harness.analysis.criteria import goal_of, limits_of

    known = metrics_of(suite)
    names = {*goal_of(suite).metrics, *(c.metric for c in limits_of(suite))}
    return [known[name] for name in names if name in known]


def other_terms(r: Recommendation, command: str, suite: Suite | None) -> tuple[str, str]:
    """A decision under other terms that is worth a look: the nearest at which the answer changes; where
    nobody may be chosen, under the limit that the nearest keeps least; else for twice the traffic, or with a
    limit on latency where no traffic counts."""
    from harness.analysis.criteria import merge_constraints
    from harness.analysis.sensitivity import NOBODY, OPEN

    limits = merge_constraints((), r.constraints, None)
    for flip in r.flips:
        metric = str(flip["what"]).removeprefix("limit on ")
        limit = next((c for c in limits if c.metric == metric), None)
        if limit is None or flip["then"] in (NOBODY, OPEN, r.choice):
            continue
        moved = replace(limit, limit=_beyond(float(flip["at"]), limit.limit))
        return f"{command} --where '{moved.bound}'", f"where the answer becomes {flip['then']}"
    keeps = r.nearest["keeps"] if r.nearest else {}
    if hardest := min((c for c in limits if str(c) in keeps), key=lambda c: keeps[str(c)], default=None):
        looser = hardest.limit * (1.1 if hardest.is_upper else 1 / 1.1)
        return f"{command} --where '{replace(hardest, limit=float(f'{looser:.2g}')).bound}'", "a wider limit"
    if suite is not None and not _counts_traffic(suite) and suite.serving.scenarios.single_stream:
        return f"{command} --where 'latency_p50_ms <= 1'", "decide again with a limit on latency"
    traffic = None if suite is None else suite.decision.traffic
    if traffic is not None and traffic.curve:
        spare = traffic.spare + 1
        return f"{command} --set decision.traffic.spare={spare}", "decide again with one more spare machine"
    sets = f"--set decision.traffic.qps={traffic.qps * 2:g}" if traffic else "--set decision.traffic.qps=100"
    if traffic is not None and traffic.peak_qps is not None:
        sets += f" --set decision.traffic.peak_qps={traffic.peak_qps * 2:g}"
    return f"{command} {sets}", "decide again for twice the traffic"


def _beyond(at: float, today: float) -> float:
    """Where an answer changes to three digits, rounded away from today's limit, so that it has changed."""
    step = 10.0 ** (math.floor(math.log10(abs(at))) - 2) if at else 0.0
    away = math.ceil if at > today else math.floor
    return float(f"{away(at / step) * step:.3g}") if step else at


def summary_text(
    tradeoff: Tradeoff, recommendation: Recommendation, *, report: str = "", width: int = 100
) -> str:
    """The same as plain text, for logs and pipes."""
    import io

    from rich.console import Console

    stream = io.StringIO()
    console = Console(file=stream, width=width, color_system=None, legacy_windows=False)
    console.print(terminal_summary(tradeoff, recommendation, report=report))
    return "\n".join(line.rstrip() for line in stream.getvalue().splitlines()) + "\n"


def figures_text(tradeoff: Tradeoff, recommendation: Recommendation, width: int = 100) -> str:
    """The table alone, as plain text."""
    import io

    from rich.console import Console

    stream = io.StringIO()
    console = Console(file=stream, width=width, color_system=None, legacy_windows=False)
    console.print(_table(terminal_summary(tradeoff, recommendation), width))
    return "\n".join(line.rstrip() for line in stream.getvalue().splitlines()) + "\n"


def recommendation_text(found: Recommendation, table: Tradeoff) -> str:
    """The table and the verdict as the end of `run` and the report have them, and all reasons."""
    head = "".join(part if isinstance(part, str) else part[0] for part in verdict(table, found))
    limits = f"Limits: {'; '.join(found.constraints)}." if found.constraints else "No limits."
    flips = [_change(flip) for flip in found.flips[:5]]
    warnings = [f"Warning: {warning}" for warning in found.warnings]
    said = [head, f"Objective: {found.objective}. {limits}", *found.reasons, *flips, *warnings]
    return "\n".join([figures_text(table, found), *said])


def _change(flip: Flip) -> str:
    """A switch in the words in which it is typed: `With a limit on accuracy of 0.965 …`."""
    from harness.report.switches import ending

    what, at, unit = flip.get("what", ""), as_written(float(flip.get("at", 0.0))), flip.get("unit", "")
    side = "Above" if flip.get("factor", 1.0) > 1 else "Below"
    metric = what.removeprefix("limit on ")
    where = f"With a limit on {metric} of {at}" if metric != what else f"{side} {at} {unit} ({what})"
    return f"{where}, {ending(flip.get('then', ''))}."


def figures_html(tradeoff: Tradeoff, recommendation: Recommendation, suite: Suite) -> str:
    """The same table for a notebook: every figure of the decision, with its unit and its interval."""
    from html import escape

    summary = terminal_summary(tradeoff, recommendation, suite=suite)
    metrics, limited = _wanted(summary), bool(recommendation.constraints)
    heads = ["variant", *(_head(m, summary.known) for m in metrics), "within limits" if limited else "best"]
    rows = []
    for row in ranked(tradeoff, recommendation)[: summary.most_rows]:
        probability = row.feasible_probability if limited else row.best_probability
        last = n.percent(probability) if probability is not None else "–"
        cells = [row.variant, *(_cell(m, row.estimates.get(m)).plain for m in metrics), last]
        tag = "th" if row.variant == recommendation.choice else "td"
        rows.append("".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in cells))
    head = "".join(f"<th>{escape(head)}</th>" for head in heads)
    body = "".join(f"<tr>{row}</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def verdict(tradeoff: Tradeoff, recommendation: Recommendation) -> list[str | tuple[str, str]]:
    """One sentence: what to do, how sure."""
    choice, where = recommendation.choice or "", recommendation.where
    count = n.counted(len(tradeoff.rows), "variant")
    match recommendation.verdict:
        case "recommend" if _is_alone(tradeoff, choice):
            return ["Ship ", (choice, "bold green"), f", the only one of {count} that has figures."]
        case "recommend":
            likely = n.percent(recommendation.probability_best)
            if recommendation.why_not_likeliest:
                though = f", though it is the best of {count} with probability {likely} only."
                return ["Ship ", (choice, "bold green"), though]
            return [
                "Ship ",
                (choice, "bold green"),
                f"{where}: the best of {count} with probability {likely}.",
            ]
        case "tie":
            others = [v for v in recommendation.tied_with if v != choice]
            more = f" and {len(others) - 3} more" if len(others) > 3 else ""
            named = ", ".join(others[:3]) + more if more else n.listed(others)
            return ["A tie. Ship ", (choice, "bold green"), f"{where}, not told apart from {named}."]
        case "none_feasible":
            return [("Ship none of them: no variant meets every limit.", "bold yellow")]
        case _ if recommendation.not_compared:
            return [(f"No decision yet: {waits_for(recommendation.not_compared)}.", "bold yellow")]
        case _:
            return [("No decision: not enough evidence.", "bold yellow")]


def _is_alone(tradeoff: Tradeoff, choice: str) -> bool:
    """Whether all other variants failed and nothing was compared."""
    others = [row for row in tradeoff.rows if row.variant != choice]
    return bool(others) and all(row.failures and row.best_probability is None for row in others)


def ranked(tradeoff: Tradeoff, recommendation: Recommendation) -> list[Row]:
    """The choice, the tied and its runners-up as the page has them, then by the probability of being best and
    of meeting the limits."""
    runners = (str(r.get("variant")) for r in recommendation.runners_up)
    first = list(dict.fromkeys((recommendation.choice, *recommendation.tied_with, *runners)))
    places = {name: place for place, name in enumerate(first)}

    def place(row: Row) -> tuple[float, float, float]:
        front = places.get(row.variant, len(first))
        return front, -(row.best_probability or 0.0), -(row.feasible_probability or 0.0)

    return sorted(tradeoff.rows, key=place)


def _wanted(summary: Summary) -> list[str]:
    """Metrics in the order in which they get a column: objective, limits, the usual ones."""
    from harness.analysis.criteria import merge_constraints

    objective = summary.recommendation.objective.split()[1:2]
    limited = [c.metric for c in merge_constraints((), summary.recommendation.constraints, None)]
    known = summary.tradeoff.metrics
    return [m for m in dict.fromkeys([*objective, *limited, *USUAL]) if m in known] or list(known[:3])


def _table(summary: Summary, width: int) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    shown = ranked(summary.tradeoff, summary.recommendation)[: summary.most_rows]
    limited = bool(summary.recommendation.constraints)
    metrics = _fitting(summary, shown, width)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold", show_edge=False)
    names = short_names([row.variant for row in shown], MOST_NAME - 2)
    table.add_column("variant", no_wrap=True)
    for name in metrics:
        table.add_column(_head(name, summary.known), justify="right", no_wrap=True, overflow="ellipsis")
    table.add_column("within limits" if limited else "best", justify="right", no_wrap=True)
    for row in shown:
        chosen = row.variant == summary.recommendation.choice
        probability = row.feasible_probability if limited else row.best_probability
        last = n.percent(probability) if probability is not None else "–"
        cells = [_cell(name, row.estimates.get(name)) for name in metrics]
        variant = Text(("* " if chosen else "  ") + names[row.variant])
        table.add_row(variant, *cells, Text(last), style="bold" if chosen else "")
    return table


def _fitting(summary: Summary, rows: Sequence[Row], width: int) -> list[str]:
    """As many of the wanted metrics as fit, at least one."""
    names = min(MOST_NAME, 2 + max((len(row.variant) for row in rows), default=7))
    left, kept = width - names - 17, list[str]()
    for name in _wanted(summary):
        cells = [_cell(name, row.estimates.get(name)).plain for row in rows]
        left -= 3 + max([len(_head(name, summary.known)), *map(len, cells)])
        if kept and left < 0:
            break
        kept.append(name)
    return kept


def _head(name: str, known: MetricTable) -> str:
    unit = n.shown_unit(name, known)
    return f"{n.label(name)}, {unit}" if unit else n.label(name)


def _cell(name: str, estimate: Estimate | None) -> Text:
    from rich.text import Text

    shown = n.shown(name, estimate)
    if shown.number is None:
        reason = estimate.reason if estimate is not None else None
        failed = reason is Reason.FAILED
        said = reason.value if reason in SAID_ONCE else shown.value
        if len(said) > 24:  # the report has all of it
            said = said.partition(" (")[0] if " (" in said[:24] else f"{said[:23]}…"
        return Text(said, style="red" if failed else "dim")
    text = Text(shown.value)
    if shown.interval:
        text.append(f" {shown.interval}", style="dim")
    elif estimate is not None and estimate.reason in WITHOUT:
        text.append(f" {WITHOUT[estimate.reason]}", style="dim")
    if shown.beside:
        text.append(f", {shown.beside}", style="dim")
    return text
