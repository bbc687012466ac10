"""How a range is divided among the symbols of a distribution: the arithmetic both sides share.

A lane codes a number as a sequence of base-256 digits, most significant first.
All it has coded so far has confined that number to an interval [low, low + width),
of which the coder keeps the lowest 64 bits, scaled by 256 whenever a digit is
decided. The invariants, in force before each symbol:

    2**56 <= width <= 2**64 - 256   at least 8 bits more than the largest total
    0 <= low < 2**64                modulo 2**64: the digits above are written already
    1 <= freq, low + freq <= total <= 2**48 = MAX_TOTAL

To code a symbol, the width is dealt out over the units 0 .. total - 1 without
remainder: with unit, spare = divmod(width, total), each of the first `spare` units
gets unit + 1, each other one gets unit. So unit c begins at c * unit + min(c, spare),
every point of the width belongs to exactly one unit, and nothing is lost. As
unit >= 2**8, no symbol vanishes: a new width is at least 2**8, so at most 6 digits
are decided by one symbol. All products stay below 2**64, for c <= total;
and so does unit + 1, even for a total of 1.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

U64 = NDArray[np.uint64]

MAX_TOTAL = 1 << 48
"""The largest total of a distribution that the coder accepts."""

MIN_WIDTH = np.uint64(1 << 56)
"""A narrower interval is scaled by 256: its first digit is decided or will only take a carry."""

FIRST_WIDTH = (1 << 64) - 256
"""Width of the interval before the first symbol, which begins at 0: no width is larger."""

DIGIT_BITS = np.uint64(8)
FIRST_DIGIT_SHIFT = np.uint64(56)


def spans(width: U64, low: U64, freq: U64, total: U64) -> tuple[U64, U64]:
    """Return (begin, size) within `width` of the symbols [low, low + freq) of `total`.

    All are uint64 of one shape and keep the invariants above; the same shape comes back.
    """
    unit, spare = np.divmod(width, total)
    high = low + freq
    begin = low * unit + np.minimum(low, spare)
    end = high * unit + np.minimum(high, spare)
    return begin, end - begin


def unit_at(width: U64, offset: U64, total: U64) -> U64:
    """Return the unit, 0 .. total - 1, that holds the point `offset` < `width`."""
    unit, spare = np.divmod(width, total)
    larger = spare * (unit + np.uint64(1))  # where units of size unit + 1 end; at most width
    in_larger = offset // (unit + np.uint64(1))
    # `offset - larger` wraps round where offset < larger; `where` discards those.
    return np.where(offset < larger, in_larger, spare + (offset - larger) // unit)


def shortest_offset(low: int, width: int) -> int:
    """Return the point of [low, low + width) that needs the fewest digits, less `low`.

    It is the multiple of 2**64 if there is one (no further digit), otherwise the first
    multiple of 2**56 (one digit), which there always is, as width >= 2**56.
    """
    to_carry = -low % (1 << 64)
    return to_carry if to_carry < width else -low % (1 << 56)
