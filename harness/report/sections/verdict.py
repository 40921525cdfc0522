"""Page one: which to ship, how sure, under which limits, what would change it; and the limits one by one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from harness.analysis.explain import NONE_MEETS_ALL, nearest_miss, so_far_sentence, waits_for
from harness.analysis.instances import instances
from harness.facts.surroundings import Hardware
from harness.figures import apart, short
from harness.metrics import CAPACITY, MetricTable
from harness.protocols import Section
from harness.report import numbers as n
from harness.report.blocks import (
    Block,
    Bullets,
    Inline,
    Muted,
    Strong,
    Tile,
    Tiles,
    Tone,
    capital,
    section,
    text,
    with_code,
)
from harness.report.causes import WITHOUT, causes, others_out
from harness.report.deployed import deployed, devices
from harness.report.evidence import Evidence
from harness.report.money_words import MILLION, MONTH, made_of
from harness.report.sections.answer import answers
from harness.report.switches import flip_sentence, near_switches
from harness.report.wording import MET, UNCERTAIN, in_vain, sureness, ways_of_cutting, where_speeds_hold
from harness.results import Row
from harness.suite.expression import Constraint


def verdict(e: Evidence) -> Section | None:
    """The decision in words that a manager can sign, and the figures that carry it."""
    found = answers(e)
    blocks: list[Block] = [text(Strong(found[0]), kind="verdict")] if found else []
    blocks += [text(*headline(e), kind="lead" if found else "verdict"), text(*confidence(e), kind="lead")]
    if why := e.recommendation.why_not_likeliest:
        blocks.append(text(n.prose(why), kind="lead"))
    # What bears on the decision stands before the figures: it is read with the headline or not at all.
    reverse = "What could reverse it:" if e.chosen or e.in_progress else "What would change this:"
    for head, said in ((reverse, _changes(e)), ("Bear in mind:", warnings(e))):
        if said:
            blocks.append(Bullets(tuple(with_code(x) for x in said), "warning", head))
    if e.chosen:
        blocks.append(Tiles(tuple(tiles(e, e.chosen))))
    blocks.append(Bullets(tuple((reason,) for reason in (*found[1:], *reasons(e)))))
    blocks.append(text(Strong("What it rests on."), " ", basis(e)))
    return section("Verdict", blocks)


def headline(e: Evidence) -> tuple[Inline, ...]:
    """One sentence: what to do."""
    r = e.recommendation
    choice = f"{r.choice or ''}{r.where}"
    match r.verdict:
        case "recommend":
            return ("Ship ", Strong(choice), ".")
        case "tie":
            tie = "" if e.chosen and len(_tied_candidates(e)) == 1 else "A tie. "
            return (f"{tie}Ship ", Strong(choice), f", {_named(e)}.")
        case "none_feasible":
            return ("Ship none of them yet: ", Strong("no variant meets every limit"), ".")
        case _:
            why = waits_for(r.not_compared) or "there is not enough evidence"
            return ("No decision yet: ", Strong(why), ".")


def _named(e: Evidence) -> str:
    """What singles out the named one of a tie: `the cheaper of two that cannot be told apart`."""
    r = e.recommendation
    count = len({r.choice, *r.tied_with})
    among = "two" if count == 2 else str(count)
    if e.chosen and len(_tied_candidates(e)) == 1:
        among += f" runtimes of {e.chosen.candidate}"
    tied = f"{among} that cannot be told apart"
    ending = "er" if count == 2 else "est"
    if r.settled_by == "limits":
        return f"one of {tied}: it is more likely to keep your limits"
    if r.settled_by == "duel":
        return f"the fast{ending} in a duel of {tied} by their figures"
    if r.settled_by == "objective":
        behind = any(u["variant"] in r.tied_with and (u["difference"] or 0.0) < 0 for u in r.runners_up)
        return f"{'among ' * behind}the best on average of {tied}"
    if not r.settled_by:
        return f"one of {tied}"
    is_cost = r.settled_by in e.known and e.known[r.settled_by].is_money
    return f"the {'cheap' if is_cost else 'light'}{ending} of {tied}"


def confidence(e: Evidence) -> tuple[Inline, ...]:
    """How sure that is, in words and as a probability."""
    r = e.recommendation
    probability = r.probability_best
    if r.verdict == "none_feasible":
        return (_nearest(e),)
    if r.so_far:
        return (so_far_sentence(r.so_far, len(e.tradeoff.rows)),)
    if r.verdict == "not_enough_evidence" or not r.choice:
        return ("What was measured so far does not carry a decision.",)
    compared, count = _compared(e)
    if len(e.tradeoff.rows) == 1:
        return ("It is the only variant: nothing was compared.",)
    if compared == 1:
        others = len(e.tradeoff.rows) - 1
        rest = "the other has" if others == 1 else f"the other {others} have"
        return (
            f"It is the only variant with the figures that decide; {rest} none, so nothing was compared.",
        )
    under = " under your limits" if e.limits else ""
    sure = n.percent(probability)
    words = sureness(probability)
    best = f"{words}{': ' if words else ''}the probability that it is the best of {count}{under} is {sure}."
    if r.verdict == "tie":
        return (_tie(e, count),)
    return (best[0].upper() + best[1:], *_regret(e))


def _compared(e: Evidence) -> tuple[int, str]:
    """How many variants were compared, and in words: `the 7 variants that have figures (1 has none)`."""
    total = len(e.tradeoff.rows)
    without = sum(not _has_figures(e, row) for row in e.tradeoff.rows)
    if not without:
        return total, n.counted(total, "variant")
    kept, rest = total - without, f"{without} {'has' if without == 1 else 'have'} none"
    return kept, f"the {n.counted(kept, 'variant')} that {'has' if kept == 1 else 'have'} figures ({rest})"


def _has_figures(e: Evidence, row: Row) -> bool:
    """Whether it was compared at all."""
    return not any(cause.kind in WITHOUT for cause in causes(e, row)[:1])


def _tie(e: Evidence, count: str) -> str:
    """Who else may be as good, and how sure it is that the best is among them."""
    r = e.recommendation
    others = [v for v in r.tied_with if v != r.choice]
    named = n.listed(others) if len(others) <= 4 else n.listed([*others[:3], f"{len(others) - 3} others"])
    if e.chosen and len(_tied_candidates(e)) == 1:
        among = sum(row.best_probability or 0.0 for row in e.rows if row.candidate == e.chosen.candidate)
        compared = {row.candidate for row in e.rows if _has_figures(e, row)}
        models = n.counted(len(compared), "candidate")
        which = f"{e.chosen.candidate} is the best of {models} with probability {n.percent(among)}"
        said = f"{capital(sureness(among))}: {which}. " if among and models != "1 candidate" else ""
        return f"{said}{named} {'is' if len(others) == 1 else 'are'} the same model, served otherwise."
    may = "may be" if len(others) == 1 else "may each be"
    among = sum(row.best_probability or 0.0 for row in e.rows if row.variant in {r.choice, *others})
    own = r.probability_best
    # Where another is the likelier one, the next sentence has the odds of both.
    alone = "" if own is None or r.why_not_likeliest else f", and it is {r.choice} with {n.percent(own)}"
    within = f"is among these {len(others) + 1} with probability {n.percent(among)}{alone}."
    sure = f" The best of {count} {within}"
    any_of = "either" if len(others) == 1 else "any of them"
    may += f" as good or better; {any_of} is a defensible choice on this evidence."
    return f"{named} {may}{sure if among else ''}"


def _tied_candidates(e: Evidence) -> set[str]:
    """The models among the choice and those it is tied with."""
    tied = {e.recommendation.choice, *e.recommendation.tied_with}
    return {row.candidate for row in e.rows if row.variant in tied}


def _regret(e: Evidence) -> tuple[Inline, ...]:
    regret = e.recommendation.expected_regret
    if regret is None or regret <= 0:
        return ()
    lost = n.plain(regret, 2)
    if e.subject == "value":
        lost = e.in_value_unit(lost)
    elif n.unit(e.subject, e.known):
        lost = n.with_unit(e.subject, lost, e.known)
    what = "value" if e.subject == "value" else n.label(e.subject)
    return (
        Muted(
            f" Averaged over what the data leave open, choosing it costs {lost} of {what} against the best."
        ),
    )


def _nearest(e: Evidence) -> str:
    """The variant that comes closest to meeting all limits, and what it misses."""
    row = nearest_row(e)
    if row is None or not e.limits:
        return "See the requirements below for what each one misses."
    kept = [(item, e.meets(row.variant, item)) for item in e.limits]
    missed = [n.limit_words(item, e.known) for item, p in kept if p is not None and p < 0.5]
    floors = [n.label(item.metric) for item, p in kept if p is None]
    chance = n.percent(row.feasible_probability)
    said = [f"The nearest is {row.variant}, which meets all limits with probability {chance}"]
    said += [f"it misses {n.listed(missed)}"] if missed else []
    said += [f"of its {n.listed(floors)} a floor alone is known, which meets no limit"] if floors else []
    return f"{'; '.join(said)}."


def nearest_row(e: Evidence) -> Row | None:
    """As the reasons name it."""
    found = nearest_miss(e.tradeoff, e.limits, e.question.choice)
    return None if found is None else e.tradeoff.rows[found]


def key_metrics(e: Evidence, most: int = 5) -> tuple[str, ...]:
    """What a reader looks at first: the objective, the limited metrics, what the objective is made of, then
    quality, speed, money."""
    wanted = [
        e.objective_metric, *(item.metric for item in e.limits), *e.question.goal.metrics, e.quality_metric,
        "latency_p99_ms", "latency_p50_ms", CAPACITY, "cost_per_million_usd",
        "cost_per_month_usd",
        "throughput_offline_per_s", "peak_memory_mb", "peak_gpu_memory_mb", "model_size_mb",
        "train_cost_usd", "train_seconds",
    ]  # fmt: skip
    return tuple(dict.fromkeys(m for m in wanted if m in e.known_metrics))[:most]


def tiles(e: Evidence, row: Row) -> Iterator[Tile]:
    """A variant's key figures with intervals and limits; without a number and a limit one is left out."""
    sums = [name for name in key_metrics(e) if name in (MONTH, MILLION)]
    for name in key_metrics(e):
        shown = n.shown(name, row.estimates.get(name))
        made = made_of(e, row, name, whole=name == sums[-1]) if name in sums else ""
        which = e.limit_on(name)
        value = with_unit(name, shown, e.known, which)
        value = e.in_value_unit(value) if name == "value" and shown.number is not None else value
        probability = e.meets(row.variant, which) if which else None
        if which is None and shown.number is None and name != e.subject:
            continue  # the table says why
        if which is None:
            remark = "; ".join(x for x in (_as_objective(e, name), shown.beside) if x)
            yield Tile(n.label(name), value, shown.interval, remark, made_of=made)
            continue
        remark = f"limit: {n.limit_bound(which, e.known)}; {_met(probability)}"
        yield Tile(n.label(name), value, shown.interval, remark, tone_of(probability), made)


