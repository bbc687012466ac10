"""Memory that the engine works in: made once, reused for every block of rows."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llmzip.exact.aligned import aligned_zeros
from llmzip.exact.cache import KVCache
from llmzip.exact.constants import score_scale
from llmzip.exact.cpu import pairs, simd, tiles
from llmzip.exact.cpu.head_blocks import in_blocks
from llmzip.exact.cpu.scalars import f32
from llmzip.exact.cpu.ways import Way
from llmzip.exact.hidden import Hidden
from llmzip.exact.model import ExactModel, Linear, Rope
from llmzip.exact.shape import ModelShape

BLOCK_ROWS = 512
"""Rows of one forward pass: enough to fill the int8 units, few enough to stay in cache."""
ATTENTION_ROWS = 128
"""Positions whose attention is computed at once in prefill."""
TOGETHER = 128
"""Rows that go through a feed-forward together, so that they stay in the second cache."""
HEAD_ROWS = 256
"""Rows whose vocabulary-wide sums are held at once."""
KEY_STEP = 64
"""Prefill attention takes keys in multiples of this, so that GEMM shapes repeat."""


CpuHidden = Hidden[NDArray[Any]]
"""Rows for the head, in the engine's buffers or in memory of their own."""


Look = Callable[[str, NDArray[Any]], None]
"""Is shown what each linear, by its name in the file, takes in: int8 (rows, n_in).

Of 16-bit rows that is the high half.
"""


class Buffer:
    """A flat piece of memory in whole lines, seen as an array of any shape that fits."""

    def __init__(self, size: int, dtype: type[np.generic]) -> None:
        self._array: NDArray[Any] = aligned_zeros((size,), dtype)

    def whole(self) -> NDArray[Any]:
        """All elements."""
        return self._array

    def array(self, *shape: int) -> NDArray[Any]:
        """The first elements as an array of `shape`."""
        return self._array[: math.prod(shape)].reshape(shape)


