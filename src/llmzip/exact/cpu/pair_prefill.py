"""The engine's prefill by pairs of int16: products of `pairs`, and the kernels between them."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from llmzip.exact.bias import RowBias
from llmzip.exact.cpu import pair_attention, pair_head, pairs
from llmzip.exact.cpu.buffers import CpuHidden, Look, Workspace
from llmzip.exact.cpu.head_blocks import in_blocks
from llmzip.exact.cpu.packed import PackedModel
from llmzip.exact.cpu.row_prefill import RowPrefill

Array = NDArray[Any]


class PairPrefill(RowPrefill):
    """A packed model and the buffers to run blocks of rows in."""

    HEAD_ROWS: ClassVar = 64  # whose logits stay in the last cache

    def __init__(self, packed: PackedModel, work: Workspace, look: Look | None = None) -> None:
        super().__init__(in_blocks(packed.model.shape), packed, work, look)
        self._attention = pair_attention.attend

    def _wide(self, q: Array) -> Array:
        wide = self._work.wide.array(*q.shape)
        pairs.widen(q, wide)
        return wide

    def _product(self, q: Array, weight: Array, sums: Array) -> None:
        pairs.product(self._wide(q), weight, 0, sums.shape[1], 0, sums)

    def _down_sums(self, halves: Array, weight: Array) -> tuple[Array, Array]:
        wide = self._work.wide.array(*halves.shape[1:])
        pairs.join_halves(*halves, wide)
        high, low = self._work.sums.array(2, len(wide), self._shape.d_model)
        pairs.wide_product(wide, weight, 0, self._shape.d_model, high, low)
        return high, low

    def _head_width(self, n_out: int) -> int:
        return -(-n_out // pairs.OUTPUTS) * pairs.OUTPUTS

    def _head_distributions(
        self, hidden: CpuHidden, bias: RowBias, weights: Array, blocks: NDArray[np.int64]
    ) -> None:
        weight, scale, _ = self._model.linear("head")
        linear = scale, bias.values, self._logit_cap
        rows = self._wide(hidden.q), hidden.scale, bias.of
        pair_head.distributions(weight, linear, rows, weights, blocks)
