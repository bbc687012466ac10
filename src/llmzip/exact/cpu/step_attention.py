"""Attention of a decoding step, by KV heads: each is read once for all its queries."""

from __future__ import annotations

from typing import Any

import numpy as np

from llmzip.compiled import inlined
from llmzip.exact.cpu import simd
from llmzip.exact.cpu.attention import (
    EXACT_KEYS,
    head_values,
    place_head,
    put_key,
    put_value,
    weigh_row,
)
from llmzip.exact.cpu.instruction_set import is_tiled, keys_of, members_of, sign_bits_of
from llmzip.exact.cpu.rows import quantise_row
from llmzip.exact.cpu.scalars import address_of, f32, i32, wide_vectors
from llmzip.exact.cpu.step_pairs import attend_paired
from llmzip.exact.cpu.step_tiles import MEMBERS, attend_tiled

NEAR_KEYS = 256
"""Keys of 64 numbers that stay in the first cache while all queries of a group read them.

At most EXACT_KEYS, so that int32 holds their weighted sum.
"""
assert NEAR_KEYS <= EXACT_KEYS


@inlined
def norms_of(model: Any) -> Any:
    """What `place_head` takes of a model."""
    return model.eps, model.gain_first, model.d_head, model.whole


@inlined
def _angles(model: Any, layer: int, at: int) -> Any:
    """Whether heads are turned, and tables that begin with the position's cosines and sines."""
    rotary = model.ropes[layer] >= 0
    table, angle = (model.ropes[layer], at) if rotary else (np.int64(0), 0)
    return rotary, model.cos[table][angle:], model.sin[table][angle:]


@inlined
def first_key(model: Any, layer: int, at: int) -> Any:
    """The first key that is looked at for position `at`: the first in view, or one just before."""
    at_once = keys_of(model.isa)
    return max(np.int64(0), at + 1 - model.windows[layer]) // at_once * at_once


@inlined
def put_group(run: Any, place: Any, own: Any) -> None:
    """New key and value of a KV head of a row into the cache.

    run: model, cache, work, and the sums of `qkv`, int32 (rows, (H + 2 KV) d). place: layer, row,
    KV head, lane, position. own: scratch.
    """
    wide_vectors()
    (model, cache, work, sums), (layer, row, g, lane, at), (x, spare, value) = run, place, own[:3]
    n_kv, (_, n_heads, d) = cache.keys.shape[2], work.mixed.shape
    s, line, angles = work.scale[row], sums[row], _angles(model, layer, at)
    scale, bias = model.qkv.scale[layer], model.qkv.bias[layer]
    keys, values = cache.keys[layer, lane, g], cache.values[layer, lane, g]
    head_values(line, scale, bias, s, (n_heads + g) * d, x)
    gains, norms = model.gains[layer], norms_of(model)
    factor = work.factors[row, 1]
    x, spare = place_head(gains, n_heads + g, norms, factor, angles, x, spare)
    cache.key_scales[layer, lane, g, at] = put_key(x, keys, at, value)
    head_values(line, scale, bias, s, (n_heads + n_kv + g) * d, x)
    cache.value_scales[layer, lane, g, at] = quantise_row(x, value)
    put_value(value, values, at)


@inlined
def place_queries(run: Any, place: Any, own: Any, targets: Any) -> None:
    """A row's queries of a KV head into targets: queries (G, d) and scales (G,).

    The rest: see `put_group`.
    """
    (model, _, work, sums), (layer, row, g, _, at), (x, spare) = run, place, own[:2]
    queries, scales = targets
    n_group, d = queries.shape
    s, line, angles = work.scale[row], sums[row], _angles(model, layer, at)
    scale, bias = model.qkv.scale[layer], model.qkv.bias[layer]
    gains, norms = model.gains[layer], norms_of(model)
    for member in range(n_group):
        head = g * n_group + member
        head_values(line, scale, bias, s, head * d, x)
        factor = work.factors[row, 0]
        x, spare = place_head(gains, head, norms, factor, angles, x, spare)
        scales[member] = quantise_row(x, queries[member]) * model.score_scale


