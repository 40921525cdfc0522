"""A network's own transforms and collate decide what it learns from, and what is served before it."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn

import harness
from harness.datasets.parts import load_parts
from harness.models.servable import load_servable
from harness.record import SuiteError, TrialError
from harness.training.own_batches import OwnBatches, own_transforms, with_own
from tests.task_trials import score, spec, train, values
from tests.test_training import batches

MODELS = """
import torch
from torch import nn
from torch.nn import functional as F

class Net(nn.Module):
    def __init__(self, classes, how):
        super().__init__()
        self.how = how
        self.layers = nn.Sequential(nn.Flatten(), nn.LazyLinear(classes))

    def forward(self, x):
        return self.layers(x)

class Transformed(Net):
    def transforms(self, train):
        if self.how == "random":
            return lambda images: images if torch.rand(()) < 0.5 else 255 - images
        if self.how == "unlike":
            return (lambda image: image.float()) if train else None
        if train and self.how == "flip":
            return lambda image: (255 - image).float().flip(-1) / 255
        return lambda images: (255 - images).float() / 255

class Mixed(Net):
    def collate(self, examples):
        images, classes = (torch.stack(part) for part in zip(*examples))
        shares = F.one_hot(classes, 10).float()
        other = torch.randperm(len(images))
        return images, 0.8 * shares + 0.2 * shares[other]

def transformed(task, *, how: str = "invert"):
    return Transformed(task.num_classes, how)

def mixed(task, *, how: str = "mix"):
    return Mixed(task.num_classes, how)
