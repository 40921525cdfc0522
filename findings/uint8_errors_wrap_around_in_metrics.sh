#!/usr/bin/env bash
# Errors of images and ratings that are kept as bytes (uint8: what image decoders give, and the smallest type for 1 to 5 stars): torchmetrics' MeanAbsoluteError
# subtracts them as they come, so that 3 less 4 is 255: a guess that is off by 1 here and there has a mean error of 86. torcheval's squared error and its
# PeakSignalNoiseRatio, and torchmetrics' MeanSquaredError, square in a byte: an error of 16, or of 64, is 256 or 4,096, which is 0 there. Pictures that
# are off by 64 everywhere have an error of 0 and a ratio without bounds, *better* than those that are off by 1. Nothing is said. torchmetrics' own ratio (cured:
# issue 2787) and scikit-learn's means are right of the same bytes; scikit-learn's max_error is 255. `.float()` before the metric cures all of it.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'torch==2.13.0' 'torchmetrics==1.9.0' 'torcheval==0.0.7' 'scikit-learn==1.9.1' 'numpy==2.4.6'
"$work/venv/bin/python" -W error::UserWarning -W error::RuntimeWarning - <<'PY'
from importlib.metadata import version

import sklearn.metrics as by_sklearn
import torch
from torcheval.metrics import functional as by_torcheval
from torchmetrics import functional as by_torchmetrics
from torchmetrics.functional.image import peak_signal_noise_ratio

torch.manual_seed(0)
truth = torch.randint(0, 256, (4, 3, 32, 32))
off = {
    "off by 1 or not": (truth + torch.randint(-1, 2, truth.shape)).clamp(0, 255),
    "off by 64 everywhere": torch.where(truth < 128, truth + 64, truth - 64),
}
measures = {
    "mean absolute error, torchmetrics": lambda a, b: by_torchmetrics.mean_absolute_error(a, b),
    "scikit-learn": lambda a, b: by_sklearn.mean_absolute_error(b.flatten().numpy(), a.flatten().numpy()),
    "largest, scikit-learn": lambda a, b: by_sklearn.max_error(b.flatten().numpy(), a.flatten().numpy()),
    "mean squared error, torchmetrics": lambda a, b: by_torchmetrics.mean_squared_error(a, b),
    "torcheval": lambda a, b: by_torcheval.mean_squared_error(a.flatten(), b.flatten()),
    "signal to noise, torcheval": lambda a, b: by_torcheval.peak_signal_noise_ratio(a, b, data_range=255.0),
    "torchmetrics": lambda a, b: peak_signal_noise_ratio(a, b, data_range=255.0),
}
print(f"torchmetrics {version('torchmetrics')}, torcheval {version('torcheval')}, scikit-learn {version('scikit-learn')}: four pictures")
found = {}
for name, answer in off.items():
    for kind in (torch.uint8, torch.float32):
        found[name, kind] = {what: round(float(measure(answer.to(kind), truth.to(kind))), 2) for what, measure in measures.items()}
        print(f"  {name}, {kind}: " + ", ".join(f"{what} {value}" for what, value in found[name, kind].items()))
near, far = (found[name, torch.uint8] for name in off)
right_near, right_far = (found[name, torch.float32] for name in off)
assert right_near["mean absolute error, torchmetrics"] < 1 < 80 < near["mean absolute error, torchmetrics"], near
assert far["mean squared error, torchmetrics"] == far["torcheval"] == 0 < near["torcheval"] and right_far["torcheval"] == 4096, far
assert far["signal to noise, torcheval"] == float("inf") and right_far["signal to noise, torcheval"] < 13, far
assert near["torchmetrics"] == right_near["torchmetrics"] and far["torchmetrics"] == right_far["torchmetrics"], (near, far)
assert near["scikit-learn"] == right_near["scikit-learn"] and near["largest, scikit-learn"] == 255, near
PY
