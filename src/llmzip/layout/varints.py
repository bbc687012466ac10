"""Many varints at once: LEB128, lowest seven bits first, each in the fewest bytes."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from llmzip.errors import CorruptError

MAX_VARINT_BYTES = 5
"""No number of a layout takes more: 35 bits."""


def pack_varints(numbers: Iterable[int]) -> bytes:
    """Return `numbers`, each from 0 to 2^35 - 1, one after the other. Raises ValueError."""
    values = np.fromiter(numbers, dtype=np.int64)
    if values.size and not (values.min() >= 0 and values.max() < 1 << 7 * MAX_VARINT_BYTES):
        raise ValueError("a number of a layout is out of range")
    shifts = 7 * np.arange(MAX_VARINT_BYTES)
    digits = (values[:, None] >> shifts) & 0x7F  # [n, 5]
    is_there = (values[:, None] >> shifts) > 0
    is_there[:, 0] = True
    goes_on = np.pad(is_there[:, 1:], ((0, 0), (0, 1)))
    return bytes((digits | 0x80 * goes_on).astype(np.uint8)[is_there])


def unpack_varints(packed: bytes | memoryview) -> NDArray[np.int64]:
    """Return the numbers that `packed` consists of. Raises CorruptError if one is malformed."""
    octets = np.frombuffer(packed, dtype=np.uint8)
    if not octets.size:
        return np.zeros(0, dtype=np.int64)
    is_last = octets < 0x80
    stops = np.flatnonzero(is_last) + 1
    starts = np.concatenate(([0], stops[:-1]))
    sizes = stops - starts
    is_overlong = (octets[stops - 1] == 0) & (sizes > 1)
    if not is_last[-1] or sizes.max() > MAX_VARINT_BYTES or is_overlong.any():
        raise CorruptError("a layout has a malformed number: the file is damaged, get it again")
    places = np.arange(octets.size) - np.repeat(starts, sizes)
    digits = (octets & 0x7F).astype(np.int64) << 7 * places
    return np.add.reduceat(digits, starts)
