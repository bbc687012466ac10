"""Prefill in steps of one kernel or one product each: products by torch, sums through memory.

What runs where a processor has neither tiles nor pairs of its own, or heads have another size.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from llmzip.exact.bias import RowBias
from llmzip.exact.cache import KVCache
from llmzip.exact.cpu import attention, head, rows
from llmzip.exact.cpu.buffers import (
    ATTENTION_ROWS,
    HEAD_ROWS,
    KEY_STEP,
    LinearView,
    ModelView,
    Workspace,
)
from llmzip.exact.cpu.scalars import f32
from llmzip.exact.distribution import TokenIntervals
from llmzip.exact.gemm import exact_gemm
from llmzip.exact.hidden import Hidden
from llmzip.exact.model import ModelShape
from llmzip.exact.reference import score_scale

Array = NDArray[np.generic]
Ids = NDArray[np.int64]
Bias = NDArray[np.float32]

FEW_ROWS = 8
"""Up to so many new positions of a lane, attention goes key by key instead of by GEMM."""


class PlainPrefill:
    """A model and the buffers to run blocks of rows in; see `engine.Prefill`."""

    def __init__(self, shape: ModelShape, model: ModelView, work: Workspace) -> None:
        self._shape, self._model, self._work = shape, model, work
        self._gemm = exact_gemm(torch.device("cpu"))
        self._attend = attention.step_attention(shape.d_head, shape.n_heads // shape.n_kv_heads)
        self._score_scale = f32(score_scale(shape.d_head))

    def layer(
        self, index: int, lanes: Ids, starts: Ids, row_lanes: Ids, at: Ids, cache: KVCache
    ) -> None:
        """A layer over rows of the stream: as many for each lane, lane after lane."""
        layer, kv, n_rows = self._model.layers[index], _LayerCache(cache, index), len(at)
        count = n_rows // len(lanes)
        self._split_heads(layer["qkv"], row_lanes, at, kv)
        if count > FEW_ROWS:
            for b, (lane, start) in enumerate(zip(lanes.tolist(), starts.tolist(), strict=True)):
                self._prefill_attention(n_rows, b * count, count, lane, start, kv)
        else:
            self._step_attention(n_rows, row_lanes, at, kv)
        self._close_attention(layer["out"], n_rows)
        self._feed_forward(layer["up"], layer["down"], n_rows)

    def intervals(self, hidden: Hidden, tokens: Ids, found: TokenIntervals) -> None:
        """Fill in the intervals of tokens (rows,) in the distributions of `hidden`."""
        linear = self._model.head
        for first in range(0, len(tokens), HEAD_ROWS):
            part = slice(first, min(first + HEAD_ROWS, len(tokens)))
            head.token_intervals(
                self._head_sums(hidden.q[part]).numpy(),
                linear.scale,
                linear.bias,
                hidden.scale[part].numpy(),
                tokens[part],
                found.low[part],
                found.freq[part],
                found.total[part],
                found.bits[part],
            )

    def distributions(
        self, hidden: Hidden, bias: RowBias, weights: Bias, blocks: NDArray[np.int64]
    ) -> None:
        """Weights (rows, V) and their frequencies' sums by blocks, of `hidden` with a bias."""
        for first in range(0, len(weights), HEAD_ROWS):
            part = slice(first, min(first + HEAD_ROWS, len(weights)))
            sums, scale = self._head_sums(hidden.q[part]).numpy(), hidden.scale[part].numpy()
            own_scale, own_bias = self._model.head.scale, (bias.values, bias.of[part])
            head.block_sums(sums, own_scale, *own_bias, scale, weights[part], blocks[part])

    def _head_sums(self, q: Tensor) -> Tensor:
        sums = self._work.head_sums.tensor(len(q), self._shape.vocab_size)
        self._gemm(q, self._model.head.weight, sums)
        return sums

    def _sums(self, q: Tensor, linear: LinearView) -> Array:
        """The integer product of quantised rows with a linear's weights."""
        shape = (q.shape[0], linear.weight.shape[1])
        self._gemm(q, linear.weight, self._work.sums.tensor(*shape))
        return self._work.sums.array(*shape)

    def _query_shape(self, n_rows: int) -> tuple[int, int, int, int]:
        s = self._shape
        return s.n_kv_heads, n_rows, s.n_heads // s.n_kv_heads, s.d_head

    def _split_heads(self, linear: LinearView, lanes: Ids, at: Ids, kv: _LayerCache) -> None:
        work, n_rows = self._work, len(at)
        query_shape = self._query_shape(n_rows)
        attention.split_heads(
            self._sums(work.q.tensor(n_rows, self._shape.d_model), linear),
            linear.scale,
            linear.bias,
            work.scale.array(n_rows),
            lanes,
            at,
            self._model.cos,
            self._model.sin,
            self._score_scale,
            work.queries.array(*query_shape),
            work.query_scales.array(*query_shape[:3]),
            kv.keys.numpy(),
            kv.key_scales,
            kv.values.numpy(),
            kv.value_scales,
        )

    def _step_attention(self, n_rows: int, lanes: Ids, at: Ids, kv: _LayerCache) -> None:
        work, query_shape = self._work, self._query_shape(n_rows)
        self._attend(
            work.queries.array(*query_shape),
            work.query_scales.array(*query_shape[:3]),
            kv.keys.numpy(),
            kv.key_scales,
            kv.values[..., 0].numpy(),
            kv.value_scales,
            lanes,
            at,
            work.mixed.array(n_rows, self._shape.n_heads, self._shape.d_head),
        )

    def _prefill_attention(
        self, n_rows: int, first: int, count: int, lane: int, start: int, kv: _LayerCache
    ) -> None:
        """Attention of rows first … first + count - 1, positions start … of one lane."""
        for offset in range(0, count, ATTENTION_ROWS):
            block = min(ATTENTION_ROWS, count - offset)
            for group in range(self._shape.n_kv_heads):
                self._prefill_block(n_rows, first + offset, block, lane, start + offset, group, kv)

    def _prefill_block(
        self, n_rows: int, row: int, block: int, lane: int, start: int, group: int, kv: _LayerCache
    ) -> None:
        work, (_, _, G, d) = self._work, self._query_shape(n_rows)
        n_keys = -(-(start + block) // KEY_STEP) * KEY_STEP
        m = block * G
        queries = work.queries.tensor(*self._query_shape(n_rows))[group, row : row + block]
        scores = work.scores.tensor(m, n_keys)
        self._gemm(queries.view(m, d), kv.keys[lane, group, :n_keys].t(), scores)
        factor = work.factor.array(m)
        attention.softmax_rows(
            scores.numpy(),
            work.query_scales.array(*self._query_shape(n_rows)[:3])[group, row : row + block],
            kv.key_scales[lane, group, :n_keys],
            kv.value_scales[lane, group, :n_keys],
            start,
            work.high.array(m, n_keys),
            work.low.array(m, n_keys),
            factor,
        )
        values = kv.values[lane, group, :n_keys, :, 0]
        high_sums, low_sums = work.high_sums.tensor(m, d), work.low_sums.tensor(m, d)
        self._gemm(work.high.tensor(m, n_keys), values, high_sums)
        self._gemm(work.low.tensor(m, n_keys), values, low_sums)
        mixed = work.mixed.array(n_rows, self._shape.n_heads, d)[row : row + block]
        attention.mix_heads(high_sums.numpy(), low_sums.numpy(), factor, group, mixed)

    def _close_attention(self, linear: LinearView, n_rows: int) -> None:
        """Output projection, residual, next norm."""
        work, width = self._work, self._shape.n_heads * self._shape.d_head
        scale = work.scale.array(n_rows)
        q = work.q.array(n_rows, width)
        rows.quantise_rows(work.mixed.array(n_rows, width), q, scale)
        sums = self._sums(work.q.tensor(n_rows, width), linear)
        rows.add_normalise(sums, *self._stream_arguments(linear, n_rows))

    def _feed_forward(self, up: LinearView, down: LinearView, n_rows: int) -> None:
        """Activation, down projection, residual, next norm."""
        work, d_ff = self._work, self._shape.d_ff
        scale = work.scale.array(n_rows)
        high, low = work.halves.array(2, n_rows, d_ff)
        sums = self._sums(work.q.tensor(n_rows, self._shape.d_model), up)
        quantise = rows.gate_quantise if self._shape.gated else rows.gelu_quantise
        quantise(sums, up.scale, up.bias, scale, high, low, scale)
        sums = self._sums(work.halves.tensor(2 * n_rows, d_ff), down)
        rows.add_normalise_wide(sums[:n_rows], sums[n_rows:], *self._stream_arguments(down, n_rows))

    def _stream_arguments(self, linear: LinearView, n_rows: int) -> tuple[object, ...]:
        """What the residual kernels take after the sums; the row scales are replaced in place."""
        work, width = self._work, self._shape.d_model
        scale = work.scale.array(n_rows)
        stream, q = work.stream.array(n_rows, width), work.q.array(n_rows, width)
        return linear.scale, linear.bias, scale, stream, self._shape.eps, q, scale


class _LayerCache:
    """One layer of a KV cache: tensors for the GEMMs, arrays for the kernels."""

    def __init__(self, cache: KVCache, layer: int) -> None:
        self.keys, self.values = cache.keys[layer], cache.values[layer]
        self.key_scales = cache.key_scales[layer].numpy()
        self.value_scales = cache.value_scales[layer].numpy()
