"""A network's own loss is what is minimised: by its weights, its history, and its refusals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from harness.record import TrialError
from harness.training.loop import Fit, classification, fit
from harness.training.own_loss import with_own_loss
from tests.task_trials import spec, train, values
from tests.test_training import CLASSES, assert_same_weights, batches, blobs, network, settings


class Own(nn.Module):
    """A network with a loss: weighed classes, a price of confidence, or whatever a test gives it."""

    def __init__(self, loss: Any) -> None:
        super().__init__()
        self.net, self.loss = network(), loss

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.net(x)
        return out


def _fit(model: Own, **changes: Any) -> Fit:
    training = settings(**changes)
    objective = with_own_loss(classification(training.label_smoothing), model, training.label_smoothing)
    return fit(model, batches(), objective, training, seed=0)


def test_the_usual_loss_brought_along_changes_nothing() -> None:
    plain, own = network(), Own(nn.CrossEntropyLoss())
    usual = fit(plain, batches(), classification(), settings(), seed=0)
    brought = _fit(own)
    assert_same_weights(plain, own.net)
    assert [e.train_loss for e in usual.history] == [e.train_loss for e in brought.history]


def test_an_auxiliary_loss_of_another_weight_is_another_history() -> None:
    def priced(price: float) -> Own:
        return Own(lambda out, y: F.cross_entropy(out, y) + price * out.square().mean())

    light, heavy = priced(0.3), priced(9.0)
    histories = [_fit(model).history for model in (light, heavy)]
    assert histories[0][-1].train_loss != histories[1][-1].train_loss
    inputs = blobs(50)[0]
    sizes = [float(model.eval()(inputs).detach().abs().mean()) for model in (light, heavy)]
    assert sizes[1] < 0.5 * sizes[0]  # what is dear is used less
    assert all(e.validation_loss is not None for history in histories for e in history)


def test_class_weights_move_the_answers_towards_the_heavy_class() -> None:
    inputs = blobs(300, seed=5)[0]
    answered = []
    for weight in (0.01, 100.0):
        model = Own(nn.CrossEntropyLoss(weight=torch.tensor([weight, *[1.0] * (CLASSES - 1)])))
        _fit(model)
        answered.append(int((model.eval()(inputs).argmax(1) == 0).sum()))
    assert answered[0] < 0.7 * 100 < 1.3 * 100 < answered[1]


@pytest.mark.parametrize(
    ("loss", "message"),
    [
        (lambda out, y: F.cross_entropy(out, y, reduction="none"), r"gives \(32,\): it must give one number"),
        (lambda out, y: F.cross_entropy(out, y).item(), "gives float: it must give one number"),
        (
            lambda out, y: F.cross_entropy(out.detach(), y),
            "no gradient leads back from the network's own loss",
        ),
    ],
)
def test_a_loss_that_cannot_be_minimised_is_refused(loss: Any, message: str) -> None:
    with pytest.raises(TrialError, match=message):
        fit(Own(loss), batches(n=64), with_own_loss(classification(), Own(loss), 0.0), settings(), seed=0)


def test_label_smoothing_beside_an_own_loss_is_refused() -> None:
    with pytest.raises(TrialError, match="knows nothing of training.label_smoothing: set it to 0"):
        _fit(Own(nn.CrossEntropyLoss()), label_smoothing=0.1)


MODULE = """
import torch
from torch import nn
from torch.nn import functional as F

class Net(nn.Linear):
    def __init__(self, columns, price):
        super().__init__(columns, 2)
        self.price = price

    def loss(self, outputs, targets):
        return F.cross_entropy(outputs, targets) + self.price * self.weight.abs().sum()

def build(task, *, price: float = 0.0):
    return Net(task.input_shape[0], price)
"""


def test_a_builders_loss_is_minimised_in_a_trial(tmp_path: Path) -> None:
    from safetensors.numpy import load_file

    (tmp_path / "own_loss_nets.py").write_text(MODULE)
    sizes = []
    for price in (0.0, 0.1):
        args = {"price": price}
        what = spec(
            "own_loss_nets:build",
            args,
            data="breast_cancer",
            search=tmp_path,
            epochs=20,
            optimizer={"lr": 0.05},
        )
        outcome = train(what, tmp_path / str(price))
        assert values(outcome)["parameters"] == 62
        weights = load_file(tmp_path / str(price) / "fitted" / "weights.safetensors")
        sizes.append(float(np.abs(weights["weight"]).sum()))
    assert sizes[1] < 0.7 * sizes[0]


LEFT = """
import torch
from torch import nn
from torch.nn import functional as F

class Sparse(nn.Module):
    def __init__(self, columns):
        super().__init__()
        self.one, self.two = nn.Linear(columns, 8), nn.Linear(8, 2)

    def forward(self, x):
        self.hidden = self.one(x).relu()
        return self.two(self.hidden)

class InLoss(Sparse):
    def loss(self, outputs, targets):
        return F.cross_entropy(outputs, targets) + 0.01 * self.hidden.abs().mean()

class InPenalty(Sparse):
    def penalty(self):
        return 0.01 * self.hidden.abs().mean()

def build(task, *, penalty: bool):
    return (InPenalty if penalty else InLoss)(task.input_shape[0])
"""


@pytest.mark.parametrize("penalty", [False, True])
def test_a_loss_may_read_what_the_forward_pass_left(penalty: bool, tmp_path: Path) -> None:
    (tmp_path / "left_nets.py").write_text(LEFT)
    what = spec(
        "left_nets:build", {"penalty": penalty}, data="breast_cancer", search=tmp_path, epochs=3,
        precision="auto",
    )  # fmt: skip
    assert values(train(what, tmp_path / "train"))["parameters"] == 30 * 8 + 8 + 18
