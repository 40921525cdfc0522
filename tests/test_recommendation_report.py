"""The report of a recommender: what is said of A/B tests, rankers and indexes, from made-up figures."""

from __future__ import annotations

import html
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.protocols import Section
from harness.record import Record, Trial
from harness.report.evidence import Evidence
from harness.report.sections import retrieval, shop, worlds
from harness.results import Estimate, Recommendation, Row, Tradeoff
from harness.store.runs import RunFolder
from harness.suite.schema import Suite

TOWER = {"model": "two_tower", "index": "flat", "candidates": 100}
CANDIDATES: dict[str, Any] = {
    "alone": {"retrieval": TOWER},
    "ranked": {"retrieval": TOWER, "ranking": {"model": "transformer"}},
    "popularity": {"retrieval": {"model": "popularity"}},
    "hnsw": {"retrieval": {**TOWER, "index": {"hnsw": {"sweep": [16, 256]}}}},
}
NDCG = {"alone": 0.30, "ranked": 0.32, "popularity": 0.10, "hnsw": 0.29}


def make_evidence(folder: Path, margin: dict[str, float], spread: float = 0.001) -> Evidence:
    """Four candidates of known NDCG and margin per visit; a million requests take 2.63 million visits."""
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 1, (1000, 1))  # the same users: the draws move together
    draws = {
        "ndcg@10": np.array([NDCG[c] for c in CANDIDATES]) + 0.01 * noise,
        "margin_per_session_usd": np.array([margin[c] for c in CANDIDATES])
        + 0.1 * noise
        + spread * rng.normal(0, 1, (1000, 4)),
        "ctr": np.full((1000, 4), 0.03) + 0.001 * noise,
        "revenue_per_session_usd": np.full((1000, 4), 1.0) + 0.1 * noise,
        "cost_per_month_usd": np.array([[65.0, 195.0, 65.0, 65.0]]).repeat(1000, 0),
    }
    rows = []
    for k, name in enumerate(CANDIDATES):
        cells = {
            m: Estimate(float(d[:, k].mean()), *np.quantile(d[:, k], [0.025, 0.975]))
            for m, d in draws.items()
        }
        rows.append(Row(f"{name}/torch", name, "torch", cells))
    suite = Suite.model_validate(
        {
            "name": "made_up", "task": "recommendation", "data": {"name": "mock_shop"},
            "candidates": CANDIDATES,
            "decision": {"objective": "maximize margin_per_session_usd", "traffic": {"qps": 1.0}},
        }
    )  # fmt: skip
    records = tuple(_record(name) for name in CANDIDATES)
    choice = Recommendation("recommend", "ranked/torch", 0.9)
    return Evidence(
        RunFolder(str(folder)), suite, records, Tradeoff(tuple(rows), tuple(draws), draws), choice
    )


def _record(name: str) -> Record:
    lift = {
        "lift": 0.1,
        "low": 0.05,
        "high": 0.15,
        "truth": 0.2 if name == "hnsw" else 0.12,
        "verdict": "better",
    }
    ways = [
        {"ef_search": 64, "recall": 0.97, "ms_per_query": 0.5},
        {"ef_search": 16, "recall": 0.6, "ms_per_query": 0.1},
    ]
    index = {
        "alone": {
            "kind": "flat",
            "recall": 1.0,
            "size_mb": 5.0,
            "curve": [{"recall": 1.0, "ms_per_query": 2.0}],
        },
        "hnsw": {"kind": "hnsw", "recall": 0.97, "size_mb": 9.0, "curve": ways},
    }
    evaluation = {
        "protocol": {"split": "global_time", "mask_seen": False}, "users": 900, "eligible_items": 5000,
        "stages": {"candidate_recall": 0.5, "retrieval_ndcg@10": 0.3, "ranker_ndcg@10": 0.4},
        "stage_milliseconds": {"calls": 200.0, "encode": 0.2, "search": 0.3, "features": 0.0, "rank": 0.0},
        "warm_and_cold": {"warm": {"users": 800, "ndcg@10": 0.3}, "cold": {"users": 100, "ndcg@10": 0.1}},
        "new_items": {"items": 0}, "gini@10": 0.9, "novelty_bits@10": 12.0,
        **({"index": index[name]} if name in index else {}),
        **({"warning": "3.0 points of the retriever's NDCG@10 are luck"} if name == "popularity" else {}),
    }  # fmt: skip
    policy = {
        k: {"value": NDCG[name] / 10, "low": 0.0, "high": 0.1, "effective": 40.2} for k in shop.ESTIMATORS
    }
    online = {
        "ab_test_against_current": {
            "users": [10000, 10000], "sessions": [1, 1], "sample_ratio_p": 0.4, "problem": "",
            "lifts": dict.fromkeys(shop.ONLINE, lift),
        },
        "required_sessions_per_arm": {"ctr +5%": 13000}, "off_policy": {"truth": 0.03, **policy},
        "price_of_recall": [{"ef_search": 64.0, "ctr": 0.031}, {"ef_search": 16.0, "ctr": 0.012}]
        if name == "hnsw" else [{"ctr": 0.032}],
    }  # fmt: skip
    trial = Trial("score", name, {"of": name}, runtime="torch", seed=0)
    return Record(trial, "finished", facts={"evaluation": evaluation, "online": online})


