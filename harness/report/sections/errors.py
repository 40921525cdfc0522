"""What kind of example each candidate gets wrong, which ones worst, and whether two candidates really differ.

One model stands for each candidate: that of the first seed, which is also the one that is served.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from harness.analysis import errors
from harness.analysis.predictions import read_predictions
from harness.metrics import quality
from harness.protocols import Section, Split
from harness.record import HarnessError
from harness.report import numbers as n
from harness.report.blocks import Block, Cell, Column, Fold, Paragraph, Table, section, text
from harness.report.evidence import Evidence
from harness.report.sections.quality import class_names, wilson

log = logging.getLogger("harness")

MOST = 6
"""Candidates that are shown, the leading ones."""
WORST = 10
PAIRS = 6
EXAMPLES = 4
LONGEST = 300
"""Characters of a text that are shown."""


@dataclass(frozen=True)
class Answers:
    """The candidates' answers on the same test examples.

    Args:
        targets, ids: (n,). probabilities: candidate → (n, k).
        part: the test part in the same order, None where the data cannot be read here.
    """

    targets: np.ndarray
    ids: np.ndarray
    probabilities: Mapping[str, np.ndarray]
    part: Split | None

    @property
    def texts(self) -> list[str] | None:
        """The examples, where they are texts."""
        if self.part is None or not isinstance(self.part.inputs, list):
            return None
        return [str(value) for value in self.part.inputs]


def answers_of(e: Evidence, with_examples: bool = False) -> Answers | None:
    """The leading candidates' answers; None where the task has no classes or nothing is scored."""
    if not e.suite.task.endswith("_classification"):
        return None
    ids = targets = None
    found: dict[str, np.ndarray] = {}
    for candidate in e.leading[:MOST]:
        records = e.scored(candidate)
        p = e.predictions(records[0]) if records else None
        if p is None or p.outputs.ndim != 2 or p.outputs.shape[1] < 2:
            continue
        order = np.argsort(p.ids, kind="stable")
        if ids is None:
            ids, targets = p.ids[order], p.targets[order].astype(int)
        if np.array_equal(ids, p.ids[order]):
            found[candidate] = p.outputs[order]
    if ids is None or targets is None:
        return None
    return Answers(targets, ids, found, test_part(e, ids) if with_examples else None)


def test_part(e: Evidence, ids: np.ndarray) -> Split | None:
    """The test examples with these ids, in this order; None where the data cannot be read here."""
    from harness.datasets.parts import load_parts
    from harness.datasets.splits import take

    data = next((r.trial.spec["data"] for r in e.of("score") if "data" in r.trial.spec), None)
    if data is None:
        return None
    try:
        part = load_parts(data, None, ("test",)).test
    except (HarnessError, OSError, KeyError) as error:
        log.info("the report shows no examples: %s", error)
        return None
    order = np.argsort(part.ids, kind="stable")
    return take(part, order) if np.array_equal(part.ids[order], ids) else None


def slices(e: Evidence) -> Section | None:
    """Accuracy on parts of the test examples: by length, negation, contrast, question, own columns."""
    a = answers_of(e, with_examples=True)
    if a is None or a.part is None:
        return None
    masks = errors.column_slices(a.part.columns)
    if a.texts is not None:
        masks = {**errors.text_slices(a.texts), **masks}
    masks = errors.large_enough(masks)
    if not masks:
        return None
    right = {c: p.argmax(1) == a.targets for c, p in a.probabilities.items()}
    columns = (
        Column("examples", numeric=False), Column("number"),
        *(Column(candidate, "share right") for candidate in right),
    )  # fmt: skip
    everything = {"all": np.ones(len(a.targets), dtype=bool), **masks}
    rows = tuple(_slice_row(name, mask, right) for name, mask in everything.items())
    note = "Red: below the candidate's share over all examples by more than chance explains (95 %)."
    return section(
        "Which examples go wrong", [*_gaps(right, masks), Table(columns, rows, note, sortable=False)]
    )


def _slice_row(name: str, mask: np.ndarray, right: Mapping[str, np.ndarray]) -> tuple[Cell, ...]:
    cells = [Cell(name, strong=name == "all"), Cell(f"{int(mask.sum()):,}", sort=int(mask.sum()))]
    for hits in right.values():
        share, count = float(hits[mask].mean()), int(mask.sum())
        low, high = wilson(share, count)
        value, interval = n.interval(share, low, high)
        cells.append(Cell(value, interval, share, tone="bad" if high < hits.mean() else ""))
    return tuple(cells)


