"""Judges a pipeline by the mock shop's truth: what its slates earn, and how well the log could have known.

All candidates answer the same logged requests of the test part, one of each visit, with the visit's clicks
so far; so their expected outcomes are paired, and the control is what the shop then showed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from harness.datasets.interactions import Impressions
from harness.datasets.shop.log import Sessions
from harness.datasets.shop.outcomes import PUNISHING, Contexts, Funnel, funnel
from harness.datasets.shop.truth import Truth
from harness.facts.recommending import OffPolicy, OnlineFacts
from harness.streams import generator
from harness.tasks.recommendation import off_policy, online
from harness.tasks.recommendation.asking import page_requests
from harness.tasks.recommendation.fitting import LogParts
from harness.tasks.recommendation.history import Requests
from harness.tasks.recommendation.pipeline import PAGE, Pipeline

SESSIONS = 4000
"""About 1 % standard error of the expected revenue."""
CURVE_SESSIONS = 1000
TEST_USERS = 20_000
BATCH = 256


@dataclass(frozen=True)
class Court:
    """Requests with their truth, and what the shop showed for them."""

    truth: Truth
    requests: Requests
    contexts: Contexts
    session: np.ndarray
    logged: Impressions
    population: online.Population

    def __len__(self) -> int:
        return len(self.session)

    @property
    def shown(self) -> np.ndarray:
        """(n, 10) what the shop showed."""
        return self.logged.item.reshape(-1, PAGE).astype(np.int64)


@dataclass(frozen=True)
class Judgement:
    """Expected outcomes per session, and everything else for the report."""

    expected: Mapping[str, np.ndarray]
    funnel: Funnel
    facts: OnlineFacts


def summon(truth: Truth, sessions: Sessions, parts: LogParts, seed: int) -> Court:
    """The requests that every candidate of a suite is asked."""
    shown = parts.data.impressions
    assert shown is not None
    late = shown.rows(shown.time >= parts.cut.deploy)
    rng = generator(seed, "online")
    firsts = np.unique(late.request, return_index=True)[1]
    firsts = rng.permutation(firsts)
    _, one_each = np.unique(late.session[firsts], return_index=True)  # one page of each visit
    chosen = np.sort(rng.permutation(firsts[one_each])[:SESSIONS])
    pages = late.request[chosen]
    logged = late.rows(np.isin(late.request, pages))
    session = late.session[chosen]
    past_clicks = np.bincount(parts.past.user, minlength=len(parts.data.users)).astype(float)
    user = late.user[chosen].astype(np.int64)
    return Court(
        truth, page_requests(late, pages), sessions.contexts(session), session, logged,
        online.Population(user, np.log1p(past_clicks[user])),
    )  # fmt: skip


def judge(pipeline: Pipeline, court: Court, parts: LogParts, seed: int) -> Judgement:
    """What a pipeline earns, an A/B test against the shop's current recommender, off-policy estimates."""
    slates = answers(pipeline, court.requests)
    flow = funnel(court.truth, court.contexts, slates)
    control = funnel(court.truth, court.contexts, court.shown)
    expected = {**flow.expected(), **_punished(court, slates)}
    rng = generator(seed, "ab test")
    experiment = online.run_test(court.population, control, flow, TEST_USERS, rng)
    facts = OnlineFacts(
        online.summary(experiment),
        _off_policy(court, slates, parts, float(expected["ctr"].mean())),
        {
            f"{metric} {lift:+.0%}": online.required_sessions(control, lift, metric)
            for metric, lift in (("ctr", 0.05), ("conversion_rate", 0.05), ("revenue_per_session_usd", 0.05))
        },
        len(court),
        {name: _with_error(values) for name, values in expected.items()},
        {
            name: float(values.mean())
            for name, values in {**control.expected(), **_punished(court, court.shown)}.items()
        },
        () if pipeline.index is None else tuple(_price_of_recall(pipeline, court, expected)),
    )
    return Judgement(expected, flow, facts)


def _punished(court: Court, slates: np.ndarray) -> dict[str, np.ndarray]:
    """What the same slates earn where customers punish: the shop's own, or those of the world beside."""
    strength = court.truth.shop.punishing or PUNISHING
    flow = funnel(court.truth, court.contexts, slates, strength)
    return {"punished_margin_per_session_usd": flow.expected()["margin_per_session_usd"]}


def answers(pipeline: Pipeline, requests: Requests) -> np.ndarray:
    """(n, 10) the pipeline's slates, in batches."""
    parts = [
        pipeline.answer(requests.rows(slice(i, i + BATCH))).ranked[:, :PAGE]
        for i in range(0, len(requests), BATCH)
    ]
    return np.concatenate(parts)


def store(path: Path, judged: Judgement, court: Court) -> None:
    """Write `online.npz`, from which `online.verdicts` compares candidates without running them again."""
    with path.open("wb") as stream:
        np.savez_compressed(
            stream, allow_pickle=False, session=court.session, user=court.population.user,
            past=court.population.past, **vars(judged.funnel),
        )  # fmt: skip


def _off_policy(court: Court, slates: np.ndarray, parts: LogParts, truth: float) -> OffPolicy:
    shown = parts.data.impressions
    assert shown is not None
    from harness.tasks.recommendation.features import estimate_examination

    past = shown.rows(shown.time < parts.cut.deploy)
    examined = estimate_examination(past)
    rates = off_policy.click_rates(past, examined, len(parts.data.catalogue))
    size = (-1, PAGE)
    estimates = off_policy.estimate_ctr(
        slates, court.shown, court.logged.clicked.reshape(size), court.logged.propensity.reshape(size),
        examined, rates[slates], rates[court.shown],
    )  # fmt: skip
    return OffPolicy(truth, **estimates, examination=tuple(examined.round(4).tolist()))


def _price_of_recall(
    pipeline: Pipeline, court: Court, expected: Mapping[str, np.ndarray]
) -> list[dict[str, float]]:
    """What the shop earns in the same visits with its index asked as it is and in each way of the sweep."""
    index = pipeline.index
    assert index is not None
    every = np.arange(0, len(court), max(len(court) // CURVE_SESSIONS, 1))[:CURVE_SESSIONS]
    name = next(iter(index.spec.query), "")
    rows = [
        {
            **({name: float(index.spec.query[name])} if name else {}),
            **{metric: float(v[every].mean()) for metric, v in expected.items()},
        }
    ]
    for value in dict.fromkeys(index.spec.sweep):
        if value == index.spec.query[name]:
            continue
        slates = answers(pipeline.asked(**{name: value}), court.requests.rows(every))
        outcome = funnel(court.truth, court.contexts.rows(every), slates).expected()
        rows.append({name: float(value), **{metric: float(v.mean()) for metric, v in outcome.items()}})
    return rows


def _with_error(values: np.ndarray) -> dict[str, float]:
    return {"value": float(values.mean()), "standard_error": float(values.std(ddof=1) / len(values) ** 0.5)}
