"""Networks that were trained elsewhere are scored and served as they are; the real libraries."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from harness.api import load_suite, plan
from harness.datasets.parts import load_parts
from harness.export.folder import export_program
from harness.models.endpoint import as_answers
from harness.protocols import Task
from harness.record import SuiteError, TrialError
from harness.tasks.evaluation import read_predictions
from harness.tasks.finished import what_answers
from tests.task_trials import score, spec, train, values

pytestmark = pytest.mark.filterwarnings("ignore")
needs_lightning = pytest.mark.skipif(find_spec("lightning") is None, reason="not installed (extra lightning)")
needs_keras = pytest.mark.skipif(find_spec("keras") is None, reason="not installed (extra keras)")

ROOT = Path(__file__).parents[1]
MODULE = """
import lightning, torch
from torch import nn

class Net(lightning.LightningModule):
    def __init__(self, shape=(1, 8, 8), width=16):
        super().__init__()
        self.save_hyperparameters()
        inputs = shape[0] * shape[1] * shape[2]
        self.body = nn.Sequential(nn.Flatten(), nn.Linear(inputs, width), nn.ReLU(), nn.Dropout(0.5))
        self.head = nn.Linear(width, 10)

    def forward(self, x):
        return self.head(self.body(x))

    def training_step(self, batch, index):
        return nn.functional.cross_entropy(self(batch[0]), batch[1])

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=0.01)
"""


def network(num_classes: int = 10) -> nn.Module:
    torch.manual_seed(3)
    layers = [nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.5), nn.Flatten()]
    return nn.Sequential(*layers, nn.Linear(256, num_classes)).eval()


def export(module: nn.Module, path: Path, example: torch.Tensor, dynamic: bool = True) -> Path:
    shapes = ({0: torch.export.Dim("batch")},) if dynamic else None
    torch.export.save(torch.export.export(module, (example,), dynamic_shapes=shapes), path)
    return path


def answers(what: dict[str, Any], folder: Path, runtime: str = "torch") -> np.ndarray:
    """What the finished model answers to the test part once it is adopted and served on a runtime."""
    if not (folder / "train").exists():
        train(what, folder / "train")
    score(what, runtime, folder / "train", folder / f"score-{runtime}")
    return read_predictions(folder / f"score-{runtime}" / "predictions.parquet")[2]


def images() -> torch.Tensor:
    return torch.from_numpy(load_parts(spec("onnx:x")["data"], None).test.inputs).float() / 255


def test_a_program_of_torch_export_is_served_as_the_network_it_was_made_of(tmp_path: Path) -> None:
    net = network()
    export(net, tmp_path / "net.pt2", torch.rand(2, 1, 8, 8))
    what = spec("torch:net.pt2", search=tmp_path)
    outcome = train(what, tmp_path / "train")
    with torch.inference_mode():
        by_hand = net(images()).softmax(1).numpy()
    for runtime in ("torch", "onnx"):
        assert np.abs(answers(what, tmp_path, runtime) - by_hand).max() < 1e-6
    assert np.abs(answers(what, tmp_path, "onnx-int8") - by_hand).max() < 0.1
    counted = {"parameters": 4 * 9 + 4 + 2 * 4 + 2570, "flops_per_example": 2 * (4 * 9 * 64 + 2560)}
    assert values(outcome) == counted
    assert outcome.facts.trained is False
    assert outcome.facts.takes is not None and outcome.facts.takes["layout"] == "nchw"
    assert outcome.facts.gives == {"output": "0", "kind": "logits", "type": "float32"}


def test_what_the_harness_exports_may_be_brought_again(tmp_path: Path) -> None:
    export(network(), tmp_path / "net.pt2", torch.rand(2, 1, 8, 8))
    before = answers(spec("torch:net.pt2", search=tmp_path), tmp_path / "first")
    export_program(tmp_path / "first" / "train" / "fitted", tmp_path / "again.pt2")
    again = answers(spec("torch:again.pt2", search=tmp_path), tmp_path / "second")  # it takes raw bytes
    assert np.abs(again - before).max() < 1e-6


class Positive(nn.Module):
    """A table in, the probability of the second class out, one number for each row."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(30, 1)

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        return self.layer(rows).sigmoid().squeeze(-1)


