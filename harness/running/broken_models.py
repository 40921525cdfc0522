"""Whose model surely breaks a limit, by its answers to validation rows or its reference's score: no export is
made of it."""

from __future__ import annotations

from dataclasses import dataclass, field

from harness.analysis.ruled_out import broken_on_validation, keeps_by_itself, surely_broken
from harness.planning.inherited import source_of
from harness.record import Trial
from harness.running.asked import Asked
from harness.running.standing import question_of
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
        if trial.candidate in self.on_validation():
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
