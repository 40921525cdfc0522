"""Two-stage recommenders by stage: what each finds and takes, and the price of an index's recall."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

import numpy as np

from harness.facts import EvaluationFacts, PipelineTrainFacts, RecommendationFacts
from harness.facts.recommending import IndexFacts, SliceFacts
from harness.protocols import Section
from harness.report import charts, plots
from harness.report import numbers as n
from harness.report.blocks import Block, Cell, Column, Table, section, text
from harness.report.evidence import Evidence
from harness.report.pictures import both_widths, told
from harness.results import Row

STAGE_LEAD = (
    "Full ranking over {items} items on sale, {users} held-out users, {protocol}. Figures of stages do not "
    "compose: the end-to-end column decides, the others explain it."
)
TIME_NOTE = (
    "Times are medians of {calls} requests, one at a time, taken while other trials ran: read their "
    "proportions; the quiet figure of the whole is the latency in the tables above."
)
RECALL_LEAD = (
    "Each index is built once and asked in several ways. Recall is against exact search for the same "
    "candidates; what the shop earns says what the items that an index misses were worth."
)
EQUAL_LEAD = (
    "At equal recall: each is asked with the least effort that reached a recall of {recall} of exact search "
    "before it was judged, for pasts that it was built with. The time of a search was taken while other "
    "trials ran; the latency is of single requests, timed alone."
)
EQUAL_NOTE = (
    "Inserted: built of the older items, the newest {share} added one by one, and its recall over that of "
    "the index built of all. Filtered: with the same effort, {some} of the items may be answered."
)
EARNED = ("ctr", "revenue_per_session_usd", "margin_per_session_usd")
STAGES = {"encode": "encode user", "search": "search", "features": "describe", "rank": "rank"}
SIZES = {"retrieval_ndcg@10": "retrieval alone", "ranker_ndcg@10": "given its candidates"}


def stages(e: Evidence) -> Section | None:
    """Recall of the candidates, NDCG of each stage and end to end, milliseconds of each stage."""
    found = [(row, facts) for row in e.detailed if (facts := _evaluation(e, row))]
    if not found:
        return None
    facts = found[0][1]
    lead = STAGE_LEAD.format(
        items=f"{facts.eligible_items:,}", users=f"{facts.users:,}", protocol=_protocol(facts)
    )
    timed = next((f.stage_milliseconds for _, f in found if f.stage_milliseconds), None)
    blocks: list[Block] = [text(lead + e.of_first_seed + _beside(facts)), _quality_table(e, found)]
    if timed:
        blocks += [_time_table(e, found), text(TIME_NOTE.format(calls=int(timed["calls"])), kind="note")]
    blocks += [text("Who and what is served", kind="lead"), _served_table(e, found)]
    blocks += [text(f"{row.candidate}: {f.warning}.", kind="warning") for row, f in found if f.warning]
    return section("Stage by stage", blocks)


def _beside(facts: EvaluationFacts) -> str:
    """What the most popular items reach, and what is not asked for."""
    said = []
    if facts.popular and "ndcg@10" in facts.popular:
        said.append(
            "The most popular items, shown to everybody, reach an NDCG@10 of "
            f"{n.plain(facts.popular['ndcg@10'])}."
        )
    left_out = {
        "of items that their users had chosen before": facts.test_events_seen_before,
        "of items that are not on sale": facts.test_events_not_on_sale,
    }
    if some := [f"{share:.1%} {what}" for what, share in left_out.items() if share]:
        said.append(f"Of the test part's choices are left out: {n.listed(some)}.")
    if facts.asked_events_of_new_items:
        share = f"{facts.asked_events_of_new_items:.1%}"
        said.append(f"{share} of what is asked for is of items that nobody chose before.")
    return "".join(f" {sentence}" for sentence in said)


def _protocol(facts: EvaluationFacts) -> str:
    said = facts.protocol
    how = {
        "global_time": "asked at one moment about what they chose later",
        "leave_one_out": "asked about each one's last choice",
        "random": "asked about a random share of each one's choices",
        "random_events": "asked about a random share of all choices, whoever's they are",
    }[said.split]
    seen = "items seen in training left out" if said.mask_seen else "items seen before may come again"
    return f"{how}; {seen}"


def _quality_table(e: Evidence, found: Sequence[tuple[Row, EvaluationFacts]]) -> Table:
    rows = []
    for row, facts in found:
        by_stage, index = facts.stages, facts.index
        rows.append((
            _name(e, row), _figure(by_stage.get("candidate_recall")),
            *(_figure(by_stage.get(name)) for name in SIZES),
            _estimate(row, "ndcg@10"), Cell(index.kind if index else "none"),
            _figure(index.recall if index else None),
        ))  # fmt: skip
    columns = (
        Column("variant", numeric=False), Column("candidates' recall", "of relevant items"),
        *(Column(f"NDCG@10, {words}") for words in SIZES.values()), Column("NDCG@10, end to end"),
        Column("index", numeric=False), Column("index's recall", "of exact search"),
    )  # fmt: skip
    return Table(columns, tuple(rows), kind="compact")


def _time_table(e: Evidence, found: Sequence[tuple[Row, EvaluationFacts]]) -> Table:
    rows = []
    for row, facts in found:
        took = facts.stage_milliseconds or {}
        total = sum(took.get(stage, 0.0) for stage in STAGES) or float("nan")
        cells = [_name(e, row)]
        for stage in STAGES:
            ms = took.get(stage, 0.0)
            cells.append(Cell(n.plain(ms, 2) if ms else "–", f"{100 * ms / total:.0f} %" if ms else "", ms))
        rows.append((*cells, Cell(n.plain(total, 2), sort=total), _estimate(row, "latency_p50_ms")))
    columns = (
        Column("variant", numeric=False), *(Column(words, "ms") for words in STAGES.values()),
        Column("all stages", "ms"), Column("p50 latency, quiet", "ms"),
    )  # fmt: skip
    return Table(columns, tuple(rows), kind="compact")


def _served_table(e: Evidence, found: Sequence[tuple[Row, EvaluationFacts]]) -> Table:
    rows = []
    for row, facts in found:
        who, new = facts.warm_and_cold, facts.new_items
        cells = [_name(e, row)]
        for users in (who.warm, who.cold) if who else (SliceFacts(0), SliceFacts(0)):
            cells.append(_figure(users.ndcg_at_10, f"{users.users:,} users"))
        share, whole = new.share_of_shown, new.share_of_catalogue
        cells.append(
            Cell(f"{100 * share:.1f} %", f"{100 * whole:.1f} % of the catalogue", share)
            if share is not None and whole is not None
            else Cell("none launched", tone="muted")
        )
        cells += [
            _estimate(row, "catalog_coverage@10"),
            _figure(facts.gini_at_10),
            _figure(facts.novelty_bits_at_10),
        ]
        rows.append(tuple(cells))
    columns = (
        Column("variant", numeric=False), Column("NDCG@10, known users"), Column("NDCG@10, new users"),
        Column("new items", "of what is shown"), Column("catalogue coverage@10"),
        Column("Gini@10", hint="0: all items shown alike; 1: one item only"), Column("novelty", "bits"),
    )  # fmt: skip
    return Table(columns, tuple(rows), kind="compact")


def price_of_recall(e: Evidence) -> Section | None:
    """Recall, time and takings of each index and way of asking it."""
    indexed = [(row, f.index) for row in e.detailed if (f := _evaluation(e, row)) and f.index]
    found = [(row, index) for row, index in indexed if len(index.curve) > 1]
    blocks = [*_equal_recall(e, indexed), *(_ways_to_ask(e, indexed, found) if found else ())]
    return section("The price of an index's recall", blocks) if blocks else None


def _ways_to_ask(
    e: Evidence, indexed: Sequence[tuple[Row, IndexFacts]], found: Sequence[tuple[Row, IndexFacts]]
) -> Iterator[Block]:
    """The curve of recall against time, and what the shop takes at each point of it."""
    flat = [(row, index) for row, index in indexed if index.kind == "flat"]
    same = _ranking(e, found[0][0])  # exact search under the same ranker, where there is one
    flat.sort(key=lambda pair: _ranking(e, pair[0]) != same)
    series = [_series(e, row, index) for row, index in found]
    for row, index in flat[:1]:
        point = index.curve[0]
        colour = e.palette.colour(row.candidate)
        series.append(plots.Line(f"{row.candidate}, exact", [point.ms_per_query], [point.recall],
                                   colour=colour, marker="s"))  # fmt: skip
    axes = (
        plots.Axis("ms per query, in one batch (log scale)", True),
        plots.Axis("Recall of exact search"),
    )
    alt = told("Recall of exact search by ms per query", series)
    rows = tuple(cells for row, index in [*flat[:1], *found] for cells in _ways(e, row, index))
    columns = (
        Column("variant", numeric=False), Column("asked with", numeric=False),
        Column("index's recall", "of exact search"), Column("time", "ms per query"),
        Column("index", "MB"), Column("built in", "s"), Column("click-through rate"),
        Column("revenue", "USD per visit"), Column("margin", "USD per visit"),
    )  # fmt: skip
    yield text(RECALL_LEAD + e.of_first_seed)
    better = "Better: up and to the left."
    yield both_widths(lambda w: charts.lines(series, *axes, (w, 340)), 680, better, alt)
    yield Table(columns, rows, kind="compact", fold=40)
    yield from _cheapest(found, flat)


def _equal_recall(e: Evidence, indexed: Sequence[tuple[Row, IndexFacts]]) -> Iterator[Block]:
    """Indexes whose effort was chosen for one recall, and which of them answers faster."""
    asked = [(row, index) for row, index in indexed if index.wanted_recall]
    for wanted in sorted({index.wanted_recall for _, index in asked if index.wanted_recall}):
        same = [(row, index) for row, index in asked if index.wanted_recall == wanted]
        yield text(EQUAL_LEAD.format(recall=n.plain(wanted)) + e.of_first_seed)
        columns = (
            Column("variant", numeric=False), Column("asked with", numeric=False),
            Column("index's recall", "of exact search"), Column("search", "ms per query"),
            Column("p50 latency, quiet", "ms"), Column("built in", "s"), Column("inserted", "recall kept"),
            Column("insertion", "ms per item"), Column("filtered", "recall"),
            Column("filtered search", "ms per query"),
        )  # fmt: skip
        yield Table(columns, tuple(_tried(e, row, index) for row, index in same), kind="compact")
        tried = [i for _, i in same if i.inserted and i.filtered]
        if tried and tried[0].inserted and tried[0].filtered:
            shares = (f"{100 * s:.0f}\u202f%" for s in (tried[0].inserted.share, tried[0].filtered.share))
            yield text(EQUAL_NOTE.format(share=next(shares), some=next(shares)), kind="note")
        if len(same) > 1:
            yield text(_fastest(e, [row for row, _ in same]))


def _tried(e: Evidence, row: Row, index: IndexFacts) -> tuple[Cell, ...]:
    way, inserted, filtered = index.curve[0], index.inserted, index.filtered
    setting = way.setting
    return (
        _name(e, row), Cell(f"{setting[0]} {setting[1]}" if setting else "exact"),
        _between(way.recall, way.recall_low, way.recall_high),
        _between(way.ms_per_query, way.ms_low, way.ms_high),
        _estimate(row, "latency_p50_ms"), _figure(_built_in(e, row)),
        _between(inserted.kept, inserted.kept_low, inserted.kept_high) if inserted else _figure(None),
        _figure(inserted.ms_per_item if inserted else None),
        _between(filtered.recall, filtered.recall_low, filtered.recall_high) if filtered else _figure(None),
        _figure(filtered.ms_per_query if filtered else None),
    )  # fmt: skip


def _fastest(e: Evidence, rows: Sequence[Row]) -> str:
    """The order of the single requests' latencies, by ratios paired over rounds."""
    draws = {row.candidate: d for row in rows if (d := e.draws("latency_p50_ms", row.variant)) is not None}
    if len(draws) < 2:
        return "Which is faster is not estimable: fewer than two of them were timed alone."
    order = sorted(draws, key=lambda name: float(np.nanmedian(draws[name])))
    words = []
    for first, second in pairwise(order):
        low, middle, high = np.nanquantile(draws[second] / draws[first], [0.025, 0.5, 0.975])
        times = f"{middle:.2f} times ({low:.2f}–{high:.2f})"
        if not high > low:
            words.append(f"{second} takes {middle:.2f} times as long as {first}, of one round: no interval")
        elif low > 1:
            words.append(f"{second} is slower than {first}, {times}")
        else:
            words.append(f"{second} and {first} are not separated, {times}")
    return f"Single requests at equal recall: {'; '.join(words)}."


