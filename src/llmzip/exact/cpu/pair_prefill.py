"""The engine's prefill by pairs of int16: products of `pairs`, and the kernels between them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from llmzip.exact.bias import RowBias
from llmzip.exact.cpu import (
    attention,
    head,
    pair_attention,
    pair_head,
    pairs,
    rows,
    turned_rows,
)
from llmzip.exact.cpu.buffers import CpuCache, CpuHidden, Look, Workspace
from llmzip.exact.cpu.head_blocks import gathered, in_blocks
from llmzip.exact.cpu.packed import PackedModel
from llmzip.exact.cpu.product import StepLinear
from llmzip.exact.distribution import TokenIntervals

Array = NDArray[Any]
Ids = NDArray[np.int64]
Bias = NDArray[np.float32]

HEAD_ROWS = 64
"""Rows whose logits are computed at once: they stay in the last cache."""


class PairPrefill:
    """A packed model and the buffers to run blocks of rows in; see `engine.Prefill`."""

    def __init__(self, packed: PackedModel, work: Workspace, look: Look | None = None) -> None:
        self._model, self._work, self._look = packed.step, work, look
        self._shape = in_blocks(packed.model.shape)

    def layer(
        self, index: int, lanes: Ids, starts: Ids, row_lanes: Ids, at: Ids, cache: CpuCache
    ) -> None:
        """A layer over rows of the stream: as many for each lane, lane after lane."""
        self._project(index, row_lanes, at, cache)
        self._attend(index, lanes, starts, len(at), cache)
        self._close_attention(index, len(at))
        self._feed_forward(index, len(at))

    def _sums(self, q: Array, name: str, index: int) -> Array:
        """The integer product of int8 rows with a linear's weights."""
        if self._look is not None:
            self._look(f"{index}.{name}", gathered(q, self._model.d_head) if name == "out" else q)
        linear: StepLinear = getattr(self._model, name)
        wide = self._work.wide.array(*q.shape)
        pairs.widen(q, wide)
        n_out = linear.scale.shape[1]
        sums = self._work.sums.array(len(q), n_out)
        pairs.product(wide, linear.weight[index], 0, n_out, 0, sums)
        return sums

    def _queries(self, n_rows: int) -> tuple[Array, Array]:
        s, work = self._shape, self._work
        shape = s.n_kv_heads, n_rows, s.n_heads // s.n_kv_heads
        return work.queries.array(*shape, s.d_head), work.query_scales.array(*shape)

    def _project(self, index: int, lanes: Ids, at: Ids, cache: CpuCache) -> None:
        model, work, n_rows = self._model, self._work, len(at)
        attention.split_heads(
            self._sums(work.q.array(n_rows, self._shape.d_model), "qkv", index),
            model.qkv.scale[index],
            model.qkv.bias[index],
            work.scale.array(n_rows),
            lanes,
            at,
            *model.angles(index),
            model.gains[index],
            model.eps,
            model.gain_first,
            model.d_head,
            model.score_scale,
            *self._queries(n_rows),
            cache.keys[index],
            cache.key_scales[index],
            cache.values[index],
            cache.value_scales[index],
        )

    def _attend(self, index: int, lanes: Ids, starts: Ids, n_rows: int, cache: CpuCache) -> None:
        work, count = self._work, n_rows // len(lanes)
        window = int(self._model.windows[index])
        queries = self._queries(n_rows)
        mixed = work.mixed.array(n_rows, self._shape.n_heads, self._shape.d_head)
        for i, (lane, start) in enumerate(zip(lanes.tolist(), starts.tolist(), strict=True)):
            pair_attention.attend(
                *queries,
                cache.keys[index, lane],
                cache.key_scales[index, lane],
                cache.values[index, lane],
                cache.value_scales[index, lane],
                self._model.score_cap,
                i * count,
                count,
                start,
                window,
                mixed,
            )

    def _close_attention(self, index: int, n_rows: int) -> None:
        """Output projection, residual, next norm."""
        work, width = self._work, self._shape.d_heads
        scale, q = work.aside_scale.array(n_rows), work.aside_q.array(n_rows, width)
        rows.quantise_rows(work.mixed.array(n_rows, width), q, scale)
        sums = self._sums(q, "out", index)
        q = work.aside_q.array(n_rows, self._shape.d_model)
        if self._shape.norms:
            turned_rows.add_normed(sums, *self._added(self._model.out, index, 0, scale))
            self._read(2 * index + 1, q, scale)
        else:
            rows.add_normalise(sums, *self._stream(self._model.out, index, q, scale))

    def _feed_forward(self, index: int, n_rows: int) -> None:
        """Activation, down projection, residual, next norm."""
        work, up, down = self._work, self._model.up, self._model.down
        d_model, d_ff = self._shape.d_model, self._shape.d_ff
        scale = work.scale.array(n_rows)
        high, low = work.halves.array(2, n_rows, d_ff)
        q = work.q.array(n_rows, d_model)
        sums = self._sums(q, "up", index)
        activate = rows.activations(self._shape.feed_forward)
        activate(sums, up.scale[index], up.bias[index], scale, high, low, scale)
        if self._look is not None:
            self._look(f"{index}.down", high)
        wide = work.wide.array(n_rows, d_ff)
        pairs.join_halves(high, low, wide)
        high_sums, low_sums = work.sums.array(2, n_rows, d_model)
        pairs.wide_product(wide, down.weight[index], 0, d_model, high_sums, low_sums)
        if self._shape.norms:
            added = self._added(down, index, 1, scale)
            turned_rows.add_normed_wide(high_sums, low_sums, *added)
            self._read(2 * index + 2, q, scale)
        else:
            rows.add_normalise_wide(high_sums, low_sums, *self._stream(down, index, q, scale))

    def _added(self, linear: StepLinear, index: int, part: int, scale: Array) -> tuple[object, ...]:
        """What those kernels take after the sums that norm them."""
        gain = self._model.stream.added[index, part]
        stream = self._work.stream.array(len(scale), self._shape.d_model)
        return linear.scale[index], linear.bias[index], scale, gain, self._shape.eps, stream

    def _read(self, taken: int, q: Array, scale: Array) -> None:
        """Take in the stream, for the next sublayer; see `turned_rows.take_in`."""
        stream, gains = self._work.stream.array(*q.shape), self._model.stream.taken
        turned_rows.take_in(self._shape, gains, taken, stream, q, scale)

    def _stream(self, linear: StepLinear, index: int, q: Array, scale: Array) -> tuple[object, ...]:
        """What the residual kernels take after the sums; the row scales are replaced in place."""
        stream = self._work.stream.array(*q.shape)
        return linear.scale[index], linear.bias[index], scale, stream, self._shape.eps, q, scale

    def intervals(self, hidden: CpuHidden, tokens: Ids, found: TokenIntervals) -> None:
        """Fill in the intervals of tokens (rows,) in the distributions of `hidden`."""
        linear = self._model.head
        n_out = linear.scale.shape[1]
        whole = -(-n_out // pairs.OUTPUTS) * pairs.OUTPUTS
        for first in range(0, len(tokens), HEAD_ROWS):
            part = slice(first, min(first + HEAD_ROWS, len(tokens)))
            sums = self._work.head_sums.array(part.stop - first, whole)
            pairs.product(self._head_input(hidden, part), linear.weight[0], 0, n_out, 0, sums)
            head.token_intervals(
                sums[:, :n_out],
                linear.scale[0],
                linear.bias[0],
                self._model.logit_cap,
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
        linear = self._model.head
        for first in range(0, len(weights), HEAD_ROWS):
            part = slice(first, min(first + HEAD_ROWS, len(weights)))
            pair_head.distributions(
                self._head_input(hidden, part),
                linear.weight[0],
                linear.scale[0],
                bias.values,
                bias.of[part],
                self._model.logit_cap,
                hidden.scale[part],
                weights[part],
                blocks[part],
            )

    def _head_input(self, hidden: CpuHidden, part: slice) -> Array:
        q = hidden.q[part]
        wide = self._work.wide.array(*q.shape)
        pairs.widen(q, wide)
        return wide
