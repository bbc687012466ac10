"""One decoding step of all lanes as a single kernel that several threads run together.

Every thread runs `step` with its own number. Between two barriers each does its part:
of a linear, a range of its outputs; of attention, some heads of some lanes; of the
rest, some rows. So a step reads the weights once, by all threads at once, and the
interpreter is called once. Not for `Way.PLAIN`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from llmzip.compiled import called, inlined, kernel
from llmzip.exact.cpu import pairs, simd, step_pairs, step_several, step_tiles
from llmzip.exact.cpu.attention import whole_factors
from llmzip.exact.cpu.fours import begin_products, end_products
from llmzip.exact.cpu.head import BLOCK, weigh
from llmzip.exact.cpu.instruction_set import InstructionSet
from llmzip.exact.cpu.prefill_head_passes import put_logits
from llmzip.exact.cpu.product import OUTPUTS, StepLinear, product
from llmzip.exact.cpu.rows import (
    activate_quantise,
    add_normalise,
    add_normalise_wide,
    embed_normalise,
    quantise_rows,
)
from llmzip.exact.cpu.scalars import address_of, borrowed, f32, keep, maximum, wide_vectors
from llmzip.exact.cpu.step_attention import (
    attend_group,
    first_key,
    fit_together,
    norms_of,
    put_group,
)
from llmzip.exact.cpu.step_several import attend_several, rows_together
from llmzip.exact.cpu.turned_rows import add_normed, add_normed_wide, embed, read_rows

STAGES = (
    "embedding",
    "qkv",
    "attention",
    "quantise",
    "out",
    "add, norm",
    "up",
    "activation",
    "down",
    "add, norm 2",
    "head",
    "frequencies",
)
"""What `StepWork.ticks` counts, and then what the threads wait for each other."""
# an int is a type of its own to numba, which would compile what takes a stage for each of them
EMBEDDING, QKV, ATTENTION, QUANTISE, OUT, ADD, UP, ACTIVATION, DOWN, ADD_WIDE, HEAD, SUMS = map(
    np.int64, range(len(STAGES))
)
WAITING = np.int64(len(STAGES))

ALL_KEYS = 1 << 62
"""A window that no lane fills."""
SPINS = 4000
"""Looks at the barrier before a thread gives way to others."""


class StepModel(NamedTuple):
    """What of a model the kernel reads."""

    embedding: NDArray[np.int16]
    embedding_scale: NDArray[np.float32]
    positions: NDArray[np.float32]
    cos: NDArray[np.float32]  # (tables, positions, blocks of a head, 32): see `head_blocks`
    sin: NDArray[np.float32]
    ropes: NDArray[np.int64]  # (layers,): which of the tables turns each; -1: none
    taken_gains: NDArray[np.float32]  # see `ModelView`
    added_gains: NDArray[np.float32]
    turned_block: int  # see `turned_rows.read_row`
    takes_normed: bool  # whether what layers take in is behind a norm
    gains: NDArray[np.float32]  # (layers, heads of queries and keys, d), or (layers, 0, 0)
    gain_first: bool
    d_head: int  # numbers of a head; what else there is of it in memory are zeros
    whole: bool  # whether all queries, and all keys, are normed together
    eps: float
    activation: int  # see `shape.Activation`
    score_scale: np.float32
    score_cap: NDArray[np.float32]  # see `caps.cap_of`
    logit_cap: NDArray[np.float32]
    windows: NDArray[np.int64]  # (layers,): keys in view of a position, its own among them
    isa: InstructionSet  # that of the way for which the weights are packed
    qkv: StepLinear
    out: StepLinear
    up: StepLinear
    down: StepLinear
    head: StepLinear

    def angles(self, layer: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """The table of RoPE that turns a layer; two that are empty where none does."""
        table = self.ropes[layer]
        if table < 0:
            return self.cos[0, :0], self.sin[0, :0]
        return self.cos[table], self.sin[table]

    def linear(self, name: str, layer: int = 0) -> tuple[NDArray[Any], ...]:
        """Weight, scale and bias of one of a layer, or of the `head`."""
        return tuple(part[layer] for part in getattr(self, name))

    def norms(self, layer: int) -> tuple[object, ...]:
        """A layer's angles, gains and norms, as `attention.split_heads` takes them."""
        norms = self.eps, self.gain_first, self.d_head, self.whole
        return (*self.angles(layer), self.score_scale), self.gains[layer], norms