def with_unit(name: str, shown: n.EstimateText, known: MetricTable, limit: Constraint | None = None) -> str:
    """A figure with its unit; money without an interval to the cent, unless the limit looks the same."""
    if shown.number is None:
        return shown.value
    figure = apart(shown.number, shown.value, limit.limit) if limit and not shown.interval else shown.value
    if n.unit(name, known) == "USD" and not shown.interval:
        return n.money(shown.number) if figure == shown.value else f"${figure}"
    return n.with_unit(name, figure, known, n.shown_unit(name, known))


def _as_objective(e: Evidence, name: str) -> str:
    """Says that a figure is what the decision is about; an expression is spelt out."""
    words = e.recommendation.objective or e.suite.decision.objective
    if name != e.subject:
        return ""
    formula = words.partition("(")[2].removesuffix(")")
    said = n.prose(formula).replace("*", " × ").replace(" - ", " − ")
    return f"the objective: {said}" if formula else "the objective"


def _met(probability: float | None) -> str:
    if probability is None:
        return "not known whether met"
    if probability >= 0.5:
        return f"met with probability {n.percent(probability)}"
    return f"missed with probability {n.percent(1 - probability)}"


def tone_of(probability: float | None) -> Tone:
    if probability is None:
        return "warn"
    return "good" if probability >= MET else "warn" if probability >= UNCERTAIN else "bad"


