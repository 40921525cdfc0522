"""Data sets by name: each module has `load(*, …) -> Dataset` and `DESCRIPTION`."""

DATASETS: dict[str, str] = {
    "cifar10": "harness.datasets.cifar10",
    "digits": "harness.datasets.digits",
    "fashion_mnist": "harness.datasets.fashion_mnist",
    "image_folder": "harness.datasets.image_folder",
}
