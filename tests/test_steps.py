"""What `init` shows while it works: a line a step in a log, one line drawn anew on a terminal."""

from __future__ import annotations

import io
import itertools
import subprocess
import sys
from pathlib import Path

import pytest

from harness.cli.main import main
from harness.cli.steps import ERASE, Steps
from harness.init.effort import seconds_per_row
from harness.init.find import Found
from harness.init.offer import Offer
from harness.init.steps import LOADING_S, TIMED_S, reading, timing
from harness.protocols import Task
from tests.small_suites import surroundings
from tests.test_init import customers, photos


@pytest.fixture(autouse=True)
def _a_clock_that_is_looked_at_only_where_a_test_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.cli.steps.DRAWN_EVERY_S", 3600.0)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def shown(stream: io.StringIO, at_s: list[float], **how: bool) -> str:
    """A step of ten seconds, a line that stays, and a step of which nothing is known."""
    clock = iter(at_s)
    with Steps(stream, now=lambda: next(clock), **how) as steps:
        steps.step("timing vit", 10.0)
        steps.say("120 images")
        steps.step("looking for leaks")
    return stream.getvalue()


def test_in_a_log_each_step_is_a_line_without_control_codes() -> None:
    text = shown(io.StringIO(), [0, 0, 9, 9], is_quiet=False)
    assert text == "timing vit, about 10 s left …\n120 images\nlooking for leaks …\n"


def test_on_a_terminal_the_line_is_drawn_anew_and_gone_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "24")
    text = shown(Terminal(), [0, 0, 4, 9, 9], is_quiet=False)
    assert text.split(ERASE) == [
        "", "timing vit, about 10 s ", "120 images\n", "timing vit, about 6 s l", "looking for leaks", "",
    ]  # fmt: skip
    monkeypatch.setenv("TERM", "dumb")
    assert ERASE not in shown(Terminal(), [0, 0, 9, 9], is_quiet=False)


def test_nothing_is_shown_where_it_is_quiet_and_only_what_stays_beside_json() -> None:
    assert shown(Terminal(), [], is_quiet=True) == ""
    assert shown(io.StringIO(), [], is_quiet=False, shows_steps=False) == "120 images\n"


@pytest.mark.parametrize(
    ("left_s", "at_s", "told"),
    [
        (10.0, 3.0, "reading, about 7 s left"),
        (10.0, 9.6, "reading, about 1 s left"),
        (10.0, 14.0, "reading, longer than expected: 14 s so far"),
        (300.0, 20.0, "reading, about 5 min left"),
        (None, 1.0, "reading"),
        (None, 14.0, "reading, 14 s so far"),
    ],
)
def test_a_step_says_what_is_left_or_how_long_it_lasts(left_s: float | None, at_s: float, told: str) -> None:
    clock = iter([0.0, 0.0, at_s])
    steps = Steps(io.StringIO(), is_quiet=False, now=lambda: next(clock))
    steps.step("reading", left_s)
    assert steps.line() == told


def test_the_time_left_counts_the_networks_that_are_still_to_be_timed() -> None:
    import torch  # noqa: F401  - is loaded: nothing is added for it

    assert timing(0, ["small_cnn", "vit", "resnet"], 64) == (
        "timing small_cnn at 64×64 (1 of 3)",
        pytest.approx(3 * TIMED_S),
    )
    assert timing(0, ["net"], 0) == ("timing net", pytest.approx(TIMED_S))


def test_images_are_counted_and_timed_by_a_few_of_them_though_some_are_broken(tmp_path: Path) -> None:
    folder = photos(tmp_path / "fruit", each=4)
    (folder / "apple" / "0.jpg").write_bytes(b"no image")
    text, left_s = reading(Found("images", folder))
    assert text == "reading 12 images" and left_s is not None and LOADING_S < left_s < 60


def test_init_tells_its_steps_and_keeps_them_from_json_and_quiet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HARNESS_DATA", str(tmp_path / "cache"))
    monkeypatch.delenv("HARNESS_OUTPUT", raising=False)
    customers(tmp_path / "customers.csv")
    assert main(["init", "customers.csv"]) == 0
    said = capsys.readouterr().err
    assert said.startswith("looking at customers.csv …\nreading customers.csv …\n") and "\x1b" not in said
    assert said.index("predicts 'churned'") < said.index(
        "looking for leaks, duplicates and doubtful labels …"
    )
    assert main(["init", "customers.csv", "--force", "--json"]) == 0
    said = capsys.readouterr().err
    assert "predicts 'churned'" in said and "…" not in said
    monkeypatch.setenv("HARNESS_OUTPUT", "quiet")
    assert main(["init", "customers.csv", "--force", "--quiet"]) == 0
    quiet = capsys.readouterr()
    assert quiet.err == "" and quiet.out.startswith("wrote customers.yaml")


def test_the_first_line_comes_before_the_libraries_are_loaded(tmp_path: Path) -> None:
    """Their start is what takes seconds."""
    program = """
import sys
from harness.cli.main import main
class Heard:
    first = None
    def write(self, text):
        if self.first is None:
            self.first = sorted({"pandas", "numpy", "torch", "sklearn", "pyarrow"} & set(sys.modules))
            print(text.strip(), self.first)
    def flush(self): ...
    def isatty(self): return False
sys.stderr = Heard()
main(["init", "nothing.csv"])
"""
    environment = surroundings(tmp_path, HARNESS_OUTPUT="")
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "looking at nothing.csv … []\n", done.stderr


def test_a_network_is_timed_by_its_second_step_where_the_machine_pauses_in_the_first(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    clock = itertools.count()
    monkeypatch.setattr("time.perf_counter", lambda: float(next(clock)))  # a second between any two looks
    task = Task("image_classification", 2, ("a", "b"), (3, 8, 8), inputs="image")
    per_row = seconds_per_row(Offer("resnet", "resnet", "", "resnet"), task, 4, tmp_path)
    assert per_row == pytest.approx(2 / 4)  # the end of the second step, two looks after the first one's
