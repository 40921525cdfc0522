"""Where one answer is nearly always right, the plan and page one say so and show what accuracy hides."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from harness.planning.notes import constant_note
from harness.reading.reader import read_suite
from harness.report.render import gather
from harness.report.sections import SHORT
from harness.report.sections.constant import constant
from tests.runs_here import run_here

SUITE = """\
name: rare
task: tabular_classification
data: {{name: tabular_csv, path: t.csv, target: outcome}}
training: {{seeds: [0]}}
candidates: {{logistic: sklearn:LogisticRegression, tree: {{model: sklearn:DecisionTreeClassifier, args: {{max_depth: 3}}}}}}
serving: {{rounds: 1, runtimes: [torch], scenarios: {{single_stream: {{seconds: 0.05, min_calls: 5, max_calls: 50}}}}}}
decision: {{{decision}}}
"""  # noqa: E501


def suite_of(folder: Path, share: float = 0.05, decision: str = "objective: maximize accuracy") -> Path:
    rng = np.random.default_rng(0)
    rare = rng.permutation(1000) < 1000 * share
    table = pd.DataFrame(rng.normal(size=(1000, 3)), columns=list("abc")).assign(
        outcome=np.where(rare, "fraud", "ok")
    )
    table["a"] += 2 * rare
    table.to_csv(folder / "t.csv", index=False)
    (folder / "s.yaml").write_text(SUITE.format(decision=decision))
    return folder / "s.yaml"


@pytest.mark.parametrize(
    ("share", "decision", "warns"),
    [
        (0.05, "objective: maximize accuracy", True),
        (0.05, "objective: maximize balanced_accuracy", False),
        (0.05, 'objective: minimize latency_p50_ms, constraints: ["accuracy >= 0.9"]', True),
        (0.05, 'objective: maximize value, value: "100*accuracy"', True),
        (
            0.05,
            'objective: maximize pr_auc, positive: fraud, constraints: ["accuracy[class=0] >= 0.1"]',
            False,
        ),
        (0.12, "objective: maximize accuracy", False),
    ],
)
def test_the_plan_warns_where_accuracy_decides_and_a_constant_is_right_in_nine_of_ten(
    share: float, decision: str, warns: bool, tmp_path: Path
) -> None:
    said = constant_note(read_suite(suite_of(tmp_path, share, decision)))
    assert bool(said) == warns, said
    if warns:
        assert "always saying 'ok' is right in 95.0% of the rows" in said


def test_page_one_shows_what_is_found_of_the_rare_class(tmp_path: Path) -> None:
    run = run_here(suite_of(tmp_path), tmp_path)
    e = gather(run)
    shown = constant(e)
    assert shown is not None
    assert "Always saying “ok” is right in 95.0% of the 200 test examples" in shown.markdown
    assert "| fraud |" in shown.markdown, "the confusion matrix"
    p = e.predictions(e.scored("logistic")[0])
    assert p is not None
    said, is_it = p.outputs.argmax(1) == 0, p.targets == 0
    assert said.any() and is_it.sum() == 10
    precision, recall = is_it[said].mean(), said[is_it].mean()
    row = next(line for line in shown.markdown.splitlines() if line.startswith("| logistic |"))
    cells = [float(cell.split()[0]) for cell in row.split("|")[2:5]]
    assert cells == pytest.approx([(p.outputs.argmax(1) == p.targets).mean(), precision, recall], abs=0.06)
    assert "constant" in SHORT, "page one"
