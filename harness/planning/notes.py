"""What `plan` says before anything runs: how own files were read, and what the decision should know."""

from __future__ import annotations

from harness.analysis.criteria import names_metric
from harness.planning.tuning import watched_note
from harness.suite.schema import CONSTANT, Suite


def plan_notes(suite: Suite) -> tuple[str, ...]:
    from harness.datasets.catalog import notes

    said = notes(suite.data.name, suite.data.args)
    return (*said, *filter(None, [watched_note(suite), constant_note(suite)]))


def constant_note(suite: Suite) -> str:
    """That accuracy decides where one answer is nearly always right; empty where it is not so."""
    from harness.datasets.catalog import class_counts

    decision = suite.decision
    if not any(
        names_metric(t, "accuracy") for t in (decision.objective, decision.value, *decision.constraints)
    ):
        return ""
    counts = class_counts(suite.data.name, suite.data.args)
    total = sum(counts.values())
    common = max(counts, key=lambda name: counts[name], default="")
    if not total or counts[common] < CONSTANT * total:
        return ""
    share = counts[common] / total
    return (
        f"accuracy decides, and always saying {common!r} is right in {share:.1%} of the rows: decide by "
        "pr_auc, f1_macro or balanced_accuracy (`positive` names the class that matters); page one shows "
        "what is found of the rare class"
    )
