"""What a user asks of a run: the same on the command line, in Python and on a cluster that it is sent to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.names import hint
from harness.record import SuiteError
from harness.suite.asks import why_all_is_measured
from harness.suite.schema import Suite
from harness.suite.trackers import TRACKERS

Patterns = str | Sequence[str] | None
"""Globs of candidates, variants or trials: one, several, of which any has to fit, or none for all."""


@dataclass(frozen=True)
class RunRequest:
    """A run as asked for.

    Args:
        suite: the suite file.
        overrides: `a.b=c` texts. only: globs of candidates, variants or trials.
        dataset: of a suite over several data sets, the name of one.
        out: where run folders are: a folder or a URL.
        address: a Ray cluster. submit: the URL of a cluster to send the run to as a job.
        budget: seconds after which no trial starts; the suite's own where it is None.
        smoke: a few rows, one epoch, one seed.
        track: trackers to log to beside those of the suite.
        until_decided: measure only until the question is decided, or the budget is spent; all that is planned
            where it is False; None leaves it to the suite (`measures_until_decided`).
        certify: a variant, or `all`, to measure through MLPerf LoadGen too.
        refresh: measure again what was measured with other versions of the packages that execute it.
        again: serve all variants in one more session.
        sums_up: report what was measured, and print what it decides.
        json_out: print the result as JSON to stdout.
        is_passing: whether the suite's file is there for this run alone, as that of a mapping is.
    """

    suite: str | Path
    overrides: Sequence[str] = ()
    only: Patterns = None
    out: str = "results"
    address: str | None = None
    submit: str | None = None
    budget: float | None = None
    smoke: bool = False
    track: Sequence[str] = ()
    until_decided: bool | None = None
    certify: str | None = None
    refresh: bool = False
    again: bool = False
    json_out: bool = False
    sums_up: bool = True
    dataset: str | None = None
    is_passing: bool = False

    @property
    def arguments(self) -> list[str]:
        """What follows `python -m harness run SUITE` to ask for the same, whereto and address apart."""
        given = {
            "--dataset": self.dataset,
            "--budget": None if self.budget is None else f"{self.budget}s",
            "--track": ",".join(self.track) or None,
            "--certify": self.certify,
        }
        flags = {
            "--smoke": self.smoke,
            "--until-decided": self.until_decided is True,
            "--exhaustive": self.until_decided is False,
            "--refresh": self.refresh,
            "--again": self.again,
        }
        sets = [part for text in self.overrides for part in ("--set", text)]
        only = (self.only,) if isinstance(self.only, str) else self.only or ()
        sets += [part for pattern in only for part in ("--only", pattern)]
        options = [part for name, value in given.items() if value is not None for part in (name, value)]
        return [*sets, *options, *(name for name, wanted in flags.items() if wanted)]


def budget_seconds(budget: str | float, option: str = "budget") -> float:
    """`10m` → 600.

    Raises:
        SuiteError: it is no length of time.
    """
    from harness.reading.durations import duration, no_duration

    seconds = duration(str(budget))
    if not seconds:
        raise SuiteError(f"{option} {budget}: {no_duration(str(budget))}")
    return seconds


def known_trackers(names: Sequence[str], option: str = "track") -> tuple[str, ...]:
    """The names, each a tracker's.

    Raises:
        SuiteError: with every one that is none.
    """
    unknown = [name for name in names if name not in TRACKERS]
    if unknown:
        said = f"{option} {','.join(names)}"
        raise SuiteError(*(f"{said}: there is no tracker `{n}`: {hint(n, TRACKERS)}" for n in unknown))
    return tuple(names)


def measures_until_decided(request: RunRequest, suite: Suite) -> bool:
    """Whether a run stops once its question is decided: as it was asked, else as the suite has it."""
    if request.smoke:  # a trial of all parts rules nobody out
        return False
    if request.until_decided is not None:
        return request.until_decided
    return not why_all_is_measured(suite, request.dataset is not None)
