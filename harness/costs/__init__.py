"""The price catalogue: the snapshot that ships (`prices.csv`, written by scripts/price_snapshot), and above
it the rows that `harness prices update` brought."""

from __future__ import annotations

import csv
import datetime as dt
import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from harness.record import SuiteError
from harness.store.disk import cache_root

SHIPPED = Path(__file__).parent / "prices.csv"
COLUMNS = (
    "provider",
    "region",
    "instance",
    "vcpus",
    "memory",
    "gpu",
    "term",
    "usd_per_hour",
    "as_of",
    "source",
)
HOME_REGIONS = {"aws": "us-east-1", "azure": "eastus", "gcp": "us-central1"}
"""Where a price without a region is from."""
STALE_DAYS = 90
"""A price older than this is shown with a warning (providers change lists a few times a year)."""


@dataclass(frozen=True)
class Price:
    """A row of the price catalogue, or a price of the user's own.

    Args:
        memory: GiB. gpu: its name, None without one. term: `on-demand`, `spot`, `own`.
        as_of: the day for which the figure is known; None for a price of the user's own.
    """

    provider: str
    region: str
    instance: str
    usd_per_hour: float
    vcpus: int = 0
    memory: float = 0.0
    gpu: str | None = None
    term: str = "on-demand"
    as_of: dt.date | None = None
    source: str = ""

    @property
    def name(self) -> str:
        """As written in a suite: `aws/c7i.large`."""
        return f"{self.provider}/{self.instance}" if self.instance else self.provider

    @property
    def family(self) -> str:
        """Instances of a provider with the same processor, by its naming: `c7i` of c7i.large and c7i.xlarge.

        Those with an accelerator, or whose cores are a share of one (AWS t, Azure B, e2-micro), are alone.
        """
        shared = self.instance.startswith(("t1.", "t2.", "t3.", "t3a.", "t4g.", "Standard_B"))
        if self.gpu or shared:
            return self.instance
        if self.provider == "aws":
            return self.instance.partition(".")[0]
        if self.provider == "azure":
            return re.sub(r"(?<=[A-Z])\d+(-\d+)?(?=[a-z_]|$)", "", self.instance)
        name, _, size = self.instance.rpartition("-")
        return name.partition("-")[0] if size.isdecimal() else self.instance

    @property
    def name_with_region(self) -> str:
        """As a suite may write it too: `aws/us-east-1/c7i.large`."""
        return f"{self.provider}/{self.region}/{self.instance}"

    @property
    def label(self) -> str:
        """For readers: `aws/c7i.large us-east-1 on-demand`, or that it is the suite's own price."""
        if not self.instance:
            return "the suite's own price"
        return " ".join(part for part in (self.name, self.region, self.term) if part)

    def age(self, today: dt.date | None = None) -> str:
        """How old the price is, in words, with the cure; empty for one's own."""
        if self.as_of is None:
            return ""
        days = self.stale_days(today)
        cure = "run python -m harness prices update, or set machine.usd_per_hour"
        return f"of {self.as_of.isoformat()}{f', {days} days old: {cure}' if days else ''}"

    def stale_days(self, today: dt.date | None = None) -> int:
        """How many days old, of a price that is to be looked up again; else 0."""
        days = ((today or dt.date.today()) - self.as_of).days if self.as_of else 0
        return days if days > STALE_DAYS else 0


def own_prices() -> Path:
    """Where `harness prices update` keeps what it took."""
    return cache_root() / "prices.csv"


def load_prices() -> tuple[Price, ...]:
    """The price catalogue, each row with its source and day; of two rows of one instance the later.

    Raises:
        SuiteError: the user's own catalogue cannot be read.
    """
    own = own_prices()
    return _catalogue(own, own.stat().st_mtime_ns if own.exists() else None)


@cache
def _catalogue(own: Path, written: int | None) -> tuple[Price, ...]:
    rows = {(p.provider, p.region, p.instance, p.term): p for p in read_rows(SHIPPED)}
    if written is not None:
        try:
            newer = read_rows(own)
        except (*SPOILT, OSError) as error:
            raise SuiteError(
                f"{own}: is not a price catalogue ({error!r}): delete it, or run `harness prices update`"
            ) from error
        for p in newer:
            key = (p.provider, p.region, p.instance, p.term)
            if key not in rows or (rows[key].as_of or dt.date.min) <= (p.as_of or dt.date.min):
                rows[key] = p
    return tuple(sorted(rows.values(), key=lambda p: p.region != HOME_REGIONS.get(p.provider, p.region)))


SPOILT = (KeyError, ValueError, TypeError, csv.Error)
"""What `read_rows` raises of a file that is no catalogue."""


def read_rows(path: Path) -> list[Price]:
    """The rows of one catalogue."""
    with path.open(encoding="utf-8", newline="") as file:
        return [_price(row) for row in csv.DictReader(file)]


def _price(row: Mapping[str, str]) -> Price:
    return Price(
        row["provider"],
        row["region"],
        row["instance"],
        float(row["usd_per_hour"]),
        int(row["vcpus"]),
        float(row["memory"]),
        row["gpu"] or None,
        row["term"],
        dt.date.fromisoformat(row["as_of"]),
        row["source"],
    )


def find_price(name: str, prices: Iterable[Price] | None = None) -> Price:
    """The row named `provider/instance` or `provider/region/instance`; the first that fits.

    Raises:
        SuiteError: no such row; the message has the nearest names.
    """
    rows = tuple(load_prices() if prices is None else prices)
    for row in rows:
        if name in (row.name, row.name_with_region):
            return row
    cure = other_regions(name, rows) or _near(name, rows) or "`harness prices list 'aws/*'` has those of AWS"
    raise SuiteError(
        f"there is no price named {name!r}; {cure}; or give one of your own: machine: {{usd_per_hour: 0.09}}"
    )


def _near(name: str, rows: Iterable[Price]) -> str:
    """The names most like it, also without its provider and in other letters; empty where none is like it."""
    known = {row.name.lower(): row.name for row in rows} | {row.instance.lower(): row.name for row in rows}
    found = difflib.get_close_matches(name.lower(), known, n=6, cutoff=0.5)
    near = list(dict.fromkeys(known[text] for text in found))[:3]
    return f"nearest: {', '.join(near)}" if near else ""


def other_regions(name: str, prices: Iterable[Price] | None = None) -> str:
    """Where an instance has a price that has none in the named region: another instance there is no cure.

    Empty where the name has no region, or nobody knows the instance.
    """
    provider, _, place = name.partition("/")
    region, slash, instance = place.partition("/")
    rows = load_prices() if prices is None else prices
    known = [r for r in rows if slash and (r.provider, r.instance) == (provider, instance)]
    if not known or region in (r.region for r in known):
        return ""
    regions = ", ".join(dict.fromkeys(r.region for r in known))
    return (
        f"`{provider}/{instance}` is known in {regions} alone: `harness prices update` brings other regions,"
        f" `{known[0].name_with_region}` takes that price"
    )
