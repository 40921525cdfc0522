"""A run that a budget or Ctrl-C cut short: who was not run was not beaten, and no answer may say so."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.analysis.recommend import decide, recommend
from harness.analysis.stamps import waiting
from harness.analysis.tradeoff import tradeoff
from harness.cli.main import main
from harness.reasons import is_unrun
from harness.record import Failure, Record
from harness.report import gather, summary_text
from harness.report.render import render
from harness.report.sections import SECTIONS
from harness.report.terminal import next_commands
from harness.report.track import verdict
from harness.results import Recommendation, Tradeoff
from harness.store.run_folder import RunFolder
from tests.analysis_world import Truth, World, make_suite
from tests.report_samples import WORLD, make_records, make_run
from tests.report_samples import make_suite as made_suite

TRUTHS = {"small": Truth(0.80, 2.0, throughput=600), "big": Truth(0.90, 3.0, throughput=150)}
SPENT = "not run: budget of 3 min spent"


def cut(records: list[Record], is_left_out: Callable[[Record], bool], reason: str = SPENT) -> list[Record]:
    """Records of a run in which some trials failed; for want of time, unless another reason is given."""
    lost = Failure(reason, "NotRun", "")
    return [
        replace(r, status="failed", measurements=(), failure=lost) if is_left_out(r) else r for r in records
    ]


def served_of(*names: str) -> Callable[[Record], bool]:
    return lambda r: r.trial.kind == "serve" and r.trial.candidate in names


def answered(
    left_out: Callable[[Record], bool],
    truths: dict[str, Truth] = TRUTHS,
    reason: str = SPENT,
    **decision: object,
) -> tuple[Tradeoff, Recommendation]:
    world = World(truths)
    suite = make_suite(list(truths), world.runtimes, **decision)
    records = cut(world.records(), left_out, reason)
    table = tradeoff(records, suite, world.predictions.__getitem__)
    return table, recommend(table, suite)


LIMITED: dict[str, Any] = {"constraints": ("latency_p99_ms <= 10",), "objective": "maximize accuracy"}


def test_no_variant_is_named_while_a_better_scored_one_was_not_served() -> None:
    """The headline named the worse with over 99 %, and a warning below said that it was not compared."""
    table, found = answered(served_of("big"), **LIMITED)
    assert (found.verdict, found.choice, found.probability_best) == ("not_enough_evidence", None, None)
    assert found.so_far is not None and found.so_far["variant"] == "small/torch"
    (waits,) = found.not_compared
    assert (waits["variant"], waits["stage"], waits["why"]) == (
        "big/torch",
        "served",
        "budget of 3 min spent",
    )
    assert waits["lacks"] == ("latency_p99_ms",)
    assert waits["lead"] == pytest.approx(0.10, abs=0.03) and (waits["probability_better"] or 0) > 0.99
    assert all(row.best_probability is None for row in table.rows), "no table says over 99 % either"


def test_who_would_lose_by_what_is_known_holds_nobody_up() -> None:
    _, whole = answered(lambda r: False, **LIMITED)
    _, found = answered(served_of("small"), **LIMITED)
    assert whole.choice == found.choice == "big/torch" and not found.not_compared
    assert found.probability_best == pytest.approx(whole.probability_best, abs=0.01)


def test_who_surely_breaks_a_limit_by_what_is_known_is_out() -> None:
    """Its accuracy is known: whatever its latency, it cannot be chosen."""
    limits = ("accuracy <= 0.85", "latency_p99_ms <= 10")
    _, found = answered(served_of("big"), constraints=limits, objective="maximize accuracy")
    assert found.choice == "small/torch" and found.verdict == "recommend" and not found.not_compared


def test_a_failure_is_an_answer_and_want_of_time_is_none() -> None:
    failed = "out of memory at batch 128"
    _, found = answered(served_of("big"), reason=failed, **LIMITED)
    assert found.choice == "small/torch" and not found.not_compared
    library = "NotImplementedError: Could not run 'aten::empty' with arguments from the 'CUDA' backend"
    _, found = answered(served_of("big"), reason=library, **LIMITED)
    assert found.choice == "small/torch" and not found.not_compared
    assert not is_unrun(f"serve big/torch: {library}") and is_unrun(f"serve big/torch: {SPENT}")
    assert not is_unrun("serve big/torch: training failed (it could not run)")


def test_a_chance_of_less_than_the_tolerance_lowers_the_probability_and_names_all_the_same() -> None:
    """Of two alike the one that was served is named, and its odds are those among both."""
    alike = {"served": Truth(0.85, 2.0), "waiting": Truth(0.85, 2.0)}
    terms: dict[str, Any] = {**LIMITED, "tolerance": 0.05}
    table, found = answered(served_of("waiting"), alike, **terms)
    assert found.choice == "served/torch" and found.not_compared
    better = found.not_compared[0]["probability_better"]
    assert better is not None and 0.05 < better < 0.95
    assert found.probability_best == pytest.approx(1 - better, abs=0.02)
    row = next(row for row in table.rows if row.variant == found.choice)
    assert row.best_probability == pytest.approx(found.probability_best)


def test_a_cost_that_nobody_knows_leaves_the_answer_open() -> None:
    _, found = answered(served_of("big"), objective="minimize cost_per_month_usd", traffic={"qps": 2000.0})
    assert found.verdict == "not_enough_evidence" and found.choice is None
    assert "cost_per_month_usd" in found.reasons[1]


def test_no_value_is_higher_than_that_of_one_machine() -> None:
    """Two hundredths of accuracy are worth 20 USD: less than what one machine costs more than none."""
    money: dict[str, Any] = {"value": "1000*accuracy - cost_per_month_usd", "objective": "maximize value"}
    near = {"small": Truth(0.90, 2.0, throughput=600), "big": Truth(0.60, 3.0, throughput=150)}
    _, found = answered(served_of("big"), near, traffic={"qps": 100.0}, **money)
    assert found.choice == "small/torch" and not found.not_compared, "one machine, 0.3 · 1000 USD behind"
    _, found = answered(served_of("small"), near, traffic={"qps": 100.0}, **money)
    assert found.choice is None and found.so_far is not None and found.so_far["variant"] == "big/torch"


def test_where_nobody_keeps_the_limits_one_that_was_not_run_may() -> None:
    slow = {"slow": Truth(0.9, 50.0), "other": Truth(0.9, 2.0)}
    _, whole = answered(served_of("other"), slow, reason="out of memory", **LIMITED)
    assert whole.verdict == "none_feasible"
    _, found = answered(served_of("other"), slow, **LIMITED)
    assert found.verdict == "not_enough_evidence" and found.so_far is None
    assert "other/torch was not served (budget of 3 min spent)" in found.reasons[0]


def test_where_nobody_was_served_the_reason_is_the_time() -> None:
    _, found = answered(served_of("small", "big"), **LIMITED)
    assert found.verdict == "not_enough_evidence" and "budget of 3 min spent" in found.reasons[0]


# ------------------------------------------------------------------------------------ what is read


def cut_run(folder: Path) -> str:
    """A run whose best candidate was trained and scored, and not served."""
    world = WORLD[:3]
    records = cut(make_records(world, seeds=(0, 1)), served_of("resnet"))
    return make_run(folder, records, made_suite(world), files=False).url


def test_page_terminal_files_and_trackers_say_the_same(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url = cut_run(tmp_path)
    e = render(RunFolder(url))
    page = (Path(url) / "report.html").read_text()
    stored = json.loads((Path(url) / "recommendation.json").read_text())
    ended, tracked = summary_text(e.tradeoff, e.recommendation), verdict(e)
    assert main(["recommend", url]) == 0
    printed = capsys.readouterr().out
    section = SECTIONS["verdict"](e)
    assert section is not None
    for told in (section.markdown, ended, printed, page):
        assert "No decision yet" in told and "not served" in told and "Ship " not in told, told[:2000]
    assert stored["verdict"] == tracked["verdict"] == "not_enough_evidence"
    assert stored["choice"] is None and stored["probability_best"] is None and tracked["choice"] == ""
    assert "probability_best" not in tracked and "resnet" in str(tracked["not_compared"])
    assert "of the" in str(tracked["so_far"]).lower()
    commands = [command for command, _ in next_commands(e.recommendation, "made_up/1", e.suite)]
    assert commands[0] == "python -m harness run …" and not any(" export " in c for c in commands)
    assert main(["recommend", url, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["verdict"] == "not_enough_evidence"


def test_what_ctrl_c_left_without_a_record_was_not_run_either(tmp_path: Path) -> None:
    world = WORLD[:3]
    records, suite = make_records(world, seeds=(0, 1)), made_suite(world)
    kept = [r for r in records if not served_of("resnet")(r)]
    run = make_run(tmp_path, kept, suite, files=False)
    trials = [{"id": r.trial.id, "kind": r.trial.kind, "label": r.trial.label} for r in records]
    run.write_text("plan.json", json.dumps({"trials": trials}))
    e = gather(run)
    assert e.recommendation.verdict == "not_enough_evidence"
    assert {one["variant"].partition("/")[0] for one in e.recommendation.not_compared} == {"resnet"}
    assert decide(run).verdict == "not_enough_evidence", "asked again, from what is kept, too"
    row = next(row for row in e.tradeoff.rows if row.candidate == "resnet")
    assert row.estimates["latency_p99_ms"].note.startswith("not run")
    # What was not planned (`--only`) holds nobody up.
    run.write_text(
        "plan.json", json.dumps({"trials": [t for t in trials if "serve resnet" not in t["label"]]})
    )
    assert gather(run).recommendation.choice == decide(run).choice != None  # noqa: E711


def test_a_run_until_it_is_decided_that_was_interrupted_is_not_decided(tmp_path: Path) -> None:
    world = WORLD[:3]
    kept = [r for r in make_records(world, seeds=(0, 1)) if not served_of("resnet")(r)]
    run = make_run(tmp_path, kept, made_suite(world), files=False)
    run.write_text("until_decided.json", json.dumps({"stopped": "", "ruled_out": {}}))
    assert decide(run).choice is None
    run.write_text("until_decided.json", json.dumps({"stopped": "decided", "ruled_out": {}}))
    assert decide(run).choice is not None
    why = "after scoring: accuracy clearly below 0.87 (0.8)"
    ruled = dict.fromkeys(("resnet/torch", "resnet/onnx", "resnet/onnx-int8"), f"ruled out {why}")
    run.write_text("until_decided.json", json.dumps({"stopped": "", "ruled_out": ruled}))
    assert decide(run).choice is not None, "who was ruled out is not waited for"


def test_the_share_of_draws_in_which_it_is_better_is_counted_by_hand() -> None:
    table, found = answered(served_of("big"), {"small": Truth(0.85, 2.0), "big": Truth(0.86, 2.0)}, **LIMITED)
    small, big = (table.draws["accuracy"][:, k] for k in range(2))
    assert [row.variant for row in table.rows] == ["small/torch", "big/torch"]
    (waits,) = found.not_compared
    assert waits["probability_better"] == pytest.approx(float(np.mean(big > small)), abs=1e-9)
    assert waits["lead"] == pytest.approx(float(np.mean(big - small)), abs=1e-9)


def test_what_is_left_of_a_learning_curve_or_a_duel_keeps_nobody_waiting(tmp_path: Path) -> None:
    run = RunFolder(str(tmp_path / "s" / "20250101-000000-0123abcd"))
    labels = ["train cnn seed 0 n 500", "score cnn/onnx seed 1 n 500", "serve cnn/onnx duel with vit/onnx"]
    trials = [
        {"id": f"train-{k:016x}", "label": label}
        for k, label in enumerate([*labels, "train vit seed 0 n 2000"])
    ]
    run.write_text("plan.json", json.dumps({"trials": trials}))
    assert waiting(run) == {"vit"}
