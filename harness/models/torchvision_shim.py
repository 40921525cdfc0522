"""Cure for `operator torchvision::nms does not exist`: `prepare()` before the first import of timm.

torchvision registers meta kernels for operators of its compiled library. Where that library does
not load (a CUDA build of torchvision beside a CPU build of torch, which is what a package index may
give), the operators have no schema and the import dies. Defining the schemas is enough: no model
here calls the operators. Seen with torch 2.13.0+cpu, torchvision 0.28.0, timm 1.0.31.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import torch

_SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)
_defined: list[torch.library.Library] = []  # definitions live as long as their library object


def prepare() -> None:
    """Define the operators' schemas; does nothing where torchvision is absent, imported or whole."""
    spec = importlib.util.find_spec("torchvision")
    if _defined or "torchvision" in sys.modules or spec is None or _loads(spec.submodule_search_locations):
        return
    library = torch.library.Library("torchvision", "DEF")  # type: ignore[no-untyped-call]
    for schema in _SCHEMAS:
        library.define(schema)  # type: ignore[no-untyped-call]
    _defined.append(library)


def _loads(folders: list[str] | None) -> bool:
    """Whether torchvision's compiled library loads beside this torch (then it brings the schemas)."""
    for folder in folders or []:
        for path in Path(folder).glob("_C*.so"):
            try:
                torch.ops.load_library(str(path))  # type: ignore[no-untyped-call]
            except OSError:
                return False
            return True
    return False
