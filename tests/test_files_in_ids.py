"""Files are in the ids by their content: a changed one runs again, a renamed or linked one does not."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from harness import environment
from harness.datasets.parts import load_parts
from harness.planning.trials import plan_trials
from harness.reading.reader import read_suite
from harness.record import DataError, SuiteError

SUITE = """
name: own
task: tabular_classification
data: {name: tabular_csv, path: PATH, target: y}
candidates: {net: {model: "nets:build", args: {weights: w.pt}, FILES}}
serving: {runtimes: [torch]}
"""


def _table(path: Path, seed: int = 0) -> None:
    random = np.random.default_rng(seed)
    frame = pd.DataFrame({"a": random.normal(size=60), "b": random.normal(size=60)})
    frame["y"] = np.where(frame["a"] > 0, "up", "down")
    path.parent.mkdir(parents=True, exist_ok=True)
    frame.to_parquet(path) if path.suffix == ".parquet" else frame.to_csv(path, index=False)


def _suite(folder: Path, data: str = "data/table.csv", files: str = "files: []") -> Path:
    (folder / "nets.py").write_text("def build(task, *, weights: str = ''):\n    ...\n")
    if not (folder / "w.pt").exists():
        (folder / "w.pt").write_bytes(b"one")
    (folder / "suite.yaml").write_text(SUITE.replace("PATH", data).replace("FILES", files))
    return folder / "suite.yaml"


def _ids(suite: Path) -> list[str]:
    return [trial.id for trial in plan_trials(read_suite(suite))]


def test_a_renamed_data_folder_and_a_copied_project_leave_every_id(tmp_path: Path) -> None:
    project = tmp_path / "project"
    _table(project / "data" / "table.csv")
    before = _ids(_suite(project))
    (project / "data").rename(project / "renamed")
    (project / "renamed" / "table.csv").rename(project / "renamed" / "rows.csv")
    assert _ids(_suite(project, "renamed/rows.csv")) == before
    shutil.copytree(project, tmp_path / "elsewhere")
    assert _ids(tmp_path / "elsewhere" / "suite.yaml") == before
    _table(project / "renamed" / "rows.csv", seed=1)
    assert not set(_ids(project / "suite.yaml")) & set(before)


def test_a_changed_file_of_weights_changes_the_id_though_size_and_time_stay(tmp_path: Path) -> None:
    _table(tmp_path / "data" / "table.csv")
    before, time = _ids(_suite(tmp_path)), (tmp_path / "w.pt").stat().st_mtime_ns
    (tmp_path / "w.pt").write_bytes(b"two")
    os.utime(tmp_path / "w.pt", ns=(time, time))
    assert not set(_ids(tmp_path / "suite.yaml")) & set(before)
    (tmp_path / "w.pt").write_bytes(b"one")
    assert _ids(tmp_path / "suite.yaml") == before


def test_files_that_only_code_names_count_where_the_candidate_lists_them(tmp_path: Path) -> None:
    _table(tmp_path / "data" / "table.csv")
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists" / "names.txt").write_text("a")
    before = _ids(_suite(tmp_path, files="files: [lists]"))
    (tmp_path / "lists" / "names.txt").write_text("b")
    assert not set(_ids(tmp_path / "suite.yaml")) & set(before)
    with pytest.raises(SuiteError, match=r"suite.yaml:5: .*there is no file `absent.txt` beside the suite"):
        read_suite(_suite(tmp_path, files="files: [absent.txt]"))


def test_weights_in_a_package_that_own_code_imports_are_in_the_id(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "site-packages" / "weights_for_a_test"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "best.pth").write_bytes(b"one")
    monkeypatch.syspath_prepend(str(package.parent))
    project = tmp_path / "project"
    _table(project / "data" / "table.csv")
    suite = _suite(project)
    without = _ids(suite)
    (project / "nets.py").write_text("import weights_for_a_test\n" + (project / "nets.py").read_text())
    before = _ids(suite)
    (package / "best.pth").write_bytes(b"two")
    assert len({*without, *before, *_ids(suite)}) == 3 * len(before)


def test_a_link_is_opened_by_the_name_that_it_has(tmp_path: Path) -> None:
    _table(tmp_path / "cache" / "3f" / "a1b2.parquet")
    (tmp_path / "cache" / "3f" / "a1b2.parquet").rename(tmp_path / "cache" / "3f" / "a1b2")
    (tmp_path / "table.parquet").symlink_to(tmp_path / "cache" / "3f" / "a1b2")
    _table(tmp_path / "data" / "table.csv")
    suite = read_suite(_suite(tmp_path, "table.parquet"))
    assert suite.data.args["path"] == str(tmp_path / "table.parquet")
    data = {"name": "tabular_csv", "args": suite.data.args}
    assert len(load_parts(data, None).task.columns) == 2


def _pointer(path: Path, size: int) -> None:
    text = (
        f"outs:\n- md5: 0123456789abcdef0123456789abcdef\n  size: {size}\n  hash: md5\n  path: {path.name}\n"
    )
    path.with_name(path.name + ".dvc").write_text(text)


def test_a_pointer_of_dvc_is_followed_and_its_md5_kept(tmp_path: Path) -> None:
    table = tmp_path / "data" / "table.csv"
    _table(table)
    _pointer(table, table.stat().st_size)
    plain, by_pointer = (_ids(_suite(tmp_path, f"data/{n}")) for n in ("table.csv", "table.csv.dvc"))
    assert plain == by_pointer
    data = {"name": "tabular_csv", "args": {"path": str(table), "target": "y"}}
    kept = load_parts(data, None).facts.dvc["path"]
    assert kept["md5"] == "0123456789abcdef0123456789abcdef" and "changed" not in kept
    _pointer(table, 5)
    facts = load_parts(data, None).facts
    assert facts.dvc["path"]["changed"] and "differs from what DVC tracks" in facts.notes[-1]


@pytest.mark.parametrize("written", ["data/table.csv", "data/table.csv.dvc"])
def test_data_that_is_not_pulled_is_answered_with_dvc_pull(tmp_path: Path, written: str) -> None:
    table = tmp_path / "data" / "table.csv"
    _table(table)
    _pointer(table, 10)
    table.unlink()
    with pytest.raises(SuiteError, match=r"is tracked by DVC and not here: run `dvc pull .*table\.csv\.dvc`"):
        read_suite(_suite(tmp_path, written))


def test_what_a_pipeline_of_dvc_makes_is_known_by_its_lock_file(tmp_path: Path) -> None:
    (tmp_path / ".dvc").mkdir()
    lock = {"schema": "2.0", "stages": {"make": {"cmd": "x", "outs": [{"path": "data", "md5": "ab.dir"}]}}}
    (tmp_path / "dvc.lock").write_text(json.dumps(lock))
    with pytest.raises(SuiteError, match=r"run `dvc pull .*dvc\.lock`"):
        read_suite(_suite(tmp_path, "data/table.csv"))


@pytest.mark.parametrize("link", ["copy", "symlink", "hardlink"])
def test_dvc_by_copy_and_by_link_shares_records(tmp_path: Path, link: str) -> None:
    if (dvc := shutil.which("dvc", path=os.environ.get("DVC_PATH"))) is None:
        pytest.skip("dvc is not installed: DVC_PATH=FOLDER names where its command is")

    def run(*command: str) -> None:
        subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)

    run("git", "init", "-q")
    run(dvc, "init", "-q")
    run(dvc, "config", "cache.type", link)
    _table(tmp_path / "data" / "table.parquet")
    suite = _suite(tmp_path, "data/table.parquet")
    before = _ids(suite)
    run(dvc, "add", "-q", "data/table.parquet")
    (tmp_path / "data" / "table.parquet").unlink()
    with pytest.raises(SuiteError, match="run `dvc pull"):
        read_suite(suite)
    run(dvc, "checkout", "-q")
    assert (tmp_path / "data" / "table.parquet").is_symlink() == (link == "symlink")
    assert _ids(suite) == before
    data = {"name": "tabular_csv", "args": {"path": str(tmp_path / "data" / "table.parquet"), "target": "y"}}
    assert len(load_parts(data, None).facts.dvc["path"]["md5"]) == 32


def test_the_commit_of_the_users_own_repository_is_known(tmp_path: Path) -> None:
    assert environment.repository("") == {}
    who = ("-c", "user.name=a", "-c", "user.email=a@b")
    for command in (("init", "-q"), ("add", "."), (*who, "commit", "-q", "-m", "first", "--allow-empty")):
        subprocess.run(["git", *command], cwd=tmp_path, check=True)
    found = environment.repository(str(tmp_path))
    assert len(found["id"]) == 40 and found["dirty"] is False


def test_a_pointer_that_names_several_things_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data.dvc").write_text("outs:\n- path: a\n- path: b\n")
    data = {"name": "tabular_csv", "args": {"path": str(tmp_path / "data.dvc"), "target": "y"}}
    with pytest.raises(DataError, match="stands for 2 files or folders, one is needed"):
        load_parts(data, None)
