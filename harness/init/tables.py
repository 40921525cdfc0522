"""Which column of a table is what: the answer, a text, a group, a time, a number of the row."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

import numpy as np
import pandas as pd

from harness.codec import Json, JsonObject
from harness.datasets import cells, moments
from harness.datasets.commands import for_shell
from harness.datasets.formats import PARQUET
from harness.datasets.label_columns import label_columns, named_alike, one_of
from harness.datasets.nested import LOOKED_AT, are_nested, as_texts
from harness.datasets.part_names import part_called
from harness.datasets.raw import Layout, first_cells, read_file
from harness.datasets.series import MOST_CLASSES
from harness.init.other_questions import refuse_labels, refuse_objects
from harness.record import DataError

ANSWERS = (
    "target", "label", "labels", "y", "outcome", "churn", "churned", "fraud", "is_fraud", "survived",
    "default", "diagnosis", "sentiment", "class", "result", "response", "category", "species", "income",
    "price", "click", "clicked", "converted",
)  # fmt: skip
"""Names of columns that hold the answer, the likelier first; where there is none, the last column does."""
OFTEN_KNOWN = ("result", "response", "category", "income", "price")
"""Those of them that are as often what the answer is predicted from: `price` beside `sales`."""
_OWNER = re.compile(
    r"(?:id)?(?:patient|customer|user|client|person|subject|author|household|document|session|account|device|"
    r"store|thread|family|query|participant|respondent|student|speaker|lesion|record(?=id|n)|q(?=id))(?:ids?|uid|uuid|guid|identifier|no|nr|nbr|num|number|code|key|name|hash|ref|mrn)*"
)
"""What a column is called, without case and signs between, whose equal values belong together. The name says
nothing else: `customers` is how many there were, and of one `customer_age` there are many customers."""
_NO_IDS = re.compile(
    r"(?:un|pre|re)?paid|(?:over)?bid|(?:in)?valid|solid|liquid|fluid|humid|acid|lipid|thyroid|hybrid|android|"
    r"rapid|steroid|grid|mid|covid|a?void|aid|raid|kid|lid|rid|pyramid|vivid|centroid"
)
"""Words that end as ids do and are none."""
LABELLING = ("annotation_id", "lead_time", "annotator", "id", "created_at", "updated_at")
"""What Label Studio's tables say of the labelling; the first two tell such a table."""
_ANSWERS_END = re.compile(
    r"(?!(?i:prev|prior|last|past|lag|old|avg|mean))(?:"
    r"(?i:.*[\W_](?:label|target|churn(?:ed)?|fraud|sentiment|diagnosis|outcome|sales|cancell?ed|readmitted))|"
    r".*[a-z](?:Label|Target|Churn|Fraud|Sentiment|Diagnosis|Outcome|Sales)|"
    r"(?i:attrition|sales|exited|readmitted))"
)
"""How names of columns end that hold the answer, `gold_label`, `Weekly_Sales`, or are called as a whole."""
WORDS = 4
"""A column of at least so many words in the median cell is text, not categories."""
_NUMBERED = re.compile(
    r"patient|subject|participant|respondent|speaker|.*(?:id|no|nr|nbr|num|number|code|key)"
)
"""What owners are called whose numbers count nothing."""
OWNERS, FEW_OWNERS = 10, 3
"""Different values of a column of owners at least: few may be kinds, where they are not numbered."""
SAMPLE = 2000
"""Cells that are looked at for what a column holds."""


@dataclass(frozen=True)
class Roles:
    """What the columns of a table are.

    Args:
        text: the column of texts, empty where the table has none. group: one whose values belong together.
        dates: column → its first and last day. row_names: columns that number or name the rows.
        constant: columns of one value. names: column of texts that name the rows → how many there are.
        unknown: columns that the rows to predict have not. parts: those that say which part a row is of.
        labels: columns of other labels of the same rows. labelling: those that tell how they were labelled.
        texts: columns of texts that tell classes, or several that may be held against each other.
    """

    target: str
    why: str
    text: str = ""
    group: str = ""
    dates: Mapping[str, str] = field(default_factory=dict)
    row_names: tuple[str, ...] = ()
    constant: tuple[str, ...] = ()
    holes: Mapping[str, float] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)
    unknown: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    labelling: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()


