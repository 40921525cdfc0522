#!/usr/bin/env bash
# safetensors.torch.save_model and load_model, the pair its guide names for whole models, lose the versions of modules that a
# state dict carries beside its tensors (`_metadata`). Most modules do not ask. torchvision's MNASNet does: the model that wrote
# the file cannot read it back, where torch.save and torch.load of the same state dict can. Copying `_metadata` of the model's
# own state dict into the loaded one is the cure.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'torch==2.13.0' 'torchvision==0.28.0' 'safetensors==0.8.0' 'numpy==2.4.6'
cd "$work"
"$work/venv/bin/python" - <<'PY'
import sys
import warnings

import safetensors
import torch
from safetensors.torch import load_file, load_model, save_model

try:
    from torchvision.models import mnasnet0_5
except RuntimeError:  # an index that pairs a torch for processors with a torchvision for CUDA: no operator of its is used here
    for name in [name for name in sys.modules if name.startswith("torchvision")]:
        del sys.modules[name]
    operators = torch.library.Library("torchvision", "DEF")
    operators.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    operators.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    from torchvision.models import mnasnet0_5

warnings.simplefilter("ignore")
model = mnasnet0_5(weights=None)
torch.save(model.state_dict(), "weights.pt")
save_model(model, "weights.safetensors")

model.load_state_dict(torch.load("weights.pt", weights_only=True))
try:
    load_model(model, "weights.safetensors")
    said = "read"
except ValueError as error:
    said = str(error)

state = load_file("weights.safetensors")
plain = type(model.state_dict())(state)
plain._metadata = model.state_dict()._metadata
model.load_state_dict(plain)
print(f"torch {torch.__version__}, safetensors {safetensors.__version__}: torch.load reads it back, load_model says {said!r}")
assert said == "version should be set to 1 or 2 instead of None"
PY
