"""How the chosen variant is deployed and on what the variants were served, in sentences."""

from __future__ import annotations

from harness.record import ASIDE, Variant
from harness.report import numbers as n
from harness.report.evidence import Evidence
from harness.suite.variants import parse_deployment


def devices(e: Evidence) -> list[str]:
    """Which runtimes were served on the GPU and which on the processor beside it, and why."""
    places: dict[str, dict[str, str]] = {"cuda": {}, "cpu": {}}
    for record in e.of("serve"):
        where = record.environment.get("threads", {})
        if record.trial.runtime and record.trial.scenario not in ASIDE:
            name = parse_deployment(record.trial.runtime).runtime
            places.setdefault(where.get("device", "cpu"), {})[name] = where.get("why_not_on_gpu", "")
    if not places["cuda"]:
        return []
    said = f"Served on the GPU: {n.listed(list(places['cuda']))}"
    others = [f"{name} ({why})" if why else name for name, why in places["cpu"].items()]
    return [f"{said}; on the processor: {n.listed(others)}." if others else f"{said}."]


def deployed(variant: str) -> list[str]:
    """What stands behind a runtime's @: `onnx@1x2` has one thread in each of two processes."""
    served = parse_deployment(Variant.parse(variant).runtime)
    said = ["@http: reached over loopback, through Ray Serve."] if served.is_over_http else []
    if served.workers is None or served.threads is None:
        return said
    each = f"{n.counted(served.threads, 'thread')} each"
    processes = n.counted(served.workers, "serving process", "serving processes")
    return [f"@{served.threads}x{served.workers}: {processes} of {each} on a machine.", *said]
