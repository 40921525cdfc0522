from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from harness.serving.noise import CGROUPS, Gate, Noise, cgroup_stats, spin
from harness.serving.subject import Subject
from harness.serving.windows import Window, Windows, measure_window
from tests.known_models import examples, load_variant

pytestmark = pytest.mark.quiet

QUIET = Noise(1.0, 0.0, 0, 0, 0.0, 0.0, 0, 0.0)
LOUD = replace(QUIET, wait_share=0.25)
HOPELESS = replace(QUIET, wait_share=0.6)


def window(noise: Noise) -> Window:
    times = np.arange(10) * 1000
    return Window(1, times, times + 500, 0.1, noise)


@pytest.fixture
def neighbours() -> Iterator[None]:
    """Three busy processes for each core, in this process's own scheduling group."""
    busy = "import os\nwhile os.getppid() != 1: pass"
    processes = [subprocess.Popen([sys.executable, "-c", busy]) for _ in range(3 * (os.cpu_count() or 1))]
    time.sleep(0.3)
    yield
    for process in processes:
        process.kill()
        process.wait()


@pytest.mark.skipif(not Path("/proc/self/schedstat").exists(), reason="no schedstat here")
def test_a_neighbour_on_every_core_makes_a_window_loud(neighbours: None) -> None:
    predict = load_variant({"args": {"kind": "busy", "ms": 1.0}}, None, 1, "cpu")  # type: ignore[arg-type]
    subject = Subject(predict, examples({}), {}, (2,))
    measured = measure_window(subject, 1, 0.5)
    assert not measured.noise.quiet
    assert measured.noise.wait_share > 0.2
    assert measured.noise.involuntary > 0


def test_time_asleep_is_not_noise() -> None:
    gate = Gate()
    time.sleep(0.2)
    noise = gate.read()
    assert noise.cpu_share < 0.5
    assert noise.wait_share < 0.1


def test_a_spin_counts_the_gaps_it_sees() -> None:
    lost, longest, count = spin(0.005)
    assert 0 <= lost <= 1
    assert (longest > 20_000) == (count > 0)


def test_quiet_windows_count_and_loud_ones_are_kept_but_rejected() -> None:
    windows = Windows([window(QUIET)] * 3 + [window(LOUD)])
    assert len(windows.accepted) == 3
    assert windows.note == ""
    assert [w.rejected for w in windows.told()] == [False, False, False, True]


def test_where_no_three_are_quiet_usable_windows_count_and_are_said_to_be_noisy() -> None:
    windows = Windows([window(QUIET), window(LOUD), window(LOUD), window(HOPELESS)])
    assert len(windows.accepted) == 3
    assert windows.note == "noisy: 1 of 4 windows quiet"


def test_windows_without_quiet_are_an_answer_and_no_number() -> None:
    windows = Windows([window(HOPELESS)] * 5)
    assert windows.accepted == []
    assert windows.note == "too noisy (0 of 5 windows quiet)"


def test_a_throttled_window_is_not_used() -> None:
    assert not replace(QUIET, throttled=1).usable


def test_a_core_that_a_hypervisor_takes_away_is_seen_by_the_spins_alone_and_refused() -> None:
    stolen = replace(QUIET, spin_lost=0.6)
    assert Windows([window(stolen)] * 5).note == "too noisy (0 of 5 windows quiet)"
    interrupted = [window(replace(QUIET, spin_lost=0.6))] + [window(replace(QUIET, spin_lost=0.3))] * 4
    assert len(Windows(interrupted).accepted) == 5, "one spin may meet a timer; the middle one says more"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("0::/system.slice/job\n", ["system.slice/job/cpu.stat", "system.slice/cpu.stat", "cpu.stat"]),
        ("5:memory:/m\n4:cpu,cpuacct:/a\n", ["cpu/a/cpu.stat", "cpu/cpu.stat", "cpu.stat"]),
    ],
)
def test_throttling_is_read_from_the_process_s_own_control_group_upwards(
    content: str, expected: list[str], tmp_path: Path
) -> None:
    (tmp_path / "cgroup").write_text(content)
    assert [str(path.relative_to(CGROUPS)) for path in cgroup_stats(tmp_path / "cgroup")] == expected
    assert cgroup_stats(tmp_path / "none") == ()
