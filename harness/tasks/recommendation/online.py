"""A/B tests in the mock shop, beside the truth that no real test can see.

Users are hashed to arms, the horizon is frozen before the start, a wrong split of the users stops the
analysis, and each user's past sharpens it (CUPED, Deng et al. 2013). The unit of statistics is the user:
a metric per session is a ratio of two sums over users. "Inconclusive" is a verdict.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from harness.datasets.shop.outcomes import Funnel
from harness.facts.recommending import AbTest, LiftFacts
from harness.late import Late

if TYPE_CHECKING:
    from scipy import stats
else:
    stats = Late("scipy.stats")  # a second of a report's time, which most reports do not need

METRICS = ("ctr", "conversion_rate", "revenue_per_session_usd", "margin_per_session_usd")
MISMATCH_P = 0.001
"""Below this p-value the split of users cannot be chance: the test is not analysed."""

ArmVerdict = Literal["better", "worse", "inconclusive"]


@dataclass(frozen=True)
class Population:
    """The shop's customers, as the sessions that a test may draw them with.

    Args:
        user: (n,) whose each session is, any integers. past: (n,) the user's measure of the time before
            the test (a covariate for CUPED), the same for all of a user's sessions.
    """

    user: np.ndarray
    past: np.ndarray


@dataclass(frozen=True)
class Lift:
    """A relative difference between two arms, treatment ÷ control − 1.

    Args:
        truth: the closed-form lift, None where it is not known.
    """

    metric: str
    control: float
    treatment: float
    lift: float
    low: float
    high: float
    p_value: float
    verdict: ArmVerdict
    truth: float | None = None


@dataclass(frozen=True)
class Experiment:
    """The outcome of an A/B test.

    Args:
        users: per arm. mismatch_p: of the sample-ratio check. lifts: empty if the check failed.
        problem: why it was not analysed, empty if it was.
    """

    users: tuple[int, int]
    sessions: tuple[int, int]
    mismatch_p: float
    lifts: tuple[Lift, ...]
    problem: str = ""


@dataclass(frozen=True)
class Arm:
    """Sums per user of one arm: sessions (n,), metric → (n,), the covariate (n,)."""

    sessions: np.ndarray
    sums: Mapping[str, np.ndarray]
    past: np.ndarray


def true_lifts(control: Funnel, treatment: Funnel) -> dict[str, float]:
    """The closed-form lift of each metric over the same sessions; NaN where the control earns nothing."""
    a, b = control.expected(), treatment.expected()
    return {
        name: float(b[name].mean() / a[name].mean() - 1) if a[name].mean() > 0 else float("nan")
        for name in METRICS
    }


def required_sessions(flow: Funnel, lift: float, metric: str, power: float = 0.8, alpha: float = 0.05) -> int:
    """Sessions per arm that find a relative lift with that power, before a test starts.

    From the variance of a session's outcome (closed form over the slots); sessions of one user are taken
    as independent, so that this is the least.
    """
    mean, square = _moments(flow, metric)
    variance = square - mean**2
    z = stats.norm.ppf(1 - alpha / 2) + stats.norm.ppf(power)
    return int(np.ceil(2 * z**2 * variance / (lift * mean) ** 2))


def assign(users: np.ndarray, salt: str, share: float = 0.5) -> np.ndarray:
    """(n,) bool: whether each user gets the treatment; by a hash, so that a user always does."""
    key = int.from_bytes(hashlib.sha256(salt.encode()).digest()[:8], "big")
    return _mixed(users.astype(np.uint64) ^ np.uint64(key)) < np.float64(share)


def sample_ratio_p(treated: int, total: int, share: float = 0.5) -> float:
    """The probability of a split at least so uneven if users were assigned as planned."""
    expected = np.array([total * (1 - share), total * share])
    return float(stats.chisquare([total - treated, treated], expected).pvalue)


def run_test(
    population: Population, control: Funnel, treatment: Funnel, num_users: int, rng: np.random.Generator,
    salt: str = "test", lost_treated: float = 0.0,
) -> Experiment:  # fmt: skip
    """One A/B test with a frozen number of users, drawn from the population with all their sessions.

    Args:
        control, treatment: what each arm does in each of the population's sessions.
        lost_treated: share of the treatment's users who are never counted (a broken assignment: an error
            page, a redirect), for drills.
    """
    known, first = np.unique(population.user, return_inverse=True)
    drawn = rng.integers(0, len(known), num_users)
    arm = assign(np.arange(num_users) + int(rng.integers(1 << 40)), salt)
    kept = ~arm | (rng.random(num_users) >= lost_treated)
    drawn, arm = drawn[kept], arm[kept]
    rows, owner = _sessions_of(first, drawn)
    treated = arm[owner]
    sums = {name: np.empty(len(rows)) for name in METRICS}
    for on, flow in ((~treated, control), (treated, treatment)):
        outcome = flow.rows(rows[on]).draw(rng)
        for name in METRICS:
            sums[name][on] = outcome[name]
    count = np.bincount(owner, minlength=len(drawn))
    per_user = {name: np.bincount(owner, value, minlength=len(drawn)) for name, value in sums.items()}
    past = population.past[np.unique(first, return_index=True)[1]][drawn]
    arms = [Arm(count[on], {n: v[on] for n, v in per_user.items()}, past[on]) for on in (~arm, arm)]
    return analyse(arms[0], arms[1], true_lifts(control, treatment))


def analyse(control: Arm, treatment: Arm, truth: Mapping[str, float] | None = None) -> Experiment:
    """Check the split, then estimate every metric's lift with a 95 % interval."""
    users = (len(control.sessions), len(treatment.sessions))
    sessions = (int(control.sessions.sum()), int(treatment.sessions.sum()))
    p = sample_ratio_p(users[1], sum(users))
    if p < MISMATCH_P:
        problem = (
            f"sample ratio mismatch: {users[0]} and {users[1]} users (p = {p:.1g}); "
            "the assignment is broken, find out how before reading any result"
        )
        return Experiment(users, sessions, p, (), problem)
    lifts = tuple(_lift(name, control, treatment, (truth or {}).get(name)) for name in METRICS)
    return Experiment(users, sessions, p, lifts)


