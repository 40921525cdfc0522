"""Several runs of one suite: who each names, which was the first to be worse, what a pull request is told."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml

from harness.analysis.history import history_of
from harness.cli.main import main
from harness.record import Record, RecordError
from harness.report.history import answer, comment
from harness.store.runs import RunFolder
from tests.analysis_world import Truth, World, make_suite, store

GOOD = {"small": Truth(0.90, 2.0), "large": Truth(0.85, 6.0)}
WORSE = {"small": Truth(0.80, 2.0), "large": Truth(0.85, 6.0)}
SLOWER = {"small": Truth(0.90, 3.0), "large": Truth(0.85, 6.0)}
CI = Path("examples/ci/harness.yml")


def make_run(folder: Path, truths: Mapping[str, Truth], seed: int, machine: str = "abc123") -> RunFolder:
    """A run folder whose trials are its own (another model under each name)."""
    world = World(truths, rng=np.random.default_rng(seed), num_examples=1500)
    records = [_of_machine(r, machine, seed) for r in world.records()]
    old = dict(world.predictions)
    # Ids follow from specs; the predictions follow the ids.
    plain = World(truths, rng=np.random.default_rng(seed), num_examples=1500)
    for before, after in zip(plain.records(), records, strict=True):
        if before.trial.id in old:
            world.predictions[after.trial.id] = old[before.trial.id]
    suite = make_suite(list(truths), objective="maximize accuracy", constraints=("latency_p50_ms <= 10",))
    return store(world, records, suite, folder)


def _of_machine(record: Record, machine: str, seed: int) -> Record:
    trial = replace(record.trial, spec={**record.trial.spec, "version": seed})
    return replace(record, trial=trial, environment={"machine": {"class": machine, "cpu": "simulated"}})


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four runs: the same twice, then the small one is worse and stays so."""
    out = tmp_path_factory.mktemp("results")
    for number, truths in enumerate((GOOD, GOOD, WORSE, WORSE)):
        make_run(out / "simulated" / f"2026110{number + 1}-120000-aaaaaaa{number}", truths, number)
    return out


def runs_of(results: Path) -> list[RunFolder]:
    return [RunFolder(str(p)) for p in sorted((results / "simulated").iterdir()) if p.name[0].isdigit()]


def test_the_first_run_that_regressed_is_found_and_the_choice_of_each_run(results: Path) -> None:
    runs = runs_of(results)
    found = history_of(runs)
    assert [p.choice for p in found.runs] == ["small/torch", "small/torch", "large/torch", "large/torch"]
    assert found.first_regressed == runs[2].id
    assert {(r.run, r.change.variant, r.change.metric) for r in found.regressions} == {
        (runs[2].id, "small/torch", "accuracy")
    }
    assert found.flips and answer(found) == "the choice flips: small/torch → large/torch"
    points = found.figures["small/torch"]["accuracy"]
    assert [round(p.value or 0, 1) for p in points] == [0.9, 0.9, 0.8, 0.8]


def test_runs_that_are_alike_have_no_regression_and_still_the_same_choice(results: Path) -> None:
    found = history_of(runs_of(results)[:2])
    assert found.first_regressed is None and answer(found) == "still small/torch"
    assert comment(found).startswith("### harness: still small/torch\n")


