"""The training loop's laws: schedules, seeds, resuming, the best epoch, and what it refuses."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from harness.record import TrialError
from harness.suite.schema import Augmentation, Optimizer, Schedule, Training
from harness.training import checkpoint, precision
from harness.training.batches import TensorBatches, augment
from harness.training.flops import count_parameters, flops_per_example
from harness.training.loop import Epoch, Fit, best_epoch, classification, fit, regression
from harness.training.optim import build_optimizer, lr_factor, set_lr
from harness.training.precision import Mode, choose_mode, possible_modes
from harness.training.products import INSTEAD, AsProducts

CLASSES = 3


def blobs(n: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Three Gaussian blobs in the plane, most of them separable."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, CLASSES, size=n)
    centres = np.array([[0, 2], [2, -1], [-2, -1]])
    x = centres[y] + rng.normal(size=(n, 2))
    return torch.tensor(x, dtype=torch.float32), torch.from_numpy(y)


def batches(n: int = 100, batch_size: int = 32, seed: int = 0, validation: int = 60) -> TensorBatches:
    return TensorBatches(*blobs(n), *blobs(validation, seed=1), batch_size, Augmentation(), seed)


def network(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Linear(2, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.3), nn.Linear(16, CLASSES)
    )


def settings(**changes: Any) -> Training:
    return Training.model_validate(
        {"epochs": 4, "batch_size": 32, "precision": "fp32", "optimizer": {"lr": 0.01}, **changes}
    )


def train(model: nn.Module, training: Training | None = None, seed: int = 0, **options: Any) -> Fit:
    training = training or settings()
    data = batches(batch_size=training.batch_size, seed=seed)
    return fit(model, data, classification(training.label_smoothing), training, seed=seed, **options)


def assert_same_weights(one: nn.Module, other: nn.Module) -> None:
    for (name, a), b in zip(one.state_dict().items(), other.state_dict().values(), strict=True):
        assert torch.equal(a, b), name


# Schedules


def test_the_learning_rate_rises_to_its_peak_over_the_warm_up_and_falls_to_nearly_zero() -> None:
    linear = Schedule(name="linear_warmup_decay", warmup=0.2)
    factors = [lr_factor(step, 10, linear) for step in range(10)]
    np.testing.assert_allclose(factors, [0.5, 1.0, 1.0, 0.875, 0.75, 0.625, 0.5, 0.375, 0.25, 0.125])


def test_the_cosine_is_at_half_its_peak_in_the_middle() -> None:
    cosine = Schedule(name="cosine_warmup_decay", warmup=0.0)
    factors = [lr_factor(step, 8, cosine) for step in range(8)]
    assert factors[0] == 1.0 and factors[4] == pytest.approx(0.5)
    assert factors == sorted(factors, reverse=True) and 0 < factors[-1] < 0.05


def test_a_constant_schedule_stays_at_its_peak_after_the_warm_up() -> None:
    constant = Schedule(name="constant", warmup=0.5)
    assert [lr_factor(step, 4, constant) for step in range(4)] == [0.5, 1.0, 1.0, 1.0]


def test_the_history_shows_the_schedule() -> None:
    result = train(network(), settings(optimizer={"lr": 0.01}, schedule={"warmup": 0.0}))
    rates = [e.lr for e in result.history]
    assert rates == sorted(rates, reverse=True) and rates[-1] == pytest.approx(0.01 / 16)  # 4 x 4 steps


# Optimisers


def test_weight_decay_spares_biases_norms_and_what_the_network_names() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = nn.Sequential(nn.Linear(4, 4), nn.LayerNorm(4))
            self.position = nn.Parameter(torch.zeros(1, 5, 4))

        def no_weight_decay(self) -> set[str]:
            return {"position"}

    model = Net()
    optimizer = build_optimizer(model, Optimizer(name="adamw", lr=0.1, weight_decay=0.3))
    decayed, spared = optimizer.param_groups
    assert decayed["weight_decay"] == 0.3 and spared["weight_decay"] == 0.0
    assert [p.shape for p in decayed["params"]] == [(4, 4)]
    assert len(spared["params"]) == 4


@pytest.mark.parametrize("name", ["adamw", "adam", "sgd"])
def test_an_orthogonal_weight_stays_one_under_weight_decay(name: str) -> None:
    model = nn.utils.parametrizations.orthogonal(nn.Linear(8, 4))
    optimizer = build_optimizer(model, Optimizer(name=name, lr=0.01, weight_decay=0.1))
    for _ in range(3):
        model(torch.randn(16, 8)).square().mean().backward()
        optimizer.step()
        optimizer.zero_grad()
    assert torch.allclose(model.weight @ model.weight.T, torch.eye(4), atol=1e-5)


def test_a_network_may_bring_its_own_groups_and_each_keeps_its_own_peak() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body, self.head = nn.Linear(2, 2), nn.Linear(2, 2)

        def param_groups(self, lr: float, weight_decay: float) -> list[dict[str, Any]]:
            return [
                {"params": self.head.parameters(), "lr": lr, "weight_decay": weight_decay},
                {"params": self.body.parameters(), "lr": lr / 10, "weight_decay": 0.0},
            ]

    optimizer = build_optimizer(Net(), Optimizer(lr=0.1))
    assert set_lr(optimizer, 0.5) == 0.05
    assert optimizer.param_groups[1]["lr"] == pytest.approx(0.005)


def test_one_kernel_steps_over_all_weights_that_fill_their_memory() -> None:
    whole = nn.Conv2d(4, 6, 3).to(memory_format=torch.channels_last)
    (group,) = build_optimizer(whole, Optimizer(weight_decay=0.0)).param_groups[:1]
    assert group["fused"] is True
    plain = torch.optim.AdamW([whole.weight.detach().clone().requires_grad_()], lr=0.01, weight_decay=0.0)
    ours = build_optimizer(whole, Optimizer(lr=0.01, weight_decay=0.0))
    for _ in range(5):
        whole.weight.grad = torch.randn(6, 4, 3, 3).to(memory_format=torch.channels_last)
        plain.param_groups[0]["params"][0].grad = whole.weight.grad.clone()
        ours.step()
        plain.step()
    assert torch.allclose(whole.weight, plain.param_groups[0]["params"][0], atol=1e-6)

    class EverySecond(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.zeros(4, 8)[:, ::2])

    assert build_optimizer(EverySecond(), Optimizer()).param_groups[0]["fused"] is None
    assert (
        build_optimizer(nn.Embedding(8, 4, sparse=True), Optimizer(name="sgd")).param_groups[0]["fused"]
        is None
    )


@pytest.mark.parametrize("name", ["adamw", "adam", "sgd"])
def test_every_optimizer_learns_to_separate_blobs(name: str) -> None:
    lr = 0.1 if name == "sgd" else 0.02
    result = train(network(), settings(epochs=6, optimizer={"name": name, "lr": lr}))
    score = result.history[result.best_epoch - 1].validation_score
    assert score is not None and score > 0.85


# Batches


def test_an_epoch_holds_every_example_once_in_batches_of_equal_size() -> None:
    inputs = torch.arange(103, dtype=torch.float32)[:, None]
    data = TensorBatches(inputs, torch.arange(103), inputs[:0], torch.arange(0), 32, Augmentation(), 0)
    sizes = [len(y) for _, y in data.training(0)]
    assert len(sizes) == data.steps_per_epoch == 4 and max(sizes) - min(sizes) <= 1
    seen = torch.cat([y for _, y in data.training(0)])
    assert seen.tolist() != sorted(seen.tolist()) == list(range(103))
    assert list(data.validation()) == []


def test_the_order_depends_on_seed_and_epoch_only() -> None:
    def order(seed: int, epoch: int) -> list[int]:
        x = torch.zeros(50, 1)
        data = TensorBatches(x, torch.arange(50), x[:0], torch.arange(0), 16, Augmentation(), seed)
        torch.rand(7)  # what a candidate drew before must not matter
        return torch.cat([y for _, y in data.training(epoch)]).tolist()

    assert order(0, 1) == order(0, 1)
    assert order(0, 1) != order(0, 2)
    assert order(0, 1) != order(1, 1)


def test_flipping_mirrors_about_half_of_the_images_and_leaves_the_others() -> None:
    images = torch.arange(24, dtype=torch.uint8).view(1, 2, 3, 4).repeat(200, 1, 1, 1)
    flipped = augment(images, Augmentation(flip=True), np.random.default_rng(0))
    mirrored = (flipped == images.flip(-1)).flatten(1).all(dim=1)
    same = (flipped == images).flatten(1).all(dim=1)
    assert bool((mirrored ^ same).all())
    assert 60 < int(mirrored.sum()) < 140  # binomial(200, 1/2) leaves this range once in 10^8


def test_cropping_shifts_each_image_by_its_own_draw_and_fills_with_zeros() -> None:
    images = torch.ones(300, 1, 5, 5, dtype=torch.uint8)
    images[:, 0, 2, 2] = 9
    moved = augment(images, Augmentation(crop=1), np.random.default_rng(0))
    assert moved.shape == images.shape and moved.dtype == torch.uint8
    places = {tuple((image[0] == 9).nonzero()[0].tolist()) for image in moved}
    assert places == {(row, column) for row in (1, 2, 3) for column in (1, 2, 3)}
    for image in moved:
        row, column = (image[0] == 9).nonzero()[0].tolist()
        expected = 25 - (5 * abs(row - 2) + 5 * abs(column - 2) - abs(row - 2) * abs(column - 2))
        assert int((image > 0).sum()) == expected


# Seeds and resuming


def test_the_same_seed_gives_the_same_weights_and_another_seed_others() -> None:
    one, again, other = network(), network(), network()
    train(one, seed=0)
    torch.rand(5)
    train(again, seed=0)
    train(other, seed=1)
    assert_same_weights(one, again)
    assert not torch.equal(one.state_dict()["0.weight"], other.state_dict()["0.weight"])


@pytest.mark.parametrize("name", ["adamw", "sgd"])
@pytest.mark.parametrize("stop_after", [1, 3])
def test_a_resumed_training_ends_like_one_that_never_stopped(
    tmp_path: Path, name: str, stop_after: int
) -> None:
    class Killed(Exception):
        pass

    def kill(state: Mapping[str, Any]) -> None:
        if state["epoch"] == stop_after:
            raise Killed

    training = settings(optimizer={"name": name, "lr": 0.02})
    straight, broken, resumed = network(), network(), network(seed=5)
    expected = train(straight, training)
    with pytest.raises(Killed):
        train(broken, training, folder=tmp_path, key="k", progress=kill)
    epochs: list[int] = []
    result = train(resumed, training, folder=tmp_path, key="k", progress=lambda s: epochs.append(s["epoch"]))
    assert epochs == list(range(stop_after + 1, 5))
    assert result.facts.resumed_after_epoch == stop_after
    assert_same_weights(straight, resumed)
    assert result.best_epoch == expected.best_epoch
    assert [e.train_loss for e in result.history] == [e.train_loss for e in expected.history]
    assert [e.validation_loss for e in result.history] == [e.validation_loss for e in expected.history]


@pytest.mark.parametrize("name", ["adamw", "adam", "sgd"])
def test_an_optimizer_goes_on_in_whatever_order_its_weights_lie_in_memory(name: str) -> None:
    """A checkpoint keeps numbers in one order; `channels_last` weights have another."""
    kernels = torch.randn(6, 4, 3, 3).to(memory_format=torch.channels_last)
    straight, resumed = (nn.ParameterList([kernels.clone()]) for _ in range(2))

    def step(model: nn.ParameterList, optimizer: torch.optim.Optimizer, number: int) -> None:
        torch.manual_seed(number)
        optimizer.zero_grad()
        (model[0] * torch.randn(6, 4, 3, 3)).sum().backward()
        optimizer.step()

    how = Optimizer(name=name, lr=0.1)
    first, before = build_optimizer(straight, how), build_optimizer(resumed, how)
    for number in range(3):
        step(straight, first, number)
        step(resumed, before, number)
    after = build_optimizer(resumed, how)
    checkpoint.restore_optimizer(after, checkpoint.optimizer_tensors(before))
    for number in range(3, 6):
        step(straight, first, number)
        step(resumed, after, number)
    assert torch.equal(straight[0], resumed[0])


def test_a_checkpoint_of_another_trial_is_not_used_and_holds_no_pickle(tmp_path: Path) -> None:
    train(network(), folder=tmp_path, key="one")
    assert checkpoint.load(tmp_path, "one") is not None
    assert checkpoint.load(tmp_path, "other") is None
    assert [p.name for p in tmp_path.iterdir()] == ["epoch-0004"]
    suffixes = {p.suffix for p in tmp_path.rglob("*") if p.is_file()}
    assert suffixes == {".safetensors", ".json"}


@pytest.mark.parametrize("file", ["state.json", "model.safetensors"])
def test_a_damaged_checkpoint_is_trained_over(tmp_path: Path, file: str) -> None:
    train(network(), folder=tmp_path, key="k")
    whole = (tmp_path / "epoch-0004" / file).read_bytes()
    (tmp_path / "epoch-0004" / file).write_bytes(whole[: len(whole) // 2])
    assert checkpoint.load(tmp_path, "k") is None
    assert len(train(network(), folder=tmp_path, key="k").history) == 4


# What the settings do


def test_label_smoothing_makes_a_network_less_sure() -> None:
    def confidence(smoothing: float) -> float:
        model = network()
        train(model, settings(epochs=8, label_smoothing=smoothing, optimizer={"lr": 0.03}))
        with torch.no_grad():
            return float(torch.softmax(model.eval()(blobs(200, 3)[0]), 1).max(dim=1).values.mean())

    assert confidence(0.3) < confidence(0.0) - 0.05


def test_clipping_bounds_the_step() -> None:
    def moved(clip: float) -> float:
        model = network()
        before = model.state_dict()["0.weight"].clone()
        train(
            model,
            settings(
                epochs=1,
                gradient_clip=clip,
                optimizer={"name": "sgd", "lr": 0.1, "momentum": 0.0, "weight_decay": 0.0},
            ),
        )
        return float((model.state_dict()["0.weight"] - before).norm())

    # Four steps of at most lr x clip each.
    assert moved(0.001) <= 4 * 0.1 * 0.001 * 1.01
    assert moved(0.0) > 0.01  # 0 switches clipping off


def row(epoch: int, score: float | None, loss: float | None) -> Epoch:
    return Epoch(epoch, 0.0, 0.0, loss, score, 1.0, 1.0, 0.1)


def test_the_best_epoch_has_the_highest_score_then_the_lowest_loss_then_is_the_first() -> None:
    assert best_epoch([row(1, 0.8, 0.5), row(2, 0.9, 0.6), row(3, 0.85, 0.1)]) == 2
    assert best_epoch([row(1, 0.9, 0.6), row(2, 0.9, 0.5), row(3, 0.9, 0.5)]) == 2
    assert best_epoch([row(1, None, None), row(2, None, None)]) == 2


def test_the_model_ends_with_the_weights_of_its_best_epoch() -> None:
    kept: list[dict[str, Tensor]] = []
    model = network()
    # A rate this high makes later epochs worse than an earlier one.
    training = settings(epochs=8, optimizer={"lr": 0.5}, schedule={"name": "constant", "warmup": 0.0})
    result = train(model, training, progress=lambda _: kept.append(checkpoint.snapshot(model)))
    assert result.best_epoch < 8
    assert all(torch.equal(kept[result.best_epoch - 1][k], v) for k, v in model.state_dict().items())


def test_without_a_validation_part_the_last_epoch_is_kept() -> None:
    data = TensorBatches(*blobs(64), *blobs(0), 32, Augmentation(), 0)
    result = fit(network(), data, classification(), settings(), seed=0)
    assert result.best_epoch == 4 and result.history[-1].validation_loss is None


def test_a_loss_that_becomes_nan_is_said_with_its_step_and_a_cure() -> None:
    class Breaks(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner, self.calls = network(), 0

        def forward(self, x: Tensor) -> Tensor:
            self.calls += self.training
            out: Tensor = self.inner(x)
            return out * float("nan") if self.calls == 7 else out

    with pytest.raises(TrialError, match=r"^loss became NaN at epoch 2, step 3: lower optimizer\.lr$"):
        train(Breaks())


def test_regression_learns_a_line_and_scores_it_as_r2() -> None:
    x = torch.linspace(-1, 1, 200)[:, None]
    y = (1.5 * x[:, 0]) / 0.87  # variance about 1
    data = TensorBatches(x, y, x, y, 32, Augmentation(), 0)
    torch.manual_seed(0)
    result = fit(nn.Linear(1, 1), data, regression(), settings(epochs=20, optimizer={"lr": 0.05}), seed=0)
    score = result.history[-1].validation_score
    assert score is not None and 0.99 < score <= 1.0


# Precision


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.project = nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        q = self.project(x)[:, None]
        return nn.functional.scaled_dot_product_attention(q, q, q)[:, 0].mean(dim=1)


def test_only_ways_that_could_win_are_tried() -> None:
    conv, images = nn.Conv2d(1, 2, 3), torch.zeros(2, 1, 8, 8)
    labels = [m.label for m in possible_modes(conv, images, "cpu", "auto")]
    assert labels == ["fp32", "fp32 channels_last", "bf16 channels_last"]
    assert [m.label for m in possible_modes(conv, images, "cpu", "bf16")] == ["bf16 channels_last"]
    small, large = torch.zeros(2, 2, 4, 4), torch.zeros(2, 2, 8, 8)
    labels = [m.label for m in possible_modes(nn.Conv2d(2, 2, 1), small, "cpu", "auto")]
    assert labels[-2:] == ["fp32 channels_last products", "bf16 channels_last products"]
    assert len(possible_modes(nn.Conv2d(2, 2, 1), large, "cpu", "auto")) == 3
    attention, tokens = Attention(), torch.zeros(2, 3, 4)
    labels = [m.label for m in possible_modes(attention, tokens, "cpu", "auto")]
    assert labels == ["fp32", "bf16", "bf16 products"]
    assert [m.label for m in possible_modes(attention, tokens, "cpu", "fp32")] == ["fp32"]


class Looks(nn.Module):
    """Attention over the pixels of an image, which come out as they went in."""

    def forward(self, x_BCHW: Tensor) -> Tensor:
        tokens = x_BCHW.flatten(2).transpose(1, 2)[:, None]
        looked = nn.functional.scaled_dot_product_attention(tokens, tokens * 2, tokens)
        return looked[:, 0].transpose(1, 2).reshape(x_BCHW.shape)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("size", [(1, 1), (2, 2), (2, 5), (3, 8), (4, 4), (9, 9)])
@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2d(4, 6, 1),
        nn.Conv2d(4, 6, 1, bias=False),
        nn.Conv2d(4, 6, 1, stride=2),
        nn.Conv2d(4, 6, 1, padding=1),
        nn.Conv2d(4, 6, 1, groups=2),
        nn.Conv2d(4, 4, 7, padding=3, groups=4),
        nn.Conv2d(4, 4, 7, padding="same", groups=4, bias=False),
        nn.Conv2d(4, 8, 7, padding=3, groups=4),
        nn.Conv2d(4, 4, (5, 7), padding=(2, 3)),
        nn.Conv2d(4, 4, 7, padding=6, dilation=2),
        nn.Conv2d(4, 4, 7, padding=3, stride=2),
        nn.Conv2d(4, 4, 3, padding=2),
        Looks(),
    ],
    ids=str,
)
def test_a_layer_as_products_has_the_answers_and_gradients_of_the_layer(
    layer: nn.Module, size: tuple[int, int], layout: torch.memory_format
) -> None:
    torch.manual_seed(0)
    layer = layer.double()
    x = torch.randn(3, 4, *size, dtype=torch.double).contiguous(memory_format=layout).requires_grad_()

    def answers_and_gradients(mode: Mode) -> list[Tensor]:
        layer.zero_grad()
        with mode.active("cpu"):
            out = layer(x)
        return [out, *torch.autograd.grad((out * out.detach().cos()).sum(), [x, *layer.parameters()])]

    plain, products = (answers_and_gradients(Mode(products=p)) for p in (False, True))
    for one, other in zip(plain, products, strict=True):
        torch.testing.assert_close(other, one, rtol=1e-10, atol=1e-10)


class Views(nn.Module):
    """What comes out of a layer is taken as it lies in memory, as in many tutorials."""

    def __init__(self, layer: nn.Module, width: int) -> None:
        super().__init__()
        self.layer, self.head = layer, nn.Linear(width, 2)

    def forward(self, x: Tensor) -> Tensor:
        return torch.as_tensor(self.head(self.layer(x).view(len(x), -1)))


class Heads(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.qkv = nn.Linear(4, 12)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        B, C, H, W = x_BCHW.shape
        parts = self.qkv(x_BCHW.flatten(2).transpose(1, 2)).view(B, H * W, 3, 2, C // 2)
        q, k, v = parts.permute(2, 0, 3, 1, 4)
        return nn.functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).view(B, -1)


class Checkpointed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(4, 4, 1), nn.GELU(), nn.Conv2d(4, 4, 7, padding=3, groups=4))
        self.head = nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        out = torch.utils.checkpoint.checkpoint(self.layers, x, use_reentrant=False)
        return torch.as_tensor(self.head(out.mean((2, 3))))


@pytest.mark.parametrize("number_format", ["auto", "fp32", "bf16"])
@pytest.mark.parametrize(
    "model",
    [Views(nn.Conv2d(4, 4, 1), 64), Views(nn.Conv2d(4, 4, 3), 16), Views(Heads(), 64), Checkpointed()],
    ids=["a product", "an image", "attention", "checkpointed"],
)
def test_a_way_that_a_model_cannot_do_with_is_left_out(
    monkeypatch: pytest.MonkeyPatch, model: nn.Module, number_format: str
) -> None:
    """`view` of what lies otherwise ended trainings of networks that are right as they are written."""
    monkeypatch.setattr(precision, "_decided", {})
    batch = torch.randn(8, 4, 4, 4), torch.randint(0, 2, (8,))
    mode, _ = choose_mode(model, batch, nn.functional.cross_entropy, "cpu", number_format)
    with mode.active("cpu"):
        out = mode.place(model, "cpu")(batch[0])
    nn.functional.cross_entropy(out.float(), batch[1]).backward()


def test_products_are_what_they_are_for() -> None:
    x = torch.randn(2, 4, 2, 2)
    with AsProducts() as used:
        nn.Conv2d(4, 8, 7, padding=3)(x)
        assert used.met == {nn.functional.conv2d}
        nn.functional.scaled_dot_product_attention(x, x, x)
    assert INSTEAD[nn.functional.scaled_dot_product_attention](x, x, x) is not None
    assert len(used.met) == 2


def test_attention_with_a_mask_is_computed_as_it_is_written() -> None:
    q, mask = torch.randn(2, 1, 3, 4), torch.tensor([[True, False, True], [False] * 3])[:, None, None]
    with Mode(products=True).active("cpu"):
        found = nn.functional.scaled_dot_product_attention(q, q, q, mask)
    assert torch.equal(found[1], torch.zeros(1, 3, 4))  # where no token may be looked at


@pytest.mark.parametrize(
    ("seconds", "chosen"),
    [
        ({"fp32": 1.0, "bf16": 0.5}, "bf16"),
        ({"fp32": 1.0, "bf16": 2.0}, "fp32"),
        ({"fp32": 1.0, "bf16": 0.95}, "fp32"),  # a toss-up stays with fp32
    ],
)
def test_the_fastest_way_is_chosen_and_the_figures_are_kept(
    monkeypatch: pytest.MonkeyPatch, seconds: dict[str, float], chosen: str
) -> None:
    monkeypatch.setattr(precision, "_decided", {})
    monkeypatch.setattr(precision, "_time_steps", lambda *a: seconds[a[4].label])
    mode, facts = choose_mode(
        network(), (torch.zeros(4, 2), torch.zeros(4)), classification().loss, "cpu", "auto"
    )
    assert mode.label == chosen
    assert facts["tried_seconds_per_step"] == seconds


def test_all_seeds_and_sizes_of_a_candidate_are_trained_in_one_way(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Each process tried for itself: of two seeds one was trained in bf16, one in fp32 (11 of 59)."""
    examples = iter([64, 63, 64, 64])  # batches of an epoch are of equal size within 1

    def another_process_that_finds(seconds: dict[str, float], folder: Path) -> tuple[str, object]:
        monkeypatch.setattr(precision, "_decided", {})
        monkeypatch.setattr(precision, "_time_steps", lambda *a: seconds[a[4].label])
        batch = torch.zeros(n := next(examples), 2), torch.zeros(n)
        mode, tried = choose_mode(network(), batch, classification().loss, "cpu", "auto", folder)
        return mode.label, tried["tried_seconds_per_step"]

    fast, slow = {"fp32": 1.0, "bf16": 0.8}, {"fp32": 1.0, "bf16": 0.95}
    first = another_process_that_finds(fast, tmp_path / "suite" / "train-1")
    assert first == ("bf16", fast)
    assert another_process_that_finds(slow, tmp_path / "suite" / "train-2") == first
    assert another_process_that_finds(slow, tmp_path / "other" / "train-1") == ("fp32", slow)
    (kept,) = (tmp_path / "suite" / precision.KEPT).glob("*.json")
    kept.write_text(kept.read_text()[:9])  # cut short
    assert another_process_that_finds(slow, tmp_path / "suite" / "train-3") == ("fp32", slow)