class StepCache(NamedTuple):
    """The KV cache's arrays; see `CpuCache`."""

    keys: NDArray[np.int8]
    values: NDArray[np.int8]
    key_scales: NDArray[np.float32]
    value_scales: NDArray[np.float32]


class StepWork(NamedTuple):
    """What the threads share during a step; rows are padded to a multiple of PADDED_ROWS."""

    barrier: NDArray[np.int64]  # zero before a step; the first counts, the rest keeps others off
    stream: NDArray[np.float32]  # (rows, d_model)
    q: NDArray[np.int8]  # (rows, d_model)
    factors: NDArray[np.float32]  # (rows, 2): what norms all queries, and all keys, together
    mixed: NDArray[np.float32]  # (rows, heads, d_head)
    mixed_q: NDArray[np.int8]  # (rows, heads · d_head)
    scale: NDArray[np.float32]  # (rows,)
    aside_q: NDArray[np.int8]  # what attention leaves for the feed-forward: q and scale, unless
    aside_scale: NDArray[np.float32]  # that reads what attention has read, and nobody these
    sums: NDArray[np.int32]  # (rows, widest output but the head's)
    halves: NDArray[np.int8]  # (2 rows, d_ff): high halves of all rows, then low halves
    half_sums: NDArray[np.int32]  # (2 rows, d_model)
    thread_tops: NDArray[np.float32]  # (threads, rows)
    logits: NDArray[np.float32]  # (rows, vocabulary); in the end 2^(logit - the largest)
    blocks: NDArray[np.int64]  # (rows, blocks of the vocabulary)
    bias_of: NDArray[np.int64]  # (rows,): which of the head's biases each row has
    items: NDArray[np.int64]  # (rows · KV,): row · KV + head, in the order of attention
    several: NDArray[np.bool_]  # (1,): whether a lane has several rows
    configuration: NDArray[np.uint8]  # for tiles; else it has two axes
    wide: NDArray[np.int16]  # for pairs: each thread's rows, (threads, rows · widest input)
    ticks: NDArray[np.int64]  # (threads, len(STAGES) + 2): of each stage, waiting, the last look


@inlined
def _look(ticks: Any, me: int, stage: int) -> None:
    """Add the time since the last look to a stage's."""
    now, last = simd.ticks(), ticks.shape[1] - 1
    ticks[me, stage] += now - ticks[me, last]
    ticks[me, last] = now


@inlined
def _meet(work: Any, who: Any, stage: int, n_met: int) -> Any:
    """After `stage`: wait until all threads have met here n_met + 1 times; return that.

    who: the thread's number, and how many there are; so in all that follow.
    """
    me, n_threads = who
    _look(work.ticks, me, stage)
    if n_threads > 1:
        barrier = work.barrier
        place, goal, spins = address_of(barrier), np.int64((n_met + 1) * n_threads), 0
        if simd.fetch_and_add(place, np.int64(1)) + 1 < goal:
            while simd.fetch(place) < goal:
                spins += 1
                if spins > SPINS:
                    simd.give_way()
        _look(work.ticks, me, WAITING)
    return n_met + 1


@inlined
def _part(size: int, step: int, who: Any) -> Any:
    """The range of `size` items, in steps of `step`, that a thread takes."""
    me, n_threads = who
    n_steps = (size + step - 1) // step
    return n_steps * me // n_threads * step, min(size, n_steps * (me + 1) // n_threads * step)


@inlined
def _operand(weight: Any, q: Any, n_rows: int, wide: Any) -> Any:
    """int8 rows as products with `weight` take them; wide: scratch for int16."""
    if weight.ndim < 5:  # numba compiles what the array's type says, and no more
        return q
    rows = wide[: n_rows * q.shape[1]].reshape(n_rows, q.shape[1])
    pairs.widen(q[:n_rows], rows)
    return rows


