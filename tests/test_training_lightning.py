"""A LightningModule is trained by lightning.Trainer, as it says itself, on the suite's data and seeds."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import harness
from harness.datasets.parts import load_parts
from harness.models.servable import load_servable
from harness.reading import read_suite
from harness.record import SuiteError, TrialError
from harness.running.preflight import preflight
from harness.tasks.evaluation import read_predictions
from tests.task_trials import score, spec, train, train_until, values

pytestmark = [
    pytest.mark.filterwarnings("ignore"),
    pytest.mark.skipif(find_spec("lightning") is None, reason="not installed (extra lightning)"),
]

MODULE = """
import lightning, torch
from torch import nn
from torch.nn import functional as F

class Net(lightning.LightningModule):
    def __init__(self, inputs, weight, dropout):
        super().__init__()
        self.save_hyperparameters()
        self.body = nn.Sequential(nn.Flatten(), nn.Linear(inputs, 16), nn.ReLU(), nn.Dropout(dropout))
        self.head, self.aside = nn.Linear(16, 10), nn.Linear(16, inputs)
        self.weight = weight

    def forward(self, x):
        return self.head(self.body(x))

    def training_step(self, batch, index):
        x, y = batch
        inner = self.body(x)
        again = F.mse_loss(self.aside(inner), x.flatten(1))
        self.log("again", again, on_epoch=True)
        return F.cross_entropy(self.head(inner), y) + self.weight * again

    def configure_optimizers(self):
        groups = [{"params": self.body.parameters(), "lr": 0.01}, {"params": self.head.parameters()},
                  {"params": self.aside.parameters()}]
        optimizer = torch.optim.SGD(groups, lr=0.05, momentum=0.9)
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, [0.05, 0.1, 0.1], total_steps=self.trainer.estimated_stepping_batches)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

def aside(task, *, weight: float = 0.3, dropout: float = 0.1):
    return Net(int(torch.tensor(task.input_shape).prod()), weight, dropout)

class Plain(lightning.LightningModule):
    def __init__(self):
        super().__init__()
        self.layer = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))

    def forward(self, x):
        return self.layer(x)

    def training_step(self, batch, index):
        return F.cross_entropy(self(batch[0]), batch[1])

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.05)

class Validating(Plain):
    def validation_step(self, batch, index):
        self.log("own_loss", F.cross_entropy(self(batch[0]), batch[1]))

    def on_train_epoch_start(self):
        self.log("begun", float(self.current_epoch))

class ByHand(Plain):
    def __init__(self):
        super().__init__()
        self.automatic_optimization = False

    def training_step(self, batch, index):
        optimizer = self.optimizers()
        optimizer.zero_grad()
        loss = F.cross_entropy(self(batch[0]), batch[1])
        self.manual_backward(loss)
        optimizer.step()
        return loss

class Failing(Plain):
    def training_step(self, batch, index):
        raise KeyError("labels")

def plain(task):
    return Plain()

def network(task):
    return Plain().layer

def validating(task):
    return Validating()

def by_hand(task):
    return ByHand()

def failing(task):
    return Failing()
