"""List prices of today, as the project gpuhunt publishes them every day from the providers' own interfaces.

Its files are read, not its package: that installs a package named `tests` beside it, which hides one's own.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
import math
import os
import re
import tempfile
import threading
import urllib.request
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from http.client import HTTPException
from pathlib import Path
from queue import Empty, SimpleQueue
from urllib.error import HTTPError

from harness.costs import COLUMNS, SHIPPED, SPOILT, Price, own_prices, read_rows
from harness.record import HarnessError

ADDRESS = "https://dstack-gpu-pricing.s3.eu-west-1.amazonaws.com/v3"
"""Of each provider: `PROVIDER/version` names the newest list, `PROVIDER/VERSION/catalog.zip` holds it."""
PROVIDERS = ("aws", "azure", "gcp")
ZONE = re.compile(r"-[a-z]$")
"""Google's lists are by zone; a region's zones cost the same."""
SILENT_S = 20.0
"""Without a further piece of an answer for so long nobody waits any more. A socket's own timeout counts anew
for each address that a name stands for, and not at all while the name is looked up."""
PIECE = 2**16
VERSION = re.compile(r"[\w.-]{1,64}")
UNREADABLE = (zipfile.BadZipFile, zlib.error, csv.Error, HTTPException, LookupError, ValueError, TypeError,
              EOFError, NotImplementedError, RuntimeError)  # fmt: skip
"""What zipfile, csv and the conversions raise of an answer that is no list, or half of one."""


def update_prices(providers: Sequence[str] = PROVIDERS, address: str | None = None) -> Counter[str]:
    """Take today's prices on demand, and keep them whole or not at all.

    Args:
        address: where the lists are; default `$GPUHUNT_CATALOG_URL`, else where gpuhunt publishes them.
    Returns:
        How many rows each provider has.
    Raises:
        HarnessError: a list cannot be reached or read, or holds nothing.
    """
    path = own_prices()
    instead = _instead(path)
    address = (address or os.environ.get("GPUHUNT_CATALOG_URL") or ADDRESS).rstrip("/")
    rows: list[Price] = []
    for provider in providers:
        try:
            found = list(_listed(provider, address))
        except OSError as error:
            raise HarnessError(
                f"the prices of {provider} cannot be had from {address} ({error}): {instead}"
            ) from error
        except UNREADABLE as error:
            said = str(error) if isinstance(error, ValueError) and str(error) else repr(error)
            raise HarnessError(f"the list of {provider} cannot be read ({said}): {instead}") from error
        if not found:
            raise HarnessError(f"the list of {provider} holds no machine on demand: {instead}")
        rows += found
    _keep([*_others(path, providers), *rows], path)
    return Counter(row.provider for row in rows)


def _others(path: Path, providers: Sequence[str]) -> list[Price]:
    """What earlier updates had of other providers."""
    try:
        return [row for row in read_rows(path) if row.provider not in providers]
    except (FileNotFoundError, *SPOILT):  # a spoilt one is replaced
        return []


def _instead(path: Path) -> str:
    """What is used where nothing new can be had, and the cure."""
    kept = f"your last update ({path})" if path.is_file() else f"the snapshot that ships ({SHIPPED.name})"
    return (
        f"nothing was changed, {kept} is used as before; try again where the network allows it, or give "
        "machine.usd_per_hour yourself"
    )


def _listed(provider: str, address: str) -> Iterator[Price]:
    told = _not_a_page(_read(f"{address}/{provider}/version"))
    version = told.decode().strip()
    if not VERSION.fullmatch(version):
        raise ValueError(f"{version[:40]!r} is no version of a list")
    content = _not_a_page(_read(f"{address}/{provider}/{version}/catalog.zip"))
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        text = archive.read(f"{provider}.csv").decode()
    seen = set()
    for row in csv.DictReader(io.StringIO(text)):
        region = ZONE.sub("", row["location"]) if provider == "gcp" else row["location"]
        usd, cores = float(row["price"]), int(row["cpu"])
        if (
            row["spot"] == "True"
            or not 0 < usd < math.inf
            or cores <= 0
            or (region, row["instance_name"]) in seen
        ):
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


def _not_a_page(content: bytes) -> bytes:
    """Raises: ValueError: it is a page, as networks give that want a login first."""
    if content.lstrip()[:1] == b"<":
        raise ValueError(
            "a web page came in its place; does this network ask for a login, or a proxy stand between?"
        )
    return content


def _read(url: str) -> bytes:
    """Raises: OSError: nothing can be had. HTTPException, ValueError: it is no answer."""
    if not url.startswith(("https://", "http://")):
        raise ValueError(f"{url} is not an address of the web")
    pieces: SimpleQueue[bytes | Exception] = SimpleQueue()
    threading.Thread(target=_send, args=(url, pieces), daemon=True).start()
    content = b""
    while True:
        try:
            piece = pieces.get(timeout=SILENT_S)
        except Empty:
            piece = TimeoutError()
        if isinstance(piece, TimeoutError) or isinstance(getattr(piece, "reason", None), TimeoutError):
            raise TimeoutError(f"no answer for {SILENT_S:g} s")  # the socket's own may be the first to end
        if isinstance(piece, Exception):
            raise piece
        if not piece:
            return content
        content += piece


def _send(url: str, pieces: SimpleQueue[bytes | Exception]) -> None:
    """An answer piece by piece, an empty one last; or what was raised."""
    try:
        with urllib.request.urlopen(url, timeout=SILENT_S) as answer:  # the scheme is checked
            expected, got = answer.headers.get("Content-Length"), 0
            while piece := answer.read(PIECE):
                got += len(piece)
                pieces.put(piece)
        if expected is not None and got < int(expected):
            raise ConnectionError(f"the answer ended after {got:,} of {int(expected):,} bytes")
        pieces.put(b"")
    except Exception as error:  # raised where it is waited for
        if isinstance(error, HTTPError):  # an answer too, which is open
            error.close()
        pieces.put(error)


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
