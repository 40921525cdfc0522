"""Fits a pipeline: the retriever on the past, its index, then the ranker on what the retriever has not seen.

    |— interim retriever, statistics —|— ranker learns —|— validation —| deploy |— test —|

The ranker learns from a last stretch of the training part, described by statistics and by a retriever of
the same kind fitted before it: the deployed retriever has seen those clicks, and would give them away.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any

import numpy as np

from harness.datasets.interactions import Events, Impressions, Interactions
from harness.protocols import Progress
from harness.streams import generator
from harness.tasks.recommendation.asking import all_scores, scores_of, user_requests
from harness.tasks.recommendation.features import Knowledge
from harness.tasks.recommendation.history import History
from harness.tasks.recommendation.loop import FitSettings
from harness.tasks.recommendation.metrics import hits, ndcg, relevant_items, tie_keys
from harness.tasks.recommendation.order import rank_all
from harness.tasks.recommendation.pipeline import Pipeline, eligible_items
from harness.tasks.recommendation.ranking.fit import Ranker, fit_ranker
from harness.tasks.recommendation.retrieval import OWN, RETRIEVERS
from harness.tasks.recommendation.retrieval.base import Lesson
from harness.tasks.recommendation.retrieval.index import build_index
from harness.tasks.recommendation.retrieval.options import check_candidate, is_own, read_index
from harness.tasks.recommendation.slates import UNSHOWN, chosen_slates, shown_slates
from harness.tasks.recommendation.splits import Cut, cut_events

RANKER_SHARE = 0.3
"""Share of the training part that the ranker learns from."""
VALIDATION_USERS = 1000
INDEX_QUERIES = 1000
"""Users by whose recall the way of building an index, and the effort of asking it, is chosen, at most."""


@dataclass(frozen=True)
class FittedPipeline:
    """A fitted pipeline and how it came about.

    Args:
        curves: stage → rows of `fit_epochs`. seconds: stage → wall time.
    """

    pipeline: Pipeline
    curves: Mapping[str, list[dict[str, float]]]
    seconds: Mapping[str, float]


@dataclass(frozen=True)
class LogParts:
    """A log, cut. `past` is training and validation together: what is known at deployment."""

    data: Interactions
    cut: Cut
    train: Events
    validation: Events
    past: Events
    test: Events

    @property
    def causal(self) -> bool:
        return self.data.protocol.split not in ("random", "random_events")

    def history(self, events: Events) -> History:
        """Events as users' pasts; what the protocol calls irrelevant is not left out of the answers."""
        return History.of(events, len(self.data.users), self.data.protocol.relevant(events))

    def eligible(self, past: Events, now: float) -> np.ndarray:
        """(num_items,) bool, what may be answered: on sale and, with `known_items`, in the past."""
        on_sale = eligible_items(self.data.catalogue, now)
        if self.data.protocol.known_items:
            on_sale &= np.bincount(past.item, minlength=len(on_sale)) > 0
        return on_sale

    def asked(self, events: Events, on_sale: np.ndarray, seen: History | None) -> Events:
        """The events that an answer is judged by: relevant ones that it may hold, see `answerable`."""
        return events.rows(answerable(events, on_sale, seen) & self.data.protocol.relevant(events))


def cut_data(data: Interactions, validation: float, seed: int) -> LogParts:
    """Cut a data set by its protocol; the suite's seed decides ties and random shares."""
    cut = cut_events(data.events, data.protocol, validation, generator(seed, "split"))
    rows = data.events.rows
    return LogParts(
        data, cut, rows(cut.train), rows(cut.validation), rows(cut.train | cut.validation), rows(cut.test)
    )


def fit_pipeline(
    parts: LogParts, retrieval: Mapping[str, Any], ranking: Mapping[str, Any] | None, settings: FitSettings,
    progress: Progress, threads: int = 1,
) -> FittedPipeline:  # fmt: skip
    """Fit a candidate's pipeline.

    Args:
        retrieval: `{model, index, candidates, …}` with the model's own keywords. ranking: `{model, …}`.
    Raises:
        ValueError: the candidate is not one, see `check_candidate`.
    """
    check_candidate(retrieval, ranking)
    worth = parts.data.catalogue.price * parts.data.catalogue.margin
    if (ranking or {}).get("optimize") == "margin" and not np.isfinite(worth).any():
        raise ValueError(
            "ranking.optimize: margin needs items with price and margin, and this catalogue has none: "
            "leave it out, or use the mock shop"
        )
    seconds: dict[str, float] = {}
    start = time.perf_counter()
    retriever = _fit_retriever(parts, retrieval, settings, progress)
    seconds["retriever"], start = time.perf_counter() - start, time.perf_counter()
    pipeline = assemble(retriever, parts, parts.past, parts.cut.deploy, retrieval, settings.seed, threads)
    seconds["statistics"], start = time.perf_counter() - start, time.perf_counter()
    if pipeline.index is not None:
        seconds["index"] = pipeline.index.spent_seconds
        seconds["statistics"] -= seconds["index"]
    ranker = None
    if ranking and ranking["model"] != "none":
        interim = replace(settings, epochs=_best_epoch(retriever.curve) or settings.epochs)
        ranker = _fit_ranker(parts, retrieval, ranking, interim, settings, progress)
        seconds["ranker"] = time.perf_counter() - start
    curves = {"retriever": retriever.curve, **({"ranker": ranker.curve} if ranker else {})}
    return FittedPipeline(replace(pipeline, ranker=ranker), curves, seconds)


