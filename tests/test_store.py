"""Run folders: nothing finished is lost, nothing half-written counts."""

from __future__ import annotations

import json
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.record import Failure, HarnessError, Measurement, Record, Trial, record_to_json
from harness.store.disk import locked
from harness.store.files import LocalFiles, persistent
from harness.store.runs import RunFolder, check_name, find_cached, find_run, list_runs, open_run, take_over

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
HASH = "0123456789abcdef"


def a_trial(number: int = 0) -> Trial:
    return Trial(kind="train", candidate="cnn", spec={"number": number})


def a_record(number: int = 0, status: str = "finished", value: float = 0.9) -> Record:
    failure = Failure("out of memory") if status == "failed" else None
    return Record(a_trial(number), status, (Measurement("accuracy", value),), failure=failure)  # type: ignore[arg-type]


def commit(run: RunFolder, record: Record, text: str = "epoch,loss\n") -> None:
    scratch = run.scratch(record.trial.id)
    (scratch / "fitted").mkdir()
    (scratch / "fitted" / "model.json").write_text("{}")
    (scratch / "history.csv").write_text(text)
    run.commit(record, scratch)


def test_a_committed_record_comes_back_as_it_was(tmp_path: Path) -> None:
    run = open_run(tmp_path, "shop", HASH)
    commit(run, a_record())
    assert run.record(a_trial().id) == a_record()
    assert run.records() == [a_record()]
    assert (run.trial_folder(a_trial().id) / "fitted" / "model.json").read_text() == "{}"
    assert not list((Path(run.url) / ".scratch").iterdir())


def test_the_same_plan_gets_the_same_folder_and_another_plan_a_new_one(tmp_path: Path) -> None:
    first = open_run(tmp_path, "shop", HASH, NOW)
    again = open_run(tmp_path, "shop", HASH, NOW.replace(year=2027))
    other = open_run(tmp_path, "shop", "f" * 16, NOW.replace(year=2027))
    assert first.id == again.id == "20260102-030405-01234567"
    assert other.id == "20270102-030405-ffffffff"
    assert (tmp_path / "shop" / "latest").resolve().name == other.id
    assert [run.id for run in list_runs(tmp_path)] == [first.id, other.id]


DEEP = "[" * 100_000 + "]" * 100_000


@pytest.mark.parametrize(
    "content",
    [
        *("", "{", '{"trial": 3}', "[]", '{"format": 99}', "\x00\x01", '{"format": "1"}', '{"format": null}'),
        *('{"trial": "text"}', '{"trial": ["ab"]}', DEEP, f'{{"trial": {DEEP}}}', '{"a": NaN}', "9" * 5000),
    ],
)
def test_a_damaged_record_counts_as_missing_and_is_said(
    tmp_path: Path, content: str, caplog: pytest.LogCaptureFixture
) -> None:
    run = open_run(tmp_path, "shop", HASH)
    commit(run, a_record())
    (run.trial_folder(a_trial().id) / "record.json").write_text(content)
    assert run.record(a_trial().id) is None
    assert "counts as missing" in caplog.text
    commit(run, a_record())
    assert run.record(a_trial().id) == a_record()


def test_every_truncation_of_a_record_counts_as_missing(tmp_path: Path) -> None:
    run = open_run(tmp_path, "shop", HASH)
    commit(run, a_record())
    path = run.trial_folder(a_trial().id) / "record.json"
    whole = path.read_bytes()
    for length in range(0, len(whole), 37):
        path.write_bytes(whole[:length])
        assert run.record(a_trial().id) is None


def test_a_record_under_the_wrong_specification_is_damaged(tmp_path: Path) -> None:
    run = open_run(tmp_path, "shop", HASH)
    commit(run, a_record())
    path = run.trial_folder(a_trial().id) / "record.json"
    data = json.loads(path.read_text())
    data["trial"]["spec"]["number"] = 7
    path.write_text(json.dumps(data))
    assert run.record(a_trial().id) is None


def test_a_finished_record_is_never_replaced_and_a_failed_one_is(tmp_path: Path) -> None:
    run = open_run(tmp_path, "shop", HASH)
    commit(run, a_record(status="failed"), "failed attempt\n")
    commit(run, a_record(value=0.8), "good\n")
    commit(run, a_record(status="failed"))
    commit(run, a_record(value=0.1))
    kept = run.record(a_trial().id)
    assert kept is not None and kept.value("accuracy") == 0.8
    assert (run.trial_folder(a_trial().id) / "history.csv").read_text() == "good\n"


