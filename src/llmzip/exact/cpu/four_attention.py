"""Attention of prefill by products of `fours`: scores and weights of 16 rows stay in cache.

Scores are products of queries with keys, packed as weights are: blocks of 16 keys, with SIGN_BITS
added. Weights are not negative, so where products want one operand unsigned it is their two bytes
as they are. Values, packed in blocks of 16 of their numbers, four keys side by side, stay signed.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from llmzip.compiled import called, inlined
from llmzip.exact.cpu.fours import (
    FEW,
    GRANULE,
    TOGETHER,
    few_head_products,
    few_weight_products,
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
    first_block,
    row_state,
    scale_block,
    small_as_zero,
    weigh_blocks,
    whole,
)
from llmzip.exact.cpu.scalars import address_of, borrowed, f32, i32, wide_vectors
from llmzip.exact.cpu.simd import LANES, turn_values
from llmzip.exact.cpu.step_softmax import ask_ahead, line_ahead
from llmzip.exact.cpu.tiles import PACK_ASKED, lines, pack_keys
from llmzip.exact.cpu.vectors import BLOCK

FAR_KEYS = 1 << 16
"""Keys whose products with a byte of a weight int32 sums: 255 · 127 · 2^16 < 2^31."""
_ONES = i32(0x01010101)


@called
def _pack_values(values: Any, n_keys: Any, d: Any, packed: Any) -> None:
    """Values (n, d) of int8 into (d / 16, n / 4, 16): four keys' bytes in an int32; addresses."""
    wide_vectors()
    for part in range(0, d, LANES):
        for four in range(0, n_keys, TOGETHER):
            turn_values(values + four * d + part, d, packed + part * n_keys + four * LANES)


@inlined
def _score(
    isa: Any, few: bool, queries: Any, d: Any, undo: Any, keys: Any, first: int, out: Any
) -> None:
    """Products of ROWS queries of d numbers with BLOCK keys from `first` on; addresses all.

    few: whether half as many queries will do.
    """
    line = np.int64(4 * BLOCK)
    for j in range(0, BLOCK, outputs_of(isa)):
        k_at, o_at = keys + (first + j) * d, out + 4 * j
        if few:
            few_head_products(isa, queries, d, k_at, undo, o_at, line)
        elif d == BLOCK:  # without a loop, which is 2 % of attention
            head_products(isa, queries, np.int64(BLOCK), k_at, undo, o_at, line)
        else:
            head_products(isa, queries, d, k_at, undo, o_at, line)


