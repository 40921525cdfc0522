"""Retrievers by name: each module has `fit(lesson, *, …) -> Retriever`, its keywords are its schema.

A retriever either gives vectors, which an index searches, or scores of all items. `INDEXED` says which,
so that a suite is checked without importing torch.
"""

RETRIEVERS: dict[str, str] = {
    "popularity": "harness.tasks.recommendation.retrieval.popularity",
    "item_knn": "harness.tasks.recommendation.retrieval.item_knn",
    "ease": "harness.tasks.recommendation.retrieval.ease",
    "matrix_factorization": "harness.tasks.recommendation.retrieval.matrix_factorization",
    "implicit_als": "harness.tasks.recommendation.retrieval.implicit_als",
    "lightgcn": "harness.tasks.recommendation.retrieval.lightgcn",
    "sasrec": "harness.tasks.recommendation.retrieval.sasrec",
    "two_tower": "harness.tasks.recommendation.retrieval.two_tower",
}
OWN = "harness.tasks.recommendation.retrieval.own"
"""The retriever that holds what a user's own recommender answered; its name on disk is `own`."""
INDEXED = frozenset({"matrix_factorization", "implicit_als", "lightgcn", "sasrec", "two_tower"})
