"""From bits to colours, the same for all views.

A token of b bits has the level

    min(N_LEVELS - 1, floor(N_LEVELS * log2(1 + b) / log2(1 + ceiling)))

where the ceiling is the 99th percentile of all tokens' bits, and 4 bits at least: one outlier
does not make all others pale, nor does a text without surprises glare. A difference d of bits has

    sign(d) * round(N_SIDES * min(1, log2(1 + |d|) / log2(1 + ceiling)))

with the ceiling of the differences' sizes: -N_SIDES to N_SIDES. The palettes, after
ColorBrewer's YlOrBr and PuOr, go steadily from light to dark or back, those of differences from
their middle to either side, orange and purple: those who confuse hues can read them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

N_LEVELS = 9
N_SIDES = 4
LOWEST_CEILING = 4.0
PERCENTILE = 99.0

LIGHT = (
    *("#ffffe5", "#fff7bc", "#fee391", "#fec44f", "#fe9929"),
    *("#ec7014", "#cc4c02", "#993404", "#662506"),
)
"""Backgrounds of the levels, the cheapest first, where paper is light."""

DARK = (
    *("#1a1410", "#3b1d0c", "#662506", "#993404", "#cc4c02"),
    *("#ec7014", "#fe9929", "#fec44f", "#fee391"),
)
"""The same where it is dark."""

LIGHT_DIFFERENCES = (
    *("#542788", "#8073ac", "#b2abd2", "#d8daeb", "#f7f7f7"),
    *("#fee0b6", "#fdb863", "#e08214", "#b35806"),
)
"""Backgrounds of differences from -N_SIDES (purple: the second is cheaper) to N_SIDES (orange)."""

DARK_DIFFERENCES = (
    *("#b2abd2", "#8073ac", "#542788", "#2d1a47", "#1a1a1a"),
    *("#5c2e05", "#b35806", "#e08214", "#fdb863"),
)
"""The same where paper is dark."""


def ceiling(bits: NDArray[np.float64]) -> float:
    """Return the bits from which on all have the highest level."""
    known = bits[np.isfinite(bits)]
    if not known.size:
        return LOWEST_CEILING
    return max(LOWEST_CEILING, float(np.percentile(known, PERCENTILE)))


def levels(bits: NDArray[np.float64], top: float) -> NDArray[np.int64]:
    """Return the level of each of `bits`, of any shape; `top` is their ceiling."""
    steps = np.floor(N_LEVELS * _share(np.maximum(bits, 0), top)).astype(np.int64)
    return np.minimum(N_LEVELS - 1, steps)


def side_levels(differences: NDArray[np.float64], top: float) -> NDArray[np.int64]:
    """Return the level of each difference; `top` is the ceiling of their sizes."""
    share = np.minimum(1, _share(np.abs(differences), top))
    return np.asarray(np.sign(differences) * np.rint(N_SIDES * share), dtype=np.int64)


def ink(background: str) -> str:
    """Return black or white: what contrasts more with a colour, by WCAG's relative luminance."""
    channels = np.array([int(background[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    luminance = float(linear @ np.array([0.2126, 0.7152, 0.0722]))
    return "#000000" if luminance > 0.179 else "#ffffff"


def _share(bits: NDArray[np.float64], top: float) -> NDArray[np.float64]:
    # What cannot be coded at all (infinity) is at the top.
    finite = np.nan_to_num(bits, nan=0.0, posinf=top)
    return np.asarray(np.log2(1 + finite) / np.log2(1 + top), dtype=np.float64)