def test_a_suites_name_means_all_its_runs_and_a_plot_is_drawn(
    results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plot = tmp_path / "history.png"
    code = main(["compare", "simulated", "--out", str(results), "--plot", str(plot)])
    out = capsys.readouterr().out
    assert code == 1 and plot.read_bytes().startswith(b"\x89PNG")
    assert out.splitlines()[:2] == [
        "the choice flips: small/torch → large/torch",
        f"first run that regressed: {runs_of(results)[2].id}",
    ]
    row = next(line for line in out.splitlines() if line.startswith("large/torch") and "0.8" in line)
    assert len(re.findall(r"0\.8\d* \(", row)) == 4
    main(["compare", "simulated", "--out", str(results), "--json"])
    told = json.loads(capsys.readouterr().out)
    assert told["flips"] and len(told["runs"]) == 4


def test_a_pull_request_is_told_the_flip_and_the_exit_code_is_one(
    results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second, third, _ = (run.url for run in runs_of(results))
    assert main(["compare", first, second, "--format", "github"]) == 0
    assert "still small/torch" in capsys.readouterr().out
    assert main(["compare", first, third, "--format", "github"]) == 1
    said = capsys.readouterr().out
    assert said.startswith("### harness: the choice flips: small/torch → large/torch")
    assert "| worse | `small/torch` | accuracy | 0.9" in said
    assert main(["compare", second, first, third, "--format", "github"]) == 1
    assert f"first of 3 runs that regressed is `{runs_of(results)[2].id}`" in capsys.readouterr().out


def test_of_two_that_no_run_tells_apart_another_name_is_no_flip(results: Path) -> None:
    """Of two equal variants the named one changes in every second pair of runs, and nothing else has."""
    found = history_of(runs_of(results)[:2])
    first = replace(found.runs[0], tied_with=("large/torch",))
    last = replace(found.runs[1], choice="large/torch", tied_with=("small/torch",))
    moved = replace(found, runs=(first, last))
    assert moved.moves_in_a_tie and not moved.flips and moved.to_json()["flips"] is False
    assert answer(moved) == "large/torch in place of small/torch, which neither run tells apart from it"
    decided = replace(moved, runs=(first, replace(last, tied_with=())))
    assert decided.flips and answer(decided).startswith("the choice flips")


def test_a_baseline_without_figures_says_that_nothing_was_compared(results: Path, tmp_path: Path) -> None:
    """An interrupted run as the baseline: "no run regressed" was all that was said."""
    world = World(GOOD, rng=np.random.default_rng(5), num_examples=100)
    trained = [r for r in world.records() if r.trial.kind == "train"]
    empty = store(world, trained, make_suite(list(GOOD)), tmp_path / "empty")
    found = history_of([empty, runs_of(results)[0]])
    said = "quality and speed were not compared: no figure of either is in both runs"
    assert said in found.notes and said in comment(found)
    assert said not in history_of(runs_of(results)[:2]).notes


def test_speed_is_shown_within_the_last_runs_class_of_machine_only(tmp_path: Path) -> None:
    runs = [
        make_run(tmp_path / "a", SLOWER, 1, "def456"),
        make_run(tmp_path / "b", GOOD, 2),
        make_run(tmp_path / "c", GOOD, 3),
    ]
    found = history_of(runs)
    points = found.figures["small/torch"]["latency_p50_ms"]
    assert points[0].value is None and points[0].note == "served on machine class def456"
    assert points[1].value == pytest.approx(2.0, rel=0.2)
    assert found.first_regressed is None
    assert any("speed is not compared" in note for note in found.notes)
    assert found.figures["small/torch"]["accuracy"][0].value is not None


@pytest.mark.slow
def test_equal_runs_are_called_worse_in_at_most_one_history_of_twenty(tmp_path: Path) -> None:
    """Twelve histories of four: more than three with a false regression in one of 300 runs of this test."""
    worse = 0
    for number in range(12):
        runs = [make_run(tmp_path / f"{number}-{k}", GOOD, 10 * number + k) for k in range(4)]
        worse += history_of(runs).first_regressed is not None
    assert worse <= 3


def test_one_run_is_no_history(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(RecordError, match="two runs or more"):
        history_of(runs_of(results)[:1])
    assert main(["compare", "nothing", "--out", str(results)]) == 2
    assert "no run of a suite of this name" in capsys.readouterr().err
    assert main(["compare", "a", "b", "--format", "gitlab"]) == 2
    assert main(["compare", "a", "b", "--plot", "x.svg"]) == 2


def test_the_workflow_calls_commands_that_there_are() -> None:
    workflow = yaml.safe_load(CI.read_text())
    steps = workflow["jobs"]["decide"]["steps"]
    calls = [
        line.strip()
        for step in steps
        for line in step.get("run", "").splitlines()
        if line.strip().startswith("python -m harness")
    ]
    assert [shlex.split(call)[3] for call in calls] == ["run", "compare"]
    words = shlex.split(calls[1].split(">")[0])
    assert (
        words[words.index("--format") + 1] == "github" and float(words[words.index("--margin") + 1]) == 0.005
    )