DAMAGES = [
    (("trial", "spec", "number"), float("nan")),
    (("trial", "spec", "number"), float("inf")),
    (("trial", "spec"), ["number"]),
    (("trial", "kind"), "dance"),
    (("trial", "candidate"), 3),
    (("trial", "needs"), [3]),
    (("trial", "resources"), "many"),
    (("status",), "won"),
    (("seconds",), "long"),
    (("facts",), []),
    (("environment",), "x"),
    (("failure",), {"reason": 3}),
    (("failure",), "x"),
    (("measurements",), {"a": 1}),
    (("measurements",), [[]]),
    (("measurements", 0, "value"), "0.9"),
    (("measurements", 0, "value"), True),
    (("measurements", 0, "samples"), "0.9"),
    (("measurements", 0, "samples"), 3),
    (("measurements", 0, "at"), 3),
    (("measurements", 0, "metric"), None),
]


@pytest.mark.parametrize(("where", "value"), DAMAGES)
def test_a_record_with_a_wrong_part_is_damaged_and_the_others_are_read(
    tmp_path: Path, where: tuple[Any, ...], value: object
) -> None:
    run = open_run(tmp_path, "shop", HASH)
    commit(run, a_record())
    commit(run, a_record(1))
    path = run.trial_folder(a_trial().id) / "record.json"
    data = json.loads(path.read_text())
    inner = data
    for key in where[:-1]:
        inner = inner[key]
    inner[where[-1]] = value
    path.write_text(json.dumps(data))
    assert run.records() == [a_record(1)]


def test_a_record_in_the_folder_of_another_trial_is_damaged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run = open_run(tmp_path, "shop", HASH)
    commit(run, a_record())
    run.trial_folder(a_trial().id).rename(run.trial_folder(a_trial(1).id))
    assert run.records() == []
    assert f"trials/{a_trial(1).id}: record is damaged: it is that of {a_trial().id}" in caplog.text


def test_numbers_of_numpy_come_back_as_numbers(tmp_path: Path) -> None:
    run = open_run(tmp_path, "shop", HASH)
    commit(run, a_record(value=np.float32(0.5)))
    assert run.record(a_trial().id) == a_record(value=0.5)


def test_files_without_a_record_do_not_count(tmp_path: Path) -> None:
    run = open_run(tmp_path, "shop", HASH)
    folder = Path(run.url) / "trials" / a_trial().id
    folder.mkdir(parents=True)
    (folder / "predictions.parquet").write_text("half")
    assert run.records() == []
    commit(run, a_record())
    assert not (folder / "predictions.parquet").exists()


def test_finished_trials_of_sibling_runs_are_reused_and_failed_ones_are_not(tmp_path: Path) -> None:
    old = open_run(tmp_path, "shop", HASH, NOW)
    commit(old, a_record(0))
    commit(old, a_record(1, status="failed"))
    new = open_run(tmp_path, "shop", "f" * 16, NOW.replace(year=2027))
    cached = find_cached(tmp_path, "shop", [a_trial(n).id for n in range(3)])
    assert cached == {a_trial(0).id: old}
    assert take_over(new, cached) == 1
    assert new.records() == [a_record(0)]
    inode = (new.trial_folder(a_trial(0).id) / "history.csv").stat().st_ino
    assert inode == (old.trial_folder(a_trial(0).id) / "history.csv").stat().st_ino


def test_what_another_suite_has_finished_counts_and_the_suites_own_run_comes_first(tmp_path: Path) -> None:
    own = open_run(tmp_path, "shop", HASH, NOW)
    commit(own, a_record(0))
    other = open_run(tmp_path, "runtimes", HASH, NOW.replace(year=2027))
    commit(other, a_record(0))
    commit(other, a_record(1))
    cached = find_cached(tmp_path, "shop", [a_trial(n).id for n in range(3)])
    assert cached == {a_trial(0).id: own, a_trial(1).id: other}
    assert take_over(own, cached) == 1 and own.has_finished(a_trial(1).id)


def test_find_run_understands_paths_ids_and_latest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    old = open_run("results", "shop", HASH, NOW)
    new = open_run("results", "shop", "f" * 16, NOW.replace(year=2027))
    for run in (old, new):
        run.write_text("suite.yaml", "name: shop")
    assert find_run("latest").id == find_run("shop/latest").id == find_run("shop").id == new.id
    assert (
        find_run(f"results/shop/{old.id}").id
        == find_run(old.id).id
        == find_run(f"shop/{old.id}").id
        == old.id
    )
    assert find_run("results/shop/latest").id == new.id
    assert find_run(str(tmp_path / "results" / "shop" / old.id)).suite_name == "shop"
    with pytest.raises(HarnessError, match=r"no run 'shop/lates': did you mean 'shop/latest'\?"):
        find_run("shop/lates")


