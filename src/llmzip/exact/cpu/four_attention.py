"""Attention of prefill by products of `fours`: scores and weights of 16 rows stay in cache.

Scores are products of queries with keys, packed as weights are: blocks of 16 keys, with SIGN_BITS
added. Weights are not negative, so where products want one operand unsigned it is their two bytes
as they are. Values, packed in blocks of 16 of their numbers, four keys side by side, stay signed.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from llmzip.compiled import called, inlined, kernel
from llmzip.exact.cpu.fours import (
    GRANULE,
    TOGETHER,
    fill_corrections,
    head_products,
    weight_products,
)
from llmzip.exact.cpu.instruction_set import outputs_of, sign_bits_of
from llmzip.exact.cpu.prefill_passes import halve_weights
from llmzip.exact.cpu.prefill_softmax import (
    BLOCK_BYTES,
    ROWS,
    begin_rows,
    row_state,
    scale_block,
    small_as_zero,
    weigh_blocks,
)
from llmzip.exact.cpu.scalars import address_of, borrowed, f32, i32, keep, wide_vectors
from llmzip.exact.cpu.simd import LANES
from llmzip.exact.cpu.tiles import lines
from llmzip.exact.cpu.vectors import BLOCK

FAR_KEYS = 1 << 16
"""Keys whose products with a byte of a weight int32 sums: 255 · 127 · 2^16 < 2^31."""
_ONES = i32(0x01010101)


@inlined
def _whole(n: int, step: int) -> int:
    return (n + step - 1) // step * step


@called
def _pack_keys(isa: Any, keys: Any, packed: Any) -> None:
    """Keys (n, 16) as they lie, four bytes an int32, into packed (n / 16, 16, 16)."""
    wide_vectors()
    flip = i32(sign_bits_of(isa) * _ONES)
    for block in range(packed.shape[0]):
        own, target = keys[block * LANES : (block + 1) * LANES], packed[block]
        for four in range(target.shape[0]):
            for key in range(LANES):
                target[four, key] = own[key, four] ^ flip


@called
def _pack_values(values: Any, packed: Any) -> None:
    """Values (n, 64), uint8, into packed (4, n / 4, 16): four keys' bytes in an int32."""
    wide_vectors()
    for four in range(packed.shape[1]):
        j = four * TOGETHER
        for part in range(packed.shape[0]):
            own, i = packed[part, four], part * LANES
            a, b = values[j, i : i + LANES], values[j + 1, i : i + LANES]
            c, d = values[j + 2, i : i + LANES], values[j + 3, i : i + LANES]
            for k in range(LANES):
                low = i32(a[k]) | i32(i32(b[k]) << i32(8))
                own[k] = low | i32(i32(c[k]) << i32(16)) | i32(i32(d[k]) << i32(24))


@inlined
def _view(
    state: Any, query_scales: Any, first: int, r0: int, n_rows: int, n_group: int, start: int
) -> None:
    """What rows of queries (…, G), flat, see: rows r0 … of those from `first` on, at `start`."""
    for r in range(n_rows):
        row, member = (r0 + r) // n_group, (r0 + r) % n_group
        state.seen[r] = start + row + 1
        state.q_scales[r] = query_scales[first + row, member]
    begin_rows(state)


@inlined
def _score(isa: Any, queries: Any, undo: Any, keys: Any, first: int, out: Any) -> None:
    """Products of ROWS queries of BLOCK numbers with BLOCK keys from `first` on; addresses all."""
    line, stride = np.int64(4 * BLOCK), np.int64(BLOCK)
    for j in range(0, BLOCK, outputs_of(isa)):
        k_at = keys + (first + j) * BLOCK
        head_products(isa, queries, stride, k_at, undo, out + 4 * j, line)


