"""What does a variant carry that was launched several times? One queue of all requests, or answers' mean.

    python -m benchmarks.capacity_launches [--worlds 8]

The servers and worlds of `benchmarks.capacity_search`, and one whose slow moments come twice a minute, so
that most launches meet none. Each launch is a search of 5 s somewhere in the server's life; the truth is that
of long runs of the very same process. Intervals are the table's: launches spread around the load.

Gate: one queue's errors are no larger than the mean's in any world (15 % is luck), and smaller over all.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import asdict, dataclass

import numpy as np

from benchmarks import capacity_search as search
from benchmarks.capacity_search import CALLS, SERVERS, Server
from benchmarks.worlds import asked, kept
from harness.analysis.joint import launch_draws
from harness.analysis.loads import load_of_launches
from harness.serving.capacity import find_capacity
from harness.serving.load import Observed
from harness.serving.queues import Services, compile_now, simulated_run, true_capacity
from harness.streams import generator

SECONDS, LAUNCHES, DRAWS = 5.0, (2, 3, 6), 2000
LUCK = 1.15


def seldom(server: Server, random: np.random.Generator) -> Services:
    """A second in thirty, in one piece, everything takes 1.6 times as long."""
    a_second, level, k = 1 / server.closed[0], np.ones(CALLS), 0
    while k < CALLS:
        k += int(random.exponential(29 * a_second))
        slow = int(random.exponential(a_second))
        level[k : k + slow] = 1.6
        k += slow
    return search._services(server, level, search._stalls(server, random), random)


WORLDS = {**search.WORLDS, "seldom slow": seldom}


@dataclass(frozen=True)
class Launched:
    """Several launches of a server. `one_queue`, `mean`: logarithms of their answers over the truth."""

    server: str
    world: str
    launches: int
    one_queue: float
    mean: float
    covered: bool
    covered_by_mean: bool


def launched(worlds: int) -> Iterator[Launched]:
    compile_now()
    for name, (world, make) in itertools.product(SERVERS, WORLDS.items()):
        services = make(SERVERS[name], generator(0, name, world))
        truth = true_capacity(services, SERVERS[name].settings, search.TRUTH_REQUESTS)
        for k in range(worlds):
            yield from _of_one(name, world, services, truth, k)
        print(f"{name}, {world}: {truth:.4g}/s", flush=True)


def _of_one(name: str, world: str, services: Services, truth: float, number: int) -> Iterator[Launched]:
    server, random = SERVERS[name], generator(0, name, world, "launches", number)
    launches = [_launch(server, services, random) for _ in range(max(LAUNCHES))]
    for n in LAUNCHES:
        answers = np.log([answer for _, answer in launches[:n]])
        runs = [run for of_launch, _ in launches[:n] for run in of_launch]
        load = float(np.log(load_of_launches(runs, server.closed, server.settings, random)))
        shifted = [answers, answers - answers.mean() + load]
        ends = [np.quantile(launch_draws(a[:, None], random, DRAWS, 1), [0.025, 0.975]) for a in shifted]
        by_mean, covered = (bool(low <= np.log(truth) <= high) for low, high in ends)
        yield Launched(
            name, world, n, load - np.log(truth), float(answers.mean() - np.log(truth)), covered, by_mean
        )


def _launch(server: Server, services: Services, random: np.random.Generator) -> tuple[list[Observed], float]:
    """The runs of a search that count, and its answer."""
    apart = int(1.05 * _bound(server) * SECONDS / 8) + 1
    starts = itertools.count(int(random.integers(CALLS)), apart)
    simulated, runs = simulated_run(services, server.settings, lambda _: next(starts) % CALLS), []

    def run(rate: float, seconds: float, seed: int) -> Observed:
        runs.append(simulated(rate, seconds, seed))
        return runs[-1]

    found = find_capacity(run, server.closed, server.settings, SECONDS, random)
    return [r for r in runs if r.point.valid and len(r.calls.size)], found.value or 1e-9


def _bound(server: Server) -> float:
    return float(np.max(np.arange(1, server.max_batch + 1) / server.closed))


def summary(found: list[Launched]) -> dict[str, float]:
    one, mean = (np.array([getattr(f, which) for f in found]) for which in ("one_queue", "mean"))
    return {
        "rmse": round(float(np.sqrt(np.mean(one**2))), 4),
        "rmse_of_mean": round(float(np.sqrt(np.mean(mean**2))), 4),
        "median_absolute_log_error": round(float(np.median(np.abs(one))), 4),
        "median_absolute_log_error_of_mean": round(float(np.median(np.abs(mean))), 4),
        "coverage": round(float(np.mean([f.covered for f in found])), 3),
        "coverage_of_mean": round(float(np.mean([f.covered_by_mean for f in found])), 3),
    }


def main() -> int:
    args = asked(__doc__, "capacity_launches", 8)
    found = list(launched(args.worlds))
    by_world = {world: summary([f for f in found if f.world == world]) for world in WORLDS}
    passed = all(s["rmse"] <= LUCK * s["rmse_of_mean"] for s in by_world.values())
    result = {
        "all": summary(found),
        "by_launches": {n: summary([f for f in found if f.launches == n]) for n in LAUNCHES},
        "by_world": by_world,
        "passed": passed and summary(found)["rmse"] < summary(found)["rmse_of_mean"],
        "launched": [asdict(f) for f in found],
    }
    return kept(result, args.out)


if __name__ == "__main__":
    raise SystemExit(main())
