"""`python -m harness export`: a variant as a folder that serves it without the harness.

DIR/model/            the artifact as it was served (ONNX file, exported program, scikit-learn pipeline)
DIR/predict.py        pre-processing and answers; for ONNX it needs onnxruntime and numpy, no more
DIR/estimator.py      of scikit-learn pipelines: what reads them, and no code with them
DIR/texts.py          of models of texts: what cuts them into numbers, the code that was measured
DIR/pictures.py       of models of image files: what makes pixels of one, the code that was measured
DIR/signature.json    what it takes and gives
DIR/check.npz         a few test examples and the answers that were measured for them
DIR/requirements.txt  what must be installed, in the versions that were measured
DIR/README.md         the model card: measured numbers with intervals, limits, data, hashes

A recommender's folder: see `harness.export.recommender`.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from harness.export.model_card import model_card
from harness.export.source import ExportSource, find_source, table_of, tokenizer_kind
from harness.exported import tables
from harness.facts import ScoreFacts, TrainFacts
from harness.kinds import kind_of
from harness.mistakes import noting, refuse
from harness.models.fitted import load_meta
from harness.record import DataError, HarnessError, TrialError
from harness.runtimes import runtime
from harness.runtimes.common import TOKENIZER
from harness.store.disk import copy_whole, writing
from harness.store.runs import RunFolder

if TYPE_CHECKING:
    from harness.analysis.predictions import Predictions

CHECKED = 8
"""Examples in check.npz."""

SMOKE_S = 300.0

_ALONE = """
import runpy, sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {refused!r}:
            raise ImportError(name + " is not there for an exported model")
