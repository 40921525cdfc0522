"""Disks that are full, read-only or another's: a command says what to do, and leaves no half."""

from __future__ import annotations

import errno
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from harness.analysis.predictions import predictions_of
from harness.cli.errors import BROKEN, explain
from harness.cli.main import main
from harness.export import folder as exporting
from harness.init.command import Wishes, init
from harness.record import HarnessError, RecordError
from harness.store.disk import copy_whole, writing
from harness.store.runs import open_run, take_over
from tests.test_store import HASH, a_record, commit


@contextmanager
def small_files() -> Iterator[None]:
    """No file may grow beyond 4 kB: writes fail midway, as on a disk that fills up."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (errno.ENOSPC, "cannot write s.yaml: the disk is full: free some space or choose another place"),
        (errno.EROFS, "cannot write s.yaml: the file system is read-only: choose another place"),
        (errno.EFBIG, "cannot write s.yaml: no file may become so large here"),
        (errno.EACCES, "no permission to read or write s.yaml: check its permissions and those of its"),
    ],
)
def test_a_file_in_trouble_is_named_with_its_cure_and_no_bug(number: int, said: str) -> None:
    text, code = explain(OSError(number, os.strerror(number), "s.yaml"))
    assert code == 2 and text.startswith(said) and "\n" not in text


def test_a_disk_without_a_name_is_full_all_the_same_and_other_errors_are_ours() -> None:
    text, code = explain(OSError(errno.ENOSPC, "No space left on device"))
    assert code == 2 and "TMPDIR for temporary files" in text
    text, code = explain(OSError(errno.EPIPE, "Broken pipe"))
    assert code == 1 and text.endswith(BROKEN)


def test_a_folder_that_does_not_fit_is_not_there_in_part(tmp_path: Path) -> None:
    made, target = tmp_path / "made", tmp_path / "out" / "deploy"
    made.mkdir()
    (made / "a.json").write_text("{}")
    (made / "b.onnx").write_bytes(b"x" * 10_000)
    said = "cannot write deploy: no file may become so large here .*: raise that or name another folder"
    with small_files(), pytest.raises(HarnessError, match=said), writing("deploy", "name another folder"):
        copy_whole(made, target)
    assert not target.exists()
    copy_whole(made, target)
    assert sorted(path.name for path in target.iterdir()) == ["a.json", "b.onnx"]


def test_damaged_predictions_are_named_with_their_cure(tmp_path: Path) -> None:
    run = open_run(tmp_path, "shop", HASH)
    commit(run, a_record())
    name = f"trials/{a_record().trial.id}/predictions.parquet"
    run.write_bytes(name, b"PAR1 and the half of it")
    said = f"{name} is damaged .*: delete its folder, and run the suite again"
    with pytest.raises(RecordError, match=said):
        predictions_of(run)(a_record().trial.id)


def test_trials_taken_over_onto_a_full_disk_are_an_error_with_its_cure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = (open_run(tmp_path, "shop", digest) for digest in (HASH, HASH[::-1]))
    commit(old, a_record(), "epoch,loss\n" * 1000)

    def no_links(source: str, target: str) -> None:
        raise OSError(errno.EXDEV, "another disk")

    monkeypatch.setattr(os, "link", no_links)
    with small_files(), pytest.raises(HarnessError, match="no file may become so large here"):
        take_over(new, {a_record().trial.id: old})
    assert new.records() == []


def test_an_export_that_cannot_be_written_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """To the end of `export`, where only finding and writing the variant are stood in for."""

    class Source:
        class way:
            without = ()

    def written(source: object, folder: Path) -> tuple[str, ...]:
        (folder / "model.onnx").write_bytes(b"x" * 3000)
        return ()

    run = open_run(tmp_path / "results", "shop", HASH)
    suite = (
        "name: shop\ntask: image_classification\ndata: {name: digits}\ncandidates: {a: {model: small_cnn}}\n"
    )
    run.write_text("suite.yaml", suite)
    commit(run, a_record())
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(exporting, "find_source", lambda *_: Source)
    monkeypatch.setattr(exporting, "write_folder", written)
    target = str(tmp_path / "file" / "deploy")
    assert main(["export", run.url, "a/onnx", target]) == 2
    said = capsys.readouterr().err
    assert said == f"cannot write {target}: a file stands where a folder is needed: name another folder\n"


def test_a_picture_is_drawn_only_where_there_is_a_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = []
    for number, digest in enumerate((HASH, HASH[::-1])):
        run = open_run(tmp_path, "shop", digest)
        commit(run, a_record(number))
        runs.append(run.url)
    plot = str(tmp_path / "none" / "history.png")
    assert main(["compare", *runs, "--plot", plot]) == 2
    said = capsys.readouterr().err
    assert said == f"--plot {plot}: there is no folder {tmp_path / 'none'}: create it first\n"


def test_a_suite_that_does_not_fit_on_the_disk_is_not_there_in_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = tmp_path / "t.csv"
    rows = (f"{i % 7},{i % 5},{'yes' if i % 7 > 3 else 'no'}" for i in range(300))
    table.write_text("\n".join(["a,b,label", *rows]) + "\n")

    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    before = sorted(tmp_path.iterdir())
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(HarnessError, match=r"cannot write .*t\.yaml: the disk is full: .* with -o"):
        init(Wishes((str(table),), out=str(tmp_path / "t.yaml")), lambda said: None)
    assert sorted(tmp_path.iterdir()) == before
