"""Derived files of a run folder: tables, recommendation, and the evidence behind them.

All of them can be deleted and come back from the records. `evidence.npz` keeps the joint draws of what
was measured, so that another limit or price decides again in a fraction of a second.
"""

from __future__ import annotations

import csv
import errno
import io
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, is_dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.analysis.kept import Stored, read_evidence, write_evidence
from harness.analysis.money import training_seconds
from harness.analysis.stamps import EVERY, EVIDENCE_FORMAT, STORY, stamp_of, waiting
from harness.analysis.tradeoff import complete
from harness.analysis.uncompared import NOT_YET
from harness.record import HarnessError, Record, RecordError, content_hash
from harness.results import Recommendation, Tradeoff
from harness.store.run_folder import RunFolder
from harness.suite.schema import Suite

if TYPE_CHECKING:
    import pyarrow as pa

LARGEST = 3e38
"""What a draw is stored as in single precision at most: of few launches the far tails are beyond it."""

LONG_SUITE = 50_000
"""Characters of suite.yaml (about 50 candidates, 0.3 s of parsing) above which its JSON is kept too."""


# ------------------------------------------------------------------------------------ tables

COLUMNS = (
    "run", "trial", "kind", "candidate", "runtime", "variant", "seed", "train_size", "round", "scenario",
    "metric", "unit", "value", "status", "note", "at",
)  # fmt: skip
"""Columns of `records.parquet`; `at` is JSON, empty for a headline figure."""


def tidy(records: Iterable[Record], run_id: str) -> dict[str, list[object]]:
    """All measurements, one row each, by column; a failed trial has a row without metric."""
    rows: list[tuple[object, ...]] = []
    for record in records:
        trial = record.trial
        variant = trial.variant.name if trial.variant else None
        common = (
            run_id, trial.id, trial.kind, trial.candidate, trial.runtime, variant, trial.seed,
            trial.train_size, trial.round, trial.scenario,
        )  # fmt: skip
        rows += [
            (*common, m.metric, m.unit, m.value, record.status, m.note, _setting(*m.at.items()))
            for m in record.measurements
        ]
        if record.failure is not None:
            rows.append((*common, None, None, None, record.status, record.failure.reason, ""))
    return dict(zip(COLUMNS, map(list, zip(*rows, strict=True)), strict=True)) if rows else _nothing()


def _nothing() -> dict[str, list[object]]:
    return {name: [] for name in COLUMNS}


@cache
def _setting(*at: tuple[str, object]) -> str:
    """A measurement's setting as JSON; there are few different ones among tens of thousands."""
    return json.dumps(dict(at)) if at else ""


def records_table(records: Iterable[Record], run_id: str) -> pa.Table:
    """All measurements, tidy, each column of its kind whatever it holds."""
    import pyarrow as pa

    kinds = {"seed": pa.int64(), "train_size": pa.int64(), "round": pa.int64(), "value": pa.float64()}
    schema = pa.schema([(name, kinds.get(name, pa.string())) for name in COLUMNS])
    return pa.table(tidy(records, run_id), schema=schema)


def write_records(run: RunFolder, records: Sequence[Record]) -> None:
    """Write `records.parquet`."""
    import pyarrow.parquet as pq

    buffer = io.BytesIO()
    pq.write_table(records_table(records, run.id), buffer)
    run.write_bytes("records.parquet", buffer.getvalue())


def tradeoff_rows(table: Tradeoff) -> list[dict[str, Any]]:
    """The table as plain rows: metric, `_low`, `_high`, `_note`, and the flags."""
    result = []
    for row in table.rows:
        line: dict[str, Any] = {"variant": row.variant, "candidate": row.candidate, "runtime": row.runtime}
        if row.offers:
            line["machine"] = row.machine
        for name in (*table.metrics, *(n for n in row.estimates if n not in table.metrics)):
            cell = row.estimates[name]
            line[name] = cell.value
            line[f"{name}_low"], line[f"{name}_high"] = cell.low, cell.high
            line[f"{name}_note"] = cell.note
        line["pareto"] = row.pareto
        line["pareto_probability"] = row.pareto_probability
        line["feasible_probability"] = row.feasible_probability
        line["best_probability"] = row.best_probability
        line["rejected_by"] = "; ".join(row.rejected_by)
        line["failures"] = "; ".join(row.failures)
        result.append(line)
    return result


