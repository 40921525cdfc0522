"""Whose model surely breaks a limit, by its answers to validation rows or its reference's score: no export is
made of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

from harness.analysis.ruled_out import broken_on_validation, keeps_by_itself, surely_broken
from harness.planning.inherited import source_of
from harness.record import Trial
from harness.running.asked import Asked
from harness.running.standing import question_of
from harness.runtimes.offered import of_deployment
from harness.store.runs import RunFolder
from harness.suite.schema import Suite


@dataclass
class BrokenModels:
    """What is known of the models of a run while they are trained and scored."""

    run: RunFolder
    suite: Suite
    asked: Asked
    _known: frozenset[str] = frozenset()
    _found: dict[str, str] = field(default_factory=dict)

    def may_be_chosen(self, trial: Trial) -> bool:
        """Whether a score is still wanted, by what is known when all that it needs has ended."""
        reference = source_of(trial)
        if not trial.needs:
            return True
        if trial.candidate in self.on_validation() or self._comes_later(trial):
            return False
        if reference and not self.asked.is_finished(reference):
            return False
        source = self.run.record(reference) if reference else None
        if source is None or trial.variant is None or keeps_by_itself(source, self.suite):
            return True
        return trial.variant.name not in self._with_heirs(self._table_that_has(reference))

    def on_validation(self) -> dict[str, str]:
        """Candidate → the limit that it breaks on validation rows."""
        return broken_on_validation(self.run.records(), self.suite)

    def _doubtful(self) -> dict[str, str]:
        """The same for who breaks it, surely or not."""
        return broken_on_validation(self.run.records(), self.suite, errors=0.0)

    def _comes_later(self, trial: Trial) -> bool:
        """Whether a score waits until its model is known by another: of a network that is below a limit on
        validation rows the export in eight bits takes longer than that in 32, and is hardly ever needed."""
        exact = self._exact.get(trial.candidate)
        return exact not in (None, trial.runtime) and trial.candidate in self._doubtful()

    @cached_property
    def _exact(self) -> dict[str, str]:
        """Candidate → the runtime in single precision that is scored first, if it has one."""
        found: dict[str, str] = {}
        for trial in self.asked.trials(("score",)):
            runtime = of_deployment(trial.runtime or "")
            if runtime is not None and runtime.precision == "fp32" and not source_of(trial):
                found.setdefault(trial.candidate, trial.runtime or "")
        return found

    def of_the_same_model(self) -> dict[str, str]:
        """Variants whose model surely breaks a limit by its score in single precision, and breaks it on
        validation rows as well: other formats of the same weights do not make up for both."""
        broken, doubtful = dict[str, str](), self._doubtful()
        for variant, text in self._of_table(self._scored()).items():
            candidate, scored = self.asked.grid.get(variant, ("", ""))
            if candidate in doubtful and scored == f"{candidate}/{self._exact.get(candidate)}":
                broken[candidate] = text
        return {v: broken[name] for v, name in self.asked.candidates.items() if name in broken}

    def found(self) -> dict[str, str]:
        """Variants whose own quality or training, or that of the reference whose quality they have, surely
        breaks a limit, by all that is known."""
        return self._with_heirs(self._of_table(self._scored()))

    def _table_that_has(self, reference: str) -> dict[str, str]:
        """What the last table told where it has the reference: a table for each of its heirs would say the
        same, and takes a core from the trainings."""
        return self._found if reference in self._known else self._of_table(self._scored())

    def _scored(self) -> frozenset[str]:
        return frozenset(r.trial.id for r in self.run.records() if not source_of(r.trial))

    def _of_table(self, known: frozenset[str]) -> dict[str, str]:
        if known != self._known:
            table = question_of(self.run, self.suite).table
            self._known, self._found = known, surely_broken(table, self.suite, of_model=True)
        return self._found

    def _with_heirs(self, found: dict[str, str]) -> dict[str, str]:
        grid = self.asked.grid
        scored = {grid[v][1]: text for v, text in found.items() if v in grid}
        heirs = {v: scored[source] for v, source in self.asked.heirs().items() if source in scored}
        return {**heirs, **found}
