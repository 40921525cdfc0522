"""How numbers are written: sensible digits from the interval's width, units, labels, limits."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace

from harness.analysis import tradeoff
from harness.analysis.cost import to_cents
from harness.analysis.criteria import HARNESS_METRICS, VALUE
from harness.analysis.stats import beyond
from harness.analysis.stats import decimals_for as decimals_for
from harness.figures import as_written as as_written
from harness.metrics import METRICS, MetricTable
from harness.protocols import Better
from harness.reasons import Reason, reason_of
from harness.results import Estimate
from harness.suite.expression import Constraint

MINUS = "−"

LABELS = {m.name.partition("@")[0]: m.label for m in METRICS.values() if m.label}
"""Metrics whose name people say otherwise."""

UNITS = {
    "fraction": "",
    "target": "",
    "squared target": "",
    "1": "",
    "usd": "USD",
    "FLOP": "",
    "nats": "nats",
    "squared probability": "",
}

_SUFFIXES = {"_ms": "ms", "_mb": "MB", "_usd": "USD", "_per_s": "1/s", "_qps": "1/s", "_seconds": "s"}


def label(name: str) -> str:
    """A metric's name for people, without its unit: `latency_p99_ms` → `p99 latency`."""
    known, bracket, part = name.partition("[")
    head, at, cut = known.partition("@")
    suffix = next((s for s in _SUFFIXES if head.endswith(s)), "")
    text = LABELS.get(head, head.removesuffix(suffix).replace("_", " "))
    return f"{text}{at}{cut}" + (f" ({part.rstrip(']').replace('=', ' ')})" if bracket else "")


def unit(name: str, known: MetricTable = HARNESS_METRICS) -> str:
    """The unit of a metric's figures as they are stored, and of limits on it; empty for shares and counts."""
    if name not in known:
        return next((u for suffix, u in _SUFFIXES.items() if name.endswith(suffix)), "")
    return UNITS.get(known[name].unit, known[name].unit)


def shown_unit(name: str, known: MetricTable = HARNESS_METRICS) -> str:
    """The unit of what `shown` makes of an estimate, for the head of its column."""
    read_as = known[name].read_as if name in known else None
    return read_as[1] if read_as else unit(name, known)


def better(name: str, known: MetricTable = HARNESS_METRICS) -> Better | None:
    """A metric's direction; None where nothing is known of it."""
    if name == VALUE:
        return "higher"
    return known[name].better if name in known else None


def fixed(value: float, decimals: int) -> str:
    """A number with so many decimals, thousands separated, a real minus sign."""
    text = f"{round(value, decimals):,.{max(0, decimals)}f}"
    return text.replace("-", MINUS) if float(text.replace(",", "")) else text.lstrip("-")


def plain(value: float, digits: int = 3) -> str:
    """A number without an interval: `digits` significant ones, whole numbers in full up to a million; never a
    power of ten."""
    if value == 0:
        return "0"
    if not math.isfinite(value):
        return "not finite"
    size = abs(value)
    for bound, suffix in ((1e12, "T"), (1e9, "G"), (1e6, "M")):
        if size >= bound:
            return plain(value / bound, digits) + f"\u202f{suffix}"
    if float(value).is_integer():
        return fixed(value, 0)
    return fixed(value, max(0, digits - 1 - math.floor(math.log10(size))))


@dataclass(frozen=True)
class EstimateText:
    """An estimate as text.

    Args:
        value: the figure, or the note that stands for it.
        beside: what who calculates with the row's figures finds, where that is another.
    """

    value: str
    interval: str = ""
    number: float | None = None
    beside: str = ""


