"""One decoding step of all lanes as a single kernel that several threads run together.

Every thread runs `step` with its own number. Between two barriers each does its part:
of a linear, a range of its outputs; of attention, some heads of some lanes; of the
rest, some rows. So a step reads the weights once, by all threads at once, and the
interpreter is called once. Needs `simd.AVAILABLE`, and widths that are multiples of
its vectors (see `fits`).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from llmzip.exact.cpu import simd
from llmzip.exact.cpu.attention import EXACT_KEYS, head_values, softmax_row
from llmzip.exact.cpu.head import BLOCK, frequency_sum
from llmzip.exact.cpu.rows import (
    add_normalise,
    add_normalise_wide,
    embed_normalise,
    gate_quantise,
    gelu_quantise,
    quantise_row,
    quantise_rows,
)
from llmzip.exact.cpu.scalars import f32, i32, inlined, kernel, maximum
from llmzip.exact.model import ModelShape

COLUMNS = 4
"""Activation rows that a GEMM block takes: buffers have a multiple of this many."""
NEAR_KEYS = 256
"""Keys whose rows stay in the first cache while all queries of a group read them.

At most EXACT_KEYS, so that int32 holds their weighted sum.
"""
assert NEAR_KEYS <= EXACT_KEYS
SPINS = 4000
"""Looks at the barrier before a thread gives way to others."""


def fits(shape: ModelShape) -> bool:
    """Can `step` run a model of this shape on this processor?"""
    widths = (shape.d_model, shape.d_ff, shape.n_heads * shape.d_head)
    return (
        simd.AVAILABLE
        and shape.d_head == simd.BYTES
        and all(width % simd.BYTES == 0 for width in widths)
    )


class StepLinear(NamedTuple):
    """The same linear of all layers (the first axis); the head has one."""

    weight: NDArray[np.int8]  # (layers, n_out, n_in)
    address: NDArray[np.int64]  # (layers,) where each layer's weights begin
    correction: NDArray[np.int32]  # (layers, n_out)
    scale: NDArray[np.float32]  # (layers, n_out)
    bias: NDArray[np.float32]  # (layers, n_out) or (layers, 0)


class StepModel(NamedTuple):
    """What of a model the kernel reads."""

    embedding: NDArray[np.int16]
    embedding_scale: NDArray[np.float32]
    positions: NDArray[np.float32]
    cos: NDArray[np.float32]
    sin: NDArray[np.float32]
    eps: float
    gated: bool
    score_scale: np.float32
    qkv: StepLinear
    out: StepLinear
    up: StepLinear
    down: StepLinear
    head: StepLinear


class StepCache(NamedTuple):
    """The KV cache's arrays; see `KVCache`."""

    keys: NDArray[np.int8]
    values: NDArray[np.int8]
    key_scales: NDArray[np.float32]
    value_scales: NDArray[np.float32]


class StepWork(NamedTuple):
    """What the threads share during a step; rows are padded to a multiple of COLUMNS."""

    barrier: NDArray[np.int64]  # (1,), zero before a step
    stream: NDArray[np.float32]  # (rows, d_model)
    q: NDArray[np.int8]  # (rows, d_model)
    mixed: NDArray[np.float32]  # (rows, heads, d_head)
    mixed_q: NDArray[np.int8]  # (rows, heads · d_head)
    scale: NDArray[np.float32]  # (rows,)
    sums: NDArray[np.int32]  # (rows, widest output but the head's)
    halves: NDArray[np.int8]  # (2 rows, d_ff): high halves of all rows, then low halves
    half_sums: NDArray[np.int32]  # (2 rows, d_model)
    thread_tops: NDArray[np.float32]  # (threads, rows)
    logits: NDArray[np.float32]  # (rows, vocabulary)
    tops: NDArray[np.float32]  # (rows,)
    blocks: NDArray[np.int64]  # (rows, blocks of the vocabulary)


@inlined
def _address(array: Any) -> Any:
    return np.int64(array.ctypes.data)


@inlined
def _meet(barrier: Any, n_threads: int, n_met: int) -> Any:
    """Wait until all threads have come here for the time n_met + 1; return n_met + 1."""
    if n_threads > 1:
        place, goal, spins = _address(barrier), np.int64((n_met + 1) * n_threads), 0
        if simd.fetch_and_add(place, np.int64(1)) + 1 < goal:
            while simd.fetch(place) < goal:
                spins += 1
                if spins > SPINS:
                    simd.give_way()
    return n_met + 1