def write_tradeoffs(run: RunFolder, table: Tradeoff) -> None:
    """Write `tradeoffs.csv` and `tradeoffs.json`; in the CSV a cell without a number says why."""
    rows = tradeoff_rows(table)
    spreads = {name: asdict(spread) for name, spread in table.spreads.items()}
    document = {"train_size": table.train_size, "warnings": table.warnings, "rows": rows, "spreads": spreads}
    document["sessions"] = table.sessions
    run.write_text("tradeoffs.json", to_json(document))
    buffer = io.StringIO()
    if rows:
        writer = csv.DictWriter(buffer, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        for row in rows:
            said = {n: row[f"{n}_note"] for n in row if row[n] is None and row.get(f"{n}_note")}
            writer.writerow({**row, **said})
    run.write_text("tradeoffs.csv", buffer.getvalue())


def write_recommendation(run: RunFolder, recommendation: Recommendation) -> None:
    """Write `recommendation.json`."""
    run.write_text("recommendation.json", to_json(asdict(recommendation)))


def to_json(value: object) -> str:
    """JSON for people and programs: no NaN, numpy numbers as numbers, data classes as objects."""
    return json.dumps(_plain(value), indent=1, allow_nan=False, ensure_ascii=False) + "\n"


def _plain(value: object) -> object:
    if is_dataclass(value) and not isinstance(value, type):
        value = asdict(value)
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


# ------------------------------------------------------------------------------------ evidence


def stored_suite(run: RunFolder) -> Suite:
    """The run's resolved suite; its YAML is parsed once, then kept as JSON in `.suite.json`.

    Reading the YAML of a suite with 800 candidates takes seconds, the JSON a tenth of one.

    Raises:
        RecordError: it cannot be read.
    """
    try:
        text = run.read_text("suite.yaml")
    except FileNotFoundError:
        raise RecordError(f"{run.id} has no suite.yaml: it is no run folder, or was never started") from None
    if len(text) < LONG_SUITE:
        return _parsed(text)
    digest = content_hash([EVIDENCE_FORMAT, text])
    try:
        kept, _, document = run.read_text(".suite.json").partition("\n")
        if kept == digest:
            return Suite.model_validate_json(document)
    except (FileNotFoundError, ValueError):
        pass
    suite = _parsed(text)
    run.write_text(".suite.json", f"{digest}\n{suite.model_dump_json(by_alias=True)}")
    return suite


def _parsed(text: str) -> Suite:
    from harness.reading import suite_from_text  # the reader with all its checks takes 0.05 s to import

    return suite_from_text(text)


def stored_evidence(
    run: RunFolder, suite: Suite, slices: Sequence[str] = (), records_stamp: str = ""
) -> Stored:
    """The measured table of a run: as stored when nothing changed since, else made from the records.

    Args:
        slices: metrics on slices that are needed; a stored table without them is made again.
        records_stamp: `stamp_of`, where the caller has just asked for it.
    """
    stored = _measured(run, suite, slices, records_stamp)
    ruled_out, left = _ruled_out(run), waiting(run)
    if not ruled_out and not left:
        return stored
    from harness.analysis.ruled_out import with_reasons

    not_yet = {r.variant: NOT_YET for r in stored.table.rows if left & {EVERY, r.variant, r.candidate}}
    return replace(stored, table=with_reasons(stored.table, {**not_yet, **ruled_out}))


def _measured(run: RunFolder, suite: Suite, slices: Sequence[str], records_stamp: str) -> Stored:
    """The same without who was ruled out or not come to: that changes with each step, and no figure of it."""
    stamp = content_hash([records_stamp or stamp_of(run), *_asked(suite)])
    stored = read_evidence(run)
    if stored is not None and stored.stamp == stamp and all(n in stored.table.draws for n in slices):
        return stored
    # These read records, which deciding again does not.
    from harness.analysis.loads import Loads
    from harness.analysis.measured import measured_table
    from harness.analysis.predictions import predictions_of

    records = run.records()
    table = measured_table(records, suite, predictions_of(run), slices, Loads(run))
    # As they come back from the file, so that deciding again gives the same digits.
    table = replace(
        table,
        draws={
            n: np.clip(d, -LARGEST, LARGEST).astype(np.float32).astype(float) for n, d in table.draws.items()
        },
    )
    stored = Stored(table, training_seconds(records, table.train_size), stamp)
    try:
        write_evidence(run, stored)
    except HarnessError as error:
        # Where one may only read it is made again each time; a full disk is said.
        if getattr(error.__cause__, "errno", None) not in (errno.EROFS, errno.EACCES, errno.EPERM):
            raise
    return stored


def _ruled_out(run: RunFolder) -> dict[str, str]:
    """Variant → why nothing more of it was measured; empty for a run that measured what its suite names."""
    try:
        found: dict[str, str] = json.loads(run.read_bytes(STORY)).get("ruled_out", {})
    except (FileNotFoundError, ValueError, AttributeError):
        return {}
    return found


def _asked(suite: Suite) -> list[object]:
    """What the measured table takes from the suite and another decision may set otherwise.

    Limits and load say who is in the race, and so who learns from whom.
    """
    decision, machine = suite.decision, suite.machine
    terms = [list(decision.constraints), decision.objective, decision.value, decision.traffic.model_dump()]
    return [*terms, machine.machine_class, machine.cores]


def table_of(run: RunFolder, suite: Suite, slices: Sequence[str] = ()) -> Tradeoff:
    """The complete trade-off table of a run for a suite's prices and limits.

    Raises:
        SuiteError: the suite's price, limits or objective cannot be read.
    """
    stored = stored_evidence(run, suite, slices)
    return complete(stored.table, suite, stored.seconds)
