"""A host that takes a virtual machine's cores while its load is measured is told on page one."""

from __future__ import annotations

import pytest

from harness.analysis.disturbed import disturbed
from harness.facts.serving import LoadPoint, NoiseFacts, ServerFacts
from harness.record import Record, Trial


def measured(*stolen: float | None, scenario: str = "server") -> Record:
    """A record of a load whose runs lost so much to the host; None where the kernel does not know."""
    points = tuple(
        LoadPoint(100.0, 99.0, 500, 5, noise=None if x is None else NoiseFacts(stolen=x)) for x in stolen
    )
    trial = Trial("serve", "cnn", {}, runtime="onnx", scenario=scenario)
    return Record(trial, "finished", facts=ServerFacts(load_curve=points))


def test_the_share_that_the_host_took_is_said_with_the_worst_run() -> None:
    (said,) = disturbed([measured(0.04, 0.06), measured(0.08, 0.53, None)])
    assert "took 18\u202f% of the time" in said and "up to 53\u202f% of a run" in said


@pytest.mark.parametrize("records", [[], [measured(0.001, 0.0265)], [measured(None)]])
def test_a_quiet_host_or_an_unknown_one_is_not_spoken_of(records: list[Record]) -> None:
    assert disturbed(records) == ()
