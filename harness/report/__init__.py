"""Reports: from the records of a run to a page that a manager can sign and an engineer can check.

Evidence        what a section may look at
render.render   run folder → every derived file in it (a module of the name cannot be a lazy name too)
gather          run folder → Evidence (decides, writes nothing)
write_report    Evidence → the derived files
SECTIONS        the sections, in order
terminal_summary, summary_text   the end of `run` and `recommend`
print_pdf       report.html → PDF through a browser
track           the same in W&B and MLflow
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.report.evidence import Evidence
    from harness.report.pdf import print_pdf
    from harness.report.render import gather, write_report
    from harness.report.sections import SECTIONS
    from harness.report.terminal import summary_text, terminal_summary

__all__ = [
    "SECTIONS",
    "Evidence",
    "gather",
    "print_pdf",
    "summary_text",
    "terminal_summary",
    "write_report",
]

_HOMES = {
    "Evidence": "evidence",
    "print_pdf": "pdf",
    "gather": "render",
    "write_report": "render",
    "SECTIONS": "sections",
    "summary_text": "terminal",
    "terminal_summary": "terminal",
}


def __getattr__(name: str) -> object:
    """Imported on use: the end of `recommend` needs no section of a page.

    No name here may be a module's too: once that is imported, it is what the name gives.
    """
    if name in _HOMES:
        return getattr(importlib.import_module(f"harness.report.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
