"""What people expect of a command line: the last page opens, a shell completes names."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from harness.cli.options import Out, flag, required
from harness.cli.topics import TOPICS, show, terminal_width, topic_text, topics_text
from harness.names import hint
from harness.record import RecordError, SuiteError

SHELLS = ("bash", "zsh", "fish")
PROGRAM = "harness"


def open_page(
    run: Annotated[
        str, typer.Argument(metavar="RUN", help="As for `report`; by default the newest run.")
    ] = "latest",
    out: Out = "results",
    print_: Annotated[bool, flag("--print", "Say where it lies, open nothing.")] = False,
) -> int:
    """Open a run's page in the browser."""
    import webbrowser

    from harness.store.runs import find_run

    found = find_run(run, out)
    if not found.is_local:
        raise SuiteError(f"open shows runs on this machine, {found.url} is elsewhere: copy it here first")
    page = Path(found.url.removeprefix("file://")) / "report.html"
    if not page.is_file():
        raise RecordError(f"{page} is not there yet: python -m harness report {run}")
    print(page)
    if not print_ and not webbrowser.open(page.as_uri()):
        print("no browser could be opened: open this file yourself", file=sys.stderr)
    return 0


def topics(incomplete: str) -> list[str]:
    """Topics of `help` that begin so."""
    return [topic for topic in TOPICS if topic.startswith(incomplete)]


def help_(
    topic: Annotated[
        str | None,
        typer.Argument(metavar="[TOPIC]", help="A topic; without one all are listed.", autocompletion=topics),
    ] = None,
) -> int:
    """Explain a topic: limits, traffic, runtimes, splits, …"""
    show(topics_text() if topic is None else topic_text(topic, terminal_width()))
    return 0


def completion(shell: Annotated[str, required("bash|zsh|fish", "Your shell.")]) -> int:
    """Print what lets a shell complete what you type.

    Commands, options, suites and runs of `harness`.
    """
    from typer._completion_shared import get_completion_script

    if shell not in SHELLS:
        raise SuiteError(f"completion {shell}: there is no such shell here: {hint(shell, SHELLS)}")
    options = {"prog_name": PROGRAM, "complete_var": "_HARNESS_COMPLETE", "shell": shell}
    print(get_completion_script(**options))
    return 0


def calibrate_here(
    rounds: Annotated[int, typer.Option("--rounds", metavar="N", min=1, help="Repetitions.")] = 3,
) -> int:
    """Measure a standard set of networks here.

    Suites with `machines` of this class then know how fast it is.
    """
    from harness.costs.calibrations import keep
    from harness.running.calibrate import calibrate

    found = calibrate(rounds)
    print(
        f"class {found.machine_class} ({found.cpu}, {found.cores} cores): {len(found.speeds)} networks on"
        " their runtimes. A suite prices a machine of it with"
        f" machines: {{NAME: {{price: …, class: {found.machine_class}}}}}; on another computer put this file"
        " into the same folder of its cache",
        file=sys.stderr,
    )
    print(keep(found))
    return 0
