"""The places run folders live in: what is there is whole, and stays while it counts."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from harness.record import HarnessError, Measurement, Record, Trial
from harness.store import files
from harness.store.disk import locked, private_folder, sync_tree
from harness.store.files import COMMIT_LOCK, holds_password, open_files
from harness.store.runs import RunFolder, open_run

HASH = "0123456789abcdef"
TRIAL = Trial(kind="train", candidate="cnn", spec={"number": 0})
FOLDER = f"trials/{TRIAL.id}"


class Frail(MemoryFileSystem):
    """An object store that cuts downloads short, and fails uploads until a moment."""

    protocol = "frail"
    store: ClassVar[dict[str, Any]] = {}
    pseudo_dirs: ClassVar[list[str]] = [""]
    cuts: ClassVar[int] = 0
    asked: ClassVar[int] = 0
    down_until: ClassVar[float] = 0.0

    def get_file(self, path: str, target: Any, **more: Any) -> None:
        super().get_file(path, target, **more)
        if path.endswith("model.json") and Frail.cuts:
            Frail.cuts -= 1
            os.truncate(target, 3)

    def put_file(self, source: str, target: str, **more: Any) -> None:
        Frail.asked += 1
        if time.monotonic() < Frail.down_until:
            raise TimeoutError("no answer")
        super().put_file(source, target, **more)


@pytest.fixture
def remote(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RunFolder]:
    """A run in a frail store; pauses pass at once, on a clock of their own."""
    fsspec.register_implementation("frail", Frail, clobber=True)
    monkeypatch.setenv("HARNESS_DATA", str(tmp_path / "cache"))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    now = [1000.0]
    monkeypatch.setattr(files.time, "sleep", lambda seconds: now.__setitem__(0, now[0] + seconds))
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    yield open_run("frail://bucket/results", "shop", HASH)
    Frail.cuts, Frail.down_until, Frail.asked = 0, 0.0, 0
    Frail.store.clear()


@pytest.fixture
def local(tmp_path: Path) -> RunFolder:
    return open_run(tmp_path / "out", "shop", HASH)


def a_record(status: str = "finished", value: float = 0.9) -> Record:
    return Record(TRIAL, status, (Measurement("accuracy", value),))  # type: ignore[arg-type]


def worked(run: RunFolder, text: str = "{}", *more: str) -> Path:
    """A scratch folder with what a trial made."""
    scratch = run.scratch(TRIAL.id)
    (scratch / "fitted").mkdir()
    for name in ("fitted/model.json", *more):
        (scratch / name).write_text(text)
    return scratch


def test_a_download_that_is_cut_short_is_tried_again(remote: RunFolder) -> None:
    remote.commit(a_record(), worked(remote, '{"whole": 1}'))
    Frail.cuts = 2
    folder = remote.trial_folder(TRIAL.id)
    assert (folder / "fitted" / "model.json").read_text() == '{"whole": 1}'
    assert Frail.cuts == 0


def test_a_download_that_stays_short_is_an_error_and_is_not_kept(remote: RunFolder) -> None:
    remote.commit(a_record(), worked(remote, '{"whole": 1}'))
    Frail.cuts = 4
    with pytest.raises(HarnessError, match=r"failed 4 times, last with OSError: 3 of the 12 bytes of"):
        remote.trial_folder(TRIAL.id)
    assert (remote.trial_folder(TRIAL.id) / "fitted" / "model.json").read_text() == '{"whole": 1}'


def test_a_download_that_was_cut_off_where_one_was_complete_before_is_made_again(remote: RunFolder) -> None:
    remote.commit(a_record(), worked(remote, '{"whole": 1}'))
    folder = remote.trial_folder(TRIAL.id)
    (folder / "fitted" / "model.json").unlink()
    (folder / "fitted").rmdir()
    (folder / "record.json").unlink()
    folder.rmdir()
    Frail.cuts = 4
    with pytest.raises(HarnessError):
        remote.trial_folder(TRIAL.id)
    assert (remote.trial_folder(TRIAL.id) / "fitted" / "model.json").read_text() == '{"whole": 1}'


@pytest.mark.parametrize("name", ["../../../escaped.txt", "a/../../b", "/etc/passwd"])
def test_an_object_whose_name_leaves_the_folder_is_refused(
    remote: RunFolder, name: str, tmp_path: Path
) -> None:
    remote.commit(a_record(), worked(remote))
    Frail().pipe_file(f"bucket/results/shop/{remote.id}/{FOLDER}/{name}", b"x")
    with pytest.raises(HarnessError, match=r"is not a file name inside a run folder"):
        remote.trial_folder(TRIAL.id)
    assert not list(tmp_path.rglob("escaped.txt"))


def test_only_the_files_of_the_last_publication_remain(remote: RunFolder) -> None:
    """The first upload broke off before its record."""
    base = f"bucket/results/shop/{remote.id}/{FOLDER}"
    Frail().pipe_file(f"{base}/half.bin", b"half")
    remote.commit(a_record("failed"), worked(remote, "{}", "failed.txt"))
    remote.commit(a_record(), worked(remote))
    assert sorted(p.rsplit(FOLDER, 1)[1] for p in Frail().find(base)) == [
        "/fitted/model.json",
        "/record.json",
    ]


def test_a_finished_record_waits_two_minutes_for_the_store_and_a_failed_one_does_not(
    remote: RunFolder,
) -> None:
    Frail.down_until = time.monotonic() + 110
    scratch = worked(remote)
    with pytest.raises(HarnessError, match="failed 4 times"):
        remote.commit(a_record("failed"), scratch)
    remote.commit(a_record(), scratch)
    assert remote.record(TRIAL.id) == a_record()


def test_what_could_not_be_published_is_published_later_instead_of_made_again(remote: RunFolder) -> None:
    Frail.down_until = time.monotonic() + 3600
    with pytest.raises(HarnessError, match="failed 10 times"):
        remote.commit(a_record(), worked(remote, "weights"))
    assert remote.record(TRIAL.id) is None
    Frail.down_until = 0.0
    assert remote.rescue(TRIAL.id) == a_record()
    assert remote.record(TRIAL.id) == a_record()
    assert (remote.trial_folder(TRIAL.id) / "fitted" / "model.json").read_text() == "weights"
    assert remote.rescue(TRIAL.id) is None and remote.attempts() == []


def test_a_finished_record_that_comes_while_a_failed_one_is_uploaded_stays(remote: RunFolder) -> None:
    remote.commit(a_record("failed"), worked(remote))
    finished = open_files(remote.url).publish

    def late() -> bool:
        remote.commit(a_record(), worked(remote))
        return remote.has_finished(TRIAL.id)

    finished(worked(remote), FOLDER, late)
    assert remote.record(TRIAL.id) == a_record()


def test_a_finished_record_that_comes_between_the_look_and_the_rename_stays(local: RunFolder) -> None:
    failing, good = worked(local, "late"), worked(local, "good")
    with locked(Path(local.url) / COMMIT_LOCK):
        late = threading.Thread(target=local.commit, args=(a_record("failed"), failing))
        late.start()
        late.join(0.3)
        assert late.is_alive(), "it looked, and waits"
        (good / "record.json").write_bytes(
            (failing / "record.json").read_bytes().replace(b"failed", b"finished")
        )
        (Path(local.url) / "trials").mkdir(exist_ok=True)
        good.rename(Path(local.url) / FOLDER)
    late.join()
    assert local.record(TRIAL.id) == a_record()
    assert (local.trial_folder(TRIAL.id) / "fitted" / "model.json").read_text() == "good"
    assert local.attempts() == []


def test_every_file_and_folder_is_on_the_disk_before_it_is_published(
    local: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: set[int] = set()
    real, rename = os.fsync, Path.rename
    missing: list[str] = []

    def fsync(handle: int) -> None:
        synced.add(os.fstat(handle).st_ino)
        real(handle)

    def watched(self: Path, target: Path) -> Path:
        if self.parent.name == ".scratch":
            missing.extend(str(p) for p in [self, *self.rglob("*")] if p.stat().st_ino not in synced)
            synced.clear()
        return rename(self, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(Path, "rename", watched)
    local.commit(a_record(), worked(local))
    assert missing == []
    trials = Path(local.url) / "trials"
    assert trials.stat().st_ino in synced, "the folder that the name is in, after the rename"


def test_the_record_is_written_after_its_files_are_on_the_disk(
    local: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a power loss a record in a scratch folder is trusted (`rescue`)."""
    scratch = worked(local)
    said: list[bool] = []
    monkeypatch.setattr(
        "harness.store.run_folder.sync_tree",
        lambda p: (said.append((p / "record.json").exists()), sync_tree(p)),
    )
    local.commit(a_record(), scratch)
    assert said == [False]


