"""Linears of prefill by products of `fours` or in tiles, with what follows: no sums go to memory.

A block of outputs is computed for some rows at a time; what is done with the sums, while they are
in the first cache, is the same for all. Kernels are compiled for the instruction set that is their
first argument. The feed-forward in tiles is in `prefill_feed_forward`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from llmzip.compiled import inlined, kernel
from llmzip.exact.cpu import prefill_passes as passes
from llmzip.exact.cpu.buffers import TOGETHER
from llmzip.exact.cpu.fours import (
    begin_products,
    corrections,
    end_products,
    fill_corrections,
    product_block,
)
from llmzip.exact.cpu.prefill_activations import activate
from llmzip.exact.cpu.prefill_blocks import (
    PAIR,
    ROWS,
    SUMS_BYTES,
    WIDTH,
    copy_block,
    halve_rows,
    head_scratch,
    normalise_rows,
    put_heads,
)
from llmzip.exact.cpu.rows import quantise_row
from llmzip.exact.cpu.scalars import address_of, borrowed, keep, wide_vectors
from llmzip.exact.cpu.tiles import lines
from llmzip.exact.cpu.vectors import LINE


@kernel
def project_heads(isa: Any, configuration: Any, rows: Any, linear: Any, placing: Any) -> None:
    """The linear `qkv` of rows, and what `attention.split_heads` does with a placing.

    configuration: that of tiles, for which q has memory for PAIR rows more behind. rows: q, int8
    (M, D), and scales (M,). linear: packed weight, scale, bias.
    """
    wide_vectors()
    (q, s), (weight, scale, bias), placing = borrowed(rows), borrowed(linear), borrowed(placing)
    n_kv, n_rows, n_group, d = placing[4][0].shape  # of queries
    width, scratch = np.int64(q.shape[1]), head_scratch(d)
    own, undo = borrowed(scratch), corrections(isa, address_of(q), n_rows, width)
    q_at, undo_at, sums_at = address_of(q), address_of(undo), address_of(own.sums)
    begin_products(isa, configuration)
    for head in range(n_kv * (n_group + 2)):
        for r in range(0, n_rows, PAIR):
            last = min(r + PAIR, n_rows)
            for b in range(0, d, WIDTH):
                w_at = address_of(weight) + (head * d + b) * width
                place = w_at, undo_at, sums_at + b * (SUMS_BYTES // WIDTH), WIDTH
                product_block(isa, q_at, n_rows, r, last, width, place)
            put_heads(isa, head, r, last - r, (scale, bias), s, placing, own)
    end_products(isa)
    keep((scratch, undo))


@kernel
def fill_sums(isa: Any, configuration: Any, q: Any, weight: Any, sums: Any) -> None:
    """The sums (M, N) of a linear of q (M, D), N being a multiple of WIDTH.

    configuration: that of tiles, as for `project_heads`.
    """
    wide_vectors()
    q, weight, sums = borrowed((q, weight, sums))
    n_rows, width = q.shape[0], np.int64(q.shape[1])
    memory, undo = lines(PAIR * WIDTH // ROWS), corrections(isa, address_of(q), n_rows, width)
    q_at, undo_at, own = address_of(q), address_of(undo), memory.reshape(PAIR, WIDTH)
    begin_products(isa, configuration)
    for c in range(0, sums.shape[1], WIDTH):
        for r in range(0, n_rows, PAIR):
            last = min(r + PAIR, n_rows)
            place = address_of(weight) + c * width, undo_at, address_of(memory), WIDTH
            product_block(isa, q_at, n_rows, r, last, width, place)
            copy_block(own, last - r, sums[r:last, c : c + WIDTH])
    end_products(isa)
    keep((memory, undo))


@kernel
def close_attention(
    isa: Any, configuration: Any, mixed: Any, linear: Any, eps: float, stream: Any
) -> None:
    """Quantise `mixed` (M, K), the linear `out`, and the next norm.

    configuration: that of tiles. linear: packed weight, scale, bias. stream: x (M, D), which takes
    the sum, and q and s, which take the norm.
    """
    wide_vectors()
    mixed, (weight, scale, bias), (x, q, s) = borrowed(mixed), borrowed(linear), borrowed(stream)
    n_terms, width = np.int64(mixed.shape[1]), np.int64(x.shape[1])
    taken = lines(TOGETHER * n_terms // LINE).view(np.int8)
    rows = taken.reshape(TOGETHER, taken.size // TOGETHER)
    sums, squares = lines(PAIR * WIDTH // ROWS), lines(2 * ROWS)
    largest = lines(TOGETHER).view(np.float32)
    scales, undo = np.empty(TOGETHER, dtype=np.float32), np.empty(TOGETHER, dtype=np.int32)
    wide, scales_at, undo_at = 4 * width, address_of(scales), address_of(undo)
    taken_at, sums_at = address_of(taken), address_of(sums)
    largest[:] = 0
    begin_products(isa, configuration)
    for first in range(0, x.shape[0], TOGETHER):
        n_rows = min(TOGETHER, x.shape[0] - first)
        for r in range(n_rows):
            scales[r] = quantise_row(mixed[first + r], rows[r])
        fill_corrections(isa, taken_at, n_rows, n_terms, undo)
        for c in range(0, x.shape[1], WIDTH):
            w_at = address_of(weight) + c * n_terms
            for r in range(0, n_rows, PAIR):
                last = min(r + PAIR, n_rows)
                place = w_at, undo_at, sums_at, WIDTH
                product_block(isa, taken_at, n_rows, r, last, n_terms, place)
                own = address_of(scale) + 4 * c, passes.bias_at(bias, c), scales_at + 4 * r
                target = address_of(x) + (first + r) * wide + 4 * c, wide
                most = address_of(largest) + r * LINE
                passes.add_block(sums_at, *own, np.int64(last - r), *target, most)
        normalise_rows(isa, (x, q, s), eps, (largest, squares, scales), first, n_rows)
    end_products(isa)
    keep((taken, sums, undo))


@inlined
def _activate(
    isa: Any, activation: int, up: Any, rows: Any, undo: Any, n_active: Any, sums: Any, out: Any
) -> None:
    """The linear `up` of rows and its activation, into floats.

    up: weight, scale, bias. rows: addresses of the rows and of their scales, how many, their width.
    undo, sums: addresses. out: where the floats go, how long a block of them is, and where their
    largest magnitudes go.
    """
    (weight, scale, bias), (q_at, s_at, n_rows, width), own = up, rows, out
    for c in range(0, n_active, PAIR):
        for r in range(0, n_rows, PAIR):
            last = min(r + PAIR, n_rows)
            for matrix in range(scale.size // n_active):
                w_at = address_of(weight) + (matrix * n_active + c) * width
                out_at = sums + matrix * (4 * PAIR * PAIR)
                place = w_at, undo, out_at, PAIR
                product_block(isa, q_at, n_rows, r, last, width, place)
            activate(activation, scale, bias, n_active, sums, s_at, 0, last - r, c, r, *own)


@inlined
def _add_down(isa: Any, down: Any, halves: Any, undo: Any, sums: Any, s: Any, out: Any) -> None:
    """The linear `down` of rows in halves, added to the stream.

    down: weight, scale, bias. halves: an address, of how many rows, and their width. undo: memory.
    sums, s: addresses. out: that of the stream's rows, how long these are, and where their largest
    magnitudes go.
    """
    (weight, scale, bias), (halves_at, n_rows, n_active), (x, wide, largest) = down, halves, out
    n_halves = (n_rows + ROWS - 1) // ROWS * (2 * ROWS)
    fill_corrections(isa, halves_at, n_halves, n_active, undo)
    undo_at = address_of(undo)
    for c in range(0, scale.size, PAIR):
        w_at = address_of(weight) + c * n_active
        for r in range(0, n_rows, ROWS):
            block = min(ROWS, n_rows - r)
            for half in range(2):
                row, y = 2 * r + half * ROWS, sums + half * (4 * ROWS * PAIR)
                last = row + block
                place = w_at, undo_at, y, PAIR
                product_block(isa, halves_at, n_halves, row, last, n_active, place)
            own = address_of(scale) + 4 * c, passes.bias_at(bias, c), s + 4 * r
            target = x + r * wide + 4 * c, wide, largest + r * LINE
            passes.add_wide_block(sums, *own, np.int64(block), *target)


@kernel
def feed_forward(
    isa: Any, activation: int, up: Any, down: Any, eps: float, scratch: Any, stream: Any
) -> None:
    """Linear `up` of q with scales s, activation, linear `down`, and the next norm into q, s.

    up, down: packed weight, scale, bias. Scratch: active, float32 (TOGETHER, F), and halves, int8
    (2 TOGETHER, F). stream: x (M, D), which takes the sum, q and s.
    """
    wide_vectors()
    up, down, (active, halves), (x, q, s) = borrowed((up, down, scratch, stream))
    n_active = np.int64(active.shape[1])
    width, wide = np.int64(x.shape[1]), np.int64(4 * x.shape[1])
    sums, squares = lines(2 * PAIR * PAIR // ROWS), lines(2 * ROWS)
    largest = lines(TOGETHER).view(np.float32)
    inverses, scales = np.empty(TOGETHER, dtype=np.float32), np.empty(TOGETHER, dtype=np.float32)
    undo = np.empty(2 * TOGETHER, dtype=np.int32)
    sums_at, line = address_of(sums), np.int64(4 * TOGETHER * WIDTH)
    active_at, halves_at, largest_at = address_of(active), address_of(halves), address_of(largest)
    inverses_at, scales_at, undo_at = address_of(inverses), address_of(scales), address_of(undo)
    largest[:] = 0
    for first in range(0, x.shape[0], TOGETHER):
        n = min(TOGETHER, x.shape[0] - first)
        rows = address_of(q) + first * width, address_of(s) + 4 * first, n, width
        fill_corrections(isa, rows[0], n, width, undo)
        floats = active_at, line, largest_at
        _activate(isa, activation, up, rows, undo_at, n_active, sums_at, floats)
        halve_rows(isa, floats, n, n_active, inverses_at, scales_at, halves_at)
        largest[:] = 0
        own, target = (halves_at, n, n_active), (address_of(x) + first * wide, wide, largest_at)
        _add_down(isa, down, own, undo, sums_at, scales_at, target)
        normalise_rows(isa, (x, q, s), eps, (largest, squares, scales), first, n)
    keep((sums, inverses, undo))
