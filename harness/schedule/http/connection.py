"""The variant as its client sees it: an address, asked as every other service is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from harness.codec import Json
from harness.datasets.mapped import is_array
from harness.models import endpoint
from harness.models.endpoint_service import Service
from harness.protocols import Inputs, Predict
from harness.serving.subject import Subject, task_module

TIMEOUT_S = 60.0
SERVICE = Service("json", {"inputs": endpoint.INPUTS}, "outputs", "", "auto", TIMEOUT_S)


def load_variant(spec: Mapping[str, Any], artifact: Path, threads: int, device: str) -> Predict:
    """A connection to the deployment; neither threads nor device are the client's."""
    return connected(spec["address"])


def connected(address: str) -> Predict:
    """Raw examples → answers, over a connection of its own that is kept open."""
    ask = endpoint.connect(address, SERVICE)
    return lambda inputs: ask(as_json(inputs))


def connections(subject: Subject, address: str, number: int) -> list[Subject]:
    """So many clients of one deployment, the given one first."""
    others = [replace(subject, predict=connected(address)) for _ in range(number - 1)]
    return [subject, *others]


def examples(spec: Mapping[str, Any]) -> Inputs:
    """The raw test examples, as in the process."""
    own = {key: value for key, value in spec.items() if key != "subject"}
    return task_module(own).examples(own)


def as_json(inputs: Inputs) -> Inputs:
    """Examples as they are sent: the rows of a table by the names of their columns, all else as it is."""
    if not is_array(inputs) or inputs.dtype.names is None:
        return inputs
    names = inputs.dtype.names
    return [{name: _cell(row[name]) for name in names} for row in inputs]


def _cell(value: Any) -> Json:
    """A value of a table's row; nothing where it has a hole."""
    if isinstance(value, np.datetime64):
        return None if np.isnat(value) else str(value)
    if isinstance(value, (float, np.floating)):
        return float(value) if np.isfinite(value) else None
    plain: Json = value.item() if isinstance(value, np.generic) else value
    return plain
