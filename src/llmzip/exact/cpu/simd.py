"""Integer dot products in LLVM's own vectors, for what the loop vectoriser does not find.

Those of attention in a decoding step, by a `Dot`; and what threads need of memory. Sums of integers
have no order, so the results are those of any other loop.

Addresses are int64 and need no alignment; strides are in bytes.
"""

from __future__ import annotations

import platform
from collections.abc import Iterator, Sequence
from typing import Any

from llmzip.compiled.compiler import binding, cgutils, ir
from llmzip.exact.cpu.instruction_set import (
    ask_for,
    at,
    broadcast,
    call,
    emitted,
    i8,
    i16,
    i32,
    i64,
    load,
    shuffled,
    store,
)

ARM = "aarch64", "arm64"
"""What `platform.machine` calls processors of this kind."""
_READABLE = 22
"""The version of LLVM from which on its counter on ARM is known to be one for programs."""
BYTES = 64
"""Inner lengths are multiples of this."""
LANES = 16
"""int32 of as many bytes, and the dot products that one call computes."""


def _fold_orders(n: int) -> Iterator[tuple[list[int], list[int]]]:
    """How n vectors of n int32 are transposed and added, level by level.

    The first two levels stay within 128-bit parts, where shuffles are cheapest.
    """
    parts = range(0, n, 4)
    for of_part in ((0, n, 1, n + 1), (0, 1, n, n + 1)):
        low = [part + i for part in parts for i in of_part]
        yield low, [i + 2 for i in low]
    if n == 16:
        low = [*range(8), *range(n, n + 8)]
        yield low, [i + 8 for i in low]
    if n > 4:
        even = [part + i for part in range(0, 2 * n, 8) for i in range(4)]
        yield even, [i + 4 for i in even]


def _totals(builder: ir.IRBuilder, vectors: list[ir.Value]) -> ir.Value:
    """The totals of as many vectors as each has int32, in order."""
    for one, other in _fold_orders(len(vectors)):
        vectors = [
            builder.add(shuffled(builder, a, b, one), shuffled(builder, a, b, other))
            for a, b in zip(vectors[::2], vectors[1::2], strict=True)
        ]
    return vectors[0]


KEYS_AHEAD = 8
"""Rows that `keys_16x1` asks for."""


def _key_scores(
    isa: Any,
    builder: ir.IRBuilder,
    base: ir.Value,
    stride: ir.Value,
    column: ir.Value,
    n: ir.Value,
    ahead: ir.Value | None,
) -> ir.Value:
    """The products of as many rows as a vector has int32 with a column of n bytes."""
    kind, bytes_ = ir.VectorType(i32, isa.LANES), ir.VectorType(i8, 4 * isa.LANES)
    flip = ir.Constant(bytes_, [isa.SIGN_BITS] * (4 * isa.LANES))
    zero = ir.Constant(kind, [0] * isa.LANES)
    sums = [cgutils.alloca_once_value(builder, zero) for _ in range(isa.LANES)]
    begin, step = ir.Constant(i64, 0), ir.Constant(i64, BYTES)
    with cgutils.for_range_slice(builder, begin, n, step, i64) as (k, _):
        if ahead is not None:
            for r in range(KEYS_AHEAD):
                ask_for(builder, at(builder, builder.add(ahead, k), stride, r), near=True)
        for part in range(0, BYTES, 4 * isa.LANES):
            inner = builder.add(k, ir.Constant(i64, part)) if part else k
            signed = load(builder, builder.add(column, inner), bytes_)
            first = builder.add(base, inner)
            for r, place in enumerate(sums):
                row = builder.xor(load(builder, at(builder, first, stride, r), bytes_), flip)
                terms = (builder.bitcast(x, kind) for x in (row, signed))
                builder.store(isa.dot(builder, builder.load(place), *terms), place)
    return _totals(builder, [builder.load(place) for place in sums])


@emitted
def keys_16x1(builder, isa, rows, row_stride, column, n_inner, correction, out, ahead):  # type: ignore[no-untyped-def]
    """out[r] = Σ_k rows[r, k] · column[k] - correction, int32, for LANES rows.

    rows, column: int8; n_inner: a multiple of BYTES; correction: address of SIGN_BITS times the
    column's sum, LANES times. On its way it asks memory for KEYS_AHEAD rows that begin at address
    `ahead`: asking for all that comes next at once would hold up the products.
    """
    for first in range(0, LANES, isa.LANES):
        base, asked = at(builder, rows, row_stride, first), None if first else ahead
        scores = _key_scores(isa, builder, base, row_stride, column, n_inner, asked)
        place = ir.Constant(i64, 4 * first)
        if isa.SIGN_BITS:
            undo = load(builder, builder.add(correction, place), scores.type)
            scores = builder.sub(scores, undo)
        store(builder, scores, builder.add(out, place))


