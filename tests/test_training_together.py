"""One candidate trained by two workers of Ray Train: the weights, curves and faults of one process."""

from __future__ import annotations

import csv
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch
from safetensors.torch import load_file

from harness.facts import TrainFacts
from harness.planning.estimate import TOGETHER_S, guess_seconds, work
from harness.planning.trials import plan_trials
from harness.progress import Silent
from harness.reading import read_suite
from harness.record import Record, SuiteError, Trial, TrialError
from harness.schedule import Kept, SchedulerSettings, run_trials
from harness.schedule.cluster import ClusterNode, resolve_gpus
from harness.store.runs import RunFolder, open_run
from harness.training.together.group import TrainingGroup
from harness.trial.trial import run_trial
from tests.runs_here import run_here

# Ray leaves the Popen objects of the daemons that it has ended to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

MODELS = '''
import os, signal, time
from pathlib import Path
import torch
from torch import nn


class Plain(nn.Module):
    """No batch normalisation, no dropout; one weight that is never used. Misbehaves in worker 1."""

    def __init__(self, task, fault, marker):
        super().__init__()
        head = nn.Linear(32, task.num_classes)
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.ReLU(), head)
        self.unused = nn.Linear(3, 3)
        self.fault, self.marker, self.seen = fault, marker, 0

    def forward(self, x):
        if self.fault and self.training and torch.distributed.is_initialized():
            self.seen += torch.distributed.get_rank() == 1
            if self.seen == (2 if self.fault == "kill" else 12):  # 12: in the second epoch
                self.misbehave()
        return self.layers(x)

    def misbehave(self):
        if self.fault == "raise":
            raise ValueError("the layer does not fit")
        if self.fault == "hang":
            Path(self.marker).write_text(str(os.getpid()))
            time.sleep(600)
        if self.fault == "kill" or not Path(self.marker).exists():
            Path(self.marker).touch()
            os.kill(os.getpid(), signal.SIGKILL)


def plain(task, *, fault: str = "", marker: str = "") -> nn.Module:
    return Plain(task, fault, marker)
'''

SUITE = """\
name: together
question: Do two workers train as one process does?
task: image_classification
data: {name: digits}
training:
  seeds: [0]
  epochs: 3
  batch_size: 129
  precision: fp32
  time_limit: 120
  resources: {workers: 2}
candidates:
  plain: {model: "mine:plain"}
  resnet: {model: resnet, args: {width: 8, depth: 10}}
serving: {runtimes: [torch], rounds: 1, scenarios: {single_stream: {seconds: 0.2}}}
machine: {usd_per_hour: 0.09}
decision: {constraints: ["accuracy >= 0.5"], objective: maximize accuracy}
"""


@pytest.fixture
def suite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HARNESS_LOCKS", str(tmp_path / "locks"))
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "mine", raising=False)
    (tmp_path / "mine.py").write_text(MODELS)
    path = tmp_path / "together.yaml"
    path.write_text(SUITE)
    return path


class Heard(Silent):
    def __init__(self) -> None:
        self.infos: list[Mapping[str, Any]] = []

    def went_on(self, trial: Trial, info: Mapping[str, Any]) -> None:
        self.infos.append(info)


def trained(
    path: Path, *overrides: str, heard: Heard | None = None, kept: Kept | None = None
) -> tuple[RunFolder, dict[str, Record]]:
    """The run, and each candidate's record, trained on Ray."""
    suite = read_suite(path, overrides)
    run = open_run(path.parent / "out", suite.name, "0123456789abcdef")
    trials = [trial for trial in plan_trials(suite) if trial.kind == "train"]
    settings = SchedulerSettings(paths=(str(path.parent),))
    records = run_trials(trials, run, heard or Silent(), settings, kept=kept)
    return run, {r.trial.candidate: r for r in records}


def history(run: RunFolder, record: Record) -> list[dict[str, float]]:
    with (run.trial_folder(record.trial.id) / "history.csv").open() as file:
        return [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]


