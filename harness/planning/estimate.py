"""How long a trial will take: as long as trials like it took, else a rough guess that is said to be one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import prod

from harness.record import Record, Trial
from harness.specification import ScenarioSpec
from harness.suite.schema import Suite

STARTING_S = 15.0
"""Rough guess: starting Ray, and importing torch in its workers."""

ROW_S = 0.002
"""Rough guess: CPU-seconds per row and epoch; small networks on 28×28 images take 0.0012 to 0.0025."""


TOGETHER_S = 15.0
"""Rough guess: starting Ray Train's processes for one training, importing torch in each."""

CLOSED_FORM = ("popularity", "item_knn", "ease", "implicit_als")
"""Retrievers that are solved for, not taught in epochs."""

UNTRAINED_S = {"train": 3.0, "score": 6.0}
"""Rough guess: building a network, and exporting it."""


DEPLOYING_S = 15.0
"""Rough guess: starting Ray Serve and a replica on two cores."""


@dataclass(frozen=True)
class RowCounts:
    """Rows that a trial without a size trains on, and that a score trial predicts; rough guesses where
    only loading the data would tell."""

    train: int = 5000
    test: int = 1000


def rows_of(suite: Suite) -> RowCounts:
    """How many rows a trial without a size trains on, and how many are tested on."""
    found = _cut_rows(suite)
    return RowCounts(round(found[0] * (1 - suite.data.validation)), found[1]) if found else RowCounts()


def test_rows_of(suite: Suite) -> int | None:
    """About how many rows one score trial predicts; None where only loading the data would tell, or where it
    is users that are asked about and not rows."""
    found = None if suite.task == "recommendation" else _cut_rows(suite)
    return found[1] if found else None


def _cut_rows(suite: Suite) -> tuple[int, int] | None:
    """Training rows (validation still among them) and test rows, as the suite cuts them."""
    from harness.datasets.catalog import counted_rows

    found, split = counted_rows(suite.data.name, suite.data.args), suite.data.split
    if found is None or split is None or (split.by == "predefined" and split.column is None):
        return found
    if split.by == "predefined" and split.folds is None:
        return None  # what the column says of each row
    total = sum(found)
    # Of blocks of time the first is trained on alone.
    blocks = split.folds and split.folds + (split.by == "time")
    test = round(total / blocks if blocks else total * split.test)
    return total - test, test


def row_size(suite: Suite) -> float:
    """The size of an example, relative to the images that the guesses were made on."""
    from harness.datasets.catalog import task_info

    shape = task_info(suite.data.name, suite.data.args).input_shape
    return max(0.1, prod(shape) / (28 * 28)) if shape else 1.0


def usd_per_hour(suite: Suite) -> float | None:
    """The price of the suite's machine, None where it names none."""
    if suite.machine.usd_per_hour is not None or suite.machine.price is None:
        return suite.machine.usd_per_hour
    from harness.costs import find_price

    return find_price(suite.machine.price).usd_per_hour * (1 - suite.machine.discount)


def typical_seconds(history: Iterable[Record], rows: RowCounts = RowCounts()) -> dict[tuple[str, ...], float]:
    """Seconds per unit of work, median over finished records of the same kind, candidate, …"""
    from statistics import median

    found: dict[tuple[str, ...], list[float]] = {}
    for record in history:
        if record.status == "finished":
            for key in like(record.trial):
                found.setdefault(key, []).append(record.seconds / work(record.trial, rows))
    return {key: median(values) for key, values in found.items()}


def like(trial: Trial) -> list[tuple[str, ...]]:
    """What makes trials alike, the closest first."""
    exact = (trial.kind, trial.candidate, trial.runtime or "", trial.scenario or "")
    if trial.spec.get("inherits"):
        return [(f"{trial.kind} by its reference", *exact[1:])]  # no test row is answered
    if trial.kind == "train":
        return [exact]  # a linear model says nothing of a transformer
    return [exact, (trial.kind, trial.candidate, trial.scenario or ""), (trial.kind, trial.scenario or "")]


def work(trial: Trial, rows: RowCounts = RowCounts()) -> float:
    """Units of work: a worker's rows × epochs for training, scenario seconds for serving, one for scoring."""
    if trial.kind == "train":
        training = trial.spec["training"]
        return float((trial.train_size or rows.train) * training.get("epochs", 1)) / trial.workers
    if trial.kind == "serve":
        return _window_seconds(trial.spec["scenario"])
    return 1.0


def guess_seconds(trial: Trial, row_size: float = 1.0, rows: RowCounts = RowCounts()) -> float:
    """A rough guess for a trial of which nothing like it was run yet, one thread of a 2023 laptop.

    Args:
        row_size: of an example, relative to an image of 28×28.
    """
    if trial.spec.get("untrained") and trial.kind != "serve":
        return UNTRAINED_S[trial.kind]
    if trial.spec.get("inherits"):
        return UNTRAINED_S["score"] + row_size  # and 1,000 rows, asked twice
    if trial.kind == "serve":
        deploying = DEPLOYING_S if trial.spec.get("over") == "http" else 0.0
        return deploying + 2.5 + _window_seconds(trial.spec["scenario"])
    if trial.kind == "score":
        return 3.0 + 6.0 * row_size * rows.test / 10_000  # exporting 2 to 11 s, 10,000 images 3.5 to 10 s
    if _is_solved(trial):
        return 3.0 + (trial.train_size or rows.train) * ROW_S / 10
    starting = 3.0 if trial.workers == 1 else TOGETHER_S
    return starting + row_size * work(trial, rows) * (ROW_S if trial.spec["training"] else ROW_S / 10)


def _is_solved(trial: Trial) -> bool:
    """Whether a recommender has nothing to learn in epochs."""
    retrieval, ranking = trial.spec.get("retrieval"), trial.spec.get("ranking")
    return bool(
        retrieval and retrieval["model"] in CLOSED_FORM and (ranking or {"model": "none"})["model"] == "none"
    )


def _window_seconds(scenario: ScenarioSpec) -> float:
    """Seconds that a scenario measures, half as much again for warm-up and rejected windows.

    `seconds` of an offline or scaling scenario is for each size, of a server's for the whole search.
    """
    several = {"offline": scenario.get("batch_sizes"), "scaling": scenario.get("sizes")}
    sizes = several.get(scenario["name"]) or (1,)
    return 1.5 * float(scenario.get("seconds", 1.0)) * len(sizes)
