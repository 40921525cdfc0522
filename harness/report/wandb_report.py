"""The W&B Report as a specification: the verdict's card, the table, Pareto scatter, load and training curves.

Whatever W&B can draw itself is a panel over the logged runs, which its users can filter, zoom and regroup.
"""

from __future__ import annotations

import importlib
import json
from typing import Protocol

from harness.report.blocks import Block, Strong, Tiles, markdown, text
from harness.report.evidence import Evidence
from harness.report.sections import SECTIONS
from harness.report.sections.answer import answers
from harness.report.sections.load import load_curve
from harness.report.sections.verdict import confidence, headline, tiles
from harness.report.track import LOAD, axes

# Its types are not exported for checkers.
wr = importlib.import_module("wandb_workspaces.reports.v2")


class _Specification(Protocol):
    def model_dump_json(self, *, by_alias: bool, exclude_none: bool) -> str: ...


class _Model(Protocol):
    spec: _Specification


class SavedReport(Protocol):
    """What is used of a `wandb_workspaces.reports.v2.Report`."""

    entity: str
    url: str

    def save(self) -> object: ...

    def _to_model(self) -> _Model: ...


SHOWN = {
    "verdict": "Verdict",
    "requirements": "Requirements",
    "tradeoff": "Trade-offs",
    "flips": "What would change it",
}


def build(e: Evidence, project: str, entity: str, group: str) -> SavedReport:
    """The Report, not saved anywhere; building it needs no server.

    Args:
        group: of the W&B runs, `<suite>/<run id>`.
    """
    blocks: list[object] = [wr.H2(text="At a glance"), _card(e, group)]
    for name, title in SHOWN.items():
        made = SECTIONS[name](e)
        if made is not None:
            blocks += [wr.H2(text=title), wr.MarkdownBlock(text=made.markdown)]
    blocks += [
        wr.H2(text="Quality against speed"),
        _pareto(e, group),
        *_load(e, group),
        wr.H2(text="Training"),
        _training(group),
    ]
    question = e.suite.question or f"Which candidate of {e.suite.name} should ship?"
    report: SavedReport = wr.Report(
        project=project,
        entity=entity,
        title=question[:128],
        description=f"Run {group}",
        blocks=blocks,
        width="fluid",
    )
    return report


def specification(report: SavedReport) -> str:
    """What `save` would send to the server, as JSON; random ids are numbered, so that it is stable."""
    text = report._to_model().spec.model_dump_json(by_alias=True, exclude_none=True)
    return json.dumps(_numbered(json.loads(text), {}), indent=1, sort_keys=True) + "\n"


def publish(report: SavedReport) -> str:
    """Save the Report on the W&B server; its address.

    Raises:
        wandb.errors.Error: the server refused, or cannot be reached.
    """
    if not report.entity:
        report.entity = importlib.import_module("wandb").Api().default_entity
    report.save()
    return str(report.url)


def _numbered(value: object, seen: dict[str, str]) -> object:
    if isinstance(value, list):
        return [_numbered(v, seen) for v in value]
    if isinstance(value, dict):
        return {
            k: _name(v, seen) if k in ("id", "__id__", "viewId") else _numbered(v, seen)
            for k, v in value.items()
        }
    return value


def _name(value: object, seen: dict[str, str]) -> object:
    if not isinstance(value, str) or not value:
        return value
    return seen.setdefault(value, f"id-{len(seen) + 1}")


def _pareto(e: Evidence, group: str) -> object:
    x, y = axes(e)
    panels = [wr.ScatterPlot(title=f"{y} against {x}", x=wr.SummaryMetric(x), y=wr.SummaryMetric(y))]
    if "cost_per_million_usd" in e.tradeoff.metrics:
        cost = wr.SummaryMetric("cost_per_million_usd")
        panels.append(wr.ScatterPlot(title=f"{y} against cost", x=cost, y=wr.SummaryMetric(y)))
    return wr.PanelGrid(runsets=[_runs("variants", group, "variant")], panels=panels)


def _card(e: Evidence, group: str) -> object:
    """The verdict as a card, and how probably each variant is the best."""
    said: list[Block] = [text(Strong(answer)) for answer in answers(e)[:1]]
    said += [text(*headline(e)), text(*confidence(e))]
    if e.chosen:
        said.append(Tiles(tuple(tiles(e, e.chosen))))
    card = wr.MarkdownPanel(markdown=markdown(said), layout=wr.Layout(0, 0, 12, 8))
    best = wr.BarPlot(
        title="Probability of being the best",
        metrics=["best_probability"],
        orientation="h",
        range_x=(0, 1),
        layout=wr.Layout(12, 0, 12, 8),
    )
    return wr.PanelGrid(runsets=[_runs("variants", group, "variant")], panels=[card, best])


def _load(e: Evidence, group: str) -> list[object]:
    """Latency and answered requests against the offered load; nothing where no load was offered."""
    if not any(load_curve(e, row) for row in e.rows):
        return []
    offered, p99, answered = LOAD
    panels = [
        wr.LinePlot(
            title="p99 latency against offered load",
            x=offered,
            y=[p99],
            log_y=True,
            title_x="requests per second",
            title_y="ms",
        ),
        wr.LinePlot(
            title="Share of requests answered",
            x=offered,
            y=[answered],
            title_x="requests per second",
            title_y="share",
        ),
    ]
    grid = wr.PanelGrid(runsets=[_runs("variants", group, "variant")], panels=panels)
    return [wr.H2(text="Under load"), grid]


def _training(group: str) -> object:
    panels = [
        wr.LinePlot(title="Validation score", x="epoch", y=["validation_score"]),
        wr.LinePlot(title="Training loss", x="epoch", y=["train_loss"]),
    ]
    return wr.PanelGrid(runsets=[_runs("training", group, "train")], panels=panels)


def _runs(name: str, group: str, kind: str) -> object:
    return wr.Runset(name=name, filters=f"Group == '{group}' and JobType == '{kind}'")