def load_funnel(path: Path) -> tuple[Population, Funnel, np.ndarray]:
    """What `score` stored in `online.npz`: the population, the funnel of its slates, the sessions."""
    with np.load(path, allow_pickle=False) as stored:
        funnel = Funnel(**{name: stored[name] for name in Funnel.__dataclass_fields__ if name in stored})
        return Population(stored["user"], stored["past"]), funnel, stored["session"]


def verdicts(
    control: Path, candidates: Mapping[str, Path], num_users: int, rng: np.random.Generator
) -> dict[str, Experiment]:
    """A/B tests of candidates against a control, from the files of their score trials.

    Raises:
        ValueError: a candidate was scored on other sessions than the control.
    """
    population, flow, sessions = load_funnel(control)
    results = {}
    for name, path in candidates.items():
        _, other, others = load_funnel(path)
        if not np.array_equal(sessions, others):
            raise ValueError(f"{name} was scored on other sessions than the control")
        results[name] = run_test(population, flow, other, num_users, rng, salt=name)
    return results


def agreement(
    offline: np.ndarray, online: np.ndarray, rng: np.random.Generator
) -> tuple[float, float, float]:
    """Spearman's rank correlation over systems, with a bootstrap's interval; NaN under 4 systems.

    Reports take `harness.analysis.ranks`: of few systems a bootstrap is far too sure. It stands here until
    this file changes for another reason, as what it does is part of every recommender's ids.
    """
    if len(offline) < 4:
        return float("nan"), float("nan"), float("nan")
    draws = []
    for _ in range(500):
        rows = rng.integers(0, len(offline), len(offline))
        if len(np.unique(offline[rows])) > 2 and len(np.unique(online[rows])) > 2:
            draws.append(stats.spearmanr(offline[rows], online[rows]).statistic)
    low, high = np.quantile(draws, [0.025, 0.975]) if draws else (np.nan, np.nan)
    return float(stats.spearmanr(offline, online).statistic), float(low), float(high)


