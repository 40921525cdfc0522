"""What stopping once it is decided costs: regret of whom it names, beside that of the whole run, in worlds
whose truth is known.

    python -m benchmarks.until_decided_worlds [--worlds 200] [--out FILE]

`harness.running.until_decided`, the code of the option and of the default mode, decides on simulated records:
five networks on two runtimes, three seeds and three rounds; all share the rows' difficulty and the rounds'
drift. The whole run has the same records and all others. Regret is what the named variant's truth
lies behind the best truth among those that the whole run may choose from; of worlds in which both name
somebody. Kinds of worlds:

- `limit`: most accurate within a latency limit that half of the variants break;
- `floor`: as `worth`, within a limit on accuracy that half of them break, three times as far apart and with
  3,000 validation rows;
- `worth`: accuracy against latency, no limit, as a suite with a `budget` decides it;
- `tolerance`: the same where a suite says which loss does not matter;
- `equal`, `equal_speed`: five candidates of the same truth, on one runtime: an A/A. How often is one told
  apart by its accuracy, by its latency?

Gates: regret at most 1.1 times the whole run's and two standard errors of the (paired) difference; nobody is
named, and a limit broken, in at most 2.5 % of worlds more than by the whole run; of equal ones somebody is
told apart in at most 5 % and two standard errors of it.
"""

from __future__ import annotations

import json
import math
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from itertools import product
from pathlib import Path

import numpy as np
from scipy.special import erfinv

import harness
from benchmarks.worlds import asked, kept
from harness.analysis.recommend import recommend
from harness.analysis.stats import Array
from harness.facts import DataFacts, TrainFacts
from harness.planning.trials import plan_trials
from harness.planning.untrained import is_untrained
from harness.reading import read_suite
from harness.record import Measurement, Record, Trial
from harness.running.standing import question_of
from harness.running.until_decided import spend
from harness.running.worlds import Worlds
from harness.schedule import Wanted
from harness.store.behaviour import formulas
from harness.store.runs import RunFolder
from harness.streams import generator
from harness.suite.schema import Suite

NAMES = ("a", "b", "c", "d", "e")
ROWS, VALIDATION, CALLS = 1000, 3000, 100
SEED_SD, LAUNCH_SD, DRIFT_SD, CALL_SD = 0.006, 0.08, 0.08, 0.05
ACCURACY_SD, LATENCY_SD, LIMIT_MS, FLOOR = 0.012, 0.25, 9.0, 0.88
FACTOR = {"onnx": 1.0, "torch": 1.4}
TRAIN_S, SCORE_S, SERVE_S = 70.0, 12.0, 5.0
BLOCK = 20
"""Worlds of a kind that are kept at once."""

TEXT = """
name: simulated
task: image_classification
data: {{name: digits}}
training: {{seeds: [0, 1, 2]}}
candidates: {{{candidates}}}
serving: {{runtimes: [{runtimes}], rounds: 3, scenarios: {{single_stream: {{}}}}}}
decision: {decision}
"""
WORTH = "100*accuracy - 0.3*latency_p50_ms"
DECISIONS: Mapping[str, Mapping[str, object]] = {
    "limit": {"objective": "maximize accuracy", "constraints": [f"latency_p50_ms <= {LIMIT_MS:g}"]},
    "floor": {"objective": "maximize value", "value": WORTH, "constraints": [f"accuracy >= {FLOOR:g}"]},
    "worth": {"objective": "maximize value", "value": WORTH},
    "tolerance": {"objective": "maximize value", "value": WORTH, "tolerance": 0.3},
    "equal": {"objective": "maximize accuracy"},
    "equal_speed": {"objective": "minimize latency_p50_ms"},
}

EQUAL = ("equal", "equal_speed")


@cache
def suite_of(kind: str) -> Suite:
    networks = [f"{{model: small_cnn, args: {{width: {8 + 2 * k}}}}}" for k in range(len(NAMES))]
    candidates = ", ".join(f"{name}: {network}" for name, network in zip(NAMES, networks, strict=True))
    runtimes = "onnx" if kind in EQUAL else ", ".join(FACTOR)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "simulated.yaml"
        decision = json.dumps(DECISIONS[kind])
        path.write_text(TEXT.format(candidates=candidates, runtimes=runtimes, decision=decision))
        return read_suite(path)


