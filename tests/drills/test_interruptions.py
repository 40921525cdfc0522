"""A run that is killed or interrupted at any moment continues, and repeats no finished trial."""

from __future__ import annotations

import csv
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from breaking import SLOW_MODEL, wait_until_gone

from tests.small_suites import harness, stamps, trials_of, write_suite

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

CANDIDATES = "\n  logistic: sklearn:LogisticRegression\n  small: {model: small_cnn, args: {width: 8}}"


def qualities(folder: Path) -> dict[str, dict[str, Any]]:
    """Variant → its cells that do not depend on the machine's mood, to six digits: which kernels are the
    fastest is tried at each training, and they differ in the last bits."""
    table = folder / "results" / "tiny" / "latest" / "tradeoffs.csv"
    with table.open() as file:
        rows = list(csv.DictReader(file))
    assert rows
    steady = [name for name in rows[0] if name.startswith(("accuracy", "f1_macro", "log_loss", "parameters"))]
    return {row["variant"]: {name: _rounded(row[name]) for name in steady} for row in rows}


def _rounded(cell: str) -> str:
    try:
        return f"{float(cell):.5g}"
    except ValueError:
        return cell


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("undisturbed")
    ended = harness(folder, "run", write_suite(folder, candidates=CANDIDATES))
    assert ended.code == 0, ended.err
    return qualities(folder)


@pytest.mark.parametrize(
    ("moment", "phase"),
    [
        ("starting Ray", "before the first trial"),
        ("start   train small", "while training"),
        ("start   score", "while scoring"),
        ("start   serve", "while serving"),
        ("(0 left)", "while the report is written"),
    ],
)
def test_a_run_killed_in_any_phase_repeats_no_finished_trial(
    tmp_path: Path,
    start: Callable[..., Any],
    note: Callable[..., None],
    undisturbed: dict[str, dict[str, Any]],
    moment: str,
    phase: str,
) -> None:
    suite = write_suite(tmp_path, candidates=CANDIDATES)
    run = start(tmp_path, "run", suite)
    run.wait_for(moment)
    run.signal(signal.SIGKILL)
    assert run.end().code == -signal.SIGKILL
    gone = wait_until_gone(tmp_path)
    before = stamps(tmp_path)

    ended = harness(tmp_path, "run", suite)
    assert ended.code == 0, ended.err
    after = stamps(tmp_path)
    assert before.items() <= after.items(), "a finished trial was run again"
    assert qualities(tmp_path) == undisturbed, "another table than that of an undisturbed run"
    note(
        f"driver SIGKILL {phase}",
        f"{len(before)} of {len(after)} trials",
        f"{len(after) - len(before)} by the next run; the table is that of an undisturbed run",
        f"nothing (it was killed); its processes are gone after {gone:.0f} s",
    )


def test_a_search_for_settings_that_is_killed_goes_on_where_it_was(
    tmp_path: Path, start: Callable[..., Any], note: Callable[..., None]
) -> None:
    search = "tuning: {trials: 6, space: {optimizer.lr: {loguniform: [0.001, 0.03]}}}"
    training = f" {{seeds: [0], epochs: 9, batch_size: 256, precision: fp32, {search}}}"
    small = "\n  small: {model: small_cnn, args: {width: 8}}"
    suite = write_suite(tmp_path, training=training, candidates=small)
    run = start(tmp_path, "run", suite)
    run.wait_for("done    train small tuning")
    run.signal(signal.SIGKILL)
    assert run.end().code == -signal.SIGKILL
    gone = wait_until_gone(tmp_path)
    before = stamps(tmp_path)
    ended = harness(tmp_path, "run", suite)
    assert ended.code == 0, ended.err
    after = stamps(tmp_path)
    assert before and before.items() <= after.items(), "a finished try was made again"
    tries = [r for r in trials_of(tmp_path).values() if "tuning_trial" in r["trial"]["spec"]]
    assert sorted(r["trial"]["spec"]["tuning_trial"] for r in tries) == list(range(6))
    note(
        "driver SIGKILL while settings are searched",
        f"{len(before)} of {len(after)} trials",
        f"{len(after) - len(before)} by the next run; the search learns from the tries that it has",
        f"nothing (it was killed); its processes are gone after {gone:.0f} s",
    )


