"""`harness init PATH`: from files to a first suite."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.cures import as_options
from harness.cli.data import _arguments as data_arguments
from harness.cli.options import AsJson, budget_seconds, flag, option, required
from harness.cli.steps import Steps
from harness.codec import Json
from harness.mistakes import noting, refuse
from harness.record import DataError

if TYPE_CHECKING:
    from harness.init.command import Wishes, Written
    from harness.init.look import Seen
    from harness.init.offer import Goal
    from harness.init.write import Conditions

EXAMPLES = (
    "init photos/                              # one folder per class",
    "init deliveries.csv --target late --budget 5m",
    "init ratings.csv -o films.yaml            # user, item, time: a log of interactions",
    "init train.csv test.csv                   # two parts of one table",
    "init photos/ my_net.py                    # your own network beside the baselines",
)


def init(
    paths: Annotated[list[str], required("PATH…", "A folder of images, a table, a log; your own .py files.")],
    target: Annotated[str | None, option("--target", "COLUMN", "What to predict.")] = None,
    budget: Annotated[str, option("--budget", "10m", "How long a run may take.")] = "10m",
    settings: Annotated[
        list[str] | None, option("--set", "key=value", "An argument of the data set; repeatable.")
    ] = None,
    out: Annotated[str | None, typer.Option("--out", "-o", metavar="FILE", help="The suite file.")] = None,
    force: Annotated[bool, flag("--force", "Overwrite an existing suite.")] = False,
    ask: Annotated[bool, flag("--ask", "Ask for limits and traffic, on a terminal.")] = False,
    as_json: AsJson = False,
) -> int:
    """Look at your data and write a first suite for it.

    Says what it sees, and chooses candidates, epochs and seeds that fit the budget.
    """
    mistakes, seconds, given = list[str](), 0.0, dict[str, Json]()
    with noting(mistakes):
        seconds = budget_seconds(budget)
    with noting(mistakes):
        given = data_arguments(settings)
    if ask and not sys.stdin.isatty():
        mistakes.append(
            "--ask needs a terminal, and this is not one: leave it out, and change the suite file"
        )
    with Steps(sys.stderr, shows_steps=not as_json) as steps:
        steps.step(
            f"looking at {' and '.join(paths)}"
        )  # before the libraries are loaded, which takes seconds
        from harness.init.command import Wishes, next_steps, places

        wishes = Wishes(tuple(paths), given, target, seconds, out, force)
        if mistakes:
            with noting(mistakes):
                places(wishes)
        refuse(mistakes)
        written = _written(wishes, steps, ask)
    print(next_steps(written, seconds, budget), file=sys.stderr if as_json else sys.stdout)
    if as_json:
        seen = written.seen
        found = {"suite": str(written.path), "task": seen.task.name, "data": seen.dataset, "said": seen.said,
                 "warnings": seen.warnings, "candidates": written.candidates,
                 "expected_seconds": round(written.fit.seconds), "fits_budget": written.fit.fits}  # fmt: skip
        print(json.dumps(found, indent=2))
    return 0


def _written(wishes: Wishes, steps: Steps, ask: bool) -> Written:
    from harness.init.command import init as write

    def asked(seen: Seen, wanted: Goal) -> tuple[Goal, Conditions]:
        steps.rest()
        return _asked(seen, wanted)

    try:
        return write(
            wishes,
            lambda text: steps.say(as_typed(text)),
            asked if ask else None,
            lambda text, left_s: steps.step(as_typed(text), left_s),
        )
    except DataError as error:
        said = (as_options(as_typed(mistake), LOOKED_AT) for mistake in error.mistakes)
        raise DataError(*dict.fromkeys(said)) from error


def as_typed(message: str) -> str:
    """A message whose paths are said as a person here would type them."""
    return message.replace(f"{Path.cwd()}{os.sep}", "")


LOOKED_AT = ("image_folder", "interactions_csv", "tabular_csv", "text_csv")
"""Data sets that a first suite may have."""


def _asked(seen: Seen, wanted: Goal) -> tuple[Goal, Conditions]:
    """Limits and traffic, each with what is taken where Enter is pressed."""

    from harness.init.write import Conditions

    def number(text: str, default: float) -> float:
        return float(typer.prompt(text, default=default, type=float, err=True))

    if wanted.floor is not None:
        wanted = replace(wanted, floor=number(f"The least {wanted.metric} worth shipping", wanted.floor))
    usual = Conditions()
    latency = number("Milliseconds in which 99 of 100 requests must be answered", usual.latency_p99_ms)
    qps = number("Requests a second on average", usual.qps)
    return wanted, replace(usual, latency_p99_ms=latency, qps=qps, peak_qps=number("At the peak", 3 * qps))
