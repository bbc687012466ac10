"""Rows of queries and keys put where the engine looks for them, and scaled as it scales them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from llmzip.exact.floats import FloatLinear
from llmzip.exact.shape import ModelShape

Rows = NDArray[np.int64]


def taken(linear: FloatLinear, rows: Rows) -> FloatLinear:
    """The linear with its outputs in another order: row i is what row rows[i] was."""
    bias = None if linear.bias is None else linear.bias[rows]
    return replace(linear, weight=linear.weight[rows], bias=bias)


def scaled(qkv: FloatLinear, shape: ModelShape, factor: float) -> FloatLinear:
    """The linear whose queries, and so the scores, are `factor` times as large."""
    if factor == 1:
        return qkv
    return times(qkv, np.where(np.arange(len(qkv.weight)) < shape.d_heads, factor, 1.0))


def times(linear: FloatLinear, factors: NDArray[np.float64] | float) -> FloatLinear:
    """The linear whose outputs, bias included, are multiplied, each rounded once."""
    if isinstance(factors, float) and factors == 1:
        return linear
    by_row = np.broadcast_to(np.asarray(factors, dtype=np.float64), len(linear.weight))
    bias = None if linear.bias is None else linear.bias * by_row
    return replace(linear, weight=linear.weight * by_row[:, None], bias=bias)


def for_rope(
    qkv: FloatLinear, shape: ModelShape, n_rotated: int, *, interleaved: bool, factor: float
) -> FloatLinear:
    """The linear whose queries and keys the engine rotates as the model does.

    The engine turns element i of a head with element i + d_head / 2. The model turns the first
    n_rotated elements, each with its neighbour (interleaved) or with that n_rotated / 2 further
    on; the others, which the engine turns by an angle of 0, come after them in each half.
    factor: what the model multiplies its cosines and sines by.
    """
    order = rope_order(shape.d_head, n_rotated, interleaved=interleaved)
    if factor == 1 and (order == np.arange(shape.d_head)).all():
        return qkv
    n_heads = shape.n_heads + shape.n_kv_heads
    each = (np.arange(n_heads)[:, None] * shape.d_head + order).reshape(-1)
    rows = np.arange(len(qkv.weight))
    factors = np.ones(len(rows))
    rows[: len(each)] = each
    factors[: len(each)] = np.tile(np.where(order < n_rotated, factor, 1.0), n_heads)
    return times(taken(qkv, rows), factors)


def rope_order(d_head: int, n_rotated: int, *, interleaved: bool) -> Rows:
    """Which of the model's elements of a head stand at the engine's places 0 … d_head - 1."""
    turned = np.arange(n_rotated)
    pairs = turned.reshape(-1, 2).T if interleaved else turned.reshape(2, -1)
    still = np.arange(n_rotated, d_head).reshape(2, -1)
    return np.concatenate([pairs, still], 1).reshape(-1)
