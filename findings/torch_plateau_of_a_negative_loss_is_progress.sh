#!/usr/bin/env bash
# torch, optim.lr_scheduler.ReduceLROnPlateau as it comes: the least change that counts is a share of the best value so far, `best * (1 - 1e-4)` of what is to fall. Of a value
# below 0, a log-likelihood of densities, an ELBO, a Dice or SI-SNR loss, an R² of a bad start (mode="max"), that threshold lies on the *wrong side* of the best: the
# same loss for ever is an improvement each epoch, and so is one that gets worse each epoch by less than a ten-thousandth. The rate is never
# lowered, and `best` follows the loss away. The same losses plus a constant that makes them positive lower it as they should. The documentation gives the formula; that a plateau
# is none below 0 it does not say (issues 38622 and 47513, open since 2020). threshold_mode="abs" is right of both. Of early stopping, Lightning's and Keras' take the
# difference, so that one who knows these expects no other.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'torch==2.13.0' 'numpy==2.4.6'
cd "$work"
"$work/venv/bin/python" -W ignore - <<'PY'
import torch


def rate(losses, **options):
    """The learning rate after these losses, from 1, and what is held to be the best of them."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=10, **options)
    for loss in losses:
        scheduler.step(loss)
    return optimizer.param_groups[0]["lr"], scheduler.best


flat, worse = [-10.0] * 100, [-10 + 0.0009 * epoch for epoch in range(100)]
print(f"torch {torch.__version__}, 100 epochs, patience 10: learning rate at the end, from 1, and the best loss by the scheduler")
found = {}
for name, losses, options in (
    ("a loss of -10, always", flat, {}),
    ("the same plus 20", [loss + 20 for loss in flat], {}),
    ("-10 to -9.91, worse each epoch", worse, {}),
    ("the same plus 20", [loss + 20 for loss in worse], {}),
    ("-10 to -9.91, threshold_mode=abs", worse, {"threshold_mode": "abs"}),
    ("an R² of -.3, always, mode=max", [-0.3] * 100, {"mode": "max"}),
    ("an R² of .3, always, mode=max", [0.3] * 100, {"mode": "max"}),
):
    lowered, best = rate(losses, **options)
    found[name, losses[0]] = lowered
    print(f"  {name}: {lowered:.0e}, best {best:.2f}")
    assert (lowered == 1.0) == (losses[0] < 0 and "threshold_mode" not in options), (name, lowered)
assert abs(rate(worse)[1] - worse[-1]) < 1e-12
PY
