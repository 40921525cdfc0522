"""What people expect of a command line: pages open, names complete, logs stay short."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import webbrowser
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console

from harness import progress
from harness.cli import topics
from harness.cli.main import main
from harness.cli.options import runs, suites
from harness.progress import Display
from harness.record import Trial
from tests.small_suites import ROOT


def trials() -> list[Trial]:
    return [Trial("train", f"model{n}", {"n": n}) for n in range(4)]


def watched(loudness: str, monkeypatch: pytest.MonkeyPatch, every_s: float = 60.0) -> str:
    """What a log that is no terminal gets of four trials, one of which fails."""
    monkeypatch.setenv("HARNESS_OUTPUT", loudness)
    monkeypatch.setattr(progress, "EVERY_S", every_s)
    text = io.StringIO()
    with Display(
        trials(), estimates_s={t.id: 30.0 for t in trials()}, console=Console(file=text, width=200)
    ) as shown:
        for trial in trials()[:3]:
            shown.began(trial)
            shown.ended(
                trial, "failed" if trial.candidate == "model1" else "finished", "too hot", seconds=30.0
            )
        deadline = 200
        while every_s < 1 and "train" not in text.getvalue().split("too hot")[-1] and deadline:
            shown._over.wait(0.02)
            deadline -= 1
    return text.getvalue()


def test_a_log_gets_failures_and_a_line_a_minute_with_the_time_left(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [line.lstrip() for line in watched("", monkeypatch).splitlines()] == [
        "0 s  FAILED  train model1  30 s: too hot"
    ]
    assert "2 of 4 trainings (1 failed); about 30 s left" in watched("", monkeypatch, every_s=0.02)


def test_the_view_shows_the_question_and_who_is_ahead_and_looks_again_only_after_a_while() -> None:
    looks: list[int] = []

    def leader() -> str:
        looks.append(1)
        return f"ahead so far: model{len(looks)}/onnx, the best with 70 %"

    console = Console(file=io.StringIO(), width=100, force_terminal=True)
    served = [Trial("serve", f"model{n}", {"n": n}) for n in range(4)]
    with Display([*trials(), *served], console=console, question="Which one?", leader=leader) as shown:
        shown.ended(trials()[0], "finished", seconds=1.0)
        assert looks == [], "nothing is known of what is deployed"
        for trial in served[:3]:
            shown.began(trial)
            shown.ended(trial, "finished", seconds=1.0)
        with console.capture() as drawn:
            console.print(shown._render())
    lines = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", drawn.get()).splitlines()
    assert lines[0] == "Which one?" and lines[1] == "ahead so far: model1/onnx, the best with 70 %"
    assert "3 of 4 servings" in lines[2] and looks == [1] and "ahead so far: model1" in shown.line()


def test_verbose_has_a_line_for_each_trial_and_quiet_only_failures(monkeypatch: pytest.MonkeyPatch) -> None:
    verbose = watched("verbose", monkeypatch)
    assert verbose.count("start   ") == 3 and verbose.count("done    ") == 2 and "(1 left)" in verbose
    quiet = watched("quiet", monkeypatch, every_s=0.02)
    assert quiet.count("\n") == 1 and "FAILED  train model1" in quiet


def test_a_wrong_name_of_a_suite_is_answered_with_the_nearest(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    assert main(["plan", "suites/quikstart.yaml"]) == 2
    told = capsys.readouterr().err
    assert "there is no such file: " in told and "did you mean suites/quickstart.yaml?" in told


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run with a page, in a folder of its own."""
    run = tmp_path / "results" / "tiny" / "20260101-120000-ab12cd34"
    run.mkdir(parents=True)
    (run / "suite.yaml").write_text("name: tiny")
    (run / "report.html").write_text("<p>page one")
    monkeypatch.chdir(tmp_path)
    return run / "report.html"


