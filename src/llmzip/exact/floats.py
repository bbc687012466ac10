"""A loaded model's weights in one shape, before anything is folded: what families map to."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from llmzip.exact.shape import ModelShape

Array = NDArray[np.float64]


@dataclass(frozen=True)
class FloatLinear:
    """y = weight · norm(x) + bias, the norm's gain and bias included where it has one."""

    weight: Array  # (n_out, n_in)
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


@dataclass(frozen=True)
class FloatModel:
    """A causal transformer in floats."""

    shape: ModelShape
    centred: bool  # LayerNorm takes the mean away; RMSNorm does not
    embedding: Array  # (vocab_size, d_model)
    positions: Array | None  # (n_positions, d_model)
    turns: tuple[int, ...] | None  # RoPE: of each pair of a head, 2^-128 radians a position
    layers: tuple[FloatLayer, ...]
    head: FloatLinear
