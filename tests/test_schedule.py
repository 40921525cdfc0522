"""Phases on Ray: every trial gets exactly one record, and what is recorded starts nothing."""

from __future__ import annotations

import contextlib
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
from ray.tune.error import TuneError
from ray.tune.execution.tune_controller import TuneController

from harness.progress import Silent
from harness.record import HarnessError, Record, Resources, Status, Trial
from harness.schedule import Kept, SchedulerSettings, run_trials, sweep
from harness.schedule.cluster import (
    NODE,
    ClusterNode,
    _check_fit,
    measured_class,
    resolve_gpus,
    serving_nodes,
)
from harness.schedule.following import AHEAD, AHEAD_OF_ALL, Following, plan_following
from harness.schedule.lost import NodesLostError, Waiting, head_watched
from harness.schedule.worker import Orders
from harness.store.runs import RunFolder, open_run
from harness.trial.isolation import host_to_itself
from harness.trial.trial import run_trial
from harness.trial.waits import counting_waits, covered_s, note_wait, waited_s
from tests.fake_trials import chain, fake_dispatch

# Ray leaves the Popen objects of the daemons that it has ended to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

HERE = (str(Path(__file__).parent),)
OURS = SchedulerSettings(paths=HERE)
FAKE = "tests.fake_trials:fake_dispatch"


class Witness(Silent):
    def __init__(self) -> None:
        self.events: list[tuple[str, str]] = []
        self.infos: list[Mapping[str, Any]] = []

    def said(self, text: str) -> None:
        self.events.append(("said", text))

    def began(self, trial: Trial) -> None:
        self.events.append(("began", trial.id))

    def went_on(self, trial: Trial, info: Mapping[str, Any]) -> None:
        self.infos.append(info)

    def ended(self, trial: Trial, status: Status, reason: str = "", seconds: float | None = None) -> None:
        self.events.append((status, trial.id))


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunFolder:
    monkeypatch.setenv("HARNESS_LOCKS", str(tmp_path / "locks"))
    return open_run(tmp_path / "out", "shop", "0123456789abcdef")


def node(**changes: Any) -> ClusterNode:
    return ClusterNode(
        **{"id": "a", "host": "h", "cpus": 4.0, "gpus": 0.0, "memory_mb": 8000.0, "serves": True} | changes
    )


def test_every_trial_of_every_phase_gets_one_record_with_its_reason(run: RunFolder, tmp_path: Path) -> None:
    log = str(tmp_path / "log")
    good, other = chain("good", log=log), chain("other", log=log)
    bad, slow = chain("bad", "raise", log=log), chain("slow", "hang", limit_s=1.0, log=log)
    trials = [trial for kind in zip(good, other, bad, slow, strict=True) for trial in kind]
    witness = Witness()
    records = run_trials(trials, run, witness, OURS, dispatch=FAKE)
    assert {r.trial.id for r in records} == {t.id for t in trials}
    reasons = {(r.trial.candidate, r.trial.kind): r.failure.reason for r in records if r.failure}
    assert reasons == {
        ("bad", "train"): "ValueError: the layer does not fit",
        ("bad", "score"): "not run: its training failed (ValueError: the layer does not fit)",
        ("bad", "serve"): "not run: its training failed (ValueError: the layer does not fit)",
        ("slow", "train"): "timed out after 1 s",
        ("slow", "score"): "not run: its training failed (timed out after 1 s)",
        ("slow", "serve"): "not run: its training failed (timed out after 1 s)",
    }
    ended = [trial_id for status, trial_id in witness.events if status in ("finished", "failed")]
    assert sorted(ended) == sorted(t.id for t in trials)
    assert {"epoch": 1, "epochs": 2, "score": 0.5} in witness.infos
    order = [line.split()[0].split("-")[0] for line in Path(log).read_text().splitlines()]
    assert order == sorted(order, key=lambda kind: kind == "serve"), "nothing runs beside what is timed"

    again = Witness()
    start = time.monotonic()
    assert run_trials([*good, *other], run, again, OURS, dispatch=FAKE)
    assert time.monotonic() - start < 2 and again.events == [], "what is finished starts nothing"


