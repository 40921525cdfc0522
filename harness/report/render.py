"""From the records alone to everything that a run folder derives from them."""

from __future__ import annotations

import json
import logging
import traceback
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from importlib import metadata
from pathlib import Path
from typing import cast

from harness.codec import JsonObject
from harness.facts.surroundings import Surroundings
from harness.protocols import Section
from harness.record import HarnessError, Record, content_hash
from harness.report import html, markdown
from harness.report.blocks import capital, section, text
from harness.report.evidence import Evidence
from harness.report.sections import OF_THE_FIRST_PART, ON_PAGE_ONE, SECTIONS, SHORT
from harness.store.runs import RunFolder
from harness.suite.schema import Suite

log = logging.getLogger("harness")

DERIVED = (
    "records.parquet",
    "tradeoffs.csv",
    "tradeoffs.json",
    "recommendation.json",
    "report.html",
    "report.md",
)
PAGES = (".html", ".css", ".js")
"""Templates of the pages, which are no code."""
DRAWING = ("jinja2", "matplotlib")
"""Libraries whose version may change how the report looks."""


WRITTEN = ".written"
"""What the derived files of a run were written from, and what they said: hashes."""


def render(
    run: RunFolder,
    anew: bool = True,
    decided: Callable[[Evidence], object] = lambda evidence: None,
    begun: Callable[[str], object] = lambda page: None,
) -> Evidence:
    """Write every derived file of a run folder: decide, then tables, then the report.

    A run in progress is rendered from what it has, and says so.

    Args:
        anew: also where nothing behind the files changed since a run wrote them, and nobody changed them.
        decided: told what they follow from, before they are written.
        begun: told the page while it has its first sections only: what is printed of it is in them.
    Raises:
        RecordError: the run has no readable suite.yaml.
    """
    from harness.analysis.stamps import sources_of

    sources = sources_of(run)
    evidence = gather(run)
    decided(evidence)
    if anew or _text_of(run) != _written(evidence, sources):
        is_whole = write_report(evidence, begun)
        # A run has its data at hand: elsewhere a page may lack its examples. What could not be written once
        # is tried again.
        if not anew and is_whole:
            run.write_text(WRITTEN, _written(evidence, sources))
        _keep_answers(evidence, sources)
    return evidence


def _text_of(run: RunFolder) -> str:
    try:
        return run.read_text(WRITTEN)
    except FileNotFoundError:
        return ""


def _written(e: Evidence, before: Mapping[str, str]) -> str:
    """Of all that the derived files follow from, and of what they say now."""
    from harness.analysis.stamps import DUELS, content_of

    around = {name: said for name, said in e.environment.items() if name != "load"}
    drawn = [metadata.version(name) for name in DRAWING]
    pages = [
        p.read_text(encoding="utf-8") for p in sorted(Path(__file__).parent.rglob("*.*")) if p.suffix in PAGES
    ]
    known = {**before, DUELS: content_of(e.run, DUELS)}
    derived = [content_of(e.run, name) for name in DERIVED]
    return content_hash([known, sorted(e.planned.items()), around, drawn, pages, derived])


def _keep_answers(e: Evidence, before: Mapping[str, str]) -> None:
    """What `recommend` prints of this run, so that it need not decide again.

    Args:
        before: what the evidence follows from, but for the duels: they were written from it.
    """
    from harness.analysis.answers import AskedAgain, keep_answer
    from harness.analysis.outputs import to_json
    from harness.analysis.stamps import DUELS, content_of
    from harness.report.terminal import recommendation_text

    sources = {**before, DUELS: content_of(e.run, DUELS)}
    keep_answer(e.run, AskedAgain(), sources, recommendation_text(e.recommendation, e.tradeoff))
    keep_answer(e.run, AskedAgain(as_json=True), sources, to_json(e.recommendation))


def gather(run: RunFolder, suite: Suite | None = None) -> Evidence:
    """Read a run folder and decide.

    Args:
        suite: decide under this one instead of the run's own `suite.yaml` (other limits or prices).
    """
    from harness.analysis.duels import keep_verdicts
    from harness.analysis.outputs import stored_evidence, stored_suite
    from harness.analysis.recommend import decided
    from harness.analysis.tradeoff import priced, slices_of

    suite = suite or stored_suite(run)
    once = _ReadOnce(run.url)
    stored = stored_evidence(once, suite, slices_of(suite))
    records = once.records()
    duels = tuple(keep_verdicts(run, records))
    table, recommendation = decided(priced(stored.table, suite, stored.seconds), suite, duels)
    return Evidence(
        run,
        suite,
        tuple(records),
        table,
        recommendation,
        planned=planned_trials(run),
        environment=cast(Surroundings, _json(run, "environment.json")),
        duels=duels,
    )


