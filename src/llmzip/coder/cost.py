"""What a token costs, to the last bit of a float64 the same on every machine."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_TWO_OVER_LN2 = 2.8853900817779268
_N_TERMS = 12
"""Of the series; with an argument of 0.172 at most, the first one left out is below 2^-64."""


def ideal_bits(freq: NDArray[np.uint64], total: NDArray[np.uint64]) -> NDArray[np.float64]:
    """Return -log2(freq / total), which is what a perfect coder would need, float64.

    freq, total: uint64, one shape; 1 <= freq <= total <= MAX_TOTAL. Libraries disagree about the
    last digits of logarithms, so this one takes nothing but operations that IEEE 754 rounds: of
    the mantissa m it is 2 / ln 2 · artanh((m - 1) / (m + 1)).
    """
    mantissa, exponent = np.frexp(freq.astype(np.float64) / total.astype(np.float64))
    is_low = mantissa < 0.7071067811865476  # then it is nearer to 1 when doubled
    mantissa = np.where(is_low, mantissa + mantissa, mantissa)
    exponent = exponent - is_low
    t = (mantissa - 1.0) / (mantissa + 1.0)
    u = t * t
    series = np.full(u.shape, 1.0 / (2 * _N_TERMS + 1))
    for n in range(_N_TERMS - 1, -1, -1):
        series = series * u + 1.0 / (2 * n + 1)
    return 0.0 - (exponent + series * t * _TWO_OVER_LN2)
