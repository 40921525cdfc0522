"""What is known of a fitted model on disk, without loading it: `fitted/model.json`.

    fitted/model.json           kind, model reference, arguments, task, scaling
    fitted/weights.safetensors  kind `torch`: the network's state (`harness.models.servable`)
    fitted/estimator.skops      kind `sklearn`: a pipeline of scaler (of texts: TF-IDF) and estimator
    fitted/tokenizer.json       networks on texts: texts → tokens
    fitted/network.*            kind `torch` of a finished network: the user's file (`finished_network.py`)
    (nothing more)              kind `endpoint`: how a service is spoken to stands in `model.json`
    fitted/model.onnx           kind `onnx`: the user's finished model, wrapped (`harness.tasks.finished`)

No file runs code when it is read: a run folder may come from somebody else. No torch here: a process that
serves an ONNX file must not import it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

from harness.protocols import AnswerKind, Task
from harness.record import RecordError, TrialError
from harness.suite.model_ref import OWN, OWN_ESTIMATOR, parse_model

FORMAT = 1
Kind = Literal["torch", "sklearn", "onnx", "endpoint"]


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
        ends: of a finished network, what it takes and gives: `harness.models.finished_network.Ends`.
        transforms: the user's function that says what images go through, where the suite names one.
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
    ends: Mapping[str, Any] = field(default_factory=dict)
    transforms: str = ""
    format: int = FORMAT

    @property
    def scaling(self) -> Scaling:
        return Scaling(self.mean, self.std, self.target_mean, self.target_std)


def save_onnx(fitted: Path, model: bytes, meta: Meta) -> None:
    """Write `model.json` and `model.onnx` of a finished model."""
    fitted.mkdir(parents=True, exist_ok=True)
    (fitted / "model.onnx").write_bytes(model)
    write_meta(fitted, meta)


def write_meta(fitted: Path, meta: Meta) -> None:
    """Write `model.json`."""
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
        values |= {"args": data["args"], "ends": _tuples(data.get("ends", {}))}
        values["task"] = Task(**_tuples(data["task"]))
        return Meta(**values)
    except (OSError, KeyError, TypeError, json.JSONDecodeError) as error:
        raise RecordError(f"{fitted}: no fitted model can be read there ({error})") from error


def _tuples(values: Mapping[str, Any]) -> dict[str, Any]:
    return {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}


def module_folder(model: str) -> str | None:
    """Where the user's own module was imported from, None for references to libraries and tables."""
    ref = parse_model(model)
    module = sys.modules.get(ref.package) if ref.kind in (OWN, OWN_ESTIMATOR) else None
    if module is None or not module.__file__:
        return None
    file = Path(module.__file__).resolve()
    depth = ref.package.count(".") + (file.name == "__init__.py")
    return str(file.parents[depth])


def folder_of(model: str, transforms: str) -> str | None:
    """Where the user's modules behind a network lie: its builder's, else its transforms'."""
    return module_folder(model) or (module_folder(transforms) if transforms else None)


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
