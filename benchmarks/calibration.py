"""How far the statistics can be trusted: simulated decisions whose truth is known.

    python -m benchmarks.calibration [--decisions 2000] [--out benchmarks/results/calibration.json]

What stands in the file with as many decisions is not run again; delete it to start afresh.

Candidates have true accuracies and latencies; seeds, test examples and launches are drawn; the harness's
own functions turn them into probabilities, which are then held against the truth. Four worlds: equal or
unequal variances (spread over candidates by a factor e^0.7), normal or heavy tails (t with 3 degrees of
freedom, same standard deviation). Gates: A/A false positives in [.02, .06], coverage ≥ .93, ECE of
P(front), P(feasible), P(best) ≤ .04, predicted regret within 25 % of the realised one.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from scipy.special import ndtri

from harness.analysis.fronts import pareto_front, pareto_probability
from harness.analysis.joint import launch_draws, quality_draws
from harness.analysis.rule import Choice
from harness.analysis.stats import launch_interval, two_way_difference


@dataclass(frozen=True)
class World:
    """How the simulated measurements vary.

    Args:
        seed_sd: of a candidate's accuracy over seeds; launch_sd: of log-latency over launches.
        unequal: log-standard deviation of the candidates' own factors on both. heavy: t3 instead of normal.
    """

    candidates: int = 5
    seeds: int = 3
    examples: int = 1000
    rounds: int = 3
    seed_sd: float = 0.006
    launch_sd: float = 0.08
    drift_sd: float = 0.08
    unequal: float = 0.0
    heavy: bool = False
    accuracy_sd: float = 0.012
    latency_sd: float = 0.25
    limit_ms: float = 10.0


WORLDS = {
    "equal, normal": World(),
    "unequal, normal": World(unequal=0.7),
    "equal, heavy": World(heavy=True),
    "unequal, heavy": World(unequal=0.7, heavy=True),
}


@dataclass(frozen=True)
class Sample:
    """One simulated measurement: scores K × (S, N), log-latency (R, K), and the truth (K,) of each."""

    scores: list[np.ndarray]
    log_latency: np.ndarray
    accuracy: np.ndarray
    latency_ms: np.ndarray


def noise(world: World, rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Unit variance; t3 has variance 3."""
    return rng.standard_t(3, shape) / np.sqrt(3) if world.heavy else rng.standard_normal(shape)


def measure(
    world: World,
    rng: np.random.Generator,
    same: bool = False,
    behind: tuple[np.ndarray, np.ndarray] | None = None,
) -> Sample:
    """Measure a world's candidates once; `same`: all have the same truth (A/A); `behind`: (K,) how much less
    accurate than the common truth they are, and (K,) how much slower on the log scale."""
    k, s, n = world.candidates, world.seeds, world.examples
    accuracy = 0.88 + np.zeros(k) if same else 0.88 + rng.normal(0, world.accuracy_sd, k)
    latency = 9.0 * np.exp(np.zeros(k) if same else rng.normal(0, world.latency_sd, k))
    if behind is not None:
        accuracy, latency = 0.88 - behind[0], 9.0 * np.exp(behind[1])
    seed_sd = world.seed_sd * np.exp(world.unequal * rng.standard_normal(k))
    launch_sd = world.launch_sd * np.exp(world.unequal * rng.standard_normal(k))
    difficulty = rng.standard_normal(n)
    scores = []
    for c in range(k):
        level = np.clip(accuracy[c] + seed_sd[c] * noise(world, rng, (s, 1)), 0.5, 0.999)
        own = 0.4 * rng.standard_normal(n)
        taste = np.sqrt(1 - 0.7**2 - 0.4**2) * rng.standard_normal((s, n))
        scores.append((0.7 * difficulty + own + taste < ndtri(level)).astype(float))
    drift = world.drift_sd * rng.standard_normal((world.rounds, 1))
    log_latency = np.log(latency) + drift + launch_sd * noise(world, rng, (world.rounds, k))
    return Sample(scores, log_latency, accuracy, latency)


@dataclass(frozen=True)
class Calibration:
    """What came out over many decisions; the fields are named after the gates."""

    decisions: int
    false_positives: float
    coverage_accuracy: float
    coverage_difference: float
    coverage_latency: float
    coverage_latency_t: float
    ece_front: float
    ece_feasible: float
    ece_best: float
    regret_predicted: float
    regret_realised: float
    broken_limits: float

    def misses(self, slack: float = 0.0) -> list[str]:
        """Gates that are missed by more than `slack` (for the Monte Carlo error of short runs)."""
        ratio = self.regret_predicted / self.regret_realised if self.regret_realised else 1.0
        checks = {
            f"A/A false positives {self.false_positives:.3f} not in [.02, .06]": (
                0.02 - slack <= self.false_positives <= 0.06 + slack
            ),
            f"coverage of accuracy {self.coverage_accuracy:.3f} < .93": self.coverage_accuracy
            >= 0.93 - slack,
            f"coverage of differences {self.coverage_difference:.3f} < .93": (
                self.coverage_difference >= 0.93 - slack
            ),
            f"coverage of latency {self.coverage_latency:.3f} < .93": self.coverage_latency >= 0.93 - slack,
            f"ECE of P(front) {self.ece_front:.3f} > .04": self.ece_front <= 0.04,
            f"ECE of P(feasible) {self.ece_feasible:.3f} > .04": self.ece_feasible <= 0.04,
            f"ECE of P(best) {self.ece_best:.3f} > .04": self.ece_best <= 0.04,
            f"predicted regret is {ratio:.2f} of the realised": 0.75 <= ratio <= 1.25,
        }
        return [text for text, holds in checks.items() if not holds]