def reasons(e: Evidence) -> list[str]:
    """Why this one: its lead, what settled a tie, what is out of the question. Limits and single variants
    have their own tables; where nothing could be chosen, the analysis's own reasons stand."""
    r = e.recommendation
    if e.chosen is None:
        # What the headline has said, or the sentence below it.
        above = {
            NONE_MEETS_ALL,
            *(so_far_sentence(found, len(e.tradeoff.rows)) for found in [r.so_far] if found),
        }
        return [n.prose(reason) for reason in r.reasons if not r.reasons[1:] or reason not in above]
    said = [n.prose(r.named_because)] if r.named_because else []
    return [*said, *_lead(e), *(x for x in (others_out(e),) if x)]


def _lead(e: Evidence) -> Iterator[str]:
    """By how much the choice leads the best of those that are not tied with it."""
    runner = next(
        (
            x
            for x in e.recommendation.runners_up
            if x.get("variant") not in e.recommendation.tied_with
            and not causes(e, next(row for row in e.rows if row.variant == x.get("variant")))
            and isinstance(x.get("difference"), int | float)
        ),
        None,
    )
    if runner is None:
        return
    mean, low, high = runner["difference"], runner["difference_low"], runner["difference_high"]
    if mean is None or low is None or high is None:
        return
    # The named one of a tie may trail a variant that the best of the tie leads.
    way = "leads" if mean >= 0 else "is behind"
    name = str(runner.get("metric") or e.objective_metric)
    unit = e.value_unit if name == "value" else n.unit(name, e.known)

    def with_unit(figure: str) -> str:
        return e.in_value_unit(figure) if name == "value" else f"{figure} {unit}".rstrip()

    value, interval = n.interval(mean, low, high) if mean >= 0 else n.interval(-mean, -high, -low)
    interval = n.cents(interval) if unit.startswith("USD") else interval
    following = "the next best that meets the limits" if e.limits else "the next best"
    following = "the best that is not tied with it" if e.recommendation.tied_with else following
    rival, metric = f"{runner['variant']}, {following},", n.label(name)
    often = n.percent(runner["ahead"] if mean >= 0 else 1 - runner["ahead"])
    if "difference_median" in runner:
        usual, average = (with_unit(n.plain(x, 2)) for x in (runner["difference_median"], mean))
        by = f"with {often}: by {usual} at the median ({interval})"
        yield f"It leads {rival} {by}, by {average} on average, in {metric}."
        return
    if (low if mean >= 0 else -high) > 0:
        yield f"It {way} {rival} by {with_unit(value)} ({interval}) in {metric}."
    else:  # Who is out is not called "not separated": that is said of the tied.
        yield f"It {way} {rival} with {often}: by {with_unit(value)} on average ({interval}) in {metric}."


