"""The engine's prefill by kernels that use sums where they are made: in tiles or by `fours`.

Both: `four_linear` and `block_attention`, of tiles but for the feed-forward. Tiles: `prefill`,
`prefill_feed_forward` and `prefill_head`. Fours: `four_head`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar, NamedTuple

from numpy.typing import NDArray

from llmzip.exact.bias import RowBias
from llmzip.exact.cpu import (
    attention,
    block_attention,
    four_head,
    four_linear,
    prefill,
    prefill_feed_forward,
    prefill_head,
    turned_rows,
)
from llmzip.exact.cpu.block_attention import configuration_of
from llmzip.exact.cpu.buffers import BLOCK_ROWS, TOGETHER, CpuCache, CpuHidden, Workspace
from llmzip.exact.cpu.head_blocks import in_blocks
from llmzip.exact.cpu.instruction_set import InstructionSet
from llmzip.exact.cpu.layer_prefill import Ids, LayerPrefill, Weights
from llmzip.exact.cpu.packed import PackedModel


class Kernels(NamedTuple):
    """What a way computes a block of rows by; see the modules for their arguments."""

    project_heads: Callable[..., None]
    fill_sums: Callable[..., None]
    attend: Callable[..., None]
    close_attention: Callable[..., None]
    feed_forward: Callable[..., None]
    token_intervals: Callable[..., None]
    distributions: Callable[..., None]


def kernels_of(work: Workspace, isa: InstructionSet) -> Kernels:
    """Those of tiles, or of fours by an instruction set."""
    configuration = configuration_of(isa)
    if isa.IS_TILED:
        own = (
            partial(prefill_feed_forward.feed_forward, configuration),
            partial(prefill_head.token_intervals, configuration),
            partial(prefill.distributions, configuration),
        )
    else:
        own = (
            partial(four_linear.feed_forward, isa),
            partial(four_head.token_intervals, isa, work.head_sums.whole()),
            partial(four_head.distributions, isa),
        )
    return Kernels(
        partial(four_linear.project_heads, isa, configuration),
        partial(four_linear.fill_sums, isa, configuration),
        partial(block_attention.attend, isa, configuration),
        partial(four_linear.close_attention, isa, configuration),
        *own,
    )


class BlockPrefill(LayerPrefill):
    """A packed model and the buffers to run blocks of rows in."""

    HEAD_ROWS: ClassVar = BLOCK_ROWS

    def __init__(self, packed: PackedModel, work: Workspace, isa: InstructionSet) -> None:
        super().__init__(in_blocks(packed.model.shape), packed, work)
        self._kernels = kernels_of(work, isa)
        self._attention = self._kernels.attend

    def layer(
        self, index: int, lanes: Ids, starts: Ids, row_lanes: Ids, at: Ids, cache: CpuCache
    ) -> None:
        """See `LayerPrefill.layer`."""
        if index == 0 and self._shape.norms:
            self._added(len(at))[:] = 0.0  # an interrupt may have left sums
        super().layer(index, lanes, starts, row_lanes, at, cache)

    def _project(self, index: int, lanes: Ids, at: Ids, cache: CpuCache) -> None:
        linear, placing = self._model.linear("qkv", index), self._placing(index, lanes, at, cache)
        q, s = self._taken(len(at))
        if self._shape.head_norm == "whole":  # no head is known before all of them are
            sums = self._work.sums.array(len(at), self._shape.d_qkv)
            self._kernels.fill_sums(q, linear[0], sums)
            attention.split_heads(sums, linear[1:], s, placing)
        else:
            self._kernels.project_heads((q, s), linear, placing)

    def _close_attention(self, index: int, n_rows: int) -> None:
        work = self._work
        taken = work.aside_q.array(n_rows, self._shape.d_model), work.aside_scale.array(n_rows)
        mixed, stream = work.mixed.array(n_rows, self._shape.d_heads), (self._added(n_rows), *taken)
        linear = self._model.linear("out", index)
        self._kernels.close_attention(mixed, linear, self._shape.eps, stream)
        self._add_normed(index, 0, n_rows, taken)

    def _feed_forward(self, index: int, n_rows: int) -> None:
        shape, work = self._shape, self._work
        self._kernels.feed_forward(
            int(shape.feed_forward),
            self._model.linear("up", index),
            self._model.linear("down", index),
            shape.eps,
            (work.active.array(TOGETHER, shape.d_ff), work.halves.array(2 * TOGETHER, shape.d_ff)),
            (self._added(n_rows), *self._taken(n_rows)),
        )
        self._add_normed(index, 1, n_rows, self._taken(n_rows))

    def _taken(self, n_rows: int) -> tuple[NDArray[Any], NDArray[Any]]:
        """The stream as the next linear takes it in: integers and their scales."""
        return self._work.q.array(n_rows, self._shape.d_model), self._work.scale.array(n_rows)

    def _added(self, n_rows: int) -> NDArray[Any]:
        """What linears are added to: the stream, or zeros, where what is added is normed first."""
        work = self._work
        return (work.added if self._shape.norms else work.stream).array(n_rows, self._shape.d_model)

    def _add_normed(
        self, index: int, part: int, n_rows: int, taken: tuple[NDArray[Any], NDArray[Any]]
    ) -> None:
        """Norm what is to be added, add it, and take in the stream; all that, if it is so."""
        if not self._shape.norms:
            return
        x, gain = (
            self._work.stream.array(n_rows, self._shape.d_model),
            self._model.added_gains[index, part],
        )
        turned_rows.add_rows(self._added(n_rows), gain, self._shape.eps, x)
        self._take_in(2 * index + 1 + part, x, *taken)

    def _head_input(self, hidden: CpuHidden) -> NDArray[Any]:
        q = self._work.head_q.array(*hidden.q.shape)
        q[:] = hidden.q  # there, tiles may read beyond the last row
        return q

    def _head_intervals(
        self, hidden: CpuHidden, tokens: Ids, found: tuple[NDArray[Any], ...]
    ) -> None:
        (weight, *own), rows = self._model.linear("head"), (self._head_input(hidden), hidden.scale)
        linear = *own, self._logit_cap
        self._kernels.token_intervals(weight, linear, (*rows, tokens), found)

    def _head_distributions(
        self, hidden: CpuHidden, bias: RowBias, weights: Weights, blocks: Ids
    ) -> None:
        weight, scale, _ = self._model.linear("head")
        linear, rows = (scale, bias.values, self._logit_cap), (hidden.scale, bias.of)
        own = self._head_input(hidden), *rows
        self._kernels.distributions(weight, linear, own, weights, blocks)
