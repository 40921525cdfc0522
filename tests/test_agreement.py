"""Published figures that a suite expects: agrees, differs, or cannot be compared, and why."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.analysis.agreement import agreements, is_within
from harness.reading import read_suite
from harness.record import SuiteError
from harness.report import gather
from harness.report.render import sections
from harness.report.sections.agreement import lines, met
from harness.suite.schema import Expectation, Suite
from tests.report_samples import make_records, make_run, make_suite

EXPECT = {
    "small_cnn": {
        "accuracy": {"value": 0.88, "within": 0.02, "source": "a paper, table 3", "protocol": "mean of 5"},
        "r2": {"value": 0.5, "within": 0.1},
    },
    "resnet": {"accuracy": {"value": 0.5, "within": 0.01, "source": "another paper"}},
}


@pytest.fixture(scope="module")
def suite() -> Suite:
    return make_suite(expect=EXPECT)


def test_a_figure_agrees_within_the_stated_distance_and_differs_beyond(suite: Suite, tmp_path: Path) -> None:
    e = gather(make_run(tmp_path, make_records(), suite))
    near, absent, far = agreements(e.suite, e.tradeoff)
    assert (near.verdict, near.variant, near.candidate) == ("agrees", "small_cnn/torch", "small_cnn")
    assert near.difference is not None and abs(near.difference) <= 0.02
    assert (absent.verdict, absent.difference, absent.reason) == ("not comparable", None, "not measured")
    assert far.verdict == "differs" and far.difference is not None and far.difference > 0.3
    page = str(sections(e, ["agreement"])["agreement"])
    assert "a paper, table 3" in page and "differs by +0." in page and "not comparable: not measured" in page
    assert lines((far,))[0].startswith("resnet accuracy: published 0.5 (± 0.01), here 0.")


def test_a_figure_has_the_digits_by_which_it_agrees_whatever_its_interval_is(tmp_path: Path) -> None:
    """Half of 400 rows have 0.735 right (0.67 to 0.80): "0.73" is not within 0.0001 of 0.735."""
    close = {"value": 0.8851, "within": 0.0101}
    e = gather(make_run(tmp_path, make_records(), make_suite(expect={"small_cnn": {"accuracy": close}})))
    (one,) = agreements(e.suite, e.tradeoff)
    assert one.found is not None and one.found.value is not None
    exact = f"{one.found.value:.4f}"
    assert f"here {exact}: " in lines((one,))[0]
    assert f"| {exact} <sub>" in str(sections(e, ["agreement"])["agreement"])


@pytest.mark.parametrize(
    ("found", "published", "within"), [(0.84, 0.85, 0.01), (0.73, 0.735, 0.005), (0.91, 0.9, 0.01)]
)
def test_a_figure_at_just_the_stated_distance_agrees(found: float, published: float, within: float) -> None:
    """In floating point .85 less .84 is more than .01: "differs by -0.01" was said of ± 0.01."""
    assert abs(found - published) > within
    assert is_within(found, Expectation(value=published, within=within))
    assert not is_within(found, Expectation(value=published, within=within * 0.999))


def test_a_difference_whose_reason_is_known_fails_no_run_and_is_shown_with_it(tmp_path: Path) -> None:
    known = {"value": 0.5, "within": 0.01, "source": "a paper", "explained": "their test part is easier"}
    e = gather(make_run(tmp_path, make_records(), make_suite(expect={"resnet": {"accuracy": known}})))
    (one,) = agreements(e.suite, e.tradeoff)
    assert one.verdict == "explained" and one.difference is not None
    assert lines((one,))[0].endswith(": their test part is easier") and "differs by +0." in lines((one,))[0]
    met = {**known, "value": 0.88, "within": 0.1}
    e = gather(make_run(tmp_path / "met", make_records(), make_suite(expect={"resnet": {"accuracy": met}})))
    assert agreements(e.suite, e.tradeoff)[0].verdict == "agrees"


def test_a_question_of_yes_or_no_is_answered_in_the_first_sentence(tmp_path: Path) -> None:
    def answered(question: str, expect: dict[str, object], place: str) -> list[str]:
        asked = make_suite(expect=expect, question=question)
        return met(gather(make_run(tmp_path / place, make_records(), asked)))

    reach = "Do networks reach what the paper prints?"
    (said,) = answered(reach, EXPECT, "mixed")
    assert said.startswith("No: 1 of 3 published figures agree; resnet's accuracy differs by +0.")
    assert said.endswith("; 1 cannot be compared.")
    own = {"small_cnn": {"accuracy": EXPECT["small_cnn"]["accuracy"]}}
    assert answered(reach, own, "met") == ["Yes: it agrees."]
    assert answered("Which one should the returns desk ship?", own, "which") == []


def test_a_suite_that_expects_nothing_has_no_such_section(tmp_path: Path) -> None:
    e = gather(make_run(tmp_path, make_records(), make_suite()))
    assert agreements(e.suite, e.tradeoff) == () and sections(e, ["agreement"]) == {}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            "{logistik: {accuracy: {value: 0.9, within: 0.1}}}",
            "no candidate `logistik`: did you mean `logistic`",
        ),
        ("{logistic: {acuracy: {value: 0.9, within: 0.1}}}", "no metric `acuracy`: did you mean `accuracy`"),
        ("{logistic: {r2: {value: 0.9, within: 0.1}}}", "never measured by this suite"),
        ("{logistic: {accuracy: {value: 0.9}}}", "expect.logistic.accuracy: `within` is missing"),
    ],
)
def test_what_cannot_be_expected_is_refused_with_its_line(line: str, message: str, tmp_path: Path) -> None:
    file = tmp_path / "suite.yaml"
    file.write_text(
        "name: digits\ntask: image_classification\ndata: {name: digits}\n"
        f"candidates: {{logistic: sklearn:LogisticRegression}}\nexpect: {line}\n"
    )
    with pytest.raises(SuiteError) as raised:
        read_suite(file)
    assert "suite.yaml:5: " in str(raised.value) and message in str(raised.value)
