"""The engine's prefill by kernels that use sums where they are made: in tiles or by `fours`.

Tiles: `prefill`, `prefill_linear`, `prefill_feed_forward` and `prefill_head`. Fours:
`four_linear`, `four_attention` and `four_head`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from llmzip.exact.bias import RowBias
from llmzip.exact.cpu import (
    attention,
    four_attention,
    four_head,
    four_linear,
    prefill,
    prefill_feed_forward,
    prefill_head,
    prefill_linear,
    turned_rows,
)
from llmzip.exact.cpu.buffers import BLOCK_ROWS, TOGETHER, CpuCache, CpuHidden, Workspace
from llmzip.exact.cpu.head_blocks import in_blocks
from llmzip.exact.cpu.instruction_set import Dot
from llmzip.exact.cpu.packed import PackedModel
from llmzip.exact.distribution import TokenIntervals

Ids = NDArray[np.int64]
Bias = NDArray[np.float32]


class Kernels(NamedTuple):
    """What a way computes a block of rows by; see the modules for their arguments."""

    project_heads: Callable[..., None]
    fill_sums: Callable[..., None]
    attend: Callable[..., None]
    close_attention: Callable[..., None]
    feed_forward: Callable[..., None]
    token_intervals: Callable[..., None]
    distributions: Callable[..., None]


def tile_kernels(work: Workspace) -> Kernels:
    """Products in tiles."""
    kernels = (
        prefill_linear.project_heads,
        prefill_linear.fill_sums,
        prefill.attend,
        prefill_linear.close_attention,
        prefill_feed_forward.feed_forward,
        prefill_head.token_intervals,
        prefill.distributions,
    )
    return Kernels(*(partial(kernel, work.configuration) for kernel in kernels))


def four_kernels(work: Workspace, isa: Dot) -> Kernels:
    """Products of fours by an instruction set."""
    return Kernels(
        partial(four_linear.project_heads, isa),
        partial(four_linear.fill_sums, isa),
        partial(four_attention.attend, isa),
        partial(four_linear.close_attention, isa),
        partial(four_linear.feed_forward, isa),
        partial(four_head.token_intervals, isa, work.head_sums.whole()),
        partial(four_head.distributions, isa),
    )


class BlockPrefill:
    """A packed model and the buffers to run blocks of rows in; see `engine.Prefill`."""

    def __init__(self, packed: PackedModel, work: Workspace, kernels: Kernels) -> None:
        self._packed, self._work, self._kernels = packed, work, kernels
        self._shape = in_blocks(packed.model.shape)

    def layer(
        self, index: int, lanes: Ids, starts: Ids, row_lanes: Ids, at: Ids, cache: CpuCache
    ) -> None:
        """A layer over rows of the stream: as many for each lane, lane after lane.

        row_lanes, at: the rows' lanes and positions; starts: those of each lane's first.
        """
        if index == 0 and self._shape.norms:
            self._added(len(at))[:] = 0.0  # an interrupt may have left sums
        self._project(index, row_lanes, at, cache)
        self._attend(index, lanes, starts, len(at), cache)
        self._close_attention(index, len(at))
        self._feed_forward(index, len(at))

    def _queries(self, n_rows: int) -> tuple[NDArray[np.generic], NDArray[np.generic]]:
        """Where queries and their scales go."""
        s, work = self._shape, self._work
        shape = s.n_kv_heads, n_rows, s.n_heads // s.n_kv_heads
        return work.queries.array(*shape, s.d_head), work.query_scales.array(*shape)

    def _project(self, index: int, lanes: Ids, at: Ids, cache: CpuCache) -> None:
        work, step, n_rows = self._work, self._packed.step, len(at)
        q, s, linear = work.q.array(n_rows, self._shape.d_model), work.scale.array(n_rows), step.qkv
        rest = (
            lanes,
            at,
            *step.angles(index),
            step.gains[index],
            step.eps,
            step.gain_first,
            step.d_head,
            step.score_scale,
            *self._queries(n_rows),
            cache.keys[index],
            cache.key_scales[index],
            cache.values[index],
            cache.value_scales[index],
        )
        weight, own = linear.weight[index], (linear.scale[index], linear.bias[index])
        if self._shape.head_norm == "whole":  # no head is known before all of them are
            sums = work.sums.array(n_rows, self._shape.d_qkv)
            self._kernels.fill_sums(q, weight, sums)
            attention.split_heads(sums, *own, s, *rest)
        else:
            self._kernels.project_heads(q, s, weight, *own, *rest)

    def _attend(self, index: int, lanes: Ids, starts: Ids, n_rows: int, cache: CpuCache) -> None:
        work, count = self._work, n_rows // len(lanes)
        window = int(self._packed.step.windows[index])
        queries = self._queries(n_rows)
        mixed = work.mixed.array(n_rows, self._shape.n_heads, self._shape.d_head)
        for i, (lane, start) in enumerate(zip(lanes.tolist(), starts.tolist(), strict=True)):
            self._kernels.attend(
                *queries,
                cache.keys[index, lane],
                cache.key_scales[index, lane],
                cache.values[index, lane],
                cache.value_scales[index, lane],
                self._packed.step.score_cap,
                i * count,
                count,
                start,
                window,
                mixed,
            )

    def _close_attention(self, index: int, n_rows: int) -> None:
        work, out = self._work, self._packed.step.out
        taken = work.aside_q.array(n_rows, self._shape.d_model), work.aside_scale.array(n_rows)
        self._kernels.close_attention(
            work.mixed.array(n_rows, self._shape.d_heads),
            out.weight[index],
            out.scale[index],
            out.bias[index],
            self._shape.eps,
            self._added(n_rows),
            *taken,
        )
        self._add_normed(index, 0, n_rows, taken)

    def _feed_forward(self, index: int, n_rows: int) -> None:
        up, down = self._packed.step.up, self._packed.step.down
        self._kernels.feed_forward(
            int(self._shape.feed_forward),
            up.weight[index],
            up.scale[index],
            up.bias[index],
            down.weight[index],
            down.scale[index],
            down.bias[index],
            self._shape.eps,
            self._work.active.array(TOGETHER, self._shape.d_ff),
            self._work.halves.array(2 * TOGETHER, self._shape.d_ff),
            self._added(n_rows),
            *self._taken(n_rows),
        )
        self._add_normed(index, 1, n_rows, self._taken(n_rows))

    def _taken(self, n_rows: int) -> tuple[NDArray[np.generic], ...]:
        """The stream as the next linear takes it in: integers and their scales."""
        return self._work.q.array(n_rows, self._shape.d_model), self._work.scale.array(n_rows)

    def _added(self, n_rows: int) -> NDArray[np.generic]:
        """What linears are added to: the stream, or zeros, where what is added is normed first."""
        work = self._work
        return (work.added if self._shape.norms else work.stream).array(n_rows, self._shape.d_model)

    def _add_normed(
        self, index: int, part: int, n_rows: int, taken: tuple[NDArray[np.generic], ...]
    ) -> None:
        """Norm what is to be added, add it, and take in the stream; all that, if it is so."""
        if not self._shape.norms:
            return
        stream, x = self._packed.step.stream, self._work.stream.array(n_rows, self._shape.d_model)
        gain, next_taken = stream.added[index, part], 2 * index + 1 + part
        turned_rows.add_rows(self._added(n_rows), gain, self._shape.eps, x)
        turned_rows.take_in(self._shape, stream.taken, next_taken, x, *taken)

    def _head_input(self, hidden: CpuHidden) -> NDArray[np.generic]:
        q = self._work.head_q.array(len(hidden.q), self._shape.d_model)
        q[:] = hidden.q  # there, tiles may read beyond the last row
        return q

    def intervals(self, hidden: CpuHidden, tokens: Ids, found: TokenIntervals) -> None:
        """Fill in the intervals of tokens (rows,) in the distributions of `hidden`."""
        head = self._packed.step.head
        for first in range(0, len(tokens), BLOCK_ROWS):
            part = slice(first, min(first + BLOCK_ROWS, len(tokens)))
            own = hidden.part(part)
            self._kernels.token_intervals(
                self._head_input(own),
                head.weight[0],
                head.scale[0],
                head.bias[0],
                self._packed.step.logit_cap,
                own.scale,
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
        head = self._packed.step.head
        for first in range(0, len(weights), BLOCK_ROWS):
            part = slice(first, min(first + BLOCK_ROWS, len(weights)))
            own = hidden.part(part)
            self._kernels.distributions(
                self._head_input(own),
                head.weight[0],
                head.scale[0],
                bias.values,
                bias.of[part],
                self._packed.step.logit_cap,
                own.scale,
                weights[part],
                blocks[part],
            )
