"""Rankers by name: each module has `build(*, …) -> torch.nn.Module`, its keywords are its schema.

A ranker maps the tensors of `Facts` to logits (n, k). `none` keeps the retriever's order. One that is no
network has `fit(lessons, …, *, …) -> (torch.nn.Module, curve)` and `load(arrays)` instead.
"""

RANKERS: dict[str, str] = {
    "logistic": "harness.tasks.recommendation.ranking.logistic",
    "wide_and_deep": "harness.tasks.recommendation.ranking.wide_and_deep",
    "lambdamart": "harness.tasks.recommendation.ranking.lambdamart",
    "transformer": "harness.tasks.recommendation.ranking.transformer",
}
