"""A fitted model on disk, and how it is rebuilt: what every runtime starts from.

    fitted/model.json           kind, model reference, arguments, task, scaling
    fitted/weights.safetensors  kind `torch`: the network's state
    fitted/estimator.skops      kind `sklearn`: a pipeline of scaler (of texts: TF-IDF) and estimator
    fitted/tokenizer.json       networks on texts: texts → tokens
    fitted/model.onnx           kind `onnx`: the user's finished model, wrapped (`harness.tasks.finished`)

No file is a pickle: a run folder may come from somebody else. Scaling is part of the model: a
`Servable` takes what a client sends (uint8 images, a float32 table; of texts their tokens, for a graph
of tensors cannot hold a tokenizer) and returns probabilities.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from harness.exported.estimator import class_answers
from harness.protocols import AnswerKind, Inputs, Predict, Task
from harness.record import RecordError, TrialError
from harness.runtimes.sklearn import ESTIMATOR
from harness.runtimes.sklearn import load_estimator as load_estimator
from harness.suite.model_ref import OWN, parse_model

FORMAT = 1
Kind = Literal["torch", "sklearn", "onnx"]


@dataclass(frozen=True)
class Scaling:
    """How raw inputs and targets are brought to the numbers a network sees.

    Args:
        mean, std: per channel of an image in 0…1, or per column of a table; of the training part.
        target_mean, target_std: of a regression's training targets.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    target_mean: float = 0.0
    target_std: float = 1.0


@dataclass(frozen=True)
class Meta:
    """`fitted/model.json`.

    Args:
        search: the folder of the user's own module (`package.module:function`), None for others.
        classes: kind `sklearn`: the class of each probability column, where training data may lack some.
        answers: what a classifier gives.
    """

    kind: Kind
    model: str
    args: Mapping[str, Any]
    task: Task
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    target_mean: float = 0.0
    target_std: float = 1.0
    search: str | None = None
    classes: tuple[int, ...] = ()
    answers: AnswerKind = "probabilities"
    format: int = FORMAT

    @property
    def scaling(self) -> Scaling:
        return Scaling(self.mean, self.std, self.target_mean, self.target_std)


class Scaled(nn.Module):
    """Raw inputs → scaled float32 → network → logits (n, num_classes), or values (n,) for regression."""

    scale: Tensor
    shift: Tensor

    def __init__(self, network: nn.Module, scaling: Scaling, task: Task) -> None:
        super().__init__()
        self.network = network
        self.is_image = task.name == "image_classification"
        self.is_text = task.name == "text_classification"
        mean, std = (torch.tensor(v, dtype=torch.float64) for v in (scaling.mean, scaling.std))
        unit = 255.0 if self.is_image else 1.0
        shape = (-1, 1, 1) if self.is_image else (-1,)
        # One multiply and one add, whatever the scaling; not in the state: model.json holds it.
        self.register_buffer("scale", (1 / (unit * std)).float().view(shape), persistent=False)
        self.register_buffer("shift", (-mean / std).float().view(shape), persistent=False)

    def forward(self, raw: Tensor) -> Tensor:
        inputs = raw if self.is_text else raw.float() * self.scale + self.shift
        out: Tensor = self.network(inputs)
        return out


class Servable(nn.Module):
    """What is deployed: raw inputs → probabilities (n, num_classes), or values (n,) for regression."""

    def __init__(self, scaled: Scaled, scaling: Scaling, task: Task) -> None:
        super().__init__()
        self.scaled = scaled
        self.num_classes = task.num_classes
        self.target_mean, self.target_std = scaling.target_mean, scaling.target_std

    def forward(self, raw: Tensor) -> Tensor:
        out = self.scaled(raw).float()
        if self.num_classes:
            return torch.softmax(out, dim=-1)
        values: Tensor = out * self.target_std + self.target_mean
        return values


def save_network(fitted: Path, network: nn.Module, meta: Meta) -> None:
    """Write `model.json` and `weights.safetensors` of a trained network."""
    from safetensors.torch import save_model

    fitted.mkdir(parents=True, exist_ok=True)
    # The file format wants plain layout; training may have used channels_last.
    network = network.cpu().to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    save_model(network, str(fitted / "weights.safetensors"))
    _write_meta(fitted, meta)


def save_estimator(fitted: Path, estimator: Any, meta: Meta) -> None:
    """Write `model.json` and `estimator.skops` of a fitted scikit-learn pipeline."""
    import skops.io

    fitted.mkdir(parents=True, exist_ok=True)
    skops.io.dump(estimator, fitted / ESTIMATOR)
    _write_meta(fitted, meta)


