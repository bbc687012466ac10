"""Memory that the engine works in: made once, reused for every block of rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from llmzip.exact.cache import KVCache
from llmzip.exact.cpu import pairs, tiles
from llmzip.exact.cpu.ways import Way
from llmzip.exact.model import ExactModel, Linear, ModelShape

BLOCK_ROWS = 512
"""Rows of one forward pass: enough to fill the int8 units, few enough to stay in cache."""
ATTENTION_ROWS = 128
"""Positions whose attention is computed at once in prefill."""
TOGETHER = 128
"""Rows that go through a feed-forward in tiles together, so that they stay in the second cache."""
HEAD_ROWS = 256
"""Rows whose vocabulary-wide sums are held at once."""
KEY_STEP = 64
"""Prefill attention takes keys in multiples of this, so that GEMM shapes repeat."""


class Buffer:
    """A flat piece of memory, seen as a tensor and as an array of any shape that fits."""

    def __init__(self, size: int, dtype: torch.dtype) -> None:
        self._tensor = torch.empty(size, dtype=dtype)
        self._array = self._tensor.numpy()

    def tensor(self, *shape: int) -> Tensor:
        """The first elements as a tensor of `shape`."""
        return self._tensor[: _volume(shape)].view(shape)

    def array(self, *shape: int) -> NDArray[np.generic]:
        """The first elements as an array of `shape`."""
        return self._array[: _volume(shape)].reshape(shape)


def _volume(shape: tuple[int, ...]) -> int:
    size = 1
    for n in shape:
        size *= n
    return size


class Workspace:
    """The buffers of one worker for up to `n_rows` rows over up to `n_positions` keys."""

    def __init__(self, shape: ModelShape, n_rows: int, n_positions: int) -> None:
        d_qkv = (shape.n_heads + 2 * shape.n_kv_heads) * shape.d_head
        d_up = shape.d_ff * (2 if shape.gated else 1)
        attention = ATTENTION_ROWS * (shape.n_heads // shape.n_kv_heads)
        n_keys = n_positions + KEY_STEP
        self.configuration = tiles.configuration()
        spare = 2 * tiles.ROWS  # rows that tiles may read beyond the last
        self.stream = Buffer(n_rows * shape.d_model, torch.float32)
        self.q = Buffer(
            (n_rows + spare) * max(shape.d_model, shape.n_heads * shape.d_head), torch.int8
        )
        self.active = Buffer(TOGETHER * shape.d_ff if tiles.AVAILABLE else 0, torch.float32)
        widest = max(shape.d_model, shape.d_ff, shape.n_heads * shape.d_head)
        self.wide = Buffer(n_rows * widest, torch.int16)  # rows as pairs want them
        self.scale = Buffer(n_rows, torch.float32)
        self.sums = Buffer(n_rows * max(d_qkv, d_up, 2 * shape.d_model), torch.int32)
        self.queries = Buffer((n_rows * shape.n_heads + spare) * shape.d_head, torch.int8)
        self.query_scales = Buffer(n_rows * shape.n_heads, torch.float32)
        self.mixed = Buffer(n_rows * shape.n_heads * shape.d_head, torch.float32)
        self.halves = Buffer(2 * n_rows * shape.d_ff, torch.int8)
        self.scores = Buffer(attention * n_keys, torch.int32)
        self.high = Buffer(attention * n_keys, torch.int8)
        self.low = Buffer(attention * n_keys, torch.int8)
        self.factor = Buffer(attention, torch.float32)
        self.high_sums = Buffer(attention * shape.d_head, torch.int32)
        self.low_sums = Buffer(attention * shape.d_head, torch.int32)
        self.head_q = Buffer((n_rows + spare) * shape.d_model, torch.int8)
        n_logits = -(-shape.vocab_size // pairs.OUTPUTS) * pairs.OUTPUTS
        self.head_sums = Buffer(min(n_rows, HEAD_ROWS) * n_logits, torch.int32)


class CpuCache(KVCache):
    """A KV cache whose keys and values lie as a way's kernels read them.

    keys: (n_layers, n_lanes, n_kv_heads, n_positions, d_head), or for pairs blocks of positions
    (…, n_positions / 16, d_head / 2, 16, 2). values: (…, n_positions / n, d_head, n), n
    positions lying together: as many as tiles or pairs want, else one.
    """

    @classmethod
    def of(cls, plain: KVCache, way: Way) -> CpuCache:
        """An empty cache, as `way` wants it."""
        *outer, n_positions, d_head = plain.values.shape
        together, keys = 1, plain.keys
        if way is Way.AMX:
            together = tiles.TOGETHER
        elif way is Way.AVX2:
            together, block = pairs.TOGETHER, pairs.OUTPUTS
            keys = keys.view(*outer, n_positions // block, d_head // together, block, together)
        values = plain.values.view(*outer, n_positions // together, d_head, together)
        return cls(keys, values, plain.key_scales, plain.value_scales)


@dataclass(frozen=True)
class LinearView:
    """A linear as the kernels take it: weight transposed for the GEMM, arrays for the rest."""

    weight: Tensor  # int8 (n_in, n_out), a view
    scale: NDArray[np.float32]
    bias: NDArray[np.float32]  # empty where there is none

    @classmethod
    def of(cls, linear: Linear) -> LinearView:
        """The view of `linear`."""
        return cls(linear.weight.t(), linear.scale.numpy(), optional_array(linear.bias, 1))


def optional_array(tensor: Tensor | None, n_axes: int) -> NDArray[np.float32]:
    """The tensor as an array; an empty one for None."""
    return np.empty((0,) * n_axes, dtype=np.float32) if tensor is None else tensor.numpy()


@dataclass(frozen=True)
class ModelView:
    """A model as the kernels take it."""

    embedding: NDArray[np.int16]
    embedding_scale: NDArray[np.float32]
    positions: NDArray[np.float32]
    cos: NDArray[np.float32]
    sin: NDArray[np.float32]
    layers: tuple[dict[str, LinearView], ...]
    head: LinearView

    @classmethod
    def of(cls, model: ExactModel) -> ModelView:
        """The view of `model`, which must be on the CPU."""
        names = ("qkv", "out", "up", "down")
        return cls(
            model.embedding.numpy(),
            model.embedding_scale.numpy(),
            optional_array(model.positions, 2),
            optional_array(model.cos, 2),
            optional_array(model.sin, 2),
            tuple({n: LinearView.of(getattr(layer, n)) for n in names} for layer in model.layers),
            LinearView.of(model.head),
        )