def test_a_path_with_spaces_and_accents_works(tmp_path: Path) -> None:
    run = open_run(tmp_path / "mes résultats d'été", "shop", HASH)
    commit(run, a_record())
    assert run.records() == [a_record()]


@pytest.mark.parametrize("name", ["../x", "/etc", "a/b", "..", ".", "", ".hidden", "a\\b", "x" * 129, "a\0b"])
def test_a_name_that_could_leave_the_folder_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(HarnessError, match="cannot name a folder"):
        check_name(name)
    with pytest.raises(HarnessError):
        open_run(tmp_path, name, HASH)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "a//b", "", "a/../../b"])
def test_a_file_name_that_leaves_the_run_folder_is_refused(tmp_path: Path, name: str) -> None:
    run = open_run(tmp_path, "shop", HASH)
    with pytest.raises(HarnessError, match="not a file name inside"):
        run.write_text(name, "x")
    with pytest.raises(HarnessError, match="not a trial id"):
        run.trial_folder("../../etc")


def test_a_full_disk_is_an_error_with_its_cure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    run = open_run(tmp_path, "shop", HASH)
    commit(run, a_record(1))
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(
        HarnessError, match="the disk is full: free some space or choose another folder with --out"
    ):
        commit(run, a_record(0))
    monkeypatch.undo()
    assert run.records() == [a_record(1)]


