"""Image networks of transformers are fine-tuned from a folder, small ones made here with the real library."""

from __future__ import annotations

import importlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from harness.datasets.parts import load_parts
from harness.models import torchvision_shim
from harness.models.build import build_model
from harness.models.rules import check
from harness.models.servable import load_servable
from harness.protocols import Task
from harness.suite.model_ref import parse_model
from tests.task_trials import score, spec, train, values

pytestmark = pytest.mark.filterwarnings("ignore")
DIGITS = Task("image_classification", 10, tuple("0123456789"), (1, 8, 8))
MEAN, STD = [0.5, 0.4, 0.3], [0.2, 0.3, 0.4]
SIZES: dict[str, tuple[str, dict[str, Any]]] = {
    "vit": ("ViT", {"image_size": 16, "patch_size": 4, "hidden_size": 16, "num_hidden_layers": 3,
                    "num_attention_heads": 2, "intermediate_size": 24}),
    "convnext": ("ConvNext", {"image_size": 16, "hidden_sizes": [8, 8, 16], "depths": [1, 1, 1],
                              "patch_size": 2, "num_stages": 3}),
    "swin": ("Swin", {"image_size": 16, "patch_size": 2, "embed_dim": 8, "depths": [1, 1],
                      "num_heads": [2, 2], "window_size": 4}),
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with each of them as transformers writes it: ten classes, named otherwise than the digits."""
    torchvision_shim.prepare()
    transformers: Any = importlib.import_module("transformers")
    root = tmp_path_factory.mktemp("images")
    for name, (title, settings) in SIZES.items():
        torch.manual_seed(0)
        config = getattr(transformers, f"{title}Config")(**settings, num_channels=3, num_labels=10)
        config.id2label = {number: f"digit {number}" for number in range(10)}
        network = getattr(transformers, f"{title}ForImageClassification")(config)
        network.save_pretrained(root / name)
        (root / name / "preprocessor_config.json").write_text(
            json.dumps(
                {
                    "image_mean": MEAN,
                    "image_std": STD,
                    "size": {"height": 16, "width": 16},
                    "resample": 3,
                    "do_normalize": True,
                    "do_resize": True,
                }
            )
        )
    return root


def library(folder: Path, name: str) -> Any:
    transformers: Any = importlib.import_module("transformers")
    return transformers.AutoModelForImageClassification.from_pretrained(folder / name).eval()


@pytest.mark.parametrize("name", SIZES)
def test_it_answers_as_the_library_does_behind_the_folders_own_preprocessing(folder: Path, name: str) -> None:
    task = replace(DIGITS, class_names=tuple(f"digit {n}" for n in (3, 1, 2, 0, 4, 5, 6, 7, 8, 9)))
    network: Any = build_model(f"hf:./{name}", task, {}, folder).eval()
    assert network.head == "the folder's: its labels are the task's"
    assert (network.input_mean, network.input_std) == ((0.0,), (1.0,))  # it scales 0…1 by itself
    images = torch.rand(4, 1, 8, 8)
    larger = torch.nn.functional.interpolate(images, (16, 16), mode="bicubic", align_corners=False)
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in (MEAN, STD))
    with torch.inference_mode():
        by_hand = library(folder, name)((larger.expand(-1, 3, -1, -1) - mean) / std).logits
        found = network(images)
    assert torch.allclose(found, by_hand[:, [3, 1, 2, 0, 4, 5, 6, 7, 8, 9]], atol=1e-6)


@pytest.mark.parametrize(
    "name", ["swin", *(pytest.param(name, marks=pytest.mark.slow) for name in ("vit", "convnext"))]
)
def test_it_is_fine_tuned_scored_and_exported(folder: Path, name: str, tmp_path: Path) -> None:
    what = spec(f"hf:./{name}", {"resize": 16}, search=folder, epochs=1, batch_size=64)
    outcome = train(what, tmp_path / "train")
    assert outcome.facts.head == "new: the folder's labels are others"
    assert outcome.facts.resized == "8×8 images to 16×16"
    native = score(what, "torch", tmp_path / "train", tmp_path / "torch")
    exported = score(what, "onnx", tmp_path / "train", tmp_path / "onnx")
    assert exported.facts.parity.max_abs_difference < 1e-5
    assert values(exported)["accuracy"] == values(native)["accuracy"]


def test_a_kept_head_needs_no_training_and_freezing_leaves_the_body_as_it_was(
    folder: Path, tmp_path: Path
) -> None:
    what = spec("hf:./vit", {"freeze": -1}, search=folder, epochs=2, batch_size=64, optimizer={"lr": 0.05})
    train(what, tmp_path / "train")
    learnt = load_servable(tmp_path / "train" / "fitted").scaled.network.network.state_dict()
    before = library(folder, "vit").state_dict()
    changed = {key for key, value in before.items() if not torch.equal(value, learnt[key])}
    assert changed == {"classifier.weight", "classifier.bias"}
    raw = load_parts(what["data"], None).test.inputs
    assert load_servable(tmp_path / "train" / "fitted")(torch.from_numpy(raw[:2])).shape == (2, 10)


def test_layers_learn_slower_the_lower_they_are(folder: Path) -> None:
    for name, layers in {"vit": 3, "convnext": 3, "swin": 2}.items():
        network: Any = build_model(f"hf:./{name}", DIGITS, {"layer_decay": 0.5}, folder)
        groups = network.param_groups(1.0, 0.1)
        rates = {group["lr"] for group in groups}
        assert rates == {0.5**n for n in range(layers + 2)}
        learns = {id(p) for group in groups for p in group["params"]}
        assert learns == {id(p) for p in network.parameters()}
        frozen: Any = build_model(f"hf:./{name}", DIGITS, {"freeze": 1}, folder)
        left = {group["lr"] for group in frozen.param_groups(1.0, 0.1)}
        assert left == {1.0} and len([p for p in frozen.parameters() if not p.requires_grad]) > 2


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ({"freeze": 7}, "freeze is 7: this network has 3 layers, write 0 to 3, or -1"),
        ({"pooling": "mean"}, "has no argument 'pooling'"),
        ({"resize": 0}, "resize is 0, write a side in pixels"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_cure(folder: Path, args: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        build_model("hf:./vit", DIGITS, args, folder)


def test_images_of_other_channels_and_tables_are_refused(folder: Path) -> None:
    with pytest.raises(ValueError, match="takes images of 3 channels, these have 4"):
        build_model("hf:./vit", replace(DIGITS, input_shape=(4, 8, 8)), {}, folder)
    with pytest.raises(ValueError, match="takes texts, the task is tabular"):
        check(parse_model("hf:./vit"), Task("tabular_classification", 2, input_shape=(3,)), {})
