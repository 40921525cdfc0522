"""Run folders: `results/<suite>/<run id>/`, the only state there is (DESIGN §5)."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
import shutil
import socket
import tempfile
import uuid
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path

from harness.files import LAST, Files, LocalFiles, is_remote, locked, open_files, writing
from harness.record import HarnessError, Record, RecordError, record_from_json, record_to_json

log = logging.getLogger("harness")

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@+-]{0,127}")
_TRIAL_ID = re.compile(r"(train|score|serve)-[0-9a-f]{16}")
_RUN_ID = re.compile(r"\d{8}-\d{6}-[0-9a-f]{8}")


def check_name(name: str, what: str = "name") -> str:
    """A name that may become a folder's.

    Raises:
        HarnessError: it could leave the folder (`../x`, `/x`), hide, or does not fit file systems.
    """
    if not _NAME.fullmatch(name):
        raise HarnessError(
            f"{what} {name!r} cannot name a folder: use letters, digits and _ . @ + - "
            "(128 at most, starting with a letter, a digit or _)"
        )
    return name


@dataclass(frozen=True)
class RunFolder:
    """One run's folder, on a local path or any fsspec URL; cheap to make and to send to workers."""

    url: str

    @property
    def id(self) -> str:
        return self.url.rstrip("/").rsplit("/", 1)[-1]

    @property
    def suite_name(self) -> str:
        return self.url.rstrip("/").rsplit("/", 2)[-2]

    @property
    def is_local(self) -> bool:
        return not is_remote(self.url)

    @cached_property
    def files(self) -> Files:
        return open_files(self.url)

    def record(self, trial_id: str) -> Record | None:
        """A trial's record; None where there is none or it is damaged (which is logged)."""
        try:
            return self._read(trial_id)
        except FileNotFoundError:
            return None
        except RecordError as error:
            log.warning("%s/trials/%s: %s; it counts as missing", self.id, trial_id, error)
            return None

    def records(self) -> list[Record]:
        """All readable records, by trial id."""
        return [record for record in self._each(self.record) if record is not None]

    def damaged(self) -> dict[str, str]:
        """Trial id → what is wrong with its record, for the records that cannot be read."""

        def ask(trial_id: str) -> str | None:
            try:
                self._read(trial_id)
            except FileNotFoundError:
                return None
            except RecordError as error:
                return str(error)
            return None

        ids = self.trial_ids()
        return {i: reason for i, reason in zip(ids, map(ask, ids), strict=True) if reason}

    def trial_ids(self) -> list[str]:
        """Ids that have a folder, with or without a readable record."""
        return [name for name in self.files.names("trials") if _TRIAL_ID.fullmatch(name)]

    def trial_folder(self, trial_id: str) -> Path:
        """A local folder with the trial's files, downloaded from an object store when needed."""
        return self.files.fetch(_trial_path(trial_id))

    def scratch(self, trial_id: str, session: str = "") -> Path:
        """A fresh folder to work in, on the run's own disk where that is local; `session` is in its name."""
        _trial_path(trial_id)
        parent = self._scratch_parent
        path = (
            parent / f"{trial_id}-{session[:8]}-{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
        )
        with writing(str(path)):
            path.mkdir(parents=True)
        return path

    def leftovers(self, trial_id: str, session: str = "") -> list[Path]:
        """Scratch folders of a trial that runs or whose process died, oldest first; those on this disk."""
        found = self._scratch_parent.glob(f"{trial_id}-{session[:8]}*")
        return sorted(found, key=lambda path: path.stat().st_mtime)

    @property
    def _scratch_parent(self) -> Path:
        return self._own / ".scratch" if self.is_local else Path(tempfile.gettempdir()) / "harness-scratch"

    def checkpoint_folder(self, trial_id: str) -> Path:
        """Where a trial keeps what lets a retry continue; the same at every attempt on this disk."""
        _trial_path(trial_id)
        parent = self._own / ".checkpoints"
        if not self.is_local:
            parent = Path(tempfile.gettempdir()) / "harness-checkpoints" / self.id
        with writing(str(parent)):
            (parent / trial_id).mkdir(parents=True, exist_ok=True)
        return parent / trial_id

    def commit(self, record: Record, scratch: Path) -> None:
        """Publish a trial: its files first, its record last. A finished record is never replaced.

        Raises:
            HarnessError: the disk is full or read-only, or the object store keeps failing.
        """
        trial_id = record.trial.id
        present = self.record(trial_id)
        if present is None or present.status == "failed":
            text = json.dumps(record_to_json(record), indent=1, allow_nan=False, default=str)
            with writing(str(scratch)):
                (scratch / LAST).write_text(text, encoding="utf-8")
            self.files.publish(scratch, _trial_path(trial_id))
        shutil.rmtree(scratch, ignore_errors=True)
        if record.status == "finished":
            shutil.rmtree(self.checkpoint_folder(trial_id), ignore_errors=True)

    def write_text(self, name: str, text: str) -> None:
        self.files.write(_inside(name), text.encode())

    def read_text(self, name: str) -> str:
        """Raises: FileNotFoundError."""
        return self.files.read(_inside(name)).decode()

    def write_bytes(self, name: str, content: bytes) -> None:
        self.files.write(_inside(name), content)

    def read_bytes(self, name: str) -> bytes:
        """Raises: FileNotFoundError."""
        return self.files.read(_inside(name))

    def exists(self, name: str) -> bool:
        return self.files.exists(_inside(name))

    def sweep(self) -> None:
        """Remove what killed processes of this host left half-written; only under `in_use`."""
        if not self.is_local:
            return
        for path in (self._own / ".scratch").glob("*"):
            shutil.rmtree(path, ignore_errors=True)
        for path in (self._own / "trials").glob(".*-*"):
            shutil.rmtree(path, ignore_errors=True)

    @contextlib.contextmanager
    def in_use(self) -> Iterator[None]:
        """Held by the one run that writes here.

        Raises:
            HarnessError: another run of the same plan is going on.
        """
        if not self.is_local:
            yield  # commits are idempotent: at worst two runs do the same trial
            return
        with contextlib.ExitStack() as stack:
            try:
                stack.enter_context(locked(self._own / ".lock", wait=False))
            except BlockingIOError:
                holder = self.files.read(".holder").decode() if self.files.exists(".holder") else "unknown"
                raise HarnessError(
                    f"{self.suite_name}/{self.id} is being run already ({holder}): "
                    f"wait for it, or look on with `python -m harness watch {self.suite_name}/{self.id}`"
                ) from None
            self.files.write(".holder", f"process {os.getpid()} on {socket.gethostname()}".encode())
            yield

    @property
    def _own(self) -> Path:
        return Path(self.files.url)

    def _read(self, trial_id: str) -> Record:
        text = self.files.read(f"{_trial_path(trial_id)}/{LAST}")
        try:
            data = json.loads(text)
        except ValueError as error:
            raise RecordError(f"record is damaged: {error}") from error
        if not isinstance(data, dict):
            raise RecordError("record is damaged: not a JSON object")
        return record_from_json(data)

    def _each(self, ask: object) -> list[Record | None]:
        assert callable(ask)
        ids = self.trial_ids()
        if self.is_local:
            return [ask(i) for i in ids]
        with ThreadPoolExecutor(16) as pool:
            return list(pool.map(ask, ids))


