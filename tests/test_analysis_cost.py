"""Prices and what follows from them, against sums done by hand."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import replace

import pytest

from harness.analysis.cost import (
    amortisation_requests,
    cost_per_million,
    cost_per_million_floor,
    cost_per_month,
    price_of,
    replicas,
    train_cost_usd,
)
from harness.costs import Price, find_price, load_prices, other_regions
from harness.record import Measurement, Record, SuiteError
from harness.suite.schema import Machine, Traffic
from tests.analysis_world import failed, trial


def test_every_price_of_the_catalogue_is_complete_and_named_once() -> None:
    prices = load_prices()
    assert len({(p.provider, p.region, p.instance, p.term) for p in prices}) == len(prices)
    assert all(p.usd_per_hour > 0 and p.vcpus > 0 and p.memory > 0 and p.source and p.as_of for p in prices)


def test_a_price_is_found_by_provider_and_instance_also_with_its_region() -> None:
    assert find_price("aws/c7i.large").usd_per_hour == 0.08925
    assert find_price("aws/us-east-1/c7i.large").usd_per_hour == 0.08925


def test_an_unknown_price_names_the_nearest_and_the_way_out() -> None:
    with pytest.raises(SuiteError, match=r"nearest: .*aws/c7i\.large.*usd_per_hour"):
        find_price("aws/c7i.larg")
    with pytest.raises(SuiteError, match="nearest: gcp/n2-standard-4, gcp/n2d-standard-4"):  # each once
        find_price("gcp/n2-standard4")


def test_a_region_without_a_price_names_the_regions_that_have_one() -> None:
    with pytest.raises(SuiteError, match="`aws/c7i.large` is known in us-east-1 alone: .*prices update"):
        find_price("aws/eu-west-1/c7i.large")
    assert other_regions("aws/us-east-1/c7i.large") == other_regions("aws/eu-west-1/c99.large") == ""


def test_a_price_of_ones_own_goes_before_the_catalogue() -> None:
    assert price_of(Machine()) is None
    own = price_of(Machine(usd_per_hour=0.05))
    both = price_of(Machine(price="aws/c7i.large", usd_per_hour=0.05))
    assert own is not None and both is not None
    assert (own.usd_per_hour, own.age()) == (0.05, "")
    assert (both.usd_per_hour, both.instance, both.age()) == (0.05, "c7i.large", "")


def test_a_term_takes_its_share_off_the_list_price_and_is_told() -> None:
    reserved = price_of(Machine(price="aws/c7i.large", discount=0.4))
    assert reserved is not None
    assert reserved.usd_per_hour == pytest.approx(0.6 * 0.08925)
    assert reserved.term == "on-demand less 40 %"


def test_a_price_older_than_ninety_days_says_so() -> None:
    price = Price("aws", "us-east-1", "c7i.large", 0.09, as_of=dt.date(2025, 1, 1), source="list")
    assert price.age(dt.date(2025, 4, 1)) == "of 2025-01-01"
    assert price.age(dt.date(2025, 4, 2)).startswith(
        "of 2025-01-01, 91 days old: run python -m harness prices update"
    )


def test_the_snapshot_has_the_three_providers_with_and_without_gpus() -> None:
    prices = load_prices()
    assert len(prices) >= 200
    for provider in ("aws", "azure", "gcp"):
        own = [p for p in prices if p.provider == provider]
        assert len(own) >= 50
        assert any(p.gpu for p in own) and any(p.gpu is None for p in own)
    # Known from the providers' pages, whatever package carried them.
    known = {
        "aws/us-west-2/c5.large": 0.085, "aws/m5.large": 0.096, "aws/g5.xlarge": 1.006,
        "aws/p3.2xlarge": 3.06,
        "azure/Standard_D2s_v3": 0.096, "azure/Standard_D4s_v5": 0.192, "azure/Standard_NC6s_v3": 3.06,
        "gcp/us-central1/e2-standard-2": 0.06701, "gcp/us-central1/n2-standard-4": 0.1942,
    }  # fmt: skip
    for name, usd in known.items():
        assert find_price(name).usd_per_hour == pytest.approx(usd, rel=2e-3), name


RELEASE_MAY_BE = 180
"""Days: a release whose newest prices are older needs a new snapshot (scripts/price_snapshot)."""


def test_the_snapshot_is_young_enough_for_a_release() -> None:
    """Fails when time has passed: then run scripts/price_snapshot with newer versions of its packages."""
    newest = max(p.as_of for p in load_prices() if p.as_of)
    assert (dt.date.today() - newest).days <= RELEASE_MAY_BE


def test_replicas_serve_the_peak_with_headroom_and_spares() -> None:
    traffic = Traffic(qps=200, peak_qps=600, headroom=0.8, spare=1)
    assert replicas(100.0, traffic) == 9  # 600 / 80 = 7.5 → 8, and one spare
    assert replicas(100.0, Traffic(qps=10)) == 1
    assert replicas(200.00000000001, Traffic(qps=600)) == 3


def test_a_month_and_a_million_requests_by_hand() -> None:
    """3 replicas · 0.1 USD · 730 h = 219 USD; 100 requests/s make 262.8 million a month."""
    traffic = Traffic(qps=100, peak_qps=300)
    assert cost_per_month(100.0, traffic, 0.1) == pytest.approx(219)
    assert cost_per_million(100.0, traffic, 0.1) == pytest.approx(219 / 262.8)
    assert cost_per_million_floor(100.0, 0.1) == pytest.approx(1e6 * 0.1 / 360_000)


def test_a_model_costs_its_training_its_search_and_what_failed_and_no_other_seed_fold_or_size() -> None:
    def trained(seconds: float, spec: Mapping[str, object] = {}, **where: object) -> Record:
        plain = trial("train", "a", **where)
        return Record(
            replace(plain, spec={**plain.spec, **spec}),
            "finished",
            (Measurement("train_seconds", seconds, "s"),),
            seconds=seconds,
        )

    records = [
        trained(3600, seed=0),
        trained(7200, seed=1),
        trained(900, seed=0, train_size=100),
        trained(300, {"tuning_trial": 0}, seed=0),
        trained(600, {"tuning_trial": 1}, seed=0),
        trained(1800, {"data": {"split": {"part": 1}}}, seed=0),
        replace(failed(trained(0, seed=2), "out of memory"), seconds=360),
    ]
    found = train_cost_usd(records, "a", 1000, 0.5)
    assert found is not None
    # 3,600, 7,200 and 1,800 s: 1.17 h in the mean. The search took 0.25 h, and of 0.1 h that failed each of
    # the three bears a third.
    assert found.final_recipe == pytest.approx(0.5 * 3.5 / 3)
    assert found.to_ship == pytest.approx(0.5 * (3.5 / 3 + 0.25 + 0.1 / 3))
    assert found.in_all == pytest.approx(0.5 * (3.5 + 0.25 + 0.25 + 0.1))
    assert train_cost_usd(records, "b", 1000, 0.5) is None


def test_dear_training_is_paid_back_by_cheap_serving_or_never() -> None:
    assert amortisation_requests(100, 40, 1.0, 4.0) == pytest.approx(20e6)
    assert amortisation_requests(100, 40, 4.0, 1.0) is None
    assert amortisation_requests(40, 100, 1.0, 4.0) == 0
