"""What kind of example each candidate gets wrong, which ones worst, and whether two candidates really differ.

One model stands for each candidate: that of the first seed, which is also the one that is served.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import combinations

import numpy as np

from harness.analysis import errors
from harness.analysis.stats import Interval, holm, two_way_interval, wilson
from harness.protocols import Section
from harness.report import numbers as n
from harness.report.blocks import Block, Bullets, Cell, Column, Fold, Table, capital, section, text
from harness.report.evidence import Evidence
from harness.report.sections.answers import ComparedAnswers, answers_of
from harness.report.sections.quality import class_names
from harness.report.thumbnails import data_uri
from harness.results import Row

SURE = 0.05
"""The share of runs in which a kind of example is blamed, or a pair told apart, by mistake, over all."""
MOST_LABELS = 10
WORST = 10
PAIRS = 6
EXAMPLES = 4
COLUMNS = 4
"""Columns of a table's row that are shown."""
LONGEST = 300
"""Characters of a text that are shown."""


def slices(e: Evidence) -> Section | None:
    """On which kinds of examples each candidate is right, and where it falls behind the most accurate one."""
    a = answers_of(e, with_examples=True)
    if a is None or a.part is None:
        return None
    masks = errors.large_enough(_kinds(e, a))
    if not masks:
        return None
    best = a.best
    gaps = {
        c: errors.gaps(right, a.right[best], masks, a.groups) for c, right in a.right.items() if c != best
    }
    noun = "sentence" if a.texts is not None else "example"
    whole = {c: _over_all(e, a, c) for c in gaps}
    items = tuple((said,) for c, found in gaps.items() for said in _said_of(a, c, whole[c], found, noun))
    top = _share_of_all(e, a)
    lead = text(
        f"{best} is right most often, for {top.text} ({top.interval}) of the {noun}s.",
        " Where the others fall behind it:" if items else "",
    )
    blocks: list[Block] = [lead, *([Bullets(items)] if items else [])]
    blocks += [_slice_table(e, a, masks, gaps, whole), *_telling(e, a, masks, gaps)]
    return section("Which examples go wrong", blocks)


def _kinds(e: Evidence, a: ComparedAnswers) -> dict[str, np.ndarray]:
    """Name of a kind of example → mask: of texts by what is in them, by label, by columns of the data."""
    assert a.part is not None
    masks: dict[str, np.ndarray] = {}
    if a.texts is not None:
        masks |= errors.text_slices(a.texts)
        masks |= errors.rare_word_slices(np.array([len(errors.rare_words(t, a.known)) for t in a.texts]))
    elif a.classes <= MOST_LABELS:
        names = class_names(e, a.classes)
        masks |= {f"label {name}": a.targets == i for i, name in enumerate(names)}
    return {**masks, **errors.column_slices(a.part.columns)}


def _table_row(e: Evidence, candidate: str) -> Row | None:
    """The row of the trade-off table that is of the same answers: of folds these pages show the first."""
    row = e.scored_row(candidate) if e.suite.data.parts == 1 else None
    return row if row is not None and e.draws("accuracy", row.variant) is not None else None


def _over_all(e: Evidence, a: ComparedAnswers, candidate: str) -> Interval:
    """How far a candidate is behind the best over all examples, as the table of differences has it: all
    candidates together tell more of how seeds vary than two do."""
    plain = errors.difference(a.right[candidate], a.right[a.best], a.groups)
    mine, best = (_table_row(e, c) for c in (candidate, a.best))
    ours, theirs = (None if row is None else e.draws("accuracy", row.variant) for row in (mine, best))
    if ours is None or theirs is None:
        return plain
    low, high = np.nanquantile(ours - theirs, [0.025, 0.975])
    return replace(plain, low=float(low), high=float(high))


