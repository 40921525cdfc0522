"""A process in which one trial after another runs, as Ray Tune's actor: private touch-points of Ray 2.60.

A trainable of its own, where a function would do, for the time between two trials: orders are unpacked once
and not for each trial, and a trial begins as soon as it is handed over.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any, cast

from ray.air._internal import usage
from ray.train._internal.session import get_session
from ray.tune import registry
from ray.tune.trainable.function_trainable import FunctionTrainable

from harness.schedule.worker import Config, Orders, work


class Slot(FunctionTrainable):
    """Runs a trial in a thread and reports what that says of it."""

    def setup(self, config: dict[str, Any], orders: Orders) -> None:  # type: ignore[override]
        """`tune.with_parameters` hands over the orders."""
        self._orders = orders
        super().setup(config)  # type: ignore[no-untyped-call]

    def _trainable_func(self, config: dict[str, Any]) -> None:
        work(cast(Config, config), self._orders)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Begin the next trial now: Tune asks for its first report one way through the driver later."""
        is_reset = bool(super().reset_config(new_config))  # type: ignore[no-untyped-call]
        session = get_session()
        if is_reset and session is not None:
            session.start()  # type: ignore[no-untyped-call]
        return is_reset


class _Registry(registry._Registry):
    """Knows what this process registered; Tune's own asks the cluster's store, five times for each trial, and
    unpacks what that has."""

    def __init__(self) -> None:
        super().__init__()
        self._own: dict[tuple[str, str], Any] = {}

    def register(self, category: str, key: str, value: Any) -> None:
        self._own[category, key] = value
        super().register(category, key, value)

    def contains(self, category: str, key: str) -> bool:
        known: bool = (category, key) in self._own or super().contains(category, key)  # type: ignore[no-untyped-call]
        return known

    def get(self, category: str, key: str) -> Any:
        own = self._own.get((category, key))
        return super().get(category, key) if own is None else own  # type: ignore[no-untyped-call]


@contextlib.contextmanager
def light_tune() -> Iterator[None]:
    """Inside, Tune leaves out what costs a sweep time and gives it nothing; other sweeps of the process, a
    notebook's own say, are as they were."""
    before = usage.tag_callbacks, registry._global_registry
    # It counts callbacks for reports of use, which are off, and imports MLflow and W&B for that: 1.5 s.
    usage.tag_callbacks = lambda callbacks: False
    registry._global_registry = _Registry()
    try:
        yield
    finally:
        usage.tag_callbacks, registry._global_registry = before
