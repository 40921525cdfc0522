"""A resolved suite with some of its terms set otherwise: what a decision can be asked again under."""

from __future__ import annotations

import json
from collections.abc import Sequence

from harness.codec import Json
from harness.record import SuiteError
from harness.suite.schema import Suite

OPEN = ("decision", "machine", "machines")
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
        if keys[0] == "machine" and suite.machines:
            raise SuiteError(
                f"--set {text}: there are several machines ({', '.join(suite.machines)}): write"
                f" machines.{next(iter(suite.machines))}.{'.'.join(keys[1:])}"
            )
        if keys == ["decision", "traffic", "trace"]:
            raise SuiteError(f"--set {text}: a trace is read for a new run: set decision.traffic.curve here")
        if keys == ["decision", "traffic", "burstiness"] and suite.serving.scenarios.server is not None:
            raise SuiteError(
                f"--set {text}: the load was measured under other arrivals: set it for a new run"
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
        measures = next(iter(suite.machines), None)
        if keys[0] == "machines" and keys[1] == measures:
            data["machine"] = {**_mapping(data["machine"]), **_mapping(_mapping(data["machines"])[measures])}
    try:
        return Suite.model_validate_json(json.dumps(data))
    except ValidationError as error:
        first = error.errors()[0]
        raise SuiteError(f"--set {'.'.join(map(str, first['loc']))}: {first['msg']}") from None


def _mapping(value: Json) -> dict[str, Json]:
    return value if isinstance(value, dict) else {}
