#!/usr/bin/env bash
# torch, `with torch.autocast(...)` around more than one forward pass: a weight's copy in 16 bits is made once and kept until the *outermost* block ends, whatever becomes of the
# weight meanwhile. A training loop that stands within one block goes through all its steps with the weights that it began with: the loss is the same to the last digit
# for ever, while the real weights are driven away without a brake (error 8.8 before, 5,100 after 100 steps). And an evaluation of two checkpoints, of a model and of
# its moving average, or of the best epoch after the last, within one block under `no_grad` gives the first one's answer twice, whatever `load_state_dict` brought: averaging
# "makes no difference". Nothing is raised or logged. The documentation says that autocast should wrap the forward pass, that a backward pass in it is not
# recommended, and of `cache_enabled` that it is there; not that weights are held. (The version counter, by which autograd notices a weight
# that was changed in place, is not looked at.) A block per forward pass, `cache_enabled=False` and `inference_mode` are right.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'torch==2.13.0' 'numpy==2.4.6'
cd "$work"
OMP_NUM_THREADS=1 "$work/venv/bin/python" -W ignore - <<'PY'
from contextlib import nullcontext

import torch
from torch import nn

torch.manual_seed(0)
inputs = torch.randn(256, 8)
targets = inputs @ torch.randn(8, 1)


def network():
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 1))


def half(**options):
    return torch.autocast("cpu", torch.bfloat16, **options)


def train(outer, inner):
    model, losses = network(), []
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    with outer:
        for _ in range(100):
            with inner():
                loss = nn.functional.mse_loss(model(inputs).float(), targets)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    return losses, nn.functional.mse_loss(model(inputs), targets).item()


print(f"torch {torch.__version__}, 100 steps of SGD: loss of the first, second and last step, and the trained weights' own")
found = {}
for name, outer, inner in (
    ("a block for each step", nullcontext(), half),
    ("one block for all", half(), nullcontext),
    ("one block for all, cache_enabled=False", half(cache_enabled=False), nullcontext),
):
    losses, after = found[name] = train(outer, inner)
    print(f"  {name}: {losses[0]:.3f}, {losses[1]:.3f}, {losses[-1]:.3f}; {after:.3f}")
losses, after = found["one block for all"]
assert len(set(losses)) == 1 and after > 100, (losses[:3], after)
for name in ("a block for each step", "one block for all, cache_enabled=False"):
    assert found[name][0][-1] < 0.2 and found[name][1] < 0.2, found[name]

first, second = network(), nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 1))
print("answers to one row by two checkpoints, loaded one after the other into one model")
for name, mode, options, is_right in (("no_grad", torch.no_grad, {}, False), ("no_grad, cache_enabled=False", torch.no_grad, {"cache_enabled": False}, True), ("inference_mode", torch.inference_mode, {}, True)):
    model, answers = network(), []
    with half(**options), mode():
        for checkpoint in (first, second):
            model.load_state_dict(checkpoint.state_dict())
            answers.append(model(inputs[:1]).item())
    print(f"  {name}: {answers[0]:.4f}, {answers[1]:.4f}")
    assert (answers[0] != answers[1]) == is_right, (name, answers)
PY
