"""A regression gate between two runs: paired where the same examples were scored, speed only on one
class of machine.

A worsening counts when it is significant beyond the margin: one-sided at 0.05, Holm's correction over the
quality tests and over the serving tests. One seed on a side: the claim is about those checkpoints.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from harness.analysis.changes import ROUNDING, Change, Comparison, Scale, Tests, Verdict
from harness.analysis.criteria import HARNESS_METRICS
from harness.analysis.drift import drift_note, same_trials
from harness.analysis.example_draws import paired_examples
from harness.analysis.folds import behind_parts, by_seed_and_part, corrected_difference, test_to_train
from harness.analysis.index import RecordIndex, index_records
from harness.analysis.loads import Loads
from harness.analysis.outputs import stored_suite
from harness.analysis.predictions import NotComparableError, ScoreReader, Scores, predictions_of
from harness.analysis.stats import Array, Interval, two_way_difference, welch_difference
from harness.metrics import CAPACITY, METRICS, MetricTable, metrics_of
from harness.metrics.ends import no_margin
from harness.protocols import Metric
from harness.reasons import of_failure
from harness.record import Record, RecordError, SuiteError, Variant
from harness.store.run_folder import RunFolder
from harness.suite.schema import Suite


def compare_runs(run_a: RunFolder, run_b: RunFolder, margin: float = 0.0) -> Comparison:
    """Judge run B against the baseline A, variant by variant and metric by metric.

    Args:
        margin: a worsening up to this much does not matter: a difference for metrics that are
            fractions, a share for all others.
    Raises:
        RecordError: the runs have no variant or no figure in common, or a suite cannot be read.
        SuiteError: the margin is no share.
    """
    if said := no_margin(margin):
        raise SuiteError(said)
    suite_a, suite_b = stored_suite(run_a), stored_suite(run_b)
    index_a, index_b = index_records(run_a.records(), suite_a), index_records(run_b.records(), suite_b)
    variants = [v for v in index_a.rows if v in index_b.rows]
    if not variants:
        raise RecordError(
            f"{run_a.id} and {run_b.id} have no variant in common: compare two runs of one suite"
        )
    notes = [f"only in {run_a.id}: {v.name}" for v in index_a.rows if v not in index_b.rows]
    size, size_note = _common_size(index_a, index_b)
    quality, serving, exact = Tests(), Tests(), list[Change]()
    sides = _Side(run_a, suite_a, index_a, size), _Side(run_b, suite_b, index_b, size)
    speed_note = _speed_note(index_a, index_b)
    for variant in variants:
        exact += _quality_changes(variant, *sides, quality)
        exact += _exact_changes(variant, *sides, margin)
        if not speed_note:
            exact += _serving_changes(variant, *sides, serving)
    notes += [n for n in (size_note, speed_note or drift_note(variants, index_a, index_b)) if n]
    if not (quality.found or serving.found):
        # A baseline that was interrupted, say: that nothing is worse would be no news.
        notes.append("quality and speed were not compared: no figure of either is in both runs")
    changes = [*quality.decide(margin), *serving.decide(margin), *exact]
    if not changes:
        raise RecordError(f"{run_a.id} and {run_b.id} have no measured figure in common: finish both runs")
    return Comparison(run_a.id, run_b.id, margin, tuple(changes), tuple(notes))


@dataclass(frozen=True)
class _Side:
    run: RunFolder
    suite: Suite
    index: RecordIndex
    size: int | None

    def redefines(self, other: _Side, name: str) -> bool:
        """Whether the two suites mean different things by a metric's name."""
        here, there = metrics_of(self.suite), metrics_of(other.suite)
        return name in there and (here[name].unit, here[name].better) != (
            there[name].unit,
            there[name].better,
        )

    def scored(self, variant: Variant) -> list[Record]:
        return [r for r in self.index.score.get((variant, self.size), []) if r.status == "finished"]

    def failure(self, variant: Variant) -> str:
        groups = (
            self.index.train.get((variant.candidate, self.size), []),
            self.index.score.get((variant, self.size), []),
        )
        failed = [r for g in groups for r in g if r.status == "failed" and r.failure]
        return of_failure(failed[0].failure.reason) if failed and failed[0].failure else ""


