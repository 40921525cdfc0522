"""How much of a suite is asked for so far: seeds, rounds, and who is out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from harness.analysis.measure_next import NextMeasurement
from harness.planning.inherited import inheriting, source_of
from harness.planning.request import Patterns
from harness.planning.tails import with_rounds
from harness.planning.trials import plan_trials, select
from harness.record import Kind, Trial
from harness.results import Row
from harness.suite.schema import Candidate, Suite

Grid = Mapping[str, tuple[str, str]]
"""Variant → its candidate, and the variant whose score it has (`onnx` of `onnx@1x2`)."""


def grid_of(plan: Iterable[Trial]) -> Grid:
    """The variants of a plan."""
    scored, grid = {t.id: t for t in plan if t.kind == "score"}, dict[str, tuple[str, str]]()
    for trial in plan:
        if trial.kind == "serve" and trial.variant is not None:
            source = next((scored[i].variant for i in trial.needs if i in scored), None) or trial.variant
            grid[trial.variant.name] = (trial.candidate, source.name)
    served = {source for _, source in grid.values()}
    for trial in scored.values():
        if trial.variant is not None and trial.variant.name not in served:
            grid[trial.variant.name] = (trial.candidate, trial.variant.name)
    return grid


def seeds_of(candidate: Candidate, count: int) -> tuple[int, ...]:
    """The suite's seeds first, then numbers that follow its highest."""
    own = candidate.training.seeds
    return (*own[:count], *range(max(own) + 1, max(own) + 1 + count - len(own)))