def _share_of_all(e: Evidence, a: ComparedAnswers) -> Cell:
    row = _table_row(e, a.best)
    cell = None if row is None else row.estimates.get("accuracy")
    if cell is None or cell.value is None or cell.low is None or cell.high is None:
        return _share(a.right[a.best], a.groups)
    return Cell(*n.interval(cell.value, cell.low, cell.high), sort=cell.value)


def _said_of(
    a: ComparedAnswers, candidate: str, whole: Interval, gaps: Sequence[errors.Gap], noun: str
) -> Iterator[str]:
    """In a sentence or two: where a candidate falls behind the best, and whether that is more than chance."""
    best = a.best
    over_all = f"over all {len(a.targets):,} {noun}s {_difference(whole)}"
    telling = [gap for gap in gaps if gap.p_value < SURE and gap.excess.value < 0 and gap.inside.high < 0]
    if telling:
        yield (
            f"{candidate} gets wrong what {best} gets right above all on “{telling[0].name}”: "
            f"{telling[0].shares[0]:.2f} of {telling[0].count:,} {noun}s right against "
            f"{telling[0].shares[1]:.2f}, a difference of {_difference(telling[0].inside)}; on all others it "
            f"is {_difference(telling[0].outside)}."
            + (f" Also on {n.listed([f'“{gap.name}”' for gap in telling[1:4]])}." if telling[1:] else "")
        )
    elif whole.high < 0:
        widest = f"; most on “{gaps[0].name}”, {_difference(gaps[0].inside)}" if gaps else ""
        chance = f", which is within chance for the widest of {len(gaps)} kinds" if gaps else ""
        yield f"{candidate} is behind {best} on all kinds of {noun}s alike: {over_all}{widest}{chance}."
    else:
        kinds = f"; further behind on no kind of {noun}, of {len(gaps)}, than chance explains" if gaps else ""
        yield f"{candidate} and {best} are not separated: {over_all}{kinds}."


def _difference(found: Interval) -> str:
    """A difference of shares in words: `−0.23 (−0.31 to −0.15)`."""
    if not np.isfinite([found.low, found.high]).all():
        return f"{n.signed(found.value, 2)} (interval not estimable)"
    low, high = max(found.low, -1.0), min(found.high, 1.0)  # shares differ by 1 at most
    return f"{n.signed(found.value, 2)} ({n.signed(low, 2)} to {n.signed(high, 2)})"


def _slice_table(
    e: Evidence,
    a: ComparedAnswers,
    masks: Mapping[str, np.ndarray],
    gaps: Mapping[str, Sequence[errors.Gap]],
    whole: Mapping[str, Interval],
) -> Table:
    best = a.best
    order = [best, *gaps]
    columns = (
        Column("examples", numeric=False), Column("number"), Column(best, "share right", is_name=True),
        *(Column(c, f"against {best}", is_name=True) for c in gaps),
    )  # fmt: skip
    telling = {(c, gap.name) for c, found in gaps.items() for gap in found if gap.p_value < SURE}
    everything = {"all": np.ones(len(a.targets), dtype=bool), **masks}
    rows = []
    for name, mask in everything.items():
        cells = [Cell(name, strong=name == "all"), Cell(f"{int(mask.sum()):,}", sort=int(mask.sum()))]
        cells.append(_share_of_all(e, a) if mask.all() else _share(a.right[best], a.groups, mask))
        for c in order[1:]:
            apart = errors.difference(a.right[c], a.right[best], a.groups, mask)
            difference = whole[c] if mask.all() else apart
            share = float(a.right[c][:, mask].mean())
            behind = (c, name) in telling and difference.high < 0
            cells.append(Cell(f"{share:.2f}", _difference(difference), share, tone="bad" if behind else ""))
        rows.append(tuple(cells))
    seeds = max(len(right) for right in a.right.values())
    note = (
        f"Share right over {n.counted(seeds, 'seed')}; below it the 95 % interval, or that of the difference "
        f"from {best}. Red: further behind {best} here than elsewhere, more than chance "
        f"explains (p < {SURE}, Holm over all kinds). {_definitions(a)}"
    )
    return Table(columns, tuple(rows), note, sortable=False, fold=99)


