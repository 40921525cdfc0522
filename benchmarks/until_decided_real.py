"""`--until-decided` on real measurements: the exhaustive run's choice, in how much of its time?

    python -m benchmarks.until_decided_real RUN… [--repetitions 10] [--out FILE]

Each RUN is the folder of a whole run of a suite, with its records and predictions.
`harness.running.until_decided`, the code of the option, decides on those records: where it asks for seed s
of a candidate it is given the real record of another seed of the run, by a permutation drawn for this
repetition and candidate, and for round r the real record of another round (one permutation for all, since a
round's drift is common). So the records are real and the order in which they come is drawn; repetitions
share a pool and are not independent of each other. An untrained network's speed is the trained one's of a
round. Nothing is trained or served meanwhile: time is what the records took, training and scoring on two
slots, each once what it needs has ended (who is not wanted then is left out), serving alone, and a start of
workers for each phase.

Held against each other are the variant that `recommend` names, and those that the whole run calls tied with
its own; regret is what the named one loses in the whole run's mean of the objective.
"""

from __future__ import annotations

import argparse
import heapq
import json
import math
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np

from harness.analysis.outputs import stored_suite
from harness.analysis.recommend import recommend
from harness.analysis.sensitivity import Question
from harness.facts import ScoreFacts
from harness.facts.scoring import InheritedFacts
from harness.planning.inherited import source_of
from harness.planning.trials import plan_trials
from harness.planning.untrained import is_untrained
from harness.record import Measurement, Record, Trial
from harness.running.standing import question_of
from harness.running.until_decided import spend
from harness.running.worlds import Execute, Worlds
from harness.schedule import PHASES, Wanted
from harness.store.runs import RunFolder
from harness.streams import generator

SLOTS = 2
WORKERS_S = 5.0
"""Starting the workers of a phase: Ray's processes, and torch in them."""
RAY_S = 6.0
PARITY_S = 2.0
"""Asking an export and its reference for 1,000 validation rows."""
UNTRAINED_S = 4.0
"""Building a network and counting its operations."""

Key = tuple[str, str, str, str, int | None, int | None, int | None]
"""Kind, candidate, runtime, scenario, size, seed, round."""


@dataclass(frozen=True)
class Choice:
    """`named` by `recommend`, with its verdict and those that it is tied with."""

    named: str | None
    verdict: str
    tied_with: tuple[str, ...] = ()


def choice_of(question: Question) -> Choice:
    said = recommend(question.table, question.suite, flips=False)
    return Choice(said.choice, said.verdict, said.tied_with)


@dataclass(frozen=True)
class Outcome:
    """One repetition.

    Args:
        regret: what it names loses to what the whole run names, in the run's mean of the objective.
        seconds: of both, by the records. ruled_out: variants that were measured no further.
    """

    suite: str
    exhaustive: Choice
    decided: Choice
    agrees: bool
    regret: float | None
    seconds: float
    exhaustive_seconds: float
    trials: int
    exhaustive_trials: int
    untrained: int
    stopped: str
    ruled_out: Mapping[str, str] = field(default_factory=dict)


Begin = Callable[[Trial], tuple[float, Callable[[], None]]]
"""Begins a trial: what it takes, and what is to be done when it has ended."""


@dataclass
class Clock:
    """What phases take."""

    seconds: float = RAY_S

    def phases(self, trials: Sequence[Trial], wanted: Wanted, begin: Begin) -> None:
        """All trials, in the scheduler's phases: trainings in the given order, who is not wanted left out."""
        dropped = set[str]()
        for kinds in PHASES:
            phase = [t for kind in kinds for t in trials if t.kind == kind]
            self._phase(phase, 1 if kinds == ("serve",) else SLOTS, wanted, begin, dropped)

    def _phase(
        self, trials: Sequence[Trial], slots: int, wanted: Wanted, begin: Begin, dropped: set[str]
    ) -> None:
        waiting, queue = list(trials), list[Trial]()
        running: list[tuple[float, str, Callable[[], None]]] = []
        still, now = {t.id for t in trials}, 0.0
        while waiting or queue or running:
            while ready := next((t for t in waiting if not still & set(t.needs)), None):
                waiting.remove(ready)
                if dropped & set(ready.needs) or (ready.needs and not wanted(ready)):
                    dropped.add(ready.id)
                    still.discard(ready.id)
                else:
                    queue.append(ready)
            while queue and len(running) < slots:
                trial = queue.pop(0)
                seconds, end = begin(trial)
                heapq.heappush(running, (now + seconds, trial.id, end))
            if running:
                now, ended, end = heapq.heappop(running)
                end()
                still.discard(ended)
        self.seconds += now + WORKERS_S if now else 0.0


