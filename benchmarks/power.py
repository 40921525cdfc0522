"""Whether what `plan` says it can tell apart is told apart: stated 80 % against the realised share.

    python -m benchmarks.power [--worlds 400] [--out benchmarks/results/power.json] [--only quality latency]

Worlds are those of `benchmarks.calibration`. Of two candidates one is worse by the difference that
`harness.planning.power` states; the others, where there are any, are far behind and only tell variances. Told
apart means what the rule means: the better one is chosen and tied with nobody. Spreads are either the
world's own (`declared`) or those that one earlier run of the same size shows (`earlier run`), each world
with an earlier run of its own. What the module asks for was found with other seeds of randomness
(`--seed 150`) than those reported.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.calibration import Sample, World, measure
from benchmarks.decision import DRAWS
from harness.analysis.joint import launch_draws, quality_draws
from harness.analysis.rule import Choice
from harness.analysis.spreads import launch_spread, quality_spread
from harness.planning.power import Design, difference_told
from harness.spread import Spread

FAR = 0.2, 1.5
"""How far behind the others are, of accuracy and of log-latency."""

Told = Callable[[Sample, np.random.Generator], bool]
Seen = Callable[[Sample], Spread | None]


def realised(
    world: World, declared: Spread, seen: Seen, told: Told, worlds: int, seed: list[int]
) -> Mapping[str, float]:
    """The share of worlds in which the stated difference is told apart."""
    design = Design(world.seeds, world.rounds, world.candidates)
    stated = difference_told(declared, design)
    found: dict[str, list[bool]] = {"declared": [], "earlier run": []}
    sizes = []
    for number in range(worlds):
        rng = np.random.default_rng([*seed, number])
        earlier = seen(measure(world, rng, same=True))
        assert earlier is not None
        sizes.append(difference_told(earlier, design))
        for basis, size in (("declared", stated), ("earlier run", sizes[-1])):
            slower, worse = np.full(world.candidates, FAR[1]), np.full(world.candidates, FAR[0])
            slower[:2] = worse[:2] = 0, size
            found[basis].append(told(measure(world, rng, behind=(worse, slower)), rng))
    return {
        "stated_difference": stated,
        "told_apart": float(np.mean(found["declared"])),
        "of_earlier_runs_median": float(np.median(sizes)),
        "told_apart_by_earlier_runs": float(np.mean(found["earlier run"])),
    }


def quality(worlds: int, seed: int) -> Iterator[tuple[str, Mapping[str, float]]]:
    """Accuracy, by seeds, test rows and candidates."""

    def told(sample: Sample, rng: np.random.Generator) -> bool:
        draws = np.clip(quality_draws(sample.scores, range(len(sample.scores)), rng, DRAWS), 0, 1)
        return _leads_alone(draws)

    def seen(sample: Sample) -> Spread | None:
        return quality_spread(sample.scores, "")

    large = World(candidates=6, seeds=40, examples=10_000, seed_sd=World.seed_sd)
    truth = quality_spread(measure(large, np.random.default_rng(50), same=True).scores, "")
    assert truth is not None
    for seeds in (2, 3, 5):
        for rows in (1000, 10_000):
            own = replace(
                truth,
                df=None,
                alone=truth.alone * large.examples / rows,
                examples=truth.examples * large.examples / rows,
                residual=truth.residual * large.examples / rows,
                seeds=World.seed_sd**2,
            )
            for count in (2, 5):
                world = World(candidates=count, seeds=seeds, examples=rows, limit_ms=1e9)
                key = f"{seeds} seeds, {rows} rows, {count} candidates"
                yield key, realised(world, own, seen, told, worlds, [seed, seeds, rows, count])


def latency(worlds: int, seed: int) -> Iterator[tuple[str, Mapping[str, float]]]:
    """Latency, by rounds and candidates."""

    def told(sample: Sample, rng: np.random.Generator) -> bool:
        return _leads_alone(-np.exp(launch_draws(sample.log_latency, rng, DRAWS)))

    def seen(sample: Sample) -> Spread | None:
        return launch_spread(sample.log_latency, "")

    own = Spread("", 9.0, World.launch_sd**2 + World.drift_sd**2, launches=2 * World.launch_sd**2)
    for rounds in (2, 3, 5):
        for count in (2, 5):
            world = World(candidates=count, rounds=rounds, examples=10, seeds=2)
            key = f"{rounds} rounds, {count} variants"
            yield key, realised(world, own, seen, told, worlds, [seed, rounds, count])


def _leads_alone(utility: np.ndarray) -> bool:
    none = np.ones((0, *utility.shape), bool)
    return Choice(utility, none, np.zeros(0)).tied == (0,)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--worlds", type=int, default=400)
    parser.add_argument("--seed", type=int, default=51, help="constants were found with 150")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/power.json"))
    parts = {"quality": quality, "latency": latency}
    parser.add_argument("--only", nargs="*", choices=list(parts), default=list(parts))
    arguments = parser.parse_args()
    result = json.loads(arguments.out.read_text()) if arguments.out.exists() else {}
    for name in arguments.only:
        result[name] = {"worlds": arguments.worlds}
        start = time.perf_counter()
        for key, found in parts[name](arguments.worlds, arguments.seed):
            result[name][key] = {k: round(v, 4) for k, v in found.items()}
            print(f"{name}, {key} ({time.perf_counter() - start:.0f} s): {result[name][key]}", flush=True)
            arguments.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
