"""What is planned, measured and stored: variants, trials, measurements, records.

It imports nothing but what is below it, neither torch nor ray.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import Any, Literal, TypeVar

from harness.codec import JsonObject, from_json, to_json
from harness.facts.kinds import TrialFacts
from harness.facts.surroundings import Surroundings
from harness.reasons import Noted, Reason, reason_of
from harness.specification import Spec

F = TypeVar("F", bound=TrialFacts)

FORMAT = 1
"""Version of the record file format; a reader refuses a newer one."""

Kind = Literal["train", "score", "serve"]
Status = Literal["finished", "failed"]
KINDS: tuple[Kind, ...] = ("train", "score", "serve")
KIND_WORDS: Mapping[Kind, str] = {"train": "trainings", "score": "scores", "serve": "servings"}
ASIDE = ("duel", "certify")
"""Scenarios whose figures stand beside a variant's and are none of its launches."""


class HarnessError(Exception):
    """Base of every error that the harness raises on purpose.

    HarnessError
    ├── SuiteError    the user's suite file or command line is wrong (exit code 2)
    ├── DataError     a data set is missing, corrupt or of the wrong shape
    ├── TrialError    a trial cannot go on; becomes the reason of its failed record
    └── RecordError   a stored file is unreadable or from a newer format
    """


class SuiteError(HarnessError):
    """One or more mistakes in what the user wrote.

    Args:
        mistakes: one line each, `file:line: what is wrong, and the cure`.
    """

    def __init__(self, *mistakes: str) -> None:
        super().__init__("\n".join(mistakes))
        self.mistakes = mistakes


class DataError(HarnessError):
    """A data set is missing, corrupt or of the wrong shape.

    Args:
        mistakes: what is wrong, each with its cure.
    """

    def __init__(self, *mistakes: str) -> None:
        super().__init__("\n".join(mistakes))
        self.mistakes = mistakes


class TrialError(HarnessError):
    """A trial cannot go on.

    Args:
        reason: what a table cell shows, for instance `out of memory at batch 128`.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class RecordError(HarnessError):
    """A stored file is unreadable, or was written by a newer version."""


@dataclass(frozen=True, order=True)
class Variant:
    """What a team would deploy: a candidate on a runtime, the row of every table."""

    candidate: str
    runtime: str

    @property
    def name(self) -> str:
        return f"{self.candidate}/{self.runtime}"

    @classmethod
    def parse(cls, name: str) -> Variant:
        """`resnet/onnx` taken apart; a name without a runtime has an empty one."""
        candidate, _, runtime = name.partition("/")
        return cls(candidate, runtime)


@dataclass(frozen=True)
class Resources:
    """What a trial claims of its node while it runs; memory in MB, 0 = not limited."""

    cpus: int = 1
    gpus: float = 0.0
    memory_mb: int = 0


@dataclass(frozen=True)
class Trial:
    """One unit of work, identified by everything that can change its outcome.

    Args:
        kind: `train`, `score` or `serve`.
        candidate: the candidate's name in the suite.
        spec: JSON-able; the trial's own part of the suite, the data's checksum, the seed, the
            code version. Hashed into `id`, but for what its `places` name (see `without_places`); nothing
            else is.
        runtime: for `score` and `serve`.
        seed, train_size: which fitted model is meant.
        scenario, round: for `serve`.
        needs: ids of the trials whose files this one reads.
        resources, time_limit_s: how it is run; not part of the id.
    """

    kind: Kind
    candidate: str
    spec: Spec
    runtime: str | None = None
    seed: int | None = None
    train_size: int | None = None
    scenario: str | None = None
    round: int | None = None
    needs: tuple[str, ...] = ()
    resources: Resources = Resources()
    time_limit_s: float = 3600.0

    @cached_property
    def id(self) -> str:
        """Content address: `<kind>-<16 hex digits>`."""
        return f"{self.kind}-{content_hash({'kind': self.kind, 'spec': without_places(self.spec)})}"

    @property
    def variant(self) -> Variant | None:
        return Variant(self.candidate, self.runtime) if self.runtime else None

    @property
    def tuning(self) -> int | None:
        """Its number in its candidate's search for settings; None for every other trial."""
        return self.spec.get("tuning_trial")

    @property
    def part(self) -> int:
        """Which fold or repeat of `data.split`, counted through; 0 where the data are cut once."""
        data = self.spec.get("data")
        part = ((data.get("split") if data else None) or {}).get("part", 0)
        assert isinstance(part, int)
        return part

    @property
    def workers(self) -> int:
        """How many processes train it together; one for whatever is not trained so."""
        if self.kind != "train" or self.spec.get("untrained"):
            return 1
        return (self.spec.get("training") or {}).get("resources", {}).get("workers", 1)

    @property
    def is_aside(self) -> bool:
        """Whether it measures something other than its variant: an order, or another tool's figure."""
        return self.scenario in ASIDE

    @property
    def label(self) -> str:
        """For people: `train resnet seed 0 n 10000`."""
        parts = [self.kind, self.variant.name if self.variant else self.candidate]
        parts += ["untrained"] if self.spec.get("untrained") else []
        parts += ["by its reference"] if self.spec.get("inherits") else []
        parts += [self.scenario] if self.scenario else []
        if self.scenario == "duel":
            opponent = self.spec["scenario"]["opponent"]
            name = opponent.get("variant") or f"{opponent['candidate']}/{opponent['runtime']}"
            return " ".join([*parts, f"with {name}"])
        if self.scenario == "certify":
            return " ".join([*parts, str(self.spec["scenario"]["mode"])])
        parts += [f"round {self.round}"] if self.round is not None else []
        if self.tuning is not None:
            return " ".join([*parts, f"tuning {self.tuning}"])
        if self.kind != "serve":
            parts += [f"seed {self.seed}"] if self.seed is not None else []
            parts += [f"n {self.train_size}"] if self.train_size is not None else []
            parts += [f"part {self.part}"] if self.part else []
        return " ".join(parts)