def test_what_was_trained_is_scored_while_others_train_unless_it_is_not_wanted_any_more(
    run: RunFolder, tmp_path: Path
) -> None:
    log = str(tmp_path / "log")
    quick, poor = chain("quick", log=log), chain("poor", log=log)
    slow = chain("slow", log=log, sleep=6.0)
    trials = [slow[0], quick[0], poor[0], quick[1], poor[1], slow[1], quick[2], poor[2]]
    settings = replace(OURS, session="s")
    lock = threading.RLock()  # as a run holds one, which cannot be pickled

    def wanted(trial: Trial) -> bool:
        with lock:
            assert all(map(run.has_finished, trial.needs)), "asked when what it needs is there"
        return trial.kind == "train" or trial.candidate != "poor"

    records = run_trials(trials, run, Witness(), settings, dispatch=FAKE, wanted=wanted)
    found = {(r.trial.candidate, r.trial.kind): r.status for r in records}
    assert ("poor", "train") in found and len(found) == 6 and set(found.values()) == {"finished"}
    times = {
        (line.split()[0], line.split()[2] == "end"): float(line.split()[1])
        for line in Path(log).read_text().splitlines()
    }
    assert times[quick[1].id, False] < times[slow[0].id, True] < times[quick[2].id, False]


def test_scores_of_trainings_of_an_earlier_session_are_asked_for_like_others(
    run: RunFolder, tmp_path: Path
) -> None:
    trained = [chain(name)[0] for name in ("good", "poor")]
    run_trials(trained, run, Witness(), OURS, dispatch=FAKE)
    scores = [chain(name)[1] for name in ("good", "poor")]
    run.commit(Record(scores[1], "failed"), run.scratch(scores[1].id))  # once, and is not wanted now
    records = run_trials(
        [*trained, *scores],
        run,
        Witness(),
        OURS,
        dispatch=FAKE,
        wanted=lambda trial: trial.candidate == "good",
    )
    assert [(r.trial.candidate, r.trial.kind) for r in records if r.trial.kind == "score"] == [
        ("good", "score")
    ]


