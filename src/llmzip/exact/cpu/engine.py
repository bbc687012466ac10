"""The forward pass on the CPU: the same integers as `reference`, fused and in place."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llmzip.exact.bias import AnyBias, RowBias
from llmzip.exact.cpu import head, rows, turned_rows
from llmzip.exact.cpu.block_prefill import BlockPrefill
from llmzip.exact.cpu.buffers import (
    BLOCK_ROWS,
    KEY_STEP,
    CpuCache,
    CpuHidden,
    Look,
    ModelView,
    Workspace,
    cpu_cache,
    or_empty,
)
from llmzip.exact.cpu.head_blocks import in_blocks
from llmzip.exact.cpu.layer_prefill import LayerPrefill
from llmzip.exact.cpu.packed import PackedModel, packed_model
from llmzip.exact.cpu.pair_prefill import PairPrefill
from llmzip.exact.cpu.step import StepModel
from llmzip.exact.cpu.team import StepTeam
from llmzip.exact.cpu.ways import Way, way_of
from llmzip.exact.distribution import StepCosts, TokenIntervals
from llmzip.exact.model import ExactModel, named
from llmzip.exact.shape import ModelShape
from llmzip.exact.stored import AnyModel, whole_model

Ids = NDArray[np.int64]
Bias = NDArray[np.float32]


class CpuEngine:
    """One worker: an exact model, shared, and the buffers to run blocks of rows in.

    Not thread-safe: one for each thread. The model's tensors may be shared by all.
    """

    max_rows = BLOCK_ROWS

    @property
    def step_costs(self) -> StepCosts:
        """What a step costs by its rows."""
        return self.way.isa.COSTS

    def __init__(
        self,
        model: AnyModel,
        n_positions: int,
        step_threads: int = 1,
        way: str | None = None,
        look: Look | None = None,
    ) -> None:
        """`way`: see `way_of`, which raises DeviceError. look: for PLAIN and AVX2."""
        self.shape = model.shape
        self.device = "cpu"
        self.way = way_of(model.shape, way)
        self.in_memory = model.shape if self.way is Way.PLAIN else in_blocks(model.shape)
        self._work = Workspace(self.in_memory, BLOCK_ROWS, n_positions)
        self.step_threads = 1 if self.way is Way.PLAIN else step_threads
        self._team: StepTeam | None = None
        self._model, self._look = model, look
        self._ids = model.ids
        self._weights = np.empty(0, dtype=np.float32)

    @cached_property
    def _packed(self) -> PackedModel:
        return packed_model(self._model, self.way)

    @cached_property
    def _plain(self) -> ModelView:
        return ModelView.of(whole_model(self._model))

    @property
    def _tables(self) -> ModelView | StepModel:
        """What has the embedding, and the positions."""
        return self._plain if self.way is Way.PLAIN else self._packed.step

    @cached_property
    def _prefill(self) -> LayerPrefill:
        if self.way is Way.PLAIN:
            from llmzip.exact.cpu.plain_prefill import PlainPrefill  # which imports torch

            return PlainPrefill(self.shape, self._plain, self._work, self._look)
        if self.way is Way.AVX2:
            return PairPrefill(self._packed, self._work, self._look)
        return BlockPrefill(self._packed, self._work, self.way.isa)

    @property
    def head_bias(self) -> Bias | None:
        """The head's own bias."""
        return self._head_bias if self._head_bias.size else None

    @cached_property
    def _head_bias(self) -> Bias:
        own: Bias = self._tables.linear("head")[2]
        return own

    def cache(self, n_lanes: int, n_positions: int) -> CpuCache:
        """Make a KV cache; its positions are rounded up to the step of prefill attention."""
        n_positions = -(-n_positions // KEY_STEP) * KEY_STEP
        return cpu_cache(self.way, self.shape, n_lanes, n_positions)

    def forward(self, ids: Ids, lanes: Ids, starts: Ids, cache: CpuCache) -> CpuHidden:
        """As `Reference.forward`, for arrays with B · T at most `max_rows`.

        The result lies in the engine's buffers: use it before the next call.
        """
        B, T = ids.shape
        at = (starts[:, None] + np.arange(T)).reshape(-1)
        self._embed(ids.reshape(-1), at)
        self._run_layers(lanes, starts, at, cache)
        hidden = self._inside(B * T)
        return CpuHidden(hidden.q, hidden.scale)

    def go_on(self, stream: Stream, lanes: Ids, starts: Ids, cache: CpuCache) -> None:
        """Take rows of the stream, as many for each lane, lane after lane, through all layers.

        At most `max_rows`; they are replaced.
        """
        count = len(stream.scale) // len(lanes)
        at = (starts[:, None] + np.arange(count)).reshape(-1)
        inside = self._inside(len(at))
        inside.fill(stream)
        self._take_in(inside)
        self._run_layers(lanes, starts, at, cache)
        stream.fill(inside)

    def _run_layers(self, lanes: Ids, starts: Ids, at: Ids, cache: CpuCache) -> None:
        row_lanes = np.repeat(lanes, len(at) // len(lanes))
        for index in range(self.shape.n_layers):
            self._prefill.layer(index, lanes, starts, row_lanes, at, cache)

    def intervals(self, hidden: CpuHidden, tokens: Ids) -> TokenIntervals:
        """The intervals of the next tokens (rows,) in the distributions of `hidden`."""
        found = TokenIntervals.empty(len(tokens))
        self._prefill.intervals(hidden, tokens, found)
        return found

    def distributions(self, hidden: CpuHidden, bias: AnyBias | None = None) -> CpuDistributions:
        """The distributions of `hidden`, ready to be searched until the next are asked for."""
        n_rows, vocabulary = len(hidden.scale), self.shape.vocab_size
        if n_rows * vocabulary > self._weights.size:  # new memory costs more than the head
            self._weights = np.empty(n_rows * vocabulary, dtype=np.float32)
        weights = self._weights[: n_rows * vocabulary].reshape(n_rows, vocabulary)
        blocks = np.empty((n_rows, -(-vocabulary // head.BLOCK)), dtype=np.int64)
        own_bias = RowBias.of_rows(self._head_bias if bias is None else bias, n_rows)
        self._prefill.distributions(hidden, own_bias, weights, blocks)
        return CpuDistributions(weights, blocks)

    def step(
        self, ids: Ids, lanes: Ids, at: Ids, cache: CpuCache, bias: AnyBias | None = None
    ) -> CpuDistributions:
        """Feed a token each to lanes; return the distributions after.

        Rows of the same lane follow each other, at positions one after the other.
        """
        if self.way is Way.PLAIN:
            return self.distributions(self._forward_parts(ids[:, None], lanes, at, cache), bias)
        if self._team is None:
            packed, threads = self._packed.for_steps(), self.step_threads
            self._team = StepTeam(self.in_memory, packed, threads)
        own = None if bias is None else RowBias.of_rows(bias, len(ids))
        work = self._team.run(named(ids, self._ids), lanes, at, cache, own)
        rows = slice(0, len(ids))
        return CpuDistributions(work.logits[rows], work.blocks[rows])

    def _forward_parts(self, ids: Ids, lanes: Ids, at: Ids, cache: CpuCache) -> CpuHidden:
        """As `forward` for any number of lanes, the result in memory of its own."""
        parts = []
        for first in range(0, len(ids), self.max_rows):
            part = slice(first, first + self.max_rows)
            hidden = self.forward(ids[part], lanes[part], at[part], cache)
            parts.append(hidden.followed_by([]))  # the next block is computed in the same memory
        return parts[0] if len(parts) == 1 else parts[0].followed_by(parts[1:])

    def _embed(self, ids: Ids, at: Ids) -> None:
        tables, stream = self._tables, self._inside(len(ids))
        embeddings = tables.embedding, tables.embedding_scale, tables.positions
        _start(self.shape, embeddings, named(ids, self._ids), at, stream)
        self._take_in(stream)

    def _inside(self, n_rows: int) -> Stream:
        """Where rows are on their way through the layers."""
        work, width = self._work, self.shape.d_model
        q, scale = work.q.array(n_rows, width), work.scale.array(n_rows)
        return Stream(work.stream.array(n_rows, width), q, scale)

    def _take_in(self, stream: Stream) -> None:
        """Rows as the first layer takes them in, where it is not by a norm that all have alike."""
        if self.shape.norms:
            gains = self._tables.taken_gains
            turned_rows.take_in(self.shape, gains, 0, stream.x, stream.q, stream.scale)


@dataclass(frozen=True)
class Stream:
    """Rows between two layers."""

    x: NDArray[np.float32]  # (rows, d_model)
    q: NDArray[np.int8]  # (rows, d_model): the same, normalised, for the next linear
    scale: NDArray[np.float32]  # (rows,)

    def part(self, rows: slice) -> Stream:
        """Some of them, in the same memory."""
        return Stream(self.x[rows], self.q[rows], self.scale[rows])

    def fill(self, other: Stream) -> None:
        """Become what the other is."""
        self.x[:], self.q[:], self.scale[:] = other.x, other.q, other.scale


def embedded(model: ExactModel, ids: Ids) -> Stream:
    """Rows before the first layer, lane after lane, of ids (B, T) from the first position on."""
    n_rows, width = ids.size, model.shape.d_model
    stream = Stream(
        np.empty((n_rows, width), np.float32),
        np.empty((n_rows, width), np.int8),
        np.empty(n_rows, np.float32),
    )
    embeddings = model.embedding, model.embedding_scale, or_empty(model.positions, 2)
    at = np.tile(np.arange(ids.shape[1]), len(ids))
    _start(model.shape, embeddings, np.ascontiguousarray(ids).reshape(-1), at, stream)
    return stream


def _start(
    shape: ModelShape, embeddings: tuple[NDArray[Any], ...], ids: Ids, at: Ids, stream: Stream
) -> None:
    """Rows of tokens ids (M,) at their positions, and their norm, where that is of all alike."""
    if shape.norms:
        turned_rows.embed(ids, at, embeddings, stream.x)
    else:
        rows.embed_normalise(ids, at, embeddings, shape.eps, stream.x, stream.q, stream.scale)


class CpuDistributions:
    """Distributions of several rows: see `distribution.Distributions`."""

    def __init__(
        self, weights: NDArray[np.float32], blocks: NDArray[np.int64], rows: Ids | None = None
    ) -> None:
        """`rows`: which rows of the weights and blocks these are; None stands for all."""
        self._weights, self._blocks = weights, blocks
        self._rows = np.arange(len(blocks)) if rows is None else rows

    def picked(self, rows: Ids) -> CpuDistributions:
        """Some of them, in the same memory."""
        return CpuDistributions(self._weights, self._blocks, self._rows[rows])

    def totals(self) -> NDArray[np.uint64]:
        """The frequencies' sum of each row."""
        totals: NDArray[np.uint64] = self._blocks[self._rows].sum(1).astype(np.uint64)
        return totals

    def find(self, targets: NDArray[np.uint64]) -> TokenIntervals:
        """The tokens whose intervals hold the targets."""
        found = TokenIntervals.empty(len(targets))
        answer = found.tokens, found.low, found.freq
        head.find_tokens(self._weights, self._blocks, self._rows, targets, *answer)
        return found

    def look_up(self, ids: Ids) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
        """Where tokens (rows, C) lie: (low, freq)."""
        low, freq = np.zeros((2, *ids.shape), dtype=np.uint64)
        head.look_up(self._weights, self._blocks, self._rows, ids, low, freq)
        return low, freq

    def frequencies(self) -> NDArray[np.int64]:
        """The frequencies of all tokens, (rows, V)."""
        freq = np.empty((len(self._rows), self._weights.shape[1]), dtype=np.int64)
        head.frequencies(self._weights, self._rows, freq)
        return freq

    def add_gradient(self, tokens: Ids, gradient: NDArray[np.int64], first_row: int = 0) -> None:
        """Add to `gradient` (V,) what came, tokens (rows,), less what was predicted."""
        rows = self._rows[first_row : first_row + len(tokens)]
        head.add_gradient(self._weights, self._blocks, rows, tokens, gradient)