def _share(right: np.ndarray, groups: np.ndarray | None = None, rows: np.ndarray | None = None) -> Cell:
    """The share right of (seeds, examples), with its interval; Wilson's where all or none are right."""
    each = errors.by_unit(right, groups, rows)
    found = two_way_interval(each)
    low, high = found.low, found.high
    if not np.isfinite([low, high]).all() or not high > low:
        low, high = wilson(min(max(found.value, 0.0), 1.0), each.shape[1])
    return Cell(*n.interval(found.value, max(0.0, low), min(1.0, high)), sort=found.value)


def _definitions(a: ComparedAnswers) -> str:
    if a.texts is None:
        return ""
    return (
        "Negation: not, no, never, n’t and the like; contrast: but, although, yet and the like; rare words: "
        f"in fewer than {errors.RARE} of the {len(a.training):,} training texts; sarcasm marker: scare "
        "quotes, dots, stock phrases."
    )


def _telling(
    e: Evidence, a: ComparedAnswers, masks: Mapping[str, np.ndarray], gaps: Mapping[str, Sequence[errors.Gap]]
) -> Iterator[Block]:
    """Examples of the kind that separates a candidate from the best one: all seeds of one are right, of the
    other wrong."""
    names, best = class_names(e, a.classes), a.best
    for candidate, found in gaps.items():
        behind = [gap for gap in found if gap.inside.high < 0 and gap.excess.value < 0]
        if not behind:
            continue
        kind = behind[0].name
        rows = np.flatnonzero(masks[kind] & a.right[best].all(0) & ~a.right[candidate].any(0))
        if len(rows):
            sure = errors.right_share(a.probabilities[best], a.targets)[rows]
            sure = sure - errors.right_share(a.probabilities[candidate], a.targets)[rows]
            first = rows[np.argsort(-sure, kind="stable")][:EXAMPLES]
            title = f"“{kind}”: right for {best}, wrong for {candidate} ({len(rows):,} with every seed)"
            yield Fold(title, (_pair_table(a, names, (best, candidate), first),))


def worst(e: Evidence) -> Section | None:
    """The wrong answers that each candidate was surest of, and what the others said."""
    a = answers_of(e, with_examples=True)
    if a is None or (a.texts is None and a.images is None):
        return None
    names = class_names(e, a.classes)
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
            title = f"The {len(rows)} errors that {candidate} was most confident of"
            blocks += [text(title + ":"), shown] if rank == 0 else [Fold(title, (shown,))]
    return section("The worst errors", blocks)


def _worst_table(
    a: ComparedAnswers,
    candidate: str,
    rows: np.ndarray,
    names: Sequence[str],
    doubtful: np.ndarray,
) -> Table:
    columns = (
        Column(_what(a), numeric=False), Column("label", numeric=False), Column("answer", numeric=False),
        Column("probability"), Column("the others", numeric=False), Column("remarks", numeric=False),
    )  # fmt: skip
    p = a.probabilities[candidate]
    table = []
    for row in rows:
        others = [f"{c}: {_said(q[row], names)}" for c, q in a.probabilities.items() if c != candidate]
        tags = [*(["label doubtful"] if doubtful[row] else []), *_tags(a, row)]
        table.append(
            (
                _example(a, row),
                Cell(names[a.targets[row]]),
                Cell(names[int(p[row].argmax())], tone="bad"),
                Cell(f"{p[row].max():.3f}", sort=float(p[row].max())),
                Cell("; ".join(others)),
                Cell(", ".join(tags)),
            )
        )
    return Table(columns, tuple(table), sortable=False, kind=_kind(a))


def _what(a: ComparedAnswers) -> str:
    return "text" if a.texts is not None else "image" if a.images is not None else "row"


