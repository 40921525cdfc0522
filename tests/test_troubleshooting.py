"""Each message of the harness stands on the troubleshooting page, with its first words."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest

from harness.cli.main import main

ROOT = Path(__file__).parent.parent
SCRIPT = runpy.run_path(str(ROOT / "scripts" / "troubleshooting"))
PAGE = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")


def plain(text: str) -> str:
    """Letters and digits alone: what a search finds whatever the marks around them are."""
    text = re.sub(r"&#?\w+;|[\\`'*\"]", " ", text)
    return re.sub(r"[^a-z0-9]+", " ", text.casefold()).strip()


def test_the_page_is_what_its_script_writes_today() -> None:
    assert SCRIPT["fill"](PAGE) == PAGE, "run scripts/troubleshooting"


def test_every_message_is_found_by_its_first_words() -> None:
    page = plain(PAGE)
    found = SCRIPT["messages"]()
    assert len(found) > 300
    lacking = [m for m in found if not all(plain(part) in page for part in m.begins.split("…"))]
    assert lacking == []


@pytest.mark.parametrize(
    ("source", "texts"),
    [
        ('raise SuiteError("a file is missing: add it")', ["a file is missing: add it"]),
        ('raise DataError(f"{path} has {n} rows, none complete")', ["… has … rows, none complete"]),
        ('draft.wrong(loc, "this key is unknown")', ["this key is unknown"]),
        ('def f():\n    text = "what is wrong here"\n    raise DataError(text)', ["what is wrong here"]),
        (
            'def f():\n    raise DataError(g())\ndef g():\n    return "no such column here"',
            ["no such column here"],
        ),
        ('raise KeyError("not for a user at all")', []),
    ],
)
def test_messages_are_found_in_source_however_they_are_put_together(source: str, texts: list[str]) -> None:
    assert list(dict.fromkeys(SCRIPT["of_source"](source))) == texts


def test_a_message_is_cut_before_its_cure_and_not_inside_a_piece_of_code() -> None:
    cut = SCRIPT["Message"]("", "… is for `task: recommendation`: give a model (or: two) instead")
    assert (cut.begins, cut.cure) == ("… is for `task: recommendation`", "give a model (or: two) instead")
    whole = SCRIPT["Message"]("", "one of the workers died (killed: out of memory?)")
    assert (whole.begins, whole.cure) == (whole.text, "")


@pytest.mark.parametrize(
    "arguments",
    [
        ["plan", "nowhere.yaml"],
        ["recommend", "nowhere"],
        ["init", "nowhere"],
        ["list", "modles"],
        ["run", "suites/quickstart.yaml", "--budget", "soon"],
        ["plan", "suites/quickstart.yaml", "--set", "training.epoch=3"],
        ["data", "audit", "fashion_mnst"],
    ],
)
def test_what_a_user_sees_is_on_the_page(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its three words in a row that are not the user's own."""
    monkeypatch.chdir(ROOT)
    assert main(arguments) == 2
    said = [line for line in capsys.readouterr().err.splitlines() if not line.endswith(" …")]  # no steps
    words = plain(said[0]).split()
    page = plain(PAGE)
    assert any(" ".join(words[i : i + 3]) in page for i in range(len(words) - 2)), words
