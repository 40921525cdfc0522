"""Names of models that other packages carry, and the nearest to a misspelt one; without torch."""

from __future__ import annotations

import difflib
import importlib.util
import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path


def nearest(name: str, known: Iterable[str]) -> str:
    """`, did you mean X?` or nothing, to be put at the end of a message."""
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f", did you mean {near[0]}?" if near else ""


@cache
def timm_names() -> frozenset[str]:
    """All architectures of the installed timm, read from its sources: importing it takes seconds."""
    return frozenset(
        name
        for path in _package_folder("timm", "models").glob("*.py")
        for name in re.findall(r"@register_model\s+def (\w+)\(", path.read_text(encoding="utf-8"))
    )


def check_timm_name(name: str) -> None:
    """Refuse what timm does not have.

    Raises:
        ValueError: there is no such architecture; the nearest is named.
    """
    if name.startswith(("hf_hub:", "hf-hub:")):
        return  # a name on the Hub, which only the Hub knows
    architecture = name.split(".")[0]  # `resnet18.a1_in1k` names pretrained weights after the dot
    known = timm_names()
    if known and architecture not in known:
        raise ValueError(f"timm has no model {architecture!r}{nearest(architecture, known)}")


def _package_folder(package: str, *parts: str) -> Path:
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ValueError(f"{package} is not installed: pip install -c constraints.txt {package}")
    return Path(spec.submodule_search_locations[0]).joinpath(*parts)
