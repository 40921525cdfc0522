"""One run with every kind of faulty candidate beside a good one: each gets its own reason."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.small_suites import Ended, harness, stamps, trials_of, write_suite

pytestmark = [pytest.mark.slow, pytest.mark.timeout(2400)]

FAULTS = ("raise", "nan", "segfault", "hang", "hang in C", "eat", "exit", "package", "kill", "kill once")


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Ended]:
    folder = tmp_path_factory.mktemp("faulty")
    shutil.copy(Path(__file__).parent / "faulty_models.py", folder)
    lines = ["", "  good: sklearn:LogisticRegression"]
    for fault in FAULTS:
        args = f"{{fault: {fault}, marker: {folder}/killed}}"
        lines.append(f"  {fault.replace(' ', '_')}: {{model: 'faulty_models:build', args: {args}}}")
    claim = "resources: {memory_mb: 1500}"
    training = f" {{seeds: [0], epochs: 12, batch_size: 256, time_limit: 60, precision: fp32, {claim}}}"
    suite = write_suite(folder, candidates="\n".join(lines), training=training)
    ended = harness(folder, "run", suite, "--set", "serving.runtimes=[torch]", "--json", timeout_s=2000)
    return folder, ended


def training_of(folder: Path, name: str) -> dict[str, Any]:
    return next(
        r
        for r in trials_of(folder).values()
        if r["trial"]["kind"] == "train" and r["trial"]["candidate"] == name
    )


@pytest.mark.parametrize(
    ("fault", "said", "retried"),
    [
        ("raise", "RuntimeError: the third layer does not fit", "by the next run"),
        ("nan", "nan", "by the next run"),
        ("segfault", "worker died (segmentation fault)", "by the next run"),
        ("hang", "timed out after 60 s", "by the next run"),
        ("hang_in_C", "timed out after 60 s", "by the next run"),
        ("eat", "out of memory", "by the next run"),
        ("exit", "SystemExit: 3", "by the next run"),
        ("package", "No module named 'a_package_that_is_not_here'", "by the next run"),
        (
            "kill",
            "worker died 3 times without a word (killed: out of memory?)",
            "twice at once, then by the next run",
        ),
    ],
)
def test_a_faulty_candidate_is_a_row_with_its_reason(
    faulty: tuple[Path, Ended], note: Callable[..., None], fault: str, said: str, retried: str
) -> None:
    folder, ended = faulty
    assert ended.code == 1, ended.err
    record = training_of(folder, fault)
    assert record["status"] == "failed"
    reason = record["failure"]["reason"]
    assert said.lower() in reason.lower()
    blocked = [r for r in trials_of(folder).values() if r["trial"]["candidate"] == fault and r is not record]
    kinds = sorted(r["trial"]["kind"] for r in blocked if r["trial"]["kind"] != "train")
    assert kinds == ["score", "serve"]
    for other in blocked:
        if other["trial"]["kind"] != "train":
            assert other["failure"]["reason"] == f"not run: its training failed ({reason})"
    names = {
        "raise": "a candidate raises",
        "nan": "its loss becomes NaN",
        "segfault": "a candidate crashes in C",
        "hang": "a candidate hangs",
        "hang_in_C": "a candidate hangs and holds the interpreter's lock",
        "eat": "a candidate eats memory without end",
        "exit": "a candidate calls sys.exit",
        "package": "a package is missing on the worker",
        "kill": "a trial's process gets SIGKILL each time",
    }
    note(names[fault], "all other trials", retried, f"`{reason}` in its row; exit code 1")


def test_a_process_killed_once_is_started_again_and_goes_on(
    faulty: tuple[Path, Ended], note: Callable[..., None]
) -> None:
    folder, _ = faulty
    assert (folder / "killed").exists()
    record = training_of(folder, "kill_once")
    assert record["status"] == "finished", record["failure"]
    note(
        "a trial's process gets SIGKILL once",
        "its checkpoint of the last epoch",
        "at once",
        "nothing: the trial is finished",
    )


def test_the_good_candidate_has_its_result(faulty: tuple[Path, Ended]) -> None:
    folder, ended = faulty
    good = [r for r in trials_of(folder).values() if r["trial"]["candidate"] == "good"]
    assert [r["status"] for r in good] == ["finished"] * 3
    assert ended.json["recommendation"]["choice"] in ("good/sklearn", "kill_once/torch")
    assert len(stamps(folder)) == 6


@pytest.fixture(scope="module")
def faulty_when_served(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Ended]:
    folder = tmp_path_factory.mktemp("served")
    shutil.copy(Path(__file__).parent / "faulty_models.py", folder)
    lines = ["", "  good: sklearn:LogisticRegression"]
    for fault in ("hang", "eat"):
        lines.append(f"  {fault}: {{model: 'faulty_models:build', args: {{fault: {fault} when served}}}}")
    training = " {seeds: [0], epochs: 2, batch_size: 256, precision: fp32, resources: {memory_mb: 1500}}"
    suite = write_suite(folder, candidates="\n".join(lines), training=training)
    limits = ["--set", "serving.runtimes=[torch]", "--set", "serving.time_limit=40"]
    return folder, harness(folder, "run", suite, *limits, "--json", timeout_s=600)


@pytest.mark.parametrize(("fault", "said"), [("hang", "timed out after 40 s"), ("eat", "memory")])
def test_a_candidate_that_is_faulty_when_it_is_served_is_a_row_with_its_reason(
    faulty_when_served: tuple[Path, Ended], note: Callable[..., None], fault: str, said: str
) -> None:
    folder, ended = faulty_when_served
    assert ended.code == 1, ended.err
    own = {r["trial"]["kind"]: r for r in trials_of(folder).values() if r["trial"]["candidate"] == fault}
    assert [own[kind]["status"] for kind in ("train", "score", "serve")] == ["finished", "finished", "failed"]
    reason = own["serve"]["failure"]["reason"]
    assert said in reason
    assert ended.json["recommendation"]["choice"] == "good/sklearn"
    what = {"hang": "hangs", "eat": "eats memory without end"}[fault]
    row = (f"a candidate {what} when it is served", "all other trials", "by the next run")
    note(*row, f"`{reason}` in its row; exit code 1")


def test_a_gpu_that_no_node_has_is_said_before_the_start(tmp_path: Path, note: Callable[..., None]) -> None:
    suite = write_suite(tmp_path, candidates="\n  small: small_cnn")
    ended = harness(tmp_path, "run", suite, "--set", "training.resources.gpus=1")
    assert ended.code == 2
    line = next(line for line in ended.err.splitlines() if "claims" in line)
    assert "lower training.resources or join a larger cluster" in line
    note("the GPU is gone", "what is finished", "nothing is started", f"`{line}`; exit code 2")