@inlined
def _halve(
    isa: Any, scores: Any, n_rows: int, n_keys: int, state: Any, halves: Any, line: Any
) -> None:
    """Weights to bytes: ROWS lines of high ones, then as many of low ones."""
    small_as_zero(isa, True)  # integers come of it, whatever the scales
    for j in range(0, n_keys, BLOCK):
        block, inverses = scores + j * (BLOCK_BYTES // BLOCK), address_of(state.inverses)
        high = halves + j
        halve_weights(isa, block, inverses, np.int64(n_rows), high, high + ROWS * line, line)
    small_as_zero(isa, False)


@inlined
def _mix(isa: Any, halves: Any, n_keys: Any, values: Any, first: int, last: int, part: Any) -> None:
    """part[r, i] = Σ_j halves[r, j] · values[j, i] for keys first … last - 1, in int32.

    halves: bytes (2 ROWS, n_keys), values packed, addresses both; part: (2 ROWS, d).
    """
    d, apart = part.shape[1], n_keys * LANES
    fours, line = np.int64((last - first) // TOGETHER), np.int64(4 * d)
    for i in range(0, d, outputs_of(isa)):
        v_at = values + i * n_keys + first * LANES
        for r in range(0, part.shape[0], ROWS):
            p_at, out = halves + r * n_keys + first, address_of(part) + r * line + 4 * i
            weight_products(isa, p_at, n_keys, v_at, apart, fours, out, line)


@inlined
def _add_halves(part: Any, is_first: bool, total: Any) -> None:
    """The sums of both bytes (2 ROWS, d) as those of weights (ROWS, d) of int64, or added to it."""
    wide_vectors()
    for r in range(total.shape[0]):
        high, low, target = part[r], part[ROWS + r], total[r]
        for i in range(target.size):
            joined = np.int64(high[i]) * 256 + np.int64(low[i])
            target[i] = joined if is_first else target[i] + joined


@kernel
def attend(
    isa: Any,
    queries: Any,
    query_scales: Any,
    keys: Any,
    key_scales: Any,
    values: Any,
    value_scales: Any,
    first: int,
    count: int,
    start: int,
    mixed: Any,
) -> None:
    """Attention of rows first … first + count - 1, positions start … of a lane, into mixed.

    queries: int8 (KV, M, G, 64), with memory for ROWS more behind; query_scales (KV, M, G).
    keys, values: the lane's, int8 (KV, positions, 64) and (KV, positions, 64, 1). mixed: float32
    (M, H, 64).
    """
    wide_vectors()
    queries, query_scales, mixed = borrowed((queries, query_scales, mixed))
    keys, key_scales = borrowed((keys, key_scales))
    values, value_scales = borrowed((values, value_scales))
    n_kv, _, n_group, d = queries.shape
    n_keys = np.int64(_whole(start + count, BLOCK))
    packed = lines(n_keys * d // BLOCK), lines(n_keys * d // BLOCK)
    packed_keys = packed[0].reshape(n_keys // LANES, d // TOGETHER, LANES)
    packed_values = packed[1].reshape(d // LANES, n_keys // TOGETHER, LANES)
    scores, halves = lines(n_keys * ROWS // LANES), lines(n_keys * 2 * ROWS // BLOCK)
    part, total = lines(2 * ROWS * d // LANES).reshape(2 * ROWS, d), np.empty((ROWS, d), np.int64)
    state, undo, d64 = row_state(), np.empty(ROWS, dtype=np.int32), np.int64(d)
    k_at, v_at, undo_at = address_of(packed_keys), address_of(packed_values), address_of(undo)
    s_at, h_at = address_of(scores), address_of(halves)
    for g in range(n_kv):
        _pack_keys(isa, keys[g, :n_keys].view(np.int32), packed_keys)
        _pack_values(values[g, :n_keys].reshape(n_keys, d).view(np.uint8), packed_values)
        for r0 in range(0, count * n_group, ROWS):
            n_rows = min(ROWS, count * n_group - r0)
            _view(state, query_scales[g], first, r0, n_rows, n_group, start)
            seen = start + (r0 + n_rows - 1) // n_group + 1
            q_at = address_of(queries[g, first]) + r0 * d64
            fill_corrections(isa, q_at, ROWS, d64, undo)
            for j in range(0, seen, BLOCK):
                block, ahead = s_at + j * (BLOCK_BYTES // BLOCK), k_at + (j + BLOCK) * d64
                _score(isa, q_at, undo_at, k_at, j, block)
                scale_block(block, key_scales[g], n_rows, j, state, ahead)
            weigh_blocks(isa, s_at, value_scales[g], n_rows, _whole(seen, BLOCK), state)
            _halve(isa, s_at, n_rows, seen, state, h_at, n_keys)
            n_mixed = _whole(seen, GRANULE)
            for j in range(0, n_mixed, FAR_KEYS):
                _mix(isa, h_at, n_keys, v_at, j, min(j + FAR_KEYS, n_mixed), part)
                _add_halves(part, j == 0, total)
            for r in range(n_rows):
                row, member = first + (r0 + r) // n_group, (r0 + r) % n_group
                target, factor = mixed[row, g * n_group + member], state.factors[r]
                for i in range(d):
                    target[i] = f32(total[r, i]) * factor
    keep((packed, scores, halves, part, undo))