@inlined
def attend_group(run: Any, place: Any, count: int, next_at: Any, scratch: Any) -> None:
    """Attention of rows' queries of a KV head, over the lane up to each one's position, into mixed.

    run, place: see `put_group`, for the first of `count` rows that follow each other, one, or as
    many as `fit_together` says. What stands in the cache beyond that, or before the layer's window,
    changes nothing. next_at: addresses of the keys, the values and the scales of both needed next.
    scratch: two things, the second for tiles or pairs.
    """
    wide_vectors()
    (model, cache, work, _), (layer, row, g, lane, at), (own, vectors, _) = run, place, scratch
    n_kv, (_, n_heads, d), undo = cache.keys.shape[2], work.mixed.shape, own[5]
    n_group = n_heads // n_kv
    queries, query_scales = own[3][: count * n_group], own[4][: count * n_group]
    first, last = first_key(model, layer, at), at + count
    keys, values = cache.keys[layer, lane, g], cache.values[layer, lane, g]
    key_scales = cache.key_scales[layer, lane, g, first:last]
    value_scales = cache.value_scales[layer, lane, g, first:last]
    for index in range(count):
        part = slice(index * n_group, (index + 1) * n_group)
        targets = queries[part], query_scales[part]
        place_queries(run, (layer, row + index, g, lane, at + index), own, targets)
    for member in range(n_group):
        undo[member, :] = i32(sign_bits_of(model.isa) * _byte_sum(queries[member]))
    places = address_of(keys) + first * d, address_of(values) + first * d
    seen = *places, key_scales, value_scales, model.score_cap
    rows = n_group, at + 1 - first, at + 1 - model.windows[layer] - first
    own_queries, target = (queries, query_scales), (work.mixed, row, g * n_group)
    _attend(keys, model.isa, own_queries + own[5:], seen, rows, next_at, vectors, target)


@inlined
def fit_together(isa: Any, n_queries: int) -> Any:
    """Whether `attend_group` takes so many queries of several rows at once."""
    return is_tiled(isa) and n_queries <= MEMBERS


@inlined
def _attend(
    keys: Any, isa: Any, own: Any, seen: Any, rows: Any, next_at: Any, vectors: Any, place: Any
) -> None:
    """Attention of rows' queries, the first of `own`; rows, place: see `attend_tiled`."""
    (n_group, _, n_hidden), (mixed, row, head), (queries, query_scales) = rows, place, own[:2]
    keys_at, values_at, key_scales, value_scales, cap = seen
    group = keys_at, values_at, key_scales, value_scales, max(np.int64(0), n_hidden), cap
    own_mixed = mixed[row, head : head + n_group]
    if keys.ndim == 4:  # blocks for pairs; numba compiles what the array's type says, and no more
        attend_paired(queries, query_scales, group, next_at, vectors, own_mixed)
    elif is_tiled(isa):
        for member in range(0, len(queries), MEMBERS):  # several times for one row alone
            last, own_place = min(member + MEMBERS, len(queries)), (mixed, row, head + member)
            some = queries[member:last], query_scales[member:last]
            attend_tiled(*some, seen, rows, next_at, vectors, own_place)
    else:
        _attend_rows(isa, own, group, next_at, own_mixed)


