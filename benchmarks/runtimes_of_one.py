"""Is P(best) right where models are served on several runtimes, whose answers differ in few rows: with each
runtime an opinion of its own, or one for each model?

    python -m benchmarks.runtimes_of_one [--worlds 400] [--out benchmarks/results/runtimes_of_one.json]

Worlds of models whose true accuracies spread by so much and are measured with noise that a model's runtimes
share, beside noise that all models share (the test rows). A model's further runtimes are a little worse than
its first one, by known spreads, and so are their measurements. P(best) as said of the leader, and of all
runtimes of its model together, is held against how often either is the best.

Gate: Brier scores over variants are no worse with one opinion for each model, and what is said of the leader
is within .1 of the truth.
"""

from __future__ import annotations

import numpy as np

from benchmarks.worlds import asked, kept
from harness.analysis.shrink import Shrinking
from harness.analysis.stats import Array
from harness.analysis.winners import best_probability

DRAWS, SHARED = 1500, 0.006
KINDS = {
    "4 models on 3 runtimes, far apart": ((3, 3, 3, 3), 0.006, 0.0005, 0.0003),
    "4 models on 3 runtimes, near each other": ((3, 3, 3, 3), 0.002, 0.0005, 0.0003),
    "2 models on 3 runtimes, far apart": ((3, 3), 0.006, 0.0005, 0.0003),
    "3 models on 4 runtimes, int8 among them": ((4, 4, 4), 0.006, 0.002, 0.0008),
    "6 models on 2 runtimes": ((2,) * 6, 0.004, 0.0005, 0.0003),
    "one model on 5 runtimes, 3 on one each": ((5, 1, 1, 1), 0.004, 0.0005, 0.0003),
    "4 models on one runtime each": ((1, 1, 1, 1), 0.004, 0.0005, 0.0003),
}
"""Runtimes of each model, spread of the models' accuracies, of their runtimes', and noise of the latter."""

NOISE = 0.003
"""Of a model's measured accuracy."""


def world(
    runtimes: tuple[int, ...], spread: float, shift: float, apart: float, rng: np.random.Generator
) -> tuple[Array, Array, Array]:
    """(rows,) true accuracies, (draws, rows) what is measured, and (rows,) whose runtime each row is."""
    models = np.repeat(np.arange(len(runtimes)), runtimes)
    first = np.concatenate([[0], np.cumsum(runtimes)[:-1]])
    further = np.ones(len(models))
    further[first] = 0.0

    def scattered(draws: int) -> Array:
        """Noise of models, which their runtimes share, and of what these differ by."""
        own = NOISE * rng.standard_normal((draws, len(runtimes)))[:, models]
        return np.asarray(own + apart * further * rng.standard_normal((draws, len(models))))

    true = 0.885 + spread * rng.standard_normal(len(runtimes))[models]
    true = true + further * (shift * rng.standard_normal(len(models)) - shift)
    seen = true + scattered(1)[0] + SHARED * rng.standard_normal()
    return true, seen + scattered(DRAWS) + SHARED * rng.standard_normal((DRAWS, 1)), models


def held(kind: tuple[tuple[int, ...], float, float, float], worlds: int) -> dict[str, dict[str, float]]:
    """Way → what is said of the leader and of its model, how often it is so, Brier score, and regret."""
    rng = np.random.default_rng(1)
    found: dict[str, list[tuple[float, ...]]] = {"each runtime": [], "each model": []}
    for _ in range(worlds):
        true, draws, models = world(*kind, rng)
        best, leader = true >= true.max(), int(draws.mean(0).argmax())
        own = models == models[leader]
        ways = {"each runtime": Shrinking(draws), "each model": Shrinking(draws, models)}
        for way, shrinking in ways.items():
            utility = shrinking.of(np.arange(len(true))).T
            said = best_probability(utility, np.ones_like(draws, bool))
            regret = float((utility.max(1) - utility[:, leader]).mean())
            found[way].append(
                (
                    float(said[leader]),
                    float(best[leader]),
                    float(said[own].sum()),
                    float(best[own].any()),
                    float(((said - best) ** 2).sum()),
                    regret,
                    float(true.max() - true[leader]),
                )
            )
    names = ("said", "true", "model_said", "model_true", "brier", "regret_predicted", "regret_realised")
    return {
        way: dict(zip(names, np.mean(rows, axis=0).round(4).tolist(), strict=True))
        for way, rows in found.items()
    }


def main() -> int:
    args = asked(__doc__, "runtimes_of_one", worlds=400)
    kinds = {name: held(kind, args.worlds) for name, kind in KINDS.items()}
    passed = all(
        ways["each model"]["brier"] <= ways["each runtime"]["brier"] + 0.005
        and abs(ways["each model"]["said"] - ways["each model"]["true"]) <= 0.1
        for ways in kinds.values()
    )
    return kept({"worlds": args.worlds, "kinds": kinds, "passed": passed}, args.out)


if __name__ == "__main__":
    raise SystemExit(main())
