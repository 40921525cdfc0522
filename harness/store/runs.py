"""The runs there are: `results/<suite>/<run id>/`, opened, listed and found."""

from __future__ import annotations

import contextlib
import os
import re
import uuid
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from difflib import get_close_matches
from functools import partial
from pathlib import Path

from harness.record import HarnessError, Record, RecordError
from harness.store.disk import locked, make_folder, writing
from harness.store.files import Files, LocalFiles, is_remote, open_files
from harness.store.run_folder import RunFolder, trial_path

__all__ = ["RunFolder", "check_name", "find_cached", "find_run", "list_runs", "open_run", "take_over"]

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@+-]{0,127}")
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


def open_run(
    out: str | Path,
    suite_name: str,
    plan_hash: str,
    now: datetime | None = None,
    without: Iterable[str] = (),
) -> RunFolder:
    """The folder of a plan: the one it already has under `out`, else a new one; becomes `latest`.

    Args:
        plan_hash: hash of the resolved suite and its trial ids; the first 8 digits name the run.
        without: trials that are to be measured anew: the newest folder counts if it holds none of them.
    """
    check_name(suite_name, "suite name")
    home = open_files(f"{str(out).rstrip('/')}/{suite_name}")
    digest = plan_hash[:8]
    stamp = (now or datetime.now(UTC)).strftime("%Y%m%d-%H%M%S")
    with _alone(home):  # two first starts at once must find one folder
        known = [name for name in home.names() if _RUN_ID.fullmatch(name) and name.endswith(f"-{digest}")]
        newest = RunFolder(f"{home.url}/{known[-1]}") if known else None
        if newest is None or set(without).intersection(newest.trial_ids()):
            newest = RunFolder(f"{home.url}/{stamp}-{digest}")
        run = newest
        if isinstance(home, LocalFiles):
            with writing(run.url):
                make_folder(Path(run.url))
                if not os.access(run.url, os.W_OK):
                    raise PermissionError(13, "not writable")
    _point_latest(home, run.id)
    return run


@contextlib.contextmanager
def _alone(home: Files) -> Iterator[None]:
    with contextlib.ExitStack() as stack:
        if isinstance(home, LocalFiles):
            stack.enter_context(locked(home.root / ".lock"))
        yield


def find_cached(
    out: str | Path, suite_name: str, ids: Iterable[str], machine_class: str | None = None
) -> dict[str, RunFolder]:
    """Which trials are finished already, and in which run.

    An id says all that its outcome depends on, so that runs of any suite count; the newest of this one wins.

    Args:
        machine_class: speed measured on any other class of machine does not count; None takes all.
    """
    wanted, found = set(ids), dict[str, RunFolder]()
    for run in sorted(list_runs(out), key=lambda run: (run.suite_name == suite_name, run.id), reverse=True):
        if not wanted:
            break
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
        stands = partial(run.has_finished, trial_id)
        if other.url != run.url and not stands():
            run.files.copy_from(other.files, trial_path(trial_id), stands)
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
    """The run a person means: a path or URL, a run id, `<suite>/<run id>`, `<suite>/latest`, `<suite>` or
    `latest`.

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
    if said := said_of_file(text):
        raise HarnessError(said)
    if not runs:
        raise HarnessError(
            f"no run {text!r}: there are none in {out} yet; `python -m harness run SUITE` makes one"
        )
    names = sorted({r.suite_name + "/latest" for r in runs} | {r.id for r in runs} | {"latest"})
    near = get_close_matches(text, names, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"see `python -m harness list runs` (looked in {out})"
    raise HarnessError(f"no run {text!r}: {hint}")


def said_of_file(text: str) -> str:
    """What is to be said of a file that stands in a run's place; empty where there is none."""
    file = Path(text)
    if not file.is_file():
        return ""
    if file.suffix in (".yaml", ".yml"):
        named = re.search(r"^name:\s*([\w.@+-]+)", file.read_text(errors="replace"), re.MULTILINE)
        return f"{text} is a suite: its runs are called by its name" + (f", `{named[1]}`" if named else "")
    return (
        f"{text} is a file and no run: decided, compared and exported is what `run` has measured; figures of "
        "others are held against a run by `expect` in its suite"
    )


def find_measured(text: str, out: str | Path = "results") -> RunFolder:
    """A run that can be judged. A published report has no trials: deciding from none would overwrite it.

    Raises:
        HarnessError: there is no such run, or it holds no trials.
    """
    found = find_run(text, out)
    if not found.trial_ids():
        raise RecordError(f"{text} holds no trials (a published report?): run the suite again")
    return found


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
