"""A resolved suite with some of its terms set otherwise: what a decision can be asked again under."""

from __future__ import annotations

import json
from collections.abc import Sequence

from harness.codec import Json
from harness.record import SuiteError
from harness.suite.schema import Suite

OPEN = ("decision", "machine")
"""What changes no measurement."""


def with_settings(suite: Suite, settings: Sequence[str]) -> Suite:
    """The suite with each `a.b=c` set.

    Raises:
        SuiteError: not of that form, not a part of the decision or the machine, or no such key.
    """
    if not settings:
        return suite
    import yaml
    from pydantic import ValidationError

    data: dict[str, Json] = json.loads(suite.model_dump_json(by_alias=True))
    for text in settings:
        path, equals, value = text.partition("=")
        keys = path.strip().split(".")
        if not equals or keys[0] not in OPEN or len(keys) < 2:
            raise SuiteError(
                f"--set {text}: write `decision.traffic.qps=400` or `machine.usd_per_hour=0.1`; what was "
                "measured can only be set for a new run"
            )
        holder = data
        for key in keys[:-1]:
            inner = holder.setdefault(key, {}) or {}
            if not isinstance(inner, dict):
                raise SuiteError(f"--set {text}: {key} has no keys in it")
            holder[key] = holder = inner
        try:
            holder[keys[-1]] = yaml.safe_load(value)
        except yaml.YAMLError:
            raise SuiteError(f"--set {text}: the value is not YAML; quote it") from None
    try:
        return Suite.model_validate_json(json.dumps(data))
    except ValidationError as error:
        first = error.errors()[0]
        raise SuiteError(f"--set {'.'.join(map(str, first['loc']))}: {first['msg']}") from None
