"""Which architecture to ship: train, score, serve and price every candidate, and decide.

    import harness

    run = harness.run("suites/quickstart.yaml")
    run.tradeoffs                               # a DataFrame, a row for each variant
    run.recommendation.choice                   # "small_cnn/onnx"
    run.recommend(where=["latency_p99_ms <= 1"])

Importing this package imports nothing else: each name loads what it needs when it is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    __version__: str
    from harness.api import Run as Run
    from harness.api import load_suite as load_suite
    from harness.api import open_run as open_run
    from harness.api import plan as plan
    from harness.api import run as run

__all__ = ["Run", "load_suite", "open_run", "plan", "run"]


def __getattr__(name: str) -> object:
    if name == "__version__":
        from importlib import metadata

        return metadata.version("harness-tradeoffs")
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from harness import api

    return getattr(api, name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
