"""Does the search for the highest load find it? Simulated servers with a known capacity, in virtual time.

    python benchmarks/capacity_search.py [--repeats 6] [--out benchmarks/results/capacity_search.json]

Six servers (service time a + c·batch, limits of 5 to 20 times a call alone, batches of 1 to 32) in six
worlds, searches of 5, 10 and 20 s. The truth is the highest load that keeps 99 % within the limit in long
runs of the very same process.
"""

from __future__ import annotations

import argparse
import itertools
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from harness.serving.capacity import find_capacity
from harness.serving.load import ServerSettings
from harness.serving.queues import Services, compile_now, simulated_run, true_capacity
from harness.streams import generator

SECONDS = (5.0, 10.0, 20.0)
CALLS = 400_000
TRUTH_REQUESTS = 3_000_000


@dataclass(frozen=True)
class Server:
    """Takes a + c·batch, with variation `cv`; a share of `stalls` of its calls takes `stall_ms` longer."""

    a_ms: float
    c_ms: float
    limit_ms: float
    max_batch: int
    max_wait_ms: float
    cv: float
    stalls: float
    stall_ms: float
    fast: bool

    @property
    def settings(self) -> ServerSettings:
        return ServerSettings(self.limit_ms, self.max_batch, self.max_wait_ms)

    @property
    def closed(self) -> np.ndarray:
        """(max_batch,) seconds, as a closed loop shows them."""
        return (self.a_ms + self.c_ms * np.arange(1, self.max_batch + 1)) / 1e3


SERVERS = {
    "int8-like": Server(0.12, 0.13, 5.0, 8, 1.0, 0.06, 0.0002, 1.5, True),
    "small CNN on ONNX": Server(0.06, 0.08, 2.0, 32, 0.0, 0.10, 0.0002, 1.0, True),
    "fast, one at a time": Server(0.0, 0.4, 2.0, 1, 0.0, 0.10, 0.0005, 2.0, True),
    "2 ms, one at a time": Server(0.0, 2.0, 10.0, 1, 0.0, 0.08, 0.002, 10.0, False),
    "10 ms, batches": Server(6.0, 4.0, 60.0, 8, 2.0, 0.08, 0.002, 50.0, False),
    "3 ms, large batches": Server(2.0, 1.0, 40.0, 32, 2.0, 0.08, 0.001, 15.0, False),
}


def plain(server: Server, random: np.random.Generator) -> Services:
    return _services(server, np.ones(CALLS), _stalls(server, random), random)


def slower_in_situ(server: Server, random: np.random.Generator) -> Services:
    """Under random arrivals calls take 15 % longer than in a closed loop."""
    return _services(server, np.full(CALLS, 1.15), _stalls(server, random), random)


