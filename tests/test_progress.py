"""What a person sees of a run costs the run next to nothing."""

from __future__ import annotations

import io
import re
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


def test_what_is_left_of_a_step_is_not_said_to_be_left_of_the_run() -> None:
    every = trials(4)
    estimates = {trial.id: 4.0 for trial in every}
    console = Console(file=io.StringIO())
    for is_step, told in ((False, "about 16 s left"), (True, "about 16 s left of this step")):
        assert told in Display(every, estimates_s=estimates, console=console, is_step=is_step).line().split(
            "; "
        )


def test_a_trial_that_waits_for_another_run_says_so_in_the_line_of_each_minute() -> None:
    shown = display(10)
    waits, works = trials(10)[5:7]
    shown.went_on(waits, {"waiting": "for another run on this host"})
    shown.went_on(works, {"epoch": 1, "epochs": 2})
    now = f"; now {waits.label}: waits for another run on this host, {works.label}"
    assert shown.line().endswith(re.sub(r" n (\d)", r", \1 rows", now))


def test_the_view_says_what_its_figures_are_and_in_which_unit() -> None:
    trial = Trial("train", "vit", {"task": "tabular_regression", "watch": "mae"}, seed=0, train_size=10000)
    shown = Display([trial], console=Console(file=io.StringIO(), width=120))
    shown.began(trial)
    epoch = {"epoch": 2, "epochs": 5, "loss": 0.5, "score": -3.25, "seconds": 44.3}
    shown.went_on(trial, epoch)

    def view() -> str:
        with shown.console.capture() as captured:
            shown.console.print(shown._render())
        return captured.get()

    assert "train vit seed 0, 10,000 rows" in view()
    assert "epoch 2 of 5, loss 0.500, mae 3.250, 44 s an epoch" in view()
    assert "0 of 1 trainings" in view() and "0/1" not in view()
    shown.went_on(trial, {"stage": "retriever", "interim": True, "epoch": 1, "epochs": 3, "score": None})
    assert "retriever of earlier rows: epoch 1 of 3 " in view()
    shown.went_on(trial, {"waiting": "for another run on this host"})
    assert "waits for another run on this host" in view()
    assert (
        shown.line() == "0 of 1 trainings; how long is not known yet; now train vit seed 0, 10,000 rows: "
        "waits for another run on this host"
    )