def weights(run: RunFolder, record: Record) -> dict[str, torch.Tensor]:
    (path,) = (run.trial_folder(record.trial.id) / "fitted").glob("*.safetensors")
    return load_file(path)


def apart(one: list[dict[str, float]], two: list[dict[str, float]], column: str) -> float:
    """The largest difference of a column of two histories."""
    return max(abs(a[column] - b[column]) for a, b in zip(one, two, strict=True))


def test_two_workers_of_ray_train_learn_what_one_process_learns(suite: Path) -> None:
    """The last batch is uneven: 1,294 rows in batches of 129 or 128, shares of 65 and 64."""
    heard = Heard()
    run, two = trained(suite, heard=heard)
    alone = run_here(suite, suite.parent / "alone", "training.resources.workers=1", kinds="train")
    one = {r.trial.candidate: r for r in alone.records()}
    assert [r.failure for r in (*one.values(), *two.values())] == [None] * 4

    ours, theirs = weights(run, two["plain"]), weights(alone, one["plain"])
    assert ours.keys() == theirs.keys()
    assert max(float((ours[k] - theirs[k]).abs().max()) for k in ours) < 1e-5
    curves = history(run, two["plain"]), history(alone, one["plain"])
    for column in ("train_loss", "train_score", "validation_loss", "validation_score", "lr"):
        assert apart(*curves, column) < 1e-5, column

    # Batch normalisation by each worker's own share: near, and not the same.
    curves = history(run, two["resnet"]), history(alone, one["resnet"])
    assert 0 < apart(*curves, "train_loss") < 0.15

    assert two["plain"].facts_as(TrainFacts).mode == "fp32, 2 workers"
    assert two["plain"].trial.resources.cpus == 2
    assert two["plain"].environment["threads"]["used"] == 1
    # What a worker told last is looked at now and then: of short epochs some are told over.
    assert {info["epoch"] for info in heard.infos if "epoch" in info} & {1, 2, 3}
    assert two["plain"].trial.id != one["plain"].trial.id


@pytest.mark.slow
def test_a_worker_that_fails_hangs_or_dies_is_a_reason_or_a_retry_and_never_a_hang(suite: Path) -> None:
    marker = suite.parent / "killed"
    candidates = {
        "raises": "{fault: raise}",
        "hangs": f"{{fault: hang, marker: {suite.parent / 'hung'}}}, training: {{time_limit: 30}}",
        "dies": f"{{fault: kill, marker: {suite.parent / 'always'}}}",
        "dies_once": f"{{fault: die once, marker: {marker}}}",
        "well": "{}",
    }
    lines = "".join(f"  {n}: {{model: 'mine:plain', args: {a}}}\n" for n, a in candidates.items())
    before, _, rest = SUITE.partition("candidates:\n")
    suite.write_text(f"{before}candidates:\n{lines}serving:{rest.partition('serving:')[2]}")
    with Kept() as kept:
        run, records = trained(suite, kept=kept)
        hung = int((suite.parent / "hung").read_text())
        assert not psutil.pid_exists(hung), "the workers of a trial that timed out are ended with it"
    reasons = {name: r.failure.reason for name, r in records.items() if r.failure}
    assert reasons == {
        "raises": "ValueError: the layer does not fit",
        "hangs": "timed out after 30 s",
        "dies": "one of 2 workers died 3 times without a word (killed: out of memory?)",
    }
    failure = records["raises"].failure
    assert failure is not None and "mine.py" in failure.traceback, "the worker's own traceback is kept"
    assert records["hangs"].seconds < 45
    assert marker.exists() and records["dies_once"].facts_as(TrainFacts).resumed_after_epoch == 1
    ours, theirs = weights(run, records["dies_once"]), weights(run, records["well"])
    assert max(float((ours[k] - theirs[k]).abs().max()) for k in ours) < 1e-5, "as if it had never died"


def test_shares_cover_a_batch_in_its_order_and_differ_by_one_at_most() -> None:
    for size in (2, 3, 7):
        for n in range(size, 40):
            shares = [range(n)[TrainingGroup(rank, size).share(n)] for rank in range(size)]
            assert [row for share in shares for row in share] == list(range(n))
            assert max(map(len, shares)) - min(map(len, shares)) <= 1
    with pytest.raises(TrialError, match="a batch of 2 examples cannot be shared by 3 workers"):
        TrainingGroup(0, 3).share(2)


