"""Real runs of tiny suites in this process: every trial for true, only Ray is left out."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.planning.plan import plan_run
from harness.reading import read_suite, suite_to_text
from harness.store.runs import RunFolder, open_run, take_over
from harness.trial.trial import run_trial


def run_here(suite_path: Path, out: Path, *overrides: str, kinds: str = "train score serve") -> RunFolder:
    """The suite's run folder with a record of each trial of the kinds."""
    suite = read_suite(suite_path, overrides)
    plan, cached = plan_run(suite, None, str(out))
    run = open_run(out, suite.name, plan.hash)
    run.write_text("suite.yaml", suite_to_text(suite))
    take_over(run, cached)
    for trial in plan.missing:
        if trial.kind in kinds:
            run_trial(trial, run, _unheard)
    return run


def _unheard(info: Mapping[str, Any]) -> None:
    pass
