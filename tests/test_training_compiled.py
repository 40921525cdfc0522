"""`torch.compile` in a training that is long enough: kept where it is faster, and it changes no answer."""

from __future__ import annotations

import copy
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from harness.suite.schema import Augmentation, Training
from harness.training import checkpoint, compiling
from harness.training.batches import TensorBatches
from harness.training.loop import Fit, classification, fit


class ManySmallSteps(nn.Module):
    """A chain of operations on single numbers, which a compiler makes one of."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.last = nn.Linear(64, 2048), nn.Linear(2048, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        for _ in range(12):
            x = x * torch.sigmoid(x) + 0.1 * torch.tanh(x)
        y: Tensor = self.last(x)
        return y


def train(model: nn.Module, epochs: int = 2, folder: Path | None = None) -> Fit:
    torch.manual_seed(1)
    x, y = torch.randn(512, 64), torch.randint(3, (512,))
    training = Training.model_validate(
        {"epochs": epochs, "batch_size": 256, "schedule": {"name": "constant"}, "optimizer": {"lr": 0.001}}
    )
    data = TensorBatches(x, y, x[:64], y[:64], 256, Augmentation(), 0)
    return fit(model, data, classification(), training, seed=0, folder=folder, key="k")


@pytest.mark.slow
def test_a_long_training_that_is_compiled_learns_and_resumes_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plainly = ManySmallSteps()
    assert not train(plainly).mode.compiled, "a training of a second is not compiled"

    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "compiled"))  # no other checkout's
    monkeypatch.setattr(compiling, "LONG_ENOUGH_S", 0.0)
    monkeypatch.setattr(compiling, "CLEARLY_FASTER", 100.0)  # whichever is faster on this machine
    model = ManySmallSteps()
    done = train(model, folder=tmp_path)
    assert done.facts.refused_modes is None, done.facts.refused_modes
    assert set(done.facts.compiling_seconds_per_step or {}) == {"plain", "compiled"}
    assert done.mode.compiled and done.mode.label.endswith("compiled")
    for name, value in plainly.state_dict().items():
        assert torch.allclose(value, model.state_dict()[name], atol=2e-3), name

    whole, resumed = ManySmallSteps(), ManySmallSteps()
    train(whole, epochs=3)
    again = train(resumed, epochs=3, folder=tmp_path)
    assert again.facts.resumed_after_epoch == 2 and again.mode.compiled
    for name, value in checkpoint.snapshot(whole).items():
        assert torch.allclose(value, resumed.state_dict()[name], atol=2e-3), name


def test_compiling_that_saves_less_than_a_tenth_is_tried_and_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiling, "LONG_ENOUGH_S", 0.0)
    monkeypatch.setattr(compiling, "CLEARLY_FASTER", 0.0)
    monkeypatch.setattr(torch, "compile", lambda model, **options: model)
    done = train(nn.Linear(64, 3))
    assert not done.mode.compiled and done.facts.compiling_seconds_per_step is not None


def test_a_network_that_cannot_be_compiled_trains_as_it_is_and_the_record_says_why(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*args: object, **options: object) -> None:
        raise RuntimeError("no C++ compiler found")

    monkeypatch.setattr(compiling, "LONG_ENOUGH_S", 0.0)
    monkeypatch.setattr(torch, "compile", refuse)
    model = nn.Linear(64, 3)
    done = train(model)
    assert not done.mode.compiled
    assert (
        done.facts.refused_modes is not None
        and done.facts.refused_modes["compiled"] == "no C++ compiler found"
    )


def test_a_compiled_training_goes_on_where_nothing_can_be_compiled_and_the_record_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A node without a C++ compiler failed with each try what another had begun: compiling is not refused
    before the first step."""
    monkeypatch.setattr(compiling, "LONG_ENOUGH_S", 0.0)
    monkeypatch.setattr(compiling, "CLEARLY_FASTER", 100.0)
    begun = nn.Sequential(nn.Linear(64, 3), nn.BatchNorm1d(3))
    whole, resumed = copy.deepcopy(begun), copy.deepcopy(begun)
    monkeypatch.setattr(torch, "compile", lambda model, **options: model)
    assert train(begun, folder=tmp_path).mode.compiled
    train(whole, epochs=3)

    def refuse(inputs: Tensor) -> Tensor:
        raise RuntimeError("no working C++ compiler found\nSet CXX.")

    monkeypatch.setattr(torch, "compile", lambda model, **options: refuse)
    again = train(resumed, epochs=3, folder=tmp_path)
    assert again.facts.resumed_after_epoch == 2 and not again.mode.compiled
    assert (again.facts.refused_modes or {})[
        "compiled"
    ] == "until epoch 2 alone: no working C++ compiler found"
    for name, value in checkpoint.snapshot(whole).items():
        assert torch.equal(value, resumed.state_dict()[name]), name


@pytest.mark.slow
def test_a_training_that_was_compiled_for_real_goes_on_without_a_compiler(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "compiled"))
    monkeypatch.setattr(compiling, "LONG_ENOUGH_S", 0.0)
    monkeypatch.setattr(compiling, "CLEARLY_FASTER", 100.0)
    assert train(ManySmallSteps(), folder=tmp_path).mode.compiled
    code = (
        "from pathlib import Path; from tests.test_training_compiled import ManySmallSteps, train\n"
        f"done = train(ManySmallSteps(), epochs=3, folder=Path({str(tmp_path)!r}))\n"
        "print(done.mode.compiled, done.facts.resumed_after_epoch, done.facts.refused_modes)"
    )
    without = {"CXX": "/nowhere/g++", "TORCHINDUCTOR_CACHE_DIR": str(tmp_path / "elsewhere")}
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **without}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("False 2 "), done.stdout
    assert "until epoch 2 alone: InvalidCxxCompiler: No working C++ compiler found" in done.stdout
