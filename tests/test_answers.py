"""A question asked of a run again is answered from what was kept, and never with what is no longer true."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path

import pytest

from harness.analysis import stamps
from harness.analysis.answers import AskedAgain, keep_answer, kept_answer
from harness.analysis.stamps import sources_of
from harness.cli.answer import answer
from harness.cli.main import main
from harness.costs import own_prices
from harness.costs.calibrations import folder as calibrations
from harness.report.render import render
from harness.store.run_folder import RunFolder
from tests.analysis_world import Truth, World, make_suite, store

TRUTHS = {"small": Truth(0.9, 3.0), "big": Truth(0.93, 8.0)}
TIED = {"one": Truth(0.9, 3.0), "two": Truth(0.9, 3.0), "slow": Truth(0.9, 30.0)}
NONE_IN_USE = b"no archive"


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return a_run(tmp_path, TRUTHS, ("latency_p99_ms <= 10",))


def a_run(folder: Path, truths: dict[str, Truth], limits: tuple[str, ...] = ()) -> RunFolder:
    world = World(truths, num_examples=200)
    suite = make_suite(list(truths), constraints=limits)
    return store(world, world.records(), suite, folder / "s" / "20250101-000000-0123abcd")


def recommended(capsys: pytest.CaptureFixture[str], run: RunFolder, *arguments: str) -> str:
    assert main(["recommend", run.url, *arguments]) == 0
    return capsys.readouterr().out


def never_asked(run: RunFolder) -> RunFolder:
    """The same run, with nothing derived in it."""
    copied = Path(run.url).parent / "20250101-000000-ffffffff"
    names = shutil.ignore_patterns(".answers", ".contents", "evidence.npz")
    return RunFolder(str(shutil.copytree(run.url, copied, ignore=names)))


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--json"],
        ["--where", "latency_p99_ms<=4"],
        ["--where", "latency_p99_ms<=1", "--json"],
        ["--minimize", "latency_p50_ms"],
        ["--set", "decision.confidence=0.8", "--json"],
    ],
)
def test_the_same_question_gets_the_same_bytes_without_deciding_again(
    run: RunFolder, capsys: pytest.CaptureFixture[str], arguments: Sequence[str]
) -> None:
    first = recommended(capsys, run, *arguments)
    run.write_bytes("evidence.npz", NONE_IN_USE)  # deciding would make it again
    assert recommended(capsys, run, *arguments) == first
    assert run.read_bytes("evidence.npz") == NONE_IN_USE
    assert recommended(capsys, never_asked(run), *arguments) == first


def test_an_answer_that_was_kept_is_given_without_numpy_and_without_the_suite(run: RunFolder) -> None:
    code = (
        "import sys; from harness.cli.main import main\n"
        f"assert main(['recommend', {run.url!r}]) == 0\n"
        "print(sorted({'numpy', 'pandas', 'torch', 'yaml', 'harness.suite.schema'} & set(sys.modules)))"
    )
    ask = [sys.executable, "-c", code]
    first, again = (subprocess.run(ask, capture_output=True, text=True, check=True).stdout for _ in range(2))
    told, loaded = (said.rstrip().rpartition("\n") for said in (first, again))
    assert told[0] == loaded[0] and "Ship" in told[0]
    assert "numpy" in told[2] and loaded[2] == "[]"


@pytest.mark.parametrize(
    ("truths", "limits", "said"),
    [
        (TRUTHS, ("latency_p99_ms<=10",), "Ship big/torch"),
        (TIED, ("latency_p99_ms <= 10 with 0.9", "accuracy>=0.5"), "tie"),
        (TRUTHS, ("latency_p99_ms <= 1",), "No variant"),
        (TRUTHS, (), "No limits"),
    ],
)
@pytest.mark.parametrize("form", [[], ["--json"]])
def test_a_report_leaves_the_answers_that_deciding_gives(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    truths: dict[str, Truth],
    limits: tuple[str, ...],
    said: str,
    form: list[str],
) -> None:
    run = a_run(tmp_path, truths, limits)
    render(run)
    run.write_bytes("evidence.npz", NONE_IN_USE)
    left = recommended(capsys, run, *form)
    assert run.read_bytes("evidence.npz") == NONE_IN_USE
    assert left == recommended(capsys, never_asked(run), *form)
    assert form or said in left


def test_a_question_that_is_put_otherwise_is_another_one(run: RunFolder) -> None:
    sources, limit = sources_of(run), ("latency_p99_ms<=4",)
    keep_answer(run, AskedAgain(limit), sources, "kept")
    assert kept_answer(run, AskedAgain(limit), sources) == "kept"
    for other in (
        AskedAgain(),
        AskedAgain(limit, as_json=True),
        AskedAgain(limit, "maximize accuracy"),
        AskedAgain((), None, limit),
    ):
        assert kept_answer(run, other, sources) is None


def another_figure_in_as_many_bytes(run: RunFolder) -> None:
    path = next(Path(run.url).glob("trials/serve-*/record.json"))
    before = path.read_text()
    path.write_text(re.sub(r'("value": )\d', r"\g<1>9", before))
    assert path.stat().st_size == len(before) and path.read_text() != before


def a_record_less(run: RunFolder) -> None:
    shutil.rmtree(next(Path(run.url).glob("trials/serve-*")))


def another_limit_in_the_suite(run: RunFolder) -> None:
    run.write_text("suite.yaml", run.read_text("suite.yaml").replace("<= 10", "<= 11"))


def a_price_of_ones_own(run: RunFolder) -> None:
    own_prices().parent.mkdir(parents=True, exist_ok=True)
    own_prices().write_text("provider,region\n")


def a_calibration(run: RunFolder) -> None:
    calibrations().mkdir(parents=True)
    (calibrations() / "abc123.json").write_text("{}")


CHANGES: list[Callable[[RunFolder], None]] = [
    another_figure_in_as_many_bytes,
    a_record_less,
    another_limit_in_the_suite,
    a_price_of_ones_own,
    a_calibration,
    lambda run: run.write_text(stamps.STORY, '{"ruled_out": {}}'),
    lambda run: run.write_text(stamps.DUELS, "[]"),
]


@pytest.mark.parametrize("change", CHANGES)
def test_an_answer_is_forgotten_when_something_behind_it_changes(
    run: RunFolder, change: Callable[[RunFolder], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARNESS_DATA", str(tmp_path / "data"))
    keep_answer(run, AskedAgain(), sources_of(run), "kept")
    assert kept_answer(run, AskedAgain(), sources_of(run)) == "kept"
    change(run)
    assert kept_answer(run, AskedAgain(), sources_of(run)) is None


def test_an_answer_is_forgotten_the_next_day_as_prices_tell_their_age(run: RunFolder) -> None:
    day = sources_of(run, date(2026, 1, 1))
    keep_answer(run, AskedAgain(), day, "kept")
    assert kept_answer(run, AskedAgain(), sources_of(run, date(2026, 1, 1))) == "kept"
    assert kept_answer(run, AskedAgain(), sources_of(run, date(2026, 1, 2))) is None


@pytest.mark.parametrize("file", ["analysis/rule.py", "reasons.py", "report/terminal.py", "costs/prices.csv"])
def test_an_answer_is_forgotten_when_the_harness_changes(
    run: RunFolder, file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copied = Path(shutil.copytree(stamps.HARNESS, tmp_path / "harness"))
    monkeypatch.setattr(stamps, "HARNESS", copied)
    stamps.code.cache_clear()
    keep_answer(run, AskedAgain(), sources_of(run), "kept")
    with (copied / file).open("a") as source:
        source.write("\n")
    stamps.code.cache_clear()
    try:
        assert kept_answer(run, AskedAgain(), sources_of(run)) is None
    finally:
        stamps.code.cache_clear()


def test_of_records_that_changed_the_new_answer_is_printed(
    run: RunFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    assert json.loads(recommended(capsys, run, "--json"))["choice"] == "big/torch"
    for path in Path(run.url).glob("trials/serve-*/record.json"):
        if json.loads(path.read_text())["trial"]["candidate"] == "big":
            shutil.rmtree(path.parent)
    changed = recommended(capsys, run, "--json")
    assert changed == recommended(capsys, never_asked(run), "--json")
    assert json.loads(changed)["choice"] == "small/torch"


@pytest.mark.parametrize("damage", [lambda b: b[:-9], lambda b: b"", lambda b: b.replace(b"Ship", b"Keep")])
def test_a_damaged_answer_is_made_again(run: RunFolder, damage: Callable[[bytes], bytes]) -> None:
    first = answer(run, AskedAgain())
    (place,) = Path(run.url).glob(".answers/*")
    place.write_bytes(damage(place.read_bytes()))
    assert answer(run, AskedAgain()) == first
    assert kept_answer(run, AskedAgain(), sources_of(run)) == first


def test_where_nothing_can_be_kept_the_answer_comes_all_the_same(run: RunFolder) -> None:
    first = answer(run, AskedAgain())
    shutil.rmtree(Path(run.url) / ".answers")
    run.write_text(".answers", "a file stands where the folder would be")
    assert answer(run, AskedAgain()) == first


@pytest.mark.parametrize("form", [(), ("--json",)])
def test_a_comparison_that_was_made_before_is_printed_again_with_its_exit_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], form: tuple[str, ...]
) -> None:
    before = a_run(tmp_path / "before", TRUTHS)
    after = a_run(tmp_path / "after", {**TRUTHS, "big": Truth(0.93, 8.0, size_mb=1.5)})

    def compared(*arguments: str) -> tuple[int, str]:
        code = main(["compare", before.url, after.url, *form, *arguments])
        return code, capsys.readouterr().out

    first = compared()
    assert first[0] == 1 and "big/torch" in first[1]
    (place,) = (tmp_path / "after").rglob(".answers/*")
    made = place.stat().st_mtime_ns
    assert compared() == first
    assert place.stat().st_mtime_ns == made
    assert compared("--margin", "0.6")[0] == 0
    for record in Path(before.url).rglob("record.json"):
        told = json.loads(record.read_text())
        for measured in told["measurements"]:
            measured["value"] = 3.0 if measured["metric"] == "model_size_mb" else measured["value"]
        record.write_text(json.dumps(told))
    assert compared() != first
