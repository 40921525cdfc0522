"""The few blocks that a section is made of, written once and shown as HTML and as Markdown.

Text that comes from a suite, a model or an exception is escaped in both: a candidate called
`<script>` is only a strange name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Literal, NoReturn

from harness.protocols import Section
from harness.report.glossary import meaning

if TYPE_CHECKING:
    import jinja2


@dataclass(frozen=True)
class Strong:
    text: str


@dataclass(frozen=True)
class Code:
    text: str


@dataclass(frozen=True)
class Muted:
    text: str


MOST_MARKDOWN_ROWS = 30

Inline = str | Strong | Code | Muted
Tone = Literal["", "good", "bad", "warn", "muted"]


def with_code(said: str) -> tuple[Inline, ...]:
    """A message's parts: what stands between backticks is code."""
    parts = re.split(r"`([^`]+)`", said)
    return tuple(Code(part) if i % 2 else part for i, part in enumerate(parts) if part)


@dataclass(frozen=True)
class Paragraph:
    """A sentence or several. `kind`: `lead` (large), `note` (small), `warning`, `verdict`."""

    parts: tuple[Inline, ...]
    kind: str = ""


@dataclass(frozen=True)
class Bullets:
    """A list. `title` stands above it; `kind`: `warning` sets both in a box."""

    items: tuple[tuple[Inline, ...], ...]
    kind: str = ""
    title: str = ""


@dataclass(frozen=True)
class Column:
    """A column's header; `unit` stands below it; `hint` explains it on hover; a name keeps its spelling."""

    title: str
    unit: str = ""
    numeric: bool = True
    hint: str = ""
    is_name: bool = False


@dataclass(frozen=True)
class Cell:
    """One cell.

    Args:
        text: the figure, or the words that stand for it.
        interval: smaller, beneath the figure.
        sort: what the column is sorted by; the text when None.
        tone: good, bad, warn, muted.
        key: candidate and marker whose swatch stands before the text.
        shade: background strength 0 to 1 (confusion matrices).
        pill: shown as a label.
        best: whether the figure is the best of its column.
        image: a `data:` address of a small picture that stands before the text; left out of Markdown.
    """

    text: str
    interval: str = ""
    sort: float | str | None = None
    tone: Tone = ""
    key: Swatch | None = None
    shade: float | None = None
    pill: bool = False
    best: bool = False
    strong: bool = False
    image: str = ""


@dataclass(frozen=True)
class Swatch:
    """A candidate's colour and its runtime's marker, as the plots use them."""

    colour: str
    marker: str = "circle"


@dataclass(frozen=True)
class Table:
    """Rows of cells; `chosen` are the marked rows; a long table is cut at `fold` rows by the script."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    caption: str = ""
    chosen: tuple[int, ...] = ()
    sortable: bool = True
    fold: int = 24
    kind: str = ""


@dataclass(frozen=True)
class Picture:
    """A plot as inline SVG, with what is seen in it in words.

    Args:
        alt: for those who cannot see it. narrow: the same drawn for a telephone, where the wide one would
            be unreadable; empty where one drawing serves both.
    """

    svg: str
    caption: str = ""
    alt: str = ""
    kind: str = ""
    narrow: str = ""


@dataclass(frozen=True)
class Tile:
    """A key figure: `label`, `value`, the interval, a remark with its tone, and what a sum is made of."""

    label: str
    value: str
    interval: str = ""
    remark: str = ""
    tone: Tone = ""
    made_of: str = ""


@dataclass(frozen=True)
class Tiles:
    tiles: tuple[Tile, ...]


@dataclass(frozen=True)
class DefinitionList:
    """Names and values, two columns without a header."""

    items: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Preformatted:
    """Preformatted text: commands, tracebacks."""

    text: str


@dataclass(frozen=True)
class Heading:
    text: str


@dataclass(frozen=True)
class Fold:
    """Detail that opens on request; printed open; left to the HTML report."""

    summary: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Beside:
    """Blocks side by side where there is room."""

    blocks: tuple[Block, ...]


Block = (
    Paragraph | Bullets | Table | Picture | Tiles | DefinitionList | Preformatted | Heading | Fold | Beside
)  # fmt: skip


def text(*parts: Inline, kind: str = "") -> Paragraph:
    """A paragraph out of strings, `Strong`, `Code` and `Muted`."""
    return Paragraph(parts, kind)


def capital(words: str) -> str:
    """With a capital at the start, except for names (`p99 latency`, `small_cnn/onnx`)."""
    first = words.split(" ")[0]
    return words if re.search(r"[0-9_/.]", first) else words[:1].upper() + words[1:]


def section(title: str, blocks: Iterable[Block], anchor: str = "") -> Section | None:
    """A section in both formats; None when there is nothing to show."""
    kept = tuple(blocks)
    if not kept:
        return None
    anchor = anchor or re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")
    return Section(title, html(kept), markdown(kept), anchor)


def html(blocks: Sequence[Block]) -> str:
    """Blocks as HTML, everything escaped except the SVG of pictures."""
    return str(environment().get_template("blocks.html").module.__dict__["blocks"](blocks))


@cache
def environment() -> jinja2.Environment:
    """The jinja environment of the report's templates: autoescape on, undefined names are errors."""
    import jinja2

    made = jinja2.Environment(
        loader=jinja2.PackageLoader("harness.report", "."),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,  # else it looks at the file for each section
    )
    made.globals["capital"] = capital
    made.globals["meaning"] = meaning
    made.tests["kind"] = _is_kind
    made.globals["unknown"] = _unknown
    return made


