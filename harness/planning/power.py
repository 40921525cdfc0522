"""What a suite can learn, before it runs: the differences between two candidates that its seeds, test rows
and rounds tell apart, and what it would take to tell those apart that are worth while.

"Told apart" is what the rule means by it (`harness.analysis.rule`): of two candidates that differ by so much
the better one is recommended and the other is in no tie with it. That asks for a measured difference of so
many standard errors, found by simulating the rule on its own joint draws (`benchmarks/power.py`); standard
errors follow from spreads of an earlier run on the same data, or from assumptions that are named.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from harness.metrics import CAPACITY
from harness.planning.estimate import test_rows_of, usd_per_hour
from harness.record import HarnessError
from harness.spread import Spread
from harness.suite import expression
from harness.suite.schema import Suite

if TYPE_CHECKING:
    from harness.protocols import Metric
    from harness.store.runs import RunFolder

POWER = 0.8
"""With what probability the stated difference is told apart."""

ERRORS = 2.85
"""Standard errors by which a true difference must exceed the tolerance to be told apart so surely."""

WIDTH = 0.39
"""The default tolerance, a tenth of the leader's 95 % interval, in standard errors of its figure."""

FEW_SEEDS, FEW_ROUNDS = 0.85, 1.3
"""How much more where variances are learnt from few, over degrees of freedom: those of all candidates' seeds,
and of a row's rounds for its interval."""

EARLIER_SEEDS, EARLIER_ROUNDS = 0.5, 1.0
"""How much more where the spreads are those of an earlier run, over its degrees of freedom: it may have met
less than there is."""

SEED_SHARE = 0.02
"""Assumed spread between seeds, a share of √(p(1 − p)): .006 at .9; .019 and .025 in the published runs."""

OWN_ERRORS = 0.5
"""Assumed share of a classifier's errors that a rival does not make; half of them change with the seed. Who
is behind makes more: of .97 on 300 rows 3.3 points were promised with 80 %, and told apart in 55 to 62 %."""

LEVEL = 0.9
"""Assumed accuracy where no limit names one."""

LAUNCHES: Mapping[str, float] = {"latency_p50_ms": 0.08, "latency_p99_ms": 0.18}
OTHER_LAUNCHES = 0.12
"""Assumed standard deviation, between rounds, of the difference of two variants' logarithms; in the published
runs .004 to .2, .05 to .23 for a p99, .04 to .24 for throughput."""

MOST_SEEDS, MOST_TIMES = 20, 100.0
"""What is beyond is said to be out of reach: seeds, times the test rows."""

STEPS = 30
"""Of the way to the difference that its own spread tells apart: after so many no digit changes any more."""

RUNS_LOOKED_AT = 10
HOURS = 730.0
"""Hours of a month, as costs count them."""


SpreadAt = Callable[[float], Spread]
"""How far figures scatter of candidates that differ by so much."""


@dataclass(frozen=True)
class Design:
    """How much is measured. `times`: the test rows, relative to those of the data."""

    seeds: int
    rounds: int
    candidates: int
    times: float = 1.0


@dataclass(frozen=True)
class Reach:
    """What can be learnt of one metric.

    Args:
        difference: that is told apart with probability `POWER`: in the metric's unit, or where `relative`
            as a share of the figure; None where nothing tells (`basis` then says what is missing).
        basis: where the spreads are from. worth, why_worth: a difference that the suite says is worth while,
            and why. needed: what tells that one apart, in words.
    """

    metric: str
    unit: str
    difference: float | None
    relative: bool
    basis: str
    worth: float | None = None
    why_worth: str = ""
    needed: str = ""


@dataclass(frozen=True)
class Power:
    """What a suite can learn, metric by metric. `rows`: of the test part, None where nothing tells."""

    seeds: int
    rounds: int
    rows: int | None
    reaches: tuple[Reach, ...] = ()
    probability: float = field(default=POWER)


def power_of(suite: Suite, runs: Sequence[RunFolder] = ()) -> Power:
    """What the suite can learn of what decides it.

    Args:
        runs: earlier ones, oldest first, of this suite or others: what they say of the same data is used.
    """
    design = Design(len(suite.training.seeds), suite.serving.rounds, len(suite.candidates))
    rows = test_rows_of(suite)
    power = Power(design.seeds, design.rounds, rows)
    if suite.data.parts > 1 or design.candidates < 2:
        return power  # folds have variances of their own, and one candidate is told apart from nobody
    names = _deciding(suite)
    known = _known_spreads(suite, runs, names)
    reaches = [_reach(suite, name, known.get(name), design, rows) for name in names]
    return replace(power, reaches=tuple(reaches))


