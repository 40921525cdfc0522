"""Builds every candidate that is still to be trained, in a process of its own, before any trial starts.

Reading a suite checks names and signatures without running anything; what only shows when the model is
built (a user's own function, an argument that timm hands on, a shape that does not fit) shows here, as
the user's error with its line, and not as a failed trial after minutes.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict, cast

from harness.codec import Json, JsonObject
from harness.protocols import Task
from harness.record import HarnessError, SuiteError, Trial
from harness.running.smoke import SMOKE_ENDING
from harness.runtimes.offered import runtimes_of
from harness.suite.model_ref import parse_model
from harness.suite.schema import Suite
from harness.suite.variants import split_runtime

if TYPE_CHECKING:
    from torch.nn import Module

    from harness.models.hf_trainer import TrainerNetwork
    from harness.planning.plan import Plan

LIMIT_S = 180.0

SOME_WORDS = 1000

SKIPPED = ("onnx:", "hf:")
"""Finished files are checked when they are adopted; a language model is too large to build for nothing."""

AS_IT_IS = ("torch", "torch-bf16")
"""Runtimes that call a network's own code; others have torch.export read it first."""


class _Training(TypedDict):
    tunes: list[str]
    workers: int
    epochs: int
    batch_size: int
    is_smoke: bool


class Wanted(_Training):
    """A candidate to build.

    Args:
        asks: settings of training that it asks for itself. tunes: those that are searched for it.
        workers: how many are to train it. runtimes: those that read it by torch.export.
        is_smoke: epochs are cut on purpose.
    """

    model: str
    args: Mapping[str, Json]
    seed: int | None
    asks: list[str]
    runtimes: list[str]


class DataSet(TypedDict):
    """A data set by name, and its arguments."""

    name: str
    args: JsonObject


class Request(TypedDict):
    """Candidates to build for a data set; `folder`: of the suite, with the user's own modules."""

    data: DataSet
    folder: str
    candidates: dict[str, Wanted]


def never_trained(plan: Plan) -> tuple[Trial, ...]:
    """The missing trials of candidates of which no training is finished: who was trained once by the same
    settings has been built, and another seed or number of examples changes nothing of that."""
    built = {t.candidate for t in plan.trials if t.kind == "train" and t.id in plan.cached}
    return tuple(t for t in plan.missing if t.candidate not in built)


def preflight(
    suite: Suite,
    suite_path: str | Path,
    missing: Iterable[Trial],
    meanwhile: Callable[[], None] = lambda: None,
) -> None:
    """Build the candidates of the training trials that are missing.

    Args:
        meanwhile: called while they are built, where there are any.
    Raises:
        SuiteError: what does not build, each with its line in the suite file.
    """
    wanted: dict[str, Wanted] = {
        t.candidate: {
            "model": t.spec["model"],
            "args": dict(t.spec["args"]),
            "seed": t.seed,
            "asks": _asked_for(suite, t.candidate),
            "runtimes": exported_for(suite, t),
            **_training_of(suite, t.candidate),
        }
        for t in missing
        if t.kind == "train" and t.spec.get("model") and not t.spec["model"].startswith(SKIPPED)
    }
    if not wanted:
        return
    asked: Request = {
        "data": {"name": suite.data.name, "args": dict(suite.data.args)},
        "folder": suite.folder,
        "candidates": wanted,
    }
    with tempfile.TemporaryDirectory(prefix="harness-preflight-") as folder:
        request, answer = Path(folder) / "request.json", Path(folder) / "answer.json"
        request.write_text(json.dumps(asked))
        command = [sys.executable, "-m", "harness.running.preflight", str(request), str(answer)]
        try:
            said = _said_by(command, meanwhile)
        except subprocess.TimeoutExpired:
            return  # a slow build is not a mistake; each trial has its own time limit
        if not answer.exists():  # a crash is the trial's to report: the candidate may crash only here
            sys.stderr.write(f"note: candidates could not be built beforehand: {_tail(said)}\n")
            return
        wrong: dict[str, str] = json.loads(answer.read_text())
    if wrong:
        raise SuiteError(*(f"{_place(suite_path, name)}: {name}: {text}" for name, text in wrong.items()))


