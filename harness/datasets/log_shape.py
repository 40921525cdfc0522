"""What `plan` says of a log that leaves little to compare by: repeats, strangers, items nobody had chosen."""

from __future__ import annotations

import numpy as np
import pandas as pd

from harness.datasets.interactions import Interactions, last_stretch

LISTS = ("|", ";", "', '")
"""Between the groups of a cell."""
MANY = 0.2
"""Of a log's choices a share that is worth a word."""
STRANGERS = 0.5
"""Of the users who choose in the test part."""


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
    new = float(np.mean(~np.isin(events.item[late], events.item[~late]))) if late.any() else 0.0
    if new >= MANY:
        said.append(
            f"{new:.0%} of the choices of the test part are of items that nobody had chosen before: who "
            "learns from choices alone cannot find them; a table of items (`items_path`) helps two_tower"
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
