"""`harness init` itself: find, look, audit, choose what fits, write, and say what to do next."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from harness.codec import JsonObject
from harness.figures import duration_text
from harness.init.builders import Builder, builders
from harness.init.effort import Effort, EffortChoice, best_fit, expected_seconds, ladder, seconds_per_row
from harness.init.find import Found, find
from harness.init.look import Seen, findings, look, suite_name
from harness.init.offer import Goal, Offer, goal, offers
from harness.init.steps import Step, reading, timing
from harness.init.write import Conditions, suite_text
from harness.mistakes import noting, refuse
from harness.protocols import Task
from harness.record import DataError, HarnessError, SuiteError
from harness.store.disk import write_whole, writing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.suite.schema import Suite

SAY_LINES = 6
"""Audit findings that are said, the warnings first."""


@dataclass(frozen=True)
class Wishes:
    """What the user said.

    Args:
        given: arguments of the data set. target: the column to predict. budget_s: for the whole run.
        out: the suite file; none: named after the data, here or beside the user's own code.
    """

    paths: tuple[str, ...]
    given: JsonObject = field(default_factory=dict)
    target: str | None = None
    budget_s: float = 600.0
    out: str | None = None
    force: bool = False


@dataclass(frozen=True)
class Written:
    """What came of it."""

    path: Path
    seen: Seen
    fit: EffortChoice
    candidates: tuple[str, ...]


Ask = Callable[[Seen, Goal], tuple[Goal, Conditions]]
"""Asks the user for what is to be decided by; shown what was seen."""


def init(
    wishes: Wishes, say: Callable[[str], None], ask: Ask | None = None, step: Step = lambda text, left_s: None
) -> Written:
    """Write a first suite for the user's data.

    Args:
        say: told each line as soon as it is known. step: told what is being done.
    Raises:
        HarnessError: the data cannot be used as it is; each mistake with its cure. Nothing is written then.
    """
    found, own, path = places(wishes)
    folder = path.parent
    step(*reading(found))
    seen = _looked(found, wishes, say, step)
    seen = replace(seen, name=path.stem) if wishes.out else seen
    wanted, terms = goal(seen), Conditions()
    if ask is not None:
        wanted, terms = ask(seen, wanted)
    if not seen.task.num_classes:
        own = [builder.for_numbers() for builder in own]
    made = _write_builders(own, folder, wishes.force)
    try:
        trial = _Trial(seen, own, wanted, terms, folder, step)
        fit = _fitted(trial, wishes)
        text = trial.text(fit.effort)
        with _beside(folder, text) as file:
            _read(file)
        with writing(str(path), "name another with -o"):
            write_whole(path, text.encode())
    except BaseException:
        for file in made:
            file.unlink()
        raise
    for file in made:
        say(f"wrote {_shown(file)}, which builds your network for the suite")
    return Written(path, seen, fit, tuple(offer.name for offer in trial.offered(fit.effort)))


def places(wishes: Wishes) -> tuple[Found, list[Builder], Path]:
    """What was found, the builders in the user's code, and where the suite goes.

    Raises:
        HarnessError: with all that is wrong with the paths that were given.
    """
    mistakes: list[str] = []
    with noting(mistakes):
        _check_out(wishes)
    with noting(mistakes):
        found = find(wishes.paths)
        own = builders(found.code)
        if not mistakes:
            return found, own, _target(wishes, _folder(wishes, found), found)
    raise DataError(*mistakes)


def _looked(found: Found, wishes: Wishes, say: Callable[[str], None], step: Step) -> Seen:
    seen = look(found, wishes.given, wishes.target)
    for line in seen.said:
        say(line)
    step("looking for leaks, duplicates and doubtful labels", None)
    told = sorted(findings(seen), key=lambda f: ("warning", "note", "good").index(f.level))
    for finding in [f for f in told if f.level != "good"][:SAY_LINES]:
        say(f"audit, {finding.level}: {finding.check}: {finding.message}")
    return replace(seen, warnings=tuple(f"{f.check}: {f.message}" for f in told if f.level == "warning"))


@dataclass
class _Trial:
    """Tries efforts: builds the suite that each would be, and asks how long it takes."""

    seen: Seen
    own: Sequence[Builder]
    wanted: Goal
    terms: Conditions
    folder: Path
    step: Step
    rates: dict[tuple[str, int], float] = field(default_factory=dict)

    def offered(self, effort: Effort) -> list[Offer]:
        """What the effort keeps: what is fixed, and others in their order."""
        all_ = offers(self.seen, self.own, effort.side)
        room = max(0, effort.keep - sum(o.fixed for o in all_))
        kept = [o.name for o in all_ if not o.fixed][:room]
        return [o for o in all_ if o.fixed or o.name in kept]

    def text(self, effort: Effort) -> str:
        return suite_text(self.seen, self.offered(effort), effort, self.wanted, self.terms, self.folder)

    def seconds(self, effort: Effort) -> float:
        with _beside(self.folder, self.text(effort)) as file:
            suite = _read(file)
        networks = [offer for offer in self.offered(effort) if offer.network]
        rates = {offer.name: self._rate(offer, effort, networks) for offer in networks}
        return expected_seconds(suite, rates, self.seen)

    def _rate(self, offer: Offer, effort: Effort, networks: Sequence[Offer]) -> float:
        """Seconds for a row and epoch of an offer, one of several networks that are timed in turn."""
        key = (offer.name, effort.side)
        if key not in self.rates:
            self.step(*timing(networks.index(offer), [o.name for o in networks], effort.side))
            try:
                task = self._task(effort.side)
                self.rates[key] = seconds_per_row(offer, task, effort.batch, self.folder, self._tokens())
            except (ValueError, TypeError, RuntimeError, ImportError, AttributeError) as error:
                raise DataError(f"{offer.network} cannot be built for this data: {error}") from error
        return self.rates[key]

    def _task(self, side: int) -> Task:
        shape = self.seen.task.input_shape
        return replace(self.seen.task, input_shape=(shape[0], side, side)) if side else self.seen.task

    def _tokens(self) -> int:
        """Words of a text in the median, and a third more: marks are words too."""
        if self.seen.task.name != "text_classification":
            return 0
        from harness.datasets.catalog import load_dataset

        texts = load_dataset(self.seen.dataset, self.seen.args).train.inputs[:500]
        return sorted(len(str(text).split()) for text in texts)[len(texts) // 2] * 4 // 3


def _fitted(trial: _Trial, wishes: Wishes) -> EffortChoice:
    everything = offers(trial.seen, trial.own, 32)
    side = wishes.given.get("size")
    assert side is None or isinstance(side, int)  # the data was read with it
    efforts = list(ladder(trial.seen, len(everything), sum(o.fixed for o in everything), side))
    return best_fit(efforts, trial.seconds, wishes.budget_s)


def _read(file: Path) -> Suite:
    """The suite in a file; what is wrong in it is said of the data, not of a file that is gone again."""
    from harness.reading import read_suite

    try:
        return read_suite(file)
    except SuiteError as error:
        raise DataError(*(m.replace(f"{file}:", "suite:") for m in error.mistakes)) from error


@contextmanager
def _beside(folder: Path, text: str) -> Iterator[Path]:
    """A suite file for a moment, where the real one will stand: its paths are relative."""
    handle, name = tempfile.mkstemp(prefix=".harness-init-", suffix=".yaml", dir=folder)
    os.close(handle)
    file = Path(name)
    try:
        file.write_text(text, encoding="utf-8")
        yield file
    finally:
        file.unlink()


def _folder(wishes: Wishes, found: Found) -> Path:
    """Where the suite goes: where the user says, beside their code, or here."""
    folder = Path(wishes.out).expanduser().absolute().parent if wishes.out else None
    if found.code:
        code = found.code[0].parent
        if folder not in (None, code):
            raise SuiteError(
                f"-o {wishes.out}: a suite stands beside your code, in {code}: give a name there"
            )
        return code
    return folder or Path.cwd()


def _check_out(wishes: Wishes) -> None:
    """A suite's name, in a folder that there is."""
    if not wishes.out:
        return
    path, mistakes = Path(wishes.out).expanduser().absolute(), list[str]()
    if not path.parent.is_dir():
        mistakes.append(f"-o {wishes.out}: there is no folder {path.parent}: create it first")
    if path.suffix not in (".yaml", ".yml"):
        mistakes.append(f"-o {wishes.out}: a suite file ends in .yaml")
    refuse(mistakes)


