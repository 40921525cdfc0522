"""How long deciding takes: `recommend` on a run of 10,000 records, and the table against their number.

    python -m benchmarks.decide_speed [--records 10000] [--against FOLDER]

Prints one JSON line. The first decision reads all records and keeps what it learnt in `evidence.npz`; a
further question reads only that (`recommend_new_s`, another limit on accuracy each time;
`new_latency_limit_s` also simulates the queues of 800 variants within it), and one that was asked before, or
that `report` answered, is read as it was kept (`recommend_s`). Seconds are CPU time of a whole process,
start of Python and imports included (bytecode cached, as on any machine that ran the harness before);
`report_s` renders the same records; `first_compare_s` and `compare_s` hold the run against a copy of itself,
a first time and again, `list_s` lists the runs.
FOLDER is a checkout of another version, which decides and reports in turn with this one, on the same world
that it wrote itself (an older one refuses a resolved suite of today): `ratio` (asked before), `new_ratio` (a
new question) and `report_ratio` are medians of this one's seconds over the other's. A command that fails
ends the benchmark, as a refusal is quick.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from harness.analysis.tradeoff import tradeoff
from harness.reading import suite_to_text
from harness.record import Record, record_to_json
from harness.suite.schema import Suite
from tests.analysis_world import Truth, World, make_suite

PER_CANDIDATE = 2 * 3 + 2 * 3
"""Records of a candidate in this world: 3 seeds trained and scored, 3 rounds of 2 scenarios."""

TIMES = 5
"""Pairs of questions that count, in turn with another version."""

HERE = Path(__file__).parent.parent
MAIN = "import runpy, sys; sys.argv[1:] = {arguments!r}; runpy.run_module('harness', run_name='__main__')"
WRITE = """
import sys
from pathlib import Path
from benchmarks.decide_speed import _world, _write
world, suite = _world(int(sys.argv[1]))
_write(world.records(), suite, Path(sys.argv[2]))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--records", type=int, default=10_000)
    parser.add_argument("--against", type=Path)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/decide_speed.json"))
    arguments = parser.parse_args()
    result: dict[str, float] = {}
    sizes = (arguments.records // 4, arguments.records // 2, arguments.records)
    for size in sizes:
        world, suite = _world(size)
        records = world.records()
        start = time.process_time()
        tradeoff(records, suite)
        result[f"tradeoff_{len(records)}_records_s"] = round(time.process_time() - start, 3)
    with tempfile.TemporaryDirectory() as folder:
        result |= _whole_commands(arguments.records, arguments.against, folder)
    print(json.dumps(result))
    arguments.out.write_text(json.dumps(result, indent=1) + "\n")


def _whole_commands(size: int, against: Path | None, folder: str) -> dict[str, float]:
    """CPU seconds of `recommend` and `report` as a user starts them, the first time and after it."""
    result = {}
    ours, theirs = (f"{folder}/{whose}/big/20250101-000000-0123abcd" for whose in ("ours", "theirs"))
    _cpu_seconds(WRITE, folder, HERE, (str(size), ours))
    if against:
        _cpu_seconds(WRITE, f"{folder}/their_bytecode", against, (str(size), theirs))
    recommend, report = ["recommend", ours], MAIN.format(arguments=["report", ours])
    limited = MAIN.format(arguments=[*recommend, "--where", "latency_p99_ms<=9"])
    for key in ("first_recommend_s", "recommend_s", "recommend_again_s"):
        result[key] = _cpu_seconds(limited, folder)
    for key in ("first_report_s", "report_s", "report_again_s"):
        result[key] = _cpu_seconds(report, folder)
    other = MAIN.format(arguments=[*recommend, "--where", "latency_p99_ms<=9.5"])
    result["new_latency_limit_s"] = _cpu_seconds(other, folder)
    result["recommend_after_report_s"] = _cpu_seconds(MAIN.format(arguments=recommend), folder)
    copied = shutil.copytree(ours, f"{folder}/ours/big/20250102-000000-0123abcd")
    compare = MAIN.format(arguments=["compare", ours, copied])
    for key in ("first_compare_s", "compare_s"):
        result[key] = _cpu_seconds(compare, folder)
    listed = MAIN.format(arguments=["list", "runs", "--out", f"{folder}/ours"])
    result["list_s"] = _cpu_seconds(listed, folder)
    if against:
        result |= _in_turn(ours, theirs, against, folder)
    return result


def _in_turn(ours: str, theirs: str, against: Path, folder: str) -> dict[str, float]:
    """This version and another one in turn, each time but the first, which warms both up: medians of their
    seconds, and of the ratios."""

    def asked(url: str, k: int) -> str:
        return MAIN.format(arguments=["recommend", url, "--where", f"accuracy>={0.5 + k / 1000}"])

    def by_both(name: str, url: str) -> str:
        return MAIN.format(arguments=[name, url])

    def theirs_take(code: str) -> float:
        return _cpu_seconds(code, f"{folder}/their_bytecode", against)

    taken = [
        (*(_cpu_seconds(asked(ours, k), folder) for _ in range(2)), theirs_take(asked(theirs, k)))
        for k in range(TIMES + 1)
    ]
    reports = [
        (_cpu_seconds(by_both("report", ours), folder), theirs_take(by_both("report", theirs)))
        for _ in range(3)
    ]
    new, again, other = zip(*taken[1:], strict=True)
    own, others = zip(*reports[1:], strict=True)
    return {
        "recommend_s": round(median(again), 3),
        "recommend_new_s": round(median(new), 3),
        "recommend_other_s": round(median(other), 3),
        "ratio": _ratio(again, other),
        "new_ratio": _ratio(new, other),
        "report_other_s": round(median(others), 3),
        "report_ratio": _ratio(own, others),
    }


def _ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    return round(median(own / other for own, other in zip(ours, theirs, strict=True)), 3)


def _cpu_seconds(code: str, folder: str, version: Path = HERE, arguments: Sequence[str] = ()) -> float:
    """CPU seconds of a Python process that runs this.

    Raises:
        CalledProcessError: it did not end with 0.
    """
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    environment["PYTHONPYCACHEPREFIX"] = f"{folder}/bytecode"
    environment["PYTHONPATH"] = str(version)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-c", code, *arguments]
    subprocess.run(command, check=True, capture_output=True, env=environment, cwd=version)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return round(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, 3)


def _write(records: Sequence[Record], suite: Suite, folder: Path) -> None:
    """As `RunFolder.commit` would, without its syncs to disk (ten minutes for 10,000 trials)."""
    for record in records:
        home = folder / "trials" / record.trial.id
        home.mkdir(parents=True)
        (home / "record.json").write_text(json.dumps(record_to_json(record)))
    (folder / "suite.yaml").write_text(suite_to_text(suite))


def _world(size: int) -> tuple[World, Suite]:
    count = size // PER_CANDIDATE
    truths = {f"c{i:04}": Truth(0.7 + 0.25 * i / count, 1 + 10 * i / count) for i in range(count)}
    world = World(truths, num_examples=10, calls=20)
    return world, make_suite(list(truths), constraints=("latency_p99_ms <= 10",))


if __name__ == "__main__":
    main()
