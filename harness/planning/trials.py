"""A suite → the trials that answer it, and those of them that are meant by a pattern.

Pure but for reading source files to hash them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property
from itertools import product
from typing import Literal, cast

from harness.kinds import kind_of
from harness.names import hint
from harness.planning.brought import brought, data_places
from harness.planning.request import Patterns
from harness.planning.tails import min_calls
from harness.planning.tuning import search_seed, space_of, watched_by
from harness.planning.versions import Versions
from harness.protocols import ONE_SIDED
from harness.record import Kind, Resources, SuiteError, Trial
from harness.runtimes.offered import is_reference, runtimes_of
from harness.specification import DataSpec, ScenarioSpec, Space, Spec, TrainingSpec
from harness.store.remembered import remembered
from harness.streams import generator
from harness.suite.encodings import settled
from harness.suite.model_ref import ModelKind
from harness.suite.schema import Candidate, Suite
from harness.suite.variants import deployments, split_runtime

NOT_IN_SPEC = {"seeds", "resources", "time_limit"}
"""Training settings that say how a trial is run, not what comes out of it; the seed stands apart."""


MEASURED_BY: tuple[Literal["metrics", "code", "positive"], ...] = ("metrics", "code", "positive")
"""Keys of a score trial that change what is measured of an artifact, not the artifact: a new metric scores it
again and serves none again."""


def plan_trials(suite: Suite, gpus: float = 0.0) -> tuple[Trial, ...]:
    """All trials of a suite: train, then score, then serve in interleaved rounds.

    Args:
        gpus: what a trial claims whose suite leaves it open, 1 where the nodes have any. In no id.
    Raises:
        DataError: a user's own data cannot be read for its checksum.
    """
    from harness.datasets.catalog import checksum

    data: DataSpec = {
        "name": suite.data.name,
        "args": suite.data.args,
        "checksum": checksum(suite.data.name, suite.data.args),
        "validation": suite.data.validation,
        "seed": suite.seed,
    }
    if suite.data.split is not None:
        data["split"] = {**suite.data.split.model_dump(mode="json", exclude={"repeats"}), "part": 0}
    versions = Versions(suite.folder)
    train: list[Trial] = []
    score: list[Trial] = []
    serve: list[Trial] = []
    for name, candidate in suite.candidates.items():
        planner = _Planner(suite, name, candidate, data, gpus, versions)
        search = planner.tuning_trials()
        fitted = planner.train_trials(search)
        scored = planner.score_trials(fitted)
        train += [*search, *fitted]
        score += scored
        serve += planner.serve_trials(scored)
    return (*train, *score, *interleaved(serve, suite.seed))


@dataclass(frozen=True)
class _Planner:
    """Plans one candidate."""

    suite: Suite
    name: str
    candidate: Candidate
    data: DataSpec
    gpus: float
    versions: Versions

    @property
    def about(self) -> ModelKind:
        """What the candidate's kind of reference means."""
        return self.candidate.ref.about

    @property
    def sizes(self) -> list[int | None]:
        """Training-set sizes, the largest first; None for all rows."""
        return sorted(self.suite.data.train_sizes, reverse=True) or [None]  # type: ignore[return-value]

    @property
    def common(self) -> Spec:
        """What the specifications of all kinds share."""
        shared: Spec = {
            "candidate": self.name,
            "task": self.suite.task,
            "model": self.candidate.model,
            "args": self.candidate.args,
            "data": self.data,
            **self.encoding,
        }
        if self.suite.data.transforms:
            shared["transforms"] = self.suite.data.transforms
        if "files" in self.brought:
            shared["files"] = self.brought["files"]
        if places := self.places:
            shared["places"] = places
        return shared

    @cached_property
    def encoding(self) -> Spec:
        """How rows of a table become numbers, where the data are such rows."""
        from harness.datasets.catalog import task_info

        if not task_info(self.suite.data.name, self.suite.data.args).columns:
            return {}
        return {"encoding": settled(self.candidate.encoding, self.candidate.ref, self.runtimes)}

    @property
    def runtimes(self) -> list[str]:
        """Those of the suite that the candidate can be served on."""
        return runtimes_of(
            self.candidate.ref, self.suite.serving.runtimes, self.suite.task, self.candidate.args
        )

    @cached_property
    def brought(self) -> Spec:
        """The files that the candidate brings."""
        return brought(self.candidate.ref, self.candidate.args, self.candidate.files, self.suite.folder)

    @property
    def places(self) -> list[Sequence[str | int]]:
        """What in the specification says only where a file lies."""
        return [*self.brought.get("places", []), *data_places(self.suite.data.args)]

    @cached_property
    def space(self) -> Space:
        """What is searched for this candidate; empty without tuning or where nothing applies."""
        return space_of(self.suite, self.name)

    @property
    def watch(self) -> Spec:
        """What the best epoch and the search look at, where that is not the task's own score."""
        name = watched_by(self.suite)
        searched = bool(self.space) or self.about.fitted == "torch"
        if not searched or name == kind_of(self.suite.task).watched:
            return {}
        watched: Spec = {"watch": name}
        return {**watched, **self.positive} if name in ONE_SIDED else watched

    @cached_property
    def positive(self) -> Spec:
        """The class that matters, where it is not the one that metrics take by themselves."""
        from harness.datasets.catalog import task_info

        named = self.suite.decision.positive
        if named is None:
            return {}
        names = task_info(self.suite.data.name, self.suite.data.args).class_names
        return {"positive": named} if named in names and names.index(named) != 1 else {}

    def tuning_trials(self) -> list[Trial]:
        """The candidate's search at the largest size; how long it goes on is in no id, so that it can
        be continued."""
        tuning = self.candidate.training.tuning
        if tuning is None or not self.space:
            return []
        settings = self.trained_by()
        settings["tuning"].pop("trials", None)
        settings["tuning"].pop("seconds", None)
        seed = search_seed(self.suite)
        spec: Spec = {
            **self.common, **self.stages, "training": settings, "train_size": self.sizes[0], "seed": seed,
            **self.watch,
        }  # fmt: skip
        return [
            self.trial("train", {**spec, "tuning_trial": n}, seed=seed, train_size=self.sizes[0])
            for n in range(tuning.trials)
        ]

    def train_trials(self, search: Sequence[Trial] = ()) -> list[Trial]:
        """One per size and seed, with the best settings of the search; a finished model is only looked at
        once."""
        training = self.candidate.training
        needs = tuple(trial.id for trial in search)
        # A finished model is not trained: seeds and sizes would repeat the same thing.
        sizes, seeds = (
            (self.sizes, training.seeds) if self.about.is_trained else (self.sizes[:1], training.seeds[:1])
        )
        trials = []
        for size in sizes:
            for seed in seeds:
                for data in self.parts:
                    whole: Spec = {
                        **self.common, **self.stages, "data": data, "training": self.trained_by(),
                        "train_size": size, "seed": seed, **self.watch,
                    }  # fmt: skip
                    trials.append(self.trial("train", whole, seed=seed, train_size=size, needs=needs))
        return trials

    @property
    def stages(self) -> Spec:
        """Of a recommender."""
        if self.candidate.retrieval is None:
            return {}
        return {"retrieval": self.candidate.retrieval, "ranking": self.candidate.ranking}

    @property
    def parts(self) -> list[DataSpec]:
        """The data of each fold and repeat."""
        if "split" not in self.data:
            return [self.data]
        numbers = range(self.suite.data.parts)
        return [{**self.data, "split": {**self.data["split"], "part": number}} for number in numbers]

    def trained_by(self) -> TrainingSpec:
        """The training that can change what comes out: none for models that bring their own."""
        settings = cast(TrainingSpec, self.candidate.training.model_dump(mode="json", exclude=NOT_IN_SPEC))
        tuning = settings.pop("tuning")
        if (workers := self.candidate.training.resources.workers) > 1:
            settings["resources"] = {"workers": workers}
        if not self.about.is_network:
            settings = {}
        return {**settings, "tuning": {**tuning, "space": self.space}} if self.space else settings

    def score_trials(self, fitted: Iterable[Trial]) -> list[Trial]:
        """The largest size on every runtime, smaller ones on the reference runtime alone."""
        runtimes = self.runtimes
        first = next((name for name in runtimes if is_reference(name)), runtimes[0])
        trials = []
        for train in fitted:
            for runtime in runtimes if train.train_size == self.sizes[0] else [first]:
                name, threads = split_runtime(runtime)
                spec: Spec = {**train.spec, "fitted": train.id, "runtime": name, **self.positive}
                if threads is not None:
                    spec["threads"] = threads
                if self.suite.metrics:
                    spec["metrics"] = {n: [m.function, m.unit] for n, m in self.suite.metrics.items()}
                trials.append(
                    self.trial(
                        "score",
                        spec,
                        seed=train.seed,
                        train_size=train.train_size,
                        runtime=runtime,
                        needs=(train.id,),
                    )
                )
        return trials

    def serve_trials(self, scored: Iterable[Trial]) -> list[Trial]:
        """Every runtime, scenario and round of the model of the first seed and the largest size."""
        serving, training = self.suite.serving, self.candidate.training
        scenarios: dict[str, ScenarioSpec] = {
            name: {"name": name, **cast(ScenarioSpec, scenario.model_dump(mode="json"))}
            for name, scenario in serving.scenarios
            if scenario is not None and not (name == "scaling" and not self.about.is_network)
        }
        if self.about.fitted == "endpoint" and "server" in scenarios:
            scenarios["server"]["max_batch"] = 1  # requests come one by one; the service batches them itself
        if "single_stream" in scenarios:
            scenarios["single_stream"]["min_calls"] = min_calls(self.suite)
        bursts = self.suite.decision.traffic.burstiness
        if "server" in scenarios and bursts != 1:
            scenarios["server"]["burstiness"] = bursts
        trials = []
        for score in scored:
            if score.seed != training.seeds[0] or score.train_size != self.sizes[0] or score.part:
                continue
            made_by: Spec = {**score.spec}
            for key in MEASURED_BY:
                made_by.pop(key, None)
            artifact = self.trial("score", made_by).id
            asked = deployments(serving, score.runtime or "", self.suite.machine.cores or 1)
            for (place, deployed), (name, scenario) in product(enumerate(asked), scenarios.items()):
                if name == "scaling" and (place or deployed.is_over_http):
                    continue  # how a model's cost grows with its input is no matter of workers or networks
                for number in range(serving.rounds):
                    spec: Spec = {
                        **self.common,
                        "runtime": deployed.runtime,
                        "threads": deployed.threads,
                        "artifact": artifact,
                        "scenario": scenario,
                        "round": number,
                        "seed": self.suite.seed,
                    }
                    if deployed.workers > 1:
                        spec["workers"] = deployed.workers
                    if deployed.is_over_http:
                        spec["over"] = "http"
                    trials.append(
                        self.trial(
                            "serve",
                            spec,
                            seed=score.seed,
                            train_size=score.train_size,
                            runtime=deployed.name,
                            needs=(score.id,),
                            scenario=name,
                            round=number,
                        )
                    )
        return trials

    def trial(
        self,
        kind: Kind,
        spec: Spec,
        *,
        seed: int | None = None,
        train_size: int | None = None,
        runtime: str | None = None,
        needs: tuple[str, ...] = (),
        scenario: str | None = None,
        round: int | None = None,
    ) -> Trial:
        claim = self.candidate.training.resources
        gpus = self.gpus if claim.gpus is None else claim.gpus
        cpus = spec["threads"] * spec.get("workers", 1) if kind == "serve" else claim.cpus
        memory_mb = claim.memory_mb
        if kind == "train" and claim.workers > 1:  # all on one node; whether there are GPUs is asked later
            cpus, memory_mb = cpus * claim.workers, memory_mb * claim.workers
            gpus = gpus if gpus < 0 else gpus * claim.workers
        limit = self.suite.serving.time_limit if kind == "serve" else self.candidate.training.time_limit
        complete: Spec = {**spec, "code": self.versions(kind, spec)}
        resources = Resources(cpus, gpus if self.about.is_network else 0.0, memory_mb)
        return Trial(
            kind, self.name, complete, runtime, seed, train_size, scenario, round, needs, resources, limit
        )