def open_run(out: str | Path, suite_name: str, plan_hash: str, now: datetime | None = None) -> RunFolder:
    """The folder of a plan: the one it already has under `out`, else a new one; becomes `latest`.

    Args:
        plan_hash: hash of the resolved suite and its trial ids; the first 8 digits name the run.
    """
    check_name(suite_name, "suite name")
    home = open_files(f"{str(out).rstrip('/')}/{suite_name}")
    digest = plan_hash[:8]
    known = [name for name in home.names() if _RUN_ID.fullmatch(name) and name.endswith(f"-{digest}")]
    stamp = (now or datetime.now(UTC)).strftime("%Y%m%d-%H%M%S")
    run = RunFolder(f"{home.url}/{known[-1] if known else f'{stamp}-{digest}'}")
    if isinstance(home, LocalFiles):
        with writing(run.url):
            Path(run.url).mkdir(parents=True, exist_ok=True)
            if not os.access(run.url, os.W_OK):
                raise PermissionError(13, "not writable")
    _point_latest(home, run.id)
    return run


def find_cached(
    out: str | Path, suite_name: str, ids: Iterable[str], machine_class: str | None = None
) -> dict[str, RunFolder]:
    """Which trials are finished already, and in which run of the suite (the newest wins).

    Args:
        machine_class: speed measured on any other class of machine does not count; None takes all.
    """
    wanted, found = set(ids), dict[str, RunFolder]()
    for run in reversed(list_runs(out, suite_name)):
        for trial_id in sorted(wanted.intersection(run.trial_ids())):
            record = run.record(trial_id)
            if record is not None and record.status == "finished" and not _elsewhere(record, machine_class):
                found[trial_id] = run
                wanted.discard(trial_id)
    return found


def _elsewhere(record: Record, machine_class: str | None) -> bool:
    """Whether a serve trial's speed was measured on another class of machine."""
    if record.trial.kind != "serve" or machine_class is None:
        return False
    machine = record.environment.get("machine")
    known = machine.get("class") if isinstance(machine, Mapping) else None
    return known not in (None, machine_class)


