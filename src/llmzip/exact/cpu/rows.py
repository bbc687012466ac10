"""Kernels that turn one row of sums into one row of activations: norms, linears, activations.

Every row of a batch is on its own, so neither its neighbours nor the batch's size can
change it. Shapes: M rows, D the stream's width, F the feed-forward's.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from llmzip.compiled import inlined, kernel
from llmzip.exact import constants
from llmzip.exact.cpu.scalars import (
    borrowed,
    f32,
    gelu_new,
    high_byte,
    i32,
    joined,
    keep,
    largest,
    low_byte,
    relu,
    rounded,
    rounded_bits,
    silu_gate,
    wide_vectors,
)
from llmzip.exact.shape import Activation

I8_LIMIT = f32(constants.INT8_MAX)
I8_UNIT = f32(1.0 / constants.INT8_MAX)
I16_LIMIT = f32(constants.INT16_MAX)
I16_UNIT = f32(1.0 / constants.INT16_MAX)
STATISTIC_LIMIT = f32(constants.STATISTIC_MAX)
STATISTIC_UNIT = np.float64(1.0 / constants.STATISTIC_MAX)
GELU, SILU_GATE, GELU_GATE, RELU, SQUARED_RELU = map(int, Activation)
I8_UNIT_64 = np.float64(1.0 / constants.INT8_MAX)


@inlined
def _round_row(x: Any, top: Any, q: Any) -> None:
    wide_vectors()
    inverse = I8_LIMIT / top
    for i in range(x.size):
        q[i] = low_byte(rounded_bits(x[i] * inverse))


@inlined
def quantise_row(x: Any, q: Any) -> Any:
    """Round a float32 row into int8 `q`; return its scale."""
    wide_vectors()
    top = largest(x)
    _round_row(x, top, q)
    return top * I8_UNIT


@inlined
def quantise_row_wide(x: Any, high: Any, low: Any) -> Any:
    """Round a float32 row to 16 bits in two int8 halves; return its scale."""
    wide_vectors()
    top = largest(x)
    inverse = I16_LIMIT / top
    for i in range(x.size):
        bits = rounded_bits(x[i] * inverse)
        high[i] = high_byte(bits)
        low[i] = low_byte(bits)
    return top * I16_UNIT


@inlined
def normalise_row(x: Any, eps: float, q: Any) -> Any:
    """See `arith.normalise`: fill int8 `q`, return the scale."""
    top = largest(x)
    return quantise_normed(x, top, root_mean_square(x, top, eps, x.size), q)


@inlined
def quantise_normed(x: Any, top: Any, root: Any, q: Any) -> Any:
    """Round a row, the largest magnitude `top`, into int8 `q`; return its scale, over `root`."""
    _round_row(x, top, q)
    return f32(np.float64(top) * I8_UNIT_64 / root)


@inlined
def norm_factor(x: Any, eps: float, width: int) -> Any:
    """See `arith.norm_factor`, for a row of `width` numbers and zeros."""
    return f32(1.0 / root_mean_square(x, largest(x), eps, width))


@inlined
def root_mean_square(x: Any, top: Any, eps: float, width: int) -> Any:
    """Of a row of `width` numbers and zeros, the largest magnitude `top`; float64.

    eps is added to its mean square.
    """
    wide_vectors()
    inverse = STATISTIC_LIMIT / top
    squares = np.int64(0)
    for i in range(x.size):
        g = rounded(x[i] * inverse)
        squares += np.int64(i32(g * g))
    unit = np.float64(top) * STATISTIC_UNIT
    return np.sqrt(np.float64(squares) * (unit * unit) * (1.0 / np.float64(width)) + eps)


@inlined
def _add_bias(bias: Any, y: Any) -> None:
    """A linear's bias, where it has one, to a row (D,) of what comes of it."""
    wide_vectors()
    if bias.size:
        for i in range(y.size):
            y[i] = y[i] + bias[i]


@inlined
def dequantise_row(sums: Any, scale: Any, bias: Any, s: Any, y: Any) -> None:
    """What comes of a linear, float32 y (D,), from a row's sums (D,) int32."""
    wide_vectors()
    for i in range(y.size):
        y[i] = f32(sums[i]) * scale[i] * s
    _add_bias(bias, y)


