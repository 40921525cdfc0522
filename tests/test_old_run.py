"""A run folder that an earlier version wrote still reports, recommends and compares.

`fixtures/run_of_2026` was written by the version of 28 November 2026: two classifiers of a table, trained,
scored and served once; paths and the host's name were taken out, what can be derived was left out.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from harness.cli.main import main

KEPT = Path(__file__).parent / "fixtures" / "run_of_2026" / "churn" / "20261128-021509-672d80ca"


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return Path(shutil.copytree(KEPT, tmp_path / "results" / "churn" / KEPT.name))


def test_an_old_run_is_reported_with_the_figures_that_it_had(run: Path) -> None:
    assert main(["report", str(run)]) == 0
    rows = {row["candidate"]: row for row in json.loads((run / "tradeoffs.json").read_text())["rows"]}
    measured = {}
    for path in KEPT.glob("trials/score-*/record.json"):
        record = json.loads(path.read_text())
        (accuracy,) = (m for m in record["measurements"] if m["metric"] == "accuracy" and not m["at"])
        measured[record["trial"]["candidate"]] = accuracy["value"]
    assert len(measured) == 2
    assert {name: row["accuracy"] for name, row in rows.items()} == pytest.approx(measured)
    page = (run / "report.html").read_text()
    assert all(name in page for name in measured) and "could not be written" not in page


@pytest.mark.parametrize(
    ("limit", "verdict", "choice"),
    [("pr_auc >= 0.1", "recommend", "logistic/sklearn"), ("pr_auc >= 0.99", "none_feasible", None)],
)
def test_an_old_run_is_decided_again_under_other_limits(
    run: Path, capsys: pytest.CaptureFixture[str], limit: str, verdict: str, choice: str | None
) -> None:
    assert main(["recommend", str(run), "--where", limit, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["verdict"], found["choice"]) == (verdict, choice)


def test_an_old_run_compares_with_itself_without_a_regression(run: Path) -> None:
    again = shutil.copytree(run, run.parent / "20261129-021509-672d80ca")
    assert main(["compare", str(run), str(again)]) == 0
