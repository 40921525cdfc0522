"""What derived files follow from, as hashes: alike as long as nothing behind them says something else.

Loads neither numbers nor suites, so that to see that nothing changed costs next to nothing.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
import json
import os
import re
import sys
from collections.abc import Iterable
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from harness.costs import own_prices
from harness.costs.calibrations import folder as calibrations
from harness.record import HarnessError, content_hash
from harness.store.run_folder import RunFolder

STORY = "until_decided.json"
"""What a run that measures until it is decided says of itself (`harness.running.until_decided`)."""

DUELS = "duels.json"
"""Derived from the records, so that deciding again need not read them all (`harness.analysis.duels`)."""

PLAN = "plan.json"
ASIDE = (" duel ", " certify")
"""In the labels of trials that no row of the table rests on."""

EVERY = "*"
"""All variants: of a run until it is decided that did not come to its end, nobody knows what it would have
measured."""

EVIDENCE_FORMAT = 6

CALCULATING = ("numpy", "scipy")
"""Libraries whose version may change a digit."""

HARNESS = Path(__file__).parent.parent

QUEUES = tuple(
    HARNESS / "serving" / f"{name}.py" for name in ("belief", "load", "queues", "series", "speeds")
)
"""What the load of several launches is found with, beside the formulas here."""


def stamp_of(run: RunFolder) -> str:
    """Changes when a record appears or says something else, and with the formulas: all by content.

    To read 10,000 records takes a second, so the hash of their contents is kept in `.contents` and taken
    from there as long as no file was touched (size, and times of change, which nobody can set back).
    """
    stamps = "".join(f"{trial_id} {stamp}\n" for trial_id, stamp in run.record_stamps().items())
    touched = hashlib.sha256(stamps.encode()).hexdigest()
    try:
        kept, _, contents = run.read_text(".contents").partition(" ")
    except FileNotFoundError:
        kept = contents = ""
    if kept != touched:
        contents = run.contents_of_records()
        with contextlib.suppress(HarnessError):  # a folder that may only be read
            run.write_text(".contents", f"{touched} {contents}")
    return content_hash(
        [EVIDENCE_FORMAT, _hash_of([*sorted(Path(__file__).parent.glob("*.py")), *QUEUES]), contents]
    )


def sources_of(run: RunFolder, today: dt.date | None = None) -> dict[str, str]:
    """All that a decision follows from, apart from what is asked: what it is → a hash of its content.

    Every file of the harness counts, also for the words. A price tells its age, so that the day counts too.
    """
    here = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "records": stamp_of(run),
        **{name: content_of(run, name) for name in ("suite.yaml", STORY, DUELS)},
        "waiting": " ".join(sorted(waiting(run))),
        "prices": _hash_of([own_prices(), *sorted(calibrations().glob("*.json"))]),
        "code": code(),
        "versions": " ".join([sys.version, *map(_version, CALCULATING)]),
        "here": f"{(today or dt.date.today()).isoformat()} {here}",
    }


def waiting(run: RunFolder) -> frozenset[str]:
    """Variants, and candidates whose training it is, that a run has not come to; what asks another question,
    a duel or a smaller training set, is none of theirs."""
    story = _json(run, STORY)
    if story:  # what it asked for and did not want any more has no record either
        return frozenset() if story.get("stopped") else frozenset({EVERY})
    planned = _json(run, PLAN).get("trials")
    labels = {t["id"]: t["label"] for t in planned if "label" in t} if isinstance(planned, list) else {}
    if not labels:
        return frozenset()
    recorded = {trial_id for trial_id, stamp in run.record_stamps().items() if stamp}
    left = [label for trial_id, label in labels.items() if trial_id not in recorded]
    most = max((_size(label) for label in labels.values()), default=0)
    return frozenset(
        label.split()[1] for label in left if not any(x in label for x in ASIDE) and _size(label) in (0, most)
    )


def _size(label: str) -> int:
    """Of the training set that a trial is about, by its label; 0 where that says none."""
    found = re.search(r" n (\d+)", label)
    return int(found[1]) if found else 0


def content_of(run: RunFolder, name: str) -> str:
    """A hash of what a file of the run says; empty where there is none."""
    try:
        return hashlib.sha256(run.read_bytes(name)).hexdigest()
    except FileNotFoundError:
        return ""


def _hash_of(paths: Iterable[Path]) -> str:
    """Of contents and names, with their folder's; of a file that is not there the name alone."""
    found = hashlib.sha256()
    for path in paths:
        found.update(f"{path.parent.name}/{path.name}\0".encode())
        with contextlib.suppress(FileNotFoundError):
            found.update(path.read_bytes() + b"\0")
    return found.hexdigest()


@cache
def code() -> str:
    """Of all files of the harness, and the prices that ship; 500 of them take 0.02 s."""
    return _hash_of(
        Path(folder, name)
        for folder, _, names in sorted(os.walk(HARNESS))
        for name in sorted(names)
        if name.endswith((".py", ".csv"))
    )


def _version(library: str) -> str:
    """Without the import, and without the 0.05 s that asking for its metadata takes."""
    spec = find_spec(library)
    if spec is None or spec.origin is None:
        return "none"
    return _hash_of([Path(spec.origin).with_name("version.py")])


def _json(run: RunFolder, name: str) -> dict[str, object]:
    try:
        found = json.loads(run.read_bytes(name))
    except (FileNotFoundError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
