"""The elimination that rounding with feedback rests on: see `rounding.shares`."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from llmzip.compiled import kernel
from llmzip.exact.cpu.scalars import wide_vectors

PANEL = 32
"""Columns that are taken from the rest together, while its rows are in the processor's cache."""


def eliminate(left: NDArray[np.float64]) -> NDArray[np.float64]:
    """U of left = (1 + U) D (1 + U)ᵀ, D diagonal, U above the diagonal; left (n, n) is used up.

    Columns go from the last to the first. Each element on or above the diagonal sees single
    operations in that order; what lies below is not kept up.
    """
    n = len(left)
    shares = np.zeros_like(left)
    columns = np.empty((PANEL, n))
    for stop in range(n, 0, -PANEL):
        start = max(stop - PANEL, 0)
        _eliminate_panel(left, shares, columns, start, stop)
        _take_from_rest(left, shares, columns, start, stop)
    return shares


@kernel
def _eliminate_panel(left: Any, shares: Any, columns: Any, start: int, stop: int) -> None:
    """Columns start … stop - 1 of `shares`; their columns of `left`, last first, to `columns`."""
    wide_vectors()
    for k in range(stop - 1, start - 1, -1):
        own, pivot = columns[stop - 1 - k], left[k, k]
        for i in range(k):
            own[i] = left[i, k]
            shares[i, k] = own[i] / pivot
        for i in range(k):
            share = shares[i, k]
            for j in range(max(start, i), k):
                left[i, j] -= share * own[j]


@kernel
def _take_from_rest(left: Any, shares: Any, columns: Any, start: int, stop: int) -> None:
    """Take the panel's columns from what lies before it."""
    wide_vectors()
    for i in range(start):
        row = left[i, i:start]
        for k in range(stop - 1, start - 1, -1):
            share, own = shares[i, k], columns[stop - 1 - k, i:start]
            for j in range(row.size):
                row[j] -= share * own[j]