@inlined
def _attend_rows(isa: Any, own: Any, seen: Any, next_at: Any, mixed: Any) -> None:
    wide_vectors()
    queries, query_scales, undo, scores, weights, p, part, total, factors = own
    keys_at, values_at, key_scales, value_scales, skip, cap = seen
    n_group, n_keys = queries.shape[0], key_scales.size
    _fill_scores(isa, queries, undo, (keys_at, values_at), n_keys, scores)
    scales = key_scales[skip:], value_scales[skip:]
    for member in range(n_group):
        own_scores, q_scale = scores[member, skip:n_keys], query_scales[member]
        places = weights[skip:n_keys], p[member, skip:n_keys]
        factors[member] = weigh_row(own_scores, scales, q_scale, cap, *places)
        for j in range(skip):
            p[member, j] = 0
        p[member, n_keys] = 0
    _mix(isa, p, values_at, n_keys, next_at[0], part, total)
    for member in range(n_group):
        target = mixed[member]
        for i in range(target.size):
            target[i] = f32(total[member, i]) * factors[member]


@inlined
def _fill_scores(isa: Any, queries: Any, undo: Any, places: Any, n_keys: int, scores: Any) -> None:
    """scores[m, j] = queries[m] · keys[j], a block of keys for all queries at a time.

    places: addresses of the keys and of the values. Meanwhile memory is asked for the next block,
    after the last one for the values.
    """
    stride, (keys_at, values_at) = np.int64(queries.shape[1]), places
    near = _near_keys(stride)
    for first in range(0, n_keys, near):
        last = first + near
        ahead = keys_at + last * stride if last < n_keys else values_at
        for member in range(queries.shape[0]):
            query_at, undo_at = address_of(queries[member]), address_of(undo[member])
            scores_at = address_of(scores[member])
            for j in range(first, min(last, n_keys), simd.LANES):
                simd.keys_16x1(
                    isa,
                    keys_at + j * stride,
                    stride,
                    query_at,
                    stride,
                    undo_at,
                    scores_at + j * 4,
                    ahead,
                )
                ahead += simd.KEYS_AHEAD * stride


@inlined
def _near_keys(d: int) -> Any:
    """Keys of d numbers that are read together."""
    return max(simd.LANES, NEAR_KEYS * simd.BYTES // d // simd.LANES * simd.LANES)


@inlined
def _byte_sum(row: Any) -> Any:
    wide_vectors()
    total = i32(0)
    for i in range(row.size):
        total = i32(total + i32(row[i]))
    return total


@inlined
def _mix(
    isa: Any, p: Any, values_at: Any, n_keys: int, next_at: Any, part: Any, total: Any
) -> None:
    """total[m] = Σ_j p[m, j] · values[j], in int32 a block of keys and int64 above.

    values_at: an address. p[m, n_keys] is 0: keys are taken in pairs. Meanwhile memory is asked
    for the next block, after the last one for what lies at address next_at.
    """
    total[:] = 0
    n_members, d = part.shape
    p_stride, d64, part_stride = np.int64(p.shape[1] * 2), np.int64(d), np.int64(d * 4)
    near = _near_keys(d64)
    for first in range(0, n_keys, near):
        last = first + near
        ahead = values_at + last * d64 if last < n_keys else next_at
        n_pairs = np.int64((min(near, n_keys - first) + 1) // 2)
        v_at = values_at + first * d64
        for i in range(0, d, simd.BYTES):
            member, asked = 0, ahead + i
            while member < n_members:
                p_at, v_own = address_of(p) + member * p_stride + first * 2, v_at + i
                out_at = address_of(part) + member * part_stride + 4 * i
                n, rest = (
                    min(n_members - member, members_of(isa)),
                    (n_pairs, out_at, part_stride, asked),
                )
                if n == 4:
                    simd.weighted_sums_4(isa, p_at, p_stride, v_own, d64, *rest)
                elif n == 3:
                    simd.weighted_sums_3(isa, p_at, p_stride, v_own, d64, *rest)
                elif n == 2:
                    simd.weighted_sums_2(isa, p_at, p_stride, v_own, d64, *rest)
                else:
                    simd.weighted_sums_1(isa, p_at, p_stride, v_own, d64, *rest)
                member += n
        for member in range(n_members):
            for i in range(d):
                total[member, i] += np.int64(part[member, i])
