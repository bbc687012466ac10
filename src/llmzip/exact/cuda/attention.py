"""Attention kernels: scores, the integer softmax, P·V; for prefill and for a decoding step.

Heads share keys in groups: G query heads read one KV head. q, its scales and the cache are laid
out as `linears.project_heads` leaves them.

The softmax is relative to the row's true maximum and its sum is one of integers, so the scores
are needed three times: for the maximum; for the sum and the largest weighted value; for P·V.
Prefill computes them anew, a decoding step keeps them in global memory.
"""

from __future__ import annotations

import triton.language as tl

from llmzip.exact.cuda.scalars import (
    I16_LIMIT,
    I16_UNIT,
    SMALL,
    SUM_SCALE,
    SUM_UNIT,
    TINY,
    capped,
    exp2_down,
    high_half,
    join_halves,
    kernel,
    low_half,
    round_small,
    small_float,
)

PIECE = tl.constexpr(16)
"""Values lie in pieces of so many positions, all of a place of the head side by side: matrix units
take what is summed up, here the keys' numbers, from one piece of memory."""

MAX_POSITIONS = 1 << 16
"""Positions whose int32 sums cannot overflow: 2^16 · 128 · 127 < 2^31 for P·V's halves, and
2^18 · 2^16 / 32 < 2^31 for the weights, which are summed in at least 32 places."""


@kernel
def load_scores(
    q: tl.tensor,
    keys: tl.tensor,
    key_scales: tl.tensor,
    key: tl.tensor,
    n_keys: tl.tensor,
    D: tl.constexpr,
    BLOCK_D: tl.constexpr,
    MASKED: tl.constexpr,
) -> tl.tensor:
    """Scores of queries q (rows, BLOCK_D) with the keys numbered `key`, before the row's scale.

    MASKED: whether some of the keys are beyond n_keys.
    """
    inner = tl.arange(0, BLOCK_D)[:, None]
    place = keys + key[None, :].to(tl.int64) * D + inner
    if MASKED:
        k = tl.load(place, mask=(key < n_keys)[None, :] & (inner < D), other=0)
        unit = tl.load(key_scales + key, mask=key < n_keys, other=0.0)
    else:
        k = tl.load(place, mask=inner < D, other=0) if D != BLOCK_D else tl.load(place)
        unit = tl.load(key_scales + key)
    sums = tl.dot(q, k, out_dtype=tl.int32)
    if 128 * 128 * D <= SMALL:
        return small_float(sums) * unit[None, :]
    return sums.to(tl.float32) * unit[None, :]


@kernel
def cap_scores(scores: tl.tensor, unit: tl.tensor, CAP_DEPTH: tl.constexpr) -> tl.tensor:
    """Scores times the rows' scales, capped; as they are without a cap, for `weigh`."""
    if CAP_DEPTH != 0.0:
        scores = capped(scores * unit, CAP_DEPTH)
    return scores


@kernel
def weigh(scores: tl.tensor, top: tl.tensor, unit: tl.tensor, CAP_DEPTH: tl.constexpr) -> tl.tensor:
    """Softmax's numerators."""
    below = scores - top
    if CAP_DEPTH == 0.0:
        below = below * unit
    return exp2_down(below)


@kernel
def close_rows(highest: tl.tensor, total: tl.tensor) -> tl.tensor:
    """From a row's largest weighted value and its weights' sum: (inverse, factor).

    p = round(weighted value · inverse), output = Σ p v · factor.
    """
    top = tl.maximum(highest, TINY)
    factor = tl.div_rn(top * I16_UNIT, tl.maximum(total, 1).to(tl.float32) * SUM_UNIT)
    return tl.div_rn(I16_LIMIT, top), factor


