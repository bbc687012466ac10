"""Arrays that begin where a line of the cache does, so that no row of a tile lies in two."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

LINE_BYTES = 64
"""A line of the cache, a vector, and a row of a tile."""


def aligned_zeros(shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
    """Zeros that begin at a multiple of LINE_BYTES; numpy by itself promises 16."""
    n_bytes = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
    memory = np.zeros(n_bytes + LINE_BYTES, dtype=np.uint8)
    begin = -memory.ctypes.data % LINE_BYTES
    return memory[begin : begin + n_bytes].view(dtype).reshape(shape)
