"""Whether intervals hold for what is no mean over independent examples: areas under curves with few
positives, calibration errors, rows in groups.

    python -m benchmarks.aggregates [--worlds 1000] [--out benchmarks/results/aggregates.json]

Each figure: share of the worlds in which the 95 % interval that the table would show covers the truth, of
those in which it shows one, and the share in which it says "not estimable" instead. `plain`: the same without
what `harness.analysis.aggregates` adds.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from scipy.special import expit, logit, ndtr, ndtri

from harness.analysis.joint import quality_draws
from harness.analysis.predictions import Predictions, score_examples
from harness.analysis.stats import delong_components
from harness.metrics import METRICS

DRAWS = 1000


def covers(values: np.ndarray, truth: float, rng: np.random.Generator) -> bool:
    """Whether the table's interval of scores (S, N) holds the truth."""
    drawn = np.clip(quality_draws([values], [0], rng, DRAWS), 0, 1)[:, 0]
    low, high = np.quantile(drawn, [0.025, 0.975])
    return bool(low <= truth <= high)


def shares(held: list[bool], plain: list[bool], worlds: int) -> Mapping[str, float]:
    missing = 1 - len(held) / worlds
    return {
        **({"covered": float(np.mean(held))} if held else {}),
        "not_estimable": round(missing, 4),
        "plain": float(np.mean(plain)),
    }


def auc(worlds: int, positives: int, area: float) -> Mapping[str, float]:
    """Two normals; 500 negatives."""
    held, plain = [], []
    for number in range(worlds):
        rng = np.random.default_rng([1, positives, number])
        scores = np.r_[rng.normal(ndtri(area) * np.sqrt(2), 1, positives), rng.normal(0, 1, 500)]
        targets = np.r_[np.ones(positives, int), np.zeros(500, int)]
        outputs = np.stack([-scores, scores], axis=1)
        found = score_examples("roc_auc", Predictions(np.arange(len(targets)), targets, outputs))
        assert found is not None
        if not found.note:
            held.append(covers(found.values[None], area, rng))
        plain.append(covers(delong_components(scores, targets == 1)[None], area, rng))
    return shares(held, plain, worlds)


def answers(rng: np.random.Generator, count: int, slope: float) -> tuple[np.ndarray, np.ndarray]:
    """Answers of two classes whose log-odds are as many times too large."""
    p = ndtr(rng.normal(0, 2, count) / 1.7)
    targets = (rng.random(count) < p).astype(int)
    q = expit(slope * logit(np.clip(p, 1e-12, 1 - 1e-12)))
    return np.stack([1 - q, q], axis=1), targets


def ece(worlds: int, count: int, slope: float) -> Mapping[str, float]:
    measure = METRICS["ece"].measure
    assert measure is not None
    truth = measure(*answers(np.random.default_rng(0), 1_000_000, slope))
    held, plain, bias, before = [], [], [], []
    for number in range(worlds):
        rng = np.random.default_rng([2, count, number])
        outputs, targets = answers(rng, count, slope)
        found = score_examples("ece", Predictions(np.arange(count), targets, outputs))
        assert found is not None
        bias.append(found.values.mean() + found.shift - truth)
        before.append(found.values.mean() - truth)
        if not found.note:
            held.append(covers(found.values[None] + found.shift, truth, rng))
        plain.append(covers(found.values[None], truth, rng))
    more = {"truth": truth, "bias": float(np.mean(bias)), "plain_bias": float(np.mean(before))}
    return {**shares(held, plain, worlds), **more}


def grouped(worlds: int, groups: int, each: int, seeds: int = 2) -> Mapping[str, float]:
    """Accuracy .85; what one group finds hard is half of the variance. Groups of so many in the mean."""
    held, plain = [], []
    for number in range(worlds):
        rng = np.random.default_rng([3, groups, number])
        sizes = rng.poisson(each - 1, groups) + 1
        label = np.repeat(np.arange(groups), sizes)
        hard = np.sqrt(0.5) * rng.standard_normal(groups)[label]
        hard = hard + np.sqrt(0.3) * rng.standard_normal(len(label))
        right = hard + np.sqrt(0.2) * rng.standard_normal((seeds, len(label))) < ndtri(0.85)
        tables: list[list[np.ndarray]] = [[], []]
        for row in right:
            outputs = np.where(row[:, None], [0.1, 0.9], [0.9, 0.1])
            known = Predictions(np.arange(len(label)), np.ones(len(label), int), outputs, groups=label)
            for table, given in zip(
                tables, (known, Predictions(known.ids, known.targets, outputs)), strict=True
            ):
                scores = score_examples("accuracy", given)
                assert scores is not None
                table.append(scores.values)
        held.append(covers(np.stack(tables[0]), 0.85, rng))
        plain.append(covers(np.stack(tables[1]), 0.85, rng))
    return shares(held, plain, worlds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--worlds", type=int, default=1000)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/aggregates.json"))
    arguments = parser.parse_args()
    result: dict[str, object] = {"worlds": arguments.worlds}
    for positives in (5, 10, 30, 200):
        for area in (0.6, 0.8, 0.9, 0.97):
            result[f"AUC {area:g}, {positives} positives"] = auc(arguments.worlds, positives, area)
    for count in (300, 1000, 5000):
        for slope in (1.0, 1.3, 2.0):
            result[f"ECE, {count} examples, log-odds {slope:g} times"] = ece(arguments.worlds, count, slope)
    for groups, each in ((10, 30), (30, 10), (100, 5)):
        name = f"accuracy, {groups} groups of {each}"
        result[name] = grouped(arguments.worlds, groups, each)
    for name, found in result.items():
        print(name, json.dumps(found))
    arguments.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
