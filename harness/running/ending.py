"""The end of a run: the verdict for who waits for it, then the page, the trackers and the exit code."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from harness.codec import Json
from harness.planning.request import RunRequest
from harness.record import HarnessError, Record
from harness.running.again import again_command
from harness.running.smoke import SMOKE_ENDING, smoke_text
from harness.store.runs import RunFolder
from harness.suite.schema import Suite

if TYPE_CHECKING:
    from harness.report.evidence import Evidence
    from harness.results import Recommendation


def end_of_run(
    run: RunFolder, records: Sequence[Record], suite: Suite, request: RunRequest, console: Console
) -> int:
    """Sum up, report, tell the trackers; the exit code."""
    from harness.analysis.agreement import agreements
    from harness.report.render import render

    failed = [record for record in records if record.status == "failed"]
    if not request.sums_up:
        _say_failed(failed, console)
        return 1 if failed else 0
    is_smoke = suite.name.endswith(SMOKE_ENDING)
    shown = _shown(run)

    def sum_up(evidence: Evidence) -> None:
        if is_smoke:
            console.print(smoke_text(records), highlight=False, markup=False)
        else:
            _say_verdict(evidence, suite, shown, request, console)

    with ThreadPoolExecutor(1) as meanwhile:  # the browser's seconds are beside those of the pictures
        prints: list[Future[tuple[str, str]]] = []

        def begun(page: str) -> None:
            if not is_smoke:
                prints.append(meanwhile.submit(_print_page, run, page))

        evidence = render(run, anew=False, decided=sum_up, begun=begun)  # takes seconds: nobody waits for it
        if not is_smoke:
            # Unbroken, so that a terminal can open it.
            console.print(f"  Report: {shown}", highlight=False, markup=False, soft_wrap=True)
            said, tone = prints[0].result() if prints else _print_page(run)
            if said:
                console.print(f"  {said}", style=tone, highlight=False, markup=False)
    differs = any(one.verdict == "differs" for one in agreements(suite, evidence.tradeoff))
    code = 1 if failed or differs else 0
    _say_failed(failed, console)
    _tell_trackers(evidence, run, suite, request.track, console)
    if request.json_out:
        print(json.dumps(_result(run, records, evidence.recommendation, code), indent=2))
    return code


def _shown(run: RunFolder) -> str:
    """Where the report lies, from the working directory where it is below that."""
    if not run.is_local:
        return f"{run.url}/report.html"
    path = Path(run.url) / "report.html"
    with contextlib.suppress(ValueError):
        return str(path.relative_to(Path.cwd()))
    return str(path)


def _say_verdict(evidence: Evidence, suite: Suite, shown: str, request: RunRequest, console: Console) -> None:
    from harness.analysis.agreement import agreements
    from harness.report import terminal_summary
    from harness.report.sections.agreement import lines

    # As the commands find it: by name in results/, elsewhere by its place.
    name = shown.removesuffix("/report.html").removeprefix("results/")
    again = again_command(request, evidence.run.url)
    console.print(
        terminal_summary(evidence.tradeoff, evidence.recommendation, run=name, suite=suite, again=again)
    )
    for line in lines(agreements(suite, evidence.tradeoff)):
        console.print(f"  {line}", highlight=False, markup=False)


def _print_page(run: RunFolder, page: str | None = None) -> tuple[str, str]:
    """Page one on paper beside the report, where there is a browser to print it; never a reason to fail.

    Args:
        page: the report as far as it is written; None: all of it.
    Returns:
        what is to be said of it, and in which style.
    """
    from harness.report.pdf import find_browser, print_page_one

    if not run.is_local or find_browser() is None:
        return "", ""
    try:
        made = print_page_one(Path(run.url.removeprefix("file://")), page)
        return f"On paper: {made.name} beside it", ""
    except (HarnessError, OSError) as error:
        return f"Note: no PDF: {error}", "yellow"


def _result(
    run: RunFolder, records: Sequence[Record], recommendation: Recommendation, code: int
) -> dict[str, Json]:
    """What `--json` prints."""
    from harness.analysis.outputs import to_json

    return {
        "run": run.url,
        "exit_code": code,
        "finished": sum(record.status == "finished" for record in records),
        "failed": [
            {"id": r.trial.id, "label": r.trial.label, "reason": r.failure.reason if r.failure else ""}
            for r in records
            if r.status == "failed"
        ],
        "recommendation": json.loads(to_json(recommendation)),
    }


def _say_failed(failed: Sequence[Record], console: Console) -> None:
    """Trials that failed or were not run by their reason: many do for one."""
    by_reason: dict[str, list[Record]] = {}
    for record in failed:
        by_reason.setdefault(record.failure.reason if record.failure else "failed", []).append(record)
    for reason, alike in by_reason.items():
        more = f" and {len(alike) - 1} more" if len(alike) > 1 else ""
        head, why = ("NOT RUN", reason.partition(": ")[2]) if alike[0].is_unrun else ("FAILED", reason)
        line = f"{head}  {alike[0].trial.label}{more}: {why}"
        console.print(line, style="red", highlight=False, markup=False)
    if failed:
        console.print("these are tried again by the next run; finished trials are kept", style="dim")


def _tell_trackers(
    evidence: Evidence, run: RunFolder, suite: Suite, names: Sequence[str], console: Console
) -> None:
    """W&B and MLflow; a tracker that is down costs a line, never the run."""
    wanted = {**suite.track, **{name: suite.track.get(name, {}) for name in names}}
    if not wanted:
        return
    from harness.export.folder import export_variant
    from harness.report import track

    # The choice of a trial run means nothing: no registry gets it.
    export = None if suite.name.endswith(SMOKE_ENDING) else partial(export_variant, run)
    for name, options in wanted.items():
        try:
            told = track.track(evidence, {name: dict(options)}, export)
        except (HarnessError, OSError, ImportError) as error:
            text = (
                f"{name} could not be logged to: {error} (python -m harness report sends nothing; run again)"
            )
            console.print(text, style="yellow", highlight=False, markup=False)
        else:
            if told:
                console.print(f"{name}: {told}", highlight=False, markup=False)
