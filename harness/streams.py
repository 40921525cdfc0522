"""Named streams of randomness from one seed.

Candidates that should be compared on the same draws (split, order, arrivals) use the same names;
streams of other names are independent (Philox keyed by a hash of seed and names).
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from harness.late import Late

if TYPE_CHECKING:
    import numpy as np
else:
    np = Late("numpy")


def seed_for(seed: int, *names: str | int) -> int:
    """A 63-bit seed for a named stream: the same on every machine and in every process."""
    text = "\0".join(str(part) for part in (seed, *names))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def generator(seed: int, *names: str | int) -> np.random.Generator:
    """The generator of a named stream: `generator(suite.seed, "split")`."""
    return np.random.Generator(np.random.Philox(seed_for(seed, *names)))
