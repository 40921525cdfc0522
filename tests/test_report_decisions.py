"""What the pages say of a decision: every sentence holds for the figures beside it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from report_samples import Made, make_records, make_run, make_suite

from harness.record import Record, Trial
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
