"""Rows of queries and keys put where the engine looks for them, and scaled as it scales them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from llmzip.exact.floats import FloatLinear
from llmzip.exact.rounding import grid
from llmzip.exact.shape import ModelShape

CENTRED_BITS = 28
"""Of integers whose sums over a head stay far below 2^53."""

Rows = NDArray[np.int64]


def taken(linear: FloatLinear, rows: Rows) -> FloatLinear:
    """The linear with its outputs in another order: row i is what row rows[i] was."""
    bias = None if linear.bias is None else linear.bias[rows]
    return replace(linear, weight=linear.weight[rows], bias=bias)


def root(shape: ModelShape) -> float:
    """The factor of queries that undoes the engine's own division of scores."""
    return float(np.sqrt(float(shape.d_head)))


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
    qkv: FloatLinear, shape: ModelShape, order: Rows, factors: NDArray[np.float64]
) -> FloatLinear:
    """The linear whose queries and keys the engine rotates as the model does; see `rope_order`.

    factors: what each element of a head, in that order, is multiplied by.
    """
    if (factors == 1).all() and (order == np.arange(shape.d_head)).all():
        return qkv
    n_heads = shape.n_heads + shape.n_kv_heads
    each = (np.arange(n_heads)[:, None] * shape.d_head + order).reshape(-1)
    rows = np.arange(len(qkv.weight))
    by_row = np.ones(len(rows))
    rows[: len(each)] = each
    by_row[: len(each)] = np.tile(factors, n_heads)
    return times(taken(qkv, rows), by_row)


def centred(qkv: FloatLinear, shape: ModelShape) -> FloatLinear:
    """The linear whose queries and keys have a mean of 0, each: what LayerNorm takes away first."""
    n_rows = (shape.n_heads + shape.n_kv_heads) * shape.d_head

    def without_means(weight: NDArray[np.float64]) -> NDArray[np.float64]:
        whole, unit = grid(weight[:n_rows], CENTRED_BITS)
        by_head = whole.reshape(-1, shape.d_head, whole.shape[1])
        moved = by_head * float(shape.d_head) - by_head.sum(1, keepdims=True)
        found = moved.reshape(whole.shape) * (unit / float(shape.d_head))
        return np.concatenate([found, weight[n_rows:]])

    bias = None if qkv.bias is None else without_means(qkv.bias[:, None])[:, 0]
    return replace(qkv, weight=without_means(qkv.weight), bias=bias)


def rope_order(d_head: int, n_rotated: int, *, interleaved: bool) -> Rows:
    """Which of the model's elements of a head stand at the engine's places 0 … d_head - 1.

    The engine turns element i of a head with element i + d_head / 2. The model turns the first
    n_rotated elements, each with its neighbour (interleaved) or with that n_rotated / 2 further
    on; the others, which the engine turns by an angle of 0, come after them in each half.
    """
    turned = np.arange(n_rotated)
    pairs = turned.reshape(-1, 2).T if interleaved else turned.reshape(2, -1)
    still = np.arange(n_rotated, d_head).reshape(2, -1)
    return np.concatenate([pairs, still], 1).reshape(-1)