class Channels(nn.Module):
    """Raw bytes with channels last, as pipelines of images hand them over; it scales for itself."""

    def forward(self, raw: torch.Tensor) -> torch.Tensor:
        light = raw.float().mean((1, 2, 3))
        return torch.stack([light * k for k in range(10)], 1) / 255


def test_what_it_takes_and_gives_is_found_out(tmp_path: Path) -> None:
    torch.manual_seed(0)
    net = Positive()
    export(net, tmp_path / "table.pt2", torch.rand(2, 30))
    data = load_parts(spec("onnx:x", data="breast_cancer")["data"], None).test.inputs
    args = {"mean": [2.0], "std": [50.0]}
    found = answers(spec("torch:table.pt2", args, data="breast_cancer", search=tmp_path), tmp_path / "t")
    with torch.inference_mode():
        by_hand = net((torch.from_numpy(data) - 2) / 50).numpy()
    assert np.abs(found[:, 1] - by_hand).max() < 1e-6
    assert np.allclose(found.sum(1), 1)
    export(Channels(), tmp_path / "raw.pt2", torch.zeros(2, 8, 8, 1, dtype=torch.uint8))
    found = answers(spec("torch:raw.pt2", search=tmp_path), tmp_path / "raw")
    with torch.inference_mode():
        by_hand = Channels()((images() * 255).round().to(torch.uint8).permute(0, 2, 3, 1)).softmax(1).numpy()
    assert np.abs(found - by_hand).max() < 1e-6


@pytest.mark.parametrize("kind", ["torch", "onnx", "endpoint"])
def test_sigmoids_of_classes_become_shares_and_not_what_softmax_makes_of_them(
    kind: str, tmp_path: Path
) -> None:
    net = nn.Sequential(network(), nn.Sigmoid()).eval()
    with torch.inference_mode():
        by_hand = net(images()).numpy()
    if kind == "endpoint":
        said = what_answers(by_hand, len(by_hand), Task("image_classification", 10), "auto")
        found = as_answers(by_hand, str(said))
    elif kind == "torch":
        export(net, tmp_path / "net.pt2", images()[:2])
        found = answers(spec("torch:net.pt2", search=tmp_path), tmp_path / "net")
    else:
        torch.onnx.export(
            net, (images()[:2],), tmp_path / "net.onnx", dynamic_shapes=({0: torch.export.Dim("batch")},)
        )
        found = answers(spec("onnx:net.onnx", search=tmp_path), tmp_path / "net", "onnx")
    assert np.abs(found - by_hand / by_hand.sum(axis=1, keepdims=True)).max() < 1e-5


def test_a_program_that_was_exported_wrongly_is_refused_with_the_cure(tmp_path: Path) -> None:
    example = torch.rand(2, 1, 8, 8)
    export(network().train(), tmp_path / "train.pt2", example)
    export(network(), tmp_path / "fixed.pt2", example, dynamic=False)
    export(network(7), tmp_path / "seven.pt2", example)
    for name, cure in {
        "train": r"it was exported in training mode. Call .eval\(\)",
        "fixed": r"batches of 2 alone: export it with dynamic_shapes",
        "seven": r"answers 8 examples with \(8, 7\), the task needs \(8, 10\)",
    }.items():
        with pytest.raises(TrialError, match=cure):
            train(spec(f"torch:{name}.pt2", search=tmp_path), tmp_path / name)
    export(network(), tmp_path / "net.pt2", example)
    with pytest.raises(TrialError, match=r"net.pt2 takes \('batch', 1, 8, 8\) as nhwc, the data are"):
        train(spec("torch:net.pt2", {"layout": "nhwc"}, search=tmp_path), tmp_path / "sideways")


