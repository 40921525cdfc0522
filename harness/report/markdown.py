"""The report as Markdown that fits a pull request: verdict, limits, table, what would change it."""

from __future__ import annotations

from harness.protocols import Section
from harness.report.blocks import code_markdown, escape_markdown
from harness.report.evidence import Evidence
from harness.report.html import banner

MOST_CHARACTERS = 60_000
"""GitHub refuses comments beyond 65,536 characters."""


def page(e: Evidence, sections: tuple[Section, ...]) -> str:
    """`report.md`; sections that would burst a comment are named instead."""
    question = e.suite.question or f"Which candidate of {e.suite.name} should ship?"
    parts = [f"## {escape_markdown(question)}"]
    if banner(e):
        parts.append(f"> {escape_markdown(banner(e))}")
    length, left_out = 0, []
    for index, section in enumerate(sections):
        length += len(section.markdown)
        if length > MOST_CHARACTERS:
            left_out.append(section.title)
            continue
        parts.append(
            section.markdown if index == 0 else f"### {escape_markdown(section.title)}\n\n{section.markdown}"
        )
    if left_out:
        parts.append(f"Too long for here: {escape_markdown(', '.join(left_out))}.")
    where = code_markdown(f"{e.run.suite_name}/{e.run.id}")
    parts.append(f"The whole report, with plots and validity: [report.html](report.html) of run {where}.")
    return "\n\n".join(parts) + "\n"