@dataclass(frozen=True)
class _ReadOnce(RunFolder):
    """A run folder whose records are read from disk once: 10,000 of them take a second or two."""

    @cached_property
    def _all(self) -> list[Record]:
        return super().records()

    def records(self) -> list[Record]:
        return self._all


def write_report(e: Evidence, begun: Callable[[str], object] = lambda page: None) -> bool:
    """tradeoffs.csv, tradeoffs.json, recommendation.json, records.parquet, report.html, report.md.

    Args:
        begun: as for `render`.
    Returns:
        whether every section could be written.
    """
    from harness.analysis import outputs

    run = e.run
    outputs.write_tradeoffs(run, e.tradeoff)
    outputs.write_recommendation(run, e.recommendation)
    outputs.write_records(run, e.records)
    first = sections(e, ON_PAGE_ONE)
    begun(html.page(e, tuple(first.values())))
    others = sections(e, (name for name in SECTIONS if name not in ON_PAGE_ONE))
    made = {name: section for name in SECTIONS if (section := first.get(name) or others.get(name))}
    run.write_text("report.html", html.page(e, tuple(made.values())))
    run.write_text("report.md", markdown.page(e, tuple(made[name] for name in SHORT if name in made)))
    return not any(isinstance(one, Unwritten) for one in made.values())


def sections(e: Evidence, names: Iterable[str] = tuple(SECTIONS)) -> dict[str, Section]:
    """The sections that have something to show, by name, in order."""
    made = ((name, _made(e, name)) for name in names)
    return {name: section for name, section in made if section is not None}


def _made(e: Evidence, name: str) -> Section | None:
    """A section, or where it raises the words that stand in its place: hours of measuring are not lost to a
    mistake in one table."""
    try:
        made = SECTIONS[name](e)
        return made if made is None or name not in OF_THE_FIRST_PART else _of_the_first_part(e, made)
    except Exception as error:  # one section costs itself alone: its place says what went wrong
        log.warning("the report's section %s could not be written", name, exc_info=True)
        return unwritten(name, error)


def _of_the_first_part(e: Evidence, made: Section) -> Section:
    """With the words that its figures are not those of the table, which are means over all parts."""
    parts, split = e.suite.data.parts, e.suite.data.split
    if parts < 2 or split is None:
        return made
    what = "folds" if split.folds else "repeats"
    words = f"Of the first of {parts} {what} alone; the table's figures are means over all of them."
    said = section(made.title, [text(words, kind="note")], made.anchor)
    assert said is not None
    return replace(made, html=said.html + made.html, markdown=f"{said.markdown}\n\n{made.markdown}")


@dataclass(frozen=True)
class Unwritten(Section):
    """What stands in the place of a section that raised."""


def unwritten(name: str, error: Exception) -> Unwritten:
    """The words in the place of a section that raised."""
    place = traceback.extract_tb(error.__traceback__)[-1:]
    where = f" at {Path(place[0].filename).name}:{place[0].lineno}" if place else ""
    said = f"{type(error).__name__}: {error}".rstrip(": ")
    words = (
        f"This section could not be written ({said}{where}). This is a bug in the harness, not in your "
        "data; the other sections do not depend on it, and every figure is in tradeoffs.json."
    )
    made = section(capital(name.replace("_", " ")), [text(words, kind="warning")])
    assert made is not None
    return Unwritten(made.title, made.html, made.markdown, made.anchor)


def planned_trials(run: RunFolder) -> dict[str, str]:
    """Trial id → label of what was planned; empty where no plan was stored."""
    plan = _json(run, "plan.json")
    trials = plan.get("trials")
    if isinstance(trials, Mapping):
        return {
            str(i): str(v.get("label", i)) if isinstance(v, Mapping) else str(v) for i, v in trials.items()
        }
    listed = trials if isinstance(trials, list) else []
    return {
        str(t["id"]): str(t.get("label", t["id"])) for t in listed if isinstance(t, Mapping) and "id" in t
    }


def _json(run: RunFolder, name: str) -> JsonObject:
    try:
        data = json.loads(run.read_text(name))
    except (FileNotFoundError, ValueError):
        return {}
    return data if isinstance(data, dict) else {}


def report_path(run: RunFolder) -> Path:
    """The local path of report.html.

    Raises:
        HarnessError: the run folder is remote.
    """
    if not run.is_local:
        raise HarnessError(
            f"{run.url} is not on this machine: open its report.html there, or copy it here first"
        )
    return Path(run.url.removeprefix("file://")) / "report.html"
