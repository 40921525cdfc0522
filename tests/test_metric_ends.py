"""Limits, tolerances and published figures that a metric's figures can never be: percentages, mostly."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from harness.analysis.criteria import parse_constraint, vain_terms
from harness.metrics import METRICS, metrics_of
from harness.metrics.ends import beyond, contradict, out_of_reach
from harness.planning.notes import odd_limits
from harness.reading import read_suite
from harness.record import SuiteError
from harness.suite.schema import Decision

TEXT = """name: shares
task: {task}
data: {{name: {data}}}
candidates: {{one: "sklearn:{model}"}}
serving: {{scenarios: {{single_stream: {{}}}}}}
metrics: {{mine: {{function: "mine:f"}}, pounds: {{function: "mine:f", unit: lb}}}}
"""


def asked(folder: Path, rest: str, task: str = "classification") -> Path:
    (folder / "mine.py").write_text("def f(answers, targets):\n    return 0.5\n")
    data, model = {
        "classification": ("breast_cancer", "LogisticRegression"), "regression": ("diabetes", "Ridge"),
    }[task]  # fmt: skip
    file = folder / "s.yaml"
    file.write_text(TEXT.format(task=f"tabular_{task}", data=data, model=model) + rest)
    return file


def mistakes_of(file: Path) -> list[str]:
    with pytest.raises(SuiteError) as caught:
        read_suite(file)
    return [m.partition(": ")[2] for m in caught.value.mistakes]


def test_a_limit_that_no_figure_can_keep_is_refused_with_what_was_meant(tmp_path: Path) -> None:
    """`accuracy >= 88` was taken, and then nobody kept it."""
    limits = {
        "accuracy >= 88": "accuracy is a share between 0 and 1: write 0.88",
        "accuracy[class=benign] >= 99.5 with 0.9": "accuracy is a share between 0 and 1: write 0.995",
        "ece <= 5": "ece is a share between 0 and 1: write 0.05",
        "roc_auc > 1": "roc_auc is at most 1: write `>=`, or a lower figure",
        "f1_macro >= 880": "f1_macro is a share between 0 and 1: write for instance 0.1",
        "log_loss <= -0.1": "log_loss is at least 0: raise it",
        "brier < 0": "brier is at least 0: write `<=`, or a higher figure",
        "latency_p99_ms <= 0": "latency_p99_ms is above 0: write how long an answer may take, `latency_p99_ms"
        " <= 10`",
        "mine >= 50": "mine is a share between 0 and 1: write 0.5, or its `unit` under metrics.mine",
    }
    found = mistakes_of(asked(tmp_path, f"decision: {{constraints: {list(limits)}}}\n"))
    assert found == [f"decision.constraints: `{limit}`: {said}" for limit, said in limits.items()]
    text = "decision: {objective: minimize mae, constraints: [r2 >= 88, mae <= -1, r2 >= -2]}\n"
    assert mistakes_of(asked(tmp_path, text, "regression")) == [
        "decision.constraints: `r2 >= 88`: r2 is at most 1: write 0.88",
        "decision.constraints: `mae <= -1`: mae is at least 0: raise it",
    ]


def test_a_tolerance_and_a_published_figure_in_percent_are_refused(tmp_path: Path) -> None:
    rest = "decision: {tolerance: 1}\nexpect: {one: {accuracy: {value: 95.4, within: 2}}}\n"
    assert mistakes_of(asked(tmp_path, rest)) == [
        "decision.tolerance: accuracy is a share of 1, of which all are within 1: write 0.01",
        "expect.one.accuracy.value: accuracy is a share between 0 and 1: write 0.954",
        "expect.one.accuracy.within: accuracy is a share of 1, of which all are within 2: write 0.02",
    ]
    mae = "decision: {objective: minimize mae, tolerance: 1}\nexpect: {one: {mae: {value: 40, within: 2}}}\n"
    read_suite(asked(tmp_path, mae, "regression"))


def test_a_limit_that_rules_nobody_out_is_told_and_one_at_an_end_is_kept(tmp_path: Path) -> None:
    limits = ["accuracy >= 0", "ece <= 1", "roc_auc >= 1", "log_loss <= 0", "mine <= 0.5", "pounds >= 50"]
    suite = read_suite(asked(tmp_path, f"decision: {{constraints: {limits}}}\n"))
    assert odd_limits(suite)[:2] == [
        "`accuracy >= 0` rules nobody out, as accuracy is at least 0: leave it out, or tighten it",
        "`ece <= 1` rules nobody out, as ece is at most 1: leave it out, or tighten it",
    ]
    assert [note.split("`")[1] for note in odd_limits(suite)[2:]] == ["mine <= 0.5"]


def test_two_limits_that_nobody_can_keep_both_are_refused(tmp_path: Path) -> None:
    rest = "decision: {constraints: [accuracy >= 0.9, accuracy < 0.9]}\n"
    (said,) = mistakes_of(asked(tmp_path, rest))
    assert "`accuracy < 0.9` and `accuracy >= 0.9` contradict each other" in said
    for one, other, is_wrong in (
        (">= 0.9", "<= 0.9", False),
        ("> 0.9", "<= 0.9", True),
        ("<= 1", ">= 2", True),
    ):
        a, b = (parse_constraint(f"accuracy {text}") for text in (one, other))
        assert contradict(a, b) is contradict(b, a) is is_wrong


def test_asked_again_only_what_is_new_is_refused(tmp_path: Path) -> None:
    """A stored suite is what was decided under, by whatever rule there was."""
    own = read_suite(asked(tmp_path, "decision: {constraints: [accuracy >= 0.9]}\n"))
    own = own.model_copy(update={"decision": Decision(constraints=("accuracy >= 88",))})
    limits = [parse_constraint(text) for text in ("accuracy >= 88", "ece <= 5", "latency_p50_ms <= 1")]
    assert vain_terms(limits, own, own) == ["`ece <= 5`: ece is a share between 0 and 1: write 0.05"]
    wide = own.model_copy(update={"decision": Decision(constraints=("accuracy >= 88",), tolerance=5.0)})
    assert vain_terms(limits[:1], wide, own) == [
        "decision.tolerance: accuracy is a share of 1, of which all are within 5: write 0.05"
    ]


def test_every_metric_of_the_table_takes_the_figures_that_lie_between_its_ends() -> None:
    known = metrics_of(None)
    for name in (*METRICS, "recall@7"):
        entry = known[name]
        for value in (entry.low, entry.high, 0.5):
            if math.isfinite(value):
                assert beyond(value, entry) == ""
        outside = [entry.low - 1, entry.high + 1]
        for value, op in zip(outside, ("<=", ">="), strict=True):
            if math.isfinite(value):
                assert name in out_of_reach(parse_constraint(f"{name} {op} {value}"), entry)