def _gaps(right: Mapping[str, np.ndarray], masks: Mapping[str, np.ndarray]) -> Iterator[Block]:
    """In words: on which slice each candidate is furthest behind the most accurate one."""
    best = max(right, key=lambda c: float(right[c].mean()))
    for candidate, hits in right.items():
        if candidate == best:
            continue
        gap = {name: float(right[best][m].mean() - hits[m].mean()) for name, m in masks.items()}
        worst = max(gap, key=lambda name: gap[name])
        share, top = float(hits[masks[worst]].mean()), float(right[best][masks[worst]].mean())
        if gap[worst] > 0:
            yield text(
                f"{candidate} is furthest behind {best} on “{worst}”: {share:.2f} against {top:.2f} right "
                f"({int(masks[worst].sum())} examples; over all, {hits.mean():.2f} against "
                f"{right[best].mean():.2f})."
            )


def worst(e: Evidence) -> Section | None:
    """The wrong answers that each candidate was surest of, and what the others said."""
    a = answers_of(e, with_examples=True)
    if a is None or a.texts is None:
        return None
    names = class_names(e, next(iter(a.probabilities.values())).shape[1])
    doubtful = errors.doubtful_labels(list(a.probabilities.values()), a.targets)
    blocks: list[Block] = [
        text(
            f"Of {len(a.targets):,} test examples, {int(doubtful.sum())} have a label that every candidate "
            "clearly contradicts: these may be labelled wrongly."
        )
    ]
    for rank, (candidate, p) in enumerate(a.probabilities.items()):
        rows = errors.worst_errors(p, a.targets, WORST)
        if len(rows):
            shown = _worst_table(a, candidate, rows, names, doubtful)
            title = f"The {len(rows)} surest errors of {candidate}"
            blocks += [text(title + ":"), shown] if rank == 0 else [Fold(title, (shown,))]
    return section("The worst errors", blocks)


def _worst_table(
    a: Answers, candidate: str, rows: np.ndarray, names: Sequence[str], doubtful: np.ndarray
) -> Table:
    assert a.texts is not None
    columns = (
        Column("text", numeric=False), Column("label", numeric=False), Column("answer", numeric=False),
        Column("probability"), Column("the others", numeric=False), Column("remarks", numeric=False),
    )  # fmt: skip
    p = a.probabilities[candidate]
    table = []
    for row in rows:
        others = [f"{c}: {_said(q[row], names)}" for c, q in a.probabilities.items() if c != candidate]
        tags = [*errors.text_tags(a.texts[row]), *(["label doubtful"] if doubtful[row] else [])]
        table.append(
            (
                Cell(_short(a.texts[row])),
                Cell(names[a.targets[row]]),
                Cell(names[int(p[row].argmax())], tone="bad"),
                Cell(f"{p[row].max():.3f}", sort=float(p[row].max())),
                Cell("; ".join(others)),
                Cell(", ".join(tags)),
            )
        )
    return Table(columns, tuple(table), sortable=False)


def _said(probabilities: np.ndarray, names: Sequence[str]) -> str:
    return f"{names[int(probabilities.argmax())]} {probabilities.max():.2f}"


def _short(words: str) -> str:
    words = " ".join(words.replace("\x00", "␀").split())
    return words if len(words) <= LONGEST else words[: LONGEST - 1] + "…"