def read(path: Path, args: JsonObject) -> pd.DataFrame:
    """A table as its data set will read it.

    Args:
        args: of the data set; the keys that say how the file is written are used.
    Raises:
        DataError: it cannot be read, or has no line of names.
    """
    renamed = given if isinstance(given := args.get("rename"), Mapping) else {}
    layout = Layout(
        encoding=str(args.get("encoding", "utf-8")),
        separator=None if (separator := args.get("separator")) is None else str(separator),
        names=_words(args.get("names")),
        missing=_words(args.get("missing")),
        rename=tuple((str(old), str(new)) for old, new in renamed.items()),
    )
    frame = read_file(path, layout)
    if frame.empty:
        raise DataError(f"{path} has no rows under its column names: is it the right file?")
    return as_texts(frame)  # of lists the data set says what to do


def _words(given: Json) -> tuple[str, ...]:
    return tuple(map(str, given)) if isinstance(given, (list, tuple)) else ()


def headless(path: Path) -> list[str]:
    """The cells of the first line where that names no columns, else nothing."""
    first = first_cells(path, Layout())
    filled = [cell for cell in (first if len(first) > 1 else " ".join(first).split()) if cell]
    return first if filled and all(map(cells.is_numberlike, filled)) else []


def roles(frame: pd.DataFrame, path: Path, target: str | None = None) -> Roles:
    """Which column is what.

    Args:
        target: as the user named it; none: by its name, else the last column that may be an answer.
    Raises:
        DataError: there is no such column, or none that may be an answer.
    """
    if len(frame.columns) < 2:
        _refuse_one_column(frame, path)
    names = _names(frame)
    texts = [name for name in names if _is_text(frame[name])]
    dates = _dates(frame, texts)
    named = [name for name in _row_names(frame) if name not in dates]
    parts = [name for name in names if _says_part(frame[name], name)]
    if target is None:
        refuse_objects(frame, path)
    answer, why = _answer(frame, path, target, {*named, *dates, *texts, *parts})
    if target is None:
        refuse_labels(frame, path, answer, texts, is_answer=answer.casefold().strip() in ANSWERS)
    is_label = bool(texts) and answer.casefold().strip() not in ANSWERS  # marks may stand beside a `label`
    alike = label_columns(frame, answer) if is_label else one_of(frame, answer)
    few = frame[answer].nunique() <= max(2, min(MOST_CLASSES, len(frame) // 4))
    raters = _raters(frame, answer) if few else []  # of an amount, `y_1` is what it was before
    siblings = named_alike(names, answer)
    labels = tuple(dict.fromkeys(name for name in (*alike, *raters, *siblings) if name != answer))
    rest = [name for name in names if name != answer]
    labelling = LABELLING if set(LABELLING[:2]) <= set(names) else ()
    beside = [name for name in texts if name in rest]
    text = beside[0] if beside and few else ""
    return Roles(
        target=answer,
        why=why,
        text=text,
        group=next((name for name in rest if is_owner(frame[name], name)), ""),
        dates={name: span for name, span in dates.items() if name in rest and name not in labelling},
        row_names=tuple(name for name in named if name in rest and name not in labelling),
        parts=tuple(name for name in parts if name != answer),
        constant=tuple(
            n for n in rest if n not in (*labels, *labelling) and frame[n].nunique(dropna=True) <= 1
        ),
        labels=labels,
        labelling=tuple(name for name in rest if name in labelling),
        texts=tuple(beside) if few or len(beside) > 1 else (),
        holes={name: share for name in rest if (share := _missing(frame[name])) > 0},
    )


def _refuse_one_column(frame: pd.DataFrame, path: Path) -> NoReturn:
    """Say why a table has one column alone: it is all, a comment stands first, the separator is another."""
    if path.suffix.lower() in PARQUET:
        raise DataError(f"{path} has one column alone: a table needs one to predict and one to predict from")
    if str(frame.columns[0]).startswith("#"):
        out = str(path.with_name(f"{path.stem}_rows{path.suffix}"))
        code = for_shell(
            f"import pathlib; pathlib.Path({out!r}).write_text('\\n'.join(x for x in pathlib.Path("
            f"{str(path)!r}).read_text('utf-8').splitlines() if not x.startswith('#')), 'utf-8')"
        )
        raise DataError(
            f'{path} begins with a comment, {frame.columns[0]!r}: write it without, `python -c "{code}"`'
        )
    cure = "'separator= '" if " " in str(frame.columns[0]).strip() else "separator=;"
    raise DataError(
        f"{path} has one column, {frame.columns[0]!r}: a table needs one to predict and one to predict "
        f"from; is the separator right? `--set {cure}`"
    )


def _names(frame: pd.DataFrame) -> list[str]:
    return [str(name) for name in frame.columns]


def _answer(frame: pd.DataFrame, path: Path, target: str | None, unlikely: set[str]) -> tuple[str, str]:
    """The column to predict, and why it."""
    columns = _names(frame)
    if target is not None:
        if target not in columns:
            from harness.datasets.line_of_names import lacking

            raise DataError(f"--target {target}: {lacking(path, target, columns)}")
        return target, "as you said"
    folded = {name.casefold().strip(): name for name in columns}
    held = [folded[word] for word in ANSWERS if word in folded and frame[folded[word]].nunique() > 1]
    called = [name for name in columns if _ANSWERS_END.fullmatch(name) and frame[name].nunique() > 1]
    if held and (len(called) != 1 or held[0].casefold().strip() not in OFTEN_KNOWN):
        return held[0], "by its name"
    if len(called) == 1:
        return called[0], "by its name"
    likely = [name for name in columns if name not in unlikely and not _tells_nothing(frame[name])]
    measured = [
        name for name in likely if name.startswith("metrics.")
    ]  # as MLflow's tables of runs have them
    if measured:
        return measured[-1], "the last of the metrics"
    if "value" in likely and any(name.startswith("params_") for name in columns):
        return "value", "what Optuna's trials were judged by"
    if not likely:
        raise DataError(
            f"{path}: no column looks like an answer: name the one to predict with --target COLUMN"
        )
    return likely[-1], "the last column that may be an answer"


def _raters(frame: pd.DataFrame, answer: str) -> list[str]:
    """Columns of what each rater said, `label1`, `label2`, beside the `gold_label` that came of it."""
    plain = answer.casefold()
    numbered = re.compile(rf"(?:{re.escape(plain)}{'|label' if 'label' in plain else ''})[ _]?\d+")
    classes = set(frame[answer].dropna().astype(str))
    return [
        name
        for name in _names(frame)
        if numbered.fullmatch(name.casefold()) and classes & set(frame[name].dropna().astype(str))
    ]


def _tells_nothing(column: pd.Series) -> bool:
    """Whether a column has one value, is empty in most rows, or has texts that hardly come back: no class
    does."""
    is_text = column.dtype == object or isinstance(column.dtype, pd.StringDtype)
    different, filled = column.nunique(), len(column) * (1 - _missing(column))
    if is_text and are_nested(column.dropna().head(LOOKED_AT).astype(str).tolist()):
        return True
    if different <= 1 or 2 * filled < len(column):
        return True
    return is_text and 2 * different > filled and _numbers(column) < different / 2


def _numbers(column: pd.Series) -> int:
    """How many cells begin as numbers do, in whatever notation."""
    return int(column.astype(str).str.match(r"\W*\d").sum())


def _is_text(column: pd.Series) -> bool:
    if column.dtype != object and not isinstance(column.dtype, pd.StringDtype):
        return False
    some = [str(text) for text in column.dropna().head(SAMPLE)]
    return (
        bool(some)
        and not all(moments.is_datelike(text) or cells.are_several(text) for text in some[:20])
        and float(np.median([len(text.split()) for text in some])) >= WORDS
        and len(set(some)) > len(some) / 2
    )


def _row_names(frame: pd.DataFrame) -> list[str]:
    """Columns that have another value in each row and say nothing else: indexes and ids."""
    found = []
    for name in _names(frame):
        column, plain = frame[name], name.casefold().strip()
        if len(frame) < 20 or column.nunique() < len(frame):
            continue
        counts = pd.api.types.is_integer_dtype(column) and bool((column.diff().dropna().abs() == 1).all())
        called = plain in ("index", "row", "key") or plain.startswith("unnamed") or is_id(name)
        if counts or (called and not pd.api.types.is_float_dtype(column)):
            found.append(name)
    return found


def _says_part(column: pd.Series, name: str) -> bool:
    """Whether a column says of which part rows are: `train` and `test`, or yes and no under such a name."""
    values = column.dropna().unique()
    if not 2 <= len(values) <= 4:
        return False
    called = {part_called(str(value).strip()) for value in values}
    if "" not in called:
        return {"train", "test"} <= called
    answers = {str(value).strip().casefold() for value in values} <= {"true", "false", "0", "1"}
    # `test` alone may be what a doctor found, and `is_tested_positive` is.
    is_part = re.fullmatch(r"is[_ ]?(?:train|test)(?:ing)?(?:[_ ]?(?:set|row|data|part))?", name.casefold())
    return answers and bool(is_part or part_called(name) == "train")


def is_id(name: str) -> bool:
    """Whether a column is called as what tells rows apart: `id`, `PassengerId`; not `amount_paid`."""
    words = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)
    last = words[-1].casefold() if words else ""
    return last.endswith(("id", "uuid")) and not _NO_IDS.fullmatch(last)


def _dates(frame: pd.DataFrame, texts: Sequence[str]) -> dict[str, str]:
    found = {}
    for name in _names(frame):
        days = None if name in texts else moments.days_of(frame[name])
        if days is not None and len(days):
            first, last = pd.to_datetime([days.min(), days.max()], unit="D").strftime("%Y-%m-%d")
            found[name] = f"{first} to {last}"
    return found


def is_owner(column: pd.Series, name: str) -> bool:
    """Whether a column says what rows belong to, by its name and how often its values come back."""
    plain = re.sub(r"[\W\d_]+", "", name.casefold())
    if not _OWNER.fullmatch(plain) or pd.api.types.is_float_dtype(column):
        return False
    least = FEW_OWNERS if _are_numbered(column, plain) else OWNERS
    return least <= column.nunique() < 0.8 * len(column)


def _are_numbered(column: pd.Series, plain: str) -> bool:
    """Whether values are one word and a number, as `S01` and no kinds of devices are; numbers alone may count
    (`family`), and the third session is one of many."""
    values = column.dropna().astype(str).unique()[: 2 * OWNERS]
    is_one_word = len({re.sub(r"\d+$", "", value) for value in values}) == 1 and values[0][-1:].isdigit()
    return (
        is_one_word
        and not plain.startswith("session")
        and (bool(_NUMBERED.fullmatch(plain)) or not values[0].isdigit())
    )


def _missing(column: pd.Series) -> float:
    empty = column.isna()
    if column.dtype == object or isinstance(column.dtype, pd.StringDtype):
        empty |= (
            column.astype(str)
            .str.strip()
            .isin(["", "NA", "N/A", "n/a", "NaN", "nan", "NULL", "null", "None"])
        )
    return float(empty.mean())
