"""A KV cache on the device, with what runs over it: room for scores, and captured graphs."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from llmzip.exact.cache import Zeros
from llmzip.exact.cuda.attention import PIECE
from llmzip.exact.cuda.distributions import CudaDistributions
from llmzip.exact.cuda.graphs import Graphs
from llmzip.exact.shape import ModelShape
from llmzip.exact.tensors import TensorCache


@dataclass(frozen=True, eq=False)
class CudaCache(TensorCache):
    """See `KVCache`; n_positions is a multiple of PIECE. prefills, steps: by their sizes.

    values: (n_layers, n_lanes, n_kv_heads, n_positions / PIECE, d_head, PIECE).
    """

    prefills: Graphs[None] = field(default_factory=Graphs)
    steps: Graphs[CudaDistributions] = field(default_factory=Graphs)
    _scores: dict[int, Tensor] = field(default_factory=dict)
    _sums: dict[int, Tensor] = field(default_factory=dict)

    @classmethod
    def allocate(
        cls, shape: ModelShape, n_lanes: int, n_positions: int, zeros: Zeros[Tensor]
    ) -> CudaCache:
        """Make an empty cache."""
        n_pieces = -(-n_positions // PIECE)
        size = (shape.n_layers, n_lanes, shape.n_kv_heads)
        scales = (*size, n_pieces * PIECE)
        return cls(
            keys=zeros((*scales, shape.d_head), np.int8),
            values=zeros((*size, n_pieces, shape.d_head, PIECE), np.int8),
            key_scales=zeros(scales, np.float32),
            value_scales=zeros(scales, np.float32),
        )

    def scores(self, n_rows: int, n_heads: int) -> Tensor:
        """Room for the scores of a step of `n_rows` rows, float32; it keeps its place."""
        return self._room(self._scores, n_rows, n_heads * self.keys.shape[3], torch.float32)

    def sums(self, n_rows: int, width: int) -> Tensor:
        """The same for the head's sums, int32."""
        return self._room(self._sums, n_rows, width, torch.int32)

    def _room(self, kept: dict[int, Tensor], n_rows: int, width: int, dtype: torch.dtype) -> Tensor:
        """Memory of n_rows · width numbers: what there is, if it is large enough."""
        if n_rows not in kept:
            largest = max(kept.values(), key=len, default=None)
            if largest is None or len(largest) < n_rows * width:
                largest = torch.empty(n_rows * width, dtype=dtype, device=self.keys.device)
            kept[n_rows] = largest
        return kept[n_rows]
