"""Networks as people bring them: what would train or answer otherwise than it was meant is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from harness.models.build import build_model
from harness.protocols import Task
from harness.record import TrialError
from harness.tasks.evaluation import read_predictions
from harness.training import precision
from tests.task_trials import score, spec, train, values

NETWORKS = """
import torch
from torch import nn
from torch.nn import functional as F

ENDS = {
    "none": lambda x, learns: x,
    "sigmoid": lambda x, learns: x.sigmoid(),
    "softmax": lambda x, learns: x.softmax(1),
    "log_softmax": lambda x, learns: F.log_softmax(x, 1),
    "logsigmoid": lambda x, learns: F.logsigmoid(x),
    "relu": lambda x, learns: F.relu(x),
    "relu where it learns": lambda x, learns: F.relu(x) if learns else x,
    "sigmoid where it answers": lambda x, learns: x if learns else x.sigmoid(),
    "softplus": lambda x, learns: F.softplus(x),
    "exp": lambda x, learns: x.exp(),
    "clamp": lambda x, learns: x.clamp(min=0),
    "clamp far off": lambda x, learns: x.clamp(-20, 20),
    "sigmoid times": lambda x, learns: 4 * x.sigmoid() + 1,
    "leaky": lambda x, learns: F.leaky_relu(x),
    "a learnt scale": None,
}

class Net(nn.Module):
    def __init__(self, task, end):
        super().__init__()
        columns = 1
        for n in task.input_shape:
            columns *= n
        self.one, self.end, self.values = nn.Linear(columns, 16), end, not task.num_classes
        self.two, self.scale = nn.Linear(16, task.num_classes or 1), nn.Parameter(torch.ones(1))

    def forward(self, x):
        x = self.two(F.relu(self.one(x.flatten(1))))
        x = self.scale * x.sigmoid() if ENDS[self.end] is None else ENDS[self.end](x, self.training)
        return x.squeeze(-1) if self.values else x

def build(task, *, end: str = "none"):
    return Net(task, end)

