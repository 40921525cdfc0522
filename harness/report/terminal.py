"""The end of `run` and `recommend` on a terminal: the verdict, a narrow table, where the report lies."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.protocols import Estimate, Recommendation, Row, Tradeoff
from harness.report import numbers as n

if TYPE_CHECKING:
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

MOST_ROWS = 12


def terminal_summary(
    tradeoff: Tradeoff,
    recommendation: Recommendation,
    *,
    report: str = "",
    most_rows: int = MOST_ROWS,
    metrics: tuple[str, ...] = (),
) -> Group:
    """What `run` and `recommend` print at their end, a rich renderable.

    Args:
        report: where the report lies; empty to leave the line out.
        metrics: columns; else the objective, the limited metrics, p50 latency and cost per million.
    """
    from rich.console import Group
    from rich.padding import Padding
    from rich.text import Text

    shown = metrics or _columns(tradeoff, recommendation)
    parts: list[object] = [_table(tradeoff, recommendation, shown, most_rows), Text()]
    parts.append(Padding(Text.assemble(*_verdict(tradeoff, recommendation)), (0, 1)))
    parts += [Padding(Text(reason, style="dim"), (0, 1)) for reason in recommendation.reasons[:3]]
    parts += [
        Padding(Text(f"Note: {w}", style="yellow"), (0, 1))
        for w in (*recommendation.warnings, *tradeoff.warnings)[:4]
    ]
    if report:
        parts.append(Padding(Text(f"Report: {report}", no_wrap=True, overflow="fold"), (0, 1)))
    return Group(*parts)  # type: ignore[arg-type]


def summary_text(
    tradeoff: Tradeoff, recommendation: Recommendation, *, report: str = "", width: int = 100
) -> str:
    """The same as plain text, for logs and pipes."""
    import io

    from rich.console import Console

    console = Console(file=io.StringIO(), width=width, color_system=None, legacy_windows=False)
    console.print(terminal_summary(tradeoff, recommendation, report=report))
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _columns(tradeoff: Tradeoff, recommendation: Recommendation) -> tuple[str, ...]:
    from harness.analysis.criteria import merge_constraints

    words = recommendation.objective.split()
    limited = [c.metric for c in merge_constraints((), recommendation.constraints)]
    usual = ["accuracy", "r2", "ndcg@10", "latency_p50_ms", "cost_per_million_usd"]
    wanted = dict.fromkeys([*words[1:2], *limited, *usual])
    return tuple(m for m in wanted if m in tradeoff.metrics)[:5] or tradeoff.metrics[:4]


def ranked(tradeoff: Tradeoff, recommendation: Recommendation) -> list[Row]:
    """The choice, the tied, then by the probability of being best and of meeting the limits."""
    first = [recommendation.choice, *recommendation.tied_with]

    def place(row: Row) -> tuple[float, float, float]:
        front = first.index(row.variant) if row.variant in first else len(first)
        return front, -(row.best_probability or 0.0), -(row.feasible_probability or 0.0)

    return sorted(tradeoff.rows, key=place)


def _table(
    tradeoff: Tradeoff, recommendation: Recommendation, metrics: tuple[str, ...], most_rows: int
) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold", show_edge=False)
    table.add_column("variant", overflow="fold")
    for name in metrics:
        unit = n.unit(name)
        table.add_column(n.label(name) + (f" ({unit})" if unit else ""), justify="right")
    table.add_column("meets limits" if recommendation.constraints else "best", justify="right")
    rows = ranked(tradeoff, recommendation)
    for row in rows[:most_rows]:
        style = "bold" if row.variant == recommendation.choice else ""
        mark = "* " if row.variant == recommendation.choice else "  "
        probability = row.feasible_probability if recommendation.constraints else row.best_probability
        last = n.percent(probability) if probability is not None else "–"
        cells = [_cell(row.estimates.get(name)) for name in metrics]
        table.add_row(Text(mark + row.variant), *cells, Text(last), style=style)
    if len(rows) > most_rows:
        table.add_row(Text(f"  … {len(rows) - most_rows} more in the report"))
    return table


def _cell(estimate: Estimate | None) -> Text:
    from rich.text import Text

    shown = n.estimate(estimate)
    if shown.number is None:
        return Text(shown.value, style="red" if shown.value.startswith("failed") else "dim")
    text = Text(shown.value)
    if shown.interval:
        text.append(f" {shown.interval}", style="dim")
    return text


def _verdict(tradeoff: Tradeoff, recommendation: Recommendation) -> list[str | tuple[str, str]]:
    choice = recommendation.choice or ""
    sure = n.percent(recommendation.probability_best)
    count = n.counted(len(tradeoff.rows), "variant")
    match recommendation.verdict:
        case "recommend":
            return [("Ship ", ""), (choice, "bold green"), f": best of {count} with probability {sure}."]
        case "tie":
            others = [v for v in recommendation.tied_with if v != choice]
            return [
                "A tie between ",
                (choice, "bold"),
                f" and {n.listed(others[:3])}; ship the cheaper, {choice}.",
            ]
        case "none_feasible":
            return [("No variant meets every limit.", "bold yellow")]
        case _:
            return [("Not enough evidence to decide.", "bold yellow")]
