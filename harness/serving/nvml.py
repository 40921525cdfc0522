"""NVIDIA's management library, for the GPU that torch calls 0 here: which need not be the machine's first."""

from __future__ import annotations

import os
import sys
from types import ModuleType


def gpu() -> tuple[ModuleType, object] | None:
    """The library and the handle of this process's GPU; None where there is none of them.

    CUDA_VISIBLE_DEVICES renumbers the GPUs for torch and not for NVML, so the card is found by its UUID, or
    by the variable where torch does not tell it.
    """
    try:
        import pynvml

        pynvml.nvmlInit()
        return pynvml, _handle(pynvml)
    except Exception:  # ImportError, or one of pynvml's own errors: no driver, no such card
        return None


def _handle(pynvml: ModuleType) -> object:
    torch = sys.modules.get("torch")
    uuid = ""
    if torch is not None and torch.cuda.is_available():
        uuid = str(getattr(torch.cuda.get_device_properties(0), "uuid", "") or "")
    first = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")[0].strip()
    if uuid:
        return pynvml.nvmlDeviceGetHandleByUUID(f"GPU-{uuid.removeprefix('GPU-')}")
    if first.startswith(("GPU-", "MIG-")):
        return pynvml.nvmlDeviceGetHandleByUUID(first)
    return pynvml.nvmlDeviceGetHandleByIndex(int(first) if first.isdecimal() else 0)