class Named(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.size, self.head = size, "ours"
        self.out = nn.Linear(16, 10)

    def forward(self, x):
        return self.out(F.adaptive_avg_pool2d(x, 4).flatten(1))

def named(task, *, pair: bool = False):
    return Named((4, 4) if pair else 8)

KEPT = nn.Sequential(nn.Flatten(), nn.Linear(64, 16), nn.ReLU())

def kept(task, *, learns: bool = True):
    for weight in KEPT.parameters():
        weight.requires_grad = learns
    return nn.Sequential(KEPT, nn.Linear(16, task.num_classes))

class Pixels(nn.Module):
    def __init__(self, how, own):
        super().__init__()
        self.how, self.one, self.two = how, nn.Linear(64, 32), nn.Linear(32, 10)
        if own:
            self.register_buffer("input_mean", torch.zeros(1, 1, 1, 1), persistent=False)
            self.input_std = (1 / 255,)

    def forward(self, x):
        if self.how == "divided":
            x = x / 255.0
        elif self.how == "multiplied":
            x = x.float() * (1 / 255)
        elif self.how == "to -1 and 1":
            x = x.div(127.5) - 1
        return self.two(F.relu(self.one(x.flatten(1))))

def pixels(task, *, how: str = "divided", own: bool = False):
    return Pixels(how, own)

class Codes(nn.Module):
    def __init__(self, columns, own):
        super().__init__()
        self.code, self.out = nn.Embedding(50, 4), nn.Linear(4 + columns - 1, 3)
        if own:
            self.input_mean, self.input_std = torch.zeros(columns), torch.ones(columns)

    def forward(self, x):
        return self.out(torch.cat([self.code(x[:, 0].long().clamp(0, 49)), x[:, 1:]], 1))

def codes(task, *, own: bool = False):
    return Codes(task.input_shape[0], own)

class Layers(nn.Module):
    def __init__(self, made):
        super().__init__()
        self.transforms, self.out = made, nn.Linear(64, 10)

    def forward(self, x):
        return self.out(self.transforms(x).flatten(1))

def layers(task, *, images: bool = False):
    if images:
        from torchvision.transforms import v2
        return Layers(v2.Compose([v2.Normalize([0.0], [1.0])]))
    return Layers(nn.Sequential(nn.Flatten(), nn.Linear(64, 64), nn.ReLU()))

class OfInputs(Net):
    def loss(self, x, y):
        return F.cross_entropy(self(x), y)

def of_inputs(task):
    return OfInputs(task, "none")

def compiled(task):
    return torch.compile(Net(task, "none"))

class Encoder(nn.Module):
    def __init__(self, task):
        super().__init__()
        self.words = nn.Embedding(task.vocab_size, 16, padding_idx=0)
        self.layers = nn.TransformerEncoder(nn.TransformerEncoderLayer(16, 2, 32, batch_first=True), 1)
        self.out = nn.Linear(16, task.num_classes)

    def forward(self, tokens):
        real = (tokens != 0).unsqueeze(-1)
        x = self.layers(self.words(tokens), src_key_padding_mask=tokens == 0)
        return self.out((x * real).sum(1) / real.sum(1))

def encoder(task):
    return Encoder(task)

class Sparse(nn.Module):
    def __init__(self, task):
        super().__init__()
        self.bag = nn.EmbeddingBag(task.vocab_size, 8, sparse=True, padding_idx=0)
        self.out = nn.Linear(8, task.num_classes)

    def forward(self, tokens):
        return self.out(self.bag(tokens))

def sparse(task):
    return Sparse(task)

class Kernels(nn.Module):
    def __init__(self, task, more):
        super().__init__()
        self.words, self.more = nn.Embedding(task.vocab_size, 16, padding_idx=0), more
        self.kernels, self.out = nn.Conv1d(16, 16, 5, bias=False), nn.Linear(16, task.num_classes)

    def forward(self, tokens):
        x = self.words(F.pad(tokens, (4 * self.more, 4 * self.more))).transpose(1, 2)
        return self.out(F.relu(self.kernels(x)).amax(2))

def kernels(task, *, more: bool = False):
    return Kernels(task, more)

class Classes(nn.Linear):
    def __init__(self, num_classes=10):
        super().__init__(4, num_classes)

class Nothing(nn.Linear):
    def __init__(self):
        super().__init__(4, 3)

LOSSES = {
    "l1": nn.L1Loss(),
    "huber": F.huber_loss,
    "pinball": lambda o, y: torch.maximum(.9 * (y - o), .1 * (o - y)).mean(),
    "shrunk": lambda o, y: F.mse_loss(o, y) + .3 * o.square().mean(),
    "poisson": nn.PoissonNLLLoss(),
    "rmsle": lambda o, y: (torch.log1p(o) - torch.log1p(y)).square().mean().sqrt(),
    "bce": nn.BCEWithLogitsLoss(),
}

def lossy(task, *, loss: str = "l1"):
    net = Net(task, "none")
    net.loss = LOSSES[loss]
    return net
"""
TABLE = (4,)
TASKS = {
    "classes": Task("tabular_classification", 3, ("a", "b", "c"), TABLE),
    "labels": Task("multilabel_classification", 3, ("a", "b", "c"), TABLE, inputs="table"),
    "values": Task("tabular_regression", input_shape=TABLE),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "brought.py").write_text(NETWORKS)
    return tmp_path


def _spec(folder: Path, builder: str, args: dict[str, Any], **more: Any) -> dict[str, Any]:
    return spec(f"brought:{builder}", args, search=folder, **more)


@pytest.mark.parametrize(
    ("targets", "end", "said"),
    [
        ("classes", "sigmoid", "without the last sigmoid"),
        ("classes", "softmax", "without the last softmax"),
        ("classes", "sigmoid where it answers", "without the last sigmoid"),
        ("labels", "sigmoid", "without the last sigmoid"),
        ("labels", "sigmoid where it answers", "BCEWithLogitsLoss in place of nn.BCELoss"),
        ("labels", "softmax", "without the last softmax"),
        ("labels", "log_softmax", "without the last log_softmax"),
        ("labels", "logsigmoid", "without the last logsigmoid"),
        ("values", "relu", "Return what goes into the relu"),
        ("values", "softplus", "Return what goes into the softplus"),
        ("values", "exp", "Return what goes into the exp"),
        ("values", "clamp", "Return what goes into the clamp"),
        ("values", "sigmoid times", "Return what goes into the sigmoid"),
    ],
)
def test_a_network_that_ends_in_what_bounds_its_answers_is_refused_with_the_cure(
    targets: str, end: str, said: str, folder: Path
) -> None:
    with pytest.raises(ValueError, match=said):
        build_model("brought:build", TASKS[targets], {"end": end}, folder)


@pytest.mark.parametrize(
    ("targets", "end"),
    [
        ("classes", "log_softmax"), ("classes", "relu"), ("labels", "relu"), ("values", "leaky"),
        ("values", "a learnt scale"), ("values", "none"), ("values", "clamp far off"),
    ],
)  # fmt: skip
def test_an_end_that_bounds_nothing_is_the_networks_own_affair(targets: str, end: str, folder: Path) -> None:
    build_model("brought:build", TASKS[targets], {"end": end}, folder)


@pytest.mark.parametrize(("name", "said"), [("Classes", "num_classes"), ("Nothing", "nothing")])
def test_a_network_s_class_without_a_builder_is_told_which_one_to_write(
    name: str, said: str, folder: Path
) -> None:
    message = rf"takes {said} in its place .*`def build\(task\): return {name}\("
    with pytest.raises(ValueError, match=message):
        build_model(f"brought:{name}", TASKS["classes"], {}, folder)


def test_an_end_of_the_training_alone_is_refused_before_it_trains(folder: Path) -> None:
    what = {**_spec(folder, "build", {"end": "relu where it learns"}, data="diabetes", epochs=1)}
    with pytest.raises(TrialError, match="in training it ends in relu"):
        train(what, folder / "train")


def test_what_a_module_draws_when_it_is_imported_changes_no_weights(folder: Path) -> None:
    (folder / "draws.py").write_text(NETWORKS + "DRAWN = torch.randn(100)\n")
    stored = []
    for attempt in range(2):  # imported for the first one alone
        train(spec("draws:build", search=folder, epochs=1), folder / f"train-{attempt}")
        stored.append((folder / f"train-{attempt}" / "fitted" / "weights.safetensors").read_bytes())
    assert stored[0] == stored[1]


def test_log_softmax_behind_classes_learns_and_answers_as_its_logits_do(folder: Path) -> None:
    answers = []
    for end in ("none", "log_softmax"):
        what = _spec(folder, "build", {"end": end}, epochs=3, batch_size=64, optimizer={"lr": 0.01})
        train(what, folder / f"train-{end}")
        score(what, "onnx", folder / f"train-{end}", folder / f"score-{end}")
        answers.append(read_predictions(folder / f"score-{end}" / "predictions.parquet")[2])
    assert np.abs(answers[0] - answers[1]).max() < 1e-3
    assert (answers[0].argmax(1) == answers[1].argmax(1)).mean() > 0.99


@pytest.mark.parametrize("pair", [False, True])
def test_a_network_may_call_what_it_likes_size_and_head(pair: bool, folder: Path) -> None:
    outcome = train(_spec(folder, "named", {"pair": pair}, epochs=1), folder / "train")
    assert outcome.facts.resized is None and outcome.facts.head is None


def test_a_builder_that_gives_the_same_weights_again_is_refused(folder: Path) -> None:
    with pytest.raises(TrialError, match="gives the same weights each time .* inside of the builder"):
        train(_spec(folder, "kept", {}, epochs=1), folder / "train")
    train(_spec(folder, "kept", {"learns": False}, epochs=1), folder / "frozen")


@pytest.mark.parametrize("how", ["divided", "multiplied", "to -1 and 1"])
def test_pixels_that_are_scaled_twice_are_refused_and_the_cure_hands_them_over_as_they_are(
    how: str, folder: Path
) -> None:
    said = r"divides its inputs by .*self\.input_mean, self\.input_std = \(0\.0,\), \(1 / 255,\)"
    with pytest.raises(TrialError, match=said):
        train(_spec(folder, "pixels", {"how": how}, epochs=1), folder / "refused")
    settings: dict[str, Any] = {"epochs": 10, "batch_size": 32, "optimizer": {"lr": 0.01}}
    train(_spec(folder, "pixels", {"how": how, "own": True}, **settings), folder / "train")
    what = _spec(folder, "pixels", {"how": how, "own": True}, **settings)
    found = score(what, "onnx", folder / "train", folder / "score")
    assert (values(found)["accuracy"] or 0) > 0.85


def test_columns_that_are_read_as_codes_once_they_are_scaled_are_refused(folder: Path) -> None:
    with pytest.raises(ValueError, match=r"casts columns to whole numbers.*self\.input_mean. to zeros"):
        build_model("brought:codes", TASKS["classes"], {}, folder)
    build_model("brought:codes", TASKS["classes"], {"own": True}, folder)


def test_layers_called_transforms_are_layers_and_a_made_transform_is_told_what_it_must_be(
    folder: Path,
) -> None:
    train(_spec(folder, "layers", {}, epochs=1), folder / "train")
    with pytest.raises(TrialError, match=r"transforms is a Compose, .* `def transforms\(self, train\)"):
        train(_spec(folder, "layers", {"images": True}, epochs=1), folder / "refused")


def test_another_forward_of_the_same_layers_is_tried_anew(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[str] = []

    def choose(model: torch.nn.Module, *_: object) -> tuple[precision.Mode, dict[str, Any]]:
        tried.append(str(model))
        return precision.Mode(), {}

    monkeypatch.setattr(precision, "_choose", choose)
    task = Task("image_classification", 10, tuple("0123456789"), (1, 8, 8))
    batch = torch.zeros(4, 1, 8, 8), torch.zeros(4, dtype=torch.int64)
    for how in ("as it is", "other", "other"):
        network = build_model("brought:pixels", task, {"how": how}, folder)
        precision.choose_mode(
            network, batch, torch.nn.functional.cross_entropy, "cpu", "auto", folder / "beside"
        )
    assert len(tried) == 2 and tried[0] == tried[1]


def test_a_compiled_network_is_trained_and_served(folder: Path) -> None:
    what = _spec(folder, "compiled", {}, epochs=5, batch_size=32, optimizer={"lr": 0.01})
    train(what, folder / "train")
    found = score(what, "onnx", folder / "train", folder / "score")
    assert (values(found)["accuracy"] or 0) > 0.8


def test_a_loss_of_inputs_is_told_what_it_is_given(folder: Path) -> None:
    said = (
        r"called as loss\(outputs, targets\), here with outputs \(\d+, 10\) and targets \(\d+,\) of "
        "torch.int64"
    )
    with pytest.raises(TrialError, match=said):
        train(_spec(folder, "of_inputs", {}, epochs=1), folder / "train")


@pytest.mark.parametrize("loss", ["l1", "huber", "pinball", "shrunk"])
def test_a_regressions_loss_of_differences_is_learnt_by(loss: str, folder: Path) -> None:
    train(_spec(folder, "lossy", {"loss": loss}, data="diabetes", epochs=1), folder / "train")


@pytest.mark.parametrize("loss", ["poisson", "rmsle", "bce"])
def test_a_regressions_loss_in_another_scale_is_refused(loss: str, folder: Path) -> None:
    with pytest.raises(TrialError, match="own loss is not least where its outputs are the targets"):
        train(_spec(folder, "lossy", {"loss": loss}, data="diabetes", epochs=1), folder / "train")


def _texts(folder: Path) -> dict[str, Any]:
    random = np.random.default_rng(0)
    lines = ["text,label"]
    for i in range(240):
        words = [f"w{n}" for n in random.integers(0, 20, random.integers(1, 12))]
        words[int(random.integers(len(words)))] = ("bad", "good")[i % 2]
        lines.append(f"{' '.join(words)},{('no', 'yes')[i % 2]}")
    (folder / "t.csv").write_text("\n".join(lines) + "\n")
    return {"name": "text_csv", "args": {"path": str(folder / "t.csv")}, "validation": 0.1, "seed": 0}


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
def test_an_encoder_of_torchs_own_layers_is_served_in_bf16(folder: Path) -> None:
    what = {
        **_spec(folder, "encoder", {}, data="text_csv", epochs=8, batch_size=16, optimizer={"lr": 0.01}),
        "data": _texts(folder),
    }
    train(what, folder / "train")
    exact = score(what, "torch", folder / "train", folder / "torch")
    found = score(what, "torch-bf16", folder / "train", folder / "bf16")
    assert (values(exact)["accuracy"] or 0) > 0.9
    assert found.facts.parity.max_abs_difference < 0.1
    assert torch.backends.mha.get_fastpath_enabled()


def test_a_text_shorter_than_a_kernel_is_refused_and_the_cure_answers_it(folder: Path) -> None:
    data = _texts(folder)
    what = _spec(folder, "kernels", {}, data="text_csv", epochs=1)
    with pytest.raises(TrialError, match=r"a text of 1 words cannot be answered alone.*`tokens = F.pad"):
        train({**what, "data": data}, folder / "refused")
    train({**what, "args": {"more": True}, "data": data}, folder / "train")


def test_sparse_gradients_are_refused_where_nothing_takes_them_and_learnt_by_sgd(folder: Path) -> None:
    what = {**_spec(folder, "sparse", {}, data="text_csv", epochs=1), "data": _texts(folder)}
    with pytest.raises(TrialError, match="`network.bag` has sparse=True.*gradient_clip: 0"):
        train(what, folder / "refused")
    plain: dict[str, Any] = {"optimizer": {"name": "sgd", "weight_decay": 0}, "gradient_clip": 0}
    what = {**_spec(folder, "sparse", {}, data="text_csv", epochs=1, **plain), "data": what["data"]}
    train(what, folder / "train")
