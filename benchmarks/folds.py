"""How often 95 % intervals over folds and repeats hold what they are said to: the score to be expected of a
learner that is trained anew, on as many new rows, and asked new examples.

    python -m benchmarks.folds [--worlds 1000] [--out benchmarks/results/folds.json]

Data are drawn from two normal clouds; the learner is a linear discriminant, whose expected accuracy at each
size is found on fresh data. The harness's own folds cut each data set; the plain t interval over them is held
against the corrected one (C. Nadeau and Y. Bengio, 2003), for the accuracy of one learner and for the
difference of two (one sees every column, one half of them).

Gate: coverage of the corrected intervals ≥ .93.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

from harness.analysis.folds import corrected_interval
from harness.analysis.stats import t_interval
from harness.datasets.resplit import Part, cut

COLUMNS, SHIFT = 10, 0.35
PROTOCOLS = {
    "5 folds": (5, 1), "10 folds": (10, 1), "5 folds, 2 times": (5, 2), "10 folds, 3 times": (10, 3),
    "10 hold-out parts": (0, 10), "30 hold-out parts": (0, 30),
}  # fmt: skip


def drawn(n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    y = rng.integers(0, 2, n)
    return rng.normal(size=(n, COLUMNS)) + SHIFT * (2 * y[:, None] - 1), y


def fitted(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Weights of a linear discriminant by least squares."""
    design = np.column_stack([np.ones(len(x)), x])
    return np.linalg.lstsq(design, 2.0 * y - 1, rcond=None)[0]


def right(weights: np.ndarray, x: np.ndarray, y: np.ndarray) -> float:
    return float(((weights[0] + x @ weights[1:] > 0) == y).mean())


def both(x: np.ndarray, y: np.ndarray, test_x: np.ndarray, test_y: np.ndarray) -> tuple[float, float]:
    """Accuracy of the learner of all columns, and how much more than that of half of them."""
    half = COLUMNS // 2
    whole = right(fitted(x, y), test_x, test_y)
    return whole, whole - right(fitted(x[:, :half], y), test_x[:, :half], test_y)


def truth(size: int, rng: np.random.Generator) -> tuple[float, float]:
    """The expectation over training parts of a size."""
    test = drawn(20_000, rng)
    found = [both(*drawn(size, rng), *test) for _ in range(400)]
    mean = np.mean(found, axis=0)
    return float(mean[0]), float(mean[1])


def coverage(folds: int, repeats: int, rows: int, worlds: int) -> dict[str, float]:
    rng = np.random.default_rng(folds * 1000 + repeats)
    share = 1 / folds if folds else 0.2
    expected = truth(rows - round(rows * share), rng)
    hits = {"corrected": [0, 0], "plain": [0, 0]}
    for world in range(worlds):
        x, y = drawn(rows, rng)
        scores, ratios = [], []
        for number in range((folds or 1) * repeats):
            part = Part("random", None, share, folds, number, world)
            train, test = cut(part, y, np.arange(rows), None)
            scores.append(both(x[train], y[train], x[test], y[test]))
            ratios.append(len(test) / len(train))
        for k, values in enumerate(np.array(scores).T):
            plain = t_interval(
                float(values.mean()), float(values.std(ddof=1) / np.sqrt(len(values))), len(values) - 1
            )
            for name, found in (
                ("plain", plain),
                ("corrected", corrected_interval(values, float(np.mean(ratios)))),
            ):
                hits[name][k] += found.low <= expected[k] <= found.high
    return {
        f"{name}, {what}": round(hits[name][k] / worlds, 4)
        for name in hits
        for k, what in enumerate(("accuracy", "difference"))
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--worlds", type=int, default=1000)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/folds.json"))
    args = parser.parse_args()
    result = {
        f"{name}, {rows} rows": {"worlds": args.worlds, **coverage(*protocol, rows, args.worlds)}
        for name, protocol in PROTOCOLS.items()
        for rows in (100, 400)
    }
    args.out.write_text(json.dumps(result, indent=1) + "\n")
    misses = [
        k for k, r in result.items() if min(v for n, v in r.items() if n.startswith("corrected")) < 0.93
    ]
    for name, row in result.items():
        print(name, row)
    if misses:
        raise SystemExit(f"below .93: {misses}")


if __name__ == "__main__":
    main()
