"""The measured part of the trade-off table, out of records: no money, no limits, no flags."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from harness import facts
from harness.analysis.beliefs import Beliefs
from harness.analysis.disturbed import disturbed
from harness.analysis.evidence import gather
from harness.analysis.index import index_records
from harness.analysis.loads import Loads
from harness.analysis.popular import doubts_of_log
from harness.analysis.predictions import LoadPredictions, ScoreReader
from harness.analysis.sanity import baseline_of, doubts
from harness.analysis.served import counted_share, service_times
from harness.metrics import MetricTable, metrics_of
from harness.reasons import Reason, is_unrun
from harness.record import Record, Variant
from harness.results import Row, Tradeoff
from harness.suite.schema import Suite
from harness.suite.variants import workers_of

EXPORT_FAULT = 1e-3
"""Probabilities of a model in single precision that differ from its source's by more are another model's."""


def measured_table(
    records: Sequence[Record],
    suite: Suite,
    predictions: LoadPredictions | None = None,
    slices: Sequence[str] = (),
    loads: Loads | None = None,
) -> Tradeoff:
    """The measured part of the table: no money, no limits, no flags (`complete` adds them).

    Args:
        loads: of all launches of a variant, `Loads(run)`; without them the load of several launches is the
            mean of their answers.
    """
    index = index_records(records, suite)
    known = metrics_of(suite)
    names = [*_scored_metrics(records, known), *slices]
    reader = ScoreReader(predictions, names, known, index.class_names) if predictions else None
    beliefs = gather(index, suite, reader, slices, loads)
    beliefs.warnings.extend(_unrun(beliefs))
    beliefs.warnings.extend(_seed_warnings(beliefs, index.score))
    beliefs.warnings.extend(_export_faults(beliefs, index.score))
    beliefs.warnings.extend(_ways_mixed(beliefs, index.score))
    beliefs.warnings.extend(disturbed(record for group in index.serve.values() for record in group))
    baseline = baseline_of(index)
    beliefs.warnings.extend(doubts(baseline))
    beliefs.warnings[:0] = doubts_of_log(index)  # first: what the data leaves out comes before the noise
    sessions = tuple(session.said for session in index.sessions)
    table = _bare_table(beliefs, index.serve, loads)
    if loads:
        loads.keep()
    return replace(table, baseline=baseline, sessions=sessions)


def _scored_metrics(records: Sequence[Record], known: MetricTable) -> list[str]:
    names = {m.metric: None for r in records if r.trial.kind == "score" for m in r.measurements if not m.at}
    return [n for n in names if n in known]


def _unrun(beliefs: Beliefs) -> list[str]:
    """Variants that trials were missing of for want of time: they were not beaten."""
    found: dict[str, list[str]] = {}
    for k, row in enumerate(beliefs.rows):
        unrun = beliefs.failures[row]
        if not unrun or not all(map(is_unrun, unrun)):
            continue  # what follows from a failure is none of time
        if any(cells[k].value is None for cells in beliefs.estimates.values()):
            why = unrun[0].partition(Reason.NOT_RUN)[2].removeprefix(": ")
            found.setdefault(why, []).append(row.name)
    return [
        f"not run to the end ({why}): {', '.join(names)}; what was not measured was not compared and may be "
        "better, and the same `run` once more measures what is missing"
        for why, names in found.items()
    ]


def _seed_warnings(beliefs: Beliefs, score: Mapping[tuple[Variant, int | None], list[Record]]) -> list[str]:
    seeds = {
        row: len({r.trial.seed for r in score.get((row, beliefs.train_size), []) if r.status == "finished"})
        for row in beliefs.rows
    }
    folded = any(r.trial.part for group in score.values() for r in group)
    single = [] if folded else [row for row, n in seeds.items() if n == 1]
    if not single:
        return []
    several = {row.candidate for row, n in seeds.items() if n > 1}
    if not several and {row.candidate for row in single} == {row.candidate for row in beliefs.rows}:
        return ["one seed: every statement on quality is about these checkpoints, not the architectures"]
    names = sorted({row.name if row.candidate in several else row.candidate for row in single})
    whose = "it is about that checkpoint" if len(names) == 1 else "them is about these checkpoints"
    return [f"one seed of {', '.join(names)}: what is said of {whose} only"]


def _export_faults(beliefs: Beliefs, score: Mapping[tuple[Variant, int | None], list[Record]]) -> list[str]:
    """Variants in single precision whose probabilities are not those of the model that they are made from."""
    found = []
    for row in beliefs.rows:
        worst, name = 0.0, ""
        for record in score.get((row, beliefs.train_size), []):
            told = record.facts_as(facts.ScoreFacts)
            parity, made = told.parity, told.prepared or {}
            if made.get("precision") == "fp32" and parity and parity.agreement is not None:
                worst, name = max((worst, name), (parity.max_abs_difference or 0.0, parity.reference))
        if worst > EXPORT_FAULT:
            found.append(
                f"{row.name}: its probabilities differ by up to {worst:.2g} from those of {name}, which "
                "single precision does not explain: a fault of the export, not of the candidate"
            )
    return found


def _ways_mixed(beliefs: Beliefs, score: Mapping[tuple[Variant, int | None], list[Record]]) -> list[str]:
    """Variants whose seeds were quantised in different ways: their figures are those of several artifacts."""
    found = []
    for row in beliefs.rows:
        made = [r.facts_as(facts.ScoreFacts).prepared or {} for r in score.get((row, beliefs.train_size), [])]
        ways = Counter(way for one in made if isinstance(way := one.get("quantised"), str))
        if len(ways) > 1:
            counts = ", ".join(f"{way} for {count}" for way, count in ways.most_common())
            found.append(
                f"{row.name}: its trainings were not quantised in the same way ({counts}), so its interval "
                "also holds the difference between these ways"
            )
    return found


def _bare_table(beliefs: Beliefs, serve: Mapping[Variant, list[Record]], loads: Loads | None) -> Tradeoff:
    """The measured part: no money, no flags."""
    rows = tuple(
        Row(
            row.name,
            row.candidate,
            row.runtime,
            {name: cells[k] for name, cells in beliefs.estimates.items()},
            failures=beliefs.failures[row],
            training_failure=beliefs.training_failures.get(row, ""),
            service=service_times(serve.get(row, []), workers_of(row.runtime)),
            counted_share=counted_share(serve.get(row, []), loads.of(serve.get(row, [])) if loads else None),
        )
        for k, row in enumerate(beliefs.rows)
    )
    return Tradeoff(
        rows,
        tuple(beliefs.estimates),
        beliefs.draws,
        beliefs.train_size,
        tuple(beliefs.warnings),
        spreads=beliefs.spreads,
        machine_class=beliefs.machine_class,
    )