class World:
    """Truths, and what each trial would measure of them, whenever it is run."""

    def __init__(self, kind: str, number: int) -> None:
        rng = generator(number, kind, "truths")
        spread = 0.0 if kind in EQUAL else 1.0
        self.number, self.kind = number, kind
        apart = 3 * ACCURACY_SD if kind == "floor" else ACCURACY_SD
        self.accuracy = dict(zip(NAMES, 0.88 + spread * rng.normal(0, apart, len(NAMES)), strict=True))
        latency = 8.0 * np.exp(spread * rng.normal(0, LATENCY_SD, len(NAMES)))
        self.latency_ms = dict(zip(NAMES, latency, strict=True))
        self.difficulty, self.targets = rng.standard_normal(ROWS), rng.integers(0, 3, ROWS)

    def worth(self, variant: str) -> float:
        name, runtime = variant.split("/")
        accuracy, ms = self.accuracy[name], self.latency_ms[name] * FACTOR[runtime]
        return float(100 * accuracy - (0.3 * ms if "value" in DECISIONS[self.kind] else 0.0))

    def breaks(self, variant: str) -> bool:
        name, runtime = variant.split("/")
        if self.kind == "floor":
            return bool(self.accuracy[name] < FLOOR)
        return self.kind == "limit" and bool(self.latency_ms[name] * FACTOR[runtime] > LIMIT_MS)

    def into(self, run: RunFolder, trials: Sequence[Trial], wanted: Wanted) -> None:
        for trial in trials:
            if run.record(trial.id) is None and (trial.kind == "serve" or wanted(trial)):
                scratch = run.scratch(trial.id)
                run.commit(self.record(trial, scratch), scratch)

    def record(self, trial: Trial, scratch: Path) -> Record:
        if trial.kind == "serve":
            return Record(trial, "finished", self._served(trial), seconds=SERVE_S)
        if trial.kind == "train" or is_untrained(trial):
            seconds = 4.0 if is_untrained(trial) else TRAIN_S
            told = (Measurement("train_seconds", seconds, "s"), Measurement("parameters", 1e4, "count"))
            facts = TrainFacts()
            if self.kind == "floor" and not is_untrained(trial):
                rng = generator(self.number, self.kind, trial.candidate, str(trial.seed), "validation")
                seen = {"accuracy": float(rng.binomial(VALIDATION, self._level(trial)) / VALIDATION)}
                facts = TrainFacts(validation=seen, data=DataFacts({"validation": VALIDATION}))
            return Record(trial, "finished", told, facts=facts, seconds=seconds)
        right = self._right(trial)
        _write_answers(scratch, self.targets, right)
        return Record(
            trial, "finished", (Measurement("accuracy", float(right.mean()), "fraction"),), seconds=SCORE_S
        )

    def _level(self, trial: Trial) -> float:
        """How accurate a fitted model is."""
        rng = generator(self.number, self.kind, trial.candidate, str(trial.seed), "rows")
        return float(np.clip(self.accuracy[trial.candidate] + rng.normal(0, SEED_SD), 0.01, 0.99))

    def _right(self, trial: Trial) -> Array:
        """Which rows a fitted model gets right; the same on each runtime."""
        level = self._level(trial)
        rng = generator(self.number, self.kind, trial.candidate, str(trial.seed), "rows")
        rng.normal()  # the level's
        noise = 0.8 * self.difficulty + 0.6 * rng.standard_normal(ROWS)
        return np.asarray(noise < math.sqrt(2) * erfinv(2 * level - 1))

    def _served(self, trial: Trial) -> tuple[Measurement, ...]:
        drift = generator(self.number, self.kind, str(trial.round), "drift").normal(0, DRIFT_SD)
        name, runtime = trial.candidate, str(trial.runtime)
        rng = generator(self.number, self.kind, name, runtime, str(trial.round), "launch")
        launch = float(np.exp(drift + rng.normal(0, LAUNCH_SD)))
        calls = self.latency_ms[name] * FACTOR[runtime] * launch * np.exp(rng.normal(0, CALL_SD, CALLS))
        middle, late = float(np.median(calls)), float(np.quantile(calls, 0.99))
        return (
            Measurement("latency_p50_ms", middle, "ms", samples=tuple(calls)),
            Measurement("latency_p99_ms", late, "ms"),
        )


def _write_answers(scratch: Path, targets: Array, right: Array) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    outputs = np.full((len(targets), 3), 0.1, dtype=np.float32)
    outputs[np.arange(len(targets)), np.where(right, targets, (targets + 1) % 3)] = 0.8
    columns = {
        "id": np.arange(len(targets)),
        "target": targets,
        **{f"p_{k}": outputs[:, k] for k in range(3)},
    }
    pq.write_table(pa.table(columns), scratch / "predictions.parquet")


@dataclass(frozen=True)
class Outcome:
    """One world: whom the whole run and the one that stopped name, what either loses, and their trials."""

    whole: str | None
    named: str | None
    whole_regret: float | None
    regret: float | None
    whole_breaks: bool
    breaks: bool
    whole_told_apart: bool
    told_apart: bool
    trials: int
    exhaustive: int
    stopped: str


