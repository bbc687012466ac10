"""Attention of a decoding step, by KV heads: each is read once for all its queries."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from llmzip.exact.cpu import simd, tiles
from llmzip.exact.cpu.attention import EXACT_KEYS, head_values, put_value, softmax_row
from llmzip.exact.cpu.product import address_of
from llmzip.exact.cpu.rows import quantise_row
from llmzip.exact.cpu.scalars import (
    f32,
    high_byte,
    i32,
    inlined,
    kernel,
    low_byte,
    rounded,
    rounded_bits,
    wide_vectors,
)

NEAR_KEYS = 256
"""Keys whose rows stay in the first cache while all queries of a group read them.

At most EXACT_KEYS, so that int32 holds their weighted sum.
"""
assert NEAR_KEYS <= EXACT_KEYS


MEMBERS = tiles.ROWS // 2
"""Queries of a group whose two halves fit a tile's rows."""


class TileScratch(NamedTuple):
    """What `_attend_tiled` works in."""

    queries: NDArray[np.int32]  # (16, 16): one tile of queries as columns
    scores: NDArray[np.int32]  # (32, 16): of 32 keys
    halves: NDArray[np.int8]  # (16, positions): of the weights, high and MEMBERS further low
    sums: NDArray[np.int32]  # (16, 64)


@kernel
def attend_group(
    model: Any,
    cache: Any,
    work: Any,
    sums: Any,
    layer: int,
    row: int,
    g: int,
    lane: int,
    at: int,
    next_at: Any,
    scratch: Any,
) -> None:
    """New key and value of KV head g of a row into the cache; its queries' attention into mixed.

    sums: (rows, (H + 2 KV) d) int32 of the linear. next_at: address of the keys needed next.
    """
    wide_vectors()
    (
        x,
        spare,
        value,
        queries,
        query_scales,
        undo,
        scores,
        weights,
        p,
        part,
        total,
        factors,
        tiled,
    ) = scratch
    n_kv, d = cache.keys.shape[2], cache.keys.shape[4]
    n_heads = work.mixed.shape[1]
    n_group = n_heads // n_kv
    n_keys = at + 1
    rotary = model.cos.shape[0] > 0
    angle = at if rotary else 0
    cos, sin, s = model.cos[angle:], model.sin[angle:], work.scale[row]
    line, scale, bias = sums[row], model.qkv.scale[layer], model.qkv.bias[layer]
    keys, values = cache.keys[layer, lane, g], cache.values[layer, lane, g]
    key_scales, value_scales = cache.key_scales[layer, lane, g], cache.value_scales[layer, lane, g]
    x, spare = head_values(line, scale, bias, s, (n_heads + g) * d, rotary, cos, sin, x, spare)
    key_scales[at] = quantise_row(x, keys[at])
    first = (n_heads + n_kv + g) * d
    x, spare = head_values(line, scale, bias, s, first, False, cos, sin, x, spare)
    value_scales[at] = quantise_row(x, value)
    put_value(value, values, at)
    for member in range(n_group):
        head = g * n_group + member
        x, spare = head_values(line, scale, bias, s, head * d, rotary, cos, sin, x, spare)
        query_scales[member] = quantise_row(x, queries[member]) * model.score_scale
        undo[member, :] = i32(simd.SIGN_BITS * _byte_sum(queries[member]))
    if model.tiled:
        seen_scales = key_scales[:n_keys], value_scales[:n_keys]
        for member in range(0, n_group, MEMBERS):
            last = min(member + MEMBERS, n_group)
            own, own_scales = queries[member:last], (*seen_scales, query_scales[member:last])
            targets = work.mixed[row, g * n_group + member : g * n_group + last]
            _attend_tiled(own, own_scales, keys, values, next_at, scores, weights, tiled, targets)
        return
    _fill_scores(queries, undo, keys, values, n_keys, scores)
    for member in range(n_group):
        inverse, factors[member] = softmax_row(
            scores[member, :n_keys],
            key_scales[:n_keys],
            value_scales[:n_keys],
            query_scales[member],
            weights[:n_keys],
        )
        line_p = p[member]
        for j in range(n_keys):
            line_p[j] = np.int16(rounded(weights[j] * inverse))
        line_p[n_keys] = 0
    _mix(p, values, n_keys, next_at, part, total)
    for member in range(n_group):
        target = work.mixed[row, g * n_group + member]
        for i in range(d):
            target[i] = f32(total[member, i]) * factors[member]


