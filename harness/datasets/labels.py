"""Labels as they were meant: what differs in case, blanks or a full stop is one mistake, not two classes."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from decimal import Decimal

import numpy as np

from harness.datasets.odd_cells import EXCEL_ERROR
from harness.record import DataError
from harness.suite.source import quoted

EMPTY_WORDS = frozenset({"na", "n/a", "#n/a", "<na>", "nan", "null", "none", "nil", "-", "?", ".", "\\n"})
"""Words that may be a label, and may stand for nothing."""
SEPARATORS = ("|", ";", ",", "/", "+", "&", "#", " ")
"""What files put between several labels of one cell."""
MOST_STEPS = 20
"""Of a scale with half steps; more numbers with decimals are a measurement."""
STEPS = {"0", "5", "00", "25", "50", "75"}
"""Behind the comma of a scale of halves or quarters."""
MANY_RARE, RARE = 20, 0.2
"""So many classes of one row, and such a share of all, are told."""
SHARED = 0.8
"""The share of the parts of joined labels that must stand in other labels too."""
YES = frozenset(
    {
        "yes",
        "y",
        "true",
        "t",
        "1",
        "on",
        "ja",
        "j",
        "wahr",
        "oui",
        "vrai",
        "si",
        "sí",
        "sì",
        "verdadero",
        "vero",
    }
    | {"sim", "verdadeiro", "tak", "prawda", "ano", "da", "да", "はい", "是", "evet", "waar", "kyllä", "igen"}
)
NO = frozenset(
    {
        "no",
        "n",
        "false",
        "f",
        "0",
        "off",
        "nein",
        "falsch",
        "non",
        "faux",
        "falso",
        "não",
        "nao",
        "nie",
        "fałsz",
    }
    | {"ne", "нет", "いいえ", "否", "hayır", "nee", "onwaar", "nej", "nei", "ei", "nem"}
)
"""Words that say yes and no in some languages; where nothing else stands in a column, two are one."""
_CHOICES = re.compile(r'\s*\{\s*"choices"\s*:\s*(\[.*\])\s*\}\s*', re.DOTALL).fullmatch
"""Several labels as Label Studio's tables have them; one stands alone."""
_WHOLE = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.0*)?")
_CODE = re.compile(r"[0-9]+(?:\.0*)?")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?")


_COMMA = re.compile(r"-?[0-9]+,[0-9]+")


def folded(label: str) -> str:
    """A label without case, runs of blanks or underscores, and marks at its end."""
    text = unicodedata.normalize("NFKC", label).casefold()
    text = "".join(sign for sign in text if unicodedata.category(sign) != "Cf")  # zero-width signs
    return re.sub(r"[\s_]+", " ", text).strip(" .,;:!'\"") or text


def meanings(labels: Iterable[str]) -> dict[str, str]:
    """Each label → what it means: labels of one meaning are written in several ways."""
    plain = {label: folded(label) for label in labels}
    if plain and all(map(_CODE.fullmatch, plain.values())):  # 01 is 1, as a spreadsheet writes it
        return {label: str(int(word.partition(".")[0])) for label, word in plain.items()}
    if not set(plain.values()) <= YES | NO or len(set(plain.values())) < 3:
        return plain
    return {label: "yes" if word in YES else "no" for label, word in plain.items()}


def class_names(labels: Iterable[str]) -> dict[str, str]:
    """Each label as it stands in a file → its class's name: numbers without `.0`, all else as it is."""
    labels = list(labels)
    if all(_NUMBER.fullmatch(label) for label in labels):
        return {t: str(int(t.partition(".")[0])) if _WHOLE.fullmatch(t) else _short(t) for t in labels}
    return {label: label for label in labels}


def _short(text: str) -> str:
    value = float(text)
    return str(int(value)) if value.is_integer() and abs(value) < 2**53 else str(value)


def in_order(names: Iterable[str]) -> tuple[str, ...]:
    """Numbers by value, words by alphabet."""
    names = set(names)
    if all(_NUMBER.fullmatch(name) for name in names):
        return tuple(sorted(names, key=Decimal))  # as floats, numbers beyond 2^53 would be equal
    return tuple(sorted(names))


