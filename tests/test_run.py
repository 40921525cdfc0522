"""`run` as a user types it: plan, run what is missing, report, and say what went wrong."""

from __future__ import annotations

import contextlib
import io
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from harness import plan
from harness.reading import read_suite, read_suites
from harness.record import SuiteError, Trial
from harness.running.preflight import build, exported_for, never_trained, preflight
from harness.running.run import _begin, _interruptible
from harness.schedule import Kept, SchedulerSettings
from tests.analysis_world import make_suite
from tests.small_suites import SUITE, harness, stamps, trials_of, write_suite

BROKEN = """
import torch

def raises(task, *, width: int = 8):
    width = width + 1
    raise RuntimeError(f"cannot build with {width}")

def wrong_shape(task):
    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 3))

def works(task):
    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 10))
"""


class Interrupting(io.RawIOBase):
    """A terminal at which Ctrl-C is pressed in the middle of a write."""

    def writable(self) -> bool:
        return True

    def write(self, content: Any) -> int:
        signal.raise_signal(signal.SIGINT)
        return len(content)


def test_ctrl_c_in_the_middle_of_a_write_ends_the_run_in_order(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    stream = io.TextIOWrapper(io.BufferedWriter(Interrupting()), line_buffering=True)
    monkeypatch.setattr(sys, "stderr", stream)
    with pytest.raises(KeyboardInterrupt), _interruptible(Console(file=io.StringIO())):
        sys.stderr.write("progress\n")
    assert "stopping; what is finished is kept" in capfd.readouterr().err
    with contextlib.suppress(KeyboardInterrupt):
        stream.detach()


def test_ctrl_c_while_python_tidies_up_ends_the_run_all_the_same(capfd: pytest.CaptureFixture[str]) -> None:
    """Python drops what is raised in a finalizer: the run went on for 38 s and ended with 0."""

    class Gone:
        def __del__(self) -> None:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt), _interruptible(Console(file=io.StringIO())):
        Gone()
        time.sleep(5)
    assert capfd.readouterr().err == "\nstopping; what is finished is kept (again to stop at once)\n"


def test_a_suite_is_run_once_and_found_finished_afterwards(tmp_path: Path) -> None:
    suite = write_suite(tmp_path)
    first = harness(tmp_path, "run", suite, "--json")
    assert first.code == 0, first.err
    result = first.json
    assert result["finished"] == len(trials_of(tmp_path)) and result["failed"] == []
    assert result["recommendation"]["verdict"] in ("recommend", "tie", "not_enough_evidence")
    folder = Path(result["run"])
    present = {path.name for path in folder.iterdir()}
    assert {"suite.yaml", "plan.json", "environment.json", "records.parquet", "report.html"} <= present
    assert "starting Ray" in first.err and "done    serve logistic/onnx" in first.err
    before = stamps(tmp_path)

    start = time.monotonic()
    second = harness(tmp_path, "run", suite)
    assert second.code == 0
    assert time.monotonic() - start < 60  # about 3 s on a quiet machine
    assert "starting Ray" not in second.err and "nothing to run" in second.err
    assert stamps(tmp_path) == before

    other = harness(tmp_path, "run", suite, "--set", "decision.objective=minimize latency_p50_ms")
    assert other.code == 0 and "starting Ray" not in other.err, "another question, the same trials"
    assert len(list((tmp_path / "results" / "tiny").glob("2*"))) == 2


def test_a_run_that_stops_once_it_is_decided_measures_no_further_who_breaks_a_limit(tmp_path: Path) -> None:
    guesses = "\n  logistic: sklearn:LogisticRegression\n  guesses: sklearn:DummyClassifier"
    suite = write_suite(tmp_path, SUITE.replace("[torch, onnx]", "[torch]"), candidates=guesses)
    ended = harness(tmp_path, "run", suite, "--until-decided", "--json")
    assert ended.code == 0, ended.err
    assert ended.json["failed"] == [] and ended.json["recommendation"]["choice"] == "logistic/sklearn"
    done = [(r["trial"]["kind"], r["trial"]["candidate"]) for r in trials_of(tmp_path).values()]
    assert sorted(done) == [
        ("score", "logistic"),
        ("serve", "logistic"),
        ("train", "guesses"),
        ("train", "logistic"),
    ]


def test_candidates_that_do_not_build_are_the_users_mistakes_with_their_lines(tmp_path: Path) -> None:
    (tmp_path / "broken_models.py").write_text(BROKEN)
    path = write_suite(
        tmp_path,
        candidates="\n  one: broken_models:raises\n  two: {model: 'broken_models:wrong_shape'}\n"
        "  three: broken_models:works\n  four: sklearn:LogisticRegression",
    )
    suite = read_suite(path)
    missing = [
        Trial("train", name, {"model": candidate.model, "args": candidate.args}, seed=0)
        for name, candidate in suite.candidates.items()
    ]
    with pytest.raises(SuiteError) as error:
        preflight(suite, path, missing)
    first, second = error.value.mistakes
    assert first == f"{path}:7: one: RuntimeError: cannot build with 9 (broken_models.py:6)"
    assert second.startswith(f"{path}:8: two: broken_models:wrong_shape turns 2 examples into (2, 3)")
    preflight(suite, path, missing[2:])


