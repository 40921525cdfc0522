"""What suites declare that this process has read: metrics of the user's own, by name.

A suite says a metric's unit and direction itself, so that whoever reads records (table, decision, report)
needs nobody's code. `harness.metrics.metric` looks here after its own table.
"""

from __future__ import annotations

from harness.protocols import Better, Metric

METRICS: dict[str, Metric] = {}


def declare(name: str, unit: str, better: Better, function: str) -> None:
    """Make a suite's metric known; the last suite that was read has the last word on a name."""
    METRICS[name] = Metric(name, unit, better, f"Own: {function}")
