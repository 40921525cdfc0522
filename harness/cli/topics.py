"""`python -m harness help TOPIC`: a section of the documentation as a page in the terminal.

The words are those of `docs/`: in a checkout they are read there, of an installed package from
`share/harness/docs` of its environment.
"""

from __future__ import annotations

import html
import re
import shutil
import sys
import sysconfig
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path

from harness.names import hint
from harness.record import HarnessError, SuiteError

TOPICS: Mapping[str, tuple[str, ...]] = {
    "audit": ("own_data#Look before you compare: `data audit`",),
    "boosting": ("how_to#Boosted trees beside a linear model",),
    "candidates": ("compatibility", "suite#candidates.NAME"),
    "ci": ("how_to#A gate in CI",),
    "cluster": ("cluster",),
    "concepts": ("concepts",),
    "costs": ("suite#machine", "suite#decision.costs"),
    "data": ("own_data", "suite#data"),
    "datasets": ("own_data#Several data sets in one question: `datasets`",),
    "encoding": ("own_data#What becomes of a table's columns: `encoding`",),
    "errors": ("troubleshooting#The command line", "troubleshooting#The suite file"),
    "files": ("results",),
    "glossary": ("glossary",),
    "gpu": ("how_to#A GPU",),
    "limits": ("suite#decision", "how_to#Limits on a part of the data, and a rare class"),
    "measuring": ("measuring",),
    "metrics": ("how_to#A metric of your own in the decision", "suite#metrics.NAME"),
    "onnx": ("compatibility#ONNX is the model, or it is refused",),
    "own-models": ("how_to#A network of your own", "compatibility#A builder that gives an estimator"),
    "python": ("python",),
    "questions": ("faq",),
    "recommenders": ("how_to#A recommender on your log", "shop"),
    "runtimes": ("suite#serving", "compatibility#ONNX is the model, or it is refused"),
    "scenarios": ("suite#serving.scenarios", "suite#serving.scenarios.server"),
    "splits": ("own_data#How rows are cut: `data.split`", "suite#data.split"),
    "statistics": ("statistics",),
    "storage": ("how_to#Results on S3, Google Cloud or Azure",),
    "suites": ("suites#What ships",),
    "threshold": ("suite#decision.threshold",),
    "trackers": ("how_to#W&B and MLflow",),
    "traffic": ("suite#decision.traffic",),
    "training": ("suite#training", "suite#training.optimizer", "suite#training.schedule"),
    "tuning": ("how_to#Search for settings, the same budget for each candidate", "suite#training.tuning"),
}
"""Topic → pages of `docs/`, whole, or a section of one."""

TITLES = {
    "costs": "What the machine costs, and what else a month costs",
    "errors": "Messages of the command line and of suite files, with their cures",
    "suites": "Suites that ship",
}
"""Of topics whose first section has another name than what they are about."""
WIDTH, LONGEST = 100, 72
"""Of a page in a terminal; of a title."""

NOTHING = ("", "–", "…")
"""Cells that say nothing, or what only the case at hand tells."""

MEANING = "meaning"
"""The head of a last column that needs no name."""

CODE = "\0"
"""Stands for a piece of code while emphasis is taken off."""


def topic_text(topic: str, width: int = WIDTH) -> str:
    """A topic as text.

    Raises:
        SuiteError: there is no such topic; the nearest is named.
        HarnessError: the documentation is not there.
    """
    if topic not in TOPICS:
        raise SuiteError(f"help {topic}: there is no such topic: {hint(topic, TOPICS)}")
    pages = [(place.partition("#")[0], section(place)) for place in TOPICS[topic]]
    whole = ", ".join(dict.fromkeys(f"docs/{page}.md" for page, _ in pages))
    body = "\n\n".join("\n".join(lines_of(text, width)) for _, text in pages)
    return f"{body}\n\nFrom {whole}"


def topics_text() -> str:
    """All topics, each with the title of what it shows."""
    wide = max(map(len, TOPICS)) + 2
    titles = {topic: TITLES.get(topic) or plain(title_of(places[0])) for topic, places in TOPICS.items()}
    rows = [f"  {topic:<{wide}}{title}" for topic, title in titles.items()]
    return "\n".join(["python -m harness help TOPIC", "", *rows, "", "Of a command: COMMAND --help"])


def title_of(place: str) -> str:
    """A heading, or what the table below it is about where that is a key of a suite."""
    heading, _, rest = section(place).partition("\n")
    if not place.startswith("suite#"):
        return heading.lstrip("# ")
    said = rest.strip().partition("\n")[0].partition(". ")[0].rstrip(".")
    return said if len(said) <= LONGEST else said.partition(":")[0]


