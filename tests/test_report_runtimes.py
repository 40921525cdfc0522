"""What a runtime changes: its cost in quality and its gain in speed stand in one row."""

from __future__ import annotations

import html
import re
from pathlib import Path

from harness.report import gather
from harness.report.render import sections
from tests.report_samples import WORLD, make_records, make_run, make_suite


def rows_of(folder: Path, **options: object) -> dict[str, list[str]]:
    """Variant → the texts of its row."""
    run = make_run(folder, make_records(WORLD, calls=300, **options), make_suite(WORLD))  # type: ignore[arg-type]
    found = sections(gather(run), ["runtimes"])["runtimes"].html
    rows = re.findall(r"<tr.*?</tr>", found, re.S)
    cells = [[_text(c) for c in re.findall(r"<t[dh][ >].*?</t[dh]>", row, re.S)] for row in rows]
    return {row[0]: row for row in cells if row}


def _text(cell: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", cell)).split())


def test_int8_shows_what_it_loses_and_how_much_faster_it_is(tmp_path: Path) -> None:
    row = rows_of(tmp_path)["small_cnn/onnx-int8"]
    assert row[1] == "torch"
    assert row[2].startswith("−0.0")  # a point less accurate
    assert 0.15 < float(row[3].split()[0]) < 0.27  # 0.6 against 3 times the model's own latency
    assert "98.70 %" in " ".join(row).replace("\u202f", " ")
    assert row[-1] == "int8"


def test_a_runtime_that_failed_says_why_and_the_reference_has_no_row(tmp_path: Path) -> None:
    rows = rows_of(tmp_path)
    assert "cannot quantise LayerNorm" in " ".join(rows["convnext/onnx-int8"])
    assert not any(name.endswith(("/torch", "/sklearn")) for name in rows)
