"""A network is scored only where its answer to a row is that row's, each time, and after it was stored."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from harness.models.servable import load_servable
from harness.record import TrialError
from tests.task_trials import spec, train

MODELS = """
import torch
from torch import nn
from torch.nn import functional as F

class Net(nn.Module):
    def __init__(self, task, last=32):
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.ReLU())
        self.head = nn.Linear(last, task.num_classes)

    def forward(self, x):
        return self.head(self.layers(x))

class Drops(Net):
    def forward(self, x):
        return self.head(F.dropout(self.layers(x), 0.1))

class Normalises(Net):
    def __init__(self, task):
        super().__init__(task)
        self.norm = nn.BatchNorm1d(32, track_running_stats=False)

    def forward(self, x):
        return self.head(self.norm(self.layers(x)))

class NeverEvaluates(Normalises):
    def __init__(self, task):
        super().__init__(task)
        self.norm = nn.BatchNorm1d(32)

    def train(self, mode=True):
        return super().train(True)

class NormalisesImages(Net):
    def __init__(self, task):
        super().__init__(task)
        self.layers.insert(0, nn.BatchNorm2d(1, track_running_stats=False))

class AttendsToTheBatch(nn.Module):
    def __init__(self, task, first=False):
        super().__init__()
        self.layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=first)
        self.head = nn.Linear(8, task.num_classes)

    def forward(self, x):
        return self.head(self.layer(x[:, 0]).mean(1))

class SoftmaxOverRows(Net):
    def forward(self, x):
        x = self.layers(x)
        return self.head(x * x.softmax(0))

class Drawn(Net):
    def __init__(self, task, kept=False):
        super().__init__(task)
        waves = torch.randn(64, 32)
        if kept:
            self.register_buffer("waves", waves)
        else:
            self.waves = waves

    def forward(self, x):
        return self.head((x.flatten(1) @ self.waves).sin())

class InAList(Net):
    def __init__(self, task):
        super().__init__(task)
        self.more = [nn.Linear(32, 32)]

    def forward(self, x):
        return self.head(self.more[0](self.layers(x)).relu())

class Cools(Net):
    heat = 8.0

    def forward(self, x):
        if self.training:
            self.heat = max(1.0, self.heat / 2)
        return super().forward(x) / self.heat

class TwoHeads(Net):
    def forward(self, x):
        out = super().forward(x)
        return (out, out) if self.training else out

class Frozen(Net):
    def __init__(self, task):
        super().__init__(task)
        self.requires_grad_(False)

class Detached(Net):
    def forward(self, x):
        return super().forward(x).detach()

class Half(Net):
    def __init__(self, task):
        super().__init__(task)
        self.bfloat16()

    def forward(self, x):
        return super().forward(x.bfloat16()).float()

def build(task, *, which: str = "Net", kept: bool = False):
    return Drawn(task, kept) if which == "Drawn" else globals()[which](task)
"""

WRONG = {
    "Drops": "the same rows are answered otherwise each time",
    "Normalises": "one example alone cannot be answered, and it would be served so",
    "NeverEvaluates": "one example alone cannot be answered, and it would be served so",
    "NormalisesImages": "a row is answered otherwise alone than beside others",
    "AttendsToTheBatch": "a row is answered otherwise alone than beside others",
    "SoftmaxOverRows": "a row is answered otherwise alone than beside others",
    "Drawn": "rebuilt from what is stored it answers otherwise",
    "InAList": "rebuilt from what is stored it answers otherwise",
    "TwoHeads": "in training it answers a tuple",
    "Frozen": "no weight of it learns",
    "Detached": "nothing of it can learn, since its answer has no gradient",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "answering.py").write_text(MODELS)
    return tmp_path


@pytest.mark.parametrize("which", WRONG)
def test_a_network_whose_answer_is_not_by_its_row_alone_is_refused_before_it_is_trained(
    which: str, folder: Path
) -> None:
    what = spec("answering:build", {"which": which}, search=folder, epochs=1)
    with pytest.raises(TrialError, match=WRONG[which]):
        train(what, folder / "train")
    assert not (folder / "train" / "history.csv").exists()


def test_what_a_network_changes_in_itself_while_it_trains_must_be_stored(folder: Path) -> None:
    what = spec("answering:build", {"which": "Cools"}, search=folder, epochs=1)
    with pytest.raises(
        TrialError, match="rebuilt from what is stored it answers otherwise .*register_buffer"
    ):
        train(what, folder / "train")
    assert (folder / "train" / "history.csv").exists()


@pytest.mark.parametrize("args", [{"which": "Drawn", "kept": True}, {"which": "Half"}])
def test_what_is_kept_in_buffers_and_weights_of_16_bits_are_answered_alike(
    args: dict[str, object], folder: Path
) -> None:
    train(spec("answering:build", args, search=folder, epochs=1), folder / "train")
    stored = load_servable(folder / "train" / "fitted")
    rows = torch.randint(0, 17, (8, 1, 8, 8), dtype=torch.uint8)
    with torch.inference_mode():
        apart = (stored(rows) - torch.cat([stored(rows[i : i + 1]) for i in range(8)])).abs().max()
    assert apart < (0.02 if args["which"] == "Half" else 1e-5)


def test_looking_changes_nothing_of_what_is_learnt(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from harness.tasks import network

    what = spec("answering:build", {"which": "Drawn", "kept": True}, search=folder, epochs=1)
    train(what, folder / "looked")
    for name in ("refuse_unsteady", "refuse_forgetful", "refuse_unlearnable"):
        monkeypatch.setattr(network, name, lambda *_: None)
    train(what, folder / "not")
    weights = [(folder / name / "fitted" / "weights.safetensors").read_bytes() for name in ("looked", "not")]
    assert weights[0] == weights[1]