def disagreements(e: Evidence) -> Section | None:
    """Pairs of candidates: how often only one is right, whether that is chance, and examples."""
    a = answers_of(e, with_examples=True)
    if a is None or len(a.probabilities) < 2:
        return None
    names = class_names(e, next(iter(a.probabilities.values())).shape[1])
    rows, folds = [], []
    for first, second in list(combinations(a.probabilities, 2))[:PAIRS]:
        d = errors.compare_answers(a.probabilities[first], a.probabilities[second], a.targets)
        ahead = first if len(d.only_first) > len(d.only_second) else second
        differ = d.p_value < 0.05
        rows.append(
            (
                Cell(f"{first} and {second}"),
                Cell(f"{len(d.only_first):,}"),
                Cell(f"{len(d.only_second):,}"),
                Cell(n.plain(d.p_value, 2), sort=d.p_value),
                Cell(f"{ahead} errs less" if differ else "not separated", tone="" if differ else "muted"),
            )
        )
        if a.texts is not None and len(d.only_first) + len(d.only_second):
            examples = tuple(_examples(a, names, (first, second), d))
            folds.append(Fold(f"Where {first} and {second} differ", examples))
    columns = (
        Column("candidates", numeric=False), Column("only the first right"), Column("only the second right"),
        Column("p", hint="McNemar's exact test"), Column("of these two models", numeric=False),
    )  # fmt: skip
    note = (
        "McNemar's exact test on the models of the first seed: it weighs the luck of the test examples, "
        "not that of training; the intervals of the table of differences weigh both."
    )
    return section("Where two candidates differ", [Table(columns, tuple(rows), note), *folds])


def _examples(
    a: Answers, names: Sequence[str], pair: tuple[str, str], d: errors.Disagreement
) -> Iterator[Block]:
    assert a.texts is not None
    for better, rows in zip(pair, (d.only_first, d.only_second), strict=True):
        table = tuple(
            (
                Cell(_short(a.texts[row])),
                Cell(names[a.targets[row]]),
                *(Cell(_said(a.probabilities[c][row], names)) for c in pair),
                Cell(", ".join(errors.text_tags(a.texts[row]))),
            )
            for row in rows[:EXAMPLES]
        )
        heads = ("text", "label", *pair, "remarks")
        if table:
            yield text(f"Only {better} is right:")
            yield Table(tuple(Column(head, numeric=False) for head in heads), table, sortable=False)


def adjusted(e: Evidence) -> Section | None:
    """What a temperature and a threshold, both chosen on validation answers, change on the test part."""
    a = answers_of(e)
    if a is None:
        return None
    rows = []
    for candidate, p in a.probabilities.items():
        held = _validation(e, candidate)
        if held is not None and len(np.unique(held[1])) > 1 and held[0].shape[1] == p.shape[1]:
            rows.append(_adjusted_row(candidate, p, a.targets, *held))
    if not rows:
        return None
    columns = (
        Column("candidate", numeric=False), Column("temperature", hint="above 1: it was too sure"),
        Column("calibration error", "before"), Column("calibration error", "after"),
        Column("log loss", "before"), Column("log loss", "after"),
        *((Column("threshold"), Column("F1", "at 0.5"), Column("F1", "at the threshold"))
          if len(rows[0]) > 6 else ()),
    )  # fmt: skip
    note: Paragraph = text(
        "Temperature (lowest log loss) and threshold (highest F1 of the second class) are chosen on "
        "validation examples, their effect is that on the test examples. A temperature changes no answer.",
        kind="note",
    )
    return section("Temperature and threshold", [Table(columns, tuple(rows)), note])


def _validation(e: Evidence, candidate: str) -> tuple[np.ndarray, np.ndarray] | None:
    """Validation answers (m, k) of the first seed's model, and their targets."""
    records = e.scored(candidate)
    needs = records[0].trial.needs if records else ()
    try:
        p = read_predictions(e.run.read_bytes(f"trials/{needs[0]}/validation.parquet")) if needs else None
    except (OSError, KeyError, ValueError, HarnessError):
        return None
    return None if p is None or p.outputs.ndim != 2 else (p.outputs, p.targets.astype(int))


def _adjusted_row(
    candidate: str, p: np.ndarray, targets: np.ndarray, held: np.ndarray, held_targets: np.ndarray
) -> tuple[Cell, ...]:
    temperature = errors.fit_temperature(held, held_targets)
    after = errors.at_temperature(p, temperature)
    cells = [Cell(candidate), _number(temperature)]
    for measure in (quality.ece, quality.log_loss):
        before, then = measure(p, targets), measure(after, targets)
        cells += [_number(before), _number(then, tone="good" if then < before else "bad")]
    if p.shape[1] == 2:
        threshold = errors.best_threshold(held[:, 1], held_targets)
        cells.append(_number(threshold))
        cells += [_number(errors.f1_at(p[:, 1], targets, cut)) for cut in (0.5, threshold)]
    return tuple(cells)


def _number(value: float, tone: str = "") -> Cell:
    return Cell(n.plain(value), sort=value, tone="good" if tone == "good" else "bad" if tone else "")
