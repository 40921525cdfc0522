"""`--smoke`: a suite shrunk until all its parts have been tried in as little time as possible."""

from __future__ import annotations

from collections.abc import Sequence

from harness.codec import Json
from harness.record import Record
from harness.suite.schema import Suite, Training

SMOKE_ROWS = 256
SMOKE_ENDING = "-smoke"


def smoke(suite: Suite) -> Suite:
    """The suite shrunk to a trial of all its parts: few rows, one epoch, one seed, one round, short windows.

    Its name is changed, so that its figures never stand beside real ones.
    """

    from harness.datasets.catalog import counted_rows

    rows = min((*suite.data.train_sizes, SMOKE_ROWS))
    found = counted_rows(suite.data.name, suite.data.args)
    # Of a few rows all are taken: how many are left for training only the split would tell.
    sizes_wanted = () if found is not None and found[0] < 2 * rows else (rows,)
    scenarios = suite.serving.scenarios
    sizes = scenarios.offline.batch_sizes[:2] if scenarios.offline else ()
    lengths = scenarios.scaling.sizes[:2] if scenarios.scaling else ()
    windows: dict[str, dict[str, Json]] = {
        "single_stream": {"seconds": 0.3, "min_calls": 20, "max_calls": 200},
        "offline": {"seconds": 0.2, "batch_sizes": sizes},
        "server": {"seconds": 1.0},
        "scaling": {"seconds": 0.1, "sizes": lengths},
    }
    short = {name: s.model_copy(update=windows[name]) for name, s in scenarios if s is not None}
    candidates = {
        name: candidate.model_copy(update={"training": _short_training(candidate.training)})
        for name, candidate in suite.candidates.items()
    }
    serving = {"rounds": 1, "duels": 0, "scenarios": scenarios.model_copy(update=short)}
    return suite.model_copy(
        update={
            "name": f"{suite.name[:94]}{SMOKE_ENDING}",
            "data": suite.data.model_copy(update={"train_sizes": sizes_wanted}),
            "training": _short_training(suite.training),
            "candidates": candidates,
            "serving": suite.serving.model_copy(update=serving),
        }
    )


def smoke_text(records: Sequence[Record]) -> str:
    """What a smoke run found out: who trains, is scored and served; no figure of it decides."""
    failed = {r.trial.candidate for r in records if r.status == "failed"}
    tried = dict.fromkeys(r.trial.candidate for r in records)
    able = [name for name in tried if name not in failed]
    if not failed:
        return (
            "Smoke test passed: every candidate trains, exports and serves. No decision is meant: the "
            "figures come from a few rows and one short epoch. Run it without --smoke for those that count."
        )
    good = f"{', '.join(able)} work" if able else "no candidate works"
    return f"Smoke test: {good}; what fails stands below. No decision is meant."


def _short_training(training: Training) -> Training:
    tuning = training.tuning
    if tuning is not None:
        tuning = tuning.model_copy(update={"trials": min(2, tuning.trials)})
    batch = min(64, training.batch_size)
    return training.model_copy(
        update={"seeds": training.seeds[:1], "epochs": 1, "batch_size": batch, "tuning": tuning}
    )