sys.meta_path.insert(0, Refuse())
sys.argv = [{script!r}, "--check"]
runpy.run_path({script!r}, run_name="__main__")
"""


def export_variant(run: RunFolder, variant: str, folder: str | Path) -> str:
    """Write a variant of a run as a folder of its own, and try it in a process without the harness.

    Args:
        variant: `candidate/runtime`, a row of the table.
        folder: is made; must be empty where it is there already.
    Returns:
        what was written and how it did, for people.
    Raises:
        HarnessError: no such variant, it failed, the folder is in use, or what was exported does not
            answer as it was measured (the folder is then left for a look).
    """
    from harness.reading import suite_from_text

    target, mistakes = Path(folder), list[str]()
    with noting(mistakes):
        check_free(target)
    suite = suite_from_text(run.read_text("suite.yaml"))
    with noting(mistakes):
        source = find_source(run, suite, variant)
    refuse(mistakes)
    is_recommender = not kind_of(suite.task).has_predictions
    with tempfile.TemporaryDirectory(prefix="harness-export-") as scratch:
        made = Path(scratch) / "export"
        made.mkdir()
        needed = write_recommender_folder(source, made) if is_recommender else write_folder(source, made)
        with writing(str(target), "name another folder"):
            target.parent.mkdir(parents=True, exist_ok=True)
            copy_whole(made, target)
    said = smoke_test(target, ("torch",) if is_recommender else source.way.without, needed)
    size = sum(p.stat().st_size for p in target.rglob("*") if p.is_file()) / 1e6
    return f"{target}: {variant}, {size:.2f} MB, {said}\n{target / 'README.md'}"


def check_free(folder: str | Path) -> None:
    """Raises: HarnessError where something stands in the folder already."""
    target = Path(folder)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise HarnessError(f"{target} is there already and not empty: name a new folder")


def write_recommender_folder(source: ExportSource, folder: Path) -> tuple[str, ...]:
    """All files of an exported recommender; what it needs."""
    from harness.export.recommender import write_recommender
    from harness.export.recommender_card import recommender_card

    needed = write_recommender(source.folder / "artifact", folder)
    _write_requirements(source, needed, folder)
    card = recommender_card(source, hashes(folder), needed)
    (folder / "README.md").write_text(card, encoding="utf-8")
    return needed


def _write_requirements(source: ExportSource, packages: Sequence[str], folder: Path) -> None:
    """The packages in the versions that were measured."""
    versions = source.score.environment.get("versions", {})
    pins = [f"{name}=={versions[name]}" if name in versions else name for name in packages]
    (folder / "requirements.txt").write_text("\n".join(pins) + "\n")


def write_folder(source: ExportSource, folder: Path) -> tuple[str, ...]:
    """All files of the export; what it needs."""
    from harness import exported
    from harness.datasets import pictures
    from harness.models import encoding

    inputs, expected, note = check_examples(source)
    _write_model(source, folder / "model")
    np.savez(folder / "check.npz", inputs=inputs, expected=expected)
    shutil.copyfile(Path(str(exported.__file__)).parent / "predict.py", folder / "predict.py")
    if source.way.reader == "estimator":
        shutil.copyfile(Path(str(exported.__file__)).parent / "estimator.py", folder / "estimator.py")
    if tokenizer_kind(source):
        shutil.copyfile(Path(str(encoding.__file__)), folder / "texts.py")
    if source.pictures:
        shutil.copyfile(Path(str(pictures.__file__)), folder / "pictures.py")
    if table_of(source) is not None:
        shutil.copyfile(Path(str(tables.__file__)), folder / "tables.py")
    (folder / "signature.json").write_text(json.dumps(_signature(source, inputs), indent=1) + "\n")
    needed = needs(source)
    _write_requirements(source, needed, folder)
    (folder / "README.md").write_text(model_card(source, hashes(folder), needed, note), encoding="utf-8")
    return needed


def check_examples(source: ExportSource) -> tuple[np.ndarray, np.ndarray, str]:
    """A few test examples, the answers that were measured for them, and a note where there are none."""
    from harness.datasets.parts import load_parts

    spec = source.score.trial.spec
    try:
        test = load_parts(spec["data"], spec.get("train_size"), ("test",)).test
    except (DataError, OSError) as error:
        if _is_text(source):
            return np.array(["", "two words"]), np.zeros((0,), np.float32), _unchecked(error)
        if (table := table_of(source)) is not None:
            nothing = json.dumps(dict.fromkeys(table.type.names or ()))
            return np.array([nothing]), np.zeros((0,), np.float32), _unchecked(error)
        info = load_meta(source.fitted).task
        kind = np.uint8 if _takes(source) == "image" else np.float32
        zeros = np.zeros((2, *info.input_shape), kind)
        return zeros, np.zeros((0,), np.float32), _unchecked(error)
    rows = range(min(CHECKED, len(test)))
    if (table := table_of(source)) is not None:
        inputs = np.array([json.dumps(row) for row in table.told(test.inputs[: len(rows)])])
    else:
        inputs = np.array([test.inputs[i] for i in rows])
    stored = _measured(source)
    places = {int(number): place for place, number in enumerate(stored.ids)}
    expected = stored.outputs[[places[int(test.ids[i])] for i in rows]]
    return inputs, expected.astype(np.float32), ""


def _measured(source: ExportSource) -> Predictions:
    """What the variant answered to the test part."""
    from harness.analysis.predictions import Predictions, predictions_of

    loaded = predictions_of(source.run)(source.score.trial.id)
    return loaded if isinstance(loaded, Predictions) else Predictions(*loaded)


def _unchecked(error: Exception) -> str:
    return f"The data could not be read for a check ({error})."


def needs(source: ExportSource) -> tuple[str, ...]:
    """The packages that the exported folder needs."""
    extra = ["tokenizers"] if tokenizer_kind(source) == "pretrained" else []
    if source.way.reader == "estimator" and (source.folder / "artifact" / "estimator.skops").exists():
        libraries = source.train.facts_as(TrainFacts).libraries or {} if source.train else {}
        extra += ["scikit-learn", "skops", *(name for name in libraries if name != "sklearn")]
    extra += ["pillow"] if source.pictures else []
    if source.runtime == "catboost" and source.table is not None and source.table.categorical:
        extra += ["pandas"]  # CatBoost looks for it where numbers and categories stand together
    return tuple(dict.fromkeys([*source.way.needs, *extra]))


def _takes(source: ExportSource) -> str:
    """What its examples are: `image`, `text` or `table`."""
    return load_meta(source.fitted).task.takes


def _is_text(source: ExportSource) -> bool:
    return _takes(source) == "text"


def _write_model(source: ExportSource, folder: Path) -> None:
    """The artifact; networks served by torch itself become exported programs, which need no code."""
    artifact = source.folder / "artifact"
    if source.way.form == "artifact":
        shutil.copytree(artifact, folder)
        return
    folder.mkdir()
    for name in (TOKENIZER, tables.FILE):
        if (artifact / name).exists():
            shutil.copyfile(artifact / name, folder / name)
    export_program(source.fitted, folder / "model.pt2", is_half=runtime(source.runtime).precision == "bf16")


def export_program(fitted: Path, path: Path, is_half: bool = False) -> None:
    """A fitted network as a program that `torch.export.load` reads anywhere, with a dynamic batch.

    Args:
        is_half: whether it computes in bfloat16 where autocast would; that goes into the program.
    Raises:
        TrialError: torch.export cannot follow the network.
    """
    import torch

    from harness.models.servable import load_servable
    from harness.runtimes.common import dynamic_axes, example_input, first_line, silence

    class Cast(torch.nn.Module):
        """Under autocast inside the program: around it, autocast trips over the types that were traced."""

        def __init__(self, inner: torch.nn.Module) -> None:
            super().__init__()
            self.inner = inner

        def forward(self, raw: torch.Tensor) -> torch.Tensor:
            with torch.autocast("cpu", dtype=torch.bfloat16):
                answer: torch.Tensor = self.inner(raw)
            return answer.float()

    example = torch.from_numpy(np.array(example_input(fitted, None, n=2)))
    dimensions = dict.fromkeys(dynamic_axes(fitted), torch.export.Dim.DYNAMIC)
    try:
        with silence(), torch.no_grad():
            module = Cast(load_servable(fitted)).eval() if is_half else load_servable(fitted)
            program = torch.export.export(module, (example,), dynamic_shapes=(dimensions,))
            torch.export.save(program, path)
    except Exception as error:  # torch.export raises dozens of types of its own
        raise TrialError(
            f"cannot be exported as a program: {first_line(error)}; export its onnx variant"
        ) from error


def _signature(source: ExportSource, inputs: np.ndarray) -> dict[str, object]:
    fitted = load_meta(source.fitted)
    task = fitted.task
    given: dict[str, object] = (
        {"kind": "text", "tokenizer": tokenizer_kind(source)}
        if _is_text(source)
        else {"kind": _takes(source), "dtype": str(inputs.dtype), "shape": list(task.input_shape)}
    )
    given |= {"pictures": source.pictures} if source.pictures else {}
    if (table := table_of(source)) is not None:
        separator = (source.score.trial.spec["data"].get("args") or {}).get("separator")
        given = {"kind": "rows", "columns": list(table.columns), "notation": table.notation}
        given |= {"separator": separator} if separator else {}
    return {
        "variant": source.variant,
        "runtime": source.runtime,
        "reader": source.way.reader,
        "task": source.suite.task,
        "input": given,
        "classes": list(task.class_names),
        "targets": kind_of(source.suite.task).targets,
        "fitted_classes": list(fitted.classes or range(task.num_classes)),
        "tolerance": _tolerance(source),
    }


def _tolerance(source: ExportSource) -> float:
    """How far an answer may lie from the measured one: of values as a share of what they scatter by, be they
    prices in millions or shares of a millionth."""
    way = str((source.score.facts_as(ScoreFacts).prepared or {}).get("quantised", ""))
    tolerance = source.way.tolerances.get(way, source.way.tolerance)
    if kind_of(source.suite.task).targets != "values":
        return tolerance
    values = _measured(source).outputs.astype(np.float64)
    return tolerance * (float(values.std()) or float(np.abs(values).max()) or 1.0)


def hashes(folder: Path) -> dict[str, str]:
    """Relative path → sha256 of every file."""
    files = sorted(p for p in folder.rglob("*") if p.is_file())
    return {p.relative_to(folder).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def smoke_test(folder: Path, without: Sequence[str] = (), needed: Sequence[str] = ()) -> str:
    """Run `predict.py --check` in a process that can import neither the harness nor what is not needed.

    Raises:
        HarnessError: it does not run there, or answers otherwise than measured.
    """
    away = {"harness", "ray", "transformers", *without} - set(needed)
    code = _ALONE.format(refused=sorted(away), script=str((folder / "predict.py").absolute()))
    command = [sys.executable, "-I", "-c", code]
    try:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, timeout=SMOKE_S, check=False
        )
    except subprocess.TimeoutExpired:
        raise HarnessError(f"{folder}: predict.py --check did not end within {SMOKE_S:g} s") from None
    if done.returncode:
        tail = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise HarnessError(f"{folder}: the exported model fails by itself: {tail}")
    return done.stdout.strip()
