"""The panel that decides again in the page: draws and the rule's settings as JSON, for `whatif.js`."""

from __future__ import annotations

import ast
import base64
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from typing import TypeAlias, TypedDict, cast

import numpy as np
from markupsafe import Markup

from harness.analysis import cost, parts
from harness.analysis.choice import counts_costs, settling_figures, weighs_lightness
from harness.analysis.criteria import BELOW, HARNESS_METRICS, VALUE, worth_of
from harness.analysis.money import COST_METRICS, throughputs
from harness.analysis.parts import LOAD, elsewhere, has_plain_bill, quality_of, why_no_plain_bill
from harness.analysis.rule import POSSIBLE, TieBreaker
from harness.analysis.sanity import senseless
from harness.analysis.sensitivity import Question, depends_on_money
from harness.analysis.served import LATE
from harness.analysis.shrink import PRIOR, SPREADS
from harness.analysis.stats import Array
from harness.analysis.uncompared import least_month, unfinished, why_not_run
from harness.analysis.values import floors_of, metric_draws, utility_draws
from harness.codec import Json, JsonObject
from harness.metrics import CAPACITY, MetricTable, metrics_of
from harness.protocols import Section
from harness.reasons import broken_by
from harness.report import numbers as n
from harness.report.evidence import Evidence
from harness.results import Tradeoff
from harness.suite.expression import Constraint, parse_value

MOST_DRAWS = 999
"""An odd number: its median is one of them."""
MOST_ROWS = 24
MOST_BYTES = 140_000
WEIGHT = "WEIGHT"
FIXED = {"headroom", "spare"}
SETTINGS = ("qps", "peak_qps", "usd_per_hour")


Tree: TypeAlias = list["str | float | Tree"]
"""An expression: an operator and its operands."""


class Packed(TypedDict):
    """Draws in 16 bits: steps between `low` and `high`, as base64."""

    low: float
    high: float
    q: str


class Weight(TypedDict):
    """What a unit of quality is worth in the objective: `text` with `mark` in its place, today's figure."""

    at: float
    label: str
    text: str
    mark: str


def what_if(e: Evidence) -> Section | None:
    """The panel; None where nothing can be moved, or the draws that fit into a page name another variant."""
    question = thinned(e)
    if question is None:
        return None
    data = payload(e, question)
    if data["money"] is None and data["weight"] is None and not data["limits"]:
        return None
    stored = json.dumps(data, separators=(",", ":")).replace("</", "<\\/")
    left = len(e.tradeoff.rows) - len(question.table.rows)
    words = (
        "Move a number and the decision is made again in this page, by the rule and on the measurements of "
        f"this report ({data['num']} draws of them)."
    )
    if left:
        words += f" {n.counted(left, 'variant')} of the lowest ranks not among them."
    if why := why_no_plain_bill(question.table, question.suite):
        words += f" Traffic and price cannot be moved here: {why}."
    if depends_on_money(question) and any(c.metric in LATE for c in question.limits):
        words += (
            " Costs stay those of a load within today's limits on latency; a tighter one makes them higher"
            " (`recommend --where` counts them)."
        )
    html = Markup(
        '<p>{}</p>\n<div class="panel" id="what-if-panel" hidden></div>\n'
        "<noscript><p>This panel needs a script; what would change the answer stands above.</p></noscript>\n"
        '<script type="application/json" id="what-if-data">{}</script>\n'
    ).format(words, Markup(stored))
    return Section("What if", str(html), "", "what-if")


