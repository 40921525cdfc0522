"""A suite over several data sets: one run for each, then what they say together."""

from __future__ import annotations

import sys
import time
from dataclasses import replace

from harness.figures import duration_text
from harness.planning.request import RunRequest
from harness.reading import read_suites, set_names
from harness.record import HarnessError
from harness.store.files import open_files
from harness.store.runs import find_run

INTERRUPTED = 130


def run_sets(request: RunRequest) -> int:
    """Run a suite; one over several data sets once for each, then write their overview.

    Returns:
        the exit code: 130 when interrupted, 1 when trials of a set failed, else 0.
    Raises:
        HarnessError: the user's input is wrong, or nothing can be written.
    """
    from harness.running.run import run_suite

    names = () if request.dataset is not None else set_names(request.suite, request.overrides)
    if not names or request.submit is not None:
        return run_suite(request)
    suites = read_suites(request.suite, request.overrides)  # all mistakes of all sets before any runs
    budget = request.budget if request.budget is not None else next(iter(suites.values())).budget
    end = None if budget is None else time.monotonic() + budget
    code, told = 0, set[str]()
    for place, name in enumerate(names):
        left = None if end is None else end - time.monotonic()
        said = f"\ndata set {name} ({place + 1} of {len(names)})"
        if left is not None and left < 1:  # whole data sets are worth more than a part of each
            print(f"{said}: not run: the budget is spent", file=sys.stderr)
            code = 1
            continue
        print(said if left is None else f"{said}: {duration_text(left)} of the budget left", file=sys.stderr)
        asked = replace(request, dataset=name, budget=left, json_out=False)
        waits: list[float] = []
        found = run_suite(asked, waits.append, told)
        end = None if end is None else end + sum(waits)
        if found == INTERRUPTED:
            return found
        code = max(code, found)
    if request.smoke:
        return code
    write_overview(request, {key: suite.name for key, suite in suites.items()})
    return code


def write_overview(request: RunRequest, runs: dict[str, str]) -> None:
    """`overview.html`, `.md` and `.json` under the suite's own name beside its runs.

    Args:
        runs: data set → the name of its suite.
    """
    from harness.report.overview import pages
    from harness.report.render import gather

    evidence = {}
    for key, name in runs.items():
        try:
            evidence[key] = gather(find_run(f"{name}/latest", request.out))
        except HarnessError as error:
            print(f"note: {key} is not in the overview: {error}", file=sys.stderr)
    if not evidence:
        return
    first = next(iter(evidence))
    whole = runs[first].removesuffix(f"-{first}")
    made = pages(whole, evidence[first].suite.question, evidence)
    said = made.pop("said")
    files = open_files(request.out)
    for file, content in made.items():
        files.write(f"{whole}/{file}", content.encode())
    print(f"\n{said}\n\n  Overview: {files.url}/{whole}/overview.html", file=sys.stderr)
    if request.json_out:
        print(made["overview.json"], end="")
