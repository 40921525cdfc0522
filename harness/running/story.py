"""What a run until it is decided says of itself: `until_decided.json`."""

from __future__ import annotations

from dataclasses import dataclass, field

from harness.analysis.measure_next import PEEKED
from harness.codec import Json


@dataclass
class Story:
    """What was measured in which order and why it ended; the report tells it.

    Args:
        exhaustive: trials of the suite's plan as it stands. trials: those that were asked for here.
        untrained: trials that served networks without training them.
        ruled_out: variant → after what, and which limit it surely breaks.
        in_full: variants that had their reference's quality until they might be named.
    """

    exhaustive: int
    trials: int = 0
    stopped: str = ""
    steps: list[dict[str, Json]] = field(default_factory=list)
    bias: str = PEEKED
    untrained: int = 0
    ruled_out: dict[str, str] = field(default_factory=dict)
    in_full: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        more = f"{len(self.steps)} steps" if len(self.steps) != 1 else "one step"
        return f"{self.stopped}, after {self.trials} trials in {more} (the whole suite has {self.exhaustive})"
