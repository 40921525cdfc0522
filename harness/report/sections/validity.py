"""Why the figures may be believed, and where not: failures, seeds, noise, precision, machines."""

from __future__ import annotations

import json
import shlex
from collections import Counter
from collections.abc import Iterator, Mapping

from harness.analysis.scored import inherited_note
from harness.facts import ServeFacts, ServerFacts, TrainFacts
from harness.kinds import kind_of
from harness.protocols import Section
from harness.record import Record
from harness.report import numbers as n
from harness.report.blocks import (
    Block,
    Bullets,
    Cell,
    Column,
    DefinitionList,
    Fold,
    Heading,
    Preformatted,
    Table,
    capital,
    section,
    text,
)
from harness.report.evidence import Evidence
from harness.report.sections.serving import rejected_windows
from harness.report.terminal import other_terms
from harness.report.wording import ways_of_cutting

MOST_FAILURES = 50


def validity(e: Evidence) -> Section | None:
    """What failed, what was noisy, and what was decided on the way."""
    blocks: list[Block] = [Bullets(tuple((s,) for s in sentences(e)))]
    blocks += _failures(e)
    return section("Validity", blocks)


def sentences(e: Evidence) -> Iterator[str]:
    """One statement per thing a careful reader would ask."""
    kinds = Counter(r.trial.kind for r in e.records if r.status == "finished")
    done = n.listed([f"{kinds[k]:,} {k}" for k in ("train", "score", "serve") if kinds[k]])
    unrun = sum(r.is_unrun for r in e.failed)
    yield (
        f"Finished trials: {done or 'none'}. Failed: {len(e.failed) - unrun}."
        + (f" Not run: {unrun}." if unrun else "")
        + (f" Not run yet: {len(e.missing)}." if e.missing else "")
    )
    yield from _peeked(e)
    yield from _seeds(e)
    if (split := e.suite.data.split) and split.by == "time" and not e.suite.data.args.get("group"):
        yield (
            "Rows beside each other in time err alike: where the test part has 15 times or more, "
            "intervals count blocks of neighbouring times, 30 at most, and not rows."
        )
    yield _test_data(e)
    yield from _units(e)
    yield from _requests(e)
    yield from _noise(e)
    yield from _precision(e)
    yield from _machines(e)


def _peeked(e: Evidence) -> Iterator[str]:
    """A run that looked at its data to decide how much more to take says so."""
    try:
        story = json.loads(e.run.read_text("until_decided.json"))
    except FileNotFoundError:
        return
    yield (
        f"Peeked: {story['bias']}. It ended because: {story['stopped'] or 'it was interrupted'}, after "
        f"{story['trials']:,} of the {story['exhaustive']:,} trials that the whole suite has."
    )
    said = {row.variant: inherited_note(e.scored(row.candidate, row.runtime)) for row in e.rows}
    if taken := [f"that of {variant} is {whose}" for variant, whose in said.items() if whose]:
        yield f"Quality not measured on own test rows: {n.listed(taken)}. Who is named has such a score."
    if ruled_out := story.get("ruled_out"):
        each = n.listed([f"{variant} {reason}" for variant, reason in ruled_out.items()])
        yield f"Not measured any further: {each}."


def _test_data(e: Evidence) -> str:
    """How often test data was looked at, and what was chosen by it."""
    runtimes = {(r.trial.candidate, r.trial.runtime) for r in e.of("score")}
    each = " on each runtime" if len(runtimes) > len({candidate for candidate, _ in runtimes}) else ""
    said = f"Test data was used once per fitted model{each}, whose settings were chosen on validation data"
    if e.run.exists("until_decided.json"):
        return f"{said}; what to measure next was chosen by it, step by step."
    return f"{said}; nothing was chosen by it before all of it was measured."


def _units(e: Evidence) -> Iterator[str]:
    """In what the errors of a regression are, where the plan says more than the target's name; what of texts
    was not read."""
    try:
        notes = json.loads(e.run.read_text("plan.json")).get("notes", [])
    except (FileNotFoundError, ValueError, AttributeError):
        return
    yield from (
        f"{capital(str(note))}." for note in notes if str(note).startswith(("the target ", "texts: "))
    )


