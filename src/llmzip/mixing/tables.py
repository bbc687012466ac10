"""The constants of context mixing, each from its definition in decimal or integer arithmetic."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Context, Decimal, localcontext
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

MAX_LOGIT = 2047
"""Logits are natural, in units of 1/256."""

_KEPT = (0, 1, 2, 2, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 5)
"""What is left of a count of one bit when the other bit comes."""


@lru_cache
def squash_table() -> NDArray[np.int32]:
    """Return the probabilities, in units of 2^-16, of the logits -2048 to 2047."""
    with localcontext(Context(prec=30)):
        exact = [65536 / (1 + (Decimal(-logit) / 256).exp()) for logit in range(-2048, 2048)]
        return np.array([_rounded(p) for p in exact], dtype=np.int32)


@lru_cache
def stretch_table() -> NDArray[np.int32]:
    """Return the logit of the middle of each 4096th part of the probabilities."""
    with localcontext(Context(prec=30)):
        exact = [256 * (Decimal(2 * i + 1) / Decimal(8191 - 2 * i)).ln() for i in range(4096)]
        table = np.array([_rounded(logit) for logit in exact], dtype=np.int32)
    return np.clip(table, -MAX_LOGIT, MAX_LOGIT)


def _rounded(value: Decimal) -> int:
    return int(value.to_integral_value(ROUND_HALF_EVEN))


@lru_cache
def next_histories() -> NDArray[np.uint8]:
    """Return what each history becomes after a 0 and after a 1, [256, 2].

    A history is 16 · (zeros seen) + (ones seen), each at most 15 and soon forgotten.
    """
    table = np.zeros((256, 2), dtype=np.uint8)
    for history in range(256):
        zeros, ones = history >> 4, history & 15
        table[history, 0] = min(zeros + 1, 15) << 4 | _KEPT[ones]
        table[history, 1] = _KEPT[zeros] << 4 | min(ones + 1, 15)
    return table


@lru_cache
def first_chances() -> NDArray[np.int32]:
    """Return what each history says at first of a 1, in units of 2^-22."""
    chances = [(2 * (h & 15) + 1 << 22) // (2 * ((h >> 4) + (h & 15) + 1)) for h in range(256)]
    return np.array(chances, dtype=np.int32)
