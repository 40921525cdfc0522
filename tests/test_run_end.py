"""The end of a run: what to do next, what a smoke test found out, and how long a plan thinks it takes."""

from __future__ import annotations

import json
import re
import threading
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import cast

import pytest
from rich.console import Console

from harness.analysis.recommend import decide
from harness.datasets.catalog import counted_rows
from harness.planning.estimate import rows_of
from harness.planning.request import RunRequest
from harness.record import Failure
from harness.report import gather, pdf, render, summary_text, write_report
from harness.report.evidence import Evidence
from harness.report.pdf import _page_one, find_browser, print_page_one
from harness.report.sections import SECTIONS
from harness.report.terminal import (
    _beyond,
    next_commands,
    other_terms,
    recommendation_text,
    terminal_summary,
)
from harness.results import Recommendation
from harness.running import ending
from harness.running.smoke import smoke, smoke_text
from harness.store.runs import RunFolder
from harness.suite.schema import Suite
from tests.report_samples import WORLD, make_records, make_run, make_suite

CHOICE = Recommendation("recommend", "cnn/onnx", 0.9, constraints=("accuracy >= 0.87",))


def test_a_decision_is_followed_by_the_three_commands_that_are_wanted_next() -> None:
    commands = [command for command, _ in next_commands(CHOICE, "desk/2025")]
    assert commands == [
        "python -m harness export desk/2025 cnn/onnx deploy",
        "python -m harness recommend desk/2025 --set decision.traffic.qps=100",
        "python -m harness compare desk/2025 desk/latest",
    ]
    elsewhere = [command for command, _ in next_commands(CHOICE, "/shared/desk/2025")]
    assert elsewhere[2] == "python -m harness compare /shared/desk/2025 /shared/desk/latest"
    without = next_commands(replace(CHOICE, choice=None, constraints=()), "desk/2025", make_suite(WORLD[:1]))
    assert "--set decision.traffic.qps=400" in without[0][0] and not any("export" in c for c, _ in without)


def test_a_recommender_is_offered_for_export_like_any_other() -> None:
    shop = make_suite(WORLD[:1]).model_copy(update={"task": "recommendation"})
    commands = [command for command, _ in next_commands(CHOICE, "shop/2025", shop)]
    assert commands[0] == "python -m harness export shop/2025 cnn/onnx deploy"


def test_another_limit_is_suggested_where_it_changes_the_answer(tmp_path: Path) -> None:
    suite = make_suite(WORLD[:3])
    limited = suite.decision.model_copy(update={"constraints": ("latency_p99_ms <= 60",)})
    suite = suite.model_copy(update={"decision": limited})
    run = make_run(tmp_path, make_records(WORLD[:3], seeds=(0, 1)), suite, files=False)
    command, why = other_terms(gather(run).recommendation, "recommend x", suite)
    found = re.fullmatch(r"recommend x --where '(latency_p99_ms <= [\d.]+)'", command)
    assert found is not None
    again = decide(run, [found[1]])
    assert (
        why == f"where the answer becomes {again.choice}"
        and again.choice != gather(run).recommendation.choice
    )


def test_where_nobody_may_be_chosen_the_hardest_limit_is_widened() -> None:
    keeps = {"accuracy >= 0.9": 0.4, "latency_p99_ms <= 5": 0.02}
    nobody = Recommendation(
        "none_feasible", None, None, constraints=tuple(keeps), nearest={"variant": "a", "keeps": keeps}
    )
    assert other_terms(nobody, "recommend x", None)[0] == "recommend x --where 'latency_p99_ms <= 5.5'"


def test_more_traffic_is_suggested_only_where_traffic_counts() -> None:
    assert "--set decision.traffic.qps=" in other_terms(CHOICE, "recommend x", make_suite(WORLD[:1]))[0]
    for objective in ("maximize accuracy", "minimize latency_p50_ms"):
        free = make_suite(WORLD[:1], decision={"objective": objective})
        assert other_terms(CHOICE, "recommend x", free)[0] == "recommend x --where 'latency_p50_ms <= 1'"


