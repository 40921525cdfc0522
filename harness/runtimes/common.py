"""What the runtimes share: the fitted model, its example input, silence, and the reasons of failures."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import shutil
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np

from harness.datasets.mapped import is_array
from harness.kinds import kind_of
from harness.kinds.classification import IMAGES as CLASSES
from harness.models.estimator import estimator_predict, load_estimator
from harness.models.fitted import load_meta
from harness.protocols import Inputs, Predict, Split, Task
from harness.record import TrialError

TOKENIZER = "tokenizer.json"
"""Beside a model that takes tokens: what turns texts into them."""


def reference(fitted: Path) -> Predict:
    """The fitted model as its own framework answers: what a runtime's parity is taken against."""
    if kind(fitted) == "sklearn":
        return estimator_predict(load_estimator(fitted), load_meta(fitted))
    import torch  # here: a process that serves an ONNX file must not import it

    from harness.models.servable import load_servable

    servable = load_servable(fitted)

    def predict(inputs: Inputs) -> np.ndarray:
        with torch.inference_mode():
            return np.asarray(servable(torch.from_numpy(np.array(inputs))).float().numpy())

    return predict


def model_card(fitted: Path) -> dict[str, Any]:
    """`model.json` of a fitted model: its reference, arguments and task.

    Raises:
        TrialError: the file is missing or is not JSON.
    """
    try:
        return cast(dict[str, Any], json.loads((fitted / "model.json").read_text()))
    except (OSError, ValueError) as error:
        raise TrialError(f"the fitted model is unreadable ({fitted / 'model.json'}): {error}") from error


def task_of(fitted: Path) -> Task:
    """The task that the model was fitted for."""
    data: dict[str, Any] = dict(model_card(fitted)["task"])
    values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in data.items()}
    return Task(**values)


def kind(fitted: Path) -> str:
    """What the fitted model is: `torch`, `sklearn` or `onnx` (a finished file)."""
    return str(model_card(fitted)["kind"])


def example_input(fitted: Path, calibration: Split | None, n: int = 2) -> np.ndarray:
    """n raw examples, of the right dtype and shape: from data where there are any, else zeros."""
    if calibration is not None and is_array(calibration.inputs) and len(calibration) >= n:
        return np.ascontiguousarray(calibration.inputs[:n])
    task = task_of(fitted)
    if task.takes == "image":
        return np.zeros((n, *task.input_shape), np.uint8)
    if task.takes == "text":
        return np.ones((n, task.max_length), np.int64)
    return np.zeros((n, *task.input_shape), np.float32)


def dynamic_axes(fitted: Path) -> dict[int, str]:
    """Which axes of the input vary between calls."""
    return {0: "batch", 1: "sequence"} if task_of(fitted).takes == "text" else {0: "batch"}


def copy_fitted(fitted: Path, folder: Path) -> None:
    """Make the artifact whole by itself: a deployed model needs no training trial beside it."""
    shutil.copytree(fitted, folder, dirs_exist_ok=True)


def parity(reference: np.ndarray, answer: np.ndarray, task: Task | None = None) -> dict[str, float]:
    """How far a runtime's answers are from the reference's, on the same examples.

    Args:
        task: what they answer; None: a class each, where there are several numbers for an example.
    """
    difference = float(np.max(np.abs(reference.astype(np.float64) - answer)))
    facts = {"parity_max_abs": difference}
    kind = kind_of(task.name) if task is not None else CLASSES
    if kind.agreement is not None and reference.ndim == 2:
        facts["parity_agreement"] = kind.agreement(reference, answer)
    return facts


AGREES_TO = 1e-3
"""How far an fp32 export's probabilities, or values in units of their deviation, may lie from the model's."""

MAY_DIFFER = 0.01
"""The share of rows that may lie further off: a threshold of a tree rounds to the other side of a number."""

JUDGED_ROWS = 2000

BATCH = 128
"""Rows at once: what thousands need together leaves the processor's cache and takes half as long again."""


def in_batches(predict: Predict, rows: np.ndarray) -> np.ndarray:
    """Answers to (n, …) raw rows, a batch at a time."""
    return np.concatenate([predict(rows[start : start + BATCH]) for start in range(0, len(rows), BATCH)])


def judged(
    reference: np.ndarray, answer: np.ndarray, task: Task | None = None, form: str = "ONNX"
) -> dict[str, float]:
    """Whether an fp32 export is the model, by the answers to the same rows.

    Args:
        form: what it was exported to, for people.
    Returns:
        facts for the record: the largest difference, the share of rows that differ, and of equal labels.
    Raises:
        TrialError: it answers otherwise; the reason says by how much and for how many. One NaN is too much:
            attention to an empty text is 0 in torch and NaN in the ONNX file of torch's exporter.
    """
    lost = np.isfinite(reference) & ~np.isfinite(answer)
    if lost.any():
        rows = int(lost.reshape(len(lost), -1).any(axis=1).sum())
        raise TrialError(
            f"its {form} export answers NaN or infinity on {rows:,} of {len(lost):,} rows on which the model "
            "does not; serve it on the runtime of its own library"
        )
    exact = reference.astype(np.float64)
    off = np.abs(exact - answer)
    if exact.ndim == 2:
        off = off.max(axis=1)
    else:
        off = off / (float(exact.std()) or float(np.abs(exact).max()) or 1.0)
    share = float(np.mean(~(off <= AGREES_TO)))
    facts = {**parity(reference, answer, task), "parity_rows": float(len(off)), "parity_rows_off": share}
    if share <= MAY_DIFFER:
        return facts
    worst = float(np.nanmax(off)) if np.isfinite(off).any() else float("nan")
    what = (
        f"probabilities differ by up to {worst:.2g}, labels on {1 - facts['parity_agreement']:.1%} of all"
        if exact.ndim == 2
        else f"values differ by up to {worst:.2g} standard deviations"
    )
    raise TrialError(
        f"its {form} export is another model: on {share:.1%} of {len(off)} rows {what}; serve it on the "
        "runtime of its own library"
    )


def folder_size_mb(folder: Path) -> float:
    """Size of all files of an artifact, in MB of 10^6 bytes."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6


def as_arrays(inputs: Inputs) -> tuple[np.ndarray, ...]:
    """A call's inputs as arrays: most models take one, some take several."""
    return inputs if isinstance(inputs, tuple) else (inputs,)


@contextlib.contextmanager
def silence() -> Iterator[io.StringIO]:
    """Keep exporters' chatter off the terminal; what they printed is in the yielded buffer."""
    buffer = io.StringIO()
    loggers = [logging.getLogger(name) for name in ("torch", "onnxscript", "onnx_ir", "skl2onnx", "root")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        with (
            contextlib.redirect_stdout(buffer),
            contextlib.redirect_stderr(buffer),
            warnings.catch_warnings(),
        ):
            warnings.simplefilter("ignore")
            yield buffer
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def first_line(error: BaseException, limit: int = 200) -> str:
    """The first line of an error's text, short enough for a table cell."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = lines[0] if lines else type(error).__name__
    return text if len(text) <= limit else text[: limit - 1] + "…"


def write_facts(folder: Path, facts: Mapping[str, Any]) -> None:
    """Settings that `load` needs, beside the artifact."""
    (folder / "runtime.json").write_text(json.dumps(dict(facts), indent=1, sort_keys=True) + "\n")


def read_facts(folder: Path) -> dict[str, Any]:
    """The inverse of `write_facts`; empty where the runtime needs no settings."""
    path = folder / "runtime.json"
    return cast(dict[str, Any], json.loads(path.read_text())) if path.exists() else {}
