"""How often `compare` and the pages on errors tell two candidates apart: equal ones, and one that leads by
ten points.

    python -m benchmarks.told_apart [--worlds 1200] [--out benchmarks/results/told_apart.json]

Rows are right with a probability of their own (beta(6, 2) on .1 to .9), on which each candidate has its own
view (a standard deviation of .1); each seed moves all of a candidate's rows by the same amount. Of equal
candidates so many worlds are drawn, of leads a quarter of them.

Gate: equal ones are told apart in 5 % and four standard errors of it at most; the lead is seen in 80 % where
two seeds vary by .005.
"""

from __future__ import annotations

import numpy as np

from benchmarks.worlds import asked, kept
from harness.analysis.stats import Array, two_way_difference

SEED_SDS = (0.0, 0.005, 0.01, 0.02, 0.03)
VIEW, LEAD = 0.1, 0.1


def right_answers(rng: np.random.Generator, seeds: int, rows: int, seed_sd: float, behind: float) -> Array:
    """(2, seeds, rows) whether each answer is right; the second is so much behind the first."""
    rate = rng.beta(6, 2, rows) * 0.8 + 0.1
    found = []
    for less in (0.0, behind):
        luck = rng.random((seeds, rows), dtype=np.float32)
        own = rate + VIEW * rng.standard_normal(rows) - less + rng.normal(0, seed_sd, (seeds, 1))
        found.append(luck < np.clip(own, 0, 1))
    return np.stack(found).astype(float)


def shares(worlds: int, seeds: int, rows: int, seed_sd: float) -> dict[str, float]:
    """Shares of worlds in which equal candidates are told apart, and in which the lead is seen."""
    rng = np.random.default_rng([rows, seeds, int(seed_sd * 1e4)])
    apart = seen = 0
    for _ in range(worlds):
        found = two_way_difference(*right_answers(rng, seeds, rows, seed_sd, 0.0))
        apart += not found.low <= 0 <= found.high
    for _ in range(worlds // 4):
        seen += two_way_difference(*right_answers(rng, seeds, rows, seed_sd, LEAD)).low > 0
    return {"told_apart": round(apart / worlds, 3), "lead_seen": round(seen / (worlds // 4), 2)}


def main() -> int:
    args = asked(__doc__, "told_apart", worlds=1200)
    found = {
        f"{rows} rows, {seeds} seeds that vary by {sd:g}": shares(args.worlds, seeds, rows, sd)
        for rows in (1000, 10_000)
        for seeds in (2, 3, 5)
        for sd in SEED_SDS
    }
    most = 0.05 + 4 * (0.05 * 0.95 / args.worlds) ** 0.5
    passed = all(
        one["told_apart"] <= most and ("2 seeds that vary by 0.005" not in name or one["lead_seen"] >= 0.8)
        for name, one in found.items()
    )
    return kept({"worlds": args.worlds, "found": found, "passed": passed}, args.out)


if __name__ == "__main__":
    raise SystemExit(main())
