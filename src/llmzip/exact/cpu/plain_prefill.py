"""Prefill in steps of one kernel or one product each: products by torch, sums through memory.

Importing this imports torch.

What runs where a processor has none of the instructions that other ways take, or a model's widths
are no multiples of 64.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from llmzip import torch_threads
from llmzip.exact.bias import RowBias
from llmzip.exact.constants import score_scale
from llmzip.exact.cpu import attention, head, rows, turned_rows
from llmzip.exact.cpu.buffers import (
    ATTENTION_ROWS,
    HEAD_ROWS,
    KEY_STEP,
    CpuCache,
    CpuHidden,
    LinearView,
    Look,
    ModelView,
    Workspace,
)
from llmzip.exact.cpu.caps import cap_of
from llmzip.exact.cpu.scalars import f32
from llmzip.exact.distribution import TokenIntervals
from llmzip.exact.gemm import exact_gemm
from llmzip.exact.shape import ModelShape

Array = NDArray[Any]
Ids = NDArray[np.int64]
Bias = NDArray[np.float32]

FEW_ROWS = 8
"""Up to so many new positions of a lane, attention goes key by key instead of by GEMM."""


class PlainPrefill:
    """A model and the buffers to run blocks of rows in; see `engine.Prefill`."""

    def __init__(
        self, shape: ModelShape, model: ModelView, work: Workspace, look: Look | None = None
    ) -> None:
        self._shape, self._model, self._work, self._look = shape, model, work, look
        self._gemm = exact_gemm(torch.device("cpu"))
        self._attend = attention.step_attention(shape.d_head, shape.n_heads // shape.n_kv_heads)
        self._score_scale = f32(score_scale(shape.d_head, shape.score_cap))
        self._score_cap, self._logit_cap = cap_of(shape.score_cap), cap_of(shape.logit_cap)

    def layer(
        self, index: int, lanes: Ids, starts: Ids, row_lanes: Ids, at: Ids, cache: CpuCache
    ) -> None:
        """A layer over rows of the stream: as many for each lane, lane after lane."""
        kv, n_rows = _LayerCache(cache, index, self._shape.window_of(index)), len(at)
        count = n_rows // len(lanes)
        self._split_heads(index, row_lanes, at, kv)
        if count > FEW_ROWS:
            for b, (lane, start) in enumerate(zip(lanes.tolist(), starts.tolist(), strict=True)):
                self._prefill_attention(n_rows, b * count, count, lane, start, kv)
        else:
            self._step_attention(n_rows, row_lanes, at, kv)
        self._close_attention(index, n_rows)
        self._feed_forward(index, n_rows)

    def intervals(self, hidden: CpuHidden, tokens: Ids, found: TokenIntervals) -> None:
        """Fill in the intervals of tokens (rows,) in the distributions of `hidden`."""
        linear = self._model.head
        for first in range(0, len(tokens), HEAD_ROWS):
            part = slice(first, min(first + HEAD_ROWS, len(tokens)))
            head.token_intervals(
                self._head_sums(hidden.q[part]),
                linear.scale,
                linear.bias,
                self._logit_cap,
                hidden.scale[part],
                tokens[part],
                found.low[part],
                found.freq[part],
                found.total[part],
                found.bits[part],
            )

    def distributions(
        self, hidden: CpuHidden, bias: RowBias, weights: Bias, blocks: NDArray[np.int64]
    ) -> None:
        """Weights (rows, V) and their frequencies' sums by blocks, of `hidden` with a bias."""
        for first in range(0, len(weights), HEAD_ROWS):
            part = slice(first, min(first + HEAD_ROWS, len(weights)))
            sums, scale = self._head_sums(hidden.q[part]), hidden.scale[part]
            own_bias, cap = (bias.values, bias.of[part]), self._logit_cap
            own = self._model.head.scale, *own_bias, cap, scale, weights[part], blocks[part]
            head.block_sums(sums, *own)

    def _head_sums(self, q: Array) -> Array:
        sums = self._work.head_sums.array(len(q), self._shape.vocab_size)
        return self._product(q, self._model.head.weight, sums)

    def _linear(self, name: str, index: int, seen: Array) -> LinearView:
        """A linear of a layer, which is about to take in int8 rows."""
        if self._look is not None:
            self._look(f"{index}.{name}", seen)
        return self._model.layers[index][name]

    def _sums(self, q: Array, linear: LinearView) -> Array:
        """The integer product of quantised rows with a linear's weights."""
        sums = self._work.sums.array(len(q), linear.weight.shape[1])
        return self._product(q, linear.weight, sums)

    def _product(self, a: Array, b: Array, out: Array) -> Array:
        """`out`, filled with the integer product of int8 matrices."""
        torch_threads.settle()
        self._gemm(*map(torch.from_numpy, (a, b, out)))
        return out

    def _query_shape(self, n_rows: int) -> tuple[int, int, int, int]:
        s = self._shape
        return s.n_kv_heads, n_rows, s.n_heads // s.n_kv_heads, s.d_head

    def _split_heads(self, index: int, lanes: Ids, at: Ids, kv: _LayerCache) -> None:
        work, n_rows = self._work, len(at)
        query_shape = self._query_shape(n_rows)
        q = work.q.array(n_rows, self._shape.d_model)
        linear = self._linear("qkv", index, q)
        attention.split_heads(
            self._sums(q, linear),
            linear.scale,
            linear.bias,
            work.scale.array(n_rows),
            lanes,
            at,
            *self._model.rope(self._shape.rope_of(index)),
            self._model.gains[index],
            self._shape.eps,
            self._shape.gain_first,
            self._shape.d_head,
            self._score_scale,
            work.queries.array(*query_shape),
            work.query_scales.array(*query_shape[:3]),
            kv.keys,
            kv.key_scales,
            kv.values,
            kv.value_scales,
        )

    def _step_attention(self, n_rows: int, lanes: Ids, at: Ids, kv: _LayerCache) -> None:
        work, query_shape = self._work, self._query_shape(n_rows)
        self._attend(
            work.queries.array(*query_shape),
            work.query_scales.array(*query_shape[:3]),
            kv.keys,
            kv.key_scales,
            kv.values[..., 0],
            kv.value_scales,
            self._score_cap,
            lanes,
            at,
            kv.window,
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
        begin = max(0, start + 1 - kv.window) // KEY_STEP * KEY_STEP
        keys = slice(begin, -(-(start + block) // KEY_STEP) * KEY_STEP)
        m, n_keys = block * G, keys.stop - begin
        queries = work.queries.array(*self._query_shape(n_rows))[group, row : row + block]
        scores = work.scores.array(m, n_keys)
        self._product(queries.reshape(m, d), kv.keys[lane, group, keys].T, scores)
        factor = work.factor.array(m)
        attention.softmax_rows(
            scores,
            work.query_scales.array(*self._query_shape(n_rows)[:3])[group, row : row + block],
            kv.key_scales[lane, group, keys],
            kv.value_scales[lane, group, keys],
            self._score_cap,
            start - begin,
            kv.window,
            work.high.array(m, n_keys),
            work.low.array(m, n_keys),
            factor,
        )
        values = kv.values[lane, group, keys, :, 0]
        high_sums = self._product(work.high.array(m, n_keys), values, work.high_sums.array(m, d))
        low_sums = self._product(work.low.array(m, n_keys), values, work.low_sums.array(m, d))
        mixed = work.mixed.array(n_rows, self._shape.n_heads, d)[row : row + block]
        attention.mix_heads(high_sums, low_sums, factor, group, mixed)

    def _close_attention(self, index: int, n_rows: int) -> None:
        """Output projection, residual, next norm."""
        work, width = self._work, self._shape.d_heads
        scale, q = work.aside_scale.array(n_rows), work.aside_q.array(n_rows, width)
        rows.quantise_rows(work.mixed.array(n_rows, width), q, scale)
        linear = self._linear("out", index, q)
        sums = self._sums(q, linear)
        q = work.aside_q.array(n_rows, self._shape.d_model)
        if self._shape.norms:
            gain = self._model.added_gains[index, 0]
            turned_rows.add_normed(sums, *self._added_arguments(linear, gain, scale))
            self._read(2 * index + 1, q, scale)
        else:
            rows.add_normalise(sums, *self._stream_arguments(linear, q, scale))

    def _feed_forward(self, index: int, n_rows: int) -> None:
        """Activation, down projection, residual, next norm."""
        work, d_ff = self._work, self._shape.d_ff
        scale = work.scale.array(n_rows)
        high, low = work.halves.array(2, n_rows, d_ff)
        q = work.q.array(n_rows, self._shape.d_model)
        up = self._linear("up", index, q)
        sums = self._sums(q, up)
        activate = rows.activations(self._shape.feed_forward)
        activate(sums, up.scale, up.bias, scale, high, low, scale)
        down = self._linear("down", index, high)
        sums = self._sums(work.halves.array(2 * n_rows, d_ff), down)
        high_sums, low_sums = sums[:n_rows], sums[n_rows:]
        if self._shape.norms:
            gain = self._model.added_gains[index, 1]
            added = self._added_arguments(down, gain, scale)
            turned_rows.add_normed_wide(high_sums, low_sums, *added)
            self._read(2 * index + 2, q, scale)
        else:
            stream = self._stream_arguments(down, q, scale)
            rows.add_normalise_wide(high_sums, low_sums, *stream)

    def _added_arguments(self, linear: LinearView, gain: Array, scale: Array) -> tuple[object, ...]:
        """What those kernels take after the sums that norm them."""
        stream = self._work.stream.array(len(scale), self._shape.d_model)
        return linear.scale, linear.bias, scale, gain, self._shape.eps, stream

    def _read(self, taken: int, q: Array, scale: Array) -> None:
        """Take in the stream, for the next sublayer; see `turned_rows.take_in`."""
        shape, stream = self._shape, self._work.stream.array(*q.shape)
        turned_rows.take_in(shape, self._model.taken_gains, taken, stream, q, scale)

    def _stream_arguments(self, linear: LinearView, q: Array, scale: Array) -> tuple[object, ...]:
        """What the residual kernels take after the sums; the row scales are replaced in place."""
        stream = self._work.stream.array(*q.shape)
        return linear.scale, linear.bias, scale, stream, self._shape.eps, q, scale


class _LayerCache:
    """One layer of a KV cache."""

    def __init__(self, cache: CpuCache, layer: int, window: int) -> None:
        self.window = window or cache.key_scales.shape[3]
        self.keys, self.values = cache.keys[layer], cache.values[layer]
        self.key_scales, self.value_scales = cache.key_scales[layer], cache.value_scales[layer]
