"""What the pages say of a decision: every sentence holds for the figures beside it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from report_samples import Made, make_records, make_run, make_suite

from harness.record import Failure, Measurement, Record, Trial
from harness.report import gather, sections
from harness.report.evidence import Evidence

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
        "limits": "one of two that cannot be told apart: it keeps your limits more surely",
        "duel": "the faster in a duel of two that cannot be told apart by their figures",
        "objective": "the best on average of two that cannot be told apart",
        "": "one of two that cannot be told apart",
    }
    for by, head in heads.items():
        text = said(replace(e, recommendation=replace(tied, settled_by=by)), "verdict")
        assert text.startswith(f"A tie. Ship **fast/onnx**, {head}."), text[:200]


def test_a_choice_that_trails_is_said_to_be_behind(tmp_path: Path) -> None:
    e = page_of(tmp_path)
    trailing = {
        "variant": "slow/onnx",
        "metric": "accuracy",
        "difference": -0.005,
        "difference_low": -0.02,
        "difference_high": 0.01,
    }
    changed = replace(e.recommendation, choice="fast/onnx", tied_with=(), runners_up=(trailing,))
    text = said(replace(e, recommendation=changed), "verdict")
    assert "It is behind slow/onnx, the next that meets the limits, by 0.005 (−0.010 to 0.020)" in text


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
