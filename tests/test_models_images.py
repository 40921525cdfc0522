"""Image networks: shapes, sizes, learning, rules, and export."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from harness.models.build import build_model, example_inputs
from harness.models.rules import RULES, check
from harness.protocols import Task
from harness.suite.model_ref import parse_model

GREY = Task("image_classification", 10, tuple("abcdefghij"), (1, 28, 28))
COLOUR = Task("image_classification", 3, ("a", "b", "c"), (3, 32, 24))
TABLE = Task("tabular_classification", 2, ("no", "yes"), (5,))
NAMES = ("small_cnn", "resnet", "vit")


def parameters(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("task", [GREY, COLOUR])
def test_images_become_one_logit_per_class(name: str, task: Task) -> None:
    network = build_model(name, task, {})
    assert network(torch.randn(5, *task.input_shape)).shape == (5, task.num_classes)


def test_sizes_are_those_that_are_documented() -> None:
    sizes = {name: parameters(build_model(name, GREY, {})) for name in NAMES}
    # small_cnn on paper: 9·32 + 9·32·64 + 9·64·64 + 9·64·128, twice 288 for the norms, 129·10.
    assert sizes["small_cnn"] == 288 + 18_432 + 36_864 + 73_728 + 2 * 288 + 1_290
    assert sizes["resnet"] == pytest.approx(0.70e6, rel=0.01)
    assert sizes["vit"] == pytest.approx(0.46e6, rel=0.01)


@pytest.mark.parametrize("name", NAMES)
def test_the_same_seed_gives_the_same_weights(name: str) -> None:
    states = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        states.append(build_model(name, GREY, {}).state_dict())
    same, other = ([torch.equal(states[0][k], states[i][k]) for k in states[0]] for i in (1, 2))
    assert all(same) and not all(other)


@pytest.mark.parametrize("name", NAMES)
def test_a_network_learns_twelve_images_by_heart(name: str) -> None:
    torch.manual_seed(0)
    task = Task("image_classification", 3, ("a", "b", "c"), (1, 8, 8))
    network = build_model(name, task, {"width": 8} if name != "vit" else {"patch": 2, "dim": 24, "depth": 2})
    images, targets = torch.randn(12, 1, 8, 8), torch.arange(12) % 3
    optimizer = torch.optim.AdamW(network.parameters(), lr=5e-3)
    for _ in range(60):
        optimizer.zero_grad()
        nn.functional.cross_entropy(network(images), targets).backward()
        optimizer.step()
    assert (network.eval()(images).argmax(dim=1) == targets).float().mean() >= 11 / 12


def test_the_vision_transformer_knows_where_a_patch_is() -> None:
    torch.manual_seed(0)
    network = build_model("vit", GREY, {}).eval()
    nn.init.normal_(network.get_parameter("positions"))
    image = torch.zeros(1, 1, 28, 28)
    image[..., :4, :4] = 1.0
    moved = image.roll((8, 8), (2, 3))
    assert not torch.allclose(network(image), network(moved), atol=1e-4)


def test_dropout_only_acts_in_training() -> None:
    network = build_model("vit", GREY, {"dropout": 0.5})
    x = torch.randn(2, 1, 28, 28)
    assert not torch.equal(network(x), network(x))
    network.eval()
    assert torch.equal(network(x), network(x))


@pytest.mark.parametrize(
    ("name", "task", "args", "message"),
    [
        ("vit", GREY, {"patch": 5}, "patch 5 does not divide the 28×28 image: write one of 2, 4, 7, 14, 28"),
        ("vit", GREY, {"dim": 97}, "3 heads do not divide dim 97: write heads as one of 1"),
        ("vit", GREY, {"dropout": 1.0}, "dropout is 1.0, write a share from 0 to below 1"),
        ("vit", GREY, {"depth": 0}, "depth is 0, write a positive number"),
        ("vit", GREY, {"pach": 4}, "vit has no argument 'pach', did you mean patch?"),
        ("vit", TABLE, {}, "vit takes images, the task is tabular_classification"),
        ("small_cnn", GREY, {"width": 7}, "width 7 must be even"),
        ("small_cnn", Task("image_classification", 2, ("a", "b"), (1, 3, 9)), {}, "images of 4×4 or more"),
        ("resnet", Task("image_classification", 2, ("a", "b"), (1, 7, 7)), {}, "images of 8×8 or more"),
        ("resnet", GREY, {"depth": 19}, "depth 19 is not laid out here: write 10, 18 or 34"),
        ("timm:resnt18", GREY, {}, "timm has no model 'resnt18', did you mean resnet18?"),
        ("timm:resnet18", TABLE, {}, "takes images"),
    ],
)
def test_a_broken_rule_is_said_before_anything_is_built(
    name: str, task: Task, args: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError) as caught:
        check(parse_model(name), task, args)
    assert message in str(caught.value)


def test_rules_have_the_defaults_of_their_builders() -> None:
    import inspect

    from harness.models import MODELS

    assert set(RULES) <= set(MODELS)
    for name, rule in RULES.items():
        build = importlib.import_module(MODELS[name]).build
        of_rule, of_builder = (
            {n: p.default for n, p in list(inspect.signature(f).parameters.items())[1:]}
            for f in (rule, build)
        )
        assert of_rule == of_builder, name


def test_rules_need_no_torch() -> None:
    code = (
        "import sys; from harness.models.rules import check; from harness.protocols import Task; "
        "from harness.suite.model_ref import parse_model; "
        "check(parse_model('timm:resnet18'), Task('image_classification', 2, ('a', 'b'), (1, 28, 28)), {}); "
        "assert not {'torch', 'timm', 'sklearn'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("name", ["timm:resnet10t", "timm:convnext_atto", "timm:vit_tiny_patch16_224"])
def test_timm_models_fit_small_grey_images(name: str) -> None:
    args = {"patch_size": 7} if "vit" in name else {}
    network = build_model(name, GREY, args)
    assert network(torch.randn(2, 1, 28, 28)).shape == (2, 10)
    assert (type(network).__name__ == "Padded") == ("convnext" in name)


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ({"num_classes": 3}, "leave num_classes out, it comes from the data"),
        ({"nonsense": 3}, r"refuses {'nonsense': 3} for 28×28 images"),
        ({"pretrained": True}, "write pretrained: false"),
    ],
)
def test_timm_arguments_that_cannot_work_name_the_cure(args: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError) as caught:
        build_model("timm:resnet18.a1_in1k", GREY, args)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "name",
    [
        "vit",
        *(pytest.param(n, marks=pytest.mark.slow) for n in ("small_cnn", "resnet", "timm:convnext_atto")),
    ],
)
def test_every_network_exports_to_onnx_with_a_free_batch_size(name: str, tmp_path: Path) -> None:
    import onnxruntime

    network = build_model(name, GREY, {"depth": 2} if name == "vit" else {}).eval()
    path = tmp_path / "net.onnx"
    shapes = ({0: torch.export.Dim("batch")},)
    torch.onnx.export(
        network, (example_inputs(GREY),), path, dynamo=True, dynamic_shapes=shapes, external_data=False,
        verbose=False,
    )  # fmt: skip
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    for batch in (1, 3):
        x = torch.randn(batch, 1, 28, 28)
        (found,) = session.run(None, {session.get_inputs()[0].name: x.numpy()})
        with torch.no_grad():
            assert np.abs(found - network(x).numpy()).max() < 1e-4
