"""Several instances in one question: priced by hand, chosen by brute force, never carried to another kind."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from harness.analysis.cost import price_of, replicas
from harness.analysis.instances import instances
from harness.analysis.parts import why_no_plain_bill
from harness.analysis.recommend import analyse, question_of, recommend
from harness.analysis.sensitivity import winner_map
from harness.analysis.tradeoff import complete, priced, tradeoff
from harness.costs import find_price
from harness.planning.plan import run_hash
from harness.reading import read_suite
from harness.reading.again import with_settings
from harness.record import SuiteError
from harness.report.render import render
from harness.results import Estimate, Row, Tradeoff
from harness.suite.schema import Machine, Suite, Traffic
from tests.analysis_world import Truth, World, make_suite, store

TEXT = """
name: shop
task: image_classification
data: {name: digits}
candidates: {logistic: "sklearn:LogisticRegression"}
machines:
  small: {price: aws/c7i.large}
  big: {price: aws/c7i.xlarge}
decision: {traffic: {qps: 200}}
"""
CLASS = "abc123"  # of the simulated records


def suite_of(
    machines: dict[str, Machine], traffic: dict[str, float] | None = None, **decision: object
) -> Suite:
    suite = make_suite(["net"], ["onnx"], traffic=traffic or {"qps": 100.0}, **decision)
    first = next(iter(machines.values()))
    return suite.model_copy(update={"machine": first, "machines": machines})


def table_of(carried: dict[str, float], machine_class: str = CLASS) -> Tradeoff:
    """A table without doubt: each variant carries just so many requests per second."""
    rows = tuple(Row(name, *name.split("/"), estimates={}) for name in carried)
    draws = {"throughput_at_slo_qps": np.tile(list(carried.values()), (50, 1))}
    return Tradeoff(rows, tuple(draws), draws, machine_class=machine_class)


def test_the_first_of_several_machines_is_the_one_that_measures(tmp_path: Path) -> None:
    file = tmp_path / "suite.yaml"
    file.write_text(TEXT)
    suite = read_suite(file)
    assert list(suite.machines) == ["small", "big"]
    assert suite.machine.price == "aws/c7i.large"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("  big: {price: aws/c7i.xlarg}", "8: machines.big.price: there is no price for `aws/c7i.xlarg`"),
        ("  big: {price: aws/c7i.xlarge, spot: 1}", "8: machines.big.spot: unknown key: there is price"),
        ("  big: {discount: 0.4}", "8: machines.big: has no price: add price or usd_per_hour"),
        (
            "  big: {price: aws/c7i.xlarge, usd_per_hour: 0.1}",
            "8: machines.big.usd_per_hour: contradicts machines.big.price: keep one of the two",
        ),
        (
            "  big: {price: aws/c7i.xlarge}\nmachine: {price: aws/c7i.xlarge}",
            "9: machine: the first of machines, small, is the one that measures: leave machine out",
        ),
    ],
)
def test_each_machine_needs_one_price_that_exists(tmp_path: Path, line: str, message: str) -> None:
    file = tmp_path / "suite.yaml"
    file.write_text(TEXT.replace("  big: {price: aws/c7i.xlarge}", line))
    with pytest.raises(SuiteError) as error:
        read_suite(file)
    assert message in str(error.value)


def test_a_value_in_usd_per_hour_of_several_machines_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "suite.yaml"
    file.write_text(
        TEXT.replace(
            "decision: {", 'decision: {objective: maximize value, value: "accuracy - usd_per_hour", '
        )
    )
    with pytest.raises(SuiteError, match="is that of one machine, and there are several"):
        read_suite(file)


def test_families_have_one_processor_and_shares_of_a_core_are_alone() -> None:
    def family(name: str) -> str:
        return find_price(name).family

    assert family("aws/c7i.large") == family("aws/c7i.xlarge") == "c7i"
    assert family("azure/Standard_D2s_v5") == family("azure/Standard_D16s_v5") == "Standard_Ds_v5"
    assert family("gcp/n2-standard-2") == family("gcp/n2-highmem-4") == "n2"
    assert family("azure/Standard_D2s_v5") != family("azure/Standard_D2s_v3")
    for alone in ("aws/t3.xlarge", "aws/p3.2xlarge", "gcp/e2-micro", "azure/Standard_B2s"):
        assert family(alone) == find_price(alone).instance


def test_what_was_measured_holds_in_its_family_or_class_and_nowhere_else() -> None:
    machines = {
        "here": Machine(price="aws/c7i.large"),
        "reserved": Machine(price="aws/c7i.large", discount=0.4),
        "big": Machine(price="aws/c7i.xlarge"),
        "other": Machine(price="aws/m5.large"),
        "same": Machine.model_validate({"usd_per_hour": 0.03, "class": CLASS}),
        "arm": Machine.model_validate({"usd_per_hour": 0.03, "class": "feed0000"}),
        "nobody": Machine(usd_per_hour=0.03),
    }
    found = {i.name: i.unknown for i in instances(suite_of(machines), CLASS)}
    assert [name for name, unknown in found.items() if not unknown] == ["here", "reserved", "big", "same"]
    assert found["other"] == "not extrapolated: measured on aws/c7i.large, not of its family"
    assert found["arm"] == f"not extrapolated: run `harness calibrate` on class {CLASS} and feed0000"
    assert found["nobody"] == "not extrapolated: an own price without a class says nothing of the machine"


# Two cores measured, with one worker and with two. USD per hour: one core .04, two cores .10.
ONE_AND_TWO = {"one": Machine(usd_per_hour=0.04, cores=1), "two": Machine(usd_per_hour=0.10, cores=2)}
ONE_AND_TWO = {name: m.model_copy(update={"machine_class": CLASS}) for name, m in ONE_AND_TWO.items()}
CARRIED = {"net/onnx@1x1": 100.0, "net/onnx@1x2": 190.0}


def by_hand(qps: float) -> dict[str, tuple[str, float]]:
    """Variant → the cheaper machine that it fits on, and USD a month."""
    found = {}
    for variant, carries in CARRIED.items():
        workers = int(variant[-1])
        bills = {
            name: -(-qps // carries) * usd * 730
            for name, usd, cores in (("one", 0.04, 1), ("two", 0.10, 2))
            if workers <= cores
        }
        cheapest = min(bills, key=lambda name: bills[name])
        found[variant] = cheapest, bills[cheapest]
    return found


@pytest.mark.parametrize("qps", [90.0, 150.0, 380.0, 1000.0])
def test_every_variant_stands_with_the_cheapest_machine_that_it_fits_on(qps: float) -> None:
    table = priced(table_of(CARRIED), suite_of(ONE_AND_TWO, {"qps": qps}), {})
    for row in table.rows:
        machine, usd = by_hand(qps)[row.variant]
        assert row.machine == machine
        assert row.estimates["cost_per_month_usd"].value == pytest.approx(usd)
        assert table.draws["cost_per_month_usd"][:, table.rows.index(row)] == pytest.approx(usd)
        offers = {offer.machine: offer for offer in row.offers}
        assert offers["two"].usd_per_month == pytest.approx(
            float(replicas(CARRIED[row.variant], Traffic(qps=qps))) * 73
        )
    assert {o.machine: o.note for o in table.rows[1].offers}["one"] == "needs 2 cores, the machine has 1"


def test_a_cheaper_machine_of_another_kind_is_never_chosen_and_has_no_figure() -> None:
    machines = {**ONE_AND_TWO, "gift": Machine(usd_per_hour=0.0001)}
    table = priced(table_of(CARRIED), suite_of(machines), {})
    for row in table.rows:
        gift = next(o for o in row.offers if o.machine == "gift")
        assert row.machine != "gift" and gift.usd_per_month is None
        assert gift.note.startswith("not extrapolated")


def test_of_who_was_not_served_no_machine_is_said_to_keep_no_limit() -> None:
    suite = suite_of({name: Machine(price=f"aws/c7i.{name}") for name in ("large", "xlarge")})
    table = table_of({"net/onnx": 50.0, "slow/onnx": np.nan, "out/onnx": np.nan, "left/onnx": np.nan})
    net, slow, out, left = table.rows
    slow = replace(slow, estimates={"latency_p50_ms": Estimate(30.0, 29.0, 31.0)})
    why = "ruled out after scoring: accuracy clearly below 0.87"
    out = replace(out, estimates={"latency_p50_ms": Estimate(None, note=why)})
    found = complete(replace(table, rows=(net, slow, out, left)), suite, {}).rows
    notes = [{offer.note for offer in row.offers} for row in found]
    assert notes[1:] == [{"no load keeps the limit"}, {why}, {"not measured"}]


def test_the_flips_say_from_which_traffic_on_the_next_instance_pays() -> None:
    """Two cores at .10 carry 190, twice one core at .04 carries 200: never worth it; at .07 they are."""
    dear, cheap = (
        ONE_AND_TWO,
        {**ONE_AND_TWO, "two": ONE_AND_TWO["two"].model_copy(update={"usd_per_hour": 0.07})},
    )

    def asked(machines: dict[str, Machine], qps: float) -> tuple[str, list[tuple[str, float, str]]]:
        suite = suite_of(machines, {"qps": qps}, objective="minimize cost_per_month_usd")
        table = complete(table_of(CARRIED), suite, {})
        found = recommend(table, suite)
        flips = [(f["what"], f["at"], f["then"]) for f in found.flips if f["what"] == "traffic"]
        return f"{found.choice} on {found.machine}", flips

    # One machine of one core carries 100; above, a second (58.4 USD) is dearer than one of two cores (51.1).
    choice, flips = asked(cheap, 50.0)
    assert choice == "net/onnx@1x1 on one"
    assert [then for _, _, then in flips] == ["net/onnx@1x2 on two"]
    assert flips[0][1] == pytest.approx(100.0, rel=0.02)
    assert asked(dear, 50.0)[0] == "net/onnx@1x1 on one"


def test_a_price_scaled_for_all_machines_changes_nothing_of_who_runs_where() -> None:
    suite = suite_of(ONE_AND_TWO, {"qps": 380.0}, objective="minimize cost_per_month_usd")
    question = question_of(complete(table_of(CARRIED), suite, {}), suite)
    twice = question.with_prices(price_factor=2.0)
    month = "cost_per_month_usd"
    assert twice.deployed == question.deployed
    assert twice.table.draws[month] == pytest.approx(2 * np.asarray(question.table.draws[month]))


@pytest.mark.parametrize("several", [False, True], ids=["one machine", "several"])
def test_another_price_and_traffic_cost_what_a_table_made_for_them_says(several: bool) -> None:
    """The map of winners asks 144 times: what is kept from one to the next must not be what moves."""

    def at(times: float, usd: float) -> Suite:
        found = {
            n: m.model_copy(update={"usd_per_hour": (m.usd_per_hour or 0) * usd})
            for n, m in ONE_AND_TWO.items()
        }
        suite = suite_of(found, {"qps": 380.0 * times}, objective="minimize cost_per_month_usd")
        return suite if several else suite.model_copy(update={"machine": found["two"], "machines": {}})

    today = at(1.0, 1.0)
    question = question_of(complete(table_of(CARRIED), today, {}), today)
    for times, usd in ((1.0, 3.0), (0.3, 0.5), (7.0, 1.0)):
        anew, asked = complete(table_of(CARRIED), at(times, usd), {}), question.with_prices(times, usd).table
        for name in ("cost_per_month_usd", "cost_per_million_usd"):
            np.testing.assert_allclose(asked.draws[name], anew.draws[name], rtol=1e-12)
        assert [row.machine for row in asked.rows] == [row.machine for row in anew.rows]


def test_a_run_decides_over_variants_and_machines_and_says_so_everywhere(tmp_path: Path) -> None:
    world = World(
        {"net": Truth(0.9, 2.0, throughput=400), "tree": Truth(0.85, 1.0, throughput=900)}, ["onnx"]
    )
    suite = make_suite(
        ["net", "tree"], ["onnx"], objective="maximize accuracy", traffic={"qps": 1000.0},
    )  # fmt: skip
    machines = {
        "listed": Machine(price="aws/c7i.large"),
        "reserved": Machine(price="aws/c7i.large", discount=0.4),
        "foreign": Machine(price="gcp/n2-standard-2"),
    }
    suite = suite.model_copy(update={"machine": machines["listed"], "machines": machines})
    run = store(world, world.records(), suite, tmp_path / "simulated" / "run")
    table, found = analyse(run, suite)
    assert (found.choice, found.machine) == ("net/onnx", "reserved")
    assert json.loads(run.read_text("recommendation.json"))["machine"] == "reserved"
    assert run.read_text("tradeoffs.csv").splitlines()[0].split(",")[3] == "machine"
    again, decided = analyse(run, suite)  # from evidence.npz
    assert [r.offers for r in again.rows] == [r.offers for r in table.rows] and decided.machine == "reserved"
    render(run)
    page = run.read_text("report.md")
    assert "Ship **net/onnx on reserved**" in page
    assert "reserved: aws/c7i.large us-east-1 on-demand less 40 %, $0.05355 an hour." in page
    html = run.read_text("report.html")
    assert "not extrapolated: measured on aws/c7i.large, not of its family" in html


def test_prices_of_several_machines_are_set_by_their_names() -> None:
    suite = suite_of(ONE_AND_TWO)
    changed = with_settings(suite, ["machines.two.usd_per_hour=0.05", "machines.one.usd_per_hour=0.02"])
    assert changed.machines["two"].usd_per_hour == 0.05
    assert changed.machine.usd_per_hour == changed.machines["one"].usd_per_hour == 0.02  # it trains too
    listed = with_settings(changed, ["machines.one.price=aws/c7i.xlarge"])  # no own price stays beside it
    assert price_of(listed.machine) == price_of(listed.machines["one"]) == find_price("aws/c7i.xlarge")
    with pytest.raises(SuiteError, match=r"write machines\.one\.usd_per_hour"):
        with_settings(suite, ["machine.usd_per_hour=0.05"])


def test_a_suite_without_machines_keeps_the_name_of_its_runs() -> None:
    suite = make_suite(["net"])
    assert "machines" not in _hashed(suite) and "machines" in _hashed(suite_of(ONE_AND_TWO))
    assert "peaks" not in _hashed(suite)
    assert "peaks" in _hashed(make_suite(["net"], traffic={"curve": (1.0,) * 24, "peaks": (2.0,) * 24}))
    assert run_hash(suite, []) != run_hash(suite_of(ONE_AND_TWO), [])


def _hashed(suite: Suite) -> str:
    import harness.planning.plan as plan

    seen: list[str] = []
    kept = plan.content_hash
    plan.content_hash = lambda x: seen.append(json.dumps(x)) or kept(x)  # type: ignore[assignment]
    try:
        run_hash(suite, [])
    finally:
        plan.content_hash = kept
    return seen[0]


def with_memory(table: Tradeoff, megabytes: float) -> Tradeoff:
    """The first row as if it had taken so much where it was measured."""
    first, *others = table.rows
    first = replace(first, estimates={**first.estimates, "peak_memory_mb": Estimate(megabytes)})
    return replace(table, rows=(first, *others))


def test_who_took_more_memory_than_the_priced_machine_has_is_said() -> None:
    """6.1 GB on the machine that measured were priced, and named, on one of 4 GiB without a word."""
    world = World({"large": Truth(0.9, 2.0), "small": Truth(0.8, 2.0)})
    suite = make_suite(["large", "small"])
    suite = suite.model_copy(update={"machine": Machine(price="aws/c7i.large")})
    measured = tradeoff(world.records(), suite, world.predictions.__getitem__)
    table = complete(with_memory(measured, 6100.0), suite, {})
    said = "large/torch needs 6.1 GB of memory, aws/c7i.large has 4.29 GB: it does not run there"
    assert [w for w in table.warnings if "memory" in w] == [f"{said} as it was measured"]
    again = complete(table, suite, {})
    assert sum("memory" in w for w in again.warnings) == 1
    assert not any("memory" in w for w in complete(with_memory(measured, 4200.0), suite, {}).warnings)
    machines = {"small": Machine(price="aws/c7i.large"), "big": Machine(price="aws/c7i.xlarge")}
    several = complete(with_memory(measured, 6100.0), suite.model_copy(update={"machines": machines}), {})
    assert [row.machine for row in several.rows] == ["big", "small"]
    assert not any("memory" in w for w in several.warnings)
    assert {o.machine: o.note for o in several.rows[0].offers}["small"] == (
        "needs 6.1 GB of memory, aws/c7i.large has 4.29 GB"
    )


def test_a_machine_without_the_memory_costs_nothing_but_a_reason() -> None:
    """Its 65 USD a month stood in the table, and moved with traffic and price in the page."""
    world = World({"large": Truth(0.9, 2.0), "small": Truth(0.8, 2.0)})
    suite = make_suite(["large", "small"], objective="minimize cost_per_month_usd")
    suite = suite.model_copy(update={"machine": Machine(price="aws/c7i.large")})
    measured = tradeoff(world.records(), suite, world.predictions.__getitem__)
    assert "memory" not in why_no_plain_bill(complete(measured, suite, {}), suite)
    table = complete(with_memory(measured, 6100.0), suite, {})
    large, small = table.rows
    for name in ("cost_per_month_usd", "cost_per_million_usd"):
        cell = large.estimates[name]
        assert (cell.value, cell.note) == (None, "needs 6.1 GB of memory, aws/c7i.large has 4.29 GB")
        assert small.estimates[name].value is not None
    assert recommend(table, suite).choice == "small/torch"
    assert why_no_plain_bill(table, suite) == "a variant needs more memory than the machine has"
    both = {"one": Machine(price="aws/c7i.large"), "two": Machine(price="aws/c7i.xlarge")}
    several = complete(with_memory(measured, 61000.0), suite.model_copy(update={"machines": both}), {})
    assert several.rows[0].estimates["cost_per_month_usd"].value is None


def priced_on(machine: Machine, qps: float = 380.0) -> Tradeoff:
    suite = make_suite(["net"], ["onnx"], traffic={"qps": qps}).model_copy(update={"machine": machine})
    return complete(table_of(CARRIED), suite, {})


def test_two_workers_cost_nothing_on_a_machine_of_one_core_but_a_reason() -> None:
    """Asked again with another price their 16 USD stood in the table, at twice what one core carries."""
    table = priced_on(Machine(price="aws/t2.micro", cores=2))  # two are those of the run that is asked again
    one, two = (row.estimates["cost_per_month_usd"] for row in table.rows)
    assert one.value == pytest.approx(4 * 0.0116 * 730)  # 380 / 100
    assert (two.value, two.note) == (None, "needs 2 cores, aws/t2.micro has 1")
    assert [w for w in table.warnings if "cores" in w] == [
        "net/onnx@1x2 needs 2 cores, aws/t2.micro has 1: it does not run there as it was measured"
    ]


def test_threads_that_a_priced_machine_has_cores_for_are_priced_whatever_this_computer_has() -> None:
    suite = make_suite(["net"], ["onnx@4"], traffic={"qps": 380.0})
    measured = table_of(CARRIED)
    rows = tuple(replace(row, runtime="onnx@4") for row in measured.rows)
    large = suite.model_copy(update={"machine": Machine(price="aws/c7i.4xlarge", cores=2)})
    found = complete(replace(measured, rows=rows), large, {})
    assert found.rows[0].estimates["cost_per_month_usd"].value is not None


def test_cores_that_this_computer_has_not_are_paid_all_the_same() -> None:
    """A suite's `cores` are those that workers had here: of a priced machine of four, two."""
    table = priced_on(Machine(price="aws/c7i.xlarge", cores=2))
    usd = find_price("aws/c7i.xlarge").usd_per_hour * 730
    for row, count, idle in zip(
        table.rows, (4, 2), ("1 of 4 cores serves", "2 of 4 cores serve"), strict=True
    ):
        cell = row.estimates["cost_per_month_usd"]
        assert cell.value == pytest.approx(count * usd)
        assert f"ceiling: {idle}" in cell.note
    whole = priced_on(Machine(price="aws/c7i.large", cores=2)).rows[1].estimates["cost_per_month_usd"]
    assert "ceiling" not in whole.note


