"""One question over several data sets: who wins where, who does for all, and what that costs.

Arrays and tables in, numbers out. Below ten data sets nothing is tested: a rank of few is no evidence, and
says so. Performance profiles: Dolan and Moré, Mathematical Programming 91 (2002); tests over data sets:
Demšar,
JMLR 7 (2006).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from harness.analysis.criteria import DecisionObjective
from harness.protocols import Metric
from harness.results import Estimate, Recommendation, Tradeoff

FACTORS = (1.0, 1.1, 1.25, 1.5, 2.0)
"""Of a performance profile: how much worse than the best one may be."""
TARGET_UNITS = ("target", "squared target")
"""Units that are another for each data set: figures in them are not added up over several."""
LEAST_TESTED = 10
"""Data sets from which on a test over them can say anything after a correction for several candidates."""


@dataclass(frozen=True)
class SetResult:
    """What a data set says.

    Args:
        figures: candidate → its best variant that keeps the limits (else its best), by the objective.
        kept: candidates with a variant that keeps the limits.
        choice: the candidate that was chosen, None where none was. even: candidates that are not told apart
            from it, itself among them.
        train_seconds: candidate → of one training, where known.
    """

    name: str
    figures: Mapping[str, Estimate]
    kept: frozenset[str]
    choice: str | None
    even: frozenset[str]
    train_seconds: Mapping[str, float]


def set_result(name: str, table: Tradeoff, found: Recommendation, goal: DecisionObjective) -> SetResult:
    """A data set's part, of its table and its recommendation."""
    figures: dict[str, Estimate] = {}
    seconds: dict[str, float] = {}
    kept = {row.candidate for row in table.rows if not row.rejected_by and not row.failures}
    for row in sorted(table.rows, key=lambda row: bool(row.rejected_by)):  # those that keep the limits first
        figure = row.estimates.get(goal.subject)
        if figure is None or figure.value is None:
            continue
        if row.rejected_by and row.candidate in kept and row.candidate in figures:
            continue
        known = figures.get(row.candidate)
        if known is None or goal.sign * (figure.value - (known.value or 0.0)) > 0:
            figures[row.candidate] = figure
        trained = row.estimates.get("train_seconds")
        if trained is not None and trained.value is not None:
            seconds[row.candidate] = trained.value
    owner = {row.variant: row.candidate for row in table.rows}
    choice = owner.get(found.choice or "")
    even = {owner[v] for v in (found.choice, *found.tied_with) if v in owner}
    return SetResult(name, figures, frozenset(kept), choice, frozenset(even), seconds)


@dataclass(frozen=True)
class Standing:
    """A candidate over all data sets.

    Args:
        best: data sets where its figure is the best; even: where it is chosen or not told apart from the
            choice.
        mean_rank: 1 is best; None where it lacks a figure somewhere.
        mean_loss: to the best of each data set, in units of the objective, or shares of the best figure
            (`Overview.relative`); worst_loss: the largest, on worst_on.
        keeps_all: whether it keeps the limits on every data set.
        profile: the share of data sets where its cost is at most each of `FACTORS` times the best.
        p: of Wilcoxon's test against the candidate that does for all, after Holm; None where not tested.
    """

    candidate: str
    best: tuple[str, ...]
    even: tuple[str, ...]
    mean_rank: float | None
    mean_loss: float | None
    worst_loss: float | None
    worst_on: str
    keeps_all: bool
    profile: tuple[float, ...] | None
    p: float | None = None


@dataclass(frozen=True)
class Overview:
    """What several data sets say together.

    Args:
        standings: the candidate that loses least first.
        for_all: the candidate that loses least of those that keep the limits everywhere; None where none
            does.
        for_each: data set → its choice.
        costs: data set → what `for_all` loses there to the choice's figure, as losses are told; 0 where it is
            the choice itself.
        undecided: data sets where `for_all` is not told apart from another choice.
        seconds: of training once on every data set: `for_all`, and each set's choice; None where not known.
        relative: losses are shares of the set's best figure, since errors of different targets have different
            units: hundreds of dollars would drown every degree.
    """

    sets: tuple[SetResult, ...]
    standings: tuple[Standing, ...]
    for_all: str | None
    for_each: Mapping[str, str | None]
    costs: Mapping[str, float]
    undecided: tuple[str, ...]
    seconds: tuple[float | None, float | None] = (None, None)
    relative: bool = False

    @property
    def measured(self) -> tuple[SetResult, ...]:
        """Data sets that have figures: all but `sets` are told of these."""
        return tuple(one for one in self.sets if one.figures)

    @property
    def mean_cost(self) -> float | None:
        """What one candidate for all costs in the mean of the data sets."""
        return float(np.mean(list(self.costs.values()))) if self.costs else None