class Pool:
    """The real records, handed out in a drawn order."""

    def __init__(self, run: RunFolder) -> None:
        suite = stored_suite(run)
        # Smaller training sets come after the decision, and are no part of what it takes.
        largest = suite.data.model_copy(update={"train_sizes": tuple(sorted(suite.data.train_sizes)[-1:])})
        self.run, self.suite = run, suite.model_copy(update={"data": largest})
        own = [r for r in run.records() if not r.trial.is_aside and r.trial.tuning is None]
        self.records = {_key(r.trial): r for r in own}

    def execute_in(self, target: RunFolder, repetition: int, clock: Clock) -> Execute:
        """What `spend` calls to have trials run."""
        seeds = {
            name: dict(zip(own := c.training.seeds, self._order(repetition, name, own), strict=True))
            for name, c in self.suite.candidates.items()
        }
        numbers = tuple(range(self.suite.serving.rounds))
        rounds = dict(zip(numbers, self._order(repetition, "rounds", numbers), strict=True))

        def begin(trial: Trial) -> tuple[float, Callable[[], None]]:
            record, scratch = self._drawn(trial, seeds[trial.candidate], rounds, target)
            return record.seconds, lambda: target.commit(record, scratch)

        def execute(trials: Sequence[Trial], wanted: Wanted) -> None:
            missing = [t for t in trials if target.record(t.id) is None]
            clock.phases(sorted(missing, key=self._longest_first), wanted, begin)

        return execute

    def _longest_first(self, trial: Trial) -> float:
        """Trainings by what they take, as a run expects it of those it has seen."""
        if trial.kind != "train" or is_untrained(trial):
            return 0.0
        like = [r for r in self.records.values() if r.trial.kind == "train"]
        return -max(r.seconds for r in like if r.trial.candidate == trial.candidate)

    def _order(self, repetition: int, name: str, values: Sequence[int]) -> list[int]:
        drawn = generator(self.suite.seed, "until decided", name, repetition).permutation(values)
        return [int(v) for v in drawn]

    def _drawn(
        self, trial: Trial, seeds: Mapping[int, int], rounds: Mapping[int, int], target: RunFolder
    ) -> tuple[Record, Path]:
        """The real record under the trial that was asked for, and the folder with its files."""
        seed = trial.seed if trial.kind == "serve" or trial.seed is None else seeds[trial.seed]
        number = None if trial.round is None else rounds[trial.round]
        real = self.records[(*_key(trial)[:5], seed, number)]
        record, scratch = replace(real, trial=trial), target.scratch(trial.id)
        if (source := source_of(trial)) and (reference := target.record(source)) is not None:
            # The real export's difference on test rows stands for that on validation rows.
            found = real.facts_as(ScoreFacts).parity
            assert found is not None and reference.trial.variant is not None
            taken = InheritedFacts(
                reference.trial.variant.name, found.examples or 0, found.max_abs_difference or 0.0
            )
            seconds = _untrained_seconds(real) + PARITY_S
            record = replace(
                record,
                measurements=reference.measurements,
                facts=ScoreFacts(inherited=taken),
                seconds=seconds,
            )
            shutil.copy(target.trial_folder(source) / "predictions.parquet", scratch)
        elif is_untrained(trial) and trial.kind != "serve":
            told = (Measurement("parameters", 1.0),)
            record = replace(record, measurements=told, facts={}, seconds=_untrained_seconds(real))
        elif (answers := self.run.trial_folder(real.trial.id) / "predictions.parquet").exists():
            shutil.copy(answers, scratch)
        return record, scratch