"""


@pytest.fixture
def beside(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[tuple[Path, str]]:
    """A folder with the module above, under a name of its own: what was imported once is not read again."""
    name = f"own_{abs(hash(request.node.name))}"
    (tmp_path / f"{name}.py").write_text(MODULE)
    yield tmp_path, name


def history(folder: Path) -> pd.DataFrame:
    return pd.read_csv(folder / "history.csv")


def test_its_own_loss_optimizer_and_schedule_decide_what_is_learnt(beside: tuple[Path, str]) -> None:
    folder, name = beside
    losses = {}
    for weight in (0.3, 9.0):
        what = spec(f"{name}:aside", {"weight": weight}, search=folder, epochs=4, batch_size=64)
        outcome = train(what, folder / f"train-{weight}")
        losses[weight] = history(folder / f"train-{weight}")
        assert "own training_step and optimizers" in str(outcome.facts.mode)
    # The loss that is learnt by holds the part beside it; the history shows both, as they were.
    for weight, seen in losses.items():
        assert (seen.train_loss > weight * seen.logged_again_epoch).all()
    assert losses[9.0].logged_again_epoch.iloc[-1] < losses[0.3].logged_again_epoch.iloc[-1]
    # Its own schedule by step, of the first of its groups, as torch alone gives it.
    steps = -(-len(load_parts(what["data"], None).train) // 64)
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.05, momentum=0.9)
    cycle = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.05, total_steps=4 * steps)
    by_hand = []
    for step in range(1, 4 * steps):
        optimizer.step()
        cycle.step()
        by_hand += [cycle.get_last_lr()[0]] if step % steps == 0 else []
    assert np.allclose(losses[0.3].lr[:3], by_hand, rtol=1e-6)
    assert losses[0.3].validation_score.iloc[-1] > 0.8


def test_without_tricks_it_learns_the_weights_of_the_loop(beside: tuple[Path, str]) -> None:
    folder, name = beside
    same = {
        "epochs": 3,
        "batch_size": 32,
        "optimizer": {"name": "sgd", "lr": 0.05, "momentum": 0.0, "weight_decay": 0.0},
        "schedule": {"name": "constant", "warmup": 0.0},
    }
    train(spec(f"{name}:plain", search=folder, **same), folder / "lightning")
    train(spec(f"{name}:network", search=folder, **same), folder / "loop")
    found = [
        torch.cat([p.flatten() for p in load_servable(folder / which / "fitted").parameters()])
        for which in ("lightning", "loop")
    ]
    assert torch.allclose(*found, atol=1e-6)
    seen = [history(folder / which) for which in ("lightning", "loop")]
    for column in ("train_loss", "validation_loss", "validation_score"):
        assert np.allclose(seen[0][column], seen[1][column], atol=1e-6)


def test_its_validation_step_hooks_and_steps_by_hand_are_run(beside: tuple[Path, str]) -> None:
    folder, name = beside
    train(spec(f"{name}:validating", search=folder, epochs=2), folder / "validating")
    seen = history(folder / "validating")
    assert list(seen.logged_begun) == [0.0, 1.0]
    assert np.allclose(seen.logged_own_loss, seen.validation_loss, rtol=1e-4)
    train(spec(f"{name}:by_hand", search=folder, epochs=2), folder / "by-hand")
    train(spec(f"{name}:plain", search=folder, epochs=2, gradient_clip=0), folder / "plain")
    assert np.allclose(history(folder / "by-hand").train_loss, history(folder / "plain").train_loss)


def test_an_interrupted_training_goes_on_and_ends_the_same(beside: tuple[Path, str]) -> None:
    folder, name = beside
    what = spec(f"{name}:aside", search=folder, epochs=4, batch_size=64)

    train_until(what, folder / "whole")
    with pytest.raises((KeyboardInterrupt, SystemExit)):
        train_until(what, folder / "cut", stop_after=2)
    again = train_until(what, folder / "cut")
    assert again.facts.resumed_after_epoch == 2
    whole, cut = (
        torch.cat([p.flatten() for p in load_servable(folder / which / "fitted").parameters()])
        for which in ("whole", "cut")
    )
    assert torch.equal(whole, cut)
    assert history(folder / "whole").train_loss.equals(history(folder / "cut").train_loss)


def test_it_is_scored_exported_and_quantised_as_any_network(beside: tuple[Path, str]) -> None:
    folder, name = beside
    what = spec(f"{name}:aside", search=folder, epochs=6, batch_size=32)
    train(what, folder / "train")
    native = score(what, "torch", folder / "train", folder / "torch")
    assert (values(native)["accuracy"] or 0) > 0.85
    exported = score(what, "onnx", folder / "train", folder / "onnx")
    assert exported.facts.parity.max_abs_difference < 1e-4
    small = score(what, "onnx-int8", folder / "train", folder / "int8")
    assert (values(small)["accuracy"] or 0) > (values(native)["accuracy"] or 0) - 0.03
    _, _, answers = read_predictions(folder / "torch" / "predictions.parquet")
    test = load_parts(what["data"], None).test
    with torch.inference_mode():
        by_hand = load_servable(folder / "train" / "fitted")(torch.from_numpy(test.inputs)).numpy()
    assert np.abs(answers - by_hand).max() < 1e-6


def test_what_the_module_raises_is_the_reason_and_label_smoothing_is_refused(
    beside: tuple[Path, str],
) -> None:
    folder, name = beside
    with pytest.raises(TrialError, match=r"lightning.Trainer stopped: KeyError: 'labels'"):
        train(spec(f"{name}:failing", search=folder), folder / "failing")
    with pytest.raises(TrialError, match="label_smoothing: set it to 0"):
        train(spec(f"{name}:plain", search=folder, label_smoothing=0.1), folder / "smooth")


def asked(folder: Path, name: str, training: str, shared: str = "") -> list[str]:
    """What is said before anything runs of a LightningModule whose candidate asks for some training."""
    path = folder / "suite.yaml"
    path.write_text(
        "name: own\ntask: image_classification\ndata: {name: digits}\n"
        f"training: {{seeds: [0], {shared}}}\n"
        f"candidates:\n  mine: {{model: '{name}:plain', training: {{{training}}}}}\n"
        "decision: {objective: maximize accuracy}\n"
    )
    suite = read_suite(path)
    try:
        preflight(suite, path, [t for t in harness.plan(suite).trials if t.kind == "train"])
    except SuiteError as error:
        return [str(mistake) for mistake in error.mistakes]
    return []


def test_an_optimizer_that_its_candidate_asks_for_is_refused_before_anything_runs(
    beside: tuple[Path, str],
) -> None:
    folder, name = beside
    for setting, said in {
        "optimizer: {lr: 0.5}": "training.optimizer of this candidate would not be used",
        "optimizer: {lr: 0.5}, schedule: {warmup: 0.2}": "training.optimizer and training.schedule of this",
        "label_smoothing: 0.1": "training.label_smoothing would not be used",
        "resources: {workers: 2}": "training.resources.workers: a LightningModule trains in one process",
        "tuning: {trials: 2, space: {optimizer.lr: {uniform: [0.01, 0.1]}}}": (
            "training.tuning.space searches optimizer.lr, which a LightningModule says itself"
        ),
    }.items():
        (mistake,) = asked(folder, name, setting)
        assert mistake.startswith(f"{folder}/suite.yaml:6: mine: {said}")
    # What the whole suite says holds for the others, and is only not used here.
    assert asked(folder, name, "", shared="optimizer: {lr: 0.5}, schedule: {warmup: 0.2}") == []
