"""Prefill whose products are torch's, sums through memory.

Importing this imports torch.

What runs where a processor has none of the instructions that other ways take, or a model's widths
are no multiples of 64.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray

from llmzip import torch_threads
from llmzip.exact.bias import RowBias
from llmzip.exact.cpu import attention, head
from llmzip.exact.cpu.buffers import (
    ATTENTION_ROWS,
    HEAD_ROWS,
    KEY_STEP,
    CpuCache,
    CpuHidden,
    Look,
    ModelView,
    Workspace,
)
from llmzip.exact.cpu.row_prefill import RowPrefill
from llmzip.exact.gemm import exact_gemm
from llmzip.exact.shape import ModelShape

Array = NDArray[Any]
Ids = NDArray[np.int64]

FEW_ROWS = 8
"""Up to so many new positions of a lane, attention goes key by key instead of by GEMM."""


class PlainPrefill(RowPrefill):
    """A model and the buffers to run blocks of rows in."""

    HEAD_ROWS: ClassVar = HEAD_ROWS

    def __init__(
        self, shape: ModelShape, model: ModelView, work: Workspace, look: Look | None = None
    ) -> None:
        super().__init__(shape, model, work, look)
        self._gemm = exact_gemm(torch.device("cpu"))
        self._step = attention.step_attention(shape.d_head, shape.n_heads // shape.n_kv_heads)

    def _product(self, q: Array, weight: Array, sums: Array) -> None:
        torch_threads.settle()
        self._gemm(*map(torch.from_numpy, (q, weight, sums)))

    def _down_sums(self, halves: Array, weight: Array) -> tuple[Array, Array]:
        _, n_rows, d_ff = halves.shape
        high, low = sums = self._work.sums.array(2, n_rows, self._shape.d_model)
        self._product(halves.reshape(2 * n_rows, d_ff), weight, sums.reshape(2 * n_rows, -1))
        return high, low

    def _attend(self, index: int, lanes: Ids, starts: Ids, n_rows: int, cache: CpuCache) -> None:
        s, count = self._shape, n_rows // len(lanes)
        if count > FEW_ROWS:
            super()._attend(index, lanes, starts, n_rows, cache)
            return
        keys = cache.keys[index], cache.key_scales[index]
        values = cache.values[index, ..., 0], cache.value_scales[index]
        own = *self._queries(n_rows), *keys, *values, self._score_cap
        at = (starts[:, None] + np.arange(count)).reshape(-1)
        rows = np.repeat(lanes, count), at, self._window(index)
        self._step(own, rows, self._work.mixed.array(n_rows, s.n_heads, s.d_head))

    def _attention(
        self, own: tuple[Array, ...], rows: tuple[int, int, int, int], mixed: Array
    ) -> None:
        """As `pair_attention.attend`, a KV head of up to ATTENTION_ROWS rows at a time."""
        queries, query_scales, keys, key_scales, values, value_scales, _ = own
        first, count, start, window = rows
        for offset in range(0, count, ATTENTION_ROWS):
            row, block = first + offset, min(ATTENTION_ROWS, count - offset)
            part, at = slice(row, row + block), start + offset
            begin = max(0, at + 1 - window) // KEY_STEP * KEY_STEP
            seen = slice(begin, -(-(at + block) // KEY_STEP) * KEY_STEP)
            for group in range(len(keys)):
                own_scales = query_scales[group, part], key_scales[group, seen]
                scales = *own_scales, value_scales[group, seen]
                own_rows = queries[group, part], keys[group, seen]
                high, low, factor = self._weights(*own_rows, scales, (at - begin, window))
                sums = self._mixed(high, low, values[group, seen, :, 0])
                attention.mix_heads(*sums, factor, group, mixed[part])

    def _weights(
        self, queries: Array, keys: Array, scales: tuple[Array, ...], seen: tuple[int, int]
    ) -> tuple[Array, Array, Array]:
        """The halves of the weights of queries (M, G, d), and their factors.

        scales, seen: see `attention.softmax_rows`.
        """
        work, m, n_keys = self._work, scales[0].size, len(keys)
        scores = work.scores.array(m, n_keys)
        self._product(queries.reshape(m, -1), keys.T, scores)
        found = work.high.array(m, n_keys), work.low.array(m, n_keys), work.factor.array(m)
        attention.softmax_rows(scores, scales, self._score_cap, seen, found)
        return found

    def _mixed(self, high: Array, low: Array, values: Array) -> tuple[Array, Array]:
        """The products of both halves with values."""
        shape = len(high), values.shape[1]
        sums = self._work.high_sums.array(*shape), self._work.low_sums.array(*shape)
        for half, own in zip((high, low), sums, strict=True):
            self._product(half, values, own)
        return sums

    def _head_distributions(
        self, hidden: CpuHidden, bias: RowBias, weights: Array, blocks: NDArray[np.int64]
    ) -> None:
        _, scale, _ = self._model.linear("head")
        rows = self._head_sums(hidden.q), hidden.scale, bias.of
        head.block_sums(rows, (scale, bias.values, self._logit_cap), weights, blocks)
