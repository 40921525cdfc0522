"""`torch-compile`: the model compiled ahead of time by torch's Inductor into a shared library.

Compiling takes 20-180 s, so it happens once, when the artifact is made, and not in every process that
serves it. The library is made for the processor that compiled it.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np

from harness.codec import JsonObject
from harness.protocols import Inputs, Predict, Split
from harness.record import TrialError
from harness.runtimes.common import (
    as_arrays,
    dynamic_axes,
    example_input,
    first_line,
    kind,
    parity,
    reference,
    silence,
    task_of,
)
from harness.runtimes.torch_eager import to_tensor

PACKAGE = "model.pt2"


def prepare(
    fitted: Path, folder: Path, calibration: Split | None = None, validation: Split | None = None
) -> JsonObject:
    """Export the fitted model and compile it with a dynamic batch.

    Raises:
        TrialError: there is no C++ compiler, or the model cannot be exported or compiled.
    """
    if kind(fitted) != "torch":
        raise TrialError(f"the model is not a torch network: serve it on runtime {kind(fitted)}")
    if not any(shutil.which(name) for name in ("g++", "c++", "clang++")):
        raise TrialError("torch-compile needs a C++ compiler: install g++ (apt install g++)")
    import torch

    from harness.models.servable import load_servable

    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(fitted / "model.json", folder / "model.json")
    examples = example_input(fitted, calibration, n=8)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    dimensions = dict.fromkeys(dynamic_axes(fitted), torch.export.Dim.DYNAMIC)
    try:
        with silence(), torch.no_grad():
            program = torch.export.export(
                load_servable(fitted).to(device),
                (to_tensor(examples, device),),
                dynamic_shapes=(dimensions,),
            )
            torch._inductor.aoti_compile_and_package(program, package_path=str((folder / PACKAGE).absolute()))
    except Exception as error:  # export and compiler raise dozens of types of their own
        raise TrialError(f"cannot be compiled: {first_line(error)}") from error
    answers = load(folder, torch.get_num_threads(), device)(examples)
    facts = {
        "precision": "fp32",
        "compiler": f"torch {torch.__version__} AOTInductor",
        "compiled_for": device,
    }
    return {**facts, **parity(reference(fitted)(examples), answers, task_of(fitted))}


def load(folder: Path, threads: int, device: str = "cpu") -> Predict:
    """Load the compiled library; `threads` is torch's intra-op pool."""
    import torch

    torch.set_num_threads(threads)
    compiled = torch._inductor.aoti_load_package(str((folder / PACKAGE).absolute()))

    def predict(inputs: Inputs) -> np.ndarray:
        with torch.inference_mode():
            answer = compiled(*(to_tensor(array, device) for array in as_arrays(inputs)))
            return np.asarray(answer.float().cpu().numpy())

    return predict
