"""`compare`: two runs metric by metric, or any number over time."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from harness.analysis.answers import ComparedAgain, keep_answer, kept_answer
from harness.analysis.stamps import sources_of
from harness.mistakes import noting, refuse
from harness.names import hint
from harness.record import RecordError
from harness.store.disk import write_whole, writing
from harness.store.runs import RunFolder, find_measured, list_runs, said_of_file


def compare_all(
    names: Sequence[str],
    margin: float,
    out: str,
    form: str,
    plot: str | None,
    as_json: bool,
) -> int:
    """Print the comparison, as it was kept or anew; the exit code.

    Raises:
        HarnessError: a run is not there, holds no trials, or shares nothing with the first.
    """
    runs = _runs(names, out, _wrong_options(margin, form, plot))
    if plot is not None:
        code, text = _compared(runs, margin, form, plot, as_json)
        print(text)
        return code
    asked = ComparedAgain(tuple(run.url for run in runs), margin, form, as_json)
    sources = {f"{run.url} {what}": said for run in runs for what, said in sources_of(run).items()}
    kept = kept_answer(runs[-1], asked, sources)
    if kept is None:
        kept = "{}\n{}".format(*_compared(runs, margin, form, None, as_json))
        keep_answer(runs[-1], asked, sources, kept)
    ended, _, text = kept.partition("\n")
    print(text)
    return int(ended)


def _wrong_options(margin: float, form: str, plot: str | None) -> list[str]:
    mistakes: list[str] = []
    if not 0 <= margin < 1:
        from harness.metrics.ends import no_margin

        mistakes.append(f"--{no_margin(margin)}")
    if form not in ("text", "github"):
        mistakes.append(f"--format {form}: {hint(form, ('text', 'github'))}")
    if plot is not None and not plot.endswith(".png"):
        mistakes.append(f"--plot {plot}: it is drawn as PNG, write a name that ends in .png")
    if plot is not None and not Path(plot).parent.is_dir():
        mistakes.append(f"--plot {plot}: there is no folder {Path(plot).parent}: create it first")
    return mistakes


def _compared(
    runs: Sequence[RunFolder], margin: float, form: str, plot: str | None, as_json: bool
) -> tuple[int, str]:
    """The exit code, and what is printed."""
    # Numbers and suites, which an answer that was kept does without.
    from harness.analysis.compare import compare_runs
    from harness.analysis.history import history_of
    from harness.cli.text import comparison_text
    from harness.report import history

    if len(runs) == 2 and form == "text" and plot is None:
        gate = compare_runs(runs[0], runs[1], margin)
        text = json.dumps(gate.to_json(), indent=2) if as_json else comparison_text(gate)
        return (1 if gate.regressions else 0), text
    found = history_of(runs, margin)
    if plot is not None:
        with writing(plot, "name another file"):
            write_whole(Path(plot), history.picture(found))
        print(f"drawn: {plot}", file=sys.stderr)
    if as_json:
        text = json.dumps(found.to_json(), indent=2)
    else:
        text = history.comment(found) if form == "github" else history.text(found)
    worse = bool(found.latest.regressions) if form == "github" else bool(found.regressions)
    return (1 if worse or (form == "github" and found.flips) else 0), text


def _runs(names: Sequence[str], out: str, mistakes: list[str]) -> list[RunFolder]:
    """The runs meant: each that is named, in that order; of a single suite's name all of its runs, oldest
    first.

    Raises:
        HarnessError: with those that are not there, and the mistakes before.
    """
    found: list[RunFolder] = []
    with noting(mistakes):
        found = _of_suite(names[0], out) if len(names) == 1 else []
    for name in names if len(names) > 1 else ():
        with noting(mistakes):
            found.append(find_measured(name, out))
    refuse(mistakes)
    return found


def _of_suite(name: str, out: str) -> list[RunFolder]:
    suite = name.rstrip("/")
    found = [run for run in list_runs(out, suite) if run.trial_ids()]
    if not found and (said := said_of_file(suite)):
        raise RecordError(said)
    if len(found) < 2:
        many = "one run" if found else "no run"
        raise RecordError(
            f"compare {suite}: {many} of a suite of this name is in {out}:"
            " name two runs, or a suite that ran twice"
        )
    return found
