"""The process that loads a deployment: `python -m harness.schedule.http.client job.json`.

It is the measured process of every serve trial with the deployment in place of the variant, and with more
connections where one would not do.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from harness.serving import child

SCENARIOS = {
    "offline": "harness.schedule.http.load:offline",
    "server": "harness.schedule.http.load:server",
}
"""Scenarios that need more than one connection."""


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, and write the result or the reason of the failure."""
    child.SCENARIOS.update(SCENARIOS)
    return child.main(argv)


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