@dataclass(frozen=True)
class Measurement(Noted):
    """One metric of one trial.

    Args:
        metric: a name of `harness.metrics.METRICS` (it carries the unit and the direction).
        value: None when the truth is not a number; then `note` says why
            (`not estimable (120 of 662 calls)`, `unsteady`, `too noisy`).
        unit: as in the metric's table entry.
        samples: raw values in order (for latency one per call, same unit as `value`).
        at: what else it was measured at, for instance {"batch_size": 32}; empty for the
            headline figure of the metric.
    """

    metric: str
    value: float | None
    unit: str = ""
    samples: tuple[float, ...] = ()
    note: str = ""
    at: Mapping[str, float | int | str] = field(default_factory=dict)


@dataclass(frozen=True)
class Failure:
    """Why a trial failed: what a cell shows, and what a developer needs."""

    reason: str
    type: str = ""
    traceback: str = ""


@dataclass(frozen=True)
class Record:
    """One trial's outcome, written whole by the process that ran it.

    Args:
        measurements: what was measured, empty for most failed trials.
        environment: machine, versions, threads (see `harness.environment.capture`).
        started: ISO 8601, UTC. seconds: wall time of the trial.
        facts: what was decided on the way, said in the report (`harness.facts`); as JSON where the record
            was read from a file, see `facts_as`.
    """

    trial: Trial
    status: Status
    measurements: tuple[Measurement, ...] = ()
    environment: Surroundings = field(default_factory=Surroundings)
    started: str = ""
    seconds: float = 0.0
    failure: Failure | None = None
    facts: TrialFacts | JsonObject = field(default_factory=dict)
    format: int = FORMAT

    @property
    def is_unrun(self) -> bool:
        """Whether it never started: the budget was spent, or what it needs failed."""
        return self.failure is not None and reason_of(self.failure.reason) is Reason.NOT_RUN

    def facts_as(self, kind: type[F]) -> F:
        """The facts of a kind of trial; nothing is known where the trial was of another kind.

        Raises:
            RecordError: what is stored is of another type than the kind's fields.
        """
        facts = self.facts
        if isinstance(facts, kind):
            return facts
        read: dict[type[TrialFacts], TrialFacts] = self.__dict__.setdefault("_facts_read", {})
        found = read.get(kind)
        if found is None:
            stored = facts if isinstance(facts, Mapping) else {}
            try:
                found = read[kind] = from_json(kind, stored)
            except TypeError as error:
                raise RecordError(f"trial {self.trial.id}: its facts are damaged: {error}") from error
        assert isinstance(found, kind)
        return found

    def value(self, metric: str, **at: float | int | str) -> float | None:
        """The value of a metric at a setting, None where it was not measured."""
        for m in self.measurements:
            if m.metric == metric and dict(m.at) == at:
                return m.value
        return None


