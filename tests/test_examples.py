"""The examples are valid suites, and run."""

from __future__ import annotations

import runpy
from importlib.util import find_spec
from pathlib import Path

import pytest

from harness.planning.trials import plan_trials
from harness.reading import read_suite
from tests.small_suites import ROOT, harness

EXAMPLES = ROOT / "examples"
SUITES = sorted(EXAMPLES.glob("*/suite.yaml"))


def test_there_is_an_example_of_an_own_model_trainer_data_and_metric() -> None:
    assert [suite.parent.name for suite in SUITES] == ["hf_trainer", "own_data", "own_metric", "own_model"]


@pytest.mark.parametrize("suite", SUITES, ids=lambda suite: suite.parent.name)
def test_an_example_is_valid_and_all_its_candidates_are_trained_scored_and_served(suite: Path) -> None:
    read = read_suite(suite)
    trials = plan_trials(read)
    assert read.name == suite.parent.name
    for kind in ("train", "score", "serve"):
        assert {t.candidate for t in trials if t.kind == kind} == set(read.candidates)


def test_the_table_is_what_its_script_writes() -> None:
    folder = EXAMPLES / "own_data"
    made = runpy.run_path(str(folder / "make_deliveries.py"))["rows"]()
    assert (folder / "deliveries.csv").read_text(encoding="utf-8").splitlines() == made


@pytest.mark.slow
@pytest.mark.timeout(1500)
@pytest.mark.parametrize("suite", SUITES, ids=lambda suite: suite.parent.name)
def test_an_example_runs(suite: Path, tmp_path: Path) -> None:
    if suite.parent.name == "hf_trainer" and find_spec("accelerate") is None:
        pytest.skip("not installed (extra trainer)")
    ended = harness(
        tmp_path, "run", suite, "--smoke", "--json", "--out", tmp_path / "results", timeout_s=1400
    )
    assert ended.code == 0, ended.err
    assert (tmp_path / "results" / f"{suite.parent.name}-smoke" / "latest" / "report.html").is_file()
