#!/usr/bin/env bash
# A Keras 3.15.1 model on the torch backend is a torch.nn.Module, and a PyTorch loop over it runs without a word. Yet
# three habits of PyTorch pass it by: `model.train()` switches no Dropout on and no BatchNormalization to batch
# statistics (only `training=True` in the call does), `torch.manual_seed` does not decide its initial weights (they
# come from Python's `random`), and the names in its `state_dict` change with every build in one process, so that
# weights saved from the first model do not load into the second of the same code.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet keras==3.15.1 torch==2.13.0 numpy==2.4.6
KERAS_BACKEND=torch "$folder/venv/bin/python" - <<'PY'
import keras
import torch


def build():
    torch.manual_seed(0)
    layers = [keras.Input((8,)), keras.layers.Dense(4), keras.layers.Dropout(0.5), keras.layers.BatchNormalization()]
    return keras.Sequential(layers)


first, second = build(), build()
print("keras", keras.__version__, "torch", torch.__version__)
assert isinstance(first, torch.nn.Module)
rows = torch.rand(64, 8)

first.train()
silent = torch.equal(first(rows), first(rows))
learns = not torch.equal(first(rows, training=True), first(rows, training=True))
print("after train(): two calls give the same:", silent, "- with training=True they differ:", learns)

kernels = [model.get_weights()[0] for model in (first, second)]
print("same torch.manual_seed, same initial kernel:", bool((kernels[0] == kernels[1]).all()))

names = [next(iter(model.state_dict())) for model in (first, second)]
print("first name of each state_dict:", names)
try:
    second.load_state_dict(first.state_dict())
    loads = True
except RuntimeError:
    loads = False
print("the first one's weights load into the second:", loads)
if not (silent and learns) or (kernels[0] == kernels[1]).all() or names[0] == names[1] or loads:
    raise SystemExit("the behaviour has changed")
PY