@pytest.mark.parametrize(
    ("at", "today", "given"), [(0.8712, 0.87, 0.872), (0.8692, 0.87, 0.869), (5.0, 9, 5)]
)
def test_a_suggested_limit_lies_on_the_other_side(at: float, today: float, given: float) -> None:
    assert _beyond(at, today) == given


def test_a_variant_that_nothing_was_compared_with_is_no_clear_call(tmp_path: Path) -> None:
    records = [
        replace(r, status="failed", failure=Failure("out of memory", "E", ""))
        if r.trial.kind != "train" and r.trial.variant.name != "small_cnn/onnx"
        else r
        for r in make_records(WORLD[:3], seeds=(0, 1))
    ]
    suite = make_suite(WORLD[:3])
    e = gather(make_run(tmp_path, records, suite, files=False))
    ended = summary_text(e.tradeoff, e.recommendation)
    assert re.search(r"Ship small_cnn/onnx, the only one of \d variants that has figures", ended)
    page = SECTIONS["verdict"](e)
    assert page is not None and "so nothing was compared" in page.markdown
    assert re.search(r"Not eligible: \d that failed\.", page.markdown)
    assert "clear call" not in page.markdown and "probability that it is the best" not in page.markdown


def test_models_that_the_budget_left_unserved_were_not_beaten(tmp_path: Path) -> None:
    """One page called it a clear call among 2 candidates where the other was never served."""
    records = [
        replace(r, status="failed", failure=Failure("not run: budget of 3 min spent", "E", ""))
        if r.trial.kind == "serve" and r.trial.candidate != "small_cnn"
        else r
        for r in make_records(WORLD[:3], seeds=(0, 1))
    ]
    e = gather(make_run(tmp_path, records, make_suite(WORLD[:3]), files=False))
    page, table = SECTIONS["verdict"](e), SECTIONS["tradeoff"](e)
    assert page is not None and table is not None and e.chosen is None
    assert "ot run to the end (budget of 3 min spent)" in page.markdown and "may be better" in page.markdown
    assert "best of 3 candidates" not in page.markdown and "clear call" not in page.markdown
    ended = summary_text(e.tradeoff, e.recommendation)
    assert "may be better" in ended, "the terminal says it too"
    assert "not run" in table.markdown and "failed" not in table.markdown


def test_the_terminal_shows_verdict_commands_and_where_the_report_lies(tmp_path: Path) -> None:
    e = gather(make_run(tmp_path, make_records(WORLD[:3], seeds=(0, 1)), make_suite(WORLD[:3]), files=False))
    stream = StringIO()
    shown = terminal_summary(
        e.tradeoff, e.recommendation, report="r/report.html", run="made_up/1", suite=e.suite
    )
    Console(file=stream, width=100).print(shown)
    text = stream.getvalue()
    assert text.index("Ship") < text.index("Next:") < text.index("Report: r/report.html")
    assert "Next:" not in summary_text(e.tradeoff, e.recommendation)


def test_the_verdict_is_said_before_the_page_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page and its print took 21 s of the flagship's run, in which nobody knew the answer."""
    suite, records, stream = make_suite(WORLD[:3]), make_records(WORLD[:3], seeds=(0, 1)), StringIO()
    run, written = make_run(tmp_path, records, suite, files=False), list[str]()
    monkeypatch.setattr(render, "write_report", lambda e, begun: bool(written.append(stream.getvalue())))
    monkeypatch.setattr(ending, "_print_page", lambda run: (written.append(stream.getvalue()) or "", ""))
    request = RunRequest(tmp_path / "s.yaml", out=str(tmp_path))
    assert ending.end_of_run(run, records, suite, request, Console(file=stream, width=110)) == 0
    before_page, before_print = written
    assert "Ship" in before_page and "Next:" in before_page and "report.html" not in before_page
    assert before_print.endswith("/report.html\n") and "Report: " in before_print


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