def test_a_way_is_found_for_each_size_of_images(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Products gain on small images alone: what was found for large ones is no answer for these."""
    monkeypatch.setattr(precision, "_decided", {})
    monkeypatch.setattr(precision, "_time_steps", lambda *a: 0.5 if a[4].products else 1.0)
    network = nn.Sequential(nn.Conv2d(2, 2, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten())

    def found(side: int) -> bool:
        batch = torch.zeros(4, 2, side, side), torch.zeros(4, dtype=torch.long)
        folder = tmp_path / "suite" / f"train-{side}"
        return choose_mode(network, batch, classification().loss, "cpu", "auto", folder)[0].products

    assert [found(16), found(4)] == [False, True]


class TakesNoHalves(nn.Module):
    """As an LSTM on a processor without AVX-512: fp32 works, bf16 raises."""

    def __init__(self) -> None:
        super().__init__()
        self.project = nn.Linear(2, 1)

    def forward(self, x: Tensor) -> Tensor:
        if torch.is_autocast_enabled("cpu"):
            raise RuntimeError("could not create a primitive descriptor")
        return torch.as_tensor(self.project(x)).squeeze(1)


def test_a_way_that_the_machine_cannot_compute_is_left_out_and_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "_decided", {})
    batch = (torch.zeros(4, 2), torch.zeros(4))
    loss = nn.functional.mse_loss
    mode, facts = choose_mode(TakesNoHalves(), batch, loss, "cpu", "auto")
    assert mode.label == "fp32"
    assert facts["refused_modes"] == {"bf16": "could not create a primitive descriptor"}
    with pytest.raises(
        TrialError, match=r"cannot train the model in bf16 \(could not.*set precision: auto or fp32"
    ):
        choose_mode(TakesNoHalves(), batch, loss, "cpu", "bf16")


def test_a_model_that_fails_in_fp32_says_its_own_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "_decided", {})
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        choose_mode(
            nn.Linear(3, 1), (torch.zeros(4, 2), torch.zeros(4)), nn.functional.mse_loss, "cpu", "auto"
        )


def test_an_lstm_trains_on_a_processor_without_half_precision_units() -> None:
    """oneDNN is told to use AVX2 at most, which has no LSTM in bf16; it reads this once, at its first use."""
    script = (
        "import torch; from torch import nn; from harness.training.precision import choose_mode\n"
        "class Last(nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__(); self.lstm = nn.LSTM(4, 4, batch_first=True)\n"
        "    def forward(self, x): return self.lstm(x)[0][:, -1]\n"
        "batch = torch.zeros(8, 5, 4), torch.zeros(8, 4)\n"
        "choose_mode(Last(), batch, nn.functional.mse_loss, 'cpu', 'auto')\n"
    )
    environment = os.environ | {"ONEDNN_MAX_CPU_ISA": "AVX2", "PYTHONPATH": str(Path.cwd())}
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_trying_disturbs_neither_the_weights_nor_the_randomness(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "_decided", {})
    model, untouched = network(), network()
    state = torch.random.get_rng_state()
    choose_mode(model, next(iter(batches().training(0))), classification().loss, "cpu", "auto")
    assert torch.equal(state, torch.random.get_rng_state())
    assert_same_weights(model, untouched)
    assert all(p.grad is None for p in model.parameters())


def test_bf16_trains_to_about_the_same_score_as_fp32() -> None:
    scores = []
    for number_format in ("fp32", "bf16"):
        result = train(network(), settings(epochs=6, precision=number_format))
        assert result.mode == Mode(number_format)
        scores.append(result.history[-1].validation_score or 0.0)
    assert abs(scores[0] - scores[1]) <= 0.05


# FLOPs, against formulas: a multiply-add is two


def test_flops_of_a_linear_layer_and_a_convolution_follow_the_formulas() -> None:
    assert flops_per_example(nn.Linear(7, 5), torch.zeros(3, 7)) == 2 * 7 * 5
    conv = nn.Conv2d(3, 8, 3, padding=1)
    assert flops_per_example(conv, torch.zeros(2, 3, 6, 6)) == 2 * 3 * 8 * 9 * 36


def test_flops_of_an_lstm_are_not_zero_but_the_formulas() -> None:
    lstm = nn.LSTM(5, 6, batch_first=True)
    steps, gates = 4, 4
    assert flops_per_example(lstm, torch.zeros(2, steps, 5)) == 2 * steps * gates * 6 * (5 + 6)


class _Products(nn.Module):
    """Scores by a vector of weights and by a bilinear form."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(6))
        self.pairs = nn.Bilinear(6, 6, 4)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return inputs @ self.weight + self.pairs(inputs, inputs).sum(1)


def test_flops_count_products_with_a_vector_and_bilinear_forms() -> None:
    vector = 2 * 6
    first, second = 2 * 4 * 6 * 6, 2 * 4 * 6  # inputs times weights, then times inputs
    assert flops_per_example(_Products(), torch.zeros(3, 6)) == vector + first + second


def test_flops_of_attention_count_the_products_of_scores_and_values() -> None:
    layer = nn.TransformerEncoderLayer(8, 2, dim_feedforward=16, batch_first=True)
    length, dim, hidden = 5, 8, 16
    projections = 2 * length * dim * (4 * dim) + 2 * length * dim * hidden * 2
    products = 2 * 2 * length * length * dim
    assert flops_per_example(layer, torch.zeros(3, length, dim)) == projections + products
    assert layer.training  # left as it was


def test_shared_parameters_count_once() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
    model[1].weight = model[0].weight
    assert count_parameters(model) == 16 + 4 + 4
