"""The pages about money say what one reckons by hand from the figures beside them."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from harness.analysis.cost import price_of
from harness.report import gather
from harness.report import numbers as n
from harness.report.evidence import Evidence
from harness.report.money_words import made_of
from harness.report.sections import SECTIONS
from harness.report.sections.differences import differences_in
from harness.report.switches import flip_sentence
from harness.suite.schema import Machine
from tests.report_samples import WORLD, Made, make_records, make_run, make_suite

HOUR = 0.08925
"""USD, aws/c7i.large."""
DAY = [400, 200, 100, 100, 100, 200, 800, 1800, 3000, 4000, 4400, 4600] * 2


def asked(folder: Path, traffic: Mapping[str, object]) -> Evidence:
    items = {"resnet": {"once_usd": 1200, "monthly_usd": 50, "what": "labels"}}
    decision = {
        "objective": "maximize value", "value": "1000*accuracy - cost_per_month_usd",
        "constraints": ["accuracy >= 0.87"], "traffic": traffic,
        "costs": {"trainings": 12, "storage_usd_per_gb_month": 0.023, "items": items},
    }  # fmt: skip
    records = make_records(WORLD[:3], seeds=(0, 1), rounds=2)
    return gather(make_run(folder, records, make_suite(WORLD[:3], decision=decision), files=False))


@pytest.fixture(scope="module")
def evidence(tmp_path_factory: pytest.TempPathFactory) -> Evidence:
    return asked(tmp_path_factory.mktemp("run"), {"qps": 200, "peak_qps": 4500, "headroom": 0.8, "spare": 1})


def table(markdown: str, first: str) -> dict[str, dict[str, str]]:
    """Of the first table with a column of this name: row → column → what stands in it, without intervals."""
    lines = markdown[markdown.index(first) :].split("\n\n")[0].splitlines()
    start = markdown.rfind("\n", 0, markdown.index(first)) + 1
    head = [c.strip() for c in markdown[start:].splitlines()[0].strip("|").split("|")]
    rows = [
        [re.sub(r"<sub>.*?</sub>|[*\\]", "", c).strip() for c in line.strip("|").split("|")]
        for line in lines[2:]
    ]
    return {row[0]: dict(zip(head, row, strict=True)) for row in rows}


def number(text: str) -> float:
    return float(text.replace(",", ""))


def costs(evidence: Evidence) -> str:
    found = SECTIONS["costs"](evidence)
    assert found is not None
    return found.markdown


def test_a_price_30_percent_off_leaves_items_as_they_are(evidence: Evidence) -> None:
    requests = 200 * 730 * 3600 / 1e6
    for variant, row in table(costs(evidence), "Cost per million").items():
        items = 150.0 if variant.startswith("resnet") else 0.0
        machines = number(row["Machines"]) * HOUR * 730
        for column, factor in (("At −30 % price, USD", 0.7), ("At +30 % price, USD", 1.3)):
            # Training follows the price and storage does not: here both are less than a cent.
            assert number(row[column]) == pytest.approx((machines * factor + items) / requests, rel=4e-3)


def test_use_and_the_next_machine_follow_from_what_one_carries(evidence: Evidence) -> None:
    rows = table(costs(evidence), "Cost per million")
    for row in evidence.rows:
        carries, said = row.estimates["throughput_at_slo_qps"].value, rows[row.variant]
        assert carries is not None
        running = int(number(said["Machines"])) - 1  # one is spare
        assert running == np.ceil(4500 / (carries * 0.8)), row.variant
        assert number(said["Used at the peak, %"]) == pytest.approx(100 * 4500 / (running * carries), abs=1)
        assert number(said["One more above a peak of, 1/s"]) == pytest.approx(
            running * carries * 0.8, rel=0.02
        )


def test_the_parts_of_a_bill_add_up_to_the_cent(evidence: Evidence) -> None:
    for row in table(costs(evidence), "Machines, USD").values():
        parts = [number(row[c]) for c in row if c not in ("Variant", "In all, USD") and "under" not in row[c]]
        assert sum(parts) == pytest.approx(number(row["In all, USD"]), abs=0.03 if sum(parts) < 1000 else 1)


def test_training_that_the_bill_spreads_is_not_counted_again_where_it_pays_back(tmp_path: Path) -> None:
    """1,000 hours of training, twice a month: their 178 USD a month stood in the serving that they save."""
    world = (Made("tree", 0.88, 3.0, 3600.0, 1000, "sklearn"), Made("net", 0.89, 0.3, 3.6e6, 1000))
    decision = {"traffic": {"qps": 2000, "peak_qps": 6000}, "costs": {"trainings": 24}}
    suite = make_suite(world, decision=decision)
    evidence = gather(make_run(tmp_path, make_records(world, rounds=2), suite, files=False))
    chosen = evidence.chosen
    assert chosen is not None and chosen.candidate == "net"
    sentence = re.search(r"pays for itself against (\S+) after ([\d,.]+) M requests", costs(evidence))
    assert sentence is not None
    other = next(row for row in evidence.rows if row.variant == sentence[1])
    ours, theirs = (row.estimates["cost_per_month_usd"].machines for row in (chosen, other))
    trained, before = (row.estimates["train_cost_usd"].value for row in (chosen, other))
    assert ours and theirs and trained and before
    saved = (theirs - ours) * HOUR * 730 / (2000 * 730 * 3600)  # USD a request
    assert 1e6 * number(sentence[2]) == pytest.approx((trained - before) / saved, rel=0.01)


def test_by_the_hour_no_bill_is_said_to_be_that_of_whole_machines(tmp_path: Path) -> None:
    evidence = asked(tmp_path, {"curve": DAY, "autoscale": 300, "headroom": 0.8})
    for row in evidence.rows:
        cell = row.estimates["cost_per_month_usd"]
        assert cell.step is None and cell.machines is not None
        said = n.shown("cost_per_month_usd", cell)
        assert " or " not in said.interval and cell.value is not None
        assert abs(number(said.value) - cell.value) <= (0.005 if cell.value < 1000 else 0.5)


def test_differences_in_value_are_those_of_the_values_in_the_table(evidence: Evidence) -> None:
    value = {row.variant: row.estimates["value"] for row in evidence.rows}
    best = value[evidence.recommendation.choice or ""].value
    found = differences_in(evidence, "value")
    assert best is not None and len(found) == len(value) - 1
    for difference in found:
        own = value[difference.label].value
        assert own is not None and difference.value == pytest.approx(own - best, abs=1e-6 * abs(best))


@pytest.mark.parametrize("objective", ["maximize accuracy", "minimize latency_p50_ms"])
def test_who_is_tied_with_the_choice_is_not_called_worse_below(tmp_path: Path, objective: str) -> None:
    """A lead of 1,200 to 113,000 USD a month, of which 14,500 do not count, was a tie on page one and "worse,
    beyond chance" in the section of differences. And of a latency, whose differences are ratios, half a
    millisecond that does not count was half of it."""
    metric = objective.split()[1]

    def page(name: str, tolerance: float) -> Evidence:
        decision = {"constraints": [], "objective": objective, "tolerance": tolerance}
        suite = make_suite(WORLD[:3], decision=decision)
        return gather(make_run(tmp_path / name, make_records(WORLD[:3], rounds=3), suite, files=False))

    told = page("any", 0.0)
    said = {d.label: d for d in differences_in(told, metric)}
    assert {d.verdict for d in said.values()} >= {"worse"}
    tied = next(label for label, d in said.items() if d.verdict == "worse")
    told = replace(told, recommendation=replace(told.recommendation, tied_with=(tied,)))
    assert {d.label: d.verdict for d in differences_in(told, metric)}[tied] == "not separated"

    def chosen(e: Evidence) -> float:
        found = next(r.estimates[metric].value for r in e.rows if r.variant == e.recommendation.choice)
        assert found is not None
        return found

    most = (0.5 if metric == "accuracy" else 5.0) * chosen(told)
    told = page("counts", most)
    for d in differences_in(told, metric):
        ends = (d.low, d.high) if metric == "accuracy" else ((x - 1) * chosen(told) for x in (d.low, d.high))
        assert (d.verdict == "equivalent") == (max(map(abs, ends)) < most), d


def test_with_several_machines_a_change_of_prices_is_one_of_all(tmp_path: Path) -> None:
    """The price that was told was that of the machine that measured, whichever was chosen."""
    flip = {"what": "prices", "at": 7.9, "unit": "times today's", "then": "b on big", "factor": 7.9}
    evidence = asked(tmp_path, {"qps": 200})
    said = flip_sentence(evidence, flip)
    assert said == "Were all machines 7.9 times as expensive, the choice would be b on big."


def test_page_one_says_enough_of_a_bill_to_work_it_out_by_hand(tmp_path: Path) -> None:
    """It said $65.15, and neither of how many machines, at which price, nor that this is a floor."""
    traffic = {"qps": 2000, "peak_qps": 9000}
    decision = {"traffic": traffic, "constraints": [], "objective": "maximize accuracy"}
    suite = make_suite(WORLD[:3], decision=decision)
    page = gather(make_run(tmp_path, make_records(WORLD[:3], rounds=2), suite, files=False))
    found = SECTIONS["verdict"](page)
    assert found is not None
    said = re.search(
        r"cost per million: \*\*\$([\d.]+)\*\*(?: \([^)]*\))?, \$([\d,.]+) a month over ([\d,.]+) million"
        r" requests; (\d+) machines? at \$([\d.]+) an hour",
        found.markdown,
    )
    assert said is not None, found.markdown
    million, month, requests, machines, price = map(number, said.groups())
    assert month == pytest.approx(machines * price * 730, abs=0.5)
    assert million == pytest.approx(month / requests, rel=0.01)
    assert requests == pytest.approx(2000 * 3600 * 730 / 1e6, rel=1e-3)


def test_page_one_says_how_old_a_list_price_is(evidence: Evidence) -> None:
    """The README calls 90 days a warning: a bill by a price of 547 days had none on page one."""
    day = price_of(evidence.suite.machine)
    assert day is not None and day.as_of is not None and day.as_of < dt.date(2026, 1, 1)
    found = SECTIONS["verdict"](evidence)
    assert found is not None and re.search(r"an hour.*; a list price \d+ days old", found.markdown)
    own = evidence.suite.model_copy(update={"machine": Machine(usd_per_hour=0.09)})
    page = SECTIONS["verdict"](replace(evidence, suite=own))
    assert page is not None and "days old" not in page.markdown


def test_a_floor_is_said_to_be_one_on_page_one_and_under_the_table(tmp_path: Path) -> None:
    decision = {"traffic": {"qps": 2000}, "constraints": [], "objective": "minimize cost_per_month_usd"}
    records = [
        replace(r, measurements=tuple(m for m in r.measurements if m.metric != "throughput_at_slo_qps"))
        for r in make_records(WORLD[:3], rounds=2)
    ]
    page = gather(make_run(tmp_path, records, make_suite(WORLD[:3], decision=decision), files=False))
    for section in ("verdict", "tradeoff"):
        found = SECTIONS[section](page)
        assert found is not None and "a floor: from offline throughput, no latency limit" in found.markdown
    carried = re.search(r"\| what one carries in time \| (.*) \|", costs(page))
    assert carried is not None and "floor: from offline throughput, no latency limit" in carried[1]


def test_what_stands_beside_the_machines_of_a_bill_has_no_price_by_the_hour(evidence: Evidence) -> None:
    resnet = next(row for row in evidence.rows if row.candidate == "resnet")
    said = made_of(evidence, resnet, "cost_per_month_usd")
    assert re.match(r"\d+ machines at \$0\.08925 an hour, 150\.\d\d USD beside them", said), said


def _with_a_floor(tmp_path: Path, most: int) -> Evidence:
    decision = {
        "traffic": {"qps": 2000}, "constraints": [f"cost_per_month_usd <= {most}"],
        "objective": "maximize accuracy",
    }  # fmt: skip
    records = [
        replace(r, measurements=tuple(m for m in r.measurements if m.metric != "throughput_at_slo_qps"))
        for r in make_records(WORLD[:2], rounds=2)
    ]
    return gather(make_run(tmp_path, records, make_suite(WORLD[:2], decision=decision), files=False))


def test_a_floor_above_a_limit_breaks_it_whatever_the_bill_is(tmp_path: Path) -> None:
    page = _with_a_floor(tmp_path, 20)
    assert all((row.estimates["cost_per_month_usd"].value or 0) > 20 for row in page.rows)
    asked_for, table = (SECTIONS[name](page) for name in ("requirements", "tradeoff"))
    assert asked_for is not None and table is not None
    assert "| **no** |" in asked_for.markdown and "not known" not in asked_for.markdown
    assert "cost per month clearly above" in table.markdown


def test_a_floor_is_nowhere_said_to_meet_the_limit_that_it_is_ruled_out_by(tmp_path: Path) -> None:
    """Under the headline that none meets every limit the only one was met, "yes", "over 99 %", by all."""
    page = _with_a_floor(tmp_path, 200)
    assert page.recommendation.verdict == "none_feasible"
    assert all((row.estimates["cost_per_month_usd"].value or 0) < 200 for row in page.rows)
    verdict, asked_for, table = (SECTIONS[name](page) for name in ("verdict", "requirements", "tradeoff"))
    assert verdict is not None and asked_for is not None and table is not None
    assert "of its cost per month a floor alone is known, which meets no limit" in verdict.markdown
    assert "| not known |" in asked_for.markdown and f"0 of {len(page.rows)}" in asked_for.markdown
    assert "cost per month known as a floor alone, which meets no limit" in table.markdown
    assert "clearly above" not in verdict.markdown + table.markdown
