"""A recommender by what it earns: A/B tests beside the truth, what a ranker adds, what metrics foretold."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from harness.analysis.ranks import rank_agreement
from harness.facts import OnlineFacts, RecommendationFacts
from harness.facts.recommending import AbTest, OffPolicy, PolicyEstimate
from harness.protocols import Section
from harness.report import numbers as n
from harness.report.blocks import Block, Bullets, Cell, Column, Table, section, text
from harness.report.evidence import Evidence
from harness.results import Row

ONLINE = ("ctr", "conversion_rate", "revenue_per_session_usd", "margin_per_session_usd")
OFFLINE = ("ndcg@10", "dcg@10", "recall@100", "mrr@10", "hit_rate@10", "catalog_coverage@10")
BY_WEIGHT = tuple(reversed(ONLINE))
"""As tables show them: what the decision rests on first, as a telephone shows the first columns."""
MARGIN = "margin_per_session_usd"
ESTIMATORS = {"ips": "inverse propensity", "snips": "self-normalised", "doubly_robust": "doubly robust"}
A_MONTH = 730 * 3600
TEST_LEAD = (
    "A simulated A/B test of each candidate against what the shop shows today, {users} hashed to two arms. "
    "A real test gives a figure and its interval; the truth beside them is the world's closed-form "
    "expectation, and only a generated shop has it. “inconclusive” is a verdict: the test was too small."
)
GAIN_LEAD = (
    "What the second stage adds to the same retrieval alone: differences paired by user, visit and seed. A "
    "month has {sessions} visits at the suite's traffic; a ranker earns its latency when the margin that it "
    "adds clearly exceeds the extra cost of its servers."
)
FORETOLD_LEAD = (
    "Spearman's rank correlation over the {count} candidates between a figure that a team has before a test "
    "and what the candidates truly earn; 1 means the same order. The 95 % intervals are over "
    "candidates and wide, as candidates are few: one that contains 0 foretells nothing that could be shown."
)
POLICY_LEAD = (
    "What the log alone says of each candidate's click-through rate, from the probabilities with which the "
    "shop chose what it showed. A candidate that shows what the shop hardly ever did has few effective pages."
)


def ab_tests(e: Evidence) -> Section | None:
    """A row per candidate: measured lift and truth of four metrics, and the verdict on margin."""
    judged = [(row, facts) for row in e.detailed if (facts := _online(e, row))]
    if not judged:
        return None
    first = judged[0][1].ab_test_against_current
    rows = [_test_row(e, row, facts.ab_test_against_current) for row, facts in judged]
    columns = (
        Column("variant", numeric=False),
        Column("verdict", "on margin", numeric=False),
        *(Column(n.label(m), "measured lift, its interval; the truth") for m in BY_WEIGHT),
    )
    blocks: list[Block] = [
        text(TEST_LEAD.format(users=n.counted(sum(first.users), "user")) + e.of_first_seed),
        Table(columns, tuple(rows), kind="compact"),
        Bullets(tuple((s,) for s in (*_fewer_clicks(judged), *_test_notes([f for _, f in judged])))),
    ]
    return section("A/B tests against what the shop shows today", blocks)


def _test_row(e: Evidence, row: Row, test: AbTest) -> tuple[Cell, ...]:
    swatch = Cell(row.variant, key=e.palette.swatch(row.candidate, row.runtime))
    if test.problem:
        return swatch, Cell("invalid", tone="bad"), *(Cell("not analysed", tone="muted") for _ in ONLINE)
    cells = []
    for name in BY_WEIGHT:
        lift = test.lifts[name]
        cells.append(_share(lift.lift, lift.low, lift.high, lift.truth))
    verdict = test.lifts[MARGIN].verdict
    tone = {"better": "good", "worse": "bad"}.get(verdict, "muted")
    return swatch, Cell(verdict, tone=tone, pill=True), *cells  # type: ignore[arg-type]


def _test_notes(facts: Sequence[OnlineFacts]) -> Iterator[str]:
    needed = facts[0].required_sessions_per_arm
    wanted = [f"{n.label(k.split()[0])} {k.split()[1]}: {v:,}" for k, v in needed.items()]
    if wanted:
        yield (
            "Visits per arm that find a lift with a power of 80 %, at least, as if each were of another user "
            f"(who comes several times tells less each time): {'; '.join(wanted)}."
        )
    tests = [f.ab_test_against_current for f in facts]
    broken = sum(bool(t.problem) for t in tests)
    lowest = min(t.sample_ratio_p for t in tests)
    yield (
        f"Sample-ratio check: {'every split is as planned' if not broken else f'{broken} broken'} "
        f"(lowest p {lowest:.2g})."
    )
    lifts = [x for t in tests for x in t.lifts.values() if np.isfinite(x.lift) and x.truth is not None]
    held = sum(x.low <= x.truth <= x.high for x in lifts if x.truth is not None)
    if lifts:
        yield (
            f"{held} of the {len(lifts)} intervals contain the truth; 95 % should, and the four of one test "
            "hit or miss together."
        )


def _fewer_clicks(judged: Sequence[tuple[Row, OnlineFacts]]) -> Iterator[str]:
    """Who earns more by being clicked less, which a shop should think about before it ships."""
    names = []
    for row, facts in judged:
        lifts = facts.ab_test_against_current.lifts
        if lifts and (lifts["ctr"].truth or 0.0) < 0 < (lifts[MARGIN].truth or 0.0):
            names.append(row.candidate)
    if names:
        yield (
            f"{n.listed(names)} {'earns' if len(names) == 1 else 'earn'} more margin with fewer clicks, by "
            "showing dearer items. This world's customers do not stay away for that; yours might: see what "
            "it earns where they do, and watch who comes back, over weeks, before shipping it."
        )


def ranker_gains(e: Evidence) -> Section | None:
    """What each ranker adds to its own retrieval, in quality, money and time, and whether it is worth it."""
    pairs = [(row, base) for row in e.detailed if (base := unranked(e, row)) is not None and base is not row]
    if not pairs:
        return None
    wanted = ("latency_p50_ms", "cost_per_month_usd", *BY_WEIGHT, "ndcg@10")
    names = [m for m in wanted if m in e.known_metrics]
    columns = (
        Column("variant", "beside", numeric=False),
        *((Column("net gain", "USD a month"),) if MARGIN in names else ()),
        *(Column(n.label(m), f"more, {n.unit(m, e.known)}" if n.unit(m, e.known) else "more") for m in names),
    )  # fmt: skip
    rows = [
        (
            Cell(row.variant, f"beside {base.candidate}", key=e.palette.swatch(row.candidate, row.runtime)),
            *((_money_cell(_net(e, row, base)),) if MARGIN in names else ()),
            *(_difference(e, m, row, base) for m in names),
        )
        for row, base in pairs
    ]
    said = [sentence for row, base in pairs if (sentence := earned(e, row, base))]
    blocks: list[Block] = [
        text(GAIN_LEAD.format(sessions=f"{_sessions(e):,.0f}")),
        *([Bullets(tuple((s,) for s in said))] if said else []),
        Table(columns, tuple(rows), kind="compact"),
    ]
    return section("Does the ranker earn its latency?", blocks)


def unranked(e: Evidence, row: Row) -> Row | None:
    """The variant with the same retrieval and no ranker; None for those that have none themselves."""
    ours = e.suite.candidates.get(row.candidate)
    if ours is None or not ours.ranking or ours.ranking.get("model", "none") == "none":
        return None
    for other in e.tradeoff.rows:
        theirs = e.suite.candidates.get(other.candidate)
        if theirs is None or other.runtime != row.runtime or theirs.retrieval != ours.retrieval:
            continue
        if not theirs.ranking or theirs.ranking.get("model", "none") == "none":
            return other
    return None


def _sessions(e: Evidence) -> float:
    """Visits a month: a request is a page, and the suite's traffic counts requests."""
    return float(e.suite.decision.traffic.mean) * A_MONTH


