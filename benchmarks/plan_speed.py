"""How long planning takes, this version and another one in turn.

    python -m benchmarks.plan_speed [--against FOLDER] [--suite suites/cnn_vs_vit.yaml] [--times 10]

Prints one JSON line. Seconds are the median CPU time of a whole process, start of Python and imports
included; bytecode and the memory of source files are kept from a first run that does not count. FOLDER is
a checkout of the version to compare with: both alternate, so that whatever else the machine does meets both.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

HERE = Path(__file__).parent.parent
OUT = HERE / "benchmarks" / "results" / "plan_speed.json"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--against", type=Path)
    parser.add_argument("--suite", default="suites/cnn_vs_vit.yaml")
    parser.add_argument("--times", type=int, default=10)
    parser.add_argument("--out", type=Path, default=OUT)
    arguments = parser.parse_args()
    versions = {"this": HERE, **({"other": arguments.against} if arguments.against else {})}
    commands = {"plan": ("plan", arguments.suite), "help": ("--help",)}
    taken: dict[str, list[float]] = {f"{what}_{name}_s": [] for what in commands for name in versions}
    with tempfile.TemporaryDirectory() as bytecode:
        for number in range(arguments.times + 1):
            for what, command in commands.items():
                for name, folder in versions.items():
                    seconds = _cpu_seconds(folder, command, f"{bytecode}/{name}")
                    taken[f"{what}_{name}_s"] += [seconds] if number else []
    result = {name: round(median(seconds), 3) for name, seconds in taken.items()}
    if arguments.against:
        ratios = [a / b for a, b in zip(taken["plan_this_s"], taken["plan_other_s"], strict=True)]
        result["plan_ratio"] = round(median(ratios), 3)
        result["plan_ratio_low"], result["plan_ratio_high"] = round(min(ratios), 3), round(max(ratios), 3)
    print(json.dumps(result))
    arguments.out.write_text(json.dumps(result, indent=1) + "\n")


def _cpu_seconds(folder: Path, command: tuple[str, ...], bytecode: str) -> float:
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    environment |= {"PYTHONPYCACHEPREFIX": bytecode, "PYTHONPATH": str(folder)}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        [sys.executable, "-m", "harness", *command],
        check=True,
        capture_output=True,
        env=environment,
        cwd=folder,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    main()
