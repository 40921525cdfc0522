"""`harness data …`: get a data set, check it, look for what would mislead."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.cures import told_as_options
from harness.cli.options import AsJson, Group, examples, option, required
from harness.codec import Json, JsonObject
from harness.mistakes import refuse
from harness.record import SuiteError

if TYPE_CHECKING:
    from harness.datasets.audit import Finding

app = typer.Typer(cls=Group, no_args_is_help=True, rich_markup_mode=None)

Name = Annotated[str, required("NAME", "A data set of `list datasets`.")]
Args = Annotated[list[str] | None, option("--set", "key=value", "An argument of the data set: path=images.")]


@app.command(epilog=examples("data fetch fashion_mnist"))
def fetch(name: Name, args: Args = None) -> int:
    """Get a data set's files, checked against their sha256."""
    from harness.datasets.catalog import fetch as fetch_data

    arguments = _arguments(args)
    with told_as_options(name):
        fetch_data(name, arguments, lambda info: print(_told(info), file=sys.stderr))
    return verify(name, args)


def _told(info: JsonObject) -> str:
    """Of a file on its way: where from, and how far it is."""
    if "bytes" not in info:
        return ": ".join(str(value) for value in info.values())
    done, whole = info["bytes"], info.get("of_bytes")
    assert isinstance(done, int)
    of = f" of {whole / 1e6:.1f} MB" if isinstance(whole, int) else ""
    return f"{info['place']}: {done / 1e6:.1f} MB{of}"


@app.command(epilog=examples("data verify fashion_mnist"))
def verify(name: Name, args: Args = None) -> int:
    """Check a data set's files again.

    Exit code 1 where one is missing or wrong.
    """
    from harness.cli.text import table_text
    from harness.datasets.catalog import verify as verify_data

    arguments = _arguments(args)
    with told_as_options(name):
        found = verify_data(name, arguments)
    rows = [{"file": file, "state": state} for file, state in found.items()]
    print(table_text(rows or [{"file": name, "state": "has no files to fetch"}]))
    return 0 if set(found.values()) <= {"ok"} else 1


@app.command(
    epilog=examples(
        "data audit fashion_mnist",
        "data audit image_folder --set path=images",
        "data audit interactions_csv --set path=log.csv",
    )
)
def audit(name: Name, args: Args = None, as_json: AsJson = False) -> int:
    """Look for leakage, imbalance, duplicates and label noise.

    Of a log of interactions it tells the figures.
    """
    from harness.datasets.audit import audit as audit_data
    from harness.datasets.audit import describe_findings
    from harness.datasets.catalog import task_info

    arguments = _arguments(args)
    with told_as_options(name):
        is_log = task_info(name, arguments).name == "recommendation"
        found = _log_findings(name, arguments) if is_log else audit_data(name, arguments)
    print(json.dumps([asdict(f) for f in found], indent=2) if as_json else describe_findings(found))
    return 0


@app.command(epilog=examples("data clean", "data clean --days 0"))
def clean(
    days: Annotated[float, option("--days", "N", "Keep what was asked for in the last N days.")] = 30.0,
) -> int:
    """Delete decoded images that nothing asked for lately.

    Whatever needs them decodes them anew.
    """
    import time

    from harness.datasets.decoding import clean as clean_decoded

    files, size = clean_decoded(days, time.time())
    print(f"{files} files, {size / 1e6:,.0f} MB deleted")
    return 0


def _log_findings(name: str, arguments: JsonObject) -> list[Finding]:
    from harness.datasets.audit import log_findings
    from harness.datasets.catalog import dataset_module
    from harness.tasks.recommendation.audit import audit_log

    try:
        log = dataset_module(name).load(**arguments)
    except ValueError as error:
        raise SuiteError(f"{name}: {error}") from error
    return log_findings(audit_log(log))


def _arguments(texts: Sequence[str] | None) -> dict[str, Json]:
    """`key=value` texts as the arguments of a data set, values as in YAML; `{…}` is a map, `[…]` a list."""
    from harness.suite.source import Mistake, Place, Unreadable, parse_yaml, read_scalar

    mistakes, broken = list[Mistake](), list[str]()
    arguments: dict[str, Json] = {}
    for text in texts or ():
        name, equals, value = text.partition("=")
        if not name or not equals:
            broken.append(f"--set {text}: write `--set key=value`, for instance `--set path=images`")
            continue
        if not value.lstrip().startswith(("{", "[")):
            arguments[name] = read_scalar(value)[0]
            continue
        try:
            read = parse_yaml(value, Place(f"--set {text}", None), mistakes)
        except Unreadable as stop:
            mistakes.append(stop.mistake)
        else:
            arguments[name] = read.plain if read is not None else None
    refuse([*broken, *map(str, mistakes)])
    return arguments