def expected_calibration_error(probability: np.ndarray, happened: np.ndarray, bins: int = 10) -> float:
    """Mean |probability − frequency| over bins of equal width, weighted by their counts."""
    cell = np.minimum((probability * bins).astype(int), bins - 1)
    gaps = [
        abs(probability[cell == b].sum() - happened[cell == b].sum())
        for b in range(bins)
        if (cell == b).any()
    ]
    return float(sum(gaps) / len(probability))


def calibrate(
    world: World, decisions: int, seed: int, draws: int = 1000, pairs: int | None = None
) -> Calibration:
    """Run many decisions of one world, and A/A pairs (four times as many unless said otherwise)."""
    # Three streams: another way of drawing must not meet other worlds.
    worlds, posterior, equals = (np.random.default_rng([seed, stream]) for stream in range(3))
    rows = [_decide(world, worlds, posterior, draws) for _ in range(decisions)]
    positives = list(_false_positives(world, equals, 4 * decisions if pairs is None else pairs))
    column = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    pair = {name: column[name].reshape(-1) for name in column}
    return Calibration(
        decisions,
        float(np.mean(positives)),
        float(pair["covered_accuracy"].mean()),
        float(pair["covered_difference"].mean()),
        float(pair["covered_latency"].mean()),
        float(pair["covered_latency_t"].mean()),
        expected_calibration_error(pair["p_front"], pair["front"]),
        expected_calibration_error(pair["p_feasible"], pair["feasible"]),
        expected_calibration_error(pair["p_best"], pair["best"]),
        float(pair["regret_predicted"].mean()),
        float(pair["regret_realised"].mean()),
        float(pair["broke_limit"].mean()),
    )


def _decide(
    world: World, worlds: np.random.Generator, rng: np.random.Generator, draws: int
) -> dict[str, np.ndarray]:
    """One decision: maximise accuracy with latency under the limit, against the truth."""
    sample = measure(world, worlds)
    quality = np.clip(quality_draws(sample.scores, range(world.candidates), rng, draws), 0, 1)
    latency = np.exp(launch_draws(sample.log_latency, rng, draws))
    feasible = latency <= world.limit_ms
    choice = Choice(quality, feasible[None], np.array([np.nan]))
    able = sample.latency_ms <= world.limit_ms
    best = np.zeros(world.candidates)
    if able.any():
        best[np.where(able, sample.accuracy, -np.inf).argmax()] = 1
    named = choice.named
    # Against the best of those that might have been named; whether it broke the limit is another figure.
    lost = 0.0 if named is None else float(sample.accuracy[choice.able].max() - sample.accuracy[named])
    difference = quality[:, 1:] - quality[:, :1]
    log_intervals = [launch_interval(np.exp(column)) for column in sample.log_latency.T]
    return {
        "covered_accuracy": _covers(quality, sample.accuracy),
        "covered_difference": _covers(difference, sample.accuracy[1:] - sample.accuracy[0]),
        "covered_latency": _covers(latency, sample.latency_ms),
        "covered_latency_t": np.array(
            [i.low <= t <= i.high for i, t in zip(log_intervals, sample.latency_ms, strict=True)]
        ),
        "p_front": pareto_probability(np.stack([-quality, latency], axis=2)),
        "front": pareto_front(np.stack([-sample.accuracy, sample.latency_ms], axis=1)).astype(float),
        "p_feasible": feasible.mean(0),
        "feasible": able.astype(float),
        "p_best": choice.best,
        "best": best,
        "regret_predicted": np.array([choice.regret]),
        "regret_realised": np.array([lost]),
        "broke_limit": np.array([float(named is not None and not able[named])]),
    }


def _covers(draws: np.ndarray, truth: np.ndarray) -> np.ndarray:
    low, high = np.quantile(draws, [0.025, 0.975], axis=0)
    return (low <= truth) & (truth <= high)


def _false_positives(world: World, rng: np.random.Generator, times: int) -> Iterator[bool]:
    """A/A: two candidates of the same truth, called different by the two-way formula at 0.05."""
    for _ in range(times):
        sample = measure(World(**{**asdict(world), "candidates": 2}), rng, same=True)
        interval = two_way_difference(*sample.scores)
        yield not interval.low <= 0 <= interval.high


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--decisions", type=int, default=2000)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/calibration.json"))
    arguments = parser.parse_args()
    results = json.loads(arguments.out.read_text()) if arguments.out.exists() else {}
    for number, (name, world) in enumerate(WORLDS.items()):
        for seeds in (2, 3, 5):
            key = f"{name}, {seeds} seeds, {max(seeds, 3)} rounds"
            if results.get(key, {}).get("decisions", 0) >= arguments.decisions:
                continue
            start = time.perf_counter()
            setting = World(**{**asdict(world), "seeds": seeds, "rounds": max(seeds, 3)})
            found = calibrate(setting, arguments.decisions, seed=100 * number + seeds)
            misses = found.misses()
            results[key] = {**asdict(found), "misses": misses}
            print(f"{key} ({time.perf_counter() - start:.0f} s): {found}")
            print(f"  {'all gates pass' if not misses else '; '.join(misses)}", flush=True)
            arguments.out.parent.mkdir(parents=True, exist_ok=True)
            arguments.out.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