def _seeds(e: Evidence) -> Iterator[str]:
    counts: dict[str, set[object]] = {}
    for r in e.of("train", train_size=e.headline_size) or e.of("score", train_size=e.headline_size):
        counts.setdefault(r.trial.candidate, set()).add(r.trial.seed)
    sizes = sorted({len(seeds) for seeds in counts.values()})
    if not sizes:
        return
    if e.suite.data.parts > 1:
        yield (
            f"{ways_of_cutting(e.suite.data)}, each with {n.counted(sizes[0], 'seed')} per candidate: "
            "intervals hold over parts and seeds together; what training parts share widens them (Nadeau and "
            "Bengio, 2003). Pages on single examples, and what is served, are of the first part."
        )
        return
    if sizes == [1]:
        yield "One seed per candidate: quality is said of these checkpoints, not of the architectures."
    elif len(sizes) == 1:
        yield f"{sizes[0]} seeds per candidate; intervals hold over seeds and over test examples together."
    else:
        fewest = sorted(c for c, seeds in counts.items() if len(seeds) == sizes[0])
        yield f"{sizes[0]} to {sizes[-1]} seeds per candidate; the fewest: {n.listed(fewest[:5])}."


def _requests(e: Evidence) -> Iterator[str]:
    """What every variant is asked while it is measured; nothing of older records, which do not say."""
    told = (r.facts_as(ServeFacts).sent for r in e.of("serve"))
    for sent in dict.fromkeys(found for found in told if found is not None):
        is_image = len(sent.shape) == 3
        other = "rows" if kind_of(e.suite.task).pipeline == "supervised" else "requests of users"
        sizes = sent.words or sent.signs
        what = "texts" if sizes else "images" if is_image else other
        of = f"{sent.rows:,} of {sent.of:,}" if sent.rows < sent.of else f"{sent.of:,}"
        size = ""
        if sizes:
            least, middle, late, most = (f"{number:,.0f}" for number in sizes)
            size = f": {least} to {most} {'words' if sent.words else 'signs'}"
            size += f", half of them up to {middle} and 99 in 100 up to {late}"
        elif is_image:
            size = f": {sent.shape[1]} × {sent.shape[2]} pixels"
        yield f"Each variant is sent the same {of} {what} of the test part, in drawn order{size}."


def _noise(e: Evidence) -> Iterator[str]:
    serves = e.of("serve")
    if not serves:
        return
    noisy = list(rejected_windows(serves))
    if noisy:
        rejected, total = (
            sum(r for _, r, _ in noisy),
            sum(len(s.facts_as(ServeFacts).windows or ()) for s in serves),
        )
        yield (
            f"The noise gate rejected {rejected:,} of {total:,} measuring windows, in {len(noisy)} of "
            f"{len(serves)} serve trials; they are kept in the records and count in no latency and no "
            "throughput (CPU time is taken over all windows: neighbours hardly change it)."
        )
    elif any(r.facts_as(ServeFacts).windows for r in serves):
        yield f"No measuring window of {len(serves)} serve trials was rejected as noisy."
    runs = [p for r in e.of("serve", scenario="server") for p in r.facts_as(ServerFacts).load_curve or ()]
    if lost := sum(not p.valid for p in runs):
        yield f"{lost:,} of {len(runs):,} runs under load do not count: too noisy, or seen late."
    missing = [m for r in serves for m in r.measurements if m.value is None]
    notes = Counter(m.reason.value if m.reason else m.note or "no reason stored" for m in missing)
    for said, count in notes.most_common(6):
        yield f"{n.counted(count, 'figure')} of single launches without a number: {said}."


def _precision(e: Evidence) -> Iterator[str]:
    chosen: dict[str, set[str]] = {}
    for r in e.of("train"):
        if precision := r.facts_as(TrainFacts).precision:
            chosen.setdefault(precision, set()).add(r.trial.candidate)
    if chosen:
        parts = [f"{mode} for {n.listed(sorted(names)[:8])}" for mode, names in sorted(chosen.items())]
        yield f"Training precision: {'; '.join(parts)}."


def _machines(e: Evidence) -> Iterator[str]:
    classes = Counter(
        str(m["class"])
        for r in e.of("serve")
        if isinstance(m := r.environment.get("machine"), Mapping) and m.get("class")
    )
    if len(classes) > 1:
        yield f"Serving ran on {len(classes)} machine classes; speed is compared within one of them only."
    elif classes:
        yield f"All serving ran on one machine class ({next(iter(classes))})."