@kernel
def value_place(position: tl.tensor, inner: tl.tensor, D: tl.constexpr) -> tl.tensor:
    """Where a lane's and head's value at a position has its number `inner`."""
    return (position // PIECE).to(tl.int64) * (D * PIECE) + inner * PIECE + position % PIECE


@kernel
def add_values(
    weighted: tl.tensor,
    inverse: tl.tensor,
    values: tl.tensor,
    key: tl.tensor,
    n_keys: tl.tensor,
    high_sums: tl.tensor,
    low_sums: tl.tensor,
    D: tl.constexpr,
    BLOCK_D: tl.constexpr,
) -> tl.tensor:
    """Add P·V over some keys to both sums (rows, BLOCK_D), P being the 16-bit weighted values."""
    inner = tl.arange(0, BLOCK_D)[None, :]
    is_begun = (key // PIECE * PIECE < n_keys)[:, None]  # whole pieces: what is stale has weight 0
    v = tl.load(values + value_place(key[:, None], inner, D), mask=is_begun & (inner < D), other=0)
    p = round_small(weighted * inverse[:, None])
    high_sums = tl.dot(high_half(p).to(tl.int8), v, acc=high_sums, out_dtype=tl.int32)
    low_sums = tl.dot(low_half(p).to(tl.int8), v, acc=low_sums, out_dtype=tl.int32)
    return high_sums, low_sums


@kernel
def is_seen(key: tl.tensor, position: tl.tensor, WINDOW: tl.constexpr) -> tl.tensor:
    """Which keys rows at positions see, (rows, keys): WINDOW up to their own; 0: all of these."""
    seen = key[None, :] <= position[:, None]
    if WINDOW:
        seen = seen & (key[None, :] > position[:, None] - WINDOW)
    return seen


@kernel
def raise_tops(
    tops: tl.tensor,
    query: tl.tensor,
    unit: tl.tensor,
    keys: tl.tensor,
    key_scales: tl.tensor,
    begin: tl.tensor,
    end: tl.tensor,
    position: tl.tensor,
    D: tl.constexpr,
    BLOCK_D: tl.constexpr,
    BLOCK_N: tl.constexpr,
    MASKED: tl.constexpr,
    WINDOW: tl.constexpr,
    CAP_DEPTH: tl.constexpr,
) -> tl.tensor:
    """Take in the scores of keys begin to end - 1; MASKED: of those a row at `position` sees."""
    for first in range(begin, end, BLOCK_N):
        key = first + tl.arange(0, BLOCK_N)
        scores = load_scores(query, keys, key_scales, key, end, D, BLOCK_D, MASKED)
        scores = cap_scores(scores, unit, CAP_DEPTH)
        if MASKED:
            scores = tl.where(is_seen(key, position, WINDOW), scores, float("-inf"))
        tops = tl.maximum(tops, scores)
    return tops


@kernel
def weights_of(
    query: tl.tensor,
    unit: tl.tensor,
    top: tl.tensor,
    keys: tl.tensor,
    key_scales: tl.tensor,
    key: tl.tensor,
    end: tl.tensor,
    position: tl.tensor,
    D: tl.constexpr,
    BLOCK_D: tl.constexpr,
    MASKED: tl.constexpr,
    WINDOW: tl.constexpr,
    CAP_DEPTH: tl.constexpr,
) -> tl.tensor:
    """Softmax's numerators of rows with some keys."""
    scores = load_scores(query, keys, key_scales, key, end, D, BLOCK_D, MASKED)
    weights = weigh(cap_scores(scores, unit, CAP_DEPTH), top, unit, CAP_DEPTH)
    return tl.where(is_seen(key, position, WINDOW), weights, 0.0) if MASKED else weights


@kernel
def sum_weights(
    totals: tl.tensor,
    highest: tl.tensor,
    query: tl.tensor,
    unit: tl.tensor,
    top: tl.tensor,
    keys: tl.tensor,
    key_scales: tl.tensor,
    value_scales: tl.tensor,
    begin: tl.tensor,
    end: tl.tensor,
    position: tl.tensor,
    D: tl.constexpr,
    BLOCK_D: tl.constexpr,
    BLOCK_N: tl.constexpr,
    MASKED: tl.constexpr,
    WINDOW: tl.constexpr,
    CAP_DEPTH: tl.constexpr,
) -> tl.tensor:
    """Add up the weights of keys, and find the largest weighted values."""
    for first in range(begin, end, BLOCK_N):
        key = first + tl.arange(0, BLOCK_N)
        weights = weights_of(
            query,
            unit,
            top,
            keys,
            key_scales,
            key,
            end,
            position,
            D,
            BLOCK_D,
            MASKED,
            WINDOW,
            CAP_DEPTH,
        )
        totals += round_small(weights * SUM_SCALE)
        v_unit = tl.load(value_scales + key, mask=key < end, other=0.0)
        highest = tl.maximum(highest, weights * v_unit[None, :])
    return totals, highest


@kernel
def mix_values(
    high_sums: tl.tensor,
    low_sums: tl.tensor,
    query: tl.tensor,
    unit: tl.tensor,
    top: tl.tensor,
    inverse: tl.tensor,
    keys: tl.tensor,
    key_scales: tl.tensor,
    values: tl.tensor,
    value_scales: tl.tensor,
    begin: tl.tensor,
    end: tl.tensor,
    position: tl.tensor,
    D: tl.constexpr,
    BLOCK_D: tl.constexpr,
    BLOCK_N: tl.constexpr,
    MASKED: tl.constexpr,
    WINDOW: tl.constexpr,
    CAP_DEPTH: tl.constexpr,
) -> tl.tensor:
    """Add the keys' weighted values to both sums."""
    for first in range(begin, end, BLOCK_N):
        key = first + tl.arange(0, BLOCK_N)
        weights = weights_of(
            query,
            unit,
            top,
            keys,
            key_scales,
            key,
            end,
            position,
            D,
            BLOCK_D,
            MASKED,
            WINDOW,
            CAP_DEPTH,
        )
        v_unit = tl.load(value_scales + key, mask=key < end, other=0.0)
        high_sums, low_sums = add_values(
            weights * v_unit[None, :], inverse, values, key, end, high_sums, low_sums, D, BLOCK_D
        )
    return high_sums, low_sums


@kernel
def attend_rows(
    q: tl.tensor,
    q_scale: tl.tensor,
    keys: tl.tensor,
    key_scales: tl.tensor,
    values: tl.tensor,
    value_scales: tl.tensor,
    lanes: tl.tensor,
    at: tl.tensor,
    mixed: tl.tensor,
    n_rows: tl.tensor,
    n_tokens: tl.tensor,
    n_positions: tl.tensor,
    KV: tl.constexpr,
    G: tl.constexpr,
    D: tl.constexpr,
    BLOCK_D: tl.constexpr,
    BLOCK_M: tl.constexpr,
    BLOCK_N: tl.constexpr,
    WINDOW: tl.constexpr,
    CAP_DEPTH: tl.constexpr,
) -> None:
    """Causal attention of n_tokens rows of each lane over the cache, into mixed (M, H, D).

    Program (b, g, block): rows of lane lanes[b · n_tokens], KV head g; row r of the pair, of
    n_tokens · G, is token r // G, query head g · G + r % G. n_rows: the second size of q. WINDOW:
    keys that a row sees, its own among them; 0: all. CAP_DEPTH: see `scalars.cap_constants`.
    """
    batch, group = tl.program_id(0), tl.program_id(1)
    first_row = batch.to(tl.int64) * n_tokens
    lane, start = tl.maximum(tl.load(lanes + first_row), 0), tl.load(at + first_row)
    line = tl.program_id(2) * BLOCK_M + tl.arange(0, BLOCK_M)
    real = line < n_tokens * G
    position = start + line // G
    last = (tl.program_id(2) * BLOCK_M + BLOCK_M - 1) // G
    n_keys = (start + tl.minimum(last, n_tokens - 1) + 1).to(tl.int32)

    spot = (group.to(tl.int64) * n_rows + first_row) * G + line
    inner = tl.arange(0, BLOCK_D)[None, :]
    query = tl.load(q + spot[:, None] * D + inner, mask=real[:, None] & (inner < D), other=0)
    unit = tl.load(q_scale + spot, mask=real, other=0.0)[:, None]
    store = (lane * KV + group) * n_positions
    keys, values = keys + store * D, values + store * D
    key_scales, value_scales = key_scales + store, value_scales + store

    # All rows see the first n_full keys, which need no masks; with a window there are none such.
    first_position = start + tl.program_id(2) * BLOCK_M // G
    if WINDOW:
        first_key = tl.maximum(first_position + 1 - WINDOW, 0) // BLOCK_N * BLOCK_N
        first_key = first_key.to(tl.int32)
        n_full = first_key
        position = tl.minimum(position, n_keys - 1)  # rows that are none see something, too
    else:
        first_key = tl.full((), 0, tl.int32)
        n_full = ((first_position + 1) // BLOCK_N * BLOCK_N).to(tl.int32)

    tops = tl.full((BLOCK_M, BLOCK_N), float("-inf"), tl.float32)
    tops = raise_tops(
        tops,
        query,
        unit,
        keys,
        key_scales,
        first_key,
        n_full,
        position,
        D,
        BLOCK_D,
        BLOCK_N,
        False,
        WINDOW,
        CAP_DEPTH,
    )
    tops = raise_tops(
        tops,
        query,
        unit,
        keys,
        key_scales,
        n_full,
        n_keys,
        position,
        D,
        BLOCK_D,
        BLOCK_N,
        True,
        WINDOW,
        CAP_DEPTH,
    )
    top = tl.max(tops, 1)[:, None]

    totals = tl.zeros((BLOCK_M, BLOCK_N), tl.int32)
    highest = tl.zeros((BLOCK_M, BLOCK_N), tl.float32)
    for part in tl.static_range(2):
        begin, end = (first_key, n_full) if part == 0 else (n_full, n_keys)
        totals, highest = sum_weights(
            totals,
            highest,
            query,
            unit,
            top,
            keys,
            key_scales,
            value_scales,
            begin,
            end,
            position,
            D,
            BLOCK_D,
            BLOCK_N,
            part == 1,
            WINDOW,
            CAP_DEPTH,
        )
    inverse, factor = close_rows(tl.max(highest, 1), tl.sum(totals.to(tl.int64), 1))

    high_sums = tl.zeros((BLOCK_M, BLOCK_D), tl.int32)
    low_sums = tl.zeros((BLOCK_M, BLOCK_D), tl.int32)
    for part in tl.static_range(2):
        begin, end = (first_key, n_full) if part == 0 else (n_full, n_keys)
        high_sums, low_sums = mix_values(
            high_sums,
            low_sums,
            query,
            unit,
            top,
            inverse,
            keys,
            key_scales,
            values,
            value_scales,
            begin,
            end,
            position,
            D,
            BLOCK_D,
            BLOCK_N,
            part == 1,
            WINDOW,
            CAP_DEPTH,
        )
    row, member = first_row + line // G, group * G + line % G
    target = mixed + (row * (KV * G) + member)[:, None] * D + inner
    tl.store(
        target, join_halves(high_sums, low_sums) * factor[:, None], mask=real[:, None] & (inner < D)
    )


@kernel
def attend_step(
    q: tl.tensor,
    q_scale: tl.tensor,
    keys: tl.tensor,
    key_scales: tl.tensor,
    values: tl.tensor,
    value_scales: tl.tensor,
    lanes: tl.tensor,
    at: tl.tensor,
    scratch: tl.tensor,
    mixed: tl.tensor,
    n_rows: tl.tensor,
    n_positions: tl.tensor,
    KV: tl.constexpr,
    G: tl.constexpr,
    D: tl.constexpr,
    BLOCK_G: tl.constexpr,
    BLOCK_D: tl.constexpr,
    BLOCK_M: tl.constexpr,
    BLOCK_N: tl.constexpr,
    WINDOW: tl.constexpr,
    CAP_DEPTH: tl.constexpr,
) -> None:
    """Attention of one query row a lane over that lane's cache, into mixed (M, H, D).

    Program (row, g). scratch: float32 (M, KV, G, n_positions): scores, then weighted values. The
    matrix units want BLOCK_M >= G rows, most of them empty; the softmax runs over BLOCK_G.
    """
    row, group = tl.program_id(0).to(tl.int64), tl.program_id(1)
    lane = tl.maximum(tl.load(lanes + row), 0)
    n_keys = (tl.load(at + row) + 1).to(tl.int32)
    first_key = tl.maximum(n_keys - WINDOW, 0) if WINDOW else tl.full((), 0, tl.int32)
    first_block = first_key // BLOCK_N * BLOCK_N
    store = (lane * KV + group) * n_positions
    keys, values = keys + store * D, values + store * D
    key_scales, value_scales = key_scales + store, value_scales + store
    scratch += (row * KV + group) * G * n_positions

    line = tl.arange(0, BLOCK_M)[:, None]
    inner = tl.arange(0, BLOCK_D)[None, :]
    spot = (group.to(tl.int64) * n_rows + row) * G
    query = tl.load(q + (spot + line) * D + inner, mask=(line < G) & (inner < D), other=0)
    line_unit = tl.load(q_scale + spot + line, mask=line < G, other=0.0)
    tops = tl.full((BLOCK_M, BLOCK_N), float("-inf"), tl.float32)
    for first in range(first_block, n_keys, BLOCK_N):
        key = first + tl.arange(0, BLOCK_N)
        scores = load_scores(query, keys, key_scales, key, n_keys, D, BLOCK_D, True)
        scores = cap_scores(scores, line_unit, CAP_DEPTH)
        seen = ((key >= first_key) & (key < n_keys))[None, :]
        tl.store(scratch + line * n_positions + key[None, :], scores, mask=(line < G) & seen)
        tops = tl.maximum(tops, tl.where(seen, scores, float("-inf")))
    tl.debug_barrier()  # what other threads have stored is read below

    member = tl.arange(0, BLOCK_G)
    own = scratch + member[:, None] * n_positions
    same = line == member[None, :]  # a row of BLOCK_M each
    top = tl.max(tl.where(same, tl.max(tops, 1)[:, None], float("-inf")), 0)[:, None]

    unit = tl.load(q_scale + spot + member, mask=member < G, other=0.0)[:, None]
    totals = tl.zeros((BLOCK_G, BLOCK_N), tl.int32)
    highest = tl.zeros((BLOCK_G, BLOCK_N), tl.float32)
    for first in range(first_block, n_keys, BLOCK_N):
        key = (first + tl.arange(0, BLOCK_N))[None, :]
        mask = (member < G)[:, None] & (key >= first_key) & (key < n_keys)
        scores = tl.load(own + key, mask=mask, other=0.0)
        weights = tl.where(mask, weigh(scores, top, unit, CAP_DEPTH), 0.0)
        totals += round_small(weights * SUM_SCALE)
        weighted = weights * tl.load(value_scales + key, mask=key < n_keys, other=0.0)
        highest = tl.maximum(highest, weighted)
        tl.store(own + key, weighted, mask=mask)
    tl.debug_barrier()

    inverse, factor = close_rows(tl.max(highest, 1), tl.sum(totals.to(tl.int64), 1))
    inverse = tl.max(tl.where(same, inverse[None, :], 0.0), 1)  # one row of BLOCK_M a member
    factor = tl.max(tl.where(same, factor[None, :], 0.0), 1)
    high_sums = tl.zeros((BLOCK_M, BLOCK_D), tl.int32)
    low_sums = tl.zeros((BLOCK_M, BLOCK_D), tl.int32)
    for first in range(first_block, n_keys, BLOCK_N):
        key = first + tl.arange(0, BLOCK_N)
        mask = (line < G) & ((key >= first_key) & (key < n_keys))[None, :]
        weighted = tl.load(scratch + line * n_positions + key[None, :], mask=mask, other=0.0)
        high_sums, low_sums = add_values(
            weighted, inverse, values, key, n_keys, high_sums, low_sums, D, BLOCK_D
        )
    target = mixed + (row * (KV * G) + group * G + line) * D + inner
    tl.store(
        target, join_halves(high_sums, low_sums) * factor[:, None], mask=(line < G) & (inner < D)
    )
