"""Attention and the head's distributions of prefill in tiles.

The sums of products are used while they are in the first cache.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from llmzip.compiled import kernel
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
from llmzip.exact.cpu.scalars import address_of, borrowed, f32, keep, wide_vectors

ROWS = 2 * tiles.ROWS
"""Rows that a block of sums has."""
WIDTH = tiles.OUTPUTS
"""Outputs that a block of sums has."""


@kernel
def attend(
    configuration: Any,
    queries: Any,
    query_scales: Any,
    keys: Any,
    key_scales: Any,
    values: Any,
    value_scales: Any,
    cap: Any,
    first: int,
    count: int,
    start: int,
    window: int,
    mixed: Any,
) -> None:
    """Attention of rows first … first + count - 1, positions start … of a lane, into mixed.

    queries: int8 (KV, M, G, d), with memory for ROWS more behind; query_scales (KV, M, G).
    keys, values: the lane's, int8 (KV, positions, d) and (KV, positions / 4, d, 4). window: how
    many keys a row sees, its own among them. mixed: float32 (M, H, d).
    """
    wide_vectors()
    queries, query_scales, mixed = borrowed((queries, query_scales, mixed))
    keys, key_scales = borrowed((keys, key_scales))
    values, value_scales, cap = borrowed((values, value_scales, cap))
    n_kv, _, n_group, d = queries.shape
    before = first_block(start, window)
    n_keys, seen_at = whole(start + count, tiles.TERMS) - before, (start - before, window)
    packed_keys, scores = tiles.lines(n_keys * d // tiles.TERMS), tiles.lines(n_keys)
    sums, state = tiles.lines(ROWS * d // tiles.ROWS).reshape(ROWS, d), row_state()
    d64, line, per_key = np.int64(d), np.int64(ROW_BYTES), BLOCK_BYTES // tiles.TERMS
    lane, value_line = np.int64(tiles.TERMS), tiles.TOGETHER * d64
    k_at, s_at = address_of(packed_keys), address_of(scores)
    tiles.configure(configuration)
    for g in range(n_kv):
        q_first = address_of(queries[g, first])
        own_keys, k_scales = keys[g, before : before + n_keys], key_scales[g, before:]
        tiles.pack_rows(own_keys.view(np.int32), packed_keys.reshape(packed_keys.size))
        for r0 in range(0, count * n_group, tiles.ROWS):
            n_rows = min(tiles.ROWS, count * n_group - r0)
            begin_rows(state, query_scales[g], first, r0, n_rows, n_group, seen_at)
            longest = whole(np.int64(state.seen[n_rows - 1]), tiles.TERMS)
            j0 = first_block(np.int64(state.seen[0]) - 1, window)
            q_at = q_first + r0 * d64
            for j in range(j0, longest, tiles.TERMS):
                at = k_at + j * d64
                tiles.products_1x4(q_at, d64, at, 16 * d64, d64, s_at + j * per_key, line)
                block, ahead = s_at + j * per_key, at + tiles.TERMS * d64
                scale_block(block, k_scales, cap, n_rows, j, state, ahead)
            v_scales = value_scales[g, before:]
            weigh_blocks(tiles.AMX, s_at, v_scales, cap, n_rows, j0, longest, state)
            for i in range(0, d, ROWS):
                v_at = address_of(values[g]) + before * d64 + i * tiles.TOGETHER
                tile_steps.begin_2x2()
                for j in range(j0, longest, tiles.TERMS):
                    block, at = s_at + j * per_key, v_at + j * d64
                    if i == 0:
                        halve_block(tiles.AMX, block, n_rows, state, at + tiles.TERMS * d64)
                    tile_steps.add_2x2(block, line, lane, at, value_line, lane)
                tile_steps.end_2x2(address_of(sums) + i * 4, 4 * d64)
            for r in range(n_rows):
                row, member = first + (r0 + r) // n_group, (r0 + r) % n_group
                high, low, f = sums[r], sums[tiles.ROWS + r], state.factors[r]
                target = mixed[row, g * n_group + member]
                for i in range(d):
                    target[i] = f32(np.int64(high[i]) * 256 + np.int64(low[i])) * f
    tiles.release()
    keep((packed_keys, scores))


@kernel
def distributions(
    configuration: Any,
    q: Any,
    weight: Any,
    scale: Any,
    bias: Any,
    bias_of: Any,
    cap: Any,
    s: Any,
    weights: Any,
    blocks: Any,
) -> None:
    """As `head.block_sums`, from the head's input q (M, D), with memory for ROWS more behind."""
    wide_vectors()
    weight, scale, bias, cap, weights = borrowed((weight, scale, bias, cap, weights))
    n_rows, n_terms, n_out = q.shape[0], np.int64(q.shape[1]), scale.size
    sums = tiles.lines(ROWS * WIDTH // tiles.ROWS).reshape(ROWS, WIDTH)
    tops = np.full(n_rows, f32(-np.inf))
    tiles.configure(configuration)
    for c in range(0, n_out, WIDTH):
        w_at = address_of(weight) + c * n_terms
        for r0 in range(0, n_rows, ROWS):
            block, q_at = min(ROWS, n_rows - r0), address_of(q) + r0 * n_terms
            tiles.product_block(q_at, block, n_terms, w_at, address_of(sums), WIDTH)
            linear = scale, bias, cap
            put_logits(sums, r0, block, c, linear, bias_of, s, weights, tops)
    tiles.release()
    weigh_rows(weights, tops, blocks)
