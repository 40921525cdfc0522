"""Records → what is known of each variant and metric: estimates with intervals, and joint draws."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from harness.analysis.beliefs import ALONE, Beliefs, missing, store, store_with_zero
from harness.analysis.criteria import decides, limits_of
from harness.analysis.example_draws import Behind
from harness.analysis.folds import (
    by_seed_and_part,
    common_tables,
    fallen,
    fallen_words,
    test_to_train,
    widened,
)
from harness.analysis.heavy_tails import heaviest, said_of
from harness.analysis.index import RecordIndex
from harness.analysis.joint import LAUNCH_SD, SEED_SPREAD, is_spread_unknown, launch_draws, quality_draws
from harness.analysis.launches import headline, launch_values, unlike_rounds
from harness.analysis.loads import Loads, beside_mean
from harness.analysis.predictions import ONE_GROUP, NotComparableError, ScoreReader, Scores
from harness.analysis.race import BILLS, in_the_race, still_racing
from harness.analysis.scored import ScoredRows, scored_rows
from harness.analysis.served import P99
from harness.analysis.sessions import by_session
from harness.analysis.spreads import launch_spread, quality_spread
from harness.analysis.stats import Array
from harness.figures import short
from harness.metrics import CAPACITY, METRICS, Metric, MetricTable, metric, metrics_of, stem
from harness.record import Record, Variant
from harness.results import Estimate
from harness.streams import generator
from harness.suite.schema import Suite

ROUNDING = 1e-9
"""How far a fraction may seem to lie beyond its ends."""


def gather(
    index: RecordIndex,
    suite: Suite,
    reader: ScoreReader | None,
    extra: Sequence[str] = (),
    loads: Loads | None = None,
) -> Beliefs:
    """Everything known of every row and measured metric.

    Args:
        reader: per-example scores; None takes the records' values, with intervals over seeds only.
        extra: metrics on slices, as in `accuracy[class=3]`.
        loads: of all launches of a variant; None takes the mean of launches' answers.
    """
    beliefs = Beliefs(index.rows, index.train_size, machine_class=index.machine_class)
    beliefs.warnings.extend(index.warnings)
    beliefs.failures.update({row: _failures(index, row) for row in index.rows})
    beliefs.training_failures.update({row: _training_failure(index, row) for row in index.rows})
    quality, fitted, served = _measured_metrics(index, metrics_of(suite))
    scores = _read_scores(index, reader, beliefs) if reader else {}
    beliefs.race = in_the_race(index, suite, scores)

    def add(names: Iterable[str]) -> None:
        for name in names:
            if name in served:
                _add_served(beliefs, index, name, suite, loads)
            elif name in fitted:
                _add_fitted(beliefs, index, name, suite)
            else:
                _add_quality(beliefs, index, name, scores, suite)

    every = [*quality, *extra, *fitted, *served]
    limits = [c for c in limits_of(suite) if c.metric in every]
    limited = dict.fromkeys(c.metric for c in limits)
    add(limited)
    while (left := still_racing(beliefs.race, limits, beliefs.draws)) != beliefs.race:
        beliefs.race = left
        add(limited)
    add(n for n in every if n not in limited)
    if beliefs.one_launch:
        named = ", ".join(sorted(beliefs.one_launch, key=_column))
        beliefs.warnings.append(
            f"one launch per variant: probabilities assume that launches differ by 15 % ({named})"
        )
    beliefs.warnings += _unlike_rounds(beliefs, suite)
    beliefs.estimates = {n: beliefs.estimates[n] for n in sorted(beliefs.estimates, key=_column)}
    return beliefs


def _unlike_rounds(beliefs: Beliefs, suite: Suite) -> list[str]:
    """That those in the race were not launched equally often, where what launches tell decides."""
    of_load = any(decides(suite, name) for name in (CAPACITY, *BILLS))
    for name in (CAPACITY, P99):
        if name not in beliefs.estimates or not (of_load if name == CAPACITY else decides(suite, name)):
            continue
        told = zip(beliefs.rows, beliefs.estimates[name], beliefs.race, strict=True)
        rounds = {
            row.name: cell.n for row, cell, races in told if races and cell.value is not None and cell.n
        }
        if said := unlike_rounds(rounds, of_load):
            return [said]
    return []


def _column(name: str) -> tuple[int, str]:
    order = list(METRICS)
    return (order.index(stem(name)) if stem(name) in METRICS else len(order), name)


def _measured_metrics(index: RecordIndex, known: MetricTable) -> tuple[list[str], list[str], list[str]]:
    """Headline metrics by where they are measured: quality, fitted model, serving."""

    def names(groups: Iterable[list[Record]]) -> dict[str, None]:
        return {
            m.metric: None
            for group in groups
            for record in group
            for m in record.measurements
            if not m.at and m.metric in known
        }

    scored, served = names(index.score.values()), names(index.serve.values())
    trained = names(index.train.values())
    # Of a fitted model and no quality: nothing to pair over examples.
    fitted = [n for n in {**trained, **scored} if known[n].about != "quality" and n not in served]
    quality = [n for n in scored if n not in served and n not in fitted]
    return quality, fitted, list(served)


def _failures(index: RecordIndex, row: Variant) -> tuple[str, ...]:
    """Reasons of the failed trials that a row depends on, each once."""
    records = [
        *index.train.get((row.candidate, index.train_size), []),
        *index.score.get((row, index.train_size), []),
        *index.serve.get(row, []),
    ]
    return tuple(
        dict.fromkeys(
            f"{r.trial.label}: {r.failure.reason if r.failure else 'failed'}"
            for r in records
            if r.status == "failed"
        )
    )


def _training_failure(index: RecordIndex, row: Variant) -> str:
    """Why a training of a row failed; empty where none did."""
    trainings = index.train.get((row.candidate, index.train_size), [])
    failed = next((r for r in trainings if r.status == "failed"), None)
    if failed is None:
        return ""
    return failed.failure.reason if failed.failure else "failed"


def _folded_tables(
    index: RecordIndex, found: Mapping[int, Sequence[tuple[Record, float]]], beliefs: Beliefs
) -> dict[int, Array]:
    """Row → (seeds, parts), widened so that their variance is the corrected one."""
    tables, parts = common_tables({k: by_seed_and_part(group) for k, group in found.items()})
    lost = max((len({r.trial.part for r, _ in group}) for group in found.values()), default=0) - len(parts)
    if lost:
        said = (
            f"{lost} of {lost + len(parts)} folds or repeats, which some variants lack, count in no interval"
        )
        beliefs.warnings.extend([said] if said not in beliefs.warnings else [])
    if not parts:
        return {k: np.array([[value] for _, value in group]) for k, group in found.items()}
    trained = [r for group in index.train.values() for r in group if r.status == "finished"]
    return {k: widened(table, test_to_train(trained)) for k, table in tables.items()}


def _read_scores(index: RecordIndex, reader: ScoreReader, beliefs: Beliefs) -> dict[str, dict[str, Scores]]:
    """Score trial id → metric → per-example scores, for the table's train size."""
    result: dict[str, dict[str, Scores]] = {}
    trouble: Counter[str] = Counter()
    readers: defaultdict[int, ScoreReader] = defaultdict(
        reader.anew
    )  # each fold has test examples of its own
    for row in index.rows:
        for record in index.score.get((row, index.train_size), []):
            if record.status != "finished":
                continue
            try:
                result[record.trial.id] = readers[record.trial.part].read(record.trial.id)
            except FileNotFoundError:
                trouble["without stored predictions"] += 1
            except NotComparableError as error:
                trouble[str(error)] += 1
    beliefs.warnings.extend(
        f"{count} score trials {what}: intervals hold over seeds only" for what, count in trouble.items()
    )
    return result


