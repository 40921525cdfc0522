"""What benchmarks of simulated worlds have in common: how many, and where their findings are kept."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path


def asked(about: str | None, name: str, worlds: int) -> argparse.Namespace:
    """`--worlds` and `--out` of a benchmark, as `worlds` and `out`.

    Args:
        about: its docstring. name: of its file of results. worlds: how many without the option.
    """
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--worlds", type=int, default=worlds)
    parser.add_argument("--out", type=Path, default=Path(f"benchmarks/results/{name}.json"))
    return parser.parse_args()


def kept(result: Mapping[str, object], out: Path) -> int:
    """Write and print what was found; the exit code, 0 where it `passed`."""
    text = json.dumps(result, indent=1)
    out.write_text(text + "\n")
    print(text)
    return 0 if result["passed"] else 1
