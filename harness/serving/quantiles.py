"""Latency percentiles that know when they are not estimable, and when enough has been measured."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

CALLS_NEEDED = {50: 5, 90: 64, 95: 130, 99: 662}
"""Calls below which a percentile is not printed."""
WINDOWS_NEEDED = {50: 1, 90: 5, 95: 5, 99: 5}
"""Time-separated windows below which it is not."""
TARGET = {50: 0.02, 99: 0.10}
"""Relative half-width of the 95 % interval at which measuring stops."""
T_975 = (np.inf, 12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228)
"""Student's t by degrees of freedom 0…10: scipy takes longer to import than a window takes to run."""


def percentile(calls_ms: np.ndarray, q: int, windows: int) -> tuple[float | None, str]:
    """A percentile of latencies, or why there is none.

    Args:
        calls_ms: (n,) one per call, in ms.
        windows: in how many time-separated windows they were measured.
    Returns:
        The value and an empty note, or None and `not estimable (120 of 662 calls)`.
    """
    if len(calls_ms) < CALLS_NEEDED[q]:
        return None, f"not estimable ({len(calls_ms)} of {CALLS_NEEDED[q]} calls)"
    if windows < WINDOWS_NEEDED[q]:
        return None, f"not estimable ({windows} of {WINDOWS_NEEDED[q]} windows)"
    return float(np.percentile(calls_ms, q)), ""


def half_width(values: Sequence[float]) -> float:
    """Relative half-width of the 95 % t interval of positive values, on the log scale.

    Windows are the units, not calls: calls are correlated.
    """
    n = len(values)
    if n < 2:
        return float("inf")
    logs = np.log(np.maximum(np.asarray(values, dtype=float), 1e-12))
    t = T_975[n - 1] if n - 1 < len(T_975) else 1.96 + 2.4 / (n - 1)
    return float(np.expm1(t * logs.std(ddof=1) / np.sqrt(n)))


def settled(windows_ms: Sequence[np.ndarray]) -> bool:
    """Whether p50 and p99 are known to their targets: 2 % and 10 %.

    The p99 is judged over 5 blocks of consecutive windows, and only once it is estimable at all.
    """
    if len(windows_ms) < 5 or half_width([float(np.median(w)) for w in windows_ms]) > TARGET[50]:
        return False
    return p99_half_width(windows_ms) <= TARGET[99]


def p99_half_width(windows_ms: Sequence[np.ndarray]) -> float:
    """Relative half-width of the p99's interval over 5 blocks of windows; infinite where not estimable."""
    if len(windows_ms) < 5 or sum(len(w) for w in windows_ms) < CALLS_NEEDED[99]:
        return float("inf")
    blocks = np.array_split(np.arange(len(windows_ms)), 5)
    return half_width(
        [float(np.percentile(np.concatenate([windows_ms[i] for i in block]), 99)) for block in blocks]
    )


def steady(calls_ms: Sequence[float], tolerance: float = 0.10) -> bool:
    """Whether the two halves of the last calls look alike: means within 10 %, quartiles alike."""
    recent = np.asarray(calls_ms[-40:], dtype=float)
    if len(recent) < 8:
        return False
    first, second = np.array_split(recent, 2)
    if abs(first.mean() - second.mean()) > tolerance * min(first.mean(), second.mean()):
        return False
    center = float(np.median(recent))
    quartiles = [np.percentile(half, [25, 75]) for half in (first, second)]
    return bool(np.all(np.abs(quartiles[0] - quartiles[1]) <= tolerance * center))