def drifting(server: Server, random: np.random.Generator) -> Services:
    """The level wanders by 3 %, over some thousand calls."""
    steps = random.standard_normal(CALLS // 500)
    level = np.zeros(len(steps))
    for k in range(1, len(steps)):
        level[k] = 0.8 * level[k - 1] + 0.03 * (1 - 0.8**2) ** 0.5 * steps[k]
    return _services(server, np.exp(np.repeat(level, 500)), _stalls(server, random), random)


def bursts(server: Server, random: np.random.Generator) -> Services:
    """As many stalls, but twenty at a time."""
    stalls = np.zeros(CALLS)
    for start in np.flatnonzero(random.random(CALLS - 20) < server.stalls / 20):
        stalls[start : start + 20] = server.stall_ms / 1e3
    return _services(server, np.ones(CALLS), stalls, random)


def rare(server: Server, random: np.random.Generator) -> Services:
    """A quarter as many stalls, each nearly as long as the limit."""
    stalls = np.where(random.random(CALLS) < server.stalls / 4, 0.8 * server.limit_ms / 1e3, 0.0)
    return _services(server, np.ones(CALLS), stalls, random)


def two_speeds(server: Server, random: np.random.Generator) -> Services:
    """A fifth of the time, some tenths of a second at once, everything takes 1.6 times as long."""
    a_second = 1 / server.closed[0]
    level, k = np.ones(CALLS), 0
    while k < CALLS:
        k += int(random.exponential(1.6 * a_second))
        slow = int(random.exponential(0.4 * a_second))
        level[k : k + slow] = 1.6
        k += slow
    return _services(server, level, _stalls(server, random), random)


WORLDS: dict[str, Callable[[Server, np.random.Generator], Services]] = {
    "plain": plain,
    "slower in situ": slower_in_situ,
    "drift": drifting,
    "bursts of stalls": bursts,
    "rare slow calls": rare,
    "two speeds": two_speeds,
}


def _stalls(server: Server, random: np.random.Generator) -> np.ndarray:
    return np.where(random.random(CALLS) < server.stalls, server.stall_ms / 1e3, 0.0)


def _services(server: Server, level: np.ndarray, stalls: np.ndarray, random: np.random.Generator) -> Services:
    shape = 1 / server.cv**2
    factor = level * random.gamma(shape, 1 / shape, CALLS)
    return Services(np.concatenate([[0.0], server.closed]), factor, stalls)


@dataclass(frozen=True)
class Search:
    """One search and the truth."""

    server: str
    world: str
    seconds: float
    truth: float
    bound: float
    found: float
    low: float
    high: float
    priced: float
    confirmed: bool | None
    slow_calls: int
    cpu_s: float

    @property
    def error(self) -> float:
        return float(np.log(self.found / self.truth))


def searches(repeats: int, seed: int = 0) -> list[Search]:
    done = []
    for name, server in SERVERS.items():
        for world, make in WORLDS.items():
            services = make(server, generator(seed, name, world))
            truth = true_capacity(services, server.settings, TRUTH_REQUESTS)
            for seconds in SECONDS:
                for k in range(repeats):
                    done.append(_search(name, world, services, truth, seconds, f"{seed} {k}"))
            print(f"{name}, {world}: truth {truth:.4g}/s", [round(s.error, 3) for s in done[-3 * repeats :]])
    return done


def _search(name: str, world: str, services: Services, truth: float, seconds: float, seed: str) -> Search:
    server = SERVERS[name]
    random = generator(0, name, world, str(seconds), seed)
    bound = float(np.max(np.arange(1, server.max_batch + 1) / server.closed))
    begin, a_run = int(random.integers(CALLS)), int(1.05 * bound * seconds / 8) + 1
    # One run follows the other in the server's life and shares nothing with it.
    starts = itertools.count(begin, a_run)

    def first(_: int) -> int:
        return next(starts) % CALLS

    started = time.process_time()
    found = find_capacity(
        simulated_run(services, server.settings, first), server.closed, server.settings, seconds, random
    )
    cpu = time.process_time() - started
    value, low, high = found.value or 1e-9, found.low or 1e-9, found.high or bound
    priced = low if found.confirmed is False else value
    return Search(
        name, world, seconds, truth, bound, value, low, high, priced, found.confirmed, found.slow_calls, cpu
    )


def summary(found: Sequence[Search]) -> dict[str, float]:
    errors = np.array([s.error for s in found])
    return {
        "searches": len(found),
        "median_ratio": float(np.exp(np.median(errors))),
        "median_absolute_log_error": float(np.median(np.abs(errors))),
        "rmse": float(np.sqrt(np.mean(errors**2))),
        "share_above_1.2": float(np.mean(errors > np.log(1.2))),
        "share_priced_above_1.2": float(np.mean([s.priced > 1.2 * s.truth for s in found])),
        "coverage": float(np.mean([s.low <= s.truth <= s.high for s in found])),
        "not_confirmed": float(np.mean([s.confirmed is False for s in found])),
        "above_bound": int(sum(s.found > s.bound * (1 + 1e-9) for s in found)),
        "cpu_s": float(np.mean([s.cpu_s for s in found])),
    }


def groups(found: Sequence[Search]) -> dict[str, list[Search]]:
    whole = ("plain", "slower in situ", "drift")
    return {
        "all": list(found),
        **{f"{s:g} s": [f for f in found if f.seconds == s] for s in SECONDS},
        "fast servers": [f for f in found if SERVERS[f.server].fast],
        "slow servers": [f for f in found if not SERVERS[f.server].fast],
        **{name: [f for f in found if f.server == name] for name in SERVERS},
        **{world: [f for f in found if f.world == world] for world in WORLDS},
        "plain, slower, drift": [f for f in found if f.world in whole],
        "all but two speeds": [f for f in found if f.world != "two speeds"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=6)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/capacity_search.json"))
    args = parser.parse_args()
    compile_now()
    found = searches(args.repeats, args.seed)
    table = {name: summary(some) for name, some in groups(found).items()}
    keys = ("median_ratio", "median_absolute_log_error", "rmse", "share_above_1.2", "coverage", "cpu_s")
    print(f"{'':24}", *(f"{key[:14]:>14}" for key in keys))
    for name, row in table.items():
        print(f"{name:24}", *(f"{row[key]:14.3f}" for key in keys))
    print("above the bound:", table["all"]["above_bound"])
    rounded = [{k: round(v, 4) if isinstance(v, float) else v for k, v in asdict(s).items()} for s in found]
    args.out.write_text(json.dumps({"summary": table, "searches": rounded}, indent=1) + "\n")


if __name__ == "__main__":
    main()