def summary(experiment: Experiment) -> AbTest:
    """For a record's facts."""
    return AbTest(
        tuple(experiment.users),
        tuple(experiment.sessions),
        experiment.mismatch_p,
        experiment.problem,
        {
            x.metric: LiftFacts(x.lift, x.low, x.high, x.verdict, x.truth, x.control, x.treatment, x.p_value)
            for x in experiment.lifts
        },
    )


def _lift(name: str, control: Arm, treatment: Arm, truth: float | None) -> Lift:
    """Ratio of per-session means, by the delta method over users, sharpened by each user's past."""
    past = np.concatenate([control.past, treatment.past])
    residuals, means = [], []
    for arm in (control, treatment):
        mean = arm.sums[name].sum() / max(arm.sessions.sum(), 1)
        means.append(mean)
        residuals.append(
            (arm.sums[name] - mean * arm.sessions) / arm.sessions.mean()
        )  # influence of each user
    slope = _slope(np.concatenate(residuals), past)
    errors = []
    for index, arm in enumerate((control, treatment)):
        centred = arm.past - past.mean()
        means[index] = means[index] - slope * centred.mean()
        sharpened = residuals[index] - slope * (centred - centred.mean())
        errors.append(sharpened.var(ddof=1) / len(sharpened))
    a, b = means
    if not a > 0:
        return Lift(name, float(a), float(b), float("nan"), -np.inf, np.inf, 1.0, "inconclusive", truth)
    ratio = b / a
    error = float(np.sqrt(errors[1] + ratio**2 * errors[0]) / a)
    half = 1.959964 * error
    p = float(2 * stats.norm.sf(abs(ratio - 1) / error)) if error else 1.0
    verdict: ArmVerdict = "inconclusive" if p >= 0.05 else "better" if ratio > 1 else "worse"
    lift = float(ratio - 1)
    return Lift(name, float(a), float(b), lift, lift - half, lift + half, p, verdict, truth)


def _slope(values: np.ndarray, past: np.ndarray) -> float:
    variance = past.var()
    return float(np.cov(values, past)[0, 1] / variance) if variance > 0 and len(past) > 2 else 0.0


def _moments(flow: Funnel, metric: str) -> tuple[float, float]:
    """Mean and mean square of a session's outcome, over sessions and chance."""
    if metric == "conversion_rate":
        mean = flow.expected()[metric]
        return float(mean.mean()), float(mean.mean())
    chance, value = {
        "ctr": (flow.click, np.full_like(flow.click, 1 / flow.click.shape[1])),
        "revenue_per_session_usd": (flow.order, flow.price * flow.visits[:, None]),
        "margin_per_session_usd": (flow.order, flow.margin * flow.visits[:, None]),
    }[metric]
    mean = (chance * value).sum(1)
    variance = (chance * (1 - chance) * value**2).sum(1)
    return float(mean.mean()), float((variance + mean**2).mean())


def _sessions_of(first: np.ndarray, drawn: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows of all sessions of the drawn users, and which draw each belongs to."""
    order = np.argsort(first, kind="stable")
    starts = np.searchsorted(first[order], np.arange(first.max() + 2))
    size = np.diff(starts)[drawn]
    owner = np.repeat(np.arange(len(drawn)), size)
    within = np.arange(size.sum()) - np.repeat(size.cumsum() - size, size)
    return order[starts[drawn][owner] + within], owner


def _mixed(keys: np.ndarray) -> np.ndarray:
    """splitmix64 of each key, as a number in [0, 1)."""
    with np.errstate(over="ignore"):
        keys = keys + np.uint64(0x9E3779B97F4A7C15)
        keys = (keys ^ (keys >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        keys = (keys ^ (keys >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        keys = keys ^ (keys >> np.uint64(31))
    return np.asarray((keys >> np.uint64(11)).astype(np.float64) / 2.0**53)
