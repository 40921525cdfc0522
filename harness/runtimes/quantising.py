"""Ways of quantising a network to 8 bits, compared: each is scored on validation data and timed beside fp32.

The fastest that keeps the accuracy is chosen.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from harness.codec import Json, JsonObject
from harness.models.encoding import PAD
from harness.protocols import Predict, Split
from harness.record import TrialError
from harness.runtimes.common import first_line, folder_size_mb, kind, parity, silence, task_of

CALIBRATION = 200
"""Training examples that ranges of activations are taken from."""
JUDGES = 1000
"""Validation examples that the ways are scored on."""
ALLOWED_DROP = 0.01
"""Accuracy (or R²) that a way may lose against fp32 and still be chosen for its speed."""
TIMING = ((1, 40), (32, 6))
"""(batch size, calls) that speed is judged by, interleaved between the ways."""
FAILURE = "failure"
"""In the folder of a way that failed: why."""

Prepare = Callable[[Path, Path, Split | None, Split | None], Mapping[str, Json]]
"""(fitted model, folder of the artifact, calibration, validation) → what is to be recorded of it."""
Load = Callable[[Path, int], Predict]
"""(folder of an artifact, threads) → its answers."""
Ways = Callable[[Path, Split, Path], Mapping[str, Path]]
"""(artifact in fp32, calibration, folder to work in) → each way's folder, as `made` gives them."""


@dataclass(frozen=True)
class Tried:
    """One way of quantising, and what came of it.

    Args:
        quality: accuracy, or R² of a regression, on the judging examples; None where nothing depends on it.
        relative_time: CPU time per example, geometric mean over batch sizes, relative to fp32.
    """

    way: str
    quality: float | None = None
    relative_time: float | None = None
    size_mb: float | None = None
    milliseconds: Mapping[str, float] | None = None
    failure: str = ""


def quantise(
    prepare: Prepare, load: Load, ways_of: Ways, fitted: Path, folder: Path, calibration: Split | None,
    validation: Split | None,
) -> JsonObject:  # fmt: skip
    """Quantise a fitted network in every way, choose one, and keep its artifact in `folder`.

    Args:
        prepare, load: of the runtime in fp32.

    Raises:
        TrialError: the model is not a network, there is nothing to calibrate with, or no way works.
    """
    if kind(fitted) == "sklearn":
        raise TrialError("int8 is for networks: an estimator has no weights that it would make faster")
    if calibration is None or not len(calibration):
        raise TrialError("int8 needs calibration examples from the training part")
    judges, judged_on = judges_of(calibration, validation)
    with tempfile.TemporaryDirectory() as scratch:
        base = Path(scratch) / "fp32"
        exported = prepare(fitted, base, calibration, validation)
        ways = ways_of(base, calibration, Path(scratch))
        tried = compare(load, base, ways, judges)
        chosen = choose(tried)
        shutil.copytree(ways[chosen.way], folder, dirs_exist_ok=True)
        shutil.copyfile(fitted / "model.json", folder / "model.json")
        exact, answers = (run(judges.inputs[:64]) for run in (load(base, 1), load(folder, 1)))
    return {
        "exporter": exported["exporter"],
        **told(chosen, tried),
        "judged_on": judged_on,
        "calibration_examples": min(len(calibration), CALIBRATION),
        **parity(exact, answers, task_of(fitted)),
    }


def made(makers: Mapping[str, Callable[[Path], None]], scratch: Path) -> dict[str, Path]:
    """Every way made in a folder of its own: way → folder; one that fails leaves only its reason there."""
    ways = {}
    for way, make in makers.items():
        ways[way] = scratch / way
        ways[way].mkdir()
        try:
            with silence():
                make(ways[way])
        except Exception as error:  # quantisers raise whatever their steps raise
            (ways[way] / FAILURE).write_text(first_line(error))
    return ways


def compare(load: Load, base: Path, ways: Mapping[str, Path], judges: Split) -> list[Tried]:
    """Time fp32 and every way, calls interleaved, by CPU time; score fp32 and the ways, the fastest first.

    A way that takes longer than one that keeps the accuracy is not scored: it would not be chosen, and
    convolutions of dynamic ranges take six times as long as fp32.

    Args:
        load: of the runtime. base: the folder of fp32. ways: as `made` gives them.
    """
    loaded: dict[str, Predict] = {"fp32": load(base, 1)}
    failures: dict[str, str] = {}
    for way, folder in ways.items():
        try:
            if (folder / FAILURE).exists():
                raise TrialError((folder / FAILURE).read_text())
            loaded[way] = load(folder, 1)
            loaded[way](judges.inputs[:1])
        except Exception as error:  # an operator without an int8 kernel shows only when it runs
            loaded.pop(way, None)
            failures[way] = first_line(error)
    times = _times(loaded, judges)
    relative = {way: _ratio(of_way, times["fp32"]) for way, of_way in times.items()}
    quality: dict[str, float] = {}
    for way in ("fp32", *sorted(ways.keys() & loaded.keys(), key=relative.__getitem__)):
        quality[way] = _quality(loaded[way], judges)
        if way != "fp32" and quality[way] >= quality["fp32"] - ALLOWED_DROP:
            break
    tried = [
        Tried(
            way,
            quality=quality.get(way),
            relative_time=relative[way],
            size_mb=folder_size_mb(base if way == "fp32" else ways[way]),
            milliseconds={str(batch): times[way][batch] * 1e3 for batch, _ in TIMING},
        )
        for way in loaded
    ]
    return tried + [Tried(way, failure=text) for way, text in failures.items()]


