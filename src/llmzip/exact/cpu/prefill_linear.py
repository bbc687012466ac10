"""Linears of prefill in tiles, with what follows them: no sums go to memory.

x, the stream, is (M, D) float32; what a linear takes is int8 (M, K) with float32 scales (M,).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from llmzip.exact.cpu import prefill_passes as passes
from llmzip.exact.cpu import tiles
from llmzip.exact.cpu.attention import put_value
from llmzip.exact.cpu.buffers import TOGETHER
from llmzip.exact.cpu.product import address_of
from llmzip.exact.cpu.rows import quantise_row
from llmzip.exact.cpu.scalars import borrowed, inlined, keep, kernel, wide_vectors

ROWS = tiles.ROWS
PAIR = 2 * ROWS
"""Rows of a block of sums, or outputs."""
WIDTH = tiles.OUTPUTS
"""Outputs of a block of sums."""


@inlined
def _normalise_rows(
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


@inlined
def _activate(
    gated: bool,
    scale: Any,
    bias: Any,
    n_active: Any,
    sums: Any,
    s: Any,
    done: int,
    n: int,
    c: int,
    r: int,
    active: Any,
    active_line: Any,
    largest: Any,
) -> None:
    """The activation of n rows after the first `done` of a block of sums; addresses most."""
    own, n_rows = sums + done * (4 * PAIR), np.int64(n)
    out = active + c // WIDTH * active_line + (r + done) * (4 * WIDTH) + c % WIDTH * 4
    s_at, largest_at = s + 4 * (r + done), largest + (r + done) * tiles.TERMS
    scale_at = address_of(scale) + 4 * c
    if gated:
        passes.gate_rows(
            own,
            own + 4 * PAIR * PAIR,
            scale_at,
            scale_at + 4 * n_active,
            passes.bias_at(bias, c),
            passes.bias_at(bias, n_active + c),
            s_at,
            n_rows,
            out,
            largest_at,
        )
    else:
        bias_at = passes.bias_at(bias, c)
        passes.gelu_rows(own, scale_at, bias_at, s_at, n_rows, out, largest_at)


@kernel
def feed_forward(
    configuration: Any,
    gated: bool,
    up: Any,
    up_scale: Any,
    up_bias: Any,
    down: Any,
    down_scale: Any,
    down_bias: Any,
    eps: float,
    active: Any,
    halves: Any,
    x: Any,
    q: Any,
    s: Any,
) -> None:
    """Up, activation, down, and the next norm, of q with scales s, in place; x takes the sum.

    up, down: packed weights. q has memory for PAIR rows more behind. Scratch: active, float32
    (TOGETHER, F), and halves, int8 (2 TOGETHER, F).
    """
    wide_vectors()
    up, up_scale, up_bias = borrowed((up, up_scale, up_bias))
    down, down_scale, down_bias = borrowed((down, down_scale, down_bias))
    x, q = borrowed((x, q))
    n_active = np.int64(up_scale.size // 2 if gated else up_scale.size)
    width, n_blocks = np.int64(x.shape[1]), n_active // WIDTH
    sums, squares = tiles.lines(2 * PAIR * WIDTH // ROWS), tiles.lines(2 * ROWS)
    largest = tiles.lines(TOGETHER).view(np.float32)
    inverses, scales = np.empty(TOGETHER, dtype=np.float32), np.empty(TOGETHER, dtype=np.float32)
    sums_at, buffer, n_matrices = address_of(sums), 4 * PAIR * WIDTH, 2 if gated else 1
    n_steps = n_matrices * (width // tiles.TERMS)
    line = np.int64(tiles.TERMS)
    at_once = (PAIR + n_steps - 1) // n_steps
    active_at, halves_at, largest_at = address_of(active), address_of(halves), address_of(largest)
    inverses_at, scales_at = address_of(inverses), address_of(scales)
    active_line, wide = np.int64(4 * TOGETHER * WIDTH), 4 * width
    largest[:] = 0
    tiles.configure(configuration)
    for first in range(0, x.shape[0], TOGETHER):
        n_rows = min(TOGETHER, x.shape[0] - first)
        q_at, s_at = address_of(q) + first * width, address_of(s) + 4 * first
        n_blocks_here = (n_rows + PAIR - 1) // PAIR
        n_todo = n_active // PAIR * n_blocks_here
        for todo in range(n_todo + 1):
            # the products of a block go on while the sums of the one before are used
            c, r = todo // n_blocks_here * PAIR, todo % n_blocks_here * PAIR
            old_c, old_r = (todo - 1) // n_blocks_here * PAIR, (todo - 1) % n_blocks_here * PAIR
            new_at, old_at = sums_at + todo % 2 * buffer, sums_at + (todo + 1) % 2 * buffer
            n_left = min(PAIR, n_rows - old_r) if todo else 0
            done: Any = 0
            next_at = address_of(up) + (c + PAIR) * width + todo % n_blocks_here * 8 * width
            if todo < n_todo:
                for matrix in range(n_matrices):
                    w_at = address_of(up) + (matrix * n_active + c) * width
                    tiles.begin_2x2()
                    for k in range(0, width, tiles.TERMS):
                        at = q_at + r * width + k
                        tiles.add_2x2(at, width, width * ROWS, w_at + k * ROWS, line, width * ROWS)
                        ahead = next_at + k * 8 + matrix * n_active * width
                        tiles.ask_for_lines(ahead)
                        tiles.ask_for_lines(ahead + 256)
                        n = min(at_once, n_left - done)
                        if n > 0:
                            _activate(
                                gated,
                                up_scale,
                                up_bias,
                                n_active,
                                old_at,
                                s_at,
                                done,
                                n,
                                old_c,
                                old_r,
                                active_at,
                                active_line,
                                largest_at,
                            )
                            done += n
                    tiles.end_2x2(new_at + matrix * (4 * PAIR * PAIR), np.int64(4 * PAIR))
            if n_left > done:
                _activate(
                    gated,
                    up_scale,
                    up_bias,
                    n_active,
                    old_at,
                    s_at,
                    done,
                    n_left - done,
                    old_c,
                    old_r,
                    active_at,
                    active_line,
                    largest_at,
                )
        for r in range(0, n_rows, ROWS):
            passes.fold_wide(largest_at + r * tiles.TERMS, inverses_at + 4 * r, scales_at + 4 * r)
            high = halves_at + 2 * r * n_active
            for c in range(n_blocks):
                passes.halve_block(
                    active_at + c * active_line + r * (4 * WIDTH),
                    inverses_at + 4 * r,
                    np.int64(min(ROWS, n_rows - r)),
                    high + c * WIDTH,
                    high + c * WIDTH + ROWS * n_active,
                    n_active,
                )
        largest[:] = 0
        for c in range(0, x.shape[1], PAIR):
            w_at = address_of(down) + c * n_active
            for r in range(0, n_rows, ROWS):
                rows_at = halves_at + 2 * r * n_active
                tiles.begin_2x2()
                for k in range(0, n_active, tiles.TERMS):
                    at, half = rows_at + k, n_active * ROWS
                    tiles.add_2x2(at, n_active, half, w_at + k * ROWS, line, half)
                    tiles.ask_for_lines(w_at + PAIR * n_active + r // ROWS * 4 * n_active + k * 4)
                tiles.end_2x2(sums_at, np.int64(4 * PAIR))
                passes.add_wide_block(
                    sums_at,
                    address_of(down_scale) + 4 * c,
                    passes.bias_at(down_bias, c),
                    scales_at + 4 * r,
                    np.int64(min(ROWS, n_rows - r)),
                    address_of(x) + (first + r) * wide + 4 * c,
                    wide,
                    largest_at + r * tiles.TERMS,
                )
        _normalise_rows(x, eps, largest, squares, scales, q, s, first, n_rows)
    tiles.release()
    keep((sums, inverses))


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
        _normalise_rows(x, eps, largest, squares, scales, q, s, first, n_rows)
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
                    keys[lane, g, position, :] = taken[i]
            else:
                g = head - n_heads - n_kv
                for i in range(block):
                    lane, position = lanes[r + i], at[r + i]
                    value_scales[lane, g, position] = scales[i]
                    put_value(taken[i], values[lane, g], position)
    tiles.release()
    keep((sums, taken))
