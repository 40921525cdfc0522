"""MovieLens 100K: 100,000 ratings of 1,682 films by 943 users (Harper & Konstan 2015).

A fixture for correctness, not a benchmark: half of its users rated everything within an hour, and the
standard error of NDCG at 943 users is .0065. Every rating counts as positive feedback.
"""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from harness.datasets.files import fetch_files
from harness.datasets.interactions import (
    Events,
    Interactions,
    Protocol,
    SplitName,
    Users,
    codes_of,
    plain_catalogue,
)
from harness.protocols import DataFile, Task

DESCRIPTION = "MovieLens 100K: 943 users, 1,682 films, 100,000 ratings as implicit feedback"
_WHEEL = "pip:recbole==1.2.1:recbole/dataset_example/ml-100k"
FILES = (
    DataFile(
        "ml-100k/ml-100k.inter",
        "4edb74e2a81178c2ba9ff381495f754f996c4aea351b1272ca36b43da0935eff",
        (f"{_WHEEL}/ml-100k.inter",),
    ),
    DataFile(
        "ml-100k/ml-100k.item",
        "51d7cdf777ce5c0f5b32c1d947a4a81fe07d75e78abbe761e0cd4d0756064532",
        (f"{_WHEEL}/ml-100k.item",),
    ),
)


def load(
    *,
    split: SplitName = "random",
    test: float = 0.1,
    mask_seen: bool = True,
    relevant_from: float | None = None,
    known_items: bool = False,
    split_seed: int | None = None,
) -> Interactions:
    """The ratings as events; a film's category is the first genre it lists.

    Args:
        split, test, mask_seen, relevant_from, known_items, split_seed: the protocol, see `Protocol`.
            RecBole's is 8/1/1 at random per user, all ratings relevant; recommenders-team's 75/25 at random
            per user; Cornac's a share of all ratings by numpy's seed, relevant from 4 stars, of known films.
    """
    protocol = Protocol(split, test, mask_seen, relevant_from, known_items, split_seed)
    paths = fetch_files(FILES)
    ratings = np.array(_rows(paths["ml-100k/ml-100k.inter"]))
    films = _rows(paths["ml-100k/ml-100k.item"])
    user_ids, users = np.unique(ratings[:, 0].astype(np.int64), return_inverse=True)
    item_ids = np.sort(np.array([int(row[0]) for row in films]))
    genre = {int(row[0]): row[3].split(" ")[0] for row in films}
    _, category = np.unique([genre[i] for i in item_ids.tolist()], return_inverse=True)
    days = ratings[:, 3].astype(np.float64) / 86400
    order = np.argsort(days, kind="stable")
    n = len(order)
    events = Events(
        user=users[order].astype(np.int32),
        item=codes_of(ratings[order, 1].astype(np.int64), item_ids),
        time=days[order],
        bought=np.zeros(n, bool),
        session=np.full(n, -1, np.int64),
        rating=ratings[order, 2].astype(np.float32),
        row=order.astype(np.int64),
    )
    people = Users(user_ids, np.full(len(user_ids), -1, np.int32))
    return Interactions(plain_catalogue(item_ids, category), people, events, protocol)


def task(**_: object) -> Task:
    return Task("recommendation")


def checksum(**_: object) -> str:
    """Of the files that `load` reads."""
    return FILES[0].sha256[:16]


def _rows(path: Path) -> list[list[str]]:
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.reader(stream, delimiter="\t", quoting=csv.QUOTE_NONE))[1:]