def test_ctrl_c_once_keeps_what_is_finished_and_says_how_to_go_on(
    tmp_path: Path, start: Callable[..., Any], note: Callable[..., None]
) -> None:
    suite = write_suite(tmp_path, candidates=CANDIDATES)
    run = start(tmp_path, "run", suite)
    run.wait_for("done    score")
    run.signal_group(signal.SIGINT)
    ended = run.end(200)
    assert ended.code == 130
    assert "Traceback" not in ended.err
    line = next(line for line in ended.err.splitlines() if line.startswith("interrupted:"))
    assert "the same command continues" in line
    before = stamps(tmp_path)
    assert f"{len(before)} of 10 trials" in line
    wait_until_gone(tmp_path)
    assert harness(tmp_path, "run", suite).code == 0
    after = stamps(tmp_path)
    assert before.items() <= after.items()
    note(
        "Ctrl-C once",
        f"{len(before)} of {len(after)} trials",
        "the others, by the same command",
        f"`{line}`; exit code 130",
    )


def test_sigterm_is_like_ctrl_c(tmp_path: Path, start: Callable[..., Any], note: Callable[..., None]) -> None:
    run = start(tmp_path, "run", write_suite(tmp_path))
    run.wait_for("done    train")
    run.signal(signal.SIGTERM)
    ended = run.end(200)
    assert ended.code == 130 and "the same command continues" in ended.err
    wait_until_gone(tmp_path)
    kept = [r for r in trials_of(tmp_path).values() if r["status"] == "finished"]
    assert kept
    note(
        "SIGTERM (a scheduler ends the job)",
        f"{len(kept)} of 5 trials",
        "the others, by the same command",
        "as after Ctrl-C; exit code 130",
    )


def test_ctrl_c_twice_stops_at_once(
    tmp_path: Path, start: Callable[..., Any], note: Callable[..., None]
) -> None:
    run = start(tmp_path, "run", write_suite(tmp_path))
    run.wait_for("done    train")
    run.signal(signal.SIGINT)
    run.wait_for("again to stop at once")
    run.signal(signal.SIGINT)
    assert run.end(10).code == 130
    gone = wait_until_gone(tmp_path)
    before = stamps(tmp_path)
    assert before
    note(
        "Ctrl-C twice",
        f"{len(before)} of 5 trials",
        "the others, by the same command",
        f"exit code 130 at once; nothing is left running after {gone:.0f} s",
    )


def test_two_runs_of_one_suite_at_once(
    tmp_path: Path, start: Callable[..., Any], note: Callable[..., None]
) -> None:
    suite = write_suite(tmp_path)
    first = start(tmp_path, "run", suite)
    first.wait_for("starting Ray")
    second = harness(tmp_path, "run", suite)
    assert second.code == 2 and "is being run already (process" in second.err
    assert first.end().code == 0
    assert harness(tmp_path, "run", suite).code == 0
    note(
        "two runs of one suite at once",
        "all of the first",
        "nothing",
        f"the second: `{second.err.strip()[:160]}`; exit code 2",
    )


def test_two_suites_on_one_host_never_serve_while_the_other_trains(
    tmp_path: Path, start: Callable[..., Any], note: Callable[..., None]
) -> None:
    (tmp_path / "slow_models.py").write_text(SLOW_MODEL)
    slow = write_suite(tmp_path, name="other.yaml", candidates="\n  slow: slow_models:build")
    slow.write_text(slow.read_text().replace("name: tiny", "name: other").replace("epochs: 2", "epochs: 40"))
    other = start(tmp_path, "run", slow)
    other.wait_for("start   train slow")
    tiny = start(tmp_path, "run", write_suite(tmp_path))
    assert tiny.end().code == 0 and other.end().code == 0
    spans = [  # a record is written at its trial's end: finer than its `started`, which is in whole seconds
        (record["trial"]["kind"], (name, trial), ended - record["seconds"], ended)
        for name in ("tiny", "other")
        for trial, record in trials_of(tmp_path, name).items()
        for ended in [stamps(tmp_path, name)[trial] / 1e9]
    ]
    serves = [span for span in spans if span[0] == "serve"]
    assert len(serves) == 4 and len(spans) == 10
    beside = [
        (trial, another)
        for _, trial, began, ended in serves
        for _, another, began_too, ended_too in spans
        if another != trial and began_too < ended and began < ended_too
    ]
    assert beside == [], "something ran while a serve trial was timed"
    line = next(line for line in tiny.text.splitlines() if "for another run on this host" in line)
    note(
        "two suites on one host at once",
        "all of both",
        "nothing",
        f"`{line.partition('s  ')[2]}`; no trial ran beside one of the {len(serves)} serve trials",
    )
