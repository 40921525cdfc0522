"""`compare`: two runs metric by metric, or any number over time."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from harness.analysis.compare import compare_runs
from harness.analysis.history import history_of
from harness.cli.text import comparison_text
from harness.record import RecordError
from harness.report import history
from harness.store.runs import RunFolder, find_measured, list_runs


def compare_all(
    names: Sequence[str], margin: float, out: str, form: str, plot: str | None, as_json: bool
) -> int:
    """Print the comparison; the exit code.

    Raises:
        HarnessError: a run is not there, holds no trials, or shares nothing with the first.
    """
    runs = _runs(names, out)
    if len(runs) == 2 and form == "text" and plot is None:
        gate = compare_runs(runs[0], runs[1], margin)
        print(json.dumps(gate.to_json(), indent=2) if as_json else comparison_text(gate))
        return 1 if gate.regressions else 0
    found = history_of(runs, margin)
    if plot is not None:
        Path(plot).write_bytes(history.picture(found))
        print(f"drawn: {plot}", file=sys.stderr)
    if as_json:
        print(json.dumps(found.to_json(), indent=2))
    else:
        print(history.comment(found) if form == "github" else history.text(found))
    worse = bool(found.latest.regressions) if form == "github" else bool(found.regressions)
    return 1 if worse or (form == "github" and found.flips) else 0


def _runs(names: Sequence[str], out: str) -> list[RunFolder]:
    """The runs meant: each that is named, in that order; of a single suite's name all of its runs, oldest
    first."""
    if len(names) > 1:
        return [find_measured(name, out) for name in names]
    suite = names[0].rstrip("/")
    found = [run for run in list_runs(out, suite) if run.trial_ids()]
    if len(found) < 2:
        many = "one run" if found else "no run"
        raise RecordError(
            f"compare {suite}: {many} of a suite of this name is in {out}:"
            " name two runs, or a suite that ran twice"
        )
    return found