def shown(name: str, e: Estimate | None) -> EstimateText:
    """A metric's estimate in the unit that `shown_unit(name)` names; `number` stays as stored."""
    entry = HARNESS_METRICS.get(name)
    if e is None or e.value is None:
        return estimate(e)
    if e.machines or e.step:
        # A bill is not rounded: what an interval's digits make of it may lie on the other side of a limit.
        return replace(estimate(e), value=amount(e.value), interval=bills_of(e))
    if unit(name) == "USD" and not estimate(e).interval:
        return replace(estimate(e), value=amount(e.value))
    if unit(name) == "MB":
        return _megabytes(e)
    if entry is None or entry.read_as is None:
        return estimate(e)
    factor = entry.read_as[0]
    low, high = (None if x is None else x * factor for x in (e.low, e.high))
    return replace(estimate(replace(e, value=e.value * factor, low=low, high=high)), number=e.value)


def _megabytes(e: Estimate) -> EstimateText:
    """Three digits at most: how a process was given its pages is no property of a model."""
    assert e.value is not None
    found = estimate(e)
    if not found.interval or e.low is None or e.high is None or not 10 <= abs(e.value) < 1e6:
        return found
    places = 0 if abs(e.value) >= 100 else 1
    value, low, high = (fixed(x, places) for x in (e.value, e.low, e.high))
    if len(value) >= len(found.value):
        return found
    is_wide = float(high.replace(",", "")) - float(low.replace(",", "")) > 1.5 * 10.0**-places
    return replace(found, value=value, interval=f"{low}–{high}" if is_wide else "")


def estimate(e: Estimate | None) -> EstimateText:
    """An estimate's figure and its 95 % interval, or why there is none."""
    if e is None:
        return EstimateText("not measured")
    if e.value is None or not math.isfinite(e.value):
        return EstimateText(e.note or "not measured")
    if e.low is None or e.high is None or not e.high > e.low:
        return EstimateText(plain(e.value), "", e.value)
    return EstimateText(*interval(e.value, e.low, e.high), e.value, _by_figures(e))


def _by_figures(e: Estimate) -> str:
    """`876 by its figures`, with the digits of the value; empty where the two look the same."""
    if e.by_figures is None or e.value is None or e.low is None or e.high is None:
        return ""
    half = min((e.high - e.low) / 2, max(e.value - e.low, e.high - e.value))
    is_large = max(abs(x) for x in (e.value, e.low, e.high)) >= 1e6
    text = plain(e.by_figures) if is_large else fixed(e.by_figures, decimals_for(half))
    return "" if text == interval(e.value, e.low, e.high)[0] else f"{text} by its figures"


def without_interval(note: str) -> str:
    """The note of a figure that has no interval: what is not estimable is the interval, not the figure."""
    parts = [part.strip() for part in note.split(";")]
    lacking = [reason_of(part) is Reason.NOT_ESTIMABLE for part in parts]
    return "; ".join(
        part.replace(Reason.NOT_ESTIMABLE, "no interval", 1) if lacks else part
        for part, lacks in zip(parts, lacking, strict=True)
    )


def interval(value: float, low: float, high: float) -> tuple[str, str]:
    """Value and interval with the digits that the interval's width justifies."""
    size = max(abs(value), abs(low), abs(high))
    half = min((high - low) / 2, max(value - low, high - value))
    if size >= 1e6:
        return plain(value), f"{plain(low)}–{plain(high)}"
    if half < 1e-4:  # three digits, or as many as keep the figure within its interval
        digits = next((d for d in range(3, 10) if low <= float(f"{value:.{d}g}") <= high), 3)
        return plain(value, digits), f"{plain(low, digits)}–{plain(high, digits)}"
    decimals = decimals_for(half)
    # The near end of a skewed interval would be shown as 0, or as the figure itself.
    while (
        decimals < 6
        and low < value < high
        and (
            fixed(value, decimals) in (fixed(low, decimals), fixed(high, decimals))
            or (low > 0 and fixed(low, decimals).strip("0.,") == "")
        )
    ):
        decimals += 1
    joint = "–" if low >= 0 else " to "
    return fixed(value, decimals), f"{fixed(low, decimals)}{joint}{fixed(high, decimals)}"


