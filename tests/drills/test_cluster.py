"""A simulated cluster on this host loses a node, or its head, in the middle of a run."""

from __future__ import annotations

import contextlib
import json
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
from breaking import SLOW_MODEL, wait_until_gone

from harness.progress import Silent, Watcher
from harness.record import HarnessError, Record, Resources, Trial
from harness.schedule import Kept, SchedulerSettings, run_trials
from harness.store.runs import open_run
from tests.fake_trials import chain
from tests.small_suites import harness, stamps, trials_of, write_suite

pytestmark = [pytest.mark.slow, pytest.mark.timeout(2400)]

NO_AUTH = {"RAY_AUTH_MODE": "disabled"}


class Simulated:
    """A Ray cluster of virtual nodes on this host: a head without CPUs, and nodes that serve."""

    def __init__(self, nodes: int) -> None:
        from ray.cluster_utils import Cluster

        head = {"num_cpus": 0, "include_dashboard": False, "object_store_memory": 80 * 2**20}
        self.cluster = Cluster(initialize_head=True, head_node_args=head, shutdown_at_exit=False)
        self.nodes = [self.add() for _ in range(nodes)]
        self.cluster.wait_for_nodes()

    @property
    def address(self) -> str:
        return str(self.cluster.address)

    def add(self) -> Any:
        return self.cluster.add_node(
            num_cpus=1, resources={"harness_node": 1}, object_store_memory=80 * 2**20
        )

    def lose(self, node: Any) -> None:
        self.nodes.remove(node)
        self.cluster.remove_node(node, allow_graceful=False)


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int], Simulated]]:
    for name, value in {**NO_AUTH, "RAY_memory_monitor_refresh_ms": "0"}.items():
        monkeypatch.setenv(name, value)
    begun: list[Simulated] = []

    def begin(nodes: int) -> Simulated:
        begun.append(Simulated(nodes))
        return begun[-1]

    yield begin
    for one in begun:
        one.cluster.shutdown()


def slow_suite(folder: Path) -> Path:
    (folder / "slow_models.py").write_text(SLOW_MODEL)
    return write_suite(
        folder,
        training=" {seeds: [0, 1, 2, 3, 4, 5], epochs: 10, batch_size: 256, precision: fp32}",
        candidates="\n  slow: slow_models:build\n  logistic: sklearn:LogisticRegression",
    )


def running_on(node: Any, folder: Path) -> dict[str, int]:
    """Trials that have just begun on a node → the process: its raylet's workers open scratch folders."""
    (raylet,) = node.all_processes["raylet"]
    workers = {child.pid for child in psutil.Process(raylet.process.pid).children(recursive=True)}
    found = {}
    for path in (folder / "results" / "tiny" / "latest" / ".scratch").glob("*"):
        kind, digits, *_, process, _ = path.name.split("-")
        with contextlib.suppress(FileNotFoundError):
            if int(process) in workers and time.time() - path.stat().st_mtime < 1.5:
                found[f"{kind}-{digits}"] = int(process)
    return found