def _is_kind(block: object, name: str) -> bool:
    """Whether a block is of a class of this module, by its name: templates know no classes."""
    return isinstance(block, globals()[name])


def _unknown(block: object) -> NoReturn:
    raise TypeError(f"blocks.html has no markup for {type(block).__name__}")


def escape_markdown(value: str) -> str:
    """Text that GitHub shows as it is: no markup, no HTML, no table cells, no mentions, no line breaks."""
    value = " ".join(value.split())
    value = value.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    value = re.sub(r"([\\`*_\[\]|~#])", r"\\\1", value)
    value = re.sub(r"@(?=\w*[A-Za-z])", "@\u2060", value)
    return re.sub(r"(?i)\b(https?|www)(?=[:.])", "\\1\u2060", value)


def markdown(blocks: Sequence[Block]) -> str:
    """Blocks as GitHub-flavoured Markdown; pictures are left to the HTML report."""
    return "\n\n".join(part for part in (_block_markdown(b) for b in blocks) if part)


def _block_markdown(block: Block) -> str:
    match block:
        case Paragraph(parts=parts, kind=kind):
            return ("> " if kind == "warning" else "") + _inline(parts)
        case Bullets(items=items, kind=kind, title=title):
            lines = [f"**{escape_markdown(title)}**", ""] if title else []
            lines += [f"- {_inline(item)}" for item in items]
            quoted = (f"> {line}".rstrip() for line in lines) if kind == "warning" else lines
            return "\n".join(quoted)
        case Table():
            return _table_markdown(block)
        case Tiles(tiles=tiles):
            return "\n".join(_tile_markdown(tile) for tile in tiles)
        case DefinitionList(items=facts):
            return "\n".join(f"- {escape_markdown(k)}: {escape_markdown(v)}" for k, v in facts)
        case Preformatted(text=body):
            fence = "`" * max(3, 1 + max((len(m) for m in re.findall(r"`+", body)), default=0))
            return f"{fence}text\n{body}\n{fence}"
        case Heading(text=title):
            return f"#### {escape_markdown(title)}"
        case Beside(blocks=inner):
            return markdown(inner)
        case _:
            return ""


def _inline(parts: Iterable[Inline]) -> str:
    return "".join(_inline_markdown(part) for part in parts)


def _inline_markdown(part: Inline) -> str:
    match part:
        case Strong(text=body):
            return f"**{escape_markdown(body)}**"
        case Code(text=body):
            return code_markdown(body)
        case Muted(text=body):
            return _keep_edges(body)
        case str():
            return _keep_edges(part)


def _keep_edges(value: str) -> str:
    """Escaped text that keeps the blanks that part it from its neighbours."""
    head, tail = " " * value.startswith(" "), " " * (value.endswith(" ") and len(value) > 1)
    return head + escape_markdown(value) + tail


def code_markdown(body: str) -> str:
    """A code span; backticks within are fenced, bars would end a table cell."""
    body = " ".join(body.split()).replace("|", "¦")
    fence = "`" * (1 + max((len(m) for m in re.findall(r"`+", body)), default=0))
    pad = " " if "`" in body else ""
    return f"{fence}{pad}{body}{pad}{fence}"


def _tile_markdown(tile: Tile) -> str:
    interval = f" ({escape_markdown(tile.interval)})" if tile.interval else ""
    said = "; ".join(x for x in (tile.remark, tile.made_of) if x)
    remark = f", {escape_markdown(said)}" if said else ""
    return f"- {escape_markdown(tile.label)}: **{escape_markdown(tile.value)}**{interval}{remark}"


def _table_markdown(table: Table) -> str:
    heads = [_head_markdown(column) for column in table.columns]
    rules = ["---:" if column.numeric else ":---" for column in table.columns]
    lines = [_line(heads), _line(rules)]
    for index, row in enumerate(table.rows[:MOST_MARKDOWN_ROWS]):
        lines.append(_line([_cell_markdown(cell, index in table.chosen) for cell in row]))
    left = len(table.rows) - MOST_MARKDOWN_ROWS
    if left > 0:
        lines.append(f"\n{left} more rows are in the report.")
    caption = f"\n\n{escape_markdown(table.caption)}" if table.caption else ""
    return "\n".join(lines) + caption


def _head_markdown(column: Column) -> str:
    title = column.title if column.is_name else capital(column.title)
    return escape_markdown(title + (f", {column.unit}" if column.unit else ""))


def _cell_markdown(cell: Cell, chosen: bool) -> str:
    body = escape_markdown(cell.text)
    if body and (cell.strong or cell.best or (chosen and cell.key)):
        body = f"**{body}**"
    return body + (f" <sub>{escape_markdown(cell.interval)}</sub>" if cell.interval else "")


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
