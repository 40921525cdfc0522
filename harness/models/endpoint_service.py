"""How a service is spoken to, over HTTP or gRPC."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Service:
    """How a service is spoken to; the arguments of `harness.models.endpoint.build`, checked."""

    protocol: str
    request: Any
    answer: str
    input: str
    output: str
    timeout_s: float
    datatype: str = "auto"
    headers: Mapping[str, str] = field(default_factory=dict)
