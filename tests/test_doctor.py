from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

from harness.doctor import as_text, doctor, machine
from harness.doctor.findings import MachineCheck
from harness.doctor.machine import Core, floor_finding, governor_finding, timer_finding, verdict_of
from harness.doctor.pauses import Pauses, look_at_pauses, pauses_finding
from harness.doctor.selfcheck import Check, as_table
from harness.doctor.steadiness import look_at_speed, steadiness_finding, steadiness_of


def core(lost: float, long_per_s: float = 0.0) -> Core:
    return Core(0, lost, 0.5, long_per_s, 0.0, 0.0)


def test_a_quiet_machine_measures_the_models_own_tail() -> None:
    finding = floor_finding([core(0.3), core(0.001)])
    assert finding.level == "good"
    assert finding.meaning == "medians and p99s are the model's own"


def test_rare_gaps_spoil_the_p99_of_long_calls_and_not_the_median() -> None:
    finding = floor_finding([core(0.02, long_per_s=20)])
    assert finding.level == "watch"
    assert "medians are sound; a p99 of calls longer than about 0.5 ms" in finding.meaning


def test_a_machine_that_others_use_is_not_fit() -> None:
    finding = floor_finding([core(0.5, 100), core(0.4, 90)])
    assert finding.level == "bad"
    verdict = verdict_of([finding])
    assert (verdict.found, verdict.level) == ("not fit to measure now", "bad")


def test_a_machine_of_two_speeds_is_told_with_how_far_apart_and_how_long() -> None:
    random = np.random.default_rng(0)
    quickest = 4e-6 * np.repeat([1.0, 1.5, 1.0, 1.5], [60, 20, 50, 20]) * random.uniform(1.0, 1.02, 150)
    finding = steadiness_finding(steadiness_of(quickest.tolist()))
    assert finding.level == "watch"
    assert "1.5 times as long in 27% of 3 s" in finding.found
    assert "serving.rounds" in finding.meaning


def test_a_steady_machine_and_one_lucky_window_are_no_two_speeds() -> None:
    assert steadiness_finding(steadiness_of([4e-6] * 149 + [3e-6])).found == "steady over 3 s"


def test_a_core_is_looked_at_for_real_and_the_process_keeps_its_cores() -> None:
    allowed = os.sched_getaffinity(0)
    found = look_at_speed(max(allowed), 0.2)
    assert 0 <= found.slow <= 0.9 and found.times >= 1
    assert os.sched_getaffinity(0) == allowed


def test_memory_that_a_host_takes_away_in_pauses_is_told_with_what_a_call_then_costs() -> None:
    finding = pauses_finding(Pauses(at_once=0.01, after=12.7))
    assert finding.level == "watch"
    assert "13 µs after 100 ms without use (0.01 at once)" in finding.found
    assert "13 ms longer for each 4 MB" in finding.meaning and "`single_stream`" in finding.meaning
    assert pauses_finding(Pauses(at_once=0.01, after=0.2)).level == "good", "caches forget on any machine"


def test_pages_are_looked_at_for_real_and_the_process_keeps_its_cores() -> None:
    allowed = os.sched_getaffinity(0)
    found = look_at_pauses(max(allowed))
    assert 0 < found.at_once < found.after < 1e4
    assert os.sched_getaffinity(0) == allowed


def test_a_governor_that_saves_power_is_named_with_its_cure(tmp_path: Path) -> None:
    folder = tmp_path / "cpu0" / "cpufreq"
    folder.mkdir(parents=True)
    (folder / "scaling_governor").write_text("powersave\n")
    assert "cpupower frequency-set -g performance" in governor_finding(tmp_path).meaning
    (folder / "scaling_governor").write_text("performance\n")
    assert governor_finding(tmp_path).level == "good"


def test_a_late_timer_limits_open_loops() -> None:
    timer = {"resolution_ns": 1.0, "cost_ns": 50.0, "sleep_late_p50_us": 60.0, "sleep_late_p99_us": 3000.0}
    assert "open-loop limits below about 30 ms will be invalid" in timer_finding(timer).meaning


def test_the_doctor_speaks_json_on_stdout_and_text_on_stderr(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "SPIN_S", 0.05)
    monkeypatch.setattr(machine, "LOOK_S", 0.1)
    assert doctor(json_out=True) == 0
    said = json.loads(capsys.readouterr().out)
    names = [finding["what"] for finding in said["findings"]]
    assert names[0] == "verdict"
    assert {"noise floor", "speed", "cores", "timer", "thread pools", "GPU", "energy", "disk", "Ray"} <= set(
        names
    )
    assert said["cores"][0]["lost"] >= 0
    assert said["environment"]["versions"]["python"]
    assert doctor() == 0
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "noise floor" in captured.err


def test_a_finding_is_a_line_and_what_it_means_the_next() -> None:
    text = as_text(
        [MachineCheck("disk", "2 GB free", "a run may fill it", "watch"), MachineCheck("Ray", "2.60")]
    )
    assert text.splitlines() == ["note disk  2 GB free", "           a run may fill it", "ok   Ray   2.60"]


def test_a_check_passes_within_its_tolerance_and_says_its_ratio() -> None:
    assert Check("p50", 5.0, 5.1, 0.03).passed
    assert not Check("p50", 5.0, 5.2, 0.03).passed
    assert not Check("p50", 5.0, None, 0.03, "too noisy").passed
    assert Check("pair", "not separated", "not separated", 0.0).passed
    assert not Check("pair", "not separated", "first", 0.0).passed
    assert Check("p50", 5.0, 5.1, 0.03).as_json()["ratio"] == pytest.approx(1.02)


def test_the_table_shows_expected_measured_and_ratio() -> None:
    table = as_table([Check("p50", 5.0, 5.1, 0.03), Check("p99", 20.0, None, 0.1, "too noisy")])
    assert "1.020  ok" in table
    assert "FAILED (allowed ±10%) too noisy" in table


@pytest.mark.slow
def test_the_self_check_agrees_with_every_known_truth(capsys: pytest.CaptureFixture[str]) -> None:
    assert doctor(self_check=True) == 0, capsys.readouterr().err