def section(place: str) -> str:
    """`page`, whole, or its `page#heading`, with what is below that.

    Raises:
        HarnessError: the page is not there, or has no such heading.
    """
    page, _, heading = place.partition("#")
    found: list[str] = []
    level, is_code = 0, False
    for line in page_text(page).splitlines():
        is_code ^= line.startswith("```")
        depth = len(line) - len(line.lstrip("#")) if line.startswith("#") and not is_code else 0
        if depth and level and depth <= level and heading:
            break
        if depth and not level and (not heading or line.lstrip("# ") == heading):
            level = depth
        if level:
            found.append(line)
    if not found:
        raise HarnessError(f"docs/{page}.md has no section {heading!r}")
    return "\n".join(found).strip()


def page_text(page: str) -> str:
    """A page of the documentation.

    Raises:
        HarnessError: it is not there.
    """
    homes = (
        Path(__file__).parents[2] / "docs",
        Path(sysconfig.get_path("data")) / "share" / "harness" / "docs",
    )
    for home in homes:
        if (home / f"{page}.md").is_file():
            return (home / f"{page}.md").read_text(encoding="utf-8")
    raise HarnessError(f"{page}.md is not in {' or '.join(map(str, homes))}: install the harness again")


def lines_of(markdown: str, width: int) -> Iterator[str]:
    """Markdown as a manual page: headings in capitals, tables as terms and what they mean, text wrapped."""
    for number, block in enumerate(_blocks(re.sub(r"<!--.*?-->", "", markdown, flags=re.DOTALL))):
        if number:
            yield ""
        yield from _block(block, width)


def _blocks(markdown: str) -> list[str]:
    """What empty lines separate, code between its fences in one piece."""
    blocks, is_code = [""], False
    for line in markdown.splitlines():
        is_code ^= line.startswith("```")
        if line.startswith("![") and not is_code:
            continue  # a picture
        if line.strip() or is_code:
            blocks[-1] += f"{line}\n"
        elif blocks[-1]:
            blocks.append("")
    return [block for block in blocks if block]


def _block(block: str, width: int) -> Iterator[str]:
    lines = block.splitlines()
    first = lines[0]
    if first.startswith("#"):
        yield plain(first.lstrip("# ")).upper()
        yield from _block("\n".join(lines[1:]), width) if lines[1:] else ()
    elif first.startswith("|"):
        yield from _table(lines, width)
    elif first.startswith("```"):
        yield from (f"    {line}".rstrip() for line in lines if not line.startswith("```"))
    elif first.startswith("    "):
        yield from lines
    elif re.match(r"[-*] |\d+\. ", first):
        for item in re.split(r"\n(?=[-*] |\d+\. )", block):
            yield from textwrap.wrap(plain(" ".join(item.split())), width, subsequent_indent="  ")
    else:
        yield from textwrap.wrap(plain(" ".join(block.split())), width)


def _table(lines: list[str], width: int) -> Iterator[str]:
    rows = [[plain(cell.strip()) for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]
    heads = rows[0]
    indent = " " * 4
    for row in rows[2:]:
        yield f"  {row[0]}"
        middle = "; ".join(
            f"{head}: {cell}"
            for head, cell in zip(heads[1:-1], row[1:-1], strict=False)
            if cell not in NOTHING
        )
        last = row[-1] if len(row) > 1 else ""
        if middle and heads[-1] != MEANING and last not in NOTHING:
            last = f"{heads[-1]}: {last}"  # beside named figures one without a name is a riddle
        for text in (middle, last):
            if text in NOTHING:
                continue
            yield from textwrap.wrap(text, width, initial_indent=indent, subsequent_indent=indent)


def plain(text: str) -> str:
    """Without links, marks of code and of emphasis, and signs written so that they are no marks."""
    text = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", text)
    codes = iter(re.findall(r"`([^`]*)`", text))
    text = re.sub(r"`[^`]*`", CODE, text)  # laid aside: its stars multiply, and stars around it do not
    for marks in (r"\*\*", r"\*"):
        text = re.sub(rf"{marks}(?=\S)(.+?)(?<=\S){marks}", r"\1", text)
    text = html.unescape(re.sub(r"\\([_*{}<>\[\]#])", r"\1", text))
    return re.sub(CODE, lambda _: next(codes), text).replace("\\|", "|")


def show(text: str) -> None:
    """On a terminal through its pager, else as it is."""
    import click

    if sys.stdout.isatty():
        click.echo_via_pager(text + "\n")
    else:
        print(text)


def terminal_width() -> int:
    return max(40, min(WIDTH, shutil.get_terminal_size((WIDTH, 24)).columns))
