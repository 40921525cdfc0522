"""Quality in detail: over training-set size and epochs, by class, and whether probabilities are honest."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from harness.analysis.aggregates import rows_of_one
from harness.analysis.folds import corrected_interval, test_to_train
from harness.analysis.stats import wilson
from harness.facts import FittedFacts, ScoreFacts, TrainFacts
from harness.kinds import kind_of
from harness.metrics import METRICS, stem
from harness.protocols import Section
from harness.record import Record
from harness.report import canvas, charts, plots
from harness.report import numbers as n
from harness.report.blocks import Beside, Block, Cell, Column, Fold, Picture, Table, capital, section, text
from harness.report.evidence import Evidence, mean_and_spread, measured
from harness.report.pictures import both_widths, told
from harness.report.sections.tradeoff import figure
from harness.report.wording import ways_of_cutting
from harness.runtimes.offered import reference_of

MOST_LINES = 8
MOST_MATRICES = 6
MOST_CLASSES = 20
RISING = 0.002
"""What the last epoch must have gained for a candidate to be still learning."""


def training_size(e: Evidence) -> Section | None:
    """The metric of quality over the size of the training set, on the reference runtime."""
    metric = stem(e.quality_metric)  # trials have no figures on slices
    series = [s for s in (_size_series(e, c, metric) for c in e.leading[:MOST_LINES]) if s]
    if not any(len(s.x) > 1 for s in series):
        return None
    ticks = sorted({x for s in series for x in s.x})
    x = plots.Axis("Training examples (log scale)", log=True, ticks=ticks)
    y = _axis(e, metric)
    over = "seeds" if e.suite.data.parts == 1 else f"the parts of {ways_of_cutting(e.suite.data)}"
    picture = both_widths(
        lambda w: charts.lines(series, x, y, (w, 340)),
        640,
        f"Mean over {over}; the band is the 95 % t interval over {over}.",
        told(f"{n.label(metric)} by training examples", series),
    )
    return section("More training data", [picture, *_gains(series, metric), *others_left_out(e)])


def _size_series(e: Evidence, candidate: str, metric: str) -> plots.Line | None:
    runtimes = [r.trial.runtime for r in e.of("score", candidate)]
    runtime = reference_of(runtimes)
    by_size: dict[int, list[tuple[Record, float]]] = {}
    for r in e.of("score", candidate, runtime=runtime):
        found = measured(r, metric)
        if found and found.value is not None and r.trial.train_size:
            by_size.setdefault(r.trial.train_size, []).append((r, found.value))
    if not by_size:
        return None
    sizes = sorted(by_size)
    spreads = [_mean_and_spread(e, candidate, s, by_size[s]) for s in sizes]
    means, lows, highs = ([t[i] for t in spreads] for i in range(3))
    chosen = e.chosen is not None and e.chosen.candidate == candidate
    return plots.Line(
        candidate, sizes, means, lows, highs, e.palette.colour(candidate), marker="o", strong=chosen
    )


def _mean_and_spread(
    e: Evidence, candidate: str, size: int, scored: Sequence[tuple[Record, float]]
) -> tuple[float, float, float]:
    """Mean and 95 % interval: over seeds, or over folds, whose training parts overlap (`analysis.folds`)."""
    if e.suite.data.parts == 1:
        return mean_and_spread([value for _, value in scored])
    by_part: dict[int, list[float]] = {}
    for r, value in scored:
        by_part.setdefault(r.trial.part, []).append(value)
    ratio = test_to_train(e.of("train", candidate, train_size=size))
    found = corrected_interval(np.array([np.mean(values) for values in by_part.values()]), ratio)
    ends = (found.low, found.high) if len(by_part) > 1 else (found.value, found.value)
    return found.value, *ends


def _gains(series: Sequence[plots.Line], metric: str) -> Iterator[Block]:
    """What the last step of more data brought, in words; candidates need not have the same sizes."""
    words: dict[tuple[int, int], list[str]] = {}
    for s in series:
        if len(s.x) > 1:
            step = int(s.x[-2]), int(s.x[-1])
            words.setdefault(step, []).append(f"{s.label} {n.signed(s.y[-1] - s.y[-2], 3)}")
    for (first, last), gains in words.items():
        yield text(
            f"From {first:,} to {last:,} training examples, {n.label(metric)} changed: {'; '.join(gains)}."
        )


def others_left_out(e: Evidence, most: int = MOST_LINES) -> Iterator[Block]:
    """That not all candidates are drawn."""
    if len(e.leading) > most:
        yield text(f"The {most} leading of {len(e.leading)} candidates are drawn.", kind="note")


def _axis(e: Evidence, metric: str) -> plots.Axis:
    which = e.limit_on(metric)
    title = n.label(metric) + (f", {n.unit(metric, e.known)}" if n.unit(metric, e.known) else "")
    return plots.Axis(
        capital(title),
        at_most=which.limit if which and which.is_upper else None,
        at_least=which.limit if which and not which.is_upper else None,
    )


def learning_curves(e: Evidence) -> Section | None:
    """Validation score and training loss per epoch, at the largest training set."""
    scores, losses = [], []
    for candidate in e.leading[:MOST_LINES]:
        histories = [e.history(r) for r in e.of("train", candidate, train_size=e.headline_size)]
        scores += _curve(e, candidate, [h for h in histories if h], "validation_score")
        losses += _curve(e, candidate, [h for h in histories if h], "train_loss")
    if not any(len(s.x) > 1 for s in (*scores, *losses)):
        return None
    epochs = plots.Axis("Epoch", whole=True)
    watched = {str(m) for r in e.of("train") if (m := r.facts_as(TrainFacts).best_epoch_metric)}
    losses_watched = [n.label(m) for m in sorted(watched) if m in METRICS and METRICS[m].better == "lower"]
    turned = f" ({n.listed(losses_watched)} with a minus: higher is better)" if losses_watched else ""
    pictures: list[Block] = []
    if scores:
        drawn = charts.lines(scores, epochs, plots.Axis("Validation score"))
        pictures.append(
            Picture(
                canvas.svg(drawn),
                f"Validation score{turned}, mean over seeds{_band(scores)}.",
                told("Validation score by epoch", scores),
            )
        )
    if losses:
        drawn = charts.lines(losses, epochs, plots.Axis("Training loss"))
        pictures.append(
            Picture(
                canvas.svg(drawn),
                f"Training loss, mean over seeds{_band(losses)}.",
                told("Training loss by epoch", losses),
            )
        )
    rows = tuple(row for row in (_training_row(e, c) for c in e.leading) if row)
    by = sorted(map(n.label, watched))
    columns = (
        Column("candidate", numeric=False), Column("epochs"),
        Column("best epoch", hint=f"by {n.listed(by)} on validation examples" if by else ""),
        Column("training time", "s"), Column("examples", "1/s"),
        Column("number format", numeric=False), Column("parameters"),
    )  # fmt: skip
    return section(
        "Training",
        [
            Beside(tuple(pictures)),
            Table(columns, rows, kind="compact"),
            *_still_rising(scores, bool(losses_watched)),
            *others_left_out(e),
        ],
    )


def _band(lines: Sequence[plots.Line]) -> str:
    """What is shaded: no interval."""
    return "; shaded: from the lowest seed to the highest" if any(line.low for line in lines) else ""


def _curve(
    e: Evidence, candidate: str, histories: Sequence[dict[str, np.ndarray]], name: str
) -> list[plots.Line]:
    columns = [h[name] for h in histories if name in h and np.isfinite(h[name]).any()]
    if not columns:
        return []
    length = max(map(len, columns))
    padded = np.full((len(columns), length), np.nan)
    for row, values in zip(padded, columns, strict=True):
        row[: len(values)] = values
    counts = np.isfinite(padded).sum(0)
    mean = np.nansum(padded, 0) / np.maximum(counts, 1)
    keep = counts > 0
    epochs = np.arange(1, length + 1)[keep]
    low, high = (f(np.where(np.isnan(padded), mean, padded), axis=0)[keep] for f in (np.min, np.max))
    chosen = e.chosen is not None and e.chosen.candidate == candidate
    several = len(columns) > 1
    return [
        plots.Line(
            candidate,
            epochs.tolist(),
            mean[keep].tolist(),
            low.tolist() if several else (),
            high.tolist() if several else (),
            e.palette.colour(candidate),
            strong=chosen,
        )
    ]


def _still_rising(scores: Sequence[plots.Line], of_losses: bool = False) -> Iterator[Block]:
    """Candidates whose best epoch was their last had not finished learning: said, as it limits the claim.

    Args:
        of_losses: scores are losses with a minus, in units of their own: they rise by a share of themselves.
    """
    drawn = [s for s in scores if len(s.y) > 2]
    least = {s.label: RISING * (abs(s.y[-1]) if of_losses else 1.0) for s in drawn}
    rising = [s.label for s in drawn if s.y[-1] == max(s.y) and s.y[-1] - s.y[-2] > least[s.label]]
    if rising:
        more = "was" if len(rising) == 1 else "were"
        yield text(
            f"{n.listed(rising)} {more} still improving at the last epoch: "
            "longer training may change the order."
        )


def _training_row(e: Evidence, candidate: str) -> tuple[Cell, ...] | None:
    records = e.of("train", candidate, train_size=e.headline_size)
    if not records:
        return None
    epochs = [len(next(iter(h.values()))) for h in map(e.history, records[:4]) if h]
    best = [_best_epoch(b) for r in records if (b := r.facts_as(FittedFacts).best_epoch) is not None]
    speed = [v for r in records[:4] for v in _last(e.history(r), "examples_per_s")]
    parameters = next((v for r in records if (v := r.value("parameters")) is not None), None)
    modes = sorted({p for r in records if (p := r.facts_as(TrainFacts).precision)})
    return (
        Cell(candidate, key=e.palette.swatch(candidate)),
        Cell(str(max(epochs)) if epochs else "", sort=max(epochs, default=None)),
        Cell(", ".join(dict.fromkeys(best))),
        _seconds_cell(e, candidate, records),
        Cell(n.plain(float(np.mean(speed))) if speed else "", sort=float(np.mean(speed)) if speed else None),
        Cell(", ".join(modes)),
        Cell(n.plain(parameters) if parameters is not None else "", sort=parameters),
    )


def _best_epoch(best: object) -> str:
    """Its number, or one for each stage of a pipeline."""
    if not isinstance(best, dict):
        return str(best)
    return ", ".join(f"{stage} {row['epoch']:.0f}" for stage, row in best.items())


def _last(history: dict[str, np.ndarray], name: str) -> list[float]:
    values = history.get(name, np.array([]))
    return [float(v) for v in values[-1:] if np.isfinite(v)]


def _seconds_cell(e: Evidence, candidate: str, records: Sequence[Record]) -> Cell:
    """As the trade-off table has it; of who is in no row the mean."""
    rows = (r for r in e.tradeoff.rows if r.candidate == candidate and "train_seconds" in r.estimates)
    if (row := next(rows, None)) is not None and row.estimates["train_seconds"].value is not None:
        return figure(row, "train_seconds")
    values = [v for r in records if (v := r.value("train_seconds")) is not None]
    return Cell(n.plain(float(np.mean(values))), sort=float(np.mean(values))) if values else Cell("")


def by_class(e: Evidence) -> Section | None:
    """The confusion matrix and the weakest class of each candidate, seeds taken together."""
    if kind_of(e.suite.task).targets != "classes":
        return None
    counts = {c: m for c in e.leading[:MOST_LINES] if (m := confusion(e, c)) is not None}
    if not counts:
        return None
    names = class_names(e, len(next(iter(counts.values()))[0]))
    rows = tuple(_weakest(e, c, matrix, times, names) for c, (matrix, times) in counts.items())
    columns = (
        Column("candidate", numeric=False), Column("weakest class", numeric=False), Column("found", "share"),
        Column("mostly taken for", numeric=False), Column("share"),
        Column("strongest class", numeric=False), Column("found", "share"),
    )  # fmt: skip
    blocks: list[Block] = [Table(columns, rows)]
    if len(names) <= MOST_CLASSES:
        for rank, (candidate, (matrix, _)) in enumerate(list(counts.items())[:MOST_MATRICES]):
            shown = matrix_table(candidate, matrix, names)
            blocks += [shown] if rank == 0 else [Fold(f"Confusion matrix of {candidate}", (shown,))]
    return section("Errors by class", [*blocks, *others_left_out(e)])


def confusion(e: Evidence, candidate: str) -> tuple[np.ndarray, float] | None:
    """Counts (true, predicted) over all seeds on the reference runtime, and how many of them tell as much as
    one independent row does."""
    total: np.ndarray | None = None
    seeds = 0
    for record in e.scored(candidate, every_part=True):
        stored = record.facts_as(ScoreFacts).confusion
        if stored:
            matrix = np.asarray(stored, int)
            total = matrix if total is None else total + matrix
            seeds += 1
            continue
        p = e.predictions(record)
        if p is None or p.outputs.ndim != 2 or p.outputs.shape[1] < 2:
            continue
        k = p.outputs.shape[1]
        targets, answers = p.targets.astype(int), p.outputs.argmax(1)
        inside = (targets >= 0) & (targets < k)
        matrix = np.bincount(targets[inside] * k + answers[inside], minlength=k * k).reshape(k, k)
        total = matrix if total is None else total + matrix
        seeds += 1
    return None if total is None else (total, times_counted(e, candidate, seeds))


def times_counted(e: Evidence, candidate: str, records: int) -> float:
    """How many answers of so many trials tell as much as one independent row does: each fold tests other
    rows, and rows of one group may be alike."""
    split = e.suite.data.split
    alike = 1.0
    for p in (e.predictions(record) for record in e.scored(candidate)[:1]):
        if p is not None and p.outputs.ndim == 2 and p.outputs.shape[1] > 1:
            alike = rows_of_one((p.outputs.argmax(1) == p.targets).astype(float), p.groups)
    return alike * max(1, records // ((split.folds if split else None) or 1))


def class_names(e: Evidence, count: int) -> list[str]:
    """Names of the classes as the records know them, else their numbers."""
    for record in e.of("score"):
        names = record.facts_as(ScoreFacts).class_names
        if names and len(names) == count:
            return list(names)
    return [str(i) for i in range(count)]


def _weakest(
    e: Evidence, candidate: str, matrix: np.ndarray, times: float, names: Sequence[str]
) -> tuple[Cell, ...]:
    per_class = matrix.sum(1)
    with np.errstate(invalid="ignore", divide="ignore"):
        recall = np.where(per_class > 0, np.diag(matrix) / per_class, np.nan)
    worst, best = int(np.nanargmin(recall)), int(np.nanargmax(recall))
    wrong = matrix[worst].copy()
    wrong[worst] = 0
    confused = int(wrong.argmax())
    share = wrong[confused] / max(1, per_class[worst])
    return (
        Cell(candidate, key=e.palette.swatch(candidate)),
        Cell(names[worst]),
        share_cell(float(recall[worst]), int(per_class[worst] / times)),
        Cell(names[confused] if wrong[confused] else "no other"),
        Cell(f"{share:.2f}", sort=float(share)),
        Cell(names[best]),
        share_cell(float(recall[best]), int(per_class[best] / times)),
    )


def share_cell(share: float, count: int) -> Cell:
    low, high = wilson(share, count)
    value, interval = n.interval(share, low, high)
    return Cell(value, interval, share)


def matrix_table(candidate: str, matrix: np.ndarray, names: Sequence[str]) -> Table:
    """The confusion matrix in per cent of the true class; the diagonal is not shaded, errors are."""
    share = matrix / np.maximum(1, matrix.sum(1, keepdims=True))
    errors = share - np.diag(np.diag(share))
    darkest = max(float(errors.max()), 1e-9)
    columns = (Column("true \\ predicted", numeric=False), *(Column(name, is_name=True) for name in names))
    rows = []
    for i, name in enumerate(names):
        cells = [Cell(name)]
        for j in range(len(names)):
            shade = None if i == j else float(errors[i, j]) / darkest
            cells.append(
                Cell(f"{100 * share[i, j]:.0f}" if matrix[i, j] else "·", shade=shade, strong=i == j)
            )
        rows.append(tuple(cells))
    caption = (
        f"{candidate}: per cent of each true class, seeds taken together; darker is a more frequent error."
    )
    return Table(columns, tuple(rows), caption, sortable=False, kind="matrix", fold=99)
