"""The report: written from records alone, honest about what is missing, harmless with strange names."""

from __future__ import annotations

import json
import os
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from harness.record import Failure, Record
from harness.report import gather, summary_text, write_report
from harness.report.blocks import escape_markdown, section, text
from harness.report.evidence import Evidence
from harness.report.render import render, sections
from harness.report.sections import SECTIONS
from harness.report.sections.tradeoff import figure
from harness.results import Estimate, Recommendation, Row, Tradeoff
from harness.store.run_folder import RunFolder
from tests.report_samples import WORLD, Made, make_records, make_run, make_suite

SMALL = (Made("small_cnn", 0.884, 0.31, 60, 131_000), Made("vit", 0.812, 1.04, 100, 460_000))
VOID = {"meta", "link", "br", "hr", "img", "input", "path", "rect", "circle", "use", "line"}


class Wellformed(HTMLParser):
    """Raises on a tag that closes what is not open; collects text, tags and ids."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open[-1] == tag, f"</{tag}> closes <{self.open[-1]}>"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        if "style" not in self.open and "script" not in self.open:
            self.words.append(data)


def read(page: str) -> Wellformed:
    parser = Wellformed()
    parser.feed(page)
    parser.close()
    assert parser.open == []
    return parser


@pytest.fixture(scope="module")
def evidence(tmp_path_factory: pytest.TempPathFactory) -> Evidence:
    """A whole made-up run, rendered once."""
    run = make_run(tmp_path_factory.mktemp("results"), make_records(calls=300), make_suite())
    return render(run)


@pytest.fixture(scope="module")
def page(evidence: Evidence) -> str:
    return evidence.run.read_text("report.html")


def small(folder: Path, world=SMALL, suite=None, records=None, **options):  # type: ignore[no-untyped-def]
    """A small run without predictions, gathered but not written."""
    shape = {"seeds": (0, 1), "sizes": (1000,), "rounds": 2, "calls": 30, "runtimes": ("onnx",)}
    records = records if records is not None else make_records(world, **{**shape, **options})
    run = make_run(folder, records, suite or make_suite(world, ("onnx",)), files=False)
    return gather(run)


def test_every_derived_file_of_the_contract_is_written(evidence: Evidence) -> None:
    names = (
        "tradeoffs.csv",
        "tradeoffs.json",
        "recommendation.json",
        "records.parquet",
        "report.html",
        "report.md",
    )
    assert all(evidence.run.exists(name) for name in names)
    assert (
        json.loads(evidence.run.read_text("recommendation.json"))["choice"] == evidence.recommendation.choice
    )


def test_a_run_that_finds_everything_as_it_was_leaves_the_report_as_it_is(tmp_path: Path) -> None:
    run = small(tmp_path).run
    render(run)
    page = Path(run.url) / "report.html"

    def is_written_again() -> bool:
        os.utime(page, (0, 0))
        render(run, anew=False)
        return page.stat().st_mtime > 0

    assert is_written_again(), "what `report` wrote may lack the examples, which it does not fetch"
    assert not is_written_again()
    surroundings = json.loads(run.read_text("environment.json")) if run.exists("environment.json") else {}
    run.write_text("environment.json", json.dumps({**surroundings, "load": 1.5}))
    assert not is_written_again(), "the machine's load is nowhere in it"
    run.write_text("environment.json", json.dumps({**surroundings, "commit": {"id": "abc", "dirty": True}}))
    assert is_written_again() and not is_written_again()
    run.write_text("report.md", "something else")
    assert is_written_again() and run.read_text("report.md") != "something else"


def test_the_page_is_wellformed_and_every_section_has_its_place(evidence: Evidence, page: str) -> None:
    parser = read(page)
    anchors = [attrs["id"] for tag, attrs in parser.tags if tag == "section"]
    links = [
        attrs["href"] for tag, attrs in parser.tags if tag == "a" and (attrs["href"] or "").startswith("#")
    ]
    assert [f"#{a}" for a in anchors] == links
    assert len(anchors) == len(set(anchors)) >= 14


def test_the_page_loads_nothing_from_anywhere(page: str) -> None:
    parser = read(page)
    for tag, attrs in parser.tags:
        assert tag not in ("link", "iframe", "object", "embed", "base")
        for name in ("src", "href", "xlink:href", "action"):
            assert (attrs.get(name) or "#").startswith(("#", "data:")), (tag, attrs)
    assert "default-src 'none'" in page
    assert "@import" not in page and "url(http" not in page


def test_ids_of_the_page_are_unique_although_it_holds_many_plots(page: str) -> None:
    ids = [attrs["id"] for _, attrs in read(page).tags if attrs.get("id")]
    assert len(ids) == len(set(ids))
    assert page.count("<svg") > 10


def test_the_same_records_give_the_same_bytes(evidence: Evidence, page: str) -> None:
    write_report(gather(evidence.run))
    assert evidence.run.read_text("report.html") == page


def test_the_chosen_row_is_marked_and_first_in_the_table(evidence: Evidence, page: str) -> None:
    table = page[page.index('id="trade-offs"') :]
    first = table[table.index("<tbody>") : table.index("</tr>", table.index("<tbody>"))]
    assert 'class="chosen"' in first
    assert str(evidence.recommendation.choice) in first


def test_every_limit_is_a_row_of_the_requirements(evidence: Evidence) -> None:
    made = SECTIONS["requirements"](evidence)
    assert made is not None
    for words in ("accuracy at least 0.87", "p99 latency at most 4", "cost per million at most $0.50"):
        assert words in made.html


def test_a_failed_variant_is_a_row_with_its_reason_and_no_number(evidence: Evidence) -> None:
    made = SECTIONS["tradeoff"](evidence)
    assert made is not None
    line = next(line for line in made.markdown.splitlines() if "convnext/onnx-int8" in line)
    assert "failed: cannot quantise LayerNorm" in line
    assert not re.search(r"\d\.\d", line)


def test_the_weakest_class_is_named(evidence: Evidence) -> None:
    made = SECTIONS["by_class"](evidence)
    assert made is not None
    rows = [line for line in made.markdown.splitlines() if line.startswith("| small")]
    assert "Shirt" in rows[0] and "T-shirt" in rows[0]


def test_a_training_takes_as_long_in_its_own_section_as_in_the_table(evidence: Evidence) -> None:
    """There the lowest and highest seed stood where intervals stand: 28.1 to 30.2 beside 18 to 48 s."""
    made = SECTIONS["training"](evidence)
    assert made is not None and "shaded: from the lowest seed to the highest" in made.html
    for row in evidence.tradeoff.rows:
        assert figure(row, "train_seconds").interval in made.html


def test_validity_counts_rejected_windows_and_failures(evidence: Evidence) -> None:
    made = SECTIONS["validity"](evidence)
    assert made is not None
    assert "Failed: 3." in made.markdown
    assert "rejected 14 of 210 measuring windows" in made.markdown
    assert "bf16 for resnet and small" in made.markdown


def test_how_to_reproduce_names_command_commit_and_checksum(evidence: Evidence) -> None:
    made = SECTIONS["reproduce"](evidence)
    assert made is not None
    for words in ("python -m harness run", "0123456789ab", "c0ffeec0ffeec0ff"):
        assert words in made.html


def test_commands_of_a_page_find_a_run_that_lies_elsewhere(evidence: Evidence, tmp_path: Path) -> None:
    """A page of `--out /elsewhere` named runs in results/: `run` would have made all of it again."""

    def page(home: Path) -> str:
        run = RunFolder(str(home / "made_up" / "20260101-120000-ab12cd34"))
        made = SECTIONS["reproduce"](replace(evidence, run=run))
        assert made is not None
        return made.markdown

    usual, there = page(tmp_path / "results"), page(tmp_path / "there")
    assert "harness run results/made_up/20260101-120000-ab12cd34/suite.yaml\n" in usual
    assert str(tmp_path) not in usual and "harness report made_up/20260101-120000-ab12cd34\n" in usual
    place = f"{tmp_path}/there/made_up/20260101-120000-ab12cd34"
    assert f"harness run {place}/suite.yaml --out {tmp_path}/there\n" in there
    assert f"harness report {place}\n" in there and f"harness recommend {place} --" in there


def test_the_markdown_fits_a_pull_request(evidence: Evidence) -> None:
    body = evidence.run.read_text("report.md")
    assert len(body) < 10_000
    assert "[report.html](report.html)" in body
    tables = [line for line in body.splitlines() if line.startswith("|")]
    widths = {line.count("|") - line.count("\\|") for line in tables if "onnx" in line}
    assert len(widths) == 2  # the requirements' and the trade-offs' tables, each with one width


def test_a_recommendation_says_ship(tmp_path: Path) -> None:
    e = small(tmp_path, suite=make_suite(SMALL, ("onnx",), decision={"objective": "maximize accuracy"}))
    made = SECTIONS["verdict"](e)
    assert made is not None
    assert e.recommendation.verdict == "recommend"
    assert made.markdown.startswith("Ship **small\\_cnn/onnx**.")
    assert "probability that it is the best of 2 variants" in made.markdown


def test_two_identical_candidates_are_reported_as_a_tie(tmp_path: Path) -> None:
    world = (Made("a", 0.88, 0.3, 60, 1000), Made("b", 0.88, 0.3, 60, 1000))
    e = small(tmp_path, world, make_suite(world, ("onnx",), decision={"objective": "maximize accuracy"}))
    made = SECTIONS["verdict"](e)
    assert e.recommendation.verdict == "tie"
    assert made is not None and "A tie. Ship" in made.markdown
    assert ", the best on average of two that cannot be told apart" in made.markdown


def test_no_feasible_variant_is_said_plainly_with_the_nearest_miss(tmp_path: Path) -> None:
    suite = make_suite(
        SMALL, ("onnx",), decision={"constraints": ["accuracy >= 0.99"], "objective": "maximize accuracy"}
    )
    e = small(tmp_path, suite=suite)
    made = SECTIONS["verdict"](e)
    assert e.recommendation.verdict == "none_feasible"
    assert made is not None
    assert made.markdown.startswith("Ship none of them yet: **no variant meets every limit**.")
    assert "small\\_cnn/onnx" in made.markdown


def test_an_empty_run_folder_is_reported_as_not_enough_evidence(tmp_path: Path) -> None:
    e = small(tmp_path, records=[])
    write_report(e)
    assert e.recommendation.verdict == "not_enough_evidence"
    assert "not enough evidence" in e.run.read_text("report.md")
    read(e.run.read_text("report.html"))


def test_only_failures_still_give_a_report(tmp_path: Path) -> None:
    failed = [
        Record(
            r.trial, "failed", failure=Failure("out of memory at batch 128", "MemoryError", "Traceback\n<b>")
        )
        for r in make_records(SMALL, seeds=(0,), sizes=(1000,), rounds=1, calls=10, runtimes=("onnx",))
    ]
    e = small(tmp_path, records=failed)
    write_report(e)
    body = e.run.read_text("report.html")
    read(body)
    assert "out of memory at batch 128" in body
    assert "Traceback\n&lt;b&gt;" in body


def test_a_run_in_progress_says_what_is_missing(tmp_path: Path) -> None:
    records = make_records(SMALL, seeds=(0, 1), sizes=(1000,), rounds=2, calls=30, runtimes=("onnx",))
    run = make_run(
        tmp_path,
        records[:-6],
        make_suite(SMALL, ("onnx",)),
        files=False,
        planned=[r.trial for r in records[-6:]],
    )
    e = gather(run)
    write_report(e)
    assert len(e.missing) == 6
    assert f"In progress: {len(records) - 6} of {len(records)} trials" in run.read_text("report.html")
    assert "In progress" in run.read_text("report.md")
    assert "Not run yet: 6." in SECTIONS["validity"](e).markdown  # type: ignore[union-attr]


def test_a_run_without_prices_seeds_sizes_or_rounds_leaves_their_sections_out(tmp_path: Path) -> None:
    suite = make_suite(SMALL, ("onnx",), machine={}, decision={"objective": "maximize accuracy"})
    e = small(tmp_path, suite=suite, seeds=(0,), rounds=1)
    made = sections(e)
    assert "costs" not in made and "training_size" not in made and "training" not in made
    assert "One seed per candidate" in made["validity"].markdown


HOSTILE = "<script>alert(1)</script>|**x**`\"'&"


def test_a_candidate_called_script_is_only_a_strange_name(tmp_path: Path) -> None:
    world = (Made(HOSTILE, 0.9, 0.3, 60, 1000), Made("=cmd|' /C calc'!A0", 0.8, 0.4, 60, 1000))
    question = "<img src=x onerror=alert(2)> [x](javascript:alert(3))"
    suite = make_suite(world, ("onnx",), question=question)
    e = small(tmp_path, world, suite)
    write_report(e)
    body = e.run.read_text("report.html")
    parser = read(body)
    assert [tag for tag, _ in parser.tags if tag == "script"] == ["script"]  # the page's own
    assert not any(tag == "img" or any(name.startswith("on") for name in attrs) for tag, attrs in parser.tags)
    assert HOSTILE in "".join(parser.words)
    short = e.run.read_text("report.md")
    assert "<script" not in short and "<img" not in short
    assert not re.search(r"(?<!\\)\]\(javascript", short)
    table = short[short.index("### Trade-offs") :].replace("\\|", "")
    widths = {line.count("|") for line in table.splitlines() if line.startswith("|")}
    assert len(widths) == 1  # the name's own bars end no cell


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("a|b", "a\\|b"),
        ("*x* _y_", "\\*x\\* \\_y\\_"),
        ("<b>&", "&lt;b&gt;&amp;"),
        ("two\nlines", "two lines"),
        ("ndcg@10", "ndcg@10"),
        ("@team", "@\u2060team"),
        ("see https://x.y", "see https\u2060://x.y"),
    ],
)
def test_markdown_shows_text_as_it_is(raw: str, shown: str) -> None:
    assert escape_markdown(raw) == shown


def test_a_section_without_blocks_is_left_out() -> None:
    assert section("Nothing", []) is None
    made = section("Some thing", [text("x")])
    assert made is not None and made.anchor == "some-thing"


def test_the_terminal_summary_names_choice_verdict_and_report(evidence: Evidence) -> None:
    said = summary_text(evidence.tradeoff, evidence.recommendation, report="results/x/report.html", width=100)
    assert f"* {evidence.recommendation.choice}" in said
    assert "A tie. Ship" in said or "Ship " in said
    assert "Report: results/x/report.html" in said
    assert all(len(line) <= 100 for line in said.splitlines())
    assert "3 more in the report" in said


@pytest.mark.parametrize("width", [40, 60, 80, 160])
def test_the_terminal_summary_fits_narrow_and_wide_terminals(evidence: Evidence, width: int) -> None:
    said = summary_text(evidence.tradeoff, evidence.recommendation, width=width)
    assert all(len(line) <= width for line in said.splitlines())
    assert str(evidence.recommendation.choice)[:10] in said


def test_markup_in_names_is_not_interpreted_by_the_terminal() -> None:
    row = Row("[bold]x[/bold]/onnx", "[bold]x[/bold]", "onnx", {"accuracy": Estimate(0.9, 0.89, 0.91)})
    table = Tradeoff((row,), ("accuracy",), {})
    said = summary_text(table, Recommendation("recommend", row.variant, 0.97, objective="maximize accuracy"))
    assert "[bold]x[/bold]/onnx" in said


def test_a_figure_of_one_launch_says_so_in_the_terminal() -> None:
    """Beside intervals a bare `0.317` read as if it were exact."""
    latency = Estimate(0.317, note="one launch, no interval")
    row = Row("a/onnx", "a", "onnx", {"latency_p50_ms": latency})
    table = Tradeoff((row,), ("latency_p50_ms",), {})
    said = Recommendation("recommend", "a/onnx", 0.97, objective="minimize latency_p50_ms")
    assert "0.317 one launch" in summary_text(table, said)


def test_constructed_tradeoffs_without_draws_are_shown_too(evidence: Evidence) -> None:
    bare = replace(evidence, tradeoff=replace(evidence.tradeoff, draws={}))
    made = sections(bare, ["verdict", "requirements", "tradeoff", "differences"])
    assert "differences" not in made
    assert "0.884" in made["tradeoff"].markdown


def test_hundreds_of_variants_are_folded_by_the_script_and_named_in_the_plots_sparingly(
    tmp_path: Path,
) -> None:
    world = [replace(WORLD[1], name=f"net{i:02d}", accuracy=0.8 + i * 0.001) for i in range(60)]
    e = small(tmp_path, world, make_suite(world, ("onnx",)), seeds=(0, 1), rounds=1, calls=12)
    made = sections(e, ["tradeoff", "pareto", "latency"])
    assert made["tradeoff"].html.count("<tr") == 2 * 61
    assert 'data-fold="24"' in made["tradeoff"].html
    assert made["pareto"].html.count(">net") < 30
    assert len(set(e.palette.colours.values())) == 8


def test_no_name_of_the_package_is_a_module_of_it_too() -> None:
    import harness.report

    modules = {path.stem for path in Path(harness.report.__path__[0]).glob("*.py")}
    assert modules & set(harness.report.__all__) == set()