def _net(e: Evidence, row: Row, base: Row) -> np.ndarray | None:
    """(num_draws,) margin gained less servers' cost, USD a month; None where either is not known."""
    gain = _minus(e, MARGIN, row, base)
    cost = _minus(e, "cost_per_month_usd", row, base)
    return None if gain is None or cost is None else gain * _sessions(e) - cost


def earned(e: Evidence, row: Row, base: Row) -> str:
    """Whether a ranker earns its latency over retrieval alone (`base`); empty where a figure is missing."""
    net, gain = _net(e, row, base), _minus(e, MARGIN, row, base)
    cost = _minus(e, "cost_per_month_usd", row, base)
    if net is None or gain is None or cost is None:
        return ""
    low, high = np.nanquantile(net, [0.025, 0.975])
    amount = n.money(abs(float(f"{np.nanmedian(net):.3g}")))
    if low <= 0 <= high:
        does = "is not shown to earn its latency: the interval of its net gain contains 0"
    elif low > 0:
        does = f"earns its latency, by {amount} a month"
    else:
        does = f"does not earn its latency: it loses {amount} a month"
    words = f"{row.candidate} {does}"
    middle, more = float(np.nanmedian(gain)), float(np.nanmedian(cost))
    if low > 0 and more > 0:
        words += f"; it breaks even from {more / middle:,.0f} visits a month"
    return words + "."


