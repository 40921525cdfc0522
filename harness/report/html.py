"""The report as one HTML file: no network, no script needed to read it."""

from __future__ import annotations

import base64
import hashlib
from datetime import UTC, datetime
from pathlib import Path

from harness.protocols import Section
from harness.report.blocks import environment
from harness.report.evidence import Evidence
from harness.report.glossary import terms_in

_HERE = Path(__file__).parent


def page(e: Evidence, sections: tuple[Section, ...]) -> str:
    """The whole page. A content security policy keeps it from loading anything and from running any
    script but its own."""
    question = e.suite.question or f"Which candidate of {e.suite.name} should ship?"
    asked = f"{e.suite.task.replace('_', ' ')} on {e.suite.data.name}"
    eyebrow = f"{e.suite.name} · {asked} · run {e.run.id}"
    return whole(e.suite.name, eyebrow, question, sections, banner(e), footer(e))


def whole(
    name: str, eyebrow: str, question: str, sections: tuple[Section, ...], banner: str, footer: str
) -> str:
    """A page of sections under a question."""
    parts = ["table.js", *(["whatif.js", "panel.js"] if any(s.anchor == "what-if" for s in sections) else [])]
    script = "".join((_HERE / part).read_text(encoding="utf-8") for part in parts)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return str(
        environment()
        .get_template("page.html")
        .render(
            title=f"{name}: {question}",
            eyebrow=eyebrow,
            question=question,
            banner=banner,
            sections=sections,
            terms=terms_in(section.html for section in sections),
            css=(_HERE / "style.css").read_text(encoding="utf-8"),
            script=script,
            script_hash=f"sha256-{digest}",
            footer=footer,
        )
    )


def banner(e: Evidence) -> str:
    """Says that the run is going on; empty for a complete one."""
    if not e.in_progress:
        return ""
    done = len(e.planned) - len(e.missing)
    return f"In progress: {done} of {len(e.planned)} trials have a record. This report is written from those."


def footer(e: Evidence) -> str:
    """When the last trial started (not when this was rendered: the same records give the same page)."""
    started = max((r.started for r in e.records if r.started), default="")
    try:
        day = datetime.fromisoformat(started).astimezone(UTC).strftime("%-d %B %Y, %H:%M UTC")
    except ValueError:
        day = ""
    when = f" The last trial started on {day}." if day else ""
    return f"Written by the harness from the records of {e.run.suite_name}/{e.run.id}.{when}"
