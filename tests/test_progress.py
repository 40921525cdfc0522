"""What a person sees of a run costs the run next to nothing."""

from __future__ import annotations

import io
import sys
from types import FrameType
from typing import Any

import pytest
from rich.console import Console

from harness.progress import Display
from harness.record import Trial


def trials(count: int, kind: str = "train") -> list[Trial]:
    return [Trial(kind, f"model{n % 10}", {"n": n}, train_size=n % 3) for n in range(count)]  # type: ignore[arg-type]


def display(count: int, estimates: dict[str, float] | None = None) -> Display:
    """Half of the trials finished, each in 10 s."""
    every = trials(count)
    shown = Display(every, estimates_s=estimates, console=Console(file=io.StringIO(), width=100))
    for trial in every[: count // 2]:
        shown.ended(trial, "finished", seconds=10.0)
    return shown


def steps_of(shown: Display) -> int:
    """Bytecodes of one render's own work, which no busy machine changes."""
    steps = 0

    def trace(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal steps
        frame.f_trace_opcodes = True
        steps += event == "opcode"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        shown._render()
    finally:
        sys.settrace(before)
    return steps


def test_a_render_of_twice_the_trials_costs_about_twice() -> None:
    small, large = steps_of(display(500)), steps_of(display(1000))
    assert large < 2.3 * small


def test_time_left_is_that_of_alike_trials() -> None:
    assert display(100).seconds_left() == pytest.approx(50 * 10.0)


def test_time_left_is_the_plans_estimate_by_how_it_did_so_far() -> None:
    every = trials(4) + trials(2, "serve")
    estimates = {trial.id: 4.0 for trial in every}
    shown = Display(every, estimates_s=estimates, console=Console(file=io.StringIO()))
    assert shown.seconds_left() == pytest.approx(6 * 4.0), "nothing known but the plan"
    shown.ended(every[0], "finished", seconds=8.0)
    assert shown.seconds_left() == pytest.approx(3 * 8.0 + 2 * 4.0), "training takes twice as long"
    unknown = Display(every, console=Console(file=io.StringIO()))
    assert unknown.seconds_left() is None


def test_a_trial_that_waits_for_another_run_says_so_in_the_line_of_each_minute() -> None:
    shown = display(10)
    waits, works = trials(10)[5:7]
    shown.went_on(waits, {"waiting": "for another run on this host"})
    shown.went_on(works, {"epoch": 1, "epochs": 2})
    assert shown.line().endswith(f"({waits.label}: waits for another run on this host, {works.label})")