def _common_size(a: RecordIndex, b: RecordIndex) -> tuple[int | None, str]:
    """The largest training-set size that both runs scored."""
    sizes = {s for _, s in a.score} & {s for _, s in b.score}
    if a.train_size == b.train_size or not sizes:
        return a.train_size, ""
    size = max((s for s in sizes if s is not None), default=None)
    return size, f"compared at {size} training examples, the largest size of both"


def _speed_note(a: RecordIndex, b: RecordIndex) -> str:
    if a.machine_class == b.machine_class or not a.serve or not b.serve:
        return ""
    return (
        f"speed is not compared: the baseline was served on machine class {a.machine_class or 'unknown'},"
        f" the other on {b.machine_class or 'unknown'}; run both on one machine"
    )


def _names(records: Sequence[Record], known: MetricTable = HARNESS_METRICS) -> list[str]:
    found = {m.metric: None for r in records for m in r.measurements if not m.at and m.value is not None}
    return [n for n in found if n in known]


def _quality_changes(variant: Variant, a: _Side, b: _Side, tests: Tests) -> list[Change]:
    """Adds comparable metrics to the family; returns those that cannot be tested."""
    records_a, records_b = a.scored(variant), b.scored(variant)
    known = metrics_of(a.suite)
    names = [n for n in _names(records_a, known) if known[n].about != "size"]
    if not records_b:
        failure = b.failure(variant)
        verdict: Verdict = "worse" if failure else "not comparable"
        lost = [_lost(variant, known[name], records_a, records_b) for name in names[:1]]
        return [replace(change, verdict=verdict, note=failure or change.note) for change in lost]
    same = {r.trial.id for r in records_a} == {r.trial.id for r in records_b}
    lost = [_redefined(variant, known[name], records_a, records_b) for name in names if a.redefines(b, name)]
    names = [name for name in names if not a.redefines(b, name)]
    paired = None if same else _paired_differences(a, b, records_a, records_b, names)
    for name in names:
        values = [_values(r, name) for r in (records_a, records_b)]
        if not len(values[1]):
            lost.append(_lost(variant, known[name], records_a, records_b))
            continue
        over_folds = None if same else _over_folds(variant, a, b, name)
        means = [float(v.mean()) for v in values]
        change = Change(variant.name, name, means[0], means[1], unit=known[name].unit)
        if paired is not None and name in paired:  # as the pages have it (`Scores.shift`)
            change = replace(change, a=means[0] + paired[name].shifts[0], b=means[1] + paired[name].shifts[1])
        sign, scale = _scale(known[name], means[0])
        if same:
            difference, note = Interval(0.0, 0.0, 0.0, 0.0, np.inf), "the same trials"
        elif over_folds is not None:
            difference, note = over_folds
        elif paired is not None and name in paired:
            difference, note = paired[name].difference, "paired over test examples"
        else:
            difference, note = welch_difference(values[1], values[0]), "over seeds only"
        if min(map(len, values)) == 1 and not same and over_folds is None:
            note += "; one seed: about these checkpoints only"
        tests.add(replace(change, note=note), _scaled(difference, sign / scale))
    return lost


def _over_folds(variant: Variant, a: _Side, b: _Side, name: str) -> tuple[Interval, str] | None:
    """B − A over folds or repeats, whose training parts overlap: no seeds, and no independent values; None
    where a run has not several."""
    if min(a.suite.data.parts, b.suite.data.parts) < 2:
        return None
    scored = [[(r, v) for r in side.scored(variant) if (v := r.value(name)) is not None] for side in (b, a)]
    cuts = [{r.trial.part: _data_of(r) for r, _ in found} for found in scored]
    trained = [r for side in (a, b) for r in side.index.train.get((variant.candidate, side.size), [])]
    ratio = test_to_train([r for r in trained if r.status == "finished"])
    paired = all(cuts[0][part] == cuts[1][part] for part in cuts[0].keys() & cuts[1].keys())
    new, old = map(by_seed_and_part, scored)
    found = corrected_difference(new, old, ratio, paired)
    if found is None:
        return None
    return found, "paired over folds" if paired else "over folds, which hold other rows"


def _data_of(record: Record) -> dict[str, object]:
    data = record.trial.spec.get("data")
    return {k: v for k, v in data.items() if k != "validation"} if isinstance(data, dict) else {}


def _redefined(variant: Variant, entry: Metric, before: Sequence[Record], after: Sequence[Record]) -> Change:
    """A figure of a metric to which the two suites give different units or directions."""
    note = "the two suites declare this metric with different units or directions"
    a, b = (_mean(records, entry.name) for records in (before, after))
    return Change(variant.name, entry.name, a, b, note=note, unit=entry.unit)