def difference_told(spread: Spread, design: Design) -> float:
    """The difference that is told apart with probability `POWER`: of logarithms for what is served."""
    earlier = EARLIER_SEEDS if spread.launches is None else EARLIER_ROUNDS
    known = 1.0 if spread.df is None else 1 + earlier / spread.df
    if spread.launches is not None:
        few = 1 + FEW_ROUNDS / max(design.rounds - 1, 0.5)
        apart, alone = spread.launches / design.rounds, spread.alone / design.rounds
        return known * (ERRORS * math.sqrt(apart) + WIDTH * few * math.sqrt(alone))
    several = design.seeds > 1
    few = 1 + (FEW_SEEDS / (design.candidates * (design.seeds - 1)) if several else 0.0)
    between = spread.seeds / design.seeds if several else 0.0
    trained = spread.residual / design.seeds
    apart = (spread.examples + trained) / design.times + 2 * between
    alone = (spread.alone + trained / 2) / design.times + between
    return known * few * (ERRORS * math.sqrt(apart) + WIDTH * math.sqrt(alone))


# ------------------------------------------------------------------------------------ what decides


def _deciding(suite: Suite) -> list[str]:
    """Measured metrics of the objective, then of the limits; costs rest on a speed."""
    from harness.metrics import metrics_of

    known = metrics_of(suite)
    speed = CAPACITY if suite.serving.scenarios.server else "latency_p50_ms"
    found: dict[str, None] = {}
    for name in (*_objective(suite)[0].names, *(_limited(text)[0] for text in suite.decision.constraints)):
        if name in known and known[name].is_money:
            found[speed] = None
        elif name in known and (known[name].about == "quality" or known[name].is_speed):
            found[name] = None
    return list(found)


def _objective(suite: Suite) -> tuple[expression.Expression, float]:
    """What is maximised, or minimised (−1)."""
    way, name = expression.parse_objective(suite.decision.objective)
    text = suite.decision.value if name == "value" and suite.decision.value else name
    return expression.parse_value(text), 1.0 if way == "maximize" else -1.0


def _limited(text: str) -> tuple[str, float]:
    """The metric of a limit, without its slice, and the limit."""
    limit = expression.parse_constraint(expression.take_slice(text)[0])
    return limit.metric, limit.limit


# ------------------------------------------------------------------------------------ spreads


def _known_spreads(
    suite: Suite, runs: Sequence[RunFolder], names: Sequence[str]
) -> dict[str, tuple[Spread, str]]:
    """Metric → how it scattered in the newest run on the same data, and which run that is."""
    found: dict[str, tuple[Spread, str]] = {}
    for run in list(reversed(runs))[:RUNS_LOOKED_AT]:
        if set(names) <= set(found):
            break
        try:
            stored = json.loads(run.read_text("tradeoffs.json")).get("spreads", {})
        except (OSError, ValueError, HarnessError):
            continue
        if not stored:
            continue
        for name, data in stored.items():
            spread = Spread(**data)
            if name not in found and spread.data == suite.data.digest:
                found[name] = spread, f"{run.suite_name}/{run.id}"
    return found


def _assumed_spread(suite: Suite, metric: Metric, rows: int | None) -> tuple[SpreadAt, str] | None:
    """What is assumed of a metric that no run tells anything of, and in words; None where nothing can be."""
    name = metric.name
    if metric.is_speed:
        deviation = LAUNCHES.get(name, OTHER_LAUNCHES)
        served = Spread("", 1.0, deviation**2, launches=deviation**2)
        return lambda _: served, f"rounds differ by {100 * deviation:.0f} %"
    if name != "accuracy" or rows is None:
        return None
    limits = (_limited(text) for text in suite.decision.constraints)
    level = next((x for metric, x in limits if metric == name and 0.5 < x < 1), LEVEL)
    seeds = SEED_SHARE * math.sqrt(level * (1 - level))
    said = (
        f"accuracies near {level:g}, seeds differ by {100 * seeds:.1f} points, two candidates share half of "
        "their errors"
    )

    def at(difference: float) -> Spread:
        apart = OWN_ERRORS * (2 * (1 - level) + difference) / rows
        return Spread("", level, level * (1 - level) / rows, apart / 2, apart / 2, seeds**2)

    return at, said


# ------------------------------------------------------------------------------------ reach


def _reach(
    suite: Suite, name: str, known: tuple[Spread, str] | None, design: Design, rows: int | None
) -> Reach:
    from harness.metrics import metrics_of

    metric = metrics_of(suite)[name]
    unit, relative = metric.unit, metric.is_speed
    found: tuple[SpreadAt, str] | None = None
    basis = f"as in {known[1]}" if known else ""
    if known:
        spread = known[0]
        found = (lambda _: spread), basis
    else:
        owner = "" if relative else str(suite.data.args.get("group") or "")
        found = None if owner else _assumed_spread(suite, metric, rows)
        basis = f"assumed: {found[1]}" if found else "not estimable before a first run on these data"
        # How alike rows of one owner are decides what they are worth, and only answers tell.
        whose = "group" if suite.data.name == "image_folder" else owner  # there it is a pattern of names
        basis += f": rows of one `{whose}` are one unit" if owner else ""
    if found is None:
        return Reach(name, unit, None, relative, basis)
    at = found[0]
    told = 0.0
    for _ in range(STEPS):
        told = difference_told(at(told), design)
    if relative:
        return Reach(name, unit, math.expm1(told), relative, basis)
    if unit == "fraction" and told >= 1:
        few = "so few test rows" if rows is None else _counted(rows, "test row")
        return Reach(name, unit, None, relative, f"out of reach of {few}; {basis}")
    worth, why = _worth(suite, name, at(told).level)
    needed = "" if worth is None else _needed(at(worth), design, worth, rows)
    return Reach(name, unit, told, relative, basis, worth, why, needed)


