"""What `plan` says of a log that leaves little to compare by: repeats, strangers, items nobody had chosen."""

from __future__ import annotations

import re
from collections.abc import Collection

import numpy as np
import pandas as pd

from harness.datasets.interactions import Interactions, last_stretch

LISTS = ("|", ";", "', '")
"""Between the groups of a cell."""
MANY = 0.2
"""Of a log's choices a share that is worth a word."""
WIDE, FEW, SEVERAL = 0.5, 0.01, 100
"""A gap in the times, of all that they span, beyond which lies no more than such a share of so many rows."""
SOME, MOSTLY = 200, 0.8
"""Cells of a column that are looked at; the share of their parts that are items."""
LEAST = 0.001
"""A share of the time that may be cut off."""
USUAL, UNEVEN = 0.1, 4
"""A usual share to test on, and how many times that, or what part, is far from it."""
STRANGERS = 0.5
"""Of the users who choose in the test part."""


def check_apart(day: np.ndarray, path: str) -> list[str]:
    """What is wrong with times of which a few lie so far from all others that they alone are cut off by time.

    Args:
        day: (n,) days since 1970, of the rows as they stand in the file.
    """
    order = np.argsort(day, kind="stable")
    gaps = np.diff(day[order])
    if len(day) < SEVERAL:
        return []
    cut = int(np.argmax(gaps)) + 1
    few, rest = sorted((order[:cut], order[cut:]), key=len)
    if gaps[cut - 1] <= WIDE * gaps.sum() or len(few) > max(1, FEW * len(day)):
        return []
    rows, away = f"{len(few)} rows" if len(few) > 1 else "one row", f"{gaps[cut - 1]:,.0f}"
    return [
        f"{path}:{int(few[0]) + 2}: the time {_day(day[few[0]])} ({rows}) lies {away} days from "
        f"all others, {_day(day[rest].min())} to {_day(day[rest].max())}: cut by time these alone would be "
        "learnt from, or asked for; correct or drop such rows, or write `split: leave_one_out`"
    ]


def _day(days: float) -> str:
    return str(np.datetime64(int(days), "D"))


def said_of_shape(data: Interactions) -> list[str]:
    """Sentences, each with its cure; nothing of a log of which little is left out."""
    events, protocol, said = data.events, data.protocol, []
    pairs = events.user.astype(np.int64) * len(data.catalogue) + events.item
    again = 1 - len(np.unique(pairs)) / max(len(pairs), 1)
    if protocol.mask_seen and again >= MANY:
        said.append(
            f"{again:.0%} of the choices are of an item that the same user had chosen before: these are "
            "neither asked for nor answered; where people choose the same again write `mask_seen: false`"
        )
    if protocol.split != "global_time" or not len(events):
        return said
    late = events.time >= last_stretch(float(events.time.min()), float(events.time.max()), protocol.test)
    asked = np.unique(events.user[late])
    strangers = float(np.mean(~np.isin(asked, events.user[~late]))) if len(asked) else 0.0
    if strangers >= STRANGERS:
        said.append(
            f"{strangers:.0%} of the {len(asked):,} users of the test part have no earlier choice, so that "
            "little is compared but what strangers are shown: where each user is one visit write "
            "`split: leave_one_out`"
        )
    said += _uneven(events.time, late, protocol.test)
    new = float(np.mean(~np.isin(events.item[late], events.item[~late]))) if late.any() else 0.0
    if new >= MANY:
        said.append(
            f"{new:.0%} of the choices of the test part are of items that nobody had chosen before: who "
            "learns from choices alone cannot find them; a table of items (`items_path`) helps two_tower"
        )
    return said


def _uneven(time: np.ndarray, late: np.ndarray, test: float) -> list[str]:
    """That a share of the time holds quite another share of the choices; nothing where it does not."""
    share, span = float(np.mean(late)), float(time.max() - time.min())
    if not span or min(test, USUAL) / UNEVEN <= share <= UNEVEN * max(test, USUAL):
        return []
    fair = (time.max() - np.quantile(time, 1 - USUAL)) / span
    cure = f"`test: {fair:.2g}` cuts off {USUAL:.0%} of them"
    cure = cure if fair > LEAST else "write `split: leave_one_out`"
    asked, learnt = int(late.sum()), int((~late).sum())
    return [
        f"the last {test:.0%} of the time, the test part, holds {share:.0%} of the choices ({asked:,}; "
        f"{learnt:,} are learnt from): {cure}"
    ]


def said_of_lists(frame: pd.DataFrame, used: Collection[str], item: pd.Series) -> list[str]:
    """What is said of columns whose cells hold several of the log's items, and that are not looked at."""
    known, said = set(item.astype(str)), list[str]()
    for name in frame.columns:
        some = [] if name in used else frame[name].dropna().head(SOME).astype(str).tolist()
        cells = [cell for text in some if len(cell := re.findall(r"[^\s,;|\[\]'\"]+", text)) > 1]
        parts = [part for cell in cells for part in cell]
        if 2 * len(cells) > len(some) and sum(part in known for part in parts) > MOSTLY * len(parts):
            said.append(
                f"column {name!r} holds several items in a cell, for instance {some[0][:40]!r}, and is not "
                "looked at: where they have no rows of their own, write a row for each"
            )
    return said


def said_of_groups(column: pd.Series, name: str) -> list[str]:
    """That cells hold several groups of an item, such as genres; nothing where they do not."""
    words = [str(value) for value in column.dropna().unique()]
    several = [word for word in words if any(mark in word for mark in LISTS)]
    if len(several) < max(1, MANY * len(words)):
        return []
    return [
        f"column {name!r} holds several in a cell, for instance {several[0]!r}: each of the {len(words)} "
        "combinations is a category of its own; write the first, or the main one, of each item"
    ]
