"""What the pages say of a decision: every sentence holds for the figures beside it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from harness.record import Failure, Measurement, Record, Trial
from harness.report import gather
from harness.report.causes import Against, Cause, _counted, causes, others_out
from harness.report.evidence import Evidence
from harness.report.render import sections
from harness.report.terminal import verdict
from harness.results import RunnerUp
from tests.report_samples import Made, make_records, make_run, make_suite

TWO = (Made("fast", 0.88, 0.3, 60, 131_000), Made("slow", 0.90, 1.0, 100, 460_000))


def page_of(
    folder: Path,
    records: Sequence[Record] | None = None,
    world: Sequence[Made] = TWO,
    decision: dict[str, object] | None = None,
    **shape: object,
) -> Evidence:
    """A small run with one size, gathered."""
    options = {"seeds": (0, 1, 2), "sizes": (1000,), "rounds": 3, "calls": 30, "runtimes": ("onnx",), **shape}
    suite = make_suite(world, ("onnx",), decision=decision or {"objective": "maximize accuracy"})
    made = list(records) if records is not None else make_records(world, **options)  # type: ignore[arg-type]
    return gather(make_run(folder, made, suite, files=False))


def said(e: Evidence, name: str) -> str:
    return sections(e, [name])[name].markdown.replace("\\", "")


def test_a_search_for_settings_has_its_section(tmp_path: Path) -> None:
    found = []
    for number, score in enumerate((0.8, 0.85, 0.83)):
        trial = Trial("train", "fast", {"tuning_trial": number}, train_size=1000)
        facts = {"tuning": {"number": number, "metric": "accuracy", "score": score, "settings": {"lr": 0.1}}}
        found.append(Record(trial, "finished", facts=facts, seconds=5.0))
    records = [*make_records(TWO, sizes=(1000,), rounds=1, calls=30, runtimes=("onnx",)), *found]
    text = said(page_of(tmp_path, records), "tuning")
    assert "Each search tried 3 settings" in text and "0.85" in text and "lr 0.1" in text


def test_the_least_loss_of_a_search_is_shown_as_a_loss(tmp_path: Path) -> None:
    """Searches maximise: of a loss of .42 the table said −0.420 under "log loss"."""
    found = []
    for number, score in enumerate((-0.5, -0.42, -0.61)):
        trial = Trial("train", "fast", {"tuning_trial": number}, train_size=1000)
        facts = {"tuning": {"number": number, "metric": "log_loss", "score": score, "settings": {"lr": 0.1}}}
        found.append(Record(trial, "finished", facts=facts, seconds=5.0))
    records = [*make_records(TWO, sizes=(1000,), rounds=1, calls=30, runtimes=("onnx",)), *found]
    text = said(page_of(tmp_path, records), "tuning")
    assert "| 0.500 | 0.420 | lr 0.100 |" in text and "−0." not in text


def with_latency(records: Sequence[Record], of: Callable[[str], float | None]) -> list[Record]:
    """The records with this p99 in every launch."""

    def changed(r: Record) -> Record:
        if r.trial.kind != "serve":
            return r
        rest = [m for m in r.measurements if m.metric != "latency_p99_ms"]
        jitter = 1 + 0.001 * (r.trial.round or 0)
        value = of(r.trial.candidate)
        p99 = Measurement("latency_p99_ms", None if value is None else value * jitter, "ms")
        return replace(r, measurements=(*rest, p99) if r.trial.scenario == "single_stream" else tuple(rest))

    return [changed(r) for r in records]


LIMITED = {"objective": "maximize accuracy", "constraints": ["latency_p99_ms <= 10"]}


def made(**shape: object) -> list[Record]:
    return make_records(TWO, **{"sizes": (1000,), "calls": 30, "runtimes": ("onnx",), **shape})  # type: ignore[arg-type]


def test_the_page_names_one_nearest_miss(tmp_path: Path) -> None:
    levels = {"fast": 100.0, "slow": 10.5}
    e = page_of(tmp_path, with_latency(made(), levels.__getitem__), decision=LIMITED)
    text = said(e, "verdict")
    assert "The nearest is slow/onnx" in text and "Nearest miss: slow/onnx" in text
    assert "The nearest is fast" not in text
    assert "slow/onnx meets them with probability" in said(e, "requirements")


def test_a_variant_without_a_figure_is_not_the_nearest(tmp_path: Path) -> None:
    levels = {"fast": None, "slow": 10.5}
    e = page_of(tmp_path, with_latency(made(), levels.__getitem__), decision=LIMITED)
    assert "The nearest is slow/onnx" in said(e, "verdict")


def test_the_best_of_so_many_counts_all_that_were_compared(tmp_path: Path) -> None:
    levels = {"fast": 5.0, "slow": 100.0}
    e = page_of(tmp_path, with_latency(made(), levels.__getitem__), decision=LIMITED)
    assert "it is the best of 2 variants under your limits" in said(e, "verdict").lower()


def test_a_tie_is_headed_by_what_settled_it(tmp_path: Path) -> None:
    e = page_of(tmp_path)
    tied = replace(e.recommendation, verdict="tie", choice="fast/onnx", tied_with=("slow/onnx",))
    heads = {
        "cost_per_month_usd": "the cheaper of two that cannot be told apart",
        "latency_p50_ms": "the lighter of two that cannot be told apart",
        "limits": "one of two that cannot be told apart: it is more likely to keep your limits",
        "duel": "the faster in a duel of two that cannot be told apart by their figures",
        "objective": "the best on average of two that cannot be told apart",
        "": "one of two that cannot be told apart",
    }
    for by, head in heads.items():
        text = said(replace(e, recommendation=replace(tied, settled_by=by)), "verdict")
        assert text.startswith(f"A tie. Ship **fast/onnx**, {head}."), text[:200]
    ahead: RunnerUp = {
        "variant": "slow/onnx", "probability_best": 0.5, "metric": "accuracy", "difference": -0.01,
        "difference_low": -0.03, "difference_high": 0.01, "why": "",
    }  # fmt: skip
    nearly = replace(tied, settled_by="objective", runners_up=(ahead,))
    text = said(replace(e, recommendation=nearly), "verdict")
    assert text.startswith("A tie. Ship **fast/onnx**, among the best on average of two that cannot be told")


def test_page_one_tells_a_lead_as_it_usually_is_where_its_mean_is_none(tmp_path: Path) -> None:
    """ "It leads by $0 a month" stood beside "the best with 93 %"."""
    e = page_of(tmp_path)
    second: RunnerUp = {
        "variant": "slow/onnx", "probability_best": 0.07, "metric": "accuracy", "difference": 0.0003,
        "difference_low": -0.06, "difference_high": 0.01, "difference_median": 0.009, "ahead": 0.93,
        "why": "",
    }  # fmt: skip
    clear = replace(e.recommendation, choice="fast/onnx", tied_with=(), runners_up=(second,))
    text = said(replace(e, recommendation=clear), "verdict")
    assert "with 93 %: by 0.0090 at the median (−0.06 to 0.01), by 0.00030 on average, in accuracy" in text


def test_page_one_of_a_tie_says_how_likely_the_named_one_is_the_best(tmp_path: Path) -> None:
    e = page_of(tmp_path)
    tie = replace(e.recommendation, verdict="tie", choice="fast/onnx", tied_with=("slow/onnx",))
    sure = replace(e, recommendation=replace(tie, probability_best=0.85, why_not_likeliest=""))
    assert ", and it is fast/onnx with 85 %." in said(sure, "verdict")
    unlikely = replace(sure.recommendation, why_not_likeliest="slow/onnx is the best with probability 59 %.")
    assert "and it is fast/onnx" not in said(replace(e, recommendation=unlikely), "verdict")


def test_a_tie_of_runtimes_says_how_likely_their_model_is_the_best(tmp_path: Path) -> None:
    e = page_of(tmp_path, runtimes=("torch", "onnx"))
    odds = {"fast/onnx": 0.4, "fast/torch": 0.33, "slow/onnx": 0.2, "slow/torch": 0.07}
    rows = tuple(replace(row, best_probability=odds[row.variant]) for row in e.tradeoff.rows)
    tie = replace(e.recommendation, verdict="tie", choice="fast/onnx", tied_with=("fast/torch",))
    text = said(replace(e, tradeoff=replace(e.tradeoff, rows=rows), recommendation=tie), "verdict")
    assert "This leans one way, no more: fast is the best of 2 candidates with probability 73" in text
    assert "fast/torch is the same model, served otherwise." in text and "clear" not in text


def test_page_one_and_terminal_say_why_the_likeliest_best_is_not_the_choice(tmp_path: Path) -> None:
    doubt = {"constraints": ["accuracy >= 0.893"], "objective": "minimize latency_p50_ms"}
    e = page_of(tmp_path, decision=doubt)
    r = e.recommendation
    assert r.choice == "slow/onnx" and r.why_not_likeliest == ""  # fast/onnx surely breaks the limit
    why = "fast/onnx is the best with probability 88 %, slow/onnx with 12 %; but fast/onnx keeps the limits"
    e = replace(e, recommendation=replace(r, probability_best=0.12, why_not_likeliest=why))
    text = said(e, "verdict")
    assert "it is the best of 2 variants under your limits is 12" in text and why in text
    ended = "".join(x if isinstance(x, str) else x[0] for x in verdict(e.tradeoff, e.recommendation))
    assert ended == "Ship slow/onnx, though it is the best of 2 variants with probability 12\u202f% only."


def test_those_ruled_out_for_one_limit_are_counted_together(tmp_path: Path) -> None:
    """Also with who was measured beyond it, whose limit is said with its unit."""
    world = (*TWO, Made("late", 0.91, 3.0, 100, 460_000), Made("later", 0.92, 4.0, 100, 460_000))
    e = page_of(tmp_path, world=world)
    notes = {"late/onnx": "6.1", "later/onnx": "7.4"}
    rows = []
    for row in e.tradeoff.rows:
        cell = row.estimates["latency_p99_ms"]
        if figure := notes.get(row.variant):
            note = f"ruled out after the first serving round: latency_p99_ms clearly above 5 ({figure})"
            cell = replace(cell, value=None, note=note)
        rows.append(replace(row, estimates={**row.estimates, "latency_p99_ms": cell}))
    named = replace(e.recommendation, choice="fast/onnx", tied_with=())
    out = replace(e, tradeoff=replace(e.tradeoff, rows=tuple(rows)), recommendation=named)
    measured = (Cause(Against.LIMIT, "p99 latency clearly above 5\u202fms"),)
    late = causes(out, next(row for row in rows if row.variant == "late/onnx"))
    assert [cause.words for cause in late] == ["p99 latency clearly above 5\u202fms (6.1)"]
    assert _counted([*late, *measured]) == ["2 with p99 latency clearly above 5\u202fms"]
    text = others_out(out)
    assert text == "Not eligible: 2 with p99 latency clearly above 5\u202fms."


def test_a_choice_that_trails_is_said_to_be_behind(tmp_path: Path) -> None:
    e = page_of(tmp_path)
    trailing = {
        "variant": "slow/onnx",
        "metric": "accuracy",
        "difference": -0.005,
        "difference_low": -0.02,
        "difference_high": 0.01,
        "ahead": 0.26,
    }
    changed = replace(e.recommendation, choice="fast/onnx", tied_with=(), runners_up=(trailing,))
    text = said(replace(e, recommendation=changed), "verdict")
    assert "It is behind slow/onnx, the next best, with 74 %: by 0.005 on average (−0.010 to 0.020)" in text
    assert "not separated" not in text  # said of the tied alone

    of_a_tie = replace(
        e.recommendation, choice="fast/onnx", tied_with=("other/onnx",), runners_up=(trailing,)
    )
    assert "slow/onnx, the best that is not tied with it, with" in said(
        replace(e, recommendation=of_a_tie), "verdict"
    )


def test_what_a_decision_rests_on_is_counted_per_candidate(tmp_path: Path) -> None:
    kept = [
        r
        for r in made(seeds=(0, 1, 2), rounds=3)
        if r.trial.candidate == "fast" or not (r.trial.seed or r.trial.round)
    ]
    failed = [
        replace(r, status="failed", measurements=(), failure=Failure("diverged", "TrialError"))
        for r in made(seeds=(7,))
        if r.trial.kind == "train"
    ]
    text = said(page_of(tmp_path, [*kept, *failed]), "verdict")
    assert "1 to 3 seeds per candidate" in text and "1 to 3 serving rounds" in text


def of_sizes(records: Sequence[Record], **sizes: int) -> list[Record]:
    """Without the trainings of a candidate below a size."""
    return [r for r in records if (r.trial.train_size or 1e9) >= sizes.get(r.trial.candidate, 0)]


def test_candidates_with_different_training_sizes_are_reported_each_by_its_own(tmp_path: Path) -> None:
    records = of_sizes(made(sizes=(1000, 3000, 10000), rounds=1, runtimes=("torch",)), fast=10000)
    e = page_of(tmp_path, records, decision={"objective": "maximize accuracy"})
    e = replace(e, recommendation=replace(e.recommendation, choice="fast/torch"))
    text = said(e, "training_size")
    assert "From 3,000 to 10,000 training examples" in text and "slow +" in text and "fast" not in text


def test_more_data_is_no_switch_to_the_variant_that_is_named_anyway(tmp_path: Path) -> None:
    def changed(r: Record) -> Record:
        if r.trial.kind != "score" or r.trial.candidate != "fast" or r.trial.train_size != 1000:
            return r
        return replace(r, measurements=(Measurement("accuracy", 0.6, "fraction"),))

    suite = make_suite(TWO, ("torch",), decision={"objective": "maximize accuracy"})
    records = make_records(TWO, sizes=(1000, 10000), rounds=1, calls=30, runtimes=("torch",))
    e = gather(make_run(tmp_path, [changed(r) for r in records], suite, files=False))
    assert "the choice would be fast/torch" in said(e, "flips")
    tie = replace(e.recommendation, verdict="tie", choice="fast/torch", tied_with=("slow/torch",), flips=())
    assert "the choice would be fast/torch" not in said(replace(e, recommendation=tie), "flips")


def test_how_often_test_data_was_used_is_said_as_it_was(tmp_path: Path) -> None:
    e = page_of(tmp_path / "a")
    assert "once per fitted model, whose settings" in said(e, "validity")
    both = make_suite(TWO, ("torch", "onnx"), decision={"objective": "maximize accuracy"})
    e = gather(make_run(tmp_path / "b", made(runtimes=("torch", "onnx")), both, files=False))
    assert "once per fitted model on each runtime" in said(e, "validity")
    assert "nothing was chosen by it" in said(e, "validity")
    story = {"bias": "too narrow", "stopped": "decided", "trials": 5, "exhaustive": 9}
    e.run.write_text("until_decided.json", json.dumps(story))
    text = said(e, "validity")
    assert "what to measure next was chosen by it" in text and "nothing was chosen by it" not in text


def test_a_cost_that_is_a_ceiling_is_said_to_be_one(tmp_path: Path) -> None:
    def open_ended(r: Record) -> Record:
        return replace(
            r,
            measurements=tuple(
                replace(m, note="at least: every load up to the bound keeps it")
                if m.metric == "throughput_at_slo_qps"
                else m
                for m in r.measurements
            ),
        )

    assert "are a ceiling: the load" in said(page_of(tmp_path, [open_ended(r) for r in made()]), "costs")


def test_of_an_expression_with_spaces_only_the_value_is_the_objective(tmp_path: Path) -> None:
    decision = {"objective": "maximize value", "value": "120 * accuracy - cost_per_month_usd"}
    e = page_of(tmp_path, decision=decision)
    assert (e.subject, e.objective_metric) == ("value", "value")
    assert said(e, "verdict").count("the objective") == 1


def test_more_training_data_is_shown_where_a_limit_is_on_a_slice(tmp_path: Path) -> None:
    """Trials have no figures on slices: the section was left out, without a word."""
    suite = make_suite(
        TWO,
        ("torch",),
        decision={
            "objective": "maximize value",
            "value": "1000*accuracy - cost_per_month_usd",
            "constraints": ["accuracy[class=Shirt] >= 0.1"],
        },
    )
    records = make_records(TWO, sizes=(1000, 10000), rounds=1, calls=30, runtimes=("torch",))
    e = gather(make_run(tmp_path, records, suite))
    assert e.quality_metric == "accuracy[class=Shirt]"
    assert "From 1,000 to 10,000 training examples, accuracy changed: " in said(e, "training_size")
