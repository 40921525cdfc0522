"""Whether the rule keeps its promises: simulated decisions through the real joint draws, held against the
truth.

    python -m benchmarks.decision [--worlds 1000] [--out benchmarks/results/decision.json]

Worlds are those of `benchmarks.calibration`: accuracies over seeds and shared test examples, latencies over
rounds, one limit on latency. Figures:

- `hopeless`: share of worlds in which further rows that surely break the limit change the choice;
- `regret`: realised regret of three rules (the highest mean that keeps the limit in the mean, this rule, the
one
  before: a broken limit costs the span of the table once more), what this rule predicts, and limits broken;
- `best`: what P(best) of the leader says on average, and how often it is the best, by seeds and variants;
- `equal`: how often two equal candidates are told apart; `chosen`: how often the expected figure's interval
covers
  the truth of the chosen among near-equal ones, and how often the plain one does; `edge`: limits broken where
  all truths lie 2 % beyond the limit.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.calibration import Sample, World, measure
from harness.analysis.joint import launch_draws, quality_draws
from harness.analysis.rule import Choice

DRAWS = 1000


def choice_of(world: World, sample: Sample, rng: np.random.Generator, first: int | None = None) -> Choice:
    """The rule on what was measured; `first`: rows that are in the race."""
    count = len(sample.scores)
    quality, latency = rng.spawn(2)
    accuracy = np.clip(quality_draws(sample.scores, range(count), quality, DRAWS, first=first), 0, 1)
    feasible = np.exp(launch_draws(sample.log_latency, latency, DRAWS, first)) <= world.limit_ms
    return Choice(accuracy, feasible[None], np.array([np.nan]))


def former_choice(choice: Choice) -> int | None:
    """The rule before: a broken limit is worth as much less than the worst as the best is more than it."""
    means, utility = choice.means, choice.utility
    able = np.flatnonzero(choice.limits_hold >= 0.5)
    if not len(able):
        return None
    fallback = 2 * means.min() - means.max()
    expected = np.where(choice.keeps, utility, np.minimum(fallback, utility)).mean(0)
    return int(able[expected[able].argmax()])


def hopeless(worlds: int, seed: int) -> Mapping[str, float]:
    """Hopeless rows: up to twelve, noisy, accurate or not, all far beyond the limit."""
    world, changed = World(candidates=5), 0
    for number in range(worlds):
        rng = np.random.default_rng([seed, number])
        sample = measure(world, rng)
        extra = measure(
            replace(world, candidates=int(rng.integers(1, 13)), unequal=1.5, accuracy_sd=0.05), rng
        )
        crowd = Sample(
            [*sample.scores, *extra.scores],
            np.hstack([sample.log_latency, extra.log_latency + np.log(50)]),
            np.concatenate([sample.accuracy, extra.accuracy]),
            np.concatenate([sample.latency_ms, 50 * extra.latency_ms]),
        )
        before = choice_of(world, sample, np.random.default_rng(number))
        after = choice_of(world, crowd, np.random.default_rng(number), first=5)
        changed += before.named != after.named
    return {"worlds": worlds, "choice_changed": changed}


def regret(worlds: int, seed: int, noisy: bool = False) -> Mapping[str, float]:
    """Regret against the best that truly keeps the limit, where the rule names one that does; breaks
    apart."""
    world = World(candidates=5)
    rows: dict[str, list[float]] = {}
    for number in range(worlds):
        rng = np.random.default_rng([seed, number])
        sample = measure(world, rng)
        if noisy:
            # Ten points worse, and eight times as noisy.
            wild = measure(replace(world, candidates=1, seed_sd=0.05), rng)
            scores = wild.scores[0] * (rng.random(world.examples) < 0.85)
            sample = Sample(
                [*sample.scores, scores],
                np.hstack([sample.log_latency, wild.log_latency]),
                np.append(sample.accuracy, 0.85 * wild.accuracy),
                np.append(sample.latency_ms, wild.latency_ms),
            )
        choice = choice_of(world, sample, rng)
        able = np.flatnonzero(choice.able)
        by_mean = np.flatnonzero(sample.log_latency.mean(0) <= np.log(world.limit_ms))
        named = {
            "this": choice.named,
            "before": former_choice(choice),
            "highest_mean": int(by_mean[choice.means[by_mean].argmax()]) if len(by_mean) else None,
        }
        if choice.named is None or any(k is None for k in named.values()):
            continue
        for rule, k in named.items():
            rows.setdefault(f"{rule}_broken", []).append(sample.latency_ms[k] > world.limit_ms)
            # Among the same rows for all: those that keep the limit surely enough.
            lost = sample.accuracy[able].max() - sample.accuracy[k]
            rows.setdefault(f"{rule}_regret", []).append(max(lost, 0.0))
        rows.setdefault("this_predicted", []).append(choice.regret)
    return {"decisions": len(rows["this_regret"]), **{k: float(np.mean(v)) for k, v in rows.items()}}


def best(worlds: int, seed: int) -> Mapping[str, Mapping[str, float]]:
    """P(best) of the leader against how often it is the best, without a limit."""
    found = {}
    for seeds in (2, 3, 5):
        for count in (2, 5, 10, 30):
            world = World(candidates=count, seeds=seeds, accuracy_sd=0.01, examples=500, limit_ms=1e9)
            said, right = [], []
            for number in range(worlds):
                rng = np.random.default_rng([seed, seeds, count, number])
                sample = measure(world, rng)
                choice = choice_of(world, sample, rng)
                assert choice.leader is not None
                said.append(choice.best[choice.leader])
                right.append(choice.leader == sample.accuracy.argmax())
            found[f"{seeds} seeds, {count} variants"] = {
                "said": float(np.mean(said)),
                "true": float(np.mean(right)),
            }
    return found


def equal(worlds: int, seed: int) -> Mapping[str, float]:
    """Two candidates of the same truth: how often the verdict is `recommend`."""
    found = {}
    for examples in (1000, 10_000):
        world = World(candidates=2, examples=examples, limit_ms=1e9)
        apart = 0
        for number in range(worlds):
            rng = np.random.default_rng([seed, examples, number])
            apart += len(choice_of(world, measure(world, rng, same=True), rng).tied) == 1
        found[f"{examples} examples"] = apart / worlds
    return found


def chosen(worlds: int, seed: int) -> Mapping[str, Mapping[str, float]]:
    """Near-equal candidates (truths spread by half a standard error): the interval of the chosen one's
    figure."""
    found = {}
    for count in (10, 30):
        world = World(candidates=count, accuracy_sd=0.003, limit_ms=1e9)
        shrunk, plain = [], []
        for number in range(worlds):
            rng = np.random.default_rng([seed, count, number])
            sample = measure(world, rng)
            choice = choice_of(world, sample, rng)
            k = choice.named
            assert k is not None
            low, high = np.quantile(choice.utility[:, k], [0.025, 0.975])
            shift = choice.centre(k) - choice.means[k]
            plain.append(low <= sample.accuracy[k] <= high)
            shrunk.append(low + shift <= sample.accuracy[k] <= high + shift)
        found[f"{count} variants"] = {"expected": float(np.mean(shrunk)), "measured": float(np.mean(plain))}
    return found


def edge(worlds: int, seed: int) -> Mapping[str, float]:
    """All truths 2 % beyond the limit: whoever is named breaks it."""
    world = World(candidates=3, latency_sd=0.0, limit_ms=9.0 / 1.02)
    named = 0
    for number in range(worlds):
        rng = np.random.default_rng([seed, number])
        named += choice_of(world, measure(world, rng), rng).named is not None
    return {"named_and_broken": named / worlds}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--worlds", type=int, default=1000)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/decision.json"))
    arguments = parser.parse_args()
    count = arguments.worlds
    parts = {
        "hopeless": lambda: hopeless(count, 1),
        "regret": lambda: regret(count, 2),
        "regret_with_a_noisy_hopeless_row": lambda: regret(count, 2, noisy=True),
        "equal": lambda: equal(count, 4),
        "edge": lambda: edge(count, 6),
        "chosen": lambda: chosen(max(count // 2, 1), 5),
        "best": lambda: best(max(count // 4, 1), 3),
    }
    result: dict[str, object] = {}
    for name, part in parts.items():
        start = time.perf_counter()
        result[name] = part()
        print(f"{name} ({time.perf_counter() - start:.0f} s): {json.dumps(result[name])}", flush=True)
        arguments.out.write_text(json.dumps({"worlds": count, **result}, indent=1) + "\n")


if __name__ == "__main__":
    main()