def _add_quality(
    beliefs: Beliefs, index: RecordIndex, name: str, scores: Mapping[str, Mapping[str, Scores]], suite: Suite
) -> None:
    told = scored_rows(index, name, scores, suite)
    known = metrics_of(suite)
    entry = _as_measured(known[name], told, beliefs) if stem(name) in known.own else known[name]
    tables, cells, is_folded = told.tables, told.cells, bool(told.folded)
    if is_folded:
        tables = _folded_tables(index, told.folded, beliefs)
        if suite.data.split and suite.data.split.by == "time" and decides(suite, name):
            _say_fallen(beliefs, index, name, told.blocks, entry.better == "lower")
        cells |= {k: replace(cells[k], value=float(table.mean())) for k, table in tables.items()}
    # Rows with and without predictions do not mix in one joint draw: then seeds alone carry it.
    if len({t.shape[1] for t in tables.values()}) > 1:
        tables = {k: t.mean(1, keepdims=True) for k, t in tables.items()}
    order, first = beliefs.racing_first(tables)
    tables = {k: tables[k] for k in order}
    if not is_folded:
        candidates = {index.rows[k].candidate: tables[k] for k in reversed(order[:first])}
        beliefs.spread(name, quality_spread(list(candidates.values()), suite.data.digest))
    numbers = list(dict.fromkeys(told.seeds[k] for k in order))
    groups = [numbers.index(told.seeds[k]) for k in tables]
    found = list(tables.values())
    assumed = _spread_of(found) if is_spread_unknown(found) else 0.0
    share = (entry.low, entry.high) == (0.0, 1.0)
    rng = generator(suite.seed, "draws", name)
    stood = [told.behind.get(k, Behind()) for k in tables]
    still = {name for name, candidate in suite.candidates.items() if candidate.is_seedless}
    seedless = [index.rows[k].candidate in still for k in tables]
    if decides(suite, name) and ONE_GROUP in told.notes.values():
        beliefs.warnings.append(
            f"{name} is of one group: of others it tells next to nothing; more groups in the test part, or "
            "`folds`, do"
        )
    draw = (
        quality_draws(found, groups, rng, beliefs.num_draws, assumed, first, share, stood, seedless)
        if tables
        else np.zeros((beliefs.num_draws, 0))
    )
    if not (is_folded or share) and decides(suite, name):
        ahead = [k for k in order[:first] if not told.behind.get(k, Behind()).units]
        if (tail := heaviest(tables[k].mean(0) for k in ahead)) is not None:
            beliefs.warnings.append(said_of(entry, tail))
    dfs = {k: (None, told.notes[k]) if told.notes[k] else _df(tables[k], is_folded) for k in tables}
    store(beliefs, name, cells, list(tables), np.clip(draw, entry.low, entry.high), dfs)