"""


@pytest.fixture
def beside(tmp_path: Path) -> tuple[Path, str]:
    name = f"batches_{abs(hash(str(tmp_path)))}"
    (tmp_path / f"{name}.py").write_text(MODELS)
    return tmp_path, name


FAST: dict[str, Any] = {"epochs": 6, "batch_size": 64, "optimizer": {"lr": 0.02}}


def test_what_images_go_through_is_learnt_from_scored_and_served(beside: tuple[Path, str]) -> None:
    folder, name = beside
    what = spec(f"{name}:transformed", search=folder, **FAST)
    train(what, folder / "train")
    native = score(what, "torch", folder / "train", folder / "torch")
    assert (values(native)["accuracy"] or 0) > 0.85
    exported = score(what, "onnx", folder / "train", folder / "onnx")
    assert exported.facts.parity.max_abs_difference < 1e-5
    raw = torch.from_numpy(load_parts(what["data"], None).test.inputs)
    servable = load_servable(folder / "train" / "fitted")
    with torch.inference_mode():
        by_hand = servable.scaled.network((255 - raw).float() / 255).softmax(1)
        assert torch.allclose(servable(raw), by_hand, atol=1e-6)
    # A training image that is also mirrored is another lesson, at the same end.
    flipped = spec(f"{name}:transformed", {"how": "flip"}, search=folder, **FAST)
    train(flipped, folder / "flip")
    losses = [
        pd.read_csv(folder / which / "history.csv").validation_loss.iloc[-1] for which in ("train", "flip")
    ]
    assert losses[1] > losses[0] + 0.1


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("random", r"transforms\(False\) gives the same images otherwise each time"),
        ("unlike", r"transforms\(True\) gives an image .* of torch.float32, .* they must end alike"),
    ],
)
def test_transforms_that_do_not_fit_are_refused(beside: tuple[Path, str], how: str, said: str) -> None:
    folder, name = beside
    torch.manual_seed(1)
    with pytest.raises(TrialError, match=said):
        train(spec(f"{name}:transformed", {"how": how}, search=folder, **FAST), folder / "train")


def test_a_collate_may_mix_examples_and_their_classes(beside: tuple[Path, str]) -> None:
    folder, name = beside
    what = spec(f"{name}:mixed", search=folder, **FAST)
    train(what, folder / "train")
    history = pd.read_csv(folder / "train" / "history.csv")
    assert history.train_loss.iloc[-1] > 0.5  # of targets that are .8 sure it cannot fall below their entropy
    assert history.train_score.iloc[-1] > 0.8
    assert history.validation_score.iloc[-1] > 0.8


def test_a_suites_transforms_hold_for_its_networks_and_are_in_the_ids(beside: tuple[Path, str]) -> None:
    folder, name = beside
    (folder / f"{name}_shared.py").write_text(
        "def make(train):\n    return (lambda x: x.float() / 64) if train else (lambda x: x.float() / 64)\n"
    )
    own = f"{name}_shared:make"
    what = {**spec("small_cnn", {"width": 8}, search=folder, epochs=1), "transforms": own}
    train(what, folder / "train")
    servable = load_servable(folder / "train" / "fitted")
    raw = torch.from_numpy(load_parts(what["data"], None).test.inputs[:4])
    with torch.inference_mode():
        by_hand = servable.scaled.network(raw.float() / 64).softmax(1)
        assert torch.allclose(servable(raw), by_hand, atol=1e-6)
    with pytest.raises(TrialError, match="transforms of its own, and data.transforms is .*: keep one"):
        train({**what, "model": f"{name}:transformed", "args": {}}, folder / "both")
    path = folder / "suite.yaml"

    def planned(transforms: str, model: str = "small_cnn", data: str = "digits") -> set[str]:
        task = "image_classification" if data == "digits" else "tabular_classification"
        path.write_text(
            f"name: own\ntask: {task}\ndata: {{name: {data}{transforms}}}\ncandidates: {{c: '{model}'}}\n"
            "decision: {objective: maximize accuracy}\n"
        )
        return {trial.id for trial in harness.plan(harness.load_suite(path)).trials}

    plain, shared = planned(""), planned(f", transforms: '{own}'")
    assert not plain & shared
    (folder / f"{name}_shared.py").write_text("def make(train):\n    return lambda x: x.float() / 32\n")
    assert not planned(f", transforms: '{own}'") & shared
    for arguments, said in {
        (f", transforms: '{own}'", "sklearn:LogisticRegression", "digits"): "which only networks use",
        (f", transforms: '{own}'", "sklearn:LogisticRegression", "breast_cancer"): "is for images",
        (f", transforms: '{own}s'", "small_cnn", "digits"): "defines no `makes`",
    }.items():
        with pytest.raises(SuiteError, match=said):
            planned(*arguments)


class Brings(nn.Module):
    """Noise from each of the three generators that libraries of transforms draw from."""

    def transforms(self, train: bool) -> Any:
        def noisy(row: Tensor) -> Tensor:
            return row + torch.rand(()) + np.random.rand() + random.random()

        return noisy if train else None


def test_draws_follow_the_seed_and_leave_all_others_as_they_were() -> None:
    def drawn(seed: int, epoch: int) -> Tensor:
        own = OwnBatches(batches(), own_transforms(Brings(), True), None, None, seed)
        return torch.cat([inputs for inputs, _ in own.training(epoch)])

    torch.manual_seed(0)
    undisturbed = torch.rand(3)
    torch.manual_seed(0)
    first = drawn(0, 0)
    assert torch.equal(torch.rand(3), undisturbed)
    assert torch.equal(first, drawn(0, 0))
    assert not torch.equal(first, drawn(0, 1)) and not torch.equal(first, drawn(1, 0))
    plain = torch.cat([inputs for inputs, _ in batches().training(0)])
    noise = (first - plain).mean(1)
    assert noise.unique().numel() > 0.9 * len(noise)  # each example has a draw of its own


def test_a_network_without_any_keeps_its_batches_and_tables_have_no_transforms() -> None:
    same = batches()
    assert with_own(same, nn.Linear(2, 2), None, 0) is same
    with pytest.raises(TrialError, match="transforms, which are for images"):
        with_own(same, Brings(), None, 0)
