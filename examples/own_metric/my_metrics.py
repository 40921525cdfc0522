"""What an answer costs the desk: a metric of one's own, named in suite.yaml as `my_metrics:desk_cost`."""

from __future__ import annotations

import numpy as np

SURE = 0.9
"""Below this probability a person reads the digit."""
PERSON_USD, MISTAKE_USD = 0.02, 0.50


def desk_cost(probabilities: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """USD per image: a person's look where the model is not sure, a mistake where it is sure and wrong.

    Args:
        probabilities: (n, num_classes). targets: (n,) the right classes.
    Returns:
        (n,) one score per image. Their mean is the metric; with scores per image the table's intervals
        hold over images and seeds, and two candidates are compared on the same images.
    """
    sure = probabilities.max(axis=1) >= SURE
    wrong = probabilities.argmax(axis=1) != targets
    return np.where(sure, np.where(wrong, MISTAKE_USD, 0.0), PERSON_USD)