def test_a_lock_is_free_again_although_a_forked_child_lives_on(tmp_path: Path) -> None:
    with locked(tmp_path / "lock"):
        child = os.fork()
        if child == 0:
            time.sleep(60)
            os._exit(0)
    try:
        with locked(tmp_path / "lock", wait=False):
            pass
    finally:
        os.kill(child, 9)
        os.waitpid(child, 0)


@pytest.mark.parametrize(
    ("url", "holds"),
    [
        ("s3://user:secret@host/b", True),
        ("http://user:pass/word@host:5000", True),
        ("http://u:p@ss@host", True),
        ("redis://:secret@host", True),
        ("s3://bucket/results", False),
        ("abfs://container@account.dfs.core.windows.net/x", False),
        ("http://host:5000/team@home", False),
        ("sftp://user@host:22/a@b", False),
    ],
)
def test_a_password_in_a_url_is_seen(url: str, holds: bool) -> None:
    assert holds_password(url) is holds
    if holds:
        with pytest.raises(HarnessError, match="holds a password"):
            open_files(url)


def test_a_node_keeps_what_it_works_on_to_its_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    assert private_folder().stat().st_mode & 0o777 == 0o700
    assert private_folder() == tmp_path / f"harness-{os.getuid()}"
    private_folder().chmod(0o777)
    with pytest.raises(HarnessError, match=r"is not a folder of yours alone: set TMPDIR"):
        private_folder()