def _as_measured(entry: Metric, told: ScoredRows, beliefs: Beliefs) -> Metric:
    """A metric of the suite's own, without its ends where a figure lies beyond them: what was called a
    fraction is none then, which is said."""
    found = [cell.value for cell in told.cells.values() if cell.value is not None]
    of_examples = [t for k, t in told.tables.items() if not told.behind.get(k, Behind()).units]
    found += [float(end) for table in of_examples for end in (table.min(), table.max())]
    beyond = [v for v in found if not entry.low - ROUNDING <= v <= entry.high + ROUNDING]
    if not beyond:
        return entry
    beliefs.warnings.append(
        f"{entry.name} was declared a fraction and was {short(beyond[0])}: its intervals are those of a "
        f"number without ends; write its `unit` under metrics.{stem(entry.name)}, as the column is to show it"
    )
    return replace(entry, low=-math.inf, high=math.inf)


def _say_fallen(
    beliefs: Beliefs, index: RecordIndex, name: str, blocks: Mapping[int, Mapping[int, Scores]], lower: bool
) -> None:
    """Warn where the row with the best mean does clearly worse in the last block of time."""

    def mean(k: int) -> float:
        return float(np.mean([scores.values.mean() for scores in blocks[k].values()]))

    known = [k for k in blocks if blocks[k]]
    best = min(known, key=lambda k: mean(k) if lower else -mean(k), default=None)
    if best is not None and (values := fallen(blocks[best], lower)) is not None:
        beliefs.warnings.append(fallen_words(name, index.rows[best].name, values))


def _spread_of(tables: Sequence[Array]) -> float:
    """The assumed standard deviation between seeds, in the metric's unit."""
    mean = float(np.mean([t.mean() for t in tables])) if tables else 0.0
    return SEED_SPREAD * (math.sqrt(mean * (1 - mean)) if 0 <= mean <= 1 else abs(mean))


def _df(table: Array, folded: bool = False) -> tuple[float | None, str]:
    """Degrees of freedom to show, and why there is no interval or a narrower claim."""
    num_seeds, num_examples = table.shape
    if folded and num_examples > 1:
        return float(num_examples - 1), ""
    if num_seeds == 1 and num_examples == 1:
        return None, ALONE
    if num_seeds == 1:
        return float(num_examples - 1), "one seed: holds for this checkpoint only"
    return float(num_seeds - 1), ""


