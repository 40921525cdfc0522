"""The page in a real browser: it fits a telephone, sorts, and prints; skipped where there is no browser."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from harness.record import HarnessError
from harness.report import gather, write_report
from harness.report.pdf import BROWSERS, FLAGS, find_browser, print_pdf
from tests.report_samples import WORLD, make_records, make_run, make_suite

needs_browser = pytest.mark.skipif(find_browser() is None, reason=f"needs one of {', '.join(BROWSERS)}")

HOST = """<!doctype html><body><iframe src="{page}" style="width:{width}px;height:3000px;border:0"></iframe>
<script>
document.querySelector("iframe").onload = event => {{
  const page = event.target.contentDocument, root = page.documentElement;
  const table = page.querySelector("#trade-offs table"), column = table.tHead.rows[0].cells[2];
  const figures = () => [...table.tBodies[0].rows].map(r => r.cells[2].dataset.v).filter(v => v);
  column.querySelector("button").click();
  const rising = figures();
  column.querySelector("button").click();
  document.title = JSON.stringify({{
    wide: root.scrollWidth, room: root.clientWidth, rising, falling: figures(),
    sections: page.querySelectorAll("section").length, plots: page.querySelectorAll("svg text").length}});
}};
</script>"""


PANEL = """<!doctype html><title>waiting</title><iframe src="{page}" width="{width}" height="900"></iframe>
<script>
document.querySelector("iframe").onload = event => {{
  const panel = event.target.contentDocument.getElementById("what-if-panel");
  const qps = panel.querySelector("input[type=number]");
  qps.value = 900;
  qps.oninput();
  const row = panel.querySelector("tbody tr");
  document.title = JSON.stringify({{
    label: qps.parentElement.textContent, bill: row.cells[3].textContent,
    command: panel.querySelector("pre").textContent}});
}};
</script>"""


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    records = make_records(WORLD[:3], seeds=(0, 1), rounds=2, calls=400)
    run = make_run(tmp_path_factory.mktemp("results"), records, make_suite(WORLD[:3]), files=False)
    write_report(gather(run))
    return Path(run.url) / "report.html"


def look(page: Path, width: int, folder: Path, script: str = HOST) -> dict[str, object]:
    """What a browser finds in the page, opened in a frame of so many pixels."""
    host = folder / "host.html"
    host.write_text(script.format(page=page.as_uri(), width=width))
    own = ["--no-sandbox", f"--user-data-dir={folder / 'profile'}", "--allow-file-access-from-files"]
    command = [str(find_browser()), *FLAGS, *own, "--virtual-time-budget=10000", "--dump-dom", host.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=True)
    title = re.search(r"<title>(.*?)</title>", done.stdout)
    assert title, done.stdout[:500]
    return dict(json.loads(title[1]))


@needs_browser
@pytest.mark.parametrize("width", [390, 1280])
def test_the_page_never_scrolls_sideways_and_its_tables_sort(page: Path, width: int, tmp_path: Path) -> None:
    found = look(page, width, tmp_path)
    assert found["wide"] == found["room"]
    assert int(str(found["sections"])) > 10 and int(str(found["plots"])) > 50
    rising, falling = ([float(v) for v in found[name]] for name in ("rising", "falling"))  # type: ignore[attr-defined]
    assert len(rising) > 4
    assert rising == sorted(rising) and falling == sorted(falling, reverse=True)


@needs_browser
def test_a_mean_above_the_peak_raises_it_in_the_page_and_in_its_command(tmp_path: Path) -> None:
    decision = {
        "objective": "maximize value", "value": "1000*accuracy - cost_per_month_usd",
        "traffic": {"qps": 200, "peak_qps": 600},
    }  # fmt: skip
    records = make_records(WORLD[:2], seeds=(0, 1), rounds=2, calls=30)
    run = make_run(tmp_path / "results", records, make_suite(WORLD[:2], decision=decision), files=False)
    write_report(gather(run))
    found = look(Path(run.url) / "report.html", 1280, tmp_path, PANEL)
    assert str(found["label"]).startswith("Traffic")
    command = str(found["command"])
    assert command.endswith(" --set decision.traffic.qps=900 --set decision.traffic.peak_qps=900")
    assert re.fullmatch(r"\d+\.\d\d", str(found["bill"])), "to the cent, as everywhere"


@needs_browser
def test_the_report_prints_to_pdf(page: Path, tmp_path: Path) -> None:
    made = print_pdf(page, tmp_path / "report.pdf")
    content = made.read_bytes()
    assert content.startswith(b"%PDF")
    assert 3 <= len(re.findall(rb"/Type\s*/Page\b", content)) <= 40


def test_without_a_browser_the_message_names_the_cure(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARNESS_BROWSER", "no-such-browser")
    with pytest.raises(HarnessError, match="install chromium or Chrome, or name one with HARNESS_BROWSER"):
        print_pdf(page, tmp_path / "report.pdf")
