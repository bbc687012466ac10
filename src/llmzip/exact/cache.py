"""The KV cache: int8 keys and values of every lane, sized once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, Self, TypeVar

import numpy as np

from llmzip.exact.shape import ModelShape

A = TypeVar("A")
"""What an engine computes in: arrays, or a device's tensors."""

Zeros = Callable[[tuple[int, ...], type[np.generic]], A]
"""Makes zeros of a shape and a type."""


@dataclass(frozen=True)
class KVCache(Generic[A]):
    """Keys and values of `n_lanes` lanes, up to `n_positions` each.

    keys, values: int8 (n_layers, n_lanes, n_kv_heads, n_positions, d_head);
    key_scales, value_scales: float32, the same without d_head.
    """

    keys: A
    values: A
    key_scales: A
    value_scales: A

    def begin_lane(self, lane: int, other: KVCache[A], n_positions: int) -> None:
        """Let a lane begin with the first positions of the first lane of another cache."""
        scales: Any = self.key_scales
        for name in ("keys", "values", "key_scales", "value_scales"):
            own, theirs = getattr(self, name), getattr(other, name)
            together = scales.shape[3] // own.shape[3]  # positions of one piece
            pieces = slice(-(-n_positions // together))
            own[:, lane, :, pieces] = theirs[:, 0, :, pieces]

    @classmethod
    def allocate(cls, shape: ModelShape, n_lanes: int, n_positions: int, zeros: Zeros[A]) -> Self:
        """Make an empty cache."""
        size = (shape.n_layers, n_lanes, shape.n_kv_heads, n_positions)
        keys, values = (zeros((*size, shape.d_head), np.int8) for _ in range(2))
        return cls(keys, values, zeros(size, np.float32), zeros(size, np.float32))
