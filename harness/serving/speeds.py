"""What a batch's size takes, told apart from how fast the machine was just then.

Many a core is at times half as fast again as at others, for a tenth of a second to minutes: a hypervisor runs
another guest on its sibling, a clock changes. Queues grow while it is slow, so large batches are seen then
and small ones while it is fast. Whoever takes each size's own median takes slow moments for the price of
size, and pays twice where a slow moment meets a large batch. So calls are compared with their neighbours,
which met the same machine.
"""

from __future__ import annotations

import numpy as np

NEXT = 4
"""Calls after each that it is compared with. Not those before: a call that took long by chance makes the
next batch large, but no batch is as large as it is for what the calls after it will take."""
SHAPE_COUNTS = 5.0
"""How many calls the closed loop's step from one size to the next counts for."""
CLIP = 3.0
"""A difference counts in full up to so many usual ones: a stall, or the machine's speed changing between
neighbours, tells nothing of sizes."""
LEAST = 1e-3
"""The usual difference is taken for so much at least."""
TURNS, CLOSE = 12, 1e-4
STRETCH = 32
"""Calls that met one speed of the machine: their middle one tells it."""
SLOWEST = 2.0
"""What is slower than usual by more is no speed of a machine but stalls, one after the other."""


def by_size(size: np.ndarray, seconds: np.ndarray, lane: np.ndarray, closed: np.ndarray) -> np.ndarray:
    """(max_batch,) seconds of a call by its size, at the machine's usual speed.

    What a size's calls take against the calls after them is what it takes against their sizes; solved for all
    sizes at once. Sizes that came seldom lean on the closed loop's shape.

    Args:
        size, seconds: (calls,), in order of time. lane: (calls,) which run and worker: neighbours share one.
        closed: (max_batch,) seconds in a closed loop.
    """
    order, sizes = np.argsort(lane, kind="stable"), len(closed)
    size, logs = size[order] - 1, np.log(seconds[order])
    call, after, share = _neighbours(lane[order])
    compared = np.bincount(call, share, len(size))  # 1, or 0 where no call follows
    step = np.diff(np.eye(sizes), axis=0)
    prior, shape = SHAPE_COUNTS * step.T @ step, np.log(closed)
    found = shape.copy()
    for _ in range(TURNS if len(call) else 0):  # calls without neighbours have the closed loop's shape
        rest = logs - found[size]
        apart = compared * rest - np.bincount(call, share * rest[after], len(size))
        most = CLIP * max(LEAST, float(np.median(np.abs(apart))))
        weight = compared * most / np.maximum(np.abs(apart), most)
        counts = np.bincount(size, weight, sizes)
        beside = np.bincount(size[call] * sizes + size[after], weight[call] * share, sizes**2)
        pull = np.bincount(size, weight * apart, sizes) + prior @ (shape - found)
        # Sizes have no zero of their own, and calls may get slower or faster on the whole.
        system = np.block(
            [[np.diag(counts) - beside.reshape(sizes, sizes) + prior, counts[:, None]], [np.ones(sizes), 0.0]]
        )
        change = np.linalg.solve(system, np.append(pull, 0.0))[:-1]
        found += change
        if np.ptp(change) < CLOSE:
            break
    return np.asarray(np.exp(found + np.median(logs - found[size])))


def _neighbours(lane: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pairs of a call and one of the next few of its lane, and the pair's share of all that the call has.

    Args:
        lane: (calls,) sorted.
    """
    calls = np.arange(len(lane))
    pairs = [calls[:-lag][lane[lag:] == lane[:-lag]] for lag in range(1, NEXT + 1)]
    call = np.concatenate(pairs)
    after = np.concatenate([first + lag for lag, first in enumerate(pairs, 1)])
    return call, after, 1 / np.bincount(call, minlength=len(lane))[call]


def slowness(ratio: np.ndarray, lane: np.ndarray) -> np.ndarray:
    """(calls,) how many times as long as usual calls took around each one, from 1 to `SLOWEST`.

    Args:
        ratio: (calls,) seconds over what its size usually takes.
    """
    level = np.ones(len(ratio))
    for each in np.unique(lane):
        mine = np.flatnonzero(lane == each)
        whole = len(mine) // STRETCH
        if whole:
            middles = np.median(ratio[mine[: whole * STRETCH]].reshape(whole, STRETCH), axis=1)
            level[mine] = middles[np.minimum(np.arange(len(mine)) // STRETCH, whole - 1)]
    return np.clip(level, 1.0, SLOWEST)
