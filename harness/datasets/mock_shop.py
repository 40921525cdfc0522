"""The mock shop as a data set: the log, catalogue and user tables of a generated e-commerce shop.

Generated once per size and seed and kept in the cache folder. The truth of the world is kept apart:
`load` never returns it, `truth` is for judges (`harness.tasks.recommendation.online`) only.
"""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

import numpy as np

from harness.codec import Json, JsonObject
from harness.datasets.arguments import complete, taken_by
from harness.datasets.files import locked
from harness.datasets.interactions import Impressions, Interactions, Protocol, SplitName

# The generator lives with the task that judges by it; it needs nothing of this folder but the tables' types.
from harness.datasets.shop import truth as generator
from harness.datasets.shop.log import Sessions, run_shop
from harness.datasets.shop.truth import Shop, Truth, build_truth, tables
from harness.protocols import Task
from harness.record import DataError, content_hash
from harness.store.behaviour import behaviour
from harness.store.disk import cache_root

Columns = TypeVar("Columns", Impressions, Sessions)
DESCRIPTION = "a generated shop whose truth is known: catalogue, users, impressions with propensities"
WORLD = Path(generator.__file__).parent
"""The source of the generator: a changed world is other data."""


def load(
    *,
    items: int = 20_000,
    users: int = 5_000,
    impressions: int = 1_000_000,
    days: int = 28,
    seed: int = 0,
    split: SplitName = "global_time",
    test: float = 0.15,
    mask_seen: bool = False,
    punishing: float = 0.0,
) -> Interactions:
    """What the shop's team has: tables and log, clicks as events.

    Args:
        items, users, impressions, days, seed, punishing: the shop, see `Shop`.
        split, test, mask_seen: the protocol. Customers do come back for what they saw, so nothing is masked.

    Raises:
        DataError: the split is by user.
    """
    task(split=split)
    world, _, log = _world(
        Shop(items=items, users=users, impressions=impressions, days=days, seed=seed, punishing=punishing)
    )
    catalogue, people = tables(world)
    return Interactions(catalogue, people, log.events(), Protocol(split, test, mask_seen), log)


def truth(**args: Json) -> tuple[Truth, Sessions]:
    """The truth of the shop that `load` with the same arguments gives the log of."""
    world, sessions, _ = _world(_shop(args))
    return world, sessions


def task(**args: Json) -> Task:
    """What the data is for.

    Raises:
        DataError: the split is by user: it asks after the last event, when there are no visits to judge by.
    """
    if (split := complete(load, args)["split"]) != "global_time":
        raise DataError(
            f"the mock shop is judged on the visits after deployment, and split {split} leaves none: "
            "write data.args.split: global_time, or leave it out"
        )
    return Task("recommendation")


def checksum(**args: Json) -> str:
    """Of the data that `load` gives, without making it."""
    return _key(_shop(args))


def _shop(args: JsonObject) -> Shop:
    return Shop(**taken_by(Shop, complete(load, args)))


def _key(shop: Shop) -> str:
    sources = [behaviour(file, file.stat().st_mtime_ns)[0] for file in sorted(WORLD.glob("*.py"))]
    return content_hash({"mock_shop": sources, **asdict(shop)})


@lru_cache(maxsize=1)
def _world(shop: Shop) -> tuple[Truth, Sessions, Impressions]:
    """Items and users are drawn anew (under a second), the log is read from the cache or made."""
    world = build_truth(shop)
    folder = cache_root() / f"mock_shop-{_key(shop)}"
    with locked(folder):
        if not folder.is_dir():
            _write(folder, *run_shop(world))
    return world, _read(folder / "sessions", Sessions), _read(folder / "log", Impressions)


def _write(folder: Path, log: Impressions, sessions: Sessions) -> None:
    scratch = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    try:
        for name, columns in (("log", vars(log)), ("sessions", vars(sessions))):
            (scratch / name).mkdir()
            for column, values in columns.items():
                np.save(scratch / name / f"{column}.npy", values, allow_pickle=False)
        scratch.rename(folder)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _read(folder: Path, kind: type[Columns]) -> Columns:
    names = kind.__dataclass_fields__
    return kind(**{name: np.load(folder / f"{name}.npy", allow_pickle=False) for name in names})