def _untrained_seconds(real: Record) -> float:
    """Of a score what is not answering the test rows; of a training what is neither epochs nor validation."""
    if real.trial.kind == "train":
        return UNTRAINED_S
    answering = real.facts_as(ScoreFacts).predict_seconds or 0.0
    return max(real.seconds - 1.3 * answering, 1.0)


def _key(trial: Trial) -> Key:
    runtime, scenario = trial.runtime or "", trial.scenario or ""
    return trial.kind, trial.candidate, runtime, scenario, trial.train_size, trial.seed, trial.round


def exhaustive_seconds(pool: Pool) -> float:
    clock, by_id = Clock(), {r.trial.id: r for r in pool.records.values()}
    longest = sorted(by_id.values(), key=lambda r: (r.trial.kind != "train", -r.seconds))
    clock.phases(
        [r.trial for r in longest], lambda trial: True, lambda trial: (by_id[trial.id].seconds, lambda: None)
    )
    return clock.seconds


def repeat(pool: Pool, repetition: int, whole: Choice, worth: Mapping[str, float]) -> Outcome:
    """One repetition in a run folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        run = RunFolder(f"{folder}/{pool.suite.name}/20250101-000000-{repetition:08x}")
        run.write_text("suite.yaml", pool.run.read_text("suite.yaml"))
        apart, clock = RunFolder(f"{run.url}/untrained"), Clock()
        execute, aside = (pool.execute_in(where, repetition, clock) for where in (run, apart))
        story = spend(pool.suite, Worlds(run, execute, apart, aside), left_s=lambda: math.inf)
        found = choice_of(question_of(run, pool.suite))
    regret = worth[whole.named] - worth[found.named] if whole.named and found.named else None
    return Outcome(
        pool.suite.name,
        whole,
        found,
        found.named in (whole.named, *whole.tied_with),
        regret,
        clock.seconds,
        exhaustive_seconds(pool),
        story.trials,
        len(plan_trials(pool.suite)),
        story.untrained,
        story.stopped,
        story.ruled_out,
    )


def replay(url: str, repetitions: int) -> list[Outcome]:
    """The repetitions on one run's records."""
    pool = Pool(RunFolder(url.rstrip("/")))
    question = question_of(pool.run, pool.suite)
    whole = choice_of(question)
    names = [row.variant for row in question.table.rows]
    sign, choice = question.goal.sign, question.choice
    worth = dict(zip(names, (sign * float(v) for v in choice.expected), strict=True))
    found = []
    for repetition in range(repetitions):
        found.append(repeat(pool, repetition, whole, worth))
        one = found[-1]
        print(
            f"{one.suite}: {one.decided.named} ({one.decided.verdict}), "
            f"whole run {whole.named} ({whole.verdict}); {one.trials} of {one.exhaustive_trials} trials, "
            f"{one.seconds:.0f} of {one.exhaustive_seconds:.0f} s; "
            f"{one.stopped}",
            flush=True,
        )
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("runs", nargs="+")
    parser.add_argument("--repetitions", type=int, default=10)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/until_decided_real.json"))
    arguments = parser.parse_args()
    outcomes = [o for run in arguments.runs for o in replay(run, arguments.repetitions)]
    summary = {
        "repetitions": len(outcomes),
        "names_the_choice_or_a_tied_one": sum(o.agrees for o in outcomes),
        "share_of_time": {
            name: round(
                float(np.mean([o.seconds / o.exhaustive_seconds for o in outcomes if o.suite == name])), 3
            )
            for name in dict.fromkeys(o.suite for o in outcomes)
        },
        "share_of_trials": sum(o.trials for o in outcomes) / sum(o.exhaustive_trials for o in outcomes),
        "outcomes": [asdict(o) for o in outcomes],
    }
    print({k: v for k, v in summary.items() if k != "outcomes"})
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(summary, indent=1) + "\n")


if __name__ == "__main__":
    main()
