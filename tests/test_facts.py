"""Facts: what is written is read back, by whatever version wrote it."""

from __future__ import annotations

import json

import pytest

from harness.codec import from_json, to_json
from harness.facts import DuelFacts, EvaluationFacts, ServerFacts, TrainFacts
from harness.facts.recommending import IndexFacts, ProtocolFacts, SearchWay, SliceFacts, WarmAndCold
from harness.facts.serving import SERVE_FACTS, CapacityFacts, LoadPoint, NoiseFacts
from harness.facts.training import DataFacts, TuningFacts
from harness.record import Record, RecordError, Trial, record_from_text, record_to_json

TRAINED = TrainFacts(
    {"accuracy": 0.9, "ece": None},
    best_epoch=3,
    tuning=TuningFacts(2, {"optimizer.lr": 0.01}, ((1, 0.5, 2.0), (2, 0.6, 2.0)), 0.6, source="abc"),
    precision="bf16",
    data=DataFacts({"train": 10}, {"train": {"a": 4, "b": 6}}, ("c",)),
)
SERVED = ServerFacts(
    load_curve=(LoadPoint(10.0, 9.5, 100, 1, noise=NoiseFacts(throttled=2)), LoadPoint(20.0, 19.0, 200, 5)),
    capacity=CapacityFacts(12.0, 11.0, 13.0, True),
    pinned_to=(0, 1),
)


def stored(facts: object) -> Record:
    """A record as it comes back from its file."""
    record = Record(Trial("train", "net", {}), "finished", facts=facts)  # type: ignore[arg-type]
    return record_from_text(json.dumps(record_to_json(record)))


@pytest.mark.parametrize("facts", [TRAINED, SERVED])
def test_facts_come_back_from_a_file_as_they_were(facts: TrainFacts | ServerFacts) -> None:
    assert stored(facts).facts_as(type(facts)) == facts


def test_a_share_of_confirming_runs_as_older_versions_stored_it_is_read() -> None:
    capacity = stored({"capacity": {"qps": 9.0, "confirmed": 0.5}}).facts_as(ServerFacts).capacity
    assert capacity == CapacityFacts(9.0, confirmed=0.5)


def test_names_that_are_no_python_names_have_their_own_key() -> None:
    way = SearchWay(0.9, 1.5, ef_search=16)
    facts = EvaluationFacts(
        ProtocolFacts("random", True), 5, 9, {}, gini_at_10=0.4, index=IndexFacts("hnsw", 0.9, 1.0, (way,)),
        warm_and_cold=WarmAndCold(SliceFacts(3, 0.5, 0.6), SliceFacts(0)),
    )  # fmt: skip
    data = json.loads(json.dumps(to_json(facts)))
    assert data["gini@10"] == 0.4 and data["warm_and_cold"]["warm"]["ndcg@10"] == 0.5
    assert data["index"]["curve"] == [{"recall": 0.9, "ms_per_query": 1.5, "ef_search": 16}]
    assert from_json(EvaluationFacts, data) == facts
    assert to_json(TuningFacts(source="abc")) == {"from": "abc"}


def test_what_another_version_wrote_is_read_as_far_as_it_is_known() -> None:
    record = stored({"precision": "fp32", "a_later_field": {"deep": [1]}})
    assert record.facts_as(TrainFacts) == TrainFacts(precision="fp32")
    assert record_to_json(record)["facts"]["a_later_field"] == {"deep": [1]}, "and is kept when written again"
    assert stored({}).facts_as(DuelFacts).duel is None


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"precision": 16}, "facts are damaged: precision: 16 is not str"),
        ({"epochs": True}, "epochs: True is not int"),
        ({"data": {"sizes": {"train": "many"}}}, "data: sizes: 'many' is not int"),
        ({"tuning": {"curve": [[1, 0.5]]}}, "tuning: curve: 2 items stand where 3 are needed"),
    ],
)
def test_a_fact_of_another_type_is_refused_with_its_name(facts: dict[str, object], message: str) -> None:
    with pytest.raises(RecordError, match=message.replace("[", r"\[")):
        stored(facts).facts_as(TrainFacts)


def test_what_a_fact_cannot_do_without_is_named() -> None:
    with pytest.raises(TypeError, match="load_curve: achieved is missing"):
        from_json(ServerFacts, {"load_curve": [{"offered": 1.0}]})


def test_every_scenario_that_the_child_knows_has_its_facts() -> None:
    from harness.serving.child import SCENARIOS

    assert set(SERVE_FACTS) == set(SCENARIOS)
