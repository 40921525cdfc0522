"""The end of a run: what to do next, what a smoke test found out, and how long a plan thinks it takes."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from report_samples import WORLD, make_records, make_run, make_suite

from harness.datasets.catalog import counted_rows
from harness.planning.estimate import rows_of
from harness.record import Failure
from harness.report import gather, summary_text, write_report
from harness.report.pdf import find_browser, print_page_one
from harness.report.terminal import next_commands, terminal_summary
from harness.results import Recommendation
from harness.running.smoke import smoke, smoke_text
from harness.suite.schema import Suite

CHOICE = Recommendation("recommend", "cnn/onnx", 0.9, constraints=("accuracy >= 0.87",))


def test_a_decision_is_followed_by_the_three_commands_that_are_wanted_next() -> None:
    commands = [command for command, _ in next_commands(CHOICE, "desk/2025")]
    assert commands == [
        "python -m harness export desk/2025 cnn/onnx deploy",
        "python -m harness recommend desk/2025 --where 'accuracy >= 0.827'",
        "python -m harness compare desk/2025 desk/latest",
    ]
    elsewhere = [command for command, _ in next_commands(CHOICE, "/shared/desk/2025")]
    assert elsewhere[2] == "python -m harness compare /shared/desk/2025 /shared/desk/latest"
    without = next_commands(replace(CHOICE, choice=None, constraints=()), "desk/2025", make_suite(WORLD[:1]))
    assert "--set decision.traffic.qps=400" in without[0][0] and not any("export" in c for c, _ in without)


def test_the_terminal_shows_verdict_commands_and_where_the_report_lies(tmp_path: Path) -> None:
    e = gather(make_run(tmp_path, make_records(WORLD[:3], seeds=(0, 1)), make_suite(WORLD[:3]), files=False))
    from io import StringIO

    from rich.console import Console

    stream = StringIO()
    shown = terminal_summary(
        e.tradeoff, e.recommendation, report="r/report.html", run="made_up/1", suite=e.suite
    )
    Console(file=stream, width=100).print(shown)
    text = stream.getvalue()
    assert text.index("Ship") < text.index("Next:") < text.index("Report: r/report.html")
    assert "Next:" not in summary_text(e.tradeoff, e.recommendation)


def test_a_smoke_test_says_what_it_checked_and_that_no_decision_is_meant() -> None:
    records = make_records(WORLD[:2], seeds=(0,), rounds=1)
    assert smoke_text(records).startswith("Smoke test passed: every candidate trains, exports and serves.")
    broken = [
        replace(r, status="failed", failure=Failure("no", "E", "")) if r.trial.candidate == "logistic" else r
        for r in records
    ]
    assert smoke_text(broken).startswith("Smoke test: small_cnn work")
    assert "No decision is meant" in smoke_text(broken)


def own_table(folder: Path, rows: int, **more: str) -> Suite:
    path = folder / "own.csv"
    path.write_text("a,label\n" + "".join(f"{i},{i % 2}\n" for i in range(rows)))
    data = {"name": "tabular_csv", "args": {"path": str(path), **more}}
    question = {
        "name": "own", "task": "tabular_classification", "data": data,
        "candidates": {"a": {"model": "sklearn:LogisticRegression"}},
    }  # fmt: skip
    return Suite.model_validate_json(json.dumps(question))


def test_a_plan_counts_the_rows_of_own_files(tmp_path: Path) -> None:
    found = rows_of(own_table(tmp_path, 60))
    assert found.test == 12 and 40 <= found.train <= 48
    (tmp_path / "images" / "cat").mkdir(parents=True)
    for i in range(30):
        (tmp_path / "images" / "cat" / f"{i}.png").touch()
    assert counted_rows("image_folder", {"path": str(tmp_path / "images")}) == (24, 6)
    assert counted_rows("tabular_csv", {"path": str(tmp_path / "gone.csv")}) is None


def test_a_smoke_test_of_twenty_rows_takes_all_of_them(tmp_path: Path) -> None:
    assert smoke(own_table(tmp_path, 20)).data.train_sizes == ()
    assert smoke(own_table(tmp_path, 5000)).data.train_sizes == (256,)


@pytest.mark.skipif(find_browser() is None, reason="needs a browser to print with")
def test_page_one_is_printed_on_one_page(tmp_path: Path) -> None:
    run = make_run(tmp_path, make_records(WORLD, seeds=(0, 1), rounds=2), make_suite(WORLD), files=False)
    write_report(gather(run))
    made = print_page_one(Path(run.url))
    assert made.name == "summary.pdf"
    assert len(re.findall(rb"/Type\s*/Page\b", made.read_bytes())) == 1