def words(section: Section | None) -> str:
    assert section is not None
    return " ".join(html.unescape(re.sub(r"<svg.*?</svg>|<[^>]+>", " ", section.html, flags=re.S)).split())


SAME = dict.fromkeys(CANDIDATES, 0.5)


@pytest.mark.parametrize(
    ("gain", "spread", "said"),
    [
        (0.01, 0.0001, "ranked earns its latency, by $26,100 a month; it breaks even from 13,0"),
        (-0.01, 0.0001, "ranked does not earn its latency: it loses $26,4"),
        (0.0, 0.01, "ranked is not shown to earn its latency: the interval of its net gain contains 0"),
    ],
)
def test_a_ranker_earns_its_latency_or_the_report_says_that_it_does_not(
    gain: float, spread: float, said: str, tmp_path: Path
) -> None:
    evidence = make_evidence(tmp_path, {**SAME, "ranked": 0.5 + gain}, spread)
    assert said in words(shop.ranker_gains(evidence))


def test_the_gain_of_a_ranker_is_paired_with_its_own_retrieval_alone(tmp_path: Path) -> None:
    found = words(shop.ranker_gains(make_evidence(tmp_path, SAME)))
    assert "ranked/torch beside alone" in found and "hnsw/torch" not in found
    assert "+0.02" in found  # of NDCG, without the spread of ±.02 that both share


def test_an_ab_test_stands_beside_its_truth_and_misses_are_counted(tmp_path: Path) -> None:
    found = words(shop.ab_tests(make_evidence(tmp_path, SAME)))
    assert "% +5.0 to +15.0; truth +12.0" in found and "% +5.0 to +15.0; truth +20.0" in found
    assert (
        "12 of the 16 intervals contain the truth" in found and "ctr" not in found.split("Visits per arm")[0]
    )
    assert "at least, as if each were of another user" in found, "visits of one user are alike"


def test_a_metric_that_orders_as_the_shop_does_correlates_fully(tmp_path: Path) -> None:
    found = words(shop.foretold(make_evidence(tmp_path, {c: 2 * v for c, v in NDCG.items()}, 0.0)))
    assert "over the 4 candidates" in found and "NDCG@10" in found and "1.00" in found
    assert "not estimable (all alike)" in found  # everybody's click-through rate is the same here


def test_stages_tests_and_prices_of_one_model_say_which_it_is(tmp_path: Path) -> None:
    """A mean of two seeds end to end stood beside its own retrieval of the first: .008 and .0103."""
    evidence = make_evidence(tmp_path, SAME)
    said = "What the trade-off table does not hold is of the first seed's models."
    pages = (shop.ab_tests, shop.foretold, retrieval.stages, retrieval.price_of_recall)
    assert not any(said in words(page(evidence)) for page in pages)
    trials = (r.trial for r in evidence.records)
    again = tuple(
        replace(r, trial=replace(t, seed=1, spec={**t.spec, "again": True}))
        for r, t in zip(evidence.records, trials, strict=True)
    )
    several = replace(evidence, records=(*evidence.records, *again))
    assert all(said in words(page(several)) for page in pages)


def test_an_index_is_shown_with_what_its_misses_cost(tmp_path: Path) -> None:
    found = words(retrieval.price_of_recall(make_evidence(tmp_path, SAME)))
    assert "ef_search 16 0.6" in found and "0.012" in found
    assert (
        "fastest way to a recall of 0.95 is hnsw: 0.50 ms per query" in found and "4.0 times as long" in found
    )


