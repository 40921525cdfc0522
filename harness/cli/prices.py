"""`harness prices …`: search the price catalogue, bring it up to date."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from fnmatch import fnmatchcase
from typing import Annotated

import typer

from harness.cli.options import AsJson, Group, examples, option
from harness.figures import short

app = typer.Typer(cls=Group, no_args_is_help=True, rich_markup_mode=None)

Pattern = Annotated[str, typer.Argument(metavar="PATTERN", help="Only names like this: 'aws/c7*'.")]


@app.command(name="list", epilog=examples("prices list 'aws/c7*'", "prices list '*/eu-west-1/*' --json"))
def show(pattern: Pattern = "*", as_json: AsJson = False) -> int:
    """List the rows that `machine.price` may name.

    Each with its day and source.
    """
    from harness.cli.text import table_text
    from harness.costs import find_price, load_prices
    from harness.record import SuiteError

    rows = [
        p for p in load_prices() if any(fnmatchcase(n, pattern) for n in (p.name, p.name_with_region))
    ]  # fmt: skip
    if not rows:
        if not set(pattern) & set("*?["):
            find_price(pattern)
        raise SuiteError(f"no price is named like {pattern!r}: `harness prices list` has all names")
    if as_json:
        print(json.dumps([asdict(p) for p in rows], indent=2, default=str))
        return 0
    head = {"name": "name", "cores": "vCPUs", "memory": "GiB", "gpu": "GPU", "usd": "USD/h", "day": "of",
            "source": "source"}  # fmt: skip
    print(table_text([head, *(
        {"name": p.name_with_region, "cores": str(p.vcpus), "memory": f"{p.memory:g}", "gpu": p.gpu or "",
         "usd": short(p.usd_per_hour), "day": f"{p.as_of}", "source": p.source}
        for p in rows
    )]))  # fmt: skip
    return 0


@app.command(epilog=examples("prices update", "prices update --providers aws,gcp"))
def update(
    providers: Annotated[str, option("--providers", "NAMES", "Of aws, azure and gcp.")] = "aws,azure,gcp",
) -> int:
    """Take today's list prices into your own catalogue.

    The snapshot that ships stays as it is.
    """
    from harness.costs import own_prices
    from harness.costs.update import PROVIDERS, update_prices
    from harness.mistakes import refuse
    from harness.names import hint

    names = [name.strip() for name in providers.split(",") if name.strip()]
    mistakes: list[str] = []
    for name in names or [""]:
        if name not in PROVIDERS:
            mistakes.append(f"--providers: there is no provider {name!r}: {hint(name, PROVIDERS)}")
    refuse(mistakes)
    for provider, count in update_prices(names).items():
        print(f"{provider}: {count} machines on demand", file=sys.stderr)
    print(own_prices())
    return 0