def _lost(variant: Variant, entry: Metric, before: Sequence[Record], after: Sequence[Record]) -> Change:
    """A figure that A has and B has not, with B's note why."""
    name = entry.name
    notes = [m.note for r in after for m in r.measurements if m.metric == name and not m.at and m.note]
    note = next(iter(notes), "not measured")
    return Change(variant.name, name, _mean(before, name), None, note=note, unit=entry.unit)


def _paired_differences(
    a: _Side, b: _Side, records_a: Sequence[Record], records_b: Sequence[Record], names: Sequence[str]
) -> Mapping[str, _Pair] | None:
    """Metric → B − A, paired; None where they are not of the same test examples."""
    loaders = {r.trial.id: predictions_of(b.run) for r in records_b}
    loaders |= {r.trial.id: predictions_of(a.run) for r in records_a}
    reader = ScoreReader(lambda trial_id: loaders[trial_id](trial_id), names, metrics_of(a.suite))
    try:
        scores = [[reader.read(r.trial.id) for r in group] for group in (records_b, records_a)]
    except (FileNotFoundError, NotComparableError):
        return None
    everywhere = [n for n in names if all(n in s for group in scores for s in group)]
    of = {name: [[s[name] for s in group] for group in scores] for name in everywhere}
    return {name: _Pair(_paired(new, old), (_shift(old), _shift(new))) for name, (new, old) in of.items()}


@dataclass(frozen=True)
class _Pair:
    """B − A of a metric over the same test examples.

    Args:
        shifts: what the number of examples adds to the figures of A and of B (`Scores.shift`).
    """

    difference: Interval
    shifts: tuple[float, float]


def _shift(scores: Sequence[Scores]) -> float:
    return float(np.mean([one.shift for one in scores]))


def _paired(b: Sequence[Scores], a: Sequence[Scores]) -> Interval:
    """B − A of one metric: each known as well as it is on its own run's page, by seeds and test examples."""
    new, old = (np.stack([scores.values for scores in group]) for group in (b, a))
    if any(scores.units == 1 for scores in (*b, *a)):  # of one group: seeds tell nothing of others
        return Interval(float(new.mean() - old.mean()), np.nan, np.nan, np.nan, 0.0)
    behind = behind_parts(b), behind_parts(a)
    by_examples = paired_examples(new, old, behind) if any(one.variance for one in behind) else None
    found, by = two_way_difference(new, old, by_examples=by_examples), _shift(b) - _shift(a)
    return replace(found, value=found.value + by, low=found.low + by, high=found.high + by)


def _scale(entry: Metric, a: float) -> tuple[float, float]:
    """Sign that makes worse positive, and what a difference is divided by."""
    sign = 1.0 if entry.better == "lower" else -1.0
    return sign, 1.0 if entry.unit == "fraction" else abs(a) or 1.0


def _scaled(interval: Interval, factor: float) -> Interval:
    low, high = sorted((interval.low * factor, interval.high * factor))
    return Interval(interval.value * factor, low, high, interval.se * abs(factor), interval.df)


def _values(records: Sequence[Record], name: str) -> Array:
    return np.array([v for r in records if (v := r.value(name)) is not None], dtype=float)


def _mean(records: Sequence[Record], name: str) -> float | None:
    values = _values(records, name)
    return float(values.mean()) if len(values) else None


def _exact_changes(variant: Variant, a: _Side, b: _Side, margin: float) -> list[Change]:
    """Size, parameters, FLOPs: no noise, so any worsening beyond the margin is one.

    Of the models that both runs have, by seed and part: forests of other seeds have other trees, so that a
    run of three seeds beside one of two was "worse" in parameters where nothing had changed.
    """
    changes = []
    for entry in (m for m in METRICS.values() if m.about == "size"):
        one, other = (_sizes(side, variant, entry.name) for side in (a, b))
        if not one or not other:
            continue
        both = one.keys() & other.keys()
        before, after = (
            float(np.mean([float(np.mean(v)) for k, v in of.items() if k in both or not both]))
            for of in (one, other)
        )
        if not both and before != after and not any(map(_is_of_all_seeds, (one, other))):
            note = "it may differ from seed to seed, and the two runs have none in common"
            changes.append(Change(variant.name, entry.name, before, after, note=note, unit=entry.unit))
            continue
        worsening = (after - before) / (abs(before) or 1.0)
        verdict: Verdict = (
            "worse" if worsening > margin + ROUNDING else "better" if worsening < -ROUNDING else "same"
        )
        changes.append(
            Change(variant.name, entry.name, before, after, worsening, verdict=verdict, unit=entry.unit)
        )
    return changes


