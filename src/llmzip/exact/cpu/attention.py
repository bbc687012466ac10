"""Attention kernels: queries, keys and values into the cache, the integer softmax, P·V.

Heads share keys in groups: G query heads read one KV head. n is the number of keys.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from llmzip.compiled import called, inlined, kernel
from llmzip.exact.constants import SUM_BITS
from llmzip.exact.cpu.caps import cap_scores
from llmzip.exact.cpu.head_blocks import BLOCK
from llmzip.exact.cpu.rows import I16_LIMIT, I16_UNIT, dequantise_row, norm_factor, quantise_row
from llmzip.exact.cpu.scalars import (
    WHOLE_BITS,
    borrowed,
    exp2_below,
    f32,
    high_byte,
    i32,
    joined,
    keep,
    largest,
    low_byte,
    maximum,
    rounded,
    rounded_bits,
    wide_vectors,
)

SUM_SCALE = f32(1 << SUM_BITS)
SUM_UNIT = f32(2.0**-SUM_BITS)
EXACT_KEYS = 512
"""Keys whose 16 by 8 bit products int32 sums without overflow: 32639 · 127 · 512 < 2^31."""
SUM_KEYS = 4096
"""Keys whose weights int32 sums: 2^18 · 4096 < 2^31."""
STEP_KEYS = 4
"""Keys whose values are added at once; divides EXACT_KEYS and the cache's size."""


@inlined
def _rotate_row(x: Any, cos: Any, sin: Any, turned: Any) -> None:
    """RoPE on one head, or block by block of one; see `Reference._rotate` and `head_blocks`."""
    wide_vectors()
    if cos.ndim == 1:  # numba compiles what the array's type says, and no more
        _rotate_halves(x, cos, sin, turned)
    else:
        for block in range(cos.shape[0]):
            own = slice(block * BLOCK, (block + 1) * BLOCK)
            _rotate_halves(x[own], cos[block], sin[block], turned[own])


@inlined
def _rotate_halves(x: Any, cos: Any, sin: Any, turned: Any) -> None:
    wide_vectors()
    half = cos.size
    for i in range(half):
        turned[i] = x[i] * cos[i] - x[half + i] * sin[i]
    for i in range(half):
        turned[half + i] = x[half + i] * cos[i] + x[i] * sin[i]


@called
def _norm_row(gains: Any, head: int, norms: Any, factor: Any, x: Any) -> None:
    """The norm of a query or key, in place, and its gain unless that comes after RoPE."""
    wide_vectors()
    (eps, gain_first, width, whole), gain = norms, gains[head]
    own = factor if whole else norm_factor(x, eps, width)
    for i in range(x.size):
        x[i] = x[i] * own
    if whole or gain_first:
        for i in range(x.size):
            x[i] = x[i] * gain[i]


@called
def _gain_row(gains: Any, head: int, norms: Any, x: Any) -> None:
    """The gain that comes after RoPE, in place."""
    wide_vectors()
    (_, gain_first, _, whole), gain = norms, gains[head]
    if not whole and not gain_first:
        for i in range(x.size):
            x[i] = x[i] * gain[i]


@inlined
def place_head(
    gains: Any, head: int, norms: Any, factor: Any, angles: Any, x: Any, spare: Any
) -> Any:
    """A query or key, by its head, normed and rotated, in x or spare: (result, other).

    gains: (H + KV, d), or (0, …) where there are no norms. norms: eps, whether gains come before
    RoPE, how many numbers a head has beside zeros, and whether all heads have one norm: then
    factor is its, see `whole_factors`. angles: whether there is RoPE, and tables, cos and sin, that
    begin with the head's position. See `Reference._placed`.
    """
    rotary, cos, sin = angles
    normed = gains.shape[0] > 0
    if normed:  # functions of their own: a head without norms goes through as if there were none
        _norm_row(gains, head, norms, factor, x)
    if rotary:
        _rotate_row(x, cos[0], sin[0], spare)
        x, spare = spare, x
    if normed:
        _gain_row(gains, head, norms, x)
    return x, spare


