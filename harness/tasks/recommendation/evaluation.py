"""Judges a pipeline on held-out users: each stage apart and end to end, full ranking, warm and cold apart.

What stages score apart does not compose (Hron et al. 2021): the end-to-end figures decide, the others
explain.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from harness.codec import JsonObject
from harness.facts.recommending import (
    EvaluationFacts,
    NewItems,
    ProtocolFacts,
    SliceFacts,
    WarmAndCold,
)
from harness.record import DataError
from harness.streams import generator
from harness.tasks.recommendation import metrics
from harness.tasks.recommendation.answering import STAGES, Stopwatch
from harness.tasks.recommendation.asking import all_scores, user_requests
from harness.tasks.recommendation.fitting import VALIDATION_USERS, LogParts, assemble
from harness.tasks.recommendation.history import Requests
from harness.tasks.recommendation.index_quality import index_quality
from harness.tasks.recommendation.order import without
from harness.tasks.recommendation.pipeline import Pipeline

BATCH = 256
SAMPLE = 200
"""Users on which ties and the time of single requests are looked at."""
QUERIES = 500
"""Users by whom an index is judged: ± .005 of recall."""
NEW_DAYS = 7.0
DEEPEST = 100
"""Rank down to which an answer is looked at by metrics."""
STAGE_METRICS = ("candidate_recall", "retrieval_ndcg@10", "ranker_ndcg@10")


@dataclass(frozen=True)
class Evaluation:
    """What held-out users say.

    Args:
        users: (n,) codes. scores: metric → (n,) per user. answers: (n, k) final order.
        measures: metric → value over all users. facts: for the report.
    """

    users: np.ndarray
    scores: Mapping[str, np.ndarray]
    columns: Mapping[str, np.ndarray]
    measures: Mapping[str, float]
    facts: EvaluationFacts


def evaluate(pipeline: Pipeline, parts: LogParts, seed: int) -> Evaluation:
    """Ask one request per user of the test part, at deployment, and score it by what they chose later.

    Only what can be answered counts as relevant, see `answerable`; `facts` says how many events that leaves
    out.

    Raises:
        DataError: nothing that was chosen can be answered.
    """
    seen = pipeline.history if pipeline.settings["mask_seen"] else None
    on_sale = parts.test.rows(pipeline.eligible[parts.test.item])
    asked = parts.asked(on_sale, pipeline.eligible, seen)
    if not len(asked):
        raise DataError(
            f"of {len(parts.test)} events of the test part none can be answered: {len(on_sale)} are of items "
            "on sale, and users had those before: write data.args.mask_seen: false, or give a longer log"
        )
    users = np.unique(asked.user)
    relevant = metrics.relevant_items(np.searchsorted(users, asked.user), asked.item, len(users))
    requests = user_requests(users, parts.cut.deploy)
    watch = Stopwatch()
    candidates, ranked = _answers(pipeline, requests, watch)
    scores, counts = _scores(candidates, ranked, relevant), relevant.counts
    history = pipeline.history.counts(users)
    columns = {"cold": history == 0, "history": history, "relevant": counts}
    eligible = int(pipeline.eligible.sum())
    measures = {name: float(np.nanmean(v)) for name, v in scores.items() if np.isfinite(v).any()}
    measures["catalog_coverage@10"] = metrics.coverage(ranked, eligible, 10)
    sample, asking = requests.rows(_sample(len(users), seed)), parts.data.protocol
    gap, launched = _tie_gap(pipeline, requests, relevant, seed), parts.data.catalogue.available_from
    facts = EvaluationFacts(
        ProtocolFacts(**vars(asking), k=10, ranking="full", ties="seeded hash"),
        len(users),
        eligible,
        {name: measures[name] for name in STAGE_METRICS if name in measures},
        metrics.gini(_shown(ranked, len(pipeline.eligible))[pipeline.eligible]),
        metrics.novelty(ranked, _popularity(pipeline), 10),
        round(1 - len(on_sale) / len(parts.test), 4),
        round((int(asking.relevant(on_sale).sum()) - len(asked)) / len(parts.test), 4),
        round(float(1 - np.isin(asked.item, parts.past.item).mean()), 4),
        _of_popular(pipeline, parts, requests, relevant),
        WarmAndCold(_slice(scores, history > 0), _slice(scores, history == 0)),
        _new_items(pipeline, ranked, relevant, parts),
        watch.milliseconds(),
        single_requests(pipeline, sample),
        gap,
        f"{100 * gap:.1f} points of the retriever's NDCG@10 are luck: it scores many items alike"
        if gap > metrics.TIE_GAP_WARNING
        else None,
        index_quality(pipeline, requests.rows(_sample(len(users), seed, QUERIES)), launched)
        if pipeline.index is not None
        else None,
    )
    return Evaluation(users, scores, columns, measures, facts)


def _scores(candidates: np.ndarray, ranked: np.ndarray, relevant: metrics.Relevant) -> dict[str, np.ndarray]:
    """Metric → (users,) what each user's answers are worth, of the retriever, the ranker and both."""
    found, hit, counts = metrics.hits(candidates, relevant), metrics.hits(ranked, relevant), relevant.counts
    return {
        "ndcg@10": metrics.ndcg(hit, counts, 10),
        "dcg@10": metrics.dcg(hit, 10),
        "recall@10": metrics.recall(hit, counts, 10),
        "recall@100": metrics.recall(hit, counts, 100),
        "precision@10": metrics.precision(hit, counts, 10),
        "mrr@10": metrics.reciprocal_rank(hit, counts, 10),
        "hit_rate@10": hit[:, :10].any(1).astype(float),
        "candidate_recall": metrics.recall(found, counts, found.shape[1]),
        "retrieval_ndcg@10": metrics.ndcg(found, counts, 10),
        "ranker_ndcg@10": metrics.ndcg(hit, found.sum(1), 10),
    }


