"""What a trial decided and found on the way, beside its measurements: said in the report, never compared.

One frozen dataclass for each kind of trial and scenario, filled by who runs the trial and read by who
reports it; `record.json` holds it under `facts`. A field that nobody fills is None. Each module is imported
on use: a plan needs none.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from harness.facts.kinds import TrialFacts

if TYPE_CHECKING:
    from harness.facts.recommending import (
        EvaluationFacts,
        OnlineFacts,
        PipelineTrainFacts,
        RecommendationFacts,
    )
    from harness.facts.scoring import ScoreFacts
    from harness.facts.serving import (
        CertifyFacts,
        DuelFacts,
        OfflineFacts,
        ScalingFacts,
        ServeFacts,
        ServerFacts,
        StreamFacts,
    )
    from harness.facts.training import DataFacts, FittedFacts, TrainFacts, TuningFacts

__all__ = [
    "CertifyFacts",
    "DataFacts",
    "DuelFacts",
    "EvaluationFacts",
    "FittedFacts",
    "OfflineFacts",
    "OnlineFacts",
    "PipelineTrainFacts",
    "RecommendationFacts",
    "ScalingFacts",
    "ScoreFacts",
    "ServeFacts",
    "ServerFacts",
    "StreamFacts",
    "TrainFacts",
    "TrialFacts",
    "TuningFacts",
]

_MODULES = {
    "recommending": ("EvaluationFacts", "OnlineFacts", "PipelineTrainFacts", "RecommendationFacts"),
    "scoring": ("ScoreFacts",),
    "serving": (
        "CertifyFacts",
        "DuelFacts",
        "OfflineFacts",
        "ScalingFacts",
        "ServeFacts",
        "ServerFacts",
        "StreamFacts",
    ),
    "training": ("DataFacts", "FittedFacts", "TrainFacts", "TuningFacts"),
}
_HOMES = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> object:
    if name in _HOMES:
        return getattr(importlib.import_module(f"harness.facts.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
