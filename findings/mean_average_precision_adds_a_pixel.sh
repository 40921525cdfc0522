#!/usr/bin/env bash
# mean-average-precision (`MetricBuilder`, a package of its own, by the rules of VOC and COCO), two things that its README does not say. A box is taken to be one pixel wider and higher than its corners say, as VOC's pictures have it. Of boxes
# in shares of the picture, 0 to 1, as YOLO's files are, that pixel is a whole picture: boxes overlap wherever they are. A detector that draws one and the same box in the middle of every picture has an average precision of .43, boxes at random .32; of
# the same boxes times 640 both have 0. True boxes have 1 either way, so that the check one makes first passes. And a class that is not in the test part, and of which nothing was found, has a precision of 0 in the mean over classes: one thing that
# is found to the pixel gets 1 of one class, .5 of two and .1 of ten; COCO's evaluation leaves such classes out. So a figure depends on how many classes the test part lacks, and no fold with rare classes is like another.
# Nothing is said of either. Multiply by the size of the picture first, and take the mean of the classes that occur (`value()` has them one by one).
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'mean-average-precision==2024.1.5.0' 'pandas==2.3.3' 'numpy==2.4.6'
"$work/venv/bin/python" -W ignore - <<'PY'
from importlib.metadata import version

import numpy as np
from mean_average_precision import MetricBuilder

rng = np.random.default_rng(0)


def score(pictures, classes, **how):
    metric = MetricBuilder.build_evaluation_metric("map_2d", async_mode=False, num_classes=classes)
    for found, true in pictures:
        metric.add(found, true)
    return float(metric.value(iou_thresholds=0.5, **how)["mAP"])


def box(size):
    corner, extent = rng.uniform(0, 0.7, (1, 2)), rng.uniform(0.05, 0.3, (1, 2))
    return np.hstack([corner, corner + extent]) * size


print(f"mean-average-precision {version('mean-average-precision')}, an IoU of .5")
found = {}
for size in (1, 640):
    perfect, chance, middle = [], [], []
    for _ in range(50):
        true = box(size)
        labels = np.hstack([true, np.zeros((1, 3))])
        perfect.append((np.hstack([true, [[0, rng.random()]]]), labels))
        chance.append((np.hstack([box(size), [[0, rng.random()]]]), labels))
        middle.append((np.array([[0.4 * size, 0.4 * size, 0.6 * size, 0.6 * size, 0, 0.9]]), labels))
    found[size] = score(perfect, 1), score(chance, 1), score(middle, 1)
    print("  boxes in 0 to {}: true boxes {:.2f}, boxes at random {:.2f}, one box in the middle {:.2f}".format(size, *found[size]))
assert found[640][0] == found[1][0] == 1 and max(found[640][1:]) < 0.1 and found[1][1] > 0.2 and found[1][2] > 0.3, found
one = [(np.array([[10, 10, 50, 50, 0, 0.9]]), np.array([[10, 10, 50, 50, 0, 0, 0]]))]
several = {classes: score(one, classes) for classes in (1, 2, 10)}
print("  one thing, found to the pixel, of so many classes:", {classes: round(value, 2) for classes, value in several.items()})
assert np.allclose([several[classes] * classes for classes in several], 1)
PY
