"""The gate between two real runs, as CI would use it: exit codes, what is printed, what is refused."""

from __future__ import annotations

import json
import runpy
import shutil
from pathlib import Path

import pytest

from harness.cli.main import main
from harness.store.runs import RunFolder
from tests.runs_here import run_here
from tests.small_suites import SUITE, write_suite

TEXT = (
    SUITE.replace("data: {name: digits}", "data: {name: digits, train_sizes: [300]}")
    .replace("seeds: [0]", "seeds: [0, 1]")
    .replace("[torch, onnx]", "[onnx]")
    .replace("rounds: 1", "rounds: 2")
)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[RunFolder, RunFolder]:
    """A run, and one in which the candidate was made worse on purpose."""
    folder = tmp_path_factory.mktemp("gate")
    suite = write_suite(folder, TEXT)
    worse = "candidates.logistic={model: 'sklearn:LogisticRegression', args: {C: 0.00002}}"
    return run_here(suite, folder / "results"), run_here(suite, folder / "results", worse)


def compare(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(["compare", *arguments])
    said = capsys.readouterr()
    return code, said.out, said.err


def test_a_worse_candidate_is_a_regression(
    runs: tuple[RunFolder, RunFolder], capsys: pytest.CaptureFixture[str]
) -> None:
    good, bad = runs
    code, out, _ = compare(capsys, good.url, bad.url)
    assert code == 1
    assert out.splitlines()[0].startswith(f"{bad.id} against {good.id}: ")
    row = next(line for line in out.splitlines() if " accuracy " in line)
    assert row.startswith("WORSE") and "logistic/onnx" in row and "paired over test examples" in row
    code, out, _ = compare(capsys, good.url, bad.url, "--json")
    found = json.loads(out)
    assert code == 1 and {c["metric"] for c in found["regressions"]} >= {"accuracy", "log_loss"}


def test_the_other_way_round_it_is_an_improvement(
    runs: tuple[RunFolder, RunFolder], capsys: pytest.CaptureFixture[str]
) -> None:
    _, out, _ = compare(capsys, runs[1].url, runs[0].url, "--json")
    verdicts = {change["metric"]: change["verdict"] for change in json.loads(out)["changes"]}
    assert verdicts["accuracy"] == verdicts["log_loss"] == "better"
    _, out, _ = compare(capsys, runs[1].url, runs[0].url)
    assert any(line.startswith("better") and " accuracy " in line for line in out.splitlines())


def test_an_identical_run_passes(
    runs: tuple[RunFolder, RunFolder], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    code, out, _ = compare(capsys, runs[0].url, runs[0].url)
    assert code == 0 and "no regression" in out and "further figures are the same" in out
    again = run_here(write_suite(tmp_path, TEXT), tmp_path / "results")
    code, out, _ = compare(capsys, runs[0].url, again.url, "--margin", "0.5")
    assert code == 0, out


def test_speed_of_another_machine_class_is_not_compared(
    runs: tuple[RunFolder, RunFolder], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    elsewhere = tmp_path / runs[0].id
    shutil.copytree(runs[0].url, elsewhere)
    for path in elsewhere.glob("trials/serve-*/record.json"):
        record = json.loads(path.read_text())
        record["environment"]["machine"]["class"] = "othermac"
        path.write_text(json.dumps(record))
    code, out, _ = compare(capsys, str(elsewhere), runs[0].url)
    assert code == 0
    assert "note: speed is not compared: the baseline was served on machine class othermac" in out
    assert "latency" not in out.replace(out.splitlines()[1], "")


def test_a_published_report_is_no_baseline_and_is_never_rendered_again(
    runs: tuple[RunFolder, RunFolder], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    script = runpy.run_path(str(Path(__file__).parent.parent / "scripts" / "publish"))
    script["publish"].__globals__["PUBLISHED"] = tmp_path
    published = script["publish"](Path(runs[0].url), "tiny")
    before = {path.name: path.read_bytes() for path in published.iterdir()}
    name = str(published)
    for arguments in (
        ["compare", name, runs[0].url],
        ["compare", runs[0].url, name],
        ["report", name],
        ["recommend", name],
        ["export", name, "logistic/onnx", str(tmp_path / "export")],
    ):
        assert main(arguments) == 2
        said = f"{name} holds no trials (a published report?): run the suite again\n"
        assert capsys.readouterr() == ("", said)
    assert {path.name: path.read_bytes() for path in published.iterdir()} == before


def test_runs_without_a_common_figure_pass_no_gate(
    runs: tuple[RunFolder, RunFolder], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    begun = tmp_path / runs[0].id
    shutil.copytree(runs[0].url, begun)
    for folder in [*begun.glob("trials/score-*"), *begun.glob("trials/serve-*")]:
        shutil.rmtree(folder)
    for trial in begun.glob("trials/train-*/record.json"):
        record = json.loads(trial.read_text())
        trial.write_text(json.dumps({**record, "measurements": []}))
    code, out, err = compare(capsys, str(begun), runs[1].url)
    assert (code, out) == (2, "") and "have no measured figure in common" in err


def test_wrong_questions_are_the_users(
    runs: tuple[RunFolder, RunFolder], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert compare(capsys, runs[0].url, runs[1].url, "--margin", "2")[0] == 2
    code, _, err = compare(capsys, "nowhere", runs[1].url, "--out", str(tmp_path))
    assert code == 2 and "no run 'nowhere'" in err
