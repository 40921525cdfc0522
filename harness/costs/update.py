"""List prices of today, as the project gpuhunt publishes them every day from the providers' own interfaces.

Its files are read, not its package: that installs a package named `tests` beside it, which hides one's own.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
import os
import re
import tempfile
import urllib.request
import zipfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from harness.costs import COLUMNS, SHIPPED, Price, own_prices
from harness.record import HarnessError

ADDRESS = "https://dstack-gpu-pricing.s3.eu-west-1.amazonaws.com/v3"
"""Of each provider: `PROVIDER/version` names the newest list, `PROVIDER/VERSION/catalog.zip` holds it."""
PROVIDERS = ("aws", "azure", "gcp")
ZONE = re.compile(r"-[a-z]$")
"""Google's lists are by zone; a region's zones cost the same."""
TIMEOUT_S = 20.0
INSTEAD = (
    f"nothing was changed, the snapshot that ships ({SHIPPED.name}) is used as before; try again where the"
    " network allows it, or give machine.usd_per_hour yourself"
)


def update_prices(providers: Sequence[str] = PROVIDERS, address: str | None = None) -> Counter[str]:
    """Take today's prices on demand, and keep them whole or not at all.

    Args:
        address: where the lists are; default `$GPUHUNT_CATALOG_URL`, else where gpuhunt publishes them.
    Returns:
        How many rows each provider has.
    Raises:
        HarnessError: a list cannot be reached or read, or holds nothing.
    """
    address = (address or os.environ.get("GPUHUNT_CATALOG_URL") or ADDRESS).rstrip("/")
    rows: list[Price] = []
    for provider in providers:
        try:
            found = list(_listed(provider, address))
        except OSError as error:
            raise HarnessError(
                f"the prices of {provider} cannot be had from {address} ({error}): {INSTEAD}"
            ) from error
        except (zipfile.BadZipFile, KeyError, ValueError) as error:
            raise HarnessError(f"the list of {provider} cannot be read ({error!r}): {INSTEAD}") from error
        if not found:
            raise HarnessError(f"the list of {provider} holds no machine on demand: {INSTEAD}")
        rows += found
    _keep(rows, own_prices())
    return Counter(row.provider for row in rows)


def _listed(provider: str, address: str) -> Iterator[Price]:
    version = _read(f"{address}/{provider}/version").decode().strip()
    with zipfile.ZipFile(io.BytesIO(_read(f"{address}/{provider}/{version}/catalog.zip"))) as archive:
        text = archive.read(f"{provider}.csv").decode()
    seen = set()
    for row in csv.DictReader(io.StringIO(text)):
        region = ZONE.sub("", row["location"]) if provider == "gcp" else row["location"]
        usd, cores = float(row["price"]), int(row["cpu"])
        if row["spot"] == "True" or usd <= 0 or cores <= 0 or (region, row["instance_name"]) in seen:
            continue
        seen.add((region, row["instance_name"]))
        yield Price(
            provider,
            region,
            row["instance_name"],
            usd,
            cores,
            float(row["memory"]),
            _gpus(int(row["gpu_count"]), row["gpu_name"]),
            "on-demand",
            _day(version),
            f"gpuhunt {version}",
        )


def _read(url: str) -> bytes:
    if not url.startswith(("https://", "http://")):
        raise ValueError(f"{url} is not an address of the web")
    with urllib.request.urlopen(url, timeout=TIMEOUT_S) as answer:  # the scheme is checked above
        content: bytes = answer.read()
    return content


def _gpus(count: int, name: str) -> str | None:
    if not count:
        return None
    return f"{count}x {name}" if count > 1 else name


def _day(version: str) -> dt.date:
    """Lists are named by day and build: `20261101-123`."""
    try:
        return dt.datetime.strptime(version[:8], "%Y%m%d").date()
    except ValueError:
        return dt.date.today()


def _keep(rows: Sequence[Price], path: Path) -> None:
    """Written beside and moved into its place."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, draft = tempfile.mkstemp(dir=path.parent, prefix=".prices-")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
            table = csv.writer(file, lineterminator="\n")
            table.writerow(COLUMNS)
            table.writerows([getattr(row, column) or "" for column in COLUMNS] for row in rows)
        Path(draft).replace(path)
    except BaseException:
        Path(draft).unlink(missing_ok=True)
        raise
