"""Soft caps as kernels take them: an array that is empty where there is none."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from llmzip.compiled import inlined
from llmzip.exact.constants import cap_depth, cap_unit
from llmzip.exact.cpu.scalars import ONE, address_of, exp2, f32, wide_vectors


def cap_of(cap: float) -> NDArray[np.float32]:
    """What kernels take for a cap, or for 0: none. [unit, depth], see `constants`."""
    if not cap:
        return np.empty(0, dtype=np.float32)
    return np.array([cap_unit(cap), cap_depth(cap)], dtype=np.float32)


@inlined
def cap_at(cap: Any) -> Any:
    """The address of a cap; 0 where there is none."""
    return address_of(cap) if cap.size else np.int64(0)


@inlined
def cap_scores(cap: Any, q_scale: Any, scores: Any) -> Any:
    """Cap scores in place, if there is a cap; what they are still to be multiplied by.

    q_scale: what those without a cap are multiplied by, when the largest has been taken off.
    """
    wide_vectors()
    if cap.size:
        depth = cap[1]
        for j in range(scores.size):
            scores[j] = depth / (exp2(scores[j] * q_scale) + ONE)
        return f32(1)
    return q_scale