class Trap:
    """What a stranger's pickle would do where it is read."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return Path.touch, (self.file,)


def with_entry(path: Path, out: Path, change: Callable[[str, bytes], bytes]) -> None:
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(out, "w") as new:
        for name in old.namelist():
            new.writestr(name, change(name, old.read(name)))


def test_nothing_in_a_program_runs_as_code(tmp_path: Path) -> None:
    export(network(), tmp_path / "net.pt2", torch.rand(2, 1, 8, 8))
    trap = io.BytesIO()
    torch.save(Trap(tmp_path / "sprung"), trap)

    def example(name: str, content: bytes) -> bytes:
        return trap.getvalue() if name.endswith("sample_inputs/model.pt") else content

    def weight(name: str, content: bytes) -> bytes:
        if name.endswith("weights/weight_0"):
            return trap.getvalue()
        return content.replace(b'"use_pickle": false', b'"use_pickle": true', 1)

    def call(name: str, content: bytes) -> bytes:
        return content.replace(b"torch.ops.aten.relu.default", b"torch.hub.load")

    def size(name: str, content: bytes) -> bytes:
        if not name.endswith("models/model.json"):
            return content
        return content.replace(b'"expr_str": "Symbol(', b'"expr_str": "open(', 1)

    for number, (change, what) in enumerate({
        example: "objects that are unpickled",
        weight: "objects that are unpickled",
        call: "a call of torch.hub.load",
        size: "the expression",
    }.items()):  # fmt: skip
        with_entry(tmp_path / "net.pt2", tmp_path / f"trap{number}.pt2", change)
        with pytest.raises(TrialError, match=f"{what}.*would run as code.*onnx:FILE"):
            train(spec(f"torch:trap{number}.pt2", search=tmp_path), tmp_path / f"t{number}")
    assert not (tmp_path / "sprung").exists()


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A LightningModule trained for an epoch by Lightning alone, its checkpoint, and its module's name."""
    tmp_path = tmp_path_factory.mktemp("checkpoint")
    name = f"finished_{tmp_path.name.replace('-', '_')}"
    (tmp_path / f"{name}.py").write_text(MODULE)
    program = (
        "from harness.models import torchvision_shim; torchvision_shim.prepare()\n"
        f"import lightning, torch, numpy as np; from {name} import Net; torch.manual_seed(0)\n"
        "data = torch.utils.data.TensorDataset(torch.rand(64, 1, 8, 8), torch.randint(0, 10, (64,)))\n"
        "loader = torch.utils.data.DataLoader(data, batch_size=16)\n"
        "trainer = lightning.Trainer(max_epochs=1, accelerator='cpu', logger=False,"
        " enable_progress_bar=False, enable_model_summary=False)\n"
        "net = Net(width=12); trainer.fit(net, loader); trainer.save_checkpoint('net.ckpt')\n"
        "net.eval(); np.save('y.npy', net(torch.from_numpy(np.load('x.npy'))).softmax(1).detach().numpy())\n"
    )
    np.save(tmp_path / "x.npy", images().numpy())
    run(program, tmp_path)
    return tmp_path, name


def run(program: str, folder: Path, **surroundings: str) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program],
        cwd=folder, env={**os.environ, "PYTHONPATH": str(ROOT), **surroundings}, capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


@needs_lightning
def test_a_checkpoint_of_lightning_answers_as_lightning_does(checkpoint: tuple[Path, str]) -> None:
    folder, name = checkpoint
    what = spec("lightning:net.ckpt", {"class": f"{name}:Net"}, search=folder)
    by_hand = np.load(folder / "y.npy")
    for runtime in ("torch", "onnx"):
        assert np.abs(answers(what, folder / "run", runtime) - by_hand).max() < 1e-6
    stored = torch.load(folder / "run" / "train" / "fitted" / "network.ckpt", weights_only=True)
    assert "optimizer_states" not in stored  # what training alone needs is not shipped


@needs_lightning
def test_a_checkpoint_of_another_class_or_with_objects_is_refused(checkpoint: tuple[Path, str]) -> None:
    folder, name = checkpoint
    other = {"class": f"{name}:Net", "hyper_parameters": {"width": 13}}
    with pytest.raises(TrialError, match="holds weights of another network"):
        train(spec("lightning:net.ckpt", other, search=folder), folder / "other")
    content = torch.load(folder / "net.ckpt", weights_only=True)
    torch.save({**content, "hyper_parameters": {"width": Trap(folder / "sprung")}}, folder / "trap.ckpt")
    with pytest.raises(TrialError, match="whose code would run .*weights_only=True"):
        train(spec("lightning:trap.ckpt", {"class": f"{name}:Net"}, search=folder), folder / "trap")
    assert not (folder / "sprung").exists()


KERAS = """
import keras, numpy as np
from keras import layers

class Twice(layers.Layer):
    def call(self, inputs):
        return 2 * inputs

def net(*more):
    keras.utils.set_random_seed(1)
    return keras.Sequential([keras.Input((8, 8, 1)), layers.Conv2D(4, 3), layers.BatchNormalization(),
        layers.ReLU(), *more, layers.Flatten(), layers.Dropout(0.5), layers.Dense(10, activation="softmax")])
"""