def planned(suite: Path, *overrides: str) -> Trial:
    return next(t for t in plan_trials(read_suite(suite, overrides)) if t.kind == "train")


def test_a_suite_that_is_silent_of_workers_keeps_its_ids_and_says_nothing_of_them(suite: Path) -> None:
    one, two = planned(suite, "training.resources.workers=1"), planned(suite)
    assert "resources" not in one.spec["training"] and one.workers == 1
    assert two.spec["training"]["resources"] == {"workers": 2} and two.workers == 2
    assert one.spec["code"] != two.spec["code"], "what shares batches is in the ids of those who share"
    written = read_suite(suite, ["training.resources.workers=1"]).model_dump(mode="json")
    assert "workers" not in written["training"]["resources"]


def test_workers_claim_what_each_of_them_needs_and_the_estimate_knows_them(suite: Path) -> None:
    overrides = ("training.resources.cpus=3", "training.resources.memory_mb=1000")
    two, one = planned(suite, *overrides), planned(suite, *overrides, "training.resources.workers=1")
    assert (two.resources.cpus, two.resources.memory_mb) == (6, 2000)
    assert (one.resources.cpus, one.resources.memory_mb) == (3, 1000)
    assert work(two) == work(one) / 2
    assert guess_seconds(two) - TOGETHER_S == pytest.approx((guess_seconds(one) - 3.0) / 2)
    scored = next(t for t in plan_trials(read_suite(suite, overrides)) if t.kind == "score")
    assert scored.resources.cpus == 3 and scored.workers == 1
    open_ = plan_trials(read_suite(suite), gpus=-1)[0]
    for gpus, taken in ((1.0, 0.0), (2.0, 2.0)):
        (settled,) = resolve_gpus([open_], [ClusterNode("a", "h", 4.0, gpus, 8000.0, True)])
        assert settled.resources.gpus == taken, "a GPU for each worker, or none"


@pytest.mark.parametrize(
    ("change", "line", "said"),
    [
        (
            "sk: 'sklearn:LogisticRegression'",
            11,
            "`sk` trains in one process: give it `training:",
        ),
        ("x: {model: small_cnn, training: {batch_size: 1}}", 11, "2 workers cannot share a batch of 1"),
        (
            "x: {model: small_cnn, training: {tuning: {space: {optimizer.lr: {uniform: [0.1, 0.2]}}}}}",
            11,
            "a search tries its settings in one process each",
        ),
        ("x: {model: small_cnn, training: {resources: {gpus: 0.5}}}", 13, "each trains on one GPU or none"),
    ],
)
def test_what_workers_cannot_obey_is_refused_with_its_line(
    suite: Path, change: str, line: int, said: str
) -> None:
    suite.write_text(SUITE.replace("candidates:\n", f"candidates:\n  {change}\n"))
    with pytest.raises(SuiteError) as wrong:
        read_suite(suite)
    assert any(said in text for text in wrong.value.args), wrong.value.args
    assert any(f"together.yaml:{line}:" in text for text in wrong.value.args), wrong.value.args


def test_a_recommender_is_refused_and_a_trial_of_workers_is_never_run_alone(
    suite: Path, tmp_path: Path
) -> None:
    run = open_run(tmp_path / "alone", "together", "0123456789abcdef")
    record = run_trial(planned(suite), run, lambda info: None)
    assert record.failure is not None and "2 workers train it together" in record.failure.reason
    recommender = tmp_path / "shop.yaml"
    recommender.write_text(
        "name: shop\ntask: recommendation\ndata: {name: shop}\ntraining: {resources: {workers: 2}}\n"
        "candidates: {p: {retrieval: {model: popularity}, ranking: {model: none}}}\n"
    )
    with pytest.raises(SuiteError, match="resources.workers: recommenders ignore it"):
        read_suite(recommender)