def outcome_of(kind: str, number: int) -> Outcome:
    world, suite = World(kind, number), suite_of(kind)
    with tempfile.TemporaryDirectory() as folder:
        places = [f"{folder}/{name}/simulated/20250101-000000-0123456789ab" for name in ("whole", "few")]
        runs = [RunFolder(place) for place in places]
        apart = RunFolder(f"{runs[1].url}/untrained")
        world.into(runs[0], plan_trials(suite), lambda trial: True)
        worlds = Worlds(
            runs[1],
            lambda trials, wanted: world.into(runs[1], trials, wanted),
            apart,
            lambda trials, wanted: world.into(apart, trials, wanted),
        )
        story = spend(suite, worlds, left_s=lambda: math.inf)
        questions = [question_of(run, suite) for run in runs]
        said = [recommend(q.table, suite, flips=False) for q in questions]
    whole = questions[0]
    able = [whole.table.rows[k].variant for k in np.flatnonzero(whole.choice.able)]
    best = max((world.worth(v) for v in able), default=0.0)
    whole_named, named = (s.choice for s in said)
    whole_lost, lost = (
        max(best - world.worth(n), 0.0) if whole_named and named and n else None for n in (whole_named, named)
    )
    whole_breaks, breaks = (n is not None and world.breaks(n) for n in (whole_named, named))
    whole_told, told = (s.verdict == "recommend" for s in said)
    return Outcome(
        whole_named,
        named,
        whole_lost,
        lost,
        whole_breaks,
        breaks,
        whole_told,
        told,
        story.trials,
        story.exhaustive,
        story.stopped,
    )


def told(kind: str, found: Sequence[Outcome]) -> dict[str, object]:
    """Shares and means over worlds, and whether the gates hold."""
    pairs = np.array([(o.whole_regret, o.regret) for o in found if o.regret is not None], dtype=float)
    pairs = pairs.reshape(-1, 2)
    share = {
        name: float(np.mean([getattr(o, name) for o in found]))
        for name in ("whole_breaks", "breaks", "whole_told_apart", "told_apart")
    }
    named = [[o.whole for o in found], [o.named for o in found]]
    nobody = [names.count(None) / len(found) for names in named]
    whole, few = pairs.mean(0) if len(pairs) else (0.0, 0.0)
    excess = pairs[:, 1] - 1.1 * pairs[:, 0]
    error = float(excess.std(ddof=1) / math.sqrt(len(excess))) if len(excess) > 1 else 0.0
    if kind in EQUAL:
        passed = share["told_apart"] <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / len(found))
    else:
        passed = (
            few <= 1.1 * whole + 2 * error
            and nobody[1] <= nobody[0] + 0.025
            and share["breaks"] <= share["whole_breaks"] + 0.025
        )
    return {
        "worlds": len(found),
        "both_name_somebody": len(pairs),
        "whole_regret": float(whole),
        "regret": float(few),
        "of_the_whole_runs": float(few / whole) if whole else None,
        "standard_error_of_the_excess": error,
        "same_named": float(np.mean([o.whole == o.named for o in found])),
        "whole_names_nobody": nobody[0],
        "names_nobody": nobody[1],
        **share,
        "share_of_trials": sum(o.trials for o in found) / sum(o.exhaustive for o in found),
        "passed": passed,
    }


def main() -> int:
    args = asked(__doc__, "until_decided_worlds", worlds=200)
    before = json.loads(args.out.read_text()) if args.out.exists() else {}
    if before.get("code") != _code():  # what other code found says nothing of this one
        before = {}
    outcomes = {k: [Outcome(**o) for o in v] for k, v in before.get("outcomes", {}).items()}
    for last, kind in product(range(BLOCK, args.worlds + BLOCK, BLOCK), DECISIONS):
        found = outcomes.setdefault(kind, [])  # a benchmark that was cut off goes on where it was
        if len(found) < (last := min(last, args.worlds)):
            found += [outcome_of(kind, number) for number in range(len(found), last)]
            print(kind, json.dumps(told(kind, found)), file=sys.stderr, flush=True)
            _keep(args.out, outcomes)
    return kept(_result(outcomes), args.out)


@cache
def _code() -> str:
    """What decides, and what the worlds are."""
    home = Path(harness.__file__).parent
    return formulas(*sorted([*home.glob("analysis/*.py"), *home.glob("running/*.py"), Path(__file__)]))


def _result(outcomes: Mapping[str, Sequence[Outcome]]) -> dict[str, object]:
    kinds = {kind: told(kind, found) for kind, found in outcomes.items() if found}
    return {
        "kinds": kinds,
        "code": _code(),
        "passed": all(kind["passed"] for kind in kinds.values()),
        "outcomes": {k: [asdict(o) for o in v] for k, v in outcomes.items()},
    }


def _keep(out: Path, outcomes: Mapping[str, Sequence[Outcome]]) -> None:
    out.write_text(json.dumps(_result(outcomes), indent=1) + "\n")


if __name__ == "__main__":
    raise SystemExit(main())