def interleaved(trials: Iterable[Trial], seed: int) -> list[Trial]:
    """Round after round, shuffled inside each by the stream `rounds`: drift hits all alike.

    The order depends on what is compared, not on how the suite lists it.
    """
    rounds: dict[int, list[Trial]] = {}
    for trial in sorted(trials, key=lambda t: (t.candidate, t.runtime or "", t.scenario or "", t.round or 0)):
        rounds.setdefault(trial.round or 0, []).append(trial)
    ordered: list[Trial] = []
    for number in sorted(rounds):
        block = rounds[number]
        ordered += [block[i] for i in _order(seed, number, len(block))]
    return ordered


def _order(seed: int, number: int, n: int) -> list[int]:
    """The order of a round of n trials; remembered, because drawing it takes the whole of NumPy."""
    memory = remembered("rounds-1")
    key = f"{seed} {number} {n}"
    if key not in memory:
        memory[key] = generator(seed, "rounds", number).permutation(n).tolist()
    found = memory[key]
    assert isinstance(found, list)
    return [i for i in found if isinstance(i, int)]


def select(trials: Collection[Trial], only: Patterns) -> tuple[Trial, ...]:
    """The trials whose candidate, variant or label fits one of the patterns, and what they need.

    Raises:
        SuiteError: a pattern fits none.
    """
    patterns = (only,) if isinstance(only, str) else tuple(only or ())
    if not patterns:
        return tuple(trials)
    by_id = {trial.id: trial for trial in trials}
    wanted, mistakes = set[str](), list[str]()
    for only in patterns:
        found = {t.id for t in trials if any(fnmatchcase(name, only) for name in _names(t, by_id))}
        if not found:
            names = dict.fromkeys(t.candidate for t in trials)
            mistakes.append(f"--only {only}: fits no candidate, variant or trial: {hint(only, names)}")
        wanted |= found
    if mistakes:
        raise SuiteError(*mistakes)
    waiting = list(wanted)
    while waiting:
        needed = set(by_id[waiting.pop()].needs) - wanted
        wanted |= needed
        waiting += needed
    return tuple(trial for trial in trials if trial.id in wanted)


def _names(trial: Trial, by_id: Mapping[str, Trial]) -> list[str]:
    """What a trial is called by; what serves `vit/onnx` on two workers also by that."""
    scored = [by_id[i] for i in trial.needs if i in by_id and by_id[i].kind == "score"]
    variants = [t.variant.name for t in (trial, *scored) if t.variant]
    return [trial.candidate, trial.label, trial.id, *variants]
