#!/usr/bin/env bash
# torchmetrics.detection, IntersectionOverUnion: of each image it keeps the matrix of *all* pairs of a found and a true box with one label, and its value is
# the mean over them, not over boxes that belong together. Four cars that are found to the pixel get .25; so does a model that finds one of the four,
# and one that finds one car four times. What it measures is how many things of one class an image shows. Of one thing per class it is what one
# thinks, which is what examples have. The generalized, distance and complete IoU are subclasses and do the same: four perfect boxes get a
# *negative* generalized one. The functional form of equal lists takes the diagonal and says 1. MeanAveragePrecision of the same boxes is right.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'torch==2.13.0' 'torchvision==0.28.0' 'torchmetrics==1.9.0' 'pycocotools==2.0.11' 'numpy==2.4.6'
"$work/venv/bin/python" -W ignore - <<'PY'
import sys
from importlib.metadata import version

import torch

try:
    import torchvision
except RuntimeError:  # an index that pairs a torch for processors with a torchvision for CUDA: no operator of its is used here
    for name in [name for name in sys.modules if name.startswith("torchvision")]:
        del sys.modules[name]
    operators = torch.library.Library("torchvision", "DEF")
    operators.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    operators.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
from torchmetrics.detection import GeneralizedIntersectionOverUnion, IntersectionOverUnion, MeanAveragePrecision
from torchmetrics.functional.detection import intersection_over_union

cars = torch.tensor([[0.0, 0, 40, 20], [100, 0, 140, 20], [200, 0, 240, 20], [300, 0, 340, 20]])
models = {"all four, to the pixel": cars, "one of the four": cars[:1], "the first one four times": cars[[0, 0, 0, 0]], "all four, a fifth of a car off": cars + torch.tensor([8, 0, 8, 0])}

def measured(metric, boxes, labels=None):
    labels = torch.zeros(4, dtype=torch.int64) if labels is None else labels
    metric.update([{"boxes": boxes, "labels": labels[: len(boxes)], "scores": torch.ones(len(boxes))}], [{"boxes": cars, "labels": labels}])
    return metric.compute()

print(f"torchmetrics {version('torchmetrics')}: four cars in one image")
found = {}
for name, boxes in models.items():
    found[name] = (
        float(measured(IntersectionOverUnion(), boxes)["iou"]), float(measured(GeneralizedIntersectionOverUnion(), boxes)["giou"]),
        float(measured(MeanAveragePrecision(), boxes)["map"]))
    print(f"  {name}: IoU {found[name][0]:.3f}, generalized {found[name][1]:.3f}; mean average precision {found[name][2]:.3f}")
other = float(measured(IntersectionOverUnion(), cars, torch.arange(4))["iou"])
plain = float(intersection_over_union(cars, cars))
print(f"  all four, to the pixel, of four classes: IoU {other:.3f}; the functional form: {plain:.3f}")
perfect, one, again, near = found.values()
assert perfect[0] == one[0] == again[0] == 0.25 and perfect[1] < 0, found
assert other == plain == 1 and perfect[2] > 0.99 and one[2] < 0.3, (other, plain, found)
PY