def _kind(a: ComparedAnswers) -> str:
    """How a table of examples is set: texts in full."""
    return "texts" if a.texts is not None else "compact"


def _example(a: ComparedAnswers, row: int) -> Cell:
    """The example itself: its text, a picture of it, or of a table its row and what the columns say."""
    if a.texts is not None:
        return Cell(_short(a.texts[row]))
    if a.images is not None:
        return Cell("", image=data_uri(a.images[row]), sort=int(a.ids[row]))
    columns = {} if a.part is None else a.part.columns
    said = ", ".join(f"{name} {_short(str(values[row]))}" for name, values in list(columns.items())[:COLUMNS])
    return Cell(f"row {int(a.ids[row])}", said, sort=int(a.ids[row]))


def _tags(a: ComparedAnswers, row: int) -> list[str]:
    """What of a text makes it hard; of images nothing is known."""
    if a.texts is None:
        return []
    rare = errors.rare_words(a.texts[row], a.known)[:3]
    return [*errors.text_tags(a.texts[row]), *([f"rare: {', '.join(rare)}"] if rare else [])]


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
    names = class_names(e, a.classes)
    test = "McNemar's exact test" if a.groups is None else "t test over groups"
    rows, folds = [], []
    pairs = list(combinations(a.probabilities, 2))[:PAIRS]
    found = [
        errors.compare_answers(a.probabilities[first], a.probabilities[second], a.targets, a.groups)
        for first, second in pairs
    ]
    adjusted = holm([d.p_value for d in found])
    for (first, second), d, p in zip(pairs, found, adjusted.tolist(), strict=True):
        ahead = first if len(d.only_first) > len(d.only_second) else second
        differ = p < SURE
        rows.append(
            (
                Cell(f"{first} and {second}"),
                Cell(f"{len(d.only_first):,}"),
                Cell(f"{len(d.only_second):,}"),
                Cell(n.p_value(p), sort=p),
                Cell(f"{ahead} errs less" if differ else "not separated", tone="" if differ else "muted"),
            )
        )
        if (a.texts is not None or a.images is not None) and len(d.only_first) + len(d.only_second):
            examples = tuple(_examples(a, names, (first, second), d))
            folds.append(Fold(f"Where {first} and {second} differ", examples))
    columns = (
        Column("candidates", numeric=False), Column("only the first right"), Column("only the second right"),
        Column("p", hint=test), Column("of these two models", numeric=False),
    )  # fmt: skip
    several = f", corrected for {len(pairs)} pairs (Holm)" if len(pairs) > 1 else ""
    note = (
        f"{capital(test)} on the models of the first seed{several}: it weighs the luck of the test examples, "
        "not that of training; the intervals of the table of differences weigh both."
    )
    return section("Where two candidates differ", [Table(columns, tuple(rows), note), *folds])


def _examples(
    a: ComparedAnswers, names: Sequence[str], pair: tuple[str, str], d: errors.Disagreement
) -> Iterator[Block]:
    for better, rows in zip(pair, (d.only_first, d.only_second), strict=True):
        if len(rows):
            yield text(f"Only {better} is right:")
            yield _pair_table(a, names, pair, rows[:EXAMPLES])


def _pair_table(a: ComparedAnswers, names: Sequence[str], pair: tuple[str, str], rows: np.ndarray) -> Table:
    """Examples with their label and what two candidates said."""
    table = tuple(
        (
            _example(a, row),
            Cell(names[a.targets[row]]),
            *(Cell(_said(a.probabilities[c][row], names)) for c in pair),
            *([Cell(", ".join(_tags(a, row)))] if a.texts is not None else []),
        )
        for row in rows
    )
    heads = (_what(a), "label", *pair, *(["remarks"] if a.texts is not None else []))
    columns = tuple(Column(head, numeric=False, is_name=head in pair) for head in heads)
    return Table(columns, table, sortable=False, kind=_kind(a))