def _emit_weighted(
    isa: Any, builder: ir.IRBuilder, n_members: int, arguments: Sequence[ir.Value], asks: bool
) -> None:
    """The code of `_weighted_sums` for COLUMNS columns."""
    weights, weight_stride, values, value_stride, n_pairs, out, out_stride, ahead = arguments
    kind, n = ir.VectorType(i32, isa.LANES), 4 * isa.LANES
    zero, parts = ir.Constant(kind, [0] * isa.LANES), range(0, isa.COLUMNS, n)
    sums = [
        [[cgutils.alloca_once_value(builder, zero) for _ in range(4)] for _ in parts]
        for _ in range(n_members)
    ]
    one, two = ir.Constant(i64, 1), ir.Constant(i64, 2)
    with cgutils.for_range(builder, n_pairs, intp=i64) as loop:
        offset = builder.mul(builder.shl(loop.index, one), value_stride)
        if asks:
            for r in range(2):
                row = at(builder, builder.add(ahead, offset), value_stride, r)
                ask_for(builder, row, near=True)
        row = builder.add(values, offset)
        for part, begin in enumerate(parts):
            even_at = builder.add(row, ir.Constant(i64, begin)) if begin else row
            even = load(builder, even_at, ir.VectorType(i8, n))
            odd = load(builder, builder.add(even_at, value_stride), ir.VectorType(i8, n))
            terms = isa.pairs_of(builder, even, odd)
            place = builder.add(weights, builder.shl(loop.index, two))
            for member in range(n_members):
                pair = load(builder, at(builder, place, weight_stride, member), i32, align=2)
                pairs = broadcast(builder, pair, isa.LANES)
                for term, total in zip(terms, sums[member][part], strict=True):
                    builder.store(isa.dot_pairs(builder, builder.load(total), term, pairs), total)
    for member in range(n_members):
        line = at(builder, out, out_stride, member)
        for part, begin in enumerate(parts):
            own = [builder.load(total) for total in sums[member][part]]
            for i, vector in enumerate(isa.in_columns(builder, own)):
                place = ir.Constant(i64, 4 * (begin + i * isa.LANES))
                store(builder, vector, builder.add(line, place))


def _weighted_sums(  # type: ignore[no-untyped-def]
    builder, n, isa, weights, weight_stride, values, value_stride, n_pairs, out, out_stride, ahead
):
    """out[m, i] = Σ_j weights[m, j] · values[j, i] over 2 n_pairs rows, BYTES columns, int32.

    weights: int16, n sets of them; values: int8. The caller sees to it that no sum leaves
    int32. On its way it asks memory for 2 n_pairs rows that begin at address `ahead`.
    """
    for first in range(0, BYTES, isa.COLUMNS):
        columns, target = values, out
        if first:
            columns = builder.add(values, ir.Constant(i64, first))
            target = builder.add(out, ir.Constant(i64, 4 * first))
        rows = weights, weight_stride, columns, value_stride, n_pairs
        moved = *rows, target, out_stride, ahead
        _emit_weighted(isa, builder, n, moved, asks=not first)


weighted_sums_1, weighted_sums_2, weighted_sums_3, weighted_sums_4 = (
    emitted(_weighted_sums, n) for n in (1, 2, 3, 4)
)


@emitted
def turn_values(builder, values, stride, out):  # type: ignore[no-untyped-def]
    """LANES bytes of four rows, `stride` bytes apart, as a line: the four of a column together."""
    row = ir.VectorType(i8, LANES)
    rows = [load(builder, at(builder, values, stride, r), row) for r in range(4)]
    pairs, order = [], [n for i in range(LANES) for n in (i, LANES + i)]
    for one, other in (rows[:2], rows[2:]):
        both = shuffled(builder, one, other, order)
        pairs.append(builder.bitcast(both, ir.VectorType(i16, LANES)))
    store(builder, shuffled(builder, pairs[0], pairs[1], order), out)


@emitted
def copy_bytes(builder, target, source, n_bytes):  # type: ignore[no-untyped-def]
    """Copy bytes from address to address."""
    pointers = (builder.inttoptr(a, i8.as_pointer()) for a in (target, source))
    cgutils.raw_memcpy(builder, *pointers, n_bytes, 1)


@emitted(result="int64")
def fetch_and_add(builder, address, amount):  # type: ignore[no-untyped-def]
    """Add to the int64 at `address`, atomically; return what it was before."""
    pointer = builder.inttoptr(address, i64.as_pointer())
    return builder.atomic_rmw("add", pointer, amount, "seq_cst")


@emitted(result="int64")
def fetch(builder, address):  # type: ignore[no-untyped-def]
    """Read the int64 at `address`, atomically."""
    return builder.load_atomic(builder.inttoptr(address, i64.as_pointer()), "seq_cst", 8)


@emitted(result="int64")
def ticks(builder):  # type: ignore[no-untyped-def]
    """The processor's counter of time, or 0 where LLVM takes one that only systems may read."""
    if platform.machine() in ARM and binding.llvm_version_info[0] < _READABLE:
        return ir.Constant(i64, 0)
    return call(builder, "llvm.readcyclecounter", i64)


@emitted
def give_way(builder):  # type: ignore[no-untyped-def]
    """Let another thread have this processor (POSIX sched_yield)."""
    call(builder, "sched_yield", i32)