def _add_fitted(beliefs: Beliefs, index: RecordIndex, name: str, suite: Suite) -> None:
    """Size, FLOPs, training time: one value per fitted model, log scale where they vary."""
    cells: dict[int, Estimate] = {}
    columns: dict[int, Array] = {}
    candidates = list(dict.fromkeys(row.candidate for row in index.rows))
    for k, row in enumerate(index.rows):
        train = index.train.get((row.candidate, index.train_size), [])
        score = index.score.get((row, index.train_size), [])
        source = score if any(headline(r, name) for r in score) else train
        found = [m for r in source if r.status == "finished" and (m := headline(r, name))]
        values = np.array([m.value for m in found if m.value is not None], dtype=float)
        if not len(values):
            cells[k] = missing([train, score], [m.note for m in found])
            continue
        cells[k] = Estimate(float(values.mean()), n=len(values))
        columns[k] = values[:, None]
    order, first = beliefs.racing_first(columns)
    columns = {k: columns[k] for k in order}
    groups = [candidates.index(index.rows[k].candidate) for k in order]
    log = bool(columns) and all((c > 0).all() for c in columns.values())
    scale: Callable[[Array], Array] = np.log if log else np.asarray
    tables = [scale(c) for c in columns.values()]
    # Size and FLOPs are what they are; how long a training takes is not.
    takes = log and name == "train_seconds"
    assumed = LAUNCH_SD if takes and is_spread_unknown(tables) else 0.0
    draw = (
        quality_draws(tables, groups, generator(suite.seed, "draws", name), beliefs.num_draws, assumed, first)
        if tables
        else np.zeros((beliefs.num_draws, 0))
    )
    shift = [cells[k].value for k in columns]
    # Centre on the mean that the cell shows; the draws carry the spread around it.
    draw = np.exp(draw - [t.mean() for t in tables]) * shift if log else draw
    dfs = {k: (float(len(c) - 1) or None, "") for k, c in columns.items()}
    store(beliefs, name, cells, list(columns), draw, dfs, log)


# ------------------------------------------------------------------------------------ serving


def _add_served(beliefs: Beliefs, index: RecordIndex, name: str, suite: Suite, loads: Loads | None) -> None:
    """Launches in shared rounds, or in sessions where there are several; on the log scale, geometric means.

    A level of zero (a server that no load leaves within the limit) has no logarithm: such a row has a t on
    the metric's own scale, and no spread where it is zero in all rounds. Around which load launches spread,
    one queue of all their requests says, where these were kept.
    """
    cells: dict[int, Estimate] = {}
    launches: dict[int, dict[int, float]] = {}
    with_zero: dict[int, Array] = {}
    for k, row in enumerate(index.rows):
        records = index.serve.get(row, [])
        by_round, notes = launch_values(records, name)
        if not by_round:
            before = [
                index.train.get((row.candidate, index.train_size), []),
                index.score.get((row, index.train_size), []),
            ]
            cells[k] = missing([*before, records], notes)
            continue
        units = by_session(by_round, index.sessions)
        values = np.array(list(units.values()))
        if values.min() > 0:
            # Not by way of logarithms where all agree: 2.93 MB keep a limit of 2.93.
            centre = float(np.exp(np.log(values).mean()) if np.ptp(values) else values[0])
            together = loads.of(records) if loads and name == CAPACITY else None
            if together is not None:
                units = {unit: value * together / centre for unit, value in units.items()}
                notes += beside_mean(together, centre)
                centre = together
            launches[k] = units
        else:
            with_zero[k] = values
            centre = float(values.mean())
        cells[k] = Estimate(centre, n=len(values), note="; ".join(notes))
    draw, dfs = np.zeros((beliefs.num_draws, 0)), {}
    unit = "launch" if len(index.sessions) < 2 else "session"
    if launches:
        order, first = beliefs.racing_first(launches)
        launches = {k: launches[k] for k in order}
        units_of_all = sorted({r for v in launches.values() for r in v})
        table = np.log([[launches[k].get(r, np.nan) for k in launches] for r in units_of_all])
        if len(index.sessions) < 2:
            beliefs.spread(name, launch_spread(table[:, :first], suite.data.digest))
        draw = np.exp(launch_draws(table, generator(suite.seed, "draws", name), beliefs.num_draws, first))
        counts = {k: len(v) for k, v in launches.items()}
        alone = "" if metric(name).about == "size" else f"one {unit}, no interval"
        dfs = {k: (float(c - 1), "") if c > 1 else (None, alone) for k, c in counts.items()}
        if not alone:
            # Files are as large as they are: one launch knows their size as well as ten do.
            for column, units in enumerate(launches.values()):
                if len(set(units.values())) == 1:
                    draw[:, column] = next(iter(units.values()))
        if max(counts.values()) == 1 and metric(name).about == "speed" and metric(name).unit == "ms":
            beliefs.one_launch.append(name)
    store(beliefs, name, cells, list(launches), draw, dfs, log=bool(launches))
    for k, values in with_zero.items():
        rng = generator(suite.seed, "draws", name, k)
        store_with_zero(beliefs, name, k, values, rng, "rounds" if unit == "launch" else "sessions")
