"""Items for users, from a log of what they did: `harness.tasks.recommendation` trains and scores it."""

from __future__ import annotations

from harness.kinds.kind import TaskKind

RECOMMENDATION = TaskKind(
    name="recommendation",
    home=__name__,
    family="recommendation",
    inputs=(),
    targets="log",
    metrics=(
        "ndcg@10",
        "dcg@10",
        "recall@100",
        "precision@10",
        "hit_rate@10",
        "mrr@10",
        "catalog_coverage@10",
        "ctr",
        "conversion_rate",
        "revenue_per_session_usd",
        "margin_per_session_usd",
        "punished_margin_per_session_usd",
    ),
    watched="ndcg@10",
    watchable=("ndcg@10",),
    pipeline="recommendation",
    runtimes=("torch",),
    summary="items for users, from a log of events",
)