def without_places(spec: Spec) -> Mapping[str, object]:
    """A specification without the values that say where a file lies whose content stands in it by a hash.

    So a renamed folder of data, a copy or a link shares the records of the original. `spec["places"]` lists
    the way to each such value: `["data", "args", "path"]`.
    """
    places = spec.get("places")
    if not places:
        return spec
    left: dict[str, object] = json.loads(json.dumps({k: v for k, v in spec.items() if k != "places"}))
    for *way, last in places:
        holder = left
        for step in way:
            holder = holder[step]  # type: ignore[index,assignment]
        holder[last] = None  # type: ignore[index]
    return left


def content_hash(value: object) -> str:
    """16 hex digits over the canonical JSON of a value (sorted keys, no NaN)."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def record_to_json(record: Record) -> dict[str, Any]:
    """A record as JSON; NaN and infinity become None with a note."""
    facts = to_json(record.facts) if isinstance(record.facts, TrialFacts) else record.facts
    data = {**asdict(replace(record, facts={})), "facts": dict(facts)}
    data["trial"]["id"] = record.trial.id
    for m in data["measurements"]:
        if m["value"] is not None and not abs(m["value"]) < float("inf"):
            m["note"] = m["note"] or f"not finite ({m['value']})"
            m["value"] = None
    return data


def record_from_text(text: str | bytes) -> Record:
    """A record as it is stored.

    Raises:
        RecordError: it is damaged, or the format is newer than this version reads.
    """
    try:
        data = json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise RecordError(f"record is damaged: {error}") from error
    if not isinstance(data, dict):
        raise RecordError("record is damaged: not a JSON object")
    return record_from_json(data)


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


def record_from_json(data: Mapping[str, Any]) -> Record:
    """The inverse of `record_to_json`.

    Raises:
        RecordError: it is damaged, or the format is newer than this version reads.
    """
    try:
        if data.get("format", 0) > FORMAT:
            raise RecordError(f"record format {data['format']} is newer than {FORMAT}: upgrade the harness")
        trial = dict(data["trial"])
        stored_id = trial.pop("id")
        trial["needs"] = tuple(trial["needs"])
        trial["resources"] = Resources(**trial["resources"])
        record = Record(
            **{
                **data,
                "trial": Trial(**trial),
                "measurements": tuple(
                    Measurement(**{**m, "samples": tuple(m["samples"])}) for m in data["measurements"]
                ),
                "failure": Failure(**data["failure"]) if data.get("failure") else None,
            }
        )
        _check_kinds(record)
        found_id = record.trial.id
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise RecordError(f"record is damaged: {error!r}") from error
    if found_id != stored_id:
        raise RecordError(f"record {stored_id} does not match its specification ({found_id})")
    return record


def _check_kinds(record: Record) -> None:
    """What every reader relies on.

    Raises:
        TypeError, ValueError: it is not so.
    """
    trial, failure = record.trial, record.failure
    if trial.kind not in KINDS or record.status not in ("finished", "failed"):
        raise ValueError(f"{trial.kind!r} {record.status!r} is no outcome")
    maps = (trial.spec, record.environment, record.facts, *(m.at for m in record.measurements))
    if not all(isinstance(value, dict) for value in maps):
        raise TypeError("a list or a text stands where names and values are needed")
    texts = (
        trial.candidate,
        record.started,
        *(t for m in record.measurements for t in (m.metric, m.unit, m.note)),
    )
    texts += (*trial.needs, trial.runtime or "", trial.scenario or "")
    texts += (failure.reason, failure.type, failure.traceback) if failure else ()
    if not all(isinstance(value, str) for value in texts):
        raise TypeError("a text is missing")
    values = [m.value for m in record.measurements if m.value is not None]
    for numbers in (values, [record.seconds], *(m.samples for m in record.measurements)):
        if not {int, float}.issuperset(map(type, numbers)):  # bool is neither
            raise TypeError("a number is missing")
