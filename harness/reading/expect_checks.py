"""Figures to agree with: of candidates that there are, in metrics that this suite measures."""

from __future__ import annotations

from harness.names import hint
from harness.reading.decision_checks import check_metric
from harness.reading.draft import Draft


def check_expect(draft: Draft) -> None:
    """Everything under `expect`."""
    candidates = draft.items("candidates")
    for candidate in draft.items("expect"):
        path = ("expect", candidate)
        if candidate not in candidates:
            text = f"there is no candidate `{candidate}`: {hint(candidate, candidates)}"
            draft.wrong(path, text, draft.key_place(*path))
        for metric in draft.items(*path):
            check_metric(draft, (*path, metric), metric, draft.key_place(*path, metric))