def foretold(e: Evidence) -> Section | None:
    """How well each offline figure, and each off-policy estimate, ordered the candidates."""
    rows = [row for row in e.tradeoff.rows if MARGIN in row.estimates and _online(e, row)]
    # Runtimes of one candidate are no further evidence: each candidate is one point.
    points = list({row.candidate: row for row in reversed(rows)}.values())
    if len(points) < 3:
        return None
    figures = {n.label(m): [_value(r, m) for r in points] for m in OFFLINE if m in e.tradeoff.metrics}
    for key, name in ESTIMATORS.items():
        figures[f"off-policy, {name}"] = [_estimate(e, r, key) for r in points]
    table = []
    for name, values in figures.items():
        cells = [Cell(name)]
        for truth in ("ctr", "revenue_per_session_usd", MARGIN):
            cells.append(_correlation(np.array(values), np.array([_value(r, truth) for r in points])))
        table.append(tuple(cells))
    columns = (
        Column("known before a test", numeric=False), Column("click-through rate", "ρ"),
        Column("revenue", "ρ"), Column("margin", "ρ"),
    )  # fmt: skip
    return section(
        "Which offline figure foretold the shop's takings?",
        [
            text(FORETOLD_LEAD.format(count=len(points))),
            Table(columns, tuple(table), kind="compact"),
            text(POLICY_LEAD + e.of_first_seed),
            _policy_table(e, rows),
        ],
    )


def _correlation(offline: np.ndarray, online: np.ndarray) -> Cell:
    both = np.isfinite(offline) & np.isfinite(online)
    if min(len(np.unique(figures[both])) for figures in (offline, online)) < 2:
        return Cell("not estimable (all alike)", tone="muted")
    rho, low, high = rank_agreement(offline[both], online[both])
    if not np.isfinite(rho):
        return Cell("not estimable (under 4 candidates)", tone="muted")
    tone = "good" if low > 0 else "bad" if high < 0 else ""
    return Cell(n.fixed(rho, 2), f"{n.fixed(low, 2)} to {n.fixed(high, 2)}", rho, tone=tone)  # type: ignore[arg-type]