def thinned(e: Evidence) -> Question | None:
    """The question on as many draws and variants as a page may hold, stored to 16 bits; None where that would
    name another variant than the report does."""
    question = e.question
    if not e.recommendation.choice or not question.table.draws:
        return None
    rows = e.rows[:MOST_ROWS]
    columns = [question.table.rows.index(row) for row in rows]
    names = _needed(question)
    decide = _read(question)
    held = len([x for x in names if x in decide]) + 1  # costs are held as the throughput behind them
    size = min(MOST_DRAWS, MOST_BYTES * 3 // (4 * 2 * held * len(rows)), _count(question.table))
    size -= 1 - size % 2
    stride = max(_count(question.table) // size, 1)
    for offset in range(stride):
        keep = slice(offset, offset + stride * size, stride)
        draws = {
            name: np.column_stack([_coarse(drawn[keep, k]) for k in columns])
            for name, drawn in question.table.draws.items()
            if name in (*names, *COST_METRICS, VALUE)
        }
        if any(len(d) < size for d in draws.values()):
            break
        table = replace(question.table, rows=tuple(rows), draws=draws)
        found = replace(question, table=table)
        if (qps := _repriced(found)) is not None:
            found = qps
        if found.winner == e.recommendation.choice:
            return found
    return None


def _repriced(question: Question) -> Question | None:
    """Money made from the coarse throughputs, where it is made from throughputs alone."""
    return question.with_prices() if has_plain_bill(question.table, question.suite) else None


def _count(table: Tradeoff) -> int:
    return min(len(d) for d in table.draws.values())


def _needed(question: Question) -> list[str]:
    """Metrics whose draws decide: costs by what they are made from, a value by its parts."""
    wanted = _read(question)
    if any(_is_bill(x) for x in wanted) or not wanted:
        wanted += [CAPACITY, "throughput_offline_per_s", "latency_p50_ms"]
    wanted += [x for c in question.limits if c.is_upper for x in BELOW.get(c.metric, ())]
    known = [x for x in dict.fromkeys(wanted) if x not in SETTINGS and x != VALUE]
    return [x for x in known if x in question.table.draws and not _is_bill(x)]


def _is_bill(name: str) -> bool:
    return name in HARNESS_METRICS and HARNESS_METRICS[name].is_bill


def _read(question: Question) -> list[str]:
    """What objective and limits name, a value's parts among them."""
    wanted = [*question.goal.expression.names, *(c.metric for c in question.limits)]
    if VALUE in wanted and question.suite.decision.value:
        wanted += worth_of(question.suite).expression.names
    return list(dict.fromkeys(wanted))


def _coarse(drawn: Array) -> Array:
    """Draws as they come out of 16 bits."""
    return _decoded(_packed(drawn), len(drawn))


def _packed(drawn: Array) -> Packed | None:
    known = np.isfinite(drawn)
    if not known.any():
        return None
    low, high = float(drawn[known].min()), float(drawn[known].max())
    scaled = np.rint((drawn[known] - low) / (high - low) * 65534) if high > low else 0
    steps = np.full(len(drawn), 65535, dtype="<u2")
    steps[known] = scaled
    return {"low": low, "high": high, "q": base64.b64encode(steps.tobytes()).decode()}


def _decoded(packed: Packed | None, count: int) -> Array:
    if packed is None:
        return np.full(count, np.nan)
    steps = np.frombuffer(base64.b64decode(packed["q"]), dtype="<u2").astype(float)
    values = packed["low"] + (packed["high"] - packed["low"]) * (steps / 65534)
    return np.asarray(np.where(steps == 65535, np.nan, values))


def payload(e: Evidence, question: Question) -> JsonObject:
    """What the page holds: everything that `whatIf.decide` reads, and what the panel says of it."""
    table, suite = question.table, question.suite
    traffic, price = suite.decision.traffic, cost.price_of(suite.machine)
    money = has_plain_bill(table, suite)
    tree, weight = _weighted(question)
    terms = question.choice.terms
    needed = _read(question)
    if money:
        needed = [x for x in needed if x not in ("cost_per_month_usd", "cost_per_million_usd")]
    draws = {x: metric_draws(table, x) for x in needed if x in table.draws and x != VALUE}
    if money:
        draws[LOAD] = throughputs(table, suite)[0]
    places = {row.variant: k for k, row in enumerate(table.rows)}
    hourly = price.usd_per_hour if price else math.nan
    value = suite.decision.value or ""
    valued = bool(value) and VALUE in needed
    return {
        "run": e.asked_as,
        "variants": [row.variant for row in table.rows], "models": [row.candidate for row in table.rows],
        "colours": [e.palette.colour(row.candidate) for row in table.rows],
        "choice": e.recommendation.choice,
        "num": len(next(iter(table.draws.values()))),
        "draws": {x: [_packed(d[:, k]) for k in range(len(table.rows))] for x, d in draws.items()},
        "objective": tree, "sign": question.goal.sign,
        "value": (tree if weight else _tree(parse_value(value).tree, None)) if valued else None,
        "limits": [_limit(c, metrics_of(question.suite)) for c in question.limits],
        "terms": asdict(terms),
        "barred": sorted(senseless(table, question.limits, question.goal)),
        "figures": [_figure(f, len(table.rows)) for f in settling_figures(table)],
        "floors": [np.flatnonzero(floors_of(table, c.metric)).tolist() if c.is_upper else []
                   for c in question.limits],
        "out": [_unfinished(e.question, question, k) for k in _places(e.question)],
        "faster": _faster(question, places), "counts_costs": counts_costs(question.goal, suite),
        "weighs_lightness": weighs_lightness(question.goal, suite),
        "by_share": parts.scatters_by_share(question.goal, suite),
        "parts": [*quality_of(question.goal, suite), *([LOAD] if money else [])],
        "money": _money(question, hourly) if money else None,
        "peak_follows": traffic.peak_qps is None and not traffic.curve,
        "spreads": SPREADS.tolist(), "prior": PRIOR,
        "weight": weight,
        "today": {
            "qps": traffic.mean, "peak_qps": traffic.peak,
            "usd_per_hour": hourly if price else None, "weight": weight["at"] if weight else None,
            "limits": [c.limit for c in question.limits],
        },
    }  # fmt: skip


def _money(question: Question, hourly: float) -> JsonObject:
    """What a bill is made of besides traffic, price and load: of each row its other items, and whether it
    needs no machine."""
    table, suite = question.table, question.suite
    return {
        **suite.decision.traffic.model_dump(include=FIXED), "usd_per_hour": hourly,
        "besides": [asdict(row.besides) for row in table.rows],
        "elsewhere": elsewhere(table, suite).tolist(),
    }  # fmt: skip


def _limit(c: Constraint, known: MetricTable) -> JsonObject:
    sure = "" if c.probability is None else f" with {c.probability:g}"
    named = {"metric": c.metric, "op": c.op, "asked": c.probability, "with": sure}
    return {**named, "label": n.label(c.metric), "unit": n.unit(c.metric, known)}


def _figure(figure: TieBreaker, rows: int) -> JsonObject:
    of = [figure.of(k) for k in range(rows)]
    return {"name": figure.name, "least": figure.least, "of": [x if math.isfinite(x) else None for x in of]}


def _deciding(question: Question) -> list[str]:
    return list(dict.fromkeys((*question.goal.metrics, *(c.metric for c in question.limits))))


def _places(question: Question) -> list[int]:
    """Rows that were not measured to the end and may be the better choice where something is moved."""
    return unfinished(question.table, _deciding(question), question.barred)


def _unfinished(whole: Question, question: Question, k: int) -> JsonObject:
    """One of them: up to where it surely is out (`metrics` that a limit may be on), and what else is known.

    `row` is its place in the page, None of one of the lowest ranks: of these `ends` says how far each limit
    may be moved, and `most` what its objective comes to at the most.
    """
    row, costs = whole.table.rows[k], question.suite.decision.costs
    known = broken_by(why_not_run(row, _deciding(whole)))
    said: dict[str, Json] = {"variant": row.variant, "ruled_out": known is not None, "metrics": []}
    if known is not None:
        above = [x for x, below in BELOW.items() if known.is_upper and known.metric in below]
        said["metrics"] = [known.metric, *above]
        said |= {"upper": known.is_upper, "at": known.at, "items": costs is not None}
        said["bill"] = known.metric if known.metric in COST_METRICS else ""
        said["paid_each"] = bool(costs and any(x.usd_per_request for x in costs.items.values()))
    place = next((j for j, r in enumerate(question.table.rows) if r.variant == row.variant), None)
    said["row"] = place
    if place is None:
        said |= {"ends": [_end(whole, c, k) for c in whole.limits], "most": _most(whole, k)}
    else:
        said["below"] = [_below(question, c, place) for c in question.limits]
        said["month"] = least_month(question.suite, row)
    return said


def _below(question: Question, limit: Constraint, place: int) -> list[Json]:
    """Draws of what is never above a metric that a row has no figure for."""
    table, names = question.table, BELOW.get(limit.metric, ()) if limit.is_upper else ()
    if not np.isnan(metric_draws(table, limit.metric)[:, place]).all():
        return []
    found = (_packed(metric_draws(table, name)[:, place]) for name in names)
    return [cast(JsonObject, packed) for packed in found if packed is not None]


def _end(question: Question, limit: Constraint, k: int) -> float | None:
    """How far a limit may be moved until a row surely is out by what is known of it."""
    names = (limit.metric, *(BELOW.get(limit.metric, ()) if limit.is_upper else ()))
    drawn = [d for name in names if not np.isnan(d := metric_draws(question.table, name)[:, k]).any()]
    share = POSSIBLE if limit.is_upper else 1 - POSSIBLE
    return max((float(np.quantile(d, share)) for d in drawn), default=None)


def _most(question: Question, k: int) -> float | None:
    if depends_on_money(replace(question, limits=())):
        return None
    worth = utility_draws(question.table, question.goal, question.suite)[:, k]
    return None if np.isnan(worth).any() else float(np.quantile(worth, 1 - POSSIBLE))


def _faster(question: Question, places: dict[str, int]) -> list[tuple[int, int]]:
    """(winner, loser) of duels, where speed or its cost is the objective."""
    subject = question.goal.subject
    if subject not in HARNESS_METRICS or not HARNESS_METRICS[subject].rests_on_speed:
        return []
    pairs = [
        (v.faster, v.second if v.faster == v.first else v.first)
        for v in question.duels
        if v.faster is not None
    ]
    return [(places[w], places[x]) for w, x in pairs if w in places and x in places]


def _weighted(question: Question) -> tuple[Tree, Weight | None]:
    """The objective as a tree, and what a unit of quality is worth in it, where that can be moved."""
    text = question.goal.expression.text
    tree = parse_value(text).tree
    subject = question.suite.decision.objective.split()[1:2]
    found = next(_weights(tree), None) if subject == [VALUE] else None
    if found is None:
        return _tree(tree, None), None
    constant, metric = found
    marked = ast.unparse(_Marked(constant).visit(parse_value(text).tree))
    at = float(constant.value)  # type: ignore[arg-type]
    label = f"Value of {n.label(metric)} (for 1, so 0.01 is worth a hundredth)"
    return _tree(tree, constant), {"at": at, "label": label, "text": marked, "mark": WEIGHT}


def _weights(tree: ast.expr) -> Iterator[tuple[ast.Constant, str]]:
    """Numbers that a metric of quality is multiplied with."""
    for node in ast.walk(tree):
        match node:
            case (
                ast.BinOp(left=ast.Constant() as c, op=ast.Mult(), right=other)
                | ast.BinOp(left=other, op=ast.Mult(), right=ast.Constant() as c)
            ):
                name = ast.unparse(other).replace(" ", "")
                if name in HARNESS_METRICS and HARNESS_METRICS[name].about == "quality":
                    yield c, name


class _Marked(ast.NodeTransformer):
    """The expression with a name in the place of one number."""

    def __init__(self, constant: ast.Constant) -> None:
        self.place = (constant.lineno, constant.col_offset)

    def visit_Constant(self, node: ast.Constant) -> ast.expr:
        here = (node.lineno, node.col_offset) == self.place
        return ast.Name(WEIGHT) if here else node


def _tree(node: ast.expr, weight: ast.Constant | None) -> Tree:
    """An expression as nested lists: operator, operands."""
    match node:
        case ast.Constant(value=int() | float() as value):
            return ["weight"] if node is weight else ["num", value]
        case ast.Name(id=name):
            return ["name", name]
        case ast.BinOp(op=ast.MatMult()):
            return ["name", ast.unparse(node).replace(" ", "")]
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return ["neg", _tree(operand, weight)]
        case ast.UnaryOp(operand=operand):
            return _tree(operand, weight)
        case ast.BinOp(left=left, op=op, right=right):
            return [_SIGNS[type(op)], _tree(left, weight), _tree(right, weight)]
        case ast.Call(func=ast.Name(id=name), args=args):
            return _call(name, [_tree(a, weight) for a in args])
    raise ValueError(f"no tree for {ast.unparse(node)}")


_SIGNS = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.Pow: "**"}


def _call(name: str, args: Sequence[Tree]) -> Tree:
    """`min` and `max` of many are those of two, again and again."""
    made: Tree = [name, *args[:2]]
    for more in args[2:]:
        made = [name, made, more]
    return made
