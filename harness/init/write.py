"""The suite file as a person would write it: short lines, a comment where there is something to change."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from math import ceil
from pathlib import Path

from harness.analysis.criteria import NEEDED_CALLS
from harness.init.effort import Effort
from harness.init.look import Seen
from harness.init.offer import Goal, Offer
from harness.kinds import kind_of
from harness.suite.source import flow, quoted

P99_CALLS = NEEDED_CALLS["latency_p99_ms"]
WIDTH = 40
"""Where comments begin."""
_CUT = {"time": "tested on the latest fifth", "group": "each group is tested on once"}


@dataclass(frozen=True)
class Conditions:
    """What a suite begins with, to be changed: the limit, the traffic, the price of the machine."""

    latency_p99_ms: float = 100.0
    qps: float = 10.0
    peak_qps: float = 30.0
    price: str = "aws/c7i.large"


def suite_text(
    seen: Seen, offered: Sequence[Offer], effort: Effort, wanted: Goal, terms: Conditions, folder: Path
) -> str:
    """A suite.

    Args:
        folder: where the file will stand: paths are relative to it.
    """
    blocks = [
        _head(seen),
        _data(seen, effort, folder),
        _training(seen, effort),
        _candidates(offered),
        _serving(seen, effort),
        _line(
            f"machine: {{price: {terms.price}}}",
            "what a machine like yours costs; or {usd_per_hour: 0.09}",
        ),
        _decision(wanted, terms, effort),
    ]
    return "\n\n".join(blocks) + "\n"


def _head(seen: Seen) -> str:
    said = "\n".join(f"#   {line}" for text in seen.said for line in text.splitlines())
    warned = "\n".join(f"#   WARNING {line}" for line in seen.warnings)
    lines = [
        f"# Written by `python -m harness init` on {date.today().isoformat()}. What it saw:",
        said,
        *([warned] if warned else []),
        "#",
        "#   python -m harness plan FILE     what would run, and for how long".replace(
            "FILE", f"{seen.name}.yaml"
        ),
        "#   python -m harness run  FILE     trains, scores, serves, decides, reports".replace(
            "FILE", f"{seen.name}.yaml"
        ),
        "",
        f"name: {seen.name}",
        f"question: {json.dumps(_question(seen), ensure_ascii=False)}",
        f"task: {seen.task.name}",
    ]
    return "\n".join(lines)


def _question(seen: Seen) -> str:
    if seen.task.name == "recommendation":
        return f"Which recommender should we ship for {seen.name}?"
    what = seen.args.get("target") or seen.args.get("label")
    return (
        f"Which model should we ship to predict {what}?"
        if what
        else f"Which classifier of {seen.name} should we ship?"
    )


def _data(seen: Seen, effort: Effort, folder: Path) -> str:
    args = {k: _relative(str(v), folder) if k in ("path", "test_path") else v for k, v in seen.args.items()}
    lines = ["data:", f"  name: {seen.dataset}"]
    for key, value in args.items():
        lines.append(_line(f"  {key}: {flow(value)}", _short(seen.why.get(key, ""))))
    if seen.split:
        lines.append(_line(f"  split: {flow(dict(seen.split))}", _CUT[str(seen.split["by"])]))
    if effort.side and "size" not in args:
        own = seen.task.input_shape[-1]
        shrunk = f", shrunk to {effort.side}×{effort.side}" if own > effort.side else " as it is"
        told = f"each photo's middle square{shrunk}"
        cost = (
            f"; {own} keeps more and takes {(own / effort.side) ** 2:.0f} times as long"
            if own > effort.side
            else ""
        )
        lines.append(_line(f"  size: {effort.side}", told + cost))
    if effort.rows:
        lines.append(
            _line(
                f"  train_sizes: [{effort.rows}]", f"of {seen.train_rows}, to fit the budget; without it: all"
            )
        )
    return "\n".join(lines)


def _short(text: str) -> str:
    """The first line of a message, short enough for a comment."""
    first = text.splitlines()[0] if text else ""
    return first if len(first) <= 100 else first[:99] + "…"


def _training(seen: Seen, effort: Effort) -> str:
    lines = [
        "training:",
        _line(
            f"  seeds: {list(range(effort.seeds))}",
            "each candidate is trained once per seed, to see how much is luck",
        ),
        _line(f"  epochs: {effort.epochs}", "of networks; the best one by validation is kept"),
        f"  batch_size: {effort.batch}",
    ]
    if seen.dataset == "image_folder":
        lines.append(_line("  augmentation: {crop: 4}", "flip: true where left and right do not matter"))
    return "\n".join(lines)


def _candidates(offered: Sequence[Offer]) -> str:
    lines = ["candidates:"]
    for offer in offered:
        lines.append(_line(f"  {quoted(offer.name)}: {flow(offer.value)}", offer.about))
    lines.append("  # more: python -m harness list models")
    return "\n".join(lines)


def _serving(seen: Seen, effort: Effort) -> str:
    runtimes = ", ".join(kind_of(seen.task.name).runtimes or ("torch", "onnx"))
    return "\n".join(
        [
            "serving:",
            _line(f"  runtimes: [{runtimes}]", "what is compared is candidate × runtime"),
            f"  rounds: {effort.rounds}",
            "  scenarios:",
            _line(
                f"    single_stream: {{seconds: 1, min_calls: {ceil(P99_CALLS / effort.rounds)}}}",
                f"one request at a time: latency; a p99 needs {P99_CALLS} calls in all",
            ),
            _line("    offline: {batch_sizes: [1, 32], seconds: 0.5}", "everything at once: throughput"),
        ]
    )


def _decision(wanted: Goal, terms: Conditions, effort: Effort) -> str:
    lines = ["decision:", "  constraints:"]
    if wanted.floor is not None:
        lines.append(
            _line(f"    - {wanted.metric} >= {wanted.floor:g}", "what is worth shipping at all: put your own")
        )
    lines += [
        _line(
            f"    - latency_p99_ms <= {terms.latency_p99_ms:g}",
            "99 of 100 requests are answered in that time",
        ),
        _line(f"  objective: {wanted.verb} {wanted.metric}", wanted.why),
        _line(
            f"  traffic: {{qps: {terms.qps:g}, peak_qps: {terms.peak_qps:g}}}",
            "requests a second, on average and at the peak: for the costs",
        ),
    ]
    if wanted.positive:
        lines.append(
            _line(f"  positive: {flow(wanted.positive)}", "the class that curves and thresholds are about")
        )
    return "\n".join(lines)


def _relative(path: str, folder: Path) -> str:
    """A path as seen from the suite; absolute where they share nothing but the root."""
    seen = os.path.relpath(path, folder)
    return path if seen.startswith("../../..") else seen


def _line(text: str, comment: str) -> str:
    return f"{text.ljust(WIDTH)} # {comment}" if comment else text
