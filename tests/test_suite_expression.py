"""The languages of limits, objectives and values."""

from __future__ import annotations

import numpy as np
import pytest

from harness.suite.expression import Constraint, parse_constraint, parse_objective, parse_value


def test_limits_are_read_with_and_without_a_probability() -> None:
    assert parse_constraint("latency_p99_ms <= 10") == Constraint("latency_p99_ms", "<=", 10.0)
    assert parse_constraint(" ndcg@10>=1e-1 with 0.95 ") == Constraint("ndcg@10", ">=", 0.1, 0.95)


@pytest.mark.parametrize(
    "text", ["", "accuracy", "accuracy == 1", "1 <= accuracy", "accuracy >= x", "a >= 1 with"]
)
def test_what_is_no_limit_is_said_so(text: str) -> None:
    with pytest.raises(ValueError, match="is not a limit"):
        parse_constraint(text)


def test_objectives_are_read_in_both_spellings() -> None:
    assert parse_objective("maximize accuracy") == ("maximize", "accuracy")
    assert parse_objective("minimise latency_p50_ms") == ("minimize", "latency_p50_ms")


def test_values_are_arithmetic_over_arrays() -> None:
    expression = parse_value("120*accuracy - max(cost_per_month_usd, 3) / 2**2 + ndcg@10")
    assert expression.names == ("accuracy", "cost_per_month_usd", "ndcg@10")
    values = {"accuracy": np.array([0.5, 1.0]), "cost_per_month_usd": 8.0, "ndcg@10": 0.25}
    np.testing.assert_allclose(expression.evaluate(values), [58.25, 118.25])


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os')",
        "accuracy.real",
        "accuracy[0]",
        "(lambda: 1)()",
        "accuracy ** 999",
        "accuracy ** accuracy",
        "9 ** 9 ** 9",
        "open('x')",
        "'a' * 9",
        "[x for x in (1,)]",
        "accuracy if 1 else 2",
        "accuracy < 1",
        "True + 1",
        "exp(accuracy, 2)",
        "max(accuracy, key=abs)",
        "1e400",
        "accuracy @ accuracy",
        "accuracy +",
        "(" * 300 + "1" + ")" * 300,
        "1+" * 400 + "1",
        "",
    ],
)
def test_what_reaches_for_python_or_explodes_is_refused(text: str) -> None:
    with pytest.raises(
        ValueError,
        match=r"not allowed|not an expression|power|not a number|cannot be meant|`@`|takes one|at most",
    ):
        parse_value(text)
