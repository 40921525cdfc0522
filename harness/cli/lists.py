"""`list`: what there is, as data and as a line each."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from harness.cli.text import table_text
from harness.codec import Json, JsonObject
from harness.reading.components import description, table
from harness.record import HarnessError, SuiteError
from harness.store.runs import RunFolder, list_runs
from harness.suite.model_ref import MODEL_KINDS, NAMED


def list_text(what: str, rows: Sequence[JsonObject]) -> str:
    """A line each, for people."""
    said = _SAID.get(what, dict)
    return table_text([{key: str(value) for key, value in said(row).items()} for row in rows])


def _modules(kind: str) -> list[JsonObject]:
    return [{"name": name, "description": description(module, name)} for name, module in table(kind).items()]


def list_models(out: str) -> list[JsonObject]:
    """Names of the table, then the ways to refer to others."""
    others = (kind for prefix, kind in MODEL_KINDS.items() if prefix != NAMED)
    return [*_modules("models"), *({"name": kind.form, "description": kind.summary} for kind in others)]


def list_datasets(out: str) -> list[JsonObject]:
    """Data sets with what they hold."""
    return _modules("datasets")


def list_runtimes(out: str) -> list[JsonObject]:
    """Runtimes with how they serve."""
    return [{"name": r.name, "description": r.summary} for r in table("runtimes").values()]


def list_metrics(out: str) -> list[JsonObject]:
    """Metrics with unit and direction."""
    return [
        {"name": m.name, "unit": m.unit, "better": m.better, "description": m.description}
        for m in table("metrics").values()
    ]


def list_suites(out: str) -> list[JsonObject]:
    """Suite files in `suites/` and here, with their questions, or how many mistakes there are in them; where
    all of these are packages that are not installed, how they are."""
    from harness.reading import read_suites

    rows: list[JsonObject] = []
    for path in [*sorted(Path("suites").glob("*.y*ml")), *sorted(Path().glob("*.y*ml"))]:
        try:
            suite = next(iter(read_suites(path).values()))
        except SuiteError as error:
            if path.parent != Path():
                cures = [re.search(r"needs .*: (pip install .*)", said) for said in error.mistakes]
                needs: dict[str, Json] = {"needs": cures[0][1]} if all(cures) and cures[0] else {}
                rows.append({"file": str(path), "question": None, "mistakes": len(error.mistakes), **needs})
        else:
            rows.append({"file": str(path), "question": suite.question, "mistakes": 0})
    return rows


def list_runs_(out: str) -> list[JsonObject]:
    """Runs, the newest last, with when they began, how many trials they have and what they recommend."""
    return [
        {
            "run": f"{run.suite_name}/{run.id}",
            "suite": run.suite_name,
            "began": datetime.strptime(run.id[:15], "%Y%m%d-%H%M%S").replace(tzinfo=UTC).isoformat(),
            "trials": len(run.trial_ids()),
            **_decided(run),
        }
        for run in list_runs(out)
    ]


def _decided(run: RunFolder) -> JsonObject:
    """The verdict and the choice; None where there is none yet."""
    try:
        found = json.loads(run.read_text("recommendation.json"))
    except (OSError, ValueError, HarnessError):
        found = {}
    return {"verdict": found.get("verdict"), "choice": found.get("choice")}


def _said_of_run(row: JsonObject) -> JsonObject:
    decided = [str(row[key]) for key in ("verdict", "choice") if row[key] is not None]
    verdict = " ".join(decided) or "no recommendation yet"
    return {"run": row["run"], "trials": f"{row['trials']} trials", "verdict": verdict}


def _said_of_suite(row: JsonObject) -> JsonObject:
    wrong = f"({row['mistakes']} mistake{'s' * (row['mistakes'] != 1)}: plan it to see what)"
    if "needs" in row:
        wrong = f"(not installed here: {row['needs']})"
    return {"file": row["file"], "question": wrong if row["mistakes"] else row["question"]}


_SAID: Mapping[str, Callable[[JsonObject], JsonObject]] = {
    "metrics": lambda row: {**row, "better": f"{row['better']} is better"},
    "suites": _said_of_suite,
    "runs": _said_of_run,
}
"""How a row is said where it is not as it stands."""

LISTS: Mapping[str, Callable[[str], list[JsonObject]]] = {
    "models": list_models,
    "datasets": list_datasets,
    "metrics": list_metrics,
    "runtimes": list_runtimes,
    "suites": list_suites,
    "runs": list_runs_,
}
"""What `list` knows; each takes the folder of the runs."""
