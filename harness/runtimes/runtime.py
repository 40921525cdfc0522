"""What a runtime is, before any of its code is imported."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, cast

from harness.codec import JsonObject
from harness.protocols import Predict, RuntimeModule, Split
from harness.suite.model_ref import Fitted, ModelRef


@dataclass(frozen=True)
class Export:
    """How a variant leaves the harness: as a folder that serves it alone.

    Args:
        needs: the packages that its `predict.py` imports.
        reader: the key of `LOADERS` in `harness/exported/predict.py` that reads the model.
        form: the artifact as it was served, or the fitted network as a program of `torch.export`, which needs
            no code of the model's own.
        tolerance: how far answers may lie from the measured ones: other processors round differently.
        tolerances: the same of artifacts that were quantised in one of these ways.
        without: packages that the exported folder is tried without, unless `needs` or the model names them.
    """

    needs: tuple[str, ...]
    reader: str
    form: Literal["artifact", "program"] = "artifact"
    tolerance: float = 1e-3
    tolerances: Mapping[str, float] = field(default_factory=dict)
    without: tuple[str, ...] = ()


@dataclass(frozen=True)
class Runtime:
    """A way of serving a fitted model.

    Args:
        name: as suites say it. summary: a line for `list runtimes`.
        home: the module with its `prepare` and `load` (`RuntimeModule`), imported on use.
        accepts: the kinds of fitted models that it can serve.
        packages: what executes its artifact, by the names of their distributions, of which one is installed.
        modules, extra: what must be importable beyond the base install, and the extra that brings it.
        precision: of its arithmetic.
        refuses: of kinds that it does not accept, why, with the cure; the others are passed over in silence.
        unfit: (model, task, arguments of the candidate) → why an estimator that it accepts has no form here;
            empty where it has one.
        is_reference: it is the models' own library: what a suite's `torch` stands for, and the parity of the
            others is taken against.
        full_precision: the runtime that serves the same without its loss of precision.
        is_calibrated: `prepare` needs labelled examples.
        export: None: it cannot be exported.
        gpu: makes this process ready to serve it on a GPU, and says what is missing, with the cure; empty
            where nothing is. None: it serves on processors alone.
        marker: its sign in plots (`harness.report.palette`); empty: one that is free.
    """

    name: str
    summary: str
    home: str
    accepts: tuple[Fitted, ...]
    packages: tuple[str, ...]
    modules: tuple[str, ...] = ()
    extra: str = ""
    precision: Literal["fp32", "bf16", "int8"] = "fp32"
    refuses: Mapping[Fitted, str] = field(default_factory=dict)
    unfit: Callable[[ModelRef, str, JsonObject], str] = lambda model, task, args: ""
    is_reference: bool = False
    full_precision: str = ""
    is_calibrated: bool = False
    export: Export | None = None
    gpu: Callable[[], str] | None = None
    marker: str = ""

    @property
    def absent(self) -> str:
        """What it needs and is not installed, with the cure; empty where nothing is missing."""
        away = [name for name in self.modules if importlib.util.find_spec(name) is None]
        cure = f"pip install -c constraints.txt -e '.[{self.extra}]'"
        return f"{self.name} needs {' and '.join(away)}: {cure}" if away else ""

    @property
    def module(self) -> RuntimeModule:
        """Its code; importing it imports what executes the model."""
        return cast(RuntimeModule, importlib.import_module(self.home))

    def prepare(
        self, fitted: Path, folder: Path, calibration: Split | None = None, validation: Split | None = None
    ) -> JsonObject:
        """Make the artifact in `folder`; see `RuntimeModule.prepare`."""
        return self.module.prepare(fitted, folder, calibration, validation)

    def load(self, folder: Path, threads: int, device: str = "cpu") -> Predict:
        """Load the artifact; see `RuntimeModule.load`. It goes where the runtime can serve."""
        return self.module.load(folder, threads, self.device(device))

    def device(self, claimed: str) -> str:
        """Where it serves: on the GPU that was claimed if it can, else on the processor."""
        return claimed if claimed == "cpu" or not self.why_not_on_gpu() else "cpu"

    def why_not_on_gpu(self) -> str:
        """What keeps it from serving on this machine's GPU; empty where nothing does."""
        return "it serves on processors alone" if self.gpu is None else self.gpu()