@inlined
def dequantise_halves(high: Any, low: Any, scale: Any, bias: Any, s: Any, y: Any) -> None:
    """The same from the sums of high and of low halves."""
    wide_vectors()
    for i in range(y.size):
        y[i] = joined(high[i], low[i]) * scale[i] * s
    _add_bias(bias, y)


@inlined
def embed_row(token: Any, at: Any, tables: Any, x: Any) -> None:
    """Start a row of the stream from a token at a position.

    tables: the embedding, its scales, and positions, or an empty array for none.
    """
    wide_vectors()
    embedding, scales, positions = tables
    source, scale = embedding[token], scales[token]
    for i in range(x.size):
        x[i] = f32(source[i]) * scale
    if positions.shape[0]:
        shift = positions[at]
        for i in range(x.size):
            x[i] = x[i] + shift[i]


@kernel
def embed_normalise(ids: Any, at: Any, tables: Any, eps: float, x: Any, q: Any, s: Any) -> None:
    """Start the stream x (M, D) from token ids (M,) at positions `at`, and its first norm.

    tables: see `embed_row`.
    """
    wide_vectors()
    tables = borrowed(tables)
    for row in range(ids.size):
        embed_row(ids[row], at[row], tables, x[row])
        s[row] = normalise_row(x[row], eps, q[row])


@kernel
def quantise_rows(x: Any, q: Any, s: Any) -> None:
    """Quantise float32 x (M, D) to int8 q with scales s (M,)."""
    wide_vectors()
    for row in range(x.shape[0]):
        s[row] = quantise_row(x[row], q[row])


@kernel
def add_normalise(
    sums: Any, linear: Any, s_in: Any, x: Any, eps: float, q: Any, s_out: Any
) -> None:
    """x += de-quantised sums (M, D) int32; then the next norm into q, s_out.

    linear: its scale and bias.
    """
    wide_vectors()
    scale, bias = borrowed(linear)
    for row in range(sums.shape[0]):
        total, target, s = sums[row], x[row], s_in[row]
        if bias.size:
            for i in range(target.size):
                target[i] = target[i] + (f32(total[i]) * scale[i] * s + bias[i])
        else:
            for i in range(target.size):
                target[i] = target[i] + f32(total[i]) * scale[i] * s
        s_out[row] = normalise_row(target, eps, q[row])


@kernel
def add_normalise_wide(
    high: Any, low: Any, linear: Any, s_in: Any, x: Any, eps: float, q: Any, s_out: Any
) -> None:
    """As add_normalise, for the sums (M, D) of high and low halves."""
    wide_vectors()
    scale, bias = borrowed(linear)
    for row in range(high.shape[0]):
        upper, lower, target, s = high[row], low[row], x[row], s_in[row]
        if bias.size:
            for i in range(target.size):
                target[i] = target[i] + (joined(upper[i], lower[i]) * scale[i] * s + bias[i])
        else:
            for i in range(target.size):
                target[i] = target[i] + joined(upper[i], lower[i]) * scale[i] * s
        s_out[row] = normalise_row(target, eps, q[row])


@kernel
def activate_quantise(
    activation: int, sums: Any, scale: Any, bias: Any, s_in: Any, high: Any, low: Any, s_out: Any
) -> None:
    """An activation, see `arith.activate`, of sums (M, 2F or F), quantised into halves (M, F)."""
    wide_vectors()
    n_out, width = sums.shape[1], high.shape[1]
    own = np.empty(n_out, dtype=np.float32)
    up = borrowed(own)
    for row in range(sums.shape[0]):
        dequantise_row(sums[row], scale, bias, s_in[row], up)
        active, last = up[:width], up[n_out - width :]
        if activation == SILU_GATE:
            for i in range(width):
                active[i] = silu_gate(active[i], last[i])
        elif activation == GELU_GATE:
            for i in range(width):
                active[i] = gelu_new(active[i]) * last[i]
        elif activation == GELU:
            for i in range(width):
                active[i] = gelu_new(active[i])
        else:
            for i in range(width):
                active[i] = relu(active[i])
        if activation == SQUARED_RELU:
            for i in range(width):
                active[i] = active[i] * active[i]
        s_out[row] = quantise_row_wide(active, high[row], low[row])
    keep(own)