def test_who_is_too_large_for_what_measured_it_is_not_priced_on_a_machine_that_nothing_is_known_of() -> None:
    """It stood on the other one with the load of the first, as that alone was not too small."""
    machines = {"small": Machine(price="aws/c7i.large"), "other": Machine(price="gcp/n2-standard-16")}
    table = complete(with_memory(table_of(CARRIED), 6100.0), suite_of(machines), {})
    large, _ = table.rows
    assert large.estimates["cost_per_month_usd"].value is None and large.machine == ""
    assert large.estimates["cost_per_month_usd"].note == ("needs 6.1 GB of memory, aws/c7i.large has 4.29 GB")
    assert np.isnan(table.draws["cost_per_month_usd"][:, 0]).all()


def test_the_map_of_several_machines_is_over_all_their_prices_and_names_them() -> None:
    suite = suite_of(ONE_AND_TWO, {"qps": 90.0}, objective="minimize cost_per_month_usd")
    question = question_of(complete(table_of(CARRIED), suite, {}), suite)
    found = winner_map(question, size=3)
    assert found is not None and found.here == (90.0, 1.0)
    assert found.prices == pytest.approx((1 / 3, 1.0, 3.0))
    for qps, line in zip(found.qps, found.winners, strict=True):
        cheapest = {variant: usd for variant, (_, usd) in by_hand(qps).items()}
        variant = min(cheapest, key=lambda name: cheapest[name])
        assert set(line) == {f"{variant} on {by_hand(qps)[variant][0]}"}


def test_a_price_is_asked_for_only_where_money_decides() -> None:
    world = World({"a": Truth(0.9, 2.0), "b": Truth(0.8, 2.0)})
    for limits, asked in ((("accuracy >= 0.5",), False), (("cost_per_month_usd <= 10",), True)):
        suite = make_suite(["a", "b"], constraints=limits).model_copy(update={"machine": Machine()})
        table = complete(tradeoff(world.records(), suite, world.predictions.__getitem__), suite, {})
        assert any("no price" in w for w in table.warnings) is asked
