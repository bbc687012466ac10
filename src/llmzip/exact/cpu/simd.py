"""Integer dot products in LLVM's own vectors, for what the loop vectoriser does not find.

With AVX512-VNNI one instruction multiplies 64 unsigned by 64 signed bytes and adds
the products in fours to 16 int32 without saturation; another does the same for 32
int16 in pairs. The functions here need a processor that has them, as `AVAILABLE`
tells. Sums of integers have no order, so the results are those of any other loop.

Addresses are int64 and need no alignment; strides are in bytes.
"""

from __future__ import annotations

import os
from typing import Any

from llmzip.compiled.compiler import binding, cgutils, config, intrinsic, ir, types

BYTES = 64
"""Bytes of a vector: inner lengths are multiples of this."""
LANES = 16
"""int32 of a vector, and the dot products that one call computes."""
SIGN_BITS = 128
"""One operand of a product is taken with this added, to be unsigned; `correction` undoes it."""

_i8, _i16, _i32, _i64 = (ir.IntType(n) for n in (8, 16, 32, 64))
_BYTES_TYPE, _PAIRS_TYPE, _SUMS_TYPE = (
    ir.VectorType(_i8, 64),
    ir.VectorType(_i16, 32),
    ir.VectorType(_i32, 16),
)
FEATURES = ("avx512f", "avx512bw", "avx512vnni")
"""What the processor must have, by LLVM's names."""


def _has_vnni() -> bool:
    """Does the processor that numba compiles for have AVX512-VNNI?"""
    if os.name != "posix" or config.CPU_NAME or config.CPU_FEATURES:
        return False  # no sched_yield for the barrier, or compiling for some other processor
    features = binding.get_host_cpu_features()
    return all(features.get(name, False) for name in FEATURES)


AVAILABLE = _has_vnni()


def _load(builder: ir.IRBuilder, address: ir.Value, kind: ir.Type, align: int = 1) -> ir.Value:
    return builder.load(builder.inttoptr(address, kind.as_pointer()), align=align)


def _store(builder: ir.IRBuilder, value: ir.Value, address: ir.Value) -> None:
    builder.store(value, builder.inttoptr(address, value.type.as_pointer()), align=1)


def _prefetch(builder: ir.IRBuilder, address: ir.Value) -> None:
    """Ask for the cache line at `address`, which may lie beyond all memory."""
    pointer = builder.inttoptr(address, _i8.as_pointer())
    kind = ir.FunctionType(ir.VoidType(), [pointer.type, _i32, _i32, _i32])
    function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
    read, keep, data = (ir.Constant(_i32, i) for i in (0, 3, 1))
    builder.call(function, [pointer, read, keep, data])


def _shuffle(builder: ir.IRBuilder, a: ir.Value, b: ir.Value, order: list[int]) -> ir.Value:
    return builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(_i32, len(order)), order))


def _at(builder: ir.IRBuilder, base: ir.Value, stride: ir.Value, index: int) -> ir.Value:
    """The address base + stride · index."""
    return builder.add(base, builder.mul(stride, ir.Constant(_i64, index)))


def _instruction(builder: ir.IRBuilder, name: str) -> ir.Function:
    """An instruction acc + a · b over vectors of 16 int32."""
    kind = ir.FunctionType(_SUMS_TYPE, [_SUMS_TYPE] * 3)
    return cgutils.get_or_insert_function(builder.module, kind, name)


def _add_shuffled(
    builder: ir.IRBuilder, a: ir.Value, b: ir.Value, one: list[int], other: list[int]
) -> ir.Value:
    return builder.add(_shuffle(builder, a, b, one), _shuffle(builder, a, b, other))


_QUARTERS = range(0, LANES, 4)  # where the 128-bit parts of a vector begin
_SINGLES_LOW = [q + i for q in _QUARTERS for i in (0, LANES, 1, LANES + 1)]
_SINGLES_HIGH = [i + 2 for i in _SINGLES_LOW]
_PAIRS_LOW = [q + i for q in _QUARTERS for i in (0, 1, LANES, LANES + 1)]
_PAIRS_HIGH = [i + 2 for i in _PAIRS_LOW]
_HALVES_LOW = [*range(8), *range(LANES, LANES + 8)]
_HALVES_HIGH = [i + 8 for i in _HALVES_LOW]
_QUARTERS_EVEN = [q + i for q in (0, 8, LANES, LANES + 8) for i in range(4)]
_QUARTERS_ODD = [i + 4 for i in _QUARTERS_EVEN]