def bills_of(e: Estimate) -> str:
    """The interval of a bill. Two or three sums that whole machines make are listed, `65.15 or 130.31`:
    nobody can be billed what lies between. Of more, and of machines by the hour, its ends; empty without any.
    """
    if e.value is None or e.low is None or e.high is None or not e.high > e.low:
        return ""
    count = (e.high - e.low) / e.step if e.step else 0.0
    if not e.step or round(count) > 2:
        return f"{amount(e.low)}–{amount(e.high)}"
    *some, last = (amount(e.low + e.step * k) for k in range(round(count) + 1))
    return f"{', '.join(some)} or {last}"


def signed(value: float, decimals: int | None = None) -> str:
    """A difference with its sign; what rounds to nothing has none."""
    text = plain(abs(value)) if decimals is None else fixed(abs(value), decimals)
    if not re.search(r"[1-9]", text):
        return text
    return ("+" if value > 0 else MINUS) + text


def money(value: float) -> str:
    """An amount in USD: `$0.248`, `$0.50`, `$65.15`, `$1,240`."""
    text = amount(abs(value))
    whole, point, cents = text.partition(".")
    if point and cents.isdigit():
        text = f"{whole}.{cents.rstrip('0').ljust(2, '0')}"
    return f"{MINUS if value < 0 else ''}${text}"


def cents(text: str) -> str:
    """Dollars with one decimal have two: `10.7` → `10.70`."""
    return re.sub(r"(?<![\d.])(\d[\d,]*\.\d)(?!\d)", r"\g<1>0", text)


def amount(value: float) -> str:
    """An amount in USD without an interval: to the cent where it is a bill of some dollars to a thousand."""
    is_small = float(value).is_integer() or not 1 <= abs(value) < 1000
    return plain(value) if is_small else fixed(to_cents(value), 2)


def quantity(name: str, value: float, known: MetricTable = HARNESS_METRICS) -> str:
    """A limit on a metric with its unit, in a sentence: `10 ms`, `$0.50`, `0.88`."""
    return with_unit(name, money(value) if unit(name, known) == "USD" else as_written(value), known)


def two_sides(name: str, today: float, other: float, known: MetricTable = HARNESS_METRICS) -> tuple[str, str]:
    """A limit as it is and as it might be, with as many digits as it takes that the two differ: `0.870`,
    `0.873`."""
    written = len(f"{abs(other):.6g}".replace(".", "").strip("0"))
    for digits in range(min(max(3, written), 6), 10):
        if float(f"{other:.{digits}g}") != today:
            break
    rounded = beyond(other, today, digits)
    size = max(abs(today), abs(rounded))
    places = max(0, digits - 1 - math.floor(math.log10(size))) if size else 0
    if places and size < 1e6:
        now, then = (f"{x:,.{places}f}" for x in (today, rounded))
        while "." in now and now.endswith("0") and then.endswith("0"):
            now, then = now[:-1].rstrip("."), then[:-1].rstrip(".")
        told = [float(x.replace(",", "")) for x in (now, then)]
        # 0.181 beside 50.0 is no 0.2: who asks with that gets another answer.
        if told == [today, rounded] and not (today.is_integer() and rounded.is_integer()):
            return tuple(_sided(name, x, known) for x in (now, then))  # type: ignore[return-value]
    return quantity(name, today, known), quantity(name, rounded, known)


def _sided(name: str, figure: str, known: MetricTable) -> str:
    figure = figure.replace("-", MINUS)
    return with_unit(name, f"${figure}" if unit(name, known) == "USD" else figure, known)


def with_unit(name: str, figure: str, known: MetricTable = HARNESS_METRICS, after: str | None = None) -> str:
    """A figure with its metric's unit, or another that it is in: `10 ms`, `$0.124`."""
    after = unit(name, known) if after is None else after
    if after == "USD":
        return figure if "$" in figure else f"${figure}"
    return figure + (f"\u202f{after}" if after else "")


