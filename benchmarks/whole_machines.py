"""Is P(best) right where the objective holds a bill of whole machines: with draws of the value pulled
together, as drawn, or with quality and load pulled together and the bill made of them (as the rule does)?

    python -m benchmarks.whole_machines [--worlds 800] [--out benchmarks/results/whole_machines.json]

Worlds of candidates whose value is 1,200 a unit of accuracy less 65.15 USD for each machine that a peak of
4,000 requests/s takes; accuracy and the logarithm of the load are measured with normal noise of known size.
P(best) of who leads is held against how often it is truly the best.

Predicted regret of naming the leader is held against the realised one. `known` is told how truths spread:
nothing that has to learn it can do better. `named` is whom the rule names where candidates have sizes that
have nothing to do with worth (the smallest of all but equals, within a tenth of the tolerance): its P(best)
and its regret.

Gate: in parts the Brier score is no worse than as drawn by more than .01 in any kind of world, and what is
said of the leader is within .05 of the truth; .1 where candidates are as near each other as their noise.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from benchmarks.worlds import asked, kept
from harness.analysis.rule import Choice, TieBreaker
from harness.analysis.shrink import Shrinking
from harness.analysis.stats import Array
from harness.analysis.winners import best_probability
from harness.analysis.worths import Worths

DRAWS, PEAK, MONTH, POINT = 1500, 4000.0, 65.15, 1200.0
KINDS = {
    "far apart, 4": (4, 0.006, 0.5, 0.003, 0.12),
    "far apart, 10": (10, 0.006, 0.5, 0.003, 0.12),
    "near each other, 4": (4, 0.002, 0.1, 0.003, 0.12),
    "near each other, 10": (10, 0.002, 0.1, 0.003, 0.12),
    "near each other, 3": (3, 0.002, 0.1, 0.003, 0.12),
    "accuracy near, load far, 6": (6, 0.002, 0.5, 0.003, 0.12),
    "accuracy far, load near, 6": (6, 0.006, 0.1, 0.003, 0.12),
    "accuracy known well, 4": (4, 0.006, 0.5, 0.001, 0.2),
}
"""Candidates, spread of accuracy and of the log of the load, noise of either."""


def value(accuracy: Array, load: Array) -> Array:
    """USD a month."""
    return np.asarray(POINT * accuracy - MONTH * np.ceil(PEAK / load))


def held(
    kind: tuple[int, float, float, float, float], worlds: int, rng: np.random.Generator
) -> dict[str, dict[str, float]]:
    """Way → P(best) of the leader as said and as true, Brier score over all candidates, regret."""
    count, spread, load_spread, noise, load_noise = kind
    found: dict[str, list[tuple[float, ...]]] = {}
    for _ in range(worlds):
        accuracy = 0.885 + spread * rng.standard_normal(count)
        load = np.log(4500) + load_spread * rng.standard_normal(count)
        seen = accuracy + noise * rng.standard_normal(count)
        seen_load = load + load_noise * rng.standard_normal(count)
        drawn = seen + noise * rng.standard_normal((DRAWS, count))
        drawn_load = seen_load + load_noise * rng.standard_normal((DRAWS, count))
        worth, true = value(drawn, np.exp(drawn_load)), value(accuracy, np.exp(load))
        best, leader = true >= true.max() - 1e-9, int(worth.mean(0).argmax())
        rows = np.arange(count)
        ways = {
            "pulled together": Worths(worth).shrunk(rows),
            "as drawn": worth,
            "in parts": Worths(worth, _in_parts(drawn, drawn_load)).shrunk(rows),
            "known": value(
                _told(drawn, 0.885, spread, noise),
                np.exp(_told(drawn_load, np.log(4500), load_spread, load_noise)),
            ),
        }
        for way, utility in ways.items():
            said = best_probability(utility, np.ones_like(drawn, bool))
            regret = float((utility.max(1) - utility[:, leader]).mean())
            brier = float(((said - best) ** 2).sum())
            figures = (
                float(said[leader]),
                float(best[leader]),
                brier,
                regret,
                float(true.max() - true[leader]),
            )
            found.setdefault(way, []).append(figures)
        found.setdefault("named", []).append(_named(worth, true, _in_parts(drawn, drawn_load)))
    names = ("said", "true", "brier", "regret_predicted", "regret_realised")
    return {
        way: dict(zip(names, np.mean(rows, axis=0).round(3).tolist(), strict=True))
        for way, rows in found.items()
    }


def _named(worth: Array, true: Array, in_parts: Callable[[Array], Array]) -> tuple[float, ...]:
    """As `held` has it of a way, for whom the rule names; sizes are drawn apart from all else."""
    sizes = np.random.default_rng(abs(int(1e6 * worth[0, 0]))).uniform(1, 10, len(true))
    smallest = TieBreaker("model_size_mb", lambda k: float(sizes[k]), 0.1)
    nothing = np.ones((0, *worth.shape), bool), np.zeros(0)
    choice = Choice(Worths(worth, in_parts), *nothing, figures=[smallest], weighs_lightness=True)
    assert choice.named is not None
    best = true >= true.max() - 1e-9
    brier = float(((choice.best - best) ** 2).sum())
    said, right = float(choice.best[choice.named]), float(best[choice.named])
    return said, right, brier, choice.regret, float(true.max() - true[choice.named])


def _in_parts(accuracy: Array, load: Array) -> Callable[[Array], Array]:
    """As `harness.analysis.parts` does of a table."""
    quality, logs = Shrinking(accuracy), Shrinking(load)
    return lambda rows: value(quality.together(rows).T, np.exp(logs.together(rows).T))


def _told(drawn: Array, centre: float, spread: float, noise: float) -> Array:
    """Draws of truths whose centre and spread are known."""
    kept = spread**2 / (spread**2 + noise**2)
    mean = drawn.mean(0)
    return np.asarray(centre + kept * (mean - centre) + np.sqrt(kept) * (drawn - mean))


def main() -> int:
    args = asked(__doc__, "whole_machines", worlds=800)
    rng = np.random.default_rng(0)
    kinds = {name: held(kind, args.worlds, rng) for name, kind in KINDS.items()}
    passed = all(
        ways["in parts"]["brier"] <= ways["as drawn"]["brier"] + 0.01
        and abs(ways["in parts"]["said"] - ways["in parts"]["true"]) <= (0.1 if "near each" in name else 0.05)
        for name, ways in kinds.items()
    )
    return kept({"worlds": args.worlds, "kinds": kinds, "passed": passed}, args.out)


if __name__ == "__main__":
    raise SystemExit(main())
