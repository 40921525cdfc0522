"""A quality metric as the score trials of each row have it, before anything is drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from harness import facts
from harness.analysis.beliefs import missing
from harness.analysis.example_draws import Behind
from harness.analysis.folds import behind_folds, behind_parts
from harness.analysis.index import RecordIndex
from harness.analysis.launches import headline
from harness.analysis.predictions import Scores
from harness.analysis.stats import Array
from harness.reasons import of_failure
from harness.record import Record
from harness.results import Estimate
from harness.suite.schema import Suite


@dataclass
class ScoredRows:
    """A quality metric as it was scored: row → what its runs say.

    Args:
        tables: (units, examples) each, seeds or folds by examples; one column where no examples are known.
        cells: the means, or why there is none. seeds: which units rows share.
        notes: why no interval is estimable. behind: the examples that the draws stand for.
        folded: records and values, where the data are split into folds. blocks: fold → scores.
    """

    tables: dict[int, Array] = field(default_factory=dict)
    cells: dict[int, Estimate] = field(default_factory=dict)
    seeds: dict[int, tuple[object, ...]] = field(default_factory=dict)
    notes: dict[int, str] = field(default_factory=dict)
    behind: dict[int, Behind] = field(default_factory=dict)
    folded: dict[int, list[tuple[Record, float]]] = field(default_factory=dict)
    blocks: dict[int, dict[int, Scores]] = field(default_factory=dict)


def scored_rows(
    index: RecordIndex, name: str, scores: Mapping[str, Mapping[str, Scores]], suite: Suite
) -> ScoredRows:
    """What the score trials of each row say of a metric."""
    told = ScoredRows()
    for k, row in enumerate(index.rows):
        group = index.score.get((row, index.train_size), [])
        found = [(r, _quality_value(r, name, scores)) for r in group if r.status == "finished"]
        found = [(r, v) for r, v in found if v is not None]
        if not found:
            notes = [m.note for r in group if (m := headline(r, name))]
            if "[" in name and not any(m for m in notes):
                notes = ["not estimable (no such examples)"] if scores else []
            told.cells[k] = missing([index.train.get((row.candidate, index.train_size), []), group], notes)
            continue
        told.seeds[k] = (row.candidate, *dict.fromkeys(r.trial.seed for r, _ in found))
        per_seed = [scores.get(r.trial.id, {}).get(name) for r, _ in found]
        values = np.array([v for _, v in found], dtype=float)
        values += [s.shift if s else 0.0 for s in per_seed]
        # Of folds each may be one group: what they leave open is told by all of them.
        notes = [s.note for s in per_seed if s and not (suite.data.parts > 1 and s.units == 1)]
        told.notes[k] = lacking(notes, _unit(group))
        told.tables[k] = values[:, None]
        if suite.data.parts > 1:
            told.folded[k] = [(r, v) for (r, _), v in zip(found, values.tolist(), strict=True)]
            parts = {r.trial.part: s for (r, _), s in zip(found, per_seed, strict=True) if s is not None}
            told.behind[k] = behind_folds(list(parts.values()), suite.data.split)
            told.blocks[k] = parts
        elif all(s is not None for s in per_seed):
            table = np.stack([s.values for s in per_seed if s is not None])
            known = [s for s in per_seed if s is not None]
            told.behind[k] = behind_parts(known)
            told.tables[k] = table + (values - table.mean(1))[:, None]
        said = "; ".join(filter(None, [_lost_seeds(group, len(values)), inherited_note(group)]))
        told.cells[k] = Estimate(float(values.mean()), n=len(values), note=said)
    return told


def _quality_value(record: Record, name: str, scores: Mapping[str, Mapping[str, Scores]]) -> float | None:
    measured = headline(record, name)
    if measured is not None:
        return measured.value
    computed = scores.get(record.trial.id, {}).get(name)
    return float(computed.values.mean()) if computed is not None else None


def inherited_note(group: Sequence[Record]) -> str:
    """Whose figures stand for a variant's own, and how far its answers are from those at most; empty where it
    was scored itself."""
    scored = [r.facts_as(facts.ScoreFacts) for r in group if r.status == "finished"]
    found = [said.inherited for said in scored if said.inherited is not None]
    return max(found, key=lambda one: one.max_abs_difference).text if found else ""


def lacking(notes: Sequence[str], unit: str) -> str:
    """Why a mean of several trials has no interval, and of how many of them that is so."""
    said = [note for note in notes if note]
    if len(said) in (0, len(notes)):
        return next(iter(said), "")
    return said[0].replace("(", f"({len(said)} of {len(notes)} {unit}: ", 1)


def _unit(group: Sequence[Record]) -> str:
    return "folds or repeats" if any(r.trial.part for r in group) else "seeds"


def _lost_seeds(group: Sequence[Record], used: int) -> str:
    failed = [r for r in group if r.status == "failed"]
    if not failed:
        return ""
    reason = failed[0].failure.reason if failed[0].failure else "failed"
    return f"{used} of {used + len(failed)} {_unit(group)} ({of_failure(reason)})"
