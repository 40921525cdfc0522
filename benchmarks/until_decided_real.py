"""`--until-decided` on real measurements: the exhaustive run's choice, for how many of its trials?

    python -m harness run benchmarks/until_decided_real.yaml --out POOL
    python -m benchmarks.until_decided_real POOL [--repetitions 10] [--out FILE]

The first command measures all: eight classifiers of Fashion-MNIST on 1,000 training images, 10 seeds and
8 serving rounds of each (224 trials). The second repeats `harness.running.until_decided.spend`, the code of
the option, on those records: where it asks for seed s of a candidate it is given the real record of another
seed, by a permutation drawn for this repetition and candidate, and for round r the real record of another
round (one permutation for all, since a round's drift is common). So the records are real and the order in
which they come is drawn; repetitions share a pool and are not independent of each other. Nothing is trained
or served meanwhile.

Two choices are compared: the variant with the highest expected utility, and the one that `recommend` names,
which in a tie is the cheapest of the tied.
"""

from __future__ import annotations

import argparse
import json
import math
import shutil
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from harness.analysis.outputs import stored_suite
from harness.analysis.recommend import recommend
from harness.analysis.sensitivity import Question
from harness.planning.trials import plan_trials
from harness.record import Record, Trial
from harness.running.until_decided import Execute, question_of, spend, standing_of
from harness.store.runs import RunFolder, find_run
from harness.streams import generator
from harness.suite.schema import Suite

SUITE = "until_decided_real"


@dataclass(frozen=True)
class Choice:
    """`best` by expected utility; `named` by `recommend`, with its verdict."""

    best: str | None
    named: str | None
    verdict: str


def choice_of(question: Question) -> Choice:
    said = recommend(question.table, question.suite, flips=False)
    return Choice(standing_of(question)["choice"], said.choice, said.verdict)


@dataclass(frozen=True)
class Outcome:
    """One repetition: the best by expected utility, what `recommend` names, and the trials asked for.

    Args:
        regret: what its best loses to the exhaustive one's, in the pool's mean utility.
    """

    exhaustive: Choice
    sequential: Choice
    trials: int
    exhaustive_trials: int
    steps: int
    stopped: str
    regret: float | None

    @property
    def is_cheap(self) -> bool:
        return self.trials <= self.exhaustive_trials / 3


Key = tuple[str, str, int | None, int | None]
"""Kind, candidate, seed, round: what a permutation exchanges."""


class Pool:
    """The real records, handed out in a drawn order."""

    def __init__(self, run: RunFolder, suite: Suite) -> None:
        self.run, self.suite = run, suite
        planned = {t.id for t in plan_trials(suite)}
        self.records = {_key(r.trial): r for r in run.records() if r.trial.id in planned}

    def execute_in(self, target: RunFolder, repetition: int) -> Execute:
        """What `spend` calls to have trials run."""
        seeds = {
            name: dict(zip(own := c.training.seeds, self._order(repetition, name, own), strict=True))
            for name, c in self.suite.candidates.items()
        }
        numbers = tuple(range(self.suite.serving.rounds))
        rounds = dict(zip(numbers, self._order(repetition, "rounds", numbers), strict=True))

        def execute(trials: Sequence[Trial]) -> None:
            for trial in trials:
                if target.record(trial.id) is None:
                    self._hand_out(trial, seeds[trial.candidate], rounds, target)

        return execute

    def _order(self, repetition: int, name: str, values: Sequence[int]) -> list[int]:
        return [
            int(v) for v in generator(self.suite.seed, "until decided", name, repetition).permutation(values)
        ]

    def _hand_out(
        self, trial: Trial, seeds: Mapping[int, int], rounds: Mapping[int, int], target: RunFolder
    ) -> None:
        seed = trial.seed if trial.kind == "serve" or trial.seed is None else seeds[trial.seed]
        number = None if trial.round is None else rounds[trial.round]
        real: Record = self.records[trial.kind, trial.candidate, seed, number]
        scratch = target.scratch(trial.id)
        answers = self.run.trial_folder(real.trial.id) / "predictions.parquet"
        if answers.exists():
            shutil.copy(answers, scratch)
        target.commit(replace(real, trial=trial), scratch)


def _key(trial: Trial) -> Key:
    return trial.kind, trial.candidate, trial.seed, trial.round


def repeat(pool: Pool, repetition: int, exhaustive: Choice, worth: Mapping[str, float]) -> Outcome:
    """One repetition in a run folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        run = RunFolder(f"{folder}/{SUITE}/20250101-000000-{repetition:08x}")
        run.write_text("suite.yaml", pool.run.read_text("suite.yaml"))
        story = spend(pool.suite, run, pool.execute_in(run, repetition), left_s=lambda: math.inf)
        found = choice_of(question_of(run, pool.suite))
    regret = worth[exhaustive.best] - worth[found.best] if exhaustive.best and found.best else None
    return Outcome(exhaustive, found, story.trials, story.exhaustive, len(story.steps), story.stopped, regret)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("pool")
    parser.add_argument("--repetitions", type=int, default=10)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/until_decided_real.json"))
    arguments = parser.parse_args()
    run = find_run(SUITE, arguments.pool)
    pool = Pool(run, stored_suite(run))
    question = question_of(run, pool.suite)
    exhaustive = choice_of(question)
    names = [row.variant for row in question.table.rows]
    metric = question.goal.metrics[0]
    worth = dict(zip(names, (float(v) for v in question.table.draws[metric].mean(0)), strict=True))
    outcomes: list[Outcome] = []
    for repetition in range(arguments.repetitions):
        start = time.perf_counter()
        outcomes.append(repeat(pool, repetition, exhaustive, worth))
        print(f"{time.perf_counter() - start:.0f} s: {outcomes[-1]}", flush=True)
    share = sum(o.trials for o in outcomes) / sum(o.exhaustive_trials for o in outcomes)
    summary = {
        "same_best_for_a_third": sum(o.is_cheap and o.exhaustive.best == o.sequential.best for o in outcomes),
        "same_named_for_a_third": sum(
            o.is_cheap and o.exhaustive.named == o.sequential.named for o in outcomes
        ),
        "repetitions": len(outcomes),
        "mean_share_of_trials": share,
        metric: worth,
        "outcomes": [asdict(o) for o in outcomes],
    }
    print({k: v for k, v in summary.items() if k != "outcomes"})
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(summary, indent=1) + "\n")


if __name__ == "__main__":
    main()