def _of_popular(
    pipeline: Pipeline, parts: LogParts, requests: Requests, relevant: metrics.Relevant
) -> dict[str, float]:
    """Metric → what the training part's most popular items reach, each user shown those that may be answered.

    The figures of the candidate `{retrieval: {model: popularity}}` under the same seed.
    """
    counts = np.bincount(parts.train.item, parts.train.weight, minlength=len(pipeline.eligible))
    order = np.lexsort((pipeline.ties, -counts.astype(np.float32)))
    order, chunks = order[pipeline.eligible[order]], []
    for at in range(0, len(requests), BATCH):
        users = requests.whose[at : at + BATCH]
        seen = pipeline.history.masked(users) if pipeline.settings["mask_seen"] else (users[:0], users[:0])
        width = min(DEEPEST + int(np.bincount(seen[0], minlength=1).max()), len(order))
        shown = np.tile(order[:width], (len(users), 1))
        if len(seen[0]):
            shown, _ = without(shown, np.zeros(shown.shape), seen, len(counts))
        chunks.append(np.pad(shown, ((0, 0), (0, DEEPEST)), constant_values=-1)[:, :DEEPEST])
    every = np.concatenate(chunks)
    scores = _scores(every, every, relevant)
    return {name: float(np.nanmean(values)) for name, values in scores.items() if name not in STAGE_METRICS}


def validation_ndcg(
    pipeline: Pipeline, parts: LogParts, retrieval: JsonObject, seed: int, threads: int
) -> dict[str, float | None]:
    """End-to-end NDCG@10 on the validation part: what settings are chosen by; empty where none can be asked.

    The pipeline is put back to where that part starts: its retriever and ranker learned from nothing later.
    """
    now = parts.cut.validation_from
    before = assemble(pipeline.retriever, parts, parts.train, now, retrieval, seed, threads, pipeline)
    before = replace(before, ranker=pipeline.ranker)
    seen = before.history if before.settings["mask_seen"] else None
    asked = parts.asked(parts.validation, before.eligible, seen)
    users = np.unique(asked.user)
    users = np.sort(generator(seed, "validation").permutation(users)[:VALIDATION_USERS])
    if not len(users):
        return {}
    asked = asked.rows(np.isin(asked.user, users))
    relevant = metrics.relevant_items(np.searchsorted(users, asked.user), asked.item, len(users))
    _, ranked = _answers(before, user_requests(users, now), Stopwatch())
    return {"ndcg@10": float(metrics.ndcg(metrics.hits(ranked, relevant), relevant.counts, 10).mean())}


