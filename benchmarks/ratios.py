"""Is P(best) right where the objective is a ratio: its draws pulled together as they are, or as logarithms?

    python -m benchmarks.ratios [--worlds 100] [--out benchmarks/results/ratios.json]

Worlds of three or eight variants whose true latencies spread by so much (standard deviation of logarithms)
and are measured in two launches each, that scatter by 5 or 20 %. P(best) as said of the leader is held
against how often it is the best, and the predicted regret, as a share of the best's worth, against the
realised.

Gate: over all worlds of an objective logarithms have no higher Brier score, and what is said of the leader is
within .06 of the truth.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from benchmarks.worlds import asked, kept
from harness.analysis.stats import Array
from harness.analysis.winners import best_probability
from harness.analysis.worths import Worths

DRAWS, LAUNCHES = 1500, 2
SPREADS, NOISES, COUNTS = (0.02, 0.05, 0.15, 0.4, 1.0), (0.05, 0.2), (3, 8)
OBJECTIVES: Mapping[str, Callable[[Array, Array], Array]] = {
    "minimize latency": lambda accuracy, ms: -ms,
    "minimize latency squared": lambda accuracy, ms: -(ms**2),
    "accuracy / latency": lambda accuracy, ms: accuracy / ms,
    "accuracy / latency squared": lambda accuracy, ms: accuracy / ms**2,
}
WAYS = {"as they are": False, "as logarithms": True}


def world(count: int, spread: float, noise: float, rng: np.random.Generator) -> tuple[Array, ...]:
    """(rows,) true accuracies and latencies, and (draws, rows) of each as measured."""
    true = 0.88 + 0.02 * rng.standard_normal(count), spread * rng.standard_normal(count)
    launches = true[1] + noise * rng.standard_normal((LAUNCHES, count))
    df = count * (LAUNCHES - 1)
    variance = df * launches.var(0, ddof=1).mean() / rng.chisquare(df, (DRAWS, 1))
    logs = launches.mean(0) + np.sqrt(variance / LAUNCHES) * rng.standard_normal((DRAWS, count))
    seen = true[0] + 0.005 * rng.standard_normal(count)
    return true[0], np.exp(true[1]), seen + 0.005 * rng.standard_normal((DRAWS, count)), np.exp(logs)


def held(worlds: int) -> dict[str, dict[str, dict[str, float]]]:
    """Objective → way → what is said of the leader, how often it is so, Brier score, and regret."""
    rng = np.random.default_rng(1)
    found: dict[tuple[str, str], list[tuple[float, ...]]] = {(o, w): [] for o in OBJECTIVES for w in WAYS}
    kinds = [(c, s, n) for c in COUNTS for s in SPREADS for n in NOISES]
    for number in range(worlds * len(kinds)):
        accuracy, ms, accuracies, latencies = world(*kinds[number % len(kinds)], rng)
        for name, objective in OBJECTIVES.items():
            true, draws = objective(accuracy, ms), objective(accuracies, latencies)
            best, leader = true >= true.max(), int(draws.mean(0).argmax())
            for way, by_share in WAYS.items():
                worth = Worths(draws, by_share=by_share).shrunk(np.arange(len(true)))
                said = best_probability(worth, np.ones_like(draws, bool))
                regret = np.array([(worth.max(1) - worth[:, leader]).mean(), true.max() - true[leader]])
                found[name, way].append(
                    (
                        float(said[leader]),
                        float(best[leader]),
                        float(((said - best) ** 2).sum()),
                        *(regret / abs(true.max())).tolist(),
                    )
                )
    names = ("said", "true", "brier", "regret_predicted", "regret_realised")
    told = {key: np.mean(rows, axis=0).round(4).tolist() for key, rows in found.items()}
    return {o: {w: dict(zip(names, told[o, w], strict=True)) for w in WAYS} for o in OBJECTIVES}


def main() -> int:
    args = asked(__doc__, "ratios", worlds=100)
    objectives = held(args.worlds)
    passed = all(
        ways["as logarithms"]["brier"] <= ways["as they are"]["brier"] + 0.002
        and abs(ways["as logarithms"]["said"] - ways["as logarithms"]["true"]) <= 0.06
        for ways in objectives.values()
    )
    return kept({"worlds": args.worlds, "objectives": objectives, "passed": passed}, args.out)


if __name__ == "__main__":
    raise SystemExit(main())
