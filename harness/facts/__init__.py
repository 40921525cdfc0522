"""What a trial decided and found on the way, beside its measurements: said in the report, never compared.

One frozen dataclass for each kind of trial and scenario, filled by who runs the trial and read by who
reports it; `record.json` holds it under `facts`. A field that nobody fills is None.
"""

from harness.facts.kinds import TrialFacts
from harness.facts.recommending import EvaluationFacts, OnlineFacts, PipelineTrainFacts, RecommendationFacts
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
