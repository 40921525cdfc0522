"""`report --pdf`: the HTML report printed by a browser, where there is one."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from harness.record import HarnessError

BROWSERS = (
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "chrome",
    "microsoft-edge",
    "msedge",
)
SCALES = (1.0, 0.8, 0.62)
ON_PAGE_ONE = ("verdict", "requirements", "trade-offs")
ONE_PAGE = (
    "@media print {{ footer, #trade-offs details, #trade-offs tbody tr:nth-child(n+13) {{ display: none }} "
    "html {{ zoom: {least} }} "
    "#trade-offs .scroll:has(tr:nth-child(13))::after {{ content: 'The 12 leading variants; the report has "
    "all.' }} }}"
)
CHOOSE_SCALE = """
const print = media => media.mediaText = media.mediaText.includes("print") ? "all" : "not all";
for (const {media} of document.styleSheets[0].cssRules) if (media) print(media);
const [width, height] = [182, 263].map(mm => mm * 96 / 25.4);
const {body, documentElement: html} = document;
const fits = scale => {
  body.style.width = `${width / scale}px`;
  return body.getBoundingClientRect().height * scale <= height;
};
html.style.zoom = 1;
const scale = SCALES.find(fits) ?? SCALES.at(-1);
body.style.width = "";
html.style.zoom = scale;
"""
"""Lays page one out as on A4 paper within the page's own margins, and takes the largest scale at which it is
one page: printing at one scale after the other took as long as all pictures of the report."""
FLAGS = (
    "--headless", "--disable-gpu", "--disable-background-networking", "--disable-extensions",
    "--no-first-run", "--disable-dev-shm-usage", "--hide-scrollbars", "--in-process-gpu",
)  # fmt: skip


def find_browser() -> str | None:
    """The path of a Chromium-like browser: `$HARNESS_BROWSER`, else the first on the path."""
    named = os.environ.get("HARNESS_BROWSER")
    if named:
        return shutil.which(named)
    return next((found for name in BROWSERS if (found := shutil.which(name))), None)


def browse(*arguments: str, timeout_s: float = 120.0) -> None:
    """Run the browser without a window, in a profile of its own.

    Raises:
        HarnessError: there is no browser, or it failed; the message names the cure.
    """
    browser = find_browser()
    if browser is None:
        raise HarnessError(
            "no browser to print with: install chromium or Chrome, or name one with "
            "HARNESS_BROWSER=/path/to/it; or open report.html and print it"
        )
    # A root user (containers, CI) has no sandbox to enter.
    root = ("--no-sandbox",) if hasattr(os, "geteuid") and os.geteuid() == 0 else ()
    with tempfile.TemporaryDirectory(prefix="harness-browser-", ignore_cleanup_errors=True) as profile:
        command = [browser, *FLAGS, *root, f"--user-data-dir={profile}", *arguments]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, check=False)
        except subprocess.TimeoutExpired:
            raise HarnessError(f"{browser} did not answer within {timeout_s:g} s") from None
    if done.returncode != 0:
        raise HarnessError(f"{browser} failed ({done.returncode}): {done.stderr.strip()[-300:]}")


def print_page_one(run: Path, report: str | None = None) -> Path:
    """`summary.pdf` beside `report.html`: verdict, requirements and trade-offs on one page.

    A browser takes seconds, so that the page is not printed again where it says what it said.

    Args:
        report: the page, of which the other sections may still be missing; None: `report.html`.
    Raises:
        HarnessError: no browser, or it wrote nothing.
    """
    target, mark = run / "summary.pdf", run / ".summary"
    report = (run / "report.html").read_text(encoding="utf-8") if report is None else report
    text = _page_one(report)
    if target.exists() and mark.exists() and mark.read_text() == _printed(text, target):
        return target
    with tempfile.TemporaryDirectory(prefix="harness-page-") as folder:
        for largest in range(len(SCALES)):  # what the browser measures fits, but for a line more or less
            short = Path(folder) / "page.html"
            short.write_text(_page_one(report, SCALES[largest:]), encoding="utf-8")
            print_pdf(short, target)
            if len(re.findall(rb"/Type\s*/Page\b", target.read_bytes())) == 1:
                break
    mark.write_text(_printed(text, target))
    return target


def _page_one(report: str, scales: tuple[float, ...] = SCALES) -> str:
    """The page without what is not printed: a browser takes seconds for the pictures of a whole report."""
    others = rf'\n<section id="(?!(?:{"|".join(ON_PAGE_ONE)})").*?\n</section>(?=\n)'
    for left_out in (others, r"\n<nav .*?</nav>", r"<script.*?</script>"):
        report = re.sub(left_out, "", report, flags=re.DOTALL)
    script = f"const SCALES = {list(scales)};{CHOOSE_SCALE}"
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    report = re.sub(r"'sha256-[^']*'", f"'sha256-{digest}'", report, count=1)
    css = ONE_PAGE.format(least=scales[-1])
    return report.replace("</style>", f"{css}</style>", 1) + f"<script>{script}</script>"


def _printed(page: str, target: Path) -> str:
    """Of a page, of how it is printed and of what was: hashes."""
    source = hashlib.sha256(f"{find_browser()} {page}".encode()).hexdigest()
    return f"{source} {hashlib.sha256(target.read_bytes()).hexdigest()}"


def print_pdf(page: Path, target: Path) -> Path:
    """Print an HTML file to PDF.

    Raises:
        HarnessError: no browser, or it wrote nothing.
    """
    browse(f"--print-to-pdf={target.resolve()}", "--no-pdf-header-footer", page.resolve().as_uri())
    if not target.exists() or not target.read_bytes().startswith(b"%PDF"):
        raise HarnessError(f"the browser wrote no PDF to {target}")
    return target