def _policy_table(e: Evidence, rows: Sequence[Row]) -> Table:
    table = []
    for row in sorted(rows, key=e.rows.index):
        policy = _judged(e, row).off_policy
        cells = [Cell(row.variant, key=e.palette.swatch(row.candidate, row.runtime))]
        cells.append(Cell(n.plain(policy.truth), sort=policy.truth, strong=True))
        for key in ESTIMATORS:
            found = _of(policy, key)
            inside = found.low <= policy.truth <= found.high
            value, interval = n.interval(found.value, found.low, found.high)
            cells.append(Cell(value, interval, found.value, tone="" if inside else "bad"))
        pages = policy.ips.effective
        table.append((*cells, Cell(n.plain(round(pages)), sort=pages)))
    columns = (
        Column("variant", numeric=False), Column("truth", "click-through rate"),
        *(Column(name) for name in ESTIMATORS.values()), Column("effective matches", "of the log"),
    )  # fmt: skip
    return Table(columns, tuple(table), "Red: the 95 % interval misses the truth.", kind="compact")


def _online(e: Evidence, row: Row) -> OnlineFacts | None:
    """What the first seed's score trial says of the shop; None outside the mock shop."""
    told = (r.facts_as(RecommendationFacts).online for r in e.scored(row.candidate, row.runtime))
    return next((facts for facts in told if facts is not None), None)


def _judged(e: Evidence, row: Row) -> OnlineFacts:
    """Of a row that the shop's truth is known of."""
    found = _online(e, row)
    assert found is not None
    return found


def _of(policy: OffPolicy, estimator: str) -> PolicyEstimate:
    return {"ips": policy.ips, "snips": policy.snips, "doubly_robust": policy.doubly_robust}[estimator]


def _estimate(e: Evidence, row: Row, estimator: str) -> float:
    return _of(_judged(e, row).off_policy, estimator).value


def _value(row: Row, name: str) -> float:
    estimate = row.estimates.get(name)
    return float("nan") if estimate is None or estimate.value is None else estimate.value


def _minus(e: Evidence, name: str, row: Row, base: Row) -> np.ndarray | None:
    """(num_draws,) of a difference; one number where a figure has no draws (a cost that nothing varies)."""
    ours, theirs = (e.draws(name, r.variant) for r in (row, base))
    if ours is not None and theirs is not None:
        return np.asarray(ours - theirs)
    difference = _value(row, name) - _value(base, name)
    return np.array([difference]) if np.isfinite(difference) else None


def _difference(e: Evidence, name: str, row: Row, base: Row) -> Cell:
    drawn = _minus(e, name, row, base)
    if drawn is None:
        return Cell("not measured", tone="muted")
    low, middle, high = (float(v) for v in np.nanquantile(drawn, [0.025, 0.5, 0.975]))
    if not high > low:
        return Cell(n.signed(middle), sort=middle)
    value, interval = n.interval(middle, low, high)
    better = n.better(name, e.known)
    sure = 0 if low <= 0 <= high else 1 if (middle > 0) == (better == "higher") else -1
    tone = {0: "", 1: "good", -1: "bad"}[sure]
    return Cell(("+" if middle > 0 else "") + value, interval, middle, tone=tone)  # type: ignore[arg-type]


def _money_cell(drawn: np.ndarray | None) -> Cell:
    if drawn is None:
        return Cell("not measured", tone="muted")
    low, middle, high = (float(v) for v in np.nanquantile(drawn, [0.025, 0.5, 0.975]))
    tone = "good" if low > 0 else "bad" if high < 0 else ""
    low, middle, high = (float(f"{v:.3g}") for v in (low, middle, high))
    return Cell(n.money(middle), f"{n.money(low)} to {n.money(high)}", middle, tone=tone)  # type: ignore[arg-type]


def _share(value: float, low: float, high: float, truth: float | None) -> Cell:
    """A lift in per cent, its interval, and the truth."""
    if value is None or not np.isfinite(value):
        return Cell("not estimable", tone="muted")
    beneath = f"{n.signed(100 * low, 1)} to {n.signed(100 * high, 1)}"
    if truth is not None and np.isfinite(truth):
        beneath += f"; truth {n.signed(100 * truth, 1)}"
    return Cell(f"{n.signed(100 * value, 1)}\u202f%", beneath, value)
