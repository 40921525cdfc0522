"""What the C library does with memory that a trial has freed."""

from __future__ import annotations

import ctypes

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
"""Numbers of glibc's `mallopt` (malloc.h): how much freed memory a heap keeps at its end, and from what size
on a block is mapped apart and handed back as soon as it is freed."""

KEPT, APART = 2**30, 2**28
"""Bytes of both for a network; the activations of a batch are blocks of some megabytes."""

USUAL_KEPT, USUAL_APART = 2**26, 2**25
"""As far as glibc raises both by itself."""

_is_kept = False


def keep_freed_memory(is_kept: bool) -> None:
    """Let freed memory stay with this process, or go back to the system as usual.

    Each step of a network takes and frees the same tensors. What is handed back in between the kernel clears
    anew, page by page: none to 14 % of a training's time (`benchmarks/results/freed_memory.json`, LOG.md).
    What is computed is the same, bit for bit. Tables of gigabytes are better handed back.
    """
    global _is_kept
    libc = ctypes.CDLL(None)
    mallopt, trim = getattr(libc, "mallopt", None), getattr(libc, "malloc_trim", None)
    if mallopt is None or trim is None:  # both are glibc's
        return
    trim(0)  # what the trial before has left
    if is_kept == _is_kept:
        return
    _is_kept = is_kept
    if not (is_kept and mallopt(M_MMAP_THRESHOLD, APART)):  # it may refuse blocks as large
        mallopt(M_MMAP_THRESHOLD, USUAL_APART)
    mallopt(M_TRIM_THRESHOLD, KEPT if is_kept else USUAL_KEPT)
