"""Figures to agree with: of candidates that there are, in metrics that this suite measures."""

from __future__ import annotations

from harness.metrics.ends import beyond, too_far
from harness.names import hint
from harness.reading.decision_checks import check_metric, entry_of
from harness.reading.draft import Draft, Path_


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
            _check_figure(draft, (*path, metric), metric)


def _check_figure(draft: Draft, path: Path_, metric: str) -> None:
    """A figure that the metric can have, and not all of them agree with."""
    entry = entry_of(draft, metric)
    value, within = (draft.get(float, *path, key) for key in ("value", "within"))
    if entry is not None and value is not None and (said := beyond(value, entry)):
        draft.wrong((*path, "value"), said)
    if entry is not None and within is not None and (said := too_far(within, entry)):
        draft.wrong((*path, "within"), said)