def test_a_read_only_place_is_an_error_with_its_cure(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(HarnessError, match="--out"):
        open_run(tmp_path / "file", "shop", HASH)


def test_a_second_run_of_the_same_plan_is_refused_while_the_first_goes_on(tmp_path: Path) -> None:
    run = open_run(tmp_path, "shop", HASH)
    message = f"being run already .process {os.getpid()} on .*watch shop/"
    with run.in_use(), pytest.raises(HarnessError, match=message), RunFolder(run.url).in_use():
        pass
    with run.in_use():
        pass


def test_leftovers_of_killed_processes_are_swept(tmp_path: Path) -> None:
    run = open_run(tmp_path, "shop", HASH)
    (run.scratch(a_trial().id) / "half.bin").write_text("x")
    (Path(run.url) / "trials").mkdir()
    (Path(run.url) / "trials" / ".old-1").mkdir()
    commit(run, a_record(1))
    run.sweep()
    assert run.records() == [a_record(1)]
    assert not list((Path(run.url) / ".scratch").iterdir())
    assert sorted(p.name for p in (Path(run.url) / "trials").iterdir()) == [a_trial(1).id]


def killed(run: RunFolder, record: Record, text: str = "weights") -> Path:
    """What a process leaves that was killed between writing its record and publishing it."""
    scratch = run.scratch(record.trial.id)
    (scratch / "model.bin").write_text(text)
    (scratch / "record.json").write_text(json.dumps(record_to_json(record)))
    return scratch


def test_what_a_killed_process_finished_is_published_and_what_it_failed_is_not(tmp_path: Path) -> None:
    run = open_run(tmp_path, "shop", HASH)
    killed(run, a_record())
    killed(run, a_record(1, status="failed"))
    half = killed(run, a_record(2))
    (half / "record.json").write_bytes((half / "record.json").read_bytes()[:99])
    killed(run, a_record(3)).rename(run.scratch(a_trial(4).id))
    run.sweep()
    assert run.records() == [a_record()]
    assert (run.trial_folder(a_trial().id) / "model.bin").read_text() == "weights"
    assert not list((Path(run.url) / ".scratch").iterdir())


def test_what_a_killed_process_finished_is_not_run_again_by_a_worker(tmp_path: Path) -> None:
    from harness.schedule.worker import Orders, _settled

    run = open_run(tmp_path, "shop", HASH)
    orders = Orders(run, {}, "session")
    assert _settled(a_trial(), orders) is None
    killed(run, a_record())
    assert _settled(a_trial(), orders) == a_record() == run.record(a_trial().id)


def test_what_a_living_process_works_on_is_left_alone(tmp_path: Path) -> None:
    run = open_run(tmp_path, "shop", HASH)
    scratch = killed(run, a_record())
    other = scratch.with_name(scratch.name.replace(f"-{os.getpid()}-", f"-{os.getppid()}-"))
    scratch.rename(other)
    assert run.rescue(a_trial().id) is None
    assert other.exists()


def test_taking_over_leaves_what_is_finished_here(tmp_path: Path) -> None:
    old = open_run(tmp_path, "shop", HASH, NOW)
    new = open_run(tmp_path, "shop", "f" * 16, NOW.replace(year=2027))
    commit(old, a_record(value=0.1))
    commit(new, a_record(value=0.8))
    assert take_over(new, {a_trial().id: old}) == 0
    assert new.records() == [a_record(value=0.8)]


def test_two_first_starts_at_once_share_a_folder(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        starts = [pool.submit(open_run, tmp_path, "shop", HASH, NOW.replace(second=n)) for n in range(8)]
    assert len({start.result().id for start in starts}) == 1
    assert len(list_runs(tmp_path)) == 1


def test_who_looks_whether_a_run_goes_on_does_not_keep_it_from_starting(tmp_path: Path) -> None:
    run = open_run(tmp_path, "shop", HASH)
    assert run.is_being_run() is False
    with run.in_use():
        assert run.is_being_run() is True
    looking = threading.Event()

    def look() -> None:
        while not looking.is_set():
            run.is_being_run()

    onlooker = threading.Thread(target=look)
    onlooker.start()
    try:
        for _ in range(50):
            with run.in_use():
                pass
    finally:
        looking.set()
        onlooker.join()


def test_a_finished_trial_drops_its_checkpoint_and_a_failed_one_keeps_it(tmp_path: Path) -> None:
    run = open_run(tmp_path, "shop", HASH)
    checkpoint = run.checkpoint_folder(a_trial().id) / "last.safetensors"
    checkpoint.write_text("x")
    commit(run, a_record(status="failed"))
    assert checkpoint.exists()
    commit(run, a_record())
    assert not checkpoint.exists()


def test_an_object_store_is_asked_again_before_its_error_counts() -> None:
    calls: list[int] = []

    def flaky() -> str:
        calls.append(1)
        if len(calls) < 3:
            raise OSError("slow down")
        return "ok"

    def dead() -> str:
        raise TimeoutError("no answer")

    assert persistent(flaky, "s3://bucket", pause_s=0) == "ok"
    with pytest.raises(HarnessError, match=r"s3://bucket failed 4 times.*run again when it answers"):
        persistent(dead, "s3://bucket", pause_s=0)


def test_runs_live_on_any_fsspec_url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`memory://` is the smallest object store; moto's S3 is in the drills."""
    monkeypatch.setenv("HARNESS_DATA", str(tmp_path / "cache"))
    out = f"memory://bucket-{os.getpid()}/results"
    run = open_run(out, "shop", HASH, NOW)
    commit(run, a_record(0, status="failed"))
    commit(run, a_record(0))
    assert run.record(a_trial(1).id) is None
    assert run.records() == [a_record(0)]
    assert (run.trial_folder(a_trial().id) / "fitted" / "model.json").read_text() == "{}"
    assert open_run(out, "shop", HASH).id == run.id
    assert find_run("latest", out).id == find_run(f"{out}/shop/latest").id == run.id
    other = open_run(out, "shop", "f" * 16, NOW.replace(year=2027))
    assert take_over(other, find_cached(out, "shop", [a_trial().id])) == 1
    assert other.records() == [a_record(0)]
    assert (
        replace(other, url=other.url).read_bytes("trials/" + a_trial().id + "/history.csv") == b"epoch,loss\n"
    )


def test_a_lock_is_free_again_when_its_holder_dies(tmp_path: Path) -> None:
    child = os.fork()
    if child == 0:
        with locked(tmp_path / "lock"):
            os._exit(9)
    os.waitpid(child, 0)
    with locked(tmp_path / "lock", wait=False):
        assert LocalFiles(str(tmp_path)).exists("lock")


def test_where_there_are_no_runs_the_cure_is_to_run_one(tmp_path: Path) -> None:
    with pytest.raises(HarnessError, match="there are none in .*; `python -m harness run SUITE` makes one"):
        find_run("latest", tmp_path)


def test_a_file_in_a_runs_place_is_told_what_it_is(tmp_path: Path) -> None:
    (tmp_path / "bench.csv").write_text("model,top1 (%),p99 (ms)\nresnet,76.1,15.2\n")
    (tmp_path / "shop.yaml").write_text("# mine\nname: shop\n")
    for name, said in (
        ("bench.csv", "is a file and no run: .* by `expect`"),
        ("shop.yaml", "its name, `shop`"),
    ):
        with pytest.raises(HarnessError, match=said):
            find_run(str(tmp_path / name), tmp_path)
