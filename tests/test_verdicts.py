"""Whole runs whose verdict is no recommendation: they end well, and say so plainly."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.small_suites import harness, write_suite

TWINS = """\
name: twins
task: image_classification
data: {name: digits, train_sizes: [200]}
training: {seeds: [0, 1]}
candidates:
  one: {model: "sklearn:LogisticRegression"}
  other: {model: "sklearn:LogisticRegression"}
serving:
  runtimes: [torch]
  rounds: 2
  scenarios:
    single_stream: {seconds: 0.1, min_calls: 20, max_calls: 100}
decision:
  objective: maximize accuracy
"""


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_identical_candidates_tie_and_no_feasible_one_names_the_nearest_miss(tmp_path: Path) -> None:
    tie = harness(tmp_path, "run", write_suite(tmp_path, TWINS), "--json")
    assert tie.code == 0, tie.err
    assert tie.json["recommendation"]["verdict"] == "tie"
    page = (Path(tie.json["run"]) / "report.md").read_text()
    assert "A tie. Ship" in page and "that cannot be told apart" in page

    limit = TWINS + '  constraints: ["accuracy >= 0.999", "accuracy[class=3] >= 0.5"]\n'
    none = harness(tmp_path, "run", write_suite(tmp_path, limit), "--json")
    assert none.code == 0, none.err
    assert none.json["recommendation"]["verdict"] == "none_feasible"
    page = (Path(none.json["run"]) / "report.md").read_text()
    assert "no variant meets every limit" in page and "The nearest is" in page
    assert "accuracy (class 3) at least 0.5" in page
