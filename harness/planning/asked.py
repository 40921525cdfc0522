"""What is asked of a run, held to what there is: all that is wrong with it at once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from harness.mistakes import noting, refuse
from harness.names import hint
from harness.planning.request import RunRequest, budget_seconds, known_trackers
from harness.planning.trials import plan_trials, select
from harness.reading import read_suites
from harness.record import SuiteError, Trial


def checked(
    request: RunRequest, budget: str | float | None, track: Sequence[str], dashes: str = ""
) -> RunRequest:
    """The request with a budget and trackers as they were typed.

    Args:
        dashes: before the names of the options in messages.
    Raises:
        SuiteError: with all that is wrong with them; then also with what is wrong with the suite and with
            what is asked of it.
    """
    mistakes = contradictions(request)
    with noting(mistakes):
        seconds = None if budget is None else budget_seconds(budget, f"{dashes}budget")
        request = replace(request, budget=seconds)
    with noting(mistakes):
        request = replace(request, track=known_trackers(track, f"{dashes}track"))
    if mistakes:
        with noting(mistakes):
            _check_suites(request)
    refuse(mistakes)
    return request


def contradictions(request: RunRequest) -> list[str]:
    """What is said of options that exclude each other."""
    mistakes = []
    if request.again and request.smoke:
        mistakes.append("--again serves every variant once more, --smoke does not: leave one of them out")
    if request.submit is not None and request.certify is not None:
        mistakes.append("--submit sends no --certify: for that run on the cluster, --address auto")
    return mistakes


def _check_suites(request: RunRequest) -> None:
    """Read what is asked about, and look for what is asked of it.

    Raises:
        HarnessError: with every mistake.
    """
    mistakes: list[str] = []
    for suite in read_suites(request.suite, request.overrides, request.dataset).values():
        trials = plan_trials(suite)
        with noting(mistakes):
            trials = select(trials, request.only)
        with noting(mistakes):
            check_certified(request.certify, trials)
    refuse(mistakes)


def check_certified(wanted: str | None, trials: Iterable[Trial]) -> None:
    """Look for the variant that is to be measured through MLPerf LoadGen too among those that are served.

    Raises:
        SuiteError: it is not there.
    """
    served = {t.variant.name: None for t in trials if t.kind == "serve" and t.variant and not t.is_aside}
    if wanted is not None and wanted not in ("all", *served):
        cure = hint(wanted, served, f"write all, or one of {', '.join(served)}" if served else "")
        raise SuiteError(f"--certify {wanted}: no such variant is served: {cure}")
