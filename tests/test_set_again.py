"""Terms set at a stored run are held to what a suite file is held to, and nothing of them is passed over."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.analysis.cost import price_of
from harness.reading import read_suite
from harness.reading.again import with_settings
from harness.record import SuiteError
from harness.suite.schema import Suite, Traffic

TEXT = """
name: desk
task: image_classification
data: {name: digits}
candidates: {logistic: "sklearn:LogisticRegression"}
serving: {runtimes: [onnx]}
machine: {price: aws/c7i.large}
decision: {traffic: {qps: 100, peak_qps: 300}}
"""
DAY = "[" + ", ".join(["5"] * 23 + ["60"]) + "]"


@pytest.fixture
def suite(tmp_path: Path) -> Suite:
    file = tmp_path / "suite.yaml"
    file.write_text(TEXT)
    return read_suite(file)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["decision.traffic.curve=[1, 2]"], "has 2 values: a day has 24 hours, a week 168"),
        ([f"decision.traffic.curve={[0] * 24}"], "is 0 in every hour: nothing is served"),
        ([f"decision.traffic.curve={[1] * 23 + [-1]}"], "`-1` is out of range: it must be at least 0"),
        (["decision.traffic=50"], "`50` is not a mapping: write `traffic: {qps: 50}`"),
        (["decision.traffic.qps=500"], "the peak, 300, is below the mean, 500: swap them, or raise the peak"),
        (["decision.traffic.headroom=80"], "`80` is out of range: it must be at most 1"),
        (["decision.traffic.autoscale=5m"], "machines that come and go need the hours"),
        (["decision.traffic.autoscale=soon"], "`soon` is not a valid duration: write seconds, or for"),
        (["decision.trafic.qps=5"], "unknown key: did you mean `traffic`?"),
        (["decision.traffic.spare=1.5"], "`1.5` is not a whole number"),
        (["decision.costs.items.tree.once_usd=5"], "there is no candidate `tree`: there is logistic"),
        ([f"decision.traffic.curve={DAY}", "decision.traffic.qps=5"], "qps: contradicts the curve"),
        (["machine.usd_per_hour=-1"], "`-1` is out of range: it must be at least 0"),
        (
            ["machine.price=aws/c7i.xlarge", "machine.usd_per_hour=0.1"],
            "machine.usd_per_hour=0.1: contradicts the price that is set too: keep one of the two",
        ),
        (["machine.usd_per_hour=0.1", "machine.discount=0.4"], "is taken off a list price: set the price"),
        ([f"decision.traffic.peaks={DAY}"], "are those of the curve's hours: add decision.traffic.curve"),
        (
            [f"decision.traffic.curve={DAY}", "decision.traffic.peaks=[70]"],
            "have 1 values and the curve 24: write one for each hour",
        ),
        (
            [f"decision.traffic.curve={DAY}", f"decision.traffic.peaks={[6] * 24}"],
            "in hour 23 the peak, 6, is below the mean, 60: raise it, or leave peaks out",
        ),
    ],
)  # fmt: skip
def test_what_a_suite_file_may_not_say_cannot_be_set_afterwards(
    suite: Suite, settings: list[str], message: str
) -> None:
    with pytest.raises(SuiteError) as error:
        with_settings(suite, settings)
    assert message in str(error.value) and str(error.value).startswith("--set ")


def test_a_curve_takes_the_place_of_mean_and_peak(suite: Suite) -> None:
    changed = with_settings(suite, [f"decision.traffic.curve={DAY}", "decision.traffic.autoscale=5m"])
    traffic = changed.decision.traffic
    assert (traffic.peak, traffic.mean, traffic.autoscale) == (60.0, (5 * 23 + 60) / 24, 300.0)
    with pytest.raises(SuiteError, match="contradicts the curve"):
        with_settings(changed, ["decision.traffic.peak_qps=900"])
    back = with_settings(changed, ["decision.traffic.curve=null", "decision.traffic.autoscale=null"])
    assert back.decision.traffic == suite.decision.traffic


def test_what_is_not_set_stays_as_it_was(suite: Suite) -> None:
    assert with_settings(suite, []) is suite
    changed = with_settings(suite, ["machine.usd_per_hour=0.05", "decision.traffic.spare=2"])
    assert changed.machine.usd_per_hour == 0.05 and changed.decision.traffic.spare == 2
    undone = with_settings(changed, ["machine.usd_per_hour=null", "decision.traffic.spare=0"])
    assert undone == suite


def test_a_price_that_is_set_goes_before_what_the_run_had(suite: Suite) -> None:
    """Of an own price and a list price set later the list price was passed over in silence."""
    own = with_settings(suite, ["machine.usd_per_hour=0.05"])
    listed = with_settings(own, ["machine.price=aws/c7i.xlarge", "machine.discount=0.4"])
    again = with_settings(listed, ["machine.usd_per_hour=0.07"])
    for changed, usd, discount in ((own, 0.05, 0), (listed, 0.1785 * 0.6, 0.4), (again, 0.07, 0)):
        price = price_of(changed.machine)
        assert price is not None and price.usd_per_hour == pytest.approx(usd)
        assert changed.machine.discount == discount
    with pytest.raises(SuiteError, match="discount=0.4: is taken off a list price"):
        with_settings(own, ["machine.discount=0.4"])


def test_another_curve_has_neither_the_peaks_nor_the_file_of_the_one_before(suite: Suite) -> None:
    traffic = {"curve": (1.0,) * 24, "peaks": (9.0,) * 24, "trace": "/logs/requests.csv"}
    stored = suite.model_copy(
        update={"decision": suite.decision.model_copy(update={"traffic": Traffic.model_validate(traffic)})}
    )
    assert with_settings(stored, ["decision.traffic.spare=1"]).decision.traffic.peak == 9.0
    changed = with_settings(stored, [f"decision.traffic.curve={DAY}"]).decision.traffic
    assert (changed.peaks, changed.trace, changed.peak) == (None, None, 60.0)
    own = with_settings(stored, [f"decision.traffic.curve={DAY}", f"decision.traffic.peaks={[60] * 24}"])
    assert own.decision.traffic.hours == (60.0,) * 24
