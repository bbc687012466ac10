"""A loaded model's weights in one shape, before anything is folded: what families map to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llmzip.exact.shape import ModelShape

Array = NDArray[np.float64]

Matrix = Any
"""float64 (rows, columns), of which slices of rows are taken: an array, or `families.weights.Rows`,
which are read when they are asked for."""


@dataclass(frozen=True)
class FloatLinear:
    """y = weight · norm(x) + bias, the norm's gain and bias included where it has one.

    norm_gain: where there is none, x is not normed.
    """

    weight: Matrix  # (n_out, n_in)
    bias: Array | None = None  # (n_out,)
    norm_gain: Array | None = None  # (n_in,); None: reads no norm
    norm_bias: Array | None = None  # (n_in,)


@dataclass(frozen=True)
class FloatLayer:
    """The four linears of a layer; see `model.Layer` for their order of rows."""

    qkv: FloatLinear
    out: FloatLinear
    up: FloatLinear
    down: FloatLinear
    gain: Array | None = None  # of queries and keys, (n_heads + n_kv_heads, d_head): `head_norm`
    out_gain: Array | None = None  # of what attention adds to the stream, (d_model,): `norms`
    down_gain: Array | None = None  # of what the feed-forward adds


@dataclass(frozen=True)
class Layers:
    """Layers that are made when they are asked for, each time anew: none is kept."""

    n_layers: int
    make: Callable[[int], FloatLayer]

    def __len__(self) -> int:
        return self.n_layers

    def __getitem__(self, index: int) -> FloatLayer:
        return self.make(range(self.n_layers)[index])

    def __iter__(self) -> Iterator[FloatLayer]:
        return map(self.make, range(self.n_layers))


@dataclass(frozen=True)
class FloatModel:
    """A causal transformer in floats."""

    shape: ModelShape
    centred: bool  # LayerNorm takes the mean away; RMSNorm does not
    embedding: Matrix  # (vocab_size, d_model)
    positions: Array | None  # (n_positions, d_model)
    turns: tuple[int, ...] | None  # RoPE: of each pair of a head, 2^-128 radians a position
    layers: tuple[FloatLayer, ...] | Layers
    head: FloatLinear
    other_turns: tuple[tuple[int, ...], ...] = ()  # of RoPE's tables behind the first