def test_no_ray_is_started_where_nobody_wants_what_is_missing(
    run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that had decided started one each time it was asked again, only to find nothing to run."""
    trained, score, served = chain("good")
    run.commit(Record(trained, "finished"), run.scratch(trained.id))
    begun = list[str]()
    monkeypatch.setattr(Kept, "begin", lambda *given: begun.append("Ray"))
    found = run_trials(
        [trained, score, served], run, Witness(), OURS, dispatch=FAKE, wanted=lambda t: t.kind != "score"
    )
    assert [r.trial.id for r in found] == [trained.id] and not begun


def test_trials_are_handed_out_after_what_they_need_and_all_that_rests_on_a_failure_is_kept_back(
    run: RunFolder,
) -> None:
    good, bad, poor = (chain(name)[:2] for name in ("good", "bad", "poor"))
    heir = Trial("score", "poor", {"of": poor[1].id}, "onnx", needs=(poor[0].id, poor[1].id))
    trials = [good[0], bad[0], poor[0], good[1], bad[1], poor[1], heir]
    following = Following(trials, run, lambda trial: trial.kind == "train" or trial.candidate != "poor")
    handed = [following.suggest(str(n)) for n in range(4)]
    assert handed == [{"id": good[0].id}, {"id": bad[0].id}, {"id": poor[0].id}, None]
    for number, trial in enumerate((good[0], bad[0], poor[0])):
        status: Status = "failed" if trial.candidate == "bad" else "finished"
        run.commit(Record(trial, status), run.scratch(trial.id))
        following.on_trial_complete(str(number))
    assert following.suggest("4") == {"id": good[1].id}
    assert following.suggest("5") == "FINISHED"
    assert following.dropped == {poor[1].id, heir.id}, "who is not wanted, and who rests on it"


def test_scores_of_one_candidate_do_not_begin_side_by_side(run: RunFolder) -> None:
    """Two seeds' exports of one network took 8 s side by side; the second takes the first one's graph."""
    scores = [
        Trial("score", name, {"of": name, "on": runtime, "n": n}, runtime)
        for name in ("cnn", "vit")
        for runtime in ("onnx", "onnx-int8")
        for n in (0, 1)
    ]
    following = Following([chain("good")[0], *scores], run, None)
    handed = [following.suggest(str(n))["id"] for n in range(9)]
    labels = {trial.id: (trial.candidate, trial.runtime, trial.spec["n"]) for trial in scores}
    assert handed[0] == chain("good")[0].id
    assert [labels[i] for i in handed[1:5]] == [
        ("cnn", "onnx", 0), ("vit", "onnx", 0), ("cnn", "onnx", 1), ("vit", "onnx", 1)
    ]  # fmt: skip
    assert not following.waiting


def test_what_is_not_wanted_yet_is_asked_for_again_and_left_when_nothing_else_runs(run: RunFolder) -> None:
    first, filler, last = (chain(name)[0] for name in ("good", "poor", "bad"))
    room: list[bool | None] = [None]
    following = Following([first, filler, last], run, lambda t: room[-1] if t is filler else True)
    assert [following.suggest(str(n)) for n in range(3)] == [{"id": first.id}, {"id": last.id}, None]
    following.on_trial_complete("0")
    assert following.suggest("2") is None, "the last one may make room for it"
    room.append(True)
    assert following.suggest("2") == {"id": filler.id}
    left = Following([first, filler], run, lambda t: None if t is filler else True)
    assert left.suggest("0") == {"id": first.id} and left.suggest("1") is None
    left.on_trial_complete("0")
    assert left.suggest("1") == "FINISHED" and left.dropped == {filler.id}


def test_a_sweep_that_a_memory_kill_ends_with_a_plain_error_is_told_as_ended(
    run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ray's memory monitor makes `Tuner.fit` raise a RuntimeError that is neither RayError nor TuneError."""

    def killed(self: object) -> None:
        raise RuntimeError("The Ray Tune run failed.\nTask was killed due to the node running low on memory.")

    monkeypatch.setattr(sweep.tune.Tuner, "fit", killed)
    trials = {t.id: t for t in chain("good")[:1]}
    search = plan_following(Following(list(trials.values()), run, None), 1)
    deaths, cause = sweep._fit(
        "train", Orders(run, trials, ""), sweep._Sink(Silent(), trials), OURS, [node()], search
    )
    assert deaths == {} and cause == "Task was killed due to the node running low on memory."


def test_what_our_own_code_raises_that_ray_calls_is_no_end_of_ray(run: RunFolder) -> None:
    """Who is asked whether a trial is wanted, and who is told how it ended: Tune wraps what that one raises.
    Each was tried three times, and all trials were "not run: Ray ended the sweep"."""

    def wanted(trial: Trial) -> bool:
        raise RuntimeError("the figures contradict each other")

    class Broken(Silent):
        def ended(self, trial: Trial, status: Status, reason: str = "", seconds: float | None = None) -> None:
            raise ValueError("no such line")

    good, other = chain("good")[:2], chain("other")[:1]
    with Kept() as kept:
        with pytest.raises(RuntimeError, match="^the figures contradict each other$"):
            run_trials(good, run, Silent(), OURS, dispatch=FAKE, wanted=wanted, kept=kept)
        with pytest.raises(ValueError, match="^no such line$"):
            run_trials(other, run, Broken(), OURS, dispatch=FAKE, kept=kept)
    assert {r.status for r in run.records()} == {"finished"}


def test_an_error_that_ray_raises_itself_is_an_end_of_ray() -> None:
    with pytest.raises(TuneError) as told:
        sweep.tune.Tuner(None)
    assert sweep.raised_by_us(told.value) is None


def test_the_budget_stops_new_trials_and_says_so(run: RunFolder) -> None:
    trials = chain("good")
    records = run_trials(
        trials,
        run,
        Witness(),
        SchedulerSettings(paths=HERE, budget_s=600, started=time.time() - 601),
        dispatch=FAKE,
    )
    assert [r.failure.reason for r in records if r.failure] == ["not run: budget of 10 min spent"] * 3


def test_a_spent_budget_keeps_why_trials_failed_before(run: RunFolder) -> None:
    train, score, serve = chain("good", "raise")
    run_trial(train, run, lambda info: None, dispatch=fake_dispatch)
    before = run.record(train.id)
    spent, witness = SchedulerSettings(paths=HERE, budget_s=600, started=time.time() - 601), Witness()
    reasons = {
        r.trial.kind: r.failure.reason
        for r in run_trials((train, score, serve), run, witness, spent)
        if r.failure
    }
    assert run.record(train.id) == before and before is not None and before.failure is not None
    assert "line" in before.failure.traceback
    assert reasons == {
        "train": "ValueError: the layer does not fit",
        "score": "not run: budget of 10 min spent",
        "serve": "not run: budget of 10 min spent",
    }
    assert [status for status, _ in witness.events] == ["failed"] * 3


@pytest.mark.parametrize("account", ["", "a run"])
def test_a_wait_for_the_host_is_not_counted_against_the_budget_of_a_run_with_an_account(
    account: str, run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ray import tune

    from harness.schedule.worker import Orders, work

    trial, reports = chain("good")[0], list[Mapping[str, Any]]()
    monkeypatch.setattr(tune, "report", reports.append)
    server = hold("serve", 60)
    assert line_of(server) == "held"
    orders = Orders(run, {trial.id: trial}, "s", time.time() + 1.5, HERE, FAKE, account)
    killer = threading.Timer(2.0, server.kill)
    killer.start()
    with counting_waits("a run"):
        work({"id": trial.id}, orders)
        assert 1 < waited_s("a run") < 30 if account else waited_s("a run") == 0
    killer.join()
    waits, *_, last = reports
    assert waits == {"info": {"waiting": "for another run on this host"}}
    assert last["status"] == ("finished" if account else "unspent")
    assert (run.record(trial.id) is not None) == bool(account)
    assert waited_s("a run") == 0, "nothing is left behind"


def test_waits_put_off_the_end_of_a_budget_and_those_at_the_same_time_count_once() -> None:
    assert covered_s([(0, 10), (5, 12), (6, 7), (20, 21)]) == 13
    settings = SchedulerSettings(budget_s=60, started=time.time() - 70, account="another run")
    with counting_waits("another run"):
        assert -11 < settings.left_s <= -10
        note_wait("another run", 100.0, 130.0)
        note_wait("another run", 110.0, 125.0)
        assert 19 < settings.left_s <= 20
    assert SchedulerSettings().left_s == float("inf")


def test_importing_the_scheduler_imports_neither_ray_nor_torch() -> None:
    code = "import sys, harness.schedule; sys.exit(bool({'ray', 'torch'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_trial_that_fits_no_node_is_refused_before_the_start() -> None:
    big = Trial("train", "huge", {"n": 1}, resources=Resources(cpus=64))
    with pytest.raises(HarnessError, match=r"train huge claims 64 CPUs.*has 4, .*lower training\.resources"):
        _check_fit([node()], [big], None)
    with pytest.raises(HarnessError, match=rf"no node of the cluster offers {NODE}.*--resources='"):
        _check_fit([node(serves=False)], [chain("cnn")[2]], None)
    with pytest.raises(HarnessError, match="no node is of machine class feed, .*: there is abc"):
        _check_fit([node(machine_class="abc")], [chain("cnn")[2]], "feed")


def test_all_serve_trials_go_to_one_machine_class() -> None:
    nodes = [
        node(id="1", machine_class="a"),
        node(id="2", machine_class="b"),
        node(id="3", machine_class="b"),
    ]
    assert [n.id for n in serving_nodes(nodes, None)] == ["2", "3"]
    assert [n.id for n in serving_nodes(nodes, "a")] == ["1"]
    assert serving_nodes([node(serves=False)], None) == ()


def test_one_gpu_is_claimed_only_where_there_is_one() -> None:
    trial = Trial("train", "cnn", {"n": 1}, resources=Resources(gpus=-1))
    assert resolve_gpus([trial], [node()])[0].resources.gpus == 0
    assert resolve_gpus([trial], [node(), node(gpus=2.0)])[0].resources.gpus == 1
    assert resolve_gpus([trial], [node()])[0].id == trial.id


def test_nodes_that_train_on_gpus_do_not_make_nodes_without_them_serve_on_one() -> None:
    nodes = [node(id="cpu"), node(id="gpu", gpus=1.0, serves=False)]
    train, serve = (Trial(kind, "cnn", {"n": 1}, resources=Resources(gpus=-1)) for kind in ("train", "serve"))
    assert [t.resources.gpus for t in resolve_gpus([train, serve], nodes)] == [1, 0]
    served = resolve_gpus([serve], [node(gpus=1.0)])
    assert served[0].resources.gpus == 1
    with pytest.raises(HarnessError, match=r"serve cnn claims 1 GPUs; the largest node that serves has 0"):
        _check_fit(nodes, served, None)


def test_speeds_go_on_on_the_class_that_they_were_begun_on() -> None:
    trial = chain("cnn")[2]
    records = [
        Record(replace(trial, spec={"n": n}), "finished", environment={"machine": {"class": name}})
        for n, name in enumerate(("old", "old", "new"))
    ]
    assert measured_class(records) == "old"
    assert measured_class([replace(r, status="failed") for r in records]) is None


def test_what_waits_for_lost_nodes_is_noticed_and_what_is_only_queued_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("harness.schedule.lost.LOOK_S", 0.0)
    for fits, is_running in ((True, False), (False, True)):
        waiting = Waiting(lambda ids, fits=fits: fits)
        for _ in range(5):
            waiting.look(["a"], is_running)
    waiting = Waiting(lambda ids: False)
    waiting.look(["a"], False)
    waiting.look([], False)
    waiting.look(["a"], False)
    with pytest.raises(NodesLostError):
        waiting.look(["a"], False)


def test_a_head_that_is_gone_ends_the_run_and_one_that_answers_again_does_not() -> None:
    ended: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as head:
        address = f"127.0.0.1:{head.getsockname()[1]}"
        with head_watched(address, silent_s=0.3, every_s=0.05, end=ended.append):
            time.sleep(0.6)
            assert ended == []
    with head_watched(address, silent_s=0.3, every_s=0.05, end=ended.append):
        time.sleep(0.8)
    assert ended == [address]


@pytest.mark.parametrize(
    ("text", "lasted_s", "reason"),
    [
        ("The actor died unexpectedly", 1, "worker died 3 times without a word (killed: out of memory?)"),
        ("The actor died unexpectedly", 61, "timed out after 60 s"),
        (
            "Task was killed due to the node running low on memory. OutOfMemoryError",
            1,
            "killed: out of memory",
        ),
        ("The actor died because its node has died.", 1, "worker died: its node was lost"),
        ("", 1, "worker failed: no reason given"),
    ],
)
def test_a_death_without_a_record_is_explained(text: str, lasted_s: float, reason: str) -> None:
    from harness.schedule.sweep import death_reason

    assert death_reason(text, chain("cnn")[0], lasted_s) == reason


def test_a_worker_that_could_not_write_ends_the_run_with_the_cure() -> None:
    from harness.schedule.sweep import death_reason

    text = "ray::work()\nharness.record.HarnessError: cannot write /x: the disk is full: free some space"
    with pytest.raises(HarnessError, match="^cannot write /x: the disk is full: free some space$"):
        death_reason(text, chain("cnn")[0], 1)


HOLD = """
import sys, time
from harness.trial.isolation import host_to_itself
with host_to_itself(sys.argv[1], lambda: print("waiting", flush=True)):
    print("held", flush=True)
    time.sleep(float(sys.argv[2]))
"""


def hold(kind: str, seconds: float) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", HOLD, kind, str(seconds)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    HELD.append(process)
    return process


HELD: list[subprocess.Popen[str]] = []


@pytest.fixture(autouse=True)
def _no_holder_stays() -> Iterator[None]:
    yield
    while HELD:
        with HELD.pop() as process:
            process.kill()


def line_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_serving_waits_for_training_of_another_run_and_training_for_serving(run: RunFolder) -> None:
    trainer, second = hold("train", 60), hold("train", 60)
    assert line_of(trainer) == line_of(second) == "held", "training shares the host"
    server = hold("serve", 60)
    assert line_of(server) == "waiting"
    late = hold("train", 0)
    assert line_of(late) == "waiting", "a stream of training must not starve serving"
    for process in (trainer, second):
        process.kill()
        process.wait()
    assert line_of(server) == "held", "killed holders free the lock"
    server.kill()
    assert line_of(late) == "held"
    late.wait(timeout=30)
    with host_to_itself("serve"):
        pass


def test_a_trial_can_be_run_without_ray(run: RunFolder) -> None:
    record = run_trial(chain("cnn")[0], run, lambda info: None, dispatch=fake_dispatch)
    assert record.status == "finished"


class SlowRay:
    """Stands for ray: its first starts take too long."""

    def __init__(self, error: Exception, times: int) -> None:
        self.error, self.times, self.inits = error, times, 0

    def init(self, **options: Any) -> None:
        self.inits += 1
        if self.inits <= self.times:
            raise self.error

    def shutdown(self) -> None: ...


def test_a_start_that_a_busy_machine_delays_is_tried_once_more() -> None:
    from harness.schedule.cluster import _connect

    late = Exception("The current node timed out during startup.")
    patient = SlowRay(late, 1)
    _connect(patient, {}, OURS)
    assert patient.inits == 2
    with pytest.raises(HarnessError, match="Ray on this machine does not answer: .*free some memory and CPU"):
        _connect(SlowRay(late, 2), {}, OURS)
    with pytest.raises(HarnessError, match="Ray on 10.0.0.1:6379 does not answer: .*is the cluster up"):
        _connect(SlowRay(ConnectionError("refused"), 9), {}, SchedulerSettings(address="10.0.0.1:6379"))


def test_a_start_without_room_for_temporary_files_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ray says that a file did not come in time, and the cure was memory and CPU."""
    from harness.schedule import cluster

    late = RuntimeError("Timed out waiting for file gcs_server_port")
    room = shutil.disk_usage("/")._replace(free=0)
    monkeypatch.setattr(cluster.shutil, "disk_usage", lambda folder: room)
    with pytest.raises(HarnessError, match="the disk of .* is full: free some space there, or set TMPDIR"):
        cluster._connect(SlowRay(late, 1), {}, OURS)


def test_ray_starts_without_watchers_and_a_sweep_asks_no_trial_after_its_end(
    run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page's server, a scaler, a reader of logs, MLflow imported for a count of callbacks, each trial asked
    after its end: 4 s before the first trial of a run, and a round trip between any two."""
    for name in ("mlflow", "ray.air.integrations.mlflow"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    asked: list[str] = []
    train = TuneController._schedule_trial_train

    def counted(controller: TuneController, trial: Any) -> None:
        asked.append(trial.config["id"])
        train(controller, trial)

    monkeypatch.setattr(TuneController, "_schedule_trial_train", counted)
    trials = [chain(name)[0] for name in ("a", "b", "c")]
    with Kept() as kept:
        kept.begin(OURS, str)
        for process in psutil.Process().children(recursive=True):
            with contextlib.suppress(psutil.Error):  # it has just ended
                line = " ".join(process.cmdline())
                assert not re.search("dashboard.py|log_monitor.py|autoscaler", line), line
        records = run_trials(trials, run, Silent(), OURS, dispatch=FAKE, kept=kept)
    assert all(record.status == "finished" for record in records)
    assert Counter(asked) == {trial.id: 2 for trial in trials}, "for its progress, and for its end"
    assert "mlflow" not in sys.modules


def test_more_is_handed_to_tune_where_claims_differ(run: RunFolder) -> None:
    alike = [chain(f"cnn{n}")[0] for n in range(400)]
    mixed = [*alike[:-1], replace(alike[-1], resources=Resources(gpus=1.0))]
    for trials, cpus, most in (
        (alike, 2, 2 + AHEAD), (mixed, 2, 2 + AHEAD_OF_ALL), (alike, 300, 600), (mixed, 300, 600),
    ):  # fmt: skip
        proposer: Any = plan_following(Following(trials, run, None), cpus).proposer
        assert proposer.max_concurrent == most
