"""Data sets by name.

Each module has `DESCRIPTION`, `load(*, …) -> Dataset`, `task(*, …) -> Task` and
`checksum(*, …) -> str` (both cheap, with the arguments of `load`), and `FILES` where it fetches any.
Where one module has several sets, `DESCRIPTION` is a table by name, and all functions take the name first.
`harness.datasets.parts` is what the rest of the harness reads data through.
"""

DATASETS: dict[str, str] = {
    "amazon_sentences": "harness.datasets.rated_sentences",
    "breast_cancer": "harness.datasets.breast_cancer",
    "cifar10": "harness.datasets.cifar10",
    "diabetes": "harness.datasets.diabetes",
    "digits": "harness.datasets.digits",
    "fashion_mnist": "harness.datasets.fashion_mnist",
    "flights": "harness.datasets.flights",
    "image_csv": "harness.datasets.image_csv",
    "image_folder": "harness.datasets.image_folder",
    "imdb": "harness.datasets.hub",
    "interactions_csv": "harness.datasets.interactions_csv",
    "ml_100k": "harness.datasets.ml_100k",
    "mock_shop": "harness.datasets.mock_shop",
    "movie_sentences": "harness.datasets.rated_sentences",
    "nyt_sentences": "harness.datasets.rated_sentences",
    "practice_tables": "harness.datasets.practice_tables",
    "random_images": "harness.datasets.random_images",
    "rotten_tomatoes": "harness.datasets.hub",
    "simulated": "harness.datasets.simulated",
    "sst2": "harness.datasets.hub",
    "tabular_csv": "harness.datasets.tabular_csv",
    "text_csv": "harness.datasets.text_csv",
    "tweets": "harness.datasets.rated_sentences",
}

ROWS: dict[str, tuple[int, int]] = {
    "amazon_sentences": (3259, 351),
    "breast_cancer": (456, 113),
    "cifar10": (50000, 10000),
    "diabetes": (352, 90),
    "digits": (1438, 359),
    "fashion_mnist": (60000, 10000),
    "imdb": (25000, 25000),
    "movie_sentences": (9511, 1057),
    "nyt_sentences": (4466, 480),
    "rotten_tomatoes": (9596, 1066),
    "tweets": (3776, 420),
}
"""Training rows (validation not yet cut off) and test rows of the sets that are always the same, so
that plans and suites can be judged without loading anything."""