class Workspace:
    """The buffers of one worker for up to `n_rows` rows over up to `n_positions` keys."""

    def __init__(self, shape: ModelShape, n_rows: int, n_positions: int) -> None:
        attention = ATTENTION_ROWS * (shape.n_heads // shape.n_kv_heads)
        n_keys = n_positions + KEY_STEP
        spare = 2 * tiles.ROWS  # rows that tiles may read beyond the last
        self.stream = Buffer(n_rows * shape.d_model, np.float32)
        # what a sublayer adds, where that is normed: zeros between two of them
        self.added = Buffer(n_rows * shape.d_model if shape.norms else 0, np.float32)
        self.q = Buffer((n_rows + spare) * max(shape.d_model, shape.d_heads), np.int8)
        self.active = Buffer(TOGETHER * shape.d_ff, np.float32)
        widest = max(shape.d_model, shape.d_ff, shape.d_heads)
        self.wide = Buffer(n_rows * widest, np.int16)  # rows as pairs want them
        self.scale = Buffer(n_rows, np.float32)
        # what attention leaves for the feed-forward; where that has it already, nobody reads it
        aside = n_rows if shape.parallel else 0
        self.aside_q = Buffer(aside * max(shape.d_model, shape.d_heads), np.int8)
        self.aside_scale = Buffer(aside, np.float32)
        if not shape.parallel:
            self.aside_q, self.aside_scale = self.q, self.scale
        self.sums = Buffer(n_rows * max(shape.d_qkv, shape.d_up, 2 * shape.d_model), np.int32)
        self.queries = Buffer((n_rows * shape.n_heads + spare) * shape.d_head, np.int8)
        self.query_scales = Buffer(n_rows * shape.n_heads, np.float32)
        self.mixed = Buffer(n_rows * shape.d_heads, np.float32)
        self.halves = Buffer(2 * n_rows * shape.d_ff, np.int8)
        self.scores = Buffer(attention * n_keys, np.int32)
        self.high = Buffer(attention * n_keys, np.int8)
        self.low = Buffer(attention * n_keys, np.int8)
        self.factor = Buffer(attention, np.float32)
        self.high_sums = Buffer(attention * shape.d_head, np.int32)
        self.low_sums = Buffer(attention * shape.d_head, np.int32)
        self.head_q = Buffer((n_rows + spare) * shape.d_model, np.int8)
        n_logits = -(-shape.vocab_size // simd.BYTES) * simd.BYTES
        self.head_sums = Buffer(min(n_rows, HEAD_ROWS) * n_logits, np.int32)


CpuCache = KVCache[NDArray[Any]]


def cpu_cache(way: Way, shape: ModelShape, n_lanes: int, n_positions: int) -> CpuCache:
    """An empty KV cache whose keys and values lie as a way's kernels read them.

    keys: (n_layers, n_lanes, n_kv_heads, n_positions, d), or for pairs blocks of positions
    (…, n_positions / 16, d / 2, 16, 2). values: (…, n_positions / n, d, n), n positions lying
    together: as many as tiles or pairs want, else one. d: a head in blocks, but for PLAIN.
    """
    shape = shape if way is Way.PLAIN else in_blocks(shape)
    # such zeros are asked for as huge pages: reading a cache by small ones costs twice the time
    plain = CpuCache.allocate(shape, n_lanes, n_positions, aligned_zeros)
    *outer, n_positions, d_head = plain.values.shape
    together, keys = 1, plain.keys
    if way is Way.AMX:
        together = tiles.TOGETHER
    elif way is Way.AVX2:
        together, block = pairs.TOGETHER, pairs.OUTPUTS
        keys = keys.reshape(*outer, n_positions // block, d_head // together, block, together)
    values = plain.values.reshape(*outer, n_positions // together, d_head, together)
    return CpuCache(keys, values, plain.key_scales, plain.value_scales)


@dataclass(frozen=True)
class LinearView:
    """A linear as the kernels take it: weight transposed for the GEMM."""

    weight: NDArray[np.int8]  # (n_in, n_out), a view
    scale: NDArray[np.float32]
    bias: NDArray[np.float32]  # empty where there is none

    @classmethod
    def of(cls, linear: Linear) -> LinearView:
        """The view of `linear`."""
        return cls(linear.weight.T, linear.scale, or_empty(linear.bias, 1))


def _taken_gains(model: ExactModel) -> NDArray[np.float32]:
    """What the stream is multiplied by when it is taken in, where it is turned then: ones or so."""
    if not model.shape.norms:
        return np.empty((0, 0), dtype=np.float32)
    one = np.ones(model.shape.d_model, dtype=np.float32)
    rows = [layer.gains.get(name, one) for layer in model.layers for name in ("qkv", "up")]
    return np.stack([*rows, one if model.head_gain is None else model.head_gain])


def _added_gains(model: ExactModel) -> NDArray[np.float32]:
    if not model.shape.norms:
        return np.empty((0, 0, 0), dtype=np.float32)
    rows = [layer.gains[name] for layer in model.layers for name in ("out", "down")]
    return np.stack(rows).reshape(-1, 2, model.shape.d_model)


def or_empty(array: NDArray[np.float32] | None, n_axes: int) -> NDArray[np.float32]:
    """The array; an empty one for None."""
    return np.empty((0,) * n_axes, dtype=np.float32) if array is None else array


@dataclass(frozen=True)
class ModelView:
    """A model as the kernels take it."""

    embedding: NDArray[np.int16]
    embedding_scale: NDArray[np.float32]
    positions: NDArray[np.float32]
    ropes: tuple[Rope, ...]
    gains: tuple[NDArray[np.float32], ...]  # of each layer
    taken_gains: NDArray[np.float32]  # (2 layers + 1, d_model): of `qkv`, `up`, …, of the head
    added_gains: NDArray[np.float32]  # (layers, 2, d_model): of `out` and `down`
    layers: tuple[dict[str, LinearView], ...]
    head: LinearView
    shape: ModelShape
    d_head: int

    def linear(self, name: str, layer: int = 0) -> tuple[NDArray[Any], ...]:
        """Weight, scale and bias of one of a layer, or of the `head`."""
        own = self.head if name == "head" else self.layers[layer][name]
        return own.weight, own.scale, own.bias

    def norms(self, layer: int) -> tuple[object, ...]:
        """A layer's angles, gains and norms, as `attention.split_heads` takes them."""
        s, none = self.shape, np.empty((0, 0), dtype=np.float32)
        table = s.rope_of(layer)
        angles = self.ropes[table] if table >= 0 else (none, none)
        norms = s.eps, s.gain_first, s.d_head, s.head_norm == "whole"
        return (*angles, f32(score_scale(s.d_head, s.score_cap))), self.gains[layer], norms

    @classmethod
    def of(cls, model: ExactModel) -> ModelView:
        """The view of `model`."""
        return cls(
            model.embedding,
            model.embedding_scale,
            or_empty(model.positions, 2),
            model.ropes,
            tuple(or_empty(layer.gain, 2) for layer in model.layers),
            _taken_gains(model),
            _added_gains(model),
            tuple(
                {name: LinearView.of(linear) for name, linear in layer.named_linears()}
                for layer in model.layers
            ),
            LinearView.of(model.head),
            model.shape,
            model.shape.d_head,
        )