def check_alike(counts: Mapping[str, int], where: str, stated: Mapping[str, str] | None = None) -> list[str]:
    """What is wrong with labels of which two are meant to be one, each with its cure.

    Args:
        counts: label → rows. where: the file and column, for people.
        stated: labels that the user has named already, as they are to be read.
    """
    groups: dict[str, list[str]] = {}
    named = set((stated or {}).values())
    for label, meaning in meanings(label for label in counts if label not in named).items():
        groups.setdefault(meaning, []).append(label)
    mistakes = []
    for alike in groups.values():
        if len(alike) > 1:
            alike = sorted(alike, key=lambda label: (-counts[label], label))
            rows = ", ".join(f"{label!r} ({counts[label]} rows)" for label in alike)
            cure = ", ".join(f"{quoted(label)}: {quoted(alike[0])}" for label in alike[1:])
            apart = ", ".join(f"{quoted(label)}: {quoted(label)}" for label in alike)
            mistakes.append(
                f"{where} has labels that {_how_alike(alike)}: {rows}: write "
                f"`labels: {{{cure}}}`, or where they are different classes `labels: {{{apart}}}`"
            )
    return mistakes


def _how_alike(labels: Sequence[str]) -> str:
    if all(map(_CODE.fullmatch, labels)):
        return "are one number, written in several ways"
    same = len(set(map(folded, labels))) == 1
    return "differ in case, blanks or marks only" if same else "all mean yes, or all mean no"


def check_single(
    counts: Mapping[str, int], where: str, stated: Mapping[str, str] | None = None, of_numbers: str = ""
) -> list[str]:
    """What is wrong with a column whose cells hold several labels: `rude|spam` is not a class beside `rude`.

    Joined are labels whose parts also stand alone or in others, as names with a `/` of their own do not.
    `3,5` is a number with a decimal comma where all are, and something in the column tells.

    Args:
        of_numbers: how many numbers are predicted, where they are no classes.
    """
    named = set((stated or {}).values())
    with_commas = {label for label in counts if _COMMA.fullmatch(label)} - named
    if with_commas and all(label in with_commas or _NUMBER.fullmatch(label) for label in counts):
        return [] if _are_decimals(counts) else [_either(with_commas, counts, where, of_numbers)]
    lists = any(map(_CHOICES, counts)) or all(label[:1] == "[" and label[-1:] == "]" for label in counts)
    for mark in (",",) if lists else SEPARATORS:
        apart = {label: parts_of(label, mark) for label in counts}
        joined = [label for label, parts in apart.items() if len(parts) > 1 and label not in named]
        holders = Counter(part for parts in apart.values() for part in set(parts))
        parts = [part for label in joined for part in apart[label]]
        if mark == " " and (
            len(joined) < 3 or min(holders[part] for part in parts) < 2 or _are_graded(list(apart.values()))
        ):
            continue  # names of two words are common, and share some
        if not joined or (not lists and sum(holders[part] > 1 for part in parts) < SHARED * len(parts)):
            continue
        rows, kinds = sum(counts[label] for label in joined), len(holders)
        one, few = joined[0], ", ".join(map(repr, joined[:3]))
        instead = f", which would be {len(counts)} classes instead of {kinds}" if kinds != len(counts) else ""
        return [
            f"{where} holds several labels in one cell ({few}; {rows} rows){instead}: write "
            f"`task: multilabel_classification` and, under data, `label_separator: {quoted(mark)}`, "
            "or where they are classes of their own name them, "
            f"`labels: {{{quoted(one)}: {quoted(' and '.join(apart[one]))}, …}}`"
        ]
    return []


def _are_decimals(labels: Collection[str]) -> bool:
    """Whether commas between digits are decimal ones for sure: `-1,5`, `3,3` and `0,05` are no two labels,
    and nothing but halves and quarters is a scale."""
    cut = [label.partition(",") for label in labels]
    told = any(
        whole[:1] == "-" or whole == part or (part[:1] == "0" and len(part) > 1) for whole, _, part in cut
    )
    return told or {part for _, _, part in cut} <= STEPS


def _either(commas: Collection[str], counts: Mapping[str, int], where: str, of_numbers: str) -> str:
    """What is asked of cells such as `1,5`, which may be two labels and one number."""
    shown, rows = sorted(commas), sum(counts[label] for label in commas)
    many = f"; {of_numbers}" if of_numbers and len(counts) > MOST_STEPS else ""
    return (
        f"{where} holds numbers with a decimal comma, or two labels in one cell "
        f"({', '.join(map(repr, shown[:3]))}; {rows} rows): for labels write "
        '`task: multilabel_classification` and, under data, `label_separator: ","`; for classes that are '
        f"numbers name them, `labels: {{{quoted(shown[0])}: {quoted(shown[0].replace(',', '.'))}, …}}`{many}"
    )


def _are_graded(labels: Sequence[Sequence[str]]) -> bool:
    """Whether all labels of two words begin with one that stands nowhere else: `very good`, `very bad`."""
    elsewhere = {word for label in labels for word in (label[1:] if len(label) > 1 else label)}
    return not any(label[0] in elsewhere for label in labels if len(label) > 1)