def take_over(run: RunFolder, cached: Mapping[str, RunFolder]) -> int:
    """Copy (hard-link) finished trials of other runs into this one; how many were taken."""
    taken = 0
    for trial_id, other in cached.items():
        if other.url != run.url:
            run.files.copy_from(other.files, _trial_path(trial_id))
            taken += 1
    return taken


def list_runs(out: str | Path = "results", suite_name: str | None = None) -> list[RunFolder]:
    """All runs under `out`, oldest first."""
    root = open_files(out)
    suites = [suite_name] if suite_name else [n for n in root.names() if _NAME.fullmatch(n)]
    runs = [
        RunFolder(f"{root.url}/{suite}/{name}")
        for suite in suites
        for name in root.names(suite)
        if _RUN_ID.fullmatch(name)
    ]
    return sorted(runs, key=lambda run: (run.id, run.suite_name))


def find_run(text: str, out: str | Path = "results") -> RunFolder:
    """The run a person means: a path or URL, a run id, `<suite>/<run id>`, `<suite>/latest`, `<suite>`,
    `latest`, or `published/<name>`.

    Raises:
        HarnessError: there is none; names the nearest.
    """
    text = text.rstrip("/")
    run = _run_at(text) or (_run_at(f"{out}/{text}") if text.startswith("published/") else None)
    if run is not None:
        return run
    runs = list_runs(out)
    if text == "latest" and runs:
        return runs[-1]
    suite, _, name = text.rpartition("/")
    if name == "latest" or (not suite and any(r.suite_name == name for r in runs)):
        wanted = suite if name == "latest" else name
        if any(r.suite_name == wanted for r in runs):
            return _latest_of(open_files(f"{open_files(out).url}/{wanted}"))
    matches = [r for r in runs if r.id.startswith(name) and suite in ("", r.suite_name)] if name else []
    if len(matches) == 1:
        return matches[0]
    if matches:
        raise HarnessError(
            f"several runs match {text!r}: " + ", ".join(f"{r.suite_name}/{r.id}" for r in matches)
        )
    if not runs:
        raise HarnessError(
            f"no run {text!r}: there are none in {out} yet; `python -m harness run SUITE` makes one"
        )
    names = sorted({r.suite_name + "/latest" for r in runs} | {r.id for r in runs} | {"latest"})
    near = get_close_matches(text, names, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"see `python -m harness list runs` (looked in {out})"
    raise HarnessError(f"no run {text!r}: {hint}")


def _run_at(text: str) -> RunFolder | None:
    """A run folder by its own path or URL; `latest` is followed."""
    if not is_remote(text):
        path = Path(text.removeprefix("file://")).expanduser()
        if path.is_file() and path.name == "latest":
            path = path.parent / path.read_text().strip()
        if not ((path / "suite.yaml").exists() or (path / "trials").is_dir()):
            return None
        return RunFolder(str(path.resolve()))
    home, _, name = text.rpartition("/")
    if name == "latest":
        return _latest_of(open_files(home))
    return RunFolder(text) if open_files(text).names() else None


def _latest_of(home: Files) -> RunFolder:
    names = [name for name in home.names() if _RUN_ID.fullmatch(name)]
    pointed = ""
    with contextlib.suppress(FileNotFoundError, OSError):
        if isinstance(home, LocalFiles) and (home.root / "latest").is_symlink():
            pointed = (home.root / "latest").readlink().name
        else:
            pointed = home.read("latest").decode().strip()
    if pointed not in names and not names:
        raise HarnessError(f"no run under {home.url}")
    return RunFolder(f"{home.url}/{pointed if pointed in names else names[-1]}")


def _point_latest(home: Files, run_id: str) -> None:
    if not isinstance(home, LocalFiles):
        home.write("latest", run_id.encode())
        return
    temporary = home.root / f".latest-{uuid.uuid4().hex}"
    try:
        temporary.symlink_to(run_id, target_is_directory=True)
        temporary.replace(home.root / "latest")
    except OSError:  # no symbolic links here (some network shares)
        temporary.unlink(missing_ok=True)
        home.write("latest", run_id.encode())


def _trial_path(trial_id: str) -> str:
    if not _TRIAL_ID.fullmatch(trial_id):
        raise RecordError(f"{trial_id!r} is not a trial id")
    return f"trials/{trial_id}"


def _inside(name: str) -> str:
    """A relative name that stays inside the run folder."""
    parts = name.split("/")
    if not name or any(part in ("", ".", "..") for part in parts) or "\\" in name or "\0" in name:
        raise HarnessError(f"{name!r} is not a file name inside a run folder")
    return name
