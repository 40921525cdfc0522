"""Is P(best) right where the objective holds a bill of whole machines, with draws shrunk and without?

    python -m benchmarks.whole_machines [--worlds 2000] [--out benchmarks/results/whole_machines.json]

Worlds of candidates whose value is 1,200 a unit of accuracy less 65.15 USD for each machine that a peak of
4,000 requests/s takes; accuracy and the logarithm of the load are measured with normal noise of known size.
P(best) of who leads is held against how often it is truly the best.

Gate: without shrinking the Brier score is no worse in any kind of world. What is said is kept too.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

from harness.analysis.rule import best_probability
from harness.analysis.shrink import shrink_draws
from harness.analysis.stats import Array

DRAWS, PEAK, MONTH, POINT = 1500, 4000.0, 65.15, 1200.0
KINDS = {
    "far apart, 4": (4, 0.006, 0.5, 0.003, 0.12),
    "far apart, 10": (10, 0.006, 0.5, 0.003, 0.12),
    "near each other, 4": (4, 0.002, 0.1, 0.003, 0.12),
    "near each other, 10": (10, 0.002, 0.1, 0.003, 0.12),
    "accuracy known well, 4": (4, 0.006, 0.5, 0.001, 0.2),
}
"""Candidates, spread of accuracy and of the log of the load, noise of either."""


def value(accuracy: Array, load: Array) -> Array:
    """USD a month."""
    return np.asarray(POINT * accuracy - MONTH * np.ceil(PEAK / load))


def held(
    kind: tuple[int, float, float, float, float], worlds: int, rng: np.random.Generator
) -> dict[str, dict[str, float]]:
    """Way → P(best) of the leader as said and as true, and the Brier score over all candidates."""
    count, spread, load_spread, noise, load_noise = kind
    found: dict[str, list[tuple[float, float, float]]] = {"shrunk": [], "as drawn": []}
    for _ in range(worlds):
        accuracy = 0.885 + spread * rng.standard_normal(count)
        load = np.log(4500) + load_spread * rng.standard_normal(count)
        seen = accuracy + noise * rng.standard_normal(count)
        seen_load = load + load_noise * rng.standard_normal(count)
        drawn = value(
            seen + noise * rng.standard_normal((DRAWS, count)),
            np.exp(seen_load + load_noise * rng.standard_normal((DRAWS, count))),
        )
        true = value(accuracy, np.exp(load))
        best, leader = true >= true.max() - 1e-9, int(drawn.mean(0).argmax())
        for way, utility in (("shrunk", shrink_draws(drawn)), ("as drawn", drawn)):
            said = best_probability(utility, np.ones_like(drawn, bool))
            found[way].append((float(said[leader]), float(best[leader]), float(((said - best) ** 2).sum())))
    names = ("said", "true", "brier")
    return {
        way: dict(zip(names, np.mean(rows, axis=0).round(3).tolist(), strict=True))
        for way, rows in found.items()
    }


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--worlds", type=int, default=2000)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/whole_machines.json"))
    args = parser.parse_args()
    rng = np.random.default_rng(0)
    kinds = {name: held(kind, args.worlds, rng) for name, kind in KINDS.items()}
    passed = all(ways["as drawn"]["brier"] <= ways["shrunk"]["brier"] for ways in kinds.values())
    result = {"worlds": args.worlds, "kinds": kinds, "passed": passed}
    args.out.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))
    return 0 if passed else 1


if __name__ == "__main__":
    raise SystemExit(main())
