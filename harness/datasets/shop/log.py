"""Some weeks of the shop under its current recommender: the log that models learn from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from harness.datasets.interactions import Impressions
from harness.datasets.shop.outcomes import Contexts, funnel
from harness.datasets.shop.policy import PAGE, POPULARITY_POWER, DayPolicy
from harness.datasets.shop.truth import Truth
from harness.streams import generator

MAX_PAGES = 5
_PAGES_SHARE = 0.5 ** np.arange(MAX_PAGES)
_PAGES_SHARE = _PAGES_SHARE / _PAGES_SHARE.sum()


@dataclass(frozen=True)
class Sessions:
    """The truth of every logged visit, indexed by `Impressions.session`: who, when, what for; (n,)."""

    user: np.ndarray
    day: np.ndarray
    intent: np.ndarray

    def contexts(self, sessions: np.ndarray) -> Contexts:
        return Contexts(self.user[sessions], self.day[sessions], self.intent[sessions])


def run_shop(truth: Truth) -> tuple[Impressions, Sessions]:
    """Let the current recommender run for `shop.days`, learning popularity from its own clicks.

    Returns:
        impressions in order of time, exactly `shop.impressions` rounded down to whole pages; the truth
        of the sessions.
    """
    shop, rng = truth.shop, generator(truth.shop.seed, "log")
    clicks = np.zeros(shop.items)
    pages_left = shop.impressions // PAGE
    parts: list[Impressions] = []
    visits: list[Contexts] = []
    for day in range(shop.days):
        pages_today = pages_left // (shop.days - day)
        pages_left -= pages_today
        policy = DayPolicy(truth, day, _weights(truth, clicks, day))
        first_session = sum(map(len, visits))
        part, visit = _run_day(policy, pages_today, first_session, rng)
        np.add.at(clicks, part.item[part.clicked], 1)
        parts.append(part)
        visits.append(visit)
    return _joined(parts), Sessions(
        *(np.concatenate([getattr(v, name) for v in visits]) for name in ("user", "day", "intent"))
    )


def policy_after(truth: Truth, log: Impressions, day: int) -> DayPolicy:
    """The current recommender as it would run on a day, given the clicks logged before it."""
    past = log.clicked & (log.time < day)
    clicks = np.bincount(log.item[past], minlength=truth.shop.items).astype(float)
    return DayPolicy(truth, day, _weights(truth, clicks, day))


def _weights(truth: Truth, clicks: np.ndarray, day: int) -> np.ndarray:
    on_sale = (truth.launch < day + 1) & (truth.retire > day)
    return np.where(on_sale, (clicks + 1) ** POPULARITY_POWER, 0.0)


def _run_day(
    policy: DayPolicy, pages: int, first_session: int, rng: np.random.Generator
) -> tuple[Impressions, Contexts]:
    truth, day = policy.truth, policy.day
    lengths = _session_lengths(pages, rng)
    n = len(lengths)
    active = truth.activity * (truth.first_day <= day)
    user = rng.choice(truth.shop.users, n, p=active / active.sum())
    intent = _draw_rows(truth.intent_logits(user, day), rng)
    visit = Contexts(user, np.full(n, day), intent)
    start = day + np.sort(rng.random(n)) * 0.95
    last_category = np.full(n, -1)
    parts = []
    for page in range(MAX_PAGES):
        on = np.flatnonzero(lengths > page)
        if not len(on):
            break
        slates, propensity = policy.pages(user[on], last_category[on], rng)
        part = _shown(
            truth, visit.rows(on), on + first_session, slates, propensity, start[on] + 0.004 * page, rng
        )
        clicked = part.clicked.reshape(-1, PAGE)
        hit = clicked.any(1)
        last = PAGE - 1 - np.argmax(clicked[:, ::-1], axis=1)
        last_category[on[hit]] = truth.category[slates[hit, last[hit]]]
        parts.append(part)
    return _joined(parts), visit


def _shown(
    truth: Truth, contexts: Contexts, session: np.ndarray, slates: np.ndarray, propensity: np.ndarray,
    time: np.ndarray, rng: np.random.Generator,
) -> Impressions:  # fmt: skip
    flow = funnel(truth, contexts, slates)
    chance = rng.random(slates.shape)
    n = len(slates)

    def flat(column: np.ndarray) -> np.ndarray:
        return np.repeat(column, PAGE)

    return Impressions(
        request=flat(np.arange(n)),
        session=flat(session),
        user=flat(contexts.user.astype(np.int32)),
        item=slates.ravel().astype(np.int32),
        time=flat(time),
        position=np.tile(np.arange(PAGE, dtype=np.int8), n),
        propensity=propensity.ravel().astype(np.float32),
        price=flow.price.ravel().astype(np.float32),
        clicked=(chance < flow.click).ravel(),
        carted=(chance < flow.cart).ravel(),
        bought=(chance < flow.order).ravel(),
    )


def _joined(parts: list[Impressions]) -> Impressions:
    """In order of time, pages numbered anew."""
    names = Impressions.__dataclass_fields__
    columns = {name: np.concatenate([getattr(part, name) for part in parts]) for name in names}
    offsets = np.repeat(np.cumsum([0] + [len(p) for p in parts[:-1]]), [len(p) for p in parts])
    columns["request"] = columns["request"] + offsets  # unique, since a part has fewer pages than rows
    joined = Impressions(**columns)
    order = np.lexsort((joined.position, joined.request, joined.time))
    joined = joined.rows(order)
    page = np.cumsum(np.r_[True, joined.request[1:] != joined.request[:-1]]) - 1
    return Impressions(**{**vars(joined), "request": page})


def _session_lengths(pages: int, rng: np.random.Generator) -> np.ndarray:
    """Pages per session, at random, that add up to `pages`."""
    lengths = rng.choice(MAX_PAGES, pages, p=_PAGES_SHARE) + 1
    total = lengths.cumsum()
    n = int(np.searchsorted(total, pages)) + 1
    lengths = lengths[:n]
    lengths[-1] -= total[n - 1] - pages
    return np.asarray(lengths)


def _draw_rows(logits: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """One draw of each row's softmax."""
    share = np.exp(logits - logits.max(1, keepdims=True)).cumsum(1)
    draw = (share < rng.random((len(share), 1)) * share[:, -1:]).sum(1)
    return np.asarray(np.minimum(draw, share.shape[1] - 1))