def _ranking(e: Evidence, row: Row) -> object:
    candidate = e.suite.candidates.get(row.candidate)
    return candidate.ranking if candidate else None


def _series(e: Evidence, row: Row, index: IndexFacts) -> plots.Line:
    curve = sorted(index.curve, key=lambda point: point.ms_per_query)
    return plots.Line(
        row.candidate, [p.ms_per_query for p in curve], [p.recall for p in curve],
        colour=e.palette.colour(row.candidate), marker="o", strong=row.variant == e.recommendation.choice,
    )  # fmt: skip


def _ways(e: Evidence, row: Row, index: IndexFacts) -> Iterator[tuple[Cell, ...]]:
    earned, build = _earned(e, row), _built_in(e, row)
    for point in index.curve:
        setting = point.setting
        money = earned.get(setting[1] if setting else None)
        yield (
            _name(e, row), Cell(f"{setting[0]} {setting[1]}" if setting else "exact"), _figure(point.recall),
            Cell(n.plain(point.ms_per_query, 2), sort=point.ms_per_query),
            Cell(n.plain(index.size_mb)), _figure(build),
            *(_figure(money.get(m) if money else None) for m in EARNED),
        )  # fmt: skip


def _built_in(e: Evidence, row: Row) -> float | None:
    built = (r.facts_as(PipelineTrainFacts).index for r in e.of("train", row.candidate))
    return next((b.build_seconds for b in built if b and b.build_seconds), None)


