"""Linears of prefill in tiles, with what follows them: no sums go to memory."""

from __future__ import annotations

from typing import Any

import numpy as np

from llmzip.compiled import kernel
from llmzip.exact.cpu import prefill_passes as passes
from llmzip.exact.cpu import tiles
from llmzip.exact.cpu.buffers import TOGETHER
from llmzip.exact.cpu.prefill_blocks import (
    PAIR,
    ROWS,
    SUMS_BYTES,
    WIDTH,
    copy_block,
    head_scratch,
    normalise_rows,
    put_heads,
)
from llmzip.exact.cpu.rows import quantise_row
from llmzip.exact.cpu.scalars import address_of, borrowed, keep, wide_vectors


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
        normalise_rows(tiles.AMX, x, eps, largest, squares, scales, q, s, first, n_rows)
    tiles.release()


@kernel
def fill_sums(configuration: Any, q: Any, weight: Any, sums: Any) -> None:
    """The sums (M, N) of a linear of q (M, D), N being a multiple of WIDTH."""
    wide_vectors()
    q, weight, sums = borrowed((q, weight, sums))
    n_rows, width = q.shape[0], np.int64(q.shape[1])
    memory = tiles.lines(PAIR * WIDTH // ROWS)
    own = memory.reshape(PAIR, WIDTH)
    tiles.configure(configuration)
    for c in range(0, sums.shape[1], WIDTH):
        for r in range(0, n_rows, PAIR):
            block, rows_at = min(PAIR, n_rows - r), address_of(q) + r * width
            w_at = address_of(weight) + c * width
            tiles.product_block(rows_at, block, width, w_at, address_of(memory), WIDTH)
            copy_block(own, block, sums[r : r + block, c : c + WIDTH])
    tiles.release()
    keep((memory,))


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
    gains: Any,
    eps: float,
    gain_first: bool,
    d_head: int,
    score_scale: Any,
    queries: Any,
    query_scales: Any,
    keys: Any,
    key_scales: Any,
    values: Any,
    value_scales: Any,
) -> None:
    """The linear `qkv` of q with scales s, and what `attention.split_heads` does."""
    wide_vectors()
    weight, scale, bias, cos, sin, q = borrowed((weight, scale, bias, cos, sin, q))
    queries, keys, values, gains = borrowed((queries, keys, values, gains))
    n_kv, n_rows, n_group, d = queries.shape
    width, scratch = np.int64(q.shape[1]), head_scratch(d)
    own = borrowed(scratch)
    targets = queries, query_scales, keys, key_scales, values, value_scales
    tiles.configure(configuration)
    for head in range(n_kv * (n_group + 2)):
        for r in range(0, n_rows, PAIR):
            block = min(PAIR, n_rows - r)
            rows_at = address_of(q) + r * width
            for b in range(0, d, WIDTH):
                w_at = address_of(weight) + (head * d + b) * width
                out_at = address_of(own.sums) + b * (SUMS_BYTES // WIDTH)
                tiles.product_block(rows_at, block, width, w_at, out_at, WIDTH)
            linear, angles = (scale, bias), (cos, sin, score_scale)
            rows, norms = (s, lanes, at), (eps, gain_first, d_head)
            put_heads(tiles.AMX, gains, head, r, block, linear, rows, norms, angles, targets, own)
    tiles.release()
    keep(scratch)
