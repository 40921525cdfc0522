"""`report --pdf`: the HTML report printed by a browser, where there is one."""

from __future__ import annotations

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
ONE_PAGE = (
    "@media print {{ section:not(#verdict, #requirements, #trade-offs), footer, #trade-offs details, "
    "#trade-offs tbody tr:nth-child(n+13) {{ display: none }} html {{ zoom: {scale} }} "
    "#trade-offs .scroll:has(tr:nth-child(13))::after {{ content: 'The 12 leading variants; the report has "
    "all.' }} }}"
)
FLAGS = (
    "--headless", "--disable-gpu", "--disable-background-networking", "--disable-extensions",
    "--no-first-run", "--disable-dev-shm-usage", "--hide-scrollbars",
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


def print_page_one(run: Path) -> Path:
    """`summary.pdf` beside `report.html`: verdict, requirements and trade-offs on one page.

    A browser takes seconds, so that the page is not printed again where the report says what it said.

    Raises:
        HarnessError: no browser, or it wrote nothing.
    """
    page, target, mark = run / "report.html", run / "summary.pdf", run / ".summary"
    text = page.read_text(encoding="utf-8")
    if target.exists() and mark.exists() and mark.read_text() == _printed(text, target):
        return target
    with tempfile.TemporaryDirectory(prefix="harness-page-") as folder:
        for scale in SCALES:
            # The rules are the page's own; only what stands on page one is shown, smaller until it fits.
            css = ONE_PAGE.format(scale=scale)
            short = Path(folder) / "page.html"
            short.write_text(text.replace("</style>", f"{css}</style>", 1), encoding="utf-8")
            print_pdf(short, target)
            if len(re.findall(rb"/Type\s*/Page\b", target.read_bytes())) == 1:
                break
    mark.write_text(_printed(text, target))
    return target


def _printed(report: str, target: Path) -> str:
    """Of a report, of how it is printed and of what was: hashes."""
    source = hashlib.sha256(f"{find_browser()} {SCALES} {ONE_PAGE} {report}".encode()).hexdigest()
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
