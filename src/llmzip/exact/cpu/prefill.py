"""Attention over a KV head, and the distributions of the model's head, of prefill in tiles.

The sums of products are used while they are in the first cache.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from llmzip.compiled import called, inlined, kernel
from llmzip.exact.aligned import LINE_BYTES
from llmzip.exact.cpu import tile_steps, tiles
from llmzip.exact.cpu.prefill_head_passes import put_logits, weigh_rows
from llmzip.exact.cpu.prefill_softmax import (
    BLOCK_BYTES,
    ROW_BYTES,
    begin_rows,
    first_block,
    halve_block,
    row_state,
    scale_block,
    weigh_blocks,
    whole,
)
from llmzip.exact.cpu.scalars import address_of, borrowed, f32, i32, joined, wide_vectors
from llmzip.exact.cpu.step_softmax import ask_ahead, line_ahead

ROWS = 2 * tiles.ROWS
"""Rows that a block of sums has."""
WIDTH = tiles.OUTPUTS
"""Outputs that a block of sums has."""


class HeadScratch(NamedTuple):
    """What `attend_head` works in."""

    packed: NDArray[np.int32]  # (n, 16): keys
    scores: NDArray[np.int32]  # (n, 16): blocks of those of 16 queries
    sums: NDArray[np.int32]  # (ROWS, d)


@inlined
def make_scratch(n_keys: int, d: int) -> Any:
    """Scratch for up to n_keys keys, a multiple of tiles.TERMS."""
    sums = tiles.lines(ROWS * d // tiles.ROWS).reshape(ROWS, d)
    return HeadScratch(tiles.lines(n_keys * d // tiles.TERMS), tiles.lines(n_keys), sums)


@called
def attend_head(
    own: Any, rows: Any, asks: bool, next_at: Any, scratch: Any, mixed: Any, head: int
) -> None:
    """As `pair_attention.attend` for one KV head, into the heads of `mixed` from one on.

    own: of the head, queries (M, G, d), with memory for ROWS more behind, keys and values, int8
    (positions, d) and (positions / 4, d, 4), each with their scales, and the cap of scores.
    asks: whether memory is asked for what lies at next_at, values and then keys, a part with each
    part of the work. The tiles have been configured.
    """
    wide_vectors()
    scratch, mixed = borrowed(scratch), borrowed(mixed)
    queries, query_scales, keys, key_scales, values, value_scales, cap = borrowed(own)
    first, count, start, window = rows
    n_group, d64, line = queries.shape[1], np.int64(queries.shape[2]), np.int64(ROW_BYTES)
    before = first_block(start, window)
    n_keys, seen_at = whole(start + count, tiles.TERMS) - before, (start - before, window)
    per_key, lane, value_line = (
        BLOCK_BYTES // tiles.TERMS,
        np.int64(tiles.TERMS),
        tiles.TOGETHER * d64,
    )
    k_at, s_at, sums = address_of(scratch.packed), address_of(scratch.scores), scratch.sums
    state, k_scales, v_scales = row_state(), key_scales[before:], value_scales[before:]
    own_keys, own_values = address_of(keys) + before * d64, address_of(values) + before * d64
    n_lines, asked = n_keys * d64 // LINE_BYTES, n_keys // tiles.ROWS * tiles.PACK_ASKED
    ahead = line_ahead(next_at, n_lines, np.int64(0)) if asks else k_at
    tiles.pack_keys(own_keys, n_keys, d64, i32(0), k_at, ahead)
    for r0 in range(0, count * n_group, tiles.ROWS):
        n_rows = min(tiles.ROWS, count * n_group - r0)
        begin_rows(state, query_scales, first, r0, n_rows, n_group, seen_at)
        longest = whole(np.int64(state.seen[n_rows - 1]), tiles.TERMS)
        j0 = first_block(np.int64(state.seen[0]) - 1, window)
        q_at = address_of(queries[first]) + r0 * d64
        for j in range(j0, longest, tiles.TERMS):
            at = k_at + j * d64
            tiles.products_1x4(q_at, d64, at, 16 * d64, d64, s_at + j * per_key, line)
            block, ahead = s_at + j * per_key, at + tiles.TERMS * d64
            scale_block(block, k_scales, cap, n_rows, j, state, ahead)
            if asks and r0 == 0:
                asked = ask_ahead(next_at, n_lines, asked, d64 // 2)
        weigh_blocks(tiles.AMX, s_at, v_scales, cap, n_rows, j0, longest, state)
        for i in range(0, d64, ROWS):
            v_at = own_values + i * tiles.TOGETHER
            tile_steps.begin_2x2()
            for j in range(j0, longest, tiles.TERMS):
                block, at = s_at + j * per_key, v_at + j * d64
                if i == 0:
                    halve_block(tiles.AMX, block, n_rows, state, at + tiles.TERMS * d64)
                    if asks and r0 == 0:
                        asked = ask_ahead(next_at, n_lines, asked, d64)
                tile_steps.add_2x2(block, line, lane, at, value_line, lane)
            tile_steps.end_2x2(address_of(sums) + i * 4, 4 * d64)
        for r in range(n_rows):
            row, member = first + (r0 + r) // n_group, (r0 + r) % n_group
            high, low, f = sums[r], sums[tiles.ROWS + r], state.factors[r]
            target = mixed[row, head + member]
            for i in range(d64):
                target[i] = joined(high[i], low[i]) * f


@kernel
def distributions(
    configuration: Any, weight: Any, linear: Any, rows: Any, weights: Any, blocks: Any
) -> None:
    """As `head.block_sums`, of rows whose q (M, D) takes the place of sums; weight: packed.

    q has memory for ROWS rows more behind.
    """
    wide_vectors()
    weight, linear, weights = borrowed(weight), borrowed(linear), borrowed(weights)
    q, s, bias_of = borrowed(rows)
    n_rows, n_terms, n_out = q.shape[0], np.int64(q.shape[1]), linear[0].size
    sums = tiles.lines(ROWS * WIDTH // tiles.ROWS).reshape(ROWS, WIDTH)
    tops = np.full(n_rows, f32(-np.inf))
    tiles.configure(configuration)
    for c in range(0, n_out, WIDTH):
        w_at = address_of(weight) + c * n_terms
        for r0 in range(0, n_rows, ROWS):
            block, q_at = min(ROWS, n_rows - r0), address_of(q) + r0 * n_terms
            tiles.product_block(q_at, block, n_terms, w_at, address_of(sums), WIDTH)
            put_logits(sums, r0, block, c, linear, bias_of, s, weights, tops)
    tiles.release()
    weigh_rows(weights, tops, blocks)