def _totals(builder: ir.IRBuilder, vectors: list[ir.Value]) -> ir.Value:
    """The totals of 16 vectors of 16 int32, in order: transposed and added in four levels.

    The first two levels stay within 128-bit parts, where shuffles are cheapest.
    """
    for one, other in (
        (_SINGLES_LOW, _SINGLES_HIGH),
        (_PAIRS_LOW, _PAIRS_HIGH),
        (_HALVES_LOW, _HALVES_HIGH),
        (_QUARTERS_EVEN, _QUARTERS_ODD),
    ):
        vectors = [
            _add_shuffled(builder, a, b, one, other)
            for a, b in zip(vectors[::2], vectors[1::2], strict=True)
        ]
    return vectors[0]


KEYS_AHEAD = 8
"""Rows that `keys_16x1` asks for."""


@intrinsic
def keys_16x1(typing, rows, row_stride, column, n_inner, correction, out, ahead):  # type: ignore[no-untyped-def]
    """out[r] = Σ_k rows[r, k] · column[k] - correction, int32, for LANES rows.

    rows, column: int8; n_inner: a multiple of BYTES; correction: address of SIGN_BITS times the
    column's sum, LANES times. On its way it asks memory for KEYS_AHEAD rows that begin at address
    `ahead`: asking for all that comes next at once would hold up the products.
    """
    signature = types.void(*[types.int64] * 7)

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        rows, row_stride, column, n_inner, correction, out, ahead = arguments
        multiply = _instruction(builder, "llvm.x86.avx512.vpdpbusd.512")
        flip = ir.Constant(_BYTES_TYPE, [SIGN_BITS] * BYTES)
        zero = ir.Constant(_SUMS_TYPE, [0] * LANES)
        sums = [cgutils.alloca_once_value(builder, zero) for _ in range(LANES)]
        begin, step = ir.Constant(_i64, 0), ir.Constant(_i64, BYTES)
        with cgutils.for_range_slice(builder, begin, n_inner, step, _i64) as (k, _):
            base = builder.add(rows, k)
            for r in range(KEYS_AHEAD):
                _prefetch(builder, _at(builder, builder.add(ahead, k), row_stride, r))
            signed = builder.bitcast(
                _load(builder, builder.add(column, k), _BYTES_TYPE), _SUMS_TYPE
            )
            for r, place in enumerate(sums):
                row = builder.xor(
                    _load(builder, _at(builder, base, row_stride, r), _BYTES_TYPE), flip
                )
                terms = [builder.load(place), builder.bitcast(row, _SUMS_TYPE), signed]
                builder.store(builder.call(multiply, terms), place)
        totals = _totals(builder, [builder.load(place) for place in sums])
        undo = _load(builder, correction, _SUMS_TYPE)
        _store(builder, builder.sub(totals, undo), out)
        return context.get_dummy_value()

    return signature, generate


_PARTS = range(0, BYTES, LANES)  # where the 128-bit parts of 64 bytes begin
_EVEN_ODD_LOW = [i for part in _PARTS for c in range(8) for i in (part + c, BYTES + part + c)]
_EVEN_ODD_HIGH = [i + 8 for i in _EVEN_ODD_LOW]


def _interleaved(builder: ir.IRBuilder, even: ir.Value, odd: ir.Value) -> list[ir.Value]:
    """Two rows of bytes as pairs of int16, in the order that `_in_columns` undoes."""
    pairs = []
    for half in (0, 1):
        for order in (_EVEN_ODD_LOW, _EVEN_ODD_HIGH):
            both = _shuffle(builder, even, odd, order)
            bytes_ = _shuffle(builder, both, both, list(range(32 * half, 32 * half + 32)))
            pairs.append(builder.bitcast(builder.sext(bytes_, _PAIRS_TYPE), _SUMS_TYPE))
    return pairs


def _in_columns(builder: ir.IRBuilder, sums: list[ir.Value]) -> list[ir.Value]:
    """Sums over `_interleaved` pairs as four vectors in the order of the columns."""
    first = [*range(8), *range(LANES, LANES + 8)]
    second = [i + 8 for i in first]
    return [
        _shuffle(builder, sums[half], sums[half + 1], order)
        for half in (0, 2)
        for order in (first, second)
    ]