@pytest.mark.parametrize(
    ("slower", "said"),
    [
        (1.5, "graph is slower than other, 1.50 times (1.4"),
        (1.0, "are not separated, 1.0"),
    ],
)
def test_indexes_of_equal_recall_are_ordered_by_paired_latencies(
    slower: float, said: str, tmp_path: Path
) -> None:
    evidence = make_evidence(tmp_path, SAME)
    rng = np.random.default_rng(0)
    shared = np.exp(0.3 * rng.normal(size=(1000, 1)))  # the machine's drift, which both share
    spread = np.exp(0.02 * rng.normal(size=(1000, 4)))
    draws = {**evidence.tradeoff.draws, "latency_p50_ms": shared * spread * [1.0, 1.0, slower, 1.0]}
    names = {"alone": "flat", "ranked": "ranker", "popularity": "graph", "hnsw": "other"}
    rows = tuple(
        replace(row, candidate=names[row.candidate], variant=f"{names[row.candidate]}/torch")
        for row in evidence.tradeoff.rows
    )
    trying = {
        "kind": "hnsw", "recall": 0.951, "size_mb": 9.0, "wanted_recall": 0.95,
        "curve": [{"ef_search": 130, "recall": 0.951, "recall_low": 0.948, "recall_high": 0.954,
                   "ms_per_query": 0.5}],
        "inserted": {"share": 0.2, "recall": 0.93, "kept": 0.978, "kept_low": 0.97, "kept_high": 0.986,
                     "ms_per_item": 0.4},
        "filtered": {"share": 0.1, "recall": 0.81, "recall_low": 0.8, "recall_high": 0.82,
                     "ms_per_query": 2.5},
    }  # fmt: skip
    records = []
    for record in evidence.records:
        name, facts = names[record.trial.candidate], dict(record.facts)  # type: ignore[call-overload]
        if name in ("graph", "other"):
            facts["evaluation"] = {**facts["evaluation"], "index": trying}
        records.append(replace(record, trial=replace(record.trial, candidate=name), facts=facts))
    table = replace(evidence.tradeoff, rows=rows, draws=draws)
    found = words(retrieval.price_of_recall(replace(evidence, tradeoff=table, records=tuple(records))))
    assert said in found and "graph/torch ef_search 130 0.951 0.948–0.954" in found
    assert "0.978 0.970–0.986" in found and "the newest 20 % added" in found and "10 % of the items" in found


@pytest.mark.parametrize(
    ("punished", "said"),
    [
        (-0.2, "ranked: against alone the verdict turns round: it earns more, then less (+0.100"),
        (0.2, "ranked: earns more than alone in both worlds"),
        (0.0, "ranked: against alone the verdict holds in one world only"),
    ],
)
def test_a_rankers_verdict_where_customers_punish_stands_beside_the_one_where_they_forgive(
    punished: float, said: str, tmp_path: Path
) -> None:
    evidence = make_evidence(tmp_path, {**SAME, "ranked": 0.6})
    margin = evidence.tradeoff.draws["margin_per_session_usd"]
    rng = np.random.default_rng(1)
    draws = (
        0.3 + 0.1 * rng.normal(size=(1000, 1)) + 0.01 * rng.normal(size=margin.shape) + [0, punished, 0, 0]
    )
    rows = tuple(
        replace(
            row, estimates={**row.estimates, worlds.PUNISHED: Estimate(float(draws[:, k].mean()), 0.1, 0.5)}
        )
        for k, row in enumerate(evidence.tradeoff.rows)
    )
    table = replace(evidence.tradeoff, rows=rows, draws={**evidence.tradeoff.draws, worlds.PUNISHED: draws})
    found = words(worlds.both_worlds(replace(evidence, tradeoff=table)))
    assert said in found
    where = "ranked earns the highest margin in both worlds." if punished > 0 else "ranked earns the highest"
    assert where in found


def test_who_earns_most_by_chance_alone_is_not_said_to_earn_most(tmp_path: Path) -> None:
    """A published page said it of one of four indexes that find the same."""
    evidence = make_evidence(tmp_path, SAME, 0.02)
    forgiven = evidence.tradeoff.draws["margin_per_session_usd"]
    rows = tuple(
        replace(row, estimates={**row.estimates, worlds.PUNISHED: row.estimates["margin_per_session_usd"]})
        for row in evidence.tradeoff.rows
    )
    draws = {**evidence.tradeoff.draws, worlds.PUNISHED: forgiven}
    found = words(
        worlds.both_worlds(replace(evidence, tradeoff=replace(evidence.tradeoff, rows=rows, draws=draws)))
    )
    assert re.search(
        r"earns the highest margin in both worlds on average; \w+, \w+ and \w+ are separated from it in "
        r"neither\.",
        found,
    )


def test_luck_among_ties_is_a_warning_in_the_report(tmp_path: Path) -> None:
    found = words(retrieval.stages(make_evidence(tmp_path, SAME)))
    assert "popularity: 3.0 points of the retriever's NDCG@10 are luck" in found
    assert "0.30 60 %" in found  # of a request's time, searching


def test_other_tasks_have_no_such_sections(tmp_path: Path) -> None:
    evidence = replace(make_evidence(tmp_path, SAME), records=())
    for section in (shop.ab_tests, shop.foretold, retrieval.stages, retrieval.price_of_recall):
        assert section(evidence) is None


def test_two_runtimes_of_a_candidate_are_one_point_of_what_was_foretold(tmp_path: Path) -> None:
    evidence = make_evidence(tmp_path, {c: 2 * v for c, v in NDCG.items()}, 0.0)
    served = tuple(
        replace(row, variant=f"{row.candidate}/onnx", runtime="onnx") for row in evidence.tradeoff.rows
    )
    again = tuple(replace(r, trial=replace(r.trial, runtime="onnx")) for r in evidence.records)
    table = replace(evidence.tradeoff, rows=(*evidence.tradeoff.rows, *served))
    found = words(shop.foretold(replace(evidence, tradeoff=table, records=(*evidence.records, *again))))
    assert "over the 4 candidates" in found and "alone/onnx" in found