@needs_keras
def test_a_keras_file_answers_as_keras_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    name = f"finished_keras_{tmp_path.name.replace('-', '_')}"
    (tmp_path / f"{name}.py").write_text(KERAS)
    np.save(tmp_path / "x.npy", images().permute(0, 2, 3, 1).numpy())
    program = (
        f"from {name} import *; x = np.load('x.npy')\n"
        "for file, model in {'net': net(), 'own': net(Twice()), 'lambda': net(layers.Lambda(abs))}.items():\n"
        "    np.save(file + '.npy', model.predict(x, verbose=0)); model.save(file + '.keras')\n"
    )
    run(program, tmp_path, KERAS_BACKEND="torch")
    for file, args in {"net": {}, "own": {"classes": [f"{name}:Twice"]}}.items():
        what = spec(f"keras:{file}.keras", args, search=tmp_path)
        by_hand = np.load(tmp_path / f"{file}.npy")
        for runtime in ("torch", "onnx"):
            assert np.abs(answers(what, tmp_path / file, runtime) - by_hand).max() < 1e-6
    with pytest.raises(TrialError, match=rf"name the class, args: .classes: \['{name}:Twice'\]"):
        train(spec("keras:own.keras", search=tmp_path), tmp_path / "unnamed")
    with pytest.raises(TrialError, match="Lambda layer, whose code would run"):
        train(spec("keras:lambda.keras", search=tmp_path), tmp_path / "lambda")


SUITE = """
name: finished
task: image_classification
data: {{name: digits}}
candidates:
  mine: {{model: "{model}", args: {args}}}
serving: {{runtimes: [torch, onnx], scenarios: {{single_stream: {{}}}}}}
decision: {{objective: maximize accuracy}}
"""


def suite(folder: Path, model: str, args: object = None) -> Path:
    path = folder / "suite.yaml"
    path.write_text(SUITE.format(model=model, args=json.dumps(args or {})))
    return path


def ids(path: Path) -> set[str]:
    return {trial.id for trial in plan(load_suite(path)).trials}


def test_a_changed_file_changes_the_ids_and_it_is_looked_at_once(tmp_path: Path) -> None:
    export(network(), tmp_path / "net.pt2", torch.rand(2, 1, 8, 8))
    path = suite(tmp_path, "torch:net.pt2", {"scale": 1.0})
    before = ids(path)
    assert sum(t.kind == "train" for t in plan(load_suite(path)).trials) == 1
    assert ids(path) == before
    (tmp_path / "net.pt2").write_bytes((tmp_path / "net.pt2").read_bytes() + b"x")
    assert not ids(path) & before


@needs_lightning
def test_a_changed_class_changes_the_ids(tmp_path: Path) -> None:
    (tmp_path / "net.ckpt").write_bytes(b"weights")
    (tmp_path / "nets.py").write_text("class Net:\n    width = 1\n")
    path = suite(tmp_path, "lightning:net.ckpt", {"class": "nets:Net"})
    before = ids(path)
    (tmp_path / "nets.py").write_text("class Net:\n    width = 1  # a comment\n")
    assert ids(path) == before
    (tmp_path / "nets.py").write_text("class Net:\n    width = 2\n")
    assert not ids(path) & before


@pytest.mark.parametrize(
    ("model", "args", "said"),
    [
        ("torch:net.pt", {}, r"is not a program of torch.export \(.pt2\)"),
        ("torch:net.pt2", {"class": "nets:Net"}, "unknown argument"),
        ("torch:none.pt2", {}, "there is no file `none.pt2` beside the suite: there is net.pt2"),
        pytest.param("lightning:net.ckpt", {}, "`class` is missing", marks=needs_lightning),
        pytest.param("lightning:net.ckpt", {"class": "nets:Nett"}, "nets.py defines no `Nett`.*Net",
                     marks=needs_lightning),
        pytest.param("keras:net.pt2", {}, r"is not a \.keras file", marks=needs_keras),
    ],
)  # fmt: skip
def test_mistakes_are_said_with_their_line_before_anything_runs(
    tmp_path: Path, model: str, args: object, said: str
) -> None:
    for name in ("net.pt2", "net.pt", "net.ckpt"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "nets.py").write_text("class Net:\n    pass\n")
    with pytest.raises(SuiteError, match=rf"suite.yaml:\d+: (?s:.)*{said}"):
        load_suite(suite(tmp_path, model, args))
