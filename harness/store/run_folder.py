"""One run's folder: its trials' records and files, and nothing half-written."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import re
import shutil
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TypeVar

from harness.record import HarnessError, Record, RecordError, record_from_text, record_to_json
from harness.store.disk import is_locked, locked, private_folder, sync_tree, write_synced, writing
from harness.store.files import LAST, Files, inside, is_remote, open_files
from harness.store.scratch import ScratchFolder, begin_attempt, find_attempts

T = TypeVar("T")

log = logging.getLogger("harness")

IN_USE = ".lock"
"""In a checkpoint folder: held by the process that trains there."""

CHECKPOINTS_KEPT_S = 30 * 86400.0
"""How long a training that nobody continues is kept."""

_TRIAL_ID = re.compile(r"(train|score|serve)-[0-9a-f]{16}")


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
        """All readable records, by trial id; of a variant that had its reference's quality and was scored in
        full later, the score."""
        found = [record for record in self._each(self.record) if record is not None]
        scored = {_scored(r) for r in found if r.status == "finished" and not r.trial.spec.get("inherits")}
        return [r for r in found if not r.trial.spec.get("inherits") or _scored(r) not in scored]

    def trial_ids(self) -> list[str]:
        """Ids that have a folder, with or without a readable record."""
        return [name for name in self.files.names("trials") if _TRIAL_ID.fullmatch(name)]

    def record_stamps(self) -> dict[str, str]:
        """Trial id → what changes when its record is written again, without reading it; ids without a record
        have an empty one."""
        return self.files.stamps("trials", self.trial_ids())

    def contents_of_records(self) -> str:
        """A hash of what all records say, readable or not."""

        def content(trial_id: str) -> str:
            try:
                return hashlib.sha256(self.files.read(f"{trial_path(trial_id)}/{LAST}")).hexdigest()
            except FileNotFoundError:
                return ""

        lines = (f"{i} {digest}\n" for i, digest in zip(self.trial_ids(), self._each(content), strict=True))
        return hashlib.sha256("".join(lines).encode()).hexdigest()

    def trial_folder(self, trial_id: str) -> Path:
        """A local folder with the trial's files, downloaded from an object store when needed."""
        return self.files.fetch(trial_path(trial_id))

    def scratch(self, trial_id: str, session: str = "") -> Path:
        """A fresh folder to work in, on the run's own disk where that is local; `session` is in its name."""
        trial_path(trial_id)
        return begin_attempt(self._node_folder("scratch"), trial_id, session)

    def attempts(self) -> list[ScratchFolder]:
        """The scratch folders of trials that run or whose process died, oldest first; those on this disk."""
        return find_attempts(self._node_folder("scratch"))

    def leftovers(self, trial_id: str, session: str = "") -> list[Path]:
        """A trial's scratch folders, oldest first."""
        return [
            attempt.path
            for attempt in self.attempts()
            if attempt.trial_id == trial_id and attempt.session.startswith(session[:8])
        ]

    def checkpoint_folder(self, trial_id: str) -> Path:
        """Where a trial keeps what lets a retry continue; the same at every attempt on this disk.

        It lies beside the runs of the suite, so that a run under another plan (another time limit, say)
        continues the trial too.
        """
        trial_path(trial_id)
        path = self._checkpoints / trial_id
        with writing(str(path)):
            path.mkdir(parents=True, exist_ok=True)
        return path

    @contextlib.contextmanager
    def checkpoints(self, trial_id: str) -> Iterator[Path | None]:
        """A trial's checkpoint folder to write in; None while another run trains the same trial there."""
        with contextlib.ExitStack() as stack:
            try:
                folder = self.checkpoint_folder(trial_id)
                stack.enter_context(locked(folder / IN_USE, wait=False))
            except BlockingIOError:
                yield None
                return
            yield folder

    def _drop_checkpoint(self, trial_id: str) -> None:
        """Unless another run writes there just now."""
        folder = self._checkpoints / trial_id
        if folder.is_dir():
            with contextlib.suppress(BlockingIOError), locked(folder / IN_USE, wait=False):
                shutil.rmtree(folder, ignore_errors=True)

    @property
    def _checkpoints(self) -> Path:
        """On the disk of the suite's runs where that is local, else on the node's."""
        if self.is_local:
            return self._own.parent / ".checkpoints"
        home = self.url.rstrip("/").rpartition("/")[0]
        digest = hashlib.sha256(home.encode()).hexdigest()[:16]
        return private_folder() / "checkpoints" / f"{self.suite_name}-{digest}"

    def _node_folder(self, what: str) -> Path:
        """On the run's own disk where it is local, else on the node's."""
        if self.is_local:
            return self._own / f".{what}"
        digest = hashlib.sha256(self.url.encode()).hexdigest()[:16]
        return private_folder() / what / f"{self.id}-{digest}"

    def commit(self, record: Record, scratch: Path) -> None:
        """Publish a trial: its files first, its record last. A finished record is never replaced.

        Whatever fails from here on, a finished record stays in the scratch folder (`rescue`).

        Raises:
            HarnessError: the disk is full or read-only, or the object store keeps failing.
        """
        trial_id, is_finished = record.trial.id, record.status == "finished"
        text = json.dumps(record_to_json(record), indent=1, allow_nan=False, default=_plain)
        with writing(str(scratch)):
            sync_tree(scratch)  # before the record says that they are whole
            write_synced(scratch / LAST, text.encode())
        files = self.files.patient if is_finished else self.files
        if not self.has_finished(trial_id, files):
            # In an object store, one that came during this upload has the files of this one: its record too.
            def stands() -> bool:
                return (self.is_local or not is_finished) and self.has_finished(trial_id, files)

            files.publish(scratch, trial_path(trial_id), stands)
        shutil.rmtree(scratch, ignore_errors=True)
        if is_finished:
            self._drop_checkpoint(trial_id)

    def rescue(self, trial_id: str) -> Record | None:
        """Publish the finished record of a process that could not: it was killed, or the store was down."""
        for attempt in self.attempts():
            if attempt.trial_id == trial_id and (record := self._rescued(attempt)) is not None:
                return record
        return None

    def _rescued(self, attempt: ScratchFolder) -> Record | None:
        if attempt.is_anothers:
            return None
        try:
            record = _parsed((attempt.path / LAST).read_bytes(), attempt.trial_id)
        except (OSError, RecordError):  # none, or half of one
            return None
        if record.status != "finished":
            return None
        self.commit(record, attempt.path)
        return record

    def write_text(self, name: str, text: str) -> None:
        self.files.write(inside(name), text.encode())

    def read_text(self, name: str) -> str:
        """Raises: FileNotFoundError."""
        return self.files.read(inside(name)).decode()

    def write_bytes(self, name: str, content: bytes) -> None:
        self.files.write(inside(name), content)

    def read_bytes(self, name: str) -> bytes:
        """Raises: FileNotFoundError."""
        return self.files.read(inside(name))

    def exists(self, name: str) -> bool:
        return self.files.exists(inside(name))

    def sweep(self) -> None:
        """Publish what killed processes of this host finished, and remove what they left half-written.

        Only under `in_use`: a local run's scratch folders are nobody's then. In an object store another
        run may work in some of this node's.
        """
        for attempt in self.attempts():
            if self._rescued(attempt) is None and (self.is_local or not attempt.is_anothers):
                shutil.rmtree(attempt.path, ignore_errors=True)
        if self.is_local:
            for path in [*(self._own / ".scratch").glob("*"), *(self._own / "trials").glob(".*-*")]:
                shutil.rmtree(path, ignore_errors=True)
        for path in self._checkpoints.glob("*-*"):
            if self.has_finished(path.name) or time.time() - path.stat().st_mtime > CHECKPOINTS_KEPT_S:
                self._drop_checkpoint(path.name)

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
                _enter(stack, self._own / ".lock")
            except BlockingIOError:
                holder = self.files.read(".holder").decode() if self.files.exists(".holder") else "unknown"
                raise HarnessError(
                    f"{self.suite_name}/{self.id} is being run already ({holder}): "
                    f"wait for it, or look on with `python -m harness watch {self.suite_name}/{self.id}`"
                ) from None
            self.files.write(".holder", f"process {os.getpid()} on {socket.gethostname()}".encode())
            yield

    def is_being_run(self) -> bool | None:
        """Whether a run writes here just now; None where that cannot be known.

        So it is in an object store, and on a shared path that another host wrote to last: not every file
        system tells one host of another's locks.
        """
        held = is_locked(self._own / ".lock") if self.is_local else None
        if held is False and self.files.exists(".holder"):
            host = self.files.read(".holder").decode().rpartition(" on ")[2]
            return False if host == socket.gethostname() else None
        return held

    @property
    def _own(self) -> Path:
        return Path(self.files.url)

    def _read(self, trial_id: str, files: Files | None = None) -> Record:
        return _parsed((files or self.files).read(f"{trial_path(trial_id)}/{LAST}"), trial_id)

    def has_finished(self, trial_id: str, files: Files | None = None) -> bool:
        try:
            return self._read(trial_id, files).status == "finished"
        except (FileNotFoundError, RecordError):
            return False

    def _each(self, ask: Callable[[str], T]) -> list[T]:
        ids = self.trial_ids()
        if self.is_local:
            return [ask(i) for i in ids]
        with ThreadPoolExecutor(16) as pool:
            return list(pool.map(ask, ids))