def test_page_one_is_printed_while_the_rest_of_the_report_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The browser's seconds came after those of 20 pictures, of which none is on page one."""
    run = make_run(tmp_path, make_records(WORLD[:3], seeds=(0, 1)), make_suite(WORLD[:3]), files=False)
    printed, stream, drawn = list[str | None](), StringIO(), threading.Event()

    def print_it(run: RunFolder, page: str | None = None) -> tuple[str, str]:
        assert drawn.wait(30), "the rest of the report waited for the print"
        printed.append(page)
        return "On paper", ""

    def differences(e: Evidence) -> None:
        drawn.set()

    monkeypatch.setattr(ending, "_print_page", print_it)
    monkeypatch.setitem(cast(dict[str, object], SECTIONS), "differences", differences)
    request = RunRequest(tmp_path / "s.yaml", out=str(tmp_path))
    suite, records = make_suite(WORLD[:3]), gather(run).records
    assert ending.end_of_run(run, records, suite, request, Console(file=stream, width=110)) == 0
    assert printed[0] is not None and stream.getvalue().rstrip().endswith("On paper")
    whole = run.read_text("report.html")
    assert len(printed) == 1 and len(printed[0]) < len(whole)
    assert _page_one(printed[0]) == _page_one(whole), "a later run prints the same from the whole report"
    sections = re.findall(r'<section id="([^"]+)"', _page_one(whole))
    assert sections == ["verdict", "requirements", "trade-offs"]


@pytest.mark.skipif(find_browser() is None, reason="needs a browser to print with")
def test_page_one_is_printed_on_one_page_by_one_start_of_the_browser(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run(tmp_path, make_records(WORLD, seeds=(0, 1), rounds=2), make_suite(WORLD), files=False)
    write_report(gather(run))
    starts, printing = list[int](), pdf.print_pdf
    monkeypatch.setattr(pdf, "print_pdf", lambda *places: starts.append(1) or printing(*places))
    made = print_page_one(Path(run.url))
    assert made.name == "summary.pdf" and len(starts) == 1
    assert len(re.findall(rb"/Type\s*/Page\b", made.read_bytes())) == 1


@pytest.mark.skipif(find_browser() is None, reason="printing needs a browser")
def test_page_one_is_printed_again_only_when_the_report_or_the_print_changed(tmp_path: Path) -> None:
    page, target = tmp_path / "report.html", tmp_path / "summary.pdf"
    page.write_text("<html><head><style></style></head><body>one</body></html>")

    def when() -> int:
        return print_page_one(tmp_path).stat().st_mtime_ns

    first = when()
    assert when() == first
    target.write_bytes(target.read_bytes() + b"another's")
    second = when()
    assert second != first and not target.read_bytes().endswith(b"another's")
    page.write_text(page.read_text().replace("one", "two"))
    assert when() != second


def test_deciding_again_says_what_would_change_it_in_sentences(tmp_path: Path) -> None:
    """`It would change with limit on accuracy at 0.961, then no variant`."""
    e = gather(make_run(tmp_path, make_records(WORLD[:2]), make_suite(WORLD[:2]), files=False))
    limit = {"what": "limit on accuracy", "at": 0.961, "unit": "", "then": "no variant", "factor": 1.1}
    load = {"what": "traffic", "at": 1030.0, "unit": "requests/s", "then": "a/onnx", "factor": 1.03}
    said = recommendation_text(replace(e.recommendation, flips=(limit, load)), e.tradeoff)  # type: ignore[arg-type]
    assert "With a limit on accuracy of 0.961, no variant could be chosen.\n" in said
    assert "Above 1,030 requests/s (traffic), the choice would be a/onnx." in said