@inlined
def head_values(sums: Any, scale: Any, bias: Any, s: Any, first: int, x: Any) -> None:
    """One head's float32 values x (d,), from sums[first : first + d]."""
    own = slice(first, first + x.size)
    dequantise_row(sums[own], scale[own], bias[own], s, x)


@inlined
def whole_factors(
    gains: Any, sums: Any, scale: Any, bias: Any, s: Any, n_heads: int, norms: Any
) -> Any:
    """What norms a row's queries, and its keys, where that is one norm for all heads.

    norms: see `place_head`.
    """
    eps, _, d_head, whole = norms
    if whole:
        n_normed, d = gains.shape
        x = np.empty(n_normed * d, dtype=np.float32)
        head_values(sums, scale, bias, s, 0, x)
        queries, keys = x[: n_heads * d], x[n_heads * d :]
        n_keys = n_normed - n_heads
        return norm_factor(queries, eps, n_heads * d_head), norm_factor(keys, eps, n_keys * d_head)
    return f32(1), f32(1)


@inlined
def put_value(value: Any, values: Any, at: Any) -> None:
    """A position's value (d,) to its place in those of its lane and head.

    values: int8 (positions / n, d, n), n positions lying together.
    """
    wide_vectors()
    together = values.shape[2]
    place, part = at // together, at % together
    for i in range(value.size):
        values[place, i, part] = value[i]


