"""Memory for tables that a group may hardly touch."""

from __future__ import annotations

import math
import mmap

import numpy as np
from numpy.typing import NDArray


def sparse_zeros(shape: tuple[int, ...]) -> NDArray[np.int32]:
    """Return int32 zeros of which only pages that are written to take memory, 4 kB at a time.

    numpy asks for huge pages where the system has them: to write here and there into a large
    array then costs as much as to fill it.
    """
    if not hasattr(mmap, "MADV_NOHUGEPAGE"):
        return np.zeros(shape, dtype=np.int32)
    memory = mmap.mmap(-1, 4 * math.prod(shape))
    memory.madvise(mmap.MADV_NOHUGEPAGE)
    return np.frombuffer(memory, dtype=np.int32).reshape(shape)
