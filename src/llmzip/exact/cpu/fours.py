"""Integer products by AVX512-VNNI: bytes by bytes, four neighbours added to an int32.

The instruction takes one operand unsigned. Of rows and columns that are both signed, the columns
are the one: they lie in memory with SIGN_BITS added, and each row's sum is corrected by SIGN_BITS
times that of the row. `products_1` … `products_8` hold the sums of up to 8 rows with 32 outputs in
registers. Sums of integers have no order, so the results are those of any other loop. The functions
need a processor of which `simd.AVAILABLE` says that it has the instruction.

Columns lie in blocks of 16 outputs, four terms side by side: int8 (outputs / 16, terms / 4, 16, 4).
Addresses are int64 and need no alignment; strides are in bytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from llmzip.compiled import called, inlined
from llmzip.compiled.compiler import cgutils, intrinsic, ir, types
from llmzip.exact.cpu.scalars import i32
from llmzip.exact.cpu.simd import (
    _BYTES_TYPE,
    _SUMS_TYPE,
    BYTES,
    LANES,
    SIGN_BITS,
    _at,
    _broadcast,
    _i32,
    _i64,
    _instruction,
    _load,
    _store,
)
from llmzip.exact.cpu.tiles import ask_for_line

TOGETHER = 4
"""Terms of an output that lie together."""
ROWS = 8
"""Rows whose sums with OUTPUTS outputs fit the registers."""
OUTPUTS = 2 * LANES
"""Outputs that `products_1` … `products_8` compute."""
BLOCK = 2 * OUTPUTS
"""Packed weights have outputs for a multiple of this."""


def _emit_products(
    builder: ir.IRBuilder,
    n_rows: int,
    arguments: Sequence[Any],
    begin: Sequence[ir.Value],
    is_signed: bool,
    ahead: Sequence[ir.Value] = (),
) -> None:
    """The code of `_make_products`: sums that begin with a number for each row.

    ahead: an address that memory is asked for with the first terms, and how many bytes further it
    is with the next.
    """
    rows, row_stride, columns, apart, n_fours, out, out_stride = arguments
    multiply = _instruction(builder, "llvm.x86.avx512.vpdpbusd.512")
    step = ir.Constant(_i64, TOGETHER)
    sums = [[cgutils.alloca_once_value(builder, value) for _ in range(2)] for value in begin]
    for index in _fours(builder, n_fours):
        if ahead:
            ask_for_line(builder, builder.add(ahead[0], builder.mul(index, ahead[1])), 0)
        place = builder.add(columns, builder.mul(index, ir.Constant(_i64, BYTES)))
        terms = [_load(builder, at, _SUMS_TYPE) for at in (place, builder.add(place, apart))]
        row = builder.add(rows, builder.mul(index, step))
        for r in range(n_rows):
            four = _broadcast(builder, _load(builder, _at(builder, row, row_stride, r), _i32))
            for term, total in zip(terms, sums[r], strict=True):
                pair = [term, four] if is_signed else [four, term]  # the first one is unsigned
                added = builder.call(multiply, [builder.load(total), *pair])
                builder.store(added, total)
    for r in range(n_rows):
        target = _at(builder, out, out_stride, r)
        for half, total in enumerate(sums[r]):
            address = builder.add(target, ir.Constant(_i64, half * BYTES))
            _store(builder, builder.load(total), address)


def _fours(builder: ir.IRBuilder, n: Any) -> Iterator[ir.Value]:
    """A loop over as many fours of terms as a value says, or one after the other if n is an int."""
    if isinstance(n, int):
        yield from (ir.Constant(_i64, i) for i in range(n))
        return
    with cgutils.for_range(builder, n, intp=_i64) as loop:
        yield loop.index


def _correcting(
    builder: ir.IRBuilder, n_rows: int, arguments: Sequence[Any], ahead: Sequence[ir.Value] = ()
) -> None:
    """Signed products, from the corrections of n_rows rows on."""
    *operands, correction, out, out_stride = arguments
    step = ir.Constant(_i64, 4)
    undo = [_load(builder, _at(builder, correction, step, r), _i32) for r in range(n_rows)]
    begin = [_broadcast(builder, builder.neg(n)) for n in undo]
    _emit_products(builder, n_rows, [*operands, out, out_stride], begin, True, ahead)


def _make_products(n_rows: int) -> Any:
    """Make a function for the sums of n_rows rows with OUTPUTS outputs."""

    @intrinsic
    def products(  # type: ignore[no-untyped-def]
        typing, rows, row_stride, columns, apart, n_fours, correction, out, out_stride
    ):
        """out[r, c] = Σ_k rows[r, k] · columns[c, k] - correction[r] in int32.

        rows: int8. columns: two blocks of outputs, int8 with SIGN_BITS added, `apart` from each
        other. correction: int32, SIGN_BITS times the sum of each row.
        """
        signature = types.void(*[types.int64] * 8)

        def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
            _correcting(builder, n_rows, arguments)
            return context.get_dummy_value()

        return signature, generate

    return products


products_1, products_2, products_3, products_4, products_8 = map(_make_products, (1, 2, 3, 4, ROWS))


@intrinsic
def asking_products_8(  # type: ignore[no-untyped-def]
    typing,
    rows,
    row_stride,
    columns,
    apart,
    n_fours,
    correction,
    out,
    out_stride,
    ahead,
    step,
):
    """As `products_8`; meanwhile memory is asked for lines from `ahead` on, `step` bytes apart."""
    signature = types.void(*[types.int64] * 10)

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        _correcting(builder, ROWS, arguments[:-2], arguments[-2:])
        return context.get_dummy_value()

    return signature, generate


@intrinsic
def head_products_8(  # type: ignore[no-untyped-def]
    typing, rows, row_stride, columns, correction, out, out_stride
):
    """As `products_8` for rows of BYTES terms, and blocks of outputs one after the other."""
    signature = types.void(*[types.int64] * 6)

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        *operands, correction, out, out_stride = arguments
        apart = ir.Constant(_i64, LANES * BYTES)
        rest = [apart, BYTES // TOGETHER, correction, out, out_stride]
        _correcting(builder, ROWS, [*operands, *rest])
        return context.get_dummy_value()

    return signature, generate


@intrinsic
def unsigned_products_8(  # type: ignore[no-untyped-def]
    typing, rows, row_stride, columns, apart, n_fours, out, out_stride
):
    """out[r, c] = Σ_k rows[r, k] · columns[c, k] in int32, for ROWS rows of uint8.

    columns: two blocks of outputs, int8 as they are, `apart` from each other.
    """
    signature = types.void(*[types.int64] * 7)

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        zeros = [ir.Constant(_SUMS_TYPE, [0] * LANES)] * ROWS
        _emit_products(builder, ROWS, arguments, zeros, False)
        return context.get_dummy_value()

    return signature, generate


@inlined
def _few(
    n_rows: int,
    rows: Any,
    row_stride: Any,
    columns: Any,
    apart: Any,
    n_fours: Any,
    undo: Any,
    out: Any,
    out_stride: Any,
) -> None:
    """`products` for less than ROWS rows."""
    x, c, y = rows, undo, out
    if n_rows >= 4:
        products_4(x, row_stride, columns, apart, n_fours, c, y, out_stride)
        x, c, y = rows + 4 * row_stride, undo + 16, out + 4 * out_stride
    if n_rows % 4 == 3:
        products_3(x, row_stride, columns, apart, n_fours, c, y, out_stride)
    elif n_rows % 4 == 2:
        products_2(x, row_stride, columns, apart, n_fours, c, y, out_stride)
    elif n_rows % 4 == 1:
        products_1(x, row_stride, columns, apart, n_fours, c, y, out_stride)


@inlined
def strips(
    n_rows: int,
    rows: Any,
    row_stride: Any,
    columns: Any,
    apart: Any,
    n_fours: Any,
    undo: Any,
    out: Any,
    out_stride: Any,
) -> None:
    """`products` for any number of rows."""
    row, x, c, y = 0, rows, undo, out
    while n_rows - row >= ROWS:
        products_8(x, row_stride, columns, apart, n_fours, c, y, out_stride)
        row += ROWS
        x, c, y = rows + row * row_stride, undo + row * 4, out + row * out_stride
    _few(n_rows - row, x, row_stride, columns, apart, n_fours, c, y, out_stride)


@called
def product_block(
    rows: Any,
    n_all: int,
    first: int,
    last: int,
    n_terms: Any,
    columns: Any,
    undo: Any,
    out: Any,
    width: int,
) -> None:
    """The sums of rows first … last - 1 of n_all with `width` outputs into out (…, width).

    rows, undo: addresses of all rows, one after the other, and of their corrections. columns, out:
    addresses; width: a multiple of OUTPUTS, which stay in the first cache while rows go through
    them. Meanwhile memory is asked for these rows' share of as many columns behind.
    """
    fours, apart, line = n_terms // np.int64(TOGETHER), n_terms * LANES, np.int64(4 * width)
    part = width * n_terms * (last - first) // n_all // max(1, (last - first) // ROWS)
    step = part // (width // OUTPUTS) // fours
    for c in range(0, width, OUTPUTS):
        w_at, row = columns + c * n_terms, first
        ahead = columns + width * n_terms * (n_all + first) // n_all + c * step * fours // OUTPUTS
        while last - row >= ROWS:
            x, y = rows + row * n_terms, out + 4 * c + (row - first) * line
            asking_products_8(x, n_terms, w_at, apart, fours, undo + 4 * row, y, line, ahead, step)
            ahead, row = ahead + part, row + ROWS
        x, y = rows + row * n_terms, out + 4 * c + (row - first) * line
        _few(last - row, x, n_terms, w_at, apart, fours, undo + 4 * row, y, line)


@intrinsic
def byte_sum(typing, row, n_terms):  # type: ignore[no-untyped-def]
    """The sum of int8 at an address, as int32; n_terms: a multiple of BYTES."""
    signature = types.int32(types.int64, types.int64)

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        row, n_terms = arguments
        multiply = _instruction(builder, "llvm.x86.avx512.vpdpbusd.512")
        ones = builder.bitcast(ir.Constant(_BYTES_TYPE, [1] * BYTES), _SUMS_TYPE)
        total = cgutils.alloca_once_value(builder, ir.Constant(_SUMS_TYPE, [0] * LANES))
        begin, step = ir.Constant(_i64, 0), ir.Constant(_i64, BYTES)
        with cgutils.for_range_slice(builder, begin, n_terms, step, _i64) as (k, _):
            terms = _load(builder, builder.add(row, k), _SUMS_TYPE)
            builder.store(builder.call(multiply, [builder.load(total), ones, terms]), total)
        kind = ir.FunctionType(_i32, [_SUMS_TYPE])
        name = "llvm.vector.reduce.add.v16i32"
        fold = cgutils.get_or_insert_function(builder.module, kind, name)
        return builder.call(fold, [builder.load(total)])

    return signature, generate


@inlined
def fill_corrections(rows: Any, n_rows: int, n_terms: Any, undo: Any) -> None:
    """What products of rows (an address) with columns are too large by, into undo (n_rows,)."""
    for row in range(n_rows):
        undo[row] = byte_sum(rows + row * n_terms, n_terms) * i32(SIGN_BITS)


@inlined
def corrections(rows: Any, n_rows: int, n_terms: Any) -> Any:
    """As `fill_corrections`, in memory of its own."""
    undo = np.empty(max(n_rows, 1), dtype=np.int32)
    fill_corrections(rows, n_rows, n_terms, undo)
    return undo
