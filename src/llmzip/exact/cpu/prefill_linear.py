"""Linears of prefill in tiles, with what follows them: no sums go to memory.

x, the stream, is (M, D) float32; what a linear takes is int8 (M, K) with float32 scales (M,).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from llmzip.compiled import inlined, kernel
from llmzip.exact.cpu import prefill_passes as passes
from llmzip.exact.cpu import tiles
from llmzip.exact.cpu.attention import put_value
from llmzip.exact.cpu.buffers import TOGETHER
from llmzip.exact.cpu.rows import quantise_row
from llmzip.exact.cpu.scalars import address_of, borrowed, keep, wide_vectors

ROWS = tiles.ROWS
PAIR = 2 * ROWS
"""Rows of a block of sums, or outputs."""
WIDTH = tiles.OUTPUTS
"""Outputs of a block of sums."""


@inlined
def normalise_rows(
    x: Any,
    eps: float,
    largest: Any,
    squares: Any,
    scales: Any,
    q: Any,
    s: Any,
    first: int,
    n_rows: int,
) -> None:
    """The norms of n_rows rows from `first` on; `largest` has theirs, and is cleared."""
    width = np.int64(x.shape[1])
    for r in range(0, n_rows, ROWS):
        block, at = min(ROWS, n_rows - r), (first + r) * width
        passes.normalise_rows(
            address_of(x) + 4 * at,
            np.int64(block),
            width,
            eps,
            address_of(largest) + r * tiles.TERMS,
            address_of(squares),
            address_of(q) + at,
            address_of(scales),
        )
        for i in range(block):
            s[first + r + i] = scales[i]
    largest[:] = 0


@kernel
def close_attention(
    configuration: Any,
    mixed: Any,
    weight: Any,
    scale: Any,
    bias: Any,
    eps: float,
    x: Any,
    q: Any,
    s: Any,
) -> None:
    """Quantise `mixed` (M, K), the linear `out`, and the next norm into q, s; x takes the sum."""
    wide_vectors()
    weight, scale, bias, x, q, mixed = borrowed((weight, scale, bias, x, q, mixed))
    n_terms, width = np.int64(mixed.shape[1]), np.int64(x.shape[1])
    taken = tiles.lines(TOGETHER * n_terms // tiles.TERMS).view(np.int8)
    rows = taken.reshape(TOGETHER, taken.size // TOGETHER)
    sums, squares = tiles.lines(PAIR * WIDTH // ROWS), tiles.lines(2 * ROWS)
    largest = tiles.lines(TOGETHER).view(np.float32)
    scales = np.empty(TOGETHER, dtype=np.float32)
    wide, scales_at = 4 * width, address_of(scales)
    largest[:] = 0
    tiles.configure(configuration)
    for first in range(0, x.shape[0], TOGETHER):
        n_rows = min(TOGETHER, x.shape[0] - first)
        for r in range(n_rows):
            scales[r] = quantise_row(mixed[first + r], rows[r])
        for c in range(0, x.shape[1], WIDTH):
            w_at = address_of(weight) + c * n_terms
            for r in range(0, n_rows, PAIR):
                block, rows_at = min(PAIR, n_rows - r), address_of(taken) + r * n_terms
                tiles.product_block(rows_at, block, n_terms, w_at, address_of(sums), WIDTH)
                passes.add_block(
                    address_of(sums),
                    address_of(scale) + 4 * c,
                    passes.bias_at(bias, c),
                    scales_at + 4 * r,
                    np.int64(block),
                    address_of(x) + (first + r) * wide + 4 * c,
                    wide,
                    address_of(largest) + r * tiles.TERMS,
                )
        normalise_rows(x, eps, largest, squares, scales, q, s, first, n_rows)
    tiles.release()


@kernel
def project_heads(
    configuration: Any,
    q: Any,
    s: Any,
    weight: Any,
    scale: Any,
    bias: Any,
    lanes: Any,
    at: Any,
    cos: Any,
    sin: Any,
    score_scale: Any,
    queries: Any,
    query_scales: Any,
    keys: Any,
    key_scales: Any,
    values: Any,
    value_scales: Any,
) -> None:
    """The linear `qkv` of q with scales s, and what `attention.split_heads` does, for d of 64."""
    wide_vectors()
    weight, scale, bias, cos, sin, q = borrowed((weight, scale, bias, cos, sin, q))
    queries, keys, values = borrowed((queries, keys, values))
    n_kv, n_rows, n_group, _ = queries.shape
    n_heads, width = n_kv * n_group, np.int64(q.shape[1])
    sums, taken = tiles.lines(PAIR * WIDTH // ROWS), tiles.lines(PAIR).view(np.int8)
    largest = tiles.lines(PAIR).view(np.float32)
    inverses, scales = np.empty(PAIR, dtype=np.float32), np.empty(PAIR, dtype=np.float32)
    sums_at, taken_at, none = address_of(sums), address_of(taken), np.int64(0)
    tiles.configure(configuration)
    for head in range(n_heads + 2 * n_kv):
        c, w_at = head * WIDTH, address_of(weight) + head * WIDTH * width
        rotary = cos.shape[0] > 0 and head < n_heads + n_kv
        for r in range(0, n_rows, PAIR):
            block = min(PAIR, n_rows - r)
            rows_at = address_of(q) + r * width
            tiles.product_block(rows_at, block, width, w_at, sums_at, WIDTH)
            largest[:] = 0
            passes.head_block(
                sums_at,
                address_of(scale) + 4 * c,
                passes.bias_at(bias, c),
                address_of(s) + 4 * r,
                np.int64(block),
                address_of(cos) if rotary else none,
                address_of(sin) if rotary else none,
                address_of(at) + 8 * r,
                address_of(largest),
            )
            for half in range(0, PAIR, ROWS):
                passes.fold_narrow(
                    address_of(largest) + half * tiles.TERMS,
                    address_of(inverses) + 4 * half,
                    address_of(scales) + 4 * half,
                )
            g, member = head // n_group, head % n_group
            out_at, stride = taken_at, np.int64(WIDTH)
            if head < n_heads:
                stride = np.int64(n_group * WIDTH)
                out_at = address_of(queries) + (g * n_rows + r) * stride + member * WIDTH
            passes.round_block(sums_at, address_of(inverses), np.int64(block), out_at, stride)
            if head < n_heads:
                for i in range(block):
                    query_scales[g, r + i, member] = scales[i] * score_scale
            elif head < n_heads + n_kv:
                g = head - n_heads
                for i in range(block):
                    lane, position = lanes[r + i], at[r + i]
                    key_scales[lane, g, position] = scales[i]
                    for j in range(WIDTH):
                        keys[lane, g, position, j] = taken[i, j]
            else:
                g = head - n_heads - n_kv
                for i in range(block):
                    lane, position = lanes[r + i], at[r + i]
                    value_scales[lane, g, position] = scales[i]
                    put_value(taken[i], values[lane, g], position)
    tiles.release()
    keep((sums, taken))
