"""`report --pdf`: the HTML report printed by a browser, where there is one."""

from __future__ import annotations

import os
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


def print_pdf(page: Path, target: Path) -> Path:
    """Print an HTML file to PDF.

    Raises:
        HarnessError: no browser, or it wrote nothing.
    """
    browse(f"--print-to-pdf={target.resolve()}", "--no-pdf-header-footer", page.resolve().as_uri())
    if not target.exists() or not target.read_bytes().startswith(b"%PDF"):
        raise HarnessError(f"the browser wrote no PDF to {target}")
    return target
