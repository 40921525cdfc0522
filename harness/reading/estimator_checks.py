"""Estimators as their libraries see them: whether one predicts what the task asks for, and takes its values.

Only the libraries know, and importing them takes a second or more: a process of its own is asked, once for
all candidates of a suite, and what it said is remembered.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from harness.codec import Json
from harness.kinds import KINDS
from harness.reading.draft import Draft, Path_
from harness.record import content_hash
from harness.store.remembered import remembered
from harness.suite.model_ref import MODEL_KINDS, OWN_ESTIMATOR, parse_model

LIBRARIES = tuple(
    kind for kind, about in MODEL_KINDS.items() if about.fitted == "sklearn" and kind != OWN_ESTIMATOR
)

KNOWN = {
    "classifier": re.compile(r"(Classifier|LogisticRegression|SVC|NB|DiscriminantAnalysis)$"),
    "regressor": re.compile(r"(Regressor|LinearRegression|Ridge|Lasso|ElasticNet|SVR)$"),
}
"""Names that say what an estimator is, so that without arguments nobody need be asked."""

MODELS = Path(__file__).parent.parent / "models"

LIMIT_S = 60.0
"""For the answer; without one nothing is said here, and the trial will."""


@dataclass(frozen=True)
class AskedOf:
    """A candidate's estimator.

    Args:
        args: its own, without those of the words of texts. wants: `classifier` or `regressor`, empty where
            the task is not known.
    """

    path: Path_
    model: str
    args: Mapping[str, Json]
    wants: str

    @property
    def asked(self) -> dict[str, Json]:
        return {"model": self.model, "args": dict(self.args), "wants": self.wants}


def question_of(draft: Draft, path: Path_, model: str, others: Set[str], is_made: bool) -> AskedOf | None:
    """What to ask of a candidate; None where its name says it all.

    Args:
        others: arguments that are not the estimator's. is_made: of further estimators.
    """
    given = draft.get(dict, *path, "args", default={})
    args = {key: value for key, value in given.items() if key not in others}
    kind, task = parse_model(model), draft.get(str, "task")
    targets = KINDS[task].targets if task in KINDS else ""
    wants = {"classes": "classifier", "labels": "classifier", "values": "regressor"}.get(targets, "")
    plain = bool(wants and KNOWN[wants].search(kind.name)) and not is_made
    if kind.kind != "sklearn" and not is_made:
        # The boosting libraries look at values only as they fit: their names tell the rest.
        plain = not any(known.search(kind.name) for name, known in KNOWN.items() if name != wants)
    return None if plain and (not args or kind.kind != "sklearn") else AskedOf(path, model, args, wants)


def check_estimators(draft: Draft, questions: Sequence[AskedOf]) -> None:
    """Say of each what its library has against it."""
    for question, wrong in zip(questions, _answers([q.asked for q in questions]), strict=True):
        if not wrong:
            continue
        named = re.match(r"The '(\w+)' parameter", wrong)
        path: Path_ = (*question.path, "args")
        if named and named[1] in question.args:
            path = (*path, named[1])
        if not draft.given(*path) or wrong.startswith(f"{question.model} is "):  # of its kind, not of values
            path = (*question.path, "model")
        draft.wrong(path, wrong, draft.key_place(*path))


def _answers(asked: Sequence[Mapping[str, Json]]) -> list[str]:
    """What is wrong with each, empty where nothing is or nobody knows."""
    if not asked:
        return []
    memory, versions = remembered("estimators"), _versions()
    keys = [content_hash([versions, one]) for one in asked]
    if new := [one for one, key in zip(asked, keys, strict=True) if key not in memory]:
        command = [sys.executable, "-m", "harness.models.asked"]
        try:
            done = subprocess.run(
                command, input=json.dumps(new), capture_output=True, text=True, timeout=LIMIT_S, check=True
            )
            said = json.loads(done.stdout.splitlines()[-1])
        except (subprocess.SubprocessError, OSError, ValueError, IndexError):
            return [str(memory.get(key, "")) for key in keys]
        memory |= dict(zip((key for key in keys if key not in memory), said, strict=True))
    return [str(memory[key]) for key in keys]


def _versions() -> list[str]:
    """All that an answer follows from besides the question."""
    found = [(MODELS / name).read_text(encoding="utf-8") for name in ("asked.py", "estimators.py")]
    for package in ("scikit-learn", *LIBRARIES[1:]):
        try:
            found.append(version(package))
        except PackageNotFoundError:
            found.append("")
    return found
