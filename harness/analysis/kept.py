"""`evidence.npz`: the measured table of a run as arrays, so that deciding again reads no record.

Columns are read whole and a figure is made when one looks at it: of 833 variants with nine metrics and 200
service times each, JSON of every figure took a tenth of a second, and an answer looks at a fourth of them.
"""

from __future__ import annotations

import io
import json
import math
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from harness.analysis.cost import TrainCost
from harness.analysis.draws import StoredDraws
from harness.analysis.money import TrainingSeconds
from harness.analysis.stats import Array
from harness.results import Baseline, Estimate, Row, ServiceTimes, Tradeoff
from harness.spread import Spread
from harness.store.run_folder import RunFolder

NUMBERS = ("value", "low", "high", "se", "df")
"""Fields of an estimate that are kept as an array, NaN for None."""

OTHERS = tuple(field.name for field in fields(Estimate) if field.name not in NUMBERS)

OF_ROWS = (
    "variant", "candidate", "runtime", "pareto", "pareto_probability", "feasible_probability",
    "best_probability", "rejected_by", "failures", "training_failure", "counted_share",
)  # fmt: skip
"""What is kept of a row beside its estimates and service times; what costs tell of it is never kept."""


@dataclass(frozen=True)
class Stored:
    """What was measured, before prices and limits. `stamp`: of the records it was made from."""

    table: Tradeoff
    seconds: TrainingSeconds
    stamp: str


# ------------------------------------------------------------------------------------ writing


def write_evidence(run: RunFolder, stored: Stored) -> None:
    """Write `evidence.npz`: draws as float32, figures as float64, words as JSON."""
    table = stored.table
    metrics, draws = list(table.rows[0].estimates) if table.rows else [], list(table.draws)
    cells = {name: [row.estimates[name] for row in table.rows] for name in metrics}
    services = [row.service for row in table.rows]
    document = {
        "stamp": stored.stamp,
        "seconds": {name: asdict(found) for name, found in stored.seconds.items()},
        "train_size": table.train_size,
        "warnings": table.warnings,
        "metrics": table.metrics,
        "baseline": asdict(table.baseline),
        "spreads": {name: asdict(spread) for name, spread in table.spreads.items()},
        "machine_class": table.machine_class,
        "sessions": table.sessions,
        "draws": draws,
        "rows": {name: _column([getattr(row, name) for row in table.rows]) for name in OF_ROWS},
        "estimates": {
            name: {other: _column([getattr(cell, other) for cell in column]) for other in OTHERS}
            for name, column in cells.items()
        },
        "services": [
            s and {"by_size": s.by_size, "varies": len(s.varies), "workers": s.workers} for s in services
        ],
    }
    numbers = [[[_number(getattr(cell, n)) for cell in column] for n in NUMBERS] for column in cells.values()]
    buffer = io.BytesIO()
    np.savez(
        buffer,
        allow_pickle=False,
        document=np.frombuffer(json.dumps(document, allow_nan=False).encode(), dtype=np.uint8),
        numbers=np.array(numbers, dtype=float),
        varies=np.array([v for s in services if s for v in s.varies], dtype=float),
        **{f"draws_{k}": np.asarray(table.draws[n], dtype=np.float32) for k, n in enumerate(draws)},
    )
    run.write_bytes("evidence.npz", buffer.getvalue())


def _column(values: Sequence[object]) -> dict[str, object]:
    """One value for all where they are the same, as most are."""
    return {"all": values[0]} if len({repr(v) for v in values}) == 1 else {"each": list(values)}


def _number(value: float | None) -> float:
    return value if value is not None and math.isfinite(value) else math.nan


# ------------------------------------------------------------------------------------ reading


def read_evidence(run: RunFolder) -> Stored | None:
    """What `write_evidence` wrote; None where there is none, or it is damaged or of another format."""
    try:
        # On a local disk only what is asked for is read.
        path = Path(run.url.removeprefix("file://")) / "evidence.npz"
        archive = np.load(
            path if path.exists() else io.BytesIO(run.read_bytes("evidence.npz")), allow_pickle=False
        )
        document = json.loads(archive["document"].tobytes())
        table = Tradeoff(
            _rows(document, archive["numbers"], archive["varies"].tolist()),
            tuple(document["metrics"]),
            StoredDraws(archive, document["draws"]),
            document["train_size"],
            tuple(document["warnings"]),
            _baseline(document["baseline"]),
            {name: Spread(**spread) for name, spread in document["spreads"].items()},
            document["machine_class"],
            tuple(document["sessions"]),
        )
        seconds = {name: TrainCost(**found) for name, found in document["seconds"].items()}
        return Stored(table, seconds, document["stamp"])
    except (FileNotFoundError, ValueError, KeyError, TypeError, AttributeError, OSError, zipfile.BadZipFile):
        return None


def _baseline(data: Mapping[str, Any]) -> Baseline:
    lists = {name: tuple(data[name]) for name in ("same_for_all", "unseen_labels")}
    return Baseline(**{**data, **lists})


def _rows(document: Mapping[str, Any], numbers: Array, varies: list[float]) -> tuple[Row, ...]:
    services, start = [], 0
    for data in document["services"]:
        until = start + (data["varies"] if data else 0)
        services.append(_service(data, varies[start:until]) if data else None)
        start = until
    cells = _Cells(document["estimates"], numbers, len(services))
    columns = {name: _each(column, len(services)) for name, column in document["rows"].items()}
    for name in ("rejected_by", "failures"):
        columns[name] = [tuple(said) for said in columns[name]]
    return tuple(
        Row(estimates=_Estimates(cells, k), service=service, **{name: c[k] for name, c in columns.items()})
        for k, service in enumerate(services)
    )


def _each(column: Mapping[str, Any], count: int) -> list[Any]:
    return [column["all"]] * count if "all" in column else column["each"]


def _service(data: Mapping[str, Any], varies: Sequence[float]) -> ServiceTimes:
    by_size = tuple((int(size), float(ms)) for size, ms in data["by_size"])
    return ServiceTimes(by_size, tuple(varies), data["workers"])


class _Cells:
    """The figures of all rows.

    Args:
        numbers: (metrics, NUMBERS, rows).
    """

    def __init__(self, estimates: Mapping[str, Any], numbers: Array, count: int) -> None:
        if numbers.shape != (len(estimates), len(NUMBERS), count) and estimates:
            raise ValueError(f"evidence.npz: {numbers.shape} figures of {len(estimates)} metrics")
        self.names = tuple(estimates)
        self._numbers = dict(zip(estimates, numbers.tolist(), strict=True))
        self._others = {
            name: {other: _each(column, count) for other, column in columns.items()}
            for name, columns in estimates.items()
        }

    def at(self, name: str, k: int) -> Estimate:
        numbers = zip(NUMBERS, self._numbers[name], strict=True)
        figures: dict[str, Any] = {
            number: None if column[k] != column[k] else column[k] for number, column in numbers
        }
        return Estimate(**figures, **{other: column[k] for other, column in self._others[name].items()})


class _Estimates(Mapping[str, Estimate]):
    """A row's figures, each made when it is first looked at."""

    def __init__(self, cells: _Cells, k: int) -> None:
        self._cells, self._k = cells, k
        self._made: dict[str, Estimate] = {}

    def __getitem__(self, name: str) -> Estimate:
        if name not in self._made:
            self._made[name] = self._cells.at(name, self._k)
        return self._made[name]

    def __contains__(self, name: object) -> bool:
        return name in self._cells.names

    def __iter__(self) -> Iterator[str]:
        return iter(self._cells.names)

    def __len__(self) -> int:
        return len(self._cells.names)