def test_open_shows_the_newest_page(
    page: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    opened: list[Any] = []
    monkeypatch.setattr(webbrowser, "open", lambda address: opened.append(address) or True)
    assert main(["open", "--print"]) == 0 and opened == []
    assert Path(capsys.readouterr().out.strip()).resolve() == page
    assert main(["open", "tiny"]) == 0 and opened == [page.as_uri()]
    page.unlink()
    assert main(["open"]) == 2
    assert "is not there yet: python -m harness report latest" in capsys.readouterr().err


def test_a_shell_completes_suites_and_runs(page: Path, tmp_path: Path) -> None:
    (tmp_path / "photos.yaml").write_text("name: photos")
    assert suites("ph") == ["photos.yaml"]
    assert runs("ti") == ["tiny", "tiny/20260101-120000-ab12cd34"]
    assert runs("la") == ["latest"]


def test_the_completion_script_is_printed_and_asks_the_program(capsys: pytest.CaptureFixture[str]) -> None:
    for shell in ("bash", "zsh", "fish"):
        assert main(["completion", shell]) == 0
        assert "_HARNESS_COMPLETE" in capsys.readouterr().out
    assert main(["completion", "tcsh"]) == 2


def test_the_program_answers_a_shell_that_completes(tmp_path: Path) -> None:
    (tmp_path / "photos.yaml").write_text("name: photos")
    asked = {"_HARNESS_COMPLETE": "complete_bash", "COMP_WORDS": "harness plan ph", "COMP_CWORD": "2"}
    done = subprocess.run(
        [sys.executable, "-c", "from harness.cli.main import main; main([])"],
        env={**os.environ, "PYTHONPATH": str(ROOT), **asked},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "photos.yaml" in done.stdout.split(), done.stderr


def test_no_color_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    text = io.StringIO()
    Console(file=text, force_terminal=True).print("failed", style="red")
    assert "\x1b[31m" not in text.getvalue()


@pytest.mark.parametrize("topic", topics.TOPICS)
def test_every_topic_is_a_part_of_the_documentation_as_it_stands(topic: str) -> None:
    text = topics.topic_text(topic)
    assert len(text.splitlines()) >= 8 and "](" not in text and "|---" not in text
    assert not re.search(r"\*\*[\w-]|<!--|&#\d|\\_", text)
    for place in topics.TOPICS[topic]:
        page, _, heading = place.partition("#")
        assert f"docs/{page}.md" in text.splitlines()[-1]
        assert topics.plain(heading).upper() in text
    pages = {place.partition("#")[0] for place in topics.TOPICS[topic]}
    lines = [line for page in pages for line in topics.page_text(page).splitlines()]
    words = " ".join([*lines, *map(topics.plain, lines)]).casefold()
    shown = text.rpartition("\n")[0]
    assert [word for word in re.findall(r"[A-Za-z]{8,}", shown) if word.casefold() not in words] == []


def test_code_keeps_its_indentation_and_its_empty_lines() -> None:
    page = "Text\ngoes on.\n\n```yaml\na:\n    b: 1\n\nc: <!-- no --> 2\n```\n\n    d\n      e\n"
    assert list(topics.lines_of(page, 40)) == [
        "Text goes on.", "", "    a:", "        b: 1", "", "    c:  2", "", "    d", "      e",
    ]  # fmt: skip


@pytest.mark.parametrize("topic", ["tuning", "limits", "trackers"])
def test_a_suite_in_a_topic_can_be_copied(topic: str) -> None:
    lines = topics.topic_text(topic).splitlines()
    begin = next(i for i, line in enumerate(lines) if line.startswith("    task: "))
    end = next(i for i, line in enumerate(lines) if i > begin and not line.startswith("    "))
    shown = yaml.safe_load("\n".join(line.removeprefix("    ") for line in lines[begin:end]))
    pages = [topics.section(place) for place in topics.TOPICS[topic]]
    written = [yaml.safe_load(b) for page in pages for b in re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)]
    assert shown in written


def test_a_table_becomes_terms_with_what_they_mean() -> None:
    table = "| key | type | meaning |\n|---|---|---|\n| `qps` | number | Load `a \\| b`. See [there](x.md). |"
    assert list(topics.lines_of(table, 40)) == ["  qps", "    type: number", "    Load a | b. See there."]


def test_beside_other_columns_the_last_one_of_a_table_is_named_too() -> None:
    table = "| option | trials run | ONNX | give it |\n|---|---|---|---|\n| none | here | – | nothing |"
    assert list(topics.lines_of(table, 40)) == ["  none", "    trials run: here", "    give it: nothing"]


def test_stars_around_code_go_and_those_in_it_stay() -> None:
    assert topics.plain("**`--submit`** and *`a` or b* of `2 * x * y` and **`c`, `**d`**") == (
        "--submit and a or b of 2 * x * y and c, **d"
    )


def test_a_section_ends_where_the_next_of_its_level_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    page = "# P\n\nintro\n\n## a\n\none\n\n### b\n\ntwo\n\n```sh\n# no heading\n```\n\n## c\n\nthree\n"
    monkeypatch.setattr(topics, "page_text", lambda name: page)
    assert topics.section("p#a").endswith("# no heading\n```") and "two" in topics.section("p#a")
    assert topics.section("p#b").startswith("### b") and "three" not in topics.section("p#b")
    assert topics.section("p").startswith("# P") and topics.section("p").endswith("three")


def test_help_lists_its_topics_and_an_unknown_one_names_the_nearest(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["help"]) == 0
    listed = capsys.readouterr().out
    assert all(f"  {topic} " in listed for topic in ("limits", "traffic", "runtimes", "splits"))
    assert main(["help", "limitz"]) == 2
    assert capsys.readouterr().err == "help limitz: there is no such topic: did you mean `limits`?\n"


def test_o_is_short_for_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "runs", "-o", str(tmp_path)]) == 0
    assert "there are no runs here" in capsys.readouterr().err
