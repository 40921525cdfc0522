"""What training and judging a recommendation pipeline found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from harness.codec import Json, keyed
from harness.facts.kinds import TrialFacts
from harness.facts.training import FittedFacts


@dataclass(frozen=True)
class LogFacts:
    """The log that a pipeline learned from: how many of what, and how it was cut."""

    users: int
    items: int
    sizes: Mapping[str, int]
    protocol: Mapping[str, Json]
    deploy_day: float


@dataclass(frozen=True)
class BuiltIndex:
    """A fitted index.

    Args:
        lifted: whether vectors were stored with the coordinate that makes them equally long.
        recall_by_way: recall of exact search, lifted and plain, by which that was chosen.
    """

    kind: str
    build_seconds: float | None = None
    size_mb: float | None = None
    lifted: bool | None = None
    recall_by_way: Mapping[str, float] | None = None


@dataclass(frozen=True)
class PipelineTrainFacts(FittedFacts):
    """Of a training trial; stage_seconds: stage → seconds."""

    stage_seconds: Mapping[str, float] | None = None
    data: LogFacts | None = None
    index: BuiltIndex | None = None


@dataclass(frozen=True)
class ProtocolFacts:
    """How a log is cut and asked (`harness.datasets.interactions.Protocol`), and how answers are ranked."""

    split: str
    mask_seen: bool
    test: float | None = None
    relevant_from: float | None = None
    known_items: bool | None = None
    split_seed: int | None = None
    k: int | None = None
    ranking: str | None = None
    ties: str | None = None


@dataclass(frozen=True)
class SearchWay:
    """One way of asking an index.

    Args:
        nprobe, ef_search: the setting, of an index that has it.
        recall_low …: 95 % intervals, of recall over users, of time over rounds.
    """

    recall: float
    ms_per_query: float
    nprobe: int | None = None
    ef_search: int | None = None
    recall_low: float | None = None
    recall_high: float | None = None
    ms_low: float | None = None
    ms_high: float | None = None

    @property
    def setting(self) -> tuple[str, int] | None:
        """Its name and value; None of exact search."""
        if self.nprobe is not None:
            return "nprobe", self.nprobe
        return None if self.ef_search is None else ("ef_search", self.ef_search)


@dataclass(frozen=True)
class Inserted:
    """An index of the older items to which the newest, a `share` of all, were added.

    Args:
        recall: of exact search. kept: over the recall of the index that was built of all, low and high its
            95 % interval. ms_per_item: of inserting.
    """

    share: float
    recall: float
    kept: float
    kept_low: float
    kept_high: float
    ms_per_item: float


@dataclass(frozen=True)
class Filtered:
    """A search that may answer a random `share` of the items only, with the same effort."""

    share: float
    recall: float
    recall_low: float
    recall_high: float
    ms_per_query: float


@dataclass(frozen=True)
class IndexFacts:
    """An index against exact search; `curve`: as it is asked, then the ways of its sweep.

    Args:
        wanted_recall: for which its effort was chosen, on other users; None where the effort was given.
    """

    kind: str
    recall: float
    size_mb: float
    curve: tuple[SearchWay, ...]
    items: int | None = None
    wanted_recall: float | None = None
    inserted: Inserted | None = None
    filtered: Filtered | None = None


@dataclass(frozen=True)
class SliceFacts:
    """Metrics of some users; None where there are none."""

    users: int
    ndcg_at_10: float | None = keyed("ndcg@10", None)
    recall_at_100: float | None = keyed("recall@100", None)


@dataclass(frozen=True)
class WarmAndCold:
    """Users with a past, and without."""

    warm: SliceFacts
    cold: SliceFacts


@dataclass(frozen=True)
class NewItems:
    """Items launched in the week before deployment: how often they are shown and found."""

    items: int = 0
    share_of_catalogue: float | None = None
    share_of_shown: float | None = None
    recall_at_100: float | None = keyed("recall@100", None)
    users: int | None = None


@dataclass(frozen=True)
class EvaluationFacts:
    """What held-out users say of a pipeline.

    Args:
        test_events_not_on_sale, test_events_seen_before: shares of the test part that nothing can answer.
        asked_events_of_new_items: share of what is asked for that is of items which nobody chose before.
        popular: metric → what the training part's most popular items, shown to everybody, reach.
        stages: metric of one stage → value.
        stage_milliseconds: median of single requests, and `calls`. batch_milliseconds: per call, in batches.
        tie_gap: how much of the retriever's NDCG is luck among equal scores.
    """

    protocol: ProtocolFacts
    users: int
    eligible_items: int
    stages: Mapping[str, float]
    gini_at_10: float | None = keyed("gini@10", None)
    novelty_bits_at_10: float | None = keyed("novelty_bits@10", None)
    test_events_not_on_sale: float | None = None
    test_events_seen_before: float | None = None
    asked_events_of_new_items: float | None = None
    popular: Mapping[str, float] | None = None
    warm_and_cold: WarmAndCold | None = None
    new_items: NewItems = NewItems()
    batch_milliseconds: Mapping[str, float] | None = None
    stage_milliseconds: Mapping[str, float] | None = None
    tie_gap: float | None = None
    warning: str | None = None
    index: IndexFacts | None = None


@dataclass(frozen=True)
class LiftFacts:
    """A relative difference between two arms, and the closed-form truth where it is known."""

    lift: float
    low: float
    high: float
    verdict: str
    truth: float | None = None
    control: float | None = None
    treatment: float | None = None
    p_value: float | None = None


@dataclass(frozen=True)
class AbTest:
    """An A/B test: users and sessions of both arms, and lifts by metric.

    Args:
        sample_ratio_p: that the split is as planned. problem: why it is not analysed; empty where it is.
    """

    users: tuple[int, ...]
    sessions: tuple[int, ...]
    sample_ratio_p: float
    problem: str = ""
    lifts: Mapping[str, LiftFacts] = field(default_factory=dict)


@dataclass(frozen=True)
class PolicyEstimate:
    """Clicks per item shown, with its 95 % interval and the effective number of matches."""

    value: float
    low: float
    high: float
    effective: float


@dataclass(frozen=True)
class OffPolicy:
    """What the log alone says of the click-through rate, by estimator, beside the truth."""

    truth: float
    ips: PolicyEstimate
    snips: PolicyEstimate
    doubly_robust: PolicyEstimate
    examination: tuple[float, ...] | None = None


@dataclass(frozen=True)
class OnlineFacts:
    """What the mock shop's truth says.

    Args:
        expected: metric → value and standard error. control: metric → value of what the shop shows today.
        price_of_recall: each way of asking the index: its setting, and metric → value.
    """

    ab_test_against_current: AbTest
    off_policy: OffPolicy
    required_sessions_per_arm: Mapping[str, int] = field(default_factory=dict)
    sessions: int | None = None
    expected: Mapping[str, Mapping[str, float]] | None = None
    control: Mapping[str, float] | None = None
    price_of_recall: tuple[Mapping[str, float], ...] = ()


@dataclass(frozen=True)
class RecommendationFacts(TrialFacts):
    """Of a score trial."""

    evaluation: EvaluationFacts | None = None
    size_mb: float | None = None
    online: OnlineFacts | None = None