@inlined
def _halve(
    isa: Any, scores: Any, n_rows: int, keys: Any, state: Any, halves: Any, ahead: Any
) -> None:
    """Weights to bytes: ROWS lines of high ones, then as many of low ones.

    keys: the first, one of a block, and how many there are. halves: an address, and how long a line
    is. ahead: see `step_softmax.ask_ahead`; of 0 lines none is asked for.
    """
    (next_at, n_lines, asked), (halves_at, line) = ahead, halves
    small_as_zero(isa, True)  # integers come of it, whatever the scales
    for j in range(keys[0], keys[1], BLOCK):
        block, inverses = scores + j * (BLOCK_BYTES // BLOCK), address_of(state.inverses)
        high = halves_at + j
        halve_weights(isa, block, inverses, np.int64(n_rows), high, high + ROWS * line, line)
        if n_lines:
            asked = ask_ahead(next_at, n_lines, asked, BLOCK)
    small_as_zero(isa, False)


@inlined
def _mix(isa: Any, few: bool, halves: Any, values: Any, first: int, last: int, part: Any) -> None:
    """part[r, i] = Σ_j halves[r, j] · values[j, i] for keys first … last - 1, in int32.

    halves: the address of bytes (2 ROWS, n_keys), and n_keys. values: the address of packed ones.
    part: (2 ROWS, d). few: whether the first half of the rows will do.
    """
    halves_at, n_keys = halves
    d, apart = part.shape[1], n_keys * LANES
    fours, line = np.int64((last - first) // TOGETHER), np.int64(4 * d)
    for i in range(0, d, outputs_of(isa)):
        v_at = values + i * n_keys + first * LANES
        for r in range(0, part.shape[0], ROWS):
            p_at, out = halves_at + r * n_keys + first, address_of(part) + r * line + 4 * i
            if few:
                few_weight_products(isa, p_at, n_keys, v_at, apart, fours, out, line)
            else:
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


class HeadScratch(NamedTuple):
    """What `attend_head` works in."""

    keys: NDArray[np.int32]  # (n, 16), packed
    values: NDArray[np.int32]  # the same
    scores: NDArray[np.int32]  # (n, 16): blocks of those of 16 queries
    halves: NDArray[np.int32]  # (n / 2, 16): bytes of their weights
    part: NDArray[np.int32]  # (2 ROWS, d)
    total: NDArray[np.int64]  # (ROWS, d)
    undo: NDArray[np.int32]  # (ROWS,)


@inlined
def make_scratch(n_keys: int, d: int) -> Any:
    """Scratch for up to n_keys keys, a multiple of BLOCK."""
    return HeadScratch(
        lines(n_keys * d // BLOCK),
        lines(n_keys * d // BLOCK),
        lines(n_keys * ROWS // LANES),
        lines(n_keys * 2 * ROWS // BLOCK),
        lines(2 * ROWS * d // LANES).reshape(2 * ROWS, d),
        np.empty((ROWS, d), dtype=np.int64),
        np.empty(ROWS, dtype=np.int32),
    )


@called
def attend_head(
    isa: Any, own: Any, rows: Any, asks: bool, next_at: Any, scratch: Any, mixed: Any, head: int
) -> None:
    """As `pair_attention.attend` for one KV head, into the heads of `mixed` from one on.

    own: of the head, queries (M, G, d), with memory for ROWS more behind, keys and values, int8
    (positions, d) and (positions, d, 1), each with their scales, and the cap of scores.
    asks: whether memory is asked for what lies at next_at, values and then keys, a part with each
    part of the work.
    """
    wide_vectors()
    scratch, mixed = borrowed(scratch), borrowed(mixed)
    queries, query_scales, keys, key_scales, values, value_scales, cap = borrowed(own)
    first, count, start, window = rows
    n_group, d = queries.shape[1:]
    d64, before = np.int64(d), first_block(start, window)
    n_keys, place = np.int64(whole(start + count, BLOCK) - before), (start - before, window)
    part, total, state = scratch.part, scratch.total, row_state()
    k_at, v_at, undo_at = (
        address_of(scratch.keys),
        address_of(scratch.values),
        address_of(scratch.undo),
    )
    s_at, h_at = address_of(scratch.scores), address_of(scratch.halves)
    k_scales, v_scales, flip = (
        key_scales[before:],
        value_scales[before:],
        i32(sign_bits_of(isa) * _ONES),
    )
    n_lines, asked = n_keys * d64 // BLOCK, n_keys // LANES * PACK_ASKED
    ahead = line_ahead(next_at, n_lines, np.int64(0)) if asks else k_at
    pack_keys(address_of(keys) + before * d64, n_keys, d64, flip, k_at, ahead)
    _pack_values(address_of(values) + before * d64, n_keys, d64, v_at)
    for r0 in range(0, count * n_group, ROWS):
        n_rows = min(ROWS, count * n_group - r0)
        few = n_rows <= FEW
        begin_rows(state, query_scales, first, r0, n_rows, n_group, place)
        seen = np.int64(state.seen[n_rows - 1])
        j0 = first_block(np.int64(state.seen[0]) - 1, window)
        q_at = address_of(queries[first]) + r0 * d64
        fill_corrections(isa, q_at, ROWS, d64, scratch.undo)
        for j in range(j0, seen, BLOCK):
            block, ahead = s_at + j * (BLOCK_BYTES // BLOCK), k_at + (j + BLOCK) * d64
            _score(isa, few, q_at, d64, undo_at, k_at, j, block)
            scale_block(block, k_scales, cap, n_rows, j, state, ahead)
            if asks and r0 == 0:
                asked = ask_ahead(next_at, n_lines, asked, d64 // 2)
        weigh_blocks(isa, s_at, v_scales, cap, n_rows, j0, whole(seen, BLOCK), state)
        own_lines = next_at, n_lines if asks and r0 == 0 else np.int64(0), asked
        _halve(isa, s_at, n_rows, (j0, seen), state, (h_at, n_keys), own_lines)
        n_mixed = whole(seen, GRANULE)
        for j in range(j0, n_mixed, FAR_KEYS):
            _mix(isa, few, (h_at, n_keys), v_at, j, min(j + FAR_KEYS, n_mixed), part)
            _add_halves(part, j == j0, total)
        for r in range(n_rows):
            row, member = first + (r0 + r) // n_group, (r0 + r) % n_group
            target, factor = mixed[row, head + member], state.factors[r]
            for i in range(d):
                target[i] = f32(total[r, i]) * factor