def percent(probability: float | None) -> str:
    """A probability for people; never 0 % or 100 %, which no sample of draws can show."""
    if probability is None or not math.isfinite(probability):
        return "not known"
    return tradeoff.percent(probability).replace(" %", "\u202f%")


def p_value(value: float) -> str:
    """Two digits, and none below one in ten thousand."""
    return "under 0.0001" if value < 1e-4 else plain(value, 2)


def seconds(value: float) -> str:
    """A duration: `840 ms`, `12 s`, `3 min 20 s`, `2 h 5 min`."""
    whole = round(value)
    if round(value * 1000) < 1000:
        return f"{value * 1000:.0f}\u202fms"
    if whole < 60:
        return f"{whole}\u202fs"
    if whole < 3600:
        return f"{whole // 60}\u202fmin {whole % 60}\u202fs"
    minutes = round(value / 60)
    return f"{minutes // 60}\u202fh {minutes % 60}\u202fmin"


def counted(n: int, noun: str, plural: str = "") -> str:
    """`1 seed`, `3 seeds`."""
    return f"{n:,} {noun if n == 1 else plural or noun + 's'}"


def listed(items: list[str] | tuple[str, ...], last: str = "and") -> str:
    """`a`, `a and b`, `a, b and c`."""
    if len(items) < 2:
        return "".join(items)
    return f"{', '.join(items[:-1])} {last} {items[-1]}"


def limit_words(limit: Constraint, known: MetricTable = HARNESS_METRICS) -> str:
    """A limit as a sentence says it: `p99 latency at most 10 ms`."""
    sure = "" if limit.probability is None else f", with probability {percent(limit.probability)}"
    return f"{label(limit.metric)} {limit_bound(limit, known)}{sure}"


def limit_bound(limit: Constraint, known: MetricTable = HARNESS_METRICS) -> str:
    """`at most 10 ms`."""
    return f"{'at most' if limit.is_upper else 'at least'} {quantity(limit.metric, limit.limit, known)}"


_NAMES = "|".join(sorted((re.escape(name) for name in METRICS if "_" in name), key=len, reverse=True))
_IN_PROSE = re.compile(
    rf"\b(?P<name>{_NAMES})\b(?:\s*(?P<op><=|>=)\s*(?P<limit>[0-9.e+-]*[0-9]))?"
    r"(?P<figure>:?(?: is)? [0-9.,]*[0-9](?: \([^)]*\))?)?"
)


_PLAIN = "|".join(sorted((re.escape(name) for name in METRICS if "_" not in name), key=len, reverse=True))
_PLAIN_LIMIT = re.compile(rf"\b(?P<name>{_PLAIN})\s*(?P<op><=|>=)\s*(?P<limit>[0-9.e+-]*[0-9])")


_POWER = re.compile(r"(?<![\w.])\d(?:\.\d+)?e[+-]?\d\d(?!\w)")


def without_powers(sentence: str) -> str:
    """Figures as people write them, also where a kept record has another style: `4.19e+03` → `4,190`."""
    return _POWER.sub(lambda match: plain(float(match[0])), sentence)


def prose(sentence: str) -> str:
    """A sentence with metrics as people say them: `latency_p99_ms <= 10` → `p99 latency at most 10 ms`."""

    def said(match: re.Match[str]) -> str:
        name, figure = match["name"], match["figure"] or ""
        text = label(name)
        if match["op"]:
            text += (
                f" {'at most' if match['op'] == '<=' else 'at least'} {quantity(name, float(match['limit']))}"
            )
        after = f"\u202f{unit(name)}" if figure and unit(name) else ""
        return text + figure + after

    def limited(match: re.Match[str]) -> str:
        side = "at most" if match["op"] == "<=" else "at least"
        return f"{label(match['name'])} {side} {quantity(match['name'], float(match['limit']))}"

    return _PLAIN_LIMIT.sub(limited, _IN_PROSE.sub(said, sentence))
