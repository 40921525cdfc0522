"""What `plan` says before anything runs: how own files were read, and what the decision should know."""

from __future__ import annotations

from pathlib import Path

from harness.analysis.criteria import decides
from harness.planning.tails import tail_note
from harness.planning.tuning import watched_note
from harness.suite.schema import CONSTANT, Suite


def plan_notes(suite: Suite) -> tuple[str, ...]:
    """What `plan` says of the data and of what decides, a sentence each."""
    from harness.datasets.catalog import notes

    said = notes(suite.data.name, suite.data.args)
    own = [watched_note(suite), constant_note(suite), silence_note(suite), tail_note(suite)]
    return (*said, *filter(None, own))


def silence_note(suite: Suite) -> str:
    """That a file of request times has hours without any; empty where it has none.

    Nobody but the user knows a quiet night from a log that was off.
    """
    traffic = suite.decision.traffic
    quiet = [rate == 0 for rate in traffic.curve or ()] if traffic.trace else []
    if not any(quiet):
        return ""
    longest = max(len(run) for run in "".join("q" if q else " " for q in quiet).split())
    row = f", up to {longest} in a row" if longest > 1 else ""
    hours = f"{sum(quiet)} of {len(quiet)} hours of {Path(traffic.trace or '').name}{row}"
    return (
        f"no request came in {hours}: they"
        " count as hours without traffic; where the log was off, leave that day out of the file"
    )


def constant_note(suite: Suite) -> str:
    """That accuracy decides where one answer is nearly always right; empty where it is not so."""
    from harness.datasets.catalog import class_counts

    if not decides(suite, "accuracy"):
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
