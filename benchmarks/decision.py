"""Whether the rule keeps its promises: simulated decisions through the real joint draws, held against the
truth.

    python -m benchmarks.decision [--worlds 1000] [--out benchmarks/results/decision.json] [--only best …]

`hopeless` adds to the worlds that stand in the file already; all others are run anew.

Worlds are those of `benchmarks.calibration`: accuracies over seeds and shared test examples, latencies over
rounds, one limit on latency. Figures:

- `hopeless`: share of worlds in which further rows that surely break a limit (on latency, or on cost), told
  apart by the analysis itself from the records, change the choice or P(best);
- `regret`: realised regret of three rules (the highest mean that keeps the limit in the mean, this rule, the
  one before: a broken limit costs the span of the table once more), what this rule predicts, limits broken,
  and how often each names nobody; also where sizes settle ties, so that another than the leader is named;
- `best`: what P(best) of the leader says on average, and how often it is the best, by seeds and variants; the
  spread of the truths is drawn anew for each world, from .2 to 3 standard errors (`best_of_one_spread`: one);
- `best_of_twins`: the same where two runtimes serve every candidate, or one of them, with equal answers;
- `equal`: how often two equal candidates are told apart; `chosen`: how often the expected figure's interval
  covers the truth of the chosen among near-equal ones, and how often the plain one does; `edge`: how often
  somebody is named where all truths lie just beyond the limit on latency, or 2 %; `edge_of_quality`: just
  below the limit on accuracy;
- `flawless`: how often the interval of an accuracy covers the truth where many are right on all rows.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import numpy as np

from benchmarks.calibration import Sample, World, measure
from harness.analysis.joint import launch_draws, quality_draws
from harness.analysis.recommend import question_of
from harness.analysis.rule import Choice, TieBreaker
from harness.analysis.tradeoff import tradeoff
from tests import analysis_world as records

DRAWS = 1000


def choice_of(
    world: World, sample: Sample, rng: np.random.Generator, figures: Sequence[TieBreaker] = ()
) -> Choice:
    """The rule on what was measured; `figures` settle ties."""
    quality, latency = rng.spawn(2)
    count = len(sample.scores)
    accuracy = np.clip(quality_draws(sample.scores, range(count), quality, DRAWS), 0, 1)
    if world.limit_ms > 1e6:
        return Choice(accuracy, np.ones((0, DRAWS, count), bool), np.zeros(0))
    drawn = launch_draws(sample.log_latency, latency, DRAWS)
    within = (drawn <= np.log(world.limit_ms))[None]
    return Choice(
        accuracy, within, np.array([np.nan]), figures=figures, slack=lambda _, rows: -drawn[:, rows]
    )


def former_choice(choice: Choice) -> int | None:
    """The rule before: a broken limit is worth as much less than the worst as the best is more than it."""
    means, utility = choice.means, choice.utility
    able = np.flatnonzero(choice.limits_hold >= 0.5)
    if not len(able):
        return None
    fallback = 2 * means.min() - means.max()
    expected = np.where(choice.keeps, utility, np.minimum(fallback, utility)).mean(0)
    return int(able[expected[able].argmax()])


USUAL = ("accuracy >= 0.8", "latency_p50_ms <= 10", "cost_per_month_usd <= 2000")
FAR: Mapping[str, Mapping[str, float]] = {
    "by quality": {"accuracy": 0.35, "latency_ms": 8.0},
    "by latency": {"latency_ms": 400.0},
    "by cost": {"latency_ms": 8.0, "throughput": 0.5},
}
"""What makes a row hopeless under these limits."""


def hopeless(worlds: int, seed: int, known: Mapping[str, float]) -> Mapping[str, float]:
    """One to fifteen hopeless rows, of too low quality, far too slow or far too dear, noisy or not.

    Args:
        known: what came out of the first of these worlds, which are not run again.
    """
    found = Counter(known)
    largest = found.pop("largest_change_of_p_best", 0.0)
    for number in range(int(found["worlds"]), worlds):
        rng = np.random.default_rng([seed, number])
        by = list(FAR)[number % len(FAR)]
        usual = {
            f"c{k}": records.Truth(float(rng.normal(0.88, 0.012)), float(9 * np.exp(rng.normal(0, 0.25))))
            for k in range(4)
        }
        more = {
            f"x{k}": records.Truth(
                **{"accuracy": float(rng.uniform(0.6, 0.97)), **FAR[by]},  # type: ignore[arg-type]
                seed_sd=float(rng.uniform(0.001, 0.08)),
                launch_sd=float(rng.uniform(0.02, 0.3)),
            )
            for k in range(int(16 ** rng.uniform()))
        }
        before, odds_before = _named(usual, {}, number)
        after, odds_after = _named(usual, more, number)
        changed = before != after
        found.update({"worlds": 1, f"worlds {by}": 1, f"changed {by}": changed, "choice_changed": changed})
        found.update({"hopeless_rows": len(more), "nobody_named": before is None})
        largest = max(largest, float(np.abs(odds_before - odds_after).max()))
    return {**found, "largest_change_of_p_best": largest}


def _named(
    usual: Mapping[str, records.Truth], more: Mapping[str, records.Truth], number: int
) -> tuple[str | None, np.ndarray]:
    """Who is named, and P(best) of the usual ones, through the analysis of records."""
    world = records.World(usual, rng=np.random.default_rng(number), seeds=(0, 1), num_examples=300)
    measured = world.records()
    world.truths = {**usual, **more}
    measured += [r for name in more for r in world.candidate(name)]
    suite = records.make_suite(
        list(world.truths),
        objective="maximize accuracy",
        constraints=USUAL,
        traffic={"qps": 400},
    )
    with patch("harness.analysis.beliefs.num_draws", lambda racing, rows: DRAWS):
        table = tradeoff(measured, suite, world.predictions.__getitem__)
    choice = question_of(table, suite).choice
    named = None if choice.named is None else table.rows[choice.named].variant
    return named, np.array([b for b, r in zip(choice.best, table.rows, strict=True) if r.candidate in usual])


def regret(worlds: int, seed: int, noisy: bool = False, sized: bool = False) -> Mapping[str, float]:
    """Regret against the best that keeps the limit surely enough, where the rule names one; breaks apart.

    Args:
        sized: candidates have sizes, which have nothing to do with what they are worth and settle ties.
    """
    world = World(candidates=5)
    rows: dict[str, list[float]] = {}
    for number in range(worlds):
        rng = np.random.default_rng([seed, number])
        sample = measure(world, rng)
        if noisy:
            # Ten points worse, and eight times as noisy.
            wild = measure(replace(world, candidates=1, seed_sd=0.05), rng)
            scores = wild.scores[0] * (rng.random(world.examples) < 0.85)
            sample = Sample(
                [*sample.scores, scores],
                np.hstack([sample.log_latency, wild.log_latency]),
                np.append(sample.accuracy, 0.85 * wild.accuracy),
                np.append(sample.latency_ms, wild.latency_ms),
            )
        sizes = rng.uniform(1, 10, len(sample.scores)) if sized else None
        figures = [] if sizes is None else [TieBreaker("model_size_mb", lambda k, s=sizes: float(s[k]), 0.1)]
        choice = choice_of(world, sample, rng, figures)
        able = np.flatnonzero(choice.able)
        by_mean = np.flatnonzero(sample.log_latency.mean(0) <= np.log(world.limit_ms))
        named = {
            "this": choice.named,
            "leader": choice.leader,
            "before": former_choice(choice),
            "highest_mean": int(by_mean[choice.means[by_mean].argmax()]) if len(by_mean) else None,
        }
        for rule, k in named.items():
            rows.setdefault(f"{rule}_names_nobody", []).append(k is None)
            rows.setdefault(f"{rule}_broken", []).append(
                k is not None and sample.latency_ms[k] > world.limit_ms
            )
        if any(k is None for k in named.values()):
            continue
        for rule, k in named.items():
            assert k is not None
            # Among the same rows for all: those that keep the limit surely enough.
            lost = sample.accuracy[able].max() - sample.accuracy[k]
            rows.setdefault(f"{rule}_regret", []).append(max(lost, 0.0))
        rows.setdefault("this_predicted", []).append(choice.regret)
    found = {k: float(np.mean(v)) for k, v in rows.items()}
    predicted = found["this_predicted"] / found["this_regret"]
    least = min(found[f"{rule}_regret"] for rule in ("this", "leader", "before", "highest_mean"))
    return {
        "decisions": len(rows["this_regret"]),
        **found,
        "predicted_of_realised": predicted,
        "of_the_least": found["this_regret"] / least,
    }


SPREADS = 0.002, 0.03
"""Of the truths, where the noise of a measured accuracy is about .01."""


def best(worlds: int, seed: int, one: float | None = None) -> Mapping[str, Mapping[str, float]]:
    """P(best) of the leader against how often it is the best, without a limit."""
    found = {}
    for seeds in (2, 3, 5):
        for count in (2, 5, 10, 30):
            said, right = [], []
            for number in range(worlds):
                rng = np.random.default_rng([seed, seeds, count, number])
                spread = one or float(np.exp(rng.uniform(*np.log(SPREADS))))
                world = World(candidates=count, seeds=seeds, accuracy_sd=spread, examples=500, limit_ms=1e9)
                sample = measure(world, rng)
                choice = choice_of(world, sample, rng)
                assert choice.leader is not None
                said.append(choice.best[choice.leader])
                right.append(choice.leader == sample.accuracy.argmax())
            found[f"{seeds} seeds, {count} variants"] = {
                "said": float(np.mean(said)),
                "true": float(np.mean(right)),
                "difference": float(np.mean(said) - np.mean(right)),
                "standard_error": float(np.std(np.subtract(said, right)) / np.sqrt(worlds)),
            }
    return found


def best_of_twins(worlds: int, seed: int) -> Mapping[str, Mapping[str, float]]:
    """As `best`, where equal answers of two runtimes are one opinion: those of every candidate, or of one."""
    found = {}
    for seeds in (2, 3, 5):
        for count in (2, 5, 10):
            for twins in (1, count):
                said, right = [], []
                for number in range(worlds):
                    rng = np.random.default_rng([seed, seeds, count, twins, number])
                    spread = float(np.exp(rng.uniform(*np.log(SPREADS))))
                    world = World(count, seeds=seeds, accuracy_sd=spread, examples=500, limit_ms=1e9)
                    sample = measure(world, rng)
                    groups = [*range(count), *range(twins)]
                    scores = [sample.scores[k] for k in groups]
                    drawn = np.clip(quality_draws(scores, groups, rng, DRAWS), 0, 1)
                    choice = Choice(drawn, np.ones((0, DRAWS, len(groups)), bool), np.zeros(0))
                    assert choice.leader is not None
                    leader = groups[choice.leader]
                    said.append(sum(choice.best[k] for k, g in enumerate(groups) if g == leader))
                    right.append(leader == sample.accuracy.argmax())
                found[f"{seeds} seeds, {count} candidates, {twins} of them twice"] = {
                    "said": float(np.mean(said)),
                    "true": float(np.mean(right)),
                    "difference": float(np.mean(said) - np.mean(right)),
                    "standard_error": float(np.std(np.subtract(said, right)) / np.sqrt(worlds)),
                }
    return found


def equal(worlds: int, seed: int) -> Mapping[str, float]:
    """Two candidates of the same truth: how often the verdict is `recommend`."""
    found = {}
    for examples in (1000, 10_000):
        world = World(candidates=2, examples=examples, limit_ms=1e9)
        apart = 0
        for number in range(worlds):
            rng = np.random.default_rng([seed, examples, number])
            apart += len(choice_of(world, measure(world, rng, same=True), rng).tied) == 1
        found[f"{examples} examples"] = apart / worlds
    return found


def chosen(worlds: int, seed: int) -> Mapping[str, Mapping[str, float]]:
    """Near-equal candidates (truths spread by half a standard error): the interval of the chosen one's
    figure."""
    found = {}
    for count in (10, 30):
        world = World(candidates=count, accuracy_sd=0.003, limit_ms=1e9)
        shrunk, plain = [], []
        for number in range(worlds):
            rng = np.random.default_rng([seed, count, number])
            sample = measure(world, rng)
            choice = choice_of(world, sample, rng)
            k = choice.named
            assert k is not None
            low, high = np.quantile(choice.utility[:, k], [0.025, 0.975])
            shift = choice.centre(k) - choice.means[k]
            plain.append(low <= sample.accuracy[k] <= high)
            shrunk.append(low + shift <= sample.accuracy[k] <= high + shift)
        found[f"{count} variants"] = {"expected": float(np.mean(shrunk)), "measured": float(np.mean(plain))}
    return found


def edge(worlds: int, seed: int) -> Mapping[str, float]:
    """All truths just beyond the limit, or 2 %: whoever is named breaks it, in 10 % at most."""
    found = {}
    for count in (1, 3, 10):
        for beyond in (0.0, 0.02):
            world = World(candidates=count, latency_sd=0.0, limit_ms=9.0 / (1 + beyond), examples=200)
            named = 0
            for number in range(worlds):
                rng = np.random.default_rng([seed, count, number])
                named += choice_of(world, measure(world, rng), rng).named is not None
            found[f"{count} variants, {100 * beyond:g} % beyond"] = named / worlds
    return found


def edge_of_quality(worlds: int, seed: int) -> Mapping[str, float]:
    """All accuracies just below the limit of .88: whoever is named breaks it, in 10 % at most."""
    found = {}
    for seeds in (2, 3, 5):
        for count in (1, 3, 10):
            world = World(candidates=count, seeds=seeds)
            named = 0
            for number in range(worlds):
                rng = np.random.default_rng([seed, seeds, count, number])
                drawn = quality_draws(measure(world, rng, same=True).scores, range(count), rng, DRAWS)
                named += _named_at(drawn, 0.88)
            found[f"{seeds} seeds, {count} variants"] = named / worlds
    return found


def _named_at(drawn: np.ndarray, least: float) -> bool:
    """Whether somebody is named where the drawn accuracies have to reach so much."""
    within = (drawn >= least)[None]
    return Choice(drawn, within, np.array([np.nan]), slack=lambda _, rows: drawn[:, rows]).named is not None


def flawless(worlds: int, seed: int) -> Mapping[str, Mapping[str, float]]:
    """One checkpoint of one candidate, right on each row with the same probability."""
    found = {}
    for rows in (36, 100, 1000):
        for errors in (0.1, 0.5, 1.0, 3.0):
            truth = 1 - errors / rows
            held, perfect = [], []
            for number in range(worlds):
                rng = np.random.default_rng([seed, rows, number])
                scores = (rng.random((1, rows)) < truth).astype(float)
                drawn = np.clip(quality_draws([scores], [0], rng, DRAWS), 0, 1)[:, 0]
                low, high = np.quantile(drawn, [0.025, 0.975])
                held.append(low <= truth <= high)
                perfect.append(bool(scores.all()))
            found[f"{errors:g} errors in {rows} rows"] = {
                "covered": float(np.mean(held)),
                "right_on_all_rows": float(np.mean(perfect)),
            }
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--worlds", type=int, default=1000)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/decision.json"))
    parts: dict[str, Callable[[int], Mapping[str, object]]] = {
        "hopeless": lambda n: hopeless(n, 1, result.get("hopeless", {})),
        "regret": lambda n: regret(n, 2),
        "regret_with_a_noisy_hopeless_row": lambda n: regret(n, 2, noisy=True),
        "regret_where_size_settles_ties": lambda n: regret(n, 2, sized=True),
        "equal": lambda n: equal(n, 4),
        "edge": lambda n: edge(n, 6),
        "edge_of_quality": lambda n: edge_of_quality(n, 7),
        "flawless": lambda n: flawless(n, 9),
        "chosen": lambda n: chosen(n, 5),
        "best": lambda n: best(n, 3),
        "best_of_twins": lambda n: best_of_twins(n, 8),
        "best_of_one_spread": lambda n: best(n, 3, one=0.01),
    }
    parser.add_argument("--only", nargs="*", choices=list(parts), default=list(parts))
    arguments = parser.parse_args()
    result = json.loads(arguments.out.read_text()) if arguments.out.exists() else {}
    for name in arguments.only:
        start = time.perf_counter()
        result[name] = {"worlds": arguments.worlds, **parts[name](arguments.worlds)}
        print(f"{name} ({time.perf_counter() - start:.0f} s): {json.dumps(result[name])}", flush=True)
        arguments.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