@inlined
def _part(size: int, step: int, me: int, n_threads: int) -> Any:
    """The range of `size` items, in steps of `step`, that thread `me` takes."""
    n_steps = (size + step - 1) // step
    return n_steps * me // n_threads * step, min(size, n_steps * (me + 1) // n_threads * step)


@inlined
def _product_rest(
    n_rest: int, w_at: Any, n_inner: Any, x_at: Any, c_at: Any, y_at: Any, stride: Any
) -> None:
    """The one or two rows of activations that blocks of COLUMNS leave; addresses all."""
    if n_rest == 1:
        simd.weights_16x1(w_at, n_inner, x_at, n_inner, n_inner, c_at, y_at, stride, w_at)
        return
    for i in range(0, simd.LANES, 8):
        rows_at, undo_at, out_at = w_at + i * n_inner, c_at + i * 4, y_at + i * 4
        simd.weights_8x2(rows_at, n_inner, x_at, n_inner, n_inner, undo_at, out_at, stride, w_at)


@kernel
def product(
    a: Any, n_rows: int, linear: Any, layer: int, first: int, last: int, shift: int, out: Any
) -> None:
    """Outputs first … last - 1 of a linear for int8 rows a (n_rows, K), as int32 sums.

    Output n goes to out[:, n - shift]. a and out have rows for a multiple of COLUMNS.
    """
    weight, undo_at = linear.address[layer], _address(linear.correction[layer])
    n_inner, stride = np.int64(a.shape[1]), np.int64(out.shape[1] * 4)
    a_at, out_at = _address(a), _address(out) - shift * 4
    full = first + (last - first) // simd.LANES * simd.LANES
    for n in range(first, full, simd.LANES):
        w_at, c_at, o_at = weight + n * n_inner, undo_at + n * 4, out_at + n * 4
        next_at = w_at + simd.LANES * n_inner
        row = 0
        while n_rows - row >= 3:
            x_at, y_at = a_at + row * n_inner, o_at + row * stride
            for i in range(0, simd.LANES, 4):
                rows_at, undo_rows_at, out_rows_at = w_at + i * n_inner, c_at + i * 4, y_at + i * 4
                if n_rows > 2 * COLUMNS:
                    ahead = next_at + min(row + i // 4, simd.LANES - 1) * n_inner
                    simd.weights_4x4_busy(
                        rows_at,
                        n_inner,
                        x_at,
                        n_inner,
                        n_inner,
                        undo_rows_at,
                        out_rows_at,
                        stride,
                        ahead,
                    )
                else:
                    simd.weights_4x4(
                        rows_at,
                        n_inner,
                        x_at,
                        n_inner,
                        n_inner,
                        undo_rows_at,
                        out_rows_at,
                        stride,
                        next_at + i * n_inner,
                    )
            row += COLUMNS
        if row < n_rows:
            x_at, y_at = a_at + row * n_inner, o_at + row * stride
            _product_rest(n_rows - row, w_at, n_inner, x_at, c_at, y_at, stride)
    if full < last:
        _product_tail(a, n_rows, linear, layer, full, last, shift, out)


@kernel
def _product_tail(
    a: Any, n_rows: int, linear: Any, layer: int, first: int, last: int, shift: int, out: Any
) -> None:
    """As `product`, for fewer outputs than a vector has: their weights are copied and padded."""
    n_inner, n_outputs = np.int64(a.shape[1]), last - first
    weights = np.empty((simd.LANES, n_inner), dtype=np.int8)
    undo, sums = np.zeros(simd.LANES, dtype=np.int32), np.empty(simd.LANES, dtype=np.int32)
    source = linear.address[layer] + first * n_inner
    simd.copy_bytes(_address(weights), source, n_outputs * n_inner)
    undo[:n_outputs] = linear.correction[layer, first:last]
    zero = np.int64(0)
    for row in range(n_rows):
        x_at = _address(a) + row * n_inner
        w_at, undo_at, sums_at = _address(weights), _address(undo), _address(sums)
        simd.weights_16x1(w_at, n_inner, x_at, n_inner, n_inner, undo_at, sums_at, zero, w_at)
        out[row, first - shift : last - shift] = sums[:n_outputs]


@kernel
def _attend(
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
    x, spare, queries, query_scales, undo, scores, weights, p, part, total, factors = scratch
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
    value_scales[at] = quantise_row(x, values[at])
    for member in range(n_group):
        head = g * n_group + member
        x, spare = head_values(line, scale, bias, s, head * d, rotary, cos, sin, x, spare)
        query_scales[member] = quantise_row(x, queries[member]) * model.score_scale
        undo[member, :] = i32(simd.SIGN_BITS * _byte_sum(queries[member]))
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
            line_p[j] = np.int16(i32(np.rint(weights[j] * inverse)))
        line_p[n_keys] = 0
    _mix(p, values, n_keys, next_at, part, total)
    for member in range(n_group):
        target = work.mixed[row, g * n_group + member]
        for i in range(d):
            target[i] = f32(total[member, i]) * factors[member]


@inlined
def _fill_scores(queries: Any, undo: Any, keys: Any, values: Any, n_keys: int, scores: Any) -> None:
    """scores[m, j] = queries[m] · keys[j], a block of keys for all queries at a time.

    Meanwhile memory is asked for the next block, after the last one for the values.
    """
    stride, zero, values_at = np.int64(keys.shape[1]), np.int64(0), _address(values)
    for first in range(0, n_keys, NEAR_KEYS):
        last = first + NEAR_KEYS
        ahead = _address(keys) + last * stride if last < n_keys else values_at
        for member in range(queries.shape[0]):
            query_at, undo_at = _address(queries[member]), _address(undo[member])
            keys_at, scores_at = _address(keys), _address(scores[member])
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
        ahead = _address(values) + last * d64 if last < n_keys else next_at
        n_pairs = np.int64((min(NEAR_KEYS, n_keys - first) + 1) // 2)
        v_at = _address(values) + first * d64
        member = 0
        while member < n_members:
            p_at = _address(p) + member * p_stride + first * 2
            out_at = _address(part) + member * part_stride
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


@kernel
def _head_block(
    head: Any, work: Any, n_rows: int, first: int, last: int, sums: Any, tops: Any
) -> None:
    """Logits of tokens first … last - 1 of all rows; `tops` (rows,) takes their largest."""
    product(work.q, n_rows, head, 0, first, last, first, sums)
    scale, bias = head.scale[0, first:last], head.bias[0, first:last]
    for row in range(n_rows):
        line, s, row_sums = work.logits[row, first:last], work.scale[row], sums[row]
        for v in range(line.size):
            line[v] = f32(row_sums[v]) * scale[v] * s
        if bias.size:
            for v in range(line.size):
                line[v] = line[v] + bias[v]
        tops[row] = max(tops[row], maximum(line))


@kernel
def _distributions(me: int, n_threads: int, n_rows: int, head: Any, work: Any, met: int) -> None:
    """Logits, their largest and the blocks' frequency sums of all rows, into `work`."""
    vocabulary = work.logits.shape[1]
    v0, v1 = _part(vocabulary, BLOCK, me, n_threads)
    sums = np.empty((work.q.shape[0], BLOCK), dtype=np.int32)
    tops = np.full(n_rows, f32(-np.inf))
    for first in range(v0, v1, BLOCK):
        _head_block(head, work, n_rows, first, min(first + BLOCK, v1), sums, tops)
    work.thread_tops[me, :n_rows] = tops
    met = _meet(work.barrier, n_threads, met)
    for row in range(n_rows):
        top = maximum(work.thread_tops[:n_threads, row].copy())
        if me == 0:
            work.tops[row] = top
        for first in range(v0, v1, BLOCK):
            line = work.logits[row, first : min(first + BLOCK, v1)]
            work.blocks[row, first // BLOCK] = frequency_sum(line, top)


@inlined
def _sums_of(work: Any, linear: Any) -> Any:
    """The shared sums, shaped for a linear: (rows, n_out)."""
    rows, width = work.q.shape[0], linear.scale.shape[1]
    return work.sums[: rows * width].reshape(rows, width)


@inlined
def _my_product(
    me: int, n_threads: int, a: Any, n_rows: int, linear: Any, layer: int, out: Any
) -> None:
    first, last = _part(linear.scale.shape[1], simd.LANES, me, n_threads)
    product(a, n_rows, linear, layer, first, last, 0, out)


@kernel
def _layer(
    me: int,
    n_threads: int,
    lanes: Any,
    at: Any,
    model: Any,
    cache: Any,
    work: Any,
    layer: int,
    met: int,
    scratch: Any,
) -> Any:
    """One transformer layer; returns how often the threads have met."""
    n_rows, n_kv = at.size, cache.keys.shape[2]
    r0, r1 = _part(n_rows, 1, me, n_threads)
    scale, stream, q = work.scale[r0:r1], work.stream[r0:r1], work.q[r0:r1]
    sums = _sums_of(work, model.qkv)
    _my_product(me, n_threads, work.q, n_rows, model.qkv, layer, sums)
    met = _meet(work.barrier, n_threads, met)
    for item in range(n_rows * n_kv * me // n_threads, n_rows * n_kv * (me + 1) // n_threads):
        row, g = item // n_kv, item % n_kv
        after = min(item + 1, n_rows * n_kv - 1)
        next_at = _address(cache.keys[layer, lanes[after // n_kv], after % n_kv])
        _attend(model, cache, work, sums, layer, row, g, lanes[row], at[row], next_at, scratch)
    met = _meet(work.barrier, n_threads, met)
    mixed = work.mixed.reshape(work.mixed_q.shape)
    quantise_rows(mixed[r0:r1], work.mixed_q[r0:r1], scale)
    met = _meet(work.barrier, n_threads, met)
    linear = model.out
    sums = _sums_of(work, linear)
    _my_product(me, n_threads, work.mixed_q, n_rows, linear, layer, sums)
    met = _meet(work.barrier, n_threads, met)
    add_normalise(
        sums[r0:r1], linear.scale[layer], linear.bias[layer], scale, stream, model.eps, q, scale
    )
    met = _meet(work.barrier, n_threads, met)
    linear = model.up
    sums = _sums_of(work, linear)
    _my_product(me, n_threads, work.q, n_rows, linear, layer, sums)
    met = _meet(work.barrier, n_threads, met)
    high, low = work.halves[r0:r1], work.halves[n_rows + r0 : n_rows + r1]
    bias = linear.bias[layer]
    if model.gated:
        gate_quantise(sums[r0:r1], linear.scale[layer], bias, scale, high, low, scale)
    else:
        gelu_quantise(sums[r0:r1], linear.scale[layer], bias, scale, high, low, scale)
    met = _meet(work.barrier, n_threads, met)
    linear = model.down
    _my_product(me, n_threads, work.halves, 2 * n_rows, linear, layer, work.half_sums)
    met = _meet(work.barrier, n_threads, met)
    add_normalise_wide(
        work.half_sums[r0:r1],
        work.half_sums[n_rows + r0 : n_rows + r1],
        linear.scale[layer],
        linear.bias[layer],
        scale,
        stream,
        model.eps,
        q,
        scale,
    )
    return _meet(work.barrier, n_threads, met)


@kernel
def step(
    me: int, n_threads: int, ids: Any, lanes: Any, at: Any, model: Any, cache: Any, work: Any
) -> None:
    """Feed token ids (M,) to lanes (M,) at positions `at`; leave distributions in `work`.

    Thread `me` of n_threads; all must call it with the same arguments.
    """
    n_rows, d, n_keys = ids.size, cache.keys.shape[4], cache.keys.shape[3] + simd.LANES
    n_group = work.mixed.shape[1] // cache.keys.shape[2]
    scratch = (
        np.empty(d, dtype=np.float32),
        np.empty(d, dtype=np.float32),
        np.empty((n_group, d), dtype=np.int8),
        np.empty(n_group, dtype=np.float32),
        np.empty((n_group, simd.LANES), dtype=np.int32),
        np.empty((n_group, n_keys), dtype=np.int32),
        np.empty(n_keys, dtype=np.float32),
        np.empty((n_group, n_keys), dtype=np.int16),
        np.empty((n_group, d), dtype=np.int32),
        np.empty((n_group, d), dtype=np.int64),
        np.empty(n_group, dtype=np.float32),
    )
    r0, r1 = _part(n_rows, 1, me, n_threads)
    embed_normalise(
        ids[r0:r1],
        at[r0:r1],
        model.embedding,
        model.embedding_scale,
        model.positions,
        model.eps,
        work.stream[r0:r1],
        work.q[r0:r1],
        work.scale[r0:r1],
    )
    met = _meet(work.barrier, n_threads, 0)
    for layer in range(model.qkv.address.size):
        met = _layer(me, n_threads, lanes, at, model, cache, work, layer, met, scratch)
    _distributions(me, n_threads, n_rows, model.head, work, met)
