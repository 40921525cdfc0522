"""Energy of processors: each package's counter, once, past its turning point."""

from __future__ import annotations

from pathlib import Path

from harness.serving.energy import meter


def zone(folder: Path, number: str, name: str, joules: float) -> Path:
    path = folder / f"intel-rapl:{number}"
    path.mkdir(parents=True)
    (path / "name").write_text(f"{name}\n")
    (path / "max_energy_range_uj").write_text("262143328850\n")
    count(path, joules)
    return path


def count(path: Path, joules: float) -> None:
    (path / "energy_uj").write_text(f"{round(joules * 1e6)}\n")


def test_packages_are_added_and_the_platform_that_holds_them_is_not_counted_again(tmp_path: Path) -> None:
    zones = [zone(tmp_path, "0", "package-0", 100.0), zone(tmp_path, "1", "package-1", 50.0)]
    zone(tmp_path, "0:0", "core", 90.0)  # a part of package 0
    platform = zone(tmp_path, "2", "psys", 200.0)
    found = meter("cpu", tmp_path)
    assert found is not None
    count(zones[0], 103.0)
    count(zones[1], 52.0)
    count(platform, 210.0)
    assert found.joules() == 5.0


def test_a_counter_that_wraps_around_goes_on(tmp_path: Path) -> None:
    package = zone(tmp_path, "0", "package-0", 262143.0)
    found = meter("cpu", tmp_path)
    assert found is not None
    count(package, 1.0)
    assert abs(found.joules() - 1.32885) < 1e-3


def test_a_machine_without_counters_has_no_meter(tmp_path: Path) -> None:
    assert meter("cpu", tmp_path) is None
