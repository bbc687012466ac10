"""How heads lie in packed models and in their caches: in whole blocks of 64 numbers.

A block has 32 numbers of a head's first half, and the 32 of its second half that RoPE turns these
with: so all that kernels do with a block is what they do with a head of 64. What is missing to
whole blocks are zeros, of queries, keys and values alike, and what `out` reads: no sum of integers
has them in it, and no largest magnitude. Heads of 64 lie as they are.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llmzip.exact.shape import ModelShape

BLOCK = 64
"""Numbers of a block."""
HALF = BLOCK // 2
"""Numbers of a half of a head that a block has."""


def in_blocks(shape: ModelShape) -> ModelShape:
    """The shape whose sizes are those in memory."""
    return replace(shape, d_head=-(-shape.d_head // BLOCK) * BLOCK)


def places(d_head: int) -> NDArray[np.int64]:
    """Where each number of a head lies in its blocks."""
    half, number = np.divmod(np.arange(d_head), (d_head + 1) // 2)
    block, offset = np.divmod(number, HALF)
    found: NDArray[np.int64] = block * BLOCK + half * HALF + offset
    return found


def spread(numbers: NDArray[Any], d_head: int, axis: int = -1) -> NDArray[Any]:
    """An axis of heads · d_head numbers put into blocks, with zeros."""
    if d_head == BLOCK:
        return numbers
    axis %= numbers.ndim
    outer, width, inner = numbers.shape[:axis], numbers.shape[axis], numbers.shape[axis + 1 :]
    n_heads, in_memory = width // d_head, -(-d_head // BLOCK) * BLOCK
    wide = np.zeros((*outer, n_heads, in_memory, *inner), numbers.dtype)
    heads = numbers.reshape(*outer, n_heads, d_head, *inner)
    wide[(slice(None),) * (axis + 1) + (places(d_head),)] = heads
    return wide.reshape(*outer, n_heads * in_memory, *inner)


def gathered(rows: NDArray[Any], d_head: int) -> NDArray[Any]:
    """Rows (…, heads · blocks) as they were before `spread`."""
    if d_head == BLOCK:
        return rows
    *outer, width = rows.shape
    in_memory = -(-d_head // BLOCK) * BLOCK
    heads = rows.reshape(*outer, width // in_memory, in_memory)[..., places(d_head)]
    return np.ascontiguousarray(heads).reshape(*outer, width // in_memory * d_head)


def angles(table: NDArray[np.float32], d_head: int) -> NDArray[np.float32]:
    """A table of RoPE (positions, d_head / 2), or one with zeros behind, by blocks.

    Returns (positions, blocks, HALF).
    """
    n_positions, half = table.shape
    n_blocks = -(-d_head // BLOCK)
    if half % HALF:
        table = np.pad(table, ((0, 0), (0, n_blocks * HALF - half)))
    return table.reshape(n_positions, n_blocks, HALF)
