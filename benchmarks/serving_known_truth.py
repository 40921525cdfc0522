"""Known truths through the serve path, repeated: the checks of `doctor --self-check` with their spread.

python -m benchmarks.serving_known_truth closed     # busy-wait and two-valued models, 5 times
python -m benchmarks.serving_known_truth server 5   # sleeping server, 5 repetitions more
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from harness.doctor.selfcheck import busy_wait, sleeping_server, two_valued

RESULTS = Path("benchmarks/results/serving_known_truth.json")


def main(argv: list[str]) -> None:
    """Append the checks of one invocation to the results."""
    rows = json.loads(RESULTS.read_text()) if RESULTS.exists() else []
    if argv[0] == "closed":
        checks = [check for _ in range(5) for check in (*busy_wait(), *two_valued())]
    else:
        done = sum("sleeping" in row["name"] for row in rows)
        checks = [c for k in range(int(argv[1])) for c in sleeping_server(20.0, seed=done + k)]
    for check in checks:
        row = {**check.as_json(), "load_average": round(os.getloadavg()[0], 1)}
        rows.append(row)
        print(json.dumps(row), flush=True)
    RESULTS.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