def _said_by(command: list[str], meanwhile: Callable[[], None]) -> str:
    """What a command wrote to stderr, after something else was done while it ran; it never outlives this."""
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        try:
            meanwhile()
            return process.communicate(timeout=LIMIT_S)[1]
        finally:
            process.kill()


def exported_for(suite: Suite, training: Trial) -> list[str]:
    """The runtimes that a candidate is exported for: not those that serve it as it is or not at all."""
    spec = training.spec
    served = runtimes_of(parse_model(spec["model"]), suite.serving.runtimes, suite.task, spec["args"])
    return [name for name in served if split_runtime(name)[0] not in AS_IT_IS]


def _asked_for(suite: Suite, name: str) -> list[str]:
    """Settings of training that a candidate asks for itself, and not the whole suite."""
    own, keys = suite.candidates[name].training, ("optimizer", "schedule", "gradient_clip", "precision")
    asks = [key for key in keys if getattr(own, key) != getattr(suite.training, key)]
    return asks + (["label_smoothing"] if own.label_smoothing else [])


def _training_of(suite: Suite, name: str) -> _Training:
    """What a network that trains by a Trainer of its own must agree with."""
    own = suite.candidates[name].training
    return {
        "tunes": list(own.tuning.space) if own.tuning is not None else [],
        "workers": own.resources.workers,
        "epochs": own.epochs,
        "batch_size": own.batch_size,
        "is_smoke": suite.name.endswith(SMOKE_ENDING),
    }


def build(request: Request) -> dict[str, str]:
    """Candidate → what is wrong with it, for the candidates that do not build."""
    from harness.datasets.catalog import task_info

    task = task_info(request["data"]["name"], request["data"]["args"])
    search = Path(request["folder"]) if request["folder"] else None
    wrong = {}
    for name, candidate in request["candidates"].items():
        try:
            _build(candidate, task, search)
        except Exception as error:  # the user's code may raise anything; the reason is the finding
            first = (str(error).strip().splitlines() or ["no message"])[0]
            kind = "" if isinstance(error, (ValueError, HarnessError)) else f"{type(error).__name__}: "
            wrong[name] = f"{kind}{first}{_where(error, search)}"
    return wrong


def _build(candidate: Wanted, task: Task, search: Path | None) -> None:
    about = parse_model(candidate["model"]).about
    if about.fitted == "sklearn":
        _build_estimator(candidate, task, search)
    elif about.fitted == "endpoint":
        _ask(candidate, task)
    elif not about.is_trained:
        _load_finished(candidate, search)
    else:
        _build_network(candidate, task, search)


def _ask(candidate: Wanted, task: Task) -> None:
    from harness.tasks.endpoints import ask_one

    ask_one(candidate["model"], candidate["args"], task)


def _load_finished(candidate: Wanted, search: Path | None) -> None:
    from harness.models.finished_network import load_network

    ref = parse_model(candidate["model"])
    load_network(ref, (search or Path()) / ref.name, candidate["args"], search)


def _build_network(candidate: Wanted, task: Task, search: Path | None) -> None:
    """Build it; what its candidate asks for and it would not obey is refused.

    Raises:
        ValueError: it does not build, or has an optimizer or a loss of its own beside one that is asked for,
            or a loop of its own that several workers are to run.
    """
    from harness.models.build import build_model
    from harness.models.hf_trainer import TrainerNetwork
    from harness.models.keras_network import KerasNetwork
    from harness.training.lightning_module import is_lightning

    args, asks = candidate["args"], set(candidate.get("asks", ()))
    network = build_model(candidate["model"], _with_words(task, args), args, search)
    _refuse_scripted(network, candidate.get("runtimes", []))
    kinds = {
        "LightningModule": is_lightning(network),
        "Trainer": isinstance(network, TrainerNetwork),
        "Keras model": isinstance(network, KerasNetwork),
    }
    what = next((name for name, it_is in kinds.items() if it_is), "")
    if candidate.get("workers", 1) > 1 and what:
        raise ValueError(
            f"training.resources.workers: a {what} trains in one process: give this candidate "
            "`training: {resources: {workers: 1}}`"
        )
    tuned = [key for key in candidate.get("tunes", ()) if key.partition(".")[0] in _SAID_BY.get(what, ())]
    if tuned:
        raise ValueError(
            f"training.tuning.space searches {' and '.join(tuned)}, which a {what} says itself: give this "
            "candidate a space of its own (`args.NAME` searches its builder's arguments), or none"
        )
    if isinstance(network, TrainerNetwork):
        _refuse_trainer(network, candidate)
        return
    useless = sorted(asks & {"optimizer", "schedule"}) if is_lightning(network) else []
    if useless:
        keys = " and ".join(f"training.{key}" for key in useless)
        raise ValueError(
            f"{keys} of this candidate would not be used: its LightningModule has configure_optimizers. Set "
            "them there (for instance by `args`), and leave them out here"
        )
    if "label_smoothing" in asks and (is_lightning(network) or callable(getattr(network, "loss", None))):
        raise ValueError(
            "training.label_smoothing would not be used: the network brings a loss of its own. Set it to 0 "
            "for this candidate, and smooth in that loss"
        )


