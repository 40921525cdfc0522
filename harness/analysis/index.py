"""Records → the cells of the trade-off table that they belong to."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from harness.analysis.batch_sizes import at_one_batch_size
from harness.analysis.sessions import ServingSession, sessions_of
from harness.facts import ScoreFacts
from harness.record import Record, Variant
from harness.runtimes.offered import runtimes_of
from harness.suite.schema import Suite
from harness.suite.variants import deployments, scored_as


@dataclass(frozen=True)
class RecordIndex:
    """Records by what the table asks for."""

    train: Mapping[tuple[str, int | None], list[Record]]
    score: Mapping[tuple[Variant, int | None], list[Record]]
    serve: Mapping[Variant, list[Record]]
    rows: tuple[Variant, ...]
    train_size: int | None
    machine_class: str
    warnings: tuple[str, ...]

    @cached_property
    def sessions(self) -> tuple[ServingSession, ...]:
        """The stretches of time in which the variants were served."""
        return sessions_of(self.serve)

    @cached_property
    def class_names(self) -> tuple[str, ...]:
        """The classes by number; empty where nothing scored tells them."""
        scored = (r.facts_as(ScoreFacts).class_names for group in self.score.values() for r in group)
        return next((tuple(names) for names in scored if names), ())


def expected_variants(suite: Suite) -> list[Variant]:
    """The variants a suite asks for: `sklearn:` runs on `sklearn` where the suite says `torch`, `onnx:`
    only on ONNX runtimes."""
    variants = []
    for name, candidate in suite.candidates.items():
        for scored in runtimes_of(candidate.ref, suite.serving.runtimes, suite.task, candidate.args):
            cores = suite.machine.cores or 1
            variants += [Variant(name, d.name) for d in deployments(suite.serving, scored, cores)]
    return list(dict.fromkeys(variants))


def index_records(records: Iterable[Record], suite: Suite) -> RecordIndex:
    """Sort records into the table's cells; serve records of one machine class only."""
    train: dict[tuple[str, int | None], list[Record]] = defaultdict(list)
    score: dict[tuple[Variant, int | None], list[Record]] = defaultdict(list)
    serve: dict[Variant, list[Record]] = defaultdict(list)
    seen: dict[Variant, None] = {}
    for record in sorted(records, key=_order):
        trial, variant = record.trial, record.trial.variant
        if variant is not None:
            seen[variant] = None
        if trial.tuning is not None or trial.is_aside:
            continue  # a search's trials and duels are no results of a variant
        if trial.kind == "train":
            train[trial.candidate, trial.train_size].append(record)
        elif trial.kind == "score" and variant is not None:
            score[variant, trial.train_size].append(record)
        elif variant is not None:
            serve[variant].append(record)
    chosen, warnings = _one_machine_class(serve, suite)
    serve.update({variant: at_one_batch_size(group) for variant, group in serve.items()})
    if suite.serving.workers is not None or "http" in suite.serving.over:
        _quality_of_deployments(suite, seen, score, serve)
    names = list(suite.candidates)
    expected = [v for v in expected_variants(suite) if v.runtime or v in seen]
    rows = list(dict.fromkeys([*(v for v in expected if _belongs(v, expected, seen)), *seen]))
    rows.sort(key=lambda v: names.index(v.candidate) if v.candidate in names else len(names))
    sizes = [size for _, size in score] + [size for _, size in train]
    largest = max((s for s in sizes if s is not None), default=None)
    return RecordIndex(train, score, serve, tuple(rows), largest, chosen, tuple(warnings))


def _quality_of_deployments(
    suite: Suite,
    seen: dict[Variant, None],
    score: dict[tuple[Variant, int | None], list[Record]],
    serve: Mapping[Variant, list[Record]],
) -> None:
    """Quality does not depend on workers: what was scored as `onnx` is that of `onnx@1x1` and `onnx@http`."""
    served = dict.fromkeys([*(v for v in seen if v in serve), *expected_variants(suite)])
    for variant in served:
        scored = Variant(variant.candidate, scored_as(variant.runtime, suite.serving.threads))
        if scored == variant:
            continue
        if scored not in served:
            seen.pop(scored, None)
        seen[variant] = None
        score.update({(variant, size): records for (of, size), records in score.items() if of == scored})


def _belongs(variant: Variant, expected: Sequence[Variant], seen: Mapping[Variant, None]) -> bool:
    """An expected variant is a row unless the plan evidently named its runtime otherwise."""
    others = {v.runtime for v in seen if v.candidate == variant.candidate}
    return variant in seen or others <= {v.runtime for v in expected if v.candidate == variant.candidate}


def _order(record: Record) -> tuple[object, ...]:
    trial = record.trial
    return (trial.kind, trial.candidate, trial.runtime or "", trial.seed or 0, trial.round or 0, trial.id)


def _one_machine_class(serve: dict[Variant, list[Record]], suite: Suite) -> tuple[str, list[str]]:
    """Keep the suite's machine class, else the one with most records; drop the rest in place.

    A trial that never started was on no machine: it stays, for its reason.
    """
    counts = Counter(machine_class(r) for records in serve.values() for r in records if not _not_run(r))
    if len(counts) <= 1:
        return next(iter(counts), ""), []
    wanted = suite.machine.machine_class
    keep = wanted if wanted and wanted in counts else counts.most_common(1)[0][0]
    for variant, records in serve.items():
        serve[variant] = [r for r in records if machine_class(r) == keep or _not_run(r)]
    dropped = sum(n for name, n in counts.items() if name != keep)
    return keep, [
        f"serving was measured on {len(counts)} machine classes; only {keep} is compared,"
        f" {dropped} of {counts.total()} serve records are left out"
    ]


def _not_run(record: Record) -> bool:
    return record.status == "failed" and not machine_class(record)


def machine_class(record: Record) -> str:
    """The class of machine that a record was measured on; empty where it is not known."""
    machine = record.environment.get("machine") or {}
    return str(machine.get("class", "")) if isinstance(machine, Mapping) else ""