def _target(wishes: Wishes, folder: Path, found: Found) -> Path:
    path = folder / (Path(wishes.out).name if wishes.out else f"{suite_name(found)}.yaml")
    if path.exists() and not wishes.force:
        raise SuiteError(f"{_shown(path)} is there already: -o OTHER.yaml, or --force to write it anew")
    return path


def _write_builders(own: Sequence[Builder], folder: Path, force: bool) -> list[Path]:
    """Modules that build the user's classes; those that are there stay as they are."""
    made = []
    for builder in own:
        file = folder / builder.file
        if builder.file and (force or not file.exists()):
            write_whole(file, builder.source.encode())
            made.append(file)
    return made


def _shown(path: Path) -> str:
    """A path as a person here would type it."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def next_steps(written: Written, budget_s: float, budget: str) -> str:
    """What was written, how long it takes, and the commands to go on with."""
    effort, seconds = written.fit.effort, written.fit.seconds
    minutes = duration_text(seconds)
    is_shrunk = 0 < effort.side < written.seen.task.input_shape[-1]
    sized = f", images shrunk to {effort.side}×{effort.side}" if is_shrunk else ""
    seeds = "seed" if effort.seeds == 1 else "seeds"
    names = written.candidates
    what = f"{len(names)} candidates ({', '.join(names)}), {effort.seeds} {seeds}{sized}"
    fits = "" if written.fit.fits else f"; that is more than {budget} allows, and less would tell nothing"
    shown = _shown(written.path)
    spend = f" --budget {budget}" if written.fit.fits else ""
    return (
        f"wrote {shown}: {what}, about {minutes} on this machine{fits}\n\n"
        f"  python -m harness run {shown}{spend}\n"
        f"  python -m harness run {shown} --smoke      # a minute: does everything work at all?\n"
        f"  limits, price and candidates to change stand in {shown}, each with a comment"
    )


__all__ = ["HarnessError", "Wishes", "Written", "init", "next_steps"]