def _ratio(seconds: Mapping[int, float], than: Mapping[int, float]) -> float:
    return float(np.exp(np.mean([np.log(seconds[batch] / than[batch]) for batch, _ in TIMING])))


def choose(tried: Sequence[Tried]) -> Tried:
    """The fastest way that keeps the accuracy; where none does, the most accurate.

    Raises:
        TrialError: no way works.
    """
    reference = next(way for way in tried if way.way == "fp32")
    ways = [way for way in tried if way.way != "fp32" and way.quality is not None]
    if not ways:
        raise TrialError(
            "cannot be quantised: " + "; ".join(f"{w.way}: {w.failure}" for w in tried if w.failure)
        )
    floor = (reference.quality or 0.0) - ALLOWED_DROP
    keeping = [way for way in ways if (way.quality or 0.0) >= floor]
    if keeping:
        return min(keeping, key=lambda way: way.relative_time or np.inf)
    return max(ways, key=lambda way: way.quality or -np.inf)


def reason(chosen: Tried, tried: Sequence[Tried]) -> str:
    """One sentence for the report."""
    reference = next(way for way in tried if way.way == "fp32")
    assert chosen.quality is not None and reference.quality is not None and chosen.relative_time is not None
    drop = reference.quality - chosen.quality
    kept = "keeps the accuracy" if drop <= ALLOWED_DROP else "loses least accuracy"
    others = ", ".join(
        f"{w.way} {_gain(w, reference.quality)}at {w.relative_time:.2f} times the time"
        for w in tried
        if w is not chosen and w.way != "fp32" and w.relative_time is not None
    )
    text = f"{chosen.way} {kept} ({-drop:+.3f}) at {chosen.relative_time:.2f} times the time of fp32"
    return text + (f"; {others}" if others else "")


def _gain(way: Tried, than: float) -> str:
    return "" if way.quality is None else f"{way.quality - than:+.3f} "


def told(chosen: Tried, tried: Sequence[Tried]) -> JsonObject:
    """Which way was chosen, why, and what the others gave: for the record."""
    return {
        "precision": "int8",
        "quantised": chosen.way,
        "reason": reason(chosen, tried),
        "tried": [asdict(way) for way in tried],
    }


def judges_of(calibration: Split, validation: Split | None) -> tuple[Split, str]:
    """The examples that ways are scored on, and what they are, for people."""
    if validation is not None and len(validation):
        part, name = validation, "validation"
    else:  # a suite without a validation part: training examples that did not calibrate
        part, name = _rows(calibration, slice(CALIBRATION, None)), "training examples not used to calibrate"
        if not len(part):
            part, name = calibration, "calibration examples"
    judges = _rows(part, slice(0, JUDGES))
    return judges, f"{len(judges)} {name} examples" if name == "validation" else f"{len(judges)} {name}"


def _rows(part: Split, rows: slice) -> Split:
    return Split(part.inputs[rows], part.targets[rows], part.ids[rows])


def _times(loaded: Mapping[str, Predict], judges: Split) -> dict[str, dict[int, float]]:
    """Way → batch size → median CPU seconds of a call; the ways take turns."""
    found: dict[str, dict[int, float]] = {way: {} for way in loaded}
    for batch, calls in TIMING:
        request = request_of(judges.inputs, batch)
        times: dict[str, list[float]] = {way: [] for way in loaded}
        for number in range(calls + 2):
            for way, predict in loaded.items():
                start = time.thread_time()
                predict(request)
                if number >= 2:
                    times[way].append(time.thread_time() - start)
        for way in loaded:
            found[way][batch] = float(np.median(times[way]))
    return found


def request_of(inputs: np.ndarray, batch: int) -> np.ndarray:
    """A call's rows; of texts from one of median length on, padded as far as these need it and no further."""
    first = 0
    if inputs.dtype == np.int64:
        lengths = (inputs != PAD).sum(axis=1)
        first = int(np.argsort(lengths, kind="stable")[len(lengths) // 2])
    request = inputs[(first + np.arange(batch)) % len(inputs)]
    if inputs.dtype == np.int64:
        request = request[:, : max(int((request != PAD).sum(axis=1).max()), 1)]
    return np.ascontiguousarray(request)


def _quality(predict: Predict, judges: Split) -> float:
    answers = np.concatenate([predict(judges.inputs[i : i + 100]) for i in range(0, len(judges), 100)])
    if judges.targets.ndim == 2:  # labels, each right or wrong
        return float(np.mean((answers > 0.5) == (judges.targets > 0.5)))
    if answers.ndim == 2:
        return float(np.mean(answers.argmax(1) == judges.targets))
    spread = float(np.sum((judges.targets - judges.targets.mean()) ** 2)) or 1.0
    return 1.0 - float(np.sum((answers - judges.targets) ** 2)) / spread
