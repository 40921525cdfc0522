"""Is a data set fit to compare models on: leakage, duplicates, imbalance, doubtful labels, drift.

Cheap models on a sample, figures in every sentence. A finding is a hint where to look, with the rows
to look at; nothing is removed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from harness.codec import Json, JsonObject
from harness.datasets.audit.columns import giveaway_columns, row_numbers
from harness.datasets.audit.drift import drift
from harness.datasets.audit.finding import AuditedData, Finding, Name
from harness.datasets.audit.formulas import formulas
from harness.datasets.audit.gaps import gaps
from harness.datasets.audit.labels import classes, doubtful_labels
from harness.datasets.audit.logs import log_findings
from harness.datasets.audit.marks import marks
from harness.datasets.audit.overlap import equal_rows, groups, near_rows
from harness.datasets.catalog import dataset_module, load_dataset, task_info
from harness.datasets.encoding import How, as_numbers
from harness.kinds import kind_of
from harness.protocols import Dataset, Progress
from harness.record import DataError
from harness.suite.encodings import MOST_ONE_HOT

__all__ = ["CHECKS", "Finding", "audit", "describe_findings", "log_findings"]

LARGEST = 1e15
"""Larger numbers, such as fill rasters, are taken as this: sums of their squares do not fit into 32 bits."""
CHECKS: tuple[Callable[[AuditedData], Iterator[Finding]], ...] = (
    classes,
    equal_rows,
    near_rows,
    groups,
    doubtful_labels,
    drift,
    gaps,
    giveaway_columns,
    row_numbers,
    formulas,
    marks,
)


def audit(
    name: str, args: JsonObject | None = None, *, limit: int = 5000, seed: int = 0,
    progress: Progress | None = None,
) -> list[Finding]:  # fmt: skip
    """Look a data set over.

    Args:
        limit: rows of each part that the cheap models and the search for near duplicates see,
            a stratified sample; exact duplicates and counts are of all rows.
        seed: of the sample.
    Raises:
        DataError: the data set cannot be had, or is a log of interactions, which has no labels.
    """
    if task_info(name, args).name == "recommendation":
        raise DataError(f"{name} is a log of interactions: `log_findings` is for these")
    if kind_of(task_info(name, args).name).targets == "labels":
        raise DataError(
            f"{name} has several labels an example, the audit looks at one: leave `label_separator` out and "
            "give a column with one class a row"
        )
    subject = _subject(name, dict(args or {}), limit, seed)
    findings: list[Finding] = []
    for check in CHECKS:
        if progress:
            progress({"message": check.__name__.replace("_", " ")})
        findings += check(subject)
    return findings


def _subject(name: str, args: JsonObject, limit: int, seed: int) -> AuditedData:
    module = dataset_module(name)
    table = module.as_it_stands(**args) if hasattr(module, "as_it_stands") else None
    apart = {str(args[key]).strip() for key in ("target", "group") if args.get(key)}
    if table is not None and not args.get("features"):  # also the numbers of the rows, which are left out
        others = apart | set(sliced if isinstance(sliced := args.get("columns"), list) else [])
        features: list[Json] = [column for column in table.columns if column not in others]
        args = {**args, "features": features}
    plain = load_dataset(name, args)
    dataset, made = as_numbers(plain, How("one_hot", most_one_hot=MOST_ONE_HOT))
    if made:
        train, test = (
            replace(part, inputs=np.clip(part.inputs, -LARGEST, LARGEST))
            for part in (dataset.train, dataset.test)
        )
        dataset = replace(dataset, train=train, test=test)
    return AuditedData(plain, dataset, _columns(made, dataset), table, frozenset(apart), limit, seed)


def _columns(made: Sequence[str], dataset: Dataset) -> dict[Name, list[int]]:
    if not dataset.task.name.startswith("tabular"):
        return {}
    places: dict[Name, list[int]] = {}
    for place in range(dataset.train.inputs.shape[1]):
        places.setdefault(made[place] if made else place, []).append(place)
    return places


def describe_findings(findings: Sequence[Finding]) -> str:
    """Findings as text, the warnings first."""
    lines = []
    for level in ("warning", "note", "good"):
        for finding in findings:
            if finding.level == level:
                rows = f" (rows {', '.join(map(str, finding.rows[:10]))})" if finding.rows else ""
                lines.append(f"{level:8} {finding.check}: {finding.message}{rows}")
    return "\n".join(lines)
