"""The answer of `recommend`: as it was kept, else decided, and kept."""

from __future__ import annotations

from harness.analysis.answers import AskedAgain, keep_answer, kept_answer
from harness.analysis.stamps import sources_of
from harness.mistakes import noting, refuse
from harness.store.run_folder import RunFolder


def answer(run: RunFolder, asked: AskedAgain) -> str:
    """What is printed.

    Raises:
        SuiteError: a limit or the objective cannot be read.
        RecordError: the run's suite cannot be read.
    """
    sources = sources_of(run)
    text = kept_answer(run, asked, sources)
    if text is None:
        text = _decided(run, asked, sources["records"])
        keep_answer(run, asked, sources, text)
    return text


def check_asked(run: RunFolder, asked: AskedAgain, *objectives: str) -> None:
    """Look for mistakes alone, under further objectives too.

    Raises:
        HarnessError: with all of them.
    """
    from harness.analysis.outputs import stored_suite
    from harness.analysis.recommend import asked_of

    mistakes: list[str] = []
    for objective in (asked.objective, *objectives):
        with noting(mistakes):
            asked_of(stored_suite(run), asked.where, objective, asked.settings)
    refuse(mistakes)


def _decided(run: RunFolder, asked: AskedAgain, records_stamp: str) -> str:
    from harness.analysis.outputs import to_json
    from harness.analysis.recommend import decide_again
    from harness.report.terminal import recommendation_text

    table, found = decide_again(
        run,
        asked.where,
        asked.objective,
        judged=not asked.as_json,
        settings=asked.settings,
        records_stamp=records_stamp,
    )
    return to_json(found) if asked.as_json else recommendation_text(found, table)