def parts_of(cell: str, mark: str) -> list[str]:
    """The labels of a cell; brackets and quotes of a list that Python or JSON wrote are no part of them,
    nor is what Label Studio writes around it."""
    cell = found[1] if (found := _CHOICES(cell)) else cell
    if cell.startswith("[") and cell.endswith("]"):
        mark = mark if mark in cell else ","
        return [part for piece in cell[1:-1].split(mark) if (part := piece.strip().strip("'\"").strip())]
    return [part for piece in cell.split(mark) if (part := piece.strip())]


def check_known(train: Iterable[str], test: Mapping[str, int], where: str) -> list[str]:
    """What is wrong with labels of a test part that no training row has, with the cure."""
    known = list(dict.fromkeys(train))
    strange = [label for label in test if label not in set(known)]
    if not strange:
        return []
    near = {label: _nearest(label, known) for label in strange}
    rows = sum(test[label] for label in strange)
    listed = ", ".join(strange[:8]) + (", …" if len(strange) > 8 else "")
    text = (
        f"{where}: no training row has the label {listed}: add some, or take these rows out of the test part"
    )
    cures = [f"{quoted(label)}: {quoted(other)}" for label, other in near.items() if other]
    same = f"; where they are the same write `labels: {{{', '.join(cures)}}}`" if cures else ""
    return [f"{text} ({rows} row{'s' if rows > 1 else ''}){same}"]


def _nearest(label: str, known: Sequence[str]) -> str | None:
    same = [other for other in known if folded(other) == folded(label)]
    near = same or difflib.get_close_matches(label, known, n=1, cutoff=0.7)
    return near[0] if near else None


def check_computed(cells: Iterable[str], where: str) -> list[str]:
    """What is wrong with cells that a spreadsheet could not compute: they are no value and no class."""
    wrong = [cell for cell in cells if EXCEL_ERROR.fullmatch(cell)]
    if not wrong:
        return []
    words = ", ".join(f'"{cell}"' for cell in wrong)
    return [
        f"{where} holds errors of a spreadsheet ({', '.join(wrong)}): write `missing: [{words}]` if they "
        "stand for nothing, or correct them"
    ]


def check_no_scores(names: Sequence[str], where: str, cure: str) -> list[str]:
    """What is wrong with classes that are numbers with decimals, more than there are steps on a scale.

    Args:
        cure: how such numbers are predicted.
    """
    plain = in_order(name.replace(",", ".") for name in names)
    if (
        len(names) <= MOST_STEPS
        or not all(map(_NUMBER.fullmatch, plain))
        or all(map(_WHOLE.fullmatch, plain))
    ):
        return []
    return [
        f"{where} holds {len(names)} numbers from {plain[0]} to {plain[-1]}, each of which would be "
        f"a class: {cure}"
    ]


def said_of_classes(counts: Mapping[str, int], tested: Iterable[str], column: str) -> list[str]:
    """What `plan` says where many classes are of one row, and where none of a class is tested on.

    Args:
        counts: class → rows. tested: the classes of a test part of its own; empty where there is none.
    """
    said = said_of_absent(counts, set(tested))
    once = sum(rows == 1 for rows in counts.values())
    if once >= MANY_RARE and once >= RARE * len(counts):
        said.append(
            f"{once:,} of {len(counts):,} classes of column {column!r} have one row each: such a class is "
            "learnt or asked for, never both; drop these rows, or name another column"
        )
    return said


def said_of_absent(counts: Mapping[str, int], tested: Collection[str]) -> list[str]:
    """That a test part lacks classes, which no figure then knows; nothing where there is no such part."""
    absent = in_order(label for label in counts if label not in tested) if tested else ()
    if not absent:
        return []
    listed = ", ".join(map(repr, absent[:5])) + (", …" if len(absent) > 5 else "")
    return [
        f"the test part has nothing of {len(absent)} of {len(counts)} classes ({listed}): no figure says how "
        "they are found, and macro recall, precision and F1 count answers that name them as 0"
    ]


def words_for_nothing(counts: Mapping[str, int]) -> list[str]:
    """What `plan` says of labels that may stand for nothing."""
    return [
        f"the label {label!r} ({count} rows) is taken as a class of its own: if it stands for nothing, take "
        f"these rows out, or write `missing: [{quoted(label)}]` to see which they are"
        for label, count in counts.items()
        if label.casefold() in EMPTY_WORDS
    ]


def counted(labels: np.ndarray) -> Counter[str]:
    return Counter(labels.tolist())


def raise_all(mistakes: Sequence[str]) -> None:
    """All mistakes in one error, where there are any."""
    if mistakes:
        raise DataError(*mistakes)
