"""Whether a text can repeat itself: told in less time than it takes to load what finds that."""

from __future__ import annotations

import numpy as np

LEAST_NEAR_BYTES = 1 << 10
"""Shorter repeats of the group itself are left to the model, which has learnt them by then: it
codes them in fewer bytes than a copy takes, with what it has to know of what follows."""

_FACTOR = 0x9E3779B97F4A7C15


def has_repeat(text: bytes, n_bytes: int) -> bool:
    """Whether any `n_bytes` bytes, a power of 2, may come twice in `text`: if not, they don't.

    Of each window there is a polynomial hash, modulo 2^64, made of those of its halves.
    """
    if len(text) <= n_bytes:
        return False
    hashes = np.frombuffer(text, dtype=np.uint8) + np.uint64(1)
    size, factor = 1, _FACTOR
    while size < n_bytes:
        hashes = hashes[:-size] * np.uint64(factor) + hashes[size:]
        size, factor = 2 * size, factor * factor % (1 << 64)
    return len(np.unique(hashes)) < len(hashes)