def _failures(e: Evidence) -> Iterator[Block]:
    if not e.failed:
        return
    yield Heading("Trials that failed or were not run")
    rows = []
    failed = sorted(e.failed, key=lambda r: (r.trial.kind, r.trial.label))
    for r in failed[:MOST_FAILURES]:
        reason = r.failure.reason if r.failure else "no reason stored"
        rows.append(
            (Cell(r.trial.label), Cell(reason, tone="bad"), Cell(n.seconds(r.seconds), sort=r.seconds))
        )
    columns = (Column("trial", numeric=False), Column("reason", numeric=False), Column("after"))
    yield Table(columns, tuple(rows))
    if len(e.failed) > MOST_FAILURES:
        yield text(f"And {len(e.failed) - MOST_FAILURES} more; each has its record in trials/.", kind="note")
    traces = [r for r in failed if r.failure and r.failure.traceback]
    yield from (_trace(r) for r in traces[:5])


def _trace(record: Record) -> Block:
    assert record.failure is not None
    return Fold(
        f"Traceback of {record.trial.label}", (Preformatted(record.failure.traceback[-4000:].strip()),)
    )


def environment(e: Evidence) -> Section | None:
    """The machine and the versions that the figures hold for."""
    source = next((r.environment for r in (*e.of("serve"), *e.records) if r.environment), e.environment)
    if not source:
        return None
    machine = source.get("machine") or {}
    items = [
        (k.removesuffix("_mb").replace("_", " "), _plain(k, v))
        for k, v in machine.items()
        if v not in (None, "", 0)
    ]
    versions = source.get("versions") or {}
    blocks: list[Block] = [DefinitionList(tuple(items))] if items else []
    if versions:
        blocks.append(
            Fold(
                f"{len(versions)} versions",
                (DefinitionList(tuple((str(k), str(v)) for k, v in sorted(versions.items()))),),
            )
        )
    variables = source.get("env") or {}
    if variables:
        blocks.append(
            Fold(
                "Environment variables",
                (DefinitionList(tuple((str(k), str(v)) for k, v in sorted(variables.items()))),),
            )
        )
    return section("Environment", blocks)


def _plain(name: str, value: object) -> str:
    if name.endswith("memory_mb") and isinstance(value, int | float):
        return f"{value / 1024:.0f} GB"
    return str(value)


def reproduce(e: Evidence) -> Section | None:
    """The command, the commit, the data's checksum."""
    commit = e.environment.get("commit") or next(
        (r.environment.get("commit") for r in e.records if r.environment), None
    )
    facts = [("run", f"{e.run.suite_name}/{e.run.id}"), ("seed of the suite", str(e.suite.seed))]
    if isinstance(commit, Mapping) and commit.get("id"):
        facts.append(
            ("commit", str(commit["id"])[:12] + (" with uncommitted changes" if commit.get("dirty") else ""))
        )
    own = e.environment.get("repository")
    if isinstance(own, Mapping) and own.get("id") and own["id"] != (commit or {}).get("id"):
        changed = " with uncommitted changes" if own.get("dirty") else ""
        facts.append(("commit of the suite's own repository", str(own["id"])[:12] + changed))
    tracked = {
        f"{one['path']} {one['md5']}"
        for r in e.of("train")
        if (data := r.facts_as(TrainFacts).data) is not None
        for one in (data.dvc or {}).values()
    }
    if tracked:
        facts.append(("md5 that DVC tracks", n.listed(sorted(tracked))))
    checksums = {
        str(d["checksum"])
        for r in e.records
        if isinstance(d := r.trial.spec.get("data"), Mapping) and d.get("checksum")
    }
    if checksums:
        facts.append((f"checksum of {e.suite.data.name}", n.listed(sorted(c[:16] for c in checksums))))
    run = shlex.quote(e.asked_as)
    home = e.run.url.rstrip("/").rsplit("/", 2)[0]
    is_usual = e.asked_as != e.run.url
    suite = shlex.quote(f"results/{e.asked_as}/suite.yaml" if is_usual else f"{e.run.url}/suite.yaml")
    other, why = other_terms(e.recommendation, f"python -m harness recommend {run}", e.suite)
    commands = [
        "# everything again; finished trials are reused",
        f"python -m harness run {suite}{'' if is_usual else f' --out {shlex.quote(home)}'}",
        "# this report, from the records alone",
        f"python -m harness report {run}",
        f"# {why}",
        other,
    ]
    return section("How to reproduce", [DefinitionList(tuple(facts)), Preformatted("\n".join(commands))])
