"""Tasks by name: each module has `train`, `score` and `load_variant` (see docs/extending.md)."""

TASKS: dict[str, str] = {
    "image_classification": "harness.tasks.classification",
    "text_classification": "harness.tasks.classification",
    "tabular_classification": "harness.tasks.classification",
    "tabular_regression": "harness.tasks.classification",
    "recommendation": "harness.tasks.recommendation.task",
}