@dataclass
class Asked:
    """What is asked for: the first seeds of each candidate, the first rounds of each variant.

    Args:
        only, gpus: as for `select` and `plan_trials`.
        out: variants of which nothing more is asked for.
        is_finished: whether a trial of an id was run already, here or in another run of the suite.
        in_full: variants, as they are scored, whose quality is not left to their reference's.
        failed: trials that were run in vain.
        inherits: whether quality is left to a reference's at all.
    """

    suite: Suite
    grid: Grid
    only: Patterns = None
    gpus: float = 0.0
    out: set[str] = field(default_factory=set)
    seeds: dict[str, int] = field(default_factory=dict)
    rounds: dict[str, int] = field(default_factory=dict)
    is_finished: Callable[[str], bool] = lambda trial_id: False
    in_full: set[str] = field(default_factory=set)
    failed: set[str] = field(default_factory=set)
    inherits: bool = True

    def begin(self, seeds: int) -> None:
        """So many seeds of each candidate that may still be chosen, as far as the suite names them."""
        for name in {self.candidates[v] for v in self.alive}:
            self.seeds[name] = min(seeds, len(self.suite.candidates[name].training.seeds))

    @property
    def candidates(self) -> dict[str, str]:
        """Variant → candidate."""
        return {variant: candidate for variant, (candidate, _) in self.grid.items()}

    @property
    def alive(self) -> list[str]:
        """Variants that may still be chosen."""
        return [variant for variant in self.grid if variant not in self.out]

    def rounds_of(self, variant: str) -> int:
        return self.rounds.get(variant, 1)

    def smaller(self) -> tuple[Trial, ...]:
        """The trainings and scores of what is asked for, on all training sets but the largest.

        Such a score is the model's, on the reference runtime alone, which may be out itself."""
        largest = max(self.suite.data.train_sizes, default=None)
        planned = self._planned(self.suite.data.train_sizes)
        names = {self.candidates[v] for v in self.alive}
        return tuple(
            t for t in planned if t.train_size != largest and t.kind != "serve" and t.candidate in names
        )

    def trials(self, kinds: Sequence[Kind] | None = None, seeds: int | None = None) -> tuple[Trial, ...]:
        """The ordinary trials of what is asked for, on the largest training set.

        Args:
            kinds: these alone. seeds: so many of each candidate, instead of what is asked for; of these none
                takes over its quality.
        """
        planned = self._planned(sorted(self.suite.data.train_sizes)[-1:], seeds)
        if self.inherits and not seeds:
            planned = inheriting(planned, self._is_scored, self._has_source)
        return tuple(t for t in planned if (kinds is None or t.kind in kinds) and self._is_asked(t))

    def _planned(self, sizes: Iterable[int], seeds: int | None = None) -> tuple[Trial, ...]:
        """All candidates on training sets of these sizes, with the seeds and rounds that are asked for."""
        suite, candidates = self.suite, {}
        for name, candidate in self.suite.candidates.items():
            count = min(seeds, len(candidate.training.seeds)) if seeds else self.seeds.get(name, 1)
            training = candidate.training.model_copy(update={"seeds": seeds_of(candidate, count)})
            candidates[name] = candidate.model_copy(update={"training": training})
        most = max([1, *self.rounds.values()])
        serving = with_rounds(suite, most).serving
        data = suite.data.model_copy(update={"train_sizes": tuple(sizes)})
        changes = {"candidates": candidates, "serving": serving, "data": data}
        return select(plan_trials(suite.model_copy(update=changes), self.gpus), self.only)

    def _is_scored(self, trial: Trial) -> bool:
        assert trial.variant is not None
        return trial.variant.name in self.in_full or self.is_finished(trial.id)

    def _has_source(self, trial: Trial) -> bool:
        return trial.id not in self.failed and (self._is_asked(trial) or self.is_finished(trial.id))

    def heirs(self) -> dict[str, str]:
        """Variants that may still be chosen and are not scored themselves → the reference whose quality they
        have as long as they answer as it does, as it is scored."""
        scores = {t.id: t for t in self.trials(("score",))}
        named = {
            (t.candidate, t.variant.name): source.name
            for t in scores.values()
            if t.variant is not None and source_of(t) in scores and (source := scores[source_of(t)].variant)
        }
        return {v: named[self.grid[v]] for v in self.alive if self.grid[v] in named}

    def _is_asked(self, trial: Trial) -> bool:
        alive = {self.grid[v] for v in self.alive}
        if trial.variant is None:
            return trial.candidate in {candidate for candidate, _ in alive}
        if trial.kind == "score":
            return trial.variant.name in {source for _, source in alive}
        return trial.variant.name not in self.out and (trial.round or 0) < self.rounds_of(trial.variant.name)

    def times_left(self) -> float:
        """How many times the units so far the suite names, for who has most left."""
        names = {self.candidates[v] for v in self.alive}
        seeds = [len(self.suite.candidates[n].training.seeds) / self.seeds.get(n, 1) for n in names]
        least = min([self.rounds_of(v) for v in self.alive], default=1)
        return max([*seeds, self.suite.serving.rounds / max(least, 1)])

    def raise_to(self, row: Row, least: int, with_seeds: bool = True) -> bool:
        """Ask for so many seeds and rounds of a row, of the suite's; False where it has them.

        Args:
            with_seeds: whether for seeds too, or for rounds alone.
        """
        seeds = min(least, len(self.suite.candidates[row.candidate].training.seeds)) if with_seeds else 0
        rounds = min(least, self.suite.serving.rounds)
        before = self.seeds.get(row.candidate, 1), self.rounds_of(row.variant)
        self.seeds[row.candidate] = max(before[0], seeds)
        self.rounds[row.variant] = max(before[1], rounds)
        return before != (self.seeds[row.candidate], self.rounds[row.variant])

    def all_seeds(self, name: str) -> bool:
        """Ask for all the suite's seeds of a candidate; False where it has them, and for who is out."""
        most, before = len(self.suite.candidates[name].training.seeds), self.seeds.get(name, 1)
        if name not in {self.candidates[v] for v in self.alive} or most <= before:
            return False
        self.seeds[name] = most
        return True

    def left_of(self, option: NextMeasurement, is_open_ended: bool) -> NextMeasurement | None:
        """The option with as many units as the suite still names; None where there are none, and for who is
        out."""
        if option.name not in {*self.alive, *(self.candidates[v] for v in self.alive)}:
            return None
        seeds, rounds = self.suite.candidates[option.candidate].training.seeds, self.suite.serving.rounds
        left = (len(seeds) if option.kind == "seed" else rounds) - self._given(option).get(option.name, 1)
        units = option.units if is_open_ended else min(option.units, left)
        return option.of(units) if units > 0 else None

    def take(self, option: NextMeasurement) -> None:
        """Ask for the option's units as well."""
        given = self._given(option)
        given[option.name] = given.get(option.name, 1) + option.units

    def _given(self, option: NextMeasurement) -> dict[str, int]:
        return self.seeds if option.kind == "seed" else self.rounds