def _earned(e: Evidence, row: Row) -> dict[int | None, Mapping[str, float]]:
    """Setting → what the shop takes with it, in the same visits; of an exact index under None."""
    for record in e.scored(row.candidate, row.runtime):
        online = record.facts_as(RecommendationFacts).online
        ways = online.price_of_recall if online else ()
        return {next((int(w[k]) for k in ("nprobe", "ef_search") if k in w), None): w for w in ways}
    return {}


def _cheapest(
    found: Sequence[tuple[Row, IndexFacts]], flat: Sequence[tuple[Row, IndexFacts]]
) -> Iterator[Block]:
    """In words: the fastest way that keeps nearly everything, and whether exact search is as fast."""
    ways = [(p.ms_per_query, p.recall, row.candidate) for row, index in found for p in index.curve]
    good = [w for w in ways if w[1] >= 0.95]
    if not good:
        yield text("No approximate index reaches a recall of 0.95 in any way it was asked.")
        return
    ms, recall, name = min(good)
    best = f"{name}: {n.plain(ms, 2)} ms per query at {recall:.3f}"
    if not flat:
        yield text(f"The fastest way to a recall of 0.95 is {best}.")
        return
    exact = flat[0][1].curve[0].ms_per_query
    if exact <= ms:
        yield text(
            f"Exact search takes {n.plain(exact, 2)} ms per query and loses nothing: no approximate index is "
            f"needed. The fastest that reaches a recall of 0.95 is {best}."
        )
        return
    yield text(
        f"The fastest way to a recall of 0.95 is {best}; exact search takes {n.plain(exact, 2)} ms,"
        f" {exact / ms:.1f} times as long."
    )


def _evaluation(e: Evidence, row: Row) -> EvaluationFacts | None:
    """What the first seed's score trial says; None outside recommendation."""
    told = (r.facts_as(RecommendationFacts).evaluation for r in e.scored(row.candidate, row.runtime))
    return next((facts for facts in told if facts is not None), None)


def _name(e: Evidence, row: Row) -> Cell:
    return Cell(row.variant, key=e.palette.swatch(row.candidate, row.runtime))


def _figure(value: float | None, beneath: str = "") -> Cell:
    if value is None or not np.isfinite(value):
        return Cell("not measured", tone="muted")
    return Cell(n.plain(value), beneath, value)


def _between(value: float, low: float | None, high: float | None) -> Cell:
    if low is None or high is None or not (np.isfinite(low) and np.isfinite(high)):
        return _figure(value)
    return Cell(*n.interval(value, low, high), sort=value)


def _estimate(row: Row, name: str) -> Cell:
    shown = n.shown(name, row.estimates.get(name))
    return Cell(shown.value, shown.interval, shown.number)