def _answers(pipeline: Pipeline, requests: Requests, watch: Stopwatch) -> tuple[np.ndarray, np.ndarray]:
    """Candidates and final order for many requests, in batches."""
    chunks = [
        pipeline.answer(requests.rows(slice(i, i + BATCH)), watch) for i in range(0, len(requests), BATCH)
    ]
    return np.concatenate([c.candidates for c in chunks]), np.concatenate([c.ranked for c in chunks])


def single_requests(pipeline: Pipeline, requests: Requests) -> dict[str, float]:
    """Median milliseconds of each stage over requests asked one at a time, the first one left out."""
    took = []
    for row in range(len(requests)):
        watch = Stopwatch()
        pipeline.answer(requests.rows(slice(row, row + 1)), watch)
        took.append(list(watch.milliseconds().values()))
    medians = np.median(took[1:] or took, axis=0)
    return {"calls": float(len(took)), **dict(zip(STAGES, medians.tolist(), strict=True))}


def _slice(scores: Mapping[str, np.ndarray], mask: np.ndarray) -> SliceFacts:
    users = int(mask.sum())
    if not users:
        return SliceFacts(0)
    ndcg, recall = (round(float(np.nanmean(scores[m][mask])), 5) for m in ("ndcg@10", "recall@100"))
    return SliceFacts(users, ndcg, recall)


def _new_items(
    pipeline: Pipeline, ranked: np.ndarray, relevant: metrics.Relevant, parts: LogParts
) -> NewItems:
    """Items launched in the week before deployment: how often they are shown and found."""
    launched = parts.data.catalogue.available_from
    new = pipeline.eligible & np.isfinite(launched) & (launched > parts.cut.deploy - NEW_DAYS)
    if not new.any():
        return NewItems()
    shown = ranked[:, :10][ranked[:, :10] >= 0]
    rows = np.repeat(np.arange(len(relevant)), relevant.counts)
    wanted = new[relevant.items]
    only_new = metrics.relevant_items(rows[wanted], relevant.items[wanted], len(relevant))
    found = metrics.recall(metrics.hits(ranked, only_new), only_new.counts, 100)
    return NewItems(
        int(new.sum()),
        float(new.sum() / pipeline.eligible.sum()),
        float(new[shown].mean()) if len(shown) else 0.0,
        float(np.nanmean(found)) if np.isfinite(found).any() else None,
        int((only_new.counts > 0).sum()),
    )


def _tie_gap(pipeline: Pipeline, requests: Requests, relevant: metrics.Relevant, seed: int) -> float:
    """How much of the retriever's NDCG is luck among equal scores of what may be answered."""
    rows = _sample(len(requests), seed)
    sampled = requests.rows(rows)
    scores = all_scores(pipeline.retriever, sampled, pipeline.history)
    if pipeline.settings["mask_seen"]:
        scores[pipeline.history.masked(sampled.whose)] = -np.inf
    scores = scores[:, pipeline.eligible]
    column = np.cumsum(pipeline.eligible) - 1
    mine = [column[relevant.items[relevant.starts[row] : relevant.starts[row + 1]]] for row in rows]
    owner = np.repeat(np.arange(len(rows)), [len(items) for items in mine])
    sample = metrics.relevant_items(owner, np.concatenate([np.empty(0, int), *mine]), len(rows))
    return metrics.tie_gap(scores, sample, 10)


def _sample(n: int, seed: int, size: int = SAMPLE) -> np.ndarray:
    return np.sort(generator(seed, "sample").permutation(n)[:size])


def _shown(ranked: np.ndarray, num_items: int) -> np.ndarray:
    """(num_items,) how often each item stands among the first ten."""
    first = ranked[:, :10]
    return np.bincount(first[first >= 0], minlength=num_items)


def _popularity(pipeline: Pipeline) -> np.ndarray:
    return np.bincount(pipeline.history.item, minlength=len(pipeline.eligible))