def _is_of_all_seeds(found: Mapping[tuple[object, ...], list[float]]) -> bool:
    """Whether a size is seen to be the same from seed to seed: two have it, and all are equal."""
    values = [value for group in found.values() for value in group]
    return len({seed for _, seed, _ in found}) > 1 and len(set(values)) == 1


def _sizes(side: _Side, variant: Variant, name: str) -> dict[tuple[object, ...], list[float]]:
    """A figure of each fitted model by what measured it, seed and part."""
    records = [
        *side.scored(variant),
        *side.index.train.get((variant.candidate, side.size), []),
        *side.index.serve.get(variant, []),
    ]
    found: dict[tuple[object, ...], list[float]] = {}
    for r in records:
        if (value := r.value(name)) is not None:
            found.setdefault((r.trial.kind, r.trial.seed, r.trial.part), []).append(value)
    return found


def _serving_changes(variant: Variant, a: _Side, b: _Side, tests: Tests) -> list[Change]:
    """Launches of the two runs are not paired: Welch on logarithms."""
    served = [[r for r in s.index.serve.get(variant, []) if r.status == "finished"] for s in (a, b)]
    names = [n for n in _names(served[0]) if METRICS[n].is_served and METRICS[n].is_compared]
    failed = [r for r in b.index.serve.get(variant, []) if r.status == "failed" and r.failure]
    if names and not served[1]:
        lost = _lost(variant, METRICS[names[0]], *served)
        note = of_failure(failed[0].failure.reason) if failed and failed[0].failure else ""
        return [replace(lost, verdict="worse", note=note) if note else lost]
    if same_trials(*served):
        return []  # what they differ by is no change of the suite's: `drift_note` says it
    untested = []
    for name in names:
        before, after = (_launches(side, group, name) for side, group in zip((a, b), served, strict=True))
        if not len(after):
            untested.append(_lost(variant, METRICS[name], *served))
        elif (before > 0).all() and (after > 0).all():
            _test_logs(variant, name, before, after, tests)
        elif (before > 0).any() or (after > 0).any():
            untested += _from_or_to_zero(variant, name, before, after, tests)
    return untested


def _launches(side: _Side, records: Sequence[Record], name: str) -> Array:
    """Launches' figures, around the load of all of them in one queue where it is one."""
    values = _values(records, name)
    together = Loads(side.run).of(records) if name == CAPACITY else None
    return values if together is None else values * together / float(np.exp(np.log(values).mean()))


def _test_logs(variant: Variant, name: str, before: Array, after: Array, tests: Tests) -> None:
    sign, _ = _scale(METRICS[name], 1.0)
    logs = welch_difference(np.log(after), np.log(before))
    a, b = (float(np.exp(np.log(x).mean())) for x in (before, after))
    change = Change(variant.name, name, a, b, unit=METRICS[name].unit)
    tests.add(change, _scaled(logs, sign), Scale(is_log=True, grows=sign > 0))


def _from_or_to_zero(variant: Variant, name: str, before: Array, after: Array, tests: Tests) -> list[Change]:
    """A level of zero has no logarithm: a server that no load leaves within its limit, an idle GPU.

    Zero in all launches of one run and in none of the other is no noise and needs no test; else the means
    are compared, as shares of A's.
    """
    sign, _ = _scale(METRICS[name], 1.0)
    means = float(before.mean()), float(after.mean())
    change = Change(variant.name, name, means[0], means[1], unit=METRICS[name].unit)
    if (before > 0).all() != (after > 0).all() and before.any() != after.any():
        is_worse = after.any() == (sign > 0)
        note = f"zero in every launch of {'the baseline' if after.any() else 'this run'}"
        return [replace(change, verdict="worse" if is_worse else "better", note=note)]
    if not before.any():
        return [replace(change, note="zero in every launch of the baseline, and in some of this run")]
    tests.add(change, _scaled(welch_difference(after, before), sign / float(before.mean())))
    return []