def save_onnx(fitted: Path, model: bytes, meta: Meta) -> None:
    """Write `model.json` and `model.onnx` of a finished model."""
    fitted.mkdir(parents=True, exist_ok=True)
    (fitted / "model.onnx").write_bytes(model)
    _write_meta(fitted, meta)


def _write_meta(fitted: Path, meta: Meta) -> None:
    (fitted / "model.json").write_text(json.dumps(asdict(meta), indent=1))


def load_meta(fitted: Path) -> Meta:
    """Read `model.json`.

    Raises:
        RecordError: it is missing, damaged or of a newer format.
    """
    try:
        data = json.loads((fitted / "model.json").read_text())
        if data["format"] > FORMAT:
            raise RecordError(
                f"{fitted}: format {data['format']} is newer than {FORMAT}: upgrade the harness"
            )
        known = {f.name for f in fields(Meta)}
        values = _tuples({k: v for k, v in data.items() if k in known})
        values["args"] = data["args"]
        values["task"] = Task(**_tuples(data["task"]))
        return Meta(**values)
    except (OSError, KeyError, TypeError, json.JSONDecodeError) as error:
        raise RecordError(f"{fitted}: no fitted model can be read there ({error})") from error


def _tuples(values: Mapping[str, Any]) -> dict[str, Any]:
    return {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}


def load_servable(fitted: Path) -> Servable:
    """Rebuild a trained network, with its scaling, in evaluation mode on the CPU.

    Raises:
        TrialError: the fitted model is not a network.
    """
    from safetensors.torch import load_model

    meta = load_meta(fitted)
    if meta.kind != "torch":
        raise TrialError(f"{meta.model} is no torch network (kind {meta.kind})")
    network = build_network(meta.model, meta.task, _without_download(meta.model, meta.args), meta.search)
    load_model(network, str(fitted / "weights.safetensors"))
    return Servable(Scaled(network, meta.scaling, meta.task), meta.scaling, meta.task).eval()


def estimator_predict(estimator: Any, meta: Meta) -> Predict:
    """Raw inputs → answers (n, num_classes) float32 in the task's class order, or values (n,)."""

    def predict(raw: Inputs) -> np.ndarray:
        table = list(raw) if meta.task.name == "text_classification" else flat(raw)
        if not meta.task.num_classes:
            return np.asarray(estimator.predict(table), dtype=np.float32).reshape(len(table))
        present = meta.classes or range(meta.task.num_classes)
        return np.asarray(class_answers(estimator, table, present, meta.task.num_classes))

    return predict


def flat(raw: Inputs) -> np.ndarray:
    """Raw images or table rows as a float32 table (n, columns), not scaled: the pipeline scales."""
    table: np.ndarray = np.asarray(raw).reshape(len(raw), -1).astype(np.float32)
    return table


def example_inputs(task: Task, n: int = 2) -> Tensor:
    """Raw inputs of the right shape and type, for export and for counting FLOPs."""
    if task.name == "image_classification":
        generator = torch.Generator().manual_seed(0)
        return torch.randint(0, 256, (n, *task.input_shape), dtype=torch.uint8, generator=generator)
    if task.name == "text_classification":
        return torch.ones((n, min(task.max_length or 16, 16)), dtype=torch.int64)
    return torch.zeros((n, *task.input_shape), dtype=torch.float32)


def build_network(model: str, task: Task, args: Mapping[str, Any], search: str | None) -> nn.Module:
    """A fresh network of a model reference.

    Raises:
        TrialError: the reference, its arguments or the data do not fit; the message names the cure.
    """
    from harness.models.build import build_model

    try:
        return build_model(model, task, dict(args), Path(search) if search else None)
    except ValueError as error:
        raise TrialError(str(error)) from error


def module_folder(model: str) -> str | None:
    """Where the user's own module was imported from, None for references to libraries and tables."""
    ref = parse_model(model)
    module = sys.modules.get(ref.package) if ref.kind == OWN else None
    if module is None or not module.__file__:
        return None
    file = Path(module.__file__).resolve()
    depth = ref.package.count(".") + (file.name == "__init__.py")
    return str(file.parents[depth])


def find_file(name: str, search: str | None) -> Path:
    """A user's file: beside the suite, whose folder the workers have on their import path.

    Raises:
        TrialError: it is nowhere; the message names the places.
    """
    places = [search] if search else sys.path
    for place in places:
        if (Path(place) / name).is_file():
            return Path(place) / name
    raise TrialError(f"there is no file {name} beside the suite: put it there, or write its whole path")


def _without_download(model: str, args: Mapping[str, Any]) -> dict[str, Any]:
    """Weights come from the file, so what a builder would fetch for `pretrained` is not needed."""
    by_default = parse_model(model).about.is_pretrained
    return {**args, "pretrained": False} if args.get("pretrained", by_default) else dict(args)