@kernel
def _attend_tiled(
    queries: Any,
    scales: Any,
    keys: Any,
    values: Any,
    next_at: Any,  # noqa: ARG001
    scores: Any,
    weights: Any,
    scratch: Any,
    mixed: Any,
) -> None:
    """Attention of a group's queries (G, 64) over keys into mixed (G, 64)."""
    wide_vectors()
    key_scales, value_scales, query_scales = scales
    n_group, d, n_keys = queries.shape[0], np.int64(queries.shape[1]), key_scales.size
    padded = (n_keys + tiles.TERMS - 1) // tiles.TERMS * tiles.TERMS
    for member in range(n_group):
        fours = queries[member].view(np.int32)
        for k in range(fours.size):
            scratch.queries[k, member] = fours[k]
    _fill_tiled_scores(n_group, address_of(keys), address_of(values), d, padded, scratch, scores)
    for member in range(n_group):
        inverse, factor = softmax_row(
            scores[member, :n_keys],
            key_scales,
            value_scales,
            query_scales[member],
            weights[:n_keys],
        )
        high, low = scratch.halves[member], scratch.halves[MEMBERS + member]
        for j in range(n_keys):
            bits = rounded_bits(weights[j] * inverse)
            high[j] = high_byte(bits)
            low[j] = low_byte(bits)
        high[n_keys:padded] = 0
        low[n_keys:padded] = 0
        weights[n_keys + member] = factor
    halves_at, line = address_of(scratch.halves), np.int64(scratch.halves.shape[1])
    stride, sums_at = np.int64(tiles.ROWS * tiles.TOGETHER), address_of(scratch.sums)
    values_at, terms = address_of(values), np.int64(padded)
    tiles.values_1x4(halves_at, line, values_at, stride, terms, sums_at, 4 * d)
    for member in range(n_group):
        high_sums, low_sums = scratch.sums[member], scratch.sums[MEMBERS + member]
        target, factor = mixed[member], weights[n_keys + member]
        for i in range(d):
            target[i] = f32(np.int64(high_sums[i]) * 256 + np.int64(low_sums[i])) * factor


@inlined
def _fill_tiled_scores(
    n_group: int, keys_at: Any, values_at: Any, d: Any, n_keys: int, scratch: Any, scores: Any
) -> None:
    """scores[m, j] = query m · key j, from the packed queries."""
    wide_vectors()
    queries_at, found_at = address_of(scratch.queries), address_of(scratch.scores)
    block, zero, line = 2 * tiles.ROWS, np.int64(0), np.int64(4 * tiles.ROWS)
    score_line = np.int64(4 * scores.shape[1])
    for j in range(0, n_keys, block):
        for four in range(0, block, 4):
            tiles.ask_for_rows(values_at + (j + four) * d)
        tiles.products_2x1(keys_at + j * d, d, queries_at, zero, d, found_at, line)
        for first in range(0, n_group, 4):
            for half in range(2):
                sums_at = found_at + half * tiles.ROWS * line + first * 4
                out_at = address_of(scores) + first * score_line + (j + half * tiles.ROWS) * 4
                tiles.four_columns(sums_at, out_at, score_line)


@inlined
def _fill_scores(queries: Any, undo: Any, keys: Any, values: Any, n_keys: int, scores: Any) -> None:
    """scores[m, j] = queries[m] · keys[j], a block of keys for all queries at a time.

    Meanwhile memory is asked for the next block, after the last one for the values.
    """
    stride, zero, values_at = np.int64(keys.shape[1]), np.int64(0), address_of(values)
    for first in range(0, n_keys, NEAR_KEYS):
        last = first + NEAR_KEYS
        ahead = address_of(keys) + last * stride if last < n_keys else values_at
        for member in range(queries.shape[0]):
            query_at, undo_at = address_of(queries[member]), address_of(undo[member])
            keys_at, scores_at = address_of(keys), address_of(scores[member])
            for j in range(first, min(last, n_keys), simd.LANES):
                simd.keys_16x1(
                    keys_at + j * stride,
                    stride,
                    query_at,
                    zero,
                    stride,
                    undo_at,
                    scores_at + j * 4,
                    zero,
                    ahead,
                )
                ahead += simd.KEYS_AHEAD * stride


@inlined
def _byte_sum(row: Any) -> Any:
    wide_vectors()
    total = i32(0)
    for i in range(row.size):
        total = i32(total + i32(row[i]))
    return total


@inlined
def _mix(p: Any, values: Any, n_keys: int, next_at: Any, part: Any, total: Any) -> None:
    """total[m] = Σ_j p[m, j] · values[j], in int32 a block of keys and int64 above.

    p[m, n_keys] is 0: keys are taken in pairs. Meanwhile memory is asked for the next
    block, after the last one for what lies at address next_at.
    """
    total[:] = 0
    n_members, d = part.shape
    p_stride, d64, part_stride = np.int64(p.shape[1] * 2), np.int64(d), np.int64(d * 4)
    for first in range(0, n_keys, NEAR_KEYS):
        last = first + NEAR_KEYS
        ahead = address_of(values) + last * d64 if last < n_keys else next_at
        n_pairs = np.int64((min(NEAR_KEYS, n_keys - first) + 1) // 2)
        v_at = address_of(values) + first * d64
        member = 0
        while member < n_members:
            p_at = address_of(p) + member * p_stride + first * 2
            out_at = address_of(part) + member * part_stride
            left = n_members - member
            if left >= 4:
                simd.weighted_sums_4(p_at, p_stride, v_at, d64, n_pairs, out_at, part_stride, ahead)
            elif left == 3:
                simd.weighted_sums_3(p_at, p_stride, v_at, d64, n_pairs, out_at, part_stride, ahead)
            elif left == 2:
                simd.weighted_sums_2(p_at, p_stride, v_at, d64, n_pairs, out_at, part_stride, ahead)
            else:
                simd.weighted_sums_1(p_at, p_stride, v_at, d64, n_pairs, out_at, part_stride, ahead)
            member += 4
        for member in range(n_members):
            for i in range(d):
                total[member, i] += np.int64(part[member, i])