_SAID_BY = {
    "LightningModule": ("optimizer", "schedule", "label_smoothing"),
    "Trainer": ("optimizer", "schedule", "label_smoothing", "gradient_clip", "precision"),
}
"""Who trains in a way of its own → the settings that it says and a search would change for nothing."""


def _refuse_scripted(network: Module, runtimes: Sequence[str]) -> None:
    """The exporter said `forward() takes 2 positional arguments but 3 were given`, after all training."""
    from torch.jit import RecursiveScriptModule  # type: ignore[attr-defined]  # torch names it in no __all__

    found = [name for name, part in network.named_modules() if isinstance(part, RecursiveScriptModule)]
    if found and runtimes:
        where = f"its part `{found[0]}` is" if found[0] else "it is"
        raise ValueError(
            f"{where} compiled by torch.jit.script, which torch.export cannot read, so "
            f"{' and '.join(runtimes)} could not serve it: build the plain nn.Module "
            f"(with the same weights: load_state_dict), or let serving.runtimes be {' and '.join(AS_IT_IS)}"
        )


def _refuse_trainer(network: TrainerNetwork, candidate: Wanted) -> None:
    from harness.training.trainer_refusals import refused

    found = refused(
        network,
        candidate["epochs"],
        candidate["batch_size"],
        candidate["asks"],
        candidate["is_smoke"],
    )
    if found:
        raise ValueError("; ".join(found))


def _build_estimator(candidate: Wanted, task: Task, search: Path | None) -> None:
    from harness.models.estimators import build as build_estimator
    from harness.tasks import text

    args = dict(candidate["args"])
    if text.is_text(task):
        words = args.pop("tfidf", {})
        text.tfidf(cast(JsonObject, words))
    build_estimator(candidate["model"], args, (candidate["seed"] or 0) % 2**31, 1, task=task, search=search)


def _with_words(task: Task, args: JsonObject) -> Task:
    """The task with a vocabulary of some size: the true one is known once the training texts are read."""
    if task.takes != "text":
        return task
    return replace(task, vocab_size=SOME_WORDS, max_length=int(cast(int, args.get("max_length", 128))))


def _where(error: BaseException, search: Path | None) -> str:
    """The line of the user's own code that raised, ` (my_models.py:12)`."""
    import traceback

    if search is None:
        return ""
    lines = [
        f" ({Path(frame.filename).name}:{frame.lineno})"
        for frame in traceback.extract_tb(error.__traceback__)
        if Path(frame.filename).is_relative_to(search.resolve()) and "site-packages" not in frame.filename
    ]
    return lines[-1] if lines else ""


def _place(suite_path: str | Path, candidate: str) -> str:
    """`suite.yaml:23`, where the candidate stands; the file alone when it comes from elsewhere."""
    from harness.reading.layers import read_layers

    tree = read_layers(Path(suite_path), str(suite_path), [])
    candidates = (tree.mapping or {}).get("candidates") if tree is not None else None
    if candidates is None or candidate not in (candidates.mapping or {}):
        return str(suite_path)
    return str(candidates.keys.get(candidate, candidates.place))


def _tail(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "no reason given"


if __name__ == "__main__":
    Path(sys.argv[2]).write_text(json.dumps(build(json.loads(Path(sys.argv[1]).read_text()))))
