#!/usr/bin/env bash
# torchmetrics.segmentation, MeanIoU: not the mIoU of benchmarks, which pools intersections and unions over all images first. It divides within each image and takes
# the mean over pairs of an image and a class that occurs in its truth or its answer. A class that is not there, and of which one stray pixel is
# painted, is a pair with 0: a model that is right to the pixel but for two of them in an image gets less than one that paints every thing
# twice as large. The pooled figure, MulticlassJaccardIndex of the same library, ranks them the other way round. GeneralizedDiceScore(per_class=True) counts an
# image without the class as 0, so that a perfect answer gets the share of images in which the class is. Both say 1 of a perfect answer otherwise.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'torch==2.13.0' 'torchmetrics==1.9.0' 'numpy==2.4.6'
"$work/venv/bin/python" -W error::UserWarning - <<'PY'
from importlib.metadata import version

import torch
from torchmetrics.classification import MulticlassJaccardIndex
from torchmetrics.segmentation import GeneralizedDiceScore, MeanIoU

truth = torch.zeros(12, 64, 64, dtype=torch.int64)  # twelve images, each with one thing of class 1, 2 or 3 before the background
for image, mask in enumerate(truth):
    mask[16:32, 16:48] = 1 + image % 3
strays, coarse = truth.clone(), truth.clone()
for image in range(len(truth)):
    shown = 1 + image % 3
    strays[image, 60, 60], strays[image, 62, 62] = 1 + shown % 3, 1 + (shown + 1) % 3
    coarse[image, 16:48, 16:48] = shown
models = {"perfect": truth, "two stray pixels in an image": strays, "things twice as large": coarse}
metrics = {
    "MeanIoU": lambda: MeanIoU(4, input_format="index"),
    "pooled, MulticlassJaccardIndex": lambda: MulticlassJaccardIndex(4),
    "GeneralizedDiceScore": lambda: GeneralizedDiceScore(4, input_format="index"),
    "its classes": lambda: GeneralizedDiceScore(4, per_class=True, input_format="index"),
}
print(f"torchmetrics {version('torchmetrics')}: twelve images, each with one of three things")
found = {}
for name, answer in models.items():
    wrong = (answer != truth).float().mean().item()
    for what, metric in metrics.items():
        counted = metric()
        for part in range(0, 12, 4):
            counted.update(answer[part : part + 4], truth[part : part + 4])
        value = counted.compute()
        found[name, what] = [round(v, 3) for v in value.tolist()] if value.ndim else round(value.item(), 3)
    print(f"  {name}, {wrong:.2%} of the pixels wrong: " + ", ".join(f"{what} {found[name, what]}" for what in metrics))
iou, pooled = ({name: found[name, what] for name in models} for what in ("MeanIoU", "pooled, MulticlassJaccardIndex"))
assert iou["perfect"] == pooled["perfect"] == found["perfect", "GeneralizedDiceScore"] == 1
assert iou["two stray pixels in an image"] < iou["things twice as large"] - 0.1, iou
assert pooled["two stray pixels in an image"] > pooled["things twice as large"] + 0.3, pooled
assert found["perfect", "its classes"] == [1, 0.333, 0.333, 0.333], found["perfect", "its classes"]
PY