def _make_weighted_sums(n_members: int) -> Any:
    """Make a function for the weighted sums of `n_members` sets of weights."""

    @intrinsic
    def weighted_sums(  # type: ignore[no-untyped-def]
        typing, weights, weight_stride, values, value_stride, n_pairs, out, out_stride, ahead
    ):
        """out[m, i] = Σ_j weights[m, j] · values[j, i] over 2 n_pairs rows, BYTES columns, int32.

        weights: int16; values: int8. The caller sees to it that no sum leaves int32. On its
        way it asks memory for 2 n_pairs rows that begin at address `ahead`.
        """
        signature = types.void(*[types.int64] * 8)

        def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
            weights, weight_stride, values, value_stride, n_pairs = arguments[:5]
            out, out_stride, ahead = arguments[5:]
            multiply = _instruction(builder, "llvm.x86.avx512.vpdpwssd.512")
            zero = ir.Constant(_SUMS_TYPE, [0] * LANES)
            sums = [
                [cgutils.alloca_once_value(builder, zero) for _ in range(4)]
                for _ in range(n_members)
            ]
            one, two = ir.Constant(_i64, 1), ir.Constant(_i64, 2)
            with cgutils.for_range(builder, n_pairs, intp=_i64) as loop:
                offset = builder.mul(builder.shl(loop.index, one), value_stride)
                for r in range(2):
                    _prefetch(builder, _at(builder, builder.add(ahead, offset), value_stride, r))
                row = builder.add(values, offset)
                even = _load(builder, row, _BYTES_TYPE)
                odd = _load(builder, builder.add(row, value_stride), _BYTES_TYPE)
                terms = _interleaved(builder, even, odd)
                place = builder.add(weights, builder.shl(loop.index, two))
                for member in range(n_members):
                    pair = _load(builder, _at(builder, place, weight_stride, member), _i32, align=2)
                    pairs = _broadcast(builder, pair)
                    for term, total in zip(terms, sums[member], strict=True):
                        added = builder.call(multiply, [builder.load(total), term, pairs])
                        builder.store(added, total)
            for member in range(n_members):
                line = _at(builder, out, out_stride, member)
                found = _in_columns(builder, [builder.load(total) for total in sums[member]])
                for quarter, vector in enumerate(found):
                    _store(builder, vector, builder.add(line, ir.Constant(_i64, BYTES * quarter)))
            return context.get_dummy_value()

        return signature, generate

    return weighted_sums


def _broadcast(builder: ir.IRBuilder, value: ir.Value) -> ir.Value:
    seed = builder.insert_element(
        ir.Constant(_SUMS_TYPE, ir.Undefined), value, ir.Constant(_i32, 0)
    )
    return _shuffle(builder, seed, seed, [0] * LANES)


weighted_sums_1 = _make_weighted_sums(1)
weighted_sums_2 = _make_weighted_sums(2)
weighted_sums_3 = _make_weighted_sums(3)
weighted_sums_4 = _make_weighted_sums(4)


@intrinsic
def copy_bytes(typing, target, source, n_bytes):  # type: ignore[no-untyped-def]
    """Copy bytes from address to address."""
    signature = types.void(*[types.int64] * 3)

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        target, source, n_bytes = arguments
        pointers = (builder.inttoptr(a, _i8.as_pointer()) for a in (target, source))
        cgutils.raw_memcpy(builder, *pointers, n_bytes, 1)
        return context.get_dummy_value()

    return signature, generate


@intrinsic
def fetch_and_add(typing, address, amount):  # type: ignore[no-untyped-def]
    """Add to the int64 at `address`, atomically; return what it was before."""
    signature = types.int64(types.int64, types.int64)

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        address, amount = arguments
        return builder.atomic_rmw(
            "add", builder.inttoptr(address, _i64.as_pointer()), amount, "seq_cst"
        )

    return signature, generate


@intrinsic
def fetch(typing, address):  # type: ignore[no-untyped-def]
    """Read the int64 at `address`, atomically."""
    signature = types.int64(types.int64)

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        pointer = builder.inttoptr(arguments[0], _i64.as_pointer())
        return builder.load_atomic(pointer, "seq_cst", 8)

    return signature, generate


@intrinsic
def ticks(typing):  # type: ignore[no-untyped-def]
    """The processor's counter of time."""
    signature = types.int64()

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        kind = ir.FunctionType(_i64, [])
        name = "llvm.readcyclecounter"
        return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), [])

    return signature, generate


@intrinsic
def give_way(typing):  # type: ignore[no-untyped-def]
    """Let another thread have this processor (POSIX sched_yield)."""
    signature = types.void()

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        kind = ir.FunctionType(_i32, [])
        builder.call(cgutils.get_or_insert_function(builder.module, kind, "sched_yield"), [])
        return context.get_dummy_value()

    return signature, generate
