"""int8 against fp32 on ONNX Runtime: CNN, ResNet, ViT, ConvNeXt, each way of quantising.

Untrained weights: speed and size are real, agreement is that of random networks. CPU time of one
thread, calls interleaved, relative to fp32.

    python -m benchmarks.serving_int8
"""

from __future__ import annotations

import json
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from benchmarks.serving_models import MODELS, fitted, images
from harness.runtimes import onnx
from harness.runtimes.onnx_int8 import load, quantised
from harness.runtimes.quantising import Tried, compare

COLUMNS = ("model", "way", "batch 1, ms", "batch 32, ms", "batch 1, × fp32", "batch 32, × fp32", "MB")


def ways_of(model: str) -> list[Tried]:
    """fp32 and every way of one model, timed."""
    with tempfile.TemporaryDirectory() as scratch:
        base = Path(scratch) / "fp32"
        onnx.prepare(fitted(model, Path(scratch)), base, images(200))
        return compare(load, base, quantised(base, images(200), Path(scratch)), images(64, 1))


def table(found: dict[str, list[Tried]]) -> str:
    """Markdown, one row per model and way."""
    lines = ["| " + " | ".join(COLUMNS) + " |", "|" + "---|" * len(COLUMNS)]
    for model, ways in found.items():
        base = next(way for way in ways if way.way == "fp32").milliseconds or {}
        for way in ways:
            if way.milliseconds is None or way.size_mb is None:
                lines.append(f"| {model} | {way.way} | failed: {way.failure} | | | | |")
                continue
            one, many = way.milliseconds["1"], way.milliseconds["32"]
            cells = [f"{one:.2f}", f"{many:.1f}", f"{one / base['1']:.2f}", f"{many / base['32']:.2f}"]
            lines.append(f"| {model} | {way.way} | {' | '.join(cells)} | {way.size_mb:.2f} |")
    return "\n".join(lines)


if __name__ == "__main__":
    found = {model: ways_of(model) for model in sys.argv[1:] or MODELS}
    print(table(found))
    Path("benchmarks/results/serving_int8.md").write_text(
        "# int8 against fp32, ONNX Runtime, one thread (CPU time)\n\n" + table(found) + "\n"
    )
    data = {model: [asdict(way) for way in ways] for model, ways in found.items()}
    Path("benchmarks/results/serving_int8.json").write_text(json.dumps(data, indent=1) + "\n")
