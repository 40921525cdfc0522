#!/usr/bin/env bash
# torch, optim.AdamW(fused=True) (Adam and SGD too) on a processor: the kernel takes weights, gradients and moments as they lie in memory, whatever
# their strides. Once `model.to(memory_format=torch.channels_last)` is called between two steps, or moments come back from a file that keeps plain
# order (safetensors, numpy), each weight of a convolution is moved by another weight's moments: the training goes on, in silence, with other
# weights. The plain and the `foreach` way are right; the CUDA kernel refuses ("must have same dtype, device, and layout"). The documentation
# calls them ways to compute the same, and transformers' Trainer asks for the fused one unless told otherwise.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'torch==2.13.0' 'numpy==2.4.6' 'safetensors==0.8.0'
"$work/venv/bin/python" -W ignore - "$work/moments.safetensors" <<'PY'
import sys

import torch
from safetensors.torch import load_file, save_file
from torch import nn

WAYS = {"plain": {"foreach": False}, "foreach": {"foreach": True}, "fused": {"fused": True}}
generator = torch.Generator().manual_seed(0)
images, targets = torch.randn(64, 4, 8, 8, generator=generator), torch.randn(64, 6, generator=generator)


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(4, 16, 3), nn.ReLU(), nn.Conv2d(16, 6, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())


def steps(model, optimizer, count):
    for _ in range(count):
        optimizer.zero_grad()
        nn.functional.mse_loss(model(images), targets).backward()
        optimizer.step()


def channels_last_on_the_way(way):
    model = network()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01, **way)
    steps(model, optimizer, 20)
    model.to(memory_format=torch.channels_last)
    steps(model, optimizer, 1)
    return model[0].weight.detach()


def resumed(way):
    model = network().to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01, **way)
    steps(model, optimizer, 20)
    state = optimizer.state_dict()
    save_file({f"{k}.{n}": v.contiguous() for k, m in state["state"].items() for n, v in m.items()}, sys.argv[1])
    moments = {}
    for key, value in load_file(sys.argv[1]).items():
        moments.setdefault(int(key.split(".")[0]), {})[key.split(".")[1]] = value
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01, **way)
    optimizer.load_state_dict({**optimizer.state_dict(), "state": moments})
    steps(model, optimizer, 1)
    return model[0].weight.detach()


def never(way):
    model = network()
    steps(model, torch.optim.AdamW(model.parameters(), lr=0.01, **way), 21)
    return model[0].weight.detach()


print(f"torch {torch.__version__}, a convolution's weights after 21 steps of AdamW, furthest from those of the plain way (rate .01):")
far = {}
for what in (never, channels_last_on_the_way, resumed):
    weights = {name: what(way) for name, way in WAYS.items()}
    far[what.__name__] = {name: float((weights[name] - weights["plain"]).abs().max()) for name in WAYS}
    print(f"  {what.__name__.replace('_', ' '):25}", "  ".join(f"{name} {value:.0e}" for name, value in far[what.__name__].items()))
assert max(found["foreach"] for found in far.values()) < 1e-5, far
assert far["never"]["fused"] < 1e-5 < 2e-3 < min(far["channels_last_on_the_way"]["fused"], far["resumed"]["fused"]), far
PY