def _worth(suite: Suite, name: str, level: float) -> tuple[float | None, str]:
    """A difference of the metric that is worth while, and why: what the tolerance says, or what one more
    machine costs a month, where the objective sets the metric against costs."""
    goal, _ = _objective(suite)
    if name not in goal.names:
        return None, ""
    price = usd_per_hour(suite)
    others = dict.fromkeys(goal.names, 1.0) | _settings(suite, price)
    step = 1e-3 * (abs(level) or 1.0)
    try:
        ends = [goal.evaluate({**others, name: level + sign * step}) for sign in (-1, 1)]
    except (ArithmeticError, ValueError):
        return None, ""
    slope = abs(float(ends[1]) - float(ends[0])) / (2 * step)
    if not slope > 0 or not math.isfinite(slope):
        return None, ""
    if suite.decision.tolerance:
        return 2 * suite.decision.tolerance / slope, "twice the tolerance"
    if price and "cost_per_month_usd" in goal.names:
        month = HOURS * price
        return month / slope, f"what one machine costs a month, ${month:.2f}"
    return None, ""


def _settings(suite: Suite, price: float | None) -> dict[str, float]:
    traffic = suite.decision.traffic
    return {"qps": traffic.mean, "peak_qps": traffic.peak, "usd_per_hour": price or 0.0}


def _needed(spread: Spread, design: Design, worth: float, rows: int | None) -> str:
    """What tells a difference apart: as it is, with more seeds, more test rows, or both."""

    def enough(**change: float) -> bool:
        return difference_told(spread, replace(design, **change)) <= worth  # type: ignore[arg-type]

    if enough():
        return "this suite is enough"
    # One seed knows no spread of its own: two are the least that say anything of candidates.
    seeds = _first(lambda n: enough(seeds=n), range(max(design.seeds + 1, 2), MOST_SEEDS + 1))
    times = _times(lambda x: enough(times=x))
    both = _times(lambda x: enough(times=x, seeds=MOST_SEEDS))
    more = [f"{seeds} seeds"] if seeds else []
    more += [_more_rows(times, rows)] if times else []
    if more:
        return "it takes " + " or ".join(more)
    return f"it takes {MOST_SEEDS} seeds and {_more_rows(both, rows)}" if both else (
        f"out of reach of {MOST_SEEDS} seeds and {MOST_TIMES:g} times the test rows"
    )  # fmt: skip


def _first(holds: Callable[[int], bool], numbers: Iterable[int]) -> int | None:
    return next((n for n in numbers if holds(n)), None)


def _times(holds: Callable[[float], bool]) -> float | None:
    """The least multiple of the test rows that is enough, in steps of a tenth."""
    return next((x for k in range(1, 49) if (x := 1.1**k) <= MOST_TIMES and holds(x)), None)


def _more_rows(times: float | None, rows: int | None) -> str:
    assert times is not None
    if rows is None:
        return f"{_two_digits(times)} times the test rows"
    digits = 10 ** max(int(math.log10(times * rows)) - 1, 0)
    return f"{math.ceil(times * rows / digits) * digits:,} test rows"


# ------------------------------------------------------------------------------------ in words


def power_lines(power: Power) -> list[str]:
    """What can be learnt, for the plan: metric by metric, what it rests on, what is worth while."""
    if not power.reaches:
        return []
    lines = [
        f"Two candidates are told apart with probability {100 * power.probability:.0f} % if they differ by"
    ]
    for reach in power.reaches:
        if reach.difference is None:
            lines.append(f"  {reach.metric}: {reach.basis}")
            continue
        lines.append(f"  {_much(reach, reach.difference)} ({_by(reach, power)}; {reach.basis})")
        if reach.worth is not None:
            lines.append(
                f"    worthwhile from {_much(reach, reach.worth)} ({reach.why_worth}): {reach.needed}"
            )
    return lines


def _by(reach: Reach, power: Power) -> str:
    """How much is measured of it."""
    if reach.relative:
        return _counted(power.rounds, "round")
    rows = "" if power.rows is None else f", {power.rows:,} test rows"
    one = ", these checkpoints alone" if power.seeds == 1 else ""
    return f"{_counted(power.seeds, 'seed')}{rows}{one}"


def _much(reach: Reach, size: float) -> str:
    if reach.relative:
        return f"{_two_digits(100 * size)} % of {reach.metric}"
    if reach.unit == "fraction":
        return f"{_two_digits(100 * size)} points of {reach.metric}"
    return f"{_two_digits(size)} {reach.unit} of {reach.metric}"


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _two_digits(value: float) -> str:
    """Rounded to two digits, in plain notation: 120 and not 1.2e+02."""
    return f"{float(f'{value:.2g}'):g}"
