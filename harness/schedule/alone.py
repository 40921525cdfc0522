"""Ray's start on this machine, as light as trials need it: private touch-points of Ray 2.60."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any


@contextlib.contextmanager
def lightly() -> Iterator[None]:
    """Start Ray without what watches a cluster of many: a page that nobody opens, whose server the rest waits
    for, a scaler of nodes, a reader of logs. Ray's options leave out the page alone.
    """
    from ray._private.node import Node

    def no_page(node: Any, **options: object) -> None:
        node._webui_url = ""

    def nothing(node: Any) -> None:
        pass

    instead = {"start_api_server": no_page, "start_monitor": nothing, "start_log_monitor": nothing}
    before = {name: getattr(Node, name) for name in instead}
    try:
        for name, function in instead.items():
            setattr(Node, name, function)
        yield
    finally:
        for name, function in before.items():
            setattr(Node, name, function)