@called
def _distributions(who: Any, n_rows: int, model: Any, work: Any, met: int) -> None:
    """The weights and the blocks' frequency sums of all rows, into `work`."""
    wide_vectors()
    model, work, (me, n_threads) = borrowed(model), borrowed(work), who
    v0, v1 = _part(work.logits.shape[1], BLOCK, who)
    sums = np.empty((work.q.shape[0], BLOCK), dtype=np.int32)
    tops = np.full(n_rows, f32(-np.inf))
    head, linear = model.head, (model.head.scale[0], model.head.bias, model.logit_cap)
    rows = _operand(head.weight, work.q, n_rows, work.wide[me])
    for first in range(v0, v1, BLOCK):
        last = min(first + BLOCK, v1)
        product(model.isa, rows, n_rows, head.weight, 0, (first, last, first), sums)
        put_logits(sums, 0, n_rows, first, linear, work.bias_of, work.scale, work.logits, tops)
    for row in range(n_rows):
        work.thread_tops[me, row] = tops[row]
    met = _meet(work, who, HEAD, met)
    for row in range(n_rows):
        top = maximum(work.thread_tops[:n_threads, row].copy())
        for first in range(v0, v1, BLOCK):
            line = work.logits[row, first : min(first + BLOCK, v1)]
            work.blocks[row, first // BLOCK] = weigh(line, top)
    _meet(work, who, SUMS, met)  # so that whoever leaves first may read the whole


@inlined
def _my_product(
    isa: Any, who: Any, a: Any, n_rows: int, linear: Any, layer: int, wide: Any, out: Any
) -> None:
    first, last = _part(linear.scale.shape[1], OUTPUTS, who)
    rows = _operand(linear.weight, a, n_rows, wide)
    product(isa, rows, n_rows, linear.weight, layer, (first, last, 0), out)


@inlined
def _multiply(who: Any, model: Any, work: Any, a: Any, n_rows: int, linear: Any, layer: int) -> Any:
    """A thread's part of the sums of rows `a` with a linear; returns all, (rows, n_out), shared."""
    rows, width = work.q.shape[0], linear.scale.shape[1]
    sums = work.sums[: rows * width].reshape(rows, width)
    _my_product(model.isa, who, a, n_rows, linear, layer, work.wide[who[0]], sums)
    return sums


@inlined
def _my_down(weight: Any, who: Any, model: Any, n_rows: int, layer: int, work: Any) -> None:
    """The product with the halves of the activations: sums of the high ones, then of the low ones.

    Pairs take both halves at once, and leave a sum in two.
    """
    if weight.ndim < 5:
        halves, sums = work.halves, work.half_sums
        linear, wide = model.down, work.wide[who[0]]
        _my_product(model.isa, who, halves, 2 * n_rows, linear, layer, wide, sums)
    else:
        d_ff, n_out = work.halves.shape[1], work.half_sums.shape[1]
        rows = work.wide[who[0], : n_rows * d_ff].reshape(n_rows, d_ff)
        pairs.join_halves(work.halves[:n_rows], work.halves[n_rows : 2 * n_rows], rows)
        first, last = _part(n_out, OUTPUTS, who)
        high, low = work.half_sums[:n_rows], work.half_sums[n_rows : 2 * n_rows]
        pairs.wide_product(rows, weight[layer], first, last, high, low)


@inlined
def _take_in(model: Any, index: int, x: Any, q: Any, s: Any) -> None:
    """See `turned_rows.take_in`."""
    normed = model.takes_normed or index == model.taken_gains.shape[0] - 1
    read_rows(x, model.taken_gains[index], model.turned_block, normed, model.eps, q, s)


@inlined
def _add(
    layer: int, sums: Any, linear: Any, scale: Any, model: Any, x: Any, q: Any, s: Any
) -> None:
    """Rows of sums of `out` to the stream x, which then is taken in: q, s."""
    own, gains = (linear.scale[layer], linear.bias[layer]), model.added_gains
    if gains.size:
        add_normed(sums, own, scale, gains[layer, 0], model.eps, x)
        _take_in(model, 2 * layer + 1, x, q, s)
    else:
        add_normalise(sums, own, scale, x, model.eps, q, s)


@inlined
def _add_wide(
    layer: int, high: Any, low: Any, linear: Any, model: Any, x: Any, q: Any, s: Any
) -> None:
    """The same of sums of halves, by `down`; s: their scales, replaced by those of q."""
    own, gains = (linear.scale[layer], linear.bias[layer]), model.added_gains
    if gains.size:
        add_normed_wide(high, low, own, s, gains[layer, 1], model.eps, x)
        _take_in(model, 2 * layer + 2, x, q, s)
    else:
        add_normalise_wide(high, low, own, s, x, model.eps, q, s)


@inlined
def _start(ids: Any, at: Any, model: Any, x: Any, q: Any, s: Any) -> None:
    """Rows of the stream x from tokens, and as the first layer takes them in: q, s."""
    tables = model.embedding, model.embedding_scale, model.positions
    if model.added_gains.size:
        embed(ids, at, tables, x)
        _take_in(model, 0, x, q, s)
    else:
        embed_normalise(ids, at, tables, model.eps, x, q, s)


@inlined
def _find_factors(
    who: Any, rows: Any, model: Any, work: Any, sums: Any, layer: int, met: int
) -> Any:
    """What norms all queries, and all keys, of the thread's rows, where that is one norm each."""
    if model.whole:
        scale, bias = model.qkv.scale[layer], model.qkv.bias[layer]
        own, norms = model.gains[layer], norms_of(model)
        for row in range(rows[0], rows[1]):
            s, n_heads = work.scale[row], work.mixed.shape[1]
            queries, keys = whole_factors(own, sums[row], scale, bias, s, n_heads, norms)
            work.factors[row, 0], work.factors[row, 1] = queries, keys
        met = _meet(work, who, QKV, met)
    return met


@called
def _attend(run: Any, rows: Any, layer: int, items: Any, scratch: Any) -> None:
    """Attention of a thread's items, from the first of two to before the other.

    run: see `put_group`. rows: their lanes and positions; so in what follows.
    """
    wide_vectors()
    run, (lanes, at), scratch = borrowed(run), borrowed(rows), borrowed(scratch)
    model, cache, work, _ = run
    n_rows, n_kv, (_, n_heads, d) = at.size, cache.keys.shape[2], work.mixed.shape
    (item, last), n_group = items, n_heads // n_kv
    while item < last:
        row, g = work.items[item] // n_kv, work.items[item] % n_kv
        lane, count = lanes[row], rows_together(cache.keys, work, lanes, item, last, n_kv)
        after = work.items[min(item + count, n_rows * n_kv - 1)]
        next_lane, next_g = lanes[after // n_kv], after % n_kv
        before = first_key(model, layer, at[after // n_kv])
        next_at = (
            address_of(cache.keys[layer, next_lane, next_g]) + before * d,
            address_of(cache.values[layer, next_lane, next_g]) + before * d,
            address_of(cache.key_scales[layer, next_lane, next_g]) + 4 * before,
            address_of(cache.value_scales[layer, next_lane, next_g]) + 4 * before,
        )
        item += count
        place = layer, row, g, lane, at[row]
        if count == 1 or fit_together(model.isa, count * n_group):
            attend_group(run, place, count, next_at, scratch)
        else:
            attend_several(run, place, count, next_at, scratch)


@called
def _layer(
    who: Any, rows: Any, model: Any, cache: Any, work: Any, layer: int, met: int, scratch: Any
) -> Any:
    """One transformer layer; returns how often the threads have met."""
    wide_vectors()
    (lanes, at), model, cache = borrowed(rows), borrowed(model), borrowed(cache)
    work, scratch = borrowed(work), borrowed(scratch)
    n_rows, n_kv = at.size, cache.keys.shape[2]
    r0, r1 = _part(n_rows, 1, who)
    scale, stream, q = work.scale[r0:r1], work.stream[r0:r1], work.q[r0:r1]
    sums = _multiply(who, model, work, work.q, n_rows, model.qkv, layer)
    met = _meet(work, who, QKV, met)
    met = _find_factors(who, (r0, r1), model, work, sums, layer, met)
    i0, i1 = _part(n_rows * n_kv, 1, who)
    run = model, cache, work, sums
    for item in range(i0, i1):
        row, g = work.items[item] // n_kv, work.items[item] % n_kv
        put_group(run, (layer, row, g, lanes[row], at[row]), scratch[0])
    if work.several[0]:  # rows of a lane see what others of it have put there
        met = _meet(work, who, ATTENTION, met)
    _attend(run, (lanes, at), layer, (i0, i1), scratch)
    met = _meet(work, who, ATTENTION, met)
    mixed = work.mixed.reshape(work.mixed_q.shape)
    aside_q, aside_scale = work.aside_q[r0:r1], work.aside_scale[r0:r1]
    quantise_rows(mixed[r0:r1], work.mixed_q[r0:r1], aside_scale)
    met = _meet(work, who, QUANTISE, met)
    sums = _multiply(who, model, work, work.mixed_q, n_rows, model.out, layer)
    met = _meet(work, who, OUT, met)
    _add(layer, sums[r0:r1], model.out, aside_scale, model, stream, aside_q, aside_scale)
    met = _meet(work, who, ADD, met)
    sums = _multiply(who, model, work, work.q, n_rows, model.up, layer)
    met = _meet(work, who, UP, met)
    high, low = work.halves[r0:r1], work.halves[n_rows + r0 : n_rows + r1]
    own = sums[r0:r1], model.up.scale[layer], model.up.bias[layer], scale, high, low, scale
    activate_quantise(model.activation, *own)
    met = _meet(work, who, ACTIVATION, met)
    _my_down(model.down.weight, who, model, n_rows, layer, work)
    met = _meet(work, who, DOWN, met)
    high_sums, low_sums = work.half_sums[r0:r1], work.half_sums[n_rows + r0 : n_rows + r1]
    _add_wide(layer, high_sums, low_sums, model.down, model, stream, q, scale)
    return _meet(work, who, ADD_WIDE, met)


@inlined
def _vector_scratch(keys: Any, n_keys: int, n_group: int, d: int) -> Any:
    if keys.ndim == 7:  # blocks for pairs
        return step_pairs.make_scratch(n_keys, n_group, d)
    return step_tiles.make_scratch(n_keys, d)


@kernel
def step(
    me: int, n_threads: int, ids: Any, lanes: Any, at: Any, model: Any, cache: Any, work: Any
) -> None:
    """Feed token ids (M,) to lanes (M,) at positions `at`; leave distributions in `work`.

    Rows of the same lane see each other, as far as they stand before. Thread `me` of n_threads;
    all must call it with the same arguments.
    """
    wide_vectors()
    ids, lanes, at = borrowed(ids), borrowed(lanes), borrowed(at)
    model, cache, work = borrowed(model), borrowed(cache), borrowed(work)
    n_rows, d, n_keys = ids.size, work.mixed.shape[2], cache.key_scales.shape[3] + simd.BYTES
    n_group = work.mixed.shape[1] // cache.keys.shape[2]
    n_queries = max(n_group, step_tiles.MEMBERS)
    vector_scratch = _vector_scratch(cache.keys, n_keys, n_group, d)
    own_scratch = (
        np.empty(d, dtype=np.float32),
        np.empty(d, dtype=np.float32),
        np.empty(d, dtype=np.int8),
        np.empty((n_queries, d), dtype=np.int8),
        np.empty(n_queries, dtype=np.float32),
        np.empty((n_group, simd.LANES), dtype=np.int32),
        np.empty((n_group, n_keys), dtype=np.int32),
        np.empty(n_keys, dtype=np.float32),
        np.empty((n_group, n_keys), dtype=np.int16),
        np.empty((n_group, d), dtype=np.int32),
        np.empty((n_group, d), dtype=np.int64),
        np.empty(n_group, dtype=np.float32),
    )
    several_scratch = step_several.make_scratch(work.configuration, n_keys, n_group, d)
    all_scratch = own_scratch, vector_scratch, several_scratch
    scratch, who = borrowed(all_scratch), (me, n_threads)
    work.ticks[me, work.ticks.shape[1] - 1] = simd.ticks()
    r0, r1 = _part(n_rows, 1, who)
    stream = work.stream[r0:r1], work.q[r0:r1], work.scale[r0:r1]
    _start(ids[r0:r1], at[r0:r1], model, *stream)
    begin_products(model.isa, work.configuration)
    met = _meet(work, who, EMBEDDING, 0)
    for layer in range(model.qkv.weight.shape[0]):
        met = _layer(who, (lanes, at), model, cache, work, layer, met, scratch)
    _distributions(who, n_rows, model, work, met)
    end_products(model.isa)
    keep(all_scratch)