def test_who_was_trained_once_is_not_built_again_for_further_seeds(tmp_path: Path) -> None:
    path = write_suite(
        tmp_path, candidates="\n  one: sklearn:LogisticRegression\n  two: sklearn:LogisticRegression"
    )
    whole = plan(read_suite(path, ["training.seeds=[0, 1]"]))
    one = [t.id for t in whole.trials if t.kind == "train" and t.candidate == "one"]
    assert len(one) == 2
    assert {t.candidate for t in never_trained(whole)} == {"one", "two"}
    begun = replace(whole, cached=frozenset(one[:1]))
    assert {t.candidate for t in begun.missing if t.kind == "train"} == {"one", "two"}
    assert {t.candidate for t in never_trained(begun)} == {"two"}


def test_ray_starts_while_candidates_are_built_and_only_where_trainings_surely_run(tmp_path: Path) -> None:
    path = write_suite(tmp_path)
    suite = read_suite(path)
    planned, done = plan(suite), list[str]()
    preflight(suite, path, planned.trials, lambda: done.append("meanwhile"))
    preflight(suite, path, [t for t in planned.trials if t.kind == "serve"], lambda: done.append("in vain"))
    assert done == ["meanwhile"]

    class Counted(Kept):
        begun = 0

        def begin(self, settings: SchedulerSettings, said: Callable[[str], object]) -> None:
            self.begun += 1

    def begins(stops: bool, *, cached: bool = False, address: str | None = None) -> int:
        kept, finished = Counted(), frozenset([planned.trials[0].id] if cached else [])
        _begin(kept, SchedulerSettings(address), replace(planned, cached=finished), stops, Console())
        return kept.begun

    assert begins(stops=True) == begins(stops=False) == begins(stops=False, cached=True) == 1
    assert begins(stops=True, cached=True) == 0, "until it is decided, what is finished may be enough"
    assert begins(stops=False, address="10.0.0.1:6379") == 0


SCRIPTED = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, task, how):
        super().__init__()
        body = nn.Sequential(nn.Flatten(), nn.Linear(64, task.num_classes))
        self.body = getattr(torch.jit, how)(body) if how == "script" else body
        if how == "trace":
            self.body = torch.jit.trace(body, torch.zeros(2, 1, 8, 8))

    def forward(self, x):
        return self.body(x)

def build(task, *, how: str = "plain"):
    return Net(task, how)

def whole(task):
    return torch.jit.script(nn.Sequential(nn.Flatten(), nn.Linear(64, task.num_classes)))
"""


def test_a_network_of_torch_jit_is_told_before_it_is_trained_that_no_export_can_read_it(
    tmp_path: Path,
) -> None:
    (tmp_path / "scripted.py").write_text(SCRIPTED)
    wanted = {
        how: {"model": "scripted:build", "args": {"how": how}, "seed": 0, "runtimes": ["onnx", "onnx-int8"]}
        for how in ("script", "trace", "plain")
    }
    wanted["whole"] = {**wanted["plain"], "model": "scripted:whole", "args": {}}
    data = {"name": "digits", "args": {}}
    wrong = build({"data": data, "folder": str(tmp_path), "candidates": wanted})  # type: ignore[typeddict-item]
    assert wrong.keys() == {"script", "whole"}, "what was traced can be exported"
    assert wrong["script"].startswith(
        "its part `body` is compiled by torch.jit.script, which torch.export cannot read, so onnx and "
        "onnx-int8 could not serve it: build the plain nn.Module"
    )
    assert wrong["whole"].startswith("it is compiled by torch.jit.script")
    served_as_it_is = {"script": {**wanted["script"], "runtimes": []}}
    assert not build({"data": data, "folder": str(tmp_path), "candidates": served_as_it_is})  # type: ignore[typeddict-item]


def test_a_network_is_exported_for_no_runtime_of_another_candidate() -> None:
    suite = make_suite(["net"], ["torch", "onnx", "sklearn", "onnx-int8@2"])
    training = next(t for t in plan(suite).trials if t.kind == "train")
    assert exported_for(suite, training) == ["onnx", "onnx-int8@2"]


@pytest.mark.parametrize("path", sorted(Path("suites").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_candidate_of_a_shipped_suite_builds(path: Path) -> None:
    needs = {"ann_index": "hnswlib", "trees_vs_nets_boosters": "xgboost"}.get(path.stem)
    if needs and not find_spec(needs):
        pytest.skip(f"needs {needs}")
    for suite in read_suites(path).values():
        preflight(suite, path, plan(suite).trials)


def test_an_estimator_with_wrong_arguments_does_not_build() -> None:
    candidate = {"model": "sklearn:LogisticRegression", "args": {"wrong": 1}, "seed": 0}
    request = {"data": {"name": "digits", "args": {}}, "folder": "", "candidates": {"logistic": candidate}}
    assert "has no argument wrong" in build(request)["logistic"]


def test_a_broken_suite_writes_nothing(tmp_path: Path) -> None:
    (tmp_path / "broken_models.py").write_text(BROKEN)
    suite = write_suite(tmp_path, candidates="\n  one: broken_models:raises")
    ended = harness(tmp_path, "run", suite)
    assert ended.code == 2
    assert "tiny.yaml:7: one: RuntimeError: cannot build with 9" in ended.err
    assert "Traceback" not in ended.err
    assert not (tmp_path / "results").exists()


def test_a_budget_that_is_spent_starts_nothing_and_says_so(tmp_path: Path) -> None:
    ended = harness(tmp_path, "run", write_suite(tmp_path), "--set", "budget=0.001", "--json")
    assert ended.code == 1
    assert {f["reason"] for f in ended.json["failed"]} == {"not run: budget of 0.001 s spent"}
    assert "NOT RUN  train " in ended.err and ": budget of 0.001 s spent" in ended.err
    assert "FAILED" not in ended.err
    assert "tried again by the next run" in ended.err