@inlined
def put_key(x: Any, keys: Any, at: Any, spare: Any) -> Any:
    """Quantise a position's key (d,) into those of its lane and head; return its scale.

    keys: int8 (positions, d), or blocks of n positions (positions / n, d / m, n, m). spare: (d,).
    """
    wide_vectors()
    if keys.ndim == 2:  # numba compiles what the array's type says, and no more
        return quantise_row(x, keys[at])
    scale = quantise_row(x, spare)
    block, own, together = at // keys.shape[2], at % keys.shape[2], keys.shape[3]
    for i in range(spare.size):
        keys[block, i // together, own, i % together] = spare[i]
    return scale


@kernel
def split_heads(sums: Any, linear: Any, s_in: Any, placing: Any) -> None:
    """De-quantise sums (M, (H + 2 KV) d), norm, rotate, quantise; keys, values go to the cache.

    linear: scale and bias. s_in: (M,). placing: the rows' lanes and positions, (M,); cos, sin and
    what queries' scales are multiplied by; gains, and norms, see `place_head`; and where heads go,
    each with their scales: queries, int8 (KV, M, G, d), with float32 (KV, M, G), keys and values,
    one layer of the cache, (n_lanes, KV, …), see `put_key` and `put_value`.
    """
    wide_vectors()
    sums, (scale, bias) = borrowed(sums), borrowed(linear)
    (lanes, at), (cos, sin, score_scale), gains, norms, targets = borrowed(placing)
    q, q_scale, keys, key_scales, values, value_scales = targets
    n_kv, n_rows, n_group, d = q.shape
    n_heads = n_kv * n_group
    own = np.empty(d, dtype=np.float32), np.empty(d, dtype=np.float32), np.empty(d, dtype=np.int8)
    x, spare, value = borrowed(own)
    for row in range(n_rows):
        s, lane, position = s_in[row], lanes[row], at[row]
        factors = whole_factors(gains, sums[row], scale, bias, s, n_heads, norms)
        for head in range(n_heads + 2 * n_kv):
            head_values(sums[row], scale, bias, s, head * d, x)
            if head < n_heads + n_kv:
                rotary, factor = cos.shape[0] > 0, factors[head // n_heads]
                p = position if rotary else 0
                angles = rotary, cos[p:], sin[p:]
                x, spare = place_head(gains, head, norms, factor, angles, x, spare)
            if head < n_heads:
                g, member = head // n_group, head % n_group
                q_scale[g, row, member] = quantise_row(x, q[g, row, member]) * score_scale
            elif head < n_heads + n_kv:
                g = head - n_heads
                key_scales[lane, g, position] = put_key(x, keys[lane, g], position, value)
            else:
                g = head - n_heads - n_kv
                value_scales[lane, g, position] = quantise_row(x, value)
                put_value(value, values[lane, g], position)
    keep(own)


@inlined
def _weigh(work: Any, value_scales: Any, top: Any, q_scale: Any) -> Any:
    """Scores to weights times value scales, in place; return the weights' integer sum."""
    wide_vectors()
    total = i32(0)
    for j in range(work.size):
        weight = exp2_below((work[j] - top) * q_scale)
        total = i32(total + rounded_bits(weight * SUM_SCALE))
        work[j] = weight * value_scales[j]
    return i32(total - i32(i32(work.size) * WHOLE_BITS))  # overflows and comes back


@inlined
def softmax_row(
    scores: Any, key_scales: Any, value_scales: Any, q_scale: Any, cap: Any, work: Any
) -> Any:
    """Weights times value scales into `work` (n,), and the factor that undoes their scale.

    See `reference._attend`; all rows have the same length, the visible keys. Returns
    (inverse, factor): p = rint(work · inverse), output = Σ p v · factor.
    """
    wide_vectors()
    n = work.size
    for j in range(n):
        work[j] = f32(scores[j]) * key_scales[j]
    unit = cap_scores(cap, q_scale, work)
    top = maximum(work)
    total = np.int64(0)
    for first in range(0, n, SUM_KEYS):
        last = min(first + SUM_KEYS, n)
        total += np.int64(_weigh(work[first:last], value_scales[first:last], top, unit))
    largest_weight = largest(work)
    factor = (largest_weight * I16_UNIT) / (f32(total) * SUM_UNIT)
    return I16_LIMIT / largest_weight, factor


@inlined
def weigh_row(scores: Any, scales: Any, q_scale: Any, cap: Any, work: Any, p: Any) -> Any:
    """As `softmax_row`, with the weights as int16 p (n,) in the end; returns the factor.

    scales: of keys and of values.
    """
    wide_vectors()
    inverse, factor = softmax_row(scores, scales[0], scales[1], q_scale, cap, work)
    for j in range(p.size):
        p[j] = np.int16(rounded(work[j] * inverse))
    return factor


@kernel
def softmax_rows(scores: Any, scales: Any, cap: Any, seen: Any, found: Any) -> None:
    """Causal softmax of scores (M G, n) int32, row r at position start + r // G of these keys.

    scales, float32: of queries (M, G), keys and values (n,). seen: start, and how many keys a row
    sees, its own among them. found, which is filled in: p's halves (M G, n), zero where a key is
    not visible, and factors (M G,).
    """
    wide_vectors()
    (q_scale, key_scales, value_scales), cap, (start, window) = scales, borrowed(cap), seen
    high, low, factor = found
    n_rows, n_keys = scores.shape
    n_group = q_scale.shape[1]
    work = np.empty(n_keys, dtype=np.float32)
    for row in range(n_rows):
        seen = min(start + row // n_group + 1, n_keys)
        first = max(0, seen - window)
        inverse, factor[row] = softmax_row(
            scores[row, first:seen],
            key_scales[first:seen],
            value_scales[first:seen],
            q_scale[row // n_group, row % n_group],
            cap,
            work[first:seen],
        )
        h_row, l_row = high[row], low[row]
        h_row[:first] = 0
        l_row[:first] = 0
        shown, h_shown, l_shown = work[first:seen], h_row[first:seen], l_row[first:seen]
        for j in range(shown.size):  # from 0, or LLVM makes no vectors of it
            bits = rounded_bits(shown[j] * inverse)
            h_shown[j] = high_byte(bits)
            l_shown[j] = low_byte(bits)
        h_row[seen:] = 0
        l_row[seen:] = 0


@kernel
def mix_heads(high: Any, low: Any, factor: Any, group: int, mixed: Any) -> None:
    """Join P·V's halves (M G, d) int32 of KV head `group` into mixed (M, H, d) float32."""
    wide_vectors()
    n_group = high.shape[0] // mixed.shape[0]
    for row in range(high.shape[0]):
        h, low_row, f = high[row], low[row], factor[row]
        target = mixed[row // n_group, group * n_group + row % n_group]
        for i in range(target.size):
            target[i] = joined(h[i], low_row[i]) * f


@lru_cache
def step_attention(d_head: int, n_group: int) -> Any:
    """The kernel `attend` for heads of this size: constants let LLVM unroll and vectorise.

    It closes over nothing but these two numbers, so that its cached form is found again.

    attend(own, rows, mixed): attention of one query row a lane over its last keys into mixed
    (M, H, d) float32. own: as for `pair_attention.attend`, but one layer of the cache, whose
    positions are a multiple of STEP_KEYS. rows: their lanes and positions, and how many keys each
    sees.
    """

    @kernel
    def attend(own: Any, rows: Any, mixed: Any) -> None:
        wide_vectors()
        q, q_scale, keys, key_scales, values, value_scales, cap = borrowed(own)
        (lanes, at, window), size = rows, keys.shape[2]
        queries = np.empty((n_group, d_head), dtype=np.int16)
        scores, work = np.empty((n_group, size), dtype=np.int32), np.empty(size, dtype=np.float32)
        p, factors = np.empty((n_group, size), dtype=np.int16), np.empty(n_group, dtype=np.float32)
        part = np.empty((n_group, d_head), dtype=np.int32)
        total = np.empty((n_group, d_head), dtype=np.int64)
        for row in range(lanes.size):
            lane, n_keys = lanes[row], at[row] + 1
            seen = max(0, n_keys - window)
            begin = seen // STEP_KEYS * STEP_KEYS
            padded = (n_keys + STEP_KEYS - 1) // STEP_KEYS * STEP_KEYS
            for g in range(keys.shape[1]):
                for member in range(n_group):
                    for i in range(d_head):
                        queries[member, i] = q[g, row, member, i]
                for j in range(seen, n_keys):
                    key = keys[lane, g, j]
                    for member in range(n_group):
                        query, dot = queries[member], i32(0)
                        for i in range(d_head):
                            dot = i32(dot + i32(i32(query[i]) * i32(key[i])))
                        scores[member, j] = dot
                for member in range(n_group):
                    weights, own_scale = p[member], q_scale[g, row, member]
                    scales = key_scales[lane, g, seen:n_keys], value_scales[lane, g, seen:n_keys]
                    places = work[seen:n_keys], weights[seen:n_keys]
                    own_scores = scores[member, seen:n_keys]
                    factors[member] = weigh_row(own_scores, scales, own_scale, cap, *places)
                    weights[begin:seen] = 0
                    weights[n_keys:padded] = 0
                total[:] = 0
                for first in range(begin, padded, EXACT_KEYS):
                    last = min(first + EXACT_KEYS, padded)
                    part[:] = 0
                    for j in range(first, last, STEP_KEYS):
                        v0, v1 = values[lane, g, j], values[lane, g, j + 1]
                        v2, v3 = values[lane, g, j + 2], values[lane, g, j + 3]
                        for member in range(n_group):
                            p0, p1 = i32(p[member, j]), i32(p[member, j + 1])
                            p2, p3 = i32(p[member, j + 2]), i32(p[member, j + 3])
                            target = part[member]
                            for i in range(d_head):
                                front = i32(i32(p0 * i32(v0[i])) + i32(p1 * i32(v1[i])))
                                back = i32(i32(p2 * i32(v2[i])) + i32(p3 * i32(v3[i])))
                                target[i] = i32(target[i] + i32(front + back))
                    for member in range(n_group):
                        for i in range(d_head):
                            total[member, i] += np.int64(part[member, i])
                for member in range(n_group):
                    target = mixed[row, g * n_group + member]
                    for i in range(d_head):
                        target[i] = f32(total[member, i]) * factors[member]

    return attend