def _scored(record: Record) -> tuple[str, str, str] | None:
    """The fitted model and the runtime of a score trial."""
    trial = record.trial
    return (trial.kind, trial.spec.get("fitted", ""), trial.runtime or "") if trial.kind == "score" else None


def _plain(value: object) -> object:
    """NumPy's numbers as Python's, else a text."""
    item = getattr(value, "item", None)
    return item() if callable(item) else str(value)


def _enter(stack: contextlib.ExitStack, path: Path) -> None:
    """Hold a lock at once; who only looks whether it is held (`is_locked`) holds it for an instant."""
    for _ in range(10):
        with contextlib.suppress(BlockingIOError):
            stack.enter_context(locked(path, wait=False))
            return
        time.sleep(0.02)
    stack.enter_context(locked(path, wait=False))


@lru_cache(maxsize=1024)
def _parsed(text: bytes, trial_id: str) -> Record:
    """A step of a run asks for each record dozens of times.

    Raises:
        RecordError: it is damaged, or another trial's.
    """
    record = record_from_text(text)
    if record.trial.id != trial_id:
        raise RecordError(f"record is damaged: it is that of {record.trial.id}")
    return record


def trial_path(trial_id: str) -> str:
    if not _TRIAL_ID.fullmatch(trial_id):
        raise RecordError(f"{trial_id!r} is not a trial id")
    return f"trials/{trial_id}"
