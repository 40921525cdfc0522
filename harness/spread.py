"""How far figures scatter: alone, since a plan reads it and none of the other results."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Spread:
    """How far a metric's figures scatter in a run, as variances; of logarithms where `launches` is known.

    Args:
        data: `Data.digest` of what it was measured on. level: the mean figure.
        alone: of one candidate's figure due to the test examples, or between rounds.
        examples: of the difference of two candidates due to the test examples, without what training adds;
            that is `residual`, shared by the seeds. seeds: between the seeds of one candidate.
        launches: between rounds, of the difference of two variants' logarithms, of what is served.
        df: degrees of freedom behind what varies least often, seeds or rounds; None where it is assumed.
    """

    data: str
    level: float
    alone: float = 0.0
    examples: float = 0.0
    residual: float = 0.0
    seeds: float = 0.0
    launches: float | None = None
    df: float | None = None