def lose_a_busy_node(simulated: Simulated, folder: Path) -> dict[str, int]:
    """Lose the first node that a trial runs on; those trials and their processes."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        for node in simulated.nodes:
            if running := running_on(node, folder):
                simulated.lose(node)
                return running
        time.sleep(0.05)
    raise AssertionError("no node ran anything")


@pytest.mark.parametrize(
    ("moment", "phase"), [("start   train slow", "while training"), ("start   serve", "while serving")]
)
def test_a_cluster_that_loses_a_node_records_every_trial_once(
    tmp_path: Path,
    start: Callable[..., Any],
    cluster: Callable[[int], Simulated],
    note: Callable[..., None],
    moment: str,
    phase: str,
) -> None:
    simulated = cluster(3)
    suite = slow_suite(tmp_path)
    served = "serving.scenarios.single_stream"
    longer = ["--set", f"{served}.seconds=4", "--set", f"{served}.max_calls=1000000"]
    run = start(tmp_path, "run", suite, *longer, "--address", simulated.address, **NO_AUTH)
    run.wait_for(moment)
    lost = lose_a_busy_node(simulated, tmp_path)
    ended = run.end()
    assert ended.code == 0, ended.err
    records = trials_of(tmp_path)
    plan = json.loads((tmp_path / "results" / "tiny" / "latest" / "plan.json").read_text())
    assert set(records) == {trial["id"] for trial in plan["trials"]}
    assert all(record["status"] == "finished" for record in records.values())
    assert all(records[trial]["environment"]["process"] != process for trial, process in lost.items())
    done = [line for line in ended.err.splitlines() if "  done    " in line]
    assert len(done) == len(records), "each trial once"
    again = harness(tmp_path, "run", suite, *longer)
    assert again.code == 0 and "starting Ray" not in again.err
    note(
        f"a node of three is lost {phase}",
        "all finished trials",
        f"what ran on it ({len(lost)}), at once, on the other nodes",
        f"nothing: all {len(records)} trials finished, each once; exit code 0",
    )


def test_a_cluster_whose_head_dies_is_continued_on_a_new_one(
    tmp_path: Path, start: Callable[..., Any], cluster: Callable[[int], Simulated], note: Callable[..., None]
) -> None:
    first = cluster(2)
    suite = slow_suite(tmp_path)
    run = start(tmp_path, "run", suite, "--address", first.address, **NO_AUTH)
    run.wait_for("done    train slow")
    first.cluster.remove_node(first.cluster.head_node, allow_graceful=False)
    ended = run.end()
    assert ended.code != 0
    first.cluster.shutdown()
    wait_until_gone(tmp_path, 60)
    before = stamps(tmp_path)
    assert before
    second = cluster(2)
    again = harness(tmp_path, "run", suite, "--address", second.address, **NO_AUTH)
    assert again.code == 0, again.err
    after = stamps(tmp_path)
    assert before.items() <= after.items()
    last = [line for line in ended.err.splitlines() if line.strip()][-1]
    note(
        "the cluster's head dies",
        f"{len(before)} of {len(after)} trials",
        "the others, by the same command on a new cluster",
        f"`{last[:200]}`; exit code {ended.code}",
    )


class Struck(Silent):
    """Strikes a cluster once, when the first serve trial begins, and mends it when nodes are missed."""

    def __init__(self, strike: Callable[[], None], mend: Callable[[], None] = lambda: None) -> None:
        self.strike, self.mend, self.lines = strike, mend, list[str]()
        self.is_struck = False

    def said(self, text: str) -> None:
        self.lines.append(text)
        if text.startswith("waiting for a node"):
            self.mend()

    def began(self, trial: Trial) -> None:
        if trial.kind == "serve" and not self.is_struck:
            self.is_struck = True
            self.strike()


TESTS = (str(Path(__file__).parent.parent),)


def fake_run(
    folder: Path, simulated: Simulated, trials: Sequence[Trial], watcher: Watcher, patience_s: float = 120.0
) -> list[Record]:
    """Fake trials on a simulated cluster, in this process."""
    run = open_run(folder / "out", "fake", "0123456789abcdef")
    settings = SchedulerSettings(address=simulated.address, paths=TESTS, patience_s=patience_s)
    return run_trials(trials, run, watcher, settings, dispatch="tests.fake_trials:fake_dispatch")


@pytest.fixture
def fake_trials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Trial]:
    monkeypatch.setenv("HARNESS_LOCKS", str(tmp_path / "locks"))
    return [trial for name in ("one", "two") for trial in chain(name, sleep=2.0)]


def test_serving_nodes_without_gpus_serve_what_others_trained_on_gpus(
    tmp_path: Path, cluster: Callable[[int], Simulated], note: Callable[..., None], fake_trials: list[Trial]
) -> None:
    simulated = cluster(1)
    simulated.cluster.add_node(num_cpus=1, num_gpus=1, object_store_memory=80 * 2**20)
    trials = [replace(t, resources=Resources(gpus=-1.0)) if t.kind == "serve" else t for t in fake_trials]
    records = fake_run(tmp_path, simulated, trials, Silent())
    assert [r.status for r in records] == ["finished"] * 6
    assert {r.trial.resources.gpus for r in records if r.trial.kind == "serve"} == {0.0}
    note("nodes with GPUs train, nodes without serve", "all", "nothing", "nothing: 6 of 6 trials finished")


def test_serving_goes_on_on_nodes_that_come_for_those_that_are_lost(
    tmp_path: Path, cluster: Callable[[int], Simulated], note: Callable[..., None], fake_trials: list[Trial]
) -> None:
    simulated = cluster(1)

    def replace() -> None:
        threading.Timer(5, lambda: simulated.nodes.append(simulated.add())).start()

    watcher = Struck(lambda: simulated.lose(simulated.nodes[0]), replace)
    records = fake_run(tmp_path, simulated, fake_trials, watcher)
    assert watcher.is_struck and [r.status for r in records] == ["finished"] * 6
    line = next(line for line in watcher.lines if line.startswith("waiting for a node"))
    note(
        "all serving nodes are lost, and replaced",
        "what is finished",
        "what ran on them, on the new ones",
        f"`{line[:120]}`; all 6 trials finished",
    )


def test_a_run_whose_nodes_never_come_back_ends_and_says_so(
    tmp_path: Path, cluster: Callable[[int], Simulated], note: Callable[..., None], fake_trials: list[Trial]
) -> None:
    simulated = cluster(1)
    watcher = Struck(lambda: simulated.lose(simulated.nodes[0]))
    with pytest.raises(HarnessError, match="the same command continues") as caught:
        fake_run(tmp_path, simulated, fake_trials, watcher, patience_s=10.0)
    run = open_run(tmp_path / "out", "fake", "0123456789abcdef")
    kept = {r.trial.id for r in run.records() if r.status == "finished"}
    assert kept >= {t.id for t in fake_trials if t.kind != "serve"}
    simulated.nodes.append(simulated.add())
    records = fake_run(tmp_path, simulated, fake_trials, Silent())
    assert [r.status for r in records] == ["finished"] * 6
    note(
        "all serving nodes are lost for good",
        f"{len(kept)} of 6 trials",
        "the others, by the same command",
        f"`{caught.value}`; exit code 2",
    )


def test_serve_trials_that_come_later_are_checked_too(
    tmp_path: Path, cluster: Callable[[int], Simulated], fake_trials: list[Trial]
) -> None:
    """A duel after rounds that were cached: the first call had nothing to serve."""
    simulated = cluster(0)
    simulated.cluster.add_node(num_cpus=1, object_store_memory=80 * 2**20)
    with Kept() as kept:
        run = open_run(tmp_path / "out", "fake", "0123456789abcdef")
        settings = SchedulerSettings(address=simulated.address, paths=TESTS)
        again: dict[str, Any] = {"dispatch": "tests.fake_trials:fake_dispatch", "kept": kept}
        first = run_trials(fake_trials[:2], run, Silent(), settings, **again)
        assert [r.status for r in first] == ["finished"] * 2
        with pytest.raises(HarnessError, match="no node of the cluster offers harness_node"):
            run_trials(fake_trials[:3], run, Silent(), settings, **again)


def test_nodes_without_the_serving_resource_are_named(
    tmp_path: Path, cluster: Callable[[int], Simulated], note: Callable[..., None]
) -> None:
    simulated = cluster(0)
    simulated.cluster.add_node(num_cpus=1)
    ended = harness(tmp_path, "run", write_suite(tmp_path), "--address", simulated.address, **NO_AUTH)
    assert ended.code == 2
    line = next(line for line in ended.err.splitlines() if "harness_node" in line)
    assert "--resources=" in line
    note("no node offers harness_node", "what is finished", "nothing is started", f"`{line}`; exit code 2")


def test_a_gpu_that_is_gone_when_the_trial_starts(
    tmp_path: Path, cluster: Callable[[int], Simulated], note: Callable[..., None]
) -> None:
    """The node still offers a GPU to Ray; the driver, or the device, is no more."""
    simulated = cluster(0)
    simulated.cluster.add_node(
        num_cpus=1, num_gpus=1, resources={"harness_node": 1}, object_store_memory=80 * 2**20
    )
    suite = write_suite(tmp_path, candidates="\n  small: small_cnn\n  logistic: sklearn:LogisticRegression")
    ended = harness(
        tmp_path, "run", suite, "--address", simulated.address, CUDA_VISIBLE_DEVICES="", **NO_AUTH
    )
    assert ended.code == 1, ended.err
    records = trials_of(tmp_path).values()
    reason = next(
        r["failure"]["reason"]
        for r in records
        if r["trial"]["kind"] == "train" and r["trial"]["candidate"] == "small"
    )
    assert reason == "the GPU that it claims is gone or not usable by torch"
    others = [r for r in records if r["trial"]["candidate"] == "logistic"]
    assert all(r["status"] == "finished" for r in others)
    note(
        "a GPU is gone when its trial starts",
        f"all {len(others)} trials that need none",
        "by the next run",
        f"`{reason}` in its row; exit code 1",
    )


def test_the_users_own_module_reaches_the_nodes_of_a_cluster(
    tmp_path: Path, cluster: Callable[[int], Simulated]
) -> None:
    """The suite's folder is gone from sys.path on another host; its code comes with the job."""
    simulated = cluster(1)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    suite = slow_suite(elsewhere)
    shutil.copy(suite, elsewhere / "again.yaml")
    ended = harness(
        tmp_path,
        "run",
        suite,
        "--address",
        simulated.address,
        "--only",
        "slow",
        "--set",
        "training.seeds=[0]",
        **NO_AUTH,
    )
    assert ended.code == 0, ended.err