def assemble(
    retriever: Any, parts: LogParts, past: Events, now: float, retrieval: Mapping[str, Any], seed: int,
    threads: int, built: Pipeline | None = None,
) -> Pipeline:  # fmt: skip
    """A fitted retriever as a pipeline without a ranker that knows `past` and what is on sale `now`.

    Args:
        built: one of the same retriever, whose index serves again where the same items are on sale.
    """
    data, catalogue = parts.data, parts.data.catalogue
    eligible = parts.eligible(past, now)
    history = parts.history(past)
    candidates = int(retrieval.get("candidates", 100))
    index = None
    if built is not None and np.array_equal(built.eligible, eligible):
        index = built.index
    elif hasattr(retriever, "item_vectors"):
        index = build_index(
            retriever.item_vectors(), np.flatnonzero(eligible), read_index(retrieval.get("index", "flat")),
            seed, threads, _index_queries(retriever, parts, past, now, seed), k=candidates,
        )  # fmt: skip
    knowledge = Knowledge.of(catalogue, data.users, past, _before(data.impressions, now), now)
    return Pipeline(
        settings={
            "candidates": candidates,
            "mask_seen": data.protocol.mask_seen,
            "now": now,
            "seed": seed,
        },
        user_ids=data.users.ids, item_ids=catalogue.ids, eligible=eligible,
        retire=catalogue.available_until, ties=tie_keys(len(catalogue), seed), history=history,
        knowledge=_with_score_scale(knowledge, retriever, history, now, eligible, seed),
        retriever=retriever, index=index, ranker=None,
    )  # fmt: skip


def _index_queries(retriever: Any, parts: LogParts, past: Events, now: float, seed: int) -> np.ndarray:
    """(n, dim) vectors of users who came in the validation part, as they were known when it began.

    So they are of the kind that will ask: some are new, and none is known by what the retriever learned from
    them later. Without a validation part, users with a past.
    """
    if len(parts.validation):
        users, past, now = np.unique(parts.validation.user), parts.train, parts.cut.validation_from
    else:
        users = np.unique(past.user)
    users = np.sort(generator(seed, "index", "queries").permutation(users)[:INDEX_QUERIES])
    return np.asarray(retriever.encode(user_requests(users, now), parts.history(past)), np.float32)


def answerable(events: Events, on_sale: np.ndarray, seen: History | None) -> np.ndarray:
    """(n,) bool, which choices an answer may hold: of items on sale and, with `mask_seen`, new to the user.

    All others would count as misses that no recommender can avoid.

    Args:
        seen: the pasts whose items are left out of the answers; None without `mask_seen`.
    """
    mask = on_sale[events.item]
    return np.asarray(mask if seen is None else mask & ~seen.holds(events.user, events.item))


def _fit_retriever(
    parts: LogParts, retrieval: Mapping[str, Any], settings: FitSettings, progress: Progress
) -> Any:
    arguments = {
        name: value for name, value in retrieval.items() if name not in ("model", "index", "candidates")
    }
    if is_own(retrieval["model"]):
        arguments["reference"] = retrieval["model"]
    module = import_module(RETRIEVERS.get(retrieval["model"], OWN))
    lesson = Lesson(
        catalogue=parts.data.catalogue,
        users=parts.data.users,
        events=parts.train,
        causal=parts.causal,
        now=parts.cut.deploy,
        settings=settings,
        progress=lambda news: progress({"stage": "retriever", **news}),
        validate=_retrieval_validator(parts, settings.seed),
    )
    fitted = module.fit(lesson, **arguments)
    if "index" in retrieval and not hasattr(fitted, "item_vectors"):
        raise ValueError(f"{retrieval['model']} scores all items and has no index: leave out index")
    return fitted