def overview(sets: Sequence[SetResult], sign: int, metric: Metric | None) -> Overview:
    """Put data sets together; those that have no figures yet are named and say nothing.

    Args:
        sign: 1 where the objective is to be high, −1 where low.
        metric: of the objective; None for an expression, of which no profile can be drawn.
    """
    every, sets = sets, [one for one in sets if one.figures]
    names = list(dict.fromkeys(name for one in sets for name in one.figures))
    if not sets:
        return Overview(tuple(every), (), None, {one.name: None for one in every}, {}, ())
    values = np.array([[_value(one, name) for name in names] for one in sets])  # (sets, candidates)
    best = np.nanmax(sign * values, axis=1, keepdims=True)
    relative = metric is not None and metric.unit in TARGET_UNITS
    scale = np.abs(best) if relative else np.ones_like(best)
    losses = _over(best - sign * values, scale)
    profiles = profile(costs_of(values, metric))
    ranks = mean_ranks(losses)
    standings = [
        _standing(name, place, sets, losses, ranks, None if profiles is None else profiles[:, place])
        for place, name in enumerate(names)
    ]
    order = sorted(
        range(len(names)), key=lambda i: (standings[i].mean_loss is None, standings[i].mean_loss or 0.0)
    )
    sure = [i for i in order if standings[i].keeps_all and standings[i].mean_loss is not None]
    for_all = names[sure[0]] if sure else None
    tested = _tested([standings[i] for i in order], losses[:, order], names, for_all)
    each = {one.name: one.choice for one in every}
    costs, undecided = _costs(sets, for_all, sign, scale[:, 0].tolist())
    return Overview(tuple(every), tested, for_all, each, costs, undecided, _seconds(sets, for_all), relative)


def _over(losses: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Losses over a scale; none is none, also of a best figure of 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(losses == 0, 0.0, losses / scale))


def _value(one: SetResult, name: str) -> float:
    figure = one.figures.get(name)
    return float("nan") if figure is None or figure.value is None else figure.value


def costs_of(values: np.ndarray, metric: Metric | None) -> np.ndarray | None:
    """(sets, candidates) what is to be small and is never negative: a figure itself where low is better, else
    what it lacks to its highest possible value; None where there is no such value."""
    if metric is None:
        return None
    costs = values if metric.better == "lower" else metric.high - values
    known = costs[~np.isnan(costs)]
    return costs if np.isfinite(known).all() and (known >= 0).all() else None


def profile(costs: np.ndarray | None, factors: Sequence[float] = FACTORS) -> np.ndarray | None:
    """Performance profile: (factors, candidates) shares of the sets where a cost is at most a factor times
    the least of the set. What is missing counts as beyond every factor.

    Args:
        costs: (sets, candidates), NaN where missing.
    """
    if costs is None:
        return None
    least = np.nanmin(costs, axis=1, keepdims=True)
    within = [np.nan_to_num(costs, nan=np.inf) <= factor * least + 1e-12 for factor in factors]
    return np.stack([inside.mean(axis=0) for inside in within])


def _standing(
    name: str, place: int, sets: Sequence[SetResult], losses: np.ndarray, ranks: np.ndarray,
    shares: np.ndarray | None,
) -> Standing:  # fmt: skip
    own = losses[:, place]
    known = np.isfinite(own)
    worst = int(np.nanargmax(own)) if known.any() else 0
    return Standing(
        name,
        tuple(one.name for one, loss in zip(sets, own, strict=True) if loss == 0),
        tuple(one.name for one in sets if name in one.even),
        float(ranks[place]) if known.all() else None,
        float(own.mean()) if known.all() else None,
        float(own[worst]) if known.any() else None,
        sets[worst].name if known.any() else "",
        all(name in one.kept for one in sets),
        None if shares is None else tuple(shares.tolist()),
    )


def mean_ranks(losses: np.ndarray) -> np.ndarray:
    """(candidates,) mean over the sets of the rank, 1 the best, equals sharing theirs; NaN ranks last."""
    from scipy.stats import rankdata

    return np.asarray(rankdata(np.nan_to_num(losses, nan=np.inf), axis=1).mean(axis=0))


def _tested(
    standings: Sequence[Standing], losses: np.ndarray, names: Sequence[str], leader: str | None
) -> tuple[Standing, ...]:
    """Wilcoxon's signed ranks of each against the leader, Holm over them; nothing below ten data sets."""
    from dataclasses import replace

    from scipy.stats import wilcoxon
    from statsmodels.stats.multitest import multipletests

    places = {standing.candidate: place for place, standing in enumerate(standings)}
    others = [s.candidate for s in standings if s.mean_loss is not None and s.candidate != leader]
    if len(losses) < LEAST_TESTED or leader is None or not others:
        return tuple(standings)
    found = []
    for name in others:
        apart = losses[:, places[name]] - losses[:, places[leader]]
        found.append(float(wilcoxon(apart).pvalue) if (apart != 0).any() else 1.0)
    corrected = dict(zip(others, multipletests(found, method="holm")[1].tolist(), strict=True))
    return tuple(replace(standing, p=corrected.get(standing.candidate)) for standing in standings)


def _costs(
    sets: Sequence[SetResult], for_all: str | None, sign: int, scale: Sequence[float]
) -> tuple[dict[str, float], tuple[str, ...]]:
    costs: dict[str, float] = {}
    undecided = []
    for one, unit in zip(sets, scale, strict=True):
        if for_all is None or one.choice is None:
            continue
        lost = sign * (_value(one, one.choice) - _value(one, for_all))
        costs[one.name] = lost / unit if unit else lost
        if for_all in one.even and for_all != one.choice:
            undecided.append(one.name)
    return costs, tuple(undecided)


def _seconds(sets: Sequence[SetResult], for_all: str | None) -> tuple[float | None, float | None]:
    own = [one.train_seconds.get(for_all or "") for one in sets]
    each = [one.train_seconds.get(one.choice or "") for one in sets]
    return (
        sum(s for s in own if s is not None) if None not in own else None,
        sum(s for s in each if s is not None) if None not in each else None,
    )
