"""The forward pass on the CPU: the same integers as `reference`, fused and in place."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from llmzip.exact.cache import KVCache
from llmzip.exact.cpu import attention, head, rows, tiles
from llmzip.exact.cpu.buffers import (
    ATTENTION_ROWS,
    BLOCK_ROWS,
    HEAD_ROWS,
    KEY_STEP,
    CpuCache,
    LinearView,
    ModelView,
    Workspace,
)
from llmzip.exact.cpu.packed import packed_model
from llmzip.exact.cpu.scalars import f32
from llmzip.exact.cpu.step import fits
from llmzip.exact.cpu.team import StepTeam
from llmzip.exact.cpu.tile_prefill import TilePrefill
from llmzip.exact.distribution import Distributions, TokenIntervals
from llmzip.exact.gemm import exact_gemm
from llmzip.exact.hidden import Hidden
from llmzip.exact.model import ExactModel
from llmzip.exact.reference import score_scale

Array = NDArray[np.generic]
Ids = NDArray[np.int64]
Bias = NDArray[np.float32]

FEW_ROWS = 8
"""Up to so many new positions of a lane, attention goes key by key instead of by GEMM."""


class CpuEngine:
    """One worker: an exact model, shared, and the buffers to run blocks of rows in.

    Not thread-safe: one for each thread. The model's tensors may be shared by all.
    """

    max_rows = BLOCK_ROWS

    def __init__(self, model: ExactModel, n_positions: int, step_threads: int = 1) -> None:
        self.shape = model.shape
        self.model = ModelView.of(model)
        self.device = torch.device("cpu")
        self._gemm = exact_gemm(self.device)
        self._work = Workspace(model.shape, BLOCK_ROWS, n_positions)
        group = model.shape.n_heads // model.shape.n_kv_heads
        self._attend = attention.step_attention(model.shape.d_head, group)
        self._score_scale = f32(score_scale(model.shape.d_head))
        self.step_threads = step_threads if fits(model.shape) else 1
        self._team: StepTeam | None = None
        self._model = model
        self._weights = np.empty(0, dtype=np.float32)
        self._tiles: TilePrefill | None = None
        if tiles.AVAILABLE and fits(model.shape):
            self._tiles = TilePrefill(packed_model(model), self._work)

    @property
    def head_bias(self) -> Bias | None:
        """The head's own bias."""
        return self.model.head.bias if self.model.head.bias.size else None

    def cache(self, n_lanes: int, n_positions: int) -> KVCache:
        """Make a KV cache; its positions are rounded up to the step of prefill attention."""
        n_positions = -(-n_positions // KEY_STEP) * KEY_STEP
        plain = KVCache.allocate(self.shape, n_lanes, n_positions, self.device)
        return CpuCache.of(plain, tiles.TOGETHER if self._tiles is not None else 1)

    def forward(self, ids: Ids, lanes: Ids, starts: Ids, cache: KVCache) -> Hidden:
        """As `Reference.forward`, for arrays with B · T at most `max_rows`.

        The result lies in the engine's buffers: use it before the next call.
        """
        B, T = ids.shape
        at = (starts[:, None] + np.arange(T)).reshape(-1)
        row_lanes = np.repeat(lanes, T)
        self._embed(ids.reshape(-1), at)
        for index, layer in enumerate(self.model.layers):
            if self._tiles is not None:
                self._tiles.layer(index, lanes, starts, row_lanes, at, cache)
                continue
            kv = _LayerCache(cache, index)
            self._split_heads(layer["qkv"], row_lanes, at, kv)
            if T > FEW_ROWS:
                for b in range(B):
                    self._prefill_attention(B * T, b * T, T, int(lanes[b]), int(starts[b]), kv)
            else:
                self._step_attention(B * T, row_lanes, at, kv)
            self._close_attention(layer["out"], B * T)
            self._feed_forward(layer["up"], layer["down"], B * T)
        work = self._work
        return Hidden(work.q.tensor(B * T, self.shape.d_model), work.scale.tensor(B * T))

    def intervals(self, hidden: Hidden, tokens: Ids) -> TokenIntervals:
        """The intervals of the next tokens (rows,) in the distributions of `hidden`."""
        found = TokenIntervals.empty(len(tokens))
        linear = self.model.head
        if self._tiles is not None:
            self._tiles.intervals(hidden, tokens, found)
            return found
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
        return found

    def distributions(self, hidden: Hidden, bias: Bias | None = None) -> Distributions:
        """The distributions of `hidden`, ready to be searched until the next are asked for."""
        n_rows, vocabulary = len(hidden.scale), self.shape.vocab_size
        if n_rows * vocabulary > self._weights.size:  # new memory costs more than the head
            self._weights = np.empty(n_rows * vocabulary, dtype=np.float32)
        weights = self._weights[: n_rows * vocabulary].reshape(n_rows, vocabulary)
        blocks = np.empty((n_rows, -(-vocabulary // head.BLOCK)), dtype=np.int64)
        linear = self.model.head
        own_bias = linear.bias if bias is None else bias
        if self._tiles is not None:
            self._tiles.distributions(hidden, own_bias, weights, blocks)
            return CpuDistributions(weights, blocks)
        for first in range(0, n_rows, HEAD_ROWS):
            part = slice(first, min(first + HEAD_ROWS, n_rows))
            sums = self._head_sums(hidden.q[part]).numpy()
            scale = hidden.scale[part].numpy()
            head.block_sums(sums, linear.scale, own_bias, scale, weights[part], blocks[part])
        return CpuDistributions(weights, blocks)

    def step(
        self, ids: Ids, lanes: Ids, at: Ids, cache: KVCache, bias: Bias | None = None
    ) -> Distributions:
        """Feed a token each to distinct lanes; return the distributions after."""
        if not fits(self.shape):
            return self.distributions(self._forward_parts(ids[:, None], lanes, at, cache), bias)
        if self._team is None:
            self._team = StepTeam(self.shape, packed_model(self._model), self.step_threads)
        work = self._team.run(ids, lanes, at, cache, bias)
        rows = slice(0, len(ids))
        return CpuDistributions(work.logits[rows], work.blocks[rows])

    def _forward_parts(self, ids: Ids, lanes: Ids, at: Ids, cache: KVCache) -> Hidden:
        """As `forward` for any number of lanes, the result in memory of its own."""
        parts = []
        for first in range(0, len(ids), self.max_rows):
            part = slice(first, first + self.max_rows)
            hidden = self.forward(ids[part], lanes[part], at[part], cache)
            parts.append((hidden.q.clone(), hidden.scale.clone()))
        q, scale = (torch.cat(column) for column in zip(*parts, strict=True))
        return Hidden(q, scale)

    def _head_sums(self, q: Tensor) -> Tensor:
        sums = self._work.head_sums.tensor(len(q), self.shape.vocab_size)
        self._gemm(q, self.model.head.weight, sums)
        return sums

    def _embed(self, ids: Ids, at: Ids) -> None:
        model, work, n_rows = self.model, self._work, len(ids)
        rows.embed_normalise(
            ids,
            at,
            model.embedding,
            model.embedding_scale,
            model.positions,
            self.shape.eps,
            work.stream.array(n_rows, self.shape.d_model),
            work.q.array(n_rows, self.shape.d_model),
            work.scale.array(n_rows),
        )

    def _sums(self, q: Tensor, linear: LinearView) -> Array:
        """The integer product of quantised rows with a linear's weights."""
        shape = (q.shape[0], linear.weight.shape[1])
        self._gemm(q, linear.weight, self._work.sums.tensor(*shape))
        return self._work.sums.array(*shape)

    def _query_shape(self, n_rows: int) -> tuple[int, int, int, int]:
        s = self.shape
        return s.n_kv_heads, n_rows, s.n_heads // s.n_kv_heads, s.d_head

    def _split_heads(self, linear: LinearView, lanes: Ids, at: Ids, kv: _LayerCache) -> None:
        work, n_rows = self._work, len(at)
        query_shape = self._query_shape(n_rows)
        attention.split_heads(
            self._sums(work.q.tensor(n_rows, self.shape.d_model), linear),
            linear.scale,
            linear.bias,
            work.scale.array(n_rows),
            lanes,
            at,
            self.model.cos,
            self.model.sin,
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
            work.mixed.array(n_rows, self.shape.n_heads, self.shape.d_head),
        )

    def _prefill_attention(
        self, n_rows: int, first: int, count: int, lane: int, start: int, kv: _LayerCache
    ) -> None:
        """Attention of rows first … first + count - 1, positions start … of one lane."""
        for offset in range(0, count, ATTENTION_ROWS):
            block = min(ATTENTION_ROWS, count - offset)
            for group in range(self.shape.n_kv_heads):
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
        mixed = work.mixed.array(n_rows, self.shape.n_heads, d)[row : row + block]
        attention.mix_heads(high_sums.numpy(), low_sums.numpy(), factor, group, mixed)

    def _close_attention(self, linear: LinearView, n_rows: int) -> None:
        """Output projection, residual, next norm."""
        work, width = self._work, self.shape.n_heads * self.shape.d_head
        scale = work.scale.array(n_rows)
        q = work.q.array(n_rows, width)
        rows.quantise_rows(work.mixed.array(n_rows, width), q, scale)
        sums = self._sums(work.q.tensor(n_rows, width), linear)
        rows.add_normalise(sums, *self._stream_arguments(linear, n_rows))

    def _feed_forward(self, up: LinearView, down: LinearView, n_rows: int) -> None:
        """Activation, down projection, residual, next norm."""
        work, d_ff = self._work, self.shape.d_ff
        scale = work.scale.array(n_rows)
        high, low = work.halves.array(2, n_rows, d_ff)
        sums = self._sums(work.q.tensor(n_rows, self.shape.d_model), up)
        quantise = rows.gate_quantise if self.shape.gated else rows.gelu_quantise
        quantise(sums, up.scale, up.bias, scale, high, low, scale)
        sums = self._sums(work.halves.tensor(2 * n_rows, d_ff), down)
        rows.add_normalise_wide(sums[:n_rows], sums[n_rows:], *self._stream_arguments(down, n_rows))

    def _stream_arguments(self, linear: LinearView, n_rows: int) -> tuple[object, ...]:
        """What the residual kernels take after the sums; the row scales are replaced in place."""
        work, width = self._work, self.shape.d_model
        scale = work.scale.array(n_rows)
        stream, q = work.stream.array(n_rows, width), work.q.array(n_rows, width)
        return linear.scale, linear.bias, scale, stream, self.shape.eps, q, scale


class CpuDistributions:
    """Distributions of several rows: see `distribution.Distributions`."""

    def __init__(self, weights: NDArray[np.float32], blocks: NDArray[np.int64]) -> None:
        self._weights, self._blocks = weights, blocks

    def totals(self) -> NDArray[np.uint64]:
        """The frequencies' sum of each row."""
        totals: NDArray[np.uint64] = self._blocks.sum(1).astype(np.uint64)
        return totals

    def find(self, targets: NDArray[np.uint64]) -> TokenIntervals:
        """The tokens whose intervals hold the targets."""
        found = TokenIntervals.empty(len(targets))
        head.find_tokens(self._weights, self._blocks, targets, found.tokens, found.low, found.freq)
        return found

    def look_up(self, ids: Ids) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
        """Where tokens (rows, C) lie: (low, freq)."""
        low, freq = np.zeros((2, *ids.shape), dtype=np.uint64)
        head.look_up(self._weights, self._blocks, ids, low, freq)
        return low, freq

    def add_gradient(self, tokens: Ids, gradient: NDArray[np.int64]) -> None:
        """Add to `gradient` (V,) what came, tokens (rows,), less what was predicted."""
        head.add_gradient(self._weights, self._blocks, tokens, gradient)


class _LayerCache:
    """One layer of a KV cache: tensors for the GEMMs, arrays for the kernels."""

    def __init__(self, cache: KVCache, layer: int) -> None:
        self.keys, self.values = cache.keys[layer], cache.values[layer]
        self.key_scales = cache.key_scales[layer].numpy()
        self.value_scales = cache.value_scales[layer].numpy()
