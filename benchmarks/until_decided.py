"""Measuring until it is decided, against measuring everything: the same choice for a third of the trials?

    python -m benchmarks.until_decided [--repetitions 30] [--out benchmarks/results/until_decided.json]

Eight simulated candidates, the best of them too slow for the limit, one near it. The exhaustive run has 10
seeds and 10 serving rounds of each (320 trials). The other starts with 2 seeds and 3 rounds, then follows
`next_measurements` (the same trials, taken in the order of their value) until the question is decided,
nothing is worth measuring, or a third of the trials is spent.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from harness.analysis.choice import assess
from harness.analysis.criteria import merge_constraints, parse_objective
from harness.analysis.measure_next import NextMeasurement, is_decided, next_measurements
from harness.analysis.sensitivity import Question
from harness.analysis.tradeoff import tradeoff
from harness.record import Record
from tests.analysis_world import Truth, World, make_suite

TRUTHS = {
    "a": Truth(0.80, 1.0),
    "b": Truth(0.84, 2.0),
    "c": Truth(0.86, 3.0),
    "d": Truth(0.87, 4.0),
    "e": Truth(0.885, 5.0),
    "f": Truth(0.895, 6.0),
    "g": Truth(0.91, 9.0),
    "h": Truth(0.94, 13.0),
}
LIMITS = ("latency_p99_ms <= 10.5",)
ALL, START_SEEDS, START_ROUNDS = 10, 2, 3


@dataclass(frozen=True)
class Outcome:
    """One repetition: what either run chose, and for how many trials."""

    exhaustive: str | None
    sequential: str | None
    trials: int
    exhaustive_trials: int

    @property
    def agrees(self) -> bool:
        return self.exhaustive == self.sequential

    @property
    def share(self) -> float:
        return self.trials / self.exhaustive_trials


def repeat(seed: int, share: float = 1 / 3, truths: dict[str, Truth] = TRUTHS) -> Outcome:
    """One repetition with its own noise."""
    world = World(
        truths, seeds=range(ALL), rounds=ALL, num_examples=1000, rng=np.random.default_rng(seed), calls=100
    )
    records = world.records()
    suite = make_suite(list(truths), constraints=LIMITS, tolerance=0.0005)
    limits = merge_constraints(LIMITS, ())
    goal = parse_objective("maximize accuracy")

    def ask(known: Sequence[Record]) -> Question:
        return Question(tradeoff(known, suite, world.predictions.__getitem__), suite, limits, goal)

    def choice(question: Question) -> str | None:
        found = assess(question.table, limits, goal, suite).named
        return None if found is None else question.table.rows[found].variant

    units = {
        (name, kind): n for name in truths for kind, n in (("seed", START_SEEDS), ("round", START_ROUNDS))
    }
    known = _known(records, units)
    question = ask(known)
    while not is_decided(question):
        following = [m for m in next_measurements(question, known) if units[m.candidate, m.kind] < ALL]
        if not following:
            break
        units[following[0].candidate, following[0].kind] += _units(following[0])
        more = _known(records, units)
        if len(more) > share * len(records):
            break
        known = more
        question = ask(known)
    return Outcome(choice(ask(records)), choice(question), len(known), len(records))


def _units(measurement: NextMeasurement) -> int:
    return min(measurement.units, 2)


def _known(records: Sequence[Record], units: dict[tuple[str, str], int]) -> list[Record]:
    """The first so many seeds and rounds of each candidate."""
    return [
        r
        for r in records
        if ((r.trial.round or 0) if r.trial.kind == "serve" else (r.trial.seed or 0))
        < units[r.trial.candidate, "round" if r.trial.kind == "serve" else "seed"]
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--repetitions", type=int, default=30)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/until_decided.json"))
    arguments = parser.parse_args()
    found = [repeat(seed) for seed in range(arguments.repetitions)]
    agreed = sum(o.agrees for o in found)
    share = float(np.mean([o.share for o in found]))
    print(f"the exhaustive run's choice in {agreed} of {len(found)}, for {share:.2f} of its trials")
    summary = {"agreed": agreed, "repetitions": len(found), "mean_share_of_trials": share}
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps({**summary, "outcomes": [asdict(o) for o in found]}, indent=1) + "\n")


if __name__ == "__main__":
    main()
