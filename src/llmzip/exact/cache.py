"""The KV cache: int8 keys and values of every lane, sized once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from llmzip.exact.aligned import aligned_zeros
from llmzip.exact.model import ModelShape


@dataclass(frozen=True)
class KVCache:
    """Keys and values of `n_lanes` lanes, up to `n_positions` each.

    keys, values: int8 (n_layers, n_lanes, n_kv_heads, n_positions, d_head);
    key_scales, value_scales: float32, the same without d_head.
    """

    keys: Tensor
    values: Tensor
    key_scales: Tensor
    value_scales: Tensor

    def begin_lane(self, lane: int, other: KVCache, n_positions: int) -> None:
        """Let a lane begin with the first positions of the first lane of another cache."""
        for name in ("keys", "values", "key_scales", "value_scales"):
            own, theirs = getattr(self, name), getattr(other, name)
            together = self.key_scales.shape[3] // own.shape[3]  # positions of one piece
            pieces = slice(-(-n_positions // together))
            own[:, lane, :, pieces] = theirs[:, 0, :, pieces]

    @classmethod
    def allocate(
        cls, shape: ModelShape, n_lanes: int, n_positions: int, device: torch.device
    ) -> KVCache:
        """Make an empty cache on `device`."""
        size = (shape.n_layers, n_lanes, shape.n_kv_heads, n_positions)

        def zeros(*extra: int, dtype: torch.dtype) -> Tensor:
            if device.type != "cpu":
                return torch.zeros(*size, *extra, dtype=dtype, device=device)
            # numpy asks for huge pages: reading a cache by small ones costs twice the time
            kind = np.int8 if dtype == torch.int8 else np.float32
            return torch.from_numpy(aligned_zeros((*size, *extra), kind))

        return cls(
            zeros(shape.d_head, dtype=torch.int8),
            zeros(shape.d_head, dtype=torch.int8),
            zeros(dtype=torch.float32),
            zeros(dtype=torch.float32),
        )