def _changes(e: Evidence) -> list[str]:
    """What would change the answer, what is still to come first."""
    said = [flip_sentence(e, item) for item in near_switches(e)[:2]]
    if not e.in_progress:
        return said
    waiting = f"{n.counted(len(e.missing), 'planned trial')} of {len(e.planned)} still missing"
    return [f"The run is not complete: {waiting}. Figures and verdict may change.", *said]


def basis(e: Evidence) -> str:
    """Seeds, data, rounds and machine behind the decision, in one sentence."""
    trained, served = e.of("train", train_size=e.headline_size), e.of("serve")
    seeds = _per((r.trial.candidate, r.trial.seed) for r in trained)
    rounds = _per((r.trial.variant, r.trial.round) for r in served)
    parts = [_range(seeds, "seed") + " per candidate"] if seeds else []
    way = ways_of_cutting(e.suite.data)
    parts += [way] if way != "one test part" else []
    if e.headline_size:
        parts.append(f"{e.headline_size:,} training examples of {e.suite.data.name}")
    else:
        parts.append(f"all training examples of {e.suite.data.name}")
    parts += [_range(rounds, "serving round")] if rounds else []
    finished = len(e.records) - len(e.failed)
    tail = f"; {in_vain(e.failed)}" if e.failed else ""
    machine = next((m for r in e.of("serve") if (m := r.environment.get("machine"))), Hardware())
    where = f", on {machine['cpu']}" if machine.get("cpu") else ""
    where += f" with {machine['gpu']}" if machine.get("gpu") else ""
    said = f"{n.listed(parts)}{where}; {n.counted(finished, 'finished trial')}{tail}."
    where_it_holds = [where_speeds_hold(e.tradeoff.sessions)] if served else []
    where_it_runs = [*deployed(e.recommendation.choice or ""), *_instance(e), *devices(e)]
    return " ".join([said, *where_it_runs, *where_it_holds])


def _instance(e: Evidence) -> list[str]:
    """Which instance the chosen one of several is, and what it costs."""
    found = [i for i in instances(e.suite, e.tradeoff.machine_class) if i.name == e.recommendation.machine]
    if not e.recommendation.machine or not found:
        return []
    price, other = found[0].price, ""
    if found[0].calibrations:
        other = (
            " Its load is carried over by a measured factor; latencies are those of the measuring machine."
        )
    return [f"{found[0].name}: {price.label}, ${short(price.usd_per_hour)} an hour.{other}"]


def _per(units: Iterable[tuple[object, object]]) -> list[int]:
    """How many different units each has that has any; `units`: (whose, which)."""
    return list(Counter(whose for whose, _ in dict.fromkeys(units)).values())


def _range(counts: Sequence[int], noun: str) -> str:
    """`3 seeds`, `1 to 3 seeds`."""
    least, most = min(counts), max(counts)
    return n.counted(most, noun) if least == most else f"{least} to {n.counted(most, noun)}"


def warnings(e: Evidence) -> list[str]:
    """What a reader must know before trusting the verdict."""
    found = (*e.recommendation.warnings, *e.tradeoff.warnings)
    return list(dict.fromkeys(capital(n.prose(w)).rstrip(".") + "." for w in found))