def _retrieval_validator(parts: LogParts, seed: int) -> Any:
    """NDCG@10 over a sample of users of the validation part, full ranking; None where none can be asked."""
    history = parts.history(parts.train)
    seen = history if parts.data.protocol.mask_seen else None
    on_sale = parts.eligible(parts.train, parts.cut.validation_from)
    asked = parts.asked(parts.validation, on_sale, seen)
    if not len(asked):
        return None
    users = np.unique(asked.user)
    users = np.sort(generator(seed, "validation").permutation(users)[:VALIDATION_USERS])
    chosen = asked.rows(np.isin(asked.user, users))
    relevant = relevant_items(np.searchsorted(users, chosen.user), chosen.item, len(users))
    requests = user_requests(users, parts.cut.validation_from)
    ties = tie_keys(len(parts.data.catalogue), seed)

    def validate(retriever: Any) -> float:
        scores = all_scores(retriever, requests, history)
        scores[:, ~on_sale] = -np.inf
        if seen is not None:
            scores[seen.masked(users)] = -np.inf
        return float(np.nanmean(ndcg(hits(rank_all(scores, 10, ties), relevant), relevant.counts, 10)))

    return validate


def _fit_ranker(
    parts: LogParts, retrieval: Mapping[str, Any], ranking: Mapping[str, Any], interim: FitSettings,
    settings: FitSettings, progress: Progress,
) -> Ranker:  # fmt: skip
    early, lessons_from = _early_part(parts, settings.seed)
    retriever = _fit_retriever(early, retrieval, interim, lambda news: progress({**news, "interim": True}))
    data = parts.data
    history = parts.history(early.train)
    knowledge = Knowledge.of(
        data.catalogue, data.users, early.train, _before(data.impressions, lessons_from), lessons_from
    )
    eligible = eligible_items(data.catalogue, lessons_from)
    knowledge = _with_score_scale(knowledge, retriever, history, lessons_from, eligible, settings.seed)
    shown, validation = data.impressions, None
    unshown = int(ranking.get("unshown", UNSHOWN))
    if shown is not None and data.protocol.split == "global_time":
        inside = shown.rows((shown.time >= lessons_from) & (shown.time < parts.cut.validation_from))
        after = shown.rows((shown.time >= parts.cut.validation_from) & (shown.time < parts.cut.deploy))
        lessons = shown_slates(knowledge, retriever, history, inside, eligible, unshown, settings.seed)
        if after.clicked.any():
            validation = shown_slates(knowledge, retriever, history, after, eligible, unshown, settings.seed)
    else:
        held = early.test if len(early.test) else early.train
        mask_seen = parts.data.protocol.mask_seen
        lessons = chosen_slates(
            held, parts.cut.deploy, mask_seen, knowledge, retriever, history, settings.seed
        )
    width = int(data.catalogue.category.max()) + 1
    return fit_ranker(
        ranking, lessons, validation, knowledge.examination, width, settings,
        lambda news: progress({"stage": "ranker", **news}),
    )  # fmt: skip


def _early_part(parts: LogParts, seed: int) -> tuple[LogParts, float]:
    """The training part without its last stretch (by time, or of each user), and when that starts."""
    train = parts.train
    if parts.data.protocol.split == "global_time":
        start = float(train.time.min())
        edge = parts.cut.validation_from - (parts.cut.validation_from - start) * RANKER_SHARE
        if parts.cut.validation_from - start > 10:
            edge = float(np.round(edge))
        early = train.time < edge
    else:
        edge = parts.cut.deploy
        early = generator(seed, "ranker").random(len(train)) >= RANKER_SHARE
    if not early.any():
        early = np.ones(len(train), bool)
    none = train.rows(np.zeros(len(train), bool))
    return LogParts(
        parts.data, parts.cut, train.rows(early), none, train.rows(early), train.rows(~early)
    ), edge


def _with_score_scale(
    knowledge: Knowledge, retriever: Any, history: History, now: float, eligible: np.ndarray, seed: int
) -> Knowledge:
    """Mean and deviation of the retriever's scores over random users and items."""
    rng = generator(seed, "scale")
    users = rng.integers(0, max(len(history.starts) - 1, 1), 256)
    items = rng.choice(np.flatnonzero(eligible), (256, 64))
    scores = scores_of(retriever, user_requests(users, now), history, items)
    return replace(knowledge, score_mean=float(scores.mean()), score_std=float(scores.std()) + 1e-6)


def _before(shown: Impressions | None, time: float) -> Impressions | None:
    return None if shown is None else shown.rows(shown.time < time)


def _best_epoch(curve: list[dict[str, float]]) -> int | None:
    scored = [row for row in curve if "validation_score" in row]
    return int(max(scored, key=lambda row: row["validation_score"])["epoch"]) if scored else None
